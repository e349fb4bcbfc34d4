//! The fixed list of what the helper runs as root. A client sends the number of a question and nothing else: no path, no
//! argument and no environment comes from outside.

use std::time::Duration;

/// Time limit of a package manager.
const PACKAGES: Duration = Duration::from_secs(25);
/// Time limit of the question whether a restart is due.
const RESTART: Duration = Duration::from_secs(15);
/// Time limit of an endpoint product.
const PRODUCT: Duration = Duration::from_secs(5);
/// Time limit of the packet filter's tool.
const FILTER: Duration = Duration::from_secs(3);

/// A question that a program answers to root, and not or not reliably to other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Security advisories that dnf 5 finds in its cache.
    Dnf5Advisories,
    /// Security advisories that dnf 4 finds in its cache.
    DnfAdvisories,
    /// Whether dnf 5 considers a restart due.
    Dnf5Restart,
    /// Whether dnf 4 considers a restart due.
    DnfRestart,
    /// CrowdStrike's agent ID, version and reduced functionality mode.
    Falcon,
    /// SentinelOne: whether the agent is enabled.
    SentinelOneStatus,
    /// SentinelOne's version.
    SentinelOneVersion,
    /// Trellix: whether on-access scan is on.
    TrellixScan,
    /// Trellix's version and the date of its content.
    TrellixVersion,
    /// Cortex XDR's version.
    CortexInfo,
    /// State of Elastic's components.
    ElasticStatus,
    /// ESET's detection engine.
    EsetModules,
    /// ESET's licence.
    EsetLicence,
    /// State of Bitdefender's modules.
    Bitdefender,
    /// State of Kaspersky's components.
    Kaspersky,
    /// Whether rpm finds its own package: dnf also answers with a database that it cannot open.
    RpmDatabase,
    /// Rules of legacy iptables for IPv4.
    IptablesLegacy,
    /// Rules of legacy iptables for IPv6.
    Ip6tablesLegacy,
}

/// The surroundings in which the helper runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// Without network and capabilities.
    Apart,
    /// With the machine's network interfaces, whose packet filter the program reads, and the capabilities to do so.
    Network,
}

/// The program, arguments and time limit of a question.
struct Row {
    /// Its number on the wire: never given to another question.
    number: u8,
    /// Name of a recorded answer.
    name: &'static str,
    /// Absolute paths: the first that exists is run.
    programs: &'static [&'static str],
    args: &'static [&'static str],
    deadline: Duration,
    /// Whether the answer to other users is known to be an error or wrong, so that it must not be asked without root.
    only_root: bool,
}

/// One program with many names; by this one, its first argument says which it is.
const XTABLES: &[&str] =
    &["/usr/sbin/xtables-legacy-multi", "/usr/bin/xtables-legacy-multi", "/sbin/xtables-legacy-multi"];
const TRELLIX: &[&str] = &["/opt/McAfee/ens/tp/bin/mfetpcli", "/opt/trellix/ens/tp/bin/mfetpcli"];

impl Question {
    /// Every question.
    pub const ALL: [Self; 18] = [
        Self::Dnf5Advisories,
        Self::DnfAdvisories,
        Self::Dnf5Restart,
        Self::DnfRestart,
        Self::Falcon,
        Self::SentinelOneStatus,
        Self::SentinelOneVersion,
        Self::TrellixScan,
        Self::TrellixVersion,
        Self::CortexInfo,
        Self::ElasticStatus,
        Self::EsetModules,
        Self::EsetLicence,
        Self::Bitdefender,
        Self::Kaspersky,
        Self::RpmDatabase,
        Self::IptablesLegacy,
        Self::Ip6tablesLegacy,
    ];

