//! Settings of the user whose session this process runs in.

use super::enforced::{kde, uint};
use super::{LoginSession, Settings};
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
) -> Option<Result<Settings, Reason>> {
    let is = |names: &[&str]| {
        session.desktop.split(':').any(|desktop| names.iter().any(|n| desktop.eq_ignore_ascii_case(n)))
    };
    match () {
        () if is(&["KDE"]) => Some(plasma(root, session)),
        () if is(&["X-Cinnamon", "Cinnamon"]) => Some(gsettings(commands, "org.cinnamon.desktop")),
        () if is(&["GNOME", "Unity", "Budgie", "GNOME-Classic"]) => {
            Some(gsettings(commands, "org.gnome.desktop"))
        }
        () => None,
    }
}

fn gsettings(commands: &Commands, desktop: &str) -> Result<Settings, Reason> {
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
    let disabled = get("lockdown", "disable-lock-screen").and_then(switch)?;
    Ok(Settings {
        locks: Some(!disabled && get("screensaver", "lock-enabled").and_then(switch)?),
        idle: Some(uint(&get("session", "idle-delay")?).ok_or(Reason::Malformed)?),
        grace: Some(uint(&get("screensaver", "lock-delay")?).ok_or(Reason::Malformed)?),
    })
}

/// The user's file over the system's, over KDE's own defaults; what the system holds fast wins.
fn plasma(root: &Root, session: &LoginSession) -> Result<Settings, Reason> {
    let system = root.text_if_there("/etc/xdg/kscreenlockerrc")?.unwrap_or_default();
    let user = root.text_if_there(session.settings.join("kscreenlockerrc"))?.unwrap_or_default();
    let layers = [kde(&system, true), kde(&user, false), kde(&system, false)];
    let first = |get: fn(&Settings) -> Option<u64>, default| layers.iter().find_map(get).or(Some(default));
    Ok(Settings {
        locks: layers.iter().find_map(|layer| layer.locks).or(Some(true)),
        idle: first(|layer| layer.idle, 5 * 60),
        grace: first(|layer| layer.grace, 5),
    })
}
