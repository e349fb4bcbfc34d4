//! Key files: crypttab(5) and the kernel's command line name them. A key file beside the data that it opens, readable
//! before anything is unlocked, protects nothing.

use super::stack::{Backing, Crypt, Stacks};
use crate::Root;
use std::path::{Path, PathBuf};
use vitalsign_protocol::fact::Reason;

const RANDOM: [&str; 4] = ["/dev/urandom", "/dev/random", "/dev/hw_random", "/dev/hwrng"];
/// Options with which the key file holds what a TPM, a token or a program turns into the key.
const WRAPPED: [&str; 4] = ["tpm2-device=", "fido2-device=", "pkcs11-uri=", "keyscript="];
/// Folders in which systemd looks for `<name>.key` if crypttab names no file.
const KEY_FOLDERS: [&str; 2] = ["/etc/cryptsetup-keys.d", "/run/cryptsetup-keys.d"];
/// Folders of boot loaders with initial RAM disks, in the mount points of EFI system partitions.
const BOOT_ENTRIES: [&str; 6] = [
    "/efi/EFI/Linux",
    "/efi/loader/entries",
    "/boot/EFI/Linux",
    "/boot/loader/entries",
    "/boot/efi/EFI/Linux",
    "/boot/efi/loader/entries",
];

/// Line of crypttab(5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Third field; none for `none` and `-`.
    key: Option<String>,
    options: Vec<String>,
}

impl Entry {
    /// Reads the line of a device; none if crypttab does not list it.
    pub(crate) fn read(root: &Root, name: &str) -> Result<Option<Self>, Reason> {
        let crypttab = root.text_if_there("/etc/crypttab")?.unwrap_or_default();
        let mut lines = crypttab.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        Ok(lines.rfind(|words| words.first() == Some(&name)).map(|words| Self {
            key: words.get(2).filter(|key| !["none", "-"].contains(key)).map(|key| (*key).to_owned()),
            options: words.get(3).unwrap_or(&"").split(',').map(str::to_owned).collect(),
        }))
    }

    /// Returns whether the device gets a random key at each boot.
    pub(crate) fn random_key(&self) -> bool {
        self.key.as_deref().is_some_and(|key| RANDOM.contains(&key))
    }

    /// Value of an option: `cipher=`, `header=`.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    /// Device on which the key file lies, if it is named: `path:device` (crypttab(5)).
    fn key_device(&self) -> Option<String> {
        let key = self.key.as_ref().filter(|_| !self.is_wrapped())?;
        let (path, device) = key.split_once(':')?;
        path.starts_with('/').then(|| device.to_owned())
    }

    fn is_wrapped(&self) -> bool {
        self.options.iter().any(|option| WRAPPED.iter().any(|kind| option.starts_with(kind)))
    }

    /// Path of the key file, unless it lies on a named device or holds a wrapped key.
    fn key_file(&self, root: &Root, name: &str) -> Option<PathBuf> {
        if self.is_wrapped() {
            return None;
        }
        let named = match &self.key {
            Some(key) => vec![PathBuf::from(key)],
            None => KEY_FOLDERS.iter().map(|folder| Path::new(folder).join(format!("{name}.key"))).collect(),
        };
        named.into_iter().find(|path| {
            path.is_absolute()
                && !path.starts_with("/dev")
                && !path.to_string_lossy().contains(':')
                && root.exists(path)
        })
    }
}

/// Path of the device that `UUID=`, `LABEL=` and the like name, or a path in `/dev`.
fn node(device: &str) -> PathBuf {
    match device.split_once('=') {
        Some((tag, value)) => {
            format!("/dev/disk/by-{}/{}", tag.to_ascii_lowercase(), value.trim_matches('"')).into()
        }
        None => device.into(),
    }
}

/// Returns whether a device that holds a key stays with the machine, and anyone can read it. An absent device was taken
/// away, as a stick is.
fn is_plain_and_fixed(stacks: &Stacks<'_>, device: &str) -> Result<bool, Reason> {
    let node = node(device);
    if !node.starts_with("/dev") || !stacks.root.exists(&node) {
        return Ok(false);
    }
    let number = stacks.number(&node.to_string_lossy())?;
    Ok(!stacks.is_removable_device(number) && stacks.under_device(number)?.contains(&Backing::Plain))
}

/// Returns whether a key file that opens the device can be read by anyone who has the machine.
pub(crate) fn key_is_in_the_clear(
    stacks: &Stacks<'_>,
    crypt: &Crypt,
    entry: Option<&Entry>,
) -> Result<bool, Reason> {
    if in_initial_ram_disk(stacks.root, crypt)? {
        return boot_is_plain(stacks);
    }
    let no_entry = Entry::default();
    let entry = entry.unwrap_or(&no_entry);
    for device in entry.key_device().into_iter().chain(command_line_devices(stacks.root, crypt)?) {
        if is_plain_and_fixed(stacks, &device)? {
            return Ok(true);
        }
    }
    let Some(file) = entry.key_file(stacks.root, &crypt.name) else { return Ok(false) };
    if stacks.is_on_removable(&file) {
        return Ok(false);
    }
    let ends = stacks.under_file(&file)?;
    // The key of the volume that it lies on itself comes from a copy in the initial RAM disk.
    let own = ends.iter().any(|end| matches!(end, Backing::Crypt(other) if other.name == crypt.name));
    Ok(ends.contains(&Backing::Plain) || (own && boot_is_plain(stacks)?))
}

