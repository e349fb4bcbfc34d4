//! Actions of administrators that may need a tap of a security key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Action that cannot be undone, or that lets an attacker in. Named as its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdminAction {
    DeviceRevoke,
    UserDisable,
    UserKeyCode,
    UserKeyRevoke,
    ClientDisable,
    SigningKeyRotate,
    SigningKeyReplace,
    SigningKeyWithdraw,
    AuditKeyRotate,
    AuditKeyReplace,
    AuditPrune,
}

impl AdminAction {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceRevoke => "device-revoke",
            Self::UserDisable => "user-disable",
            Self::UserKeyCode => "user-key-code",
            Self::UserKeyRevoke => "user-key-revoke",
            Self::ClientDisable => "client-disable",
            Self::SigningKeyRotate => "signing-key-rotate",
            Self::SigningKeyReplace => "signing-key-replace",
            Self::SigningKeyWithdraw => "signing-key-withdraw",
            Self::AuditKeyRotate => "audit-key-rotate",
            Self::AuditKeyReplace => "audit-key-replace",
            Self::AuditPrune => "audit-prune",
        }
    }
}
