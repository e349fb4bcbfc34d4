//! Diagnostics of devices: the newest of each device, for a limited time and within a limited number of bytes.

use super::audit;
use super::device::Device;
use super::{Store, StoreError, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use vitalsign_protocol::diagnostics::DiagnosticsRef;
use vitalsign_protocol::id::{Digest, EnrolmentId};

/// Number of diagnostics that are kept of one device, the newest.
pub const KEPT_PER_DEVICE: i64 = 5;
/// Number that is accepted of one device in [`RATE_SECONDS`]. Less than are kept, so that the kept ones count them.
pub const MAX_PER_RATE: i64 = 3;
/// Period of the limit, in seconds.
pub const RATE_SECONDS: u64 = 3600;
/// Time in seconds within which the newest text, sent again, gets the same reference: its answer may have been lost.
pub const REPEAT_SECONDS: u64 = 600;

/// Received diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    pub reference: DiagnosticsRef,
    /// Enrolment of the device that sent them.
    pub device: EnrolmentId,
    /// Time of receipt, in seconds since 1970.
    pub received: u64,
    /// Plain text in lines, as the device sent it.
    pub text: String,
}

/// Limits of the stored diagnostics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// Earliest time of receipt, in seconds since 1970.
    pub(crate) since: u64,
    /// Maximum number of bytes of all texts.
    pub(crate) max_bytes: u64,
}

impl Diagnostics {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let device = EnrolmentId::from_slice(row.try_get("enrolment")?);
        Ok(Self {
            reference: DiagnosticsRef(unsigned(row.try_get("id")?)),
            device: device.ok_or_else(|| StoreError::Failed("an enrolment ID cannot be read".into()))?,
            received: unsigned(row.try_get("received")?),
            text: row.try_get("text")?,
        })
    }
}

