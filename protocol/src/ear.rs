//! The verdict: an EAT Attestation Result (draft-ietf-rats-ear-03) with AR4SI trustworthiness vectors
//! (draft-ietf-rats-ar4si), as a JWT.

use crate::id::{Digest, EnrolmentId, Nonce};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `eat_profile` value of an EAR.
pub const PROFILE: &str = "tag:ietf.org,2026:rats/ear#03";
/// The JWT's `typ`, and its media type.
pub const MEDIA_TYPE: &str = "application/eat+jwt";
/// The JWT header's `typ`: the media type without `application/` (RFC 7515 section 4.1.9).
pub const TYP: &str = "eat+jwt";

/// A trust tier (AR4SI section 3.2), in the order from nothing to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// No claim is made (0).
    #[default]
    None,
    /// The submodule is trustworthy (2).
    Affirming,
    /// The submodule needs attention (32).
    Warning,
    /// The submodule is not trustworthy (96).
    Contraindicated,
}

impl Tier {
    /// Returns the name used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Affirming => "affirming",
            Self::Warning => "warning",
            Self::Contraindicated => "contraindicated",
        }
    }
}
impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Trustworthiness claim from -128 to 127 (AR4SI section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trust(pub i8);

impl Trust {
    /// Returns the tier that the value belongs to.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self.0 {
            -1..=1 => Tier::None,
            -32..=-2 | 2..=31 => Tier::Affirming,
            -96..=-33 | 32..=95 => Tier::Warning,
            -128..=-97 | 96..=127 => Tier::Contraindicated,
        }
    }
}

macro_rules! vector {
    ($($(#[$meta:meta])* $name:literal $field:ident,)+) => {
        /// Trustworthiness claims of one submodule; missing members are not claimed.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct TrustVector {
            $($(#[$meta])* #[serde(rename = $name, default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<Trust>,)+
        }
        impl TrustVector {
            /// The claims that are made.
            pub fn claims(&self) -> impl Iterator<Item = (&'static str, Trust)> {
                [$(($name, self.$field)),+].into_iter().filter_map(|(name, trust)| Some((name, trust?)))
            }
        }
    };
}

vector! {
    /// Is it who it says?
    "instance-identity" instance_identity,
    /// Is it set up well?
    "configuration" configuration,
    /// Does it run what it should?
    "executables" executables,
    /// Are its files as they should be?
    "file-system" file_system,
    /// Is the hardware genuine and sound?
    "hardware" hardware,
    /// Protection of memory at run time.
    "runtime-opaque" runtime_opaque,
    /// Protection of data at rest.
    "storage-opaque" storage_opaque,
    /// Is what it heard from others sound?
    "sourced-data" sourced_data,
}

impl TrustVector {
    /// The worst tier of all claims; none when nothing is claimed.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.claims().map(|(_, trust)| trust.tier()).max().unwrap_or_default()
    }
}

/// Outcome of one check of one submodule (private extension).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name of the check in the policy, for example `disk-encryption`. [`crate::check`] has texts for the
    /// default policy's.
    pub check: String,
    /// Tier of the outcome.
    pub status: Tier,
    /// Reason as one word, for example `ok`, `overdue` or `unreadable`.
    pub reason: String,
    /// Facts that led to the outcome, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub seen: Map<String, Value>,
    /// Since when the status is what it is, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Time at which the outcome becomes worse if nothing is done, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
}

/// The appraisal of one submodule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appraisal {
    /// Never better than the worst claim.
    pub ear_status: Tier,
    /// Trustworthiness claims of the submodule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ear_trustworthiness_vector: Option<TrustVector>,
    /// Identifiers of the appraisal policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ear_appraisal_policy_ids: Vec<String>,
    /// Outcomes of the checks, with reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vitalsign_checks: Vec<Check>,
    /// Unknown members, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Identity of the verifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierId {
    /// Developer of the verifier.
    pub developer: String,
    /// Build of the verifier.
    pub build: String,
}

