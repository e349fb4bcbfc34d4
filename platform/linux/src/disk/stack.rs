//! The stack of block devices under a volume, as sysfs shows it: from the device down to every leaf.

use super::mounts::{self, Mount};
use super::tokens::Opener;
use super::zfs::Pools;
use super::{bcachefs, media, overlay};
use crate::Root;
use std::cell::OnceCell;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use vitalsign_protocol::fact::Reason;

/// Deeper than any stack that works: a loop in a broken tree ends here.
const MAX_DEPTH: usize = 32;
/// More layers than any machine has.
const MAX_LAYERS: usize = 4096;

/// Number of a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceNumber {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl std::str::FromStr for DeviceNumber {
    type Err = Option<ParseIntError>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.trim().split_once(':').ok_or(None)?;
        Ok(Self { major: major.parse().map_err(Some)?, minor: minor.parse().map_err(Some)? })
    }
}

impl std::fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Leaf of one path from a volume down through its block devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// At a device that encrypts all that goes through it.
    Crypt(Crypt),
    /// At a file system that encrypts by itself.
    Native {
        method: &'static str,
        opener: Result<Opener, Reason>,
    },
    Memory,
    /// At a disk that a host provides. Whether the host encrypts it cannot be seen from here.
    Virtual,
    /// At a drive that may encrypt by itself: whether it does cannot be seen from here.
    Drive,
    /// At a leaf, with nothing on the way that encrypts.
    Plain,
}

/// A device-mapper device that encrypts (cryptsetup marks them by their UUID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crypt {
    pub(crate) format: Format,
    pub(crate) name: String,
    /// UUID of the device-mapper device, which contains that of the header without its dashes.
    pub(crate) uuid: String,
    /// Nodes in `/dev` of the devices right under it, which hold its header.
    pub(crate) below: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Luks2,
    Luks1,
    BitLocker,
    FileVault,
    /// TrueCrypt and VeraCrypt.
    TrueCrypt,
    /// Without a header.
    DmCrypt,
}

/// Walks stacks of one machine.
pub(crate) struct Stacks<'a> {
    pub(crate) root: &'a Root,
    pub(crate) mounts: &'a [Mount],
    pools: OnceCell<Pools>,
}

impl<'a> Stacks<'a> {
    pub(crate) fn new(root: &'a Root, mounts: &'a [Mount]) -> Self {
        Self { root, mounts, pools: OnceCell::new() }
    }

    /// Every path from a mounted file system down to a leaf.
    pub(crate) fn under_mount(&self, mount: &Mount) -> Result<Vec<Backing>, Reason> {
        let mut paths = Vec::new();
        self.mount(mount, MAX_DEPTH, &mut paths)?;
        Ok(paths)
    }

    /// Every path from a device down to a leaf.
    pub(crate) fn under_device(&self, device: DeviceNumber) -> Result<Vec<Backing>, Reason> {
        let mut paths = Vec::new();
        self.device(&folder(device), MAX_DEPTH, &mut paths)?;
        Ok(paths)
    }

    /// Returns the device number of a path in `/dev`.
    pub(crate) fn number(&self, node: &str) -> Result<DeviceNumber, Reason> {
        let real = self.root.resolve(node).unwrap_or_else(|_| node.into());
        // What the kernel calls it; a `/` in a name is a `!` in sysfs.
        let name =
            real.file_name().map(|name| name.to_string_lossy().into_owned()).ok_or(Reason::Malformed)?;
        if let Some(number) = self.root.text_if_there(format!("/sys/class/block/{name}/dev"))? {
            return number.parse().map_err(|_| Reason::Malformed);
        }
        if real.starts_with("/dev/mapper")
            && let Some(number) = self.mapped(&name)?
        {
            return Ok(number);
        }
        let number = rustix::fs::stat(self.root.path(&real)).map_err(std::io::Error::from)?.st_rdev;
        Ok(DeviceNumber { major: rustix::fs::major(number), minor: rustix::fs::minor(number) })
    }

    /// The device-mapper device of this name. Its link in `/dev/mapper` can be absent from a recorded tree.
    fn mapped(&self, name: &str) -> Result<Option<DeviceNumber>, Reason> {
        for device in self.root.names("/sys/class/block")?.iter().filter(|device| device.starts_with("dm-")) {
            let sys = Path::new("/sys/class/block").join(device);
            if self.root.text_if_there(sys.join("dm/name"))?.as_deref() == Some(name) {
                return self.root.text(sys.join("dev"))?.parse().map(Some).map_err(|_| Reason::Malformed);
            }
        }
        Ok(None)
    }

