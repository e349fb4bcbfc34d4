//! How things stand, for a person.

use serde::{Deserialize, Serialize};
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::id::{EnrolmentId, StepUpId};
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::step_up::{Acr, StepUpResult};

/// Where the agent stands with its verifier and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AgentState {
    /// Enrolled, and nothing was sent yet.
    Starting,
    /// There is no enrolment, and no token to get one.
    NotEnrolled,
    /// Enrolment is under way.
    Enrolling,
    /// The verifier has the newest facts.
    Reporting,
    /// The verifier cannot be reached. The last verdict stands until it expires.
    Offline {
        /// Since when, in seconds since 1970.
        since: u64,
        /// What went wrong.
        detail: String,
    },
    /// The verifier has revoked this device.
    Revoked,
    /// The verifier refuses.
    Refused {
        /// The problem's type, a URN.
        problem: String,
        /// What it says.
        detail: String,
    },
    /// The report key cannot be used now.
    KeyTrouble {
        /// What the key's device says.
        detail: String,
    },
}

/// Everything that a person can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it stands.
    pub standing: AgentState,
    /// The device's enrolment.
    pub enrolment: Option<EnrolmentId>,
    /// The last verdict, checked.
    pub ear: Option<Ear>,
    /// When the last report was judged, in seconds since 1970.
    pub reported_at: Option<u64>,
    /// The newest facts.
    pub posture: Option<Posture>,
    /// Something is under way.
    pub busy: bool,
    /// Seconds until the next report is due.
    pub next_report_seconds: u64,
    /// What the last report cost.
    pub cost: Option<Cost>,
    /// The verifier can reach this device at once.
    #[serde(default)]
    pub listening: bool,
    /// Step-ups that are asked of whoever is here, the oldest first; those that ended stay for a few seconds.
    #[serde(default)]
    pub step_ups: Vec<StepUp>,
}

/// A step-up, as a person is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// Its name.
    pub id: StepUpId,
    /// Which application asks.
    pub application: String,
    /// For whom.
    pub user: String,
    /// What for. Text from outside: data, never markup.
    pub message: String,
    /// More, as the application put it (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
    /// The level that is asked for.
    pub acr: Acr,
    /// Until when, in seconds since 1970 by this device's clock.
    pub until: u64,
    /// How far it is.
    pub stage: Stage,
}

/// How far a step-up is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// The facts are read and signed.
    Preparing,
    /// The person is asked to tap.
    Tap,
    /// The tap is being verified.
    Checking,
    /// It has ended.
    Ended {
        /// How.
        end: StepUpResult,
        /// Why: names of checks, where the device is not in the state that is asked for; else what of the verifier's
        /// request does not hold (`transaction`, `verdict`, `relying-party`, `challenge`, `credentials`), or the
        /// problem with which it refused.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<String>,
    },
}

/// What a security key is to do, for the relying party that was pinned at enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpCeremony {
    /// The origin: what `clientDataJSON` is to name.
    pub origin: String,
    /// The relying-party id.
    pub rp_id: String,
    /// PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON.
    pub options: serde_json::Value,
}

/// What a report cost, as measured: from the evidence being signed to the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes of evidence.
    pub evidence_bytes: u64,
    /// Requests to the verifier, a nonce's included.
    pub round_trips: u64,
    /// Commands to the hardware that holds the key.
    pub hardware_commands: u64,
    /// Microseconds that reading all facts took.
    pub collect_micros: u64,
    /// Microseconds that signing took, the hardware's own time included.
    pub sign_micros: u64,
}
