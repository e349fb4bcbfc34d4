//! Trust anchors for TPMs: root certificates in a folder of PEM files.
//!
//! ```text
//! roots/*.pem                 makers of TPMs in hardware
//! roots/simulated/*.pem       makers of TPMs in software: such a device is never genuine hardware
//! roots/intermediates/*.pem   certificates between, that devices may not send along
//! roots/pinned/*.pem          endorsement certificates of single TPMs that an administrator vouches for
//! ```

use crate::files::FileError;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;
use std::time::{Duration, SystemTime};
use vitalsign_tpm::endorsement::{self, Anchors};
use vitalsign_tpm::public::Public;

#[derive(Debug, Default)]
pub struct TpmVendorRoots {
    genuine: Anchors,
    simulated: Anchors,
    pinned: Vec<CertificateDer<'static>>,
}

/// Kind of root to which an EK certificate chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endorser {
    /// Maker of hardware TPMs, or an administrator who pinned this TPM.
    Genuine,
    /// Maker of software TPMs.
    Simulated,
}

impl TpmVendorRoots {
    /// Reads the folder. A missing folder contains no roots, so no TPM is trusted.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        let mut endorsers = Self::default();
        let mut roots = 0;
        roots += each(folder, |pem| endorsers.genuine.add_roots(pem))?;
        roots += each(&folder.join("simulated"), |pem| endorsers.simulated.add_roots(pem))?;
        each(&folder.join("intermediates"), |pem| {
            endorsers.genuine.add_intermediates(pem)?;
            endorsers.simulated.add_intermediates(pem)
        })?;
        roots += each(&folder.join("pinned"), |pem| {
            let certificates = CertificateDer::pem_slice_iter(pem).flatten();
            let before = endorsers.pinned.len();
            endorsers.pinned.extend(certificates);
            Ok(endorsers.pinned.len() - before)
        })?;
        if roots == 0 {
            tracing::warn!(folder = %folder.display(), "no roots of TPM makers: no TPM can enrol");
        }
        Ok(endorsers)
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
    ) -> Result<Endorser, endorsement::Error> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        // Checked first: a simulated TPM is never genuine, whichever other root vouches for it.
        if endorsement::verify(certificates, ek, &self.simulated, now).is_ok() {
            return Ok(Endorser::Simulated);
        }
        if let Some(own) =
            certificates.first().and_then(|own| endorsement::split_padded(own.as_ref()).first().copied())
            && self.pinned.iter().any(|pinned| pinned.as_ref() == own)
            && endorsement::certifies(own, ek)
        {
            return Ok(Endorser::Genuine);
        }
        endorsement::verify(certificates, ek, &self.genuine, now).map(|_| Endorser::Genuine)
    }
}

fn each(
    folder: &Path,
    mut add: impl FnMut(&[u8]) -> Result<usize, endorsement::Error>,
) -> Result<usize, FileError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(FileError::new("reading", folder, e)),
    };
    let mut added = 0;
    for entry in entries {
        let path = entry.map_err(|e| FileError::new("reading", folder, e))?.path();
        if path.extension().is_some_and(|extension| extension == "pem" || extension == "crt") {
            let pem = std::fs::read(&path).map_err(|e| FileError::new("reading", &path, e))?;
            added += add(&pem).map_err(|e| FileError::new("reading", &path, e))?;
        }
    }
    Ok(added)
}
