//! A report key in software, where there is no TPM and policy accepts that: it lives in the system's keychain, is used
//! in this process's memory, and is never reported as anything but software.

use aws_lc_rs::digest::{Digest as RawDigest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use keyring_core::{CredentialStore, Entry, Error};
use std::sync::Arc;
use vitalsign_platform_api::{DeviceKey, KeyError};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::BootEvidence;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Base64Url, Digest, Secret};
use vitalsign_protocol::message::{EncryptedCredential, EnrolmentKeys};
use vitalsign_protocol::posture::{Key, KeyStorage};
use zeroize::Zeroizing;

const SERVICE: &str = "vitalsign";

/// A report key in software.
pub struct SoftwareKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SoftwareKey {
    /// Opens the key with this name in the system's keychain and creates it if it is missing. A key that was
    /// lost is replaced by a new one, with another [`PublicKey::thumbprint`].
    ///
    /// On Linux this is the kernel keyring, because a service has no session whose keychain it could use. The
    /// kernel drops the key at a restart and after some days without use; the device then enrols again.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] if the system has no keychain for services, [`KeyError::Denied`] if it
    /// denies access, [`KeyError::Lost`] if the stored value is not a key.
    pub fn open(name: &str) -> Result<Self, KeyError> {
        Self::open_in(&native()?, name)
    }

    /// As [`SoftwareKey::open`], in a keychain of the caller's choice.
    ///
    /// # Errors
    /// As there.
    pub fn open_in(keychain: &Arc<CredentialStore>, name: &str) -> Result<Self, KeyError> {
        let entry = keychain.build(SERVICE, name, None).map_err(|error| failure(&error))?;
        let pkcs8 = match entry.get_secret() {
            Ok(pkcs8) => Zeroizing::new(pkcs8),
            Err(Error::NoEntry) => make(&entry)?,
            Err(error) => return Err(failure(&error)),
        };
        let lost = || KeyError::Lost("what the keychain has is no key".into());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(|_| lost())?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|_| lost())?;
        Ok(Self { pair, public })
    }

    /// Removes the key with this name from the system's keychain. A missing key is not an error.
    pub fn forget(name: &str) -> Result<(), KeyError> {
        let entry = native()?.build(SERVICE, name, None).map_err(|error| failure(&error))?;
        match entry.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }
}

/// Makes a key, and reads it back: a keychain that does not keep it must not have the device enrol.
fn make(entry: &Entry) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    // The document overwrites itself when it goes.
    let pkcs8 = pair.and_then(|pair| pair.to_pkcs8v1());
    let pkcs8 = pkcs8.map_err(|_| KeyError::Hardware("the system has no random numbers".into()))?;
    entry.set_secret(pkcs8.as_ref()).map_err(|error| failure(&error))?;
    entry.get_secret().map(Zeroizing::new).map_err(|error| failure(&error))
}

fn failure(error: &Error) -> KeyError {
    match error {
        Error::NoStorageAccess(cause) => KeyError::Denied(cause.to_string()),
        Error::NoEntry => KeyError::Lost("the keychain does not keep it".into()),
        // The others may hold what was read: say what kind they are, never what they hold.
        Error::BadDataFormat(..) | Error::BadEncoding(_) => {
            KeyError::Lost("what the keychain has is no key".into())
        }
        other => KeyError::Unavailable(format!("the system's keychain: {other}")),
    }
}

impl DeviceKey for SoftwareKey {
    fn storage(&self) -> KeyStorage {
        KeyStorage::Software
    }

    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn facts(&self) -> Key {
        Key {
            storage: Fact::Known(KeyStorage::Software),
            manufacturer: Fact::Unsupported,
            firmware: Fact::Unsupported,
            model: Fact::Unsupported,
        }
    }

    fn sign(&mut self, digest: &Digest) -> Result<[u8; 64], KeyError> {
        let failed = || KeyError::Hardware("the signature failed".into());
        let digest = RawDigest::import_less_safe(digest.as_bytes(), &SHA256).map_err(|_| failed())?;
        let signature = self.pair.sign_digest(&digest).map_err(|_| failed())?;
        signature.as_ref().try_into().map_err(|_| failed())
    }

