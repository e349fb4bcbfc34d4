//! A person who types and clicks, through the X server's own input (XTEST), and the window that they type in.

use crate::{LIMIT, Rect, Screen};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vitalsign_e2e::wait_for;
use x11rb::connection::Connection;
use x11rb::properties::{WmSizeHints, WmSizeHintsSpecification};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, CreateWindowAux, EventMask, InputFocus,
    KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// Line that is typed over and over: words, numbers, Tab between fields, and Enter.
const LINE: &str = "dose\t10 mg at 0800\n";
/// Time between two keys of a fast typist.
const KEY_INTERVAL: Duration = Duration::from_millis(30);
/// Time between two clicks.
const CLICK_INTERVAL: Duration = Duration::from_millis(60);

/// Priority of a person's hand, and of the display server that they use.
pub(crate) const HUMAN_PRIORITY: i32 = -15;

/// Time without a key after which the display server is taken to be held by a program.
const HELD: Duration = Duration::from_millis(300);

/// A text window of another program, as large as the screen, which counts the keys it hears.
#[derive(Debug)]
pub struct TextWindow {
    pub window: Window,
    display: String,
    heard: Arc<Mutex<String>>,
}

impl TextWindow {
    /// Opens it and gives it the keyboard: by a click where there is a window manager.
    ///
    /// # Errors
    /// It does not get the keyboard.
    pub fn open(display: &str) -> Result<Self> {
        let (connection, number) = x11rb::connect(Some(display))?;
        let screen = connection.setup().roots.get(number).context("no screen")?;
        let (width, height) = (screen.width_in_pixels - 40, screen.height_in_pixels - 60);
        Self::open_at(display, Rect { x: 0, y: 0, width: width.into(), height: height.into() })
    }

