//! Runs a Rego policy: evaluates one rule within a time limit.

use super::{AppraiseError, LoadError, Thresholds};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time limit for one evaluation. The default policy needs about a fiftieth of it.
const TIME_LIMIT: Duration =
    if cfg!(debug_assertions) { Duration::from_secs(1) } else { Duration::from_millis(50) };
/// Time limit for the first evaluation, which also prepares the engine.
const FIRST_TIME_LIMIT: Duration = Duration::from_secs(5);
/// Rule in our own package that refers to the policy's rule, because the engine evaluates one rule at a time.
const ENTRY_RULE: &str = "data.entry.answer";

/// Compiled and prepared policy.
pub(super) struct Rules {
    template: Engine,
    /// Idle copies of the engine, because copying costs more than an evaluation.
    idle: Mutex<Vec<Engine>>,
}

impl Rules {
    /// Compiles a policy of `package` whose result is its rule `rule`. The first evaluation, which prepares the engine,
    /// is done here and its result returned.
    pub(super) fn compile(
        rego: &str,
        (package, rule): (&str, &str),
        thresholds: &Thresholds,
        first: &str,
    ) -> Result<(Self, serde_json::Value), LoadError> {
        let refused = |error: &dyn std::fmt::Display| LoadError::Policy(error.to_string());
        let mut engine = Engine::new();
        // As usual in Rego, text that is not a number makes a condition undefined instead of failing the policy.
        engine.set_strict_builtin_errors(false);
        engine.set_execution_timer_config(limited_to(FIRST_TIME_LIMIT));
        let named = engine.add_policy("policy".into(), rego.into()).map_err(|error| refused(&error))?;
        if named != package {
            return Err(refused(&format!("its package is {named}, and {package} was expected")));
        }
        let entry = format!("package entry\nimport rego.v1\nanswer := {package}.{rule}");
        engine.add_policy("entry".into(), entry).map_err(|error| refused(&error))?;
        let data = serde_json::json!({ "thresholds": thresholds });
        engine.add_data(Value::from(data)).map_err(|error| refused(&error))?;
        set_input(&mut engine, first, 0).map_err(LoadError::Trial)?;
        let answer = evaluate(&mut engine, ENTRY_RULE).map_err(|error| match error {
            AppraiseError::Failed(why) => LoadError::Policy(why),
            error => LoadError::Trial(error),
        })?;
        let answer = answer.ok_or_else(|| refused(&format!("{package}.{rule} has no value")))?;
        engine.set_execution_timer_config(limited_to(TIME_LIMIT));
        Ok((Self { template: engine, idle: Mutex::default() }, answer))
    }

    /// Evaluates the rule on `input`, a JSON object without `now`.
    pub(super) fn ask(&self, input: &str, now: u64) -> Result<serde_json::Value, AppraiseError> {
        self.on_an_engine(|engine| run(engine, input, now))
    }

    /// Evaluates other rules of the policy on `input`, all of them within one time limit. `None` is what no definition
    /// gives a value.
    pub(super) fn ask_each<'a>(
        &self,
        rules: impl Iterator<Item = &'a str> + Clone,
        input: &str,
        now: u64,
    ) -> Result<Vec<Option<serde_json::Value>>, AppraiseError> {
        self.on_an_engine(|engine| {
            let ends = Instant::now() + TIME_LIMIT;
            set_input(engine, input, now)?;
            let answers = rules.clone().map(|rule| {
                let left = ends.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(AppraiseError::TimedOut);
                }
                engine.set_execution_timer_config(limited_to(left));
                evaluate(engine, rule)
            });
            let answers = answers.collect::<Result<_, _>>()?;
            engine.set_execution_timer_config(limited_to(TIME_LIMIT));
            Ok(answers)
        })
    }

    /// Runs on an idle engine. Runs once more if that did not end in time: the limit is wall-clock time, which a short
    /// evaluation exceeds on a busy machine.
    fn on_an_engine<T>(
        &self,
        run: impl Fn(&mut Engine) -> Result<T, AppraiseError>,
    ) -> Result<T, AppraiseError> {
        match self.try_on_an_engine(&run) {
            Err(AppraiseError::TimedOut) => self.try_on_an_engine(&run),
            answer => answer,
        }
    }

    /// An engine that failed is not used again.
    fn try_on_an_engine<T>(
        &self,
        run: impl Fn(&mut Engine) -> Result<T, AppraiseError>,
    ) -> Result<T, AppraiseError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut engine = taken.unwrap_or_else(|| self.template.clone());
        let answer = run(&mut engine)?;
        idle().push(engine);
        Ok(answer)
    }
}

fn limited_to(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: NonZeroU32::MIN }
}

fn run(engine: &mut Engine, input: &str, now: u64) -> Result<serde_json::Value, AppraiseError> {
    set_input(engine, input, now)?;
    let undefined = || AppraiseError::Malformed("the rule has no value for these facts".into());
    evaluate(engine, ENTRY_RULE)?.ok_or_else(undefined)
}

fn set_input(engine: &mut Engine, input: &str, now: u64) -> Result<(), AppraiseError> {
    let mut input = Value::from_json_str(input).map_err(|error| failed(&error))?;
    input.as_object_mut().map_err(|error| failed(&error))?.insert("now".into(), now.into());
    engine.set_input(input);
    Ok(())
}

fn evaluate(engine: &mut Engine, rule: &str) -> Result<Option<serde_json::Value>, AppraiseError> {
    let answer = engine.eval_rule(rule.into()).map_err(|error| match error.downcast_ref() {
        Some(LimitError::TimeLimitExceeded { .. }) => AppraiseError::TimedOut,
        _ => failed(&error),
    })?;
    if answer == Value::Undefined {
        return Ok(None);
    }
    serde_json::to_value(&answer).map(Some).map_err(|error| AppraiseError::Malformed(error.to_string()))
}

fn failed(error: &dyn std::fmt::Display) -> AppraiseError {
    AppraiseError::Failed(error.to_string())
}