    fn enrolment_keys(&mut self) -> Result<EnrolmentKeys, KeyError> {
        Ok(EnrolmentKeys::Software { report_key: Base64Url(self.public.point().to_vec()) })
    }

    fn activate(&mut self, _: &EncryptedCredential) -> Result<Secret, KeyError> {
        Err(KeyError::Unsupported("a key in software has no endorsement"))
    }

    fn quote(&mut self, _: &Digest) -> Result<BootEvidence, KeyError> {
        Err(KeyError::Unsupported("a key in software has no PCRs"))
    }

    fn boot_count(&mut self) -> Option<u64> {
        None
    }

    fn commands(&self) -> u64 {
        0
    }
}

#[cfg(target_os = "linux")]
fn native() -> Result<Arc<CredentialStore>, KeyError> {
    let store = linux_keyutils_keyring_store::Store::new().map_err(|error| failure(&error))?;
    Ok(store)
}

#[cfg(target_os = "windows")]
fn native() -> Result<Arc<CredentialStore>, KeyError> {
    let store = windows_native_keyring_store::Store::new().map_err(|error| failure(&error))?;
    Ok(store)
}

#[cfg(target_os = "macos")]
fn native() -> Result<Arc<CredentialStore>, KeyError> {
    let store = apple_native_keyring_store::keychain::Store::new().map_err(|error| failure(&error))?;
    Ok(store)
}

/// Phones and tablets keep keys in hardware.
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
fn native() -> Result<Arc<CredentialStore>, KeyError> {
    Err(KeyError::Unsupported("this system keeps its keys in hardware"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mock() -> Arc<CredentialStore> {
        keyring_core::mock::Store::new().unwrap()
    }

    fn signs(key: &mut SoftwareKey) {
        let signature = key.sign(&Digest::of(b"evidence")).unwrap();
        key.public().verify(b"evidence", &signature).unwrap();
        assert_eq!(key.storage(), KeyStorage::Software);
        assert_eq!(key.facts().storage, Fact::Known(KeyStorage::Software));
    }

    #[test]
    fn key_is_stored_by_name_and_is_never_hardware() {
        let keychain = mock();
        let mut key = SoftwareKey::open_in(&keychain, "report-key").unwrap();
        signs(&mut key);
        assert_eq!(SoftwareKey::open_in(&keychain, "report-key").unwrap().public(), key.public());
        assert_ne!(SoftwareKey::open_in(&keychain, "other").unwrap().public(), key.public());
        let credential =
            EncryptedCredential { id_object: Base64Url(vec![]), encrypted_secret: Base64Url(vec![]) };
        assert!(matches!(key.activate(&credential), Err(KeyError::Unsupported(_))));
        assert!(matches!(key.quote(&Digest::of(b"nonce")), Err(KeyError::Unsupported(_))));
        assert!(matches!(key.enrolment_keys(), Ok(EnrolmentKeys::Software { .. })));
    }

    #[test]
    fn something_else_under_its_name_is_a_lost_key() {
        let keychain = mock();
        keychain.build(SERVICE, "report-key", None).unwrap().set_secret(b"hunter2").unwrap();
        let Err(error) = SoftwareKey::open_in(&keychain, "report-key") else { panic!("a key") };
        assert!(matches!(&error, KeyError::Lost(text) if !text.contains("hunter2")), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_keeps_a_key() {
        let name = format!("test-{}", std::process::id());
        match SoftwareKey::open(&name) {
            Ok(mut key) => {
                signs(&mut key);
                assert_eq!(SoftwareKey::open(&name).unwrap().public(), key.public());
                SoftwareKey::forget(&name).unwrap();
                println!("the kernel's keyring kept a key");
            }
            // Containers often forbid the calls; what we make of the refusal is still tested.
            Err(error) => {
                eprintln!("skipped: this kernel does not let us use its keyring: {error}");
                assert!(matches!(error, KeyError::Denied(_) | KeyError::Unavailable(_)), "{error}");
            }
        }
    }
}
