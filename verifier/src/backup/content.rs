//! Content of a backup besides the store: two tables with when it was made, and with files.

use super::BackupError;
use crate::config::Config;
use crate::files::FileError;
use crate::kek::Kek;
use crate::store::StoreError;
use crate::store::key::{self, KeyPurpose};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::fs;
use std::path::{Component, Path, PathBuf};
use zeroize::Zeroizing;

/// Maximum size of one file.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Folders of the data folder that belong to a backup.
const FOLDERS: [&str; 2] = ["tls", "roots"];
/// Folder of key files in backups of earlier versions.
const FORMER_KEYS: &str = "keys";
/// Name of the key-encryption key.
pub(super) const KEK: &str = "data/kek";
/// Name of the folder of files from outside of the data folder.
pub(super) const CONFIGURATION: &str = "configuration";
/// The key that seals nonces is not taken from a backup of an earlier version either.
const NONCE_KEY: &str = "data/keys/nonce.key";

/// A file in a backup: its name, and its content.
pub(super) struct StoredFile {
    /// Relative, of normal components, and below one of the known folders.
    pub(super) name: PathBuf,
    pub(super) content: Zeroizing<Vec<u8>>,
}

/// Adds the tables to a copy of a store. Returns the names of the files, and the files of the configuration that do not exist.
pub(super) async fn add(
    copy: &Path,
    config: &Config,
    configuration: &Path,
    kek: &Kek,
    now: u64,
) -> Result<(Vec<String>, Vec<PathBuf>), BackupError> {
    let (files, missing) = collect(config, configuration)?;
    let mut connection = open(copy).await?;
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let failed = |e| BackupError::from(StoreError::from(e));
    sqlx::raw_sql(
        "CREATE TABLE backup (made_at INTEGER NOT NULL, program TEXT NOT NULL) STRICT;
         CREATE TABLE backup_files (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;",
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    let made = sqlx::query("INSERT INTO backup VALUES (?1, ?2)");
    let made = made.bind(crate::store::signed(now)).bind(env!("CARGO_PKG_VERSION"));
    made.execute(&mut *transaction).await.map_err(failed)?;
    key::remove(&mut transaction, KeyPurpose::Nonces).await?;
    let insert = sqlx::query("INSERT INTO backup_files VALUES (?1, ?2)").bind(KEK).bind(kek.secret());
    insert.execute(&mut *transaction).await.map_err(failed)?;
    for (name, path) in &files {
        let metadata = fs::metadata(path).map_err(|e| FileError::new("reading", path, e))?;
        if metadata.len() > MAX_FILE_BYTES {
            return Err(FileError::new("reading", path, "it is larger than a backup takes").into());
        }
        let content = fs::read(path).map(Zeroizing::new).map_err(|e| FileError::new("reading", path, e))?;
        let insert = sqlx::query("INSERT INTO backup_files VALUES (?1, ?2)").bind(name).bind(&content[..]);
        insert.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let names = files.into_iter().map(|(name, _)| name).chain([KEK.to_owned()]);
    Ok((names.collect(), missing))
}

/// Returns the number of the last audit entry.
pub(super) async fn last_entry(copy: &Path) -> Result<u64, StoreError> {
    let mut connection = open(copy).await?;
    let query = sqlx::query("SELECT COALESCE(MAX(seq), 0) FROM audit");
    let last = query.fetch_one(&mut connection).await?.try_get(0)?;
    connection.close().await?;
    Ok(crate::store::unsigned(last))
}

/// Removes the tables from a decrypted copy. Returns when the backup was made, in seconds since 1970, and its files.
pub(super) async fn take(copy: &Path) -> Result<(u64, Vec<StoredFile>), BackupError> {
    let content = |why: &str| BackupError::Content(copy.to_owned(), why.to_owned());
    let failed = |e| BackupError::from(StoreError::from(e));
    let mut connection = open(copy).await?;
    let row = sqlx::query("SELECT made_at FROM backup").fetch_optional(&mut connection).await;
    let row = row.ok().flatten().ok_or_else(|| content("it is not a backup of a verifier"))?;
    let made_at = crate::store::unsigned(row.try_get(0).map_err(failed)?);
    let rows = sqlx::query("SELECT name, content FROM backup_files ORDER BY name");
    let rows = rows.fetch_all(&mut connection).await.map_err(failed)?;
    let mut files = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get(0).map_err(failed)?;
        let name =
            safe(&name).ok_or_else(|| content(&format!("the name {name:?} is not one of a backup")))?;
        files.push(StoredFile { name, content: Zeroizing::new(row.try_get(1).map_err(failed)?) });
    }
    // Overwritten: the files contain keys.
    sqlx::raw_sql("PRAGMA secure_delete = ON; DROP TABLE backup_files; DROP TABLE backup;")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok((made_at, files))
}

/// Returns the path of a name that stays within a folder that a backup has.
fn safe(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let parts = path.components().map(|part| match part {
        Component::Normal(part) => part.to_str().filter(|part| !part.contains('\\')),
        _ => None,
    });
    let parts: Vec<&str> = parts.collect::<Option<_>>()?;
    match parts.as_slice() {
        ["data", FORMER_KEYS, _, ..] if name != NONCE_KEY => Some(path.to_owned()),
        ["data", folder, _, ..] if FOLDERS.contains(folder) => Some(path.to_owned()),
        _ if name == KEK => Some(path.to_owned()),
        [CONFIGURATION, _, ..] => Some(path.to_owned()),
        _ => None,
    }
}

/// Files of a backup with their names in it, and files that the configuration names and that do not exist.
type Collected = (Vec<(String, PathBuf)>, Vec<PathBuf>);

fn collect(config: &Config, configuration: &Path) -> Result<Collected, FileError> {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for folder in FOLDERS {
        walk(&config.data.join(folder), &format!("data/{folder}"), &mut files)?;
    }
    if let Some(roots) = &config.roots {
        walk(roots, &format!("{CONFIGURATION}/roots"), &mut files)?;
    }
    files.push((format!("{CONFIGURATION}/verifier.toml"), configuration.to_owned()));
    let tls = config.tls.as_ref().map(|tls| [&tls.certificate, &tls.key]);
    let keys = &config.security_keys;
    let named =
        [&config.policy, &config.thresholds, &config.step_up_policy, &keys.metadata, &keys.metadata_roots];
    for path in named.into_iter().flatten().chain(tls.into_iter().flatten()) {
        let Some(name) = path.file_name() else { continue };
        if !path.exists() {
            missing.push(path.clone());
        // The data folder's files are there already.
        } else if !path.starts_with(&config.data) {
            files.push((format!("{CONFIGURATION}/{}", name.display()), path.clone()));
        }
    }
    files.sort();
    files.dedup();
    match files.array_windows().find(|[(one, _), (other, _)]| one == other) {
        Some([(_, path), _]) => {
            Err(FileError::new("adding", path, "another file of the configuration has this name"))
        }
        None => Ok((files, missing)),
    }
}

/// Adds the files of a folder and its folders; none if it does not exist.
fn walk(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), FileError> {
    let failed = |e| FileError::new("reading", folder, e);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(last) = entry.file_name().into_string() else {
            return Err(FileError::new("reading", &entry.path(), "its name is not UTF-8"));
        };
        let (name, path) = (format!("{name}/{last}"), entry.path());
        let kind = fs::metadata(&path).map_err(|e| FileError::new("reading", &path, e))?;
        // Files end with .new while they are written.
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(&path, &name, files)?;
        } else if kind.is_file() && !last.ends_with(".new") && !last.contains(".new-") {
            files.push((name, path));
        }
    }
    Ok(())
}

/// Opens a copy without making further files beside it.
async fn open(copy: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(copy).journal_mode(SqliteJournalMode::Memory);
    Ok(options.disable_statement_logging().connect().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folders_of_a_backup() {
        for (name, accepted) in [
            ("data/keys/ear.p8", true),
            ("data/roots/simulated/root.pem", true),
            ("configuration/verifier.toml", true),
            ("data/keys/nonce.key", false),
            ("data/kek", true),
            ("data//kek", false),
            ("data/kek/x", false),
            ("data/verifier.db", false),
            ("data/keys", false),
            ("data/other/file", false),
            ("data/keys/../../x", false),
            ("../configuration/x", false),
            ("/etc/passwd", false),
            ("configuration//etc/x", true),
            ("configuration/..", false),
            ("configuration/a\\..\\b", false),
            ("", false),
        ] {
            assert_eq!(safe(name).is_some(), accepted, "{name}");
        }
    }
}
