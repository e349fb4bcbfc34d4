//! JWTs that applications make (RFC 7519), by algorithms that the caller lists.

use crate::client_keys::ClientKeys;
use serde::de::DeserializeOwned;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jose::{self, Algorithm, Header};
use vitalsign_protocol::text::is_plain;

/// The most bytes of a JWT that is read.
const MAX_BYTES: usize = 8 * 1024;
/// The most bytes of a `jti`.
const MAX_JTI_BYTES: usize = 256;

/// Reason why a JWT was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwsError {
    #[error("it is no JWT: {0}")]
    Shape(&'static str),
    #[error("its alg is not supported")]
    Algorithm,
    #[error("it has a critical header that is not understood")]
    Critical,
    #[error("its signature is invalid")]
    Signature,
}

impl From<jose::Error> for JwsError {
    fn from(error: jose::Error) -> Self {
        match error {
            jose::Error::TooLong => Self::Shape("it is too long"),
            jose::Error::Parts => Self::Shape("it has not three parts"),
            jose::Error::Encoding => Self::Shape("it is not base64url"),
            jose::Error::Header => Self::Shape("its header"),
            jose::Error::Algorithm(_) => Self::Algorithm,
            jose::Error::Critical => Self::Critical,
            jose::Error::Signature => Self::Signature,
        }
    }
}

/// A JWT whose signature has not been checked.
#[derive(Debug)]
pub(crate) struct Jws<'a>(jose::Jws<'a>);

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str, accepted: &[Algorithm]) -> Result<Self, JwsError> {
        Ok(Self(jose::Jws::parse(token, accepted, MAX_BYTES)?))
    }

    pub(crate) fn header(&self) -> &Header {
        self.0.header()
    }

    /// Returns the claims without verification, to find the key that must verify them.
    pub(crate) fn unverified<T: DeserializeOwned>(&self) -> Result<T, JwsError> {
        serde_json::from_slice(self.0.payload_unverified()).map_err(|_| JwsError::Shape("its claims"))
    }

    /// Verifies an ES256 signature.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), JwsError> {
        self.0.verify(key)?;
        Ok(())
    }

    /// Verifies the signature with the key of a client that the header names, or with any if it names none.
    pub(crate) fn verify_by_client(&self, keys: &ClientKeys) -> Result<(), JwsError> {
        let kid = self.header().kid.as_deref();
        self.0.verify_with(|algorithm, input, signature| {
            keys.verify(kid, algorithm, input, signature).then_some(()).ok_or(JwsError::Signature)
        })?;
        Ok(())
    }
}

/// Returns whether a `jti` has an acceptable length and characters.
pub(crate) fn is_jti(jti: &str) -> bool {
    (1..=MAX_JTI_BYTES).contains(&jti.len()) && is_plain(jti)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};

    const ES256: &[Algorithm] = &[Algorithm::Es256];

    fn token(header: &str, claims: &str, pair: &EcdsaKeyPair) -> String {
        let input = format!("{}.{}", B64.encode(header), B64.encode(claims));
        let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", B64.encode(signature))
    }

    fn pair() -> (EcdsaKeyPair, PublicKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        (pair, public)
    }

    #[test]
    fn only_es256_by_the_right_key_is_accepted() {
        let (pair, public) = pair();
        let good = token(r#"{"alg":"ES256","more":1}"#, "{}", &pair);
        Jws::parse(&good, ES256).unwrap().verify(&public).unwrap();
        assert_eq!(Jws::parse(&good, ES256).unwrap().verify(&self::pair().1), Err(JwsError::Signature));
        let long = format!("{good}{}", "A".repeat(MAX_BYTES));
        for (bad, expected) in [
            (token(r#"{"alg":"none"}"#, "{}", &pair), JwsError::Algorithm),
            (token(r#"{"alg":"HS256"}"#, "{}", &pair), JwsError::Algorithm),
            (token(r#"{"alg":"es256"}"#, "{}", &pair), JwsError::Algorithm),
            (token(r#"{"alg":"ES256","crit":["b64"]}"#, "{}", &pair), JwsError::Critical),
            (token(r#"{"alg":"ES256","crit":[]}"#, "{}", &pair), JwsError::Critical),
            (token(r#"{"alg":"ES256","alg":"none"}"#, "{}", &pair), JwsError::Shape("its header")),
            (token("{}", "{}", &pair), JwsError::Shape("its header")),
            (token("[]", "{}", &pair), JwsError::Shape("its header")),
            ("e30.e30.e30".into(), JwsError::Shape("its header")),
            ("e30.e30".into(), JwsError::Shape("it has not three parts")),
            ("e30".into(), JwsError::Shape("it has not three parts")),
            (String::new(), JwsError::Shape("it has not three parts")),
            (format!("{good}="), JwsError::Shape("it is not base64url")),
            (good.replacen('.', "+.", 1), JwsError::Shape("it is not base64url")),
            (long, JwsError::Shape("it is too long")),
        ] {
            assert_eq!(Jws::parse(&bad, ES256).err(), Some(expected), "{bad:.80}");
        }
    }
}
