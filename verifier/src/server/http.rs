//! The routes. Bodies are capped and have a deadline; every refusal is a problem (RFC 9457).

use super::bodies::{BodyBudget, BodyError, ReceivedBody};
use super::connections::Peer;
use super::health::HealthCheck;
use super::request_log::{self, Outcome, RequestLog};
use crate::Verifier;
use crate::clock::Clock;
use crate::store::device::Device;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;
use vitalsign_protocol::evidence;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::message::{
    EnrolmentProof, EnrolmentRequest, MAX_JSON_BYTES, MAX_PROOF_BYTES, NonceRequest, ReportAnswer,
};
use vitalsign_protocol::organisation::OrganisationDocument;
use vitalsign_protocol::problem::{self, Problem, ProblemType};
use vitalsign_protocol::rollover;

pub(super) const JSON: &str = "application/json";
/// Excess bytes of a body that are read and dropped before it is refused; a longer body is refused unread.
const MAX_DISCARDED_BYTES: usize = 256 * 1024;

#[derive(Clone)]
pub(super) struct ServerState {
    pub(super) verifier: Arc<Verifier>,
    pub(super) clock: Clock,
    deadline: Duration,
    ended: watch::Receiver<bool>,
    bodies: BodyBudget,
    health: Arc<HealthCheck>,
    /// Permits for token requests that wait for the step-up's result (long polling).
    pub(super) holds: Arc<Semaphore>,
}

pub(super) fn router(state: ServerState) -> Router {
    let log = RequestLog::of(&state.verifier);
    Router::new()
        .merge(super::oidc::routes())
        .route("/v1/enrolments", only(post(begin_enrolment)))
        .route("/v1/enrolments/{enrolment}", only(post(end_enrolment)))
        .route("/v1/nonces", only(post(nonce)))
        .route("/v1/reports", only(post(report)))
        .merge(super::step_up::routes())
        .route("/.well-known/jwks.json", only(get(jwks)))
        .route("/health/live", only(get(live)))
        .route("/health/ready", only(get(ready)))
        .route("/healthz", only(get(ready)))
        .merge(super::keys::routes())
        .merge(super::diagnostics::routes())
        .merge(super::organisation::routes())
        .fallback(async || refused(&Problem::new(ProblemType::NotFound, "")))
        // Each handler reads its body with its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(log, request_log::observe))
        .with_state(state)
}

/// Answers unsupported methods with 405 and a problem.
pub(super) fn only(route: MethodRouter<ServerState>) -> MethodRouter<ServerState> {
    route.fallback(async || refused(&Problem::new(ProblemType::MethodNotAllowed, "")))
}

async fn begin_enrolment(State(shared): State<ServerState>, request: Request) -> Response {
    let outcome = async {
        let request: EnrolmentRequest = shared.json(request, MAX_JSON_BYTES).await?;
        shared.verifier.enrolment.begin(&request, shared.clock.now()).await
    };
    answered("enrolment begins", StatusCode::CREATED, outcome.await)
}

async fn end_enrolment(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let outcome = async {
        let enrolment = id.parse().map_err(|_| Problem::new(ProblemType::EnrolmentUnknown, ""))?;
        let _proof = shared.verifier.enrolment.expect_proof(&enrolment, shared.clock.now()).await?;
        let proof: EnrolmentProof = shared.json(request, MAX_PROOF_BYTES).await?;
        let mut enrolled = shared.verifier.enrolment.complete(&enrolment, &proof, shared.clock.now()).await?;
        peer.authenticated();
        enrolled.report.organisation = shared.organisation_version();
        Ok(enrolled)
    };
    answered("enrolment ends", StatusCode::OK, outcome.await)
}

async fn nonce(State(shared): State<ServerState>, request: Request) -> Response {
    let outcome = async {
        let request: NonceRequest = shared.json(request, MAX_JSON_BYTES).await?;
        shared.verifier.attestation.nonce(&request.kid, shared.clock.now())
    };
    answered("nonce", StatusCode::OK, outcome.await)
}

