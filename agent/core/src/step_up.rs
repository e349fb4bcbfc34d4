//! Step-ups on this device, from the verifier's request to the result.
//!
//! ```text
//! requested -> facts collected, signed, sent -> tap -> verified -> closed
//! ```
//!
//! Each closes with exactly one result, by its own expiry if nothing else closes it. Nothing is saved: after a restart
//! the verifier sends the request again. A result is shown for some seconds and then removed, with the person's name.
//!
//! At most [`MAX_LIVE`] are open. A further one stays at the verifier, which sends it again when there is room.

mod evidence;

use crate::event::{Effect, Now, RequestError, Transition};
use crate::{Agent, Step, channel, schedule};
use serde_json::Value;
use std::time::Duration;
use vitalsign_ipc::{Stage as Shown, StepUp, StepUpCeremony};
use vitalsign_protocol::id::{Digest, Nonce, StepUpId};
use vitalsign_protocol::problem::{Action, Problem, ProblemType};
use vitalsign_protocol::step_up::{
    StepUpClosed, StepUpOutcome, StepUpRequested, StepUpResult, Transaction, event, transaction_digest,
};

/// The most that are under way.
const MAX_LIVE: usize = 8;
/// Time for which the result of a step-up is shown.
const RESULT_DISPLAY_TIME: Duration = Duration::from_secs(5);
/// The most that have ended and are shown.
const MAX_SHOWN: usize = 4;
/// Maximum lifetime of a step-up, in seconds, whatever the verifier sends.
const LONGEST_LIFE: u64 = 3600;
/// A tap that was given in time may be answered so much later.
const EXPIRY_GRACE: Duration = Duration::from_secs(10);
/// Names that are remembered, so that none is begun twice.
const MAX_PAST: usize = 64;
/// The first wait after a failure; it doubles from there.
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait after a failure: a person is waiting.
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// The most reasons that are shown, and the most characters of one.
const MAX_REASONS: usize = 32;
const MAX_REASON: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct StepUps {
    all: Vec<StepUpRequest>,
    /// Ends that the verifier has not heard of yet.
    telling: Vec<DeliveryAttempt>,
    /// Those that ended and might still be asked again, until then.
    past: Vec<(StepUpId, Duration)>,
}

#[derive(Clone, Debug)]
struct StepUpRequest {
    transaction: Transaction,
    /// `T` of the binding, computed on this device.
    digest: Digest,
    /// `N` of the binding, from the verifier.
    nonce: Nonce,
    /// On the clock that counts sleep.
    until: Duration,
    /// Expiry on the wall clock, for display, in seconds since 1970.
    until_wall: u64,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Evidence is made and sent.
    Preparing(Attempt),
    /// The person is asked to tap.
    Tap {
        options: Value,
    },
    Checking {
        assertion: Value,
        attempt: Attempt,
    },
    Ended {
        end: StepUpResult,
        reasons: Vec<String>,
        vanishes: Duration,
    },
}

#[derive(Clone, Debug)]
struct DeliveryAttempt {
    step_up: StepUpId,
    end: StepUpResult,
    attempt: Attempt,
    until: Duration,
}

/// Something that is tried until it is answered.
#[derive(Clone, Debug)]
struct Attempt {
    /// Time of the next attempt; `None` while one is in progress.
    due: Option<Duration>,
    failures: u32,
}

impl Attempt {
    fn at_once(now: Now) -> Self {
        Self { due: Some(now.elapsed), failures: 0 }
    }

    fn is_due(&self, now: Now) -> bool {
        self.due.is_some_and(|due| due <= now.elapsed)
    }

    fn failed(&mut self, now: Now) {
        let doubled = MIN_BACKOFF.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now.elapsed + schedule::jitter(doubled.min(MAX_BACKOFF), now.random));
    }
}

impl StepUpRequest {
    fn read(data: &str, now: Now) -> Result<Self, String> {
        if data.len() > event::MAX_BYTES {
            return Err(format!("the event is longer than {} bytes", event::MAX_BYTES));
        }
        let asked: StepUpRequested = serde_json::from_str(data).map_err(not_understood("the event"))?;
        let transaction = Transaction::read(&asked.transaction).map_err(|error| error.to_string())?;
        let life = asked.expires_seconds.min(LONGEST_LIFE);
        Ok(Self {
            transaction,
            digest: transaction_digest(&asked.transaction),
            nonce: asked.nonce,
            until: now.elapsed + Duration::from_secs(life),
            until_wall: now.wall.saturating_add(life),
            stage: Stage::Preparing(Attempt::at_once(now)),
        })
    }

