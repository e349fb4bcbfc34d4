//! Taking step-ups, with a scripted service and scripted keys.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vitalsign_client::ClientError;
use vitalsign_ipc::{AgentState, Answer, Refusal, Request, Stage, Status, StepUp, StepUpCeremony};
use vitalsign_protocol::id::{RegistrationId, Secret, StepUpId};
use vitalsign_protocol::step_up::{Acr, RegisteredKey, StepUpResult};
use vitalsign_security_key::{Cancel, Failure, Operation, Prompt};
use vitalsign_session::flow::Choice;
use vitalsign_session::{
    DisconnectReason, Disconnected, Inbox, ListenResult as Left, RegisterError, SecurityKeyClient, Service,
    ServiceConnector, SessionError, Ui, UiUpdate, listen, register,
};

/// Nothing here takes so long.
const LIMIT: Duration = Duration::from_secs(30);
const FIRST: StepUpId = StepUpId([1; 16]);
const SECOND: StepUpId = StepUpId([2; 16]);

fn step_up(id: StepUpId, stage: Stage) -> StepUp {
    StepUp {
        id,
        application: "ehr".into(),
        user: "nurse-7".into(),
        message: "sign order 4711".into(),
        authorization_details: None,
        details_schemas: Default::default(),
        acr: Acr::HardwareKey,
        until: 1_795_317_300,
        pin_entered: None,
        stage,
    }
}

fn ended(id: StepUpId, end: StepUpResult) -> StepUp {
    step_up(id, Stage::Ended { end, reasons: Vec::new() })
}

fn status(step_ups: Vec<StepUp>) -> Status {
    Status {
        standing: AgentState::Reporting,
        enrolment: None,
        ear: None,
        reported_at: None,
        posture: None,
        busy: false,
        next_report_seconds: 0,
        cost: None,
        listening: true,
        step_ups,
        guidance: vitalsign_ipc::Guidance::default(),
        settings: vitalsign_ipc::SettingsState::default(),
    }
}

/// A service that says what the test says, and that passes on what it was told.
struct FakeAgent(Arc<Script>);

struct Script {
    /// Each subscriber's events; when they end, the service is lost.
    events: Mutex<VecDeque<Receiver<Status>>>,
    answers: Mutex<VecDeque<Answer>>,
    told: Sender<Request>,
}

struct FakeService(Arc<Script>, Option<Receiver<Status>>);

impl ServiceConnector for FakeAgent {
    fn connect(&self) -> Result<Box<dyn Service>, ClientError> {
        Ok(Box::new(FakeService(Arc::clone(&self.0), None)))
    }
}

impl Service for FakeService {
    fn ask(&mut self, request: Request) -> Result<Answer, ClientError> {
        if request == Request::Subscribe {
            self.1 = self.0.events.lock().unwrap().pop_front();
            return self.event(Duration::ZERO).map(|status| Answer::Status(Box::new(status)));
        }
        self.0.told.send(request).unwrap();
        Ok(self.0.answers.lock().unwrap().pop_front().unwrap_or(Answer::Accepted))
    }
    fn event(&mut self, _: Duration) -> Result<Status, ClientError> {
        self.1.as_ref().and_then(|events| events.recv().ok()).ok_or(ClientError::Closed)
    }
}

/// Keys that do what the test says: prompts, and an end; none waits until it is cancelled.
type Act = (Vec<Prompt>, Option<Result<Value, Failure>>);

#[derive(Default)]
struct FakeKeys {
    acts: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<Operation>>,
}

impl SecurityKeyClient for FakeKeys {
    fn perform(
        &self,
        ceremony: &vitalsign_security_key::Ceremony,
        prompts: &mut (dyn FnMut(Prompt) + Send),
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        assert_eq!((&*ceremony.origin, &*ceremony.rp_id), ("https://verifier.example", "verifier.example"));
        self.asked.lock().unwrap().push(ceremony.operation.clone());
        let (shown, end) = self.acts.lock().unwrap().pop_front().unwrap();
        shown.into_iter().for_each(prompts);
        end.unwrap_or_else(|| {
            while !cancel.is_cancelled() {
                std::thread::yield_now();
            }
            Err(Failure::Cancelled)
        })
    }
}

struct Screen(Sender<UiUpdate>);

impl Ui for Screen {
    fn show(&mut self, shown: UiUpdate) {
        let _ = self.0.send(shown);
    }
}

/// A session that runs, and both ends of it.
struct Fixture {
    status: Sender<Status>,
    /// Updates seen by the second connection after the first is lost.
    later: Sender<Status>,
    told: Receiver<Request>,
    shown: Receiver<UiUpdate>,
    inbox: Inbox,
    keys: Arc<FakeKeys>,
    thread: std::thread::JoinHandle<Left>,
}

