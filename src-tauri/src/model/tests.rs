//! Each way that it can go. What the session's flow shows comes as it does there: the status, with each step-up of it
//! that is new or has changed.

mod advice;
mod ends;
mod night;

use super::asked::STANDS;
use super::*;
use std::sync::mpsc::{Receiver, channel};
use vitalsign_ipc::{AgentState, Refusal};
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_security_key::{Failure, PinRequest};
use vitalsign_session::DisconnectReason;

const NOW: u64 = 1_795_426_200;
const A: StepUpId = StepUpId([1; 16]);
const B: StepUpId = StepUpId([2; 16]);

fn step_up(id: StepUpId, stage: Stage) -> StepUp {
    StepUp {
        id,
        application: "EHR".to_owned(),
        user: "nurse-7".to_owned(),
        message: "EHR: sign order 4711".to_owned(),
        authorization_details: Some(serde_json::json!({"order": 4711})),
        details_schemas: Default::default(),
        acr: Acr::HardwareKey,
        until: NOW + 120,
        pin_entered: None,
        stage,
    }
}

fn ended(end: StepUpResult) -> Stage {
    Stage::Ended { end, reasons: Vec::new() }
}

fn status(step_ups: Vec<StepUp>) -> Box<Status> {
    Box::new(Status {
        standing: AgentState::Reporting,
        enrolment: None,
        ear: None,
        reported_at: None,
        posture: None,
        busy: false,
        next_report_seconds: 300,
        cost: None,
        listening: true,
        step_ups,
        guidance: vitalsign_ipc::Guidance::default(),
        settings: vitalsign_ipc::SettingsState::default(),
    })
}

/// The service says this, and the flow shows it.
fn tell(model: &mut Model, step_ups: &[(StepUpId, Stage)]) {
    tell_at(model, step_ups, NOW);
}

fn tell_at(model: &mut Model, step_ups: &[(StepUpId, Stage)], now: u64) {
    let before = model.status.as_ref().map(|status| status.step_ups.clone()).unwrap_or_default();
    let step_ups: Vec<StepUp> = step_ups.iter().map(|(id, stage)| step_up(*id, stage.clone())).collect();
    let changed = step_ups.iter().filter(|it| !before.contains(it)).cloned().collect();
    model.on(Happened::Shown(UiUpdate::Status { status: status(step_ups), changed }), now);
}

fn asked(step_ups: &[(StepUpId, Stage)]) -> Model {
    let mut model = Model::new("ward-3-cart-07".to_owned());
    tell(&mut model, &[]);
    tell(&mut model, step_ups);
    model
}

#[test]
fn only_the_administrators_requests_are_tests() {
    for (application, test) in [
        (step_up::ADMINISTRATOR, true),
        ("EHR", false),
        ("administrator of the verifier", false),
        ("Administrator of the verifier ", false),
    ] {
        let mut asked = step_up(A, Stage::Tap);
        asked.application = application.to_owned();
        let mut model = Model::new(String::new());
        let status = status(vec![asked.clone()]);
        model.on(Happened::Shown(UiUpdate::Status { status, changed: vec![asked] }), NOW);
        assert_eq!(model.view(NOW).prompt.map(|it| it.test), Some(test), "{application}");
    }
}

