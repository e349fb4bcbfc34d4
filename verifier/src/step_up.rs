//! Step-up, as an application asks for it and as a device answers it.

use serde::{Deserialize, Serialize};
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId};
use vitalsign_protocol::step_up::{Acr, End};

/// What an application asks for. It has been authenticated, and every member has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The application: its `client_id`.
    pub client: String,
    /// Its name, as people are shown it.
    pub application: String,
    /// Whom it asks for. There may be no such user; the application is not told.
    pub login_hint: String,
    /// What for.
    pub message: String,
    /// The level.
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
pub struct Begun {
    /// Its name towards devices.
    pub step_up: StepUpId,
    /// Its name towards the application, `auth_req_id`: a secret.
    pub auth_req_id: String,
    /// It ends after so many seconds.
    pub expires_in: u64,
}

/// How a step-up stands, to the application that asked for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nobody has answered yet. Whoever waits is told of the end by [`crate::Verifier::step_up_ends`].
    Pending {
        /// The step-up.
        step_up: StepUpId,
        /// Until when it waits, in seconds since 1970.
        expires: u64,
    },
    /// It ended without a tap.
    Ended(End),
    /// The tap holds. This is said once: the token is made from it.
    Approved(Box<Approval>),
    /// There is none of this name for this application, or its token was given out.
    Unknown,
}

/// What a token is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The step-up.
    pub step_up: StepUpId,
    /// The user's handle, 16 bytes: `sub`, in base64url.
    pub subject: String,
    /// The user's name.
    pub user: String,
    /// The level that was reached: the one that was asked for.
    pub acr: Acr,
    /// How (RFC 8176): `hwk`, `user`, `pin`, `mfa`.
    pub amr: Vec<String>,
    /// When the tap was verified, in seconds since 1970.
    pub auth_time: u64,
    /// SHA-256 of the verdict (the EAR's JWT).
    pub ear: Digest,
    /// What it says.
    pub ear_status: Tier,
    /// The device.
    pub device: EnrolmentId,
    /// The security key's model (AAGUID), in hexadecimal with dashes.
    pub aaguid: String,
    /// The audit entry that proves it.
    pub audit: u64,
    /// What was confirmed, as it was asked for (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
}