fn ceremony(challenge: &str) -> Answer {
    let (origin, rp_id) = ("https://verifier.example".to_owned(), "verifier.example".to_owned());
    Answer::Ceremony(Box::new(StepUpCeremony { origin, rp_id, options: json!({"challenge": challenge}) }))
}

fn begin(once: bool, acts: Vec<Act>, answers: Vec<Answer>) -> Fixture {
    let ((status, first), (later, second)) = (mpsc::channel(), mpsc::channel());
    let ((tell, told), (show, shown)) = (mpsc::channel(), mpsc::channel());
    let events = Mutex::new([first, second].into());
    let script = Script { events, answers: Mutex::new(answers.into()), told: tell };
    let agent = Arc::new(FakeAgent(Arc::new(script)));
    let keys = Arc::new(FakeKeys { acts: Mutex::new(acts.into()), asked: Mutex::default() });
    let (inbox, happenings) = Inbox::new();
    let (own, performing) = (inbox.clone(), Arc::clone(&keys));
    let listening = move || listen(&agent, None, &performing, &mut Screen(show), (own, happenings), once);
    Fixture { status, later, told, shown, inbox, keys, thread: std::thread::spawn(listening) }
}

impl Fixture {
    fn says(&self, step_ups: Vec<StepUp>) {
        self.status.send(status(step_ups)).unwrap();
    }
    /// Returns the next request to the service.
    fn told(&self) -> Request {
        self.told.recv_timeout(LIMIT).unwrap()
    }
    /// Waits until this is shown.
    fn shows(&self, what: impl Fn(&UiUpdate) -> bool) -> UiUpdate {
        loop {
            let shown = self.shown.recv_timeout(LIMIT).unwrap();
            if what(&shown) {
                return shown;
            }
        }
    }
    fn end(self) -> Left {
        drop((self.status, self.later));
        self.thread.join().unwrap()
    }
}

#[test]
fn a_tap_is_taken_to_the_service() {
    let assertion = json!({"id": "AA"});
    let fixture = begin(
        true,
        vec![(vec![Prompt::Touch { keys: 1 }], Some(Ok(assertion.clone())))],
        vec![ceremony("C")],
    );
    fixture.says(Vec::new());
    fixture.shows(|shown| matches!(shown, UiUpdate::Idle));
    fixture.says(vec![step_up(FIRST, Stage::Preparing)]);
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    fixture.shows(|shown| {
        matches!(shown, UiUpdate::Prompt { step_up: FIRST, prompt: Prompt::Touch { keys: 1 } })
    });
    assert_eq!(fixture.told(), Request::Tapped { step_up: FIRST, assertion });
    assert_eq!(*fixture.keys.asked.lock().unwrap(), [Operation::Get(json!({"challenge": "C"}))]);
    fixture.says(vec![step_up(FIRST, Stage::Checking)]);
    fixture.says(vec![ended(FIRST, StepUpResult::Approved)]);
    assert_eq!(fixture.end(), Left::StepUp(StepUpResult::Approved));
}

#[test]
fn each_failure_of_a_key_has_its_end() {
    let cases = [
        (Failure::Cancelled, Some(StepUpResult::Declined)),
        (Failure::WrongKey, Some(StepUpResult::WrongKey)),
        (Failure::PinBlocked { until_reinserted: true }, Some(StepUpResult::PinBlocked)),
        (Failure::PinBlocked { until_reinserted: false }, Some(StepUpResult::PinBlocked)),
        (Failure::NoUserVerification, Some(StepUpResult::NoKey)),
        (Failure::Unfit("x".into()), Some(StepUpResult::NoKey)),
        (Failure::Unavailable("x".into()), Some(StepUpResult::NoKey)),
        (Failure::Refused("x".into()), Some(StepUpResult::NoKey)),
        // The verifier knows by itself.
        (Failure::TimedOut, None),
    ];
    for (failure, wanted) in cases {
        let fixture = begin(true, vec![(Vec::new(), Some(Err(failure.clone())))], vec![ceremony("C")]);
        fixture.says(Vec::new());
        fixture.says(vec![step_up(FIRST, Stage::Tap)]);
        assert_eq!(fixture.told(), Request::Ceremony(FIRST));
        fixture.shows(|shown| matches!(shown, UiUpdate::SessionError { step_up: FIRST, .. }));
        if let Some(end) = wanted {
            assert!(end.is_the_devices_to_say());
            assert_eq!(fixture.told(), Request::GiveUp { step_up: FIRST, end }, "{failure:?}");
        }
        // It is not asked again, whatever else happens, until it is over.
        fixture.says(vec![step_up(FIRST, Stage::Tap), step_up(SECOND, Stage::Preparing)]);
        fixture.says(vec![ended(FIRST, wanted.unwrap_or(StepUpResult::TimedOut))]);
        assert_eq!(fixture.end(), Left::StepUp(wanted.unwrap_or(StepUpResult::TimedOut)));
    }
}

