//! Users, their devices and security keys.

use super::text::{DeviceRef, OneTimeSecret, UserName};
use crate::store::security_key::SecurityKey;
use crate::store::user::{ImportCount, KeyCode, User};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vitalsign_protocol::id::{Base64Url, EnrolmentId};
use vitalsign_webauthn::Aaguid;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub name: UserName,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserQuery {
    /// `next` of the page before.
    pub after: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UserPage {
    pub users: Vec<UserView>,
    /// `after` of the next page; `null` at the end.
    pub next: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UserView {
    pub user: String,
    /// `sub` of tokens.
    #[schemars(with = "String")]
    pub subject: Base64Url,
    pub created: u64,
    pub disabled_at: Option<u64>,
    /// Number of their valid security keys.
    pub keys: usize,
    /// Number of devices at which they are prompted.
    pub devices: usize,
}

impl UserView {
    pub(crate) fn of(user: User, keys: usize, devices: usize) -> Self {
        Self {
            user: user.name,
            subject: Base64Url(user.handle.to_vec()),
            created: user.created,
            disabled_at: user.disabled_at,
            keys,
            devices,
        }
    }
}

/// Users as a directory lists them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserImport {
    pub users: Vec<UserToImport>,
    /// Check only, and write nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserToImport {
    /// Line of the file from which it is, for the text of a refusal.
    pub line: usize,
    pub name: UserName,
    #[serde(default)]
    pub aliases: Vec<UserName>,
    #[serde(default)]
    pub devices: Vec<DeviceRef>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ImportResult {
    pub dry_run: bool,
    pub added: ImportCount,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAlias {
    pub alias: UserName,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AliasTarget {
    pub user: String,
    pub alias: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UserDeviceTarget {
    pub user: String,
    pub device: DeviceRef,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DeviceIds(#[schemars(with = "Vec<String>")] pub Vec<EnrolmentId>);

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyCode {
    /// Lifetime in seconds.
    pub lifetime: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedKeyCode {
    pub code: OneTimeSecret,
    pub record: KeyCode,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecurityKeyTarget {
    /// Number of the key.
    pub key: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecurityKeyView {
    /// Number of the key.
    pub key: i64,
    pub user: String,
    /// Name that the user chose.
    pub name: String,
    pub model: String,
    #[schemars(with = "String")]
    pub aaguid: Aaguid,
    #[schemars(with = "String")]
    pub credential: Base64Url,
    pub registered: u64,
    pub last_used: Option<u64>,
    pub revoked_at: Option<u64>,
}

impl From<SecurityKey> for SecurityKeyView {
    fn from(key: SecurityKey) -> Self {
        Self {
            key: key.id,
            user: key.user_name,
            name: key.name,
            model: key.model,
            aaguid: key.aaguid,
            credential: Base64Url(key.credential),
            registered: key.registered,
            last_used: key.last_used,
            revoked_at: key.revoked_at,
        }
    }
}
