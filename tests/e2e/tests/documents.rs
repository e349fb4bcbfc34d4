//! Commands of the documents work as written.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Command;
use vitalsign_e2e::Testbed;

#[test]
fn integration_guide_asks_and_reads_the_result() -> Result<()> {
    const GUIDE: &str = include_str!("../../../docs/integrate.md");
    let (_, script) = GUIDE.split_once("\n```sh\n").context("no script")?;
    let (script, _) = script.split_once("\n```").context("no end of the script")?;

    let testbed = Testbed::with_simulated_tpm()?;
    testbed.administer(&["user", "add", "nurse-7"])?;
    let client = testbed.administer(&["client", "add", "EHR", "--id", "ehr", "--secret", "--json"])?;
    let client: Value = serde_json::from_str(&client)?;
    let secret = client.pointer("/client_secret").or_else(|| client.pointer("/secret"));
    let secret = secret.and_then(Value::as_str).with_context(|| format!("no secret: {client}"))?;
    let ask = |secret: &str| -> Result<Value> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .env("VERIFIER", testbed.url())
            .env("CA", testbed.anchor())
            .env("CLIENT", "ehr")
            .env("SECRET", secret)
            .env("PERSON", "nurse-7")
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout)?;
        serde_json::from_str(&printed).context(printed)
    };
    // The person has no device, and the application hears so.
    let ended = ask(secret)?;
    let text = |value: &Value, at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
    ensure!(text(&ended, "/vitalsign_end").as_deref() == Some("no-device"), "{ended}");
    ensure!(text(&ended, "/error").as_deref() == Some("access_denied"), "{ended}");
    let refused = ask("another")?;
    ensure!(text(&refused, "/error").is_some() && text(&refused, "/vitalsign_end").is_none(), "{refused}");
    Ok(())
}
