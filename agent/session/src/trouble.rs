//! Errors of the session, as types and as text.

use crate::texts;
use std::fmt;
use vitalsign_client::ClientError;
use vitalsign_ipc::Refusal;
use vitalsign_security_key::Failure;

/// Reason why a step-up cannot be answered from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The security key was not used.
    Key(Failure),
    /// It asks for a PIN, and there is nowhere to enter one.
    NoPin,
    Refused(Refusal),
    /// The service was not reached.
    Disconnected(Disconnected),
    /// The service sent an unexpected answer.
    Odd,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(failure) => f.write_str(&texts::failure(failure, texts::IT)),
            Self::NoPin => f.write_str(texts::NO_PIN),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Disconnected(lost) => lost.fmt(f),
            Self::Odd => f.write_str(texts::ODD),
        }
    }
}

/// Loss of the connection to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    pub loss: DisconnectReason,
    pub text: String,
}

/// In what way the service is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// No service listens at the socket.
    NotRunning,
    /// The socket belongs to another user, or may not be opened by this one.
    Foreign,
    /// It speaks another version of the protocol.
    OtherVersion,
    /// The service's message violates the protocol.
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
    /// By a service that sends an unexpected answer.
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
