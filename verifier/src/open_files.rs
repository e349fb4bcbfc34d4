//! The limit of open files (`RLIMIT_NOFILE`), which also limits connections.

/// Files that the verifier opens besides connections: the store, its log, and files that are read again.
#[cfg(unix)]
const RESERVED: usize = 64;

/// Raises the limit to what the system allows, and returns how many connections fit; `None` where there is no limit.
#[cfg(unix)]
#[must_use]
pub fn raise() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // macOS refuses what its kernel cannot do; the former limit then stays.
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    current.map(|files| usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(RESERVED))
}

/// This system has no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn raise() -> Option<usize> {
    None
}
