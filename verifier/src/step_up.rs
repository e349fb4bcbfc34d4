//! Step-up: an application requests it, a device answers it.
//!
//! ```text
//! request -> offer, event -> evidence -> verdict, policy -> R -> assertion -> approval, once
//! ```
//!
//! All state is in the store and each step is one transaction, so that a killed verifier resumes where it stopped.
//! Every step-up ends, and the audit log records every result.

mod action;
mod assertion;
mod channel;
mod evidence;
mod limits;
mod maintenance;
mod pin_tap;
mod request;
mod result;

pub use crate::store::approval::{Approval, Redemption};
pub(crate) use action::{ActionStepUp, ActionStepUpState};
pub use channel::Channel;
pub use maintenance::DEVICE_SECONDS;

use crate::appraisal::step_up::StepUpPolicy;
use crate::attestation::Attestation;
use crate::config::Config;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::pace::{Paces, Rate};
use crate::security_keys::ModelStore;
use crate::store::Store;
use channel::Channels;
use maintenance::MaintenanceState;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, broadcast};
use vitalsign_protocol::details::DetailsSchema;
use vitalsign_protocol::id::{EnrolmentId, StepUpId};
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_webauthn::RelyingParty;

/// Validated request of an authenticated application.
#[derive(Clone, Debug, PartialEq)]
pub struct StepUpRequest {
    /// `client_id` of the application.
    pub client: String,
    /// Name of the application that people are shown.
    pub application: String,
    /// Requested user. The application does not learn whether the user exists.
    pub login_hint: String,
    pub message: String,
    pub acr: Acr,
    /// `authorization_details` (RFC 9396).
    pub authorization_details: Option<serde_json::Value>,
    /// Schemas of the details' types, where an administrator registered one.
    pub details_schemas: BTreeMap<String, DetailsSchema>,
    /// Device at which the user is, if the application knows it; otherwise all devices of the user are asked.
    pub device: Option<EnrolmentId>,
    /// Lifetime in seconds.
    pub expires_in: u64,
}

/// Pending step-up that was just created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUpStarted {
    pub step_up: StepUpId,
    /// Identifier for the application (`auth_req_id`), a secret.
    pub auth_req_id: String,
    /// Seconds until the step-up expires.
    pub expires_in: u64,
}

/// Status of a step-up, for the application that requested it.
#[derive(Clone, Debug, PartialEq)]
pub enum StepUpStatus {
    /// Pending. [`StepUps::results`] reports when it closes.
    Pending {
        step_up: StepUpId,
        /// Expiry in seconds since 1970.
        expires: u64,
    },
    /// Closed without approval: the result, and the names of the device's failed checks if they are the
    /// cause.
    Ended(StepUpResult, Vec<String>),
    /// Approved, with the tokens to issue. Returned again for a short time to the same application with the same key.
    Approved(Box<Approval>),
    /// No such step-up for this application, or its tokens were already issued.
    Unknown,
}

/// Number of results that a waiting task may miss before it must query the state itself.
const RESULT_QUEUE: usize = 1024;

/// Number of applications whose pace is remembered.
const REMEMBERED_CLIENTS: usize = 4096;

/// Requests step-ups of devices and verifies what they answer.
pub struct StepUps {
    config: Arc<Config>,
    store: Arc<Store>,
    attestation: Arc<Attestation>,
    policy: Live<StepUpPolicy>,
    relying_party: Arc<RelyingParty>,
    models: Arc<ModelStore>,
    channels: Arc<Channels>,
    results: broadcast::Sender<StepUpId>,
    maintenance: Mutex<MaintenanceState>,
    /// Paces of applications, by `client_id`.
    client_paces: Paces<String>,
    metrics: Arc<Metrics>,
}

impl StepUps {
    pub(crate) fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        attestation: Arc<Attestation>,
        policy: StepUpPolicy,
        relying_party: Arc<RelyingParty>,
        models: Arc<ModelStore>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let channels = Arc::new(Channels::new(config.limits.event_channels()));
        let results = broadcast::Sender::new(RESULT_QUEUE);
        let client_paces =
            Paces::new(Rate::per_minute(config.limits.step_ups_per_minute), REMEMBERED_CLIENTS);
        let (maintenance, policy) = (Mutex::default(), Live::new(policy));
        Self {
            config,
            store,
            attestation,
            policy,
            relying_party,
            models,
            channels,
            results,
            maintenance,
            client_paces,
            metrics,
        }
    }

    /// Decides by another policy from now on.
    pub(crate) fn set_policy(&self, policy: StepUpPolicy) {
        self.policy.set(policy);
    }

    /// Returns the ID of the step-up policy in force.
    #[must_use]
    pub fn policy_id(&self) -> String {
        self.policy.get().policy_id().to_owned()
    }

    /// Subscribes to the step-ups that close from now on, each sent once its result is durable. A receiver that lags
    /// must query the state itself.
    #[must_use]
    pub fn results(&self) -> broadcast::Receiver<StepUpId> {
        self.results.subscribe()
    }
}
