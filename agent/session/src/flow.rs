//! Decides how to react to events of the session, without I/O.

use crate::{Disconnected, SessionError, UiUpdate};
use serde_json::Value;
use std::collections::BTreeMap;
use vitalsign_ipc::{Answer, Refusal, Request, Stage, Status, StepUp};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up;
use vitalsign_security_key::{Ceremony, Failure, Operation, Prompt};

#[derive(Debug)]
pub enum FlowEvent {
    /// The service sent its status.
    Status(Box<Status>),
    Disconnected(Disconnected),
    /// The service's answer to [`FlowEffect::Fetch`].
    Fetched(StepUpId, Result<Answer, Disconnected>),
    /// The service's answer to [`FlowEffect::Tell`].
    Told(StepUpId, Result<Answer, Disconnected>),
    /// The security key wants something of the person.
    Prompt(Attempt, Prompt),
    /// The security key is through.
    Performed(Attempt, Result<Value, Failure>),
    /// The person's answer to the step-up that is being prompted.
    Said(Choice),
    /// The person's answer to this step-up, where the user interface knows which one they saw.
    Answered(StepUpId, Choice),
    /// The user interface has shown the whole text of this step-up.
    Read(StepUpId),
    /// The person is away (the screen is locked, or another person's session is in front of it), or is back.
    Away(bool),
    Leave,
}

/// Identifies one use of a security key: a step-up may be prompted twice, and the answer to the first prompt
/// is invalid for the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(u64);

/// Answer of the person other than a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Decline,
    NotMine,
    /// There is no way to enter a PIN here.
    NoPin,
    /// Tries again after a failure that the person may have fixed.
    TryAgain,
}

/// Abilities of a user interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UiAbilities {
    /// It offers [`Choice::TryAgain`] after a mechanical failure of the key.
    pub retries: bool,
    /// It may show a part of a text only, and reports [`FlowEvent::Read`] once the end was in view. The key is not asked
    /// before that.
    pub reports_reading: bool,
}

/// Action for the executor.
#[derive(Debug)]
pub enum FlowEffect {
    /// Ask the service what the security key is to sign.
    Fetch(StepUpId),
    Perform(Attempt, Ceremony),
    /// Let go of the security key.
    Stop,
    Tell(StepUpId, Request),
    Show(UiUpdate),
    /// A step-up that was seen to be asked has ended.
    Ended(StepUpId, step_up::StepUpResult),
    Quit,
}

#[derive(Debug, Default)]
pub struct Flow {
    /// The step-ups as they were shown last.
    seen: BTreeMap<StepUpId, StepUp>,
    /// In the order in which they are asked.
    order: Vec<StepUpId>,
    away: bool,
    current: Option<Current>,
    /// Step-ups that were answered here and are not prompted again.
    answered: Vec<StepUpId>,
    told_idle: bool,
    attempts: u64,
    ui: UiAbilities,
    /// Step-ups whose whole text was shown, where the user interface reports that.
    read: Vec<StepUpId>,
    /// Step-up whose key failed for a mechanical reason: it stays open until the person tries again or declines.
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    step_up: StepUpId,
    /// Reported when the person does not try again.
    end: step_up::StepUpResult,
}

#[derive(Debug)]
struct Current {
    step_up: StepUpId,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The person reads the text.
    Reading,
    /// The service is asked what to sign.
    Fetching,
    /// The security key is at it.
    Performing(Attempt),
}

impl Flow {
    /// Creates a flow for a user interface.
    #[must_use]
    pub fn new(ui: UiAbilities) -> Self {
        Self { ui, ..Self::default() }
    }

