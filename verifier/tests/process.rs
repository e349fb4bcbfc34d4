//! The program itself: its commands, and what is left when it is killed.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, enrol, run, run_served, stdout};
    use super::support::{Client, audit_length};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::process::Command;
    use vitalsign_protocol::message::ReportAnswer;
    use vitalsign_protocol::problem::ProblemType::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_verifier_loses_nothing_and_reuses_no_nonce() {
        let folder = configure();
        let token = ["enrol-token", "create", "--uses", "4"];
        let token = stdout(&run_served(folder.path(), &token)).trim().to_owned();
        let mut sent: Vec<Vec<u8>> = Vec::new();
        let mut answered = 0;
        let mut devices = Vec::new();
        for round in 0..3 {
            let mut serving = Serving::start(folder.path());
            if devices.is_empty() {
                let mut client = serving.connect().await;
                for _ in 0..4 {
                    devices.push(enrol(&mut client, &token).await);
                }
            }
            // All of them are connected before the first report: the kill must find reports, not connections.
            let mut connected = Vec::new();
            for device in devices.drain(..) {
                connected.push((device, serving.connect().await));
            }
            let load = connected.into_iter().map(|(mut device, mut client)| {
                tokio::spawn(async move {
                    let mut answered = Vec::new();
                    loop {
                        let evidence = device.report();
                        match client.report(&evidence).await {
                            Ok(answer) => device.nonce = answer.json::<ReportAnswer>().nonce,
                            // Killed. Whether this one was accepted is not known.
                            Err(_) => return (device, answered, evidence),
                        }
                        answered.push(evidence);
                    }
                })
            });
            let load: Vec<_> = load.collect();
            // In the middle of it, whenever that is.
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
            let store = vitalsign_verifier::store::Store::open(&folder.path().join("data/verifier.db"))
                .await
                .unwrap();
            while audit_length(&store).await < 60 * (round + 1) {
                assert!(std::time::Instant::now() < deadline, "no load");
            }
            store.close().await;
            serving.child.kill().unwrap();
            for load in load {
                let (mut device, reports, doubtful) = load.await.unwrap();
                answered += reports.len();
                sent.extend(reports);
                // The retry of the doubtful one is answered, whether it was accepted or not.
                let again = Serving::start(folder.path());
                let answer: ReportAnswer = again.connect().await.report(&doubtful).await.unwrap().json();
                device.nonce = answer.nonce;
                sent.push(doubtful);
                answered += 1;
                devices.push(device);
            }
        }
        stdout(&run_served(folder.path(), &["audit", "verify"]));
        let store =
            vitalsign_verifier::store::Store::open(&folder.path().join("data/verifier.db")).await.unwrap();
        let length = audit_length(&store).await;
        // The policies, a token, four enrolments, and each report exactly once.
        assert_eq!(length, u64::try_from(answered).unwrap() + 6);
        let serving = Serving::start(folder.path());
        let mut client = serving.connect().await;
        let last: Vec<Vec<u8>> = sent.split_off(sent.len() - 1);
        drop(last);
        let mut replayed = 0;
        for evidence in &sent {
            let answer = client.report(evidence).await.unwrap();
            // The last of each device would be answered again.
            if answer.status != 200 {
                assert_eq!(answer.problem(), NonceUsed);
                replayed += 1;
            }
        }
        assert!(replayed >= sent.len() - 4, "{replayed} of {}", sent.len());
        stdout(&run(folder.path(), &["audit", "verify"]));
        assert_eq!(audit_length(&store).await, length);
    }

    #[tokio::test]
    async fn the_commands_say_what_is_so_while_the_server_runs() {
        let folder = configure();
        let folder = folder.path();
        let missing = run(folder, &["device", "list"]);
        assert_eq!(missing.status.code(), Some(3));
        assert!(
            String::from_utf8_lossy(&missing.stderr).contains("the verifier is not running"),
            "{missing:?}"
        );
        assert!(!folder.join("data").exists(), "a command creates no store");
        let mut serving = Serving::start(folder);
        assert_eq!(run(folder, &["device"]).status.code(), Some(2));
        assert_eq!(run(folder, &["enrol-token", "create", "--expires", "soon"]).status.code(), Some(2));

        let token = stdout(&run(folder, &["enrol-token", "create", "--uses", "2", "--expires", "1h"]))
            .trim()
            .to_owned();
        let mut client = serving.connect().await;
        let mut device = enrol(&mut client, &token).await;
        let name = device.enrolment.unwrap().to_string();
        let listed = stdout(&run(folder, &["enrol-token", "list"]));
        assert!(listed.contains("1/2") && listed.contains("good") && !listed.contains(&token), "{listed}");

        let listed: serde_json::Value =
            serde_json::from_str(&stdout(&run(folder, &["device", "list", "--json"]))).unwrap();
        assert_eq!(
            (listed[0]["device"].as_str(), listed[0]["key"].as_str()),
            (Some(name.as_str()), Some("software"))
        );
        assert!(stdout(&run(folder, &["device", "list"])).contains(&name));
        assert!(stdout(&run(folder, &["device", "show", &name])).contains("lock-idle"));
        let code = listed[0]["code"].as_str().unwrap();
        let shown = stdout(&run(folder, &["device", "show", &code.to_lowercase()]));
        assert!(shown.contains(&name) && shown.contains("What to do:"), "{shown}");
        let counted = |filter: &[&str]| {
            let listed = run(folder, &[&["device", "list", "--json"], filter].concat());
            serde_json::from_str::<serde_json::Value>(&stdout(&listed)).unwrap().as_array().unwrap().len()
        };
        let status = listed[0]["status"].as_str().unwrap();
        assert_eq!((counted(&["--status", status]), counted(&["--status", "revoked"])), (1, 0));
        assert_eq!((counted(&["--silent", "1h"]), counted(&["--check", "no-such-check"])), (0, 0));
        assert_eq!(counted(&["--check", "lock-idle"]), 1);
        assert_eq!(run(folder, &["device", "show", "AAAAAAAAAAAAAAAAAAAAAA"]).status.code(), Some(1));

        device.nonce = client.report(&device.report()).await.unwrap().json::<ReportAnswer>().nonce;
        stdout(&run(folder, &["device", "revoke", &name, "--reason", "lost"]));
        assert_eq!(run(folder, &["device", "revoke", &name]).status.code(), Some(1));
        assert_eq!(client.report(&device.report()).await.unwrap().problem(), DeviceRevoked);

        let keys = stdout(&run(folder, &["signing-key", "list"]));
        stdout(&run(folder, &["signing-key", "rotate"]));
        assert_eq!(stdout(&run(folder, &["signing-key", "list"])).lines().count(), keys.lines().count() + 1);

        stdout(&run(folder, &["policy", "check"]));
        let appraise = |facts: &str| {
            std::fs::write(folder.join("facts.json"), facts).unwrap();
            run(folder, &["policy", "check", "--facts", "facts.json"])
        };
        let unlocked = appraise(
            r#"{"posture": {"lock": {"automatic": {"known": false}}}, "milliseconds": {"lock": 0.5}}"#,
        );
        let printed = String::from_utf8_lossy(&unlocked.stdout);
        let row = printed.lines().find(|line| line.contains("lock-idle")).unwrap();
        assert!(row.contains("contraindicated") && row.ends_with("off"), "{printed}");
        for bad in ["{}", r#"{"lock": {"automatic": {"known": false}}}"#, "{"] {
            let refused = appraise(bad);
            assert_eq!((refused.status.code(), refused.stdout), (Some(1), Vec::new()), "{bad}");
        }

        for (misspelt, name) in [
            (r#"{"posture": {"look": {"automatic": {"known": true}}}}"#, "look"),
            (r#"{"posture": {"lock": {"automatik": {"known": true}}}}"#, "lock.automatik"),
            (r#"{"posture": {"disk": {"volumes": {"known": [{"encypted": {"known": true}}]}}}}"#, "encypted"),
            (r#"{"posture": {}, "more": 1}"#, "more"),
        ] {
            let refused = appraise(misspelt);
            assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{misspelt}");
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(said.contains(&format!("{name}`")), "{said}");
        }

        let listed = stdout(&run(folder, &["audit", "list"]));
        for kind in ["token-created", "enrolled", "device-revoked", "key-rotated"] {
            assert!(listed.contains(kind), "{listed}");
        }
        let verified = stdout(&run(folder, &["audit", "verify"]));
        let head = verified.lines().find_map(|line| line.strip_prefix("head ")).unwrap();
        stdout(&run(folder, &["audit", "verify", "--anchor", head]));
        let wrong = head.replace(|c: char| c.is_ascii_lowercase(), "0");
        assert_eq!(run(folder, &["audit", "verify", "--anchor", &wrong]).status.code(), Some(1));

        // Asked to end, it does, and says that it went well.
        let ended = Command::new("kill").arg(serving.child.id().to_string()).status().unwrap();
        assert!(ended.success());
        assert!(serving.child.wait().unwrap().success());
    }

    /// An unprivileged user ID that no account uses.
    const SERVICE: u32 = 64_811;

    #[test]
    fn commands_of_root_leave_no_file_of_root() {
        let folder = configure();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if let Err(error) = chown(&data, Some(SERVICE), Some(SERVICE)) {
            eprintln!("not run: giving a folder to another user needs root: {error}");
            return;
        }
        for file in [folder.path().to_owned(), folder.path().join("verifier.toml")] {
            std::fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
        }
        // The first start as root, and commands between starts.
        for rotate in [&["signing-key", "rotate"][..], &["signing-key", "rotate", "--tokens"]] {
            let _serving = Serving::start(folder.path());
            stdout(&run(folder.path(), rotate));
            stdout(&run(folder.path(), &["enrol-token", "create"]));
        }
        let mut folders = vec![data];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let (path, metadata) = (entry.path(), entry.metadata().unwrap());
                assert_eq!(metadata.uid(), SERVICE, "{}", path.display());
                assert_eq!(metadata.mode() & 0o077, 0, "{}", path.display());
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
    }

    #[test]
    fn files_that_others_can_read_are_closed_or_refused() {
        let folder = configure();
        drop(Serving::start(folder.path()));
        let store = folder.path().join("data/verifier.db");
        let open = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        open(&store, 0o644);
        drop(Serving::start(folder.path()));
        assert_eq!(std::fs::metadata(&store).unwrap().mode() & 0o777, 0o600);

        let key = folder.path().join("data/tls/localhost.key");
        open(&key, 0o644);
        let refused = run(folder.path(), &["serve", "--self-signed", "localhost"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("every user can read"), "{refused:?}");
        open(&key, 0o640);
        drop(Serving::start(folder.path()));
    }

    #[test]
    fn server_without_origin_does_not_start() {
        let folder = configure();
        drop(Serving::start(folder.path()));
        let config = folder.path().join("verifier.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let tls = "tls.certificate = \"data/tls/localhost.pem\"\ntls.key = \"data/tls/localhost.key\"\n";
        std::fs::write(&config, format!("{text}{tls}")).unwrap();
        let refused = run(folder.path(), &["serve"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no origin"), "{refused:?}");
    }

    #[test]
    fn wrong_use_says_what_to_write() {
        let folder = configure();
        let _serving = Serving::start(folder.path());
        for (arguments, said) in [
            (vec!["enrol-token", "create", "--uses", "0"], "1..=1000000"),
            (vec!["enrol-token", "create"], "for 1 device, until"),
            (vec!["device", "revoke", "nosuch", "--reason", "x"], "as `device list` shows them"),
            (vec!["client", "add", "EHR", "--id", "x"], "<--secret|--jwks <FILE>|--jwks-uri <URL>>"),
            (vec!["step-up", "request", "--user", "u", "--message", "x", "--expires", "9999"], "1..=300"),
            (vec!["audit", "lst"], "'list'"),
        ] {
            let output = run(folder.path(), &arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let missing = run(elsewhere.path(), &["device", "list"]);
        assert!(String::from_utf8_lossy(&missing.stderr).contains("--config names another"), "{missing:?}");
    }

    fn reload(serving: &Serving) {
        let id = serving.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    /// Replaces a file in one step, as an editor does: an empty one would be valid.
    fn replace(path: &std::path::Path, text: &str) {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, path).unwrap();
    }

    /// Waits for a condition of a running verifier.
    fn until(what: &str, mut met: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !met() {
            assert!(std::time::Instant::now() < deadline, "waited in vain: {what}");
            std::thread::yield_now();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn policy_is_reloaded_as_a_whole_or_not_at_all() {
        let folder = configure();
        let serving = Serving::start(folder.path());
        let token = stdout(&run(folder.path(), &["enrol-token", "create"])).trim().to_owned();
        let mut client = serving.connect().await;
        let mut device = enrol(&mut client, &token).await;
        let policies = || {
            let listed = run(folder.path(), &["audit", "list", "--kind", "policy-changed", "--json"]);
            let entries = stdout(&listed);
            entries.lines().map(|it| serde_json::from_str(it).unwrap()).collect::<Vec<serde_json::Value>>()
        };
        assert_eq!(policies().len(), 1, "the policies at the start");
        let thresholds = folder.path().join("thresholds.toml");
        let before = std::fs::read_to_string(&thresholds).unwrap();
        replace(&thresholds, &format!("{before}\n[lock-idle]\nmax_seconds = 1\n"));
        reload(&serving);
        until("the new policy", || policies().len() == 2);
        // It is logged before it is in force. Verdicts are by it then, over the connection that was open.
        let policy = policies()[0]["body"]["policy"].as_str().unwrap().to_owned();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let answer: ReportAnswer = client.report(&device.report()).await.unwrap().json();
            device.nonce = answer.nonce;
            let claims = answer.ear.split('.').nth(1).unwrap();
            if String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap().contains(&policy) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "no verdict is by the new policy");
        }

        replace(&thresholds, "[lock-idle\n");
        reload(&serving);
        replace(&thresholds, &before);
        reload(&serving);
        until("the first policy again", || policies().len() == 3);
        client.report(&device.report()).await.unwrap().json::<ReportAnswer>();
        drop(serving);
        let _serving = Serving::start(folder.path());
        assert_eq!(policies().len(), 3, "a start with the same policies logs nothing");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn renewed_certificate_is_used_without_a_restart() {
        let folder = configure();
        let serving = Serving::start(folder.path());
        let mut open = serving.connect().await;
        let other = folder.path().join("other");
        let renewed = vitalsign_verifier::server::tls::self_signed(&other, "localhost").unwrap();
        let connect = || Client::connect(serving.address, &renewed.anchor, "localhost");
        assert!(connect().await.is_err());
        let used = folder.path().join("data/tls");
        std::fs::rename(&renewed.files.certificate, used.join("localhost.pem")).unwrap();
        std::fs::rename(&renewed.files.key, used.join("localhost.key")).unwrap();
        reload(&serving);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while connect().await.is_err() {
            assert!(std::time::Instant::now() < deadline, "the former certificate stays in use");
        }
        assert_eq!(open.request("GET", "/healthz", "", b"").await.unwrap().status, 200);
    }

    #[test]
    fn administrative_entries_name_who_acted() {
        let folder = configure();
        let _serving = Serving::start(folder.path());
        stdout(&run(folder.path(), &["user", "add", "nurse-7"]));
        let listed = stdout(&run(folder.path(), &["audit", "list", "--kind", "user-added", "--json"]));
        let entry: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let by = &entry["body"]["by"];
        assert!(by["uid"].is_number() && by["host"].is_string(), "{listed}");
        assert_eq!(by["admin"], format!("uid:{}", by["uid"]));
        let line = stdout(&run(folder.path(), &["audit", "list", "--kind", "user-added"]));
        assert!(line.contains("nurse-7 (by "), "{line}");
    }
}
