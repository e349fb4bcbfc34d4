//! The screen as a window manager leaves it: which window has the focus, which are above which.

use crate::LIMIT;
use anyhow::{Context, Result};
use vitalsign_e2e::wait_for;
use x11rb::connection::Connection;
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt, CreateWindowAux, EventMask,
    ImageFormat, InputFocus, MapState, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// Place and size on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

impl Rect {
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let along = |a: i32, b: i32, c: i32, d: i32| a < c + d && c < a + b;
        along(self.x, self.width, other.x, other.width) && along(self.y, self.height, other.y, other.height)
    }

    #[must_use]
    pub fn is_inside(self, other: Self) -> bool {
        let along = |a: i32, b: i32, c: i32, d: i32| a >= c && a + b <= c + d;
        along(self.x, self.width, other.x, other.width) && along(self.y, self.height, other.y, other.height)
    }
}

/// A connection to an X server.
#[derive(Debug)]
pub struct Screen {
    connection: RustConnection,
    root: Window,
}

impl Screen {
    /// Connects to the display.
    ///
    /// # Errors
    /// No server answers.
    pub fn open(display: &str) -> Result<Self> {
        let (connection, number) = x11rb::connect(Some(display))?;
        let root = connection.setup().roots.get(number).context("no screen")?.root;
        Ok(Self { connection, root })
    }

    /// Waits for the window manager.
    pub fn until_managed(&self) -> Result<()> {
        wait_for("the window manager", LIMIT, || {
            Ok(self.windows_of(self.root, "_NET_SUPPORTING_WM_CHECK")?.first().map(|_| ()))
        })
    }

