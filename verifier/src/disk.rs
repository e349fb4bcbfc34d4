//! Free space of disks.

use std::path::Path;

/// Returns the bytes that this process may still write on the disk of `path`, or of its nearest folder that exists; `None`
/// if the system does not say.
#[cfg(unix)]
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let known = path.ancestors().find(|it| !it.as_os_str().is_empty() && it.exists());
    let disk = rustix::fs::statvfs(known.unwrap_or(Path::new("."))).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// This system is not asked.
#[cfg(not(unix))]
pub(crate) fn free_bytes(_: &Path) -> Option<u64> {
    None
}
