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
pub(crate) const REPORT: &str = "vitalsign report || true";
const FIREWALL: &str = "systemctl restart nftables";

const READABLE: &str = "runuser -u nurse cat /home/nurse/unwanted";

/// Starts the session's idle daemon with another time.
macro_rules! swayidle {
    ($seconds:literal) => {
        concat!(
            "pkill swayidle; systemd-run -q --uid=nurse --setenv=XDG_RUNTIME_DIR=/run/user/1000 \
             --setenv=WAYLAND_DISPLAY=wayland-1 swayidle -w timeout ",
            $seconds,
            " 'swaylock -f'"
        )
    };
}

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
        // Reported, because the outcome is that of the row before.
        "fallocate -l 16M /swap && chmod 600 /swap && mkswap -q /swap && swapon /swap && (vitalsign report || true)",
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
    // Updates, from an archive that is signed as Debian's is.
    case("no security archive", "true", ["os-updates", "warning", "unreadable"]),
    case(
        "security archive added, and fetched from",
        "echo 'deb [signed-by=/delivery/archive/archive.gpg] copy:/delivery/archive bookworm-security main' \
         >/etc/apt/sources.list.d/security.list && apt-get update -qq",
        ["os-updates", "affirming", "ok"],
    ),
    case(
        "security update waits",
        "dpkg -i /delivery/archive/ward-tool_1.0_all.deb",
        ["os-updates", "warning", "grace"],
    ),
    case("security update installed", "apt-get install -y -qq ward-tool", ["os-updates", "affirming", "ok"]),
    case(
        "lists nine days old",
        "systemctl stop apt-daily.timer && cd /delivery/archive && cp dists/bookworm-security/InRelease InRelease.now && \
         cp InRelease.then dists/bookworm-security/InRelease && rm /var/lib/apt/lists/*security* && \
         date -s '-9 days' && apt-get update -qq; date -s '+9 days' && (vitalsign report || true)",
        ["os-updates", "warning", "unreadable"],
    ),
    case(
        "lists fetched again",
        "cp /delivery/archive/InRelease.now /delivery/archive/dists/bookworm-security/InRelease && apt-get update -qq",
        ["os-updates", "affirming", "ok"],
    ),
    case(
        "second security archive, never reached",
        "echo 'deb http://verifier.test:9/debian-security bookworm-security main' >/etc/apt/sources.list.d/other.list; \
         (apt-get update -qq; vitalsign report) || true",
        ["os-updates", "warning", "unreadable"],
    ),
    case(
        "that archive removed",
        "rm /etc/apt/sources.list.d/other.list && (vitalsign report || true)",
        ["os-updates", "affirming", "ok"],
    ),
    // Antivirus, which blocks or does not.
    case("ClamAV stopped", READABLE, ["edr-protecting", "contraindicated", "off"]),
    case(
        "ClamAV daemon alone",
        "systemctl start clamav-daemon && runuser -u nurse cat /home/nurse/unwanted",
        ["edr-protecting", "contraindicated", "passive"],
    ),
    case(
        "ClamAV scans on access",
        "systemctl start clamav-clamonacc && until ! runuser -u nurse cat /home/nurse/unwanted; do sleep 0.5; done",
        ["edr-protecting", "affirming", "ok"],
    ),
    case(
        "its daemon killed, its scanner alive",
        "systemctl kill -s KILL clamav-daemon && systemctl is-active clamav-clamonacc",
        ["edr-protecting", "contraindicated", "off"],
    ),
    case(
        "ClamAV started again",
        "systemctl restart clamav-daemon clamav-clamonacc",
        ["edr-protecting", "affirming", "ok"],
    ),
    // The header of a database that is not there. Nothing tells the agent of its change.
    case(
        "signatures of today",
        "printf 'ClamAV-VDB:now:1:1:90:0:X:guest:%s ' $(date +%s) >/var/lib/clamav/daily.cld; vitalsign report || true",
        ["edr-signatures", "affirming", "ok"],
    ),
    case(
        "signatures eight days old",
        "printf 'ClamAV-VDB:then:1:1:90:0:X:guest:%s ' $(date -d '-8 days' +%s) >/var/lib/clamav/daily.cld; vitalsign report || true",
        ["edr-signatures", "warning", "stale"],
    ),
    case(
        "signatures updated",
        "printf 'ClamAV-VDB:now:1:1:90:0:X:guest:%s ' $(date +%s) >/var/lib/clamav/daily.cld; vitalsign report || true",
        ["edr-signatures", "affirming", "ok"],
    ),
    // The screen.
    case("no user logged on", "true", ["lock-idle", "warning", "unreadable"]),
    case(
        "nurse logged on, screen locks after 5 minutes",
        // The session starts the idle daemon, later than the service of the session has started.
        "systemctl start desk && until pgrep -x swayidle; do sleep 0.2; done",
        ["lock-idle", "affirming", "ok"],
    ),
    case("idle daemon ended", "pkill swayidle", ["lock-idle", "contraindicated", "off"]),
    case("screen locks after 20 minutes", swayidle!("1200"), ["lock-idle", "warning", "too-long"]),
    case("screen locks after 10 minutes", swayidle!("600"), ["lock-idle", "affirming", "ok"]),
];

/// Cases of a guest without Secure Boot, whose disk is not encrypted. Without it, GRUB 2.06 starts the kernel in a way that
/// passes no event log on.
pub(crate) const UNPROTECTED: &[Case] = &[
    case("Secure Boot off", "true", ["boot-secure", "contraindicated", "off"]),
    case("event log not passed on by GRUB", "true", ["boot-measured", "warning", "no-log"]),
    // The hypervisor's disk may be encrypted.
    case("root on a plain disk", "true", ["disk-encryption", "warning", "unreadable"]),
];

/// Rows that are no outcome of a check.
pub(crate) const RESTART: &str = "restart";
pub(crate) const STEP_UP: &str = "step-up at healthy-device";
pub(crate) const POWER_CUT: &str = "power cut";

/// A change while the network cable is pulled, and a report that fails.
pub(crate) const CUT_OFF: Case = case(
    "change without a network",
    "nft add rule inet filter input tcp dport 8080 accept; vitalsign report || true",
    ["firewall-inbound", "warning", "open-ports"],
);
