//! Step-up: one tap, bound to a transaction and to the state of the device on which it was given.
//!
//! What a person is shown is what is bound: the transaction travels as text, its digest goes into the evidence, and the
//! challenge that the security key signs covers both. So nothing has to be spelled canonically, and nothing that is
//! shown can differ from what is signed.

use crate::id::{Digest, Nonce, RegistrationId, Secret, StepUpId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `SHA-256("vitalsign-step-up-v1" || 0x00 || R || SHA-256(evidence) || T)`.
///
/// `random` is the verifier's 32 fresh bytes, `evidence` the bytes of the evidence as they came,
/// `transaction` is [`transaction_digest`].
#[must_use]
pub fn challenge(random: &Nonce, evidence: &[u8], transaction: &Digest) -> Digest {
    let evidence = Digest::of(evidence);
    Digest::labelled(
        "vitalsign-step-up-v1",
        &[random.as_bytes(), evidence.as_bytes(), transaction.as_bytes()],
    )
}

/// `T`, the digest of a transaction's text as it was sent: SHA-256 of its UTF-8 bytes.
#[must_use]
pub fn transaction_digest(transaction: &str) -> Digest {
    Digest::of(transaction.as_bytes())
}

/// The most bytes of a transaction's text: what a person is asked to confirm is read by one.
pub const MAX_TRANSACTION_BYTES: usize = 12 * 1024;
/// How deep `authorization_details` may be.
const MAX_NESTING: usize = 32;

/// How sure an application is to be. Each level asks for what the one before asks for, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Acr {
    /// A phishing-resistant hardware key, on an attested device whatever its health.
    #[serde(rename = "urn:vitalsign:acr:hardware-key")]
    HardwareKey,
    /// The same on a device that policy calls healthy.
    #[serde(rename = "urn:vitalsign:acr:healthy-device")]
    HealthyDevice,
    /// The same with what AAL3 (NIST SP 800-63B) and EPCS (21 CFR 1311) ask of the key.
    #[serde(rename = "urn:vitalsign:acr:epcs")]
    Epcs,
}

impl Acr {
    /// Every level, the lowest first.
    pub const ALL: [Self; 3] = [Self::HardwareKey, Self::HealthyDevice, Self::Epcs];

    /// Its name: the value of `acr`.
    #[must_use]
    pub fn urn(self) -> &'static str {
        match self {
            Self::HardwareKey => "urn:vitalsign:acr:hardware-key",
            Self::HealthyDevice => "urn:vitalsign:acr:healthy-device",
            Self::Epcs => "urn:vitalsign:acr:epcs",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn from_urn(urn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.urn() == urn)
    }
}

/// What an application asks a person to confirm. The JSON text of it is what is shown and what is bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// The step-up.
    pub step_up: StepUpId,
    /// The application's name, as the verifier's administrator registered it.
    pub application: String,
    /// The person, by the name under which the application asked for them.
    pub user: String,
    /// What for, in the application's words (`binding_message`).
    pub message: String,
    /// The level that is asked for.
    pub acr: Acr,
    /// More, as RFC 9396 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Value>,
}

/// Why a text is no transaction. Nothing of what it says is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// It, or what it says, is longer than [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction is longer than {MAX_TRANSACTION_BYTES} bytes")]
    TooLong,
    /// Its `authorization_details` are too deep.
    #[error("the transaction's authorization_details are deeper than {MAX_NESTING}")]
    TooDeep,
    /// It is not the JSON of a [`Transaction`].
    #[error("the transaction is not understood, from line {line}, column {column} on")]
    NotUnderstood {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

impl Transaction {
    /// Reads a transaction's text. A verifier sends none that a device would not read.
    pub fn read(text: &str) -> Result<Self, TransactionError> {
        if text.len() > MAX_TRANSACTION_BYTES {
            return Err(TransactionError::TooLong);
        }
        let read: Self = serde_json::from_str(text).map_err(|error| TransactionError::NotUnderstood {
            line: error.line(),
            column: error.column(),
        })?;
        // It is shown as well: as JSON of the same value, which may be spelled longer.
        match &read.authorization_details {
            Some(details) if details.to_string().len() > MAX_TRANSACTION_BYTES => {
                Err(TransactionError::TooLong)
            }
            Some(details) if nesting(details) > MAX_NESTING => Err(TransactionError::TooDeep),
            _ => Ok(read),
        }
    }
}

fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(nesting).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}

