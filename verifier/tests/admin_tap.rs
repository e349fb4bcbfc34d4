//! Dangerous actions of administrators, which need a tap of the administrator's security key.

mod support;

#[cfg(test)]
mod tests {
    use super::support::NOW;
    use super::support::process::run;
    use super::support::step_up::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    use serde_json::{Value, json};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use vitalsign_protocol::cose::PublicKey;
    use vitalsign_protocol::device_code::DeviceCode;
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::id::EnrolmentId;
    use vitalsign_protocol::jwt::{Jwk, JwkSet};
    use vitalsign_protocol::step_up::*;
    use vitalsign_verifier::Verifier;
    use vitalsign_verifier::admin_api::{APPROVAL_HEADER, AdminAction, Scope};
    use vitalsign_verifier::clock::Clock;
    use vitalsign_verifier::config::{AdministratorSettings, Config, TokenIssuer};
    use vitalsign_verifier::server::{Server, tls};

    const ISSUER: &str = "https://idp.example";
    const AUDIENCE: &str = "vitalsign-admin";
    /// Person who could be asked, but has no security key.
    const WITHOUT_KEY: &str = "nurse-8";

    /// A verifier with administrators, a person who taps for them, and their device.
    struct Site {
        fixture: StepUpFixture,
        server: Option<Server>,
        anchor: PathBuf,
        clock: Arc<AtomicU64>,
        provider: EcdsaKeyPair,
    }

    impl Site {
        async fn start(tap: &[AdminAction]) -> Self {
            Self::with(tap, |_| {}).await
        }

        async fn with(tap: &[AdminAction], change: impl FnOnce(&mut Config)) -> Self {
            let provider = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let public = PublicKey::from_point(provider.public_key().as_ref()).unwrap();
            let keys = serde_json::to_string(&JwkSet { keys: vec![Jwk::new(&public)] }).unwrap();
            let mut anchor = PathBuf::new();
            let fixture = StepUpFixture::with(|config| {
                let jwks = config.data.join("idp.jwks.json");
                std::fs::write(&jwks, keys).unwrap();
                let made = tls::self_signed(&config.data.join("tls"), "localhost").unwrap();
                anchor = made.anchor;
                let api = &mut config.admin_api;
                api.tls = Some(made.files);
                api.listen = Some(([127, 0, 0, 1], 0).into());
                api.issuers = vec![TokenIssuer { issuer: ISSUER.into(), audience: AUDIENCE.into(), jwks }];
                // Two administrators for whom one person taps, and others for whom no one can.
                let users = [("ben", USER), ("cleo", USER), ("dora", WITHOUT_KEY), ("eve", "Nurse-7")];
                let users = users.map(|(name, user)| (name, Some(user)));
                api.administrators =
                    users.into_iter().chain([("fred", None)]).map(|it| administrator(it.0, it.1)).collect();
                api.tap = tap.iter().copied().collect();
                change(config);
            })
            .await;
            let clock = Arc::new(AtomicU64::new(NOW));
            let mut site = Self { fixture, server: None, anchor, clock, provider };
            let config = format!("data = {:?}\norigin = \"https://localhost\"\n", site.path());
            std::fs::write(site.path().join("verifier.toml"), config).unwrap();
            // Only a key in a genuine TPM counts as healthy.
            let store = site.fixture.verifier().store().path().to_owned();
            attest(&store, &site.fixture.at.device, Attested::Genuine).await;
            site.report(healthy()).await;
            site.serve().await;
            site
        }

        async fn report(&mut self, posture: vitalsign_protocol::posture::Posture) {
            self.fixture.at.device.posture = posture;
            self.fixture.at.report(&self.fixture.lab.verifier).await;
            self.fixture.at.listen(&self.fixture.lab.verifier, None, NOW).await;
        }

