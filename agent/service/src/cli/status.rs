//! `vitalsign status`: the last verdict. And what `report` and `enrol` show at their end.

use super::{Output, PathArgs, say, say_json, wall};
use crate::config::ConfigLayer;
use crate::env;
use crate::render::verdict::Advisor;
use crate::render::{Style, standing};
use crate::store::Store;
use std::path::Path;
use vitalsign_agent_core::{Agent, Saved};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::texts::Texts;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Answer, Request, Status};
use vitalsign_protocol::check::Desktop;

pub(crate) fn run(place: &PathArgs, output: Output) -> anyhow::Result<ExitStatus> {
    let config = place.load(ConfigLayer::default())?;
    let answer = ServiceClient::connect(&config.socket).and_then(|mut service| service.ask(Request::Status));
    let status = match answer {
        Ok(Answer::Status(status)) => *status,
        Ok(other) => anyhow::bail!("{}", refusal(&other)),
        // Who may read the state sees what was saved last.
        Err(error @ ClientError::NotRunning(_)) => {
            let next = "start it: systemctl start vitalsign; or find the cause: vitalsign doctor";
            let Some(saved) = Store::peek::<Saved>(&config.state) else { anyhow::bail!("{error}; {next}") };
            eprintln!("vitalsign: {error}; {next}. This is what was saved last:");
            Agent::new(saved).with_guidance(config.managed.guidance()).status(crate::clock::now())
        }
        Err(error) => anyhow::bail!(error),
    };
    let shown = show(&status, &config.managed.texts(), output)?;
    if let Some(file) = config.managed.verifier_file().filter(|_| !output.json) {
        say(&standing::managed(file, Style::of_stdout()));
    }
    Ok(shown)
}

/// Prints the status and returns whether the device is healthy.
pub(crate) fn show(status: &Status, texts: &Path, output: Output) -> anyhow::Result<ExitStatus> {
    let now = wall();
    if output.json {
        say_json(&standing::json(status)?)?;
    } else {
        say(&standing::page(status, &advisor(status, texts), Style::of_stdout(), now));
    }
    Ok(match status.standing {
        _ if standing::healthy(status, now) => ExitStatus::Success,
        AgentState::Refused { .. } | AgentState::Revoked => ExitStatus::Rejected,
        _ if status.ear.is_some() => ExitStatus::Rejected,
        _ => ExitStatus::Failed,
    })
}

/// The guidance with the organisation's English texts. A file that cannot be used is named, and left out.
fn advisor(status: &Status, texts: &Path) -> Advisor {
    let texts = Texts::read(texts, "en").unwrap_or_else(|error| {
        eprintln!("{error}; its texts are not used");
        Texts::default()
    });
    let desktop = std::env::var(env::CURRENT_DESKTOP).ok().and_then(|names| Desktop::of(&names));
    Advisor { guidance: status.guidance.clone(), texts, desktop }
}

/// Describes a refusal or an unexpected answer.
pub(crate) fn refusal(answer: &Answer) -> String {
    match answer {
        Answer::Refused(refusal) => refusal.to_string(),
        _ => "the service sent an unexpected answer".to_owned(),
    }
}
