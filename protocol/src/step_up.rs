//! Step-up: binds one tap to a transaction and to the state of the device where it was given.
//!
//! The bound text is the displayed text: the transaction travels as text, the evidence contains its digest,
//! and the challenge that the security key signs covers both. No canonical form is needed, and the device
//! cannot display a different text than it signs.

use crate::details::{self, DetailsSchema};
use crate::id::{Digest, Nonce, RegistrationId, Secret, StepUpId};
use crate::seconds::StepUpSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
/// Application in requests by the verifier's administrator, which are tests. The verifier refuses the name, and each that
/// looks like it, to applications.
pub const ADMINISTRATOR: &str = "Administrator of the verifier";

/// Maximum nesting depth of `authorization_details`.
const MAX_NESTING: usize = 32;

/// Assurance level that an application requests. Each level includes the requirements of the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Acr {
    /// A hardware key on an attested device, touched by the person who entered its PIN there a while ago.
    #[serde(rename = "urn:vitalsign:acr:badge")]
    Badge,
    /// Additionally requires the PIN or fingerprint in this tap. The device may be in any state of health.
    #[serde(rename = "urn:vitalsign:acr:hardware-key")]
    HardwareKey,
    /// Additionally requires a device that policy rates as healthy.
    #[serde(rename = "urn:vitalsign:acr:healthy-device")]
    HealthyDevice,
    /// Additionally requires a key that meets AAL3 (NIST SP 800-63B) and EPCS (21 CFR 1311).
    #[serde(rename = "urn:vitalsign:acr:epcs")]
    Epcs,
}

impl Acr {
    /// Every level, the lowest first.
    pub const ALL: [Self; 4] = [Self::Badge, Self::HardwareKey, Self::HealthyDevice, Self::Epcs];

    /// Level of a request that names none. It is not the lowest, which only named applications may use.
    pub const DEFAULT: Self = Self::HardwareKey;

    /// Returns the `acr` value of this level.
    #[must_use]
    pub fn urn(self) -> &'static str {
        match self {
            Self::Badge => "urn:vitalsign:acr:badge",
            Self::HardwareKey => "urn:vitalsign:acr:hardware-key",
            Self::HealthyDevice => "urn:vitalsign:acr:healthy-device",
            Self::Epcs => "urn:vitalsign:acr:epcs",
        }
    }

    /// Returns whether every tap must verify its user, by PIN or fingerprint. At the lowest level a tap may rest on an
    /// earlier one that did.
    #[must_use]
    pub fn verifies_each_tap(self) -> bool {
        self != Self::Badge
    }

    /// The level of this name.
    #[must_use]
    pub fn from_urn(urn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.urn() == urn)
    }
}

/// Transaction that an application asks a person to confirm. Its JSON text is displayed and bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// Step-up that the transaction belongs to.
    pub step_up: StepUpId,
    /// The application's name, as the verifier's administrator registered it.
    pub application: String,
    /// The person, by the name under which the application asked for them.
    pub user: String,
    /// Text of the application's `binding_message`.
    pub message: String,
    /// The level that is asked for.
    pub acr: Acr,
    /// More, as RFC 9396 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Value>,
    /// Schemas of the details, by type, as an administrator registered them. The tap covers their labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details_schemas: BTreeMap<String, DetailsSchema>,
}

/// Reason why a text is not a transaction. Messages never quote the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The text or one of its members is longer than [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction is longer than {MAX_TRANSACTION_BYTES} bytes")]
    TooLong,
    /// `authorization_details` is nested too deeply.
    #[error("the transaction's authorization_details are deeper than {MAX_NESTING}")]
    TooDeep,
    /// The schemas cannot be used, or the details do not fit them.
    #[error("the transaction's details cannot be labelled: {0}")]
    Details(&'static str),
    /// It is not the JSON of a [`Transaction`].
    #[error("the transaction is not understood, from line {line}, column {column} on")]
    NotUnderstood {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
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
                return Err(TransactionError::TooLong);
            }
            Some(details) if nesting(details) > MAX_NESTING => return Err(TransactionError::TooDeep),
            _ => {}
        }
        details::check_details(read.authorization_details.as_ref(), &read.details_schemas)
            .map_err(TransactionError::Details)?;
        Ok(read)
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
    /// Seconds until expiry, counted from when the event was sent.
    pub expires_seconds: StepUpSeconds,
}

/// Event `step-up-ended`: the device has nothing more to do for this step-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpClosed {
    /// Identifier of the closed step-up.
    pub step_up: StepUpId,
    /// Result with which it was closed.
    pub end: StepUpResult,
}

