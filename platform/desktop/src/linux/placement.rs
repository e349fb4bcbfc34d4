//! Moves and sizes a window. On X11 a program can place its window; on Wayland only the person and the compositor can.

use super::geometry::{self, Monitor, Rect};
use super::keyboard::{X11Error, property, x11_id};
use crate::{KeyboardGuard, Placed, Placement, WindowMove};
use gtk::gdk::prelude::*;
use gtk::glib::object::ObjectExt;
use gtk::prelude::*;
use tauri::WebviewWindow;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt, Window};

/// Distance of one step by the keyboard.
const STEP: i32 = 64;
/// Distance from a requested place that a window manager keeps to by itself, with its frame.
const ADJUSTMENT: i32 = 64;

impl Placement {
    /// Sizes a window that is not shown yet for the monitor that the person works at, enlarges its page until targets are
    /// large enough, and keeps the window on the screen when monitors come and go.
    ///
    /// # Errors
    /// The window is closed.
    pub fn fit(&self, window: &WebviewWindow, keyboard: &KeyboardGuard) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        if let Some(screen) = GtkWindowExt::screen(&toplevel) {
            let (placement, keyboard, kept) = (self.clone(), keyboard.clone(), toplevel.downgrade());
            let on_change = move || {
                if let Some(window) = kept.upgrade() {
                    placement.keep_on_screen(&window, &keyboard);
                }
            };
            let also = on_change.clone();
            let handlers = [
                screen.connect_monitors_changed(move |_| on_change()),
                screen.connect_size_changed(move |_| also()),
            ];
            let handlers = std::cell::RefCell::new(handlers.map(Some));
            toplevel.connect_destroy(move |_| {
                for handler in handlers.borrow_mut().iter_mut().filter_map(Option::take) {
                    screen.disconnect(handler);
                }
            });
        }
        *self.lock() = Placed::default();
        // Its frame is known once it is on the screen, and some window managers place a new window by themselves.
        let (placement, guard) = (self.clone(), keyboard.clone());
        toplevel.connect_map_event(move |window, _| {
            placement.keep_on_screen(window, &guard);
            gtk::glib::Propagation::Proceed
        });
        let placement = self.clone();
        toplevel.connect_configure_event(move |window, _| {
            let Rect { x, y, .. } = frame(window);
            let mut placed = placement.lock();
            placed.arrived |= placed.requested.is_some_and(|wanted| is_near(wanted, (x, y)));
            false
        });
        let here = geometry::work(focused(&toplevel), pointer(&toplevel));
        self.resize_for(window, &toplevel, here).map(drop)
    }

    /// Places a window that is about to be raised where it does not cover what the person works in, or at `kept`, where
    /// the person moved it before. Returns whether it covers a part of it.
    ///
    /// # Errors
    /// The window is closed.
    pub fn dock(
        &self,
        window: &WebviewWindow,
        keyboard: &KeyboardGuard,
        kept: Option<(i32, i32)>,
    ) -> tauri::Result<bool> {
        let toplevel = window.gtk_window()?;
        if !is_x11(&toplevel) || toplevel.is_active() {
            return Ok(false);
        }
        toplevel.realize();
        let focused = focused(&toplevel);
        let (at, monitors) = (pointer(&toplevel), monitors(&toplevel));
        let size = self.resize_for(window, &toplevel, geometry::work(focused, at))?;
        let size = size.unwrap_or_else(|| toplevel.size());
        let place = geometry::dock(&monitors, size, focused, kept, at);
        Ok(place.is_some_and(|(place, covers)| {
            self.move_to(&toplevel, keyboard, place);
            covers
        }))
    }

    /// Moves a window back to a place that [`Self::place`] returned.
    ///
    /// # Errors
    /// The window is closed.
    pub fn put(
        &self,
        window: &WebviewWindow,
        keyboard: &KeyboardGuard,
        (x, y): (i32, i32),
    ) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        if !is_x11(&toplevel) {
            return Ok(());
        }
        if let Some(place) = geometry::on_screen(&monitors(&toplevel), Rect { x, y, ..frame(&toplevel) }) {
            self.fit_at(window, &toplevel, keyboard, place)?;
        }
        Ok(())
    }

    /// Returns the place of the window's frame on the screen, while it is shown.
    #[must_use]
    pub fn place(&self, window: &WebviewWindow) -> Option<(i32, i32)> {
        let toplevel = window.gtk_window().ok().filter(|it| is_x11(it) && it.is_mapped())?;
        let Rect { x, y, .. } = frame(&toplevel);
        Some((x, y))
    }

    /// Returns the place of a window that the person has moved by its frame since [`Self::dock`].
    #[must_use]
    pub fn moved_by_person(&self, window: &WebviewWindow) -> Option<(i32, i32)> {
        let place = self.place(window)?;
        let Placed { requested, arrived, .. } = *self.lock();
        (arrived && !is_near(requested?, place)).then_some(place)
    }

    /// Begins to move a window with the pointer that is pressed in it.
    ///
    /// # Errors
    /// The window is closed.
    pub fn grab(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        if !is_x11(&toplevel) {
            return window.start_dragging();
        }
        let Rect { x, y, .. } = frame(&toplevel);
        self.lock().grabbed = Some((x, y));
        Ok(())
    }

    /// Moves a grabbed window to this distance from the place where it was grabbed.
    ///
    /// # Errors
    /// The window is closed.
    pub fn drag(
        &self,
        window: &WebviewWindow,
        keyboard: &KeyboardGuard,
        (x, y): (i32, i32),
    ) -> tauri::Result<()> {
        let toplevel = window.gtk_window()?;
        let Some(from) = self.lock().grabbed else { return Ok(()) };
        let to = (from.0.saturating_add(x), from.1.saturating_add(y));
        self.move_to(&toplevel, keyboard, Rect { x: to.0, y: to.1, ..frame(&toplevel) });
        Ok(())
    }

    /// Moves a window by the keyboard, by a press of its handle, or ends a drag. Returns the new place, which is on the
    /// screen.
    ///
    /// # Errors
    /// The window is closed.
    pub fn step(
        &self,
        window: &WebviewWindow,
        keyboard: &KeyboardGuard,
        step: WindowMove,
    ) -> tauri::Result<Option<(i32, i32)>> {
        let toplevel = window.gtk_window()?;
        if !is_x11(&toplevel) {
            return Ok(None);
        }
        let monitors = monitors(&toplevel);
        let at = frame(&toplevel);
        let by = |x: i32, y: i32| geometry::on_screen(&monitors, Rect { x: at.x + x, y: at.y + y, ..at });
        let dropped = {
            let mut placed = self.lock();
            placed.grabbed.take().and(placed.requested)
        };
        let to = match step {
            WindowMove::Drop => {
                dropped.and_then(|(x, y)| geometry::on_screen(&monitors, Rect { x, y, ..at }))
            }
            WindowMove::OtherSide => geometry::other_side(&monitors, at),
            WindowMove::Left => by(-STEP, 0),
            WindowMove::Right => by(STEP, 0),
            WindowMove::Up => by(0, -STEP),
            WindowMove::Down => by(0, STEP),
        };
        to.map(|to| self.fit_at(window, &toplevel, keyboard, to)).transpose()
    }

    /// Moves a window to a place on the screen, sized for the monitor that it is then on. Returns the place.
    fn fit_at(
        &self,
        window: &WebviewWindow,
        toplevel: &gtk::ApplicationWindow,
        keyboard: &KeyboardGuard,
        to: Rect,
    ) -> tauri::Result<(i32, i32)> {
        let resized = self.resize_for(window, toplevel, to)?.map(|size| geometry::framed((to.x, to.y), size));
        let to = resized.and_then(|it| geometry::on_screen(&monitors(toplevel), it)).unwrap_or(to);
        self.move_to(toplevel, keyboard, to);
        Ok((to.x, to.y))
    }

    /// Sizes the window and its page for the monitor of a place, unless they are sized so. Returns a new size.
    fn resize_for(
        &self,
        window: &WebviewWindow,
        toplevel: &gtk::ApplicationWindow,
        place: Rect,
    ) -> tauri::Result<Option<(i32, i32)>> {
        let fit = geometry::monitor_of(&monitors(toplevel), place).map(geometry::fit);
        let Some(fit) = fit.filter(|fit| self.lock().fit.replace(*fit) != Some(*fit)) else {
            return Ok(None);
        };
        let hints = gtk::gdk::Geometry::new(
            fit.min_size.0,
            fit.min_size.1,
            0,
            0,
            0,
            0,
            0,
            0,
            0.0,
            0.0,
            gtk::gdk::Gravity::NorthWest,
        );
        toplevel.set_geometry_hints(None::<&gtk::Widget>, Some(&hints), gtk::gdk::WindowHints::MIN_SIZE);
        toplevel.resize(fit.size.0, fit.size.1);
        window.set_zoom(fit.zoom)?;
        Ok(Some(fit.size))
    }

    fn keep_on_screen(&self, window: &gtk::ApplicationWindow, keyboard: &KeyboardGuard) {
        if !is_x11(window) || !window.is_mapped() {
            return;
        }
        let at = frame(window);
        let Placed { requested, arrived, .. } = *self.lock();
        let (x, y) = requested.filter(|_| !arrived).unwrap_or((at.x, at.y));
        if let Some(to) = geometry::on_screen(&monitors(window), Rect { x, y, ..at }).filter(|to| *to != at) {
            self.move_to(window, keyboard, to);
        }
    }

    fn move_to(&self, window: &gtk::ApplicationWindow, keyboard: &KeyboardGuard, to: Rect) {
        {
            let mut placed = self.lock();
            (placed.requested, placed.arrived) = (Some((to.x, to.y)), false);
        }
        // The window is elsewhere before its program hears of it.
        keyboard.moved();
        window.move_(to.x, to.y);
    }
}

