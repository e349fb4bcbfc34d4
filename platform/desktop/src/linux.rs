//! Linux: GTK, WebKitGTK and D-Bus services.

#[cfg(test)]
mod bus;
mod keyboard;
mod notice;
mod page;
mod pages;
mod seat;
mod splash;
mod stall;
mod tray;

pub use page::lock_down_webview;
pub use pages::kill_web_processes;
pub use seat::watch_seat;
pub use splash::{redraw, splash};
pub use tray::has_tray;

use crate::{Notice, Sound};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
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

/// Time between the two rings of a refusal.
const RING_INTERVAL: Duration = Duration::from_millis(250);

/// Rings the bell of the desktop, where it has one: once for a request, twice for a refusal.
pub fn bell(sound: Sound) {
    let ring = || {
        if let Some(display) = gtk::gdk::Display::default() {
            display.beep();
        }
    };
    ring();
    if sound == Sound::Refusal {
        gtk::glib::timeout_add_local_once(RING_INTERVAL, ring);
    }
}
