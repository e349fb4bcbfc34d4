//! The routes of step-up for devices: the event channel, evidence, tap and end.

use super::http::{ServerState, answered, authorization, only};
use crate::step_up::Channel;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Frame;
use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use vitalsign_protocol::evidence;
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::message::MAX_JSON_BYTES;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{StepUpAssertion, StepUpDeclined};

/// A channel on which nothing is told says so often that it is still there.
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
    request: Request,
) -> Response {
    let outcome = async {
        let evidence = shared.body(request, evidence::MEDIA_TYPE, evidence::MAX_BYTES).await?;
        shared.verifier.step_ups.evidence(&step_up(&id)?, &evidence, shared.clock.now()).await
    };
    answered("step-up evidence", StatusCode::OK, outcome.await)
}

async fn take_assertion(
    State(shared): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let outcome = async {
        let device = shared
            .verifier
            .attestation
            .session_device(authorization(request.headers()), shared.clock.now())
            .await?;
        let assertion: StepUpAssertion = shared.json(request, MAX_JSON_BYTES).await?;
        shared.verifier.step_ups.assertion(&device, &step_up(&id)?, &assertion, shared.clock.now()).await
    };
    answered("step-up assertion", StatusCode::OK, outcome.await)
}

async fn end(State(shared): State<ServerState>, Path(id): Path<String>, request: Request) -> Response {
    let outcome = async {
        let device = shared
            .verifier
            .attestation
            .session_device(authorization(request.headers()), shared.clock.now())
            .await?;
        let given_up: StepUpDeclined = shared.json(request, MAX_JSON_BYTES).await?;
        shared.verifier.step_ups.decline(&device, &step_up(&id)?, &given_up, shared.clock.now()).await
    };
    answered("step-up end", StatusCode::OK, outcome.await)
}

fn step_up(id: &str) -> Result<StepUpId, Problem> {
    id.parse().map_err(|_| Problem::new(ProblemType::StepUpUnknown, ""))
}

/// Server-sent events (WHATWG HTML, section 9.2).
async fn events(State(shared): State<ServerState>, headers: HeaderMap) -> Response {
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    match shared.verifier.step_ups.open_channel(authorization(&headers), after, shared.clock.now()).await {
        Err(problem) => answered("events", StatusCode::OK, Err::<(), _>(problem)),
        Ok(channel) => {
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(tell(shared, channel, sender));
            let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
            (headers, Body::new(Events(receiver))).into_response()
        }
    }
}

/// A body whose parts come when there is something to tell.
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// Tells a device what there is, until its channel is over or it has gone.
async fn tell(shared: ServerState, mut channel: Channel, sender: mpsc::Sender<Bytes>) {
    // The first says at once that the channel is open.
    let mut part = String::from(":\n\n");
    loop {
        let events = match shared.verifier.step_ups.events(&mut channel, shared.clock.now()).await {
            Ok(Some(events)) => events,
            // Over; or the store failed, and was logged: the device comes again.
            Ok(None) | Err(_) => return,
        };
        for event in events {
            // Encoded JSON contains no line breaks.
            let _ = write!(part, "id: {}\nevent: {}\ndata: {}\n\n", event.seq, event.name, event.data);
        }
        if !part.is_empty() {
            if sender.send(Bytes::from(std::mem::take(&mut part))).await.is_err() {
                return;
            }
            continue;
        }
        let left = Duration::from_secs(channel.expires().saturating_sub(shared.clock.now()));
        tokio::select! {
            () = channel.woken() => {}
            () = sender.closed() => return,
            () = tokio::time::sleep(KEEP_ALIVE.min(left)) => part.push_str(":\n\n"),
        }
    }
}
