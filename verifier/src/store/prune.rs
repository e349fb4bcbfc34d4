//! Retention of the audit log: removes the payloads of old entries. Leaves and proofs stay as they are.

use super::audit::logged;
use super::{Store, StoreError, json_rows, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use sqlx::Row;

/// The most payloads that are removed in one transaction.
const BATCH: u32 = 4096;

impl Store {
    /// Counts the entries of a kind before a time, in seconds since 1970, that have a payload.
    pub async fn count_prunable(&self, kind: Kind, before: u64) -> Result<u64, StoreError> {
        let query = "SELECT COUNT(*) FROM audit WHERE pruned IS NULL AND kind = ?1 AND time < ?2";
        let query = sqlx::query(query).bind(kind.as_str()).bind(signed(before));
        Ok(unsigned(query.fetch_one(self.readers()).await?.try_get(0)?))
    }

    /// Removes the payloads of at most 4096 entries of a kind before a time, in seconds since 1970, and logs that.
    /// Returns their number.
    pub async fn prune_audit(&self, kind: Kind, before: u64, now: u64) -> Result<u64, StoreError> {
        if self.count_prunable(kind, before).await? == 0 {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        let query = sqlx::query(
            "SELECT * FROM audit WHERE pruned IS NULL AND kind = ?1 AND time < ?2 ORDER BY time, seq LIMIT ?3",
        );
        let query = query.bind(kind.as_str()).bind(signed(before)).bind(BATCH);
        let mut rows = Vec::new();
        for row in &query.fetch_all(&mut *transaction).await? {
            let entry = logged(row)?;
            // An entry of the former chain has no salt, and its content could be guessed from a digest.
            let payload = entry.payload().filter(|_| !entry.salt.is_empty()).map(|it| it.hex());
            rows.push((entry.seq, payload.unwrap_or_default()));
        }
        let (Some(first), Some(last)) = (rows.iter().map(|it| it.0).min(), rows.iter().map(|it| it.0).max())
        else {
            return Ok(0);
        };
        let update = sqlx::query(
            "UPDATE audit SET body = '{}', evidence = NULL, salt = NULL, pruned = unhex(batch.value->>1)
             FROM json_each(?1) AS batch WHERE audit.seq = batch.value->>0",
        );
        update.bind(json_rows(&rows)?).execute(&mut *transaction).await?;
        let count = rows.len();
        let body = serde_json::json!({
            "pruned": kind.as_str(), "before": before, "count": count, "first": first, "last": last,
        });
        let entry = AuditEntry {
            time: now,
            kind: Kind::Pruned,
            device: None,
            body: body.to_string(),
            evidence: None,
        };
        transaction.log(&[entry]).await?;
        transaction.commit().await?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}