    /// Handles an event and returns the actions to take.
    pub fn on(&mut self, event: FlowEvent) -> Vec<FlowEffect> {
        let mut effects = Vec::new();
        match event {
            FlowEvent::Status(status) => {
                self.status(status, &mut effects);
            }
            FlowEvent::Disconnected(why) => {
                // The challenge may have been replaced by the time the service returns.
                self.let_go(&mut effects);
                self.answered.clear();
                self.failed = None;
                effects.push(FlowEffect::Show(UiUpdate::Disconnected(why)));
            }
            FlowEvent::Fetched(id, answer) => self.fetched(id, answer, &mut effects),
            FlowEvent::Told(id, answer) => {
                if let Some(trouble) = trouble(answer) {
                    effects.push(FlowEffect::Show(UiUpdate::SessionError { step_up: id, trouble }));
                }
            }
            FlowEvent::Prompt(attempt, prompt) => {
                if let Some(step_up) = self.at(Phase::Performing(attempt)) {
                    effects.push(FlowEffect::Show(UiUpdate::Prompt { step_up, prompt }));
                }
            }
            FlowEvent::Performed(attempt, end) => self.performed(attempt, end, &mut effects),
            FlowEvent::Said(choice) => {
                let failed = self.failed.as_ref().map(|failed| failed.step_up);
                let prompted = failed.or(self.current.as_ref().map(|current| current.step_up));
                if let Some(id) = prompted {
                    self.answer(id, choice, &mut effects);
                }
            }
            FlowEvent::Answered(id, choice) => self.answer(id, choice, &mut effects),
            FlowEvent::Read(id) => self.was_read(id, &mut effects),
            FlowEvent::Away(away) => {
                self.away = away;
                if away {
                    self.let_go(&mut effects);
                    self.reopen();
                    // Another person may come back, who has read nothing.
                    self.read.clear();
                } else {
                    self.next(&mut effects);
                }
            }
            FlowEvent::Leave => {
                self.let_go(&mut effects);
                effects.push(FlowEffect::Quit);
            }
        }
        effects
    }

    fn status(&mut self, status: Box<Status>, effects: &mut Vec<FlowEffect>) {
        let step_ups = status.step_ups.clone();
        let first = !std::mem::replace(&mut self.told_idle, true);
        let before = std::mem::take(&mut self.seen);
        // What was read is asked for only as it was read.
        let same = |id: &StepUpId| {
            let now = step_ups.iter().find(|step_up| step_up.id == *id);
            now.zip(before.get(id)).is_some_and(|(now, before)| {
                now.message == before.message
                    && now.authorization_details == before.authorization_details
                    && now.details_schemas == before.details_schemas
            })
        };
        self.read.retain(same);
        if self.current.as_ref().is_some_and(|current| !same(&current.step_up)) {
            self.let_go(effects);
        }
        let (mut changed, mut closed) = (Vec::new(), Vec::new());
        for step_up in &step_ups {
            let known = before.get(&step_up.id);
            let ended = matches!(step_up.stage, Stage::Ended { .. });
            // A step-up that was closed before this session started is not shown.
            if known != Some(step_up) && !(first && ended) {
                changed.push(step_up.clone());
            }
            if let Stage::Ended { end, .. } = step_up.stage
                && !first
                && known.is_none_or(|known| !matches!(known.stage, Stage::Ended { .. }))
            {
                closed.push(FlowEffect::Ended(step_up.id, end));
            }
        }
        // In one update: a user interface that drew the status before its changes would, for a moment, miss a
        // step-up that was refused, and close its window.
        effects.push(FlowEffect::Show(UiUpdate::Status { status, changed }));
        effects.append(&mut closed);
        self.seen = step_ups.iter().map(|step_up| (step_up.id, step_up.clone())).collect();
        self.answered.retain(|id| self.seen.contains_key(id));

        let waits = |id| self.seen.get(&id).is_some_and(|step_up| step_up.stage == Stage::Tap);
        if self.failed.as_ref().is_some_and(|failed| !waits(failed.step_up)) {
            self.failed = None;
        }
        if self.current.as_ref().is_some_and(|current| !waits(current.step_up)) {
            self.let_go(effects);
        }
        self.order = step_ups.iter().map(|step_up| step_up.id).collect();
        self.next(effects);
        if first && step_ups.iter().all(|it| matches!(it.stage, Stage::Ended { .. })) {
            effects.push(FlowEffect::Show(UiUpdate::Idle));
        }
    }

