//! An assertion, to be checked years later with nothing but these bytes and what it was to be about.

use crate::authenticator_data::AuthenticatorData;
use crate::client_data::{self, CeremonyType, ClientDataError};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use vitalsign_protocol::cbor::{MapBuilder, Value};
use vitalsign_protocol::id::{Base64Url, Digest};
use webauthn_rs_core::proto::{COSEAlgorithm, COSEKey, COSEKeyType};

/// More bytes than a signature has (RSA with 8192 bits).
const MAX_SIGNATURE_BYTES: usize = 1024;
/// More bytes than a COSE key has.
const MAX_KEY_BYTES: usize = 2048;

/// COSE algorithms (RFC 9053, RFC 8812): those that are offered when a key is registered, and no more.
const ES256: i64 = -7;
const ES384: i64 = -35;
const RS256: i64 = -257;

/// Stored assertion, with everything needed to verify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionProof {
    /// `authenticatorData`, as the security key made them.
    pub authenticator_data: Base64Url,
    /// `clientDataJSON`, as the client made it.
    pub client_data_json: Base64Url,
    /// The security key's signature over both: for ECDSA in ASN.1.
    pub signature: Base64Url,
    /// The credential's public key, as it was registered: a COSE_Key.
    pub public_key: Base64Url,
}

/// Requirement of an assertion for user verification (WebAuthn Level 3, section 5.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserVerification {
    /// Only an assertion whose user was verified is valid.
    Required,
    /// The client is asked for none, and an assertion is valid with or without. The caller decides by
    /// [`Flags::user_verified`].
    Discouraged,
}

/// Flags and counter of a valid assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// The user touched the key.
    pub user_present: bool,
    /// It knows who: by a PIN, or by a finger.
    pub user_verified: bool,
    /// The credential can be copied to other devices.
    pub backup_eligible: bool,
    /// The credential is backed up.
    pub backed_up: bool,
    /// Signature counter; 0 if the key has none.
    pub counter: u32,
}

/// First invalid part of a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The client data are not about this.
    #[error("{0}")]
    ClientData(#[from] ClientDataError),
    /// The authenticator data cannot be read.
    #[error("the authenticator data cannot be read: {0}")]
    AuthenticatorData(&'static str),
    /// The authenticator data is for another relying party.
    #[error("the authenticator data are for another relying party")]
    RpId,
    /// The public key cannot be read, or is of an algorithm that is not accepted here.
    #[error("unsupported public key: {0}")]
    PublicKey(&'static str),
    /// The signature is invalid.
    #[error("the security key's signature is invalid")]
    Signature,
    /// The signature is valid, but the user did not touch the key.
    #[error("the security key was not touched")]
    UserNotPresent,
    /// The signature holds, and the key does not know who touched it.
    #[error("the security key did not verify who touched it")]
    UserNotVerified,
}

impl AssertionProof {
    /// Verifies the proof: the client data is for an assertion at exactly `origin` over `challenge`, the
    /// authenticator data is for `rp_id`, the signature over both is valid, and the user was present, and verified where
    /// that is required.
    ///
    /// # Errors
    /// The first violation, in this order.
    pub fn check(
        &self,
        rp_id: &str,
        origin: &str,
        challenge: &Digest,
        user_verification: UserVerification,
    ) -> Result<Flags, ProofError> {
        let client_data = &self.client_data_json.0;
        client_data::check(client_data, CeremonyType::Get, challenge.as_bytes(), origin)?;
        let bytes = &self.authenticator_data.0;
        let data =
            AuthenticatorData::of_assertion(bytes).map_err(|error| ProofError::AuthenticatorData(error.0))?;
        if data.rp_id_hash != Digest::of(rp_id.as_bytes()).as_bytes() {
            return Err(ProofError::RpId);
        }
        let mut signed = bytes.clone();
        signed.extend_from_slice(Digest::of(client_data).as_bytes());
        verify(&self.public_key.0, &signed, &self.signature.0)?;
        if !data.user_present() {
            return Err(ProofError::UserNotPresent);
        }
        if user_verification == UserVerification::Required && !data.user_verified() {
            return Err(ProofError::UserNotVerified);
        }
        Ok(Flags {
            user_present: data.user_present(),
            user_verified: data.user_verified(),
            backup_eligible: data.backup_eligible(),
            backed_up: data.backed_up(),
            counter: data.counter,
        })
    }
}

/// Checks a signature with a COSE_Key (RFC 9052 section 7, RFC 9053 section 7, RFC 8230).
fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), ProofError> {
    let unreadable = || ProofError::PublicKey("not a COSE_Key");
    if key.len() > MAX_KEY_BYTES {
        return Err(unreadable());
    }
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(ProofError::Signature);
    }
    let key = Value::decode_preferred(key).map_err(|_| unreadable())?;
    let integer = |label| key.get(label).and_then(Value::integer);
    let bytes = |label| key.get(label).and_then(Value::bytes).ok_or_else(unreadable);
    let ec = |algorithm: &'static _, size: usize| {
        let (x, y) = (bytes(-2)?, bytes(-3)?);
        if x.len() != size || y.len() != size {
            return Err(unreadable());
        }
        let point = [&[4], x, y].concat();
        UnparsedPublicKey::new(algorithm, point).verify(message, signature).map_err(|_| ProofError::Signature)
    };
    // Type, algorithm, and for elliptic curves the curve.
    match (integer(1), integer(3), integer(-1)) {
        (Some(2), Some(ES256), Some(1)) => ec(&ECDSA_P256_SHA256_ASN1, 32),
        (Some(2), Some(ES384), Some(2)) => ec(&ECDSA_P384_SHA384_ASN1, 48),
        (Some(3), Some(RS256), _) => RsaPublicKeyComponents { n: bytes(-1)?, e: bytes(-2)? }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| ProofError::Signature),
        (Some(_), Some(_), _) => Err(ProofError::PublicKey("of another algorithm")),
        _ => Err(unreadable()),
    }
}

/// The COSE_Key of a credential, in deterministic CBOR. None for an algorithm that is not offered.
pub(crate) fn cose_key(key: &COSEKey) -> Option<Base64Url> {
    let map = match (&key.type_, &key.key) {
        (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(key)) => ec(ES256, 1, &key.x, &key.y),
        (COSEAlgorithm::ES384, COSEKeyType::EC_EC2(key)) => ec(ES384, 2, &key.x, &key.y),
        (COSEAlgorithm::RS256, COSEKeyType::RSA(key)) => MapBuilder::default()
            .with(1i64, 3i64)
            .with(3i64, RS256)
            .with(-1i64, key.n.as_slice())
            .with(-2i64, key.e.as_slice()),
        _ => return None,
    };
    Some(Base64Url(map.build().encode()))
}

fn ec<'a>(algorithm: i64, curve: i64, x: &'a [u8], y: &'a [u8]) -> MapBuilder<'a> {
    MapBuilder::default()
        .with(1i64, 2i64)
        .with(3i64, algorithm)
        .with(-1i64, curve)
        .with(-2i64, x)
        .with(-3i64, y)
}
