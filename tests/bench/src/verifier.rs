//! The verifier on one core: signature, nonce, appraisal, verdict, audit, durable, all in.

use crate::device::Device;
use crate::{limit, service};
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vitalsign_e2e::Testbed;
use vitalsign_protocol::evidence::MEDIA_TYPE;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::message::{NonceAnswer, NonceRequest};
use vitalsign_verifier::Verifier;
use vitalsign_verifier::config::Config;

/// The core that everything here is held to.
const CORE: &str = "0";
/// Reports that are under way at a time: what a commit can share.
const AT_A_TIME: usize = 256;

pub(crate) struct Speed {
    /// OpenSSL's verifications, and its pairs of one verification and one signature.
    pub(crate) p256_verifies_per_s: f64,
    pub(crate) p256_pairs_per_s: f64,
    pub(crate) reports_per_s: f64,
    /// Over HTTPS, on connections that are kept.
    pub(crate) https_reports_per_s: f64,
    pub(crate) new_facts_per_s: f64,
    pub(crate) reports_per_s_100k: f64,
}

/// OpenSSL and the verifier in turn, three times, each held to the same core; medians.
pub(crate) fn compare(agent: &Path, verifier: &Path) -> Result<Speed> {
    let mut openssl = Vec::new();
    let mut few = Vec::new();
    let mut https = Vec::new();
    let mut new_facts = Vec::new();
    let mut many = Vec::new();
    for _ in 0..3 {
        openssl.push(limit::p256(CORE)?);
        let (steady, new) = held("1000", "20000")?;
        few.push(steady);
        new_facts.push(new);
        many.push(held("100000", "20000")?.0);
        https.push(over_https(agent, verifier)?);
    }
    Ok(Speed {
        p256_verifies_per_s: middle(openssl.iter().map(|speed| speed.verifies).collect()),
        p256_pairs_per_s: middle(openssl.iter().map(|speed| speed.pairs()).collect()),
        reports_per_s: middle(few),
        https_reports_per_s: middle(https),
        new_facts_per_s: middle(new_facts),
        reports_per_s_100k: middle(many),
    })
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn held(devices: &str, reports: &str) -> Result<(f64, f64)> {
    let out = Command::new("taskset")
        .args(["-c", CORE])
        .arg(std::env::current_exe()?)
        .args(["verifier", devices, reports])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running on one core")?;
    let figures: Value = serde_json::from_slice(&out.stdout).context("the measurement ended early")?;
    let figure =
        |name: &str| figures.get(name).and_then(Value::as_f64).ok_or_else(|| anyhow!("{name} is missing"));
    Ok((figure("steady")?, figure("new_facts")?))
}

/// Measures in this process and prints the figures.
pub(crate) fn measure(devices: u64, reports: usize) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let mut config = Config::for_data(folder.path());
        config.origin = Some("https://verifier.example".parse()?);
        // A device reports in seconds what it otherwise does in a day.
        config.limits.report_burst = u32::MAX;
        let store = config.store();
        let verifier = Arc::new(Verifier::open(config, vitalsign_verifier::clock::now()).await?);
        eprintln!("bench:   {devices} devices");
        let mut fleet = (0..devices).map(Device::new).collect::<Result<Vec<_>>>()?;
        enrol(&store, &fleet).await?;

        // Everybody reports once, as a fleet has before it is steady.
        run(&verifier, &fleet, fleet.len()).await?;
        let steady = run(&verifier, &fleet, reports).await?;
        for (number, device) in fleet.iter_mut().enumerate() {
            device.posture.os.kernel = Fact::Known(format!("6.1.0-{number}-amd64"));
            device.posture.os.kernel_installed = device.posture.os.kernel.clone();
        }
        let new_facts = run(&verifier, &fleet, fleet.len().min(2000)).await?;
        println!("{}", serde_json::json!({ "steady": steady, "new_facts": new_facts }));
        Ok(())
    })
}

/// Reports that are accepted a second. The devices' own work is done before the clock starts, for as many at a time as
/// the nonces live for.
async fn run(verifier: &Arc<Verifier>, fleet: &[Device], reports: usize) -> Result<f64> {
    const CHUNK: usize = 10_000;
    let mut taken = Duration::ZERO;
    for begin in (0..reports).step_by(CHUNK) {
        let mut ready = Vec::with_capacity(CHUNK);
        for at in begin..reports.min(begin + CHUNK) {
            // In an order that no cache likes.
            let device = fleet.get(at * 7919 % fleet.len()).context("no device")?;
            let nonce = verifier.attestation.nonce(&device.key.thumbprint(), now()).map_err(problem)?.nonce;
            ready.push(device.evidence(nonce, now())?);
        }
        taken += accept(verifier, ready).await?;
    }
    Ok(crate::stats::float(u64::try_from(reports)?) / taken.as_secs_f64())
}

