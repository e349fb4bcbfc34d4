//! The last managed configuration that could be used, in the state folder: a device whose files cannot be used goes on with
//! it, also after a restart. No enrolment token is in it.

use super::files::{ManagedFiles, SettingOrigin};
use super::layer::ConfigLayer;
use super::settings::{is_table, setting};
use super::{MAX_FILE, read_capped};
use crate::store::write_whole;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "settings.toml";

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// Keeps the settings, unless the same are kept already.
pub(crate) fn keep(state: &Path, layer: &ConfigLayer) -> io::Result<()> {
    let text = toml::to_string(layer).map_err(io::Error::other)?;
    let path = path(state);
    if read_capped(&path, MAX_FILE).is_ok_and(|kept| kept.is_some_and(|kept| *kept == text)) {
        return Ok(());
    }
    write_whole(&path, text.as_bytes())
}

/// Reads the settings that were kept last. Those that this version does not know are left out: a newer version wrote them.
/// A damaged file is the same as none.
pub(crate) fn read(state: &Path) -> ManagedFiles {
    let path = path(state);
    let Ok(Some(text)) = read_capped(&path, MAX_FILE) else { return ManagedFiles::default() };
    let Ok(mut table) = text.parse::<toml::Table>() else { return ManagedFiles::default() };
    table.retain(|name, value| match value {
        toml::Value::Table(inner) if is_table(name) => {
            inner.retain(|inner, _| setting(&format!("{name}.{inner}")).is_some());
            true
        }
        _ => setting(name).is_some(),
    });
    let Ok(layer) = table.try_into::<ConfigLayer>() else { return ManagedFiles::default() };
    let names = super::settings::SETTINGS.iter().map(|setting| setting.name);
    let origins: BTreeMap<_, _> = names
        .filter(|name| layer.shown(name).is_some())
        .map(|name| (name, SettingOrigin { path: path.clone(), line: 1 }))
        .collect();
    ManagedFiles { layer, origins }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_settings_without_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let text = "key = 'software'\nenrolment-token = 'vse_5ecre7'\n[support]\nphone = '1'";
        let mut layer = ConfigLayer::parse(Path::new("x"), text).unwrap().layer;
        keep(folder.path(), &layer).unwrap();
        layer.enrolment_token = None;
        assert_eq!(read(folder.path()).layer, layer);
        assert!(!std::fs::read_to_string(path(folder.path())).unwrap().contains("5ecre7"));
    }

    #[test]
    fn older_version_leaves_out_newer_settings() {
        let folder = tempfile::tempdir().unwrap();
        let newer = "key = 'software'\nnewer = 1\n[support]\nphone = '1'\nnewer = '2'\n[newest]\nx = 1";
        std::fs::write(path(folder.path()), newer).unwrap();
        let layer = read(folder.path()).layer;
        assert_eq!(layer.key.as_deref(), Some("software"));
        assert_eq!(layer.support.unwrap().phone.as_deref(), Some("1"));
        for damaged in ["key = 'soft", "key = 1", ""] {
            std::fs::write(path(folder.path()), damaged).unwrap();
            assert_eq!(read(folder.path()), ManagedFiles::default());
        }
    }
}
