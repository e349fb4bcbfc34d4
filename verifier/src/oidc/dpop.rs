//! DPoP (RFC 9449): binds the token to a key whose possession the application proves.

use super::jws::{Jws, is_jti};
use super::{Code, OAuthError, Provider, Request, jwk, numeric_date, path};
use serde::Deserialize;
use vitalsign_protocol::id::Digest;

/// Maximum age and clock difference of a proof, in seconds.
const WINDOW: u64 = 60;

#[derive(Deserialize)]
struct DpopProof {
    htm: String,
    htu: String,
    #[serde(deserialize_with = "numeric_date::required")]
    iat: u64,
    jti: String,
}

impl Provider {
    /// Checks the DPoP proof (RFC 9449 section 4.3) and returns the thumbprint of its key (`cnf.jkt`); `None` if the
    /// request has no proof.
    ///
    /// # Errors
    /// [`Code::InvalidDpopProof`].
    pub(super) async fn proven_key(&self, request: &Request, now: u64) -> Result<Option<String>, OAuthError> {
        let token = match request.dpop.as_slice() {
            [] => return Ok(None),
            [token] => token,
            _ => return Err(refused("there is more than one")),
        };
        let jws = Jws::parse(token).map_err(refused)?;
        if jws.header().typ.as_deref() != Some("dpop+jwt") {
            return Err(refused("its typ is not dpop+jwt"));
        }
        let key = jws.header().jwk.as_ref().ok_or_else(|| refused("it has no jwk"))?;
        let key = jwk::public_key(key).map_err(refused)?;
        jws.verify(&key).map_err(refused)?;
        let DpopProof { htm, htu, iat, jti } = jws.unverified().map_err(refused)?;
        let (issuer, _) = self.config.origin();
        match () {
            () if htm != "POST" => return Err(refused("htm is not POST")),
            // Section 4.3: without query and fragment.
            () if htu.split(['?', '#']).next() != Some(format!("{issuer}{}", path::TOKEN).as_str()) => {
                return Err(refused("htu is not the token endpoint"));
            }
            () if iat.abs_diff(now) > WINDOW => return Err(refused("iat is not within 60 seconds of now")),
            () if !is_jti(&jti) => return Err(refused("its jti is not 1 to 256 characters")),
            () => {}
        }
        let jkt = jwk::thumbprint(&key);
        let name = Digest::labelled("vitalsign-dpop-v1", &[jkt.as_bytes(), jti.as_bytes()]);
        if !self.store.use_jti(&name, iat.saturating_add(WINDOW), now).await? {
            return Err(refused("its jti was used before"));
        }
        Ok(Some(jkt))
    }
}

fn refused(why: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(Code::InvalidDpopProof, format!("Invalid DPoP proof: {why}."))
}
