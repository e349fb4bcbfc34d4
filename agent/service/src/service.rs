//! The service: events in, effects out. One thread decides, one carries out, one listens to the system; clients of the
//! socket have their own.

use crate::journal::Journal;
use crate::notify::Manager;
use crate::store::{Loaded, Store};
use crate::worker::{self, Worker};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vitalsign_agent::{Agent, Effect, Event, Saved, Standing, Status};

/// The longest that the service waits for anything: so that a clock it cannot see costs a minute at most.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The service, as the socket sees it.
#[derive(Clone)]
pub(crate) struct Handle {
    inbox: Sender<Event>,
    board: Arc<Mutex<Board>>,
}

struct Board {
    status: Status,
    listeners: Vec<Sender<Status>>,
}

impl Handle {
    /// Tells the service of an event. Whether it is still there.
    pub(crate) fn send(&self, event: Event) -> bool {
        self.inbox.send(event).is_ok()
    }

    /// How things stand.
    pub(crate) fn status(&self) -> Status {
        self.lock().status.clone()
    }

    /// How things stand, from now on: first as they are.
    pub(crate) fn subscribe(&self) -> Receiver<Status> {
        let (sender, receiver) = channel();
        let mut board = self.lock();
        let _ = sender.send(board.status.clone());
        board.listeners.push(sender);
        receiver
    }

    fn publish(&self, status: Status) {
        let mut board = self.lock();
        if board.status != status {
            board.listeners.retain(|listener| listener.send(status.clone()).is_ok());
            board.status = status;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An agent with its state file.
pub(crate) struct Desk {
    agent: Agent,
    store: Store,
    journal: Journal,
}

impl Desk {
    /// Reads the state; what cannot be read is set aside, and the device enrols again.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let store = Store::open(folder)?;
        let saved = match store.load::<Saved>()? {
            Loaded::Value(saved) => saved,
            Loaded::Nothing => Saved::default(),
            Loaded::SetAside { at, why } => {
                tracing::error!(at = %at.display(), why, "the saved state was not understood: it is set aside");
                Saved::default()
            }
        };
        Ok(Self { agent: Agent::new(saved), store, journal: Journal::open(folder) })
    }

    /// How things stand.
    pub(crate) fn status(&self) -> Status {
        self.agent.status(worker::now())
    }

    /// Decides what an event means: saves and notes it, and gives what is left to do, in order.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut left = Vec::new();
        for effect in self.agent.handle(event, worker::now()) {
            match effect {
                Effect::Save(saved) => {
                    if let Err(error) = self.store.save(&*saved) {
                        tracing::error!(%error, "the state was not saved: the one before is intact");
                    }
                }
                Effect::Note(transition) => self.journal.note(&transition),
                effect => left.push(effect),
            }
        }
        left
    }

    /// Goes on from an event until the agent waits for the next heartbeat, without a service.
    pub(crate) fn run_through(&mut self, event: Event, worker: &mut Worker) -> Status {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.handle(event) {
                events.extend(worker.perform(effect));
            }
        }
        self.status()
    }
}

/// A service that is set up and not yet running.
pub(crate) struct Service {
    desk: Desk,
    handle: Handle,
    inbox: Receiver<Event>,
    jobs: Sender<Effect>,
}

impl Service {
    /// Sets the service up: the worker waits for its first job.
    pub(crate) fn start(desk: Desk, mut worker: Worker) -> anyhow::Result<Self> {
        let (events, inbox) = channel();
        let (jobs, work) = channel();
        let board = Board { status: desk.status(), listeners: Vec::new() };
        let results = events.clone();
        let hands = move || {
            for effect in work {
                for event in worker.perform(effect) {
                    if results.send(event).is_err() {
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("worker".into()).spawn(hands)?;
        Ok(Self { desk, handle: Handle { inbox: events, board: Arc::new(Mutex::new(board)) }, inbox, jobs })
    }

    /// What the socket needs.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until the worker is gone, which only a defect can bring about.
    pub(crate) fn run(mut self, manager: &Manager) -> anyhow::Result<()> {
        let mut due = Duration::ZERO;
        let mut event = Event::Started;
        loop {
            let started = matches!(event, Event::Started);
            for effect in self.desk.handle(event) {
                match effect {
                    Effect::WakeAt(at) => due = at,
                    Effect::Publish(status) => {
                        manager.status(&line(&status));
                        self.handle.publish(*status);
                    }
                    effect => {
                        // Its answer brings the next time to wake.
                        due = Duration::MAX;
                        self.jobs.send(effect).map_err(|_| anyhow::anyhow!("the worker has ended"))?;
                    }
                }
            }
            if started {
                manager.ready();
            }
            event = self.next(due, manager)?;
        }
    }

    /// The next event, or `Due` when its time has come.
    fn next(&self, due: Duration, manager: &Manager) -> anyhow::Result<Event> {
        loop {
            let left = due.saturating_sub(vitalsign_host::elapsed());
            if left.is_zero() {
                return Ok(Event::Due);
            }
            let wait = left.min(manager.watchdog().unwrap_or(LONGEST_WAIT)).min(LONGEST_WAIT);
            match self.inbox.recv_timeout(wait) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) => manager.alive(),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("nobody is left to bring events"),
            }
        }
    }
}

/// One line for the service manager.
fn line(status: &Status) -> String {
    let verdict = status.ear.as_ref().and_then(|ear| ear.ear_status);
    match (&status.standing, verdict) {
        (Standing::Reporting, Some(verdict)) => format!("Reporting; this device is judged {verdict}"),
        (Standing::Reporting | Standing::Starting, _) => "Starting".to_owned(),
        (Standing::NotEnrolled, _) => "Not enrolled: there is no enrolment token".to_owned(),
        (Standing::Enrolling, _) => "Enrolling".to_owned(),
        (Standing::Offline { detail, .. }, _) => format!("The verifier is not reached: {detail}"),
        (Standing::Revoked, _) => "This device was revoked".to_owned(),
        (Standing::Refused { detail, .. }, _) => format!("The verifier refuses: {detail}"),
        (Standing::KeyTrouble { detail }, _) => format!("The report key cannot be used: {detail}"),
    }
}
