//! An enrolment that fails in use: it is kept until a new one is whole.

use super::harness::*;
use super::step_up::{asked, text};
use vitalsign_agent_core::{
    ChannelEffect, DeviceEffect, Effect, Event, RecordEffect, RequestError, Saved, VerifierEffect,
};
use vitalsign_ipc::AgentState;
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::{EnrolmentId, StepUpId};
use vitalsign_protocol::message::Enrolled;
use vitalsign_protocol::problem::ProblemType;

const DEVICE_2: EnrolmentId = EnrolmentId([8; 16]);

fn enrols(bench: &Harness, renewed: bool) -> bool {
    bench.out.iter().any(|it| {
        matches!(it, Effect::Device(DeviceEffect::ReadEnrolmentKeys { renew_key }) if *renew_key == renewed)
    })
}

/// A report for which the verifier does not know the device.
fn unknown(bench: &mut Harness) {
    bench.walk_to_sending();
    bench.give(Event::Reported(Err(problem(ProblemType::DeviceUnknown))));
    assert!(enrols(bench, false), "{:?}", bench.out);
}

fn is_unknown(standing: &AgentState) -> bool {
    matches!(standing, AgentState::Refused { problem, detail }
        if problem == ProblemType::DeviceUnknown.urn() && detail.contains("IT must"))
}

/// The answer to an enrolment of another name.
fn enrolled_as_second(verifier: &Verifier) -> Enrolled {
    let report = verifier.answer(None, None, |ear| ear.vitalsign_device = Some(DEVICE_2));
    Enrolled { enrolment: DEVICE_2, report, ..verifier.enrolled() }
}

fn enrol_as_second(bench: &mut Harness, verifier: &Verifier) {
    let mut challenge = challenge();
    challenge.enrolment = DEVICE_2;
    bench.give(keys()).give(Event::EnrolmentBegun(Ok(challenge))).give(Event::Collected(Box::default()));
    bench.give(signed(&[1]));
    bench.give(Event::EnrolmentFinished(Ok(Box::new(enrolled_as_second(verifier)))));
}

#[test]
fn unknown_device_keeps_its_enrolment_and_continues() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    let before = bench.saved.clone().unwrap();
    let status = bench.agent.status(bench.now());
    bench.pass(300).give(Event::Due);
    let mut waits = Vec::new();
    for _ in 0..8 {
        unknown(&mut bench);
        bench.give(Event::EnrolmentKeysRead(Err(RequestError::NoToken)));
        assert!(is_unknown(&bench.standing()), "{:?}", bench.standing());
        assert_eq!(bench.agent.status(bench.now()).enrolment, status.enrolment);
        let wait = bench.wake_at().unwrap() - bench.now().elapsed.as_secs();
        waits.push(wait);
        bench.pass(wait + 1).give(Event::Due);
        assert!(is_unknown(&bench.standing()), "it says so while it tries again");
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(bench.saved, Some(before.clone()), "nothing is erased");
    // The verifier was restored from a newer backup.
    bench.report(&verifier);
    assert_eq!(bench.saved.as_ref().unwrap().enrolled, before.enrolled);
}

#[test]
fn unknown_device_enrols_again_with_a_token() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    let before = bench.saved.clone();
    bench.pass(300).give(Event::Due);
    unknown(&mut bench);
    enrol_as_second(&mut bench, &verifier);
    assert_ne!(bench.saved, before);
    assert_eq!(bench.standing(), AgentState::Reporting);
    assert_eq!(bench.saved.as_ref().unwrap().enrolled.as_ref().unwrap().enrolment, DEVICE_2);
    let records: Vec<_> = bench.out.iter().filter(|it| matches!(it, Effect::Record(_))).collect();
    let saved = records.iter().position(|it| matches!(it, Effect::Record(RecordEffect::Save(_))));
    let dropped =
        records.iter().position(|it| matches!(it, Effect::Record(RecordEffect::DropEnrolmentLeftovers)));
    assert!(saved.is_some() && saved < dropped, "the token goes when the enrolment is saved: {records:?}");
}

#[test]
fn failed_renewal_erases_nothing() {
    let verifier = Verifier::new();
    type Fail = fn(&mut Harness, &Verifier);
    let failures: [(&str, Fail); 6] = [
        ("no token", |bench, _| {
            bench.give(Event::EnrolmentKeysRead(Err(RequestError::NoToken)));
        }),
        ("a spent token", |bench, _| {
            bench.give(keys()).give(Event::EnrolmentBegun(Err(problem(ProblemType::TokenSpent))));
        }),
        ("the verifier goes away", |bench, _| {
            bench.give(keys());
            bench.give(Event::EnrolmentBegun(Err(RequestError::Unreachable("x".into()))));
        }),
        ("the challenge is too old", |bench, _| {
            bench.give(keys()).give(Event::EnrolmentBegun(Ok(challenge())));
            bench.give(Event::Collected(Box::default())).give(signed(&[1]));
            bench.give(Event::EnrolmentFinished(Err(problem(ProblemType::EnrolmentUnknown))));
        }),
        ("the key does not sign", |bench, _| {
            bench.give(keys()).give(Event::EnrolmentBegun(Ok(challenge())));
            bench.give(Event::Collected(Box::default()));
            bench.give(Event::Signed(Err(KeyError::Lost("x".into()))));
        }),
        ("a verdict of another key", |bench, verifier| {
            bench.give(keys()).give(Event::EnrolmentBegun(Ok(challenge())));
            bench.give(Event::Collected(Box::default())).give(signed(&[1]));
            let forged = Verifier::new().answer(None, None, |_| {});
            let enrolled = Enrolled { report: forged, ..verifier.enrolled() };
            bench.give(Event::EnrolmentFinished(Ok(Box::new(enrolled))));
        }),
    ];
    for (what, fail) in failures {
        let mut bench = reporting(&verifier);
        let before = bench.saved.clone();
        bench.pass(300).give(Event::Due);
        unknown(&mut bench);
        fail(&mut bench, &verifier);
        assert_ne!(bench.standing(), AgentState::Reporting, "{what}");
        assert_eq!(bench.saved, before, "{what}");
        let wait = bench.wake_at().unwrap() - bench.now().elapsed.as_secs();
        assert!((1..=10).contains(&wait), "{what}: {wait} s");
        // The old enrolment still works.
        bench.pass(wait + 1).give(Event::Due);
        bench.report(&verifier);
        assert_eq!(bench.saved.unwrap().enrolled, before.unwrap().enrolled, "{what}");
    }
}

