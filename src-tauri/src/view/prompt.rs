//! A step-up: who asks, what for, and how far it is.

use super::{Check, KeyProblem};
use serde::Serialize;
use ts_rs::TS;

/// A step-up. All its texts come from outside: data, never markup. What would steer a screen is spelled out in them.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// Identifier of the step-up; the page announces a new one.
    pub id: String,
    /// Name of the requesting application.
    pub application: String,
    /// IT asks, to try the device: no application does anything with the answer.
    pub test: bool,
    /// Name of the user who should tap.
    pub user: String,
    /// Complete text to confirm.
    pub message: String,
    /// Rows of `authorization_details`, in the order of the type's schema, or sorted by name.
    pub details: Vec<Detail>,
    /// The level that is asked for.
    pub level: Level,
    /// Until when, in seconds since 1970.
    #[ts(type = "number")]
    pub until: u64,
    /// Time at which the person entered the PIN, in seconds since 1970, if it is not needed again.
    #[ts(type = "number | null")]
    pub pin_entered: Option<u64>,
    /// Number of further step-ups that wait.
    pub waiting: u32,
    /// Progress of the step-up.
    pub step: Step,
}

/// Name and value of a transaction, or a heading of the rows below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Detail {
    /// Label of the type's schema; without one, the name as the application spells it, with spaces for `_`.
    pub name: String,
    /// Value; none for a heading.
    pub value: Option<String>,
    /// Number of headings that the row is below.
    pub depth: u32,
}

/// The level that an application asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The person's key, without its PIN for some hours after it was entered.
    Badge,
    HardwareKey,
    /// A hardware security key on a healthy device.
    HealthyDevice,
    /// Level for prescriptions of controlled substances (EPCS).
    Epcs,
}

/// Progress of a step-up or a registration.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// The device's state is being proved.
    Preparing,
    /// No security key is there.
    Insert,
    /// The person should touch a security key.
    Touch {
        /// Number of connected security keys.
        keys: u32,
    },
    /// The person should enter the PIN.
    Pin(PinAsked),
    /// The key could not be used; the person may fix that and try again.
    Failed {
        /// Problem with the security key.
        trouble: KeyProblem,
    },
    /// The key is at work.
    Working,
    /// The verifier checks the answer.
    Checking,
    Ended {
        /// Result of the step-up.
        end: PromptResult,
        /// Failed checks, if the device does not meet the level.
        checks: Vec<Check>,
        /// Problem with the security key, if that is the reason.
        trouble: Option<KeyProblem>,
    },
}

/// A PIN is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PinAsked {
    /// Counts the questions, so that the page begins each with an empty field.
    pub question: u32,
    /// Reason for the request.
    pub why: PinWhy,
    /// Minimum number of characters.
    pub least: u32,
    /// Attempts before the key is blocked, where it says so.
    pub attempts_left: Option<u32>,
    /// The person has just inserted the key, so that the field may take the keyboard.
    pub inserted: bool,
}

/// Reason why a PIN is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PinWhy {
    /// The key requires user verification.
    Needed,
    /// The last one was wrong.
    Wrong,
    /// The key has none yet: choose one.
    New,
    /// The key requires another PIN than it has: choose one.
    Change,
    /// The PIN that is being replaced.
    Former,
    /// The chosen PIN is not acceptable.
    Unsuitable,
}

/// Result of a step-up as on the wire, and [`Self::Lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PromptResult {
    /// The verifier accepted the assertion.
    Approved,
    /// The person declined the request.
    Declined,
    /// The person says that they asked for nothing.
    NotMine,
    /// The step-up expired without an answer.
    TimedOut,
    /// The device does not meet the level.
    Unhealthy,
    /// The security key is not registered for this person, or its signature is invalid.
    WrongKey,
    /// The security key is blocked: too many wrong PINs.
    PinBlocked,
    /// No security key can be used here.
    NoKey,
    /// No device of this person was reached.
    NoDevice,
    /// It was answered elsewhere, or another request took its place.
    Superseded,
    /// The application cancelled the request.
    Cancelled,
    /// The connection to the service was lost during the step-up.
    Lost,
    /// The verifier did not receive the person's answer.
    NotTold,
    /// The request is not what the verifier signed, or not for this device.
    NotGenuine,
}