    fn mount(&self, mount: &Mount, depth: usize, paths: &mut Vec<Backing>) -> Result<(), Reason> {
        let depth = depth.checked_sub(1).ok_or(Reason::Failed)?;
        match mount.kind.as_str() {
            "tmpfs" | "ramfs" => paths.push(Backing::Memory),
            "btrfs" => {
                for name in self.btrfs(&mount.source)? {
                    self.device(&Path::new("/sys/class/block").join(name), depth, paths)?;
                }
            }
            "bcachefs" => self.bcachefs(mount, depth, paths)?,
            "overlay" => self.overlay(mount, depth, paths)?,
            "zfs" => self.dataset(&mount.source, depth, paths)?,
            _ if mount.device.major != 0 => {
                self.device(&folder(mount.device), depth, paths)?;
                for node in mount.options.iter().filter_map(|option| separate_device(option)) {
                    self.device(&folder(self.number(node)?), depth, paths)?;
                }
            }
            _ => return Err(Reason::Malformed),
        }
        Ok(())
    }

    fn overlay(&self, mount: &Mount, depth: usize, paths: &mut Vec<Backing>) -> Result<(), Reason> {
        let layers = overlay::layers(mount).ok_or(Reason::Malformed)?;
        let (mut hidden, mut content) = (false, false);
        for layer in layers {
            match overlay::holder(self.root, self.mounts, mount, &layer.path) {
                Some(holder) => {
                    content |= layer.data_only;
                    self.mount(holder, depth, paths)?;
                }
                None => hidden = true,
            }
        }
        // An image of names whose mount is hidden belongs to the content, which is known (composefs).
        if hidden && !content { Err(Reason::Failed) } else { Ok(()) }
    }

    fn bcachefs(&self, mount: &Mount, depth: usize, paths: &mut Vec<Backing>) -> Result<(), Reason> {
        let nodes: Vec<&str> = mount.source.split(':').collect();
        let encryption = bcachefs::encryption(self.root, Path::new(nodes.first().ok_or(Reason::Malformed)?));
        if let Ok(Some(protector)) = encryption {
            paths.push(Backing::Native { method: "bcachefs", opener: Ok(Opener::Protector(protector)) });
            return Ok(());
        }
        let mut ends = Vec::new();
        for node in nodes {
            self.device(&folder(self.number(node)?), depth, &mut ends)?;
        }
        if ends.contains(&Backing::Plain) {
            encryption?;
        }
        paths.extend(ends);
        Ok(())
    }

    /// The stack under a ZFS file system or volume: its own encryption, else the devices of its pool.
    fn dataset(&self, name: &str, depth: usize, paths: &mut Vec<Backing>) -> Result<(), Reason> {
        let pools = self.pools.get_or_init(|| Pools::read(self.root));
        if pools.encrypted(name)? {
            paths.push(Backing::Native { method: "zfs", opener: pools.opener(name) });
            return Ok(());
        }
        let pool = name.split('/').next().unwrap_or(name);
        match pools.devices(self.root, pool) {
            Ok(devices) => {
                for device in devices {
                    if device.starts_with("/dev") {
                        let number = self.number(&device.to_string_lossy())?;
                        self.device(&folder(number), depth, paths)?;
                    } else {
                        self.file(&device, depth, paths)?;
                    }
                }
            }
            Err(reason) if self.has_free_crypt()? => return Err(reason),
            // Nothing on this machine encrypts what a pool could lie on.
            Err(_) => paths.push(Backing::Plain),
        }
        Ok(())
    }