#[test]
fn refused_token_is_named_with_the_remedy() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(300).give(Event::Due);
    unknown(&mut bench);
    bench.give(keys()).give(Event::EnrolmentBegun(Err(problem(ProblemType::TokenSpent))));
    let AgentState::Refused { detail, .. } = bench.standing() else { panic!("{:?}", bench.standing()) };
    assert!(is_unknown(&bench.standing()) && detail.contains("as the test wants"), "{detail}");
}

#[test]
fn revoked_device_is_told_so_when_it_enrols_again() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(300).give(Event::Due);
    unknown(&mut bench);
    bench.give(keys()).give(Event::EnrolmentBegun(Err(problem(ProblemType::DeviceRevoked))));
    assert_eq!(bench.standing(), AgentState::Revoked);
}

#[test]
fn unknown_device_ends_step_ups_and_channel() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    let step_up = StepUpId([1; 16]);
    bench.pass(10).tell(1, "step-up", asked(text(step_up), 60));
    assert!(bench.agent.is_live(step_up));
    bench.give(Event::Collected(Box::default())).give(signed(&[1]));
    bench.give(Event::EvidenceAnswered(step_up, Err(problem(ProblemType::DeviceUnknown))));
    assert!(!bench.agent.is_live(step_up));
    assert!(bench.has(|it| matches!(it, Effect::Channel(ChannelEffect::Close))));
    assert!(bench.agent.session(bench.now()).is_none());
}

#[test]
fn lost_key_causes_one_new_key_and_enrolment() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    let before = bench.saved.clone();
    bench.pass(300).give(Event::Due).collect(1);
    bench.give(Event::Signed(Err(KeyError::Lost("the TPM was cleared".into()))));
    assert!(enrols(&bench, true));
    bench.give(keys()).give(Event::EnrolmentBegun(Ok(challenge()))).give(Event::Collected(Box::default()));
    bench.give(Event::Signed(Err(KeyError::Lost("again".into()))));
    assert!(!bench.has(|it| matches!(it, Effect::Device(DeviceEffect::ReadEnrolmentKeys { .. }))));
    assert!(matches!(bench.standing(), AgentState::KeyTrouble { .. }));
    assert!(bench.wake_at().unwrap() > bench.now().elapsed.as_secs());
    assert_eq!(bench.saved, before);
}

#[test]
fn lost_key_without_a_token_keeps_the_enrolment() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    let before = bench.saved.clone();
    bench.pass(300).give(Event::Due).collect(1);
    bench.give(Event::Signed(Err(KeyError::Lost("the TPM was cleared".into()))));
    bench.give(Event::EnrolmentKeysRead(Err(RequestError::NoToken)));
    let AgentState::KeyTrouble { detail } = bench.standing() else { panic!("{:?}", bench.standing()) };
    assert!(detail.contains("the TPM was cleared") && detail.contains("IT must"), "{detail}");
    assert_eq!(bench.saved, before);
    // The error was one of the moment.
    bench.pass(6).give(Event::Due);
    bench.report(&verifier);
    assert_eq!(bench.saved.unwrap().enrolled, before.unwrap().enrolled);
}

#[test]
fn key_lost_before_enrolment_is_renewed_later() {
    let mut bench = Harness::new(Saved::default());
    bench.give(Event::Started);
    bench.give(Event::EnrolmentKeysRead(Err(RequestError::Key(KeyError::Lost("damaged".into())))));
    assert!(matches!(bench.standing(), AgentState::KeyTrouble { .. }));
    bench.pass(6).give(Event::Due);
    assert!(enrols(&bench, true), "{:?}", bench.out);
    bench.give(keys());
    assert!(bench.has(|it| matches!(it, Effect::Verifier(VerifierEffect::BeginEnrolment(_)))));
}

#[test]
fn enrolment_requested_during_a_report_follows_it() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(300).give(Event::Due).give(Event::EnrolNow);
    bench.collect(99);
    let nonce = bench.signing().unwrap().nonces[0];
    bench.give(signed(b"report"));
    let digest = vitalsign_protocol::id::Digest::of(b"report");
    bench.give(Event::Reported(Ok(Box::new(verifier.answer(Some(nonce), Some(digest), |_| {})))));
    assert!(bench.agent.status(bench.now()).busy, "the administrator waits");
    if !enrols(&bench, false) {
        bench.pass(1).give(Event::Due);
    }
    assert!(enrols(&bench, false), "{:?}", bench.out);
    enrol_as_second(&mut bench, &verifier);
    assert_eq!(bench.saved.as_ref().unwrap().enrolled.as_ref().unwrap().enrolment, DEVICE_2);
    assert!(!bench.agent.status(bench.now()).busy);
}
