//! Devices and their diagnostics.

use super::text::{DeviceRef, Label};
use crate::appraisal::AppraisalSnapshot;
use crate::store::device::Device;
use crate::store::diagnostics::Diagnostics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::device_names::{AssetTag, HostName};
use vitalsign_protocol::diagnostics::DiagnosticsRef;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{EnrolmentId, Thumbprint};

/// Status by which devices are selected: the verdict, or that the device was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceStatus {
    Affirming,
    Warning,
    Contraindicated,
    None,
    Revoked,
}

impl DeviceStatus {
    pub const ALL: [Self; 5] =
        [Self::Affirming, Self::Warning, Self::Contraindicated, Self::None, Self::Revoked];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Affirming => "affirming",
            Self::Warning => "warning",
            Self::Contraindicated => "contraindicated",
            Self::None => "none",
            Self::Revoked => "revoked",
        }
    }
}

/// Selects devices: those that have all the properties that are given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceQuery {
    pub status: Option<DeviceStatus>,
    /// A check that they fail.
    pub check: Option<String>,
    /// Latest time of their last report, in seconds since 1970.
    pub not_since: Option<u64>,
    /// Part of their label, in any case.
    pub label: Option<String>,
    /// Part of the host name that they say, in any case.
    pub host_name: Option<String>,
    /// Part of the asset tag that they say, in any case.
    pub asset_tag: Option<String>,
    /// Number of the token that enrolled them.
    pub token: Option<i64>,
    /// `next` of the page before.
    pub after: Option<i64>,
}

impl DeviceQuery {
    pub(crate) fn selects(&self, device: &Device) -> bool {
        let status = if device.revoked_at.is_some() { "revoked" } else { device.status.as_str() };
        let failed = || device.standing().checks.clone().into_iter();
        self.status.is_none_or(|wanted| wanted.as_str() == status)
            && (self.check.as_deref()).is_none_or(|wanted| {
                failed().any(|(check, it)| check == wanted && it.status != Tier::Affirming)
            })
            && self.not_since.is_none_or(|time| device.last_seen < time)
            && self.token.is_none_or(|token| device.token == Some(token))
            && has_part(self.label.as_deref(), device.label.as_deref())
            && has_part(self.host_name.as_deref(), device.names.host_name.as_ref().map(HostName::as_str))
            && has_part(self.asset_tag.as_deref(), device.names.asset_tag.as_ref().map(AssetTag::as_str))
    }
}

/// Returns whether the text contains the part, in any case; a part that is not given is in every device's text.
fn has_part(part: Option<&str>, text: Option<&str>) -> bool {
    let contains = |part: &str| text.is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()));
    part.is_none_or(contains)
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DevicePage {
    pub devices: Vec<DeviceView>,
    /// `after` of the next page; `null` at the end.
    pub next: Option<i64>,
    /// Number of enrolled devices, selected or not, without revoked ones.
    pub enrolled: u64,
    /// Number of those that are healthy.
    pub healthy: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeviceView {
    #[schemars(with = "String")]
    pub device: EnrolmentId,
    pub code: String,
    pub label: Option<String>,
    /// Host name that the device says of itself: nothing proves it.
    pub host_name: Option<String>,
    /// Asset tag that the device says of itself.
    pub asset_tag: Option<String>,
    /// Verdict of the last report.
    pub status: String,
    /// Seconds since 1970, as all times.
    pub revoked_at: Option<u64>,
    pub readmitted_at: Option<u64>,
    /// Number of the token that enrolled it.
    pub token: Option<i64>,
    pub enrolled_at: u64,
    /// Time of the last report.
    pub last_seen: u64,
    #[schemars(with = "String")]
    pub report_key: Thumbprint,
    /// Place of the report key: `TPM`, `simulated TPM` or `software`.
    pub key: String,
    /// Reference of the newest diagnostics.
    #[schemars(with = "Option<String>")]
    pub diagnostics: Option<DiagnosticsRef>,
    pub standing: AppraisalSnapshot,
}

impl DeviceView {
    pub(crate) fn of(device: &Device, diagnostics: Option<DiagnosticsRef>) -> Self {
        let key = match &device.identity.tpm {
            Some(tpm) if tpm.genuine => "TPM",
            Some(_) => "simulated TPM",
            None => "software",
        };
        Self {
            device: device.enrolment,
            code: DeviceCode::of(&device.enrolment).to_string(),
            label: device.label.clone(),
            host_name: device.names.host_name.clone().map(String::from),
            asset_tag: device.names.asset_tag.clone().map(String::from),
            status: device.status.clone(),
            revoked_at: device.revoked_at,
            readmitted_at: device.readmitted_at,
            token: device.token,
            enrolled_at: device.enrolled_at,
            last_seen: device.last_seen,
            report_key: device.identity.kid,
            key: key.to_owned(),
            diagnostics,
            standing: (*device.standing()).clone(),
        }
    }

    /// Returns the names of the checks that are not affirming.
    #[must_use]
    pub fn failed_checks(&self) -> Vec<&str> {
        let failed = self.standing.checks.iter().filter(|(_, it)| it.status != Tier::Affirming);
        failed.map(|(check, _)| check.as_str()).collect()
    }
}

/// Labels for devices.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceLabels {
    pub labels: Vec<DeviceLabel>,
    /// Check only, and write nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceLabel {
    pub device: DeviceRef,
    /// `null` to remove the label.
    pub label: Option<Label>,
    /// Line of the file from which it is, for the text of a refusal.
    #[serde(default)]
    pub line: Option<usize>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LabelCount {
    /// Number of labels in the request.
    pub labels: usize,
    /// Number of those that were another before.
    pub changed: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiagnosticsTarget {
    /// Such as `R-0471`.
    #[schemars(with = "String")]
    pub reference: DiagnosticsRef,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiagnosticsView {
    #[schemars(with = "String")]
    pub reference: DiagnosticsRef,
    #[schemars(with = "String")]
    pub device: EnrolmentId,
    pub code: String,
    pub received: u64,
    pub text: String,
}

impl From<Diagnostics> for DiagnosticsView {
    fn from(found: Diagnostics) -> Self {
        let Diagnostics { reference, device, received, text } = found;
        Self { reference, device, code: DeviceCode::of(&device).to_string(), received, text }
    }
}
