//! The key blobs on disk: both keys and the name of their parent in one file, written whole or not at all. The private
//! parts are encrypted by the TPM and worth nothing without it.

use super::failure::CommandError;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use vitalsign_platform_api::KeyError;
use vitalsign_tpm::codec::{self, Malformed};

const FILE: &str = "tpm-keys";
const ASIDE: &str = "tpm-keys.aside";
const MAGIC: &[u8] = b"vitalsign-tpm-keys-v1\0";
const MOST: u64 = 16 * 1024;

/// A key as TPM2_Create gives it and TPM2_Load takes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) public: Vec<u8>,
    /// Content of the TPM2B_PRIVATE.
    pub(crate) private: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredKeys {
    /// Name of the storage root key that the keys are under.
    pub(crate) parent: Vec<u8>,
    pub(crate) attestation_key: Blob,
    pub(crate) report_key: Blob,
}

/// The state in this folder; none when there never was one.
pub(crate) fn read(folder: &Path) -> Result<Option<StoredKeys>, CommandError> {
    let path = folder.join(FILE);
    let mut content = Vec::new();
    match File::open(&path) {
        Ok(file) => file.take(MOST).read_to_end(&mut content)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of(&error, "reading", &path)),
    };
    let state = parse(&content);
    state.map(Some).map_err(|_| KeyError::Lost(format!("{} is damaged", path.display())).into())
}

/// Writes the state, readable by the owner only.
pub(crate) fn write(folder: &Path, state: &StoredKeys) -> Result<(), CommandError> {
    let path = folder.join(FILE);
    persist(folder, &path, &encode(state)).map_err(|error| of(&error, "writing", &path))
}

/// Sets the keys aside, so that the next opening makes new ones. Keys that were set aside before stay, and the ones in
/// between are removed.
pub(crate) fn set_aside(folder: &Path) -> Result<(), CommandError> {
    let (path, aside) = (folder.join(FILE), folder.join(ASIDE));
    if aside.exists() {
        return remove(&path);
    }
    match fs::rename(&path, &aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(of(&error, "setting aside", &path)),
        _ => Ok(()),
    }
}

/// Replaces the keys by those that were set aside, and returns whether there were any.
pub(crate) fn restore(folder: &Path) -> Result<bool, CommandError> {
    let aside = folder.join(ASIDE);
    match fs::rename(&aside, folder.join(FILE)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(of(&error, "restoring", &aside)),
    }
}

/// Removes the keys that were set aside.
pub(crate) fn drop_aside(folder: &Path) -> Result<(), CommandError> {
    remove(&folder.join(ASIDE))
}

fn remove(path: &Path) -> Result<(), CommandError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(of(&error, "removing", path)),
        _ => Ok(()),
    }
}

fn persist(folder: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The rename itself is safe on disk only with its folder.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn encode(state: &StoredKeys) -> Vec<u8> {
    let StoredKeys { parent, attestation_key: ak, report_key } = state;
    let parts = [parent, &ak.public, &ak.private, &report_key.public, &report_key.private];
    let parts = parts.map(|part| codec::sized(part));
    [MAGIC, &parts.concat()].concat()
}

fn parse(content: &[u8]) -> Result<StoredKeys, Malformed> {
    let rest = content.strip_prefix(MAGIC).ok_or(Malformed)?;
    let (parent, rest) = codec::split_sized(rest)?;
    let (attestation_key, rest) = blob(rest)?;
    let (report_key, rest) = blob(rest)?;
    if !rest.is_empty() {
        return Err(Malformed);
    }
    Ok(StoredKeys { parent: parent.to_vec(), attestation_key, report_key })
}

fn blob(bytes: &[u8]) -> Result<(Blob, &[u8]), Malformed> {
    let (public, rest) = codec::split_sized(bytes)?;
    let (private, rest) = codec::split_sized(rest)?;
    Ok((Blob { public: public.to_vec(), private: private.to_vec() }, rest))
}

fn of(error: &std::io::Error, doing: &str, path: &Path) -> CommandError {
    let text = format!("{doing} {}: {error}", path.display());
    CommandError::Key(match error.kind() {
        ErrorKind::PermissionDenied => KeyError::Denied(text),
        _ => KeyError::Unavailable(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> StoredKeys {
        let blob = |byte| Blob { public: vec![byte; 90], private: vec![byte + 1; 200] };
        StoredKeys { parent: vec![7; 34], attestation_key: blob(1), report_key: blob(3) }
    }

    #[test]
    fn gives_back_what_was_written_and_only_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        assert!(read(&inner).unwrap().is_none());
        write(&inner, &state()).unwrap();
        assert!(read(&inner).unwrap() == Some(state()));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &fs::metadata(inner.join(FILE)).unwrap().permissions(),
            );
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn restores_the_first_keys_that_were_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(!restore(folder).unwrap());
        set_aside(folder).unwrap();
        write(folder, &state()).unwrap();
        set_aside(folder).unwrap();
        assert!(read(folder).unwrap().is_none());
        write(folder, &StoredKeys { parent: vec![8; 34], ..state() }).unwrap();
        set_aside(folder).unwrap();
        assert!(read(folder).unwrap().is_none() && restore(folder).unwrap());
        assert!(read(folder).unwrap() == Some(state()));
        set_aside(folder).unwrap();
        drop_aside(folder).unwrap();
        drop_aside(folder).unwrap();
        assert!(!restore(folder).unwrap());
    }

    #[test]
    fn damage_is_a_lost_key() {
        let folder = tempfile::tempdir().unwrap();
        let whole = encode(&state());
        let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|at| whole[..at].to_vec()).collect();
        damaged.push([&whole[..], &[0]].concat());
        damaged.push(vec![b'x'; 1 << 20]);
        for content in damaged {
            fs::write(folder.path().join(FILE), &content).unwrap();
            assert!(
                matches!(read(folder.path()), Err(CommandError::Key(KeyError::Lost(_)))),
                "{}",
                content.len()
            );
        }
    }
}
