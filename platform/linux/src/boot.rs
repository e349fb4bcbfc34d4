//! Boot facts: Secure Boot, lockdown, measured boot, module signatures, and the hypervisor.

mod hypervisor;

use crate::Root;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Boot, Lockdown};
use vitalsign_tpm::eventlog::{EventLog, MAX_LOG_BYTES};
use vitalsign_tpm::hash::Hash;

/// `EFI_GLOBAL_VARIABLE` (UEFI 2.10, section 3.3).
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// shim's variables.
const SHIM_LOCK: &str = "605dab50-e046-4300-abb6-3dd810dd8b23";
const VARIABLES: &str = "/sys/firmware/efi/efivars";
const NON_VOLATILE: u8 = 1;
const SECURITY: &str = "/sys/kernel/security";
/// The shortest event of a log.
const MIN_LOG_BYTES: usize = 32;

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
    let log = log(root);
    let event_log = event_log(root, &log);
    Boot {
        secure_boot: secure_boot(root, log.as_deref().unwrap_or_default()),
        setup_mode: efi_switch(root, "SetupMode"),
        measured_boot: measured_boot(root, &event_log),
        event_log,
        hypervisor: hypervisor::name(root),
        test_signing: unsigned_modules(root, &lockdown),
        lockdown,
        integrity_protection: Fact::Unsupported,
    }
}

/// The firmware verifies the boot loader, and shim what it starts. The variable of the firmware has to agree with what it
/// measured; if one of them was changed, neither is believed.
pub(crate) fn secure_boot(root: &Root, log: &[u8]) -> Fact<bool> {
    let firmware = efi_switch(root, "SecureBoot");
    let facts = EventLog::parse(log).map(|log| log.boot_facts(Hash::Sha256)).unwrap_or_default();
    match (&firmware, facts.firmware_secure_boot) {
        (Fact::Known(variable), Some(measured)) if *variable != measured => {
            return Fact::Unreadable(Reason::Malformed);
        }
        // In setup mode anyone may enrol keys; the kernel and mokutil call that off (`efi_get_secureboot_mode` of Linux,
        // `include/linux/efi.h`; UEFI 2.10, section 32.3).
        (Fact::Known(true), _) if efi_switch(root, "SetupMode") == Fact::Known(true) => {
            return Fact::Known(false);
        }
        (Fact::Known(true), _) => {}
        _ => return firmware,
    }
    if facts.secure_boot == Some(false) {
        return Fact::Known(false);
    }
    shim_validates(root)
}

/// Returns whether shim verifies what it starts, if it runs at all. It mirrors its state, which only firmware can read,
/// in a variable that is gone with the next start; a lasting one is not shim's.
fn shim_validates(root: &Root) -> Fact<bool> {
    let mirror = match variable(root, "MokSBStateRT", SHIM_LOCK) {
        Ok(Some(state)) if state.first().is_some_and(|attributes| attributes & NON_VOLATILE != 0) => Ok(None),
        other => other,
    };
    for state in [mirror, variable(root, "MokSBState", SHIM_LOCK)] {
        match state {
            Ok(None) => {}
            Ok(Some(state)) => match state.as_slice() {
                [_, _, _, _, 0] => {}
                [_, _, _, _, _] => return Fact::Known(false),
                _ => return Fact::Unreadable(Reason::Malformed),
            },
            Err(reason) => return Fact::Unreadable(reason),
        }
    }
    Fact::Known(true)
}

/// An EFI variable with the four bytes of its attributes; none if the firmware has no such variable.
fn variable(root: &Root, name: &str, vendor: &str) -> Result<Option<Vec<u8>>, Reason> {
    match root.read(format!("{VARIABLES}/{name}-{vendor}")) {
        Ok(variable) => Ok(Some(variable)),
        Err(error) if error.kind() == ErrorKind::NotFound => match root.names(VARIABLES) {
            // Every firmware has variables: efivarfs is not mounted.
            Ok(names) if names.is_empty() => Err(Reason::Failed),
            Ok(_) => Ok(None),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// A global EFI variable of one byte. Firmware without `SecureBoot` enforces nothing, and has no setup mode.
fn efi_switch(root: &Root, name: &str) -> Fact<bool> {
    if !root.exists("/sys/firmware/efi") {
        return Fact::Unsupported;
    }
    match variable(root, name, GLOBAL) {
        Ok(Some(variable)) => match variable.as_slice() {
            [_, _, _, _, 0] => Fact::Known(false),
            [_, _, _, _, 1] => Fact::Known(true),
            _ => Fact::Unreadable(Reason::Malformed),
        },
        Ok(None) if name == "SecureBoot" => Fact::Known(false),
        Ok(None) => Fact::Unsupported,
        Err(reason) => Fact::Unreadable(reason),
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

/// The firmware's event log, at most one byte more than is read of one.
fn log(root: &Root) -> std::io::Result<Vec<u8>> {
    let most = u64::try_from(MAX_LOG_BYTES).unwrap_or(u64::MAX);
    let mut log = Vec::new();
    let file = root.open(format!("{SECURITY}/tpm0/binary_bios_measurements"))?;
    file.take(most.saturating_add(1)).read_to_end(&mut log)?;
    Ok(log)
}

/// Returns whether the log can be read and sent. A file of a few bytes is no log.
fn event_log(root: &Root, log: &std::io::Result<Vec<u8>>) -> Fact<bool> {
    match log {
        Ok(log) if log.len() > MAX_LOG_BYTES => Fact::Unreadable(Reason::Malformed),
        Ok(log) => Fact::Known(log.len() >= MIN_LOG_BYTES),
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
