//! Endorsement certificates: the maker's word that an endorsement key is in one of its TPMs (TCG EK credential profile
//! 2.5). Paths to a maker's root are `vitalsign-x509`'s.

use crate::public::{self, Public};
use crate::seed::Recipient;
use std::time::SystemTime;
use vitalsign_x509::oids::{
    BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, EC, EXTENDED_KEY_USAGE, KEY_USAGE, P256, P384, RSA, RSA_OAEP,
    SUBJECT_ALT_NAME,
};
use vitalsign_x509::{self as x509, Certificate, MAX_CERTIFICATES, first_element};
use x509_cert::der::{
    Decode, Header, SliceReader,
    asn1::{AnyRef, UintRef},
    oid::ObjectIdentifier,
};
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName, name::GeneralName};

pub use vitalsign_x509::Anchors;

const TCG_KP_EK_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.1");
const TPM_MANUFACTURER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.1");
const TPM_MODEL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.2");
const TPM_VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.3");

/// Reason why an EK certificate was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are more certificates than are read, or none.
    #[error("an endorsement has one to {MAX_CERTIFICATES} certificates")]
    Count,
    /// The public area is not an endorsement key's.
    #[error("{0}")]
    Key(#[from] public::Error),
    /// The certificate is for another key.
    #[error("the endorsement certificate is for another key")]
    OtherKey,
    /// It is not a certificate for endorsement keys.
    #[error("the certificate is not an endorsement certificate: {0}")]
    Usage(&'static str),
    /// The certificate cannot be read, or no path leads to a root.
    #[error("the endorsement is not trusted: {0}")]
    Path(#[from] x509::Error),
}

/// TPM attributes from a verified EK certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endorsement {
    /// The maker, as four letters where it has such: `INTC`; otherwise as the certificate spells it.
    pub manufacturer: Option<String>,
    /// Model from the certificate's subject alternative name.
    pub model: Option<String>,
    /// The firmware when the certificate was issued.
    pub version: Option<String>,
    /// The subject of the root that the chain led to.
    pub root: String,
    /// The end of the EK certificate's validity, in seconds since 1970. It may have passed: the key is in the same TPM as
    /// before, and makers do not issue a new certificate. Policy decides.
    pub valid_until: u64,
}

/// Checks that `certificates`, the EK's first (DER; bytes behind it, as NV memory has them, are ignored), endorse the
/// public area `ek`, and that they chain to a root. Each issuer must be valid at the time `now`; the EK's own
/// certificate may have expired.
pub fn verify(
    certificates: &[impl AsRef<[u8]>],
    ek: &Public,
    anchors: &Anchors,
    now: SystemTime,
) -> Result<Endorsement, Error> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if certificates.len() > MAX_CERTIFICATES {
        return Err(Error::Count);
    }
    let (first, others) = certificates.split_first().ok_or(Error::Count)?;
    let leaf = Certificate::parse(first.as_ref(), "the endorsement certificate")?;
    if !certifies_key(&leaf, &Recipient::new(ek)?) {
        return Err(Error::OtherKey);
    }
    let endorsement = endorsement(&leaf)?;
    match leaf.valid(now) {
        Ok(()) | Err(x509::Error::Expired { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let others = others.iter().map(|der| Certificate::parse(der.as_ref(), "a certificate that came along"));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let root = anchors.root_of(&leaf, &others, now)?.subject().to_owned();
    Ok(Endorsement { root, ..endorsement })
}

/// Returns whether this certificate (possibly padded) is for the key of this public area. Does not check who
/// issued it.
#[must_use]
pub fn certifies(certificate: &[u8], ek: &Public) -> bool {
    let certificate = Certificate::parse(certificate, "the endorsement certificate");
    let recipient = Recipient::new(ek);
    matches!((certificate, recipient), (Ok(certificate), Ok(recipient)) if certifies_key(&certificate, &recipient))
}

/// The certificates, one after the other, without the padding that NV memory has behind them.
#[must_use]
pub fn split_padded(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some(certificate) = first_element(rest) {
        found.push(certificate);
        rest = rest.get(certificate.len()..).unwrap_or_default();
    }
    found
}

fn certifies_key(certificate: &Certificate, recipient: &Recipient) -> bool {
    let bits = certificate.key().subject_public_key.raw_bytes();
    let algorithm = certificate.key().algorithm.oid;
    if let Some(point) = recipient.point() {
        let curve = if point.len() == 65 { P256 } else { P384 };
        return algorithm == EC && certificate.curve() == Some(curve) && bits == point;
    }
    let (Some((modulus, exponent)), Some(key)) = (recipient.rsa(), rsa_key(bits)) else { return false };
    [RSA, RSA_OAEP].contains(&algorithm) && key == (modulus.to_vec(), u64::from(exponent))
}

/// Checks that this is a certificate for an endorsement key, and reads what it says of the TPM.
fn endorsement(certificate: &Certificate) -> Result<Endorsement, Error> {
    certificate.critical(&[
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        CERTIFICATE_POLICIES,
        EXTENDED_KEY_USAGE,
        SUBJECT_ALT_NAME,
    ])?;
    let bad = |_| x509::Error::Malformed("the endorsement certificate");
    let content = certificate.content();
    let usages = content.get_extension::<ExtendedKeyUsage>().map_err(bad)?;
    if !usages.is_some_and(|(_, usages)| usages.0.contains(&TCG_KP_EK_CERTIFICATE)) {
        return Err(Error::Usage("it lacks the key usage of endorsement keys, 2.23.133.8.1"));
    }
    if certificate.is_ca()? == Some(true) {
        return Err(Error::Usage("it is a CA's"));
    }
    if certificate.key_usage()?.is_some_and(|usage| !(usage.key_encipherment() || usage.key_agreement())) {
        return Err(Error::Usage("its key is not for encryption"));
    }
    let mut endorsement = Endorsement { valid_until: certificate.not_after(), ..Endorsement::default() };
    if let Some((critical, names)) = content.get_extension::<SubjectAltName>().map_err(bad)? {
        for name in &names.0 {
            let GeneralName::DirectoryName(name) = name else { continue };
            for attribute in name.iter() {
                let field = match attribute.oid {
                    TPM_MANUFACTURER => &mut endorsement.manufacturer,
                    TPM_MODEL => &mut endorsement.model,
                    TPM_VERSION => &mut endorsement.version,
                    _ => continue,
                };
                *field = Some(text(&attribute.value));
            }
        }
        // RFC 5280 section 4.2: reject a critical extension that cannot be processed.
        if critical && endorsement.manufacturer.is_none() {
            return Err(x509::Error::Critical(certificate.name(), SUBJECT_ALT_NAME.to_string()).into());
        }
    }
    endorsement.manufacturer = endorsement.manufacturer.map(letters);
    Ok(endorsement)
}

fn text(value: &x509_cert::der::asn1::Any) -> String {
    String::from_utf8_lossy(AnyRef::from(value).value())
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect()
}

/// Decodes `id:494E5443` to `INTC`.
fn letters(manufacturer: String) -> String {
    let id = manufacturer.strip_prefix("id:").filter(|id| id.len() == 8);
    let id = id.and_then(|id| u32::from_str_radix(id, 16).ok()).map(u32::to_be_bytes);
    match id {
        Some(id) if id.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => {
            id.iter().copied().map(char::from).collect()
        }
        _ => manufacturer,
    }
}

/// Parses an RSAPublicKey into modulus and exponent.
pub(crate) fn rsa_key(der: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    let modulus = UintRef::decode(&mut reader).ok()?.as_bytes().to_vec();
    let exponent = UintRef::decode(&mut reader).ok()?.as_bytes().to_vec();
    let exponent =
        exponent.iter().try_fold(0u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)))?;
    Some((modulus, exponent))
}
