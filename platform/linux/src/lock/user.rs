//! Settings of the user whose session this process runs in.

use super::desktop::{Desktop, Locker};
use super::enforced::with_idle_action;
use super::{LoginSession, Settings, compositor, kde};
use crate::Root;
use crate::run::Commands;
use std::time::Duration;
use vitalsign_protocol::fact::Reason;

const DEADLINE: Duration = Duration::from_secs(2);
/// Configuration of `xfce4-screensaver`, below the system's and the user's folder of settings.
const XFCE: &str = "xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml";

/// Reads the settings of the session's desktop; `None` for an unknown desktop.
pub(super) fn read(
    root: &Root,
    commands: &Commands,
    session: &LoginSession,
    desktop: Desktop,
) -> Option<Result<Settings, Reason>> {
    match desktop.locker(root) {
        Locker::Absent | Locker::NotStarted => return Some(Ok(Settings::NEVER)),
        // It locks by its settings, or with a locker that no setting names.
        Locker::Unknown
            if matches!(desktop, Desktop::Mate | Desktop::Xfce | Desktop::Budgie | Desktop::Gnome) =>
        {
            return Some(Err(Reason::Failed));
        }
        Locker::Unknown | Locker::Present => {}
    }
    match desktop {
        Desktop::Gnome => {
            let settings = gsettings(commands, "org.gnome.desktop", 1);
            Some(settings.and_then(|settings| with_idle_action(root, settings)))
        }
        Desktop::Flashback | Desktop::Unity | Desktop::Budgie => {
            Some(gsettings(commands, "org.gnome.desktop", 1))
        }
        Desktop::Cinnamon => Some(gsettings(commands, "org.cinnamon.desktop", 1)),
        Desktop::Mate => Some(gsettings(commands, "org.mate", 60)),
        Desktop::Plasma => Some(kde::of_user(root, session)),
        Desktop::Xfce => Some(xfce(root, session)),
        Desktop::Plain => Some(compositor::read(root, session)),
        Desktop::Kiosk => Some(Ok(Settings::NEVER)),
        Desktop::Other => None,
    }
}

/// Reads settings as they are in force for the user. `unit` is the unit of their times in seconds.
fn gsettings(commands: &Commands, desktop: &str, unit: u64) -> Result<Settings, Reason> {
    let get = |schema: &str, key: &str| {
        let schema = format!("{desktop}.{schema}");
        let output = commands.output(
            &format!("gsettings-{key}"),
            "/usr/bin/gsettings",
            &["get", &schema, key],
            DEADLINE,
        );
        output?.success()
    };
    let switch = |text: String| text.trim().parse::<bool>().map_err(|_| Reason::Malformed);
    let seconds = |text: String| {
        let number = text.trim().trim_start_matches("uint32").trim().parse::<u64>().ok();
        number.and_then(|number| number.checked_mul(unit)).ok_or(Reason::Malformed)
    };
    let disabled = get("lockdown", "disable-lock-screen").and_then(switch)?;
    Ok(Settings {
        locks: Some(Ok(!disabled && get("screensaver", "lock-enabled").and_then(switch)?)),
        idle: Some(Ok(get("session", "idle-delay").and_then(seconds)?)),
        grace: Some(Ok(get("screensaver", "lock-delay").and_then(seconds)?)),
    })
}

/// The user's file over the system's, over the locker's own defaults. The system's locks are not read: it is the user's
/// own session.
fn xfce(root: &Root, session: &LoginSession) -> Result<Settings, Reason> {
    let files = [session.settings.join(XFCE), std::path::Path::new("/etc/xdg").join(XFCE)];
    let mut layers = Vec::new();
    for file in files {
        layers.push(root.text_if_there(file)?.unwrap_or_default());
    }
    let get = |path: &[&str]| layers.iter().find_map(|text| property(text, path));
    let switch = |path: &[&str]| match get(path).as_deref() {
        Some("true") | None => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Reason::Malformed),
    };
    let minutes = |path: &[&str], default: u64| match get(path).map(|value| value.parse::<u64>()) {
        Some(Ok(minutes)) => minutes.checked_mul(60).ok_or(Reason::Malformed),
        Some(Err(_)) => Err(Reason::Malformed),
        None => Ok(default * 60),
    };
    let switches = [
        switch(&["saver", "enabled"])?,
        switch(&["saver", "idle-activation", "enabled"])?,
        switch(&["lock", "enabled"])?,
        switch(&["lock", "saver-activation", "enabled"])?,
    ];
    // It takes zero for ten minutes.
    let idle = match minutes(&["saver", "idle-activation", "delay"], 5)? {
        0 => 10 * 60,
        seconds => seconds,
    };
    Ok(Settings {
        locks: Some(Ok(switches.into_iter().all(|on| on))),
        idle: Some(Ok(idle)),
        grace: Some(Ok(minutes(&["lock", "saver-activation", "delay"], 0)?)),
    })
}

/// The value of a property in a channel's file: properties nest as their names do.
fn property(text: &str, path: &[&str]) -> Option<String> {
    let mut open: Vec<String> = Vec::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        if tag.starts_with("/property") {
            open.pop();
        } else if tag.starts_with("property") {
            let get =
                |name: &str| Some(tag.split_once(&format!(" {name}=\""))?.1.split('"').next()?.to_owned());
            open.push(get("name")?);
            if open == path {
                return get("value");
            }
            if tag.ends_with('/') {
                open.pop();
            }
        }
    }
    None
}
