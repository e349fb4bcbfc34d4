//! Versions of the store's schema: which stores this program may use, and how one gets to a newer version.
//!
//! Only `migrate` changes a version, after it has copied the store. Everything else opens a store of this program's
//! version, or of a newer one that says that this program may use it.

use super::snapshot::{self, NoSpace};
use super::{MIGRATIONS, StoreError, audit_tree, user};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::path::{Path, PathBuf};

/// Lowest schema version whose programs can use a store of this one. Lower it below the newest version only if every
/// migration since can be ignored: programs of that version keep the audit log and every rule of the store intact.
const COMPATIBLE_FROM: usize = MIGRATIONS.len();

/// Version of a program, as a store names it.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// A migration that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub from: i64,
    pub to: i64,
    /// Path of the copy of the store before the migration.
    pub copy: PathBuf,
    /// Free bytes that the copy and the migration need.
    pub needed: u64,
}

/// A migration was not done. The store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    /// The migration failed on a copy of the store.
    #[error("the migration fails on a copy of the store: {0}")]
    Trial(StoreError),
}

/// Returns the newest schema version that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Creates the schema in an empty store; otherwise checks that this program may use the store as it is.
pub(super) async fn open(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = match version(connection).await? {
        0 => {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            // Another process may have created it since.
            let found = version(&mut transaction).await?;
            if found == 0 && !is_empty(&mut transaction).await? {
                return Err(StoreError::Failed("this is another program's database".into()));
            }
            if found == 0 {
                advance(&mut transaction, 0).await?;
                transaction.commit().await?;
                return Ok(());
            }
            found
        }
        found => found,
    };
    match found.cmp(&known()) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(StoreError::Older(found)),
        std::cmp::Ordering::Greater => newer(connection, found).await,
    }
}

/// Decides whether this program may use a store of a newer version.
async fn newer(connection: &mut SqliteConnection, found: i64) -> Result<(), StoreError> {
    let query = sqlx::query("SELECT program, compatible_from FROM schema");
    let row = query.fetch_optional(connection).await?.ok_or_else(|| StoreError::Newer(found, "?".into()))?;
    let compatible: i64 = row.try_get("compatible_from")?;
    if compatible <= known() { Ok(()) } else { Err(StoreError::Newer(found, row.try_get("program")?)) }
}

/// Returns the migration that the store at `path` needs; `None` if it needs none or does not exist.
///
/// # Errors
/// The store cannot be read, or a newer version wrote it.
pub async fn due(path: &Path) -> Result<Option<Migration>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let mut connection = existing(path).connect().await?;
    let found = version(&mut connection).await?;
    let due = if found == 0 && is_empty(&mut connection).await? {
        None
    } else if found > known() {
        newer(&mut connection, found).await?;
        None
    } else if found == known() {
        None
    } else {
        let copy = beside(path, &format!("before-schema-{}", known()));
        // The copy, and what the migration writes: at most every page once more.
        let needed = snapshot::bytes(&mut connection).await?.saturating_mul(2);
        Some(Migration { from: found, to: known(), copy, needed })
    };
    connection.close().await?;
    Ok(due)
}

/// Copies the store at `path` to where `migration` says and migrates it. No other process may use it; the caller holds
/// [`super::DataLock::alone`].
///
/// # Errors
/// [`MigrateError`]; the store is as it was.
pub async fn migrate(path: &Path, migration: &Migration) -> Result<(), MigrateError> {
    snapshot::check_space(path, migration.needed)?;
    let mut connection = existing(path).connect().await.map_err(StoreError::from)?;
    snapshot::take(&mut connection, &migration.copy).await?;
    run(&mut connection).await?;
    Ok(connection.close().await.map_err(StoreError::from)?)
}

/// Does the migration on a copy, which it then deletes.
///
/// # Errors
/// [`MigrateError::Trial`] if the migration fails.
pub async fn rehearse(path: &Path, migration: &Migration) -> Result<(), MigrateError> {
    snapshot::check_space(path, migration.needed)?;
    let trial = beside(path, "trial");
    let mut connection = existing(path).connect().await.map_err(StoreError::from)?;
    snapshot::take(&mut connection, &trial).await?;
    connection.close().await.map_err(StoreError::from)?;
    let outcome = async {
        let mut copy = existing(&trial).connect().await?;
        run(&mut copy).await?;
        Ok(copy.close().await?)
    };
    let outcome = outcome.await;
    snapshot::remove(&trial);
    outcome.map_err(MigrateError::Trial)
}

async fn run(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = version(&mut transaction).await?;
    advance(&mut transaction, found).await?;
    Ok(transaction.commit().await?)
}

/// Brings the schema from version `from` to the newest.
async fn advance(connection: &mut SqliteConnection, from: i64) -> Result<(), StoreError> {
    for migration in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        sqlx::raw_sql(*migration).execute(&mut *connection).await?;
    }
    user::complete_names(connection).await?;
    audit_tree::adopt_chain(connection).await?;
    let stamp = format!("PRAGMA user_version = {}", known());
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *connection).await?;
    let query = sqlx::query("UPDATE schema SET program = ?1, compatible_from = ?2");
    let compatible = i64::try_from(COMPATIBLE_FROM).unwrap_or(i64::MAX);
    query.bind(PROGRAM).bind(compatible).execute(connection).await?;
    Ok(())
}

