//! The mounted file systems (proc_pid_mountinfo(5)): which of them hold the system or users' data, and where a path lies.

use super::stack::DeviceNumber;
use std::path::{Path, PathBuf};
use vitalsign_protocol::posture::VolumeRole;

/// File systems that keep data on local disks although mountinfo shows no block device.
const LOCAL_WITHOUT_DEVICE: [&str; 5] = ["btrfs", "zfs", "bcachefs", "ubifs", "jffs2"];
/// Network file systems, and shares of the host of a virtual machine.
const REMOTE: [&str; 12] =
    ["nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "9p", "virtiofs", "glusterfs", "lustre", "gfs2", "ocfs2"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Device number; major 0 for file systems without a block device (btrfs, overlay, tmpfs).
    pub(crate) device: DeviceNumber,
    /// Folder of the file system that is mounted: `/`, or another of a bind mount or subvolume.
    pub(crate) root: PathBuf,
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
    pub(crate) source: String,
    /// Options of the file system itself, not of the mount point: a read-only mount may show a writable one.
    pub(crate) options: Vec<String>,
}

/// Parses mountinfo. A malformed line is an error, because it might be the volume that holds the data.
pub(crate) fn parse(mountinfo: &str) -> Option<Vec<Mount>> {
    mountinfo.lines().map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device, root, point) = (left.next()?.parse().ok()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, source, options) = (right.next()?, right.next()?, right.next().unwrap_or_default());
    Some(Mount {
        device,
        root: unescape(root).into(),
        point: unescape(point).into(),
        kind: kind.to_owned(),
        source: unescape(source),
        options: options.split(',').map(unescape).collect(),
    })
}

/// Octal escapes of the kernel: `\040` for a space.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits =
            after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Mount {
    /// Returns the role of the mount if it is a local volume, whatever its medium is for.
    pub(crate) fn role(&self) -> Option<VolumeRole> {
        if REMOTE.contains(&self.kind.as_str()) || self.kind == "rootfs" {
            None
        } else if self.point == Path::new("/") || self.point == Path::new("/usr") {
            Some(VolumeRole::System)
        } else {
            let local = self.device.major != 0 || LOCAL_WITHOUT_DEVICE.contains(&self.kind.as_str());
            (local && self.has("rw")).then_some(VolumeRole::Data)
        }
    }

    /// Returns whether a mount option is set.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|set| set == option)
    }
}

/// The file system that a path lies on: of the longest mount points the one mounted last, which hides the others.
pub(crate) fn holding<'a>(mounts: impl IntoIterator<Item = &'a Mount>, path: &Path) -> Option<&'a Mount> {
    let covering = mounts.into_iter().filter(|mount| path.starts_with(&mount.point));
    covering.max_by_key(|mount| mount.point.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line =
            r"36 35 98:1 /mnt1 /mnt/my\040disk rw,noatime master:1 - ext3 /dev/my\134root rw,errors=continue";
        let mounts = parse(line).unwrap();
        assert_eq!(
            mounts,
            [Mount {
                device: DeviceNumber { major: 98, minor: 1 },
                root: "/mnt1".into(),
                point: "/mnt/my disk".into(),
                kind: "ext3".into(),
                source: r"/dev/my\root".into(),
                options: vec!["rw".into(), "errors=continue".into()],
            }]
        );
        for wrong in
            ["", "36 35 98:1 / /", "36 35 x:1 / / rw - ext4 /dev/sda1 rw", "36 35 98 / / rw - ext4 /dev/sda1"]
        {
            assert!(parse(&format!("{line}\n{wrong}\n{line}")).is_none(), "{wrong}");
        }
    }

    #[test]
    fn roles() {
        let table = [
            ("1 0 8:1 / / rw - ext4 /dev/sda1 rw", Some(VolumeRole::System)),
            ("1 0 7:1 / / ro - squashfs /dev/loop1 ro", Some(VolumeRole::System)),
            (
                "1 0 0:30 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w",
                Some(VolumeRole::System),
            ),
            ("1 0 8:2 / /usr ro - xfs /dev/sda2 ro", Some(VolumeRole::System)),
            ("1 0 8:3 / /home rw - ext4 /dev/sda3 rw", Some(VolumeRole::Data)),
            ("1 0 8:3 / /srv ro - ext4 /dev/sda3 rw", Some(VolumeRole::Data)),
            ("1 0 0:31 /@home /home rw - btrfs /dev/sda3 rw", Some(VolumeRole::Data)),
            ("1 0 8:17 / /run/media/stick rw - fuseblk /dev/sdb1 rw", Some(VolumeRole::Data)),
            ("1 0 8:1 / /boot/efi rw - vfat /dev/sda1 rw", Some(VolumeRole::Data)),
            ("1 0 7:3 / /snap/core/1 ro - squashfs /dev/loop3 ro", None),
            ("1 0 11:0 / /media/cdrom ro - iso9660 /dev/sr0 ro", None),
            ("1 0 0:40 / /mnt rw - nfs4 server:/share rw", None),
            ("1 0 0:41 / /tmp rw - tmpfs tmpfs rw", None),
            ("1 0 0:42 / /proc rw - proc proc rw", None),
            ("1 0 0:43 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,upperdir=/u", None),
            ("1 0 0:2 / / rw - rootfs rootfs rw", None),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line).unwrap()[0].role(), expected, "{line}");
        }
    }

    #[test]
    fn path_is_on_longest_mount_point_mounted_last() {
        let mounts = parse(
            "1 0 0:2 / / rw - rootfs rootfs rw\n2 1 8:1 / / rw - ext4 /dev/sda1 rw\n3 2 8:3 / /home rw - ext4 /dev/sda3 rw",
        )
        .unwrap();
        let table = [("/swapfile", 1), ("/home/a/b", 3), ("/homes", 1), ("/", 1)];
        for (path, minor) in table {
            let device = holding(&mounts, Path::new(path)).unwrap().device;
            assert_eq!(device, DeviceNumber { major: 8, minor }, "{path}");
        }
    }
}
