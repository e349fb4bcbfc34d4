//! Detects whether the person is present: systemd-logind reports whether the session is in front of its seat
//! and whether its screen is locked (org.freedesktop.login1(5)); screen lockers that do not tell logind
//! report on the session bus.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zbus::blocking::fdo::DBusProxy;
use zbus::blocking::{Connection, MessageIterator, Proxy};
use zbus::message::Type;
use zbus::zvariant::{ObjectPath, OwnedObjectPath};
use zbus::{MatchRule, Message};

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "/org/freedesktop/login1";
const SESSION: &str = "org.freedesktop.login1.Session";
/// Suffix of screen saver interfaces: `org.freedesktop.ScreenSaver`, `org.gnome.ScreenSaver` and others.
const SAVER: &str = ".ScreenSaver";
/// Screen savers that can be asked: name, which is also the interface, and path.
const SAVERS: [(&str, &str); 2] = [
    ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver"),
    ("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver"),
];

/// Delay before a source is followed again after its bus has ended.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Calls `tell` whenever the person leaves or returns. Without a source, the person is always present.
pub fn watch_seat(tell: impl Fn(bool) + Send + Sync + 'static) {
    let told = Arc::new(SeatSources { tell, sources: Mutex::default() });
    let logind = Arc::clone(&told);
    let wait = || {
        std::thread::sleep(RETRY_DELAY);
        true
    };
    std::thread::spawn(move || {
        let id = std::env::var("XDG_SESSION_ID").ok();
        let follow =
            |say: &dyn Fn(bool)| Connection::system().and_then(|bus| follow_logind(&bus, id.clone(), say));
        logind.follow(0, "logind", follow, wait);
    });
    std::thread::spawn(move || {
        let follow = |say: &dyn Fn(bool)| Connection::session().and_then(|bus| follow_savers(&bus, say));
        told.follow(1, "screen savers", follow, wait);
    });
}

fn words(error: Option<zbus::Error>) -> String {
    error.map_or_else(|| "the bus has ended".to_owned(), |error| error.to_string())
}

/// Last report of each source, and the callback.
struct SeatSources<T> {
    tell: T,
    sources: Mutex<[bool; 2]>,
}

