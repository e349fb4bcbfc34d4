//! Enrolment tokens.

use super::text::{Label, OneTimeSecret};
use crate::store::token::Token;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenTarget {
    pub token: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Number of devices that can enrol with it, at most a million.
    pub uses: u64,
    /// Lifetime in seconds, at least 1.
    pub lifetime: u64,
    /// Label of the devices that enrol with it.
    #[serde(default)]
    pub label: Option<Label>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    pub token: OneTimeSecret,
    pub record: Token,
}
