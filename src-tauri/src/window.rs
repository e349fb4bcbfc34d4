//! The one window: there while it is needed, in front of everything while a step-up is asked.

use crate::language::Language;
use crate::model::Window;
use tauri::{AppHandle, Manager, UserAttentionType, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

/// Its name, which the capability grants.
pub(crate) const MAIN: &str = "main";

/// Makes the window what it is to be.
pub(crate) fn make(app: &AppHandle, wanted: Window, language: Language) -> tauri::Result<()> {
    let there = app.get_webview_window(MAIN);
    match (wanted, there) {
        (Window::None, None) => Ok(()),
        (Window::None, Some(window)) => window.destroy(),
        (Window::Open, there) => {
            let window = there.map_or_else(|| open(app, language), Ok)?;
            window.set_always_on_top(false)?;
            window.unminimize()?;
            window.show()?;
            window.set_focus()
        }
        (Window::Raised, there) => {
            let window = there.map_or_else(|| open(app, language), Ok)?;
            window.unminimize()?;
            window.show()?;
            window.set_always_on_top(true)?;
            window.set_focus()?;
            window.request_user_attention(Some(UserAttentionType::Critical))
        }
    }
}

fn open(app: &AppHandle, language: Language) -> tauri::Result<WebviewWindow> {
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title(language.text("app-name"))
        .inner_size(520.0, 720.0)
        .min_inner_size(320.0, 480.0)
        .center()
        .build()
}
