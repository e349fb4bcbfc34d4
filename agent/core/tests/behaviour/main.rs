//! Behaviour of the agent for each event, with a fake clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by failing"
)]

mod channel;
mod harness;
mod names;
mod numbers;
mod organisation;
mod pacing;
mod random;
mod renewal;
mod step_up;

use harness::*;
use vitalsign_agent_core::{
    Agent, DeviceEffect, Effect, Event, RequestError, Saved, SignedEvidence, Transition, VerifierEffect,
};
use vitalsign_ipc::{AgentState, Cost};
use vitalsign_platform_api::{Change, KeyError};
use vitalsign_protocol::ear::{Ear, Tier};
use vitalsign_protocol::evidence::IntendedUse;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, Secret};
use vitalsign_protocol::message::NonceAnswer;
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::problem::ProblemType;

#[test]
fn new_device_enrols_then_reports_in_one_round_trip() {
    let verifier = Verifier::new();
    let mut bench = Harness::new(Saved::default());
    assert!(
        bench
            .give(Event::Started)
            .has(|it| matches!(it, Effect::Device(DeviceEffect::ReadEnrolmentKeys { renew_key: false })))
    );
    assert!(bench.give(keys()).give(Event::EnrolmentBegun(Ok(challenge()))).collects());
    bench.give(Event::Collected(Box::default()));
    assert!(bench.agent.status(bench.now()).posture.is_some(), "what is registered can be shown");
    assert!(
        bench
            .give(signed(&[1]))
            .has(|it| matches!(it, Effect::Verifier(VerifierEffect::FinishEnrolment { .. })))
    );
    bench.give(Event::EnrolmentFinished(Ok(Box::new(verifier.enrolled()))));
    assert_eq!(bench.standing(), AgentState::Reporting);
    assert_eq!(bench.saved.as_ref().unwrap().enrolled.as_ref().unwrap().enrolment, DEVICE);
    assert_eq!(bench.wake_at(), Some(60 + 300), "the heartbeat the verifier asked for");

    bench.pass(300).give(Event::Due);
    assert!(!bench.report(&verifier), "the nonce came with the last answer");
}

#[test]
fn own_interval_replaces_the_verifiers() {
    let verifier = Verifier::new();
    let mut bench = Harness::new(Saved::default());
    bench.agent = Agent::new(Saved::default()).with_report_seconds(Some(10));
    bench.give(Event::Started).give(keys()).give(Event::EnrolmentBegun(Ok(challenge())));
    bench.give(Event::Collected(Box::default())).give(signed(&[1]));
    bench.give(Event::EnrolmentFinished(Ok(Box::new(verifier.enrolled()))));
    assert_eq!(bench.wake_at(), Some(60 + 10));
    bench.pass(10).give(Event::Due);
    bench.report(&verifier);
    assert_eq!(bench.wake_at(), Some(70 + 10));
}

#[test]
fn report_cost_counts_every_round_trip() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    assert_eq!(bench.agent.status(bench.now()).cost.unwrap().round_trips, 2, "a nonce and a report");
    bench.pass(300).give(Event::Due).give(Event::Collected(Box::default()));
    let (collect_micros, sign_micros, hardware_commands) = (10, 20, 1);
    let evidence = vec![5; 42];
    let signed = SignedEvidence { evidence, collect_micros, sign_micros, hardware_commands };
    bench.give(Event::Signed(Ok(signed))).give(Event::Reported(Err(problem(ProblemType::Busy))));
    let cost = Cost { evidence_bytes: 42, round_trips: 1, hardware_commands, collect_micros, sign_micros };
    assert_eq!(bench.agent.status(bench.now()).cost, Some(cost));
}

