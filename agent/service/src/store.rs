//! State on disk. Writes are atomic. A damaged file is set aside and the device enrols again, so that it
//! never prevents the service from starting. A file of a newer version is left as it is, and the service does not start:
//! an older program would erase what it does not know.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The agent's state, in the state folder.
pub(crate) const FILE: &str = "state.json";
/// Version of the format. A file without a version is of version 0, which had the same members. A new member that older
/// files lack has a default; another change needs a new version and a conversion in [`parse`].
const VERSION: u64 = 1;
const LOCK: &str = "lock";
const MAX_BYTES: u64 = 1024 * 1024;
/// Maximum number of unreadable files that are kept for inspection.
const KEPT: u32 = 10;

/// A value in the file, with the format's version.
#[derive(Serialize)]
struct Versioned<T> {
    version: u64,
    #[serde(flatten)]
    value: T,
}

/// Reason why the content of the file is no value.
#[derive(Debug)]
enum Unusable {
    Damaged(String),
    Newer(String),
}

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
    #[error(
        "{path} has format version {version} and this program reads versions up to {VERSION}: install the newer \
         vitalsign again"
    )]
    Newer { path: PathBuf, version: String },
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
        parse(&bytes).ok()
    }

    /// Reads the saved state and sets a damaged file aside.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Result<Loaded<T>, StoreError> {
        let failed = |error| StoreError::Read { path: self.path.clone(), error };
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Nothing),
            Err(error) => return Err(failed(error)),
        };
        let why = match u64::try_from(bytes.len()) {
            Ok(length) if length <= MAX_BYTES => match parse(&bytes) {
                Ok(value) => return Ok(Loaded::Value(value)),
                Err(Unusable::Damaged(why)) => why,
                Err(Unusable::Newer(version)) => {
                    return Err(StoreError::Newer { path: self.path.clone(), version });
                }
            },
            _ => format!("it is larger than {MAX_BYTES} bytes"),
        };
        let at = self.set_aside().map_err(failed)?;
        Ok(Loaded::SetAside { at, why })
    }

    /// Writes the value: beside the old one, then in its place.
    pub(crate) fn save<T: Serialize>(&self, value: &T) -> Result<(), StoreError> {
        let value = Versioned { version: VERSION, value };
        let bytes = serde_json::to_vec(&value).map_err(|error| self.failed(error.into()))?;
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

/// Parses a file of any known version.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unusable> {
    let damaged = |error: serde_json::Error| Unusable::Damaged(error.to_string());
    let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    match value.get("version") {
        // A version that is no number of ours is a later one's.
        Some(version) if version.as_u64().is_none_or(|version| version > VERSION) => {
            Err(Unusable::Newer(version.to_string()))
        }
        _ => serde_json::from_value(value).map_err(damaged),
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
    use vitalsign_agent_core::{Agent, Saved};

    #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
    struct Kept {
        numbers: Vec<u8>,
    }

    fn kept(number: u8) -> Kept {
        Kept { numbers: vec![number] }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a/b")).unwrap();
        (folder, store)
    }

    #[test]
    fn reads_back_saved_state_from_a_private_file() {
        let (_folder, store) = store();
        assert_eq!(store.load::<Kept>().unwrap(), Loaded::Nothing);
        for value in [vec![1, 2, 3], vec![], vec![9; 1000]] {
            let value = Kept { numbers: value };
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
        let whole = br#"{"version":1,"numbers":[1]}"#;
        let large = vec![b' '; 2_000_000];
        let broken: [&[u8]; 6] =
            [b"", &whole[..whole.len() - 1], b"\xff\xfe", &large, b"[1]", br#"{"version":1}"#];
        for (n, bytes) in broken.iter().enumerate() {
            std::fs::write(&store.path, bytes).unwrap();
            let Loaded::SetAside { at, why } = store.load::<Kept>().unwrap() else { panic!("{n}") };
            assert_eq!(at.file_name().unwrap().to_str().unwrap(), format!("state.json.corrupt-{}", n + 1));
            assert_eq!(std::fs::read(&at).unwrap(), *bytes);
            assert!(!why.is_empty());
            assert_eq!(store.load::<Kept>().unwrap(), Loaded::Nothing);
            store.save(&kept(3)).unwrap();
        }
    }

    #[test]
    fn interrupted_write_does_not_block_the_next() {
        let (_folder, store) = store();
        store.save(&kept(1)).unwrap();
        std::fs::write(store.path.with_file_name("state.json.new"), "{").unwrap();
        assert_eq!(store.load().unwrap(), Loaded::Value(kept(1)));
        store.save(&kept(2)).unwrap();
        assert_eq!(store.load().unwrap(), Loaded::Value(kept(2)));
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_state() {
        let (_folder, store) = store();
        store.save(&kept(1)).unwrap();
        // A folder in the way: even root cannot write over it.
        std::fs::create_dir(store.path.with_file_name("state.json.new")).unwrap();
        assert!(matches!(store.save(&kept(2)), Err(StoreError::Write { .. })));
        assert_eq!(store.load().unwrap(), Loaded::Value(kept(1)));
    }

    /// A state that each version wrote, from 0 on.
    const GOLDEN: [&[u8]; 2] =
        [include_bytes!("../tests/state/v0.json"), include_bytes!("../tests/state/v1.json")];

    #[test]
    fn reads_the_state_of_every_version() {
        let newest: Saved = parse(GOLDEN.last().unwrap()).unwrap();
        assert!(newest.enrolled.is_some() && newest.reported_at.is_some());
        for (version, golden) in GOLDEN.iter().enumerate() {
            let (_folder, store) = store();
            std::fs::write(&store.path, golden).unwrap();
            let Loaded::Value(saved) = store.load::<Saved>().unwrap() else { panic!("version {version}") };
            assert_eq!(saved, newest, "version {version}");
            let status = Agent::new(saved).status(crate::clock::now());
            assert!(status.ear.is_some(), "version {version}: the verdict is still valid");
        }
    }

    #[test]
    fn writes_the_newest_version() {
        let (_folder, store) = store();
        let golden = GOLDEN.last().unwrap();
        store.save(&parse::<Saved>(golden).unwrap()).unwrap();
        // A difference means that older programs and files need a new version.
        assert_eq!(std::fs::read_to_string(&store.path).unwrap(), String::from_utf8_lossy(golden));
    }

    #[test]
    fn refuses_and_keeps_the_state_of_a_newer_version() {
        let (_folder, store) = store();
        for version in ["2", "18446744073709551615", "18446744073709551616", "-1", "\"2.0\"", "null"] {
            let newer = format!(r#"{{"version":{version},"numbers":[1],"enrolled":{{"other":1}}}}"#);
            std::fs::write(&store.path, &newer).unwrap();
            let error = store.load::<Kept>().unwrap_err();
            assert!(matches!(error, StoreError::Newer { .. }), "{version}: {error}");
            assert!(error.to_string().contains("install the newer"), "{error}");
            assert_eq!(Store::peek::<Kept>(store.path.parent().unwrap()), None);
            assert_eq!(std::fs::read_to_string(&store.path).unwrap(), newer, "it is as it was");
            // The state and the lock.
            assert_eq!(store.path.parent().unwrap().read_dir().unwrap().count(), 2);
        }
    }
}
