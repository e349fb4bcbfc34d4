//! Accepts reports in batches: a report is answered when its nonce is spent and its audit entry, or its count among the
//! heartbeats, is durable, and all waiting reports share one transaction and one sync of the disk.

use super::heartbeat::Heartbeats;
use super::{Store, StoreError, json_rows, signed, unsigned};
use super::{audit, device_names};
use crate::audit::AuditEntry;
use crate::nonce::{self, SpentNonce};
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use vitalsign_protocol::device_names::DeviceNames;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{Digest, EnrolmentId, hex};

/// Length of the queue; further reports are refused with `busy`.
const QUEUE: usize = 4096;
const BATCH: usize = 256;
/// Interval in seconds of deleting expired nonces, and the age at which they are deleted.
const FORGET_SECONDS: u64 = 60;

impl Store {
    /// Returns whether a report's nonce was used or forgotten, except by this evidence, which the device's last report had.
    pub(crate) async fn is_spent(
        &self,
        nonce: &SpentNonce,
        device: i64,
        evidence: &Digest,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "SELECT (EXISTS (SELECT 1 FROM spent WHERE nonce = ?1) OR ?1 < (SELECT below FROM forgotten))
               AND NOT EXISTS (SELECT 1 FROM devices WHERE id = ?2 AND evidence = ?3)",
        );
        let query = query.bind(&nonce[..]).bind(device).bind(evidence.as_bytes());
        Ok(query.fetch_one(self.readers()).await?.try_get(0)?)
    }

    /// Spends the nonce of a report that was refused.
    pub(crate) async fn spend(&self, nonce: &SpentNonce) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let insert = sqlx::query("INSERT OR IGNORE INTO spent (nonce) VALUES (?1)").bind(&nonce[..]);
        insert.execute(&mut *transaction).await?;
        transaction.commit().await
    }
}

/// A verified and appraised report.
#[derive(Debug)]
pub(crate) struct AppraisedReport {
    pub(crate) device: i64,
    pub(crate) enrolment: EnrolmentId,
    /// The device that was appraised.
    pub(crate) generation: i64,
    /// Time in seconds since 1970.
    pub(crate) time: u64,
    pub(crate) nonce: SpentNonce,
    /// SHA-256 of the evidence.
    pub(crate) evidence: Digest,
    pub(crate) status: Tier,
    /// ID of the policy that was applied.
    pub(crate) policy: String,
    /// New appraisal snapshot, if it changed.
    pub(crate) standing: Option<String>,
    /// Names that the device says of itself; `None` to leave them as they are.
    pub(crate) names: Option<DeviceNames>,
    /// Audit entry to write; none for a report that changes nothing.
    pub(crate) entry: Option<AuditEntry>,
}

/// Outcome of accepting a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportOutcome {
    Accepted,
    /// Same evidence as the device's last report, which was accepted at this time, in seconds since 1970.
    Again(u64),
    /// The nonce was already used.
    NonceUsed,
    /// The device changed since it was read: appraise again.
    DeviceChanged,
}

struct Waiting {
    judged: AppraisedReport,
    answer: oneshot::Sender<Result<ReportOutcome, StoreError>>,
}

/// Queue of reports for the writer. The writer ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Reports(mpsc::Sender<Waiting>);

impl Reports {
    /// Starts the writer. No nonce lives longer than `nonce_seconds`.
    pub(crate) fn start(store: Arc<Store>, nonce_seconds: u64) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), tokio::spawn(write(store, receiver, nonce_seconds)))
    }

    /// Returns the number of reports that wait.
    pub(crate) fn queued(&self) -> usize {
        self.0.max_capacity().saturating_sub(self.0.capacity())
    }

    /// Queues a report and waits until it is durable.
    pub(crate) async fn accept(&self, judged: AppraisedReport) -> Result<ReportOutcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.0.try_send(Waiting { judged, answer }).map_err(|_| StoreError::Overloaded)?;
        outcome.await.map_err(|_| StoreError::Failed("the writer ended".into()))?
    }
}

async fn write(store: Arc<Store>, mut receiver: mpsc::Receiver<Waiting>, nonce_seconds: u64) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut forgotten = 0;
    while receiver.recv_many(&mut waiting, BATCH).await > 0 {
        let (mut batch, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|it| (it.judged, it.answer)).unzip();
        let now = batch.iter().map(|it| it.time).max().unwrap_or_default();
        let forget = now.abs_diff(forgotten) >= FORGET_SECONDS;
        let outcomes = accept(&store, &mut batch, forget.then_some(now), nonce_seconds).await;
        if forget && outcomes.is_ok() {
            forgotten = now;
        }
        for (index, answer) in answers.into_iter().enumerate() {
            let outcome = match &outcomes {
                Ok(outcomes) => outcomes.get(index).copied().ok_or(StoreError::Overloaded),
                Err(error) => Err(error.clone()),
            };
            // Fails if the device disconnected; it will send the same evidence again.
            let _ = answer.send(outcome);
        }
    }
}

