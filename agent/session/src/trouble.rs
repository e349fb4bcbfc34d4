//! What goes wrong: as a type for whoever has words of its own, and in words for a terminal.

use crate::texts;
use std::fmt;
use vitalsign_client::ClientError;
use vitalsign_ipc::Refusal;
use vitalsign_security_key::Failure;

/// Why a step-up is not answered from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The security key was not used.
    Key(Failure),
    /// It asks for a PIN, and there is nowhere to enter one.
    NoPin,
    Refused(Refusal),
    /// The service was not reached.
    Disconnected(Disconnected),
    /// The service answered something else than was asked.
    Odd,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(failure) => f.write_str(&texts::failure(failure)),
            Self::NoPin => f.write_str(texts::NO_PIN),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Disconnected(lost) => lost.fmt(f),
            Self::Odd => f.write_str(texts::ODD),
        }
    }
}

/// How the service was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    pub loss: DisconnectReason,
    pub text: String,
}

/// In what way the service is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// Nobody answers at the socket.
    NotRunning,
    /// Somebody else made the socket, or it is closed to us.
    Foreign,
    /// It speaks another version of the protocol.
    OtherVersion,
    /// What it says is not the protocol.
    Garbled,
    /// It does not answer in time.
    Silent,
    /// It starts, stops, or talks to too many.
    Busy,
    Other,
}

impl From<&ClientError> for Disconnected {
    fn from(error: &ClientError) -> Self {
        let loss = match error {
            ClientError::NotRunning(_) => DisconnectReason::NotRunning,
            ClientError::Foreign(..) => DisconnectReason::Foreign,
            ClientError::Protocol(vitalsign_ipc::Error::OtherVersion(_)) => DisconnectReason::OtherVersion,
            ClientError::Protocol(_) => DisconnectReason::Garbled,
            ClientError::TimedOut => DisconnectReason::Silent,
            ClientError::Closed => DisconnectReason::Busy,
            ClientError::Io(_) => DisconnectReason::Other,
        };
        Self { loss, text: error.to_string() }
    }
}

impl From<&Refusal> for Disconnected {
    fn from(refusal: &Refusal) -> Self {
        Self { loss: DisconnectReason::Busy, text: refusal.to_string() }
    }
}

impl Disconnected {
    /// By a service that answers something else than was asked.
    #[must_use]
    pub fn odd() -> Self {
        Self { loss: DisconnectReason::Garbled, text: texts::ODD.to_owned() }
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
