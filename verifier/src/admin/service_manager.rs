//! Notifications of the service manager (systemd's sd_notify(3)). Without one, they do nothing.

#[cfg(unix)]
use sd_notify::NotifyState;
use std::time::Duration;

/// Longest interval between signs of life, also without a watchdog.
const INTERVAL: Duration = Duration::from_secs(10);

/// Event in the life of the service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    /// It answers from now on, or has read its files again.
    Ready,
    /// It reads its files again.
    Reloading,
    /// It is alive: the watchdog's deadline begins again.
    Alive,
    Stopping,
}

/// Tells the service manager.
#[cfg(unix)]
pub(super) fn tell(life: Life) {
    let states = match life {
        Life::Ready => vec![NotifyState::Ready],
        // systemd 253 and later require the time.
        Life::Reloading => {
            let time = NotifyState::monotonic_usec_now().ok();
            std::iter::once(NotifyState::Reloading).chain(time).collect()
        }
        Life::Alive => vec![NotifyState::Watchdog],
        Life::Stopping => vec![NotifyState::Stopping],
    };
    if let Err(error) = sd_notify::notify(&states) {
        tracing::debug!(%error, ?life, "the service manager was not reached");
    }
}

#[cfg(not(unix))]
pub(super) fn tell(_life: Life) {}

/// Returns the interval at which [`Life::Alive`] must be told: a third of the watchdog's time, so that one late sign is no
/// reason for a restart.
pub(super) fn interval() -> Duration {
    #[cfg(unix)]
    let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 3);
    #[cfg(not(unix))]
    let watchdog = None::<Duration>;
    watchdog.map_or(INTERVAL, |limit| limit.min(INTERVAL))
}
