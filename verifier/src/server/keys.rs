//! The routes of security keys.

use super::http::{ServerState, answered, authorization, only};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
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

async fn begin(State(shared): State<ServerState>, headers: HeaderMap, request: Request) -> Response {
    let outcome = async {
        let device =
            shared.verifier.attestation.session_device(authorization(&headers), shared.clock.now()).await?;
        let request: KeyRequest = shared.json(request, MAX_JSON_BYTES).await?;
        shared.verifier.security_keys.begin_registration(&device, &request, shared.clock.now()).await
    };
    answered("key begins", StatusCode::CREATED, outcome.await)
}

async fn end(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let outcome = async {
        let device =
            shared.verifier.attestation.session_device(authorization(&headers), shared.clock.now()).await?;
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

async fn list(State(shared): State<ServerState>, headers: HeaderMap) -> Response {
    let outcome = async {
        let device =
            shared.verifier.attestation.session_device(authorization(&headers), shared.clock.now()).await?;
        shared.verifier.security_keys.of_device(&device).await
    };
    answered("keys", StatusCode::OK, outcome.await)
}
