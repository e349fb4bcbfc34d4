//! The verifier as an OpenID provider, for applications: a client requests authentication of a person by CIBA (poll
//! mode) and receives tokens once the verifier has accepted the assertion.
//!
//! Implements OpenID Connect CIBA Core 1.0, RFC 6749 (errors), RFC 8414 (metadata), RFC 7523 (`private_key_jwt`), RFC 9068 (access tokens),
//! RFC 9396 (`authorization_details`) and RFC 9449 (DPoP). Clients are authenticated before their parameters are used,
//! and the answer does not reveal whether a user exists.

mod administrator;
mod administrator_token;
mod authorize;
mod client_auth;
mod details;
mod discovery;
mod dpop;
mod dpop_nonce;
mod error;
pub mod form;
mod jws;
pub(crate) mod numeric_date;
mod poll_limiter;
mod remote_keys;
mod resource;
mod token;

pub use administrator::Administrator;
pub(crate) use administrator_token::{AdministratorToken, read_issuer_keys};
pub use authorize::{AuthRequested, MAX_MESSAGE_CHARS};
pub use client_auth::{Assertion, Audience, new_secret};
pub use details::MAX_BYTES as MAX_DETAILS_BYTES;
pub use error::{Code, OAuthError, plainly};
pub use form::Form;
pub use resource::EarRequest;
pub use token::{AccessClaims, IdClaims, Poll, Redeemed, Tokens};

use crate::client_jwks::JwksFetcher;
use crate::config::Config;
use crate::keyring::LiveKeys;
use crate::nonce::Nonces;
use crate::pace::Paces;
use crate::signing_keys::SigningKeys;
use crate::step_up::StepUps;
use crate::store::Store;
use poll_limiter::PollRateLimiter;
use std::sync::Arc;
use vitalsign_protocol::jwt::JwkSet;

/// Grant type (CIBA section 10.1).
pub const CIBA_GRANT: &str = "urn:openid:params:grant-type:ciba";
/// The type of a client assertion (RFC 7523 section 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The type of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// The type of an ID token.
pub const ID_TOKEN_TYP: &str = "JWT";

/// Paths of the endpoints, below the issuer.
pub mod path {
    /// The provider's metadata (OpenID Connect Discovery 1.0 section 4).
    pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
    /// The same for clients of OAuth (RFC 8414 section 3).
    pub const OAUTH_CONFIGURATION: &str = "/.well-known/oauth-authorization-server";
    /// Returns the public keys that verify tokens.
    pub const JWKS: &str = "/jwks";
    /// Authentication requests (CIBA section 7).
    pub const AUTHORIZE: &str = "/bc-authorize";
    /// Token requests (CIBA section 10).
    pub const TOKEN: &str = "/token";
    /// Cancels an authentication request. Not part of any standard.
    pub const CANCEL: &str = "/bc-cancel";
    /// Prefix of verdicts (EARs), to which the digest that a token names is appended. Not part of any standard.
    pub const EARS: &str = "/v1/ears/";
}

/// The OpenID provider: authenticates applications, requests step-ups for them and issues tokens.
pub struct Provider {
    config: Arc<Config>,
    store: Arc<Store>,
    step_ups: Arc<StepUps>,
    token_keys: LiveKeys<SigningKeys>,
    poll_limiter: PollRateLimiter,
    nonces: Arc<Nonces>,
    jwks_fetcher: JwksFetcher,
    /// Paces of fetching keys, by `client_id`.
    fetch_paces: Paces<String>,
}

impl Provider {
    pub(crate) fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        step_ups: Arc<StepUps>,
        token_keys: LiveKeys<SigningKeys>,
        nonces: Arc<Nonces>,
        jwks_fetcher: JwksFetcher,
    ) -> Self {
        let poll_limiter = PollRateLimiter::new(config.oidc.interval_seconds);
        let fetch_paces = Paces::new(remote_keys::FETCH_RATE, remote_keys::FETCHING_CLIENTS);
        Self { config, store, step_ups, token_keys, poll_limiter, nonces, jwks_fetcher, fetch_paces }
    }

    /// Returns the keys that verify tokens.
    #[must_use]
    pub fn jwks(&self, now: u64) -> JwkSet {
        self.token_keys.get().published(now)
    }

    /// Loads signing keys that an administrator replaced.
    pub async fn refresh_keys(&self, now: u64) {
        self.token_keys.refresh(now).await;
    }

    /// Returns when the key that signs was made, in seconds since 1970.
    pub(crate) fn key_made_at(&self) -> u64 {
        self.token_keys.get().made_at()
    }
}

/// Request of an application: relevant headers and the form.
pub struct Request {
    /// `Authorization`, when there is one.
    pub authorization: Option<String>,
    /// Values of all `DPoP` headers; more than one is an error.
    pub dpop: Vec<String>,
    pub form: Form,
}

/// Returns a random identifier of this many bytes in base64url.
pub fn random_name<const BYTES: usize>() -> Result<String, OAuthError> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    Ok(URL_SAFE_NO_PAD.encode(crate::random::random::<BYTES>()?))
}
