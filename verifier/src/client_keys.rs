//! Public keys with which applications sign their assertions, as JWK (RFC 7517).
//!
//! The type of a key decides which algorithms it verifies, and its `alg` can restrict them; the JWT only names one.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jose::{self, Algorithm, JwkSet, KeyError, Unique};

/// Algorithms of client assertions.
pub(crate) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Ps256,
    Algorithm::Rs384,
    Algorithm::EdDsa,
    Algorithm::Ed25519,
];
/// Algorithms of the access tokens of other OpenID providers, which must support RS256 (RFC 9068 section 2.1).
pub(crate) const ISSUER_ALGORITHMS: [Algorithm; 7] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Ps256,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::EdDsa,
    Algorithm::Ed25519,
];
/// The most bytes of a key set that is registered.
pub(crate) const MAX_SET_BYTES: usize = 64 * 1024;
/// Maximum number of keys of an application: each is tried for a JWT without `kid`.
const MAX_KEYS: usize = 8;
/// Maximum number of keys of an OpenID provider.
const MAX_ISSUER_KEYS: usize = 32;
/// The longest name of a key, in bytes.
const MAX_KID_BYTES: usize = 256;
/// Bytes of the modulus of an RSA key: 2048 to 4096 bits. A longer one would make each verification slow.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// Smallest public exponent of an RSA key (FIPS 186-5, section 5.1).
const MIN_RSA_EXPONENT: u64 = 65537;

/// Reason why a key was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a JWK or a set of them.
    #[error("not a JWK set: {0}")]
    Shape(&'static str),
    /// The JWK contains a private key.
    #[error("this is a private key: register the public one")]
    Private,
    /// An RSA key that is too short, or whose exponent is too small.
    #[error("an RSA key must have 2048 to 4096 bits and an exponent of at least 65537")]
    WeakRsa,
    /// No key that is used here.
    #[error("there is no key for ES256, ES384, PS256, RS384 or EdDSA (Ed25519) signatures in it")]
    NoKey,
    #[error("at most {MAX_KEYS} keys are taken")]
    TooMany,
    /// Two keys have the same `kid`.
    #[error("there is more than one key with the kid {0:?}")]
    Repeated(String),
    /// No key has this `kid`.
    #[error("there is no key with the kid {0:?}")]
    Unknown(String),
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

/// Keys of one application: 1 to 8, with different names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientKeys {
    keys: Vec<ClientKey>,
}

impl ClientKeys {
    /// Parses an application's keys from a JWK set or a single JWK. Skips other kinds of keys.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn parse(json: &[u8]) -> Result<Self, JwkError> {
        Self::parse_for(json, &ALGORITHMS, MAX_KEYS)
    }

    /// Parses the keys of another OpenID provider.
    ///
    /// # Errors
    /// The reason why they cannot be used.
    pub(crate) fn parse_of_issuer(json: &[u8]) -> Result<Self, JwkError> {
        Self::parse_for(json, &ISSUER_ALGORITHMS, MAX_ISSUER_KEYS)
    }

    fn parse_for(json: &[u8], algorithms: &[Algorithm], most: usize) -> Result<Self, JwkError> {
        if json.len() > MAX_SET_BYTES {
            return Err(JwkError::Shape("it is too long"));
        }
        let Unique(parsed) = serde_json::from_slice(json).map_err(|_| JwkError::Shape("it is not JSON"))?;
        let listed = match parsed.get("keys") {
            Some(keys) => keys.as_array().ok_or(JwkError::Shape("keys is an array"))?.as_slice(),
            None => std::slice::from_ref(&parsed),
        };
        let mut keys = Vec::new();
        for jwk in listed {
            match ClientKey::parse(jwk, algorithms) {
                Ok(key) => keys.push(key),
                Err(JwkError::NoKey) => {}
                Err(error) => return Err(error),
            }
        }
        Self::checked(keys, most)
    }

    /// Returns the keys without those that are named, and with others.
    ///
    /// # Errors
    /// A key is unknown or repeated, none is left, or there are too many.
    pub fn changed(&self, add: Option<&Self>, remove: &[String]) -> Result<Self, JwkError> {
        let mut keys = self.keys.clone();
        for kid in remove {
            let place = keys.iter().position(|key| key.kid == *kid);
            keys.remove(place.ok_or_else(|| JwkError::Unknown(kid.clone()))?);
        }
        keys.extend(add.into_iter().flat_map(|add| add.keys.iter().cloned()));
        Self::checked(keys, MAX_KEYS)
    }

    fn checked(keys: Vec<ClientKey>, most: usize) -> Result<Self, JwkError> {
        match keys.len() {
            0 => return Err(JwkError::NoKey),
            count if count <= most => {}
            _ => return Err(JwkError::TooMany),
        }
        let mut kids = BTreeSet::new();
        if let Some(repeated) = keys.iter().find(|key| !kids.insert(&key.kid)) {
            return Err(JwkError::Repeated(repeated.kid.clone()));
        }
        Ok(Self { keys })
    }

    /// Returns the names of the keys.
    #[must_use]
    pub fn kids(&self) -> Vec<&str> {
        self.keys.iter().map(|key| key.kid.as_str()).collect()
    }

    /// Returns whether a key has this name.
    pub(crate) fn names(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| self.keys.iter().any(|key| key.kid == kid))
    }

    /// Returns whether one of the keys made the signature: that of this name, or any without a name.
    pub(crate) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        input: &[u8],
        signature: &[u8],
    ) -> bool {
        let mut named = self.keys.iter().filter(|key| kid.is_none_or(|kid| key.kid == kid));
        named.any(|key| key.verify(algorithm, input, signature))
    }
}

