//! Step-up, as an application asks for it and as a device answers it.
//!
//! ```text
//! request -> offer, event -> evidence -> verdict, policy -> R -> assertion -> approval, once
//! ```
//!
//! All of it lies in the store, and each step is one transaction, so that a verifier that is killed goes on where it
//! was. Every step-up ends, and every end is in the audit log.

mod assertion;
mod channel;
mod evidence;
mod maintenance;
mod request;
mod result;

pub use crate::store::approval::Approval;
pub use channel::Channel;
pub use maintenance::DEVICE_SECONDS;

use crate::appraisal::step_up::StepUpPolicy;
use crate::attestation::Attestation;
use crate::config::Config;
use crate::security_keys::ModelStore;
use crate::store::Store;
use channel::Channels;
use maintenance::MaintenanceState;
use std::sync::Arc;
use tokio::sync::{Mutex, broadcast};
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
    /// More, as RFC 9396 has it.
    pub authorization_details: Option<serde_json::Value>,
    /// The one device at which the user is, when the application knows it; else those that are theirs are asked.
    pub device: Option<EnrolmentId>,
    /// Lifetime in seconds.
    pub expires_in: u64,
}

/// A step-up that has begun.
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
        /// Until when it waits, in seconds since 1970.
        expires: u64,
    },
    /// Closed without approval: the result, and the names of the device's failed checks if they are the
    /// cause.
    Ended(StepUpResult, Vec<String>),
    /// The tap holds. This is said once: the token is made from it.
    Approved(Box<Approval>),
    /// No such step-up for this application, or its token was already issued.
    Unknown,
}

/// Number of results that a waiting task may miss before it must query the state itself.
const RESULT_QUEUE: usize = 1024;

/// Requests step-ups of devices and verifies what they answer.
pub struct StepUps {
    config: Arc<Config>,
    store: Arc<Store>,
    attestation: Arc<Attestation>,
    policy: StepUpPolicy,
    relying_party: Arc<RelyingParty>,
    models: Arc<ModelStore>,
    channels: Arc<Channels>,
    results: broadcast::Sender<StepUpId>,
    maintenance: Mutex<MaintenanceState>,
}

impl StepUps {
    pub(crate) fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        attestation: Arc<Attestation>,
        policy: StepUpPolicy,
        relying_party: Arc<RelyingParty>,
        models: Arc<ModelStore>,
    ) -> Self {
        let channels = Arc::new(Channels::new(config.limits.event_channels()));
        let results = broadcast::Sender::new(RESULT_QUEUE);
        let maintenance = Mutex::default();
        Self { config, store, attestation, policy, relying_party, models, channels, results, maintenance }
    }

    /// Subscribes to the step-ups that close from now on, each sent once its result is durable. A receiver that lags
    /// must query the state itself.
    #[must_use]
    pub fn results(&self) -> broadcast::Receiver<StepUpId> {
        self.results.subscribe()
    }
}
