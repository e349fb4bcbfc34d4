//! View of the page: one complete value, sent after each change. The page draws it and decides nothing.
//!
//! `ui/src/bindings.ts` is generated from these types, and a test compares it. Data that is not in them
//! cannot be shown: no challenge, no relying party, no PIN.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Everything that is on the screen.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Page that is shown while there is no prompt.
    pub page: Page,
    /// Reason why the service is unavailable, if it is.
    pub lost: Option<DisconnectReason>,
    /// State of this device.
    pub device: DeviceView,
    /// Current step-up or its result; covers every page.
    pub prompt: Option<Prompt>,
    /// Progress of registering a security key.
    pub registration: Registration,
    /// The registered security keys; none until they have been asked for.
    pub keys: Option<KeyList>,
    /// Result that is shown for a moment, above everything else.
    pub flash: Option<Flash>,
    pub settings: AppSettings,
}

/// Result that needs no reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Flash {
    /// Counts the results, so that the page plays the tone of each once.
    pub number: u32,
    /// Approved or declined.
    pub end: PromptResult,
}

/// The person's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct AppSettings {
    /// A mark is shown for a moment after an approval.
    pub check_mark: bool,
    /// A tone is played when a request ends.
    pub tones: bool,
    /// The number pad is shown; none: where the pointer is a finger.
    pub pin_pad: Option<bool>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self { check_mark: true, tones: true, pin_pad: None }
    }
}

/// Page of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    /// Health of this device.
    #[default]
    Status,
    /// Security keys: the list, and registering one.
    Keys,
    /// About the app, with its version.
    About,
}

/// In what way the service is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DisconnectReason {
    /// It was not asked yet.
    Starting,
    /// No service listens at the socket.
    NotRunning,
    /// The socket belongs to another user.
    Foreign,
    /// It is of another version.
    OtherVersion,
    /// It says something that is not understood.
    Garbled,
    /// It does not answer in time.
    Silent,
    /// It starts, stops, or talks to too many.
    Busy,
    Other,
}

/// This device, as the service last told.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// Host name of the device.
    pub name: String,
    /// Enrolment ID, if the device is enrolled.
    pub enrolment: Option<String>,
    /// Summary as one sentence.
    pub headline: Headline,
    /// Code that the person reads to IT about the headline, as listed in `docs/codes.md`.
    pub code: Option<String>,
    /// Overall rating of the device.
    pub tone: Tone,
    /// Number of checks that could not be appraised.
    pub unknown: u32,
    /// Each check, what needs attention first.
    pub checks: Vec<Check>,
    /// Connection to the verifier.
    pub contact: Contact,
    /// Time of the last verdict, in seconds since 1970.
    #[ts(type = "number | null")]
    pub reported_at: Option<u64>,
    /// Until when that verdict holds.
    #[ts(type = "number | null")]
    pub holds_until: Option<u64>,
    /// The facts are being read, signed or judged.
    pub busy: bool,
}

/// Rating at a glance; each has its own shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Everything is in order.
    Good,
    /// Something needs attention.
    Attention,
    /// The device is not accepted.
    Blocked,
    /// No verdict is known.
    Unknown,
}

/// Most important fact about the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Headline {
    Healthy,
    /// Some checks failed; the person can fix some of them.
    Attention {
        /// Number of failed checks.
        things: u32,
        /// Number that the person can fix.
        yours: u32,
    },
    /// It is not accepted, and the verifier does not say why.
    NotAccepted,
    /// The last verdict has expired.
    Expired,
    /// There is no verdict yet.
    NoVerdict,
    Enrolling,
    /// The device is not enrolled.
    NotEnrolled,
    Revoked,
    /// The verifier refuses the device.
    Refused,
    /// The device's key cannot be used.
    KeyTrouble,
    /// Another program answers in place of the service.
    ForeignService,
    /// The service is of another version than the app.
    OtherVersion,
    /// There is no service to ask: [`View::lost`] says why.
    NoService,
}

/// Connection of the device to the verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Contact {
    None,
    /// The verifier has the newest facts.
    Reached,
    /// The verifier cannot be reached.
    Offline {
        /// Since when, in seconds since 1970.
        #[ts(type = "number")]
        since: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Name of the check in the policy.
    pub code: String,
    /// Whether texts for the check exist; otherwise its name is shown.
    pub known: bool,
    /// Rating of the outcome.
    pub tone: Tone,
    /// Reason as a word of the policy.
    pub reason: String,
    /// Whether a text for this reason exists.
    pub reason_known: bool,
    /// Observed facts of the check.
    pub seen: Vec<Seen>,
    /// Since when, in seconds since 1970.
    #[ts(type = "number | null")]
    pub since: Option<u64>,
    /// Time at which the outcome becomes worse, in seconds since 1970.
    #[ts(type = "number | null")]
    pub deadline: Option<u64>,
    /// Party that can fix it.
    pub remediator: Remediator,
    /// Whether a restart may fix it.
    pub restart: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Seen {
    /// Name of the fact in the policy.
    pub name: String,
    /// Observed value.
    pub value: SeenValue,
}

/// Value of an observed fact.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum SeenValue {
    Flag(bool),
    /// A number without unit.
    Number(f64),
    /// Moments, in seconds since 1970.
    Times(#[ts(type = "Array<number>")] Vec<u64>),
    /// Words from the device. Data, never markup.
    Text(String),
    List(Vec<String>),
    /// It could not be read: why, as the protocol spells it.
    Unreadable(String),
}

/// Party that can fix a failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Remediator {
    /// The person at the device.
    You,
    /// The organisation's IT staff.
    It,
}

