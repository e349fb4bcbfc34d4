//! Public keys as JWK, and sets of them (RFC 7517): P-256 only.

use super::Unique;
use crate::cose::PublicKey;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a coordinate on P-256.
const COORDINATE_BYTES: usize = 32;
/// Members of a JWK that are secret (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Reason why a JWK was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a JSON object.
    #[error("a JWK is an object")]
    NotAnObject,
    /// The JWK contains a private key. Its owner must replace it, because it has been sent.
    #[error("the JWK is a private key")]
    Private,
    /// Not a P-256 key for ES256 signatures, or not spelled as RFC 7518 section 6.2 requires.
    #[error("the JWK is not a P-256 public key for ES256 signatures")]
    Unsupported,
}

/// Reads a P-256 public key for ES256 signatures from a JWK. `use` and `alg` may be absent. Both coordinates have
/// exactly 32 bytes (RFC 7518 section 6.2.1.2), so that a key has one spelling.
///
/// Parse the JSON into [`Unique`], which refuses a JWK with a repeated member.
///
/// ```
/// use vitalsign_protocol::jose::{KeyError, Unique, public_key};
///
/// let jwk = |x: &str| format!(
///     r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}}"#
/// );
/// let Unique(good) = serde_json::from_str(&jwk("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"))?;
/// assert!(public_key(&good).is_ok());
///
/// let Unique(short) = serde_json::from_str(&jwk("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBA"))?;
/// assert_eq!(public_key(&short), Err(KeyError::Unsupported));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// [`KeyError::Private`] if it contains private members, [`KeyError::Unsupported`] for another kind of key.
pub fn public_key(jwk: &Value) -> Result<PublicKey, KeyError> {
    Members::of(jwk)?.key()
}

/// Members of a JWK that say which key it is.
struct Members<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    y: &'a str,
    key_use: Option<&'a str>,
    alg: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn of(jwk: &'a Value) -> Result<Self, KeyError> {
        let members = jwk.as_object().ok_or(KeyError::NotAnObject)?;
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(KeyError::Private);
        }
        let optional = |name| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(KeyError::Unsupported),
        };
        let required = |name| optional(name)?.ok_or(KeyError::Unsupported);
        Ok(Self {
            kty: required("kty")?,
            crv: required("crv")?,
            x: required("x")?,
            y: required("y")?,
            key_use: optional("use")?,
            alg: optional("alg")?,
        })
    }

    fn key(&self) -> Result<PublicKey, KeyError> {
        let for_signatures =
            self.key_use.is_none_or(|it| it == "sig") && self.alg.is_none_or(|it| it == "ES256");
        if self.kty != "EC" || self.crv != "P-256" || !for_signatures {
            return Err(KeyError::Unsupported);
        }
        let coordinate = |text: &str| {
            B64.decode(text).ok().filter(|it| it.len() == COORDINATE_BYTES).ok_or(KeyError::Unsupported)
        };
        PublicKey::from_coordinates(&coordinate(self.x)?, &coordinate(self.y)?)
            .map_err(|_| KeyError::Unsupported)
    }
}

/// A set of public keys (RFC 7517 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// Public keys of the set.
    pub keys: Vec<Jwk>,
}

/// P-256 public key as a JWK. Repeated members are refused when it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unique")]
pub struct Jwk {
    /// Key type; must be `EC`.
    pub kty: String,
    /// Curve; must be `P-256`.
    pub crv: String,
    /// Coordinate x, base64url of 32 bytes.
    pub x: String,
    /// Coordinate y, base64url of 32 bytes.
    pub y: String,
    /// The key's name: its thumbprint.
    pub kid: String,
    /// Key use; `sig` if present.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// Algorithm; `ES256` if present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
}

impl TryFrom<Unique> for Jwk {
    type Error = KeyError;

    fn try_from(Unique(jwk): Unique) -> Result<Self, KeyError> {
        let Members { kty, crv, x, y, key_use, alg } = Members::of(&jwk)?;
        let kid = jwk.get("kid").and_then(Value::as_str).ok_or(KeyError::Unsupported)?;
        Ok(Self {
            kty: kty.into(),
            crv: crv.into(),
            x: x.into(),
            y: y.into(),
            kid: kid.into(),
            key_use: key_use.map(Into::into),
            alg: alg.map(Into::into),
        })
    }
}

impl JwkSet {
    /// Returns the key of this name.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<PublicKey> {
        self.keys.iter().find(|jwk| jwk.kid == kid)?.key().ok()
    }
}

