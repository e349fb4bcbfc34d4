//! PIN once per shift with real processes: an application, a verifier, a device's service between a message bus and
//! logind's files, the session program that ships, and a security key. Needs root.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::ChildStdin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vitalsign_e2e::{Agent, Child, Hand, Seats, Testbed, wait_for};
use vitalsign_ipc::{Answer, Request, Stage, StepUp};
use vitalsign_simulated_key::{PythonFido2, SimulatedKey, Transport};

const USER: &str = "nurse-7";
const LIMIT: Duration = Duration::from_secs(60);
/// The user of the session program, and another one.
const ROOT: u32 = 0;
const OTHER: u32 = 64_804;
/// A message bus for the service alone, which ends with it.
const BUS: &str = "mkdir -p /run/dbus && { setpriv --pdeathsig KILL dbus-daemon --session --nofork --nopidfile \
                   --address=unix:path=/run/dbus/system_bus_socket & \
                   while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.05; done; }";
/// A test machine is never healthy. Everything else is as in the default policy.
const POLICY: &str = "package vitalsign.step_up\n\
                      import rego.v1\n\
                      refused contains \"no-tpm\" if input.key.storage == \"software\"\n\
                      pin_required contains \"never\" if input.acr != \"urn:vitalsign:acr:badge\"\n";

/// The session program, which takes the PIN from a file whenever the key asks for it.
struct Session {
    _program: Child,
    _input: ChildStdin,
    /// Lines that it has printed.
    said: Arc<Mutex<Vec<String>>>,
}

