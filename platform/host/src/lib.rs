//! Picks the probes and the keys of the system that this program was built for.
//!
//! Every system has the same functions and types here, so that callers need no `cfg`. A function that a system lacks
//! returns `Unsupported`.

#[cfg(target_os = "linux")]
mod linux;
// Also in the tests of Linux, so that the compiler names a new fact there.
#[cfg(any(test, not(target_os = "linux")))]
#[cfg_attr(target_os = "linux", expect(dead_code, unreachable_pub, reason = "only its probes are used"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use system::{SystemWatch, asset_tag, host_name, is_in_front, probes, users_in_front, watch};

use std::path::{Path, PathBuf};
use vitalsign_keychain::SoftwareKey;
use vitalsign_platform_api::{DeviceKey, KeyError};

/// Settings of the probes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file system to read: `/`, or a recorded tree.
    pub root: PathBuf,
    /// State folder, where the probes of the service cache results. Other programs set `None` and cache
    /// nothing.
    pub state: Option<PathBuf>,
    /// The user's session whose settings count. `None`: the session of this process, on the running machine.
    pub session: Option<LoginSession>,
}

/// A user's graphical session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSession {
    /// Names of desktops with colons between them, as in `XDG_CURRENT_DESKTOP`.
    pub desktop: String,
    /// Folder of the user's settings: `XDG_CONFIG_HOME` or `~/.config`.
    pub settings: PathBuf,
}

/// Opens the report key and creates it if it is missing: `software` is a key in the system's keychain, any
/// other value a TPM (see [`vitalsign_tpm_client::Address`]; `auto` is this machine's). Never falls back to
/// software.
pub fn device_key(spec: &str, state: &Path) -> Result<Box<dyn DeviceKey>, KeyError> {
    match spec {
        "software" => Ok(Box::new(SoftwareKey::open(&software_key_name(state))?)),
        spec => Ok(Box::new(vitalsign_tpm_client::open(spec, state, None)?)),
    }
}

/// Sets a report key aside that is lost: the next opening makes another. A key in software is forgotten.
pub fn set_key_aside(spec: &str, state: &Path) -> Result<(), KeyError> {
    match spec {
        "software" => SoftwareKey::forget(&software_key_name(state)),
        _ => vitalsign_tpm_client::set_aside(state),
    }
}

/// Replaces a report key that is lost by the one that was set aside, and returns whether there was one.
pub fn restore_key(spec: &str, state: &Path) -> Result<bool, KeyError> {
    match spec {
        "software" => Ok(false),
        _ => vitalsign_tpm_client::restore(state),
    }
}

/// Removes a report key that was set aside.
pub fn drop_key_aside(spec: &str, state: &Path) -> Result<(), KeyError> {
    match spec {
        "software" => Ok(()),
        _ => vitalsign_tpm_client::drop_aside(state),
    }
}

/// Name in the keychain, one for each state folder.
fn software_key_name(state: &Path) -> String {
    format!("report key of {}", state.display())
}
