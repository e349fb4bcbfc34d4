//! Applications, and the identifiers (`jti`) of assertions and proofs that they have used.

mod credential;
mod settings;

pub use credential::{ClientCredential, ClientSecrets, RemoteKeys};
pub use settings::{ClientSettings, DetailsTypes};

use super::{Store, StoreError, Transaction, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use crate::client_keys::{ClientKeys, JwkError};
use crate::names::lookalike;
use credential::Columns;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeSet;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::step_up::{ADMINISTRATOR, Acr};

/// The longest name and id, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Reserved `client_id` of the administrator.
pub const ADMINISTRATOR_ID: &str = "vitalsign-verifier";
/// Reserved `client_id` of step-ups that confirm administrators' actions. No credential authenticates it.
pub const CONFIRMATION_ID: &str = "vitalsign-verifier-confirmation";
/// Name that people are shown for it.
pub const CONFIRMATION: &str = "Administration of the verifier";

/// Returns whether a `client_id` is reserved for the verifier itself.
#[must_use]
pub fn is_reserved(id: &str) -> bool {
    id == ADMINISTRATOR_ID || id == CONFIRMATION_ID
}

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
    pub settings: ClientSettings,
}

/// Outcome of registering an application, or of enabling it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedClient {
    Added,
    /// There is an application with this `client_id`, or it is enabled already.
    IdTaken,
    /// People would confuse it with another application.
    NameTaken {
        /// The other's `client_id`.
        by: String,
    },
}

/// Outcome of changing an application's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedKeys {
    Changed(ClientKeys),
    /// There is no such application, or it authenticates with a secret.
    NoKeys,
    /// The keys cannot be changed in this way.
    Refused(JwkError),
}

impl Client {
    /// Returns whether the application may ask for a level. The lowest one needs an administrator's permission.
    #[must_use]
    pub fn may_use(&self, acr: Acr) -> bool {
        acr.verifies_each_tap() || self.settings.badge || self.id == ADMINISTRATOR_ID
    }

    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let damaged = |_| StoreError::Failed("a client's settings are damaged".into());
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            audience: row.try_get("audience")?,
            created: unsigned(row.try_get("created")?),
            disabled_at: row.try_get::<Option<i64>, _>("disabled_at")?.map(unsigned),
            credential: ClientCredential::from_row(row)?,
            settings: serde_json::from_str(row.try_get("settings")?).map_err(damaged)?,
        })
    }

    /// Returns whether its access tokens could pass for its ID tokens at a service that does not check `typ` (RFC 9068
    /// section 4).
    #[must_use]
    pub fn has_confusable_audience(&self) -> bool {
        self.audience == self.id && self.id != ADMINISTRATOR_ID
    }
}

