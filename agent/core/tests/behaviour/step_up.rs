//! Step-ups, to each of their ends.

use super::harness::{DEVICE, Harness, Verifier, identified, listening, problem, signed};
use serde_json::{Value, json};
use std::collections::HashSet;
use vitalsign_agent_core::{ChannelEffect, Effect, Event, RequestError, Saved, Transition, VerifierEffect};
use vitalsign_ipc::{Stage, StepUp};
use vitalsign_platform_api::{Change, KeyError};
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::evidence::IntendedUse;
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::problem::ProblemType;
use vitalsign_protocol::step_up::{
    Acr, MAX_TRANSACTION_BYTES, NO_SECURITY_KEY, StepUpAnswer, StepUpClosed, StepUpNext, StepUpOutcome,
    StepUpRequested, StepUpResult, Transaction, challenge, transaction_digest,
};

const ID: StepUpId = StepUpId([5; 16]);
const NONCE: Nonce = Nonce([6; 32]);
const RANDOM: Nonce = Nonce([7; 32]);
const SECONDS: u64 = 120;
/// Long enough for what has ended to vanish.
const VANISHED: u64 = 6;

pub(crate) fn text(id: StepUpId) -> String {
    text_with(id, None)
}

/// With these `authorization_details`, as JSON.
fn text_with(id: StepUpId, details: Option<&str>) -> String {
    text_at(Acr::HardwareKey, id, details)
}

fn text_at(acr: Acr, id: StepUpId, details: Option<&str>) -> String {
    let transaction = Transaction {
        step_up: id,
        application: "ehr".into(),
        user: "nurse-7".into(),
        message: "sign order 12".into(),
        acr,
        authorization_details: None,
        details_schemas: Default::default(),
    };
    let text = serde_json::to_string(&transaction).unwrap();
    match details {
        Some(details) => format!("{},\"authorization_details\":{details}}}", text.trim_end_matches('}')),
        None => text,
    }
}

pub(crate) fn asked(transaction: String, seconds: u64) -> String {
    let asked = StepUpRequested { transaction, nonce: NONCE, expires: 1, expires_seconds: seconds.into() };
    serde_json::to_string(&asked).unwrap()
}

/// Progress of the exchange before the disturbance.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Collecting,
    Signing,
    Sending,
    Tap,
    Checking,
}
const STEPS: [Step; 5] = [Step::Collecting, Step::Signing, Step::Sending, Step::Tap, Step::Checking];

/// Builds the verifier's answer to this evidence.
fn answer(verifier: &Verifier, evidence: &[u8], change: impl FnOnce(&mut Ear)) -> StepUpAnswer {
    answer_about(ID, verifier, evidence, change)
}

pub(crate) fn answer_about(
    id: StepUpId,
    verifier: &Verifier,
    evidence: &[u8],
    change: impl FnOnce(&mut Ear),
) -> StepUpAnswer {
    let ear = verifier.answer(Some(NONCE), Some(Digest::of(evidence)), change).ear;
    let options = json!({
        "challenge": challenge(&RANDOM, evidence, &transaction_digest(&text(id))).to_string(),
        "rpId": "verifier.example",
        "userVerification": "required",
        "allowCredentials": [{"type": "public-key", "id": "AQID"}],
    });
    StepUpAnswer { ear, next: StepUpNext::Tap { random: RANDOM, options, pin_entered: None } }
}

pub(crate) fn unhealthy(verifier: &Verifier, evidence: &[u8], reasons: &[&str]) -> StepUpAnswer {
    let reasons = reasons.iter().map(|it| (*it).to_owned()).collect();
    StepUpAnswer { next: StepUpNext::Unhealthy { reasons }, ..answer(verifier, evidence, |_| {}) }
}

pub(crate) fn assertion() -> Value {
    json!({"id": "AQID", "type": "public-key"})
}

impl Harness {
    fn ask(&mut self) -> &mut Self {
        self.tell(1, "step-up", asked(text(ID), SECONDS))
    }

    fn end(&mut self, end: StepUpResult) -> &mut Self {
        let ended = serde_json::to_string(&StepUpClosed { step_up: ID, end }).unwrap();
        self.tell(2, "step-up-ended", ended)
    }

    fn evidence(&self) -> Option<Vec<u8>> {
        self.out.iter().find_map(|it| match it {
            Effect::Verifier(VerifierEffect::SendStepUpEvidence(ID, evidence)) => Some(evidence.clone()),
            _ => None,
        })
    }

    fn sends_assertion(&self) -> bool {
        self.has(|it| matches!(it, Effect::Verifier(VerifierEffect::SendAssertion(ID, ..))))
    }

    fn sent_end(&self) -> Option<StepUpResult> {
        self.out.iter().find_map(|it| {
            if let Effect::Verifier(VerifierEffect::SendEnd(ID, end, _)) = it { Some(*end) } else { None }
        })
    }

