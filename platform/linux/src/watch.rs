//! Changes, as the system pushes them: one thread that sleeps in `poll` and wakes for nothing else.
//!
//! What nothing tells of is not here: a product that starts without systemd (call [`Watcher::refresh`] after a reading), and
//! the tables of legacy iptables.

mod bus;
mod files;
mod source;

use crate::Root;
use bus::Bus;
use files::Files;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::{ClockId, Timespec, clock_gettime};
use source::{Note, Source};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vitalsign_platform_api::Change;
use vitalsign_protocol::fact::Reason;

/// A burst of changes of one kind becomes one change, so long after its first.
const BURST: Duration = Duration::from_millis(200);
/// By how many milliseconds the machine's time in sleep has to grow to be a sleep: more than lies between reading two clocks.
const SLEPT: i64 = 1000;
const SYSTEM_BUS: &str = "system bus";
const BUS: &str = "/run/dbus/system_bus_socket";

/// Watches until it is dropped, or until the receiver of the changes is dropped.
pub struct Watcher {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
    blind: Vec<(&'static str, Reason)>,
}

struct Control {
    wake: OwnedFd,
    stop: AtomicBool,
}

/// Watches below a root; the live kernel only where the root is the machine itself. `edr` says which processes of
/// endpoint products run now.
///
/// # Errors
/// When there is no thread or file descriptor left. A source that cannot be opened is no error: see [`Watcher::blind`].
pub fn watch(
    root: &Root,
    edr: impl Fn() -> Vec<i32> + Send + 'static,
    changes: Sender<Change>,
) -> io::Result<Watcher> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = Arc::new(Control { wake, stop: AtomicBool::new(false) });
    let mut opened = vec![
        ("files", Files::watch(root).map(Source::Files)),
        (SYSTEM_BUS, Bus::connect(&root.path(BUS)).map(Source::Bus)),
    ];
    if root.is_live() {
        opened.extend(Source::live(root));
    }
    let (mut sources, mut blind) = (Vec::new(), Vec::new());
    for (name, source) in opened {
        match source {
            Ok(source) => sources.push(source),
            Err(error) => blind.push((name, error.into())),
        }
    }
    let watch = Watch {
        root: root.clone(),
        control: control.clone(),
        sources,
        edr,
        ended: Vec::new(),
        changes,
        due: Vec::new(),
        bus_due: None,
    };
    let thread = std::thread::Builder::new().name("watch".into()).spawn(move || watch.run())?;
    Ok(Watcher { control, thread: Some(thread), blind })
}

