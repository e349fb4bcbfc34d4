//! The two that are spoken to: the service, and the security keys.

use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{Answer, Request, Status};
use vitalsign_security_key::{Cancel, Ceremony, Failure, Prompt, SecurityKeys};

/// The way to the service.
pub trait ServiceConnector: Send + Sync {
    fn connect(&self) -> Result<Box<dyn Service>, ClientError>;
}

/// A connection to the service.
pub trait Service: Send {
    /// Asks, and waits for the answer.
    fn ask(&mut self, request: Request) -> Result<Answer, ClientError>;
    /// The next change, after [`Request::Subscribe`].
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::TimedOut`] when nothing has changed in this time.
    fn event(&mut self, patience: Duration) -> Result<Status, ClientError>;
}

#[derive(Clone, Debug)]
pub struct Socket(pub PathBuf);

impl ServiceConnector for Socket {
    fn connect(&self) -> Result<Box<dyn Service>, ClientError> {
        Ok(Box::new(ServiceClient::connect(&self.0)?))
    }
}

impl Service for ServiceClient {
    fn ask(&mut self, request: Request) -> Result<Answer, ClientError> {
        Self::ask(self, request)
    }
    fn event(&mut self, patience: Duration) -> Result<Status, ClientError> {
        Self::event(self, patience)
    }
}

/// The security keys of this machine.
pub trait SecurityKeyClient: Send + Sync {
    /// Performs a ceremony, see [`SecurityKeys::perform`].
    fn perform(
        &self,
        ceremony: &Ceremony,
        prompts: &mut (dyn FnMut(Prompt) + Send),
        cancel: &Cancel,
    ) -> Result<Value, Failure>;
}

/// Keys that may not be reachable at all: each ceremony then ends with why.
impl<K: SecurityKeyClient> SecurityKeyClient for Result<K, Failure> {
    fn perform(
        &self,
        ceremony: &Ceremony,
        prompts: &mut (dyn FnMut(Prompt) + Send),
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        self.as_ref().map_err(Failure::clone)?.perform(ceremony, prompts, cancel)
    }
}

impl SecurityKeyClient for SecurityKeys {
    fn perform(
        &self,
        ceremony: &Ceremony,
        prompts: &mut (dyn FnMut(Prompt) + Send),
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        Self::perform(self, ceremony, prompts, cancel)
    }
}
