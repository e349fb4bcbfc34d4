//! Approvals of step-ups, as the store keeps them until their token is issued.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId};
use vitalsign_protocol::step_up::Acr;

/// Claims from which the tokens are issued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    #[schemars(with = "String")]
    pub step_up: StepUpId,
    /// The user's handle, 16 bytes: `sub`, in base64url.
    pub subject: String,
    pub user: String,
    /// Level that was reached; equals the requested level.
    #[schemars(with = "String")]
    pub acr: Acr,
    /// Authentication methods (RFC 8176): `hwk`, `user`, and `mfa` if this tap verified its user.
    pub amr: Vec<String>,
    /// Time at which the tap was verified, in seconds since 1970.
    pub auth_time: u64,
    /// SHA-256 of the verdict (the EAR's JWT).
    #[schemars(with = "String")]
    pub ear: Digest,
    #[schemars(with = "String")]
    pub ear_status: Tier,
    #[schemars(with = "String")]
    pub device: EnrolmentId,
    /// The security key's model (AAGUID), in hexadecimal with dashes.
    pub aaguid: String,
    /// Sequence number of the audit entry that proves the approval.
    pub audit: u64,
    /// The text that was bound. `None` in approvals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// Sequence number of the entry with the PIN on which the tap rests, if it did not verify its user itself.
    pub rests_on: Option<u64>,
    /// Approved details, as requested (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
    /// The tokens that were issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redemption: Option<Redemption>,
}

/// The tokens of an approval: enough to issue the same ones again, and to know for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redemption {
    /// Time at which they were issued, in seconds since 1970.
    pub at: u64,
    /// Thumbprint of the key to which they are bound (RFC 9449).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// `jti` of the ID token and of the access token.
    pub id_jti: String,
    pub access_jti: String,
}
