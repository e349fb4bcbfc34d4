//! The audit log in the store. An entry is appended in the transaction of the operation that is logged.

use super::audit_tree::Tree;
use super::{Store, StoreError, Transaction, json_rows, signed, unsigned};
use crate::audit::tree::hash_leaf;
use crate::audit::{AuditEntry, Kind, Logged, leaf, payload};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId, hex};

/// Length of the random bytes in a payload's digest.
const SALT_BYTES: usize = 16;

pub(super) fn logged(row: &SqliteRow) -> Result<Logged, StoreError> {
    Ok(Logged {
        seq: unsigned(row.try_get("seq")?),
        time: unsigned(row.try_get("time")?),
        kind: row.try_get("kind")?,
        device: row.try_get::<Option<_>, _>("device")?.unwrap_or_default(),
        body: row.try_get("body")?,
        evidence: row.try_get::<Option<_>, _>("evidence")?.unwrap_or_default(),
        salt: row.try_get::<Option<_>, _>("salt")?.unwrap_or_default(),
        pruned: row.try_get("pruned")?,
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

    /// Returns one entry.
    pub async fn audit_entry(&self, seq: u64) -> Result<Option<Logged>, StoreError> {
        let query = sqlx::query("SELECT * FROM audit WHERE seq = ?1").bind(signed(seq));
        query.fetch_optional(self.readers()).await?.as_ref().map(logged).transpose()
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

    /// Logs work on the verifier itself, with who did it.
    pub async fn log_maintenance(
        &self,
        kind: Kind,
        body: &serde_json::Value,
        now: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let entry = AuditEntry { time: now, kind, device: None, body: body.to_string(), evidence: None };
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
    let before = last_seq(connection).await?;
    let mut salts = vec![0; entries.len() * SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salts).map_err(|_| StoreError::Failed("no random numbers".into()))?;
    let mut rows = Vec::with_capacity(entries.len());
    let mut seq = before;
    for (entry, salt) in entries.iter().zip(salts.chunks_exact(SALT_BYTES)) {
        seq += 1;
        let device = entry.device.as_ref().map(EnrolmentId::as_bytes);
        let evidence = entry.evidence.as_deref();
        let kind = entry.kind.as_str();
        let payload = payload(salt, &entry.body, evidence.unwrap_or_default());
        let hash = hash_leaf(&leaf(seq, entry.time, kind, device.unwrap_or_default(), &payload));
        rows.push((
            seq,
            entry.time,
            kind,
            device.map(hex),
            &entry.body,
            evidence.map(hex),
            hash.hex(),
            hex(salt),
        ));
    }
    sqlx::query(
        "INSERT INTO audit (seq, time, kind, device, body, evidence, hash, salt)
         SELECT value->>0, value->>1, value->>2, unhex(value->>3), value->>4, unhex(value->>5), unhex(value->>6),
           unhex(value->>7)
         FROM json_each(?1)",
    )
    .bind(json_rows(&rows)?)
    .execute(&mut *connection)
    .await?;
    let mut tree = Tree::open(connection).await?;
    let sizes = (before + 1).checked_sub(tree.chain.seq).zip((seq + 1).checked_sub(tree.chain.seq));
    let (old, new) = sizes.ok_or_else(|| StoreError::Failed("the end of the audit log is missing".into()))?;
    tree.complete_tiles(old, new).await?;
    Ok(seq)
}

/// Returns the sequence number of the last entry; 0 if the log is empty.
pub(super) async fn last_seq(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT coalesce(MAX(seq), 0) FROM audit").fetch_one(connection).await?;
    Ok(unsigned(row.try_get(0)?))
}

/// Returns the hash of an entry.
pub(crate) async fn hash_of(connection: &mut SqliteConnection, seq: u64) -> Result<Digest, StoreError> {
    let query = sqlx::query("SELECT hash FROM audit WHERE seq = ?1").bind(signed(seq));
    let row = query.fetch_one(connection).await?;
    Digest::from_slice(row.try_get(0)?).ok_or_else(|| StoreError::Failed("the hash of an audit entry".into()))
}

pub(super) async fn list(
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
