//! Second half of the demonstration: a step-up at the first level, and one that requires a healthy device.

use crate::say;
use crate::screen::{Screen, glimpse};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use vitalsign_e2e::{Agent, Asked, Child, Testbed};
use vitalsign_ipc::{Stage, Status};
use vitalsign_protocol::id::{Base64Url, Digest};
use vitalsign_protocol::step_up::{StepUpResult, challenge, transaction_digest};
use vitalsign_simulated_key::{SimulatedKey, Transport};

const USER: &str = "nurse-7";
const ORDER: &str = "EHR: sign order 4711";
/// FIDO metadata of real security keys: with it, and a key plugged in, the demonstration asks for that one.
const METADATA: &str = "VITALSIGN_METADATA";
/// Time limit for a line of the terminal program.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Shown {
    /// Kind of authenticator: `simulated` or `hardware`.
    pub(crate) authenticator: &'static str,
    /// Result at the first level: `approved` or another.
    pub(crate) first_level: String,
    /// Result for a healthy device: `approved` or `refused`.
    pub(crate) healthy_device: &'static str,
    /// The challenge that the key signed is what the stored evidence and transaction give.
    pub(crate) challenge_binds_evidence: bool,
    /// From starting the application's request to the prompt in the person's terminal.
    pub(crate) request_to_prompt: Duration,
    /// From the key's answer to the application's tokens, verified.
    pub(crate) tap_to_token: Duration,
    /// The app, where a person looks at it.
    screen: Option<Screen>,
}

impl Shown {
    /// A person may look around in the app before all is over.
    pub(crate) fn look_around(&self) -> Result<()> {
        if self.screen.is_some() {
            say("Look around in the app, if you like: how this device is, its security keys.");
            pause("[press Enter: that ends the demonstration] ")?;
        }
        Ok(())
    }
}

/// Registers a key, and asks for two taps.
pub(crate) fn show(testbed: &Testbed, agent: &Agent) -> Result<Shown> {
    println!();
    let glimpse = glimpse(agent)?;
    let mut key = Key::find(testbed, agent)?;
    testbed.add_user(USER)?;
    say("The person at the device registers the key, with a one-time code that IT made for them.");
    key.register(testbed, agent)?;
    drop(glimpse);

    println!();
    say(&format!(
        "An application asks for {USER}: {ORDER:?}, at the first level: a hardware key, on whatever device."
    ));
    let screen = Screen::has_a_person().then(|| Screen::open(agent, key.simulated())).transpose()?;
    if screen.is_some() {
        say(
            "The app asks for it in its window. The PIN is entered there; a simulated key is touched in a separate window.",
        );
    }
    let mut session = Session::start(&key, agent, screen.as_ref())?;
    let begun = Instant::now();
    let asked = testbed.ask(USER, ORDER, &[])?;
    session.until_asked(agent)?;
    let request_to_prompt = begun.elapsed();
    session.until_answered(agent, &mut key)?;
    let answered = Instant::now();
    let outcome = asked.outcome()?;
    let tap_to_token = answered.elapsed();
    session.end();
    ensure!(word(&outcome, "/step_up")? == "approved", "the step-up was not approved: {outcome}");
    println!();
    say("The application has its tokens, and their signatures hold. The access token says:");
    println!("{}", serde_json::to_string_pretty(outcome.get("access_claims").context("no claims")?)?);

    println!();
    say("Proven again from the audit log alone, as an auditor would years later:");
    println!();
    let entry = outcome
        .pointer("/id_claims/vitalsign_audit")
        .and_then(Value::as_u64)
        .context("no entry")?
        .to_string();
    let proven = testbed.verifier(&["audit", "prove", &entry]).status()?;
    ensure!(proven.success(), "the audit log does not prove the step-up");
    let binds = binds_evidence(&testbed.administer(&["audit", "export", &entry])?)?;

    println!();
    say("The same order, at the level that asks for a healthy device:");
    let mut session = Session::start(&key, agent, screen.as_ref())?;
    let asked = testbed.ask(USER, ORDER, &["--acr", "healthy-device"])?;
    let healthy_device = on_a_healthy_device(agent, &mut key, &mut session, asked)?;
    session.end();
    Ok(Shown {
        authenticator: key.name(),
        first_level: word(&outcome, "/step_up")?.to_owned(),
        healthy_device,
        challenge_binds_evidence: binds,
        request_to_prompt,
        tap_to_token,
        screen,
    })
}

/// Creates a file that only its owner can read.
pub(crate) fn private(file: &Path, content: &str) -> Result<()> {
    let made = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file);
    Ok(made?.write_all(content.as_bytes())?)
}

