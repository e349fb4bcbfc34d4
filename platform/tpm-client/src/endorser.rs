//! The TPM's endorsement key, with the certificate that its maker left in NV memory.

use super::device::{ENDORSEMENT, TpmDevice, handle, password};
use super::failure::CommandError;
use super::session;
use super::template::EndorsementKind;
use tpm2_protocol::data::{TpmaObject, TpmaSession, TpmsAuthCommand};
use tpm2_protocol::frame::{TpmActivateCredentialCommand, TpmPolicySecretCommand, TpmPolicySecretResponse};
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::{Base64Url, Secret};
use vitalsign_protocol::message::EncryptedCredential;
use vitalsign_tpm::codec;
use vitalsign_tpm::endorsement::{certifies, split_padded};
use vitalsign_tpm::public::Public;
use vitalsign_tpm::seed::Recipient;

/// NV indices with the certificates between the EK's and the maker's root (TCG EK credential profile, clause 2.2.1.5).
const CHAIN: std::ops::RangeInclusive<u32> = 0x01c0_0100..=0x01c0_01ff;
const FIRST_NV_INDEX: u32 = 0x0100_0000;

/// An endorsement key that is certified.
#[derive(Clone)]
pub(crate) struct Endorser {
    kind: EndorsementKind,
    /// Handle of the persistent key, if it exists.
    persistent: Option<u32>,
    pub(crate) public: Public,
    /// Certificate of the key, then its chain, in DER.
    pub(crate) certificates: Vec<Base64Url>,
}

impl Endorser {
    /// Creates an endorser without a certificate.
    #[cfg(all(test, feature = "testing", unix))]
    pub(crate) fn made(kind: EndorsementKind, public: Public) -> Self {
        Self { kind, persistent: None, public, certificates: Vec::new() }
    }

    /// The first kind of endorsement key whose certificate is there, and is for the key that the TPM really has.
    pub(crate) fn find(device: &mut TpmDevice) -> Result<Self, CommandError> {
        let indices = device.handles(FIRST_NV_INDEX)?;
        let mut chain = Vec::new();
        for index in indices.iter().filter(|index| CHAIN.contains(index)) {
            chain.extend(device.nv_read(*index)?);
        }
        let mut seen = false;
        for kind in EndorsementKind::ALL {
            if !indices.contains(&kind.certificate_index()) {
                continue;
            }
            seen = true;
            let content = device.nv_read(kind.certificate_index())?;
            let Some(certificate) = split_padded(&content).first().copied() else { continue };
            if let Some((persistent, public)) = key_of(device, kind, certificate)? {
                let all = std::iter::once(certificate).chain(split_padded(&chain));
                let certificates = all.map(|der| Base64Url(der.to_vec())).collect();
                return Ok(Self { kind, persistent, public, certificates });
            }
        }
        Err(CommandError::Key(KeyError::Unsupported(match seen {
            true => "the TPM's endorsement certificates are not for the keys that it has",
            false => "the TPM has no endorsement certificate",
        })))
    }

    /// Has the TPM open a credential that was made for this key and the attestation key at `attestation_key`.
    pub(crate) fn activate(
        &self,
        device: &mut TpmDevice,
        attestation_key: (u32, &[u8]),
        credential: &EncryptedCredential,
    ) -> Result<Secret, CommandError> {
        match self.persistent {
            Some(persistent) => self.activate_at(device, persistent, attestation_key, credential),
            None => device.with_primary(ENDORSEMENT, self.kind.template(), |device, made, public| {
                if public != self.public {
                    return Err(CommandError::Key(KeyError::Lost(
                        "the TPM has another endorsement key now".into(),
                    )));
                }
                self.activate_at(device, made, attestation_key, credential)
            }),
        }
    }

    /// Activates a credential. The session's salt is encrypted to the key whose certificate the verifier
    /// checks, so that a substituted key is detected.
    fn activate_at(
        &self,
        device: &mut TpmDevice,
        key: u32,
        (attestation_key, name): (u32, &[u8]),
        credential: &EncryptedCredential,
    ) -> Result<Secret, CommandError> {
        let bad =
            |_| CommandError::Key(KeyError::Hardware("the credential is longer than one can be".into()));
        let command = TpmActivateCredentialCommand {
            handles: [handle(attestation_key), handle(key)],
            credential_blob: codec::buffer(&credential.id_object.0).map_err(bad)?,
            secret: codec::buffer(&credential.encrypted_secret.0).map_err(bad)?,
        };
        let recipient = Recipient::new(&self.public)?;
        let secret = session::salted(device, key, &recipient, |device, session| {
            let names = [name, &self.public.name()];
            if self.public.area().object_attributes.contains(TpmaObject::USER_WITH_AUTH) {
                return session.run(device, &command, &names, password());
            }
            session::policy(device, |device, policy| {
                let assert = TpmPolicySecretCommand {
                    handles: [handle(ENDORSEMENT), handle(policy)],
                    nonce_tpm: Default::default(),
                    cp_hash_a: Default::default(),
                    policy_ref: Default::default(),
                    expiration: 0.into(),
                };
                let _: TpmPolicySecretResponse = device.run(&assert, &[password()])?;
                let other = TpmsAuthCommand {
                    session_handle: handle(policy),
                    session_attributes: TpmaSession::CONTINUE_SESSION,
                    ..TpmsAuthCommand::default()
                };
                session.run(device, &command, &names, other)
            })
        })?;
        Ok(Secret::new(secret.to_vec()))
    }
}

/// Returns the key of this certificate: persistent, or derived from the template.
fn key_of(
    device: &mut TpmDevice,
    kind: EndorsementKind,
    certificate: &[u8],
) -> Result<Option<(Option<u32>, Public)>, CommandError> {
    for persistent in kind.persistent_handles() {
        if let Some(public) = device.read_public(*persistent)?
            && certifies(certificate, &public)
        {
            return Ok(Some((Some(*persistent), public)));
        }
    }
    let made = device.with_primary(ENDORSEMENT, kind.template(), |_, _, public| Ok(public));
    match made {
        Ok(public) => Ok(Some((None, public)).filter(|(_, public)| certifies(certificate, public))),
        // A TPM may have a certificate for a kind of key that this firmware does not make.
        Err(CommandError::Refused(_, rc)) if !rc.is_full() => Ok(None),
        Err(error) => Err(error),
    }
}
