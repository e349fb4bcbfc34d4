//! XScreenSaver: a person's file over the system's (xscreensaver(1)). Without any setting it does not lock.

use super::{LoginSession, Settings};
use crate::Root;
use vitalsign_protocol::fact::Reason;

/// The program, which settings are for.
pub(super) const PROGRAM: &str = "xscreensaver";
/// The system's settings, in the order in which they are searched.
const SYSTEM: [&str; 3] = [
    "/etc/X11/app-defaults/XScreenSaver",
    "/usr/share/X11/app-defaults/XScreenSaver",
    "/usr/lib/X11/app-defaults/XScreenSaver",
];
/// Seconds after which it starts by default.
const TIMEOUT: u64 = 600;

/// The settings of the person whose session this is.
pub(super) fn of_user(root: &Root, session: &LoginSession) -> Result<Settings, Reason> {
    let home = session.settings.parent().ok_or(Reason::Failed)?;
    let user = root.text_if_there(home.join(".xscreensaver"))?.unwrap_or_default();
    let mut system = None;
    for path in SYSTEM {
        system = system.or(root.text_if_there(path)?);
    }
    let system = system.unwrap_or_default();
    let get = |name: &str| value(&user, name).or_else(|| value(&system, name));
    let locks = get("lock").map_or(Ok(false), switch);
    let never = get("mode").is_some_and(|mode| mode.eq_ignore_ascii_case("off"));
    Ok(Settings {
        locks: Some(if never { Ok(false) } else { locks }),
        idle: Some(get("timeout").map_or(Ok(TIMEOUT), seconds)),
        grace: Some(get("lockTimeout").map_or(Ok(0), seconds)),
        ..Settings::default()
    })
}

/// The last value of a resource: `lock: True`, or `*lock: True` in the system's file.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter(|line| !line.starts_with(['!', '#']));
    let mut values = lines.filter_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim().trim_start_matches('*') == name).then(|| value.trim())
    });
    values.next_back()
}

fn switch(value: &str) -> Result<bool, Reason> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" => Ok(true),
        "false" | "off" | "no" => Ok(false),
        _ => Err(Reason::Malformed),
    }
}

/// `0:10:00`, `10:00`, or a number of minutes.
fn seconds(value: &str) -> Result<u64, Reason> {
    let parts: Result<Vec<u64>, _> = value.split(':').map(|part| part.trim().parse::<u64>()).collect();
    let parts = parts.map_err(|_| Reason::Malformed)?;
    let seconds = match parts.as_slice() {
        [minutes] => minutes.checked_mul(60),
        [minutes, seconds] => minutes.checked_mul(60).and_then(|sum| sum.checked_add(*seconds)),
        [hours, minutes, seconds] => hours
            .checked_mul(60)
            .and_then(|sum| sum.checked_add(*minutes)?.checked_mul(60)?.checked_add(*seconds)),
        _ => None,
    };
    seconds.ok_or(Reason::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn person_outranks_the_system_and_default_is_no_lock() {
        let locks = |idle, grace| Settings {
            locks: Some(Ok(true)),
            idle: Some(Ok(idle)),
            grace: Some(Ok(grace)),
            ..Settings::default()
        };
        let off = |idle| Settings { locks: Some(Ok(false)), ..locks(idle, 0) };
        let malformed = Settings { idle: Some(Err(Reason::Malformed)), ..locks(0, 0) };
        for (user, system, expected) in [
            ("", "", off(600)),
            ("lock:\tTrue\ntimeout:\t0:05:00\nlockTimeout:\t0:00:30\n", "", locks(300, 30)),
            ("lock:\tFalse\n", "*lock:\tTrue\n", off(600)),
            ("timeout: 7\n", "! *lock: False\n*lock:\tTrue\n", locks(420, 0)),
            ("lock: True\nmode:\toff\n", "", off(600)),
            ("lock: True\nmode:\tblank\nlocktimeout: 9\n", "", locks(600, 0)),
            ("lock: True\ntimeout: 1:00:00\n", "", locks(3600, 0)),
            ("lock: True\ntimeout: soon\n", "", malformed),
        ] {
            let tree = tempfile::tempdir().unwrap();
            let path = tree.path().join("etc/X11/app-defaults/XScreenSaver");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, system).unwrap();
            std::fs::create_dir_all(tree.path().join("home")).unwrap();
            std::fs::write(tree.path().join("home/.xscreensaver"), user).unwrap();
            let session = LoginSession { desktop: "i3".into(), settings: "/home/.config".into() };
            assert_eq!(of_user(&Root::at(tree.path()), &session).unwrap(), expected, "{user} {system}");
        }
    }
}
