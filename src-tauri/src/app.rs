//! The app's threads, and where they meet: what happens goes into the model, and what follows from it is done.

mod register;

use crate::arguments::AppArgs;
use crate::language::Language;
use crate::model::{self, Happened, Model, Window};
use crate::tray::Tray;
use crate::view::{self, Action, Texts, View};
use crate::window::Page;
use crate::{commands, process, tray, window};
use anyhow::Context;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tauri::{AppHandle, Emitter, Manager, RunEvent, WindowEvent};
use vitalsign_desktop::{Notice, Notices};
use vitalsign_ipc::{Answer, Request};
use vitalsign_protocol::id::StepUpId;
use vitalsign_security_key::{Cancel, Failure, Pin, SecurityKeys};
use vitalsign_session::flow::Choice;
use vitalsign_session::{Inbox, ServiceConnector, Socket, Ui, UiUpdate};

/// The event with each new view.
const VIEW: &str = "view";
/// Maximum wait when no timer is set.
const LONG: Duration = Duration::from_secs(3600);
/// Time after the last window closes before the app restarts itself. Step-ups often follow each other.
const QUIET: Duration = Duration::from_secs(10);

/// State shared by the commands and the tray.
pub(crate) struct App {
    language: Language,
    socket: Arc<Socket>,
    /// The security keys of this machine, or why they cannot be reached.
    keys: Arc<Result<SecurityKeys, Failure>>,
    inbox: Inbox,
    happened: Sender<Happened>,
    view: Mutex<View>,
    /// Ends the registration that runs.
    registering: Mutex<Option<Cancel>>,
    held: Mutex<Held>,
}

/// Reasons for which no security key is used for a step-up.
#[derive(Default)]
struct Held {
    away: bool,
    /// Number of registrations that use the keys, including cancelled ones that have not released theirs.
    registering: u32,
}

/// The model's thread is where everything is shown.
struct ToModel(Sender<Happened>);

impl Ui for ToModel {
    fn show(&mut self, shown: UiUpdate) {
        let _ = self.0.send(Happened::Shown(shown));
    }
}

