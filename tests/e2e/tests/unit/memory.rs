//! Memory of the programs that probes run.

use crate::machine::{LIMIT, Machine, SERVICE, Setup};
use anyhow::{Context, Result, ensure};
use std::fs;
use vitalsign_e2e::wait_for;
use vitalsign_protocol::fact::Fact;

/// An imitation of an endpoint product's service.
const PRODUCT: (&str, &str) = ("/usr/bin/wdavdaemon", "#!/bin/sh\nsleep infinity\n:\n");
const PRODUCT_UNIT: (&str, &str) = ("mdatp.service", "[Service]\nExecStart=/usr/bin/wdavdaemon\n");
/// An imitation of the program that asks this service. It takes 150 MB for its answer and records that, or a
/// gigabyte if `/run/greedy` exists.
const HUNGRY: (&str, &str) = (
    "/usr/bin/mdatp",
    r#"#!/bin/bash
if [ -e /run/greedy ]; then
  exec perl -e 'sysread STDIN, $x, 1 << 30' </dev/zero
else
  perl -e '$bytes = 150 << 20; $x = "x" x $bytes; open F, "/proc/self/status"; print grep /VmHWM/, <F>' >/var/lib/vitalsign/hungry
fi
echo '{"healthy":true,"appVersion":"101.24","realTimeProtectionEnabled":true,"passiveModeEnabled":false}'
"#,
);

/// A machine with both.
pub(crate) const SETUP: Setup =
    Setup { service: "", programs: &[PRODUCT, HUNGRY], units: &[PRODUCT_UNIT], without_agent: false };

pub(crate) fn hungry_program_answers(machine: &Machine) -> Result<()> {
    let answer = Fact::Known("101.24".to_owned());
    let mut seen = None;
    // The program has little time, and a guest is slow until the files that it needs are in memory.
    let answered = wait_for("the program's answer", LIMIT, || {
        seen = machine.status()?.and_then(|status| status.posture).map(|facts| facts.edr.products);
        let mut products = seen.iter().filter_map(Fact::known).flatten();
        if products.any(|product| product.version == answer) {
            return Ok(Some(()));
        }
        machine.run("vitalsign", &["report"])?;
        Ok(None)
    });
    answered.with_context(|| format!("{seen:?}"))?;
    let peak = fs::read_to_string(machine.path("/var/lib/vitalsign/hungry"))?;
    let kilobytes = peak.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    ensure!(kilobytes.is_some_and(|kilobytes| kilobytes > 150 << 10), "it took {peak}");
    // Some kernels do not enforce them all.
    for limit in ["MemoryHigh", "MemoryMax"] {
        let value = machine.property(SERVICE, limit)?;
        let room = value == "infinity" || value.parse::<u64>().is_ok_and(|bytes| bytes >= 512 << 20);
        ensure!(room, "{limit}={value} leaves too little for package managers");
    }
    Ok(())
}

pub(crate) fn greedy_program_dies_alone(machine: &Machine) -> Result<()> {
    // Far below the shipped limit, so that a program on a busy machine reaches it before the agent ends the program.
    machine.systemctl(&["set-property", "--runtime", SERVICE, "MemoryMax=80M"])?;
    let service = machine.property(SERVICE, "MainPID")?;
    let before = machine.status()?.and_then(|status| status.reported_at);
    fs::write(machine.path("/run/greedy"), "")?;
    // The agent ends a late program by itself, so the kernel may need several attempts to be first.
    let killed = wait_for("the kernel to kill the greedy program", LIMIT, || {
        machine.run("vitalsign", &["report"])?;
        Ok(killed_for_memory(machine)?.then_some(()))
    });
    killed.with_context(|| format!("{}\n{}", machine.console(), machine.log()))?;
    // The time has whole seconds, and everything so far may have happened in one.
    wait_for("a later report", LIMIT, || {
        machine.run("vitalsign", &["report"])?;
        Ok(machine.status()?.filter(|later| later.reported_at > before))
    })?;
    ensure!(machine.property(SERVICE, "MainPID")? == service, "{}\n{}", machine.console(), machine.log());
    Ok(())
}

/// Returns whether the kernel killed a process of the service because it had reached the limit of memory. The file depends
/// on the version of control groups.
fn killed_for_memory(machine: &Machine) -> Result<bool> {
    let group = format!("/system.slice/{SERVICE}");
    let files = [
        format!("/sys/fs/cgroup{group}/memory.events"),
        format!("/sys/fs/cgroup/memory{group}/memory.oom_control"),
    ];
    let counts = files.iter().find_map(|file| fs::read_to_string(machine.path(file)).ok());
    let counts = counts.context("the service's control group does not count")?;
    let count = counts.lines().find_map(|line| line.strip_prefix("oom_kill "));
    Ok(count.context(counts.clone())? != "0")
}