/// Event `step-up`: the verifier asks this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpRequested {
    /// The JSON text of a [`Transaction`].
    pub transaction: String,
    /// The nonce for the evidence, which carries it and [`transaction_digest`].
    pub nonce: Nonce,
    /// Until when, in seconds since 1970 by the verifier's clock.
    pub expires: u64,
    /// The same, in seconds from when the event was sent.
    pub expires_seconds: u64,
}

/// Event `step-up-ended`: nothing more is to be done for it here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpClosed {
    /// The step-up.
    pub step_up: StepUpId,
    /// How it ended.
    pub end: StepUpResult,
}

/// How a step-up ends. Each does, in exactly one of these ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepUpResult {
    /// The tap was given and holds.
    Approved,
    /// The person said no.
    Declined,
    /// The person says that they asked for nothing: somebody else may have.
    NotMine,
    /// Nobody answered in time.
    TimedOut,
    /// The device is not in the state that the level asks for.
    Unhealthy,
    /// The security key is not one of this person's, or its signature does not hold.
    WrongKey,
    /// The security key takes no more PINs.
    PinBlocked,
    /// No security key can be used at this device.
    NoKey,
    /// No device of this person was reached.
    NoDevice,
    /// It was answered elsewhere, or another request took its place.
    Superseded,
    /// The application took it back.
    Cancelled,
}

impl StepUpResult {
    /// Every end.
    pub const ALL: [Self; 11] = [
        Self::Approved,
        Self::Declined,
        Self::NotMine,
        Self::TimedOut,
        Self::Unhealthy,
        Self::WrongKey,
        Self::PinBlocked,
        Self::NoKey,
        Self::NoDevice,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::NotMine => "not-mine",
            Self::TimedOut => "timed-out",
            Self::Unhealthy => "unhealthy",
            Self::WrongKey => "wrong-key",
            Self::PinBlocked => "pin-blocked",
            Self::NoKey => "no-key",
            Self::NoDevice => "no-device",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether a device may say that it ended so; the others are the verifier's to say.
    #[must_use]
    pub fn is_the_devices_to_say(self) -> bool {
        matches!(self, Self::Declined | Self::NotMine | Self::WrongKey | Self::PinBlocked | Self::NoKey)
    }
}

impl std::fmt::Display for StepUpResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Answer to `POST /v1/step-ups/{step-up}/evidence`, whose body is evidence with intended use 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepUpAnswer {
    /// The verdict on this evidence: an EAR as a JWT.
    pub ear: String,
    /// What comes next.
    pub next: StepUpNext,
}

/// The reason for which nobody can tap: this person has registered no security key that could be used.
pub const NO_SECURITY_KEY: &str = "security-key";

/// What comes after the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepUpNext {
    /// Ask the person to tap.
    Tap {
        /// `R`, so that the device can see for itself what the challenge covers.
        random: Nonce,
        /// PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3, section 5.1.9).
        options: Value,
    },
    /// The device is refused at this level; nobody is to be asked to tap. The names of the checks, the worst first, or
    /// of what else is missing: [`NO_SECURITY_KEY`].
    Unhealthy {
        /// Why.
        reasons: Vec<String>,
    },
}

/// `POST /v1/step-ups/{step-up}/assertion`: the tap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepUpAssertion {
    /// AuthenticationResponseJSON (WebAuthn Level 3, section 5.1).
    pub assertion: Value,
}

