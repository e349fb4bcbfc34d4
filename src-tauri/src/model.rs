//! The app's state, and what follows from it: the view, the tray's state, and the window's state. No I/O, no
//! clock: events arrive through [`Model::on`] and the time is an argument, so that every transition is a unit
//! test.

mod asked;
mod details;
mod device;
mod night;
mod organisation;
#[cfg(test)]
mod tests;
mod words;

pub use words::{keys, registered};

use crate::view::{self, Page, PinAsked, PinWhy, Registration, Step, View};
use asked::{Asked, LISTED};
use std::sync::Arc;
use std::time::Duration;
use vitalsign_ipc::{OrganisationTexts, Stage, Status, StepUp};
use vitalsign_protocol::check::Desktop;
use vitalsign_protocol::id::{Digest, StepUpId};
use vitalsign_protocol::organisation::{Downtime, Pixels};
use vitalsign_protocol::step_up;
use vitalsign_security_key::{Pin, PinReason, PinReply, Prompt as KeyPrompt};
use vitalsign_session::flow::{Choice, is_mechanical};
use vitalsign_session::{Disconnected, SessionError, UiUpdate};

/// Time for which a result that needs no reading is shown.
const FLASH: Duration = Duration::from_millis(400);
/// The same for a result that the person must read, where the next request takes its place at once.
const READ_FLASH: Duration = Duration::from_secs(3);
/// The fewest characters of a PIN (CTAP 2.1 section 6.5.1).
const SHORTEST_PIN: u32 = 4;

#[derive(Debug)]
pub enum Happened {
    /// In the session with the service and the key.
    Shown(UiUpdate),
    /// The person opens a page: from the tray, or by starting the app again.
    Opened(Page),
    /// The person asks to see the prompt.
    Raised,
    Closed,
    Dismissed,
    Pin {
        /// Number of the question, see [`PinAsked`].
        question: u32,
        pin: Pin,
    },
    /// The person's answer to this step-up.
    Answered(StepUpId, Choice),
    Settings(view::AppSettings),
    /// The window was raised or moved: whether it covers what the person works in.
    Covers(bool),
    /// The screen was locked or is another person's, or no longer.
    Away(bool),
    Registering(Registering),
    /// The list of keys, or that it is asked for.
    Keys(view::KeyList),
    /// The organisation's texts and logo, in the app's language.
    Organisation(Box<OrganisationTexts>),
    /// A page of the desktop's settings could not be opened.
    NoSettings(view::SettingsPage),
    Tick,
}

#[derive(Debug)]
pub enum Registering {
    Begun,
    /// User who will own the key.
    For(String),
    /// Instruction for using the key.
    Prompt(KeyPrompt),
    /// It is over, or its end was put away.
    Ended(Registration),
}

/// Required state of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    None,
    /// Hidden and loaded, because a step-up is being prepared.
    Ready,
    /// Visible, as opened by the person.
    Open,
    /// In front of all other windows, because of a step-up.
    Raised,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tray {
    Healthy,
    Attention,
    /// The device is not accepted.
    Blocked,
    /// The service or the verifier is not reached, or nothing is known yet.
    Offline,
    StepUp,
}

/// Event that is announced with a sound and a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A step-up waits for the person.
    Asked(StepUpId),
    /// A step-up was refused before the person was asked.
    Refused(StepUpId),
}

#[derive(Debug, Default)]
pub struct Model {
    device_name: String,
    /// Language of the labels of details, such as `de`.
    language: &'static str,
    status: Option<Box<Status>>,
    lost: Option<Disconnected>,
    page: Page,
    /// The person has opened the window.
    opened: bool,
    away: bool,
    asked: Option<Asked>,
    /// Step-ups that were closed or answered here, and are not shown again even if the service still lists
    /// them.
    over: Vec<StepUpId>,
    registration: Registration,
    keys: Option<view::KeyList>,
    /// Reply channel for the requested PIN.
    pin: Option<PinReply>,
    /// Counts what asks for a PIN: the newest question.
    questions: u32,
    flash: Option<view::Flash>,
    /// Counts the results that were shown for a moment.
    flashes: u32,
    settings: view::AppSettings,
    zone: night::Zone,
    covers: bool,
    advisor: device::Advisor,
    downtime: Option<Downtime>,
    logo: Option<Arc<Pixels>>,
    /// Counts the logos, so that the page draws each once.
    logos: u32,
}