    /// From the asking to the step.
    fn walk(&mut self, verifier: &Verifier, to: Step) -> &mut Self {
        assert!(self.collects(), "{:?}", self.out);
        if to == Step::Collecting {
            return self;
        }
        self.give(Event::Collected(Box::default()));
        let signing = self.signing().expect("something to sign");
        assert_eq!(signing.nonces, [NONCE, Nonce(transaction_digest(&text(ID)).0)]);
        assert_eq!(signing.names, None);
        if to == Step::Signing {
            return self;
        }
        self.give(signed(b"evidence"));
        if to == Step::Sending {
            return self;
        }
        let evidence = self.evidence().expect("evidence to send");
        self.give(Event::EvidenceAnswered(ID, Ok(Box::new(answer(verifier, &evidence, |_| {})))));
        if to == Step::Tap {
            return self;
        }
        self.give(Event::AssertionReceived(ID, assertion()));
        assert!(self.sends_assertion(), "{:?}", self.out);
        self
    }

    fn shown(&self) -> Option<StepUp> {
        self.agent.status(self.now()).step_ups.into_iter().find(|it| it.id == ID)
    }

    fn ended(&self) -> Option<(StepUpResult, Vec<String>)> {
        match self.shown()?.stage {
            Stage::Ended { end, reasons } => Some((end, reasons)),
            _ => None,
        }
    }

    /// Advances the clock to the next wake-up, by at most this many seconds.
    fn sleep_until_due(&mut self) -> &mut Self {
        let at = self.wakes_at();
        let at = u64::try_from(at.expect("a time to wake").as_millis()).unwrap();
        assert!(at > self.millis, "time passes");
        self.wall += (at - self.millis) / 1000;
        self.millis = at;
        self.give(Event::Due)
    }
}

fn asked_of(verifier: &Verifier) -> Harness {
    let mut bench = listening(verifier);
    bench.pass(10).ask();
    bench
}

#[test]
fn prompts_after_fresh_evidence_over_transaction() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(10).ask();
    assert_eq!(bench.shown().unwrap().stage, Stage::Preparing);
    bench.walk(&verifier, Step::Signing);
    let signing = bench.signing().unwrap();
    assert_eq!((signing.intended_use, signing.quote), (IntendedUse::StepUp, false));
    assert_eq!(signing.enrolment, Some(DEVICE));
    assert!(bench.agent.ceremony(ID).is_none(), "the device does not prompt yet");

    let mut bench = asked_of(&verifier);
    let saved = bench.saved.clone();
    bench.walk(&verifier, Step::Tap);
    let shown = bench.shown().unwrap();
    assert_eq!((shown.application.as_str(), shown.user.as_str()), ("ehr", "nurse-7"));
    assert_eq!((shown.message.as_str(), shown.stage), ("sign order 12", Stage::Tap));
    assert_eq!(shown.until, bench.wall + SECONDS);
    let ceremony = bench.agent.ceremony(ID).unwrap();
    assert_eq!(
        (ceremony.rp_id.as_str(), ceremony.origin.as_str()),
        ("verifier.example", "https://verifier.example")
    );

    bench.give(Event::AssertionReceived(ID, assertion()));
    assert_eq!(bench.shown().unwrap().stage, Stage::Checking);
    let session = bench.agent.session(bench.now()).unwrap();
    assert!(
        bench
            .out
            .iter()
            .any(|it| matches!(it, Effect::Verifier(VerifierEffect::SendAssertion(ID, given, with))
        if *given == assertion() && *with == session))
    );
    bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Approved })));
    assert_eq!(bench.ended(), Some((StepUpResult::Approved, vec![])));
    assert!(bench.agent.ceremony(ID).is_none());
    bench.sleep_until_due();
    assert_eq!(bench.shown(), None, "nothing of it remains");
    assert_eq!(bench.saved, saved, "nothing of it was saved");
    let notes = format!("{:?}", bench.notes);
    assert!(notes.contains("approved") || notes.contains("Approved"), "{notes}");
    assert!(!notes.contains("nurse-7") && !notes.contains("order"), "the journal knows no person: {notes}");
}

