//! Systems whose turn has not come: nothing of it, and the app works without.

use crate::{Notice, SplashOverlay};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Always somebody.
pub fn watch_seat(_: impl Fn(bool) + Send + Sync + 'static) {}

/// None is shown.
pub(crate) fn notices(wants: &Receiver<Option<Notice>>, _: Arc<dyn Fn() + Send + Sync>) {
    for _ in wants {}
}

/// It is a desktop's.
#[must_use]
pub fn has_screen() -> bool {
    true
}

/// Every desktop has one.
#[must_use]
pub fn has_tray() -> bool {
    true
}

/// Silent.
pub fn bell() {}

/// Nothing is drawn before the page.
///
/// # Errors
/// None.
pub fn splash(_: &tauri::WebviewWindow, _: &SplashOverlay) -> tauri::Result<()> {
    Ok(())
}

/// Nothing to draw.
///
/// # Errors
/// None.
pub fn redraw(_: &tauri::WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

/// The page is left as it is.
///
/// # Errors
/// None.
pub fn lock_down_webview(_: &tauri::WebviewWindow, _: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}

/// Nothing is left behind.
pub fn kill_web_processes() {}
