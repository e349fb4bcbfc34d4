//! The event channel: it is there whenever the verifier is, and never where it may not be.

use anyhow::{Result, ensure};
use vitalsign_agent::Standing;
use vitalsign_e2e::World;

#[test]
fn a_device_can_be_reached_whenever_its_verifier_is_there() -> Result<()> {
    let mut world = World::with_simulated_tpm()?;
    let (agent, _service, _) = world.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    for _ in 0..2 {
        world.verifier = None;
        agent.until("the channel to break", |status| !status.listening)?;
        world.start_verifier()?;
        agent.until("the channel to be back", |status| status.listening)?;
    }
    let page = String::from_utf8(agent.run(&["status"])?.stdout)?;
    ensure!(page.contains("the verifier can reach this device at once"), "{page}");
    Ok(())
}

#[test]
fn a_device_that_is_revoked_is_told_and_not_reached() -> Result<()> {
    let world = World::with_simulated_tpm()?;
    let (agent, _service, _) = world.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    let status = agent.until("a verdict", |status| status.enrolment.is_some())?;
    let enrolment = status.enrolment.map(|it| it.to_string()).unwrap_or_default();
    world.administer(&["device", "revoke", &enrolment])?;
    agent.until("the channel to be closed", |status| !status.listening)?;
    agent.until("the device to be told", |status| status.standing == Standing::Revoked)?;
    Ok(())
}

#[test]
fn a_service_that_was_killed_is_reached_again() -> Result<()> {
    let world = World::with_simulated_tpm()?;
    let (agent, mut service, _) = world.enrolled("device")?;
    agent.until("the channel", |status| status.listening)?;
    service.kill();
    let _service = agent.start_service()?;
    agent.until("the channel of the next service", |status| status.listening)?;
    Ok(())
}
