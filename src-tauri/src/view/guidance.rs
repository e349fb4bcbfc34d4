//! Parts of the view that the organisation writes: ways to reach IT, and its texts for checks. Data, never markup.

use serde::Serialize;
use ts_rs::TS;

/// Name and look of the organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
pub struct Organisation {
    /// Name of the organisation.
    pub name: Option<String>,
    /// Its colour, in shades that can be seen.
    pub colour: Option<Accent>,
    /// Procedure for people while this device is not ready, in the app's language.
    pub downtime: Option<Downtime>,
    /// Number of its logo, which the command `logo` gets; none if it has none.
    pub logo: Option<u32>,
}

/// The organisation's downtime procedure. A text: it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Downtime {
    /// Instruction.
    pub text: String,
    /// Telephone number as people dial it.
    pub phone: Option<String>,
}

/// Colour in both themes, as `#005eb8`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Accent {
    /// Shade on a light ground.
    pub light: String,
    /// Shade on a dark ground.
    pub dark: String,
}

/// Ways to reach the organisation's IT staff.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
pub struct Support {
    /// Name of the team.
    pub name: Option<String>,
    /// Telephone number as people dial it.
    pub phone: Option<String>,
    /// One more sentence, for example the opening hours.
    pub text: Option<String>,
    /// Address of a page, a mailbox or a telephone.
    pub url: Option<String>,
}

/// The organisation's texts for a check, in the app's language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
pub struct CheckTexts {
    /// Title of the check.
    pub title: Option<String>,
    /// Reason for which it is required.
    pub why: Option<String>,
    /// Instruction.
    pub remedy: Option<String>,
    /// Numbered steps.
    pub steps: Vec<String>,
}
