//! The cycle of a report: facts, a nonce, a signature, one round trip, a verdict.

use crate::channel::is_revoked;
use crate::effect::{DeviceEffect, Effect, RecordEffect, Transition, VerifierEffect};
use crate::enrolment::Renewal;
use crate::event::{Now, RequestError, SignedEvidence};
use crate::signing::Purpose;
use crate::verdict::VerdictError;
use crate::{Agent, Step};
use std::time::Duration;
use vitalsign_ipc::{AgentState, Cost};
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::{Digest, Nonce, Thumbprint};
use vitalsign_protocol::message::{NonceAnswer, ReportAnswer};
use vitalsign_protocol::problem::{Action, Problem};
use vitalsign_protocol::seconds::NonceSeconds;

/// Type of the state in which the verifier signs with a key that no pinned key announced.
const UNKNOWN_KEY: &str = "urn:vitalsign:state:verifier-key-unknown";
/// Interval at which a refused device asks again.
const REFUSED_INTERVAL: Duration = Duration::from_secs(900);
/// Maximum time for which a busy verifier can have a device wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(900);

#[derive(Clone, Debug)]
pub(crate) struct HeldNonce {
    nonce: Nonce,
    /// Expiry, on the clock that includes sleep.
    until: Duration,
}

impl HeldNonce {
    /// Kept a little shorter than it lives, for the way there.
    fn new(nonce: Nonce, lifetime: NonceSeconds, now: Now) -> Self {
        Self { nonce, until: now.elapsed + lifetime.duration() * 9 / 10 }
    }
}

impl Agent {
    pub(crate) fn on_report_facts(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.nonce_retried = false;
        self.current_cost = Cost::default();
        if self.step_ups.waiting(now).is_some() {
            return self.yield_to_step_up(now, effects);
        }
        // Compares facts, because a system also announces changes that change none.
        let same = self.standing == AgentState::Reporting
            && self.reported == self.posture
            && self.due_names().is_none();
        if same && self.schedule.is_for_changes_only() {
            self.step = Step::Idle;
            self.schedule.end_cycle_without_report(now);
            return self.begin_if_due(now, effects);
        }
        match self.nonce.take() {
            Some(held) if held.until > now.elapsed => {
                self.sign(Purpose::Report { nonce: held.nonce }, effects)
            }
            _ => self.fetch_nonce(effects),
        }
    }

    /// Interrupts the report for a step-up; it restarts after the step-up's evidence is sent.
    fn yield_to_step_up(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.step = Step::Idle;
        self.schedule.interrupt_cycle(now);
        self.begin_if_due(now, effects);
    }

    fn fetch_nonce(&mut self, effects: &mut Vec<Effect>) {
        self.step = Step::Identifying;
        effects.push(DeviceEffect::IdentifyKey.into());
    }

    pub(crate) fn on_key_identified(
        &mut self,
        answer: Result<Thumbprint, KeyError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.step != Step::Identifying {
            return;
        }
        match answer {
            Ok(kid) => {
                self.step = Step::AwaitingNonce;
                self.current_cost.round_trips += 1;
                effects.push(VerifierEffect::FetchNonce(kid).into());
            }
            Err(error) => self.on_failure(RequestError::Key(error), now, effects),
        }
    }

    pub(crate) fn on_nonce(
        &mut self,
        answer: Result<NonceAnswer, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.step != Step::AwaitingNonce {
            return;
        }
        match answer {
            Ok(answer) if self.step_ups.waiting(now).is_some() => {
                self.nonce = Some(HeldNonce::new(answer.nonce, answer.nonce_seconds, now));
                self.yield_to_step_up(now, effects);
            }
            Ok(answer) => self.sign(Purpose::Report { nonce: answer.nonce }, effects),
            Err(failure) => self.on_failure(failure, now, effects),
        }
    }

    pub(crate) fn send_report(&mut self, nonce: Nonce, signed: SignedEvidence, effects: &mut Vec<Effect>) {
        let SignedEvidence { evidence, collect_micros, sign_micros, hardware_commands } = signed;
        self.current_cost = Cost {
            evidence_bytes: u64::try_from(evidence.len()).unwrap_or(u64::MAX),
            round_trips: self.current_cost.round_trips + 1,
            hardware_commands,
            collect_micros,
            sign_micros,
        };
        self.step = Step::Sending { nonce, evidence: Digest::of(&evidence) };
        let pinned = self.saved.enrolled.iter().flat_map(|enrolled| &enrolled.ear_keys.keys);
        let pinned = pinned.map(|key| key.kid.clone()).collect();
        effects.push(VerifierEffect::SendReport { evidence, pinned }.into());
    }

    pub(crate) fn on_report_answer(
        &mut self,
        answer: Result<Box<ReportAnswer>, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Step::Sending { nonce, evidence } = self.step else { return };
        self.cost = Some(self.current_cost);
        match answer {
            Ok(answer) => self.on_verdict(&answer, Some(nonce), Some(evidence), now, effects),
            Err(failure) => self.on_failure(failure, now, effects),
        }
    }

