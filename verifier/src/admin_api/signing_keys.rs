//! Signing keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vitalsign_protocol::jwt::JwkSet;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningKeyQuery {
    /// The keys that sign tokens for applications, instead of those that sign verdicts.
    #[serde(default)]
    pub tokens: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeyList {
    pub keys: Vec<SigningKeyView>,
    /// The published JWK set.
    #[schemars(with = "serde_json::Value")]
    pub jwks: JwkSet,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeyView {
    pub kid: String,
    pub state: SigningKeyState,
    /// Time at which a next key begins to sign, until which a retired one is published, or since which one is withdrawn.
    pub at: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SigningKeyState {
    Next,
    Active,
    Retired,
    Withdrawn,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    #[serde(default)]
    pub tokens: bool,
    /// Seconds until the new key signs.
    pub delay: u64,
    /// Accept a shorter delay than others need to learn the new key.
    #[serde(default)]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyReplacement {
    #[serde(default)]
    pub tokens: bool,
}

/// A key that signs no more or not yet, to be published no more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWithdrawal {
    #[serde(default)]
    pub tokens: bool,
    pub kid: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewSigningKey {
    pub kid: String,
    /// Use of the key: `verdicts` or `tokens`.
    pub signs: String,
    /// Time from which it signs.
    pub from: u64,
}
