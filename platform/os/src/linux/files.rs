//! Files that only this user reads.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
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

/// Returns why a file or folder could be changed by another user than root, in words; `None` if it could not. With `or_ours`
/// it may belong to this process's user. For a link, its target counts.
pub fn exposure(path: &Path, or_ours: bool) -> io::Result<Option<String>> {
    let found = path.metadata()?;
    let is_ours = or_ours && found.uid() == rustix::process::geteuid().as_raw();
    if found.uid() != 0 && !is_ours {
        return Ok(Some(format!("it belongs to user {} and not to root", found.uid())));
    }
    // Many systems give each user a group without others.
    let others = if found.uid() == 0 { 0o022 } else { 0o002 };
    let is_open = found.mode() & others != 0;
    Ok(is_open.then(|| format!("other users may write to it (mode {:04o})", found.mode() & 0o7777)))
}

/// Returns whether every user can read the file.
#[must_use]
pub fn is_readable_by_all(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.mode() & 0o004 != 0)
}

/// Returns the identifier of this installation of the system (machine-id(5)), or an empty string. It must not leave the
/// device.
#[must_use]
pub fn machine_id() -> String {
    const LENGTH: u64 = 32;
    let mut id = String::new();
    let read = File::open("/etc/machine-id").and_then(|file| file.take(LENGTH).read_to_string(&mut id));
    // An image that has not started yet says `uninitialized`.
    let is_id = read.is_ok() && id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { id } else { String::new() }
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
