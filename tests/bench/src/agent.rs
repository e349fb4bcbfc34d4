//! The agent's own work: evidence against the bare signature, and reading the posture.

use crate::{device, stats};
use anyhow::Result;
use vitalsign_host::Settings;
use vitalsign_platform_api::{Collector, DeviceKey, KeyError};
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce};
use vitalsign_tpm_client::testing::Swtpm;

pub(crate) struct Sign {
    pub(crate) bare_ms: f64,
    pub(crate) overhead_ms: f64,
}

/// A bare TPM2_Sign, and the whole way from facts to evidence, in turn on the same TPM.
pub(crate) fn sign() -> Result<Sign> {
    const ROUNDS: usize = 500;
    let folder = tempfile::tempdir()?;
    let tpm = Swtpm::start(folder.path());
    let mut key = vitalsign_tpm_client::open(&tpm.spec, &folder.path().join("state"), None)?;
    let kid = key.public().thumbprint();
    let posture = device::posture(1);
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let digest = Digest::of(&round.to_be_bytes());
        bare.push(stats::median_ms(1, || key.sign(&digest).map(|_| ()))?);
        whole.push(stats::median_ms(1, || {
            let claims = Claims {
                issued_at: 1,
                token_id: [0; 16],
                nonces: vec![Nonce([1; 32])],
                enrolment: Some(EnrolmentId([2; 16])),
                uptime: Some(1),
                boot_count: Some(1),
                intended_use: IntendedUse::Report,
                pin_period: None,
                names: None,
                posture: posture.clone(),
                boot: None,
            };
            claims.sign(&kid, |digest| key.sign(digest)).map(|_| ())
        })?);
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let (bare_ms, whole_ms) = (median(bare), median(whole));
    Ok::<_, KeyError>(Sign { bare_ms, overhead_ms: (whole_ms - bare_ms).max(0.0) }).map_err(Into::into)
}

pub(crate) struct Collect {
    pub(crate) cold_ms: f64,
    pub(crate) warm_ms: f64,
}

/// The posture of this machine: first with nothing remembered, then again and again.
pub(crate) fn collect() -> Result<Collect> {
    let folder = tempfile::tempdir()?;
    let settings = Settings { root: "/".into(), state: Some(folder.path().to_owned()), session: None };
    let collector = Collector::default();
    let once = || {
        collector.collect(vitalsign_host::probes(&settings), |_| {});
        Ok::<_, anyhow::Error>(())
    };
    Ok(Collect { cold_ms: stats::median_ms(1, once)?, warm_ms: stats::median_ms(21, once)? })
}
