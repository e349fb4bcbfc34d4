//! The connection to the verifier that a command administers.

use super::progress::Progress;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::{
    AdminClient, CallError, CancelTap, Nothing, Operation, RemoteCredential, TapCancellation, TapNeeded,
};
use vitalsign_verifier::config::Config;
use zeroize::Zeroizing;

/// Delay before retrying a verifier that does not answer.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Verifier on another machine.
#[derive(clap::Args)]
#[command(next_help_heading = "Another machine")]
pub(crate) struct ServerArgs {
    /// Administer the verifier at this URL, where its API for administrators listens, instead of the one on this machine
    #[arg(long, value_name = "URL", global = true)]
    server: Option<String>,
    /// PEM file with the certificates that its certificate must chain to [default: the system's]
    #[arg(long, value_name = "FILE", global = true, requires = "server")]
    server_ca: Option<PathBuf>,
    /// PEM file with your certificate and its private key
    #[arg(long, value_name = "FILE", global = true, requires = "server", conflicts_with = "server_token")]
    server_cert: Option<PathBuf>,
    /// File with your access token
    #[arg(long, value_name = "FILE", global = true, requires = "server")]
    server_token: Option<PathBuf>,
}

/// The verifier that a command administers.
pub(crate) struct VerifierConnection {
    config: PathBuf,
    server: ServerArgs,
}

impl VerifierConnection {
    pub(crate) fn new(config: PathBuf, server: ServerArgs) -> Self {
        Self { config, server }
    }

    /// Path of the configuration on this machine.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Returns whether it is the verifier on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.server.server.is_none()
    }

    pub(super) fn open(&self) -> anyhow::Result<AdminClient> {
        let ServerArgs { server, server_ca, server_cert, server_token } = &self.server;
        let Some(url) = server else {
            return Ok(AdminClient::local(&Config::read(&self.config)?.admin_socket())?);
        };
        let read =
            |path: &PathBuf| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let token = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
            text.map(Zeroizing::new)
        };
        let credential = RemoteCredential {
            roots: server_ca.as_ref().map(read).transpose()?,
            identity: server_cert.as_ref().map(|path| read(path).map(Zeroizing::new)).transpose()?,
            token: server_token.as_ref().map(token).transpose()?,
        };
        Ok(AdminClient::remote(url, credential)?)
    }

    /// Calls one operation. If it needs a tap, waits until the person has decided.
    pub(super) async fn call<O: Operation>(
        &self,
        target: &O::Target,
        input: &O::Input,
    ) -> anyhow::Result<O::Answer> {
        match self.open()?.call::<O>(target, input).await {
            Err(CallError::TapNeeded(needed)) => self.confirm::<O>(target, input, &needed).await,
            answer => Ok(answer?),
        }
    }

    /// Repeats an operation until the tap that it needs was given or refused. Retries while the verifier is unreachable,
    /// because the request for the tap survives its restart.
    async fn confirm<O: Operation>(
        &self,
        target: &O::Target,
        input: &O::Input,
        needed: &TapNeeded,
    ) -> anyhow::Result<O::Answer> {
        let user = escape(&needed.user);
        eprintln!("{user} is asked to confirm with a security key: {}", escape(&needed.message));
        let progress = Progress::begin(needed.expires_in);
        let mut away = false;
        // One listener for all turns: a signal between two of them is not missed.
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        while !progress.is_over() {
            let attempt = async {
                match self.open() {
                    Ok(verifier) => {
                        Ok(verifier.call_confirmed::<O>(target, input, Some(&needed.approval)).await)
                    }
                    Err(error) => error.downcast::<CallError>().map(Err),
                }
            };
            let outcome = tokio::select! {
                outcome = attempt => outcome?,
                () = progress.show() => break,
                interrupted = &mut interrupted => {
                    interrupted.context("listening for signals")?;
                    progress.end();
                    let approval = needed.approval.clone();
                    self.open()?.call::<CancelTap>(&Nothing {}, &TapCancellation { approval }).await?;
                    bail!("interrupted: {user} is not asked any more, and nothing was done");
                }
            };
            match outcome {
                Err(CallError::TapNeeded(_)) => away = false,
                Err(error @ (CallError::NotRunning(..) | CallError::Unreachable(..))) => {
                    if !away {
                        progress.note(&format!("{error}; trying again"));
                    }
                    away = true;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                outcome => {
                    progress.end();
                    let answer = outcome?;
                    eprintln!("Confirmed by a tap of {user} (step-up {}).", needed.step_up);
                    return Ok(answer);
                }
            }
        }
        bail!(
            "the verifier did not say whether {user} has confirmed; `audit list` shows whether the action was done"
        )
    }
}

/// Returns whether a command failed because the verifier could not be reached.
pub(crate) fn is_unreachable(error: &anyhow::Error) -> bool {
    use CallError::{Answer, Credential, Denied, Name, NotRunning, Refused, TapNeeded, Unreachable};
    match error.downcast_ref::<CallError>() {
        Some(NotRunning(..) | Denied(..) | Unreachable(..)) => true,
        Some(Refused(_) | TapNeeded(_) | Answer(_) | Credential(_) | Name(_)) | None => false,
    }
}
