//! Lock of a data folder. Servers share it; a process that replaces or migrates the store has it alone.

use crate::files::{self, FileError};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Lock of a data folder, until it is dropped or the process ends.
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "the open file has the lock")] File);

impl DataLock {
    /// Takes the lock of a server.
    ///
    /// # Errors
    /// A process migrates or replaces the store, or the file cannot be made.
    pub fn serving(data: &Path) -> Result<Self, FileError> {
        Self::take(data, File::try_lock_shared, "the store is being migrated or restored; try again later")
    }

    /// Takes the lock of a process that needs the store for itself.
    ///
    /// # Errors
    /// A server runs with this data folder, or the file cannot be made.
    pub fn alone(data: &Path) -> Result<Self, FileError> {
        Self::take(data, File::try_lock, "a verifier runs with this data folder; stop it first")
    }

    fn take(
        data: &Path,
        lock: impl FnOnce(&File) -> Result<(), TryLockError>,
        held: &'static str,
    ) -> Result<Self, FileError> {
        files::create_folder(data)?;
        let path = data.join("lock");
        let file = files::open_private(&path)?;
        match lock(&file) {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(FileError::new("locking", data, held)),
            Err(TryLockError::Error(error)) => Err(FileError::new("locking", &path, error)),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn servers_share_what_a_migration_has_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let servers = [DataLock::serving(&data).unwrap(), DataLock::serving(&data).unwrap()];
        assert!(DataLock::alone(&data).err().unwrap().to_string().contains("stop it first"));
        drop(servers);
        let alone = DataLock::alone(&data).unwrap();
        assert!(DataLock::serving(&data).is_err() && DataLock::alone(&data).is_err());
        drop(alone);
        DataLock::serving(&data).unwrap();
    }
}