#[test]
fn every_end_is_reached_and_said() {
    type Ending = fn(&mut Harness, &Verifier);
    let ends: [(StepUpResult, Ending); 17] = [
        (StepUpResult::Approved, |bench, verifier| {
            bench.walk(verifier, Step::Checking);
            bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Approved })));
        }),
        (StepUpResult::Declined, |bench, verifier| {
            bench.walk(verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::Declined));
        }),
        (StepUpResult::Declined, |bench, _| {
            bench.give(Event::StepUpDeclined(ID, StepUpResult::Declined));
        }),
        (StepUpResult::NotMine, |bench, verifier| {
            bench.walk(verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::NotMine));
        }),
        (StepUpResult::TimedOut, |bench, verifier| {
            bench.walk(verifier, Step::Tap).pass(SECONDS).give(Event::Due);
        }),
        (StepUpResult::TimedOut, |bench, verifier| {
            bench.walk(verifier, Step::Checking).pass(SECONDS + 10).give(Event::Due);
        }),
        (StepUpResult::Unhealthy, |bench, verifier| {
            bench.walk(verifier, Step::Sending);
            let answer = unhealthy(verifier, &bench.evidence().unwrap(), &["disk-encryption"]);
            bench.give(Event::EvidenceAnswered(ID, Ok(Box::new(answer))));
        }),
        (StepUpResult::Unhealthy, |bench, verifier| {
            bench.walk(verifier, Step::Checking);
            bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Unhealthy })));
        }),
        (StepUpResult::WrongKey, |bench, verifier| {
            bench.walk(verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::WrongKey));
        }),
        (StepUpResult::WrongKey, |bench, verifier| {
            bench.walk(verifier, Step::Checking);
            bench.give(Event::AssertionAnswered(ID, Err(problem(ProblemType::AssertionInvalid))));
        }),
        (StepUpResult::PinBlocked, |bench, verifier| {
            bench.walk(verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::PinBlocked));
        }),
        (StepUpResult::NoKey, |bench, verifier| {
            bench.walk(verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::NoKey));
        }),
        (StepUpResult::NoKey, |bench, verifier| {
            bench.walk(verifier, Step::Sending);
            let answer = unhealthy(verifier, &bench.evidence().unwrap(), &[NO_SECURITY_KEY]);
            bench.give(Event::EvidenceAnswered(ID, Ok(Box::new(answer))));
        }),
        (StepUpResult::NoDevice, |bench, verifier| {
            bench.walk(verifier, Step::Tap).give(Event::CheckNow).walk_to_sending();
            bench.give(Event::Reported(Err(problem(ProblemType::DeviceRevoked))));
        }),
        (StepUpResult::Superseded, |bench, verifier| {
            bench.walk(verifier, Step::Tap).end(StepUpResult::Superseded);
        }),
        (StepUpResult::Superseded, |bench, verifier| {
            bench.walk(verifier, Step::Checking);
            bench.give(Event::AssertionAnswered(ID, Err(problem(ProblemType::StepUpOver))));
        }),
        (StepUpResult::Cancelled, |bench, verifier| {
            bench.walk(verifier, Step::Tap).end(StepUpResult::Cancelled);
        }),
    ];
    let mut seen = HashSet::new();
    for (end, go) in ends {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        go(&mut bench, &verifier);
        assert_eq!(bench.ended().map(|(end, _)| end), Some(end), "{:?}", bench.out);
        let noted =
            |it: &Transition| matches!(it, Transition::StepUpClosed { end: noted, .. } if *noted == end);
        assert!(bench.notes.iter().any(noted), "{:?}", bench.notes);
        assert!(!bench.agent.is_live(ID) && bench.agent.ceremony(ID).is_none());
        bench.pass(VANISHED).give(Event::Due);
        assert_eq!(bench.shown(), None, "{end}");
        seen.insert(end);
    }
    assert_eq!(seen, StepUpResult::ALL.into_iter().collect());
}

#[test]
fn unhealthy_device_shows_reasons_and_checks_again() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Sending);
    let long = "x".repeat(1000);
    let mut reasons = vec!["disk-encryption", &long];
    reasons.extend(["os-updates"; 100]);
    let answer = unhealthy(&verifier, &bench.evidence().unwrap(), &reasons);
    bench.give(Event::EvidenceAnswered(ID, Ok(Box::new(answer))));
    let (end, shown) = bench.ended().unwrap();
    assert_eq!(
        (end, shown[0].as_str(), shown[1].len(), shown.len()),
        (StepUpResult::Unhealthy, "disk-encryption", 64, 32)
    );
    assert_eq!(bench.sent_end(), None, "the verifier knows");
    assert!(bench.collects(), "a report shows the remedies");
    bench.report(&verifier);
}

#[test]
fn invalid_binding_never_prompts() {
    type Bend = fn(&Verifier, &[u8]) -> StepUpAnswer;
    fn bent(verifier: &Verifier, evidence: &[u8], bend: impl FnOnce(&mut Value, &mut Nonce)) -> StepUpAnswer {
        let mut answer = answer(verifier, evidence, |_| {});
        if let StepUpNext::Tap { random, options, .. } = &mut answer.next {
            bend(options, random);
        }
        answer
    }
    let bends: [(&str, Bend); 19] = [
        ("verdict", |_, evidence| answer(&Verifier::new(), evidence, |_| {})),
        ("verdict", |v, evidence| {
            answer(v, evidence, |ear| ear.vitalsign_device = Some(EnrolmentId([8; 16])))
        }),
        ("verdict", |v, evidence| answer(v, evidence, |ear| ear.vitalsign_evidence = Some(Digest([8; 32])))),
        ("verdict", |v, evidence| answer(v, evidence, |ear| ear.eat_nonce = Some(Nonce([8; 32])))),
        ("verdict", |v, evidence| StepUpAnswer { ear: "x".repeat(100_000), ..answer(v, evidence, |_| {}) }),
        ("verdict", |_, evidence| unhealthy(&Verifier::new(), evidence, &["disk-encryption"])),
        ("relying-party", |v, evidence| bent(v, evidence, |it, _| it["rpId"] = "other.example".into())),
        ("relying-party", |v, evidence| bent(v, evidence, |it, _| it["rpId"] = Value::Null)),
        ("relying-party", |v, evidence| bent(v, evidence, |it, _| *it = Value::Null)),
        ("challenge", |v, evidence| bent(v, evidence, |it, _| it["challenge"] = "AAAA".into())),
        ("challenge", |v, evidence| bent(v, evidence, |_, random| *random = Nonce([1; 32]))),
        ("challenge", |v, evidence| {
            // Over other evidence.
            bent(v, evidence, |it, _| {
                it["challenge"] =
                    challenge(&RANDOM, b"other", &transaction_digest(&text(ID))).to_string().into();
            })
        }),
        ("challenge", |v, evidence| {
            // Over another transaction.
            bent(v, evidence, |it, _| {
                it["challenge"] = challenge(&RANDOM, evidence, &transaction_digest("{}")).to_string().into();
            })
        }),
        ("user-verification", |v, evidence| {
            bent(v, evidence, |it, _| it["userVerification"] = "discouraged".into())
        }),
        ("user-verification", |v, evidence| {
            bent(v, evidence, |it, _| it["userVerification"] = "preferred".into())
        }),
        ("user-verification", |v, evidence| bent(v, evidence, |it, _| it["userVerification"] = Value::Null)),
        // At a level at which no tap rests on an earlier one.
        ("user-verification", |v, evidence| resting(answer(v, evidence, |_| {}))),
        ("credentials", |v, evidence| bent(v, evidence, |it, _| it["allowCredentials"] = json!([]))),
        ("credentials", |v, evidence| bent(v, evidence, |it, _| it["allowCredentials"] = Value::Null)),
    ];
    for (flaw, bend) in bends {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, Step::Sending);
        let bent = bend(&verifier, &bench.evidence().unwrap());
        bench.give(Event::EvidenceAnswered(ID, Ok(Box::new(bent))));
        assert_eq!(bench.ended(), Some((StepUpResult::NoKey, vec![flaw.to_owned()])), "{flaw}");
        assert_eq!(bench.sent_end(), Some(StepUpResult::NoKey), "{flaw}");
        assert!(bench.notes.iter().any(|it| matches!(it, Transition::StepUpRefused(_))), "{flaw}");
        assert!(bench.agent.ceremony(ID).is_none(), "{flaw}");
        bench.give(Event::EndAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::NoKey })));
    }
}

