//! Operating system and updates, from recorded trees: a Debian desktop, a Fedora workstation, an openSUSE server.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};
    use vitalsign_linux::run::Commands;
    use vitalsign_linux::updates::{self, Updates};
    use vitalsign_linux::{Root, lock, os};
    use vitalsign_platform_api::Collector;
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::{Lock, LockSource, Os, Posture};

    /// 2026-11-22, in seconds since 1970.
    const NOW: u64 = 1_795_305_600;
    const DAY: u64 = 86_400;
    /// Time at which the recorded security suite was signed.
    const SIGNED: u64 = 1_795_133_561;

    /// Writable copy of a recorded tree, with a folder for cached results.
    struct Tree {
        folder: tempfile::TempDir,
        memory: PathBuf,
    }

    impl Tree {
        fn copy(name: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(name);
            copy(&from, folder.path());
            let memory = folder.path().join("memory");
            let tree = Self { folder, memory };
            if tree.folder.path().join("var/lib/apt/lists").exists() {
                // What was fetched has the time of the archive.
                tree.date("var/lib/apt/lists", SIGNED);
            }
            tree
        }
        fn root(&self) -> Root {
            Root::at(self.folder.path())
        }
        fn write(&self, path: &str, content: &str) {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        fn append(&self, path: &str, more: &str) {
            let content = std::fs::read_to_string(self.folder.path().join(path)).unwrap();
            self.write(path, &(content + more));
        }
        fn replace(&self, path: &str, from: &str, to: &str) {
            let text = std::fs::read_to_string(self.folder.path().join(path)).unwrap();
            assert!(text.contains(from), "{path} has no {from}");
            let modified = std::fs::metadata(self.folder.path().join(path)).unwrap().modified().unwrap();
            self.write(path, &text.replace(from, to));
            if path.ends_with("InRelease") {
                let seconds = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
                self.date(path, seconds);
            }
        }
        fn link(&self, path: &str, target: &str) {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
        }
        fn remove(&self, path: &str) {
            let path = self.folder.path().join(path);
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap()
            } else {
                std::fs::remove_file(path).unwrap()
            }
        }
        /// Sets the modification time of a file, or of all files in a folder.
        fn date(&self, path: &str, seconds: u64) {
            let whole = self.folder.path().join(path);
            if whole.is_dir() {
                for entry in std::fs::read_dir(whole).unwrap() {
                    self.date(&format!("{path}/{}", entry.unwrap().file_name().to_str().unwrap()), seconds);
                }
                return;
            }
            let file = std::fs::File::options().append(true).open(self.folder.path().join(path)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        fn updates(&self, now: u64) -> Updates {
            updates::read(&self.root(), &Commands::of(&self.root()), &self.memory, now)
        }
        fn posture(&self) -> Posture {
            Collector::default().collect(os::probes(&self.root(), &self.memory), |_| {})
        }
        fn lock(&self) -> Lock {
            lock::read(&self.root(), &Commands::of(&self.root()), None)
        }
    }

    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                std::fs::create_dir_all(&to).unwrap();
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    fn text(value: &str) -> Fact<String> {
        Fact::Known(value.to_owned())
    }
    fn known(source: &str, waiting: u64, since: Fact<u64>, checked: u64) -> Updates {
        // Of the three that wait on the Debian desktop, curl is on hold.
        let held = Fact::Known(u64::from((source, waiting) == ("apt", 3)));
        Updates {
            source: text(source),
            waiting: Fact::Known(waiting),
            since,
            held,
            checked: Fact::Known(checked),
        }
    }
    fn unknown(waiting: Fact<u64>, checked: Fact<u64>) -> Updates {
        Updates { source: text("apt"), since: waiting.clone(), held: waiting.clone(), waiting, checked }
    }

    const STATUS: &str = "var/lib/dpkg/status";
    const SECURITY: &str =
        "var/lib/apt/lists/deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages";
    const RELEASE: &str =
        "var/lib/apt/lists/deb.debian.org_debian-security_dists_bookworm-security_InRelease";

    const SOURCES: &str = "etc/apt/sources.list";
    const DEBIAN: &str = "deb http://deb.debian.org/debian bookworm main\n\
                          deb http://deb.debian.org/debian-security bookworm-security main\n";

    #[test]
    fn debian_waits_since_it_first_knew() {
        let tree = Tree::copy("debian-desktop");
        // openssl, libssl3:i386 from a compressed list, and curl, which is held; not vim, which is removed.
        assert_eq!(tree.updates(NOW), known("apt", 3, Fact::Known(NOW), SIGNED));
        assert_eq!(tree.updates(NOW + DAY), known("apt", 3, Fact::Known(NOW), SIGNED));

        tree.replace(SECURITY, "3.0.16-1~deb12u1", "3.0.17-1~deb12u1");
        assert_eq!(tree.updates(NOW + DAY).since, Fact::Known(NOW), "a second fix does not end the waiting");

        tree.replace(STATUS, "3.0.15-1~deb12u1", "3.0.17-1~deb12u1");
        let curl = Updates { held: Fact::Known(1), ..known("apt", 1, Fact::Known(NOW), SIGNED) };
        assert_eq!(tree.updates(NOW + DAY), curl);
        tree.replace(STATUS, "deb12u8", "deb12u12");
        assert_eq!(tree.updates(NOW + DAY), known("apt", 0, Fact::Unsupported, SIGNED));
        tree.replace(SECURITY, "3.0.17-1~deb12u1", "3.0.18-1~deb12u1");
        assert_eq!(tree.updates(NOW + 2 * DAY), known("apt", 1, Fact::Known(NOW + 2 * DAY), SIGNED));
    }

    #[test]
    fn locked_rpm_updates_are_counted_as_held() {
        let locked = "version = \"1.0\"\n[[packages]]\nname = \"xz\"\n[[packages.conditions]]\nkey = \"evr\"\n\
                      comparator = \"=\"\nvalue = \"1:5.8.1-1.fc42\"\n";
        let undecided = locked.replace("\"=\"", "\"<\"");
        let locks = |kind: &str| format!("\ntype: {kind}\nmatch_type: glob\nsolvable_name: openssl-3\n");
        type Row<'a> = (&'a str, &'a str, &'a str, &'a str, u64, Fact<u64>);
        let fedora = ("fedora-workstation", "var/cache/libdnf5/updates-0123456789abcdef/repodata");
        let suse = ("opensuse-server", "var/cache/zypp/raw/repo-sle-update/repodata");
        let rows: [Row<'_>; 5] = [
            (fedora.0, fedora.1, "etc/dnf/versionlock.toml", locked, 2, Fact::Known(1)),
            (fedora.0, fedora.1, "etc/dnf/versionlock.toml", &undecided, 2, Fact::Unsupported),
            (
                fedora.0,
                fedora.1,
                "etc/dnf/libdnf5.conf.d/x.conf",
                "[main]\nexcludepkgs=xz*\n",
                2,
                Fact::Known(2),
            ),
            (suse.0, suse.1, "etc/zypp/locks", &locks("patch"), 1, Fact::Known(0)),
            (suse.0, suse.1, "etc/zypp/locks", &locks("package"), 1, Fact::Unsupported),
        ];
        for (name, index, path, content, waiting, held) in rows {
            let tree = Tree::copy(name);
            tree.date(index, NOW);
            let before = tree.updates(NOW);
            assert_eq!((before.waiting, before.held), (Fact::Known(waiting), Fact::Known(0)), "{path}");
            // A new lock is seen before the hour is over.
            tree.write(path, content);
            let seen = tree.updates(NOW + 60);
            if !path.contains("conf.d") {
                assert_eq!(
                    (seen.waiting, seen.held),
                    (Fact::Known(waiting), held.clone()),
                    "{path} {content}"
                );
            }
            let seen = tree.updates(NOW + 3600);
            assert_eq!((seen.waiting, seen.held), (Fact::Known(waiting), held), "{path} {content}");
        }
        let tree = Tree::copy(suse.0);
        tree.date(suse.1, NOW);
        tree.replace(".commands/zypper", "status=\"needed\"", "status=\"unwanted\"");
        let seen = tree.updates(NOW);
        assert_eq!((seen.waiting, seen.held), (Fact::Known(1), Fact::Known(1)), "a locked patch waits");
    }

    #[test]
    fn a_result_is_kept_while_nothing_changes() {
        let tree = Tree::copy("fedora-workstation");
        let repository = "var/cache/libdnf5/updates-0123456789abcdef/repodata";
        tree.date(repository, NOW - DAY);
        let two = known("dnf", 2, Fact::Known(NOW), NOW - DAY);
        assert_eq!(tree.updates(NOW), two);
        tree.write(".commands/dnf5", "");
        assert_eq!(tree.updates(NOW + 3599), two, "kept for an hour");
        assert_eq!(tree.updates(NOW + 3600), known("dnf", 0, Fact::Unsupported, NOW - DAY));

        tree.write(".commands/dnf5", "FEDORA-2026-1 Important/Sec. xz-1:5.8.1-2.fc42.x86_64\n");
        tree.date(repository, NOW);
        assert_eq!(tree.updates(NOW + 3600).waiting, Fact::Known(1), "another index is another key");
    }

    #[test]
    fn damaged_memory_begins_anew() {
        let tree = Tree::copy("debian-desktop");
        for damage in ["", "{", "[]", "{\"key\":1}", "\u{0}\u{0}"] {
            tree.write("memory/updates.json", damage);
            assert_eq!(tree.updates(NOW), known("apt", 3, Fact::Known(NOW), SIGNED), "{damage:?}");
        }
    }

    #[test]
    fn pending_since_is_unreadable_without_memory() {
        let tree = Tree::copy("debian-desktop");
        tree.write("memory", "a file where a folder belongs");
        let seen = tree.updates(NOW);
        assert_eq!((seen.waiting, seen.since), (Fact::Known(3), Fact::Unreadable(Reason::Failed)));
    }

    #[test]
    fn lists_that_cannot_tell() {
        let (stale, malformed) = (Fact::Unreadable(Reason::Stale), Fact::Unreadable(Reason::Malformed));
        type Change = fn(&Tree);
        let rows: [(&str, Change, u64, Updates); 16] = [
            (
                "a week and more",
                |tree| tree.replace(RELEASE, "Valid-Until", "X"),
                SIGNED + 8 * DAY,
                unknown(stale.clone(), Fact::Known(SIGNED)),
            ),
            ("past its maker's limit", |_| {}, SIGNED + 7 * DAY + 1, unknown(stale.clone(), stale.clone())),
            (
                "no lists at all",
                |tree| tree.remove("var/lib/apt/lists"),
                NOW,
                unknown(stale.clone(), stale.clone()),
            ),
            (
                "no security suite",
                |tree| {
                    tree.remove(RELEASE);
                    tree.remove(SECURITY)
                },
                NOW,
                unknown(Fact::Unsupported, Fact::Unsupported),
            ),
            (
                "a suite without its lists",
                |tree| {
                    tree.remove(SECURITY);
                    tree.remove(&SECURITY.replace("amd64_Packages", "i386_Packages.lz4"));
                },
                NOW,
                unknown(Fact::Unreadable(Reason::Failed), Fact::Unreadable(Reason::Failed)),
            ),
            (
                "no dpkg in dpkg's status",
                |tree| tree.write(STATUS, "nonsense\n"),
                NOW,
                unknown(malformed.clone(), Fact::Known(SIGNED)),
            ),
            (
                "a list that is one line",
                |tree| tree.write(SECURITY, &"x".repeat(2_000_000)),
                NOW,
                unknown(malformed, Fact::Known(SIGNED)),
            ),
            (
                "apt's reader hangs",
                |tree| {
                    let name = "deb.debian.org_debian-security_dists_bookworm-security_main_binary-i386_Packages.lz4.exit";
                    tree.write(&format!(".commands/{name}"), "timed-out");
                },
                NOW,
                unknown(Fact::Unreadable(Reason::TimedOut), Fact::Known(SIGNED)),
            ),
            (
                "an old suite that apt has just found unchanged",
                |tree| {
                    tree.replace(RELEASE, "Valid-Until", "X");
                    tree.date(RELEASE, SIGNED + 30 * DAY);
                },
                SIGNED + 31 * DAY,
                known("apt", 3, Fact::Known(SIGNED + 31 * DAY), SIGNED + 30 * DAY),
            ),
            (
                "an old suite, and an update that reached no archive",
                |tree| {
                    tree.replace(RELEASE, "Valid-Until", "X");
                    tree.date(RELEASE, SIGNED);
                    for stamp in ["update-success-stamp", "update-stamp"] {
                        tree.write(&format!("var/lib/apt/periodic/{stamp}"), "");
                        tree.date(&format!("var/lib/apt/periodic/{stamp}"), SIGNED + 30 * DAY);
                    }
                },
                SIGNED + 31 * DAY,
                unknown(stale.clone(), Fact::Known(SIGNED)),
            ),
            (
                "a snapshot of the archive, asked for just now",
                |tree| {
                    tree.remove(RELEASE);
                    let base =
                        "var/lib/apt/lists/snapshot.ubuntu.com_ubuntu_20240301T030400Z_dists_noble-security";
                    tree.write(&format!("{base}_InRelease"), "Suite: noble-security\n");
                    tree.write(&format!("{base}_main_binary-amd64_Packages"), "");
                    tree.date(&format!("{base}_InRelease"), SIGNED);
                },
                SIGNED + DAY,
                // 2024-03-01
                unknown(stale.clone(), Fact::Known(1_709_251_200)),
            ),
            (
                "an old suite beside a fresh one",
                |tree| {
                    tree.replace(RELEASE, "Valid-Until", "X");
                    tree.date(RELEASE, SIGNED);
                    let base = "var/lib/apt/lists/example.org_dists_other-security";
                    tree.write(&format!("{base}_InRelease"), "Suite: other-security\n");
                    tree.write(&format!("{base}_main_binary-amd64_Packages"), "");
                    tree.date(&format!("{base}_InRelease"), SIGNED + 30 * DAY);
                },
                SIGNED + 31 * DAY,
                unknown(stale.clone(), Fact::Known(SIGNED)),
            ),
            (
                "an old suite of a source that was removed",
                |tree| {
                    let base = "var/lib/apt/lists/example.org_dists_other-security";
                    tree.write(&format!("{base}_InRelease"), "Suite: other-security\n");
                    tree.date(&format!("{base}_InRelease"), SIGNED - 90 * DAY);
                    tree.write(SOURCES, DEBIAN);
                },
                NOW,
                known("apt", 3, Fact::Known(NOW), SIGNED),
            ),
            (
                "a security suite that was never reached",
                |tree| {
                    let added = "deb http://security.example.org/d bookworm-security main\n";
                    tree.write(SOURCES, &format!("{DEBIAN}{added}"));
                },
                NOW,
                unknown(stale.clone(), stale.clone()),
            ),
            (
                "the security suite is switched off",
                |tree| {
                    tree.write(
                        SOURCES,
                        &DEBIAN.replace("deb http://deb.debian.org/debian-security", "# deb x"),
                    )
                },
                NOW,
                unknown(Fact::Unsupported, Fact::Unsupported),
            ),
            (
                "a phased update of a security suite",
                |tree| {
                    tree.replace(
                        SECURITY,
                        "Package: openssl\n",
                        "Package: openssl\nPhased-Update-Percentage: 0\n",
                    )
                },
                NOW,
                known("apt", 3, Fact::Known(NOW), SIGNED),
            ),
        ];
        for (row, change, now, expected) in rows {
            let tree = Tree::copy("debian-desktop");
            change(&tree);
            assert_eq!(tree.updates(now), expected, "{row}");
        }
    }

    #[test]
    fn a_repository_manager_that_cannot_tell() {
        let (dnf, zypper) = ("fedora-workstation", "opensuse-server");
        let dnf_index = "var/cache/libdnf5/updates-0123456789abcdef/repodata";
        let dnf_advisories = "var/cache/libdnf5/updates-0123456789abcdef/repodata/0a-updateinfo.xml.zst";
        let zypper_index = "var/cache/zypp/raw/repo-sle-update/repodata";
        type Change<'a> = Box<dyn Fn(&Tree) + 'a>;
        let rows: Vec<(&str, &str, &str, Change<'_>, Fact<u64>)> = vec![
            ("says so", zypper, zypper_index, Box::new(|_| {}), Fact::Known(1)),
            (
                "is locked",
                zypper,
                zypper_index,
                Box::new(|tree| tree.write(".commands/zypper.exit", "7")),
                Fact::Unreadable(Reason::Busy),
            ),
            (
                "is cut off",
                zypper,
                zypper_index,
                Box::new(|tree| tree.replace(".commands/zypper", "</stream>", "")),
                Fact::Unreadable(Reason::Malformed),
            ),
            (
                "hangs",
                dnf,
                dnf_index,
                Box::new(|tree| tree.write(".commands/dnf5.exit", "timed-out")),
                Fact::Unreadable(Reason::TimedOut),
            ),
            (
                "fails",
                dnf,
                dnf_index,
                Box::new(|tree| tree.write(".commands/dnf5.exit", "1")),
                Fact::Unreadable(Reason::Failed),
            ),
            (
                "cannot open its database",
                dnf,
                dnf_index,
                Box::new(|tree| {
                    tree.write(".commands/dnf5", "");
                    tree.write(".commands/rpm-database", "package rpm is not installed\n");
                    tree.write(".commands/rpm-database.exit", "1");
                }),
                Fact::Unreadable(Reason::Failed),
            ),
            (
                "is old",
                dnf,
                dnf_index,
                Box::new(|tree| tree.date(dnf_index, NOW - 8 * DAY)),
                Fact::Unreadable(Reason::Stale),
            ),
            (
                "has no advisories",
                dnf,
                dnf_index,
                Box::new(|tree| tree.remove(dnf_advisories)),
                Fact::Unsupported,
            ),
        ];
        for (row, name, index, change, expected) in rows {
            let tree = Tree::copy(name);
            tree.date(index, NOW);
            change(&tree);
            assert_eq!(tree.updates(NOW).waiting, expected, "{name} {row}");
        }
    }

    /// A security repository of 200 days ago beside one that was fetched today.
    #[test]
    fn the_stalest_enabled_repository_counts() {
        let updates = "var/cache/libdnf5/updates-0123456789abcdef/repodata";
        let site = "var/cache/libdnf5/site-fedcba9876543210/repodata";
        let moved = "var/cache/libdnf5/updates-00000000000000ff/repodata";
        let settings = "etc/yum.repos.d/all.repo";
        let old = NOW - 200 * DAY;
        type Change<'a> = Box<dyn Fn(&Tree) + 'a>;
        let rows: Vec<(&str, Change<'_>, Fact<u64>, Fact<u64>)> = vec![
            ("both are enabled", Box::new(|_| {}), Fact::Unreadable(Reason::Stale), Fact::Known(old)),
            (
                "one is switched off",
                Box::new(|tree| tree.write(settings, "[updates]\nenabled=0\n[site]\nname=x\n")),
                Fact::Known(2),
                Fact::Known(NOW),
            ),
            (
                "one was removed",
                Box::new(|tree| tree.write(settings, "[site]\nenabled = 1\n")),
                Fact::Known(2),
                Fact::Known(NOW),
            ),
            (
                "only additions are left",
                Box::new(|tree| {
                    let epel = "var/cache/libdnf5/epel-00000000000000aa/repodata";
                    tree.write(&format!("{epel}/repomd.xml"), "<repomd/>");
                    tree.write(&format!("{epel}/updateinfo.xml"), "");
                    tree.write(settings, "[epel]\n");
                }),
                Fact::Unsupported,
                Fact::Unsupported,
            ),
            (
                "one is switched off by dnf config-manager",
                Box::new(|tree| {
                    tree.write(settings, "[updates]\nenabled=1\n[site]\n");
                    tree.write("etc/dnf/repos.override.d/99.repo", "[upd*]\nenabled=0\n");
                }),
                Fact::Known(2),
                Fact::Known(NOW),
            ),
            (
                "one is switched on by dnf config-manager",
                Box::new(|tree| {
                    tree.write(settings, "[updates]\nenabled=0\n[site]\n");
                    tree.write("etc/dnf/repos.override.d/99.repo", "[updates]\nenabled=1\n");
                }),
                Fact::Unreadable(Reason::Stale),
                Fact::Known(old),
            ),
            (
                "one has moved",
                Box::new(|tree| {
                    tree.write(&format!("{moved}/repomd.xml"), "<repomd/>");
                    tree.write(&format!("{moved}/updateinfo.xml"), "");
                    tree.date(moved, NOW - DAY);
                }),
                Fact::Known(2),
                Fact::Known(NOW - DAY),
            ),
            (
                "the old one has no advisories",
                Box::new(|tree| tree.remove(&format!("{updates}/0a-updateinfo.xml.zst"))),
                Fact::Known(2),
                Fact::Known(NOW),
            ),
            (
                "its advisories were not fetched",
                Box::new(|tree| {
                    tree.date(updates, NOW);
                    tree.remove(&format!("{updates}/0a-updateinfo.xml.zst"));
                    tree.write(&format!("{updates}/repomd.xml"), "<data type=\"updateinfo\">");
                }),
                Fact::Unreadable(Reason::Stale),
                Fact::Unreadable(Reason::Stale),
            ),
            (
                "a third was never reached",
                Box::new(|tree| {
                    tree.date(updates, NOW);
                    tree.write(settings, "[updates]\n[site]\n[security]\nenabled=1\n");
                }),
                Fact::Unreadable(Reason::Stale),
                Fact::Unreadable(Reason::Stale),
            ),
            (
                "a third may be missing",
                Box::new(|tree| {
                    tree.date(updates, NOW);
                    tree.write(settings, "[updates]\n[site]\n[extra]\nskip_if_unavailable=True\n");
                }),
                Fact::Known(2),
                Fact::Known(NOW),
            ),
        ];
        for (row, change, waiting, checked) in rows {
            let tree = Tree::copy("fedora-workstation");
            tree.date(updates, old);
            tree.write(&format!("{site}/repomd.xml"), "<repomd/>");
            tree.write(&format!("{site}/updateinfo.xml"), "");
            tree.date(site, NOW);
            change(&tree);
            let seen = tree.updates(NOW);
            assert_eq!((seen.waiting, seen.checked), (waiting, checked), "{row}");
        }
    }

    #[test]
    fn whole_systems() {
        let debian = Tree::copy("debian-desktop");
        debian.date("var/lib/dpkg/info/dpkg.list", NOW);
        let fedora = Tree::copy("fedora-workstation");
        fedora.date("usr/lib/sysimage/rpm/rpmdb.sqlite", NOW);
        let opensuse = Tree::copy("opensuse-server");
        opensuse.date("usr/lib/sysimage/rpm/Packages.db", NOW);
        let common = Os {
            arch: Fact::Unsupported,
            support_ends: Fact::Unsupported,
            last_update: Fact::Known(NOW),
            ..Os::default()
        };
        for (tree, expected) in [
            (
                &debian,
                Os {
                    name: text("debian"),
                    version: text("12"),
                    build: text("12.11"),
                    kernel: text("6.1.0-34-amd64"),
                    kernel_installed: text("6.1.0-37-amd64"),
                    reboot_required: Fact::Known(true),
                    automatic_updates: Fact::Known(true),
                    ..common.clone()
                },
            ),
            (
                &fedora,
                Os {
                    name: text("fedora"),
                    version: text("42"),
                    build: Fact::Unsupported,
                    kernel: text("6.14.0-63.fc42.x86_64"),
                    kernel_installed: text("6.14.0-63.fc42.x86_64"),
                    reboot_required: Fact::Known(true),
                    automatic_updates: Fact::Known(true),
                    support_ends: Fact::Known(1_778_630_400),
                    ..common.clone()
                },
            ),
            (
                &opensuse,
                Os {
                    name: text("opensuse-leap"),
                    version: text("15.6"),
                    build: Fact::Unsupported,
                    kernel: text("6.4.0-150600.23.17-default"),
                    kernel_installed: text("6.4.0-150600.23.17-default"),
                    reboot_required: Fact::Known(true),
                    automatic_updates: Fact::Known(false),
                    ..common.clone()
                },
            ),
        ] {
            let seen = tree.posture().os;
            // Updates depend on the time and are tested separately.
            let expected = Os {
                security_updates: seen.security_updates.clone(),
                security_updates_since: seen.security_updates_since.clone(),
                security_updates_held: seen.security_updates_held.clone(),
                updates_source: seen.updates_source.clone(),
                updates_checked: seen.updates_checked.clone(),
                ..expected
            };
            assert_eq!(seen, expected);
        }
    }

    /// Runs this build of the kernel 6.1.0-37-amd64, of which 6.1.141-1 is installed.
    fn build(tree: &Tree, version: &str) {
        tree.write("proc/sys/kernel/osrelease", "6.1.0-37-amd64\n");
        tree.write(
            "proc/version",
            &format!(
                "Linux version 6.1.0-37-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, \
                 GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian {version} (2025-05-22)\n"
            ),
        );
        tree.append(
            STATUS,
            "\nPackage: linux-image-6.1.0-37-amd64\nStatus: install ok installed\nArchitecture: amd64\nVersion: 6.1.141-1\n",
        );
    }

    #[test]
    fn restarts() {
        type Change = fn(&Tree);
        let same: Change = |tree| tree.write("proc/sys/kernel/osrelease", "6.1.0-37-amd64\n");
        let rows: [(&str, &str, Change, Fact<bool>); 10] = [
            ("the newest kernel runs", "debian-desktop", same, Fact::Known(false)),
            (
                "an older build of the newest kernel runs",
                "debian-desktop",
                |tree| build(tree, "6.1.140-1"),
                Fact::Known(true),
            ),
            (
                "the newest build of the newest kernel runs",
                "debian-desktop",
                |tree| build(tree, "6.1.141-1"),
                Fact::Known(false),
            ),
            (
                "a package says so",
                "debian-desktop",
                |tree| {
                    tree.write("proc/sys/kernel/osrelease", "6.1.0-37-amd64\n");
                    tree.write("run/reboot-required", "*** System restart required ***\n");
                },
                Fact::Known(true),
            ),
            (
                "no source reports it",
                "debian-desktop",
                |tree| {
                    tree.remove("boot");
                    tree.remove("usr/bin/unattended-upgrade")
                },
                Fact::Unsupported,
            ),
            (
                "dnf says no",
                "fedora-workstation",
                |tree| tree.write(".commands/dnf5-needs-restarting.exit", "0"),
                Fact::Known(false),
            ),
            (
                "dnf cannot open its database",
                "fedora-workstation",
                |tree| {
                    tree.write(".commands/dnf5-needs-restarting.exit", "0");
                    tree.write(".commands/rpm-database.exit", "1");
                },
                Fact::Unreadable(Reason::Failed),
            ),
            (
                "dnf fails",
                "fedora-workstation",
                |tree| tree.write(".commands/dnf5-needs-restarting", "no such command"),
                Fact::Unreadable(Reason::Failed),
            ),
            (
                "zypper says no",
                "opensuse-server",
                |tree| tree.write(".commands/zypper-needs-rebooting.exit", "0"),
                Fact::Known(false),
            ),
            (
                "zypper hangs",
                "opensuse-server",
                |tree| tree.write(".commands/zypper-needs-rebooting.exit", "timed-out"),
                Fact::Unreadable(Reason::TimedOut),
            ),
        ];
        for (row, name, change, expected) in rows {
            let tree = Tree::copy(name);
            change(&tree);
            let seen = os::reboot::read(&tree.root(), &Commands::of(&tree.root()), &tree.memory);
            assert_eq!(seen, expected, "{row}");
        }
    }

    /// YaST's automatic online update with these settings.
    fn yast(tree: &Tree, settings: &str) {
        tree.link("etc/cron.weekly/opensuse.org-online_update", "/usr/lib/YaST2/bin/online_update");
        tree.write("usr/lib/YaST2/bin/online_update", "");
        tree.write("etc/sysconfig/automatic_online_update", settings);
    }

    #[test]
    fn updates_that_install_themselves() {
        type Change = fn(&Tree);
        const TIMERS: &str = "etc/systemd/system/timers.target.wants";
        let rows: [(&str, &str, Change, bool); 26] = [
            ("as installed", "debian-desktop", |_| {}, true),
            ("no program", "debian-desktop", |tree| tree.remove("usr/bin/unattended-upgrade"), false),
            (
                "switched off",
                "debian-desktop",
                |tree| tree.write("etc/apt/apt.conf.d/99off", "APT::Periodic::Unattended-Upgrade \"0\";"),
                false,
            ),
            (
                "no security origin",
                "debian-desktop",
                |tree| tree.replace("etc/apt/apt.conf.d/50unattended-upgrades", "Debian-Security", "Debian"),
                false,
            ),
            (
                "timer not started",
                "debian-desktop",
                |tree| tree.remove(&format!("{TIMERS}/apt-daily-upgrade.timer")),
                false,
            ),
            (
                "timer masked",
                "debian-desktop",
                |tree| {
                    std::os::unix::fs::symlink(
                        "/dev/null",
                        tree.folder.path().join("etc/systemd/system/apt-daily.timer"),
                    )
                    .unwrap();
                },
                false,
            ),
            (
                "service masked",
                "debian-desktop",
                |tree| tree.link("etc/systemd/system/apt-daily-upgrade.service", "/dev/null"),
                false,
            ),
            (
                "service masked until the next start",
                "debian-desktop",
                |tree| tree.link("run/systemd/system/apt-daily.service", "/dev/null"),
                false,
            ),
            (
                "service emptied by a person",
                "debian-desktop",
                |tree| tree.write("etc/systemd/system/apt-daily.service", ""),
                false,
            ),
            (
                "another service started",
                "debian-desktop",
                |tree| {
                    tree.write(
                        "etc/systemd/system/apt-daily-upgrade.timer.d/a.conf",
                        "[Timer]\nUnit=b.service\n",
                    );
                    tree.link("etc/systemd/system/b.service", "/dev/null");
                },
                false,
            ),
            (
                "times taken away",
                "debian-desktop",
                |tree| {
                    tree.write("usr/lib/systemd/system/apt-daily.timer", "[Timer]\nOnCalendar=daily\n");
                    tree.write("etc/systemd/system/apt-daily.timer.d/a.conf", "[Timer]\nOnCalendar=\n");
                },
                false,
            ),
            (
                "other times",
                "debian-desktop",
                |tree| {
                    tree.write("usr/lib/systemd/system/apt-daily.timer", "[Timer]\nOnCalendar=daily\n");
                    let times = "[Timer]\nOnCalendar=\nOnCalendar=02:00\n";
                    tree.write("etc/systemd/system/apt-daily.timer.d/a.conf", times);
                },
                true,
            ),
            (
                "another command",
                "debian-desktop",
                |tree| {
                    let service = "[Service]\nExecStart=/usr/lib/apt/apt.systemd.daily install\n";
                    tree.write("usr/lib/systemd/system/apt-daily-upgrade.service", service);
                    let nothing = "[Service]\nExecStart=\nExecStart=/bin/true\n";
                    tree.write("etc/systemd/system/apt-daily-upgrade.service.d/a.conf", nothing);
                },
                false,
            ),
            (
                "a condition that is not met",
                "debian-desktop",
                |tree| {
                    let condition = "[Unit]\nConditionPathExists=/etc/update-at-night\n";
                    tree.write("etc/systemd/system/apt-daily-upgrade.service.d/a.conf", condition);
                },
                false,
            ),
            (
                "cleared",
                "debian-desktop",
                |tree| tree.write("etc/apt/apt.conf.d/99off", "#clear APT::Periodic::Unattended-Upgrade;"),
                false,
            ),
            (
                "switched off in a name with dots",
                "debian-desktop",
                |tree| tree.write("etc/apt/apt.conf.d/99a.site.conf", "APT::Periodic::Enable \"0\";"),
                false,
            ),
            (
                "a file that apt ignores",
                "debian-desktop",
                |tree| tree.write("etc/apt/apt.conf.d/99off.disabled", "APT::Periodic::Enable \"0\";"),
                true,
            ),
            (
                "every zero days",
                "debian-desktop",
                |tree| tree.write("etc/apt/apt.conf.d/99off", "APT::Periodic::Unattended-Upgrade \"0d\";"),
                false,
            ),
            (
                "no package at all",
                "debian-desktop",
                |tree| {
                    tree.write(
                        "etc/apt/apt.conf.d/99off",
                        "Unattended-Upgrade::Package-Blacklist { \".*\"; };",
                    )
                },
                false,
            ),
            (
                "service masked",
                "fedora-workstation",
                |tree| tree.link("etc/systemd/system/dnf5-automatic.service", "/dev/null"),
                false,
            ),
            (
                "download only",
                "fedora-workstation",
                |tree| tree.replace("etc/dnf/automatic.conf", "apply_updates = yes", "apply_updates = no"),
                false,
            ),
            (
                "YaST, installing all updates but those for security",
                "opensuse-server",
                |tree| {
                    yast(tree, "AOU_ENABLE_CRONJOB=\"true\"\nAOU_PATCH_CATEGORIES=\"recommended document\"\n")
                },
                false,
            ),
            (
                "YaST, installing everything",
                "opensuse-server",
                |tree| yast(tree, "AOU_ENABLE_CRONJOB=\"true\"\nAOU_PATCH_CATEGORIES=\"\"\n"),
                true,
            ),
            (
                "an argument of the command that only downloads",
                "fedora-workstation",
                |tree| {
                    let arguments =
                        "[Service]\nExecStart=/usr/bin/dnf5 automatic --timer --no-installupdates\n";
                    tree.write("etc/systemd/system/dnf5-automatic.service.d/a.conf", arguments);
                },
                false,
            ),
            (
                "an argument of the command that installs",
                "fedora-workstation",
                |tree| {
                    tree.replace("etc/dnf/automatic.conf", "apply_updates = yes", "apply_updates = no");
                    let arguments = "[Service]\nExecStart=/usr/bin/dnf5 automatic --timer --installupdates\n";
                    tree.write("etc/systemd/system/dnf5-automatic.service.d/a.conf", arguments);
                },
                true,
            ),
            (
                "a timer that installs",
                "fedora-workstation",
                |tree| {
                    tree.remove("etc/dnf/automatic.conf");
                    tree.write(&format!("{TIMERS}/dnf-automatic-install.timer"), "");
                },
                true,
            ),
        ];
        for (row, name, change, expected) in rows {
            let tree = Tree::copy(name);
            change(&tree);
            assert_eq!(os::automatic::read(&tree.root()), Fact::Known(expected), "{name} {row}");
        }
    }

    const LOCKS: &str = "etc/dconf/db/local.d/locks/00-lock";
    const KEYS: &str = "etc/dconf/db/local.d/00-lock";
    const COMPILED: &str = "etc/dconf/db/local";
    const MANAGER: &str = "etc/systemd/system/display-manager.service";
    const IDLE_ACTION: (&str, &str) =
        ("etc/systemd/logind.conf.d/lock.conf", "[Login]\nIdleAction=lock\nIdleActionSec=15min\n");

    fn lock(automatic: Fact<bool>, idle_seconds: Fact<u64>, grace_seconds: Fact<u64>) -> Lock {
        let source = automatic.clone().map(|_| LockSource::Enforced);
        Lock { automatic, idle_seconds, grace_seconds, source }
    }

    const MATE_LOCKS: &str = "/org/mate/desktop/session/idle-delay\n/org/mate/screensaver/lock-enabled\n\
                              /org/mate/screensaver/lock-delay\n/org/mate/screensaver/idle-activation-enabled\n\
                              /org/mate/desktop/lockdown/disable-lock-screen\n";

    /// A system database with these keys and locks.
    fn dconf(tree: &Tree, keys: &str, locks: &str) {
        tree.write("etc/dconf/profile/user", "user-db:user\nsystem-db:local\n");
        tree.write("etc/dconf/db/local.d/00", keys);
        tree.write("etc/dconf/db/local.d/locks/00", locks);
        tree.write(COMPILED, "");
    }

    fn mate(tree: &Tree, locks: &str) {
        tree.write("usr/share/xsessions/mate.desktop", "");
        tree.write("usr/bin/mate-screensaver", "");
        let keys = "[org/mate/desktop/session]\nidle-delay=10\n[org/mate/screensaver]\nlock-enabled=true\n\
                    lock-delay=1\nidle-activation-enabled=true\n[org/mate/desktop/lockdown]\n\
                    disable-lock-screen=false\n";
        dconf(tree, keys, locks);
    }

    /// Budgie with all its settings locked; its screensaver starts when idle or not.
    fn budgie(tree: &Tree, starts: &str) {
        tree.write("usr/share/xsessions/budgie-desktop.desktop", "");
        tree.write("usr/bin/budgie-screensaver", "");
        let keys = format!(
            "[org/gnome/desktop/session]\nidle-delay=uint32 300\n[org/gnome/desktop/screensaver]\nlock-enabled=true\n\
             lock-delay=uint32 0\nidle-activation-enabled={starts}\n[org/gnome/desktop/lockdown]\n\
             disable-lock-screen=false\n"
        );
        let locks = "/org/gnome/desktop/session/idle-delay\n/org/gnome/desktop/screensaver/lock-enabled\n\
                     /org/gnome/desktop/screensaver/lock-delay\n\
                     /org/gnome/desktop/screensaver/idle-activation-enabled\n\
                     /org/gnome/desktop/lockdown/disable-lock-screen\n";
        dconf(tree, &keys, locks);
    }

    fn xfce(tree: &Tree, attribute: &str) {
        tree.write("usr/share/xsessions/xfce.desktop", "");
        tree.write("usr/bin/xfce4-screensaver", "");
        let text = format!(
            "<channel name=\"xfce4-screensaver\" version=\"1.0\"{attribute}>\n<property name=\"saver\" \
             type=\"empty\"><property name=\"idle-activation\" type=\"empty\"><property name=\"delay\" type=\"int\" \
             value=\"15\"/></property></property></channel>"
        );
        tree.write("etc/xdg/xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml", &text);
    }

    fn never() -> Lock {
        lock(Fact::Known(false), Fact::Unsupported, Fact::Unsupported)
    }

    fn unreadable_lock(reason: Reason) -> Lock {
        lock(Fact::Unreadable(reason), Fact::Unreadable(reason), Fact::Unreadable(reason))
    }

    #[test]
    fn screen_locks_without_a_session() {
        type Change = fn(&Tree);
        let no = Fact::Unreadable(Reason::NoSession);
        let malformed = || Fact::Unreadable(Reason::Malformed);
        let open = || unreadable_lock(Reason::NoSession);
        let none = || lock(Fact::Unsupported, Fact::Unsupported, Fact::Unsupported);
        // A user can still turn the lock off as a whole.
        let by_user = |lock: Lock| Lock { source: Fact::Known(LockSource::Session), ..lock };
        let held = || by_user(lock(Fact::Known(true), Fact::Known(600), no.clone()));
        // Stands for a database that was compiled from the key files.
        fn compile(tree: &Tree) {
            tree.write(COMPILED, "");
        }
        let rows: Vec<(&str, &str, Change, Lock)> = vec![
            ("held fast by dconf", "debian-desktop", |_| {}, held()),
            (
                "held fast by dconf, as is the switch for all",
                "debian-desktop",
                |tree| {
                    tree.append(KEYS, "[org/gnome/desktop/lockdown]\ndisable-lock-screen=false\n");
                    tree.append(LOCKS, "/org/gnome/desktop/lockdown/disable-lock-screen\n");
                    compile(tree);
                },
                lock(Fact::Known(true), Fact::Known(600), no.clone()),
            ),
            (
                "MATE, held fast by dconf",
                "opensuse-server",
                |tree| mate(tree, MATE_LOCKS),
                lock(Fact::Known(true), Fact::Known(600), Fact::Known(60)),
            ),
            (
                "MATE, in which the user decides whether the saver starts",
                "opensuse-server",
                |tree| mate(tree, &MATE_LOCKS.replace("idle-activation-enabled", "mode")),
                lock(Fact::Unreadable(Reason::NoSession), Fact::Known(600), Fact::Known(60)),
            ),
            (
                "MATE, held fast at a saver that never starts",
                "opensuse-server",
                |tree| {
                    mate(tree, MATE_LOCKS);
                    tree.replace(
                        "etc/dconf/db/local.d/00",
                        "activation-enabled=true",
                        "activation-enabled=false",
                    );
                    compile(tree);
                },
                never(),
            ),
            (
                "MATE, with a number of another type",
                "opensuse-server",
                |tree| {
                    mate(tree, MATE_LOCKS);
                    tree.replace("etc/dconf/db/local.d/00", "idle-delay=10", "idle-delay=uint32 10");
                    compile(tree);
                },
                lock(malformed(), Fact::Unreadable(Reason::Malformed), Fact::Known(60)),
            ),
            ("Budgie, told not to start when idle", "opensuse-server", |tree| budgie(tree, "false"), never()),
            (
                "Budgie, told to start when idle",
                "opensuse-server",
                |tree| budgie(tree, "true"),
                lock(Fact::Known(true), Fact::Known(300), Fact::Known(0)),
            ),
            (
                "MATE without its screensaver",
                "opensuse-server",
                |tree| {
                    mate(tree, MATE_LOCKS);
                    tree.remove("usr/bin/mate-screensaver");
                    tree.write("usr/bin/mate-session", "");
                },
                never(),
            ),
            (
                "XFCE, held fast by xfconf",
                "opensuse-server",
                |tree| xfce(tree, " unlocked=\"root\""),
                lock(Fact::Known(true), Fact::Known(900), Fact::Known(0)),
            ),
            ("XFCE, a default only", "opensuse-server", |tree| xfce(tree, ""), open()),
            (
                "XFCE without its screensaver",
                "opensuse-server",
                |tree| {
                    xfce(tree, " unlocked=\"root\"");
                    tree.remove("usr/bin/xfce4-screensaver");
                    tree.write("usr/bin/xfce4-session", "");
                },
                never(),
            ),
            (
                "XFCE with another locker",
                "opensuse-server",
                |tree| {
                    xfce(tree, " unlocked=\"root\"");
                    tree.remove("usr/bin/xfce4-screensaver");
                    tree.write("usr/bin/light-locker", "");
                },
                open(),
            ),
            (
                "Cinnamon, held fast by dconf",
                "opensuse-server",
                |tree| {
                    tree.write("usr/share/xsessions/cinnamon.desktop", "");
                    tree.write("usr/bin/cinnamon-screensaver", "");
                    dconf(
                        tree,
                        "[org/cinnamon/desktop/session]\nidle-delay=uint32 600\n[org/cinnamon/desktop/screensaver]\n\
                         lock-enabled=true\nlock-delay=uint32 0\n[org/cinnamon/desktop/lockdown]\n\
                         disable-lock-screen=false\n",
                        "/org/cinnamon/desktop/session/idle-delay\n/org/cinnamon/desktop/screensaver/lock-enabled\n\
                         /org/cinnamon/desktop/screensaver/lock-delay\n\
                         /org/cinnamon/desktop/lockdown/disable-lock-screen\n",
                    );
                },
                lock(Fact::Known(true), Fact::Known(600), Fact::Known(0)),
            ),
            (
                "key files gone, not compiled",
                "debian-desktop",
                |tree| tree.remove("etc/dconf/db/local.d"),
                held(),
            ),
            (
                "a default only",
                "debian-desktop",
                |tree| {
                    tree.remove(LOCKS);
                    compile(tree);
                },
                open(),
            ),
            ("never compiled", "debian-desktop", |tree| tree.remove(COMPILED), open()),
            (
                "compiled before",
                "debian-desktop",
                |tree| {
                    compile(tree);
                    tree.date(COMPILED, NOW);
                },
                open(),
            ),
            (
                "damaged",
                "debian-desktop",
                |tree| tree.write(COMPILED, "GVariant"),
                unreadable_lock(Reason::Malformed),
            ),
            (
                "held fast at never",
                "debian-desktop",
                |tree| {
                    tree.replace(KEYS, "uint32 600", "uint32 0");
                    compile(tree);
                },
                never(),
            ),
            (
                "a number of another type",
                "debian-desktop",
                |tree| {
                    tree.replace(KEYS, "uint32 600", "600");
                    compile(tree);
                },
                lock(malformed(), Fact::Unreadable(Reason::Malformed), no.clone()),
            ),
            (
                "another word",
                "debian-desktop",
                |tree| {
                    tree.replace(KEYS, "lock-enabled=true", "lock-enabled=yes");
                    compile(tree);
                },
                lock(malformed(), Fact::Known(600), no.clone()),
            ),
            (
                "a database before it says no",
                "debian-desktop",
                |tree| {
                    tree.write(
                        "etc/dconf/profile/user",
                        "user-db:user\nsystem-db:site # ours\nsystem-db:local\n",
                    );
                    tree.write(
                        "etc/dconf/db/site.d/00",
                        "[org/gnome/desktop/screensaver]\nlock-enabled=false\n",
                    );
                    tree.write("etc/dconf/db/site", "");
                },
                held(),
            ),
            (
                "a second desktop",
                "debian-desktop",
                |tree| tree.write("usr/share/xsessions/xfce.desktop", ""),
                open(),
            ),
            (
                "a second desktop without its program",
                "debian-desktop",
                |tree| {
                    let entry = "[Desktop Entry]\nExec=openbox-session\nTryExec=openbox-session\n";
                    tree.write("usr/share/xsessions/openbox.desktop", entry);
                },
                held(),
            ),
            (
                "a second desktop with its program",
                "debian-desktop",
                |tree| {
                    tree.write(
                        "usr/share/xsessions/openbox.desktop",
                        "[Desktop Entry]\nExec=openbox-session\n",
                    );
                    tree.write("usr/bin/openbox-session", "");
                },
                open(),
            ),
            (
                "a second desktop, hidden",
                "debian-desktop",
                |tree| tree.write("usr/share/xsessions/xfce.desktop", "[Desktop Entry]\nHidden=true\n"),
                held(),
            ),
            (
                "a second name for nothing",
                "debian-desktop",
                |tree| {
                    tree.write(
                        "usr/share/xsessions/lightdm-xsession.desktop",
                        "[Desktop Entry]\nExec=default\n",
                    )
                },
                held(),
            ),
            (
                "GNOME under LightDM",
                "debian-desktop",
                |tree| tree.replace(MANAGER, "gdm3", "lightdm"),
                never(),
            ),
            ("GNOME under another", "debian-desktop", |tree| tree.replace(MANAGER, "gdm3", "tdm"), open()),
            (
                "Debian starts another",
                "debian-desktop",
                |tree| tree.write("etc/X11/default-display-manager", "/usr/sbin/lightdm\n"),
                open(),
            ),
            ("LightDM runs", "debian-desktop", |tree| tree.write("proc/500/comm", "lightdm\n"), never()),
            ("held fast by KDE in part", "fedora-workstation", |_| {}, open()),
            (
                "held fast by KDE",
                "fedora-workstation",
                |tree| tree.replace("etc/xdg/kscreenlockerrc", "Timeout=", "Timeout[$i]="),
                lock(Fact::Known(true), Fact::Known(300), no.clone()),
            ),
            (
                "held fast by KDE in another word",
                "fedora-workstation",
                |tree| tree.replace("etc/xdg/kscreenlockerrc", "=true", "=maybe"),
                lock(malformed(), no.clone(), no.clone()),
            ),
            (
                "Plasma without its locker",
                "fedora-workstation",
                |tree| tree.write("usr/bin/plasmashell", ""),
                never(),
            ),
            (
                "Plasma with its locker",
                "fedora-workstation",
                |tree| {
                    tree.write("usr/bin/plasmashell", "");
                    tree.write("usr/lib/x86_64-linux-gnu/libexec/kscreenlocker_greet", "");
                },
                open(),
            ),
            (
                "by logind, which Plasma does not tell",
                "fedora-workstation",
                |tree| tree.write(IDLE_ACTION.0, IDLE_ACTION.1),
                open(),
            ),
            (
                "by logind, which GNOME tells after ten minutes",
                "debian-desktop",
                |tree| {
                    tree.write(LOCKS, "/org/gnome/desktop/session/idle-delay\n");
                    compile(tree);
                    tree.write(IDLE_ACTION.0, IDLE_ACTION.1);
                },
                by_user(lock(Fact::Known(true), Fact::Known(1500), Fact::Known(0))),
            ),
            (
                "by logind, but for another section",
                "debian-desktop",
                |tree| {
                    tree.write(LOCKS, "/org/gnome/desktop/session/idle-delay\n");
                    compile(tree);
                    tree.write(IDLE_ACTION.0, &IDLE_ACTION.1.replace("Login", "Sleep"));
                },
                lock(Fact::Unreadable(Reason::NoSession), Fact::Known(600), no.clone()),
            ),
            (
                "by logind in a kiosk",
                "opensuse-server",
                |tree| {
                    tree.write("usr/share/wayland-sessions/cage.desktop", "");
                    tree.write(IDLE_ACTION.0, IDLE_ACTION.1);
                },
                never(),
            ),
            (
                "GNOME's kiosk",
                "opensuse-server",
                |tree| tree.write("usr/share/wayland-sessions/gnome-kiosk-script-wayland.desktop", ""),
                never(),
            ),
            (
                "a kiosk's unit",
                "opensuse-server",
                |tree| tree.write("etc/systemd/system/graphical.target.wants/cage@tty1.service", ""),
                never(),
            ),
            (
                "a compositor without a locker",
                "opensuse-server",
                |tree| {
                    tree.write("usr/share/wayland-sessions/sway.desktop", "[Desktop Entry]\nExec=sway\n");
                    tree.write("usr/bin/sway", "");
                    tree.write(IDLE_ACTION.0, IDLE_ACTION.1);
                },
                never(),
            ),
            (
                "a compositor with a locker",
                "opensuse-server",
                |tree| {
                    tree.write("usr/share/wayland-sessions/sway.desktop", "[Desktop Entry]\nExec=sway\n");
                    tree.write("usr/bin/sway", "");
                    tree.write("usr/bin/swaylock", "");
                },
                open(),
            ),
            ("no screen", "opensuse-server", |_| {}, none()),
            (
                "a log-in screen without a session we know",
                "opensuse-server",
                |tree| tree.write("etc/systemd/system/display-manager.service", ""),
                open(),
            ),
        ];
        for (row, name, change, expected) in rows {
            let tree = Tree::copy(name);
            change(&tree);
            assert_eq!(tree.lock(), expected, "{name} {row}");
        }
    }

    #[test]
    fn screen_locks_in_a_session() {
        let (on, off) = ("true\n", "false\n");
        let times = |idle, grace| lock(Fact::Known(true), Fact::Known(idle), Fact::Known(grace));
        let gnome = |enabled, disabled, idle: &'static str| {
            vec![
                (".commands/gsettings-lock-enabled", enabled),
                (".commands/gsettings-disable-lock-screen", disabled),
                (".commands/gsettings-idle-delay", idle),
                (".commands/gsettings-lock-delay", "uint32 5\n"),
            ]
        };
        let well =
            |more: &[(&'static str, &'static str)]| [&gnome(on, off, "uint32 300\n")[..], more].concat();
        let lightdm = (MANAGER, "[Service]\nExecStart=/usr/sbin/lightdm\n");
        let kde = |text| vec![("home/x/kscreenlockerrc", text)];
        let sway = |command| {
            vec![("usr/bin/swaylock", ""), ("proc/9/comm", "swayidle\n"), ("proc/9/cmdline", command)]
        };
        const XFCE: &str = "home/x/xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml";
        let xfce = |text| vec![("usr/bin/xfce4-screensaver", ""), (XFCE, text)];
        let presents = (
            "home/x/xfce4/xfconf/xfce-perchannel-xml/xfce4-power-manager.xml",
            "<channel name=\"xfce4-power-manager\"><property name=\"xfce4-power-manager\" type=\"empty\"><property name=\"presentation-mode\" type=\"bool\" value=\"true\"/></property></channel>",
        );
        let rows = [
            ("ubuntu:GNOME", well(&[]), times(300, 5)),
            ("GNOME", gnome(on, on, "uint32 300\n"), never()),
            ("GNOME", gnome(on, off, "uint32 0\n"), never()),
            ("GNOME", gnome("maybe\n", off, "uint32 300\n"), unreadable_lock(Reason::Malformed)),
            ("GNOME", gnome(on, off, "five\n"), unreadable_lock(Reason::Malformed)),
            ("GNOME", vec![], unreadable_lock(Reason::Failed)),
            ("GNOME", well(&[(MANAGER, "[Service]\nExecStart=/usr/sbin/gdm3\n")]), times(300, 5)),
            ("GNOME", well(&[lightdm]), never()),
            ("GNOME", well(&[("proc/1/comm", "systemd\n")]), never()),
            ("GNOME", well(&[("proc/500/comm", "gdm-session-wor\n"), lightdm]), times(300, 5)),
            (
                "GNOME",
                well(&[
                    (MANAGER, "[Service]\nExecStart=/usr/lib/X11/display-manager start\n"),
                    ("etc/sysconfig/displaymanager", "DISPLAYMANAGER=\"gdm\"\n"),
                ]),
                times(300, 5),
            ),
            ("GNOME-Flashback:GNOME", well(&[lightdm]), times(300, 5)),
            (
                "GNOME",
                [&gnome(off, off, "uint32 300\n")[..], &[IDLE_ACTION]].concat(),
                lock(Fact::Known(true), Fact::Known(1200), Fact::Known(0)),
            ),
            ("GNOME", [&gnome(off, off, "uint32 0\n")[..], &[IDLE_ACTION]].concat(), never()),
            ("Budgie:GNOME", well(&[lightdm, ("usr/bin/budgie-screensaver", "")]), times(300, 5)),
            ("Budgie:GNOME", well(&[lightdm]), never()),
            (
                "Budgie:GNOME",
                well(&[
                    lightdm,
                    ("usr/bin/budgie-screensaver", ""),
                    (".commands/gsettings-idle-activation-enabled", off),
                ]),
                never(),
            ),
            // GNOME Shell has no such switch.
            ("GNOME", well(&[(".commands/gsettings-idle-activation-enabled", off)]), times(300, 5)),
            ("X-Cinnamon", gnome(off, off, "uint32 300\n"), never()),
            ("X-Cinnamon", well(&[("usr/bin/cinnamon-screensaver", ""), lightdm]), times(300, 5)),
            (
                "MATE",
                [
                    &gnome(on, off, "5\n")[..3],
                    &[
                        (".commands/gsettings-lock-delay", "1\n"),
                        (".commands/gsettings-idle-activation-enabled", on),
                        ("usr/bin/mate-screensaver", ""),
                    ],
                ]
                .concat(),
                times(300, 60),
            ),
            (
                "MATE",
                [
                    &gnome(on, off, "5\n")[..3],
                    &[
                        (".commands/gsettings-lock-delay", "1\n"),
                        (".commands/gsettings-idle-activation-enabled", off),
                        ("usr/bin/mate-screensaver", ""),
                    ],
                ]
                .concat(),
                never(),
            ),
            ("MATE", gnome(on, off, "5\n"), never()),
            ("KDE", vec![], times(300, 5)),
            ("KDE", kde("[Daemon]\nTimeout=20\n"), times(1200, 5)),
            ("KDE", kde("[Daemon]\nAutolock=off\n"), never()),
            ("KDE", kde("[Daemon]\nRequirePassword=false\n"), never()),
            (
                "KDE",
                kde("[Daemon]\nAutolock=maybe\n"),
                lock(Fact::Unreadable(Reason::Malformed), Fact::Known(300), Fact::Known(5)),
            ),
            (
                "KDE",
                [
                    &kde("[Daemon]\nAutolock=false\n")[..],
                    &[("etc/xdg/kscreenlockerrc", "[Daemon][$i]\nAutolock=true\n")],
                ]
                .concat(),
                times(300, 5),
            ),
            ("XFCE", vec![], never()),
            ("XFCE", xfce(""), times(300, 0)),
            (
                "XFCE",
                xfce(
                    "<channel name=\"xfce4-screensaver\"><property name=\"saver\" type=\"empty\"><property name=\"mode\" type=\"int\" value=\"0\"/><property name=\"idle-activation\" type=\"empty\"><property name=\"delay\" type=\"int\" value=\"15\"/></property></property></channel>",
                ),
                times(900, 0),
            ),
            ("XFCE", [&xfce("")[..], &[("usr/bin/xfce4-power-manager", ""), presents]].concat(), never()),
            ("XFCE", [&xfce("")[..], &[presents]].concat(), times(300, 0)),
            (
                "XFCE",
                xfce(
                    "<channel name=\"xfce4-screensaver\"><property name=\"lock\" type=\"empty\"><property name=\"saver-activation\" type=\"empty\"><property name=\"enabled\" type=\"bool\" value=\"false\"/></property></property></channel>",
                ),
                never(),
            ),
            (
                "sway",
                sway("swayidle|-w|timeout|300|swaylock -f|timeout|600|systemctl suspend|"),
                times(300, 0),
            ),
            ("sway", sway("swayidle|-w|timeout|600|systemctl suspend|"), never()),
            ("sway", sway("swayidle|timeout|300|loginctl lock-session|"), never()),
            ("sway", sway("swayidle|timeout|300|loginctl lock-session|lock|swaylock|"), times(300, 0)),
            (
                "sway",
                sway("swayidle|timeout|300|loginctl lock-session|lock|swaylock --grace 60|"),
                times(300, 60),
            ),
            ("sway", sway("swayidle|timeout|300|loginctl lock-session|lock|notify-send locked|"), never()),
            (
                "sway",
                [
                    &sway("swayidle|")[..],
                    &[("home/x/swayidle/config", "# ours\ntimeout 240 'swaylock -f'\n")],
                ]
                .concat(),
                times(240, 0),
            ),
            (
                "sway",
                [
                    &sway("swayidle|")[..],
                    &[("etc/swayidle/config", "timeout\t240 'swaylock -f --grace 60'\n")],
                ]
                .concat(),
                times(240, 60),
            ),
            ("sway", sway("swayidle|timeout|300|/home/x/bin/lock.sh|"), unreadable_lock(Reason::Failed)),
            ("sway", vec![("usr/bin/swaylock", ""), ("proc/9/comm", "sway\n")], never()),
            ("sway", vec![("usr/bin/sway", "")], never()),
            (
                "i3",
                vec![("usr/bin/xss-lock", ""), ("proc/9/comm", "xss-lock\n")],
                unreadable_lock(Reason::Failed),
            ),
            ("GNOME-Kiosk:GNOME", well(&[]), never()),
            ("Pantheon", vec![], lock(Fact::Unsupported, Fact::Unsupported, Fact::Unsupported)),
        ];
        for (desktop, files, expected) in rows {
            let tree = Tree::copy("opensuse-server");
            // The kernel ends each argument with a zero byte.
            files.iter().for_each(|(path, content)| tree.write(path, &content.replace('|', "\0")));
            let session = lock::LoginSession { desktop: desktop.to_owned(), settings: "/home/x".into() };
            let seen = lock::read(&tree.root(), &Commands::of(&tree.root()), Some(&session));
            let kiosk = desktop.contains("Kiosk");
            let source = if kiosk { LockSource::Enforced } else { LockSource::Session };
            let expected = Lock { source: expected.automatic.clone().map(|_| source), ..expected };
            assert_eq!(seen, expected, "{desktop} {files:?}");
        }
    }

    #[test]
    fn session_lock_that_is_enforced_says_so() {
        for (group, source) in [("[Daemon][$i]", LockSource::Enforced), ("[Daemon]", LockSource::Session)] {
            let tree = Tree::copy("opensuse-server");
            let text = format!("{group}\nAutolock=true\nTimeout=10\nLockGrace=0\n");
            tree.write("etc/xdg/kscreenlockerrc", &text);
            let session = lock::LoginSession { desktop: "KDE".to_owned(), settings: "/home/x".into() };
            let seen = lock::read(&tree.root(), &Commands::of(&tree.root()), Some(&session));
            assert_eq!((seen.idle_seconds, seen.source), (Fact::Known(600), Fact::Known(source)), "{group}");
        }
    }
}
