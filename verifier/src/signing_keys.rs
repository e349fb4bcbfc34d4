//! Signing keys for verdicts and for tokens. One key of each set signs; replaced keys stay published for a while, so
//! that their signatures can still be verified.
//!
//! Devices pin the keys for verdicts, applications fetch the keys for tokens. The sets are separate, so that nothing
//! that is signed for one purpose can pass for the other.

use crate::files::{self, FileError};
use crate::live::Live;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jwt::{self, Jwk, JwkSet};
use vitalsign_protocol::rollover::{self, KeyRollover};

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
    /// Announced successor, and when it begins to sign.
    next: Option<(Jwk, u64)>,
    /// Announcements, oldest first.
    announcements: Vec<Announcement>,
    random: SystemRandom,
}

/// A successor that a key announced ([`vitalsign_protocol::rollover`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Announcement {
    /// The key that signed it.
    by: String,
    /// The announced key.
    kid: String,
    /// Time from which the announced key signs, in seconds since 1970.
    begins: u64,
    token: String,
}

struct Paths {
    current: PathBuf,
    retired: PathBuf,
    next: PathBuf,
    announcements: PathBuf,
}

impl Paths {
    fn of(folder: &Path, signs: Signs) -> Self {
        let (name, retired) = match signs {
            Signs::Verdicts => ("ear", "retired.json"),
            Signs::Tokens => ("token", "token-retired.json"),
            Signs::Administration => ("administrator", "administrator-retired.json"),
        };
        Self {
            current: folder.join(format!("{name}.p8")),
            retired: folder.join(retired),
            next: folder.join(format!("{name}-next.p8")),
            announcements: folder.join(format!("{name}-announcements.json")),
        }
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
        let (pair, jwk) = parse(&pkcs8).map_err(|e| FileError::new("reading", &paths.current, e))?;
        let mut retired: Vec<Retired> = read_list(&paths.retired)?;
        let announcements: Vec<Announcement> = read_list(&paths.announcements)?;
        let next = match announcements.last().filter(|last| last.by == jwk.kid) {
            None => None,
            Some(last) => {
                let announced = match files::read_secret(&paths.next) {
                    // Another process has just activated it.
                    Err(_) if *files::read_secret(&paths.current)? != *pkcs8 => {
                        return Self::open(folder, signs);
                    }
                    read => read?,
                };
                let (_, next) = parse(&announced).map_err(|e| FileError::new("reading", &paths.next, e))?;
                Some((next, last.begins))
            }
        };
        // An interrupted rotation has listed the key as replaced without replacing it.
        retired.retain(|it| it.jwk.kid != jwk.kid);
        Ok(Self { pair, jwk, retired, next, announcements, random: SystemRandom::new() })
    }

    /// Announces a new key that signs from `begins` on; until then the current one does. A running server reloads and
    /// switches by itself.
    ///
    /// # Errors
    /// The folder cannot be read or written, or a key is announced already.
    pub fn rotate(folder: &Path, signs: Signs, now: u64, begins: u64) -> Result<Self, FileError> {
        let paths = Paths::of(folder, signs);
        let current = Self::open(folder, signs)?;
        if let Some((next, _)) = &current.next {
            let why = format!("{} is announced already and does not sign yet", next.kid);
            return Err(FileError::new("announcing a key in", folder, why));
        }
        let making = |e: &dyn std::fmt::Display| FileError::new("making", &paths.next, e);
        let pkcs8 = zeroize::Zeroizing::new(generate().map_err(|e| making(&e))?);
        let (_, key) = parse(&pkcs8).map_err(|e| making(&e))?;
        let claims = KeyRollover { iat: now, nbf: begins, key };
        let token = current.sign(&claims, rollover::TYP).map_err(|e| making(&e))?;
        let mut announcements = current.announcements;
        announcements.push(Announcement { by: current.jwk.kid, kid: claims.key.kid, begins, token });
        let excess = announcements.len().saturating_sub(rollover::MAX_ANNOUNCEMENTS);
        announcements.drain(..excess);
        // In this order, so that no key is announced that is not stored.
        files::replace(&paths.next, &pkcs8, 0o600)?;
        write_list(&paths.announcements, &announcements)?;
        Self::activate(folder, signs, now)
    }

