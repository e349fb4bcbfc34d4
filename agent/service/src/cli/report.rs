//! `vitalsign report`: look again and report, through the service where one runs.

use super::{Outcome, Output, Place, status};
use crate::config::Given;
use crate::service::Desk;
use crate::worker::Worker;
use std::time::{Duration, Instant};
use vitalsign_agent::Event;
use vitalsign_client::{Client, ClientError};
use vitalsign_ipc::{Answer, Request, Standing, Status};

/// A slow TPM, a slow probe and a slow verifier together.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn run(place: &Place, output: Output) -> anyhow::Result<Outcome> {
    let reader = place.reader(Given::default());
    let config = reader()?;
    let status = match Client::connect(&config.socket) {
        Ok(service) => through_service(service, Request::CheckNow)?,
        Err(ClientError::NotRunning(_)) => {
            let mut desk = Desk::open(&config.state)?;
            desk.run_through(Event::CheckNow, &mut Worker::new(config, reader)?)
        }
        Err(error) => anyhow::bail!(error),
    };
    let shown = status::show(&status, output)?;
    // A verdict that still holds is no answer to a report that did not arrive.
    Ok(match status.standing {
        Standing::Reporting | Standing::Revoked | Standing::Refused { .. } => shown,
        _ => Outcome::Undone,
    })
}

/// Asks the service to do something, and waits until it is done.
pub(crate) fn through_service(mut service: Client, request: Request) -> anyhow::Result<Status> {
    let refused = |answer: &Answer| anyhow::anyhow!("{}", status::refusal(answer));
    let Answer::Status(mut before) = service.ask(Request::Subscribe)? else {
        anyhow::bail!("the service has just started: try again");
    };
    match service.ask(request)? {
        Answer::Accepted => {}
        other => return Err(refused(&other)),
    }
    // The work is done when the service was busy after the request and is so no more.
    let until = Instant::now() + PATIENCE;
    loop {
        let status = service.event(until.saturating_duration_since(Instant::now()))?;
        if before.busy && !status.busy {
            return Ok(status);
        }
        *before = status;
    }
}
