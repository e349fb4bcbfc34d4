//! Compiled appraisal policy and the format of its results.

use super::cached_checks::CachedChecks;
use super::rules::Rules;
use super::seen;
use super::{AppraiseError, LoadError, Thresholds, until};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::check::TEXTS;
use vitalsign_protocol::ear::{Check, Tier, Trust, TrustVector};
use vitalsign_protocol::posture::Posture;

/// Rule that a policy defines: one member for each check.
const ENTRY: (&str, &str) = ("data.vitalsign", "checks");

/// Compiled policy that was tried on a device without facts.
pub(super) struct Policy {
    rules: Rules,
    checks: BTreeSet<String>,
    /// `None` if the policy's checks can only be evaluated together.
    cached: Option<CachedChecks>,
}

/// Result of a policy, by check.
#[derive(Default)]
pub(super) struct Findings(pub(super) BTreeMap<String, Finding>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finding {
    submodule: String,
    #[serde(default)]
    seen: serde_json::Map<String, Value>,
    /// Times in seconds since 1970; a time that does not fit never comes.
    #[serde(default)]
    changes_at: Vec<serde_json::Number>,
    outcome: CheckOutcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckOutcome {
    status: Tier,
    reason: String,
    #[serde(default)]
    claims: TrustVector,
    #[serde(default)]
    deadline: Option<u64>,
}

impl Policy {
    pub(super) fn compile(rego: &str, thresholds: &Thresholds) -> Result<Self, LoadError> {
        let nothing = serde_json::json!({
            "posture": Posture::default(),
            "key": { "storage": "software", "genuine": false, "simulated": false },
            "boot": { "quoted": false, "log": "none" },
        });
        let (rules, answer) = Rules::compile(rego, ENTRY, thresholds, &nothing.to_string())?;
        let findings = Findings::parse(answer).map_err(LoadError::Trial)?;
        Ok(Self { rules, checks: findings.0.into_keys().collect(), cached: CachedChecks::of(rego) })
    }

    /// Returns the names of the policy's checks.
    pub(super) fn checks(&self) -> &BTreeSet<String> {
        &self.checks
    }

    /// Evaluates the policy on `facts`, a JSON object without `now`. Returns also until when the findings can be used
    /// again for the same facts.
    pub(super) fn judge(&self, facts: &str, now: u64) -> Result<(Findings, u64), AppraiseError> {
        let (findings, until) = match &self.cached {
            Some(cached) => cached.judge(&self.rules, facts, now)?,
            None => {
                let findings = Findings::parse(self.rules.ask(facts, now)?)?;
                let until = until(findings.changes_at(now), now);
                (findings, until)
            }
        };
        match self.checks.iter().find(|check| !findings.0.contains_key(*check)) {
            Some(check) => {
                Err(AppraiseError::Malformed(format!("no outcome of {check} holds for these facts")))
            }
            None => Ok((findings, until)),
        }
    }
}

impl Finding {
    pub(super) fn parse(check: &str, answer: Value) -> Result<Self, AppraiseError> {
        let malformed = |what: String| AppraiseError::Malformed(format!("{check}: {what}"));
        let finding: Self = serde_json::from_value(answer).map_err(|error| malformed(error.to_string()))?;
        match Posture::SUBMODULES.contains(&finding.submodule.as_str()) {
            true => Ok(finding),
            false => Err(malformed(format!("there is no submodule {}", finding.submodule))),
        }
    }

    /// Returns the next time at which the result may change without a change of facts.
    pub(super) fn changes_at(&self, now: u64) -> Option<u64> {
        let times = self.changes_at.iter().filter_map(serde_json::Number::as_u64);
        times.chain(self.outcome.deadline).filter(|time| *time > now).min()
    }
}

impl Findings {
    fn parse(answer: Value) -> Result<Self, AppraiseError> {
        let malformed = |what: String| AppraiseError::Malformed(what);
        let Value::Object(checks) = answer else {
            return Err(malformed("`checks` is not an object".into()));
        };
        let parse =
            |(check, finding): (String, _)| Finding::parse(&check, finding).map(|finding| (check, finding));
        checks.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the next time at which the result may change without a change of facts.
    pub(super) fn changes_at(&self, now: u64) -> Option<u64> {
        self.0.values().filter_map(|finding| finding.changes_at(now)).min()
    }

    /// Returns the checks by submodule in display order, with the worst value of each claim.
    pub(super) fn into_submodules(self) -> Vec<(String, TrustVector, Vec<Check>)> {
        let place = |check: &str| TEXTS.iter().position(|text| text.check == check).unwrap_or(usize::MAX);
        let mut findings: Vec<_> = self.0.into_iter().collect();
        findings.sort_by_key(|(check, _)| place(check));
        let mut submods: BTreeMap<String, (TrustVector, Vec<Check>)> = BTreeMap::new();
        for (check, Finding { submodule, seen, outcome, .. }) in findings {
            let (vector, checks) = submods.entry(submodule).or_default();
            *vector = worst(*vector, outcome.claims);
            let CheckOutcome { status, reason, deadline, .. } = outcome;
            checks.push(Check { check, status, reason, seen: seen::bounded(seen), since: None, deadline });
        }
        submods.into_iter().map(|(name, (vector, checks))| (name, vector, checks)).collect()
    }
}

/// Merges two sets of claims; the worse value of each claim wins.
fn worst(a: TrustVector, b: TrustVector) -> TrustVector {
    let worse = |a: Option<Trust>, b: Option<Trust>| {
        a.into_iter().chain(b).max_by_key(|trust| (trust.tier(), trust.0.unsigned_abs()))
    };
    TrustVector {
        instance_identity: worse(a.instance_identity, b.instance_identity),
        configuration: worse(a.configuration, b.configuration),
        executables: worse(a.executables, b.executables),
        file_system: worse(a.file_system, b.file_system),
        hardware: worse(a.hardware, b.hardware),
        runtime_opaque: worse(a.runtime_opaque, b.runtime_opaque),
        storage_opaque: worse(a.storage_opaque, b.storage_opaque),
        sourced_data: worse(a.sourced_data, b.sourced_data),
    }
}
