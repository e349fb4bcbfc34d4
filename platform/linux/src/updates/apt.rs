//! Debian and its family: dpkg's status against the package lists of the security suites, without network, without
//! a lock, as any user. An installed package that is older than what a security suite offers waits for an update,
//! held back or not.

use super::paragraphs::{Package, Paragraphs, field, file};
use super::version::compare;
use super::{Lists, PendingUpdates};
use crate::run::Commands;
use crate::{Root, date};
use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;
use vitalsign_protocol::fact::Reason;

/// Path of dpkg's list of installed packages.
pub(crate) const STATUS: &str = "/var/lib/dpkg/status";
const LISTS: &str = "/var/lib/apt/lists";
/// Touched when an update of the lists has succeeded; by programs that not every system has.
const STAMPS: [&str; 2] =
    ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/periodic/update-stamp"];
const COMPRESSIONS: [&str; 7] = ["", ".lz4", ".gz", ".xz", ".zst", ".bz2", ".lzma"];

/// The package lists of all security suites.
pub(crate) fn lists(root: &Root, now: u64) -> Result<Option<Lists>, Reason> {
    let names = root.names(LISTS)?;
    let releases = names.iter().filter(|name| name.ends_with("_InRelease") || name.ends_with("_Release"));
    let mut lists = Lists { key: format!("apt {}", root.stamp(STATUS)?), ..Lists::default() };
    let (mut any, mut heard) = (false, None);
    for release in releases {
        any = true;
        let head = head(root, release)?;
        if !is_security(&head) {
            continue;
        }
        let suite = heard_from(root, release, &head, now)?;
        heard = Some(heard.map_or(suite, |oldest: u64| oldest.min(suite)));
        let base = release.trim_end_matches("InRelease").trim_end_matches("Release");
        let before = lists.files.len();
        let is_list = |name: &&String| {
            let end = name.strip_prefix(base).and_then(|rest| rest.rsplit_once("_Packages"));
            end.is_some_and(|(_, compression)| COMPRESSIONS.contains(&compression))
        };
        lists.files.extend(names.iter().filter(is_list).cloned());
        if lists.files.len() == before {
            // The suite is known, but what it offers is not.
            return Err(Reason::Failed);
        }
    }
    let Some(heard) = heard else {
        // Without any list the state is unknown; with lists but no security suite, the system does not learn
        // of security updates.
        return if any { Ok(None) } else { Err(Reason::Stale) };
    };
    let stamps = STAMPS.iter().filter_map(|stamp| root.stamp(stamp).ok()).map(|stamp| stamp.modified);
    lists.checked = stamps.fold(heard, u64::max);
    lists.files.sort();
    lists.files.dedup();
    for name in &lists.files {
        lists.key += &format!(" {name} {}", root.stamp(format!("{LISTS}/{name}"))?);
    }
    Ok(Some(lists))
}

/// The first paragraph of a Release file, before its lists of digests.
fn head(root: &Root, release: &str) -> Result<String, Reason> {
    let mut head = Vec::new();
    root.open(format!("{LISTS}/{release}"))?.take(4096).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn is_security(head: &str) -> bool {
    ["Suite", "Codename", "Label", "Origin"]
        .iter()
        .filter_map(|name| field(head, name))
        .any(|value| value.to_ascii_lowercase().ends_with("-security"))
}

/// Time at which the suite was last known to be current, in seconds since 1970.
///
/// The file's modification time is the server's, and its `Date` is when the archive was signed: both are earlier
/// than the fetch. Its change time is when it was fetched, or found unchanged: apt then sets its times again, and
/// does not when the archive could not be reached. A suite whose maker's own time limit is over is too old in any
/// case.
fn heard_from(root: &Root, release: &str, head: &str, now: u64) -> Result<u64, Reason> {
    let until = field(head, "Valid-Until").and_then(date::release);
    if until.is_some_and(|until| until < now) {
        return Err(Reason::Stale);
    }
    let signed = field(head, "Date").and_then(date::release).unwrap_or(0);
    let changed = if root.is_live() { root.stamp(format!("{LISTS}/{release}"))?.changed } else { 0 };
    Ok(signed.max(changed))
}

/// Every installed package that a security suite offers a newer version of.
pub(crate) fn waiting(root: &Root, commands: &Commands, lists: &Lists) -> Result<PendingUpdates, Reason> {
    let installed = installed(root)?;
    let mut waiting = PendingUpdates::new();
    let mut offer = |package: &Package| {
        let key = (package.name.clone(), installed.architecture(package).to_owned());
        if let Some(version) = installed.versions.get(&key)
            && compare(version, &package.version).is_lt()
        {
            // The installed version is part of the name, so that a second fix of the same package keeps the
            // first one's date.
            waiting.insert(format!("{}:{} {version}", key.0, key.1));
        }
    };
    for name in &lists.files {
        let path = format!("{LISTS}/{name}");
        if name.ends_with("_Packages") {
            file(root, &path, &mut offer)?;
            continue;
        }
        // apt's own reader knows every compression that apt writes.
        let mut paragraphs = Paragraphs::new(&mut offer);
        let path = root.path(&path);
        let (helper, path) = ("/usr/lib/apt/apt-helper", path.to_string_lossy());
        let mut take = |bytes: &[u8]| paragraphs.push(bytes);
        match commands.stream(name, helper, &["cat-file", &path], Duration::from_secs(20), &mut take)? {
            Some(0) => paragraphs.finish(),
            _ => return Err(Reason::Failed),
        }
    }
    Ok(waiting)
}

struct Installed {
    versions: HashMap<(String, String), String>,
    native: String,
}

impl Installed {
    /// A package for all architectures can become one for the machine's own, and the other way round.
    fn architecture<'a>(&'a self, package: &'a Package) -> &'a str {
        if package.architecture == "all" { &self.native } else { &package.architecture }
    }
}

fn installed(root: &Root) -> Result<Installed, Reason> {
    let mut packages = Vec::new();
    file(root, STATUS, |package| {
        let state = package.status.rsplit(' ').next().unwrap_or_default();
        if !matches!(state, "" | "not-installed" | "config-files") && !package.version.is_empty() {
            packages.push(package.clone());
        }
    })?;
    // dpkg is always of the machine's own architecture.
    let native = packages.iter().find(|package| package.name == "dpkg").ok_or(Reason::Malformed)?;
    let mut installed = Installed { versions: HashMap::new(), native: native.architecture.clone() };
    for package in packages {
        let key = (package.name.clone(), installed.architecture(&package).to_owned());
        installed.versions.insert(key, package.version);
    }
    Ok(installed)
}

/// The installed version of a package, of whatever architecture.
pub(crate) fn version_of(root: &Root, names: &[&str]) -> Result<Option<String>, Reason> {
    let mut version = None;
    file(root, STATUS, |package| {
        if names.contains(&&*package.name) && package.status.ends_with(" installed") {
            version = Some(package.version.clone());
        }
    })?;
    Ok(version)
}
