//! JWS compact serialisation with ES256 (RFC 7515, RFC 7518 section 3.4), and the JWK sets that check it (RFC 7517).

use crate::cose::{self, PublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The longest token that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// Reason why a token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not three parts of base64url, or not the JSON that was expected.
    #[error("not a JWT: {0}")]
    Shape(&'static str),
    /// Another algorithm or type than the one expected.
    #[error("the JWT's header is not what was expected: {0}")]
    Header(&'static str),
    /// No key of this name in the set.
    #[error("the JWT is signed by a key that is not pinned")]
    UnknownKey,
    /// The signature is invalid.
    #[error("the JWT's signature is invalid")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
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
    let header = Header { alg: "ES256".into(), typ: typ.into(), kid: kid.into() };
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

/// Checks a token against a set of keys and gives its claims.
///
/// # Errors
/// When it is malformed, of another type, or not signed by a key of the set.
pub fn verify<T: DeserializeOwned>(token: &str, typ: &str, keys: &JwkSet) -> Result<T, Error> {
    if token.len() > MAX_BYTES {
        return Err(Error::Shape("too long"));
    }
    let (input, signature) = token.rsplit_once('.').ok_or(Error::Shape("three parts were expected"))?;
    let (header, claims) = input.split_once('.').ok_or(Error::Shape("three parts were expected"))?;
    let decode = |part: &str| B64.decode(part).map_err(|_| Error::Shape("not base64url"));
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Error::Shape("header"))?;
    if header.alg != "ES256" {
        return Err(Error::Header("alg is not ES256"));
    }
    if header.typ != typ {
        return Err(Error::Header("typ"));
    }
    let key = keys.key(&header.kid).ok_or(Error::UnknownKey)?;
    key.verify(input.as_bytes(), &decode(signature)?).map_err(|_| Error::Signature)?;
    serde_json::from_slice(&decode(claims)?).map_err(|_| Error::Shape("claims"))
}

/// A set of public keys (RFC 7517 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// Public keys of the set.
    pub keys: Vec<Jwk>,
}

/// P-256 public key as a JWK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// Algorithm; `ES256` if present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
}

impl JwkSet {
    /// The key of this name.
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

    /// The key itself.
    ///
    /// # Errors
    /// When it is not a P-256 key.
    pub fn key(&self) -> Result<PublicKey, cose::Error> {
        if self.kty != "EC" || self.crv != "P-256" {
            return Err(cose::Error::Key);
        }
        let decode = |text: &str| B64.decode(text).map_err(|_| cose::Error::Key);
        PublicKey::from_coordinates(&decode(&self.x)?, &decode(&self.y)?)
    }
}
