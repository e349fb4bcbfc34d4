//! Disk that a verifier's store takes by what devices and people do, with the verifier's clock moved on.

use crate::device::Device;
use crate::stats;
use crate::verifier::{enrol, problem};
use anyhow::Result;
use sqlx::Connection;
use std::path::Path;
use vitalsign_protocol::fact::Fact;
use vitalsign_verifier::Verifier;
use vitalsign_verifier::config::Config;

/// Work of a device in a day: a heartbeat every 5 minutes, changes and taps.
const HEARTBEATS: u64 = 288;
const CHANGES: u64 = 20;
const TAPS: f64 = 40.0;
const DAY: u64 = 86_400;

/// Bytes in the store.
pub(crate) struct Bytes {
    pub(crate) device: f64,
    /// A day of heartbeats of a device.
    pub(crate) heartbeats: f64,
    pub(crate) change: f64,
}

impl Bytes {
    /// Gigabytes of the reports and of the taps of this many devices and days.
    pub(crate) fn gigabytes(&self, tap: f64, devices: f64, days: f64) -> (f64, f64) {
        let reports = self.heartbeats + self.change * stats::float(CHANGES);
        (devices * (self.device + days * reports) / 1e9, devices * days * TAPS * tap / 1e9)
    }
}

/// Simulates days of a small fleet.
pub(crate) fn measure() -> Result<Bytes> {
    const DEVICES: u64 = 40;
    const DAYS: u64 = 3;
    let run = |changes| async move {
        let folder = tempfile::tempdir()?;
        let store = simulate(folder.path(), DEVICES, DAYS, changes).await?;
        size(&store).await
    };
    let (devices, days) = (stats::float(DEVICES), stats::float(DAYS));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (empty, enrolled, quiet, busy) = runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let empty = size(&simulate(folder.path(), 0, 0, 0).await?).await?;
        let folder = tempfile::tempdir()?;
        let enrolled = size(&simulate(folder.path(), 1000, 0, 0).await?).await?;
        anyhow::Ok((empty, enrolled, run(0).await?, run(CHANGES).await?))
    })?;
    let device = (enrolled - empty) / 1000.0;
    let heartbeats = (quiet - empty - devices * device) / (devices * days);
    let change = (busy - quiet) / (devices * days * stats::float(CHANGES));
    Ok(Bytes { device, heartbeats, change })
}

/// Lets devices report for some days. Returns the store.
async fn simulate(folder: &Path, devices: u64, days: u64, changes: u64) -> Result<std::path::PathBuf> {
    let mut config = Config::for_data(folder);
    config.origin = Some("https://verifier.example".parse()?);
    config.limits.report_burst = u32::MAX;
    let store = config.store();
    let begin = vitalsign_verifier::clock::now();
    let verifier = Verifier::open(config, begin).await?;
    let mut fleet = (0..devices).map(Device::new).collect::<Result<Vec<_>>>()?;
    enrol(&store, &fleet).await?;
    for beat in 0..days * HEARTBEATS {
        let now = begin + beat * DAY / HEARTBEATS;
        // Changes are spread over the day.
        let change = changes > 0 && beat % (HEARTBEATS / changes) == 0;
        for device in &mut fleet {
            if change {
                device.posture.firewall.inbound_blocked =
                    Fact::Known(device.posture.firewall.inbound_blocked != Fact::Known(true));
            }
            let nonce = verifier.attestation.nonce(&device.key.thumbprint(), now).map_err(problem)?.nonce;
            verifier.attestation.report(&device.evidence(nonce, now)?, now).await.map_err(problem)?;
        }
    }
    Ok(store)
}

/// Returns the bytes of all entries of the audit log: what stays of a step-up after a day.
pub(crate) async fn logged(store: &Path) -> Result<f64> {
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", store.display())).await?;
    let query = "SELECT TOTAL(LENGTH(CAST(body AS BLOB)) + IFNULL(LENGTH(evidence), 0)) FROM audit";
    let (bytes,) = sqlx::query_as(query).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(bytes)
}

/// Returns the bytes of the pages that are in use, with those that are not yet in the main file.
async fn size(store: &Path) -> Result<f64> {
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", store.display())).await?;
    let query = "SELECT (SELECT * FROM pragma_page_count()) - (SELECT * FROM pragma_freelist_count()),
                        (SELECT * FROM pragma_page_size())";
    let (pages, bytes): (i64, i64) = sqlx::query_as(query).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(stats::float(u64::try_from(pages * bytes)?))
}
