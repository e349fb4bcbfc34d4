//! The limit: what this machine's OpenSSL does on one core.

use anyhow::{Context, Result};
use std::process::Command;

/// P-256 verifications a second, on the core that the verifier is measured on.
pub(crate) fn p256_verifies_per_s(core: &str) -> Result<f64> {
    let out = Command::new("taskset")
        .args(["-c", core, "openssl", "speed", "-seconds", "3", "ecdsap256"])
        .output()
        .context("running openssl speed")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let line = text.lines().find(|line| line.contains("nistp256"));
    let last = line.and_then(|line| line.split_whitespace().last());
    last.and_then(|number| number.parse().ok()).with_context(|| format!("openssl speed said: {text}"))
}