/// Devices on which the command line says that a key for the device lies: `rd.luks.key=[UUID=]path:device` of dracut and
/// systemd, and `cryptkey=device:type:path` or `cryptkey=device:offset:size` of mkinitcpio.
fn command_line_devices(root: &Root, crypt: &Crypt) -> Result<Vec<String>, Reason> {
    let cmdline = root.text_if_there("/proc/cmdline")?.unwrap_or_default();
    let device = |word: &str| {
        if let Some(key) = word.strip_prefix("cryptkey=") {
            return key.split_once(':').map(|(device, _)| device.to_owned());
        }
        let key = word.strip_prefix("rd.luks.key=")?;
        let (path, device) = key.split_once(':')?;
        let (uuid, _) = path.split_once('=').unwrap_or(("", path));
        crypt.uuid.contains(&uuid.replace('-', "")).then(|| device.to_owned())
    };
    Ok(cmdline.split_whitespace().filter_map(device).collect())
}

/// Returns whether the command line names a key file for the device that lies on no separate device: dracut's and
/// systemd's `rd.luks.key=[UUID=]path[:device]`, mkinitcpio's `cryptkey=rootfs:path`.
fn in_initial_ram_disk(root: &Root, crypt: &Crypt) -> Result<bool, Reason> {
    let cmdline = root.text_if_there("/proc/cmdline")?.unwrap_or_default();
    Ok(cmdline.split_whitespace().any(|word| {
        if word.starts_with("cryptkey=rootfs:") {
            return true;
        }
        let Some(key) = word.strip_prefix("rd.luks.key=") else { return false };
        let (uuid, path) = key.split_once('=').map_or(("", key), |(uuid, path)| (uuid, path));
        let uuid = uuid.replace('-', "");
        path.starts_with('/') && !path.contains(':') && (uuid.is_empty() || crypt.uuid.contains(&uuid))
    }))
}

/// Returns whether initial RAM disks can be read before a volume is unlocked.
pub(crate) fn boot_is_plain(stacks: &Stacks<'_>) -> Result<bool, Reason> {
    let plain = |path: &Path| Ok::<_, Reason>(stacks.under_file(path)?.contains(&Backing::Plain));
    let mut places = vec![PathBuf::from("/boot")];
    for folder in BOOT_ENTRIES {
        if !stacks.root.names(folder)?.is_empty() {
            places.push(folder.into());
        }
    }
    places.iter().try_fold(false, |found, place| Ok(found || plain(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_are_those_that_open_the_volume() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        std::fs::create_dir_all(folder.path().join("etc/cryptsetup-keys.d")).unwrap();
        for name in ["file", "implied", "absent"] {
            std::fs::write(folder.path().join(format!("etc/cryptsetup-keys.d/{name}.key")), "k").unwrap();
        }
        std::fs::remove_file(folder.path().join("etc/cryptsetup-keys.d/absent.key")).unwrap();
        let crypttab = "# comment\n\
            file UUID=1 /etc/cryptsetup-keys.d/file.key luks\n\
            implied UUID=1 none luks\n\
            absent UUID=1 /etc/cryptsetup-keys.d/absent.key luks\n\
            wrapped UUID=1 /etc/cryptsetup-keys.d/file.key tpm2-device=auto\n\
            script UUID=1 /etc/cryptsetup-keys.d/file.key luks,keyscript=/lib/x\n\
            stick UUID=1 /file.key:UUID=2 luks\n\
            random UUID=1 /dev/urandom swap,cipher=aes-xts-plain64\n\
            typed UUID=1 - luks,header=/boot/header\n";
        std::fs::write(folder.path().join("etc/crypttab"), crypttab).unwrap();
        for (name, file, random) in [
            ("file", Some("/etc/cryptsetup-keys.d/file.key"), false),
            ("implied", Some("/etc/cryptsetup-keys.d/implied.key"), false),
            ("absent", None, false),
            ("wrapped", None, false),
            ("script", None, false),
            ("stick", None, false),
            ("random", None, true),
            ("typed", None, false),
        ] {
            let entry = Entry::read(&root, name).unwrap().unwrap();
            assert_eq!(entry.key_file(&root, name).as_deref(), file.map(Path::new), "{name}");
            assert_eq!(entry.random_key(), random, "{name}");
        }
        assert_eq!(Entry::read(&root, "unlisted").unwrap(), None);
        let entry = |name| Entry::read(&root, name).unwrap().unwrap();
        assert_eq!(entry("random").option("cipher"), Some("aes-xts-plain64"));
        assert_eq!(entry("typed").option("header"), Some("/boot/header"));
        assert_eq!(entry("typed").option("cipher"), None);
    }
}
