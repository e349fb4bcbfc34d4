//! Disk encryption on recorded trees, and on the machine that runs the tests.
//!
//! A tree is one file, `trees/disk-*.tree`, because sysfs's names have colons, which not every file system can hold.
//! Its lines: `path -> target` a link, `path = text` a file, `path += line` one more line of a file, `path <- file` a copy
//! of a file beside it, `path/` a folder.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use vitalsign_linux::{Root, disk};
    use vitalsign_platform_api::Collector;
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::Volume;

    fn trees() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees")
    }

    /// Lays a recorded tree out.
    fn tree(name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(trees().join(format!("disk-{name}.tree"))).unwrap();
        for line in text.lines().filter(|line| line.starts_with('/')) {
            let at = |path: &str| {
                let path = folder.path().join(&path[1..]);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                path
            };
            if let Some((path, target)) = line.split_once(" -> ") {
                std::os::unix::fs::symlink(target, at(path)).unwrap();
            } else if let Some((path, file)) = line.split_once(" <- ") {
                fs::copy(trees().join(file), at(path)).unwrap();
            } else if let Some((path, more)) = line.split_once(" += ") {
                let mut file = fs::OpenOptions::new().create(true).append(true).open(at(path)).unwrap();
                writeln!(file, "{more}").unwrap();
            } else if let Some((path, text)) = line.split_once(" =") {
                fs::write(at(path), format!("{}\n", text.trim_start())).unwrap();
            } else {
                fs::create_dir_all(folder.path().join(&line[1..])).unwrap();
            }
        }
        folder
    }

    #[test]
    fn command_line_names_devices_of_key_files() {
        for (words, protector) in [
            ("rd.luks.key=/k:UUID=1111-1111", "clear"),
            ("rd.luks.key=00000000-0000-4000-8000-000000000001=/k:UUID=1111-1111", "clear"),
            ("rd.luks.key=/k:LABEL=STICK", "password"),
            ("rd.luks.key=/k:LABEL=ABSENT", "password"),
            ("cryptkey=/dev/sda1:ext4:/k", "clear"),
            ("cryptkey=UUID=1111-1111:0:4096", "clear"),
            ("cryptkey=LABEL=STICK:vfat:/k", "password"),
            ("quiet", "password"),
        ] {
            let tree = tree("key-devices");
            fs::write(tree.path().join("proc/cmdline"), words).unwrap();
            let volumes = read(&Root::at(tree.path())).unwrap();
            assert_eq!(in_words(&volumes[0]), format!("system true luks2 {protector} false"), "{words}");
        }
    }

    fn read(root: &Root) -> Result<Vec<Volume>, Fact<Vec<Volume>>> {
        match Collector::default().collect(disk::probes(root), |_| {}).disk.volumes {
            Fact::Known(volumes) => Ok(volumes),
            unknown => Err(unknown),
        }
    }

    /// Role, encrypted, method, protector, suspended: `-` for unsupported.
    fn in_words(volume: &Volume) -> String {
        fn word<T>(fact: &Fact<T>, known: impl Fn(&T) -> String) -> String {
            match fact {
                Fact::Known(value) => known(value),
                Fact::Unsupported => "-".into(),
                Fact::Unreadable(reason) => format!("?{reason:?}"),
            }
        }
        [
            volume.role.as_str().to_owned(),
            word(&volume.encrypted, bool::to_string),
            word(&volume.method, String::clone),
            word(&volume.protector, |protector| protector.as_str().to_owned()),
            word(&volume.suspended, bool::to_string),
        ]
        .join(" ")
    }

    #[test]
    fn every_path_to_every_leaf_has_to_be_encrypted() {
        let table: &[(&str, &[&str])] = &[
            ("luks-on-lvm", &["system true luks2 tpm false", "swap true luks2 password false"]),
            (
                "lvm-on-luks",
                &[
                    "system true luks2 password false",
                    "data true luks2 password false",
                    "swap true luks2 password false",
                    "hibernation true luks2 password false",
                ],
            ),
            ("lvm-two-disks-one-plain", &["system false none - -"]),
            ("btrfs-on-luks", &["system true luks2 tpm false", "swap true memory - -"]),
            ("btrfs-two-devices-one-plain", &["system false none - -"]),
            (
                "swap-random",
                &[
                    "system true luks1 password -",
                    "swap true dm-crypt random -",
                    "swap true dm-crypt password -",
                    "swap true dm-crypt ?Malformed -",
                    "swap false none - -",
                ],
            ),
            ("zram", &["system true luks1 password -", "swap true memory - -", "swap false none - -"]),
            ("plain", &["system false none - -", "system false none - -", "data false none - -"]),
            (
                "swap-file-on-luks",
                &[
                    "system true luks2 password false",
                    "swap true luks2 password false",
                    "hibernation true luks2 password false",
                ],
            ),
            (
                "raid",
                &["system true luks2 tpm false", "data true luks2 password false", "data false none - -"],
            ),
            (
                "layers",
                &[
                    "system false none - -",
                    "data false none - -",
                    "data true luks2 password false",
                    "data true luks2 password false",
                    "data false none - -",
                    "data ?Failed ?Failed ?Failed ?Failed",
                ],
            ),
            (
                "mapped",
                &[
                    "system true luks2 password false",
                    "data ?Denied ?Denied ?Denied ?Denied",
                    "data true luks2 password false",
                ],
            ),
            ("live", &["system false none - -"]),
            ("composefs-on-luks", &["system true luks2 tpm false", "data true luks2 tpm false"]),
            ("composefs-var-on-luks", &["system false none - -", "data true luks2 tpm false"]),
            ("composefs-detached", &["system true luks2 tpm false", "data true luks2 tpm false"]),
            ("overlayroot", &["system false none - -"]),
            ("overlay-hidden", &["system ?Failed ?Failed ?Failed ?Failed"]),
            ("sysext", &["system true luks2 tpm false", "system true luks2 tpm false"]),
            ("sysext-on-plain", &["system true luks2 tpm false", "system false none - -"]),
            ("boot-partitions", &["system true luks2 tpm false", "data false none - -"]),
            (
                "removable",
                &[
                    "system true luks2 tpm false",
                    "removable false none - -",
                    "removable true luks2 password false",
                    "data false none - -",
                ],
            ),
            (
                "zfs",
                &[
                    "system true zfs password -",
                    "data true zfs network -",
                    "data true zfs clear -",
                    "data true luks2 tpm false",
                    "data false none - -",
                    "data true luks2 tpm false",
                    "data ?Malformed ?Malformed ?Malformed ?Malformed",
                    "data true zfs tpm -",
                    "data true zfs clear -",
                    "data true luks2 tpm false",
                    "swap true zfs password -",
                ],
            ),
            ("zfs-without-zpool", &["system false none - -"]),
            (
                "zfs-known-by-label",
                &["system true luks2 tpm false", "data ?Malformed ?Malformed ?Malformed ?Malformed"],
            ),
            (
                "key-files",
                &[
                    "system true luks2 clear false",
                    "data true luks2 clear false",
                    "data true luks2 password false",
                    "data true luks2 password false",
                    "data true luks2 password false",
                    "removable false none - -",
                ],
            ),
            (
                "key-devices",
                &[
                    "system true luks2 password false",
                    "data true luks2 clear false",
                    "data true luks2 password false",
                    "data true luks2 password false",
                    "data true luks2 password false",
                ],
            ),
            ("key-file-boot-encrypted", &["system true luks2 password false"]),
            ("key-file-in-uki", &["system true luks2 clear false"]),
            (
                "virtual",
                &[
                    "system ?Hypervisor ?Hypervisor ?Hypervisor ?Hypervisor",
                    "data true luks2 tpm false",
                    "data ?Hypervisor ?Hypervisor ?Hypervisor ?Hypervisor",
                ],
            ),
            (
                "drive",
                &["system ?Drive ?Drive ?Drive ?Drive", "data true luks1 password -", "data false none - -"],
            ),
            (
                "reencrypting",
                &[
                    "system true luks2 password true",
                    "data false none - -",
                    "data true dm-crypt password -",
                    "swap false none - -",
                    "swap false none - -",
                ],
            ),
            ("absent", &["system true luks2 tpm false"]),
            (
                "broken",
                &[
                    "system ?Failed ?Failed ?Failed ?Failed",
                    "data ?Failed ?Failed ?Failed ?Failed",
                    "data ?Failed ?Failed ?Failed ?Failed",
                    "swap ?Failed ?Failed ?Failed ?Failed",
                ],
            ),
        ];
        for (name, expected) in table {
            let folder = tree(name);
            let seen: Vec<_> = read(&Root::at(folder.path())).unwrap().iter().map(in_words).collect();
            assert_eq!(seen, *expected, "{name}");
        }
        let recorded =
            fs::read_dir(trees()).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let recorded = recorded.filter(|name| name.starts_with("disk-") && name.ends_with(".tree"));
        assert_eq!(recorded.count(), table.len(), "every recorded tree is in the table");
    }

    #[test]
    fn unreadable_header_leaves_protector_unreadable() {
        for (content, reason) in [(None, Reason::Failed), (Some([0; 8192]), Reason::Malformed)] {
            let folder = tree("luks-on-lvm");
            let node = folder.path().join("dev/dm-0");
            match content {
                Some(content) => fs::write(node, content).unwrap(),
                None => fs::remove_file(node).unwrap(),
            }
            let volumes = read(&Root::at(folder.path())).unwrap();
            assert_eq!(volumes[0].encrypted, Fact::Unreadable(reason), "the null cipher has the same device");
            assert_eq!(volumes[0].protector, Fact::Unreadable(reason));
            assert_eq!(volumes[0].suspended, Fact::Unreadable(reason));
        }
    }

    /// Writes a LUKS2 header with this metadata.
    fn write_header(device: &Path, slots: &str, tokens: &str, segments: &str, requirements: &str) {
        let digests = r#""0":{"type":"pbkdf2","keyslots":["0","1"],"segments":["0"]}"#;
        let json = format!(
            r#"{{"keyslots":{{{slots}}},"tokens":{{{tokens}}},"segments":{{{segments}}},"digests":{{{digests}}},"config":{{"json_size":"12288","requirements":{{"mandatory":[{requirements}]}}}}}}"#
        );
        let mut header = b"LUKS\xba\xbe\0\x02".to_vec();
        header.extend(16384_u64.to_be_bytes());
        header.resize(4096, 0);
        header.extend(json.as_bytes());
        header.resize(16384, 0);
        fs::write(device, header).unwrap();
    }

    #[test]
    fn header_decides_what_the_device_is_worth() {
        const SLOT: &str = r#""0":{"type":"luks2"}"#;
        const CRYPT: &str = r#""0":{"type":"crypt","encryption":"aes-xts-plain64"}"#;
        let token = |kind: &str, more: &str| format!(r#""0":{{"type":"{kind}","keyslots":["0"]{more}}}"#);
        let tpm = token("systemd-tpm2", r#","tpm2-pcrs":[7]"#);
        let recovery = r#","1":{"type":"ubuntu-fde-recovery","keyslots":["1"]}"#;
        let ubuntu = |platform: &str| {
            token("ubuntu-fde", &format!(r#","ubuntu_fde_data":{{"platform_name":"{platform}"}}"#))
        };
        let halves = format!(r#"{CRYPT},"1":{{"type":"linear"}}"#);
        let opal = r#""0":{"type":"hw-opal","opal_segment_number":1}"#;
        let both = r#""0":{"type":"luks2"},"1":{"type":"luks2"}"#;
        let null = r#""0":{"type":"crypt","encryption":"cipher_null-ecb"}"#;
        let any_boot = token("systemd-tpm2", r#","tpm2-pcrs":[]"#);
        let table = [
            (SLOT, tpm.clone(), CRYPT, "", "system true luks2 tpm false"),
            (SLOT, any_boot, CRYPT, "", "system true luks2 tpm-unbound false"),
            (both, ubuntu("tpm2") + recovery, CRYPT, "", "system true luks2 tpm false"),
            (SLOT, tpm.clone(), &halves, r#""online-reencrypt-v2""#, "system false luks2 tpm true"),
            (SLOT, tpm.clone(), opal, r#""opal""#, "system ?Drive luks2 tpm false"),
            (SLOT, tpm.clone(), null, "", "system false none - -"),
            (SLOT, token("new", ""), CRYPT, "", "system true luks2 ?Malformed false"),
            // The key lies on the system's own volume: a copy of it is on the plain /boot.
            (SLOT, ubuntu("plainkey"), CRYPT, "", "system true luks2 clear false"),
        ];
        for (slots, tokens, segments, requirements, expected) in table {
            let folder = tree("luks-on-lvm");
            write_header(&folder.path().join("dev/dm-0"), slots, &tokens, segments, requirements);
            let volumes = read(&Root::at(folder.path())).unwrap();
            assert_eq!(in_words(&volumes[0]), expected, "{tokens} {segments}");
        }
    }

    #[test]
    fn key_on_the_system_volume_is_as_safe_as_that() {
        let folder = tree("raid");
        let slot = r#""0":{"type":"luks2"}"#;
        let token =
            r#""0":{"type":"ubuntu-fde","keyslots":["0"],"ubuntu_fde_data":{"platform_name":"plainkey"}}"#;
        let crypt = r#""0":{"type":"crypt","encryption":"aes-xts-plain64"}"#;
        for disk in ["sda2", "sdb2"] {
            write_header(&folder.path().join("dev").join(disk), slot, token, crypt, "");
        }
        let volumes = read(&Root::at(folder.path())).unwrap();
        assert_eq!(in_words(&volumes[1]), "data true luks2 tpm false");
    }

    /// Runs a script, which has to succeed.
    fn shell(script: &str) {
        let status = std::process::Command::new("sh").args(["-ec", script]).status().unwrap();
        assert!(status.success(), "{script}");
    }

    #[test]
    fn fscrypt_counts_where_it_covers_the_volume() {
        const INSIDE: &str = "VITALSIGN_TEST_IN_MOUNTS_OF_ITS_OWN";
        if std::env::var_os(INSIDE).is_none() {
            let name = "tests::fscrypt_counts_where_it_covers_the_volume";
            let again = std::process::Command::new("unshare")
                .args(["--mount", "--"])
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", name, "--nocapture"])
                .env(INSIDE, "1")
                .status();
            assert!(again.expect("unshare (it needs root)").success());
            return;
        }
        let folder = tree("plain");
        let (var, image) = (folder.path().join("var"), folder.path().join("image"));
        let (var_text, image) = (var.display(), image.display());
        let data = || in_words(&read(&Root::at(folder.path())).unwrap()[2]);
        // With this option, for tests, ext4 encrypts each new folder with a key that it has.
        shell(&format!(
            "mkdir -p {var_text}; truncate -s 32M {image}; mkfs.ext4 -q -O encrypt,stable_inodes {image}
             mount -o loop,test_dummy_encryption=v2 {image} {var_text}"
        ));
        assert_eq!(data(), "data false none - -", "an empty volume");
        shell(&format!("mkdir {var_text}/lib {var_text}/log {var_text}/.fscrypt"));
        assert_eq!(data(), "data true fscrypt - -");

        let mountinfo = folder.path().join("proc/self/mountinfo");
        let whole = fs::read_to_string(&mountinfo).unwrap();
        let part = whole.replace(" / /var ", " /part /var ");
        assert_ne!(part, whole);
        fs::write(&mountinfo, part).unwrap();
        assert_eq!(data(), "data false none - -", "a mount of one folder of the volume");
        // The system is never encrypted by folders.
        fs::write(&mountinfo, whole.replace(" / /var ", " / /usr ").replace(" / /usr ro", " / /opt ro"))
            .unwrap();
        shell(&format!("mkdir -p {0}/usr && mount --bind {var_text} {0}/usr", folder.path().display()));
        let volumes = read(&Root::at(folder.path())).unwrap();
        assert!(volumes.iter().all(|volume| volume.method != Fact::Known("fscrypt".into())), "{volumes:?}");

        fs::write(&mountinfo, whole).unwrap();
        shell(&format!(
            "umount {0}/usr; umount {var_text}; mount -o loop {image} {var_text}; touch {var_text}/note",
            folder.path().display()
        ));
        assert_eq!(data(), "data false none - -", "one file is not encrypted");
        shell(&format!("umount {var_text}"));
    }

    #[test]
    fn mounts_that_are_not_understood_are_not_passed_over() {
        let folder = tree("plain");
        let mountinfo = folder.path().join("proc/self/mountinfo");
        let text = fs::read_to_string(&mountinfo).unwrap();
        fs::write(&mountinfo, text + "not a mount\n").unwrap();
        assert_eq!(read(&Root::at(folder.path())), Err(Fact::Unreadable(Reason::Malformed)));
        fs::remove_file(&mountinfo).unwrap();
        assert_eq!(read(&Root::at(folder.path())), Err(Fact::Unreadable(Reason::Failed)));
    }

    #[test]
    fn this_machine_has_a_system_volume_and_every_swap() {
        let volumes = read(&Root::default()).unwrap();
        let count = |role: &str| volumes.iter().filter(|volume| volume.role.as_str() == role).count();
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default().lines().skip(1).count();
        assert_eq!(count("swap"), swaps, "{volumes:?}");
        assert!(count("system") >= 1, "{volumes:?}");
        // `lsblk` is an independent reader of the same stack.
        let source = std::process::Command::new("findmnt").args(["-no", "SOURCE", "/"]).output().unwrap();
        let source = String::from_utf8(source.stdout).unwrap();
        if source.starts_with("/dev/") {
            let types =
                std::process::Command::new("lsblk").args(["-sno", "TYPE", source.trim()]).output().unwrap();
            let crypt = String::from_utf8(types.stdout).unwrap().contains("crypt");
            let plain = volumes.iter().find(|volume| volume.role.as_str() == "system").unwrap();
            assert!(crypt || plain.encrypted != Fact::Known(true), "{volumes:?}");
        }
    }
}