impl Session {
    fn start(testbed: &Testbed, agent: &Agent, key: &SimulatedKey) -> Result<Self> {
        let file = testbed.folder().join("pin");
        std::fs::write(&file, "123456")?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        let file = file.to_string_lossy();
        let log =
            std::fs::File::options().create(true).append(true).open(testbed.folder().join("session"))?;
        let mut command = agent.session(key, &["step-up", "listen", "--json", "--pin-file", &file]);
        let (program, input, output) = Child::start_talking(command.stderr(log))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(Self { _program: program, _input: input, said })
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many PINs were asked for.
    fn pins(&self) -> usize {
        self.said().iter().filter(|line| line.contains(r#""prompt":"pin""#)).count()
    }
}

struct Ward {
    testbed: Testbed,
    agent: Agent,
    service: Child,
    seats: Seats,
    hand: Hand,
    key: SimulatedKey,
    session: Session,
    taps: u32,
}

impl Ward {
    fn open() -> Result<Self> {
        let mut testbed = Testbed::with_simulated_tpm()?;
        std::fs::write(testbed.folder().join("step_up.rego"), POLICY)?;
        testbed.restart_verifier_with("step_up_policy = \"step_up.rego\"")?;
        let (agent, mut service, _) = testbed.enrolled("device")?;
        let mut key = testbed.security_key(Transport::Usb)?;
        testbed.add_user(USER)?;
        let hand = Hand::at(&agent);
        // With another client, which follows the options about the credential's protection.
        hand.register(&testbed.key_code(USER)?, &mut key)?;
        testbed.secret_of_ehr()?;
        testbed.administer(&["client", "set", "ehr", "--badge", "on"])?;
        service.kill();
        let seats = Seats::below(testbed.folder())?;
        seats.put(Some(ROOT))?;
        let service = seats.service_after(&agent, BUS)?;
        agent.until("the channel", |status| status.listening)?;
        let session = Session::start(&testbed, &agent, &key)?;
        Ok(Self { testbed, agent, service, seats, hand, key, session, taps: 0 })
    }

    fn message(&mut self) -> String {
        self.taps += 1;
        format!("EHR: open chart {}", self.taps)
    }

    /// A tap at a level; returns the methods in the token, after its approval was proven.
    fn tap(&mut self, acr: &str) -> Result<Vec<String>> {
        let message = self.message();
        let before = self.session.pins();
        let asked = self.testbed.ask(USER, &message, &["--acr", acr])?;
        self.key.tap()?;
        let amr = approved(&self.testbed, &asked.outcome()?, acr)?;
        let pins = self.session.pins() - before;
        ensure!((pins > 0) == amr.iter().any(|method| method == "mfa"), "{pins} PINs, {amr:?}");
        Ok(amr)
    }

    fn needs_pin(&mut self, why: &str) -> Result<()> {
        let amr = self.tap("badge").with_context(|| why.to_owned())?;
        ensure!(amr == ["hwk", "user", "mfa"], "{why}: {amr:?}");
        Ok(())
    }

    fn needs_no_pin(&mut self, why: &str) -> Result<()> {
        let amr = self.tap("badge").with_context(|| why.to_owned())?;
        ensure!(amr == ["hwk", "user"], "{why}: {amr:?}");
        Ok(())
    }

    /// Ends the period while a tap is asked for that needs no PIN; the same step-up then needs it. `back` runs before the
    /// tap.
    fn ends(
        &mut self,
        why: &str,
        end: impl FnOnce(&mut Self) -> Result<()>,
        back: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let message = self.message();
        let before = self.session.pins();
        let asked = self.testbed.ask(USER, &message, &["--acr", "badge"])?;
        self.until_tap(&message, |step_up| step_up.pin_entered.is_some()).with_context(|| why.to_owned())?;
        end(self)?;
        self.until_tap(&message, |step_up| step_up.pin_entered.is_none()).with_context(|| why.to_owned())?;
        back(self)?;
        // Before that, a tap could be for what the key was asked before.
        wait_for("the PIN to be asked for", LIMIT, || Ok((self.session.pins() > before).then_some(())))
            .with_context(|| format!("{why}: {:#?}", self.session.said()))?;
        self.key.tap().with_context(|| why.to_owned())?;
        let amr = approved(&self.testbed, &asked.outcome()?, "badge")?;
        ensure!(amr == ["hwk", "user", "mfa"], "{why}: {amr:?}");
        Ok(())
    }

    fn until_tap(&self, message: &str, wanted: impl Fn(&StepUp) -> bool) -> Result<()> {
        let mut last = None;
        wait_for(message, LIMIT, || {
            let Some(status) = self.agent.status()? else { return Ok(None) };
            let found = status.step_ups.into_iter().find(|it| it.message == message);
            last.clone_from(&found);
            Ok(found.filter(|it| it.stage == Stage::Tap && wanted(it)).map(|_| ()))
        })
        .with_context(|| format!("last seen: {last:?}"))
    }
}

/// Checks that the application has tokens of this level, and that the audit log proves them; returns their `amr`.
fn approved(testbed: &Testbed, outcome: &Value, acr: &str) -> Result<Vec<String>> {
    ensure!(outcome.get("step_up") == Some(&json!("approved")), "{outcome}");
    let claim = |name: &str| outcome.pointer(&format!("/id_claims/{name}"));
    ensure!(claim("acr") == Some(&json!(format!("urn:vitalsign:acr:{acr}"))), "{outcome}");
    let entry = claim("vitalsign_audit").and_then(Value::as_u64).context("no audit entry")?;
    let proof = testbed.prove(&entry.to_string())?;
    ensure!(proof.get("holds") == Some(&json!(true)), "{proof}");
    let amr: Vec<String> = serde_json::from_value(claim("amr").cloned().unwrap_or_default())?;
    let pin = proof.pointer("/findings/says/pin/seq").and_then(Value::as_u64);
    ensure!(pin.is_some() != amr.iter().any(|method| method == "mfa"), "{proof}");
    Ok(amr)
}

#[test]
fn pin_is_entered_once_until_something_ends_it() -> Result<()> {
    let mut ward = Ward::open()?;
    ward.needs_pin("the first tap of a shift")?;
    for number in 1..=3 {
        ward.needs_no_pin(&format!("tap {number} after it"))?;
    }
    for acr in ["hardware-key", "epcs"] {
        let amr = ward.tap(acr)?;
        ensure!(amr == ["hwk", "user", "mfa"], "{acr}: {amr:?}");
    }
    ward.needs_no_pin("after the other levels")?;

    let locked = |ward: &mut Ward| match ward.hand.request(Request::PinPeriod)? {
        Answer::Accepted => Ok(()),
        other => bail!("{other:?}"),
    };
    ward.ends("the screen locked", locked, |_| Ok(()))?;
    ward.needs_no_pin("after the PIN")?;

    ward.ends("the key was removed", |ward| ward.key.unplug(), |ward| ward.key.plug_in())?;
    ward.needs_no_pin("after the PIN")?;

    let away = |ward: &mut Ward| ward.seats.put(Some(OTHER));
    ward.ends("another session came to the front", away, |ward| ward.seats.put(Some(ROOT)))?;
    ward.needs_pin("the last PIN was entered outside of a period")?;
    ward.needs_no_pin("after the PIN")?;

    let options = PythonFido2::of(&ward.key)?.toggle_always_uv("123456")?;
    let options = options.map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
    ensure!(options.get("alwaysUv") == Some(&json!(true)), "{options}");
    ward.needs_pin("the key verifies its user always")?;

    ward.service.kill();
    ward.service = ward.seats.service_after(&ward.agent, BUS)?;
    ward.agent.until("the channel", |status| status.listening)?;
    ward.needs_pin("the service restarted")?;

    // Without a program that watches the keys, there is no period.
    ward.session = Session::start(&ward.testbed, &ward.agent, &ward.key)?;
    ward.needs_pin("the session program restarted")?;
    Ok(())
}
