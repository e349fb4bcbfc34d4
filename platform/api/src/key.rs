//! The report key, wherever the system holds it.

use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::BootEvidence;
use vitalsign_protocol::id::{Digest, Secret};
use vitalsign_protocol::message::{EncryptedCredential, EnrolmentKeys};
use vitalsign_protocol::posture::{Key, KeyStorage};

/// Reason why a key operation failed; one variant for each possible reaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no such device, or it does not answer now: try again later.
    #[error("the key's device is not available: {0}")]
    Unavailable(String),
    /// The system does not let this process use it.
    #[error("permission to use the key's device was denied: {0}")]
    Denied(String),
    /// This kind of key cannot do that, ever.
    #[error("this kind of key cannot do that: {0}")]
    Unsupported(&'static str),
    /// The key is gone (a TPM was cleared or replaced, a keychain was emptied): enrol again.
    #[error("the key is lost, and the device has to enrol again: {0}")]
    Lost(String),
    /// The device protects itself after failed authorisations: wait.
    #[error("the key's device is locked out for a while: {0}")]
    LockedOut(String),
    /// The device answers, and what it answers is wrong or a failure.
    #[error("the key's device failed: {0}")]
    Hardware(String),
}

/// A report key, ready to sign. One owner: the device behind it serves one at a time.
pub trait DeviceKey: Send {
    /// Returns where the key is stored. Never `Tpm` for a key outside a TPM.
    fn storage(&self) -> KeyStorage;
    /// Returns the public key.
    fn public(&self) -> &PublicKey;
    /// Returns facts about the key's hardware.
    fn facts(&self) -> Key;
    /// Signs a SHA-256 digest: `r || s`.
    fn sign(&mut self, digest: &Digest) -> Result<[u8; 64], KeyError>;
    /// The public keys and the certification that enrolment sends.
    fn enrolment_keys(&mut self) -> Result<EnrolmentKeys, KeyError>;
    /// Opens what a verifier made for this device only. Keys in software cannot.
    fn activate(&mut self, credential: &EncryptedCredential) -> Result<Secret, KeyError>;
    /// Quotes the PCRs, with the firmware's event log. Keys in software cannot.
    fn quote(&mut self, extra_data: &Digest) -> Result<BootEvidence, KeyError>;
    /// Returns the number of boots, if the hardware counts them.
    fn boot_count(&mut self) -> Option<u64>;
    /// Commands sent to the hardware so far: a report is to cost one.
    fn commands(&self) -> u64;
}

/// Key in this process's memory, for unit tests of users of [`DeviceKey`].
#[cfg(feature = "fake")]
pub mod fake {
    use super::{
        BootEvidence, DeviceKey, Digest, EncryptedCredential, EnrolmentKeys, Key, KeyError, KeyStorage,
        PublicKey, Secret,
    };
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use vitalsign_protocol::id::Base64Url;

    /// Signs in memory, says that it is software, and fails with `fail` while that is set.
    pub struct FakeKey {
        pair: EcdsaKeyPair,
        public: PublicKey,
        commands: u64,
        /// Error that every operation returns, if set.
        pub fail: Option<KeyError>,
    }

    impl FakeKey {
        /// Generates a random key.
        pub fn generate() -> Result<Self, KeyError> {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
            let pair = pair.map_err(|e| KeyError::Hardware(e.to_string()))?;
            let public = PublicKey::from_point(pair.public_key().as_ref());
            let public = public.map_err(|e| KeyError::Hardware(e.to_string()))?;
            Ok(Self { pair, public, commands: 0, fail: None })
        }
    }

    impl DeviceKey for FakeKey {
        fn storage(&self) -> KeyStorage {
            KeyStorage::Software
        }
        fn public(&self) -> &PublicKey {
            &self.public
        }
        fn facts(&self) -> Key {
            Key { storage: vitalsign_protocol::fact::Fact::Known(KeyStorage::Software), ..Key::default() }
        }
        fn sign(&mut self, digest: &Digest) -> Result<[u8; 64], KeyError> {
            if let Some(error) = &self.fail {
                return Err(error.clone());
            }
            self.commands += 1;
            let digest =
                aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256);
            let digest = digest.map_err(|e| KeyError::Hardware(e.to_string()))?;
            let signature = self.pair.sign_digest(&digest).map_err(|e| KeyError::Hardware(e.to_string()))?;
            signature.as_ref().try_into().map_err(|_| KeyError::Hardware("signature length".into()))
        }
        fn enrolment_keys(&mut self) -> Result<EnrolmentKeys, KeyError> {
            Ok(EnrolmentKeys::Software { report_key: Base64Url(self.public.point().to_vec()) })
        }
        fn activate(&mut self, _: &EncryptedCredential) -> Result<Secret, KeyError> {
            Err(KeyError::Unsupported("a key in memory has no endorsement"))
        }
        fn quote(&mut self, _: &Digest) -> Result<BootEvidence, KeyError> {
            Err(KeyError::Unsupported("a key in memory has no PCRs"))
        }
        fn boot_count(&mut self) -> Option<u64> {
            None
        }
        fn commands(&self) -> u64 {
            self.commands
        }
    }
}
