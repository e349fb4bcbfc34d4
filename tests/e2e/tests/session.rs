//! Step-ups with the program that ships: `vitalsign security-key register` and `vitalsign step-up listen`, and a simulated key.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use vitalsign_e2e::{Agent, Child, Testbed};
use vitalsign_simulated_key::{Pcscd, SimulatedKey, Transport, vhci};

const USER: &str = "nurse-7";

/// A device whose user registered a key at its terminal.
struct Ward {
    testbed: Testbed,
    agent: Agent,
    _service: Child,
    /// Attached to this kernel, where that is possible.
    _plugged: Option<vhci::Plugged>,
    key: SimulatedKey,
}

impl Ward {
    fn open(transport: Transport) -> Result<Self> {
        let testbed = Testbed::with_simulated_tpm()?;
        let (agent, service, _) = testbed.enrolled("device")?;
        let key = testbed.security_key(transport)?;
        let kernel = transport == Transport::Usb && vhci::is_there();
        let plugged = kernel.then(|| vhci::Plugged::into_this_kernel(key.usb_address())).transpose()?;
        testbed.add_user(USER)?;
        let mut ward = Self { testbed, agent, _service: service, _plugged: plugged, key };
        let pin = ward.pin_file("123456")?;
        let pin = pin.to_string_lossy();
        let code = ward.testbed.folder().join("code");
        std::fs::write(&code, ward.testbed.key_code(USER)?)?;
        let register = ["security-key", "register", "--name", "blue key", "--pin-file", &pin];
        ensure!(ward.run_with(&register, true, std::fs::File::open(code)?.into())? == Some(0));
        Ok(ward)
    }

    /// A file with a PIN, as only its owner may read it.
    fn pin_file(&self, pin: &str) -> Result<PathBuf> {
        let file = self.testbed.folder().join("pin");
        std::fs::write(&file, pin)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }

    /// Runs the program to its end, with or without a touch; returns its exit status.
    fn run(&mut self, arguments: &[&str], touch: bool) -> Result<Option<i32>> {
        self.run_with(arguments, touch, Stdio::null())
    }

    fn run_with(&mut self, arguments: &[&str], touch: bool, stdin: Stdio) -> Result<Option<i32>> {
        let path = self.testbed.folder().join("session.log");
        let log = std::fs::File::options().create(true).append(true).open(&path)?;
        let mut command = self.agent.session(&self.key, arguments);
        let mut child = command.stdin(stdin).stdout(log.try_clone()?).stderr(log).spawn()?;
        if touch && let Err(error) = self.key.tap() {
            child.kill()?;
            let said = std::fs::read_to_string(&path)?;
            return Err(error).with_context(|| said);
        }
        Ok(child.wait()?.code())
    }
}

fn one_tap_is_one_token(transport: Transport) -> Result<()> {
    let mut ward = Ward::open(transport)?;
    let asked = ward.testbed.ask(USER, "EHR: sign order 4711", &[])?;
    let pin = ward.pin_file("123456")?;
    let pin = pin.to_string_lossy();
    ensure!(ward.run(&["step-up", "listen", "--once", "--json", "--pin-file", &pin], true)? == Some(0));
    let outcome = asked.outcome()?;
    ensure!(outcome.get("step_up") == Some(&json!("approved")), "{outcome}");
    let entry = outcome.pointer("/id_claims/vitalsign_audit").and_then(serde_json::Value::as_u64);
    let proof = ward.testbed.prove(&entry.context("no audit entry")?.to_string())?;
    ensure!(proof.get("holds") == Some(&json!(true)), "{proof}");
    Ok(())
}

#[test]
fn nfc_one_tap_at_the_terminal_is_one_token() -> Result<()> {
    let _pcscd = Pcscd::start()?;
    one_tap_is_one_token(Transport::Nfc)
}

#[test]
fn usb_one_tap_at_the_terminal_is_one_token() -> Result<()> {
    one_tap_is_one_token(Transport::Usb)
}

/// The same with a regular USB device: a real kernel's `usbhid` and `/dev/hidraw`, in a guest.
#[test]
fn usb_of_real_kernel_one_terminal_tap_one_token() -> Result<()> {
    vhci::in_a_guest("usb_one_tap_at_the_terminal_is_one_token")
}

#[test]
fn unhealthy_device_does_not_prompt_at_the_terminal() -> Result<()> {
    let ward = Ward::open(Transport::Usb)?;
    let taps = ward.key.taps_wanted();
    let pin = ward.pin_file("123456")?;
    let pin = pin.to_string_lossy();
    let listen = ["step-up", "listen", "--json", "--pin-file", &pin];
    let _listening = Child::start_until(&mut ward.agent.session(&ward.key, &listen), "{\"waiting\"")?;
    let asked = ward.testbed.ask(USER, "EHR: sign order 4712", &["--acr", "healthy-device"])?;
    ensure!(asked.end()? == "unhealthy");
    ensure!(ward.key.taps_wanted() == taps, "the key was asked");
    Ok(())
}
