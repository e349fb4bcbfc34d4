//! How things stand, for a person.

use serde::{Deserialize, Serialize};
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_protocol::posture::Posture;

/// Where the agent stands with its verifier and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
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

impl Standing {
    pub(crate) fn waits_for_the_network(&self) -> bool {
        matches!(self, Self::Offline { .. } | Self::Starting | Self::Enrolling | Self::NotEnrolled)
    }
}

/// Everything that a person can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it stands.
    pub standing: Standing,
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
