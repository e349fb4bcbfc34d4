//! The verifier's own keys: in the store, sealed by a key-encryption key, and the same for every process that has both.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, enrol, run, run_served, stdout};
    use super::support::{Client, Device};
    use serde_json::Value;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::process::{Output, Stdio};
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use vitalsign_protocol::jwt::JwkSet;
    use vitalsign_protocol::message::ReportAnswer;
    use vitalsign_verifier::clock::now;
    use vitalsign_verifier::config::Config;
    use vitalsign_verifier::keyring::Keyring;
    use vitalsign_verifier::nonce::{NonceKey, Purpose};
    use vitalsign_verifier::store::Store;
    use vitalsign_verifier::store::key::KeyPurpose;

    fn stderr(output: &Output) -> String {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr.clone()).unwrap()
    }

    /// Adds lines to the configuration.
    fn set(folder: &Path, lines: &str) {
        let path = folder.join("verifier.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{lines}\n")).unwrap();
    }

    /// Copies a key-encryption key, which only its owner can read.
    fn copy(from: &Path, to: &Path) {
        std::fs::copy(from, to).unwrap();
        assert_eq!(std::fs::metadata(to).unwrap().mode() & 0o777, 0o600);
    }

    async fn published(client: &mut Client, path: &str) -> JwkSet {
        client.request("GET", path, "", b"").await.unwrap().json()
    }

    async fn report(client: &mut Client, device: &mut Device) {
        let answer = client.report(&device.report()).await.unwrap();
        assert_eq!(answer.status, 200);
        device.nonce = answer.json::<ReportAnswer>().nonce;
    }

    fn listed(folder: &Path) -> String {
        stdout(&run(folder, &["signing-key", "list"]))
    }

    /// Lists the keys of a verifier that starts for it.
    fn listed_alone(folder: &Path) -> String {
        stdout(&run_served(folder, &["signing-key", "list"]))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn second_verifier_needs_the_store_and_the_kek_only() {
        let one = configure();
        set(one.path(), "keys.kek = \"kek\"");
        let first = Serving::start(one.path());
        let token = stdout(&run(one.path(), &["enrol-token", "create"])).trim().to_owned();
        assert!(!one.path().join("data/keys").exists() && !one.path().join("data/kek").exists());
        let other = configure();
        copy(&one.path().join("kek"), &other.path().join("kek"));
        let text = std::fs::read_to_string(one.path().join("verifier.toml")).unwrap();
        let data = format!("data = \"{}\"", one.path().join("data").display());
        std::fs::write(other.path().join("verifier.toml"), text.replace("data = \"data\"", &data)).unwrap();
        set(other.path(), "admin_api.socket = \"other.sock\"");
        let second = Serving::start(other.path());
        let mut clients = [first.connect().await, second.connect().await];

        // A nonce of one is accepted by the other, and the keys are the same.
        let [a, b] = &mut clients;
        let mut device = enrol(a, &token).await;
        for _ in 0..2 {
            report(b, &mut device).await;
            report(a, &mut device).await;
        }
        for path in ["/.well-known/jwks.json", "/jwks"] {
            let keys = published(a, path).await;
            assert_eq!(keys.keys.len(), 1);
            assert_eq!(keys, published(b, path).await);
        }

        // Both publish a key before it signs, and switch to it.
        let before = published(a, "/.well-known/jwks.json").await;
        stdout(&run(other.path(), &["signing-key", "rotate", "--in", "6s", "--force"]));
        let deadline = Instant::now() + Duration::from_secs(60);
        let (mut early, mut switched) = ([false; 2], [false; 2]);
        while switched != [true; 2] {
            for (at, client) in clients.iter_mut().enumerate() {
                let keys = published(client, "/.well-known/jwks.json").await.keys;
                early[at] |= keys.len() == 2 && keys[0] == before.keys[0];
                switched[at] = keys.len() == 2 && keys[1] == before.keys[0];
            }
            assert!(Instant::now() < deadline, "{early:?} {switched:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(early, [true; 2], "a key signed before it was published");
        assert_eq!(listed(one.path()), listed(other.path()));
    }

    #[test]
    fn server_with_a_missing_or_other_kek_does_not_start() {
        let folder = configure();
        let folder = folder.path();
        let before = listed_alone(folder);
        let kek = folder.join("data/kek");
        assert_eq!(std::fs::metadata(&kek).unwrap().mode() & 0o777, 0o600);
        std::fs::rename(&kek, folder.join("kept")).unwrap();
        let serve = ["serve", "--self-signed", "localhost"];
        let refused = stderr(&run(folder, &serve));
        assert!(refused.contains("is missing") && refused.contains("data/kek"), "{refused}");
        assert!(!kek.exists());
        std::fs::write(&kek, [1; 32]).unwrap();
        chmod(&kek, 0o600);
        let refused = stderr(&run(folder, &serve));
        assert!(refused.contains("signing-key rewrap"), "{refused}");
        std::fs::rename(folder.join("kept"), &kek).unwrap();
        assert_eq!(listed_alone(folder), before);

        set(folder, "keys.kek_credential = \"kek\"");
        let refused = stderr(&run(folder, &serve));
        assert!(refused.contains("no credentials"), "{refused}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keys_are_sealed_again_while_the_verifier_runs() {
        let folder = configure();
        let folder = folder.path();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let serving = Serving::start_logging(folder, Stdio::from(log));
        let before = listed(folder);
        let old = folder.join("data/kek");
        set(folder, "keys.kek = \"new\"");
        stdout(&run(folder, &["signing-key", "rewrap", "--from", "data/kek"]));
        assert_ne!(std::fs::read(folder.join("new")).unwrap(), std::fs::read(&old).unwrap());
        let entry = stdout(&run(folder, &["audit", "list", "--kind", "key-rotated"]));
        assert!(entry.contains("keys are sealed by "), "{entry}");

        // It was started with the old file's name: it says that it lacks the new key, and serves with what it has.
        let mut client = serving.connect().await;
        let deadline = Instant::now() + Duration::from_secs(30);
        let said = || std::fs::read_to_string(folder.join("log")).unwrap();
        while !said().contains("the signing keys cannot be loaded") {
            assert!(Instant::now() < deadline, "{}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(published(&mut client, "/jwks").await.keys.len(), 1);
        // Once the new key is there, it takes up what changes.
        copy(&folder.join("new"), &old);
        for short in [&["--in", "899s"][..], &["--tokens", "--in", "9m"]] {
            let refused = run(folder, &[&["signing-key", "rotate"], short].concat());
            let said = String::from_utf8(refused.stderr).unwrap();
            assert!(refused.status.code() == Some(1) && said.contains("or --force"), "{said}");
        }
        stdout(&run(folder, &["signing-key", "rotate", "--tokens", "--in", "1s", "--force"]));
        while published(&mut client, "/jwks").await.keys.len() != 2 {
            assert!(Instant::now() < deadline, "{}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(serving);
        std::fs::remove_file(&old).unwrap();
        assert_eq!(listed_alone(folder), before);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn restore_seals_the_keys_with_its_hosts_kek() {
        let folder = configure();
        let folder = folder.path();
        let recipient = stdout(&run(folder, &["backup-key", "key.txt"])).trim().to_owned();
        let serving = Serving::start(folder);
        stdout(&run(folder, &["signing-key", "rotate", "--in", "7d"]));
        let before = listed(folder);
        stdout(&run(folder, &["backup", "one.age", "--recipient", &recipient]));
        drop(serving);

        // Another host with another verifier.
        let host = configure();
        let host = host.path();
        let own = listed_alone(host);
        let kek = std::fs::read(host.join("data/kek")).unwrap();
        for file in ["one.age", "key.txt"] {
            copy(&folder.join(file), &host.join(file));
        }
        let restore = ["restore", "one.age", "--identity", "key.txt", "--replace"];
        stdout(&run(host, &[&restore[..], &["--dry-run"]].concat()));
        assert_eq!(listed_alone(host), own);
        stdout(&run(host, &restore));
        assert_eq!(listed_alone(host), before);
        assert_eq!(std::fs::read(host.join("data/kek")).unwrap(), kek);

        // Into a folder without a configuration.
        let data = host.join("elsewhere");
        let there = ["restore", "one.age", "--identity", "key.txt", "--data", data.to_str().unwrap()];
        stdout(&run(host, &there));
        let made = std::fs::read(data.join("kek")).unwrap();
        let carried = std::fs::read(folder.join("data/kek")).unwrap();
        assert!(made.len() == 32 && made != kek && made != carried);
        let text = std::fs::read_to_string(host.join("verifier.toml")).unwrap();
        std::fs::write(host.join("verifier.toml"), text.replace("\"data\"", "\"elsewhere\"")).unwrap();
        assert_eq!(listed_alone(host), before);
    }

    /// Files of a verifier of schema version 10: the store as SQL, and keys that were rotated.
    const FORMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schema-10");

    fn former(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(FORMER).join(name)).unwrap()
    }

    /// Announcements of verdict keys in those files: predecessor, successor, token.
    fn announcements() -> Vec<[String; 3]> {
        let list: Vec<Value> = serde_json::from_slice(&former("keys/ear-announcements.json")).unwrap();
        let text = |it: &Value, member| it[member].as_str().unwrap().to_owned();
        list.iter().map(|it| ["by", "kid", "token"].map(|member| text(it, member))).collect()
    }

    async fn lay_out_former(folder: &Path) {
        let keys = folder.join("data/keys");
        std::fs::create_dir_all(&keys).unwrap();
        for entry in std::fs::read_dir(Path::new(FORMER).join("keys")).unwrap() {
            let entry = entry.unwrap();
            let to = keys.join(entry.file_name());
            std::fs::copy(entry.path(), &to).unwrap();
            chmod(&to, 0o600);
        }
        let store = SqliteConnectOptions::new().filename(folder.join("data/verifier.db"));
        let mut store = store.create_if_missing(true).foreign_keys(false).connect().await.unwrap();
        let sql = String::from_utf8(former("verifier.sql")).unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn key_files_of_the_former_version_are_read_once() {
        for (migrate, forgotten) in [(&["migrate"][..], false), (&["serve"], true)] {
            let folder = configure();
            let folder = folder.path();
            lay_out_former(folder).await;
            let keys = folder.join("data/keys");
            if forgotten {
                // The former keys were replaced more than a week ago: only their announcements are left.
                std::fs::write(keys.join("retired.json"), "[]").unwrap();
                chmod(&keys.join("retired.json"), 0o600);
            }
            chmod(&keys.join("token.p8"), 0o644);
            let serve = ["serve", "--self-signed", "localhost"];
            let command = if migrate == ["serve"] { &serve[..] } else { migrate };
            let refused = stderr(&run(folder, command));
            assert!(refused.contains("token.p8") && refused.contains("others can read"), "{refused}");
            assert!(keys.exists());
            chmod(&keys.join("token.p8"), 0o600);

            let serving = Serving::start(folder);
            let announced = announcements();
            let [[first, second, _], _, [third, fourth, _]] = announced.as_slice() else { panic!() };
            let list = listed(folder);
            let states: Vec<(&str, &str)> = list
                .lines()
                .skip(1)
                .map(|line| line.split_whitespace())
                .map(|mut words| (words.next().unwrap(), words.next().unwrap()))
                .collect();
            let mut expected = vec![(fourth.as_str(), "next"), (third, "active"), (second, "retired")];
            if !forgotten {
                expected.push((first, "retired"));
            }
            assert_eq!(states, expected, "{list}");
            assert_eq!(stdout(&run(folder, &["audit", "key"])).into_bytes(), former("audit-key"));
            stdout(&run(folder, &["audit", "verify"]));

            // What leads devices to the newest key is what it was, from whatever key they pin.
            let config = Config::for_data(folder.join("data"));
            let store = Arc::new(Store::open(&config.store()).await.unwrap());
            let keyring = Keyring::open(&config, store, 0).await.unwrap();
            let signing = keyring.signing_keys(KeyPurpose::Verdicts).await.unwrap();
            for (at, [by, _, _]) in announced.iter().enumerate() {
                let tokens: Vec<_> = announced[at..].iter().map(|[_, _, token]| token.clone()).collect();
                assert_eq!(signing.announcements_after(std::slice::from_ref(by)), tokens, "{at}");
            }
            keyring.store().close().await;

            // A nonce from before is accepted.
            let mut client = serving.connect().await;
            let token = stdout(&run(folder, &["enrol-token", "create"])).trim().to_owned();
            let mut device = enrol(&mut client, &token).await;
            let nonces = NonceKey::new(&former("keys/nonce.key"));
            device.nonce = nonces.issue(Purpose::Report, &device.kid(), now() + 60).unwrap();
            report(&mut client, &mut device).await;

            // The files are kept for the way back, and not read again.
            assert!(!keys.exists());
            let aside = folder.join("data/keys.before-store");
            assert_eq!(std::fs::read(aside.join("ear.p8")).unwrap(), former("keys/ear.p8"));
            drop((client, serving));
            std::fs::remove_dir_all(&aside).unwrap();
            assert_eq!(listed_alone(folder), list);
        }
    }
}
