//! The event channel: it is there whenever the verifier is, and never where it may not be.

use anyhow::{Result, ensure};
use std::process::Stdio;
use std::time::Duration;
use vitalsign_e2e::{Testbed, wait_for};
use vitalsign_ipc::{AgentState, Stage, StepUp};
use vitalsign_protocol::step_up::StepUpResult;

#[test]
fn device_is_reachable_whenever_its_verifier_runs() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, _) = testbed.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    for _ in 0..2 {
        testbed.verifier = None;
        agent.until("the channel to break", |status| !status.listening)?;
        testbed.start_verifier()?;
        agent.until("the channel to be back", |status| status.listening)?;
    }
    let page = String::from_utf8(agent.run(&["status"])?.stdout)?;
    ensure!(page.contains("the verifier can reach this device at once"), "{page}");
    Ok(())
}

#[test]
fn a_device_that_is_revoked_is_told_and_not_reached() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, _) = testbed.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    let status = agent.until("a verdict", |status| status.enrolment.is_some())?;
    let enrolment = status.enrolment.map(|it| it.to_string()).unwrap_or_default();
    testbed.administer(&["device", "revoke", &enrolment])?;
    agent.until("the channel to be closed", |status| !status.listening)?;
    agent.until("the device to be told", |status| status.standing == AgentState::Revoked)?;
    Ok(())
}

#[test]
fn a_device_that_is_asked_to_report_does_so_at_once() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, status) = testbed.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    let device = status.enrolment.map(|it| it.to_string()).unwrap_or_default();
    // The next heartbeat is minutes away.
    let before = testbed.reports()?;
    testbed.administer(&["device", "check", &device])?;
    wait_for("a report", Duration::from_secs(60), || Ok((testbed.reports()? > before).then_some(())))?;
    ensure!(!testbed.verifier(&["device", "check", "AAAAAAAAAAAAAAAAAAAAAA"]).output()?.status.success());
    Ok(())
}

#[test]
fn a_service_that_was_killed_is_reached_again() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, mut service, _) = testbed.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    service.kill();
    let _service = agent.start_service()?;
    agent.until("the channel of the next service", |status| status.listening)?;
    Ok(())
}

#[test]
fn person_without_security_key_is_not_prompted() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, status) = testbed.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    let device = status.enrolment.map(|it| it.to_string()).unwrap_or_default();
    testbed.administer(&["user", "add", "nurse-7"])?;
    testbed.administer(&["user", "device", "nurse-7", "--add", &device])?;
    let url = testbed.url();
    let request =
        ["step-up", "request", "--url", &url, "--user", "nurse-7", "--message", "EHR: sign order 12"];
    let mut request = testbed.verifier(&[&request[..], &["--json"]].concat());
    let asking = request.stdout(Stdio::piped()).spawn()?;
    let ended = |it: &StepUp| matches!(it.stage, Stage::Ended { .. });
    let status = agent.until("the end to be shown", |status| status.step_ups.iter().any(ended))?;
    let shown: Vec<_> = status.step_ups.into_iter().map(|it| (it.message, it.stage)).collect();
    let reasons = vec!["security-key".to_owned()];
    ensure!(
        shown == [("EHR: sign order 12".to_owned(), Stage::Ended { end: StepUpResult::NoKey, reasons })],
        "{shown:?}"
    );
    let refused = String::from_utf8(asking.wait_with_output()?.stdout)?;
    ensure!(refused.contains(r#""end": "no-key""#), "{refused}");
    agent.until("it to vanish", |status| status.step_ups.is_empty())?;
    let journal = std::fs::read_to_string(agent.state().join("journal"))?;
    ensure!(journal.contains(r#""end":"no-key""#) && !journal.contains("nurse-7"), "{journal}");
    Ok(())
}
