//! Evidence of a step-up: collects fresh facts, signs them with the nonce and the transaction's digest, and
//! checks the verifier's answer before it prompts for a tap.

use super::{Stage, problem_name};
use crate::effect::{DeviceEffect, Effect, Transition, VerifierEffect};
use crate::event::{Now, RequestError};
use crate::saved::Enrolment;
use crate::signing::Purpose;
use crate::{Agent, Step, channel, verdict};
use serde_json::Value;
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::{Digest, Nonce, StepUpId};
use vitalsign_protocol::problem::{Action, Problem, ProblemType};
use vitalsign_protocol::step_up::{Acr, NO_SECURITY_KEY, StepUpAnswer, StepUpNext, StepUpResult, challenge};

/// Reason why the verifier's answer fails the binding check. The device does not prompt.
#[derive(Debug, PartialEq)]
enum BindingError {
    /// The verdict: not by a pinned key, or not over this evidence of this device.
    Verdict(String),
    /// The options are for another relying party than the pinned one.
    RelyingParty,
    /// The challenge does not cover this evidence and this transaction.
    Challenge,
    /// The list of credentials is empty, so any security key would be accepted.
    Credentials,
    /// The options ask for a tap without a PIN where the level requires one, or contradict themselves.
    UserVerification,
}

impl BindingError {
    /// Returns the reason's identifier, for the user interface.
    fn name(&self) -> &'static str {
        match self {
            Self::Verdict(_) => "verdict",
            Self::RelyingParty => "relying-party",
            Self::Challenge => "challenge",
            Self::Credentials => "credentials",
            Self::UserVerification => "user-verification",
        }
    }

    /// Describes the reason for the log.
    fn describe(&self) -> String {
        match self {
            Self::Verdict(why) => format!("the step-up's verdict is invalid: {why}"),
            Self::RelyingParty => "the request is for another relying party than the pinned one".to_owned(),
            Self::Challenge => "the challenge does not cover this evidence and this transaction".to_owned(),
            Self::Credentials => "the request names no security key".to_owned(),
            Self::UserVerification => {
                "the request does not ask for the PIN that the level requires".to_owned()
            }
        }
    }
}

impl Agent {
    /// Begins the oldest step-up that waits, and returns whether there was one.
    pub(crate) fn begin_step_up(&mut self, now: Now, effects: &mut Vec<Effect>) -> bool {
        let Some(step_up) = self.step_ups.waiting(now) else { return false };
        let Some(request) = self.step_ups.live(step_up) else { return false };
        request.pin_period_ended = false;
        if let Stage::Preparing(attempt) = &mut request.stage {
            attempt.due = None;
        }
        self.step = Step::CollectingFor { step_up };
        effects.push(DeviceEffect::Collect.into());
        true
    }

    pub(crate) fn on_step_up_facts(&mut self, step_up: StepUpId, now: Now, effects: &mut Vec<Effect>) {
        let Some(request) = self.step_ups.live(step_up) else { return self.end_step_up_cycle(now, effects) };
        let (nonce, transaction) = (request.nonce, request.digest);
        self.sign(Purpose::StepUp { step_up, nonce, transaction }, effects);
    }

    pub(crate) fn on_step_up_signed(
        &mut self,
        step_up: StepUpId,
        answer: Result<Vec<u8>, KeyError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match answer {
            Ok(evidence) if self.step_ups.live(step_up).is_some() => {
                self.step = Step::SendingFor { step_up, evidence: evidence.clone() };
                effects.push(VerifierEffect::SendStepUpEvidence(step_up, evidence).into());
            }
            Ok(_) => self.end_step_up_cycle(now, effects),
            Err(error @ KeyError::Lost(_)) => {
                self.schedule.begin_cycle(now);
                self.on_failure(RequestError::Key(error), now, effects);
            }
            Err(_) => {
                self.retry_step_up(step_up, now);
                self.end_step_up_cycle(now, effects);
            }
        }
    }

    pub(crate) fn on_evidence_answer(
        &mut self,
        step_up: StepUpId,
        answer: Result<Box<StepUpAnswer>, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Step::SendingFor { step_up: sent, evidence } = &self.step else { return };
        if *sent != step_up {
            return;
        }
        let evidence = evidence.clone();
        self.step = Step::Idle;
        match answer {
            Ok(answer) => self.on_evidence_verdict(step_up, &evidence, *answer, now, effects),
            Err(RequestError::Problem(problem)) => self.on_evidence_problem(step_up, &problem, now, effects),
            Err(_) => self.retry_step_up(step_up, now),
        }
        self.begin_if_due(now, effects);
    }