/// The answer with which a tap may rest on an earlier one.
fn resting(mut answer: StepUpAnswer) -> StepUpAnswer {
    if let StepUpNext::Tap { options, pin_entered, .. } = &mut answer.next {
        options["userVerification"] = "discouraged".into();
        *pin_entered = Some(900);
    }
    answer
}

/// A step-up at the lowest level whose evidence was answered: the tap may rest on an earlier one.
fn resting_tap(verifier: &Verifier, before_answer: impl FnOnce(&mut Harness)) -> Harness {
    let mut bench = listening(verifier);
    let text = text_at(Acr::Badge, ID, None);
    bench.pass(10).tell(1, "step-up", asked(text.clone(), SECONDS));
    bench.give(Event::Collected(Box::default())).give(signed(b"evidence"));
    let mut answer = resting(answer(verifier, b"evidence", |_| {}));
    if let StepUpNext::Tap { options, .. } = &mut answer.next {
        let challenge = challenge(&RANDOM, b"evidence", &transaction_digest(&text));
        options["challenge"] = challenge.to_string().into();
    }
    before_answer(&mut bench);
    bench.give(Event::EvidenceAnswered(ID, Ok(Box::new(answer))));
    bench
}

#[test]
fn tap_without_pin_shows_when_it_was_entered() {
    let verifier = Verifier::with_sessions();
    let bench = resting_tap(&verifier, |_| {});
    let shown = bench.shown().unwrap();
    assert_eq!((shown.stage, shown.pin_entered), (Stage::Tap, Some(900)));
    let mut options = bench.agent.ceremony(ID).unwrap().options;
    assert_eq!(options["userVerification"].take(), "discouraged");
}

#[test]
fn end_of_the_pin_period_prepares_the_tap_again() {
    for before_the_answer in [true, false] {
        let verifier = Verifier::with_sessions();
        let mut bench = resting_tap(&verifier, |bench| {
            if before_the_answer {
                bench.give(Event::PinPeriodEnded);
            }
        });
        if !before_the_answer {
            bench.give(Event::PinPeriodEnded);
        }
        let shown = bench.shown().unwrap();
        assert_eq!((shown.stage, shown.pin_entered), (Stage::Preparing, None), "{before_the_answer}");
        assert!(bench.agent.ceremony(ID).is_none(), "{before_the_answer}");
        // With the next evidence, once.
        bench.sleep_until_due();
        assert!(bench.collects(), "{before_the_answer}: {:?}", bench.out);
    }
}

#[test]
fn taps_with_a_pin_outlast_the_period() {
    for step in [Step::Tap, Step::Checking] {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, step);
        let before = bench.shown().unwrap().stage;
        bench.give(Event::PinPeriodEnded);
        assert_eq!(bench.shown().unwrap().stage, before, "{step:?}");
    }
}

/// Details with a schema that has the one member `dose`, with this label in German.
fn labelled(label: &str, detail: &str) -> String {
    format!(
        r#"[{detail}],"details_schemas":{{"order":{{"labels":{{"en":"Order"}},"fields":[
           {{"name":"dose","kind":"text","labels":{{"en":"Dose","de":"{label}"}}}}]}}}}"#
    )
}

#[test]
fn labels_reach_the_person_until_the_end() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    let details = labelled("Dosis", r#"{"type":"order","dose":"5 mg"}"#);
    bench.pass(10).tell(1, "step-up", asked(text_with(ID, Some(&details)), SECONDS));
    let shown = bench.shown().unwrap();
    assert_eq!(shown.details_schemas["order"].fields[0].labels.in_language("de"), "Dosis");
    bench.give(Event::StepUpDeclined(ID, StepUpResult::Declined));
    let shown = bench.shown().unwrap();
    assert!(shown.authorization_details.is_none() && shown.details_schemas.is_empty(), "{shown:?}");
}

