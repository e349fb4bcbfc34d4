//! Settings of an application.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::details::DetailsSchema;

/// Settings of an application. The defaults are those of new applications; the migration that added the settings let
/// earlier ones do what they could do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClientSettings {
    /// The audience of a client assertion must be the issuer alone, as one string (draft-ietf-oauth-rfc7523bis). Otherwise
    /// another server that the application trusts can use an assertion that was meant for it here.
    pub strict_audience: bool,
    /// Types of `authorization_details` that the application may send (RFC 9396 section 10).
    pub authorization_details_types: DetailsTypes,
    /// Schemas by type: the members that the application may send, and their labels. A schema allows its type as well.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub authorization_details_schemas: BTreeMap<String, DetailsSchema>,
    /// Every access token is bound to a key of the application (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// Tokens contain the text of the transaction, and not only its digest.
    pub transaction_text: bool,
    /// The application may ask for the level badge, at which not every tap needs a PIN.
    pub badge: bool,
    /// Tokens contain the user's name.
    pub preferred_username: bool,
}

/// Types of `authorization_details`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DetailsTypes {
    /// Every type, of which only the application knows the meaning.
    Any,
    /// These types; no `authorization_details` at all if there are none.
    Only(BTreeSet<String>),
}

impl ClientSettings {
    /// Returns whether the application may send details of a type.
    #[must_use]
    pub fn allows_details(&self, name: &str) -> bool {
        self.authorization_details_schemas.contains_key(name) || self.authorization_details_types.allow(name)
    }
}

impl DetailsTypes {
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            strict_audience: true,
            authorization_details_types: DetailsTypes::Only(BTreeSet::new()),
            authorization_details_schemas: BTreeMap::new(),
            dpop_bound_access_tokens: false,
            transaction_text: false,
            badge: false,
            preferred_username: false,
        }
    }
}
