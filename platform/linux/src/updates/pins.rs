//! apt_preferences(5): which offers an administrator does not let apt install.

use super::paragraphs::field;
use crate::Root;
use crate::apt_conf::is_read;
use vitalsign_protocol::fact::Reason;

/// apt installs no version of this or a lower priority in place of an installed one.
const INSTALLED: i64 = 100;

/// One stanza.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    packages: Vec<String>,
    /// `version 1.2*`, `release a=noble-security`, `origin security.ubuntu.com`; in lower case.
    pub(super) target: String,
    /// `never` is the lowest.
    pub(super) priority: i64,
}

/// All stanzas of the system.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins(pub(super) Vec<Pin>);

impl Pins {
    /// Reads what apt reads.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(root: &Root) -> Result<Self, Reason> {
        let names = root.names("/etc/apt/preferences.d")?;
        let read = names.iter().filter(|name| is_read(name, Some("pref"), true));
        let files = read.map(|name| format!("/etc/apt/preferences.d/{name}"));
        let mut pins = Vec::new();
        for file in files.chain(["/etc/apt/preferences".to_owned()]) {
            let text = root.text_if_there(file)?.unwrap_or_default();
            let lines: Vec<_> =
                text.lines().filter(|line| !line.starts_with('#')).map(str::trim_end).collect();
            pins.extend(lines.split(|line| line.is_empty()).filter_map(|stanza| pin(&stanza.join("\n"))));
        }
        Ok(Self(pins))
    }

    /// Returns whether a stanza keeps this security update back: it gives the update too low a priority, or prefers
    /// another version of the package.
    pub(super) fn keep_back(&self, package: &str, version: &str) -> bool {
        self.0.iter().filter(|pin| pin.packages.iter().any(|pattern| matches(pattern, package))).any(|pin| {
            match pin.target.split_once(char::is_whitespace) {
                Some(("version", wanted)) if matches(wanted.trim(), &version.to_ascii_lowercase()) => {
                    pin.priority <= INSTALLED
                }
                Some(("version", _)) => {
                    pin.priority > INSTALLED && !pin.packages.iter().any(|name| name == "*")
                }
                // Of the others only those that name the security suite are sure to mean it.
                Some((_, target)) => pin.priority < INSTALLED && target.contains("security"),
                None => false,
            }
        })
    }
}

fn pin(stanza: &str) -> Option<Pin> {
    let priority = match field(stanza, "Pin-Priority")? {
        "never" => i64::from(i16::MIN),
        number => number.parse().ok()?,
    };
    let packages = field(stanza, "Package")?.split_ascii_whitespace().map(str::to_owned).collect();
    Some(Pin { packages, target: field(stanza, "Pin")?.to_ascii_lowercase(), priority })
}

/// A pattern with `*` and `?`. A regular expression (`/…/`) matches nothing here.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = pattern.get(1..).unwrap_or_default();
            matches(rest, text)
                || text
                    .char_indices()
                    .any(|(at, c)| matches(rest, text.get(at + c.len_utf8()..).unwrap_or_default()))
        }
        (Some(wanted), Some(found)) if wanted == '?' || wanted == found => matches(
            pattern.get(wanted.len_utf8()..).unwrap_or_default(),
            text.get(found.len_utf8()..).unwrap_or_default(),
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_keep_updates_back() {
        for (stanza, package, kept) in [
            ("Package: openssl\nPin: version 3.0.15*\nPin-Priority: 1001\n", "openssl", true),
            ("Package: openssl\nPin: version 3.0.16*\nPin-Priority: 1001\n", "openssl", false),
            ("Package: openssl\nPin: version 3.0.16*\nPin-Priority: -1\n", "openssl", true),
            ("Package: libssl*\nPin: version 3.0.15*\nPin-Priority: 600\n", "openssl", false),
            ("Package: lib?sl3 open*\nPin: version 3.0.15*\nPin-Priority: 600\n", "openssl", true),
            ("Package: *\nPin: release l=Debian-Security\nPin-Priority: never\n", "openssl", true),
            ("Package: *\nPin: release l=Debian-Security\nPin-Priority: 990\n", "openssl", false),
            ("Package: *\nPin: release a=bookworm-backports\nPin-Priority: -1\n", "openssl", false),
            (
                "# Package: openssl\n\nPackage: *\nPin: origin security.debian.org\nPin-Priority: -10\n",
                "openssl",
                true,
            ),
            ("Package: openssl\nPin-Priority: -1\n", "openssl", false),
        ] {
            let tree = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(tree.path().join("etc/apt/preferences.d")).unwrap();
            std::fs::write(tree.path().join("etc/apt/preferences.d/10local"), stanza).unwrap();
            let pins = Pins::read(&Root::at(tree.path())).unwrap();
            assert_eq!(pins.keep_back(package, "3.0.16-1~deb12u1"), kept, "{stanza}");
        }
    }
}
