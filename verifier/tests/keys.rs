//! Users, and how they register security keys.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::Serving;
    use super::support::{Client, Device, Lab, NOW, problem};
    use serde_json::{Value, json};
    use std::path::Path;
    use std::process::{Command, Output};
    use std::sync::Arc;
    use vitalsign_protocol::id::{RegistrationId, Secret};
    use vitalsign_protocol::problem::Problem;
    use vitalsign_protocol::problem::ProblemType::*;
    use vitalsign_protocol::step_up::{KeyChallenge, KeyProof, KeyRequest, RegisteredKey, RegisteredKeys};
    use vitalsign_verifier::store::device::Device as Enrolled;
    use vitalsign_verifier::store::user::DeviceLink;
    use vitalsign_webauthn::Aaguid;
    use vitalsign_webauthn::testing::{Format, KeyVendor, SoftKey};

    const MODEL: Aaguid = Aaguid([0x5f; 16]);
    const ORIGIN: &str = "https://localhost";
    const METADATA: &str = "metadata.json";
    /// 2027-02-01; the tests take place on 2027-01-15.
    const NEXT_UPDATE: &str = "2027-02-01";

    /// A verifier that accepts the keys of one maker, and a device that enrolled.
    struct RegistrationFixture {
        lab: Lab,
        maker: KeyVendor,
        device: Arc<Enrolled>,
    }

    impl RegistrationFixture {
        async fn new() -> Self {
            let maker = KeyVendor::new(MODEL);
            let metadata = maker.metadata(NEXT_UPDATE);
            let lab = Lab::with(|config| {
                let file = config.data.join(METADATA);
                std::fs::write(&file, metadata.to_string()).unwrap();
                config.security_keys.metadata = Some(file);
            });
            let lab = lab.await;
            let device = enrolled(&lab).await;
            Self { lab, maker, device }
        }

        fn put_metadata(&self, metadata: &Value) {
            // By another file in its place: two writes within a moment may leave the same time.
            let file = self.lab.folder.path().join("new.json");
            std::fs::write(&file, metadata.to_string()).unwrap();
            std::fs::rename(&file, self.lab.folder.path().join(METADATA)).unwrap();
            self.lab.verifier.security_keys.refresh_models(NOW);
        }

        async fn code(&self, name: &str) -> String {
            let store = self.lab.verifier.store();
            let user = match store.add_user(name, NOW).await.unwrap() {
                Some(user) => user,
                None => store.user(name).await.unwrap().unwrap(),
            };
            store.create_key_code(&user, NOW + 900, NOW).await.unwrap().1
        }

        async fn begin(&self, code: &str, now: u64) -> Result<KeyChallenge, Problem> {
            self.lab.verifier.security_keys.begin_registration(&self.device, &request(code), now).await
        }

        async fn end(
            &self,
            registration: &RegistrationId,
            credential: Value,
        ) -> Result<RegisteredKey, Problem> {
            self.lab
                .verifier
                .security_keys
                .complete_registration(&self.device, registration, &proof(credential), NOW)
                .await
        }

        async fn register(&self, name: &str, key: &mut SoftKey) -> Result<RegisteredKey, Problem> {
            let begun = self.begin(&self.code(name).await, NOW).await?;
            self.end(&begun.registration, key.create(&begun.options, ORIGIN)).await
        }

        async fn audited(&self) -> Vec<(String, Value)> {
            let log = self.lab.verifier.store().audit(None, 0, 100).await.unwrap();
            log.into_iter().map(|it| (it.kind, serde_json::from_str(&it.body).unwrap())).collect()
        }
    }

    async fn enrolled(lab: &Lab) -> Arc<Enrolled> {
        let mut device = Device::new();
        let answer = device.enrol(&lab.verifier, &lab.token(1).await, NOW).await.unwrap();
        let bearer = answer.report.session.unwrap().bearer();
        lab.verifier.attestation.session_device(Some(bearer.as_str()), NOW).await.unwrap()
    }

    fn request(code: &str) -> KeyRequest {
        KeyRequest { code: Secret::new(code.as_bytes().to_vec()) }
    }

    fn proof(credential: Value) -> KeyProof {
        KeyProof { name: " blue, on the badge ".into(), credential }
    }

    #[tokio::test]
    async fn registering_two_keys_links_the_device_to_the_user() {
        let fixture = RegistrationFixture::new().await;
        let code = fixture.code("nurse-7").await;
        let begun = fixture.begin(&code.to_lowercase().replace('-', " "), NOW).await.unwrap();
        assert_eq!(begun.user, "nurse-7");
        assert_eq!(begun.options["rp"], json!({ "id": "localhost", "name": "Vitalsign" }));
        let mut key = fixture.maker.key();
        let answer = key.create(&begun.options, ORIGIN);
        let first = fixture.end(&begun.registration, answer.clone()).await.unwrap();
        assert_eq!((first.name.as_str(), first.model.as_str()), ("blue, on the badge", "Test Key"));
        assert_eq!((first.user.as_str(), first.registered, first.last_used), ("nurse-7", NOW, None));

        // The registration is over, and so is the code.
        assert_eq!(problem(fixture.end(&begun.registration, answer.clone()).await), RegistrationUnknown);
        assert_eq!(problem(fixture.begin(&code, NOW).await), KeyCodeUnknown);

        // A second key, which is not to be the first one.
        let begun = fixture.begin(&fixture.code("nurse-7").await, NOW).await.unwrap();
        assert_eq!(begun.options["excludeCredentials"][0]["id"], answer["id"]);
        let mut other = fixture.maker.key();
        let second = fixture.end(&begun.registration, other.create(&begun.options, ORIGIN)).await.unwrap();
        let keys = fixture.lab.verifier.security_keys.of_device(&fixture.device).await.unwrap().keys;
        assert_eq!(keys, [first.clone(), second]);

        let store = fixture.lab.verifier.store();
        let user = store.user("nurse-7").await.unwrap().unwrap();
        assert_eq!(store.user_devices(user.id).await.unwrap(), [fixture.device.enrolment]);
        let audited = fixture.audited().await;
        let kinds: Vec<_> = audited.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            kinds[2..],
            ["user-added", "key-code-created", "key-registered", "key-code-created", "key-registered"]
        );
        let body = &audited[4].1;
        assert_eq!(body["user"], "nurse-7");
        assert_eq!((&body["aaguid"], &body["credential"]), (&json!(MODEL), &answer["id"]));

        // A key that was lost is gone from the list, and may come back under another number.
        let revoked = store.revoke_security_key(1, "lost", NOW).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(NOW));
        assert!(store.revoke_security_key(1, "lost", NOW).await.unwrap().is_none());
        assert_eq!(
            fixture.lab.verifier.security_keys.of_device(&fixture.device).await.unwrap().keys.len(),
            1
        );
        assert_eq!(fixture.register("nurse-7", &mut key).await.unwrap().id, 3);
        assert_eq!(store.all_security_keys(user.id).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_code_is_good_once_and_for_a_while() {
        let fixture = RegistrationFixture::new().await;
        let store = fixture.lab.verifier.store();
        let code = fixture.code("nurse-7").await;
        assert_eq!(problem(fixture.begin(&code, NOW + 900).await), KeyCodeUnknown);
        assert_eq!(problem(fixture.begin(&code, NOW - 1).await), KeyCodeUnknown);
        store.enable_user("nurse-7", false, NOW).await.unwrap();
        assert_eq!(problem(fixture.begin(&code, NOW).await), KeyCodeUnknown);
        store.enable_user("nurse-7", true, NOW).await.unwrap();

        // Two begin with it, and one ends first.
        let (one, other) =
            (fixture.begin(&code, NOW).await.unwrap(), fixture.begin(&code, NOW).await.unwrap());
        assert_ne!(one.options["challenge"], other.options["challenge"]);
        let mut key = fixture.maker.key();
        fixture.end(&one.registration, key.create(&one.options, ORIGIN)).await.unwrap();
        let late = fixture.end(&other.registration, key.create(&other.options, ORIGIN)).await;
        assert_eq!(problem(late), KeyCodeUnknown);

        // Begun while the user was good, and ended after they were disabled.
        let begun = fixture.begin(&fixture.code("nurse-7").await, NOW).await.unwrap();
        store.enable_user("nurse-7", false, NOW).await.unwrap();
        let late = fixture.end(&begun.registration, key.create(&begun.options, ORIGIN)).await;
        assert_eq!(problem(late), KeyCodeUnknown);
        let user = store.user("nurse-7").await.unwrap().unwrap();
        assert_eq!(store.all_security_keys(user.id).await.unwrap().len(), 1);
        assert!(
            fixture.lab.verifier.security_keys.of_device(&fixture.device).await.unwrap().keys.is_empty(),
            "of a disabled user"
        );
    }

    #[tokio::test]
    async fn guessing_key_codes_is_stopped() {
        let fixture = RegistrationFixture::new().await;
        let code = fixture.code("nurse-7").await;
        for guess in ["", "AAAA-AAAA-AAAA", &code[1..], &"A".repeat(65)] {
            assert_eq!(problem(fixture.begin(guess, NOW).await), KeyCodeUnknown);
        }
        for _ in 0..6 {
            let not_text = KeyRequest { code: Secret::new(vec![0xff; 12]) };
            let outcome =
                fixture.lab.verifier.security_keys.begin_registration(&fixture.device, &not_text, NOW).await;
            assert_eq!(problem(outcome), KeyCodeUnknown);
        }
        assert_eq!(problem(fixture.begin(&code, NOW).await), Busy);
        assert_eq!(problem(fixture.begin(&code, NOW + 899).await), Busy);
        // Other devices are not stopped, and this one is not for ever.
        let other = enrolled(&fixture.lab).await;
        fixture.lab.verifier.security_keys.begin_registration(&other, &request(&code), NOW).await.unwrap();
        assert_eq!(problem(fixture.begin(&code, NOW + 900).await), KeyCodeUnknown, "too old by now");
    }

    #[tokio::test]
    async fn a_registration_is_of_one_device_and_in_time() {
        let fixture = RegistrationFixture::new().await;
        let begun = fixture.begin(&fixture.code("nurse-7").await, NOW).await.unwrap();
        let answer = fixture.maker.key().create(&begun.options, ORIGIN);
        let other = enrolled(&fixture.lab).await;
        let end = async |device: &Enrolled, registration: &RegistrationId, name: &str, now| {
            let proof = KeyProof { name: name.into(), credential: answer.clone() };
            fixture.lab.verifier.security_keys.complete_registration(device, registration, &proof, now).await
        };
        let id = &begun.registration;
        assert_eq!(problem(end(&other, id, "k", NOW).await), RegistrationUnknown);
        assert_eq!(
            problem(end(&fixture.device, &RegistrationId([1; 16]), "k", NOW).await),
            RegistrationUnknown
        );
        assert_eq!(problem(end(&fixture.device, id, "k", NOW + 301).await), RegistrationUnknown);
        for name in ["", " ", "a\nb", "a\u{202e}b", "a\u{200b}b", &"n".repeat(65)] {
            assert_eq!(problem(end(&fixture.device, id, name, NOW).await), Malformed);
        }
        // None of these ended it.
        end(&fixture.device, id, "k", NOW + 300).await.unwrap();
    }

    #[tokio::test]
    async fn a_key_that_is_not_as_it_is_to_be_is_not_registered() {
        let fixture = RegistrationFixture::new().await;
        let refused = async |bend: &dyn Fn(&mut SoftKey), origin: &str, member: &str, value: Value| {
            let mut key = fixture.maker.key();
            bend(&mut key);
            let begun = fixture.begin(&fixture.code("nurse-7").await, NOW).await.unwrap();
            let answer = key.create_with(&begun.options, origin, |data| {
                data.insert(member.into(), value);
            });
            problem(fixture.end(&begun.registration, answer).await)
        };
        let none = || json!(0);
        assert_eq!(refused(&|key| key.format = Format::None, ORIGIN, "x", none()).await, KeyUntrusted);
        assert_eq!(refused(&|key| key.format = Format::Itself, ORIGIN, "x", none()).await, KeyUntrusted);
        assert_eq!(refused(&|key| key.backup_eligible = true, ORIGIN, "x", none()).await, KeyUntrusted);
        assert_eq!(refused(&|key| key.user_verified = false, ORIGIN, "x", none()).await, AssertionInvalid);
        assert_eq!(refused(&|_| {}, ORIGIN, "crossOrigin", json!(true)).await, AssertionInvalid);
        assert_eq!(refused(&|_| {}, ORIGIN, "topOrigin", json!(ORIGIN)).await, AssertionInvalid);
        assert_eq!(refused(&|_| {}, ORIGIN, "type", json!("webauthn.get")).await, AssertionInvalid);
        assert_eq!(refused(&|_| {}, "https://evil.example", "x", none()).await, AssertionInvalid);

        let begun = fixture.begin(&fixture.code("nurse-7").await, NOW).await.unwrap();
        let other = KeyVendor::new(Aaguid([6; 16])).key().create(&begun.options, ORIGIN);
        assert_eq!(problem(fixture.end(&begun.registration, other).await), KeyUntrusted);
        let forged = KeyVendor::new(MODEL).key().create(&begun.options, ORIGIN);
        assert_eq!(problem(fixture.end(&begun.registration, forged).await), KeyUntrusted);
        assert_eq!(problem(fixture.end(&begun.registration, json!({})).await), Malformed);

        // Another user's credential.
        let mut key = fixture.maker.key();
        key.next_id = Some(vec![7; 32]);
        fixture.register("nurse-7", &mut key).await.unwrap();
        key.next_id = Some(vec![7; 32]);
        assert_eq!(problem(fixture.register("nurse-8", &mut key).await), KeyKnown);
        let store = fixture.lab.verifier.store();
        let user = store.user("nurse-8").await.unwrap().unwrap();
        assert!(store.all_security_keys(user.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_list_of_models_is_taken_up_while_it_runs() {
        let fixture = RegistrationFixture::new().await;
        let code = fixture.code("nurse-7").await;
        let begun = fixture.begin(&code, NOW).await.unwrap();
        let mut key = fixture.maker.key();
        let answer = key.create(&begun.options, ORIGIN);

        let mut withdrawn = fixture.maker.metadata(NEXT_UPDATE);
        withdrawn["entries"][0]["statusReports"][0] =
            json!({ "status": "REVOKED", "effectiveDate": "2027-01-01" });
        fixture.put_metadata(&withdrawn);
        assert_eq!(problem(fixture.end(&begun.registration, answer.clone()).await), KeyUntrusted);

        fixture.put_metadata(&fixture.maker.metadata("2027-01-01"));
        assert_eq!(problem(fixture.begin(&code, NOW).await), KeyUntrusted, "the list has expired");
        assert_eq!(problem(fixture.end(&begun.registration, answer.clone()).await), KeyUntrusted);

        // What cannot be read changes nothing.
        fixture.put_metadata(&fixture.maker.metadata(NEXT_UPDATE));
        fixture.put_metadata(&json!({ "entries": 1 }));
        fixture.end(&begun.registration, answer).await.unwrap();

        // Without a list no key is registered.
        let lab = Lab::open().await;
        let store = lab.verifier.store();
        let user = store.add_user("nurse-7", NOW).await.unwrap().unwrap();
        let code = store.create_key_code(&user, NOW + 900, NOW).await.unwrap().1;
        let device = enrolled(&lab).await;
        assert_eq!(
            problem(lab.verifier.security_keys.begin_registration(&device, &request(&code), NOW).await),
            KeyUntrusted
        );
    }

    #[tokio::test]
    async fn users_have_devices_until_those_are_revoked() {
        let fixture = RegistrationFixture::new().await;
        let store = fixture.lab.verifier.store();
        let user = store.add_user("nurse-7", NOW).await.unwrap().unwrap();
        assert!(store.add_user("nurse-7", NOW).await.unwrap().is_none());
        let device = fixture.device.enrolment;
        let join = async |device, joined| store.join_device(&user, device, joined, NOW).await.unwrap();
        assert_eq!(join(vitalsign_protocol::id::EnrolmentId([1; 16]), true).await, DeviceLink::NoDevice);
        assert_eq!(join(device, false).await, DeviceLink::AlreadySo);
        assert_eq!(join(device, true).await, DeviceLink::Done);
        assert_eq!(join(device, true).await, DeviceLink::AlreadySo);
        assert_eq!(store.user_devices(user.id).await.unwrap(), [device]);
        store.revoke_device(device, "", NOW).await.unwrap();
        assert!(store.user_devices(user.id).await.unwrap().is_empty());
        assert_eq!(join(device, false).await, DeviceLink::Done);
        assert!(!store.enable_user("nurse-8", false, NOW).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_routes_want_a_session_and_have_limits() {
        use vitalsign_verifier::clock::{Clock, now};
        use vitalsign_verifier::server::{Server, tls};
        let maker = KeyVendor::new(MODEL);
        let metadata = maker.metadata("9000-01-01").to_string();
        let lab = Lab::with(|config| {
            let file = config.data.join(METADATA);
            std::fs::write(&file, metadata).unwrap();
            config.security_keys.metadata = Some(file);
        });
        let lab = lab.await;
        let made = tls::self_signed(&lab.folder.path().join("tls"), "localhost").unwrap();
        let server = Server::start(lab.verifier.clone(), tls::read(&made.files).unwrap(), Clock::default())
            .await
            .unwrap();
        let mut client = Client::connect(server.address(), &made.anchor, "localhost").await.unwrap();
        let mut send = async |method: &str, path: &str, bearer: &str, body: &[u8]| {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {bearer}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            client.send(&[head.as_bytes(), body].concat()).await.unwrap();
            client.receive().await.unwrap()
        };
        let store = lab.verifier.store();
        let token = store.create_token(1, now() + 3600, None, now()).await.unwrap().1;
        let enrolled = Device::new().enrol(&lab.verifier, &token, now()).await.unwrap();
        let bearer = enrolled.report.session.unwrap().bearer();
        let user = store.add_user("nurse-7", now()).await.unwrap().unwrap();
        let (_, code) = store.create_key_code(&user, now() + 900, now()).await.unwrap();
        let asked = serde_json::to_vec(&request(&code)).unwrap();

        for (method, path) in [("POST", "/v1/keys"), ("GET", "/v1/keys"), ("POST", "/v1/keys/AAAA")] {
            assert_eq!(send(method, path, "Bearer AAAA", &asked).await.problem(), SessionInvalid);
        }
        let answer = send("POST", "/v1/keys", &bearer, &asked).await;
        assert_eq!(answer.status, 201);
        let begun: KeyChallenge = answer.json();
        let path = format!("/v1/keys/{}", begun.registration);
        let credential = maker.key().create(&begun.options, ORIGIN);
        let proof = serde_json::to_vec(&proof(credential)).unwrap();
        assert_eq!(send("POST", "/v1/keys/AAAA", &bearer, &proof).await.problem(), RegistrationUnknown);
        assert_eq!(send("POST", &path, &bearer, b"{}").await.problem(), Malformed);
        let registered: RegisteredKey = send("POST", &path, &bearer, &proof).await.json();
        let listed: RegisteredKeys = send("GET", "/v1/keys", &bearer, b"").await.json();
        assert_eq!(listed.keys, [registered]);
        assert_eq!(send("PUT", "/v1/keys", &bearer, b"").await.status, 405);
        // The last: the connection is not read further.
        assert_eq!(send("POST", &path, &bearer, &vec![b' '; 70_000]).await.problem(), TooLarge);
        server.shutdown().await;
    }

    fn run(folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitalsign-verifier"));
        command.arg("--config").arg(folder.join("verifier.toml")).args(arguments).output().unwrap()
    }

    #[track_caller]
    fn printed(folder: &Path, arguments: &[&str]) -> Value {
        let output = run(folder, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[tokio::test]
    async fn the_commands_do_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::write(folder.join("verifier.toml"), "data = \"data\"\nlisten = \"127.0.0.1:0\"\n").unwrap();
        let _serving = Serving::start(folder);
        let added = printed(folder, &["user", "add", "nurse-7"]);
        assert_eq!(added["user"], "nurse-7");
        assert!(!run(folder, &["user", "add", "nurse-7"]).status.success());
        for name in ["", " nurse-8", "a\tb"] {
            assert_eq!(run(folder, &["user", "add", name]).status.code(), Some(2), "{name:?}");
        }
        let made = printed(folder, &["user", "key-code", "nurse-7", "--expires", "15m"]);
        assert_eq!(made["code"].as_str().unwrap().len(), 14);
        let plain = run(folder, &["user", "key-code", "nurse-7"]);
        assert_eq!(String::from_utf8(plain.stdout).unwrap().trim().len(), 14);
        assert!(!run(folder, &["user", "key-code", "unknown"]).status.success());
        assert!(run(folder, &["user", "disable", "nurse-7"]).status.success());
        assert!(!run(folder, &["user", "key-code", "nurse-7"]).status.success());
        assert!(printed(folder, &["user", "enable", "nurse-7"])["disabled_at"].is_null());
        assert_eq!(printed(folder, &["user", "keys", "nurse-7"]), json!([]));
        assert_eq!(printed(folder, &["user", "device", "nurse-7"]), json!([]));
        assert!(
            !run(folder, &["user", "device", "nurse-7", "--add", "AAAAAAAAAAAAAAAAAAAAAA"]).status.success()
        );
        assert!(!run(folder, &["user", "key-revoke", "1"]).status.success());
        let users = printed(folder, &["user", "list"]);
        assert_eq!((&users[0]["keys"], &users[0]["devices"]), (&json!(0), &json!(0)));
        assert!(!run(folder, &["user", "key-models"]).status.success(), "there is no list");
        let metadata = KeyVendor::new(MODEL).metadata("9000-01-01").to_string();
        std::fs::write(folder.join(METADATA), metadata).unwrap();
        let config =
            format!("data = \"data\"\n[security_keys]\nmetadata = \"{METADATA}\"\nmodels = [\"{MODEL}\"]\n");
        std::fs::write(folder.join("verifier.toml"), config).unwrap();
        let models = printed(folder, &["user", "key-models"])["models"].clone();
        assert_eq!(models, json!([{ "aaguid": MODEL, "model": "Test Key", "state": "accepted" }]));
        let help = run(folder, &["user", "--help"]).stdout;
        assert!(String::from_utf8(help).unwrap().contains("Examples:"));

        let store = vitalsign_verifier::store::Store::open(&folder.join("data/verifier.db")).await.unwrap();
        let kinds: Vec<_> = store.audit(None, 0, 100).await.unwrap().into_iter().map(|it| it.kind).collect();
        assert_eq!(
            kinds,
            [
                "policy-changed",
                "user-added",
                "key-code-created",
                "key-code-created",
                "user-disabled",
                "user-enabled"
            ]
        );
    }
}
