//! Operating system: release, kernel and updates.

pub mod automatic;
pub mod kernel;
pub mod reboot;
mod unattended;
mod units;

use crate::image;
use crate::run::Commands;
use crate::updates::{Source, apt, rpm, source};
use crate::{Root, updates};
use std::path::Path;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};

/// The probes of `os`. `memory` is the folder for what has to be remembered.
#[must_use]
pub fn probes(root: &Root, memory: &Path) -> Vec<Probe> {
    let soon = Duration::from_secs(5);
    let of = |root: &Root| root.clone();
    let (release, kernel, installed, automatic) = (of(root), of(root), of(root), of(root));
    let (reboot, kept) = (of(root), memory.to_owned());
    vec![
        Probe::new(
            "os.release",
            soon,
            move || crate::release::read(&release, apt::has_esm),
            crate::release::put,
        ),
        Probe::new("os.kernel", soon, move || kernel::read(&kernel), kernel::put),
        Probe::new(
            "os.last-update",
            soon,
            move || Ok(last_update(&installed)),
            |posture, seen| {
                posture.os.last_update = seen.unwrap_or_else(Fact::Unreadable);
            },
        ),
        Probe::new(
            "os.automatic",
            soon,
            move || Ok(automatic::read(&automatic)),
            |posture, seen| {
                posture.os.automatic_updates = seen.unwrap_or_else(Fact::Unreadable);
            },
        ),
        Probe::new(
            "os.reboot",
            Duration::from_secs(20),
            move || Ok(reboot::read(&reboot, &Commands::of(&reboot), &kept)),
            |posture, seen| posture.os.reboot_required = seen.unwrap_or_else(Fact::Unreadable),
        ),
        updates::probe(root, memory),
    ]
}

/// Returns when software was last installed or updated, in seconds since 1970.
#[must_use]
pub fn last_update(root: &Root) -> Fact<u64> {
    let modified =
        |path: &str| Fact::from(root.stamp(path).map(|stamp| stamp.modified).map_err(Reason::from));
    match source(root) {
        Some(Source::Image) => image::last_update(root),
        Some(Source::Snap) => image::last_snap(root),
        Some(Source::Apt) => {
            // dpkg writes a package's list of files when it unpacks the package, and only then.
            let newest = root.names("/var/lib/dpkg/info").map(|names| {
                let lists = names.iter().filter(|name| name.ends_with(".list"));
                let stamps = lists.filter_map(|name| root.stamp(format!("/var/lib/dpkg/info/{name}")).ok());
                stamps.map(|stamp| stamp.modified).max()
            });
            match newest {
                Ok(Some(newest)) => Fact::Known(newest),
                _ => modified(apt::STATUS),
            }
        }
        Some(Source::Dnf | Source::Zypper) => Fact::or_unsupported(rpm::database(root)),
        None if root.exists("/var/lib/pacman/local") => modified("/var/lib/pacman/local"),
        None if root.exists("/lib/apk/db/installed") => modified("/lib/apk/db/installed"),
        None => Fact::Unsupported,
    }
}
