//! python-fido2, a client of security keys that others wrote: `tests/peers`.

use crate::SimulatedKey;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// python-fido2 client with the address of a key. It does not own the key: one thread can wait for it while
/// another touches it.
#[derive(Clone, Debug)]
pub struct PythonFido2 {
    python: PathBuf,
    key: [String; 2],
}

/// Reason why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub error: String,
    /// The key's CTAP error, such as `PIN_INVALID`, if it was the key that refused.
    pub ctap: Option<String>,
}

impl PythonFido2 {
    /// The client of that key.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn of(key: &SimulatedKey) -> Result<Self> {
        let requirements = std::fs::read(peers().join("requirements.txt"))?;
        let name: String = digest(&SHA256, &requirements)
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let cache = match std::env::var_os("XDG_CACHE_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME")?)
                .join(".cache"),
        };
        let python = cache.join("vitalsign/python").join(name).join("bin/python");
        ensure!(python.exists(), "python-fido2 is not installed: run scripts/setup.sh");
        let key = match key.transport().reader() {
            None => ["--usb".to_owned(), key.usb_address().to_string()],
            Some(reader) => ["--nfc".to_owned(), reader.to_owned()],
        };
        Ok(Self { python, key })
    }

    /// Registers: PublicKeyCredentialCreationOptionsJSON to RegistrationResponseJSON.
    ///
    /// # Errors
    /// When the client cannot be run.
    pub fn create(&self, origin: &str, pin: &str, options: &Value) -> Result<Result<Value, Refused>> {
        self.run(&["--origin", origin, "--pin", pin, "create"], options)
    }

    /// Signs: PublicKeyCredentialRequestOptionsJSON to AuthenticationResponseJSON.
    ///
    /// # Errors
    /// When the client cannot be run.
    pub fn get(&self, origin: &str, pin: &str, options: &Value) -> Result<Result<Value, Refused>> {
        self.run(&["--origin", origin, "--pin", pin, "get"], options)
    }

    /// Returns information from the key: `aaguid`, `options`, `pin_retries`, `product`.
    ///
    /// # Errors
    /// The client cannot be run.
    pub fn info(&self) -> Result<Result<Value, Refused>> {
        self.run(&["info"], &Value::Null)
    }

    /// Has the key verify its user always, or no longer; returns its options.
    ///
    /// # Errors
    /// The client cannot be run.
    pub fn toggle_always_uv(&self, pin: &str) -> Result<Result<Value, Refused>> {
        self.run(&["--pin", pin, "always-uv"], &Value::Null)
    }

    /// Has the key require another PIN of at least so many characters, as organisations do with keys that they hand out;
    /// returns `least` and `change` of the key.
    ///
    /// # Errors
    /// The client cannot be run.
    pub fn require_pin_change(&self, pin: &str, least: u32) -> Result<Result<Value, Refused>> {
        self.run(&["--pin", pin, "--least", &least.to_string(), "change-pin"], &Value::Null)
    }

    fn run(&self, arguments: &[&str], input: &Value) -> Result<Result<Value, Refused>> {
        let mut command = Command::new(&self.python);
        command.arg(peers().join("client.py")).args(&self.key).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(input.to_string().as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "python-fido2 {}: {said}", output.status);
        let mut answer: Value = serde_json::from_slice(&output.stdout)?;
        if let Some(answer) = answer.get_mut("answer") {
            return Ok(Ok(answer.take()));
        }
        let text = |name| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Err(Refused { error: text("error").context("neither answer nor error")?, ctap: text("ctap") }))
    }
}

fn peers() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../peers"))
}
