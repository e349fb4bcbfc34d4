//! A fixture for step-ups: an application, a user with a security key, and a device that counts as one with a TPM.

use super::{Device, Lab, NOW};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Digest, Nonce, PinPeriodId, Secret, StepUpId};
use vitalsign_protocol::message::DeviceSession;
use vitalsign_protocol::posture::{KeyStorage, Posture};
use vitalsign_protocol::problem::Problem;
use vitalsign_protocol::step_up::*;
use vitalsign_verifier::Verifier;
use vitalsign_verifier::audit::checkpoint::{Checkpoint, InclusionProof};
use vitalsign_verifier::audit::note::{NoteKey, SignatureType};
use vitalsign_verifier::audit::prove::Exported;
use vitalsign_verifier::audit::tree::hash_children;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::step_up::{Channel, StepUpRequest, StepUpStarted, StepUpStatus};
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::client::{AddedClient, Client, ClientSettings};
use vitalsign_verifier::store::device::Device as Enrolled;
use vitalsign_verifier::store::event::StoredEvent;
use vitalsign_webauthn::Aaguid;
use vitalsign_webauthn::testing::{KeyVendor, SoftKey};

pub(crate) const MODEL: Aaguid = Aaguid([0x5f; 16]);
pub(crate) const ORIGIN: &str = "https://localhost";
pub(crate) const CLIENT: &str = "ehr";
pub(crate) const USER: &str = "nurse-7";
pub(crate) const SECONDS: u64 = 120;
/// Years after the tests take place.
const NEXT_UPDATE: &str = "2040-01-01";
/// Boot of the device's last quote.
const BOOT: u64 = 7;

/// A device, its session and its event channel.
pub(crate) struct Station {
    pub(crate) device: Device,
    pub(crate) session: DeviceSession,
    pub(crate) channel: Option<Channel>,
    /// PIN period and boot count in its evidence for step-ups.
    pub(crate) pin_period: Option<PinPeriodId>,
    pub(crate) boot_count: Option<u64>,
}

/// An event `step-up`, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) id: StepUpId,
    pub(crate) asked: StepUpRequested,
}

impl Asking {
    pub(crate) fn of(event: &StoredEvent) -> Self {
        assert_eq!(event.name, event::STEP_UP, "{event:?}");
        let asked: StepUpRequested = serde_json::from_str(&event.data).unwrap();
        let transaction: Transaction = serde_json::from_str(&asked.transaction).unwrap();
        Self { id: transaction.step_up, asked }
    }
}

pub(crate) struct StepUpFixture {
    pub(crate) lab: Lab,
    pub(crate) maker: KeyVendor,
    pub(crate) key: SoftKey,
    pub(crate) at: Station,
}

impl StepUpFixture {
    /// A device with a simulated TPM, of which little is known; and its user with a registered key.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let maker = KeyVendor::new(MODEL);
        let metadata = maker.metadata(NEXT_UPDATE);
        let lab = Lab::with(|config| {
            config.security_keys.metadata = Some(config.data.join("metadata.json"));
            std::fs::write(config.data.join("metadata.json"), metadata.to_string()).unwrap();
            change(config);
        })
        .await;
        add_client(lab.verifier.store()).await;
        let at = Station::enrol(&lab, Attested::Simulated).await;
        let mut key = maker.key();
        register(&lab.verifier, USER, &at, &mut key).await;
        Self { lab, maker, key, at }
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.lab.verifier
    }

    pub(crate) async fn ask(&self, acr: Acr) -> StepUpStarted {
        self.verifier().step_ups.request(asked(acr), NOW).await.unwrap()
    }

    /// Asks, and what the device hears of it.
    pub(crate) async fn asked(&mut self, acr: Acr) -> (StepUpStarted, Asking) {
        let begun = self.ask(acr).await;
        let events = self.at.hear(&self.lab.verifier, NOW).await;
        let asking = Asking::of(events.last().unwrap());
        assert_eq!(asking.id, begun.step_up);
        (begun, asking)
    }

    /// Requests a step-up, and proceeds until the device has the challenge.
    pub(crate) async fn ready(&mut self, acr: Acr) -> (StepUpStarted, Asking, Value) {
        let (begun, asking) = self.asked(acr).await;
        let evidence = self.at.evidence(&asking);
        let (_, options) = tap(self.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await);
        (begun, asking, options)
    }

    pub(crate) async fn assert(&self, id: &StepUpId, assertion: Value) -> Result<StepUpResult, Problem> {
        self.at.assert(self.verifier(), id, assertion, NOW).await
    }

    pub(crate) async fn standing(&self, begun: &StepUpStarted) -> StepUpStatus {
        self.verifier().step_ups.status(CLIENT, &begun.auth_req_id, None, NOW).await.unwrap()
    }

    /// The entries of step-ups: kind and body.
    pub(crate) async fn audited(&self) -> Vec<(String, Value)> {
        let log = self.verifier().store().audit(None, 0, 1000).await.unwrap();
        let entries = log.into_iter().filter(|entry| entry.kind.starts_with("step-up"));
        entries.map(|entry| (entry.kind, serde_json::from_str(&entry.body).unwrap())).collect()
    }

    pub(crate) async fn another_station(&self) -> Station {
        let station = Station::enrol(&self.lab, Attested::Simulated).await;
        let store = self.verifier().store();
        let user = store.user(USER).await.unwrap().unwrap();
        store.join_device(&user, station.device.enrolment.unwrap(), true, NOW).await.unwrap();
        station
    }
}

