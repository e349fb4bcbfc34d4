//! Applications.

use super::text::OneTimeSecret;
pub use crate::client_jwks::JwksUri;
use crate::store::client::{ADMINISTRATOR_ID, Client, ClientCredential, ClientSettings, DetailsTypes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitalsign_protocol::details::DetailsSchema;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Name that people are shown.
    pub name: String,
    /// `client_id`; random by default.
    #[serde(default)]
    pub id: Option<String>,
    /// Audience of its access tokens; differs from the `client_id`.
    pub audience: String,
    /// JWK set of its public keys, for private_key_jwt. Without it, a secret is created.
    #[serde(default)]
    pub jwks: Option<serde_json::Value>,
    /// Address from which its keys are fetched, instead of `jwks`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub jwks_uri: Option<JwksUri>,
    #[serde(default)]
    pub settings: SettingsChange,
}

/// Settings that change; the others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsChange {
    pub strict_audience: Option<bool>,
    pub authorization_details_types: Option<DetailsTypes>,
    /// All schemas, by type; none if the object is empty.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub authorization_details_schemas: Option<BTreeMap<String, DetailsSchema>>,
    pub dpop_bound_access_tokens: Option<bool>,
    pub transaction_text: Option<bool>,
    pub badge: Option<bool>,
    pub preferred_username: Option<bool>,
}

impl SettingsChange {
    #[must_use]
    pub fn over(self, settings: ClientSettings) -> ClientSettings {
        ClientSettings {
            strict_audience: self.strict_audience.unwrap_or(settings.strict_audience),
            authorization_details_types: self
                .authorization_details_types
                .unwrap_or(settings.authorization_details_types),
            authorization_details_schemas: self
                .authorization_details_schemas
                .unwrap_or(settings.authorization_details_schemas),
            dpop_bound_access_tokens: self
                .dpop_bound_access_tokens
                .unwrap_or(settings.dpop_bound_access_tokens),
            transaction_text: self.transaction_text.unwrap_or(settings.transaction_text),
            badge: self.badge.unwrap_or(settings.badge),
            preferred_username: self.preferred_username.unwrap_or(settings.preferred_username),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientChange {
    #[serde(default)]
    pub audience: Option<String>,
    #[serde(default)]
    pub settings: SettingsChange,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientView {
    pub id: String,
    pub name: String,
    /// `client_secret_basic` or `private_key_jwt`.
    pub method: String,
    pub audience: String,
    pub created: u64,
    pub disabled_at: Option<u64>,
    /// JWK set of its public keys.
    pub jwks: Option<serde_json::Value>,
    /// Address from which they are fetched, and when they were.
    #[schemars(with = "Option<String>")]
    pub jwks_uri: Option<JwksUri>,
    pub jwks_fetched: Option<u64>,
    pub previous_secret_expires: Option<u64>,
    pub settings: ClientSettings,
}

impl ClientView {
    pub(crate) fn of(client: Client) -> Self {
        let method = client.credential.method().to_owned();
        // Keys cannot fail to be JSON.
        let jwks = client.credential.keys().and_then(|keys| serde_json::to_value(keys).ok());
        let (remote, expires) = match client.credential {
            ClientCredential::Secret(secrets) => (None, secrets.previous.map(|(_, expires)| expires)),
            ClientCredential::Keys(_) => (None, None),
            ClientCredential::Remote(remote) => (Some((remote.uri, remote.fetched)), None),
        };
        let (jwks_uri, jwks_fetched) = remote.unzip();
        Self {
            id: client.id,
            name: client.name,
            method,
            audience: client.audience,
            created: client.created,
            disabled_at: client.disabled_at,
            jwks,
            jwks_uri,
            jwks_fetched,
            previous_secret_expires: expires,
            settings: client.settings,
        }
    }

    /// Returns whether its access tokens could pass for its ID tokens at a service that does not check `typ` (RFC 9068
    /// section 4).
    #[must_use]
    pub fn has_confusable_audience(&self) -> bool {
        self.audience == self.id && self.id != ADMINISTRATOR_ID
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AddedClientView {
    pub client: ClientView,
    /// Its secret, unless it has keys.
    pub secret: Option<OneTimeSecret>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// Seconds for which the former secret is accepted, at most 30 days; by default it is not.
    #[serde(default)]
    pub overlap: Option<u64>,
}

impl SecretRotation {
    /// The longest overlap in seconds.
    pub const MAX_OVERLAP: u64 = 30 * 86400;
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientName {
    pub id: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RotatedSecret {
    pub client: ClientName,
    pub secret: OneTimeSecret,
    pub previous_secret_expires: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// JWK set of keys to accept too.
    #[serde(default)]
    pub add: Option<serde_json::Value>,
    /// `kid` of keys to accept no longer.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Address from which its keys are fetched from now on, instead of the others.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub jwks_uri: Option<JwksUri>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangedClientKeys {
    pub client: ClientName,
    /// JWK set of all its keys.
    pub jwks: serde_json::Value,
    /// `kid` of each.
    pub kids: Vec<String>,
}
