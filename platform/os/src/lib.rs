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
    Listener, PeerId, SocketStream, Terminal, become_program, connect, create_private, elapsed,
    give_to_owner_of, is_ours, is_private, limit_privileges, notify_manager, private_folder, sync_folder,
};

/// What people call this device: its host name; empty where it has none.
#[must_use]
pub fn device_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// Who is at the other end of a local socket, as the system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub id: PeerId,
    /// The same for the log: `uid 1000`.
    pub name: String,
    /// It may change how the service is set up.
    pub may_administer: bool,
}
