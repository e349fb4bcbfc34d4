//! Devices as the verifier rates them.

use super::{DAY, HOUR, MINUTE, NOW};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vitalsign_ipc::{AgentState, Guidance, SettingsState, Status};
use vitalsign_protocol::check::Fixers;
use vitalsign_protocol::ear::{Appraisal, Check, Ear, Tier, TrustVector};
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_protocol::organisation::{Colour, Support};

pub(super) fn check(code: &str, status: Tier, reason: &str, seen: Value, since: u64) -> Check {
    let seen = if let Value::Object(seen) = seen { seen } else { Map::new() };
    Check {
        check: code.to_owned(),
        status,
        reason: reason.to_owned(),
        seen,
        since: Some(since),
        deadline: None,
    }
}

pub(super) fn good(code: &str, seen: Value) -> Check {
    check(code, Tier::Affirming, "ok", seen, NOW - 40 * DAY)
}

pub(super) fn healthy() -> Vec<Check> {
    vec![
        good("os-updates", json!({"waiting": 0, "since": null, "held": 0, "checked": NOW - 2 * HOUR})),
        good(
            "os-reboot",
            json!({"required": false, "last_update": NOW - 3 * DAY, "kernel": "6.12.57", "kernel_installed": "6.12.57"}),
        ),
        good(
            "os-support",
            json!({"name": "Debian GNU/Linux", "version": "13", "support_ends": NOW + 980 * DAY}),
        ),
        good(
            "disk-encryption",
            json!({"encrypted": ["data", "swap", "system"], "not_encrypted": [], "not_known": [],
                   "methods": ["luks2"], "protectors": ["tpm-and-pin"]}),
        ),
        good(
            "edr-protecting",
            json!({"products": ["clamav"], "protecting": ["clamav"], "modes": ["active"]}),
        ),
        good("edr-signatures", json!({"updated": [NOW - 5 * HOUR]})),
        good(
            "firewall-inbound",
            json!({"inbound_blocked": true, "engine": "nftables", "manager": "firewalld"}),
        ),
        good("lock-idle", json!({"automatic": true, "idle_seconds": 300, "grace_seconds": 0})),
        good("boot-secure", json!({"secure_boot": true, "setup_mode": false, "proven": true})),
        good(
            "boot-measured",
            json!({"measured_boot": true, "event_log": true, "quoted": true, "log_replayed": true}),
        ),
        good(
            "key-hardware",
            json!({"storage": "tpm", "genuine": true, "simulated": false, "manufacturer": "IFX", "firmware": "7.85"}),
        ),
        good("agent-version", json!({"version": env!("CARGO_PKG_VERSION")})),
    ]
}

/// The healthy device, but for these.
pub(super) fn but(worse: Vec<Check>) -> Vec<Check> {
    let mut checks = healthy();
    checks.retain(|it| worse.iter().all(|other| other.check != it.check));
    checks.extend(worse);
    checks
}

pub(super) fn updates_wait() -> Check {
    let seen = json!({"waiting": 12, "since": NOW - 4 * DAY, "checked": NOW - HOUR});
    let deadline = Some(NOW + 10 * DAY);
    Check { deadline, ..check("os-updates", Tier::Warning, "grace", seen, NOW - 4 * DAY) }
}

pub(super) fn restart_waits() -> Check {
    let seen = json!({"required": true, "last_update": NOW - DAY, "kernel": "6.12.48", "kernel_installed": "6.12.57"});
    let deadline = Some(NOW + 2 * DAY);
    Check { deadline, ..check("os-reboot", Tier::Warning, "grace", seen, NOW - DAY) }
}

pub(super) fn disk_off() -> Check {
    let seen = json!({"encrypted": [], "not_encrypted": ["system", "swap"], "not_known": ["data"], "methods": [],
                      "protectors": []});
    check("disk-encryption", Tier::Contraindicated, "off", seen, NOW - 6 * DAY)
}

pub(super) fn firewall_off() -> Check {
    let seen = json!({"inbound_blocked": false, "engine": "nftables"});
    check("firewall-inbound", Tier::Contraindicated, "off", seen, NOW - 20 * MINUTE)
}

