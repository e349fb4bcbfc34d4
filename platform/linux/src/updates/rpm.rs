//! Fedora's and SUSE's families: dnf and zypper say from their caches which advisories apply, without network. They
//! are slow, so that what they said holds while neither the packages nor the caches change, for an hour.

use super::locks::{self, Locks, Package};
use super::pins::matches;
use super::{Lists, PendingUpdates};
use crate::Root;
use crate::run::{Commands, RunError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vitalsign_command::Question;
use vitalsign_protocol::fact::Reason;

const DEADLINE: Duration = Duration::from_secs(25);
const DATABASES: [&str; 6] = [
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite-wal",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
];
/// Folders with one folder per repository in each, and folders of the repositories' settings.
const DNF: ([&str; 2], [&str; 3]) = (
    ["/var/cache/libdnf5", "/var/cache/dnf"],
    ["/etc/yum.repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d"],
);
const DNF_DROP_INS: [&str; 2] = ["/etc/dnf/libdnf5.conf.d", "/usr/share/dnf5/libdnf.conf.d"];
/// Folders of `dnf config-manager setopt` (dnf5): settings of repositories that other files define.
const DNF_OVERRIDES: [&str; 2] = ["/usr/share/dnf5/repos.override.d", "/etc/dnf/repos.override.d"];
/// Beginnings of the names of repositories with additions to a distribution. Their advisories say nothing about the system.
const ADD_ONS: [&str; 5] = ["epel", "rpmfusion", "elrepo", "remi", "copr:"];
/// SUSE's systems whose fixes come as new versions, without patches: "no patch is needed" is always true there.
const SUSE_WITHOUT_PATCHES: [&str; 5] =
    ["opensuse-tumbleweed", "opensuse-slowroll", "opensuse-microos", "opensuse-aeon", "opensuse-kalpa"];
const ZYPPER: ([&str; 1], [&str; 1]) = (["/var/cache/zypp/raw"], ["/etc/zypp/repos.d"]);

/// Time of the last change of the database of installed packages.
pub(crate) fn database(root: &Root) -> Option<u64> {
    DATABASES.iter().filter_map(|path| root.stamp(path).ok()).map(|stamp| stamp.modified).max()
}

/// Identifies the set of installed packages, as part of a cache key.
pub(crate) fn database_key(root: &Root) -> String {
    let stamp = |path: &&str| root.stamp(path).ok().map(|stamp| format!(" {stamp}"));
    DATABASES.iter().filter_map(stamp).collect()
}

/// Returns dnf's cached repository data; `None` if no repository has security advisories.
pub(crate) fn dnf_lists(root: &Root) -> Result<Option<Lists>, Reason> {
    repositories(root, "dnf", &DNF.0, &DNF.1)
}

/// Returns zypper's cached repository data; `None` if no repository has security advisories.
pub(crate) fn zypper_lists(root: &Root) -> Result<Option<Lists>, Reason> {
    let release = crate::release::fields(root)?;
    if release.get("ID").is_some_and(|id| SUSE_WITHOUT_PATCHES.contains(&id.as_str())) {
        return Ok(None);
    }
    repositories(root, "zypper", &ZYPPER.0, &ZYPPER.1)
}

/// The lists are as old as the enabled repository with advisories that was heard of longest ago.
fn repositories(
    root: &Root,
    source: &str,
    caches: &[&str],
    settings: &[&str],
) -> Result<Option<Lists>, Reason> {
    let mut lists = Lists {
        key: format!("{source}{}{}", database_key(root), locks::key(root)),
        hourly: true,
        ..Lists::default()
    };
    let configured = configured(root, settings)?;
    let mut any = false;
    // By repository: when it was last heard of. One that has moved has an older folder too.
    let mut heard: BTreeMap<String, u64> = BTreeMap::new();
    let mut fetched: BTreeSet<String> = BTreeSet::new();
    for cache in caches {
        for repository in root.names(cache)? {
            let id = id(&repository);
            if configured.as_ref().is_some_and(|enabled| !enabled.contains_key(id)) {
                continue;
            }
            let folder = format!("{cache}/{repository}/repodata");
            let names = root.names(&folder).unwrap_or_default();
            let Ok(index) = root.stamp(format!("{folder}/repomd.xml")) else { continue };
            any = true;
            fetched.insert(id.to_owned());
            lists.key += &format!(" {repository} {index}");
            if names.iter().any(|name| name.contains("updateinfo")) {
                // When the repository answers that nothing has changed, zypper touches the index and dnf the list of
                // packages.
                let stamps = names.iter().filter_map(|name| root.stamp(format!("{folder}/{name}")).ok());
                let newest = stamps.map(|stamp| stamp.modified).fold(0, u64::max);
                let known = heard.entry(id.to_owned()).or_default();
                *known = newest.max(*known);
            } else if root
                .text(format!("{folder}/repomd.xml"))
                .is_ok_and(|index| index.contains("\"updateinfo\""))
            {
                // It has advisories, and they were not fetched.
                heard.entry(id.to_owned()).or_default();
            }
        }
    }
    if heard.keys().all(|id| is_add_on(id)) {
        // The makers of the system give no advisories, or their repository is not enabled.
        heard.clear();
    }
    let never = configured.into_iter().flatten().any(|(id, needed)| needed && !fetched.contains(&id));
    match heard.into_values().min() {
        _ if !any => Err(Reason::Stale),
        Some(oldest) if never || oldest == 0 => Err(Reason::Stale),
        Some(oldest) => {
            lists.checked = oldest;
            Ok(Some(lists))
        }
        None if never => Err(Reason::Stale),
        None => Ok(None),
    }
}

/// `updates` of `updates-0123456789abcdef`: dnf adds a digest of the addresses.
fn id(folder: &str) -> &str {
    match folder.rsplit_once('-') {
        Some((id, digest)) if digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => id,
        _ => folder,
    }
}

fn is_add_on(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    ADD_ONS.iter().any(|name| id.starts_with(name))
}

/// Every enabled repository, and whether the package manager cannot do without it. None without any settings.
fn configured(root: &Root, folders: &[&str]) -> Result<Option<BTreeMap<String, bool>>, Reason> {
    let mut enabled = None;
    let can_skip = folders == DNF.1 && skips_by_default(root)?;
    for text in settings(root, folders)? {
        let all: &mut BTreeMap<String, bool> = enabled.get_or_insert_default();
        for (id, body) in sections(&text) {
            if switch(body, "enabled") != Some(false) {
                all.insert(id.to_owned(), !switch(body, "skip_if_unavailable").unwrap_or(can_skip));
            }
        }
    }
    let Some(mut all) = enabled else { return Ok(None) };
    for text in settings(root, &DNF_OVERRIDES)? {
        for (pattern, body) in sections(&text) {
            match switch(body, "enabled") {
                Some(true) if !pattern.contains(['*', '?']) => {
                    all.entry(pattern.to_owned()).or_insert(true);
                }
                Some(false) => all.retain(|id, _| !matches(pattern, id)),
                _ => {}
            }
        }
    }
    Ok(Some(all))
}

/// Returns whether dnf goes on without a repository that says nothing about it: `skip_if_unavailable` of dnf.conf(5), whose
/// own default is no.
fn skips_by_default(root: &Root) -> Result<bool, Reason> {
    let mut skips = false;
    let mut drop_ins = BTreeMap::new();
    for folder in DNF_DROP_INS.iter().rev() {
        drop_ins
            .extend(root.names(folder)?.into_iter().map(|name| (name.clone(), format!("{folder}/{name}"))));
    }
    for file in drop_ins.into_values().filter(|file| file.ends_with(".conf")).chain([locks::DNF.to_owned()]) {
        let text = root.text_if_there(file)?.unwrap_or_default();
        let main = sections(&text).filter(|(name, _)| *name == "main");
        skips = main.filter_map(|(_, body)| switch(body, "skip_if_unavailable")).last().unwrap_or(skips);
    }
    Ok(skips)
}

/// Texts of the files with settings of repositories.
fn settings(root: &Root, folders: &[&str]) -> Result<Vec<String>, Reason> {
    let mut texts = Vec::new();
    for folder in folders {
        for name in root.names(folder)?.iter().filter(|name| name.ends_with(".repo")) {
            texts.push(root.text(format!("{folder}/{name}"))?);
        }
    }
    Ok(texts)
}

/// Names and bodies of the sections of an INI file.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let sections = text.split("\n[").map(|section| section.trim_start().trim_start_matches('['));
    sections.filter_map(|section| section.split_once(']'))
}

