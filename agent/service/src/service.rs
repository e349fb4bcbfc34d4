//! The service: feeds events to the agent and has its effects executed. One thread decides, one uses the device, one
//! talks to the verifier, one watches the system; each client of the socket has its own.
//!
//! No shutdown work is needed: state is on disk before it takes effect, so the service may be killed at any
//! time.

use crate::clock;
use crate::device::DeviceExecutor;
use crate::notify::ServiceManager;
use crate::persistent_agent::PersistentAgent;
use crate::server::{Incoming, Server};
use crate::verifier_link::{self, ForwardedRequest, LinkInput, VerifierLink};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use vitalsign_agent_core::{DeviceEffect, Effect, Event, LocalEffect};
use vitalsign_ipc::{AgentState, Answer, Diagnostic, Refusal, Request, Status};

/// The longest that the service waits for anything: so that a clock it cannot see costs an hour at most.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Input of the service's loop.
pub(crate) enum ServiceInput {
    Event(Event),
    Incoming(Incoming),
}

/// A service that is set up and not yet running.
pub(crate) struct Service {
    agent: PersistentAgent,
    inbox: Receiver<ServiceInput>,
    device: Sender<DeviceEffect>,
    verifier: UnboundedSender<LinkInput>,
    findings: Box<dyn Fn() -> Vec<Diagnostic>>,
}

impl Service {
    /// Starts the threads of the device and of the verifier. Inputs of the service go into the returned sender.
    /// `findings` runs the diagnostics that a client asks for.
    pub(crate) fn start(
        agent: PersistentAgent,
        mut device: DeviceExecutor,
        link: VerifierLink,
        findings: impl Fn() -> Vec<Diagnostic> + 'static,
    ) -> anyhow::Result<(Self, Sender<ServiceInput>)> {
        let (inputs, inbox) = channel();
        let (device_effects, effects) = channel();
        let results = inputs.clone();
        let execute = move || {
            for effect in effects {
                if results.send(ServiceInput::Event(device.perform(effect))).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("device".into()).spawn(execute)?;
        let results = inputs.clone();
        let verifier = verifier_link::start(link, move |event| {
            // A loop that has ended hears nothing more.
            let _ = results.send(ServiceInput::Event(event));
        })?;
        let findings = Box::new(findings);
        Ok((Self { agent, inbox, device: device_effects, verifier, findings }, inputs))
    }

    /// Runs until a thread of the service has ended, which only a defect can bring about.
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
    fn next(&self, due: Duration, manager: &ServiceManager) -> anyhow::Result<Event> {
        loop {
            let left = due.saturating_sub(vitalsign_os::elapsed());
            if left.is_zero() {
                return Ok(Event::Due);
            }
            let wait = left.min(manager.watchdog().unwrap_or(MAX_WAIT)).min(MAX_WAIT);
            match self.inbox.recv_timeout(wait) {
                Ok(ServiceInput::Event(event)) => return Ok(event),
                Ok(ServiceInput::Incoming(incoming)) => {
                    if let Some(event) = self.on_request(incoming) {
                        return Ok(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => manager.alive(),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("all event sources have ended"),
            }
        }
    }

    /// Handles a client's request: answers it, or returns an event for the agent.
    ///
    /// Any user in front of the device may answer a step-up for any person: the assertion is bound to the
    /// person's own security key.
    fn on_request(&self, incoming: Incoming) -> Option<Event> {
        let event =
            match &incoming.request {
                Request::CheckNow => Event::CheckNow,
                Request::Enrol => Event::EnrolNow,
                Request::Diagnostics => {
                    incoming.answer(Answer::Diagnostics((self.findings)()));
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
                Request::BeginKey { .. } | Request::FinishKey { .. } | Request::Keys => {
                    self.forward(incoming);
                    return None;
                }
                // The socket answers these by itself.
                Request::Status | Request::Subscribe => return None,
            };
        incoming.answer(Answer::Accepted);
        Some(event)
    }

    /// Forwards a request about security keys to the verifier, whose answer the loop does not wait for.
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
    use crate::config::Config;
    use crate::config_source::ConfigSource;
    use serde_json::json;
    use std::sync::Arc;
    use vitalsign_client::ServiceClient;
    use vitalsign_protocol::id::{RegistrationId, Secret, StepUpId};
    use vitalsign_protocol::step_up::StepUpResult;

    #[test]
    fn refuses_requests_about_unknown_step_ups() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            verifier: None,
            token_file: None,
            key: "software".into(),
            state: folder.path().into(),
            socket: folder.path().join("agent.sock"),
            report_seconds: None,
        };
        let read = config.clone();
        let source = Arc::new(ConfigSource::new(move || Ok(read.clone())).unwrap());
        let (device, link) = (DeviceExecutor::new(Arc::clone(&source)), VerifierLink::new(source));
        let agent = PersistentAgent::open(&config).unwrap();
        let (service, _inputs) = Service::start(agent, device, link, Vec::new).unwrap();
        let (sender, requests) = channel();
        let _socket =
            Server::start(&config.socket, |_| true, move |incoming| sender.send(incoming).unwrap()).unwrap();
        let ask = |request: Request| {
            let mut client = ServiceClient::connect(&config.socket).unwrap();
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
}
