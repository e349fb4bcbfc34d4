//! Trust anchors for TPMs: root certificates in a folder of PEM files.
//!
//! ```text
//! roots/*.pem                 makers of TPMs in hardware
//! roots/simulated/*.pem       makers of TPMs in software: such a device is never genuine hardware
//! roots/intermediates/*.pem   certificates between, that devices may not send along
//! roots/pinned/*.pem          endorsement certificates of single TPMs that an administrator vouches for
//! roots/crls/*.crl            revocation lists (DER or PEM) of these roots and intermediates; nothing is fetched
//! ```

use crate::files::FileError;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use vitalsign_tpm::endorsement::{self, Anchors};
use vitalsign_tpm::public::Public;
use vitalsign_x509::{self as x509, Certificate, CrlError, MAX_CRL_BYTES};

#[derive(Debug, Default)]
pub struct TpmVendorRoots {
    genuine: Anchors,
    simulated: Anchors,
    pinned: Vec<Certificate>,
}

/// Kind of root to which an EK certificate chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endorser {
    /// Maker of hardware TPMs, or an administrator who pinned this TPM.
    Genuine,
    /// Maker of software TPMs.
    Simulated,
}

/// An accepted endorsement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endorsed {
    pub endorser: Endorser,
    /// The end of the EK certificate's validity, in seconds since 1970, if it counts. A certificate that an administrator
    /// pinned is accepted at any time.
    pub valid_until: Option<u64>,
}

impl TpmVendorRoots {
    /// Reads the folder. A missing folder contains no roots, so no TPM is trusted.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        let mut endorsers = Self::default();
        let mut roots = 0;
        for path in certificate_files(folder)? {
            roots += endorsers.genuine.add_roots(&read(&path)?).map_err(failed(&path))?;
        }
        for path in certificate_files(&folder.join("simulated"))? {
            roots += endorsers.simulated.add_roots(&read(&path)?).map_err(failed(&path))?;
        }
        for path in certificate_files(&folder.join("intermediates"))? {
            let pem = read(&path)?;
            endorsers.genuine.add_intermediates(&pem).map_err(failed(&path))?;
            endorsers.simulated.add_intermediates(&pem).map_err(failed(&path))?;
        }
        for path in certificate_files(&folder.join("pinned"))? {
            let certificates = x509::certificates(&read(&path)?).map_err(failed(&path))?;
            roots += certificates.len();
            endorsers.pinned.extend(certificates);
        }
        for path in revocation_lists(folder)? {
            endorsers.add_revocation_list(&read(&path)?).map_err(failed(&path))?;
        }
        if roots == 0 {
            tracing::warn!(folder = %folder.display(), "no roots of TPM makers: no TPM can enrol");
        }
        Ok(endorsers)
    }

    /// Adds a revocation list to the anchors that contain its issuer.
    fn add_revocation_list(&mut self, bytes: &[u8]) -> Result<(), CrlError> {
        let genuine = self.genuine.add_revocation_list(bytes).map(|_| ());
        let simulated = self.simulated.add_revocation_list(bytes).map(|_| ());
        match (genuine, simulated) {
            (Ok(()), _) | (_, Ok(())) => Ok(()),
            (Err(CrlError::UnknownIssuer(_)), Err(error)) | (Err(error), _) => Err(error),
        }
    }

    /// Returns the kind of root that vouches for `ek`.
    ///
    /// # Errors
    /// No accepted root vouches for it.
    pub fn endorser(
        &self,
        certificates: &[impl AsRef<[u8]>],
        ek: &Public,
        now: u64,
    ) -> Result<Endorsed, endorsement::Error> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        let by = |anchors, endorser| {
            let endorsement = endorsement::verify(certificates, ek, anchors, now)?;
            Ok(Endorsed { endorser, valid_until: Some(endorsement.valid_until) })
        };
        // Checked first: a simulated TPM is never genuine, whichever other root vouches for it.
        let simulated = match by(&self.simulated, Endorser::Simulated) {
            Ok(endorsed) => return Ok(endorsed),
            Err(error) => error,
        };
        if let Some(own) =
            certificates.first().and_then(|own| endorsement::split_padded(own.as_ref()).first().copied())
            && self.pinned.iter().any(|pinned| pinned.der() == own)
            && endorsement::certifies(own, ek)
        {
            return Ok(Endorsed { endorser: Endorser::Genuine, valid_until: None });
        }
        by(&self.genuine, Endorser::Genuine).map_err(|genuine| match genuine {
            // The other search may have come further.
            endorsement::Error::Path(x509::Error::Untrusted(_)) => simulated,
            other => other,
        })
    }
}

/// Files of certificates in a folder, in the order of their names. A missing folder has none.
pub(crate) fn certificate_files(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    files(folder, &["pem", "crt"])
}

/// Files of revocation lists below the folder of the roots.
pub(crate) fn revocation_lists(roots: &Path) -> Result<Vec<PathBuf>, FileError> {
    files(&roots.join("crls"), &["crl", "pem"])
}

fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, FileError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(FileError::new("reading", folder, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| FileError::new("reading", folder, e))?.path();
        if path.extension().and_then(OsStr::to_str).is_some_and(|extension| extensions.contains(&extension)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file of certificates or a revocation list; one byte more than is accepted, so that a longer one is refused.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_CRL_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let done = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    done.map_err(failed(path))?;
    Ok(bytes)
}

fn failed<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> FileError + '_ {
    move |error| FileError::new("reading", path, error)
}
