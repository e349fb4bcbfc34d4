//! What to do about what happens: no I/O, so that every way it can go is a unit test.

use crate::{Lost, Shown, Trouble};
use serde_json::Value;
use std::collections::BTreeMap;
use vitalsign_ipc::{Answer, Refusal, Request, Stage, Status, StepUp};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up;
use vitalsign_security_key::{Ceremony, Failure, Operation, Prompt};

/// Something has happened.
#[derive(Debug)]
pub enum Event {
    /// The service says how things stand.
    Status(Box<Status>),
    /// The service is gone.
    Lost(Lost),
    /// The service's answer to [`Effect::Fetch`].
    Fetched(StepUpId, Result<Answer, Lost>),
    /// The service's answer to [`Effect::Tell`].
    Told(StepUpId, Result<Answer, Lost>),
    /// The security key wants something of the person.
    Prompt(Attempt, Prompt),
    /// The security key is through.
    Performed(Attempt, Result<Value, Failure>),
    /// The person says something.
    Said(Choice),
    /// The person is away (the screen is locked, or another person's session is in front of it), or is back.
    Away(bool),
    /// The person leaves.
    Leave,
}

/// One use of a security key: a step-up may be asked for twice, and what the first key says is no answer to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(u64);

/// What a person can say instead of tapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// No.
    Decline,
    /// I asked for nothing.
    NotMine,
    /// There is no way to enter a PIN here.
    NoPin,
}

/// Something is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Ask the service what the security key is to sign.
    Fetch(StepUpId),
    /// Have it signed.
    Perform(Attempt, Ceremony),
    /// Let go of the security key.
    Stop,
    /// Tell the service.
    Tell(StepUpId, Request),
    /// Show it.
    Show(Shown),
    /// A step-up that was seen to be asked has ended.
    Ended(StepUpId, step_up::End),
    /// Leave.
    Quit,
}

/// How far this session is.
#[derive(Debug, Default)]
pub struct Flow {
    /// The step-ups as they were shown last.
    seen: BTreeMap<StepUpId, StepUp>,
    /// In the order in which they are asked.
    order: Vec<StepUpId>,
    /// Nobody is asked anything.
    away: bool,
    current: Option<Current>,
    /// What was answered here, and is not to be asked again.
    answered: Vec<StepUpId>,
    told_idle: bool,
    attempts: u64,
}

#[derive(Debug)]
struct Current {
    step_up: StepUpId,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The service is asked what to sign.
    Fetching,
    /// The security key is at it.
    Performing(Attempt),
}

