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

/// What an application asks for. It has been authenticated, and every member has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct StepUpRequest {
    /// The application: its `client_id`.
    pub client: String,
    /// Its name, as people are shown it.
    pub application: String,
    /// Whom it asks for. There may be no such user; the application is not told.
    pub login_hint: String,
    pub message: String,
    pub acr: Acr,
    /// More, as RFC 9396 has it.
    pub authorization_details: Option<serde_json::Value>,
    /// The one device at which the user is, when the application knows it; else those that are theirs are asked.
    pub device: Option<EnrolmentId>,
    /// For so many seconds.
    pub expires_in: u64,
}

/// A step-up that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUpStarted {
    pub step_up: StepUpId,
    /// Its name towards the application, `auth_req_id`: a secret.
    pub auth_req_id: String,
    /// It ends after so many seconds.
    pub expires_in: u64,
}

/// How a step-up stands, to the application that asked for it.
#[derive(Clone, Debug, PartialEq)]
pub enum StepUpStatus {
    /// Nobody has answered yet. Whoever waits is told of the end by [`crate::Verifier::step_up_ends`].
    Pending {
        step_up: StepUpId,
        /// Until when it waits, in seconds since 1970.
        expires: u64,
    },
    /// It ended without a tap; and what of the device stood against the level, when that is why.
    Ended(StepUpResult, Vec<String>),
    /// The tap holds. This is said once: the token is made from it.
    Approved(Box<Approval>),
    /// There is none of this name for this application, or its token was given out.
    Unknown,
}

/// What a token is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub step_up: StepUpId,
    /// The user's handle, 16 bytes: `sub`, in base64url.
    pub subject: String,
    pub user: String,
    /// The level that was reached: the one that was asked for.
    pub acr: Acr,
    /// How (RFC 8176): `hwk`, `user`, `mfa`.
    pub amr: Vec<String>,
    /// When the tap was verified, in seconds since 1970.
    pub auth_time: u64,
    /// SHA-256 of the verdict (the EAR's JWT).
    pub ear: Digest,
    pub ear_status: Tier,
    pub device: EnrolmentId,
    /// The security key's model (AAGUID), in hexadecimal with dashes.
    pub aaguid: String,
    /// The audit entry that proves it.
    pub audit: u64,
    /// What was confirmed, as it was asked for (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
}

/// What the audit log keeps of an approval, beside the evidence: enough to prove it years later with nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    pub step_up: StepUpId,
    /// The application: its `client_id`.
    pub client: String,
    pub user: String,
    pub subject: Base64Url,
    /// The level that was reached.
    pub acr: Acr,
    /// The transaction's text, as it was shown and bound.
    pub transaction: String,
    /// `R`.
    pub random: Nonce,
    /// The device's report key: its uncompressed point.
    pub report_key: Base64Url,
    pub credential: Base64Url,
    pub aaguid: String,
    /// What its maker calls it.
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
