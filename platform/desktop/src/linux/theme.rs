//! Light and dark, which the web view takes from GTK's settings.

use gtk::Settings;
use gtk::glib::object::ObjectExt;
use gtk::prelude::GtkSettingsExt;
use std::cell::{Cell, OnceCell};
use tauri::{AppHandle, Theme, WebviewWindow};

/// Ends of the names of dark themes, as WebKitGTK knows them.
const DARK: [&str; 3] = ["-dark", "-Dark", ":dark"];
const PREFER_DARK: &str = "gtk-application-prefer-dark-theme";
const THEME_NAME: &str = "gtk-theme-name";

thread_local! {
    static WANTED: Cell<Option<Theme>> = const { Cell::new(None) };
    static WATCHED: OnceCell<()> = const { OnceCell::new() };
}

/// Sets the colours of all windows: light, dark, or as the desktop has them. Only on the main thread.
///
/// # Errors
/// Never on this system.
pub fn set_theme(_: &AppHandle, theme: Option<Theme>) -> tauri::Result<()> {
    let Some(settings) = Settings::default() else { return Ok(()) };
    let before = WANTED.replace(theme);
    match theme {
        Some(_) => apply(&settings),
        None if before.is_some() => {
            settings.reset_property(PREFER_DARK);
            settings.reset_property(THEME_NAME);
        }
        None => {}
    }
    // The desktop's own settings, and a new window, write into the same place.
    WATCHED.with(|watched| {
        watched.get_or_init(|| {
            settings.connect_notify_local(Some(PREFER_DARK), |settings, _| apply(settings));
            settings.connect_notify_local(Some(THEME_NAME), |settings, _| apply(settings));
        });
    });
    Ok(())
}

/// Returns whether the colours are dark now.
#[must_use]
pub fn is_dark(_: &WebviewWindow) -> bool {
    Settings::default().is_some_and(|settings| {
        let name = settings.gtk_theme_name().unwrap_or_default();
        settings.is_gtk_application_prefer_dark_theme() || light_name(&name).is_some()
    })
}

/// Sets the wanted theme where GTK has another.
fn apply(settings: &Settings) {
    let Some(wanted) = WANTED.get() else { return };
    let dark = wanted == Theme::Dark;
    if settings.is_gtk_application_prefer_dark_theme() != dark {
        settings.set_gtk_application_prefer_dark_theme(dark);
    }
    let name = settings.gtk_theme_name().unwrap_or_default();
    if let Some(light) = light_name(&name).filter(|_| !dark) {
        settings.set_gtk_theme_name(Some(light));
    }
}

/// Returns the light variant of a dark theme's name.
fn light_name(name: &str) -> Option<&str> {
    DARK.iter().find_map(|end| name.strip_suffix(end))
}
