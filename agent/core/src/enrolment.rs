//! Enrolment: begin, sign the registration, finish. Whatever step it stops at, beginning again is safe: the verifier
//! knows the device by its keys.

use crate::effect::{DeviceEffect, Effect, Transition, VerifierEffect};
use crate::event::{Now, RequestError};
use crate::saved::Enrolment;
use crate::signing::Purpose;
use crate::{Agent, Step, verdict};
use vitalsign_ipc::AgentState;
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::{Base64Url, EnrolmentId, Secret};
use vitalsign_protocol::message::{Enrolled, EnrolmentChallenge, EnrolmentKeys, EnrolmentProof};
use vitalsign_protocol::problem::ProblemType;

/// Reason why an enrolment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The verifier knows no such device, for example because it was restored from a backup.
    DeviceUnknown,
    /// The key's hardware does not take the key; with its error, for people.
    KeyLost(String),
}

impl Agent {
    /// Enrols at once with a new token, whatever prevented enrolment before.
    pub(crate) fn on_enrol_now(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.step == Step::Idle {
            self.schedule.begin_cycle(now);
            self.begin_enrolment(false, effects);
        } else {
            self.enrol_next = true;
            self.schedule.bring_forward(now);
        }
    }

    /// Returns whether the agent should enrol again: it has an enrolment that failed in use.
    pub(crate) fn can_renew(&self) -> bool {
        self.saved.enrolled.is_some() && !self.is_enrolling()
    }

    /// Returns whether the current cycle is an enrolment.
    pub(crate) fn is_enrolling(&self) -> bool {
        match &self.step {
            Step::ReadingKeys
            | Step::Beginning
            | Step::CollectingToEnrol { .. }
            | Step::Activating { .. }
            | Step::Finishing { .. } => true,
            Step::Signing(purpose) => matches!(purpose, Purpose::Enrolment { .. }),
            _ => false,
        }
    }

    /// Enrols again and keeps the enrolment until the new one is whole: the verifier may know it again later, and the
    /// key may work again.
    pub(crate) fn begin_renewal(&mut self, renewal: Renewal, now: Now, effects: &mut Vec<Effect>) {
        self.close_step_ups(now, effects);
        self.channel.forget(effects);
        self.nonce = None;
        let renew_key = matches!(renewal, Renewal::KeyLost(_));
        self.renewal = Some(renewal);
        self.begin_enrolment(renew_key, effects);
    }

    /// Shows why the enrolment cannot be used and what an administrator must do. The next cycle reports with the old
    /// enrolment, and tries again to enrol if that fails.
    pub(crate) fn on_renewal_failure(&mut self, why: &str, now: Now) {
        self.standing = match &self.renewal {
            Some(Renewal::KeyLost(detail)) => AgentState::KeyTrouble {
                detail: format!("{detail}; IT must give this device a new enrolment token ({why})"),
            },
            _ => AgentState::Refused {
                problem: ProblemType::DeviceUnknown.urn().to_owned(),
                detail: format!(
                    "The verifier does not know this device. IT must restore the verifier's newest backup, or give this \
                     device a new enrolment token ({why})."
                ),
            },
        };
        self.back_off(now);
    }

    pub(crate) fn begin_enrolment(&mut self, renew_key: bool, effects: &mut Vec<Effect>) {
        // A renewal that fails again and again shows its own state throughout.
        if self.renewal.is_none() {
            self.standing = AgentState::Enrolling;
        }
        self.step = Step::ReadingKeys;
        effects.push(DeviceEffect::ReadEnrolmentKeys { renew_key }.into());
    }

    pub(crate) fn on_enrolment_keys(
        &mut self,
        answer: Result<Box<EnrolmentKeys>, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.step != Step::ReadingKeys {
            return;
        }
        match answer {
            Ok(keys) => {
                self.step = Step::Beginning;
                effects.push(VerifierEffect::BeginEnrolment(keys).into());
            }
            Err(failure) => self.on_failure(failure, now, effects),
        }
    }

    pub(crate) fn on_enrolment_challenge(
        &mut self,
        answer: Result<EnrolmentChallenge, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.step != Step::Beginning {
            return;
        }
        match answer {
            Ok(challenge) => {
                self.step = Step::CollectingToEnrol { challenge };
                effects.push(DeviceEffect::Collect.into());
            }
            Err(failure) => self.on_failure(failure, now, effects),
        }
    }

    pub(crate) fn on_enrolment_facts(&mut self, challenge: EnrolmentChallenge, effects: &mut Vec<Effect>) {
        match challenge.credential.clone() {
            Some(credential) => {
                self.step = Step::Activating { challenge };
                effects.push(DeviceEffect::Activate(Box::new(credential)).into());
            }
            None => self.sign(Purpose::Enrolment { challenge, secret: None }, effects),
        }
    }

    pub(crate) fn on_activated(
        &mut self,
        answer: Result<Secret, KeyError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Step::Activating { challenge } = &self.step else { return };
        let challenge = challenge.clone();
        match answer {
            Ok(secret) => self.sign(Purpose::Enrolment { challenge, secret: Some(secret) }, effects),
            Err(error) => self.on_failure(RequestError::Key(error), now, effects),
        }
    }

    pub(crate) fn finish_enrolment(
        &mut self,
        enrolment: EnrolmentId,
        secret: Option<Secret>,
        evidence: Vec<u8>,
        effects: &mut Vec<Effect>,
    ) {
        self.step = Step::Finishing { enrolment };
        let proof = Box::new(EnrolmentProof { secret, evidence: Base64Url(evidence) });
        effects.push(VerifierEffect::FinishEnrolment { enrolment, proof }.into());
    }

    pub(crate) fn on_enrolment_answer(
        &mut self,
        answer: Result<Box<Enrolled>, RequestError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Step::Finishing { enrolment } = self.step else { return };
        match answer {
            Ok(enrolled) if enrolled.enrolment != enrolment => {
                self.on_failure(
                    RequestError::InvalidAnswer("the verifier finished another enrolment".into()),
                    now,
                    effects,
                );
            }
            Ok(enrolled) => {
                let whole = Enrolment::from(&*enrolled);
                // Checks the verdict first, because the enrolment replaces one that may still be good.
                if let Err(error) = verdict::check(&enrolled.report.ear, &whole, None, None) {
                    effects.push(Transition::VerdictRefused(error.to_string()).into());
                    return self.on_failure(RequestError::InvalidAnswer(error.to_string()), now, effects);
                }
                self.close_step_ups(now, effects);
                self.channel.forget(effects);
                self.saved.enrolled = Some(whole);
                effects.push(Transition::Enrolled(enrolment).into());
                self.on_verdict(&enrolled.report, None, None, now, effects);
            }
            Err(failure) => self.on_failure(failure, now, effects),
        }
    }
}
