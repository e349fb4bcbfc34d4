//! Devices and their diagnostics.

use super::answer::Call;
use crate::admin_api::{
    AdminProblem, Because, ChangedDevice, DeviceLabels, DevicePage, DeviceQuery, DeviceRef, DeviceTarget,
    DeviceView, DiagnosticsTarget, DiagnosticsView, LabelCount, Nothing,
};
use crate::store::Store;
use crate::store::device::{By, Device};
use std::collections::HashMap;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::problem::Problem;

/// Devices in a page.
const PAGE: usize = 1000;
/// Devices that are read for a page.
const MAX_READ: usize = 20_000;

/// Returns the device.
///
/// # Errors
/// There is no such device, or its code is not unique.
pub(super) async fn find(store: &Store, device: &DeviceRef) -> Result<Device, Problem> {
    let unknown =
        || AdminProblem::Unknown.because(format!("There is no device {device}; see `device list`."));
    match device {
        DeviceRef::Id(id) => store.device(By::Enrolment(id)).await?.ok_or_else(unknown),
        DeviceRef::Code(code) => {
            let mut found = store.devices_by_code(code).await?;
            let device = found.pop().ok_or_else(unknown)?;
            match found.pop() {
                None => Ok(device),
                Some(other) => Err(AdminProblem::Conflict.because(format!(
                    "Two devices have the code {code}: name {} or {}.",
                    device.enrolment, other.enrolment
                ))),
            }
        }
    }
}

/// Adds the line of the file to a refusal.
pub(super) fn at_line(line: Option<usize>) -> impl FnOnce(Problem) -> Problem {
    move |problem| match (line, &problem.detail) {
        (Some(line), Some(detail)) => Problem { detail: Some(format!("line {line}: {detail}")), ..problem },
        _ => problem,
    }
}

pub(super) async fn list(call: Call, _: Nothing, query: DeviceQuery) -> Result<DevicePage, Problem> {
    let store = &call.store;
    let since = call.verifier().config().diagnostics.since(call.now);
    let sent: HashMap<_, _> = store.newest_diagnostics(since).await?.into_iter().collect();
    let counts = store.devices_by_status().await?;
    let mut page = DevicePage {
        devices: Vec::new(),
        next: query.after,
        enrolled: counts.iter().map(|(_, count)| count).sum(),
        healthy: counts
            .iter()
            .filter(|(status, _)| status == Tier::Affirming.as_str())
            .map(|(_, count)| count)
            .sum(),
    };
    let mut read = 0;
    while page.devices.len() < PAGE && read < MAX_READ {
        let limit = PAGE - page.devices.len();
        let devices = store.devices(u32::try_from(limit).unwrap_or(u32::MAX), page.next.unwrap_or(0)).await?;
        let Some(last) = devices.last() else {
            page.next = None;
            return Ok(page);
        };
        page.next = Some(last.id);
        read += devices.len();
        let selected = devices.iter().filter(|device| query.selects(device));
        page.devices.extend(selected.map(|it| DeviceView::of(it, sent.get(&it.enrolment).copied())));
    }
    Ok(page)
}

pub(super) async fn show(call: Call, target: DeviceTarget, _: Nothing) -> Result<DeviceView, Problem> {
    let device = find(&call.store, &target.device).await?;
    let since = call.verifier().config().diagnostics.since(call.now);
    let diagnostics = call.store.device_diagnostics(device.enrolment, since).await?;
    Ok(DeviceView::of(&device, diagnostics.first().map(|it| it.reference)))
}

pub(super) async fn check(call: Call, target: DeviceTarget, _: Nothing) -> Result<ChangedDevice, Problem> {
    let device = find(&call.store, &target.device).await?.enrolment;
    if !call.store.ask_to_report(device, call.now).await? {
        return Err(AdminProblem::Conflict.because(format!("Device {device} was revoked.")));
    }
    Ok(ChangedDevice { device })
}

pub(super) async fn revoke(
    call: Call,
    target: DeviceTarget,
    because: Because,
) -> Result<ChangedDevice, Problem> {
    let device = find(&call.store, &target.device).await?.enrolment;
    if !call.store.revoke_device(device, because.reason.as_str(), call.now).await? {
        return Err(AdminProblem::Conflict.because(format!("Device {device} was revoked before.")));
    }
    Ok(ChangedDevice { device })
}

pub(super) async fn readmit(
    call: Call,
    target: DeviceTarget,
    because: Because,
) -> Result<ChangedDevice, Problem> {
    let device = find(&call.store, &target.device).await?.enrolment;
    if !call.store.readmit_device(device, because.reason.as_str(), call.now).await? {
        return Err(
            AdminProblem::Conflict.because(format!("Device {device} is not revoked, or may enrol already."))
        );
    }
    Ok(ChangedDevice { device })
}

pub(super) async fn label(call: Call, _: Nothing, given: DeviceLabels) -> Result<LabelCount, Problem> {
    let mut labels = HashMap::new();
    for it in given.labels {
        let device = find(&call.store, &it.device).await.map_err(at_line(it.line))?.enrolment;
        let label = it.label.map(|label| label.to_string());
        if labels.insert(device, label).is_some() {
            let twice = AdminProblem::Invalid.because("the device is there twice.");
            return Err(at_line(it.line)(twice));
        }
    }
    let labels: Vec<_> = labels.into_iter().collect();
    let changed = if given.dry_run { 0 } else { call.store.label_devices(&labels, call.now).await? };
    Ok(LabelCount { labels: labels.len(), changed })
}

pub(super) async fn list_diagnostics(
    call: Call,
    target: DeviceTarget,
    _: Nothing,
) -> Result<Vec<DiagnosticsView>, Problem> {
    let device = find(&call.store, &target.device).await?.enrolment;
    let since = call.verifier().config().diagnostics.since(call.now);
    Ok(call.store.device_diagnostics(device, since).await?.into_iter().map(DiagnosticsView::from).collect())
}

pub(super) async fn show_diagnostics(
    call: Call,
    target: DiagnosticsTarget,
    _: Nothing,
) -> Result<DiagnosticsView, Problem> {
    let reference = target.reference;
    let since = call.verifier().config().diagnostics.since(call.now);
    let found = call.store.diagnostics(reference, since).await?;
    found.map(DiagnosticsView::from).ok_or_else(|| {
        AdminProblem::Unknown
            .because(format!("There are no diagnostics {reference}: they may be deleted already."))
    })
}
