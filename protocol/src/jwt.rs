//! JWTs that the verifier signs with ES256 (RFC 7519): verdicts and tokens.

use crate::jose::{self, Algorithm, Header, Jws};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Serialize, de::DeserializeOwned};

pub use crate::jose::{Jwk, JwkSet};

/// The longest token that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// Reason why a token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not three parts of base64url, or not the JSON that was expected.
    #[error("not a JWT: {0}")]
    Shape(&'static str),
    /// Another algorithm or type than the one expected, or a critical header.
    #[error("the JWT's header is not what was expected: {0}")]
    Header(&'static str),
    /// No key of this name in the set.
    #[error("the JWT is signed by a key that is not pinned")]
    UnknownKey,
    /// The signature is invalid.
    #[error("the JWT's signature is invalid")]
    Signature,
}

impl From<jose::Error> for Error {
    fn from(error: jose::Error) -> Self {
        match error {
            jose::Error::TooLong => Self::Shape("too long"),
            jose::Error::Parts => Self::Shape("three parts were expected"),
            jose::Error::Encoding => Self::Shape("not base64url"),
            jose::Error::Header => Self::Shape("header"),
            jose::Error::Algorithm(_) => Self::Header("alg is not ES256"),
            jose::Error::Critical => Self::Header("crit"),
            jose::Error::Signature => Self::Signature,
        }
    }
}

/// Signs `claims`. `sign` gets the signing input and answers `r || s`.
///
/// # Errors
/// What `sign` says, or that the claims cannot be JSON.
pub fn sign<T: Serialize, E: From<Error>>(
    claims: &T,
    typ: &str,
    kid: &str,
    sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
) -> Result<String, E> {
    let header =
        Header { alg: Algorithm::Es256, typ: Some(typ.into()), kid: Some(kid.into()), jwk: None, x5c: None };
    let json = |what| move |_| Error::Shape(what);
    let header = serde_json::to_vec(&header).map_err(json("header"))?;
    let claims = serde_json::to_vec(claims).map_err(json("claims"))?;
    let mut token = String::with_capacity(4 * (header.len() + claims.len()) / 3 + 96);
    B64.encode_string(&header, &mut token);
    token.push('.');
    B64.encode_string(&claims, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    B64.encode_string(signature, &mut token);
    Ok(token)
}

/// Returns the `kid` in the header of a token, without verifying its signature.
///
/// # Errors
/// When it is malformed or names no key.
pub fn key_id(token: &str) -> Result<String, Error> {
    let jws = Jws::parse(token, &[Algorithm::Es256], MAX_BYTES)?;
    jws.header().kid.clone().ok_or(Error::Shape("header"))
}

/// Checks a token against a set of keys and gives its claims. Its header must name the key and the type.
///
/// # Errors
/// When it is malformed, of another type, or not signed by a key of the set.
pub fn verify<T: DeserializeOwned>(token: &str, typ: &str, keys: &JwkSet) -> Result<T, Error> {
    let jws = Jws::parse(token, &[Algorithm::Es256], MAX_BYTES)?;
    let Header { typ: Some(given), kid: Some(kid), .. } = jws.header() else {
        return Err(Error::Shape("header"));
    };
    if given != typ {
        return Err(Error::Header("typ"));
    }
    let key = keys.key(kid).ok_or(Error::UnknownKey)?;
    serde_json::from_slice(jws.verify(&key)?).map_err(|_| Error::Shape("claims"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cose::PublicKey;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    #[test]
    fn rejects_headers_of_other_tokens() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key = Jwk::new(&PublicKey::from_point(pair.public_key().as_ref()).unwrap());
        let kid = key.kid.clone();
        let keys = JwkSet { keys: vec![key] };
        let token = |header: &Value| {
            let input = format!("{}.e30", B64.encode(header.to_string()));
            let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            format!("{input}.{}", B64.encode(signature))
        };
        let verify = |header: Value| verify::<Value>(&token(&header), "eat+jwt", &keys);
        assert_eq!(verify(json!({ "alg": "ES256", "typ": "eat+jwt", "kid": kid })), Ok(json!({})));
        for (header, expected) in [
            (json!({ "alg": "none", "typ": "eat+jwt", "kid": kid }), Error::Header("alg is not ES256")),
            (json!({ "alg": "RS256", "typ": "eat+jwt", "kid": kid }), Error::Header("alg is not ES256")),
            (json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }), Error::Header("typ")),
            (json!({ "alg": "ES256", "typ": "EAT+JWT", "kid": kid }), Error::Header("typ")),
            (json!({ "alg": "ES256", "typ": "eat+jwt", "kid": kid, "crit": ["exp"] }), Error::Header("crit")),
            (json!({ "alg": "ES256", "typ": "eat+jwt", "kid": "other" }), Error::UnknownKey),
            (json!({ "alg": "ES256", "typ": "eat+jwt" }), Error::Shape("header")),
            (json!({ "alg": "ES256", "kid": kid }), Error::Shape("header")),
        ] {
            assert_eq!(verify(header.clone()), Err(expected), "{header}");
        }
        let long = token(&json!({ "alg": "ES256", "more": "x".repeat(MAX_BYTES) }));
        assert_eq!(super::verify::<Value>(&long, "eat+jwt", &keys), Err(Error::Shape("too long")));
    }
}
