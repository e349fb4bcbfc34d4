//! Public areas (TPMT_PUBLIC, TPM 2.0 part 2, clause 12.2.4): the keys that we make, the checks that each is of the
//! kind that it has to be, and names.

use crate::codec;
use crate::hash::Hash;
use tpm2_protocol::data::{
    TpmAlgId, TpmEccCurve, TpmaObject, TpmsEccParms, TpmsSchemeHash, TpmtEccScheme, TpmtPublic,
    TpmuAsymScheme, TpmuPublicId, TpmuPublicParms,
};
use vitalsign_protocol::cose::PublicKey;

/// More bytes than any public area has.
pub const MAX_PUBLIC_BYTES: usize = 1024;

/// Reason why a public area was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a TPMT_PUBLIC, or one with bytes behind it.
    #[error("this is not a TPM public area")]
    Malformed,
    /// A required attribute is missing, or a forbidden one is set.
    #[error("the key's attributes are not those of {0}")]
    Attributes(&'static str),
    /// Algorithm, curve, scheme, size or policy are others.
    #[error("the key's algorithm, curve, scheme or policy is not that of {0}")]
    Parameters(&'static str),
    /// Not a point on its curve.
    #[error("the key is not a point on its curve")]
    Point,
}

/// A public area: parsed, with the bytes it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    area: TpmtPublic,
    bytes: Vec<u8>,
    hash: Hash,
}

impl Public {
    /// Parses a TPMT_PUBLIC.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the bytes are not exactly one structure, or its name algorithm is unknown.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_PUBLIC_BYTES {
            return Err(Error::Malformed);
        }
        let area: TpmtPublic = codec::decode(bytes).map_err(|_| Error::Malformed)?;
        // Two spellings of one key would be two names.
        if codec::encode(&area) != Ok(bytes.to_vec()) {
            return Err(Error::Malformed);
        }
        let hash = Hash::from_id(area.name_alg.value()).ok_or(Error::Malformed)?;
        Ok(Self { area, bytes: bytes.to_vec(), hash })
    }

    /// Returns the encoded TPMT_PUBLIC.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The object's Name: algorithm, then digest of the public area (part 1, clause 16).
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        [&self.hash.id().to_be_bytes()[..], &self.hash.digest(&[&self.bytes])].concat()
    }

    /// The key, when this is a report key: P-256, ECDSA with SHA-256, held by one TPM for good, signs any digest.
    ///
    /// # Errors
    /// Which of its properties is not a report key's.
    pub fn report_key(&self) -> Result<PublicKey, Error> {
        self.signing_key(&signing_template(false), "a report key")
    }

    /// The key, when this is an attestation key: as a report key, but restricted to what the TPM itself says.
    ///
    /// # Errors
    /// Which of its properties is not an attestation key's.
    pub fn attestation_key(&self) -> Result<PublicKey, Error> {
        self.signing_key(&signing_template(true), "an attestation key")
    }

    fn signing_key(&self, template: &TpmtPublic, what: &'static str) -> Result<PublicKey, Error> {
        if self.area.object_attributes != template.object_attributes {
            return Err(Error::Attributes(what));
        }
        if !self.is_from(template) {
            return Err(Error::Parameters(what));
        }
        let TpmuPublicId::Ecc(point) = &self.area.unique else { return Err(Error::Parameters(what)) };
        PublicKey::from_coordinates(&point.x, &point.y).map_err(|_| Error::Point)
    }

    /// Everything but the key itself is as in the template.
    pub fn is_from(&self, template: &TpmtPublic) -> bool {
        TpmtPublic { unique: template.unique.clone(), ..self.area.clone() } == *template
    }

    /// Returns the parsed TPMT_PUBLIC.
    pub fn area(&self) -> &TpmtPublic {
        &self.area
    }

    /// Returns the hash algorithm of the key's name.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

impl From<codec::Malformed> for Error {
    fn from(_: codec::Malformed) -> Self {
        Self::Malformed
    }
}

/// Held by one TPM, made in it, and without dictionary-attack protection: an empty authorisation cannot be guessed
/// wrongly, and a locked-out TPM must still sign.
pub const OURS: [TpmaObject; 5] = [
    TpmaObject::FIXED_TPM,
    TpmaObject::FIXED_PARENT,
    TpmaObject::SENSITIVE_DATA_ORIGIN,
    TpmaObject::USER_WITH_AUTH,
    TpmaObject::NO_DA,
];

/// Combines attributes into one bit field.
pub fn attributes(of: &[TpmaObject]) -> TpmaObject {
    of.iter().fold(TpmaObject::empty(), |all, one| all | *one)
}

/// Report key, or where `restricted` attestation key.
pub fn signing_template(restricted: bool) -> TpmtPublic {
    let more: &[TpmaObject] = if restricted { &[TpmaObject::RESTRICTED] } else { &[] };
    let scheme = TpmtEccScheme {
        scheme: TpmAlgId::Ecdsa,
        details: TpmuAsymScheme::Hash(TpmsSchemeHash { hash_alg: TpmAlgId::Sha256 }),
    };
    ecc(
        attributes(&[&OURS[..], &[TpmaObject::SIGN_ENCRYPT], more].concat()),
        TpmsEccParms { scheme, curve_id: TpmEccCurve::NistP256, ..TpmsEccParms::default() },
        &[],
    )
}

/// A P-256 or P-384 key as `parameters` have it.
pub fn ecc(object_attributes: TpmaObject, parameters: TpmsEccParms, policy: &[u8]) -> TpmtPublic {
    TpmtPublic {
        object_type: TpmAlgId::Ecc,
        name_alg: TpmAlgId::Sha256,
        object_attributes,
        // The policies that we ask for are constants that fit.
        auth_policy: codec::buffer(policy).unwrap_or_default(),
        parameters: TpmuPublicParms::Ecc(parameters),
        unique: TpmuPublicId::Ecc(tpm2_protocol::data::TpmsEccPoint::default()),
    }
}
