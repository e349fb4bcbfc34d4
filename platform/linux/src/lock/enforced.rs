//! Settings that no user can change: read without a session.

use super::Settings;
use crate::Root;
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::fact::Reason;

/// Folders of files that each name a session a person can start.
const SESSIONS: [&str; 4] = [
    "/usr/share/wayland-sessions",
    "/usr/share/xsessions",
    "/usr/local/share/wayland-sessions",
    "/usr/local/share/xsessions",
];

/// Desktop that can be started on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Desktop {
    Gnome,
    Kde,
    /// Desktop whose settings cannot be enforced, or not be read without a session.
    Other,
}

impl Desktop {
    pub(super) fn enforced(self, root: &Root) -> Result<Settings, Reason> {
        match self {
            Self::Gnome => dconf(root),
            Self::Kde => Ok(kde(&root.text_if_there("/etc/xdg/kscreenlockerrc")?.unwrap_or_default(), true)),
            Self::Other => Ok(Settings::default()),
        }
    }
}

/// The desktops whose sessions are offered.
pub(super) fn desktops(root: &Root) -> Vec<Desktop> {
    let names = SESSIONS.iter().flat_map(|folder| root.names(folder).unwrap_or_default());
    let sessions = names.filter_map(|name| name.strip_suffix(".desktop").map(str::to_ascii_lowercase));
    let desktop = |session: String| match session {
        name if name.contains("plasma") || name.starts_with("kde") => Desktop::Kde,
        name if name.contains("gnome") || name.starts_with("ubuntu") => Desktop::Gnome,
        _ => Desktop::Other,
    };
    sessions.map(desktop).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns whether a graphical login is or may be shown.
pub(super) fn has_display(root: &Root) -> bool {
    let target = root.link("/etc/systemd/system/default.target");
    root.exists("/etc/systemd/system/display-manager.service")
        || root.exists("/etc/X11/default-display-manager")
        || root.exists("/tmp/.X11-unix/X0")
        || target.is_ok_and(|target| target.ends_with("graphical.target") && root.exists("/usr/bin/Xorg"))
}

/// logind.conf(5): `IdleAction=lock` locks every session, whatever its desktop.
pub(super) fn logind(root: &Root) -> Result<Option<Settings>, Reason> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    // A file of the same name in a later folder replaces the earlier one.
    for folder in ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"] {
        let folder = format!("{folder}/logind.conf.d");
        for name in root.names(&folder)?.into_iter().filter(|name| name.ends_with(".conf")) {
            files.insert(name.clone(), format!("{folder}/{name}"));
        }
    }
    let (mut action, mut seconds) = (None, None);
    for file in std::iter::once("/etc/systemd/logind.conf".to_owned()).chain(files.into_values()) {
        for line in root.text_if_there(file)?.unwrap_or_default().lines() {
            match line.trim().split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("IdleAction", value)) => action = Some(value.to_owned()),
                Some(("IdleActionSec", value)) => seconds = Some(span(value).ok_or(Reason::Malformed)?),
                _ => {}
            }
        }
    }
    if action.as_deref() != Some("lock") {
        return Ok(None);
    }
    Ok(Some(Settings { locks: Some(true), idle: Some(seconds.unwrap_or(30 * 60)), grace: Some(0) }))
}

