//! Linux: GTK, WebKitGTK, and what stands on D-Bus.

mod notice;
mod page;
mod pages;
mod seat;
mod veil;

pub(crate) use notice::notices;
pub use page::steady_page;
pub use pages::end_pages;
pub use seat::watch_seat;
pub use veil::{redraw, veil};

/// Rings the bell of the desktop, where it has one.
pub fn bell() {
    if let Some(display) = gtk::gdk::Display::default() {
        display.beep();
    }
}
