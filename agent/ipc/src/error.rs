//! Errors of framing and greeting, and the limits that they name.

/// Protocol name in a greeting.
pub const PROTOCOL: &str = "vitalsign-ipc";
/// Version of the protocol. Client and service must speak the same one.
pub const VERSION: u32 = 1;
/// Maximum length of the JSON in a frame, in bytes.
pub const MAX_FRAME: usize = 256 * 1024;

/// Reason why a message from the peer was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A frame is announced, or was to be sent, that is longer than [`MAX_FRAME`]. The conversation is over.
    #[error("a message of {0} bytes is longer than the {MAX_FRAME} that are accepted")]
    TooLarge(usize),
    /// The first frame is no greeting of ours. The conversation is over.
    #[error("the peer on this socket does not speak {PROTOCOL}")]
    NotOurs,
    /// The other side is of another version. The conversation is over.
    #[error(
        "the other side speaks version {0} of {PROTOCOL}, and this program version {VERSION}: update the older one"
    )]
    OtherVersion(u32),
    /// A message has an unknown type or shape, for example because the peer is newer. Later messages may be
    /// valid.
    #[error("a message was not understood: {0}")]
    NotUnderstood(String),
}

impl Error {
    /// Returns whether the connection must be closed.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::NotUnderstood(_))
    }
}
