//! Who sits before this session: systemd-logind says whether it is in front of its seat and whether its screen is
//! locked (org.freedesktop.login1(5)); lockers that do not tell logind say so on the session bus.

use std::sync::{Arc, Mutex, PoisonError};
use zbus::blocking::{Connection, MessageIterator, Proxy};
use zbus::message::Type;
use zbus::zvariant::{ObjectPath, OwnedObjectPath};
use zbus::{MatchRule, Message};

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "/org/freedesktop/login1";
const SESSION: &str = "org.freedesktop.login1.Session";
/// How the interfaces of screen savers end: `org.freedesktop.ScreenSaver`, `org.gnome.ScreenSaver` and others.
const SAVER: &str = ".ScreenSaver";

/// Tells whether the person is away, whenever that changes. Where nobody knows, nobody is ever away.
pub fn watch_seat(tell: impl Fn(bool) + Send + Sync + 'static) {
    let told = Arc::new(Told { tell, sources: Mutex::default() });
    let logind = Arc::clone(&told);
    std::thread::spawn(move || {
        let error = follow_logind(|away| logind.say(0, away)).err();
        tracing::info!("logind does not say whether this session is in front: {}", words(error));
        logind.say(0, false);
    });
    std::thread::spawn(move || {
        let error = follow_savers(|away| told.say(1, away)).err();
        tracing::info!("no screen saver is heard: {}", words(error));
        told.say(1, false);
    });
}

fn words(error: Option<zbus::Error>) -> String {
    error.map_or_else(|| "the bus has ended".to_owned(), |error| error.to_string())
}

/// What each source says, and whom to tell.
struct Told<T> {
    tell: T,
    sources: Mutex<[bool; 2]>,
}

impl<T: Fn(bool)> Told<T> {
    fn say(&self, source: usize, away: bool) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sources.contains(&true);
        if let Some(said) = sources.get_mut(source) {
            *said = away;
        }
        let now = sources.contains(&true);
        if before != now {
            // Under the lock, so that the last that is told is the last that was.
            (self.tell)(now);
        }
    }
}

fn follow_logind(tell: impl Fn(bool)) -> zbus::Result<()> {
    let bus = Connection::system()?;
    let path = session(&bus)?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(LOGIND)?
        .interface("org.freedesktop.DBus.Properties")?
        .member("PropertiesChanged")?
        .path(&path)?
        .build();
    // Before it is asked, so that no change is missed.
    let changes = MessageIterator::for_match_rule(rule, &bus, None)?;
    tell(away(&bus, &path)?);
    for change in changes {
        change?;
        tell(away(&bus, &path)?);
    }
    Ok(())
}

/// This process's session, or that which its user sees: a program that the user's service manager has started is of no
/// session.
fn session(bus: &Connection) -> zbus::Result<OwnedObjectPath> {
    let manager = Proxy::new(bus, LOGIND, MANAGER, "org.freedesktop.login1.Manager")?;
    if let Ok(id) = std::env::var("XDG_SESSION_ID")
        && let Ok(path) = manager.call("GetSession", &id)
    {
        return Ok(path);
    }
    // 0 is who asks.
    manager.call("GetSessionByPID", &0_u32).or_else(|_: zbus::Error| {
        let user: OwnedObjectPath = manager.call("GetUserByPID", &0_u32)?;
        let user = Proxy::new(bus, LOGIND, user, "org.freedesktop.login1.User")?;
        let (_, display): (String, OwnedObjectPath) = user.get_property("Display")?;
        Ok(display)
    })
}

fn away(bus: &Connection, path: &ObjectPath<'_>) -> zbus::Result<bool> {
    let get = |name: &str| -> zbus::Result<bool> {
        let call = (SESSION, name);
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer = bus.call_method(Some(LOGIND), path, properties, "Get", &call)?;
        let value: zbus::zvariant::OwnedValue = answer.body().deserialize()?;
        Ok(bool::try_from(value)?)
    };
    Ok(!get("Active")? || get("LockedHint")?)
}

fn follow_savers(tell: impl Fn(bool)) -> zbus::Result<()> {
    let bus = Connection::session()?;
    let rule = MatchRule::builder().msg_type(Type::Signal).member("ActiveChanged")?.build();
    for message in MessageIterator::for_match_rule(rule, &bus, None)? {
        if let Some(active) = saver(&message?) {
            tell(active);
        }
    }
    Ok(())
}

/// What a screen saver says.
fn saver(message: &Message) -> Option<bool> {
    message.header().interface().filter(|name| name.ends_with(SAVER))?;
    message.body().deserialize().ok()
}
