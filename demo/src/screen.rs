//! The app on this display, where there is one, and the window by which a person touches the simulated key.

use crate::say;
use anyhow::Result;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_e2e::{Agent, Child};
use vitalsign_ipc::Status;
use vitalsign_ipc::{Answer, Request};
use vitalsign_simulated_key::SimulatedKey;
use vitalsign_simulated_key::process::{program, wait_for};

/// Time limit for an answer of the person.
const LIMIT: Duration = Duration::from_secs(150);

pub(crate) struct Screen {
    _app: Child,
    key: Option<(Child, Receiver<()>)>,
}

impl Screen {
    /// Returns whether a display is available.
    pub(crate) fn is_there() -> bool {
        ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty()))
    }

    /// Returns whether a person is present who can answer in the app.
    pub(crate) fn has_a_person() -> bool {
        Self::is_there() && std::io::stdin().is_terminal()
    }

    /// Opens the app, and a window for the simulated key where that is used.
    pub(crate) fn open(agent: &Agent, key: Option<&mut SimulatedKey>) -> Result<Self> {
        let mut app = Command::new(program("vitalsign-app")?);
        app.arg("--socket")
            .arg(agent.socket())
            .env("VITALSIGN_LOG", "debug")
            .stderr(File::create(log(agent))?);
        let touched = match key {
            Some(key) => {
                app.env("VITALSIGN_TEST_USBIP", key.usb_address().to_string());
                let (child, output) =
                    Child::start_heard(&mut Command::new(program("vitalsign-key-window")?))?;
                let (sender, touched) = channel();
                std::thread::spawn(move || {
                    for _ in BufReader::new(output).lines().map_while(Result::ok) {
                        if sender.send(()).is_err() {
                            return;
                        }
                    }
                });
                Some((child, touched))
            }
            None => None,
        };
        Ok(Self { _app: Child::start(&mut app)?, key: touched })
    }

    /// Waits for a status; touches the simulated key when its window is touched.
    pub(crate) fn until(
        &self,
        agent: &Agent,
        mut key: Option<&mut SimulatedKey>,
        mut wanted: impl FnMut(&Status) -> bool,
    ) -> Result<()> {
        let mut client = ServiceClient::connect(&agent.socket())?;
        if let Answer::Status(status) = client.ask(Request::Subscribe)?
            && wanted(&status)
        {
            return Ok(());
        }
        let end = std::time::Instant::now() + LIMIT;
        while std::time::Instant::now() < end {
            match client.event(Duration::from_millis(50)) {
                Ok(status) if wanted(&status) => return Ok(()),
                Ok(_) | Err(ClientError::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            if let (Some((_, touched)), Some(key)) = (&self.key, &mut key)
                && touched.try_iter().count() > 0
                && key.wants_tap()
            {
                key.tap()?;
            }
        }
        anyhow::bail!("nothing happened on the screen for {LIMIT:?}")
    }
}

/// Shows the app on the display until dropped, for a viewer without a terminal.
pub(crate) fn glimpse(agent: &Agent) -> Result<Option<Screen>> {
    if !Screen::is_there() || Screen::has_a_person() {
        return Ok(None);
    }
    say("There is a display but no person at the terminal: the app opens, and closes before the prompt.");
    let screen = Screen::open(agent, None)?;
    let drawn = || Ok(std::fs::read_to_string(log(agent))?.contains("the page is drawn").then_some(()));
    if wait_for("the app's page", Duration::from_secs(10), drawn).is_err() {
        say("Its page was not on the display within ten seconds.");
    }
    Ok(Some(screen))
}

fn log(agent: &Agent) -> PathBuf {
    agent.socket().with_file_name("app.log")
}
