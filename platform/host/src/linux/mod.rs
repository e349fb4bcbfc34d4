//! Linux.

mod files;
mod manager;
mod privileges;
mod socket;
mod terminal;

pub use files::{create_private, give_to_owner_of, is_ours, is_private, private_folder, sync_folder};
pub use manager::notify_manager;
pub use privileges::limit_privileges;
pub use socket::{Listener, PeerId, SocketStream, connect, is_in_front};
pub use terminal::Terminal;

use crate::Settings;
use std::io;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::Sender;
use std::time::Duration;
use vitalsign_linux::Root;
use vitalsign_platform::{Change, Probe};

/// A path below which nothing can ever be: reading finds nothing, and writing fails.
const NOWHERE: &str = "/dev/null/memory";

/// Every probe of this system.
#[must_use]
pub fn probes(settings: &Settings) -> Vec<Probe> {
    let memory = settings.state.as_ref().map_or_else(|| NOWHERE.into(), |state| state.join("memory"));
    vitalsign_linux::probes(&Root::at(&settings.root), &memory)
}

/// Watches the system for as long as it lives.
pub struct SystemWatch(vitalsign_linux::watch::Watcher);

/// Has the system push its changes.
///
/// # Errors
/// When there is no thread or file descriptor left.
pub fn watch(changes: Sender<Change>) -> io::Result<SystemWatch> {
    let root = Root::default();
    let products = root.clone();
    let running = move || vitalsign_linux::edr::running_pids(&products);
    vitalsign_linux::watch::watch(&root, running, changes).map(SystemWatch)
}

impl SystemWatch {
    /// What could not be watched, and why: its changes are seen at the next reading only.
    #[must_use]
    pub fn blind(&self) -> Vec<String> {
        self.0.blind().iter().map(|(source, reason)| format!("{source}: {reason}")).collect()
    }

    /// To be called after a reading: products that have started since are watched from now on.
    pub fn refresh(&self) {
        self.0.refresh();
    }
}

/// Becomes another program: this one ends, and the other has its terminal, its number and its signals.
///
/// # Errors
/// When that program cannot be run; it does not come back otherwise.
pub fn become_program(program: &mut Command) -> io::Result<ExitStatus> {
    use std::os::unix::process::CommandExt;
    Err(program.exec())
}

/// Time since boot, sleep included (`CLOCK_BOOTTIME`). Never goes back.
#[must_use]
pub fn elapsed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
