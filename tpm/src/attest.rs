//! Verifies TPM attestations (TPMS_ATTEST, TPM 2.0 part 2, clause 10.12): certifications of a report key, and
//! quotes.

use crate::codec;
use crate::endorsement::rsa_key;
use crate::hash::Hash;
use crate::public::{self, Public};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
};
use tpm2_protocol::data::{
    TpmAlgId, TpmaObject, TpmsAttest, TpmsPcrSelection, TpmtSignature, TpmuAttest, TpmuPublicId,
    TpmuPublicParms, TpmuSignature,
};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::BootEvidence;
use vitalsign_protocol::id::Digest;
use vitalsign_x509::oids::{EC, P256, RSA};
use x509_cert::der::{Decode, oid::ObjectIdentifier};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// More bytes than any attestation or signature has.
pub const MAX_ATTEST_BYTES: usize = 2048;

/// Reason why an attestation was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a TPMS_ATTEST or TPMT_SIGNATURE.
    #[error("{0} is not of its type")]
    Malformed(&'static str),
    /// It does not begin with TPM_GENERATED_VALUE: a TPM did not make it.
    #[error("this was not made by a TPM")]
    NotFromTpm,
    /// The signing key is not an attestation key.
    #[error("{0}")]
    Key(#[from] public::Error),
    /// The signature is invalid or uses an algorithm that is not accepted.
    #[error("the attestation's signature is invalid")]
    Signature,
    /// The signature is made with SHA-1. Whether it is right was not looked at.
    #[error("the attestation is signed with SHA-1, which is not trusted")]
    Sha1Signature,
    /// The attestation is of another type.
    #[error("this is {found}, not {wanted}")]
    WrongType {
        /// The expected type.
        wanted: &'static str,
        /// The type that it is.
        found: &'static str,
    },
    /// The certification is for another key.
    #[error("another key was certified")]
    OtherKey,
    /// It was made for another request.
    #[error("the attestation was made for another request")]
    ExtraData,
    /// The quote is over the SHA-1 bank.
    #[error("the quote is over SHA-1 PCRs")]
    Sha1,
    /// The quote is not over exactly the PCRs that came with it, the firmware's among them, in the SHA-256 bank.
    #[error("the quote is not over the PCRs that came with it")]
    Selection,
    /// The quoted values are others.
    #[error("the quoted PCR values are not those that came with it")]
    PcrDigest,
}

/// A key that signs attestations.
#[derive(Clone, Debug)]
pub enum AttestationKey {
    /// ECDSA P-256, the default for keys that we create.
    P256(PublicKey),
    /// RSA with RSASSA: what others' machines have, to be inspected.
    Rsa {
        /// RSA modulus, big-endian.
        modulus: Vec<u8>,
        /// RSA public exponent.
        exponent: u32,
    },
}

impl AttestationKey {
    /// The key of any public area that is a restricted signing key held by one TPM.
    ///
    /// # Errors
    /// When it is not such a key.
    pub fn any(public: &Public) -> Result<Self, public::Error> {
        const WHAT: &str = "an attestation key";
        let area = public.area();
        let wanted = [TpmaObject::FIXED_TPM, TpmaObject::RESTRICTED, TpmaObject::SIGN_ENCRYPT];
        if !wanted.into_iter().all(|one| area.object_attributes.contains(one)) {
            return Err(public::Error::Attributes(WHAT));
        }
        match (&area.parameters, &area.unique) {
            (TpmuPublicParms::Ecc(_), TpmuPublicId::Ecc(point)) => {
                let key = PublicKey::from_coordinates(&point.x, &point.y);
                Ok(Self::P256(key.map_err(|_| public::Error::Point)?))
            }
            (TpmuPublicParms::Rsa(parameters), TpmuPublicId::Rsa(modulus)) => {
                let exponent = match parameters.exponent.value() {
                    0 => 65537,
                    other => other,
                };
                Ok(Self::Rsa { modulus: modulus.to_vec(), exponent })
            }
            _ => Err(public::Error::Parameters(WHAT)),
        }
    }

    /// Reads a key from SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7): P-256 or RSA. It does not say what the key is
    /// for, as a public area does.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let key = SubjectPublicKeyInfoOwned::from_der(der).ok()?;
        let bits = key.subject_public_key.raw_bytes();
        match key.algorithm.oid {
            EC if key.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok()? == P256 => {
                PublicKey::from_point(bits).ok().map(Self::P256)
            }
            RSA => {
                let (modulus, exponent) = rsa_key(bits)?;
                Some(Self::Rsa { modulus, exponent: u32::try_from(exponent).ok()? })
            }
            _ => None,
        }
    }

    /// Checks a TPMT_SIGNATURE over `message`. SHA-1 signatures never hold.
    ///
    /// # Errors
    /// [`Error::Signature`], or that it is no signature at all.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        match self {
            Self::P256(key) => key.verify(message, &es256(signature)?).map_err(|_| Error::Signature),
            Self::Rsa { modulus, exponent } => {
                let TpmuSignature::Rsassa(signature) = parse_signature(signature)?.signature else {
                    return Err(Error::Signature);
                };
                let parameters: &RsaParameters = match signature.hash {
                    TpmAlgId::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    TpmAlgId::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                    TpmAlgId::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                    TpmAlgId::Sha1 => return Err(Error::Sha1Signature),
                    _ => return Err(Error::Signature),
                };
                let exponent = exponent.to_be_bytes();
                let first = exponent.iter().position(|byte| *byte != 0).unwrap_or_default();
                let key =
                    PublicKeyComponents { n: &modulus[..], e: exponent.get(first..).unwrap_or_default() };
                key.verify(parameters, message, &signature.sig).map_err(|_| Error::Signature)
            }
        }
    }
}

