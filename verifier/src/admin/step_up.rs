//! `vitalsign-verifier step-up`: requests step-ups and lists recent ones.

use super::application::{Application, ApplicationCredential, AuthRequested, Checked, Refusal};
use super::connection::VerifierConnection;
use super::progress::Progress;
use super::{print_json, span, table};
use anyhow::{Context, bail, ensure};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vitalsign_protocol::check;
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::{
    DeviceRef, DeviceTarget, ListStepUps, Nothing, ShowDevice, ShowUser, StepUpQuery, UserTarget,
};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::oidc::{Tokens, plainly};

/// Added to the polling interval by `slow_down` (CIBA section 11).
const SLOWER: Duration = Duration::from_secs(5);
/// Delay before retrying a verifier that does not answer.
const AGAIN: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  Ask nurse-7 for a tap, at whichever device is theirs; Ctrl-C takes it back:
    vitalsign-verifier step-up request --user nurse-7 --message 'EHR: sign order 4711'
  Only at a device that policy calls healthy, for scripts:
    vitalsign-verifier step-up request --user nurse-7 --message 'EHR: sign order 4711' --acr healthy-device --json
  As another application, whose secret is in a file:
    vitalsign-verifier step-up request --client ehr --secret-file ehr.secret --user nurse-7 --message '...'

Exit status: 0 approved, 1 refused or failed, 2 used wrongly.";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Request a step-up as an application does, and show the token
    #[command(after_help = EXAMPLES)]
    Request(Box<StepUpArgs>),
    /// List recent step-ups and their results, newest first
    List {
        /// Only step-ups of this user
        #[arg(long)]
        user: Option<String>,
        /// Only step-ups of this application: its `client_id`
        #[arg(long, allow_hyphen_values = true)]
        client: Option<String>,
        /// Only step-ups whose text contains this
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
        /// Earliest time: how long ago, as 24h or 7d, or a date
        #[arg(long, value_name = "TIME", value_parser = span::instant)]
        since: Option<u64>,
        /// Maximum number of step-ups
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=1000))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(crate) struct StepUpArgs {
    /// Name of the user to ask
    #[arg(long)]
    user: String,
    /// Text that the user is shown
    #[arg(long)]
    message: String,
    /// Level: badge, hardware-key, healthy-device or epcs, or its URN
    #[arg(long, default_value = "hardware-key", value_parser = acr)]
    acr: Acr,
    /// Ask only at this device
    #[arg(long, allow_hyphen_values = true)]
    device: Option<DeviceRef>,
    /// Seconds until expiry, at most 300
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    expires: Option<u64>,
    /// Details to confirm: a JSON array of objects with a `type` each (RFC 9396)
    #[arg(long, value_name = "JSON")]
    details: Option<String>,
    /// Request as this application instead of as the administrator
    #[arg(long, value_name = "ID", requires = "secret_file")]
    client: Option<String>,
    /// File with that application's secret
    #[arg(long, value_name = "FILE", requires = "client")]
    secret_file: Option<PathBuf>,
    /// URL of the verifier [default: from the configuration]
    #[arg(long)]
    url: Option<String>,
    /// PEM file with trusted certificates [default: the trial's CA if there is one, otherwise the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Also print the access token, which is valid for its audience until it expires
    #[arg(long)]
    token: bool,
    /// Print JSON, with the tokens
    #[arg(long)]
    json: bool,
}

/// Result of polling.
enum PollOutcome {
    Approved(Box<Tokens>),
    Refused(Refusal),
    Cancelled,
}

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Request(request) => ask(connection, *request).await,
        Command::List { user, client, message, since, limit, json } => {
            let query = StepUpQuery { user, client, message, since, limit: Some(limit) };
            list(connection, &query, json).await
        }
    }
}