#[test]
fn unreadable_request_is_logged_and_ignored() {
    let long = |name: &str| text(ID).replace(name, &"x".repeat(MAX_TRANSACTION_BYTES));
    for data in [
        String::new(),
        "{}".to_owned(),
        asked("{}".into(), 9),
        asked("not JSON".into(), 9),
        asked(text(ID).replace("urn:vitalsign:acr:hardware-key", "urn:other"), 9),
        asked(long("nurse-7"), 9),
        asked(text(ID), 9).replace(&NONCE.to_string(), "AAAA"),
        asked(text(ID), 9) + &" ".repeat(40_000),
        asked(text_with(ID, Some(&format!("{}{}", "[".repeat(33), "]".repeat(33)))), 9),
        asked(text_with(ID, Some(&format!("[{}1]", "1e15,".repeat(1000)))), 9),
        // Details that their schema would not show as they are, and labels that reorder text.
        asked(
            text_with(ID, Some(&labelled("Dosis", r#"{"type":"order","dose":"5 mg","hidden":"50 mg"}"#))),
            9,
        ),
        asked(text_with(ID, Some(&labelled("\u{202e}", r#"{"type":"order","dose":"5 mg"}"#))), 9),
    ] {
        let mut bench = listening(&Verifier::with_sessions());
        bench.pass(10).tell(1, "step-up", data.clone());
        assert!(!bench.collects() && bench.shown().is_none(), "{data}");
        assert!(bench.notes.iter().any(|it| matches!(it, Transition::StepUpRefused(_))), "{data}");
        assert!(!format!("{:?}", bench.notes).contains("nurse-7"), "{:?}", bench.notes);
        bench.ask();
        assert!(bench.collects(), "the next one is read");
    }
    let mut bench = asked_of(&Verifier::with_sessions());
    bench.tell(2, "step-up-ended", "{}".into());
    assert!(bench.agent.is_live(ID));
}

#[test]
fn a_life_has_a_limit_whatever_the_verifier_says() {
    let verifier = Verifier::with_sessions();
    for (seconds, lives) in [(0, 0), (1, 1), (u64::MAX, 3600)] {
        let mut bench = listening(&verifier);
        bench.pass(10).tell(1, "step-up", asked(text(ID), seconds));
        if lives > 0 {
            assert_eq!(bench.shown().unwrap().until, bench.wall + lives);
            bench.walk(&verifier, Step::Tap).pass(lives - 1).give(Event::CheckNow);
            assert!(bench.agent.is_live(ID));
            bench.pass(1).give(Event::CheckNow);
        }
        assert_eq!(bench.ended(), Some((StepUpResult::TimedOut, vec![])));
        assert!(!bench.has(|it| matches!(it, Effect::Verifier(VerifierEffect::SendStepUpEvidence(..)))));
    }
}

#[test]
fn offline_it_goes_on_when_the_verifier_is_back() {
    let failures = || {
        [
            RequestError::Unreachable("x".into()),
            RequestError::Untrusted("x".into()),
            RequestError::InvalidAnswer("x".into()),
            problem(ProblemType::Busy),
            problem(ProblemType::Internal),
        ]
    };
    for failure in failures() {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, Step::Sending);
        bench.give(Event::EvidenceAnswered(ID, Err(failure.clone())));
        assert_eq!(bench.shown().unwrap().stage, Stage::Preparing);
        // The facts may have changed: they are read and signed again.
        bench.sleep_until_due().walk(&verifier, Step::Checking);
        for _ in 0..3 {
            bench.give(Event::AssertionAnswered(ID, Err(failure.clone())));
            assert_eq!(bench.shown().unwrap().stage, Stage::Checking, "{failure:?}");
            assert!(!bench.sends_assertion());
            bench.sleep_until_due();
            assert!(bench.sends_assertion(), "{failure:?}");
        }
        bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Approved })));
        assert_eq!(bench.ended(), Some((StepUpResult::Approved, vec![])));
    }
}

#[test]
fn offline_for_too_long_it_has_timed_out_in_each_step() {
    for step in [Step::Sending, Step::Checking] {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, step);
        let begun = bench.millis;
        let mut tries = 0;
        while bench.agent.is_live(ID) {
            let failure = RequestError::Unreachable("no route".into());
            if bench.evidence().is_some() {
                tries += 1;
                bench.give(Event::EvidenceAnswered(ID, Err(failure)));
            } else if bench.sends_assertion() {
                tries += 1;
                bench.give(Event::AssertionAnswered(ID, Err(failure)));
            } else if bench.collects() {
                bench.give(Event::Collected(Box::default()));
            } else if bench.signing().is_some() {
                bench.give(signed(b"evidence"));
            } else {
                bench.sleep_until_due();
            }
        }
        assert_eq!(bench.ended(), Some((StepUpResult::TimedOut, vec![])));
        assert!((10..40).contains(&tries), "{tries} tries");
        let lived = (bench.millis - begun) / 1000;
        assert!((SECONDS..=SECONDS + 10).contains(&lived), "{lived} s");
    }
}

#[test]
fn delivers_results_after_the_verifier_returns() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::NotMine));
    for _ in 0..3 {
        assert_eq!(bench.sent_end(), Some(StepUpResult::NotMine));
        bench.give(Event::EndAnswered(ID, Err(RequestError::Unreachable("x".into()))));
        while bench.sent_end().is_none() {
            bench.sleep_until_due();
        }
    }
    assert_eq!(bench.shown(), None, "a person sees it end at once, and vanish");
    bench.give(Event::EndAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::NotMine })));
    bench.pass(20).give(Event::Due);
    assert_eq!(bench.sent_end(), None, "once is enough");

    let mut bench = asked_of(&verifier);
    bench.give(Event::StepUpDeclined(ID, StepUpResult::Declined));
    bench.give(Event::EndAnswered(ID, Err(problem(ProblemType::StepUpOver))));
    bench.pass(20).give(Event::Due);
    assert_eq!(bench.sent_end(), None, "it was over already");
}

