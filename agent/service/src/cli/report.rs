//! `vitalsign report`: look again and report, through the service where one runs.

use super::{Output, PathArgs, status};
use crate::config::ConfigLayer;
use crate::persistent_agent::PersistentAgent;
use std::time::{Duration, Instant};
use vitalsign_agent_core::Event;
use vitalsign_client::program::ExitStatus;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Answer, Request, Status};

/// A slow TPM, a slow probe and a slow verifier together.
const REPLY_TIMEOUT: Duration = Duration::from_secs(180);

pub(crate) fn run(place: &PathArgs, output: Output) -> anyhow::Result<ExitStatus> {
    let source = place.source(ConfigLayer::default())?;
    let config = source.current();
    let (status, texts) = match ServiceClient::connect(&config.socket) {
        Ok(mut service) => (through_service(&mut service, Request::CheckNow)?, status::texts(&mut service)),
        Err(ClientError::NotRunning(_)) => {
            let mut agent = PersistentAgent::open_without_service(&source)?;
            (agent.run_through(Event::CheckNow, source)?, status::own_texts(&agent.core))
        }
        Err(error) => anyhow::bail!(error),
    };
    let shown = status::show(&status, texts, output)?;
    // A verdict that still holds is no answer to a report that did not arrive.
    Ok(match status.standing {
        AgentState::Reporting | AgentState::Revoked | AgentState::Refused { .. } => shown,
        _ => ExitStatus::Failed,
    })
}

/// Asks the service to do something, and waits until it is done.
pub(crate) fn through_service(service: &mut ServiceClient, request: Request) -> anyhow::Result<Status> {
    let Answer::Status(mut before) = service.ask(Request::Subscribe)? else {
        anyhow::bail!("the service has just started: try again");
    };
    match service.ask(request)? {
        Answer::Accepted => {}
        Answer::Scheduled { seconds } => {
            eprintln!("vitalsign: a report was sent a moment ago; the next one starts in {seconds} s");
        }
        Answer::Refused(refusal) => return Err(refusal.into()),
        other => anyhow::bail!("{}", status::refusal(&other)),
    }
    // The work is done when the service was busy after the request and is so no more.
    let until = Instant::now() + REPLY_TIMEOUT;
    loop {
        let status = service.event(until.saturating_duration_since(Instant::now()))?;
        if before.busy && !status.busy {
            return Ok(status);
        }
        *before = status;
    }
}
