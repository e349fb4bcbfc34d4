//! unattended-upgrades: whether what it may install from contains the system's security updates. It compares words with the
//! archives' own, so that a pattern that names security need not match any archive: `${distro_id}` is `Pop` on Pop!_OS,
//! whose security updates have the origin `Ubuntu`, and Debian's suite is `stable-security`, not `bookworm-security`.
//!
//! Sources: `match_whitelist_string` and `get_allowed_origins_legacy` of unattended-upgrades;
//! <https://github.com/pop-os/pop/issues/3946>, <https://github.com/linuxmint/linuxmint/issues/282>,
//! <https://github.com/left-curve/left-curve/pull/1984>, <https://github.com/flxn/tor-relay-configurator/issues/34>.

use crate::Root;
use crate::apt_conf::AptConf;
use crate::release::{assignments, fields};
use crate::updates::apt::{self, field};
use crate::updates::pins::matches;
use std::collections::BTreeMap;
use vitalsign_protocol::fact::Reason;

/// Suites of Debian that move from one release to the next.
const DEBIAN_SUITES: [&str; 4] = ["stable", "oldstable", "oldoldstable", "testing"];
/// Releases of Debian whose security archive has the release's own codename.
const DEBIAN_BEFORE_11: [&str; 5] = ["wheezy", "jessie", "stretch", "buster", "squeeze"];

/// Returns whether the configuration lets the system's security updates be installed, and some package with them.
///
/// # Errors
/// When the system's release or package lists cannot be read.
pub(super) fn installs_security(root: &Root, conf: &AptConf) -> Result<bool, Reason> {
    let is_all =
        |pattern: &str| matches!(pattern, "" | "." | ".*" | ".+" | "^" | "^.*" | "^.+" | ".*$" | "^.*$");
    // Lists of regular expressions: what to leave out, and the only packages to install.
    let nothing = conf.list("unattended-upgrade::package-blacklist").any(is_all);
    let mut only = conf.list("unattended-upgrade::package-whitelist").peekable();
    let some = only.peek().is_some() && !only.any(is_all);
    if nothing || some {
        return Ok(false);
    }
    let Some(patterns) = patterns(conf) else { return Ok(false) };
    let system = System::of(root);
    let archives = system.archives(root)?;
    Ok(patterns.iter().any(|pattern| match &archives {
        Some(archives) => archives.iter().any(|archive| system.takes(pattern, archive)),
        None => pattern.to_ascii_lowercase().contains("security"),
    }))
}

/// Both lists as patterns. `None` if an entry is malformed: the program then ends before it installs anything.
fn patterns(conf: &AptConf) -> Option<Vec<String>> {
    let mut patterns: Vec<_> = conf.list("unattended-upgrade::origins-pattern").map(str::to_owned).collect();
    for entry in conf.list("unattended-upgrade::allowed-origins") {
        let parts: Vec<&str> = match entry.contains(':') {
            true => entry.split(':').collect(),
            false => entry.split_ascii_whitespace().collect(),
        };
        let [origin, archive] = parts.as_slice() else { return None };
        patterns.push(format!("o={origin},a={archive}"));
    }
    Some(patterns)
}

/// Fields of a Release file by the letters of unattended-upgrades; several values where any of them may be.
type Archive = BTreeMap<char, Vec<String>>;

/// Words that stand for the system in a pattern.
struct System {
    /// As `lsb_release -is` says it.
    id: String,
    /// As `lsb_release -cs` says it.
    codename: Option<String>,
    fields: BTreeMap<String, String>,
}

impl System {
    fn of(root: &Root) -> Self {
        let fields = fields(root).unwrap_or_default();
        let lsb = root.text_if_there("/etc/lsb-release").ok().flatten().unwrap_or_default();
        let lsb = assignments(&lsb);
        let get = |lsb_name: &str, name: &str| {
            let value = lsb.get(lsb_name).or_else(|| fields.get(name)).filter(|value| !value.is_empty());
            value.cloned()
        };
        let mut id = get("DISTRIB_ID", "ID").unwrap_or_else(|| "Debian".to_owned());
        if let Some(first) = id.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let codename = get("DISTRIB_CODENAME", "VERSION_CODENAME");
        Self { id, codename, fields }
    }

