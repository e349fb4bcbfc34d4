//! Tests which outcomes block which level in the default step-up policy.

use crate::device::TPM;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::posture::KeyStorage;
use vitalsign_protocol::step_up::Acr::{self, Badge, Epcs, HardwareKey, HealthyDevice};
use vitalsign_verifier::appraisal::step_up::{
    DEFAULT_STEP_UP_POLICY, Found, Health, Question, StepUpPolicy, TappedKey, TappedModel,
};
use vitalsign_verifier::appraisal::{DEFAULT_THRESHOLDS, KeyAttestation};

const SIMULATED: KeyAttestation =
    KeyAttestation { storage: KeyStorage::Tpm, genuine: false, simulated: true, certificate_expired: false };
const SOFTWARE: KeyAttestation = KeyAttestation {
    storage: KeyStorage::Software,
    genuine: false,
    simulated: false,
    certificate_expired: false,
};

static POLICY: LazyLock<StepUpPolicy> =
    LazyLock::new(|| StepUpPolicy::load(DEFAULT_STEP_UP_POLICY, DEFAULT_THRESHOLDS).unwrap());

/// Name, status and reason of a check.
type Check<'a> = (&'a str, Tier, &'a str);

fn health(checks: &[Check<'_>]) -> Health {
    let found = |(name, status, reason): &Check<'_>| {
        ((*name).to_owned(), Found { status: *status, reason: (*reason).to_owned() })
    };
    let status = checks.iter().map(|(_, status, _)| *status).max().unwrap_or_default();
    Health { status, checks: checks.iter().map(found).collect() }
}

fn good_key() -> TappedKey {
    TappedKey {
        aaguid: "5f5f5f5f-5f5f-5f5f-5f5f-5f5f5f5f5f5f".into(),
        user_verified: true,
        backup_eligible: false,
        model: TappedModel::Accepted,
        hardware: true,
        roaming: true,
    }
}

fn refused(acr: Acr, device: &Health, key: KeyAttestation, security_key: Option<&TappedKey>) -> Vec<String> {
    POLICY.refused(&Question { acr, device, key, security_key, now: 0 }).unwrap()
}

#[test]
fn failed_checks_block_levels_worst_first() {
    use Tier::{Affirming, Contraindicated, Warning};
    let good = ("os-updates", Affirming, "ok");
    let cases: &[(&[Check<'_>], &[&str])] = &[
        (&[good], &[]),
        (&[good, ("os-reboot", Warning, "grace")], &[]),
        (&[good, ("key-hardware", Warning, "certificate-expired")], &[]),
        (&[good, ("key-hardware", Contraindicated, "certificate-expired")], &["key-hardware"]),
        (&[good, ("edr-signatures", Tier::None, "unsupported")], &[]),
        (&[good, ("os-reboot", Warning, "required")], &["os-reboot"]),
        (&[good, ("os-reboot", Warning, "grace"), ("lock-idle", Warning, "too-long")], &["lock-idle"]),
        (
            &[good, ("agent-version", Warning, "outdated"), ("lock-idle", Contraindicated, "off")],
            &["lock-idle", "agent-version"],
        ),
        (&[], &["health"]),
    ];
    for (checks, expected) in cases {
        let device = health(checks);
        for acr in [HealthyDevice, Epcs] {
            assert_eq!(refused(acr, &device, TPM, None), *expected, "{checks:?}, {acr:?}");
        }
        assert_eq!(refused(HardwareKey, &device, TPM, None), Vec::<String>::new(), "{checks:?}");
    }
    // A status that is worse than every check is not passed over.
    for status in [Tier::None, Warning, Contraindicated] {
        let device = Health { status, ..health(&[good]) };
        assert_eq!(refused(HealthyDevice, &device, TPM, None), ["health"], "{status}");
    }
}

#[test]
fn the_device_s_own_key_blocks_by_level() {
    let device = health(&[("os-updates", Tier::Affirming, "ok")]);
    for (key, blocked) in
        [(TPM, &[][..]), (SIMULATED, &[Epcs]), (SOFTWARE, &[Badge, HardwareKey, HealthyDevice, Epcs])]
    {
        for acr in Acr::ALL {
            let expected: &[&str] = if blocked.contains(&acr) { &["key-hardware"] } else { &[] };
            assert_eq!(refused(acr, &device, key, None), expected, "{key:?}, {acr:?}");
        }
    }
}

#[test]
fn a_security_key_blocks_by_level() {
    type Case = (fn(&mut TappedKey), &'static [&'static str], &'static [&'static str]);
    let cases: &[Case] = &[
        (|_| {}, &[], &[]),
        (
            |key| key.user_verified = false,
            &["security-key-user-verification"],
            &["security-key-user-verification"],
        ),
        (|key| key.backup_eligible = true, &[], &["security-key-backup"]),
        (|key| key.roaming = false, &[], &["security-key-separate"]),
        (|key| key.hardware = false, &[], &["security-key-separate"]),
        (|key| key.model = TappedModel::ListExpired, &[], &["security-key-model"]),
        (|key| key.model = TappedModel::Unknown, &["security-key-model"], &["security-key-model"]),
        (|key| key.model = TappedModel::Withdrawn, &["security-key-model"], &["security-key-model"]),
    ];
    let device = health(&[("os-updates", Tier::Affirming, "ok")]);
    for (change, lower, epcs) in cases {
        let mut key = good_key();
        change(&mut key);
        assert_eq!(refused(Badge, &device, TPM, Some(&key)), *lower, "{key:?}");
        assert_eq!(refused(HardwareKey, &device, TPM, Some(&key)), *lower, "{key:?}");
        assert_eq!(refused(HealthyDevice, &device, TPM, Some(&key)), *lower, "{key:?}");
        assert_eq!(refused(Epcs, &device, TPM, Some(&key)), *epcs, "{key:?}");
    }
}

