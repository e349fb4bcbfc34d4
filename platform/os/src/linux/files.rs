//! Files that only this user reads.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Creates a file that must not exist yet, for this user only (0600), to be written.
///
/// # Errors
/// As the file system says; `AlreadyExists`, also for a link.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Creates a folder and its parents for this user only (0700); an existing folder is not changed.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Returns whether only the owner and root can read or write the file.
pub fn is_private(path: &Path) -> io::Result<bool> {
    Ok(path.metadata()?.mode() & 0o077 == 0)
}

/// Returns whether the file belongs to this process's user.
#[must_use]
pub fn is_ours(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| there.uid() == rustix::process::geteuid().as_raw())
}

/// Makes the names in a folder last: what was renamed in it survives a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives a file to who owns the folder that it is in: what root puts there is for the service. Without the right to do
/// so it stays as it is.
pub fn give_to_owner_of(folder: &Path, path: &Path) -> io::Result<()> {
    let folder = folder.metadata()?;
    // No link is followed: the owner of the folder could have put one there.
    let file = path.symlink_metadata()?;
    if (file.uid(), file.gid()) == (folder.uid(), folder.gid()) {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(folder.uid()), Some(folder.gid()))
}
