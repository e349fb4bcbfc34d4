//! The system that this program was built for: the single place that picks it.
//!
//! Invariants: every system has the same functions and types here, so that what stands above has no `cfg` and is
//! compiled everywhere. What a system cannot do is `Unsupported`, and said so.

#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub use system::{
    Listener, Stream, connect, create_private, elapsed, give_to_owner_of, is_private, limit_privileges,
    notify_manager, private_folder, probes, sync_folder,
};

use std::path::{Path, PathBuf};
use vitalsign_platform::{DeviceKey, KeyError};

/// What the probes are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file system to read: `/`, or a recorded tree.
    pub root: PathBuf,
    /// Where the service keeps its state.
    pub state: PathBuf,
}

/// Who is at the other end of a local socket, as the system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// For the log: `uid 1000`.
    pub name: String,
    /// It may change how the service is set up.
    pub may_administer: bool,
}

/// Opens the report key, or makes one where there is none yet: `software` for a key in software, otherwise a TPM (see
/// [`vitalsign_tpm::Address`]; `auto` is this machine's). It is never in software unless that was asked for.
///
/// # Errors
/// See [`KeyError`].
pub fn device_key(spec: &str, state: &Path) -> Result<Box<dyn DeviceKey>, KeyError> {
    match spec {
        "software" => Err(KeyError::Unsupported("a key in software")),
        spec => Ok(Box::new(vitalsign_tpm::open(spec, state, None)?)),
    }
}

/// Forgets a report key that is lost: the next opening makes another.
///
/// # Errors
/// See [`KeyError`].
pub fn forget_key(_spec: &str, state: &Path) -> Result<(), KeyError> {
    vitalsign_tpm::forget(state)
}
