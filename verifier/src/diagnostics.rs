//! Diagnostics that people send to IT (protocol.md section 7): accepts and keeps them.

use crate::config::{Config, DiagnosticsSettings};
use crate::store::Store;
use crate::store::device::Device;
use crate::store::diagnostics::Retention;
use std::sync::Arc;
use vitalsign_protocol::diagnostics::{DiagnosticsReceipt, DiagnosticsReport, check_text};
use vitalsign_protocol::problem::{Problem, ProblemType};

impl DiagnosticsSettings {
    /// Earliest time of receipt of diagnostics that are kept, in seconds since 1970.
    #[must_use]
    pub fn since(&self, now: u64) -> u64 {
        now.saturating_sub(self.keep_days.saturating_mul(24 * 3600))
    }
}

/// Receives diagnostics of devices.
pub struct DiagnosticsReceiver {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Arc<Store>,
}

impl DiagnosticsReceiver {
    /// Stores the diagnostics of a device and returns their reference.
    ///
    /// # Errors
    /// `malformed` for a text that cannot be shown, `rate-limited` after [`MAX_PER_RATE`] in an hour.
    ///
    /// [`MAX_PER_RATE`]: crate::store::diagnostics::MAX_PER_RATE
    pub async fn receive(
        &self,
        device: &Device,
        report: &DiagnosticsReport,
        now: u64,
    ) -> Result<DiagnosticsReceipt, Problem> {
        check_text(&report.text).map_err(|why| Problem::new(ProblemType::Malformed, why))?;
        let settings = &self.config.diagnostics;
        let retention = Retention { since: settings.since(now), max_bytes: settings.max_bytes };
        let reference = self.store.add_diagnostics(device, &report.text, retention, now).await?;
        let reference = reference.ok_or_else(|| Problem::new(ProblemType::RateLimited, ""))?;
        tracing::info!(device = %device.enrolment, %reference, "diagnostics were received");
        Ok(DiagnosticsReceipt { reference })
    }

    /// Deletes diagnostics that are too old.
    pub(crate) async fn forget(&self, now: u64) -> Result<(), Problem> {
        Ok(self.store.forget_diagnostics(self.config.diagnostics.since(now)).await?)
    }
}
