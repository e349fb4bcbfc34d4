//! The routes of security keys.

use super::connections::Peer;
use super::http::{ServerState, answered, only};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use vitalsign_protocol::message::MAX_JSON_BYTES;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{KeyProof, KeyRequest};
use vitalsign_webauthn::MAX_CREDENTIAL_JSON_BYTES;

/// More bytes than a [`KeyProof`] has: the credential, its name, and JSON around them.
const MAX_KEY_PROOF_BYTES: usize = MAX_CREDENTIAL_JSON_BYTES + 1024;

pub(super) fn routes() -> Router<ServerState> {
    Router::new()
        .route("/v1/keys", only(post(begin).get(list)))
        .route("/v1/keys/{registration}", only(post(end)))
}

async fn begin(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let outcome = async {
        let device = shared.device(&peer, &headers).await?;
        let request: KeyRequest = shared.json(request, MAX_JSON_BYTES).await?;
        shared.verifier.security_keys.begin_registration(&device, &request, shared.clock.now()).await
    };
    answered("key begins", StatusCode::CREATED, outcome.await)
}

async fn end(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let outcome = async {
        let device = shared.device(&peer, &headers).await?;
        let registration = id.parse().map_err(|_| Problem::new(ProblemType::RegistrationUnknown, ""))?;
        let proof: KeyProof = shared.json(request, MAX_KEY_PROOF_BYTES).await?;
        shared
            .verifier
            .security_keys
            .complete_registration(&device, &registration, &proof, shared.clock.now())
            .await
    };
    answered("key ends", StatusCode::OK, outcome.await)
}

async fn list(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let device = shared.device(&peer, &headers).await?;
        shared.verifier.security_keys.of_device(&device).await
    };
    answered("keys", StatusCode::OK, outcome.await)
}
