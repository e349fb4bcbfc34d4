//! Attestation: evidence in, attestation result out (RFC 9334 section 3), and the sessions that a report opens.

pub mod boot;
mod device_cache;
pub(crate) mod in_work;
pub(crate) mod problem;
mod quote;
mod report;
mod session;
pub(crate) mod verdict;

pub(crate) use quote::{Challenge, ChallengePurpose};
pub(crate) use session::OpenSession;
pub(crate) use verdict::key_attestation;

use crate::appraisal::Appraiser;
use crate::config::Config;
use crate::keyring::LiveKeys;
use crate::live::Live;
use crate::nonce::{Nonces, Purpose};
use crate::pace::{Paces, Rate};
use crate::signing_keys::SigningKeys;
use crate::store::Store;
use crate::store::report::Reports;
use device_cache::DeviceCache;
use in_work::AllInWork;
use std::sync::Arc;
use std::time::Duration;
use vitalsign_protocol::id::{Nonce, Thumbprint};
use vitalsign_protocol::jwt::JwkSet;
use vitalsign_protocol::message::NonceAnswer;
use vitalsign_protocol::problem::Problem;

/// Lifetime in seconds of a nonce that no report was answered with.
const FIRST_NONCE_SECONDS: u64 = 60;
/// Rate of a device's reports with an event log: one is asked for after a boot, and once a day.
const LOG_RATE: Rate = Rate { burst: 6, each: Duration::from_secs(300) };
/// Rate of a device's evidence that the audit log keeps in full. Of all other evidence it keeps the digest.
const KEPT_EVIDENCE_RATE: Rate = Rate { burst: 24, each: Duration::from_secs(600) };

/// Verifies and appraises the evidence of enrolled devices.
pub struct Attestation {
    config: Arc<Config>,
    store: Arc<Store>,
    nonces: Arc<Nonces>,
    appraiser: Live<Appraiser>,
    ear_keys: LiveKeys<SigningKeys>,
    devices: DeviceCache,
    reports: Reports,
    /// Nonces whose quote is being verified.
    quotes_in_work: AllInWork<Nonce>,
    /// Devices of which an event log is being received.
    logs_in_work: AllInWork<Thumbprint>,
    /// Paces of devices, by their row in the store.
    report_paces: Paces<i64>,
    log_paces: Paces<i64>,
    kept_evidence_paces: Paces<i64>,
}

impl Attestation {
    /// Must be called in a tokio runtime, where its writer runs until it is dropped.
    pub(crate) fn open(
        config: Arc<Config>,
        store: Arc<Store>,
        nonces: Arc<Nonces>,
        appraiser: Appraiser,
        ear_keys: LiveKeys<SigningKeys>,
    ) -> Self {
        let (reports, writer) = Reports::start(store.clone(), config.nonce_seconds);
        tokio::spawn(async move {
            // Without it every report fails. The service manager starts the verifier again. When the runtime shuts down,
            // the writer is cancelled, which is no failure.
            if let Err(error) = writer.await
                && error.is_panic()
            {
                tracing::error!(%error, "the writer of reports failed: ending");
                std::process::abort();
            }
        });
        let devices = DeviceCache::new(config.limits.remembered_devices);
        let limits = config.limits;
        let reports_rate =
            Rate { burst: limits.report_burst, each: Duration::from_secs(limits.report_pace_seconds) };
        let paces = |rate| Paces::new(rate, limits.remembered_devices);
        Self {
            report_paces: paces(reports_rate),
            log_paces: paces(LOG_RATE),
            kept_evidence_paces: paces(KEPT_EVIDENCE_RATE),
            config,
            store,
            nonces,
            appraiser: Live::new(appraiser),
            ear_keys,
            devices,
            reports,
            quotes_in_work: AllInWork::default(),
            logs_in_work: AllInWork::default(),
        }
    }

    /// Issues a nonce for the holder of a report key. Unauthenticated, because a nonce costs nothing until it
    /// is used.
    pub fn nonce(&self, kid: &Thumbprint, now: u64) -> Result<NonceAnswer, Problem> {
        let nonce_seconds = FIRST_NONCE_SECONDS;
        let nonce = self.nonces.issue(Purpose::Report, kid, now + nonce_seconds)?;
        Ok(NonceAnswer { nonce, nonce_seconds: nonce_seconds.into() })
    }

    /// Returns the keys that verify attestation results.
    #[must_use]
    pub fn jwks(&self, now: u64) -> JwkSet {
        self.ear_keys.get().published(now)
    }

    /// Returns the announcements that lead a device from the keys that it pins to the newest one.
    #[must_use]
    pub fn announcements_after(&self, pinned: &[String]) -> Vec<String> {
        self.ear_keys.get().announcements_after(pinned)
    }

    /// Returns the keys that a new device pins.
    pub(crate) fn keys_to_pin(&self) -> JwkSet {
        self.ear_keys.get().to_pin()
    }

    /// Loads signing keys that an administrator replaced.
    pub async fn refresh_keys(&self, now: u64) {
        self.ear_keys.refresh(now).await;
    }

    /// Returns when the key that signs was made, in seconds since 1970.
    pub(crate) fn key_made_at(&self) -> u64 {
        self.ear_keys.get().made_at()
    }

    /// Returns the number of reports that wait to be written.
    pub(crate) fn queued_reports(&self) -> usize {
        self.reports.queued()
    }

    /// Appraises by another policy from now on.
    pub(crate) fn set_policy(&self, appraiser: Appraiser) {
        self.appraiser.set(appraiser);
    }

    /// Returns the ID of the appraisal policy in force.
    #[must_use]
    pub fn policy_id(&self) -> String {
        self.appraiser.get().policy_id().to_owned()
    }

    /// Returns whether a device may enrol with a key in software.
    pub(crate) fn accepts_software_keys(&self) -> bool {
        self.appraiser.get().accepts_software_keys()
    }

    /// Forgets the cached device with this report key, because the store has a newer one.
    pub(crate) fn forget(&self, kid: &Thumbprint) {
        self.devices.forget(kid);
    }
}