    /// Archives of security updates: those whose lists are there, else that of the system's makers. `None` if neither is
    /// known.
    fn archives(&self, root: &Root) -> Result<Option<Vec<Archive>>, Reason> {
        let read: Vec<_> = apt::security_releases(root)?.iter().map(|head| archive(head)).collect();
        if !read.is_empty() {
            return Ok(Some(read));
        }
        let codename = self.codename.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        let get = |name: &str| self.fields.get(name).filter(|value| !value.is_empty());
        let own = |name: &str| self.fields.get("ID").is_some_and(|id| id == name).then_some(&codename);
        let known = match (get("UBUNTU_CODENAME").or(own("ubuntu")), get("DEBIAN_CODENAME").or(own("debian")))
        {
            (Some(codename), _) => [
                ('o', vec!["Ubuntu".to_owned()]),
                ('l', vec!["Ubuntu".to_owned()]),
                ('a', vec![format!("{codename}-security")]),
                ('n', vec![codename.clone()]),
            ],
            (None, Some(codename)) => {
                let end = if DEBIAN_BEFORE_11.contains(&codename.as_str()) { "" } else { "-security" };
                [
                    ('o', vec!["Debian".to_owned()]),
                    ('l', vec!["Debian-Security".to_owned()]),
                    ('a', DEBIAN_SUITES.map(|suite| format!("{suite}{end}")).into()),
                    ('n', vec![format!("{codename}{end}")]),
                ]
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(vec![known.into()]))
    }

    /// Returns whether every condition of a pattern is true for an archive: `origin=Debian,label=Debian-Security`.
    fn takes(&self, pattern: &str, archive: &Archive) -> bool {
        let mut conditions = pattern.split(',').map(|condition| {
            let (name, value) = condition.split_once('=')?;
            let value = value.trim();
            let codename = self.codename.as_deref().unwrap_or("*");
            let value = value.replace("${distro_id}", &self.id).replace("${distro_codename}", codename);
            let key = match name.trim() {
                "o" | "origin" => 'o',
                "l" | "label" => 'l',
                "a" | "suite" | "archive" => 'a',
                "n" | "codename" => 'n',
                // Of a part of the archive, or of the address from which it comes.
                "c" | "component" | "site" => return Some(true),
                _ => return None,
            };
            // Release files without one of these are only found in recorded trees.
            let Some(values) = archive.get(&key) else { return Some(true) };
            let unknown = |found: &String| found.contains(UNKNOWN) && value.contains("security");
            Some(values.iter().any(|found| matches(&value, found) || unknown(found)))
        });
        conditions.all(|condition| condition == Some(true))
    }
}

/// Stands for a codename that the system does not say.
const UNKNOWN: &str = "unknown codename";

/// The fields of a Release file.
fn archive(head: &str) -> Archive {
    let names = [('o', "Origin"), ('l', "Label"), ('a', "Suite"), ('n', "Codename")];
    names.into_iter().filter_map(|(key, name)| Some((key, vec![field(head, name)?.to_owned()]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "ID=debian\nVERSION_CODENAME=bookworm\n";
    const UBUNTU: &str = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n";
    const POP: &str = "ID=pop\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n";
    const MINT: &str =
        "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy\n";

    fn installs(release: &str, conf: &str, lists: &[(&str, &str)]) -> bool {
        let tree = tempfile::tempdir().unwrap();
        let conf = ("etc/apt/apt.conf.d/50unattended-upgrades", conf);
        for (path, text) in [("etc/os-release", release), conf].iter().chain(lists) {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::at(tree.path());
        installs_security(&root, &AptConf::read(&root).unwrap()).unwrap()
    }

    fn of(list: &str, entry: &str) -> String {
        format!("Unattended-Upgrade::{list} {{ \"{entry}\"; }};\n")
    }

    #[test]
    fn patterns_have_to_match_an_archive() {
        for (release, pattern, expected) in [
            (DEBIAN, "origin=Debian,codename=${distro_codename}-security,label=Debian-Security", true),
            (DEBIAN, "o=${distro_id},l=Debian-Security", true),
            (DEBIAN, "origin=Debian,suite=stable-security", true),
            (DEBIAN, "origin=Debian", true),
            (DEBIAN, "origin=*", true),
            // The whole pattern up to Debian 10.
            (DEBIAN, "origin=Debian,codename=${distro_codename},label=Debian-Security", false),
            (
                "ID=debian\nVERSION_CODENAME=buster\n",
                "origin=Debian,codename=${distro_codename},label=Debian-Security",
                true,
            ),
            // Left over from the release before.
            (DEBIAN, "origin=Debian,codename=bullseye-security,label=Debian-Security", false),
            (DEBIAN, "origin=Debian,codename=${distro_codename},label=Debian", false),
            (DEBIAN, "origin=debian,label=Debian-Security", false),
            (UBUNTU, "o=Ubuntu,a=*", true),
            (UBUNTU, "o=Ubuntu,a=noble-updates", false),
            (UBUNTU, "origin=Google LLC,archive=*", false),
            (UBUNTU, "site=packages.example.org,o=Example", false),
            (UBUNTU, "", false),
            (POP, "o=Ubuntu,a=${distro_codename}-security", true),
        ] {
            assert_eq!(
                installs(release, &of("Origins-Pattern", pattern), &[]),
                expected,
                "{release} {pattern}"
            );
        }
        let default = "${distro_id}:${distro_codename}-security";
        for (release, origin, expected) in [
            (UBUNTU, default, true),
            ("ID=ubuntu\nVERSION_ID=22.04\n", default, true),
            ("ID=ubuntu\nVERSION_ID=22.04\n", "Ubuntu:jammy-security", true),
            ("ID=ubuntu\nVERSION_ID=22.04\n", "Ubuntu:jammy-updates", false),
            (UBUNTU, "${distro_id} ${distro_codename}-security", true),
            (UBUNTU, "*:*", true),
            (UBUNTU, "${distro_id}:${distro_codename}", false),
            (UBUNTU, "UbuntuESM:${distro_codename}-infra-security", false),
            (POP, default, false),
            (POP, "Ubuntu:${distro_codename}-security", true),
            (MINT, default, false),
            (MINT, "Ubuntu:jammy-security", true),
            (DEBIAN, default, false),
            ("ID=raspbian\n", default, true),
        ] {
            assert_eq!(
                installs(release, &of("Allowed-Origins", origin), &[]),
                expected,
                "{release} {origin}"
            );
        }
    }

    #[test]
    fn lists_of_the_system_outrank_what_is_usual() {
        let list = |text| [("var/lib/apt/lists/mirror_dists_noble-security_InRelease", text)];
        let conf = of("Allowed-Origins", "${distro_id}:${distro_codename}-security");
        for (text, expected) in [
            ("Origin: Ubuntu\nLabel: Ubuntu\nSuite: noble-security\nCodename: noble\n", true),
            ("Origin: Ubuntu\nSuite: noble-updates\nLabel: x-security\n", false),
            ("Origin: Hospital\nLabel: Ubuntu\nSuite: noble-security\nCodename: noble\n", false),
            ("Suite: noble-security\n", true),
            // No list of security updates: as the system's makers name it.
            ("Origin: Ubuntu\nSuite: noble\n", true),
        ] {
            assert_eq!(installs(UBUNTU, &conf, &list(text)), expected, "{text}");
        }
    }

    #[test]
    fn lists_of_packages_and_damaged_entries() {
        let conf = of("Allowed-Origins", "${distro_id}:${distro_codename}-security");
        for (more, expected) in [
            (of("Package-Blacklist", "linux-"), true),
            (of("Package-Blacklist", ""), false),
            (of("Package-Blacklist", "^.*$"), false),
            (of("Package-Whitelist", "firefox"), false),
            (of("Package-Whitelist", ".*"), true),
            // The program ends with "not enough values to unpack".
            (of("Allowed-Origins", "origin=Debian,codename=bookworm,label=Debian-Security"), false),
        ] {
            assert_eq!(installs(UBUNTU, &format!("{conf}{more}"), &[]), expected, "{more}");
        }
    }
}
