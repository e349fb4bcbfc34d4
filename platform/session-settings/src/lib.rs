//! Settings of the user's session that the service cannot read, because it runs as its own user: the screen lock.
//!
//! Invariants: every system has the same functions here. A session without a desktop has no settings.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use system::LockSettings;
