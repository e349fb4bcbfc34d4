//! A network of a test's own, whose packet filter can be changed without harm.

use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::process::{Command, Stdio};

const INSIDE: &str = "VITALSIGN_TEST_INSIDE_A_NAMESPACE";

/// A packet filter that lets in nothing that was not asked for.
pub const CLOSED: &str = "table inet filter { chain input { type filter hook input priority 0; policy drop;
    iif lo accept; ct state established,related accept; }
    }";
pub const OPEN: &str = "flush ruleset";

/// Runs `inside` in a network namespace: the test of this name starts once more, there.
///
/// # Errors
/// When `inside` fails, or there is no namespace without root.
pub fn in_a_network_of_its_own(test: &str, inside: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
        ensure!(up.success(), "ip link set lo up");
        return inside();
    }
    let again = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .context("unshare (it needs root)")?;
    ensure!(again.success(), "inside the namespace: {again}");
    Ok(())
}

/// Gives the packet filter these rules.
///
/// # Errors
/// When it does not take them.
pub fn nft(rules: &str) -> Result<()> {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("nft")?;
    nft.stdin.take().context("no standard input")?.write_all(rules.as_bytes())?;
    ensure!(nft.wait()?.success(), "nft refused: {rules}");
    Ok(())
}
