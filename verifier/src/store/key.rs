//! The verifier's own keys in the store, sealed by the key-encryption key.

use super::{Store, StoreError, signed, unsigned};
use crate::kek::Kek;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

/// Purpose of a key. Each has its own keys, so that nothing that is made for one can pass for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Signs verdicts. Devices pin the public half.
    Verdicts,
    /// Signs tokens for applications.
    Tokens,
    /// Signs assertions of the administrator as a client.
    Administration,
    /// Signs checkpoints of the audit log.
    Checkpoints,
    /// Seals nonces and sessions.
    Nonces,
}

impl KeyPurpose {
    pub const ALL: [Self; 5] =
        [Self::Verdicts, Self::Tokens, Self::Administration, Self::Checkpoints, Self::Nonces];

    /// Returns the name in the store, in logs and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdicts => "verdicts",
            Self::Tokens => "tokens",
            Self::Administration => "administration",
            Self::Checkpoints => "checkpoints",
            Self::Nonces => "nonces",
        }
    }
}

/// State of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more, and is published for a while.
    Retired,
    /// Not to be trusted.
    Withdrawn,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Next, Self::Active, Self::Retired, Self::Withdrawn];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A successor's announcement by the key before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The `kid` of the key that signed it.
    pub by: String,
    pub token: String,
}

/// A key of the verifier. Times are in seconds since 1970.
#[derive(Clone)]
pub struct StoredKey {
    pub purpose: KeyPurpose,
    pub state: KeyState,
    /// Bytes of the public key; empty for a secret without one.
    pub public: Vec<u8>,
    pub announcement: Option<Announcement>,
    pub created: u64,
    /// Time from which it signs.
    pub begins: u64,
    pub retired: Option<u64>,
    pub withdrawn: Option<u64>,
    /// The private key; empty once it signs no more.
    pub(crate) private: Zeroizing<Vec<u8>>,
}

impl StoredKey {
    /// Returns what the seal of a row authenticates besides the private key: all other columns.
    fn context(&self, id: i64) -> Vec<u8> {
        let mut context = b"vitalsign-verifier-key-v1\0".to_vec();
        context.extend(id.to_be_bytes());
        for time in [Some(self.created), Some(self.begins), self.retired, self.withdrawn] {
            context.push(u8::from(time.is_some()));
            context.extend(time.unwrap_or_default().to_be_bytes());
        }
        let announcement = self.announcement.as_ref();
        let (by, token) = announcement.map_or(("", ""), |it| (&it.by, &it.token));
        let texts = [self.purpose.as_str(), self.state.as_str(), by, token].map(str::as_bytes);
        for part in texts.into_iter().chain([self.public.as_slice()]) {
            context.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.extend(part);
        }
        context
    }

    /// Ends its use: it signs no more.
    pub(crate) fn end(&mut self, state: KeyState, now: u64) {
        self.private = Zeroizing::default();
        self.state = state;
        match state {
            KeyState::Withdrawn => self.withdrawn = Some(now),
            _ => self.retired = Some(now),
        }
    }
}

/// Keys of one purpose, oldest first, each with its row.
pub(crate) struct StoredKeys {
    pub(crate) revision: u64,
    pub(crate) keys: Vec<(i64, StoredKey)>,
}

impl StoredKeys {
    /// Returns the newest key in this state.
    pub(crate) fn of(&self, state: KeyState) -> Option<&(i64, StoredKey)> {
        self.keys.iter().rev().find(|(_, key)| key.state == state)
    }
}

/// Keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the keys in the store are sealed by the key-encryption key {sealed_by}, and this is {given}")]
    OtherKek { sealed_by: String, given: String },
    /// A row does not authenticate.
    #[error("key {id} for {} in the store is damaged or was changed; restore a backup", .purpose.as_str())]
    Damaged { purpose: KeyPurpose, id: i64 },
    #[error("a key cannot be sealed")]
    Crypto,
}

impl From<sqlx::Error> for SealError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Returns the name of the KEK that seals the keys, and the revision of the keys; `None` if there are no keys yet.
    pub(crate) async fn sealed_by(&self) -> Result<Option<(String, u64)>, StoreError> {
        sealed_by(&mut *self.readers().acquire().await?).await
    }

    /// Reads the keys of a purpose, as they are at one point in time.
    pub(crate) async fn keys(&self, kek: &Kek, purpose: KeyPurpose) -> Result<StoredKeys, SealError> {
        read(&mut *self.readers().acquire().await.map_err(StoreError::from)?, kek, purpose).await
    }
}

