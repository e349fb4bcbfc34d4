//! Endpoint products from recorded trees: one row for each state that a product can be in.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use vitalsign_linux::run::Commands;
    use vitalsign_linux::{Root, edr};
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::{EdrMode, EdrProduct};

    const NOW: u64 = 1_795_305_600;
    const FALCON: &str = "opt/CrowdStrike/falconctl";
    const MDATP: &str = "opt/microsoft/mdatp/sbin/wdavdaemon";
    const S1: &str = "opt/sentinelone/bin/sentinelctl";
    const ELASTIC: &str = "opt/Elastic/Endpoint/elastic-endpoint";
    const SHS: &str = "opt/sophos-spl/base/mcs/status/SHS_status.xml";
    const SOAPD: &str = "opt/sophos-spl/plugins/av/var/soapd_config.json";
    const WAZUH: &str = "var/ossec/bin/wazuh-control";
    const STATE: &str = "var/ossec/var/run/wazuh-agentd.state";
    const OSSEC: &str = "var/ossec/etc/ossec.conf";
    const OAS: &str = ".commands/mfetpcli-getoasconfig";

    /// Path and content of a file in a tree. `proc/7` is a process: the content is its name and user.
    type File = (&'static str, &'static str);

    fn tree(files: &[File]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        for (path, content) in files {
            if path.starts_with("proc/") {
                let (name, uid) = content.split_once(' ').unwrap_or((content, "0"));
                // As the kernel cuts it.
                write(&format!("{path}/comm"), &format!("{}\n", &name[..name.len().min(15)]));
                write(
                    &format!("{path}/status"),
                    &format!("Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"),
                );
            } else {
                write(path, content);
            }
        }
        tree
    }

    fn products(tree: &Path) -> Vec<EdrProduct> {
        let root = Root::at(tree);
        edr::read(&root, &Commands::of(&root), NOW).unwrap()
    }

    type State = (Fact<bool>, Fact<bool>, Fact<EdrMode>);

    fn yes(mode: EdrMode) -> State {
        (Fact::Known(true), Fact::Known(true), Fact::Known(mode))
    }
    fn no(mode: EdrMode) -> State {
        (Fact::Known(true), Fact::Known(false), Fact::Known(mode))
    }
    fn stopped() -> State {
        (Fact::Known(false), Fact::Known(false), Fact::Unsupported)
    }
    fn silent() -> State {
        (Fact::Known(true), Fact::Unsupported, Fact::Unsupported)
    }
    fn unreadable(reason: Reason) -> State {
        (Fact::Known(true), Fact::Unreadable(reason), Fact::Unreadable(reason))
    }

    #[test]
    fn states() {
        let falcon = |said| [(FALCON, ""), ("proc/7", "falcon-sensor-bpf"), (".commands/falconctl", said)];
        let mdatp = |said| [(MDATP, ""), ("proc/7", "wdavdaemon"), (".commands/mdatp-health", said)];
        let s1 = |said| [(S1, ""), ("proc/7", "s1-agent"), (".commands/sentinelctl-control-status", said)];
        let elastic =
            |said| [(ELASTIC, ""), ("proc/7", "elastic-endpoint"), (".commands/elastic-agent-status", said)];
        let sophos = |health, scans| {
            [
                ("opt/sophos-spl/base/VERSION.ini", ""),
                ("proc/7", "sophos_watchdog"),
                (SHS, health),
                (SOAPD, scans),
            ]
        };
        let wazuh =
            |state, conf| [(WAZUH, ""), ("proc/7", "wazuh-agentd 998"), (STATE, state), (OSSEC, conf)];
        let trellix = |said| [("opt/McAfee/ens/tp/bin/mfetpcli", ""), ("proc/7", "mfetpd"), (OAS, said)];
        let clamav = |on_access, conf| {
            [
                ("usr/sbin/clamd", ""),
                ("proc/7", "clamd 107"),
                ("proc/8", on_access),
                ("etc/clamav/clamd.conf", conf),
            ]
        };
        let well = "<item name=\"service\" value=\"1\" ><detail name=\"Sophos Linux AntiVirus\" value=\"0\" /></item>";
        let unwell = "<item name=\"service\" value=\"3\" ><detail name=\"Sophos Linux AntiVirus\" value=\"1\" /></item>";
        let responds =
            "<ossec_config><active-response>\n<disabled>no</disabled></active-response></ossec_config>";
        let watches =
            "<ossec_config><active-response>\n<disabled>yes</disabled></active-response></ossec_config>";
        let endpoint = |state| {
            let name =
                "{\"id\":\"endpoint-default\",\"name\":\"endpoint\",\"message\":\"Healthy\",\"state\":";
            Box::leak(
                format!(
                    "{{\"info\":{{\"version\":\"8.15.0\"}},\"state\":2,\"components\":[{name}{state}}}]}}"
                )
                .into_boxed_str(),
            )
        };
        let rows: Vec<(&str, &str, Vec<File>, State)> = vec![
            ("registered", "crowdstrike-falcon", falcon("aid=\"0a1b\", rfm-state=false, version = 7.10.16303.0\n").into(), yes(EdrMode::Active)),
            ("reduced", "crowdstrike-falcon", falcon("aid=\"0a1b\", version = 7.10.16303.0, rfm-state=true.\n").into(), no(EdrMode::Reduced)),
            ("not registered", "crowdstrike-falcon", falcon("aid is not set, version = 7.10.16303.0, rfm-state=false\n").into(), no(EdrMode::Active)),
            ("another answer", "crowdstrike-falcon", falcon("rfm-state is not set.\n").into(), unreadable(Reason::Malformed)),
            ("as no root", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcon-sensor"), (".commands/falconctl.exit", "denied")], unreadable(Reason::Denied)),
            ("hung", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcon-sensor"), (".commands/falconctl.exit", "timed-out")], unreadable(Reason::TimedOut)),
            ("installed only", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "sshd")], stopped()),
            ("a user's impostor", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcon-sensor 1000")], stopped()),
            ("by its service", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "sshd"), ("sys/fs/cgroup/system.slice/falcon-sensor.service/cgroup.procs", "12\n13\n"), (".commands/falconctl", "aid=\"0a1b\", rfm-state=false, version = 7.10.1\n")], yes(EdrMode::Active)),
            ("active", "microsoft-defender", mdatp(r#"{"healthy":true,"appVersion":"101.24","realTimeProtectionEnabled":{"$type":"managedBoolean","value":true},"passiveModeEnabled":{"value":false},"definitionsUpdatedMinutesAgo":60,"tamperProtection":"block"}"#).into(), yes(EdrMode::Active)),
            ("older names", "microsoft-defender", mdatp(r#"{"healthy":true,"app_version":"101.24","real_time_protection_enabled":true,"definitions_updated_minutes_ago":"60"}"#).into(), yes(EdrMode::Active)),
            ("passive", "microsoft-defender", mdatp(r#"{"healthy":true,"realTimeProtectionEnabled":{"value":true},"passiveModeEnabled":{"value":true}}"#).into(), no(EdrMode::Passive)),
            ("unwell", "microsoft-defender", mdatp(r#"{"healthy":false,"realTimeProtectionEnabled":true,"passiveModeEnabled":false}"#).into(), no(EdrMode::Reduced)),
            ("not JSON", "microsoft-defender", mdatp("ATTENTION: No license found.").into(), unreadable(Reason::Malformed)),
            ("JSON without", "microsoft-defender", mdatp("{\"healthy\":true}").into(), unreadable(Reason::Malformed)),
            ("enabled", "sentinelone", s1("Agent state          Enabled\nProcess Name   PID\n").into(), (Fact::Known(true), Fact::Known(true), Fact::Unsupported)),
            ("disabled", "sentinelone", s1("Agent state          Disabled\n").into(), no(EdrMode::Snoozed)),
            ("another answer", "sentinelone", s1("?").into(), unreadable(Reason::Malformed)),
            ("well, scanning", "sophos", sophos(well, "{\"enabled\":true}").into(), yes(EdrMode::Active)),
            ("not scanning", "sophos", sophos(well, "{\"enabled\":\"false\"}").into(), no(EdrMode::Passive)),
            ("unwell", "sophos", sophos(unwell, "{\"enabled\":true}").into(), no(EdrMode::Reduced)),
            ("scanning", "trellix", trellix("On-Access Scan: Enabled\n").into(), yes(EdrMode::Active)),
            ("not scanning", "trellix", trellix("On-Access Scan: Disabled\n").into(), no(EdrMode::Snoozed)),
            ("runs", "cortex-xdr", vec![("opt/traps/bin/cytool", ""), ("sys/fs/cgroup/system.slice/traps_pmd.service/cgroup.procs", "7\n"), ("proc/7", "pmd")], silent()),
            ("runs", "carbon-black-cloud", vec![("opt/carbonblack/psc/bin/cbagentd", ""), ("proc/7", "cbagentd")], silent()),
            ("healthy", "elastic-defend", elastic(endpoint(2)).into(), (Fact::Known(true), Fact::Known(true), Fact::Unsupported)),
            ("degraded", "elastic-defend", elastic(endpoint(3)).into(), no(EdrMode::Reduced)),
            ("no endpoint", "elastic-defend", elastic("{\"components\":[{\"name\":\"log\",\"state\":2}]}").into(), (Fact::Known(true), Fact::Known(false), Fact::Unsupported)),
            ("connected", "wazuh", wazuh("# State\nstatus='connected'\n", responds).into(), yes(EdrMode::Active)),
            ("watching", "wazuh", wazuh("status='connected'\n", watches).into(), no(EdrMode::Passive)),
            ("disconnected", "wazuh", wazuh("status='pending'\n", responds).into(), no(EdrMode::Active)),
            ("runs", "eset", vec![("opt/eset/eea/bin/upd", ""), ("proc/7", "oaeventd")], silent()),
            ("on access", "clamav", clamav("clamonacc", "OnAccessPrevention yes\n").into(), yes(EdrMode::Active)),
            ("on access, watching", "clamav", clamav("clamonacc", "# OnAccessPrevention yes\n").into(), no(EdrMode::Passive)),
            ("daemon only", "clamav", clamav("freshclam", "OnAccessPrevention yes\n").into(), no(EdrMode::Passive)),
            ("on", "bitdefender", vec![("opt/bitdefender-security-tools/bin/bduitool", ""), ("proc/7", "bdsecd"), (".commands/bduitool-get-ps", "Product version: 7.0.5\n- Antimalware status: On\nLast security content update: 2026-11-21 08:00:00\n")], yes(EdrMode::Active)),
            ("running", "kaspersky", vec![("opt/kaspersky/kesl/bin/kesl-control", ""), ("proc/7", "kesl"), (".commands/kesl-control", "Name: Kaspersky\nVersion: 12.0.0.6672\nFile Threat Protection: Available and running\nLast release date of databases: 2026-11-20 10:00:00\n")], (Fact::Known(true), Fact::Known(true), Fact::Unsupported)),
        ];
        for (row, id, files, (running, protecting, mode)) in rows {
            let tree = tree(&files);
            let found = products(tree.path());
            assert_eq!(found.len(), 1, "{id} {row}: {found:?}");
            let product = &found[0];
            assert_eq!(product.id, id, "{row}");
            assert_eq!(
                (&product.running, &product.protecting, &product.mode),
                (&running, &protecting, &mode),
                "{id} {row}"
            );
        }
    }

    #[test]
    fn versions_ages_and_tampering() {
        let dpkg = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n\
                    Package: cb-psc-sensor\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.15.0\n";
        let known = |version: &str| Fact::Known(version.to_owned());
        let cvd =
            "ClamAV-VDB:20 Nov 2026 08-45 +0000:27400:2000000:90:md5:sig:builder:1795163100                ";
        type Row = (Vec<File>, Fact<String>, Fact<u64>, Fact<bool>);
        let rows: Vec<Row> = vec![
            (
                vec![
                    (FALCON, ""),
                    ("proc/7", "falcon-sensor"),
                    (".commands/falconctl", "aid=\"0a\", rfm-state=false, version = 7.10.1.\n"),
                ],
                known("7.10.1"),
                Fact::Unsupported,
                Fact::Unsupported,
            ),
            (
                vec![
                    (MDATP, ""),
                    ("proc/7", "wdavdaemon"),
                    (
                        ".commands/mdatp-health",
                        r#"{"healthy":true,"appVersion":"101.24","realTimeProtectionEnabled":true,"definitionsUpdatedMinutesAgo":60,"tamperProtection":"audit"}"#,
                    ),
                ],
                known("101.24"),
                Fact::Known(NOW - 3600),
                Fact::Known(false),
            ),
            (
                vec![
                    ("opt/eset/efs/bin/upd", ""),
                    ("proc/7", "sshd"),
                    (
                        ".commands/eset-upd-list-modules",
                        "EM000 1081 (20260101) Update\nEM002 28000 (20261122) Detection engine\n",
                    ),
                    (".commands/eset-upd-version", "/opt/eset/efs/bin/upd (efs) 10.2.41.0\n"),
                ],
                known("10.2.41.0"),
                Fact::Known(NOW),
                Fact::Unsupported,
            ),
            (
                vec![
                    ("usr/bin/clamscan", ""),
                    ("proc/7", "sshd"),
                    ("var/lib/clamav/daily.cld", cvd),
                    ("var/lib/clamav/main.cvd", "ClamAV-VDB:a:b:c:d:e:f:g:1600000000"),
                    (".commands/clamscan-version", "ClamAV 1.0.7/27400/Fri Nov 20 08:45:00 2026\n"),
                ],
                known("1.0.7"),
                Fact::Known(1_795_163_100),
                Fact::Unsupported,
            ),
            (
                vec![("usr/bin/clamscan", ""), ("proc/7", "sshd"), ("var/lib/clamav/daily.cvd", "damaged")],
                Fact::Unsupported,
                Fact::Unreadable(Reason::Malformed),
                Fact::Unsupported,
            ),
            (
                vec![
                    ("opt/McAfee/ens/tp/bin/mfetpcli", ""),
                    ("proc/7", "mfetpd"),
                    (OAS, "On-Access Scan: Enabled\n"),
                    (
                        ".commands/mfetpcli-version",
                        "Trellix\nVersion : 10.7.15\nDAT Version : 5000.0\nDAT Date: 22-11-2026\n",
                    ),
                ],
                known("10.7.15"),
                Fact::Known(NOW),
                Fact::Unsupported,
            ),
            (
                vec![
                    ("opt/carbonblack/psc/bin/cbagentd", ""),
                    ("proc/7", "cbagentd"),
                    ("var/lib/dpkg/status", dpkg),
                ],
                known("2.15.0"),
                Fact::Unsupported,
                Fact::Unsupported,
            ),
            (
                vec![
                    ("opt/carbonblack/psc/bin/cbagentd", ""),
                    ("proc/7", "cbagentd"),
                    (".commands/rpm-carbon-black-cloud", "2.16.1-1\n"),
                ],
                known("2.16.1-1"),
                Fact::Unsupported,
                Fact::Unsupported,
            ),
        ];
        for (files, version, signatures, tamper) in rows {
            let tree = tree(&files);
            let found = products(tree.path());
            let product = &found[0];
            let seen = (&product.version, &product.signatures_updated, &product.tamper_protection);
            assert_eq!(seen, (&version, &signatures, &tamper), "{}", product.id);
        }
    }

    #[test]
    fn a_clean_machine_has_none() {
        let tree = tree(&[("proc/1", "systemd"), ("proc/7", "sshd")]);
        assert_eq!(products(tree.path()), Vec::new());
    }

    #[test]
    fn hanging_product_does_not_affect_others() {
        let tree = tree(&[
            (FALCON, ""),
            ("proc/7", "falcon-sensor"),
            (".commands/falconctl.exit", "timed-out"),
            ("usr/sbin/clamd", ""),
            ("proc/8", "clamd"),
            ("proc/9", "clamonacc"),
            ("etc/clamav/clamd.conf", "OnAccessPrevention yes"),
        ]);
        let found = products(tree.path());
        let states: Vec<_> = found.iter().map(|product| (&*product.id, &product.protecting)).collect();
        assert_eq!(
            states,
            [("crowdstrike-falcon", &Fact::Unreadable(Reason::TimedOut)), ("clamav", &Fact::Known(true))]
        );
        let mut pids = edr::running_pids(&Root::at(tree.path()));
        pids.sort_unstable();
        assert_eq!(pids, [7, 8, 9]);
    }

    #[test]
    fn a_process_of_this_machine_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("falcon-sensor-bpf");
        std::fs::copy("/bin/sleep", &program).unwrap();
        if !rustix::process::getuid().is_root() {
            eprintln!("as a person, no process of ours counts as a product's");
            return;
        }
        let mut child = Command::new(&program).arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let found = edr::running_pids(&Root::default());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&pid), "{pid} is not among {found:?}");
        assert!(!edr::running_pids(&Root::default()).contains(&pid));
    }
}
