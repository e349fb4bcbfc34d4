//! The tray icon: the state at a glance, by shape and not by colour alone, and a menu.

use crate::app::App;
use crate::language::Language;
use crate::model::Tray;
use crate::view::{Action, Page};
use tauri::image::Image;
use tauri::menu::{Menu, MenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};

const ICON: &[u8] = include_bytes!("../icons/icon.png");

/// Puts it there. A desktop without a tray is one without an icon, and no error.
pub(crate) fn build(app: &AppHandle, language: Language) -> tauri::Result<TrayIcon<Wry>> {
    let item =
        |id: &str| MenuItem::with_id(app, id, language.text(&format!("tray-{id}")), true, None::<&str>);
    let (status, check, register, about) =
        (item("status")?, item("check")?, item("register")?, item("about")?);
    let menu = Menu::with_items(app, &[&status, &check, &register, &about])?;
    TrayIconBuilder::with_id("tray")
        .icon(Image::from_bytes(ICON)?)
        .tooltip(language.text("app-name"))
        .menu(&menu)
        .on_menu_event(|app, event| {
            let action = match event.id.as_ref() {
                "status" => Action::Open { page: Page::Status },
                "check" => Action::CheckAgain,
                "register" => Action::Open { page: Page::Keys },
                "about" => Action::Open { page: Page::About },
                _ => return,
            };
            app.state::<App>().act(app, action);
        })
        .build(app)
}

/// Shows this state.
pub(crate) fn show(icon: &TrayIcon<Wry>, state: Tray, language: Language) -> tauri::Result<()> {
    let name = match state {
        Tray::Healthy => "healthy",
        Tray::Attention => "attention",
        Tray::Blocked => "blocked",
        Tray::Offline => "offline",
        Tray::StepUp => "step-up",
    };
    icon.set_tooltip(Some(language.text(&format!("tray-{name}"))))
}
