//! COSE_Sign1 with ES256 (RFC 9052 section 4.2, RFC 9053 section 2.1), and the P-256 keys that make and check it.

use crate::cbor::{self, MapBuilder, Value};
use crate::id::{Digest, Thumbprint};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

/// COSE algorithm identifier of ES256.
pub const ES256: i64 = -7;
/// Header label of the algorithm.
pub const ALG: i64 = 1;
/// Header label of the key identifier.
pub const KID: i64 = 4;
/// Header label of the type (RFC 9596).
pub const TYP: i64 = 16;
/// Header label of critical headers.
pub const CRIT: i64 = 2;

/// Reason why a COSE message or key was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not CBOR that we accept.
    #[error("{0}")]
    Cbor(#[from] cbor::Error),
    /// Valid CBOR, but not a COSE_Sign1.
    #[error("not a COSE_Sign1: {0}")]
    Shape(&'static str),
    /// The signature is not of this key over these bytes.
    #[error("invalid signature")]
    Signature,
    /// Not a point on P-256.
    #[error("not a P-256 public key")]
    Key,
}

/// A P-256 public key: a point on the curve, checked when it is made.
#[derive(Clone)]
pub struct PublicKey {
    point: [u8; 65],
    parsed: ParsedPublicKey,
    thumbprint: Thumbprint,
}

impl PublicKey {
    /// From an uncompressed point, `0x04 || x || y`.
    ///
    /// # Errors
    /// When it is no point on P-256.
    pub fn from_point(point: &[u8]) -> Result<Self, Error> {
        let point: [u8; 65] = point.try_into().map_err(|_| Error::Key)?;
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| Error::Key)?;
        let (_, coordinates) = point.split_at(1);
        let (x, y) = coordinates.split_at(32);
        let key =
            MapBuilder::default().with(1i64, 2i64).with(-1i64, 1i64).with(-2i64, x).with(-3i64, y).build();
        Ok(Self { point, parsed, thumbprint: Thumbprint(Digest::of(&key.encode()).0) })
    }

    /// From coordinates, big-endian; a TPM strips leading zeros, so shorter ones are padded.
    ///
    /// # Errors
    /// When they are no point on P-256.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self, Error> {
        let mut point = [0; 65];
        let (form, rest) = point.split_at_mut(1);
        form.copy_from_slice(&[4]);
        let (px, py) = rest.split_at_mut(32);
        for (coordinate, place) in [(x, px), (y, py)] {
            let start = place.len().checked_sub(coordinate.len()).ok_or(Error::Key)?;
            place.get_mut(start..).ok_or(Error::Key)?.copy_from_slice(coordinate);
        }
        Self::from_point(&point)
    }

    /// Returns the uncompressed point.
    #[must_use]
    pub fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// The coordinates, 32 bytes each.
    #[must_use]
    pub fn coordinates(&self) -> (&[u8], &[u8]) {
        let (_, rest) = self.point.split_at(1);
        rest.split_at(32)
    }

    /// The key's name: SHA-256 COSE key thumbprint (RFC 9679).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Verifies an ES256 signature, `r
    ///
    /// s`, over `message`.
    ///
    /// # Errors
    /// [`Error::Signature`] if it is invalid.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.parsed.verify_sig(message, signature).map_err(|_| Error::Signature)
    }
}
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}
impl Eq for PublicKey {}
impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint())
    }
}

/// A COSE_Sign1 whose signature has not been checked.
#[derive(Clone, Debug)]
pub struct Sign1 {
    /// The protected headers, as they were signed.
    pub protected: Vec<u8>,
    /// Number of unprotected headers; must be 0 in evidence.
    pub unprotected: usize,
    /// Signed payload of the message.
    pub payload: Vec<u8>,
    /// The signature: for ES256 64 bytes, `r || s`.
    pub signature: Vec<u8>,
}

impl Sign1 {
    /// Parses a tagged COSE_Sign1 (tag 18). Headers are left for the caller to judge.
    ///
    /// # Errors
    /// When the bytes are no COSE_Sign1.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Value::Tag(18, inner) = Value::decode_preferred(bytes)? else {
            return Err(Error::Shape("tag 18 is missing"));
        };
        let Some([protected, unprotected, payload, signature]) = inner.items() else {
            return Err(Error::Shape("four items were expected"));
        };
        let bytes_of = |value: &Value<'_>, what| value.bytes().map(<[u8]>::to_vec).ok_or(Error::Shape(what));
        Ok(Self {
            protected: bytes_of(protected, "the protected headers are not a byte string")?,
            unprotected: unprotected
                .entries()
                .ok_or(Error::Shape("the unprotected headers are not a map"))?
                .len(),
            payload: bytes_of(payload, "the payload is detached or not a byte string")?,
            signature: bytes_of(signature, "the signature is not a byte string")?,
        })
    }

    /// The protected headers. None at all reads as an empty map.
    ///
    /// # Errors
    /// When they are not a map.
    pub fn headers(&self) -> Result<Value<'_>, Error> {
        if self.protected.is_empty() {
            return Ok(Value::Map(Vec::new()));
        }
        let headers = Value::decode_preferred(&self.protected)?;
        headers.entries().ok_or(Error::Shape("the protected headers are not a map"))?;
        Ok(headers)
    }

    /// Verifies the signature with `key`, over the received bytes and `external_aad`.
    ///
    /// # Errors
    /// [`Error::Signature`] if it is invalid.
    pub fn verify(&self, key: &PublicKey, external_aad: &[u8]) -> Result<(), Error> {
        key.verify(&to_be_signed(&self.protected, external_aad, &self.payload), &self.signature)
    }

    /// Encodes a complete COSE_Sign1 message.
    #[must_use]
    pub fn encode(protected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
        let items =
            vec![protected.into(), MapBuilder::default().build(), payload.into(), Value::from(signature)];
        Value::Tag(18, Box::new(Value::Array(items))).encode()
    }
}

/// The `Sig_structure` that is signed (RFC 9052 section 4.4).
#[must_use]
pub fn to_be_signed(protected: &[u8], external_aad: &[u8], payload: &[u8]) -> Vec<u8> {
    // An empty map may be encoded as `a0` or as an empty string; the signature covers the empty string (RFC
    // 9052 section 3).
    let protected = if protected == [0xa0] { &[][..] } else { protected };
    Value::Array(vec!["Signature1".into(), protected.into(), external_aad.into(), payload.into()]).encode()
}
