//! A device's vital signs, as facts. To add one: a line here, a probe that reads it (`platform/*`), a rule that judges
//! it (`verifier/policy/default.rego`) and a text that explains it (`check.rs`).
//!
//! Times are whole seconds since 1970-01-01 UTC. Nothing here names a person, a file, a place or an application.

use crate::fact::{Fact, record, words};

record! {
    /// `submods.os`: the operating system and how up to date it is.
    Os {
        /// Product, as `ID` in os-release: `debian`, `fedora`, `windows`, `macos`.
        1 name: Fact<String>,
        /// Release: `12`, `24.04`, `11 24H2`.
        2 version: Fact<String>,
        /// Build, where the system has one: `26100.2314`.
        3 build: Fact<String>,
        /// The kernel that runs.
        4 kernel: Fact<String>,
        /// The newest kernel installed: another than `kernel` means that a restart is due.
        5 kernel_installed: Fact<String>,
        /// Machine architecture: `x86_64`.
        6 arch: Fact<String>,
        /// Security updates that are offered and not installed.
        7 security_updates: Fact<u64>,
        /// Since when the longest waiting of them has been known to this device. Unsupported when none waits.
        8 security_updates_since: Fact<u64>,
        /// Source of updates: `apt`, `dnf`, `zypper`, `ostree`, `snap`.
        9 updates_source: Fact<String>,
        /// Time of the source's last contact with the repository that it heard of longest ago.
        10 updates_checked: Fact<u64>,
        /// A restart is needed to finish an update.
        11 reboot_required: Fact<bool>,
        /// Time at which software was last installed or updated.
        12 last_update: Fact<u64>,
        /// Security updates install themselves.
        13 automatic_updates: Fact<bool>,
        /// The last day of the maker's support, where the system says so.
        14 support_ends: Fact<u64>,
        /// Of the security updates that wait, those that a hold or a pin keeps from installing themselves.
        15 security_updates_held: Fact<u64>,
    }
}

words! {
    /// Role of a volume.
    #[derive(Default)]
    VolumeRole {
        /// The system.
        #[default]
        0 "system" System,
        /// Users' data.
        1 "data" Data,
        /// Swap.
        2 "swap" Swap,
        /// A hibernation image.
        3 "hibernation" Hibernation,
        /// A medium that a person plugs in and takes along: a stick, a card.
        4 "removable" Removable,
    }
}

words! {
    /// Protector of a volume's key.
    Protector {
        /// TPM or Secure Enclave, bound to the state of the boot.
        0 "tpm" Tpm,
        /// A person's password or key file.
        1 "password" Password,
        /// A recovery key only.
        2 "recovery" Recovery,
        /// No protection: the key is stored in the clear beside the volume.
        3 "clear" Clear,
        /// A random key for each boot (swap).
        4 "random" Random,
        /// TPM and a PIN or password.
        5 "tpm-and-pin" TpmAndPin,
        /// A FIDO2 or smart-card token.
        6 "token" Token,
        /// TPM that releases the key to any system that boots on this device.
        7 "tpm-unbound" TpmUnbound,
        /// A server of the network (tang).
        8 "network" Network,
    }
}

record! {
    /// One volume, with all the block devices under it.
    Volume {
        /// Role of the volume.
        1 role: VolumeRole,
        /// Every path to every leaf of the stack of devices is encrypted, or the volume is in memory only.
        2 encrypted: Fact<bool>,
        /// `luks2`, `luks1`, `dm-crypt`, `zfs`, `bcachefs`, `fscrypt`, `bitlocker`, `filevault`, `memory`, `none`.
        3 method: Fact<String>,
        /// Protector of the key; of several, the weakest.
        4 protector: Fact<Protector>,
        /// Protection is suspended, or conversion is not finished.
        5 suspended: Fact<bool>,
    }
}

record! {
    /// `submods.disk`.
    Disk {
        /// Every volume that holds the system, users' data, swap or hibernation, and mounted removable media.
        1 volumes: Fact<Vec<Volume>>,
    }
}

