//! A workstation shared by several users: only the user in front is prompted. Uses real users and logind's
//! files in a mount namespace of the service. Needs root.

use anyhow::{Context, Result, ensure};
use rustix::process::Uid;
use rustix::thread::set_thread_uid;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};
use vitalsign_client::ServiceClient;
use vitalsign_e2e::{Agent, Hand, Seats, Testbed, wait_for};
use vitalsign_ipc::{Answer, Refusal, Request};
use vitalsign_ipc::{Stage, Status};
use vitalsign_protocol::id::{RegistrationId, Secret};
use vitalsign_protocol::step_up::StepUpResult;
use vitalsign_simulated_key::Transport;

const LIMIT: Duration = Duration::from_secs(60);
const MESSAGE: &str = "EHR: sign order 4711";
/// Two unprivileged user IDs that no account uses.
const NURSE: u32 = 64_801;
const OTHER: u32 = 64_802;

/// Runs a command of the device's program as a user.
fn run_as(user: u32, agent: &Agent, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let output = agent.command(arguments).uid(user).gid(user).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

/// Program of a user that receives status updates.
struct Person(ServiceClient);

impl Person {
    fn subscribed(agent: &Agent, user: u32) -> Result<Self> {
        let socket = agent.socket();
        // The kernel remembers who connected, and a thread's user is its own.
        let connected = std::thread::spawn(move || -> Result<ServiceClient> {
            set_thread_uid(Uid::from_raw(user))?;
            Ok(ServiceClient::connect(&socket)?)
        });
        let mut person = Self(connected.join().map_err(|_| anyhow::anyhow!("the thread ended"))??);
        ensure!(matches!(person.ask(Request::Subscribe)?, Answer::Status(_)));
        Ok(person)
    }

    fn ask(&mut self, request: Request) -> Result<Answer> {
        Ok(self.0.ask(request)?)
    }

    fn step_ups(&mut self) -> Result<usize> {
        match self.ask(Request::Status)? {
            Answer::Status(status) => Ok(status.step_ups.len()),
            other => anyhow::bail!("{other:?}"),
        }
    }

    /// Waits for a status; returns all updates before it.
    fn until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<Vec<Status>> {
        let (end, mut before) = (Instant::now() + LIMIT, Vec::new());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let status = self.0.event(left).with_context(|| format!("{what}: told {before:?}"))?;
            if wanted(&status) {
                return Ok(before);
            }
            before.push(status);
        }
    }
}

fn is_asked(status: &Status) -> bool {
    status.step_ups.iter().any(|it| it.message == MESSAGE && it.stage == Stage::Tap)
}

fn is_not_asked(status: &Status) -> bool {
    status.step_ups.is_empty()
}

#[test]
fn only_who_is_in_front_of_a_shared_device_is_asked() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    fs::set_permissions(testbed.folder(), Permissions::from_mode(0o755))?;
    let (agent, mut service, _) = testbed.enrolled("device")?;
    let mut key = testbed.security_key(Transport::Usb)?;
    testbed.add_user("nurse-7")?;
    Hand::at(&agent).register(&testbed.key_code("nurse-7")?, &mut key)?;
    service.kill();
    let seats = Seats::below(testbed.folder())?;
    seats.put(Some(NURSE))?;
    let _service = seats.service(&agent)?;
    agent.until("the channel", |status| status.listening)?;
    let (mut nurse, mut other) = (Person::subscribed(&agent, NURSE)?, Person::subscribed(&agent, OTHER)?);

    let asked = testbed.ask("nurse-7", MESSAGE, &[])?;
    nurse.until("the nurse to be asked", is_asked)?;
    // An administrator sees the status without being in front.
    let step_up = Hand::at(&agent).until(MESSAGE, |stage| *stage == Stage::Tap)?.id;
    ensure!(other.step_ups()? == 0, "the other is shown it");
    let answers = [
        Request::Ceremony(step_up),
        Request::Tapped { step_up, assertion: json!({}) },
        Request::GiveUp { step_up, end: StepUpResult::Declined },
    ];
    for request in answers.clone() {
        let answer = other.ask(request.clone())?;
        ensure!(answer == Answer::Refused(Refusal::Over), "{request:?}: {answer:?}");
    }

    seats.put(Some(OTHER))?;
    nurse.until("the request to go from the nurse's screen", is_not_asked)?;
    let before = other.until("the other to be asked", is_asked)?;
    ensure!(before.iter().all(is_not_asked), "told in the background: {before:?}");
    for request in answers {
        let answer = nurse.ask(request.clone())?;
        ensure!(answer == Answer::Refused(Refusal::Over), "{request:?}: {answer:?}");
    }
    ensure!(matches!(other.ask(Request::Ceremony(step_up))?, Answer::Ceremony(_)));

    // No user is logged in at the console.
    seats.put(None)?;
    other.until("the request to go from the other's screen", is_not_asked)?;
    ensure!(nurse.step_ups()? == 0, "the nurse is shown it");

    seats.put(Some(NURSE))?;
    nurse.until("the nurse to be asked again", is_asked)?;
    ensure!(nurse.ask(Request::GiveUp { step_up, end: StepUpResult::Declined })? == Answer::Accepted);
    ensure!(asked.end()? == "declined");
    Ok(())
}

