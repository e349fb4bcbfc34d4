//! Reading a Linux device's vital signs.
//!
//! Every probe reads below a [`Root`]: `/` on a real machine, a recorded tree in a test.
#![cfg(target_os = "linux")]

pub mod agent;
mod apt_conf;
pub mod boot;
pub mod date;
pub mod disk;
pub mod edr;
pub mod firewall;
mod image;
pub mod lock;
pub mod names;
pub mod os;
pub mod release;
pub mod root;
pub mod run;
pub mod seat;
pub mod updates;
pub mod watch;

pub use root::Root;

use lock::LoginSession;
use std::path::Path;
use vitalsign_platform_api::Probe;

/// Every probe of this device. `memory` is a folder that only the caller writes to, where probes cache results.
/// `session` is the user's session whose settings count; without one, only enforced settings do.
#[must_use]
pub fn probes(root: &Root, memory: &Path, session: Option<LoginSession>) -> Vec<Probe> {
    let mut probes = os::probes(root, memory);
    probes.extend(disk::probes(root));
    probes.extend(firewall::probes(root));
    probes.extend(boot::probes(root));
    probes.extend(edr::probes(root));
    probes.extend(lock::probes(root, session));
    probes.extend(agent::probes(root, env!("CARGO_PKG_VERSION")));
    probes
}
