//! Runs one ceremony among all connected keys, and those that are connected while it runs.
//!
//! A single key is used at once. Of several keys, the first one touched is used, and the others are
//! cancelled. A key that is removed leaves the ceremony; a key without a matching credential leaves it to the
//! others.

use super::finder::{AttachPoint, Finder, FoundKey, SearchScope};
use super::worker::{
    ActiveKeys, CandidateResult, CeremonyRequest, Command, Worker, WorkerEvent, WorkerState,
};
use crate::cancel::Cancel;
use crate::ceremony::Failure;
use crate::prompt::{Pin, PinReason, PinReply, PinRequest, Prompt};
use libwebauthn::UvUpdate;
use libwebauthn::pin::PinNotSetReason;
use libwebauthn::transport::hid::channel::HidChannelHandle;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

/// Interval between two scans for keys.
const SCAN_INTERVAL: Duration = Duration::from_millis(250);
/// A key that does not answer for so long is not waited for.
const OPEN_TIMEOUT: Duration = Duration::from_millis(1500);
/// Number of link failures after which a key must be reconnected.
const MAX_LINK_FAILURES: u32 = 3;
/// Time limit for cancelling a key.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Both ends of a channel.
type Ends<T> = (UnboundedSender<T>, UnboundedReceiver<T>);

/// A ceremony that is under way.
pub(super) struct KeySelection<'a, P> {
    request: Arc<CeremonyRequest>,
    until: Instant,
    prompts: P,
    busy: &'a Arc<ActiveKeys>,
    scope: &'a SearchScope,
    found: Vec<FoundKey>,
    candidates: BTreeMap<u64, Candidate>,
    /// Reasons why connected keys are excluded; removed when the key is disconnected.
    excluded: HashMap<AttachPoint, Failure>,
    /// Number of link failures of a key, and the time of its next attempt.
    link_failures: HashMap<AttachPoint, (u32, Instant)>,
    /// Last error of opening a key.
    closed: Option<String>,
    shown: Option<ShownPrompt>,
    next: u64,
    events: Ends<(u64, WorkerEvent)>,
    /// PINs that were entered: by whom they were asked for.
    entered: Ends<EnteredPin>,
}

struct EnteredPin {
    id: u64,
    /// The PIN that was chosen for a key that had none.
    chosen: Option<Pin>,
}

/// A key that is spoken to.
struct Candidate {
    place: AttachPoint,
    phase: Phase,
    since: Instant,
    shared: Arc<WorkerState>,
    commands: UnboundedSender<Command>,
    handle: Option<HidChannelHandle>,
    least_pin: u32,
    /// A PIN that was just chosen; the key asks for it once more.
    chosen: Option<Pin>,
    change: PinChange,
}

/// Progress of a change of the PIN that the key requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PinChange {
    NotRequired,
    /// The new PIN was asked for: the key asks for the former one next.
    FormerNext,
    /// The former PIN was asked for: the key asks for the new one next, unless it rejects either.
    FormerAsked,
}

impl Candidate {
    /// Returns whether the next PIN that the key asks for is the one that it replaces.
    fn asks_for_former(&self) -> bool {
        match self.change {
            PinChange::NotRequired => false,
            PinChange::FormerNext => true,
            PinChange::FormerAsked => self.shared.pin_was_wrong.load(Ordering::SeqCst),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    /// It waits for an command.
    Ready,
    /// Waits for a touch that selects it.
    Selecting,
    /// Performs the operation as the only key. Another key may still be connected.
    Asked,
    /// A person has touched it, or entered its PIN: it is the one.
    Chosen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShownPrompt {
    Insert,
    Touch(usize),
    Working,
    Pin,
}

impl<'a, P: FnMut(Prompt) + Send> KeySelection<'a, P> {
    /// A ceremony that is over at `until`.
    pub(super) fn new(
        request: CeremonyRequest,
        until: Instant,
        prompts: P,
        busy: &'a Arc<ActiveKeys>,
        scope: &'a SearchScope,
    ) -> Self {
        Self {
            request: Arc::new(request),
            until,
            prompts,
            busy,
            scope,
            found: Vec::new(),
            candidates: BTreeMap::new(),
            excluded: HashMap::new(),
            link_failures: HashMap::new(),
            closed: None,
            shown: None,
            next: 0,
            events: mpsc::unbounded_channel(),
            entered: mpsc::unbounded_channel(),
        }
    }

    /// Runs it to its end; whatever that is, every key is told.
    pub(super) async fn run(mut self, cancel: &Cancel) -> Result<Value, Failure> {
        let end = self.until_ended(cancel).await;
        let all: Vec<u64> = self.candidates.keys().copied().collect();
        for id in all {
            self.stop(id).await;
        }
        end
    }

    async fn until_ended(&mut self, cancel: &Cancel) -> Result<Value, Failure> {
        let mut sightings = rescan(self.scope)?;
        // What a key needs time for is looked at now and then.
        let mut tick = tokio::time::interval(SCAN_INTERVAL);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Failure::Cancelled),
                () = tokio::time::sleep_until(self.until.into()) => return Err(self.out_of_time()),
                Some((id, events)) = self.events.1.recv() => {
                    if let Some(end) = self.on_event(id, events).await {
                        return end;
                    }
                }
                Some(entered) = self.entered.1.recv() => self.was_entered(entered),
                Some(found) = sightings.recv() => self.saw(found).await,
                _ = tick.tick() => {}
            }
            self.settle().await;
        }
    }

