//! Reading the packet filter of a network namespace: without rules, and with rules that take the longest to evaluate.

use crate::stats;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use vitalsign_host::Settings;
use vitalsign_platform_api::Collector;

/// The probe's deadline in milliseconds: the figure of rules that take longer.
const DEADLINE_MS: f64 = 5000.0;

pub(crate) struct FirewallCost {
    pub(crate) empty_ms: f64,
    pub(crate) worst_ms: f64,
}

/// Runs this program in a network namespace; `None` without root.
pub(crate) fn measure() -> Result<Option<FirewallCost>> {
    let output = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe()?)
        .arg("firewall")
        .output()
        .context("unshare")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        [empty_ms, worst_ms] => Ok(Some(FirewallCost { empty_ms: *empty_ms, worst_ms: *worst_ms })),
        _ => {
            eprintln!(
                "bench: the packet filter is not measured: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(None)
        }
    }
}

/// Prints both times. Refuses to run in the network namespace of its parent, whose rules it would replace.
pub(crate) fn inside() -> Result<()> {
    let namespace = |process: u32| std::fs::read_link(format!("/proc/{process}/ns/net"));
    let parent = namespace(std::os::unix::process::parent_id()).context("the parent's network namespace")?;
    ensure!(
        namespace(std::process::id())? != parent,
        "this replaces the packet filter: run it by itself only"
    );
    let empty = read()?;
    let mut worst = 0.0_f64;
    for rules in [chains(), ports()] {
        let path = tempfile::NamedTempFile::new()?;
        std::fs::write(path.path(), format!("flush ruleset\n{rules}"))?;
        nft(path.path())?;
        worst = worst.max(read()?);
    }
    println!("{empty} {worst}");
    Ok(())
}

fn nft(path: &Path) -> Result<()> {
    let status = Command::new("nft").arg("-f").arg(path).status().context("nft")?;
    ensure!(status.success(), "nft refused the rules");
    Ok(())
}

fn read() -> Result<f64> {
    let settings = Settings { root: "/".into(), state: None, session: None };
    let collector = Collector::default();
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut took = None;
        collector.collect(vitalsign_host::probes(&settings), |timing| {
            if timing.name == "firewall" {
                took = timing.took;
            }
        });
        // A probe that missed its deadline still runs, and is not started again.
        let Some(took) = took else { return Ok(DEADLINE_MS) };
        times.push(took);
    }
    Ok(stats::median(times))
}

/// Chains that call one another 8^7 times.
fn chains() -> String {
    let mut rules = "table inet f {\nchain c0 { counter\n}\n".to_owned();
    for chain in 1..8 {
        let jumps = format!("jump c{}; ", chain - 1).repeat(8);
        let _ = writeln!(rules, "chain c{chain} {{ {jumps}\n}}");
    }
    rules + "chain i { type filter hook input priority 0; policy drop; jump c7;\n}\n}\n"
}

/// Rules that each cut another range out of the ports, with another source.
fn ports() -> String {
    let mut rules = "table inet f {\nchain i { type filter hook input priority 0; policy drop;\n".to_owned();
    for rule in 0..2000_u32 {
        let (port, source) = (1 + rule * 32, rule % 250);
        let _ = writeln!(rules, "ip saddr {source}.0.0.0/8 tcp dport {port}-{} accept", port + 15);
    }
    rules + "}\n}\n"
}