/// Accepts reports in one transaction. The outcomes are in the order of the reports.
async fn accept(
    store: &Store,
    batch: &mut [AppraisedReport],
    forget: Option<u64>,
    nonce_seconds: u64,
) -> Result<Vec<ReportOutcome>, StoreError> {
    let mut transaction = store.begin().await?;
    if let Some(now) = forget {
        // A clock that was temporarily ahead locks devices out for the lifetime of a nonce at most.
        let most = nonce::oldest_alive(now.saturating_add(nonce_seconds)).to_vec();
        let below = nonce::oldest_alive(now.saturating_sub(FORGET_SECONDS)).to_vec();
        let raise =
            sqlx::query("UPDATE forgotten SET below = min(max(below, ?1), ?2)").bind(&below).bind(most);
        raise.execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM spent WHERE nonce < ?1").bind(&below).execute(&mut *transaction).await?;
    }

    // Of several reports with one nonce in this batch, only the first is tried.
    let mut nonces = HashSet::with_capacity(batch.len());
    let tried: Vec<bool> = batch.iter().map(|it| nonces.insert(it.nonce)).collect();
    let rows: Vec<_> = (batch.iter().zip(&tried))
        .filter(|(_, tried)| **tried)
        .map(|(it, _)| (hex(&it.nonce), it.device, it.generation))
        .collect();
    let spent = sqlx::query(
        "INSERT OR IGNORE INTO spent (nonce)
         SELECT unhex(batch.value->>0) FROM json_each(?1) AS batch CROSS JOIN devices ON devices.id = batch.value->>1
         WHERE devices.generation = batch.value->>2 AND devices.revoked_at IS NULL
           AND unhex(batch.value->>0) >= (SELECT below FROM forgotten)
         RETURNING nonce",
    );
    let spent = spent.bind(json_rows(&rows)?).fetch_all(&mut *transaction).await?;
    let spent: HashSet<&[u8]> = spent.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;

    let accepted: Vec<bool> =
        batch.iter().zip(&tried).map(|(it, tried)| *tried && spent.contains(it.nonce.as_slice())).collect();
    let devices = batch.iter().zip(&accepted).filter(|(_, accepted)| **accepted).map(|(it, _)| it.device);
    let mut heartbeats = Heartbeats::of(&mut transaction, devices.collect()).await?;
    let mut entries = Vec::new();
    let mut last = HashMap::with_capacity(batch.len());
    let mut standings = Vec::new();
    for (it, accepted) in batch.iter_mut().zip(&accepted) {
        if *accepted {
            let hash = it.evidence.hex();
            last.insert(it.device, (it.device, signed(it.time), it.status.as_str(), hash));
            standings.extend(it.standing.take().map(|standing| (it.device, standing)));
            match it.entry.take() {
                // In the log, the reports before a change come before it.
                Some(entry) => {
                    entries.extend(heartbeats.end(it.device, &it.enrolment).into_iter().chain([entry]))
                }
                None => entries.extend(heartbeats.count(it)),
            }
            if let Some(names) = it.names.take() {
                let device = (it.device, it.enrolment);
                entries.extend(device_names::replace(&mut transaction, device, &names, it.time).await?);
            }
        }
    }
    if !entries.is_empty() {
        audit::append(&mut transaction, &entries).await?;
    }
    heartbeats.store(&mut transaction).await?;
    if !last.is_empty() {
        let update = sqlx::query(
            "UPDATE devices SET last_seen = batch.value->>1, status = batch.value->>2, evidence = unhex(batch.value->>3)
             FROM json_each(?1) AS batch WHERE devices.id = batch.value->>0",
        );
        let rows: Vec<_> = last.into_values().collect();
        update.bind(json_rows(&rows)?).execute(&mut *transaction).await?;
    }
    if !standings.is_empty() {
        let update = sqlx::query(
            "UPDATE identities SET standing = batch.value->>1
             FROM json_each(?1) AS batch WHERE identities.device = batch.value->>0",
        );
        update.bind(json_rows(&standings)?).execute(&mut *transaction).await?;
    }

    let mut outcomes = Vec::with_capacity(batch.len());
    for (it, accepted) in batch.iter().zip(&accepted) {
        outcomes.push(if *accepted {
            ReportOutcome::Accepted
        } else {
            refused(&mut transaction, it).await?
        });
    }
    transaction.commit().await?;
    Ok(outcomes)
}

async fn refused(
    connection: &mut sqlx::SqliteConnection,
    it: &AppraisedReport,
) -> Result<ReportOutcome, StoreError> {
    let row = sqlx::query(
        "SELECT evidence, last_seen FROM devices WHERE id = ?1 AND generation = ?2 AND revoked_at IS NULL",
    );
    let row = row.bind(it.device).bind(it.generation).fetch_optional(connection).await?;
    Ok(match row {
        None => ReportOutcome::DeviceChanged,
        Some(row) if row.try_get::<&[u8], _>(0)? == it.evidence.as_bytes() => {
            ReportOutcome::Again(unsigned(row.try_get(1)?))
        }
        Some(_) => ReportOutcome::NonceUsed,
    })
}
