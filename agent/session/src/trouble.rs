//! What goes wrong: as a type for whoever has words of its own, and in words for a terminal.

use crate::texts;
use std::fmt;
use vitalsign_client::ClientError;
use vitalsign_ipc::Refusal;
use vitalsign_security_key::Failure;

/// Why a step-up is not answered from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The security key was not used.
    Key(Failure),
    /// It asks for a PIN, and there is nowhere to enter one.
    NoPin,
    /// The service refuses.
    Refused(Refusal),
    /// The service was not reached.
    Lost(Lost),
    /// The service answered something else than was asked.
    Odd,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(failure) => f.write_str(&texts::failure(failure)),
            Self::NoPin => f.write_str(texts::NO_PIN),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Lost(lost) => lost.fmt(f),
            Self::Odd => f.write_str(texts::ODD),
        }
    }
}

/// How the service was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// In what way.
    pub loss: Loss,
    /// In words.
    pub text: String,
}

/// In what way the service is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
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
    /// Anything else.
    Other,
}

impl From<&ClientError> for Lost {
    fn from(error: &ClientError) -> Self {
        let loss = match error {
            ClientError::NotRunning(_) => Loss::NotRunning,
            ClientError::Foreign(..) => Loss::Foreign,
            ClientError::Protocol(vitalsign_ipc::Error::OtherVersion(_)) => Loss::OtherVersion,
            ClientError::Protocol(_) => Loss::Garbled,
            ClientError::TimedOut => Loss::Silent,
            ClientError::Closed => Loss::Busy,
            ClientError::Io(_) => Loss::Other,
        };
        Self { loss, text: error.to_string() }
    }
}

impl From<&Refusal> for Lost {
    fn from(refusal: &Refusal) -> Self {
        Self { loss: Loss::Busy, text: refusal.to_string() }
    }
}

impl Lost {
    /// By a service that answers something else than was asked.
    #[must_use]
    pub fn odd() -> Self {
        Self { loss: Loss::Garbled, text: texts::ODD.to_owned() }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
