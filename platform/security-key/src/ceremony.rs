//! Ceremonies with a security key, and their failures.

use serde_json::Value;

/// Input of a ceremony.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceremony {
    /// Origin for `clientDataJSON`, as pinned at enrolment.
    pub origin: String,
    /// The relying-party id that was pinned; options that name another are refused.
    pub rp_id: String,
    pub operation: Operation,
}

/// Operation of a security key.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Create(Value),
    /// Sign with one: PublicKeyCredentialRequestOptionsJSON, with a list of credentials that is not empty.
    Get(Value),
}

/// A security key that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Name given by the vendor or the reader.
    pub name: String,
    pub transport: Transport,
}

/// Transport to a security key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Usb,
    /// NFC, by a reader of the system (PC/SC).
    Nfc,
}

/// Reason why a ceremony failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was cancelled, or a PIN was refused.
    #[error("cancelled")]
    Cancelled,
    /// No key was touched in time.
    #[error("no security key was touched in time")]
    TimedOut,
    /// None of the credentials is on this key: it is another person's, or was never registered.
    #[error("this security key is not registered for this person")]
    WrongKey,
    /// The key is blocked after too many wrong PINs: it has to be reset, or, where `until_reinserted`, taken out and put in again.
    #[error("the security key is blocked: too many wrong PINs")]
    PinBlocked {
        /// Taking it out and putting it in again helps.
        until_reinserted: bool,
    },
    /// The key cannot verify the user, and no PIN can be set.
    #[error("this security key cannot ask who is there: it has no PIN")]
    NoUserVerification,
    /// The key holds a credential of this person already.
    #[error("this security key is registered already")]
    AlreadyRegistered,
    /// The options name another relying party or are malformed. No key was contacted.
    #[error("the request is refused: {0}")]
    Refused(String),
    /// The key does not support the operation or failed; another key may succeed.
    #[error("this security key could not do it: {0}")]
    Unfit(String),
    /// This system cannot scope security keys now.
    #[error("security keys cannot be reached: {0}")]
    Unavailable(String),
}
