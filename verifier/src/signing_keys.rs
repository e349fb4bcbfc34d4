//! Signing keys for verdicts and for tokens. One key of each set signs; replaced keys stay published for a while, so
//! that their signatures can still be verified.
//!
//! Devices pin the keys for verdicts, applications fetch the keys for tokens. The sets are separate, so that nothing
//! that is signed for one purpose can pass for the other.

use crate::files::{self, FileError};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jwt::{self, Jwk, JwkSet};

/// Time in seconds for which a replaced key stays published: a week, far longer than the lifetime of a
/// verdict or token, so that a device that was away finds its successor in the set.
pub const RETIRED_SECONDS: u64 = 7 * 24 * 3600;

/// Purpose of a set of signing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    Verdicts,
    Tokens,
    /// Assertions of the administrator as a client.
    Administration,
}

impl Signs {
    /// Returns the name in logs and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdicts => "verdicts",
            Self::Tokens => "tokens",
            Self::Administration => "administration",
        }
    }
}

/// A JWT could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The payload cannot be encoded as JSON.
    #[error("{0}")]
    Jwt(#[from] jwt::Error),
    #[error("signing with the key failed")]
    Crypto,
}

/// Replaced signing key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Retired {
    pub jwk: Jwk,
    /// Time of the replacement, in seconds since 1970.
    pub retired_at: u64,
}

/// Current signing key and replaced ones.
pub struct SigningKeys {
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
    fn of(folder: &Path, signs: Signs) -> Self {
        let (current, retired) = match signs {
            Signs::Verdicts => ("ear.p8", "retired.json"),
            Signs::Tokens => ("token.p8", "token-retired.json"),
            Signs::Administration => ("administrator.p8", "administrator-retired.json"),
        };
        Self { current: folder.join(current), retired: folder.join(retired) }
    }
}

impl SigningKeys {
    /// Reads the keys from `folder`, or creates the first one.
    ///
    /// # Errors
    /// The folder cannot be read or written, or contains an invalid key.
    pub fn open(folder: &Path, signs: Signs) -> Result<Self, FileError> {
        let paths = Paths::of(folder, signs);
        let pkcs8 = files::read_or_create_secret(&paths.current, generate)?;
        let no_key = |e: &dyn std::fmt::Display| FileError::new("reading", &paths.current, e);
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(|e| no_key(&e))?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|e| no_key(&e))?;
        let jwk = Jwk::new(&public);
        let mut retired = read_retired(&paths.retired)?;
        // An interrupted rotation has listed the key as replaced without replacing it.
        retired.retain(|it| it.jwk.kid != jwk.kid);
        Ok(Self { pair, jwk, retired, random: SystemRandom::new() })
    }

    /// Creates a new signing key; the previous one stays published. A running server reloads it automatically.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn rotate(folder: &Path, signs: Signs, now: u64) -> Result<Self, FileError> {
        let paths = Paths::of(folder, signs);
        let before = Self::open(folder, signs)?;
        let mut retired = before.retired;
        retired.retain(|it| it.retired_at.saturating_add(RETIRED_SECONDS) > now);
        retired.push(Retired { jwk: before.jwk, retired_at: now });
        let list =
            serde_json::to_vec_pretty(&retired).map_err(|e| FileError::new("writing", &paths.retired, e))?;
        // In this order, so that after a crash no key that has signed is missing from the list.
        files::replace(&paths.retired, &list, 0o644)?;
        let pkcs8 =
            zeroize::Zeroizing::new(generate().map_err(|e| FileError::new("making", &paths.current, e))?);
        files::replace(&paths.current, &pkcs8, 0o600)?;
        Self::open(folder, signs)
    }

    /// Returns the public half of the current key.
    #[must_use]
    pub fn current(&self) -> &Jwk {
        &self.jwk
    }

    /// Returns the replaced keys, oldest first.
    #[must_use]
    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// Returns every key that is published at `now`, the current key first.
    #[must_use]
    pub fn published(&self, now: u64) -> JwkSet {
        let alive = self.retired.iter().filter(|it| it.retired_at.saturating_add(RETIRED_SECONDS) > now);
        JwkSet { keys: std::iter::once(&self.jwk).chain(alive.map(|it| &it.jwk)).cloned().collect() }
    }

    /// Signs claims as a JWT of this type (`typ`).
    pub fn sign(&self, claims: &impl Serialize, typ: &str) -> Result<String, SignError> {
        jwt::sign(claims, typ, &self.jwk.kid, |input| {
            let signature = self.pair.sign(&self.random, input).map_err(|_| SignError::Crypto)?;
            signature.as_ref().try_into().map_err(|_| SignError::Crypto)
        })
    }
}