/// Measures how long the verifier takes to accept these reports.
async fn accept(verifier: &Arc<Verifier>, ready: Vec<Vec<u8>>) -> Result<Duration> {
    let start = Instant::now();
    let queue = Arc::new(std::sync::Mutex::new(ready.into_iter()));
    let tasks: Vec<_> = (0..AT_A_TIME)
        .map(|_| {
            let (verifier, queue) = (verifier.clone(), queue.clone());
            tokio::spawn(async move {
                loop {
                    let next = queue.lock().map_err(|_| anyhow!("a task failed"))?.next();
                    let Some(evidence) = next else { return Ok::<_, anyhow::Error>(()) };
                    verifier.attestation.report(&evidence, now()).await.map_err(problem)?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(start.elapsed())
}

/// Reports that the verifier as it is shipped accepts over HTTPS in a second of its processor's time, on connections that
/// are kept. Only the verifier's processor time counts, so the devices may use the other processors.
pub(crate) fn over_https(agent: &Path, verifier: &Path) -> Result<f64> {
    const DEVICES: u64 = 1000;
    const CONNECTIONS: usize = 32;
    let mut testbed = Testbed::with_programs(agent, verifier)?;
    testbed.restart_verifier_with("limits.report_burst = 4294967295")?;
    let fleet = (0..DEVICES).map(Device::new).collect::<Result<Vec<_>>>()?;
    let store = testbed.folder().join("data/verifier.db");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(enrol(&store, &fleet))?;
    let connections = (0..CONNECTIONS).map(|_| Connection::to(&testbed)).collect::<Result<Vec<_>>>()?;
    let process = testbed.verifier.as_ref().context("the verifier does not run")?.id();
    let mut taken = 0;
    let mut reports = 0;
    // In the first round, facts and connections are new.
    for round in 0..6 {
        let share = fleet.len().div_ceil(CONNECTIONS);
        let work: Vec<_> = connections.iter().zip(fleet.chunks(share)).collect();
        let ready = in_parallel(&work, |(connection, devices)| connection.prepare(devices))?;
        let begun = service::cpu_nanos(process)?;
        let work: Vec<_> = connections.iter().zip(&ready).collect();
        let sent = in_parallel(&work, |(connection, evidence)| connection.report(evidence))?;
        if round > 0 {
            taken += service::cpu_nanos(process)? - begun;
            reports += sent.iter().sum::<u64>();
        }
    }
    Ok(crate::stats::float(reports) * 1e9 / crate::stats::float(taken))
}

/// Runs one thread for each piece of work.
fn in_parallel<W: Sync, T: Send>(work: &[W], run: impl Fn(&W) -> Result<T> + Sync) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.iter().map(|work| scope.spawn(|| run(work))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread failed"))?).collect()
    })
}

/// A connection that is kept.
struct Connection {
    http: reqwest::blocking::Client,
    url: String,
}

impl Connection {
    fn to(testbed: &Testbed) -> Result<Self> {
        let anchor = reqwest::Certificate::from_pem(&std::fs::read(testbed.anchor())?)?;
        let http = reqwest::blocking::Client::builder().tls_certs_only([anchor]).tcp_nodelay(true).build()?;
        Ok(Self { http, url: testbed.url() })
    }

    fn prepare(&self, devices: &[Device]) -> Result<Vec<Vec<u8>>> {
        let evidence = |device: &Device| {
            let request = NonceRequest { kid: device.key.thumbprint() };
            let answer = self.http.post(format!("{}/v1/nonces", self.url)).json(&request).send()?;
            let answer: NonceAnswer = answer.error_for_status()?.json()?;
            device.evidence(answer.nonce, now())
        };
        devices.iter().map(evidence).collect()
    }

    fn report(&self, evidence: &[Vec<u8>]) -> Result<u64> {
        for evidence in evidence {
            let request = self.http.post(format!("{}/v1/reports", self.url));
            let request = request.header("content-type", MEDIA_TYPE).body(evidence.clone());
            request.send()?.error_for_status()?.bytes()?;
        }
        Ok(u64::try_from(evidence.len())?)
    }
}

/// Inserts devices directly into the store, because only reports are measured.
pub(crate) async fn enrol(store: &Path, fleet: &[Device]) -> Result<()> {
    use sqlx::Connection;
    let url = format!("sqlite://{}", store.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await?;
    let mut transaction = connection.begin().await?;
    for device in fleet {
        let row = sqlx::query(
            "INSERT INTO devices (enrolment, generation, last_seen, status, evidence) VALUES (?1, 0, 0, 'none', x'')",
        );
        let id = row.bind(device.enrolment.as_bytes()).execute(&mut *transaction).await?.last_insert_rowid();
        let row = sqlx::query(
            r#"INSERT INTO identities (device, kid, report_key, genuine, simulated, enrolled_at, standing)
             VALUES (?1, ?2, ?3, 0, 0, 0, '{"checks":{}}')"#,
        );
        let (kid, key) = (device.key.thumbprint(), device.key.point().as_slice());
        row.bind(id).bind(kid.as_bytes()).bind(key).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

pub(crate) fn problem(problem: vitalsign_protocol::problem::Problem) -> anyhow::Error {
    anyhow!("{}: {}", problem.problem_type, problem.detail.unwrap_or_default())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