impl<T: Fn(bool)> SeatSources<T> {
    /// Follows a source, and again after `wait` when its bus has ended, until that returns false. The last report of the
    /// source counts meanwhile: a bus that ends under a locked screen does not unlock it.
    fn follow(
        &self,
        source: usize,
        name: &str,
        follow: impl Fn(&dyn Fn(bool)) -> zbus::Result<()>,
        mut wait: impl FnMut() -> bool,
    ) {
        let mut told = None;
        loop {
            let error = words(follow(&|away| self.say(source, away)).err());
            // A machine without this source has the same error each time.
            if told.as_ref() != Some(&error) {
                tracing::info!(source = name, error, "does not say whether the person is present");
            }
            told = Some(error);
            if !wait() {
                return;
            }
        }
    }

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

fn follow_logind(bus: &Connection, id: Option<String>, tell: impl Fn(bool)) -> zbus::Result<()> {
    let path = session(bus, id)?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(LOGIND)?
        .interface("org.freedesktop.DBus.Properties")?
        .member("PropertiesChanged")?
        .path(&path)?
        .build();
    // Before it is asked, so that no change is missed.
    let changes = MessageIterator::for_match_rule(rule, bus, None)?;
    tell(away(bus, &path)?);
    for change in changes {
        change?;
        tell(away(bus, &path)?);
    }
    Ok(())
}

/// This process's session, or that which its user sees: a program that the user's service manager has started is of no
/// session.
fn session(bus: &Connection, id: Option<String>) -> zbus::Result<OwnedObjectPath> {
    let manager = Proxy::new(bus, LOGIND, MANAGER, "org.freedesktop.login1.Manager")?;
    if let Some(id) = id
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

fn follow_savers(bus: &Connection, tell: impl Fn(bool)) -> zbus::Result<()> {
    let rule = MatchRule::builder().msg_type(Type::Signal).member("ActiveChanged")?.build();
    let messages = MessageIterator::for_match_rule(rule, bus, None)?;
    if let Some(active) = running_saver(bus)? {
        tell(active);
    }
    for message in messages {
        if let Some(active) = saver(&message?) {
            tell(active);
        }
    }
    Ok(())
}

/// Returns whether a screen saver that runs is active; `None` if none runs that can be asked.
fn running_saver(bus: &Connection) -> zbus::Result<Option<bool>> {
    let names = DBusProxy::new(bus)?;
    let mut active = None;
    for (name, path) in SAVERS {
        // A question to a name without an owner could start a program.
        if !names.name_has_owner(name.try_into()?)? {
            continue;
        }
        if let Ok(answer) = bus.call_method(Some(name), path, Some(name), "GetActive", &())
            && let Ok(answer) = answer.body().deserialize::<bool>()
        {
            active = Some(active == Some(true) || answer);
        }
    }
    Ok(active)
}

/// Parses a screen saver's signal.
fn saver(message: &Message) -> Option<bool> {
    message.header().interface().filter(|name| name.ends_with(SAVER))?;
    message.body().deserialize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::bus::PrivateBus;
    use std::sync::mpsc::{Receiver, channel};
    use zbus::fdo;
    use zbus::interface;

    const PATIENCE: Duration = Duration::from_secs(60);
    const OURS: &str = "/org/freedesktop/login1/session/c1";
    const USER: &str = "/org/freedesktop/login1/user/_1000";

    fn path(path: &str) -> OwnedObjectPath {
        OwnedObjectPath::try_from(path).unwrap()
    }

    /// Fake logind with one session, found by its ID or, with `by_pid`, by process.
    struct Manager {
        by_pid: bool,
    }

    #[interface(name = "org.freedesktop.login1.Manager")]
    impl Manager {
        fn get_session(&self, id: &str) -> fdo::Result<OwnedObjectPath> {
            if id == "c1" { Ok(path(OURS)) } else { Err(fdo::Error::Failed("no such session".to_owned())) }
        }
        #[zbus(name = "GetSessionByPID")]
        fn session_of(&self, pid: u32) -> fdo::Result<OwnedObjectPath> {
            let known = self.by_pid && pid == 0;
            if known { Ok(path(OURS)) } else { Err(fdo::Error::Failed("of no session".to_owned())) }
        }
        #[zbus(name = "GetUserByPID")]
        fn user_of(&self, _pid: u32) -> OwnedObjectPath {
            path(USER)
        }
    }

    struct User;

    #[interface(name = "org.freedesktop.login1.User")]
    impl User {
        #[zbus(property)]
        fn display(&self) -> (String, OwnedObjectPath) {
            ("c1".to_owned(), path(OURS))
        }
    }

    struct Session {
        active: bool,
        locked: bool,
    }

    #[interface(name = "org.freedesktop.login1.Session")]
    impl Session {
        #[zbus(property)]
        fn active(&self) -> bool {
            self.active
        }
        #[zbus(property)]
        fn set_active(&mut self, active: bool) {
            self.active = active;
        }
        #[zbus(property)]
        fn locked_hint(&self) -> bool {
            self.locked
        }
        #[zbus(property)]
        fn set_locked_hint(&mut self, locked: bool) {
            self.locked = locked;
        }
    }

    fn logind(bus: &PrivateBus, by_pid: bool) -> Connection {
        let here = bus.connect();
        here.object_server().at(MANAGER, Manager { by_pid }).unwrap();
        here.object_server().at(USER, User).unwrap();
        here.object_server().at(OURS, Session { active: true, locked: false }).unwrap();
        here.request_name(LOGIND).unwrap();
        here
    }

    fn followed(bus: &PrivateBus, id: Option<&str>) -> Receiver<bool> {
        let (tell, told) = channel();
        let (bus, id) = (bus.connect(), id.map(ToOwned::to_owned));
        std::thread::spawn(move || follow_logind(&bus, id, |away| tell.send(away).unwrap()));
        told
    }

    /// Sets a property and returns the next report.
    fn set(logind: &Connection, told: &Receiver<bool>, name: &str, value: bool) -> bool {
        let session = Proxy::new(logind, LOGIND, OURS, SESSION).unwrap();
        session.set_property(name, value).unwrap();
        told.recv_timeout(PATIENCE).unwrap()
    }

    #[test]
    fn locked_or_background_session_means_away() {
        let bus = PrivateBus::start();
        // By its number, by who asks, and by what its user sees.
        for (id, by_pid) in [(Some("c1"), false), (Some("gone"), true), (None, false)] {
            let logind = logind(&bus, by_pid);
            let told = followed(&bus, id);
            assert!(!told.recv_timeout(PATIENCE).unwrap(), "{id:?}");
            let caller = bus.connect();
            assert!(set(&caller, &told, "LockedHint", true));
            assert!(set(&caller, &told, "Active", false));
            assert!(set(&caller, &told, "LockedHint", false), "another one is in front still");
            assert!(!set(&caller, &told, "Active", true));
            logind.release_name(LOGIND).unwrap();
        }
    }

    #[test]
    fn without_logind_nobody_is_away() {
        let bus = PrivateBus::start();
        let told = std::cell::Cell::new(0);
        assert!(follow_logind(&bus.connect(), None, |_| told.set(told.get() + 1)).is_err());
        assert_eq!(told.get(), 0);
    }

    #[test]
    fn a_locker_that_tells_the_session_only_is_heard() {
        let bus = PrivateBus::start();
        let (tell, told) = channel();
        let listening = bus.connect();
        std::thread::spawn(move || follow_savers(&listening, |away| tell.send(away).unwrap()));
        let locker = bus.connect();
        let say = |interface: &str, active: bool| {
            locker.emit_signal(None::<&str>, "/org/gnome/ScreenSaver", interface, "ActiveChanged", &active)
        };
        // Until it listens nothing is heard.
        let end = std::time::Instant::now() + PATIENCE;
        while told.recv_timeout(Duration::from_millis(50)) != Ok(true) {
            assert!(std::time::Instant::now() < end, "nothing was heard");
            say("org.gnome.ScreenSaver", true).unwrap();
        }
        say("org.example.Window", false).unwrap();
        say("org.freedesktop.ScreenSaver", false).unwrap();
        while told.recv_timeout(PATIENCE).unwrap() {}
    }

    struct Saver;

    #[interface(name = "org.gnome.ScreenSaver")]
    impl Saver {
        fn get_active(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_screen_that_is_locked_already_is_seen() {
        let bus = PrivateBus::start();
        let locker = bus.connect();
        locker.object_server().at("/org/gnome/ScreenSaver", Saver).unwrap();
        assert_eq!(running_saver(&bus.connect()).unwrap(), None);
        locker.request_name("org.gnome.ScreenSaver").unwrap();
        assert_eq!(running_saver(&bus.connect()).unwrap(), Some(true));
    }

    #[test]
    fn end_of_bus_unlocks_no_locked_screen() {
        let (tell, heard) = channel();
        let told = SeatSources { tell: move |away| tell.send(away).unwrap(), sources: Mutex::default() };
        let first = PrivateBus::start();
        let locked = logind(&first, false);
        let (bus, next_bus) = channel();
        let (waits, waiting) = channel();
        bus.send(first.connect()).unwrap();
        let following = std::thread::spawn(move || {
            let buses = next_bus;
            let current = std::cell::RefCell::new(buses.recv().unwrap());
            let follow = |say: &dyn Fn(bool)| follow_logind(&current.borrow(), Some("c1".to_owned()), say);
            told.follow(0, "logind", follow, || {
                waits.send(()).unwrap();
                buses.recv().map(|next| drop(current.replace(next))).is_ok()
            });
        });
        let session = Proxy::new(&locked, LOGIND, OURS, SESSION).unwrap();
        session.set_property("LockedHint", true).unwrap();
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(true));
        drop(first);
        waiting.recv_timeout(PATIENCE).unwrap();
        assert!(heard.try_recv().is_err(), "the person has not returned");
        // The bus is back, and the screen was unlocked meanwhile.
        let second = PrivateBus::start();
        let _unlocked = logind(&second, false);
        bus.send(second.connect()).unwrap();
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(false));
        drop(bus);
        drop(second);
        following.join().unwrap();
    }

    #[test]
    fn two_sources_do_not_undo_each_other() {
        let said = std::cell::RefCell::new(Vec::new());
        let told = SeatSources { tell: |away| said.borrow_mut().push(away), sources: Mutex::default() };
        for (source, away) in [(0, false), (0, true), (1, true), (0, false), (1, false), (1, false)] {
            told.say(source, away);
        }
        assert_eq!(*said.borrow(), [true, false]);
    }
}
