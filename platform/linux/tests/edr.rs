//! Endpoint products from recorded trees: one row for each state that a product can be in.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, SystemTime};
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
    const KESL: &str = "opt/kaspersky/kesl/bin/kesl-control";
    const BDUITOOL: &str = "opt/bitdefender-security-tools/bin/bduitool";
    const OAS: &str = ".commands/mfetpcli-getoasconfig";

    /// Path and content of a file in a tree. `proc/7` is a process: the content is its name and user, and in further lines
    /// more of its status. `path ->` is a link.
    type File = (&'static str, &'static str);

    fn tree(files: &[File]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            date(&path, NOW);
        };
        for (path, content) in files {
            if let Some(path) = path.strip_suffix(" ->") {
                let path = tree.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink(content, path).unwrap();
            } else if path.strip_prefix("proc/").is_some_and(|pid| !pid.contains('/') && pid != "stat") {
                let (content, more) = content.split_once('\n').unwrap_or((content, ""));
                let (name, uid) = content.split_once(' ').unwrap_or((content, "0"));
                // As the kernel cuts it.
                write(&format!("{path}/comm"), &format!("{}\n", &name[..name.len().min(15)]));
                write(
                    &format!("{path}/status"),
                    &format!("Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n{more}\n"),
                );
            } else {
                write(path, content);
            }
        }
        tree
    }

    fn date(path: &Path, seconds: u64) {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
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
        let wazuh = |state, conf| {
            let execd = ("proc/8", "wazuh-execd");
            [(WAZUH, ""), ("proc/7", "wazuh-agentd 998"), execd, (STATE, state), (OSSEC, conf)]
        };
        let kesl = |said| [(KESL, ""), ("proc/7", "kesl"), (".commands/kesl-control", said)];
        let bitdefender = |said| [(BDUITOOL, ""), ("proc/7", "bdsecd"), (".commands/bduitool-get-ps", said)];
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
            ("not registered", "crowdstrike-falcon", falcon("aid is not set, version = 7.10.16303.0, rfm-state=false\n").into(), no(EdrMode::Disconnected)),
            ("just started", "crowdstrike-falcon", falcon("aid=\"0a1b\", version = 7.10.16303.0, rfm-state is not set\n").into(), unreadable(Reason::Malformed)),
            ("reduced, aid not given", "crowdstrike-falcon", falcon("version = 7.10.16303.0, rfm-state=true\n").into(), no(EdrMode::Reduced)),
            ("well, exit status 255", "crowdstrike-falcon", [&falcon("aid=\"0a1b\", version = 7.10.1, rfm-state=false\n")[..], &[(".commands/falconctl.exit", "255")]].concat(), yes(EdrMode::Active)),
            ("only an error", "crowdstrike-falcon", [&falcon("")[..], &[(".commands/falconctl.exit", "255")]].concat(), unreadable(Reason::Failed)),
            ("another answer", "crowdstrike-falcon", falcon("rfm-state is not set.\n").into(), unreadable(Reason::Malformed)),
            ("as no root", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcon-sensor"), (".commands/falconctl.exit", "denied")], unreadable(Reason::Denied)),
            ("hung", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcon-sensor"), (".commands/falconctl.exit", "timed-out")], unreadable(Reason::TimedOut)),
            ("installed only", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "sshd")], stopped()),
            ("a user's impostor", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcon-sensor 1000")], stopped()),
            ("its supervisor only", "crowdstrike-falcon", vec![(FALCON, ""), ("proc/7", "falcond"), ("sys/fs/cgroup/system.slice/falcon-sensor.service/cgroup.procs", "7\n")], stopped()),
            ("active", "microsoft-defender", mdatp(r#"{"healthy":true,"appVersion":"101.24","realTimeProtectionEnabled":{"$type":"managedBoolean","value":true},"passiveModeEnabled":{"value":false},"definitionsUpdatedMinutesAgo":60,"tamperProtection":"block"}"#).into(), yes(EdrMode::Active)),
            ("older names", "microsoft-defender", mdatp(r#"{"healthy":true,"app_version":"101.24","real_time_protection_enabled":true,"definitions_updated_minutes_ago":"60"}"#).into(), yes(EdrMode::Active)),
            ("passive", "microsoft-defender", mdatp(r#"{"healthy":true,"realTimeProtectionEnabled":{"value":true},"passiveModeEnabled":{"value":true}}"#).into(), no(EdrMode::Passive)),
            ("unwell", "microsoft-defender", mdatp(r#"{"healthy":false,"realTimeProtectionEnabled":true,"passiveModeEnabled":false}"#).into(), no(EdrMode::Reduced)),
            ("real-time off", "microsoft-defender", mdatp(r#"{"healthy":true,"licensed":true,"realTimeProtectionEnabled":false,"passiveModeEnabled":false}"#).into(), no(EdrMode::Passive)),
            ("enabled, not available", "microsoft-defender", mdatp(r#"{"healthy":true,"realTimeProtectionEnabled":true,"realTimeProtectionAvailable":false,"passiveModeEnabled":false}"#).into(), no(EdrMode::Reduced)),
            ("not onboarded", "microsoft-defender", mdatp("ATTENTION: No license found. Contact your administrator for help.\n{\"healthy\":false,\"licensed\":false,\"realTimeProtectionEnabled\":true}").into(), no(EdrMode::Unlicensed)),
            ("unwell, the rest not given", "microsoft-defender", mdatp(r#"{"healthy":false}"#).into(), no(EdrMode::Reduced)),
            ("well, exit status 1", "microsoft-defender", [&mdatp(r#"{"healthy":true,"realTimeProtectionEnabled":true,"passiveModeEnabled":false}"#)[..], &[(".commands/mdatp-health.exit", "1")]].concat(), yes(EdrMode::Active)),
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
            ("degraded, exit status 1", "elastic-defend", [&elastic(endpoint(3))[..], &[(".commands/elastic-agent-status.exit", "1")]].concat(), no(EdrMode::Reduced)),
            ("another component degraded", "elastic-defend", [&elastic("{\"state\":3,\"components\":[{\"name\":\"cel\",\"state\":3},{\"name\":\"endpoint\",\"state\":2}]}")[..], &[(".commands/elastic-agent-status.exit", "1")]].concat(), (Fact::Known(true), Fact::Known(true), Fact::Unsupported)),
            ("one of two endpoints degraded", "elastic-defend", elastic("{\"components\":[{\"name\":\"endpoint\",\"state\":2},{\"name\":\"endpoint\",\"state\":3}]}").into(), no(EdrMode::Reduced)),
            ("failed", "elastic-defend", elastic(endpoint(4)).into(), (Fact::Known(true), Fact::Known(false), Fact::Unsupported)),
            ("no state", "elastic-defend", elastic("{\"components\":[{\"name\":\"endpoint\"}]}").into(), unreadable(Reason::Malformed)),
            ("a later protocol", "elastic-defend", elastic(endpoint(9)).into(), unreadable(Reason::Malformed)),
            ("no daemon", "elastic-defend", [&elastic("")[..], &[(".commands/elastic-agent-status.exit", "1")]].concat(), unreadable(Reason::Failed)),
            ("no endpoint", "elastic-defend", elastic("{\"components\":[{\"name\":\"log\",\"state\":2}]}").into(), (Fact::Known(true), Fact::Known(false), Fact::Unsupported)),
            ("connected", "wazuh", wazuh("# State\nstatus='connected'\n", responds).into(), yes(EdrMode::Active)),
            ("watching", "wazuh", wazuh("status='connected'\n", watches).into(), no(EdrMode::Passive)),
            ("disconnected", "wazuh", wazuh("status='pending'\n", responds).into(), no(EdrMode::Disconnected)),
            ("a comment disables it", "wazuh", wazuh("status='connected'\n", "<ossec_config><!-- <active-response><disabled>yes</disabled></active-response> --></ossec_config>").into(), yes(EdrMode::Active)),
            ("another word", "wazuh", wazuh("status='connected'\n", "<active-response><disabled>perhaps</disabled></active-response>").into(), unreadable(Reason::Malformed)),
            ("without execd", "wazuh", vec![(WAZUH, ""), ("proc/7", "wazuh-agentd 998"), (STATE, "status='connected'\n"), (OSSEC, responds)], no(EdrMode::Passive)),
            ("leftover module", "wazuh", vec![(WAZUH, ""), ("proc/7", "wazuh-modulesd"), (STATE, "status='connected'\n"), (OSSEC, responds), ("sys/fs/cgroup/system.slice/wazuh-agent.service/cgroup.procs", "7\n")], stopped()),
            ("runs", "eset", vec![("opt/eset/eea/bin/upd", ""), ("proc/7", "oaeventd")], silent()),
            ("on access", "clamav", clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessPrevention yes\n").into(), yes(EdrMode::Active)),
            ("prevention in other words", "clamav", clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessPrevention no\nOnAccessPrevention TRUE\n").into(), yes(EdrMode::Active)),
            ("on a mount", "clamav", clamav("clamonacc", "OnAccessMountPath /\nOnAccessIncludePath /home\nOnAccessPrevention yes\n").into(), no(EdrMode::Passive)),
            ("on the root folder", "clamav", clamav("clamonacc", "OnAccessIncludePath /\nOnAccessPrevention yes\n").into(), no(EdrMode::Reduced)),
            ("on an excluded folder", "clamav", clamav("clamonacc", "OnAccessIncludePath /home/a\nOnAccessExcludePath /home\nOnAccessPrevention yes\n").into(), no(EdrMode::Reduced)),
            ("not below its folder", "clamav", clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessDisableDDD yes\nOnAccessPrevention yes\n").into(), no(EdrMode::Reduced)),
            ("not for a person", "clamav", clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessExcludeUID 1000\nOnAccessPrevention yes\n").into(), no(EdrMode::Reduced)),
            ("not for a person by name", "clamav", [&clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessExcludeUname nurse\nOnAccessPrevention yes\n")[..], &[("etc/passwd", "nurse:x:1000:1000::/home/nurse:/bin/sh\n")]].concat(), no(EdrMode::Reduced)),
            ("not for itself and root", "clamav", [&clamav("clamonacc", "User scan\nOnAccessIncludePath /home\nOnAccessExcludeRootUID yes\nOnAccessExcludeUname scan\nOnAccessExcludeUname backup\nOnAccessPrevention yes\n")[..], &[("etc/passwd", "backup:x:34:34::/:/bin/sh\n")]].concat(), yes(EdrMode::Active)),
            ("with another configuration", "clamav", [&clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessPrevention yes\n")[..], &[("proc/8/cmdline", "clamonacc\0--config-file=/etc/x.conf\0"), ("etc/x.conf", "OnAccessMountPath /\nOnAccessPrevention yes\n")]].concat(), no(EdrMode::Passive)),
            ("with a list of folders", "clamav", [&clamav("clamonacc", "OnAccessPrevention yes\n")[..], &[("proc/8/cmdline", "clamonacc\0-W\0/etc/watch\0"), ("etc/watch", "/home\n")]].concat(), yes(EdrMode::Active)),
            ("a word that it does not know", "clamav", clamav("clamonacc", "OnAccessIncludePath /home\nOnAccessPrevention enabled\n").into(), unreadable(Reason::Malformed)),
            ("without a configuration", "clamav", vec![("usr/sbin/clamd", ""), ("proc/7", "clamd 107"), ("proc/8", "clamonacc")], unreadable(Reason::Failed)),
            ("on access, watching", "clamav", clamav("clamonacc", "# OnAccessPrevention yes\n").into(), no(EdrMode::Passive)),
            ("daemon only", "clamav", clamav("freshclam", "OnAccessPrevention yes\n").into(), no(EdrMode::Passive)),
            ("on", "bitdefender", bitdefender("Product version: 7.0.5\n- Antimalware status: On\nLast security content update: 2026-11-21 at 08:00\n").into(), yes(EdrMode::Active)),
            ("without its state", "bitdefender", bitdefender("Product version: 7.0.5\n").into(), unreadable(Reason::Malformed)),
            ("running", "kaspersky", kesl("Name: Kaspersky\nVersion: 12.0.0.6672\nFile Threat Protection: Available and running\nLast release date of databases: 2026-11-20 10:00:00\n").into(), (Fact::Known(true), Fact::Known(true), Fact::Unsupported)),
            ("stopped, older names", "kaspersky", kesl("Version:   10.1.0.5960\nKey status:   Valid\nAnti-virus databases loaded:  Yes\nFile monitoring:   Available and stopped\n").into(), (Fact::Known(true), Fact::Known(false), Fact::Unsupported)),
            ("without databases", "kaspersky", kesl("Version: 12.3\nApplication databases loaded: No\nFile Threat Protection: Available and running\n").into(), no(EdrMode::Reduced)),
            ("licence expired", "kaspersky", kesl("Version: 12.3\nLicense expiration date: 2026-07-09\nFile Threat Protection: Available and running\n").into(), no(EdrMode::Unlicensed)),
            ("licence limits it", "kaspersky", kesl("Version: 12.3\nFile Threat Protection: Unavailable due to license limitation\n").into(), no(EdrMode::Unlicensed)),
            ("licence expired", "eset", vec![("opt/eset/eea/bin/upd", ""), ("proc/7", "oaeventd"), (".commands/eset-lic-status", "License Validity: 2026-01-31\n")], no(EdrMode::Unlicensed)),
            ("licence valid", "eset", vec![("opt/eset/eea/bin/upd", ""), ("proc/7", "oaeventd"), (".commands/eset-lic-status", "License Validity: 2027-01-31\n")], silent()),
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
    fn counts_main_processes_of_the_host() {
        let (init, own) = ("pid:[4026531836]", "pid:[4026532290]");
        let (mounts, others) = ("mnt:[4026531841]", "mnt:[4026532288]");
        let docker = "0::/system.slice/docker-0a.scope\n";
        let service = "0::/system.slice/clamav-daemon.service\n";
        let rows: Vec<(&str, Vec<File>, bool)> = vec![
            ("alone", vec![("proc/7", "clamd 107")], true),
            ("sleeping", vec![("proc/7", "clamd 107\nState:\tS (sleeping)")], true),
            ("zombie", vec![("proc/7", "clamd 107\nState:\tZ (zombie)")], false),
            ("stopped", vec![("proc/7", "clamd 107\nState:\tT (stopped)")], false),
            ("held by a debugger", vec![("proc/7", "clamd 107\nState:\tt (tracing stop)")], false),
            (
                "frozen",
                vec![
                    ("proc/7", "clamd 107"),
                    ("proc/7/cgroup", service),
                    (
                        "sys/fs/cgroup/system.slice/clamav-daemon.service/cgroup.events",
                        "populated 1\nfrozen 1\n",
                    ),
                ],
                false,
            ),
            (
                "not frozen",
                vec![
                    ("proc/7", "clamd 107"),
                    ("proc/7/cgroup", service),
                    (
                        "sys/fs/cgroup/system.slice/clamav-daemon.service/cgroup.events",
                        "populated 1\nfrozen 0\n",
                    ),
                ],
                true,
            ),
            ("another program of it", vec![("proc/7", "freshclam 107")], false),
            ("a person's", vec![("proc/7", "clamd 1000")], false),
            ("its executable", vec![("proc/7", "clamd 107"), ("proc/7/exe ->", "/usr/sbin/clamd")], true),
            ("updated", vec![("proc/7", "clamd 107"), ("proc/7/exe ->", "/usr/sbin/clamd (deleted)")], true),
            ("another executable", vec![("proc/7", "clamd 107"), ("proc/7/exe ->", "/home/x/clamd")], false),
            ("of the host", vec![("proc/7", "clamd 107\nNSpid:\t7")], true),
            ("nested", vec![("proc/7", "clamd 107\nNSpid:\t7\t1")], false),
            (
                "another PID namespace",
                vec![("proc/7", "clamd 107"), ("proc/7/ns/pid ->", own), ("proc/1/ns/pid ->", init)],
                false,
            ),
            (
                "the host's PID namespace",
                vec![("proc/7", "clamd 107"), ("proc/7/ns/pid ->", init), ("proc/1/ns/pid ->", init)],
                true,
            ),
            (
                "another mount namespace",
                vec![("proc/7", "clamd 107"), ("proc/7/ns/mnt ->", others), ("proc/1/ns/mnt ->", mounts)],
                false,
            ),
            (
                "a sandboxed service",
                vec![
                    ("proc/7", "clamd 107"),
                    ("proc/7/ns/mnt ->", others),
                    ("proc/1/ns/mnt ->", mounts),
                    ("proc/7/cgroup", service),
                ],
                true,
            ),
            ("Docker", vec![("proc/7", "clamd 107"), ("proc/7/cgroup", docker)], false),
            (
                "Docker without systemd",
                vec![("proc/7", "clamd 107"), ("proc/7/cgroup", "4:pids:/docker/0a\n")],
                false,
            ),
            (
                "Podman",
                vec![("proc/7", "clamd 107"), ("proc/7/cgroup", "0::/machine.slice/libpod-0a.scope\n")],
                false,
            ),
            (
                "Kubernetes",
                vec![("proc/7", "clamd 107"), ("proc/7/cgroup", "0::/kubepods.slice/x/cri-0a\n")],
                false,
            ),
            (
                "LXC",
                vec![
                    ("proc/7", "clamd 107"),
                    ("proc/7/cgroup", "0::/lxc.payload.web/system.slice/clamd.service\n"),
                ],
                false,
            ),
        ];
        for (row, files, runs) in rows {
            let tree = tree(
                &[&[("usr/sbin/clamd", ""), ("etc/clamav/clamd.conf", "User clamav\n")], &*files].concat(),
            );
            assert_eq!(products(tree.path())[0].running, Fact::Known(runs), "{row}");
        }
        let common = |more: &[File]| {
            let tree = tree(&[&[("opt/traps/bin/cytool", ""), ("proc/7", "pmd")], more].concat());
            products(tree.path())[0].running.clone()
        };
        assert_eq!(common(&[]), Fact::Known(false), "a name that others have too");
        assert_eq!(common(&[("proc/7/exe ->", "/opt/traps/bin/pmd")]), Fact::Known(true));
        let elsewhere = tree(&[
            ("opt/microsoft/mdatp ->", "/data/mdatp"),
            ("data/mdatp/sbin/wdavdaemon", ""),
            ("proc/7", "wdavdaemon"),
            ("proc/7/exe ->", "/data/mdatp/sbin/wdavdaemon"),
        ]);
        assert_eq!(products(elsewhere.path())[0].running, Fact::Known(true), "installed elsewhere");
    }

    #[test]
    fn state_files_count_while_their_writer_writes() {
        let responds = "<active-response><disabled>no</disabled></active-response>";
        let well = "<item name=\"service\" value=\"1\" ></item>";
        let wazuh = [
            (WAZUH, ""),
            ("proc/7", "wazuh-agentd 998"),
            ("proc/8", "wazuh-execd"),
            (STATE, "status='connected'\n"),
            (OSSEC, responds),
        ];
        let sophos = [
            ("opt/sophos-spl/base/VERSION.ini", ""),
            ("proc/7", "sophos_watchdog"),
            (SHS, well),
            (SOAPD, "{\"enabled\":true}"),
        ];
        // Started an hour before now: 100 ticks make a second.
        let started: [File; 2] = [
            ("proc/stat", "cpu 1\nbtime 1795302000\n"),
            ("proc/7/stat", "7 (a name) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0\n"),
        ];
        let (hour, stale) = (3600, Fact::Unreadable(Reason::Stale));
        for (row, files, file, age, protecting) in [
            ("just written", &wazuh[..], STATE, 5, Fact::Known(true)),
            ("not written for an hour", &wazuh, STATE, hour, stale.clone()),
            ("written an hour from now", &wazuh, STATE, -hour, stale.clone()),
            ("unchanged for a week", &sophos, SHS, 7 * 24 * hour, Fact::Known(true)),
            ("after it started", &[&sophos[..], &started].concat(), SHS, hour / 2, Fact::Known(true)),
            ("before it started", &[&sophos[..], &started].concat(), SHS, hour, stale),
        ] {
            let tree = tree(files);
            date(&tree.path().join(file), NOW.checked_add_signed(-age).unwrap());
            assert_eq!(products(tree.path())[0].protecting, protecting, "{row}");
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
            ("etc/clamav/clamd.conf", "OnAccessIncludePath /home\nOnAccessPrevention yes"),
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
    fn another_executable_with_its_name_does_not_count() {
        if !rustix::process::getuid().is_root() {
            println!("SKIPPED: a person's process counts for no product anyway");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("falcon-sensor-bpf");
        std::fs::copy("/bin/sleep", &program).unwrap();
        let mut child = Command::new(&program).arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let found = edr::running_pids(&Root::default());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!found.contains(&pid), "{pid} is among {found:?}");
    }
}
