//! Appraisal: turns facts and proven properties into trustworthiness claims and a status for each submodule.
//!
//! The policy decides (Rego, run by `regorus`, with the numbers of a thresholds file); this module enforces the
//! policy's contract. Whatever the policy returns, no status is better than the worst claim or check below it, no check
//! is missing, and a cached result is used only until the time at which the policy says that it may change.

mod cached_checks;
mod memo;
mod policy;
mod reads;
mod rules;
mod seen;
mod snapshot;
pub mod step_up;
mod thresholds;

pub use snapshot::{AppraisalSnapshot, QuotedBoot, ReplayedLog, Since};

use memo::Memo;
use policy::Policy;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use thresholds::Thresholds;
use tokio::sync::Semaphore;
use vitalsign_protocol::ear::{Appraisal, Check, Ear, Tier, TrustVector};
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::posture::{KeyStorage, Posture};

/// Built-in appraisal policy.
pub const DEFAULT_POLICY: &str = include_str!("../policy/default.rego");
/// Default thresholds; a file overrides single values.
pub const DEFAULT_THRESHOLDS: &str = include_str!("../policy/thresholds.toml");

/// Maximum age of a cached appraisal, in seconds, even if the policy names no time of change.
const LONGEST: u64 = 3600;
/// Bytes of cached appraisals, of about 2 KiB each: enough for 100,000 devices with different facts.
const REMEMBERED_BYTES: usize = 256 * 1024 * 1024;
/// Maximum bytes of one that is cached. A device chooses what its facts say, and so how many bytes it takes.
const MAX_REMEMBERED_BYTES: usize = 16 * 1024;

/// Input of an appraisal.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub posture: &'a Posture,
    /// Properties of the report key that enrolment proved.
    pub key: KeyAttestation,
    /// Properties of the boot that the last quote proved.
    pub boot: BootAttestation,
    /// Seconds since 1970, by the verifier's clock.
    pub now: u64,
}

/// Properties of a report key that enrolment proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyAttestation {
    pub storage: KeyStorage,
    /// The EK certificate chains to a root of a maker of TPMs (or the platform's attestation to its maker).
    pub genuine: bool,
    /// The TPM is implemented in software.
    pub simulated: bool,
    /// The EK certificate has expired. Left out where it has not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub certificate_expired: bool,
}

/// Properties of the boot that a quote proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BootAttestation {
    /// The verifier accepted a quote of this boot.
    pub quoted: bool,
    pub log: EventLogResult,
}

/// Properties of the boot that the firmware's event log proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventLogResult {
    None,
    /// The log replays to the quoted PCRs.
    Replayed {
        /// Secure Boot state; `None` if the log does not contain it.
        secure_boot: Option<bool>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appraised {
    /// The appraisals, by submodule: as `submods` of an EAR.
    pub submods: BTreeMap<String, Appraisal>,
    pub status: Tier,
    /// Time until which the same facts get the same appraisal, in seconds since 1970.
    pub valid_until: u64,
}

/// Reason why a policy or its thresholds cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The policy is not Rego.
    #[error("the policy cannot be used: {0}")]
    Policy(String),
    /// The thresholds are not what the policy expects.
    #[error("thresholds, line {line}: {what}")]
    Thresholds {
        /// The line, counted from 1.
        line: usize,
        /// Description of the error.
        what: String,
    },
    /// The policy fails on a device without facts. It is tried on one when it is compiled.
    #[error("the policy fails on a device that says nothing: {0}")]
    Trial(#[source] AppraiseError),
}

/// Reason why an appraisal failed. The verifier then makes no claim about the device; the failure is its own
/// (AR4SI -1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppraiseError {
    /// The policy did not end in time.
    #[error("the policy did not end in time")]
    TimedOut,
    /// The policy contradicts itself, or fails.
    #[error("the policy failed: {0}")]
    Failed(String),
    /// The policy ended, but its answer is not of the form that docs/policy.md describes.
    #[error("the policy's answer is malformed: {0}")]
    Malformed(String),
}

/// A compiled policy with its thresholds. Share it between threads.
pub struct Appraiser {
    policy: Policy,
    id: String,
    accepts_software_keys: bool,
    memo: Memo<Judgement>,
    /// Turns to run the policy.
    turns: Arc<Semaphore>,
}

/// Cached part of an appraisal; small, because every device that differs from the others has one.
struct Judgement {
    /// JSON of [`Kept`]. As structures it takes seven times the room.
    submods: Box<[u8]>,
    changes_at: Option<u64>,
}

/// Name, claims and checks of each submodule. All else of an appraisal follows from these.
type Kept = Vec<(String, TrustVector, Vec<Check>)>;

/// Facts that an appraisal depends on, besides the time, in a fixed order.
#[derive(Serialize)]
struct Facts<'a> {
    posture: &'a Posture,
    key: KeyAttestation,
    boot: BootAttestation,
}

