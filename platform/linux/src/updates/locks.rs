//! Locks that keep rpm packages at a version: dnf's versionlock and excludes, and zypper's locks.

use super::pins::matches;
use crate::Root;
use vitalsign_protocol::fact::Reason;

/// Written by dnf 4's versionlock plug-in.
const DNF4: &str = "/etc/dnf/plugins/versionlock.list";
/// dnf5-versionlock(8)
const DNF5: &str = "/etc/dnf/versionlock.toml";
/// dnf.conf(5)
pub(super) const DNF: &str = "/etc/dnf/dnf.conf";
const ZYPPER: &str = "/etc/zypp/locks";

/// Identifies the locks, as part of a cache key.
pub(super) fn key(root: &Root) -> String {
    let stamp = |path: &&str| root.stamp(path).ok().map(|stamp| format!(" {path} {stamp}"));
    [DNF4, DNF5, DNF, ZYPPER].iter().filter_map(stamp).collect()
}

/// A package that an advisory fixes: `xz`, `1:5.8.1-2.fc42`, `x86_64`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
}

impl Package {
    /// Splits `bind-libs-32:9.18.24-1.fc39.x86_64`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (rest, architecture) = text.rsplit_once('.')?;
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let version = format!("{}-{release}", version.strip_prefix("0:").unwrap_or(version));
        Some(Self { name: name.to_owned(), version, architecture: architecture.to_owned() })
    }
}

/// One entry. Patterns have `*` and `?`.
#[derive(Clone, Debug)]
struct Lock {
    package: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Only these versions are installed.
    Only(String),
    /// These versions are not installed.
    Except(String),
    /// No version is installed.
    Never,
    /// A condition that would need a comparison of versions.
    Undecided,
}

/// All locks and excludes of dnf.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks(Vec<Lock>);

impl Locks {
    /// Reads the locks, and the excludes in these files.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(root: &Root, settings: &[String]) -> Result<Self, Reason> {
        let text = |path: &str| Ok::<_, Reason>(root.text_if_there(path)?.unwrap_or_default());
        let mut locks: Vec<_> = text(DNF4)?.lines().filter_map(listed).collect();
        locks.extend(text(DNF5)?.split("[[packages]]").skip(1).flat_map(tabled));
        for path in settings {
            let never = |package| Lock { package, rule: Rule::Never };
            locks.extend(excluded(&text(path)?).into_iter().map(never));
        }
        Ok(Self(locks))
    }

    /// Returns whether none of these versions of a package may be installed; `None` if that cannot be decided.
    pub(super) fn keep_back(&self, versions: &[Package]) -> Option<bool> {
        let mut kept = true;
        for package in versions {
            kept &= self.keep_back_version(package)?;
        }
        Some(kept)
    }

    fn keep_back_version(&self, package: &Package) -> Option<bool> {
        let Package { name, version, architecture } = package;
        let (mut locked, mut allowed) = (false, false);
        for lock in &self.0 {
            match &lock.rule {
                Rule::Never => {
                    let names = [
                        name.clone(),
                        format!("{name}.{architecture}"),
                        format!("{name}-{version}"),
                        format!("{name}-{version}.{architecture}"),
                    ];
                    if names.iter().any(|name| matches(&lock.package, name)) {
                        return Some(true);
                    }
                }
                _ if !matches(&lock.package, name) => {}
                Rule::Undecided => return None,
                Rule::Except(pattern) if matches(pattern, version) => return Some(true),
                Rule::Except(_) => {}
                Rule::Only(pattern) => {
                    locked = true;
                    allowed |= matches(pattern, version);
                }
            }
        }
        Some(locked && !allowed)
    }
}

/// dnf 4: `vim-2:9.1-1.fc41.*`, and with `!` a version that is not installed.
fn listed(line: &str) -> Option<Lock> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (except, spec) = line.strip_prefix('!').map_or((false, line), |spec| (true, spec));
    Some(match Package::parse(spec) {
        Some(Package { name, version, .. }) => {
            Lock { package: name, rule: if except { Rule::Except(version) } else { Rule::Only(version) } }
        }
        // Written by hand.
        None => Lock { package: "*".to_owned(), rule: Rule::Undecided },
    })
}

/// dnf 5: one package with the conditions that all have to be true for a version.
fn tabled(table: &str) -> Vec<Lock> {
    let value = |part: &str, wanted: &str| {
        part.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == wanted).then(|| value.trim().split('"').nth(1).map(str::to_owned))?
        })
    };
    let mut parts = table.split("[[packages.conditions]]");
    let Some(package) = parts.next().and_then(|head| value(head, "name")) else { return Vec::new() };
    let conditions: Vec<_> = parts.collect();
    let rule = |condition: &&str| {
        let [key, comparator, value] = ["key", "comparator", "value"].map(|name| value(condition, name));
        let version = value.unwrap_or_default();
        let version = version.strip_prefix("0:").unwrap_or(&version).to_owned();
        match (key.as_deref(), comparator.as_deref()) {
            (Some("evr"), Some("=")) if conditions.len() == 1 => Rule::Only(version),
            (Some("evr"), Some("!=")) => Rule::Except(version),
            _ => Rule::Undecided,
        }
    };
    conditions.iter().map(|part| Lock { package: package.clone(), rule: rule(part) }).collect()
}