/// Result of a step-up. Every step-up closes with exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepUpResult {
    /// The verifier accepted the assertion.
    Approved,
    /// The person declined the request.
    Declined,
    /// The person did not start this step-up: possibly an attack.
    NotMine,
    /// The step-up expired without an answer.
    TimedOut,
    /// The device does not meet the level.
    Unhealthy,
    /// The security key is not registered for this person, or its signature is invalid.
    WrongKey,
    /// The security key is blocked: too many wrong PINs.
    PinBlocked,
    /// No security key can be used at this device.
    NoKey,
    /// No device of this person was reached.
    NoDevice,
    /// It was answered elsewhere, or another request took its place.
    Superseded,
    /// The application cancelled the request.
    Cancelled,
}

impl StepUpResult {
    /// All results, in the order of the specification.
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

    /// Returns the name on the wire.
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

    /// Returns whether a device may report this result; the verifier determines the others.
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
    /// Next step for the device.
    pub next: StepUpNext,
}

/// Reason for a refusal: the person has no registered security key that can be used.
pub const NO_SECURITY_KEY: &str = "security-key";

/// Next step after the verifier accepted the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepUpNext {
    /// Ask the person to tap.
    Tap {
        /// `R`, so that the device can see for itself what the challenge covers.
        random: Nonce,
        /// PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3, section 5.1.9).
        options: Value,
        /// Time of the tap with a PIN on which this one may rest, in seconds since 1970. The options then discourage user
        /// verification.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin_entered: Option<u64>,
    },
    /// The device does not meet the level; it must not prompt. Contains the names of the failed checks, the
    /// worst first, or [`NO_SECURITY_KEY`].
    Unhealthy {
        /// Names of failed checks, or [`NO_SECURITY_KEY`].
        reasons: Vec<String>,
    },
}

/// Body of `POST /v1/step-ups/{step-up}/assertion`.
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
    /// Result to report; must satisfy [`StepUpResult::is_the_devices_to_say`].
    pub end: StepUpResult,
}

/// Answer to an assertion and to a reported result: the current result of the step-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUpOutcome {
    /// Result with which it was closed.
    pub end: StepUpResult,
}

/// `POST /v1/keys`: register a security key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The one-time code that an administrator gave the user.
    pub code: Secret,
}

/// Answer (201) to [`KeyRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyChallenge {
    /// Identifier of the registration ceremony.
    pub registration: RegistrationId,
    /// Name of the user who will own the key.
    pub user: String,
    /// PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3, section 5.1.8).
    pub options: Value,
}

/// `POST /v1/keys/{registration}`: what the security key answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyProof {
    /// Name that the user chose for the key.
    pub name: String,
    /// RegistrationResponseJSON (WebAuthn Level 3, section 5.1).
    pub credential: Value,
}

/// A registered security key. Answer to [`KeyProof`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKey {
    /// Identifier of the key at the verifier.
    pub id: u64,
    /// Name of the user who owns the key.
    pub user: String,
    /// Name that the user chose.
    pub name: String,
    /// Model name from the FIDO metadata.
    pub model: String,
    /// Since when, in seconds since 1970.
    pub registered: u64,
    /// Time of the last use, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
}

/// Answer to `GET /v1/keys`: the keys of the users of this device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKeys {
    /// Registered keys of the user.
    pub keys: Vec<RegisteredKey>,
}

/// Names of events on the event channel.
pub mod event {
    /// Name of the event [`super::StepUpRequested`].
    pub const STEP_UP: &str = "step-up";
    /// Name of the event [`super::StepUpClosed`].
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
    fn transaction_errors_never_quote_the_text() {
        use TransactionError::{Details, NotUnderstood, TooDeep, TooLong};
        let text = |message: &str, details: &str| {
            let id = StepUpId([1; 16]);
            format!(
                r#"{{"step_up":"{id}","application":"ehr","user":"nurse-7","message":"{message}",
                "acr":"urn:vitalsign:acr:epcs","authorization_details":{details}}}"#
            )
        };
        let schema = r#"{"labels":{"en":"X"},"fields":[{"name":"a","kind":"text","labels":{"en":"A"}}]}"#;
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(Transaction::read(&text("sign order 12", &deep(32))).unwrap().acr, Acr::Epcs);
        let cases = [
            (text(&"x".repeat(MAX_TRANSACTION_BYTES), "[]"), TooLong),
            // Short as it is sent, and long as it is shown.
            (text("sign", &format!("[{}1]", "1e15,".repeat(1000))), TooLong),
            (text("sign", &deep(33)), TooDeep),
            (text("sign", "["), NotUnderstood { line: 2, column: 73 }),
            (
                text("sign", &format!("[],\"details_schemas\":{{\"nurse-7\":{schema}}}")),
                Details("a schema has no details"),
            ),
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
