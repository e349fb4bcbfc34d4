//! A device that exists for the bench only: a key in memory, and facts as a hospital's machine has them.

use anyhow::{Result, anyhow};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{EnrolmentId, Nonce};
use vitalsign_protocol::posture::{
    Agent, Boot, Disk, Edr, EdrMode, EdrProduct, Firewall, Key, KeyStorage, Lock, LockSource, Lockdown, Os,
    PortRange, Posture, Protector, Volume, VolumeRole,
};

pub(crate) struct Device {
    pair: EcdsaKeyPair,
    pub(crate) key: PublicKey,
    pub(crate) enrolment: EnrolmentId,
    pub(crate) posture: Posture,
}

impl Device {
    pub(crate) fn new(number: u64) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let key = PublicKey::from_point(pair.public_key().as_ref())?;
        let mut enrolment = [0; 16];
        getrandom::fill(&mut enrolment).map_err(|error| anyhow!("{error}"))?;
        Ok(Self { pair, key, enrolment: EnrolmentId(enrolment), posture: posture(number) })
    }

    pub(crate) fn evidence(&self, nonce: Nonce, now: u64) -> Result<Vec<u8>> {
        let mut token_id = [0; 16];
        getrandom::fill(&mut token_id).map_err(|error| anyhow!("{error}"))?;
        let claims = Claims {
            issued_at: now,
            token_id,
            nonces: vec![nonce],
            enrolment: Some(self.enrolment),
            uptime: Some(86_400),
            boot_count: Some(12),
            intended_use: IntendedUse::Report,
            pin_period: None,
            names: None,
            posture: self.posture.clone(),
            boot: None,
        };
        claims.sign(&self.key.thumbprint(), |digest| {
            let digest =
                aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256)?;
            let signature = self.pair.sign_digest(&digest)?;
            Ok(signature.as_ref().try_into()?)
        })
    }
}

/// A healthy machine; `number` makes each one's facts its own.
pub(crate) fn posture(number: u64) -> Posture {
    const NOW: u64 = 1_790_000_000;
    let known = |text: &str| Fact::Known(text.to_owned());
    let volume = |role| Volume {
        role,
        encrypted: Fact::Known(true),
        method: known("luks2"),
        protector: Fact::Known(Protector::Tpm),
        suspended: Fact::Known(false),
    };
    Posture {
        os: Os {
            name: known("debian"),
            version: known("12"),
            build: Fact::Unsupported,
            kernel: known("6.1.0-40-amd64"),
            kernel_installed: known("6.1.0-40-amd64"),
            arch: known("x86_64"),
            security_updates: Fact::Known(0),
            security_updates_since: Fact::Unsupported,
            security_updates_held: Fact::Known(0),
            updates_source: known("apt"),
            updates_checked: Fact::Known(NOW - number % 40_000),
            reboot_required: Fact::Known(false),
            last_update: Fact::Known(NOW - 100_000 - number),
            automatic_updates: Fact::Known(true),
            support_ends: Fact::Unsupported,
        },
        disk: Disk {
            volumes: Fact::Known(vec![
                volume(VolumeRole::System),
                volume(VolumeRole::Data),
                volume(VolumeRole::Swap),
            ]),
        },
        edr: Edr {
            products: Fact::Known(vec![EdrProduct {
                id: "microsoft-defender".into(),
                version: known("101.25062.0003"),
                running: Fact::Known(true),
                protecting: Fact::Known(true),
                mode: Fact::Known(EdrMode::Active),
                signatures_updated: Fact::Known(NOW - 3600),
                tamper_protection: Fact::Known(true),
            }]),
        },
        firewall: Firewall {
            inbound_blocked: Fact::Known(true),
            engine: known("nftables"),
            manager: known("firewalld"),
            profiles: Fact::Known(2),
            open_tcp: Fact::Known(vec![PortRange { first: 22, last: 22 }]),
            open_tcp_count: Fact::Known(1),
            open_udp: Fact::Known(vec![PortRange { first: 5353, last: 5353 }]),
            open_udp_count: Fact::Known(1),
            published_tcp: Fact::Known(Vec::new()),
            published_udp: Fact::Known(Vec::new()),
        },
        lock: Lock {
            automatic: Fact::Known(true),
            idle_seconds: Fact::Known(300),
            grace_seconds: Fact::Known(0),
            source: Fact::Known(LockSource::Enforced),
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
            firmware: known("600.18.0.0"),
            model: known("Intel"),
        },
        agent: Agent { version: known("0.1.0"), digest: Fact::Known("0".repeat(64)) },
    }
}
