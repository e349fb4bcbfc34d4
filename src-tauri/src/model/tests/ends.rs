//! Ends of a step-up: the page, how long it is shown, and what the person can do.

use super::*;

#[test]
fn approved_declined_and_superseded_look_different() {
    for (how, seen) in [
        (StepUpResult::Approved, view::PromptResult::Approved),
        (StepUpResult::Declined, view::PromptResult::Declined),
    ] {
        let mut model = asked(&[(A, Stage::Tap)]);
        tell(&mut model, &[(A, ended(how))]);
        assert_eq!((flashed(&model), prompt(&model)), (Some(seen), None));
        assert_eq!((model.window(), model.patience(NOW)), (Window::Raised, Some(FLASH)));
        // What the service says meanwhile does not end it.
        tell(&mut model, &[]);
        assert_eq!(flashed(&model), Some(seen));
        model.on(Happened::Tick, NOW);
        assert_eq!((flashed(&model), model.window()), (None, Window::None));
    }
    // It was not the person's answer, so they have to read it.
    let mut model = asked(&[(A, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::Superseded))]);
    assert_eq!((end(&model), flashed(&model)), (Some(view::PromptResult::Superseded), None));
}

#[test]
fn next_step_up_is_below_the_mark_of_the_last() {
    let mut model = asked(&[(A, Stage::Tap), (B, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::Approved)), (B, Stage::Tap)]);
    assert!(is_shown(&model, B));
    assert_eq!(flashed(&model), Some(view::PromptResult::Approved));
}

