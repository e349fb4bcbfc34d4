//! Inputs of the examples in docs/protocol.md, shared by the generator and the test. The private keys are
//! published and sign nothing else.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use std::collections::BTreeMap;
use std::error::Error;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::ear::{self, Appraisal, Check, Ear, Tier, Trust, TrustVector, VerifierId};
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce};
use vitalsign_protocol::posture::{
    Agent, Boot, Disk, Edr, EdrMode, EdrProduct, Firewall, Key, KeyStorage, Lock, Lockdown, Os, PortRange,
    Posture, Protector, Volume, VolumeRole,
};

/// The report key's private half: 1, 2, 3, … 32.
pub(crate) const REPORT_KEY: [u8; 32] = counting_from(1);
/// The private half of the key that signs EARs: 33, 34, … 64.
pub(crate) const EAR_KEY: [u8; 32] = counting_from(33);
pub(crate) const NONCE: Nonce = Nonce(counting_from(65));
/// `R` of the step-up example.
pub(crate) const RANDOM: Nonce = Nonce(counting_from(97));
pub(crate) const TRANSACTION: &str = concat!(
    r#"{"step_up":"WVlZWVlZWVlZWVlZWVlZWQ","application":"EHR","user":"nurse-7","#,
    r#""message":"EHR: sign order 4711","acr":"urn:vitalsign:acr:hardware-key"}"#
);

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

const fn counting_from(first: u8) -> [u8; 32] {
    let mut bytes = [first; 32];
    let (mut rest, mut next): (&mut [u8], u8) = (&mut bytes, first);
    while let [byte, after @ ..] = rest {
        *byte = next;
        next += 1;
        rest = after;
    }
    bytes
}

/// Both halves of a key, from its private half.
pub(crate) fn key(private: &[u8]) -> Result<(EcdsaKeyPair, PublicKey), Box<dyn Error>> {
    let public = PrivateKey::from_private_key(&ECDH_P256, private)?.compute_public_key()?;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        private,
        public.as_ref(),
    )?;
    Ok((pair, PublicKey::from_point(public.as_ref())?))
}

/// The claims of the report.
pub(crate) fn claims() -> Claims {
    Claims {
        issued_at: NOW,
        token_id: [0xc7; 16],
        nonces: vec![NONCE],
        enrolment: Some(EnrolmentId([0xe1; 16])),
        uptime: Some(86_520),
        boot_count: Some(42),
        intended_use: IntendedUse::Report,
        pin_period: None,
        names: None,
        posture: posture(),
        boot: None,
    }
}

fn known(text: &str) -> Fact<String> {
    Fact::Known(text.to_owned())
}

fn posture() -> Posture {
    let root = Volume {
        role: VolumeRole::System,
        encrypted: Fact::Known(true),
        method: known("luks2"),
        protector: Fact::Known(Protector::Tpm),
        suspended: Fact::Known(false),
    };
    let swap = Volume {
        role: VolumeRole::Swap,
        encrypted: Fact::Known(true),
        method: known("memory"),
        protector: Fact::Unsupported,
        suspended: Fact::Unsupported,
    };
    let product = EdrProduct {
        id: "clamav".to_owned(),
        version: known("1.4.3"),
        running: Fact::Known(true),
        protecting: Fact::Known(true),
        mode: Fact::Known(EdrMode::Active),
        signatures_updated: Fact::Known(NOW - DAY),
        tamper_protection: Fact::Unsupported,
    };
    Posture {
        os: Os {
            name: known("debian"),
            version: known("12"),
            build: Fact::Unsupported,
            kernel: known("6.1.0-40-amd64"),
            kernel_installed: known("6.1.0-41-amd64"),
            arch: known("x86_64"),
            security_updates: Fact::Known(2),
            security_updates_since: Fact::Known(NOW - 3 * DAY),
            updates_source: known("apt"),
            updates_checked: Fact::Known(NOW - 3_600),
            reboot_required: Fact::Known(true),
            last_update: Fact::Known(NOW - DAY),
            automatic_updates: Fact::Known(true),
            support_ends: Fact::Unsupported,
            security_updates_held: Fact::Known(1),
        },
        disk: Disk { volumes: Fact::Known(vec![root, swap]) },
        edr: Edr { products: Fact::Known(vec![product]) },
        firewall: Firewall {
            inbound_blocked: Fact::Known(true),
            engine: known("nftables"),
            manager: known("firewalld"),
            profiles: Fact::Known(1),
            open_tcp: Fact::Known(vec![PortRange { first: 22, last: 22 }]),
            open_tcp_count: Fact::Known(1),
            open_udp: Fact::Known(vec![PortRange { first: 5353, last: 5353 }]),
            open_udp_count: Fact::Known(1),
            published_tcp: Fact::Known(Vec::new()),
            published_udp: Fact::Known(Vec::new()),
        },
        lock: Lock {
            automatic: Fact::Unreadable(Reason::NoSession),
            idle_seconds: Fact::Unreadable(Reason::NoSession),
            grace_seconds: Fact::Unreadable(Reason::NoSession),
            source: Fact::Unreadable(Reason::NoSession),
        },
        boot: Boot {
            secure_boot: Fact::Known(true),
            setup_mode: Fact::Known(false),
            lockdown: Fact::Known(Lockdown::Integrity),
            measured_boot: Fact::Known(true),
            event_log: Fact::Known(true),
            hypervisor: Fact::Unsupported,
            test_signing: Fact::Known(false),
            integrity_protection: Fact::Unsupported,
        },
        key: Key {
            storage: Fact::Known(KeyStorage::Tpm),
            manufacturer: known("INTC"),
            firmware: known("600.18.24.0"),
            model: known("Intel"),
        },
        agent: Agent { version: known("0.1.0"), digest: known(&"ab".repeat(32)) },
    }
}

/// The verdict on the report whose bytes are `evidence`.
pub(crate) fn ear(evidence: &[u8]) -> Ear {
    let check = |check: &str, status, reason: &str| Check {
        check: check.to_owned(),
        status,
        reason: reason.to_owned(),
        seen: serde_json::Map::new(),
        since: Some(NOW - 3 * DAY),
        deadline: None,
    };
    let mut updates = check("os-updates", Tier::Warning, "grace");
    updates.deadline = Some(NOW + 12 * DAY);
    updates.seen.insert("waiting".to_owned(), 2.into());
    let os = TrustVector { configuration: Some(Trust(32)), ..TrustVector::default() };
    let disk = TrustVector { storage_opaque: Some(Trust(2)), ..TrustVector::default() };
    let policy = "urn:vitalsign:policy:default";
    let submods = BTreeMap::from([
        (
            "disk".to_owned(),
            Appraisal::new(disk, vec![check("disk-encryption", Tier::Affirming, "ok")], policy),
        ),
        ("os".to_owned(), Appraisal::new(os, vec![updates], policy)),
    ]);
    Ear {
        eat_profile: ear::PROFILE.to_owned(),
        iat: NOW,
        exp: Some(NOW + 900),
        ear_verifier_id: VerifierId { developer: "Vitalsign".to_owned(), build: "0.1.0".to_owned() },
        ear_status: Some(Ear::overall(&submods)),
        eat_nonce: Some(NONCE),
        vitalsign_device: Some(EnrolmentId([0xe1; 16])),
        vitalsign_evidence: Some(Digest::of(evidence)),
        submods,
        ..Ear::default()
    }
}
