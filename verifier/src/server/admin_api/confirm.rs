//! Confirms dangerous actions by a tap of the administrator's security key.
//!
//! ```text
//! action -> step-up of the administrator's user -> tap-needed with a handle
//! same action with the handle -> approved -> spent -> done, once
//! ```
//!
//! The transaction contains the action with its target, input and administrator, so that the tap covers all of it, and the
//! handle is worth nothing for another action. All state is the step-up in the store.

use super::answer::Call;
use super::identity::Confirming;
use crate::admin_api::{AdminAction, AdminProblem, OneTimeSecret, Operation, TapNeeded};
use crate::oidc::{new_secret, plainly};
use crate::step_up::{ActionStepUp, ActionStepUpState, StepUpRequest};
use crate::store::client::{AddedClient, CONFIRMATION, CONFIRMATION_ID, Client, ClientSettings};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use vitalsign_protocol::check;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::Acr;
use vitalsign_protocol::text::is_plain;

/// Type of the action in `authorization_details`.
const DETAILS_TYPE: &str = "vitalsign-admin-action";
/// Level of the tap: with a PIN or fingerprint, at a healthy device.
const LEVEL: Acr = Acr::HealthyDevice;
/// Seconds that the person has.
const EXPIRY: u64 = 120;
/// Time for which an answer waits for the person.
const HOLD: Duration = Duration::from_secs(20);
/// Longer handles are not looked up.
const MAX_APPROVAL_BYTES: usize = 256;

/// An operation that may need a tap.
pub(super) trait Confirmed: Operation {
    /// Describes what will be done, in a sentence for the person; `None` if it changes nothing. Replaces names in the target
    /// by those to which the tap binds the action.
    fn describe(
        call: &Call,
        target: &mut Self::Target,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Option<String>, Problem>> + Send;

    /// Returns whether it needs a tap, as soon as any action does.
    fn is_always_confirmed(_: &Call, _: &Self::Target) -> bool {
        false
    }
}

/// Reason why an action is not done.
pub(super) enum NotConfirmed {
    Problem(Problem),
    /// Not yet.
    Tap(Box<TapNeeded>),
}

impl From<Problem> for NotConfirmed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// An approved step-up, to be spent on the action.
pub(super) struct ApprovedAction(ActionStepUp);

/// Action that needs the tap of a user.
pub(super) struct DangerousAction {
    user: String,
    message: String,
    details: Value,
}

fn refused(why: impl Into<String>) -> Problem {
    AdminProblem::TapRefused.because(why)
}

impl DangerousAction {
    /// Describes the action, if it needs a tap.
    ///
    /// # Errors
    /// The action cannot be done, or no one can confirm it.
    pub(super) async fn of<O: Confirmed>(
        call: &Call,
        target: &mut O::Target,
        input: &O::Input,
    ) -> Result<Option<Self>, Problem> {
        let settings = &call.verifier().config().admin_api;
        let Some(action) = O::ACTION.filter(|_| !settings.tap.is_empty()) else { return Ok(None) };
        let user = match &call.identity.confirming {
            Confirming::NotNeeded => return Ok(None),
            Confirming::User(user) => Some(user.clone()),
            Confirming::Nobody => None,
        };
        let Some(sentence) = O::describe(call, target, input).await? else { return Ok(None) };
        if !settings.tap.contains(&action) && !O::is_always_confirmed(call, target) {
            return Ok(None);
        }
        let name = &call.identity.name;
        let user = user.ok_or_else(|| refused(no_user(action, call)))?;
        let message = format!("{sentence} Requested by {name}.");
        if !is_plain(&message) {
            return Err(refused("The action has control characters, or such as hide or reorder text."));
        }
        let json =
            |value: serde_json::Result<Value>| value.map_err(|_| Problem::new(ProblemType::Internal, ""));
        let details = json!([{
            "type": DETAILS_TYPE,
            "action": action,
            "target": json(serde_json::to_value(target))?,
            "input": json(serde_json::to_value(input))?,
            "administrator": name,
        }]);
        Ok(Some(Self { user, message, details }))
    }

    /// Asks the user for the tap.
    pub(super) async fn request(self, call: &Call) -> Result<TapNeeded, Problem> {
        let Self { user, message, details } = self;
        check_user(call, &user).await?;
        register(call).await?;
        let request = StepUpRequest {
            client: CONFIRMATION_ID.to_owned(),
            application: CONFIRMATION.to_owned(),
            login_hint: user.clone(),
            message: message.clone(),
            acr: LEVEL,
            authorization_details: Some(details),
            details_schemas: Default::default(),
            device: None,
            expires_in: EXPIRY,
        };
        let begun = call.verifier().step_ups.request(request, call.now).await;
        // A command must not repeat the request by itself, as it does for `too-many`.
        let begun = begun.map_err(|problem| match problem.status {
            429 | 503 => refused(problem.detail.unwrap_or(problem.title)),
            _ => problem,
        })?;
        tracing::info!(user, step_up = %begun.step_up, "a tap is needed for an administrator's action");
        Ok(TapNeeded::new(begun.auth_req_id.into(), begun.step_up, user, message, begun.expires_in))
    }

