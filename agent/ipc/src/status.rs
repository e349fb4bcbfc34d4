//! Status of the agent, as shown to people.

use crate::display::Display;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitalsign_protocol::check::Fixers;
use vitalsign_protocol::details::DetailsSchema;
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId};
use vitalsign_protocol::organisation::{Colour, Support};
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::step_up::{Acr, StepUpResult};

/// State of the relation to the verifier and of the report key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AgentState {
    /// Enrolled, and nothing was sent yet.
    Starting,
    /// There is no enrolment, and no token to get one.
    NotEnrolled,
    /// An enrolment is in progress.
    Enrolling,
    /// The verifier has the newest facts.
    Reporting,
    /// The verifier cannot be reached. The last verdict remains valid until it expires.
    Offline {
        /// Since when, in seconds since 1970.
        since: u64,
        /// Error of the last attempt, for people.
        detail: String,
    },
    /// The verifier has revoked this device.
    Revoked,
    /// The verifier refuses this device's requests.
    Refused {
        /// The problem's type, a URN.
        problem: String,
        /// Description of the problem, for people.
        detail: String,
    },
    /// The report key cannot be used now.
    KeyTrouble {
        /// Error of the key's device, for people.
        detail: String,
    },
}

/// Everything that a person can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Current state, see [`AgentState`].
    pub standing: AgentState,
    /// Identifier of the device's enrolment.
    pub enrolment: Option<EnrolmentId>,
    /// Last verdict, with verified signature.
    pub ear: Option<Ear>,
    /// Time of the last verdict, in seconds since 1970.
    pub reported_at: Option<u64>,
    /// Most recently collected facts.
    pub posture: Option<Posture>,
    /// A report or an enrolment is in progress.
    pub busy: bool,
    /// Seconds until the next report is due.
    pub next_report_seconds: u64,
    /// Cost of the last report.
    pub cost: Option<Cost>,
    /// The verifier can reach this device at once.
    #[serde(default)]
    pub listening: bool,
    /// Open step-ups, the oldest first, and results of closed ones for a few seconds.
    #[serde(default)]
    pub step_ups: Vec<StepUp>,
    /// The organisation's guidance for people, from the device's configuration and the verifier.
    #[serde(default)]
    pub guidance: Guidance,
    /// The managed settings.
    #[serde(default)]
    pub settings: SettingsState,
}

/// The managed settings, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsState {
    /// Names of the settings that management sets, such as `support.phone`.
    pub managed: Vec<String>,
    /// Reason why the managed files cannot be used, with file and line. The last ones that could stay in force.
    pub refused: Option<String>,
}

/// The organisation's name, ways to reach IT, who fixes failed checks, and how the app looks and sounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guidance {
    /// Name of the organisation.
    pub organisation: Option<String>,
    /// The organisation's colour.
    pub colour: Option<Colour>,
    /// Version of the texts and the logo, which [`Request::Organisation`](crate::Request::Organisation) gets.
    pub version: Option<Digest>,
    /// Ways to reach the organisation's IT staff.
    pub support: Support,
    /// Party that fixes failed checks.
    pub fixers: Fixers,
    /// Appearance and loudness of the app.
    pub display: Display,
}

/// A step-up, as a person is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// Identifier of the step-up.
    pub id: StepUpId,
    /// Name of the requesting application.
    pub application: String,
    /// Name of the user who should tap.
    pub user: String,
    /// Text to confirm (`binding_message`). Untrusted: display as plain text.
    pub message: String,
    /// More, as the application put it (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
    /// Schemas of the details, by type: order and labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details_schemas: BTreeMap<String, DetailsSchema>,
    /// The level that is asked for.
    pub acr: Acr,
    /// Until when, in seconds since 1970 by this device's clock.
    pub until: u64,
    /// Time of the tap with a PIN on which this one may rest, in seconds since 1970 by the verifier's clock: the key need
    /// not ask for the PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_entered: Option<u64>,
    /// Progress of the step-up.
    pub stage: Stage,
}

/// Progress of a step-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// The facts are read and signed.
    Preparing,
    /// The person is asked to tap.
    Tap,
    /// The tap is being verified.
    Checking,
    /// The step-up is closed.
    Ended {
        /// Result of the step-up.
        end: StepUpResult,
        /// Reasons: names of failed checks if the device does not meet the level; otherwise the invalid part
        /// of the verifier's request (`transaction`, `verdict`, `relying-party`, `challenge`, `credentials`,
        /// `user-verification`) or the problem with which the verifier refused.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<String>,
    },
}

/// Options for a security key, for the relying party that was pinned at enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpCeremony {
    /// The origin: what `clientDataJSON` is to name.
    pub origin: String,
    /// The relying party ID.
    pub rp_id: String,
    /// PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON (WebAuthn L3 section
    /// 5.1).
    pub options: serde_json::Value,
}

/// Measured cost of a report, from collecting facts to the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Size of the evidence in bytes.
    pub evidence_bytes: u64,
    /// Requests to the verifier, a nonce's included.
    pub round_trips: u64,
    /// Number of commands to the device that holds the key.
    pub hardware_commands: u64,
    /// Microseconds that reading all facts took.
    pub collect_micros: u64,
    /// Microseconds that signing took, the hardware's own time included.
    pub sign_micros: u64,
}
