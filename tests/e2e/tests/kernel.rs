//! A step-up with a security key that is a USB device like any other: a real kernel's `usbhid` and `/dev/hidraw`, in a
//! guest whose kernel takes the simulated key by USB over IP. All else is as on the host.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use vitalsign_e2e::{Agent, Child, World};
use vitalsign_simulated_key::{SimulatedKey, Transport, vhci};

const USER: &str = "nurse-7";
const MESSAGE: &str = "EHR: sign order 4711";

#[test]
fn one_tap_on_a_usb_key_of_the_kernel_is_one_token() -> Result<()> {
    if !vhci::is_there() {
        return vhci::in_a_guest("one_tap_on_a_usb_key_of_the_kernel_is_one_token");
    }
    let world = World::with_simulated_tpm()?;
    let (agent, _service, _) = world.enrolled("device")?;
    let mut key = world.security_key(Transport::Usb)?;
    let _plugged = vhci::Plugged::into_this_kernel(key.usb_address())?;
    world.add_user(USER)?;
    let pin = world.folder().join("pin");
    std::fs::write(&pin, "123456\n")?;
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o600))?;
    let pin = pin.to_str().context("the folder's name")?;

    at_the_terminal(&agent, &mut key, &["key", "register", &world.key_code(USER)?, "--pin-file", pin])?;
    let asked = world.ask(USER, MESSAGE, &["--expires", "300"])?;
    at_the_terminal(&agent, &mut key, &["step-up", "listen", "--once", "--pin-file", pin])?;
    let outcome = asked.outcome()?;
    ensure!(outcome.get("step_up") == Some(&json!("approved")), "{outcome}");
    let entry = outcome.pointer("/id_claims/vitalsign_audit").and_then(Value::as_u64).context("no entry")?;
    let proof = world.prove(&entry.to_string())?;
    ensure!(proof.get("holds") == Some(&json!(true)), "{proof}");
    Ok(())
}

/// Runs the program that people run, which finds the key by itself, and touches the key once.
fn at_the_terminal(agent: &Agent, key: &mut SimulatedKey, arguments: &[&str]) -> Result<()> {
    let mut command = agent.command(arguments);
    let (mut child, mut output) = Child::start_heard(command.stdin(Stdio::null()))?;
    let tapped = key.tap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut output, &mut said)?;
    child.kill();
    tapped.with_context(|| said.clone())?;
    let well = ["Approved", "registered"].iter().any(|word| said.contains(word));
    ensure!(well, "{said}");
    Ok(())
}