pub(crate) fn asked(acr: Acr) -> StepUpRequest {
    StepUpRequest {
        client: CLIENT.into(),
        application: "EHR".into(),
        login_hint: USER.into(),
        message: "EHR: sign order 4711".into(),
        acr,
        authorization_details: Some(json!([{ "type": "order", "number": 4711 }])),
        details_schemas: Default::default(),
        device: None,
        expires_in: SECONDS,
    }
}

#[track_caller]
pub(crate) fn tap(answer: Result<StepUpAnswer, Problem>) -> (Nonce, Value) {
    match answer.unwrap().next {
        StepUpNext::Tap { random, options, .. } => (random, options),
        StepUpNext::Unhealthy { reasons } => panic!("refused: {reasons:?}"),
    }
}

#[track_caller]
pub(crate) fn unhealthy(answer: Result<StepUpAnswer, Problem>) -> Vec<String> {
    match answer.unwrap().next {
        StepUpNext::Unhealthy { reasons } => reasons,
        StepUpNext::Tap { .. } => panic!("this was let through"),
    }
}

pub(crate) async fn add_client(store: &Store) {
    for (id, name) in [(CLIENT, "EHR"), ("pharmacy", "Pharmacy")] {
        let client = Client {
            id: id.into(),
            name: name.into(),
            audience: "https://ehr.example".into(),
            created: NOW,
            disabled_at: None,
            credential: Digest([1; 32]).into(),
            settings: ClientSettings { badge: id == CLIENT, ..ClientSettings::default() },
        };
        assert_eq!(store.add_client(&client).await.unwrap(), AddedClient::Added);
    }
}

/// Hash of an entry's leaf, computed independently (see `audit`).
pub(crate) fn hash(exported: &Exported) -> Digest {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_be_bytes();
    let Exported { seq, time, kind, device, body, evidence, salt, .. } = exported;
    let salt = &salt.as_ref().unwrap().0;
    let (body, evidence) = (body.as_bytes(), Digest::of(&evidence.0));
    let parts = [&length(salt), &salt[..], &length(body), body, &evidence.0];
    let payload = Digest::labelled("vitalsign-audit-payload-v1", &parts);
    let mut leaf = b"\0vitalsign-audit-v2\0".to_vec();
    leaf.extend(seq.to_be_bytes());
    leaf.extend(time.to_be_bytes());
    for part in [kind.as_bytes(), &device.0] {
        leaf.extend(length(part));
        leaf.extend(part);
    }
    leaf.extend(payload.0);
    Digest::of(&leaf)
}

/// Makes a key that signs notes.
pub(crate) fn note_key(name: &str, kind: SignatureType) -> NoteKey {
    let (_, private) = NoteKey::generate().unwrap();
    NoteKey::from_pkcs8(&private, name, kind).unwrap()
}