    /// Covers the screen with a window that has the focus, as a program in full screen does.
    ///
    /// # Errors
    /// When the window manager does not make it so.
    pub fn cover(&self) -> Result<Window> {
        let window = self.connection.generate_id()?;
        let wanted = CreateWindowAux::new().background_pixel(0x0020_4060).event_mask(EventMask::EXPOSURE);
        self.connection.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            self.root,
            0,
            0,
            640,
            480,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &wanted,
        )?;
        let (state, full) = (self.atom("_NET_WM_STATE")?, self.atom("_NET_WM_STATE_FULLSCREEN")?);
        self.connection.change_property32(PropMode::REPLACE, window, state, AtomEnum::ATOM, &[full])?;
        let name = b"full screen";
        self.connection.change_property8(
            PropMode::REPLACE,
            window,
            AtomEnum::WM_NAME,
            AtomEnum::STRING,
            name,
        )?;
        self.connection.map_window(window)?;
        self.connection.flush()?;
        wait_for("the window in full screen to have the focus", LIMIT, || {
            let covers = self.connection.get_geometry(window)?.reply()?.width >= 1280;
            Ok((covers && self.active()? == Some(window)).then_some(()))
        })?;
        Ok(window)
    }

    /// The window that has the focus.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn active(&self) -> Result<Option<Window>> {
        let active = self.windows_of(self.root, "_NET_ACTIVE_WINDOW")?;
        Ok(active.first().copied().filter(|window| *window != 0))
    }

    /// All windows, the lowest first.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn stacked(&self) -> Result<Vec<Window>> {
        self.windows_of(self.root, "_NET_CLIENT_LIST_STACKING")
    }

    /// Returns whether there is a window manager.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn is_managed(&self) -> Result<bool> {
        Ok(!self.windows_of(self.root, "_NET_SUPPORTING_WM_CHECK")?.is_empty())
    }

    /// The window that the X server sends keys to, whatever the window manager says.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn keyboard_at(&self) -> Result<Window> {
        Ok(self.connection.get_input_focus()?.reply()?.focus)
    }

    /// Says which window is active, as a window manager does.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn say_active(&self, window: Window) -> Result<()> {
        let name = self.atom("_NET_ACTIVE_WINDOW")?;
        self.connection
            .change_property32(PropMode::REPLACE, self.root, name, AtomEnum::WINDOW, &[window])?
            .check()?;
        Ok(())
    }

    /// Returns the identifier of a window that has gone.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn gone_window(&self) -> Result<Window> {
        let window = self.part_of(self.root)?;
        self.connection.destroy_window(window)?.check()?;
        Ok(window)
    }

    /// Moves the keyboard to a small window inside a window, as some toolkits do.
    ///
    /// # Errors
    /// The window or the display is lost.
    pub fn focus_inside(&self, window: Window) -> Result<()> {
        let part = self.part_of(window)?;
        self.connection.set_input_focus(InputFocus::PARENT, part, x11rb::CURRENT_TIME)?.check()?;
        Ok(())
    }

    fn part_of(&self, window: Window) -> Result<Window> {
        let part = self.connection.generate_id()?;
        let (depth, class) = (x11rb::COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        let wanted = CreateWindowAux::new();
        self.connection.create_window(depth, part, window, 0, 0, 1, 1, 0, class, 0, &wanted)?.check()?;
        self.connection.map_window(part)?.check()?;
        Ok(part)
    }

    /// Describes a window for an error message: its title and those of the windows that it is in, whether its program is
    /// that of `other`, and what the window manager says is active.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn describe(&self, window: Window, other: Window) -> Result<String> {
        let mut path = Vec::new();
        let mut next = window;
        // Above the root there is no window; a focus of 0 or 1 means none or the root under the pointer.
        while next > 1 {
            path.push(format!("{next:#x} {:?}", self.name(next).unwrap_or_default()));
            next = self.connection.query_tree(next)?.reply().map_or(0, |tree| tree.parent);
        }
        // The server gives each connection a base, and the client the rest (X11 protocol, connection setup).
        let mask = self.connection.setup().resource_id_mask;
        let same = if window & !mask == other & !mask { "the same" } else { "another" };
        let path = path.join(" in ");
        Ok(format!("{path}, of {same} program as {other:#x}; active: {:#x?}", self.active()?))
    }

    /// The app's window, if it is on the screen: mapped, whatever the window manager lists.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn app_window(&self) -> Result<Option<Window>> {
        let mut windows = vec![self.root];
        while let Some(window) = windows.pop() {
            // It may have gone meanwhile.
            let Ok(tree) = self.connection.query_tree(window)?.reply() else { continue };
            windows.extend(tree.children);
            let Ok(attributes) = self.connection.get_window_attributes(window)?.reply() else { continue };
            if attributes.map_state == MapState::VIEWABLE
                && self.name(window).is_ok_and(|it| it.contains("Vitalsign"))
            {
                return Ok(Some(window));
            }
        }
        Ok(None)
    }

    /// Returns where a window is, with its frame.
    ///
    /// # Errors
    /// The window or the display is lost.
    pub fn place(&self, window: Window) -> Result<Rect> {
        let mut frame = window;
        loop {
            let parent = self.connection.query_tree(frame)?.reply()?.parent;
            if parent == self.root || parent == 0 {
                break;
            }
            frame = parent;
        }
        let it = self.connection.get_geometry(frame)?.reply()?;
        let border = 2 * i32::from(it.border_width);
        let (width, height) = (i32::from(it.width) + border, i32::from(it.height) + border);
        Ok(Rect { x: it.x.into(), y: it.y.into(), width, height })
    }

    /// Returns where the content of a window is.
    ///
    /// # Errors
    /// The window or the display is lost.
    pub fn content(&self, window: Window) -> Result<Rect> {
        let size = self.connection.get_geometry(window)?.reply()?;
        let at = self.connection.translate_coordinates(window, self.root, 0, 0)?.reply()?;
        let (width, height) = (size.width.into(), size.height.into());
        Ok(Rect { x: at.dst_x.into(), y: at.dst_y.into(), width, height })
    }

    /// Moves a window, as a pager or a keyboard shortcut of the window manager does.
    ///
    /// # Errors
    /// The display is lost.
    pub fn move_window(&self, window: Window, (x, y): (i32, i32)) -> Result<()> {
        self.connection.configure_window(window, &ConfigureWindowAux::new().x(x).y(y))?;
        Ok(self.connection.flush()?)
    }

    /// Gives the monitor that shows a part of this place the place, and a size in millimetres.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn set_monitor(&self, place: Rect, (width_mm, height_mm): (u32, u32)) -> Result<()> {
        let there = self.connection.randr_get_monitors(self.root, true)?.reply()?;
        let shows = |it: &MonitorInfo| {
            let [x, y] = [it.x, it.y].map(i32::from);
            let [width, height] = [it.width, it.height].map(i32::from);
            Rect { x, y, width, height }.overlaps(place)
        };
        let info = MonitorInfo {
            // Each name can be used once.
            name: self.atom(&format!("monitor-{}-{}", place.x, place.width))?,
            primary: place.x == 0,
            automatic: false,
            x: place.x.try_into()?,
            y: place.y.try_into()?,
            width: place.width.try_into()?,
            height: place.height.try_into()?,
            width_in_millimeters: width_mm,
            height_in_millimeters: height_mm,
            outputs: there.monitors.into_iter().filter(shows).flat_map(|it| it.outputs).collect(),
        };
        Ok(self.connection.randr_set_monitor(self.root, info)?.check()?)
    }

    /// Returns the brightness of a place on the screen, from 0 to 255: that of the brightest part of its colour.
    ///
    /// # Errors
    /// The place is not on the screen.
    pub fn brightness(&self, (x, y): (i32, i32)) -> Result<u8> {
        let (format, all) = (ImageFormat::Z_PIXMAP, u32::MAX);
        let (x, y) = (x.try_into()?, y.try_into()?);
        let image = self.connection.get_image(format, self.root, x, y, 1, 1, all)?.reply()?;
        image.data.iter().take(3).copied().max().context("no pixel")
    }

    /// Counts all windows of all programs, mapped or not.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn windows(&self) -> Result<usize> {
        let (mut windows, mut count) = (vec![self.root], 0);
        while let Some(window) = windows.pop() {
            // It may have gone meanwhile.
            let Ok(tree) = self.connection.query_tree(window)?.reply() else { continue };
            count += tree.children.len();
            windows.extend(tree.children);
        }
        Ok(count)
    }

    /// Waits until the app's window is on the screen.
    ///
    /// # Errors
    /// It does not appear.
    pub fn until_app_window(&self) -> Result<Window> {
        wait_for("the app's window", LIMIT, || self.app_window())
    }

    /// Waits until the app has no window on the screen.
    ///
    /// # Errors
    /// It remains.
    pub fn until_no_app_window(&self) -> Result<()> {
        wait_for("no window of the app", LIMIT, || Ok(self.app_window()?.is_none().then_some(())))
    }

    /// Returns a PNG of the topmost window.
    ///
    /// # Errors
    /// There is no window.
    pub fn picture(&self) -> Result<Vec<u8>> {
        let window = self.stacked()?.pop().context("no window")?;
        let size = self.connection.get_geometry(window)?.reply()?;
        let (format, all) = (ImageFormat::Z_PIXMAP, u32::MAX);
        let image = self.connection.get_image(format, window, 0, 0, size.width, size.height, all)?.reply()?;
        // Blue, green, red and an unused byte.
        let colours: Vec<u8> = image
            .data
            .chunks_exact(4)
            .flat_map(|pixel| pixel.iter().take(3).rev().copied().collect::<Vec<u8>>())
            .collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size.width.into(), size.height.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header()?.write_image_data(&colours)?;
        Ok(file)
    }

    /// Closes a window, as a click on its cross does.
    ///
    /// # Errors
    /// When the screen is lost.
    pub fn close(&self, window: Window) -> Result<()> {
        if !self.is_managed()? {
            // ICCCM section 4.2.8.1.
            let data = [self.atom("WM_DELETE_WINDOW")?, x11rb::CURRENT_TIME, 0, 0, 0];
            let event = ClientMessageEvent::new(32, window, self.atom("WM_PROTOCOLS")?, data);
            self.connection.send_event(false, window, EventMask::NO_EVENT, event)?;
            return Ok(self.connection.flush()?);
        }
        let event = ClientMessageEvent::new(32, window, self.atom("_NET_CLOSE_WINDOW")?, [0; 5]);
        let heard = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
        self.connection.send_event(false, self.root, heard, event)?;
        Ok(self.connection.flush()?)
    }

    /// Returns the title of a window.
    ///
    /// # Errors
    /// The display is lost.
    pub fn name(&self, window: Window) -> Result<String> {
        let name = self.atom("_NET_WM_NAME")?;
        let reply = self.connection.get_property(false, window, name, AtomEnum::ANY, 0, 256)?.reply()?;
        Ok(String::from_utf8_lossy(&reply.value).into_owned())
    }

    fn atom(&self, name: &str) -> Result<Atom> {
        Ok(self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
    }

    fn windows_of(&self, window: Window, property: &str) -> Result<Vec<u32>> {
        let property = self.atom(property)?;
        let reply = self.connection.get_property(false, window, property, AtomEnum::ANY, 0, 256)?.reply()?;
        Ok(reply.value32().into_iter().flatten().collect())
    }
}