impl Model {
    /// Of a device of this name.
    #[must_use]
    pub fn new(device_name: String) -> Self {
        Self::with(device_name, view::AppSettings::default())
    }

    /// The same with the person's settings.
    #[must_use]
    pub fn with(device_name: String, settings: view::AppSettings) -> Self {
        Self { device_name, settings, ..Self::default() }
    }

    /// The same in this language.
    #[must_use]
    pub fn in_language(self, language: &'static str) -> Self {
        Self { language, ..self }
    }

    /// The same on this desktop.
    #[must_use]
    pub fn on_desktop(self, desktop: Option<Desktop>) -> Self {
        Self { advisor: device::Advisor { desktop, ..self.advisor }, ..self }
    }

    /// The same where these pages of the desktop's settings can be opened.
    #[must_use]
    pub fn with_settings(self, settings: Vec<view::SettingsPage>) -> Self {
        Self { advisor: device::Advisor { settings, ..self.advisor }, ..self }
    }

    /// This has happened, at this moment in seconds since 1970.
    pub fn on(&mut self, happened: Happened, now: u64) {
        match happened {
            Happened::Shown(shown) => self.update(shown, now),
            Happened::Opened(page) => {
                if page != self.page && matches!(self.registration, Registration::Done { .. }) {
                    self.registration = Registration::Idle;
                }
                (self.page, self.opened) = (page, true);
                self.dismiss();
            }
            Happened::Raised => {}
            Happened::NoSettings(page) => self.advisor.settings.retain(|it| *it != page),
            Happened::Tick => self.flash = None,
            Happened::Settings(settings) => self.settings = settings,
            Happened::Covers(covers) => self.covers = covers,
            Happened::Closed => {
                self.opened = false;
                self.flash = None;
                self.forget();
            }
            Happened::Dismissed => self.dismiss(),
            Happened::Pin { question, pin } => self.entered(question, pin),
            Happened::Answered(id, choice) => self.answered(id, choice),
            Happened::Away(away) => self.away(away),
            Happened::Registering(registering) => self.registering(registering),
            Happened::Keys(keys) => self.keys = Some(keys),
            Happened::Organisation(words) => self.organisation(*words),
        }
        // A clock that is set back must not extend the display.
        let stands = |until: u64| until > now && until <= now.saturating_add(LISTED);
        if self.asked.as_ref().is_some_and(|asked| asked.until.is_some_and(|until| !stands(until))) {
            self.dismiss();
        }
    }

    /// Returns the time of the next change without an event, in seconds since 1970.
    #[must_use]
    pub fn changes_at(&self, now: u64) -> Option<u64> {
        let expiry = self.status.as_ref().and_then(|status| status.ear.as_ref()).and_then(|ear| ear.exp);
        let end = self.asked.as_ref().and_then(|asked| asked.until);
        expiry.into_iter().chain(end).filter(|at| *at > now).min()
    }

    #[must_use]
    pub fn patience(&self, now: u64) -> Option<Duration> {
        let flash =
            self.flash.as_ref().map(|flash| if words::is_brief(flash.end) { FLASH } else { READ_FLASH });
        let change = self.changes_at(now).map(|at| Duration::from_secs(at.saturating_sub(now)));
        flash.into_iter().chain(change).chain(self.clock_interval()).min()
    }

