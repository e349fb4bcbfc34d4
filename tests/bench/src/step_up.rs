//! A step-up, without the person: from the application's request to the prompt, and from the security key's answer to the
//! application's tokens; beside what the key takes by itself.

use crate::{fleet, stats};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use vitalsign_client::ServiceClient;
use vitalsign_e2e::{Agent, Testbed};
use vitalsign_ipc::Stage;
use vitalsign_ipc::{Answer, Request, StepUpCeremony};
use vitalsign_protocol::id::{Secret, StepUpId};
use vitalsign_security_key::{self as keys, Cancel, Operation, Pin, Prompt, SecurityKeys};
use vitalsign_simulated_key::{Options, SimulatedKey, Tap, Transport};

pub(crate) const USER: &str = "nurse-7";
const PIN: &str = "123456";
/// Taps in a row: those of a shift.
const ROUNDS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(60);

/// Medians in milliseconds.
pub(crate) struct StepUp {
    /// From sending `/bc-authorize` to a step-up that waits for its tap, at the session program's end of the socket.
    pub(crate) request_to_prompt_ms: f64,
    /// From the key's answer to the tokens.
    pub(crate) tap_to_token_ms: f64,
    /// The same, the slowest of all taps.
    pub(crate) slowest_tap_to_token_ms: f64,
    /// From handing the PIN to a key with a finger on it to the tokens: both of them.
    pub(crate) pin_to_token_ms: f64,
    /// The key's part: PIN and signature, with a finger on it.
    pub(crate) key_ms: f64,
    /// Bytes in the verifier's audit log.
    pub(crate) logged_bytes: f64,
}

/// Enrols a device, registers a key, and asks for taps.
pub(crate) fn measure(agent: &Path, verifier: &Path) -> Result<StepUp> {
    let testbed = Testbed::with_programs(agent, verifier)?;
    let (agent, _service, _) = testbed.enrolled("device")?;
    testbed.add_user(USER)?;
    let key = Options { tap: Tap::Auto, ..Options::new(Transport::Usb, &testbed.maker) };
    let key = SimulatedKey::start(key)?;
    let reached = SecurityKeys::reaching(Some(key.usb_address()), false)?;
    register(&testbed, &agent, &reached)?;
    let application = Application::of(&testbed)?;
    let mut prompts = prompts(&agent)?;

    let (mut to_prompt, mut at_key, mut to_token) = (Vec::new(), Vec::new(), Vec::new());
    let mut all = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let logged = || runtime.block_on(fleet::logged(&testbed.folder().join("data/verifier.db")));
    let before = logged()?;
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let auth_req_id = application.ask(&format!("EHR: sign order {round}"))?;
        let (step_up, at) = prompts.next_prompt()?;
        to_prompt.push(at.duration_since(begun));

        let mut service = ServiceClient::connect(&agent.socket())?;
        let Answer::Ceremony(ceremony) = service.ask(Request::Ceremony(step_up))? else {
            bail!("the service has nothing to sign")
        };
        // The application waits for its token while the key is at work.
        let waiting = application.wait(&auth_req_id);
        let asked = Instant::now();
        let assertion = perform(&reached, &ceremony, Operation::Get(ceremony.options.clone()))?;
        let answered = Instant::now();
        at_key.push(answered.duration_since(asked));
        let taken = service.ask(Request::Tapped { step_up, assertion })?;
        ensure!(taken == Answer::Accepted, "{taken:?}");
        let (tokens, at) = waiting.recv_timeout(PATIENCE)??;
        ensure!(tokens.get("id_token").is_some(), "{tokens}");
        to_token.push(at.duration_since(answered));
        all.push(at.duration_since(asked));
    }
    Ok(StepUp {
        request_to_prompt_ms: median_ms(&mut to_prompt),
        slowest_tap_to_token_ms: ms(to_token.iter().max().copied().unwrap_or_default()),
        tap_to_token_ms: median_ms(&mut to_token),
        pin_to_token_ms: median_ms(&mut all),
        key_ms: median_ms(&mut at_key),
        logged_bytes: (logged()? - before) / stats::float(u64::try_from(ROUNDS)?),
    })
}

fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    ms(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn ms(time: Duration) -> f64 {
    stats::float(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)) / 1000.0
}

pub(crate) fn register(testbed: &Testbed, agent: &Agent, reached: &SecurityKeys) -> Result<()> {
    let mut service = ServiceClient::connect(&agent.socket())?;
    let code = Secret::new(testbed.key_code(USER)?.into_bytes());
    let Answer::Registration { registration, ceremony, .. } = service.ask(Request::BeginKey { code })? else {
        bail!("the registration did not begin")
    };
    let credential = perform(reached, &ceremony, Operation::Create(ceremony.options.clone()))?;
    let end = service.ask(Request::FinishKey { registration, name: "bench".to_owned(), credential })?;
    ensure!(matches!(end, Answer::Keys(_)), "{end:?}");
    Ok(())
}

fn perform(reached: &SecurityKeys, ceremony: &StepUpCeremony, operation: Operation) -> Result<Value> {
    let (origin, rp_id) = (ceremony.origin.clone(), ceremony.rp_id.clone());
    let ceremony = keys::Ceremony { origin, rp_id, operation };
    let prompt = |prompt: Prompt| {
        if let Prompt::Pin(pin) = prompt {
            pin.reply.enter(Pin::new(PIN.to_owned()));
        }
    };
    Ok(reached.perform(&ceremony, prompt, &Cancel::new())?)
}

/// Prompts as the session program would receive them.
pub(crate) struct Prompts(Receiver<(StepUpId, Instant)>);

pub(crate) fn prompts(agent: &Agent) -> Result<Prompts> {
    let mut service = ServiceClient::connect(&agent.socket())?;
    service.ask(Request::Subscribe)?;
    let (sender, shown) = channel();
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        while let Ok(status) = service.event(Duration::from_secs(3600)) {
            let now = Instant::now();
            for step_up in status.step_ups {
                if step_up.stage == Stage::Tap && !seen.contains(&step_up.id) {
                    seen.push(step_up.id);
                    let _ = sender.send((step_up.id, now));
                }
            }
        }
    });
    Ok(Prompts(shown))
}

impl Prompts {
    pub(crate) fn next_prompt(&mut self) -> Result<(StepUpId, Instant)> {
        self.0.recv_timeout(PATIENCE).context("there was no prompt")
    }
}

/// An application, with one connection that it keeps.
#[derive(Clone)]
pub(crate) struct Application {
    http: reqwest::blocking::Client,
    url: String,
    secret: String,
}

impl Application {
    pub(crate) fn of(testbed: &Testbed) -> Result<Self> {
        let anchor = reqwest::Certificate::from_pem(&std::fs::read(testbed.anchor())?)?;
        let http = reqwest::blocking::Client::builder()
            .tls_certs_only([anchor])
            .timeout(PATIENCE)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { http, url: testbed.url(), secret: std::fs::read_to_string(testbed.secret_of_ehr()?)? })
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).basic_auth("ehr", Some(&self.secret));
        Ok(request.form(form).send()?.error_for_status()?.json()?)
    }

    pub(crate) fn ask(&self, message: &str) -> Result<String> {
        let form = [("scope", "openid"), ("login_hint", USER), ("binding_message", message)];
        let begun = self.post("/bc-authorize", &form)?;
        Ok(begun.get("auth_req_id").and_then(Value::as_str).context("no auth_req_id")?.to_owned())
    }

    /// The tokens, and when they came.
    fn wait(&self, auth_req_id: &str) -> Receiver<Result<(Value, Instant)>> {
        let (sender, tokens) = channel();
        let (application, auth_req_id) = (self.clone(), auth_req_id.to_owned());
        std::thread::spawn(move || {
            let grant = "urn:openid:params:grant-type:ciba";
            let form = [("grant_type", grant), ("auth_req_id", auth_req_id.as_str())];
            let tokens = application.post("/token", &form).map(|tokens| (tokens, Instant::now()));
            let _ = sender.send(tokens);
        });
        tokens
    }
}