    fn id(&self) -> StepUpId {
        self.transaction.step_up
    }

    fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Ended { .. })
    }

    /// Returns the time at which the step-up expires or its result is removed.
    fn deadline(&self) -> Duration {
        match self.stage {
            Stage::Ended { vanishes, .. } => vanishes,
            Stage::Checking { .. } => self.until + EXPIRY_GRACE,
            Stage::Preparing(_) | Stage::Tap { .. } => self.until,
        }
    }

    /// Returns the delivery attempt in progress, if any.
    fn attempt(&self) -> Option<&Attempt> {
        match &self.stage {
            Stage::Preparing(attempt) | Stage::Checking { attempt, .. } => Some(attempt),
            Stage::Tap { .. } | Stage::Ended { .. } => None,
        }
    }

    fn shown(&self) -> StepUp {
        let Transaction { step_up, application, user, message, acr, authorization_details } =
            self.transaction.clone();
        let stage = match &self.stage {
            Stage::Preparing(_) => Shown::Preparing,
            Stage::Tap { .. } => Shown::Tap,
            Stage::Checking { .. } => Shown::Checking,
            Stage::Ended { end, reasons, .. } => Shown::Ended { end: *end, reasons: reasons.clone() },
        };
        let until = self.until_wall;
        StepUp { id: step_up, application, user, message, authorization_details, acr, until, stage }
    }
}

impl StepUps {
    /// As people are shown them.
    pub(crate) fn shown(&self) -> Vec<StepUp> {
        self.all.iter().map(StepUpRequest::shown).collect()
    }

    pub(crate) fn clock_jumped(&mut self, seconds: i64) {
        for asked in &mut self.all {
            asked.until_wall = asked.until_wall.saturating_add_signed(seconds);
        }
    }

    /// Returns the time of the next action; an action that is already due waits for an event instead.
    pub(crate) fn due(&self, now: Now) -> Option<Duration> {
        let attempts = (self.all.iter().filter_map(StepUpRequest::attempt))
            .chain(self.telling.iter().map(|telling| &telling.attempt))
            .filter_map(|attempt| attempt.due)
            .filter(|due| *due > now.elapsed);
        let ends =
            (self.all.iter().map(StepUpRequest::deadline)).chain(self.telling.iter().map(|it| it.until));
        attempts.chain(ends).min()
    }

    /// Returns the step-up that needs evidence next, if any.
    pub(crate) fn waiting(&self, now: Now) -> Option<StepUpId> {
        let due =
            |asked: &&StepUpRequest| matches!(&asked.stage, Stage::Preparing(attempt) if attempt.is_due(now));
        self.all.iter().find(due).map(StepUpRequest::id)
    }

    fn live(&mut self, step_up: StepUpId) -> Option<&mut StepUpRequest> {
        self.all.iter_mut().find(|asked| asked.id() == step_up && asked.is_live())
    }

    fn count_live(&self) -> usize {
        self.all.iter().filter(|asked| asked.is_live()).count()
    }

    fn is_known(&self, step_up: StepUpId) -> bool {
        self.all.iter().any(|asked| asked.id() == step_up) || self.past.iter().any(|(id, _)| *id == step_up)
    }

    fn end(
        &mut self,
        step_up: StepUpId,
        end: StepUpResult,
        reasons: Vec<String>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(asked) = self.live(step_up) else { return };
        let reasons: Vec<String> = reasons
            .into_iter()
            .take(MAX_REASONS)
            .map(|reason| reason.chars().take(MAX_REASON).collect())
            .collect();
        effects.push(Effect::LogTransition(Transition::StepUpClosed {
            step_up,
            end,
            reasons: reasons.clone(),
        }));
        asked.transaction.authorization_details = None;
        asked.stage = Stage::Ended { end, reasons, vanishes: now.elapsed + RESULT_DISPLAY_TIME };
        let until = asked.until;
        if self.past.len() >= MAX_PAST {
            self.past.remove(0);
        }
        self.past.push((step_up, until));
        let ended = self.all.iter().filter(|asked| !asked.is_live()).count();
        if ended > MAX_SHOWN
            && let Some(oldest) = self.all.iter().position(|asked| !asked.is_live())
        {
            self.all.remove(oldest);
        }
    }