words! {
    /// Operating mode of an endpoint-protection product.
    EdrMode {
        /// It blocks.
        0 "active" Active,
        /// It watches only.
        1 "passive" Passive,
        /// It runs with less than its full function (CrowdStrike's RFM).
        2 "reduced" Reduced,
        /// Paused by a user.
        3 "snoozed" Snoozed,
        /// It is not registered with its management, or has no connection to it, and cannot do without.
        4 "disconnected" Disconnected,
        /// It has no licence, or its licence has expired.
        5 "unlicensed" Unlicensed,
    }
}

record! {
    /// One endpoint detection or anti-malware product.
    EdrProduct {
        /// The product's id in our table: `crowdstrike-falcon`, `microsoft-defender`, `clamav`.
        1 id: String,
        /// Its version.
        2 version: Fact<String>,
        /// Its service runs.
        3 running: Fact<bool>,
        /// It says itself that it protects. Running is not protecting.
        4 protecting: Fact<bool>,
        /// Operating mode.
        5 mode: Fact<EdrMode>,
        /// Time of the last update of its signatures or detection content.
        6 signatures_updated: Fact<u64>,
        /// It defends itself against being stopped.
        7 tamper_protection: Fact<bool>,
    }
}

record! {
    /// `submods.edr`.
    Edr {
        /// Every product found. Known and empty means: looked everywhere, found none.
        1 products: Fact<Vec<EdrProduct>>,
    }
}

/// Maximum number of ranges in a list of ports.
pub const MAX_PORT_RANGES: usize = 64;

record! {
    /// Consecutive ports.
    PortRange {
        /// The first port.
        1 first: u64,
        /// The last port.
        2 last: u64,
    }
}

record! {
    /// `submods.firewall`: what the kernel enforces, whatever a configuration file says.
    Firewall {
        /// Unsolicited inbound traffic is refused on every active profile, for IPv4 and IPv6, except for narrow ranges of
        /// ports or sources.
        1 inbound_blocked: Fact<bool>,
        /// `nftables`, `iptables`, `windows`, `alf`.
        2 engine: Fact<String>,
        /// Manager, if one is active in the kernel: `firewalld`, `ufw`.
        3 manager: Fact<String>,
        /// Profiles or base chains for inbound traffic.
        4 profiles: Fact<u64>,
        /// TCP ports that accept unsolicited packets from more than narrow sources: the lowest 64 ranges.
        5 open_tcp: Fact<Vec<PortRange>>,
        /// Number of such TCP ports.
        6 open_tcp_count: Fact<u64>,
        /// UDP ports that accept unsolicited packets from more than narrow sources: the lowest 64 ranges.
        7 open_udp: Fact<Vec<PortRange>>,
        /// Number of such UDP ports.
        8 open_udp_count: Fact<u64>,
        /// TCP ports that are published: redirected to another address, such as a container's. The lowest 64 ranges.
        9 published_tcp: Fact<Vec<PortRange>>,
        /// UDP ports that are published. The lowest 64 ranges.
        10 published_udp: Fact<Vec<PortRange>>,
    }
}

words! {
    /// Origin of the screen lock's settings.
    LockSource {
        /// The system enforces them: no user can change them.
        0 "enforced" Enforced,
        /// A user can change them or turn the lock off; what the system does not set, a program of the session tells.
        1 "session" Session,
    }
}

record! {
    /// `submods.lock`: the screen lock.
    Lock {
        /// The screen locks by itself.
        1 automatic: Fact<bool>,
        /// After so many idle seconds.
        2 idle_seconds: Fact<u64>,
        /// And then asks for a password after so many more.
        3 grace_seconds: Fact<u64>,
        /// Origin of the settings; `session` if one of several comes from the session.
        4 source: Fact<LockSource>,
    }
}

words! {
    /// Linux kernel lockdown.
    Lockdown {
        /// Off.
        0 "none" None,
        /// Integrity.
        1 "integrity" Integrity,
        /// Confidentiality.
        2 "confidentiality" Confidentiality,
    }
}

