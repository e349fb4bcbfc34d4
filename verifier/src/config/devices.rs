//! Settings of what the verifier keeps of devices.

use serde::Deserialize;
use vitalsign_protocol::device_names::DeviceNames;
use vitalsign_protocol::evidence::Claims;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceSettings {
    /// Whether the verifier keeps the names that devices say of themselves. If not, it forgets those that it has.
    pub keep_names: bool,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self { keep_names: true }
    }
}

impl DeviceSettings {
    /// Returns the names in the claims, if they are kept.
    pub(crate) fn kept_names(self, claims: &Claims) -> Option<DeviceNames> {
        claims.names.clone().filter(|_| self.keep_names)
    }

    /// Returns whether the audit log may keep evidence with these claims.
    pub(crate) fn keeps(self, claims: &Claims) -> bool {
        self.keep_names || claims.names.as_ref().is_none_or(DeviceNames::is_empty)
    }
}