    /// Opens the keys, and switches to the announced key if its time has come.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn activate(folder: &Path, signs: Signs, now: u64) -> Result<Self, FileError> {
        let paths = Paths::of(folder, signs);
        let current = Self::open(folder, signs)?;
        if current.next.is_none_or(|(_, begins)| begins > now) {
            return Self::open(folder, signs);
        }
        let mut retired = current.retired;
        retired.retain(|it| it.retired_at.saturating_add(RETIRED_SECONDS) > now);
        retired.push(Retired { jwk: current.jwk, retired_at: now });
        // In this order, so that after a crash no key that has signed is missing from the list.
        write_list(&paths.retired, &retired)?;
        match std::fs::rename(&paths.next, &paths.current) {
            // Another verifier with the same keys was faster.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            renamed => renamed.map_err(|e| FileError::new("activating", &paths.next, e))?,
        }
        Self::open(folder, signs)
    }

    /// Replaces a compromised key at once. Nothing that it signed is valid any more, its announcements included, so that
    /// every device must enrol again.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn replace_compromised(folder: &Path, signs: Signs) -> Result<Self, FileError> {
        let paths = Paths::of(folder, signs);
        let making = |e: &dyn std::fmt::Display| FileError::new("making", &paths.current, e);
        let pkcs8 = zeroize::Zeroizing::new(generate().map_err(|e| making(&e))?);
        write_list::<Announcement>(&paths.announcements, &[])?;
        write_list::<Retired>(&paths.retired, &[])?;
        files::replace(&paths.current, &pkcs8, 0o600)?;
        // Not announced any more. Fails if no key was announced.
        let _ = std::fs::remove_file(&paths.next);
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

    /// Returns the announced key, and the time from which it signs, in seconds since 1970.
    #[must_use]
    pub fn next(&self) -> Option<(&Jwk, u64)> {
        self.next.as_ref().map(|(next, begins)| (next, *begins))
    }

    /// Returns every key that is published at `now`: the current key, the announced one, and those that were replaced
    /// within a week.
    #[must_use]
    pub fn published(&self, now: u64) -> JwkSet {
        let alive = self.retired.iter().filter(|it| it.retired_at.saturating_add(RETIRED_SECONDS) > now);
        JwkSet { keys: self.to_pin().keys.into_iter().chain(alive.map(|it| it.jwk.clone())).collect() }
    }

    /// Returns the keys that a new device pins: the current one, then the announced one.
    #[must_use]
    pub fn to_pin(&self) -> JwkSet {
        let next = self.next.iter().map(|(next, _)| next);
        JwkSet { keys: std::iter::once(&self.jwk).chain(next).cloned().collect() }
    }

    /// Returns the announcements that lead a device from the keys that it pins to the newest one, oldest first.
    #[must_use]
    pub fn announcements_after(&self, pinned: &[String]) -> Vec<String> {
        let mut known: Vec<&str> = pinned.iter().map(String::as_str).collect();
        let mut tokens = Vec::new();
        for it in &self.announcements {
            if known.contains(&it.by.as_str()) && !known.contains(&it.kid.as_str()) {
                known.push(&it.kid);
                tokens.push(it.token.clone());
            }
        }
        tokens
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
    keys: Live<SigningKeys>,
    seen: Mutex<[Option<(u64, SystemTime)>; 2]>,
}

impl KeyStore {
    /// Opens the keys, see [`SigningKeys::activate`].
    pub(crate) fn open(folder: PathBuf, signs: Signs, now: u64) -> Result<Self, FileError> {
        let keys = SigningKeys::activate(&folder, signs, now)?;
        let seen = Mutex::new(fingerprint(&folder, signs));
        Ok(Self { keys: Live::new(keys), seen, folder, signs })
    }

    /// Returns the current keys.
    pub(crate) fn get(&self) -> Arc<SigningKeys> {
        self.keys.get()
    }

    /// Loads keys that an administrator replaced, and switches to an announced key whose time has come. Unreadable keys
    /// are reported, and the previous ones stay in use.
    pub(crate) fn refresh(&self, now: u64) {
        let mut before = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.get().next().is_some_and(|(_, begins)| begins <= now);
        if !due && *before == fingerprint(&self.folder, self.signs) {
            return;
        }
        let what = self.signs.as_str();
        match SigningKeys::activate(&self.folder, self.signs, now) {
            Ok(keys) => {
                if keys.current() != self.get().current() {
                    tracing::info!(what, kid = keys.current().kid, "signing with another key from now on");
                }
                self.keys.set(keys);
            }
            Err(error) => tracing::error!(what, %error, "the signing keys cannot be loaded"),
        }
        *before = fingerprint(&self.folder, self.signs);
    }
}

/// Identifies the versions of the key files.
fn fingerprint(folder: &Path, signs: Signs) -> [Option<(u64, SystemTime)>; 2] {
    let Paths { current, announcements, .. } = Paths::of(folder, signs);
    [current, announcements].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((files::identity(&metadata), metadata.modified().ok()?))
    })
}

