//! `vitalsign enrol`: keeps what it is told in the state folder, and has the service enrol with it, or does so itself.

use super::{Enrolling, Output, PathArgs, report, status};
use crate::config::{Config, ConfigLayer, ENROLMENT_FILE, checked_token, token_in};
use crate::persistent_agent::PersistentAgent;
use crate::store::{Store, write_whole};
use crate::verifier::VerifierClient;
use anyhow::Context;
use std::path::{Path, PathBuf};
use vitalsign_agent_core::{Event, Saved};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Request};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::id::Secret;

/// Copies in the state folder of the verifier's trust anchors and of the enrolment token.
const CA_FILE: &str = "verifier-ca.pem";
const TOKEN_FILE: &str = "enrolment-token";

pub(crate) const EXAMPLES: &str = "\
Examples:
  sudo vitalsign enrol --verifier https://verifier.example --ca ca.pem --token-file token
  With what is in the configuration already, and a new token on standard input:
    sudo vitalsign enrol --token-file /dev/stdin
  On a machine without a TPM, where the verifier's policy allows it:
    sudo vitalsign enrol --key software
  A device that is enrolled already, for example after its TPM was cleared:
    sudo vitalsign enrol --again --token-file token

A device that is enrolled already is left as it is, with exit status 1.";

#[derive(clap::Args, Debug)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    enrolling: Enrolling,
    /// The enrolment token itself; other users may see it in the list of processes
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// Enrol again although this device is enrolled
    #[arg(long)]
    again: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &PathArgs, arguments: &EnrolArgs) -> anyhow::Result<ExitStatus> {
    let config = place.load_usable(arguments.enrolling.given())?;
    if let Some((name, value)) = config.managed.conflict(&arguments.enrolling.given()) {
        let file = config.managed.verifier_file().unwrap_or(&config.managed.file).display();
        eprintln!("vitalsign: the {name} is set by managed configuration: {file} says {value}");
        return Ok(ExitStatus::Rejected);
    }
    if let Some(enrolled) = enrolled(&config.state).filter(|_| !arguments.again) {
        // The options of this call may name another verifier.
        let verifier = place.load(ConfigLayer::default()).ok().and_then(|config| config.verifier);
        let verifier = verifier.map(|it| format!(" with {}", it.url)).unwrap_or_default();
        eprintln!("vitalsign: this device is already enrolled{verifier} as {enrolled}; --again to repeat");
        return Ok(ExitStatus::Rejected);
    }
    let verifier = config.verifier.as_ref();
    let verifier =
        verifier.context("say which verifier: --verifier URL and --ca FILE, or in the configuration")?;
    // Checks the settings before it replaces the old ones.
    VerifierClient::new(verifier)?;
    let token = token(arguments, &config)?;
    let ca = verifier.anchors.read().with_context(|| verifier.anchors.to_string())?;

    let state = &config.state;
    vitalsign_os::private_folder(state).with_context(|| state.display().to_string())?;
    let former = FormerSettings::read(state)?;
    // Keeps a managed setting where it is, so that it can change.
    let managed = &config.managed.layer;
    let told = ConfigLayer {
        verifier: managed.verifier.is_none().then(|| verifier.url.clone()),
        ca_file: managed.trust_anchors().is_none().then(|| keep(state, CA_FILE, &ca)).transpose()?,
        token_file: Some(keep(state, TOKEN_FILE, token.expose())?),
        key: managed.key.is_none().then(|| config.key.clone()),
        ..ConfigLayer::default()
    };
    keep(state, ENROLMENT_FILE, toml::to_string(&told)?.as_bytes())?;

    let source = place.source(ConfigLayer::default())?;
    let config = source.current();
    let (now, texts) = match ServiceClient::connect(&config.socket) {
        Ok(mut service) => {
            (report::through_service(&mut service, Request::Enrol)?, status::texts(&mut service))
        }
        Err(ClientError::NotRunning(_)) => {
            let mut agent = PersistentAgent::open_without_service(&source).context(
                "the settings and the token are stored, and the service enrols with them when it starts",
            )?;
            (agent.run_through(Event::EnrolNow, source)?, status::own_texts(&agent.core))
        }
        Err(error) => anyhow::bail!(error),
    };
    status::show(&now, texts, Output { json: arguments.json })?;
    if let Some(former) = former.filter(|_| now.standing != AgentState::Reporting) {
        former.restore()?;
        eprintln!("vitalsign: this device keeps the enrolment and the settings that it had");
        // Without this the service notices it when it reports next.
        if let Ok(mut service) = ServiceClient::connect(&config.socket) {
            service.ask(Request::CheckNow)?;
        }
    }
    Ok(match now.standing {
        AgentState::Reporting => ExitStatus::Success,
        AgentState::Refused { .. } | AgentState::Revoked => ExitStatus::Rejected,
        _ => ExitStatus::Failed,
    })
}

/// Returns the device's code if its enrolment is stored. A device that lost the answer to its enrolment has stored nothing,
/// and repeats it without `--again`.
fn enrolled(state: &Path) -> Option<DeviceCode> {
    let saved = Store::peek::<Saved>(state)?;
    saved.enrolled.map(|enrolled| DeviceCode::of(&enrolled.enrolment))
}

/// Returns the token that was given, else the configured one. A file that was named must be there: another token would be
/// used instead.
fn token(arguments: &EnrolArgs, config: &Config) -> anyhow::Result<Secret> {
    let given = match (&arguments.token, arguments.enrolling.given().token_file) {
        (Some(token), _) if token.trim().is_empty() => None,
        (Some(token), _) => Some(checked_token(token.trim(), || "--token".to_owned())?),
        (None, Some(file)) => {
            let token = token_in(&file)?;
            Some(token.with_context(|| format!("there is no file {}", file.display()))?)
        }
        (None, None) => config.token()?,
    };
    given.context("there is no enrolment token: --token-file FILE, or token-file in the configuration")
}

/// The stored settings of a device that is enrolled. If it cannot enrol with new ones, it goes on with these: an address or
/// a key with a typing error would put it out of service.
struct FormerSettings {
    state: PathBuf,
    /// Files in the state folder and their contents; those that were absent have none.
    files: Vec<(&'static str, Option<Vec<u8>>)>,
}

impl FormerSettings {
    /// Reads them; `None` if the device is not enrolled, so that it tries again with the new ones.
    fn read(state: &Path) -> anyhow::Result<Option<Self>> {
        if Store::peek::<Saved>(state).is_none_or(|saved| saved.enrolled.is_none()) {
            return Ok(None);
        }
        let read = |name| match std::fs::read(state.join(name)) {
            Ok(bytes) => Ok((name, Some(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((name, None)),
            Err(error) => Err(error).with_context(|| state.join(name).display().to_string()),
        };
        let files = [ENROLMENT_FILE, CA_FILE, TOKEN_FILE].into_iter().map(read);
        Ok(Some(Self { state: state.to_owned(), files: files.collect::<anyhow::Result<_>>()? }))
    }

    fn restore(&self) -> anyhow::Result<()> {
        for (name, content) in &self.files {
            let path = self.state.join(name);
            match content {
                Some(bytes) => {
                    keep(&self.state, name, bytes)?;
                }
                None => match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error).with_context(|| path.display().to_string());
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }
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
