//! Detects automatic security updates: unattended-upgrades, dnf-automatic, rpm-ostree, or openSUSE's timer.

use crate::Root;
use crate::release::assignments;
use crate::updates::{Source, source};
use std::collections::BTreeMap;
use vitalsign_protocol::fact::{Fact, Reason};

const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

#[must_use]
pub fn read(root: &Root) -> Fact<bool> {
    if root.exists("/run/ostree-booted") {
        let policy = ini(root, &["/etc/rpm-ostreed.conf"], "daemon", "automaticupdatepolicy");
        return match policy {
            Ok(policy) => Fact::Known(
                matches!(policy.as_deref(), Some("stage" | "apply"))
                    && enabled(root, "rpm-ostreed-automatic.timer"),
            ),
            Err(reason) => Fact::Unreadable(reason),
        };
    }
    match source(root) {
        Some(Source::Apt) => apt(root).into(),
        Some(Source::Dnf) => dnf(root).into(),
        Some(Source::Zypper) => Fact::Known(
            ["os-update.timer", "transactional-update.timer"].iter().any(|timer| enabled(root, timer)),
        ),
        None => Fact::Unsupported,
    }
}

fn apt(root: &Root) -> Result<bool, Reason> {
    if !root.exists("/usr/bin/unattended-upgrade") {
        return Ok(false);
    }
    let mut settings = BTreeMap::new();
    let mut files = vec!["/etc/apt/apt.conf".to_owned()];
    let names = root.names("/etc/apt/apt.conf.d")?;
    // apt reads names of letters, digits, `-`, `_`, and a dot only before `conf`.
    let plain = |name: &&String| {
        let stem = name.strip_suffix(".conf").unwrap_or(name);
        stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    files.extend(names.iter().filter(plain).map(|name| format!("/etc/apt/apt.conf.d/{name}")));
    for file in files {
        apt_settings(&root.text_if_there(file)?.unwrap_or_default(), &mut settings);
    }
    let last =
        |name: &str| settings.get(name).and_then(|values: &Vec<String>| values.last()).map(String::as_str);
    // A number of days, with or without a unit, or `always`; zero is never.
    let every = |name: &str| last(name).is_some_and(|value| !value.trim_start_matches('0').is_empty());
    let on = last("apt::periodic::enable") != Some("0");
    let origins = ["unattended-upgrade::origins-pattern", "unattended-upgrade::allowed-origins"];
    let mut origins = origins.iter().filter_map(|name| settings.get(*name)).flatten();
    let security =
        origins.any(|origin| origin.to_ascii_lowercase().contains("security") || origin.contains('*'));
    let started = if root.exists("/run/systemd/system")
        || UNITS.iter().any(|at| root.exists(format!("{at}/apt-daily.timer")))
    {
        enabled(root, "apt-daily.timer") && enabled(root, "apt-daily-upgrade.timer")
    } else {
        root.exists("/etc/cron.daily/apt-compat")
    };
    let periodic = ["apt::periodic::update-package-lists", "apt::periodic::unattended-upgrade"];
    Ok(on && security && started && periodic.iter().all(|name| every(name)))
}

fn dnf(root: &Root) -> Result<bool, Reason> {
    // These timers apply updates whatever the configuration says.
    if enabled(root, "dnf-automatic-install.timer") {
        return Ok(true);
    }
    let files = ["/etc/dnf/automatic.conf", "/etc/dnf/dnf5-plugins/automatic.conf"];
    let applies = ini(root, &files, "commands", "apply_updates")?.unwrap_or_default().to_ascii_lowercase();
    let applies = matches!(applies.as_str(), "yes" | "true" | "1" | "on");
    let timers = ["dnf-automatic.timer", "dnf5-automatic.timer"];
    Ok(applies && timers.iter().any(|timer| enabled(root, timer)))
}

/// Returns whether systemd starts a timer at boot: it is wanted and not masked.
fn enabled(root: &Root, timer: &str) -> bool {
    let masked = root.link(format!("/etc/systemd/system/{timer}"));
    let masked = masked.is_ok_and(|target| target == std::path::Path::new("/dev/null"));
    !masked && UNITS.iter().any(|folder| root.exists(format!("{folder}/timers.target.wants/{timer}")))
}

/// A setting of the first of these files that is there, in lower case.
fn ini(root: &Root, files: &[&str], section: &str, name: &str) -> Result<Option<String>, Reason> {
    for file in files {
        let Some(text) = root.text_if_there(file)? else { continue };
        let from = text.to_ascii_lowercase();
        let header = format!("[{section}]");
        let body = from.split_once(&header).map(|(_, rest)| rest.split("\n[").next().unwrap_or_default());
        let spaced = body.unwrap_or_default().replace(" =", "=").replace("= ", "=");
        return Ok(assignments(&spaced).get(name).map(|value| value.trim().to_owned()));
    }
    Ok(None)
}

/// apt.conf(5): `A::B "x";`, `A { B "x"; };`, lists `A { "x"; };`, comments. Names are without case; all values are
/// kept in order.
fn apt_settings(text: &str, settings: &mut BTreeMap<String, Vec<String>>) {
    let mut scopes: Vec<String> = Vec::new();
    let mut name = String::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
        } else if rest.starts_with("//") || rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            let path: Vec<_> =
                scopes.iter().chain([&name]).filter(|part| !part.is_empty()).cloned().collect();
            let path = path.join("::").trim_end_matches("::").to_ascii_lowercase();
            settings.entry(path).or_default().push(value.to_owned());
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            scopes.push(std::mem::take(&mut name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('}') {
            scopes.pop();
            name.clear();
            rest = after;
        } else if let Some(after) = rest.strip_prefix(';') {
            name.clear();
            rest = after;
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if word.is_empty() {
                return;
            }
            word.clone_into(&mut name);
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_configuration() {
        let text = "// c\nAPT::Periodic::Enable \"1\";\nAPT { Periodic { Unattended-Upgrade \"1\"; /* { */ }; };\n\
                    Unattended-Upgrade::Origins-Pattern {\n \"label=Debian-Security\"; # no \"\n \"b\";\n};\n\
                    DPkg::Post-Invoke:: \"x\";\n apt::periodic::unattended-upgrade \"0\"; broken \"";
        let mut settings = BTreeMap::new();
        apt_settings(text, &mut settings);
        for (name, values) in [
            ("apt::periodic::enable", vec!["1"]),
            ("apt::periodic::unattended-upgrade", vec!["1", "0"]),
            ("unattended-upgrade::origins-pattern", vec!["label=Debian-Security", "b"]),
            ("dpkg::post-invoke", vec!["x"]),
        ] {
            assert_eq!(
                settings.get(name).map(|v| v.iter().map(String::as_str).collect()),
                Some(values),
                "{name}"
            );
        }
    }
}
