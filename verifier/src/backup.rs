//! Backups: the store with the keys, what opens them, and the files that the configuration names, in one encrypted file.
//!
//! The file has the age format ([`crate::age`]). Its content is an SQLite database: the store as it was at one point in
//! time, with two more tables, so that standard tools can read it without this program.
//!
//! ```text
//! backup         when and by which program it was made
//! backup_files   name, content: data/kek, data/tls/…, data/roots/…, configuration/…
//! ```
//!
//! `data/kek` is the key-encryption key: a restore opens the keys with it, and seals them with that of its host. The key that
//! seals nonces is not in a backup: nonces and sessions from before a restore are invalid.

mod content;
mod restore;

pub use restore::{RestoreOptions, Restored, check_finished, restore};

use crate::age::{self, Recipient};
use crate::config::Config;
use crate::disk;
use crate::files::{self, FileError};
use crate::keyring::{Keyring, KeyringError};
use crate::store::{NoSpace, StoreError, check_space, snapshot};
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use vitalsign_protocol::id::Digest;

/// A backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyringError),
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    #[error("the backup {0}: {1}")]
    Age(PathBuf, age::Error),
    /// The file was decrypted, but is not a backup that this program can restore.
    #[error("the backup {0}: {1}")]
    Content(PathBuf, String),
    /// The file is not the expected one.
    #[error("the backup {0} has SHA-256 {1}, which is not the expected one")]
    Digest(PathBuf, String),
    /// Present data would be lost.
    #[error("{0}")]
    Exists(String),
    #[error("the audit log in the backup is not valid: {0}")]
    Audit(crate::audit::Broken),
}

/// A backup that was written and read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub bytes: u64,
    /// SHA-256 of the encrypted file.
    pub digest: Digest,
    /// Number of the last audit entry in it.
    pub last_entry: u64,
    /// Names of the files in it, besides the store.
    pub files: Vec<String>,
    /// Files that the configuration names and that do not exist.
    pub missing: Vec<PathBuf>,
}

/// Makes a backup of a verifier that may run, in a new file at `path` that only its owner can read. `configuration` is the
/// configuration file. `progress` is told the bytes that were written and those to write.
///
/// # Errors
/// [`BackupError`]; there is no file at `path` then.
pub async fn make(
    config: &Config,
    configuration: &Path,
    keyring: &Keyring,
    path: &Path,
    recipients: Vec<Recipient>,
    now: u64,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Backup, BackupError> {
    if path.exists() {
        return Err(BackupError::Exists(format!("{} exists already; choose another name", path.display())));
    }
    let store_bytes = keyring.store().content_bytes().await?;
    if disk::is_same(&config.data, path) {
        check_space(path, store_bytes.saturating_mul(2))?;
    } else {
        check_space(&config.data, store_bytes)?;
        check_space(path, store_bytes)?;
    }
    let copy = config.data.join("backup.db");
    let outcome = async {
        keyring.store().copy_to(&copy).await?;
        let (files, missing) = content::add(&copy, config, configuration, &keyring.kek(), now).await?;
        let last_entry = content::last_entry(&copy).await?;
        let (copy, path) = (copy.clone(), path.to_owned());
        let written = tokio::task::spawn_blocking(move || write(&copy, &path, &recipients, progress)).await;
        let (bytes, digest) = written.map_err(|e| StoreError::Failed(e.to_string()))??;
        Ok(Backup { bytes, digest, last_entry, files, missing })
    };
    let outcome = outcome.await;
    snapshot::remove(&copy);
    outcome
}

/// Encrypts a file, reads the result again, and gives it its name only if it decrypts to the same.
fn write(
    from: &Path,
    path: &Path,
    recipients: &[Recipient],
    progress: impl FnMut(u64, u64),
) -> Result<(u64, Digest), BackupError> {
    let reading = |e| FileError::new("reading", from, e);
    let writing = |e: io::Error| FileError::new("writing", path, e);
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // One left by a crash.
    let _ = std::fs::remove_file(&new);
    let mut to = files::create_private(&new)?;
    let outcome = (|| {
        let source = File::open(from).map_err(reading)?;
        let total = source.metadata().map_err(reading)?.len();
        let mut source = Hashing::new(source, total, progress);
        let failed = |e| BackupError::Age(path.to_owned(), e);
        let key = age::encrypt(&mut source, &mut to, recipients).map_err(failed)?;
        to.sync_all().map_err(writing)?;
        let (_, expected) = source.finish();

        let mut plain = HashOnly(Context::new(&SHA256));
        let written = File::open(&new).map_err(writing)?;
        let mut written = BufReader::new(Hashing::new(written, 0, |_, _| {}));
        age::decrypt_with(&mut written, &mut plain, &key).map_err(failed)?;
        if digest(plain.0) != expected {
            return Err(failed(age::Error::Damaged));
        }
        let (bytes, digest) = written.into_inner().finish();
        // Unlike a rename, this replaces no file that appeared meanwhile.
        std::fs::hard_link(&new, path).map_err(writing)?;
        Ok((bytes, digest))
    })();
    let _ = std::fs::remove_file(&new);
    let outcome = outcome?;
    files::sync_folder_of(path)?;
    Ok(outcome)
}

/// Reader that hashes and counts what is read.
struct Hashing<R, P> {
    from: R,
    context: Context,
    bytes: u64,
    total: u64,
    progress: P,
}

impl<R, P> Hashing<R, P> {
    fn new(from: R, total: u64, progress: P) -> Self {
        Self { from, context: Context::new(&SHA256), bytes: 0, total, progress }
    }

    /// Returns the bytes that were read, and their SHA-256.
    fn finish(self) -> (u64, Digest) {
        (self.bytes, digest(self.context))
    }
}

impl<R: Read, P: FnMut(u64, u64)> Read for Hashing<R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.context.update(buffer.get(..read).unwrap_or_default());
        self.bytes += u64::try_from(read).unwrap_or_default();
        (self.progress)(self.bytes, self.total);
        Ok(read)
    }
}

struct HashOnly(Context);

impl Write for HashOnly {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn digest(context: Context) -> Digest {
    let mut digest = Digest([0; 32]);
    for (to, from) in digest.0.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    digest
}