/// `excludepkgs` of dnf.conf(5), which is also called `exclude`; further lines of a list are indented.
fn excluded(text: &str) -> Vec<String> {
    let (mut patterns, mut in_list) = (Vec::new(), false);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let list = match line.split_once('=') {
            _ if line.starts_with([' ', '\t']) => line,
            Some((key, list)) => {
                in_list = matches!(key.trim(), "excludepkgs" | "exclude");
                list
            }
            None => {
                in_list = false;
                continue;
            }
        };
        if in_list {
            let words = list.split([' ', '\t', ',']).filter(|word| !word.is_empty());
            patterns.extend(words.map(str::to_owned));
        }
    }
    patterns
}

/// Returns whether zypper has locks of packages. It does not say which patches these keep back.
pub(super) fn zypper_locks_packages(root: &Root) -> Result<bool, Reason> {
    let text = root.text_if_there(ZYPPER)?.unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    let blocks = lines.split(|line| line.is_empty()).filter(|block| !block.is_empty());
    Ok(blocks.into_iter().any(|block| !block.contains(&"type: patch")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(version: &str) -> Package {
        Package::parse(&format!("vim-data-{version}.noarch")).unwrap()
    }

    fn kept(files: &[(&str, &str)], versions: &[&str]) -> Option<bool> {
        let tree = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = tree.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let versions: Vec<_> = versions.iter().map(|version| package(version)).collect();
        let settings = ["/etc/dnf/dnf.conf".to_owned()];
        Locks::read(&Root::at(tree.path()), &settings).unwrap().keep_back(&versions)
    }

    #[test]
    fn dnf_locks_keep_updates_back() {
        let table = |name: &str, conditions: &[(&str, &str)]| {
            let condition = |(comparator, value): &(&str, &str)| {
                format!(
                    "[[packages.conditions]]\nkey = \"evr\"\ncomparator = \"{comparator}\"\nvalue = \"{value}\"\n"
                )
            };
            let conditions: String = conditions.iter().map(condition).collect();
            format!("version = \"1.0\"\n\n[[packages]]\nname = \"{name}\"\ncomment = \"x\"\n{conditions}")
        };
        let (fix, newer): (&[&str], &[&str]) = (&["2:9.1-2.fc41"], &["2:9.1-2.fc41", "2:9.1-3.fc41"]);
        for (row, path, text, versions, expected) in [
            ("older", DNF4, "\n# Added lock\nvim-data-2:9.1-1.fc41.*\n".to_owned(), fix, Some(true)),
            ("the fix", DNF4, "vim-data-2:9.1-2.fc41.*\n".to_owned(), fix, Some(false)),
            (
                "older or the fix",
                DNF4,
                "vim-data-2:9.1-1.fc41.*\nvim-data-2:9.1-2.fc41.*\n".to_owned(),
                fix,
                Some(false),
            ),
            ("another package", DNF4, "vim-2:9.1-1.fc41.*\n".to_owned(), fix, Some(false)),
            ("not the fix", DNF4, "!vim-data-2:9.1-2.fc41.*\n".to_owned(), fix, Some(true)),
            ("not the fix, but newer", DNF4, "!vim-data-2:9.1-2.fc41.*\n".to_owned(), newer, Some(false)),
            ("not understood", DNF4, "vim-data\n".to_owned(), fix, None),
            ("older, dnf 5", DNF5, table("vim-*", &[("=", "2:9.1-1.fc41")]), fix, Some(true)),
            ("the fix, dnf 5", DNF5, table("vim-data", &[("=", "2:9.1-2.fc41")]), fix, Some(false)),
            ("not the fix, dnf 5", DNF5, table("vim-data", &[("!=", "2:9.1-2.fc41")]), fix, Some(true)),
            ("compared, dnf 5", DNF5, table("vim-data", &[("<", "2:9.2")]), fix, None),
            ("compared, another package", DNF5, table("vim", &[("<", "2:9.2")]), fix, Some(false)),
            ("two conditions", DNF5, table("vim-data", &[("=", "2:9.1-2.fc41"), ("=", "3")]), fix, None),
            (
                "excluded",
                "/etc/dnf/dnf.conf",
                "[main]\nexcludepkgs=kernel*\n vim-d*,x\n".to_owned(),
                fix,
                Some(true),
            ),
            (
                "excluded version",
                "/etc/dnf/dnf.conf",
                "exclude = vim-data-2:9.1-2*\n".to_owned(),
                newer,
                Some(false),
            ),
            (
                "not excluded",
                "/etc/dnf/dnf.conf",
                "#exclude=vim-data\nexcludepkgs=vim\nname=vim-data\n".to_owned(),
                fix,
                Some(false),
            ),
        ] {
            assert_eq!(kept(&[(path, &text)], versions), expected, "{row}");
        }
        assert_eq!(kept(&[], fix), Some(false));
    }

    #[test]
    fn versions_are_compared_without_epoch_zero() {
        assert_eq!(package("0:1.0-1"), package("1.0-1"));
        assert_eq!(kept(&[(DNF4, "vim-data-0:1.0-1.*\n")], &["1.0-1"]), Some(false));
        assert_eq!(kept(&[(DNF4, "vim-data-0:1.0-1.*\n")], &["1:1.0-1"]), Some(true));
    }
}