impl From<JwkSet> for ClientKeys {
    /// Keys of the verifier itself, which are P-256 and named.
    fn from(set: JwkSet) -> Self {
        let key =
            |jwk: jose::Jwk| Some(ClientKey { alg: None, key: KeyKind::P256(jwk.key().ok()?), kid: jwk.kid });
        Self { keys: set.keys.into_iter().filter_map(key).collect() }
    }
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unique", into = "Value")]
struct ClientKey {
    /// Its name: the JWK's `kid`, or else its thumbprint.
    kid: String,
    key: KeyKind,
    /// The only algorithm for which it is used, if the JWK names one.
    alg: Option<Algorithm>,
}

/// Key types (RFC 7518 section 6, RFC 8037 section 2), as the bytes of their members.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyKind {
    P256(PublicKey),
    /// Uncompressed point.
    P384([u8; 97]),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519([u8; 32]),
}

impl ClientKey {
    fn parse(jwk: &Value, algorithms: &[Algorithm]) -> Result<Self, JwkError> {
        let key = match jose::public_key(jwk) {
            Ok(key) => KeyKind::P256(key),
            // Private members were refused.
            Err(KeyError::Unsupported) => KeyKind::parse(jwk)?,
            Err(error) => return Err(error.into()),
        };
        let alg = match jwk.get("alg") {
            None => None,
            Some(name) => {
                let known = algorithms.iter().copied().find(|alg| name.as_str() == Some(alg.as_str()));
                Some(known.filter(|alg| key.takes(*alg)).ok_or(JwkError::NoKey)?)
            }
        };
        if jwk.get("use").is_some_and(|it| it.as_str() != Some("sig")) {
            return Err(JwkError::NoKey);
        }
        let kid = match jwk.get("kid").and_then(Value::as_str) {
            Some(kid) if (1..=MAX_KID_BYTES).contains(&kid.len()) => kid.to_owned(),
            Some(_) => return Err(JwkError::Shape("a kid has 1 to 256 bytes")),
            None => key.thumbprint(),
        };
        Ok(Self { kid, key, alg })
    }

    fn verify(&self, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
        // Both names of Ed25519 mean the same.
        let named = |alg| if alg == Algorithm::EdDsa { Algorithm::Ed25519 } else { alg };
        self.alg.is_none_or(|alg| named(alg) == named(algorithm))
            && self.key.verify(algorithm, input, signature)
    }
}