    /// Accepts a valid verdict and schedules the next heartbeat.
    pub(crate) fn on_verdict(
        &mut self,
        answer: &ReportAnswer,
        nonce: Option<Nonce>,
        evidence: Option<Digest>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.pin_announced_keys(&answer.key_rollovers, effects);
        match self.accept_verdict(&answer.ear, nonce, evidence, now, effects) {
            Ok(()) => {}
            Err(VerdictError::UnknownKey) => {
                let detail = VerdictError::UnknownKey.to_string();
                effects.push(Transition::VerdictRefused(detail.clone()).into());
                self.standing = AgentState::Refused { problem: UNKNOWN_KEY.to_owned(), detail };
                return self.idle_for(REFUSED_INTERVAL, now);
            }
            Err(VerdictError::Invalid(why)) => {
                effects.push(Transition::VerdictRefused(why.clone()).into());
                return self.on_failure(RequestError::InvalidAnswer(why), now, effects);
            }
        }
        self.nonce = Some(HeldNonce::new(answer.nonce, answer.nonce_seconds, now));
        self.channel.renew(answer.session.as_ref(), answer.nonce_seconds, now);
        self.update_organisation(answer.organisation, now, effects);
        self.quote_wanted = answer.quote;
        self.reported.clone_from(&self.posture);
        self.on_names_accepted();
        if self.renewal.take().is_some() || self.standing != AgentState::Reporting {
            self.standing = AgentState::Reporting;
            effects.push(RecordEffect::DropEnrolmentLeftovers.into());
        }
        self.step = Step::Idle;
        let interval = self.report_seconds.unwrap_or(answer.report_seconds);
        self.schedule.end_cycle(interval.duration(), now);
        self.begin_if_due(now, effects);
    }

    /// A cycle has failed. What comes next depends on whose fault it is.
    pub(crate) fn on_failure(&mut self, failure: RequestError, now: Now, effects: &mut Vec<Effect>) {
        match failure {
            RequestError::Problem(problem) => self.on_problem(&problem, now, effects),
            RequestError::Unreachable(detail)
            | RequestError::Untrusted(detail)
            | RequestError::InvalidAnswer(detail) => {
                let since =
                    if let AgentState::Offline { since, .. } = self.standing { since } else { now.wall };
                self.standing = AgentState::Offline { since, detail };
                self.back_off(now);
            }
            RequestError::NoToken if self.renewal.is_some() => {
                self.on_renewal_failure("there is no enrolment token", now);
            }
            RequestError::NoToken => {
                self.standing = AgentState::NotEnrolled;
                self.idle_for(REFUSED_INTERVAL, now);
            }
            // A new key that is lost at once again is the hardware's fault: then wait, and do not spin.
            RequestError::Key(KeyError::Lost(detail)) if self.can_renew() => {
                self.begin_renewal(Renewal::KeyLost(detail), now, effects);
            }
            RequestError::Key(error) => {
                self.renew_key = matches!(error, KeyError::Lost(_));
                self.standing = AgentState::KeyTrouble { detail: error.to_string() };
                self.back_off(now);
            }
        }
        if self.step == Step::Idle {
            self.begin_if_due(now, effects);
        }
    }

    fn on_problem(&mut self, problem: &Problem, now: Now, effects: &mut Vec<Effect>) {
        let detail = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
        let refused = AgentState::Refused { problem: problem.problem_type.clone(), detail: detail.clone() };
        match problem.action() {
            Action::Retry => {
                let since =
                    if let AgentState::Offline { since, .. } = self.standing { since } else { now.wall };
                self.standing = AgentState::Offline { since, detail };
                let asked = Duration::from_secs(problem.retry_after.unwrap_or_default()).min(MAX_RETRY_AFTER);
                let delay = self.schedule.next_backoff(now).max(asked);
                self.idle_for(delay, now);
            }
            // Once: a verifier that refuses its own fresh nonce is asked again later.
            Action::FreshNonce if !self.nonce_retried && matches!(self.step, Step::Sending { .. }) => {
                self.nonce_retried = true;
                self.fetch_nonce(effects);
            }
            Action::ReEnrol if self.can_renew() => {
                self.begin_renewal(Renewal::DeviceUnknown, now, effects);
            }
            Action::FreshNonce | Action::ReEnrol | Action::Report | Action::Tell
                if self.renewal.is_some() && self.is_enrolling() && !is_revoked(problem) =>
            {
                self.on_renewal_failure(&detail, now);
            }
            Action::FreshNonce | Action::ReEnrol | Action::Report => {
                self.standing = refused;
                self.back_off(now);
            }
            Action::Tell => {
                self.standing = if is_revoked(problem) { AgentState::Revoked } else { refused };
                self.idle_for(REFUSED_INTERVAL, now);
            }
        }
    }

    pub(crate) fn back_off(&mut self, now: Now) {
        let delay = self.schedule.next_backoff(now);
        self.idle_for(delay, now);
    }
}
