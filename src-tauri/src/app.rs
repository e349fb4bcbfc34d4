//! State of the app that commands and tray share, and what they do with it.

mod diagnostics;
mod register;

use crate::language::Language;
use crate::model::{self, Happened};
use crate::settings::JsonFile;
use crate::view::{self, Action, Texts, View};
use crate::window;
use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tauri::AppHandle;
use vitalsign_ipc::{Answer, Request};
use vitalsign_protocol::organisation::Pixels;
use vitalsign_security_key::{Cancel, Failure, Pin, SecurityKeys};
use vitalsign_session::flow::Choice;
use vitalsign_session::{Inbox, PinPeriodWatch, ServiceConnector, Socket};

/// State shared by the commands and the tray.
pub(crate) struct App {
    pub(crate) language: Language,
    pub(crate) socket: Arc<Socket>,
    /// The security keys of this machine, or why they cannot be reached.
    pub(crate) keys: Arc<Result<SecurityKeys, Failure>>,
    /// None where keys cannot be watched.
    pin_period: Option<PinPeriodWatch>,
    pub(crate) inbox: Inbox,
    pub(crate) happened: Sender<Happened>,
    pub(crate) view: Mutex<View>,
    /// The organisation's logo.
    pub(crate) logo: Mutex<Option<Arc<Pixels>>>,
    /// Ends the registration that runs.
    pub(crate) registering: Mutex<Option<Cancel>>,
    pub(crate) held: Mutex<Held>,
    pub(crate) settings: JsonFile<view::AppSettings>,
    /// Problems since the start, the newest last, for diagnostics.
    problems: Mutex<VecDeque<String>>,
}

/// Most problems that are kept for diagnostics, and most characters of each.
const MAX_PROBLEMS: usize = 20;
const MAX_PROBLEM_CHARACTERS: usize = 500;

/// Reasons for which no security key is used for a step-up.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) away: bool,
    /// Number of registrations that use the keys, including cancelled ones that have not released theirs.
    pub(crate) registering: u32,
}

impl App {
    /// Without a window, and with nothing known yet.
    pub(crate) fn new(
        language: Language,
        socket: Socket,
        (inbox, happened): (Inbox, Sender<Happened>),
        view: View,
        settings: JsonFile<view::AppSettings>,
    ) -> Self {
        let keys = SecurityKeys::open();
        let watch = |keys: &SecurityKeys| PinPeriodWatch::start(socket.0.clone(), keys).ok();
        Self {
            language,
            pin_period: keys.as_ref().ok().and_then(watch),
            socket: Arc::new(socket),
            keys: Arc::new(keys),
            inbox,
            happened,
            view: Mutex::new(view),
            logo: Mutex::default(),
            registering: Mutex::default(),
            held: Mutex::default(),
            settings,
            problems: Mutex::default(),
        }
    }

    pub(crate) fn texts(&self) -> Texts {
        self.language.texts()
    }

    pub(crate) fn view(&self) -> View {
        lock(&self.view).clone()
    }

    pub(crate) fn logo(&self) -> Option<Arc<Pixels>> {
        lock(&self.logo).clone()
    }

    /// Asks the service for the organisation's texts and logo.
    pub(crate) fn fetch_organisation(&self) {
        let language = self.language.texts().language;
        self.ask(Request::Organisation { language }, |answer| match answer {
            Ok(Answer::Organisation(words)) => Some(Happened::Organisation(words)),
            // The next change asks again.
            _ => None,
        });
    }

    pub(crate) fn enter_pin(&self, question: u32, pin: Pin) {
        self.tell(Happened::Pin { question, pin });
    }

