//! Credentials with which applications authenticate.

use crate::client_jwks::JwksUri;
use crate::client_keys::ClientKeys;
use crate::store::{StoreError, signed, unsigned};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use vitalsign_protocol::id::Digest;

/// Credential of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCredential {
    /// Secrets for `client_secret_basic`.
    Secret(ClientSecrets),
    /// Public keys for `private_key_jwt`.
    Keys(ClientKeys),
    /// Public keys for `private_key_jwt` that the verifier fetches.
    Remote(RemoteKeys),
}

/// Keys at an address, as they were fetched last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteKeys {
    pub uri: JwksUri,
    /// Time of the fetch, in seconds since 1970.
    pub fetched: u64,
    #[serde(flatten)]
    pub keys: ClientKeys,
}

/// Digests of the secrets of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSecrets {
    pub current: Digest,
    /// The secret that the current one replaced, and when it expires, in seconds since 1970.
    pub previous: Option<(Digest, u64)>,
}

impl ClientSecrets {
    /// Returns the digests of the secrets that are accepted at `now`.
    pub(crate) fn accepted(&self, now: u64) -> impl Iterator<Item = Digest> {
        let previous = self.previous.filter(|(_, expires)| now < *expires).map(|(digest, _)| digest);
        std::iter::once(self.current).chain(previous)
    }
}

impl From<Digest> for ClientCredential {
    fn from(current: Digest) -> Self {
        Self::Secret(ClientSecrets { current, previous: None })
    }
}

/// Values of the columns of a credential.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) secret: Option<Vec<u8>>,
    pub(super) previous_secret: Option<Vec<u8>>,
    pub(super) previous_secret_expires: Option<i64>,
    pub(super) jwks: Option<String>,
}

impl ClientCredential {
    /// Returns the OpenID name of the authentication method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Secret(_) => "client_secret_basic",
            Self::Keys(_) | Self::Remote(_) => "private_key_jwt",
        }
    }

    /// Returns the public keys, if it has them.
    pub(crate) fn keys(&self) -> Option<&ClientKeys> {
        match self {
            Self::Secret(_) => None,
            Self::Keys(keys) | Self::Remote(RemoteKeys { keys, .. }) => Some(keys),
        }
    }

    pub(super) fn columns(&self) -> Result<Columns, StoreError> {
        let bytes = |digest: Digest| digest.as_bytes().to_vec();
        Ok(match self {
            Self::Secret(ClientSecrets { current, previous }) => Columns {
                secret: Some(bytes(*current)),
                previous_secret: previous.map(|(digest, _)| bytes(digest)),
                previous_secret_expires: previous.map(|(_, expires)| signed(expires)),
                jwks: None,
            },
            Self::Keys(keys) => Columns { jwks: Some(json(keys)?), ..Columns::default() },
            Self::Remote(remote) => Columns { jwks: Some(json(remote)?), ..Columns::default() },
        })
    }

    pub(super) fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let damaged = || StoreError::Failed("a client's credential is damaged".into());
        let digest = |bytes: Vec<u8>| Digest::from_slice(&bytes).ok_or_else(damaged);
        match (row.try_get("secret")?, row.try_get::<Option<String>, _>("jwks")?) {
            (Some(secret), None) => {
                let previous: Option<Vec<u8>> = row.try_get("previous_secret")?;
                let expires: Option<i64> = row.try_get("previous_secret_expires")?;
                let previous = previous.map(digest).transpose()?.zip(expires.map(unsigned));
                Ok(Self::Secret(ClientSecrets { current: digest(secret)?, previous }))
            }
            (None, Some(jwks)) => match serde_json::from_str(&jwks) {
                Ok(remote) => Ok(Self::Remote(remote)),
                Err(_) => Ok(Self::Keys(serde_json::from_str(&jwks).map_err(|_| damaged())?)),
            },
            _ => Err(damaged()),
        }
    }
}

fn json(keys: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(keys).map_err(|e| StoreError::Failed(e.to_string()))
}