#[test]
fn details_are_labelled_in_the_apps_language() {
    let schema = serde_json::json!({
        "labels": {"en": "Order", "de": "Auftrag"},
        "fields": [{"name": "dose", "kind": "quantity", "labels": {"en": "Dose", "de": "Dosis"}}],
    });
    let mut asked = step_up(A, Stage::Tap);
    asked.authorization_details =
        Some(serde_json::json!([{"type": "order", "dose": {"value": 5, "unit": "mg"}}]));
    asked.details_schemas = [("order".to_owned(), serde_json::from_value(schema).unwrap())].into();
    let rows = |language, asked: &StepUp| {
        let mut model = Model::new(String::new()).in_language(language);
        let status = status(vec![asked.clone()]);
        model.on(Happened::Shown(UiUpdate::Status { status, changed: vec![asked.clone()] }), NOW);
        let rows = model.view(NOW).prompt.unwrap().details;
        rows.into_iter()
            .map(|row| format!("{}: {}", row.name, row.value.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows("de", &asked), ["Auftrag: order", "Dosis: 5 mg"]);
    assert_eq!(rows("fr", &asked), ["Order: order", "Dose: 5 mg"]);
    asked.details_schemas.clear();
    assert!(rows("de", &asked).contains(&"unit: mg".to_owned()));
}

#[test]
fn enrolled_device_shows_its_code() {
    let mut model = Model::new(String::new());
    assert_eq!(model.view(NOW).device.device_code, None);
    let mut enrolled = status(Vec::new());
    enrolled.enrolment = Some(vitalsign_protocol::id::EnrolmentId([7; 16]));
    model.on(Happened::Shown(UiUpdate::Status { status: enrolled, changed: Vec::new() }), NOW);
    assert_eq!(model.view(NOW).device.device_code.as_deref(), Some("0W3-GE1-R7D"));
}

fn key(model: &mut Model, step_up: StepUpId, prompt: KeyPrompt) {
    model.on(Happened::Shown(UiUpdate::Prompt { step_up, prompt }), NOW);
}

fn trouble(model: &mut Model, step_up: StepUpId, trouble: SessionError) {
    model.on(Happened::Shown(UiUpdate::SessionError { step_up, trouble }), NOW);
}

fn lose(model: &mut Model) {
    let lost = Disconnected { loss: DisconnectReason::NotRunning, text: "not running".to_owned() };
    model.on(Happened::Shown(UiUpdate::Disconnected(lost)), NOW);
}

/// The key asks for a PIN, and hears what comes here: none when it is not given one.
fn pin() -> (KeyPrompt, Receiver<Option<String>>) {
    let (heard, hears) = channel();
    let reply = PinReply::new(move |pin| drop(heard.send(pin.map(|pin| pin.expose().to_owned()))));
    (KeyPrompt::Pin(PinRequest { reason: PinReason::Needed, attempts_left: Some(8), reply }), hears)
}

fn entered(question: u32, pin: &str) -> Happened {
    Happened::Pin { question, pin: Pin::new(pin.to_owned()) }
}

fn prompt(model: &Model) -> Option<view::Prompt> {
    model.view(NOW).prompt
}

/// Returns the message and step on the screen.
fn shown(model: &Model) -> Option<(String, Step)> {
    prompt(model).map(|prompt| (prompt.id, prompt.step))
}

fn step(model: &Model) -> Option<Step> {
    shown(model).map(|(_, step)| step)
}

/// Returns the result that is shown for a moment.
fn flashed(model: &Model) -> Option<view::PromptResult> {
    model.view(NOW).flash.map(|flash| flash.end)
}

fn is_shown(model: &Model, id: StepUpId) -> bool {
    shown(model).is_some_and(|(shown, _)| shown == id.to_string())
}

fn end(model: &Model) -> Option<view::PromptResult> {
    match step(model) {
        Some(Step::Ended { end, .. }) => Some(end),
        _ => None,
    }
}

#[test]
fn step_up_runs_from_preparing_to_dismissed() {
    let mut model = asked(&[(A, Stage::Preparing)]);
    // Not asked yet, but the window is made.
    assert_eq!((model.window(), prompt(&model)), (Window::Ready, None));
    assert_eq!(model.announced(), None);
    tell(&mut model, &[(A, Stage::Tap)]);
    assert_eq!((model.window(), model.tray(NOW)), (Window::Raised, Tray::StepUp));
    assert_eq!(model.announced(), Some(Announcement::Asked(A)));
    assert!(!model.is_idle());
    key(&mut model, A, KeyPrompt::Insert);
    assert_eq!(step(&model), Some(Step::Insert));
    key(&mut model, A, KeyPrompt::Touch { keys: 2 });
    assert_eq!(step(&model), Some(Step::Touch { keys: 2 }));
    tell(&mut model, &[(A, Stage::Checking)]);
    assert_eq!(step(&model), Some(Step::Checking));
    tell(&mut model, &[(A, ended(StepUpResult::Approved))]);
    assert_eq!((model.window(), prompt(&model), model.announced()), (Window::Raised, None, None));
    let flash = model.view(NOW).flash;
    assert_eq!(flash.map(|it| it.end), Some(view::PromptResult::Approved));
    assert_eq!(model.patience(NOW), Some(FLASH));
    model.on(Happened::Tick, NOW);
    assert_eq!((model.window(), model.view(NOW).flash), (Window::None, None));
    assert!(model.is_idle());
}

#[test]
fn open_status_window_returns_after_a_step_up() {
    let mut model = Model::new(String::new());
    model.on(Happened::Opened(Page::Keys), NOW);
    tell(&mut model, &[]);
    tell(&mut model, &[(A, Stage::Preparing)]);
    assert_eq!(model.window(), Window::Open);
    tell(&mut model, &[(A, Stage::Tap)]);
    assert_eq!(model.window(), Window::Raised);
    tell(&mut model, &[(A, ended(StepUpResult::Approved))]);
    model.on(Happened::Tick, NOW);
    assert_eq!((model.window(), model.view(NOW).page), (Window::Open, Page::Keys));
}

#[test]
fn two_wait_in_a_queue() {
    let mut model = asked(&[(A, Stage::Tap), (B, Stage::Tap)]);
    assert!(is_shown(&model, A));
    assert_eq!(prompt(&model).unwrap().waiting, 1);
    tell(&mut model, &[(A, ended(StepUpResult::Approved)), (B, Stage::Tap)]);
    assert!(is_shown(&model, B));
    assert_eq!((prompt(&model).unwrap().waiting, model.announced()), (0, Some(Announcement::Asked(B))));
}

#[test]
fn ready_step_ups_are_shown_first() {
    let mut model = asked(&[(A, Stage::Preparing), (B, Stage::Tap)]);
    assert!(is_shown(&model, B));
    tell(&mut model, &[(A, Stage::Tap), (B, Stage::Tap)]);
    assert!(is_shown(&model, B), "the key is asked for it");
}

#[test]
fn a_new_one_takes_the_place_of_an_end() {
    let mut model = asked(&[(A, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
    assert_eq!((end(&model), model.window()), (Some(view::PromptResult::TimedOut), Window::Open));
    tell(&mut model, &[(A, ended(StepUpResult::TimedOut)), (B, Stage::Tap)]);
    assert!(is_shown(&model, B));
    assert_eq!(model.window(), Window::Raised);
    // A waiting step-up is shown as soon as the first closes.
    let mut model = asked(&[(A, Stage::Tap), (B, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::WrongKey)), (B, Stage::Tap)]);
    assert!(is_shown(&model, B));
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_an_end() {
    let mut model = asked(&[(A, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
    model.on(Happened::Tick, NOW - 3600);
    assert_eq!(end(&model), None);
}

#[test]
fn result_is_dismissed_by_button_page_or_close() {
    for happened in
        [Happened::Dismissed, Happened::Opened(Page::Status), Happened::Closed, Happened::Away(true)]
    {
        let mut model = asked(&[(A, Stage::Tap)]);
        tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
        model.on(happened, NOW);
        assert_eq!(prompt(&model), None);
        // The service tells of it for some seconds more.
        tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
        assert_eq!(prompt(&model), None);
    }
}

#[test]
fn declining_shows_the_next_step_up_at_once() {
    let mut model = asked(&[(A, Stage::Tap), (B, Stage::Tap)]);
    model.on(Happened::Answered(A, Choice::Decline), NOW);
    assert!(is_shown(&model, B));
    // The service is slower to say so.
    tell(&mut model, &[(A, ended(StepUpResult::Declined)), (B, Stage::Tap)]);
    assert!(is_shown(&model, B));
    // The press on the first does not count for the second.
    for choice in [Choice::Decline, Choice::NotMine, Choice::TryAgain] {
        model.on(Happened::Answered(A, choice), NOW);
        assert!(is_shown(&model, B));
    }
    model.on(Happened::Answered(B, Choice::Decline), NOW);
    assert_eq!(flashed(&model), Some(view::PromptResult::Declined));
    model.on(Happened::Tick, NOW);
    assert_eq!((prompt(&model), model.window(), model.tray(NOW)), (None, Window::None, Tray::Offline));
    model.on(Happened::Answered(B, Choice::Decline), NOW);
}

#[test]
fn closing_the_window_declines_and_clears_data() {
    let mut model = asked(&[(A, Stage::Tap)]);
    for happened in [Happened::Answered(A, Choice::Decline), Happened::Dismissed, Happened::Closed] {
        model.on(happened, NOW);
    }
    assert_eq!((model.window(), prompt(&model)), (Window::None, None));
    tell(&mut model, &[(A, ended(StepUpResult::Declined))]);
    assert_eq!((model.window(), prompt(&model)), (Window::None, None));
    assert!(model.is_idle());
}

#[test]
fn that_it_was_reported_is_said_when_it_was() {
    let mut model = asked(&[(A, Stage::Tap)]);
    model.on(Happened::Answered(A, Choice::NotMine), NOW);
    assert!(is_shown(&model, A));
    tell(&mut model, &[(A, ended(StepUpResult::NotMine))]);
    assert_eq!(end(&model), Some(view::PromptResult::NotMine));
}

#[test]
fn a_locked_screen_forgets_and_asks_again() {
    let mut model = Model::new(String::new());
    model.on(Happened::Opened(Page::Keys), NOW);
    model.on(Happened::Keys(view::KeyList::Asking), NOW);
    tell(&mut model, &[]);
    tell(&mut model, &[(A, Stage::Tap)]);
    let (asks, heard) = pin();
    key(&mut model, A, asks);
    model.on(Happened::Away(true), NOW);
    assert_eq!(heard.try_recv(), Ok(None), "the prompt is gone");
    assert_eq!((model.window(), model.announced()), (Window::None, None));
    let view = model.view(NOW);
    assert_eq!((view.keys, view.page), (None, Page::Status));
    // A new step-up waits; a refused one is not shown to the person present.
    tell(&mut model, &[(A, Stage::Tap), (B, ended(StepUpResult::Unhealthy))]);
    assert_eq!(model.window(), Window::None);
    model.on(Happened::Away(false), NOW);
    assert!(is_shown(&model, A));
    assert_eq!((step(&model), model.window()), (Some(Step::Preparing), Window::Raised));
    assert_eq!(model.announced(), Some(Announcement::Asked(A)), "it is announced again");
}

#[test]
fn result_during_screen_lock_is_not_shown_later() {
    let mut model = asked(&[(A, Stage::Tap)]);
    model.on(Happened::Away(true), NOW);
    tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
    assert_eq!(model.window(), Window::None);
    model.on(Happened::Away(false), NOW + STANDS);
    assert_eq!((model.window(), prompt(&model)), (Window::None, None));
}

#[test]
fn lost_service_closes_prompt_and_reprompts_on_return() {
    let mut model = asked(&[(A, Stage::Tap)]);
    let (asks, heard) = pin();
    key(&mut model, A, asks);
    lose(&mut model);
    assert_eq!(
        (end(&model), model.view(NOW).lost),
        (Some(view::PromptResult::Lost), Some(view::DisconnectReason::NotRunning))
    );
    assert_eq!((heard.try_recv(), model.tray(NOW)), (Ok(None), Tray::Offline));
    // The same step-up still waits: the flow tells of no change, and asks the key.
    tell(&mut model, &[(A, Stage::Tap)]);
    assert!(is_shown(&model, A));
    assert_eq!((step(&model), model.window()), (Some(Step::Preparing), Window::Raised));
    assert_eq!(prompt(&model).unwrap().user, "nurse-7");
    key(&mut model, A, KeyPrompt::Insert);
    assert_eq!(step(&model), Some(Step::Insert));
}

#[test]
fn step_up_unknown_to_service_is_not_prompted() {
    let mut model = asked(&[(A, Stage::Tap)]);
    tell(&mut model, &[]);
    assert_eq!((prompt(&model), model.window()), (None, Window::None));
}

#[test]
fn step_up_pending_before_start_is_prompted() {
    let mut model = Model::new(String::new());
    tell(&mut model, &[(A, Stage::Tap)]);
    assert!(is_shown(&model, A));
}

#[test]
fn shown_step_up_is_the_one_the_key_signs() {
    let mut model = asked(&[(A, Stage::Tap), (B, Stage::Tap)]);
    key(&mut model, B, KeyPrompt::Insert);
    assert!(is_shown(&model, B));
    key(&mut model, StepUpId([9; 16]), KeyPrompt::Working);
    assert!(is_shown(&model, B), "an unknown one is not");
    assert_eq!(step(&model), Some(Step::Insert));
}

#[test]
fn only_an_insertion_that_was_asked_for_counts() {
    for (shown, counts) in [(0, false), (1, false), (2, true), (30, true)] {
        let mut model = asked(&[(A, Stage::Tap)]);
        key(&mut model, A, KeyPrompt::Insert);
        // Another prompt to insert does not begin the time again.
        let at = |model: &mut Model, prompt, now| {
            model.on(Happened::Shown(UiUpdate::Prompt { step_up: A, prompt }), now);
        };
        at(&mut model, KeyPrompt::Insert, NOW + shown);
        at(&mut model, pin().0, NOW + shown);
        assert!(matches!(step(&model), Some(Step::Pin(pin)) if pin.inserted == counts), "{shown}");
        assert_eq!(model.inserted(), counts.then_some(A), "{shown}");
        // A PIN that was wrong needs another act.
        at(&mut model, pin().0, NOW + shown);
        assert!(matches!(step(&model), Some(Step::Pin(pin)) if !pin.inserted), "{shown}");
    }
    // A key that was there all along was not inserted for this.
    let mut model = asked(&[(A, Stage::Tap)]);
    key(&mut model, A, pin().0);
    assert!(matches!(step(&model), Some(Step::Pin(pin)) if !pin.inserted));
    assert_eq!(model.inserted(), None);
}

#[test]
fn a_pin_is_given_once() {
    let mut model = asked(&[(A, Stage::Tap)]);
    let (asks, heard) = pin();
    key(&mut model, A, asks);
    let Some(Step::Pin(first)) = step(&model) else { panic!("no PIN is asked for") };
    assert_eq!((first.why, first.least, first.attempts_left), (PinWhy::Needed, 4, Some(8)));
    model.on(entered(1, "123456"), NOW);
    assert_eq!((heard.recv(), step(&model)), (Ok(Some("123456".to_owned())), Some(Step::Working)));
    model.on(entered(1, "again"), NOW);
    assert!(heard.recv().is_err(), "the receiver is gone after the first");
    // A new question has a new number.
    let (asks, _heard) = pin();
    key(&mut model, A, asks);
    assert!(matches!(step(&model), Some(Step::Pin(asked)) if asked.question != first.question));
}

#[test]
fn pin_for_an_earlier_question_is_discarded() {
    let mut model = asked(&[(A, Stage::Tap)]);
    let ((first, gone), (second, heard)) = (pin(), pin());
    key(&mut model, A, first);
    key(&mut model, A, second);
    model.on(entered(1, "123456"), NOW);
    assert_eq!(gone.try_recv(), Ok(None));
    assert!(heard.try_recv().is_err(), "it was another key's");
    assert!(matches!(step(&model), Some(Step::Pin(asked)) if asked.question == 2));
    model.on(entered(2, "654321"), NOW);
    assert_eq!(heard.recv(), Ok(Some("654321".to_owned())));
}

#[test]
fn a_pin_that_nobody_waits_for_goes_nowhere() {
    let mut model = asked(&[(A, Stage::Tap)]);
    model.on(entered(1, "123456"), NOW);
    assert_eq!(step(&model), Some(Step::Preparing));
    assert!(!format!("{model:?}").contains("123456"));
}

#[test]
fn a_question_for_a_pin_that_is_superseded_is_let_go() {
    let superseding: [&dyn Fn(&mut Model); 4] = [
        &|model| key(model, A, KeyPrompt::Insert),
        &|model| tell(model, &[(A, ended(StepUpResult::TimedOut))]),
        &|model| model.on(Happened::Answered(A, Choice::Decline), NOW),
        &|model| trouble(model, A, SessionError::Key(Failure::TimedOut)),
    ];
    for supersede in superseding {
        let mut model = asked(&[(A, Stage::Tap)]);
        let (asks, heard) = pin();
        key(&mut model, A, asks);
        supersede(&mut model);
        assert_eq!(heard.try_recv(), Ok(None));
        model.on(entered(1, "123456"), NOW);
        assert!(heard.try_recv().is_err());
    }
}

#[test]
fn trouble_with_another_one_is_none_of_this_ones() {
    let mut model = asked(&[(A, Stage::Tap)]);
    trouble(&mut model, B, SessionError::Odd);
    assert!(end(&model).is_none());
}

#[test]
fn a_step_up_waits_while_a_key_is_registered() {
    let mut model = asked(&[]);
    model.on(Happened::Opened(Page::Keys), NOW);
    model.on(Happened::Registering(Registering::Begun), NOW);
    model.on(Happened::Registering(Registering::For("nurse-7".to_owned())), NOW);
    let (asks, heard) = pin();
    model.on(Happened::Registering(Registering::Prompt(asks)), NOW);
    tell(&mut model, &[(A, Stage::Tap)]);
    assert_eq!((prompt(&model), model.window(), model.tray(NOW)), (None, Window::Open, Tray::StepUp));
    // The PIN is for the registration.
    model.on(entered(1, "123456"), NOW);
    assert_eq!(heard.recv(), Ok(Some("123456".to_owned())));
    assert!(matches!(
        model.view(NOW).registration,
        Registration::Running { user: Some(_), step: Step::Working }
    ));
    model.on(Happened::Registering(Registering::Ended(Registration::Idle)), NOW);
    assert!(is_shown(&model, A));
    assert_eq!(model.window(), Window::Raised);
}

#[test]
fn closing_clears_lists_but_keeps_a_running_ceremony() {
    let mut model = asked(&[]);
    model.on(Happened::Opened(Page::Keys), NOW);
    model.on(Happened::Keys(view::KeyList::Asking), NOW);
    model.on(Happened::Registering(Registering::Begun), NOW);
    model.on(Happened::Closed, NOW);
    assert_eq!(model.view(NOW).keys, None);
    assert!(matches!(model.view(NOW).registration, Registration::Running { .. }));
    assert!(!model.is_idle());
    let failed = view::KeyProblem::new(view::KeyProblemKind::TimedOut, None);
    let failed = Registration::Failed { trouble: failed };
    model.on(Happened::Registering(Registering::Ended(failed)), NOW);
    model.on(Happened::Closed, NOW);
    assert_eq!(model.view(NOW).registration, Registration::Idle);
    assert!(model.is_idle());
}

#[test]
fn view_is_unknown_before_the_first_status() {
    let model = Model::new("ward-3-cart-07".to_owned());
    assert_eq!(model.view(NOW).lost, Some(view::DisconnectReason::Starting));
    assert_eq!((model.tray(NOW), model.window(), model.patience(NOW)), (Tray::Offline, Window::None, None));
}

#[test]
fn model_wakes_once_when_a_verdict_expires() {
    let mut model = asked(&[]);
    let mut told = status(Vec::new());
    told.ear = Some(Ear { exp: Some(NOW + 60), ..Ear::default() });
    model.on(Happened::Shown(UiUpdate::Status { status: told, changed: Vec::new() }), NOW);
    assert_eq!(model.patience(NOW), Some(Duration::from_secs(60)));
    model.on(Happened::Tick, NOW + 60);
    assert_eq!(model.patience(NOW + 60), None);
    assert_eq!(model.view(NOW + 60).device.headline, view::Headline::Expired);
}

#[test]
fn text_from_outside_cannot_steer_the_screen() {
    let mut model = asked(&[]);
    let mut odd = step_up(A, Stage::Tap);
    odd.message = "sign \u{202e}4711\u{1b}[2J".to_owned();
    odd.application = "EHR\nreally".to_owned();
    let status = status(vec![odd.clone()]);
    model.on(Happened::Shown(UiUpdate::Status { status, changed: vec![odd] }), NOW);
    let prompt = prompt(&model).unwrap();
    assert!(!prompt.message.contains(['\u{202e}', '\u{1b}']), "{}", prompt.message);
    assert!(!prompt.application.contains('\n'));
}
