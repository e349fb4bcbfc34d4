//! The service as it is shipped: what it takes while nothing happens, and what a report costs.

use crate::stats;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::{Duration, Instant};
use vitalsign_e2e::{Testbed, wait_for};
use vitalsign_ipc::AgentState;

pub(crate) struct Idle {
    pub(crate) evidence_bytes: f64,
    pub(crate) round_trips: f64,
    pub(crate) tpm_commands: f64,
    pub(crate) pss_mib: f64,
    pub(crate) cpu_percent: f64,
}

/// Enrols, reports twice, and then watches for `seconds`.
pub(crate) fn idle(agent: &Path, verifier: &Path, seconds: u64) -> Result<Idle> {
    let testbed = Testbed::with_programs(agent, verifier)?;
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    let service = agent.start_service()?;
    let limit = Duration::from_secs(120);
    wait_for("the first verdict", limit, || {
        Ok(agent.status()?.filter(|status| status.standing == AgentState::Reporting && !status.busy))
    })?;
    agent.run(&["report"])?;
    let status = wait_for("the second verdict", limit, || {
        Ok(agent.status()?.filter(|status| status.cost.is_some() && !status.busy))
    })?;
    let cost = status.cost.context("no cost")?;

    let (start, cpu) = (Instant::now(), cpu_nanos(service.id())?);
    let mut told = 0;
    wait_for("the idle time to pass", Duration::from_secs(seconds + 60), || {
        let passed = start.elapsed().as_secs();
        if passed / 60 > told {
            told = passed / 60;
            eprintln!("bench:   {passed} of {seconds} s");
        }
        Ok((passed >= seconds).then_some(()))
    })?;
    let used = cpu_nanos(service.id())? - cpu;
    let passed = u64::try_from(start.elapsed().as_nanos())?;
    Ok(Idle {
        evidence_bytes: stats::float(cost.evidence_bytes),
        round_trips: stats::float(cost.round_trips),
        tpm_commands: stats::float(cost.hardware_commands),
        pss_mib: pss_mib(service.id())?,
        cpu_percent: 100.0 * stats::float(used) / stats::float(passed),
    })
}

/// Proportional set size: shared pages counted by how many share them.
pub(crate) fn pss_mib(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    let kib: u64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(stats::float(kib) / 1024.0)
}

/// Time on a processor so far, threads that have ended included. The kernel counts in hundredths of a second.
pub(crate) fn cpu_nanos(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything but ends at the last bracket; utime and stime are fields 14 and 15 (proc_pid_stat(5)).
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields.get(11..13).context("no times")?.iter().map(|field| field.parse::<u64>());
    Ok(ticks.sum::<Result<u64, _>>()? * 10_000_000)
}
