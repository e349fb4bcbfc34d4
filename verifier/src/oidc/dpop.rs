//! DPoP (RFC 9449): binds the token to a key whose possession the application proves.

use super::jws::{Jws, is_jti};
use super::{Code, OAuthError, Provider, numeric_date};
use crate::client_keys;
use serde::Deserialize;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jose::{self, Algorithm};

/// Maximum age and clock difference of a proof, in seconds.
const WINDOW: u64 = 60;

#[derive(Deserialize)]
struct DpopProof {
    htm: String,
    htu: String,
    #[serde(deserialize_with = "numeric_date::required")]
    iat: u64,
    jti: String,
    /// SHA-256 of the access token with which the proof is sent.
    ath: Option<String>,
    nonce: Option<String>,
}

/// Key of a valid proof.
pub(super) struct DpopKey {
    /// Its thumbprint (`cnf.jkt`).
    pub(super) jkt: String,
    /// Nonce for the next proof, if it should have another one.
    pub(super) next_nonce: Option<String>,
}

/// Request for which a proof is made.
pub(super) struct Proven<'a> {
    pub(super) method: &'static str,
    /// Path below the issuer.
    pub(super) path: &'a str,
    /// The access token with which it is sent.
    pub(super) token: Option<&'a str>,
    /// The application whose proofs need a nonce, if they do.
    pub(super) nonce_for: Option<&'a str>,
}

impl Provider {
    /// Checks the DPoP proof (RFC 9449 section 4.3) and returns its key; `None` if the request has no proof.
    ///
    /// # Errors
    /// [`Code::InvalidDpopProof`] or [`Code::UseDpopNonce`].
    pub(super) async fn proven_key(
        &self,
        proofs: &[String],
        request: Proven<'_>,
        now: u64,
    ) -> Result<Option<DpopKey>, OAuthError> {
        let token = match proofs {
            [] => return Ok(None),
            [token] => token,
            _ => return Err(refused("there is more than one")),
        };
        let jws = Jws::parse(token, &[Algorithm::Es256]).map_err(refused)?;
        if jws.header().typ.as_deref() != Some("dpop+jwt") {
            return Err(refused("its typ is not dpop+jwt"));
        }
        let key = jws.header().jwk.as_ref().ok_or_else(|| refused("it has no jwk"))?;
        let key = jose::public_key(key).map_err(refused)?;
        jws.verify(&key).map_err(refused)?;
        let DpopProof { htm, htu, iat, jti, ath, nonce } = jws.unverified().map_err(refused)?;
        let (issuer, _) = self.config.origin();
        let expected_ath = request.token.map(|token| Digest::of(token.as_bytes()).to_string());
        match () {
            () if htm != request.method => return Err(refused("htm is not the request's method")),
            () if normalised(&htu) != normalised(&format!("{issuer}{}", request.path)) => {
                return Err(refused("htu is not the address of this endpoint"));
            }
            () if expected_ath.is_some() && ath != expected_ath => {
                return Err(refused("ath is not the digest of the access token"));
            }
            () if iat.abs_diff(now) > WINDOW => return Err(refused("iat is not within 60 seconds of now")),
            () if !is_jti(&jti) => return Err(refused("its jti is not 1 to 256 characters")),
            () => {}
        }
        let next_nonce = match request.nonce_for {
            Some(client) => self.check_dpop_nonce(client, nonce.as_deref(), now)?,
            None => None,
        };
        let jkt = client_keys::thumbprint(&key);
        let name = Digest::labelled("vitalsign-dpop-v1", &[jkt.as_bytes(), jti.as_bytes()]);
        if !self.store.use_jti(&name, iat.saturating_add(WINDOW)).await? {
            return Err(refused("its jti was used before"));
        }
        Ok(Some(DpopKey { jkt, next_nonce }))
    }
}

/// Normalises the syntax of an address, without its query and fragment: case of scheme and host, default port, and empty
/// path (RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3). `None` if it is not such an address.
fn normalised(htu: &str) -> Option<String> {
    let (scheme, rest) = htu.split(['?', '#']).next()?.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !scheme.eq_ignore_ascii_case("https") || authority.contains('@') {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    let host = authority.strip_suffix(":443").or(authority.strip_suffix(':')).unwrap_or(&authority);
    Some(format!("https://{host}{}", if path.is_empty() { "/" } else { path }))
}

fn refused(why: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(Code::InvalidDpopProof, format!("Invalid DPoP proof: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_a_proof_is_normalised() {
        let token = normalised("https://verifier.example/token");
        for same in [
            "https://verifier.example/token?x#y",
            "HTTPS://Verifier.EXAMPLE/token",
            "https://verifier.example:443/token",
            "https://verifier.example:/token#",
        ] {
            assert_eq!(normalised(same), token, "{same}");
        }
        for other in [
            "https://verifier.example/Token",
            "https://verifier.example/token/",
            "https://verifier.example",
            "https://verifier.example:8443/token",
            "https://verifier.example:4430/token",
            "https://user@verifier.example/token",
            "http://verifier.example/token",
            "http://verifier.example:443/token",
            "//verifier.example/token",
            "/token",
            "",
        ] {
            assert_ne!(normalised(other), token, "{other}");
        }
        assert_eq!(normalised("https://verifier.example"), normalised("https://verifier.example/"));
    }
}
