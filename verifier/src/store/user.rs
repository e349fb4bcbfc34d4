//! Users, the devices at which they are prompted, and the codes with which they register security keys.

use super::device::{self, By};
use super::{Store, StoreError, Transaction, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use crate::names::folded;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row, Sqlite, SqliteConnection};
use vitalsign_protocol::id::{Digest, EnrolmentId};

/// Alphabet of 32 digits and letters that are not confused with each other: five bits each.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 60 bits.
const CODE_CHARACTERS: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    /// User name (`login_hint`).
    pub name: String,
    /// User handle for security keys, and `sub` of tokens.
    pub handle: [u8; 16],
    /// Since when, in seconds since 1970.
    pub created: u64,
    /// Time at which an administrator disabled the user; a disabled user is not prompted.
    pub disabled_at: Option<u64>,
}

/// Record of a key code. The code itself is shown once, when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyCode {
    pub id: i64,
    /// Expiry in seconds since 1970.
    pub expires: u64,
}

/// Outcome of linking a user and a device, or of unlinking them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceLink {
    Done,
    AlreadySo,
    /// The device does not exist or was revoked.
    NoDevice,
}

/// A user as a file of users describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedUser {
    /// Line of the file, from 1.
    pub line: usize,
    pub name: String,
    pub aliases: Vec<String>,
    pub devices: Vec<EnrolmentId>,
}

/// Numbers of what an import added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportCount {
    pub users: usize,
    pub aliases: usize,
    pub devices: usize,
}

/// Reason why a file of users was not imported. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ImportRefused {
    /// Line of the file, from 1.
    pub line: usize,
    pub why: String,
}

impl User {
    pub(crate) fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let handle: &[u8] = row.try_get("handle")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            handle: handle
                .try_into()
                .map_err(|_| StoreError::Failed("a user's handle cannot be read".into()))?,
            created: unsigned(row.try_get("created")?),
            disabled_at: row.try_get::<Option<i64>, _>("disabled_at")?.map(unsigned),
        })
    }
}

/// Computes the digest under which a code is stored. Case, dashes, spaces, and letters that resemble digits
/// do not matter.
pub(crate) fn code_digest(code: &str) -> Digest {
    let normal: String = (code.chars())
        .filter(|c| !matches!(c, '-' | ' '))
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    Digest::labelled("vitalsign-key-code-v1", &[normal.as_bytes()])
}

fn code() -> Result<String, StoreError> {
    let mut random = [0; CODE_CHARACTERS];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| StoreError::Failed("no random numbers".into()))?;
    let characters: Vec<char> = (random.iter())
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).copied().map(char::from))
        .collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// Returns the user for whom `code`, a row of `key_codes`, was created; `None` if they are disabled.
pub(crate) async fn of_code(
    connection: &mut SqliteConnection,
    code: i64,
) -> Result<Option<User>, StoreError> {
    let query = sqlx::query(
        "SELECT users.* FROM key_codes JOIN users ON users.id = user
         WHERE key_codes.id = ?1 AND disabled_at IS NULL",
    );
    query.bind(code).fetch_optional(connection).await?.as_ref().map(User::from_row).transpose()
}

/// Links a device to a user. Returns `false` if it was already linked.
pub(crate) async fn join(
    connection: &mut SqliteConnection,
    user: i64,
    device: i64,
) -> Result<bool, StoreError> {
    let insert = sqlx::query("INSERT OR IGNORE INTO user_devices (user, device) VALUES (?1, ?2)");
    Ok(insert.bind(user).bind(device).execute(connection).await?.rows_affected() > 0)
}

/// Reads a user by name or alias, whose case and form do not matter. A name that matches exactly comes first.
async fn by_name<'c>(
    connection: impl Executor<'c, Database = Sqlite>,
    name: &str,
) -> Result<Option<User>, StoreError> {
    let query = sqlx::query(
        "SELECT * FROM users WHERE id = coalesce(
           (SELECT id FROM users WHERE name = ?1), (SELECT user FROM user_names WHERE folded = ?2))",
    );
    let row = query.bind(name).bind(folded(name)).fetch_optional(connection).await?;
    row.as_ref().map(User::from_row).transpose()
}

