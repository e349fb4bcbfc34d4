//! Raises a window without taking the keyboard from the window that the person types in.
//!
//! On X11 the window says that it takes no input (ICCCM section 4.1.7: no window manager gives it the focus then) and
//! that no action of the person opened it (`_NET_WM_USER_TIME` of 0, EWMH). It takes input again after a press in it,
//! and after [`SETTLE_TIME`], when it is an ordinary window that the person can switch to. On Wayland a client cannot
//! take the keyboard by itself, and the compositor decides.

use crate::KeyboardGuard;
use gtk::gdk::{EventType, prelude::*};
use gtk::glib;
use gtk::prelude::*;
use std::time::{Duration, Instant};
use tauri::WebviewWindow;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt, PropMode, Window};
use x11rb::wrapper::ConnectionExt as _;

/// Time after which the window manager may give a raised window the keyboard, because the person switches to it.
const SETTLE_TIME: Duration = Duration::from_secs(2);

impl KeyboardGuard {
    /// Watches for the press that lets the window take the keyboard. Called once for each window.
    ///
    /// # Errors
    /// The window is closed.
    pub fn watch(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let guard = self.clone();
        window.with_webview(move |page| {
            page.inner().connect_event(move |page, event| {
                let pressed = matches!(event.event_type(), EventType::ButtonPress | EventType::TouchBegin);
                if pressed && let Some(raised) = guard.raised() {
                    guard.on_press(page, raised, event.time());
                }
                glib::Propagation::Proceed
            });
        })
    }

    /// Prepares a window that is about to be shown or raised: it does not take the keyboard. A window that has the
    /// keyboard keeps it.
    ///
    /// # Errors
    /// The window is closed.
    pub fn leave_keyboard(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        if toplevel.is_active() {
            return Ok(());
        }
        self.set(Some(Instant::now()));
        toplevel.set_accept_focus(false);
        toplevel.set_focus_on_map(false);
        toplevel.realize();
        if let Err(error) = above_full_screen(&toplevel) {
            tracing::debug!("the window may be below one in full screen: {error}");
        }
        self.settle(toplevel, SETTLE_TIME);
        Ok(())
    }

    /// Gives the window the keyboard, unless the person is still at something else.
    fn on_press(&self, page: &impl IsA<gtk::Widget>, raised: Instant, time: u32) {
        if raised.elapsed() < crate::QUIET_TIME {
            return self.set(Some(Instant::now()));
        }
        self.set(None);
        if let Some(window) = page.toplevel().and_then(|it| it.downcast::<gtk::Window>().ok()) {
            accept(&window);
            window.present_with_time(time);
        }
    }

    /// Makes it a window that can be switched to, once there was no press for a while.
    fn settle(&self, toplevel: gtk::ApplicationWindow, wait: Duration) {
        let guard = self.clone();
        glib::timeout_add_local_once(wait, move || {
            let Some(raised) = guard.raised() else { return };
            match SETTLE_TIME.checked_sub(raised.elapsed()).filter(|rest| !rest.is_zero()) {
                Some(rest) => guard.settle(toplevel, rest),
                None => {
                    guard.set(None);
                    accept(&toplevel);
                }
            }
        });
    }

    /// Makes it an ordinary window again, before the person opens it or when nothing is asked any more.
    ///
    /// # Errors
    /// The window is closed.
    pub fn accept_keyboard(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        self.set(None);
        accept(&toplevel);
        if let Some(id) = x11_id(&toplevel)
            && let Err(error) = set_parent(id, None)
        {
            tracing::debug!("the window keeps its place: {error}");
        }
        Ok(())
    }
}

fn accept(window: &impl IsA<gtk::Window>) {
    window.set_accept_focus(true);
    window.set_focus_on_map(true);
}

/// Stacks the window above the active one if that is in full screen: window managers put a focused window in full
/// screen above those that are always on top, but never above its own dialogs.
fn above_full_screen(window: &gtk::ApplicationWindow) -> Result<(), X11Error> {
    let Some(id) = x11_id(window) else { return Ok(()) };
    let (connection, screen) = x11rb::connect(None)?;
    let Some(root) = connection.setup().roots.get(screen).map(|screen| screen.root) else { return Ok(()) };
    let active = property(&connection, root, "_NET_ACTIVE_WINDOW", AtomEnum::WINDOW.into())?;
    let Some(active) = active.first().copied().filter(|active| *active != 0 && *active != id) else {
        return Ok(());
    };
    let full = connection.intern_atom(false, b"_NET_WM_STATE_FULLSCREEN")?.reply()?.atom;
    let state = property(&connection, active, "_NET_WM_STATE", AtomEnum::ATOM.into())?;
    set_parent(id, state.contains(&full).then_some(active))
}

type X11Error = Box<dyn std::error::Error>;

/// Sets or removes the window that this one is a dialog of (`WM_TRANSIENT_FOR`).
fn set_parent(window: Window, parent: Option<Window>) -> Result<(), X11Error> {
    let (connection, _) = x11rb::connect(None)?;
    let name = AtomEnum::WM_TRANSIENT_FOR;
    match parent {
        Some(parent) => {
            connection
                .change_property32(PropMode::REPLACE, window, name, AtomEnum::WINDOW, &[parent])?
                .check()?;
        }
        None => connection.delete_property(window, name.into())?.check()?,
    }
    Ok(())
}

fn property(
    connection: &impl Connection,
    window: Window,
    name: &str,
    kind: Atom,
) -> Result<Vec<u32>, X11Error> {
    let name = connection.intern_atom(false, name.as_bytes())?.reply()?.atom;
    let reply = connection.get_property(false, window, name, kind, 0, 64)?.reply()?;
    Ok(reply.value32().into_iter().flatten().collect())
}

/// Identifier of the window on X11; `None` on Wayland.
fn x11_id(window: &gtk::ApplicationWindow) -> Option<Window> {
    let window = window.window()?.downcast::<gdkx11::X11Window>().ok()?;
    Window::try_from(window.xid()).ok()
}