/// The last value of a switch in a section.
fn switch(body: &str, name: &str) -> Option<bool> {
    let mut values = body.lines().filter_map(|line| {
        let (found, value) = line.split_once('=')?;
        (found.trim() == name).then(|| value.trim().to_ascii_lowercase())
    });
    match values.next_back()?.as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Packages with a security advisory, as dnf 4 or dnf 5 lists them. Only root gets a reliable answer: for other users,
/// dnf uses a separate cache, and reports nothing if it is empty.
pub(crate) fn dnf(root: &Root, commands: &Commands) -> Result<PendingUpdates, Reason> {
    let output = match commands.ask(Question::Dnf5Advisories) {
        Err(RunError::Missing) => commands.ask(Question::DnfAdvisories)?,
        output => output?,
    };
    let waiting = advisories(&output.success()?).ok_or(Reason::Malformed)?;
    database_opens(commands)?;
    let held = dnf_settings(root).and_then(|settings| Locks::read(root, &settings)).ok().and_then(|locks| {
        let kept: Option<Vec<_>> = waiting.values().map(|versions| locks.keep_back(versions)).collect();
        u64::try_from(kept?.into_iter().filter(|kept| *kept).count()).ok()
    });
    Ok(PendingUpdates { names: waiting.into_keys().collect(), held })
}

/// Files in which packages can be excluded.
fn dnf_settings(root: &Root) -> Result<Vec<String>, Reason> {
    let mut files = vec![locks::DNF.to_owned()];
    for folder in DNF_DROP_INS.iter().chain(&DNF.1) {
        files.extend(root.names(folder)?.iter().map(|name| format!("{folder}/{name}")));
    }
    Ok(files)
}

/// Checks that rpm finds itself: with a database that it cannot open, dnf sees no installed package, finds that nothing
/// waits for one, and ends without an error.
pub(crate) fn database_opens(commands: &Commands) -> Result<(), Reason> {
    let output = commands.ask(Question::RpmDatabase)?.success()?;
    if output.starts_with("rpm-") { Ok(()) } else { Err(Reason::Failed) }
}

/// dnf 4: `ID severity/Sec. package`; dnf 5: `ID security severity package date time`, under a heading.
/// Returns the versions with fixes of each package, by name and architecture.
fn advisories(text: &str) -> Option<BTreeMap<String, Vec<Package>>> {
    let mut waiting: BTreeMap<String, Vec<Package>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let package = match words.as_slice() {
            [] | ["Name", "Type", ..] => continue,
            [_, kind, package] if kind.ends_with("/Sec.") => package,
            [_, "security", _, package, ..] => package,
            // dnf 4 adds after a kernel's update, until the restart, that it "is an installed security update" and which
            // kernel "is the currently running version" (`autocheck_running_kernel` in dnf.conf(5)). Both lines are on
            // standard output, also with `-q`: <https://github.com/future-architect/vuls/issues/165>.
            ["Security:", _, "is", ..] => continue,
            // subscription-manager's plug-in, on a system that is not registered.
            ["Unable", "to", "read", "consumer", "identity"] => continue,
            // What plug-ins say of themselves, in sentences.
            [_, .., last] if last.ends_with('.') && !line.contains("/Sec.") => continue,
            _ => return None,
        };
        // Several advisories can be for one package: it waits once.
        let package = Package::parse(package)?;
        waiting.entry(format!("{}.{}", package.name, package.architecture)).or_default().push(package);
    }
    Some(waiting)
}