/// An ECDSA P-256 TPMT_SIGNATURE as ES256 has it: `r || s`, each padded to 32 bytes.
///
/// # Errors
/// When it is no such signature with SHA-256.
pub fn es256(signature: &[u8]) -> Result<[u8; 64], Error> {
    let TpmuSignature::Ecdsa(signature) = parse_signature(signature)?.signature else {
        return Err(Error::Signature);
    };
    match signature.hash {
        TpmAlgId::Sha256 => {}
        TpmAlgId::Sha1 => return Err(Error::Sha1Signature),
        _ => return Err(Error::Signature),
    }
    let bad = |_| Error::Signature;
    let r = codec::pad::<32>(&signature.signature_r).map_err(bad)?;
    let s = codec::pad::<32>(&signature.signature_s).map_err(bad)?;
    let mut out = [0; 64];
    let (left, right) = out.split_at_mut(32);
    left.copy_from_slice(&r);
    right.copy_from_slice(&s);
    Ok(out)
}

fn parse_signature(bytes: &[u8]) -> Result<TpmtSignature, Error> {
    let bytes = Some(bytes).filter(|bytes| bytes.len() <= MAX_ATTEST_BYTES);
    let bytes = bytes.ok_or(Error::Malformed("the signature"))?;
    codec::decode(bytes).map_err(|_| Error::Malformed("the signature"))
}

/// TPM state contained in every attestation. For keys outside the endorsement hierarchy, such as ours, the
/// TPM adds a secret constant to counters and firmware version (part 1, clause 36.7): only differences
/// between two attestations of the same key are meaningful. `reset_count` grows like the agent's plain boot
/// count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TpmState {
    /// Milliseconds that the TPM has been on, since its owner was last cleared.
    pub clock: u64,
    /// Boots since then, plus the key's constant.
    pub reset_count: u32,
    /// Resumes from sleep since the last boot, plus the key's constant.
    pub restart_count: u32,
    /// The clock cannot have gone backwards. False for up to 70 minutes after a machine lost its power: look at it where
    /// the clock matters, and do not lock out everybody after an outage. A quote's freshness is its extra data.
    pub safe: bool,
    /// Firmware, plus the key's constant.
    pub firmware: u64,
}

/// Verified content of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// PCR bank (hash algorithm).
    pub bank: Hash,
    /// Selected PCRs in ascending order.
    pub pcrs: Vec<u8>,
    /// Digest of the selected PCR values.
    pub pcr_digest: Vec<u8>,
    /// `qualifyingData` of the request.
    pub extra_data: Vec<u8>,
    /// The TPM at that time.
    pub state: TpmState,
}

/// Checks that the attestation key `ak` certified the report key of this `name`, for no request in particular: an
/// enrolment's freshness comes from the credential and from the quote.
pub fn verify_certify(
    ak: &AttestationKey,
    attest: &[u8],
    signature: &[u8],
    extra_data: &[u8],
    name: &[u8],
) -> Result<TpmState, Error> {
    let attest = verified(ak, attest, signature)?;
    let TpmuAttest::Certify(info) = &attest.attested else {
        return Err(Error::WrongType { wanted: "a key's certification", found: kind(&attest.attested) });
    };
    if &*attest.extra_data != extra_data {
        return Err(Error::ExtraData);
    }
    if &*info.name != name {
        return Err(Error::OtherKey);
    }
    Ok(state(&attest))
}

/// Verifies a quote's signature and returns its content even if it is not acceptable, for inspection.
///
/// # Errors
/// The signature is invalid, or the bytes are not a quote.
pub fn inspect_quote(ak: &AttestationKey, attest: &[u8], signature: &[u8]) -> Result<Quote, Error> {
    quote(&verified(ak, attest, signature)?)
}

