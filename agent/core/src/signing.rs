//! Facts and their signature, for reports, enrolments and step-ups.

use crate::effect::{DeviceEffect, Effect, Signing};
use crate::event::{Now, RequestError, SignedEvidence};
use crate::{Agent, Step};
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::evidence::IntendedUse;
use vitalsign_protocol::id::{Digest, Nonce, Secret, StepUpId};
use vitalsign_protocol::message::EnrolmentChallenge;
use vitalsign_protocol::posture::Posture;

/// Purpose of the evidence that is being signed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Purpose {
    Report {
        nonce: Nonce,
    },
    Enrolment {
        challenge: EnrolmentChallenge,
        /// Secret from the challenge's credential; `None` for a key in software.
        secret: Option<Secret>,
    },
    StepUp {
        step_up: StepUpId,
        nonce: Nonce,
        transaction: Digest,
    },
}

impl Agent {
    pub(crate) fn on_collected(&mut self, posture: Posture, now: Now, effects: &mut Vec<Effect>) {
        match &self.step {
            Step::Collecting => {
                self.posture = Some(posture);
                self.on_report_facts(now, effects);
            }
            Step::CollectingToEnrol { challenge } => {
                let challenge = challenge.clone();
                self.posture = Some(posture);
                self.on_enrolment_facts(challenge, effects);
            }
            Step::CollectingFor { step_up } => {
                let step_up = *step_up;
                self.posture = Some(posture);
                self.on_step_up_facts(step_up, now, effects);
            }
            _ => {}
        }
    }

    /// Requests a signature over the newest facts.
    pub(crate) fn sign(&mut self, purpose: Purpose, effects: &mut Vec<Effect>) {
        let enrolled = self.saved.enrolled.as_ref().map(|enrolled| enrolled.enrolment);
        let (nonces, enrolment, intended_use, quote) = match &purpose {
            Purpose::Report { nonce } => (vec![*nonce], enrolled, IntendedUse::Report, self.quote_wanted),
            Purpose::Enrolment { challenge, .. } => {
                (vec![challenge.nonce], Some(challenge.enrolment), IntendedUse::Registration, true)
            }
            Purpose::StepUp { nonce, transaction, .. } => {
                (vec![*nonce, Nonce(transaction.0)], enrolled, IntendedUse::StepUp, false)
            }
        };
        let names = match &purpose {
            Purpose::Report { .. } => self.take_due_names(effects),
            Purpose::Enrolment { .. } => {
                self.forget_accepted_names();
                self.take_due_names(effects)
            }
            Purpose::StepUp { .. } => None,
        };
        self.step = Step::Signing(purpose);
        let posture = self.posture.clone().unwrap_or_default();
        let signing = Signing { nonces, enrolment, intended_use, names, posture, quote };
        effects.push(DeviceEffect::Sign(Box::new(signing)).into());
    }

    pub(crate) fn on_signed(
        &mut self,
        answer: Result<SignedEvidence, KeyError>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Step::Signing(purpose) = &self.step else { return };
        match (purpose.clone(), answer) {
            (Purpose::StepUp { step_up, .. }, answer) => {
                self.on_step_up_signed(step_up, answer.map(|signed| signed.evidence), now, effects);
            }
            (Purpose::Report { nonce }, Ok(signed)) => self.send_report(nonce, signed, effects),
            (Purpose::Enrolment { challenge, secret }, Ok(signed)) => {
                self.finish_enrolment(challenge.enrolment, secret, signed.evidence, effects);
            }
            (Purpose::Report { .. } | Purpose::Enrolment { .. }, Err(error)) => {
                self.on_failure(RequestError::Key(error), now, effects);
            }
        }
    }
}
