//! Notifications (Desktop Notifications Specification 1.2, on the session bus).

use crate::{Notice, Sound};
use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use zbus::MatchRule;
use zbus::blocking::{Connection, MessageIterator};
use zbus::message::Type;
use zbus::zvariant::Value;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Actions of a click on the notification or on its button.
const OPEN: [&str; 2] = ["default", "open"];

type ShownNotice = Arc<Mutex<Option<u32>>>;

/// Shows the requested notifications until the sender is dropped.
pub(crate) fn notices(
    reach: impl Fn() -> zbus::Result<Connection>,
    wants: &Receiver<Option<Notice>>,
    opened: Arc<dyn Fn() + Send + Sync>,
) {
    let mut bus = None;
    let standing = ShownNotice::default();
    let mut said = false;
    for wanted in wants {
        if bus.is_none() {
            bus = reach()
                .and_then(|bus| listen(bus, &standing, &opened))
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
                tracing::info!("no notification server: {error}");
            }
            Err(_) => {}
        }
    }
}

/// Listens for clicks on the shown notification.
fn listen(
    bus: Connection,
    standing: &ShownNotice,
    opened: &Arc<dyn Fn() + Send + Sync>,
) -> zbus::Result<Connection> {
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
    let Notice { program, title, body, open, sound, silent } = notice;
    // Sound Naming Specification.
    let sound = match sound {
        Sound::Request => "message-new-instant",
        Sound::Refusal => "dialog-warning",
    };
    let hints: HashMap<&str, Value<'_>> = HashMap::from([
        ("urgency", Value::U8(2)),
        ("category", Value::from("im.received")),
        ("sound-name", Value::from(sound)),
        ("suppress-sound", Value::Bool(*silent)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::bus::PrivateBus;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;
    use zbus::zvariant::OwnedValue;
    use zbus::{interface, object_server::SignalEmitter};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Call that the fake server received.
    #[derive(Debug)]
    enum Heard {
        Notify(Call),
        Close(u32),
    }

    #[derive(Debug)]
    struct Call {
        replaces: u32,
        texts: [String; 3],
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expires: i32,
    }

    /// Fake notification server.
    struct Desktop(Mutex<Sender<Heard>>);

    #[interface(name = "org.freedesktop.Notifications")]
    impl Desktop {
        #[expect(clippy::too_many_arguments, reason = "it is the specification's")]
        fn notify(
            &self,
            app_name: String,
            replaces: u32,
            _icon: String,
            summary: String,
            body: String,
            actions: Vec<String>,
            hints: HashMap<String, OwnedValue>,
            expires: i32,
        ) -> u32 {
            let call = Call { replaces, texts: [app_name, summary, body], actions, hints, expires };
            self.0.lock().unwrap().send(Heard::Notify(call)).unwrap();
            7
        }
        fn close_notification(&self, id: u32) {
            self.0.lock().unwrap().send(Heard::Close(id)).unwrap();
        }
        #[zbus(signal)]
        async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str) -> zbus::Result<()>;
    }

    fn wanted() -> Option<Notice> {
        let text = |text: &str| text.to_owned();
        Some(Notice {
            program: text("V"),
            title: text("tap"),
            body: text("soon"),
            open: text("Show"),
            sound: Sound::Request,
            silent: true,
        })
    }

    #[test]
    fn a_notice_is_shown_clicked_and_taken_back() {
        let bus = PrivateBus::start();
        let (hears, heard) = channel();
        let desktop = bus.connect();
        desktop.object_server().at(PATH, Desktop(Mutex::new(hears))).unwrap();
        desktop.request_name(NAME).unwrap();

        let (want, wants) = channel();
        let (open, opened) = channel();
        let reached = bus.connect();
        std::thread::spawn(move || {
            let open = Mutex::new(open);
            let opened = Arc::new(move || open.lock().unwrap().send(()).unwrap());
            notices(|| Ok(reached.clone()), &wants, opened);
        });
        // No notification is shown, so none is closed.
        want.send(None).unwrap();
        want.send(wanted()).unwrap();
        let Heard::Notify(call) = heard.recv_timeout(PATIENCE).unwrap() else { panic!("it was closed") };
        assert_eq!((call.replaces, call.expires), (0, 0));
        assert_eq!(call.texts, ["V", "tap", "soon"]);
        assert_eq!(call.actions, ["default", "Show", "open", "Show"]);
        let hint = |name: &str| call.hints.get(name).map(|value| format!("{value:?}")).unwrap_or_default();
        assert!(hint("urgency").contains("U8(2)"), "{}", hint("urgency"));
        assert!(hint("transient").contains("true"), "{}", hint("transient"));
        assert!(hint("sound-name").contains("message-new-instant"), "{}", hint("sound-name"));
        assert!(hint("suppress-sound").contains("true"), "{}", hint("suppress-sound"));

        // Another one replaces it.
        want.send(wanted()).unwrap();
        assert!(matches!(heard.recv_timeout(PATIENCE), Ok(Heard::Notify(Call { replaces: 7, .. }))));
        let click = |id: u32, action: &str| {
            desktop.emit_signal(None::<&str>, PATH, NAME, "ActionInvoked", &(id, action)).unwrap();
        };
        click(8, "open");
        click(7, "snooze");
        assert!(opened.try_recv().is_err());
        click(7, "default");
        opened.recv_timeout(PATIENCE).unwrap();
        click(7, "open");
        opened.recv_timeout(PATIENCE).unwrap();
        assert!(opened.try_recv().is_err(), "another program's notification was clicked");

        want.send(None).unwrap();
        assert!(matches!(heard.recv_timeout(PATIENCE), Ok(Heard::Close(7))));
    }

    #[test]
    fn without_anybody_to_show_them_nothing_stops() {
        let bus = PrivateBus::start();
        let (want, wants) = channel();
        for _ in 0..3 {
            want.send(wanted()).unwrap();
            want.send(None).unwrap();
        }
        drop(want);
        notices(|| Ok(bus.connect()), &wants, Arc::new(|| {}));
        let (want, wants) = channel();
        want.send(wanted()).unwrap();
        drop(want);
        notices(|| Err(zbus::Error::InvalidReply), &wants, Arc::new(|| {}));
    }
}