    /// Prompts for the oldest open step-up, unless one is being prompted or the person is away.
    fn next(&mut self, effects: &mut Vec<FlowEffect>) {
        if self.current.is_some() || self.failed.is_some() || self.away {
            return;
        }
        let waits = |id: &&StepUpId| {
            !self.answered.contains(id) && self.seen.get(id).is_some_and(|it| it.stage == Stage::Tap)
        };
        if let Some(id) = self.order.iter().find(waits).copied() {
            self.begin(id, effects);
        }
    }

    /// Begins with a step-up: what the key is to sign is fetched once the person can have read it.
    fn begin(&mut self, id: StepUpId, effects: &mut Vec<FlowEffect>) {
        if self.ui.reports_reading && !self.read.contains(&id) {
            self.current = Some(Current { step_up: id, phase: Phase::Reading });
            return;
        }
        self.current = Some(Current { step_up: id, phase: Phase::Fetching });
        effects.push(FlowEffect::Fetch(id));
    }

    fn was_read(&mut self, id: StepUpId, effects: &mut Vec<FlowEffect>) {
        let waits = self.seen.get(&id).is_some_and(|it| it.stage == Stage::Tap);
        if !waits || self.read.contains(&id) {
            return;
        }
        self.read.push(id);
        // The person reads the one that is shown, which may be another than the oldest.
        let reads = matches!(self.current, Some(Current { phase: Phase::Reading, .. }));
        if reads && !self.answered.contains(&id) {
            self.begin(id, effects);
        }
    }

    fn fetched(&mut self, id: StepUpId, answer: Result<Answer, Disconnected>, effects: &mut Vec<FlowEffect>) {
        if self.at(Phase::Fetching) != Some(id) {
            return;
        }
        match answer {
            Ok(Answer::Ceremony(ceremony)) => {
                self.attempts += 1;
                let attempt = Attempt(self.attempts);
                self.current = Some(Current { step_up: id, phase: Phase::Performing(attempt) });
                let operation = Operation::Get(ceremony.options);
                let ceremony = Ceremony { origin: ceremony.origin, rp_id: ceremony.rp_id, operation };
                effects.push(FlowEffect::Perform(attempt, ceremony));
            }
            // It has gone on meanwhile: the next status says how.
            Ok(Answer::Refused(Refusal::Over)) => self.current = None,
            answer => {
                self.current = None;
                self.answered.push(id);
                let trouble = trouble(answer).unwrap_or(SessionError::Odd);
                effects.push(FlowEffect::Show(UiUpdate::SessionError { step_up: id, trouble }));
                // The service says nothing of this, so no status brings the next one.
                self.next(effects);
            }
        }
    }

    fn performed(&mut self, attempt: Attempt, end: Result<Value, Failure>, effects: &mut Vec<FlowEffect>) {
        let Some(id) = self.at(Phase::Performing(attempt)) else { return };
        self.current = None;
        self.answered.push(id);
        match end {
            Ok(assertion) => effects.push(FlowEffect::Tell(id, Request::Tapped { step_up: id, assertion })),
            Err(failure) => {
                let mut end = end_of(&failure);
                if self.ui.retries && is_mechanical(&failure) {
                    let end = end.take().unwrap_or(step_up::StepUpResult::Declined);
                    self.failed = Some(Failed { step_up: id, end });
                }
                effects.push(FlowEffect::Show(UiUpdate::SessionError {
                    step_up: id,
                    trouble: SessionError::Key(failure),
                }));
                if let Some(end) = end {
                    effects.push(FlowEffect::Tell(id, Request::GiveUp { step_up: id, end }));
                }
            }
        }
    }