pub(super) fn blocked() -> Vec<Check> {
    let unknown =
        |code: &str, reason: &str| Check { since: None, ..check(code, Tier::None, reason, json!({}), NOW) };
    but(vec![
        updates_wait(),
        restart_waits(),
        disk_off(),
        firewall_off(),
        check("edr-protecting", Tier::Contraindicated, "missing", json!({"products": []}), NOW - 6 * DAY),
        unknown("edr-signatures", "missing"),
        check(
            "lock-idle",
            Tier::Warning,
            "too-long",
            json!({"automatic": true, "idle_seconds": 1800, "grace_seconds": 5}),
            NOW - 6 * DAY,
        ),
        unknown("boot-secure", "unsupported"),
        check(
            "boot-measured",
            Tier::Warning,
            "no-log",
            json!({"measured_boot": true, "event_log": false, "quoted": true, "log_replayed": false}),
            NOW - 6 * DAY,
        ),
        check(
            "key-hardware",
            Tier::Warning,
            "simulated",
            json!({"storage": "tpm", "genuine": false, "simulated": true, "manufacturer": "IBM"}),
            NOW - 6 * DAY,
        ),
        unknown("agent-version", "unreadable"),
    ])
}

/// Checks of a custom policy with its own reasons.
pub(super) fn foreign_policy() -> Vec<Check> {
    but(vec![
        check(
            "acme-badge-reader",
            Tier::Contraindicated,
            "driver-too-old",
            json!({"driver": "2.1", "found_at": {"bus": 3, "port": "A"}, "a\u{202e}b": "<b>bold</b>\u{7}"}),
            NOW - 3 * DAY,
        ),
        check(
            "acme-locale",
            Tier::Warning,
            "overdue",
            json!({"names": ["ward", "Krankenhaus"]}),
            NOW - 3 * DAY,
        ),
        check("os-updates", Tier::Warning, "acme-ring-2", json!({"waiting": 3}), NOW - 3 * DAY),
    ])
}

pub(super) fn ear(checks: Vec<Check>) -> Ear {
    let mut submods = BTreeMap::<String, Vec<Check>>::new();
    for check in checks {
        let (submodule, _) = check.check.split_once('-').unwrap_or((&check.check, ""));
        submods.entry(submodule.to_owned()).or_default().push(check);
    }
    let judged = |(name, checks)| (name, Appraisal::new(TrustVector::default(), checks, "default"));
    let submods: BTreeMap<_, _> = submods.into_iter().map(judged).collect();
    Ear {
        ear_status: Some(Ear::overall(&submods)),
        iat: NOW - 3 * MINUTE,
        exp: Some(NOW + 57 * MINUTE),
        submods,
        ..Ear::default()
    }
}

pub(super) fn reporting(checks: Vec<Check>) -> Status {
    Status {
        standing: AgentState::Reporting,
        enrolment: Some(EnrolmentId(*b"\x8b\x3e\xc1\x52\x07\xd9\x4a\xf6\x90\x1d\x73\xbe\x28\x65\xe4\x1f")),
        ear: Some(ear(checks)),
        reported_at: Some(NOW - 3 * MINUTE),
        posture: None,
        busy: false,
        next_report_seconds: 12 * MINUTE,
        cost: None,
        listening: true,
        step_ups: Vec::new(),
        guidance: Guidance::default(),
        settings: SettingsState::default(),
    }
}

/// Managed settings, and new ones that cannot be used.
pub(super) fn settings(refused: bool) -> SettingsState {
    let why = refused.then(|| "/etc/vitalsign/agent.d/50-ward.toml:3:1: fax is not a setting".to_owned());
    SettingsState { managed: vec!["verifier".to_owned()], refused: why }
}

/// A device of an organisation, whose person may install updates and leaves the rest to IT.
pub(super) fn managed() -> Guidance {
    let text = |text: &str| Some(text.to_owned());
    Guidance {
        organisation: text("St. Example Hospital"),
        colour: Some(Colour([0xff, 0xdd, 0x00])),
        version: None,
        support: Support {
            name: text("Service desk"),
            phone: text("ext. 1234"),
            text: text("Day and night."),
            url: text("https://it.hospital.example"),
        },
        fixers: Fixers { managed: true, user_may_fix: Some(vec!["os-updates".to_owned()]) },
        ..Guidance::default()
    }
}

pub(super) fn without_verdict(standing: AgentState) -> Status {
    Status { standing, ear: None, reported_at: None, ..reporting(Vec::new()) }
}
