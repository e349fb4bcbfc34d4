//! A device in a ward: enrolled, with a person's desk at it and a security key that is registered for them.

use crate::{App, DesktopServices, Manager};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use vitalsign_e2e::{Agent, Asked, Child, Testbed};
use vitalsign_simulated_key::{SimulatedKey, Transport};

pub const USER: &str = "nurse-7";
/// The PIN of their key.
pub const PIN: &str = "123456";

pub struct Ward {
    pub desk: DesktopServices,
    /// The verifier, the TPM, the application.
    pub testbed: Testbed,
    pub agent: Agent,
    /// Service of the device, while it runs.
    pub service: Option<Child>,
    /// Security key of the user, connected to the app.
    pub key: SimulatedKey,
}

impl Ward {
    /// A device whose user has no key yet.
    ///
    /// # Errors
    /// When something does not start.
    pub fn without_a_key() -> Result<Self> {
        Self::in_testbed(Testbed::with_simulated_tpm()?)
    }

    /// A device whose user has registered a key.
    ///
    /// # Errors
    /// When something does not start.
    pub fn open() -> Result<Self> {
        let mut ward = Self::without_a_key()?;
        ward.register()?;
        Ok(ward)
    }

    /// A device of this testbed.
    ///
    /// # Errors
    /// When something does not start.
    pub fn in_testbed(testbed: Testbed) -> Result<Self> {
        Self::at(DesktopServices::new()?, testbed)
    }

    /// A device whose user has registered a key, under this window manager.
    ///
    /// # Errors
    /// When something does not start.
    pub fn open_under(manager: Manager) -> Result<Self> {
        Self::open_at(DesktopServices::under(manager)?)
    }

    /// A device whose user has registered a key, at this desk.
    ///
    /// # Errors
    /// When something does not start.
    pub fn open_at(desk: DesktopServices) -> Result<Self> {
        let mut ward = Self::at(desk, Testbed::with_simulated_tpm()?)?;
        ward.register()?;
        Ok(ward)
    }

    /// A device of this testbed, at this desk.
    ///
    /// # Errors
    /// When something does not start.
    pub fn at(desk: DesktopServices, testbed: Testbed) -> Result<Self> {
        let (agent, service, _) = testbed.enrolled("device")?;
        let key = testbed.security_key(Transport::Usb)?;
        testbed.add_user(USER)?;
        Ok(Self { desk, testbed, agent, service: Some(service), key })
    }

    /// Opens the app at it.
    pub fn app(&self, arguments: &[&str]) -> Result<App> {
        App::open(&self.desk, &self.agent.socket(), Some(&self.key), arguments)
    }

    /// Registers the key for its user at a terminal.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn register(&mut self) -> Result<()> {
        let (code, file) = (self.testbed.folder().join("code"), self.testbed.folder().join("pin"));
        std::fs::write(&code, self.testbed.key_code(USER)?)?;
        std::fs::write(&file, PIN)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        let path = file.to_string_lossy();
        let arguments = ["security-key", "register", "--name", "blue key", "--pin-file", &path];
        let log = std::fs::File::create(self.testbed.folder().join("register.log"))?;
        let mut command = self.agent.session(&self.key, &arguments);
        let mut registering =
            command.stdin(std::fs::File::open(code)?).stdout(log.try_clone()?).stderr(log).spawn()?;
        let tapped = self.key.tap();
        if tapped.is_err() {
            registering.kill()?;
        }
        let said = || std::fs::read_to_string(self.testbed.folder().join("register.log")).unwrap_or_default();
        ensure!(registering.wait()?.success() && tapped.is_ok(), "not registered: {}", said());
        Ok(())
    }

    /// The application asks its user.
    ///
    /// # Errors
    /// When it cannot.
    pub fn ask(&self, message: &str, more: &[&str]) -> Result<Asked> {
        self.testbed.ask(USER, message, more)
    }

    /// Asks the key how many wrong PINs it still takes. No app may use the key.
    ///
    /// # Errors
    /// The key does not say.
    pub fn attempts_left(&self) -> Result<u64> {
        let asked = self.ask("EHR: how many attempts", &[])?;
        let arguments = ["step-up", "listen", "--once", "--json"];
        let said = self.agent.session(&self.key, &arguments).stdin(Stdio::null()).output()?;
        drop(asked);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut left = lines.filter_map(|line| line.get("attempts_left").and_then(Value::as_u64));
        left.next().with_context(|| format!("no PIN was asked for: {said}"))
    }

    pub fn stop_service(&mut self) {
        self.service = None;
    }

    pub fn start_service(&mut self) -> Result<()> {
        self.service = Some(self.agent.start_service()?);
        Ok(())
    }
}
