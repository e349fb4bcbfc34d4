//! `vitalsign status`: the last verdict. And what `report` and `enrol` show at their end.

use super::{Outcome, Output, Place, say, say_json, wall};
use crate::config::Given;
use crate::report::{Style, standing};
use crate::store::Store;
use vitalsign_agent::{Agent, Saved};
use vitalsign_client::{Client, ClientError};
use vitalsign_ipc::{Answer, Request, Standing, Status};

pub(crate) fn run(place: &Place, output: Output) -> anyhow::Result<Outcome> {
    let config = place.load(Given::default())?;
    let answer = Client::connect(&config.socket).and_then(|mut service| service.ask(Request::Status));
    let status = match answer {
        Ok(Answer::Status(status)) => *status,
        Ok(other) => anyhow::bail!("{}", refusal(&other)),
        // Who may read the state sees what was saved last.
        Err(error @ ClientError::NotRunning(_)) => {
            let Some(saved) = Store::peek::<Saved>(&config.state) else { anyhow::bail!(error) };
            eprintln!("{error}. This is what was saved last.");
            Agent::new(saved).status(crate::worker::now())
        }
        Err(error) => anyhow::bail!(error),
    };
    show(&status, output)
}

/// Shows how things stand, and says whether that is well.
pub(crate) fn show(status: &Status, output: Output) -> anyhow::Result<Outcome> {
    let now = wall();
    if output.json {
        say_json(status)?;
    } else {
        say(&standing::page(status, Style::of_stdout(), now));
    }
    Ok(match status.standing {
        _ if standing::healthy(status, now) => Outcome::Well,
        Standing::Refused { .. } | Standing::Revoked => Outcome::Unwell,
        _ if status.ear.is_some() => Outcome::Unwell,
        _ => Outcome::Undone,
    })
}

/// An answer that is none to what was asked, in words.
pub(crate) fn refusal(answer: &Answer) -> String {
    match answer {
        Answer::Refused(refusal) => refusal.to_string(),
        _ => "the service answered something else than was asked".to_owned(),
    }
}
