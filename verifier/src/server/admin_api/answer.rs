//! From a request to its answer: identity, scope, pace, target, input, tap, handler.

use super::ApiState;
use super::confirm::{Confirmed, DangerousAction, NotConfirmed};
use super::describe::{self, Described};
use super::identity::{Caller, Origin};
use crate::Verifier;
use crate::admin_api::{APPROVAL_HEADER, AdminProblem, ApiType, Method, Operation, TapNeeded};
use crate::audit::Actor;
use crate::caller;
use crate::keyring::Keyring;
use crate::server::http::{answered, json_response, run_to_end};
use crate::store::Store;
use axum::Extension;
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post};
use std::sync::Arc;
use tokio::sync::SemaphorePermit;
use vitalsign_protocol::problem::{self, Problem, ProblemType};

/// An operation with its handler.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) described: Described,
    pub(super) handler: MethodRouter<ApiState>,
}

impl Route {
    pub(super) fn of<O, F, R>(handler: F) -> Self
    where
        O: Operation,
        F: Fn(Call, O::Target, O::Input) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<O::Answer, Problem>> + Send + 'static,
    {
        const { assert!(O::ACTION.is_none(), "it may need a tap") };
        let serve = async move |State(api): State<ApiState>,
                                Extension(origin): Extension<Origin>,
                                request: Request| {
            api.answer::<O, _, _>(&origin, request, handler).await
        };
        let handler = match O::METHOD {
            Method::Get => get(serve),
            Method::Post => post(serve),
            Method::Delete => delete(serve),
        };
        Self { path: O::PATH, described: describe::operation::<O>(), handler }
    }

    /// An operation that the configuration may let need a tap.
    pub(super) fn confirmed<O, F, R>(handler: F) -> Self
    where
        O: Confirmed,
        F: Fn(Call, O::Target, O::Input) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<O::Answer, Problem>> + Send + 'static,
    {
        const { assert!(O::ACTION.is_some() && matches!(O::METHOD, Method::Post)) };
        let serve = async move |State(api): State<ApiState>,
                                Extension(origin): Extension<Origin>,
                                request: Request| {
            api.answer_confirmed::<O, _, _>(&origin, request, handler).await
        };
        Self { path: O::PATH, described: describe::operation::<O>(), handler: post(serve) }
    }
}

/// A call of an operation by an administrator who may do it.
pub(super) struct Call {
    api: ApiState,
    pub(super) identity: Caller,
    /// The store, with the administrator as who acts.
    pub(super) store: Store,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl Call {
    pub(super) fn verifier(&self) -> &Arc<Verifier> {
        &self.api.0.server.verifier
    }

    /// The keys, with the administrator as who changes them.
    pub(super) fn keyring(&self) -> Keyring {
        self.verifier().keyring().acting_through(Arc::new(self.store.clone()))
    }

    pub(super) fn description(&self) -> &serde_json::Value {
        &self.api.0.description
    }

    /// Returns the time now, which is later than that of the call if it has waited.
    pub(super) fn time(&self) -> u64 {
        self.api.0.server.clock.now()
    }

    /// Completes when the server shuts down.
    pub(super) async fn server_ended(&self) {
        self.api.0.server.ended().await;
    }

    /// Lets the call act as this actor, from this time on.
    pub(super) fn acting_as(self, actor: Actor, now: u64) -> Self {
        let store = self.store.acting_as(actor);
        Self { store, now, ..self }
    }

    /// Takes the turn of verifying the whole audit log.
    pub(super) fn verification(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let busy = |_| Problem::new(ProblemType::Busy, "The audit log is being verified. Try again later.");
        self.api.0.verification.try_acquire().map_err(busy)
    }
}

impl ApiState {
    async fn answer<O, F, R>(&self, origin: &Origin, request: Request, handler: F) -> Response
    where
        O: Operation,
        F: Fn(Call, O::Target, O::Input) -> R,
        R: Future<Output = Result<O::Answer, Problem>> + Send + 'static,
    {
        let outcome = async {
            let call = self.admit::<O>(origin, &request)?;
            let (target, input) =
                self.read::<O::Target, O::Input>(O::METHOD, O::MAX_BODY_BYTES, request).await?;
            run_to_end(handler(call, target, input)).await
        };
        challenged(answered(O::NAME, StatusCode::OK, outcome.await))
    }

