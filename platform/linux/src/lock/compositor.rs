//! Compositors that lock only with other programs: an idle daemon that runs a locker after a time.

use super::{LoginSession, Settings};
use crate::Root;
use std::path::Path;
use vitalsign_protocol::fact::Reason;

/// Words of a command that locks the screen.
const LOCKS: [&str; 10] = [
    "swaylock",
    "hyprlock",
    "gtklock",
    "waylock",
    "i3lock",
    "slock",
    "xsecurelock",
    "xlock",
    "lock-session",
    "physlock",
];

/// Reads the timeouts of the idle daemon that runs. Without one, nothing locks; one that we do not know is unreadable.
pub(super) fn read(root: &Root, session: &LoginSession) -> Result<Settings, Reason> {
    let pids = root.names("/proc")?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let pids: Vec<_> = pids.filter(|pid| is_own(root, pid)).collect();
    let mut unknown = pids.is_empty();
    for pid in pids {
        match &*root.text(format!("/proc/{pid}/comm")).unwrap_or_default() {
            "swayidle" => {
                let line = root.read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let words =
                    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).trim().to_owned());
                return swayidle(root, session, &words.collect::<Vec<_>>());
            }
            "hypridle" => {
                let config = root.text(session.settings.join("hypr/hypridle.conf"))?;
                return Ok(settings(&hypridle(&config)?));
            }
            "xss-lock" | "xautolock" | "xidlehook" | "light-locker" | "xscreensaver" | "stasis" => {
                unknown = true
            }
            _ => {}
        }
    }
    if unknown { Err(Reason::Failed) } else { Ok(Settings::NEVER) }
}

/// Returns whether a process is of the user whose session this is.
fn is_own(root: &Root, pid: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::getuid().as_raw();
    !root.is_live() || std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == own)
}

/// Time in seconds, and the command that is run after it.
type Timeout = (u64, String);

/// The first timeout after which a locker runs.
fn settings(timeouts: &[Timeout]) -> Settings {
    let locks = |(_, command): &&Timeout| {
        command.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| LOCKS.contains(&word))
    };
    let first =
        timeouts.iter().filter(locks).map(|(seconds, _)| *seconds).filter(|seconds| *seconds > 0).min();
    first.map_or(Settings::NEVER, |seconds| Settings {
        locks: Some(Ok(true)),
        idle: Some(Ok(seconds)),
        grace: Some(Ok(0)),
        ..Settings::default()
    })
}

/// swayidle(1): `timeout SECONDS COMMAND` as arguments or, without events there, in the configuration.
fn swayidle(root: &Root, session: &LoginSession, arguments: &[String]) -> Result<Settings, Reason> {
    let option = arguments.iter().position(|word| word == "-C");
    let given = option.and_then(|at| arguments.get(at + 1)).map(|path| Path::new(path).to_owned());
    let own = session.settings.join("swayidle/config");
    let text = root.text_if_there(given.unwrap_or(own))?.unwrap_or_default();
    let mut timeouts = Vec::new();
    for line in text.lines().filter_map(|line| line.trim().strip_prefix("timeout ")) {
        let (seconds, command) = line.trim().split_once(' ').ok_or(Reason::Malformed)?;
        timeouts.push((seconds.parse().map_err(|_| Reason::Malformed)?, command.to_owned()));
    }
    // It has another program run when logind locks the session.
    let mut listens = text.lines().any(|line| line.trim().starts_with("lock "));
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match &**word {
            "timeout" => {
                let seconds = words.next().and_then(|seconds| seconds.parse().ok());
                let command = words.next();
                timeouts.push(seconds.zip(command.cloned()).ok_or(Reason::Malformed)?);
            }
            "lock" => listens |= words.next().is_some(),
            _ => {}
        }
    }
    timeouts.retain(|(_, command)| listens || !command.contains("lock-session"));
    Ok(settings(&timeouts))
}

/// Configuration of hypridle: `listener { timeout = SECONDS … on-timeout = COMMAND }`. A command that has logind lock the
/// session needs a `lock_cmd`, which hypridle runs then.
fn hypridle(text: &str) -> Result<Vec<Timeout>, Reason> {
    let mut timeouts = Vec::new();
    let (mut seconds, mut command, mut lock) = (None, String::new(), String::new());
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(("timeout", value)) => seconds = Some(value.parse().map_err(|_| Reason::Malformed)?),
            Some(("on-timeout", value)) => value.clone_into(&mut command),
            Some(("lock_cmd", value)) => value.clone_into(&mut lock),
            _ if line == "}" => {
                if let Some(seconds) = seconds.take() {
                    timeouts.push((seconds, std::mem::take(&mut command)));
                }
            }
            _ => {}
        }
    }
    if lock.is_empty() {
        timeouts.retain(|(_, command)| !command.contains("lock-session"));
    }
    Ok(timeouts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_timeout_with_a_locker_counts() {
        let file = "general {\n  lock_cmd = pidof hyprlock || hyprlock\n}\nlistener {\n  timeout = 150 # dim\n  \
                    on-timeout = brightnessctl -s set 10\n}\nlistener {\n    timeout = 300\n    on-timeout = loginctl \
                    lock-session\n}\n";
        for (text, idle) in [
            (file.to_owned(), Some(300)),
            (file.replace("lock_cmd", "#lock_cmd"), None),
            (file.replace("loginctl lock-session", "hyprlock"), Some(300)),
            (file.replace("loginctl lock-session", "systemctl suspend"), None),
        ] {
            let seen = settings(&hypridle(&text).unwrap());
            let expected = idle.map_or(Settings::NEVER, |idle| Settings {
                locks: Some(Ok(true)),
                idle: Some(Ok(idle)),
                grace: Some(Ok(0)),
                ..Settings::default()
            });
            assert_eq!(seen, expected, "{text}");
        }
        assert_eq!(hypridle("listener {\ntimeout = 5m\n}"), Err(Reason::Malformed));
    }
}