/// Lets `name` stand for the user. Returns `false` if it is taken.
async fn claim_name(connection: &mut SqliteConnection, user: i64, name: &str) -> Result<bool, StoreError> {
    let insert = sqlx::query("INSERT OR IGNORE INTO user_names (folded, name, user) VALUES (?1, ?2, ?3)");
    let insert = insert.bind(folded(name)).bind(name).bind(user).execute(connection).await?;
    Ok(insert.rows_affected() > 0)
}

/// Enters the names of users of earlier versions. Of two that differ in case or form only, the older user has the name,
/// and the other is found by their exact name.
pub(super) async fn complete_names(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let query = sqlx::query("SELECT * FROM users WHERE id NOT IN (SELECT user FROM user_names) ORDER BY id");
    for row in query.fetch_all(&mut *connection).await? {
        let user = User::from_row(&row)?;
        claim_name(connection, user.id, &user.name).await?;
    }
    Ok(())
}

/// Adds a user. Returns `None` if the name is taken.
async fn add(transaction: &mut Transaction<'_>, name: &str, now: u64) -> Result<Option<User>, StoreError> {
    if by_name(&mut **transaction, name).await?.is_some() {
        return Ok(None);
    }
    let mut handle = [0; 16];
    aws_lc_rs::rand::fill(&mut handle).map_err(|_| StoreError::Failed("no random numbers".into()))?;
    let insert = sqlx::query("INSERT INTO users (name, handle, created) VALUES (?1, ?2, ?3) RETURNING *");
    let insert = insert.bind(name).bind(&handle[..]).bind(signed(now));
    let user = User::from_row(&insert.fetch_one(&mut **transaction).await?)?;
    claim_name(transaction, user.id, name).await?;
    let body = serde_json::json!({ "user": name });
    transaction.log(&[entry(Kind::UserAdded, &body, None, now)]).await?;
    Ok(Some(user))
}

/// Adds an alias. Returns `false` if it is taken.
async fn add_alias(
    transaction: &mut Transaction<'_>,
    user: &User,
    alias: &str,
    now: u64,
) -> Result<bool, StoreError> {
    if by_name(&mut **transaction, alias).await?.is_some() || !claim_name(transaction, user.id, alias).await?
    {
        return Ok(false);
    }
    let body = serde_json::json!({ "user": user.name, "alias": alias });
    transaction.log(&[entry(Kind::UserAliasAdded, &body, None, now)]).await?;
    Ok(true)
}

fn entry(kind: Kind, body: &serde_json::Value, device: Option<EnrolmentId>, time: u64) -> AuditEntry {
    AuditEntry { time, kind, device, body: body.to_string(), evidence: None }
}

