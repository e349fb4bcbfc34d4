//! Detects automatic security updates: a setting that asks for them, and a timer whose service can run.

use super::unattended;
use super::units::{is_installed, service_runs, timer_passes, timer_runs};
use crate::Root;
use crate::apt_conf::AptConf;
use crate::release::assignments;
use crate::updates::{Source, source};
use vitalsign_protocol::fact::{Fact, Reason};

/// Timers that update an image-based system, whatever its settings: the timer, and a part of the command.
const IMAGE_TIMERS: [(&str, &str); 4] = [
    ("bootc-fetch-apply-updates.timer", "bootc"),
    ("uupd.timer", "uupd"),
    ("ublue-update.timer", "ublue-update"),
    ("transactional-update.timer", "transactional-update"),
];

#[must_use]
pub fn read(root: &Root) -> Fact<bool> {
    match source(root) {
        Some(Source::Image) => image(root).unwrap_or_else(Fact::Unreadable),
        Some(Source::Snap) => Fact::Known(service_runs(root, "snapd.service", "snapd")),
        Some(Source::Apt) => apt(root).into(),
        Some(Source::Dnf) => dnf(root).into(),
        Some(Source::Zypper) => zypper(root).into(),
        None => Fact::Unsupported,
    }
}

/// Image-based systems have several updaters. If none of them is installed, an unknown one may do it.
fn image(root: &Root) -> Result<Fact<bool>, Reason> {
    let rpm_ostree = {
        let policy = ini(root, &["/etc/rpm-ostreed.conf"], "daemon", "automaticupdatepolicy")?;
        matches!(policy.as_deref(), Some("stage" | "apply" | "ex-stage"))
            && timer_runs(root, "rpm-ostreed-automatic.timer", "rpm-ostree")
    };
    let eos = {
        // 1 looks for updates, 2 fetches them, 3 installs them (eos-autoupdater.conf(5)).
        let files = [
            "/etc/eos-updater/eos-autoupdater.conf",
            "/usr/local/share/eos-updater/eos-autoupdater.conf",
            "/usr/share/eos-updater/eos-autoupdater.conf",
        ];
        let step = ini(root, &files, "automatic updates", "lastautomaticstep")?;
        step.as_deref() == Some("3") && timer_runs(root, "eos-autoupdater.timer", "eos-autoupdater")
    };
    let zincati = service_runs(root, "zincati.service", "zincati") && zincati_updates(root)?;
    let timers = IMAGE_TIMERS.iter().any(|(timer, program)| timer_runs(root, timer, program));
    if rpm_ostree || eos || zincati || timers {
        return Ok(Fact::Known(true));
    }
    let known = ["rpm-ostreed-automatic.timer", "eos-autoupdater.timer", "zincati.service"];
    let mut known = known.into_iter().chain(IMAGE_TIMERS.into_iter().map(|(timer, _)| timer));
    Ok(if known.any(|unit| is_installed(root, unit)) { Fact::Known(false) } else { Fact::Unsupported })
}

/// Zincati updates unless one of its files says `enabled = false` in `[updates]`; the last file counts.
fn zincati_updates(root: &Root) -> Result<bool, Reason> {
    let mut files = std::collections::BTreeMap::new();
    for folder in ["/usr/lib/zincati/config.d", "/run/zincati/config.d", "/etc/zincati/config.d"] {
        let names = root.names(folder)?.into_iter().filter(|name| name.ends_with(".toml"));
        files.extend(names.map(|name| (name.clone(), format!("{folder}/{name}"))));
    }
    let mut enabled = true;
    for file in files.into_values() {
        if let Some(value) = ini(root, &[&file], "updates", "enabled")? {
            enabled = value != "false";
        }
    }
    Ok(enabled)
}