impl KeyKind {
    /// Parses a key of another type than P-256.
    fn parse(jwk: &Value) -> Result<Self, JwkError> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let bytes = |name| text(name).and_then(|it| B64.decode(it).ok()).ok_or(JwkError::NoKey);
        match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-384")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if (x.len(), y.len()) != (48, 48) {
                    return Err(JwkError::NoKey);
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let point = <[u8; 97]>::try_from(point).map_err(|_| JwkError::NoKey)?;
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).map_err(|_| JwkError::NoKey)?;
                Ok(Self::P384(point))
            }
            (Some("OKP"), Some("Ed25519")) => {
                let key = <[u8; 32]>::try_from(bytes("x")?).map_err(|_| JwkError::NoKey)?;
                ParsedPublicKey::new(&ED25519, key).map_err(|_| JwkError::NoKey)?;
                Ok(Self::Ed25519(key))
            }
            (Some("RSA"), _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                // One spelling: without leading zeros (RFC 7518 section 6.3.1.1).
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
                if n.first() == Some(&0) || e.first() == Some(&0) || !odd(&n) || !odd(&e) || e.len() > 8 {
                    return Err(JwkError::NoKey);
                }
                let exponent = e.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
                // A modulus of exactly 256 bytes has 2048 bits only with its highest bit.
                let long = RSA_BYTES.contains(&n.len()) && (n.len() > 256 || n.first() >= Some(&0x80));
                if !long || exponent < MIN_RSA_EXPONENT {
                    return Err(JwkError::WeakRsa);
                }
                Ok(Self::Rsa { n, e })
            }
            _ => Err(JwkError::NoKey),
        }
    }

    fn takes(&self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::P256(_), Algorithm::Es256)
                | (Self::P384(_), Algorithm::Es384)
                | (Self::Rsa { .. }, Algorithm::Ps256 | Algorithm::Rs256 | Algorithm::Rs384)
                | (Self::Ed25519(_), Algorithm::EdDsa | Algorithm::Ed25519)
        )
    }

    fn verify(&self, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::P256(key), Algorithm::Es256) => key.verify(input, signature).is_ok(),
            (Self::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(input, signature).is_ok()
            }
            (Self::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, input, signature).is_ok()
            }
            (Self::Rsa { n, e }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, input, signature).is_ok()
            }
            (Self::Rsa { n, e }, Algorithm::Rs384) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA384, input, signature).is_ok()
            }
            (Self::Ed25519(key), Algorithm::EdDsa | Algorithm::Ed25519) => {
                UnparsedPublicKey::new(&ED25519, key).verify(input, signature).is_ok()
            }
            _ => false,
        }
    }

    /// Returns the members that make the key, in the order of RFC 7638 section 3.3.
    fn members(&self) -> BTreeMap<&'static str, String> {
        let curve = |crv: &str, kty: &str, x: &[u8]| {
            BTreeMap::from([("crv", crv.to_owned()), ("kty", kty.to_owned()), ("x", B64.encode(x))])
        };
        match self {
            Self::P256(key) => {
                let (x, y) = key.coordinates();
                let mut members = curve("P-256", "EC", x);
                members.insert("y", B64.encode(y));
                members
            }
            Self::P384(point) => {
                let (x, y) = point.split_at(1).1.split_at(48);
                let mut members = curve("P-384", "EC", x);
                members.insert("y", B64.encode(y));
                members
            }
            Self::Rsa { n, e } => {
                BTreeMap::from([("e", B64.encode(e)), ("kty", "RSA".to_owned()), ("n", B64.encode(n))])
            }
            Self::Ed25519(key) => curve("Ed25519", "OKP", key),
        }
    }

    /// Returns the SHA-256 thumbprint (RFC 7638) in base64url.
    fn thumbprint(&self) -> String {
        // Strings cannot fail to be JSON.
        let canonical = serde_json::to_vec(&self.members()).unwrap_or_default();
        Digest::of(&canonical).to_string()
    }
}

/// Returns the SHA-256 thumbprint of a key as a JWK (RFC 7638), in base64url: `jkt`.
#[must_use]
pub fn thumbprint(key: &PublicKey) -> String {
    KeyKind::P256(key.clone()).thumbprint()
}

impl TryFrom<Unique> for ClientKey {
    type Error = JwkError;

    fn try_from(Unique(jwk): Unique) -> Result<Self, JwkError> {
        Self::parse(&jwk, &ALGORITHMS)
    }
}

impl From<ClientKey> for Value {
    fn from(ClientKey { kid, key, alg }: ClientKey) -> Self {
        let members = key.members().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        let mut members: Map<String, Value> = members.collect();
        members.insert("kid".into(), kid.into());
        if let Some(alg) = alg {
            members.insert("alg".into(), alg.as_str().into());
        }
        Self::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA384,
        RSA_PSS_SHA256, RsaKeyPair,
    };
    use serde_json::json;

