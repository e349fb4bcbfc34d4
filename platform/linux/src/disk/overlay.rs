//! The layers of an overlay, as mountinfo names them (the kernel's `overlayfs.rst`): upper, lower and data-only. Each can
//! hold the files that the overlay shows, so each counts.

use super::mounts::{Mount, holding};
use crate::Root;
use std::path::{Path, PathBuf};

/// Folders in which systemd-sysext and systemd-confext mount their images, in a separate mount namespace.
const EXTENSIONS: [&str; 2] = ["/run/systemd/sysext/extensions", "/run/systemd/confext/extensions"];
/// Folders in which the images of extensions are searched, in this order (systemd-sysext(8)).
const EXTENSION_IMAGES: [&str; 8] = [
    "/etc/extensions",
    "/run/extensions",
    "/var/lib/extensions",
    "/usr/local/lib/extensions",
    "/usr/lib/extensions",
    "/run/confexts",
    "/var/lib/confexts",
    "/usr/lib/confexts",
];
/// Mounts of ostree-prepare-root that are gone once the system has started: images in the repository.
const OSTREE_PRIVATE: &str = "/run/ostree/.private";
const SYSROOT: &str = "/sysroot";

/// One layer of an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) path: PathBuf,
    /// The layer contains the content of files, and no names.
    pub(crate) data_only: bool,
}

/// Returns every layer; none if there is no layer, or one that is not named by an absolute path.
pub(crate) fn layers(mount: &Mount) -> Option<Vec<Layer>> {
    let mut layers = Vec::new();
    for (key, value) in mount.options.iter().filter_map(|option| option.split_once('=')) {
        let layer = |path: &str, data_only| Layer { path: path.into(), data_only };
        match key {
            "upperdir" | "lowerdir+" => layers.push(layer(value, false)),
            "datadir+" => layers.push(layer(value, true)),
            "lowerdir" => layers.extend(lower(value)),
            _ => {}
        }
    }
    (!layers.is_empty() && layers.iter().all(|layer| layer.path.is_absolute())).then_some(layers)
}

/// `lowerdir=a:b::c`: colons separate, and after two colons layers are data-only. A backslash escapes a colon.
fn lower(value: &str) -> Vec<Layer> {
    let mut layers = Vec::new();
    let (mut path, mut data_only) = (String::new(), false);
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => path.extend(chars.next()),
            ':' if path.is_empty() => data_only = true,
            ':' => layers.push(Layer { path: std::mem::take(&mut path).into(), data_only }),
            char => path.push(char),
        }
    }
    layers.push(Layer { path: path.into(), data_only });
    layers
}

/// Returns the mount that holds a layer. A layer at the overlay's own mount point, or in what it covers, lies on the mount
/// below it. Without a mount below, the layer's own is hidden: on ostree and bootc systems it is the one that is now
/// at `/sysroot`.
pub(crate) fn holder<'a>(
    root: &Root,
    mounts: &'a [Mount],
    overlay: &Mount,
    layer: &Path,
) -> Option<&'a Mount> {
    let layer = visible(root, layer);
    let own = mounts.iter().position(|mount| mount == overlay)?;
    let covers = |(at, mount): &(usize, &Mount)| *at >= own && mount.point == overlay.point;
    let others = mounts.iter().enumerate().filter(|other| !covers(other)).map(|(_, mount)| mount);
    let others: Vec<&Mount> = others.filter(|mount| mount.kind != "rootfs").collect();
    let sysroot = || others.iter().copied().rfind(|mount| mount.point == Path::new(SYSROOT));
    if layer == Path::new(SYSROOT) {
        return sysroot().or_else(|| holding(others.iter().copied(), &layer));
    }
    holding(others.iter().copied(), &layer).or_else(sysroot)
}

