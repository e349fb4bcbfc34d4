//! Debian and its family: dpkg's status against the package lists of the security suites, without network, without
//! a lock, as any user. An installed package that is older than what a security suite offers waits for an update,
//! held back or not.

pub(crate) use super::paragraphs::field;
use super::paragraphs::{Package, Paragraphs, file};
use super::pins::{Pin, Pins};
use super::version::compare;
use super::{Lists, PendingUpdates, sources};
use crate::run::Commands;
use crate::{Root, date, release};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::time::Duration;
use vitalsign_protocol::fact::Reason;

/// Path of dpkg's list of installed packages.
pub(crate) const STATUS: &str = "/var/lib/dpkg/status";
const LISTS: &str = "/var/lib/apt/lists";
/// A security archive of a release that its makers support is signed again at least as often, in seconds.
const RENEWED: u64 = 14 * 86_400;
const COMPRESSIONS: [&str; 7] = ["", ".lz4", ".gz", ".xz", ".zst", ".bz2", ".lzma"];

/// The package lists of all enabled security suites. They are as old as the suite that was heard of longest ago.
///
/// apt's own stamps are no evidence: an update that reaches no archive touches them all the same.
pub(crate) fn lists(root: &Root, now: u64) -> Result<Option<Lists>, Reason> {
    let names = root.names(LISTS)?;
    let enabled = sources::suites(root, &native(root))?;
    let bases = |name: &str| {
        ["InRelease", "Release"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned)
    };
    let releases =
        names.iter().filter_map(|name| Some((name, bases(name).filter(|base| base.ends_with('_'))?)));
    // Lists of a source that was removed stay until apt's next update.
    let is_enabled =
        |base: &str| enabled.as_ref().is_none_or(|suites| suites.iter().any(|suite| suite.base == base));
    let releases: Vec<_> = releases.filter(|(_, base)| is_enabled(base)).collect();
    let mut lists = Lists { key: format!("apt {}", root.stamp(STATUS)?), ..Lists::default() };
    let mut checked = None;
    let (codename, supported) = (release::codename(root), release::is_supported(root, has_esm, now));
    for (release, base) in &releases {
        let head = head(root, release)?;
        if !is_security(&head) || is_esm(&head) && esm_is_pinned(root)? {
            continue;
        }
        if codename.as_ref().is_some_and(|codename| is_of_another_release(&head, codename)) {
            continue;
        }
        let heard = heard_from(root, release, &head, now)?;
        let frozen = snapshot(base).or_else(|| signed(&head).filter(|_| supported)?.checked_add(RENEWED));
        let suite = frozen.map_or(heard, |frozen| frozen.min(heard));
        checked = Some(checked.map_or(suite, |oldest: u64| oldest.min(suite)));
        let before = lists.files.len();
        let is_list = |name: &&String| {
            let end = name.strip_prefix(base.as_str()).and_then(|rest| rest.rsplit_once("_Packages"));
            end.is_some_and(|(_, compression)| COMPRESSIONS.contains(&compression))
        };
        lists.files.extend(names.iter().filter(is_list).cloned());
        if lists.files.len() == before {
            // The suite is known, but what it offers is not.
            return Err(Reason::Failed);
        }
    }
    // A security suite that is enabled, and was never reached.
    let suites = enabled.iter().flatten().filter(|suite| suite.is_security);
    if suites.clone().any(|suite| !releases.iter().any(|(_, base)| *base == suite.base)) {
        return Err(Reason::Stale);
    }
    let Some(checked) = checked else {
        // Without any list the state is unknown; with lists but no security suite, the system does not learn
        // of security updates.
        return if releases.is_empty() { Err(Reason::Stale) } else { Ok(None) };
    };
    lists.checked = checked;
    lists.files.sort();
    lists.files.dedup();
    for name in &lists.files {
        lists.key += &format!(" {name} {}", root.stamp(format!("{LISTS}/{name}"))?);
    }
    Ok(Some(lists))
}

