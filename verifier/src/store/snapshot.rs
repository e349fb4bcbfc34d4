//! Consistent copies of a store, also while other processes write to it.

use super::StoreError;
use sqlx::{Row, SqliteConnection};
use std::path::{Path, PathBuf};

/// Bytes that stay free beside what is needed: other processes write too.
const SPARE_BYTES: u64 = 16 * 1024 * 1024;

/// The disk has too little space.
#[derive(Debug, thiserror::Error)]
#[error("{needed} MiB must be free on the disk of {path}, and {free} MiB are")]
pub struct NoSpace {
    path: PathBuf,
    needed: u64,
    free: u64,
}

/// Checks that the disk on which `path` is, or will be, has `needed` free bytes. Systems that do not say are not asked.
///
/// # Errors
/// [`NoSpace`].
pub fn check_space(path: &Path, needed: u64) -> Result<(), NoSpace> {
    let needed = needed.saturating_add(SPARE_BYTES);
    match crate::disk::free_bytes(path) {
        Some(free) if free < needed => {
            Err(NoSpace { path: path.to_owned(), needed: needed.div_ceil(1 << 20), free: free >> 20 })
        }
        _ => Ok(()),
    }
}

/// Returns the size of the store, in bytes.
pub(super) async fn bytes(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let query = sqlx::query("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()");
    Ok(super::unsigned(query.fetch_one(connection).await?.try_get(0)?))
}

/// Writes a copy of the store to `path`, replaces what is there, and checks it. The copy has one point in time, and writers
/// are not held up. Its content is durable before it gets its name.
///
/// # Errors
/// The copy cannot be written or is not valid. `path` is as it was.
pub(super) async fn take(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let failed =
        |error: std::io::Error| StoreError::Failed(format!("copying to {}: {error}", path.display()));
    let new = super::schema::beside(path, "new");
    remove(&new);
    // SQLite fills an empty file, and keeps its mode.
    crate::files::create_private(&new).map_err(|error| StoreError::Failed(error.to_string()))?;
    let outcome = async {
        // A name that is not UTF-8 cannot be bound.
        let name = new.to_str().ok_or_else(|| StoreError::Failed("the path is not UTF-8".into()))?;
        sqlx::query("VACUUM INTO ?1").bind(name).execute(connection).await?;
        check(&new).await?;
        std::fs::File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
        std::fs::rename(&new, path).map_err(failed)?;
        crate::files::sync_folder_of(path).map_err(|error| StoreError::Failed(error.to_string()))
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        remove(&new);
    }
    outcome
}

/// Checks the structure of a store that no process uses.
///
/// # Errors
/// It cannot be read, or SQLite finds a violation.
pub(crate) async fn check(path: &Path) -> Result<(), StoreError> {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
    // Immutable: opening it makes no other file.
    let options = SqliteConnectOptions::new().filename(path).immutable(true);
    let mut connection = options.disable_statement_logging().connect().await?;
    let found: String =
        sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?.try_get(0)?;
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut connection).await?.is_some();
    connection.close().await?;
    match (found.as_str(), broken) {
        ("ok", false) => Ok(()),
        ("ok", true) => Err(StoreError::Failed("a row refers to one that is missing".into())),
        (found, _) => Err(StoreError::Failed(format!("the database is damaged: {found}"))),
    }
}

/// Removes a copy and the files that SQLite makes beside it, where they exist.
pub(crate) fn remove(path: &Path) {
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // Fails if it does not exist. What cannot be removed fails when it is written.
        let _ = std::fs::remove_file(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_the_free_space_that_it_says() {
        let folder = std::env::temp_dir();
        check_space(&folder, 0).unwrap();
        let refused = check_space(&folder, u64::MAX / 2).err().unwrap().to_string();
        assert!(refused.contains("must be free"), "{refused}");
    }
}