impl Flow {
    /// What to do about this.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Status(status) => {
                let step_ups = status.step_ups.clone();
                effects.push(Effect::Show(Shown::Status(status)));
                self.status(&step_ups, &mut effects);
            }
            Event::Lost(why) => {
                // What is being signed may be prepared anew by the time that the service is back.
                self.let_go(&mut effects);
                self.answered.clear();
                effects.push(Effect::Show(Shown::Lost(why)));
            }
            Event::Fetched(id, answer) => self.fetched(id, answer, &mut effects),
            Event::Told(id, answer) => {
                if let Some(trouble) = trouble(answer) {
                    effects.push(Effect::Show(Shown::Trouble { step_up: id, trouble }));
                }
            }
            Event::Prompt(attempt, prompt) => {
                if let Some(step_up) = self.at(Phase::Performing(attempt)) {
                    effects.push(Effect::Show(Shown::Prompt { step_up, prompt }));
                }
            }
            Event::Performed(attempt, end) => self.performed(attempt, end, &mut effects),
            Event::Said(choice) => self.said(choice, &mut effects),
            Event::Away(away) => {
                self.away = away;
                if away {
                    self.let_go(&mut effects);
                } else {
                    self.next(&mut effects);
                }
            }
            Event::Leave => {
                self.let_go(&mut effects);
                effects.push(Effect::Quit);
            }
        }
        effects
    }

    fn status(&mut self, step_ups: &[StepUp], effects: &mut Vec<Effect>) {
        let first = !std::mem::replace(&mut self.told_idle, true);
        let before = std::mem::take(&mut self.seen);
        for step_up in step_ups {
            let known = before.get(&step_up.id);
            let ended = matches!(step_up.stage, Stage::Ended { .. });
            // What was over before anybody looked is no news.
            if known != Some(step_up) && !(first && ended) {
                effects.push(Effect::Show(Shown::StepUp(Box::new(step_up.clone()))));
            }
            if let Stage::Ended { end, .. } = step_up.stage
                && !first
                && known.is_none_or(|known| !matches!(known.stage, Stage::Ended { .. }))
            {
                effects.push(Effect::Ended(step_up.id, end));
            }
        }
        self.seen = step_ups.iter().map(|step_up| (step_up.id, step_up.clone())).collect();
        self.answered.retain(|id| self.seen.contains_key(id));

        let waits = |id| self.seen.get(&id).is_some_and(|step_up| step_up.stage == Stage::Tap);
        if self.current.as_ref().is_some_and(|current| !waits(current.step_up)) {
            self.let_go(effects);
        }
        self.order = step_ups.iter().map(|step_up| step_up.id).collect();
        self.next(effects);
        if first && step_ups.iter().all(|it| matches!(it.stage, Stage::Ended { .. })) {
            effects.push(Effect::Show(Shown::Idle));
        }
    }

    /// Asks for the oldest that waits, unless one is asked already or nobody is there.
    fn next(&mut self, effects: &mut Vec<Effect>) {
        if self.current.is_some() || self.away {
            return;
        }
        let waits = |id: &&StepUpId| {
            !self.answered.contains(id) && self.seen.get(id).is_some_and(|it| it.stage == Stage::Tap)
        };
        if let Some(id) = self.order.iter().find(waits).copied() {
            self.current = Some(Current { step_up: id, phase: Phase::Fetching });
            effects.push(Effect::Fetch(id));
        }
    }

    fn fetched(&mut self, id: StepUpId, answer: Result<Answer, Lost>, effects: &mut Vec<Effect>) {
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
                effects.push(Effect::Perform(attempt, ceremony));
            }
            // It has gone on meanwhile: the next status says how.
            Ok(Answer::Refused(Refusal::Over)) => self.current = None,
            answer => {
                self.current = None;
                self.answered.push(id);
                let trouble = trouble(answer).unwrap_or(Trouble::Odd);
                effects.push(Effect::Show(Shown::Trouble { step_up: id, trouble }));
            }
        }
    }

    fn performed(&mut self, attempt: Attempt, end: Result<Value, Failure>, effects: &mut Vec<Effect>) {
        let Some(id) = self.at(Phase::Performing(attempt)) else { return };
        self.current = None;
        self.answered.push(id);
        match end {
            Ok(assertion) => effects.push(Effect::Tell(id, Request::Tapped { step_up: id, assertion })),
            Err(failure) => {
                let end = end_of(&failure);
                effects.push(Effect::Show(Shown::Trouble { step_up: id, trouble: Trouble::Key(failure) }));
                if let Some(end) = end {
                    effects.push(Effect::Tell(id, Request::GiveUp { step_up: id, end }));
                }
            }
        }
    }

    fn said(&mut self, choice: Choice, effects: &mut Vec<Effect>) {
        let Some(current) = self.current.take() else { return };
        let step_up = current.step_up;
        self.answered.push(step_up);
        effects.push(Effect::Stop);
        let end = match choice {
            Choice::Decline => step_up::End::Declined,
            Choice::NotMine => step_up::End::NotMine,
            Choice::NoPin => {
                effects.push(Effect::Show(Shown::Trouble { step_up, trouble: Trouble::NoPin }));
                step_up::End::NoKey
            }
        };
        effects.push(Effect::Tell(step_up, Request::GiveUp { step_up, end }));
    }

    fn let_go(&mut self, effects: &mut Vec<Effect>) {
        if self.current.take().is_some_and(|current| matches!(current.phase, Phase::Performing(_))) {
            effects.push(Effect::Stop);
        }
    }

    /// The step-up that is at this phase.
    fn at(&self, phase: Phase) -> Option<StepUpId> {
        self.current.as_ref().filter(|current| current.phase == phase).map(|current| current.step_up)
    }
}

/// What the service is told when the key was not used. That time is over it knows itself.
fn end_of(failure: &Failure) -> Option<step_up::End> {
    match failure {
        Failure::TimedOut => None,
        // By the person, at the key or at its PIN.
        Failure::Cancelled => Some(step_up::End::Declined),
        Failure::WrongKey => Some(step_up::End::WrongKey),
        Failure::PinBlocked { .. } => Some(step_up::End::PinBlocked),
        Failure::NoUserVerification
        | Failure::AlreadyRegistered
        | Failure::Refused(_)
        | Failure::Unfit(_)
        | Failure::Unavailable(_) => Some(step_up::End::NoKey),
    }
}

/// Why the service does not do what it was told.
fn trouble(answer: Result<Answer, Lost>) -> Option<Trouble> {
    match answer {
        Ok(Answer::Accepted) => None,
        Ok(Answer::Refused(refusal)) => Some(Trouble::Refused(refusal)),
        Ok(_) => Some(Trouble::Odd),
        Err(lost) => Some(Trouble::Lost(lost)),
    }
}
