//! Status of the agent, as shown to people.

use serde::{Deserialize, Serialize};
use vitalsign_protocol::check::Fixers;
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::id::{EnrolmentId, StepUpId};
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_protocol::text::is_plain;

/// State of the relation to the verifier and of the report key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AgentState {
    /// Enrolled, and nothing was sent yet.
    Starting,
    /// There is no enrolment, and no token to get one.
    NotEnrolled,
    /// An enrolment is in progress.
    Enrolling,
    /// The verifier has the newest facts.
    Reporting,
    /// The verifier cannot be reached. The last verdict remains valid until it expires.
    Offline {
        /// Since when, in seconds since 1970.
        since: u64,
        /// Error of the last attempt, for people.
        detail: String,
    },
    /// The verifier has revoked this device.
    Revoked,
    /// The verifier refuses this device's requests.
    Refused {
        /// The problem's type, a URN.
        problem: String,
        /// Description of the problem, for people.
        detail: String,
    },
    /// The report key cannot be used now.
    KeyTrouble {
        /// Error of the key's device, for people.
        detail: String,
    },
}

/// Everything that a person can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Current state, see [`AgentState`].
    pub standing: AgentState,
    /// Identifier of the device's enrolment.
    pub enrolment: Option<EnrolmentId>,
    /// Last verdict, with verified signature.
    pub ear: Option<Ear>,
    /// Time of the last verdict, in seconds since 1970.
    pub reported_at: Option<u64>,
    /// Most recently collected facts.
    pub posture: Option<Posture>,
    /// A report or an enrolment is in progress.
    pub busy: bool,
    /// Seconds until the next report is due.
    pub next_report_seconds: u64,
    /// Cost of the last report.
    pub cost: Option<Cost>,
    /// The verifier can reach this device at once.
    #[serde(default)]
    pub listening: bool,
    /// Open step-ups, the oldest first, and results of closed ones for a few seconds.
    #[serde(default)]
    pub step_ups: Vec<StepUp>,
    /// The organisation's guidance for people, from the device's configuration.
    #[serde(default)]
    pub guidance: Guidance,
}

/// Ways to reach IT, and who fixes failed checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guidance {
    /// Ways to reach the organisation's IT staff.
    pub support: Support,
    /// Party that fixes failed checks.
    pub fixers: Fixers,
}

/// Ways to reach the organisation's IT staff. Every part is plain text of limited length, see [`Support::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Support {
    /// Name of the team, for example `Service desk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Telephone number as people dial it, for example `ext. 1234`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// One more sentence, for example the opening hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Address of a page, a mailbox or a telephone: `https:`, `mailto:` or `tel:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Setting of [`Support`] that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupportError {
    /// A part is empty, longer than its limit, or not plain text.
    #[error("[support] {name} must be plain text of 1 to {limit} characters")]
    Text {
        /// Name of the setting.
        name: &'static str,
        /// Most characters.
        limit: usize,
    },
    /// The address has another scheme, or characters that an address does not have.
    #[error("[support] url must begin with https://, mailto: or tel:, without spaces: {0}")]
    Url(String),
}

impl Support {
    /// Checks lengths, characters and the address.
    ///
    /// # Errors
    /// The first part that cannot be used.
    pub fn check(&self) -> Result<(), SupportError> {
        let parts = [
            ("name", &self.name, 40),
            ("phone", &self.phone, 40),
            ("text", &self.text, 200),
            ("url", &self.url, 200),
        ];
        for (name, text, limit) in parts {
            let fits = |text: &str| (1..=limit).contains(&text.trim().chars().count()) && is_plain(text);
            if !text.as_deref().is_none_or(fits) {
                return Err(SupportError::Text { name, limit });
            }
        }
        let known = |url: &str| {
            let rest = ["https://", "mailto:", "tel:"].iter().find_map(|scheme| url.strip_prefix(scheme));
            rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic()))
        };
        match &self.url {
            Some(url) if !known(url) => Err(SupportError::Url(url.clone())),
            _ => Ok(()),
        }
    }

    /// Returns whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns an instruction such as `Call Service desk (ext. 1234).`
    #[must_use]
    pub fn instruction(&self) -> String {
        let name = self.name.as_deref().unwrap_or("IT");
        match (&self.phone, &self.url) {
            (Some(phone), _) => format!("Call {name} ({phone})."),
            (None, Some(url)) => format!("Contact {name} ({url})."),
            (None, None) => format!("Contact {name}."),
        }
    }
}

