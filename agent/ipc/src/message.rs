//! The messages.

use crate::error::{Error, PROTOCOL, VERSION};
use crate::status::{Status, StepUpCeremony};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vitalsign_protocol::id::{RegistrationId, Secret, StepUpId};
use vitalsign_protocol::step_up::{RegisteredKey, StepUpResult};

/// The greeting: the first frame, both ways. It keeps its form in every version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// [`VERSION`].
    pub version: u32,
}

impl Hello {
    /// What this program says.
    #[must_use]
    pub fn ours() -> Self {
        Self { protocol: PROTOCOL.to_owned(), version: VERSION }
    }

    /// Whether the other side's greeting is one that this program can talk to.
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

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How things stand: [`Answer::Status`].
    Status,
    /// Read all facts and report, now: [`Answer::Accepted`], and a subscriber sees it happen.
    CheckNow,
    /// Events from now on: [`Answer::Status`] as the first snapshot.
    Subscribe,
    /// Read the settings again and enrol with them, whatever stood in the way: [`Answer::Accepted`]. For
    /// administrators only.
    Enrol,
    /// What works and what does not, as the service sees it: [`Answer::Diagnostics`].
    Diagnostics,
    /// What a security key is to sign for a step-up that waits for a tap: [`Answer::Ceremony`].
    Ceremony(StepUpId),
    /// The security key's answer: [`Answer::Accepted`]; how it ended is an event.
    Tapped {
        /// The step-up.
        step_up: StepUpId,
        /// AuthenticationResponseJSON.
        assertion: Value,
    },
    /// There will be no tap: [`Answer::Accepted`]; how it ended is an event.
    GiveUp {
        /// The step-up.
        step_up: StepUpId,
        /// Why: [`StepUpResult::is_the_devices_to_say`].
        end: StepUpResult,
    },
    /// Begin to register a security key: [`Answer::Registration`].
    BeginKey {
        /// The code that an administrator gave the user.
        code: Secret,
    },
    /// End it: [`Answer::Keys`] with the one that was registered.
    FinishKey {
        /// The registration.
        registration: RegistrationId,
        /// What the person calls the key.
        name: String,
        /// RegistrationResponseJSON.
        credential: Value,
    },
    /// The security keys of this device's users: [`Answer::Keys`].
    Keys,
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To the oldest request that has no answer yet.
    Answer(Answer),
    /// To a subscriber: how things stand now.
    Event(Box<Status>),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How things stand.
    Status(Box<Status>),
    /// It will be done.
    Accepted,
    /// The findings.
    Diagnostics(Vec<Diagnostic>),
    /// What a security key is to do.
    Ceremony(Box<StepUpCeremony>),
    /// A registration that has begun.
    Registration {
        /// Its name.
        registration: RegistrationId,
        /// Whose key it will be.
        user: String,
        /// What the security key is to do.
        ceremony: Box<StepUpCeremony>,
    },
    /// Registered security keys.
    Keys(Vec<RegisteredKey>),
    /// It will not be done.
    Refused(Refusal),
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// This service does not know such a request.
    #[error("the service does not know this request: it may be older than this program")]
    NotUnderstood,
    /// Only administrators may.
    #[error("only an administrator may ask for this")]
    NotAllowed,
    /// It is starting, stopping, or talks to too many.
    #[error("the service is busy: try again")]
    Busy,
    /// No such step-up waits for a tap.
    #[error("no such step-up waits for a tap: it has ended")]
    Over,
    /// The verifier was not reached, or refuses.
    #[error("{detail}")]
    Verifier {
        /// The problem's type, a URN; none when it was not reached.
        problem: Option<String>,
        /// What it says.
        detail: String,
    },
    /// The settings cannot be used.
    #[error("the service cannot use its settings: see its log, or run `vitalsign doctor`")]
    Settings,
}

/// One finding of a self-examination: something works, or it does not and this is what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What was looked at: `verifier`, `device key`.
    pub subject: String,
    /// Whether it works.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
    /// What to do, when it does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_on_the_wire_is_fixed() {
        let cases = [
            (serde_json::to_string(&Hello::ours()), r#"{"protocol":"vitalsign-ipc","version":1}"#),
            (serde_json::to_string(&Request::CheckNow), r#""check-now""#),
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
}
