//! `vitalsign enrol`: keeps what it is told in the state folder, and has the service enrol with it, or does so itself.

use super::{Enrolling, Output, PathArgs, report, status};
use crate::config::{ConfigLayer, ENROLMENT_FILE};
use crate::persistent_agent::PersistentAgent;
use crate::store::write_whole;
use crate::verifier::VerifierClient;
use anyhow::Context;
use std::path::{Path, PathBuf};
use vitalsign_agent_core::Event;
use vitalsign_client::program::ExitStatus;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Request};

pub(crate) const EXAMPLES: &str = "\
Examples:
  sudo vitalsign enrol --verifier https://verifier.example --ca ca.pem --token-file token
  With what is in the configuration already, and a new token on standard input:
    sudo vitalsign enrol --token-file /dev/stdin
  On a machine without a TPM, where the verifier's policy allows it:
    sudo vitalsign enrol --key software";

#[derive(clap::Args, Debug)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    enrolling: Enrolling,
    /// The enrolment token itself; other users may see it in the list of processes
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &PathArgs, arguments: &EnrolArgs) -> anyhow::Result<ExitStatus> {
    let config = place.load(arguments.enrolling.given())?;
    if let Some((name, value)) = config.managed.conflict(&arguments.enrolling.given()) {
        let file = config.managed.file.display();
        eprintln!("vitalsign: the {name} is set by managed configuration: {file} says {value}");
        return Ok(ExitStatus::Rejected);
    }
    let verifier = config.verifier.as_ref();
    let verifier =
        verifier.context("say which verifier: --verifier URL and --ca FILE, or in the configuration")?;
    // Checks the settings before it replaces the old ones.
    VerifierClient::new(verifier)?;
    let token = match &arguments.token {
        Some(token) => Some(token.trim().as_bytes().to_vec()),
        None => config.token()?.map(|token| token.expose().to_vec()),
    };
    let token = token.filter(|token| !token.is_empty());
    let token = token
        .context("there is no enrolment token: --token-file FILE, or token-file in the configuration")?;
    let ca = std::fs::read(&verifier.ca_file).with_context(|| verifier.ca_file.display().to_string())?;

    let state = &config.state;
    vitalsign_os::private_folder(state).with_context(|| state.display().to_string())?;
    // Keeps a managed setting where it is, so that it can change.
    let managed = &config.managed.layer;
    let told = ConfigLayer {
        verifier: managed.verifier.is_none().then(|| verifier.url.clone()),
        ca_file: managed.ca_file.is_none().then(|| keep(state, "verifier-ca.pem", &ca)).transpose()?,
        token_file: Some(keep(state, "enrolment-token", &token)?),
        key: managed.key.is_none().then(|| config.key.clone()),
        ..ConfigLayer::default()
    };
    keep(state, ENROLMENT_FILE, toml::to_string(&told)?.as_bytes())?;

    let source = place.source(ConfigLayer::default())?;
    let config = source.current();
    let now = match ServiceClient::connect(&config.socket) {
        Ok(service) => report::through_service(service, Request::Enrol)?,
        Err(ClientError::NotRunning(_)) => PersistentAgent::open_without_service(&source)
            .context(
                "the settings and the token are stored, and the service enrols with them when it starts",
            )?
            .run_through(Event::EnrolNow, source)?,
        Err(error) => anyhow::bail!(error),
    };
    status::show(&now, Output { json: arguments.json })?;
    Ok(match now.standing {
        AgentState::Reporting => ExitStatus::Success,
        AgentState::Refused { .. } | AgentState::Revoked => ExitStatus::Rejected,
        _ => ExitStatus::Failed,
    })
}

/// Writes a file for the service.
fn keep(state: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(state)?;
    let path = folder.join(name);
    write_whole(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    vitalsign_os::give_to_owner_of(&folder, &path)
        .with_context(|| format!("handing on {}", path.display()))?;
    Ok(path)
}
