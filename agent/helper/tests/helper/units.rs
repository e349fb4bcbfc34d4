//! Values that the shipped units and the programs have to agree on.

use vitalsign_command::{Question, client};

const SOCKET: &str = include_str!("../../../../installers/linux/vitalsign-helper.socket");
const HELPER: &str = include_str!("../../../../installers/linux/vitalsign-helper@.service");
const SERVICE: &str = include_str!("../../../../installers/linux/vitalsign.service");

/// Value of a setting that occurs once.
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{name}");
    values[0]
}

#[test]
fn units_agree_with_the_programs() {
    assert_eq!(setting(SOCKET, "ListenStream"), client::SOCKET);
    assert_eq!(setting(SOCKET, "Accept"), "yes");
    // The client accepts only a folder and a socket of root's; its group is the service's.
    assert_eq!((setting(SOCKET, "DirectoryMode"), setting(SOCKET, "SocketUser")), ("0755", "root"));
    assert_eq!(setting(SOCKET, "SocketMode"), "0660");
    let account = setting(SERVICE, "User");
    assert_eq!(setting(SOCKET, "SocketGroup"), account);
    assert_eq!(setting(HELPER, "ExecStart").split_once(' ').unwrap().1, account);
    assert!(setting(SERVICE, "Wants").split(' ').any(|unit| unit == "vitalsign-helper.socket"));

    let longest = Question::ALL.iter().map(|question| question.deadline().as_secs()).max().unwrap();
    assert!(setting(HELPER, "RuntimeMaxSec").parse::<u64>().unwrap() > longest + 5);
}

/// Settings of the sandbox that the documents promise.
#[test]
fn helper_unit_keeps_its_limits() {
    for (name, value) in [
        ("User", "root"),
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("PrivateNetwork", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateDevices", "yes"),
        ("SystemCallFilter", "@system-service"),
        ("MemoryMax", "512M"),
    ] {
        assert_eq!(setting(HELPER, name), value, "{name}");
    }
    // Only the caches and lock files of dnf are written.
    for path in setting(HELPER, "ReadWritePaths").split(' ') {
        assert!(path.starts_with('-') && path.contains("dnf"), "{path}");
    }
}