fn apt(root: &Root) -> Result<bool, Reason> {
    if timer_runs(root, "mintupdate-automation-upgrade.timer", "mintupdate-automation") {
        return Ok(true);
    }
    if service_runs(root, "com.system76.SystemUpdater.service", "pop-system-updater") && pop_updates(root)? {
        return Ok(true);
    }
    if !root.exists("/usr/bin/unattended-upgrade") {
        return Ok(false);
    }
    let conf = AptConf::read(root)?;
    // A number of days, with or without a unit, or `always`; zero is never.
    let every = |name: &str| {
        let value = conf.value(name).unwrap_or_default();
        value == "always" || value.bytes().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
    };
    let on = conf
        .value("apt::periodic::enable")
        .is_none_or(|value| !value.trim_start_matches('0').is_empty() || value.is_empty());
    let started = if root.exists("/run/systemd/system") || is_installed(root, "apt-daily.timer") {
        timer_runs(root, "apt-daily.timer", "apt.systemd.daily")
            && timer_runs(root, "apt-daily-upgrade.timer", "apt.systemd.daily")
    } else {
        root.exists("/etc/cron.daily/apt-compat")
    };
    let periodic = ["apt::periodic::update-package-lists", "apt::periodic::unattended-upgrade"];
    let installs = on && started && periodic.iter().all(|name| every(name));
    Ok(installs && unattended::installs_security(root, &conf)?)
}

/// Pop!_OS's updater installs updates if its file says so; without a file it does not
/// (<https://github.com/pop-os/system-updater>).
fn pop_updates(root: &Root) -> Result<bool, Reason> {
    let text = root.text_if_there("/etc/pop-system-updater/config.ron")?.unwrap_or_default();
    Ok(text.split_whitespace().collect::<String>().contains("auto_update:true"))
}

fn dnf(root: &Root) -> Result<bool, Reason> {
    // This timer applies updates whatever the configuration says.
    if timer_runs(root, "dnf-automatic-install.timer", "dnf-automatic") {
        return Ok(true);
    }
    let files = ["/etc/dnf/automatic.conf", "/etc/dnf/dnf5-plugins/automatic.conf"];
    let applies = ini(root, &files, "commands", "apply_updates")?.unwrap_or_default().to_ascii_lowercase();
    let applies = matches!(applies.as_str(), "yes" | "true" | "1" | "on");
    // An argument of the command comes before the setting.
    let installs = |timer| {
        let passes = |argument| timer_passes(root, timer, argument);
        passes("--installupdates") || applies && !passes("--no-installupdates")
    };
    let timers = [("dnf-automatic.timer", "dnf-automatic"), ("dnf5-automatic.timer", "automatic")];
    Ok(timers.iter().any(|(timer, program)| timer_runs(root, timer, program) && installs(timer)))
}

fn zypper(root: &Root) -> Result<bool, Reason> {
    Ok(timer_runs(root, "os-update.timer", "os-update")
        || timer_runs(root, "transactional-update.timer", "transactional-update")
        || yast_online_update(root)?)
}

/// YaST's automatic online update: cron runs its program, which installs patches of the categories that are set, or all
/// (`OnlineUpdateConfiguration.rb` of <https://github.com/yast/yast-online-update-configuration>).
fn yast_online_update(root: &Root) -> Result<bool, Reason> {
    let runs = |interval: &&str| root.exists(format!("/etc/cron.{interval}/opensuse.org-online_update"));
    if !["daily", "weekly", "monthly"].iter().any(runs) || !root.exists("/usr/lib/YaST2/bin/online_update") {
        return Ok(false);
    }
    let text = root.text_if_there("/etc/sysconfig/automatic_online_update")?.unwrap_or_default();
    let settings = assignments(&text);
    let set = |name: &str| settings.get(name).map(String::as_str).unwrap_or_default();
    let categories = set("AOU_PATCH_CATEGORIES");
    let security = categories.is_empty() || categories.split_whitespace().any(|word| word == "security");
    Ok(set("AOU_ENABLE_CRONJOB") != "false" && security)
}

/// A setting of the first of these files that is there, in lower case.
fn ini(root: &Root, files: &[&str], section: &str, name: &str) -> Result<Option<String>, Reason> {
    for file in files {
        let Some(text) = root.text_if_there(file)? else { continue };
        let from = text.to_ascii_lowercase();
        let header = format!("[{section}]");
        let mut inside = false;
        let mut body = String::new();
        for line in from.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line == header;
            } else if inside {
                body.push_str(line);
                body.push('\n');
            }
        }
        let spaced = body.replace(" =", "=").replace("= ", "=");
        return Ok(assignments(&spaced).get(name).map(|value| value.trim().to_owned()));
    }
    Ok(None)
}
