//! Opening, closing and reopening of the event channel.

use super::harness::*;
use vitalsign_agent_core::{ChannelEffect, Effect, Event, RequestError};
use vitalsign_ipc::AgentState;
use vitalsign_platform_api::Change;
use vitalsign_protocol::problem::ProblemType;

fn opens(bench: &Harness) -> bool {
    bench.has(|it| matches!(it, Effect::Channel(ChannelEffect::Open { .. })))
}
fn closes(bench: &Harness) -> bool {
    bench.has(|it| matches!(it, Effect::Channel(ChannelEffect::Close)))
}
fn listens(bench: &Harness) -> bool {
    bench.agent.status(bench.now()).listening
}
fn broken() -> RequestError {
    RequestError::Unreachable("the verifier closed the event channel".into())
}

/// The newest channel ends, or is not opened. After how many seconds the next is opened, and after how many reports.
fn wait_after(bench: &mut Harness, verifier: &Verifier, why: RequestError) -> (u64, usize) {
    let (before, mut reports) = (bench.millis, 0);
    bench.give(Event::ChannelClosed(bench.channel, why));
    assert!(!listens(bench));
    loop {
        if bench.collects() {
            bench.report(verifier);
            reports += 1;
        }
        if let Some(number) = bench.opening() {
            bench.channel = number;
            return ((bench.millis - before) / 1000, reports);
        }
        let at = bench.wakes_at();
        let at = u64::try_from(at.expect("a time to wake").as_millis()).unwrap();
        assert!(at > bench.millis, "time passes: {:?}", bench.out);
        bench.wall += (at - bench.millis) / 1000;
        bench.millis = at;
        bench.give(Event::Due);
    }
}

#[test]
fn channel_is_open_only_with_a_session() {
    let verifier = Verifier::new();
    let bench = reporting(&verifier);
    assert!(!opens(&bench) && !listens(&bench), "a verifier that opens no session has no channel");

    let verifier = Verifier::with_sessions();
    let mut bench = reporting(&verifier);
    assert!(opens(&bench) && !listens(&bench));
    assert_eq!(bench.open(), (1, None));
    bench.pass(300).give(Event::Due);
    bench.report(&verifier);
    assert!(!opens(&bench) && listens(&bench), "the next report leaves it as it is");
}

#[test]
fn channel_reopens_before_its_session_expires() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    for _ in 0..2 {
        bench.pass(300).give(Event::Due);
        bench.report(&verifier);
    }
    bench.pass(209).give(Event::Due);
    assert!(!opens(&bench));
    bench.pass(1).give(Event::Due);
    assert!(opens(&bench) && listens(&bench), "the one in place is a good one: {:?}", bench.out);
    assert_eq!(bench.open(), (2, None));
}

#[test]
fn expired_session_closes_channel_next_reopens_it() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.give(Event::Changed(Change::Sleep)).pass(901).give(Event::Changed(Change::Network));
    assert!(closes(&bench) && !listens(&bench));
    bench.give(Event::Changed(Change::Wake));
    bench.report(&verifier);
    assert_eq!(bench.open().0, 2);
}

#[test]
fn broken_it_is_opened_again_later_and_later() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    let waits: Vec<u64> = (0..8).map(|_| wait_after(&mut bench, &verifier, broken()).0).collect();
    // Six tenths of 1, 2, 4 … seconds: the random number of the bench.
    assert_eq!(waits, [0, 1, 2, 4, 9, 19, 36, 36]);
    bench.give(Event::ChannelOpened(bench.channel)).pass(10);
    assert_eq!(wait_after(&mut bench, &verifier, broken()).0, 0, "it was open for long: a good one");
    bench.give(Event::ChannelOpened(bench.channel)).pass(1);
    assert_eq!(wait_after(&mut bench, &verifier, broken()).0, 1, "one that breaks at once is not");
}