#[test]
fn resends_assertion_after_session_is_replaced() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Checking);
    bench.give(Event::AssertionAnswered(ID, Err(problem(ProblemType::SessionInvalid))));
    assert!(bench.agent.session(bench.now()).is_none());
    bench.report(&verifier);
    while !bench.sends_assertion() {
        bench.sleep_until_due();
    }
    bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Approved })));
    assert_eq!(bench.ended(), Some((StepUpResult::Approved, vec![])));
}

#[test]
fn sleep_counts_in_each_step() {
    for step in STEPS {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, step).give(Event::Changed(Change::Sleep));
        bench.pass(SECONDS + 20).give(Event::Changed(Change::Wake));
        assert_eq!(bench.ended(), Some((StepUpResult::TimedOut, vec![])), "{step:?}");
        // What was under way comes in late, and starts nothing.
        bench.give(match step {
            Step::Collecting => Event::Collected(Box::default()),
            Step::Signing => signed(b"evidence"),
            Step::Sending => {
                Event::EvidenceAnswered(ID, Ok(Box::new(answer(&verifier, b"evidence", |_| {}))))
            }
            Step::Tap | Step::Checking => Event::AssertionReceived(ID, assertion()),
        });
        assert!(bench.evidence().is_none() && !bench.sends_assertion(), "{step:?}");
        assert_eq!(bench.ended(), Some((StepUpResult::TimedOut, vec![])), "{step:?}");
    }
    // A short sleep ends nothing.
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Tap).give(Event::Changed(Change::Sleep));
    bench.pass(SECONDS / 2).give(Event::Changed(Change::Wake));
    assert_eq!(bench.shown().unwrap().stage, Stage::Tap);
}

#[test]
fn restart_at_each_step_resumes_from_verifier() {
    for step in STEPS {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, step);
        let json = serde_json::to_string(&bench.saved.unwrap()).unwrap();
        for secret in ["nurse-7", "order", &ID.to_string(), "CAgICAgI"] {
            assert!(!json.contains(secret), "{step:?}: {secret} in {json}");
        }
        let saved: Saved = serde_json::from_str(&json).unwrap();
        let mut bench = Harness::new(saved);
        bench.give(Event::Started);
        bench.report(&verifier);
        assert_eq!(bench.open().1, None, "all events are asked for");
        bench.ask().walk(&verifier, Step::Checking);
        bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Approved })));
        assert_eq!(bench.ended(), Some((StepUpResult::Approved, vec![])), "{step:?}");
    }
}

#[test]
fn an_event_that_comes_twice_starts_nothing_twice() {
    let verifier = Verifier::with_sessions();
    for step in STEPS {
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, step);
        let before = bench.agent.status(bench.now());
        bench.ask();
        assert_eq!(bench.agent.status(bench.now()), before, "{step:?}");
        assert!(!bench.collects());
    }
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Tap).give(Event::StepUpDeclined(ID, StepUpResult::Declined));
    bench.give(Event::EndAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Declined })));
    bench.pass(VANISHED).ask();
    assert!(!bench.collects() && bench.shown().is_none(), "one that has ended does not come back");
}

#[test]
fn a_person_answers_once() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Checking).give(Event::AssertionReceived(ID, assertion()));
    assert!(!bench.sends_assertion(), "one tap is under way");
    bench.give(Event::StepUpDeclined(ID, StepUpResult::Declined));
    assert_eq!(bench.shown().unwrap().stage, Stage::Checking, "the verifier has it now");
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Signing).give(Event::AssertionReceived(ID, assertion()));
    assert!(!bench.sends_assertion(), "the device has not prompted yet");
    for end in StepUpResult::ALL.into_iter().filter(|end| !end.is_the_devices_to_say()) {
        bench.give(Event::StepUpDeclined(ID, end));
        assert!(bench.agent.is_live(ID), "{end} is not the device's to say");
    }
    bench
        .give(Event::AssertionReceived(StepUpId([1; 16]), assertion()))
        .give(Event::StepUpDeclined(StepUpId([1; 16]), StepUpResult::NoKey));
    assert!(bench.sent_end().is_none(), "no result was requested");
}

