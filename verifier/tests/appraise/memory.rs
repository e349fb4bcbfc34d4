//! That an answer is used again changes no answer.

use crate::device::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use vitalsign_protocol::ear::{Check, TrustVector};
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{
    EdrMode, EdrProduct, KeyStorage, LockSource, PortRange, Posture, Protector, Volume, VolumeRole,
};
use vitalsign_verifier::appraisal::{
    Appraised, Appraiser, BootAttestation, DEFAULT_POLICY, DEFAULT_THRESHOLDS, EventLogResult, Input,
    KeyAttestation,
};

/// A small generator with a seed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    /// Next SplitMix64 value.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        let at = usize::try_from(self.roll() % u64::try_from(choices.len()).unwrap()).unwrap();
        choices[at].clone()
    }
    fn fact<T: Clone>(&mut self, choices: &[T]) -> Fact<T> {
        match self.roll() % 8 {
            0 => Fact::Unsupported,
            1 => Fact::Unreadable(self.of(&[
                Reason::Denied,
                Reason::TimedOut,
                Reason::NoSession,
                Reason::NotRead,
            ])),
            _ => Fact::Known(self.of(choices)),
        }
    }
    fn text(&mut self) -> Fact<String> {
        let texts = [
            "",
            "0.1.0",
            "6.12.57",
            "1.2.3.4",
            "-",
            "\u{0}\"\\\u{1f980}",
            "debian",
            "999999999999999999999.0.0",
        ];
        self.fact(&texts.map(str::to_owned))
    }
    fn time(&mut self) -> Fact<u64> {
        let jitter = self.roll() % 3;
        let days: Vec<u64> =
            [0, 1, 6, 7, 8, 14, 15, 16, 89, 90, 91].iter().map(|days| NOW - days * DAY + jitter).collect();
        match self.roll() % 10 {
            0 => self.fact(&[0, 1, u64::MAX, u64::MAX - DAY, 1 << 63, (1 << 53) + 1]),
            1 => self.fact(&[NOW + DAY - 1, NOW + DAY, NOW + DAY + 1, NOW + 90 * DAY, NOW + 91 * DAY]),
            _ => self.fact(&days),
        }
    }
    fn posture(&mut self) -> Posture {
        let mut posture = Posture::default();
        let os = &mut posture.os;
        (os.name, os.version, os.build) = (self.text(), self.text(), self.text());
        (os.kernel, os.kernel_installed) = (self.text(), self.text());
        os.security_updates = self.fact(&[0, 0, 0, 1, u64::MAX]);
        (os.security_updates_since, os.updates_checked) = (self.time(), self.time());
        os.security_updates_held = self.fact(&[0, 1]);
        os.reboot_required = self.fact(&[true, false]);
        (os.last_update, os.support_ends) = (self.time(), self.time());
        let volumes: Vec<Volume> = (0..self.roll() % 4).map(|_| self.volume()).collect();
        posture.disk.volumes = self.fact(&[volumes]);
        let products: Vec<EdrProduct> = (0..self.roll() % 4).map(|_| self.product()).collect();
        posture.edr.products = self.fact(&[products]);
        posture.firewall.inbound_blocked = self.fact(&[true, false]);
        let (first, last) = (self.of(&[0, 22, 5900, u64::MAX]), self.of(&[0, 22, 65_535, u64::MAX]));
        let ranges = [Vec::new(), vec![PortRange { first: 22, last: 22 }], vec![PortRange { first, last }]];
        let firewall = &mut posture.firewall;
        (firewall.open_tcp, firewall.open_udp) = (self.fact(&ranges), self.fact(&ranges));
        (firewall.open_tcp_count, firewall.open_udp_count) =
            (self.fact(&[0, 1, u64::MAX]), self.fact(&[0, 1, u64::MAX]));
        (firewall.published_tcp, firewall.published_udp) = (self.fact(&ranges), self.fact(&ranges));
        let lock = &mut posture.lock;
        lock.automatic = self.fact(&[true, true, false]);
        (lock.idle_seconds, lock.grace_seconds) =
            (self.fact(&[0, 300, 900, u64::MAX]), self.fact(&[0, 1, u64::MAX]));
        lock.source = self.fact(&[LockSource::Enforced, LockSource::Session]);
        let boot = &mut posture.boot;
        (boot.secure_boot, boot.setup_mode) = (self.fact(&[true, false]), self.fact(&[true, false]));
        (boot.measured_boot, boot.event_log) = (self.fact(&[true, false]), self.fact(&[true, false]));
        posture.agent.version = self.text();
        posture
    }
    fn volume(&mut self) -> Volume {
        Volume {
            role: self.of(&[VolumeRole::System, VolumeRole::Data, VolumeRole::Swap]),
            encrypted: self.fact(&[true, true, false]),
            method: self.text(),
            protector: self.fact(&[Protector::Tpm, Protector::Password, Protector::Clear, Protector::Random]),
            suspended: self.fact(&[false, false, true]),
        }
    }
    fn product(&mut self) -> EdrProduct {
        EdrProduct {
            id: self.of(&["clamav", "wazuh", "clamav", ""]).to_owned(),
            version: self.text(),
            running: self.fact(&[true, true, false]),
            protecting: self.fact(&[true, true, false]),
            mode: self.fact(&[
                EdrMode::Active,
                EdrMode::Passive,
                EdrMode::Reduced,
                EdrMode::Snoozed,
                EdrMode::Disconnected,
                EdrMode::Unlicensed,
            ]),
            signatures_updated: self.time(),
            tamper_protection: self.fact(&[true]),
        }
    }
    fn key(&mut self) -> KeyAttestation {
        let storage = self.of(&[KeyStorage::Tpm, KeyStorage::Software, KeyStorage::StrongBox]);
        KeyAttestation {
            storage,
            genuine: self.of(&[true, false]),
            simulated: self.of(&[true, false]),
            certificate_expired: self.of(&[true, false]),
        }
    }
    fn boot(&mut self) -> BootAttestation {
        let secure_boot = self.of(&[None, Some(true), Some(false)]);
        let log = self.of(&[EventLogResult::None, EventLogResult::Replayed { secure_boot }]);
        BootAttestation { quoted: self.of(&[true, false]), log }
    }
}