    /// Sources of `only_root`, and of who else may ask:
    ///
    /// - dnf: other users than root have a separate cache, which may be empty. dnf 5.4 ends with an error if it cannot
    ///   open its lock file for writing: <https://github.com/rpm-software-management/dnf5/issues/2709>,
    ///   <https://github.com/mrdaemon/exosphere/issues/265>. dnf 4.14 (tried) exits with 0, lists no advisory and sees no
    ///   need to restart if it cannot open the database of packages, which is why `RpmDatabase` is asked too.
    ///   Without the option for excludes, packages that an administrator excluded have no advisories (tried; dnf5-filtering(7)).
    /// - `cytool` "must be run as root or with root permissions":
    ///   <https://docs.paloaltonetworks.com/traps/4-2/traps-agent-admin/traps-agent-for-linux/use-the-traps-agent-for-linux>.
    /// - `falconctl` and `sentinelctl` are run with `become` by their vendors' Ansible collections
    ///   (CrowdStrike/ansible_collection_falcon, Sentinel-One/ansible_collection_s1agents).
    /// - `kesl-control` shows the application's status to the roles Administrator and Auditor; other users have no rights:
    ///   <https://support.kaspersky.com/KES4Linux/12.1.0/en-US/264128.htm>.
    /// - `elastic-agent`: "You might need to log in as a root user to run these commands":
    ///   <https://www.elastic.co/guide/en/fleet/7.10/elastic-agent-cmd-options.html>.
    ///
    /// - `iptables-legacy-save` opens a raw socket, and asks it with `CAP_NET_ADMIN` (ip(7), `do_ipt_get_ctl` in the kernel's
    ///   `net/ipv4/netfilter/ip_tables.c`).
    ///
    /// No public document says who may run ESET's, Trellix's and Bitdefender's tools.
    fn row(self) -> Row {
        match self {
            Self::Dnf5Advisories => Row {
                number: 1,
                name: "dnf5",
                programs: &["/usr/bin/dnf5"],
                args: &[
                    "-C",
                    "-q",
                    "--setopt=disable_excludes=*",
                    "advisory",
                    "list",
                    "--available",
                    "--security",
                ],
                deadline: PACKAGES,
                only_root: true,
            },
            Self::DnfAdvisories => Row {
                number: 2,
                name: "dnf",
                programs: &["/usr/bin/dnf"],
                args: &[
                    "-C",
                    "-q",
                    "--disableexcludes=all",
                    "updateinfo",
                    "list",
                    "--available",
                    "--security",
                ],
                deadline: PACKAGES,
                only_root: true,
            },
            Self::Dnf5Restart => Row {
                number: 3,
                name: "dnf5-needs-restarting",
                programs: &["/usr/bin/dnf5"],
                args: &["-C", "needs-restarting", "-r"],
                deadline: RESTART,
                only_root: true,
            },
            Self::DnfRestart => Row {
                number: 4,
                name: "dnf-needs-restarting",
                programs: &["/usr/bin/dnf"],
                args: &["-C", "needs-restarting", "-r"],
                deadline: RESTART,
                only_root: true,
            },
            Self::Falcon => Row {
                number: 5,
                name: "falconctl",
                programs: &["/opt/CrowdStrike/falconctl"],
                args: &["-g", "--aid", "--rfm-state", "--version"],
                deadline: PRODUCT,
                only_root: true,
            },
            Self::SentinelOneStatus => Row {
                number: 6,
                name: "sentinelctl-control-status",
                programs: &["/opt/sentinelone/bin/sentinelctl"],
                args: &["control", "status"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::SentinelOneVersion => Row {
                number: 7,
                name: "sentinelctl-version",
                programs: &["/opt/sentinelone/bin/sentinelctl"],
                args: &["version"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::TrellixScan => Row {
                number: 8,
                name: "mfetpcli-getoasconfig",
                programs: TRELLIX,
                args: &["--getoasconfig", "--summary"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::TrellixVersion => Row {
                number: 9,
                name: "mfetpcli-version",
                programs: TRELLIX,
                args: &["--version"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::CortexInfo => Row {
                number: 10,
                name: "cytool-info",
                programs: &["/opt/traps/bin/cytool"],
                args: &["info"],
                deadline: PRODUCT,
                only_root: true,
            },
            Self::ElasticStatus => Row {
                number: 11,
                name: "elastic-agent-status",
                programs: &["/opt/Elastic/Agent/elastic-agent", "/usr/bin/elastic-agent"],
                args: &["status", "--output", "json"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::EsetModules => Row {
                number: 12,
                name: "eset-upd-list-modules",
                programs: &["/opt/eset/efs/bin/upd", "/opt/eset/eea/bin/upd"],
                args: &["--list-modules"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::EsetLicence => Row {
                number: 13,
                name: "eset-lic-status",
                programs: &["/opt/eset/efs/sbin/lic", "/opt/eset/eea/sbin/lic"],
                args: &["--status"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::Bitdefender => Row {
                number: 14,
                name: "bduitool-get-ps",
                programs: &["/opt/bitdefender-security-tools/bin/bduitool"],
                args: &["get", "ps"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::Kaspersky => Row {
                number: 15,
                name: "kesl-control",
                programs: &["/opt/kaspersky/kesl/bin/kesl-control"],
                args: &["--app-info"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::RpmDatabase => Row {
                number: 16,
                name: "rpm-database",
                programs: &["/usr/bin/rpm"],
                args: &["-q", "rpm"],
                deadline: PRODUCT,
                only_root: false,
            },
            Self::IptablesLegacy => Row {
                number: 17,
                name: "iptables-legacy-save",
                programs: XTABLES,
                args: &["iptables-legacy-save"],
                deadline: FILTER,
                only_root: true,
            },
            Self::Ip6tablesLegacy => Row {
                number: 18,
                name: "ip6tables-legacy-save",
                programs: XTABLES,
                args: &["ip6tables-legacy-save"],
                deadline: FILTER,
                only_root: true,
            },
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self.row().number
    }

    /// Returns the question with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|question| question.number() == number)
    }

    /// Name of its recorded answer.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Absolute paths of the program: the first that exists is run.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        self.row().programs
    }

    /// The program's arguments.
    #[must_use]
    pub fn args(self) -> &'static [&'static str] {
        self.row().args
    }

    /// Time limit of the program.
    #[must_use]
    pub fn deadline(self) -> Duration {
        self.row().deadline
    }

    /// The surroundings that its program needs.
    #[must_use]
    pub fn surroundings(self) -> Surroundings {
        match self {
            Self::IptablesLegacy | Self::Ip6tablesLegacy => Surroundings::Network,
            _ => Surroundings::Apart,
        }
    }

    /// Whether it must not be asked by other users than root, because they get an error or a wrong answer.
    #[must_use]
    pub fn only_root(self) -> bool {
        self.row().only_root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_names_are_unique() {
        let numbers: Vec<_> = Question::ALL.iter().map(|question| question.number()).collect();
        assert_eq!(numbers, (1..=18).collect::<Vec<_>>());
        assert_eq!(Question::ALL.last(), Some(&Question::Ip6tablesLegacy), "the last variant is in the list");
        let names: BTreeSet<_> = Question::ALL.iter().map(|question| question.name()).collect();
        assert_eq!(names.len(), Question::ALL.len());
        for question in Question::ALL {
            assert_eq!(Question::from_number(question.number()), Some(question));
        }
        assert_eq!((Question::from_number(0), Question::from_number(19)), (None, None));
    }

    /// dnf uses its cache only, because the helper has no network.
    #[test]
    fn programs_are_absolute_and_dnf_stays_offline() {
        for question in Question::ALL {
            assert!(!question.programs().is_empty(), "{question:?}");
            for program in question.programs() {
                assert!(program.starts_with('/') && !program.contains(".."), "{program}");
                let is_dnf = program.contains("dnf");
                assert!(!is_dnf || question.args()[0] == "-C" && question.only_root(), "{program}");
            }
        }
    }
}
