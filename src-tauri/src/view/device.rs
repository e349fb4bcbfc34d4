//! The device: its headline, its checks, and its connection to the verifier.

use super::guidance::{CheckTexts, Support};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// This device, as the service last told.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// Host name of the device.
    pub name: String,
    /// Code by which IT finds the device, if it is enrolled: `7ZA-3T9-KWJ`.
    pub device_code: Option<String>,
    /// Summary as one sentence.
    pub headline: Headline,
    /// Code that the person reads to IT about the headline, as listed in `docs/codes.md`.
    pub code: Option<String>,
    /// Overall rating of the device.
    pub tone: Tone,
    /// Number of checks that could not be appraised.
    pub unknown: u32,
    /// Each check: first the person's own failed ones, then IT's.
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
    /// Ways to reach IT.
    pub support: Support,
    /// Settings of this device.
    pub settings: DeviceSettings,
}

/// Settings of the device, as management delivers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceSettings {
    /// Management sets none.
    #[default]
    Unmanaged,
    /// Management sets some.
    Managed,
    /// The new ones cannot be used, and the last ones are in force.
    Refused,
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
    /// There is no service to ask: [`View::lost`](super::View::lost) says why.
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
    /// Name of the message with the remedy.
    pub remedy: String,
    /// Names of the messages with the steps on this desktop.
    pub steps: Vec<String>,
    /// The organisation's texts, which take precedence.
    pub own: CheckTexts,
    /// Party that can fix it.
    pub remediator: Remediator,
    /// Whether a restart may fix it.
    pub restart: bool,
    /// Page of the desktop's settings on which the person can fix it, where the desktop has one.
    pub settings: Option<SettingsPage>,
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

/// Page of the desktop's own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SettingsPage {
    /// Program that installs updates.
    Updates,
    Firewall,
    ScreenLock,
}

impl SettingsPage {
    /// Every page.
    pub const ALL: [Self; 3] = [Self::Updates, Self::Firewall, Self::ScreenLock];
}

impl From<SettingsPage> for vitalsign_desktop::SettingsPage {
    fn from(page: SettingsPage) -> Self {
        match page {
            SettingsPage::Updates => Self::Updates,
            SettingsPage::Firewall => Self::Firewall,
            SettingsPage::ScreenLock => Self::ScreenLock,
        }
    }
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