#[test]
fn tpm_credential_is_opened_before_signing() {
    let verifier = Verifier::new();
    let mut bench = Harness::new(Saved::default());
    bench.give(Event::Started).give(keys()).give(Event::EnrolmentBegun(Ok(tpm_challenge())));
    bench.give(Event::Collected(Box::default()));
    assert!(bench.has(|it| matches!(it, Effect::Device(DeviceEffect::Activate(_)))));
    bench.give(Event::Activated(Ok(Secret::new(vec![2]))));
    let signing = bench.signing().unwrap();
    assert_eq!((signing.nonces, signing.enrolment), (vec![Nonce([1; 32])], Some(DEVICE)));
    assert_eq!((signing.intended_use, signing.quote), (IntendedUse::Registration, true));
    bench.give(signed(&[1]));
    let proof = bench.out.iter().find_map(|it| match it {
        Effect::Verifier(VerifierEffect::FinishEnrolment { proof, .. }) => Some(proof),
        _ => None,
    });
    let proof = proof.unwrap();
    assert_eq!((&proof.secret, &proof.evidence.0), (&Some(Secret::new(vec![2])), &vec![1]));
    bench.give(Event::EnrolmentFinished(Ok(Box::new(verifier.enrolled()))));
    assert_eq!(bench.standing(), AgentState::Reporting);

    let mut bench = Harness::new(Saved::default());
    bench.give(Event::Started).give(keys()).give(Event::EnrolmentBegun(Ok(tpm_challenge())));
    bench.give(Event::Collected(Box::default()));
    bench.give(Event::Activated(Err(KeyError::Hardware("wrong TPM".into()))));
    assert!(matches!(bench.standing(), AgentState::KeyTrouble { .. }));
}

#[test]
fn without_a_token_it_waits_and_says_so() {
    let mut bench = Harness::new(Saved::default());
    bench.give(Event::Started).give(Event::EnrolmentKeysRead(Err(RequestError::NoToken)));
    assert_eq!(bench.standing(), AgentState::NotEnrolled);
    assert!(
        bench
            .give(Event::EnrolNow)
            .has(|it| matches!(it, Effect::Device(DeviceEffect::ReadEnrolmentKeys { .. })))
    );
}

#[test]
fn an_old_nonce_is_not_used() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(1000).give(Event::Due);
    assert!(bench.report(&verifier));
}

#[test]
fn a_refused_nonce_is_replaced_once() {
    for kind in [ProblemType::NonceExpired, ProblemType::NonceUsed, ProblemType::NonceUnknown] {
        let verifier = Verifier::new();
        let mut bench = reporting(&verifier);
        bench.pass(300).give(Event::Due).walk_to_sending();
        assert!(
            bench
                .give(Event::Reported(Err(problem(kind))))
                .has(|it| matches!(it, Effect::Device(DeviceEffect::IdentifyKey)))
        );
        bench.give(identified());
        bench.give(Event::Nonce(Ok(NonceAnswer { nonce: Nonce([4; 32]), nonce_seconds: 60.into() })));
        bench.give(signed(&[5]));
        assert!(
            !bench
                .give(Event::Reported(Err(problem(kind))))
                .has(|it| matches!(it, Effect::Device(DeviceEffect::IdentifyKey)))
        );
        assert!(matches!(bench.standing(), AgentState::Refused { .. }));
        assert!(bench.wake_at().is_some());
    }
}

#[test]
fn reports_changes_at_once_and_again_during_a_report() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(10);
    for change in [Change::Os, Change::Disk, Change::Edr, Change::Firewall, Change::Lock, Change::Wake] {
        bench.give(Event::Changed(change));
        assert!(bench.collects(), "{change:?}");
        bench.report(&verifier);
        bench.pass(10);
    }
    bench.give(Event::Changed(Change::Seat));
    assert!(!bench.collects(), "a change of the seat is not reported");
    bench.give(Event::Changed(Change::Firewall));
    let (nonce, evidence, _) = bench.walk_to_sending();
    assert!(!bench.give(Event::Changed(Change::Edr)).collects(), "one at a time");
    bench.millis += 600;
    bench.give(Event::Reported(Ok(Box::new(verifier.answer(Some(nonce), Some(evidence), |_| {})))));
    assert!(bench.collects(), "the facts may be older than the change");
}