    /// Keys that went give up their place.
    async fn saw(&mut self, found: Vec<FoundKey>) {
        let is_there = |place: &AttachPoint| found.iter().any(|found| found.place == *place);
        self.excluded.retain(|place, _| is_there(place));
        self.link_failures.retain(|place, _| is_there(place));
        let gone =
            self.candidates.iter().filter(|(_, candidate)| !is_there(&candidate.place)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<_>>() {
            self.stop(id).await;
        }
        self.found = found;
    }

    async fn on_event(&mut self, id: u64, events: WorkerEvent) -> Option<Result<Value, Failure>> {
        // Events of a cancelled key are ignored.
        let candidate = self.candidates.get_mut(&id)?;
        match events {
            WorkerEvent::LeastPin(least) => candidate.least_pin = least,
            WorkerEvent::Ready { mut updates, handle } => {
                (candidate.phase, candidate.handle) = (Phase::Ready, handle);
                let events = self.events.0.clone();
                tokio::spawn(async move {
                    while let Ok(update) = updates.recv().await {
                        if events.send((id, WorkerEvent::Update(update))).is_err() {
                            break;
                        }
                    }
                });
            }
            WorkerEvent::Selected => {
                candidate.phase = Phase::Chosen;
                let _ = candidate.commands.send(Command::Perform);
                self.show(ShownPrompt::Working, Prompt::Working);
                let others: Vec<u64> = self.candidates.keys().copied().filter(|other| *other != id).collect();
                for other in others {
                    self.stop(other).await;
                }
            }
            WorkerEvent::Update(update) => self.on_user_action(id, update),
            WorkerEvent::NewPin { rejected, reply } => self.on_new_pin(id, rejected, reply),
            WorkerEvent::Ended(outcome) => return self.ended(id, outcome),
        }
        None
    }

    /// A key wants something of the person.
    fn on_user_action(&mut self, id: u64, update: UvUpdate) {
        let Some(candidate) = self.candidates.get_mut(&id) else { return };
        let shared = Arc::clone(&candidate.shared);
        let (reason, attempts_left) = match &update {
            UvUpdate::PresenceRequired => return self.show(ShownPrompt::Touch(1), Prompt::Touch { keys: 1 }),
            UvUpdate::UvRetry { .. } => return,
            UvUpdate::PinRequired(asked) if candidate.asks_for_former() => {
                candidate.change = PinChange::FormerAsked;
                let wrong = shared.pin_was_wrong.swap(false, Ordering::SeqCst);
                (if wrong { PinReason::Wrong } else { PinReason::Former }, asked.attempts_left)
            }
            UvUpdate::PinRequired(asked) => {
                candidate.change = PinChange::NotRequired;
                let wrong = shared.pin_was_wrong.swap(false, Ordering::SeqCst);
                // It was chosen a moment ago, and by this person: entered again it would be the same.
                if let Some(pin) = candidate.chosen.take()
                    && !wrong
                {
                    answer(update, Some(&pin));
                    return;
                }
                (if wrong { PinReason::Wrong } else { PinReason::Needed }, asked.attempts_left)
            }
            UvUpdate::PinNotSet(asked) => match (asked.reason, &*self.request) {
                // A person who only meant to tap is not made to choose a PIN for a key.
                (PinNotSetReason::PinNotSet, CeremonyRequest::Get(_)) => return answer(update, None),
                (PinNotSetReason::PinNotSet, _) => (PinReason::New { least: candidate.least_pin }, None),
                // The worker has a key's PIN changed before it uses the key.
                (PinNotSetReason::PinChangeRequired, _) => return answer(update, None),
                _ => (PinReason::Unsuitable { least: candidate.least_pin }, None),
            },
        };
        let is_choice = matches!(&update, UvUpdate::PinNotSet(_));
        if candidate.change != PinChange::FormerAsked {
            candidate.chosen = None;
        }
        shared.keep_asked(update);
        let entered = self.entered.0.clone();
        let reply = PinReply::new(move |pin| {
            // The key was cancelled or removed meanwhile.
            let Some(update) = shared.take_asked() else { return };
            shared.refused.store(pin.is_none(), Ordering::SeqCst);
            answer(update, pin.as_ref());
            let _ = entered.send(EnteredPin { id, chosen: pin.filter(|_| is_choice) });
        });
        self.show(ShownPrompt::Pin, Prompt::Pin(PinRequest { reason, attempts_left, reply }));
    }

    /// A key requires another PIN than it has.
    fn on_new_pin(&mut self, id: u64, rejected: bool, key: oneshot::Sender<Pin>) {
        let Some(candidate) = self.candidates.get_mut(&id) else { return };
        (candidate.change, candidate.chosen) = (PinChange::FormerNext, None);
        let least = candidate.least_pin;
        let reason = if rejected { PinReason::Unsuitable { least } } else { PinReason::Change { least } };
        let entered = self.entered.0.clone();
        let reply = PinReply::new(move |pin| {
            let Some(pin) = pin else { return };
            let _ = entered.send(EnteredPin { id, chosen: Some(Pin::new(pin.expose().to_owned())) });
            // Fails if the key was cancelled or removed meanwhile.
            let _ = key.send(pin);
        });
        self.show(ShownPrompt::Pin, Prompt::Pin(PinRequest { reason, attempts_left: None, reply }));
    }

    fn was_entered(&mut self, EnteredPin { id, chosen }: EnteredPin) {
        let Some(candidate) = self.candidates.get_mut(&id) else { return };
        candidate.phase = Phase::Chosen;
        candidate.chosen = chosen.or(candidate.chosen.take());
        self.show(ShownPrompt::Working, Prompt::Working);
    }

    fn ended(&mut self, id: u64, outcome: CandidateResult) -> Option<Result<Value, Failure>> {
        let place = self.candidates.remove(&id)?.place;
        let failure = match outcome {
            CandidateResult::Done(answer) => return Some(Ok(answer)),
            CandidateResult::NoKey => Failure::Unfit("it is no security key".to_owned()),
            CandidateResult::Closed(why) => {
                tracing::warn!(%why, "a security key cannot be opened");
                self.closed = Some(why);
                // It may be that the system has not given it its owner yet.
                self.link_failures.insert(place, (0, Instant::now() + SCAN_INTERVAL));
                return None;
            }
            CandidateResult::Lost(why) => {
                tracing::info!(%why, "a security key is lost");
                let fault = self.link_failures.entry(place.clone()).or_insert((0, Instant::now()));
                *fault = (fault.0 + 1, Instant::now() + SCAN_INTERVAL);
                if fault.0 < MAX_LINK_FAILURES {
                    return None;
                }
                Failure::Unfit(why)
            }
            CandidateResult::Stopped => return None,
            CandidateResult::Failed(failure) => {
                self.excluded.insert(place, failure.clone());
                let goes_on =
                    matches!(failure, Failure::WrongKey | Failure::NoUserVerification | Failure::Unfit(_));
                let others = self.found.iter().any(|found| !self.excluded.contains_key(&found.place));
                return (!(goes_on && others)).then_some(Err(failure));
            }
        };
        self.excluded.insert(place, failure);
        None
    }

    /// Sends commands to the connected keys and prompts the person.
    async fn settle(&mut self) {
        if self.candidates.values().any(|candidate| candidate.phase == Phase::Chosen) {
            return;
        }
        self.open_new_keys();
        let now = Instant::now();
        let opening = |candidate: &&Candidate| {
            candidate.phase == Phase::Opening && now < candidate.since + OPEN_TIMEOUT
        };
        if self.candidates.values().any(|candidate| opening(&candidate)) {
            return;
        }
        let fit = |candidate: &&Candidate| candidate.phase != Phase::Opening;
        match self.candidates.values().filter(fit).count() {
            // A key that will be retried soon counts as connected.
            0 if self.found.iter().all(|found| self.excluded.contains_key(&found.place))
                || self.closed.is_some() =>
            {
                self.show(ShownPrompt::Insert, Prompt::Insert);
            }
            0 => {}
            1 => self.ask_only_key(),
            keys => self.ask_for_touch(keys).await,
        }
    }

    /// Opens connected keys that are not open yet.
    fn open_new_keys(&mut self) {
        let now = Instant::now();
        let new = self.found.iter().filter(|found| {
            !self.excluded.contains_key(&found.place)
                && !self.candidates.values().any(|candidate| candidate.place == found.place)
                && self.link_failures.get(&found.place).is_none_or(|(_, after)| now >= *after)
        });
        for found in new.cloned().collect::<Vec<_>>() {
            let (commands, taken) = mpsc::unbounded_channel();
            let (id, shared) = (self.next, Arc::new(WorkerState::default()));
            self.next += 1;
            let candidate = Candidate {
                place: found.place.clone(),
                phase: Phase::Opening,
                since: now,
                shared: Arc::clone(&shared),
                commands,
                handle: None,
                least_pin: 4,
                chosen: None,
                change: PinChange::NotRequired,
            };
            self.candidates.insert(id, candidate);
            let (request, events) = (Arc::clone(&self.request), self.events.0.clone());
            let worker = Worker { id, found, request, until: self.until, shared, commands: taken, events };
            worker.start(self.busy);
        }
    }

    fn ask_only_key(&mut self) {
        let ready = self.candidates.values_mut().find(|candidate| candidate.phase == Phase::Ready);
        if let Some(candidate) = ready {
            candidate.phase = Phase::Asked;
            let _ = candidate.commands.send(Command::Perform);
            self.show(ShownPrompt::Working, Prompt::Working);
        }
    }

    async fn ask_for_touch(&mut self, keys: usize) {
        // A key that was used as the only one restarts as one of several.
        let asked =
            self.candidates.iter().find(|(_, candidate)| candidate.phase == Phase::Asked).map(|(id, _)| *id);
        if let Some(place) =
            asked.and_then(|id| self.candidates.get(&id)).map(|candidate| candidate.place.clone())
        {
            let tries = self.link_failures.get(&place).map_or(0, |(tries, _)| *tries);
            self.link_failures.insert(place, (tries, Instant::now() + SCAN_INTERVAL));
            if let Some(id) = asked {
                self.stop(id).await;
            }
        }
        for candidate in self.candidates.values_mut().filter(|candidate| candidate.phase == Phase::Ready) {
            candidate.phase = Phase::Selecting;
            let _ = candidate.commands.send(Command::Select);
        }
        self.show(ShownPrompt::Touch(keys), Prompt::Touch { keys });
    }

    /// Tells a key to stop, and listens to it no more.
    async fn stop(&mut self, id: u64) {
        let Some(candidate) = self.candidates.remove(&id) else { return };
        candidate.shared.stop.store(true, Ordering::SeqCst);
        drop(candidate.shared.take_asked());
        if let Some(handle) = candidate.handle {
            // It takes one such word at a time.
            let _ = tokio::time::timeout(CANCEL_TIMEOUT, handle.cancel_ongoing_operation()).await;
        }
    }

    fn show(&mut self, shown: ShownPrompt, prompt: Prompt) {
        // A PIN is never asked for twice by one prompt; everything else needs saying once.
        if self.shown != Some(shown) || shown == ShownPrompt::Pin {
            self.shown = Some(shown);
            (self.prompts)(prompt);
        }
    }

    /// A key that cannot be opened is why, where no other one came.
    fn out_of_time(&mut self) -> Failure {
        match self.closed.take() {
            Some(why) if self.candidates.is_empty() => Failure::Unavailable(why),
            _ => Failure::TimedOut,
        }
    }
}

/// Gives a key its PIN, or none.
fn answer(update: UvUpdate, pin: Option<&Pin>) {
    let sent = match (update, pin) {
        (UvUpdate::PinRequired(asked), Some(pin)) => asked.send_pin(pin.expose()),
        (UvUpdate::PinNotSet(asked), Some(pin)) => asked.set_pin(pin.expose()),
        // Dropped, it is taken for a refusal.
        _ => Ok(()),
    };
    if let Err(error) = sent {
        tracing::info!(%error, "this PIN is no longer needed");
    }
}

/// Scans for keys in a separate thread until the receiver is dropped, because a reader may be slow.
fn rescan(scope: &SearchScope) -> Result<UnboundedReceiver<Vec<FoundKey>>, Failure> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unavailable = |error: std::io::Error| Failure::Unavailable(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unavailable)?;
    let mut finder = Finder::new(scope);
    let look = async move {
        let mut before: Option<Vec<AttachPoint>> = None;
        while !sender.is_closed() {
            let found = finder.look().await;
            let places: Vec<AttachPoint> = found.iter().map(|found| found.place.clone()).collect();
            if before.as_ref() != Some(&places) {
                before = Some(places);
                let _ = sender.send(found);
            }
            tokio::select! {
                () = tokio::time::sleep(SCAN_INTERVAL) => {}
                () = sender.closed() => {}
            }
        }
    };
    let thread = std::thread::Builder::new().name("security keys".to_owned());
    thread.spawn(move || runtime.block_on(look)).map_err(unavailable)?;
    Ok(receiver)
}
