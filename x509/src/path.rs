//! The search for a path from a certificate to a trust anchor (RFC 5280 section 6).

use crate::{Certificate, Crl, CrlError, Error, PemError, pem};
use std::time::Duration;

/// More certificates than come along with one.
pub const MAX_CERTIFICATES: usize = 8;
/// Signatures checked at most, whatever the certificates' names suggest.
const MAX_CHECKS: usize = 32;

/// Trust anchors, intermediates that may not come along, and revocation lists of either.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    roots: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    revocation_lists: Vec<Crl>,
}

impl Anchors {
    /// Trusts these certificates, whether of CAs or of the ends of paths.
    #[must_use]
    pub fn of(roots: Vec<Certificate>) -> Self {
        Self { roots, ..Self::default() }
    }

    /// Adds the roots of a PEM file; gives their number.
    ///
    /// # Errors
    /// When one of its certificates cannot be read.
    pub fn add_roots(&mut self, pem: &[u8]) -> Result<usize, PemError> {
        add(&mut self.roots, pem)
    }

    /// Adds intermediates of a PEM file; gives their number.
    ///
    /// # Errors
    /// When one of its certificates cannot be read.
    pub fn add_intermediates(&mut self, pem: &[u8]) -> Result<usize, PemError> {
        add(&mut self.intermediates, pem)
    }

    /// Adds a revocation list (DER or PEM). Its issuer must be one of the roots or intermediates.
    ///
    /// # Errors
    /// It cannot be read, none of them signed it, or it has a critical extension that is not known here.
    pub fn add_revocation_list(&mut self, bytes: &[u8]) -> Result<&Crl, CrlError> {
        let list = Crl::read(bytes, self.roots.iter().chain(&self.intermediates))?;
        self.revocation_lists.push(list);
        self.revocation_lists.last().ok_or(CrlError::Malformed)
    }

    /// Returns the roots.
    #[must_use]
    pub fn roots(&self) -> &[Certificate] {
        &self.roots
    }

    /// Finds the root that `certificate` leads to at `now` (since 1970): through intermediates and `others`, which came
    /// along in any order. A certificate that is listed itself is its own root. `others` are never trusted, so that a
    /// root among them is neither needed nor counted. Does not check what `certificate` itself may be used for, nor
    /// whether it is valid now.
    ///
    /// # Errors
    /// The reason of the best path that failed, or [`Error::Untrusted`].
    pub fn root_of<'a>(
        &'a self,
        certificate: &Certificate,
        others: &'a [Certificate],
        now: Duration,
    ) -> Result<&'a Certificate, Error> {
        if let Some(listed) = self.roots.iter().find(|root| root.der() == certificate.der()) {
            return Ok(listed);
        }
        let mut path = Path { anchors: self, others, now, checks: 0, failed: None };
        match path.issuer_of(certificate, 0) {
            Some(root) => Ok(root),
            None => Err(path.failed.unwrap_or_else(|| Error::Untrusted(certificate.issuer().to_owned()))),
        }
    }

    fn is_revoked(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        self.revocation_lists.iter().any(|list| list.is_of(issuer) && list.revokes(certificate.serial()))
    }
}

fn add(to: &mut Vec<Certificate>, pem: &[u8]) -> Result<usize, PemError> {
    let certificates = pem::certificates(pem)?;
    let added = certificates.len();
    to.extend(certificates);
    Ok(added)
}

/// The search from a certificate to a root.
struct Path<'a> {
    anchors: &'a Anchors,
    others: &'a [Certificate],
    now: Duration,
    checks: usize,
    /// Error of the best path that failed, if any path was found.
    failed: Option<Error>,
}

impl<'a> Path<'a> {
    /// The root that `certificate`, with `below` CA certificates under it, leads to.
    fn issuer_of(&mut self, certificate: &Certificate, below: u8) -> Option<&'a Certificate> {
        let anchors = self.anchors;
        let issuer = certificate.issuer();
        let of = |it: &&Certificate| it.subject() == issuer;
        for root in anchors.roots.iter().filter(of) {
            if self.signed(certificate, root, below, true) {
                return Some(root);
            }
        }
        if usize::from(below) >= MAX_CERTIFICATES {
            return None;
        }
        for issuer in self.others.iter().chain(&anchors.intermediates).filter(of) {
            if self.signed(certificate, issuer, below, false)
                && let Some(root) = self.issuer_of(issuer, below + 1)
            {
                return Some(root);
            }
        }
        None
    }

    fn signed(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        below: u8,
        is_anchor: bool,
    ) -> bool {
        self.checks += 1;
        if self.checks > MAX_CHECKS {
            return false;
        }
        // Said although the signature cannot be checked: else the reader looks for an issuer that is there.
        if certificate.is_signed_with_sha1() {
            self.failed = Some(Error::Sha1(certificate.name()));
            return false;
        }
        if !issuer.signed(certificate) {
            return false;
        }
        let revoked = self.anchors.is_revoked(certificate, issuer);
        let outcome = issuer
            .valid(self.now)
            .and_then(|()| issuer.may_issue(below, is_anchor))
            .and_then(|()| if revoked { Err(Error::Revoked(certificate.name())) } else { Ok(()) });
        outcome.map_err(|error| self.failed = Some(error)).is_ok()
    }
}