    /// Returns whether there is an encrypting device that neither swap nor a mounted file system uses.
    fn has_free_crypt(&self) -> Result<bool, Reason> {
        let swaps = self.root.text_if_there("/proc/swaps")?.unwrap_or_default();
        let swaps = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        let mut used: Vec<DeviceNumber> =
            swaps.filter_map(|node| self.number(&mounts::unescape(node)).ok()).collect();
        used.extend(self.mounts.iter().map(|mount| mount.device));
        for name in self.root.names("/sys/class/block")? {
            let sys = Path::new("/sys/class/block").join(name);
            let number = self.root.text_if_there(sys.join("dev"))?.and_then(|dev| dev.parse().ok());
            if self.format(&sys)?.is_some() && !number.is_some_and(|number| used.contains(&number)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The device names of the btrfs file system that one of its devices belongs to.
    fn btrfs(&self, source: &str) -> Result<Vec<String>, Reason> {
        let number = self.number(source)?;
        for filesystem in self.root.names("/sys/fs/btrfs")? {
            let devices = self.root.names(format!("/sys/fs/btrfs/{filesystem}/devices"))?;
            for name in &devices {
                let dev = self.root.text(format!("/sys/class/block/{name}/dev"))?;
                if dev.parse() == Ok(number) {
                    return Ok(devices);
                }
            }
        }
        Err(Reason::Failed)
    }

    /// The stack under a file.
    pub(crate) fn file(&self, file: &Path, depth: usize, paths: &mut Vec<Backing>) -> Result<(), Reason> {
        let mount = mounts::holding(self.mounts, file).ok_or(Reason::Failed)?;
        self.mount(mount, depth, paths)
    }

    /// Every path from a file down to a leaf.
    pub(crate) fn under_file(&self, file: &Path) -> Result<Vec<Backing>, Reason> {
        let mut paths = Vec::new();
        self.file(file, MAX_DEPTH, &mut paths)?;
        Ok(paths)
    }

    /// The stack under a device's folder in sysfs.
    fn device(&self, sys: &Path, depth: usize, paths: &mut Vec<Backing>) -> Result<(), Reason> {
        let depth = depth.checked_sub(1).ok_or(Reason::Failed)?;
        if paths.len() >= MAX_LAYERS || !self.root.exists(sys.join("dev")) {
            return Err(Reason::Failed);
        }
        if let Some(format) = self.format(sys)? {
            let name = self.root.text_if_there(sys.join("dm/name"))?.unwrap_or_default();
            let below = self.below(sys, MAX_DEPTH)?;
            let uuid = self.root.text_if_there(sys.join("dm/uuid"))?.unwrap_or_default();
            paths.push(Backing::Crypt(Crypt { format, name, uuid, below }));
            return Ok(());
        }
        let name = self.kernel_name(sys)?;
        if name.starts_with("zd") {
            return self.dataset(&self.zvol(&name)?, depth, paths);
        }
        if name.starts_with("zram") || name.starts_with("ram") {
            // zram may write pages that it has no room for back to a disk.
            return match self.root.text_if_there(sys.join("backing_dev"))?.filter(|device| device != "none") {
                Some(node) => self.device(&folder(self.number(&node)?), depth, paths),
                None => {
                    paths.push(Backing::Memory);
                    Ok(())
                }
            };
        }
        if let Some(file) = self.root.text_if_there(sys.join("loop/backing_file"))? {
            return self.file(Path::new(&file), depth, paths);
        }
        let slaves = self.root.names(sys.join("slaves"))?;
        let known = paths.len();
        for slave in &slaves {
            self.device(&sys.join("slaves").join(slave), depth, paths)?;
        }
        if !slaves.is_empty() {
            let plain = paths.iter().skip(known).any(|path| *path == Backing::Plain);
            // Only its table tells whether it encrypts, which root alone may read.
            return if plain && self.is_unmarked(sys)? { Err(Reason::Denied) } else { Ok(()) };
        }
        if self.root.exists(sys.join("partition")) {
            // A partition has no slaves; the disk that it is part of may: a partition of a RAID.
            return self.device(&self.parent(sys)?, depth, paths);
        }
        let disk = self.root.resolve(sys)?;
        paths.push(if media::is_virtual(self.root, &disk) {
            Backing::Virtual
        } else if media::may_encrypt(self.root, &disk)? {
            Backing::Drive
        } else {
            Backing::Plain
        });
        Ok(())
    }

    /// Returns whether this is a device-mapper device without a mark of the program that made it: VeraCrypt makes its
    /// devices so, and `dmsetup create`.
    fn is_unmarked(&self, sys: &Path) -> Result<bool, Reason> {
        let uuid = self.root.text_if_there(sys.join("dm/uuid"))?.unwrap_or_default();
        Ok(self.root.exists(sys.join("dm")) && uuid.is_empty())
    }

    /// The ZFS volume of a device `zd…`: udev links it by its name.
    fn zvol(&self, device: &str) -> Result<String, Reason> {
        let mut folders = vec![(PathBuf::from("/dev/zvol"), MAX_DEPTH)];
        while let Some((folder, depth)) = folders.pop() {
            for name in self.root.names(&folder)? {
                let path = folder.join(name);
                let target = self.root.link(&path).ok();
                match (target, depth.checked_sub(1)) {
                    (Some(target), _) if target.file_name() == Some(device.as_ref()) => {
                        let name = path.strip_prefix("/dev/zvol").map_err(|_| Reason::Failed)?;
                        return Ok(name.to_string_lossy().into_owned());
                    }
                    (None, Some(depth)) => folders.push((path, depth)),
                    _ => {}
                }
            }
        }
        Err(Reason::Failed)
    }

    /// Returns whether a file lies on media that a person plugs in.
    pub(crate) fn is_on_removable(&self, file: &Path) -> bool {
        mounts::holding(self.mounts, file).is_some_and(|mount| self.is_removable(mount))
    }

    /// Returns whether a mounted volume lies on media that a person plugs in.
    pub(crate) fn is_removable(&self, mount: &Mount) -> bool {
        let mut disks = Vec::new();
        let known =
            mount.device.major != 0 && self.disks(&folder(mount.device), MAX_DEPTH, &mut disks).is_ok();
        known && media::is_removable(self.root, mount, &disks)
    }

    /// Returns whether a device is, or lies on, media that a person plugs in.
    pub(crate) fn is_removable_device(&self, device: DeviceNumber) -> bool {
        let mut disks = Vec::new();
        let known = self.disks(&folder(device), MAX_DEPTH, &mut disks).is_ok();
        known && media::are_removable(self.root, &disks)
    }

    /// The folders of the disks under a device. A file is no disk.
    fn disks(&self, sys: &Path, depth: usize, disks: &mut Vec<PathBuf>) -> Result<(), Reason> {
        let depth = depth.checked_sub(1).ok_or(Reason::Failed)?;
        let slaves = self.root.names(sys.join("slaves"))?;
        for slave in &slaves {
            self.disks(&sys.join("slaves").join(slave), depth, disks)?;
        }
        if !slaves.is_empty() {
            Ok(())
        } else if self.root.exists(sys.join("partition")) {
            self.disks(&self.parent(sys)?, depth, disks)
        } else {
            disks.push(self.root.resolve(sys)?);
            Ok(())
        }
    }

    /// The format, if this device encrypts. Verity and integrity devices bear the same mark, and do not.
    fn format(&self, sys: &Path) -> Result<Option<Format>, Reason> {
        let uuid = self.root.text_if_there(sys.join("dm/uuid"))?.unwrap_or_default();
        let kind = uuid.strip_prefix("CRYPT-").and_then(|rest| rest.split('-').next());
        Ok(match kind {
            Some("LUKS2") => Some(Format::Luks2),
            Some("LUKS1") => Some(Format::Luks1),
            Some("BITLK") => Some(Format::BitLocker),
            Some("FVAULT2") => Some(Format::FileVault),
            Some("TCRYPT") => Some(Format::TrueCrypt),
            Some("PLAIN" | "LOOPAES") => Some(Format::DmCrypt),
            _ => None,
        })
    }

    /// Nodes of the devices right under an encrypting one, looking through the integrity layer that LUKS2 may add.
    fn below(&self, sys: &Path, depth: usize) -> Result<Vec<PathBuf>, Reason> {
        let depth = depth.checked_sub(1).ok_or(Reason::Failed)?;
        let mut nodes = Vec::new();
        for slave in self.root.names(sys.join("slaves"))? {
            let sys = sys.join("slaves").join(&slave);
            let uuid = self.root.text_if_there(sys.join("dm/uuid"))?.unwrap_or_default();
            if uuid.starts_with("CRYPT-SUBDEV-") {
                nodes.extend(self.below(&sys, depth)?);
            } else {
                nodes.push(Path::new("/dev").join(self.kernel_name(&sys)?.replace('!', "/")));
            }
        }
        // During a conversion, several layers lead to the same device.
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }

    fn kernel_name(&self, sys: &Path) -> Result<String, Reason> {
        let real = self.root.resolve(sys)?;
        Ok(real.file_name().ok_or(Reason::Failed)?.to_string_lossy().into_owned())
    }

    /// Returns the sysfs folder of the disk that contains a partition.
    fn parent(&self, sys: &Path) -> Result<PathBuf, Reason> {
        let real = self.root.resolve(sys)?;
        let name = real.parent().and_then(Path::file_name).ok_or(Reason::Failed)?;
        Ok(Path::new("/sys/class/block").join(name))
    }
}

/// The device on which XFS keeps its journal, or the content of files (xfs(5)), if it is another than that of the mount.
fn separate_device(option: &str) -> Option<&str> {
    option.strip_prefix("logdev=").or_else(|| option.strip_prefix("rtdev="))
}

fn folder(device: DeviceNumber) -> PathBuf {
    format!("/sys/dev/block/{device}").into()
}
