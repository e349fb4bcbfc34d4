//! Trying a security key again after a mechanical failure, and reading before the tap.

use serde_json::json;
use vitalsign_ipc::{AgentState, Answer, Refusal, Request, Stage, Status, StepUp, StepUpCeremony};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_security_key::Failure;
use vitalsign_session::flow::{Attempt, Choice, Flow, FlowEffect, FlowEvent, UiAbilities};
use vitalsign_session::{DisconnectReason, Disconnected};

const A: StepUpId = StepUpId([1; 16]);
const B: StepUpId = StepUpId([2; 16]);

fn status(step_ups: &[StepUpId]) -> FlowEvent {
    let step_up = |id: &StepUpId| StepUp {
        id: *id,
        application: "EHR".to_owned(),
        user: "nurse-7".to_owned(),
        message: "EHR: sign order 4711".to_owned(),
        authorization_details: None,
        details_schemas: Default::default(),
        acr: Acr::HardwareKey,
        until: 0,
        pin_entered: None,
        stage: Stage::Tap,
    };
    FlowEvent::Status(Box::new(Status {
        standing: AgentState::Reporting,
        enrolment: None,
        ear: None,
        reported_at: None,
        posture: None,
        busy: false,
        next_report_seconds: 300,
        cost: None,
        listening: true,
        step_ups: step_ups.iter().map(step_up).collect(),
        guidance: vitalsign_ipc::Guidance::default(),
        settings: vitalsign_ipc::SettingsState::default(),
    }))
}

fn fetched(effects: &[FlowEffect]) -> Option<StepUpId> {
    effects.iter().find_map(|it| if let FlowEffect::Fetch(id) = it { Some(*id) } else { None })
}

fn told(effects: Vec<FlowEffect>) -> Vec<Request> {
    effects
        .into_iter()
        .filter_map(|it| if let FlowEffect::Tell(_, request) = it { Some(request) } else { None })
        .collect()
}

/// Gives the key what it is to sign.
fn performing(flow: &mut Flow, id: StepUpId) -> Option<Attempt> {
    let (origin, rp_id) = ("https://verifier.example".to_owned(), "verifier.example".to_owned());
    let ceremony = Answer::Ceremony(Box::new(StepUpCeremony { origin, rp_id, options: json!({}) }));
    let effects = flow.on(FlowEvent::Fetched(id, Ok(ceremony)));
    effects.iter().find_map(|it| match it {
        FlowEffect::Perform(attempt, _) => Some(*attempt),
        _ => None,
    })
}

fn unavailable() -> Failure {
    Failure::Unavailable("the smart card service does not run".to_owned())
}

/// A flow whose key has failed for this reason, while another step-up waits.
fn failed(retries: bool, failure: Failure) -> (Flow, Vec<FlowEffect>) {
    let mut flow = Flow::new(UiAbilities { retries, reports_reading: false });
    assert_eq!(fetched(&flow.on(status(&[A, B]))), Some(A));
    let attempt = performing(&mut flow, A);
    let effects = attempt.map(|attempt| flow.on(FlowEvent::Performed(attempt, Err(failure))));
    assert!(effects.is_some(), "the key is not asked");
    (flow, effects.unwrap_or_default())
}

#[test]
fn step_up_stays_open_until_the_key_works() {
    let (mut flow, effects) = failed(true, unavailable());
    assert_eq!(told(effects), []);
    // The other one waits: the person is at this one.
    assert_eq!(fetched(&flow.on(status(&[A, B]))), None);
    assert_eq!(fetched(&flow.on(FlowEvent::Said(Choice::TryAgain))), Some(A));
    let attempt = performing(&mut flow, A).unwrap();
    let effects = flow.on(FlowEvent::Performed(attempt, Ok(json!({"id": "AA"}))));
    assert_eq!(told(effects), [Request::Tapped { step_up: A, assertion: json!({"id": "AA"}) }]);
    assert_eq!(told(flow.on(FlowEvent::Said(Choice::TryAgain))), []);
}