/// Requests the higher level: a healthy device is prompted, any other is refused with the reasons.
fn on_a_healthy_device(
    agent: &Agent,
    key: &mut Key,
    session: &mut Session<'_>,
    asked: Asked,
) -> Result<&'static str> {
    let prompted = session.until_asked_or_refused(agent)?;
    if prompted {
        session.until_answered(agent, key)?;
    }
    let outcome = asked.outcome()?;
    match (word(&outcome, "/step_up")?, prompted) {
        ("approved", true) => Ok("approved"),
        ("refused", false) if word(&outcome, "/end")? == "unhealthy" => {
            session.rest();
            println!();
            say("Refused without a prompt. A step-up at this level needs those fixed first.");
            Ok("refused")
        }
        _ => bail!("unexpected result of the step-up: {outcome}"),
    }
}

/// Returns whether the signed challenge matches the entry's own evidence, transaction and `R`.
fn binds_evidence(exported: &str) -> Result<bool> {
    let entry: Value = serde_json::from_str(exported)?;
    let body: Value = serde_json::from_str(word(&entry, "/body")?)?;
    let bytes = |of: &Value, at: &str| -> Result<Vec<u8>> {
        Ok(serde_json::from_value::<Base64Url>(of.pointer(at).with_context(|| at.to_owned())?.clone())?.0)
    };
    let evidence = bytes(&entry, "/evidence")?;
    let transaction = transaction_digest(word(&body, "/transaction")?);
    let expected = challenge(&word(&body, "/random")?.parse()?, &evidence, &transaction);
    let client_data: Value = serde_json::from_slice(&bytes(&body, "/proof/client_data_json")?)?;
    Ok(word(&client_data, "/challenge")?.parse::<Digest>()? == expected)
}

fn word<'a>(value: &'a Value, at: &str) -> Result<&'a str> {
    value.pointer(at).and_then(Value::as_str).with_context(|| format!("there is no {at} in {value}"))
}

/// The security key at hand.
enum Key {
    /// A connected hardware key.
    Hardware,
    /// A simulated key, and the file with its PIN.
    Simulated { key: SimulatedKey, pin: PathBuf },
}

impl Key {
    fn find(testbed: &Testbed, agent: &Agent) -> Result<Self> {
        let person = std::io::stdin().is_terminal();
        if person && let Some(metadata) = std::env::var_os(METADATA) {
            let listed: Value =
                serde_json::from_slice(&agent.run(&["security-key", "list", "--json"])?.stdout)?;
            if listed.get("attached").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty()) {
                std::fs::copy(metadata, testbed.folder().join("metadata.json"))?;
                say("The security key is the one that is plugged in.");
                return Ok(Self::Hardware);
            }
        }
        say(
            "No security key is used here, so a SIMULATED one stands in for it: the code of keys that are sold, as a program,",
        );
        say(
            "by USB/IP. It protects nothing: the verifier takes it because this demonstration's list of models has it.",
        );
        if person {
            say(&format!("(For a real one: plug it in, and name a file of FIDO metadata in {METADATA}.)"));
        }
        let key = testbed.security_key(Transport::Usb)?;
        let pin = testbed.folder().join("pin");
        private(&pin, "123456\n")?;
        Ok(Self::Simulated { key, pin })
    }

    fn simulated(&mut self) -> Option<&mut SimulatedKey> {
        match self {
            Self::Hardware => None,
            Self::Simulated { key, .. } => Some(key),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Simulated { .. } => "simulated",
        }
    }

    /// A command of the program that speaks to security keys.
    fn command(&self, agent: &Agent, arguments: &[&str]) -> Command {
        match self {
            Self::Hardware => agent.command(arguments),
            Self::Simulated { key, pin } => {
                let mut command = agent.session(key, arguments);
                command.arg("--pin-file").arg(pin);
                command
            }
        }
    }

    fn register(&mut self, testbed: &Testbed, agent: &Agent) -> Result<()> {
        let code = testbed.folder().join("code");
        std::fs::write(&code, testbed.key_code(USER)?)?;
        let mut command = self.command(agent, &["security-key", "register", "--name", "blue key"]);
        let mut child = Lines::start(command.stdin(std::fs::File::open(code)?))?;
        self.touch_when_asked(&mut child)?;
        child.until("registered")?;
        Ok(())
    }

    /// Touches the key at the right time, unless a person does.
    fn touch_when_asked(&mut self, lines: &mut Lines) -> Result<()> {
        lines.until("Touch your security key")?;
        let Self::Simulated { key, .. } = self else { return Ok(()) };
        key.until_tap_is_wanted()?;
        if std::io::stdin().is_terminal() {
            pause("[press Enter: that is a touch of the simulated key] ")?;
        } else {
            println!("[no person is present: the simulated key is touched]");
        }
        key.tap()
    }
}