/// Returns whether a window manager, with its frame, may have made one place of the other.
fn is_near(one: (i32, i32), other: (i32, i32)) -> bool {
    (one.0 - other.0).abs() <= ADJUSTMENT && (one.1 - other.1).abs() <= ADJUSTMENT
}

fn is_x11(window: &gtk::ApplicationWindow) -> bool {
    WidgetExt::display(window).is::<gdkx11::X11Display>()
}

/// The window with its frame.
fn frame(window: &gtk::ApplicationWindow) -> Rect {
    let (x, y) = window.position();
    let (width, height) = window.size();
    let extents = WidgetExt::window(window).map(|it| it.frame_extents());
    extents.map_or(Rect { x, y, width, height }, |it| rect(&it))
}

fn rect(it: &gtk::gdk::Rectangle) -> Rect {
    Rect { x: it.x(), y: it.y(), width: it.width(), height: it.height() }
}

fn monitors(window: &gtk::ApplicationWindow) -> Vec<Monitor> {
    let display = WidgetExt::display(window);
    let monitors = (0..display.n_monitors()).filter_map(|number| display.monitor(number));
    monitors
        .map(|it| Monitor {
            whole: rect(&it.geometry()),
            area: rect(&it.workarea()),
            millimetres: (it.width_mm(), it.height_mm()),
        })
        .collect()
}

