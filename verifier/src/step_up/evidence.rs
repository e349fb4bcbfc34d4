//! Evidence for a step-up: checks that it comes from the device, meets the level and covers this transaction.

use super::StepUps;
use super::pin_tap::claims_of;
use super::result::{At, DeviceResult};
use crate::appraisal::step_up::{Health, Question, TappedKey};
use crate::attestation::{Challenge, ChallengePurpose, key_attestation, problem};
use crate::caller;
use crate::random::random;
use crate::store::device::Device;
use crate::store::pin_tap::PinTap;
use crate::store::step_up::{self, Answered, By, Offer, StepUp, StepUpUser};
use std::sync::Arc;
use vitalsign_protocol::evidence::{self, IntendedUse};
use vitalsign_protocol::id::{Nonce, StepUpId};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{
    Acr, NO_SECURITY_KEY, StepUpAnswer, StepUpNext, StepUpResult, challenge, transaction_digest,
};
use vitalsign_webauthn::UserVerification;

impl StepUps {
    /// Verifies and appraises a device's evidence for a step-up. If the device meets the level, the answer says what
    /// the user's security key must sign; otherwise the step-up ends. The same evidence gets the same answer again;
    /// other evidence replaces it, with another `R`, until an assertion was accepted.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
    pub async fn evidence(&self, id: &StepUpId, bytes: &[u8], now: u64) -> Result<StepUpAnswer, Problem> {
        let unverified = evidence::parse(bytes, evidence::MAX_BYTES).map_err(problem::of_evidence)?;
        let device = self.attestation.device_now(&unverified.kid()).await?;
        let device = device.ok_or_else(|| Problem::new(ProblemType::DeviceUnknown, ""))?;
        let verified = unverified.verify(&device.identity.report_key).map_err(problem::of_evidence)?;
        caller::device(&device.enrolment);
        let claims = &verified.claims;
        let refused = |why: &str| Err(Problem::new(ProblemType::ClaimsInvalid, why));
        if claims.intended_use != IntendedUse::StepUp {
            return refused("intuse is not that of a step-up");
        }
        if claims.enrolment != Some(device.enrolment) {
            return refused("sueids is not this device's enrolment");
        }
        let (step_up, offer) = self.offered(id, &device, now).await?;
        let transaction = transaction_digest(&step_up.transaction);
        if claims.nonces != [offer.nonce, Nonce(transaction.0)] {
            return refused("eat_nonce is not the nonce of this step-up and the digest of its transaction");
        }
        let again = offer.answered.as_ref().filter(|answered| answered.evidence == bytes);
        if let Some(answered) = again.filter(|it| it.generation == device.generation) {
            return self.answer_again(&step_up, &device, &offer, answered, now).await;
        }
        if let Some(end) = offer.ended {
            return Err(over(end));
        }

        let before = device.standing();
        let challenge = Challenge { nonce: offer.nonce, purpose: ChallengePurpose::StepUp };
        let quoted = verified.claims.boot.as_ref().map(|quote| (quote, &challenge));
        let mut verdict =
            self.attestation.appraise(&device.identity, &before, &verified, quoted, bytes, now).await?;
        let health = Health::of(&verdict.appraised);
        let ear = self.attestation.sign_verdict(&device.enrolment, offer.nonce, &mut verdict, now)?;
        let reasons = self.refused(&step_up, &device, &health, None, now);
        let random = Nonce(random()?);
        let mut connection = self.store.begin_unsynced().await?;
        let device_now =
            step_up::device_now(&mut connection, device.id).await?.ok_or_else(problem::revoked)?;
        if device_now.generation != device.generation {
            return Err(Problem::new(ProblemType::Busy, "The device is being changed. Try again later."));
        }
        let person = match step_up.user {
            Some(user) => step_up::person(&mut connection, user).await?,
            None => None,
        };
        let at = (&step_up, &*device);
        let rests_on = self.resting_place(&mut connection, at, claims, person.as_ref(), &health, now).await?;
        let answered = Answered {
            evidence: bytes.to_vec(),
            random,
            ear: ear.clone(),
            health,
            generation: device.generation,
            last_report: device_now.last_report,
            rests_on: rests_on.as_ref().map(|tap| tap.audit),
        };
        if !step_up::answer(&mut connection, id, device.id, &answered, now).await? {
            return Err(over(step_up.ended.unwrap_or(StepUpResult::TimedOut)));
        }
        let at = At { step_up: &step_up, device: &device, now };
        let (next, ending) = if !reasons.is_empty() {
            let ending = DeviceResult {
                reasons: &reasons,
                evidence: Some(bytes),
                ..DeviceResult::of(StepUpResult::Unhealthy)
            };
            let ended = self.close_at(&mut connection, at, ending).await?;
            (StepUpNext::Unhealthy { reasons }, Some(ended))
        } else if let Some(person) = person.filter(|person| !person.keys.is_empty()) {
            (self.tap(&step_up, &answered, &person, rests_on.as_ref(), now)?, None)
        } else {
            // Without a usable security key, the device does not prompt.
            let reasons = vec![NO_SECURITY_KEY.to_owned()];
            let ending = DeviceResult { reasons: &reasons, ..DeviceResult::of(StepUpResult::NoKey) };
            let ended = self.close_at(&mut connection, at, ending).await?;
            (StepUpNext::Unhealthy { reasons }, Some(ended))
        };
        connection.commit().await?;
        if let Some(ended) = ending {
            self.store.sync().await?;
            self.notify(ended);
        }
        Ok(StepUpAnswer { ear, next })
    }

