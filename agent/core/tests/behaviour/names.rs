//! Names of the device: said only where they are allowed, after a start and when they changed, and withdrawn.

use super::harness::*;
use vitalsign_agent_core::{Effect, Event, RecordEffect, Saved, Signing};
use vitalsign_ipc::AgentState;
use vitalsign_platform_api::Change;
use vitalsign_protocol::device_names::{AssetTag, DeviceNames, HostName};
use vitalsign_protocol::id::{Digest, Nonce};
use vitalsign_protocol::message::NonceAnswer;
use vitalsign_protocol::problem::ProblemType;

fn named(host_name: &str) -> DeviceNames {
    DeviceNames { host_name: HostName::try_from(host_name.to_owned()).ok(), asset_tag: None }
}

/// Reports, and returns the names that the report says.
fn said(bench: &mut Harness, verifier: &Verifier) -> Option<DeviceNames> {
    bench.pass(300).give(Event::Due);
    let Signing { nonces, names, .. } = next_report(bench);
    bench.give(signed(b"evidence"));
    let answer = verifier.answer(Some(nonces[0]), Some(Digest::of(b"evidence")), |_| {});
    bench.give(Event::Reported(Ok(Box::new(answer))));
    assert_eq!(bench.standing(), AgentState::Reporting);
    names
}

/// From the collection of facts to the signature.
fn next_report(bench: &mut Harness) -> Signing {
    assert!(bench.collects(), "{:?}", bench.out);
    bench.give(Event::Collected(Box::default()));
    if bench.signing().is_none() {
        bench.give(identified());
        bench.give(Event::Nonce(Ok(NonceAnswer { nonce: Nonce([3; 32]), nonce_seconds: 60.into() })));
    }
    bench.signing().unwrap()
}

fn names_in_next_report(bench: &mut Harness) -> Option<DeviceNames> {
    next_report(bench).names
}

/// The agent after a restart, with what it saved.
fn restarted(bench: &Harness, names: &DeviceNames) -> Harness {
    let mut again = Harness::new(bench.saved.clone().unwrap());
    again.agent.set_names(names.clone());
    again.give(Event::Started);
    again
}

#[test]
fn says_no_names_by_default() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    for _ in 0..3 {
        assert_eq!(said(&mut bench, &verifier), None);
    }
    let mut again = restarted(&bench, &DeviceNames::default());
    assert_eq!(names_in_next_report(&mut again), None);
    assert!(!bench.saved.unwrap().names_sent);
}

#[test]
fn says_names_after_a_start_and_a_change() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    let (first, second) = (named("ward3-pc12"), named("ward4-pc1"));
    for names in [&first, &second, &first] {
        bench.agent.set_names(names.clone());
        assert_eq!(said(&mut bench, &verifier).as_ref(), Some(names));
        assert_eq!(said(&mut bench, &verifier), None);
    }
    let tagged = DeviceNames { asset_tag: AssetTag::try_from("4711".to_owned()).ok(), ..first.clone() };
    bench.agent.set_names(tagged.clone());
    assert_eq!(said(&mut bench, &verifier), Some(tagged));
    assert_eq!(names_in_next_report(&mut restarted(&bench, &first)), Some(first));
}

#[test]
fn withdrawn_names_are_said_to_be_none() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.agent.set_names(named("ward3-pc12"));
    said(&mut bench, &verifier);
    let none = DeviceNames::default();
    // While the agent runs, and between two starts.
    let mut again = restarted(&bench, &none);
    assert_eq!(names_in_next_report(&mut again), Some(none.clone()));
    bench.agent.set_names(none.clone());
    assert_eq!(said(&mut bench, &verifier), Some(none.clone()));
    assert_eq!(said(&mut bench, &verifier), None);
    // A verifier that was restored from a backup knows the name again.
    assert_eq!(names_in_next_report(&mut restarted(&bench, &none)), Some(none));
}

#[test]
fn names_without_an_answer_are_said_again() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.agent.set_names(named("ward3-pc12"));
    bench.pass(300).give(Event::Due);
    assert_eq!(names_in_next_report(&mut bench), Some(named("ward3-pc12")));
    // That they may arrive is on disk before they are sent.
    let saves: fn(&Effect) -> bool =
        |it| matches!(it, Effect::Record(RecordEffect::Save(saved)) if saved.names_sent);
    assert!(bench.has(saves), "{:?}", bench.out);
    bench.give(signed(b"evidence")).give(Event::Reported(Err(problem(ProblemType::Busy))));

    // Withdrawn before it is known whether they arrived.
    bench.agent.set_names(DeviceNames::default());
    assert_eq!(said(&mut bench, &verifier), Some(DeviceNames::default()));

    // Back to the names that were accepted last, before it is known whether others arrived.
    bench.agent.set_names(named("ward4-pc1"));
    bench.pass(300).give(Event::Due);
    assert_eq!(names_in_next_report(&mut bench), Some(named("ward4-pc1")));
    bench.give(signed(b"evidence")).give(Event::Reported(Err(problem(ProblemType::Busy))));
    bench.agent.set_names(DeviceNames::default());
    assert_eq!(said(&mut bench, &verifier), Some(DeviceNames::default()));
}

#[test]
fn changed_name_alone_is_reported() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    said(&mut bench, &verifier);
    for (names, reports) in [(DeviceNames::default(), false), (named("ward3-pc12"), true)] {
        bench.agent.set_names(names);
        bench.pass(60).give(Event::Changed(Change::Os));
        if !bench.collects() {
            bench.pass(30).give(Event::Due);
        }
        bench.give(Event::Collected(Box::default()));
        assert_eq!(bench.signing().is_some(), reports);
    }
}

#[test]
fn every_registration_says_names() {
    let verifier = Verifier::new();
    let mut bench = Harness::new(Saved::default());
    bench.agent.set_names(named("ward3-pc12"));
    bench.give(Event::Started).give(keys()).give(Event::EnrolmentBegun(Ok(challenge())));
    bench.give(Event::Collected(Box::default()));
    assert_eq!(bench.signing().unwrap().names, Some(named("ward3-pc12")));
    bench.give(signed(&[1])).give(Event::EnrolmentFinished(Ok(Box::new(verifier.enrolled()))));
    assert_eq!(said(&mut bench, &verifier), None);

    // Another enrolment may be with another verifier.
    bench.give(Event::EnrolNow).give(keys()).give(Event::EnrolmentBegun(Ok(challenge())));
    bench.give(Event::Collected(Box::default()));
    assert_eq!(bench.signing().unwrap().names, Some(named("ward3-pc12")));
}
