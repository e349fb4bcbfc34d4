//! Health: `/health/live` says that the process answers, `/health/ready` that it can accept reports. The second writes to the
//! store, but not more often than every few seconds, because every client can ask.

use crate::Verifier;
use crate::disk;
use crate::expiry::{self, Expiring, Urgency};
use crate::metrics::Gauges;
use crate::store::key::KeyPurpose;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Time for which a result holds.
const CACHED: Duration = Duration::from_secs(2);
/// Time for which the certificates that were read count.
const EXPIRIES_CACHED: Duration = Duration::from_secs(60);
/// Free bytes below which the verifier is not ready.
const MIN_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// State of the verifier.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Health {
    pub(super) ready: bool,
    /// Reasons why it is not ready.
    pub(super) problems: Vec<String>,
    /// Everything that expires, the first to expire first.
    expiring: Vec<Due>,
    disk_free_bytes: Option<u64>,
    store_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Due {
    #[serde(flatten)]
    expiring: Expiring,
    urgency: Urgency,
    seconds_left: u64,
}

pub(super) struct HealthCheck {
    verifier: Arc<Verifier>,
    last: Mutex<Last>,
}

/// Last results. Files are read less often than the store is written.
#[derive(Default)]
struct Last {
    health: Option<(Instant, Arc<Health>)>,
    expiring: Option<(Instant, Vec<Expiring>)>,
}

impl HealthCheck {
    pub(super) fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifier, last: Mutex::default() }
    }

    /// Returns the state, at most a few seconds old. Concurrent callers share one check.
    pub(super) async fn now(&self, now: u64) -> Arc<Health> {
        let mut last = self.last.lock().await;
        if let Some((_, health)) = last.health.as_ref().filter(|(at, _)| at.elapsed() < CACHED) {
            return health.clone();
        }
        let fresh = last.expiring.take().filter(|(at, _)| at.elapsed() < EXPIRIES_CACHED);
        let (read, expiring) = fresh.unwrap_or_else(|| {
            (Instant::now(), expiry::list(self.verifier.config(), self.verifier.metadata_due()))
        });
        let health = Arc::new(self.check(&expiring, now).await);
        *last = Last { health: Some((Instant::now(), health.clone())), expiring: Some((read, expiring)) };
        health
    }

    async fn check(&self, expiring: &[Expiring], now: u64) -> Health {
        let config = self.verifier.config();
        let mut problems = Vec::new();
        if let Err(error) = self.verifier.store().probe().await {
            problems.push(format!("the store cannot be written: {error}"));
        }
        let disk_free_bytes = disk::free_bytes(&config.data);
        if disk_free_bytes.is_some_and(|free| free < MIN_FREE_BYTES) {
            problems.push("the disk is almost full".to_owned());
        }
        let due = |expiring: &Expiring| Due {
            urgency: expiring.urgency(now),
            seconds_left: expiring.expires.saturating_sub(now),
            expiring: expiring.clone(),
        };
        let expiring = expiring.iter().map(due).collect();
        let ready = problems.is_empty();
        Health { ready, problems, expiring, disk_free_bytes, store_bytes: self.verifier.store().bytes() }
    }

    /// Returns the values of the metrics that describe the present, except those of the server.
    pub(super) async fn gauges(&self, now: u64) -> Gauges {
        let health = self.now(now).await;
        let mut expiries: Vec<(&'static str, u64)> = Vec::new();
        for kind in expiry::Kind::ALL {
            let first = health.expiring.iter().find(|due| due.expiring.kind == kind);
            expiries.extend(first.map(|due| (kind.as_str(), due.expiring.expires)));
        }
        let signing_keys = [
            (KeyPurpose::Verdicts, self.verifier.attestation.key_made_at()),
            (KeyPurpose::Tokens, self.verifier.oidc.key_made_at()),
        ];
        Gauges {
            ready: health.ready,
            event_channels: self.verifier.step_ups.open_channels(),
            report_queue: self.verifier.attestation.queued_reports(),
            store_bytes: health.store_bytes,
            store_syncs: self.verifier.store().syncs(),
            disk_free_bytes: health.disk_free_bytes,
            devices: self.verifier.store().devices_by_status().await.unwrap_or_default(),
            expiries,
            signing_keys: signing_keys.map(|(purpose, made)| (purpose.as_str(), made)).into(),
            connections: 0,
        }
    }
}