#[test]
fn a_person_says_no_and_the_key_is_let_go() {
    for (choice, end) in [
        (Choice::Decline, StepUpResult::Declined),
        (Choice::NotMine, StepUpResult::NotMine),
        (Choice::NoPin, StepUpResult::NoKey),
    ] {
        let fixture = begin(true, vec![(vec![Prompt::Insert], None)], vec![ceremony("C")]);
        fixture.says(vec![step_up(FIRST, Stage::Tap)]);
        fixture.shows(|shown| matches!(shown, UiUpdate::Prompt { .. }));
        fixture.inbox.say(choice);
        assert_eq!(fixture.told(), Request::Ceremony(FIRST));
        assert_eq!(fixture.told(), Request::GiveUp { step_up: FIRST, end });
        // Said again, it is about nothing.
        fixture.inbox.say(choice);
        fixture.says(vec![ended(FIRST, end)]);
        assert_eq!(fixture.end(), Left::StepUp(end));
    }
}

#[test]
fn prompts_in_order_and_releases_key_when_closed() {
    let acts = vec![(vec![Prompt::Insert], None), (Vec::new(), Some(Ok(json!({}))))];
    let fixture = begin(false, acts, vec![ceremony("A"), ceremony("B")]);
    fixture.says(vec![step_up(FIRST, Stage::Tap), step_up(SECOND, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    fixture.shows(|shown| matches!(shown, UiUpdate::Prompt { step_up: FIRST, .. }));
    fixture.says(vec![ended(FIRST, StepUpResult::Superseded), step_up(SECOND, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(SECOND));
    assert_eq!(fixture.told(), Request::Tapped { step_up: SECOND, assertion: json!({}) });
    fixture.inbox.leave();
    assert_eq!(fixture.end(), Left::Left);
}

#[test]
fn while_the_person_is_away_no_key_is_asked() {
    let acts = vec![(vec![Prompt::Insert], None), (Vec::new(), Some(Ok(json!({}))))];
    let fixture = begin(false, acts, vec![ceremony("A"), ceremony("B")]);
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    fixture.shows(|shown| matches!(shown, UiUpdate::Prompt { .. }));
    fixture.inbox.away(true);
    fixture.says(vec![step_up(FIRST, Stage::Tap), step_up(SECOND, Stage::Tap)]);
    fixture.shows(
        |shown| matches!(shown, UiUpdate::Status { changed, .. } if changed.iter().any(|it| it.id == SECOND)),
    );
    assert!(fixture.told.try_recv().is_err());
    fixture.inbox.away(false);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    assert_eq!(fixture.told(), Request::Tapped { step_up: FIRST, assertion: json!({}) });
    fixture.inbox.leave();
    fixture.end();
}

#[test]
fn prompts_again_for_a_new_challenge() {
    let acts = vec![(vec![Prompt::Insert], None), (Vec::new(), Some(Ok(json!({}))))];
    let fixture = begin(false, acts, vec![ceremony("A"), ceremony("B")]);
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    fixture.shows(|shown| matches!(shown, UiUpdate::Prompt { .. }));
    fixture.says(vec![step_up(FIRST, Stage::Preparing)]);
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    assert_eq!(fixture.told(), Request::Tapped { step_up: FIRST, assertion: json!({}) });
    let asked = fixture.keys.asked.lock().unwrap().clone();
    assert_eq!(asked, [Operation::Get(json!({"challenge": "A"})), Operation::Get(json!({"challenge": "B"}))]);
    fixture.inbox.leave();
    fixture.end();
}

#[test]
fn reconnects_to_restarted_service_and_prompts_again() {
    let acts = vec![(vec![Prompt::Insert], None), (Vec::new(), Some(Ok(json!({}))))];
    let mut fixture = begin(false, acts, vec![ceremony("A"), ceremony("B")]);
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    fixture.shows(|shown| matches!(shown, UiUpdate::Prompt { .. }));
    fixture.status = fixture.later.clone();
    fixture.shows(|shown| matches!(shown, UiUpdate::Disconnected(_)));
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    assert_eq!(fixture.told(), Request::Tapped { step_up: FIRST, assertion: json!({}) });
    fixture.inbox.leave();
    fixture.end();
}

#[test]
fn reports_refusals_but_not_old_results() {
    let fixture =
        begin(true, Vec::new(), vec![Answer::Refused(Refusal::Over), Answer::Refused(Refusal::Busy)]);
    fixture.says(vec![ended(SECOND, StepUpResult::Approved)]);
    fixture.shows(|shown| matches!(shown, UiUpdate::Idle));
    // It went on between the status and the question.
    fixture.says(vec![ended(SECOND, StepUpResult::Approved), step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    fixture.says(vec![step_up(FIRST, Stage::Preparing)]);
    fixture.shows(|shown| matches!(shown, UiUpdate::Status { changed, .. } if changed.iter().any(|it| it.stage == Stage::Preparing)));
    fixture.says(vec![step_up(FIRST, Stage::Tap)]);
    assert_eq!(fixture.told(), Request::Ceremony(FIRST));
    let busy = SessionError::Refused(Refusal::Busy);
    fixture.shows(|shown| matches!(shown, UiUpdate::SessionError { trouble, .. } if *trouble == busy));
    let reasons = vec!["os-reboot".to_owned()];
    fixture.says(vec![step_up(FIRST, Stage::Ended { end: StepUpResult::Unhealthy, reasons })]);
    assert_eq!(fixture.end(), Left::StepUp(StepUpResult::Unhealthy));
}

#[test]
fn no_service_is_said_at_once() {
    struct Nobody;
    impl ServiceConnector for Nobody {
        fn connect(&self) -> Result<Box<dyn Service>, ClientError> {
            Err(ClientError::NotRunning("/nowhere".into()))
        }
    }
    let (show, shown) = mpsc::channel();
    let (inbox, events) = Inbox::new();
    let left = inbox.clone();
    let listening = std::thread::spawn(move || {
        let keys = Arc::new(FakeKeys::default());
        listen(&Arc::new(Nobody), None, &keys, &mut Screen(show), (inbox, events), false)
    });
    let first = shown.recv_timeout(LIMIT).unwrap();
    assert!(
        matches!(first, UiUpdate::Disconnected(Disconnected { loss: DisconnectReason::NotRunning, .. })),
        "{first:?}"
    );
    left.leave();
    assert_eq!(listening.join().unwrap(), Left::Left);
}

/// Registers with these answers of the service, and this end at the key.
fn registering(
    answers: Vec<Answer>,
    end: Result<Value, Failure>,
) -> (Result<RegisteredKey, RegisterError>, Vec<Request>) {
    let (tell, told) = mpsc::channel();
    let script = Script { events: Mutex::default(), answers: Mutex::new(answers.into()), told: tell };
    let keys =
        FakeKeys { acts: Mutex::new([(vec![Prompt::Insert], Some(end))].into()), asked: Mutex::default() };
    let code = Secret::new(b"code".to_vec());
    let agent = FakeAgent(Arc::new(script));
    let mut shown = 0;
    let end = register(&agent, &keys, code, "blue key", |_| {}, &mut |_| shown += 1, &Cancel::new());
    (end, told.try_iter().collect())
}

#[test]
fn a_key_is_registered() {
    let Answer::Ceremony(ceremony) = ceremony("C") else { panic!() };
    let registration = RegistrationId([3; 16]);
    let begun = Answer::Registration { registration, user: "nurse-7".into(), ceremony };
    let key = RegisteredKey {
        id: 1,
        user: "nurse-7".into(),
        name: "blue key".into(),
        model: "Example Key".into(),
        registered: 1_795_317_300,
        last_used: None,
    };
    let (end, told) =
        registering(vec![begun.clone(), Answer::Keys(vec![key.clone()])], Ok(json!({"id": "AA"})));
    assert_eq!(end.unwrap(), key);
    let finish =
        Request::FinishKey { registration, name: "blue key".into(), credential: json!({"id": "AA"}) };
    assert_eq!(told, [Request::BeginKey { code: Secret::new(b"code".to_vec()) }, finish]);

    let (end, told) = registering(vec![begun.clone()], Err(Failure::AlreadyRegistered));
    assert!(matches!(end, Err(RegisterError::Key(Failure::AlreadyRegistered))));
    assert_eq!(told.len(), 1);

    let no = || Refusal::Verifier { problem: Some("urn:x".into()), detail: "no such code".into() };
    let (end, _) = registering(vec![Answer::Refused(no())], Ok(json!({})));
    assert!(matches!(end, Err(RegisterError::Refused(refusal)) if refusal == no()));
    let (end, _) = registering(vec![begun, Answer::Accepted], Ok(json!({})));
    assert!(matches!(end, Err(RegisterError::Odd)));
}
