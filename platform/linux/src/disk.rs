//! Disk encryption: every volume that holds the system, users' data, swap or a hibernation image, appraised
//! by the whole stack of block devices below it. Names and configuration files prove nothing: a path is
//! encrypted if the kernel has an encrypting device on it.

mod bcachefs;
mod crypttab;
mod luks;
mod luks1;
mod media;
mod mounts;
mod overlay;
mod pcrs;
mod snapd;
mod stack;
mod swap;
mod tokens;
mod zfs;

use crate::Root;
use crate::run::Commands;
use crypttab::Entry;
use luks::Cover;
use mounts::Mount;
use stack::{Backing, Crypt, Format, Stacks};
use std::path::Path;
use std::time::Duration;
use tokens::Opener;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, MAX_LIST, Reason};
use vitalsign_protocol::posture::{Protector, Volume, VolumeRole};

/// A key on a volume whose key is on a volume, and so on: deeper than any machine has it.
const MAX_KEYS: u8 = 4;

/// Returns the probe of the volumes. It reads LUKS headers, so a disk may have to spin up.
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
    let stacks = Stacks::new(root, &mounts);
    let mut volumes = Vec::new();
    for (role, mount) in mounted(&stacks) {
        let ends = stacks.under_mount(mount);
        let mut volume = volume(&stacks, role, ends);
        if role == VolumeRole::Data && volume.encrypted == Fact::Known(false) && files_encrypted(root, mount)
        {
            volume = Volume {
                encrypted: Fact::Known(true),
                method: Fact::Known("fscrypt".into()),
                ..unsupported(role)
            };
        }
        volumes.push(volume);
    }
    volumes.extend(swap::areas(&stacks)?.into_iter().map(|ends| volume(&stacks, VolumeRole::Swap, ends)));
    if let Some(ends) = swap::hibernation(&stacks).transpose() {
        volumes.push(volume(&stacks, VolumeRole::Hibernation, ends));
    }
    // A list that exceeds the limit of evidence is not truncated: the omitted volume might be the unencrypted
    // one.
    if volumes.len() > MAX_LIST { Err(Reason::Malformed) } else { Ok(volumes) }
}

