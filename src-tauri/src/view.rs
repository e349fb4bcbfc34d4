//! What the page is shown: one value, whole, each time that something changes. The page draws it and decides nothing.
//!
//! These types are the page's types too: `ui/src/bindings.ts` is made from them, and a test compares.
//! What is not here cannot be shown: no challenge, no relying party, no PIN.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Everything that is on the screen.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Which page, when no step-up is asked.
    pub page: Page,
    /// Why there is no service to ask, while there is none.
    pub lost: Option<DisconnectReason>,
    /// This device.
    pub device: DeviceView,
    /// The step-up that is asked, or has just ended: it stands before every page.
    pub prompt: Option<Prompt>,
    /// Registering a security key.
    pub registration: Registration,
    /// The registered security keys; none until they have been asked for.
    pub keys: Option<KeyList>,
}

/// A page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    /// How this device is.
    #[default]
    Status,
    /// Security keys: the list, and registering one.
    Keys,
    /// What this is, and which version.
    About,
}

/// In what way the service is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DisconnectReason {
    /// It was not asked yet.
    Starting,
    /// Nobody answers.
    NotRunning,
    /// What answers is not the service of this system.
    Foreign,
    /// It is of another version.
    OtherVersion,
    /// It says something that is not understood.
    Garbled,
    /// It does not answer in time.
    Silent,
    /// It starts, stops, or talks to too many.
    Busy,
    /// Anything else.
    Other,
}

/// This device, as the service last told.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// What it is called.
    pub name: String,
    /// Its enrolment; none while it has none.
    pub enrolment: Option<String>,
    /// One sentence.
    pub headline: Headline,
    /// How it looks at a glance.
    pub tone: Tone,
    /// How many checks could not be judged.
    pub unknown: u32,
    /// Each check, what needs attention first.
    pub checks: Vec<Check>,
    /// How it stands with the verifier.
    pub contact: Contact,
    /// When the last report was judged, in seconds since 1970.
    #[ts(type = "number | null")]
    pub reported_at: Option<u64>,
    /// Until when that verdict holds.
    #[ts(type = "number | null")]
    pub holds_until: Option<u64>,
    /// The facts are being read, signed or judged.
    pub busy: bool,
}

/// How something looks at a glance: each has a shape of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// As it should be.
    Good,
    /// Something needs attention.
    Attention,
    /// Not accepted.
    Blocked,
    /// Nothing is known.
    Unknown,
}

/// What a person is to know before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Headline {
    /// It is healthy.
    Healthy,
    /// So many things need attention, of which so many the person can mend.
    Attention {
        /// All of them.
        things: u32,
        /// Of which the person's.
        yours: u32,
    },
    /// It is not accepted, and the verifier does not say why.
    NotAccepted,
    /// The verdict has expired.
    Expired,
    /// There is no verdict yet.
    NoVerdict,
    /// It is enrolling.
    Enrolling,
    /// It is not enrolled.
    NotEnrolled,
    /// It was revoked.
    Revoked,
    /// The verifier refuses it.
    Refused {
        /// In its words.
        detail: String,
    },
    /// Its key cannot be used.
    KeyTrouble {
        /// In the words of what holds the key.
        detail: String,
    },
    /// There is no service to ask: [`View::lost`] says why.
    NoService,
}

/// How the device stands with the verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Contact {
    /// Nothing is known.
    None,
    /// The verifier has the newest facts.
    Reached,
    /// It is not reached.
    Offline {
        /// Since when, in seconds since 1970.
        #[ts(type = "number")]
        since: u64,
    },
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Which, as policy names it.
    pub code: String,
    /// Whether there are texts about it; else it reads as it is named.
    pub known: bool,
    /// How it came out.
    pub tone: Tone,
    /// Why, in one word of the policy.
    pub reason: String,
    /// Whether there are texts about this reason.
    pub reason_known: bool,
    /// What was seen.
    pub seen: Vec<Seen>,
    /// Since when, in seconds since 1970.
    #[ts(type = "number | null")]
    pub since: Option<u64>,
    /// When it gets worse if nothing is done.
    #[ts(type = "number | null")]
    pub deadline: Option<u64>,
    /// Who can mend it.
    pub mender: Remediator,
    /// A restart may mend it.
    pub restart: bool,
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Seen {
    /// Its name, as policy spells it.
    pub name: String,
    /// What it was.
    pub value: SeenValue,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum SeenValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Moments, in seconds since 1970.
    Times(#[ts(type = "Array<number>")] Vec<u64>),
    /// Words from the device. Data, never markup.
    Text(String),
    /// Several.
    List(Vec<String>),
    /// It could not be read: why, as the protocol spells it.
    Unreadable(String),
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Remediator {
    /// The person at the device.
    You,
    /// The organisation's IT.
    It,
}

/// A step-up. All its texts come from outside: data, never markup. What would steer a screen is spelled out in them.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// Which: a new one is announced anew.
    pub id: String,
    /// Which application asks.
    pub application: String,
    /// For whom.
    pub user: String,
    /// What for, whole.
    pub message: String,
    /// More, as the application put it.
    pub details: Option<String>,
    /// The level that is asked for.
    pub level: Level,
    /// Until when, in seconds since 1970.
    #[ts(type = "number")]
    pub until: u64,
    /// How many others wait behind it.
    pub waiting: u32,
    /// How far it is.
    pub step: Step,
}

/// The level that an application asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// A hardware key.
    HardwareKey,
    /// And a healthy device.
    HealthyDevice,
    /// And what controlled substances ask for.
    Epcs,
}

