//! Settings that no user can change: read without a session.

use super::dconf::Dconf;
use super::desktop::Desktop;
use super::{Setting, Settings, kde, logind};
use crate::Root;
use vitalsign_protocol::fact::Reason;

/// Settings of a desktop on which something acts.
pub(super) fn read(root: &Root, desktop: Desktop) -> Result<Settings, Reason> {
    match desktop {
        Desktop::Gnome => {
            let settings = dconf(root, "/org/gnome/desktop")?;
            with_idle_action(root, settings)
        }
        Desktop::Budgie | Desktop::Flashback | Desktop::Unity => dconf(root, "/org/gnome/desktop"),
        Desktop::Cinnamon => dconf(root, "/org/cinnamon/desktop"),
        Desktop::Plasma => kde::enforced(root),
        // Their settings cannot be enforced, or not be read without a session.
        Desktop::Mate | Desktop::Xfce | Desktop::Plain | Desktop::Other => Ok(Settings::default()),
        Desktop::Kiosk => Ok(Settings::NEVER),
    }
}

fn dconf(root: &Root, desktop: &str) -> Result<Settings, Reason> {
    let dconf = Dconf::read(root)?;
    let disabled = dconf.switch(&format!("{desktop}/lockdown/disable-lock-screen"));
    let enabled = dconf.switch(&format!("{desktop}/screensaver/lock-enabled"));
    Ok(Settings {
        locks: match disabled {
            Some(Ok(true)) => Some(Ok(false)),
            Some(Err(reason)) => Some(Err(reason)),
            Some(Ok(false)) | None => enabled,
        },
        idle: dconf.number(&format!("{desktop}/session/idle-delay")),
        grace: dconf.number(&format!("{desktop}/screensaver/lock-delay")),
    })
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
        }),
        _ => Ok(settings),
    }
}
