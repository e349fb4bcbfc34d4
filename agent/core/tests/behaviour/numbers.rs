//! Numbers of the verifier and of the clock, of any size: the agent never panics, and goes on reporting.

use super::harness::*;
use super::step_up::{asked, text};
use serde_json::{Value, json};
use vitalsign_agent_core::Event;
use vitalsign_ipc::AgentState;
use vitalsign_protocol::id::{Nonce, StepUpId};

/// Numbers at the bounds of what clocks and multiplications take, and others between them.
fn numbers() -> Vec<u64> {
    let powers = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]);
    let seconds = [u64::MAX, u64::MAX - 1, u64::MAX / 9, u64::MAX / 10 * 9, 86_399, 604_801];
    powers.chain(seconds).collect()
}

/// Replaces every member of this name, as a verifier would write it.
fn with<T: serde::Serialize + serde::de::DeserializeOwned>(answer: &T, name: &str, number: u64) -> T {
    let mut json = serde_json::to_value(answer).unwrap();
    json[name] = json!(number);
    serde_json::from_value(json).unwrap()
}

#[test]
fn no_number_of_the_verifier_stops_the_agent() {
    let verifier = Verifier::with_sessions();
    for number in numbers() {
        for field in ["nonce_seconds", "report_seconds"] {
            let mut bench = listening(&verifier);
            bench.random = number;
            bench.pass(300).give(Event::Due);
            let (nonce, evidence, _) = bench.walk_to_sending();
            let answer = with(&verifier.answer(Some(nonce), Some(evidence), |_| {}), field, number);
            bench.give(Event::Reported(Ok(Box::new(answer))));
            assert_eq!(bench.standing(), AgentState::Reporting, "{field} {number}");
            let next = bench.agent.status(bench.now()).next_report_seconds;
            assert!(next <= 86_400 * 11 / 10, "{field} {number}: the next report is in {next} s");
            bench.pass(next + 1).give(Event::Due);
            bench.report(&verifier);
        }
        let mut bench = reporting(&verifier);
        bench.pass(2000).give(Event::Due).collect(2).give(identified());
        let nonce = json!({"nonce": Nonce([3; 32]), "nonce_seconds": number});
        bench.give(Event::Nonce(Ok(serde_json::from_value(nonce).unwrap())));
        assert!(bench.signing().is_some(), "{number}");
    }
}

#[test]
fn no_step_up_lives_longer_than_an_hour() {
    let verifier = Verifier::with_sessions();
    for number in numbers() {
        let mut bench = listening(&verifier);
        let step_up = StepUpId([1; 16]);
        let mut event: Value = serde_json::from_str(&asked(text(step_up), 60)).unwrap();
        event["expires"] = json!(number);
        event["expires_seconds"] = json!(number);
        bench.tell(1, "step-up", event.to_string());
        bench.pass(3600).give(Event::Due);
        assert!(!bench.agent.is_live(step_up), "{number}");
    }
}

#[test]
fn no_wall_clock_stops_the_agent() {
    let verifier = Verifier::with_sessions();
    for number in numbers() {
        let mut bench = listening(&verifier);
        bench.pass(1);
        (bench.wall, bench.random) = (number, number);
        bench.give(Event::CheckNow);
        bench.report(&verifier);
        bench.tell(1, "step-up", asked(text(StepUpId([1; 16])), 3600));
        bench.wall = u64::MAX - number;
        bench.give(Event::Due);
    }
}
