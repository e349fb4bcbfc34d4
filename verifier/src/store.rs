//! The store: SQLite with a write-ahead log, synced at every commit unless the transaction says otherwise. One writer at
//! a time in this process; a transaction that is dropped before its commit is rolled back.

pub mod approval;
pub mod audit;
pub mod audit_tree;
pub mod client;
pub mod device;
mod device_names;
pub mod diagnostics;
pub mod enrolment;
pub mod event;
mod heartbeat;
pub mod key;
mod lock;
pub(crate) mod pin_tap;
mod prune;
pub mod recent_step_ups;
pub mod report;
pub mod restore;
pub mod schema;
pub mod security_key;
pub(crate) mod snapshot;
pub(crate) mod step_up;
mod stream;
pub mod token;
pub mod user;

pub use lock::DataLock;
pub use snapshot::{NoSpace, check_space};

use crate::audit::Actor;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use vitalsign_protocol::problem::{Problem, ProblemType};

/// Time that a statement waits for another process's transaction.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Migrations; each advances the schema by one version.
const MIGRATIONS: &[&str] = &[
    include_str!("store/schema.sql"),
    include_str!("store/step_up.sql"),
    include_str!("store/ends.sql"),
    include_str!("store/operation.sql"),
    include_str!("store/diagnostics.sql"),
    include_str!("store/inventory.sql"),
    include_str!("store/applications.sql"),
    include_str!("store/audit_tree.sql"),
    include_str!("store/pin_tap.sql"),
    include_str!("store/versions.sql"),
    include_str!("store/certified.sql"),
    include_str!("store/keys.sql"),
    include_str!("store/names.sql"),
];

/// Reason why the store failed. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has locked the store: try again later.
    #[error("the store is locked by another process")]
    Locked,
    /// The disk is full or the size limit reached. The verifier accepts nothing until there is space.
    #[error("the store cannot grow: {0}")]
    Full(String),
    /// The queue of the writer is full.
    #[error("the store has too much to write")]
    Overloaded,
    /// A newer program migrated the store, whose version this is, and this one may not use it.
    #[error(
        "vitalsign-verifier {1} migrated the store to schema version {0}, and this program knows up to {known}; use \
         that program or a newer one", known = MIGRATIONS.len()
    )]
    Newer(i64, String),
    /// The store has this earlier version.
    #[error(
        "the store has schema version {0}, and this program needs {known}; stop the verifier, then run \
         vitalsign-verifier migrate", known = MIGRATIONS.len()
    )]
    Older(i64),
    #[error("the store failed: {0}")]
    Failed(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<i32>().ok());
        // The low byte is the primary result code (sqlite.org/rescode.html).
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Locked,
            Some(10 | 13) => Self::Full(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "store");
        match error {
            StoreError::Locked | StoreError::Full(_) | StoreError::Overloaded => {
                Problem::new(ProblemType::Busy, "The verifier cannot store the result now. Try again later.")
            }
            StoreError::Newer(..) | StoreError::Older(_) | StoreError::Failed(_) => {
                Problem::new(ProblemType::Internal, "")
            }
        }
    }
}

/// A handle of the store. All handles share its connections.
#[derive(Clone)]
pub struct Store {
    shared: Arc<OpenStore>,
    /// The administrator who acts through this handle, if one does.
    actor: Option<Arc<Actor>>,
}

struct OpenStore {
    path: PathBuf,
    options: SqliteConnectOptions,
    readers: SqlitePool,
    writer: Mutex<Option<SqliteConnection>>,
    /// Number of commits that synced the disk.
    syncs: AtomicU64,
}

/// Durability of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// From the return of its commit on.
    AtCommit,
    /// From the next commit on that syncs. A loss of power before that undoes the last such transactions, in reverse order.
    Later,
}

/// Write transaction. Rolled back if it is dropped without `commit`.
pub struct Transaction<'a> {
    actor: Option<Arc<Actor>>,
    connection: SqliteConnection,
    home: MutexGuard<'a, Option<SqliteConnection>>,
    durability: Durability,
    syncs: &'a AtomicU64,
}

