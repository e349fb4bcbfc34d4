//! Fake notification server of a desktop (Desktop Notifications Specification 1.2): keeps what it is asked to show.

use crate::{DesktopServices, LIMIT};
use anyhow::Result;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use vitalsign_e2e::wait_for;
use zbus::blocking::{Connection, connection};
use zbus::zvariant::OwnedValue;

const NAME: &str = "org.freedesktop.Notifications";

/// Notification that a program asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownNotice {
    pub title: String,
    pub body: String,
    /// Name in the Sound Naming Specification.
    pub sound: String,
}

#[derive(Debug)]
pub struct NoticeHost {
    _bus: Connection,
    shown: Arc<Mutex<Vec<ShownNotice>>>,
}

struct Server(Arc<Mutex<Vec<ShownNotice>>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the specification has eight")]
    fn notify(
        &self,
        _program: &str,
        replaced: u32,
        _icon: &str,
        title: &str,
        body: &str,
        _actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let sound = hints.get("sound-name").and_then(|it| it.downcast_ref::<String>().ok());
        let notice =
            ShownNotice { title: title.to_owned(), body: body.to_owned(), sound: sound.unwrap_or_default() };
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.push(notice);
        if replaced == 0 { u32::try_from(shown.len()).unwrap_or(u32::MAX) } else { replaced }
    }

    fn close_notification(&self, _id: u32) {}
}

impl NoticeHost {
    /// A server at this desk.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    pub fn at(desk: &DesktopServices) -> Result<Self> {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let bus = connection::Builder::address(desk.bus().as_str())?
            .serve_at("/org/freedesktop/Notifications", Server(Arc::clone(&shown)))?
            .name(NAME)?
            .build()?;
        Ok(Self { _bus: bus, shown })
    }

    /// Notifications so far, the oldest first.
    #[must_use]
    pub fn shown(&self) -> Vec<ShownNotice> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until there are so many.
    ///
    /// # Errors
    /// There are fewer after a minute.
    pub fn until(&self, number: usize) -> Result<Vec<ShownNotice>> {
        wait_for(&format!("{number} notifications"), LIMIT, || {
            Ok(Some(self.shown()).filter(|shown| shown.len() >= number))
        })
    }
}
