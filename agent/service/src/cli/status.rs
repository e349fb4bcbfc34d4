//! `vitalsign status`: the last verdict. And what `report` and `enrol` show at their end.

use super::{Output, PathArgs, say, say_json, wall};
use crate::config::ConfigLayer;
use crate::render::verdict::Advisor;
use crate::render::{Style, standing};
use crate::store::Store;
use crate::{env, organisation};
use vitalsign_agent_core::{Agent, Saved};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Answer, Request, Status};
use vitalsign_protocol::check::Desktop;
use vitalsign_protocol::organisation::Texts;

/// Language of the command line.
const LANGUAGE: &str = "en";

pub(crate) fn run(place: &PathArgs, output: Output) -> anyhow::Result<ExitStatus> {
    let config = place.load(ConfigLayer::default())?;
    let answer = ServiceClient::connect(&config.socket).and_then(|mut service| {
        let status = service.ask(Request::Status)?;
        Ok((status, texts(&mut service)))
    });
    let (status, texts) = match answer {
        Ok((Answer::Status(status), texts)) => (*status, texts),
        Ok((other, _)) => anyhow::bail!("{}", refusal(&other)),
        // Who may read the state sees what was saved last.
        Err(error @ ClientError::NotRunning(_)) => {
            let next = "start it: systemctl start vitalsign; or find the cause: vitalsign doctor";
            let Some(saved) = Store::peek::<Saved>(&config.state) else { anyhow::bail!("{error}; {next}") };
            eprintln!("vitalsign: {error}; {next}. This is what was saved last:");
            let served = organisation::kept(&config.state);
            let mut agent = Agent::new(saved).with_organisation(config.managed.organisation.clone(), served);
            agent.set_settings(config.managed.state());
            (agent.status(crate::clock::now()), own_texts(&agent))
        }
        Err(error) => anyhow::bail!(error),
    };
    let shown = show(&status, texts, output)?;
    let is_shown = !output.json && status.settings.refused.is_none();
    if let Some(file) = config.managed.verifier_file().filter(|_| is_shown) {
        say(&standing::managed(file, Style::of_stdout()));
    }
    Ok(shown)
}

/// Prints the status and returns whether the device is healthy.
pub(crate) fn show(status: &Status, texts: Texts, output: Output) -> anyhow::Result<ExitStatus> {
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

/// Asks the service for the organisation's texts. An older service has none.
pub(crate) fn texts(service: &mut ServiceClient) -> Texts {
    match service.ask(Request::Organisation { language: LANGUAGE.to_owned() }) {
        Ok(Answer::Organisation(organisation)) => organisation.texts,
        _ => Texts::default(),
    }
}

/// Returns the organisation's texts of an agent in this process.
pub(crate) fn own_texts(agent: &Agent) -> Texts {
    agent.organisation_texts(LANGUAGE, std::env::consts::OS).texts
}

fn advisor(status: &Status, texts: Texts) -> Advisor {
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