#[test]
fn pin_is_required_where_healthy_device_is_refused() {
    use Tier::{Affirming, Contraindicated, Warning};
    let good = ("os-updates", Affirming, "ok");
    let cases: &[&[Check<'_>]] = &[
        &[good],
        &[good, ("os-reboot", Warning, "grace")],
        &[good, ("os-reboot", Warning, "required")],
        &[good, ("key-hardware", Contraindicated, "simulated")],
        &[],
    ];
    for checks in cases {
        let device = health(checks);
        let question = Question { acr: Badge, device: &device, key: TPM, security_key: None, now: 0 };
        let required = POLICY.pin_required(&question).unwrap();
        assert_eq!(required, refused(HealthyDevice, &device, TPM, None), "{checks:?}");
    }
    let older = "package vitalsign.step_up\nimport rego.v1\nrefused contains \"no\" if input.acr\n";
    let older = StepUpPolicy::load(older, DEFAULT_THRESHOLDS).unwrap();
    let device = health(&[good]);
    let question = Question { acr: Badge, device: &device, key: TPM, security_key: None, now: 0 };
    assert_eq!(older.pin_required(&question).unwrap(), ["policy"]);
}

#[test]
fn level_includes_requirements_of_lower_levels() {
    let rego = r#"package vitalsign.step_up
import rego.v1
refused contains "low" if input.acr == "urn:vitalsign:acr:hardware-key"
"#;
    let policy = StepUpPolicy::load(rego, DEFAULT_THRESHOLDS).unwrap();
    let device = Health { status: Tier::None, checks: BTreeMap::new() };
    for acr in Acr::ALL {
        let question = Question { acr, device: &device, key: TPM, security_key: None, now: 0 };
        assert_eq!(policy.refused(&question).unwrap(), ["low"], "{acr:?}");
    }
}

#[test]
fn the_policy_id_follows_every_byte() {
    let again = StepUpPolicy::load(DEFAULT_STEP_UP_POLICY, DEFAULT_THRESHOLDS).unwrap();
    let other = StepUpPolicy::load(&format!("{DEFAULT_STEP_UP_POLICY}\n"), DEFAULT_THRESHOLDS).unwrap();
    assert_eq!(POLICY.policy_id(), again.policy_id());
    assert_ne!(POLICY.policy_id(), other.policy_id());
}
