//! The user who owns the verifier's data. A command that root runs becomes that user, so that no file in the data folder
//! belongs to root and stops the service at its next start.

use crate::files::FileError;
use std::path::Path;

/// Makes new files readable by their owner only. To be called before the first thread starts.
#[cfg(unix)]
pub fn hide_new_files() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// There are no file modes.
#[cfg(not(unix))]
pub fn hide_new_files() {}

/// If root runs this process, becomes the user who owns `data`, unless it is missing. To be called before the first thread
/// starts.
///
/// # Errors
/// The folder cannot be read, or the system refuses the change.
#[cfg(unix)]
pub fn become_owner(data: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let metadata = match std::fs::metadata(data) {
        Ok(metadata) if metadata.uid() != 0 => metadata,
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("reading", data, error)),
    };
    become_user(metadata.uid(), metadata.gid())
        .map_err(|error| FileError::new("becoming the owner of", data, error))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn become_user(user: u32, group: u32) -> std::io::Result<()> {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
    let group = Gid::from_raw(group);
    set_thread_groups(&[group])?;
    set_thread_gid(group)?;
    Ok(set_thread_uid(Uid::from_raw(user))?)
}

/// Other Unix systems have no safe interface for this.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn become_user(_: u32, _: u32) -> std::io::Result<()> {
    Err(std::io::Error::other("run this command as that user, for example with sudo -u"))
}

/// There is no root.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn become_owner(_: &Path) -> Result<(), FileError> {
    Ok(())
}