record! {
    /// `submods.boot`.
    Boot {
        /// Firmware enforces signed boot loaders, and shim what they start.
        1 secure_boot: Fact<bool>,
        /// Firmware is in setup mode: keys can be enrolled without authentication.
        2 setup_mode: Fact<bool>,
        /// Kernel lockdown.
        3 lockdown: Fact<Lockdown>,
        /// A TPM is there and firmware measured into it.
        4 measured_boot: Fact<bool>,
        /// The firmware's event log can be read. "TPM present, no log" is a real state.
        5 event_log: Fact<bool>,
        /// It runs in a virtual machine: `kvm`, `vmware`, `hyper-v`. Unsupported on bare metal.
        6 hypervisor: Fact<String>,
        /// The system accepts test-signed drivers, or modules without a signature.
        7 test_signing: Fact<bool>,
        /// macOS system integrity protection.
        8 integrity_protection: Fact<bool>,
    }
}

words! {
    /// Storage of the report key.
    KeyStorage {
        /// A TPM 2.0.
        0 "tpm" Tpm,
        /// Apple's Secure Enclave.
        1 "secure-enclave" SecureEnclave,
        /// Android StrongBox.
        2 "strongbox" StrongBox,
        /// Android's trusted execution environment.
        3 "tee" Tee,
        /// The operating system's keychain. Never counts as hardware.
        4 "software" Software,
    }
}

record! {
    /// `submods.key`: what the device says of its report key. The verifier believes what it saw at enrolment.
    Key {
        /// Storage of the key.
        1 storage: Fact<KeyStorage>,
        /// Maker of the TPM, as four letters: `INTC`, `IFX `, `IBM `.
        2 manufacturer: Fact<String>,
        /// The TPM's firmware, as four numbers: `7.2.3.1`.
        3 firmware: Fact<String>,
        /// Model name reported by the TPM; software TPMs identify themselves here.
        4 model: Fact<String>,
    }
}

record! {
    /// `submods.agent`.
    Agent {
        /// This agent's version.
        1 version: Fact<String>,
        /// SHA-256 of the running binary, in hexadecimal.
        2 digest: Fact<String>,
    }
}

/// Every submodule: its name on the wire, its field here, its type. One list.
macro_rules! posture {
    ($($(#[$meta:meta])* $name:literal $field:ident: $type:ty,)+) => {
        /// All vital signs of a device, read at one time.
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct Posture { $($(#[$meta])* pub $field: $type,)+ }

        impl Posture {
            /// The submodules' names.
            pub const SUBMODULES: &'static [&'static str] = &[$($name),+];

            /// Each submodule's name and facts, as CBOR.
            pub(crate) fn submodules(&self) -> Vec<(&'static str, crate::cbor::Value<'_>)> {
                vec![$(($name, crate::fact::Item::to_value(&self.$field)),)+]
            }

            /// Takes one submodule's facts. `Ok(unknown labels)`, or `Err(())` when the facts are not of its type.
            pub(crate) fn take(&mut self, name: &str, facts: &crate::cbor::Value<'_>) -> Option<Vec<String>> {
                match name {
                    $($name => {
                        self.$field = crate::fact::Item::from_value(facts)?;
                        Some(unknown_labels(name, facts, <$type>::LABELS))
                    })+
                    _ => Some(vec![name.to_owned()]),
                }
            }
        }
    };
}

posture! {
    /// Operating system.
    "os" os: Os,
    /// Disk encryption.
    "disk" disk: Disk,
    /// Endpoint detection.
    "edr" edr: Edr,
    /// Firewall.
    "firewall" firewall: Firewall,
    /// Screen lock.
    "lock" lock: Lock,
    /// Boot.
    "boot" boot: Boot,
    /// Report key.
    "key" key: Key,
    /// The agent itself.
    "agent" agent: Agent,
}

fn unknown_labels(name: &str, facts: &crate::cbor::Value<'_>, known: &[i64]) -> Vec<String> {
    let entries = facts.entries().unwrap_or_default();
    let labels = entries.iter().map(|(label, _)| label);
    labels
        .filter(|label| !label.integer().is_some_and(|n| known.contains(&n)))
        .map(|label| match label.integer() {
            Some(n) => format!("{name}.{n}"),
            None => format!("{name}.?"),
        })
        .collect()
}
