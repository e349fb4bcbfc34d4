//! Signing keys that are replaced, and connections that end while they are idle.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use vitalsign_e2e::{Agent, Testbed, wait_for};
use vitalsign_ipc::{AgentState, Status};

/// The `kid` of the key that signs verdicts now.
fn signing_key(testbed: &Testbed) -> Result<String> {
    let text = testbed.administer(&["signing-key", "list", "--json"])?;
    let keys: serde_json::Value = serde_json::from_str(&text)?;
    let kid = keys.pointer("/keys/0/kid").and_then(serde_json::Value::as_str);
    Ok(kid.context("no key")?.to_owned())
}

/// Announces a key and waits until it signs. `meanwhile` runs between the two.
fn rotate(testbed: &Testbed, meanwhile: impl FnOnce() -> Result<()>) -> Result<String> {
    let before = signing_key(testbed)?;
    testbed.administer(&["signing-key", "rotate", "--in", "3s"])?;
    // The running verifier loads the announcement within two seconds.
    std::thread::sleep(Duration::from_millis(2200));
    meanwhile()?;
    wait_for("the new key", Duration::from_secs(30), || {
        let now = signing_key(testbed)?;
        Ok((now != before).then_some(now))
    })
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
    let kid = rotate(&testbed, || {
        let status = report(&agent)?;
        ensure!(status.standing == AgentState::Reporting, "{:?}", status.standing);
        Ok(())
    })?;
    ensure!(pins(&agent, &kid)?, "the announced key is not pinned");
    let status = report(&agent)?;
    ensure!(status.standing == AgentState::Reporting, "{:?}", status.standing);

    service.kill();
    drop(service);
    for _ in 0..2 {
        rotate(&testbed, || Ok(()))?;
    }
    let kid = signing_key(&testbed)?;
    ensure!(!pins(&agent, &kid)?, "a device that is away cannot know the key");
    let _service = agent.start_service()?;
    agent.until("a report", |status| status.standing == AgentState::Reporting)?;
    ensure!(pins(&agent, &kid)?, "the device has not caught up");

    // Nothing that a compromised key announced is trusted; the device says so, and does not call it offline.
    testbed.administer(&["signing-key", "replace", "--compromised"])?;
    std::thread::sleep(Duration::from_millis(2200));
    let status = report(&agent)?;
    let AgentState::Refused { problem, .. } = &status.standing else {
        anyhow::bail!("{:?}", status.standing);
    };
    ensure!(problem == "urn:vitalsign:state:verifier-key-unknown", "{problem}");
    ensure!(!pins(&agent, &signing_key(&testbed)?)?, "a key that nothing announced was pinned");
    Ok(())
}

#[test]
fn a_report_after_an_idle_time_is_one_request() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    // The verifier closes a connection that is idle for a second.
    testbed.restart_verifier_with("[limits]\nrequest_seconds = 1")?;
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
