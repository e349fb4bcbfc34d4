//! The audit log in the store. An entry is appended in the transaction of the operation that is logged.

use super::{Store, StoreError, Transaction, json_rows, signed, unsigned};
use crate::audit::{AuditEntry, Broken, Head, Kind, Logged, chain};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
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

/// Selects entries of the log: those that have all the properties that are given.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub device: Option<EnrolmentId>,
    pub kind: Option<Kind>,
    /// The user in the entry: who was asked, or whom an administrator changed.
    pub user: Option<String>,
    /// `client_id` of an application.
    pub client: Option<String>,
    /// Earliest time, in seconds since 1970.
    pub since: Option<u64>,
    /// Latest time, in seconds since 1970.
    pub until: Option<u64>,
    /// Only entries with a higher sequence number.
    pub after: Option<u64>,
    /// Only entries with a lower sequence number.
    pub before: Option<u64>,
    /// Only alerts: step-ups that a person did not start.
    pub alerts: bool,
}

impl AuditFilter {
    fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" WHERE TRUE");
        if let Some(device) = self.device {
            query.push(" AND device = ").push_bind(device.as_bytes().to_vec());
        }
        if let Some(kind) = self.kind {
            query.push(" AND kind = ").push_bind(kind.as_str());
        }
        for (member, value) in [("user", &self.user), ("client", &self.client)] {
            if let Some(value) = value {
                query.push(format!(" AND body->>'{member}' = ")).push_bind(value.clone());
            }
        }
        let numbers = [
            ("time >= ", self.since),
            ("time <= ", self.until),
            ("seq > ", self.after),
            ("seq < ", self.before),
        ];
        for (condition, value) in numbers {
            if let Some(value) = value {
                query.push(format!(" AND {condition}")).push_bind(signed(value));
            }
        }
        if self.alerts {
            query.push(" AND kind = 'step-up-ended' AND body->>'alert'");
        }
    }
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

    /// Returns at most `limit` of the entries that `filter` selects, newest first.
    pub async fn newest_audit(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<Logged>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM audit");
        filter.push(&mut query);
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(limit);
        query.build().fetch_all(self.readers()).await?.iter().map(logged).collect()
    }

    /// Returns at most `limit` of the entries that `filter` selects, oldest first.
    pub async fn oldest_audit(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<Logged>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM audit");
        filter.push(&mut query);
        query.push(" ORDER BY seq LIMIT ").push_bind(limit);
        query.build().fetch_all(self.readers()).await?.iter().map(logged).collect()
    }

    /// Counts the entries that `filter` selects.
    pub async fn count_audit(&self, filter: &AuditFilter) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM audit");
        filter.push(&mut query);
        Ok(unsigned(query.build().fetch_one(self.readers()).await?.try_get(0)?))
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

    /// Logs the policies in force, unless the last entry about them says the same.
    pub(crate) async fn log_policies(&self, body: &serde_json::Value, now: u64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // The kind is written out, so that SQLite uses the index.
        let last = "SELECT body FROM audit WHERE kind = 'policy-changed' ORDER BY seq DESC LIMIT 1";
        let last = sqlx::query(last).fetch_optional(&mut *transaction).await?;
        let body = body.to_string();
        if last.map(|row| row.try_get::<String, _>(0)).transpose()?.as_ref() == Some(&body) {
            return Ok(());
        }
        let kind = Kind::PolicyChanged;
        append(&mut transaction, &[AuditEntry { time: now, kind, device: None, body, evidence: None }])
            .await?;
        transaction.commit().await
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
        transaction.log(&[entry]).await?;
        transaction.commit().await
    }
}

impl Transaction<'_> {
    /// Appends entries of administrative actions, with who acts.
    pub(crate) async fn log(&mut self, entries: &[AuditEntry]) -> Result<u64, StoreError> {
        match self.actor.clone() {
            None => append(self, entries).await,
            Some(actor) => {
                let signed =
                    entries.iter().map(|entry| AuditEntry { body: actor.sign(&entry.body), ..entry.clone() });
                append(self, &signed.collect::<Vec<_>>()).await
            }
        }
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
