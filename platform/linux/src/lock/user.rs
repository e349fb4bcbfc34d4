//! Settings of the user whose session this process runs in.

use super::desktop::{Desktop, Locker};
use super::enforced::with_idle_action;
use super::{LoginSession, Settings, compositor, daemon, kde, xfconf, xscreensaver};
use crate::Root;
use crate::run::Commands;
use std::time::Duration;
use vitalsign_protocol::fact::Reason;

const DEADLINE: Duration = Duration::from_secs(2);

/// Reads the settings of the session's desktop; `None` for an unknown desktop.
pub(super) fn read(
    root: &Root,
    commands: &Commands,
    session: &LoginSession,
    desktop: Desktop,
) -> Option<Result<Settings, Reason>> {
    let locker = desktop.locker(root);
    let has_saver = || daemon::runs(root, xscreensaver::PROGRAM) == Ok(true);
    if locker == Locker::Unknown && desktop != Desktop::Plain && has_saver() {
        return Some(xscreensaver::of_user(root, session));
    }
    match locker {
        // A person's own programs are in folders that are not searched (Nix's profiles, `~/.local/bin`).
        Locker::Absent if desktop == Desktop::Plain && compositor::has_daemon(root) => {}
        Locker::Absent | Locker::NotStarted => return Some(Ok(Settings::NEVER)),
        // It locks by its settings, or with a locker that no setting names.
        Locker::Unknown
            if matches!(desktop, Desktop::Mate | Desktop::Xfce | Desktop::Budgie | Desktop::Gnome) =>
        {
            return Some(Err(Reason::Failed));
        }
        Locker::Unknown | Locker::Present => {}
    }
    match daemon::acts(root, session, desktop) {
        Ok(true) => {}
        Ok(false) => return Some(Ok(Settings::NEVER)),
        Err(reason) => return Some(Err(reason)),
    }
    match desktop {
        Desktop::Gnome => {
            let settings = gsettings(commands, "org.gnome.desktop", 1);
            Some(settings.and_then(|settings| with_idle_action(root, settings)))
        }
        Desktop::Budgie => Some(budgie(commands)),
        Desktop::Flashback | Desktop::Unity => Some(gsettings(commands, "org.gnome.desktop", 1)),
        Desktop::Cinnamon => Some(gsettings(commands, "org.cinnamon.desktop", 1)),
        Desktop::Mate => Some(mate(commands)),
        Desktop::Plasma => Some(kde::of_user(root, session)),
        Desktop::Xfce => Some(xfconf::of_user(root, &session.settings)),
        Desktop::Plain => Some(compositor::read(root, session)),
        Desktop::Kiosk => Some(Ok(Settings::NEVER)),
        Desktop::Other => None,
    }
}

/// Reads settings as they are in force for the user. `unit` is the unit of their times in seconds.
fn gsettings(commands: &Commands, desktop: &str, unit: u64) -> Result<Settings, Reason> {
    let get = |schema: &str, key: &str| get(commands, &format!("{desktop}.{schema}"), key);
    let seconds = |text: String| {
        let number = text.trim().trim_start_matches("uint32").trim().parse::<u64>().ok();
        number.and_then(|number| number.checked_mul(unit)).ok_or(Reason::Malformed)
    };
    let disabled = get("lockdown", "disable-lock-screen").and_then(switch)?;
    Ok(Settings {
        locks: Some(Ok(!disabled && get("screensaver", "lock-enabled").and_then(switch)?)),
        idle: Some(Ok(get("session", "idle-delay").and_then(seconds)?)),
        grace: Some(Ok(get("screensaver", "lock-delay").and_then(seconds)?)),
        ..Settings::default()
    })
}

/// Budgie's screensaver, made from GNOME's old one, starts when idle only if it is told to (`gs-monitor.c` of
/// <https://github.com/BuddiesOfBudgie/budgie-screensaver>). A schema without the switch is one of a locker that always does.
fn budgie(commands: &Commands) -> Result<Settings, Reason> {
    let settings = gsettings(commands, "org.gnome.desktop", 1)?;
    let starts = match get(commands, "org.gnome.desktop.screensaver", "idle-activation-enabled") {
        Ok(text) => switch(text)?,
        Err(_) => true,
    };
    Ok(if starts { settings } else { Settings { locks: Some(Ok(false)), ..settings } })
}

/// MATE's screensaver counts minutes, and starts when idle only if it is told to.
fn mate(commands: &Commands) -> Result<Settings, Reason> {
    let settings = gsettings(commands, "org.mate", 60)?;
    let starts = get(commands, "org.mate.screensaver", "idle-activation-enabled").and_then(switch)?;
    Ok(if starts { settings } else { Settings { locks: Some(Ok(false)), ..settings } })
}

fn get(commands: &Commands, schema: &str, key: &str) -> Result<String, Reason> {
    let name = format!("gsettings-{key}");
    commands.output(&name, "/usr/bin/gsettings", &["get", schema, key], DEADLINE)?.success()
}

fn switch(text: String) -> Result<bool, Reason> {
    text.trim().parse().map_err(|_| Reason::Malformed)
}
