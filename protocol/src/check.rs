//! Texts for each check of the default policy: title, remedy, who can fix it, and whether a restart helps. A
//! check of another policy has its code as title.

/// Party that can fix a failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remediator {
    /// The person at the device.
    You,
    /// The organisation's IT staff.
    It,
}

/// The texts of one check.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The check's code, as policy names it.
    pub check: &'static str,
    /// Short title of the check.
    pub title: &'static str,
    /// Instruction for fixing a failed check.
    pub remedy: &'static str,
    /// Party that can fix it.
    pub remediator: Remediator,
    /// Whether a restart may fix it.
    pub restart: bool,
}

/// Every check of the default policy, in the order in which people see them.
pub const TEXTS: &[Text] = &[
    text("os-updates", "Security updates", "Install the waiting security updates.", Remediator::You, false),
    text("os-reboot", "Restart", "Restart this device to finish its updates.", Remediator::You, true),
    text(
        "os-support",
        "System version",
        "Upgrade to a system version that is still supported.",
        Remediator::It,
        false,
    ),
    text(
        "disk-encryption",
        "Disk encryption",
        "Turn on disk encryption for every volume, swap included.",
        Remediator::It,
        false,
    ),
    text(
        "edr-protecting",
        "Endpoint protection",
        "Start the endpoint protection, and set its policy to block in real time.",
        Remediator::It,
        true,
    ),
    text(
        "edr-signatures",
        "Protection up to date",
        "Update the signatures of the endpoint protection.",
        Remediator::You,
        false,
    ),
    text(
        "firewall-inbound",
        "Firewall",
        "Turn on the firewall to block unsolicited connections.",
        Remediator::You,
        false,
    ),
    text(
        "lock-idle",
        "Screen lock",
        "Enforce a screen lock after a few minutes: dconf locks for GNOME, immutable Kconfig for Plasma.",
        Remediator::It,
        false,
    ),
    text(
        "boot-secure",
        "Secure Boot",
        "Turn on Secure Boot in the firmware's settings.",
        Remediator::It,
        true,
    ),
    text(
        "boot-measured",
        "Measured boot",
        "Turn on the TPM, and boot in UEFI mode with an event log.",
        Remediator::It,
        true,
    ),
    text(
        "key-hardware",
        "Device key",
        "Use a device with a trusted TPM, and enrol it again.",
        Remediator::It,
        false,
    ),
    text("agent-version", "Vitalsign agent", "Update the Vitalsign agent.", Remediator::It, false),
];

const fn text(
    check: &'static str,
    title: &'static str,
    remedy: &'static str,
    remediator: Remediator,
    restart: bool,
) -> Text {
    Text { check, title, remedy, remediator, restart }
}

/// The texts of a check.
#[must_use]
pub fn of(check: &str) -> Option<&'static Text> {
    TEXTS.iter().find(|text| text.check == check)
}

/// The reasons that policy gives, in words.
pub const REASONS: &[(&str, &str)] = &[
    ("ok", "as it should be"),
    ("grace", "due soon"),
    ("overdue", "overdue"),
    ("required", "needed"),
    ("end-of-life", "no longer supported by its maker"),
    ("off", "off"),
    ("partial", "only in part"),
    ("missing", "missing"),
    ("stale", "out of date"),
    ("outdated", "too old"),
    ("clock", "a time in the future: check the clock"),
    ("clear-key", "encrypted, but its key is unprotected"),
    ("unbound-key", "encrypted, but its TPM gives the key to any system"),
    ("network-key", "encrypted with a key from the network"),
    ("suspended", "suspended"),
    ("passive", "monitoring only"),
    ("reduced", "running with reduced function"),
    ("snoozed", "paused by a user"),
    ("disconnected", "not connected to its management"),
    ("unlicensed", "without a valid licence"),
    ("too-long", "too long"),
    ("not-enforced", "set by the user, not enforced"),
    ("open-ports", "other ports are open than expected"),
    ("contradiction", "the device and its TPM disagree"),
    ("setup-mode", "its keys can be changed without authentication"),
    ("no-log", "no log of what was started"),
    ("not-quoted", "not yet confirmed by the TPM"),
    ("software", "in software only"),
    ("simulated", "a simulated TPM"),
    ("unrecognised", "from a maker that is not trusted here"),
    ("unreadable", "could not be read"),
    ("unsupported", "cannot be read on this system"),
];

/// A policy's reason in words. A reason that is not known here reads as it is spelled.
#[must_use]
pub fn reason(code: &str) -> &str {
    REASONS.iter().find(|(known, _)| *known == code).map_or(code, |(_, words)| words)
}