#[test]
fn only_the_user_in_front_asks_for_reports_and_keys() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (mut agent, mut service, _) = testbed.enrolled("device")?;
    service.kill();
    agent.for_every_user()?;
    let seats = Seats::below(testbed.folder())?;
    seats.put(Some(NURSE))?;
    let _service = seats.service(&agent)?;
    agent.until("the channel", |status| status.listening)?;
    let (mut nurse, mut other) = (Person::subscribed(&agent, NURSE)?, Person::subscribed(&agent, OTHER)?);
    let before = testbed.reports()?;

    let registration = RegistrationId([1; 16]);
    let requests = [
        Request::CheckNow,
        Request::Keys,
        Request::BeginKey { code: Secret::new(b"1234".to_vec()) },
        Request::FinishKey { registration, name: "blue".into(), credential: json!({}) },
    ];
    for request in requests {
        let answer = other.ask(request.clone())?;
        ensure!(answer == Answer::Refused(Refusal::NotInFront), "{request:?}: {answer:?}");
    }
    let (code, said) = run_as(OTHER, &agent, &["report"])?;
    ensure!(code == Some(1) && said.contains("only the user in front of this device"), "{code:?}: {said}");
    let (code, said) = run_as(OTHER, &agent, &["security-key", "list"])?;
    ensure!(code == Some(1) && said.contains("only the user in front of this device"), "{code:?}: {said}");
    ensure!(matches!(other.ask(Request::Status)?, Answer::Status(_)), "the status is for everybody");
    ensure!(testbed.reports()? == before, "the other user caused a report");
    ensure!(matches!(nurse.ask(Request::Keys)?, Answer::Keys(_)));

    // The first check is at once, and the next ones share a later one.
    ensure!(nurse.ask(Request::CheckNow)? == Answer::Accepted);
    wait_for("the first report", LIMIT, || Ok((testbed.reports()? == before + 1).then_some(())))?;
    for _ in 0..20 {
        let answer = nurse.ask(Request::CheckNow)?;
        ensure!(matches!(answer, Answer::Scheduled { seconds: 1..=10 }), "{answer:?}");
    }
    let (code, said) = run_as(NURSE, &agent, &["report"])?;
    ensure!(code == Some(1) && said.contains("the next one starts in"), "{code:?}: {said}");
    ensure!(testbed.reports()? == before + 2, "{} reports", testbed.reports()? - before);

    // Root is not limited.
    for _ in 0..2 {
        agent.run(&["report"])?;
    }
    ensure!(testbed.reports()? == before + 4, "{} reports", testbed.reports()? - before);
    seats.put(Some(OTHER))?;
    let answer = nurse.ask(Request::CheckNow)?;
    ensure!(answer == Answer::Refused(Refusal::NotInFront), "{answer:?}");
    Ok(())
}
