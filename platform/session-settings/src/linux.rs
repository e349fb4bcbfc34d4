//! Linux: the probe of the screen lock, and a watch of the files that it reads.

use std::io;
use std::time::Duration;
use vitalsign_linux::Root;
use vitalsign_linux::lock::{self, LoginSession, SettingsWatch};
use vitalsign_linux::run::Commands;
use vitalsign_protocol::posture::Lock;

/// Screen lock of the session that this process runs in.
#[derive(Debug)]
pub struct LockSettings {
    session: LoginSession,
    watch: SettingsWatch,
}

impl LockSettings {
    /// Returns the settings of this process's session; `None` if it has no desktop.
    ///
    /// # Errors
    /// When there is no file descriptor left.
    pub fn of_this_session() -> io::Result<Option<Self>> {
        let Some(session) = LoginSession::from_environment() else { return Ok(None) };
        let watch = SettingsWatch::new(&Root::default(), &session)?;
        Ok(Some(Self { session, watch }))
    }

    /// Reads the settings in force.
    #[must_use]
    pub fn read(&mut self) -> Lock {
        self.watch.look_for_programs();
        let root = Root::default();
        lock::read(&root, &Commands::of(&root), Some(&self.session))
    }

    /// Waits until the settings may have changed, or another session came to the front; at most `patience`.
    ///
    /// # Errors
    /// As the system says.
    pub fn wait(&mut self, patience: Duration) -> io::Result<()> {
        self.watch.wait(patience).map(drop)
    }
}