async fn report(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let outcome = async {
        let pinned = pinned_keys(request.headers());
        let attestation = &shared.verifier.attestation;
        let mut body = shared.begin_body(request, evidence::MEDIA_TYPE, evidence::MAX_BYTES_WITH_LOG).await?;
        if !shared.receive(&mut body, evidence::MAX_BYTES).await? {
            let _log = attestation.expect_log(&body.received, shared.clock.now()).await?;
            if !shared.receive(&mut body, evidence::MAX_BYTES_WITH_LOG).await? {
                return Err(too_large(evidence::MAX_BYTES_WITH_LOG));
            }
        }
        let answer = attestation.report(&body.received, shared.clock.now()).await?;
        peer.authenticated();
        let organisation = shared.organisation_version();
        Ok(ReportAnswer { key_rollovers: attestation.announcements_after(&pinned), organisation, ..answer })
    };
    answered("report", StatusCode::OK, outcome.await)
}

async fn jwks(State(shared): State<ServerState>) -> Response {
    json_response(
        StatusCode::OK,
        JSON,
        "public, max-age=60",
        &shared.verifier.attestation.jwks(shared.clock.now()),
    )
}

async fn live() -> Response {
    json_response(StatusCode::OK, JSON, "no-store", &serde_json::json!({ "status": "ok" }))
}

/// Says whether the verifier is ready, and nothing else: every client can ask.
async fn ready(State(shared): State<ServerState>) -> Response {
    let health = shared.health.now(shared.clock.now()).await;
    let outcome = match health.ready {
        true => Ok(serde_json::json!({ "status": "ok" })),
        false => {
            tracing::error!(problems = ?health.problems, "not ready");
            Err(Problem::new(ProblemType::Busy, "The verifier is not ready."))
        }
    };
    answered("health", StatusCode::OK, outcome)
}

impl ServerState {
    /// Bodies of all requests together have `body_bytes`.
    pub(super) fn new(
        verifier: Arc<Verifier>,
        clock: Clock,
        ended: watch::Receiver<bool>,
        health: Arc<HealthCheck>,
        body_bytes: usize,
    ) -> Self {
        let limits = verifier.config().limits;
        let deadline = Duration::from_secs(limits.request_seconds);
        let bodies = BodyBudget::new(body_bytes);
        // Each waiting poll occupies a connection; the limit leaves connections for reports.
        let holds = Arc::new(Semaphore::new(limits.held_polls()));
        Self { verifier, clock, deadline, ended, bodies, health, holds }
    }

    /// Returns the time limit of a request.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns the device whose session a request carries, and counts its connection as authenticated.
    pub(super) async fn device(&self, peer: &Peer, headers: &HeaderMap) -> Result<Arc<Device>, Problem> {
        let attestation = &self.verifier.attestation;
        let device = attestation.session_device(authorization(headers), self.clock.now()).await?;
        peer.authenticated();
        Ok(device)
    }

    /// Returns the version of the organisation's words, which devices then fetch.
    fn organisation_version(&self) -> Option<Digest> {
        self.verifier.organisation().as_ref().as_ref().map(OrganisationDocument::version)
    }

    /// Completes when the server shuts down, to end waiting requests.
    pub(super) async fn ended(&self) {
        // An error means that the server handle was dropped: nothing can end the server, so it continues.
        if self.ended.clone().wait_for(|ended| *ended).await.is_err() {
            std::future::pending().await
        }
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: Request,
        limit: usize,
    ) -> Result<T, Problem> {
        let body = self.body(request, JSON, limit).await?;
        serde_json::from_slice(&body).map_err(|e| {
            // The error's text may quote a secret, so the log gets only its position.
            let (line, column) = (e.line(), e.column());
            let detail = format!("The JSON is not what is expected here, at line {line}, column {column}.");
            Problem::new(ProblemType::Malformed, detail)
        })
    }

    /// Receives a body of at most `limit` bytes.
    pub(super) async fn body(
        &self,
        request: Request,
        media_type: &str,
        limit: usize,
    ) -> Result<ReceivedBody, Problem> {
        let mut body = self.begin_body(request, media_type, limit).await?;
        if self.receive(&mut body, limit).await? { Ok(body.received) } else { Err(too_large(limit)) }
    }

