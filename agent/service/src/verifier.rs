//! The verifier, over HTTPS: typed calls, and every way in which they fail, typed too. Only the configured certificate
//! authority is trusted, no proxy is used and no redirect followed. The connection is kept, so that a steady report is
//! one round trip.

use crate::config;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use vitalsign_agent_core::RequestError;
use vitalsign_protocol::diagnostics::{DiagnosticsReceipt, DiagnosticsReport};
use vitalsign_protocol::id::{Digest, EnrolmentId, RegistrationId, StepUpId, Thumbprint};
use vitalsign_protocol::message::{
    DeviceSession, Enrolled, EnrolmentChallenge, EnrolmentProof, EnrolmentRequest, MAX_JSON_BYTES,
    NonceAnswer, NonceRequest, ReportAnswer,
};
use vitalsign_protocol::organisation::{MAX_DOCUMENT_BYTES, OrganisationDocument};
use vitalsign_protocol::step_up::{
    KeyChallenge, KeyProof, KeyRequest, RegisteredKey, RegisteredKeys, StepUpAnswer, StepUpAssertion,
    StepUpDeclined, StepUpOutcome, StepUpResult,
};
use vitalsign_protocol::{evidence, problem, problem::Problem, rollover, sse};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A whole call: a verifier that is busy with thousands still has time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum lifetime of an event channel, so that a verifier that is being drained loses its devices within a
/// day.
const CHANNEL_LIFETIME_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Time for which an idle connection is kept: shorter than verifiers and proxies keep theirs, and enough for the
/// requests of one step-up. The next report opens a new one.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The header that says which event came last (HTML, section 9.2).
const LAST_EVENT_ID: &str = "last-event-id";
/// An answer carries a verdict and the pinned keys.
const MAX_ANSWER: usize = 2 * MAX_JSON_BYTES;

const JSON: &str = "application/json";

/// A verifier to talk to.
pub(crate) struct VerifierClient {
    http: reqwest::Client,
    base: String,
}

/// Reason why the client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("cannot read the certificates in {path}: {why}")]
    Anchors { path: String, why: String },
    #[error("{0} holds no certificate")]
    NoAnchors(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Result of a connection test that sends no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The verifier's clock, in seconds since 1970, where it tells.
    pub(crate) clock: Option<u64>,
}

pub(crate) struct Events(Response);

impl Events {
    /// Returns the next chunk; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, RequestError> {
        self.0.chunk().await.map_err(|error| failure(&error))
    }
}