/// User interface of the prompt: `vitalsign step-up listen` in this terminal, or the app.
enum Session<'a> {
    Terminal(Lines),
    Screen(&'a Screen),
}

impl<'a> Session<'a> {
    fn start(key: &Key, agent: &Agent, screen: Option<&'a Screen>) -> Result<Self> {
        if let Some(screen) = screen {
            // What has ended stays for a few seconds.
            screen.until(agent, None, |status| status.step_ups.is_empty())?;
            return Ok(Self::Screen(screen));
        }
        let mut command = key.command(agent, &["step-up", "listen", "--once"]);
        if matches!(key, Key::Hardware) {
            command.stdin(Stdio::inherit());
        } else {
            command.stdin(Stdio::null());
        }
        let mut lines = Lines::start(&mut command)?;
        lines.until("Waiting for step-ups")?;
        Ok(Self::Terminal(lines))
    }

    fn until_asked(&mut self, agent: &Agent) -> Result<()> {
        match self {
            Self::Terminal(lines) => lines.until("A step-up is asked for").map(|_| ()),
            Self::Screen(screen) => screen.until(agent, None, |status| any(status, |it| *it == Stage::Tap)),
        }
    }

    /// Returns whether the person was prompted.
    fn until_asked_or_refused(&mut self, agent: &Agent) -> Result<bool> {
        const ASKED: &str = "A step-up is asked for";
        match self {
            Self::Terminal(lines) => {
                let line = lines.next(|line| line.contains(ASKED) || line.contains("Refused"))?;
                Ok(line.contains(ASKED))
            }
            Self::Screen(screen) => {
                let refused = |it: &Stage| matches!(it, Stage::Ended { end: StepUpResult::Unhealthy, .. });
                let mut asked = false;
                screen.until(agent, None, |status| {
                    asked = any(status, |it| *it == Stage::Tap);
                    asked || any(status, refused)
                })?;
                Ok(asked)
            }
        }
    }

    /// The key is touched, and the verifier is at it.
    fn until_answered(&mut self, agent: &Agent, key: &mut Key) -> Result<()> {
        match self {
            Self::Terminal(lines) => {
                key.touch_when_asked(lines)?;
                lines.until("The tap is being verified").map(|_| ())
            }
            Self::Screen(screen) => {
                let answered = |it: &Stage| matches!(it, Stage::Checking | Stage::Ended { .. });
                screen.until(agent, key.simulated(), |status| any(status, answered))
            }
        }
    }

    fn rest(&mut self) {
        if let Self::Terminal(lines) = self {
            lines.rest();
        }
    }

    /// The terminal's ends by itself after one step-up.
    fn end(mut self) {
        self.rest();
    }
}

fn any(status: &Status, wanted: impl Fn(&Stage) -> bool) -> bool {
    status.step_ups.iter().any(|it| wanted(&it.stage))
}

fn pause(words: &str) -> Result<()> {
    print!("{words}");
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// A program whose output is shown as it comes, and heard line by line.
struct Lines {
    said: Receiver<String>,
    _child: Child,
}

impl Lines {
    fn start(command: &mut Command) -> Result<Self> {
        let (child, mut output) = Child::start_heard(command)?;
        let (sender, said) = channel();
        std::thread::spawn(move || {
            let (mut chunk, mut line) = ([0; 512], Vec::new());
            while let Ok(read @ 1..) = output.read(&mut chunk) {
                let new = chunk.get(..read).unwrap_or_default();
                // At once: a question for a PIN has no end of line.
                let _ = std::io::stdout().write_all(new).and_then(|()| std::io::stdout().flush());
                for byte in new {
                    if *byte != b'\n' {
                        line.push(*byte);
                    } else if sender
                        .send(String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned())
                        .is_err()
                    {
                        return;
                    }
                }
            }
        });
        Ok(Self { said, _child: child })
    }

    fn until(&mut self, words: &str) -> Result<String> {
        self.next(|line| line.contains(words)).with_context(|| format!("waiting for {words:?}"))
    }

    fn next(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        loop {
            let line = self.said.recv_timeout(LIMIT).context("the terminal program said nothing more")?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }

    fn rest(&mut self) {
        while self.said.recv_timeout(LIMIT).is_ok() {}
    }
}