/// `POST /v1/step-ups/{step-up}/end`: it ended at the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepUpDeclined {
    /// How; see [`StepUpResult::is_the_devices_to_say`].
    pub end: StepUpResult,
}

/// Answer to a tap and to an end: how the step-up stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpOutcome {
    /// How it ended.
    pub end: StepUpResult,
}

/// `POST /v1/keys`: register a security key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The one-time code that an administrator gave the user.
    pub code: Secret,
}

/// Answer to [`KeyRequest`], 201.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyChallenge {
    /// The registration.
    pub registration: RegistrationId,
    /// Whose key it will be.
    pub user: String,
    /// PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3, section 5.1.8).
    pub options: Value,
}

/// `POST /v1/keys/{registration}`: what the security key answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyProof {
    /// What the person calls the key.
    pub name: String,
    /// RegistrationResponseJSON (WebAuthn Level 3, section 5.1).
    pub credential: Value,
}

/// A registered security key. Answer to [`KeyProof`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKey {
    /// Its number at the verifier.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    /// What they call it.
    pub name: String,
    /// What its maker calls it.
    pub model: String,
    /// Since when, in seconds since 1970.
    pub registered: u64,
    /// When it was last used, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
}

/// Answer to `GET /v1/keys`: the keys of the users of this device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKeys {
    /// The keys.
    pub keys: Vec<RegisteredKey>,
}

/// The names of events.
pub mod event {
    /// [`super::StepUpRequested`].
    pub const STEP_UP: &str = "step-up";
    /// [`super::StepUpClosed`].
    pub const STEP_UP_ENDED: &str = "step-up-ended";
    /// Read all facts and report, now. The data are `{}`.
    pub const CHECK: &str = "check";
    /// The most bytes of one event.
    pub const MAX_BYTES: usize = 32 * 1024;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_challenge() {
        let base = challenge(&Nonce([1; 32]), b"evidence", &Digest([2; 32]));
        assert_ne!(base, challenge(&Nonce([0; 32]), b"evidence", &Digest([2; 32])));
        assert_ne!(base, challenge(&Nonce([1; 32]), b"evidencf", &Digest([2; 32])));
        assert_ne!(base, challenge(&Nonce([1; 32]), b"evidence", &Digest([3; 32])));
    }

    #[test]
    fn a_transaction_has_limits_and_a_refusal_repeats_nothing_of_it() {
        use TransactionError::{NotUnderstood, TooDeep, TooLong};
        let text = |message: &str, details: &str| {
            let id = StepUpId([1; 16]);
            format!(
                r#"{{"step_up":"{id}","application":"ehr","user":"nurse-7","message":"{message}",
                "acr":"urn:vitalsign:acr:epcs","authorization_details":{details}}}"#
            )
        };
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(Transaction::read(&text("sign order 12", &deep(32))).unwrap().acr, Acr::Epcs);
        let cases = [
            (text(&"x".repeat(MAX_TRANSACTION_BYTES), "[]"), TooLong),
            // Short as it is sent, and long as it is shown.
            (text("sign", &format!("[{}1]", "1e15,".repeat(1000))), TooLong),
            (text("sign", &deep(33)), TooDeep),
            (text("sign", "["), NotUnderstood { line: 2, column: 73 }),
        ];
        for (text, wanted) in cases {
            let error = Transaction::read(&text).unwrap_err();
            assert_eq!(error, wanted);
            assert!(!error.to_string().contains("nurse-7"));
        }
    }

    #[test]
    fn names_are_spelled_alike_everywhere() {
        for end in StepUpResult::ALL {
            assert_eq!(serde_json::to_value(end).unwrap(), end.as_str());
        }
        for acr in Acr::ALL {
            assert_eq!(serde_json::to_value(acr).unwrap(), acr.urn());
            assert_eq!(Acr::from_urn(acr.urn()), Some(acr));
        }
    }
}
