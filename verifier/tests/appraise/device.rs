//! A device in good health, and the ways in which another differs from it.

use serde_json::{Value, json};
use vitalsign_protocol::ear::{Check, Tier};
use vitalsign_protocol::posture::{KeyStorage, Posture};
use vitalsign_verifier::appraisal::{
    Appraised, Appraiser, BootAttestation, DEFAULT_POLICY, DEFAULT_THRESHOLDS, EventLogResult, Input,
    KeyAttestation,
};

pub(crate) const DAY: u64 = 86_400;
pub(crate) const NOW: u64 = 20_000 * DAY;

pub(crate) const TPM: KeyAttestation =
    KeyAttestation { storage: KeyStorage::Tpm, genuine: true, simulated: false, certificate_expired: false };
pub(crate) const PROVEN: BootAttestation =
    BootAttestation { quoted: true, log: EventLogResult::Replayed { secure_boot: Some(true) } };
pub(crate) const NOT_QUOTED: BootAttestation = BootAttestation { quoted: false, log: EventLogResult::None };

pub(crate) fn known(value: impl Into<Value>) -> Value {
    json!({ "known": value.into() })
}
pub(crate) fn unreadable() -> Value {
    json!({ "unreadable": "denied" })
}
pub(crate) fn unsupported() -> Value {
    json!("unsupported")
}
pub(crate) fn days_ago(days: u64) -> Value {
    known(NOW - days * DAY)
}

pub(crate) fn volume(role: &str, encrypted: Value, protector: &str) -> Value {
    json!({
        "role": role, "encrypted": encrypted, "method": known("luks2"), "protector": known(protector),
        "suspended": "unsupported",
    })
}

pub(crate) fn ports(first: u16, last: u16) -> Value {
    json!({ "first": first, "last": last })
}

pub(crate) fn product(protecting: Value, mode: &str, signatures_updated: Value) -> Value {
    json!({
        "id": "microsoft-defender", "version": known("101.24"), "running": known(true), "protecting": protecting,
        "mode": known(mode), "signatures_updated": signatures_updated, "tamper_protection": known(true),
    })
}

pub(crate) fn healthy() -> Value {
    json!({
        "os": {
            "name": known("debian"), "version": known("13"), "build": unsupported(), "kernel": known("6.12.57"),
            "kernel_installed": known("6.12.57"), "arch": known("x86_64"), "security_updates": known(0),
            "security_updates_since": unsupported(), "security_updates_held": known(0), "updates_source": known("apt"), "updates_checked": days_ago(0),
            "reboot_required": known(false), "last_update": days_ago(2), "automatic_updates": known(true),
            "support_ends": known(NOW + 900 * DAY),
        },
        "disk": { "volumes": known(vec![
            volume("system", known(true), "tpm"), volume("swap", known(true), "random"),
        ]) },
        "edr": { "products": known(vec![product(known(true), "active", days_ago(1))]) },
        "firewall": { "inbound_blocked": known(true), "engine": known("nftables"), "manager": known("firewalld"),
            "profiles": known(1), "open_tcp": known(vec![ports(22, 22)]), "open_tcp_count": known(1),
            "open_udp": known(vec![ports(546, 546), ports(5353, 5353)]), "open_udp_count": known(2),
            "published_tcp": known(Vec::<Value>::new()), "published_udp": known(Vec::<Value>::new()) },
        "lock": { "automatic": known(true), "idle_seconds": known(300), "grace_seconds": known(0), "source": known("enforced") },
        "boot": { "secure_boot": known(true), "setup_mode": known(false), "lockdown": known("integrity"),
            "measured_boot": known(true), "event_log": known(true), "hypervisor": unsupported(),
            "test_signing": known(false), "integrity_protection": unsupported() },
        "key": { "storage": known("tpm"), "manufacturer": known("IFX "), "firmware": known("7.2.3.1"),
            "model": known("SLB9672") },
        "agent": { "version": known("0.1.0"), "digest": known("00") },
    })
}

/// The healthy device with the facts of `patch`: `{"os": {"security_updates": …}}`.
pub(crate) fn with(patch: &Value) -> Posture {
    let mut device = healthy();
    for (submodule, facts) in patch.as_object().unwrap() {
        for (name, fact) in facts.as_object().unwrap() {
            let known = device[submodule].as_object_mut().unwrap().insert(name.clone(), fact.clone());
            assert!(known.is_some(), "{submodule}.{name} is no fact of the healthy device");
        }
    }
    serde_json::from_value(device).unwrap()
}

pub(crate) fn appraiser() -> Appraiser {
    Appraiser::load(DEFAULT_POLICY, DEFAULT_THRESHOLDS).unwrap()
}

pub(crate) fn appraise(appraiser: &Appraiser, posture: &Posture, now: u64) -> Appraised {
    appraiser.appraise(&Input { posture, key: TPM, boot: PROVEN, now }).unwrap()
}

pub(crate) fn check<'a>(appraised: &'a Appraised, name: &str) -> (&'a str, &'a Check) {
    let all = appraised
        .submods
        .iter()
        .flat_map(|(submodule, it)| it.vitalsign_checks.iter().map(move |check| (submodule.as_str(), check)));
    let mut found: Vec<_> = all.filter(|(_, check)| check.check == name).collect();
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

pub(crate) fn claims(appraised: &Appraised, submodule: &str) -> Value {
    serde_json::to_value(appraised.submods[submodule].ear_trustworthiness_vector).unwrap()
}

pub(crate) const GOOD: Tier = Tier::Affirming;
pub(crate) const WARN: Tier = Tier::Warning;
pub(crate) const BAD: Tier = Tier::Contraindicated;
pub(crate) const NONE: Tier = Tier::None;
