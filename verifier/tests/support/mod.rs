//! Shared by the verifier's tests: a verifier with a real store, a device with a key in software, and an HTTPS client.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub(crate) mod process;
pub(crate) mod step_up;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId, Nonce, Thumbprint};
use vitalsign_protocol::jwt;
use vitalsign_protocol::message::*;
use vitalsign_protocol::posture::{KeyStorage, Posture};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_verifier::Verifier;
use vitalsign_verifier::clock::Clock;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::server::{Server, tls};
use vitalsign_verifier::store::Store;

/// Time of the tests, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A configuration whose thresholds let keys in software enrol.
pub(crate) fn config(folder: &Path) -> Config {
    let thresholds = folder.join("thresholds.toml");
    std::fs::write(&thresholds, "[key-hardware]\naccept_software_keys = true\n").unwrap();
    let mut config = Config {
        thresholds: Some(thresholds),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Config::for_data(folder)
    };
    // One application asks one person again and again here.
    let limits = &mut config.limits;
    (limits.step_ups_per_user, limits.step_ups_per_client_and_user) = (100, 100);
    (limits.declined_pause_seconds, limits.not_mine_pause_seconds) = (0, 0);
    config
}

/// A verifier in a private folder.
pub(crate) struct Lab {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) verifier: Arc<Verifier>,
}

impl Lab {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        Self { verifier: Arc::new(Verifier::open(config, NOW).await.unwrap()), folder }
    }

    /// Serves it, for commands.
    pub(crate) async fn serve(&self) -> Server {
        let made = tls::self_signed(&self.folder.path().join("tls"), "localhost").unwrap();
        let tls = tls::read(&made.files).unwrap();
        Server::start(self.verifier.clone(), tls, Clock::default()).await.unwrap()
    }

    pub(crate) async fn token(&self, uses: u64) -> String {
        self.verifier.store().create_token(uses, NOW + 3600, None, NOW).await.unwrap().1
    }

    pub(crate) async fn device(&self) -> Device {
        self.device_at(NOW).await
    }

    pub(crate) async fn device_at(&self, now: u64) -> Device {
        let token = self.verifier.store().create_token(1, now + 3600, None, now).await.unwrap().1;
        let mut device = Device::new();
        device.enrol(&self.verifier, &token, now).await.unwrap();
        device
    }

    /// Length of the log, in which each report counts, whether it has an entry or not.
    pub(crate) async fn audit_length(&self) -> u64 {
        audit_length(self.verifier.store()).await
    }
}

/// Number of entries, in which each report counts, whether it has an entry or not.
pub(crate) async fn audit_length(store: &Store) -> u64 {
    let mut length = store.collected_reports().await.unwrap();
    let mut after = 0;
    loop {
        let entries = store.audit(None, after, 1000).await.unwrap();
        let Some(last) = entries.last() else { return length };
        after = last.seq;
        for entry in &entries {
            let body = || serde_json::from_str::<serde_json::Value>(&entry.body).unwrap();
            length += if entry.kind == "heartbeats" { body()["count"].as_u64().unwrap() } else { 1 };
        }
    }
}

/// A device with a key in software.
pub(crate) struct Device {
    pub(crate) pair: EcdsaKeyPair,
    pub(crate) public: PublicKey,
    pub(crate) enrolment: Option<EnrolmentId>,
    pub(crate) nonce: Nonce,
    pub(crate) posture: Posture,
    /// Makes `cti` another each time.
    pub(crate) count: u128,
}

impl Device {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        let mut posture = Posture::default();
        posture.os.name = Fact::Known("debian".into());
        posture.key.storage = Fact::Known(KeyStorage::Software);
        Self { pair, public, enrolment: None, nonce: Nonce([0; 32]), posture, count: 0 }
    }

    pub(crate) fn kid(&self) -> Thumbprint {
        self.public.thumbprint()
    }

    pub(crate) fn claims(&mut self, intended_use: IntendedUse) -> Claims {
        self.count += 1;
        Claims {
            issued_at: NOW,
            token_id: self.count.to_be_bytes(),
            nonces: vec![self.nonce],
            enrolment: self.enrolment,
            uptime: Some(100),
            boot_count: None,
            intended_use,
            pin_period: None,
            names: None,
            posture: self.posture.clone(),
            boot: None,
        }
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Vec<u8> {
        claims.sign(&self.kid(), |digest| self.signature(digest)).unwrap()
    }

    pub(crate) fn signature(&self, digest: &Digest) -> Result<[u8; 64], std::convert::Infallible> {
        let digest =
            aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256);
        Ok(self.pair.sign_digest(&digest.unwrap()).unwrap().as_ref().try_into().unwrap())
    }

    /// Evidence for a report, with the nonce that the device has.
    pub(crate) fn report(&mut self) -> Vec<u8> {
        let claims = self.claims(IntendedUse::Report);
        self.sign(&claims)
    }

    pub(crate) fn request(&self, token: &str) -> EnrolmentRequest {
        let report_key = Base64Url(self.public.point().to_vec());
        EnrolmentRequest { token: token.into(), keys: EnrolmentKeys::Software { report_key } }
    }

    pub(crate) fn proof(&mut self, challenge: &EnrolmentChallenge) -> EnrolmentProof {
        self.nonce = challenge.nonce;
        let claims = Claims { enrolment: None, ..self.claims(IntendedUse::Registration) };
        EnrolmentProof { secret: None, evidence: Base64Url(self.sign(&claims)) }
    }

    pub(crate) async fn enrol(
        &mut self,
        verifier: &Verifier,
        token: &str,
        now: u64,
    ) -> Result<Enrolled, Problem> {
        let challenge = verifier.enrolment.begin(&self.request(token), now).await?;
        let proof = self.proof(&challenge);
        let enrolled = verifier.enrolment.complete(&challenge.enrolment, &proof, now).await?;
        self.enrolment = Some(enrolled.enrolment);
        self.nonce = enrolled.report.nonce;
        Ok(enrolled)
    }
}

/// Checks the answer's verdict with the published keys.
pub(crate) fn verdict(verifier: &Verifier, answer: &ReportAnswer, now: u64) -> Ear {
    let ear: Ear = jwt::verify(&answer.ear, ear::TYP, &verifier.attestation.jwks(now)).unwrap();
    ear.validate().unwrap();
    ear
}

/// The type of the problem that an outcome is.
#[track_caller]
pub(crate) fn problem<T>(outcome: Result<T, Problem>) -> ProblemType {
    let Err(problem) = outcome else { panic!("this was accepted") };
    ProblemType::from_urn(&problem.problem_type).unwrap()
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn problem(&self) -> ProblemType {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        ProblemType::from_urn(&problem.problem_type).unwrap()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{self:?} {}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A connection over TLS that is kept open.
pub(crate) struct Client {
    stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, anchor: &Path, host: &str) -> std::io::Result<Self> {
        use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(anchor).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Self { stream })
    }

    pub(crate) async fn send(&mut self, raw: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(raw).await?;
        self.stream.flush().await
    }

    pub(crate) async fn receive(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, head, body })
    }

    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat()).await?;
        self.receive().await
    }

    pub(crate) async fn post_json(
        &mut self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> std::io::Result<Answer> {
        self.request("POST", path, "application/json", &serde_json::to_vec(body).unwrap()).await
    }

    pub(crate) async fn report(&mut self, evidence: &[u8]) -> std::io::Result<Answer> {
        self.request("POST", "/v1/reports", "application/eat+cwt", evidence).await
    }
}
