//! Assertions: verifies that the security key's signature covers this transaction, on this device, in its appraised
//! state.

use super::evidence::over;
use super::request::internal;
use super::result::{At, DeviceResult, StepUpClosure, within};
use super::{Approval, StepUps};
use crate::appraisal::step_up::{Health, TappedKey, TappedModel};
use crate::attestation::problem::revoked;
use crate::audit::prove::Proven;
use crate::audit::{AuditEntry, Kind};
use crate::store::Transaction;
use crate::store::audit;
use crate::store::device::Device;
use crate::store::step_up::{self, Answered, StepUpUser};
use vitalsign_protocol::id::{Base64Url, Digest, StepUpId};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{
    StepUpAssertion, StepUpOutcome, StepUpResult, Transaction as Asked, challenge, transaction_digest,
};
use vitalsign_webauthn::{Asserted, ModelStatus};

/// Authentication methods (RFC 8176): hardware key, user presence, multiple factors. PIN and fingerprint
/// cannot be distinguished.
const AMR: [&str; 3] = ["hwk", "user", "mfa"];

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
        let ended = match self.verify(at, answered, person.as_ref(), health_now, assertion) {
            Ok((person, asserted, key)) => {
                let approved =
                    Approved { at, answered, person, asserted: &asserted, key, assertion: &digest };
                self.approve(&mut connection, approved).await?
            }
            Err(Refused { end, reasons }) => {
                tracing::info!(step_up = %id, %end, ?reasons, "a tap was not taken");
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

    fn verify<'a>(
        &self,
        At { step_up, device, now }: At<'_>,
        answered: &Answered,
        person: Option<&'a StepUpUser>,
        health_now: Option<&Health>,
        assertion: &StepUpAssertion,
    ) -> Result<(&'a StepUpUser, Asserted, &'a step_up::UserKey), Refused> {
        let wrong = |why: &dyn std::fmt::Display| Refused {
            end: StepUpResult::WrongKey,
            reasons: vec![why.to_string()],
        };
        let person = person.ok_or_else(|| wrong(&"the user was disabled"))?;
        let passkeys: Vec<String> = person.keys.iter().map(|key| key.passkey.clone()).collect();
        let transaction = transaction_digest(&step_up.transaction);
        let challenge = challenge(&answered.random, &answered.evidence, &transaction);
        let asserted = self.relying_party.verify(&passkeys, &challenge, &assertion.assertion);
        let asserted = asserted.map_err(|error| wrong(&error))?;
        let key = person.keys.iter().find(|key| key.credential == asserted.credential);
        let key = key.ok_or_else(|| wrong(&"the security key is not registered for this person"))?;
        if let Some(health) = health_now {
            let reasons = self.refused(step_up, device, health, None, now);
            if !reasons.is_empty() {
                return Err(Refused { end: StepUpResult::Unhealthy, reasons });
            }
        }
        let tapped = self.tapped_key(&asserted, now);
        let reasons = self.refused(step_up, device, &answered.health, Some(&tapped), now);
        match reasons.is_empty() {
            true => Ok((person, asserted, key)),
            false => Err(Refused { end: StepUpResult::WrongKey, reasons }),
        }
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
        Approved { at, answered, person, asserted, key, assertion }: Approved<'_>,
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
        };
        let entry = AuditEntry {
            time: now,
            kind: Kind::StepUpApproved,
            device: Some(device.enrolment),
            body: serde_json::to_string(&proven).map_err(internal)?,
            evidence: Some(answered.evidence.clone()),
        };
        let audit = audit::append(connection, &[entry]).await?;
        let approval = Approval {
            step_up: step_up.id,
            subject: serde_json::to_value(&subject)
                .map_err(internal)?
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            user: person.name.clone(),
            acr: step_up.acr,
            amr: AMR.map(str::to_owned).to_vec(),
            auth_time: now,
            ear: Digest::of(answered.ear.as_bytes()),
            ear_status: answered.health.status,
            device: device.enrolment,
            aaguid,
            audit,
            transaction: Some(step_up.transaction.clone()),
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
    assertion: &'a Digest,
}