/// A policy whose checks are always evaluated together, because its import gives a part of the input another name.
fn together() -> Appraiser {
    let policy = DEFAULT_POLICY
        .replace("import data.thresholds", "import data.thresholds\nimport input.key as unused");
    assert_ne!(policy, DEFAULT_POLICY);
    Appraiser::load(&policy, DEFAULT_THRESHOLDS).unwrap()
}

/// Returns the findings, without the ID of the policy.
fn found(appraised: &Appraised) -> Vec<(&String, Option<TrustVector>, &Vec<Check>)> {
    let submods = appraised.submods.iter();
    submods.map(|(name, it)| (name, it.ear_trustworthiness_vector, &it.vitalsign_checks)).collect()
}

/// A fresh answer is had by a fact that no check looks at and that is never the same twice.
#[test]
fn cached_appraisal_equals_fresh_one_at_boundaries() {
    let (appraiser, together) = (appraiser(), together());
    let mut dice = Dice(0x5eed);
    let (mut remembered, mut changed, mut serial) = (0, 0, 0);
    for device in 0..40 {
        let (mut posture, key, boot) = (dice.posture(), dice.key(), dice.boot());
        let mut now = NOW - 1800;
        for _ in 0..5 {
            let ask =
                |posture: &Posture, now| appraiser.appraise(&Input { posture, key, boot, now }).unwrap();
            let first = ask(&posture, now);
            let next = first.valid_until;
            assert!(next > now && next <= now + 3600, "device {device}");
            for at in [now + 1, next - 1, next] {
                let answer = ask(&posture, at);
                serial += 1;
                let digest = posture.agent.digest.clone();
                posture.agent.digest = Fact::Known(serial.to_string());
                let fresh = together.appraise(&Input { posture: &posture, key, boot, now: at }).unwrap();
                posture.agent.digest = digest;
                assert_eq!(found(&answer), found(&fresh), "device {device} at {at}");
                assert_eq!(answer.status, fresh.status);
                // The cached answer may be asked for again earlier, and never later.
                assert!(answer.valid_until <= fresh.valid_until, "device {device} at {at}");
                if at < next {
                    assert_eq!(answer.submods, first.submods, "device {device} at {at}: valid until {next}");
                    remembered += 1;
                } else {
                    changed += u32::from(answer.submods != first.submods);
                }
            }
            // The facts' times are whole days and a few seconds, and so are the boundaries.
            now = (next / DAY + dice.of(&[1, 1, 2, 5, 8])) * DAY - 1800;
        }
    }
    assert!(remembered > 300, "{remembered}");
    assert!(changed >= 10, "{changed}");
}

