//! Signing keys that are replaced, and connections that end while they are idle.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use vitalsign_e2e::{Agent, Proxy, Testbed, wait_for};
use vitalsign_ipc::{AgentState, Status};

/// Time limit for every wait.
const LIMIT: Duration = Duration::from_secs(60);

/// The `kid` of a published key: the first signs verdicts, an announced one comes second.
fn key(testbed: &Testbed, at: usize) -> Result<String> {
    let text = testbed.administer(&["signing-key", "list", "--json"])?;
    let keys: serde_json::Value = serde_json::from_str(&text)?;
    let kid = keys.pointer(&format!("/keys/{at}/kid")).and_then(serde_json::Value::as_str);
    Ok(kid.context("no key")?.to_owned())
}

/// Announces a key, runs `meanwhile` with its name, and waits until it signs.
fn rotate(testbed: &Testbed, after: &str, meanwhile: impl FnOnce(&str) -> Result<()>) -> Result<String> {
    testbed.administer(&["signing-key", "rotate", "--in", after, "--force"])?;
    let kid = key(testbed, 1)?;
    meanwhile(&kid)?;
    wait_for("the new key", LIMIT, || Ok((key(testbed, 0)? == kid).then_some(())))?;
    Ok(kid)
}

fn report(agent: &Agent) -> Result<Status> {
    let output = agent.run(&["report", "--json"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).with_context(|| said)
}

fn pins(agent: &Agent, kid: &str) -> Result<bool> {
    Ok(std::fs::read_to_string(agent.state().join("state.json"))?.contains(kid))
}

#[test]
fn rotated_keys_reach_running_and_absent_devices() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, mut service, _) = testbed.enrolled("device")?;
    rotate(&testbed, "15s", |kid| {
        wait_for("the announcement", LIMIT, || {
            report(&agent)?;
            Ok(pins(&agent, kid)?.then_some(()))
        })?;
        ensure!(key(&testbed, 1)? == kid, "the key signs before the device could know it");
        Ok(())
    })?;
    let status = report(&agent)?;
    ensure!(status.standing == AgentState::Reporting, "{:?}", status.standing);

    service.kill();
    drop(service);
    rotate(&testbed, "1s", |_| Ok(()))?;
    let kid = rotate(&testbed, "1s", |_| Ok(()))?;
    ensure!(!pins(&agent, &kid)?, "a device that is away cannot know the key");
    let _service = agent.start_service()?;
    agent.until("a report", |status| status.standing == AgentState::Reporting)?;
    ensure!(pins(&agent, &kid)?, "the device has not caught up");

    // Nothing that a compromised key announced is trusted; the device says so, and does not call it offline.
    testbed.administer(&["signing-key", "replace", "--compromised"])?;
    let problem = wait_for("a verdict by the new key", LIMIT, || match report(&agent)?.standing {
        AgentState::Reporting => Ok(None),
        AgentState::Refused { problem, .. } => Ok(Some(problem)),
        other => anyhow::bail!("{other:?}"),
    })?;
    ensure!(problem == "urn:vitalsign:state:verifier-key-unknown", "{problem}");
    ensure!(!pins(&agent, &key(&testbed, 0)?)?, "a key that nothing announced was pinned");
    Ok(())
}

#[test]
fn a_report_after_an_idle_time_is_one_request() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    // The verifier closes a connection that is idle for a second.
    testbed.restart_verifier_with("limits.request_seconds = 1")?;
    let (agent, _service, _) = testbed.enrolled("device")?;
    report(&agent)?;
    for idle in [1, 3, 12] {
        std::thread::sleep(Duration::from_secs(idle));
        let status = report(&agent)?;
        ensure!(status.standing == AgentState::Reporting, "after {idle} s: {:?}", status.standing);
        let cost = status.cost.context("a cost")?;
        ensure!((cost.round_trips, cost.hardware_commands) == (1, 1), "after {idle} s: {cost:?}");
    }
    let log = std::fs::read_to_string(testbed.folder().join("device/agent.log"))?;
    ensure!(!log.to_lowercase().contains("offline"), "{log}");
    Ok(())
}

#[test]
fn report_through_proxy_after_keep_alive_is_one() -> Result<()> {
    const KEEP_ALIVE: u64 = 60;
    let testbed = Testbed::with_simulated_tpm()?;
    let proxy = Proxy::start(&testbed, KEEP_ALIVE)?;
    let mut agent = testbed.agent("device")?;
    agent.verifier = proxy.url();
    let (agent, _service, _) = testbed.enrol(agent)?;
    let before = proxy.requests()?.len();
    report(&agent)?;
    std::thread::sleep(Duration::from_secs(KEEP_ALIVE + 2));
    let status = report(&agent)?;
    ensure!(status.standing == AgentState::Reporting, "{:?}", status.standing);
    let requests = proxy.requests()?;
    let since = requests.get(before..).unwrap_or_default();
    ensure!(since == ["POST /v1/reports 200", "POST /v1/reports 200"], "{since:?}");
    Ok(())
}
