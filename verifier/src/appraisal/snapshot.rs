//! The last appraisal of a device, as far as the next one depends on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitalsign_protocol::ear::Tier;

/// Outcome of a check, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Since {
    #[schemars(with = "String")]
    pub status: Tier,
    /// Reason as a word of the policy.
    #[serde(default)]
    pub reason: Box<str>,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

/// The last boot of which a quote was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuotedBoot {
    /// Time in seconds since 1970.
    pub at: u64,
    /// Boot count of the evidence that contained the quote. The counter in the quote itself cannot be
    /// compared, because the TPM offsets it for each key (TPM 2.0 part 1, clause 36.7).
    pub boot_count: Option<u64>,
    /// Result of replaying the event log; `None` if there was no log.
    pub log: Option<ReplayedLog>,
}

/// Result of replaying an event log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedLog {
    /// Secure Boot state, if the log contains it.
    pub secure_boot: Option<bool>,
}

/// State of a device that is kept between its reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppraisalSnapshot {
    /// Each check of the last verdict.
    pub checks: BTreeMap<String, Since>,
    /// Last boot of which a quote was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<QuotedBoot>,
    /// Unknown claims of the last evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}
