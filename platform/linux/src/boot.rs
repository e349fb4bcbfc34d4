//! Boot facts: Secure Boot, lockdown, measured boot, module signatures, and the hypervisor.

mod hypervisor;

use crate::Root;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Boot, Lockdown};

/// `EFI_GLOBAL_VARIABLE` (UEFI 2.10, section 3.3).
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SECURITY: &str = "/sys/kernel/security";

/// The probe of the boot. The kernel slows down who reads EFI variables often: once for each posture is far from it.
pub fn probes(root: &Root) -> Vec<Probe> {
    let root = root.clone();
    vec![Probe::new(
        "boot",
        Duration::from_secs(5),
        move || Ok(read(&root)),
        |posture, seen| {
            posture.boot = seen.unwrap_or_else(late);
        },
    )]
}

fn late(reason: Reason) -> Boot {
    Boot {
        secure_boot: Fact::Unreadable(reason),
        setup_mode: Fact::Unreadable(reason),
        lockdown: Fact::Unreadable(reason),
        measured_boot: Fact::Unreadable(reason),
        event_log: Fact::Unreadable(reason),
        hypervisor: Fact::Unreadable(reason),
        test_signing: Fact::Unreadable(reason),
        integrity_protection: Fact::Unsupported,
    }
}

fn read(root: &Root) -> Boot {
    let lockdown = lockdown(root);
    let event_log = event_log(root);
    Boot {
        secure_boot: efi_switch(root, "SecureBoot"),
        setup_mode: efi_switch(root, "SetupMode"),
        measured_boot: measured_boot(root, &event_log),
        event_log,
        hypervisor: hypervisor::name(root),
        test_signing: unsigned_modules(root, &lockdown),
        lockdown,
        integrity_protection: Fact::Unsupported,
    }
}

/// A global EFI variable of one byte, after the four bytes of its attributes.
fn efi_switch(root: &Root, name: &str) -> Fact<bool> {
    if !root.exists("/sys/firmware/efi") {
        return Fact::Unsupported;
    }
    match root.read(format!("/sys/firmware/efi/efivars/{name}-{GLOBAL}")) {
        Ok(variable) => match variable.as_slice() {
            [_, _, _, _, 0] => Fact::Known(false),
            [_, _, _, _, 1] => Fact::Known(true),
            _ => Fact::Unreadable(Reason::Malformed),
        },
        // Firmware without the variable enforces nothing; but without any variable, efivarfs is not mounted.
        Err(error) if error.kind() == ErrorKind::NotFound => match root.names("/sys/firmware/efi/efivars") {
            Ok(names) if names.is_empty() => Fact::Unreadable(Reason::Failed),
            Ok(_) => Fact::Known(false),
            Err(error) => Fact::Unreadable(error.into()),
        },
        Err(error) => Fact::Unreadable(error.into()),
    }
}

/// The word in brackets: `none [integrity] confidentiality`.
fn lockdown(root: &Root) -> Fact<Lockdown> {
    let words = match in_securityfs(root, "lockdown") {
        Fact::Known(words) => words,
        Fact::Unsupported => return Fact::Unsupported,
        Fact::Unreadable(reason) => return Fact::Unreadable(reason),
    };
    match words.split_once('[').and_then(|(_, rest)| rest.split(']').next()) {
        Some("none") => Fact::Known(Lockdown::None),
        Some("integrity") => Fact::Known(Lockdown::Integrity),
        Some("confidentiality") => Fact::Known(Lockdown::Confidentiality),
        _ => Fact::Unreadable(Reason::Malformed),
    }
}

/// A file of securityfs: unsupported when this kernel has no such file, unreadable when securityfs is not mounted.
fn in_securityfs(root: &Root, name: &str) -> Fact<String> {
    match root.text_if_there(Path::new(SECURITY).join(name)) {
        Ok(Some(text)) => Fact::Known(text),
        Ok(None) if securityfs_is_mounted(root) => Fact::Unsupported,
        Ok(None) => Fact::Unreadable(Reason::Failed),
        Err(error) => Fact::Unreadable(error.into()),
    }
}

/// The folder is the kernel's own, and empty until securityfs is mounted on it. A kernel without has no folder.
fn securityfs_is_mounted(root: &Root) -> bool {
    !root.exists(SECURITY) || root.names(SECURITY).is_ok_and(|names| !names.is_empty())
}

/// Returns whether the firmware's event log is readable; reads only its first byte.
fn event_log(root: &Root) -> Fact<bool> {
    let log = root.open(format!("{SECURITY}/tpm0/binary_bios_measurements"));
    match log.and_then(|mut log| log.read(&mut [0; 1])) {
        Ok(read) => Fact::Known(read == 1),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if securityfs_is_mounted(root) || tpms(root).is_ok_and(|tpms| tpms.is_empty()) {
                Fact::Known(false)
            } else {
                Fact::Unreadable(Reason::Failed)
            }
        }
        Err(error) => Fact::Unreadable(error.into()),
    }
}

/// Firmware that measures begins with itself, in PCR 0: it is no longer what a reset left, or there is a log.
fn measured_boot(root: &Root, event_log: &Fact<bool>) -> Fact<bool> {
    let tpms = match tpms(root) {
        Ok(tpms) => tpms,
        Err(reason) => return Fact::Unreadable(reason),
    };
    let Some(tpm) = tpms.first() else { return Fact::Known(false) };
    if event_log == &Fact::Known(true) {
        return Fact::Known(true);
    }
    for bank in ["sha256", "sha384", "sha512", "sha1"] {
        match root.text_if_there(format!("/sys/class/tpm/{tpm}/pcr-{bank}/0")) {
            Ok(Some(value)) if value.bytes().all(|digit| digit.is_ascii_hexdigit()) && !value.is_empty() => {
                return Fact::Known(value.bytes().any(|digit| digit != b'0'));
            }
            Ok(Some(_)) => return Fact::Unreadable(Reason::Malformed),
            Ok(None) => {}
            Err(error) => return Fact::Unreadable(error.into()),
        }
    }
    // The kernel is too old to show PCRs: only the log could have told.
    match event_log {
        Fact::Unreadable(reason) => Fact::Unreadable(*reason),
        _ => Fact::Unreadable(Reason::Failed),
    }
}

fn tpms(root: &Root) -> Result<Vec<String>, Reason> {
    let names = root.names("/sys/class/tpm")?;
    Ok(names.into_iter().filter(|name| name.starts_with("tpm") && !name.starts_with("tpmrm")).collect())
}

/// Returns whether the kernel loads unsigned modules.
fn unsigned_modules(root: &Root, lockdown: &Fact<Lockdown>) -> Fact<bool> {
    if !root.exists("/proc/modules") {
        // A kernel without modules.
        return Fact::Known(false);
    }
    let read = |path| root.text_if_there(path);
    match (read("/proc/sys/kernel/modules_disabled"), read("/sys/module/module/parameters/sig_enforce")) {
        (Ok(Some(disabled)), _) if disabled == "1" => Fact::Known(false),
        (_, Ok(Some(enforce))) if enforce == "Y" => Fact::Known(false),
        // Signatures are not enforced or not supported: only lockdown can prevent unsigned modules.
        (_, Ok(_)) => match lockdown {
            Fact::Known(Lockdown::Integrity | Lockdown::Confidentiality) => Fact::Known(false),
            Fact::Known(Lockdown::None) | Fact::Unsupported => Fact::Known(true),
            Fact::Unreadable(reason) => Fact::Unreadable(*reason),
        },
        (_, Err(error)) => Fact::Unreadable(error.into()),
    }
}