    /// Returns the required state of the window.
    #[must_use]
    pub fn window(&self) -> Window {
        match (&self.asked, self.opened) {
            _ if self.away => Window::None,
            (Some(asked), _) if asked.until.is_none() || asked.refused => Window::Raised,
            // It has just ended, in the window that was raised for it.
            (None, _) if self.flash.is_some() => Window::Raised,
            (Some(_), _) | (None, true) => Window::Open,
            (None, false) if self.step_ups().any(|it| it.stage == Stage::Preparing) => Window::Ready,
            (None, false) => Window::None,
        }
    }

    /// Returns the state of the tray icon.
    #[must_use]
    pub fn tray(&self, now: u64) -> Tray {
        if self.is_asking() || self.waiting().next().is_some() {
            return Tray::StepUp;
        }
        device::tray(self.status.as_deref(), self.loss(), now)
    }

    /// Returns the event to announce while it is current; the caller announces a new one.
    #[must_use]
    pub fn announced(&self) -> Option<Announcement> {
        let asked = self.asked.as_ref().filter(|_| !self.away)?;
        let id = asked.step_up.id;
        match asked.until {
            None => Some(Announcement::Asked(id)),
            Some(_) => asked.refused.then_some(Announcement::Refused(id)),
        }
    }

    /// Returns the step-up for which the person has inserted a key, so that its window may take the keyboard.
    #[must_use]
    pub fn inserted(&self) -> Option<StepUpId> {
        self.asked.as_ref().filter(|it| it.inserted && it.until.is_none()).map(|asked| asked.step_up.id)
    }

