//! Heartbeats: reports of a device that change nothing. They are counted, and become one entry of the audit log when the
//! hour is over, or before an entry about a change.

use super::report::AppraisedReport;
use super::{Store, StoreError, audit, json_rows, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::id::{Digest, EnrolmentId};

/// Period in seconds of the reports in one entry.
const PERIOD: u64 = 3600;
/// The most entries that are written in one transaction.
const BATCH: u32 = 1024;

/// Heartbeats of a device within an hour, all with the same verdict.
#[derive(Clone, Debug)]
struct Counted {
    /// Hours since 1970.
    hour: u64,
    count: u64,
    /// Time of the first one, in seconds since 1970.
    first: u64,
    last: u64,
    status: String,
    policy: String,
    /// Hash chain: SHA-256 of the value before and the digest of the evidence; begins with 32 zero bytes.
    evidence: Digest,
}

impl Counted {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let evidence = Digest::from_slice(row.try_get("evidence")?);
        Ok(Self {
            hour: unsigned(row.try_get("hour")?),
            count: unsigned(row.try_get("count")?),
            first: unsigned(row.try_get("first")?),
            last: unsigned(row.try_get("last")?),
            status: row.try_get("status")?,
            policy: row.try_get("policy")?,
            evidence: evidence.ok_or_else(|| StoreError::Failed("a heartbeat cannot be read".into()))?,
        })
    }

    fn starting_with(report: &AppraisedReport) -> Self {
        Self {
            hour: report.time / PERIOD,
            count: 0,
            first: report.time,
            last: report.time,
            status: report.status.as_str().to_owned(),
            policy: report.policy.clone(),
            evidence: Digest([0; 32]),
        }
    }

    fn fits(&self, report: &AppraisedReport) -> bool {
        self.hour == report.time / PERIOD
            && self.status == report.status.as_str()
            && self.policy == report.policy
    }

    fn add(&mut self, report: &AppraisedReport) {
        self.count += 1;
        self.first = self.first.min(report.time);
        self.last = self.last.max(report.time);
        self.evidence = Digest::of(&[self.evidence.as_bytes(), report.evidence.as_bytes()].concat());
    }

    fn entry(&self, device: EnrolmentId) -> AuditEntry {
        let body = serde_json::json!({
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "status": self.status,
            "policy": self.policy,
            "evidence": self.evidence.hex(),
        });
        AuditEntry {
            time: self.last,
            kind: Kind::Heartbeats,
            device: Some(device),
            body: body.to_string(),
            evidence: None,
        }
    }
}

/// Heartbeats of the devices of a batch of reports, as the store will have them.
pub(super) struct Heartbeats {
    stored: BTreeSet<i64>,
    counted: BTreeMap<i64, Counted>,
    changed: BTreeSet<i64>,
}

impl Heartbeats {
    /// Reads the heartbeats of devices.
    pub(super) async fn of(
        connection: &mut SqliteConnection,
        devices: BTreeSet<i64>,
    ) -> Result<Self, StoreError> {
        let query = sqlx::query(
            "SELECT heartbeats.* FROM json_each(?1) AS batch JOIN heartbeats ON device = batch.value",
        );
        let rows = query.bind(json_rows(&devices)?).fetch_all(connection).await?;
        let mut counted = BTreeMap::new();
        for row in &rows {
            counted.insert(row.try_get("device")?, Counted::from_row(row)?);
        }
        Ok(Self { stored: counted.keys().copied().collect(), counted, changed: BTreeSet::new() })
    }

    /// Counts a report. Returns the entry of earlier heartbeats that it does not belong to.
    pub(super) fn count(&mut self, report: &AppraisedReport) -> Option<AuditEntry> {
        let fits = self.counted.get(&report.device).is_none_or(|counted| counted.fits(report));
        let ended = if fits { None } else { self.end(report.device, &report.enrolment) };
        let counted = self.counted.entry(report.device);
        counted.or_insert_with(|| Counted::starting_with(report)).add(report);
        self.changed.insert(report.device);
        ended
    }

    /// Ends the heartbeats of a device, if there are any, and returns their entry.
    pub(super) fn end(&mut self, device: i64, enrolment: &EnrolmentId) -> Option<AuditEntry> {
        self.changed.remove(&device);
        self.counted.remove(&device).map(|counted| counted.entry(*enrolment))
    }

    /// Writes the heartbeats.
    pub(super) async fn store(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let ended: Vec<_> = self.stored.iter().filter(|device| !self.counted.contains_key(device)).collect();
        if !ended.is_empty() {
            let delete =
                sqlx::query("DELETE FROM heartbeats WHERE device IN (SELECT value FROM json_each(?1))");
            delete.bind(json_rows(&ended)?).execute(&mut *connection).await?;
        }
        let changed = self.counted.iter().filter(|(device, _)| self.changed.contains(device));
        let row = |(device, it): (&i64, &Counted)| {
            (
                *device,
                it.hour,
                it.count,
                it.first,
                it.last,
                it.status.clone(),
                it.policy.clone(),
                it.evidence.hex(),
            )
        };
        let rows: Vec<_> = changed.map(row).collect();
        if !rows.is_empty() {
            let replace = sqlx::query(
                "INSERT OR REPLACE INTO heartbeats (device, hour, count, first, last, status, policy, evidence)
                 SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, unhex(value->>7)
                 FROM json_each(?1)",
            );
            replace.bind(json_rows(&rows)?).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Writes entries for the heartbeats of past hours, at most [`BATCH`]. Returns how many.
    pub(crate) async fn log_heartbeats(&self, now: u64) -> Result<usize, StoreError> {
        let due = "SELECT EXISTS (SELECT 1 FROM heartbeats WHERE hour <> ?1)";
        let due = sqlx::query(due).bind(signed(now / PERIOD)).fetch_one(self.readers()).await?;
        // Writes nothing where nothing is due, because a write waits for the disk.
        if !due.try_get::<bool, _>(0)? {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        let delete = sqlx::query(
            "DELETE FROM heartbeats WHERE device IN (SELECT device FROM heartbeats WHERE hour <> ?1 LIMIT ?2)
             RETURNING *, (SELECT enrolment FROM devices WHERE id = heartbeats.device) AS enrolment",
        );
        let rows = delete.bind(signed(now / PERIOD)).bind(BATCH).fetch_all(&mut *transaction).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let device = EnrolmentId::from_slice(row.try_get("enrolment")?);
            let device = device.ok_or_else(|| StoreError::Failed("an enrolment ID cannot be read".into()))?;
            entries.push(Counted::from_row(row)?.entry(device));
        }
        audit::append(&mut transaction, &entries).await?;
        transaction.commit().await?;
        Ok(rows.len())
    }
}
