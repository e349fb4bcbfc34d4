//! The app: opened in front of a person, or waiting in the background.

use crate::{DesktopServices, LIMIT, Page, Process, Relative, Resources};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use vitalsign_e2e::wait_for;
use vitalsign_simulated_key::SimulatedKey;
use vitalsign_simulated_key::process::program;

/// The app with its window open, driven over WebDriver.
pub struct App {
    pub page: Page,
    driver: Process,
    log: PathBuf,
}

impl Drop for App {
    fn drop(&mut self) {
        // Shown where a test fails.
        eprintln!("the app said: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
    }
}

impl App {
    /// Opens it at this desk, with the service at `socket` and the security key in reach.
    pub fn open(
        desk: &DesktopServices,
        socket: &Path,
        key: Option<&SimulatedKey>,
        arguments: &[&str],
    ) -> Result<Self> {
        let (driver, url) = drive(desk, key)?;
        let mut all = vec!["--socket".to_owned(), socket.to_str().context("a path")?.to_owned()];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let page = Page::open(&url, &program("vitalsign-app")?, &all, desk.screen()?).with_context(|| {
            let said = std::fs::read_to_string(desk.log_path("app")).unwrap_or_default();
            format!("the app said: {said}")
        })?;
        let app = Self { page, driver, log: desk.log_path("app") };
        app.page.see("main")?;
        Ok(app)
    }

    /// The app's process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn process(&self) -> Result<Relative> {
        let family = self.driver.family();
        family.into_iter().find(|it| it.name == "vitalsign-app").context("the app has ended")
    }

    /// Reads the resources of the app and its web processes.
    ///
    /// # Errors
    /// The app has ended.
    pub fn resources(&self) -> Result<Resources> {
        self.process()?;
        Resources::of(&self.driver.family())
    }

    /// Starts the same program without a driver.
    ///
    /// # Errors
    /// The program has not been built.
    pub fn command(
        desk: &DesktopServices,
        socket: &Path,
        key: Option<&SimulatedKey>,
        arguments: &[&str],
    ) -> Result<Command> {
        let mut command = desk.command(program("vitalsign-app")?);
        command.arg("--socket").arg(socket).args(arguments);
        with(&mut command, desk, key)?;
        Ok(command)
    }
}

/// Starts a driver. Two that look for a free port at once must not find the same: each process of a test has an address
/// of loopback for itself.
fn drive(desk: &DesktopServices, key: Option<&SimulatedKey>) -> Result<(Process, String)> {
    let [.., b, c, d] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, b.max(1), c, d.clamp(1, 254));
    let port = TcpListener::bind((host, 0))?.local_addr()?.port();
    let mut command = desk.command("WebKitWebDriver");
    command.arg(format!("--host={host}")).arg(format!("--port={port}"));
    command.env("TAURI_WEBVIEW_AUTOMATION", "true");
    with(&mut command, desk, key)?;
    let mut driver = Process::start(&mut command)?;
    wait_for("the driver", LIMIT, || {
        anyhow::ensure!(driver.runs(), "WebKitWebDriver has ended");
        Ok(TcpStream::connect(SocketAddr::from((host, port))).ok())
    })?;
    Ok((driver, format!("http://{host}:{port}")))
}

fn with(command: &mut Command, desk: &DesktopServices, key: Option<&SimulatedKey>) -> Result<()> {
    let log = desk.log("app")?;
    command.stdout(log.try_clone()?).stderr(log);
    if let Some(key) = key {
        command.env("VITALSIGN_TEST_USBIP", key.usb_address().to_string());
    }
    Ok(())
}
