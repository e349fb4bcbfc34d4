//! Systems that are updated as a whole: ostree, bootc and Ubuntu Core, from small trees.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};
    use vitalsign_linux::run::Commands;
    use vitalsign_linux::{Root, os, updates};
    use vitalsign_protocol::fact::Fact;

    /// Paths and texts.
    type Files<'a> = &'a [(&'a str, &'a str)];

    const TIMERS: &str = "etc/systemd/system/timers.target.wants";
    const MULTI_USER: &str = "etc/systemd/system/multi-user.target.wants";
    const ENTRIES: &str = "boot/loader/entries";
    /// A Silverblue that has just started, with dnf and a database of packages.
    const IMAGE: [(&str, &str); 7] = [
        ("etc/os-release", "ID=fedora\nVERSION_ID=42\nVARIANT_ID=silverblue\n"),
        ("run/ostree-booted", ""),
        ("proc/cmdline", "root=x ostree=/ostree/boot.1/fedora/aaaa/0 rw\n"),
        ("proc/sys/kernel/osrelease", "6.14.0-63.fc42.x86_64\n"),
        ("usr/lib/modules/6.14.0-63.fc42.x86_64/vmlinuz", ""),
        ("usr/bin/dnf5", ""),
        ("usr/share/rpm/rpmdb.sqlite", ""),
    ];
    const CORE: [(&str, &str); 2] = [
        ("etc/os-release", "ID=ubuntu-core\nVERSION_ID=24\n"),
        ("var/lib/snapd/modeenv", "mode=run\nbase=core24_1.snap\n"),
    ];

    fn tree(files: &[&[(&str, &str)]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().flat_map(|files| files.iter()) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn restart(tree: &tempfile::TempDir) -> Fact<bool> {
        let root = Root::at(tree.path());
        os::reboot::read(&root, &Commands::of(&root), &tree.path().join("memory"))
    }

    #[test]
    fn a_restart_is_due_when_another_image_starts_next() {
        let entry = |version: u64, deployment: &str| {
            format!("title x\nversion {version}\noptions root=x ostree={deployment} rw\nlinux /vmlinuz\n")
        };
        let (first, second) = ("boot/loader/entries/ostree-1.conf", "boot/loader/entries/ostree-2.conf");
        let booted = entry(2, "/ostree/boot.0/fedora/aaaa/0");
        let older = entry(1, "/ostree/boot.0/fedora/bbbb/0");
        let newer = entry(3, "/ostree/boot.0/fedora/cccc/0");
        let rows: [(&str, Files<'_>, bool); 7] = [
            ("nothing waits", &[], false),
            ("staged", &[("run/ostree/staged-deployment", "x")], true),
            ("staged by bootc without ostree", &[("run/composefs/staged-deployment", "x")], true),
            ("only an older one lies beside it", &[(second, &booted), (first, &older)], false),
            ("a newer one is written", &[(second, &newer), (first, &booted)], true),
            (
                "gone back to an older one",
                &[(second, &entry(3, "/ostree/boot.0/fedora/bbbb/0")), (first, &booted)],
                true,
            ),
            ("no kernel is newer there", &[("usr/lib/modules/6.14.1-1.fc42.x86_64/vmlinuz", "")], false),
        ];
        assert!(first.starts_with(ENTRIES));
        for (row, files, expected) in rows {
            assert_eq!(restart(&tree(&[&IMAGE, files])), Fact::Known(expected), "{row}");
        }
        // Two names of one deployment.
        let same = tree(&[&IMAGE, &[(second, &entry(2, "/ostree/boot.0/fedora/dddd/0"))]]);
        std::fs::create_dir_all(same.path().join("ostree/deploy/fedora/deploy/e.0")).unwrap();
        for name in ["boot.1/fedora/aaaa", "boot.0/fedora/dddd"] {
            let folder = same.path().join("ostree").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink("../../../deploy/fedora/deploy/e.0", folder.join("0")).unwrap();
        }
        assert_eq!(restart(&same), Fact::Known(false));
    }

    #[test]
    fn image_has_the_time_of_its_newest_deployment() {
        let zero = tree(&[&IMAGE]);
        assert_eq!(os::last_update(&Root::at(zero.path())), Fact::Unsupported, "files have no time there");
        let names = ["a.0", "b.0"].map(|name| format!("ostree/deploy/fedora/deploy/{name}.origin"));
        let image =
            tree(&[&IMAGE, &[(&names[0], ""), (&names[1], ""), ("ostree/deploy/fedora/deploy/c.0/x", "")]]);
        for (name, seconds) in names.iter().zip([1_700_000_000, 1_750_000_000]) {
            let file = std::fs::File::options().append(true).open(image.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        assert_eq!(os::last_update(&Root::at(image.path())), Fact::Known(1_750_000_000));
    }

    #[test]
    fn package_lists_say_nothing_of_an_image() {
        for (files, source) in [(&IMAGE[..], "ostree"), (&CORE[..], "snap")] {
            let tree = tree(&[files]);
            let root = Root::at(tree.path());
            let seen = updates::read(&root, &Commands::of(&root), &tree.path().join("memory"), 1_800_000_000);
            assert_eq!(seen.source, Fact::Known(source.to_owned()));
            assert_eq!((seen.waiting, seen.checked), (Fact::Unsupported, Fact::Unsupported));
        }
    }

    #[test]
    fn images_are_updated_by_their_own_timers() {
        let timer = |name: &str| format!("{TIMERS}/{name}");
        let [rpm_ostree, bootc, uupd, eos] = [
            "rpm-ostreed-automatic.timer",
            "bootc-fetch-apply-updates.timer",
            "uupd.timer",
            "eos-autoupdater.timer",
        ]
        .map(timer);
        let zincati = format!("{MULTI_USER}/zincati.service");
        let stage = ("etc/rpm-ostreed.conf", "[Daemon]\nAutomaticUpdatePolicy=stage\n");
        let check =
            ("etc/rpm-ostreed.conf", "[Daemon]\n#AutomaticUpdatePolicy=stage\nAutomaticUpdatePolicy=check\n");
        let step = |number| format!("[Automatic Updates]\nLastAutomaticStep={number}\n");
        let installed = ("usr/lib/systemd/system/rpm-ostreed-automatic.timer", "[Timer]\nOnBootSec=1h\n");
        let eos_conf = "etc/eos-updater/eos-autoupdater.conf";
        let off = ("etc/zincati/config.d/90-off.toml", "[updates]\nenabled = false\n");
        let masked = ("etc/systemd/system/bootc-fetch-apply-updates.service", "");
        let (yes, no) = (Fact::Known(true), Fact::Known(false));
        let rows: [(&str, Files<'_>, Fact<bool>); 13] = [
            // GNOME Software, or an updater that is not known here.
            ("no known updater", &[], Fact::Unsupported),
            ("rpm-ostree is not started", &[installed, stage], no.clone()),
            ("rpm-ostree stages", &[(&rpm_ostree, ""), installed, stage], yes.clone()),
            ("rpm-ostree looks only", &[(&rpm_ostree, ""), installed, check], no.clone()),
            ("bootc", &[(&bootc, "")], yes.clone()),
            ("bootc's service is masked", &[(&bootc, ""), installed, masked], no.clone()),
            ("uupd, and rpm-ostree is off", &[(&uupd, ""), installed], yes.clone()),
            ("zincati", &[(&zincati, "")], yes.clone()),
            ("zincati is off", &[(&zincati, ""), installed, off], no.clone()),
            (
                "zincati's file for something else",
                &[(&zincati, ""), ("etc/zincati/config.d/a.toml", "[identity]\nenabled = false\n")],
                yes.clone(),
            ),
            ("eos installs", &[(&eos, ""), (eos_conf, &step(3))], yes),
            ("eos fetches only", &[(&eos, ""), installed, (eos_conf, &step(2))], no),
            (
                "dnf's timer updates no image",
                &[(&timer("dnf-automatic-install.timer"), "")],
                Fact::Unsupported,
            ),
        ];
        for (row, files, expected) in rows {
            let tree = tree(&[&IMAGE, files]);
            assert_eq!(os::automatic::read(&Root::at(tree.path())), expected, "{row}");
        }
    }

    #[test]
    fn ubuntu_core_tries_new_snaps_at_the_next_start() {
        let modeenv = |text: &'static str| [("var/lib/snapd/modeenv", text)];
        for (text, expected) in [
            ("mode=run\nbase=core24_1.snap\ncurrent_kernels=pc-kernel_1.snap\n", false),
            ("base=core24_1.snap\ntry_base=core24_2.snap\nbase_status=try\n", true),
            ("base=core24_1.snap\ncurrent_kernels=pc-kernel_1.snap,pc-kernel_2.snap\n", true),
        ] {
            assert_eq!(restart(&tree(&[&CORE, &modeenv(text)])), Fact::Known(expected), "{text}");
        }
        let running = tree(&[&CORE, &[(&format!("{MULTI_USER}/snapd.service"), "")]]);
        assert_eq!(os::automatic::read(&Root::at(running.path())), Fact::Known(true));
    }
}
