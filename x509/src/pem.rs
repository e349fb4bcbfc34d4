//! Bundles of certificates in PEM (RFC 7468).

use crate::{Certificate, Error};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// Reason why a PEM file was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// A certificate cannot be read.
    #[error("certificate {0} of the PEM file cannot be read")]
    Certificate(usize),
    /// A boundary is not a separate line, as after `cat a.pem b.pem` if a.pem has no newline at its end.
    #[error("line {0} of the PEM file has a boundary (-----BEGIN, -----END) that is not a line by itself")]
    Boundary(usize),
    /// There is no certificate in it.
    #[error("there is no certificate in PEM in the file")]
    Empty,
    /// There are more beginnings than ends, or other objects than certificates.
    #[error("the PEM file begins {begun} certificates, and {read} of them could be read")]
    Count {
        /// Number of `-----BEGIN CERTIFICATE-----` lines.
        begun: usize,
        /// Number of certificates that were read.
        read: usize,
    },
}

const DASHES: &str = "-----";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Reads every certificate of a PEM file, or none: a certificate that is left out in silence would be missed only when
/// a device is refused. Text between certificates is ignored.
///
/// # Errors
/// The file has no certificate, one cannot be read, or lines run together.
pub fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, PemError> {
    let text = String::from_utf8_lossy(pem);
    let mut begun = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        begun += usize::from(line == BEGIN);
        let boundary = line.contains("-----BEGIN ") || line.contains("-----END ");
        let alone = line.starts_with(DASHES) && line.ends_with(DASHES) && line.matches(DASHES).count() == 2;
        if boundary && !alone {
            return Err(PemError::Boundary(index + 1));
        }
    }
    let mut all = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let bad = || PemError::Certificate(all.len() + 1);
        let der = der.map_err(|_| bad())?;
        let certificate = Certificate::parse(&der, "a certificate of the PEM file");
        let certificate = certificate.map_err(|_: Error| bad())?;
        // Bytes behind the certificate are no padding here.
        if certificate.der() != der.as_ref() {
            return Err(bad());
        }
        all.push(certificate);
    }
    if all.len() != begun {
        return Err(PemError::Count { begun, read: all.len() });
    }
    if all.is_empty() { Err(PemError::Empty) } else { Ok(all) }
}
