//! Compositors that lock only with other programs: an idle daemon that runs a locker after a time.

use super::daemon::{is_own, runs};
use super::{LoginSession, Settings, xscreensaver};
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

/// Programs that lock nothing, whatever words follow.
const TELLERS: [&str; 7] = ["notify-send", "pkill", "killall", "pidof", "pgrep", "echo", "logger"];
/// Other programs that idle daemons are told to run, and that lock nothing.
const OTHERS: [&str; 16] = [
    "brightnessctl",
    "brillo",
    "light",
    "swaymsg",
    "hyprctl",
    "niri",
    "systemctl",
    "loginctl",
    "wlopm",
    "wlr-randr",
    "xset",
    "playerctl",
    "ddcutil",
    "asusctl",
    "true",
    "sleep",
];

/// Programs that run a locker when the session is idle.
pub(super) const DAEMONS: [&str; 8] = [
    "swayidle",
    "hypridle",
    "xss-lock",
    "xautolock",
    "xidlehook",
    "light-locker",
    "stasis",
    xscreensaver::PROGRAM,
];

/// Returns whether one of these runs for the user, wherever it is installed.
pub(super) fn has_daemon(root: &Root) -> bool {
    DAEMONS.iter().any(|name| runs(root, name) == Ok(true))
}

/// Reads the timeouts of the idle daemon that runs. Without one, nothing locks; one that we do not know is unreadable.
pub(super) fn read(root: &Root, session: &LoginSession) -> Result<Settings, Reason> {
    let pids = root.names("/proc")?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let pids: Vec<_> = pids.filter(|pid| is_own(root, pid)).collect();
    let (mut unknown, mut saver) = (pids.is_empty(), None);
    for pid in pids {
        match &*root.text(format!("/proc/{pid}/comm")).unwrap_or_default() {
            "swayidle" => {
                let line = root.read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let words =
                    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).trim().to_owned());
                return swayidle(root, session, &words.collect::<Vec<_>>());
            }
            "hypridle" => {
                let line = root.read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut words = line.split('\0').map(str::trim);
                let given = words.find(|word| ["-c", "--config"].contains(word)).and(words.next());
                let config = given.map_or_else(|| session.settings.join("hypr/hypridle.conf"), Into::into);
                let config = match root.text_if_there(config)? {
                    Some(config) => config,
                    None => root.text("/etc/xdg/hypr/hypridle.conf")?,
                };
                return settings(root, session, &hypridle(&config)?);
            }
            xscreensaver::PROGRAM => saver = Some(xscreensaver::of_user(root, session)?),
            name if DAEMONS.contains(&name) => unknown = true,
            _ => {}
        }
    }
    match saver {
        // Another program may lock in its place.
        Some(saver) if !unknown || saver.automatic() == Some(Ok(true)) => Ok(saver),
        None if !unknown => Ok(Settings::NEVER),
        _ => Err(Reason::Failed),
    }
}

/// Time in seconds, and the command that is run after it.
type Timeout = (u64, String);

/// Programs of a command of the shell, each with its arguments.
fn programs(command: &str) -> impl Iterator<Item = Vec<&str>> {
    let parts = command.split(['&', '|', ';', '\n']);
    parts.map(|part| {
        let words = part.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'', '(', ')']));
        words.skip_while(|word| word.is_empty() || word.contains('=') || *word == "exec").collect::<Vec<_>>()
    })
}

/// The name of a program without its folder.
fn name<'a>(words: &[&'a str]) -> &'a str {
    words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default()
}

/// The program and its arguments that lock the screen, if the command runs one that is known.
fn locker(command: &str) -> Option<Vec<&str>> {
    let locks = |words: &Vec<&str>| {
        let named = |word: &&str| word.rsplit('/').next().is_some_and(|name| LOCKS.contains(&name));
        !TELLERS.contains(&name(words)) && words.iter().any(named)
    };
    programs(command).find(locks)
}