/// Security patches that zypper lists as needed, and those that a lock keeps back.
pub(crate) fn zypper(root: &Root, commands: &Commands) -> Result<PendingUpdates, Reason> {
    let args = ["--xmlout", "--non-interactive", "--no-refresh", "list-patches", "--category", "security"];
    let output = commands.output("zypper", "/usr/bin/zypper", &args, DEADLINE)?;
    match output.status {
        // ZYPPER_EXIT_ZYPP_LOCKED and ZYPPER_EXIT_ERR_PRIVILEGES
        Some(7) => Err(Reason::Busy),
        Some(5) => Err(Reason::Denied),
        _ => {
            let (names, unwanted) = patches(&output.success()?).ok_or(Reason::Malformed)?;
            let counted = locks::zypper_locks_packages(root) == Ok(false);
            Ok(PendingUpdates { names, held: counted.then_some(unwanted) })
        }
    }
}

/// Returns the patches that wait, and how many of them are locked.
fn patches(xml: &str) -> Option<(BTreeSet<String>, u64)> {
    // Without its end it is half an answer.
    xml.trim_end().strip_suffix("</stream>")?;
    if !xml.contains("<update-list") || xml.contains("no-update-repositories") {
        return None;
    }
    let (mut waiting, mut locked) = (BTreeSet::new(), 0);
    for element in xml.split("<update ").skip(1) {
        let (attributes, _) = element.split_once('>')?;
        // `unwanted`: needed, and locked.
        let status = attribute(attributes, "status").unwrap_or("needed");
        if attribute(attributes, "kind")? == "patch" && matches!(status, "needed" | "unwanted") {
            let new = waiting.insert(attribute(attributes, "name")?.to_owned());
            locked += u64::from(new && status == "unwanted");
        }
    }
    Some((waiting, locked))
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let start =
        attributes.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix("=\""))?;
    start.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advisory_lists() {
        let set =
            |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>());
        for (text, expected) in [
            ("", set(&[])),
            ("FEDORA-2024-1 Moderate/Sec.  bind-libs-32:9.18.24-1.fc39.x86_64\n", set(&["bind-libs.x86_64"])),
            (
                "RHSA-2024:1 Important/Sec. kernel-5.14.0-427.el9.x86_64\nRHSA-2024:2 Low/Sec. kernel-5.14.0-430.el9.x86_64\n",
                set(&["kernel.x86_64"]),
            ),
            (
                "Name               Type     Severity  Package               Issued\n\
                 FEDORA-2024-a      security Important vim-data-2:9.1-1.fc41.noarch 2024-03-05 00:58:36\n\
                 FEDORA-2024-b      security None      vim-data-2:9.1-2.fc41.noarch 2024-03-06 00:58:36\n",
                set(&["vim-data.noarch"]),
            ),
            ("Updating Subscription Management repositories.\n", set(&[])),
            ("Unable to read consumer identity\n", set(&[])),
            (
                "RHSA-2024:1 Low/Sec. curl-7.76.1-29.el9.x86_64\n\
                 Security: kernel-core-5.14.0-284.30.1.el9_2.x86_64 is an installed security update\n\
                 Security: kernel-core-5.14.0-284.25.1.el9_2.x86_64 is the currently running version\n",
                set(&["curl.x86_64"]),
            ),
            ("FEDORA-2024-1 Moderate bind\n", None),
            ("FEDORA-2024-1 Moderate/Sec. bind\n", None),
        ] {
            assert_eq!(advisories(text).map(|waiting| waiting.into_keys().collect()), expected, "{text}");
        }
    }

    #[test]
    fn patch_lists() {
        let list = |inner: &str| {
            format!(
                "<?xml version='1.0'?>\n<stream>\n<update-status version=\"0.6\">\n{inner}\n</update-status>\n</stream>\n"
            )
        };
        let update = |name: &str, status: &str| {
            format!(
                "<update kind=\"patch\" name=\"{name}\" edition=\"1\" category=\"security\" status=\"{status}\" >\n<summary>Security update for vim</summary></update>"
            )
        };
        let two = format!(
            "<update-list>\n{}{}{}\n</update-list>",
            update("a", "needed"),
            update("b", "applied"),
            update("c", "unwanted")
        );
        let patches_of = |text: &str| {
            patches(text).map(|(waiting, locked)| (waiting.into_iter().collect::<Vec<_>>(), locked))
        };
        assert_eq!(patches_of(&list(&two)), Some((vec!["a".to_owned(), "c".to_owned()], 1)));
        assert_eq!(patches_of(&list("<update-list>\n</update-list>")), Some((vec![], 0)));
        assert_eq!(patches_of("<stream>\n<update-list>"), None);
        let none = "<update-list>\n<appletinfo status=\"no-update-repositories\"/>\n</update-list>";
        assert_eq!(patches_of(&list(none)), None);
        assert_eq!(patches_of("<stream>\n<message type=\"error\">no</message>\n</stream>\n"), None);
    }
}
