//! The audit log in the store. [`append`] runs in the transaction of the operation that is logged.

use super::{Store, StoreError, json_rows, signed, unsigned};
use crate::audit::{AuditEntry, Broken, Head, Kind, Logged, chain};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId, hex};

fn logged(row: &SqliteRow) -> Result<Logged, StoreError> {
    Ok(Logged {
        seq: unsigned(row.try_get("seq")?),
        time: unsigned(row.try_get("time")?),
        kind: row.try_get("kind")?,
        device: row.try_get::<Option<_>, _>("device")?.unwrap_or_default(),
        body: row.try_get("body")?,
        evidence: row.try_get::<Option<_>, _>("evidence")?.unwrap_or_default(),
        hash: row.try_get("hash")?,
    })
}

impl Store {
    /// Verifies the whole chain. `anchor` is a previously recorded head.
    ///
    /// # Errors
    /// The outer error is the store's; the inner one is the first violation.
    pub async fn verify_audit(&self, anchor: Option<Head>) -> Result<Result<Head, Broken>, StoreError> {
        verify(&mut *self.readers().acquire().await?, anchor).await
    }

    /// Returns at most `limit` entries after `after`, oldest first, of one device or of all.
    pub async fn audit(
        &self,
        device: Option<EnrolmentId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Logged>, StoreError> {
        list(&mut *self.readers().acquire().await?, device, after, limit).await
    }

    /// Returns at most `limit` alerts after `after`, oldest first.
    pub async fn alerts(&self, after: u64, limit: u32) -> Result<Vec<Logged>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM audit WHERE kind = 'step-up-ended' AND body->>'alert' AND seq > ?1 ORDER BY seq LIMIT ?2",
        );
        let rows = query.bind(signed(after)).bind(limit).fetch_all(self.readers()).await?;
        rows.iter().map(logged).collect()
    }

    /// Returns one entry and the hash of its predecessor.
    pub async fn audit_entry(&self, seq: u64) -> Result<Option<(Logged, Digest)>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let before = seq.saturating_sub(2);
        let entries = list(&mut connection, None, before, 2).await?;
        let previous = match entries.iter().find(|entry| entry.seq + 1 == seq) {
            Some(entry) => Digest::from_slice(&entry.hash),
            None => Some(Head::EMPTY.hash),
        };
        let entry = entries.into_iter().find(|entry| entry.seq == seq);
        let broken = || StoreError::Failed(format!("the hash before entry {seq}"));
        entry.map(|entry| Ok((entry, previous.ok_or_else(broken)?))).transpose()
    }

    /// Returns the sequence number of the entry that approved a step-up.
    pub async fn audit_of_step_up(&self, step_up: &StepUpId) -> Result<Option<u64>, StoreError> {
        let query = sqlx::query(
            "SELECT seq FROM audit WHERE kind = 'step-up-approved' AND body->>'step_up' = ?1 ORDER BY seq LIMIT 1",
        );
        let row = query.bind(step_up.to_string()).fetch_optional(self.readers()).await?;
        row.map(|row| Ok(unsigned(row.try_get(0)?))).transpose()
    }

    /// Logs the replacement of a signing key.
    pub async fn log_key_rotation(&self, body: &serde_json::Value, now: u64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let entry = AuditEntry {
            time: now,
            kind: Kind::KeyRotated,
            device: None,
            body: body.to_string(),
            evidence: None,
        };
        append(&mut transaction, &[entry]).await?;
        transaction.commit().await
    }
}

/// Appends entries in the caller's transaction, and returns the last sequence number.
pub(crate) async fn append(
    connection: &mut SqliteConnection,
    entries: &[AuditEntry],
) -> Result<u64, StoreError> {
    let mut head = head(connection).await?;
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let device = entry.device.as_ref().map(EnrolmentId::as_bytes);
        let evidence = entry.evidence.as_deref();
        let (seq, kind) = (head.seq + 1, entry.kind.as_str());
        let hash = chain(
            &head.hash,
            seq,
            entry.time,
            kind,
            device.unwrap_or_default(),
            &entry.body,
            evidence.unwrap_or_default(),
        );
        rows.push((seq, entry.time, kind, device.map(hex), &entry.body, evidence.map(hex), hash.hex()));
        head = Head { seq, hash };
    }
    sqlx::query(
        "INSERT INTO audit (seq, time, kind, device, body, evidence, hash)
         SELECT value->>0, value->>1, value->>2, unhex(value->>3), value->>4, unhex(value->>5), unhex(value->>6)
         FROM json_each(?1)",
    )
    .bind(json_rows(&rows)?)
    .execute(connection)
    .await?;
    Ok(head.seq)
}

async fn head(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(Head::EMPTY) };
    let hash = Digest::from_slice(row.try_get(1)?)
        .ok_or_else(|| StoreError::Failed("the audit log's last hash".into()))?;
    Ok(Head { seq: unsigned(row.try_get(0)?), hash })
}

async fn verify(
    connection: &mut SqliteConnection,
    anchor: Option<Head>,
) -> Result<Result<Head, Broken>, StoreError> {
    let mut head = Head::EMPTY;
    loop {
        let logged = list(connection, None, head.seq, 100).await?;
        if logged.is_empty() {
            break;
        }
        for entry in &logged {
            if entry.seq != head.seq + 1 {
                return Ok(Err(Broken::Missing(head.seq + 1)));
            }
            let Logged { seq, time, kind, device, body, evidence, .. } = entry;
            let hash = chain(&head.hash, *seq, *time, kind, device, body, evidence);
            if hash.as_bytes() != entry.hash {
                return Ok(Err(Broken::Changed(entry.seq)));
            }
            head = Head { seq: entry.seq, hash };
            if anchor.is_some_and(|anchor| anchor.seq == head.seq && anchor.hash != head.hash) {
                return Ok(Err(Broken::NotAnchored(head.seq)));
            }
        }
    }
    match anchor {
        Some(anchor) if anchor.seq > head.seq => Ok(Err(Broken::Missing(head.seq + 1))),
        _ => Ok(Ok(head)),
    }
}

async fn list(
    connection: &mut SqliteConnection,
    device: Option<EnrolmentId>,
    after: u64,
    limit: u32,
) -> Result<Vec<Logged>, StoreError> {
    let query = match device {
        None => sqlx::query("SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2"),
        Some(_) => sqlx::query("SELECT * FROM audit WHERE seq > ?1 AND device = ?3 ORDER BY seq LIMIT ?2"),
    };
    let query = query.bind(signed(after)).bind(limit);
    let query = match &device {
        None => query,
        Some(device) => query.bind(device.as_bytes()),
    };
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(logged).collect()
}
