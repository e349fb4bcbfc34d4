//! Disk encryption: every volume that holds the system, users' data, swap or a hibernation image, appraised
//! by the whole stack of block devices below it. Names and configuration files prove nothing: a path is
//! encrypted if the kernel has an encrypting device on it.

mod luks;
mod mounts;
mod stack;
mod swap;

use crate::Root;
use mounts::Mount;
use stack::{Backing, Crypt, Format, Stacks};
use std::path::Path;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, MAX_LIST, Reason};
use vitalsign_protocol::posture::{Protector, Volume, VolumeRole};

/// Returns the probe of the volumes. It reads LUKS2 headers, so a disk may have to spin up.
pub fn probes(root: &Root) -> Vec<Probe> {
    let root = root.clone();
    vec![Probe::new(
        "disk",
        Duration::from_secs(10),
        move || volumes(&root),
        |posture, seen| {
            posture.disk.volumes = seen.into();
        },
    )]
}

fn volumes(root: &Root) -> Result<Vec<Volume>, Reason> {
    let mounts = mounts::parse(&root.text("/proc/self/mountinfo")?).ok_or(Reason::Malformed)?;
    let stacks = Stacks { root, mounts: &mounts };
    let mut volumes = Vec::new();
    for (role, mount) in mounted(&mounts) {
        let ends = stacks.under_mount(mount);
        let mut volume = volume(root, role, ends);
        if volume.encrypted == Fact::Known(false) && files_encrypted(root, mount) {
            volume = Volume {
                encrypted: Fact::Known(true),
                method: Fact::Known("fscrypt".into()),
                ..unsupported(role)
            };
        }
        volumes.push(volume);
    }
    volumes.extend(swap::areas(&stacks)?.into_iter().map(|ends| volume(root, VolumeRole::Swap, ends)));
    if let Some(ends) = swap::hibernation(&stacks).transpose() {
        volumes.push(volume(root, VolumeRole::Hibernation, ends));
    }
    // A list that exceeds the limit of evidence is not truncated: the omitted volume might be the unencrypted
    // one.
    if volumes.len() > MAX_LIST { Err(Reason::Malformed) } else { Ok(volumes) }
}

/// Returns the volumes among the mounts without duplicates: bind mounts and subvolumes belong to the same
/// volume.
fn mounted(mounts: &[Mount]) -> Vec<(VolumeRole, &Mount)> {
    let on_top = |mount: &Mount| mounts.iter().rev().find(|other| other.point == mount.point) == Some(mount);
    let mut found: Vec<_> =
        mounts.iter().filter(|mount| on_top(mount)).filter_map(|m| Some((m.role()?, m))).collect();
    // A volume that holds the system and data counts as the system's.
    found.sort_by_key(|(role, _)| *role != VolumeRole::System);
    let mut once: Vec<(VolumeRole, &Mount)> = Vec::new();
    for (role, mount) in found {
        let same = |other: &Mount| match (mount.device.major, mount.kind.as_str()) {
            (0, "zfs") => other.kind == "zfs" && other.source == mount.source,
            (0, kind) => other.kind == kind && other.source == mount.source && other.device == mount.device,
            _ => other.device == mount.device,
        };
        let subvolume =
            |other: &Mount| mount.kind == "btrfs" && other.kind == "btrfs" && other.source == mount.source;
        if !once.iter().any(|(_, other)| same(other) || subvolume(other)) {
            once.push((role, mount));
        }
    }
    once
}

fn unsupported(role: VolumeRole) -> Volume {
    Volume {
        role,
        encrypted: Fact::Unsupported,
        method: Fact::Unsupported,
        protector: Fact::Unsupported,
        suspended: Fact::Unsupported,
    }
}

