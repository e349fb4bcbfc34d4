//! Free space of disks.

use std::path::Path;

/// Returns the bytes that this process may still write on the disk of `path`, or of its nearest folder that exists; `None`
/// if the system does not say.
#[cfg(unix)]
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(existing(path)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Returns whether two files are, or will be, on the same disk. Where that is unknown, they are.
#[cfg(unix)]
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let disk = |path| existing(path).metadata().ok().map(|metadata| metadata.dev());
    disk(one) == disk(other)
}

/// Returns the nearest folder that exists.
#[cfg(unix)]
fn existing(path: &Path) -> &Path {
    let found = path.ancestors().find(|it| !it.as_os_str().is_empty() && it.exists());
    found.unwrap_or(Path::new("."))
}

/// This system is not asked.
#[cfg(not(unix))]
pub(crate) fn is_same(_: &Path, _: &Path) -> bool {
    true
}

/// This system is not asked.
#[cfg(not(unix))]
pub(crate) fn free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn disks_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let to_come = folder.path().join("folder/to/come");
        assert!(is_same(folder.path(), &to_come));
        assert!(!is_same(&to_come, Path::new("/proc/self")));
        assert!(free_bytes(&to_come).is_some_and(|free| free > 0));
    }
}
