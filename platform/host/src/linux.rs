//! Selects probes, keys and change notifications for Linux.

use crate::Settings;
use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;
use vitalsign_linux::lock::LoginSession;
use vitalsign_linux::{Root, names, seat};
use vitalsign_os::PeerId;
use vitalsign_platform_api::{Change, Probe};
use vitalsign_protocol::device_names::{AssetTag, HostName};

/// A path below which nothing can ever be: reading finds nothing, and writing fails.
const NOWHERE: &str = "/dev/null/memory";

/// Every probe of this system.
#[must_use]
pub fn probes(settings: &Settings) -> Vec<Probe> {
    let memory = settings.state.as_ref().map_or_else(|| NOWHERE.into(), |state| state.join("memory"));
    let root = Root::at(&settings.root);
    let session = match &settings.session {
        Some(session) => {
            Some(LoginSession { desktop: session.desktop.clone(), settings: session.settings.clone() })
        }
        None if root.is_live() => LoginSession::from_environment(),
        None => None,
    };
    vitalsign_linux::probes(&root, &memory, session)
}

/// Returns the host name of the system below `root`; `None` if it cannot be read.
#[must_use]
pub fn host_name(root: &Path) -> Option<HostName> {
    names::host_name(&Root::at(root))
}

/// Returns the asset tag in the firmware of the system below `root`; `None` if it has no usable one.
#[must_use]
pub fn asset_tag(root: &Path) -> Option<AssetTag> {
    names::asset_tag(&Root::at(root))
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
    /// Returns sources that cannot be watched, with the reason. Their changes are noticed only by the next
    /// report.
    #[must_use]
    pub fn blind(&self) -> Vec<String> {
        self.0.blind().iter().map(|(source, reason)| format!("{source}: {reason}")).collect()
    }

    /// Returns whether locks of the screen that logind knows of are noticed.
    #[must_use]
    pub fn sees_locks(&self) -> bool {
        self.0.sees_bus()
    }

    /// To be called after a reading: products that have started since are watched from now on.
    pub fn refresh(&self) {
        self.0.refresh();
    }
}

/// Returns whether this user's session is in front of this machine. Where no seats are kept (no logind), every user is.
#[must_use]
pub fn is_in_front(peer: PeerId) -> bool {
    users_in_front().is_none_or(|users| users.contains(&peer))
}

/// Returns the users whose sessions are in front of this machine; `None` where no seats are kept.
#[must_use]
pub fn users_in_front() -> Option<Vec<PeerId>> {
    let users = seat::in_front(&Root::default())?;
    Some(users.into_iter().map(PeerId::of_user).collect())
}
