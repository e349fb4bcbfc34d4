//! The kernel that runs, and the newest installed one of its line: what a restart would be for.
//!
//! Distributions install several lines side by side (Ubuntu's GA and HWE, Oracle's UEK and RHCK, Manjaro's series). Another
//! line is no update of the running one, whatever its version.

use crate::Root;
use crate::updates::apt;
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

/// Ends of files in `/boot` that are copies, signatures or remains of a kernel.
const NOT_KERNELS: [&str; 11] =
    [".old", ".bak", ".orig", ".save", ".rpmsave", ".rpmnew", ".signed", ".efi", ".hmac", ".sig", "~"];

/// The newest installed kernel of the same line as `running`; none where the system's packages hold no such kernel
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
    let system = System::of(root);
    let line = system.line(running);
    let same =
        |kernel: &String| kernel.len() <= MAX_TEXT && is_release(kernel) && system.line(kernel) == line;
    Ok(kernels.into_iter().filter(same).max_by(|left, right| compare(left, right)))
}

/// Returns whether a newer build of the running kernel is installed under the same name. Debian gives a kernel a new name
/// only when its modules' interface changes (<https://wiki.debian.org/DebianKernelABIChanges>; needrestart calls the
/// other case "ABI compatible upgrade pending"). The running kernel says its package's version:
/// `#1 SMP Debian 6.1.140-1 (2025-05-22)`.
pub(super) fn is_rebuilt(root: &Root, running: &str) -> bool {
    let version = root.text("/proc/version").unwrap_or_default();
    let build = version.rsplit_once(" #").and_then(|(_, build)| build.split_once(" Debian "));
    let build = build.and_then(|(_, build)| build.split_ascii_whitespace().next());
    let names = [format!("linux-image-{running}"), format!("linux-image-{running}-unsigned")];
    let package = apt::version_of(root, &names.each_ref().map(String::as_str)).ok().flatten();
    matches!((build, package), (Some(build), Some(package)) if compare(build, &package).is_lt())
}

/// A release begins with its version; a rescue image has none, and a copy has an ending.
fn is_release(name: &str) -> bool {
    let (major, rest) = name.split_once('.').unwrap_or_default();
    let is_version = !major.is_empty() && major.bytes().all(|digit| digit.is_ascii_digit());
    let is_copy = NOT_KERNELS.iter().any(|end| name.ends_with(end)) || name.contains(".dpkg-");
    is_version && rest.starts_with(|c: char| c.is_ascii_digit()) && !is_copy
}

/// Kernels that releases of Ubuntu with long support came with (<https://ubuntu.com/kernel/lifecycle>).
const UBUNTU_FIRST: [(&str, &str); 6] = [
    ("xenial", "4.4"),
    ("bionic", "4.15"),
    ("focal", "5.4"),
    ("jammy", "5.15"),
    ("noble", "6.8"),
    ("resolute", "7.0"),
];

/// Naming of kernel lines by a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    /// The kernels that a release came with are one line, with a version of two numbers. HWE kernels are another, with a
    /// new version every half year. Mainline builds are separate lines.
    Ubuntu { first: Option<&'static str> },
    /// A line has a version of two numbers: Manjaro, Amazon Linux.
    Series,
    /// A line has any version.
    Other,
}

impl System {
    fn of(root: &Root) -> Self {
        let release = crate::release::fields(root).unwrap_or_default();
        let family = ["ID", "ID_LIKE"].map(|name| release.get(name).cloned().unwrap_or_default()).join(" ");
        let is = |name: &str| family.split_ascii_whitespace().any(|word| word == name);
        match () {
            () if is("ubuntu") => {
                let name = |field: &str| release.get(field).map(String::as_str);
                let codename = name("UBUNTU_CODENAME").or(name("VERSION_CODENAME"));
                let first = UBUNTU_FIRST.iter().find(|(release, _)| Some(*release) == codename);
                Self::Ubuntu { first: first.map(|(_, version)| *version) }
            }
            () if is("manjaro") || is("amzn") => Self::Series,
            () => Self::Other,
        }
    }

