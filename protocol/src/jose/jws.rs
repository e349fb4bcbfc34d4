//! JWS in compact serialisation (RFC 7515 section 7.1).

use super::Unique;
use crate::cose::PublicKey;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::Serialize;
use serde_json::{Map, Value};

/// Signature algorithm (RFC 7518 section 3.1). `none` and the symmetric ones are absent, so no caller can accept them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; the signature is `r || s`.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-384 with SHA-384; the signature is `r || s`.
    #[serde(rename = "ES384")]
    Es384,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// Ed25519, by its fully specified name (RFC 9864).
    Ed25519,
    /// Ed25519, by the name of RFC 8037, which also means Ed448; that is not supported.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Returns the `alg` value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
            Self::Rs384 => "RS384",
            Self::Ed25519 => "Ed25519",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Reason why a JWS was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than the caller reads.
    #[error("it is too long")]
    TooLong,
    /// Fewer or more than three parts.
    #[error("it has not three parts")]
    Parts,
    /// A part is not base64url in its one spelling.
    #[error("it is not base64url")]
    Encoding,
    /// The header is not a JSON object, has a member twice, lacks `alg`, or has a member of the wrong type.
    #[error("its header is malformed")]
    Header,
    /// An algorithm that the caller does not accept; its name.
    #[error("it is signed with {0}")]
    Algorithm(String),
    /// The header has `crit` (RFC 7515 section 4.1.11).
    #[error("it has a critical header that is not understood")]
    Critical,
    /// The signature is invalid.
    #[error("its signature is invalid")]
    Signature,
}

/// JOSE header, with the members that are used here. Others are ignored, as RFC 7515 section 4 requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Signature algorithm, one of those that the caller accepts.
    pub alg: Algorithm,
    /// Type of the whole object (RFC 7515 section 4.1.9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Name of the signer's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The signer's key as a JWK, for [`super::public_key`]. The signer chose it, so it proves nothing by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Value>,
    /// The signer's certificates in base64, its own first. The signer chose them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5c: Option<Vec<String>>,
}

impl Header {
    fn parse(json: &[u8], accepted: &[Algorithm]) -> Result<Self, Error> {
        let Ok(Unique(Value::Object(mut members))) = serde_json::from_slice(json) else {
            return Err(Error::Header);
        };
        let named = text(&mut members, "alg")?.ok_or(Error::Header)?;
        let alg = accepted.iter().find(|alg| alg.as_str() == named).ok_or(Error::Algorithm(named))?;
        // `b64` without `crit` is malformed (RFC 7797 section 6): others could read another payload.
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(Error::Critical);
        }
        let certificates = members.remove("x5c").map(serde_json::from_value).transpose();
        Ok(Self {
            alg: *alg,
            typ: text(&mut members, "typ")?,
            kid: text(&mut members, "kid")?,
            jwk: members.remove("jwk"),
            x5c: certificates.map_err(|_| Error::Header)?,
        })
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Header),
    }
}

