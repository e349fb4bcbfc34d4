//! Routes for applications. Errors are those of OAuth (RFC 6749 section 5.2), and no answer may be cached.

use super::connections::Peer;
use super::http::{JSON, ServerState, json_response, only, refused};
use super::request_log::Outcome;
use crate::oidc::{Code, EarRequest, Form, OAuthError, Redeemed, Request, Tokens, form, path};
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::problem::{Problem, ProblemType};

/// Longest time for which a poll is held: many clients and proxies give up after 30 s.
const MAX_HOLD_SECONDS: u64 = 25;
/// Headers of RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Header of RFC 9449 section 8.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

const FORM: &str = "application/x-www-form-urlencoded";
/// Media type of a verdict (RFC 9782).
const EAR: &str = "application/eat+jwt";

pub(super) fn routes() -> Router<ServerState> {
    Router::new()
        .route(path::CONFIGURATION, only(get(configuration)))
        .route(path::OAUTH_CONFIGURATION, only(get(configuration)))
        .route(path::JWKS, only(get(jwks)))
        .route(path::AUTHORIZE, only(post(authorize)))
        .route(path::TOKEN, only(post(token)))
        .route(path::CANCEL, only(post(cancel)))
        .route(&format!("{}{{digest}}", path::EARS), only(get(ear)))
}

async fn configuration(State(shared): State<ServerState>) -> Response {
    match shared.verifier.oidc.metadata().await {
        Ok(metadata) => json_response(StatusCode::OK, JSON, "public, max-age=60", &metadata),
        Err(error) => answered("reading the metadata", Err::<(), _>(error)),
    }
}

async fn jwks(State(shared): State<ServerState>) -> Response {
    json_response(StatusCode::OK, JSON, "public, max-age=60", &shared.verifier.oidc.jwks(shared.clock.now()))
}

/// The verdict to which the access token of the request refers.
async fn ear(
    State(shared): State<ServerState>,
    Path(digest): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let (authorization, dpop) = credentials(&headers)?;
        let request = EarRequest { authorization, dpop, digest };
        let ear = shared.verifier.oidc.ear(&request, shared.clock.now()).await?;
        peer.authenticated();
        Ok(ear)
    };
    match outcome.await {
        Ok(Some(ear)) => ([(CONTENT_TYPE, EAR), (CACHE_CONTROL, "no-store")], ear).into_response(),
        Ok(None) => {
            refused(&Problem::new(ProblemType::NotFound, "The access token refers to another verdict."))
        }
        Err(error) => answered("reading a verdict", Err::<(), _>(error)),
    }
}

async fn authorize(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    request: HttpRequest,
) -> Response {
    let outcome = async {
        let request = read(&shared, request).await?;
        let asked = shared.verifier.oidc.authorize(&request, shared.clock.now()).await?;
        peer.authenticated();
        Ok(asked)
    };
    answered("asking for a person", outcome.await)
}

async fn cancel(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    request: HttpRequest,
) -> Response {
    let outcome = async {
        let request = read(&shared, request).await?;
        shared.verifier.oidc.cancel(&request, shared.clock.now()).await?;
        peer.authenticated();
        Ok(())
    };
    answered(
        "taking a request back",
        outcome.await.map(|()| serde_json::json!({ "vitalsign_end": "cancelled" })),
    )
}

async fn token(
    State(shared): State<ServerState>,
    Extension(peer): Extension<Peer>,
    request: HttpRequest,
) -> Response {
    let preferred = preferred_wait(request.headers());
    let outcome = async {
        let at = Instant::now();
        let request = read(&shared, request).await?;
        let mut nonce = None;
        let outcome = redeem(&shared, &peer, &request, (preferred, at), &mut nonce).await;
        Ok((outcome, nonce))
    };
    let (outcome, nonce) = outcome.await.unwrap_or_else(|error: OAuthError| (Err(error), None));
    let mut answer = answered("asking for a token", outcome);
    if let Some(Ok(nonce)) = nonce.map(|nonce| HeaderValue::from_str(&nonce)) {
        answer.headers_mut().insert(DPOP_NONCE, nonce);
    }
    match preferred {
        None => answer,
        Some(seconds) => ([(PREFERENCE_APPLIED, format!("wait={seconds}"))], answer).into_response(),
    }
}

