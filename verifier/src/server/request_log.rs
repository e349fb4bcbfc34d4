//! One line of the log for each request, counters of requests, and the request's ID in its answer. The line has no header,
//! query or body, and so no secret.

use crate::Verifier;
use crate::metrics::Metrics;
use crate::random::random;
use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;
use vitalsign_protocol::id::hex;

/// Header of the request's ID in answers. The verifier makes it; one that the request has is not used.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Route of requests that match none.
const NO_ROUTE: &str = "(none)";

/// Outcome of a request, of a closed set: for the log and the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome(pub(super) &'static str);

/// Address of the peer, or its user if it is on a socket of this machine.
#[derive(Clone)]
pub(super) struct PeerAddress(pub(super) Arc<str>);

impl PeerAddress {
    pub(super) fn of(peer: &dyn std::fmt::Display) -> Self {
        Self(peer.to_string().into())
    }
}

#[derive(Clone)]
pub(super) struct RequestLog {
    pub(super) metrics: Arc<Metrics>,
    /// Whether each request has a line.
    pub(super) lines: bool,
}

impl RequestLog {
    pub(super) fn of(verifier: &Verifier) -> Self {
        Self { metrics: verifier.metrics.clone(), lines: verifier.config().log.requests }
    }
}

/// Names a method; a client can make one as long as a head.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

pub(super) async fn observe(
    State(log): State<RequestLog>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = random::<8>().map(|id| hex(&id)).unwrap_or_default();
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let span = tracing::info_span!("request", %id, %peer, method, route, device = Empty, client = Empty, admin = Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let outcome = match response.extensions().get::<Outcome>() {
        Some(Outcome(outcome)) => outcome,
        None if status.is_client_error() || status.is_server_error() => "refused",
        None => "ok",
    };
    log.metrics.request(&route, outcome, started.elapsed());
    if log.lines {
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::info!(outcome, status = status.as_u16(), ms, "answered"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
