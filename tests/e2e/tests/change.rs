//! A change that the system pushes is judged at once, long before the heartbeat: the packet filter, in a network
//! namespace of the test's own.

use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;
use vitalsign_agent::Status;
use vitalsign_e2e::World;
use vitalsign_protocol::ear::Tier;

const INSIDE: &str = "VITALSIGN_TEST_INSIDE_A_NAMESPACE";

#[test]
fn a_firewall_that_goes_on_and_off_is_judged_at_once() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let again = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe()?)
        .args(["--exact", "a_firewall_that_goes_on_and_off_is_judged_at_once", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .context("unshare (it needs root)")?;
    ensure!(again.success(), "inside the namespace: {again}");
    Ok(())
}

fn inside() -> Result<()> {
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "ip link set lo up");
    let world = World::with_simulated_tpm()?;
    let (agent, _service, first) = world.enrolled("device")?;
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

    let closed = "table inet filter { chain input { type filter hook input priority 0; policy drop;
        iif lo accept; ct state established,related accept; }
        }";
    for (rules, wanted) in [(closed, Tier::Affirming), ("flush ruleset", Tier::Contraindicated)] {
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

fn nft(rules: &str) -> Result<()> {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("nft")?;
    nft.stdin.take().context("no standard input")?.write_all(rules.as_bytes())?;
    ensure!(nft.wait()?.success(), "nft refused: {rules}");
    Ok(())
}
