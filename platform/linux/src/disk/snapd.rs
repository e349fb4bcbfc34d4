//! snapd's encryption up to Ubuntu (Core) 24.04: the key data lies in files beside the boot loader, not in the LUKS header.

use super::stack::Backing;
use super::tokens::{self, Opener};
use crate::Root;
use std::io::ErrorKind;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Protector;

/// Key of the volume with the data, sealed by a TPM, or by a hook of the kernel's snap.
const SEALED_KEY: &str = "/run/mnt/ubuntu-boot/device/fde/ubuntu-data.sealed-key";
/// Begin of a key that a TPM seals, in secboot's first format. Later ones are JSON.
const TPM_MAGIC: &[u8] = b"USK$";
const HOOKS: [&str; 2] =
    ["/run/mnt/kernel/meta/hooks/fde-setup", "/run/mnt/kernel/meta/hooks/fde-reveal-key"];

/// Returns what opens one of snapd's volumes, which it names by the labels of their partitions.
pub(crate) fn opener(root: &Root, volume: &Backing) -> Result<Opener, Reason> {
    let name = if let Backing::Crypt(crypt) = volume { crypt.name.as_str() } else { "" };
    if name.starts_with("ubuntu-save") {
        return Ok(Opener::KeyFile(tokens::SNAPD_KEYS.into()));
    }
    if !name.starts_with("ubuntu-data") {
        return Err(Reason::Malformed);
    }
    match root.read(SEALED_KEY) {
        Ok(key) if key.starts_with(TPM_MAGIC) => Ok(Opener::Protector(Protector::Tpm)),
        Ok(key) => tokens::ubuntu(&serde_json::from_slice(&key).map_err(|_| Reason::Malformed)?),
        // Only root may read it. Without a hook, it can only be sealed by a TPM.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let by_tpm = root.exists("/sys/class/tpm/tpm0") && !HOOKS.iter().any(|hook| root.exists(hook));
            if by_tpm { Ok(Opener::Protector(Protector::Tpm)) } else { Err(Reason::Denied) }
        }
        Err(error) => Err(error.into()),
    }
}