    /// Returns whether a restart would lose nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.asked.is_none()
            && self.flash.is_none()
            && !self.opened
            && !matches!(self.registration, Registration::Running { .. })
            && self.step_ups().all(|it| matches!(it.stage, Stage::Ended { .. }))
    }

    /// Returns the version of the organisation's texts and logo that the service has, if it has any; `None` while the
    /// service is not reached.
    #[must_use]
    pub fn organisation_version(&self) -> Option<Option<Digest>> {
        let status = self.status.as_ref().filter(|_| self.lost.is_none());
        status.map(|status| status.guidance.version)
    }

    /// Returns the organisation's logo.
    #[must_use]
    pub fn logo(&self) -> Option<Arc<Pixels>> {
        self.logo.clone()
    }

    /// A logo that cannot be decoded is left out.
    fn organisation(&mut self, words: OrganisationTexts) {
        self.advisor.texts = words.texts;
        self.downtime = words.downtime;
        let logo = words.logo.and_then(|logo| logo.pixels().ok());
        if self.logo.as_deref() != logo.as_ref() {
            self.logos += 1;
            self.logo = logo.map(Arc::new);
        }
    }

    /// Returns the view for the page.
    #[must_use]
    pub fn view(&self, now: u64) -> View {
        let lost = self.loss();
        View {
            page: self.page,
            lost,
            device: device::device(&self.device_name, self.status.as_deref(), &self.advisor, lost, now),
            prompt: self.asked.as_ref().map(|asked| self.prompt(asked)),
            registration: self.registration.clone(),
            keys: self.keys.clone(),
            flash: self.flash.clone(),
            settings: self.settings.clone(),
            organisation: organisation::organisation(
                self.status.as_deref(),
                self.downtime.as_ref(),
                self.logo.as_ref().map(|_| self.logos),
            ),
            covers: self.covers,
            volume: self.volume(now),
        }
    }

    fn loss(&self) -> Option<view::DisconnectReason> {
        match (&self.lost, &self.status) {
            (Some(lost), _) => Some(words::loss(lost.loss)),
            (None, None) => Some(view::DisconnectReason::Starting),
            (None, Some(_)) => None,
        }
    }

    /// Returns the problem on the screen, with its code and in the words of the program that reported it.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let asked = self.asked.as_ref().and_then(|asked| asked.trouble.as_ref());
        let registration = match &self.registration {
            Registration::Failed { trouble } => Some(trouble),
            _ => None,
        };
        let keys = match &self.keys {
            Some(view::KeyList::Failed { trouble }) => Some(trouble),
            _ => None,
        };
        let problem = asked.or(registration).or(keys)?;
        Some(format!("{} {}", problem.code, problem.detail.as_deref().unwrap_or("no detail")))
    }

    fn update(&mut self, shown: UiUpdate, now: u64) {
        match shown {
            UiUpdate::Status { status, changed } => {
                self.status(status);
                for step_up in changed {
                    self.step_up(step_up, now);
                }
            }
            UiUpdate::Idle => {}
            UiUpdate::Prompt { step_up, prompt } => {
                // The key is asked for this one: so it is the one to show.
                if !self.is_asked(step_up) {
                    self.over.retain(|id| *id != step_up);
                    self.ask(|it| it.id == step_up);
                }
                if self.is_asked(step_up) {
                    let mut step = self.step(prompt);
                    if let Some(asked) = &mut self.asked {
                        asked.on_insertion(&mut step, now);
                        asked.step = step;
                    }
                }
            }
            UiUpdate::SessionError { step_up, trouble } if self.is_asked(step_up) => {
                self.pin = None;
                // It is over, and the service may have nothing to say about it.
                let over = match &trouble {
                    SessionError::NoPin => Some(view::PromptResult::NoKey),
                    SessionError::Refused(_) | SessionError::Odd => Some(self.undelivered()),
                    SessionError::Key(_) | SessionError::Disconnected(_) => None,
                };
                if let Some(asked) = &mut self.asked {
                    let told = words::trouble(&trouble);
                    if matches!(&trouble, SessionError::Key(failure) if is_mechanical(failure)) {
                        asked.step = Step::Failed { trouble: told.clone() };
                    }
                    asked.trouble = Some(told);
                }
                if let Some(end) = over {
                    self.end(end, Vec::new(), None, now);
                    self.ask_next_after_end();
                }
            }
            UiUpdate::SessionError { .. } => {}
            UiUpdate::Disconnected(lost) => {
                if self.is_asking() {
                    self.end(view::PromptResult::Lost, Vec::new(), None, now);
                }
                // All of it may be asked again when the service is back.
                self.over.clear();
                self.lost = Some(lost);
            }
        }
    }

    /// Result of a step-up that the service does not take: with or without an answer of the person.
    fn undelivered(&self) -> view::PromptResult {
        let unanswered = self.asked.as_ref().is_some_and(|asked| asked.step == Step::Preparing);
        if unanswered { view::PromptResult::NoKey } else { view::PromptResult::NotTold }
    }

    fn status(&mut self, status: Box<Status>) {
        self.lost = None;
        self.over.retain(|id| status.step_ups.iter().any(|it| it.id == *id));
        // The service has forgotten it.
        let gone = |asked: &Asked| !status.step_ups.iter().any(|it| it.id == asked.step_up.id);
        if self.is_asking() && self.asked.as_ref().is_some_and(gone) {
            (self.asked, self.pin) = (None, None);
        }
        self.status = Some(status);
        self.ask_next();
    }

    fn step_up(&mut self, step_up: StepUp, now: u64) {
        let id = step_up.id;
        if let Stage::Ended { end, reasons } = &step_up.stage {
            let end = *end;
            let (checks, unasked) = match end {
                step_up::StepUpResult::Unhealthy => {
                    let check = |it: &String| device::refused(it, self.status.as_deref(), &self.advisor);
                    (reasons.iter().map(check).collect(), None)
                }
                step_up::StepUpResult::NoKey => (Vec::new(), words::unasked(reasons)),
                // Problems that the person cannot fix.
                _ => (Vec::new(), None),
            };
            let refused = end == step_up::StepUpResult::Unhealthy || unasked.is_some();
            let known = self.over.contains(&id);
            // Its word counts for more than what was seen of it here.
            if self.asked.as_ref().is_some_and(|asked| asked.step_up.id == id) {
                self.end(words::end(end), checks, unasked, now);
                // What went well, or was the person's own wish, needs no reading.
                if words::is_brief(words::end(end)) {
                    self.asked = None;
                    self.flash(words::end(end));
                }
            } else if refused && !known && !self.is_asking() && !self.away {
                // It was refused before it was ever asked: the person at the application waits for a word.
                self.asked = Some(Asked { refused: true, ..Asked::new(step_up) });
                self.end(words::end(end), checks, unasked, now);
            }
        } else if self.is_asked(id)
            && let Some(asked) = &mut self.asked
        {
            match step_up.stage {
                Stage::Checking => asked.step = Step::Checking,
                Stage::Preparing => asked.step = Step::Preparing,
                Stage::Tap | Stage::Ended { .. } => {}
            }
            asked.step_up = step_up;
        }
        self.ask_next_after_end();
    }

    /// The oldest that waits for a tap is shown, before any end; while a key is being registered it waits.
    fn ask_next(&mut self) {
        if !self.is_asking() && !matches!(self.registration, Registration::Running { .. }) {
            self.ask(|_| true);
        }
    }

    /// The same right after an end: one that the next request covers is shown before it.
    fn ask_next_after_end(&mut self) {
        let ended = self.asked.as_ref().and_then(|asked| match asked.step {
            Step::Ended { end, .. } => Some(end),
            _ => None,
        });
        self.ask_next();
        if let Some(end) = ended.filter(|_| self.is_asking()) {
            self.flash(end);
        }
    }

    fn ask(&mut self, which: impl Fn(&StepUp) -> bool) {
        let next = self.waiting().find(|it| which(it)).cloned();
        if let Some(next) = next {
            self.pin = None;
            self.asked = Some(Asked::new(next));
        }
    }

    /// Shows the result of the current step-up and removes the person's data.
    fn end(
        &mut self,
        end: view::PromptResult,
        checks: Vec<view::Check>,
        why: Option<view::KeyProblem>,
        now: u64,
    ) {
        self.pin = None;
        if let Some(asked) = &mut self.asked {
            // What was seen of the key says more.
            asked.trouble = asked.trouble.take().or(why);
            let odd = asked.trouble.as_ref().is_some_and(|it| it.kind == view::KeyProblemKind::BadRequest);
            let end = if odd { view::PromptResult::NotGenuine } else { end };
            self.over.push(asked.step_up.id);
            asked.ended(end, checks, now);
        }
    }

    /// Shows a result for a moment; the person can switch that off where there is nothing to read.
    fn flash(&mut self, end: view::PromptResult) {
        if self.settings.check_mark || self.settings.tones || !words::is_brief(end) {
            self.flashes = self.flashes.wrapping_add(1);
            self.flash = Some(view::Flash { number: self.flashes, end });
        }
        // A mark for something else must not be read as one for this.
        if matches!(self.registration, Registration::Done { .. }) {
            self.registration = Registration::Idle;
        }
    }

    fn dismiss(&mut self) {
        self.asked = self.asked.take().filter(|asked| asked.until.is_none());
    }

    /// Returns whether an open step-up is shown.
    fn is_asking(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.until.is_none())
    }

    /// Returns whether this step-up is shown and open.
    fn is_asked(&self, id: StepUpId) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.until.is_none() && asked.step_up.id == id)
    }

    fn step_ups(&self) -> impl Iterator<Item = &StepUp> {
        self.status.iter().filter(|_| self.lost.is_none()).flat_map(|status| &status.step_ups)
    }

    /// Those that wait for the person, or for the verifier's word about their tap, the oldest first.
    fn waiting(&self) -> impl Iterator<Item = &StepUp> {
        let waits = |it: &&StepUp| matches!(it.stage, Stage::Tap | Stage::Checking);
        self.step_ups().filter(waits).filter(|it| !self.over.contains(&it.id))
    }

    fn step(&mut self, prompt: KeyPrompt) -> Step {
        self.pin = None;
        match prompt {
            KeyPrompt::Insert => Step::Insert,
            KeyPrompt::Touch { keys } => Step::Touch { keys: u32::try_from(keys).unwrap_or(u32::MAX) },
            KeyPrompt::Working => Step::Working,
            KeyPrompt::Pin(asked) => {
                self.questions = self.questions.wrapping_add(1);
                let (why, least) = match asked.reason {
                    PinReason::Needed => (PinWhy::Needed, SHORTEST_PIN),
                    PinReason::Wrong => (PinWhy::Wrong, SHORTEST_PIN),
                    PinReason::New { least } => (PinWhy::New, least),
                    PinReason::Change { least } => (PinWhy::Change, least),
                    PinReason::Former => (PinWhy::Former, SHORTEST_PIN),
                    PinReason::Unsuitable { least } => (PinWhy::Unsuitable, least),
                };
                self.pin = Some(asked.reply);
                let attempts_left = asked.attempts_left;
                Step::Pin(PinAsked { question: self.questions, why, least, attempts_left, inserted: false })
            }
        }
    }

    /// A PIN that answers an earlier question may be another key's, and would cost this one an attempt.
    fn entered(&mut self, question: u32, pin: Pin) {
        if question != self.questions {
            return;
        }
        if let Some(reply) = self.pin.take() {
            reply.enter(pin);
        }
        // Until the key says more.
        let step = match (&mut self.asked, &mut self.registration) {
            (Some(asked), _) if asked.until.is_none() => Some(&mut asked.step),
            (_, Registration::Running { step, .. }) => Some(step),
            _ => None,
        };
        if let Some(step) = step.filter(|step| matches!(step, Step::Pin(_))) {
            *step = Step::Working;
        }
    }

    fn registering(&mut self, registering: Registering) {
        match registering {
            Registering::Begun => {
                self.registration = Registration::Running { user: None, step: Step::Preparing };
            }
            Registering::For(name) => {
                if let Registration::Running { user, .. } = &mut self.registration {
                    *user = Some(words::plain(&name));
                }
            }
            Registering::Prompt(prompt) => {
                let next = self.step(prompt);
                if let Registration::Running { step, .. } = &mut self.registration {
                    *step = next;
                }
            }
            Registering::Ended(end) => {
                self.pin = None;
                self.registration = end;
                self.ask_next();
            }
        }
    }

    /// An answer to a step-up that has gone meanwhile does not count for the next.
    fn answered(&mut self, id: StepUpId, choice: Choice) {
        if !self.is_asked(id) {
            return;
        }
        self.pin = None;
        if choice == Choice::TryAgain {
            if let Some(asked) = &mut self.asked {
                (asked.step, asked.trouble) = (Step::Preparing, None);
            }
            return;
        }
        // A report of an unsolicited request is confirmed only when the verifier has it.
        if choice != Choice::NotMine {
            self.over.extend(self.asked.take().map(|asked| asked.step_up.id));
            self.flash(view::PromptResult::Declined);
            self.ask_next();
        }
    }

    fn away(&mut self, away: bool) {
        self.away = away;
        if away {
            self.forget();
            // Another person may unlock the screen, so the key is requested again.
            (self.pin, self.page, self.flash) = (None, Page::Status, None);
            if let Some(asked) = &mut self.asked {
                asked.step = Step::Preparing;
            }
        }
    }

    /// Nothing of a person stays on the screen.
    fn forget(&mut self) {
        self.keys = None;
        if !matches!(self.registration, Registration::Running { .. }) {
            self.registration = Registration::Idle;
        }
        self.dismiss();
    }

    fn prompt(&self, asked: &Asked) -> view::Prompt {
        let waiting = self.waiting().filter(|it| it.stage == Stage::Tap && it.id != asked.step_up.id).count();
        let step_up = &asked.step_up;
        view::Prompt {
            id: step_up.id.to_string(),
            application: words::plain(&step_up.application),
            test: step_up.application == step_up::ADMINISTRATOR,
            user: words::plain(&step_up.user),
            message: words::escape(&step_up.message),
            details: details::of(step_up, self.language),
            level: words::level(step_up.acr),
            until: step_up.until,
            pin_entered: step_up.pin_entered,
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            step: asked.step.clone(),
        }
    }
}