/// Returns the seconds for which the client wants to wait at most (RFC 7240 section 4.3).
fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences =
        values.flat_map(|value| value.split(',')).map(|it| it.split(';').next().unwrap_or(it));
    // Section 2: of several, the first counts. The value may be quoted.
    let wait = preferences.find_map(|it| {
        let (name, value) = it.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    wait.parse().ok()
}

/// Defers the answer until the step-up ends, so that the application gets the token without another poll.
async fn redeem(
    shared: &ServerState,
    peer: &Peer,
    request: &Request,
    (preferred, at): (Option<u64>, Instant),
    next_nonce: &mut Option<String>,
) -> Result<Tokens, OAuthError> {
    let poll = shared.verifier.oidc.poll(request, shared.clock.now(), at).await?;
    peer.authenticated();
    *next_nonce = poll.next_nonce().map(str::to_owned);
    let held = shared.holds.try_acquire();
    let hold = match &held {
        Ok(_) => {
            let configured = shared.verifier.config().oidc.hold_seconds.min(MAX_HOLD_SECONDS);
            Duration::from_secs(preferred.map_or(configured, |wanted| wanted.min(configured)))
        }
        // Too many polls are waiting already: answer this one at once.
        Err(_) => Duration::ZERO,
    };
    let until = tokio::time::Instant::from_std(at) + hold;
    // Subscribed before the first look, so that an end between the look and the wait is not missed.
    let mut ends = shared.verifier.step_ups.results();
    loop {
        let step_up = match shared.verifier.oidc.token(&poll, shared.clock.now()).await? {
            Redeemed::Tokens(tokens) => return Ok(*tokens),
            Redeemed::Pending(step_up) => step_up,
        };
        let ended = async {
            loop {
                match ends.recv().await {
                    Ok(other) if other != step_up => {}
                    Ok(StepUpId(_)) | Err(RecvError::Lagged(_)) => return,
                    // The verifier is gone, and this request with it.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = ended => {}
            () = tokio::time::sleep_until(until) => return Err(pending()),
            () = shared.ended() => return Err(pending()),
        }
    }
}

fn pending() -> OAuthError {
    OAuthError::new(Code::AuthorizationPending, "The request is pending.")
}

async fn read(shared: &ServerState, request: HttpRequest) -> Result<Request, OAuthError> {
    let invalid = |why: String| OAuthError::new(Code::InvalidRequest, why);
    let (authorization, dpop) = credentials(request.headers())?;
    let body = shared.body(request, FORM, form::MAX_BYTES).await.map_err(|problem| {
        let code = match problem.status {
            413 => Code::TooLarge,
            503 => Code::TemporarilyUnavailable,
            _ => Code::InvalidRequest,
        };
        OAuthError::new(code, problem.detail.unwrap_or_default())
    })?;
    let form = Form::parse(&body).map_err(|error| invalid(format!("{error}.")))?;
    Ok(Request { authorization, dpop, form })
}

/// Returns `Authorization` and all `DPoP` headers.
fn credentials(headers: &HeaderMap) -> Result<(Option<String>, Vec<String>), OAuthError> {
    let authorization = one(headers, AUTHORIZATION.as_str()).map_err(|()| {
        OAuthError::new(Code::InvalidRequest, "There is more than one Authorization, or it is no text.")
    })?;
    let dpop = headers.get_all("dpop").iter().map(|value| value.to_str().map(str::to_owned));
    let dpop = dpop.collect::<Result<_, _>>();
    let dpop = dpop.map_err(|_| OAuthError::new(Code::InvalidDpopProof, "The DPoP proof is no text."))?;
    Ok((authorization, dpop))
}

/// The one header of this name, if there is one.
fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str().map(str::to_owned).map_err(drop)).transpose()?;
    values.next().map_or(Ok(first), |_| Err(()))
}

fn answered<T: Serialize>(what: &'static str, outcome: Result<T, OAuthError>) -> Response {
    let error = match outcome {
        Ok(answer) => return json_response(StatusCode::OK, JSON, "no-store", &answer),
        Err(error) => error,
    };
    if error.code != Code::AuthorizationPending {
        tracing::info!(what, error = error.code.as_str(), description = error.log_description(), "refused");
    }
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json_response(status, JSON, "no-store", &error);
    answer.extensions_mut().insert(Outcome(error.code.as_str()));
    let challenge = match error.code {
        // RFC 6749 section 5.2.
        Code::InvalidClient => Some("Basic realm=\"vitalsign-verifier\", charset=\"UTF-8\""),
        // RFC 6750 section 3, RFC 9449 section 7.1.
        Code::InvalidToken => {
            Some("Bearer error=\"invalid_token\", DPoP algs=\"ES256\", error=\"invalid_token\"")
        }
        _ => None,
    };
    if let Some(challenge) = challenge {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(Ok(nonce)) = error.dpop_nonce.as_deref().map(HeaderValue::from_str) {
        answer.headers_mut().insert(DPOP_NONCE, nonce);
    }
    if let Some(seconds) = error.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}
