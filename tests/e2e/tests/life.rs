//! A device's life with real processes: enrolled, judged, asked again, revoked.

use anyhow::{Context, Result, ensure};
use std::process::Output;
use vitalsign_e2e::{Agent, Testbed};
use vitalsign_ipc::{AgentState, Status};

fn out(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_device_enrols_reports_and_is_judged() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, first) = testbed.enrolled("device")?;
    let verdict = first.ear.as_ref().context("a verdict")?;
    ensure!(verdict.vitalsign_device == first.enrolment, "{verdict:?}");
    ensure!(verdict.checks().any(|(_, check)| check.check == "disk-encryption"), "{verdict:?}");

    // The first report after enrolment may carry a quote; from then on it costs one of each.
    agent.run(&["report", "--json"])?;
    let output = agent.run(&["report", "--json"])?;
    let status: Status = serde_json::from_slice(&output.stdout).with_context(|| out(&output))?;
    let cost = status.cost.context("a cost")?;
    ensure!((cost.round_trips, cost.hardware_commands) == (1, 1), "{cost:?}");
    ensure!(cost.evidence_bytes < 1229, "evidence is larger than 1.2 KiB: {cost:?}");
    ensure!(status.enrolment == first.enrolment, "the device has another name now");
    ensure!(
        status.ear.as_ref().map(|ear| ear.eat_nonce) != first.ear.as_ref().map(|ear| ear.eat_nonce),
        "no new verdict"
    );

    // A software TPM is never passed off as hardware, so this device is not healthy, whatever the rest is.
    let shown = agent.run(&["status"])?;
    ensure!(shown.status.code() == Some(1), "{}", out(&shown));
    ensure!(out(&shown).contains("Disk encryption") && out(&shown).contains("Device key"), "{}", out(&shown));
    ensure!(!out(&shown).contains('\u{1b}'), "colours where there is no terminal");
    let page = testbed.administer(&["device", "show", &first.enrolment.context("a name")?.to_string()])?;
    ensure!(page.contains("disk-encryption"), "{page}");
    Ok(())
}

#[test]
fn policy_check_appraises_the_output_of_check() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, _) = testbed.enrolled("device")?;
    let facts = agent.state().join("facts.json");
    std::fs::write(&facts, agent.run(&["check", "--json"])?.stdout)?;
    let facts = facts.to_str().context("the path")?;
    let printed = out(&testbed.verifier(&["policy", "check", "--facts", facts]).output()?);
    let row = printed.lines().find(|line| line.contains("agent-version")).unwrap_or_default();
    ensure!(row.contains("affirming"), "{printed}");
    Ok(())
}

#[test]
fn the_service_is_one_and_doctor_sees_what_works() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let (agent, mut service, _) = testbed.enrolled("device")?;
    let second = agent.run(&["service", "run"])?;
    ensure!(
        second.status.code() == Some(3) && out(&second).contains("another vitalsign process"),
        "{}",
        out(&second)
    );

    let doctor = |agent: &Agent| -> Result<String> { Ok(out(&agent.run(&["doctor"])?)) };
    let line = |page: &str, subject: &str| {
        page.lines().find(|line| line.contains(subject)).unwrap_or_default().to_owned()
    };
    let page = doctor(&agent)?;
    for subject in ["service", "state folder", "verifier", "clock", "enrolment"] {
        ensure!(line(&page, subject).contains("ok"), "{subject}: {page}");
    }
    testbed.verifier = None;
    let page = doctor(&agent)?;
    ensure!(line(&page, "verifier").contains("problem") && page.contains("was not reached"), "{page}");
    testbed.start_verifier()?;
    service.kill();
    let page = doctor(&agent)?;
    ensure!(line(&page, "service").contains("problem") && page.contains("is not running"), "{page}");
    ensure!(
        line(&page, "device key").contains("ok") && line(&page, "TPM certificate").contains("ok"),
        "{page}"
    );
    let saved = agent.run(&["status"])?;
    ensure!(
        out(&saved).contains("what was saved last") && out(&saved).contains("Disk encryption"),
        "{}",
        out(&saved)
    );
    Ok(())
}

#[test]
fn foreign_verifier_is_not_trusted() -> Result<()> {
    let (testbed, other) = (Testbed::with_simulated_tpm()?, Testbed::with_simulated_tpm()?);
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    let anchor = other.anchor().to_str().context("a path")?;
    let refused = agent.command(&["report"]).env("VITALSIGN_CA_FILE", anchor).output()?;
    ensure!(refused.status.code() == Some(3), "{}", out(&refused));
    ensure!(out(&refused).contains("not from the certificate authority"), "{}", out(&refused));
    let page = out(&agent.command(&["doctor", "--json"]).env("VITALSIGN_CA_FILE", anchor).output()?);
    ensure!(page.contains("not from the certificate authority"), "{page}");
    // The token was not given to another device.
    let accepted = agent.run(&["report"])?;
    ensure!(accepted.status.code() == Some(1), "{}", out(&accepted));
    Ok(())
}

#[test]
fn enrolment_by_hand_with_a_service_and_without() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let url = testbed.url();
    let anchor = testbed.anchor().to_str().context("a path")?.to_owned();
    let bare = |agent: &Agent, arguments: &[&str]| {
        let mut command = agent.command(arguments);
        for name in ["VITALSIGN_VERIFIER", "VITALSIGN_CA_FILE", "VITALSIGN_TOKEN_FILE"] {
            command.env_remove(name);
        }
        command
    };
    let by_hand = testbed.agent("by-hand")?;
    let unset = bare(&by_hand, &["enrol"]).output()?;
    ensure!(unset.status.code() == Some(3) && out(&unset).contains("--verifier"), "{}", out(&unset));
    let wrong = ["enrol", "--verifier", &url, "--ca", &anchor, "--token", "made-up"];
    let wrong = bare(&by_hand, &wrong).output()?;
    ensure!(wrong.status.code() == Some(1), "{}", out(&wrong));
    ensure!(out(&wrong).contains("token"), "{}", out(&wrong));
    let token = testbed.token(2)?;
    let right =
        bare(&by_hand, &["enrol", "--verifier", &url, "--ca", &anchor, "--token", &token]).output()?;
    ensure!(right.status.code() == Some(0), "{}", out(&right));

    // What it was told stays: the service needs no other settings, and takes a new token while it runs.
    let service = bare(&by_hand, &["service", "run"]).stdout(std::process::Stdio::null()).spawn()?;
    let mut service = Ends(service);
    by_hand.until("reports", |status| status.standing == AgentState::Reporting)?;
    let refused = bare(&by_hand, &["enrol", "--token", &token]).output()?;
    ensure!(refused.status.code() == Some(1) && out(&refused).contains("--again"), "{}", out(&refused));
    let again = bare(&by_hand, &["enroll", "--again", "--token", &token]).output()?;
    ensure!(again.status.code() == Some(0), "{}", out(&again));
    service.0.kill()?;
    Ok(())
}

/// A process that ends with the test.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_revoked_device_is_told_so_and_stays_so() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, mut service, status) = testbed.enrolled("device")?;
    let device = status.enrolment.context("a name")?.to_string();
    testbed.administer(&["device", "revoke", &device, "--reason", "lost in a taxi"])?;
    for _ in 0..2 {
        let refused = agent.run(&["report"])?;
        ensure!(refused.status.code() == Some(1), "{}", out(&refused));
        ensure!(out(&refused).starts_with("This device was revoked"), "{}", out(&refused));
        service.kill();
        service = agent.start_service()?;
        agent.until("the refusal", |status| status.standing == AgentState::Revoked)?;
    }
    Ok(())
}