impl Jwk {
    /// A signature key, named by its thumbprint.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        let (x, y) = key.coordinates();
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: B64.encode(x),
            y: B64.encode(y),
            kid: key.thumbprint().to_string(),
            key_use: Some("sig".into()),
            alg: Some("ES256".into()),
        }
    }

    /// Returns the key itself, by the rules of [`public_key`].
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] if it is not a P-256 key for ES256 signatures.
    pub fn key(&self) -> Result<PublicKey, KeyError> {
        let Self { kty, crv, x, y, kid: _, key_use, alg } = self;
        Members { kty, crv, x, y, key_use: key_use.as_deref(), alg: alg.as_deref() }.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Key of the examples in RFC 9449.
    fn example() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut jwk = example();
        jwk[name] = value;
        jwk
    }

    /// A key whose coordinate x begins with a zero byte, as every 256th does.
    fn key_with_leading_zero() -> PublicKey {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
        loop {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let key = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
            if key.coordinates().0[0] == 0 {
                return key;
            }
        }
    }

    #[test]
    fn rejects_other_kinds_of_keys() {
        assert!(public_key(&example()).is_ok());
        for (jwk, expected) in [
            (with("d", json!("AAAA")), KeyError::Private),
            (with("d", json!(null)), KeyError::Private),
            (with("k", json!("AAAA")), KeyError::Private),
            (with("kty", json!("RSA")), KeyError::Unsupported),
            (with("kty", json!("ec")), KeyError::Unsupported),
            (with("crv", json!("P-384")), KeyError::Unsupported),
            (with("use", json!("enc")), KeyError::Unsupported),
            (with("use", json!("")), KeyError::Unsupported),
            (with("use", json!(1)), KeyError::Unsupported),
            (with("alg", json!("HS256")), KeyError::Unsupported),
            (with("alg", json!(null)), KeyError::Unsupported),
            (with("y", json!(7)), KeyError::Unsupported),
            (with("y", json!(null)), KeyError::Unsupported),
            (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), KeyError::Unsupported),
            (json!({}), KeyError::Unsupported),
            (json!([]), KeyError::NotAnObject),
            (json!("EC"), KeyError::NotAnObject),
        ] {
            assert_eq!(public_key(&jwk), Err(expected), "{jwk}");
        }
    }

    #[test]
    fn coordinates_have_exactly_32_bytes() {
        let key = key_with_leading_zero();
        let good = Jwk::new(&key);
        assert_eq!(good.key().as_ref(), Ok(&key));
        let (x, y) = key.coordinates();
        let (short, long) = (B64.encode(&x[1..]), B64.encode([&[0], x].concat()));
        // The coordinates mean the same number, so padding readers accept them.
        assert_eq!(PublicKey::from_coordinates(&x[1..], y).as_ref(), Ok(&key));
        for x in [short, long, String::new(), format!("{}=", good.x), format!("{}\n", good.x)] {
            let jwk = Jwk { x, ..good.clone() };
            assert_eq!(jwk.key(), Err(KeyError::Unsupported), "{}", jwk.x);
            let json = serde_json::to_value(&jwk).unwrap();
            assert_eq!(public_key(&json), Err(KeyError::Unsupported), "{}", jwk.x);
            let set = JwkSet { keys: vec![jwk] };
            assert_eq!(set.key(&good.kid), None);
        }
        // Not on the curve.
        assert_eq!(public_key(&with("x", example()["y"].clone())), Err(KeyError::Unsupported));
    }

    #[test]
    fn repeated_and_private_members_are_refused() {
        let good = serde_json::to_string(&Jwk::new(&public_key(&example()).unwrap())).unwrap();
        let read = |json: &str| serde_json::from_str::<Jwk>(json);
        assert_eq!(serde_json::to_string(&read(&good).unwrap()).unwrap(), good);
        let with = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
        assert!(read(&with(r#""more":1"#)).is_ok());
        for member in [
            r#""kty":"EC""#,
            r#""x":"AAAA""#,
            r#""kid":"other""#,
            r#""use":"sig""#,
            r#""more":1,"more":1"#,
            r#""\u006bid":"other""#,
            r#""d":"AAAA""#,
        ] {
            assert!(read(&with(member)).is_err(), "{member}");
            let set = format!(r#"{{"keys":[{}]}}"#, with(member));
            assert!(serde_json::from_str::<JwkSet>(&set).is_err(), "{member}");
        }
        assert!(read(&good.replace("kid", "name")).is_err());
    }
}