impl Store {
    /// Opens the store at `path`, and creates it if it is missing.
    ///
    /// # Errors
    /// It cannot be opened, or its schema has another version ([`schema::migrate`]).
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_limited(path, None).await
    }

    /// Opens the store like [`Store::open`], with a maximum file size in pages.
    pub async fn open_limited(path: &Path, max_pages: Option<u32>) -> Result<Self, StoreError> {
        let mut options = options(path).create_if_missing(true);
        if let Some(pages) = max_pages {
            options = options.pragma("max_page_count", pages.to_string());
        }
        let mut connection = options.connect().await?;
        schema::open(&mut connection).await?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options.clone());
        let shared = OpenStore {
            path: path.to_owned(),
            options,
            readers,
            writer: Mutex::new(Some(connection)),
            syncs: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), actor: None })
    }

    /// Returns a handle whose administrative actions name this actor in the audit log.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { shared: self.shared.clone(), actor: Some(Arc::new(actor)) }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Checks that the store can grow, durably.
    ///
    /// # Errors
    /// It cannot: the disk is full, for example, or a process has locked it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let write = "INSERT INTO probe VALUES (zeroblob(16384)); DELETE FROM probe;";
        sqlx::raw_sql(write).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Makes every earlier commit durable.
    pub(crate) async fn sync(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // A transaction that writes nothing syncs nothing.
        sqlx::query("UPDATE forgotten SET below = below").execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Returns the bytes of the store and its write-ahead log.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let mut log = self.shared.path.clone().into_os_string();
        log.push("-wal");
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        bytes(&self.shared.path).saturating_add(bytes(log.as_ref()))
    }

    /// Returns the bytes of a copy of the store.
    pub(crate) async fn content_bytes(&self) -> Result<u64, StoreError> {
        snapshot::bytes(&mut *self.readers().acquire().await?).await
    }

    /// Copies the store to `path` as it is at one point in time, while it is used, and checks the copy.
    ///
    /// # Errors
    /// The copy cannot be written, or is not valid.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        snapshot::take(&mut *self.readers().acquire().await?, path).await
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.shared.readers
    }

    /// Returns the number of commits that synced the disk.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Begins a write transaction after those that are already waiting.
    pub(crate) async fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        self.begin_durable(Durability::AtCommit).await
    }

    /// Begins a write transaction whose commit does not sync the disk: after a loss of power it may be undone, but not
    /// without every transaction after it. It suits records on which only later transactions rest.
    pub(crate) async fn begin_unsynced(&self) -> Result<Transaction<'_>, StoreError> {
        self.begin_durable(Durability::Later).await
    }

    async fn begin_durable(&self, durability: Durability) -> Result<Transaction<'_>, StoreError> {
        let mut home = self.shared.writer.lock().await;
        let mut connection = match home.take() {
            Some(connection) => connection,
            None => self.shared.options.connect().await?,
        };
        if durability == Durability::Later {
            sqlx::raw_sql("PRAGMA synchronous = NORMAL").execute(&mut connection).await?;
        }
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(Transaction { actor: self.actor.clone(), connection, home, durability, syncs: &self.shared.syncs })
    }

    /// Closes every connection after pending writes.
    pub async fn close(&self) {
        self.shared.readers.close().await;
        if let Some(connection) = self.shared.writer.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the store");
        }
    }
}

impl Transaction<'_> {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Self { mut connection, mut home, durability, syncs, .. } = self;
        sqlx::query("COMMIT").execute(&mut connection).await?;
        match durability {
            Durability::AtCommit => {
                syncs.fetch_add(1, Ordering::Relaxed);
            }
            Durability::Later => {
                sqlx::raw_sql("PRAGMA synchronous = FULL").execute(&mut connection).await?;
            }
        }
        *home = Some(connection);
        Ok(())
    }
}

impl std::ops::Deref for Transaction<'_> {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}
impl std::ops::DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Options for a store that exists.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_WAIT)
        .pragma("cache_size", "-65536")
        // 32 MiB: a page that many reports change is copied into the database once for all of them.
        .pragma("wal_autocheckpoint", "8192")
        .disable_statement_logging()
}

/// Encodes rows as one JSON array, so that one statement writes them all through `json_each`.
pub(crate) fn json_rows(rows: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|e| StoreError::Failed(e.to_string()))
}

pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Converts a stored value back; stored values are never negative.
pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