/// Each fact changes alone, so that a check that reads it and whose result is cached without it would be wrong.
#[test]
fn every_fact_that_a_check_reads_is_in_its_key() {
    let (appraiser, together) = (appraiser(), together());
    let mut dice = Dice(0xfac7);
    let mut changed = 0;
    for device in 0..6 {
        let (mut posture, mut key, mut boot) = (dice.posture(), dice.key(), dice.boot());
        let names: Vec<_> =
            serde_json::to_value(&posture).unwrap().as_object().unwrap().keys().cloned().collect();
        for round in 0..3 {
            for submodule in &names {
                let facts = serde_json::to_value(dice.posture()).unwrap()[submodule].clone();
                for (name, fact) in facts.as_object().unwrap() {
                    let mut all = serde_json::to_value(&posture).unwrap();
                    all[submodule][name] = fact.clone();
                    let next: Posture = serde_json::from_value(all).unwrap();
                    changed += u32::from(next != posture);
                    posture = next;
                    let input = Input { posture: &posture, key, boot, now: NOW };
                    let (answer, fresh) =
                        (appraiser.appraise(&input).unwrap(), together.appraise(&input).unwrap());
                    assert_eq!(
                        found(&answer),
                        found(&fresh),
                        "device {device}, round {round}: {submodule}.{name}"
                    );
                }
            }
            (key, boot) = (dice.key(), dice.boot());
        }
    }
    assert!(changed > 200, "{changed}");
}

#[test]
fn random_facts_get_a_status_and_unknown_is_not_good() {
    let appraiser = appraiser();
    let mut dice = Dice(42);
    for round in 0..400 {
        let posture = dice.posture();
        let (key, boot) = (dice.key(), dice.boot());
        let appraised = appraiser.appraise(&Input { posture: &posture, key, boot, now: NOW }).unwrap();
        let good = |name: &str| check(&appraised, name).1.status == GOOD;
        let p = &posture;
        let unproven = !matches!(
            boot,
            BootAttestation { quoted: true, log: EventLogResult::Replayed { secure_boot: Some(_) } }
        );
        let not_known = [
            ("os-updates", p.os.security_updates.known().is_none() || p.os.updates_checked.known().is_none()),
            ("os-reboot", p.os.reboot_required.known().is_none()),
            ("os-support", p.os.support_ends.known().is_none()),
            (
                "disk-encryption",
                p.disk.volumes.known().is_none_or(|all| all.iter().any(|v| v.encrypted.known().is_none())),
            ),
            (
                "edr-protecting",
                p.edr.products.known().is_none_or(|all| all.iter().all(|it| it.protecting.known().is_none())),
            ),
            (
                "edr-signatures",
                p.edr
                    .products
                    .known()
                    .is_none_or(|all| all.iter().all(|it| it.signatures_updated.known().is_none())),
            ),
            ("firewall-inbound", p.firewall.inbound_blocked.known().is_none()),
            ("firewall-inbound", matches!(p.firewall.open_tcp, Fact::Unreadable(_))),
            ("firewall-inbound", matches!(p.firewall.published_udp, Fact::Unreadable(_))),
            ("lock-idle", p.lock.automatic.known().is_none() || p.lock.idle_seconds.known().is_none()),
            ("boot-secure", p.boot.secure_boot.known().is_none() && unproven),
            ("boot-measured", !boot.quoted),
            ("key-hardware", key.storage == KeyStorage::Software || key.simulated || !key.genuine),
            ("agent-version", p.agent.version.known().is_none()),
        ];
        for (name, not_known) in not_known {
            assert!(
                !(not_known && good(name)),
                "round {round}: {name} is good although unknown: {posture:?}"
            );
        }
        for appraisal in appraised.submods.values() {
            let worst = appraisal.vitalsign_checks.iter().map(|check| check.status).max().unwrap();
            assert!(
                appraisal.ear_status >= worst && appraised.status >= appraisal.ear_status,
                "round {round}"
            );
        }
    }
}

#[test]
fn many_threads_get_the_same_answers() {
    let appraiser = appraiser();
    let mut dice = Dice(7);
    let devices: Vec<Posture> = (0..12).map(|_| dice.posture()).collect();
    let expected: Vec<_> =
        devices.iter().map(|posture| appraise(&crate::device::appraiser(), posture, NOW)).collect();
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (appraiser, devices, expected, asked) = (&appraiser, &devices, &expected, &asked);
            scope.spawn(move || {
                for round in 0..40 {
                    let at = (round * 5 + thread * 3) % devices.len();
                    assert_eq!(appraise(appraiser, &devices[at], NOW), expected[at]);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(asked.into_inner(), 160);
}

#[test]
fn a_clock_that_goes_back_is_judged_by_the_clock() {
    let appraiser = appraiser();
    let facts: Value =
        json!({ "os": { "security_updates": known(1), "security_updates_since": days_ago(15) } });
    let posture = with(&facts);
    let reason = |now| check(&appraise(&appraiser, &posture, now), "os-updates").1.reason.clone();
    assert_eq!(reason(NOW), "overdue");
    assert_eq!(reason(NOW - 1), "grace");
    assert_eq!(reason(NOW), "overdue");
}