    /// The same of this place and size, as far as the window manager agrees.
    ///
    /// # Errors
    /// It does not get the keyboard.
    pub fn open_at(display: &str, place: Rect) -> Result<Self> {
        let (connection, number) = x11rb::connect(Some(display))?;
        let screen = connection.setup().roots.get(number).context("no screen")?;
        let window = connection.generate_id()?;
        let wanted = CreateWindowAux::new()
            .background_pixel(screen.white_pixel)
            .event_mask(EventMask::KEY_PRESS | EventMask::STRUCTURE_NOTIFY);
        connection.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            screen.root,
            place.x.try_into()?,
            place.y.try_into()?,
            place.width.try_into()?,
            place.height.try_into()?,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &wanted,
        )?;
        // The user's own place (ICCCM section 4.1.2.3), which window managers keep to.
        let hints = WmSizeHints {
            position: Some((WmSizeHintsSpecification::UserSpecified, place.x, place.y)),
            ..WmSizeHints::new()
        };
        hints.set_normal_hints(&connection, window)?;
        connection.map_window(window)?;
        connection.flush()?;
        let keys = Keys::of(&connection)?;
        let heard = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&heard);
        let mapped = Arc::new(AtomicBool::new(false));
        let is_mapped = Arc::clone(&mapped);
        std::thread::spawn(move || {
            while let Ok(event) = connection.wait_for_event() {
                match event {
                    Event::MapNotify(_) => is_mapped.store(true, Ordering::Release),
                    Event::KeyPress(key) => {
                        let mut heard = hears.lock().unwrap_or_else(PoisonError::into_inner);
                        heard.push(keys.letter(key.detail).unwrap_or('?'));
                    }
                    _ => {}
                }
            }
        });
        wait_for("the text window", LIMIT, || Ok(mapped.load(Ordering::Acquire).then_some(())))?;
        let hand = Hand::open(display)?;
        let screen = Screen::open(display)?;
        wait_for("the text window to have the keyboard", LIMIT, || {
            if screen.keyboard_at()? != window {
                hand.give_keyboard(window, screen.is_managed()?, screen.content(window)?)?;
            }
            Ok((screen.keyboard_at()? == window).then_some(()))
        })?;
        Ok(Self { window, display: display.to_owned(), heard })
    }

    /// Closes it.
    ///
    /// # Errors
    /// It is not gone in time.
    pub fn close(self) -> Result<()> {
        let (connection, _) = x11rb::connect(Some(&self.display))?;
        connection.kill_client(self.window)?.check()?;
        wait_for("the text window to be gone", LIMIT, || {
            Ok(connection.get_window_attributes(self.window)?.reply().is_err().then_some(()))
        })?;
        // The next window has the same identifier: a window manager that is behind would take it for this one, and give it
        // this one's place.
        let screen = Screen::open(&self.display)?;
        wait_for("the window manager to forget the text window", LIMIT, || {
            Ok((!screen.stacked()?.contains(&self.window)).then_some(()))
        })
    }

    /// All that was typed into it.
    #[must_use]
    pub fn heard(&self) -> String {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Key codes of the letters in [`LINE`].
struct Keys(BTreeMap<char, u8>);

impl Keys {
    fn of(connection: &RustConnection) -> Result<Self> {
        let setup = connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let mapping = connection.get_keyboard_mapping(first, last - first + 1)?.reply()?;
        let per_code = usize::from(mapping.keysyms_per_keycode);
        let mut keys = BTreeMap::new();
        for (code, symbols) in (first..=last).zip(mapping.keysyms.chunks(per_code)) {
            // Unshifted; Latin-1 symbols are their own code points (X11 protocol, appendix A).
            let letter = match symbols.first() {
                Some(0xff0d) => Some('\n'),
                Some(0xff09) => Some('\t'),
                Some(symbol) => char::from_u32(*symbol).filter(char::is_ascii),
                None => None,
            };
            if let Some(letter) = letter {
                keys.entry(letter).or_insert(code);
            }
        }
        ensure!(LINE.chars().all(|letter| keys.contains_key(&letter)), "the keyboard lacks a key");
        Ok(Self(keys))
    }

    fn code(&self, letter: char) -> Result<u8> {
        self.0.get(&letter).copied().with_context(|| format!("no key for {letter:?}"))
    }

    fn letter(&self, code: u8) -> Option<char> {
        self.0.iter().find(|(_, it)| **it == code).map(|(letter, _)| *letter)
    }
}

/// The person's hand at keyboard and mouse.
pub struct Hand {
    connection: RustConnection,
    root: Window,
    keys: Keys,
}

impl Hand {
    /// # Errors
    /// The display cannot be reached or lacks XTEST.
    pub fn open(display: &str) -> Result<Self> {
        let (connection, number) = x11rb::connect(Some(display))?;
        let root = connection.setup().roots.get(number).context("no screen")?.root;
        let keys = Keys::of(&connection)?;
        connection.xtest_get_version(2, 2)?.reply()?;
        Ok(Self { connection, root, keys })
    }

    fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) -> Result<()> {
        self.connection.xtest_fake_input(kind, detail, 0, self.root, x, y, 0)?;
        // Answered when the server has done it.
        self.connection.get_input_focus()?.reply()?;
        Ok(())
    }

    /// Types one letter.
    ///
    /// # Errors
    /// The screen is lost.
    pub fn key(&self, letter: char) -> Result<()> {
        let code = self.keys.code(letter)?;
        self.fake(KEY_PRESS_EVENT, code, 0, 0)?;
        self.fake(KEY_RELEASE_EVENT, code, 0, 0)
    }

    /// Holds a key down, or lets it go. The display server repeats one that is held.
    ///
    /// # Errors
    /// The screen is lost.
    pub fn hold(&self, letter: char, down: bool) -> Result<()> {
        self.fake(if down { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT }, self.keys.code(letter)?, 0, 0)
    }

    /// Moves the pointer.
    ///
    /// # Errors
    /// The screen is lost.
    pub fn point(&self, (x, y): (i16, i16)) -> Result<()> {
        self.fake(MOTION_NOTIFY_EVENT, 0, x, y)
    }

    /// Presses or releases the left button where the pointer is.
    ///
    /// # Errors
    /// The screen is lost.
    pub fn press(&self, down: bool) -> Result<()> {
        self.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, 1, 0, 0)
    }

    /// Clicks at this place of the screen.
    ///
    /// # Errors
    /// The screen is lost.
    pub fn click(&self, (x, y): (i16, i16)) -> Result<()> {
        self.fake(MOTION_NOTIFY_EVENT, 0, x, y)?;
        self.fake(BUTTON_PRESS_EVENT, 1, x, y)?;
        self.fake(BUTTON_RELEASE_EVENT, 1, x, y)
    }

    fn give_keyboard(&self, window: Window, managed: bool, place: Rect) -> Result<()> {
        if managed {
            return self.click(((place.x + 60).try_into()?, (place.y + 200).try_into()?));
        }
        self.connection.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME)?.check()?;
        Ok(())
    }
}