pub(super) async fn version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query("PRAGMA user_version").fetch_one(connection).await?.try_get(0)?)
}

async fn is_empty(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let query = sqlx::query("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)");
    Ok(query.fetch_one(connection).await?.try_get(0)?)
}

/// Options for a store that exists, whatever its version.
fn existing(path: &Path) -> SqliteConnectOptions {
    super::options(path).create_if_missing(false)
}

/// Returns the path of a file beside the store, with a suffix after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// The first version that has users.
    const USERS: usize = 2;

    /// Writes a store of an earlier version, with an enrolment token and users in it.
    async fn store_of(version: usize, path: &Path) {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut old = options.connect().await.unwrap();
        for migration in &MIGRATIONS[..version] {
            sqlx::raw_sql(*migration).execute(&mut old).await.unwrap();
        }
        stamp(&mut old, version).await;
        if version >= USERS {
            for (name, handle) in [("nurse-7", [1_u8; 16]), ("NURSE-7", [2; 16]), ("ann", [3; 16])] {
                let add = sqlx::query("INSERT INTO users (name, handle, created) VALUES (?1, ?2, 1)");
                add.bind(name).bind(&handle[..]).execute(&mut old).await.unwrap();
            }
        }
        let token = "INSERT INTO tokens (digest, created, expires, uses) VALUES (x'01', 5, 6, 7)";
        sqlx::raw_sql(token).execute(&mut old).await.unwrap();
        old.close().await.unwrap();
    }

    async fn stamp(connection: &mut SqliteConnection, version: usize) {
        let stamp = format!("PRAGMA user_version = {version}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(connection).await.unwrap();
    }

    async fn tokens(path: &Path) -> i64 {
        let mut connection = existing(path).connect().await.unwrap();
        sqlx::query("SELECT SUM(uses) FROM tokens").fetch_one(&mut connection).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn migrates_a_store_of_any_earlier_version() {
        for version in 1..MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store.db");
            store_of(version, &path).await;
            let from = i64::try_from(version).unwrap();
            // Nothing but a migration changes it.
            let refused = Store::open(&path).await.err().unwrap();
            assert!(matches!(refused, StoreError::Older(found) if found == from), "{refused}");
            let migration = due(&path).await.unwrap().unwrap();
            rehearse(&path, &migration).await.unwrap();
            assert_eq!(due(&path).await.unwrap().unwrap(), migration);

            migrate(&path, &migration).await.unwrap();
            assert_eq!(due(&path).await.unwrap(), None);
            for _ in 0..2 {
                let store = Store::open(&path).await.unwrap();
                assert_eq!(store.tokens().await.unwrap().len(), 1, "from {version}");
                // Users of earlier versions are found by their names, in another case too.
                for (hint, name) in [("nurse-7", "nurse-7"), ("NURSE-7", "NURSE-7"), ("Ann", "ann")] {
                    let user = store.user(hint).await.unwrap().map(|user| user.name);
                    assert_eq!(user.as_deref(), (version >= USERS).then_some(name), "from {version}");
                }
                store.close().await;
            }
            // The copy is whole, and of the version from before.
            assert_eq!(tokens(&migration.copy).await, 7);
            let mut copy = existing(&migration.copy).connect().await.unwrap();
            assert_eq!(super::version(&mut copy).await.unwrap(), from);
            assert!(!beside(&path, "trial").exists());
        }
    }

    #[tokio::test]
    async fn failed_migration_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        store_of(MIGRATIONS.len() - 1, &path).await;
        // A column is in the way of the last migration.
        let mut connection = existing(&path).connect().await.unwrap();
        sqlx::raw_sql("ALTER TABLE devices ADD COLUMN asset_tag BLOB")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let migration = due(&path).await.unwrap().unwrap();
        assert!(matches!(rehearse(&path, &migration).await, Err(MigrateError::Trial(_))));
        assert!(migrate(&path, &migration).await.is_err());
        assert_eq!(due(&path).await.unwrap(), Some(migration));
        assert_eq!(tokens(&path).await, 7);
    }

    #[tokio::test]
    async fn newer_store_is_refused_by_name_unless_compatible() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Store::open(&path).await.unwrap().close().await;
        let mut connection = existing(&path).connect().await.unwrap();
        stamp(&mut connection, MIGRATIONS.len() + 3).await;
        for (compatible_from, opens) in [(known() - 1, true), (known(), true), (known() + 1, false)] {
            let query = sqlx::query("UPDATE schema SET program = '7.8.9', compatible_from = ?1");
            query.bind(compatible_from).execute(&mut connection).await.unwrap();
            let opened = Store::open(&path).await;
            assert_eq!(opened.is_ok(), opens, "{compatible_from}");
            assert_eq!(due(&path).await.is_ok(), opens, "{compatible_from}");
            if let Err(error) = opened {
                assert!(error.to_string().contains("vitalsign-verifier 7.8.9"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn database_of_another_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut other = options.connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE patients (name TEXT)").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        assert!(Store::open(&path).await.is_err());
    }
}
