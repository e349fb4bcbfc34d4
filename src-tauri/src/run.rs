//! Runs the app: events go into the model, and its results are shown.

use crate::app::{App, lock, now};
use crate::arguments::AppArgs;
use crate::language::Language;
use crate::model::{self, Announcement, Happened, Model, Window};
use crate::settings::JsonFile;
use crate::tray::Tray;
use crate::view::{Action, SettingsPage, View};
use crate::window::Page;
use crate::{commands, process, tray, window};
use anyhow::Context;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tauri::{AppHandle, Emitter, Manager, RunEvent, WindowEvent};
use vitalsign_desktop::{Notice, Notices, Sound};
use vitalsign_protocol::check::Desktop;
use vitalsign_protocol::id::{Digest, StepUpId};
use vitalsign_session::flow::UiAbilities;
use vitalsign_session::{Inbox, Socket, Ui, UiUpdate};

/// The event with each new view.
const VIEW: &str = "view";
/// Maximum wait when no timer is set.
const LONG: Duration = Duration::from_secs(3600);
/// Time after the last window closes before the app restarts itself. Step-ups often follow each other.
const QUIET: Duration = Duration::from_secs(10);

/// The model's thread is where everything is shown.
struct ToModel(Sender<Happened>);

impl Ui for ToModel {
    fn show(&mut self, shown: UiUpdate) {
        let _ = self.0.send(Happened::Shown(shown));
    }

    fn abilities(&self) -> UiAbilities {
        UiAbilities { retries: true, reports_reading: true }
    }
}

fn desktop() -> Option<Desktop> {
    std::env::var("XDG_CURRENT_DESKTOP").ok().and_then(|names| Desktop::of(&names))
}

/// Pages of the desktop's settings that can be opened.
fn settings_pages() -> Vec<SettingsPage> {
    SettingsPage::ALL.into_iter().filter(|page| vitalsign_desktop::has_settings((*page).into())).collect()
}

pub(crate) fn run(arguments: AppArgs) -> anyhow::Result<()> {
    anyhow::ensure!(vitalsign_desktop::has_screen(), "there is no screen to show anything on");
    let language = Language::of_session();
    let (happened, happenings) = mpsc::channel();
    let (inbox, events) = Inbox::new();
    let context = tauri::generate_context!();
    let folder = settings_folder(&context.config().identifier);
    let settings = JsonFile::in_folder(&folder, "settings.json");
    let model = Model::with(vitalsign_os::device_name(), settings.read())
        .in_language(language.name())
        .on_desktop(desktop())
        .with_settings(settings_pages())
        .in_zone(jiff::tz::TimeZone::system());
    let socket = Socket(arguments.socket.clone());
    let app = App::new(language, socket, (inbox.clone(), happened.clone()), model.view(now()), settings);
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
        .manage(Page::with_place(JsonFile::in_folder(&folder, "place.json"), happened.clone()))
        .invoke_handler(tauri::generate_handler![
            commands::texts,
            commands::view,
            commands::act,
            commands::enter_pin,
            commands::logo,
            commands::diagnostics,
            commands::send_diagnostics
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
                vitalsign_session::share_session_lock(socket.0.clone());
                let mut surface = ToModel(surface);
                vitalsign_session::listen(&socket, None, &keys, &mut surface, (inbox.clone(), events), false)
            });
            Ok(())
        })
        .on_window_event(|window, event| match event {
            // What follows from it is the model's to say: another step-up may wait.
            WindowEvent::CloseRequested { api, .. } => {
                api.prevent_close();
                window.state::<App>().closed();
            }
            WindowEvent::Moved(place) => window::moved(window.app_handle(), *place),
            WindowEvent::ThemeChanged(_) => window::colours_changed(window.app_handle()),
            _ => {}
        })
        .build(context)
        .context("the app cannot start")?;
    let watched = built.handle().clone();
    vitalsign_desktop::watch_seat(move |away| watched.state::<App>().away(away));
    built.run(|app, event| match event {
        // Without a window it goes on in the tray.
        RunEvent::ExitRequested { api, code: None, .. } => api.prevent_exit(),
        RunEvent::WindowEvent { event: WindowEvent::Destroyed, .. } => {
            if let Err(error) = window::destroyed(app) {
                tracing::warn!("the screen: {error}");
            }
        }
        _ => {}
    });
    Ok(())
}

