//! Names of this machine: its host name, and the asset tag that the owner wrote into its firmware (SMBIOS). They are not facts
//! of the posture. A name that cannot be read is the same as none.

use crate::Root;
use vitalsign_protocol::device_names::{AssetTag, HostName};

/// Files with an asset tag, the chassis' first: owners label that. Every user may read them.
const ASSET_TAG_FILES: [&str; 2] =
    ["/sys/class/dmi/id/chassis_asset_tag", "/sys/class/dmi/id/board_asset_tag"];

/// Host names of machines that were given none.
const DEFAULT_HOST_NAMES: [&str; 3] = ["localhost", "localhost.localdomain", "(none)"];

/// Values that makers leave in place of an asset tag, in lower case without punctuation; collected from the outputs and the
/// filters of dmidecode(8), systemd and inventory programs. A cloud's name is the same for all its machines.
const PLACEHOLDERS: [&str; 49] = [
    "",
    "0123456789",
    "12345678",
    "123456789",
    "1234567890",
    "77837084326590858269328677",
    "amazonec2",
    "asset",
    "asset1234567890",
    "assetnumber",
    "assettag",
    "atn12345678901234567",
    "baseboardassettag",
    "boardassettag",
    "chassisassettag",
    "default",
    "defaultassettag",
    "defaultstring",
    "empty",
    "enclosureassettag",
    "fillbyoem",
    "filledbyoem",
    "invalid",
    "na",
    "no",
    "noassetinformation",
    "noassettag",
    "none",
    "notapplicable",
    "notassigned",
    "notavailable",
    "notdefined",
    "notprovided",
    "notset",
    "notspecified",
    "null",
    "oem",
    "oraclecloudcom",
    "reserved",
    "standard",
    "systemassettag",
    "tobedefinedbyoem",
    "tobefilledbyoem",
    "type2boardassettag",
    "type3chassisassettag",
    "undefined",
    "unknown",
    "unspecified",
    "yourassettag",
];

/// Returns the host name that the kernel has now.
#[must_use]
pub fn host_name(root: &Root) -> Option<HostName> {
    let name = text(root, "/proc/sys/kernel/hostname")?;
    let is_default = DEFAULT_HOST_NAMES.contains(&name.to_ascii_lowercase().as_str());
    if is_default { None } else { HostName::try_from(name).ok() }
}

/// Returns the first asset tag in the firmware that is not a maker's placeholder.
#[must_use]
pub fn asset_tag(root: &Root) -> Option<AssetTag> {
    let tags = ASSET_TAG_FILES.iter().filter_map(|file| text(root, file));
    tags.filter(|tag| !is_placeholder(tag)).find_map(|tag| AssetTag::try_from(tag).ok())
}

/// Reads a text and trims it; `None` if it cannot be read.
fn text(root: &Root, file: &str) -> Option<String> {
    Some(String::from_utf8(root.read(file).ok()?).ok()?.trim().to_owned())
}

fn is_placeholder(tag: &str) -> bool {
    let letters: String = tag.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    // `0x00000000`, `XXXXXXX`, `FFFFFFFF`.
    let is_filled = |with: &str| letters.chars().all(|c| with.contains(c));
    PLACEHOLDERS.contains(&letters.as_str()) || is_filled("0x") || is_filled("f")
}
