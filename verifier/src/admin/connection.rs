//! The connection to the verifier that a command administers.

use anyhow::Context;
use std::path::{Path, PathBuf};
use vitalsign_verifier::admin_api::{AdminClient, CallError, Operation, RemoteCredential};
use vitalsign_verifier::config::Config;
use zeroize::Zeroizing;

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

    /// Calls one operation.
    pub(super) async fn call<O: Operation>(
        &self,
        target: &O::Target,
        input: &O::Input,
    ) -> anyhow::Result<O::Answer> {
        Ok(self.open()?.call::<O>(target, input).await?)
    }
}

/// Returns whether a command failed because the verifier could not be reached.
pub(crate) fn is_unreachable(error: &anyhow::Error) -> bool {
    use CallError::{Answer, Credential, Denied, Name, NotRunning, Refused, Unreachable};
    match error.downcast_ref::<CallError>() {
        Some(NotRunning(..) | Denied(..) | Unreachable(..)) => true,
        Some(Refused(_) | Answer(_) | Credential(_) | Name(_)) | None => false,
    }
}