async fn ask(connection: &VerifierConnection, request: StepUpArgs) -> anyhow::Result<bool> {
    let config = Config::read(connection.config())?;
    let url = match &request.url {
        Some(url) => url.clone(),
        None => where_it_runs(&config)?,
    };
    let host = url.strip_prefix("https://").unwrap_or(&url).split([':', '/']).next().unwrap_or_default();
    let trial = config.data.join("tls").join(format!("{host}-ca.pem"));
    let ca = request.ca.clone().or_else(|| Some(trial).filter(|path| path.exists()));
    let credential = match (&request.client, &request.secret_file) {
        (Some(client), Some(file)) => {
            let secret =
                std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            let secret = zeroize::Zeroizing::new(secret);
            ApplicationCredential::Secret {
                client_id: client.clone(),
                secret: zeroize::Zeroizing::new(secret.trim().to_owned()),
            }
        }
        _ => {
            let verifier = connection.open()?;
            // An application is not told whether there is such a user; the administrator may know.
            verifier.call::<ShowUser>(&UserTarget { user: request.user.clone() }, &Nothing {}).await?;
            ApplicationCredential::Administrator(Box::new(verifier))
        }
    };
    let application = Application::discover(&url, ca.as_deref(), credential).await?;
    let device = match &request.device {
        None => None,
        // Needs no verifier's help: an application's machine has none.
        Some(DeviceRef::Id(id)) => Some(*id),
        Some(code) => {
            let target = DeviceTarget { device: code.clone() };
            Some(connection.call::<ShowDevice>(&target, &Nothing {}).await?.device)
        }
    };
    let parameters = parameters(&request, device);
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let outcome = match application.ask(&parameters).await? {
        Err(refusal) => PollOutcome::Refused(refusal),
        Ok(asked) => wait(&application, &asked).await?,
    };
    show(&application, outcome, request.json, request.token).await
}