#[test]
fn offline_agent_keeps_facts_backs_off_and_recovers() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    let mut waits = Vec::new();
    bench.pass(300);
    for _ in 0..7 {
        bench.give(Event::Due).walk_to_sending();
        bench.give(Event::Reported(Err(RequestError::Unreachable("connection refused".into()))));
        let wait = bench.wake_at().unwrap() - bench.now().elapsed.as_secs();
        waits.push(wait);
        bench.pass(wait + 1);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300]);
    let AgentState::Offline { since, .. } = bench.standing() else { panic!("{:?}", bench.standing()) };
    assert_eq!(since, 1_800_000_000 + 300, "since the first failure");
    assert!(bench.agent.status(bench.now()).ear.is_some(), "the last verdict is still shown");
    bench.give(Event::Changed(Change::Network));
    assert!(bench.report(&verifier));
}

#[test]
fn sleeping_agent_is_idle_and_reports_on_wake() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(10).give(Event::Changed(Change::Sleep));
    assert_eq!(bench.wake_at(), None);
    assert!(!bench.give(Event::Changed(Change::Disk)).collects());
    bench.pass(3600 * 8).give(Event::Changed(Change::Wake));
    assert!(bench.report(&verifier), "the nonce from before the night is too old");
}

#[test]
fn firing_timer_implies_awake_without_wake_event() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(10).give(Event::Changed(Change::Sleep));
    bench.pass(3600).give(Event::Due);
    bench.report(&verifier);
}

#[test]
fn a_revoked_device_is_told_and_asks_rarely() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(300).give(Event::Due).walk_to_sending();
    bench.give(Event::Reported(Err(problem(ProblemType::DeviceRevoked))));
    assert_eq!(bench.standing(), AgentState::Revoked);
    assert_eq!(bench.wake_at(), Some(bench.now().elapsed.as_secs() + 900));
    assert!(bench.agent.status(bench.now()).enrolment.is_some(), "it is still that device");
    bench.pass(900).give(Event::Due);
    bench.report(&verifier);
}

#[test]
fn shows_last_verdict_and_facts_in_every_error_state() {
    let verifier = Verifier::new();
    let failures = [
        problem(ProblemType::ClaimsInvalid),
        problem(ProblemType::DeviceRevoked),
        problem(ProblemType::Busy),
        RequestError::Unreachable("connection refused".into()),
        RequestError::Untrusted("another certificate".into()),
        RequestError::InvalidAnswer("no JSON".into()),
        RequestError::Key(KeyError::Unavailable("no TPM".into())),
    ];
    for failure in failures {
        let mut bench = reporting(&verifier);
        let before = bench.agent.status(bench.now());
        assert!(before.ear.is_some());
        bench.pass(300).give(Event::Due).walk_to_sending();
        bench.give(Event::Reported(Err(failure.clone())));
        // A user requests a check: the agent reads the facts whatever the verifier answers.
        bench.pass(10).give(Event::CheckNow);
        assert!(bench.collects(), "{failure:?}");
        let mut seen = Posture::default();
        seen.firewall.inbound_blocked = Fact::Known(true);
        bench.give(Event::Collected(Box::new(seen.clone())));
        let status = bench.agent.status(bench.now());
        assert_ne!(status.standing, AgentState::Reporting, "{failure:?}");
        assert_eq!((&status.ear, status.reported_at), (&before.ear, before.reported_at), "{failure:?}");
        assert_eq!((status.posture, status.enrolment), (Some(seen), before.enrolment), "{failure:?}");

        // After a restart as well.
        let saved = bench.saved.clone().unwrap();
        let agent = Harness::new(saved);
        assert_eq!(agent.agent.status(agent.now()).ear, before.ear, "{failure:?}");
    }
}