/// A person who goes on typing, or clicking, until this is dropped.
pub struct Busy {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    /// The longest pause so far, in milliseconds.
    pause: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Busy {
    /// Types the line over and over.
    ///
    /// # Errors
    /// The display cannot be reached.
    pub fn typing(display: &str) -> Result<Self> {
        let hand = Hand::open(display)?;
        let mut letters = LINE.chars().cycle();
        Self::start(KEY_INTERVAL, move |_| letters.next().map_or(Ok(()), |letter| hand.key(letter)))
    }

    /// Clicks at these places in turn, some dozen times at each.
    ///
    /// # Errors
    /// The display cannot be reached.
    pub fn clicking(display: &str, places: Vec<(i16, i16)>) -> Result<Self> {
        let hand = Hand::open(display)?;
        Self::start(CLICK_INTERVAL, move |clicks| {
            places.get(clicks / 24 % places.len()).map_or(Ok(()), |place| hand.click(*place))
        })
    }

    fn start(interval: Duration, mut act: impl FnMut(usize) -> Result<()> + Send + 'static) -> Result<Self> {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let pause = Arc::new(AtomicUsize::new(0));
        let (stopped, doing, paused) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&pause));
        let thread = std::thread::spawn(move || {
            // A person is not slower on a busy machine. (For the kernel a thread has a priority, and only root raises it.)
            let _ = rustix::process::setpriority_process(None, HUMAN_PRIORITY);
            let mut last = Instant::now();
            while !stopped.load(Ordering::Acquire) {
                act(doing.load(Ordering::Acquire))?;
                let since = usize::try_from(last.elapsed().as_millis()).unwrap_or(usize::MAX);
                paused.fetch_max(since, Ordering::AcqRel);
                last = Instant::now();
                doing.fetch_add(1, Ordering::AcqRel);
                std::thread::sleep(interval);
            }
            Ok(())
        });
        Ok(Self { stop, done, pause, thread: Some(thread) })
    }

    /// Number of keys typed or clicks made.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Acquire)
    }

    /// The longest pause so far: a busy machine may hold up the person, too.
    #[must_use]
    pub fn longest_pause(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.pause.load(Ordering::Acquire)).unwrap_or(u64::MAX))
    }

    /// Waits until the person has done so much more.
    ///
    /// # Errors
    /// They have stopped.
    pub fn go_on(&self, more: usize) -> Result<()> {
        let end = self.done() + more;
        wait_for("the person to go on", LIMIT, || Ok((self.done() >= end).then_some(())))
    }

    /// The same, but gives up as soon as the display server takes no input: whether the person has done so much more.
    ///
    /// # Errors
    /// They have stopped.
    pub fn go_on_unless_held(&self, more: usize) -> Result<bool> {
        let (end, mut last) = (self.done() + more, (self.done(), Instant::now()));
        wait_for("the person to go on, or to be held", LIMIT, || {
            let done = self.done();
            if done != last.0 {
                last = (done, Instant::now());
            }
            Ok(if done >= end { Some(true) } else { (last.1.elapsed() > HELD).then_some(false) })
        })
    }

    /// Stops, and returns all that was typed.
    ///
    /// # Errors
    /// The input failed.
    pub fn stop(mut self) -> Result<String> {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow::anyhow!("the person's thread has panicked"))??;
        }
        Ok(LINE.chars().cycle().take(self.done()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
