//! Watches what ends this session's PIN period and the service cannot see: that a security key was removed, and that the
//! session's screen locked.

use crate::session_lock::{Input, share};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use vitalsign_ipc::Request;
use vitalsign_security_key::{Failure, SecurityKeys};

/// A watch of this session. The PIN period ends with the process.
#[derive(Clone, Debug)]
pub struct PinPeriodWatch(Sender<Input>);

/// Ends the connection to the service with the watch of the keys.
struct Guard(Sender<Input>);

impl Drop for Guard {
    fn drop(&mut self) {
        // Fails if the connection has ended first.
        let _ = self.0.send(Input::Stop);
    }
}

impl PinPeriodWatch {
    /// Watches the keys for as long as the process runs, and tells the service at this socket.
    ///
    /// # Errors
    /// The keys cannot be watched: there is no PIN period, and every tap needs the PIN.
    pub fn start(socket: PathBuf, keys: &SecurityKeys) -> Result<Self, Failure> {
        let (inputs, inbox) = channel();
        let begin = || Input::Send(Request::PinPeriod);
        let guard = Guard(inputs.clone());
        keys.watch_removal(move || {
            let _ = guard.0.send(begin());
        })?;
        let _ = inputs.send(begin());
        let own = inputs.clone();
        std::thread::spawn(move || share(&socket, &own, &inbox));
        Ok(Self(inputs))
    }

    /// Ends the period, because the screen locked or unlocked or another session came to the front or left it.
    pub fn end(&self) {
        let _ = self.0.send(Input::Send(Request::PinPeriod));
    }
}
