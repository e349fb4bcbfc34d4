//! Image-based systems (ostree, bootc, Ubuntu Core): an update is a whole new system, which waits beside the running one.

use crate::Root;
use std::path::Path;
use vitalsign_protocol::fact::{Fact, Reason};

/// ostree's and bootc's own records of a system that is made ready for the next start.
const STAGED: [&str; 2] = ["/run/ostree/staged-deployment", "/run/composefs/staged-deployment"];
/// Folders with one folder per ostree system, with the deployments below `deploy`.
const DEPLOYMENTS: [&str; 2] = ["/ostree/deploy", "/sysroot/ostree/deploy"];
const ENTRIES: &str = "/boot/loader/entries";
const MODEENV: &str = "/var/lib/snapd/modeenv";

/// Returns whether the system is an image of ostree or bootc.
pub(crate) fn is_image(root: &Root) -> bool {
    root.exists("/run/ostree-booted") || root.exists("/run/composefs") && root.exists("/sysroot/state/deploy")
}

/// Returns whether the system consists of snaps.
pub(crate) fn is_snaps(root: &Root) -> bool {
    root.exists(MODEENV)
}

/// Returns whether another system than the running one starts next.
pub(crate) fn restart_is_due(root: &Root) -> bool {
    if STAGED.iter().any(|staged| root.exists(staged)) {
        return true;
    }
    let command_line = root.text("/proc/cmdline").unwrap_or_default();
    match (deployment(&command_line), next(root)) {
        (Some(booted), Some(next)) => !is_same(root, &booted, &next),
        _ => false,
    }
}

/// The deployment that the boot loader starts next: ostree gives the first of its entries the highest version.
fn next(root: &Root) -> Option<String> {
    let names = root.names(ENTRIES).unwrap_or_default();
    let entries = names.iter().filter(|name| name.ends_with(".conf"));
    let entry = |name: &String| {
        let text = root.text(format!("{ENTRIES}/{name}")).ok()?;
        let field = |key: &str| {
            text.lines().filter_map(|line| line.trim().split_once([' ', '\t'])).find(|(name, _)| *name == key)
        };
        let version: u64 = field("version")?.1.trim().parse().ok()?;
        Some((version, deployment(field("options")?.1)?))
    };
    entries.filter_map(entry).max().map(|(_, deployment)| deployment)
}

/// The value of `ostree=`: `/ostree/boot.1/fedora/CHECKSUM/0`.
fn deployment(options: &str) -> Option<String> {
    options.split_ascii_whitespace().find_map(|word| word.strip_prefix("ostree=")).map(str::to_owned)
}

/// Two names of one deployment resolve to one folder. If they cannot be resolved, they differ only in the number of
/// ostree's boot folder, which every update changes.
fn is_same(root: &Root, booted: &str, next: &str) -> bool {
    let resolved = |name: &str| {
        let sysroot = Path::new("/sysroot").join(name.trim_start_matches('/'));
        root.resolve(name).or_else(|_| root.resolve(sysroot)).ok()
    };
    match (resolved(booted), resolved(next)) {
        (Some(booted), Some(next)) => booted == next,
        _ => {
            let tail = |name: &str| name.split('/').skip(3).map(str::to_owned).collect::<Vec<_>>();
            tail(booted) == tail(next)
        }
    }
}

/// Time of the newest deployment. Files of a deployment are dated 1970; its origin is dated rightly.
pub(crate) fn last_update(root: &Root) -> Fact<u64> {
    let mut newest = None;
    for folder in DEPLOYMENTS {
        for system in root.names(folder).unwrap_or_default() {
            let deployments = format!("{folder}/{system}/deploy");
            for name in root.names(&deployments).unwrap_or_default() {
                let origin = root.stamp(format!("{deployments}/{name}")).ok();
                newest = newest.max(origin.filter(|_| name.ends_with(".origin")).map(|stamp| stamp.modified));
            }
        }
    }
    Fact::or_unsupported(newest.filter(|time| *time > 1))
}

/// Returns whether a new base or kernel snap is tried at the next start (snapd's modeenv).
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn snaps_wait(root: &Root) -> Result<bool, Reason> {
    let modeenv = crate::release::assignments(&root.text(MODEENV)?);
    let set = |name: &str| modeenv.get(name).is_some_and(|value| !value.is_empty());
    let current = modeenv.get("current_kernels").map_or(0, |kernels| kernels.split(',').count());
    Ok(set("try_base") || modeenv.get("base_status").is_some_and(|status| status == "try") || current > 1)
}

/// Time at which the newest snap was installed.
pub(crate) fn last_snap(root: &Root) -> Fact<u64> {
    let snaps = root.names("/var/lib/snapd/snaps").unwrap_or_default();
    let snaps = snaps.iter().filter(|name| name.ends_with(".snap"));
    let stamps = snaps.filter_map(|name| root.stamp(format!("/var/lib/snapd/snaps/{name}")).ok());
    Fact::or_unsupported(stamps.map(|stamp| stamp.modified).max())
}