impl Watcher {
    /// The sources that could not be opened, and why: changes of theirs are seen at the next reading only.
    #[must_use]
    pub fn blind(&self) -> &[(&'static str, Reason)] {
        &self.blind
    }

    /// Returns whether the system bus was there at the start. When it goes, [`Change::Locked`] says so.
    #[must_use]
    pub fn sees_bus(&self) -> bool {
        self.blind.iter().all(|(source, _)| *source != SYSTEM_BUS)
    }

    /// Asks again which processes to watch.
    pub fn refresh(&self) {
        // It fails only when it has been called 2^64 times without the thread waking.
        let _ = rustix::io::write(&self.control.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Release);
        self.refresh();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watch<E> {
    root: Root,
    control: Arc<Control>,
    sources: Vec<Source>,
    edr: E,
    /// Processes that have exited but were not reaped yet.
    ended: Vec<i32>,
    changes: Sender<Change>,
    /// Changes to send, with their time.
    due: Vec<(Instant, Change)>,
    /// Time of the next attempt to connect to the bus.
    bus_due: Option<Instant>,
}

impl<E: Fn() -> Vec<i32>> Watch<E> {
    fn run(mut self) {
        self.watch_processes();
        let mut asleep = time_asleep();
        loop {
            let Ok((woken, ready)) = self.wait() else { return };
            if self.control.stop.load(Ordering::Acquire) {
                return;
            }
            let now_asleep = time_asleep();
            if now_asleep >= asleep + SLEPT {
                self.note(Note::Change(Change::Wake));
            }
            asleep = now_asleep;
            self.read(&ready);
            let Some(sent) = self.send() else { return };
            if self.bus_due.is_some_and(|due| due <= Instant::now()) {
                self.connect();
            }
            if woken || sent.contains(&Change::Edr) {
                self.watch_processes();
            }
        }
    }

    /// Waits for an event or a due time; returns whether the thread was woken and which sources are ready.
    fn wait(&self) -> io::Result<(bool, Vec<bool>)> {
        let due = self.due.iter().map(|(due, _)| *due).chain(self.bus_due).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = vec![PollFd::new(&self.control.wake, PollFlags::IN)];
        fds.extend(self.sources.iter().map(|source| PollFd::new(source, source.events())));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let woken = ready.next() == Some(true);
        if woken {
            // Empties it.
            let _ = rustix::io::read(&self.control.wake, &mut [0; 8]);
        }
        Ok((woken, ready.collect()))
    }

    fn read(&mut self, ready: &[bool]) {
        let mut notes = Vec::new();
        let mut ready = ready.iter();
        let mut bus_lost = false;
        self.sources.retain_mut(|source| {
            let open = ready.next() != Some(&true) || source.read(|note| notes.push(note)).is_ok();
            match source {
                Source::Bus(_) if !open => bus_lost = true,
                Source::Process(pid, _) if !open => self.ended.push(*pid),
                _ => {}
            }
            open
        });
        if bus_lost {
            notes.extend([Note::Bus, Note::Change(Change::Locked)]);
        }
        notes.into_iter().for_each(|note| self.note(note));
    }

    fn note(&mut self, note: Note) {
        let soon = Instant::now() + BURST;
        match note {
            Note::Bus => self.bus_due = self.bus_due.or(Some(soon)),
            // There may be no later; and what one person is asked is not for the next to see.
            Note::Change(change @ (Change::Sleep | Change::Seat | Change::Locked)) => {
                self.due.push((Instant::now(), change))
            }
            Note::Change(change) if self.due.iter().any(|(_, waiting)| *waiting == change) => {}
            Note::Change(change) => self.due.push((soon, change)),
        }
    }

    /// Sends and returns the due changes; `None` if the receiver was dropped.
    fn send(&mut self) -> Option<Vec<Change>> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|(due, _)| *due <= now);
        self.due = later;
        for (_, change) in &due {
            self.changes.send(*change).ok()?;
        }
        Some(due.into_iter().map(|(_, change)| change).collect())
    }

    /// Connects to a bus that has come, or come back. If that fails, the next sign of its socket is waited for.
    fn connect(&mut self) {
        self.bus_due = None;
        for source in &mut self.sources {
            if let Source::Files(files) = source {
                files.extend(&self.root);
            }
        }
        if !self.sources.iter().any(|source| matches!(source, Source::Bus(_))) {
            let bus = Bus::connect(&self.root.path(BUS)).ok().map(Source::Bus);
            if bus.is_some() {
                self.note(Note::Change(Change::Locked));
            }
            self.sources.extend(bus);
        }
    }

    fn watch_processes(&mut self) {
        let running = (self.edr)();
        self.ended.retain(|ended| running.contains(ended));
        self.sources.retain(|source| !matches!(source, Source::Process(..)));
        let running = running.into_iter().filter(|pid| !self.ended.contains(pid));
        self.sources.extend(running.filter_map(Source::process));
    }
}

/// Milliseconds that the machine has slept since it started: only one of the two clocks goes on.
fn time_asleep() -> i64 {
    let [with, without] = [ClockId::Boottime, ClockId::Monotonic].map(|clock| {
        let time = clock_gettime(clock);
        time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    });
    with - without
}