fn volume(root: &Root, role: VolumeRole, ends: Result<Vec<Backing>, Reason>) -> Volume {
    let ends = match ends {
        Ok(ends) if !ends.is_empty() => ends,
        Ok(_) => return unreadable(role, Reason::Failed),
        Err(reason) => return unreadable(role, reason),
    };
    let plain =
        Volume { encrypted: Fact::Known(false), method: Fact::Known("none".into()), ..unsupported(role) };
    if ends.contains(&Backing::Plain) {
        return plain;
    }
    let crypts: Vec<Keyed> = ends.iter().filter_map(|end| Keyed::read(root, end)).collect();
    if crypts.iter().any(|crypt| crypt.clear) {
        return plain;
    }
    // Of several encrypting devices, the weakest counts.
    let Some(weakest) = crypts.iter().min_by_key(|crypt| crypt.strength()) else {
        return Volume {
            encrypted: Fact::Known(true),
            method: Fact::Known("memory".into()),
            ..unsupported(role)
        };
    };
    let suspended = crypts.iter().map(|crypt| crypt.converting.clone()).max_by_key(|fact| match fact {
        Fact::Known(true) => 3,
        Fact::Unreadable(_) => 2,
        Fact::Known(false) => 1,
        Fact::Unsupported => 0,
    });
    Volume {
        role,
        encrypted: Fact::Known(true),
        method: Fact::Known(weakest.method.to_owned()),
        protector: weakest.protector.clone(),
        suspended: suspended.unwrap_or(Fact::Unsupported),
    }
}

fn unreadable(role: VolumeRole, reason: Reason) -> Volume {
    Volume {
        role,
        encrypted: Fact::Unreadable(reason),
        method: Fact::Unreadable(reason),
        protector: Fact::Unreadable(reason),
        suspended: Fact::Unreadable(reason),
    }
}

/// Encrypting device and the protector of its key.
struct Keyed {
    method: &'static str,
    protector: Fact<Protector>,
    converting: Fact<bool>,
    /// The header declares a null cipher: data is stored in the clear.
    clear: bool,
}

impl Keyed {
    fn read(root: &Root, end: &Backing) -> Option<Self> {
        let Backing::Crypt(crypt) = end else { return None };
        let keyed =
            |method, protector| Self { method, protector, converting: Fact::Unsupported, clear: false };
        Some(match crypt.format {
            Format::Luks2 => Self::luks2(root, crypt),
            // LUKS1 knows passwords and key files only.
            Format::Luks1 => keyed("luks1", Fact::Known(Protector::Password)),
            Format::BitLocker => keyed("bitlocker", Fact::Unreadable(Reason::Malformed)),
            Format::FileVault => keyed("filevault", Fact::Known(Protector::Password)),
            Format::DmCrypt => {
                let random = swap::random_key(root, &crypt.name);
                let protector =
                    random.map(|random| if random { Protector::Random } else { Protector::Password });
                keyed("dm-crypt", protector.into())
            }
        })
    }

    fn luks2(root: &Root, crypt: &Crypt) -> Self {
        let header = match crypt.below.as_slice() {
            [node] => luks::read(root, node),
            _ => Err(Reason::Malformed),
        };
        match header {
            Ok(header) => Self {
                method: "luks2",
                protector: header.protector.into(),
                converting: Fact::Known(header.converting),
                clear: header.clear,
            },
            Err(reason) => Self {
                method: "luks2",
                protector: Fact::Unreadable(reason),
                converting: Fact::Unreadable(reason),
                clear: false,
            },
        }
    }

    /// The unknown may be anything: it is taken for the weakest, and stays unknown.
    fn strength(&self) -> u8 {
        self.protector.known().map_or(0, luks::strength)
    }
}

/// Returns whether every home folder on a volume of homes is encrypted by the file system (fscrypt). On any
/// other volume, the remaining files are not encrypted.
fn files_encrypted(root: &Root, mount: &Mount) -> bool {
    if mount.point != Path::new("/home") {
        return false;
    }
    let Ok(homes) = root.names(&mount.point) else { return false };
    let homes: Vec<_> = homes.into_iter().filter(|home| home != "lost+found").collect();
    let encrypted = |home: &String| {
        let (flags, mask) = (rustix::fs::AtFlags::SYMLINK_NOFOLLOW, rustix::fs::StatxFlags::TYPE);
        let seen = rustix::fs::statx(rustix::fs::CWD, root.path(mount.point.join(home)), flags, mask);
        seen.is_ok_and(|seen| seen.stx_attributes.contains(rustix::fs::StatxAttributes::ENCRYPTED))
    };
    !homes.is_empty() && homes.iter().all(encrypted)
}
