//! Tests diagnostics end to end: the verifier stores exactly the text that the person was shown, and finds it by its
//! reference.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use vitalsign_e2e::Testbed;
use vitalsign_ipc::{Answer, Refusal, Request};
use vitalsign_protocol::device_code::DeviceCode;

#[test]
fn diagnostics_reach_it_exactly_as_shown() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let (agent, _service, status) = testbed.enrolled("device")?;
    let device = status.enrolment.context("no enrolment")?;

    let shown = agent.run(&["diagnostics", "show"])?;
    let shown = String::from_utf8(shown.stdout)?;
    ensure!(shown.contains(&DeviceCode::of(&device).to_string()) && shown.contains("Facts:"), "{shown}");
    // Without a terminal and without --yes nothing is sent.
    let unasked = agent.run(&["diagnostics", "send"])?;
    ensure!(unasked.status.code() == Some(3), "{unasked:?}");
    let none = testbed.verifier(&["device", "diagnostics", &device.to_string()]).output()?;
    ensure!(none.status.code() == Some(1), "{none:?}");

    let sent = agent.run(&["diagnostics", "send", "--yes", "--json"])?;
    ensure!(sent.status.code() == Some(0), "{sent:?}");
    let sent: Value = serde_json::from_slice(&sent.stdout)?;
    let reference = sent.get("reference").and_then(Value::as_str).context("no reference")?;
    let received = testbed.administer(&["device", "diagnostics", reference, "--json"])?;
    let received: Value = serde_json::from_str(&received)?;
    ensure!(received.get("text") == sent.get("text") && received.get("text").is_some(), "{received} {sent}");
    let code = DeviceCode::of(&device).to_string();
    for arguments in
        [vec!["device", "list"], vec!["device", "show", &code], vec!["device", "diagnostics", &code]]
    {
        let page = testbed.administer(&arguments)?;
        ensure!(page.contains(reference), "{arguments:?}: {page}");
    }
    ensure!(testbed.administer(&["audit", "list"])?.contains(&format!("{reference}, ")));

    // A text that was not shown is not sent.
    let mut client = vitalsign_client::ServiceClient::connect(&agent.socket())?;
    let forged = client.ask(Request::SendDiagnostics { text: "Everything is fine.".into() })?;
    ensure!(forged == Answer::Refused(Refusal::NotShown), "{forged:?}");

    let two: Vec<i32> = (0..2)
        .map(|number| {
            let notes = vec![format!("note {number}")];
            let Answer::DiagnosticsText(text) = client.ask(Request::DiagnosticsText { notes })? else {
                anyhow::bail!("no text")
            };
            Ok(i32::from(matches!(
                client.ask(Request::SendDiagnostics { text })?,
                Answer::DiagnosticsSent { .. }
            )))
        })
        .collect::<Result<_>>()?;
    ensure!(two == [1, 1], "{two:?}");
    let often = agent.run(&["diagnostics", "send", "--yes"])?;
    ensure!(often.status.code() == Some(1), "{often:?}");
    ensure!(String::from_utf8_lossy(&often.stderr).contains("often"), "{often:?}");

    drop(testbed.verifier.take());
    let offline = agent.run(&["diagnostics", "send", "--yes"])?;
    ensure!(offline.status.code() == Some(3), "{offline:?}");
    ensure!(String::from_utf8_lossy(&offline.stderr).contains("nothing was sent"), "{offline:?}");
    Ok(())
}
