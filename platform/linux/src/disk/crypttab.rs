//! Key files: crypttab(5) and the kernel's command line name them. A key file beside the data that it opens, readable
//! before anything is unlocked, protects nothing.

use super::stack::{Backing, Crypt, Stacks};
use crate::Root;
use std::path::{Path, PathBuf};
use vitalsign_protocol::fact::Reason;

const RANDOM: [&str; 4] = ["/dev/urandom", "/dev/random", "/dev/hw_random", "/dev/hwrng"];
/// Options with which the key file holds what a TPM or a token turns into the key.
const WRAPPED: [&str; 3] = ["tpm2-device=", "fido2-device=", "pkcs11-uri="];
/// The program that prints the key file as it is, as a `keyscript`.
const CAT: &str = "cat";
/// Key file that mkinitcpio's hook `encrypt` uses if the command line names none, and the settings that copy it into
/// the initial RAM disk.
const MKINITCPIO_KEY: &str = "/crypto_keyfile.bin";
const MKINITCPIO: &str = "/etc/mkinitcpio.conf";
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
        let by_script = self.option("keyscript").is_some_and(|path| path.rsplit('/').next() != Some(CAT));
        by_script || self.options.iter().any(|option| WRAPPED.iter().any(|kind| option.starts_with(kind)))
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
    let command_line = stacks.root.text_if_there("/proc/cmdline")?.unwrap_or_default();
    let keys = named_keys(&command_line, crypt);
    if keys.iter().any(|key| key.device.is_none() && key.path.starts_with('/'))
        || has_mkinitcpio_key(stacks.root, &command_line, crypt)?
    {
        return boot_is_plain(stacks);
    }
    let no_entry = Entry::default();
    let entry = entry.unwrap_or(&no_entry);
    let devices = keys.iter().filter_map(|key| key.device.map(str::to_owned));
    for device in entry.key_device().into_iter().chain(devices) {
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

/// Key file that the command line names.
struct NamedKey<'a> {
    path: &'a str,
    /// Device on which it lies; none for the initial RAM disk.
    device: Option<&'a str>,
}

/// Key files that the command line names for the device: `[rd.]luks.key=[UUID=]path[:device]` of systemd,
/// `rd.luks.key=path[:device[:volume]]` of dracut, and `cryptkey=device:type:path`, `cryptkey=device:offset:size` or
/// `cryptkey=rootfs:path` of mkinitcpio.
fn named_keys<'a>(command_line: &'a str, crypt: &Crypt) -> Vec<NamedKey<'a>> {
    let is_this = |uuid: &str| crypt.uuid.contains(&uuid.replace('-', ""));
    let is_uuid = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let named = |word: &'a str| {
        if let Some(key) = word.strip_prefix("cryptkey=") {
            return match key.split_once(':')? {
                ("rootfs", path) => Some(NamedKey { path, device: None }),
                (device, path) => Some(NamedKey { path, device: Some(device) }),
            };
        }
        let key = word.strip_prefix("rd.").unwrap_or(word).strip_prefix("luks.key=")?;
        let (uuid, key) = key.split_once('=').filter(|(uuid, _)| is_uuid(uuid)).unwrap_or(("", key));
        let mut parts = key.splitn(3, ':');
        let (path, device, volume) = (parts.next()?, parts.next(), parts.next().unwrap_or_default());
        let volume = volume.strip_prefix("UUID=").unwrap_or_default();
        (is_this(uuid) && is_this(volume)).then_some(NamedKey { path, device })
    };
    command_line.split_whitespace().filter_map(named).collect()
}

/// Returns whether mkinitcpio's hook finds its key file in the initial RAM disk: the command line names the device, and no
/// key.
fn has_mkinitcpio_key(root: &Root, command_line: &str, crypt: &Crypt) -> Result<bool, Reason> {
    let mut words = command_line.split_whitespace();
    let opens = |word: &str| {
        let mut parts = word.strip_prefix("cryptdevice=")?.split(':');
        parts.nth(1).map(|name| name == crypt.name)
    };
    if command_line.contains("cryptkey=") || !words.any(|word| opens(word) == Some(true)) {
        return Ok(false);
    }
    let settings = root.text_if_there(MKINITCPIO)?.unwrap_or_default();
    let mut lines = settings.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    Ok(root.exists(MKINITCPIO_KEY) && lines.any(|line| line.contains(MKINITCPIO_KEY)))
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
            printed UUID=1 /etc/cryptsetup-keys.d/file.key luks,keyscript=/bin/cat\n\
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
            ("printed", Some("/etc/cryptsetup-keys.d/file.key"), false),
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

    #[test]
    fn command_line_names_keys_in_several_ways() {
        let crypt = Crypt {
            format: super::super::stack::Format::Luks2,
            name: "root".into(),
            uuid: "CRYPT-LUKS2-11111111222233334444555555555555-root".into(),
            below: Vec::new(),
        };
        let uuid = "11111111-2222-3333-4444-555555555555";
        for (word, expected) in [
            ("rd.luks.key=/key".to_owned(), Some(("/key", None))),
            ("luks.key=/key".to_owned(), Some(("/key", None))),
            (format!("luks.key={uuid}=/key"), Some(("/key", None))),
            (format!("rd.luks.key={uuid}=/key:LABEL=keys"), Some(("/key", Some("LABEL=keys")))),
            ("rd.luks.key=99999999-2222=/key".to_owned(), None),
            ("rd.luks.key=/key:UUID=ab-cd".to_owned(), Some(("/key", Some("UUID=ab-cd")))),
            (format!("rd.luks.key=/key:/dev/sdb1:UUID={uuid}"), Some(("/key", Some("/dev/sdb1")))),
            ("rd.luks.key=/key:/dev/sdb1:UUID=99999999".to_owned(), None),
            ("cryptkey=rootfs:/key".to_owned(), Some(("/key", None))),
            ("cryptkey=LABEL=keys:ext4:/key".to_owned(), Some(("ext4:/key", Some("LABEL=keys")))),
            ("rd.luks.keyfile=/key".to_owned(), None),
            ("xluks.key=/key".to_owned(), None),
        ] {
            let line = format!("quiet {word} splash");
            let found = named_keys(&line, &crypt).pop().map(|key| (key.path, key.device));
            assert_eq!(found, expected, "{word}");
        }
    }
}