    /// Waits until the user has decided about exactly this action.
    ///
    /// # Errors
    /// It is not approved, or not yet.
    pub(super) async fn wait(&self, call: &Call, approval: &str) -> Result<ApprovedAction, NotConfirmed> {
        let until = tokio::time::Instant::now() + HOLD;
        // Subscribed before the first look, so that an end between the look and the wait is not missed.
        let mut ends = call.verifier().step_ups.results();
        loop {
            let found = find(call, approval).await?;
            let transaction = &found.transaction;
            let same = transaction.user == self.user
                && transaction.acr == LEVEL
                && transaction.authorization_details.as_ref() == Some(&self.details);
            if !same {
                return Err(
                    refused("This is not the action for which a tap was requested. Begin again.").into()
                );
            }
            let expires = match &found.state {
                ActionStepUpState::Approved(approved) if approved.user == self.user => {
                    return Ok(ApprovedAction(found));
                }
                ActionStepUpState::Approved(_) | ActionStepUpState::Spent => return Err(spent().into()),
                ActionStepUpState::Refused(end, reasons) => {
                    let checks: Vec<_> = reasons
                        .iter()
                        .map(|name| match check::of(name) {
                            Some(text) => format!(" {}: {}", text.title, check::remedy(name, "").text),
                            None => format!(" {name}."),
                        })
                        .collect();
                    let why =
                        format!("{} was asked for a tap: {}{}", self.user, plainly(*end), checks.concat());
                    return Err(refused(why).into());
                }
                ActionStepUpState::Pending(expires) => *expires,
            };
            let step_up = found.step_up;
            let ended = async {
                loop {
                    match ends.recv().await {
                        Ok(other) if other != step_up => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = ended => continue,
                () = tokio::time::sleep_until(until) => {}
                () = call.server_ended() => {}
            }
            let approval: OneTimeSecret = approval.to_owned().into();
            let (user, message) = (self.user.clone(), found.transaction.message);
            let left = expires.saturating_sub(call.time());
            return Err(NotConfirmed::Tap(Box::new(TapNeeded::new(approval, step_up, user, message, left))));
        }
    }
}

impl ApprovedAction {
    /// Spends the approval, and returns the call with the tap as a part of who acts.
    pub(super) async fn spend(self, call: Call) -> Result<Call, Problem> {
        let ActionStepUp { step_up, state, .. } = self.0;
        let ActionStepUpState::Approved(approved) = state else { return Err(spent()) };
        let now = call.time();
        if !call.verifier().step_ups.spend(&step_up, now).await? {
            return Err(spent());
        }
        let actor = call.identity.actor.confirmed(&approved.user, &step_up, approved.audit);
        Ok(call.acting_as(actor, now))
    }
}

/// Withdraws the request for a tap of this administrator.
pub(super) async fn cancel(call: &Call, approval: &str) -> Result<(), Problem> {
    let found = find(call, approval).await?;
    let details = found.transaction.authorization_details.as_ref();
    let administrator = details.and_then(|details| details.get(0)?.get("administrator"));
    if administrator.and_then(Value::as_str) != Some(&call.identity.name) {
        return Err(unknown());
    }
    let now = call.time();
    match call.verifier().step_ups.cancel(CONFIRMATION_ID, approval, now).await? {
        true => Ok(()),
        false => Err(refused("The request for a tap has ended already.")),
    }
}

async fn find(call: &Call, approval: &str) -> Result<ActionStepUp, Problem> {
    if approval.len() > MAX_APPROVAL_BYTES {
        return Err(unknown());
    }
    let step_ups = &call.verifier().step_ups;
    step_ups.confirmation(CONFIRMATION_ID, approval, call.time()).await?.ok_or_else(unknown)
}

fn unknown() -> Problem {
    refused("There is no such request for a tap; it may have expired. Begin again.")
}

fn spent() -> Problem {
    refused("The tap was used already: `audit list` shows whether the action was done.")
}

fn no_user(action: AdminAction, call: &Call) -> String {
    let (action, name) = (action.as_str(), &call.identity.name);
    match call.identity.account() {
        None => format!("{action} needs a tap, and the configuration names no user for {name}."),
        Some(account) => format!(
            "{action} needs a tap, and [admin_api.socket_users] in the configuration names no user for {account}."
        ),
    }
}

/// Checks that the user exists and can tap.
async fn check_user(call: &Call, user: &str) -> Result<(), Problem> {
    let found = call.store.user(user).await?;
    // An alias could be given to another user.
    let found = found.filter(|found| found.name == user);
    let found =
        found.ok_or_else(|| refused(format!("It needs a tap of {user}, and there is no such user.")))?;
    let lacks = match () {
        () if found.disabled_at.is_some() => "is disabled",
        () if call.store.security_keys(found.id).await?.is_empty() => "has no security key",
        () if call.store.user_devices(found.id).await?.is_empty() => "has no device at which to be asked",
        () => return Ok(()),
    };
    Err(refused(format!("It needs a tap of {user}, who {lacks}.")))
}

/// Registers the client of these step-ups, whose secret no one learns.
async fn register(call: &Call) -> Result<(), Problem> {
    if call.store.client(CONFIRMATION_ID).await?.is_some() {
        return Ok(());
    }
    let (_, digest) = new_secret().map_err(|_| Problem::new(ProblemType::Internal, ""))?;
    let client = Client {
        id: CONFIRMATION_ID.to_owned(),
        name: CONFIRMATION.to_owned(),
        audience: format!("urn:{CONFIRMATION_ID}"),
        created: call.now,
        disabled_at: None,
        credential: digest.into(),
        settings: ClientSettings::default(),
    };
    match call.store.add_client(&client).await? {
        AddedClient::Added | AddedClient::IdTaken => Ok(()),
        AddedClient::NameTaken { by } => Err(refused(format!(
            "Client {by} has a name that people could confuse with {CONFIRMATION:?}: disable it first."
        ))),
    }
}
