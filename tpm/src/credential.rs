//! Creates credentials in software like TPM2_MakeCredential (TPM 2.0 part 1, clause 24): only the TPM that
//! holds both the EK and the attestation key can open one.

use crate::codec::{self, Malformed};
use crate::public::{Error, Public};
use crate::seed::{Recipient, cfb_encrypt};
use vitalsign_protocol::id::{Base64Url, Secret};
use vitalsign_protocol::message::EncryptedCredential;

/// Makes a credential that releases `secret` (at most 32 bytes, and no more than the digest of the EK's name
/// algorithm) to the TPM with the endorsement key `ek`, if it also holds the attestation key with this Name.
///
/// # Errors
/// When `ek` is not a restricted decryption key of a kind we know, or the secret is too long.
pub fn make(ek: &Public, attestation_key_name: &[u8], secret: &Secret) -> Result<EncryptedCredential, Error> {
    let recipient = Recipient::new(ek)?;
    let hash = recipient.hash;
    if secret.expose().is_empty() || secret.expose().len() > hash.size() {
        return Err(Error::Malformed);
    }
    let (seed, encrypted_secret) = recipient.seal("IDENTITY")?;
    // The encrypted content is the credential as TPM2B.
    let mut identity = codec::sized(secret.expose());
    let key = hash.kdfa(&seed, "STORAGE", attestation_key_name, &[], recipient.aes_bits);
    cfb_encrypt(&key, [0; 16], &mut identity)?;
    let bits = u32::try_from(hash.size() * 8).map_err(|_| Malformed)?;
    let key = hash.kdfa(&seed, "INTEGRITY", &[], &[], bits);
    let integrity = hash.hmac(&key, &[&identity, attestation_key_name]);
    let id_object = [codec::sized(&integrity), identity].concat();
    Ok(EncryptedCredential { id_object: Base64Url(id_object), encrypted_secret: Base64Url(encrypted_secret) })
}