/// How far a step-up, or a registration, is.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// The device's state is being proved.
    Preparing,
    /// No security key is there.
    Insert,
    /// Touch it now, or one of so many.
    Touch {
        /// How many are there.
        keys: u32,
    },
    /// Enter the PIN.
    Pin(PinAsked),
    /// The key is at work.
    Working,
    /// The verifier checks.
    Checking,
    /// It has ended.
    Ended {
        /// How.
        end: PromptResult,
        /// What is wrong with the device, where that is why.
        checks: Vec<Check>,
        /// What went wrong at the key, where that is why.
        trouble: Option<KeyProblem>,
    },
}

/// A PIN is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PinAsked {
    /// Counts the questions, so that the page begins each with an empty field.
    pub question: u32,
    /// Why.
    pub why: PinWhy,
    /// The fewest characters.
    pub least: u32,
    /// Attempts before the key is blocked, where it says so.
    pub attempts_left: Option<u32>,
}

/// Why a PIN is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PinWhy {
    /// The key asks who is there.
    Needed,
    /// The last one was wrong.
    Wrong,
    /// The key has none yet: choose one.
    New,
    /// The one that was chosen does not do.
    Unsuitable,
}

/// How a step-up ended: as the wire has it, and [`Self::Lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PromptResult {
    /// The tap was given and holds.
    Approved,
    /// The person said no.
    Declined,
    /// The person says that they asked for nothing.
    NotMine,
    /// Nobody answered in time.
    TimedOut,
    /// The device is not in the state that the level asks for.
    Unhealthy,
    /// The security key is not one of this person's, or its signature does not hold.
    WrongKey,
    /// The security key takes no more PINs.
    PinBlocked,
    /// No security key can be used here.
    NoKey,
    /// No device of this person was reached.
    NoDevice,
    /// It was answered elsewhere, or another request took its place.
    Superseded,
    /// The application took it back.
    Cancelled,
    /// The service went away while it was asked.
    Lost,
}

/// What went wrong at a security key, or on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct KeyProblem {
    /// What.
    pub kind: KeyProblemKind,
    /// In the words of who says so; not translated.
    pub detail: Option<String>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum KeyProblemKind {
    /// The key was not used.
    NotUsed,
    /// Nobody touched one in time.
    TimedOut,
    /// It is not one of this person's.
    WrongKey,
    /// Too many wrong PINs: take it out and put it in again.
    Reinsert,
    /// Too many wrong PINs: it has to be reset.
    Blocked,
    /// It cannot ask who is there.
    NoUserVerification,
    /// It is registered already.
    AlreadyRegistered,
    /// The request is not one to answer.
    BadRequest,
    /// This key cannot do it.
    Unfit,
    /// Security keys cannot be reached.
    Unavailable,
    /// No key is registered for this person.
    NoneRegistered,
    /// The code for registering one does not hold.
    Code,
    /// Keys of this model are not accepted.
    Model,
    /// The verifier refuses otherwise.
    Refused,
    /// The service is lost.
    Lost,
    /// It was over already.
    Over,
}

/// Registering a security key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Registration {
    /// Not now.
    #[default]
    Idle,
    /// Under way.
    Running {
        /// Whose key it will be; none until the verifier has said.
        user: Option<String>,
        /// How far it is.
        step: Step,
    },
    /// Done.
    Done {
        /// The key.
        key: KeyView,
    },
    /// It failed.
    Failed {
        /// Why.
        trouble: KeyProblem,
    },
}

/// The registered security keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeyList {
    /// They are being asked for.
    Asking,
    /// These.
    Registered {
        /// The keys.
        keys: Vec<KeyView>,
    },
    /// They could not be asked for.
    Failed {
        /// Why.
        trouble: KeyProblem,
    },
}

/// A registered security key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Its number.
    #[ts(type = "number")]
    pub id: u64,
    /// Whose.
    pub user: String,
    /// What they call it.
    pub name: String,
    /// What its maker calls it.
    pub model: String,
    /// Since when, in seconds since 1970.
    #[ts(type = "number")]
    pub registered: u64,
    /// When it was last used.
    #[ts(type = "number | null")]
    pub last_used: Option<u64>,
}

/// What the page reads once: the language, and every text in it.
#[derive(Clone, Debug, Serialize, TS)]
pub struct Texts {
    /// BCP 47.
    pub language: String,
    /// Fluent (FTL).
    pub messages: String,
    /// This program's version.
    pub version: String,
}

/// What the person does. A PIN is not among it: it has a command of its own.
#[derive(Deserialize, TS)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Shows a page.
    Open {
        /// Which.
        page: Page,
    },
    /// Reads all facts and reports, now.
    CheckAgain,
    /// No to the step-up that is asked.
    Decline,
    /// No, and: I asked for nothing.
    NotMine,
    /// An end was read.
    Dismiss,
    /// Registers a security key.
    Register {
        /// The code that IT gave.
        code: String,
        /// What the person calls the key.
        name: String,
    },
    /// Ends that, or puts its end away.
    StopRegistering,
    /// Asks for the registered keys.
    ListKeys,
    /// Closes the window.
    Close,
    /// Nothing: the page is on the screen for the first time.
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
        let mut text = "// Made from src-tauri/src/view.rs: `make bindings` makes it anew.\n".to_owned();
        macro_rules! declare {
            ($($type:ty),+ $(,)?) => { $(text.push_str(&format!("\nexport {}\n", <$type>::decl(&config)));)+ };
        }
        declare!(
            View,
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
