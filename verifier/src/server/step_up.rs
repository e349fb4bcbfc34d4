//! The routes of step-up for devices: the event channel, evidence, tap and end.

use super::connections::Peer;
use super::http::{ServerState, answered, authorization, only, run_to_end};
use crate::step_up::Channel;
use crate::store::event::StoredEvent;
use axum::extract::{Path, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::stream::{self, StreamExt};
use std::convert::Infallible;
use std::time::Duration;
use vitalsign_protocol::evidence;
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::message::MAX_JSON_BYTES;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{StepUpAssertion, StepUpDeclined};

/// Interval of comments on a channel without events, so that both ends notice a lost connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<ServerState> {
    Router::new()
        .route("/v1/events", only(get(events)))
        .route("/v1/step-ups/{step-up}/evidence", only(post(take_evidence)))
        .route("/v1/step-ups/{step-up}/assertion", only(post(take_assertion)))
        .route("/v1/step-ups/{step-up}/end", only(post(end)))
}

async fn take_evidence(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let outcome = async {
        let evidence = shared.body(request, evidence::MEDIA_TYPE, evidence::MAX_BYTES).await?;
        let (id, now) = (step_up(&id)?, shared.clock.now());
        let answer =
            run_to_end(async move { shared.verifier.step_ups.evidence(&id, &evidence, now).await }).await?;
        peer.authenticated();
        Ok(answer)
    };
    answered("step-up evidence", StatusCode::OK, outcome.await)
}

async fn take_assertion(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let outcome = async {
        let device = shared.device(&peer, request.headers()).await?;
        let assertion: StepUpAssertion = shared.json(request, MAX_JSON_BYTES).await?;
        let (id, now) = (step_up(&id)?, shared.clock.now());
        run_to_end(async move { shared.verifier.step_ups.assertion(&device, &id, &assertion, now).await })
            .await
    };
    answered("step-up assertion", StatusCode::OK, outcome.await)
}

async fn end(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let outcome = async {
        let device = shared.device(&peer, request.headers()).await?;
        let given_up: StepUpDeclined = shared.json(request, MAX_JSON_BYTES).await?;
        let (id, now) = (step_up(&id)?, shared.clock.now());
        run_to_end(async move { shared.verifier.step_ups.decline(&device, &id, &given_up, now).await }).await
    };
    answered("step-up end", StatusCode::OK, outcome.await)
}

fn step_up(id: &str) -> Result<StepUpId, Problem> {
    id.parse().map_err(|_| Problem::new(ProblemType::StepUpUnknown, ""))
}

/// Server-sent events (WHATWG HTML, section 9.2).
async fn events(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let step_ups = &shared.verifier.step_ups;
    match step_ups.open_channel(authorization(&headers), after, shared.clock.now()).await {
        Err(problem) => answered("events", StatusCode::OK, Err::<(), _>(problem)),
        Ok(channel) => {
            peer.authenticated();
            // The comment tells the device at once that the channel is open.
            let opened = stream::once(async { Ok::<_, Infallible>(Event::DEFAULT_KEEP_ALIVE) });
            let batches = stream::unfold((shared, channel), next_events);
            let events = opened.chain(batches.flat_map(|batch| stream::iter(batch.into_iter().map(Ok))));
            let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
            ([(CACHE_CONTROL, "no-store")], events).into_response()
        }
    }
}

/// Waits for the next events of a channel. Returns `None` when the channel is closed or the store failed; the device
/// then reconnects.
async fn next_events(
    (shared, mut channel): (ServerState, Channel),
) -> Option<(Vec<Event>, (ServerState, Channel))> {
    loop {
        let events = shared.verifier.step_ups.events(&mut channel, shared.clock.now()).await.ok()??;
        if !events.is_empty() {
            let event =
                |it: StoredEvent| Event::default().id(it.seq.to_string()).event(it.name).data(it.data);
            return Some((events.into_iter().map(event).collect(), (shared, channel)));
        }
        let left = Duration::from_secs(channel.expires().saturating_sub(shared.clock.now()));
        // After the interval, the query notices a revocation by another process, or an expired session.
        let _ = tokio::time::timeout(KEEP_ALIVE.min(left), channel.woken()).await;
    }
}