/// A JWS whose signature has not been verified. Only [`Jws::verify`] and [`Jws::verify_with`] give a payload that can be
/// relied on.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    header: Header,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Parses a compact JWS of at most `max_bytes`, signed with one of the `accepted` algorithms (RFC 8725 section 3.1).
    ///
    /// ```
    /// use vitalsign_protocol::jose::{Algorithm, Error, Jws};
    ///
    /// // {"alg":"none"} and {}, without a signature.
    /// let unsigned = "eyJhbGciOiJub25lIn0.e30.";
    /// let parsed = Jws::parse(unsigned, &[Algorithm::Es256], 8192);
    /// assert_eq!(parsed.err(), Some(Error::Algorithm("none".into())));
    /// ```
    ///
    /// # Errors
    /// The reason why it is malformed or not accepted.
    pub fn parse(token: &'a str, accepted: &[Algorithm], max_bytes: usize) -> Result<Self, Error> {
        if token.len() > max_bytes {
            return Err(Error::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Error::Parts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Error::Parts)?;
        if payload.contains('.') {
            return Err(Error::Parts);
        }
        let decode = |part: &str| B64.decode(part).map_err(|_| Error::Encoding);
        let header = Header::parse(&decode(header)?, accepted)?;
        Ok(Self { header, signing_input, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// Returns the header. It is not verified, but it is needed to find the key.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the payload without verification, to find the key that must verify it.
    #[must_use]
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// Verifies an ES256 signature and returns the payload.
    ///
    /// # Errors
    /// [`Error::Signature`] if it is invalid, or of another algorithm.
    pub fn verify(&self, key: &PublicKey) -> Result<&[u8], Error> {
        self.verify_with(|algorithm, input, signature| match algorithm {
            Algorithm::Es256 => key.verify(input, signature).map_err(|_| Error::Signature),
            _ => Err(Error::Signature),
        })
    }

    /// Has `check` verify the signature, given the algorithm, the signing input and the signature, and returns the
    /// payload.
    ///
    /// # Errors
    /// The error of `check`.
    pub fn verify_with<E>(
        &self,
        check: impl FnOnce(Algorithm, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<&[u8], E> {
        check(self.header.alg, self.signing_input.as_bytes(), &self.signature)?;
        Ok(&self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

    const ES256: &[Algorithm] = &[Algorithm::Es256];
    const MAX: usize = 8192;

    fn token(header: &str, payload: &str, pair: &EcdsaKeyPair) -> String {
        let input = format!("{}.{}", B64.encode(header), B64.encode(payload));
        let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", B64.encode(signature))
    }

    fn pair() -> (EcdsaKeyPair, PublicKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        (pair, public)
    }

    fn error(token: &str) -> Option<Error> {
        Jws::parse(token, ES256, MAX).err()
    }

    #[test]
    fn good_tokens_verify_with_the_signers_key_only() {
        let (pair, public) = pair();
        let good = token(r#"{"typ":"JWT","alg":"ES256","kid":"k","more":[1]}"#, "{}", &pair);
        let jws = Jws::parse(&good, ES256, MAX).unwrap();
        assert_eq!((jws.header().typ.as_deref(), jws.header().kid.as_deref()), (Some("JWT"), Some("k")));
        assert_eq!(jws.verify(&public), Ok(&b"{}"[..]));
        assert_eq!(jws.verify(&self::pair().1), Err(Error::Signature));
    }

    #[test]
    fn algorithm_must_be_accepted_by_the_caller() {
        let (pair, public) = pair();
        for name in ["none", "None", "HS256", "es256", "ES256 ", "RS256", ""] {
            let other = token(&format!(r#"{{"alg":"{name}"}}"#), "{}", &pair);
            assert_eq!(error(&other), Some(Error::Algorithm(name.into())));
        }
        // An ES256 signature under the name of another algorithm.
        let renamed = token(r#"{"alg":"RS256"}"#, "{}", &pair);
        let both = [Algorithm::Es256, Algorithm::Rs256];
        assert_eq!(Jws::parse(&renamed, &both, MAX).unwrap().verify(&public), Err(Error::Signature));
        let unsigned = format!("{}.e30.", B64.encode(r#"{"alg":"ES256"}"#));
        assert_eq!(Jws::parse(&unsigned, ES256, MAX).unwrap().verify(&public), Err(Error::Signature));
    }

    #[test]
    fn rejects_malformed_headers() {
        let (pair, _) = pair();
        for header in [
            "",
            "{}",
            "[]",
            "null",
            r#""ES256""#,
            r#"{"alg":null}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"none","alg":"ES256"}"#,
            r#"{"alg":"ES256","\u0061lg":"none"}"#,
            r#"{"alg":"ES256","typ":"JWT","typ":"at+jwt"}"#,
            r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
            r#"{"alg":"ES256","more":1,"more":2}"#,
            r#"{"alg":"ES256","jwk":{"kty":"EC","kty":"oct"}}"#,
            r#"{"alg":"ES256","typ":null}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","x5c":"AAAA"}"#,
            r#"{"alg":"ES256","x5c":[1]}"#,
            r#"{"alg":"ES256"}{}"#,
            r#"{"alg":"ES256""#,
        ] {
            assert_eq!(error(&token(header, "{}", &pair)), Some(Error::Header), "{header}");
        }
        assert_eq!(
            Header::parse(br#"{"alg":"ES256","b64":false}"#, &[Algorithm::Es256]),
            Err(Error::Critical)
        );
        for critical in [r#"["b64"]"#, "[]", "null", r#"["alg"]"#] {
            let header = format!(r#"{{"alg":"ES256","crit":{critical}}}"#);
            assert_eq!(error(&token(&header, "{}", &pair)), Some(Error::Critical), "{header}");
        }
    }

    #[test]
    fn rejects_all_but_three_parts() {
        let good = token(r#"{"alg":"ES256"}"#, "{}", &pair().0);
        let (input, signature) = good.rsplit_once('.').unwrap();
        let five = format!("{input}.{signature}.{signature}.{signature}");
        for bad in [
            "",
            "e30",
            input,
            &format!("{good}."),
            &format!(".{good}"),
            &format!("{good}.{signature}"),
            &format!("{input}..{signature}"),
            &five,
        ] {
            assert_eq!(error(bad), Some(Error::Parts), "{bad}");
        }
    }

    #[test]
    fn rejects_other_spellings_of_base64url() {
        let (pair, public) = pair();
        // A payload of two bytes leaves a character with unused bits, and takes one character of padding.
        let good = token(r#"{"alg":"ES256"}"#, "[]", &pair);
        assert!(Jws::parse(&good, ES256, MAX).unwrap().verify(&public).is_ok());
        let parts: Vec<&str> = good.split('.').collect();
        assert_eq!(parts[1], "W10");
        for at in 0..parts.len() {
            for (before, after) in
                [("", "="), ("", "=="), ("", "\n"), (" ", ""), ("", "\r\n"), ("", "\0"), ("+", ""), ("", "/")]
            {
                let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                parts[at] = format!("{before}{}{after}", parts[at]);
                assert_eq!(error(&parts.join(".")), Some(Error::Encoding), "{at} {before:?} {after:?}");
            }
        }
        let unused_bits = [parts[0], "W11", parts[2]].join(".");
        assert_eq!(error(&unused_bits), Some(Error::Encoding));
        let inside = [parts[0], "W1\n0", parts[2]].join(".");
        assert_eq!(error(&inside), Some(Error::Encoding));
    }

    #[test]
    fn caps_are_checked_before_parsing() {
        let good = token(r#"{"alg":"ES256"}"#, "{}", &pair().0);
        assert!(Jws::parse(&good, ES256, good.len()).is_ok());
        assert_eq!(Jws::parse(&good, ES256, good.len() - 1).err(), Some(Error::TooLong));
        assert_eq!(error(&"=".repeat(MAX + 1)), Some(Error::TooLong));
    }

    #[test]
    fn no_changed_character_is_accepted() {
        let (pair, public) = pair();
        let good = token(r#"{"alg":"ES256"}"#, r#"{"sub":"ehr"}"#, &pair);
        for at in 0..good.len() {
            for other in [b'A', b'.', b'_', b'=', b'\n'] {
                let mut bytes = good.clone().into_bytes();
                if std::mem::replace(&mut bytes[at], other) == other {
                    continue;
                }
                let changed = String::from_utf8(bytes).unwrap();
                let accepted = Jws::parse(&changed, ES256, MAX).is_ok_and(|jws| jws.verify(&public).is_ok());
                assert!(!accepted, "{changed}");
            }
        }
    }

    #[test]
    fn headers_are_written_in_the_order_of_their_members() {
        let header = Header {
            alg: Algorithm::Es256,
            typ: Some("eat+jwt".into()),
            kid: Some("k".into()),
            jwk: None,
            x5c: None,
        };
        assert_eq!(serde_json::to_string(&header).unwrap(), r#"{"alg":"ES256","typ":"eat+jwt","kid":"k"}"#);
    }
}
