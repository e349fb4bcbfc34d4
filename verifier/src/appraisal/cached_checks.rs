//! Results of single checks, cached under what each check reads. A device with one new fact has one check evaluated.

use super::memo::Memo;
use super::policy::{Finding, Findings};
use super::reads::{self, Path, Reads};
use super::rules::Rules;
use super::{AppraiseError, failed, until};
use serde_json::Value;
use std::sync::Arc;
use vitalsign_protocol::id::Digest;

/// Bytes of cached results, of about 250 bytes each. Devices share most of them.
const REMEMBERED_BYTES: usize = 32 * 1024 * 1024;
/// Maximum bytes of one that is cached.
const MAX_REMEMBERED_BYTES: usize = 8 * 1024;

pub(super) struct CachedChecks {
    checks: Vec<CheckRule>,
    memo: Memo<CachedAnswer>,
}

struct CachedAnswer {
    /// JSON of the policy's answer.
    json: Box<[u8]>,
    /// Time at which the policy has to be asked again, in seconds since 1970.
    until: u64,
}

/// A check that can be evaluated by itself.
struct CheckRule {
    name: String,
    /// Its rule, as the engine finds it.
    rule: String,
    reads: Reads,
}

impl CachedChecks {
    /// Returns `None` if the policy's checks can only be evaluated together.
    pub(super) fn of(rego: &str) -> Option<Self> {
        let check = |(name, reads)| {
            let rule = format!("data.vitalsign.checks[{}]", serde_json::to_string(&name).ok()?);
            Some(CheckRule { name, rule, reads })
        };
        let checks = reads::of_checks(rego)?.into_iter().map(check).collect::<Option<_>>()?;
        Some(Self { checks, memo: Memo::new(REMEMBERED_BYTES) })
    }

    /// Evaluates the checks that read something that was not seen before. Returns also until when none of the findings
    /// has to be evaluated again.
    pub(super) fn judge(
        &self,
        rules: &Rules,
        facts: &str,
        now: u64,
    ) -> Result<(Findings, u64), AppraiseError> {
        let input: Value = serde_json::from_str(facts).map_err(failed)?;
        let mut findings = Findings::default();
        let mut missing = Vec::new();
        let mut earliest = u64::MAX;
        for check in &self.checks {
            let key = check.key(&input)?;
            match self.memo.get(&key, now) {
                Some(cached) => {
                    earliest = earliest.min(cached.until);
                    let answer = serde_json::from_slice(&cached.json).map_err(failed)?;
                    findings.0.insert(check.name.clone(), Finding::parse(&check.name, answer)?);
                }
                None => missing.push((check, key)),
            }
        }
        let answers = rules.ask_each(missing.iter().map(|(check, _)| check.rule.as_str()), facts, now)?;
        for ((check, key), answer) in missing.into_iter().zip(answers) {
            let Some(answer) = answer else { continue };
            let json: Box<[u8]> = serde_json::to_vec(&answer).map_err(failed)?.into();
            let finding = Finding::parse(&check.name, answer)?;
            let (bytes, until) = (json.len(), until(finding.changes_at(now), now));
            if bytes <= MAX_REMEMBERED_BYTES {
                self.memo.put(key, now..until, Arc::new(CachedAnswer { json, until }), bytes);
            }
            earliest = earliest.min(until);
            findings.0.insert(check.name.clone(), finding);
        }
        Ok((findings, earliest))
    }
}

impl CheckRule {
    /// Digest of the check's name and of all that it reads, besides the time.
    fn key(&self, input: &Value) -> Result<Digest, AppraiseError> {
        let read: Vec<_> = self.reads.iter().map(|path| member(input, path)).collect();
        Ok(Digest::of(&serde_json::to_vec(&(&self.name, read)).map_err(failed)?))
    }
}

/// Returns the member at `path` in a list, which is empty if the input has no such member. Null is a value.
fn member<'a>(input: &'a Value, path: &Path) -> Vec<&'a Value> {
    let found = path.iter().try_fold(input, |value, name| match value {
        Value::Object(members) => members.get(name),
        _ => None,
    });
    found.into_iter().collect()
}
