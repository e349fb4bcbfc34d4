//! Purposes of a volume's medium: boot partitions, media that a person plugs in, and disks that a host provides.

use super::mounts::Mount;
use super::stack::DeviceNumber;
use crate::Root;
use std::path::{Path, PathBuf};
use vitalsign_protocol::fact::Reason;

/// Partition types of what firmware, boot loaders and vendors' recovery read before any key is there: GPT (UEFI 2.10,
/// section 5.3.3; the Discoverable Partitions Specification; vendors' lists) and MBR.
const BOOT_TYPES: [&str; 18] = [
    // EFI system partition.
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    // Extended boot loader partition.
    "bc13c2ff-59e6-4262-a352-b275fd6f7172",
    // BIOS boot, PowerPC PReP boot.
    "21686148-6449-6e6f-744e-656564454649",
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
    // Windows: reserved, recovery environment.
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac",
    // Lenovo and Sony boot, Intel Fast Flash.
    "bfbfafe7-a34f-448a-9a5b-6213eb736c22",
    "f4019732-066e-4e12-8273-346c5641494f",
    "d3bfe2de-3daf-11df-ba40-e3a556d89593",
    // Apple boot, ChromeOS firmware and kernel.
    "426f6f74-0000-11aa-aa11-00306543ecac",
    "cab6e88e-abf3-4102-a07a-d4bb9be3c1d3",
    "fe3a2a5d-4f32-41a7-b725-accc3285a309",
    // The same as MBR types: EFI system, extended boot loader, PReP, hidden recovery, vendor diagnostics.
    "0xef",
    "0xea",
    "0x41",
    "0x27",
    "0x12",
    "0xde",
];
/// Partition types that say what they hold: homes, service data, variable data, user homes (Discoverable Partitions
/// Specification).
const DATA_TYPES: [&str; 5] = [
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
    "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
    "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
    "7ec6f557-3bc5-4aca-b293-16ef5df639d1",
    "773f91ef-66d4-49b5-bd83-d683bf40ad16",
];
/// Mount points of boot loaders' volumes, with all below: the Boot Loader Specification's, and of Ubuntu's
/// encryption with a TPM.
const BOOT_POINTS: [&str; 7] = [
    "/boot",
    "/efi",
    "/esp",
    "/run/mnt/ubuntu-boot",
    "/run/mnt/ubuntu-seed",
    "/var/lib/snapd/seed",
    "/writable/system-data/var/lib/snapd/seed",
];
/// Mount points of installers' and vendors' recovery systems, if firmware can read the file system.
const RECOVERY_POINTS: [&str; 2] = ["/recovery", "/run/mnt/recovery"];
const FIRMWARE_FILE_SYSTEMS: [&str; 3] = ["vfat", "msdos", "exfat"];
/// Mount points that belong to the system with all below, whatever medium is mounted there.
const SYSTEM_POINTS: [&str; 7] = ["/root", "/srv", "/var", "/opt", "/usr", "/tmp", "/etc"];
/// Models of disks that a hypervisor or a cloud provides, by the beginning of their name.
const VIRTUAL_MODELS: [&str; 17] = [
    "QEMU",
    "VBOX",
    "ORCL-VBOX",
    "VMware",
    "Virtual disk",
    "Virtual Disk",
    "PersistentDisk",
    "nvme_card",
    "Amazon Elastic Block Store",
    "Amazon EC2 NVMe",
    // Oracle Cloud, Nutanix, Parallels (two), bhyve.
    "BlockVolume",
    "VDISK",
    "Virtual HDD",
    "Parallels",
    "BHYVE",
    "Microsoft NVMe",
    "MSFT NVMe",
];
/// Parts of device paths of paravirtual disks: virtio, Xen, Hyper-V.
const VIRTUAL_BUSES: [&str; 4] = ["virtio", "vbd-", "VMBUS:", "MSFT1000:"];

/// Returns whether a mounted volume is one of boot or recovery files, by its partition type, else by what is
/// mounted where.
pub(crate) fn is_boot(root: &Root, mount: &Mount) -> bool {
    if is_system_point(&mount.point) && !below(&mount.point, &BOOT_POINTS) {
        return false;
    }
    match udev_property(root, mount.device, "ID_PART_ENTRY_TYPE").map(|kind| kind.to_ascii_lowercase()) {
        Some(kind) if BOOT_TYPES.contains(&kind.as_str()) => return true,
        Some(kind) if DATA_TYPES.contains(&kind.as_str()) => return false,
        _ => {}
    }
    let firmware_reads = FIRMWARE_FILE_SYSTEMS.contains(&mount.kind.as_str());
    below(&mount.point, &BOOT_POINTS) || (firmware_reads && below(&mount.point, &RECOVERY_POINTS))
}

fn below(point: &Path, folders: &[&str]) -> bool {
    folders.iter().any(|folder| point.starts_with(folder))
}

/// Returns whether something of the system or a person's whole home is mounted here.
fn is_system_point(point: &Path) -> bool {
    let person = point.strip_prefix("/home").is_ok_and(|rest| rest.components().count() <= 1);
    person || below(point, &SYSTEM_POINTS)
}

