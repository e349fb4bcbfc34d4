//! Sockets, files, terminal, privileges, processes and clock of the system that this program was built for.
//!
//! Every program needs these, with or without privilege; probes and keys are in `platform/host`. Every system has the
//! same functions and types here, so that callers need no `cfg`. A function that a system lacks returns `Unsupported`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use system::{
    Listener, PeerId, SocketStream, Terminal, become_program, connect, create_private, elapsed, exposure,
    give_to_owner_of, is_ours, is_private, is_readable_by_all, limit_privileges, machine_id, notify_manager,
    private_folder, sync_folder,
};

/// Returns the device's host name, or an empty string.
#[must_use]
pub fn device_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// Peer of a local socket, as identified by the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub id: PeerId,
    /// Name for the log, for example `uid 1000`.
    pub name: String,
    /// It may change how the service is set up.
    pub may_administer: bool,
}