/// Keys of a running server, which reloads them when an administrator rotates them.
pub(crate) struct KeyStore {
    folder: PathBuf,
    signs: Signs,
    keys: RwLock<Arc<SigningKeys>>,
    seen: Mutex<Option<(u64, SystemTime)>>,
}

impl KeyStore {
    /// Opens the keys, see [`SigningKeys::open`].
    pub(crate) fn open(folder: PathBuf, signs: Signs) -> Result<Self, FileError> {
        let seen = Mutex::new(fingerprint(&folder, signs));
        let keys = SigningKeys::open(&folder, signs)?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), seen, folder, signs })
    }

    /// Returns the current keys.
    pub(crate) fn get(&self) -> Arc<SigningKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reloads a replaced signing key. An unreadable key is reported, and the previous one stays in use.
    pub(crate) fn refresh(&self) {
        let now = fingerprint(&self.folder, self.signs);
        let mut before = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == now {
            return;
        }
        *before = now;
        let what = self.signs.as_str();
        match SigningKeys::open(&self.folder, self.signs) {
            Ok(keys) => {
                tracing::info!(what, kid = keys.current().kid, "signing with another key from now on");
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err(error) => tracing::error!(what, %error, "the new signing key cannot be used"),
        }
    }
}

/// Identifies the version of the signing key's file.
fn fingerprint(folder: &Path, signs: Signs) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(Paths::of(folder, signs).current).ok()?;
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
    use vitalsign_protocol::ear::{self, Ear};

    #[test]
    fn retired_key_verifies_for_a_week() {
        for signs in [Signs::Verdicts, Signs::Tokens] {
            let folder = tempfile::tempdir().unwrap();
            let old = SigningKeys::open(folder.path(), signs).unwrap();
            let token = old.sign(&Ear { iat: 5, ..Ear::default() }, ear::TYP).unwrap();
            assert_eq!(SigningKeys::open(folder.path(), signs).unwrap().current(), old.current());

            let new = SigningKeys::rotate(folder.path(), signs, 1000).unwrap();
            assert_ne!(new.current(), old.current());
            let check = |now| jwt::verify::<Ear>(&token, ear::TYP, &new.published(now)).map(|ear| ear.iat);
            assert_eq!(check(1000 + RETIRED_SECONDS - 1), Ok(5));
            assert_eq!(check(1000 + RETIRED_SECONDS), Err(jwt::Error::UnknownKey));
        }
    }

    #[test]
    fn verdicts_and_tokens_never_share_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let open = |signs| SigningKeys::open(folder.path(), signs).unwrap();
        let verdicts = open(Signs::Verdicts).current().clone();
        assert_ne!(&verdicts, open(Signs::Tokens).current());
        SigningKeys::rotate(folder.path(), Signs::Tokens, 1000).unwrap();
        assert_eq!(&verdicts, open(Signs::Verdicts).current());
        assert!(open(Signs::Verdicts).retired().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        SigningKeys::open(folder.path(), Signs::Verdicts).unwrap();
        let path = folder.path().join("ear.p8");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKeys::open(folder.path(), Signs::Verdicts).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