/// Returns when the current key was made, in seconds since 1970, as its file says.
#[must_use]
pub fn made_at(folder: &Path, signs: Signs) -> Option<u64> {
    let made = std::fs::metadata(Paths::of(folder, signs).current).ok()?.modified().ok()?;
    made.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn generate() -> Result<Vec<u8>, &'static str> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    made.map(|document| document.as_ref().to_vec()).map_err(|_| "making a P-256 key failed")
}

fn parse(pkcs8: &[u8]) -> Result<(EcdsaKeyPair, Jwk), String> {
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|e| e.to_string())?;
    let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|e| e.to_string())?;
    Ok((pair, Jwk::new(&public)))
}

fn read_list<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    match std::fs::read(path) {
        Ok(list) => serde_json::from_slice(&list).map_err(|e| FileError::new("reading", path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(FileError::new("reading", path, e)),
    }
}

fn write_list<T: Serialize>(path: &Path, list: &[T]) -> Result<(), FileError> {
    let list = serde_json::to_vec_pretty(list).map_err(|e| FileError::new("writing", path, e))?;
    files::replace(path, &list, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_protocol::ear::{self, Ear};

    #[test]
    fn keys_are_read_while_another_process_activates_one() {
        let folder = tempfile::tempdir().unwrap();
        SigningKeys::open(folder.path(), Signs::Verdicts).unwrap();
        std::thread::scope(|scope| {
            let rotating = scope.spawn(|| {
                for now in 0..300 {
                    SigningKeys::rotate(folder.path(), Signs::Verdicts, now, now).unwrap();
                }
            });
            while !rotating.is_finished() {
                SigningKeys::open(folder.path(), Signs::Verdicts).unwrap();
            }
            rotating.join().unwrap();
        });
    }

    #[test]
    fn retired_key_verifies_for_a_week() {
        for signs in [Signs::Verdicts, Signs::Tokens] {
            let folder = tempfile::tempdir().unwrap();
            let old = SigningKeys::open(folder.path(), signs).unwrap();
            let token = old.sign(&Ear { iat: 5, ..Ear::default() }, ear::TYP).unwrap();
            assert_eq!(SigningKeys::open(folder.path(), signs).unwrap().current(), old.current());

            let new = SigningKeys::rotate(folder.path(), signs, 1000, 1000).unwrap();
            assert_ne!(new.current(), old.current());
            let check = |now| jwt::verify::<Ear>(&token, ear::TYP, &new.published(now)).map(|ear| ear.iat);
            assert_eq!(check(1000 + RETIRED_SECONDS - 1), Ok(5));
            assert_eq!(check(1000 + RETIRED_SECONDS), Err(jwt::Error::UnknownKey));
        }
    }

    #[test]
    fn an_announced_key_signs_from_its_time_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::open(folder.path().to_owned(), Signs::Verdicts, 1000).unwrap();
        let old = store.get().current().kid.clone();
        let announced = SigningKeys::rotate(folder.path(), Signs::Verdicts, 1000, 2000).unwrap();
        let new = announced.next().unwrap().0.kid.clone();
        store.refresh(1000);
        assert_eq!(store.get().current().kid, old);
        assert_eq!(store.get().to_pin().keys.iter().map(|it| &it.kid).collect::<Vec<_>>(), [&old, &new]);
        let again = SigningKeys::rotate(folder.path(), Signs::Verdicts, 1001, 3000);
        assert!(again.err().unwrap().to_string().contains(&new), "one at a time");
        store.refresh(1999);
        assert_eq!(store.get().current().kid, old);
        store.refresh(2000);
        assert_eq!(store.get().current().kid, new);
        assert_eq!(store.get().next(), None);
        // A verifier that was not running switches when it starts.
        SigningKeys::rotate(folder.path(), Signs::Verdicts, 2001, 3000).unwrap();
        let late = KeyStore::open(folder.path().to_owned(), Signs::Verdicts, 3001).unwrap();
        assert_ne!(late.get().current().kid, new);
        assert_eq!(late.get().announcements_after(std::slice::from_ref(&old)).len(), 2);
        assert_eq!(late.get().announcements_after(&[new]).len(), 1);
        assert!(late.get().announcements_after(&["stranger".into()]).is_empty());

        let replaced = SigningKeys::replace_compromised(folder.path(), Signs::Verdicts).unwrap();
        assert!(replaced.announcements_after(&[old]).is_empty());
        assert_eq!(replaced.published(3001).keys.len(), 1);
    }

    #[test]
    fn verdicts_and_tokens_never_share_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let open = |signs| SigningKeys::open(folder.path(), signs).unwrap();
        let verdicts = open(Signs::Verdicts).current().clone();
        assert_ne!(&verdicts, open(Signs::Tokens).current());
        SigningKeys::rotate(folder.path(), Signs::Tokens, 1000, 1000).unwrap();
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
