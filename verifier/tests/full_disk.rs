//! Backups and migrations whose writes fail after every number of bytes between none and enough.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, enrol, run, run_limited, stdout};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection, Row};
    use std::path::Path;

    /// Names of the files of a folder and their sizes, without SQLite's log and index of it.
    fn files(folder: &Path) -> Vec<(String, u64)> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let files = entries.map(|it| (it.file_name().into_string().unwrap(), it.metadata().unwrap().len()));
        let mut files: Vec<_> = files.filter(|(name, _)| !name.starts_with("verifier.db-")).collect();
        files.sort();
        files
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn backup_is_whole_or_leaves_nothing() {
        let folder = configure();
        let path = folder.path();
        let recipient = stdout(&run(path, &["backup-key", "key.txt"])).trim().to_owned();
        let config = path.join("verifier.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{text}backup.recipients = [\"{recipient}\"]\n")).unwrap();
        let serving = Serving::start(path);
        let mut client = serving.connect().await;
        let token = stdout(&run(path, &["enrol-token", "create", "--uses", "9"])).trim().to_owned();
        let mut device = enrol(&mut client, &token).await;
        let before = files(path);
        let mut refused = 0;
        for kib in (0..).step_by(40) {
            let made = run_limited(path, &["backup", "one.age"], kib);
            if made.status.success() {
                break;
            }
            refused += 1;
            assert_eq!(made.status.code(), Some(1), "with {kib} KiB: {made:?}");
            assert!(made.stderr.starts_with(b"error: "), "with {kib} KiB: {made:?}");
            assert_eq!(files(path), before, "with {kib} KiB");
            assert!(!path.join("data/backup.db").exists(), "with {kib} KiB");
        }
        assert!(refused > 2, "{refused}");
        // The verifier has lost nothing.
        assert_eq!(client.report(&device.report()).await.unwrap().status, 200);
        stdout(&run(path, &["audit", "verify"]));
        drop(serving);
        stdout(&run(path, &["restore", "one.age", "--identity", "key.txt", "--dry-run"]));
    }

    #[tokio::test]
    async fn migration_happens_or_changes_nothing() {
        let folder = configure();
        let path = folder.path();
        let store = path.join("data/verifier.db");
        std::fs::create_dir_all(path.join("data")).unwrap();
        let options = SqliteConnectOptions::new().filename(&store);
        let mut connection = options.clone().create_if_missing(true).connect().await.unwrap();
        for migration in ["schema", "step_up", "ends", "operation", "diagnostics"] {
            let file = format!("{}/src/store/{migration}.sql", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(file).unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        }
        let users = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            INSERT INTO users (name, handle, created) SELECT 'nurse-' || i, randomblob(16), 5 FROM n;
            PRAGMA user_version = 5;";
        sqlx::raw_sql(users).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        for (refused, kib) in (0..).step_by(40).enumerate() {
            let migrated = run_limited(path, &["migrate"], kib);
            let mut connection = options.clone().connect().await.unwrap();
            let found = "SELECT count(*), (SELECT user_version FROM pragma_user_version()) FROM users";
            let found = sqlx::query(found).fetch_one(&mut connection).await.unwrap();
            let (users, version) = (found.get::<i64, _>(0), found.get::<i64, _>(1));
            connection.close().await.unwrap();
            assert_eq!(users, 2000, "with {kib} KiB");
            if migrated.status.success() {
                assert!(version > 5 && refused > 2, "{version}, {refused}");
                break;
            }
            assert_eq!(migrated.status.code(), Some(1), "with {kib} KiB: {migrated:?}");
            assert_eq!(version, 5, "with {kib} KiB");
        }
    }
}
