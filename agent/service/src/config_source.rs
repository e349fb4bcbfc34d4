//! The configuration while the service runs. It is read again before each reading of facts, each enrolment and each
//! opening of the event channel, so that a new token, key or verifier needs no restart.

use crate::config::{Config, ConfigError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use vitalsign_agent_core::RequestError;
use vitalsign_protocol::id::Secret;

type ReadConfig = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// Reads the configuration and the enrolment token, and keeps the last ones for all threads.
pub(crate) struct ConfigSource {
    read: ReadConfig,
    last: Mutex<LastRead>,
}

struct LastRead {
    config: Config,
    /// Token for the enrolment that begins next.
    token: Option<Secret>,
}

impl ConfigSource {
    pub(crate) fn new(
        read: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let last = Mutex::new(LastRead { config: read()?, token: None });
        Ok(Self { read: Box::new(read), last })
    }

    /// Returns the configuration as it was read last.
    pub(crate) fn current(&self) -> Config {
        self.last().config.clone()
    }

    /// Reads the configuration again. After an error the last one stays in use.
    pub(crate) fn reload(&self) -> Result<Config, ConfigError> {
        let config = (self.read)().inspect_err(|error| {
            tracing::error!(%error, "the settings cannot be used");
        })?;
        self.last().config = config.clone();
        Ok(config)
    }

    /// Reads the enrolment token for [`Self::take_token`], once: its file may be a pipe. To the core, a token that
    /// cannot be read is the same as none.
    pub(crate) fn read_token(&self) -> Result<(), RequestError> {
        let token = self.current().token().map_err(|error| {
            tracing::error!(%error, "the enrolment token cannot be read");
            RequestError::NoToken
        })?;
        self.last().token = Some(token.ok_or(RequestError::NoToken)?);
        Ok(())
    }

    pub(crate) fn take_token(&self) -> Result<Secret, RequestError> {
        self.last().token.take().ok_or(RequestError::NoToken)
    }

    fn last(&self) -> MutexGuard<'_, LastRead> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
