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
            (&[(&secure, &[6, 0, 0, 0, 2])], Fact::Unreadable(Reason::Malformed), Fact::Known(false)),
            (&[(&other, &[7, 0, 0, 0, 1, 0])], Fact::Known(false), Fact::Known(false)),
        ];
        for (files, secure_boot, setup_mode) in table {
            let seen = of(files);
            assert_eq!((&seen.secure_boot, &seen.setup_mode), (secure_boot, setup_mode), "{files:?}");
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
        let table: &[(&[File<'_>], &Fact<bool>, &Fact<bool>)] = &[
            (&[], &no, &no),
            (&[(PCR0, measured), (LOG, b"\0\0\0\0\x08")], &yes, &yes),
            // The firmware measured, and the boot loader lost the log.
            (&[(PCR0, measured), ("sys/kernel/security/lsm", b"x")], &yes, &no),
            (&[(PCR0, measured), (LOG, b"")], &yes, &no),
            (&[(PCR0, reset), ("sys/kernel/security/lsm", b"x")], &no, &no),
            (&[("sys/class/tpm/tpm0/dev", b"10:224\n"), (LOG, b"\0")], &yes, &yes),
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