    /// The key of RFC 9449's examples, and the thumbprint that section 6.1 has of it.
    fn example() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        })
    }

    fn with(jwk: &Value, name: &str, value: Value) -> Value {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    }

    fn parse(json: &Value) -> Result<ClientKeys, JwkError> {
        ClientKeys::parse(json.to_string().as_bytes())
    }

    /// A key, signatures by it, and the algorithms for which they are good.
    struct Signer {
        jwk: Value,
        signatures: Vec<(&'static [Algorithm], Vec<u8>)>,
    }

    const INPUT: &[u8] = b"header.payload";

    fn rsa(size: KeySize) -> Signer {
        let pair = RsaKeyPair::generate(size).unwrap();
        let sign = |padding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), INPUT, &mut signature).unwrap();
            signature
        };
        // Before the modulus are the heads of SEQUENCE and INTEGER, and a sign; after it is 65537.
        let modulus = &pair.public_key().as_ref()[9..][..pair.public_modulus_len()];
        Signer {
            jwk: json!({ "kty": "RSA", "n": B64.encode(modulus), "e": "AQAB" }),
            signatures: vec![
                (&[Algorithm::Ps256], sign(&RSA_PSS_SHA256)),
                (&[Algorithm::Rs384], sign(&RSA_PKCS1_SHA384)),
            ],
        }
    }

    fn signers() -> Vec<Signer> {
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let (x, y) = p384.public_key().as_ref()[1..].split_at(48);
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        vec![
            Signer {
                jwk: json!({ "kty": "EC", "crv": "P-384", "x": B64.encode(x), "y": B64.encode(y) }),
                signatures: vec![(
                    &[Algorithm::Es384],
                    p384.sign(&SystemRandom::new(), INPUT).unwrap().as_ref().to_vec(),
                )],
            },
            Signer {
                jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": B64.encode(ed25519.public_key()) }),
                signatures: vec![(
                    &[Algorithm::EdDsa, Algorithm::Ed25519],
                    ed25519.sign(INPUT).as_ref().to_vec(),
                )],
            },
            rsa(KeySize::Rsa2048),
        ]
    }

    #[test]
    fn a_key_verifies_only_algorithms_of_its_type() {
        let all = [ALGORITHMS.as_slice(), &[Algorithm::Rs256]].concat();
        let signers = signers();
        for signer in &signers {
            let keys = parse(&signer.jwk).unwrap();
            let others = signers.iter().filter(|other| other.jwk != signer.jwk);
            let others: Vec<_> = others.map(|other| parse(&other.jwk).unwrap()).collect();
            for (algorithms, signature) in &signer.signatures {
                for algorithm in &all {
                    let good = algorithms.contains(algorithm);
                    assert_eq!(
                        keys.verify(None, *algorithm, INPUT, signature),
                        good,
                        "{algorithm:?} {keys:?}"
                    );
                    assert!(!keys.verify(None, *algorithm, b"other", signature));
                    assert!(!keys.verify(Some("other"), *algorithm, INPUT, signature));
                    assert!(!others.iter().any(|it| it.verify(None, *algorithm, INPUT, signature)));
                }
            }
        }
    }

    #[test]
    fn alg_of_a_key_restricts_it() {
        let signer = rsa(KeySize::Rsa2048);
        let keys = parse(&with(&signer.jwk, "alg", json!("PS256"))).unwrap();
        let used = |(algorithms, signature): &(&[Algorithm], Vec<u8>)| {
            keys.verify(None, algorithms[0], INPUT, signature)
        };
        assert_eq!(signer.signatures.iter().map(used).collect::<Vec<_>>(), [true, false]);
        for alg in ["RS256", "HS256", "ES256", "none", "ps256", ""] {
            assert_eq!(parse(&with(&signer.jwk, "alg", json!(alg))), Err(JwkError::NoKey), "{alg}");
        }
    }

    #[test]
    fn rejects_weak_and_malformed_keys() {
        let signers = signers();
        let [p384, ed25519, rsa] = [0, 1, 2].map(|place| &signers[place].jwk);
        let n = B64.decode(rsa["n"].as_str().unwrap()).unwrap();
        let modulus = |bytes: &[u8]| with(rsa, "n", json!(B64.encode(bytes)));
        let exponent = |bytes: &[u8]| with(rsa, "e", json!(B64.encode(bytes)));
        let too_long = [[0xff; 256].as_slice(), &n, &[1]].concat();
        for (jwk, expected) in [
            // 1024 and 2047 bits.
            (modulus(&n[128..]), JwkError::WeakRsa),
            (modulus(&[&[0x7f], &n[1..]].concat()), JwkError::WeakRsa),
            (modulus(&too_long), JwkError::WeakRsa),
            (exponent(&[3]), JwkError::WeakRsa),
            (exponent(&[1]), JwkError::WeakRsa),
            (exponent(&[0, 1, 0, 1]), JwkError::NoKey),
            (exponent(&[1, 0, 0]), JwkError::NoKey),
            (exponent(&[1; 9]), JwkError::NoKey),
            (modulus(&[&[0], n.as_slice()].concat()), JwkError::NoKey),
            (modulus(&[n.as_slice(), &[0]].concat()), JwkError::NoKey),
            (modulus(&[]), JwkError::NoKey),
            (with(rsa, "d", json!("AQAB")), JwkError::Private),
            (with(rsa, "use", json!("enc")), JwkError::NoKey),
            (with(rsa, "use", json!(1)), JwkError::NoKey),
            (with(rsa, "kid", json!("")), JwkError::Shape("a kid has 1 to 256 bytes")),
            (with(p384, "x", p384["y"].clone()), JwkError::NoKey),
            (with(p384, "x", json!(B64.encode([1; 47]))), JwkError::NoKey),
            (with(p384, "crv", json!("P-521")), JwkError::NoKey),
            (with(p384, "crv", json!("secp256k1")), JwkError::NoKey),
            (with(p384, "alg", json!("ES256")), JwkError::NoKey),
            (with(ed25519, "x", json!(B64.encode([1; 31]))), JwkError::NoKey),
            (with(ed25519, "crv", json!("Ed448")), JwkError::NoKey),
            (with(ed25519, "d", json!("AAAA")), JwkError::Private),
            (with(&example(), "alg", json!("ES384")), JwkError::NoKey),
            (with(&example(), "x", json!(B64.encode([1; 31]))), JwkError::NoKey),
            (json!({ "kty": "oct", "k": "AAAA" }), JwkError::Private),
            (json!([]), JwkError::Shape("a key is an object")),
        ] {
            assert_eq!(parse(&jwk), Err(expected), "{jwk:.300}");
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_the_standards_example() {
        assert_eq!(parse(&example()).unwrap().kids(), ["0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"]);
        // RFC 7638 section 3.1 and RFC 8037 appendix A.3.
        let rsa = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS384",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(parse(&rsa).unwrap().kids(), ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"]);
        let ed25519 =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert_eq!(parse(&ed25519).unwrap().kids(), ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]);
    }

    #[test]
    fn a_set_keeps_the_keys_that_are_used_here() {
        let other = json!({ "kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA" });
        let named = with(&example(), "kid", json!("first"));
        let set = parse(&json!({ "keys": [other, named, example()] })).unwrap();
        assert_eq!(set.kids(), ["first", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"]);
        // As it is stored, and as earlier versions stored it.
        let stored = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<ClientKeys>(&stored).unwrap(), set);
        let earlier = with(&with(&named, "use", json!("sig")), "alg", json!("ES256"));
        let earlier: ClientKeys = serde_json::from_value(json!({ "keys": [earlier] })).unwrap();
        assert_eq!(earlier.kids(), ["first"]);

        assert_eq!(parse(&json!({ "keys": [other] })), Err(JwkError::NoKey));
        assert_eq!(parse(&json!({ "keys": [] })), Err(JwkError::NoKey));
        assert_eq!(parse(&json!({ "keys": {} })), Err(JwkError::Shape("keys is an array")));
        assert_eq!(parse(&json!({ "keys": vec![example(); 9] })), Err(JwkError::TooMany));
        assert_eq!(parse(&json!({ "keys": [named, named] })), Err(JwkError::Repeated("first".into())));
        assert_eq!(ClientKeys::parse(b"{"), Err(JwkError::Shape("it is not JSON")));
        let twice = example().to_string().replacen('{', r#"{"kty":"EC","#, 1);
        assert_eq!(ClientKeys::parse(twice.as_bytes()), Err(JwkError::Shape("it is not JSON")));
        assert_eq!(ClientKeys::parse(&vec![b' '; MAX_SET_BYTES + 1]), Err(JwkError::Shape("it is too long")));
    }

    #[test]
    fn keys_are_added_and_removed_by_name() {
        let named = |kid: &str| parse(&with(&example(), "kid", json!(kid))).unwrap();
        let both = named("old").changed(Some(&named("new")), &[]).unwrap();
        assert_eq!(both.kids(), ["old", "new"]);
        assert_eq!(both.changed(None, &["old".into()]).unwrap().kids(), ["new"]);
        assert_eq!(both.changed(Some(&named("old")), &["old".into()]).unwrap().kids(), ["new", "old"]);
        assert_eq!(both.changed(Some(&named("new")), &[]), Err(JwkError::Repeated("new".into())));
        assert_eq!(both.changed(None, &["x".into()]), Err(JwkError::Unknown("x".into())));
        assert_eq!(both.changed(None, &["old".into(), "new".into()]), Err(JwkError::NoKey));
    }
}