/// The first timeout after which a locker runs. A program that is not known may be one, under a name that a person chose:
/// where it is the only one, whether the screen locks is unreadable.
fn settings(root: &Root, session: &LoginSession, timeouts: &[Timeout]) -> Result<Settings, Reason> {
    let first = timeouts
        .iter()
        .filter(|(seconds, _)| *seconds > 0)
        .filter_map(|(seconds, command)| Some((*seconds, locker(command)?)))
        .min();
    if let Some((seconds, words)) = first {
        return Ok(Settings {
            locks: Some(Ok(true)),
            idle: Some(Ok(seconds)),
            grace: Some(grace(root, session, &words)),
            ..Settings::default()
        });
    }
    let known = |words: &Vec<&str>| {
        words.is_empty() || TELLERS.contains(&name(words)) || OTHERS.contains(&name(words))
    };
    let all_known = timeouts.iter().all(|(_, command)| programs(command).all(|words| known(&words)));
    if all_known { Ok(Settings::NEVER) } else { Err(Reason::Failed) }
}

/// Seconds in which the locker asks for no password: `--grace` of swaylock-effects
/// (<https://github.com/jirutka/swaylock-effects>) and of hyprlock (<https://wiki.hypr.land/Hypr-Ecosystem/hyprlock/>), or
/// `grace` in their files.
fn grace(root: &Root, session: &LoginSession, words: &[&str]) -> Result<u64, Reason> {
    let seconds = |text: &str| {
        let whole = text.trim().split('.').next().unwrap_or_default();
        whole.parse::<u64>().map_err(|_| Reason::Malformed)
    };
    let mut arguments = words.iter();
    while let Some(word) = arguments.next() {
        if let Some(value) = word.strip_prefix("--grace=") {
            return seconds(value);
        } else if *word == "--grace" {
            return seconds(arguments.next().unwrap_or(&""));
        }
    }
    let has = |program: &str| words.iter().any(|word| word.rsplit('/').next() == Some(program));
    let file = match () {
        () if has("swaylock") => "swaylock/config",
        () if has("hyprlock") => "hypr/hyprlock.conf",
        () => return Ok(0),
    };
    let text = root.text_if_there(session.settings.join(file))?.unwrap_or_default();
    let mut set = text.lines().filter_map(|line| line.trim().split_once('='));
    let last = set.rfind(|(name, _)| name.trim() == "grace");
    last.map_or(Ok(0), |(_, value)| seconds(value.split('#').next().unwrap_or_default()))
}

/// swayidle(1): `timeout SECONDS COMMAND` as arguments or, without events there, in the configuration.
fn swayidle(root: &Root, session: &LoginSession, arguments: &[String]) -> Result<Settings, Reason> {
    let option = arguments.iter().position(|word| word == "-C");
    let given = option.and_then(|at| arguments.get(at + 1)).map(|path| Path::new(path).to_owned());
    let own = session.settings.join("swayidle/config");
    let text = match root.text_if_there(given.unwrap_or(own))? {
        Some(text) => text,
        None => root.text_if_there("/etc/swayidle/config")?.unwrap_or_default(),
    };
    let mut timeouts = Vec::new();
    for line in text.lines().filter_map(|line| line.trim().strip_prefix("timeout")) {
        let (seconds, command) = line.trim().split_once([' ', '\t']).ok_or(Reason::Malformed)?;
        timeouts.push((seconds.parse().map_err(|_| Reason::Malformed)?, command.to_owned()));
    }
    // The program that it runs when logind locks the session.
    let mut lock = text.lines().filter_map(|line| line.trim().strip_prefix("lock ")).next_back();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match &**word {
            "timeout" => {
                let seconds = words.next().and_then(|seconds| seconds.parse().ok());
                let command = words.next();
                timeouts.push(seconds.zip(command.cloned()).ok_or(Reason::Malformed)?);
            }
            "lock" => lock = words.next().map(String::as_str).or(lock),
            _ => {}
        }
    }
    settings(root, session, &with_lock_command(timeouts, lock.unwrap_or_default()))
}

/// Replaces commands that have logind lock the session by the one that the idle daemon then runs. Without one, nothing locks.
fn with_lock_command(mut timeouts: Vec<Timeout>, lock: &str) -> Vec<Timeout> {
    for (_, command) in timeouts.iter_mut().filter(|(_, command)| command.contains("lock-session")) {
        lock.clone_into(command);
    }
    timeouts
}

