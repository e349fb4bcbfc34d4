//! Raises a window without taking the keyboard from the window that the person types in.
//!
//! On X11 the window says that it takes no input (ICCCM section 4.1.7: no window manager gives it the focus then) and
//! that no action of the person opened it (`_NET_WM_USER_TIME` of 0, EWMH). It takes input again after a press in it,
//! and after [`SETTLE_TIME`] without a press, when it is an ordinary window that the person can switch to. On Wayland a
//! client cannot take the keyboard by itself, and the compositor decides.

use super::stall::{BEAT, LatePresses};
use crate::{KeyboardGuard, Raised};
use gtk::gdk::{EventType, prelude::*};
use gtk::glib;
use gtk::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tauri::WebviewWindow;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt, CreateWindowAux, EventMask, PropMode, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

/// Time after which the window manager may give a raised window the keyboard, because the person switches to it.
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// Delay of a timer from which the app was held up, rather than the clock being coarse.
const LATE: Duration = Duration::from_millis(100);

impl KeyboardGuard {
    /// Watches for the press that lets the window take the keyboard. Called once for each window.
    ///
    /// # Errors
    /// The window is closed.
    pub fn watch(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let guard = self.clone();
        window.with_webview(move |page| {
            let page = page.inner();
            let mapped = guard.clone();
            let presses = Rc::new(RefCell::new(LatePresses::default()));
            if let Some(window) = toplevel(&page) {
                let clock = presses.clone();
                // A busy machine may take its time from the request to the screen.
                window.connect_map_event(move |window, _| {
                    if let Some(time) = server_time(window) {
                        clock.borrow_mut().set_clock(Instant::now(), time);
                    }
                    if mapped.raised().is_some() {
                        mapped.begin(window);
                    }
                    glib::Propagation::Proceed
                });
            }
            if let Some(window) = toplevel(&page) {
                let (late, before) = (presses.clone(), Cell::new(None));
                window.connect_configure_event(move |window, event| {
                    let at = Some((WidgetExt::window(window).map(|it| it.root_origin()), event.size()));
                    if before.replace(at) != at {
                        late.borrow_mut().moved(Instant::now());
                    }
                    false
                });
            }
            let (beats, shown) = (presses.clone(), page.downgrade());
            glib::timeout_add_local(BEAT, move || {
                let Some(page) = shown.upgrade() else { return glib::ControlFlow::Break };
                beats.borrow_mut().beat(Instant::now(), page.is_mapped());
                glib::ControlFlow::Continue
            });
            page.connect_event(move |page, event| {
                let mut late = presses.borrow_mut();
                if let Some(moved) = guard.take_moved() {
                    late.moved(moved);
                }
                let dropped = match event.event_type() {
                    EventType::ButtonPress
                    | EventType::DoubleButtonPress
                    | EventType::TripleButtonPress
                    | EventType::TouchBegin => late.drops_press(Instant::now(), event.time()),
                    EventType::ButtonRelease
                    | EventType::TouchUpdate
                    | EventType::TouchEnd
                    | EventType::TouchCancel => late.drops_rest(),
                    _ => false,
                };
                let pressed = matches!(event.event_type(), EventType::ButtonPress | EventType::TouchBegin);
                if pressed && let Some(raised) = guard.raised() {
                    if dropped {
                        let time = raised.time.map(|_| event.time());
                        guard.set(Some(Raised { at: Instant::now(), time }));
                    } else {
                        guard.on_press(page, raised, event.time());
                    }
                }
                if dropped { glib::Propagation::Stop } else { glib::Propagation::Proceed }
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
        toplevel.set_accept_focus(false);
        toplevel.set_focus_on_map(false);
        toplevel.realize();
        if let Err(error) = above_full_screen(&toplevel) {
            tracing::debug!("the window may be below one in full screen: {error}");
        }
        self.set(Some(Raised { at: Instant::now(), time: server_time(&toplevel) }));
        if toplevel.is_mapped() {
            self.begin(&toplevel);
        }
        Ok(())
    }

    /// Begins the time in which the window leaves the keyboard alone.
    fn begin(&self, window: &(impl IsA<gtk::Window> + IsA<gtk::Widget>)) {
        self.set(Some(Raised { at: Instant::now(), time: server_time(window) }));
        self.settle(window.clone().upcast(), SETTLE_TIME);
    }

    /// Gives the window the keyboard, unless the person is still at something else. `time` is the time of the press at
    /// the display server: it may be handled much later.
    fn on_press(&self, page: &impl IsA<gtk::Widget>, raised: Raised, time: u32) {
        let after = match raised.time {
            Some(raised) => Duration::from_millis(time.wrapping_sub(raised).into()),
            None => raised.at.elapsed(),
        };
        // A difference of weeks is a press from before the window was raised.
        if after < crate::QUIET_TIME || after > Duration::from_secs(1 << 20) {
            return self.set(Some(Raised { at: Instant::now(), time: raised.time.map(|_| time) }));
        }
        self.set(None);
        if let Some(window) = toplevel(page) {
            accept(&window);
            window.present_with_time(time);
        }
    }

    /// Makes it a window that can be switched to, once there was no press for a while.
    fn settle(&self, window: gtk::Window, wait: Duration) {
        let (guard, due) = (self.clone(), Instant::now() + wait);
        glib::timeout_add_local_once(wait, move || {
            let Some(raised) = guard.raised() else { return };
            if due.elapsed() > LATE {
                // The app was held up: this timer may come before presses that are older. It counts as one of them.
                guard.set(Some(Raised { at: Instant::now(), ..raised }));
                return guard.settle(window, SETTLE_TIME);
            }
            // A round trip brings the latest presses here, and an idle source runs after them.
            server_time(&window);
            glib::idle_add_local_full(glib::Priority::DEFAULT_IDLE, move || {
                guard.settled(&window);
                glib::ControlFlow::Break
            });
        });
    }

    fn settled(&self, window: &gtk::Window) {
        let Some(raised) = self.raised() else { return };
        match SETTLE_TIME.checked_sub(raised.at.elapsed()).filter(|rest| !rest.is_zero()) {
            Some(rest) => self.settle(window.clone(), rest),
            None => {
                self.set(None);
                accept(window);
            }
        }
    }

    /// Makes it an ordinary window again, before the person opens it.
    ///
    /// # Errors
    /// The window is closed.
    pub fn accept_keyboard(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        self.set(None);
        accept(&toplevel);
        leave_parent(&toplevel);
        Ok(())
    }

    /// Makes it an ordinary window again, when nothing is asked any more. Presses may still be meant for another window:
    /// if the person has not pressed in this one yet, it leaves the keyboard alone for as long as a raised one.
    ///
    /// # Errors
    /// The window is closed.
    pub fn release(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        leave_parent(&toplevel);
        if self.raised().is_some() {
            self.begin(&toplevel);
        }
        Ok(())
    }
}

/// Removes the window that this one was stacked above.
fn leave_parent(window: &gtk::ApplicationWindow) {
    if let Some(id) = x11_id(window)
        && let Err(error) = set_parent(id, None)
    {
        tracing::debug!("the window keeps its place: {error}");
    }
}

fn toplevel(page: &impl IsA<gtk::Widget>) -> Option<gtk::Window> {
    page.toplevel()?.downcast().ok()
}

/// Time at the display server in milliseconds, which wraps; `None` on Wayland.
fn server_time(window: &impl IsA<gtk::Widget>) -> Option<u32> {
    x11_id(window)?;
    read_server_time().inspect_err(|error| tracing::debug!("no time of the display server: {error}")).ok()?
}

/// Reads the server's time by ICCCM section 2.1: a change of a property comes back with it.
fn read_server_time() -> Result<Option<u32>, X11Error> {
    let (connection, screen) = x11rb::connect(None)?;
    let Some(root) = connection.setup().roots.get(screen).map(|screen| screen.root) else { return Ok(None) };
    let window = connection.generate_id()?;
    let wanted = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
    let class = WindowClass::INPUT_ONLY;
    connection.create_window(0, window, root, 0, 0, 1, 1, 0, class, 0, &wanted)?;
    let (name, kind) = (AtomEnum::WM_NAME, AtomEnum::STRING);
    connection.change_property8(PropMode::APPEND, window, name, kind, &[])?.check()?;
    loop {
        if let Event::PropertyNotify(changed) = connection.wait_for_event()? {
            return Ok(Some(changed.time));
        }
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

pub(super) type X11Error = Box<dyn std::error::Error>;

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

pub(super) fn property(
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
pub(super) fn x11_id(window: &impl IsA<gtk::Widget>) -> Option<Window> {
    let window = WidgetExt::window(window)?.downcast::<gdkx11::X11Window>().ok()?;
    Window::try_from(window.xid()).ok()
}
