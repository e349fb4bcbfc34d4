//! Settings that no user can change: read without a session.

use super::dconf::Dconf;
use super::desktop::Desktop;
use super::{Setting, Settings, kde, logind, xfconf};
use crate::Root;
use vitalsign_protocol::fact::Reason;

/// Settings of a desktop on which something acts.
pub(super) fn read(root: &Root, desktop: Desktop) -> Result<Settings, Reason> {
    match desktop {
        Desktop::Gnome => {
            let settings = dconf(root, "/org/gnome/desktop")?;
            with_idle_action(root, settings)
        }
        Desktop::Budgie => {
            // Its screensaver starts when idle only if it is told to.
            let starts = Dconf::read(root)?.switch("/org/gnome/desktop/screensaver/idle-activation-enabled");
            let settings = dconf(root, "/org/gnome/desktop")?;
            Ok(unless_disabled(settings, starts.map(|starts| starts.map(|starts| !starts))))
        }
        Desktop::Flashback | Desktop::Unity => dconf(root, "/org/gnome/desktop"),
        Desktop::Cinnamon => dconf(root, "/org/cinnamon/desktop"),
        Desktop::Plasma => kde::enforced(root),
        Desktop::Mate => mate(root),
        Desktop::Xfce => xfconf::enforced(root),
        // Their settings are the user's alone.
        Desktop::Plain | Desktop::Other => Ok(Settings::default()),
        Desktop::Kiosk => Ok(Settings::NEVER),
    }
}

fn dconf(root: &Root, desktop: &str) -> Result<Settings, Reason> {
    let dconf = Dconf::read(root)?;
    let enabled = dconf.switch(&format!("{desktop}/screensaver/lock-enabled"));
    let settings = Settings {
        locks: enabled,
        idle: dconf.number(&format!("{desktop}/session/idle-delay")),
        grace: dconf.number(&format!("{desktop}/screensaver/lock-delay")),
        ..Settings::default()
    };
    Ok(unless_disabled(settings, dconf.switch(&format!("{desktop}/lockdown/disable-lock-screen"))))
}

/// MATE's screensaver counts minutes, and starts when idle only if it is told to.
fn mate(root: &Root) -> Result<Settings, Reason> {
    let dconf = Dconf::read(root)?;
    let enabled = dconf.switch("/org/mate/screensaver/lock-enabled");
    let starts = dconf.switch("/org/mate/screensaver/idle-activation-enabled");
    let settings = Settings {
        locks: match (enabled, starts) {
            (Some(Ok(false)), _) | (_, Some(Ok(false))) => Some(Ok(false)),
            (Some(Err(reason)), _) | (_, Some(Err(reason))) => Some(Err(reason)),
            (Some(Ok(true)), Some(Ok(true))) => Some(Ok(true)),
            (None, _) | (_, None) => None,
        },
        idle: dconf.minutes("/org/mate/desktop/session/idle-delay"),
        grace: dconf.minutes("/org/mate/screensaver/lock-delay"),
        ..Settings::default()
    };
    Ok(unless_disabled(settings, dconf.switch("/org/mate/desktop/lockdown/disable-lock-screen")))
}

/// Applies the switch that turns a desktop's lock off as a whole. If it is not locked, a user can turn it.
fn unless_disabled(settings: Settings, disabled: Setting<bool>) -> Settings {
    match disabled {
        Some(Ok(true)) => Settings { locks: Some(Ok(false)), ..settings },
        Some(Err(reason)) => Settings { locks: Some(Err(reason)), ..settings },
        Some(Ok(false)) => settings,
        None => Settings { can_be_turned_off: true, ..settings },
    }
}

/// Adds logind's idle action to the settings of GNOME Shell: it tells logind when it is idle, and locks at once when
/// logind says so, even if it would not by itself.
pub(super) fn with_idle_action(root: &Root, settings: Settings) -> Result<Settings, Reason> {
    let by_itself = settings.locks == Some(Ok(true));
    let Some(Ok(idle)) = settings.idle.filter(|idle| *idle != Ok(0) && !by_itself) else {
        return Ok(settings);
    };
    let disabled: Setting<bool> =
        Dconf::read(root)?.switch("/org/gnome/desktop/lockdown/disable-lock-screen");
    match logind::lock_delay(root)? {
        Some(delay) if !matches!(disabled, Some(Ok(true) | Err(_))) => Ok(Settings {
            locks: Some(Ok(true)),
            idle: Some(Ok(idle.saturating_add(delay))),
            grace: Some(Ok(0)),
            ..settings
        }),
        _ => Ok(settings),
    }
}
