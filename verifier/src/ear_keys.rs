//! The keys that sign verdicts: one signs, those before it stay published for a while so that what they signed can
//! still be checked.

use crate::files::{self, FileError};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::jwt::{self, Jwk, JwkSet};

/// How long a key stays published after another took its place, in seconds: a week, far longer than a verdict lives,
/// so that a device that was away learns of the new key from the set.
pub const RETIRED_SECONDS: u64 = 7 * 24 * 3600;

/// A verdict could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The verdict is no JSON.
    #[error("{0}")]
    Jwt(#[from] jwt::Error),
    /// The library refused.
    #[error("signing with the EAR key failed")]
    Crypto,
}

/// A key that signed before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Retired {
    /// Its public half.
    pub jwk: Jwk,
    /// When another took its place, in seconds since 1970.
    pub retired_at: u64,
}

/// The signing key and those that signed before.
pub struct EarKeys {
    pair: EcdsaKeyPair,
    jwk: Jwk,
    retired: Vec<Retired>,
    random: SystemRandom,
}

struct Paths {
    current: PathBuf,
    retired: PathBuf,
}

impl Paths {
    fn of(folder: &Path) -> Self {
        Self { current: folder.join("ear.p8"), retired: folder.join("retired.json") }
    }
}

impl EarKeys {
    /// Reads the keys from `folder`, or makes the first one there.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or holds no such key.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        let paths = Paths::of(folder);
        let pkcs8 = files::read_or_create_secret(&paths.current, generate)?;
        let no_key = |e: &dyn std::fmt::Display| FileError::new("reading", &paths.current, e);
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(|e| no_key(&e))?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|e| no_key(&e))?;
        let jwk = Jwk::new(&public);
        let mut retired = read_retired(&paths.retired)?;
        // A rotation that was cut short has listed the key and not replaced it.
        retired.retain(|it| it.jwk.kid != jwk.kid);
        Ok(Self { pair, jwk, retired, random: SystemRandom::new() })
    }

    /// Makes a new signing key; the one before stays published. A running server takes it up by itself.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn rotate(folder: &Path, now: u64) -> Result<Self, FileError> {
        let paths = Paths::of(folder);
        let before = Self::open(folder)?;
        let mut retired = before.retired;
        retired.retain(|it| it.retired_at.saturating_add(RETIRED_SECONDS) > now);
        retired.push(Retired { jwk: before.jwk, retired_at: now });
        let list =
            serde_json::to_vec_pretty(&retired).map_err(|e| FileError::new("writing", &paths.retired, e))?;
        // In this order: whatever happens in between, no key that signed is missing from the list.
        files::replace(&paths.retired, &list, 0o644)?;
        let pkcs8 =
            zeroize::Zeroizing::new(generate().map_err(|e| FileError::new("making", &paths.current, e))?);
        files::replace(&paths.current, &pkcs8, 0o600)?;
        Self::open(folder)
    }

    /// The signing key's public half.
    #[must_use]
    pub fn current(&self) -> &Jwk {
        &self.jwk
    }

    /// The keys that signed before, oldest first.
    #[must_use]
    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// Every key that is published at `now`; the signing key first.
    #[must_use]
    pub fn published(&self, now: u64) -> JwkSet {
        let alive = self.retired.iter().filter(|it| it.retired_at.saturating_add(RETIRED_SECONDS) > now);
        JwkSet { keys: std::iter::once(&self.jwk).chain(alive.map(|it| &it.jwk)).cloned().collect() }
    }

    /// Signs a verdict: a JWT.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign(&self, ear: &Ear) -> Result<String, SignError> {
        jwt::sign(ear, ear::TYP, &self.jwk.kid, |input| {
            let signature = self.pair.sign(&self.random, input).map_err(|_| SignError::Crypto)?;
            signature.as_ref().try_into().map_err(|_| SignError::Crypto)
        })
    }
}

/// What tells that the signing key's file was replaced.
#[must_use]
pub fn fingerprint(folder: &Path) -> Option<(u64, std::time::SystemTime)> {
    let metadata = std::fs::metadata(Paths::of(folder).current).ok()?;
    Some((files::identity(&metadata), metadata.modified().ok()?))
}

fn generate() -> Result<Vec<u8>, &'static str> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    made.map(|document| document.as_ref().to_vec()).map_err(|_| "making a P-256 key failed")
}

fn read_retired(path: &Path) -> Result<Vec<Retired>, FileError> {
    match std::fs::read(path) {
        Ok(list) => serde_json::from_slice(&list).map_err(|e| FileError::new("reading", path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(FileError::new("reading", path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_retired_key_signed_can_be_checked_for_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let old = EarKeys::open(folder.path()).unwrap();
        let token = old.sign(&Ear { iat: 5, ..Ear::default() }).unwrap();
        assert_eq!(EarKeys::open(folder.path()).unwrap().current(), old.current());

        let new = EarKeys::rotate(folder.path(), 1000).unwrap();
        assert_ne!(new.current(), old.current());
        let check = |now| jwt::verify::<Ear>(&token, ear::TYP, &new.published(now)).map(|ear| ear.iat);
        assert_eq!(check(1000 + RETIRED_SECONDS - 1), Ok(5));
        assert_eq!(check(1000 + RETIRED_SECONDS), Err(jwt::Error::UnknownKey));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        EarKeys::open(folder.path()).unwrap();
        let path = folder.path().join("ear.p8");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = EarKeys::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