/// The machine's own architecture, in apt's words.
fn native(root: &Root) -> String {
    let arch = if root.is_live() { Some(sysinfo::System::cpu_arch()) } else { None };
    let arch = arch.or_else(|| root.text_if_there("/proc/sys/kernel/arch").ok().flatten());
    match arch.as_deref() {
        None | Some("x86_64") => "amd64".to_owned(),
        Some("aarch64") => "arm64".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// The first paragraph of a Release file, before its lists of digests.
fn head(root: &Root, release: &str) -> Result<String, Reason> {
    let mut head = Vec::new();
    root.open(format!("{LISTS}/{release}"))?.take(4096).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Heads of the Release files of the system's own security suites that are enabled.
pub(crate) fn security_releases(root: &Root) -> Result<Vec<String>, Reason> {
    let enabled = sources::suites(root, &native(root))?;
    let mut heads = Vec::new();
    for name in root.names(LISTS)? {
        let Some(base) = name.strip_suffix("InRelease").or_else(|| name.strip_suffix("Release")) else {
            continue;
        };
        if enabled.as_ref().is_none_or(|suites| suites.iter().any(|suite| suite.base == base)) {
            heads.push(head(root, &name)?);
        }
    }
    heads.retain(|head| is_security(head) && !is_esm(head));
    Ok(heads)
}

/// The name ends so. Debian testing has such a suite too, which is empty: its fixes come with all others
/// (<https://wiki.debian.org/DebianTesting>).
fn is_security(head: &str) -> bool {
    if field(head, "Suite") == Some("testing-security") {
        return false;
    }
    ["Suite", "Codename", "Label", "Origin"]
        .iter()
        .filter_map(|name| field(head, name))
        .any(|value| value.to_ascii_lowercase().ends_with("-security"))
}

/// Returns whether a security suite of Debian or Ubuntu is one of a release that this system is not: what it offers says
/// nothing about the packages here.
fn is_of_another_release(head: &str, codename: &str) -> bool {
    let is_other = |name: &str| field(head, name).is_some_and(|found| !found.starts_with(codename));
    is_makers(head) && is_other("Codename") && field(head, "Suite").is_none_or(|_| is_other("Suite"))
}

fn is_makers(head: &str) -> bool {
    field(head, "Origin").is_some_and(|origin| matches!(origin, "Debian" | "Ubuntu"))
}

/// Time at which the archive was signed. A mirror that is no longer synchronised offers it for ever, and Ubuntu's archives
/// have no time limit.
fn signed(head: &str) -> Option<u64> {
    field(head, "Date").filter(|_| is_makers(head)).and_then(date::release)
}

/// Suites of Ubuntu Pro: the security updates of a release after its standard support.
fn is_esm(head: &str) -> bool {
    field(head, "Origin").is_some_and(|origin| matches!(origin, "UbuntuESM" | "UbuntuESMApps"))
}

/// Without a subscription Ubuntu lists these suites so that people see what they miss, and pins them to `never`.
fn esm_is_pinned(root: &Root) -> Result<bool, Reason> {
    let is_esm = |pin: &Pin| pin.priority < 0 && pin.target.contains("ubuntuesm");
    Ok(Pins::read(root)?.0.iter().any(is_esm))
}

/// Returns whether the security updates of Ubuntu Pro for the system itself (`esm-infra`) are subscribed to and fetched.
pub(crate) fn has_esm(root: &Root) -> Result<bool, Reason> {
    let enabled = sources::suites(root, &native(root))?;
    for name in root.names(LISTS)? {
        let Some(base) = name.strip_suffix("InRelease").or_else(|| name.strip_suffix("Release")) else {
            continue;
        };
        let is_enabled = enabled.as_ref().is_none_or(|suites| suites.iter().any(|suite| suite.base == base));
        if is_enabled && name.contains("-infra-security") && is_esm(&head(root, &name)?) {
            return esm_is_pinned(root).map(|pinned| !pinned);
        }
    }
    Ok(false)
}

/// Time of the archive's state that a source names: `snapshot.ubuntu.com_ubuntu_20240301T030400Z_dists_…`. However often apt
/// asks for it, it never changes, and Ubuntu's have no time limit
/// (<https://documentation.ubuntu.com/server/how-to/software/snapshot-service/>).
fn snapshot(base: &str) -> Option<u64> {
    base.split('_').find_map(|part| {
        let (day, time) = part.strip_suffix('Z')?.split_once('T')?;
        let is_number = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(day, 8) || !is_number(time, 6) {
            return None;
        }
        date::iso(&format!("{}-{}-{}", day.get(..4)?, day.get(4..6)?, day.get(6..)?))
    })
}

/// Time at which the suite was last known to be current, in seconds since 1970.
///
/// The file's modification time is the server's, and its `Date` is when the archive was signed: both are earlier
/// than the fetch. Its change time is when it was fetched or found unchanged, and its signature verified: apt sets its
/// owner and mode again, and does not when the archive could not be reached or is not signed rightly. Recorded trees
/// have no change time, so that the modification time has to do. A suite whose maker's own time limit is over is too old
/// in any case.
fn heard_from(root: &Root, release: &str, head: &str, now: u64) -> Result<u64, Reason> {
    let until = field(head, "Valid-Until").and_then(date::release);
    if until.is_some_and(|until| until < now) {
        return Err(Reason::Stale);
    }
    let signed = field(head, "Date").and_then(date::release).unwrap_or(0);
    let stamp = root.stamp(format!("{LISTS}/{release}"))?;
    Ok(signed.max(if root.is_live() { stamp.changed } else { stamp.modified }))
}

/// Every installed package that a security suite offers a newer version of, held back or not. Security updates are never
/// phased (apt's PhasedUpdater), so that a suite's percentage changes nothing.
pub(crate) fn waiting(root: &Root, commands: &Commands, lists: &Lists) -> Result<PendingUpdates, Reason> {
    let installed = installed(root)?;
    let pins = Pins::read(root)?;
    let mut waiting = BTreeSet::new();
    let mut held = BTreeSet::new();
    let mut offer = |package: &Package| {
        let key = (package.name.clone(), installed.architecture(package).to_owned());
        if let Some(version) = installed.versions.get(&key)
            && compare(version, &package.version).is_lt()
        {
            // The installed version is part of the name, so that a second fix of the same package keeps the
            // first one's date.
            let name = format!("{}:{} {version}", key.0, key.1);
            if installed.held.contains(&key) || pins.keep_back(&package.name, &package.version) {
                held.insert(name.clone());
            }
            waiting.insert(name);
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
    Ok(PendingUpdates { names: waiting, held: u64::try_from(held.len()).ok() })
}

struct Installed {
    versions: HashMap<(String, String), String>,
    /// Packages on hold (`apt-mark hold`).
    held: HashSet<(String, String)>,
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
    let mut installed =
        Installed { versions: HashMap::new(), held: HashSet::new(), native: native.architecture.clone() };
    for package in packages {
        let key = (package.name.clone(), installed.architecture(&package).to_owned());
        if package.status.starts_with("hold ") {
            installed.held.insert(key.clone());
        }
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
