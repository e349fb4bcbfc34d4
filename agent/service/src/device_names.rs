//! Names that this device may tell the verifier: those that the managed configuration allows.

use crate::config::{ManagedConfig, ShareNames};
use std::path::Path;
use vitalsign_protocol::device_names::DeviceNames;

/// Returns the names of the system below `root` that the managed configuration allows; no others are read.
pub(crate) fn allowed(managed: &ManagedConfig, root: &Path) -> DeviceNames {
    let share = managed.layer.share_names.unwrap_or_default();
    let (host_name, asset_tag) = match share {
        ShareNames::None => (false, false),
        ShareNames::HostName => (true, false),
        ShareNames::AssetTag => (false, true),
        ShareNames::Both => (true, true),
    };
    // Management knows it better than the firmware.
    let managed_tag = || managed.layer.asset_tag.clone();
    DeviceNames {
        host_name: host_name.then(|| vitalsign_host::host_name(root)).flatten(),
        asset_tag: asset_tag.then(|| managed_tag().or_else(|| vitalsign_host::asset_tag(root))).flatten(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::config::ConfigLayer;

    #[test]
    fn only_allowed_names_are_read() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in
            [("proc/sys/kernel/hostname", "ward3-pc12\n"), ("sys/class/dmi/id/chassis_asset_tag", "4711\n")]
        {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for (settings, host_name, asset_tag) in [
            ("", None, None),
            ("key = 'auto'", None, None),
            ("asset-tag = 'IT-1'", None, None),
            ("share-names = 'none'\nasset-tag = 'IT-1'", None, None),
            ("share-names = 'host-name'\nasset-tag = 'IT-1'", Some("ward3-pc12"), None),
            ("share-names = 'asset-tag'", None, Some("4711")),
            ("share-names = 'asset-tag'\nasset-tag = 'IT-1'", None, Some("IT-1")),
            ("share-names = 'both'", Some("ward3-pc12"), Some("4711")),
        ] {
            let layer = ConfigLayer::parse(Path::new("x"), settings).unwrap().layer;
            let names = allowed(&ManagedConfig::read("/nowhere/agent.toml".into(), layer), root.path());
            let found = (names.host_name.map(String::from), names.asset_tag.map(String::from));
            assert_eq!((found.0.as_deref(), found.1.as_deref()), (host_name, asset_tag), "{settings}");
        }
    }
}
