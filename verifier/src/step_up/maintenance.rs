//! Periodic work: expiry of step-ups, events of other processes, and deletion of old rows.

use super::StepUps;
use vitalsign_protocol::problem::Problem;
use vitalsign_protocol::step_up::StepUpResult;

/// Seconds that a device may take to open its event channel before the step-up fails with no device.
pub const DEVICE_SECONDS: u64 = 10;
/// Seconds for which closed step-ups are kept.
const KEPT_SECONDS: u64 = 24 * 3600;
/// Interval in seconds of deleting old step-ups.
const FORGET_SECONDS: u64 = 60;
/// Maximum number of step-ups closed in one transaction.
const BATCH: u32 = 256;

/// State of [`StepUps::maintain`] between calls.
#[derive(Default)]
pub(super) struct MaintenanceState {
    since: Option<u64>,
    forgotten: u64,
    newest_event: u64,
}

impl StepUps {
    /// Closes step-ups that have expired or have no device, deletes old ones, and wakes devices with events
    /// from another process. Call it about once a second.
    ///
    /// # Errors
    /// The store failed; the next call does the remaining work.
    pub async fn maintain(&self, now: u64) -> Result<(), Problem> {
        let mut maintenance = self.maintenance.lock().await;
        // After a restart of the verifier, devices need time to reconnect.
        let since = *maintenance.since.get_or_insert(now);
        for id in self.store.step_ups_expired(now, BATCH).await? {
            self.close(&id, StepUpResult::TimedOut, now).await?;
        }
        if now >= since.saturating_add(DEVICE_SECONDS) {
            for (id, begun, devices) in
                self.store.step_ups_unanswered(now.saturating_sub(DEVICE_SECONDS)).await?
            {
                if !devices.into_iter().any(|device| self.channels.listened(device, begun)) {
                    self.close(&id, StepUpResult::NoDevice, now).await?;
                }
            }
        }
        let newest = self.store.newest_event().await?;
        if newest > maintenance.newest_event {
            self.channels.wake(&self.store.devices_with_events(maintenance.newest_event).await?);
            maintenance.newest_event = newest;
        }
        if now.abs_diff(maintenance.forgotten) >= FORGET_SECONDS {
            self.store.forget_expired(now, now.saturating_sub(KEPT_SECONDS)).await?;
            self.channels.forget(now);
            maintenance.forgotten = now;
        }
        Ok(())
    }
}
