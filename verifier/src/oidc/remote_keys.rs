//! Verifies assertions by keys that applications publish.

use super::jws::Jws;
use super::{OAuthError, Provider};
use crate::client_jwks::{FetchError, JwksUri};
use crate::client_keys::ClientKeys;
use crate::pace::Rate;
use crate::store::client::RemoteKeys;
use std::time::Duration;

/// Age in seconds from which keys are fetched before they are used.
const FRESH_SECONDS: u64 = 3600;
/// Age in seconds until which they are used although they cannot be fetched.
const USABLE_SECONDS: u64 = 24 * 3600;
/// Fetches for one application.
pub(super) const FETCH_RATE: Rate = Rate { burst: 2, each: Duration::from_secs(60) };
/// Applications whose rate is kept.
pub(super) const FETCHING_CLIENTS: usize = 1024;

impl Provider {
    /// Fetches the keys of an application that is being registered.
    ///
    /// # Errors
    /// They cannot be fetched or used.
    pub(crate) async fn fetch_keys(&self, uri: &JwksUri) -> Result<ClientKeys, FetchError> {
        self.jwks_fetcher.fetch(uri).await
    }

    /// Verifies a client's assertion. Fetches the keys again if they are old, or lack the key that it names.
    pub(super) async fn verify_by_remote(
        &self,
        client: &str,
        remote: &RemoteKeys,
        jws: &Jws<'_>,
        now: u64,
    ) -> Result<bool, OAuthError> {
        let age = now.saturating_sub(remote.fetched);
        let verified = age <= USABLE_SECONDS && jws.verify_by_client(&remote.keys).is_ok();
        let named = remote.keys.names(jws.header().kid.as_deref());
        if age <= FRESH_SECONDS && (verified || named) {
            return Ok(verified);
        }
        if self.fetch_paces.take(client.to_owned(), now).is_err() {
            return Ok(verified);
        }
        let keys = match self.jwks_fetcher.fetch(&remote.uri).await {
            Ok(keys) => keys,
            Err(error) => {
                tracing::warn!(client, age, %error, "an application's keys cannot be fetched");
                return Ok(verified);
            }
        };
        let fetched = RemoteKeys { uri: remote.uri.clone(), fetched: now, keys };
        self.store.refresh_client_keys(client, remote, &fetched).await?;
        Ok(jws.verify_by_client(&fetched.keys).is_ok())
    }
}