#[test]
fn giving_up_reports_the_failure() {
    for (choice, failure, end) in [
        (Choice::Decline, unavailable(), StepUpResult::NoKey),
        (Choice::Decline, Failure::TimedOut, StepUpResult::Declined),
        (Choice::NotMine, unavailable(), StepUpResult::NotMine),
    ] {
        let (mut flow, _) = failed(true, failure);
        assert_eq!(told(flow.on(FlowEvent::Said(choice))), [Request::GiveUp { step_up: A, end }]);
        assert_eq!(fetched(&flow.on(status(&[A, B]))), Some(B));
    }
}

#[test]
fn failed_step_up_that_ends_frees_the_next() {
    let (mut flow, _) = failed(true, unavailable());
    assert_eq!(fetched(&flow.on(status(&[B]))), Some(B));
    // Another person unlocks the screen: the key is asked afresh.
    let (mut flow, _) = failed(true, unavailable());
    flow.on(FlowEvent::Away(true));
    assert_eq!(fetched(&flow.on(FlowEvent::Away(false))), Some(A));
}

#[test]
fn user_interface_without_retries_gives_up_at_once() {
    let (_, effects) = failed(false, unavailable());
    assert_eq!(told(effects), [Request::GiveUp { step_up: A, end: StepUpResult::NoKey }]);
    // A person's own mistake is not offered again.
    let (_, effects) = failed(true, Failure::WrongKey);
    assert_eq!(told(effects), [Request::GiveUp { step_up: A, end: StepUpResult::WrongKey }]);
}

/// A flow of a user interface that reports what was read.
fn reading() -> Flow {
    Flow::new(UiAbilities { retries: true, reports_reading: true })
}

#[test]
fn key_is_asked_only_after_the_text_was_read() {
    let mut flow = reading();
    assert_eq!(fetched(&flow.on(status(&[A]))), None);
    // What the service repeats, or says of others, is no reading.
    assert_eq!(fetched(&flow.on(status(&[A, B]))), None);
    assert_eq!(fetched(&flow.on(FlowEvent::Away(false))), None);
    assert!(flow.on(FlowEvent::Said(Choice::TryAgain)).is_empty());
    // An answer that was not asked for brings no ceremony.
    assert!(performing(&mut flow, A).is_none());
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), Some(A));
    assert!(performing(&mut flow, A).is_some());
    // The report of one counts once, and for no other.
    assert!(flow.on(FlowEvent::Read(A)).is_empty());
    assert_eq!(fetched(&flow.on(status(&[B]))), None);
    assert_eq!(fetched(&flow.on(FlowEvent::Read(B))), Some(B));
}

#[test]
fn reading_ends_with_the_person_and_the_text() {
    let mut flow = reading();
    flow.on(status(&[A]));
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), Some(A));
    // Another person may have come.
    flow.on(FlowEvent::Away(true));
    assert_eq!(fetched(&flow.on(FlowEvent::Away(false))), None);
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), Some(A));
    // The text is another: what was read is not what would be signed.
    flow.on(FlowEvent::Disconnected(lost()));
    let FlowEvent::Status(mut other) = status(&[A]) else { unreachable!() };
    other.step_ups.iter_mut().for_each(|it| it.message = "EHR: sign order 9999".to_owned());
    assert_eq!(fetched(&flow.on(FlowEvent::Status(other))), None);
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), Some(A));
    // The same text after a break was read.
    flow.on(FlowEvent::Disconnected(lost()));
    let FlowEvent::Status(mut other) = status(&[A]) else { unreachable!() };
    other.step_ups.iter_mut().for_each(|it| it.message = "EHR: sign order 9999".to_owned());
    assert_eq!(fetched(&flow.on(FlowEvent::Status(other))), Some(A));
    // A step-up that is not there cannot be read in advance.
    let mut flow = reading();
    flow.on(FlowEvent::Read(A));
    assert_eq!(fetched(&flow.on(status(&[A]))), None);
}

#[test]
fn the_one_that_was_read_is_asked_before_older_ones() {
    let mut flow = reading();
    flow.on(status(&[A, B]));
    assert_eq!(fetched(&flow.on(FlowEvent::Read(B))), Some(B));
    // What was declined unread is not asked again.
    let mut flow = reading();
    flow.on(status(&[A, B]));
    let declined = flow.on(FlowEvent::Said(Choice::Decline));
    assert_eq!(told(declined), [Request::GiveUp { step_up: A, end: StepUpResult::Declined }]);
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), None);
    assert_eq!(fetched(&flow.on(FlowEvent::Read(B))), None);
    assert_eq!(fetched(&flow.on(status(&[B]))), Some(B));
}

