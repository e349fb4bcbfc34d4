//! Screen lock: settings enforced for every session (dconf locks, KDE's immutable settings, logind) and, in a
//! user's session, the user's own. The service cannot read users' settings: anything not enforced is
//! unreadable to it.

mod desktop;
mod enforced;

use crate::Root;
use crate::run::Commands;
use std::path::PathBuf;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::Lock;

/// A user's graphical session that this process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSession {
    /// `XDG_CURRENT_DESKTOP`: names of desktops, with colons between them.
    pub desktop: String,
    /// The user's settings: `XDG_CONFIG_HOME` or `~/.config`.
    pub settings: PathBuf,
}

impl LoginSession {
    /// The session that this process's environment tells of.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let desktop = std::env::var("XDG_CURRENT_DESKTOP").ok().filter(|desktop| !desktop.is_empty())?;
        let settings = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let settings = settings.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
        Some(Self { desktop, settings })
    }
}

/// Settings of one source; `None` where it leaves a setting open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settings {
    locks: Option<bool>,
    /// Idle seconds until the screen locks; zero means never.
    idle: Option<u64>,
    /// Further seconds until a password is required.
    grace: Option<u64>,
}

impl Settings {
    /// Locked by itself: it locks, and it becomes idle. One "no" is enough for "no".
    fn automatic(&self) -> Option<bool> {
        match (self.locks, self.idle) {
            (Some(false), _) | (_, Some(0)) => Some(false),
            (Some(true), Some(_)) => Some(true),
            _ => None,
        }
    }

    /// Converts to facts; an open setting is unreadable for `reason`. A screen that never locks has no times.
    fn facts(self, reason: Reason) -> Lock {
        let open = |value: Option<u64>| value.map_or(Fact::Unreadable(reason), Fact::Known);
        match self.automatic() {
            Some(false) => Lock {
                automatic: Fact::Known(false),
                idle_seconds: Fact::Unsupported,
                grace_seconds: Fact::Unsupported,
            },
            Some(true) => Lock {
                automatic: Fact::Known(true),
                idle_seconds: open(self.idle),
                grace_seconds: open(self.grace),
            },
            None => {
                let automatic = Fact::Unreadable(reason);
                Lock { automatic, idle_seconds: open(self.idle), grace_seconds: open(self.grace) }
            }
        }
    }

    /// The weaker of two, where both hold on one machine: a setting that either leaves open is open, but for a "no".
    fn weaker(self, other: Self) -> Self {
        let longer = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(0), _) | (_, Some(0)) => Some(0),
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => None,
        };
        let locks = match (self.locks, other.locks) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        // Zero seconds of grace are the strictest, not "never".
        let grace = self.grace.zip(other.grace).map(|(a, b)| a.max(b));
        Self { locks, idle: longer(self.idle, other.idle), grace }
    }
}

/// Returns the probe of the submodule `lock`.
#[must_use]
pub fn probes(root: &Root, session: Option<LoginSession>) -> Vec<Probe> {
    let root = root.clone();
    let read = move || Ok(read(&root, &Commands::of(&root), session.as_ref()));
    vec![Probe::new("lock", Duration::from_secs(8), read, |posture, seen| {
        posture.lock = seen.unwrap_or_else(|reason| Settings::default().facts(reason));
    })]
}

#[must_use]
pub fn read(root: &Root, commands: &Commands, session: Option<&LoginSession>) -> Lock {
    match enforced::logind(root) {
        Ok(Some(settings)) => return settings.facts(Reason::Failed),
        Ok(None) => {}
        Err(reason) => return Settings::default().facts(reason),
    }
    if let Some(session) = session {
        return match desktop::read(root, commands, session) {
            Some(Ok(settings)) => settings.facts(Reason::Malformed),
            Some(Err(reason)) => Settings::default().facts(reason),
            None => unsupported(),
        };
    }
    let desktops = enforced::desktops(root);
    match desktops.as_slice() {
        [] if !enforced::has_display(root) => unsupported(),
        [] => Settings::default().facts(Reason::NoSession),
        [first, others @ ..] => {
            let settings = |desktop: &enforced::Desktop| desktop.enforced(root);
            let all = others
                .iter()
                .try_fold(settings(first), |weakest, desktop| Ok(Ok(weakest?.weaker(settings(desktop)?))));
            match all.and_then(|all| all) {
                Ok(settings) => settings.facts(Reason::NoSession),
                Err(reason) => Settings::default().facts(reason),
            }
        }
    }
}

/// No screen, or a desktop that has no setting that we know of.
fn unsupported() -> Lock {
    Lock { automatic: Fact::Unsupported, idle_seconds: Fact::Unsupported, grace_seconds: Fact::Unsupported }
}
