//! Certificates, paths from a certificate to a trust anchor, and revocation lists (RFC 5280).
//!
//! The one definition of path building for certificates of makers: of TPMs (EK certificates) and of security keys
//! (attestation certificates). `docs/adr/0012-own-endorsement-paths.md` says why it is our own.
//!
//! Invariants: nothing is fetched, time is an argument, and the signatures that are checked for a path are bounded
//! whatever the names in its certificates suggest. SHA-1 is never accepted.

#![warn(missing_docs)]

mod certificate;
mod crl;
mod path;
mod pem;
mod signature;

pub use certificate::{Certificate, MAX_CERTIFICATE_BYTES, first_element, oids};
pub use crl::{Crl, CrlError, MAX_CRL_BYTES, next_update};
pub use path::{Anchors, MAX_CERTIFICATES};
pub use pem::{PemError, certificates};

/// Reason why a certificate, or the path from it, was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a certificate that we can read.
    #[error("{0} is not a certificate that can be read")]
    Malformed(&'static str),
    /// No path leads to a trust anchor. The issuer's name is the one that the certificate gives.
    #[error("no chain leads from the certificate, issued by {0:?}, to a root that is trusted here")]
    Untrusted(String),
    /// An issuer on the way may not issue certificates, or not this one.
    #[error("an issuer on the way to the root may not issue this certificate: {0}")]
    Issuer(&'static str),
    /// A certificate is not valid any more.
    #[error("the certificate {name} has expired")]
    Expired {
        /// Name of the certificate: its subject, or else its issuer.
        name: String,
        /// The end of its validity, in seconds since 1970.
        until: u64,
    },
    /// A certificate is not valid yet.
    #[error("the certificate {0} is not valid yet; is the clock right?")]
    NotYetValid(String),
    /// A certificate has a critical extension that we do not know.
    #[error("the certificate {0} has a critical extension that is not known here: {1}")]
    Critical(String, String),
    /// A certificate is signed with SHA-1.
    #[error("the certificate {0} is signed with SHA-1, which is not trusted")]
    Sha1(String),
    /// Its issuer revoked the certificate.
    #[error("the certificate {0} was revoked by its issuer")]
    Revoked(String),
}