#[test]
fn excess_step_ups_are_fetched_when_there_is_room() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    let name = |number: u8| StepUpId([number; 16]);
    bench.pass(10);
    for number in 1..=10 {
        bench.tell(number.into(), "step-up", asked(text(name(number)), SECONDS));
    }
    let shown = bench.agent.status(bench.now()).step_ups;
    assert_eq!(shown.iter().map(|it| it.id).collect::<Vec<_>>(), (1..=8).map(name).collect::<Vec<_>>());
    bench.give(Event::StepUpDeclined(name(3), StepUpResult::Declined));
    assert_eq!(bench.open(), (2, Some(8)), "from the last one that was taken on");
    for number in 9..=10 {
        bench.tell(number.into(), "step-up", asked(text(name(number)), SECONDS));
    }
    assert!(bench.agent.is_live(name(9)) && !bench.agent.is_live(name(10)));
}

#[test]
fn largest_step_ups_fit_into_one_ipc_message() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(10);
    let details =
        format!("[{}\"{}\"{}]", "[".repeat(31), "x".repeat(MAX_TRANSACTION_BYTES - 400), "]".repeat(31));
    for number in 0..16 {
        let id = StepUpId([number; 16]);
        bench.tell(number.into(), "step-up", asked(text_with(id, Some(&details)), SECONDS));
        if number < 8 {
            bench.give(Event::StepUpDeclined(id, StepUpResult::Declined));
        }
    }
    let status = bench.agent.status(bench.now());
    assert_eq!(status.step_ups.len(), 12);
    let json = serde_json::to_vec(&status).unwrap();
    assert!(json.len() < 160 * 1024, "{}", json.len());
    assert_eq!(serde_json::from_slice::<vitalsign_ipc::Status>(&json).unwrap(), status);
}

#[test]
fn many_that_end_at_once_leave_little_behind() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(10);
    for number in 0..200 {
        let id = StepUpId([number; 16]);
        bench.tell(number.into(), "step-up", asked(text(id), SECONDS));
        let ended =
            serde_json::to_string(&StepUpClosed { step_up: id, end: StepUpResult::Cancelled }).unwrap();
        bench.tell(number.into(), "step-up-ended", ended);
        assert!(bench.agent.status(bench.now()).step_ups.len() <= 12);
    }
}

#[test]
fn reports_go_on_while_a_person_is_awaited() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Tap);
    assert!(!bench.agent.status(bench.now()).busy, "busy is said of reports");
    bench.pass(10).give(Event::Changed(Change::Firewall));
    bench.report(&verifier);
    assert_eq!(bench.shown().unwrap().stage, Stage::Tap);
    bench.give(Event::AssertionReceived(ID, assertion()));
    assert!(bench.sends_assertion());
    bench.pass(1).give(Event::CheckNow);
    bench.report(&verifier);
}

#[test]
fn a_report_gives_way_and_begins_anew() {
    let verifier = Verifier::with_sessions();
    // While the facts are read.
    let mut bench = listening(&verifier);
    bench.pass(10).give(Event::CheckNow).ask();
    assert!(!bench.collects(), "one reading at a time");
    bench.give(Event::Collected(Box::default()));
    assert!(bench.collects() && bench.signing().is_none(), "facts from before the request are not fresh");
    assert!(bench.agent.status(bench.now()).busy, "the report is still to come");
    bench.walk(&verifier, Step::Tap);
    assert!(!bench.report(&verifier), "with the nonce that it had in hand");
    assert!(!bench.agent.status(bench.now()).busy);

    // While it waits for a nonce.
    let mut bench = listening(&verifier);
    bench.pass(850).give(Event::CheckNow).open();
    bench.give(Event::Collected(Box::default()));
    bench.give(identified());
    assert!(bench.has(|it| matches!(it, Effect::Verifier(VerifierEffect::FetchNonce(_)))));
    bench.ask().give(Event::Nonce(Ok(vitalsign_protocol::message::NonceAnswer {
        nonce: Nonce([3; 32]),
        nonce_seconds: 60.into(),
    })));
    bench.walk(&verifier, Step::Tap);
    assert!(!bench.report(&verifier), "the nonce is kept");

    // Messages already signed are sent first.
    let mut bench = listening(&verifier);
    bench.pass(10).give(Event::CheckNow);
    let (nonce, evidence, _) = bench.walk_to_sending();
    bench.ask();
    bench.give(Event::Reported(Ok(Box::new(verifier.answer(Some(nonce), Some(evidence), |_| {})))));
    bench.walk(&verifier, Step::Tap);
}

