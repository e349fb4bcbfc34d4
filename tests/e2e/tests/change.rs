//! A change that the system pushes is judged at once, long before the heartbeat: the packet filter, in a network
//! namespace of the test's own.

use anyhow::{Result, ensure};
use std::time::Instant;
use vitalsign_e2e::Testbed;
use vitalsign_e2e::network::{CLOSED, OPEN, in_a_network_of_its_own, nft};
use vitalsign_ipc::Status;
use vitalsign_protocol::ear::Tier;

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

fn firewall(status: &Status) -> Option<Tier> {
    let check = status.ear.as_ref()?.checks().find(|(_, check)| check.check == "firewall-inbound");
    check.map(|(_, check)| check.status)
}
