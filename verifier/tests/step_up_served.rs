//! Step-ups over HTTPS: the event channel and the routes; and the program itself, killed at each step.

mod support;

#[cfg(test)]
mod tests {
    use super::support::Client;
    use super::support::process::{Listening, Serving, configure, enrol, run, stdout};
    use super::support::step_up::*;
    use base64::{Engine, engine::general_purpose::STANDARD as B64};
    use serde_json::{Value, json};
    use std::path::{Path, PathBuf};
    use vitalsign_protocol::id::Secret;
    use vitalsign_protocol::message::{DeviceSession, MAX_JSON_BYTES, ReportAnswer};
    use vitalsign_protocol::problem::ProblemType::{self, *};
    use vitalsign_protocol::step_up::*;
    use vitalsign_verifier::clock::{Clock, now};
    use vitalsign_verifier::server::{Server, tls};
    use vitalsign_webauthn::testing::{KeyVendor, SoftKey};

    struct Served {
        fixture: StepUpFixture,
        server: Server,
        anchor: PathBuf,
    }

    impl Served {
        /// The server's clock is the real one, so that the device has to report for a session of today.
        async fn start() -> Self {
            let mut fixture = StepUpFixture::new().await;
            let made = tls::self_signed(&fixture.lab.folder.path().join("tls"), "localhost").unwrap();
            let tls = tls::read(&made.files).unwrap();
            let server = Server::start(fixture.lab.verifier.clone(), tls, Clock::default()).await.unwrap();
            fixture.at.device.nonce =
                fixture.verifier().attestation.nonce(&fixture.at.device.kid(), now()).unwrap().nonce;
            let served = Self { fixture, server, anchor: made.anchor };
            let mut client = served.connect().await;
            let mut served = served;
            let report = served.fixture.at.device.report();
            served.fixture.at.session =
                client.report(&report).await.unwrap().json::<ReportAnswer>().session.unwrap();
            served
        }

        async fn connect(&self) -> Client {
            Client::connect(self.server.address(), &self.anchor, "localhost").await.unwrap()
        }

        async fn listen(&self, after: Option<&str>) -> Listening {
            self.connect().await.listen(&self.fixture.at.session, after).await.unwrap()
        }

        async fn ask(&self) {
            self.fixture.verifier().step_ups.request(asked(Acr::HardwareKey), now()).await.unwrap();
        }
    }

    fn parse(data: &str) -> Asking {
        let asked: StepUpRequested = serde_json::from_str(data).unwrap();
        let transaction: Transaction = serde_json::from_str(&asked.transaction).unwrap();
        Asking { id: transaction.step_up, asked }
    }

