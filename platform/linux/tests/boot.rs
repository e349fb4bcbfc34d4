//! Boot facts of small trees and of the machine that runs the tests.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::fs;
    use vitalsign_linux::{Root, boot};
    use vitalsign_platform_api::Collector;
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::{Boot, Lockdown};

    /// Path below the root, and content.
    type File<'a> = (&'a str, &'a [u8]);

    const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    const GUEST: File<'_> = ("proc/cpuinfo", b"flags\t\t: fpu hypervisor lahf_lm\n");
    const MODULES: File<'_> = ("proc/modules", b"");
    const PCR0: &str = "sys/class/tpm/tpm0/pcr-sha256/0";
    const LOG: &str = "sys/kernel/security/tpm0/binary_bios_measurements";
    const LOCKDOWN: &str = "sys/kernel/security/lockdown";
    const ENFORCE: &str = "sys/module/module/parameters/sig_enforce";

    fn read(root: &Root) -> Boot {
        Collector::default().collect(boot::probes(root), |_| {}).boot
    }

    /// Reads a tree that has these files.
    fn of(files: &[File<'_>]) -> Boot {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        read(&Root::at(folder.path()))
    }

    #[test]
    fn secure_boot_and_setup_mode() {
        let secure = format!("sys/firmware/efi/efivars/SecureBoot-{GLOBAL}");
        let setup = format!("sys/firmware/efi/efivars/SetupMode-{GLOBAL}");
        let other = format!("sys/firmware/efi/efivars/BootOrder-{GLOBAL}");
        let table: &[(&[File<'_>], Fact<bool>, Fact<bool>)] = &[
            (&[], Fact::Unsupported, Fact::Unsupported),
            (
                &[("sys/firmware/efi/runtime", b"")],
                Fact::Unreadable(Reason::Failed),
                Fact::Unreadable(Reason::Failed),
            ),
            (
                &[(&secure, &[6, 0, 0, 0, 1]), (&setup, &[6, 0, 0, 0, 0])],
                Fact::Known(true),
                Fact::Known(false),
            ),
            (
                &[(&secure, &[6, 0, 0, 0, 0]), (&setup, &[6, 0, 0, 0, 1])],
                Fact::Known(false),
                Fact::Known(true),
            ),
            // The attributes are not the value.
            (
                &[(&secure, &[1, 1, 1, 1, 0]), (&setup, &[0])],
                Fact::Known(false),
                Fact::Unreadable(Reason::Malformed),
            ),
            // A variable that is absent has no value.
            (&[(&secure, &[6, 0, 0, 0, 2])], Fact::Unreadable(Reason::Malformed), Fact::Unsupported),
            // Keys may be enrolled by anyone: nothing is secure.
            (
                &[(&secure, &[6, 0, 0, 0, 1]), (&setup, &[6, 0, 0, 0, 1])],
                Fact::Known(false),
                Fact::Known(true),
            ),
            (&[(&secure, &[6, 0, 0, 0])], Fact::Unreadable(Reason::Malformed), Fact::Unsupported),
            (&[(&other, &[7, 0, 0, 0, 1, 0])], Fact::Known(false), Fact::Unsupported),
        ];
        for (files, secure_boot, setup_mode) in table {
            let seen = of(files);
            assert_eq!((&seen.secure_boot, &seen.setup_mode), (secure_boot, setup_mode), "{files:?}");
        }
    }

    /// Content of a variable: attributes and value.
    const ON: &[u8] = &[6, 0, 0, 0, 1];
    const OFF: &[u8] = &[6, 0, 0, 0, 0];

    #[test]
    fn shim_has_to_validate_too() {
        let secure = format!("sys/firmware/efi/efivars/SecureBoot-{GLOBAL}");
        let mirror = "sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23";
        let state = "sys/firmware/efi/efivars/MokSBState-605dab50-e046-4300-abb6-3dd810dd8b23";
        let malformed = Fact::Unreadable(Reason::Malformed);
        let table: &[(&[File<'_>], Fact<bool>)] = &[
            (&[(&secure, ON)], Fact::Known(true)),
            (&[(&secure, ON), (mirror, OFF)], Fact::Known(true)),
            (&[(&secure, ON), (mirror, ON)], Fact::Known(false)),
            (&[(&secure, ON), (state, &[3, 0, 0, 0, 1])], Fact::Known(false)),
            (&[(&secure, ON), (mirror, OFF), (state, &[3, 0, 0, 0, 1])], Fact::Known(false)),
            // A lasting variable of that name is not shim's, as for the kernel.
            (&[(&secure, ON), (mirror, &[7, 0, 0, 0, 1])], Fact::Known(true)),
            (&[(&secure, ON), (mirror, &[6, 0, 0, 0])], malformed.clone()),
            (&[(&secure, ON), (mirror, &[6, 0, 0, 0, 1, 1])], malformed),
            (&[(&secure, OFF), (mirror, OFF)], Fact::Known(false)),
        ];
        for (files, expected) in table {
            assert_eq!(&of(files).secure_boot, expected, "{files:?}");
        }
    }

    /// An event log of SHA-256 digests: the firmware's version, and its variable `SecureBoot`.
    fn event_log(secure_boot: u8, shim_insecure: Option<u8>) -> Vec<u8> {
        let event = |pcr: u32, kind: u32, data: &[u8]| {
            let head = [pcr.to_le_bytes(), kind.to_le_bytes(), 1u32.to_le_bytes()].concat();
            let digest = vitalsign_protocol::id::Digest::of(data).0;
            let size = u32::try_from(data.len()).unwrap().to_le_bytes();
            [&head[..], &[0x0b, 0], &digest, &size, data].concat()
        };
        let variable = |vendor: [u8; 16], name: &str, value: u8| {
            let lengths = [name.len().to_le_bytes(), 1usize.to_le_bytes()].concat();
            let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            [&vendor[..], &lengths, &name, &[value]].concat()
        };
        let global =
            [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0, 0xe0, 0x98, 3, 0x2b, 0x8c];
        let shim =
            [0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23];
        let spec =
            [&b"Spec ID Event03\0"[..], &[0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0]].concat();
        let size = u32::try_from(spec.len()).unwrap().to_le_bytes();
        let mut log = [&[0; 4][..], &3u32.to_le_bytes(), &[0; 20], &size, &spec].concat();
        log.extend(event(0, 8, b"1.0"));
        log.extend(event(7, 0x8000_0001, &variable(global, "SecureBoot", secure_boot)));
        log.extend(event(7, 4, &[0; 4]));
        log.extend(
            shim_insecure
                .map(|on| event(7, 0x8000_00e0, &variable(shim, "MokSBState", on)))
                .into_iter()
                .flatten(),
        );
        log
    }

    #[test]
    fn the_variable_and_the_log_have_to_agree() {
        let secure = format!("sys/firmware/efi/efivars/SecureBoot-{GLOBAL}");
        let disagree = Fact::Unreadable(Reason::Malformed);
        for (variable, log, expected) in [
            (Some(ON), event_log(1, None), Fact::Known(true)),
            (Some(OFF), event_log(0, None), Fact::Known(false)),
            (Some(ON), event_log(0, None), disagree.clone()),
            (Some(OFF), event_log(1, None), disagree.clone()),
            // Firmware has no such variable, and measured one.
            (None, event_log(1, None), disagree),
            (Some(ON), event_log(1, Some(1)), Fact::Known(false)),
            (Some(ON), event_log(1, Some(0)), Fact::Known(true)),
            // A log that says nothing of it, or cannot be understood, leaves the variable alone.
            (Some(ON), b"no log at all".to_vec(), Fact::Known(true)),
            (Some(ON), vec![0; 5 * 1024 * 1024], Fact::Known(true)),
        ] {
            let other = format!("sys/firmware/efi/efivars/BootOrder-{GLOBAL}");
            let mut files: Vec<File<'_>> = vec![(&other, OFF), (LOG, &log)];
            files.extend(variable.map(|variable| (secure.as_str(), variable)));
            assert_eq!(of(&files).secure_boot, expected, "{variable:?}");
        }
    }

    #[test]
    fn lockdown_and_unsigned_modules() {
        let table: &[(&[File<'_>], Fact<Lockdown>, Fact<bool>)] = &[
            (
                &[(LOCKDOWN, b"[none] integrity confidentiality\n"), (ENFORCE, b"N\n")],
                Fact::Known(Lockdown::None),
                Fact::Known(true),
            ),
            (
                &[(LOCKDOWN, b"[none] integrity confidentiality\n"), (ENFORCE, b"Y\n")],
                Fact::Known(Lockdown::None),
                Fact::Known(false),
            ),
            (
                &[(LOCKDOWN, b"none [integrity] confidentiality\n"), (ENFORCE, b"N\n")],
                Fact::Known(Lockdown::Integrity),
                Fact::Known(false),
            ),
            (
                &[(LOCKDOWN, b"none integrity [confidentiality]\n")],
                Fact::Known(Lockdown::Confidentiality),
                Fact::Known(false),
            ),
            (
                &[(LOCKDOWN, b"none integrity confidentiality\n"), (ENFORCE, b"N\n")],
                Fact::Unreadable(Reason::Malformed),
                Fact::Unreadable(Reason::Malformed),
            ),
            (&[("sys/kernel/security/lsm", b"x"), (ENFORCE, b"N\n")], Fact::Unsupported, Fact::Known(true)),
            // A kernel that cannot check signatures accepts anything, unless it takes no modules any more.
            (&[("sys/kernel/security/lsm", b"x")], Fact::Unsupported, Fact::Known(true)),
            (
                &[("sys/kernel/security/lsm", b"x"), ("proc/sys/kernel/modules_disabled", b"1\n")],
                Fact::Unsupported,
                Fact::Known(false),
            ),
        ];
        for (files, lockdown, test_signing) in table {
            let seen = of(&[*files, &[MODULES]].concat());
            assert_eq!((&seen.lockdown, &seen.test_signing), (lockdown, test_signing), "{files:?}");
        }
        assert_eq!(of(&[(ENFORCE, b"N\n")]).test_signing, Fact::Known(false), "a kernel without modules");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("sys/kernel/security")).unwrap();
        let not_mounted = read(&Root::at(folder.path()));
        assert_eq!(not_mounted.lockdown, Fact::Unreadable(Reason::Failed), "securityfs is not mounted");
    }

    #[test]
    fn measurements() {
        let measured = b"3DCAEA25DC86554D94B94AA5BC8F735A49212AF8FDB3C0D9D0A6BB0B22B0B9C2\n";
        let reset = b"0000000000000000000000000000000000000000000000000000000000000000\n";
        let (yes, no) = (Fact::Known(true), Fact::Known(false));
        let (failed, malformed) = (Fact::Unreadable(Reason::Failed), Fact::Unreadable(Reason::Malformed));
        let huge = vec![8; 5 * 1024 * 1024];
        let table: &[(&[File<'_>], &Fact<bool>, &Fact<bool>)] = &[
            (&[], &no, &no),
            (&[(PCR0, measured), (LOG, &[8; 32])], &yes, &yes),
            // The firmware measured, and the boot loader lost the log.
            (&[(PCR0, measured), ("sys/kernel/security/lsm", b"x")], &yes, &no),
            (&[(PCR0, measured), (LOG, b"")], &yes, &no),
            (&[(PCR0, reset), ("sys/kernel/security/lsm", b"x")], &no, &no),
            (&[("sys/class/tpm/tpm0/dev", b"10:224\n"), (LOG, &[8; 32])], &yes, &yes),
            // A few bytes are no log.
            (&[("sys/class/tpm/tpm0/dev", b"10:224\n"), (LOG, b"\0")], &failed, &no),
            (&[(PCR0, reset), (LOG, b"\0")], &no, &no),
            // More than a verifier reads.
            (&[(PCR0, measured), (LOG, &huge)], &yes, &malformed),
            (&[("sys/class/tpm/tpm0/dev", b"10:224\n"), (LOG, b"")], &Fact::Unreadable(Reason::Failed), &no),
            (&[(PCR0, b"not hexadecimal")], &Fact::Unreadable(Reason::Malformed), &no),
        ];
        for (files, measured_boot, event_log) in table {
            let seen = of(files);
            assert_eq!((&seen.measured_boot, &seen.event_log), (*measured_boot, *event_log), "{files:?}");
        }
    }

    #[test]
    fn hypervisors_have_the_names_that_systemd_gives_them() {
        let metal: File<'_> = ("proc/cpuinfo", b"flags\t\t: fpu vmx lahf_lm\n");
        let arm: File<'_> = ("proc/cpuinfo", b"Features\t: fp asimd\n");
        let product = "sys/class/dmi/id/product_name";
        let vendor = "sys/class/dmi/id/sys_vendor";
        let table: &[(&[File<'_>], Option<&str>)] = &[
            (&[metal, (vendor, b"LENOVO\n"), (product, b"20XW\n")], None),
            // A cloud's bare-metal machine has the cloud's name, and no hypervisor.
            (&[metal, (vendor, b"Amazon EC2\n")], None),
            (&[GUEST, (vendor, b"Amazon EC2\n"), (product, b"m5.large\n")], Some("amazon")),
            (&[GUEST, (vendor, b"QEMU\n"), (product, b"Standard PC (Q35 + ICH9, 2009)\n")], Some("qemu")),
            (&[GUEST, (vendor, b"VMware, Inc.\n"), (product, b"VMware7,1\n")], Some("vmware")),
            (
                &[GUEST, (vendor, b"Microsoft Corporation\n"), (product, b"Virtual Machine\n")],
                Some("microsoft"),
            ),
            (&[GUEST, (vendor, b"innotek GmbH\n"), (product, b"VirtualBox\n")], Some("oracle")),
            (&[GUEST, ("sys/hypervisor/type", b"xen\n")], Some("xen")),
            (&[GUEST, ("proc/xen/capabilities", b"control_d\n")], None),
            (&[GUEST], Some("vm-other")),
            (&[arm, (product, b"Mac mini\n")], None),
            (&[arm, (product, b"Apple Virtualization Generic Platform\n")], Some("apple")),
            (&[arm, ("proc/device-tree/hypervisor/compatible", b"linux,kvm\0")], Some("kvm")),
        ];
        for (files, expected) in table {
            let expected = Fact::or_unsupported(expected.map(str::to_owned));
            assert_eq!(of(files).hypervisor, expected, "{files:?}");
        }
        assert_eq!(of(&[]).hypervisor, Fact::Unreadable(Reason::Failed));
    }

    #[test]
    fn this_machine_answers() {
        let seen = read(&Root::default());
        assert_eq!(seen.secure_boot == Fact::Unsupported, !fs::exists("/sys/firmware/efi").unwrap());
        // A virtual machine's processor says so, whatever its name.
        let flagged = fs::read_to_string("/proc/cpuinfo").unwrap().contains(" hypervisor ");
        assert!(!flagged || matches!(seen.hypervisor, Fact::Known(_)), "{:?}", seen.hypervisor);
        println!("{seen:?}");
    }
}
