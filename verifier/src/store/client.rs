//! Applications, and the identifiers (`jti`) of assertions and proofs that they have used.

use super::{Store, StoreError, Transaction, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use crate::names::lookalike;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jwt::JwkSet;
use vitalsign_protocol::step_up::ADMINISTRATOR;

/// The longest name and id, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Reserved `client_id` of the administrator.
pub const ADMINISTRATOR_ID: &str = "vitalsign-verifier";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The application's `client_id`.
    pub id: String,
    /// Name that people are shown.
    pub name: String,
    /// The audience of its access tokens.
    pub audience: String,
    /// Time of registration, in seconds since 1970.
    pub created: u64,
    /// Time at which an administrator disabled it, in seconds since 1970.
    pub disabled_at: Option<u64>,
    /// Credential for client authentication.
    pub credential: ClientCredential,
}

/// Credential of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCredential {
    /// Digest of the secret for `client_secret_basic`.
    Secret(Digest),
    /// Public keys for `private_key_jwt`.
    Keys(JwkSet),
}

impl ClientCredential {
    /// Returns the OpenID name of the authentication method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Secret(_) => "client_secret_basic",
            Self::Keys(_) => "private_key_jwt",
        }
    }

    /// Returns the values of the columns `secret` and `jwks`.
    fn columns(&self) -> Result<(Option<Vec<u8>>, Option<String>), StoreError> {
        Ok(match self {
            Self::Secret(digest) => (Some(digest.as_bytes().to_vec()), None),
            Self::Keys(keys) => {
                let json = serde_json::to_string(keys).map_err(|e| StoreError::Failed(e.to_string()))?;
                (None, Some(json))
            }
        })
    }
}

/// Outcome of registering an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedClient {
    Added,
    IdTaken,
    /// People would confuse it with another application.
    NameTaken {
        /// The other's `client_id`.
        by: String,
    },
}

impl Client {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let damaged = || StoreError::Failed("a client's credential is damaged".into());
        let (secret, jwks): (Option<Vec<u8>>, Option<String>) =
            (row.try_get("secret")?, row.try_get("jwks")?);
        let credential = match (secret, jwks) {
            (Some(secret), None) => {
                ClientCredential::Secret(Digest::from_slice(&secret).ok_or_else(damaged)?)
            }
            (None, Some(jwks)) => ClientCredential::Keys(serde_json::from_str(&jwks).map_err(|_| damaged())?),
            _ => return Err(damaged()),
        };
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            audience: row.try_get("audience")?,
            created: unsigned(row.try_get("created")?),
            disabled_at: row.try_get::<Option<i64>, _>("disabled_at")?.map(unsigned),
            credential,
        })
    }
}

impl Store {
    /// Registers an application.
    pub async fn add_client(&self, client: &Client) -> Result<AddedClient, StoreError> {
        let (secret, jwks) = client.credential.columns()?;
        let mut transaction = self.begin().await?;
        let wanted = lookalike(&client.name);
        // Even before the administrator's first request, and while their own entry is disabled.
        if client.id != ADMINISTRATOR_ID && wanted == lookalike(ADMINISTRATOR) {
            return Ok(AddedClient::NameTaken { by: ADMINISTRATOR_ID.to_owned() });
        }
        let others = sqlx::query("SELECT id, name FROM clients WHERE disabled_at IS NULL AND id <> ?1");
        for row in others.bind(&client.id).fetch_all(&mut *transaction).await? {
            if lookalike(row.try_get("name")?) == wanted {
                return Ok(AddedClient::NameTaken { by: row.try_get("id")? });
            }
        }
        let insert = sqlx::query(
            "INSERT INTO clients (id, name, secret, jwks, audience, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        );
        let insert = insert.bind(&client.id).bind(&client.name).bind(secret).bind(jwks);
        let insert = insert.bind(&client.audience).bind(signed(client.created));
        let body = json!({
            "client": client.id, "name": client.name, "method": client.credential.method(), "audience": client.audience,
        });
        let added = change(transaction, insert, Kind::ClientAdded, &body, client.created).await?;
        Ok(if added { AddedClient::Added } else { AddedClient::IdTaken })
    }

    /// Disables a client. Returns `false` if it does not exist or was already disabled.
    pub async fn disable_client(&self, id: &str, now: u64) -> Result<bool, StoreError> {
        let update = sqlx::query("UPDATE clients SET disabled_at = ?2 WHERE id = ?1 AND disabled_at IS NULL");
        let update = update.bind(id).bind(signed(now));
        self.change_client(update, Kind::ClientDisabled, &json!({ "client": id }), now).await
    }

    /// Replaces a client's credential; the old one becomes invalid. Returns `false` if the client does not
    /// exist.
    pub async fn replace_client_credential(
        &self,
        id: &str,
        credential: &ClientCredential,
        now: u64,
    ) -> Result<bool, StoreError> {
        let (secret, jwks) = credential.columns()?;
        let update = sqlx::query("UPDATE clients SET secret = ?2, jwks = ?3 WHERE id = ?1");
        let update = update.bind(id).bind(secret).bind(jwks);
        let body = json!({ "client": id, "method": credential.method() });
        self.change_client(update, Kind::ClientCredentialReplaced, &body, now).await
    }

    /// Reads an application by ID.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let query = sqlx::query("SELECT * FROM clients WHERE id = ?1").bind(id);
        query.fetch_optional(self.readers()).await?.as_ref().map(Client::from_row).transpose()
    }

    /// Returns all applications in order of registration.
    pub async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM clients ORDER BY created, id").fetch_all(self.readers()).await?;
        rows.iter().map(Client::from_row).collect()
    }

    /// Durably records the identifier of an assertion or proof until `expires`. Returns `false` if it was used before.
    pub(crate) async fn use_jti(&self, name: &Digest, expires: u64, now: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query("DELETE FROM used_jtis WHERE expires < ?1").bind(signed(now));
        forget.execute(&mut *transaction).await?;
        let insert =
            sqlx::query("INSERT INTO used_jtis (digest, expires) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
        let insert = insert.bind(name.as_bytes()).bind(signed(expires));
        let inserted = insert.execute(&mut *transaction).await?.rows_affected();
        transaction.commit().await?;
        Ok(inserted == 1)
    }

    async fn change_client(
        &self,
        change: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        kind: Kind,
        body: &Value,
        now: u64,
    ) -> Result<bool, StoreError> {
        self::change(self.begin().await?, change, kind, body, now).await
    }
}

/// Makes a change and logs it. Returns `false` if it changed nothing.
async fn change(
    mut transaction: Transaction<'_>,
    change: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    kind: Kind,
    body: &Value,
    now: u64,
) -> Result<bool, StoreError> {
    if change.execute(&mut *transaction).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let entry = AuditEntry { time: now, kind, device: None, body: body.to_string(), evidence: None };
    transaction.log(&[entry]).await?;
    transaction.commit().await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_used_once_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&path).await.unwrap();
        let (one, other) = (Digest([1; 32]), Digest([2; 32]));
        assert!(store.use_jti(&one, 200, 100).await.unwrap());
        assert!(!store.use_jti(&one, 300, 100).await.unwrap());
        assert!(store.use_jti(&other, 200, 100).await.unwrap());
        // Survives a restart of the process.
        store.close().await;
        let store = Store::open(&path).await.unwrap();
        assert!(!store.use_jti(&one, 300, 200).await.unwrap());
        // The caller has already refused expired assertions.
        assert!(store.use_jti(&one, 300, 201).await.unwrap());
    }
}
