//! PIN once per shift: decides whether a tap may rest on an earlier one with a PIN or fingerprint. It is decided when the
//! tap is asked for and again when the assertion arrives, in the transaction that uses the decision.

use super::StepUps;
use crate::appraisal::step_up::{Health, Question};
use crate::attestation::key_attestation;
use crate::store::device::Device;
use crate::store::pin_tap::{self, PinTap};
use crate::store::step_up::{Answered, StepUp, StepUpUser};
use crate::store::{StoreError, Transaction};
use vitalsign_protocol::evidence::{self, Claims};

/// Seconds of an hour.
const HOUR: u64 = 3600;

impl StepUps {
    /// Returns the tap with a PIN on which this step-up's tap may rest: by the same person with the same key, at the same
    /// device in the same boot and PIN period, not too long ago. Without one, the key must verify its user.
    pub(super) async fn resting_place(
        &self,
        connection: &mut Transaction<'_>,
        (step_up, device): (&StepUp, &Device),
        claims: &Claims,
        person: Option<&StepUpUser>,
        health: &Health,
        now: u64,
    ) -> Result<Option<PinTap>, StoreError> {
        let limit = self.config.step_up.pin_hours.saturating_mul(HOUR);
        if step_up.acr.verifies_each_tap() || limit == 0 {
            return Ok(None);
        }
        let (Some(period), Some(boot_count)) = (claims.pin_period, claims.boot_count) else {
            return Ok(None);
        };
        let Some(tap) = pin_tap::read(connection, device.id).await? else { return Ok(None) };
        let same = tap.period == period
            && tap.generation == device.generation
            && tap.boot_count == boot_count
            && step_up.user == Some(tap.user);
        // A clock that was set back proves no age.
        let recent = now.checked_sub(tap.at).is_some_and(|age| age <= limit);
        let key_is_valid =
            person.is_some_and(|person| person.keys.iter().any(|key| key.id == tap.security_key));
        if !same || !recent || !key_is_valid || !pin_tap::is_allowed(connection, &step_up.client).await? {
            return Ok(None);
        }
        Ok((!self.requires_pin(step_up, device, health, now)).then_some(tap))
    }

    /// Returns whether policy requires the PIN at a device in this state. A policy without an answer does.
    fn requires_pin(&self, step_up: &StepUp, device: &Device, health: &Health, now: u64) -> bool {
        let key = key_attestation(&device.identity, now);
        let question = Question { acr: step_up.acr, device: health, key, security_key: None, now };
        let required = self.policy.get().pin_required(&question).unwrap_or_else(|error| {
            tracing::error!(%error, "the step-up policy failed: the PIN is required");
            vec!["policy".to_owned()]
        });
        !required.is_empty()
    }
}

/// Reads the claims of evidence that was verified when it came.
pub(super) fn claims_of(answered: &Answered) -> Option<Claims> {
    let parsed = evidence::parse(&answered.evidence, evidence::MAX_BYTES).ok()?;
    Some(parsed.claims_unverified().0.clone())
}
