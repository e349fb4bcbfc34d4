//! Step-ups: users and their security keys, the application that asks, and a client at the device that is not ours.

use crate::{Agent, Child, Testbed, wait_for};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vitalsign_client::ServiceClient;
use vitalsign_ipc::{Answer, Request};
use vitalsign_ipc::{Stage, StepUp, StepUpCeremony};
use vitalsign_protocol::id::{Secret, StepUpId};
use vitalsign_protocol::step_up::{RegisteredKey, StepUpResult};
use vitalsign_simulated_key::{Options, PythonFido2, Refused, SimulatedKey, Transport, vhci};

/// Time limit for every wait.
const LIMIT: Duration = Duration::from_secs(60);

impl Testbed {
    /// A user.
    ///
    /// # Errors
    /// When there is one of this name.
    pub fn add_user(&self, name: &str) -> Result<()> {
        self.administer(&["user", "add", name]).map(|_| ())
    }

    /// A code with which that user registers a security key.
    pub fn key_code(&self, user: &str) -> Result<String> {
        let made: Value = serde_json::from_str(&self.administer(&["user", "key-code", user, "--json"])?)?;
        Ok(made.get("code").and_then(Value::as_str).context("no code")?.to_owned())
    }

    /// A security key of the maker whom the verifier knows; its PIN is 123456, and the test touches it.
    pub fn security_key(&self, transport: Transport) -> Result<SimulatedKey> {
        SimulatedKey::start(Options::new(transport, &self.maker))
    }

    /// The file with the secret of the application `ehr`, which is registered the first time.
    pub fn secret_of_ehr(&self) -> Result<PathBuf> {
        let file = self.folder().join("ehr.secret");
        if !file.exists() {
            let made = self.administer(&[
                "client",
                "add",
                "EHR",
                "--id",
                "ehr",
                "--audience",
                "https://ehr.example",
                "--secret",
                "--json",
            ])?;
            let made: Value = serde_json::from_str(&made)?;
            std::fs::write(&file, made.get("secret").and_then(Value::as_str).context("no secret")?)?;
        }
        Ok(file)
    }

