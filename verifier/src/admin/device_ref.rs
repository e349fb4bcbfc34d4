//! Devices as arguments: by their short code or their enrolment ID.

use anyhow::{Context, bail};
use std::str::FromStr;
use vitalsign_protocol::device_code::{DeviceCode, DeviceCodeError};
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::device::{By, Device};

/// Names a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceRef {
    Id(EnrolmentId),
    Code(DeviceCode),
}

impl FromStr for DeviceRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse().map(Self::Code).map_err(|error| match error {
            DeviceCodeError::Check => "the device code has a typing error: its last character does not fit",
            DeviceCodeError::Form => "a device's code or ID was expected, as `device list` shows them",
        })
    }
}

/// Returns the device.
///
/// # Errors
/// There is no such device, or its code is not unique.
pub(super) async fn find(store: &Store, device: &DeviceRef) -> anyhow::Result<Device> {
    match device {
        DeviceRef::Id(id) => {
            let found = store.device(By::Enrolment(id)).await?;
            found.with_context(|| format!("there is no device {id}; see `device list`"))
        }
        DeviceRef::Code(code) => {
            let mut found = store.devices_by_code(code).await?;
            let device =
                found.pop().with_context(|| format!("there is no device {code}; see `device list`"))?;
            if let Some(other) = found.pop() {
                bail!("two devices have the code {code}: name {} or {}", device.enrolment, other.enrolment);
            }
            Ok(device)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ids_are_told_apart() {
        let id = EnrolmentId([0xfb; 16]);
        let code = DeviceCode::of(&id);
        assert_eq!(id.to_string().parse(), Ok(DeviceRef::Id(id)));
        assert_eq!(code.to_string().parse(), Ok(DeviceRef::Code(code)));
        assert!("nosuch".parse::<DeviceRef>().unwrap_err().contains("device list"));
    }
}
