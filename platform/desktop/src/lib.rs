//! Desktop functions beyond a window and a tray icon: whether the person is present, notifications, a bell, a
//! splash text before the page is ready, and the end of the page's processes.
//!
//! Invariants: every system has the same functions here. Nothing here stops the app: a missing function is
//! skipped, and logged once.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use system::{
    bell, has_screen, has_settings, has_tray, is_dark, kill_web_processes, lock_down_webview, open_settings,
    redraw, set_theme, splash, watch_seat,
};

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time after a window was raised in which a press in it counts as meant for the window that was there before.
pub const QUIET_TIME: Duration = Duration::from_millis(700);

/// Keeps a window that is raised by a program from taking the keyboard, until the person presses in it.
#[derive(Clone, Debug, Default)]
pub struct KeyboardGuard {
    raised: Arc<Mutex<Option<Raised>>>,
    /// Moment at which the program moved the window, until the next press.
    moved: Arc<Mutex<Option<Instant>>>,
}

/// Moment at which a window was raised, or last pressed in by a person who was still at something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raised {
    pub(crate) at: Instant,
    /// The same at the display server, in milliseconds, where it has a clock.
    pub(crate) time: Option<u32>,
}

impl KeyboardGuard {
    pub(crate) fn raised(&self) -> Option<Raised> {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, raised: Option<Raised>) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = raised;
    }

    /// Records that the window is moved: what was under a finger is elsewhere now.
    pub(crate) fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn take_moved(&self) -> Option<Instant> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Place and size of a window that is raised beside what the person works in. The person can move it.
#[derive(Clone, Debug, Default)]
pub struct Placement(Arc<Mutex<Placed>>);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Placed {
    /// Place that was requested last.
    pub(crate) requested: Option<(i32, i32)>,
    /// The window has been there.
    pub(crate) arrived: bool,
    /// Place of the window when the person began to move it.
    pub(crate) grabbed: Option<(i32, i32)>,
    /// Size that the window and its page were given last.
    pub(crate) fit: Option<Fit>,
}

/// Size of the window and of its content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) size: (i32, i32),
    pub(crate) min_size: (i32, i32),
    /// Factor by which the page is enlarged.
    pub(crate) zoom: f64,
}

impl Placement {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Placed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Move of a window by the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowMove {
    /// End of a drag.
    Drop,
    /// To the other side of the screen.
    OtherSide,
    Left,
    Right,
    Up,
    Down,
}

/// Page of the desktop's own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsPage {
    /// Program that installs updates.
    Updates,
    Firewall,
    ScreenLock,
}

/// A web view takes a few hundred milliseconds until it shows its page: until then the window says this by itself.
#[derive(Clone, Debug, Default)]
pub struct SplashOverlay(Arc<Mutex<Option<Words>>>);

/// Text of the splash. Plain text, never markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub title: String,
    /// Below it, each a paragraph.
    pub lines: Vec<String>,
    pub dark: bool,
}

impl SplashOverlay {
    /// Says this from the next drawing on; none when the page is there.
    pub fn put(&self, words: Option<Words>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    #[must_use]
    pub fn words(&self) -> Option<Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sound of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// The person is asked for something.
    Request,
    /// Something that the person waits for was refused.
    Refusal,
}

/// Notification. It appears on lock screens and in histories, so it contains no names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub program: String,
    pub title: String,
    pub body: String,
    /// The words on its button, which opens the window.
    pub open: String,
    pub sound: Sound,
    /// The notification makes no sound.
    pub silent: bool,
}

/// Shows notifications, one at a time.
#[derive(Clone, Debug)]
pub struct Notices(Sender<Option<Notice>>);

impl Notices {
    /// Starts a thread that shows notifications, because the server may be slow. Calls `opened` when the
    /// person opens one.
    #[must_use]
    pub fn new(opened: impl Fn() + Send + Sync + 'static) -> Self {
        let (wanted, wants) = channel();
        std::thread::spawn(move || system::notices(&wants, Arc::new(opened)));
        Self(wanted)
    }

    /// Shows this one in place of the last, or takes it back.
    pub fn show(&self, notice: Option<Notice>) {
        // Fails only if the thread could not be started.
        let _ = self.0.send(notice);
    }
}