    /// The verifier knows better how one ended that has ended here: it is shown so while it is shown.
    fn mend(&mut self, ended: &StepUpClosed, effects: &mut Vec<Effect>) {
        for asked in self.all.iter_mut().filter(|asked| asked.id() == ended.step_up) {
            if let Stage::Ended { end, reasons, .. } = &mut asked.stage
                && *end != ended.end
            {
                *end = ended.end;
                let (step_up, end, reasons) = (ended.step_up, ended.end, reasons.clone());
                effects.push(Effect::LogTransition(Transition::StepUpClosed { step_up, end, reasons }));
            }
        }
    }

    /// Ends it here, and tells the verifier.
    fn end_and_tell(
        &mut self,
        step_up: StepUpId,
        end: StepUpResult,
        reasons: Vec<String>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(until) = self.live(step_up).map(|asked| asked.until) else { return };
        self.end(step_up, end, reasons, now, effects);
        self.telling.push(DeliveryAttempt { step_up, end, attempt: Attempt::at_once(now), until });
    }
}

impl Agent {
    /// Returns the options for the security key, if this step-up waits for a tap.
    #[must_use]
    pub fn ceremony(&self, step_up: StepUpId) -> Option<StepUpCeremony> {
        let enrolled = self.saved.enrolled.as_ref()?;
        self.step_ups.all.iter().filter(|asked| asked.id() == step_up).find_map(|asked| match &asked.stage {
            Stage::Tap { options } => Some(StepUpCeremony {
                origin: enrolled.origin.clone(),
                rp_id: enrolled.rp_id.clone(),
                options: options.clone(),
            }),
            _ => None,
        })
    }

    /// Returns whether a step-up is still open.
    #[must_use]
    pub fn is_live(&self, step_up: StepUpId) -> bool {
        self.step_ups.all.iter().any(|asked| asked.id() == step_up && asked.is_live())
    }

    pub(crate) fn step_up_asked(&mut self, data: &str, now: Now, effects: &mut Vec<Effect>) {
        let asked = match StepUpRequest::read(data, now) {
            Ok(asked) => asked,
            Err(why) => return effects.push(Effect::LogTransition(Transition::StepUpRefused(why))),
        };
        if self.step_ups.is_known(asked.id()) {
            return;
        }
        if self.step_ups.count_live() >= MAX_LIVE {
            return self.channel.leave_one();
        }
        effects.push(Effect::LogTransition(Transition::StepUpRequested(asked.id())));
        self.step_ups.all.push(asked);
    }

    pub(crate) fn step_up_ended(&mut self, data: &str, now: Now, effects: &mut Vec<Effect>) {
        match serde_json::from_str::<StepUpClosed>(data) {
            Ok(ended) => {
                self.step_ups.end(ended.step_up, ended.end, Vec::new(), now, effects);
                self.step_ups.mend(&ended, effects);
            }
            Err(error) => {
                let why = not_understood("the end of a step-up")(error);
                effects.push(Effect::LogTransition(Transition::StepUpRefused(why)));
            }
        }
    }

    pub(crate) fn tapped(&mut self, step_up: StepUpId, assertion: Value, now: Now) {
        if let Some(asked) = self.step_ups.live(step_up)
            && matches!(asked.stage, Stage::Tap { .. })
        {
            asked.stage = Stage::Checking { assertion, attempt: Attempt::at_once(now) };
        }
    }

    pub(crate) fn given_up(
        &mut self,
        step_up: StepUpId,
        end: StepUpResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let waits = (self.step_ups.live(step_up))
            .is_some_and(|asked| matches!(asked.stage, Stage::Preparing(_) | Stage::Tap { .. }));
        // A tap that was given is the verifier's to judge.
        if waits && end.is_the_devices_to_say() {
            self.step_ups.end_and_tell(step_up, end, Vec::new(), now, effects);
        }
    }

    pub(crate) fn assertion_answered(
        &mut self,
        step_up: StepUpId,
        answer: Result<StepUpOutcome, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(asked) = self.step_ups.live(step_up) else { return };
        let Stage::Checking { attempt, .. } = &mut asked.stage else { return };
        let (end, reasons) = match answer {
            Ok(outcome) => (outcome.end, Vec::new()),
            Err(RequestError::Problem(problem)) => match self.tap_refused(step_up, &problem, now, effects) {
                Some(end) => (end, vec![problem_name(&problem)]),
                None => return,
            },
            // The verifier may have processed the request although its answer was lost; a repeated request
            // returns the result.
            Err(_) => return attempt.failed(now),
        };
        self.step_ups.end(step_up, end, reasons, now, effects);
    }