#[test]
fn trouble_with_the_key_loses_nothing() {
    for error in [
        KeyError::Unavailable("busy".into()),
        KeyError::Denied("no permission".into()),
        KeyError::LockedOut("wait".into()),
        KeyError::Hardware("failure mode".into()),
    ] {
        let verifier = Verifier::new();
        let mut bench = reporting(&verifier);
        bench.pass(300).give(Event::Due).give(Event::Collected(Box::default()));
        bench.give(Event::Signed(Err(error.clone())));
        assert!(matches!(bench.standing(), AgentState::KeyTrouble { .. }), "{error:?}");
        assert!(bench.agent.status(bench.now()).enrolment.is_some());
        bench.pass(6).give(Event::Due);
        bench.report(&verifier);
    }
}

#[test]
fn a_clock_that_jumps_is_noted_and_brings_a_report() {
    for jump in [7200i64, -7200] {
        let verifier = Verifier::new();
        let mut bench = reporting(&verifier);
        bench.pass(10);
        bench.wall = bench.wall.checked_add_signed(jump).unwrap();
        bench.give(Event::Changed(Change::Network));
        assert!(bench.notes.contains(&Transition::ClockJumped { seconds: jump }), "{:?}", bench.notes);
        bench.give(Event::Due);
        bench.report(&verifier);
    }
}

#[test]
fn a_verdict_that_does_not_hold_is_not_taken() {
    type Change = fn(&mut Ear);
    let changes: [(&str, Change); 5] = [
        ("another device", |ear| ear.vitalsign_device = Some(EnrolmentId([8; 16]))),
        ("another nonce", |ear| ear.eat_nonce = Some(Nonce([8; 32]))),
        ("other evidence", |ear| ear.vitalsign_evidence = Some(Digest([8; 32]))),
        ("another profile", |ear| ear.eat_profile = "other".into()),
        ("better than its parts", |ear| {
            ear.submods.values_mut().for_each(|it| it.ear_status = Tier::Contraindicated);
        }),
    ];
    let verifier = Verifier::new();
    for (what, change) in changes {
        let mut bench = reporting(&verifier);
        bench.pass(300).give(Event::Due);
        let (nonce, evidence, _) = bench.walk_to_sending();
        bench.saved = None;
        bench.give(Event::Reported(Ok(Box::new(verifier.answer(Some(nonce), Some(evidence), change)))));
        assert!(matches!(bench.standing(), AgentState::Offline { .. }), "{what}");
        assert_eq!(bench.saved, None, "{what}");
    }
    let mut bench = reporting(&verifier);
    bench.pass(300).give(Event::Due);
    let (nonce, evidence, _) = bench.walk_to_sending();
    let forged = Verifier::new().answer(Some(nonce), Some(evidence), |_| {});
    bench.give(Event::Reported(Ok(Box::new(forged))));
    assert!(bench.notes.iter().any(|note| matches!(note, Transition::VerdictRefused(_))));
}

#[test]
fn answers_nobody_waits_for_change_nothing() {
    let verifier = Verifier::new();
    let stray: [fn(&Verifier) -> Event; 8] = [
        |_| Event::Collected(Box::default()),
        |_| identified(),
        |_| keys(),
        |_| Event::Nonce(Ok(NonceAnswer { nonce: Nonce([1; 32]), nonce_seconds: 9.into() })),
        |_| signed(&[1]),
        |v| Event::Reported(Ok(Box::new(v.answer(None, None, |_| {})))),
        |_| Event::EnrolmentBegun(Ok(challenge())),
        |v| Event::EnrolmentFinished(Ok(Box::new(v.enrolled()))),
    ];
    for event in stray {
        let mut bench = reporting(&verifier);
        let before = bench.agent.status(bench.now());
        bench.give(event(&verifier));
        assert_eq!(bench.agent.status(bench.now()), before);
        assert!(bench.out.iter().all(|it| matches!(it, Effect::Local(_))), "{:?}", bench.out);
    }
}

#[test]
fn restart_restores_verdict_and_saved_state() {
    let verifier = Verifier::new();
    let bench = reporting(&verifier);
    let json = serde_json::to_string(&bench.saved.unwrap()).unwrap();
    let again = Harness::new(serde_json::from_str(&json).unwrap());
    assert!(again.agent.status(again.now()).ear.is_some());
    assert_eq!(again.standing(), AgentState::Starting);
}