    /// Reads a step-up at a device, and ends it if it has expired.
    pub(super) async fn offered(
        &self,
        id: &StepUpId,
        device: &Device,
        now: u64,
    ) -> Result<(StepUp, Offer), Problem> {
        let unknown = || Problem::new(ProblemType::StepUpUnknown, "");
        let step_up = step_up::find(self.store.readers(), By::Id(id)).await?.ok_or_else(unknown)?;
        let offer = step_up::offer(self.store.readers(), id, device.id).await?.ok_or_else(unknown)?;
        if step_up.ended.is_none() && step_up.expires <= now {
            self.close(id, StepUpResult::TimedOut, now).await?;
            return Err(over(StepUpResult::TimedOut));
        }
        Ok((step_up, offer))
    }

    /// Repeats the answer to evidence that was already accepted, because the device did not receive it.
    async fn answer_again(
        &self,
        step_up: &StepUp,
        device: &Arc<Device>,
        offer: &Offer,
        answered: &Answered,
        now: u64,
    ) -> Result<StepUpAnswer, Problem> {
        let next = match offer.ended {
            None => {
                let mut connection = self.store.begin().await?;
                let person = match step_up.user {
                    Some(user) => step_up::person(&mut connection, user).await?,
                    None => None,
                };
                let rests_on = match claims_of(answered).filter(|_| answered.rests_on.is_some()) {
                    Some(claims) => {
                        let at = (step_up, &**device);
                        let person = person.as_ref();
                        self.resting_place(&mut connection, at, &claims, person, &answered.health, now)
                            .await?
                    }
                    None => None,
                };
                let rests_on = rests_on.filter(|tap| answered.rests_on == Some(tap.audit));
                let person = person.unwrap_or_default();
                self.tap(step_up, answered, &person, rests_on.as_ref(), now)?
            }
            Some(StepUpResult::Unhealthy) => {
                StepUpNext::Unhealthy { reasons: self.refused(step_up, device, &answered.health, None, now) }
            }
            Some(end) => return Err(over(end)),
        };
        Ok(StepUpAnswer { ear: answered.ear.clone(), next })
    }

    fn tap(
        &self,
        step_up: &StepUp,
        answered: &Answered,
        person: &StepUpUser,
        rests_on: Option<&PinTap>,
        now: u64,
    ) -> Result<StepUpNext, Problem> {
        let user_verification = match rests_on {
            Some(_) => UserVerification::Discouraged,
            None => UserVerification::Required,
        };
        // The key with which the PIN was entered comes first: with any other, the device asks for the PIN.
        let first = |id: i64| rests_on.is_some_and(|tap| tap.security_key == id);
        let (first, others): (Vec<_>, Vec<_>) = person.keys.iter().partition(|key| first(key.id));
        let keys: Vec<String> = first.into_iter().chain(others).map(|key| key.passkey.clone()).collect();
        let transaction = transaction_digest(&step_up.transaction);
        let challenge = challenge(&answered.random, &answered.evidence, &transaction);
        let seconds = step_up.expires.saturating_sub(now);
        let options = self.relying_party.request(&keys, &challenge, seconds, user_verification);
        let options = options.map_err(|error| {
            tracing::error!(%error, "asking for a security key");
            Problem::new(ProblemType::Internal, "")
        })?;
        Ok(StepUpNext::Tap { random: answered.random, options, pin_entered: rests_on.map(|tap| tap.at) })
    }

    /// Returns the reasons for which the level is refused. A policy without an answer refuses.
    pub(super) fn refused(
        &self,
        step_up: &StepUp,
        device: &Device,
        health: &Health,
        security_key: Option<&TappedKey>,
        now: u64,
    ) -> Vec<String> {
        let acr: Acr = step_up.acr;
        let key = key_attestation(&device.identity, now);
        let question = Question { acr, device: health, key, security_key, now };
        self.policy.get().refused(&question).unwrap_or_else(|error| {
            tracing::error!(%error, "the step-up policy failed: the level is refused");
            vec!["policy".to_owned()]
        })
    }
}

pub(super) fn over(end: StepUpResult) -> Problem {
    Problem::new(ProblemType::StepUpOver, format!("It ended: {end}."))
}