    /// Asks for a user as the application `ehr`, with further options of `step-up request`.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn ask(&self, user: &str, message: &str, more: &[&str]) -> Result<Asked> {
        let url = self.url();
        let fixed = ["step-up", "request", "--json", "--url", &url, "--user", user, "--message", message];
        let mut command = self.verifier_by_name(&[&fixed[..], more].concat())?;
        command.args(["--client", "ehr", "--secret-file"]).arg(self.secret_of_ehr()?);
        let log = std::fs::File::options().create(true).append(true).open(self.folder().join("asked.log"))?;
        let (child, input, mut output) = Child::start_talking(command.stderr(log))?;
        drop(input);
        let (sender, said) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = output.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        Ok(Asked { _child: child, said })
    }

    /// Proves an approved step-up from its audit entry: what `audit prove` found.
    ///
    /// # Errors
    /// When there is no such entry.
    pub fn prove(&self, entry: &str) -> Result<Value> {
        let output = self.verifier(&["audit", "prove", entry, "--json"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let proof: Value = serde_json::from_slice(&output.stdout).with_context(|| said.into_owned())?;
        ensure!(output.status.success() == (proof.get("holds") == Some(&Value::Bool(true))), "{proof}");
        Ok(proof)
    }
}

/// An application that waits for its answer. It goes when this goes.
#[derive(Debug)]
pub struct Asked {
    _child: Child,
    said: Receiver<String>,
}

impl Asked {
    /// Returns the result, in the words of `step-up request --json`.
    ///
    /// # Errors
    /// There is no result within two minutes, or other output.
    pub fn outcome(self) -> Result<Value> {
        let said = self.said.recv_timeout(2 * LIMIT).context("the application still waits")?;
        serde_json::from_str(&said).with_context(|| format!("the application heard {said:?}"))
    }

    /// Returns the result if it was not an approval.
    ///
    /// # Errors
    /// It was approved, or as [`Self::outcome`].
    pub fn end(self) -> Result<String> {
        let outcome = self.outcome()?;
        ensure!(outcome.get("step_up").and_then(Value::as_str) == Some("refused"), "{outcome}");
        Ok(outcome.get("end").and_then(Value::as_str).unwrap_or_default().to_owned())
    }
}

/// Client at a device that uses python-fido2 instead of our code: gets the options from the service's
/// socket, and returns the answer.
#[derive(Debug)]
pub struct Hand {
    agent: Agent,
}

impl Hand {
    #[must_use]
    pub fn at(agent: &Agent) -> Self {
        Self { agent: agent.clone() }
    }

    /// Asks the service something.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn request(&self, request: Request) -> Result<Answer> {
        Ok(ServiceClient::connect(&self.agent.socket())?.ask(request)?)
    }

    /// Registers a key for whom the code is.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn register(&self, code: &str, key: &mut SimulatedKey) -> Result<RegisteredKey> {
        let code = Secret::new(code.as_bytes().to_vec());
        let begun = self.request(Request::BeginKey { code })?;
        let Answer::Registration { registration, ceremony, .. } = begun else { bail!("{begun:?}") };
        let client = PythonFido2::of(key)?;
        let credential = touched(key, || client.create(&ceremony.origin, "123456", &ceremony.options))?
            .map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
        let finish = Request::FinishKey { registration, name: "blue key".to_owned(), credential };
        match self.request(finish)? {
            Answer::Keys(mut keys) if keys.len() == 1 => keys.pop().context("one key"),
            other => bail!("{other:?}"),
        }
    }

    /// The step-up for this message, once it is as far as wanted.
    pub fn until(&self, message: &str, wanted: impl Fn(&Stage) -> bool) -> Result<StepUp> {
        let mut last = None;
        let seen = wait_for(&format!("the step-up {message:?}"), LIMIT, || {
            let Some(status) = self.agent.status()? else { return Ok(None) };
            let found = status.step_ups.into_iter().find(|it| it.message == message);
            last.clone_from(&found);
            Ok(found.filter(|it| wanted(&it.stage)))
        });
        seen.with_context(|| format!("last seen: {last:?}"))
    }

    /// Waits until the step-up with this message needs a tap; returns its options.
    ///
    /// # Errors
    /// It does not get that far.
    pub fn ceremony(&self, message: &str) -> Result<(StepUpId, StepUpCeremony)> {
        let id = self.until(message, |stage| *stage == Stage::Tap)?.id;
        match self.request(Request::Ceremony(id))? {
            Answer::Ceremony(ceremony) => Ok((id, *ceremony)),
            other => bail!("{other:?}"),
        }
    }

    /// Has the key sign it, with a tap.
    ///
    /// # Errors
    /// When the client cannot be run.
    pub fn sign(&self, ceremony: &StepUpCeremony, key: &mut SimulatedKey) -> Result<Value> {
        let client = PythonFido2::of(key)?;
        touched(key, || client.get(&ceremony.origin, "123456", &ceremony.options))?
            .map_err(|refused| anyhow::anyhow!("{refused:?}"))
    }

    /// Hands over the key's answer.
    pub fn hand_over(&self, step_up: &StepUpId, assertion: Value) -> Result<()> {
        match self.request(Request::Tapped { step_up: *step_up, assertion })? {
            Answer::Accepted => Ok(()),
            other => bail!("{other:?}"),
        }
    }

    /// Says that there will be no tap.
    pub fn give_up(&self, step_up: &StepUpId, end: StepUpResult) -> Result<()> {
        match self.request(Request::GiveUp { step_up: *step_up, end })? {
            Answer::Accepted => Ok(()),
            other => bail!("{other:?}"),
        }
    }

    /// Signs with a tap and submits the assertion.
    pub fn approve(&self, message: &str, key: &mut SimulatedKey) -> Result<()> {
        let (id, ceremony) = self.ceremony(message)?;
        let assertion = self.sign(&ceremony, key)?;
        self.hand_over(&id, assertion)
    }
}

/// Runs `with` and touches the key once meanwhile.
fn touched<F>(key: &mut SimulatedKey, with: F) -> Result<Result<Value, Refused>>
where
    F: FnOnce() -> Result<Result<Value, Refused>> + Send,
{
    std::thread::scope(|threads| {
        let running = threads.spawn(with);
        let tapped = key.tap();
        let answer = running.join().map_err(|_| anyhow::anyhow!("the client's thread ended"))??;
        // The client's report is the reason why there was no prompt.
        if answer.is_ok() {
            tapped?;
        }
        Ok(answer)
    })
}

impl Agent {
    /// A command of the program that speaks to security keys, which finds this one: by itself where it is one of the
    /// kernel's.
    #[must_use]
    pub fn session(&self, key: &SimulatedKey, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        if key.transport() == Transport::Usb && !vhci::is_there() {
            command.env("VITALSIGN_TEST_USBIP", key.usb_address().to_string());
        }
        command
    }
}
