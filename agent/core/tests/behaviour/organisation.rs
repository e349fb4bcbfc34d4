//! The organisation's words: fetched when the verifier announces another version, kept, and outranked by this device's
//! configuration.

use super::harness::*;
use std::sync::Arc;
use vitalsign_agent_core::{Effect, Event, ManagedOrganisation, RecordEffect, RequestError, VerifierEffect};
use vitalsign_ipc::Guidance;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::organisation::{Organisation, OrganisationDocument};

fn words(json: &str) -> Organisation {
    serde_json::from_str(json).unwrap()
}

fn document(json: &str) -> Arc<OrganisationDocument> {
    Arc::new(OrganisationDocument::new(words(json)).unwrap())
}

/// Reports, and returns the version that is then fetched.
fn fetched_after_report(bench: &mut Harness, verifier: &Verifier) -> Option<Digest> {
    bench.pass(300).give(Event::Due);
    bench.report(verifier);
    bench.out.iter().find_map(|it| match it {
        Effect::Verifier(VerifierEffect::FetchOrganisation(version, _)) => Some(*version),
        _ => None,
    })
}

fn kept(bench: &Harness) -> Option<Option<Digest>> {
    bench.out.iter().find_map(|it| match it {
        Effect::Record(RecordEffect::KeepOrganisation(document)) => {
            Some(document.as_ref().map(|document| document.version()))
        }
        _ => None,
    })
}

fn guidance(bench: &Harness) -> Guidance {
    bench.agent.status(bench.now()).guidance
}

#[test]
fn announced_words_are_fetched_once_and_kept() {
    let mut verifier = Verifier::with_sessions();
    let mut bench = reporting(&verifier);
    let first = document(r#"{"name": "St. Example Hospital", "support": {"phone": "ext. 1234"}}"#);
    verifier.words = Some(first.version());
    assert_eq!(fetched_after_report(&mut bench, &verifier), Some(first.version()));
    assert_eq!(guidance(&bench), Guidance::default(), "an announcement alone changes nothing");
    // A fetch that fails is repeated after the next report.
    bench.give(Event::OrganisationFetched(Err(RequestError::Unreachable("no route".into()))));
    assert_eq!((kept(&bench), bench.standing()), (None, vitalsign_ipc::AgentState::Reporting));
    assert_eq!(fetched_after_report(&mut bench, &verifier), Some(first.version()));
    bench.give(Event::OrganisationFetched(Ok(first.clone())));
    assert_eq!(kept(&bench), Some(Some(first.version())));
    assert_eq!(guidance(&bench).support.instruction(), "Call IT (ext. 1234).");
    assert_eq!(fetched_after_report(&mut bench, &verifier), None);
    assert_eq!(kept(&bench), None);

    let second = document(r#"{"support": {"phone": "ext. 5678"}}"#);
    verifier.words = Some(second.version());
    assert_eq!(fetched_after_report(&mut bench, &verifier), Some(second.version()));
    bench.give(Event::OrganisationFetched(Err(RequestError::InvalidAnswer("too large".into()))));
    assert_eq!(guidance(&bench).organisation.as_deref(), Some("St. Example Hospital"), "the last one stays");
    verifier.words = None;
    assert_eq!(fetched_after_report(&mut bench, &verifier), None);
    assert_eq!(kept(&bench), Some(None));
    assert_eq!(guidance(&bench), Guidance::default());
}

#[test]
fn words_without_a_session_are_not_fetched() {
    let mut verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    verifier.words = Some(Digest::of(b"words"));
    assert_eq!(fetched_after_report(&mut bench, &verifier), None);
}

#[test]
fn refused_verdict_announces_nothing() {
    let verifier = Verifier::with_sessions();
    let mut bench = reporting(&verifier);
    let mut stranger = Verifier::with_sessions();
    stranger.words = Some(Digest::of(b"words"));
    bench.pass(300).give(Event::Due);
    let (nonce, evidence, _) = bench.walk_to_sending();
    bench.give(Event::Reported(Ok(Box::new(stranger.answer(Some(nonce), Some(evidence), |_| {})))));
    assert!(!bench.has(|it| matches!(it, Effect::Verifier(VerifierEffect::FetchOrganisation(..)))));
}

#[test]
fn words_of_the_device_come_before_the_verifiers() {
    let verifier = Verifier::with_sessions();
    let bench = reporting(&verifier);
    let served = document(
        r##"{"name": "Served", "colour": "#005eb8", "support": {"phone": "ext. 1", "url": "https://it.example"},
            "user_may_fix": ["os-updates"], "texts": {"de": {"a": {"title": "Eins"}}}}"##,
    );
    let managed = |json| ManagedOrganisation {
        is_managed: true,
        words: Arc::new(words(json)),
        ..ManagedOrganisation::default()
    };
    let told = |json| {
        let agent = bench.agent.clone().with_organisation(managed(json), Some(served.clone()));
        (agent.status(bench.now()).guidance, agent.organisation_texts("de", "linux").texts)
    };
    let (plain, texts) = told("{}");
    assert_eq!((plain.organisation.as_deref(), plain.fixers.managed), (Some("Served"), true));
    assert_eq!(plain.fixers.user_may_fix, Some(vec!["os-updates".to_owned()]));
    assert_eq!(texts.of("a").unwrap().title.as_deref(), Some("Eins"));
    let (own, texts) = told(
        r#"{"name": "Own", "support": {"phone": "ext. 9"}, "user_may_fix": [],
            "texts": {"de": {"a": {"title": "Selbst"}}}}"#,
    );
    assert_eq!((own.organisation.as_deref(), own.colour), (Some("Own"), plain.colour));
    // Number and address are of one source.
    assert_eq!((own.support.phone.as_deref(), own.support.url), (Some("ext. 9"), None));
    assert_eq!(own.fixers.user_may_fix, Some(Vec::new()));
    assert_eq!(texts.of("a").unwrap().title.as_deref(), Some("Selbst"));
    // Clients read texts again when the version changes.
    assert!(own.version.is_some() && own.version != plain.version);
}

#[test]
fn downtime_is_told_with_the_texts() {
    let verifier = Verifier::with_sessions();
    let bench = reporting(&verifier);
    let served = document(r#"{"downtime": {"de": {"text": "Papierformular.", "phone": "999"}}}"#);
    let managed =
        |json| ManagedOrganisation { words: Arc::new(words(json)), ..ManagedOrganisation::default() };
    let told = |json, served: Option<&Arc<OrganisationDocument>>| {
        let agent = bench.agent.clone().with_organisation(managed(json), served.cloned());
        (agent.status(bench.now()).guidance.version, agent.organisation_texts("de", "linux").downtime)
    };
    let (version, downtime) = told("{}", Some(&served));
    assert_eq!(downtime.unwrap().phone.as_deref(), Some("999"));
    // The app reads it when the version changes, so there has to be one.
    let (other, own) = told(r#"{"downtime": {"en": {"text": "Paper form."}}}"#, Some(&served));
    assert!(version.is_some() && other.is_some() && version != other);
    assert_eq!(own.unwrap().text, "Paper form.");
    assert_eq!(told("{}", None), (None, None));
}