/// Makes the entry the only one, besides leaf 0, of a log of the attacker's.
pub(crate) fn forge_log(exported: &mut Exported) {
    let key = note_key("localhost/audit", SignatureType::Ed25519);
    exported.hash = hash(exported);
    let first = Digest([0; 32]);
    let root = hash_children(&first, &exported.hash);
    let checkpoint = Checkpoint { origin: "localhost/audit".into(), size: 2, root };
    let note = checkpoint.sign(&key, NOW);
    exported.proof = Some(InclusionProof { index: 1, path: vec![first], note }.to_string());
    exported.log_key = Some(key.public().to_string());
}

/// Registers a key, as a person does it with their code.
pub(crate) async fn register(verifier: &Verifier, user: &str, at: &Station, key: &mut SoftKey) {
    register_at(verifier, user, at, key, ORIGIN).await;
}

/// Registers a key at a verifier with this origin.
pub(crate) async fn register_at(
    verifier: &Verifier,
    user: &str,
    at: &Station,
    key: &mut SoftKey,
    origin: &str,
) {
    let store = verifier.store();
    let user = match store.add_user(user, NOW).await.unwrap() {
        Some(user) => user,
        None => store.user(user).await.unwrap().unwrap(),
    };
    let code = store.create_key_code(&user, NOW + 900, NOW).await.unwrap().1;
    let device = at.enrolled(verifier).await;
    let request = KeyRequest { code: Secret::new(code.into_bytes()) };
    let begun = verifier.security_keys.begin_registration(&device, &request, NOW).await.unwrap();
    let proof = KeyProof { name: "blue".into(), credential: key.create(&begun.options, origin) };
    verifier.security_keys.complete_registration(&device, &begun.registration, &proof, NOW).await.unwrap();
}

/// Kind of the device's key. (`tpm.rs` tests enrolment with a real TPM.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attested {
    No,
    Simulated,
    Genuine,
}

/// A connection beside the verifier's own.
pub(crate) async fn connect(store: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store);
    options.busy_timeout(std::time::Duration::from_secs(30)).connect().await.unwrap()
}

pub(crate) async fn attest(store: &Path, device: &Device, attested: Attested) {
    let boot =
        json!({ "checks": {}, "boot": { "at": NOW, "boot_count": BOOT, "log": { "secure_boot": true } } });
    let mut connection = connect(store).await;
    let (ek, ak) = match attested {
        Attested::No => (None, None),
        _ => (Some(device.kid().as_bytes().to_vec()), Some(vec![0])),
    };
    sqlx::query(
        "UPDATE identities SET ek = ?2, ak = ?3, genuine = ?4, simulated = ?5, standing = ?6 WHERE kid = ?1",
    )
    .bind(device.kid().as_bytes())
    .bind(ek)
    .bind(ak)
    .bind(attested == Attested::Genuine)
    .bind(attested == Attested::Simulated)
    .bind(boot.to_string())
    .execute(&mut connection)
    .await
    .unwrap();
    sqlx::query("UPDATE devices SET generation = generation + 1 WHERE enrolment = ?1")
        .bind(device.enrolment.unwrap().as_bytes())
        .execute(&mut connection)
        .await
        .unwrap();
}

impl Station {
    pub(crate) async fn enrol(lab: &Lab, attested: Attested) -> Self {
        let mut device = Device::new();
        let enrolled = device.enrol(&lab.verifier, &lab.token(1).await, NOW).await.unwrap();
        attest(lab.verifier.store().path(), &device, attested).await;
        let session = enrolled.report.session.unwrap();
        Self::of(device, session)
    }

    pub(crate) fn of(device: Device, session: DeviceSession) -> Self {
        Self { device, session, channel: None, pin_period: None, boot_count: Some(BOOT) }
    }

    pub(crate) async fn enrolled(&self, verifier: &Verifier) -> Arc<Enrolled> {
        verifier.attestation.session_device(Some(self.session.bearer().as_str()), NOW).await.unwrap()
    }

    /// Reopens the event channel.
    pub(crate) async fn listen(&mut self, verifier: &Verifier, after: Option<u64>, now: u64) {
        let bearer = self.session.bearer();
        self.channel = Some(verifier.step_ups.open_channel(Some(bearer.as_str()), after, now).await.unwrap());
    }

