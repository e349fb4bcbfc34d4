//! Security updates that wait: how many, since when, who says so, and when that source last heard from its
//! repositories: from the one that it heard of longest ago. "None" from lists that are a month old is not good, it is unknown.

pub(crate) mod apt;
mod locks;
mod memory;
pub(crate) mod paragraphs;
pub(crate) mod pins;
pub(crate) mod rpm;
mod sources;
pub mod version;

use crate::image;
use crate::run::Commands;
use crate::{Root, date};
use memory::Memory;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};

/// Package lists say nothing any more after a week.
const STALE: u64 = 7 * 86_400;
const HOUR: u64 = 3600;

/// Pending updates.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingUpdates {
    /// A name for each package or advisory, which is stable while the update is pending.
    pub(crate) names: BTreeSet<String>,
    /// Number of them that a hold or a pin keeps back, if the source says.
    pub(crate) held: Option<u64>,
}

/// The package lists of a source, not read yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    /// Changes whenever reading them would give another result.
    pub(crate) key: String,
    /// Time of the source's last contact with its repositories, in seconds since 1970.
    pub(crate) checked: u64,
    /// Whether the result expires after an hour.
    pub(crate) hourly: bool,
    /// Names of the lists' files, for apt.
    pub(crate) files: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Apt,
    Dnf,
    Zypper,
    /// An image that ostree or bootc replaces as a whole.
    Image,
    /// Ubuntu Core.
    Snap,
}

/// Facts of this probe in the submodule `os`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    /// Package manager: `apt`, `dnf`, `zypper`, `ostree` or `snap`.
    pub source: Fact<String>,
    /// Number of pending security updates.
    pub waiting: Fact<u64>,
    /// Time since which the oldest pending update is known, in seconds since 1970.
    pub since: Fact<u64>,
    /// Number of pending security updates that a hold or a pin keeps back.
    pub held: Fact<u64>,
    /// Time of the source's last contact with its repositories, in seconds since 1970.
    pub checked: Fact<u64>,
}

/// Reads waiting security updates. `memory` is a folder for what has to be remembered.
#[must_use]
pub fn probe(root: &Root, memory: &Path) -> Probe {
    let (root, memory) = (root.clone(), memory.to_owned());
    let read = move || Ok(read(&root, &Commands::of(&root), &memory, date::seconds(SystemTime::now())));
    Probe::new("os.updates", Duration::from_secs(30), read, |posture, seen: Result<Updates, Reason>| {
        let failed = |reason: Reason| Updates {
            source: Fact::Unreadable(reason),
            waiting: Fact::Unreadable(reason),
            since: Fact::Unreadable(reason),
            held: Fact::Unreadable(reason),
            checked: Fact::Unreadable(reason),
        };
        let updates = seen.unwrap_or_else(failed);
        posture.os.updates_source = updates.source;
        posture.os.security_updates = updates.waiting;
        posture.os.security_updates_since = updates.since;
        posture.os.security_updates_held = updates.held;
        posture.os.updates_checked = updates.checked;
    })
}

/// The facts at a moment.
#[must_use]
pub fn read(root: &Root, commands: &Commands, memory: &Path, now: u64) -> Updates {
    let Some(source) = source(root) else {
        let no = || Fact::Unsupported;
        return Updates { source: Fact::Unsupported, waiting: no(), since: no(), held: no(), checked: no() };
    };
    let (name, lists) = match source {
        Source::Apt => ("apt", apt::lists(root, now)),
        Source::Dnf => ("dnf", rpm::dnf_lists(root)),
        Source::Zypper => ("zypper", rpm::zypper_lists(root)),
        // What an image's updates fix is not said on the device, nor when its source was last asked.
        Source::Image => ("ostree", Ok(None)),
        Source::Snap => ("snap", Ok(None)),
    };
    let mut updates = Updates { source: Fact::Known(name.to_owned()), ..Updates::default() };
    let unknown = |updates: &mut Updates, fact: Fact<u64>| {
        updates.waiting = fact.clone();
        updates.since = fact.clone();
        updates.held = fact;
    };
    let lists = match lists {
        Ok(Some(lists)) => lists,
        Ok(None) => {
            unknown(&mut updates, Fact::Unsupported);
            updates.checked = Fact::Unsupported;
            return updates;
        }
        Err(reason) => {
            unknown(&mut updates, Fact::Unreadable(reason));
            updates.checked = Fact::Unreadable(reason);
            return updates;
        }
    };
    updates.checked = Fact::Known(lists.checked);
    if now.saturating_sub(lists.checked) > STALE {
        unknown(&mut updates, Fact::Unreadable(Reason::Stale));
        return updates;
    }
    let mut known = Memory::load(memory);
    if !known.answers(&lists, now) {
        let waiting = match source {
            Source::Apt => apt::waiting(root, commands, &lists),
            Source::Dnf => rpm::dnf(root, commands),
            Source::Zypper => rpm::zypper(root, commands),
            Source::Image | Source::Snap => Err(Reason::Failed),
        };
        match waiting {
            Ok(waiting) => known.learn(&lists, waiting, now),
            Err(reason) => {
                unknown(&mut updates, Fact::Unreadable(reason));
                return updates;
            }
        }
        if known.save(memory).is_err() {
            // Without a stored result, updates would always seem to be pending since now.
            updates.waiting = known.count();
            updates.held = known.held();
            updates.since =
                if known.since().is_some() { Fact::Unreadable(Reason::Failed) } else { Fact::Unsupported };
            return updates;
        }
    }
    updates.waiting = known.count();
    updates.held = known.held();
    updates.since = Fact::or_unsupported(known.since());
    updates
}

/// Returns the source of updates: by the system's family, or by the tools that exist.
pub(crate) fn source(root: &Root) -> Option<Source> {
    let release = crate::release::fields(root).unwrap_or_default();
    let family = ["ID", "ID_LIKE"].map(|name| release.get(name).cloned().unwrap_or_default()).join(" ");
    let is = |names: &[&str]| family.split_ascii_whitespace().any(|word| names.contains(&word));
    let (apt, dnf, zypper) = (
        root.exists(apt::STATUS) && root.exists("/etc/apt"),
        root.exists("/usr/bin/dnf") || root.exists("/usr/bin/dnf5"),
        root.exists("/usr/bin/zypper"),
    );
    let dnf = dnf && rpm::database(root).is_some();
    let zypper = zypper && rpm::database(root).is_some();
    let suse =
        family.split_ascii_whitespace().any(|word| word.starts_with("suse") || word.starts_with("opensuse"));
    match () {
        // Their package managers are there, and do not update the system.
        () if image::is_image(root) => Some(Source::Image),
        () if image::is_snaps(root) => Some(Source::Snap),
        () if apt && is(&["debian", "ubuntu"]) => Some(Source::Apt),
        () if zypper && suse => Some(Source::Zypper),
        () if dnf && is(&["fedora", "rhel", "centos"]) => Some(Source::Dnf),
        () if apt => Some(Source::Apt),
        () if zypper => Some(Source::Zypper),
        () if dnf => Some(Source::Dnf),
        () => None,
    }
}
