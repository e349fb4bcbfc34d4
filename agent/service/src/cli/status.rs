//! `vitalsign status`: the last verdict. And what `report` and `enrol` show at their end.

use super::{Output, PathArgs, say, say_json, wall};
use crate::config::ConfigLayer;
use crate::render::{Style, standing};
use crate::store::Store;
use vitalsign_agent_core::{Agent, Saved};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Answer, Request, Status};

pub(crate) fn run(place: &PathArgs, output: Output) -> anyhow::Result<ExitStatus> {
    let config = place.load(ConfigLayer::default())?;
    let answer = ServiceClient::connect(&config.socket).and_then(|mut service| service.ask(Request::Status));
    let status = match answer {
        Ok(Answer::Status(status)) => *status,
        Ok(other) => anyhow::bail!("{}", refusal(&other)),
        // Who may read the state sees what was saved last.
        Err(error @ ClientError::NotRunning(_)) => {
            let Some(saved) = Store::peek::<Saved>(&config.state) else { anyhow::bail!(error) };
            eprintln!("{error}. This is what was saved last.");
            Agent::new(saved).status(crate::clock::now())
        }
        Err(error) => anyhow::bail!(error),
    };
    let shown = show(&status, output)?;
    if let Some(file) = config.managed.verifier_file().filter(|_| !output.json) {
        say(&standing::managed(file, Style::of_stdout()));
    }
    Ok(shown)
}

/// Prints the status and returns whether the device is healthy.
pub(crate) fn show(status: &Status, output: Output) -> anyhow::Result<ExitStatus> {
    let now = wall();
    if output.json {
        say_json(&standing::json(status)?)?;
    } else {
        say(&standing::page(status, Style::of_stdout(), now));
    }
    Ok(match status.standing {
        _ if standing::healthy(status, now) => ExitStatus::Success,
        AgentState::Refused { .. } | AgentState::Revoked => ExitStatus::Rejected,
        _ if status.ear.is_some() => ExitStatus::Rejected,
        _ => ExitStatus::Failed,
    })
}

/// Describes a refusal or an unexpected answer.
pub(crate) fn refusal(answer: &Answer) -> String {
    match answer {
        Answer::Refused(refusal) => refusal.to_string(),
        _ => "the service sent an unexpected answer".to_owned(),
    }
}