/// Parses a quote without verifying its signature, for inspection only. Never trust the result.
///
/// # Errors
/// The bytes are not a quote.
pub fn read_quote(attest: &[u8]) -> Result<Quote, Error> {
    quote(&parse(attest)?)
}

/// The type of an attestation (part 2, clause 10.12.8).
fn kind(attested: &TpmuAttest) -> &'static str {
    match attested {
        TpmuAttest::Certify(_) => "a key's certification (TPM2_Certify)",
        TpmuAttest::Creation(_) => "a key's creation (TPM2_CertifyCreation)",
        TpmuAttest::Quote(_) => "a quote",
        TpmuAttest::CommandAudit(_) => "a command audit (TPM2_GetCommandAuditDigest)",
        TpmuAttest::SessionAudit(_) => "a session audit (TPM2_GetSessionAuditDigest)",
        TpmuAttest::Time(_) => "a time (TPM2_GetTime)",
        TpmuAttest::Nv(_) => "content of NV memory (TPM2_NV_Certify)",
        TpmuAttest::NvDigest(_) => "a digest of NV memory (TPM2_NV_Certify)",
    }
}

fn quote(attest: &TpmsAttest) -> Result<Quote, Error> {
    let TpmuAttest::Quote(info) = &attest.attested else {
        return Err(Error::WrongType { wanted: "a quote", found: kind(&attest.attested) });
    };
    let selections: &[TpmsPcrSelection] = &info.pcr_select;
    let [selection] = selections else { return Err(Error::Selection) };
    Ok(Quote {
        bank: Hash::from_id(selection.hash.value()).ok_or(Error::Selection)?,
        pcrs: selected(&selection.pcr_select),
        pcr_digest: info.pcr_digest.to_vec(),
        extra_data: attest.extra_data.to_vec(),
        state: state(attest),
    })
}

/// Verifies a TPM quote (`TPM2_Quote`): that `boot` is signed by this attestation key, was made for this request, and
/// is over exactly the PCR values that came with it. The firmware's PCRs, 0 to 7, must be among them.
pub fn verify_quote(ak: &AttestationKey, boot: &BootEvidence, extra_data: &Digest) -> Result<Quote, Error> {
    let quote = inspect_quote(ak, &boot.quote, &boot.signature)?;
    if quote.extra_data != extra_data.as_bytes() {
        return Err(Error::ExtraData);
    }
    match quote.bank {
        Hash::Sha1 => return Err(Error::Sha1),
        Hash::Sha256 => {}
        Hash::Sha384 | Hash::Sha512 => return Err(Error::Selection),
    }
    if !(0..=7).all(|pcr| quote.pcrs.contains(&pcr))
        || !quote.pcrs.iter().eq(boot.pcrs.iter().map(|(pcr, _)| pcr))
    {
        return Err(Error::Selection);
    }
    let values: Vec<&[u8]> = boot.pcrs.iter().map(|(_, value)| &value[..]).collect();
    if quote.pcr_digest != Hash::Sha256.digest(&values) {
        return Err(Error::PcrDigest);
    }
    Ok(quote)
}

/// The numbers of the PCRs whose bits are set.
fn selected(bits: &[u8]) -> Vec<u8> {
    let set = |pcr: &u8| bits.get(usize::from(pcr / 8)).is_some_and(|byte| byte & (1 << (pcr % 8)) != 0);
    (0..=31).filter(set).collect()
}

/// The signature is checked over the bytes as they came, never over what they parse to.
fn verified(ak: &AttestationKey, attest: &[u8], signature: &[u8]) -> Result<TpmsAttest, Error> {
    generated(attest)?;
    ak.verify(attest, signature)?;
    parse(attest)
}

fn parse(attest: &[u8]) -> Result<TpmsAttest, Error> {
    generated(attest)?;
    codec::decode(attest).map_err(|_| Error::Malformed("the attestation"))
}

fn generated(attest: &[u8]) -> Result<(), Error> {
    if attest.len() > MAX_ATTEST_BYTES {
        return Err(Error::Malformed("the attestation"));
    }
    let magic = tpm2_protocol::constant::TPM_GENERATED_VALUE.to_be_bytes();
    if attest.starts_with(&magic) { Ok(()) } else { Err(Error::NotFromTpm) }
}

fn state(attest: &TpmsAttest) -> TpmState {
    TpmState {
        clock: attest.clock_info.clock.value(),
        reset_count: attest.clock_info.reset_count.value(),
        restart_count: attest.clock_info.restart_count.value(),
        safe: attest.clock_info.safe.into(),
        firmware: attest.firmware_version.value(),
    }
}
