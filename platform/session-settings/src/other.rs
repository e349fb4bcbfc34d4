//! Systems whose settings are not read.

use std::io;
use std::time::Duration;
use vitalsign_protocol::posture::Lock;

/// Screen lock of a session: never there.
#[derive(Debug)]
pub enum LockSettings {}

impl LockSettings {
    /// Returns `None`: settings are not read on this system.
    ///
    /// # Errors
    /// None.
    pub fn of_this_session() -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Reads the settings in force.
    #[must_use]
    pub fn read(&mut self) -> Lock {
        match *self {}
    }

    /// Waits until the settings may have changed.
    ///
    /// # Errors
    /// None.
    pub fn wait(&mut self, _: Duration) -> io::Result<()> {
        match *self {}
    }
}
