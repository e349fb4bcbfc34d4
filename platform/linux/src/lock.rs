//! Screen lock: settings enforced for every session (dconf locks, KDE's immutable settings) and, in a user's session, the
//! user's own. A setting counts only where a program acts on it. The service cannot read users' settings: anything not
//! enforced is unreadable to it.

mod compositor;
mod daemon;
mod dconf;
mod desktop;
mod enforced;
mod gvdb;
mod kde;
mod logind;
mod user;
mod watch;
mod xfconf;
mod xscreensaver;

pub use watch::SettingsWatch;

use crate::Root;
use crate::run::Commands;
use desktop::{Desktop, Locker};
use std::path::PathBuf;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Lock, LockSource};

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
        // A log-in screen is no user's session.
        if std::env::var("XDG_SESSION_CLASS").is_ok_and(|class| class == "greeter") {
            return None;
        }
        let desktop = std::env::var("XDG_CURRENT_DESKTOP").ok().filter(|desktop| !desktop.is_empty())?;
        let settings = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let settings = settings.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
        Some(Self { desktop, settings })
    }
}

/// A setting of one source; `None` where the source leaves it open, an error where it has no value that is understood.
type Setting<T> = Option<Result<T, Reason>>;

/// Settings of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settings {
    locks: Setting<bool>,
    /// Idle seconds until the screen locks; zero means never.
    idle: Setting<u64>,
    /// Further seconds until a password is required.
    grace: Setting<u64>,
    /// The settings are enforced, but not the switch that turns the whole lock off.
    can_be_turned_off: bool,
}

impl Settings {
    /// Nothing locks.
    const NEVER: Self = Self { locks: Some(Ok(false)), idle: None, grace: None, can_be_turned_off: false };

    /// Locked by itself: it locks, and it becomes idle. One "no" is enough for "no".
    fn automatic(&self) -> Setting<bool> {
        match (self.locks, self.idle) {
            (Some(Ok(false)), _) | (_, Some(Ok(0))) => Some(Ok(false)),
            (Some(Ok(true)), Some(Ok(_))) => Some(Ok(true)),
            (Some(Err(reason)), _) | (_, Some(Err(reason))) => Some(Err(reason)),
            _ => None,
        }
    }

    /// Converts to facts; an open setting is unreadable for `reason`. A screen that never locks has no times.
    fn facts(self, reason: Reason, source: LockSource) -> Lock {
        let time = |value: Setting<u64>| value.unwrap_or(Err(reason)).into();
        let automatic = self.automatic().unwrap_or(Err(reason)).into();
        if automatic == Fact::Known(false) {
            let source = Fact::Known(source);
            return Lock {
                automatic,
                idle_seconds: Fact::Unsupported,
                grace_seconds: Fact::Unsupported,
                source,
            };
        }
        let source = if self.can_be_turned_off { LockSource::Session } else { source };
        let source = automatic.clone().map(|_| source);
        Lock { automatic, idle_seconds: time(self.idle), grace_seconds: time(self.grace), source }
    }

    /// The weaker of two, where both hold on one machine: a setting that either leaves open is open, but for a "no".
    fn weaker(self, other: Self) -> Self {
        fn both<T>(a: Setting<T>, b: Setting<T>, weaker: impl FnOnce(T, T) -> T) -> Setting<T> {
            match (a?, b?) {
                (Ok(a), Ok(b)) => Some(Ok(weaker(a, b))),
                (Err(reason), _) | (_, Err(reason)) => Some(Err(reason)),
            }
        }
        let no = [self.locks, other.locks].contains(&Some(Ok(false)));
        let never = [self.idle, other.idle].contains(&Some(Ok(0)));
        Self {
            locks: if no { Some(Ok(false)) } else { both(self.locks, other.locks, |a, b| a && b) },
            idle: if never { Some(Ok(0)) } else { both(self.idle, other.idle, u64::max) },
            // Zero seconds of grace are the strictest, not "never".
            grace: both(self.grace, other.grace, u64::max),
            can_be_turned_off: self.can_be_turned_off || other.can_be_turned_off,
        }
    }
}

/// Returns the probe of the submodule `lock`.
#[must_use]
pub fn probes(root: &Root, session: Option<LoginSession>) -> Vec<Probe> {
    let root = root.clone();
    let read = move || Ok(read(&root, &Commands::of(&root), session.as_ref()));
    vec![Probe::new("lock", Duration::from_secs(8), read, |posture, seen| {
        posture.lock = seen.unwrap_or_else(unreadable);
    })]
}

#[must_use]
pub fn read(root: &Root, commands: &Commands, session: Option<&LoginSession>) -> Lock {
    if let Some(session) = session {
        let desktop = Desktop::named(&session.desktop);
        return match user::read(root, commands, session, desktop) {
            Some(Ok(settings)) => {
                let enforced = enforced::read(root, desktop).is_ok_and(|enforced| enforced == settings);
                let source = if enforced { LockSource::Enforced } else { LockSource::Session };
                settings.facts(Reason::Malformed, source)
            }
            Some(Err(reason)) => unreadable(reason),
            None => unsupported(),
        };
    }
    let desktops = desktop::offered(root);
    if desktops.is_empty() {
        return match desktop::kiosk(root) {
            true => Settings::NEVER.facts(Reason::NoSession, LockSource::Enforced),
            false if desktop::has_display(root) => unreadable(Reason::NoSession),
            false => unsupported(),
        };
    }
    match of_all(root, &desktops) {
        Ok(settings) => settings.facts(Reason::NoSession, LockSource::Enforced),
        Err(reason) => unreadable(reason),
    }
}

fn unreadable(reason: Reason) -> Lock {
    Settings::default().facts(reason, LockSource::Session)
}

/// Enforced settings that hold whichever of the desktops a user starts.
fn of_all(root: &Root, desktops: &[Desktop]) -> Result<Settings, Reason> {
    let lockers: Vec<_> = desktops.iter().map(|desktop| desktop.locker(root)).collect();
    if lockers.iter().all(|locker| *locker == Locker::Absent) {
        return Ok(Settings::NEVER);
    }
    let mut all: Option<Settings> = None;
    for (desktop, locker) in desktops.iter().zip(lockers) {
        let settings = match locker {
            Locker::Present => enforced::read(root, *desktop)?,
            // A desktop on which nothing locks may be there unused: whether it counts, only a session tells.
            Locker::Absent | Locker::NotStarted | Locker::Unknown => Settings::default(),
        };
        all = Some(all.map_or(settings, |weakest| weakest.weaker(settings)));
    }
    Ok(all.unwrap_or_default())
}

/// No screen, or a desktop that has no setting that we know of.
fn unsupported() -> Lock {
    Lock {
        automatic: Fact::Unsupported,
        idle_seconds: Fact::Unsupported,
        grace_seconds: Fact::Unsupported,
        source: Fact::Unsupported,
    }
}
