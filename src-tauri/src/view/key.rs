//! Security keys: their problems, the list, and registering one.

use super::Step;
use serde::Serialize;
use ts_rs::TS;

/// Problem with a security key or with the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct KeyProblem {
    /// Kind of the problem.
    pub kind: KeyProblemKind,
    /// Code that the person reads to IT, as listed in `docs/codes.md`.
    pub code: String,
    /// In the words of the program that reports it: for diagnostics only, never for the page.
    #[serde(skip)]
    #[ts(skip)]
    pub detail: Option<String>,
}

impl KeyProblem {
    /// Creates a problem with its code.
    #[must_use]
    pub fn new(kind: KeyProblemKind, detail: Option<String>) -> Self {
        Self { kind, code: kind.code().to_owned(), detail }
    }
}

/// Kind of a problem with a security key or with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum KeyProblemKind {
    /// The key was not used.
    NotUsed,
    /// No security key was touched in time.
    TimedOut,
    /// It is not one of this person's.
    WrongKey,
    /// Too many wrong PINs: take it out and put it in again.
    Reinsert,
    /// Too many wrong PINs: it has to be reset.
    Blocked,
    /// The key does not support user verification.
    NoUserVerification,
    /// The key is registered already.
    AlreadyRegistered,
    /// The request is invalid or not for this device.
    BadRequest,
    /// The key lacks a required feature.
    Unfit,
    /// Security keys cannot be reached.
    Unavailable,
    /// No key is registered for this person.
    NoneRegistered,
    /// The key code is invalid or expired.
    Code,
    /// Keys of this model are not accepted.
    Model,
    /// The verifier refused the request.
    Refused,
    /// The connection to the service was lost.
    Lost,
    /// The step-up or registration was already closed.
    Over,
}

impl KeyProblemKind {
    /// Code for the telephone, the same in every language. A code is never used for another problem.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotUsed => "K-01",
            Self::TimedOut => "K-02",
            Self::WrongKey => "K-03",
            Self::Reinsert => "K-04",
            Self::Blocked => "K-05",
            Self::NoUserVerification => "K-06",
            Self::AlreadyRegistered => "K-07",
            Self::BadRequest => "K-08",
            Self::Unfit => "K-09",
            Self::Unavailable => "K-10",
            Self::NoneRegistered => "K-11",
            Self::Code => "K-12",
            Self::Model => "K-13",
            Self::Refused => "K-14",
            Self::Lost => "K-15",
            Self::Over => "K-16",
        }
    }
}

/// Progress of registering a security key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Registration {
    #[default]
    Idle,
    Running {
        /// User who will own the key, once the verifier has sent it.
        user: Option<String>,
        /// Progress of the registration.
        step: Step,
    },
    Done {
        /// Registered security key.
        key: KeyView,
    },
    Failed {
        /// Reason for the failure.
        trouble: KeyProblem,
    },
}

/// Registered security keys of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeyList {
    /// The list is being requested.
    Asking,
    Registered {
        /// Registered security keys.
        keys: Vec<KeyView>,
    },
    /// The list could not be requested.
    Failed {
        /// Reason for the failure.
        trouble: KeyProblem,
    },
}

/// Registered security key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Identifier at the verifier.
    #[ts(type = "number")]
    pub id: u64,
    /// Name of the user who owns it.
    pub user: String,
    /// Name that the user chose.
    pub name: String,
    /// Model name from the FIDO metadata.
    pub model: String,
    /// Since when, in seconds since 1970.
    #[ts(type = "number")]
    pub registered: u64,
    /// Time of the last use, in seconds since 1970.
    #[ts(type = "number | null")]
    pub last_used: Option<u64>,
}
