//! The stack of block devices under a volume, as sysfs shows it: from the device down to every leaf.

use super::mounts::{self, Mount};
use crate::Root;
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

/// Leaf of one path from a volume down through its block devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// At a device that encrypts all that goes through it.
    Crypt(Crypt),
    Memory,
    /// At a leaf, with nothing on the way that encrypts.
    Plain,
}

/// A device-mapper device that encrypts (cryptsetup marks them by their UUID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crypt {
    pub(crate) format: Format,
    pub(crate) name: String,
    /// Nodes in `/dev` of the devices right under it, which hold its header.
    pub(crate) below: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Luks2,
    Luks1,
    BitLocker,
    FileVault,
    /// Without a header, or a foreign one.
    DmCrypt,
}

/// Walks stacks of one machine.
pub(crate) struct Stacks<'a> {
    pub(crate) root: &'a Root,
    pub(crate) mounts: &'a [Mount],
}

impl Stacks<'_> {
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
        let number = rustix::fs::stat(self.root.path(&real)).map_err(std::io::Error::from)?.st_rdev;
        Ok(DeviceNumber { major: rustix::fs::major(number), minor: rustix::fs::minor(number) })
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
            "bcachefs" => {
                for node in mount.source.split(':') {
                    self.device(&folder(self.number(node)?), depth, paths)?;
                }
                // It can encrypt by itself, and does not tell here.
                if paths.contains(&Backing::Plain) {
                    return Err(Reason::Malformed);
                }
            }
            "overlay" => {
                let upper: Vec<_> = mount.paths("upperdir").collect();
                let layers = if upper.is_empty() { mount.paths("lowerdir").collect() } else { upper };
                if layers.is_empty() {
                    return Err(Reason::Malformed);
                }
                for layer in layers {
                    self.file(Path::new(layer), depth, paths)?;
                }
            }
            _ if mount.device.major != 0 => self.device(&folder(mount.device), depth, paths)?,
            // zfs encrypts by data set and keeps its devices to itself; others are not known.
            _ => return Err(Reason::Malformed),
        }
        Ok(())
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
            paths.push(Backing::Crypt(Crypt { format, name, below }));
            return Ok(());
        }
        let name = self.kernel_name(sys)?;
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
        for slave in &slaves {
            self.device(&sys.join("slaves").join(slave), depth, paths)?;
        }
        if !slaves.is_empty() {
            return Ok(());
        }
        if self.root.exists(sys.join("partition")) {
            // A partition has no slaves; the disk that it is part of may: a partition of a RAID.
            return self.device(&self.parent(sys)?, depth, paths);
        }
        paths.push(Backing::Plain);
        Ok(())
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
            Some("PLAIN" | "LOOPAES" | "TCRYPT") => Some(Format::DmCrypt),
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

fn folder(device: DeviceNumber) -> PathBuf {
    format!("/sys/dev/block/{}:{}", device.major, device.minor).into()
}