/// A step-up. All its texts come from outside: data, never markup. What would steer a screen is spelled out in them.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// Identifier of the step-up; the page announces a new one.
    pub id: String,
    /// Name of the requesting application.
    pub application: String,
    /// Name of the user who should tap.
    pub user: String,
    /// Complete text to confirm.
    pub message: String,
    /// Rows of `authorization_details`, in the application's order.
    pub details: Vec<Detail>,
    /// The level that is asked for.
    pub level: Level,
    /// Until when, in seconds since 1970.
    #[ts(type = "number")]
    pub until: u64,
    /// Number of further step-ups that wait.
    pub waiting: u32,
    /// Progress of the step-up.
    pub step: Step,
}

/// Name and value of a transaction, or a heading of the rows below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Detail {
    /// As the application spells it, with spaces for `_`.
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
    /// The security key takes no more PINs.
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

impl Headline {
    /// Code for the telephone; `None` where the person needs nothing of IT, or each check has its own remedy.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Refused => Some("D-01"),
            Self::KeyTrouble => Some("D-02"),
            Self::NotAccepted => Some("D-03"),
            Self::Revoked => Some("D-04"),
            Self::ForeignService => Some("D-05"),
            Self::OtherVersion => Some("D-06"),
            Self::NoService => Some("D-07"),
            Self::Healthy
            | Self::Attention { .. }
            | Self::Expired
            | Self::NoVerdict
            | Self::Enrolling
            | Self::NotEnrolled => None,
        }
    }
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

/// Texts that the page reads once at start.
#[derive(Clone, Debug, Serialize, TS)]
pub struct Texts {
    /// Language tag (BCP 47).
    pub language: String,
    /// Messages in Fluent syntax (FTL).
    pub messages: String,
    /// Version of the app.
    pub version: String,
}

/// Action of the person. A PIN is sent by a separate command.
#[derive(Deserialize, TS)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    Open {
        /// Page to open.
        page: Page,
    },
    /// Reads all facts and reports, now.
    CheckAgain,
    /// Declines the step-up on the screen.
    Decline,
    /// Declines the step-up, and reports that the person did not start it.
    NotMine,
    /// Tries the security key again.
    TryAgain,
    /// Changes the person's settings.
    Set {
        settings: AppSettings,
    },
    Dismiss,
    /// Starts registering a security key.
    Register {
        /// The code that IT gave.
        code: String,
        /// Name that the user chose for the key.
        name: String,
    },
    /// Cancels the registration, or dismisses its result.
    StopRegistering,
    /// Requests the list of registered keys.
    ListKeys,
    Close,
    /// Reports that the page was drawn for the first time.
    Drawn,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/bindings.ts");

    /// The page's types, each with what it is made of.
    fn bindings() -> String {
        let config = ts_rs::Config::default();
        let mut text = "// Generated from src-tauri/src/view.rs by `make bindings`.\n".to_owned();
        macro_rules! declare {
            ($($type:ty),+ $(,)?) => { $(text.push_str(&format!("\nexport {}\n", <$type>::decl(&config)));)+ };
        }
        declare!(
            View,
            Flash,
            AppSettings,
            Page,
            DisconnectReason,
            DeviceView,
            Tone,
            Headline,
            Contact,
            Check,
            Seen,
            SeenValue,
            Remediator,
            Prompt,
            Detail,
            Level,
            Step,
            PinAsked,
            PinWhy,
            PromptResult,
            KeyProblem,
            KeyProblemKind,
            Registration,
            KeyList,
            KeyView,
            Texts,
            Action,
        );
        text
    }

    /// Cases of an enum, as they are listed here.
    #[test]
    fn each_code_is_documented_once() {
        const DOCUMENTED: &str = include_str!("../../docs/codes.md");
        let kinds = KeyProblemKind::decl(&ts_rs::Config::default());
        let kinds = kinds.matches('"').count() / 2;
        let keys = (1..=kinds).map(|number| format!("K-{number:02}"));
        let device = (1..=7).map(|number| format!("D-{number:02}"));
        for code in keys.chain(device) {
            assert_eq!(DOCUMENTED.matches(&format!("| {code} |")).count(), 1, "{code}");
        }
        let rows = DOCUMENTED.lines().filter(|line| line.starts_with("| K-") || line.starts_with("| D-"));
        assert_eq!(rows.count(), kinds + 7, "a code that does not exist is documented");
    }

    #[test]
    fn the_pages_types_are_these() {
        let wanted = bindings();
        if std::env::var_os("VITALSIGN_BINDINGS").is_some() {
            std::fs::write(FILE, &wanted).unwrap();
        }
        let there = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
        assert!(there == wanted, "ui/src/bindings.ts is not made from this: run `make bindings`");
    }
}
