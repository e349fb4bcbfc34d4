//! Step-ups.

use super::text::OneTimeSecret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Selects step-ups: those that have all the properties that are given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUpQuery {
    pub user: Option<String>,
    /// `client_id` of the application.
    pub client: Option<String>,
    /// Part of the text that the user was shown.
    pub message: Option<String>,
    /// Earliest time of the request.
    pub since: Option<u64>,
    /// Maximum number, at most 1000; 20 by default.
    pub limit: Option<u32>,
}

/// A client assertion (RFC 7523), which is accepted once and for a minute.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientAssertion {
    pub assertion: OneTimeSecret,
}
