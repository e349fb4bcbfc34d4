//! Step-up, as an application asks for it and as a device answers it.
//!
//! ```text
//! ask_step_up -> offer, event -> evidence -> verdict, policy -> R -> assertion -> approval, once
//! ```
//!
//! All of it lies in the store, and each step is one transaction, so that a verifier that is killed goes on where it
//! was. Every step-up ends, and every end is in the audit log.

mod ask;
mod assertion;
pub(crate) mod channel;
pub(crate) mod ends;
mod evidence;
pub mod prove;

pub use channel::Channel;
pub use ends::DEVICE_SECONDS;

use serde::{Deserialize, Serialize};
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::jwt::JwkSet;
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_webauthn::AssertionProof;

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
    /// Pending. [`crate::Verifier::step_up_ends`] reports when it closes.
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

/// Content of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub step_up: StepUpId,
    /// The user's handle, 16 bytes: `sub`, in base64url.
    pub subject: String,
    pub user: String,
    /// Level that was reached; the requested one.
    pub acr: Acr,
    /// Authentication methods (RFC 8176): `hwk`, `user`, `mfa`.
    pub amr: Vec<String>,
    /// Time at which the tap was verified, in seconds since 1970.
    pub auth_time: u64,
    /// SHA-256 of the verdict (the EAR's JWT).
    pub ear: Digest,
    pub ear_status: Tier,
    pub device: EnrolmentId,
    /// The security key's model (AAGUID), in hexadecimal with dashes.
    pub aaguid: String,
    /// The audit entry that proves it.
    pub audit: u64,
    /// Approved details, as requested (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
}

/// Record of an approval in the audit log. Together with the evidence it suffices to prove the approval years
/// later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    pub step_up: StepUpId,
    /// `client_id` of the application.
    pub client: String,
    pub user: String,
    pub subject: Base64Url,
    /// The level that was reached.
    pub acr: Acr,
    /// The transaction's text, as it was shown and bound.
    pub transaction: String,
    /// `R` of the binding.
    pub random: Nonce,
    /// The device's report key: its uncompressed point.
    pub report_key: Base64Url,
    pub credential: Base64Url,
    pub aaguid: String,
    /// Model name from the FIDO metadata.
    pub model: String,
    pub rp_id: String,
    pub origin: String,
    /// The assertion, and the credential's public key.
    pub proof: AssertionProof,
    /// The verdict on the evidence.
    pub ear: String,
    /// The keys that check it.
    pub ear_keys: JwkSet,
    /// The policy that let the level be reached.
    pub policy: String,
}