/// Returns where files of a layer lie, if the layer's own mount is known not to be visible.
fn visible(root: &Root, layer: &Path) -> PathBuf {
    if layer.starts_with(OSTREE_PRIVATE) {
        return SYSROOT.into();
    }
    let extension = EXTENSIONS.iter().find_map(|folder| layer.strip_prefix(folder).ok());
    let Some(name) = extension.and_then(|below| below.iter().next()) else { return layer.to_owned() };
    let raw = Path::new(name).with_extension("raw");
    let images = EXTENSION_IMAGES
        .iter()
        .flat_map(|folder| [Path::new(folder).join(name), Path::new(folder).join(&raw)]);
    let image = images.into_iter().find(|image| root.exists(image));
    image.map_or_else(|| "/var/lib/extensions".into(), |image| root.resolve(&image).unwrap_or(image))
}

#[cfg(test)]
mod tests {
    use super::super::mounts::parse;
    use super::*;

    fn overlay(options: &str) -> Mount {
        parse(&format!("1 0 0:3 / / rw - overlay o {options}")).unwrap().remove(0)
    }

    #[test]
    fn every_kind_of_layer_is_named() {
        let table: &[(&str, &[(&str, bool)])] = &[
            ("rw,lowerdir=/a:/b,upperdir=/u,workdir=/w", &[("/a", false), ("/b", false), ("/u", false)]),
            ("ro,lowerdir=/a:/b::/c:/d", &[("/a", false), ("/b", false), ("/c", true), ("/d", true)]),
            ("ro,lowerdir=/a::/c::/d", &[("/a", false), ("/c", true), ("/d", true)]),
            ("ro,lowerdir+=/a:b,datadir+=/c,metacopy=on", &[("/a:b", false), ("/c", true)]),
            (r"ro,lowerdir=/a\134:b:/c\040d", &[("/a:b", false), ("/c d", false)]),
        ];
        for (options, expected) in table {
            let layers = layers(&overlay(options)).unwrap();
            let seen: Vec<_> = layers.iter().map(|it| (it.path.to_str().unwrap(), it.data_only)).collect();
            assert_eq!(seen, *expected, "{options}");
        }
        for options in ["ro", "rw,lowerdir=a:/b", "rw,lowerdir=/a,upperdir=u"] {
            assert_eq!(layers(&overlay(options)), None, "{options}");
        }
    }

    #[test]
    fn layer_lies_below_the_overlay_that_covers_it() {
        let mounts = parse(
            "1 0 0:2 / / rw - rootfs rootfs rw\n\
             2 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             3 2 0:9 / /run rw - tmpfs tmpfs rw\n\
             4 2 8:2 / /sysroot rw - ext4 /dev/sda2 rw\n\
             5 2 0:5 / / rw - overlay root rw,lowerdir=/\n\
             6 2 0:6 / /usr ro - overlay sysext ro,lowerdir=/usr",
        )
        .unwrap();
        let root = Root::at("/nonexistent");
        let number = |overlay: usize, path| {
            holder(&root, &mounts, &mounts[overlay], Path::new(path)).map(|mount| mount.device.to_string())
        };
        for (overlay, path, device) in [
            (4, "/", "8:1"),
            (4, "/cow", "8:1"),
            (5, "/usr", "0:5"),
            (5, "/usr/lib", "0:5"),
            (4, "/run/ostree/.private/cfsroot-lower", "8:2"),
            (4, "/sysroot/ostree/repo/objects", "8:2"),
            (5, "/run/systemd/sysext/meta/usr", "0:9"),
            (5, "/run/systemd/sysext/extensions/tools/usr", "0:5"),
        ] {
            assert_eq!(number(overlay, path).as_deref(), Some(device), "{overlay} {path}");
        }
        let hidden =
            parse("1 0 0:2 / / rw - rootfs rootfs rw\n2 1 0:6 / / rw - overlay root rw,lowerdir=/").unwrap();
        assert_eq!(holder(&root, &hidden, &hidden[1], Path::new("/cow")), None, "no mount below");
    }
}