impl Appraiser {
    /// Compiles a policy and tries it on a device without facts. Thresholds that `thresholds_toml` does not
    /// set keep their defaults.
    ///
    /// # Errors
    /// The policy or the thresholds are invalid; the error names the line.
    pub fn load(rego: &str, thresholds_toml: &str) -> Result<Self, LoadError> {
        let thresholds = Thresholds::parse(thresholds_toml)?;
        let policy = Policy::compile(rego, &thresholds)?;
        // A custom policy may lack checks that the default thresholds cover, so only a custom file must match.
        if thresholds_toml != DEFAULT_THRESHOLDS {
            thresholds.match_checks(policy.checks())?;
        }
        let digest =
            Digest::labelled("vitalsign-policy-v1", &[rego.as_bytes(), &[0], thresholds_toml.as_bytes()]);
        let id = format!("urn:vitalsign:policy:default:{:.16}", digest.hex());
        let accepts_software_keys = thresholds.accepts_software_keys();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Arc::new(Semaphore::new(threads.saturating_sub(1).max(1)));
        Ok(Self { policy, id, accepts_software_keys, turns, memo: Memo::new(REMEMBERED_BYTES) })
    }

    /// Returns the policy's ID, which changes with every byte of the policy or the thresholds.
    pub fn policy_id(&self) -> &str {
        &self.id
    }

    /// Returns whether a device may enrol with a key in software (`[key-hardware] accept_software_keys`).
    pub fn accepts_software_keys(&self) -> bool {
        self.accepts_software_keys
    }

    /// Appraises a device.
    ///
    /// # Errors
    /// The policy gives no usable answer.
    pub fn appraise(&self, input: &Input<'_>) -> Result<Appraised, AppraiseError> {
        let facts = facts(input)?;
        let key = Digest::of(facts.as_bytes());
        let judgement = match self.memo.get(&key, input.now) {
            Some(judgement) => judgement,
            None => self.judge(key, &facts, input.now)?,
        };
        self.appraised(&judgement, input.now)
    }

    /// Appraises a device on a thread for blocking work, unless the same facts were appraised before. Waits for its
    /// turn: the policy runs on as many threads as leave a processor for other requests.
    ///
    /// # Errors
    /// The policy gives no usable answer.
    pub(crate) async fn appraise_in_turn(
        self: &Arc<Self>,
        input: &Input<'_>,
    ) -> Result<Appraised, AppraiseError> {
        let (facts, now) = (facts(input)?, input.now);
        let key = Digest::of(facts.as_bytes());
        let judgement = match self.memo.get(&key, now) {
            Some(judgement) => judgement,
            None => {
                let ended = |error: &dyn std::fmt::Display| AppraiseError::Failed(error.to_string());
                let turn = self.turns.clone().acquire_owned().await.map_err(|error| ended(&error))?;
                let appraiser = Arc::clone(self);
                let judging = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    appraiser.judge(key, &facts, now)
                });
                judging.await.map_err(|error| ended(&error))??
            }
        };
        self.appraised(&judgement, now)
    }

    fn appraised(&self, judgement: &Judgement, now: u64) -> Result<Appraised, AppraiseError> {
        let kept: Kept = serde_json::from_slice(&judgement.submods).map_err(failed)?;
        let appraisal = |(name, vector, checks)| (name, Appraisal::new(vector, checks, &self.id));
        let submods: BTreeMap<_, _> = kept.into_iter().map(appraisal).collect();
        Ok(Appraised { status: Ear::overall(&submods), submods, valid_until: judgement.until(now) })
    }

    fn judge(&self, key: Digest, facts: &str, now: u64) -> Result<Arc<Judgement>, AppraiseError> {
        let (findings, until) = self.policy.judge(facts, now)?;
        let changes_at = findings.changes_at(now);
        let kept: Kept = findings.into_submodules();
        let submods: Box<[u8]> = serde_json::to_vec(&kept).map_err(failed)?.into();
        let bytes = submods.len();
        let judgement = Arc::new(Judgement { submods, changes_at });
        if bytes <= MAX_REMEMBERED_BYTES {
            self.memo.put(key, now..until, Arc::clone(&judgement), bytes);
        }
        Ok(judgement)
    }
}

/// Returns the facts that an appraisal depends on, as JSON.
fn facts(input: &Input<'_>) -> Result<String, AppraiseError> {
    serde_json::to_string(&Facts { posture: input.posture, key: input.key, boot: input.boot }).map_err(failed)
}

impl Judgement {
    /// Returns when an appraisal that is valid at `now` expires.
    fn until(&self, now: u64) -> u64 {
        until(self.changes_at, now)
    }
}

/// Returns when a result that is valid at `now`, and may change at `changes_at`, expires.
fn until(changes_at: Option<u64>, now: u64) -> u64 {
    changes_at.unwrap_or(u64::MAX).min(now.saturating_add(LONGEST))
}

fn failed(error: serde_json::Error) -> AppraiseError {
    AppraiseError::Failed(error.to_string())
}
