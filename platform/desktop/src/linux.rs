//! Linux: GTK, WebKitGTK and D-Bus services.

#[cfg(test)]
mod bus;
mod notice;
mod page;
mod pages;
mod seat;
mod splash;
mod tray;

pub use page::lock_down_webview;
pub use pages::kill_web_processes;
pub use seat::watch_seat;
pub use splash::{redraw, splash};
pub use tray::has_tray;

use crate::Notice;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use zbus::blocking::Connection;

/// Shows the requested notifications until the sender is dropped.
pub(crate) fn notices(wants: &Receiver<Option<Notice>>, opened: Arc<dyn Fn() + Send + Sync>) {
    notice::notices(Connection::session, wants, opened);
}

/// Returns whether a display is available. The toolkit panics when a window is opened without one.
#[must_use]
pub fn has_screen() -> bool {
    gtk::init().is_ok()
}

/// Rings the bell of the desktop, where it has one.
pub fn bell() {
    if let Some(display) = gtk::gdk::Display::default() {
        display.beep();
    }
}
