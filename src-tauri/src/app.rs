//! The app's threads, and where they meet: what happens goes into the model, and what follows from it is done.

mod register;

use crate::arguments::Arguments;
use crate::language::Language;
use crate::model::{self, Happened, Model, Tray, Window};
use crate::view::{self, Action, Texts, View};
use crate::{announce, commands, seat, tray, window};
use anyhow::Context;
use serde_json::Value;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tauri::tray::TrayIcon;
use tauri::{AppHandle, Emitter, Manager, RunEvent, WindowEvent, Wry};
use vitalsign_ipc::{Answer, Request};
use vitalsign_protocol::id::StepUpId;
use vitalsign_security_key::{Cancel, Ceremony, Failure, Pin, Prompt, SecurityKeys};
use vitalsign_session::flow::Choice;
use vitalsign_session::{Agent, Inbox, Keys, Shown, Socket, Surface};

/// The event with each new view.
const VIEW: &str = "view";
/// How long to wait where nothing changes by itself.
const LONG: Duration = Duration::from_secs(3600);

/// What the commands and the tray speak to.
pub(crate) struct App {
    language: Language,
    socket: Arc<Socket>,
    keys: Arc<LocalKeys>,
    inbox: Inbox,
    happened: Sender<Happened>,
    view: Mutex<View>,
    /// Ends the registration that runs.
    registering: Mutex<Option<Cancel>>,
}

/// The security keys of this machine, or why they cannot be reached.
pub(crate) struct LocalKeys(Result<SecurityKeys, Failure>);

impl Keys for LocalKeys {
    fn perform(
        &self,
        ceremony: &Ceremony,
        prompts: &mut (dyn FnMut(Prompt) + Send),
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        self.0.as_ref().map_err(Failure::clone)?.perform(ceremony, prompts, cancel)
    }
}

/// The model's thread is where everything is shown.
struct ToModel(Sender<Happened>);

impl Surface for ToModel {
    fn show(&mut self, shown: Shown) {
        let _ = self.0.send(Happened::Shown(shown));
    }
}

/// Runs the app.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let language = Language::of_session();
    let (happened, happenings) = mpsc::channel();
    let (inbox, events) = Inbox::new();
    let model = Model::new(vitalsign_host::device_name());
    let app = App {
        language,
        socket: Arc::new(Socket(arguments.socket.clone())),
        keys: Arc::new(LocalKeys(SecurityKeys::open())),
        inbox: inbox.clone(),
        happened: happened.clone(),
        view: Mutex::new(model.view(now())),
        registering: Mutex::default(),
    };
    let (socket, keys) = (Arc::clone(&app.socket), Arc::clone(&app.keys));
    if !arguments.background {
        app.tell(Happened::Opened(arguments.page));
    }

    let built = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            let background = arguments.iter().any(|argument| argument == "--background");
            if !background {
                app.state::<App>().tell(Happened::Opened(view::Page::Status));
            }
        }))
        .manage(app)
        .invoke_handler(tauri::generate_handler![
            commands::texts,
            commands::view,
            commands::act,
            commands::enter_pin,
            commands::diagnostics
        ])
        .setup(move |tauri| {
            let handle = tauri.handle().clone();
            let icon =
                tray::build(&handle, language).inspect_err(|error| tracing::warn!("no tray: {error}")).ok();
            let screen = Screen { app: handle, icon, language };
            std::thread::spawn(move || live(model, &happenings, &screen));
            let surface = happened.clone();
            std::thread::spawn(move || {
                let mut surface = ToModel(surface);
                vitalsign_session::listen(&socket, None, &keys, &mut surface, (inbox.clone(), events), false)
            });
            Ok(())
        })
        .on_window_event(|window, event| {
            if matches!(event, WindowEvent::CloseRequested { .. }) {
                window.state::<App>().closed();
            }
        })
        .build(tauri::generate_context!())
        .context("the app cannot start")?;
    let watched = built.handle().clone();
    seat::watch(move |away| watched.state::<App>().away(away));
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

    pub(crate) fn enter_pin(&self, pin: Pin) {
        self.tell(Happened::Pin(pin));
    }

    pub(crate) fn act(&self, action: Action) {
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
            Action::Register { code, name } => self.register(code, name),
            Action::StopRegistering => self.stop_registering(),
            Action::ListKeys => self.list_keys(),
            Action::Close => self.closed(),
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
                // Who was asked for what is nobody else's business.
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
        // Nobody listens any more when the app ends.
        let _ = self.happened.send(happened);
    }

    fn say(&self, choice: Choice) {
        self.inbox.say(choice);
        self.tell(Happened::Said(choice));
    }

    fn away(&self, away: bool) {
        self.inbox.away(away);
        self.tell(Happened::Away(away));
    }

    /// Closing the window on a step-up says no to it: a key that is touched later must not answer what nobody sees.
    fn closed(&self) {
        if lock(&self.view).prompt.is_some() {
            self.say(Choice::Decline);
        }
        self.stop_registering();
        self.tell(Happened::Dismissed);
        self.tell(Happened::Closed);
    }

    fn list_keys(&self) {
        self.tell(Happened::Keys(view::Keys::Asking));
        self.ask(Request::Keys, |answer| Some(Happened::Keys(model::keys(answer))));
    }

    /// Asks the service, elsewhere than on the thread that draws.
    fn ask(
        &self,
        request: Request,
        then: impl FnOnce(Result<Answer, vitalsign_session::Lost>) -> Option<Happened> + Send + 'static,
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

/// Where it is shown.
struct Screen {
    app: AppHandle,
    icon: Option<TrayIcon<Wry>>,
    language: Language,
}

/// What was done last, so that nothing is done twice.
#[derive(Default)]
struct Done {
    view: Option<View>,
    tray: Option<Tray>,
    window: Option<Window>,
    announced: Option<StepUpId>,
}

fn live(mut model: Model, happenings: &Receiver<Happened>, screen: &Screen) {
    let mut done = Done::default();
    loop {
        let happened = match happenings.recv_timeout(model.patience(now()).unwrap_or(LONG)) {
            Ok(happened) => happened,
            Err(RecvTimeoutError::Timeout) => Happened::Tick,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let opened = matches!(happened, Happened::Opened(_));
        model.on(happened, now());
        screen.follow(&model, &mut done, opened);
    }
}

impl Screen {
    /// Does what follows from the model.
    fn follow(&self, model: &Model, done: &mut Done, opened: bool) {
        let now = now();
        let view = model.view(now);
        if done.view.as_ref() != Some(&view) {
            *lock(&self.app.state::<App>().view) = view.clone();
            // Without a window nobody hears it, and a page that opens asks by itself.
            if let Err(error) = self.app.emit_to(window::MAIN, VIEW, &view) {
                tracing::warn!("the page was not told: {error}");
            }
            done.view = Some(view);
        }
        let wanted = model.window();
        if done.window != Some(wanted) || opened {
            done.window = Some(wanted);
            let language = self.language;
            self.on_main(move |app| window::make(app, wanted, language));
        }
        let state = model.tray(now);
        if let Some(icon) = self.icon.clone().filter(|_| done.tray != Some(state)) {
            done.tray = Some(state);
            let language = self.language;
            self.on_main(move |_| tray::show(&icon, state, language));
        }
        let announced = model.announced();
        if done.announced != announced {
            done.announced = announced;
            announce::announce(announced.is_some(), self.language);
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

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
