//! Access tokens (RFC 9068) with which administrators call the API, by other OpenID providers.

use super::client_auth::Audience;
use super::jws::Jws;
use super::numeric_date;
use crate::client_keys::{ClientKeys, ISSUER_ALGORITHMS};
use crate::config::TokenIssuer;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::path::Path;

/// Maximum clock difference to the provider, in seconds.
const SKEW: u64 = 30;
/// Types of an access token's header (RFC 9068 section 4).
const TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// A valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdministratorToken {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    #[serde(deserialize_with = "numeric_date::required")]
    exp: u64,
    #[serde(default, deserialize_with = "numeric_date::optional")]
    nbf: Option<u64>,
    #[serde(default, deserialize_with = "numeric_date::optional")]
    iat: Option<u64>,
    /// Key to which the token is bound (RFC 7800).
    cnf: Option<IgnoredAny>,
}

impl AdministratorToken {
    /// Verifies a token by one of these providers.
    ///
    /// # Errors
    /// The reason, as a sentence for the caller.
    pub(crate) fn verify(token: &str, issuers: &[TokenIssuer], now: u64) -> Result<Self, String> {
        let unusable = |why: &dyn std::fmt::Display| format!("The access token cannot be used: {why}.");
        let jws = Jws::parse(token, &ISSUER_ALGORITHMS).map_err(|error| unusable(&error))?;
        let typ = jws.header().typ.as_deref().unwrap_or_default();
        if !TYPES.iter().any(|accepted| typ.eq_ignore_ascii_case(accepted)) {
            return Err(unusable(&"its typ is not at+jwt"));
        }
        let claims: Claims = jws.unverified().map_err(|error| unusable(&error))?;
        let issuer = issuers.iter().find(|it| it.issuer == claims.iss);
        let issuer = issuer.ok_or_else(|| unusable(&"its issuer is not accepted"))?;
        let keys = read_issuer_keys(&issuer.jwks).map_err(|error| {
            tracing::error!(%error, "the keys of {}", issuer.issuer);
            unusable(&"the verifier cannot read the issuer's keys")
        })?;
        jws.verify_by_client(&keys).map_err(|error| unusable(&error))?;
        let to_come = |time: Option<u64>| time.is_some_and(|time| time > now.saturating_add(SKEW));
        match () {
            () if !claims.aud.any(std::slice::from_ref(&issuer.audience)) => {
                Err(unusable(&"its aud is another"))
            }
            () if claims.exp.saturating_add(SKEW) <= now => Err(unusable(&"it has expired")),
            () if to_come(claims.nbf) || to_come(claims.iat) => Err(unusable(&"its time is still to come")),
            // Whether the caller has the key is not checked here.
            () if claims.cnf.is_some() => Err(unusable(&"it is bound to a key")),
            () => Ok(Self { issuer: claims.iss, subject: claims.sub }),
        }
    }
}

/// Reads the keys of a provider, a JWK set.
///
/// # Errors
/// The file cannot be read or used.
pub(crate) fn read_issuer_keys(path: &Path) -> Result<ClientKeys, String> {
    let file = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    ClientKeys::parse_of_issuer(&file).map_err(|error| format!("{}: {error}", path.display()))
}