#[test]
fn answer_counts_for_the_step_up_it_was_given_to() {
    // The press on A comes when B is prompted already, because A has ended.
    let mut flow = reading();
    flow.on(status(&[A, B]));
    flow.on(status(&[B]));
    assert_eq!(fetched(&flow.on(FlowEvent::Read(B))), Some(B));
    for choice in [Choice::Decline, Choice::NotMine, Choice::TryAgain] {
        assert!(flow.on(FlowEvent::Answered(A, choice)).is_empty(), "{choice:?}");
    }
    let attempt = performing(&mut flow, B);
    assert!(attempt.is_some());
    // B is answered for itself, once.
    let end = StepUpResult::NotMine;
    let answered = told(flow.on(FlowEvent::Answered(B, Choice::NotMine)));
    assert_eq!(answered, [Request::GiveUp { step_up: B, end }]);
    assert!(flow.on(FlowEvent::Answered(B, Choice::Decline)).is_empty());
}

#[test]
fn step_up_that_waits_can_be_declined() {
    // The user interface shows B as soon as A is declined, and the service is slower.
    let mut flow = reading();
    flow.on(status(&[A, B]));
    let end = StepUpResult::Declined;
    for id in [A, B] {
        let answered = told(flow.on(FlowEvent::Answered(id, Choice::Decline)));
        assert_eq!(answered, [Request::GiveUp { step_up: id, end }]);
    }
    assert_eq!(fetched(&flow.on(status(&[A, B]))), None);
    flow.on(FlowEvent::Read(B));
    assert_eq!(fetched(&flow.on(status(&[A, B]))), None);
    // Declining one that waits leaves the key to the one that is prompted.
    let mut flow = reading();
    flow.on(status(&[A, B]));
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), Some(A));
    let effects = flow.on(FlowEvent::Answered(B, Choice::Decline));
    assert!(!effects.iter().any(|it| matches!(it, FlowEffect::Stop)), "{effects:?}");
    assert!(performing(&mut flow, A).is_some());
}

#[test]
fn step_up_that_is_prepared_again_can_be_declined() {
    let mut flow = reading();
    flow.on(status(&[A]));
    assert_eq!(fetched(&flow.on(FlowEvent::Read(A))), Some(A));
    let at = |stage: Stage| {
        let FlowEvent::Status(mut status) = status(&[A]) else { unreachable!() };
        status.step_ups.iter_mut().for_each(|it| it.stage = stage.clone());
        FlowEvent::Status(status)
    };
    flow.on(at(Stage::Preparing));
    let end = StepUpResult::Declined;
    let declined = told(flow.on(FlowEvent::Answered(A, Choice::Decline)));
    assert_eq!(declined, [Request::GiveUp { step_up: A, end }]);
    assert_eq!(fetched(&flow.on(at(Stage::Tap))), None);
    // Once the tap is given, or it has ended, there is nothing to decline.
    for stage in [Stage::Checking, Stage::Ended { end, reasons: Vec::new() }] {
        let mut flow = reading();
        flow.on(at(stage));
        assert!(flow.on(FlowEvent::Answered(A, Choice::Decline)).is_empty());
    }
}

#[test]
fn failed_one_is_tried_again_by_its_own_press() {
    let (mut flow, _) = failed(true, unavailable());
    assert!(flow.on(FlowEvent::Answered(B, Choice::TryAgain)).is_empty());
    assert_eq!(fetched(&flow.on(FlowEvent::Answered(A, Choice::TryAgain))), Some(A));
}

#[test]
fn next_step_up_is_asked_after_a_refused_one() {
    let mut flow = Flow::new(UiAbilities::default());
    assert_eq!(fetched(&flow.on(status(&[A, B]))), Some(A));
    let refused = FlowEvent::Fetched(A, Ok(Answer::Refused(Refusal::Busy)));
    assert_eq!(fetched(&flow.on(refused)), Some(B));
}

fn lost() -> Disconnected {
    Disconnected { loss: DisconnectReason::NotRunning, text: "no service".to_owned() }
}
