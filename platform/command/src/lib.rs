//! Runs programs for their answer, and holds the protocol between the service and its helper for root.
//!
//! Some package managers and endpoint products answer root only, and the service is not root. The helper is: it runs one
//! program of a fixed list ([`Question`]) and returns the output. The service parses it, so that no parser runs as root.

pub mod frame;
mod question;

#[cfg(target_os = "linux")]
pub mod client;
#[cfg(target_os = "linux")]
pub mod run;
#[cfg(target_os = "linux")]
pub mod trust;

pub use question::{Question, Surroundings};

/// The most bytes that are taken from a program.
pub const MAX_OUTPUT: usize = 4 * 1024 * 1024;

/// Exit status and standard output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawOutput {
    /// Exit status; none when a signal ended it.
    pub status: Option<u8>,
    /// Standard output, at most [`MAX_OUTPUT`].
    pub bytes: Vec<u8>,
}

/// Reason why a program gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunError {
    /// There is no such program.
    Missing,
    /// The system or the helper does not let this process run it.
    Denied,
    /// Users other than root can change it.
    Untrusted,
    /// It did not end before the deadline, and was killed.
    TimedOut,
    /// It wrote more than [`MAX_OUTPUT`].
    TooMuch,
    /// It could not be started or read.
    Failed,
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no such program",
            Self::Denied => "permission to run it was denied",
            Self::Untrusted => "users other than root can change it or its folder",
            Self::TimedOut => "it did not end in time",
            Self::TooMuch => "it wrote more than is read",
            Self::Failed => "it could not be started or read",
        })
    }
}

impl std::error::Error for RunError {}

impl From<std::io::Error> for RunError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => Self::TimedOut,
            _ => Self::Failed,
        }
    }
}

#[cfg(target_os = "linux")]
impl From<rustix::io::Errno> for RunError {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}