/// A step-up, as a person is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// Identifier of the step-up.
    pub id: StepUpId,
    /// Name of the requesting application.
    pub application: String,
    /// Name of the user who should tap.
    pub user: String,
    /// Text to confirm (`binding_message`). Untrusted: display as plain text.
    pub message: String,
    /// More, as the application put it (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
    /// The level that is asked for.
    pub acr: Acr,
    /// Until when, in seconds since 1970 by this device's clock.
    pub until: u64,
    /// Time of the tap with a PIN on which this one may rest, in seconds since 1970 by the verifier's clock: the key need
    /// not ask for the PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_entered: Option<u64>,
    /// Progress of the step-up.
    pub stage: Stage,
}

/// Progress of a step-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// The facts are read and signed.
    Preparing,
    /// The person is asked to tap.
    Tap,
    /// The tap is being verified.
    Checking,
    /// The step-up is closed.
    Ended {
        /// Result of the step-up.
        end: StepUpResult,
        /// Reasons: names of failed checks if the device does not meet the level; otherwise the invalid part
        /// of the verifier's request (`transaction`, `verdict`, `relying-party`, `challenge`, `credentials`,
        /// `user-verification`) or the problem with which the verifier refused.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<String>,
    },
}

/// Options for a security key, for the relying party that was pinned at enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpCeremony {
    /// The origin: what `clientDataJSON` is to name.
    pub origin: String,
    /// The relying party ID.
    pub rp_id: String,
    /// PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON (WebAuthn L3 section
    /// 5.1).
    pub options: serde_json::Value,
}

/// Measured cost of a report, from collecting facts to the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Size of the evidence in bytes.
    pub evidence_bytes: u64,
    /// Requests to the verifier, a nonce's included.
    pub round_trips: u64,
    /// Number of commands to the device that holds the key.
    pub hardware_commands: u64,
    /// Microseconds that reading all facts took.
    pub collect_micros: u64,
    /// Microseconds that signing took, the hardware's own time included.
    pub sign_micros: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn support(name: &str, phone: &str, text: &str, url: &str) -> Support {
        let given = |text: &str| (text != "-").then(|| text.to_owned());
        Support { name: given(name), phone: given(phone), text: given(text), url: given(url) }
    }

    #[test]
    fn support_accepts_plain_text_and_known_addresses() {
        for (good, it) in [
            (true, support("-", "-", "-", "-")),
            (true, support("Service desk", "ext. 1234", "Day and night.", "https://it.example/help?a=b#c")),
            (true, support("Hôpital", "-", "-", "mailto:it@hospital.example")),
            (true, support("-", "-", "-", "tel:+49-30-1234")),
            (false, support("", "-", "-", "-")),
            (false, support(" ", "-", "-", "-")),
            (false, support("-", "1\u{202e}2", "-", "-")),
            (false, support("-", "1\n2", "-", "-")),
            (false, support(&"x".repeat(41), "-", "-", "-")),
            (false, support("-", "-", &"x".repeat(201), "-")),
            (false, support("-", "-", "-", "http://it.example")),
            (false, support("-", "-", "-", "javascript:alert(1)")),
            (false, support("-", "-", "-", "file:///etc/passwd")),
            (false, support("-", "-", "-", "https://")),
            (false, support("-", "-", "-", "https://it.example/a b")),
            (false, support("-", "-", "-", "https://it.ex\u{e4}mple")),
        ] {
            assert_eq!(it.check().is_ok(), good, "{it:?}");
        }
    }

    #[test]
    fn instruction_names_the_shortest_way_to_it() {
        for (it, wanted) in [
            (support("-", "-", "-", "-"), "Contact IT."),
            (support("-", "ext. 1234", "-", "https://it.example"), "Call IT (ext. 1234)."),
            (support("Service desk", "ext. 1", "-", "-"), "Call Service desk (ext. 1)."),
            (
                support("Service desk", "-", "-", "mailto:it@x.example"),
                "Contact Service desk (mailto:it@x.example).",
            ),
        ] {
            assert_eq!(it.instruction(), wanted);
        }
    }
}
