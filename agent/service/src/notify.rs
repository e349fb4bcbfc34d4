//! Notifies the service manager (systemd's sd_notify(3)), and pings its watchdog (`WatchdogSec=`). Does nothing without
//! one.

use crate::env;
use std::ffi::OsString;
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    pub(crate) fn from_environment() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let ours = number(env::WATCHDOG_PID).is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number(env::WATCHDOG_USEC).filter(|_| ours).map(Duration::from_micros);
        Self { socket: std::env::var_os(env::NOTIFY_SOCKET), watchdog: limit.map(|limit| limit / 2) }
    }

    /// Creates a manager that expects a sign of life in each `interval`.
    #[cfg(test)]
    pub(crate) fn with_watchdog(socket: OsString, interval: Duration) -> Self {
        Self { socket: Some(socket), watchdog: Some(interval) }
    }

    /// Returns the interval at which [`ServiceManager::alive`] must be called, if any.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The service answers from now on.
    pub(crate) fn ready(&self) {
        self.say("READY=1");
    }

    /// Sends the line that `systemctl status` shows.
    pub(crate) fn status(&self, line: &str) {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        self.say(&format!("STATUS={line}"));
    }

    /// Pings the watchdog (`WATCHDOG=1`).
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = vitalsign_os::notify_manager(socket, message)
        {
            tracing::debug!(%error, message, "the service manager was not reached");
        }
    }
}