#[test]
fn not_all_devices_come_back_at_once() {
    let waits: Vec<u64> = [0, 500, 1000]
        .into_iter()
        .map(|random| {
            let mut bench = listening(&Verifier::with_sessions());
            bench.random = random;
            bench.give(Event::ChannelClosed(bench.channel, broken()));
            let at = bench.wakes_at();
            u64::try_from(at.unwrap().as_millis()).unwrap() - bench.millis
        })
        .collect();
    assert_eq!(waits, [500, 1000, 1500]);
}

#[test]
fn refused_session_triggers_one_report_then_backs_off() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(10);
    let refused = || problem(ProblemType::SessionInvalid);
    assert_eq!(wait_after(&mut bench, &verifier, refused()), (0, 1));
    let (waited, reports) = wait_after(&mut bench, &verifier, refused());
    assert!(waited >= 1 && reports == 1, "{waited} s, {reports} reports");
    let mut last = waited;
    for _ in 0..5 {
        let (waited, reports) = wait_after(&mut bench, &verifier, refused());
        assert!(waited > last / 2 && reports >= 1, "{waited} s after {last} s, {reports} reports");
        last = waited;
    }
    assert!(last >= 30, "{last}");
}

#[test]
fn a_verifier_without_such_a_channel_is_left_alone() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    assert!(wait_after(&mut bench, &verifier, problem(ProblemType::NotFound)).0 >= 900);
}

#[test]
fn revoked_it_is_closed_and_stays_so() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    let number = bench.channel;
    bench.pass(10).give(Event::ChannelClosed(number, problem(ProblemType::DeviceRevoked)));
    bench.walk_to_sending();
    bench.give(Event::Reported(Err(problem(ProblemType::DeviceRevoked))));
    assert_eq!(bench.standing(), AgentState::Revoked);
    bench.pass(100).give(Event::Changed(Change::Network));
    assert!(!opens(&bench));
    assert!(bench.agent.session(bench.now()).is_none());
}

#[test]
fn another_network_and_waking_up_open_it_at_once() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(60).give(Event::Changed(Change::Network));
    assert!(opens(&bench) && !listens(&bench), "what is open may be dead");
    bench.open();
    bench.give(Event::Changed(Change::Network));
    assert!(!opens(&bench), "a flapping network does not flood the verifier");
    bench.pass(5).give(Event::Due);
    assert!(opens(&bench));
    bench.open();

    bench.give(Event::Changed(Change::Sleep)).pass(60).give(Event::Changed(Change::Wake));
    assert!(opens(&bench) && bench.collects());
    bench.report(&verifier);

    // No wake-up event is delivered.
    let mut bench = listening(&verifier);
    bench.give(Event::Changed(Change::Sleep)).pass(60).give(Event::Due);
    assert!(opens(&bench));
}

#[test]
fn network_change_reopens_channel_after_backoff() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    for _ in 0..8 {
        wait_after(&mut bench, &verifier, broken());
    }
    let number = bench.channel;
    bench.pass(6).give(Event::ChannelClosed(number, broken()));
    assert!(!opens(&bench));
    bench.give(Event::Changed(Change::Network));
    assert!(opens(&bench));
}

#[test]
fn ignores_messages_of_an_older_channel() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(60).give(Event::Changed(Change::Network));
    let old = bench.channel;
    bench.open();
    bench.give(Event::ChannelClosed(old, broken()));
    assert!(listens(&bench));
    bench.channel = old;
    bench.tell(5, "check", "{}".into());
    assert!(!bench.collects());
}

#[test]
fn channel_resumes_after_the_last_event() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.tell(41, "something-new", "not JSON".into());
    assert!(bench.out.iter().all(|it| matches!(it, Effect::Local(_))), "{:?}", bench.out);
    bench.pass(60).give(Event::Changed(Change::Network));
    assert_eq!(bench.open().1, Some(41));
}

#[test]
fn asked_to_look_it_looks() {
    let verifier = Verifier::with_sessions();
    let mut bench = listening(&verifier);
    bench.pass(10).tell(1, "check", "{}".into());
    assert!(bench.collects());
    bench.report(&verifier);
}