    /// Returns the parts of a release that all kernels of one line share.
    fn line(self, release: &str) -> (String, Vec<String>, &str) {
        let release = without_revision(release);
        let numbers: usize = match self {
            // Pop!_OS renews its one line with every version.
            Self::Ubuntu { .. } if release.contains("-7606") => 0,
            Self::Ubuntu { first: Some(first) } if !is_mainline(release) => {
                if release.strip_prefix(first).is_some_and(|rest| rest.starts_with('.')) { 2 } else { 0 }
            }
            Self::Ubuntu { .. } => 3,
            // The enterprise kernels of Oracle come in series too: 5.4, 5.15, 6.12.
            _ if tags(release).iter().any(|tag| tag.ends_with("uek")) => 2,
            Self::Series => 2,
            Self::Other => 0,
        };
        let version = release.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
        let end =
            version.match_indices('.').nth(numbers.saturating_sub(1)).map_or(version.len(), |(at, _)| at);
        let series = if numbers == 0 { "" } else { version.get(..end).unwrap_or_default() };
        (flavour(release), tags(release), series)
    }
}

/// `6.12.31-gentoo` of `6.12.31-gentoo-r1`: Gentoo counts revisions at the end.
fn without_revision(release: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match release.rsplit_once("-r") {
        Some((rest, revision)) if is_number(revision) => rest,
        _ => release,
    }
}