    pub(crate) fn act(&self, app: &AppHandle, action: Action) {
        match action {
            Action::Open { page } => {
                if page == view::Page::Keys {
                    self.list_keys();
                }
                self.tell(Happened::Opened(page));
            }
            Action::CheckAgain => self.ask(Request::CheckNow, |_| None),
            Action::Decline { id } => self.answer(&id, Choice::Decline),
            Action::NotMine { id } => self.answer(&id, Choice::NotMine),
            // The app shows identifiers only: other text did not come from it.
            Action::Read { id } => drop(id.parse().map(|id| self.inbox.read(id))),
            Action::TryAgain { id } => self.answer(&id, Choice::TryAgain),
            Action::Set { settings } => {
                if let Err(error) = self.settings.write(&settings) {
                    tracing::warn!("the settings are not kept: {error}");
                }
                self.tell(Happened::Settings(settings));
            }
            Action::Dismiss => self.tell(Happened::Dismissed),
            Action::Register { code, name } => self.register(app, code, name),
            Action::StopRegistering => self.stop_registering(),
            Action::ListKeys => self.list_keys(),
            Action::Close => self.closed(),
            Action::Drawn => window::drawn(app),
            Action::OpenSettings { page } => {
                if let Err(error) = vitalsign_desktop::open_settings(page.into()) {
                    self.note(&format!("the settings ({page:?}) cannot be opened: {error}"));
                    self.tell(Happened::NoSettings(page));
                }
            }
            Action::Move { way } => window::moved_by(app, way),
        }
    }

    /// Notes a problem for diagnostics.
    pub(crate) fn note(&self, problem: &str) {
        tracing::warn!("{problem}");
        let mut problems = lock(&self.problems);
        problems.push_back(problem.chars().take(MAX_PROBLEM_CHARACTERS).collect());
        if problems.len() > MAX_PROBLEMS {
            problems.pop_front();
        }
    }

    pub(crate) fn tell(&self, happened: Happened) {
        // Fails only when the app is ending.
        let _ = self.happened.send(happened);
    }

    /// Passes on the person's answer to the step-up that they saw.
    pub(crate) fn answer(&self, id: &str, choice: Choice) {
        // The app shows identifiers only: other text did not come from it.
        if let Ok(id) = id.parse() {
            self.inbox.answer(id, choice);
            self.tell(Happened::Answered(id, choice));
        }
    }

    /// Opens the window on request of the person.
    pub(crate) fn raise(&self) {
        self.tell(Happened::Raised);
    }

    pub(crate) fn away(&self, away: bool) {
        if let Some(pin_period) = &self.pin_period {
            pin_period.end();
        }
        self.hold(|held| held.away = away);
        self.tell(Happened::Away(away));
        if away {
            self.stop_registering();
        }
    }

    /// Each of the reasons holds by itself.
    pub(crate) fn hold(&self, change: impl FnOnce(&mut Held)) {
        let mut held = lock(&self.held);
        change(&mut held);
        // Under the lock, so that the last that is told is the last that was.
        self.inbox.away(held.away || held.registering > 0);
    }

    /// Closing the window declines the step-up: a later touch must not approve something invisible.
    pub(crate) fn closed(&self) {
        let asks = |prompt: &&view::Prompt| !matches!(prompt.step, view::Step::Ended { .. });
        let asked = lock(&self.view).prompt.as_ref().filter(asks).map(|prompt| prompt.id.clone());
        if let Some(id) = asked {
            self.answer(&id, Choice::Decline);
        }
        self.stop_registering();
        self.tell(Happened::Dismissed);
        self.tell(Happened::Closed);
    }

    pub(crate) fn list_keys(&self) {
        self.tell(Happened::Keys(view::KeyList::Asking));
        self.ask(Request::Keys, |answer| Some(Happened::Keys(model::keys(answer))));
    }

    /// Asks the service, elsewhere than on the thread that draws.
    pub(crate) fn ask(
        &self,
        request: Request,
        then: impl FnOnce(Result<Answer, vitalsign_session::Disconnected>) -> Option<Happened> + Send + 'static,
    ) {
        let (socket, happened) = (Arc::clone(&self.socket), self.happened.clone());
        std::thread::spawn(move || {
            let answer = socket.connect().and_then(|mut service| service.ask(request));
            if let Some(told) = then(answer.map_err(|error| (&error).into())) {
                let _ = happened.send(told);
            }
        });
    }
}

/// Current time in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
