//! The tray icon: the state at a glance, by shape and not by colour alone, and a menu that says it in words.

use crate::app::App;
use crate::language::Language;
use crate::model::Tray as State;
use crate::view::{Action, Page};
use tauri::image::Image;
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};

/// The icon and its menu.
#[derive(Clone)]
pub(crate) struct Tray {
    icon: TrayIcon<Wry>,
    menu: Menu<Wry>,
    state: MenuItem<Wry>,
    /// Shows the step-up; in the menu while one waits.
    raise: MenuItem<Wry>,
    language: Language,
}

/// Puts it there, where the desktop has a tray and the library to reach it. It is no error to have none.
pub(crate) fn build(app: &AppHandle, language: Language) -> Option<Tray> {
    if !vitalsign_desktop::has_tray() {
        tracing::warn!("no tray icon: the library for it is not installed (libayatana-appindicator3)");
        return None;
    }
    try_build(app, language).inspect_err(|error| tracing::warn!("no tray icon: {error}")).ok()
}

fn try_build(app: &AppHandle, language: Language) -> tauri::Result<Tray> {
    let item =
        |id: &str| MenuItem::with_id(app, id, language.text(&format!("tray-{id}")), true, None::<&str>);
    let state = MenuItem::with_id(app, "state", words(State::Offline, language), true, None::<&str>)?;
    let (status, check, register, about) =
        (item("status")?, item("check")?, item("register")?, item("about")?);
    let line = PredefinedMenuItem::separator(app)?;
    let menu = Menu::with_items(app, &[&state, &line, &status, &check, &register, &about])?;
    let mut builder = TrayIconBuilder::with_id("vitalsign");
    // The desktop takes the picture from a file, whose name another program's may have too.
    if let Ok(session) = app.path().runtime_dir() {
        builder = builder.temp_dir_path(session.join("vitalsign-app"));
    }
    let icon = builder
        .icon(picture(State::Offline)?)
        .tooltip(words(State::Offline, language))
        .menu(&menu)
        .on_menu_event(|app, event| chosen(app, event.id.as_ref()))
        .build(app)?;
    Ok(Tray { icon, menu, state, raise: item("raise")?, language })
}

fn chosen(app: &AppHandle, id: &str) {
    let action = match id {
        "raise" => return app.state::<App>().raise(),
        "state" | "status" => Action::Open { page: Page::Status },
        "check" => Action::CheckAgain,
        "register" => Action::Open { page: Page::Keys },
        "about" => Action::Open { page: Page::About },
        _ => return,
    };
    app.state::<App>().act(app, action);
}

impl Tray {
    pub(crate) fn show(&self, state: State) -> tauri::Result<()> {
        let words = words(state, self.language);
        self.icon.set_icon(Some(picture(state)?))?;
        self.icon.set_tooltip(Some(&words))?;
        self.state.set_text(words)?;
        match (state == State::StepUp, self.menu.get("raise").is_some()) {
            (true, false) => self.menu.insert(&self.raise, 1),
            (false, true) => self.menu.remove(&self.raise),
            _ => Ok(()),
        }
    }
}

fn words(state: State, language: Language) -> String {
    language.text(match state {
        State::Healthy => "tray-healthy",
        State::Attention => "tray-attention",
        State::Blocked => "tray-blocked",
        State::Offline => "tray-offline",
        State::StepUp => "tray-step-up",
    })
}

/// Drawn in `icons/tray`, and made by `icons/make.sh`.
fn picture(state: State) -> tauri::Result<Image<'static>> {
    let bytes: &[u8] = match state {
        State::Healthy => include_bytes!("../icons/tray/healthy.png"),
        State::Attention => include_bytes!("../icons/tray/attention.png"),
        State::Blocked => include_bytes!("../icons/tray/blocked.png"),
        State::Offline => include_bytes!("../icons/tray/offline.png"),
        State::StepUp => include_bytes!("../icons/tray/step-up.png"),
    };
    Image::from_bytes(bytes)
}
