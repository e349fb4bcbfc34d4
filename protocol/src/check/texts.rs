//! The table of texts.

use super::{Desktop, Remediator, Remedy, Steps, Text};

/// Every check of the default policy, in the order in which people see them.
pub const TEXTS: &[Text] = &[
    Text {
        check: "os-updates",
        title: "Security updates",
        why: "Updates close weaknesses that attackers already use.",
        remedies: &[
            it(
                "lists",
                &["stale"],
                "Have this device refresh its package lists; a timer should do it daily.",
            ),
            it(
                "end",
                &["end-of-life"],
                "Upgrade to a system version that is still supported: this one gets no updates.",
            ),
            you("", &[], "Install the waiting security updates.").with(&[
                Steps {
                    desktop: Desktop::Gnome,
                    lines: &["Open Software, then Updates.", "Select Restart & Update."],
                },
                Steps {
                    desktop: Desktop::Kde,
                    lines: &["Open Discover, then Updates.", "Select Update All."],
                },
            ]),
        ],
    },
    Text {
        check: "os-reboot",
        title: "Restart",
        why: "An update protects this device only after the restart that finishes it.",
        remedies: &[you("", &[], "Restart this device to finish its updates.").or_restart()],
    },
    Text {
        check: "os-support",
        title: "System version",
        why: "A system that its maker no longer supports gets no security updates.",
        remedies: &[it("", &[], "Upgrade to a system version that is still supported.")],
    },
    Text {
        check: "disk-encryption",
        title: "Disk encryption",
        why: "Without encryption, anyone who takes the disk can read patient data.",
        remedies: &[
            it("partial", &["partial"], "Encrypt the volumes that are listed as not encrypted."),
            it(
                "clear",
                &["clear-key"],
                "Remove the unprotected key of the encryption, and protect it with the TPM.",
            ),
            it("suspended", &["suspended"], "Resume the disk encryption."),
            it(
                "key",
                &["unbound-key", "network-key", "software"],
                "Bind the key of the disk encryption to this device's TPM, and replace its password by a recovery key.",
            ),
            it("", &[], "Encrypt the disk: system, data and swap."),
        ],
    },
    Text {
        check: "edr-protecting",
        title: "Endpoint protection",
        why: "Endpoint protection stops malicious programs while they run.",
        remedies: &[
            it("missing", &["missing"], "Install the endpoint protection."),
            it("passive", &["passive"], "Set the policy of the endpoint protection to block in real time."),
            it(
                "reduced",
                &["reduced"],
                "Repair the endpoint protection: its sensor does not support the running kernel, or failed.",
            )
            .or_restart(),
            you("snoozed", &["snoozed"], "Resume the endpoint protection, which a user paused."),
            it("disconnected", &["disconnected"], "Reconnect the endpoint protection to its management."),
            it("unlicensed", &["unlicensed"], "Renew the licence of the endpoint protection."),
            it("off", &["off"], "Start the endpoint protection.").or_restart(),
            it("", &[], "Have the endpoint protection installed, running and blocking."),
        ],
    },
    Text {
        check: "edr-signatures",
        title: "Protection up to date",
        why: "Protection with old signatures misses new malicious programs.",
        remedies: &[you("", &[], "Update the signatures of the endpoint protection.")],
    },
    Text {
        check: "firewall-inbound",
        title: "Firewall",
        why: "A firewall keeps other devices on the network from reaching this one.",
        remedies: &[
            it("ports", &["open-ports"], "Close the listed ports, or allow them in the policy."),
            you("", &[], "Turn on the firewall to block unsolicited connections.").with(&[Steps {
                desktop: Desktop::Kde,
                lines: &[
                    "Open System Settings, then Firewall.",
                    "Turn on the firewall, and set incoming connections to reject.",
                ],
            }]),
        ],
    },
    Text {
        check: "lock-idle",
        title: "Screen lock",
        why: "A screen that locks by itself keeps others from working under your name.",
        remedies: &[
            you("too-long", &["too-long"], "Shorten the time after which the screen locks.").with(&[
                Steps {
                    desktop: Desktop::Gnome,
                    lines: &[
                        "Open Settings, then Privacy & Security, then Screen Lock.",
                        "Choose a shorter Blank Screen Delay, and no lock delay.",
                    ],
                },
                Steps {
                    desktop: Desktop::Kde,
                    lines: &[
                        "Open System Settings, then Screen Locking.",
                        "Choose a shorter time for locking the screen.",
                    ],
                },
            ]),
            it(
                "enforce",
                &["not-enforced"],
                "Enforce the screen lock's settings: dconf locks for GNOME, immutable Kconfig for Plasma.",
            ),
            you("", &[], "Turn on the automatic screen lock.").with(&[
                Steps {
                    desktop: Desktop::Gnome,
                    lines: &[
                        "Open Settings, then Privacy & Security, then Screen Lock.",
                        "Turn on Automatic Screen Lock.",
                    ],
                },
                Steps {
                    desktop: Desktop::Kde,
                    lines: &[
                        "Open System Settings, then Screen Locking.",
                        "Turn on locking the screen automatically.",
                    ],
                },
            ]),
        ],
    },
    Text {
        check: "boot-secure",
        title: "Secure Boot",
        why: "Secure Boot keeps manipulated systems from starting.",
        remedies: &[
            it(
                "setup",
                &["setup-mode"],
                "Install the Secure Boot keys in the firmware's settings: it is in setup mode.",
            )
            .or_restart(),
            it(
                "contradiction",
                &["contradiction"],
                "Stop using this device until IT has checked it: its report does not match its TPM.",
            ),
            it("", &[], "Turn on Secure Boot in the firmware's settings.").or_restart(),
        ],
    },
    Text {
        check: "boot-measured",
        title: "Measured boot",
        why: "Measured boot proves which system was started.",
        remedies: &[
            it(
                "log",
                &["no-log"],
                "Have the firmware provide its event log: boot in UEFI mode, with securityfs.",
            )
            .or_restart(),
            it(
                "quote",
                &["not-quoted"],
                "Check the TPM and the device key: no signed report of the boot has arrived.",
            )
            .or_restart(),
            it("", &[], "Enable measured boot: turn on the TPM, and boot in UEFI mode.").or_restart(),
        ],
    },
    Text {
        check: "key-hardware",
        title: "Device key",
        why: "A key in a TPM cannot be copied to another device.",
        remedies: &[
            it(
                "maker",
                &["unrecognised"],
                "Add this TPM maker's certificate to the verifier, or use a device with a trusted TPM.",
            ),
            it(
                "certificate",
                &["certificate-expired"],
                "Replace the device at the next occasion, or decide in the policy how long it is used.",
            ),
            it("", &[], "Use a device with a trusted TPM, and enrol it again."),
        ],
    },
    Text {
        check: "agent-version",
        title: "Vitalsign agent",
        why: "An old agent may miss checks that the organisation needs.",
        remedies: &[it("", &[], "Update the Vitalsign agent.")],
    },
];

/// Remedies for reasons that mean the same for every check.
pub(super) const GENERAL: &[Remedy] = &[
    it(
        "unreadable",
        &["unreadable"],
        "Nothing for you to do. IT: find the cause with vitalsign doctor and the service's log.",
    ),
    it(
        "unsupported",
        &["unsupported"],
        "Nothing for you to do. IT: this system cannot report it; make the check optional, or replace the system.",
    ),
    it("clock", &["clock"], "Nothing for you to do. IT: set this device's clock, and keep it synchronised."),
];

/// Remedy of a check without texts.
pub(super) const OTHER: Remedy = it("other", &[], "Ask IT what this check requires.");

const fn it(class: &'static str, reasons: &'static [&'static str], text: &'static str) -> Remedy {
    Remedy { class, reasons, text, remediator: Remediator::It, restart: false, steps: &[] }
}

const fn you(class: &'static str, reasons: &'static [&'static str], text: &'static str) -> Remedy {
    Remedy { remediator: Remediator::You, ..it(class, reasons, text) }
}

impl Remedy {
    const fn or_restart(self) -> Self {
        Self { restart: true, ..self }
    }

    const fn with(self, steps: &'static [Steps]) -> Self {
        Self { steps, ..self }
    }
}
