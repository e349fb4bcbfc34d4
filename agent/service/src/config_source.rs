//! The configuration while the service runs. It is read again before each reading of facts, each enrolment and each
//! opening of the event channel, so that a new token, key or verifier needs no restart.

use crate::config::{self, Config, ConfigError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vitalsign_agent_core::RequestError;
use vitalsign_protocol::id::{Digest, Secret};

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
    /// Digest of that token if it is in the managed configuration itself, from where the service cannot remove it.
    digest: Option<Digest>,
    /// The managed configuration is kept over a restart.
    keeps: bool,
}

impl ConfigSource {
    pub(crate) fn new(
        read: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let last = Mutex::new(LastRead { config: read()?, token: None, digest: None, keeps: false });
        Ok(Self { read: Box::new(read), last })
    }

    /// Returns the configuration as it was read last.
    pub(crate) fn current(&self) -> Config {
        self.last().config.clone()
    }

    /// Keeps the managed configuration in the state folder from now on: only the service does, whose folder it is.
    pub(crate) fn keep(&self) {
        let mut last = self.last();
        last.keeps = true;
        last.keep();
    }

    /// Reads the configuration again. If it cannot be used, the last one stays in force, and
    /// [`refused`](config::ManagedConfig::refused) says why.
    pub(crate) fn reload(&self) -> Config {
        let read = (self.read)();
        let mut last = self.last();
        let refused = match read {
            Ok(config) if config.managed.refused.is_none() => {
                last.config = config;
                last.keep();
                return last.config.clone();
            }
            Ok(config) => config.managed.refused,
            Err(error) => Some(error.to_string()),
        };
        // Reports come often, and the log says it once.
        if last.config.managed.refused != refused {
            tracing::error!(
                error = refused.as_deref().unwrap_or_default(),
                "the settings cannot be used: the last ones stay in force"
            );
        }
        last.config.managed.refused = refused;
        last.config.managed.organisation.is_managed = true;
        last.config.clone()
    }

    /// Reads the enrolment token for [`Self::take_token`], once: its file may be a pipe. To the core, a token that
    /// cannot be read, and one that this device has used, is the same as none.
    pub(crate) fn read_token(&self) -> Result<(), RequestError> {
        let config = self.current();
        let in_file = config.token_in_files().map_err(|error| {
            tracing::error!(%error, "the enrolment token cannot be read");
            RequestError::NoToken
        })?;
        let (token, digest) = match in_file {
            Some(token) => (token, None),
            None => {
                let token = config.configured_token().ok_or(RequestError::NoToken)?;
                let digest = config::digest_of(token);
                if config::is_used(&config.state, &digest) {
                    return Err(RequestError::NoToken);
                }
                (token.clone(), Some(digest))
            }
        };
        let mut last = self.last();
        (last.token, last.digest) = (Some(token), digest);
        Ok(())
    }

    /// Remembers the token that the device has enrolled with, unless it was in a file, which the caller removes.
    pub(crate) fn remember_token(&self, state: &Path) {
        if let Some(digest) = self.last().digest.take()
            && let Err(error) = config::remember(state, &digest)
        {
            tracing::warn!(%error, "that the enrolment token was used is not remembered");
        }
    }

    pub(crate) fn take_token(&self) -> Result<Secret, RequestError> {
        self.last().token.take().ok_or(RequestError::NoToken)
    }

    fn last(&self) -> MutexGuard<'_, LastRead> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastRead {
    fn keep(&self) {
        if self.keeps
            && self.config.managed.refused.is_none()
            && let Err(error) = config::keep(&self.config.state, &self.config.managed.layer)
        {
            tracing::warn!(%error, "the managed settings are not kept over a restart");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigLayer;
    use std::path::PathBuf;

    /// A source of the managed configuration in this folder.
    fn source(folder: &Path) -> ConfigSource {
        let (file, flags) = (
            folder.join("agent.toml"),
            ConfigLayer { state: Some(folder.join("state")), ..ConfigLayer::default() },
        );
        std::fs::create_dir_all(folder.join("state")).unwrap();
        ConfigSource::new(move || Config::load_or_kept(Some(&file), &flags)).unwrap()
    }

    fn deliver(folder: &Path, text: &str) -> PathBuf {
        let file = folder.join("agent.toml");
        std::fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn managed_token_is_used_once_by_a_machine() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        deliver(folder.path(), "enrolment-token = 'vse_a'");
        let it = source(folder.path());
        it.read_token().unwrap();
        assert_eq!(it.take_token().unwrap().expose(), b"vse_a");
        // A token is kept for another try until the device is enrolled.
        it.read_token().unwrap();
        it.remember_token(&state);
        assert_eq!(it.read_token(), Err(RequestError::NoToken));
        assert_eq!(source(folder.path()).read_token(), Err(RequestError::NoToken), "after a restart");
        // By hand it may be used again.
        assert_eq!(it.current().token().unwrap().unwrap().expose(), b"vse_a");
        deliver(folder.path(), "enrolment-token = 'vse_b'");
        it.reload();
        it.read_token().unwrap();
        assert_eq!(it.take_token().unwrap().expose(), b"vse_b");
        // A machine that was installed again has no memory.
        std::fs::remove_dir_all(&state).unwrap();
        deliver(folder.path(), "enrolment-token = 'vse_a'");
        source(folder.path()).read_token().unwrap();
    }

    #[test]
    fn refused_settings_keep_the_last_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        deliver(folder.path(), "key = 'software'\nenrolment-token = 'vse_a'");
        let it = source(folder.path());
        it.keep();
        deliver(folder.path(), "key = 'auto'\nkay = 1");
        for source in [it, source(folder.path())] {
            let config = source.reload();
            assert_eq!(config.key, "software");
            assert!(config.managed.refused.as_ref().unwrap().contains("agent.toml:2:1: kay"), "{config:?}");
            assert!(config.managed.organisation.is_managed);
            source.keep();
        }
        let kept = std::fs::read_to_string(folder.path().join("state/settings.toml")).unwrap();
        assert_eq!(kept, "key = \"software\"\n");
        deliver(folder.path(), "key = 'auto'");
        let config = source(folder.path()).reload();
        assert_eq!((config.key.as_str(), config.managed.refused), ("auto", None));
    }

    #[test]
    fn missing_named_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("missing.toml");
        assert!(Config::load_or_kept(Some(&file), &ConfigLayer::default()).is_err());
    }
}
