//! The program that is the key, started, touched and pulled out.

use crate::KeyVendor;
use crate::pcscd::{Pcscd, wait_for_card};
use crate::process::{Child, program};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time limit for every wait.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By PC/SC, on the first slot of the virtual reader.
    Nfc,
    /// By PC/SC, on its second slot.
    SecondNfc,
    /// By USB/IP on a free port of loopback: [`SimulatedKey::usb_address`].
    Usb,
}

impl Transport {
    /// Returns the PC/SC name of its reader.
    #[must_use]
    pub fn reader(self) -> Option<&'static str> {
        match self {
            Self::Nfc => Some("Virtual PCD 00 00"),
            Self::SecondNfc => Some("Virtual PCD 00 01"),
            Self::Usb => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Every touch is given at once.
    Auto,
    /// The test touches the key, see [`SimulatedKey::tap`].
    ByHand,
}

/// Options of a simulated key.
#[derive(Clone, Debug)]
pub struct Options {
    pub transport: Transport,
    /// The PIN that it has at the start; none: it has none yet.
    pub pin: Option<String>,
    /// Remaining wrong PINs until it is blocked, 1 to 8; the others are used up.
    pub pin_attempts: u8,
    pub tap: Tap,
    /// Time for which it waits for a touch, in milliseconds.
    pub touch_timeout: Option<u32>,
    /// It reports the end of that time as `OPERATION_DENIED`.
    pub denies_late: bool,
    pub maker: KeyVendor,
    /// The file that it keeps its credentials in; none: it forgets them when it goes.
    pub state: Option<PathBuf>,
}

impl Options {
    /// A key with the PIN 123456, touched by the test.
    #[must_use]
    pub fn new(transport: Transport, maker: &KeyVendor) -> Self {
        let pin = Some("123456".to_owned());
        Self {
            transport,
            pin,
            pin_attempts: 8,
            tap: Tap::ByHand,
            touch_timeout: None,
            denies_late: false,
            maker: maker.clone(),
            state: None,
        }
    }
}

/// A running key. It is gone when this goes.
#[derive(Debug)]
pub struct SimulatedKey {
    // Before the process in this order: it then ends by itself, rather than in the midst of an answer.
    input: Option<ChildStdin>,
    process: Child,
    said: Arc<Said>,
    address: SocketAddr,
    transport: Transport,
}

/// Output of the program so far.
#[derive(Debug, Default)]
struct Said {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Address, while it is plugged in.
    ready: Option<String>,
    wants_tap: bool,
    taps_wanted: u32,
    taps_given: u32,
    ended: bool,
}

impl SimulatedKey {
    /// Starts the key and waits until it can be used.
    ///
    /// # Errors
    /// When the program is not built, or the key cannot be reached.
    pub fn start(options: Options) -> Result<Self> {
        let mut command = Command::new(program("vitalsign-simulated-key")?);
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (transport, address) = match options.transport {
            Transport::Nfc => ("--nfc", Pcscd::READER),
            Transport::SecondNfc => ("--nfc", Pcscd::SECOND_READER),
            Transport::Usb => ("--usb", any_port),
        };
        command.arg(transport).arg(address.to_string()).arg("--maker").arg(options.maker.folder());
        command.arg("--tap").arg(if options.tap == Tap::Auto { "auto" } else { "ask" });
        if let Some(pin) = &options.pin {
            command.args(["--pin", pin, "--pin-attempts", &options.pin_attempts.to_string()]);
        }
        if let Some(timeout) = options.touch_timeout {
            command.args(["--touch-timeout", &timeout.to_string()]);
        }
        if options.denies_late {
            command.arg("--denies-late");
        }
        if let Some(state) = &options.state {
            command.arg("--state").arg(state);
        }
        let (process, input, output) = Child::start_talking(&mut command)?;
        let said = Arc::new(Said::default());
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard.hear(&line);
            }
            heard.hear("ended");
        });
        let mut key = Self { input: Some(input), process, said, address, transport: options.transport };
        let ready = key.wait("to be ready", |state| state.ready.clone())?;
        key.address = ready.parse().with_context(|| format!("the key is at {ready}"))?;
        key.seen(true)?;
        Ok(key)
    }

    /// Returns its address for USB/IP clients; for a contactless key, the reader's address.
    #[must_use]
    pub fn usb_address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Touches the key, as soon as it waits for that.
    ///
    /// # Errors
    /// When it does not, in half a minute.
    pub fn tap(&mut self) -> Result<()> {
        let before = self.wait("to want a tap", |state| state.wants_tap.then_some(state.taps_given))?;
        self.say("tap")?;
        self.wait("to take the tap", |state| (state.taps_given > before).then_some(()))
    }

    /// Returns whether it waits for a touch.
    #[must_use]
    pub fn wants_tap(&self) -> bool {
        self.said.lock().wants_tap
    }

    /// Waits until the key wants to be touched, and does not.
    ///
    /// # Errors
    /// When it does not want it, in half a minute.
    pub fn until_tap_is_wanted(&self) -> Result<()> {
        self.wait("to want a tap", |state| state.wants_tap.then_some(()))
    }

    /// Waits until the key no longer wants to be touched, because it was told so or gave up.
    ///
    /// # Errors
    /// When it still does, after half a minute.
    pub fn until_no_tap_is_wanted(&self) -> Result<()> {
        self.wait("to want no tap", |state| (!state.wants_tap).then_some(()))
    }

    /// Returns how often it has waited for a touch.
    #[must_use]
    pub fn taps_wanted(&self) -> u32 {
        self.said.lock().taps_wanted
    }

    /// Pulls the key out: whatever it was doing, it is gone.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn unplug(&mut self) -> Result<()> {
        self.say("unplug")?;
        self.wait("to be unplugged", |state| state.ready.is_none().then_some(()))?;
        self.seen(false)
    }

    /// Plugs it in again, at the same address.
    ///
    /// # Errors
    /// When it cannot be reached again.
    pub fn plug_in(&mut self) -> Result<()> {
        let mut tries = 0..3;
        loop {
            self.say("plug in")?;
            self.wait("to be ready", |state| state.ready.is_some().then_some(()))?;
            match self.seen(true) {
                // The daemon of the reader forgets now and then to ask a card who it is, when another one went in the
                // midst of a command: do what a person would.
                Err(_) if tries.next().is_some() => self.unplug()?,
                seen => return seen,
            }
        }
    }

    /// The reader may take a moment to see it come or go.
    fn seen(&self, present: bool) -> Result<()> {
        self.transport.reader().map_or(Ok(()), |reader| wait_for_card(reader, present))
    }

    fn say(&mut self, command: &str) -> Result<()> {
        let input = self.input.as_mut().context("the key has ended")?;
        writeln!(input, "{command}").context("the key has ended")
    }

    fn wait<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> Result<T> {
        let end = Instant::now() + LIMIT;
        let mut state = self.said.lock();
        loop {
            if let Some(seen) = look(&state) {
                return Ok(seen);
            }
            if state.ended {
                bail!("the simulated key ended, process {}", self.process.id());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("waited {LIMIT:?} in vain for the simulated key {what}");
            }
            state = self.said.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for SimulatedKey {
    fn drop(&mut self) {
        // It ends with its input. Killed, it would leave PC/SC waiting for an answer.
        self.input = None;
        let end = Instant::now() + Duration::from_secs(5);
        let mut state = self.said.lock();
        while !state.ended && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            state = self.said.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parses a line of the program's output, see its `--help`.
    fn hear(&self, line: &str) {
        let mut state = self.lock();
        match line {
            "ended" => state.ended = true,
            "unplugged" => state.ready = None,
            "tap: given" => (state.wants_tap, state.taps_given) = (false, state.taps_given + 1),
            "tap: no longer wanted" => state.wants_tap = false,
            _ if line.starts_with("tap: ") => {
                (state.wants_tap, state.taps_wanted) = (true, state.taps_wanted + 1)
            }
            _ => {
                if let Some(address) =
                    line.strip_prefix("ready nfc ").or_else(|| line.strip_prefix("ready usb "))
                {
                    state.ready = Some(address.to_owned());
                }
            }
        }
        self.changed.notify_all();
    }
}
