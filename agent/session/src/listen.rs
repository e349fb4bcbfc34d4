//! Taking step-ups: what [`crate::flow`] decides, done.

use crate::agent::{SecurityKeyClient, Service, ServiceConnector};
use crate::flow::{Choice, Flow, FlowEffect, FlowEvent};
use crate::{Disconnected, Ui};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use vitalsign_client::ClientError;
use vitalsign_ipc::{Answer, Request};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up;
use vitalsign_security_key::Cancel;

/// Delay before reconnecting to the service.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Time without a message after which the service is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(60);

/// Sends the person's answers to the session.
#[derive(Clone, Debug)]
pub struct Inbox(Sender<FlowEvent>);

impl Inbox {
    /// Answers the step-up that is being prompted.
    pub fn say(&self, choice: Choice) {
        // Fails only after the session has ended.
        let _ = self.0.send(FlowEvent::Said(choice));
    }
    /// Answers this step-up, and no other.
    pub fn answer(&self, step_up: StepUpId, choice: Choice) {
        let _ = self.0.send(FlowEvent::Answered(step_up, choice));
    }
    /// Reports that the whole text of a step-up was shown.
    pub fn read(&self, step_up: StepUpId) {
        let _ = self.0.send(FlowEvent::Read(step_up));
    }
    /// Reports that the person has left (`true`) or returned. Nothing is prompted while they are away.
    pub fn away(&self, away: bool) {
        let _ = self.0.send(FlowEvent::Away(away));
    }
    /// Ends the session; open step-ups stay open.
    pub fn leave(&self) {
        let _ = self.0.send(FlowEvent::Leave);
    }
    /// Creates an inbox and its receiver.
    #[must_use]
    pub fn new() -> (Self, Receiver<FlowEvent>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenResult {
    /// The step-up that was waited for ended so.
    StepUp(step_up::StepUpResult),
    Left,
}

/// Takes step-ups until the person leaves, or, where `once`, until one has ended. A service that goes, or is not there
/// yet, is looked for.
pub fn listen<A: ServiceConnector + 'static, K: SecurityKeyClient + 'static>(
    agent: &Arc<A>,
    service: Option<Box<dyn Service>>,
    keys: &Arc<K>,
    surface: &mut impl Ui,
    (inbox, events): (Inbox, Receiver<FlowEvent>),
    once: bool,
) -> ListenResult {
    let (watched, told) = (Arc::clone(agent), inbox.0.clone());
    std::thread::spawn(move || watch(&*watched, service, &told));

    let mut flow = Flow::new(surface.abilities());
    let mut cancel = Cancel::new();
    for event in events {
        for effect in flow.on(event) {
            match effect {
                FlowEffect::Fetch(id) => {
                    let answer = ask(&**agent, Request::Ceremony(id));
                    let _ = inbox.0.send(FlowEvent::Fetched(id, answer));
                }
                FlowEffect::Tell(id, request) => {
                    let answer = ask(&**agent, request);
                    let _ = inbox.0.send(FlowEvent::Told(id, answer));
                }
                FlowEffect::Perform(attempt, ceremony) => {
                    cancel = Cancel::new();
                    let (keys, cancel, told) = (Arc::clone(keys), cancel.clone(), inbox.0.clone());
                    std::thread::spawn(move || {
                        let mut prompts = |prompt| drop(told.send(FlowEvent::Prompt(attempt, prompt)));
                        let end = keys.perform(&ceremony, &mut prompts, &cancel);
                        let _ = told.send(FlowEvent::Performed(attempt, end));
                    });
                }
                FlowEffect::Stop => cancel.cancel(),
                FlowEffect::Show(shown) => surface.show(shown),
                FlowEffect::Ended(_, end) if once => return ListenResult::StepUp(end),
                FlowEffect::Ended(..) => {}
                FlowEffect::Quit => return ListenResult::Left,
            }
        }
    }
    // Unreachable: the inbox holds a sender itself.
    ListenResult::Left
}

fn ask(agent: &dyn ServiceConnector, request: Request) -> Result<Answer, Disconnected> {
    agent.connect().and_then(|mut service| service.ask(request)).map_err(|error| Disconnected::from(&error))
}

/// Forwards status updates until the receiver is dropped.
fn watch(agent: &dyn ServiceConnector, mut service: Option<Box<dyn Service>>, events: &Sender<FlowEvent>) {
    let mut said = None;
    loop {
        let why = match service.take().map_or_else(|| agent.connect(), Ok) {
            Ok(service) => match follow(service, events, &mut said) {
                Some(why) => why,
                None => return,
            },
            Err(error) => Disconnected::from(&error),
        };
        // The same is said once.
        if said.as_ref() != Some(&why) {
            said = Some(why.clone());
            if events.send(FlowEvent::Disconnected(why)).is_err() {
                return;
            }
        }
        std::thread::sleep(RECONNECT_DELAY);
    }
}

/// Returns why the connection ended; `None` if the receiver was dropped.
fn follow(
    mut service: Box<dyn Service>,
    events: &Sender<FlowEvent>,
    said: &mut Option<Disconnected>,
) -> Option<Disconnected> {
    let mut status = match service.ask(Request::Subscribe) {
        Ok(Answer::Status(status)) => status,
        // It starts, and has nothing to say yet.
        Ok(Answer::Refused(refusal)) => return Some(Disconnected::from(&refusal)),
        Ok(_) => return Some(Disconnected::odd()),
        Err(error) => return Some(Disconnected::from(&error)),
    };
    loop {
        *said = None;
        events.send(FlowEvent::Status(status)).ok()?;
        status = loop {
            match service.event(PING_INTERVAL) {
                Ok(status) => break Box::new(status),
                Err(ClientError::TimedOut) => {}
                Err(error) => return Some(Disconnected::from(&error)),
            }
        };
    }
}
