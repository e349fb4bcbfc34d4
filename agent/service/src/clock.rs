//! The time and the random numbers that the core is given.

use std::time::{SystemTime, UNIX_EPOCH};
use vitalsign_agent_core::Now;

pub(crate) fn now() -> Now {
    let mut random = [0; 8];
    // Without random numbers there is no jitter, and devices may act in step.
    let _ = getrandom::fill(&mut random);
    Now { elapsed: vitalsign_os::elapsed(), wall: wall(), random: u64::from_ne_bytes(random) }
}

/// Returns the time in seconds since 1970.
pub(crate) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
