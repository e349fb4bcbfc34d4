//! Error responses of RFC 6749 section 5.2 and CIBA sections 11 and 13.

use serde::Serialize;
use vitalsign_protocol::problem::Problem;
use vitalsign_protocol::step_up::StepUpResult;

/// Value of `error`. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A parameter is missing, malformed, repeated or unsupported.
    InvalidRequest,
    /// The body is too large.
    TooLarge,
    /// The application is not registered, or its authentication failed.
    InvalidClient,
    /// The `auth_req_id` is unknown, belongs to another client, or was used.
    InvalidGrant,
    UnsupportedGrantType,
    /// No requested level is supported (OpenID Connect Core Error Code unmet_authentication_requirements 1.0).
    UnmetAuthenticationRequirements,
    /// `openid` is not among the scopes.
    InvalidScope,
    /// The message cannot be shown.
    InvalidBindingMessage,
    /// The details cannot be shown (RFC 9396 section 5).
    InvalidAuthorizationDetails,
    /// The DPoP proof is invalid (RFC 9449 section 5).
    InvalidDpopProof,
    /// The DPoP proof has no nonce that is accepted now (RFC 9449 section 8).
    UseDpopNonce,
    AuthorizationPending,
    /// The request is pending and was polled too soon: wait 5 seconds longer from now on.
    SlowDown,
    ExpiredToken,
    /// The step-up ended without approval.
    AccessDenied,
    /// The application's own requests are too many: try again later.
    TooManyRequests,
    /// The access token is invalid, expired, or of another kind (RFC 6750 section 3.1).
    InvalidToken,
    /// The verifier is overloaded: try again later.
    TemporarilyUnavailable,
    ServerError,
}

impl Code {
    /// Returns the value of `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::TooLarge => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidBindingMessage => "invalid_binding_message",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::AccessDenied => "access_denied",
            Self::TooManyRequests | Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidToken => "invalid_token",
            Self::ServerError => "server_error",
        }
    }

    /// Returns the HTTP status of the response.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::TooLarge => 413,
            // RFC 6585 section 4.
            Self::TooManyRequests => 429,
            Self::TemporarilyUnavailable => 503,
            Self::ServerError => 500,
            _ => 400,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{error}: {error_description}")]
pub struct OAuthError {
    #[serde(skip)]
    pub code: Code,
    error: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    error_description: String,
    /// Result of the step-up, if it is the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    vitalsign_end: Option<StepUpResult>,
    /// Names of the device's failed checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vitalsign_reasons: Vec<String>,
    /// Seconds after which to try again: the `Retry-After` header.
    #[serde(skip)]
    pub retry_after: Option<u64>,
    /// Nonce for the next DPoP proof: the `DPoP-Nonce` header.
    #[serde(skip)]
    pub dpop_nonce: Option<Box<str>>,
    /// Reason for the verifier's log, which the client is not told.
    #[serde(skip)]
    logged: Option<&'static str>,
}

impl OAuthError {
    /// Creates an error with a description for developers.
    #[must_use]
    pub fn new(code: Code, description: impl Into<String>) -> Self {
        Self {
            code,
            error: code.as_str(),
            error_description: description.into(),
            vitalsign_end: None,
            vitalsign_reasons: Vec::new(),
            retry_after: None,
            dpop_nonce: None,
            logged: None,
        }
    }

    /// Adds a reason for the verifier's log only.
    #[must_use]
    pub(super) fn logged(self, why: &'static str) -> Self {
        Self { logged: Some(why), ..self }
    }

    /// Creates the error for a step-up that ended without approval.
    #[must_use]
    pub(crate) fn ended(end: StepUpResult, vitalsign_reasons: Vec<String>) -> Self {
        let code = if end == StepUpResult::TimedOut { Code::ExpiredToken } else { Code::AccessDenied };
        let told = Self::new(code, format!("{end}: {}", plainly(end)));
        Self { vitalsign_end: Some(end), vitalsign_reasons, ..told }
    }

    /// Returns the description for developers.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.error_description
    }

    /// Returns the description for the verifier's log.
    #[must_use]
    pub fn log_description(&self) -> &str {
        self.logged.unwrap_or(&self.error_description)
    }
}

impl From<Problem> for OAuthError {
    /// Failures of the engine or the store are not the application's fault.
    fn from(problem: Problem) -> Self {
        let Problem { status, detail, retry_after, .. } = problem;
        let later =
            || detail.unwrap_or_else(|| "The verifier has too much to do. Try again later.".to_owned());
        let error = match status {
            413 => Self::new(Code::TooLarge, "The transaction is larger than devices accept."),
            429 => Self::new(Code::TooManyRequests, later()),
            503 => Self::new(Code::TemporarilyUnavailable, later()),
            _ => Self::new(Code::ServerError, "The verifier failed."),
        };
        Self { retry_after, ..error }
    }
}

impl From<crate::store::StoreError> for OAuthError {
    fn from(error: crate::store::StoreError) -> Self {
        Problem::from(error).into()
    }
}

/// Describes a result in one sentence.
#[must_use]
pub fn plainly(end: StepUpResult) -> &'static str {
    match end {
        StepUpResult::Approved => "the person confirmed it with their security key.",
        StepUpResult::Declined => "the person said no.",
        StepUpResult::NotMine => "the person did not start this request; it may be an attack.",
        StepUpResult::TimedOut => "the request timed out.",
        StepUpResult::Unhealthy => "the device is not in the state that this level asks for.",
        StepUpResult::WrongKey => {
            "the security key is not registered for this person, or its signature is invalid."
        }
        StepUpResult::PinBlocked => "the security key is blocked: too many wrong PINs.",
        StepUpResult::NoKey => "no security key could be used at the device.",
        StepUpResult::NoDevice => "no device of this person was reached.",
        StepUpResult::Superseded => "another request took its place.",
        StepUpResult::Cancelled => "the application took it back.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_json_that_the_standard_has() {
        let json = |error: &OAuthError| serde_json::to_value(error).unwrap();
        assert_eq!(
            json(&OAuthError::new(Code::InvalidScope, "openid is missing")),
            serde_json::json!({ "error": "invalid_scope", "error_description": "openid is missing" })
        );
        assert_eq!(
            json(&OAuthError::ended(StepUpResult::Declined, Vec::new())),
            serde_json::json!({
                "error": "access_denied",
                "error_description": "declined: the person said no.",
                "vitalsign_end": "declined",
            })
        );
        let reasons = vec!["disk-encryption".to_owned(), "firewall".to_owned()];
        assert_eq!(
            json(&OAuthError::ended(StepUpResult::Unhealthy, reasons)),
            serde_json::json!({
                "error": "access_denied",
                "error_description": "unhealthy: the device is not in the state that this level asks for.",
                "vitalsign_end": "unhealthy",
                "vitalsign_reasons": ["disk-encryption", "firewall"],
            })
        );
        assert_eq!(OAuthError::ended(StepUpResult::TimedOut, Vec::new()).code, Code::ExpiredToken);
    }

    #[test]
    fn error_descriptions_use_only_allowed_characters() {
        // RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E.
        for end in StepUpResult::ALL {
            let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
            assert!(OAuthError::ended(end, Vec::new()).description().chars().all(allowed), "{end}");
        }
    }
}