/// systemd.time(7): `15min`, `1h 30min`, `900`.
fn span(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let unit = match unit {
            "" | "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hr" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// dconf(7): the system's databases in the user profile, and the keys in them that are locked.
fn dconf(root: &Root) -> Result<Settings, Reason> {
    let profile = root.text_if_there("/etc/dconf/profile/user")?.unwrap_or_default();
    let databases = profile.lines().filter_map(|line| line.trim().strip_prefix("system-db:"));
    let (mut values, mut locks) = (BTreeMap::new(), BTreeSet::new());
    // The first database wins.
    for database in databases.collect::<Vec<_>>().into_iter().rev() {
        let folder = format!("/etc/dconf/db/{database}.d");
        // Key files count only once they are compiled.
        if !root.exists(format!("/etc/dconf/db/{database}")) {
            continue;
        }
        for name in root.names(&folder)? {
            if name != "locks" {
                keys(&root.text(format!("{folder}/{name}"))?, &mut values);
            }
        }
        for name in root.names(format!("{folder}/locks"))? {
            let text = root.text(format!("{folder}/locks/{name}"))?;
            locks.extend(text.lines().map(|line| line.trim().to_owned()));
        }
    }
    let locked = |key: &str| if locks.contains(key) { values.get(key).cloned() } else { None };
    let enabled =
        locked("/org/gnome/desktop/screensaver/lock-enabled").and_then(|value| value.parse::<bool>().ok());
    let disabled =
        locked("/org/gnome/desktop/lockdown/disable-lock-screen").is_some_and(|value| value == "true");
    Ok(Settings {
        locks: if disabled { Some(false) } else { enabled },
        idle: locked("/org/gnome/desktop/session/idle-delay").and_then(|value| uint(&value)),
        grace: locked("/org/gnome/desktop/screensaver/lock-delay").and_then(|value| uint(&value)),
    })
}

/// A GVariant number: `uint32 300` or `300`.
pub(super) fn uint(value: &str) -> Option<u64> {
    value.trim().trim_start_matches("uint32").trim().parse().ok()
}

/// A dconf key file: `[org/gnome/…]`, then `name=value`.
fn keys(text: &str, values: &mut BTreeMap<String, String>) {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            values.insert(format!("/{section}/{}", name.trim()), value.trim().to_owned());
        }
    }
}

/// Parses KDE's `kscreenlockerrc`: `Autolock`, `Timeout` in minutes, `LockGrace` in seconds. With
/// `immutable`, only entries marked `[$i]`: the key, its group, or the whole file by its first line.
pub(super) fn kde(text: &str, immutable: bool) -> Settings {
    let mut settings = Settings::default();
    let (mut all, mut group, mut daemon) = (false, false, false);
    for line in text.lines().map(str::trim) {
        if line == "[$i]" {
            all = true;
        } else if line.starts_with('[') {
            (daemon, group) = (line.starts_with("[Daemon]"), line.ends_with("[$i]"));
        } else if let Some((name, value)) = line.split_once('=').filter(|_| daemon) {
            let (name, fixed) = match name.trim().strip_suffix("[$i]") {
                Some(name) => (name, true),
                None => (name.trim(), false),
            };
            if immutable && !(fixed || group || all) {
                continue;
            }
            match name {
                "Autolock" => settings.locks = value.trim().parse().ok(),
                "Timeout" => {
                    settings.idle =
                        value.trim().parse::<u64>().ok().and_then(|minutes| minutes.checked_mul(60))
                }
                "LockGrace" => settings.grace = value.trim().parse().ok(),
                _ => {}
            }
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans() {
        for (text, seconds) in [
            ("15min", Some(900)),
            ("900", Some(900)),
            ("1h 30min", Some(5400)),
            ("1h30m5s", Some(5405)),
            ("infinity", None),
            ("", None),
            ("min", None),
        ] {
            assert_eq!(span(text), seconds, "{text}");
        }
    }

    #[test]
    fn kde_immutability() {
        let all = Settings { locks: Some(true), idle: Some(600), grace: Some(5) };
        for (text, immutable, expected) in [
            ("[Daemon]\nAutolock=true\nTimeout=10\nLockGrace=5", false, all),
            ("[Daemon]\nAutolock=true\nTimeout=10\nLockGrace=5", true, Settings::default()),
            ("[Daemon][$i]\nAutolock=true\nTimeout=10\nLockGrace=5", true, all),
            ("[$i]\n[Daemon]\nAutolock=true\nTimeout=10\nLockGrace=5", true, all),
            (
                "[Daemon]\nAutolock[$i]=false\nTimeout=10",
                true,
                Settings { locks: Some(false), ..Settings::default() },
            ),
            ("[Greeter]\nAutolock[$i]=true", true, Settings::default()),
        ] {
            assert_eq!(kde(text, immutable), expected, "{text}");
        }
    }
}
