//! Problems (RFC 9457): a closed set of types. An agent decides by the type and never by the text.

use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Reaction of the agent to a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try the same again later.
    Retry,
    /// Ask for a nonce and try again at once.
    FreshNonce,
    /// Report, which opens a new session, and try again.
    Report,
    /// Enrol again with a new token.
    ReEnrol,
    /// Show the problem to the user and wait for an administrator.
    Tell,
}

macro_rules! problems {
    ($($(#[$meta:meta])* $variant:ident $name:literal $status:literal $action:ident $title:literal,)+) => {
        /// Problem type of the verifier's API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType { $($(#[$meta])* $variant,)+ }

        impl ProblemType {
            /// All problem types.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The `type` member: a URN.
            #[must_use]
            pub fn urn(self) -> &'static str { match self { $(Self::$variant => concat!("urn:vitalsign:problem:", $name),)+ } }
            /// The HTTP status it comes with.
            #[must_use]
            pub fn status(self) -> u16 { match self { $(Self::$variant => $status,)+ } }
            /// Returns the agent's reaction to this type.
            #[must_use]
            pub fn action(self) -> Action { match self { $(Self::$variant => Action::$action,)+ } }
            /// Returns the `title` member of the type.
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(Self::$variant => $title,)+ } }
        }
    };
}

problems! {
    /// The body could not be understood.
    Malformed "malformed" 400 Tell "The request could not be understood.",
    /// The body is larger than is read.
    TooLarge "too-large" 413 Tell "The request is larger than is accepted.",
    /// The body is of another media type.
    MediaType "media-type" 415 Tell "The request's media type is not the one expected here.",
    /// No such resource.
    NotFound "not-found" 404 Tell "There is nothing at this address.",
    /// The resource has no such method.
    MethodNotAllowed "method-not-allowed" 405 Tell "The resource does not have this method.",
    /// A claim is missing or contradicts the request.
    ClaimsInvalid "claims-invalid" 422 Tell "A claim of the evidence does not fit the request.",
    /// The evidence's signature is invalid.
    SignatureInvalid "signature-invalid" 403 Tell "The signature of the evidence is invalid.",
    /// The nonce is not one of ours, or was issued to another key or for another use.
    NonceUnknown "nonce-unknown" 409 FreshNonce "The nonce was not issued for this.",
    /// The nonce is too old.
    NonceExpired "nonce-expired" 409 FreshNonce "The nonce is too old.",
    /// The nonce was used before.
    NonceUsed "nonce-used" 409 FreshNonce "The nonce was used before.",
    /// No device with this key.
    DeviceUnknown "device-unknown" 404 ReEnrol "No device is enrolled with this key.",
    /// The device was revoked.
    DeviceRevoked "device-revoked" 403 Tell "This device was revoked.",
    /// The enrolment token is wrong.
    TokenUnknown "token-unknown" 403 Tell "The enrolment token is not known.",
    /// The enrolment token is too old.
    TokenExpired "token-expired" 403 Tell "The enrolment token is too old.",
    /// The enrolment token has been used as often as it may be.
    TokenSpent "token-spent" 403 Tell "The enrolment token has been used up.",
    /// The EK's certificate does not chain to a configured root.
    EndorsementUntrusted "endorsement-untrusted" 403 Tell "The TPM's certificate is not from a maker that is trusted here.",
    /// The keys or their certification are not acceptable.
    KeysInvalid "keys-invalid" 403 Tell "The device's keys are not of the kind that is accepted.",
    /// The secret is wrong.
    ActivationFailed "activation-failed" 403 Tell "The TPM did not prove that it contains the keys.",
    /// No enrolment of this name is under way; it may be too old.
    EnrolmentUnknown "enrolment-unknown" 404 ReEnrol "No enrolment of this name is under way.",
    /// The quote is invalid.
    QuoteInvalid "quote-invalid" 403 Tell "The TPM's quote is invalid.",
    /// The event log does not give the quoted values.
    LogMismatch "log-mismatch" 403 Tell "The event log does not agree with the TPM's quote.",
    /// Policy accepts keys in hardware only.
    SoftwareKeyRefused "software-key-refused" 403 Tell "Keys in software are not accepted here.",
    /// The device session is too old, or none of ours.
    SessionInvalid "session-invalid" 401 Report "The device session is invalid.",
    /// No step-up of this name for this device.
    StepUpUnknown "step-up-unknown" 404 Tell "No step-up of this name is asked of this device.",
    /// The step-up has ended.
    StepUpOver "step-up-over" 409 Tell "The step-up has ended.",
    /// The security key's assertion is invalid.
    AssertionInvalid "assertion-invalid" 403 Tell "The security key's assertion is invalid.",
    /// The registration code is wrong, used or too old.
    KeyCodeUnknown "key-code-unknown" 403 Tell "The code is not known, was used, or is too old.",
    /// No registration of this name is under way; it may be too old.
    RegistrationUnknown "registration-unknown" 404 Tell "No registration of this name is under way.",
    /// The security key's model is not accepted, or its attestation is invalid.
    KeyUntrusted "key-untrusted" 403 Tell "This model of security key is not accepted here.",
    /// The security key is registered already.
    KeyKnown "key-known" 409 Tell "This security key is registered already.",
    /// This device sends more than its pace allows.
    RateLimited "rate-limited" 429 Retry "The device sends more often than is accepted.",
    /// Too much to do.
    Busy "busy" 503 Retry "The verifier has too much to do.",
    /// The verifier's own fault.
    Internal "internal" 500 Retry "The verifier failed.",
}

impl ProblemType {
    /// Parses a problem type URN. Handle an unknown type by its HTTP status.
    #[must_use]
    pub fn from_urn(urn: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.urn() == urn)
    }
}

/// Problem details body (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// URN of the type, see [`ProblemType::urn`].
    #[serde(rename = "type")]
    pub problem_type: String,
    /// Short description for people, see RFC 9457 section 3.1.3.
    #[serde(default)]
    pub title: String,
    /// HTTP status of the response.
    #[serde(default)]
    pub status: u16,
    /// Description of this occurrence, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Seconds after which to try again: the `Retry-After` header (RFC 9110 section 10.2.3), and no part of the body.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with what was the matter.
    #[must_use]
    pub fn new(problem: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            problem_type: problem.urn().to_owned(),
            title: problem.title().to_owned(),
            status: problem.status(),
            detail: Some(detail.into()).filter(|text| !text.is_empty()),
            retry_after: None,
        }
    }

    /// Adds after how many seconds to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Returns the agent's reaction: by type, or by HTTP status for an unknown type.
    #[must_use]
    pub fn action(&self) -> Action {
        match ProblemType::from_urn(&self.problem_type) {
            Some(known) => known.action(),
            None if self.status >= 500 || self.status == 429 => Action::Retry,
            None => Action::Tell,
        }
    }
}
