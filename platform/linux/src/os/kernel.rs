//! The kernel that runs, and the newest one of its kind that is installed.

use crate::Root;
use crate::updates::version::compare;
use vitalsign_protocol::fact::{Fact, MAX_TEXT, Reason};
use vitalsign_protocol::posture::{Os, Posture};

/// The running kernel's release, as `uname -r` says it.
///
/// # Errors
/// When the root does not say.
pub fn running(root: &Root) -> Result<String, Reason> {
    if root.is_live()
        && let Ok(release) = sysinfo::System::kernel_version()
    {
        return Ok(release);
    }
    let release = root.text("/proc/sys/kernel/osrelease")?;
    if release.is_empty() || release.len() > MAX_TEXT { Err(Reason::Malformed) } else { Ok(release) }
}

/// The newest installed kernel of the same flavour as `running`; none where the system's packages hold no such kernel
/// (a container, a virtual machine whose kernel comes from outside).
///
/// # Errors
/// When the folders that hold kernels cannot be read.
pub fn installed(root: &Root, running: &str) -> Result<Option<String>, Reason> {
    let mut kernels = Vec::new();
    for name in root.names("/boot")? {
        kernels.extend(name.strip_prefix("vmlinuz-").map(str::to_owned));
    }
    for modules in ["/lib/modules", "/usr/lib/modules"] {
        for name in root.names(modules)? {
            // Modules built for a kernel that is gone leave a folder without an index of the kernel's own modules.
            let is_kernel = |file: &str| root.exists(format!("{modules}/{name}/{file}"));
            if is_kernel("modules.builtin") || is_kernel("vmlinuz") {
                kernels.push(name);
            }
        }
    }
    let same = |kernel: &String| kernel.len() <= MAX_TEXT && flavour(kernel) == flavour(running);
    Ok(kernels.into_iter().filter(same).max_by(|left, right| compare(left, right)))
}

/// `rt-amd64` of `6.1.0-37-rt-amd64`, `debug` of `6.10.5-200.fc40.x86_64+debug`: what follows the last part that
/// begins with a digit.
fn flavour(release: &str) -> String {
    let parts: Vec<_> = release.split('-').collect();
    let counted =
        parts.iter().rposition(|part| part.starts_with(|c: char| c.is_ascii_digit())).map_or(0, |at| at + 1);
    match parts.get(counted..) {
        Some([]) | None => release.rsplit_once('+').map_or("", |(_, variant)| variant).to_owned(),
        Some(rest) => rest.join("-"),
    }
}

pub(super) fn read(root: &Root) -> Result<Os, Reason> {
    let running = running(root);
    let arch = if root.is_live() { Some(sysinfo::System::cpu_arch()) } else { None };
    let arch = arch.or_else(|| root.text_if_there("/proc/sys/kernel/arch").ok().flatten());
    Ok(Os {
        kernel_installed: match running.clone().and_then(|running| installed(root, &running)) {
            Ok(newest) => Fact::or_unsupported(newest),
            Err(reason) => Fact::Unreadable(reason),
        },
        kernel: running.into(),
        arch: Fact::or_unsupported(arch.filter(|arch| !arch.is_empty() && arch.len() <= MAX_TEXT)),
        ..Os::default()
    })
}

pub(super) fn put(posture: &mut Posture, seen: Result<Os, Reason>) {
    let os = &mut posture.os;
    match seen {
        Ok(seen) => {
            (os.kernel, os.kernel_installed, os.arch) = (seen.kernel, seen.kernel_installed, seen.arch)
        }
        Err(reason) => {
            os.kernel = Fact::Unreadable(reason);
            os.kernel_installed = Fact::Unreadable(reason);
            os.arch = Fact::Unreadable(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavours() {
        for (release, expected) in [
            ("6.1.0-37-amd64", "amd64"),
            ("6.1.0-37-rt-amd64", "rt-amd64"),
            ("6.9.7+bpo-cloud-amd64", "cloud-amd64"),
            ("6.8.0-45-generic", "generic"),
            ("6.10.5-200.fc40.x86_64", ""),
            ("6.10.5-200.fc40.x86_64+debug", "debug"),
            ("6.4.0-150600.23.17-default", "default"),
            ("6.10.5-arch1-1", ""),
            ("6.6.47-1-lts", "lts"),
            ("6.6.31+rpt-rpi-v8", "rpi-v8"),
            ("6.18.44-fc-v657", "fc-v657"),
            ("", ""),
        ] {
            assert_eq!(flavour(release), expected, "{release}");
        }
    }

    #[test]
    fn the_newest_of_the_same_flavour() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::at(tree.path());
        assert_eq!(installed(&root, "6.1.0-9-amd64"), Ok(None));
        std::fs::create_dir_all(tree.path().join("boot")).unwrap();
        for kernel in ["6.1.0-9-amd64", "6.1.0-37-amd64", "6.1.0-40-rt-amd64", "6.1.0-10-amd64"] {
            std::fs::write(tree.path().join("boot").join(format!("vmlinuz-{kernel}")), "").unwrap();
        }
        for (modules, index) in [("6.1.0-38-amd64", true), ("6.1.0-99-amd64", false)] {
            let folder = tree.path().join("lib/modules").join(modules);
            std::fs::create_dir_all(folder.join("updates/dkms")).unwrap();
            if index {
                std::fs::write(folder.join("modules.builtin"), "").unwrap();
            }
        }
        for (running, expected) in [
            ("6.1.0-9-amd64", Some("6.1.0-38-amd64")),
            ("6.1.0-40-rt-amd64", Some("6.1.0-40-rt-amd64")),
            ("5.15.153.1-microsoft-standard-WSL2", None),
        ] {
            assert_eq!(installed(&root, running).unwrap().as_deref(), expected, "{running}");
        }
    }
}
