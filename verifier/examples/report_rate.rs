//! Measures how many reports a second the verifier accepts, with its audit log: everything but HTTP.
//!
//! ```text
//! taskset -c 0 cargo run --release -p vitalsign-verifier --example report_rate -- [DEVICES] [REPORTS] [IN FLIGHT]
//! ```
//!
//! Evidence is signed beforehand. Pinned to one core, the figure is that of one core.

use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Base64Url, EnrolmentId, Nonce};
use vitalsign_protocol::message::{EnrolmentKeys, EnrolmentProof, EnrolmentRequest};
use vitalsign_protocol::posture::Posture;
use vitalsign_verifier::Verifier;
use vitalsign_verifier::config::Config;

const NOW: u64 = 1_800_000_000;

struct Device {
    pair: EcdsaKeyPair,
    public: PublicKey,
    enrolment: Option<EnrolmentId>,
    posture: Posture,
}

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default)).context("numbers were expected");
    let (devices, reports, in_flight) = (number(100)?, number(20_000)?, number(128)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(devices, reports, in_flight))
}

async fn measure(devices: usize, reports: usize, in_flight: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let thresholds = folder.path().join("thresholds.toml");
    std::fs::write(&thresholds, "[key-hardware]\naccept_software_keys = true\n")?;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { listen, thresholds: Some(thresholds), ..Config::for_data(folder.path()) };
    let verifier = Arc::new(Verifier::open(config, NOW).await?);
    let (_, token) = verifier.store().create_token(u64::MAX, u64::MAX, None, NOW).await?;

    let started = Instant::now();
    let mut fleet = Vec::new();
    for number in 0..devices {
        fleet.push(enrol(&verifier, &token, number).await?);
    }
    eprintln!("{devices} devices enrolled in {:.1} s", started.elapsed().as_secs_f64());
    let mut evidence = Vec::with_capacity(reports);
    for (device, count) in fleet.iter().cycle().zip(0..reports) {
        let nonce =
            verifier.attestation.nonce(&device.public.thumbprint(), NOW).ok().context("a nonce")?.nonce;
        evidence.push(sign(device, nonce, IntendedUse::Report, count)?);
    }
    let bytes = evidence.first().map_or(0, Vec::len);

    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    let mut evidence = evidence.into_iter();
    for one in evidence.by_ref().take(in_flight) {
        let verifier = verifier.clone();
        tasks.spawn(async move { verifier.attestation.report(&one, NOW).await.map(drop) });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome?.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        if let Some(one) = evidence.next() {
            let verifier = verifier.clone();
            tasks.spawn(async move { verifier.attestation.report(&one, NOW).await.map(drop) });
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let micros = seconds * 1e6 / f64::from(u32::try_from(reports)?);
    println!(
        "{reports} reports of {bytes} bytes in {seconds:.2} s: {:.0}/s, {micros:.0} us each",
        1e6 / micros
    );
    Ok(())
}

async fn enrol(verifier: &Verifier, token: &str, number: usize) -> anyhow::Result<Device> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let public = PublicKey::from_point(pair.public_key().as_ref())?;
    let mut posture = Posture::default();
    posture.os.name = Fact::Known("debian".into());
    posture.os.version = Fact::Known("12".into());
    posture.os.kernel = Fact::Known("6.1.0-29-amd64".into());
    // Some machines are alike, as in a fleet.
    posture.os.last_update = Fact::Known(NOW - u64::try_from(number % 64)? * 3600);
    posture.os.security_updates = Fact::Known(0);
    posture.lock.automatic = Fact::Known(true);
    posture.lock.idle_seconds = Fact::Known(300);
    posture.lock.grace_seconds = Fact::Known(0);
    let mut device = Device { pair, public, enrolment: None, posture };
    let report_key = Base64Url(device.public.point().to_vec());
    let request = EnrolmentRequest { token: token.into(), keys: EnrolmentKeys::Software { report_key } };
    let failed = |problem| anyhow::anyhow!("{problem:?}");
    let challenge = verifier.enrolment.begin(&request, NOW).await.map_err(failed)?;
    let evidence = Base64Url(sign(&device, challenge.nonce, IntendedUse::Registration, number)?);
    let proof = EnrolmentProof { secret: None, evidence };
    let enrolled = verifier.enrolment.complete(&challenge.enrolment, &proof, NOW).await.map_err(failed)?;
    device.enrolment = Some(enrolled.enrolment);
    Ok(device)
}

fn sign(device: &Device, nonce: Nonce, intended_use: IntendedUse, count: usize) -> anyhow::Result<Vec<u8>> {
    let claims = Claims {
        issued_at: NOW,
        token_id: u128::try_from(count)?.to_be_bytes(),
        nonces: vec![nonce],
        enrolment: device.enrolment,
        uptime: Some(1000),
        boot_count: None,
        intended_use,
        pin_period: None,
        names: None,
        posture: device.posture.clone(),
        boot: None,
    };
    claims.sign(&device.public.thumbprint(), |digest| {
        let digest =
            aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256)?;
        Ok(device.pair.sign_digest(&digest)?.as_ref().try_into()?)
    })
}
