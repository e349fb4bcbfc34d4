//! Scopes: what an administrator may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Permission of an administrator. None includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Read all resources, and export proofs of the audit log.
    Read,
    /// Manage devices, enrolment tokens, users and their security keys.
    Operate,
    /// Manage applications.
    Clients,
    /// Replace signing keys, and prune the audit log.
    Maintain,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Read, Self::Operate, Self::Clients, Self::Maintain];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Clients => "clients",
            Self::Maintain => "maintain",
        }
    }
}
