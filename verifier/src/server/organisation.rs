//! The route of the organisation's words.

use super::connections::Peer;
use super::http::{JSON, ServerState, only, refused};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use vitalsign_protocol::problem::{Problem, ProblemType};

pub(super) fn routes() -> Router<ServerState> {
    Router::new().route("/v1/organisation", only(get(document)))
}

/// Sends the document as its version was computed, byte for byte. Only devices get it: it names internal numbers.
async fn document(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    if let Err(problem) = shared.device(&peer, &headers).await {
        return refused(&problem);
    }
    match &*shared.verifier.organisation() {
        Some(document) => {
            let head = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")];
            let body = Body::from(Bytes::copy_from_slice(document.bytes()));
            (StatusCode::OK, head, body).into_response()
        }
        None => refused(&Problem::new(ProblemType::NotFound, "")),
    }
}
