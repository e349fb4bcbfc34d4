//! Functions of the system on Linux.

mod files;
mod manager;
mod privileges;
mod socket;
mod terminal;

pub use files::{
    create_private, exposure, give_to_owner_of, is_ours, is_private, is_readable_by_all, machine_id,
    private_folder, sync_folder,
};
pub use manager::notify_manager;
pub use privileges::limit_privileges;
pub use socket::{Listener, PeerId, SocketStream, connect};
pub use terminal::Terminal;

use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

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
