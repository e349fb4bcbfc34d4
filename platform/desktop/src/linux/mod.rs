//! Linux: GTK, WebKitGTK, and what stands on D-Bus.

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

/// Shows what is wanted, for as long as anything can be.
pub(crate) fn notices(wants: &Receiver<Option<Notice>>, opened: Arc<dyn Fn() + Send + Sync>) {
    notice::notices(Connection::session, wants, opened);
}

/// Whether there is a display that a window can be shown on. The toolkit panics where one is opened without.
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
