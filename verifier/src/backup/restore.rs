//! Restoring a backup. Everything is made and checked in a folder beside, and moved to its place at the end.

use super::content::{self, CONFIGURATION, KEK, StoredFile};
use super::{BackupError, Hashing};
use crate::age::{self, Identity};
use crate::audit::Actor;
use crate::files::{self, FileError};
use crate::kek::{Kek, KekSource};
use crate::keyring::{Keyring, KeyringError};
use crate::store::key::KeyPurpose;
use crate::store::restore::Invalidated;
use crate::store::{DataLock, Store, StoreError, check_space, schema, snapshot};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vitalsign_protocol::id::Digest;

/// Folder in which a restore prepares the data.
const STAGING: &str = "restoring";
/// Folder of the key files of earlier versions, in the data folder and in `STAGING`.
const FORMER_KEYS: &str = "keys";
/// Entries of the data folder that a restore replaces. The store is moved last: as long as it is missing, so is the rest.
const REPLACED: [&str; 6] =
    [FORMER_KEYS, "tls", "roots", "verifier.db-wal", "verifier.db-shm", "verifier.db"];

/// Options of a restore.
pub struct RestoreOptions<'a> {
    pub data: &'a Path,
    pub identity: &'a Identity,
    /// Place of this host's key-encryption key, which is made if it is missing.
    pub kek: &'a KekSource,
    /// Expected SHA-256 of the file.
    pub expected: Option<Digest>,
    /// Sets the present store and keys aside.
    pub replace: bool,
    /// Keeps the present signing keys, which may be newer than those of the backup.
    pub keep_keys: bool,
    /// Checks the backup only.
    pub dry_run: bool,
}

/// A backup that was restored, or checked.
#[derive(Debug)]
pub struct Restored {
    /// Time of the backup, in seconds since 1970.
    pub made_at: u64,
    pub digest: Digest,
    /// Last entry of the audit log in the backup, and its hash.
    pub head: crate::audit::Head,
    /// Number of devices that are enrolled.
    pub devices: u64,
    pub invalidated: Invalidated,
    /// Entries that only the replaced store has, by kind; `None` if it could not be read.
    pub lost: Option<BTreeMap<&'static str, u64>>,
    /// Folder with the former store and keys.
    pub aside: Option<PathBuf>,
    /// Folder with the configuration, and the files that it names.
    pub configuration: Option<PathBuf>,
}

/// Checks that no restore was interrupted: the store and the keys may then be of different times.
///
/// # Errors
/// One was.
pub fn check_finished(data: &Path) -> Result<(), FileError> {
    let staging = data.join(STAGING);
    if staging.exists() {
        return Err(FileError::new("opening", data, "a restore was interrupted; run it again"));
    }
    Ok(())
}

/// Restores a backup into a data folder without a store, or in the place of the present one.
///
/// # Errors
/// [`BackupError`]. Unless moving the files failed, the data folder is as it was.
pub async fn restore(
    file: File,
    name: &Path,
    options: RestoreOptions<'_>,
    actor: Actor,
    now: u64,
) -> Result<Restored, BackupError> {
    let data = options.data;
    let _alone = DataLock::alone(data)?;
    let present: Vec<&str> = REPLACED.into_iter().filter(|entry| data.join(entry).exists()).collect();
    let blocking = present.iter().any(|entry| *entry == FORMER_KEYS || *entry == "verifier.db");
    if blocking && !options.replace && !options.dry_run {
        let why = "there is a verifier's data already; with --replace it is set aside";
        return Err(BackupError::Exists(format!("{}: {why}", data.display())));
    }
    let staging = data.join(STAGING);
    let interrupted = staging.exists();
    if interrupted {
        fs::remove_dir_all(&staging).map_err(|e| FileError::new("removing", &staging, e))?;
    }
    let prepared = prepare(file, name, &options, &staging, actor, now).await;
    let mut restored = match prepared {
        Ok(restored) if !options.dry_run => restored,
        other => {
            // An interrupted restore stays visible, because the data are still not whole.
            if !interrupted {
                let _ = fs::remove_dir_all(&staging);
            }
            return other;
        }
    };
    if present.contains(&"verifier.db") {
        restored.lost = lost(&data.join("verifier.db"), restored.head.seq).await.ok();
    }
    if !present.is_empty() {
        let mut names = (0..).map(|n: u64| data.join(format!("replaced-{}", now.saturating_add(n))));
        let aside = names.find(|path| !path.exists()).unwrap_or_else(|| data.join("replaced"));
        files::create_folder(&aside)?;
        // The store first: without it, an interrupted restore is never taken for a whole one.
        for entry in REPLACED.into_iter().rev().filter(|entry| data.join(entry).exists()) {
            rename(&data.join(entry), &aside.join(entry))?;
        }
        restored.aside = Some(aside);
    }
    for entry in REPLACED.into_iter().filter(|entry| staging.join(entry).exists()) {
        rename(&staging.join(entry), &data.join(entry))?;
    }
    let configuration = staging.join(CONFIGURATION);
    if configuration.exists() {
        let kept = data.join("restored-configuration");
        if kept.exists() {
            fs::remove_dir_all(&kept).map_err(|e| FileError::new("removing", &kept, e))?;
        }
        rename(&configuration, &kept)?;
        restored.configuration = Some(kept);
    }
    fs::remove_dir_all(&staging).map_err(|e| FileError::new("removing", &staging, e))?;
    files::sync_folder_of(&data.join("verifier.db"))?;
    Ok(restored)
}

