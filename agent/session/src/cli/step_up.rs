//! `step-up listen`: step-ups at the terminal.

use super::person::{Person, on_ctrl_c};
use super::place::SocketArg;
use super::{output, unreached};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::session_command::Listen;
use vitalsign_protocol::step_up;
use vitalsign_security_key::{Prompt, SecurityKeys};
use vitalsign_session::{Inbox, ListenResult, ServiceConnector, Ui, UiUpdate, listen as listen_to, texts};

pub(super) fn listen(place: &SocketArg, arguments: Listen) -> anyhow::Result<ExitStatus> {
    let socket = Arc::new(place.socket());
    let keys = Arc::new(SecurityKeys::open()?);
    let (inbox, events) = Inbox::new();
    let said = inbox.clone();
    let person = Person::new(&arguments.pin, move |choice| said.say(choice))?;
    let left = inbox.clone();
    on_ctrl_c(move || left.leave())?;
    let mut screen = Screen { json: arguments.json, person: &person, it: texts::IT.to_owned() };
    let service = match socket.connect() {
        Ok(service) => service,
        Err(error) => return Ok(unreached(&error)),
    };
    vitalsign_session::share_session_lock(socket.0.clone());
    // If the keys cannot be watched, every tap needs the PIN.
    let _ = vitalsign_session::PinPeriodWatch::start(socket.0.clone(), &keys);
    let end = listen_to(&socket, Some(service), &keys, &mut screen, (inbox, events), arguments.once);
    Ok(match end {
        ListenResult::StepUp(step_up::StepUpResult::Approved) => ExitStatus::Success,
        ListenResult::StepUp(_) => ExitStatus::Rejected,
        ListenResult::Left => ExitStatus::Interrupted,
    })
}

struct Screen<'a> {
    json: bool,
    person: &'a Person,
    /// Name of IT, with its number once the service has told it.
    it: String,
}

impl Screen<'_> {
    fn words(&self, shown: &UiUpdate) -> Vec<String> {
        match shown {
            UiUpdate::Prompt { prompt, .. } => {
                output::prompt_words(prompt, |reason| self.person.has_pin(reason)).into_iter().collect()
            }
            _ => output::words(shown, self.person.is_there(), &self.it, now()),
        }
    }
}

impl Ui for Screen<'_> {
    fn show(&mut self, shown: UiUpdate) {
        if let UiUpdate::Status { status, .. } = &shown {
            self.it = status.guidance.support.it();
        }
        let lines = if self.json { output::json(&shown) } else { self.words(&shown) };
        if matches!(&shown, UiUpdate::Status { changed, .. } if changed.is_empty()) {
            return;
        }
        // The line still shows an unanswered question.
        let unanswered = self.person.forget();
        if unanswered && !self.json && !lines.is_empty() {
            output::say("\n");
        }
        lines.iter().for_each(|line| output::say(line));
        if let UiUpdate::Prompt { prompt: Prompt::Pin(pin), .. } = shown {
            self.person.ask(pin);
        }
    }
}

/// Current time in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