impl VerifierClient {
    /// Reads the trust anchors; does not connect yet.
    pub(crate) fn new(config: &config::VerifierSettings) -> Result<Self, SetupError> {
        let anchors = &config.anchors;
        let unreadable = |why: String| SetupError::Anchors { path: anchors.to_string(), why };
        let mut roots = RootCertStore::empty();
        let pem = anchors.read().map_err(|error| unreadable(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(SetupError::NoAnchors(anchors.to_string()));
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
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(KEEP_ALIVE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .tcp_keepalive(Duration::from_secs(60))
            .build()
            .map_err(|error| tls(&error))?;
        Ok(Self { http, base: config.url.clone() })
    }

    /// Sends the token and the public keys.
    pub(crate) async fn begin_enrolment(
        &self,
        request: &EnrolmentRequest,
    ) -> Result<EnrolmentChallenge, RequestError> {
        self.post("/v1/enrolments", JSON, json(request)?).await
    }

    pub(crate) async fn finish_enrolment(
        &self,
        enrolment: EnrolmentId,
        proof: &EnrolmentProof,
    ) -> Result<Enrolled, RequestError> {
        self.post(&format!("/v1/enrolments/{enrolment}"), JSON, json(proof)?).await
    }

    pub(crate) async fn nonce(&self, kid: Thumbprint) -> Result<NonceAnswer, RequestError> {
        self.post("/v1/nonces", JSON, json(&NonceRequest { kid })?).await
    }

    /// Sends evidence. `pinned` are the names of the pinned keys, so that the verifier can announce newer ones.
    pub(crate) async fn report(
        &self,
        evidence: Vec<u8>,
        pinned: &[String],
    ) -> Result<ReportAnswer, RequestError> {
        let request = (self.http.post(format!("{}/v1/reports", self.base)))
            .header(CONTENT_TYPE, evidence::MEDIA_TYPE)
            .header(rollover::PINNED_HEADER, pinned.join(","))
            .body(evidence);
        answer(request).await
    }

    /// Connects and checks the verifier's certificate, without a request.
    pub(crate) async fn look(&self) -> Result<Reached, RequestError> {
        let answer = self.http.head(&self.base).send().await.map_err(|error| failure(&error))?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(Reached { clock: date.and_then(seconds) })
    }

    pub(crate) async fn step_up_evidence(
        &self,
        step_up: StepUpId,
        evidence: Vec<u8>,
    ) -> Result<StepUpAnswer, RequestError> {
        self.post(&format!("/v1/step-ups/{step_up}/evidence"), evidence::MEDIA_TYPE, evidence).await
    }

    /// Sends what the security key answered.
    pub(crate) async fn assertion(
        &self,
        step_up: StepUpId,
        assertion: serde_json::Value,
        session: &DeviceSession,
    ) -> Result<StepUpOutcome, RequestError> {
        let path = format!("/v1/step-ups/{step_up}/assertion");
        self.post_as(&path, &StepUpAssertion { assertion }, session).await
    }

    /// Says how a step-up ended at this device.
    pub(crate) async fn end_step_up(
        &self,
        step_up: StepUpId,
        end: StepUpResult,
        session: &DeviceSession,
    ) -> Result<StepUpOutcome, RequestError> {
        self.post_as(&format!("/v1/step-ups/{step_up}/end"), &StepUpDeclined { end }, session).await
    }

    /// Begins to register a security key.
    pub(crate) async fn begin_key(
        &self,
        request: &KeyRequest,
        session: &DeviceSession,
    ) -> Result<KeyChallenge, RequestError> {
        self.post_as("/v1/keys", request, session).await
    }

    pub(crate) async fn finish_key(
        &self,
        registration: &RegistrationId,
        proof: &KeyProof,
        session: &DeviceSession,
    ) -> Result<RegisteredKey, RequestError> {
        self.post_as(&format!("/v1/keys/{registration}"), proof, session).await
    }

    /// The security keys of this device's users.
    pub(crate) async fn keys(&self, session: &DeviceSession) -> Result<RegisteredKeys, RequestError> {
        answer(self.http.get(format!("{}/v1/keys", self.base)).header(AUTHORIZATION, bearer(session)?)).await
    }

    /// Gets the organisation's document of this version.
    pub(crate) async fn organisation(
        &self,
        version: Digest,
        session: &DeviceSession,
    ) -> Result<OrganisationDocument, RequestError> {
        let request =
            self.http.get(format!("{}/v1/organisation", self.base)).header(AUTHORIZATION, bearer(session)?);
        let mut answer = received(request).await?;
        let invalid =
            |why: String| RequestError::InvalidAnswer(format!("the organisation's document: {why}"));
        let document = OrganisationDocument::parse(body(&mut answer, MAX_DOCUMENT_BYTES).await?)
            .map_err(|error| invalid(error.to_string()))?;
        // The verifier may have replaced it since; the next report announces the new one.
        if document.version() != version {
            return Err(invalid("it has another version than announced".to_owned()));
        }
        Ok(document)
    }

    /// Sends diagnostics to IT. A repetition after a lost answer gets the same reference.
    pub(crate) async fn send_diagnostics(
        &self,
        report: &DiagnosticsReport,
        session: &DeviceSession,
    ) -> Result<DiagnosticsReceipt, RequestError> {
        self.post_as("/v1/diagnostics", report, session).await
    }

    /// Opens the event channel, from after the event of this number.
    pub(crate) async fn events(
        &self,
        session: &DeviceSession,
        after: Option<u64>,
    ) -> Result<Events, RequestError> {
        let mut request = (self.http.get(format!("{}/v1/events", self.base)))
            .header(AUTHORIZATION, bearer(session)?)
            .header(ACCEPT, sse::MEDIA_TYPE)
            .timeout(CHANNEL_LIFETIME_LIMIT);
        if let Some(after) = after {
            request = request.header(LAST_EVENT_ID, after);
        }
        let answer = match tokio::time::timeout(REQUEST_TIMEOUT, request.send()).await {
            Ok(answer) => answer.map_err(|error| failure(&error))?,
            Err(_) => {
                return Err(RequestError::Unreachable("the verifier did not answer in time".to_owned()));
            }
        };
        if answer.status().is_success() && is(answer.headers(), sse::MEDIA_TYPE) {
            return Ok(Events(answer));
        }
        Err(refused(answer).await)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        media: &str,
        body: Vec<u8>,
    ) -> Result<T, RequestError> {
        answer(self.http.post(format!("{}{path}", self.base)).header(CONTENT_TYPE, media).body(body)).await
    }

    /// Posts JSON in the device's own name.
    async fn post_as<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        session: &DeviceSession,
    ) -> Result<T, RequestError> {
        let request = (self.http.post(format!("{}{path}", self.base)))
            .header(AUTHORIZATION, bearer(session)?)
            .header(CONTENT_TYPE, JSON)
            .body(json(body)?);
        answer(request).await
    }
}

/// Sends, and reads the answer. A request whose connection ends without an answer is sent once more at once. The
/// verifier answers a repeated report, evidence, assertion or result as before; a repeated registration fails as it would
/// have failed without the second try.
async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, RequestError> {
    let body = body(&mut received(request).await?, MAX_ANSWER).await?;
    serde_json::from_slice(&body).map_err(|error| {
        RequestError::InvalidAnswer(format!("the verifier's answer was not understood: {error}"))
    })
}

/// Sends, and returns the answer if it is a success with JSON.
async fn received(request: RequestBuilder) -> Result<Response, RequestError> {
    let again = request.try_clone();
    let answer = match (request.send().await, again) {
        (Err(error), Some(again)) if is_lost_connection(&error) => again.send().await,
        (sent, _) => sent,
    }
    .map_err(|error| failure(&error))?;
    if !(answer.status().is_success() && is(answer.headers(), JSON)) {
        return Err(refused(answer).await);
    }
    Ok(answer)
}

/// Returns whether the connection ended before an answer came.
fn is_lost_connection(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// Converts an error response into an error.
async fn refused(mut answer: Response) -> RequestError {
    let status = answer.status();
    if is(answer.headers(), problem::MEDIA_TYPE) {
        match body(&mut answer, MAX_ANSWER).await.map(|body| serde_json::from_slice::<Problem>(&body)) {
            Ok(Ok(problem)) => {
                let retry_after = retry_after(answer.headers());
                return RequestError::Problem(Problem { status: status.as_u16(), retry_after, ..problem });
            }
            Ok(Err(_)) => {}
            Err(failure) => return failure,
        }
    }
    let what = format!("the verifier answered {status} and no problem that could be understood");
    // A proxy before the verifier speaks for it while it is down.
    if status.is_server_error() { RequestError::Unreachable(what) } else { RequestError::InvalidAnswer(what) }
}

/// Reads `Retry-After` in seconds, its form for machines (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

async fn body(answer: &mut Response, limit: usize) -> Result<Vec<u8>, RequestError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + part.len() > limit {
            return Err(RequestError::InvalidAnswer(format!(
                "the verifier's answer is longer than {limit} bytes"
            )));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The session as a header that no log shows.
fn bearer(session: &DeviceSession) -> Result<HeaderValue, RequestError> {
    let mut value = HeaderValue::from_str(&session.bearer())
        .map_err(|error| RequestError::InvalidAnswer(format!("the session cannot be sent: {error}")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, RequestError> {
    serde_json::to_vec(body)
        .map_err(|error| RequestError::InvalidAnswer(format!("a request could not be written: {error}")))
}

/// Seconds since 1970 of an HTTP date, in any of the forms that RFC 9110 section 5.6.7 has clients read.
fn seconds(date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(date).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn is(headers: &HeaderMap, media: &str) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
}

/// Classifies an error by the types in its source chain, never by text.
fn failure(error: &reqwest::Error) -> RequestError {
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
        return RequestError::Unreachable("the verifier did not answer in time".to_owned());
    }
    RequestError::Unreachable(format!("the verifier was not reached: {deepest}"))
}

fn untrusted(error: &rustls::Error) -> RequestError {
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
            return RequestError::Untrusted(format!("the verifier is not trusted: {error}"));
        }
        other => return RequestError::Unreachable(format!("no TLS connection to the verifier: {other}")),
    };
    RequestError::Untrusted(format!("the verifier is not trusted: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_http_dates() {
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(seconds(date), Some(784_111_777), "{date}");
        }
        assert_eq!(seconds("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        for date in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, 06 Nov 99999999999 08:49:37 GMT",
        ] {
            assert_eq!(seconds(date), None, "{date}");
        }
    }
}