/// Makes the restored data in `staging`.
async fn prepare(
    file: File,
    name: &Path,
    options: &RestoreOptions<'_>,
    staging: &Path,
    actor: Actor,
    now: u64,
) -> Result<Restored, BackupError> {
    files::create_folder(staging)?;
    let bytes = file.metadata().map_err(|e| FileError::new("reading", name, e))?.len();
    // The store, and a migration of it.
    check_space(staging, bytes.saturating_mul(2))?;
    let path = staging.join("verifier.db");
    let digest = decrypt(file, name, options, &path)?;
    snapshot::check(&path).await?;
    let (made_at, files) = content::take(&path).await.map_err(|error| named(error, name))?;
    let mut backed_up = None;
    for StoredFile { name, content } in &files {
        if name == Path::new(KEK) {
            let broken = |why: &str| BackupError::Content(path.clone(), why.to_owned());
            backed_up = Some(Kek::new(content).map_err(broken)?);
        } else {
            write(name, content, staging)?;
        }
    }
    if let Some(migration) = schema::due(&path).await? {
        let migrated = schema::migrate(&path, &migration).await;
        migrated.map_err(|e| StoreError::Failed(e.to_string()))?;
        snapshot::remove(&migration.copy);
    }
    let store = Arc::new(Store::open(&path).await?.acting_as(actor));
    let keyring = restore_keys(&store, backed_up, options, &staging.join(FORMER_KEYS), now).await?;
    let verdicts = keyring.signing_keys(KeyPurpose::Verdicts).await?.current().kid.clone();
    let tokens = keyring.signing_keys(KeyPurpose::Tokens).await?.current().kid.clone();
    let head = store.verify_audit(None).await?.map_err(BackupError::Audit)?;
    let devices = store.enrolled_devices().await?;
    let body = json!({
        "made_at": made_at,
        "head": head.to_string(),
        "file": digest.hex(),
        "devices": devices,
        "keys": { "verdicts": verdicts, "tokens": tokens },
    });
    let invalidated = store.invalidate_restored(body.as_object().cloned().unwrap_or_default(), now).await?;
    store.close().await;
    let (lost, aside, configuration) = (None, None, None);
    Ok(Restored { made_at, digest, head, devices, invalidated, lost, aside, configuration })
}

/// Opens the keys of the backup, and seals them by the KEK of this host.
async fn restore_keys(
    store: &Arc<Store>,
    backed_up: Option<Kek>,
    options: &RestoreOptions<'_>,
    former: &Path,
    now: u64,
) -> Result<Keyring, BackupError> {
    let target = match options.dry_run {
        // Nothing is made for a check.
        true => Kek::generate().map_err(|why| KeyringError::Crypto(why.to_owned()))?,
        false => options.kek.read_or_create().map_err(KeyringError::from)?,
    };
    let keyring = match backed_up {
        Some(kek) => {
            let keyring = Keyring::with(store.clone(), kek);
            keyring.move_to(target).await?;
            keyring
        }
        // A backup of an earlier version has files.
        None => {
            let keyring = Keyring::with(store.clone(), target);
            keyring.initialise(former, now).await?;
            if former.exists() {
                fs::remove_dir_all(former).map_err(|e| FileError::new("removing", former, e))?;
            }
            keyring
        }
    };
    if options.keep_keys {
        let present = Arc::new(Store::open(&options.data.join("verifier.db")).await?);
        keyring.take_over(&Keyring::reopen(present.clone(), options.kek).await?).await?;
        present.close().await;
    }
    keyring.renew_nonces(now).await?;
    Ok(keyring)
}

/// Decrypts the file, and returns its digest.
fn decrypt(
    file: File,
    name: &Path,
    options: &RestoreOptions<'_>,
    path: &Path,
) -> Result<Digest, BackupError> {
    let mut plain = files::create_private(path)?;
    let mut from = BufReader::new(Hashing::new(file, 0, |_, _| {}));
    let decrypted = age::decrypt(&mut from, &mut plain, options.identity);
    decrypted.map_err(|e| BackupError::Age(name.to_owned(), e))?;
    plain.sync_all().map_err(|e| FileError::new("writing", path, e))?;
    let (_, digest) = from.into_inner().finish();
    match &options.expected {
        Some(expected) if *expected != digest => Err(BackupError::Digest(name.to_owned(), digest.hex())),
        _ => Ok(digest),
    }
}

/// Names the backup instead of the file to which it was decrypted.
fn named(error: BackupError, name: &Path) -> BackupError {
    match error {
        BackupError::Content(_, why) => BackupError::Content(name.to_owned(), why),
        other => other,
    }
}

/// Writes a file of the backup below `staging`.
fn write(name: &Path, content: &[u8], staging: &Path) -> Result<(), FileError> {
    let path = staging.join(name.strip_prefix("data").unwrap_or(name));
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    let mut to = files::create_private(&path)?;
    let written = to.write_all(content).and_then(|()| to.sync_all());
    written.map_err(|e| FileError::new("writing", &path, e))
}

/// Returns what the replaced store has and the backup lacks.
async fn lost(store: &Path, seq: u64) -> Result<BTreeMap<&'static str, u64>, StoreError> {
    let store = Store::open(store).await?;
    let kinds = store.audit_kinds_after(seq).await;
    store.close().await;
    kinds
}

fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(|e| FileError::new("moving", from, e))
}