    fn on_evidence_verdict(
        &mut self,
        step_up: StepUpId,
        evidence: &[u8],
        answer: StepUpAnswer,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(enrolled) = self.saved.enrolled.as_ref() else { return };
        let Some(request) = self.step_ups.live(step_up) else { return };
        let acr = request.transaction.acr;
        if let Err(error) = check(enrolled, request.nonce, (&request.digest, acr), evidence, &answer) {
            effects.push(Transition::StepUpRefused(error.describe()).into());
            let reasons = vec![error.name().to_owned()];
            return self.step_ups.end_and_notify(step_up, StepUpResult::NoKey, reasons, now, effects);
        }
        match answer.next {
            StepUpNext::Tap { pin_entered: Some(_), .. } if request.pin_period_ended => {
                request.prepare_again(now);
            }
            StepUpNext::Tap { options, pin_entered, .. } => {
                request.stage = Stage::Tap { options, pin_entered };
            }
            StepUpNext::Unhealthy { reasons } if reasons == [NO_SECURITY_KEY] => {
                self.step_ups.end(step_up, StepUpResult::NoKey, reasons, now, effects);
            }
            StepUpNext::Unhealthy { reasons } => {
                self.step_ups.end(step_up, StepUpResult::Unhealthy, reasons, now, effects);
                // The user should see current facts when fixing the device.
                self.schedule.bring_forward(now);
            }
        }
    }

    fn on_evidence_problem(
        &mut self,
        step_up: StepUpId,
        problem: &Problem,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        use ProblemType::{NonceExpired, NonceUnknown, NonceUsed, StepUpOver, StepUpUnknown};
        let end = match ProblemType::from_urn(&problem.problem_type) {
            Some(NonceExpired) => StepUpResult::TimedOut,
            Some(NonceUnknown | NonceUsed | StepUpOver | StepUpUnknown) => StepUpResult::Superseded,
            _ => match problem.action() {
                Action::Retry | Action::FreshNonce => return self.retry_step_up(step_up, now),
                Action::Report => {
                    self.retry_step_up(step_up, now);
                    return self.on_session_refused(now, effects);
                }
                Action::ReEnrol => return self.recheck_enrolment(problem, now, effects),
                Action::Tell if channel::is_revoked(problem) => {
                    return self.recheck_enrolment(problem, now, effects);
                }
                Action::Tell => StepUpResult::NoDevice,
            },
        };
        self.step_ups.end(step_up, end, vec![problem_name(problem)], now, effects);
    }

    fn retry_step_up(&mut self, step_up: StepUpId, now: Now) {
        if let Some(request) = self.step_ups.live(step_up)
            && let Stage::Preparing(attempt) = &mut request.stage
        {
            attempt.retry_later(now);
        }
    }

    /// Ends the cycle before the evidence is sent; another may begin.
    fn end_step_up_cycle(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.step = Step::Idle;
        self.begin_if_due(now, effects);
    }
}

/// Checks that the answer is for this evidence, and that the challenge covers the evidence, the displayed
/// transaction and the pinned relying party.
fn check(
    enrolled: &Enrolment,
    nonce: Nonce,
    (transaction, acr): (&Digest, Acr),
    evidence: &[u8],
    answer: &StepUpAnswer,
) -> Result<(), BindingError> {
    verdict::check(&answer.ear, enrolled, Some(nonce), Some(Digest::of(evidence)))
        .map_err(|error| BindingError::Verdict(error.to_string()))?;
    let StepUpNext::Tap { random, options, pin_entered } = &answer.next else { return Ok(()) };
    let text = |member: &str| options.get(member).and_then(Value::as_str);
    if text("rpId") != Some(enrolled.rp_id.as_str()) {
        return Err(BindingError::RelyingParty);
    }
    if text("challenge") != Some(challenge(random, evidence, transaction).to_string().as_str()) {
        return Err(BindingError::Challenge);
    }
    // Only the lowest level takes a tap without a PIN, and only with the time that the person is shown.
    let user_verification = text("userVerification");
    let rests = pin_entered.is_some() && !acr.verifies_each_tap() && user_verification == Some("discouraged");
    if !rests && (pin_entered.is_some() || user_verification != Some("required")) {
        return Err(BindingError::UserVerification);
    }
    match options.get("allowCredentials").and_then(Value::as_array) {
        Some(credentials) if !credentials.is_empty() => Ok(()),
        _ => Err(BindingError::Credentials),
    }
}
