//! The token endpoint, `/token`: issues tokens for an approved step-up (CIBA section 10).

use super::dpop::Proven;
use super::{ACCESS_TOKEN_TYP, CIBA_GRANT, Code, Form, ID_TOKEN_TYP, OAuthError, Provider, Request, path};
use crate::step_up::{Approval, StepUpStatus};
use crate::store::client::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Instant;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId};
use vitalsign_protocol::step_up::{Acr, StepUpResult, transaction_digest};

/// Lifetime of a token, in seconds.
const LIFETIME: u64 = 300;
/// Longer values of `auth_req_id` are rejected without a look-up.
const MAX_NAME_BYTES: usize = 256;

/// Token request of an authenticated client that is within its rate limit.
pub struct Poll {
    client: Client,
    auth_req_id: String,
    /// The key to which the token is bound.
    jkt: Option<String>,
    /// Nonce for the next DPoP proof, if it should have another one.
    next_nonce: Option<String>,
}

/// Result of a token request.
pub enum Redeemed {
    /// Pending: wait for this step-up to close, and try again.
    Pending(StepUpId),
    /// The tokens; each approval issues one pair.
    Tokens(Box<Tokens>),
}

/// Successful token response (CIBA section 10.1.1).
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    /// JWT for the application's own services (RFC 9068).
    pub access_token: String,
    /// `DPoP` when it is bound to a key, else `Bearer`.
    pub token_type: String,
    /// Lifetime of the access token, in seconds.
    pub expires_in: u64,
    pub id_token: String,
    /// Scope of the token: `openid`.
    pub scope: String,
    /// Approved details (RFC 9396 section 7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Value>,
}

/// Reference to the device's verdict in a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarClaim {
    /// SHA-256 of the verdict (EAR).
    pub digest: Digest,
    pub status: Tier,
}

/// Approved transaction in a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionClaim {
    /// The digest T that the tap covers (`docs/protocol.md`, step-up).
    pub digest: Digest,
    /// Text of the transaction, of which `digest` is the digest; by the client's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The claims of an ID token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdClaims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    /// Expiry in seconds since 1970.
    pub exp: u64,
    pub iat: u64,
    /// Time at which the tap was verified, in seconds since 1970.
    pub auth_time: u64,
    pub acr: Acr,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    pub jti: String,
    /// The device's state when the person tapped.
    pub vitalsign_ear: EarClaim,
    pub vitalsign_device: EnrolmentId,
    pub vitalsign_aaguid: String,
    /// Sequence number of the approval in the audit log.
    pub vitalsign_audit: u64,
    /// Approved transaction. Absent only for step-ups that an earlier version approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vitalsign_transaction: Option<TransactionClaim>,
    /// The user's name, by the client's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
}

/// The claims of an access token: those of the ID token, and the granted authorization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Claims of the ID token, with the application's audience as `aud`.
    #[serde(flatten)]
    pub id: IdClaims,
    pub client_id: String,
    /// Scope of the token: `openid`.
    pub scope: String,
    /// Approved details (RFC 9396 section 9.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Value>,
    /// Key to which the token is bound (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// Confirmation claim (`cnf`, RFC 9449 section 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// JWK thumbprint of the client's DPoP key (RFC 7638).
    pub jkt: String,
}

impl Poll {
    /// Returns the nonce for the client's next DPoP proof, if it should have another one.
    #[must_use]
    pub fn next_nonce(&self) -> Option<&str> {
        self.next_nonce.as_deref()
    }
}

impl Provider {
    /// Checks that this client may request this token now. The result can be passed to [`Provider::token`]
    /// any number of times.
    ///
    /// # Errors
    /// An error of RFC 6749 section 5.2, or `slow_down`.
    pub async fn poll(&self, request: &Request, now: u64, at: Instant) -> Result<Poll, OAuthError> {
        let client = self.authenticate(request, now).await?;
        match request.form.get("grant_type") {
            Some(CIBA_GRANT) => {}
            Some(_) => return Err(OAuthError::new(Code::UnsupportedGrantType, "The only grant is CIBA's.")),
            None => return Err(OAuthError::new(Code::InvalidRequest, "grant_type is missing.")),
        }
        let auth_req_id = auth_req_id(&request.form)?.to_owned();
        let proven = Proven { method: "POST", path: path::TOKEN, token: None, nonce_for: Some(&client.id) };
        let key = self.proven_key(&request.dpop, proven, now).await?;
        let (jkt, next_nonce) = key.map_or((None, None), |key| (Some(key.jkt), key.next_nonce));
        if jkt.is_none() && client.settings.dpop_bound_access_tokens {
            return Err(OAuthError::new(
                Code::InvalidRequest,
                "This client's token requests need a DPoP proof.",
            ));
        }
        if !self.poll_limiter.allow(&client.id, &auth_req_id, at) {
            return Err(OAuthError::new(Code::SlowDown, "Wait 5 seconds longer between polls from now on."));
        }
        Ok(Poll { client, auth_req_id, jkt, next_nonce })
    }