fn pointer(window: &gtk::ApplicationWindow) -> (i32, i32) {
    let pointer = WidgetExt::display(window).default_seat().and_then(|seat| seat.pointer());
    pointer.map(|it| it.position()).map_or((0, 0), |(_, x, y)| (x, y))
}

/// Returns the window of another program that has the focus, with its frame.
fn focused(window: &gtk::ApplicationWindow) -> Option<Rect> {
    read_focused(window).unwrap_or_else(|error| {
        tracing::debug!("no window has the focus: {error}");
        None
    })
}

fn read_focused(window: &gtk::ApplicationWindow) -> Result<Option<Rect>, X11Error> {
    if !is_x11(window) {
        return Ok(None);
    }
    let (connection, screen) = x11rb::connect(None)?;
    let Some(root) = connection.setup().roots.get(screen).map(|screen| screen.root) else { return Ok(None) };
    let own = x11_id(window);
    let scale = window.scale_factor().max(1);
    // The server knows where keys go now; the window manager says it later, and may name a window that has gone.
    let focus = connection.get_input_focus()?.reply()?.focus;
    let focus = client_of(&connection, root, focus).ok().flatten();
    let active = property(&connection, root, "_NET_ACTIVE_WINDOW", AtomEnum::WINDOW.into())?;
    let candidates = focus.into_iter().chain(active.first().copied());
    let mut others = candidates.filter(|it| *it > 1 && *it != root && Some(*it) != own);
    Ok(others.find_map(|it| framed(&connection, root, it, scale).ok()))
}

/// Returns the window of a program that this one is, or is in (`WM_STATE`, ICCCM section 4.1.3.1): the focus may be in a
/// small window inside. Without a window manager it is the outermost one.
fn client_of(connection: &impl Connection, root: Window, inner: Window) -> Result<Option<Window>, X11Error> {
    let mut at = inner;
    // There may be no focus, or it may be at the root itself (`PointerRoot`).
    while at > 1 && at != root {
        if !property(connection, at, "WM_STATE", AtomEnum::ANY.into())?.is_empty() {
            return Ok(Some(at));
        }
        let parent = connection.query_tree(at)?.reply()?.parent;
        if parent == root {
            return Ok(Some(at));
        }
        at = parent;
    }
    Ok(None)
}

/// Returns the place of a program's window with its frame.
fn framed(connection: &impl Connection, root: Window, window: Window, scale: i32) -> Result<Rect, X11Error> {
    let size = connection.get_geometry(window)?.reply()?;
    let at = connection.translate_coordinates(window, root, 0, 0)?.reply()?;
    let [left, right, top, bottom] = frame_of(connection, window)?;
    Ok(Rect {
        x: (i32::from(at.dst_x) - left) / scale,
        y: (i32::from(at.dst_y) - top) / scale,
        width: (i32::from(size.width) + left + right) / scale,
        height: (i32::from(size.height) + top + bottom) / scale,
    })
}

/// Returns the widths of a window's frame: left, right, top, bottom (`_NET_FRAME_EXTENTS`, EWMH).
fn frame_of(connection: &impl Connection, window: Window) -> Result<[i32; 4], X11Error> {
    let widths = property(connection, window, "_NET_FRAME_EXTENTS", AtomEnum::CARDINAL.into())?;
    // Untrusted: another program may say anything.
    let widths: Vec<i32> =
        widths.into_iter().map(|it| i32::try_from(it.min(200)).unwrap_or_default()).collect();
    Ok(widths.try_into().unwrap_or_default())
}
