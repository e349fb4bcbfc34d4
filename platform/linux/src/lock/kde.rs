//! KDE's `kscreenlockerrc`, which Plasma's screen locker reads.

use super::{LoginSession, Setting, Settings};
use crate::Root;
use vitalsign_protocol::fact::Reason;

const SYSTEM: &str = "/etc/xdg/kscreenlockerrc";
/// The file's name in a user's folder of settings.
const FILE: &str = "kscreenlockerrc";

/// Entries of the group `Daemon`.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    autolock: Setting<bool>,
    /// In minutes in the file, in seconds here.
    timeout: Setting<u64>,
    lock: Setting<bool>,
    require_password: Setting<bool>,
    /// Seconds; a negative number is a grace period without an end.
    grace: Setting<i64>,
}

impl Keys {
    fn settings(self) -> Settings {
        let endless = self.grace.is_some_and(|grace| grace.is_ok_and(|grace| grace < 0));
        // Without any of these, the screen opens without a password. They need not be set.
        let password = [self.lock, self.require_password, endless.then_some(Ok(false))];
        let no = password.into_iter().flatten().find(|required| *required != Ok(true));
        Settings {
            locks: no.or(self.autolock),
            idle: self.timeout,
            grace: self.grace.map(|grace| grace.map(i64::unsigned_abs)),
            ..Settings::default()
        }
    }
}

/// Settings that the system makes immutable.
pub(super) fn enforced(root: &Root) -> Result<Settings, Reason> {
    Ok(parse(&root.text_if_there(SYSTEM)?.unwrap_or_default(), true).settings())
}

/// The user's file over the system's, over KDE's own defaults; what the system makes immutable wins.
pub(super) fn of_user(root: &Root, session: &LoginSession) -> Result<Settings, Reason> {
    fn first<T>(layers: &[Keys], get: fn(&Keys) -> Setting<T>, default: Setting<T>) -> Setting<T> {
        layers.iter().find_map(get).or(default)
    }
    let system = root.text_if_there(SYSTEM)?.unwrap_or_default();
    let user = root.text_if_there(session.settings.join(FILE))?.unwrap_or_default();
    let layers = [parse(&system, true), parse(&user, false), parse(&system, false)];
    let keys = Keys {
        autolock: first(&layers, |keys| keys.autolock, Some(Ok(true))),
        timeout: first(&layers, |keys| keys.timeout, Some(Ok(5 * 60))),
        lock: first(&layers, |keys| keys.lock, None),
        require_password: first(&layers, |keys| keys.require_password, None),
        grace: first(&layers, |keys| keys.grace, Some(Ok(5))),
    };
    Ok(keys.settings())
}

/// Parses a file. With `immutable`, only entries marked `[$i]`: the key, its group, or the whole file by its first line.
fn parse(text: &str, immutable: bool) -> Keys {
    let mut keys = Keys::default();
    let (mut all, mut group, mut daemon) = (false, false, false);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
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
                "Autolock" => keys.autolock = Some(switch(value)),
                "Timeout" => keys.timeout = Some(minutes(value)),
                "Lock" => keys.lock = Some(switch(value)),
                "RequirePassword" => keys.require_password = Some(switch(value)),
                "LockGrace" => keys.grace = Some(value.trim().parse().map_err(|_| Reason::Malformed)),
                _ => {}
            }
        }
    }
    keys
}

/// A boolean of KConfig, in the words that it writes or documents.
fn switch(value: &str) -> Result<bool, Reason> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(Reason::Malformed),
    }
}

/// Minutes, since Plasma 6.4 with a fraction, in seconds.
fn minutes(value: &str) -> Result<u64, Reason> {
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), "0"));
    let whole: u64 = whole.parse().map_err(|_| Reason::Malformed)?;
    let fraction = fraction.get(..1).filter(|_| fraction.bytes().all(|byte| byte.is_ascii_digit()));
    let tenths: u64 = fraction.and_then(|tenth| tenth.parse().ok()).ok_or(Reason::Malformed)?;
    whole.checked_mul(60).and_then(|seconds| seconds.checked_add(tenths * 6)).ok_or(Reason::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(locks: Setting<bool>, idle: Setting<u64>, grace: Setting<u64>) -> Settings {
        Settings { locks, idle, grace, ..Settings::default() }
    }

    #[test]
    fn immutable_entries_are_enforced() {
        let all = settings(Some(Ok(true)), Some(Ok(600)), Some(Ok(5)));
        for (text, immutable, expected) in [
            ("[Daemon]\nAutolock=true\nTimeout=10\nLockGrace=5", false, all),
            ("[Daemon]\nAutolock=true\nTimeout=10\nLockGrace=5", true, Settings::default()),
            ("[Daemon][$i]\nAutolock=true\nTimeout=10\nLockGrace=5", true, all),
            ("[$i]\n[Daemon]\nAutolock=true\nTimeout=10\nLockGrace=5", true, all),
            ("[Daemon]\nAutolock[$i]=false\nTimeout=10", true, settings(Some(Ok(false)), None, None)),
            ("[Greeter]\nAutolock[$i]=true", true, Settings::default()),
        ] {
            assert_eq!(parse(text, immutable).settings(), expected, "{text}");
        }
    }

    #[test]
    fn words_are_understood_or_malformed() {
        let (yes, no, malformed) = (Some(Ok(true)), Some(Ok(false)), Some(Err(Reason::Malformed)));
        let some = |seconds| Some(Ok(seconds));
        for (text, expected) in [
            ("Autolock=1", settings(yes, None, None)),
            ("Autolock=off", settings(no, None, None)),
            ("Autolock=Yes", settings(yes, None, None)),
            ("Autolock=never", settings(malformed, None, None)),
            ("Autolock=true\nLock=false", settings(no, None, None)),
            ("Autolock=true\nRequirePassword=false", settings(no, None, None)),
            ("Autolock=true\nRequirePassword=true", settings(yes, None, None)),
            ("Timeout=0", settings(None, some(0), None)),
            ("Timeout=0.5", settings(None, some(30), None)),
            ("Timeout=5 min", settings(None, Some(Err(Reason::Malformed)), None)),
            ("LockGrace=-1", settings(no, None, some(1))),
            ("LockGrace=soon", settings(None, None, Some(Err(Reason::Malformed)))),
            ("#Autolock=false", Settings::default()),
        ] {
            assert_eq!(parse(&format!("[Daemon]\n{text}"), false).settings(), expected, "{text}");
        }
    }
}