    /// An answer counts for the step-up that the person saw, even if another is prompted by now.
    fn answer(&mut self, step_up: StepUpId, choice: Choice, effects: &mut Vec<FlowEffect>) {
        let failed = self.failed.take_if(|failed| failed.step_up == step_up);
        if let Some(Failed { end, .. }) = failed {
            if choice == Choice::TryAgain {
                self.answered.retain(|id| *id != step_up);
                return self.next(effects);
            }
            let end = if choice == Choice::NotMine { step_up::StepUpResult::NotMine } else { end };
            return effects.push(FlowEffect::Tell(step_up, Request::GiveUp { step_up, end }));
        }
        // One that is prepared again, because a PIN period has ended, is on the screen as well.
        let open = |it: &StepUp| matches!(it.stage, Stage::Tap | Stage::Preparing);
        let is_open = self.seen.get(&step_up).is_some_and(open);
        if choice == Choice::TryAgain || !is_open || self.answered.contains(&step_up) {
            return;
        }
        self.answered.push(step_up);
        if self.current.take_if(|current| current.step_up == step_up).is_some() {
            effects.push(FlowEffect::Stop);
        }
        let end = match choice {
            Choice::Decline => step_up::StepUpResult::Declined,
            Choice::NotMine => step_up::StepUpResult::NotMine,
            Choice::NoPin => {
                effects
                    .push(FlowEffect::Show(UiUpdate::SessionError { step_up, trouble: SessionError::NoPin }));
                step_up::StepUpResult::NoKey
            }
            // Handled above: nothing is being tried.
            Choice::TryAgain => return,
        };
        effects.push(FlowEffect::Tell(step_up, Request::GiveUp { step_up, end }));
    }

    /// Makes a failed step-up one that is prompted again.
    fn reopen(&mut self) {
        if let Some(failed) = self.failed.take() {
            self.answered.retain(|id| *id != failed.step_up);
        }
    }

    fn let_go(&mut self, effects: &mut Vec<FlowEffect>) {
        if self.current.take().is_some_and(|current| matches!(current.phase, Phase::Performing(_))) {
            effects.push(FlowEffect::Stop);
        }
    }

    /// The step-up that is at this phase.
    fn at(&self, phase: Phase) -> Option<StepUpId> {
        self.current.as_ref().filter(|current| current.phase == phase).map(|current| current.step_up)
    }
}

/// Returns whether the person may fix the cause at the device, so that trying again is of use.
#[must_use]
pub fn is_mechanical(failure: &Failure) -> bool {
    matches!(failure, Failure::TimedOut | Failure::Unavailable(_) | Failure::Unfit(_))
}

/// Maps a failed ceremony to the result that is reported; `None` for a timeout, which the service detects
/// itself.
fn end_of(failure: &Failure) -> Option<step_up::StepUpResult> {
    match failure {
        Failure::TimedOut => None,
        // By the person, at the key or at its PIN.
        Failure::Cancelled => Some(step_up::StepUpResult::Declined),
        Failure::WrongKey => Some(step_up::StepUpResult::WrongKey),
        Failure::PinBlocked { .. } => Some(step_up::StepUpResult::PinBlocked),
        Failure::NoUserVerification
        | Failure::AlreadyRegistered
        | Failure::Refused(_)
        | Failure::Unfit(_)
        | Failure::Unavailable(_) => Some(step_up::StepUpResult::NoKey),
    }
}

/// Returns the error if the service did not accept a request.
fn trouble(answer: Result<Answer, Disconnected>) -> Option<SessionError> {
    match answer {
        Ok(Answer::Accepted) => None,
        Ok(Answer::Refused(refusal)) => Some(SessionError::Refused(refusal)),
        Ok(_) => Some(SessionError::Odd),
        Err(lost) => Some(SessionError::Disconnected(lost)),
    }
}
