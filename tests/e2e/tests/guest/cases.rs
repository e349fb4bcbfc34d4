//! Changes of the guest, and the verdicts that have to follow.

/// A change of the guest, and the outcome of a check after it. Each case begins where the one before ended.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Shell command that makes it true.
    pub(crate) change: &'static str,
    pub(crate) check: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
    /// Whether a connection to port 8080 from outside then succeeds; `None` if it is not tried.
    pub(crate) open: Option<bool>,
}

const fn case(name: &'static str, change: &'static str, [check, status, reason]: [&'static str; 3]) -> Case {
    Case { name, change, check, status, reason, open: None }
}

const fn open(case: Case, open: bool) -> Case {
    Case { open: Some(open), ..case }
}

/// Nothing tells the agent of a change in the header of a disk before its next report. Its exit status is that of the verdict.
const REPORT: &str = "vitalsign report || true";
const FIREWALL: &str = "systemctl restart nftables";

pub(crate) const CASES: &[Case] = &[
    case("Secure Boot on", "true", ["boot-secure", "affirming", "ok"]),
    case("event log replays to the quote", "true", ["boot-measured", "affirming", "ok"]),
    case("TPM of a known maker", "true", ["key-hardware", "affirming", "ok"]),
    // Disks.
    case("root on LUKS with TPM, PCR 7, and a password", REPORT, ["disk-encryption", "warning", "software"]),
    case(
        "with TPM, PCR 7, and a recovery key",
        "PASSWORD='correct horse' systemd-cryptenroll --recovery-key /dev/vda2 | tail -1 >/root/recovery && \
         systemd-cryptenroll --wipe-slot=password /dev/vda2 && (vitalsign report || true)",
        ["disk-encryption", "affirming", "ok"],
    ),
    case(
        "swap on a plain disk",
        "mkswap -q /dev/vdc && swapon /dev/vdc",
        ["disk-encryption", "warning", "unreadable"],
    ),
    case("no swap", "swapoff /dev/vdc", ["disk-encryption", "affirming", "ok"]),
    case(
        "swap file on the encrypted root",
        "fallocate -l 16M /swap && chmod 600 /swap && mkswap -q /swap && swapon /swap",
        ["disk-encryption", "affirming", "ok"],
    ),
    case(
        "data on a plain disk",
        "swapoff /swap && wipefs -qa /dev/vdc && mke2fs -q /dev/vdc && mount /dev/vdc /srv",
        ["disk-encryption", "warning", "unreadable"],
    ),
    case("data disk unmounted", "umount /srv", ["disk-encryption", "affirming", "ok"]),
    case(
        "with TPM without PCRs, and a recovery key",
        "PASSWORD=$(cat /root/recovery) systemd-cryptenroll --wipe-slot=tpm2 --tpm2-device=auto --tpm2-pcrs= /dev/vda2 && \
         (vitalsign report || true)",
        ["disk-encryption", "warning", "unbound-key"],
    ),
    case(
        "with TPM and PCR 7 again",
        "PASSWORD=$(cat /root/recovery) systemd-cryptenroll --wipe-slot=tpm2 --tpm2-device=auto --tpm2-pcrs=7 /dev/vda2 && \
         (vitalsign report || true)",
        ["disk-encryption", "affirming", "ok"],
    ),
    // Firewall, beside a real connection.
    open(case("input dropped", FIREWALL, ["firewall-inbound", "affirming", "ok"]), false),
    open(
        case(
            "a port opened",
            "nft add rule inet filter input tcp dport 8080 accept",
            ["firewall-inbound", "warning", "open-ports"],
        ),
        true,
    ),
    open(case("closed again", FIREWALL, ["firewall-inbound", "affirming", "ok"]), false),
    open(case("rules flushed", "nft flush ruleset", ["firewall-inbound", "contraindicated", "off"]), true),
    open(case("rules loaded again", FIREWALL, ["firewall-inbound", "affirming", "ok"]), false),
    open(
        case(
            "input accepted, and refused for one address",
            "nft flush ruleset; nft 'table inet f { chain i { type filter hook input priority 0; ip saddr 192.0.2.1 drop; }; }'",
            ["firewall-inbound", "contraindicated", "off"],
        ),
        true,
    ),
    open(case("rules loaded at last", FIREWALL, ["firewall-inbound", "affirming", "ok"]), false),
];
