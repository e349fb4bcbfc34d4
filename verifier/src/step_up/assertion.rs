//! Assertions: verifies that the security key's signature covers this transaction, on this device, in its appraised
//! state.

use super::evidence::over;
use super::pin_tap::claims_of;
use super::request::internal;
use super::result::{At, DeviceResult, StepUpClosure, within};
use super::{Approval, StepUps};
use crate::appraisal::step_up::{Health, TappedKey, TappedModel};
use crate::attestation::problem::revoked;
use crate::audit::prove::{Proven, RestsOn};
use crate::audit::{AuditEntry, Kind};
use crate::store::Transaction;
use crate::store::audit;
use crate::store::device::Device;
use crate::store::pin_tap::{self, PinTap};
use crate::store::step_up::{self, Answered, StepUpUser};
use vitalsign_protocol::id::{Base64Url, Digest, StepUpId};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{
    StepUpAssertion, StepUpOutcome, StepUpResult, Transaction as Asked, challenge, transaction_digest,
};
use vitalsign_webauthn::{Asserted, ModelStatus, UserVerification};

/// Authentication methods (RFC 8176) of a tap without a PIN: hardware key, user presence.
const AMR: [&str; 2] = ["hwk", "user"];
/// With a PIN or fingerprint, which cannot be distinguished: multiple factors.
const AMR_VERIFIED: [&str; 3] = ["hwk", "user", "mfa"];

/// Reason why an assertion was rejected.
struct Refused {
    end: StepUpResult,
    reasons: Vec<String>,
}

impl StepUps {
    /// Verifies an assertion. A valid one approves the step-up; an invalid one closes it as well, to prevent
    /// repeated attempts. The same assertion sent again gets the same answer.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
    pub async fn assertion(
        &self,
        device: &Device,
        id: &StepUpId,
        assertion: &StepUpAssertion,
        now: u64,
    ) -> Result<StepUpOutcome, Problem> {
        self.offered(id, device, now).await?;
        let digest = Digest::of(&serde_json::to_vec(&assertion.assertion).map_err(internal)?);
        // From here on only this transaction changes the step-up: the verified data is the approved data.
        let mut connection = self.store.begin().await?;
        let (step_up, offer) = within(&mut connection, id, device).await?;
        match offer.ended {
            Some(end) if offer.assertion == Some(digest) => return Ok(StepUpOutcome { end }),
            Some(end) => return Err(over(end)),
            None => {}
        }
        let nothing = || Problem::new(ProblemType::AssertionInvalid, "No evidence was sent for it before.");
        let answered = offer.answered.as_ref().ok_or_else(nothing)?;
        let device_now = step_up::device_now(&mut connection, device.id).await?.ok_or_else(revoked)?;
        if device_now.generation != answered.generation || device.generation != answered.generation {
            return Err(Problem::new(
                ProblemType::AssertionInvalid,
                "The device re-enrolled after its evidence.",
            ));
        }
        let person = match step_up.user {
            Some(user) => step_up::person(&mut connection, user).await?,
            None => None,
        };
        // A report that came since the evidence counts as well as the evidence.
        let health_now = (device_now.last_report != answered.last_report).then_some(&device_now.health);
        let at = At { step_up: &step_up, device, now };
        let rests_on =
            self.still_rests_on(&mut connection, at, answered, person.as_ref(), health_now).await?;
        let ended = match self.verify(at, answered, person.as_ref(), health_now, rests_on, assertion) {
            Ok((person, asserted, key, rests_on)) => {
                let approved =
                    Approved { at, answered, person, asserted: &asserted, key, rests_on, assertion: &digest };
                self.approve(&mut connection, approved).await?
            }
            Err(Refused { end, reasons }) => {
                tracing::info!(step_up = %id, %end, ?reasons, "a tap was not taken");
                // It may be another person's.
                pin_tap::forget(&mut connection, device.id).await?;
                let ending = DeviceResult {
                    reasons: &reasons,
                    evidence: Some(&answered.evidence),
                    assertion: Some(&digest),
                    ..DeviceResult::of(end)
                };
                let ended = self.close_at(&mut connection, at, ending).await?;
                connection.commit().await?;
                self.notify(ended);
                return Ok(StepUpOutcome { end });
            }
        };
        connection.commit().await?;
        self.notify(ended);
        Ok(StepUpOutcome { end: StepUpResult::Approved })
    }