/// Property of a block device in udev's database.
pub(crate) fn udev_property(root: &Root, device: DeviceNumber, name: &str) -> Option<String> {
    let data = root.text_if_there(format!("/run/udev/data/b{device}")).ok()??;
    let mut properties = data.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
    properties.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Returns whether a mounted volume lies on media that a person plugs in, given the disks under it. A disk at
/// a mount point of the system is part of the system.
pub(crate) fn is_removable(root: &Root, mount: &Mount, disks: &[PathBuf]) -> bool {
    !is_system_point(&mount.point) && are_removable(root, disks)
}

/// Returns whether all of these disks are media that a person plugs in.
pub(crate) fn are_removable(root: &Root, disks: &[PathBuf]) -> bool {
    !disks.is_empty() && disks.iter().all(|disk| is_removable_disk(root, disk))
}

/// Sticks and card readers call their medium removable; disks on USB, SD cards, and what is behind a port that leads
/// outside (Thunderbolt) do not. The nearest device with a word for it decides.
fn is_removable_disk(root: &Root, disk: &Path) -> bool {
    let attribute = |folder: &Path, name| root.text_if_there(folder.join(name)).ok().flatten();
    if attribute(disk, "removable").as_deref() == Some("1")
        || attribute(disk, "device/type").as_deref() == Some("SD")
    {
        return true;
    }
    for folder in disk.ancestors().skip(1).take_while(|folder| *folder != Path::new("/sys/devices")) {
        match attribute(folder, "removable").as_deref() {
            Some("removable") => return true,
            Some("fixed") => return false,
            _ => {}
        }
        let name = folder.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        if name.strip_prefix("usb").is_some_and(|bus| bus.starts_with(|c: char| c.is_ascii_digit())) {
            return true;
        }
    }
    false
}

/// Returns whether a disk is one that a host provides to a virtual machine. The host may encrypt it, and the machine
/// cannot know.
pub(crate) fn is_virtual(root: &Root, disk: &Path) -> bool {
    let on_bus = disk.iter().filter_map(std::ffi::OsStr::to_str);
    let mut on_bus = on_bus.filter(|name| VIRTUAL_BUSES.iter().any(|bus| name.starts_with(bus)));
    let model = root.text_if_there(disk.join("device/model")).ok().flatten().unwrap_or_default();
    on_bus.next().is_some() || VIRTUAL_MODELS.iter().any(|known| model.starts_with(known))
}

/// Returns whether a drive is used as one that encrypts itself. An ATA drive with a password says so to udev
/// (`ata_id`). OPAL has no sign that an unprivileged process sees, but a SATA drive takes its commands only with
/// `libata.allow_tpm=1`.
pub(crate) fn may_encrypt(root: &Root, disk: &Path) -> Result<bool, Reason> {
    let number = root.text(disk.join("dev"))?.parse().map_err(|_| Reason::Malformed)?;
    let is_set = |name| udev_property(root, number, name).as_deref() == Some("1");
    let on_ata = disk.iter().filter_map(std::ffi::OsStr::to_str).any(|name| name.starts_with("ata"));
    let parameters = root.text_if_there("/proc/cmdline")?.unwrap_or_default();
    let takes_opal = parameters.split_whitespace().any(|it| it == "libata.allow_tpm=1");
    Ok(is_set("ID_ATA_FEATURE_SET_SECURITY_ENABLED") || (on_ata && takes_opal))
}

#[cfg(test)]
mod tests {
    use super::super::mounts::parse;
    use super::*;

    const GENERIC: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

    #[test]
    fn boot_volumes_are_known_by_type_then_by_place() {
        let esp = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
        let home = "933ac7e1-2eb4-4f13-b844-0e14e2aef915";
        let table = [
            (esp, "/mnt/firmware", "vfat", true),
            ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "/xboot", "ext4", true),
            ("de94bba4-06d1-4d40-a16a-bfd50179d6ac", "/mnt/windows-re", "ntfs3", true),
            ("0xef", "/firmware", "vfat", true),
            (esp, "/home", "vfat", false),
            (esp, "/var/lib/app", "vfat", false),
            (home, "/boot", "ext4", false),
            (GENERIC, "/boot", "ext4", true),
            (GENERIC, "/run/mnt/ubuntu-boot", "ext4", true),
            (GENERIC, "/mnt/data", "ext4", false),
            ("", "/boot/efi", "vfat", true),
            ("", "/boot/firmware", "vfat", true),
            ("", "/efi", "vfat", true),
            ("", "/recovery", "vfat", true),
            ("", "/recovery", "ext4", false),
            ("", "/run/mnt/ubuntu-seed", "vfat", true),
            ("", "/var/lib/snapd/seed", "vfat", true),
            ("", "/run/mnt/ubuntu-save", "ext4", false),
            ("", "/bootstrap", "ext4", false),
            ("", "/data", "vfat", false),
        ];
        for (kind, point, file_system, expected) in table {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("run/udev/data");
            std::fs::create_dir_all(&data).unwrap();
            if !kind.is_empty() {
                std::fs::write(data.join("b8:1"), format!("S:disk/x\nE:ID_PART_ENTRY_TYPE={kind}\n"))
                    .unwrap();
            }
            let mounts = parse(&format!("1 0 8:1 / {point} rw - {file_system} /dev/sda1 rw")).unwrap();
            assert_eq!(
                is_boot(&Root::at(folder.path()), &mounts[0]),
                expected,
                "{kind} {point} {file_system}"
            );
        }
    }

    #[test]
    fn removable_is_what_a_person_plugs_in() {
        let usb = "/sys/devices/pci0/usb1/1-2/1-2:1.0/host0/target0/0:0:0:0/block/sda";
        let nvme = "/sys/devices/pci0/0000:00:1d.0/nvme/nvme0/nvme0n1";
        let card = "/sys/devices/platform/emmc2bus/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0";
        let stick = "/sys/devices/pci0/ata1/block/sdb";
        let folder = |below: &str| format!("{usb}/{below}");
        let table = [
            (usb, "/mnt/disk", vec![], true),
            (usb, "/media/a/STICK", vec![], true),
            (usb, "/home/a/stick/b", vec![], true),
            (usb, "/home", vec![], false),
            (usb, "/home/a", vec![], false),
            (usb, "/var/lib/data", vec![], false),
            (usb, "/mnt/disk", vec![("/sys/devices/pci0/usb1/1-2/removable".to_owned(), "fixed")], false),
            (usb, "/mnt/disk", vec![("/sys/devices/pci0/usb1/1-2/removable".to_owned(), "unknown")], true),
            (usb, "/mnt/disk", vec![(folder("removable"), "0")], true),
            (stick, "/mnt/disk", vec![(format!("{stick}/removable"), "1")], true),
            (stick, "/mnt/disk", vec![(format!("{stick}/removable"), "0")], false),
            (nvme, "/mnt/disk", vec![], false),
            (
                nvme,
                "/mnt/disk",
                vec![("/sys/devices/pci0/0000:00:1d.0/removable".to_owned(), "removable")],
                true,
            ),
            (card, "/mnt/card", vec![(format!("{card}/device/type"), "SD")], true),
            (card, "/mnt/card", vec![(format!("{card}/device/type"), "MMC")], false),
        ];
        for (disk, point, files, expected) in table {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in &files {
                let path = folder.path().join(&path[1..]);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, format!("{text}\n")).unwrap();
            }
            let root = Root::at(folder.path());
            let mounts = parse(&format!("1 0 8:1 / {point} rw - vfat /dev/sda1 rw")).unwrap();
            assert_eq!(is_removable(&root, &mounts[0], &[disk.into()]), expected, "{disk} {point} {files:?}");
            assert!(!is_removable(
                &root,
                &mounts[0],
                &[disk.into(), "/sys/devices/pci0/ata2/block/sdc".into()]
            ));
            assert!(!is_removable(&root, &mounts[0], &[]));
        }
    }

    #[test]
    fn drives_that_may_encrypt_are_not_plain() {
        let (sata, nvme) = ("/sys/devices/pci0/ata1/host0/block/sda", "/sys/devices/pci0/nvme/nvme0/nvme0n1");
        let security = |enabled: u8| {
            format!("E:ID_ATA_FEATURE_SET_SECURITY=1\nE:ID_ATA_FEATURE_SET_SECURITY_ENABLED={enabled}\n")
        };
        for (disk, udev, cmdline, expected) in [
            (sata, security(1), "quiet", true),
            (sata, security(0), "quiet", false),
            (sata, String::new(), "quiet libata.allow_tpm=1", true),
            (sata, String::new(), "quiet libata.allow_tpm=0", false),
            (nvme, String::new(), "quiet libata.allow_tpm=1", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in [
                (format!("{disk}/dev"), "8:0"),
                ("/run/udev/data/b8:0".to_owned(), &udev),
                ("/proc/cmdline".to_owned(), cmdline),
            ] {
                let path = folder.path().join(&path[1..]);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let root = Root::at(folder.path());
            assert_eq!(may_encrypt(&root, Path::new(disk)), Ok(expected), "{disk} {udev} {cmdline}");
        }
    }

    #[test]
    fn virtual_disks_are_known_by_bus_or_model() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let disk = "/sys/devices/pci0/ata1/block/sda";
        for path in ["/sys/devices/pci0/virtio2/block/vda", "/sys/devices/vbd-768/block/xvda"] {
            assert!(is_virtual(&root, Path::new(path)), "{path}");
        }
        let model = folder.path().join(&disk[1..]).join("device/model");
        std::fs::create_dir_all(model.parent().unwrap()).unwrap();
        assert!(!is_virtual(&root, Path::new(disk)));
        for (name, expected) in [
            ("VBOX HARDDISK", true),
            ("Virtual disk    ", true),
            ("Amazon EC2 NVMe Instance Storage", true),
            ("Virtual HDD [0]", true),
            ("SAMSUNG MZVL2", false),
        ] {
            std::fs::write(&model, name).unwrap();
            assert_eq!(is_virtual(&root, Path::new(disk)), expected, "{name}");
        }
    }
}
