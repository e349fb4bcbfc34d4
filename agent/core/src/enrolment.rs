//! Enrolment: begin, sign the registration, finish. Whatever step it stops at, beginning again is safe: the verifier
//! knows the device by its keys.

use crate::effect::{DeviceEffect, Effect, RecordEffect, Transition, VerifierEffect};
use crate::event::{Now, RequestError};
use crate::signing::Purpose;
use crate::{Agent, Saved, Step};
use vitalsign_ipc::AgentState;
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::{Base64Url, EnrolmentId, Secret};
use vitalsign_protocol::message::{Enrolled, EnrolmentChallenge, EnrolmentKeys, EnrolmentProof};

impl Agent {
    /// Enrols at once with a new token, whatever prevented enrolment before.
    pub(crate) fn on_enrol_now(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.step == Step::Idle {
            self.schedule.begin_cycle(now);
            self.begin_enrolment(false, effects);
        } else {
            self.schedule.bring_forward(now);
        }
    }

    pub(crate) fn begin_enrolment(&mut self, renew_key: bool, effects: &mut Vec<Effect>) {
        self.standing = AgentState::Enrolling;
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

    pub(crate) fn forget_enrolment(&mut self, effects: &mut Vec<Effect>) {
        self.saved = Saved::default();
        self.ear = None;
        self.nonce = None;
        effects.push(RecordEffect::Save(Box::new(self.saved.clone())).into());
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
                self.close_step_ups(now, effects);
                self.channel.forget(effects);
                self.saved.enrolled = Some((&*enrolled).into());
                effects.push(Transition::Enrolled(enrolment).into());
                self.on_verdict(&enrolled.report, None, None, now, effects);
            }
            Err(failure) => self.on_failure(failure, now, effects),
        }
    }
}
