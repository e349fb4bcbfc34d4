//! The system that this program was built for: the single place that picks it.
//!
//! Invariants: every system has the same functions and types here, so that what stands above has no `cfg` and is
//! compiled everywhere. What a system cannot do is `Unsupported`, and said so.

#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub use system::{
    Listener, PeerId, SocketStream, SystemWatch, Terminal, become_program, connect, create_private, elapsed,
    give_to_owner_of, is_in_front, is_ours, is_private, limit_privileges, notify_manager, private_folder,
    probes, sync_folder, watch,
};

use std::path::{Path, PathBuf};
use vitalsign_platform::{DeviceKey, KeyError};
use vitalsign_tpm::SoftwareKey;

/// What the probes are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file system to read: `/`, or a recorded tree.
    pub root: PathBuf,
    /// Where the service keeps its state, and so what its probes remember. Who is not the service remembers nothing.
    pub state: Option<PathBuf>,
}

/// What people call this device: its host name; empty where it has none.
#[must_use]
pub fn device_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// Who is at the other end of a local socket, as the system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose program it is.
    pub id: PeerId,
    /// The same for the log: `uid 1000`.
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
        "software" => Ok(Box::new(SoftwareKey::open(&software_key_name(state))?)),
        spec => Ok(Box::new(vitalsign_tpm::open(spec, state, None)?)),
    }
}

/// Forgets a report key that is lost: the next opening makes another.
///
/// # Errors
/// See [`KeyError`].
pub fn forget_key(spec: &str, state: &Path) -> Result<(), KeyError> {
    match spec {
        "software" => SoftwareKey::forget(&software_key_name(state)),
        _ => vitalsign_tpm::forget(state),
    }
}

/// One key for each state folder.
fn software_key_name(state: &Path) -> String {
    format!("report key of {}", state.display())
}