    /// Maps a refusal of an assertion to a result; `None` if the assertion should be sent again.
    fn tap_refused(
        &mut self,
        step_up: StepUpId,
        problem: &Problem,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Option<StepUpResult> {
        let kind = ProblemType::from_urn(&problem.problem_type);
        let over = matches!(kind, Some(ProblemType::StepUpOver | ProblemType::StepUpUnknown));
        let action = problem.action();
        if action == Action::Tell && !channel::is_revoked(problem) {
            return Some(if over { StepUpResult::Superseded } else { StepUpResult::WrongKey });
        }
        if let Some(StepUpRequest { stage: Stage::Checking { attempt, .. }, .. }) =
            self.step_ups.live(step_up)
        {
            attempt.failed(now);
        }
        match action {
            Action::Retry | Action::FreshNonce => {}
            Action::Report => self.session_refused(now, effects),
            Action::ReEnrol | Action::Tell => self.doubt_enrolment(problem, now, effects),
        }
        None
    }

    pub(crate) fn end_answered(
        &mut self,
        step_up: StepUpId,
        answer: &Result<StepUpOutcome, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(telling) = self.step_ups.telling.iter_mut().find(|it| it.step_up == step_up) else { return };
        let again = match answer {
            Ok(_) => false,
            Err(RequestError::Problem(problem)) => matches!(problem.action(), Action::Retry | Action::Report),
            Err(_) => true,
        };
        if again {
            telling.attempt.failed(now)
        } else {
            telling.until = now.elapsed
        }
        if let Err(RequestError::Problem(problem)) = answer
            && problem.action() == Action::Report
        {
            self.session_refused(now, effects);
        }
    }

    /// This device is another now, or none: what was asked of it has ended.
    pub(crate) fn end_step_ups(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.step_ups.telling.clear();
        let live: Vec<StepUpId> =
            self.step_ups.all.iter().filter(|it| it.is_live()).map(StepUpRequest::id).collect();
        for step_up in live {
            self.step_ups.end(step_up, StepUpResult::NoDevice, Vec::new(), now, effects);
        }
    }

    /// Expires old step-ups, removes shown results, and sends pending messages.
    pub(crate) fn tend_step_ups(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.may_listen() {
            self.end_step_ups(now, effects);
        }
        let late = |asked: &&StepUpRequest| asked.is_live() && asked.deadline() <= now.elapsed;
        let late: Vec<StepUpId> = self.step_ups.all.iter().filter(late).map(StepUpRequest::id).collect();
        for step_up in late {
            self.step_ups.end(step_up, StepUpResult::TimedOut, Vec::new(), now, effects);
        }
        self.step_ups.all.retain(|asked| asked.deadline() > now.elapsed);
        self.step_ups.telling.retain(|telling| telling.until > now.elapsed);
        self.step_ups.past.retain(|(_, until)| *until > now.elapsed);
        if self.step_ups.count_live() < MAX_LIVE {
            self.channel.fetch_what_was_left(now);
        }
        self.send_what_is_due(now, effects);
        if self.step == Step::Idle && !self.asleep {
            self.begin_step_up(now, effects);
        }
    }

    fn send_what_is_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        // Without one, the next report brings it.
        let Some(session) = self.channel.session(now).cloned() else { return };
        for asked in &mut self.step_ups.all {
            let step_up = asked.transaction.step_up;
            if let Stage::Checking { assertion, attempt } = &mut asked.stage
                && attempt.is_due(now)
            {
                attempt.due = None;
                effects.push(Effect::SendAssertion(step_up, assertion.clone(), session.clone()));
            }
        }
        for telling in &mut self.step_ups.telling {
            if telling.attempt.is_due(now) {
                telling.attempt.due = None;
                effects.push(Effect::SendEnd(telling.step_up, telling.end, session.clone()));
            }
        }
    }

    /// The verifier does not know this device, or has revoked it: what follows is the same as after a report.
    fn doubt_enrolment(&mut self, problem: &Problem, now: Now, effects: &mut Vec<Effect>) {
        if self.step == Step::Idle {
            self.schedule.begun(now);
            self.failed(RequestError::Problem(problem.clone()), now, effects);
        } else {
            self.schedule.now(now);
        }
    }
}

/// Extracts `step-up-over` from `urn:vitalsign:problem:step-up-over`.
fn problem_name(problem: &Problem) -> String {
    problem.problem_type.rsplit(':').next().unwrap_or_default().to_owned()
}

/// Describes malformed JSON without quoting it, so that no personal data reaches the log.
fn not_understood(what: &'static str) -> impl Fn(serde_json::Error) -> String {
    move |error| {
        let (line, column) = (error.line(), error.column());
        format!("{what} was not understood: {:?} error, line {line}, column {column}", error.classify())
    }
}