    /// Issues the tokens if the step-up was approved.
    ///
    /// # Errors
    /// The result of the step-up, if it was closed otherwise.
    pub async fn token(&self, poll: &Poll, now: u64) -> Result<Redeemed, OAuthError> {
        let jkt = poll.jkt.as_deref();
        match self.step_ups.status(&poll.client.id, &poll.auth_req_id, jkt, now).await? {
            StepUpStatus::Pending { step_up, .. } => Ok(Redeemed::Pending(step_up)),
            // Already redeemed, or issued to another client.
            StepUpStatus::Unknown | StepUpStatus::Ended(StepUpResult::Approved, _) => {
                Err(OAuthError::new(Code::InvalidGrant, "There is no such auth_req_id, or it was used."))
            }
            StepUpStatus::Ended(end, reasons) => Err(OAuthError::ended(end, reasons)),
            StepUpStatus::Approved(approval) => Ok(Redeemed::Tokens(Box::new(self.tokens(poll, *approval)?))),
        }
    }

    /// Signs the tokens of an approval: the same claims each time.
    fn tokens(&self, poll: &Poll, approval: Approval) -> Result<Tokens, OAuthError> {
        let Poll { client, jkt, .. } = poll;
        let issued = approval.redemption.ok_or_else(|| {
            tracing::error!("an approval without tokens");
            OAuthError::new(Code::ServerError, "The verifier failed.")
        })?;
        let now = issued.at;
        let authorization_details = approval.authorization_details;
        let transaction = approval.transaction.map(|text| TransactionClaim {
            digest: transaction_digest(&text),
            text: client.settings.transaction_text.then_some(text),
        });
        let id = IdClaims {
            iss: self.config.origin().0.to_owned(),
            sub: approval.subject,
            aud: client.id.clone(),
            exp: now.saturating_add(LIFETIME),
            iat: now,
            auth_time: approval.auth_time,
            acr: approval.acr,
            amr: approval.amr,
            jti: issued.id_jti,
            vitalsign_ear: EarClaim { digest: approval.ear, status: approval.ear_status },
            vitalsign_device: approval.device,
            vitalsign_aaguid: approval.aaguid,
            vitalsign_audit: approval.audit,
            vitalsign_transaction: transaction,
            preferred_username: client.settings.preferred_username.then_some(approval.user),
        };
        let scope = "openid".to_owned();
        let access = AccessClaims {
            id: IdClaims { aud: client.audience.clone(), jti: issued.access_jti, ..id.clone() },
            client_id: client.id.clone(),
            scope: scope.clone(),
            authorization_details: authorization_details.clone(),
            cnf: jkt.clone().map(|jkt| Confirmation { jkt }),
        };
        let keys = self.token_keys.get();
        let failed = |error| {
            tracing::error!(%error, "signing a token");
            OAuthError::new(Code::ServerError, "The verifier failed.")
        };
        Ok(Tokens {
            access_token: keys.sign(&access, ACCESS_TOKEN_TYP).map_err(failed)?,
            token_type: if jkt.is_some() { "DPoP" } else { "Bearer" }.to_owned(),
            expires_in: LIFETIME,
            id_token: keys.sign(&id, ID_TOKEN_TYP).map_err(failed)?,
            scope,
            authorization_details,
        })
    }
}

/// Extracts the `auth_req_id` from a form.
pub(super) fn auth_req_id(form: &Form) -> Result<&str, OAuthError> {
    match form.get("auth_req_id") {
        None => Err(OAuthError::new(Code::InvalidRequest, "auth_req_id is missing.")),
        Some(name) if name.len() > MAX_NAME_BYTES => {
            Err(OAuthError::new(Code::InvalidGrant, "There is no such auth_req_id, or it was used."))
        }
        Some(name) => Ok(name),
    }
}
