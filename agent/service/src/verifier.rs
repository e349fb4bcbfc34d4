//! The verifier, over HTTPS: typed calls, and every way in which they fail, typed too. Only the configured certificate
//! authority is trusted, no proxy is used and no redirect followed. The connection is kept, so that a steady report is
//! one round trip.

use crate::config;
use crate::report::when;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vitalsign_agent::Failure;
use vitalsign_protocol::id::{EnrolmentId, Thumbprint};
use vitalsign_protocol::message::{
    Enrolled, EnrolmentChallenge, EnrolmentProof, EnrolmentRequest, MAX_JSON_BYTES, NonceAnswer,
    NonceRequest, ReportAnswer,
};
use vitalsign_protocol::{evidence, problem, problem::Problem};

const CONNECT: Duration = Duration::from_secs(10);
/// A whole call: a verifier that is busy with thousands still has time.
const CALL: Duration = Duration::from_secs(30);
/// How long the connection is kept for the next report.
const KEEP: Duration = Duration::from_secs(3600);
/// An answer carries a verdict and the pinned keys.
const MAX_ANSWER: usize = 2 * MAX_JSON_BYTES;

const JSON: &str = "application/json";

/// A verifier to talk to.
pub(crate) struct Verifier {
    http: reqwest::Client,
    base: String,
    requests: AtomicU64,
}

/// Why it cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("cannot read the certificates in {path}: {why}")]
    Anchors { path: PathBuf, why: String },
    #[error("{0} holds no certificate")]
    NoAnchors(PathBuf),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// What a look at the verifier shows, without asking it for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The verifier's clock, in seconds since 1970, where it tells.
    pub(crate) clock: Option<u64>,
}

impl Verifier {
    /// Reads the trust anchors; does not connect yet.
    pub(crate) fn new(config: &config::Verifier) -> Result<Self, SetupError> {
        let path = &config.ca_file;
        let unreadable = |why: String| SetupError::Anchors { path: path.clone(), why };
        let mut roots = RootCertStore::empty();
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(SetupError::NoAnchors(path.clone()));
        }
        let tls = |error: &dyn std::error::Error| SetupError::Tls(error.to_string());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls_config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config)
            .user_agent(concat!("vitalsign/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host(1)
            .tcp_keepalive(Duration::from_secs(60))
            .build()
            .map_err(|error| tls(&error))?;
        Ok(Self { http, base: config.url.clone(), requests: AtomicU64::new(0) })
    }

    /// Sends the token and the public keys.
    pub(crate) async fn begin_enrolment(
        &self,
        request: &EnrolmentRequest,
    ) -> Result<EnrolmentChallenge, Failure> {
        self.post("/v1/enrolments", JSON, json(request)?).await
    }

    /// Sends the proof.
    pub(crate) async fn finish_enrolment(
        &self,
        enrolment: EnrolmentId,
        proof: &EnrolmentProof,
    ) -> Result<Enrolled, Failure> {
        self.post(&format!("/v1/enrolments/{enrolment}"), JSON, json(proof)?).await
    }

    /// Asks for a nonce.
    pub(crate) async fn nonce(&self, kid: Thumbprint) -> Result<NonceAnswer, Failure> {
        self.post("/v1/nonces", JSON, json(&NonceRequest { kid })?).await
    }

    /// Sends evidence.
    pub(crate) async fn report(&self, evidence: Vec<u8>) -> Result<ReportAnswer, Failure> {
        self.post("/v1/reports", evidence::MEDIA_TYPE, evidence).await
    }

    /// Whether it is there, and whether it is who it is to be.
    pub(crate) async fn look(&self) -> Result<Reached, Failure> {
        let answer = self.http.head(&self.base).send().await.map_err(|error| failure(&error))?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(Reached { clock: date.and_then(when::parse_http_date) })
    }

    /// Requests sent so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, media: &str, body: Vec<u8>) -> Result<T, Failure> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let request = self.http.post(format!("{}{path}", self.base)).header(CONTENT_TYPE, media).body(body);
        let mut answer = request.send().await.map_err(|error| failure(&error))?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(Failure::Garbled(format!(
                    "the verifier's answer is longer than {MAX_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&part);
        }
        let (status, headers) = (answer.status(), answer.headers());
        if status.is_success() && is(headers, JSON) {
            return serde_json::from_slice(&body).map_err(|error| {
                Failure::Garbled(format!("the verifier's answer was not understood: {error}"))
            });
        }
        if is(headers, problem::MEDIA_TYPE)
            && let Ok(problem) = serde_json::from_slice::<Problem>(&body)
        {
            return Err(Failure::Problem(Problem { status: status.as_u16(), ..problem }));
        }
        let what = format!("the verifier answered {status} and no problem that could be understood");
        // A proxy before the verifier speaks for it while it is down.
        Err(if status.is_server_error() { Failure::Unreachable(what) } else { Failure::Garbled(what) })
    }
}

fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body)
        .map_err(|error| Failure::Garbled(format!("a request could not be written: {error}")))
}

fn is(headers: &HeaderMap, media: &str) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
}

/// Which kind of failure it is: by the types below it, never by their texts.
fn failure(error: &reqwest::Error) -> Failure {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = error.to_string();
    while let Some(cause) = below {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return untrusted(tls);
        }
        deepest = cause.to_string();
        // An io::Error's source is that of what it wraps: look at what it wraps.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        below = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    if error.is_timeout() {
        return Failure::Unreachable("the verifier did not answer in time".to_owned());
    }
    Failure::Unreachable(format!("the verifier was not reached: {deepest}"))
}

fn untrusted(error: &rustls::Error) -> Failure {
    use rustls::{CertificateError as Certificate, Error};
    let why = match error {
        Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "its certificate has expired, or this device's clock is wrong"
        }
        Error::InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => {
            "its certificate is not valid yet, or this device's clock is wrong"
        }
        // A bad signature is what another authority of the same name looks like.
        Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "its certificate is not from the certificate authority in ca-file"
        }
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        // A peer that hangs up or speaks no TLS proves nothing about trust.
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => {
            return Failure::Untrusted(format!("the verifier is not trusted: {error}"));
        }
        other => return Failure::Unreachable(format!("no TLS connection to the verifier: {other}")),
    };
    Failure::Untrusted(format!("the verifier is not trusted: {why}"))
}
