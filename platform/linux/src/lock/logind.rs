//! logind's idle action (logind.conf(5)). `IdleAction=lock` only sends a signal: it counts where the desktop tells logind
//! that it is idle, and locks when it receives the signal.

use crate::Root;
use std::collections::BTreeMap;
use vitalsign_protocol::fact::Reason;

/// Folders of the configuration; one in a later folder replaces that of the same name in an earlier one.
const FOLDERS: [&str; 4] = ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"];

/// Seconds of idleness, as told by the desktop, after which logind has sessions locked; `None` if it does not.
pub(super) fn lock_delay(root: &Root) -> Result<Option<u64>, Reason> {
    let main =
        FOLDERS.iter().rev().map(|folder| format!("{folder}/logind.conf")).find(|path| root.exists(path));
    let mut extensions: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS.map(|folder| format!("{folder}/logind.conf.d")) {
        for name in root.names(&folder)?.into_iter().filter(|name| name.ends_with(".conf")) {
            extensions.insert(name.clone(), format!("{folder}/{name}"));
        }
    }
    let (mut action, mut seconds) = (String::new(), String::new());
    for file in main.into_iter().chain(extensions.into_values()) {
        let mut login = false;
        for line in root.text_if_there(file)?.unwrap_or_default().lines().map(str::trim) {
            if line.starts_with('[') {
                login = line == "[Login]";
            }
            match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("IdleAction", value)) if login => value.clone_into(&mut action),
                Some(("IdleActionSec", value)) if login => value.clone_into(&mut seconds),
                _ => {}
            }
        }
    }
    match (&*action, &*seconds) {
        ("lock", "") => Ok(Some(30 * 60)),
        ("lock", "infinity") => Ok(None),
        ("lock", seconds) => span(seconds).map(Some).ok_or(Reason::Malformed),
        _ => Ok(None),
    }
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
}