/// Returns the volumes among the mounts without duplicates: bind mounts and subvolumes belong to the same
/// volume.
fn mounted<'a>(stacks: &Stacks<'a>) -> Vec<(VolumeRole, &'a Mount)> {
    let mounts = stacks.mounts;
    let on_top = |mount: &Mount| mounts.iter().rev().find(|other| other.point == mount.point) == Some(mount);
    let mut found: Vec<_> =
        mounts.iter().filter(|mount| on_top(mount)).filter_map(|m| Some((role(stacks, m)?, m))).collect();
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

/// Returns the role of a mount; none if it is no local volume, or one that boot loaders read.
fn role(stacks: &Stacks<'_>, mount: &Mount) -> Option<VolumeRole> {
    match mount.role()? {
        VolumeRole::Data if media::is_boot(stacks.root, mount) => None,
        VolumeRole::Data if stacks.is_removable(mount) => Some(VolumeRole::Removable),
        role => Some(role),
    }
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

fn volume(stacks: &Stacks<'_>, role: VolumeRole, ends: Result<Vec<Backing>, Reason>) -> Volume {
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
    let keyed = keyed(stacks, &ends, MAX_KEYS);
    let covers = |cover| keyed.iter().find(|it| it.cover == Ok(cover));
    if covers(Cover::Nothing).is_some() {
        return plain;
    }
    if let Some(half) = covers(Cover::Part) {
        return Volume { encrypted: Fact::Known(false), ..half.volume(role) };
    }
    if let Some(reason) = outside(&ends) {
        return unreadable(role, reason);
    }
    // Of several encrypting devices, the weakest counts.
    let Some(weakest) = keyed.iter().min_by_key(|it| it.strength()) else {
        return Volume {
            encrypted: Fact::Known(true),
            method: Fact::Known("memory".into()),
            ..unsupported(role)
        };
    };
    let unknown = keyed.iter().find_map(|it| match it.cover {
        Err(reason) => Some(reason),
        Ok(Cover::Drive) => Some(Reason::Drive),
        Ok(_) => None,
    });
    let suspended = keyed.iter().map(|it| it.converting.clone()).max_by_key(|fact| match fact {
        Fact::Known(true) => 3,
        Fact::Unreadable(_) => 2,
        Fact::Known(false) => 1,
        Fact::Unsupported => 0,
    });
    Volume {
        encrypted: unknown.map_or(Fact::Known(true), Fact::Unreadable),
        suspended: suspended.unwrap_or(Fact::Unsupported),
        ..weakest.volume(role)
    }
}

/// Returns why this system cannot tell whether the leaf of a path is encrypted below it.
fn outside(ends: &[Backing]) -> Option<Reason> {
    ends.iter().find_map(|end| match end {
        Backing::Virtual => Some(Reason::Hypervisor),
        Backing::Drive => Some(Reason::Drive),
        _ => None,
    })
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

/// Encrypting device or file system, and the protector of its key.
struct Keyed {
    method: &'static str,
    protector: Fact<Protector>,
    converting: Fact<bool>,
    cover: Result<Cover, Reason>,
}

/// The encrypting ones among the ends of a stack. `depth` limits keys that lie on volumes whose keys lie on volumes.
fn keyed(stacks: &Stacks<'_>, ends: &[Backing], depth: u8) -> Vec<Keyed> {
    let keyed = ends.iter().filter_map(|end| match end {
        Backing::Crypt(crypt) => Some(Keyed::read(stacks, crypt, depth)),
        Backing::Native { method, opener } => {
            let opener = opener.as_ref().map_err(|reason| *reason);
            let protector = opener.and_then(|it| weakest(stacks, end, std::slice::from_ref(it), depth));
            Some(Keyed::whole(method, protector.into()))
        }
        Backing::Memory | Backing::Virtual | Backing::Drive | Backing::Plain => None,
    });
    keyed.collect()
}

impl Keyed {
    fn whole(method: &'static str, protector: Fact<Protector>) -> Self {
        Self { method, protector, converting: Fact::Unsupported, cover: Ok(Cover::Everything) }
    }

    fn read(stacks: &Stacks<'_>, crypt: &Crypt, depth: u8) -> Self {
        let entry = Entry::read(stacks.root, &crypt.name);
        let mut keyed = match crypt.format {
            Format::Luks2 => Self::luks(stacks, "luks2", crypt, &entry, depth),
            Format::Luks1 => Self::luks(stacks, "luks1", crypt, &entry, depth),
            Format::BitLocker => Self::whole("bitlocker", Fact::Unreadable(Reason::Malformed)),
            Format::FileVault => Self::whole("filevault", Fact::Known(Protector::Password)),
            Format::TrueCrypt => Self::whole("dm-crypt", Fact::Known(Protector::Password)),
            Format::DmCrypt => Self::dm_crypt(&entry),
        };
        if table_has_null_cipher(stacks.root, &crypt.name) {
            keyed.cover = Ok(Cover::Nothing);
        }
        match entry.and_then(|entry| crypttab::key_is_in_the_clear(stacks, crypt, entry.as_ref())) {
            Ok(true) => keyed.protector = Fact::Known(Protector::Clear),
            Ok(false) => {}
            Err(reason) => keyed.protector = Fact::Unreadable(reason),
        }
        keyed
    }

    /// Without a header, crypttab alone tells the cipher and the key.
    fn dm_crypt(entry: &Result<Option<Entry>, Reason>) -> Self {
        let entry = entry.as_ref().map_err(|reason| *reason);
        let entry = entry.and_then(|entry| entry.as_ref().ok_or(Reason::Malformed));
        let null = entry.is_ok_and(|it| it.option("cipher").is_some_and(luks::null_cipher));
        let protector = entry.map(|it| if it.random_key() { Protector::Random } else { Protector::Password });
        let cover = if null { Cover::Nothing } else { Cover::Everything };
        Self { cover: Ok(cover), ..Self::whole("dm-crypt", protector.into()) }
    }

    fn luks(
        stacks: &Stacks<'_>,
        method: &'static str,
        crypt: &Crypt,
        entry: &Result<Option<Entry>, Reason>,
        depth: u8,
    ) -> Self {
        let detached = entry.as_ref().ok().and_then(|entry| entry.as_ref()?.option("header"));
        let header = match (detached, crypt.below.as_slice()) {
            (Some(file), _) => luks::read(stacks.root, Path::new(file)),
            (None, [node]) => luks::read(stacks.root, node),
            (None, _) => Err(Reason::Malformed),
        };
        match header {
            Ok(header) => Self {
                method,
                protector: header
                    .openers
                    .and_then(|openers| weakest(stacks, &Backing::Crypt(crypt.clone()), &openers, depth))
                    .into(),
                converting: Fact::or_unsupported(header.converting),
                cover: Ok(header.cover),
            },
            Err(reason) => Self {
                method,
                protector: Fact::Unreadable(reason),
                converting: Fact::Unreadable(reason),
                cover: Err(reason),
            },
        }
    }

    /// The unknown may be anything: it is taken for the weakest, and stays unknown.
    fn strength(&self) -> u8 {
        self.protector.known().map_or(0, tokens::strength)
    }

    fn volume(&self, role: VolumeRole) -> Volume {
        Volume {
            role,
            encrypted: Fact::Known(true),
            method: Fact::Known(self.method.to_owned()),
            protector: self.protector.clone(),
            suspended: self.converting.clone(),
        }
    }
}

/// The weakest of the openers of a volume that ends at `volume`.
fn weakest(
    stacks: &Stacks<'_>,
    volume: &Backing,
    openers: &[Opener],
    depth: u8,
) -> Result<Protector, Reason> {
    let found: Result<Vec<_>, _> =
        openers.iter().map(|opener| protector(stacks, volume, opener, depth)).collect();
    found?.into_iter().min_by_key(tokens::strength).ok_or(Reason::Malformed)
}

fn protector(stacks: &Stacks<'_>, volume: &Backing, opener: &Opener, depth: u8) -> Result<Protector, Reason> {
    match opener {
        Opener::Protector(protector) => Ok(*protector),
        Opener::KeyFile(file) => key_file(stacks, volume, file, depth),
        Opener::Snapd => protector(stacks, volume, &snapd::opener(stacks.root, volume)?, depth),
    }
}

/// Returns what protects a key in a file: the weakest that opens the volume that the file lies on. A volume's key that
/// lies on the volume itself comes from a copy in the initial RAM disk; whatever opens that asks for a password.
fn key_file(stacks: &Stacks<'_>, volume: &Backing, file: &Path, depth: u8) -> Result<Protector, Reason> {
    let depth = depth.checked_sub(1).ok_or(Reason::Failed)?;
    let ends = stacks.under_file(file)?;
    if ends.contains(&Backing::Plain) {
        return Ok(Protector::Clear);
    }
    if ends.contains(volume) {
        let plain = crypttab::boot_is_plain(stacks)?;
        return Ok(if plain { Protector::Clear } else { Protector::Password });
    }
    let mut found = Vec::new();
    for holder in keyed(stacks, &ends, depth) {
        found.push(match holder.protector {
            Fact::Known(protector) => protector,
            Fact::Unreadable(reason) => return Err(reason),
            Fact::Unsupported => return Err(Reason::Malformed),
        });
    }
    found.into_iter().min_by_key(tokens::strength).ok_or(Reason::Malformed)
}

/// Returns whether the kernel's own table names the null cipher. Only root may read it; the header, or crypttab, names
/// the cipher to everyone else.
fn table_has_null_cipher(root: &Root, name: &str) -> bool {
    if root.is_live() && !rustix::process::geteuid().is_root() {
        return false;
    }
    let table = Commands::of(root).output("dmsetup", "/usr/sbin/dmsetup", &["table"], Duration::from_secs(2));
    let table = table.map(|output| output.text).unwrap_or_default();
    table.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        matches!(words.as_slice(), [_, _, "crypt", cipher, ..] if luks::null_cipher(cipher))
    })
}

/// Returns whether everything on a volume is encrypted by the file system (fscrypt): an encrypted folder holds nothing
/// else. A mount of one folder does not show the rest of the volume.
fn files_encrypted(root: &Root, mount: &Mount) -> bool {
    if mount.root != Path::new("/") {
        return false;
    }
    let Ok(names) = root.names(&mount.point) else { return false };
    // fscrypt keeps its protectors beside the folders that it encrypts.
    let names: Vec<_> = names.into_iter().filter(|it| it != "lost+found" && it != ".fscrypt").collect();
    !names.is_empty() && names.iter().all(|name| is_encrypted(&root.path(mount.point.join(name))))
}

fn is_encrypted(path: &Path) -> bool {
    let (flags, mask) = (rustix::fs::AtFlags::SYMLINK_NOFOLLOW, rustix::fs::StatxFlags::TYPE);
    let seen = rustix::fs::statx(rustix::fs::CWD, path, flags, mask);
    seen.is_ok_and(|seen| seen.stx_attributes.contains(rustix::fs::StatxAttributes::ENCRYPTED))
}