impl Store {
    /// Registers an application.
    pub async fn add_client(&self, client: &Client) -> Result<AddedClient, StoreError> {
        let columns = client.credential.columns()?;
        let settings = settings_column(&client.settings)?;
        let mut transaction = self.begin().await?;
        if let Some(by) = lookalike_client(&mut transaction, &client.id, &client.name).await? {
            return Ok(AddedClient::NameTaken { by });
        }
        let insert = sqlx::query(
            "INSERT INTO clients (id, name, audience, created, settings, secret, previous_secret,
               previous_secret_expires, jwks)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        );
        let insert = insert.bind(&client.id).bind(&client.name).bind(&client.audience);
        let insert = bind_credential(insert.bind(signed(client.created)).bind(settings), columns);
        let body = json!({
            "client": client.id, "name": client.name, "method": client.credential.method(),
            "audience": client.audience, "settings": client.settings,
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

    /// Enables a disabled client again, with the credential that it had.
    pub async fn enable_client(&self, client: &Client, now: u64) -> Result<AddedClient, StoreError> {
        let mut transaction = self.begin().await?;
        if let Some(by) = lookalike_client(&mut transaction, &client.id, &client.name).await? {
            return Ok(AddedClient::NameTaken { by });
        }
        let update =
            sqlx::query("UPDATE clients SET disabled_at = NULL WHERE id = ?1 AND disabled_at IS NOT NULL");
        let body = json!({ "client": client.id });
        let enabled = change(transaction, update.bind(&client.id), Kind::ClientEnabled, &body, now).await?;
        Ok(if enabled { AddedClient::Added } else { AddedClient::IdTaken })
    }

    /// Replaces a client's credential; the old one becomes invalid. Returns `false` if the client does not
    /// exist.
    pub async fn replace_client_credential(
        &self,
        id: &str,
        credential: &ClientCredential,
        now: u64,
    ) -> Result<bool, StoreError> {
        let update = sqlx::query(
            "UPDATE clients SET secret = ?2, previous_secret = ?3, previous_secret_expires = ?4, jwks = ?5
             WHERE id = ?1",
        );
        let update = bind_credential(update.bind(id), credential.columns()?);
        let body = json!({ "client": id, "method": credential.method() });
        self.change_client(update, Kind::ClientCredentialReplaced, &body, now).await
    }

    /// Replaces a client's secret. The old one is accepted until `previous_expires`, and one before it no longer.
    /// Returns `false` if there is no client with a secret.
    pub async fn rotate_client_secret(
        &self,
        id: &str,
        secret: &Digest,
        previous_expires: Option<u64>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let update = sqlx::query(
            "UPDATE clients SET previous_secret = iif(?3 IS NULL, NULL, secret), previous_secret_expires = ?3,
               secret = ?2
             WHERE id = ?1 AND secret IS NOT NULL",
        );
        let update = update.bind(id).bind(secret.as_bytes()).bind(previous_expires.map(signed));
        let body = json!({
            "client": id, "method": "client_secret_basic", "previous_expires": previous_expires,
        });
        self.change_client(update, Kind::ClientCredentialReplaced, &body, now).await
    }

    /// Adds and removes keys of a client.
    pub async fn change_client_keys(
        &self,
        id: &str,
        add: Option<&ClientKeys>,
        remove: &[String],
        now: u64,
    ) -> Result<ChangedKeys, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(Client { credential: ClientCredential::Keys(keys), .. }) =
            find(&mut transaction, id).await?
        else {
            return Ok(ChangedKeys::NoKeys);
        };
        let keys = match keys.changed(add, remove) {
            Ok(keys) => keys,
            Err(error) => return Ok(ChangedKeys::Refused(error)),
        };
        let credential = ClientCredential::Keys(keys.clone());
        let update = sqlx::query("UPDATE clients SET jwks = ?2 WHERE id = ?1");
        let update = update.bind(id).bind(credential.columns()?.jwks);
        let body = json!({ "client": id, "method": credential.method(), "kids": keys.kids() });
        change(transaction, update, Kind::ClientCredentialReplaced, &body, now).await?;
        Ok(ChangedKeys::Changed(keys))
    }

    /// Stores what was fetched of a client's keys, unless its credential was changed meanwhile. Logs other keys.
    pub(crate) async fn refresh_client_keys(
        &self,
        id: &str,
        before: &RemoteKeys,
        fetched: &RemoteKeys,
    ) -> Result<(), StoreError> {
        let columns = |keys: &RemoteKeys| ClientCredential::Remote(keys.clone()).columns();
        let mut transaction = self.begin().await?;
        let update = sqlx::query("UPDATE clients SET jwks = ?3 WHERE id = ?1 AND jwks = ?2");
        let update = update.bind(id).bind(columns(before)?.jwks).bind(columns(fetched)?.jwks);
        let changed = update.execute(&mut *transaction).await?.rows_affected() > 0;
        if changed && before.keys != fetched.keys {
            let body = json!({
                "client": id, "method": "private_key_jwt", "kids": fetched.keys.kids(), "jwks_uri": fetched.uri,
            });
            let kind = Kind::ClientCredentialReplaced;
            let body = body.to_string();
            let entry = AuditEntry { time: fetched.fetched, kind, device: None, body, evidence: None };
            super::audit::append(&mut transaction, &[entry]).await?;
        }
        transaction.commit().await
    }

    /// Changes a client's audience and settings. Returns the client as it is then; `None` if it does not exist.
    pub async fn configure_client(
        &self,
        id: &str,
        configure: impl FnOnce(&mut Client),
        now: u64,
    ) -> Result<Option<Client>, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(mut client) = find(&mut transaction, id).await? else { return Ok(None) };
        configure(&mut client);
        let update = sqlx::query("UPDATE clients SET audience = ?2, settings = ?3 WHERE id = ?1");
        let update = update.bind(id).bind(&client.audience).bind(settings_column(&client.settings)?);
        let body = json!({ "client": id, "audience": client.audience, "settings": client.settings });
        change(transaction, update, Kind::ClientConfigured, &body, now).await?;
        Ok(Some(client))
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

    /// Returns the types of `authorization_details` that are registered for enabled applications.
    pub(crate) async fn details_types(&self) -> Result<BTreeSet<String>, StoreError> {
        let query = sqlx::query(
            "SELECT value FROM clients, json_each(settings, '$.authorization_details_types.only')
             WHERE disabled_at IS NULL
             UNION SELECT key FROM clients, json_each(settings, '$.authorization_details_schemas')
             WHERE disabled_at IS NULL",
        );
        let rows = query.fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Records the identifier of an assertion or proof until `expires`. Returns `false` if it was used before. The record
    /// is durable before anything that the request with this assertion makes durable.
    pub(crate) async fn use_jti(&self, name: &Digest, expires: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin_unsynced().await?;
        let insert =
            sqlx::query("INSERT INTO used_jtis (digest, expires) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
        let insert = insert.bind(name.as_bytes()).bind(signed(expires));
        let inserted = insert.execute(&mut *transaction).await?.rows_affected();
        transaction.commit().await?;
        Ok(inserted == 1)
    }

    async fn change_client(
        &self,
        change: Query<'_>,
        kind: Kind,
        body: &Value,
        now: u64,
    ) -> Result<bool, StoreError> {
        self::change(self.begin().await?, change, kind, body, now).await
    }
}

/// Reads an application by ID in a transaction.
pub(super) async fn find(connection: &mut SqliteConnection, id: &str) -> Result<Option<Client>, StoreError> {
    let query = sqlx::query("SELECT * FROM clients WHERE id = ?1").bind(id);
    query.fetch_optional(connection).await?.as_ref().map(Client::from_row).transpose()
}

/// Returns the enabled client whose name people would confuse with this one.
async fn lookalike_client(
    connection: &mut SqliteConnection,
    id: &str,
    name: &str,
) -> Result<Option<String>, StoreError> {
    let wanted = lookalike(name);
    // Even before the administrator's first request, and while their own entry is disabled.
    for (reserved, name) in [(ADMINISTRATOR_ID, ADMINISTRATOR), (CONFIRMATION_ID, CONFIRMATION)] {
        if id != reserved && wanted == lookalike(name) {
            return Ok(Some(reserved.to_owned()));
        }
    }
    let others = sqlx::query("SELECT id, name FROM clients WHERE disabled_at IS NULL AND id <> ?1");
    for row in others.bind(id).fetch_all(connection).await? {
        if lookalike(row.try_get("name")?) == wanted {
            return Ok(Some(row.try_get("id")?));
        }
    }
    Ok(None)
}

fn settings_column(settings: &ClientSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|e| StoreError::Failed(e.to_string()))
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds the columns of a credential, in the order in which the statements above name them.
fn bind_credential<'q>(query: Query<'q>, columns: Columns) -> Query<'q> {
    let Columns { secret, previous_secret, previous_secret_expires, jwks } = columns;
    query.bind(secret).bind(previous_secret).bind(previous_secret_expires).bind(jwks)
}

/// Makes a change and logs it. Returns `false` if it changed nothing.
async fn change(
    mut transaction: Transaction<'_>,
    change: Query<'_>,
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
    use crate::store::schema;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};