pub(crate) fn run(arguments: AppArgs) -> anyhow::Result<()> {
    anyhow::ensure!(vitalsign_desktop::has_screen(), "there is no screen to show anything on");
    let language = Language::of_session();
    let (happened, happenings) = mpsc::channel();
    let (inbox, events) = Inbox::new();
    let model = Model::new(vitalsign_os::device_name());
    let app = App {
        language,
        socket: Arc::new(Socket(arguments.socket.clone())),
        keys: Arc::new(SecurityKeys::open()),
        inbox: inbox.clone(),
        happened: happened.clone(),
        view: Mutex::new(model.view(now())),
        registering: Mutex::default(),
        held: Mutex::default(),
    };
    let (socket, keys) = (Arc::clone(&app.socket), Arc::clone(&app.keys));
    if !arguments.background {
        app.tell(Happened::Opened(arguments.page));
    }

    let built = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            let arguments = AppArgs::of_another(arguments);
            if let Some(arguments) = arguments.filter(|arguments| !arguments.background) {
                app.state::<App>().act(app, Action::Open { page: arguments.page });
            }
        }))
        .manage(app)
        .manage(Page::default())
        .invoke_handler(tauri::generate_handler![
            commands::texts,
            commands::view,
            commands::act,
            commands::enter_pin,
            commands::diagnostics
        ])
        .setup(move |tauri| {
            let handle = tauri.handle().clone();
            let tray = tray::build(&handle, language);
            let raised = handle.clone();
            let notices = Notices::new(move || raised.state::<App>().raise());
            let screen = Screen { app: handle, arguments, tray, notices, language };
            std::thread::spawn(move || live(model, &happenings, &screen));
            let surface = happened.clone();
            std::thread::spawn(move || {
                let mut surface = ToModel(surface);
                vitalsign_session::listen(&socket, None, &keys, &mut surface, (inbox.clone(), events), false)
            });
            Ok(())
        })
        .on_window_event(|window, event| {
            // What follows from it is the model's to say: another step-up may wait.
            if let WindowEvent::CloseRequested { api, .. } = event {
                api.prevent_close();
                window.state::<App>().closed();
            }
        })
        .build(tauri::generate_context!())
        .context("the app cannot start")?;
    let watched = built.handle().clone();
    vitalsign_desktop::watch_seat(move |away| watched.state::<App>().away(away));
    built.run(|_, event| {
        // Without a window it goes on in the tray.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
    Ok(())
}

impl App {
    pub(crate) fn texts(&self) -> Texts {
        self.language.texts()
    }

    pub(crate) fn view(&self) -> View {
        lock(&self.view).clone()
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
            Action::Decline => self.say(Choice::Decline),
            Action::NotMine => self.say(Choice::NotMine),
            Action::Dismiss => self.tell(Happened::Dismissed),
            Action::Register { code, name } => self.register(app, code, name),
            Action::StopRegistering => self.stop_registering(),
            Action::ListKeys => self.list_keys(),
            Action::Close => self.closed(),
            Action::Drawn => window::drawn(app),
        }
    }

    pub(crate) fn diagnostics(&self) -> String {
        let mut service = match self.socket.connect() {
            Ok(service) => service,
            Err(error) => return format!("{error}\n"),
        };
        let answers = [Request::Diagnostics, Request::Status].map(|request| match service.ask(request) {
            Ok(Answer::Diagnostics(found)) => serde_json::to_string_pretty(&found).unwrap_or_default(),
            Ok(Answer::Status(mut status)) => {
                // The transaction of one person must not be shown to another.
                status.step_ups.clear();
                serde_json::to_string_pretty(&status).unwrap_or_default()
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        });
        let [found, status] = answers;
        format!("vitalsign-app {}\n{found}\n{status}\n", env!("CARGO_PKG_VERSION"))
    }

    fn tell(&self, happened: Happened) {
        // Fails only when the app is ending.
        let _ = self.happened.send(happened);
    }

    fn say(&self, choice: Choice) {
        self.inbox.say(choice);
        self.tell(Happened::Said(choice));
    }

    /// Opens the window on request of the person.
    pub(crate) fn raise(&self) {
        self.tell(Happened::Raised);
    }

    fn away(&self, away: bool) {
        self.hold(|held| held.away = away);
        self.tell(Happened::Away(away));
        if away {
            self.stop_registering();
        }
    }

    /// Each of the reasons holds by itself.
    fn hold(&self, change: impl FnOnce(&mut Held)) {
        let mut held = lock(&self.held);
        change(&mut held);
        // Under the lock, so that the last that is told is the last that was.
        self.inbox.away(held.away || held.registering > 0);
    }

    /// Closing the window declines the step-up: a later touch must not approve something invisible.
    fn closed(&self) {
        let asks = |prompt: &view::Prompt| !matches!(prompt.step, view::Step::Ended { .. });
        let asked = lock(&self.view).prompt.as_ref().is_some_and(asks);
        if asked {
            self.say(Choice::Decline);
        }
        self.stop_registering();
        self.tell(Happened::Dismissed);
        self.tell(Happened::Closed);
    }

    fn list_keys(&self) {
        self.tell(Happened::Keys(view::KeyList::Asking));
        self.ask(Request::Keys, |answer| Some(Happened::Keys(model::keys(answer))));
    }

    /// Asks the service, elsewhere than on the thread that draws.
    fn ask(
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

struct Screen {
    app: AppHandle,
    arguments: AppArgs,
    notices: Notices,
    tray: Option<Tray>,
    language: Language,
}

/// Last actions, to avoid repeating them.
#[derive(Default)]
struct Done {
    view: Option<View>,
    tray: Option<model::Tray>,
    window: Option<Window>,
    announced: Option<StepUpId>,
    /// There was a window since this has begun.
    had_window: bool,
    /// Since when it is gone and nothing else goes on.
    quiet: Option<Instant>,
}

fn live(mut model: Model, happenings: &Receiver<Happened>, screen: &Screen) {
    let mut done = Done::default();
    loop {
        let quiet = done.quiet.map(|since| QUIET.saturating_sub(since.elapsed()));
        let patience = model.patience(now()).into_iter().chain(quiet).min().unwrap_or(LONG);
        let happened = match happenings.recv_timeout(patience) {
            Ok(happened) => happened,
            Err(RecvTimeoutError::Timeout) => Happened::Tick,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let opened = matches!(happened, Happened::Opened(_) | Happened::Raised);
        model.on(happened, now());
        screen.follow(&model, &mut done, opened);
    }
}

impl Screen {
    /// Does what follows from the model.
    fn follow(&self, model: &Model, done: &mut Done, opened: bool) {
        let now = now();
        let language = self.language;
        let view = model.view(now);
        if done.view.as_ref() != Some(&view) {
            *lock(&self.app.state::<App>().view) = view.clone();
            self.app.state::<Page>().say(window::words(&view, language));
            // Without a window there is no listener; a new page requests the view itself.
            if let Err(error) = self.app.emit_to(window::MAIN, VIEW, &view) {
                tracing::warn!("the page was not told: {error}");
            }
            done.view = Some(view);
        }
        let announced = model.announced();
        let new = announced.is_some() && done.announced != announced;
        let wanted = model.window();
        if done.window != Some(wanted) || opened || new {
            done.window = Some(wanted);
            let notices = self.notices.clone();
            self.on_main(move |app| {
                // Who looks at the window already hears the bell only.
                let seen = window::is_in_front(app);
                window::make(app, wanted, language)?;
                if new {
                    vitalsign_desktop::bell();
                    notices.show((!seen).then(|| notice(language)));
                }
                Ok(())
            });
        }
        if done.announced.is_some() && announced.is_none() {
            self.notices.show(None);
        }
        done.announced = announced;
        let state = model.tray(now);
        if let Some(tray) = self.tray.clone().filter(|_| done.tray != Some(state)) {
            done.tray = Some(state);
            self.on_main(move |_| tray.show(state));
        }
        self.give_back(model, done);
    }

    /// Restarts the app some time after the last window closed.
    fn give_back(&self, model: &Model, done: &mut Done) {
        let there = done.window != Some(Window::None);
        done.had_window |= there;
        if there || !done.had_window || !model.is_idle() || window::is_driven() {
            done.quiet = None;
        } else if done.quiet.get_or_insert_with(Instant::now).elapsed() >= QUIET {
            (done.had_window, done.quiet) = (false, None);
            let arguments = self.arguments.clone();
            self.on_main(move |app| {
                // Releases the name before the new instance requests it.
                tauri_plugin_single_instance::destroy(app);
                if let Err(error) = process::restart_in_background(&arguments) {
                    tracing::warn!("it goes on as it is: {error:#}");
                }
                Ok(())
            });
        }
    }

    fn on_main(&self, what: impl FnOnce(&AppHandle) -> tauri::Result<()> + Send + 'static) {
        let app = self.app.clone();
        let run = self.app.run_on_main_thread(move || {
            if let Err(error) = what(&app) {
                tracing::warn!("the screen: {error}");
            }
        });
        if let Err(error) = run {
            tracing::warn!("the screen is gone: {error}");
        }
    }
}

/// Current time in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates the notification; it contains no names.
fn notice(language: Language) -> Notice {
    Notice {
        program: language.text("app-name"),
        title: language.text("announce-title"),
        body: language.text("announce-body"),
        open: language.text("announce-open"),
    }
}
