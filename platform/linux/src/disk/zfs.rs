//! ZFS: native encryption by file system and volume, and the devices of a pool, as `zfs` and `zpool` show them.

use super::media;
use super::stack::DeviceNumber;
use super::tokens::Opener;
use crate::Root;
use crate::run::Commands;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Protector;

const DEADLINE: Duration = Duration::from_secs(3);
/// Folders of the programs, in the order in which they are tried.
const PROGRAMS: [&str; 5] =
    ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin", "/run/current-system/sw/bin"];

/// Answers of the machine's pools about their file systems and volumes.
pub(crate) struct Pools {
    /// `encryption` of each.
    encryption: Result<BTreeMap<String, String>, Reason>,
    /// `encryptionroot` and `keylocation` of each.
    keys: Result<BTreeMap<(String, String), String>, Reason>,
    /// Devices of each pool.
    devices: Result<BTreeMap<String, Vec<PathBuf>>, Reason>,
}

impl Pools {
    pub(crate) fn read(root: &Root) -> Self {
        let all = "filesystem,volume";
        let encryption = ["get", "-Hp", "-t", all, "-o", "name,value", "encryption"];
        let keys = ["get", "-Hp", "-t", all, "-o", "name,property,value", "encryptionroot,keylocation"];
        Self {
            encryption: run(root, "zfs", "zfs", &encryption).map(|text| pairs(&text)),
            keys: run(root, "zfs", "zfs-keys", &keys).map(|text| triples(&text)),
            devices: run(root, "zpool", "zpool", &["status", "-LP"]).map(|text| devices(&text)),
        }
    }

    /// Returns whether a file system or volume is encrypted by ZFS.
    pub(crate) fn encrypted(&self, name: &str) -> Result<bool, Reason> {
        let known = self.encryption.as_ref().map_err(|reason| *reason)?;
        match known.get(name).map(String::as_str) {
            Some("off") => Ok(false),
            Some("-" | "") | None => Err(Reason::Malformed),
            Some(_) => Ok(true),
        }
    }

    /// Returns what opens a file system or volume: the one thing that unlocks its encryption root.
    pub(crate) fn opener(&self, name: &str) -> Result<Opener, Reason> {
        let keys = self.keys.as_ref().map_err(|reason| *reason)?;
        let property = |of: &str, name: &str| keys.get(&(of.to_owned(), name.to_owned())).map(String::as_str);
        let root = property(name, "encryptionroot").unwrap_or(name);
        let location = property(root, "keylocation").ok_or(Reason::Malformed)?;
        match location.split_once("://") {
            Some(("file", path)) => Ok(Opener::KeyFile(path.into())),
            Some(("http" | "https", _)) => Ok(Opener::Protector(Protector::Network)),
            None if location == "prompt" => Ok(Opener::Protector(Protector::Password)),
            _ => Err(Reason::Malformed),
        }
    }

    /// Returns the devices of a pool, or files: as `zpool` lists them, else as udev knows them by their label.
    pub(crate) fn devices(&self, root: &Root, pool: &str) -> Result<Vec<PathBuf>, Reason> {
        match &self.devices {
            Ok(pools) => pools.get(pool).cloned().ok_or(Reason::Malformed),
            Err(reason) => {
                let labelled = labelled(root, pool)?;
                if labelled.is_empty() { Err(*reason) } else { Ok(labelled) }
            }
        }
    }
}

fn run(root: &Root, program: &str, name: &str, args: &[&str]) -> Result<String, Reason> {
    let mut paths = PROGRAMS.iter().map(|folder| format!("{folder}/{program}"));
    let path = paths.find(|path| root.exists(path)).unwrap_or_else(|| format!("/usr/sbin/{program}"));
    Commands::of(root).output(name, &path, args, DEADLINE)?.success()
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn triples(text: &str) -> BTreeMap<(String, String), String> {
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once('\t')?;
        let (property, value) = rest.split_once('\t')?;
        Some(((name.to_owned(), property.to_owned()), value.trim().to_owned()))
    });
    lines.collect()
}

/// Devices in zpool-status(8) with full paths. A spare that waits holds nothing.
fn devices(text: &str) -> BTreeMap<String, Vec<PathBuf>> {
    let mut pools: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut pool = None;
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["pool:", name] => pool = Some(pools.entry((*name).to_owned()).or_default()),
            [path, state, ..] if path.starts_with('/') && *state != "AVAIL" => {
                if let Some(pool) = &mut pool {
                    pool.push(path.into());
                }
            }
            _ => {}
        }
    }
    pools
}

/// Device nodes of a pool's members in udev's database.
fn labelled(root: &Root, pool: &str) -> Result<Vec<PathBuf>, Reason> {
    let mut nodes = Vec::new();
    for name in root.names("/sys/class/block")? {
        let number = root.text_if_there(format!("/sys/class/block/{name}/dev"))?;
        let Some(number) = number.and_then(|number| number.parse::<DeviceNumber>().ok()) else { continue };
        let is = |property, value| media::udev_property(root, number, property).as_deref() == Some(value);
        if is("ID_FS_TYPE", "zfs_member") && is("ID_FS_LABEL", pool) {
            nodes.push(Path::new("/dev").join(name));
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_devices_are_listed_with_mirrors_and_caches() {
        let status = "  pool: rpool\n state: ONLINE\nconfig:\n\n\
            \tNAME                STATE     READ WRITE CKSUM\n\
            \trpool               ONLINE       0     0     0\n\
            \t  mirror-0          ONLINE       0     0     0\n\
            \t    /dev/sda3       ONLINE       0     0     0\n\
            \t    /dev/dm-0       ONLINE       0     0     0\n\
            \tcache\n\t  /dev/sdc1         ONLINE       0     0     0\n\
            \tspares\n\t  /dev/sdd1         AVAIL\n\nerrors: No known data errors\n\n\
            \x20 pool: tank\nconfig:\n\ttank  ONLINE 0 0 0\n\t  /var/tank.img  ONLINE 0 0 0\n";
        let pools = devices(status);
        let of = |pool: &str| pools[pool].iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(of("rpool"), ["/dev/sda3", "/dev/dm-0", "/dev/sdc1"]);
        assert_eq!(of("tank"), ["/var/tank.img"]);
    }
}
