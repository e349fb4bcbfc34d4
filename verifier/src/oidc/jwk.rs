//! Public keys of applications, as JWK (RFC 7517): P-256 only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::Value;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jose::{self, Jwk, JwkSet, KeyError, Unique};

/// The most bytes of a key set that is registered.
const MAX_SET_BYTES: usize = 64 * 1024;
/// Maximum number of keys of an application: each is tried for a JWT without `kid`.
const MAX_KEYS: usize = 8;

/// Reason why a key was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a JWK or a set of them.
    #[error("not a JWK set: {0}")]
    Shape(&'static str),
    /// The JWK contains a private key.
    #[error("this is a private key: register the public one")]
    Private,
    /// No key that is used here.
    #[error("there is no P-256 key for ES256 signatures in it")]
    NoKey,
    #[error("at most {MAX_KEYS} keys are taken")]
    TooMany,
}

impl From<KeyError> for JwkError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotAnObject => Self::Shape("a key is an object"),
            KeyError::Private => Self::Private,
            KeyError::Unsupported => Self::NoKey,
        }
    }
}

/// Parses the P-256 public key of a JWK.
///
/// # Errors
/// [`JwkError::Private`] if it contains private parameters, [`JwkError::NoKey`] for another kind of key.
pub(crate) fn public_key(jwk: &Value) -> Result<PublicKey, JwkError> {
    Ok(jose::public_key(jwk)?)
}

/// Parses an application's keys from a JWK set or a single JWK. Skips other kinds of keys.
pub fn client_keys(json: &[u8]) -> Result<JwkSet, JwkError> {
    if json.len() > MAX_SET_BYTES {
        return Err(JwkError::Shape("it is too long"));
    }
    let Unique(parsed) = serde_json::from_slice(json).map_err(|_| JwkError::Shape("it is not JSON"))?;
    let listed = match parsed.get("keys") {
        Some(keys) => keys.as_array().ok_or(JwkError::Shape("keys is an array"))?.as_slice(),
        None => std::slice::from_ref(&parsed),
    };
    let mut set = JwkSet::default();
    for jwk in listed {
        let key = match public_key(jwk) {
            Ok(key) => key,
            Err(JwkError::NoKey) => continue,
            Err(error) => return Err(error),
        };
        let named = jwk.get("kid").and_then(Value::as_str).map_or_else(|| thumbprint(&key), str::to_owned);
        set.keys.push(Jwk { kid: named, ..Jwk::new(&key) });
    }
    match set.keys.len() {
        0 => Err(JwkError::NoKey),
        1..=MAX_KEYS => Ok(set),
        _ => Err(JwkError::TooMany),
    }
}

/// SHA-256 thumbprint of a key as a JWK (RFC 7638), in base64url: `jkt`.
#[must_use]
pub fn thumbprint(key: &PublicKey) -> String {
    let (x, y) = key.coordinates();
    let canonical =
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, B64.encode(x), B64.encode(y));
    Digest::of(canonical.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The key of RFC 9449's examples, and the thumbprint that section 6.1 has of it.
    fn example() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        })
    }

    #[test]
    fn the_thumbprint_is_that_of_the_standards_example() {
        assert_eq!(
            thumbprint(&public_key(&example()).unwrap()),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn rejects_other_kinds_of_keys_with_a_reason() {
        let with = |name: &str, value: Value| {
            let mut jwk = example();
            jwk[name] = value;
            jwk
        };
        let short = B64.encode([1; 31]);
        for (jwk, expected) in [
            (with("d", json!("AAAA")), JwkError::Private),
            (with("k", json!("AAAA")), JwkError::Private),
            (with("kty", json!("RSA")), JwkError::NoKey),
            (with("crv", json!("P-384")), JwkError::NoKey),
            (with("use", json!("enc")), JwkError::NoKey),
            (with("alg", json!("HS256")), JwkError::NoKey),
            (with("x", json!(short)), JwkError::NoKey),
            (with("x", example()["y"].clone()), JwkError::NoKey),
            (with("y", json!(7)), JwkError::NoKey),
            (json!([]), JwkError::Shape("a key is an object")),
        ] {
            assert_eq!(public_key(&jwk), Err(expected), "{jwk}");
        }
    }

    #[test]
    fn a_set_keeps_the_keys_that_are_used_here() {
        let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        let mut named = example();
        named["kid"] = json!("first");
        let keys = |json: Value| client_keys(json.to_string().as_bytes());
        let set = keys(json!({ "keys": [rsa, named, example()] })).unwrap();
        assert_eq!(
            set.keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(),
            ["first", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"]
        );
        assert_eq!(keys(example()).unwrap().keys.len(), 1);
        assert_eq!(keys(json!({ "keys": [rsa] })), Err(JwkError::NoKey));
        assert_eq!(keys(json!({ "keys": [] })), Err(JwkError::NoKey));
        assert_eq!(keys(json!({ "keys": {} })), Err(JwkError::Shape("keys is an array")));
        assert_eq!(keys(json!({ "keys": vec![example(); 9] })), Err(JwkError::TooMany));
        assert_eq!(client_keys(b"{"), Err(JwkError::Shape("it is not JSON")));
        let twice = example().to_string().replacen('{', r#"{"kty":"EC","#, 1);
        assert_eq!(client_keys(twice.as_bytes()), Err(JwkError::Shape("it is not JSON")));
        assert_eq!(client_keys(&vec![b' '; MAX_SET_BYTES + 1]), Err(JwkError::Shape("it is too long")));
    }
}
