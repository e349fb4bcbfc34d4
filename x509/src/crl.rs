//! Certificate revocation lists (RFC 5280 section 5), from files.

use crate::Certificate;
use crate::certificate::signed_part;
use crate::signature;
use rustls_pki_types::{CertificateRevocationListDer, pem::PemObject};
use std::collections::HashSet;
use x509_cert::certificate::Raw;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode, oid::ObjectIdentifier};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;

/// More bytes than a TPM maker's revocation list has.
pub const MAX_CRL_BYTES: usize = 16 * 1024 * 1024;
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// Reason why a revocation list was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Neither DER nor PEM of a revocation list.
    #[error("not a certificate revocation list in DER or PEM, or longer than {MAX_CRL_BYTES} bytes")]
    Malformed,
    /// It has a critical extension that is not known here, or is a part that only makes sense with others.
    #[error("the revocation list of {0:?} cannot be processed: {1}")]
    Critical(String, String),
    /// It is signed with SHA-1.
    #[error("the revocation list of {0:?} is signed with SHA-1, which is not trusted")]
    Sha1(String),
    /// Its issuer is not known.
    #[error(
        "the issuer of the revocation list, {0:?}, is neither a root nor an intermediate here: add its certificate"
    )]
    UnknownIssuer(String),
    /// Its signature is invalid.
    #[error("the signature of the revocation list of {0:?} is invalid")]
    Signature(String),
}

/// A revocation list whose signature was verified.
#[derive(Clone, Debug)]
pub struct Crl {
    issuer: String,
    key: Vec<u8>,
    serials: HashSet<Vec<u8>>,
    next_update: Option<u64>,
}

impl Crl {
    pub(crate) fn read<'a>(
        bytes: &[u8],
        issuers: impl Iterator<Item = &'a Certificate>,
    ) -> Result<Self, CrlError> {
        let der = der(bytes)?;
        let parsed = CertificateList::<Raw>::from_der(&der).map_err(|_| CrlError::Malformed)?;
        let signed = signed_part(&der).ok_or(CrlError::Malformed)?;
        let content = &parsed.tbs_cert_list;
        if content.signature != parsed.signature_algorithm {
            return Err(CrlError::Malformed);
        }
        let issuer = content.issuer.to_string();
        let revoked = content.revoked_certificates.iter().flatten();
        for extension in content.crl_extensions.iter().flatten() {
            processed(extension).map_err(|why| CrlError::Critical(issuer.clone(), why))?;
        }
        for extension in revoked.clone().filter_map(|it| it.crl_entry_extensions.as_ref()).flatten() {
            // Such as certificateIssuer of an indirect list.
            if extension.critical {
                return Err(CrlError::Critical(issuer, extension.extn_id.to_string()));
            }
        }
        let algorithm = parsed.signature_algorithm.oid;
        if signature::is_sha1(&algorithm) {
            return Err(CrlError::Sha1(issuer));
        }
        let mut known = false;
        let signature = parsed.signature.as_bytes().ok_or(CrlError::Malformed)?;
        for of in issuers.filter(|it| it.subject() == issuer) {
            known = true;
            let may = of.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.crl_sign()));
            if may && signature::verify(of.key(), &algorithm, signed, signature) {
                return Ok(Self {
                    key: of.key_der(),
                    serials: revoked.map(|it| it.serial_number.as_bytes().to_vec()).collect(),
                    next_update: content.next_update.map(|time| time.to_unix_duration().as_secs()),
                    issuer,
                });
            }
        }
        Err(if known { CrlError::Signature(issuer) } else { CrlError::UnknownIssuer(issuer) })
    }

    /// Returns the issuer's name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the number of revoked certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.serials.len()
    }

    /// Returns whether it revokes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.serials.is_empty()
    }

    /// Returns when a newer list is due, in seconds since 1970. What an older list revokes stays revoked.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.next_update
    }

    pub(crate) fn is_of(&self, issuer: &Certificate) -> bool {
        self.issuer == issuer.subject() && self.key == issuer.key_der()
    }

    pub(crate) fn revokes(&self, serial: &[u8]) -> bool {
        self.serials.contains(serial)
    }
}

/// Returns when the list after this one is due, in seconds since 1970, without verifying its signature. `None` if it names
/// no time.
///
/// # Errors
/// [`CrlError::Malformed`].
pub fn next_update(bytes: &[u8]) -> Result<Option<u64>, CrlError> {
    let parsed = CertificateList::<Raw>::from_der(&der(bytes)?).map_err(|_| CrlError::Malformed)?;
    Ok(parsed.tbs_cert_list.next_update.map(|time| time.to_unix_duration().as_secs()))
}

fn der(bytes: &[u8]) -> Result<Vec<u8>, CrlError> {
    if bytes.len() > MAX_CRL_BYTES {
        return Err(CrlError::Malformed);
    }
    if bytes.first() == Some(&0x30) {
        return Ok(bytes.to_vec());
    }
    let der = CertificateRevocationListDer::from_pem_slice(bytes).map_err(|_| CrlError::Malformed)?;
    Ok(der.as_ref().to_vec())
}

/// A list may be of a part of the certificates, because only what it revokes is used. A list of other issuers'
/// certificates (indirect), or of changes (delta, a critical extension), is not one.
fn processed(extension: &Extension) -> Result<(), String> {
    if extension.extn_id == ISSUING_DISTRIBUTION_POINT {
        let point = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes());
        return match point {
            Ok(point) if point.indirect_crl => Err("it is of other issuers' certificates".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
    }
    if extension.critical { Err(extension.extn_id.to_string()) } else { Ok(()) }
}
