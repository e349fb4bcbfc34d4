//! Step-up policy: decides which level a device meets, from the outcomes of the appraisal.

use super::rules::Rules;
use super::thresholds::Thresholds;
use super::{AppraisalSnapshot, AppraiseError, Appraised, KeyAttestation, LoadError};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::posture::KeyStorage;
use vitalsign_protocol::step_up::Acr;

/// Built-in step-up policy.
pub const DEFAULT_STEP_UP_POLICY: &str = include_str!("../../policy/step_up.rego");

/// Rules that a step-up policy defines, each a set of names: why a level is refused, and why a tap needs the PIN although
/// it was entered before. A policy may lack the second.
const REFUSED: (&str, &str) = ("data.vitalsign.step_up", "refused");
const PIN_REQUIRED: (&str, &str) = ("data.vitalsign.step_up", "pin_required");
/// The requirements of levels up to this one hold for the level below it too, except that a tap there may rest on an
/// earlier one that verified the user.
const LOWEST_WITH_PIN: Acr = Acr::HardwareKey;

/// Parts of a verdict on which a level depends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub status: Tier,
    pub checks: BTreeMap<String, Found>,
}

/// Outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub status: Tier,
    /// Reason as a word of the appraisal policy.
    pub reason: String,
}

/// The security key that was tapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TappedKey {
    /// AAGUID of the model, in hexadecimal with dashes.
    pub aaguid: String,
    /// The key verified its user, in this tap or in the one on which it rests.
    pub user_verified: bool,
    /// The credential can be copied to other devices.
    pub backup_eligible: bool,
    pub model: TappedModel,
    /// The model is accepted, and protects its keys in hardware.
    pub hardware: bool,
    /// The model is accepted, and is not built into a device.
    pub roaming: bool,
}

/// Status of a security key model in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TappedModel {
    /// Listed in metadata that is current.
    Accepted,
    Unknown,
    /// The metadata lists the model as no longer trustworthy.
    Withdrawn,
    /// Listed in metadata that has expired.
    ListExpired,
}

/// Input of the step-up policy.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub acr: Acr,
    /// The verdict on the device.
    pub device: &'a Health,
    /// Properties of the report key that enrolment proved.
    pub key: KeyAttestation,
    /// Security key that was tapped; `None` before the tap.
    pub security_key: Option<&'a TappedKey>,
    /// Seconds since 1970, by the verifier's clock.
    pub now: u64,
}

/// Input in the form that the policy reads.
#[derive(Serialize)]
struct PolicyInput<'a> {
    acr: Acr,
    device: &'a Health,
    key: KeyAttestation,
    security_key: Option<&'a TappedKey>,
}

/// A compiled step-up policy. Share it between threads.
pub struct StepUpPolicy {
    rules: Rules,
    /// `None` if the policy has no such rule: every tap needs the PIN.
    pin_rules: Option<Rules>,
    id: String,
}

impl StepUpPolicy {
    /// Compiles a policy and tries it: it must refuse the highest level to a device without facts and with a
    /// key in software.
    ///
    /// # Errors
    /// The policy is invalid or refuses nothing.
    pub fn load(rego: &str, thresholds_toml: &str) -> Result<Self, LoadError> {
        let thresholds = Thresholds::parse(thresholds_toml)?;
        let nobody = Health { status: Tier::None, checks: BTreeMap::new() };
        let key = KeyAttestation {
            storage: KeyStorage::Software,
            genuine: false,
            simulated: false,
            certificate_expired: false,
        };
        let first = PolicyInput { acr: Acr::HardwareKey, device: &nobody, key, security_key: None };
        let first = serde_json::to_string(&first).map_err(|e| LoadError::Trial(super::failed(e)))?;
        let (rules, answer) = Rules::compile(rego, REFUSED, &thresholds, &first)?;
        names(answer).map_err(LoadError::Trial)?;
        let pin_rules = Rules::compile(rego, PIN_REQUIRED, &thresholds, &first).ok();
        let pin_rules = pin_rules.filter(|(_, answer)| names(answer.clone()).is_ok()).map(|(rules, _)| rules);
        let digest = Digest::labelled(
            "vitalsign-step-up-policy-v1",
            &[rego.as_bytes(), &[0], thresholds_toml.as_bytes()],
        );
        let policy =
            Self { rules, pin_rules, id: format!("urn:vitalsign:policy:step-up:{:.16}", digest.hex()) };
        let question = Question { acr: Acr::Epcs, device: &nobody, key, security_key: None, now: 0 };
        match policy.refused(&question).map_err(LoadError::Trial)?.is_empty() {
            true => Err(LoadError::Policy(format!(
                "it refuses nothing to a device of which nothing is known, at {}",
                Acr::Epcs.urn()
            ))),
            false => Ok(policy),
        }
    }

    /// Returns the policy's ID, which changes with every byte of the policy or the thresholds.
    #[must_use]
    pub fn policy_id(&self) -> &str {
        &self.id
    }

    /// Returns the reasons for which a level is refused: names of checks, the worst first, then other missing
    /// requirements. Empty if the level is met.
    ///
    /// # Errors
    /// The policy gives no usable answer. The level is not met then.
    pub fn refused(&self, question: &Question<'_>) -> Result<Vec<String>, AppraiseError> {
        let Question { acr, device, key, security_key, now } = *question;
        let mut refused = BTreeSet::new();
        for acr in Acr::ALL.into_iter().filter(|level| *level <= acr.max(LOWEST_WITH_PIN)) {
            let input = PolicyInput { acr, device, key, security_key };
            let input = serde_json::to_string(&input).map_err(super::failed)?;
            refused.extend(names(self.rules.ask(&input, now)?)?);
        }
        let mut refused: Vec<String> = refused.into_iter().collect();
        refused.sort_by_key(|name| Reverse(device.checks.get(name).map(|found| found.status)));
        Ok(refused)
    }
}

impl StepUpPolicy {
    /// Returns the reasons for which a tap needs the PIN although it was entered before. Empty if it does not.
    ///
    /// # Errors
    /// The policy gives no usable answer. The PIN is needed then.
    pub fn pin_required(&self, question: &Question<'_>) -> Result<Vec<String>, AppraiseError> {
        let Question { acr, device, key, security_key, now } = *question;
        let Some(rules) = &self.pin_rules else { return Ok(vec!["policy".to_owned()]) };
        let input = PolicyInput { acr, device, key, security_key };
        let input = serde_json::to_string(&input).map_err(super::failed)?;
        names(rules.ask(&input, now)?)
    }
}

impl Health {
    #[must_use]
    pub fn of(appraised: &Appraised) -> Self {
        let checks = appraised.submods.values().flat_map(|submod| &submod.vitalsign_checks);
        let found = checks
            .map(|check| (check.check.clone(), Found { status: check.status, reason: check.reason.clone() }));
        Self { checks: found.collect(), status: appraised.status }
    }

    /// Creates the input from a device's last report.
    #[must_use]
    pub fn last_reported(status: Tier, standing: &AppraisalSnapshot) -> Self {
        let found = standing.checks.iter().map(|(check, since)| {
            (check.clone(), Found { status: since.status, reason: since.reason.clone().into() })
        });
        Self { checks: found.collect(), status }
    }
}

fn names(answer: serde_json::Value) -> Result<Vec<String>, AppraiseError> {
    serde_json::from_value(answer)
        .map_err(|error| AppraiseError::Malformed(format!("`refused` is not a set of names: {error}")))
}
