//! Confirmation of an action by a tap.

use super::text::OneTimeSecret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vitalsign_protocol::id::StepUpId;

/// Header of a repeated request, with the `approval` of [`TapNeeded`].
pub const APPROVAL_HEADER: &str = "vitalsign-approval";

/// The action needs a tap: a problem (RFC 9457) with further members. Repeat the same request with the header
/// `vitalsign-approval`; it is answered when the person has decided, or after some seconds with this problem again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TapNeeded {
    #[serde(rename = "type")]
    pub problem_type: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Value of the header. It is worth nothing to other administrators and for other actions.
    pub approval: OneTimeSecret,
    #[schemars(with = "String")]
    pub step_up: StepUpId,
    /// Name of the user who is asked.
    pub user: String,
    /// Text that they read.
    pub message: String,
    /// Seconds until the request for the tap expires.
    pub expires_in: u64,
}

impl TapNeeded {
    pub const TYPE: &str = "urn:vitalsign:problem:admin:tap-needed";
    pub const STATUS: u16 = 403;

    pub(crate) fn new(
        approval: OneTimeSecret,
        step_up: StepUpId,
        user: String,
        message: String,
        expires_in: u64,
    ) -> Self {
        Self {
            problem_type: Self::TYPE.to_owned(),
            title: "The action needs a tap.".to_owned(),
            status: Self::STATUS,
            detail: format!("{user} is asked to confirm it with a security key."),
            approval,
            step_up,
            user,
            message,
            expires_in,
        }
    }
}

/// The tap that is not needed any more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TapCancellation {
    pub approval: OneTimeSecret,
}
