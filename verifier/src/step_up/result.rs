//! Closes step-ups: on report of a device, by expiry, or by the application. Every result is logged in the
//! transaction that closes the step-up.

use super::StepUps;
use super::evidence::over;
use crate::audit::{AuditEntry, Kind};
use crate::store::audit;
use crate::store::device::Device;
use crate::store::pin_tap;
use crate::store::step_up::{self, By, StepUp};
use crate::store::{StoreError, Transaction};
use serde_json::json;
use vitalsign_protocol::id::{Digest, StepUpId};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{StepUpDeclined, StepUpOutcome, StepUpResult};

/// Device and time of a result.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) step_up: &'a StepUp,
    pub(super) device: &'a Device,
    pub(super) now: u64,
}

/// Result of a step-up at one device.
#[derive(Clone, Copy)]
pub(super) struct DeviceResult<'a> {
    pub(super) end: StepUpResult,
    pub(super) reasons: &'a [String],
    /// Evidence to keep with the result.
    pub(super) evidence: Option<&'a [u8]>,
    /// SHA-256 of the assertion.
    pub(super) assertion: Option<&'a Digest>,
}

impl DeviceResult<'_> {
    pub(super) fn of(end: StepUpResult) -> Self {
        Self { end, reasons: &[], evidence: None, assertion: None }
    }

    /// Returns reasons for the application: the device's failed checks. The reason why an assertion failed is
    /// not disclosed to the application.
    fn disclosed_reasons(&self) -> &[String] {
        if self.end == StepUpResult::Unhealthy { self.reasons } else { &[] }
    }

    /// Returns whether the result closes the step-up for all devices. If the cause is the device or its keys,
    /// another device may succeed.
    fn is_for_all(&self) -> bool {
        !matches!(self.end, StepUpResult::Unhealthy | StepUpResult::NoKey | StepUpResult::PinBlocked)
    }
}

/// Notifications to send once the result is durable.
pub(super) struct StepUpClosure {
    /// The step-up that closed for all devices, and how.
    pub(super) step_up: Option<(StepUpId, StepUpResult)>,
    pub(super) devices: Vec<i64>,
}

impl StepUps {
    /// Handles a result reported by a device.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
    pub async fn decline(
        &self,
        device: &Device,
        id: &StepUpId,
        given_up: &StepUpDeclined,
        now: u64,
    ) -> Result<StepUpOutcome, Problem> {
        let end = given_up.end;
        if !end.is_the_devices_to_say() {
            return Err(Problem::new(
                ProblemType::ClaimsInvalid,
                format!("It is not a device's to say {end}."),
            ));
        }
        self.offered(id, device, now).await?;
        let mut connection = self.store.begin().await?;
        let (step_up, offer) = within(&mut connection, id, device).await?;
        match offer.ended {
            // The device repeats its message, because it did not receive the answer.
            Some(before) if before == end && offer.assertion.is_none() => return Ok(StepUpOutcome { end }),
            Some(before) => return Err(over(before)),
            None => {}
        }
        let at = At { step_up: &step_up, device, now };
        let ended = self.close_at(&mut connection, at, DeviceResult::of(end)).await?;
        if end == StepUpResult::NotMine {
            // The person at the device may not be the one who entered the PIN.
            pin_tap::forget(&mut connection, device.id).await?;
        }
        connection.commit().await?;
        if end == StepUpResult::NotMine {
            tracing::warn!(
                device = %device.enrolment, user = step_up.login_hint, client = step_up.client, step_up = %id,
                "ALERT: a person says that they did not ask for a step-up that came to them"
            );
        }
        self.notify(ended);
        Ok(StepUpOutcome { end })
    }

    /// Closes a step-up for all devices. Returns `false` if it was already closed.
    pub(super) async fn close(&self, id: &StepUpId, end: StepUpResult, now: u64) -> Result<bool, Problem> {
        let mut connection = self.store.begin().await?;
        let found = step_up::find(&mut *connection, By::Id(id)).await?;
        let Some(found) = found.filter(|it| it.ended.is_none()) else { return Ok(false) };
        let devices = step_up::end(&mut connection, &found, (end, &[]), now).await?;
        audit::append(&mut connection, &[entry(&found, None, &DeviceResult::of(end), true, now)]).await?;
        connection.commit().await?;
        self.notify(StepUpClosure { step_up: Some((*id, end)), devices });
        Ok(true)
    }

    /// Ends a step-up at one device, or at all if the result is final or no other device listens.
    pub(super) async fn close_at(
        &self,
        connection: &mut Transaction<'_>,
        At { step_up, device, now }: At<'_>,
        ending: DeviceResult<'_>,
    ) -> Result<StepUpClosure, StoreError> {
        step_up::end_offer(connection, &step_up.id, device.id, ending.end, ending.assertion).await?;
        let others = step_up::waiting(connection, &step_up.id).await?;
        let over = ending.is_for_all() || !others.into_iter().any(|other| self.channels.listens(other));
        let devices = match over {
            true => step_up::end(connection, step_up, (ending.end, ending.disclosed_reasons()), now).await?,
            false => Vec::new(),
        };
        audit::append(connection, &[entry(step_up, Some(device), &ending, over, now)]).await?;
        Ok(StepUpClosure { step_up: over.then_some((step_up.id, ending.end)), devices })
    }

    /// Wakes devices and waiting requests. Call it once the result is durable.
    pub(super) fn notify(&self, closure: StepUpClosure) {
        self.channels.wake(&closure.devices);
        if let Some((step_up, end)) = closure.step_up {
            self.metrics.step_up(end);
            // Fails if no task is waiting.
            let _ = self.results.send(step_up);
        }
    }
}

/// Reads the step-up and the device's offer within this transaction.
pub(super) async fn within(
    connection: &mut Transaction<'_>,
    id: &StepUpId,
    device: &Device,
) -> Result<(StepUp, step_up::Offer), Problem> {
    let unknown = || Problem::new(ProblemType::StepUpUnknown, "");
    let found = step_up::find(&mut **connection, By::Id(id)).await?.ok_or_else(unknown)?;
    let offer = step_up::offer(&mut **connection, id, device.id).await?.ok_or_else(unknown)?;
    Ok((found, offer))
}

fn entry(
    step_up: &StepUp,
    device: Option<&Device>,
    ending: &DeviceResult<'_>,
    over: bool,
    now: u64,
) -> AuditEntry {
    let mut body = json!({
        "step_up": step_up.id,
        "client": step_up.client,
        "user": step_up.login_hint,
        "acr": step_up.acr,
        "transaction": step_up.transaction,
        "end": ending.end,
        "over": over,
    });
    if let Some(body) = body.as_object_mut() {
        if !ending.reasons.is_empty() {
            body.insert("reasons".into(), ending.reasons.into());
        }
        if ending.end == StepUpResult::NotMine {
            body.insert("alert".into(), true.into());
        }
    }
    AuditEntry {
        time: now,
        kind: Kind::StepUpClosed,
        device: device.map(|device| device.enrolment),
        body: body.to_string(),
        evidence: ending.evidence.map(<[u8]>::to_vec),
    }
}