    /// Returns the tap with a PIN on which the assertion may rest, if it is the one that was offered and if all that was
    /// required of it then still holds.
    async fn still_rests_on(
        &self,
        connection: &mut Transaction<'_>,
        At { step_up, device, now }: At<'_>,
        answered: &Answered,
        person: Option<&StepUpUser>,
        health_now: Option<&Health>,
    ) -> Result<Option<PinTap>, Problem> {
        let Some(offered) = answered.rests_on else { return Ok(None) };
        let Some(claims) = claims_of(answered) else { return Ok(None) };
        let mut rests_on = None;
        for health in [Some(&answered.health), health_now].into_iter().flatten() {
            let at = (step_up, device);
            rests_on = self.resting_place(connection, at, &claims, person, health, now).await?;
            if rests_on.as_ref().is_none_or(|tap| tap.audit != offered) {
                return Ok(None);
            }
        }
        Ok(rests_on)
    }

    /// Verifies the assertion. The returned tap with a PIN is that on which it rests: none if it verified its user itself.
    fn verify<'a>(
        &self,
        At { step_up, device, now }: At<'_>,
        answered: &Answered,
        person: Option<&'a StepUpUser>,
        health_now: Option<&Health>,
        rests_on: Option<PinTap>,
        assertion: &StepUpAssertion,
    ) -> Result<(&'a StepUpUser, Asserted, &'a step_up::UserKey, Option<PinTap>), Refused> {
        let wrong = |why: &dyn std::fmt::Display| Refused {
            end: StepUpResult::WrongKey,
            reasons: vec![why.to_string()],
        };
        let person = person.ok_or_else(|| wrong(&"the user was disabled"))?;
        let passkeys: Vec<String> = person.keys.iter().map(|key| key.passkey.clone()).collect();
        let transaction = transaction_digest(&step_up.transaction);
        let challenge = challenge(&answered.random, &answered.evidence, &transaction);
        let user_verification = match rests_on {
            Some(_) => UserVerification::Discouraged,
            None => UserVerification::Required,
        };
        let asserted =
            self.relying_party.verify(&passkeys, &challenge, &assertion.assertion, user_verification);
        let asserted = asserted.map_err(|error| wrong(&error))?;
        let key = person.keys.iter().find(|key| key.credential == asserted.credential);
        let key = key.ok_or_else(|| wrong(&"the security key is not registered for this person"))?;
        let rests_on = rests_on.filter(|_| !asserted.user_verified);
        if rests_on.as_ref().is_some_and(|tap| tap.security_key != key.id) {
            return Err(wrong(&"the PIN was entered with another security key"));
        }
        if let Some(health) = health_now {
            let reasons = self.refused(step_up, device, health, None, now);
            if !reasons.is_empty() {
                return Err(Refused { end: StepUpResult::Unhealthy, reasons });
            }
        }
        let mut tapped = self.tapped_key(&asserted, now);
        tapped.user_verified |= rests_on.is_some();
        let reasons = self.refused(step_up, device, &answered.health, Some(&tapped), now);
        match reasons.is_empty() {
            true => Ok((person, asserted, key, rests_on)),
            false => Err(Refused { end: StepUpResult::WrongKey, reasons }),
        }
    }

    /// Remembers a tap that verified its user, so that later ones may rest on it. It ends what rested on one before.
    async fn remember_pin(
        &self,
        connection: &mut Transaction<'_>,
        At { step_up, device, now }: At<'_>,
        answered: &Answered,
        key: &step_up::UserKey,
        (user_verified, audit): (bool, u64),
    ) -> Result<(), Problem> {
        if !user_verified {
            return Ok(());
        }
        let claims = claims_of(answered);
        let known = claims.and_then(|claims| Some((claims.pin_period?, claims.boot_count?)));
        let (Some((period, boot_count)), Some(user)) = (known, step_up.user) else {
            return Ok(pin_tap::forget(connection, device.id).await?);
        };
        let tap = PinTap {
            period,
            generation: answered.generation,
            boot_count,
            user,
            security_key: key.id,
            at: now,
            audit,
            hash: audit::hash_of(connection, audit).await?,
        };
        Ok(pin_tap::write(connection, device.id, &tap).await?)
    }

    fn tapped_key(&self, asserted: &Asserted, now: u64) -> TappedKey {
        let standing = self.models.current().of(&asserted.aaguid, now);
        let (hardware, roaming) = match &standing {
            ModelStatus::Accepted(model) => (model.hardware, model.roaming),
            _ => (false, false),
        };
        TappedKey {
            aaguid: asserted.aaguid.to_string(),
            user_verified: asserted.user_verified,
            backup_eligible: asserted.backup_eligible,
            model: match standing {
                ModelStatus::Accepted(_) => TappedModel::Accepted,
                ModelStatus::Unknown => TappedModel::Unknown,
                ModelStatus::Withdrawn { .. } => TappedModel::Withdrawn,
                ModelStatus::ListExpired { .. } => TappedModel::ListExpired,
            },
            hardware,
            roaming,
        }
    }

    /// Commits audit entry, approval, counter and end in one transaction.
    async fn approve(
        &self,
        connection: &mut Transaction<'_>,
        Approved { at, answered, person, asserted, key, rests_on, assertion }: Approved<'_>,
    ) -> Result<StepUpClosure, Problem> {
        let At { step_up, device, now } = at;
        let asked: Asked = serde_json::from_str(&step_up.transaction).map_err(internal)?;
        let subject = Base64Url(person.handle.clone());
        let aaguid = asserted.aaguid.to_string();
        let proven = Proven {
            step_up: step_up.id,
            client: step_up.client.clone(),
            user: person.name.clone(),
            subject: subject.clone(),
            acr: step_up.acr,
            transaction: step_up.transaction.clone(),
            random: answered.random,
            report_key: Base64Url(device.identity.report_key.point().to_vec()),
            credential: Base64Url(asserted.credential.clone()),
            aaguid: aaguid.clone(),
            model: key.model.clone(),
            rp_id: self.relying_party.rp_id().to_owned(),
            origin: self.relying_party.origin().to_owned(),
            proof: asserted.proof.clone(),
            ear: answered.ear.clone(),
            ear_keys: self.attestation.jwks(now),
            policy: self.policy_id(),
            rests_on: rests_on.as_ref().map(|tap| RestsOn { seq: tap.audit, hash: tap.hash }),
        };
        let entry = AuditEntry {
            time: now,
            kind: Kind::StepUpApproved,
            device: Some(device.enrolment),
            body: serde_json::to_string(&proven).map_err(internal)?,
            evidence: Some(answered.evidence.clone()),
        };
        let audit = audit::append(connection, &[entry]).await?;
        self.remember_pin(connection, at, answered, key, (asserted.user_verified, audit)).await?;
        let amr = if asserted.user_verified { &AMR_VERIFIED[..] } else { &AMR };
        let approval = Approval {
            step_up: step_up.id,
            subject: serde_json::to_value(&subject)
                .map_err(internal)?
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            user: person.name.clone(),
            acr: step_up.acr,
            amr: amr.iter().map(|&method| method.to_owned()).collect(),
            auth_time: now,
            ear: Digest::of(answered.ear.as_bytes()),
            ear_status: answered.health.status,
            device: device.enrolment,
            aaguid,
            audit,
            transaction: Some(step_up.transaction.clone()),
            rests_on: rests_on.map(|tap| tap.audit),
            authorization_details: asked.authorization_details,
            redemption: None,
        };
        let approval = serde_json::to_string(&approval).map_err(internal)?;
        step_up::approve(connection, &step_up.id, &approval).await?;
        step_up::key_used(connection, key.id, &asserted.passkey, now).await?;
        step_up::end_offer(connection, &step_up.id, device.id, StepUpResult::Approved, Some(assertion))
            .await?;
        let devices = step_up::end(connection, step_up, (StepUpResult::Approved, &[]), now).await?;
        Ok(StepUpClosure { step_up: Some((step_up.id, StepUpResult::Approved)), devices })
    }
}

struct Approved<'a> {
    at: At<'a>,
    answered: &'a Answered,
    person: &'a StepUpUser,
    asserted: &'a Asserted,
    key: &'a step_up::UserKey,
    /// Tap with the PIN, if this one had none.
    rests_on: Option<PinTap>,
    assertion: &'a Digest,
}