        async fn serve(&mut self) {
            let files = self.fixture.verifier().config().admin_api.tls.clone().unwrap();
            let clock = self.clock.clone();
            let clock = Clock::new(move || clock.load(Ordering::Relaxed));
            let tls = tls::read(&files).unwrap();
            let server = Server::start(self.fixture.lab.verifier.clone(), tls, clock).await.unwrap();
            self.server = Some(server);
        }

        /// Restarts the verifier; the device opens its event channel again.
        async fn restart(&mut self) {
            self.server.take().unwrap().shutdown().await;
            let config = self.fixture.verifier().config().clone();
            self.fixture.lab.verifier = Arc::new(Verifier::open(config, NOW).await.unwrap());
            self.serve().await;
            self.fixture.at.listen(&self.fixture.lab.verifier, None, NOW).await;
        }

        fn path(&self) -> &Path {
            self.fixture.lab.folder.path()
        }

        /// A caller of the API with the access token of this administrator.
        fn administrator(&self, name: &str) -> Caller {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(&self.anchor).unwrap()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
            let claims =
                json!({ "iss": ISSUER, "sub": name, "aud": AUDIENCE, "exp": NOW + 3600, "iat": NOW });
            let header = json!({ "alg": "ES256", "typ": "at+jwt" });
            let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
            let signature = self.provider.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            let token = format!("{input}.{}", B64.encode(signature));
            let port = self.server.as_ref().unwrap().admin_api_address().unwrap().port();
            Caller { http, base: format!("https://localhost:{port}/admin/v1"), token }
        }

        /// A device that can be revoked.
        async fn victim(&self) -> EnrolmentId {
            self.fixture.lab.device().await.enrolment.unwrap()
        }

        async fn is_revoked(&self, device: EnrolmentId) -> bool {
            let found = self
                .fixture
                .verifier()
                .store()
                .device(vitalsign_verifier::store::device::By::Enrolment(&device));
            found.await.unwrap().unwrap().revoked_at.is_some()
        }

        /// Returns the newest request for a tap that the device hears.
        async fn hear(&mut self) -> Asking {
            let events = self.fixture.at.hear(&self.fixture.lab.verifier, NOW).await;
            let asked = events.iter().rfind(|event| event.name == event::STEP_UP);
            Asking::of(asked.unwrap())
        }

        async fn tap(&mut self, asking: &Asking) -> StepUpResult {
            let evidence = self.fixture.at.evidence(asking);
            let answer = self.fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await;
            let (_, options) = tap(answer);
            let assertion = self.fixture.key.get(&options, ORIGIN).unwrap();
            self.fixture.assert(&asking.id, assertion).await.unwrap()
        }

        async fn decline(&self, asking: &Asking) {
            let declined = StepUpResult::Declined;
            self.fixture.at.give_up(self.fixture.verifier(), &asking.id, declined).await.unwrap();
        }

        async fn entries(&self, kind: &str) -> Vec<Value> {
            entries(self.fixture.verifier(), kind).await
        }
    }

    /// Returns the bodies of the entries of a kind, oldest first.
    async fn entries(verifier: &Verifier, kind: &str) -> Vec<Value> {
        let log = verifier.store().audit(None, 0, 1000).await.unwrap();
        let of_kind = log.into_iter().filter(|entry| entry.kind == kind);
        of_kind.map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
    }

    fn administrator(name: &str, user: Option<&str>) -> AdministratorSettings {
        AdministratorSettings {
            name: None,
            certificate: None,
            issuer: Some(ISSUER.into()),
            subject: Some(name.into()),
            user: user.map(str::to_owned),
            scopes: Scope::ALL.into(),
        }
    }

    #[derive(Clone)]
    struct Caller {
        http: reqwest::Client,
        base: String,
        token: String,
    }

    impl Caller {
        async fn post(&self, path: &str, body: &Value, approval: Option<&str>) -> (u16, Value) {
            let mut request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
            if let Some(approval) = approval {
                request = request.header(APPROVAL_HEADER, approval);
            }
            let request = request.header("content-type", "application/json").body(body.to_string());
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
        }

