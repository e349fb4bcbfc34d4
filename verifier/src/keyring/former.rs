//! The key files of earlier versions, which are read into the store once.

use super::KeyringError;
use crate::audit::note::NoteKey;
use crate::files::{self, FileError};
use crate::signing_keys;
use crate::store::key::{Announcement, KeyPurpose, KeyState, StoredKey};
use serde::{Deserialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vitalsign_protocol::jose::{Algorithm, Jws};
use vitalsign_protocol::jwt::{self, Jwk};
use vitalsign_protocol::rollover::KeyRollover;
use zeroize::Zeroizing;

/// A replaced key in `retired.json`.
#[derive(Deserialize)]
struct Retired {
    jwk: Jwk,
    retired_at: u64,
}

/// A successor in `ear-announcements.json`.
#[derive(Deserialize)]
struct Announced {
    by: String,
    kid: String,
    begins: u64,
    token: String,
}

/// Reads the keys of a purpose, oldest first; none if there is no file.
pub(super) fn read(folder: &Path, purpose: KeyPurpose) -> Result<Vec<StoredKey>, KeyringError> {
    let (name, retired) = match purpose {
        KeyPurpose::Verdicts => ("ear", "retired.json"),
        KeyPurpose::Tokens => ("token", "token-retired.json"),
        KeyPurpose::Administration => ("administrator", "administrator-retired.json"),
        KeyPurpose::Checkpoints => {
            return one(&folder.join("audit.p8"), purpose, |pkcs8| Ok(NoteKey::public_of(pkcs8)?));
        }
        KeyPurpose::Nonces => return one(&folder.join("nonce.key"), purpose, |_| Ok(Vec::new())),
    };
    let current = folder.join(format!("{name}.p8"));
    let mut keys = one(&current, purpose, public)?;
    let Some(active) = keys.pop() else { return Ok(keys) };
    let kid = signing_keys::jwk(&active.public)?.kid;
    let announced: Vec<Announced> = list(&folder.join(format!("{name}-announcements.json")))?;
    let announcement = |kid: &str| {
        let announced = announced.iter().find(|it| it.kid == kid);
        announced.map(|it| Announcement { by: it.by.clone(), token: it.token.clone() })
    };
    let former = |jwk: &Jwk, begins: u64, retired: u64| {
        Ok::<_, KeyringError>(StoredKey {
            purpose,
            state: KeyState::Retired,
            public: jwk.key().map_err(|e| KeyringError::Crypto(e.to_string()))?.point().to_vec(),
            announcement: announcement(&jwk.kid),
            created: begins,
            begins,
            retired: Some(retired),
            withdrawn: None,
            private: Zeroizing::default(),
        })
    };
    let mut retired: Vec<Retired> = list(&folder.join(retired))?;
    // An interrupted rotation has listed the key as replaced without replacing it.
    retired.retain(|it| it.jwk.kid != kid);
    // A key that was replaced long ago is known by its announcement only, which still leads to its successor.
    for it in announced.iter().filter(|it| it.kid != kid) {
        let is_listed = retired.iter().any(|retired| retired.jwk.kid == it.kid);
        if let (false, Some(after)) = (is_listed, announced.iter().find(|after| after.by == it.kid)) {
            keys.push(former(&announced_key(&it.token)?, it.begins, after.begins)?);
        }
    }
    for it in &retired {
        let begins = announced.iter().find(|announced| announced.kid == it.jwk.kid);
        keys.push(former(&it.jwk, begins.map_or(it.retired_at, |it| it.begins), it.retired_at)?);
    }
    keys.push(StoredKey { announcement: announcement(&kid), ..active });
    if let Some(last) = announced.last().filter(|last| last.by == kid) {
        let path = folder.join(format!("{name}-next.p8"));
        let next = one(&path, purpose, public)?.pop();
        let next = next.ok_or_else(|| FileError::new("reading", &path, "it is announced, and missing"))?;
        let announcement = announcement(&last.kid);
        keys.push(StoredKey { state: KeyState::Next, begins: last.begins, announcement, ..next });
    }
    Ok(keys)
}

fn public(pkcs8: &[u8]) -> Result<Vec<u8>, KeyringError> {
    Ok(signing_keys::public(pkcs8)?)
}

/// Reads the active key of a file; none if it is missing.
fn one(
    path: &Path,
    purpose: KeyPurpose,
    public: impl FnOnce(&[u8]) -> Result<Vec<u8>, KeyringError>,
) -> Result<Vec<StoredKey>, KeyringError> {
    let private = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        _ => files::read_secret(path)?,
    };
    let reading = |e: &dyn std::fmt::Display| FileError::new("reading", path, e);
    let public = public(&private).map_err(|e| reading(&e))?;
    let made = std::fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(|e| reading(&e))?;
    let created = made.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(vec![StoredKey {
        purpose,
        state: KeyState::Active,
        public,
        announcement: None,
        created,
        begins: created,
        retired: None,
        withdrawn: None,
        private,
    }])
}

/// Returns the key that an announcement of this verifier introduces.
fn announced_key(token: &str) -> Result<Jwk, KeyringError> {
    let invalid = |e: &dyn std::fmt::Display| KeyringError::Crypto(format!("an announcement: {e}"));
    let jws = Jws::parse(token, &[Algorithm::Es256], jwt::MAX_BYTES).map_err(|e| invalid(&e))?;
    let claims: KeyRollover = serde_json::from_slice(jws.payload_unverified()).map_err(|e| invalid(&e))?;
    Ok(claims.key)
}

fn list<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    match std::fs::read(path) {
        Ok(list) => serde_json::from_slice(&list).map_err(|e| FileError::new("reading", path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(FileError::new("reading", path, e)),
    }
}

/// Moves the folder of key files aside, so that nothing takes them for the keys in use. They stay for the way back to an
/// earlier version, until an administrator deletes them.
pub(super) fn set_aside(folder: &Path, aside: &Path) -> Result<(), FileError> {
    if !folder.exists() {
        return Ok(());
    }
    let mut names = (1..).map(|n: u32| PathBuf::from(format!("{}.{n}", aside.display())));
    let free = std::iter::once(aside.to_owned()).chain(names.by_ref()).find(|path| !path.exists());
    let to = free.unwrap_or_else(|| aside.to_owned());
    match std::fs::rename(folder, &to) {
        // Another process was faster.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(|e| FileError::new("moving", folder, e))?,
    }
    tracing::warn!(
        files = %to.display(),
        "the keys are in the store now, sealed; delete these files when all is well"
    );
    Ok(())
}
