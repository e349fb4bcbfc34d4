//! Facts, and what the default policy makes of them.

use crate::device::*;
use serde_json::{Value, json};
use vitalsign_protocol::check::TEXTS;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::posture::KeyStorage;
use vitalsign_verifier::appraisal::{
    Appraiser, BootAttestation, DEFAULT_POLICY, DEFAULT_THRESHOLDS, EventLogResult, Input, KeyAttestation,
};

/// Outcome of a check: status, reason, claims of its submodule, and days until it becomes worse.
type Outcome = (Tier, &'static str, Value, Option<u64>);

fn configuration(value: i8) -> Value {
    json!({ "configuration": value })
}

/// Judges the healthy device with `facts`, under `thresholds`.
fn assert_outcome(
    check_name: &str,
    facts: &Value,
    thresholds: &str,
    (key, boot): (KeyAttestation, BootAttestation),
    (status, reason, claimed, deadline): Outcome,
) {
    let row = format!("{check_name} {facts} {thresholds} {key:?} {boot:?}");
    let appraiser = Appraiser::load(DEFAULT_POLICY, thresholds).unwrap();
    let appraised = appraiser.appraise(&Input { posture: &with(facts), key, boot, now: NOW }).unwrap();
    let (submodule, check) = check(&appraised, check_name);
    assert_eq!((check.status, check.reason.as_str()), (status, reason), "{row}");
    assert_eq!(claims(&appraised, submodule), claimed, "{row}");
    assert_eq!(check.deadline, deadline.map(|days| NOW + days * DAY), "{row}");
    assert!(appraised.submods[submodule].ear_status >= status, "{row}");
    assert!(appraised.status >= status, "{row}");
}

fn assert_outcomes(rows: Vec<(&str, Value, &str, Outcome)>) {
    for (check, facts, thresholds, outcome) in rows {
        assert_outcome(check, &facts, thresholds, (TPM, PROVEN), outcome);
    }
}

#[test]
fn the_healthy_device_has_every_fact() {
    let all = serde_json::to_value(with(&json!({}))).unwrap();
    for (submodule, facts) in all.as_object().unwrap() {
        for name in facts.as_object().unwrap().keys() {
            let fact = healthy()[submodule].get(name).cloned();
            assert!(fact.is_some(), "to be added to tests/appraise/device.rs: {submodule}.{name}");
        }
    }
}

#[test]
fn the_healthy_device_is_good_throughout() {
    let posture = with(&json!({}));
    let appraised = appraise(&appraiser(), &posture, NOW);
    assert_eq!(appraised.status, GOOD);
    for text in TEXTS {
        let (_, check) = check(&appraised, text.check);
        assert_eq!((check.status, check.reason.as_str()), (GOOD, "ok"), "{}", text.check);
    }
    let judged = appraised.submods.values().flat_map(|it| &it.vitalsign_checks);
    for check in judged.map(|it| &it.check) {
        assert!(
            TEXTS.iter().any(|text| text.check == check),
            "to be added to protocol/src/check.rs: {check}"
        );
    }
}

#[test]
fn the_whole_appraisal_reads_like_this() {
    let appraised = appraise(
        &appraiser(),
        &with(&json!({ "os": {
        "security_updates": known(3), "security_updates_since": days_ago(5),
    } })),
        NOW,
    );
    let mut json = serde_json::to_value(&appraised.submods).unwrap();
    for appraisal in json.as_object_mut().unwrap().values_mut() {
        appraisal["ear_appraisal_policy_ids"] = json!(["urn:vitalsign:policy:default:…"]);
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn every_check_has_thresholds_and_a_row() {
    const DOCUMENT: &str = include_str!("../../../docs/policy.md");
    for check in TEXTS.iter().map(|text| text.check) {
        let section = format!("\n[{check}]");
        assert!(DEFAULT_THRESHOLDS.contains(&section), "to be added to thresholds.toml: {section}");
        let row = format!("\n| `{check}` | ");
        assert!(DOCUMENT.contains(&row), "to be added to docs/policy.md, Checks: {row}");
    }
}

#[test]
fn operating_system() {
    let updates = |waiting: Value, since: Value, checked: Value| json!({ "os": { "security_updates": waiting, "security_updates_since": since, "updates_checked": checked } });
    let reboot = |required: Value, last_update: Value| json!({ "os": { "reboot_required": required, "last_update": last_update } });
    let support = |ends: Value| json!({ "os": { "support_ends": ends } });
    let lenient = "[os-updates]\nmax_days = 30";
    let optional = "[os-updates]\nunsupported = 'none'";
    let required = "[os-support]\nunsupported = 'warning'";
    let late = || configuration(96);
    assert_outcomes(vec![
        (
            "os-updates",
            updates(known(0), unsupported(), days_ago(6)),
            "",
            (GOOD, "ok", configuration(3), None),
        ),
        (
            "os-updates",
            updates(known(2), days_ago(14), days_ago(0)),
            "",
            (WARN, "grace", configuration(32), Some(1)),
        ),
        ("os-updates", updates(known(2), days_ago(15), days_ago(0)), "", (BAD, "overdue", late(), None)),
        (
            "os-updates",
            updates(known(2), days_ago(15), days_ago(0)),
            lenient,
            (WARN, "grace", configuration(32), Some(15)),
        ),
        // Surely overdue updates stay overdue, however old the lists are.
        ("os-updates", updates(known(2), days_ago(15), days_ago(90)), "", (BAD, "overdue", late(), None)),
        (
            "os-updates",
            updates(known(0), unsupported(), days_ago(7)),
            "",
            (WARN, "stale", configuration(36), None),
        ),
        (
            "os-updates",
            updates(known(2), days_ago(1), days_ago(7)),
            "",
            (WARN, "stale", configuration(36), None),
        ),
        (
            "os-updates",
            updates(known(0), unsupported(), known(NOW + 2 * DAY)),
            "",
            (WARN, "clock", configuration(36), None),
        ),
        (
            "os-updates",
            updates(known(1), known(NOW + 2 * DAY), days_ago(0)),
            "",
            (WARN, "clock", configuration(36), None),
        ),
        (
            "os-updates",
            updates(known(1), unreadable(), days_ago(0)),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "os-updates",
            updates(known(1), unsupported(), days_ago(0)),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "os-updates",
            updates(unreadable(), unsupported(), days_ago(0)),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "os-updates",
            updates(known(0), unsupported(), unreadable()),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "os-updates",
            updates(unsupported(), unsupported(), days_ago(0)),
            "",
            (WARN, "unsupported", configuration(36), None),
        ),
        (
            "os-updates",
            updates(unsupported(), unsupported(), days_ago(0)),
            optional,
            (NONE, "unsupported", configuration(3), None),
        ),
        (
            "os-updates",
            updates(known(0), unsupported(), unsupported()),
            optional,
            (NONE, "unsupported", configuration(3), None),
        ),
        // No security update will ever be offered again.
        (
            "os-updates",
            json!({ "os": { "support_ends": days_ago(0) } }),
            "",
            (WARN, "end-of-life", late(), None),
        ),
        (
            "os-updates",
            json!({ "os": { "support_ends": known(NOW + 1) } }),
            "",
            (GOOD, "ok", configuration(32), None),
        ),
        (
            "os-updates",
            json!({ "os": { "security_updates": known(1), "security_updates_since": days_ago(15),
                            "support_ends": days_ago(0) } }),
            "",
            (BAD, "overdue", late(), None),
        ),
        ("os-updates", support(unreadable()), "", (GOOD, "ok", configuration(36), None)),
        ("os-updates", support(unsupported()), "", (GOOD, "ok", configuration(3), None)),
        ("os-reboot", reboot(known(true), days_ago(6)), "", (WARN, "grace", configuration(32), Some(1))),
        ("os-reboot", reboot(known(true), days_ago(7)), "", (BAD, "overdue", late(), None)),
        (
            "os-reboot",
            reboot(known(true), days_ago(7)),
            "[os-reboot]\nmax_days = 8",
            (WARN, "grace", configuration(32), Some(1)),
        ),
        ("os-reboot", reboot(known(true), unreadable()), "", (WARN, "required", configuration(32), None)),
        (
            "os-reboot",
            reboot(known(true), known(NOW + 2 * DAY)),
            "",
            (WARN, "clock", configuration(36), None),
        ),
        ("os-reboot", reboot(unreadable(), days_ago(1)), "", (WARN, "unreadable", configuration(36), None)),
        ("os-reboot", reboot(unsupported(), days_ago(1)), "", (NONE, "unsupported", configuration(3), None)),
        (
            "os-reboot",
            json!({ "os": { "kernel_installed": known("6.12.63") } }),
            "",
            (WARN, "grace", configuration(32), Some(5)),
        ),
        ("os-support", support(known(NOW + 90 * DAY + 1)), "", (GOOD, "ok", configuration(3), None)),
        ("os-support", support(known(NOW + 90 * DAY)), "", (WARN, "grace", configuration(32), Some(90))),
        ("os-support", support(known(NOW)), "", (BAD, "end-of-life", late(), None)),
        ("os-support", support(unreadable()), "", (WARN, "unreadable", configuration(36), None)),
        ("os-support", support(unsupported()), "", (NONE, "unsupported", configuration(3), None)),
        ("os-support", support(unsupported()), required, (WARN, "unsupported", configuration(36), None)),
    ]);
}

#[test]
fn disk_encryption() {
    let disk = |volumes: Vec<Value>| json!({ "disk": { "volumes": known(volumes) } });
    let system = |protector| volume("system", known(true), protector);
    let opaque = |value: i8| json!({ "storage-opaque": value });
    let suspended = || {
        let mut volume = system("tpm");
        volume["suspended"] = known(true);
        volume
    };
    let in_memory = || {
        let mut volume = volume("swap", known(true), "tpm");
        (volume["method"], volume["protector"]) = (known("memory"), unsupported());
        volume
    };
    let protector_unreadable = || {
        let mut volume = system("tpm");
        volume["protector"] = unreadable();
        volume
    };
    let passwords = "[disk-encryption]\nrequire_hardware_key = false";
    let optional = "[disk-encryption]\nunsupported = 'none'";
    let plain = |role| volume(role, known(false), "tpm");
    let rows = vec![
        (disk(vec![system("tpm"), volume("swap", known(true), "random")]), "", (GOOD, "ok", opaque(2), None)),
        (disk(vec![system("tpm-and-pin"), in_memory()]), "", (GOOD, "ok", opaque(2), None)),
        (disk(vec![system("token")]), "", (GOOD, "ok", opaque(2), None)),
        (disk(vec![system("password")]), "", (WARN, "software", opaque(32), None)),
        (disk(vec![system("password")]), passwords, (GOOD, "ok", Value::Null, None)),
        (
            disk(vec![system("tpm"), volume("data", known(true), "recovery")]),
            "",
            (WARN, "software", opaque(32), None),
        ),
        (disk(vec![plain("system"), volume("data", known(true), "tpm")]), "", (BAD, "off", opaque(96), None)),
        (disk(vec![system("tpm"), plain("swap")]), "", (BAD, "partial", opaque(96), None)),
        (disk(vec![system("tpm"), plain("hibernation")]), passwords, (BAD, "partial", opaque(96), None)),
        (disk(vec![system("clear")]), "", (BAD, "clear-key", opaque(96), None)),
        // A TPM that any system can ask does not protect against a thief, whatever the threshold accepts.
        (disk(vec![system("tpm-unbound")]), "", (WARN, "unbound-key", opaque(32), None)),
        (disk(vec![system("tpm-unbound")]), passwords, (WARN, "unbound-key", opaque(32), None)),
        (
            disk(vec![system("tpm"), volume("data", known(true), "tpm-unbound")]),
            "",
            (WARN, "unbound-key", opaque(32), None),
        ),
        (disk(vec![system("network")]), "", (WARN, "network-key", opaque(32), None)),
        (disk(vec![system("network")]), passwords, (GOOD, "ok", Value::Null, None)),
        (
            disk(vec![system("network"), volume("data", known(true), "password")]),
            "",
            (WARN, "software", opaque(32), None),
        ),
        // Removable media count for nothing, in either direction.
        (disk(vec![system("tpm"), plain("removable")]), "", (GOOD, "ok", opaque(2), None)),
        (
            disk(vec![system("tpm"), volume("removable", unreadable(), "clear")]),
            "",
            (GOOD, "ok", opaque(2), None),
        ),
        (disk(vec![plain("system"), plain("removable")]), "", (BAD, "off", opaque(96), None)),
        (disk(vec![volume("removable", known(true), "tpm")]), "", (WARN, "unreadable", opaque(36), None)),
        (disk(vec![suspended()]), "", (BAD, "suspended", opaque(96), None)),
        (disk(vec![protector_unreadable()]), "", (WARN, "unreadable", opaque(36), None)),
        (
            disk(vec![system("tpm"), volume("data", unreadable(), "tpm")]),
            "",
            (WARN, "unreadable", opaque(36), None),
        ),
        // Unencrypted and unreadable volumes: the unencrypted one counts.
        (
            disk(vec![plain("system"), volume("data", unreadable(), "tpm")]),
            "",
            (BAD, "off", opaque(96), None),
        ),
        (disk(vec![volume("system", unsupported(), "tpm")]), "", (WARN, "unsupported", opaque(36), None)),
        (
            disk(vec![volume("system", unsupported(), "tpm")]),
            optional,
            (NONE, "unsupported", Value::Null, None),
        ),
        // A list without the system's own volume says nothing of it.
        (disk(vec![]), "", (WARN, "unreadable", opaque(36), None)),
        (disk(vec![volume("data", known(true), "tpm")]), "", (WARN, "unreadable", opaque(36), None)),
        (json!({ "disk": { "volumes": unreadable() } }), "", (WARN, "unreadable", opaque(36), None)),
        (json!({ "disk": { "volumes": unsupported() } }), "", (WARN, "unsupported", opaque(36), None)),
    ];
    assert_outcomes(
        rows.into_iter().map(|(facts, t, outcome)| ("disk-encryption", facts, t, outcome)).collect(),
    );
}

#[test]
fn endpoint_protection() {
    let edr = |products: Vec<Value>| json!({ "edr": { "products": known(products) } });
    let on = |mode| product(known(true), mode, days_ago(1));
    let signed = |updated| edr(vec![product(known(true), "active", updated)]);
    let changed = |name: &str, fact: Value| {
        let mut product = on("active");
        product[name] = fact;
        edr(vec![product])
    };
    let optional = "[edr-protecting]\nunsupported = 'none'";
    assert_outcomes(vec![
        ("edr-protecting", edr(vec![on("active")]), "", (GOOD, "ok", configuration(2), None)),
        ("edr-protecting", edr(vec![on("passive"), on("active")]), "", (GOOD, "ok", configuration(2), None)),
        ("edr-protecting", changed("mode", unsupported()), "", (GOOD, "ok", configuration(2), None)),
        ("edr-protecting", edr(vec![]), "", (BAD, "missing", configuration(96), None)),
        ("edr-protecting", edr(vec![on("passive")]), "", (BAD, "passive", configuration(96), None)),
        ("edr-protecting", edr(vec![on("snoozed")]), "", (BAD, "snoozed", configuration(96), None)),
        ("edr-protecting", edr(vec![on("disconnected")]), "", (BAD, "disconnected", configuration(96), None)),
        ("edr-protecting", edr(vec![on("unlicensed")]), "", (BAD, "unlicensed", configuration(96), None)),
        ("edr-protecting", edr(vec![on("reduced")]), "", (WARN, "reduced", configuration(32), None)),
        ("edr-protecting", changed("protecting", known(false)), "", (BAD, "off", configuration(96), None)),
        ("edr-protecting", changed("running", known(false)), "", (BAD, "off", configuration(96), None)),
        (
            "edr-protecting",
            changed("protecting", unreadable()),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        ("edr-protecting", changed("mode", unreadable()), "", (WARN, "unreadable", configuration(36), None)),
        (
            "edr-protecting",
            changed("protecting", unsupported()),
            "",
            (WARN, "unsupported", configuration(36), None),
        ),
        (
            "edr-protecting",
            changed("protecting", unsupported()),
            optional,
            (NONE, "unsupported", configuration(2), None),
        ),
        (
            "edr-protecting",
            json!({ "edr": { "products": unreadable() } }),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "edr-protecting",
            json!({ "edr": { "products": unsupported() } }),
            "",
            (WARN, "unsupported", configuration(36), None),
        ),
        ("edr-signatures", signed(days_ago(6)), "", (GOOD, "ok", configuration(2), None)),
        ("edr-signatures", signed(days_ago(7)), "", (WARN, "stale", configuration(32), None)),
        (
            "edr-signatures",
            signed(days_ago(7)),
            "[edr-signatures]\nmax_days = 8",
            (GOOD, "ok", configuration(2), None),
        ),
        ("edr-signatures", signed(known(NOW + 2 * DAY)), "", (WARN, "clock", configuration(36), None)),
        ("edr-signatures", signed(unreadable()), "", (WARN, "unreadable", configuration(36), None)),
        ("edr-signatures", signed(unsupported()), "", (NONE, "unsupported", configuration(2), None)),
        // Fresh signatures of a product that does not protect make up for nothing.
        (
            "edr-signatures",
            edr(vec![
                product(known(true), "active", days_ago(9)),
                product(known(true), "passive", days_ago(0)),
            ]),
            "",
            (WARN, "stale", configuration(32), None),
        ),
        ("edr-signatures", edr(vec![]), "", (NONE, "missing", configuration(96), None)),
        (
            "edr-signatures",
            json!({ "edr": { "products": unreadable() } }),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "edr-signatures",
            json!({ "edr": { "products": unsupported() } }),
            "",
            (NONE, "unsupported", configuration(36), None),
        ),
    ]);
}

#[test]
fn names_unexpected_ports() {
    let posture = with(&json!({ "firewall": {
        "open_tcp": known(vec![ports(20, 25), ports(5900, 5900)]), "open_tcp_count": known(9),
        "published_udp": known(vec![ports(67, 69)]),
    } }));
    let appraised = appraise(&appraiser(), &posture, NOW);
    let (_, check) = check(&appraised, "firewall-inbound");
    let named = [
        "tcp 20-21",
        "tcp 23-25",
        "tcp 5900",
        "tcp ports beyond those listed",
        "udp 67 (published)",
        "udp 69 (published)",
    ];
    assert_eq!(check.seen["unexpected_ports"], json!(named));
}

#[test]
fn firewall_lock_and_agent() {
    let firewall = |blocked: Value| json!({ "firewall": { "inbound_blocked": blocked } });
    let open = |protocol: &str, ranges: Vec<Value>, count: u64| {
        let (list, number) = (format!("open_{protocol}"), format!("open_{protocol}_count"));
        json!({ "firewall": { list: known(ranges), number: known(count) } })
    };
    let warned = (WARN, "open-ports", configuration(32), None);
    let lock = |automatic: Value, idle: Value, grace: Value| json!({ "lock": { "automatic": automatic, "idle_seconds": idle, "grace_seconds": grace } });
    let version = |version: Value| json!({ "agent": { "version": version } });
    let sourced = |source: Value| json!({ "lock": { "source": source } });
    let enforced = "[lock-idle]\nrequire_enforced = true";
    let shorter = "[lock-idle]\nmax_seconds = 300";
    let newer = "[agent-version]\nmin_version = '0.10.0'";
    assert_outcomes(vec![
        ("firewall-inbound", firewall(known(true)), "", (GOOD, "ok", configuration(2), None)),
        ("firewall-inbound", firewall(known(false)), "", (BAD, "off", configuration(96), None)),
        ("firewall-inbound", firewall(unreadable()), "", (WARN, "unreadable", configuration(36), None)),
        ("firewall-inbound", firewall(unsupported()), "", (WARN, "unsupported", configuration(36), None)),
        (
            "firewall-inbound",
            firewall(unsupported()),
            "[firewall-inbound]\nunsupported='none'",
            (NONE, "unsupported", Value::Null, None),
        ),
        ("firewall-inbound", open("tcp", vec![ports(22, 22)], 1), "", (GOOD, "ok", configuration(2), None)),
        ("firewall-inbound", open("tcp", vec![ports(22, 23)], 2), "", warned.clone()),
        ("firewall-inbound", open("tcp", vec![ports(68, 68)], 1), "", warned.clone()),
        ("firewall-inbound", open("udp", vec![ports(68, 68)], 1), "", (GOOD, "ok", configuration(2), None)),
        ("firewall-inbound", open("tcp", vec![ports(22, 22)], 2), "", warned.clone()),
        (
            "firewall-inbound",
            open("tcp", vec![ports(22, 90)], 69),
            "[firewall-inbound]\nallowed_ports='22-50/tcp 40-80/tcp 81-90/tcp 546/udp 5353/udp'",
            (GOOD, "ok", configuration(2), None),
        ),
        (
            "firewall-inbound",
            open("tcp", vec![ports(22, 22)], 1),
            "[firewall-inbound]\nallowed_ports=''",
            warned.clone(),
        ),
        (
            "firewall-inbound",
            json!({ "firewall": { "published_tcp": known(vec![ports(8080, 8080)]) } }),
            "",
            warned.clone(),
        ),
        (
            "firewall-inbound",
            json!({ "firewall": { "open_udp": unreadable() } }),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "firewall-inbound",
            json!({ "firewall": { "published_tcp": unreadable() } }),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "firewall-inbound",
            json!({ "firewall": { "open_tcp": unsupported(), "open_tcp_count": unsupported() } }),
            "",
            (GOOD, "ok", configuration(2), None),
        ),
        ("lock-idle", sourced(known("session")), "", (GOOD, "ok", configuration(2), None)),
        ("lock-idle", sourced(known("enforced")), enforced, (GOOD, "ok", configuration(2), None)),
        ("lock-idle", sourced(known("session")), enforced, (WARN, "not-enforced", configuration(32), None)),
        ("lock-idle", sourced(unreadable()), enforced, (WARN, "not-enforced", configuration(32), None)),
        (
            "lock-idle",
            json!({ "lock": { "automatic": known(false), "source": known("session") } }),
            enforced,
            (BAD, "off", configuration(96), None),
        ),
        ("lock-idle", lock(known(true), known(600), known(300)), "", (GOOD, "ok", configuration(2), None)),
        ("lock-idle", lock(known(true), known(900), unsupported()), "", (GOOD, "ok", configuration(2), None)),
        (
            "lock-idle",
            lock(known(true), known(600), known(301)),
            "",
            (WARN, "too-long", configuration(32), None),
        ),
        (
            "lock-idle",
            lock(known(true), known(901), unreadable()),
            "",
            (WARN, "too-long", configuration(32), None),
        ),
        (
            "lock-idle",
            lock(known(true), known(301), known(0)),
            shorter,
            (WARN, "too-long", configuration(32), None),
        ),
        (
            "lock-idle",
            lock(known(true), known(300), unreadable()),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "lock-idle",
            lock(known(true), unreadable(), known(0)),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "lock-idle",
            lock(unreadable(), known(300), known(0)),
            "",
            (WARN, "unreadable", configuration(36), None),
        ),
        (
            "lock-idle",
            lock(unsupported(), known(300), known(0)),
            "",
            (WARN, "unsupported", configuration(36), None),
        ),
        (
            "lock-idle",
            lock(known(false), unreadable(), unreadable()),
            "",
            (BAD, "off", configuration(96), None),
        ),
        ("agent-version", version(known("0.2.0")), "", (GOOD, "ok", configuration(2), None)),
        ("agent-version", version(known("0.10.0-rc.1")), newer, (GOOD, "ok", configuration(2), None)),
        ("agent-version", version(known("0.9.12")), newer, (WARN, "outdated", configuration(32), None)),
        ("agent-version", version(known("nightly")), "", (WARN, "unreadable", configuration(36), None)),
        ("agent-version", version(unreadable()), "", (WARN, "unreadable", configuration(36), None)),
        ("agent-version", version(unsupported()), "", (WARN, "unsupported", configuration(36), None)),
    ]);
}

#[test]
fn boot() {
    let boot = |secure: Value| json!({ "boot": { "secure_boot": secure } });
    let quoted =
        |secure_boot| BootAttestation { quoted: true, log: EventLogResult::Replayed { secure_boot } };
    let no_log = BootAttestation { quoted: true, log: EventLogResult::None };
    // A log that no quote confirms proves nothing.
    let log_alone = BootAttestation { quoted: false, ..quoted(Some(false)) };
    let proven = json!({ "configuration": 2, "executables": 3 });
    let contradicted = json!({ "configuration": 96, "executables": 3 });
    let measured = |measured: Value| json!({ "boot": { "measured_boot": measured } });
    let setup = json!({ "boot": { "setup_mode": known(true) } });
    let rows = [
        ("boot-secure", boot(known(true)), quoted(Some(true)), (GOOD, "ok", proven.clone(), None)),
        ("boot-secure", boot(unreadable()), quoted(Some(true)), (GOOD, "ok", proven.clone(), None)),
        // The device's own variable and log disagree.
        (
            "boot-secure",
            boot(json!({ "unreadable": "malformed" })),
            quoted(Some(true)),
            (WARN, "unreadable", json!({ "configuration": 36, "executables": 3 }), None),
        ),
        (
            "boot-secure",
            boot(json!({ "unreadable": "malformed" })),
            quoted(Some(false)),
            (BAD, "off", configuration(96), None),
        ),
        (
            "boot-secure",
            boot(known(false)),
            quoted(Some(true)),
            (BAD, "contradiction", contradicted.clone(), None),
        ),
        (
            "boot-secure",
            boot(known(true)),
            quoted(Some(false)),
            (BAD, "contradiction", configuration(96), None),
        ),
        ("boot-secure", boot(known(false)), quoted(Some(false)), (BAD, "off", configuration(96), None)),
        ("boot-secure", boot(unsupported()), quoted(Some(false)), (BAD, "off", configuration(96), None)),
        ("boot-secure", boot(known(true)), quoted(None), (GOOD, "ok", configuration(2), None)),
        ("boot-secure", boot(known(true)), no_log, (GOOD, "ok", configuration(36), None)),
        ("boot-secure", boot(known(false)), no_log, (BAD, "off", configuration(96), None)),
        ("boot-secure", boot(known(true)), log_alone, (GOOD, "ok", configuration(36), None)),
        ("boot-secure", boot(unreadable()), quoted(None), (WARN, "unreadable", configuration(36), None)),
        ("boot-secure", boot(unsupported()), NOT_QUOTED, (WARN, "unsupported", configuration(36), None)),
        ("boot-secure", setup, quoted(Some(true)), (BAD, "setup-mode", contradicted, None)),
        ("boot-measured", boot(known(true)), quoted(Some(true)), (GOOD, "ok", proven, None)),
        ("boot-measured", boot(known(true)), quoted(None), (GOOD, "ok", configuration(2), None)),
        ("boot-measured", boot(known(true)), no_log, (WARN, "no-log", configuration(36), None)),
        ("boot-measured", measured(known(false)), NOT_QUOTED, (WARN, "missing", configuration(36), None)),
        ("boot-measured", measured(known(true)), NOT_QUOTED, (WARN, "not-quoted", configuration(36), None)),
        ("boot-measured", measured(unreadable()), log_alone, (WARN, "unreadable", configuration(36), None)),
        (
            "boot-measured",
            measured(unsupported()),
            NOT_QUOTED,
            (WARN, "unsupported", configuration(36), None),
        ),
    ];
    for (check, facts, boot, outcome) in rows {
        assert_outcome(check, &facts, "", (TPM, boot), outcome);
    }
}

#[test]
fn report_key() {
    let key = |storage, genuine, simulated| KeyAttestation {
        storage,
        genuine,
        simulated,
        certificate_expired: false,
    };
    let expired = KeyAttestation { certificate_expired: true, ..TPM };
    let strict = "[key-hardware]\naccept_expired_certificates = false";
    let stale = |identity: i8| json!({ "hardware": 2, "instance-identity": identity });
    let software = key(KeyStorage::Software, false, false);
    let accepted = "[key-hardware]\naccept_software_keys = true";
    let unproven = json!({ "instance-identity": -33 });
    let proven = json!({ "hardware": 2, "instance-identity": 2 });
    let rows = [
        (TPM, "", (GOOD, "ok", proven.clone(), None)),
        (key(KeyStorage::SecureEnclave, true, false), "", (GOOD, "ok", proven.clone(), None)),
        (expired, "", (WARN, "certificate-expired", stale(-33), None)),
        (expired, strict, (BAD, "certificate-expired", stale(96), None)),
        (TPM, strict, (GOOD, "ok", proven, None)),
        (software, accepted, (WARN, "software", unproven.clone(), None)),
        (software, "", (BAD, "software", unproven.clone(), None)),
        // Whatever else is said of it.
        (key(KeyStorage::Software, true, false), accepted, (WARN, "software", unproven.clone(), None)),
        (key(KeyStorage::Tpm, true, true), "", (WARN, "simulated", unproven.clone(), None)),
        (key(KeyStorage::Tpm, false, true), "", (WARN, "simulated", unproven, None)),
        (key(KeyStorage::Tpm, false, false), "", (BAD, "unrecognised", json!({ "hardware": 97 }), None)),
    ];
    for (key, thresholds, outcome) in rows {
        // The device says "tpm" in each of them.
        assert_outcome("key-hardware", &json!({}), thresholds, (key, PROVEN), outcome);
    }
}

#[test]
fn a_device_that_says_nothing_is_never_good() {
    let posture = vitalsign_protocol::posture::Posture::default();
    let appraised =
        appraiser().appraise(&Input { posture: &posture, key: TPM, boot: NOT_QUOTED, now: NOW }).unwrap();
    for text in TEXTS.iter().filter(|text| text.check != "key-hardware") {
        let (_, check) = check(&appraised, text.check);
        assert_eq!((check.status, check.reason.as_str()), (WARN, "unreadable"), "{}", text.check);
    }
}
