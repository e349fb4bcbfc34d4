//! Security keys, and their pending registrations.

use super::audit;
use super::user::{self, User};
use super::{Store, StoreError, signed, unsigned};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use vitalsign_protocol::id::RegistrationId;
use vitalsign_webauthn::{Aaguid, Registered};

use super::device::Device;
use crate::audit::{AuditEntry, Kind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityKey {
    pub id: i64,
    pub user: i64,
    pub user_name: String,
    pub credential: Vec<u8>,
    /// Public key, counter and attestation, as stored by the relying party.
    pub passkey: String,
    /// Name that the user chose.
    pub name: String,
    /// Model name from the FIDO metadata.
    pub model: String,
    pub aaguid: Aaguid,
    /// Since when, in seconds since 1970.
    pub registered: u64,
    /// Time of the last use, in seconds since 1970.
    pub last_used: Option<u64>,
    /// Time at which an administrator revoked it, in seconds since 1970.
    pub revoked_at: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct PendingRegistration {
    /// Number of the code with which the registration began.
    pub(crate) code: i64,
    /// State that the relying party needs to finish the registration.
    pub(crate) state: String,
}

#[derive(Clone, Debug)]
pub(crate) enum RegistrationOutcome {
    Registered(Box<SecurityKey>),
    /// The registration is no longer pending.
    Unknown,
    /// The code was used meanwhile, or the user was disabled.
    CodeSpent,
    /// The credential is registered already.
    Known,
}

const COLUMNS: &str =
    "SELECT security_keys.*, users.name AS user_name FROM security_keys JOIN users ON users.id = user";

impl SecurityKey {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let aaguid: &[u8] = row.try_get("aaguid")?;
        let aaguid =
            aaguid.try_into().map_err(|_| StoreError::Failed("a key's model cannot be read".into()))?;
        Ok(Self {
            id: row.try_get("id")?,
            user: row.try_get("user")?,
            user_name: row.try_get("user_name")?,
            credential: row.try_get("credential")?,
            passkey: row.try_get("passkey")?,
            name: row.try_get("name")?,
            model: row.try_get("model")?,
            aaguid: Aaguid(aaguid),
            registered: unsigned(row.try_get("registered")?),
            last_used: row.try_get::<Option<i64>, _>("last_used")?.map(unsigned),
            revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(unsigned),
        })
    }
}

impl Store {
    /// Returns a user's keys that are not revoked, oldest first.
    pub async fn security_keys(&self, user: i64) -> Result<Vec<SecurityKey>, StoreError> {
        let mut keys = self.all_security_keys(user).await?;
        keys.retain(|key| key.revoked_at.is_none());
        Ok(keys)
    }

    /// Returns a key by its number.
    pub(crate) async fn security_key(&self, id: i64) -> Result<Option<SecurityKey>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE security_keys.id = ?1")));
        query.bind(id).fetch_optional(self.readers()).await?.as_ref().map(SecurityKey::from_row).transpose()
    }

    /// Returns all keys of a user, including revoked ones, oldest first.
    pub async fn all_security_keys(&self, user: i64) -> Result<Vec<SecurityKey>, StoreError> {
        let query =
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE user = ?1 ORDER BY security_keys.id")));
        let rows = query.bind(user).fetch_all(self.readers()).await?;
        rows.iter().map(SecurityKey::from_row).collect()
    }

    /// Returns the keys of a device's users, without revoked keys and disabled users.
    pub(crate) async fn security_keys_at(&self, device: i64) -> Result<Vec<SecurityKey>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} JOIN user_devices USING (user)
             WHERE device = ?1 AND revoked_at IS NULL AND disabled_at IS NULL ORDER BY security_keys.id"
        )));
        let rows = query.bind(device).fetch_all(self.readers()).await?;
        rows.iter().map(SecurityKey::from_row).collect()
    }

    /// Revokes a key: after the commit it cannot be used. Returns its user; `None` if it does not exist or
    /// was already revoked.
    pub async fn revoke_security_key(
        &self,
        id: i64,
        reason: &str,
        now: u64,
    ) -> Result<Option<SecurityKey>, StoreError> {
        let mut transaction = self.begin().await?;
        let update =
            sqlx::query("UPDATE security_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL");
        if update.bind(id).bind(signed(now)).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let key = get(&mut transaction, id).await?;
        let body =
            serde_json::json!({ "user": key.user_name, "key": id, "name": key.name, "reason": reason });
        let entry = AuditEntry {
            time: now,
            kind: Kind::KeyRevoked,
            device: None,
            body: body.to_string(),
            evidence: None,
        };
        transaction.log(&[entry]).await?;
        transaction.commit().await?;
        Ok(Some(key))
    }

    /// Stores a pending registration.
    pub(crate) async fn begin_registration(
        &self,
        id: &RegistrationId,
        device: &Device,
        pending: &PendingRegistration,
        expires: u64,
        now: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query("DELETE FROM registrations WHERE expires < ?1").bind(signed(now));
        forget.execute(&mut *transaction).await?;
        let insert = sqlx::query(
            "INSERT INTO registrations (id, code, device, expires, state) VALUES (?1, ?2, ?3, ?4, ?5)",
        );
        insert
            .bind(id.as_bytes())
            .bind(pending.code)
            .bind(device.id)
            .bind(signed(expires))
            .bind(&pending.state)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Reads a pending registration at this device by ID.
    pub(crate) async fn registration(
        &self,
        id: &RegistrationId,
        device: &Device,
        now: u64,
    ) -> Result<Option<PendingRegistration>, StoreError> {
        let query = sqlx::query(
            "SELECT code, state FROM registrations WHERE id = ?1 AND device = ?2 AND expires >= ?3",
        );
        let query = query.bind(id.as_bytes()).bind(device.id).bind(signed(now));
        let Some(row) = query.fetch_optional(self.readers()).await? else { return Ok(None) };
        Ok(Some(PendingRegistration { code: row.try_get("code")?, state: row.try_get("state")? }))
    }

    /// Completes a registration in one transaction: spends the code, stores the key, links user and device, and appends
    /// the audit entry.
    pub(crate) async fn end_registration(
        &self,
        id: &RegistrationId,
        device: &Device,
        registered: &Registered,
        name: &str,
        now: u64,
    ) -> Result<RegistrationOutcome, StoreError> {
        let mut transaction = self.begin().await?;
        let delete = sqlx::query("DELETE FROM registrations WHERE id = ?1 AND device = ?2 RETURNING code");
        let delete = delete.bind(id.as_bytes()).bind(device.id);
        let Some(row) = delete.fetch_optional(&mut *transaction).await? else {
            return Ok(RegistrationOutcome::Unknown);
        };
        let code: i64 = row.try_get("code")?;
        let spend = sqlx::query("UPDATE key_codes SET used_at = ?2 WHERE id = ?1 AND used_at IS NULL");
        let spent = spend.bind(code).bind(signed(now)).execute(&mut *transaction).await?.rows_affected() > 0;
        let user = user::of_code(&mut transaction, code).await?;
        let Some(User { id: user, name: user_name, .. }) = user.filter(|_| spent) else {
            return Ok(RegistrationOutcome::CodeSpent);
        };
        let insert = sqlx::query(
            "INSERT INTO security_keys (user, credential, passkey, name, model, aaguid, registered)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (credential) DO NOTHING RETURNING id",
        );
        let insert = insert
            .bind(user)
            .bind(&registered.credential)
            .bind(&registered.passkey)
            .bind(name)
            .bind(&registered.model)
            .bind(&registered.aaguid.0[..])
            .bind(signed(now));
        let Some(row) = insert.fetch_optional(&mut *transaction).await? else {
            return Ok(RegistrationOutcome::Known);
        };
        let key = get(&mut transaction, row.try_get("id")?).await?;
        user::join(&mut transaction, user, device.id).await?;
        let body = serde_json::json!({
            "user": user_name,
            "key": key.id,
            "name": name,
            "model": key.model,
            "aaguid": key.aaguid,
            "credential": vitalsign_protocol::id::Base64Url(key.credential.clone()),
        });
        let (kind, device) = (Kind::KeyRegistered, Some(device.enrolment));
        let entry = AuditEntry { time: now, kind, device, body: body.to_string(), evidence: None };
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(RegistrationOutcome::Registered(Box::new(key)))
    }
}

async fn get(connection: &mut SqliteConnection, id: i64) -> Result<SecurityKey, StoreError> {
    let query = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE security_keys.id = ?1")));
    SecurityKey::from_row(&query.bind(id).fetch_one(connection).await?)
}