    /// Returns the events that are available now.
    pub(crate) async fn hear(&mut self, verifier: &Verifier, now: u64) -> Vec<StoredEvent> {
        if self.channel.is_none() {
            self.listen(verifier, None, now).await;
        }
        if let Some(events) = verifier.step_ups.events(self.channel.as_mut().unwrap(), now).await.unwrap() {
            return events;
        }
        // The device re-enrolled, so it reopens its channel.
        self.listen(verifier, None, now).await;
        verifier.step_ups.events(self.channel.as_mut().unwrap(), now).await.unwrap().unwrap()
    }

    pub(crate) fn claims(&mut self, asking: &Asking) -> Claims {
        let transaction = transaction_digest(&asking.asked.transaction);
        let nonces = vec![asking.asked.nonce, Nonce(transaction.0)];
        let (pin_period, boot_count) = (self.pin_period, self.boot_count);
        Claims { nonces, pin_period, boot_count, ..self.device.claims(IntendedUse::StepUp) }
    }

    pub(crate) fn evidence(&mut self, asking: &Asking) -> Vec<u8> {
        let claims = self.claims(asking);
        self.device.sign(&claims)
    }

    pub(crate) async fn assert(
        &self,
        verifier: &Verifier,
        id: &StepUpId,
        assertion: Value,
        now: u64,
    ) -> Result<StepUpResult, Problem> {
        let device = self.enrolled(verifier).await;
        let assertion = StepUpAssertion { assertion };
        verifier.step_ups.assertion(&device, id, &assertion, now).await.map(|outcome| outcome.end)
    }

    pub(crate) async fn give_up(
        &self,
        verifier: &Verifier,
        id: &StepUpId,
        end: StepUpResult,
    ) -> Result<StepUpResult, Problem> {
        let device = self.enrolled(verifier).await;
        let outcome = verifier.step_ups.decline(&device, id, &StepUpDeclined { end }, NOW).await;
        outcome.map(|outcome| outcome.end)
    }

    /// A report, as it comes every few minutes.
    pub(crate) async fn report(&mut self, verifier: &Verifier) {
        let claims = Claims { boot_count: Some(BOOT), ..self.device.claims(IntendedUse::Report) };
        let answer = verifier.attestation.report(&self.device.sign(&claims), NOW).await.unwrap();
        self.device.nonce = answer.nonce;
        self.session = answer.session.unwrap();
    }
}

/// The facts of a device with which nothing is amiss.
pub(crate) fn healthy() -> Posture {
    let known = |value: Value| json!({ "known": value });
    let mut posture: Posture = serde_json::from_value(json!({
        "os": {
            "name": known("debian".into()), "version": known("13".into()), "kernel": known("6.12.57".into()),
            "kernel_installed": known("6.12.57".into()), "security_updates": known(0.into()),
            "updates_checked": known(NOW.into()), "reboot_required": known(false.into()),
            "last_update": known(NOW.into()), "support_ends": known((NOW + 900 * 86_400).into()),
        },
        "disk": { "volumes": known(json!([{
            "role": "system", "encrypted": known(true.into()), "method": known("luks2".into()),
            "protector": known("tpm".into()), "suspended": "unsupported",
        }])) },
        "edr": { "products": known(json!([{
            "id": "microsoft-defender", "version": known("101.24".into()), "running": known(true.into()),
            "protecting": known(true.into()), "mode": known("active".into()),
            "signatures_updated": known(NOW.into()), "tamper_protection": known(true.into()),
        }])) },
        "firewall": { "inbound_blocked": known(true.into()),
            "open_tcp": known(serde_json::json!([])), "open_tcp_count": known(0.into()), "open_udp_count": known(0.into()), "open_udp": known(serde_json::json!([])),
            "published_tcp": known(serde_json::json!([])), "published_udp": known(serde_json::json!([])) },
        "lock": { "automatic": known(true.into()), "idle_seconds": known(300.into()), "grace_seconds": known(0.into()), "source": known("enforced".into()) },
        "boot": { "secure_boot": known(true.into()), "setup_mode": known(false.into()),
            "measured_boot": known(true.into()), "event_log": known(true.into()) },
        "agent": { "version": known("0.1.0".into()) },
    }))
    .unwrap();
    posture.key.storage = Fact::Known(KeyStorage::Tpm);
    posture
}