/// Folder for the person's settings, by the XDG Base Directory Specification and its equivalents.
fn settings_folder(identifier: &str) -> PathBuf {
    let variable = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    set.or_else(|| std::env::home_dir().map(|home| home.join(".config"))).unwrap_or_default().join(identifier)
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
    /// Colours of the window, see [`Model::is_dark`].
    dark: Option<bool>,
    view: Option<View>,
    tray: Option<model::Tray>,
    window: Option<Window>,
    announced: Option<Announcement>,
    /// Problem that was noted for diagnostics.
    problem: Option<String>,
    /// Version of the organisation's texts and logo that was asked for.
    organisation: Option<Option<Digest>>,
    /// Step-up for which the window was given the keyboard.
    inserted: Option<StepUpId>,
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
        let organisation = model.organisation_version();
        if done.organisation != organisation {
            done.organisation = organisation;
            // Once it is reached again it is asked again.
            if organisation.is_some() {
                self.app.state::<App>().fetch_organisation();
            }
        }
        let view = model.view(now);
        if done.view.as_ref() != Some(&view) {
            // Before the view with its number.
            *lock(&self.app.state::<App>().logo) = model.logo();
            *lock(&self.app.state::<App>().view) = view.clone();
            self.app.state::<Page>().say(&view, language);
            // Without a window there is no listener; a new page requests the view itself.
            if let Err(error) = self.app.emit_to(window::MAIN, VIEW, &view) {
                tracing::warn!("the page was not told: {error}");
            }
            done.view = Some(view);
        }
        let dark = model.is_dark(now);
        if done.dark != dark {
            done.dark = dark;
            // Before a window is made or shown.
            self.on_main(move |app| window::set_dark(app, dark));
        }
        let announced = model.announced();
        let new = announced.filter(|_| done.announced != announced);
        let wanted = model.window();
        if done.window != Some(wanted) || opened || new.is_some() {
            done.window = Some(wanted);
            let (notices, volume) = (self.notices.clone(), model.request_volume(now));
            self.on_main(move |app| {
                // Who looks at the window already hears the bell only.
                let seen = window::is_in_front(app);
                window::make(app, wanted, language)?;
                if let Some(new) = new {
                    let notice = notice(new, language, volume);
                    vitalsign_desktop::bell(notice.sound, volume);
                    notices.show((!seen).then_some(notice));
                }
                Ok(())
            });
        }
        let problem = model.problem();
        if let Some(problem) = problem.as_ref().filter(|it| done.problem.as_ref() != Some(*it)) {
            self.app.state::<App>().note(problem);
        }
        done.problem = problem;
        let inserted = model.inserted();
        if inserted.is_some() && done.inserted != inserted {
            self.on_main(window::take_keyboard);
        }
        done.inserted = inserted;
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

/// Creates the notification; it contains no names.
fn notice(announced: Announcement, language: Language, volume: u8) -> Notice {
    let (sound, [title, body, open]) = match announced {
        Announcement::Asked(_) => (Sound::Request, ["announce-title", "announce-body", "announce-open"]),
        Announcement::Refused(_) => {
            (Sound::Refusal, ["announce-refused-title", "announce-refused-body", "announce-refused-open"])
        }
    };
    Notice {
        program: language.text("app-name"),
        title: language.text(title),
        body: language.text(body),
        open: language.text(open),
        sound,
        silent: volume == 0,
    }
}
