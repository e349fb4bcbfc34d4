//! Nonces for DPoP proofs (RFC 9449 section 8), so that a proof cannot be made before it is needed. Sealed, not stored.

use super::{Code, OAuthError, Provider};
use crate::nonce::{self, Purpose};
use vitalsign_protocol::id::{Digest, Nonce, Thumbprint};

/// Lifetime of a nonce, in seconds: as long as the longest request for a person.
const LIFETIME: u64 = 300;
/// Remaining lifetime below which an answer has another one, so that polls need no request more.
const RENEW_BELOW: u64 = LIFETIME / 2;

impl Provider {
    /// Checks the nonce of an application's proof. Returns another one if the next proof should have it.
    ///
    /// # Errors
    /// [`Code::UseDpopNonce`] with a nonce.
    pub(super) fn check_dpop_nonce(
        &self,
        client: &str,
        shown: Option<&str>,
        now: u64,
    ) -> Result<Option<String>, OAuthError> {
        if !self.config.oidc.dpop_nonces {
            return Ok(None);
        }
        let holder = holder(client);
        let shown = shown.and_then(|text| text.parse::<Nonce>().ok());
        let accepted = shown.and_then(|nonce| self.nonces.0.check(Purpose::Dpop, &holder, &nonce, now).ok());
        let issue = || {
            Ok::<_, OAuthError>(
                self.nonces.issue(Purpose::Dpop, &holder, now.saturating_add(LIFETIME))?.to_string(),
            )
        };
        match accepted {
            Some(sealed) if nonce::expiry(&sealed) > now.saturating_add(RENEW_BELOW) => Ok(None),
            Some(_) => Ok(Some(issue()?)),
            None => {
                let why = "The DPoP proof needs the nonce of the header DPoP-Nonce.";
                let mut error = OAuthError::new(Code::UseDpopNonce, why);
                error.dpop_nonce = Some(issue()?.into());
                Err(error)
            }
        }
    }
}

/// Names the application to which a nonce belongs.
fn holder(client: &str) -> Thumbprint {
    Thumbprint(Digest::labelled("vitalsign-dpop-nonce-v1", &[client.as_bytes()]).0)
}