impl Store {
    /// Reads a user by name or alias, whose case and form do not matter.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        by_name(self.readers(), name).await
    }

    /// Returns at most `limit` users by name, after this name, each with the numbers of their valid security keys and of
    /// the devices at which they are prompted.
    pub async fn users(&self, limit: u32, after: &str) -> Result<Vec<(User, usize, usize)>, StoreError> {
        let query = sqlx::query(
            "SELECT users.*,
               (SELECT COUNT(*) FROM security_keys WHERE user = users.id AND revoked_at IS NULL) AS key_count,
               (SELECT COUNT(*) FROM user_devices JOIN devices ON id = device
                WHERE user = users.id AND revoked_at IS NULL) AS device_count
             FROM users WHERE name > ?2 ORDER BY name LIMIT ?1",
        );
        let rows = query.bind(limit).bind(after).fetch_all(self.readers()).await?;
        let count = |row: &SqliteRow, column| {
            Ok::<_, StoreError>(usize::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
        };
        rows.iter()
            .map(|row| Ok((User::from_row(row)?, count(row, "key_count")?, count(row, "device_count")?)))
            .collect()
    }

    /// Adds a user. Returns `None` if the name is taken, with another case or form too.
    pub async fn add_user(&self, name: &str, now: u64) -> Result<Option<User>, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(user) = add(&mut transaction, name, now).await? else { return Ok(None) };
        transaction.commit().await?;
        Ok(Some(user))
    }

    /// Returns the aliases of a user as they were written, in their order.
    pub async fn aliases(&self, user: &User) -> Result<Vec<String>, StoreError> {
        let query =
            sqlx::query_scalar("SELECT name FROM user_names WHERE user = ?1 AND name <> ?2 ORDER BY name");
        Ok(query.bind(user.id).bind(&user.name).fetch_all(self.readers()).await?)
    }

    /// Gives a user another name that applications may send as `login_hint`. Returns `false` if it is taken.
    pub async fn add_alias(&self, user: &User, alias: &str, now: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added = add_alias(&mut transaction, user, alias, now).await?;
        transaction.commit().await?;
        Ok(added)
    }

    /// Removes an alias of a user. Returns `false` if they have no such alias.
    pub async fn remove_alias(&self, user: &User, alias: &str, now: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let delete = sqlx::query("DELETE FROM user_names WHERE folded = ?1 AND user = ?2 AND name <> ?3");
        let delete = delete.bind(folded(alias)).bind(user.id).bind(&user.name);
        if delete.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let body = serde_json::json!({ "user": user.name, "alias": alias });
        transaction.log(&[entry(Kind::UserAliasRemoved, &body, None, now)]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Adds users with their aliases and devices, all or none. Users, aliases and devices that are there already stay as
    /// they are. With `dry_run` it writes nothing, and returns what it would have done.
    pub async fn import_users(
        &self,
        users: &[ImportedUser],
        dry_run: bool,
        now: u64,
    ) -> Result<Result<ImportCount, ImportRefused>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut count = ImportCount::default();
        for imported in users {
            let refused = |why| Ok(Err(ImportRefused { line: imported.line, why }));
            let user = match by_name(&mut *transaction, &imported.name).await? {
                Some(user) if user.name == imported.name => user,
                Some(other) => {
                    return refused(format!("{} stands for {} already", imported.name, other.name));
                }
                None => {
                    count.users += 1;
                    let Some(user) = add(&mut transaction, &imported.name, now).await? else {
                        return refused(format!("{} cannot be added", imported.name));
                    };
                    user
                }
            };
            for alias in &imported.aliases {
                match by_name(&mut *transaction, alias).await? {
                    Some(other) if other.id == user.id => {}
                    Some(other) => return refused(format!("{alias} stands for {} already", other.name)),
                    None => {
                        count.aliases += usize::from(add_alias(&mut transaction, &user, alias, now).await?)
                    }
                }
            }
            for device in &imported.devices {
                let Some(found) = device::find(&mut *transaction, By::Enrolment(device)).await? else {
                    return refused(format!("there is no device {device}"));
                };
                if join(&mut transaction, user.id, found.id).await? {
                    count.devices += 1;
                    let body = serde_json::json!({ "user": user.name });
                    transaction.log(&[entry(Kind::UserDeviceAdded, &body, Some(*device), now)]).await?;
                }
            }
        }
        if !dry_run {
            transaction.commit().await?;
        }
        Ok(Ok(count))
    }

    /// Enables or disables a user. Returns `false` if the user does not exist or already has that state.
    pub async fn enable_user(&self, name: &str, enabled: bool, now: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let update = match enabled {
            true => {
                "UPDATE users SET disabled_at = NULL WHERE name = ?1 AND disabled_at IS NOT NULL AND ?2 >= 0"
            }
            false => "UPDATE users SET disabled_at = ?2 WHERE name = ?1 AND disabled_at IS NULL",
        };
        let update = sqlx::query(update).bind(name).bind(signed(now));
        if update.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let kind = if enabled { Kind::UserEnabled } else { Kind::UserDisabled };
        let body = serde_json::json!({ "user": name });
        transaction.log(&[entry(kind, &body, None, now)]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Creates a code with which a user can register one security key until `expires`. The result is the only copy.
    pub async fn create_key_code(
        &self,
        user: &User,
        expires: u64,
        now: u64,
    ) -> Result<(KeyCode, String), StoreError> {
        let code = code()?;
        let mut transaction = self.begin().await?;
        let insert = sqlx::query(
            "INSERT INTO key_codes (user, digest, created, expires) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        );
        let row = insert
            .bind(user.id)
            .bind(code_digest(&code).as_bytes().to_vec())
            .bind(signed(now))
            .bind(signed(expires))
            .fetch_one(&mut *transaction)
            .await?;
        let record = KeyCode { id: row.try_get("id")?, expires };
        let body = serde_json::json!({ "user": user.name, "code": record.id, "expires": expires });
        transaction.log(&[entry(Kind::KeyCodeCreated, &body, None, now)]).await?;
        transaction.commit().await?;
        Ok((record, code))
    }

    /// Returns the number and the user of a valid code.
    pub(crate) async fn key_code(&self, code: &str, now: u64) -> Result<Option<(i64, User)>, StoreError> {
        let query = sqlx::query(
            "SELECT id FROM key_codes WHERE digest = ?1 AND used_at IS NULL AND expires > ?2 AND created <= ?2",
        );
        let query = query.bind(code_digest(code).as_bytes().to_vec()).bind(signed(now));
        let Some(row) = query.fetch_optional(self.readers()).await? else { return Ok(None) };
        let id: i64 = row.try_get("id")?;
        let user = of_code(&mut *self.readers().acquire().await?, id).await?;
        Ok(user.map(|user| (id, user)))
    }

    /// Returns the devices at which a user is prompted, without revoked ones.
    pub async fn user_devices(&self, user: i64) -> Result<Vec<EnrolmentId>, StoreError> {
        let query = sqlx::query(
            "SELECT enrolment FROM user_devices JOIN devices ON id = device
             WHERE user = ?1 AND revoked_at IS NULL ORDER BY id",
        );
        let rows = query.bind(user).fetch_all(self.readers()).await?;
        let broken = || StoreError::Failed("a device's enrolment cannot be read".into());
        rows.iter().map(|row| EnrolmentId::from_slice(row.try_get(0)?).ok_or_else(broken)).collect()
    }

    /// Links a device to a user, or unlinks it.
    pub async fn join_device(
        &self,
        user: &User,
        device: EnrolmentId,
        joined: bool,
        now: u64,
    ) -> Result<DeviceLink, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(found) = device::find(&mut *transaction, By::Enrolment(&device)).await? else {
            return Ok(DeviceLink::NoDevice);
        };
        let changed = if joined {
            join(&mut transaction, user.id, found.id).await?
        } else {
            let delete = sqlx::query("DELETE FROM user_devices WHERE user = ?1 AND device = ?2");
            delete.bind(user.id).bind(found.id).execute(&mut *transaction).await?.rows_affected() > 0
        };
        if !changed {
            return Ok(DeviceLink::AlreadySo);
        }
        let kind = if joined { Kind::UserDeviceAdded } else { Kind::UserDeviceRemoved };
        let body = serde_json::json!({ "user": user.name });
        transaction.log(&[entry(kind, &body, Some(device), now)]).await?;
        transaction.commit().await?;
        Ok(DeviceLink::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_written_in_many_ways() {
        let expected = code_digest("K7QP-10WX-9MFT");
        for text in ["k7qp-10wx-9mft", "K7QP10WX9MFT", " k7qp iowx 9mft ", "K7QP-LOWX-9MFT"] {
            assert_eq!(code_digest(text), expected, "{text}");
        }
        assert_ne!(code_digest("K7QP-10WX-9MFV"), expected);
    }

    #[test]
    fn codes_are_of_the_alphabet_and_differ() {
        let (one, other) = (code().unwrap(), code().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 14);
        assert!(one.split('-').all(|group| group.len() == 4 && group.bytes().all(|c| ALPHABET.contains(&c))));
    }
}
