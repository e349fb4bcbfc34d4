//! State on disk. Writes are atomic. An unreadable file is set aside and the device enrols again, so that it
//! never prevents the service from starting.

use serde::{Serialize, de::DeserializeOwned};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The agent's state, in the state folder.
pub(crate) const FILE: &str = "state.json";
const LOCK: &str = "lock";
const MAX_BYTES: u64 = 1024 * 1024;
/// Maximum number of unreadable files that are kept for inspection.
const KEPT: u32 = 10;

/// A file with one value, and the lock that keeps it one process's.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
    _lock: Arc<File>,
}

/// Reason why the state could not be written or read. The previous state is intact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("another vitalsign process uses {0}: wait for it to end, or ask the service that runs")]
    InUse(PathBuf),
    #[error("no space is left on the disk to write {0}")]
    DiskFull(PathBuf),
    #[error("cannot write {path}: {error}")]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loaded<T> {
    Nothing,
    Value(T),
    /// Something was that cannot be understood. It lies here now.
    SetAside {
        at: PathBuf,
        why: String,
    },
}

impl Store {
    /// The agent's state in its folder, which is made when it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Write { path: folder.to_owned(), error };
        vitalsign_os::private_folder(folder).map_err(failed)?;
        // The lock goes with the process, whatever way it ends.
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self { path: folder.join(FILE), _lock: Arc::new(lock) })
    }

    /// Reads the saved state without locking, creating or changing anything; `None` if it cannot be read.
    pub(crate) fn peek<T: DeserializeOwned>(folder: &Path) -> Option<T> {
        let mut bytes = Vec::new();
        File::open(folder.join(FILE)).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Reads the saved state and sets an unreadable file aside.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Result<Loaded<T>, StoreError> {
        let failed = |error| StoreError::Read { path: self.path.clone(), error };
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Nothing),
            Err(error) => return Err(failed(error)),
        };
        let why = match u64::try_from(bytes.len()) {
            Ok(length) if length <= MAX_BYTES => match serde_json::from_slice(&bytes) {
                Ok(value) => return Ok(Loaded::Value(value)),
                Err(error) => error.to_string(),
            },
            _ => format!("it is larger than {MAX_BYTES} bytes"),
        };
        let at = self.set_aside().map_err(failed)?;
        Ok(Loaded::SetAside { at, why })
    }

    /// Writes the value: beside the old one, then in its place.
    pub(crate) fn save<T: Serialize>(&self, value: &T) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|error| self.failed(error.into()))?;
        write_whole(&self.path, &bytes).map_err(|error| self.failed(error))
    }

    fn set_aside(&self) -> io::Result<PathBuf> {
        let place = |n| self.path.with_file_name(format!("state.json.corrupt-{n}"));
        let free = (1..KEPT).map(place).find(|path| path.symlink_metadata().is_err());
        let at = free.unwrap_or_else(|| place(KEPT));
        std::fs::rename(&self.path, &at)?;
        Ok(at)
    }

    fn failed(&self, error: io::Error) -> StoreError {
        let path = self.path.clone();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull(path),
            _ => StoreError::Write { path, error },
        }
    }
}

/// Writes a private file so that a reader, or a machine that lost power, finds the old content or the new.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    // A leftover file belongs to a process that was interrupted.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = vitalsign_os::create_private(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&beside, path)) {
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    path.parent().map_or(Ok(()), vitalsign_os::sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a/b")).unwrap();
        (folder, store)
    }

    #[test]
    fn reads_back_saved_state_from_a_private_file() {
        let (_folder, store) = store();
        assert_eq!(store.load::<Vec<u8>>().unwrap(), Loaded::Nothing);
        for value in [vec![1, 2, 3], vec![], vec![9; 1000]] {
            store.save(&value).unwrap();
            assert_eq!(Store::peek(store.path.parent().unwrap()), Some(value.clone()));
            assert_eq!(store.load().unwrap(), Loaded::Value(value));
        }
        assert!(vitalsign_os::is_private(&store.path).unwrap());
        assert!(vitalsign_os::is_private(store.path.parent().unwrap()).unwrap());
        assert_eq!(store.path.parent().unwrap().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn locks_the_state_folder_to_one_process() {
        let (_folder, store) = store();
        let folder = store.path.parent().unwrap().to_owned();
        assert!(matches!(Store::open(&folder), Err(StoreError::InUse(_))));
        drop(store);
        assert!(Store::open(&folder).is_ok());
    }

    #[test]
    fn sets_aside_unreadable_state() {
        let (_folder, store) = store();
        let whole = serde_json::to_vec(&["a", "b"]).unwrap();
        let broken: [&[u8]; 4] = [b"", &whole[..whole.len() - 1], b"\xff\xfe", &vec![b' '; 2_000_000]];
        for (n, bytes) in broken.iter().enumerate() {
            std::fs::write(&store.path, bytes).unwrap();
            let Loaded::SetAside { at, why } = store.load::<Vec<String>>().unwrap() else { panic!("{n}") };
            assert_eq!(at.file_name().unwrap().to_str().unwrap(), format!("state.json.corrupt-{}", n + 1));
            assert_eq!(std::fs::read(&at).unwrap(), *bytes);
            assert!(!why.is_empty());
            assert_eq!(store.load::<Vec<String>>().unwrap(), Loaded::Nothing);
            store.save(&["again"]).unwrap();
        }
    }

    #[test]
    fn interrupted_write_does_not_block_the_next() {
        let (_folder, store) = store();
        store.save(&1).unwrap();
        std::fs::write(store.path.with_file_name("state.json.new"), "{").unwrap();
        assert_eq!(store.load().unwrap(), Loaded::Value(1));
        store.save(&2).unwrap();
        assert_eq!(store.load().unwrap(), Loaded::Value(2));
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_state() {
        let (_folder, store) = store();
        store.save(&1).unwrap();
        // A folder in the way: even root cannot write over it.
        std::fs::create_dir(store.path.with_file_name("state.json.new")).unwrap();
        assert!(matches!(store.save(&2), Err(StoreError::Write { .. })));
        assert_eq!(store.load().unwrap(), Loaded::Value(1));
    }
}
