//! The limit: what this machine's OpenSSL does on one core.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// P-256 operations a second on a core.
#[derive(Clone, Copy)]
pub(crate) struct P256 {
    pub(crate) signs: f64,
    pub(crate) verifies: f64,
}

impl P256 {
    /// Pairs of one verification and one signature a second: what a report cannot do without.
    pub(crate) fn pairs(self) -> f64 {
        1.0 / (1.0 / self.signs + 1.0 / self.verifies)
    }
}

/// Measures OpenSSL on the core that the verifier is measured on.
pub(crate) fn p256(core: &str) -> Result<P256> {
    let out = Command::new("taskset")
        .args(["-c", core, "openssl", "speed", "-seconds", "3", "ecdsap256"])
        .output()
        .context("running openssl speed")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let line = text.lines().find(|line| line.contains("nistp256"));
    let mut words = line.unwrap_or_default().split_whitespace().rev();
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let numbers = (number(), number());
    let (Some(verifies), Some(signs)) = numbers else { bail!("openssl speed said: {text}") };
    Ok(P256 { signs, verifies })
}