impl Store {
    /// Stores diagnostics with their audit entry, and deletes those that are too old or too many. Returns `None` if the
    /// device has sent too many in the last hour.
    pub(crate) async fn add_diagnostics(
        &self,
        device: &Device,
        text: &str,
        retention: Retention,
        now: u64,
    ) -> Result<Option<DiagnosticsRef>, StoreError> {
        let mut transaction = self.begin().await?;
        let newest = sqlx::query(
            "SELECT id, received, text FROM diagnostics WHERE device = ?1 ORDER BY id DESC LIMIT 1",
        );
        let newest = newest.bind(device.id).fetch_optional(&mut *transaction).await?;
        if let Some(row) = newest
            && unsigned(row.try_get("received")?).saturating_add(REPEAT_SECONDS) > now
            && row.try_get::<&str, _>("text")? == text
        {
            return Ok(Some(DiagnosticsRef(unsigned(row.try_get("id")?))));
        }
        let recent = sqlx::query("SELECT COUNT(*) FROM diagnostics WHERE device = ?1 AND received > ?2");
        let recent = recent.bind(device.id).bind(signed(now.saturating_sub(RATE_SECONDS)));
        if recent.fetch_one(&mut *transaction).await?.try_get::<i64, _>(0)? >= MAX_PER_RATE {
            return Ok(None);
        }
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let insert = sqlx::query(
            "INSERT INTO diagnostics (device, received, bytes, text) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        );
        let insert = insert.bind(device.id).bind(signed(now)).bind(signed(bytes)).bind(text);
        let reference = DiagnosticsRef(unsigned(insert.fetch_one(&mut *transaction).await?.try_get("id")?));
        let older = sqlx::query(
            "DELETE FROM diagnostics WHERE device = ?1 AND id NOT IN
             (SELECT id FROM diagnostics WHERE device = ?1 ORDER BY id DESC LIMIT ?2)",
        );
        older.bind(device.id).bind(KEPT_PER_DEVICE).execute(&mut *transaction).await?;
        delete_old(&mut transaction, retention, reference).await?;
        let digest = Digest::of(text.as_bytes()).hex();
        let body =
            serde_json::json!({ "reference": reference, "bytes": bytes, "sha256": digest }).to_string();
        let (kind, enrolment) = (Kind::DiagnosticsReceived, Some(device.enrolment));
        let entry = AuditEntry { time: now, kind, device: enrolment, body, evidence: None };
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(Some(reference))
    }

    /// Deletes diagnostics that were received before `since`, in seconds since 1970.
    pub(crate) async fn forget_diagnostics(&self, since: u64) -> Result<(), StoreError> {
        // Writes nothing where nothing is old, because a write waits for the disk.
        let old =
            sqlx::query("SELECT EXISTS (SELECT 1 FROM diagnostics WHERE received < ?1)").bind(signed(since));
        if !old.fetch_one(self.readers()).await?.try_get::<bool, _>(0)? {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let delete = sqlx::query("DELETE FROM diagnostics WHERE received < ?1").bind(signed(since));
        delete.execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Returns the diagnostics with this reference that were received from `since` on.
    pub async fn diagnostics(
        &self,
        reference: DiagnosticsRef,
        since: u64,
    ) -> Result<Option<Diagnostics>, StoreError> {
        let query = sqlx::query(
            "SELECT diagnostics.id, enrolment, received, text FROM diagnostics JOIN devices ON devices.id = device
             WHERE diagnostics.id = ?1 AND received >= ?2",
        );
        let row = query.bind(signed(reference.0)).bind(signed(since)).fetch_optional(self.readers()).await?;
        row.as_ref().map(Diagnostics::from_row).transpose()
    }

    /// Returns the diagnostics of a device that were received from `since` on, the newest first.
    pub async fn device_diagnostics(
        &self,
        device: EnrolmentId,
        since: u64,
    ) -> Result<Vec<Diagnostics>, StoreError> {
        let query = sqlx::query(
            "SELECT diagnostics.id, enrolment, received, text FROM diagnostics JOIN devices ON devices.id = device
             WHERE enrolment = ?1 AND received >= ?2 ORDER BY diagnostics.id DESC",
        );
        let rows = query.bind(device.as_bytes()).bind(signed(since)).fetch_all(self.readers()).await?;
        rows.iter().map(Diagnostics::from_row).collect()
    }

    /// Returns the newest reference of each device that has diagnostics from `since` on.
    pub async fn newest_diagnostics(
        &self,
        since: u64,
    ) -> Result<Vec<(EnrolmentId, DiagnosticsRef)>, StoreError> {
        let query = sqlx::query(
            "SELECT MAX(diagnostics.id) AS id, enrolment FROM diagnostics JOIN devices ON devices.id = device
             WHERE received >= ?1 GROUP BY device",
        );
        let rows = query.bind(signed(since)).fetch_all(self.readers()).await?;
        let read = |row: &SqliteRow| {
            let device = EnrolmentId::from_slice(row.try_get("enrolment")?);
            let device = device.ok_or_else(|| StoreError::Failed("an enrolment ID cannot be read".into()))?;
            Ok((device, DiagnosticsRef(unsigned(row.try_get("id")?))))
        };
        rows.iter().map(read).collect()
    }
}

/// Deletes diagnostics that are too old, then the oldest until the total is within its limit. The newest stays.
async fn delete_old(
    connection: &mut SqliteConnection,
    retention: Retention,
    newest: DiagnosticsRef,
) -> Result<(), StoreError> {
    let old = sqlx::query("DELETE FROM diagnostics WHERE received < ?1 AND id <> ?2");
    old.bind(signed(retention.since)).bind(signed(newest.0)).execute(&mut *connection).await?;
    let total = sqlx::query("SELECT COALESCE(SUM(bytes), 0) FROM diagnostics");
    let mut total: i64 = total.fetch_one(&mut *connection).await?.try_get(0)?;
    while total > signed(retention.max_bytes) {
        let oldest = sqlx::query(
            "DELETE FROM diagnostics WHERE id = (SELECT MIN(id) FROM diagnostics WHERE id <> ?1) RETURNING bytes",
        );
        let oldest = oldest.bind(signed(newest.0)).fetch_optional(&mut *connection).await?;
        let Some(oldest) = oldest else { break };
        total -= oldest.try_get::<i64, _>(0)?;
    }
    Ok(())
}
