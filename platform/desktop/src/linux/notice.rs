//! Notifications (Desktop Notifications Specification 1.2, on the session bus).

use crate::Notice;
use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use zbus::MatchRule;
use zbus::blocking::{Connection, MessageIterator};
use zbus::message::Type;
use zbus::zvariant::Value;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// What a click on the notification itself, or on its button, does.
const OPEN: [&str; 2] = ["default", "open"];

/// The notification that stands.
type Standing = Arc<Mutex<Option<u32>>>;

/// Shows what is wanted, for as long as anything can be.
pub(crate) fn notices(wants: &Receiver<Option<Notice>>, opened: Arc<dyn Fn() + Send + Sync>) {
    let mut bus = None;
    let standing = Standing::default();
    let mut said = false;
    for wanted in wants {
        if bus.is_none() {
            bus = connect(&standing, &opened)
                .inspect_err(|error| tracing::info!("no notifications: {error}"))
                .ok();
        }
        let Some(bus) = &bus else { continue };
        let before = *standing.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match wanted {
            Some(notice) => notify(bus, &notice, before.unwrap_or_default()).map(Some),
            None => before.map_or(Ok(()), |before| close(bus, before)).map(|()| None),
        };
        match told {
            Ok(now) => *standing.lock().unwrap_or_else(PoisonError::into_inner) = now,
            Err(error) if !said => {
                said = true;
                tracing::info!("nobody shows notifications: {error}");
            }
            Err(_) => {}
        }
    }
}

fn connect(standing: &Standing, opened: &Arc<dyn Fn() + Send + Sync>) -> zbus::Result<Connection> {
    let bus = Connection::session()?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .interface(NAME)?
        .member("ActionInvoked")?
        .path(PATH)?
        .build();
    let clicks = MessageIterator::for_match_rule(rule, &bus, None)?;
    let (standing, opened) = (Arc::clone(standing), Arc::clone(opened));
    std::thread::spawn(move || {
        for click in clicks.flatten() {
            let Ok((id, action)) = click.body().deserialize::<(u32, String)>() else { continue };
            let ours = *standing.lock().unwrap_or_else(PoisonError::into_inner) == Some(id);
            if ours && OPEN.contains(&action.as_str()) {
                opened();
            }
        }
    });
    Ok(bus)
}

fn notify(bus: &Connection, notice: &Notice, replaced: u32) -> zbus::Result<u32> {
    let Notice { program, title, body, open } = notice;
    let hints: HashMap<&str, Value<'_>> = HashMap::from([
        ("urgency", Value::U8(2)),
        ("category", Value::from("im.received")),
        ("sound-name", Value::from("message-new-instant")),
        // Not for the history.
        ("transient", Value::Bool(true)),
        ("desktop-entry", Value::from("dev.vitalsign.app")),
    ]);
    let [click, button] = OPEN;
    let actions = [click, open.as_str(), button, open.as_str()];
    // It goes when the step-up does.
    let expires = 0_i32;
    let call = (program, replaced, "dialog-password", title, body, actions.as_slice(), hints, expires);
    let answer = bus.call_method(Some(NAME), PATH, Some(NAME), "Notify", &call)?;
    answer.body().deserialize()
}

fn close(bus: &Connection, id: u32) -> zbus::Result<()> {
    bus.call_method(Some(NAME), PATH, Some(NAME), "CloseNotification", &id).map(drop)
}
