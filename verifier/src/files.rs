//! Files with secrets: created atomically, readable by their owner only.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {cause}")]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    cause: String,
}

impl FileError {
    /// Creates an error from the action, its path and the cause.
    pub fn new(action: &'static str, path: &Path, cause: impl std::fmt::Display) -> Self {
        Self { action, path: path.to_owned(), cause: cause.to_string() }
    }
}

/// Reads a secret. Refuses a file that other users can read.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let metadata = fs::metadata(path).map_err(|e| FileError::new("reading", path, e))?;
    if !access::is_private(&metadata) {
        return Err(FileError::new("reading", path, "others can read this secret; run: chmod 600"));
    }
    fs::read(path).map(Zeroizing::new).map_err(|e| FileError::new("reading", path, e))
}

/// Reads a secret of this process's user or of root. Refuses a file that other users can read.
pub(crate) fn read_own_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let metadata = fs::metadata(path).map_err(|e| FileError::new("reading", path, e))?;
    if !access::is_own(&metadata) {
        return Err(FileError::new("reading", path, "this secret belongs to another user; run: chown"));
    }
    read_secret(path)
}

/// Reads a secret, or creates it. Refuses a file of another user, or that other users can read.
pub fn read_or_create_secret(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, &'static str>,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    match fs::metadata(path) {
        Ok(_) => read_own_secret(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(make().map_err(|e| FileError::new("making", path, e))?);
            create(path, &secret)?;
            // If another process was faster, its secret is used.
            fs::read(path).map(Zeroizing::new).map_err(|e| FileError::new("reading", path, e))
        }
        Err(e) => Err(FileError::new("reading", path, e)),
    }
}

/// Creates a private file if it is missing: atomically, and by only one of several concurrent processes.
fn create(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let error = |e: std::io::Error| FileError::new("writing", path, e);
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let new = path.with_extension(format!("new-{}", std::process::id()));
    // One left by a crash of another process with this number.
    let _ = fs::remove_file(&new);
    let mut file = access::create(&new, 0o600).map_err(error)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&new, path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = fs::remove_file(&new);
    linked.map_err(error)?;
    sync_folder_of(path)
}

/// Creates an empty file that only its owner can read. It must not exist.
pub fn create_private(path: &Path) -> Result<fs::File, FileError> {
    access::create(path, 0o600).map_err(|e| FileError::new("making", path, e))
}

/// Opens a file that only its owner can read, and creates it if it is missing.
pub(crate) fn open_private(path: &Path) -> Result<fs::File, FileError> {
    access::open(path).map_err(|e| FileError::new("opening", path, e))
}

/// Replaces a file: after a crash it has the old content or the new.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let error = |e: std::io::Error| FileError::new("writing", path, e);
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let new = path.with_extension("new");
    // One left by a crash may have another mode.
    match fs::remove_file(&new) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(error(e)),
        _ => {}
    }
    let mut file = access::create(&new, mode).map_err(error)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(error)?;
    if let Ok(replaced) = fs::metadata(path) {
        access::keep_owner(&file, &replaced).map_err(error)?;
    }
    fs::rename(&new, path).map_err(error)?;
    sync_folder_of(path)
}

/// Makes the name of a file durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| FileError::new("writing", folder, e))
}

/// Reads a private key of TLS. A group may read it, as the group `ssl-cert` of Debian does, and other users may not.
pub fn read_tls_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let metadata = fs::metadata(path).map_err(|e| FileError::new("reading", path, e))?;
    if access::is_public(&metadata) {
        return Err(FileError::new(
            "reading",
            path,
            "every user can read this private key; run: chmod o= FILE",
        ));
    }
    fs::read(path).map(Zeroizing::new).map_err(|e| FileError::new("reading", path, e))
}

/// Takes a file's permissions from all but its owner, if it exists.
pub(crate) fn make_private(path: &Path) -> Result<(), FileError> {
    match fs::metadata(path) {
        Ok(metadata) if !access::is_private(&metadata) => {
            tracing::warn!(path = %path.display(), "other users could read this file; only its owner can now");
            access::set_private(path).map_err(|e| FileError::new("protecting", path, e))
        }
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(FileError::new("reading", path, e)),
    }
}

/// Creates a folder that only its owner can enter, if it is missing.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    access::create_folder(path).map_err(|e| FileError::new("making", path, e))
}

/// Identifies a file, to detect its replacement.
pub(crate) fn identity(metadata: &fs::Metadata) -> u64 {
    access::identity(metadata)
}

#[cfg(unix)]
mod access {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
    use std::{io, path::Path};

    pub(super) fn is_private(metadata: &Metadata) -> bool {
        metadata.mode() & 0o077 == 0
    }
    pub(super) fn is_own(metadata: &Metadata) -> bool {
        [rustix::process::geteuid().as_raw(), 0].contains(&metadata.uid())
    }
    pub(super) fn is_public(metadata: &Metadata) -> bool {
        metadata.mode() & 0o007 != 0
    }
    pub(super) fn set_private(path: &Path) -> io::Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(0o600))
    }
    pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
    }
    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
    }
    /// Gives a new file the owner of the one that it replaces, unless it has that owner already.
    pub(super) fn keep_owner(file: &File, replaced: &Metadata) -> io::Result<()> {
        let made = file.metadata()?;
        let differs = (made.uid(), made.gid()) != (replaced.uid(), replaced.gid());
        if differs { fchown(file, Some(replaced.uid()), Some(replaced.gid())) } else { Ok(()) }
    }
    pub(super) fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }
    pub(super) fn identity(metadata: &Metadata) -> u64 {
        metadata.ino()
    }
}

/// Refuses to store secrets on systems without file modes.
#[cfg(not(unix))]
mod access {
    use std::fs::{File, Metadata};
    use std::{io, path::Path};

    fn refused<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a verifier keeps its secrets on Unix systems only"))
    }
    pub(super) fn is_private(_: &Metadata) -> bool {
        false
    }
    pub(super) fn is_own(_: &Metadata) -> bool {
        false
    }
    pub(super) fn is_public(_: &Metadata) -> bool {
        true
    }
    pub(super) fn set_private(_: &Path) -> io::Result<()> {
        refused()
    }
    pub(super) fn create(_: &Path, _: u32) -> io::Result<File> {
        refused()
    }
    pub(super) fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
        refused()
    }
    pub(super) fn open(_: &Path) -> io::Result<File> {
        refused()
    }
    pub(super) fn create_folder(_: &Path) -> io::Result<()> {
        refused()
    }
    pub(super) fn identity(_: &Metadata) -> u64 {
        0
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn concurrent_creators_share_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/secret");
        create(&path, b"first").unwrap();
        create(&path, b"second").unwrap();
        assert_eq!(*read_or_create_secret(&path, || Ok(b"third".to_vec())).unwrap(), b"first");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