/// Returns whether this is a build of an unchanged kernel for Ubuntu: `6.12.3-061203-generic`.
fn is_mainline(release: &str) -> bool {
    release.split('-').nth(1).is_some_and(|build| build.len() == 6 && build.starts_with('0'))
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

/// Words inside the version, without their numbers: `elrepo`, `eluek`, `rt`, `bpo`. Not those that change from one
/// release of a line to the next, or are the same for all: the distribution's release, the architecture, what a
/// development version was built from.
fn tags(release: &str) -> Vec<String> {
    let mut tags: Vec<_> = release
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| word.chars().filter(char::is_ascii_alphabetic).collect::<String>())
        .filter(|tag| {
            !matches!(tag.as_str(), "" | "el" | "fc" | "deb" | "x" | "aarch" | "ppcle" | "s" | "rc")
        })
        .filter(|tag| !tag.contains("git"))
        .collect();
    tags.sort();
    tags
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

    #[test]
    fn lines_of_a_distribution_are_told_apart() {
        let lines: [(&str, &str, &str, &[&str]); 22] = [
            // Ubuntu: GA stays, though HWE is installed; a mainline build is no update either.
            ("ubuntu", "5.15.0-100-generic", "5.15.0-100-generic", &["6.8.0-50-generic"]),
            (
                "ubuntu",
                "5.15.0-100-generic",
                "5.15.0-119-generic",
                &["5.15.0-119-generic", "6.8.0-50-generic"],
            ),
            (
                "ubuntu",
                "6.8.0-31-generic",
                "6.8.0-100-generic",
                &["6.8.0-100-generic", "6.10.3-061003-generic"],
            ),
            ("ubuntu", "6.8.0-31-generic", "6.8.0-31-generic", &["6.8.0-40-lowlatency", "6.8.0-1010-oem"]),
            // Pop!_OS has one line with all versions.
            ("pop ubuntu", "6.8.0-76060800-generic", "6.9.3-76060903-generic", &["6.9.3-76060903-generic"]),
            (
                "ol fedora",
                "5.14.0-427.13.1.el9_4.x86_64",
                "5.14.0-427.13.1.el9_4.x86_64",
                &["5.15.0-206.153.7.el9uek.x86_64"],
            ),
            (
                "ol fedora",
                "5.14.0-427.13.1.el9_4.x86_64",
                "5.14.0-503.11.1.el9_5.x86_64",
                &["5.14.0-503.11.1.el9_5.x86_64"],
            ),
            (
                "ol fedora",
                "5.4.17-2136.el8uek.x86_64",
                "5.4.17-2140.el8uek.x86_64",
                &["5.4.17-2140.el8uek.x86_64", "5.15.0-206.el8uek.x86_64"],
            ),
            (
                "centos rhel fedora",
                "3.10.0-1127.el7.x86_64",
                "3.10.0-1127.el7.x86_64",
                &["5.8.5-1.el7.elrepo.x86_64"],
            ),
            (
                "rhel fedora",
                "4.18.0-553.el8.x86_64",
                "4.18.0-553.el8.x86_64",
                &["4.18.0-553.rt7.342.el8.x86_64"],
            ),
            (
                "rhel fedora",
                "5.14.0-427.el9.x86_64",
                "5.14.0-427.el9.x86_64",
                &["5.14.0-503.el9.x86_64+rt", "5.14.0-503.el9.x86_64+debug"],
            ),
            // A new release of the system has newer kernels of the same line.
            ("fedora", "6.10.5-200.fc40.x86_64", "6.11.3-300.fc41.x86_64", &["6.11.3-300.fc41.x86_64"]),
            ("debian", "6.1.0-37-amd64", "6.12.90+deb13.1-amd64", &["6.12.90+deb13.1-amd64"]),
            ("debian", "6.1.0-37-amd64", "6.1.0-37-amd64", &["6.12.9+bpo-amd64"]),
            ("debian", "6.9.7+bpo-amd64", "6.12.9+bpo-amd64", &["6.12.9+bpo-amd64"]),
            (
                "manjaro arch",
                "6.6.47-1-MANJARO",
                "6.6.50-1-MANJARO",
                &["6.6.50-1-MANJARO", "6.10.6-10-MANJARO"],
            ),
            ("amzn", "5.10.205-195.amzn2.x86_64", "5.10.205-195.amzn2.x86_64", &["5.15.148-97.amzn2.x86_64"]),
            (
                "arch",
                "6.10.5-arch1-1",
                "6.10.6-arch1-1",
                &["6.10.6-arch1-1", "6.10.9-zen1-1-zen", "6.6.47-1-lts"],
            ),
            // Copies and images for rescue.
            (
                "gentoo",
                "6.10.5",
                "6.10.5",
                &["6.10.5.old", "6.10.6.bak", "6.10.7.dpkg-new", "6.10.8.efi.signed"],
            ),
            (
                "fedora",
                "6.10.5-200.fc40.x86_64",
                "6.10.5-200.fc40.x86_64",
                &["0-rescue-9bdc759c116846e1b76e7e5dd4d472c4"],
            ),
            (
                "raspbian debian",
                "6.6.51+rpt-rpi-v6",
                "6.6.51+rpt-rpi-v6",
                &["6.6.62+rpt-rpi-v7", "6.6.62+rpt-rpi-v8"],
            ),
            ("fedora", "6.10.5-200.fc40.x86_64", "6.10.5-200.fc40.x86_64", &["6.11.0-201.fsync.fc40.x86_64"]),
        ];
        for (family, running, expected, others) in lines {
            let tree = tempfile::tempdir().unwrap();
            let (id, like) = family.split_once(' ').unwrap_or((family, ""));
            std::fs::create_dir_all(tree.path().join("etc")).unwrap();
            std::fs::create_dir_all(tree.path().join("boot")).unwrap();
            std::fs::write(tree.path().join("etc/os-release"), format!("ID={id}\nID_LIKE=\"{like}\"\n"))
                .unwrap();
            for kernel in others.iter().chain([&running]) {
                std::fs::write(tree.path().join("boot").join(format!("vmlinuz-{kernel}")), "").unwrap();
            }
            let newest = installed(&Root::at(tree.path()), running).unwrap();
            assert_eq!(newest.as_deref(), Some(expected), "{family}: {running} beside {others:?}");
        }
    }

    #[test]
    fn a_rescue_image_alone_is_no_kernel() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("boot")).unwrap();
        std::fs::write(tree.path().join("boot/vmlinuz-0-rescue-5bdc759c116846e1b76e7e5dd4d472c4"), "")
            .unwrap();
        assert_eq!(installed(&Root::at(tree.path()), "4.18.0-193.el8.x86_64"), Ok(None));
    }
}
