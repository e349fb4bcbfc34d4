//! The service: feeds events to the agent and has its effects executed. One thread decides, one uses the device, one
//! talks to the verifier, one watches the system; each client of the socket has its own.
//!
//! No shutdown work is needed: state is on disk before it takes effect, so the service may be killed at any
//! time.

use crate::clock;
use crate::device::DeviceExecutor;
use crate::diagnostics::DiagnosticsTexts;
use crate::notify::ServiceManager;
use crate::persistent_agent::PersistentAgent;
use crate::server::{Incoming, Server};
use crate::verifier_link::{self, ForwardedRequest, LinkInput, VerifierLink};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use vitalsign_agent_core::{DeviceEffect, Effect, Event, LocalEffect};
use vitalsign_ipc::{AgentState, Answer, Refusal, Request, Status};
use vitalsign_platform_api::Change;

/// The longest that the service waits for anything: so that a clock it cannot see costs an hour at most.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Input of the service's loop.
pub(crate) enum ServiceInput {
    Event(Event),
    Incoming(Incoming),
    /// A thread of the service has ended; its name.
    ThreadEnded(&'static str),
}

/// Tells the loop when the thread that holds it has ended, by a panic or otherwise.
struct ThreadGuard {
    name: &'static str,
    inputs: Sender<ServiceInput>,
}

impl ThreadGuard {
    fn new(name: &'static str, inputs: &Sender<ServiceInput>) -> Self {
        Self { name, inputs: inputs.clone() }
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        // Fails if the loop has ended first.
        let _ = self.inputs.send(ServiceInput::ThreadEnded(self.name));
    }
}

/// A service that is set up and not yet running.
pub(crate) struct Service {
    agent: PersistentAgent,
    inbox: Receiver<ServiceInput>,
    device: Sender<DeviceEffect>,
    verifier: UnboundedSender<LinkInput>,
    diagnostics: DiagnosticsTexts,
    /// Time of the last sign of life to the service manager, since boot.
    alive_at: Duration,
    /// Start of the effect that the device's thread executes. The clock stops while the machine sleeps.
    device_busy: Arc<Mutex<Option<Instant>>>,
    device_limit: Duration,
}

/// Maximum duration of one effect on the device. Probes and commands to the key have deadlines of less than a minute, but a
/// file or a driver may hang.
const DEVICE_LIMIT: Duration = Duration::from_secs(900);

impl Service {
    /// Starts the threads of the device and of the verifier. Inputs of the service go into the returned sender.
    /// `diagnostics` gathers the diagnostics that a client asks for.
    pub(crate) fn start(
        agent: PersistentAgent,
        mut device: DeviceExecutor,
        link: VerifierLink,
        diagnostics: DiagnosticsTexts,
    ) -> anyhow::Result<(Self, Sender<ServiceInput>)> {
        let (inputs, inbox) = channel();
        let (device_effects, effects) = channel();
        let guard = ThreadGuard::new("device", &inputs);
        let device_busy = Arc::new(Mutex::new(None));
        let busy = Arc::clone(&device_busy);
        let execute = move || {
            let set_busy = |since| *busy.lock().unwrap_or_else(PoisonError::into_inner) = since;
            for effect in effects {
                set_busy(Some(Instant::now()));
                let event = device.perform(effect);
                set_busy(None);
                if guard.inputs.send(ServiceInput::Event(event)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("device".into()).spawn(execute)?;
        // The thread and its tasks share the guard.
        let guard = Arc::new(ThreadGuard::new("verifier", &inputs));
        let verifier = verifier_link::start(link, move |event| {
            // A loop that has ended hears nothing more.
            let _ = guard.inputs.send(ServiceInput::Event(event));
        })?;
        let alive_at = vitalsign_os::elapsed();
        let device = device_effects;
        let device_limit = DEVICE_LIMIT;
        Ok((
            Self { agent, inbox, device, verifier, diagnostics, alive_at, device_busy, device_limit },
            inputs,
        ))
    }

    /// Runs until a thread of the service has ended, which only a defect can bring about, or hangs.
    pub(crate) fn run(mut self, server: &Server, manager: &ServiceManager) -> anyhow::Result<()> {
        let mut due = Duration::ZERO;
        let mut event = Event::Started;
        server.publish(self.agent.status());
        manager.ready();
        loop {
            for effect in self.agent.handle(event) {
                match effect {
                    Effect::Local(LocalEffect::WakeAt(at)) => due = at,
                    Effect::Local(LocalEffect::Publish(status)) => {
                        manager.status(&status_line(&status));
                        server.publish(*status);
                    }
                    Effect::Record(effect) => self.agent.record(effect),
                    Effect::Channel(effect) => self.send(LinkInput::Channel(effect))?,
                    // The answer brings the next time to wake, unless one is set below.
                    Effect::Verifier(effect) => {
                        due = Duration::MAX;
                        self.send(LinkInput::Request(effect))?;
                    }
                    Effect::Device(effect) => {
                        due = Duration::MAX;
                        let sent = self.device.send(effect);
                        sent.map_err(|_| anyhow::anyhow!("the device's thread has ended"))?;
                    }
                }
            }
            event = self.next(due, manager)?;
            if matches!(event, Event::Due) {
                // A time comes once.
                due = Duration::MAX;
            }
        }
    }

    fn send(&self, input: LinkInput) -> anyhow::Result<()> {
        self.verifier.send(input).map_err(|_| anyhow::anyhow!("the verifier's thread has ended"))
    }

    /// The next event, or `Due` when its time has come.
    fn next(&mut self, due: Duration, manager: &ServiceManager) -> anyhow::Result<Event> {
        loop {
            let busy = *self.device_busy.lock().unwrap_or_else(PoisonError::into_inner);
            // A restart helps a driver, and shows the trouble in the service manager.
            let hangs = busy.is_some_and(|since| since.elapsed() >= self.device_limit);
            anyhow::ensure!(!hangs, "the device thread has hung for {} s", self.device_limit.as_secs());
            let wait = self.keep_alive(manager).min(MAX_WAIT);
            let left = due.saturating_sub(vitalsign_os::elapsed());
            if left.is_zero() {
                return Ok(Event::Due);
            }
            match self.inbox.recv_timeout(left.min(wait)) {
                Ok(ServiceInput::Event(event)) => return Ok(event),
                Ok(ServiceInput::Incoming(incoming)) => {
                    if let Some(event) = self.on_request(incoming) {
                        return Ok(event);
                    }
                }
                Ok(ServiceInput::ThreadEnded(name)) => anyhow::bail!("the {name} thread has ended"),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("all event sources have ended"),
            }
        }
    }

    /// Gives the service manager a sign of life if it is due, however many events come, and returns the time until the
    /// next.
    fn keep_alive(&mut self, manager: &ServiceManager) -> Duration {
        let Some(interval) = manager.watchdog() else { return Duration::MAX };
        let now = vitalsign_os::elapsed();
        if now >= self.alive_at + interval {
            manager.alive();
            self.alive_at = now;
        }
        (self.alive_at + interval).saturating_sub(now)
    }

    /// Handles a client's request: answers it, or returns an event for the agent.
    ///
    /// Any user in front of the device may answer a step-up for any person: the assertion is bound to the
    /// person's own security key.
    fn on_request(&self, incoming: Incoming) -> Option<Event> {
        let event =
            match &incoming.request {
                Request::CheckNow if incoming.may_administer => Event::CheckNow,
                Request::CheckNow => {
                    let delay = self.agent.core.check_delay(clock::now());
                    if !delay.is_zero() {
                        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
                        incoming.answer(Answer::Scheduled { seconds });
                        return Some(Event::PacedCheck);
                    }
                    Event::PacedCheck
                }
                Request::SessionLock(_) => Event::Changed(Change::Lock),
                Request::Enrol => Event::EnrolNow,
                Request::Diagnostics => {
                    incoming.answer(Answer::Diagnostics(self.diagnostics.findings()));
                    return None;
                }
                Request::Organisation { language } => {
                    let texts = self.agent.core.organisation_texts(language, std::env::consts::OS);
                    incoming.answer(Answer::Organisation(Box::new(texts)));
                    return None;
                }
                Request::DiagnosticsText { .. } => {
                    self.gather_diagnostics(incoming);
                    return None;
                }
                Request::SendDiagnostics { text } if !self.diagnostics.was_shown(text) => {
                    incoming.answer(Answer::Refused(Refusal::NotShown));
                    return None;
                }
                Request::Ceremony(step_up) => {
                    let ceremony = self.agent.core.ceremony(*step_up);
                    incoming.answer(ceremony.map_or(Answer::Refused(Refusal::Over), |ceremony| {
                        Answer::Ceremony(Box::new(ceremony))
                    }));
                    return None;
                }
                Request::Tapped { step_up, assertion } if self.agent.core.ceremony(*step_up).is_some() => {
                    Event::AssertionReceived(*step_up, assertion.clone())
                }
                Request::GiveUp { end, .. } if !end.is_the_devices_to_say() => {
                    incoming.answer(Answer::Refused(Refusal::NotUnderstood));
                    return None;
                }
                Request::GiveUp { step_up, end } if self.agent.core.is_live(*step_up) => {
                    Event::StepUpDeclined(*step_up, *end)
                }
                Request::Tapped { .. } | Request::GiveUp { .. } => {
                    incoming.answer(Answer::Refused(Refusal::Over));
                    return None;
                }
                Request::SendDiagnostics { .. }
                | Request::BeginKey { .. }
                | Request::FinishKey { .. }
                | Request::Keys => {
                    self.forward(incoming);
                    return None;
                }
                // The socket answers these by itself.
                Request::Status | Request::Subscribe | Request::PinPeriod => return None,
            };
        incoming.answer(Answer::Accepted);
        Some(event)
    }

    /// Gathers diagnostics in a thread, because the examination asks the verifier, and answers the request with them.
    fn gather_diagnostics(&self, incoming: Incoming) {
        // A request that comes while others are gathered is dropped, which answers `Busy`.
        let Some(gathering) = self.diagnostics.begin() else { return };
        let status = self.agent.status();
        let gather = move || {
            let Request::DiagnosticsText { notes } = &incoming.request else { return };
            let text = gathering.text(&status, notes, clock::wall());
            incoming.answer(Answer::DiagnosticsText(text));
        };
        if let Err(error) = std::thread::Builder::new().name("diagnostics".into()).spawn(gather) {
            tracing::warn!(%error, "diagnostics cannot be gathered");
        }
    }

    /// Forwards a request about security keys or diagnostics to the verifier, whose answer the loop does not wait for.
    fn forward(&self, incoming: Incoming) {
        let agent = &self.agent.core;
        let (Some(session), Some((rp_id, origin))) = (agent.session(clock::now()), agent.relying_party())
        else {
            let detail = "this device has no session with its verifier: see `vitalsign status`".to_owned();
            return incoming.answer(Answer::Refused(Refusal::Verifier { problem: None, detail }));
        };
        let (rp_id, origin) = (rp_id.to_owned(), origin.to_owned());
        // A thread that has ended drops it, which answers it; the loop notices by itself.
        let _ = self.verifier.send(LinkInput::Forward(ForwardedRequest { incoming, session, rp_id, origin }));
    }
}

/// Formats the status line for the service manager.
fn status_line(status: &Status) -> String {
    let verdict = status.ear.as_ref().and_then(|ear| ear.ear_status);
    match (&status.standing, verdict) {
        (AgentState::Reporting, Some(verdict)) => format!("Reporting; this device is judged {verdict}"),
        (AgentState::Reporting | AgentState::Starting, _) => "Starting".to_owned(),
        (AgentState::NotEnrolled, _) => "Not enrolled: there is no enrolment token".to_owned(),
        (AgentState::Enrolling, _) => "Enrolling".to_owned(),
        (AgentState::Offline { detail, .. }, _) => format!("The verifier is not reached: {detail}"),
        (AgentState::Revoked, _) => "This device was revoked".to_owned(),
        (AgentState::Refused { detail, .. }, _) => format!("The verifier refuses: {detail}"),
        (AgentState::KeyTrouble { detail }, _) => format!("The report key cannot be used: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ManagedConfig};
    use crate::config_source::ConfigSource;
    use crate::pin_period::PinPeriods;
    use crate::session_lock::SessionLocks;
    use serde_json::json;
    use std::path::Path;
    use vitalsign_client::ServiceClient;
    use vitalsign_protocol::id::{RegistrationId, Secret, StepUpId};
    use vitalsign_protocol::step_up::StepUpResult;

    #[test]
    fn events_do_not_keep_the_watchdog_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("notify");
        let manager_end = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
        manager_end.set_nonblocking(true).unwrap();
        let manager = ServiceManager::with_watchdog(socket.into(), Duration::from_millis(200));
        let (mut service, inputs) = service(folder.path());
        // Events come more often than the watchdog is due.
        std::thread::spawn(move || {
            while inputs.send(ServiceInput::Event(Event::CheckNow)).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let (begun, mut heard) = (Instant::now(), 0);
        while heard < 2 {
            assert!(begun.elapsed() < Duration::from_secs(10), "heard {heard} times");
            assert!(matches!(service.next(Duration::MAX, &manager).unwrap(), Event::CheckNow));
            let mut message = [0; 16];
            if let Ok(length) = manager_end.recv(&mut message) {
                assert_eq!(message[..length], *b"WATCHDOG=1");
                heard += 1;
            }
        }
    }

    #[test]
    fn service_ends_when_a_thread_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (mut service, _inputs) = service_with(folder.path(), |device| {
            device.after_reading(|| panic!("a defect"));
        });
        service.device.send(DeviceEffect::Collect).unwrap();
        let patience = vitalsign_os::elapsed() + Duration::from_secs(30);
        let ended = service.next(patience, &ServiceManager::default());
        assert!(ended.is_err_and(|error| error.to_string().contains("device")));
    }

    #[test]
    fn service_ends_when_the_device_thread_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let (started, reached) = channel();
        let (_held, hold) = channel::<()>();
        let (mut service, inputs) = service_with(folder.path(), |device| {
            device.after_reading(move || {
                started.send(()).unwrap();
                let _ = hold.recv();
            });
        });
        let patience = || vitalsign_os::elapsed() + Duration::from_millis(10);
        service.device.send(DeviceEffect::Collect).unwrap();
        reached.recv().unwrap();
        let waits = service.next(patience(), &ServiceManager::default()).unwrap();
        assert!(matches!(waits, Event::Due), "within the limit: {waits:?}");
        service.device_limit = Duration::ZERO;
        // Events do not hide it.
        inputs.send(ServiceInput::Event(Event::CheckNow)).unwrap();
        let ended = service.next(patience(), &ServiceManager::default());
        assert!(ended.is_err_and(|error| error.to_string().contains("has hung")));
    }

    #[test]
    fn refuses_requests_about_unknown_step_ups() {
        let folder = tempfile::tempdir().unwrap();
        let (service, _inputs) = service(folder.path());
        let socket = folder.path().join("agent.sock");
        let (sender, requests) = channel();
        let _socket = Server::start(
            &socket,
            |_| true,
            SessionLocks::new(|| None),
            PinPeriods::new(|| None),
            move |incoming| {
                sender.send(incoming).unwrap();
            },
        )
        .unwrap();
        let ask = |request: Request| {
            let mut client = ServiceClient::connect(&socket).unwrap();
            let asked = std::thread::spawn(move || client.ask(request).unwrap());
            assert!(service.on_request(requests.recv().unwrap()).is_none(), "there is nothing to decide");
            asked.join().unwrap()
        };
        let step_up = StepUpId([1; 16]);
        let over = Answer::Refused(Refusal::Over);
        assert_eq!(ask(Request::Ceremony(step_up)), over);
        assert_eq!(ask(Request::Tapped { step_up, assertion: json!({}) }), over);
        for end in StepUpResult::ALL {
            let known = end.is_the_devices_to_say();
            let wanted = if known { over.clone() } else { Answer::Refused(Refusal::NotUnderstood) };
            assert_eq!(ask(Request::GiveUp { step_up, end }), wanted, "{end}");
        }
        let registration = RegistrationId([1; 16]);
        for request in [
            Request::BeginKey { code: Secret::new(vec![1]) },
            Request::FinishKey { registration, name: "blue".into(), credential: json!({}) },
            Request::Keys,
        ] {
            let answer = ask(request);
            let Answer::Refused(Refusal::Verifier { problem: None, detail }) = answer else {
                panic!("{answer:?}")
            };
            assert!(detail.contains("no session"), "{detail}");
        }
    }

    /// A service without a verifier, and the sender of its inputs.
    fn service(folder: &Path) -> (Service, Sender<ServiceInput>) {
        service_with(folder, |_| {})
    }

    fn service_with(
        folder: &Path,
        change: impl FnOnce(&mut DeviceExecutor),
    ) -> (Service, Sender<ServiceInput>) {
        let config = Config {
            verifier: None,
            token_files: Vec::new(),
            key: "software".into(),
            state: folder.into(),
            socket: folder.join("agent.sock"),
            report_seconds: None,
            managed: ManagedConfig::default(),
        };
        let source = Arc::new(ConfigSource::new(move || Ok(config.clone())).unwrap());
        let agent = PersistentAgent::open(&source).unwrap();
        let (mut device, link) = (DeviceExecutor::new(Arc::clone(&source)), VerifierLink::new(source));
        change(&mut device);
        let diagnostics = DiagnosticsTexts::new(Vec::new, folder.into());
        Service::start(agent, device, link, diagnostics).unwrap()
    }
}