#[test]
fn end_that_the_next_step_up_covers_is_shown_first() {
    let settings = view::AppSettings { check_mark: false, tones: false, ..view::AppSettings::default() };
    for end in [StepUpResult::TimedOut, StepUpResult::WrongKey, StepUpResult::Superseded] {
        let mut model = asked(&[(A, Stage::Tap), (B, Stage::Tap)]);
        model.on(Happened::Settings(settings.clone()), NOW);
        tell(&mut model, &[(A, ended(end)), (B, Stage::Tap)]);
        assert!(is_shown(&model, B));
        assert_eq!((flashed(&model), model.patience(NOW)), (Some(words::end(end)), Some(READ_FLASH)));
        model.on(Happened::Tick, NOW);
        assert!(flashed(&model).is_none() && is_shown(&model, B));
    }
    // One that was on the screen before the next came is not shown twice.
    let mut model = asked(&[(A, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
    tell(&mut model, &[(A, ended(StepUpResult::TimedOut)), (B, Stage::Tap)]);
    assert!(is_shown(&model, B) && flashed(&model).is_none());
}

#[test]
fn mark_and_tone_can_be_switched_off() {
    for (check_mark, tones, flashes) in
        [(true, true, true), (true, false, true), (false, true, true), (false, false, false)]
    {
        let settings = view::AppSettings { check_mark, tones, ..view::AppSettings::default() };
        let mut model = Model::with(String::new(), view::AppSettings::default());
        model.on(Happened::Settings(settings.clone()), NOW);
        tell(&mut model, &[]);
        tell(&mut model, &[(A, Stage::Tap)]);
        tell(&mut model, &[(A, ended(StepUpResult::Approved))]);
        assert_eq!(flashed(&model).is_some(), flashes, "{settings:?}");
        assert_eq!(model.view(NOW).settings, settings);
    }
}

#[test]
fn approval_removes_the_mark_of_a_registered_key() {
    let key = view::KeyView {
        id: 1,
        user: "nurse-7".to_owned(),
        name: "blue".to_owned(),
        model: String::new(),
        registered: NOW,
        last_used: None,
    };
    let registered = || {
        let mut model = asked(&[]);
        model.on(Happened::Opened(Page::Keys), NOW);
        let end = Registration::Done { key: key.clone() };
        model.on(Happened::Registering(Registering::Ended(end)), NOW);
        assert!(matches!(model.view(NOW).registration, Registration::Done { .. }));
        model
    };
    let mut model = registered();
    tell(&mut model, &[(A, Stage::Tap)]);
    tell(&mut model, &[(A, ended(StepUpResult::Approved))]);
    assert_eq!(model.view(NOW).registration, Registration::Idle);
    let mut model = registered();
    model.on(Happened::Opened(Page::Status), NOW);
    assert_eq!(model.view(NOW).registration, Registration::Idle);
}

#[test]
fn mechanical_failure_offers_another_try() {
    for (failure, kind) in [
        (Failure::TimedOut, view::KeyProblemKind::TimedOut),
        (Failure::Unavailable("pcscd".to_owned()), view::KeyProblemKind::Unavailable),
        (Failure::Unfit("CTAP1_ERR_OTHER".to_owned()), view::KeyProblemKind::Unfit),
    ] {
        let mut model = asked(&[(A, Stage::Tap)]);
        trouble(&mut model, A, SessionError::Key(failure));
        let Some(Step::Failed { trouble: told }) = step(&model) else { panic!("{:?}", step(&model)) };
        assert_eq!(told.kind, kind);
        assert!(model.problem().is_some_and(|it| it.starts_with(kind.code())));
        model.on(Happened::Answered(A, Choice::TryAgain), NOW);
        assert_eq!((step(&model), model.problem()), (Some(Step::Preparing), None));
        key(&mut model, A, KeyPrompt::Insert);
        assert_eq!(step(&model), Some(Step::Insert));
    }
    // Another key, or another person, is no mechanical matter.
    let mut model = asked(&[(A, Stage::Tap)]);
    trouble(&mut model, A, SessionError::Key(Failure::WrongKey));
    assert!(!matches!(step(&model), Some(Step::Failed { .. })));
}

#[test]
fn words_of_other_programs_never_reach_the_page() {
    let mut model = asked(&[(A, Stage::Tap)]);
    trouble(&mut model, A, SessionError::Key(Failure::Unavailable("os error 111".to_owned())));
    let page = serde_json::to_string(&model.view(NOW)).unwrap();
    assert!(page.contains("K-10") && !page.contains("os error"), "{page}");
    assert_eq!(model.problem().as_deref(), Some("K-10 os error 111"));
}

#[test]
fn undelivered_answer_is_told_apart() {
    let refused = || SessionError::Refused(Refusal::Busy);
    let mut model = asked(&[(A, Stage::Tap)]);
    trouble(&mut model, A, refused());
    assert_eq!(end(&model), Some(view::PromptResult::NoKey), "nothing was answered");
    let mut model = asked(&[(A, Stage::Tap)]);
    key(&mut model, A, KeyPrompt::Touch { keys: 1 });
    trouble(&mut model, A, refused());
    assert_eq!(end(&model), Some(view::PromptResult::NotTold));
}

#[test]
fn foreign_service_looks_as_serious_as_it_is() {
    let mut model = asked(&[]);
    let lost = Disconnected { loss: DisconnectReason::Foreign, text: "owned by another user".to_owned() };
    model.on(Happened::Shown(UiUpdate::Disconnected(lost)), NOW);
    let device = model.view(NOW).device;
    assert_eq!((device.headline, device.tone), (view::Headline::ForeignService, view::Tone::Blocked));
    assert_eq!((device.code.as_deref(), model.tray(NOW)), (Some("D-05"), Tray::Blocked));
}

#[test]
fn refusal_before_the_tap_is_shown_once_with_reasons() {
    let mut model = asked(&[(A, Stage::Preparing)]);
    let refused = Stage::Ended { end: StepUpResult::Unhealthy, reasons: vec!["disk-encryption".to_owned()] };
    tell(&mut model, &[(A, refused.clone())]);
    let Some(Step::Ended { end: view::PromptResult::Unhealthy, checks, .. }) = step(&model) else {
        panic!("{:?}", step(&model))
    };
    assert_eq!(checks[0].code, "disk-encryption");
    // The person looks at the application, so the window comes to the front and is announced.
    assert_eq!((model.window(), model.announced()), (Window::Raised, Some(Announcement::Refused(A))));
    assert_eq!(model.patience(NOW), Some(Duration::from_secs(LISTED)));
    model.on(Happened::Tick, NOW + LISTED - 1);
    assert_eq!(end(&model), Some(view::PromptResult::Unhealthy));
    model.on(Happened::Dismissed, NOW);
    tell(&mut model, &[(A, refused), (B, ended(StepUpResult::Cancelled))]);
    assert_eq!(prompt(&model), None, "who took back what was never asked is of no interest");
}

#[test]
fn an_end_stands_for_a_while_and_names_nobody() {
    for (how, seen) in [
        (StepUpResult::TimedOut, view::PromptResult::TimedOut),
        (StepUpResult::NotMine, view::PromptResult::NotMine),
        (StepUpResult::WrongKey, view::PromptResult::WrongKey),
        (StepUpResult::PinBlocked, view::PromptResult::PinBlocked),
        (StepUpResult::NoKey, view::PromptResult::NoKey),
        (StepUpResult::Cancelled, view::PromptResult::Cancelled),
        (StepUpResult::Unhealthy, view::PromptResult::Unhealthy),
    ] {
        let mut model = asked(&[(A, Stage::Tap)]);
        tell(&mut model, &[(A, ended(how))]);
        assert_eq!(end(&model), Some(seen));
        let Some(prompt) = prompt(&model) else { panic!("{how:?} is not shown") };
        assert_eq!((prompt.user.as_str(), prompt.message.as_str(), prompt.details), ("", "", Vec::new()));
        assert_eq!((model.announced(), model.tray(NOW)), (None, Tray::Offline));
        assert_eq!(model.patience(NOW), Some(Duration::from_secs(STANDS)));
        model.on(Happened::Tick, NOW + STANDS - 1);
        assert_eq!(end(&model), Some(seen));
        assert_eq!(model.patience(NOW + STANDS - 1), Some(Duration::from_secs(1)));
        model.on(Happened::Tick, NOW + STANDS);
        assert_eq!((end(&model), model.window(), model.patience(NOW + STANDS)), (None, Window::None, None));
    }
}

#[test]
fn missing_registration_is_shown_without_a_key() {
    let why = |reason: &str| Stage::Ended { end: StepUpResult::NoKey, reasons: vec![reason.to_owned()] };
    // A request that is not what the verifier signed looks as serious as it is.
    for (reason, end, kind) in [
        ("security-key", view::PromptResult::NoKey, view::KeyProblemKind::NoneRegistered),
        ("challenge", view::PromptResult::NotGenuine, view::KeyProblemKind::BadRequest),
    ] {
        let mut model = asked(&[(A, Stage::Preparing)]);
        tell(&mut model, &[(A, why(reason))]);
        let Some(Step::Ended { end: shown, trouble: Some(told), checks }) = step(&model) else {
            panic!("{reason}: {:?}", step(&model))
        };
        assert_eq!((shown, told.kind, checks), (end, kind, Vec::new()));
    }
    // A problem's name is no check of this device.
    let mut model = asked(&[(A, Stage::Tap)]);
    let problem = vec!["signature-invalid".to_owned()];
    tell(&mut model, &[(A, Stage::Ended { end: StepUpResult::NoDevice, reasons: problem })]);
    let Some(Step::Ended { trouble: None, checks, .. }) = step(&model) else { panic!("{:?}", step(&model)) };
    assert_eq!(checks, Vec::new());
}

#[test]
fn refusals_are_shown_by_possible_action() {
    use vitalsign_protocol::problem::ProblemType;
    let refused = |problem: ProblemType| Refusal::Verifier {
        problem: Some(problem.urn().to_owned()),
        detail: problem.title().to_owned(),
    };
    for (refusal, kind) in [
        (refused(ProblemType::KeyCodeUnknown), view::KeyProblemKind::Code),
        (refused(ProblemType::KeyUntrusted), view::KeyProblemKind::Model),
        (refused(ProblemType::KeyKnown), view::KeyProblemKind::AlreadyRegistered),
        (refused(ProblemType::RegistrationUnknown), view::KeyProblemKind::Over),
        (refused(ProblemType::Busy), view::KeyProblemKind::Lost),
        (refused(ProblemType::DeviceRevoked), view::KeyProblemKind::Refused),
        (Refusal::Verifier { problem: None, detail: "not reached".to_owned() }, view::KeyProblemKind::Lost),
        (Refusal::Settings, view::KeyProblemKind::Refused),
    ] {
        let view::KeyList::Failed { trouble } = keys(Ok(vitalsign_ipc::Answer::Refused(refusal.clone())))
        else {
            panic!("{refusal:?} is no list")
        };
        assert_eq!((trouble.kind, trouble.detail), (kind, Some(refusal.to_string())));
    }
}

#[test]
fn unreportable_key_problem_closes_the_prompt() {
    for (why, kind) in [
        (SessionError::Refused(Refusal::Over), view::KeyProblemKind::Over),
        (SessionError::Odd, view::KeyProblemKind::Lost),
        (SessionError::NoPin, view::KeyProblemKind::NotUsed),
    ] {
        let mut model = asked(&[(A, Stage::Tap)]);
        trouble(&mut model, A, why.clone());
        let Some(Step::Ended { end: view::PromptResult::NoKey, trouble: Some(told), .. }) = step(&model)
        else {
            panic!("{why:?}: {:?}", step(&model))
        };
        assert_eq!(told.kind, kind);
        // The service does not know, and goes on telling of it: nothing of the person comes back.
        tell(&mut model, &[(A, Stage::Tap)]);
        assert_eq!(
            (end(&model), prompt(&model).unwrap().user.as_str()),
            (Some(view::PromptResult::NoKey), "")
        );
        // And its own word counts, when it comes.
        tell(&mut model, &[(A, ended(StepUpResult::TimedOut))]);
        assert_eq!(end(&model), Some(view::PromptResult::TimedOut));
    }
}

#[test]
fn trouble_at_the_key_is_told_with_the_end() {
    let mut model = asked(&[(A, Stage::Tap)]);
    trouble(&mut model, A, SessionError::Key(Failure::PinBlocked { until_reinserted: true }));
    assert!(end(&model).is_none(), "how it ends is the service's to say");
    tell(&mut model, &[(A, ended(StepUpResult::PinBlocked))]);
    let Some(Step::Ended { end: view::PromptResult::PinBlocked, trouble: Some(trouble), .. }) = step(&model)
    else {
        panic!("{:?}", step(&model))
    };
    assert_eq!(trouble.kind, view::KeyProblemKind::Reinsert);
}
