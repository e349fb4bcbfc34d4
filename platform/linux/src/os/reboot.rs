//! Detects whether a restart is needed to complete an update.

use super::{image, kernel};
use crate::Root;
use crate::run::{Commands, RunError};
use crate::updates::{Source, rpm, source};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use vitalsign_command::Question;
use vitalsign_protocol::fact::{Fact, Reason};

/// Left by packages and package managers until the next start.
const MARKS: [&str; 5] = [
    "/run/reboot-required",
    "/var/run/reboot-required",
    "/run/reboot-needed",
    // Updates that are ready and installed during the next start (systemd.offline-updates(7)).
    "/system-update",
    "/etc/system-update",
];
/// NixOS's system that started, and those that run and start next.
const NIXOS_BOOTED: &str = "/run/booted-system";
const NIXOS_NEXT: [&str; 2] = ["/run/current-system", "/nix/var/nix/profiles/system"];
/// Parts of a NixOS system that only a start changes.
const NIXOS_PARTS: [&str; 3] = ["kernel", "initrd", "kernel-modules"];
/// Programs that leave such a mark on Debian's family: where one is, no mark means no restart.
const MARKERS: [&str; 2] =
    ["/usr/share/update-notifier/notify-reboot-required", "/usr/bin/unattended-upgrade"];
const DEADLINE: Duration = Duration::from_secs(15);

/// Reads it. `memory` is the folder for what a slow program cached.
#[must_use]
pub fn read(root: &Root, commands: &Commands, memory: &Path) -> Fact<bool> {
    if MARKS.iter().any(|mark| root.exists(mark)) {
        return Fact::Known(true);
    }
    match source(root) {
        // All that is installed there is what runs; an update waits beside it.
        Some(Source::Image) => return Fact::Known(image::restart_is_due(root)),
        Some(Source::Snap) => return Fact::from(image::snaps_wait(root)),
        _ => {}
    }
    if root.exists(NIXOS_BOOTED) {
        return nixos(root).into();
    }
    let running = kernel::running(root);
    let newest = running.clone().and_then(|running| kernel::installed(root, &running));
    if let (Ok(running), Ok(Some(newest))) = (&running, &newest)
        && running != newest
    {
        return Fact::Known(true);
    }
    if running.as_ref().is_ok_and(|running| kernel::is_rebuilt(root, running)) {
        return Fact::Known(true);
    }
    match source(root) {
        Some(source @ (Source::Dnf | Source::Zypper)) => required(root, commands, memory, source).into(),
        // Nothing says that a restart is due; that counts where something would say so.
        _ => match newest {
            _ if MARKERS.iter().any(|marker| root.exists(marker)) => Fact::Known(false),
            Ok(Some(_)) => Fact::Known(false),
            Ok(None) => Fact::Unsupported,
            Err(reason) => Fact::Unreadable(reason),
        },
    }
}

/// Returns whether the next start brings another kernel than the one that started.
fn nixos(root: &Root) -> Result<bool, Reason> {
    for part in NIXOS_PARTS {
        let booted = root.link(format!("{NIXOS_BOOTED}/{part}"))?;
        for next in NIXOS_NEXT.iter().filter(|next| root.exists(next)) {
            if root.link(format!("{next}/{part}"))? != booted {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Cached answer of the package manager, valid for the packages of one boot.
#[derive(Serialize, Deserialize)]
struct RebootAnswer {
    key: String,
    required: bool,
}

fn required(root: &Root, commands: &Commands, memory: &Path, source: Source) -> Result<bool, Reason> {
    let boot = root.text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let key = format!("{boot}{}", rpm::database_key(root));
    let file = memory.join("reboot.json");
    let cached =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<RebootAnswer>(&bytes).ok());
    if let Some(cached) = cached.filter(|cached| cached.key == key && !boot.is_empty()) {
        return Ok(cached.required);
    }
    let required = ask(commands, source)?;
    let cached = serde_json::to_vec(&RebootAnswer { key, required }).map_err(|_| Reason::Failed)?;
    // It is only asked again when it could not be kept.
    let new = memory.join("reboot.json.new");
    let _ = std::fs::create_dir_all(memory).and_then(|()| std::fs::write(&new, cached));
    let _ = std::fs::rename(new, file);
    Ok(required)
}

fn ask(commands: &Commands, source: Source) -> Result<bool, Reason> {
    if source == Source::Zypper {
        let output =
            commands.output("zypper-needs-rebooting", "/usr/bin/zypper", &["needs-rebooting"], DEADLINE)?;
        return match output.status {
            Some(0) => Ok(false),
            // ZYPPER_EXIT_INF_REBOOT_NEEDED
            Some(102) => Ok(true),
            Some(7) => Err(Reason::Busy),
            _ => Err(Reason::Failed),
        };
    }
    let output = match commands.ask(Question::Dnf5Restart) {
        Err(RunError::Missing) => commands.ask(Question::DnfRestart)?,
        output => output?,
    };
    // It ends with one for "yes" as for an error: only its words tell.
    match output.status {
        Some(0) => rpm::database_opens(commands).map(|()| false),
        Some(1) if output.text.contains("Reboot is required") => Ok(true),
        _ => Err(Reason::Failed),
    }
}
