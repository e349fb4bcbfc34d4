//! An enrolment that fails in use, because the verifier or the TPM is another: the device keeps it, says what IT must do,
//! and continues when the right one is back.

use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use vitalsign_e2e::{Agent, Testbed};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_tpm_client::testing::Swtpm;

fn reporting(agent: &Agent) -> Result<Status> {
    agent.until("a verdict", |status| status.standing == AgentState::Reporting)
}

fn is_unknown(status: &Status) -> bool {
    matches!(&status.standing, AgentState::Refused { problem, detail }
        if problem == "urn:vitalsign:problem:device-unknown" && detail.contains("IT must"))
}

/// Stops the verifier and copies its data folder.
fn back_up(testbed: &mut Testbed, name: &str) -> Result<()> {
    testbed.verifier = None;
    copy(&testbed.folder().join("data"), &testbed.folder().join(name))?;
    testbed.start_verifier()
}

/// Replaces the verifier's data folder by a copy.
fn restore(testbed: &mut Testbed, name: &str) -> Result<()> {
    testbed.verifier = None;
    let data = testbed.folder().join("data");
    fs::remove_dir_all(&data)?;
    copy(&testbed.folder().join(name), &data)?;
    testbed.start_verifier()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("--archive").args([from, to]).status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

#[test]
fn device_survives_a_verifier_restored_from_backup() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    back_up(&mut testbed, "older")?;
    let (agent, mut service, first) = testbed.enrolled("device")?;
    ensure!(!agent.token_file().exists(), "the token is still there");
    back_up(&mut testbed, "newer")?;

    restore(&mut testbed, "older")?;
    agent.run(&["report"])?;
    let unknown = agent.until("the state with the remedy", is_unknown)?;
    ensure!(unknown.enrolment == first.enrolment && unknown.ear.is_some(), "{unknown:?}");
    let shown = agent.run(&["status"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains("new enrolment token"), "{shown}");
    // Nor does a restart lose it.
    service.kill();
    let _service = agent.start_service()?;
    let unknown = agent.until("the state after a restart", is_unknown)?;
    ensure!(unknown.enrolment == first.enrolment, "{unknown:?}");

    // It goes on by itself when the verifier knows it again.
    restore(&mut testbed, "newer")?;
    let back = reporting(&agent)?;
    ensure!(back.enrolment == first.enrolment && back.ear != first.ear, "{back:?}");

    // With a token it enrols again by itself.
    restore(&mut testbed, "older")?;
    fs::write(agent.token_file(), testbed.token(1)?)?;
    agent.run(&["report"])?;
    let again = reporting(&agent)?;
    ensure!(again.enrolment != first.enrolment, "{again:?}");
    ensure!(!agent.token_file().exists(), "the token is still there");
    let journal = fs::read_to_string(agent.state().join("journal"))?;
    ensure!(journal.lines().filter(|line| line.contains("\"enrolled\":")).count() == 2, "{journal}");
    Ok(())
}

#[test]
fn device_survives_another_tpm_for_a_while() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (mut agent, mut service, first) = testbed.enrolled("device")?;
    let own_tpm = agent.key.clone();
    service.kill();
    let folder = testbed.folder().join("other-tpm");
    fs::create_dir_all(&folder)?;
    let other = Swtpm::start(&folder);
    agent.key.clone_from(&other.spec);
    let key_trouble = |status: &Status| matches!(status.standing, AgentState::KeyTrouble { .. });

    let mut service = agent.start_service()?;
    let lost = agent.until("the lost key", key_trouble)?;
    let AgentState::KeyTrouble { detail } = &lost.standing else { anyhow::bail!("{lost:?}") };
    ensure!(detail.contains("IT must") && lost.enrolment == first.enrolment, "{lost:?}");
    service.kill();

    // With a token the device makes a key in the other TPM, whose maker the verifier does not know.
    fs::write(agent.token_file(), testbed.token(1)?)?;
    let mut service = agent.start_service()?;
    let aside = agent.state().join("tpm-keys.aside");
    let refused = agent.until("the refusal", |status| {
        aside.exists() && !matches!(status.standing, AgentState::Starting | AgentState::Reporting)
    })?;
    ensure!(refused.enrolment == first.enrolment, "{refused:?}");
    service.kill();

    // The own TPM is back, and there is no token.
    fs::remove_file(agent.token_file())?;
    agent.key = own_tpm;
    let _service = agent.start_service()?;
    let back = reporting(&agent)?;
    ensure!(back.enrolment == first.enrolment && back.ear != first.ear, "{back:?}");
    ensure!(!aside.exists(), "a key is still set aside");
    Ok(())
}

#[test]
fn state_of_a_newer_version_is_kept() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, mut service, first) = testbed.enrolled("device")?;
    service.kill();
    let file = agent.state().join("state.json");
    let whole = fs::read_to_string(&file)?;
    let newer = whole.replacen("\"version\":1", "\"version\":99", 1);
    ensure!(newer != whole, "no version in {whole}");
    fs::write(&file, &newer)?;
    let refused = agent.run(&["service", "run"])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(3) && said.contains("version 99"), "{said}");
    ensure!(fs::read_to_string(&file)? == newer, "the file was changed");

    // An older file has no version.
    fs::write(&file, whole.replacen("\"version\":1,", "", 1))?;
    let _service = agent.start_service()?;
    let again = reporting(&agent)?;
    ensure!(again.enrolment == first.enrolment, "{again:?}");
    ensure!(fs::read_to_string(&file)?.contains("\"version\":1"), "it has no version now");
    Ok(())
}
