//! A change that the system pushes is judged at once, long before the heartbeat: the packet filter, in a network
//! namespace of the test's own.

use anyhow::{Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};
use vitalsign_e2e::network::{CLOSED, OPEN, in_a_network_of_its_own, nft};
use vitalsign_e2e::{Child, Testbed, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_protocol::ear::Tier;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_firewall_that_goes_on_and_off_is_judged_at_once() -> Result<()> {
    in_a_network_of_its_own("a_firewall_that_goes_on_and_off_is_judged_at_once", inside)
}

fn inside() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, first) = testbed.enrolled("device")?;
    ensure!(
        firewall(&first) == Some(Tier::Contraindicated),
        "an empty packet filter: {:?}",
        firewall(&first)
    );
    ensure!(
        first.next_report_seconds > 60,
        "the heartbeat is too near to tell: {}",
        first.next_report_seconds
    );

    for (rules, wanted) in [(CLOSED, Tier::Affirming), (OPEN, Tier::Contraindicated)] {
        nft(rules)?;
        let start = Instant::now();
        agent.until("the change to be judged", |status| firewall(status) == Some(wanted))?;
        eprintln!("judged {wanted} {:?} after the change", start.elapsed());
    }
    Ok(())
}

#[test]
fn mounts_that_change_no_fact_cause_no_report() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (agent, mut service, _) = testbed.enrolled("device")?;
    service.kill();
    let (log, place) = (testbed.folder().join("readings.log"), testbed.folder().join("mounted"));
    std::fs::create_dir(&place)?;
    // In a mount namespace of the test's own.
    let inside = agent.command(&["service", "run"]);
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(inside.get_program()).args(inside.get_args());
    command.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("VITALSIGN_LOG", "debug").stderr(std::fs::File::create(&log)?);
    let service = Child::start(&mut command)?;
    agent.until("the channel", |status| status.listening)?;
    let readings = || -> Result<usize> { Ok(std::fs::read_to_string(&log)?.matches(" read probe=").count()) };
    let before = testbed.reports()?;
    let mut seen = readings()?;
    for round in 0..4 {
        let mounting = Command::new("nsenter")
            .args(["--mount", "--target", &service.id().to_string(), "sh", "-c"])
            .arg("mount -t tmpfs none \"$0\" && umount \"$0\"")
            .arg(&place)
            .status()?;
        ensure!(mounting.success(), "mount: {mounting}");
        seen = wait_for(&format!("reading {round} after a mount"), LIMIT, || {
            let now = readings()?;
            Ok((now > seen).then_some(now))
        })?;
        agent.until("the reading to end", |status| status.standing == AgentState::Reporting)?;
    }
    ensure!(testbed.reports()? == before, "{} reports", testbed.reports()? - before);
    agent.run(&["report"])?;
    ensure!(testbed.reports()? == before + 1, "a check is reported");
    Ok(())
}

fn firewall(status: &Status) -> Option<Tier> {
    let check = status.ear.as_ref()?.checks().find(|(_, check)| check.check == "firewall-inbound");
    check.map(|(_, check)| check.status)
}
