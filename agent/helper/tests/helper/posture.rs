//! Facts that the helper's answers become, in a service that is not root.

use crate::stand_ins::Helper;
use std::path::Path;
use std::time::{Duration, SystemTime};
use vitalsign_linux::edr::{self, RecentAnswers};
use vitalsign_linux::run::Commands;
use vitalsign_linux::{Root, os, updates};
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::EdrMode;

/// 2026-11-22, in seconds since 1970.
const NOW: u64 = 1_795_305_600;

const DNF5: (&str, &str) = (
    "usr/bin/dnf5",
    "case \"$*\" in
        '-C -q --setopt=disable_excludes=* advisory list --available --security') cat $TREE/advisories;;
        '-C needs-restarting -r') cat $TREE/restart; exit 1;;
        *) exit 9;;
    esac",
);
const RPM: (&str, &str) = ("usr/bin/rpm", "test \"$*\" = '-q rpm' && echo rpm-4.20.1-1.fc42.x86_64");

/// Copies a recorded tree, without its recorded answers. All files have the date of `NOW`.
fn recorded(name: &str) -> (tempfile::TempDir, String, String) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platform/linux/tests/trees").join(name);
    let tree = tempfile::tempdir().unwrap();
    copy(&from, tree.path());
    let answer = |name| std::fs::read_to_string(from.join(".commands").join(name)).unwrap();
    let answers = (answer("dnf5"), answer("dnf5-needs-restarting"));
    std::fs::remove_dir_all(tree.path().join(".commands")).unwrap();
    (tree, answers.0, answers.1)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            write(&to, &std::fs::read(entry.path()).unwrap());
        }
    }
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
}

#[test]
fn dnf_answers_become_facts_and_are_cached() {
    let (tree, advisories, restart) = recorded("fedora-workstation");
    let helper = Helper::with(&[DNF5, RPM]);
    std::fs::write(helper.path("advisories"), advisories).unwrap();
    std::fs::write(helper.path("restart"), restart).unwrap();
    let (root, memory) = (Root::at(tree.path()), tree.path().join("memory"));
    let commands = Commands::Helped(helper.socket());

    let seen = updates::read(&root, &commands, &memory, NOW + 60);
    assert_eq!((seen.waiting, seen.since), (Fact::Known(2), Fact::Known(NOW + 60)));
    assert_eq!(os::reboot::read(&root, &commands, &memory), Fact::Known(true));
    assert_eq!(helper.started(), 3);

    // A warm posture does not start the helper.
    let again = updates::read(&root, &commands, &memory, NOW + 120);
    assert_eq!(again.waiting, Fact::Known(2));
    assert_eq!(os::reboot::read(&root, &commands, &memory), Fact::Known(true));
    assert_eq!(helper.started(), 3);

    // A refreshed repository is asked about again.
    write(&tree.path().join("var/cache/libdnf5/updates-0123456789abcdef/repodata/repomd.xml"), b"<repomd/>");
    std::fs::write(helper.path("advisories"), "").unwrap();
    assert_eq!(updates::read(&root, &commands, &memory, NOW + 120).waiting, Fact::Known(0));
    assert_eq!(helper.started(), 5);
}

/// dnf 4 is asked where there is no dnf 5.
#[test]
fn dnf4_answers_where_dnf5_is_absent() {
    let (tree, ..) = recorded("fedora-workstation");
    let helper = Helper::with(&[
        RPM,
        (
            "usr/bin/dnf",
            "test \"$*\" = '-C -q --disableexcludes=all updateinfo list --available --security'
        echo 'FEDORA-2026-1 Moderate/Sec. xz-1:5.8.1-2.fc42.x86_64'",
        ),
    ]);
    let root = Root::at(tree.path());
    let seen =
        updates::read(&root, &Commands::Helped(helper.socket()), &tree.path().join("memory"), NOW + 60);
    assert_eq!(seen.waiting, Fact::Known(1));
}

#[test]
fn without_a_helper_root_questions_are_denied() {
    let (tree, ..) = recorded("fedora-workstation");
    let (root, memory) = (Root::at(tree.path()), tree.path().join("memory"));
    let commands = Commands::Helped(tree.path().join("no-socket"));
    let seen = updates::read(&root, &commands, &memory, NOW + 60);
    assert_eq!(seen.waiting, Fact::Unreadable(Reason::Denied));
    assert_eq!(os::reboot::read(&root, &commands, &memory), Fact::Unreadable(Reason::Denied));
}

#[test]
fn product_answers_become_facts_and_are_recent() {
    let tree = tempfile::tempdir().unwrap();
    for (path, content) in [
        ("opt/CrowdStrike/falconctl", ""),
        ("proc/7/comm", "falcon-sensor\n"),
        ("proc/7/status", "Name:\tfalcon-sensor\nUid:\t0\t0\t0\t0\n"),
    ] {
        write(&tree.path().join(path), content.as_bytes());
    }
    let helper = Helper::with(&[("opt/CrowdStrike/falconctl", "cat $TREE/said; exit 255")]);
    let state = |reduced: bool| {
        let said = format!("aid=\"0a1b\", version = 7.10.1, rfm-state={reduced}\n");
        std::fs::write(helper.path("said"), said).unwrap();
    };
    let (root, recent) = (Root::at(tree.path()), RecentAnswers::new());
    let commands = Commands::Helped(helper.socket());
    let read = |now| {
        let products = edr::read_with(&root, &commands, now, &recent).unwrap();
        let falcon = products.iter().find(|product| product.id == "crowdstrike-falcon").unwrap();
        (falcon.protecting.clone(), falcon.mode.clone())
    };
    let active = (Fact::Known(true), Fact::Known(EdrMode::Active));
    state(false);
    assert_eq!(read(NOW), active);
    state(true);
    assert_eq!(read(NOW + 1), active, "a second later, the helper is not started again");
    assert_eq!(helper.started(), 1);
    assert_eq!(read(NOW + 60), (Fact::Known(false), Fact::Known(EdrMode::Reduced)));
    assert_eq!(helper.started(), 2);

    let denied = Fact::Unreadable(Reason::Denied);
    let alone = Commands::Helped(tree.path().join("no-socket"));
    let products = edr::read(&root, &alone, NOW).unwrap();
    assert_eq!(products[0].protecting, denied);
}