    #[tokio::test]
    async fn event_stream_delivers_resumes_and_ends() {
        let served = Served::start().await;
        let mut first = served.listen(None).await;
        served.ask().await;
        let (id, name, data) = first.next().await.unwrap().unwrap();
        assert_eq!(name, "step-up");
        assert!(data.len() < event::MAX_BYTES);
        served.ask().await;
        let (second, ..) = first.next().await.unwrap().unwrap();
        assert!(second.parse::<u64>().unwrap() > id.parse::<u64>().unwrap());
        // Another channel takes its place, from where it was left.
        let mut resumed = served.listen(Some(&id)).await;
        assert_eq!(resumed.next().await.unwrap().unwrap().0, second);
        assert_eq!(first.next().await.unwrap(), None);
        let mut from_the_start = served.listen(Some("not a number")).await;
        assert_eq!(from_the_start.next().await.unwrap().unwrap().0, id);
        assert_eq!(from_the_start.next().await.unwrap().unwrap().0, second);
        // What ends is told as well.
        let device = served.fixture.verifier();
        let asked = parse(&data);
        let mut client = served.connect().await;
        let path = format!("/v1/step-ups/{}/end", asked.id);
        let end = StepUpDeclined { end: StepUpResult::Declined };
        let outcome: StepUpOutcome =
            client.post_as(&served.fixture.at.session, &path, &end).await.unwrap().json();
        assert_eq!(outcome.end, StepUpResult::Declined);
        assert!(device.store().probe().await.is_ok());
        // An open channel does not prevent the shutdown.
        served.server.shutdown().await;
        assert_eq!(from_the_start.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn served_step_up_accepts_nothing_twice() {
        let mut served = Served::start().await;
        let mut events = served.listen(None).await;
        served.ask().await;
        let asking = parse(&events.next().await.unwrap().unwrap().2);
        let mut client = served.connect().await;
        let evidence = served.fixture.at.evidence(&asking);
        let path = |what: &str| format!("/v1/step-ups/{}/{what}", asking.id);
        let answer =
            client.request("POST", &path("evidence"), "application/eat+cwt", &evidence).await.unwrap();
        let (_, options) = tap(Ok(answer.json()));
        let assertion = served.fixture.key.get(&options, ORIGIN).unwrap();
        let session = served.fixture.at.session.clone();
        let assertion = StepUpAssertion { assertion };
        for _ in 0..2 {
            let outcome: StepUpOutcome =
                client.post_as(&session, &path("assertion"), &assertion).await.unwrap().json();
            assert_eq!(outcome.end, StepUpResult::Approved);
        }
        let other = StepUpAssertion { assertion: served.fixture.key.get(&options, ORIGIN).unwrap() };
        let refused = client.post_as(&session, &path("assertion"), &other).await.unwrap();
        assert_eq!((refused.status, refused.problem()), (409, StepUpOver));
        let refused =
            client.request("POST", &path("evidence"), "application/eat+cwt", &evidence).await.unwrap();
        assert_eq!(refused.problem(), StepUpOver);

        served.ask().await;
        let again = parse(&events.next().await.unwrap().unwrap().2);
        let path = |what: &str| format!("/v1/step-ups/{}/{what}", again.id);
        let replayed =
            client.request("POST", &path("evidence"), "application/eat+cwt", &evidence).await.unwrap();
        assert_eq!(replayed.problem(), ClaimsInvalid);
        let evidence = served.fixture.at.evidence(&again);
        let answer =
            client.request("POST", &path("evidence"), "application/eat+cwt", &evidence).await.unwrap();
        tap(Ok(answer.json()));
        let outcome: StepUpOutcome =
            client.post_as(&session, &path("assertion"), &assertion).await.unwrap().json();
        assert_eq!(outcome.end, StepUpResult::WrongKey, "replayed from the one before");
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem() {
        let served = Served::start().await;
        let bearer = served.fixture.at.session.bearer().to_string();
        let json = ("content-type", "application/json");
        let evidence = ("content-type", "application/eat+cwt");
        let session = ("authorization", bearer.as_str());
        let wrong = ("authorization", "Bearer AAAA");
        let step_up = "/v1/step-ups/WVlZWVlZWVlZWVlZWVlZWQ";
        let huge = vec![b' '; MAX_JSON_BYTES + 1];
        let tapped = br#"{"assertion":{}}"#;
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, ProblemType);
        let cases: &[Case<'_>] = &[
            ("GET", "/v1/events", &[], b"", 401, SessionInvalid),
            ("GET", "/v1/events", &[wrong], b"", 401, SessionInvalid),
            ("POST", "/v1/events", &[session], b"", 405, MethodNotAllowed),
            ("GET", &format!("{step_up}/evidence"), &[], b"", 405, MethodNotAllowed),
            ("POST", &format!("{step_up}/evidence"), &[json], b"{}", 415, MediaType),
            ("POST", &format!("{step_up}/evidence"), &[evidence], b"junk", 400, Malformed),
            ("POST", &format!("{step_up}/evidence"), &[evidence], &huge, 413, TooLarge),
            ("POST", &format!("{step_up}/assertion"), &[json], tapped, 401, SessionInvalid),
            ("POST", &format!("{step_up}/assertion"), &[json, wrong], tapped, 401, SessionInvalid),
            ("POST", &format!("{step_up}/assertion"), &[json, session], tapped, 404, StepUpUnknown),
            ("POST", "/v1/step-ups/not-a-name/assertion", &[json, session], tapped, 404, StepUpUnknown),
            ("POST", &format!("{step_up}/assertion"), &[json, session], b"{}", 400, Malformed),
            ("POST", &format!("{step_up}/assertion"), &[json, session], &huge, 413, TooLarge),
            ("POST", &format!("{step_up}/end"), &[json], br#"{"end":"declined"}"#, 401, SessionInvalid),
            ("POST", &format!("{step_up}/end"), &[json, session], br#"{"end":"bored"}"#, 400, Malformed),
            (
                "POST",
                &format!("{step_up}/end"),
                &[json, session],
                br#"{"end":"approved"}"#,
                422,
                ClaimsInvalid,
            ),
            (
                "POST",
                &format!("{step_up}/end"),
                &[json, session],
                br#"{"end":"declined"}"#,
                404,
                StepUpUnknown,
            ),
        ];
        for (method, path, headers, body, status, expected) in cases {
            let mut client = served.connect().await;
            client.ask((method, path), headers, body).await.unwrap();
            let answer = client.receive().await.unwrap();
            assert_eq!((answer.status, answer.problem()), (*status, *expected), "{method} {path}");
        }
    }

    /// The program with an application, a user with a key and a device.
    struct Trial {
        folder: tempfile::TempDir,
        serving: Serving,
        at: Station,
        key: SoftKey,
        basic: String,
    }

    impl Trial {
        async fn start() -> Self {
            let folder = configure();
            let path = folder.path();
            let maker = KeyVendor::new(MODEL);
            std::fs::write(path.join("metadata.json"), maker.metadata("2040-01-01").to_string()).unwrap();
            let mut config = std::fs::read_to_string(path.join("verifier.toml")).unwrap();
            config
                .push_str("origin = \"https://localhost\"\n[security_keys]\nmetadata = \"metadata.json\"\n");
            std::fs::write(path.join("verifier.toml"), config).unwrap();
            let serving = Serving::start(path);
            let token = stdout(&run(path, &["enrol-token", "create"])).trim().to_owned();
            let client = stdout(&run(
                path,
                &[
                    "client",
                    "add",
                    "EHR",
                    "--id",
                    CLIENT,
                    "--audience",
                    "https://ehr.example",
                    "--secret",
                    "--json",
                ],
            ));
            let client: Value = serde_json::from_str(&client).unwrap();
            let secret = client["secret"].as_str().unwrap();
            let basic = format!("Basic {}", B64.encode(format!("{CLIENT}:{secret}")));
            stdout(&run(path, &["user", "add", USER]));
            let code = stdout(&run(path, &["user", "key-code", USER])).trim().to_owned();

            let mut client = serving.connect().await;
            let mut device = enrol(&mut client, &token).await;
            attest(&store(path), &device, Attested::Simulated).await;
            let session =
                client.report(&device.report()).await.unwrap().json::<ReportAnswer>().session.unwrap();
            let at = Station::of(device, session);
            let request = KeyRequest { code: Secret::new(code.into_bytes()) };
            let begun: KeyChallenge = client.post_as(&at.session, "/v1/keys", &request).await.unwrap().json();
            let mut key = maker.key();
            let proof = KeyProof { name: "blue".into(), credential: key.create(&begun.options, ORIGIN) };
            let path = format!("/v1/keys/{}", begun.registration);
            client.post_as(&at.session, &path, &proof).await.unwrap().json::<RegisteredKey>();
            Self { folder, serving, at, key, basic }
        }

        /// Kills the verifier as by a power cut, and restarts it.
        fn again(&mut self) {
            self.serving.child.kill().unwrap();
            self.serving = Serving::start(self.folder.path());
        }

        async fn form(&self, path: &str, form: &str) -> (u16, Value) {
            let mut client = self.serving.connect().await;
            let form_type = ("content-type", "application/x-www-form-urlencoded");
            let headers = [form_type, ("authorization", self.basic.as_str())];
            client.ask(("POST", path), &headers, form.as_bytes()).await.unwrap();
            let answer = client.receive().await.unwrap();
            (answer.status, serde_json::from_slice(&answer.body).unwrap())
        }

        async fn authorize(&self) -> String {
            let form = format!(
                "scope=openid&login_hint={USER}&binding_message=EHR%3A%20sign%20order%204711&acr_values={}",
                Acr::HardwareKey.urn().replace(':', "%3A")
            );
            let (status, answer) = self.form("/bc-authorize", &form).await;
            assert_eq!(status, 200, "{answer}");
            answer["auth_req_id"].as_str().unwrap().to_owned()
        }

        async fn token(&self, auth_req_id: &str) -> (u16, Value) {
            let grant = "urn%3Aopenid%3Aparams%3Agrant-type%3Aciba";
            self.form("/token", &format!("grant_type={grant}&auth_req_id={auth_req_id}")).await
        }

        async fn hear(&self, session: &DeviceSession, after: Option<&str>) -> (String, Asking) {
            let mut events = self.serving.connect().await.listen(session, after).await.unwrap();
            let (id, name, data) = events.next().await.unwrap().unwrap();
            assert_eq!(name, event::STEP_UP);
            (id, parse(&data))
        }

        async fn evidence(&self, asking: &Asking, evidence: &[u8]) -> (vitalsign_protocol::id::Nonce, Value) {
            let path = format!("/v1/step-ups/{}/evidence", asking.id);
            let mut client = self.serving.connect().await;
            tap(Ok(client.request("POST", &path, "application/eat+cwt", evidence).await.unwrap().json()))
        }
    }

    fn store(folder: &Path) -> PathBuf {
        folder.join("data/verifier.db")
    }

    #[tokio::test]
    async fn killed_at_each_step_resumes_and_reuses_nothing() {
        let mut trial = Trial::start().await;
        let auth_req_id = trial.authorize().await;
        trial.again();
        let session = trial.at.session.clone();
        let (seen, first) = trial.hear(&session, None).await;
        trial.again();
        // Heard before the verifier was killed and not answered: it is told again to who asks from the start.
        let (_, asking) = trial.hear(&session, None).await;
        assert_eq!(first.asked.nonce, asking.asked.nonce);
        assert!(seen.parse::<u64>().unwrap() > 0);

        // Sent, and killed at once: whether it was taken is not known, and sent again it is.
        let evidence = trial.at.evidence(&asking);
        let path = |what: &str| format!("/v1/step-ups/{}/{what}", asking.id);
        let mut client = trial.serving.connect().await;
        let media = [("content-type", "application/eat+cwt")];
        client.ask(("POST", &path("evidence")), &media, &evidence).await.unwrap();
        trial.again();
        let answered = trial.evidence(&asking, &evidence).await;
        trial.again();
        let mut again = trial.evidence(&asking, &evidence).await;
        // The time that is left may have become a second less.
        again.1["timeout"] = answered.1["timeout"].clone();
        assert_eq!(again, answered, "it is kept");

        let assertion = StepUpAssertion { assertion: trial.key.get(&answered.1, ORIGIN).unwrap() };
        let mut client = trial.serving.connect().await;
        client.ask_as(&session, &path("assertion"), &assertion).await.unwrap();
        trial.again();
        for _ in 0..2 {
            let mut client = trial.serving.connect().await;
            let outcome = client.post_as(&session, &path("assertion"), &assertion).await.unwrap();
            assert_eq!(outcome.json::<StepUpOutcome>().end, StepUpResult::Approved);
            trial.again();
        }

        let (status, tokens) = trial.token(&auth_req_id).await;
        assert_eq!(status, 200, "{tokens}");
        assert!(tokens["access_token"].is_string());
        trial.again();
        // The answer may have been lost: the same tokens again, whose claims are the same.
        let (status, again) = trial.token(&auth_req_id).await;
        let claims = |tokens: &Value| {
            let token = tokens["access_token"].as_str().unwrap().to_owned();
            token.rsplit_once('.').unwrap().0.to_owned()
        };
        assert_eq!((status, claims(&again)), (200, claims(&tokens)));

        let folder = trial.folder.path();
        stdout(&run(folder, &["audit", "verify"]));
        let listed = stdout(&run(folder, &["audit", "list", "--json"]));
        assert_eq!(listed.matches("\"step-up-approved\"").count(), 1);
        prove_and_break(folder, &asking).await;
    }

    /// `audit prove` of an approval, and of one that an attacker with write access to the store changed.
    async fn prove_and_break(folder: &Path, asking: &Asking) {
        let id = asking.id.to_string();
        let proven = stdout(&run(folder, &["audit", "prove", &id]));
        assert!(proven.starts_with("PROVEN") && proven.contains("EHR: sign order 4711"), "{proven}");
        assert_eq!(proven.matches("ok    ").count(), 12, "{proven}");
        let exported = stdout(&run(folder, &["audit", "export", &id]));
        let file = folder.join("exported.json");
        std::fs::write(&file, &exported).unwrap();
        let file = file.to_str().unwrap();
        // Elsewhere, where there is neither store nor configuration.
        let mut elsewhere = std::process::Command::new(env!("CARGO_BIN_EXE_vitalsign-verifier"));
        stdout(
            &elsewhere.args(["--config", "nowhere.toml", "audit", "prove", "--file", file]).output().unwrap(),
        );
        let exported: Value = serde_json::from_str(&exported).unwrap();
        let seq = exported["seq"].to_string();
        stdout(&run(folder, &["audit", "prove", &seq, "--json"]));

        let mut connection = connect(&store(folder)).await;
        let body = exported["body"].as_str().unwrap().to_owned();
        let client_data = {
            let body: Value = serde_json::from_str(&body).unwrap();
            body["proof"]["client_data_json"].as_str().unwrap().to_owned()
        };
        let other_challenge = {
            use base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let mut text = URL_SAFE_NO_PAD.decode(&client_data).unwrap();
            let at = String::from_utf8_lossy(&text).find("\"challenge\":\"").unwrap() + 13;
            text[at] ^= 1;
            URL_SAFE_NO_PAD.encode(text)
        };
        let evidence = exported["evidence"].as_str().unwrap();
        let evidence = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(evidence).unwrap();
        let mut other_evidence = evidence.clone();
        *other_evidence.last_mut().unwrap() ^= 1;
        for (body, evidence, link) in [
            (body.replace("order 4711", "order 4710"), &evidence, "evidence-transaction"),
            (body.replace(&client_data, &other_challenge), &evidence, "challenge"),
            (body.clone(), &other_evidence, "evidence-signature"),
        ] {
            let query = sqlx::query("UPDATE audit SET body = ?2, evidence = ?3 WHERE kind = ?1");
            let query = query.bind("step-up-approved").bind(body).bind(evidence);
            query.execute(&mut connection).await.unwrap();
            let output = run(folder, &["audit", "prove", &seq]);
            assert_eq!(output.status.code(), Some(1));
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.lines().any(|line| line.starts_with(&format!("BROKEN  {link} "))), "{link}: {text}");
            assert!(text.contains("BROKEN  audit-log"), "{text}");
            assert!(text.starts_with("NOT PROVEN"), "{text}");
            let says = text.lines().filter(|line| line.starts_with("  "));
            assert!(
                says.clone().count() > 0 && says.clone().all(|line| line.starts_with("  claimed: ")),
                "{text}"
            );
        }
        for wrong in [&["audit", "prove", "9999"][..], &["audit", "prove", "AAAAAAAAAAAAAAAAAAAAAA"]] {
            assert_eq!(run(folder, wrong).status.code(), Some(1), "{wrong:?}");
        }
        let other = stdout(&run(folder, &["audit", "prove", "1"]));
        assert!(other.starts_with("IN THE LOG: ") && other.contains("Only approvals"), "{other}");
        assert_eq!(run(folder, &["audit", "prove", "x"]).status.code(), Some(2));
        assert_eq!(run(folder, &["audit", "prove"]).status.code(), Some(2));
    }

    #[tokio::test]
    async fn shutdown_ends_with_listeners_and_keeps_step_ups() {
        let mut trial = Trial::start().await;
        let session = trial.at.session.clone();
        let mut events = trial.serving.connect().await.listen(&session, None).await.unwrap();
        let auth_req_id = trial.authorize().await;
        let (_, _, data) = events.next().await.unwrap().unwrap();
        let asked = std::process::Command::new("kill").arg(trial.serving.child.id().to_string()).status();
        assert!(asked.unwrap().success());
        assert_eq!(events.next().await.unwrap(), None, "ended as a body is, and not cut off");
        assert!(trial.serving.child.wait().unwrap().success());
        trial.serving = Serving::start(trial.folder.path());
        let path = format!("/v1/step-ups/{}/end", parse(&data).id);
        let end = StepUpDeclined { end: StepUpResult::NotMine };
        let mut client = trial.serving.connect().await;
        client.post_as(&session, &path, &end).await.unwrap().json::<StepUpOutcome>();
        let (status, refused) = trial.token(&auth_req_id).await;
        assert_eq!((status, &refused["error"]), (400, &json!("access_denied")), "{refused}");
        // Who watches is alerted, in the log and in the audit log.
        let listed = stdout(&run(trial.folder.path(), &["audit", "alerts", "--json"]));
        let [alert] = listed.lines().collect::<Vec<_>>()[..] else { panic!("{listed}") };
        let alert: Value = serde_json::from_str(alert).unwrap();
        let wanted = json!({ "user": USER, "client": CLIENT, "end": "not-mine", "alert": true });
        for (member, value) in wanted.as_object().unwrap() {
            assert_eq!(&alert["body"][member], value, "{member}");
        }
        let shown = stdout(&run(trial.folder.path(), &["audit", "alerts"]));
        assert!(shown.contains(USER) && shown.contains("EHR: sign order 4711"), "{shown}");
        let later = ["audit", "alerts", "--after", &alert["seq"].to_string(), "--json"];
        assert_eq!(stdout(&run(trial.folder.path(), &later)), "");
    }
}
