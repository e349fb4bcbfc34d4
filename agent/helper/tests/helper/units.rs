//! Values that the shipped units and the programs have to agree on.

use vitalsign_command::{Question, Surroundings, client};

const SERVICE: &str = include_str!("../../../../installers/linux/vitalsign.service");

/// The units of one helper.
struct Units {
    surroundings: Surroundings,
    /// Name and text of the socket's unit.
    socket: (&'static str, &'static str),
    helper: &'static str,
    /// The helper's argument after the account.
    argument: Option<&'static str>,
}

const APART: Units = Units {
    surroundings: Surroundings::Apart,
    socket: ("vitalsign-helper.socket", include_str!("../../../../installers/linux/vitalsign-helper.socket")),
    helper: include_str!("../../../../installers/linux/vitalsign-helper@.service"),
    argument: None,
};
const NETWORK: Units = Units {
    surroundings: Surroundings::Network,
    socket: (
        "vitalsign-helper-network.socket",
        include_str!("../../../../installers/linux/vitalsign-helper-network.socket"),
    ),
    helper: include_str!("../../../../installers/linux/vitalsign-helper-network@.service"),
    argument: Some("network"),
};

/// Value of a setting that occurs once.
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{name}");
    values[0]
}

#[test]
fn units_agree_with_the_programs() {
    let account = setting(SERVICE, "User");
    for Units { surroundings, socket: (name, socket), helper, argument } in [APART, NETWORK] {
        let questions =
            || Question::ALL.into_iter().filter(|question| question.surroundings() == surroundings);
        for question in questions() {
            assert_eq!(setting(socket, "ListenStream"), client::socket(question).to_str().unwrap());
        }
        assert_eq!(setting(socket, "Accept"), "yes");
        // The client accepts only a folder and a socket of root's; its group is the service's.
        assert_eq!((setting(socket, "DirectoryMode"), setting(socket, "SocketUser")), ("0755", "root"));
        assert_eq!(setting(socket, "SocketMode"), "0660");
        assert_eq!(setting(socket, "SocketGroup"), account);
        let arguments: Vec<_> = setting(helper, "ExecStart").split(' ').skip(1).collect();
        assert_eq!(arguments, [account].into_iter().chain(argument).collect::<Vec<_>>());
        assert!(setting(SERVICE, "Wants").split(' ').any(|unit| unit == name));

        let longest = questions().map(|question| question.deadline().as_secs()).max().unwrap();
        assert!(setting(helper, "RuntimeMaxSec").parse::<u64>().unwrap() > longest + 5);
    }
}

/// Settings of the sandbox that the documents promise.
#[test]
fn helper_units_keep_their_limits() {
    for (helper, capabilities, families, memory) in [
        (APART.helper, "", "AF_UNIX", "512M"),
        (NETWORK.helper, "CAP_NET_ADMIN CAP_NET_RAW", "AF_UNIX AF_INET AF_INET6", "128M"),
    ] {
        for (name, value) in [
            ("User", "root"),
            ("CapabilityBoundingSet", capabilities),
            ("NoNewPrivileges", "yes"),
            ("RestrictAddressFamilies", families),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("PrivateDevices", "yes"),
            ("SystemCallFilter", "@system-service"),
            ("MemoryMax", memory),
        ] {
            assert_eq!(setting(helper, name), value, "{name}");
        }
    }
    assert_eq!(setting(APART.helper, "PrivateNetwork"), "yes");
    assert_eq!(setting(NETWORK.helper, "IPAddressDeny"), "any");
    // Only the caches and lock files of dnf are written.
    for path in setting(APART.helper, "ReadWritePaths").split(' ') {
        assert!(path.starts_with('-') && path.contains("dnf"), "{path}");
    }
    assert!(!NETWORK.helper.contains("ReadWritePaths"));
}
