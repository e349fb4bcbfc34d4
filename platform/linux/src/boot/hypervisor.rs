//! Detects the hypervisor, with the names of systemd-detect-virt(1).

use crate::Root;
use vitalsign_protocol::fact::{Fact, Reason};

/// Prefixes of product and vendor names in the firmware's tables (SMBIOS).
const FIRMWARE: [(&str, &str); 18] = [
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Virtual Machine", "microsoft"),
    ("Apple Virtualization", "apple"),
    ("Google Compute Engine", "google"),
    ("Alibaba Cloud ECS", "kvm"),
];

/// Twelve letters that a hypervisor answers to the CPUID instruction (leaf 0x4000_0000).
#[cfg(target_arch = "x86_64")]
const CPUID: [(&[u8; 12], &str); 9] = [
    (b"KVMKVMKVM\0\0\0", "kvm"),
    (b"Linux KVM Hv", "kvm"),
    (b"TCGTCGTCGTCG", "qemu"),
    (b"VMwareVMware", "vmware"),
    (b"Microsoft Hv", "microsoft"),
    (b"XenVMMXenVMM", "xen"),
    (b"bhyve bhyve ", "bhyve"),
    (b"QNXQVMBSQG\0\0", "qnx"),
    (b"ACRNACRNACRN", "acrn"),
];

/// The hypervisor's name; unsupported on bare metal.
pub(crate) fn name(root: &Root) -> Fact<String> {
    match find(root) {
        Ok(name) => Fact::or_unsupported(name.map(str::to_owned)),
        Err(reason) => Fact::Unreadable(reason),
    }
}

fn find(root: &Root) -> Result<Option<&'static str>, Reason> {
    // Xen's own first domain is the machine itself.
    let xen = root.text_if_there("/proc/xen/capabilities")?;
    if xen.as_ref().is_some_and(|capabilities| capabilities.contains("control_d")) {
        return Ok(None);
    }
    if xen.is_some() || root.text_if_there("/sys/hypervisor/type")?.is_some_and(|kind| kind == "xen") {
        return Ok(Some("xen"));
    }
    let flag = hypervisor_flag(root)?;
    // On x86 the processor shows a hypervisor to its guests. The vendor's name alone also appears on its
    // physical machines.
    if flag == Some(false) {
        return Ok(None);
    }
    let firmware = firmware(root)?;
    let known = match firmware {
        // QEMU is the machine; what runs it may be KVM.
        None | Some("qemu") => cpuid(root).or(firmware),
        known => known,
    };
    match known.or(device_tree(root)?) {
        None if flag == Some(true) => Ok(Some("vm-other")),
        known => Ok(known),
    }
}

/// Returns the processor's hypervisor flag; `None` on processors without one (other than x86).
fn hypervisor_flag(root: &Root) -> Result<Option<bool>, Reason> {
    let cpuinfo = root.text("/proc/cpuinfo")?;
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags"));
    Ok(flags.map(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")))
}

fn firmware(root: &Root) -> Result<Option<&'static str>, Reason> {
    for file in ["product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"] {
        let text = root.text_if_there(format!("/sys/class/dmi/id/{file}"))?.unwrap_or_default();
        if let Some((_, name)) = FIRMWARE.iter().find(|(begins, _)| text.starts_with(begins)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn device_tree(root: &Root) -> Result<Option<&'static str>, Reason> {
    let compatible = root.text_if_there("/proc/device-tree/hypervisor/compatible")?;
    Ok(compatible.map(|compatible| match compatible.trim_end_matches('\0') {
        "linux,kvm" => "kvm",
        "vmware" => "vmware",
        text if text.contains("xen") => "xen",
        _ => "vm-other",
    }))
}

/// Asks the processor by CPUID; only for the running machine, and only under a hypervisor.
#[cfg(target_arch = "x86_64")]
fn cpuid(root: &Root) -> Option<&'static str> {
    if !root.is_live() {
        return None;
    }
    let answer = core::arch::x86_64::__cpuid(0x4000_0000);
    let mut letters = Vec::with_capacity(12);
    for register in [answer.ebx, answer.ecx, answer.edx] {
        letters.extend(register.to_le_bytes());
    }
    CPUID.iter().find(|(known, _)| known.as_slice() == letters).map(|(_, name)| *name)
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuid(_: &Root) -> Option<&'static str> {
    None
}
