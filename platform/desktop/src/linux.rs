//! Linux: GTK, WebKitGTK and D-Bus services.

#[cfg(test)]
mod bus;
mod geometry;
mod keyboard;
mod notice;
mod page;
mod pages;
mod placement;
mod seat;
mod settings;
mod splash;
mod stall;
mod theme;
mod tray;

pub use page::lock_down_webview;
pub use pages::kill_web_processes;
pub use seat::watch_seat;
pub use settings::{has_settings, open_settings};
pub use splash::{redraw, splash};
pub use theme::{is_dark, set_theme};
pub use tray::has_tray;

use crate::{Notice, Sound};
use gtk::glib::object::ObjectExt;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::ConnectionExt;
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

/// Rings the bell of the desktop, where it has one: once for a request, twice for a refusal. `volume` is in percent of
/// the desktop's own, and 0 is silent.
pub fn bell(sound: Sound, volume: u8) {
    if volume == 0 {
        return;
    }
    let ring = move || {
        if let Err(error) = ring(volume) {
            tracing::debug!("no bell: {error}");
        }
    };
    ring();
    if sound == Sound::Refusal {
        gtk::glib::timeout_add_local_once(RING_INTERVAL, ring);
    }
}

/// Rings once. On Wayland the desktop alone decides how loud.
fn ring(volume: u8) -> Result<(), Box<dyn std::error::Error>> {
    let Some(display) = gtk::gdk::Display::default() else { return Ok(()) };
    if !display.is::<gdkx11::X11Display>() {
        display.beep();
        return Ok(());
    }
    let (connection, _) = x11rb::connect(None)?;
    // A negative percentage is that part less than the base volume (X11 protocol, Bell).
    let percent = i8::try_from(volume.min(100))? - 100;
    connection.bell(percent)?;
    Ok(connection.flush()?)
}