    async fn answer_confirmed<O, F, R>(&self, origin: &Origin, request: Request, handler: F) -> Response
    where
        O: Confirmed,
        F: Fn(Call, O::Target, O::Input) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O::Answer, Problem>> + Send + 'static,
    {
        match self.confirm::<O, _, _>(origin, request, handler).await {
            Ok(answer) => challenged(answered(O::NAME, StatusCode::OK, Ok::<_, Problem>(answer))),
            Err(NotConfirmed::Problem(problem)) => {
                challenged(answered(O::NAME, StatusCode::OK, Err::<(), _>(problem)))
            }
            Err(NotConfirmed::Tap(needed)) => {
                let status = StatusCode::from_u16(TapNeeded::STATUS).unwrap_or(StatusCode::FORBIDDEN);
                json_response(status, problem::MEDIA_TYPE, "no-store", &needed)
            }
        }
    }

    /// Does an operation, once the tap that it needs was given.
    async fn confirm<O, F, R>(
        &self,
        origin: &Origin,
        request: Request,
        handler: F,
    ) -> Result<O::Answer, NotConfirmed>
    where
        O: Confirmed,
        F: Fn(Call, O::Target, O::Input) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O::Answer, Problem>> + Send + 'static,
    {
        let call = self.admit::<O>(origin, &request)?;
        let approval = approval(request.headers())?;
        let (mut target, input) =
            self.read::<O::Target, O::Input>(O::METHOD, O::MAX_BODY_BYTES, request).await?;
        let Some(action) = DangerousAction::of::<O>(&call, &mut target, &input).await? else {
            return Ok(run_to_end(handler(call, target, input)).await?);
        };
        let Some(approval) = approval else {
            let needed = run_to_end(async move { action.request(&call).await }).await?;
            return Err(NotConfirmed::Tap(Box::new(needed)));
        };
        let approved = action.wait(&call, &approval).await?;
        // From here on it is done also if the caller is gone.
        Ok(run_to_end(async move { handler(approved.spend(call).await?, target, input).await }).await?)
    }

    fn admit<O: Operation>(&self, origin: &Origin, request: &Request) -> Result<Call, Problem> {
        let server = &self.0.server;
        let now = server.clock.now();
        let identity = self.0.identities.identify(origin, request.headers(), now)?;
        caller::administrator(&identity.name);
        if !identity.scopes.contains(&O::SCOPE) {
            let (name, scope) = (&identity.name, O::SCOPE.as_str());
            return Err(AdminProblem::Forbidden.because(format!("{name} lacks the scope {scope}.")));
        }
        if let Origin::Remote { .. } = origin {
            self.0.paces.take(identity.name.clone(), now).map_err(|seconds| {
                AdminProblem::TooMany.because(format!("Try again after {seconds} s.")).retry_after(seconds)
            })?;
        }
        let store = server.verifier.store().acting_as(identity.actor.clone());
        Ok(Call { api: self.clone(), identity, store, now })
    }

    async fn read<T: ApiType, I: ApiType>(
        &self,
        method: Method,
        limit: usize,
        request: Request,
    ) -> Result<(T, I), Problem> {
        let (mut parts, body) = request.into_parts();
        let target = Path::from_request_parts(&mut parts, &());
        let Path(target) =
            target.await.map_err(|error| Problem::new(ProblemType::Malformed, error.body_text()))?;
        let input = match method {
            Method::Post => self.0.server.json(Request::from_parts(parts, body), limit).await?,
            Method::Get | Method::Delete => {
                let query = Query::try_from_uri(&parts.uri);
                query.map_err(|error| Problem::new(ProblemType::Malformed, error.body_text()))?.0
            }
        };
        Ok((target, input))
    }
}

/// Adds the challenge to an answer for which the caller must authenticate.
fn challenged(mut answer: Response) -> Response {
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Returns the handle of a requested tap.
fn approval(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(APPROVAL_HEADER) else { return Ok(None) };
    let text =
        value.to_str().map_err(|_| Problem::new(ProblemType::Malformed, "The approval is no text."))?;
    Ok(Some(text.to_owned()))
}