        /// Begins an action that needs a tap, and returns the handle.
        async fn begin(&self, path: &str, body: &Value) -> String {
            let (status, needed) = self.post(path, body, None).await;
            assert_eq!((status, needed["type"].as_str().unwrap()), (403, NEEDED), "{needed}");
            needed["approval"].as_str().unwrap().to_owned()
        }

        /// Expects that the action is refused for lack of a tap, and returns the words.
        async fn refused(&self, path: &str, body: &Value, approval: Option<&str>) -> String {
            let (status, problem) = self.post(path, body, approval).await;
            let kind = problem["type"].as_str().unwrap();
            assert_eq!((status, kind), (403, "urn:vitalsign:problem:admin:tap-refused"), "{problem}");
            problem["detail"].as_str().unwrap().to_owned()
        }
    }

    const NEEDED: &str = "urn:vitalsign:problem:admin:tap-needed";
    const CODES: &str = "/users/nurse-7/key-codes";

    fn revoke(device: EnrolmentId) -> String {
        format!("/devices/{device}/revoke")
    }

    fn code() -> Value {
        json!({ "lifetime": 900 })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn action_is_done_after_its_tap_and_says_whose() {
        let mut site = Site::start(&[AdminAction::DeviceRevoke]).await;
        let (ben, device) = (site.administrator("ben"), site.victim().await);
        let (path, body) = (revoke(device), json!({ "reason": "lost in a taxi" }));
        let (status, needed) = ben.post(&path, &body, None).await;
        assert_eq!((status, &needed["type"], &needed["user"]), (403, &json!(NEEDED), &json!(USER)));
        let asking = site.hear().await;
        let shown = Transaction::read(&asking.asked.transaction).unwrap();
        let code = DeviceCode::of(&device);
        let words = format!("Revoke device {code}. Reason: lost in a taxi. Requested by oidc:{ISSUER}#ben.");
        assert_eq!((shown.message.as_str(), shown.acr), (words.as_str(), Acr::HealthyDevice));
        // It is no test, as what the administrator requests for trials is.
        assert_ne!(shown.application, ADMINISTRATOR);
        let details = json!([{
            "type": "vitalsign-admin-action", "action": "device-revoke", "target": { "device": device },
            "input": { "reason": "lost in a taxi" }, "administrator": format!("oidc:{ISSUER}#ben"),
        }]);
        assert_eq!(shown.authorization_details, Some(details));
        assert_eq!(needed["message"], words);

        let approval = needed["approval"].as_str().unwrap().to_owned();
        let waiting = tokio::spawn({
            let (ben, path, body, approval) = (ben.clone(), path.clone(), body.clone(), approval.clone());
            async move { ben.post(&path, &body, Some(&approval)).await }
        });
        assert!(!site.is_revoked(device).await);
        assert_eq!(site.tap(&asking).await, StepUpResult::Approved);
        let (status, done) = waiting.await.unwrap();
        assert_eq!((status, &done["device"]), (200, &json!(device)), "{done}");
        assert!(site.is_revoked(device).await);
        let revoked = site.entries("device-revoked").await.remove(0);
        assert_eq!(revoked["by"]["admin"], format!("oidc:{ISSUER}#ben"));
        assert_eq!(revoked["by"]["tap"]["user"], USER);
        assert_eq!(revoked["by"]["tap"]["step_up"], json!(asking.id));
        let entry = revoked["by"]["tap"]["audit"].as_u64().unwrap();
        let log = site.fixture.verifier().store().audit(None, entry - 1, 1).await.unwrap();
        assert_eq!((log[0].seq, log[0].kind.as_str()), (entry, "step-up-approved"));
        // Others need none.
        assert_eq!(ben.post("/users", &json!({ "name": "nurse-9" }), None).await.0, 200);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn approval_is_used_once() {
        let mut site = Site::start(&[AdminAction::UserKeyCode]).await;
        let ben = site.administrator("ben");
        let approval = ben.begin(CODES, &code()).await;
        let asking = site.hear().await;
        assert_eq!(site.tap(&asking).await, StepUpResult::Approved);
        let before = site.entries("key-code-created").await.len();
        let at_once = (0..8).map(|_| {
            let (ben, approval) = (ben.clone(), approval.clone());
            tokio::spawn(async move { ben.post(CODES, &code(), Some(&approval)).await })
        });
        let mut done = 0;
        for answer in at_once.collect::<Vec<_>>() {
            let (status, answer) = answer.await.unwrap();
            done += u32::from(status == 200);
            assert!(status == 200 || answer["detail"].as_str().unwrap().contains("used already"), "{answer}");
        }
        assert_eq!((done, site.entries("key-code-created").await.len()), (1, before + 1));
        assert!(ben.refused(CODES, &code(), Some(&approval)).await.contains("used already"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn approval_serves_no_other_action() {
        let mut site = Site::start(&[AdminAction::DeviceRevoke, AdminAction::UserKeyCode]).await;
        let (ben, cleo) = (site.administrator("ben"), site.administrator("cleo"));
        let (device, other) = (site.victim().await, site.victim().await);
        let body = json!({ "reason": "lost" });
        let approval = ben.begin(&revoke(device), &body).await;
        let asking = site.hear().await;
        assert_eq!(site.tap(&asking).await, StepUpResult::Approved);
        let approved = Some(approval.as_str());
        let another = "not the action";
        assert!(ben.refused(&revoke(other), &body, approved).await.contains(another));
        assert!(ben.refused(&revoke(device), &json!({ "reason": "" }), approved).await.contains(another));
        assert!(ben.refused(CODES, &code(), approved).await.contains(another));
        assert!(cleo.refused(&revoke(device), &body, approved).await.contains(another));
        let cancelled = cleo.post("/tap-cancellations", &json!({ "approval": approval }), None).await;
        assert_eq!(cancelled.0, 403);
        for wrong in ["", "AAAA", &"x".repeat(4000)] {
            assert!(ben.refused(&revoke(device), &body, Some(wrong)).await.contains("no such request"));
        }
        // An application's step-up is not one of these.
        let begun = site.fixture.ask(Acr::HealthyDevice).await;
        let asked = Some(begun.auth_req_id.as_str());
        assert!(ben.refused(&revoke(device), &body, asked).await.contains("no such request"));
        assert!(!site.is_revoked(device).await && !site.is_revoked(other).await);
        // By its code it is the same device, and the approval is still good.
        let by_code = format!("/devices/{}/revoke", DeviceCode::of(&device));
        assert_eq!(ben.post(&by_code, &body, approved).await.0, 200);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn refused_or_late_taps_do_nothing() {
        let mut site = Site::start(&[AdminAction::DeviceRevoke]).await;
        let (ben, device) = (site.administrator("ben"), site.victim().await);
        let (path, body) = (revoke(device), json!({}));
        let approval = ben.begin(&path, &body).await;
        let asking = site.hear().await;
        site.decline(&asking).await;
        assert!(ben.refused(&path, &body, Some(&approval)).await.contains("said no"));

        let approval = ben.begin(&path, &body).await;
        let answer = ben.post("/tap-cancellations", &json!({ "approval": approval }), None).await;
        assert_eq!(answer.0, 200, "{answer:?}");
        assert!(ben.refused(&path, &body, Some(&approval)).await.contains("took it back"));

        // Approved, but not done in time.
        let approval = ben.begin(&path, &body).await;
        let asking = site.hear().await;
        assert_eq!(site.tap(&asking).await, StepUpResult::Approved);
        site.clock.store(NOW + 120 + 61, Ordering::Relaxed);
        assert!(ben.refused(&path, &body, Some(&approval)).await.contains("timed out"));
        let approval = ben.begin(&path, &body).await;
        site.clock.store(NOW + 120 + 61 + 121, Ordering::Relaxed);
        assert!(ben.refused(&path, &body, Some(&approval)).await.contains("timed out"));
        site.clock.store(NOW, Ordering::Relaxed);

        let mut unwell = healthy();
        unwell.firewall.inbound_blocked = Fact::Known(false);
        site.report(unwell).await;
        let approval = ben.begin(&path, &body).await;
        let asking = site.hear().await;
        let evidence = site.fixture.at.evidence(&asking);
        unhealthy(site.fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await);
        let words = ben.refused(&path, &body, Some(&approval)).await;
        assert!(words.contains("not in the state") && words.to_lowercase().contains("firewall"), "{words}");
        assert!(!site.is_revoked(device).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn action_is_refused_if_no_one_can_tap() {
        let site = Site::start(&[AdminAction::DeviceRevoke]).await;
        let (dora, device) = (site.administrator("dora"), site.victim().await);
        let (path, body) = (revoke(device), json!({}));
        assert!(dora.refused(&path, &body, None).await.contains("there is no such user"));
        let store = site.fixture.verifier().store();
        // Another person's alias does not make them the one to ask.
        let person = store.user(USER).await.unwrap().unwrap();
        store.add_alias(&person, WITHOUT_KEY, NOW).await.unwrap();
        assert!(dora.refused(&path, &body, None).await.contains("there is no such user"));
        store.remove_alias(&person, WITHOUT_KEY, NOW).await.unwrap();
        let eve = site.administrator("eve").refused(&path, &body, None).await;
        assert!(eve.contains("there is no such user"), "another spelling of nurse-7");
        store.add_user(WITHOUT_KEY, NOW).await.unwrap();
        assert!(dora.refused(&path, &body, None).await.contains("has no security key"));
        store.enable_user(WITHOUT_KEY, false, NOW).await.unwrap();
        assert!(dora.refused(&path, &body, None).await.contains("is disabled"));
        let fred = site.administrator("fred").refused(&path, &body, None).await;
        assert!(fred.contains("names no user for oidc:"), "{fred}");
        // With a code, dora could register a key and tap it.
        store.enable_user(WITHOUT_KEY, true, NOW).await.unwrap();
        let codes = format!("/users/{WITHOUT_KEY}/key-codes");
        assert!(dora.refused(&codes, &code(), None).await.contains("has no security key"));
        dora.post("/users", &json!({ "name": "nurse-9" }), None).await;
        assert_eq!(dora.post("/users/nurse-9/key-codes", &code(), None).await.0, 200, "taps for no one");
        // The client of these taps gets no secret.
        site.administrator("ben").begin(&path, &body).await;
        let secret = "/clients/vitalsign-verifier-confirmation/secret";
        assert_eq!(dora.post(secret, &json!({ "overlap": null }), None).await.0, 409);
        assert!(!site.is_revoked(device).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn pending_actions_survive_a_restart() {
        let mut site = Site::start(&[AdminAction::DeviceRevoke]).await;
        let ben = site.administrator("ben");
        let (first, second) = (site.victim().await, site.victim().await);
        let body = json!({});
        let approval_of_first = ben.begin(&revoke(first), &body).await;
        let asking_of_first = site.hear().await;
        let approval = ben.begin(&revoke(second), &body).await;
        let asking = site.hear().await;
        assert_ne!(asking.id, asking_of_first.id);
        assert_eq!(site.tap(&asking).await, StepUpResult::Approved);
        site.restart().await;
        let ben = site.administrator("ben");
        assert_eq!(ben.post(&revoke(second), &body, Some(&approval)).await.0, 200);
        assert!(site.is_revoked(second).await && !site.is_revoked(first).await);
        site.restart().await;
        let ben = site.administrator("ben");
        assert!(ben.post(&revoke(second), &body, Some(&approval)).await.0 != 200);
        let asking = site.hear().await;
        assert_eq!(asking.id, asking_of_first.id, "it is asked again");
        site.decline(&asking).await;
        let words = ben.refused(&revoke(first), &body, Some(&approval_of_first)).await;
        assert!(words.contains("said no"), "{words}");
        assert!(!site.is_revoked(first).await);
    }

    /// Name of the account that runs the tests.
    fn account() -> String {
        let id = std::process::Command::new("id").arg("-un").output().unwrap();
        std::env::var("SUDO_USER").unwrap_or_else(|_| String::from_utf8(id.stdout).unwrap().trim().to_owned())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn command_waits_and_says_who_has_tapped() {
        let mut site = Site::with(&[AdminAction::DeviceRevoke], |config| {
            config.admin_api.socket_users = [(account(), USER.to_owned())].into();
        })
        .await;
        let device = site.victim().await;
        let command = |device: EnrolmentId| {
            let folder = site.path().to_owned();
            tokio::task::spawn_blocking(move || {
                let output = run(&folder, &["device", "revoke", &device.to_string()]);
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                (output.status.code(), text(&output.stdout), text(&output.stderr))
            })
        };
        let waiting = command(device);
        let asking = loop {
            let events = site.fixture.at.hear(&site.fixture.lab.verifier, NOW).await;
            match events.iter().find(|event| event.name == event::STEP_UP) {
                Some(event) => break Asking::of(event),
                None => site.fixture.at.channel.as_mut().unwrap().woken().await,
            }
        };
        assert_eq!(site.tap(&asking).await, StepUpResult::Approved);
        let (status, said, progress) = waiting.await.unwrap();
        assert_eq!((status, said), (Some(0), format!("Device {device} is revoked.\n")), "{progress}");
        assert!(
            progress.contains("nurse-7 is asked to confirm with a security key: Revoke device"),
            "{progress}"
        );
        assert!(progress.contains(&format!("Confirmed by a tap of nurse-7 (step-up {})", asking.id)));
        assert!(site.is_revoked(device).await);
        let listed = tokio::task::spawn_blocking({
            let folder = site.path().to_owned();
            move || run(&folder, &["audit", "list", "--kind", "device-revoked"])
        });
        let listed = String::from_utf8(listed.await.unwrap().stdout).unwrap();
        assert!(listed.contains("with a tap of nurse-7"), "{listed}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn socket_is_exempt_only_if_configured() {
        for exempt in [false, true] {
            let site = Site::with(&[AdminAction::DeviceRevoke], |config| {
                config.admin_api.socket_without_tap = exempt;
            })
            .await;
            let device = site.victim().await;
            let folder = site.path().to_owned();
            let output = tokio::task::spawn_blocking(move || {
                run(&folder, &["device", "revoke", &device.to_string(), "--reason", "x"])
            });
            let output = output.await.unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.success(), site.is_revoked(device).await), (exempt, exempt), "{said}");
            assert!(exempt || said.contains("[admin_api.socket_users]"), "{said}");
        }
    }

    #[tokio::test]
    async fn audit_log_says_when_the_rules_change() {
        let mut site = Site::start(&[AdminAction::DeviceRevoke]).await;
        site.fixture.verifier().log_start(NOW).await.unwrap();
        let rules = site.entries("policy-changed").await.pop().unwrap()["admin_tap"].clone();
        assert_eq!((&rules["actions"], &rules["socket"]), (&json!(["device-revoke"]), &json!({})));
        assert_eq!(rules["users"][format!("oidc:{ISSUER}#ben")], USER);
        let mut config = site.fixture.verifier().config().clone();
        config.admin_api.tap.clear();
        site.server.take().unwrap().shutdown().await;
        let lax = Verifier::open(config, NOW).await.unwrap();
        lax.log_start(NOW).await.unwrap();
        let last = entries(&lax, "policy-changed").await.pop().unwrap();
        assert!(last.get("admin_tap").is_none(), "{last}");
    }
}
