//! Linux.

mod files;
mod manager;
mod privileges;
mod socket;

pub use files::{create_private, give_to_owner_of, is_private, private_folder, sync_folder};
pub use manager::notify_manager;
pub use privileges::limit_privileges;
pub use socket::{Listener, Stream, connect};

use crate::Settings;
use std::time::Duration;
use vitalsign_linux::Root;
use vitalsign_platform::Probe;

/// Every probe of this system.
#[must_use]
pub fn probes(settings: &Settings) -> Vec<Probe> {
    vitalsign_linux::probes(&Root::at(&settings.root), &settings.state.join("memory"))
}

/// Time since boot, sleep included (`CLOCK_BOOTTIME`). Never goes back.
#[must_use]
pub fn elapsed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
