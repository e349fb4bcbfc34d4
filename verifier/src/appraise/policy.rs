//! A compiled policy, and the form that its answers have.

use super::{AppraiseError, LoadError, Thresholds};
use regorus::{Engine, LimitError, Value};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vitalsign_protocol::check::TEXTS;
use vitalsign_protocol::ear::{Check, Tier, Trust, TrustVector};
use vitalsign_protocol::posture::Posture;

/// How long one judgement may take. The default policy takes about a thousandth of it.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// A policy answers `checks`, in a rule for each: the engine evaluates one rule at a time.
const ENTRY: &str = "package entry\nimport rego.v1\nchecks := data.vitalsign.checks";
const ENTRY_RULE: &str = "data.entry.checks";

/// A policy that compiles, and answers on a device that says nothing.
pub(super) struct Policy {
    /// Prepared; never run itself.
    template: Engine,
    /// Copies of it that are not in use. Copying costs more than judging.
    idle: Mutex<Vec<Engine>>,
    checks: BTreeSet<String>,
}

/// A policy's answer: what it found, by check.
pub(super) struct Findings(BTreeMap<String, Finding>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    submodule: String,
    #[serde(default)]
    seen: serde_json::Map<String, serde_json::Value>,
    /// Numbers of seconds since 1970; what does not fit never comes.
    #[serde(default)]
    changes_at: Vec<serde_json::Number>,
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    status: Tier,
    reason: String,
    #[serde(default)]
    claims: TrustVector,
    #[serde(default)]
    deadline: Option<u64>,
}

impl Policy {
    pub(super) fn compile(rego: &str, thresholds: &Thresholds) -> Result<Self, LoadError> {
        Self::compile_with(rego, thresholds, TIME_LIMIT)
    }

    fn compile_with(rego: &str, thresholds: &Thresholds, limit: Duration) -> Result<Self, LoadError> {
        let refused = |error: &dyn std::fmt::Display| LoadError::Policy(error.to_string());
        let mut engine = Engine::new();
        // As everywhere in Rego: a text that is no number makes a condition not hold, and not the policy fail.
        engine.set_strict_builtin_errors(false);
        engine.set_execution_timer_config(regorus::utils::limits::ExecutionTimerConfig {
            limit,
            check_interval: NonZeroU32::MIN,
        });
        let package = engine.add_policy("policy".into(), rego.into()).map_err(|error| refused(&error))?;
        if package != "data.vitalsign" {
            return Err(refused(&format!("its package is {package}, and data.vitalsign was expected")));
        }
        engine.add_policy("entry".into(), ENTRY.into()).map_err(|error| refused(&error))?;
        let data = serde_json::json!({ "thresholds": thresholds });
        engine.add_data(Value::from(data)).map_err(|error| refused(&error))?;
        let mut policy = Self { template: engine, idle: Mutex::default(), checks: BTreeSet::new() };
        let nothing = serde_json::json!({
            "posture": Posture::default(),
            "key": { "storage": "software", "genuine": false, "simulated": false },
            "boot": { "quoted": false, "log": "none" },
        });
        let mut engine = policy.template.clone();
        let findings = run(&mut engine, &nothing.to_string(), 0).map_err(|error| match error {
            AppraiseError::Failed(why) => LoadError::Policy(why),
            error => LoadError::Trial(error),
        })?;
        // By now it is prepared; the first run does that.
        policy.checks = findings.0.into_keys().collect();
        policy.template = engine;
        Ok(policy)
    }

    /// The checks that it answers.
    pub(super) fn checks(&self) -> &BTreeSet<String> {
        &self.checks
    }

    /// Judges `facts`, a JSON object without `now`.
    pub(super) fn judge(&self, facts: &str, now: u64) -> Result<Findings, AppraiseError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut engine = taken.unwrap_or_else(|| self.template.clone());
        let findings = run(&mut engine, facts, now)?;
        idle().push(engine);
        match self.checks.iter().find(|check| !findings.0.contains_key(*check)) {
            Some(check) => {
                Err(AppraiseError::Malformed(format!("no outcome of {check} holds for these facts")))
            }
            None => Ok(findings),
        }
    }
}

fn run(engine: &mut Engine, facts: &str, now: u64) -> Result<Findings, AppraiseError> {
    let failed = |error: &dyn std::fmt::Display| AppraiseError::Failed(error.to_string());
    let mut input = Value::from_json_str(facts).map_err(|error| failed(&error))?;
    input.as_object_mut().map_err(|error| failed(&error))?.insert("now".into(), now.into());
    engine.set_input(input);
    let answer = engine.eval_rule(ENTRY_RULE.into()).map_err(|error| match error.downcast_ref() {
        Some(LimitError::TimeLimitExceeded { .. }) => AppraiseError::TimedOut,
        _ => failed(&error),
    })?;
    Findings::parse(&answer)
}

impl Findings {
    fn parse(answer: &Value) -> Result<Self, AppraiseError> {
        let malformed = |what: String| AppraiseError::Malformed(what);
        let answer = serde_json::to_value(answer).map_err(|error| malformed(error.to_string()))?;
        let serde_json::Value::Object(checks) = answer else {
            return Err(malformed("`checks` is not an object".into()));
        };
        let parse = |(check, finding)| {
            let finding: Finding =
                serde_json::from_value(finding).map_err(|e| malformed(format!("{check}: {e}")))?;
            if Posture::SUBMODULES.contains(&finding.submodule.as_str()) {
                Ok((check, finding))
            } else {
                Err(malformed(format!("{check}: there is no submodule {}", finding.submodule)))
            }
        };
        checks.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// When the answer may change next, though the facts do not.
    pub(super) fn changes_at(&self, now: u64) -> Option<u64> {
        let times = self.0.values().flat_map(|finding| {
            finding.changes_at.iter().filter_map(serde_json::Number::as_u64).chain(finding.outcome.deadline)
        });
        times.filter(|time| *time > now).min()
    }

    /// The checks by submodule, in the order in which people see them, with the worst of what they claim.
    pub(super) fn into_submodules(self) -> Vec<(String, TrustVector, Vec<Check>)> {
        let place = |check: &str| TEXTS.iter().position(|text| text.check == check).unwrap_or(usize::MAX);
        let mut findings: Vec<_> = self.0.into_iter().collect();
        findings.sort_by_key(|(check, _)| place(check));
        let mut submods: BTreeMap<String, (TrustVector, Vec<Check>)> = BTreeMap::new();
        for (check, Finding { submodule, seen, outcome, .. }) in findings {
            let (vector, checks) = submods.entry(submodule).or_default();
            *vector = worst(*vector, outcome.claims);
            let Outcome { status, reason, deadline, .. } = outcome;
            checks.push(Check { check, status, reason, seen, since: None, deadline });
        }
        submods.into_iter().map(|(name, (vector, checks))| (name, vector, checks)).collect()
    }
}

/// Claim by claim the worse one.
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
