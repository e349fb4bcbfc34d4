//! `vitalsign-verifier policy`: tests the policies, with facts if given.

use super::table;
use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::organisation::OrganisationDocument;
use vitalsign_protocol::posture::{KeyStorage, Posture};
use vitalsign_protocol::step_up::Acr;
use vitalsign_verifier::appraisal::step_up::{Health, Question};
use vitalsign_verifier::appraisal::{BootAttestation, EventLogResult, Input, KeyAttestation};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::organisation;
use vitalsign_verifier::{load_policy, load_step_up_policy};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check that the policies, the thresholds and the organisation's words are valid; with facts, appraise them
    Check {
        /// File with facts, from `vitalsign check --json`. The command trusts them: a key that claims to be in a TPM
        /// counts as proven by enrolment.
        #[arg(long, value_name = "FILE")]
        facts: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Output of `vitalsign check --json`. Facts without this frame are refused: they would all read as not known.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    posture: Value,
    #[serde(rename = "milliseconds")]
    _milliseconds: Option<IgnoredAny>,
}

/// Reads the output of `vitalsign check --json`, and refuses every name that this version does not know: a misspelt fact
/// would read as not known.
fn read_facts(path: &Path) -> anyhow::Result<Posture> {
    let reading = || format!("reading {}", path.display());
    let text = std::fs::read_to_string(path).with_context(reading)?;
    let Facts { posture: given, .. } = serde_json::from_str(&text).with_context(reading)?;
    let posture = Posture::deserialize(&given).with_context(reading)?;
    if let Some(name) = unknown_name(&given, &serde_json::to_value(&posture)?) {
        bail!("{}: this version knows no fact `{name}`", reading());
    }
    Ok(posture)
}

/// Returns the first name in the given facts that is absent from the same facts as they were understood.
fn unknown_name(given: &Value, understood: &Value) -> Option<String> {
    let below =
        |name: &str, given, understood| unknown_name(given, understood).map(|rest| format!("{name}.{rest}"));
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => {
            given.iter().find_map(|(name, value)| match understood.get(name) {
                Some(understood) => below(name, value, understood),
                None => Some(name.clone()),
            })
        }
        (Value::Array(given), Value::Array(understood)) => {
            let mut elements = given.iter().zip(understood).enumerate();
            elements.find_map(|(at, (given, understood))| below(&at.to_string(), given, understood))
        }
        _ => None,
    }
}

/// Says in one line what devices are served.
fn summary(words: Option<&OrganisationDocument>) -> String {
    let Some(document) = words else { return "Devices are served no words of the organisation.".to_owned() };
    let texts = document.content().texts.iter();
    let texts: Vec<_> = texts.map(|(name, texts)| format!("{name} ({})", texts.len())).collect();
    let texts = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    format!(
        "The organisation's words can be used: {} bytes, texts by number of checks: {texts}",
        document.bytes().len()
    )
}

pub(crate) fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    let Command::Check { facts, json } = command;
    let config = Config::read(config)?;
    let appraiser = load_policy(&config)?;
    let step_up = load_step_up_policy(&config)?;
    let words = organisation::load(config.organisation.as_deref())?;
    let Some(path) = facts else {
        match json {
            true => super::print_json(&json!({
                "policy": appraiser.policy_id(),
                "step_up_policy": step_up.policy_id(),
                "organisation": words.as_ref().map(OrganisationDocument::version),
            }))?,
            false => {
                println!("The policy can be used: {}", appraiser.policy_id());
                println!("The policy of step-up can be used: {}", step_up.policy_id());
                println!("{}", summary(words.as_ref()));
            }
        }
        return Ok(true);
    };
    let posture = read_facts(&path)?;
    let storage = match &posture.key.storage {
        Fact::Known(storage) => *storage,
        _ => KeyStorage::Software,
    };
    let key = KeyAttestation {
        storage,
        genuine: storage != KeyStorage::Software,
        simulated: false,
        certificate_expired: false,
    };
    let appraised = appraiser.appraise(&Input {
        posture: &posture,
        key,
        boot: BootAttestation { quoted: false, log: EventLogResult::None },
        now: now(),
    })?;
    let device = Health::of(&appraised);
    let refused =
        |acr| step_up.refused(&Question { acr, device: &device, key, security_key: None, now: now() });
    let mut levels = BTreeMap::new();
    for acr in Acr::ALL {
        levels.insert(acr.urn(), refused(acr)?);
    }
    if json {
        super::print_json(&json!({
            "policy": appraiser.policy_id(),
            "status": appraised.status,
            "submods": appraised.submods,
            "step_up_policy": step_up.policy_id(),
            "step_up_refused": levels,
        }))?;
    } else {
        let mut rows = Vec::new();
        for (submod, appraisal) in &appraised.submods {
            for check in &appraisal.vitalsign_checks {
                rows.push([
                    submod.clone(),
                    check.check.clone(),
                    check.status.to_string(),
                    check.reason.clone(),
                ]);
            }
        }
        table::print(["SUBMODULE", "CHECK", "STATUS", "REASON"], &rows);
        println!("\n{}", appraised.status);
        for (acr, refused) in levels {
            let why = if refused.is_empty() { "can be asked for".into() } else { refused.join(", ") };
            println!("{acr}: {why}");
        }
    }
    Ok(appraised.status != Tier::Contraindicated)
}