pub(crate) async fn sealed_by(
    connection: &mut SqliteConnection,
) -> Result<Option<(String, u64)>, StoreError> {
    let query = sqlx::query("SELECT kek, revision FROM key_encryption");
    let row = query.fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get(0)?, unsigned(row.try_get(1)?)))).transpose()
}

/// Records which KEK seals the keys, and that they changed.
pub(crate) async fn touch(connection: &mut SqliteConnection, kek: &Kek) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO key_encryption VALUES (1, ?1, 1)
         ON CONFLICT (id) DO UPDATE SET kek = ?1, revision = revision + 1",
    );
    query.bind(kek.name()).execute(connection).await?;
    Ok(())
}

pub(crate) async fn read(
    connection: &mut SqliteConnection,
    kek: &Kek,
    purpose: KeyPurpose,
) -> Result<StoredKeys, SealError> {
    let query = sqlx::query(
        "SELECT verifier_keys.*, kek, revision FROM verifier_keys JOIN key_encryption
         WHERE purpose = ?1 ORDER BY verifier_keys.id",
    );
    let rows = query.bind(purpose.as_str()).fetch_all(connection).await?;
    let mut keys = StoredKeys { revision: 0, keys: Vec::with_capacity(rows.len()) };
    for row in rows {
        let sealed_by: String = row.try_get("kek")?;
        if sealed_by != kek.name() {
            return Err(SealError::OtherKek { sealed_by, given: kek.name().to_owned() });
        }
        keys.revision = unsigned(row.try_get("revision")?);
        keys.keys.push(open(&row, kek, purpose)?);
    }
    Ok(keys)
}

fn open(row: &SqliteRow, kek: &Kek, purpose: KeyPurpose) -> Result<(i64, StoredKey), SealError> {
    let id: i64 = row.try_get("id")?;
    let damaged = || SealError::Damaged { purpose, id };
    let state: &str = row.try_get("state")?;
    let announcement = match (row.try_get("announced_by")?, row.try_get("announcement")?) {
        (Some(by), Some(token)) => Some(Announcement { by, token }),
        (None, None) => None,
        _ => return Err(damaged()),
    };
    let time = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(unsigned));
    let mut key = StoredKey {
        purpose,
        state: KeyState::ALL.into_iter().find(|it| it.as_str() == state).ok_or_else(damaged)?,
        public: row.try_get("public")?,
        announcement,
        created: unsigned(row.try_get("created")?),
        begins: unsigned(row.try_get("begins")?),
        retired: time("retired")?,
        withdrawn: time("withdrawn")?,
        private: Zeroizing::default(),
    };
    key.private = kek.open(&key.context(id), row.try_get("sealed")?).ok_or_else(damaged)?;
    Ok((id, key))
}

/// Adds a key.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    kek: &Kek,
    key: &StoredKey,
) -> Result<(), SealError> {
    let query = sqlx::query("SELECT coalesce(MAX(id), 0) + 1 FROM verifier_keys");
    let id = query.fetch_one(&mut *connection).await?.try_get(0)?;
    write(connection, kek, id, key).await
}

/// Writes a key, in the place of the one with this number if there is one.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    kek: &Kek,
    id: i64,
    key: &StoredKey,
) -> Result<(), SealError> {
    let sealed = kek.seal(&key.context(id), &key.private).map_err(|_| SealError::Crypto)?;
    let query = sqlx::query(
        "INSERT INTO verifier_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET state = ?3, retired = ?9, withdrawn = ?10, sealed = ?11",
    );
    let query = query.bind(id).bind(key.purpose.as_str()).bind(key.state.as_str()).bind(&key.public);
    let query = query.bind(key.announcement.as_ref().map(|it| &it.by));
    let query = query.bind(key.announcement.as_ref().map(|it| &it.token));
    let query = query.bind(signed(key.created)).bind(signed(key.begins));
    let query = query.bind(key.retired.map(signed)).bind(key.withdrawn.map(signed)).bind(sealed);
    query.execute(connection).await?;
    Ok(())
}

/// Removes the keys of a purpose. What they were is overwritten.
pub(crate) async fn remove(connection: &mut SqliteConnection, purpose: KeyPurpose) -> Result<(), StoreError> {
    sqlx::raw_sql("PRAGMA secure_delete = ON").execute(&mut *connection).await?;
    let delete = sqlx::query("DELETE FROM verifier_keys WHERE purpose = ?1");
    delete.bind(purpose.as_str()).execute(connection).await?;
    Ok(())
}
