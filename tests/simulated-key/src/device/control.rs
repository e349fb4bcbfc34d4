//! The finger on the key and the hand that pulls it out, by lines on standard input or a file.

use super::INTERRUPT;
use std::convert::Infallible;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trussed::platform::UserInterface;
use trussed::types::ui::Status;
use trussed_core::types::consent::Level;
use trussed_core::types::reboot::To;

#[derive(Clone, Debug)]
pub(crate) enum Finger {
    /// It lies on the key.
    Auto,
    /// A line on standard input.
    Ask,
    File(PathBuf),
}

impl FromStr for Finger {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "ask" => Self::Ask,
            _ => Self::File(text.into()),
        })
    }
}

#[derive(Debug)]
pub(crate) struct Control {
    finger: Finger,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    plugged: bool,
    ended: bool,
    tap: bool,
}

impl Control {
    /// Reads commands from now on. The program ends with them.
    pub(crate) fn start(finger: Finger) -> Arc<Self> {
        let state = Mutex::new(State { plugged: true, ended: false, tap: false });
        let control = Arc::new(Self { finger, state, changed: Condvar::new() });
        let commanded = Arc::clone(&control);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                commanded.command(line.trim());
            }
            commanded.command("end");
        });
        control
    }

    fn command(&self, command: &str) {
        let mut state = self.lock();
        match command {
            "" | "tap" => state.tap = true,
            "unplug" => state.plugged = false,
            "plug in" => state.plugged = true,
            "end" => (state.plugged, state.ended) = (false, true),
            other => eprintln!("not a command: {other}"),
        }
        self.changed.notify_all();
    }

    /// Returns whether the key is plugged in.
    pub(crate) fn plugged(&self) -> bool {
        self.lock().plugged
    }

    /// Waits until it is plugged in again; false: it never will be.
    pub(crate) fn until_plugged_in(&self) -> bool {
        let mut state = self.lock();
        while !state.plugged && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.ended
    }

    /// Forgets taps that nothing had asked for.
    fn forget_taps(&self) {
        self.lock().tap = false;
    }

    /// Returns whether the key is being touched. Waits briefly, because the caller asks again at once.
    fn touched(&self) -> bool {
        const MOMENT: Duration = Duration::from_millis(5);
        match &self.finger {
            Finger::Auto => true,
            Finger::Ask => {
                let state = self.lock();
                let (mut state, _) = self
                    .changed
                    .wait_timeout_while(state, MOMENT, |state| !state.tap)
                    .unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut state.tap)
            }
            Finger::File(path) => {
                let touched = std::fs::remove_file(path).is_ok();
                if !touched {
                    std::thread::sleep(MOMENT);
                }
                touched
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints a line. The parent process may have ended.
pub(crate) fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Whether the authenticator waits for a touch; a USB key reports that to its host.
pub(crate) static WAITS_FOR_TAP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// The key's button and lamp.
pub(crate) struct Presence {
    control: Arc<Control>,
    since: Instant,
    waiting: bool,
}

impl Presence {
    /// A key that was plugged in just now.
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control, since: Instant::now(), waiting: false }
    }

    fn wait(&mut self, waiting: bool) {
        self.waiting = waiting;
        WAITS_FOR_TAP.store(waiting, std::sync::atomic::Ordering::Relaxed);
    }
}

impl UserInterface for Presence {
    fn check_user_presence(&mut self) -> Level {
        if !self.control.plugged() {
            // Without current it asks no longer.
            INTERRUPT.interrupt();
            return Level::None;
        }
        if !self.control.touched() {
            return Level::None;
        }
        say("tap: given");
        self.wait(false);
        Level::Normal
    }

    fn set_status(&mut self, status: Status) {
        if status == Status::WaitingForUserPresence {
            self.control.forget_taps();
            self.wait(true);
            say(if matches!(self.control.finger, Finger::Ask) { "tap: press Enter" } else { "tap: wanted" });
        } else if self.waiting {
            self.wait(false);
            say("tap: no longer wanted");
        }
    }

    fn uptime(&mut self) -> Duration {
        self.since.elapsed()
    }

    fn reboot(&mut self, _: To) -> ! {
        std::process::exit(0)
    }
}