/// Configuration of hypridle: `listener { timeout = SECONDS … on-timeout = COMMAND }`. A command that has logind lock the
/// session needs a `lock_cmd`, which hypridle runs then.
fn hypridle(text: &str) -> Result<Vec<Timeout>, Reason> {
    let mut timeouts = Vec::new();
    let (mut seconds, mut command, mut lock) = (None, String::new(), String::new());
    let (mut variables, mut has_more): (Vec<(String, String)>, _) = (Vec::new(), false);
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
        else {
            if line == "}"
                && let Some(seconds) = seconds.take()
            {
                timeouts.push((seconds, std::mem::take(&mut command)));
            }
            continue;
        };
        let value = variables.iter().fold(value.to_owned(), |text, (name, value)| text.replace(name, value));
        match name {
            "timeout" => seconds = Some(value.parse().map_err(|_| Reason::Malformed)?),
            "on-timeout" => command = value,
            "lock_cmd" => lock = value,
            "source" => has_more = true,
            name if name.starts_with('$') => {
                variables.push((name.to_owned(), value));
                variables.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
            }
            _ => {}
        }
    }
    let timeouts = with_lock_command(timeouts, &lock);
    // Another file may have the timeout after which the screen locks.
    let locks = timeouts.iter().any(|(_, command)| locker(command).is_some());
    if has_more && !locks { Err(Reason::Failed) } else { Ok(timeouts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(timeouts: &[Timeout]) -> Result<Settings, Reason> {
        let tree = tempfile::tempdir().unwrap();
        let config = tree.path().join("config/swaylock");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::write(config.join("config"), "color=000000\ngrace=30\n").unwrap();
        let session = LoginSession { desktop: "sway".into(), settings: "/config".into() };
        settings(&Root::at(tree.path()), &session, timeouts)
    }

    #[test]
    fn commands_that_lock_are_told_from_others() {
        let locks = |grace| {
            Ok(Settings {
                locks: Some(Ok(true)),
                idle: Some(Ok(300)),
                grace: Some(grace),
                ..Settings::default()
            })
        };
        for (command, expected) in [
            ("swaylock -f", locks(Ok(30))),
            ("/usr/bin/swaylock -f --grace 600 --fade-in 1", locks(Ok(600))),
            ("hyprlock --grace=600", locks(Ok(600))),
            ("swaylock --grace ten", locks(Err(Reason::Malformed))),
            ("pidof hyprlock || hyprlock", locks(Ok(0))),
            ("sh -c 'gtklock -d'", locks(Ok(0))),
            ("notify-send 'swaylock in a minute'", Ok(Settings::NEVER)),
            ("pkill swaylock; systemctl suspend", Ok(Settings::NEVER)),
            ("swaymsg 'output * power off'", Ok(Settings::NEVER)),
            ("BACKLIGHT=0 /usr/bin/brightnessctl -s set 10%", Ok(Settings::NEVER)),
            // It may lock or not.
            ("~/.config/sway/lock.sh", Err(Reason::Failed)),
            ("qs ipc call lock lock", Err(Reason::Failed)),
        ] {
            assert_eq!(of(&[(300, command.to_owned())]), expected, "{command}");
        }
    }

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
            (file.replace("pidof hyprlock || hyprlock", "notify-send locked"), None),
            (format!("$lock = hyprlock\n{}", file.replace("loginctl lock-session", "$lock")), Some(300)),
            (format!("source = ~/more.conf\n{file}"), Some(300)),
        ] {
            let seen = of(&hypridle(&text).unwrap()).unwrap();
            let expected = idle.map_or(Settings::NEVER, |idle| Settings {
                locks: Some(Ok(true)),
                idle: Some(Ok(idle)),
                grace: Some(Ok(0)),
                ..Settings::default()
            });
            assert_eq!(seen, expected, "{text}");
        }
        assert_eq!(hypridle("listener {\ntimeout = 5m\n}"), Err(Reason::Malformed));
        let elsewhere = file.replace("loginctl lock-session", "systemctl suspend");
        assert_eq!(hypridle(&format!("source = ~/more.conf\n{elsewhere}")), Err(Reason::Failed));
        let later = file.replace("pidof hyprlock || hyprlock", "hyprlock --grace 60");
        assert_eq!(of(&hypridle(&later).unwrap()).unwrap().grace, Some(Ok(60)));
        let script = file.replace("pidof hyprlock || hyprlock", "~/lock.sh");
        assert_eq!(of(&hypridle(&script).unwrap()), Err(Reason::Failed));
    }
}
