//! Maintenance of the store by the program itself: migrations, backups, restores.

mod support;

#[cfg(test)]
mod tests {
    use super::support::Device;
    use super::support::process::{Serving, configure, enrol, run, run_served, stdout};
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
    use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::process::Output;
    use vitalsign_protocol::message::{NonceAnswer, NonceRequest, ReportAnswer};
    use vitalsign_protocol::problem::ProblemType::*;
    use vitalsign_verifier::admin_api::EntryView;
    use vitalsign_verifier::store::Store;

    /// The migrations of the version before the store said which programs may use it.
    const VERSION_5: [&str; 5] = [
        include_str!("../src/store/schema.sql"),
        include_str!("../src/store/step_up.sql"),
        include_str!("../src/store/ends.sql"),
        include_str!("../src/store/operation.sql"),
        include_str!("../src/store/diagnostics.sql"),
    ];

    fn stderr(output: &Output) -> String {
        String::from_utf8(output.stderr.clone()).unwrap()
    }

    async fn database(path: &Path) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .unwrap()
    }

    async fn version(path: &Path) -> i64 {
        let mut connection = database(path).await;
        let version =
            sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await.unwrap().get::<i64, _>(0);
        connection.close().await.unwrap();
        version
    }

    async fn set_version(path: &Path, version: i64) {
        let mut connection = database(path).await;
        let stamp = format!("PRAGMA user_version = {version}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Writes a store of schema version 5, with a user.
    async fn old_store(folder: &Path) {
        let path = folder.join("data/verifier.db");
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let mut connection = database(&path).await;
        for migration in VERSION_5 {
            sqlx::raw_sql(migration).execute(&mut connection).await.unwrap();
        }
        let user = "INSERT INTO users (name, handle, created) VALUES ('nurse-7', randomblob(16), 5)";
        sqlx::raw_sql(user).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        set_version(&path, 5).await;
    }

    #[tokio::test]
    async fn only_serve_and_migrate_change_the_schema() {
        for migrate in [&["migrate"][..], &["serve"]] {
            let folder = configure();
            let folder = folder.path();
            old_store(folder).await;
            let store = folder.join("data/verifier.db");
            let before = std::fs::read(&store).unwrap();
            let recipient = stdout(&run(folder, &["backup-key", "key.txt"]));
            let backup = ["backup", "one.age", "--recipient", recipient.trim()];
            for (command, code, said) in [
                (&["user", "list"][..], 3, "not running"),
                (&["user", "add", "x"], 3, "not running"),
                (&backup, 1, "vitalsign-verifier migrate"),
            ] {
                let refused = run(folder, command);
                assert_eq!(refused.status.code(), Some(code), "{command:?}");
                assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
            }
            stdout(&run(folder, &["migrate", "--dry-run"]));
            assert_eq!(std::fs::read(&store).unwrap(), before, "nothing is written");

            if migrate == ["migrate"] {
                stdout(&run(folder, migrate));
            }
            let _serving = Serving::start(folder);
            assert!(stdout(&run(folder, &["user", "list"])).contains("nurse-7"));
            let entries = stdout(&run(folder, &["audit", "list", "--kind", "store-migrated", "--json"]));
            let entry: serde_json::Value = serde_json::from_str(entries.trim()).unwrap();
            assert_eq!(entry["body"]["from"], 5);
            assert!(entry["body"]["by"]["host"].is_string(), "{entry}");
            assert!(stdout(&run(folder, &["migrate"])).contains("needs no migration"));

            let copies: Vec<_> = (std::fs::read_dir(folder.join("data")).unwrap())
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.to_string_lossy().contains(".before-schema-"))
                .collect();
            let [copy] = copies.as_slice() else { panic!("{copies:?}") };
            assert_eq!(std::fs::metadata(copy).unwrap().mode() & 0o777, 0o600);
            assert_eq!(version(copy).await, 5);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn running_verifier_prevents_a_migration() {
        let folder = configure();
        let folder = folder.path();
        let serving = Serving::start(folder);
        let token = stdout(&run(folder, &["enrol-token", "create"])).trim().to_owned();
        let mut client = serving.connect().await;
        let mut device = enrol(&mut client, &token).await;
        let store = folder.join("data/verifier.db");
        let current = version(&store).await;
        // The store's version is what `migrate` looks at; the running verifier keeps to what it found.
        set_version(&store, current - 1).await;
        let refused = run(folder, &["migrate"]);
        assert!(stderr(&refused).contains("stop it first"), "{}", stderr(&refused));
        assert_eq!(client.report(&device.report()).await.unwrap().status, 200);
        // Another server that would migrate does not start either.
        let second = run(folder, &["serve", "--self-signed", "localhost"]);
        assert!(stderr(&second).contains("stop it first"), "{}", stderr(&second));
        set_version(&store, current).await;
    }

    fn json(output: &Output) -> serde_json::Value {
        serde_json::from_str(&stdout(output)).unwrap()
    }

    /// A verifier that serves, two tokens, and a backup key in its configuration.
    struct Site {
        folder: tempfile::TempDir,
        serving: Option<Serving>,
        devices: Vec<Device>,
    }

    impl Site {
        async fn open() -> Self {
            let folder = configure();
            let path = folder.path();
            let recipient = stdout(&run(path, &["backup-key", "key.txt"])).trim().to_owned();
            assert_eq!(std::fs::metadata(path.join("key.txt")).unwrap().mode() & 0o777, 0o600);
            let config = path.join("verifier.toml");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, format!("{text}backup.recipients = [\"{recipient}\"]\n")).unwrap();
            let serving = Serving::start(path);
            let token = stdout(&run(path, &["enrol-token", "create", "--uses", "9"])).trim().to_owned();
            let mut client = serving.connect().await;
            let mut devices = Vec::new();
            for _ in 0..2 {
                devices.push(enrol(&mut client, &token).await);
            }
            Self { folder, serving: Some(serving), devices }
        }

        fn path(&self) -> &Path {
            self.folder.path()
        }

        /// Sends reports of every device, with a new nonce if the held one is not known any more.
        async fn report(&mut self) {
            let mut client = self.serving.as_ref().unwrap().connect().await;
            for device in &mut self.devices {
                let answer = client.report(&device.report()).await.unwrap();
                let answer = if answer.status == 200 {
                    answer
                } else {
                    assert_eq!(answer.problem(), NonceUnknown);
                    let request = NonceRequest { kid: device.kid() };
                    let nonce = client.post_json("/v1/nonces", &request).await.unwrap().json::<NonceAnswer>();
                    device.nonce = nonce.nonce;
                    client.report(&device.report()).await.unwrap()
                };
                device.nonce = answer.json::<ReportAnswer>().nonce;
            }
        }

        /// Returns all entries of the audit log, oldest first, as `audit list --json` prints them.
        async fn entries(&self) -> Vec<String> {
            let store = Store::open(&self.path().join("data/verifier.db")).await.unwrap();
            let entries = store.audit(None, 0, 10_000).await.unwrap().into_iter().map(EntryView::from);
            let entries = entries.map(|entry| serde_json::to_string(&entry).unwrap()).collect();
            store.close().await;
            entries
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn backup_of_a_running_verifier_restores_all_of_it() {
        let mut site = Site::open().await;
        let open_token = stdout(&run(site.path(), &["enrol-token", "create"])).trim().to_owned();
        site.report().await;
        let made = json(&run(site.path(), &["backup", "one.age", "--json"]));
        let file = site.path().join("one.age");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let raw = std::fs::read(&file).unwrap();
        assert!(!raw.windows(15).any(|it| it == b"SQLite format 3"), "it is encrypted");
        assert_eq!(made["bytes"], raw.len());
        for name in ["data/kek", "data/tls/localhost.key", "configuration/verifier.toml"] {
            assert!(made["files"].as_array().unwrap().iter().any(|it| it == name), "{name}: {made}");
        }
        assert!(!site.path().join("data/backup.db").exists() && !site.path().join("one.age.new").exists());
        let before = site.entries().await;
        assert_eq!(made["last_entry"], before.len());
        let again = run(site.path(), &["backup", "one.age"]);
        assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
        assert_eq!(std::fs::read(&file).unwrap(), raw);

        // What happens after the backup is lost, and only that.
        site.report().await;
        let late = stdout(&run(site.path(), &["enrol-token", "create"])).trim().to_owned();
        let restore = ["restore", "one.age", "--identity", "key.txt"];
        let running = run(site.path(), &[&restore[..], &["--replace"]].concat());
        assert!(stderr(&running).contains("stop it first"), "{}", stderr(&running));
        site.serving = None;
        let there = run(site.path(), &restore);
        assert!(stderr(&there).contains("--replace"), "{}", stderr(&there));
        let digest = made["sha256"].as_str().unwrap();
        let wrong = digest.replace(|c: char| c.is_ascii_lowercase(), "0");
        let wrong = run(site.path(), &[&restore[..], &["--replace", "--sha256", &wrong]].concat());
        assert!(stderr(&wrong).contains("not the expected one"), "{}", stderr(&wrong));
        stdout(&run(site.path(), &[&restore[..], &["--dry-run"]].concat()));
        assert!(!site.path().join("data/restoring").exists());
        let seen = site.entries().await;
        assert!(seen.len() > before.len(), "nothing was changed");

        let told = stdout(&run(site.path(), &[&restore[..], &["--replace", "--sha256", digest]].concat()));
        assert!(told.contains("1  backed-up") && told.contains("1  token-created"), "{told}");
        let restored = site.entries().await;
        assert_eq!(restored[..before.len()], before, "all that was before the backup");
        let [entry] = &restored[before.len()..] else { panic!("{restored:?}") };
        let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
        assert_eq!((&entry["kind"], &entry["body"]["file"]), (&"restored".into(), &digest.into()));
        assert!(entry["body"]["by"]["host"].is_string());
        assert_eq!(entry["body"]["enrolment_tokens"], 2);
        stdout(&run_served(site.path(), &["audit", "verify"]));

        // Devices go on with their keys and the same certificate. Tokens do not.
        site.serving = Some(Serving::start(site.path()));
        site.report().await;
        let mut client = site.serving.as_ref().unwrap().connect().await;
        for token in [&open_token, &late] {
            let refused = client.post_json("/v1/enrolments", &Device::new().request(token)).await.unwrap();
            assert!(refused.status >= 400, "{refused:?}");
        }
        let aside = std::fs::read_dir(site.path().join("data")).unwrap();
        let aside = aside.map(|it| it.unwrap().path()).find(|it| it.to_string_lossy().contains("replaced-"));
        assert!(aside.unwrap().join("verifier.db").exists());
        let kept = site.path().join("data/restored-configuration/verifier.toml");
        assert_eq!(std::fs::read(kept).unwrap(), std::fs::read(site.path().join("verifier.toml")).unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nonces_of_before_a_restore_are_never_accepted() {
        let mut site = Site::open().await;
        stdout(&run(site.path(), &["backup", "one.age"]));
        // Spent after the backup, so that the restored store does not know it.
        let spent = site.devices[0].report();
        let mut client = site.serving.as_ref().unwrap().connect().await;
        assert_eq!(client.report(&spent).await.unwrap().status, 200);
        site.serving = None;
        stdout(&run(site.path(), &["restore", "one.age", "--identity", "key.txt", "--replace"]));
        site.serving = Some(Serving::start(site.path()));
        let mut client = site.serving.as_ref().unwrap().connect().await;
        assert_eq!(client.report(&spent).await.unwrap().problem(), NonceUnknown);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rotated_keys_are_kept_if_asked_for() {
        let mut site = Site::open().await;
        stdout(&run(site.path(), &["backup", "one.age"]));
        stdout(&run(site.path(), &["signing-key", "replace", "--compromised"]));
        let rotated = stdout(&run(site.path(), &["signing-key", "list"]));
        site.serving = None;
        let restore = ["restore", "one.age", "--identity", "key.txt", "--replace"];
        stdout(&run(site.path(), &[&restore[..], &["--keep-keys"]].concat()));
        assert_eq!(stdout(&run_served(site.path(), &["signing-key", "list"])), rotated);
        stdout(&run(site.path(), &restore));
        assert_ne!(stdout(&run_served(site.path(), &["signing-key", "list"])), rotated);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn damaged_or_foreign_backups_change_nothing() {
        let mut site = Site::open().await;
        stdout(&run(site.path(), &["backup", "one.age"]));
        stdout(&run(site.path(), &["backup-key", "other.txt"]));
        site.serving = None;
        let before = site.entries().await;
        let whole = std::fs::read(site.path().join("one.age")).unwrap();
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        std::fs::write(site.path().join("changed.age"), &changed).unwrap();
        std::fs::write(site.path().join("short.age"), &whole[..whole.len() - 9]).unwrap();
        std::fs::write(site.path().join("none.age"), b"SQLite format 3").unwrap();
        for (file, key, why) in [
            ("changed.age", "key.txt", "damaged"),
            ("short.age", "key.txt", "damaged"),
            ("none.age", "key.txt", "age format"),
            ("one.age", "other.txt", "another"),
        ] {
            let refused = run(site.path(), &["restore", file, "--identity", key, "--replace"]);
            assert_eq!(refused.status.code(), Some(1), "{file}");
            assert!(stderr(&refused).contains(why), "{file}: {}", stderr(&refused));
            assert_eq!(site.entries().await, before, "{file}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn interrupted_restore_is_never_taken_for_a_whole_one() {
        let mut site = Site::open().await;
        stdout(&run(site.path(), &["backup", "one.age"]));
        site.serving = None;
        // The store was moved, and then the machine stopped.
        let data = site.path().join("data");
        std::fs::create_dir(data.join("restoring")).unwrap();
        std::fs::rename(data.join("verifier.db"), data.join("restoring/verifier.db")).unwrap();
        for command in [&["serve", "--self-signed", "localhost"][..], &["backup", "two.age"]] {
            let refused = run(site.path(), command);
            assert!(stderr(&refused).contains("interrupted"), "{}", stderr(&refused));
        }
        assert!(!data.join("verifier.db").exists(), "no new store");
        stdout(&run(site.path(), &["restore", "one.age", "--identity", "key.txt", "--replace"]));
        site.serving = Some(Serving::start(site.path()));
        site.report().await;
    }
}
