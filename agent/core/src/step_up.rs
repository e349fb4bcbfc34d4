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

use crate::backoff::{Backoff, Spread};
use crate::effect::{Effect, Transition, VerifierEffect};
use crate::event::{Now, RequestError};
use crate::{Agent, Step, channel};
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
/// A tap that was given in time may be answered so much later.
const EXPIRY_GRACE: Duration = Duration::from_secs(10);
/// Names that are remembered, so that none is begun twice.
const MAX_PAST: usize = 64;
/// Waits after a failure. They stay short: a person is waiting.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8), Spread::TENTH);
/// The most reasons that are shown, and the most characters of one.
const MAX_REASONS: usize = 32;
const MAX_REASON: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct StepUps {
    all: Vec<StepUpRequest>,
    /// Ends that the verifier has not heard of yet.
    deliveries: Vec<DeliveryAttempt>,
    /// Closed step-ups that the verifier might send again, and until when.
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
    /// The PIN period has ended since the facts for the evidence were read.
    pin_period_ended: bool,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Evidence is made and sent.
    Preparing(Attempt),
    /// The person is asked to tap.
    Tap {
        options: Value,
        /// Time of the PIN on which the tap may rest, in seconds since 1970.
        pin_entered: Option<u64>,
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
    backoff: Backoff,
}

impl Attempt {
    fn at_once(now: Now) -> Self {
        Self { due: Some(now.elapsed), backoff: BACKOFF }
    }

    fn is_due(&self, now: Now) -> bool {
        self.due.is_some_and(|due| due <= now.elapsed)
    }

    fn retry_later(&mut self, now: Now) {
        self.due = Some(now.elapsed + self.backoff.next(now.random));
    }
}

impl StepUpRequest {
    fn read(data: &str, now: Now) -> Result<Self, String> {
        if data.len() > event::MAX_BYTES {
            return Err(format!("the event is longer than {} bytes", event::MAX_BYTES));
        }
        let requested: StepUpRequested =
            serde_json::from_str(data).map_err(describe_json_error("the event"))?;
        let transaction = Transaction::read(&requested.transaction).map_err(|error| error.to_string())?;
        let life = requested.expires_seconds;
        Ok(Self {
            transaction,
            digest: transaction_digest(&requested.transaction),
            nonce: requested.nonce,
            until: now.elapsed + life.duration(),
            until_wall: now.wall.saturating_add(life.get()),
            pin_period_ended: false,
            stage: Stage::Preparing(Attempt::at_once(now)),
        })
    }

    fn id(&self) -> StepUpId {
        self.transaction.step_up
    }

    /// Sends new evidence after a short delay.
    fn prepare_again(&mut self, now: Now) {
        let mut attempt = Attempt::at_once(now);
        attempt.retry_later(now);
        self.stage = Stage::Preparing(attempt);
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
        let Transaction { step_up, application, user, message, acr, authorization_details, details_schemas } =
            self.transaction.clone();
        let stage = match &self.stage {
            Stage::Preparing(_) => Shown::Preparing,
            Stage::Tap { .. } => Shown::Tap,
            Stage::Checking { .. } => Shown::Checking,
            Stage::Ended { end, reasons, .. } => Shown::Ended { end: *end, reasons: reasons.clone() },
        };
        let until = self.until_wall;
        let pin_entered = match self.stage {
            Stage::Tap { pin_entered, .. } => pin_entered,
            _ => None,
        };
        StepUp {
            id: step_up,
            application,
            user,
            message,
            authorization_details,
            details_schemas,
            acr,
            until,
            pin_entered,
            stage,
        }
    }
}

impl StepUps {
    /// As people are shown them.
    pub(crate) fn shown(&self) -> Vec<StepUp> {
        self.all.iter().map(StepUpRequest::shown).collect()
    }

    pub(crate) fn clock_jumped(&mut self, seconds: i64) {
        for request in &mut self.all {
            request.until_wall = request.until_wall.saturating_add_signed(seconds);
        }
    }

    /// Returns the time of the next action; an action that is already due waits for an event instead.
    pub(crate) fn due(&self, now: Now) -> Option<Duration> {
        let attempts = (self.all.iter().filter_map(StepUpRequest::attempt))
            .chain(self.deliveries.iter().map(|delivery| &delivery.attempt))
            .filter_map(|attempt| attempt.due)
            .filter(|due| *due > now.elapsed);
        let ends =
            (self.all.iter().map(StepUpRequest::deadline)).chain(self.deliveries.iter().map(|it| it.until));
        attempts.chain(ends).min()
    }

    /// Returns the step-up that needs evidence next, if any.
    pub(crate) fn waiting(&self, now: Now) -> Option<StepUpId> {
        let due = |request: &&StepUpRequest| matches!(&request.stage, Stage::Preparing(attempt) if attempt.is_due(now));
        self.all.iter().find(due).map(StepUpRequest::id)
    }

    fn live(&mut self, step_up: StepUpId) -> Option<&mut StepUpRequest> {
        self.all.iter_mut().find(|request| request.id() == step_up && request.is_live())
    }

    /// Prepares taps again that were to rest on a PIN: with the next evidence, the verifier asks for it. The delay bounds
    /// how often a program of the session can cause that.
    pub(crate) fn on_pin_period_ended(&mut self, now: Now) {
        for request in &mut self.all {
            match &request.stage {
                Stage::Preparing(_) => request.pin_period_ended = true,
                Stage::Tap { pin_entered: Some(_), .. } => request.prepare_again(now),
                Stage::Tap { .. } | Stage::Checking { .. } | Stage::Ended { .. } => {}
            }
        }
    }

    fn count_live(&self) -> usize {
        self.all.iter().filter(|request| request.is_live()).count()
    }

    fn is_known(&self, step_up: StepUpId) -> bool {
        self.all.iter().any(|request| request.id() == step_up)
            || self.past.iter().any(|(id, _)| *id == step_up)
    }

    fn end(
        &mut self,
        step_up: StepUpId,
        end: StepUpResult,
        reasons: Vec<String>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(request) = self.live(step_up) else { return };
        let reasons: Vec<String> = reasons
            .into_iter()
            .take(MAX_REASONS)
            .map(|reason| reason.chars().take(MAX_REASON).collect())
            .collect();
        effects.push(Transition::StepUpClosed { step_up, end, reasons: reasons.clone() }.into());
        request.transaction.authorization_details = None;
        request.transaction.details_schemas.clear();
        request.stage = Stage::Ended { end, reasons, vanishes: now.elapsed + RESULT_DISPLAY_TIME };
        let until = request.until;
        if self.past.len() >= MAX_PAST {
            self.past.remove(0);
        }
        self.past.push((step_up, until));
        let ended = self.all.iter().filter(|request| !request.is_live()).count();
        if ended > MAX_SHOWN
            && let Some(oldest) = self.all.iter().position(|request| !request.is_live())
        {
            self.all.remove(oldest);
        }
    }

    /// Replaces the result of a closed step-up by the verifier's, while it is shown.
    fn correct_result(&mut self, ended: &StepUpClosed, effects: &mut Vec<Effect>) {
        for request in self.all.iter_mut().filter(|request| request.id() == ended.step_up) {
            if let Stage::Ended { end, reasons, .. } = &mut request.stage
                && *end != ended.end
            {
                *end = ended.end;
                let (step_up, end, reasons) = (ended.step_up, ended.end, reasons.clone());
                effects.push(Transition::StepUpClosed { step_up, end, reasons }.into());
            }
        }
    }

    /// Closes a step-up here, and notifies the verifier.
    fn end_and_notify(
        &mut self,
        step_up: StepUpId,
        end: StepUpResult,
        reasons: Vec<String>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(until) = self.live(step_up).map(|request| request.until) else { return };
        self.end(step_up, end, reasons, now, effects);
        self.deliveries.push(DeliveryAttempt { step_up, end, attempt: Attempt::at_once(now), until });
    }
}

impl Agent {
    /// Returns the options for the security key, if this step-up waits for a tap.
    #[must_use]
    pub fn ceremony(&self, step_up: StepUpId) -> Option<StepUpCeremony> {
        let enrolled = self.saved.enrolled.as_ref()?;
        self.step_ups.all.iter().filter(|request| request.id() == step_up).find_map(|request| match &request
            .stage
        {
            Stage::Tap { options, .. } => Some(StepUpCeremony {
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
        self.step_ups.all.iter().any(|request| request.id() == step_up && request.is_live())
    }

    pub(crate) fn on_step_up_requested(&mut self, data: &str, now: Now, effects: &mut Vec<Effect>) {
        let request = match StepUpRequest::read(data, now) {
            Ok(request) => request,
            Err(why) => {
                return effects.push(Transition::StepUpRefused(why).into());
            }
        };
        if self.step_ups.is_known(request.id()) {
            return;
        }
        if self.step_ups.count_live() >= MAX_LIVE {
            return self.channel.defer_event();
        }
        effects.push(Transition::StepUpRequested(request.id()).into());
        self.step_ups.all.push(request);
    }

    pub(crate) fn on_step_up_closed(&mut self, data: &str, now: Now, effects: &mut Vec<Effect>) {
        match serde_json::from_str::<StepUpClosed>(data) {
            Ok(ended) => {
                self.step_ups.end(ended.step_up, ended.end, Vec::new(), now, effects);
                self.step_ups.correct_result(&ended, effects);
            }
            Err(error) => {
                let why = describe_json_error("the end of a step-up")(error);
                effects.push(Transition::StepUpRefused(why).into());
            }
        }
    }

    pub(crate) fn on_assertion(&mut self, step_up: StepUpId, assertion: Value, now: Now) {
        if let Some(request) = self.step_ups.live(step_up)
            && matches!(request.stage, Stage::Tap { .. })
        {
            request.stage = Stage::Checking { assertion, attempt: Attempt::at_once(now) };
        }
    }

    pub(crate) fn on_declined(
        &mut self,
        step_up: StepUpId,
        end: StepUpResult,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let waits = (self.step_ups.live(step_up))
            .is_some_and(|request| matches!(request.stage, Stage::Preparing(_) | Stage::Tap { .. }));
        // A tap that was given is the verifier's to judge.
        if waits && end.is_the_devices_to_say() {
            self.step_ups.end_and_notify(step_up, end, Vec::new(), now, effects);
        }
    }

    pub(crate) fn on_assertion_answer(
        &mut self,
        step_up: StepUpId,
        answer: Result<StepUpOutcome, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(request) = self.step_ups.live(step_up) else { return };
        let Stage::Checking { attempt, .. } = &mut request.stage else { return };
        let (end, reasons) = match answer {
            Ok(outcome) => (outcome.end, Vec::new()),
            Err(RequestError::Problem(problem)) => {
                match self.on_assertion_problem(step_up, &problem, now, effects) {
                    Some(end) => (end, vec![problem_name(&problem)]),
                    None => return,
                }
            }
            // The verifier may have processed the request although its answer was lost; a repeated request
            // returns the result.
            Err(_) => return attempt.retry_later(now),
        };
        self.step_ups.end(step_up, end, reasons, now, effects);
    }

    /// Maps a refusal of an assertion to a result; `None` if the assertion should be sent again.
    fn on_assertion_problem(
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
            attempt.retry_later(now);
        }
        match action {
            Action::Retry | Action::FreshNonce => {}
            Action::Report => self.on_session_refused(now, effects),
            Action::ReEnrol | Action::Tell => self.recheck_enrolment(problem, now, effects),
        }
        None
    }

    pub(crate) fn on_end_answer(
        &mut self,
        step_up: StepUpId,
        answer: &Result<StepUpOutcome, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(delivery) = self.step_ups.deliveries.iter_mut().find(|it| it.step_up == step_up) else {
            return;
        };
        let again = match answer {
            Ok(_) => false,
            Err(RequestError::Problem(problem)) => matches!(problem.action(), Action::Retry | Action::Report),
            Err(_) => true,
        };
        if again {
            delivery.attempt.retry_later(now)
        } else {
            delivery.until = now.elapsed
        }
        if let Err(RequestError::Problem(problem)) = answer
            && problem.action() == Action::Report
        {
            self.on_session_refused(now, effects);
        }
    }

    /// Closes all step-ups: this device is another now, or none.
    pub(crate) fn close_step_ups(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.step_ups.deliveries.clear();
        let live: Vec<StepUpId> =
            self.step_ups.all.iter().filter(|it| it.is_live()).map(StepUpRequest::id).collect();
        for step_up in live {
            self.step_ups.end(step_up, StepUpResult::NoDevice, Vec::new(), now, effects);
        }
    }

    /// Expires old step-ups, removes shown results, and sends pending messages.
    pub(crate) fn update_step_ups(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.may_listen() {
            self.close_step_ups(now, effects);
        }
        let late = |request: &&StepUpRequest| request.is_live() && request.deadline() <= now.elapsed;
        let late: Vec<StepUpId> = self.step_ups.all.iter().filter(late).map(StepUpRequest::id).collect();
        for step_up in late {
            self.step_ups.end(step_up, StepUpResult::TimedOut, Vec::new(), now, effects);
        }
        self.step_ups.all.retain(|request| request.deadline() > now.elapsed);
        self.step_ups.deliveries.retain(|delivery| delivery.until > now.elapsed);
        self.step_ups.past.retain(|(_, until)| *until > now.elapsed);
        if self.step_ups.count_live() < MAX_LIVE {
            self.channel.fetch_deferred(now);
        }
        self.send_due_messages(now, effects);
        if self.step == Step::Idle && !self.asleep {
            self.begin_step_up(now, effects);
        }
    }

    fn send_due_messages(&mut self, now: Now, effects: &mut Vec<Effect>) {
        // Without one, the next report brings it.
        let Some(session) = self.channel.session(now).cloned() else { return };
        for request in &mut self.step_ups.all {
            let step_up = request.transaction.step_up;
            if let Stage::Checking { assertion, attempt } = &mut request.stage
                && attempt.is_due(now)
            {
                attempt.due = None;
                effects
                    .push(VerifierEffect::SendAssertion(step_up, assertion.clone(), session.clone()).into());
            }
        }
        for delivery in &mut self.step_ups.deliveries {
            if delivery.attempt.is_due(now) {
                delivery.attempt.due = None;
                effects.push(VerifierEffect::SendEnd(delivery.step_up, delivery.end, session.clone()).into());
            }
        }
    }

    /// The verifier does not know this device, or has revoked it: what follows is the same as after a report.
    fn recheck_enrolment(&mut self, problem: &Problem, now: Now, effects: &mut Vec<Effect>) {
        if self.step == Step::Idle {
            self.schedule.begin_cycle(now);
            self.on_failure(RequestError::Problem(problem.clone()), now, effects);
        } else {
            self.schedule.bring_forward(now);
        }
    }
}

/// Extracts `step-up-over` from `urn:vitalsign:problem:step-up-over`.
fn problem_name(problem: &Problem) -> String {
    problem.problem_type.rsplit(':').next().unwrap_or_default().to_owned()
}

/// Describes malformed JSON without quoting it, so that no personal data reaches the log.
fn describe_json_error(what: &'static str) -> impl Fn(serde_json::Error) -> String {
    move |error| {
        let (line, column) = (error.line(), error.column());
        format!("{what} was not understood: {:?} error, line {line}, column {column}", error.classify())
    }
}