fn parameters(request: &StepUpArgs, device: Option<EnrolmentId>) -> Vec<(&'static str, String)> {
    let given = [
        ("scope", Some("openid".to_owned())),
        ("login_hint", Some(request.user.clone())),
        ("binding_message", Some(request.message.clone())),
        ("acr_values", Some(request.acr.urn().to_owned())),
        ("vitalsign_device", device.map(|device| device.to_string())),
        ("requested_expiry", request.expires.map(|seconds| seconds.to_string())),
        ("authorization_details", request.details.clone()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Polls for the token until the step-up has ended. Retries while the verifier is unreachable, because the step-up
/// survives its restart.
async fn wait(application: &Application, asked: &AuthRequested) -> anyhow::Result<PollOutcome> {
    let progress = Progress::begin(asked.expires_in);
    let mut interval = Duration::from_secs(asked.interval);
    let mut away = false;
    loop {
        ensure!(!progress.is_over(), "the verifier did not say how it ended");
        let begun = Instant::now();
        let answer = tokio::select! {
            answer = application.poll(&asked.auth_req_id) => answer,
            () = progress.show() => bail!("the verifier did not say how it ended"),
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("listening for signals")?;
                progress.end();
                return cancel(application, &asked.auth_req_id).await;
            }
        };
        match answer {
            Ok(Ok(tokens)) => {
                progress.end();
                return Ok(PollOutcome::Approved(Box::new(tokens)));
            }
            Ok(Err(refusal)) => match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval += SLOWER,
                "temporarily_unavailable" => tokio::time::sleep(AGAIN).await,
                _ => {
                    progress.end();
                    return Ok(PollOutcome::Refused(refusal));
                }
            },
            Err(error) => {
                if !away {
                    progress.note(&format!("{error:#}; trying again"));
                }
                away = true;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        }
        away = false;
        tokio::time::sleep(interval.saturating_sub(begun.elapsed())).await;
    }
}

async fn cancel(application: &Application, auth_req_id: &str) -> anyhow::Result<PollOutcome> {
    match application.cancel(auth_req_id).await? {
        Ok(_) => Ok(PollOutcome::Cancelled),
        // The step-up closed at the same moment; its result follows from a poll.
        Err(_) => match application.poll(auth_req_id).await? {
            Ok(tokens) => Ok(PollOutcome::Approved(Box::new(tokens))),
            Err(refusal) => Ok(PollOutcome::Refused(refusal)),
        },
    }
}

async fn show(
    application: &Application,
    outcome: PollOutcome,
    as_json: bool,
    show_token: bool,
) -> anyhow::Result<bool> {
    let refused = |end: Option<StepUpResult>,
                   reasons: &[String],
                   error: &str,
                   why: &str|
     -> anyhow::Result<bool> {
        if as_json {
            print_json(&json!({
                "step_up": "refused", "end": end, "reasons": reasons, "error": error, "error_description": why,
            }))?;
        } else {
            eprintln!("Refused: {}", end.map_or_else(|| why.to_owned(), |end| plainly(end).to_owned()));
            for reason in reasons {
                match check::of(reason) {
                    Some(text) => eprintln!("  - {}: {}", text.title, check::remedy(reason, "").text),
                    None => eprintln!("  - {reason}"),
                }
            }
        }
        Ok(false)
    };
    let tokens = match outcome {
        PollOutcome::Cancelled => {
            return refused(
                Some(StepUpResult::Cancelled),
                &[],
                "cancelled",
                plainly(StepUpResult::Cancelled),
            );
        }
        PollOutcome::Refused(Refusal { error, error_description, vitalsign_end, vitalsign_reasons }) => {
            let why = if error_description.is_empty() { &error } else { &error_description };
            return refused(vitalsign_end, &vitalsign_reasons, &error, why);
        }
        PollOutcome::Approved(tokens) => tokens,
    };
    let claims = application.check(&tokens).await?;
    if as_json {
        print_json(&json!({
            "step_up": "approved",
            "end": StepUpResult::Approved,
            "tokens": *tokens,
            "id_claims": claims.id,
            "access_claims": claims.access,
        }))?;
    } else {
        let Checked { id, access } = claims;
        println!("Approved: {}", plainly(StepUpResult::Approved));
        println!("level      {}", id.acr.urn());
        println!("person     {} (sub)", id.sub);
        println!("how        {}", id.amr.join(", "));
        println!("when       {}", table::time(id.auth_time));
        println!(
            "device     {}, {} (verdict {})",
            id.vitalsign_device, id.vitalsign_ear.status, id.vitalsign_ear.digest
        );
        println!("key model  {}", id.vitalsign_aaguid);
        println!("proof      audit entry {}", id.vitalsign_audit);
        println!(
            "token      {}, for {}, until {}",
            tokens.token_type,
            access.id.aud,
            table::time(access.id.exp)
        );
        println!("The signatures of both tokens are valid.");
        if show_token {
            println!();
            println!("{}", tokens.access_token);
        }
    }
    Ok(true)
}

/// Returns the verifier's URL from the configuration.
fn where_it_runs(config: &Config) -> anyhow::Result<String> {
    if let Some(origin) = &config.origin {
        return Ok(origin.to_string());
    }
    ensure!(config.listen.port() != 0, "the verifier takes any free port: say with --url where it listens");
    Ok(format!("https://localhost:{}", config.listen.port()))
}

fn acr(text: &str) -> Result<Acr, String> {
    let named =
        Acr::ALL.into_iter().find(|acr| acr.urn() == text || acr.urn().rsplit(':').next() == Some(text));
    named.ok_or_else(|| "badge, hardware-key, healthy-device or epcs was expected".to_owned())
}

async fn list(connection: &VerifierConnection, query: &StepUpQuery, json: bool) -> anyhow::Result<bool> {
    let recent = connection.call::<ListStepUps>(&Nothing {}, query).await?;
    if json {
        print_json(&recent)?;
        return Ok(true);
    }
    let rows: Vec<_> = recent
        .into_iter()
        .map(|it| {
            let state = match it.end {
                Some(end) => end.to_string(),
                None if it.expires <= now() => StepUpResult::TimedOut.to_string(),
                None => "waiting".to_owned(),
            };
            let (device, audit) = match &it.approval {
                Some(it) => (DeviceCode::of(&it.device).to_string(), it.audit.to_string()),
                None => (String::new(), String::new()),
            };
            let level = it.acr.urn().rsplit(':').next().unwrap_or_default().to_owned();
            let (asked, message) = (table::time(it.created), escape(&it.message).replace('\n', " "));
            [asked, it.client, escape(&it.login_hint), level, state, device, audit, message]
        })
        .collect();
    table::print(["ASKED", "CLIENT", "USER", "LEVEL", "RESULT", "DEVICE", "AUDIT ENTRY", "MESSAGE"], &rows);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_short_names() {
        for level in Acr::ALL {
            assert_eq!(acr(level.urn()), Ok(level));
        }
        assert_eq!(acr("epcs"), Ok(Acr::Epcs));
        assert_eq!(acr("hardware-key"), Ok(Acr::HardwareKey));
        assert!(acr("").is_err() && acr("acr").is_err());
    }
}