    #[tokio::test]
    async fn earlier_clients_may_do_what_they_could_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut old =
            SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
        let settings = include_str!("applications.sql");
        let version = crate::store::MIGRATIONS.iter().position(|it| *it == settings).unwrap();
        for migration in &crate::store::MIGRATIONS[..version] {
            sqlx::raw_sql(*migration).execute(&mut old).await.unwrap();
        }
        let insert = format!(
            "INSERT INTO clients (id, name, secret, audience, created) VALUES ('ehr', 'EHR', zeroblob(32), 'ehr', 0);
             PRAGMA user_version = {version}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut old).await.unwrap();
        old.close().await.unwrap();
        let migration = schema::due(&path).await.unwrap().unwrap();
        schema::migrate(&path, &migration).await.unwrap();
        let store = Store::open(&path).await.unwrap();
        let client = store.client("ehr").await.unwrap().unwrap();
        assert!(client.has_confusable_audience());
        let loose = ClientSettings {
            strict_audience: false,
            authorization_details_types: DetailsTypes::Any,
            ..ClientSettings::default()
        };
        assert_eq!(client.settings, loose);
        assert_eq!(store.details_types().await.unwrap(), [].into());
    }

    #[tokio::test]
    async fn a_name_is_used_once_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&path).await.unwrap();
        let (one, other) = (Digest([1; 32]), Digest([2; 32]));
        assert!(store.use_jti(&one, 200).await.unwrap());
        assert!(!store.use_jti(&one, 300).await.unwrap());
        assert!(store.use_jti(&other, 200).await.unwrap());
        // Survives a restart of the process.
        store.close().await;
        let store = Store::open(&path).await.unwrap();
        assert!(!store.use_jti(&one, 300).await.unwrap());
        store.forget_expired(200, 0).await.unwrap();
        assert!(!store.use_jti(&one, 300).await.unwrap());
        // The caller has already refused expired assertions.
        store.forget_expired(201, 0).await.unwrap();
        assert!(store.use_jti(&one, 300).await.unwrap());
    }
}