/// Attestation result (EAR).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ear {
    /// Profile, see [`PROFILE`].
    pub eat_profile: String,
    /// Time of the appraisal, in seconds since 1970.
    pub iat: u64,
    /// Until when it may be relied on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// Identity of the verifier.
    pub ear_verifier_id: VerifierId,
    /// The overall status: the worst of the submodules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ear_status: Option<Tier>,
    /// The nonce of the evidence that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eat_nonce: Option<Nonce>,
    /// The evidence, where it is carried along (base64url).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ear_raw_evidence: Option<String>,
    /// Enrolment of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vitalsign_device: Option<EnrolmentId>,
    /// SHA-256 of the evidence that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vitalsign_evidence: Option<Digest>,
    /// Appraisals by submodule name.
    pub submods: BTreeMap<String, Appraisal>,
    /// Unknown members, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Appraisal {
    /// An appraisal whose status is the worst of its claims and its checks.
    #[must_use]
    pub fn new(vector: TrustVector, checks: Vec<Check>, policy: &str) -> Self {
        let worst_check = checks.iter().map(|check| check.status).max().unwrap_or_default();
        Self {
            ear_status: vector.tier().max(worst_check),
            ear_trustworthiness_vector: vector.claims().next().map(|_| vector),
            ear_appraisal_policy_ids: vec![policy.to_owned()],
            vitalsign_checks: checks,
            other: Map::new(),
        }
    }
}

impl Ear {
    /// The worst status of all submodules.
    #[must_use]
    pub fn overall(submods: &BTreeMap<String, Appraisal>) -> Tier {
        submods.values().map(|appraisal| appraisal.ear_status).max().unwrap_or_default()
    }

    /// Every check with the submodule that it belongs to.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &Check)> {
        self.submods
            .iter()
            .flat_map(|(name, it)| it.vitalsign_checks.iter().map(|check| (name.as_str(), check)))
    }

    /// Checks the profile, and that no status is better than the worst claim below it.
    ///
    /// # Errors
    /// Describes the first violation.
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.eat_profile != PROFILE {
            return Err("eat_profile is not that of an EAR");
        }
        for appraisal in self.submods.values() {
            let worst = appraisal.ear_trustworthiness_vector.map(|v| v.tier()).unwrap_or_default();
            if appraisal.ear_status < worst {
                return Err("a submodule's status is better than its worst claim");
            }
        }
        match self.ear_status {
            Some(status) if status < Self::overall(&self.submods) => {
                Err("the status is better than a submodule's")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_have_the_draft_s_borders() {
        for (claim, tier) in [
            (0, Tier::None),
            (1, Tier::None),
            (-1, Tier::None),
            (2, Tier::Affirming),
            (31, Tier::Affirming),
            (32, Tier::Warning),
            (95, Tier::Warning),
            (96, Tier::Contraindicated),
            (127, Tier::Contraindicated),
            (-2, Tier::Affirming),
            (-32, Tier::Affirming),
            (-33, Tier::Warning),
            (-96, Tier::Warning),
            (-97, Tier::Contraindicated),
            (-128, Tier::Contraindicated),
        ] {
            assert_eq!(Trust(claim).tier(), tier, "{claim}");
        }
    }

    #[test]
    fn a_status_better_than_its_worst_claim_is_refused() {
        let vector =
            TrustVector { hardware: Some(Trust(97)), configuration: Some(Trust(2)), ..Default::default() };
        let mut ear = Ear { eat_profile: PROFILE.into(), ..Default::default() };
        ear.submods.insert("key".into(), Appraisal::new(vector, Vec::new(), "p"));
        assert_eq!(ear.validate(), Ok(()));
        ear.ear_status = Some(Tier::Affirming);
        assert!(ear.validate().is_err());
        ear.ear_status = None;
        ear.submods.get_mut("key").unwrap().ear_status = Tier::Warning;
        assert!(ear.validate().is_err());
    }
}
