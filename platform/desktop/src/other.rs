//! Systems whose turn has not come: nothing of it, and the app works without.

use crate::{KeyboardGuard, Notice, Placement, SettingsPage, Sound, SplashOverlay, WindowMove};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tauri::{AppHandle, Theme, WebviewWindow};

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

pub fn bell(_: Sound, _: u8) {}

#[must_use]
pub fn has_settings(_: SettingsPage) -> bool {
    false
}

pub fn open_settings(_: SettingsPage) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn set_theme(app: &AppHandle, theme: Option<Theme>) -> tauri::Result<()> {
    app.set_theme(theme);
    Ok(())
}

#[must_use]
pub fn is_dark(window: &WebviewWindow) -> bool {
    window.theme().is_ok_and(|theme| theme == Theme::Dark)
}

/// Nothing is drawn before the page.
pub fn splash(_: &WebviewWindow, _: &SplashOverlay) -> tauri::Result<()> {
    Ok(())
}

pub fn redraw(_: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

/// The page is left as it is.
pub fn lock_down_webview(_: &WebviewWindow, _: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}

pub fn kill_web_processes() {}

impl KeyboardGuard {
    pub fn watch(&self, _: &WebviewWindow) -> tauri::Result<()> {
        Ok(())
    }

    /// The system decides, as it does for every window that a program in the background shows.
    pub fn leave_keyboard(&self, _: &WebviewWindow) -> tauri::Result<()> {
        self.set(None);
        Ok(())
    }

    pub fn accept_keyboard(&self, _: &WebviewWindow) -> tauri::Result<()> {
        Ok(())
    }

    pub fn release(&self, _: &WebviewWindow) -> tauri::Result<()> {
        Ok(())
    }
}

/// The system places windows.
impl Placement {
    pub fn fit(&self, _: &WebviewWindow, _: &KeyboardGuard) -> tauri::Result<()> {
        Ok(())
    }

    pub fn dock(&self, _: &WebviewWindow, _: &KeyboardGuard, _: Option<(i32, i32)>) -> tauri::Result<bool> {
        Ok(false)
    }

    pub fn put(&self, _: &WebviewWindow, _: &KeyboardGuard, _: (i32, i32)) -> tauri::Result<()> {
        Ok(())
    }

    #[must_use]
    pub fn place(&self, _: &WebviewWindow) -> Option<(i32, i32)> {
        None
    }

    #[must_use]
    pub fn moved_by_person(&self, _: &WebviewWindow) -> Option<(i32, i32)> {
        None
    }

    pub fn grab(&self, window: &WebviewWindow) -> tauri::Result<()> {
        window.start_dragging()
    }

    pub fn drag(&self, _: &WebviewWindow, _: &KeyboardGuard, _: (i32, i32)) -> tauri::Result<()> {
        Ok(())
    }

    pub fn step(
        &self,
        _: &WebviewWindow,
        _: &KeyboardGuard,
        _: WindowMove,
    ) -> tauri::Result<Option<(i32, i32)>> {
        Ok(None)
    }
}
