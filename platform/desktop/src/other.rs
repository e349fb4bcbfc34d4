//! Systems whose turn has not come: nothing of it, and the app works without.

use crate::{KeyboardGuard, Notice, Sound, SplashOverlay};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

pub fn watch_seat(_: impl Fn(bool) + Send + Sync + 'static) {}

pub(crate) fn notices(wants: &Receiver<Option<Notice>>, _: Arc<dyn Fn() + Send + Sync>) {
    for _ in wants {}
}

#[must_use]
pub fn has_screen() -> bool {
    true
}

#[must_use]
pub fn has_tray() -> bool {
    true
}

pub fn bell(_: Sound) {}

/// Nothing is drawn before the page.
pub fn splash(_: &tauri::WebviewWindow, _: &SplashOverlay) -> tauri::Result<()> {
    Ok(())
}

pub fn redraw(_: &tauri::WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

/// The page is left as it is.
pub fn lock_down_webview(_: &tauri::WebviewWindow, _: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}

pub fn kill_web_processes() {}

impl KeyboardGuard {
    pub fn watch(&self, _: &tauri::WebviewWindow) -> tauri::Result<()> {
        Ok(())
    }

    /// The system decides, as it does for every window that a program in the background shows.
    pub fn leave_keyboard(&self, _: &tauri::WebviewWindow) -> tauri::Result<()> {
        self.set(None);
        Ok(())
    }

    pub fn accept_keyboard(&self, _: &tauri::WebviewWindow) -> tauri::Result<()> {
        Ok(())
    }

    pub fn release(&self, _: &tauri::WebviewWindow) -> tauri::Result<()> {
        Ok(())
    }
}
