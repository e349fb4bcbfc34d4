//! Systems whose turn has not come: what the standard library gives, and an honest refusal of the rest.

use crate::Settings;
use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::Duration;
use vitalsign_os::PeerId;
use vitalsign_platform_api::{Change, Probe};
use vitalsign_protocol::device_names::{AssetTag, HostName};
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Agent, Boot, Disk, Edr, Firewall, Lock, Os};

/// Returns one probe with the facts known at compile time; all other facts are unsupported on this system.
pub fn probes(_: &Settings) -> Vec<Probe> {
    let known = |text: &str| Fact::Known(text.to_owned());
    vec![Probe::new(
        "system",
        Duration::from_secs(1),
        || Ok::<_, Reason>(()),
        move |posture, _| {
            posture.os = Os {
                name: known(std::env::consts::OS),
                arch: known(std::env::consts::ARCH),
                version: Fact::Unsupported,
                build: Fact::Unsupported,
                kernel: Fact::Unsupported,
                kernel_installed: Fact::Unsupported,
                security_updates: Fact::Unsupported,
                security_updates_since: Fact::Unsupported,
                security_updates_held: Fact::Unsupported,
                updates_source: Fact::Unsupported,
                updates_checked: Fact::Unsupported,
                reboot_required: Fact::Unsupported,
                last_update: Fact::Unsupported,
                automatic_updates: Fact::Unsupported,
                support_ends: Fact::Unsupported,
            };
            posture.disk = Disk { volumes: Fact::Unsupported };
            posture.edr = Edr { products: Fact::Unsupported };
            posture.firewall = Firewall {
                inbound_blocked: Fact::Unsupported,
                engine: Fact::Unsupported,
                manager: Fact::Unsupported,
                profiles: Fact::Unsupported,
                open_tcp: Fact::Unsupported,
                open_tcp_count: Fact::Unsupported,
                open_udp: Fact::Unsupported,
                open_udp_count: Fact::Unsupported,
                published_tcp: Fact::Unsupported,
                published_udp: Fact::Unsupported,
            };
            posture.lock = Lock {
                automatic: Fact::Unsupported,
                idle_seconds: Fact::Unsupported,
                grace_seconds: Fact::Unsupported,
                source: Fact::Unsupported,
            };
            posture.boot = Boot {
                secure_boot: Fact::Unsupported,
                setup_mode: Fact::Unsupported,
                lockdown: Fact::Unsupported,
                measured_boot: Fact::Unsupported,
                event_log: Fact::Unsupported,
                hypervisor: Fact::Unsupported,
                test_signing: Fact::Unsupported,
                integrity_protection: Fact::Unsupported,
            };
            posture.agent = Agent { version: known(env!("CARGO_PKG_VERSION")), digest: Fact::Unsupported };
        },
    )]
}

/// Returns `None`: host names are not read on this system.
#[must_use]
pub fn host_name(_: &Path) -> Option<HostName> {
    None
}

/// Returns `None`: asset tags are not read on this system.
#[must_use]
pub fn asset_tag(_: &Path) -> Option<AssetTag> {
    None
}

#[derive(Debug)]
pub enum SystemWatch {}

/// Nothing is pushed here.
///
/// # Errors
/// `Unsupported`.
pub fn watch(_: Sender<Change>) -> io::Result<SystemWatch> {
    Err(io::ErrorKind::Unsupported.into())
}

impl SystemWatch {
    #[must_use]
    pub fn blind(&self) -> Vec<String> {
        match *self {}
    }
    #[must_use]
    pub fn sees_locks(&self) -> bool {
        match *self {}
    }
    pub fn refresh(&self) {
        match *self {}
    }
}

/// Returns `false`: no session is known to be in front.
#[must_use]
pub fn is_in_front(_: PeerId) -> bool {
    false
}

/// Returns `None`: seats are not read on this system.
#[must_use]
pub fn users_in_front() -> Option<Vec<PeerId>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_platform_api::Collector;

    #[test]
    fn no_fact_of_another_system_stays_unread() {
        let settings = Settings { root: "/".into(), state: None, session: None };
        let posture = Collector::default().collect(probes(&settings), |_| {});
        let submodules = serde_json::to_value(&posture).unwrap();
        // The device's key adds its own facts.
        for (name, facts) in submodules.as_object().unwrap().iter().filter(|(name, _)| *name != "key") {
            assert!(!facts.to_string().contains("unreadable"), "{name}: {facts}");
        }
    }
}
