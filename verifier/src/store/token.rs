//! Enrolment tokens, stored as digests only.

use super::{Store, StoreError, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row, Sqlite};
use vitalsign_protocol::id::Digest;

/// Record of an enrolment token. The token itself is shown once, when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Number that identifies it in commands.
    pub id: i64,
    /// Time of creation, in seconds since 1970.
    pub created: u64,
    /// Expiry in seconds since 1970.
    pub expires: u64,
    /// Number of devices that may still enrol with it.
    pub uses: u64,
    pub used: u64,
    /// Time at which an administrator revoked it, in seconds since 1970.
    pub revoked_at: Option<u64>,
    /// Name that IT gave to the devices that enrol with it.
    pub label: Option<String>,
}

impl Token {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            created: unsigned(row.try_get("created")?),
            expires: unsigned(row.try_get("expires")?),
            uses: unsigned(row.try_get("uses")?),
            used: unsigned(row.try_get("used")?),
            revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(unsigned),
            label: row.try_get("label")?,
        })
    }
}

/// Computes the digest under which a token is stored.
#[must_use]
pub(crate) fn digest(token: &str) -> Digest {
    Digest::labelled("vitalsign-enrolment-token-v1", &[token.as_bytes()])
}

/// Reads a token's record by number.
pub(crate) async fn get<'c>(
    connection: impl Executor<'c, Database = Sqlite>,
    id: i64,
) -> Result<Option<Token>, StoreError> {
    let row = sqlx::query("SELECT * FROM tokens WHERE id = ?1").bind(id).fetch_optional(connection).await?;
    row.as_ref().map(Token::from_row).transpose()
}

impl Store {
    /// Creates a token for this many devices, valid until `expires`. Devices that enrol with it are shown with its label
    /// as long as they have no separate one. The returned value is the only copy.
    pub async fn create_token(
        &self,
        uses: u64,
        expires: u64,
        label: Option<&str>,
        now: u64,
    ) -> Result<(Token, String), StoreError> {
        let mut secret = [0; 24];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| StoreError::Failed("no random numbers".into()))?;
        let token = format!("vse_{}", B64.encode(secret));
        let mut transaction = self.begin().await?;
        let insert = sqlx::query(
            "INSERT INTO tokens (digest, created, expires, uses, label) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING *",
        );
        let insert = insert.bind(digest(&token).0.to_vec()).bind(signed(now)).bind(signed(expires));
        let insert = insert.bind(signed(uses)).bind(label);
        let record = Token::from_row(&insert.fetch_one(&mut *transaction).await?)?;
        let mut body = serde_json::json!({ "token": record.id, "uses": uses, "expires": expires });
        if let (Some(label), Some(body)) = (label, body.as_object_mut()) {
            body.insert("label".into(), label.into());
        }
        let body = body.to_string();
        let entry = AuditEntry { time: now, kind: Kind::TokenCreated, device: None, body, evidence: None };
        transaction.log(&[entry]).await?;
        transaction.commit().await?;
        Ok((record, token))
    }

    /// Returns all records, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY id").fetch_all(self.readers()).await?;
        rows.iter().map(Token::from_row).collect()
    }

    /// Reads the record of a token.
    pub(crate) async fn token(&self, token: &str) -> Result<Option<Token>, StoreError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE digest = ?1").bind(digest(token).0.to_vec());
        query.fetch_optional(self.readers()).await?.as_ref().map(Token::from_row).transpose()
    }

    /// Revokes a token. Returns `false` if it does not exist or was already revoked.
    pub async fn revoke_token(&self, id: i64, now: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let update = sqlx::query("UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL");
        if update.bind(id).bind(signed(now)).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let body = serde_json::json!({ "token": id }).to_string();
        let entry = AuditEntry { time: now, kind: Kind::TokenRevoked, device: None, body, evidence: None };
        transaction.log(&[entry]).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
