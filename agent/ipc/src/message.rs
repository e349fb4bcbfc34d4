//! The messages.

use crate::error::{Error, MAX_FRAME, PROTOCOL, VERSION};
use crate::status::{Status, StepUpCeremony};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vitalsign_protocol::diagnostics::DiagnosticsRef;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{RegistrationId, Secret, StepUpId};
use vitalsign_protocol::organisation::{Downtime, Logo, MAX_LOGO_BYTES, MAX_TEXTS_BYTES, Texts};
use vitalsign_protocol::step_up::{RegisteredKey, StepUpResult};

/// The greeting: the first frame, both ways. It keeps its form in every version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol name, see [`PROTOCOL`].
    pub protocol: String,
    /// Protocol version, see [`VERSION`].
    pub version: u32,
}

impl Hello {
    /// Returns this program's greeting.
    #[must_use]
    pub fn ours() -> Self {
        Self { protocol: PROTOCOL.to_owned(), version: VERSION }
    }

    /// Checks the peer's greeting.
    ///
    /// # Errors
    /// [`Error::NotOurs`] or [`Error::OtherVersion`].
    pub fn check(&self) -> Result<(), Error> {
        match (self.protocol == PROTOCOL, self.version) {
            (false, _) => Err(Error::NotOurs),
            (true, VERSION) => Ok(()),
            (true, version) => Err(Error::OtherVersion(version)),
        }
    }
}

/// Request of a client to the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Get the current status: [`Answer::Status`].
    Status,
    /// Read all facts and report: [`Answer::Accepted`] or [`Answer::Scheduled`]. The status is busy until it is done.
    /// Only from the user in front of the device, at most every 10 s; from administrators at any time.
    CheckNow,
    /// Events from now on: [`Answer::Status`] as the first snapshot.
    Subscribe,
    /// Read the settings again and enrol with them, whatever prevented enrolment before:
    /// [`Answer::Accepted`]. Administrators only.
    Enrol,
    /// Run the service's diagnostics: [`Answer::Diagnostics`].
    Diagnostics,
    /// Gather the diagnostics that a person may send to IT: [`Answer::DiagnosticsText`]. This and the next are for the user
    /// in front of the device, and for administrators.
    DiagnosticsText {
        /// The client's own remarks, one line each. Long ones, and more than 20, are cut.
        notes: Vec<String>,
    },
    /// Send diagnostics to the verifier: [`Answer::DiagnosticsSent`].
    SendDiagnostics {
        /// The text, exactly as a [`Answer::DiagnosticsText`] had it a moment ago.
        text: String,
    },
    /// Get the security key options for a step-up that waits for a tap: [`Answer::Ceremony`].
    Ceremony(StepUpId),
    /// Submit the security key's assertion: [`Answer::Accepted`]. The result follows as an event.
    Tapped {
        /// Step-up that the assertion answers.
        step_up: StepUpId,
        /// AuthenticationResponseJSON (WebAuthn L3 section 5.1).
        assertion: Value,
    },
    /// Close a step-up without a tap: [`Answer::Accepted`]. The result follows as an event.
    GiveUp {
        /// Step-up to close.
        step_up: StepUpId,
        /// Result; must satisfy [`StepUpResult::is_the_devices_to_say`].
        end: StepUpResult,
    },
    /// Begin to register a security key: [`Answer::Registration`]. This and the next two are for the user in front of the
    /// device, and for administrators.
    BeginKey {
        /// The code that an administrator gave the user.
        code: Secret,
    },
    /// Complete a registration: [`Answer::Keys`] with the registered key.
    FinishKey {
        /// Registration from [`Answer::Registration`].
        registration: RegistrationId,
        /// Name that the user chose for the key.
        name: String,
        /// RegistrationResponseJSON (WebAuthn L3 section 5.1).
        credential: Value,
    },
    /// The security keys of this device's users: [`Answer::Keys`].
    Keys,
    /// Get the organisation's texts and logo: [`Answer::Organisation`].
    Organisation {
        /// Language of the texts, such as `de`.
        language: String,
    },
    /// Set the screen lock of the client's session: [`Answer::Accepted`]. Only for the user in front of the device; the
    /// service forgets it when the connection ends, or when another user comes to the front.
    SessionLock(SessionLock),
    /// Begin a new PIN period: [`Answer::Accepted`]. The client watches the session's screen lock and its security keys, and
    /// says this again when the screen locked or unlocked and when a key was removed. Without a client of the user in front
    /// that has said it, there is no PIN period.
    PinPeriod,
}

/// Screen lock by the settings of a user's session, as in the submodule `lock` of the posture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLock {
    /// Whether the screen locks by itself.
    pub automatic: Fact<bool>,
    /// Idle seconds until it locks.
    pub idle_seconds: Fact<u32>,
    /// Further seconds until it asks for a password.
    pub grace_seconds: Fact<u32>,
}

/// Message from the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To the oldest request that has no answer yet.
    Answer(Answer),
    /// Current status, sent to subscribers after each change.
    Event(Box<Status>),
}

/// Answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Current status of the agent.
    Status(Box<Status>),
    /// The request will be carried out.
    Accepted,
    /// The check starts later, together with one that is due, because users' checks are limited in number.
    Scheduled {
        /// Seconds until it starts.
        seconds: u64,
    },
    /// Findings of the diagnostics, in order.
    Diagnostics(Vec<Diagnostic>),
    /// Text to show before it is sent: plain lines, see [`vitalsign_protocol::diagnostics::check_text`].
    DiagnosticsText(String),
    /// Diagnostics were received.
    DiagnosticsSent {
        /// Number that the person reads to IT.
        reference: DiagnosticsRef,
    },
    /// Options for the security key.
    Ceremony(Box<StepUpCeremony>),
    /// A registration that has begun.
    Registration {
        /// Identifier of the registration ceremony.
        registration: RegistrationId,
        /// Name of the user who will own the key.
        user: String,
        /// Options for the security key.
        ceremony: Box<StepUpCeremony>,
    },
    /// Registered security keys of the user.
    Keys(Vec<RegisteredKey>),
    /// The organisation's texts and logo.
    Organisation(Box<OrganisationTexts>),
    /// It will not be done.
    Refused(Refusal),
}

// The device's texts and the verifier's may be different ones, and the logo is in base64.
const _: () = assert!(2 * MAX_TEXTS_BYTES + MAX_LOGO_BYTES / 3 * 4 + 4096 < MAX_FRAME, "they fit a frame");

/// The organisation's texts and logo, for one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrganisationTexts {
    /// Texts for checks. Where the language has none, English ones.
    pub texts: Texts,
    /// Procedure for people while this device is not ready.
    pub downtime: Option<Downtime>,
    /// The logo.
    pub logo: Option<Logo>,
}

/// Reason for refusing a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// This service does not know such a request.
    #[error("the service does not know this request: it may be older than this program")]
    NotUnderstood,
    /// The request is for the user in front of the device, and for administrators.
    #[error("only the user in front of this device, or an administrator, may ask for this")]
    NotInFront,
    /// The request is for administrators only.
    #[error("only an administrator may ask for this")]
    NotAllowed,
    /// It is starting, stopping, or talks to too many.
    #[error("the service is busy: try again")]
    Busy,
    /// No such step-up waits for a tap.
    #[error("no such step-up waits for a tap: it has ended")]
    Over,
    /// The diagnostics to send are not a text that was shown.
    #[error("these diagnostics are not the ones that were shown: show them again")]
    NotShown,
    /// The verifier was not reached, or refuses.
    #[error("{detail}")]
    Verifier {
        /// The problem's type, a URN; none when it was not reached.
        problem: Option<String>,
        /// Description of the problem, for people.
        detail: String,
    },
    /// The settings cannot be used.
    #[error("the service cannot use its settings: see its log, or run `vitalsign doctor`")]
    Settings,
}

/// Finding of the diagnostics: either it is in order, or it names a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Examined component, for example `verifier` or `device key`.
    pub subject: String,
    /// Whether the component works.
    pub ok: bool,
    /// Observed state, for people.
    pub seen: String,
    /// Instruction for fixing it, if it does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_protocol::fact::Reason;

    #[test]
    fn the_spelling_on_the_wire_is_fixed() {
        let cases = [
            (serde_json::to_string(&Hello::ours()), r#"{"protocol":"vitalsign-ipc","version":1}"#),
            (serde_json::to_string(&Request::CheckNow), r#""check-now""#),
            (
                serde_json::to_string(&Request::SessionLock(SessionLock {
                    automatic: Fact::Known(true),
                    idle_seconds: Fact::Unreadable(Reason::Denied),
                    grace_seconds: Fact::Unsupported,
                })),
                r#"{"session-lock":{"automatic":{"known":true},"idle_seconds":{"unreadable":"denied"},"grace_seconds":"unsupported"}}"#,
            ),
            (serde_json::to_string(&Reply::Answer(Answer::Accepted)), r#"{"answer":"accepted"}"#),
            (
                serde_json::to_string(&Reply::Answer(Answer::Refused(Refusal::NotAllowed))),
                r#"{"answer":{"refused":"not-allowed"}}"#,
            ),
        ];
        for (seen, wanted) in cases {
            assert_eq!(seen.unwrap(), wanted);
        }
    }

    #[test]
    fn session_lock_has_numbers_and_known_words_only() {
        let parse = |text: &str| serde_json::from_str::<Request>(text);
        let good = r#"{"session-lock":{"automatic":{"known":true},"idle_seconds":{"known":300},"grace_seconds":{"known":0}}}"#;
        assert!(parse(good).is_ok());
        for (part, wrong) in [
            ("true", "\"yes\""),
            ("{\"known\":true}", "{\"unreadable\":\"because\"}"),
            ("{\"known\":true}", "\"enforced\""),
            ("300", "-1"),
            ("300", "4294967296"),
            ("\"grace_seconds\"", "\"user\":\"nurse\",\"grace_seconds\""),
            (",\"grace_seconds\":{\"known\":0}", ""),
        ] {
            let text = good.replacen(part, wrong, 1);
            assert_ne!(text, good, "{part}");
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}