#[test]
fn another_device_has_none_of_its_step_ups() {
    type Losing = (&'static str, fn(&mut Harness, Step) -> bool);
    let losses: [Losing; 3] = [
        ("the key is lost", |bench, step| {
            bench.give(match step {
                Step::Signing => Event::Signed(Err(KeyError::Lost("cleared".into()))),
                _ => return false,
            });
            true
        }),
        ("the verifier does not know the device", |bench, step| {
            let failure = problem(ProblemType::DeviceUnknown);
            bench.give(match step {
                Step::Sending => Event::EvidenceAnswered(ID, Err(failure)),
                Step::Checking => Event::AssertionAnswered(ID, Err(failure)),
                _ => return false,
            });
            true
        }),
        ("revoked", |bench, step| {
            let failure = problem(ProblemType::DeviceRevoked);
            let event = match step {
                Step::Sending => Event::EvidenceAnswered(ID, Err(failure)),
                Step::Checking => Event::AssertionAnswered(ID, Err(failure)),
                Step::Tap => {
                    bench.give(Event::CheckNow).walk_to_sending();
                    Event::Reported(Err(failure))
                }
                _ => return false,
            };
            bench.give(event);
            true
        }),
    ];
    for (what, lose) in losses {
        for step in STEPS {
            let verifier = Verifier::with_sessions();
            let mut bench = asked_of(&verifier);
            bench.walk(&verifier, step);
            if !lose(&mut bench, step) {
                continue;
            }
            assert_eq!(bench.ended(), Some((StepUpResult::NoDevice, vec![])), "{what} at {step:?}");
            assert!(
                bench.has(|it| matches!(it, Effect::Channel(ChannelEffect::Close))),
                "{what} at {step:?}"
            );
            assert!(!bench.agent.status(bench.now()).listening);
            assert!(bench.agent.session(bench.now()).is_none());
        }
    }
    // The device enrols again while a person is being prompted.
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench
        .walk(&verifier, Step::Tap)
        .give(Event::EnrolNow)
        .give(super::harness::keys())
        .give(Event::EnrolmentBegun(Ok(super::harness::challenge())));
    bench
        .give(Event::Collected(Box::default()))
        .give(signed(&[1]))
        .give(Event::EnrolmentFinished(Ok(Box::new(verifier.enrolled()))));
    assert_eq!(bench.ended(), Some((StepUpResult::NoDevice, vec![])));
    assert_eq!(bench.open().1, None, "the new device has heard nothing yet");
}

#[test]
fn refusals_of_evidence_end_it_or_are_tried_again() {
    use ProblemType as P;
    for kind in P::ALL.iter().copied() {
        let verifier = Verifier::with_sessions();
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, Step::Sending);
        bench.give(Event::EvidenceAnswered(ID, Err(problem(kind))));
        let wanted = match kind {
            P::Busy | P::RateLimited | P::Internal | P::SessionInvalid => None,
            P::NonceExpired => Some(StepUpResult::TimedOut),
            P::NonceUnknown | P::NonceUsed | P::StepUpOver | P::StepUpUnknown => {
                Some(StepUpResult::Superseded)
            }
            _ => Some(StepUpResult::NoDevice),
        };
        assert_eq!(bench.ended().map(|(end, _)| end), wanted, "{kind:?}");
    }
}

#[test]
fn trouble_with_the_key_is_tried_again() {
    let verifier = Verifier::with_sessions();
    for error in
        [KeyError::Unavailable("x".into()), KeyError::Hardware("x".into()), KeyError::LockedOut("x".into())]
    {
        let mut bench = asked_of(&verifier);
        bench.walk(&verifier, Step::Signing).give(Event::Signed(Err(error)));
        assert!(bench.agent.is_live(ID) && !bench.collects());
        bench.sleep_until_due().walk(&verifier, Step::Tap);
    }
}

#[test]
fn the_verifier_knows_better_how_it_ended() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Checking);
    bench.give(Event::AssertionAnswered(ID, Err(problem(ProblemType::StepUpOver))));
    assert_eq!(bench.ended(), Some((StepUpResult::Superseded, vec!["step-up-over".into()])));
    bench.end(StepUpResult::Cancelled);
    assert_eq!(bench.ended().map(|(end, _)| end), Some(StepUpResult::Cancelled));
    bench.pass(VANISHED).end(StepUpResult::Approved);
    assert_eq!(bench.shown(), None);
}

#[test]
fn a_clock_that_is_set_moves_no_end() {
    let verifier = Verifier::with_sessions();
    let mut bench = asked_of(&verifier);
    bench.walk(&verifier, Step::Tap);
    let left = bench.shown().unwrap().until - bench.wall;
    bench.wall += 7200;
    bench.give(Event::Changed(Change::Network));
    assert_eq!(bench.shown().unwrap().until - bench.wall, left, "what a person reads is right");
    assert!(bench.agent.is_live(ID));
    bench.pass(SECONDS).give(Event::Due);
    assert_eq!(bench.ended().map(|(end, _)| end), Some(StepUpResult::TimedOut));
}

#[test]
fn two_are_prepared_one_after_the_other() {
    let verifier = Verifier::with_sessions();
    let other = StepUpId([9; 16]);
    let mut bench = asked_of(&verifier);
    bench.tell(2, "step-up", asked(text(other), SECONDS));
    assert!(!bench.collects());
    bench.give(Event::Collected(Box::default())).give(signed(b"evidence"));
    bench.give(Event::EvidenceAnswered(ID, Ok(Box::new(answer(&verifier, b"evidence", |_| {})))));
    assert!(bench.collects(), "the second follows at once");
    bench.give(Event::Collected(Box::default()));
    assert_eq!(bench.signing().unwrap().nonces[1], Nonce(transaction_digest(&text(other)).0));
    // The first is answered meanwhile.
    bench.give(Event::AssertionReceived(ID, assertion()));
    assert!(bench.sends_assertion());
    bench.give(Event::AssertionAnswered(ID, Ok(StepUpOutcome { end: StepUpResult::Approved })));
    assert_eq!(bench.ended().map(|(end, _)| end), Some(StepUpResult::Approved));
    bench.give(signed(b"evidence"));
    assert!(bench.has(|it| matches!(it, Effect::Verifier(VerifierEffect::SendStepUpEvidence(id, _)) if *id == StepUpId([9; 16]))));
}