    /// Checks the head of a request with a body; `limit` is the highest limit that may come to hold.
    pub(super) async fn begin_body(
        &self,
        request: Request,
        media_type: &str,
        limit: usize,
    ) -> Result<IncomingBody, Problem> {
        let headers = request.headers();
        if !is_media_type(headers, media_type) {
            return Err(Problem::new(ProblemType::MediaType, format!("The body must be {media_type}.")));
        }
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if let Some(length) = announced.filter(|length| *length > limit) {
            if length - limit <= MAX_DISCARDED_BYTES {
                // An error or a timeout changes nothing: the request is refused in any case.
                let _ = tokio::time::timeout(self.deadline, discard(request.into_body())).await;
            }
            return Err(too_large(limit));
        }
        let deadline = tokio::time::Instant::now() + self.deadline;
        Ok(IncomingBody { rest: request.into_body(), received: self.bodies.empty(), deadline })
    }

    /// Receives a body, of at most `limit` bytes; returns whether it has ended.
    pub(super) async fn receive(&self, body: &mut IncomingBody, limit: usize) -> Result<bool, Problem> {
        let IncomingBody { rest, received, deadline } = body;
        match tokio::time::timeout_at(*deadline, self.bodies.receive(rest, received, limit)).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(BodyError::TooLarge)) => Ok(false),
            Ok(Err(BodyError::Incomplete)) => {
                Err(Problem::new(ProblemType::Malformed, "The body ended early."))
            }
            Ok(Err(BodyError::OverBudget)) => {
                Err(Problem::new(ProblemType::Busy, "Too many requests are being received. Try again later."))
            }
            Err(_) => Err(Problem::new(ProblemType::Malformed, "The body took too long.")),
        }
    }
}

/// A body that is being received.
pub(super) struct IncomingBody {
    rest: Body,
    pub(super) received: ReceivedBody,
    deadline: tokio::time::Instant,
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemType::TooLarge, format!("At most {limit} bytes are read."))
}

/// Reads a body and drops it, so that its sender finishes sending and reads the answer: it may take a reset connection
/// for a network error, and try again.
async fn discard(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Runs an operation to its end, also if the client hangs up and hyper drops the handler: what follows a commit, such as
/// an alert or a notification, must not be skipped.
pub(super) async fn run_to_end<T: Send + 'static>(
    operation: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    // In the request's span, so that its messages are attributed.
    tokio::spawn(operation.in_current_span()).await.map_err(|_| Problem::new(ProblemType::Internal, ""))?
}

/// Returns the `Authorization` header.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

/// Returns the keys that a device says it pins, at most [`rollover::MAX_PINNED`].
fn pinned_keys(headers: &HeaderMap) -> Vec<String> {
    let header = headers.get(rollover::PINNED_HEADER).and_then(|value| value.to_str().ok());
    let kids = header.unwrap_or_default().split(',').map(|kid| kid.trim().to_owned());
    kids.take(rollover::MAX_PINNED).collect()
}

fn is_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
}

pub(super) fn answered<T: Serialize>(
    what: &'static str,
    status: StatusCode,
    outcome: Result<T, Problem>,
) -> Response {
    match outcome {
        Ok(answer) => json_response(status, JSON, "no-store", &answer),
        Err(problem) => {
            let detail = problem.detail.as_deref().unwrap_or_default();
            tracing::info!(what, problem = problem.problem_type, detail, "refused");
            refused(&problem)
        }
    }
}

pub(super) fn refused(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json_response(status, problem::MEDIA_TYPE, "no-store", problem);
    let name = ProblemType::from_urn(&problem.problem_type).and_then(|it| it.urn().rsplit(':').next());
    answer.extensions_mut().insert(Outcome(name.unwrap_or("refused")));
    match problem.retry_after {
        None => answer,
        Some(seconds) => ([(RETRY_AFTER, HeaderValue::from(seconds))], answer).into_response(),
    }
}

pub(super) fn json_response(
    status: StatusCode,
    media_type: &'static str,
    cache: &'static str,
    body: &impl Serialize,
) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(media_type)),
                (CACHE_CONTROL, HeaderValue::from_static(cache)),
            ];
            (status, headers, Body::from(body)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn operation_ends_although_its_client_hung_up() {
        let (hung_up, waiting) = oneshot::channel();
        let (sender, ended) = oneshot::channel();
        let mut running = Box::pin(run_to_end(async {
            waiting.await.unwrap();
            sender.send(()).unwrap();
            Ok(())
        }));
        assert!(running.as_mut().now_or_never().is_none());
        drop(running);
        hung_up.send(()).unwrap();
        ended.await.unwrap();
    }
}
