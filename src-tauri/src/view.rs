//! View of the page: one complete value, sent after each change. The page draws it and decides nothing.
//!
//! `ui/src/bindings.ts` is generated from these types, and a test compares it. Data that is not in them
//! cannot be shown: no challenge, no relying party, no PIN.

mod device;
mod diagnostics;
mod guidance;
mod key;
mod prompt;
#[cfg(test)]
mod tests;

pub use device::{
    Check, Contact, DeviceSettings, DeviceView, Headline, Remediator, Seen, SeenValue, SettingsPage, Tone,
};
pub use diagnostics::{DiagnosticsSent, DiagnosticsText};
pub use guidance::{Accent, CheckTexts, Downtime, Organisation, Support};
pub use key::{KeyList, KeyProblem, KeyProblemKind, KeyView, Registration};
pub use prompt::{Detail, Level, PinAsked, PinWhy, Prompt, PromptResult, Step};

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
    /// Name and look of the organisation.
    pub organisation: Organisation,
    /// The window covers what the person works in.
    pub covers: bool,
    /// Loudness of tones in percent.
    pub volume: u8,
}

/// Result that is shown for a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Flash {
    /// Counts the results, so that the page plays the tone of each once.
    pub number: u32,
    /// Approved, declined, or one that the next request takes the place of.
    pub end: PromptResult,
}

/// The person's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct AppSettings {
    /// A mark is shown for a moment after an approval.
    pub check_mark: bool,
    /// A sound is played when a request arrives.
    pub request_tone: bool,
    /// A tone is played when a request ends.
    pub tones: bool,
    /// The number pad is shown; none: where the pointer is a finger.
    pub pin_pad: Option<bool>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self { check_mark: true, request_tone: true, tones: true, pin_pad: None }
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
    /// Declines a step-up.
    Decline {
        /// Identifier of the step-up that the person saw, see [`Prompt::id`].
        id: String,
    },
    /// Declines a step-up, and reports that the person did not start it.
    NotMine {
        /// The same.
        id: String,
    },
    /// Reports that the end of the text and of the details was in view.
    Read {
        /// Identifier of the step-up, see [`Prompt::id`].
        id: String,
    },
    /// Tries the security key again.
    TryAgain {
        /// The same.
        id: String,
    },
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
    /// Opens a page of the desktop's settings.
    OpenSettings {
        page: SettingsPage,
    },
    /// Moves the window.
    Move {
        way: Moving,
    },
}

/// Move of the window by the person. Distances are in the desktop's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Moving {
    /// The pointer is pressed on the handle.
    Grab,
    /// To this distance from where it was grabbed.
    Drag {
        x: i32,
        y: i32,
    },
    /// The pointer is released.
    Drop,
    /// To the other side of the screen.
    OtherSide,
    Left,
    Right,
    Up,
    Down,
}
