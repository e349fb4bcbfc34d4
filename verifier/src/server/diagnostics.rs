//! The route of diagnostics.

use super::http::{ServerState, answered, authorization, only, run_to_end};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use vitalsign_protocol::diagnostics::{DiagnosticsReport, MAX_REPORT_BYTES};

pub(super) fn routes() -> Router<ServerState> {
    Router::new().route("/v1/diagnostics", only(post(receive)))
}

async fn receive(State(shared): State<ServerState>, headers: HeaderMap, request: Request) -> Response {
    let outcome = async {
        let now = shared.clock.now();
        // Read before the session is checked: a device whose session has expired must get the answer, and one that still
        // sends when its connection is closed does not.
        let report: DiagnosticsReport = shared.json(request, MAX_REPORT_BYTES).await?;
        let device = shared.verifier.attestation.session_device(authorization(&headers), now).await?;
        let verifier = shared.verifier.clone();
        run_to_end(async move { verifier.diagnostics.receive(&device, &report, now).await }).await
    };
    answered("diagnostics", StatusCode::CREATED, outcome.await)
}
