//! Taking step-ups: what [`crate::flow`] decides, done.

use crate::agent::{Agent, Keys, Service};
use crate::flow::{Choice, Effect, Event, Flow};
use crate::{Lost, Surface};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use vitalsign_client::ClientError;
use vitalsign_ipc::{Answer, Request};
use vitalsign_protocol::step_up;
use vitalsign_security_key::Cancel;

/// How long to wait before the service is looked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long nothing may change until it is asked for once more whether the service is there.
const QUIET: Duration = Duration::from_secs(60);

/// Where a person's answers come in.
#[derive(Clone, Debug)]
pub struct Inbox(Sender<Event>);

impl Inbox {
    /// What the person says about the step-up that is asked now.
    pub fn say(&self, choice: Choice) {
        // Nobody listens any more when all is over.
        let _ = self.0.send(Event::Said(choice));
    }
    /// The person is away, and nothing is to be asked; or is back.
    pub fn away(&self, away: bool) {
        let _ = self.0.send(Event::Away(away));
    }
    /// The person leaves; what is asked stays open.
    pub fn leave(&self) {
        let _ = self.0.send(Event::Leave);
    }
    /// One, and where it ends.
    #[must_use]
    pub fn new() -> (Self, Receiver<Event>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }
}

/// Why listening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The step-up that was waited for ended so.
    StepUp(step_up::End),
    /// The person has left.
    Left,
}

/// Takes step-ups until the person leaves, or, where `once`, until one has ended. A service that goes, or is not there
/// yet, is looked for.
pub fn listen<A: Agent + 'static, K: Keys + 'static>(
    agent: &Arc<A>,
    service: Option<Box<dyn Service>>,
    keys: &Arc<K>,
    surface: &mut impl Surface,
    (inbox, events): (Inbox, Receiver<Event>),
    once: bool,
) -> End {
    let (watched, told) = (Arc::clone(agent), inbox.0.clone());
    std::thread::spawn(move || watch(&*watched, service, &told));

    let mut flow = Flow::default();
    let mut cancel = Cancel::new();
    for event in events {
        for effect in flow.on(event) {
            match effect {
                Effect::Fetch(id) => {
                    let answer = ask(&**agent, Request::Ceremony(id));
                    let _ = inbox.0.send(Event::Fetched(id, answer));
                }
                Effect::Tell(id, request) => {
                    let answer = ask(&**agent, request);
                    let _ = inbox.0.send(Event::Told(id, answer));
                }
                Effect::Perform(attempt, ceremony) => {
                    cancel = Cancel::new();
                    let (keys, cancel, told) = (Arc::clone(keys), cancel.clone(), inbox.0.clone());
                    std::thread::spawn(move || {
                        let mut prompts = |prompt| drop(told.send(Event::Prompt(attempt, prompt)));
                        let end = keys.perform(&ceremony, &mut prompts, &cancel);
                        let _ = told.send(Event::Performed(attempt, end));
                    });
                }
                Effect::Stop => cancel.cancel(),
                Effect::Show(shown) => surface.show(shown),
                Effect::Ended(_, end) if once => return End::StepUp(end),
                Effect::Ended(..) => {}
                Effect::Quit => return End::Left,
            }
        }
    }
    // The inbox above is one of its own senders, so that events do not end.
    End::Left
}

fn ask(agent: &dyn Agent, request: Request) -> Result<Answer, Lost> {
    agent.connect().and_then(|mut service| service.ask(request)).map_err(|error| Lost::from(&error))
}

/// Passes on how things stand, for as long as somebody listens.
fn watch(agent: &dyn Agent, mut service: Option<Box<dyn Service>>, events: &Sender<Event>) {
    let mut said = None;
    loop {
        let why = match service.take().map_or_else(|| agent.connect(), Ok) {
            Ok(service) => match follow(service, events, &mut said) {
                Some(why) => why,
                None => return,
            },
            Err(error) => Lost::from(&error),
        };
        // The same is said once.
        if said.as_ref() != Some(&why) {
            said = Some(why.clone());
            if events.send(Event::Lost(why)).is_err() {
                return;
            }
        }
        std::thread::sleep(AGAIN);
    }
}

/// Why the service is lost; none when nobody listens.
fn follow(mut service: Box<dyn Service>, events: &Sender<Event>, said: &mut Option<Lost>) -> Option<Lost> {
    let mut status = match service.ask(Request::Subscribe) {
        Ok(Answer::Status(status)) => status,
        // It starts, and has nothing to say yet.
        Ok(Answer::Refused(refusal)) => return Some(Lost::from(&refusal)),
        Ok(_) => return Some(Lost::odd()),
        Err(error) => return Some(Lost::from(&error)),
    };
    loop {
        *said = None;
        events.send(Event::Status(status)).ok()?;
        status = loop {
            match service.event(QUIET) {
                Ok(status) => break Box::new(status),
                Err(ClientError::TimedOut) => {}
                Err(error) => return Some(Lost::from(&error)),
            }
        };
    }
}
