//! State that survives a restart.

use serde::{Deserialize, Serialize};
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_protocol::jwt::{self, JwkSet};
use vitalsign_protocol::message::Enrolled;

/// The agent's saved state. No secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The enrolment, and what was pinned with it.
    pub enrolled: Option<Enrolment>,
    /// The last verdict, as it was signed.
    pub ear: Option<String>,
    /// Time of the last verdict, in seconds since 1970.
    pub reported_at: Option<u64>,
    /// A verifier may know names of this device. It stays set, because a verifier that is restored from a backup knows
    /// names again that it forgot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_sent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    pub enrolment: EnrolmentId,
    /// The keys that sign verdicts.
    pub ear_keys: JwkSet,
    /// The relying-party id of step-up.
    pub rp_id: String,
    pub origin: String,
}

impl Saved {
    /// The last verdict, if it still holds under the pinned keys.
    pub(crate) fn last_ear(&self) -> Option<Ear> {
        let keys = &self.enrolled.as_ref()?.ear_keys;
        jwt::verify(self.ear.as_ref()?, ear::TYP, keys).ok()
    }
}

impl From<&Enrolled> for Enrolment {
    fn from(enrolled: &Enrolled) -> Self {
        Self {
            enrolment: enrolled.enrolment,
            ear_keys: enrolled.ear_keys.clone(),
            rp_id: enrolled.rp_id.clone(),
            origin: enrolled.origin.clone(),
        }
    }
}
