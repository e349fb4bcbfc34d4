//! The resource that an access token opens at the verifier itself: the verdict (EAR) to which it refers.

use super::dpop::Proven;
use super::{ACCESS_TOKEN_TYP, AccessClaims, Code, OAuthError, Provider, path};
use crate::audit::prove::Proven as Approval;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jwt;

/// Request for a verdict.
pub struct EarRequest {
    /// `Authorization`, when there is one.
    pub authorization: Option<String>,
    /// Values of all `DPoP` headers.
    pub dpop: Vec<String>,
    /// Last segment of the path: the digest of the verdict, as the token has it.
    pub digest: String,
}

impl Provider {
    /// Returns the verdict (EAR, a JWT) on the evidence that the tap covered, to the holder of the access token that
    /// names it. `None` if the token names another one.
    ///
    /// # Errors
    /// [`Code::InvalidToken`] or [`Code::InvalidDpopProof`].
    pub async fn ear(&self, request: &EarRequest, now: u64) -> Result<Option<String>, OAuthError> {
        let claims = self.access(request, now).await?;
        if claims.id.vitalsign_ear.digest.to_string() != request.digest {
            return Ok(None);
        }
        let entry = claims.id.vitalsign_audit;
        let entry =
            self.store.audit(None, entry.saturating_sub(1), 1).await?.into_iter().find(|it| it.seq == entry);
        let approval = entry.and_then(|entry| serde_json::from_str::<Approval>(&entry.body).ok());
        let ear = approval.map(|approval| approval.ear);
        Ok(ear.filter(|ear| Digest::of(ear.as_bytes()) == claims.id.vitalsign_ear.digest))
    }

    /// Checks the access token of a request (RFC 6750 section 2.1, RFC 9449 section 7.1).
    async fn access(&self, request: &EarRequest, now: u64) -> Result<AccessClaims, OAuthError> {
        let authorization = request.authorization.as_deref().unwrap_or_default();
        let (scheme, token) = authorization.split_once(' ').ok_or_else(|| invalid("it is missing"))?;
        let claims: AccessClaims =
            jwt::verify(token.trim(), ACCESS_TOKEN_TYP, &self.jwks(now)).map_err(invalid)?;
        if claims.id.iss != self.config.origin().0 {
            return Err(invalid("it is by another issuer"));
        }
        if claims.id.exp <= now {
            return Err(invalid("it has expired"));
        }
        let client = self.store.client(&claims.client_id).await?;
        if client.is_none_or(|client| client.disabled_at.is_some()) {
            return Err(invalid("its client is disabled"));
        }
        let bound = claims.cnf.as_ref().map(|cnf| &cnf.jkt);
        let expected = if bound.is_some() { "DPoP" } else { "Bearer" };
        if !scheme.eq_ignore_ascii_case(expected) {
            return Err(invalid(format!("it must be sent as {expected}")));
        }
        if bound.is_some() {
            let path = format!("{}{}", path::EARS, request.digest);
            let proven = Proven { method: "GET", path: &path, token: Some(token.trim()), nonce_for: None };
            let proven = self.proven_key(&request.dpop, proven, now).await?;
            if proven.map(|key| key.jkt).as_ref() != bound {
                return Err(OAuthError::new(
                    Code::InvalidDpopProof,
                    "The DPoP proof is not by the token's key.",
                ));
            }
        }
        Ok(claims)
    }
}

fn invalid(why: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(Code::InvalidToken, format!("Invalid access token: {why}."))
}
