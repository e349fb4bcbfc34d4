//! Changes and requests that come too often, and changes that change no fact.

use super::harness::*;
use std::time::Duration;
use vitalsign_agent_core::{DeviceEffect, Effect, Event, RequestError};
use vitalsign_ipc::AgentState;
use vitalsign_platform_api::Change;

/// Whether the agent wants evidence signed, or a nonce to sign it for.
fn reports(bench: &Harness) -> bool {
    bench.has(|it| matches!(it, Effect::Device(DeviceEffect::Sign(_) | DeviceEffect::IdentifyKey)))
}

/// Runs the cycles that are due, and returns their number.
fn run_due(bench: &mut Harness, verifier: &Verifier) -> usize {
    let mut cycles = 0;
    loop {
        if bench.collects() {
            cycles += 1;
            bench.report(verifier);
        } else if bench.wakes_at().is_some_and(|at| at <= bench.now().elapsed) {
            bench.give(Event::Due);
        } else {
            return cycles;
        }
    }
}

#[test]
fn storm_of_changes_slows_down_to_a_bound() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(1).give(Event::Changed(Change::Disk));
    assert_eq!(run_due(&mut bench, &verifier), 1, "the first change is reported at once");
    let mut cycles = Vec::new();
    for tenth in 1..=1200 {
        bench.millis += 100;
        bench.give(Event::Changed(Change::Disk));
        if run_due(&mut bench, &verifier) > 0 {
            cycles.push(tenth);
        }
    }
    // Tenths of a second: each wait is twice the one before, up to 30 s.
    assert_eq!(cycles, [5, 15, 35, 75, 155, 315, 615, 915]);
    bench.give(Event::Changed(Change::Firewall));
    assert!(bench.collects(), "another kind of change is not delayed");
    bench.report(&verifier);
    // When it was quiet for a while, the next change is reported at once.
    bench.pass(31).give(Event::Due);
    run_due(&mut bench, &verifier);
    bench.pass(11).give(Event::Changed(Change::Disk));
    assert!(bench.collects());
}

#[test]
fn change_without_another_fact_sends_no_report() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(10).give(Event::Changed(Change::Disk)).collect(50);
    assert!(reports(&bench), "another fact");
    let (before, signing) = (bench.agent.status(bench.now()), bench.signing().unwrap());
    let evidence = signing.nonces[0].as_bytes().to_vec();
    bench.give(signed(&evidence));
    let digest = vitalsign_protocol::id::Digest::of(&evidence);
    let answer = verifier.answer(Some(signing.nonces[0]), Some(digest), |_| {});
    bench.give(Event::Reported(Ok(Box::new(answer))));
    assert!(before.busy && !bench.agent.status(bench.now()).busy);
    let heartbeat = bench.wakes_at();

    bench.pass(10).give(Event::Changed(Change::Disk)).collect(50);
    assert!(!reports(&bench), "{:?}", bench.out);
    assert_eq!((bench.wakes_at(), bench.standing()), (heartbeat, AgentState::Reporting));
    assert!(!bench.agent.status(bench.now()).busy);

    // A check, a heartbeat and a wake-up report the same facts too.
    for event in [Event::CheckNow, Event::PacedCheck, Event::Changed(Change::Wake)] {
        bench.pass(20).give(event.clone());
        assert!(bench.collects(), "{event:?}");
        bench.collect(50);
        assert!(reports(&bench), "{event:?}");
        bench.give(Event::Signed(Err(vitalsign_platform_api::KeyError::Hardware("x".into()))));
        // A change is reported while the agent does not know what the verifier has.
        bench.pass(20).give(Event::Changed(Change::Disk)).collect(50);
        assert!(reports(&bench), "{event:?}");
        bench.give(identified());
        bench.give(Event::Nonce(Err(RequestError::Unreachable("x".into()))));
        bench.pass(20).give(Event::Due);
        bench.report(&verifier);
        bench.pass(20).give(Event::CheckNow);
        bench.report(&verifier);
        bench.give(Event::Due);
    }
    bench.pass(400).give(Event::Due);
    assert!(bench.collects(), "the heartbeat");
}

#[test]
fn check_during_a_change_is_reported() {
    let verifier = Verifier::new();
    for check in [Event::CheckNow, Event::PacedCheck] {
        let mut bench = reporting(&verifier);
        bench.pass(10).give(Event::Changed(Change::Lock)).give(check.clone());
        // The facts of the last report.
        bench.collect(1);
        assert!(!reports(&bench), "{check:?}");
        assert!(bench.agent.status(bench.now()).busy, "{check:?}: the user waits");
        bench.millis += 500;
        bench.give(Event::Due);
        assert!(bench.collects(), "{check:?}");
        bench.collect(1);
        assert!(reports(&bench), "{check:?}");
    }
}

#[test]
fn checks_of_users_are_paced_and_joined() {
    let verifier = Verifier::new();
    let mut bench = reporting(&verifier);
    bench.pass(20);
    assert_eq!(bench.agent.check_delay(bench.now()), Duration::ZERO);
    bench.give(Event::PacedCheck);
    bench.report(&verifier);
    let mut reports = 0;
    for _ in 0..300 {
        bench.millis += 100;
        let (now, delay) = (bench.now(), bench.agent.check_delay(bench.now()));
        assert!(delay <= Duration::from_secs(10));
        bench.give(Event::PacedCheck);
        assert!(bench.agent.status(now).busy || delay.is_zero(), "the user waits for the result");
        if delay > Duration::ZERO {
            assert_eq!(bench.wakes_at(), Some(now.elapsed + delay), "the agent promised this time");
        }
        reports += run_due(&mut bench, &verifier);
    }
    assert_eq!(reports, 3, "in 30 s");

    // An administrator is not paced, and the report serves the user too.
    bench.millis += 1000;
    bench.give(Event::PacedCheck);
    assert!(!bench.collects());
    bench.give(Event::CheckNow);
    assert!(bench.collects());
    bench.report(&verifier);
    assert!(!bench.agent.status(bench.now()).busy);
    assert!(bench.wake_at().unwrap() > bench.now().elapsed.as_secs() + 200, "the heartbeat");
}
