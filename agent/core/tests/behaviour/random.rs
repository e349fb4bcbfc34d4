//! Random events in random order: the agent never panics, never stops, and closes every step-up.

use super::harness::*;
use super::step_up::{answer_about, asked, assertion, text, unhealthy};
use std::time::Duration;
use vitalsign_agent_core::{
    ChannelEffect, DeviceEffect, Effect, Event, LocalEffect, RequestError, VerifierEffect,
};
use vitalsign_platform_api::{Change, KeyError};
use vitalsign_protocol::id::{Secret, StepUpId};
use vitalsign_protocol::message::NonceAnswer;
use vitalsign_protocol::problem::ProblemType;
use vitalsign_protocol::sse::Message;
use vitalsign_protocol::step_up::{StepUpClosed, StepUpOutcome, StepUpResult};

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn step_up(&mut self) -> StepUpId {
        StepUpId([u8::try_from(self.below(12)).unwrap(); 16])
    }

    fn failure(&mut self) -> RequestError {
        self.pick(&[
            RequestError::Unreachable("x".into()),
            RequestError::Untrusted("x".into()),
            RequestError::InvalidAnswer("x".into()),
            RequestError::NoToken,
            RequestError::Key(KeyError::Lost("x".into())),
            RequestError::Key(KeyError::Denied("x".into())),
            problem(ProblemType::NonceUsed),
            problem(ProblemType::SessionInvalid),
            problem(ProblemType::StepUpOver),
            problem(ProblemType::DeviceUnknown),
            problem(ProblemType::DeviceRevoked),
            problem(ProblemType::Busy),
        ])
    }

    /// Creates an event that the agent did not request.
    fn outside(&mut self, bench: &Harness) -> Event {
        let (step_up, end, channel) = (self.step_up(), self.pick(&StepUpResult::ALL), bench.channel);
        let shown = bench.agent.status(bench.now()).step_ups;
        let tapped = shown.iter().map(|it| it.id).find(|id| bench.agent.ceremony(*id).is_some());
        let told = |name: &str, data| {
            Event::ChannelMessage(channel, Message { id: Some(1), name: name.into(), data })
        };
        match self.below(40) {
            0 => self.pick(&[Event::CheckNow, Event::PacedCheck]),
            1 => self.pick(&[Event::EnrolNow, Event::CheckNow]),
            2 => Event::Changed(self.pick(&[Change::Wake, Change::Os, Change::Sleep, Change::Network])),
            3 => told("check", "{}".into()),
            4 => told("step-up-ended", serde_json::to_string(&StepUpClosed { step_up, end }).unwrap()),
            5 => told("step-up", "{".into()),
            10..=20 => Event::AssertionReceived(tapped.unwrap_or(step_up), assertion()),
            7 => Event::StepUpDeclined(step_up, end),
            8 => Event::ChannelClosed(channel, self.failure()),
            9 => Event::SessionRefused,
            _ => told("step-up", asked(text(step_up), u64::try_from(self.below(300)).unwrap())),
        }
    }
}

/// Effects that a service would be executing.
struct Hands<'a> {
    verifier: &'a Verifier,
    /// The one effect of a cycle in progress.
    cycle: Option<Effect>,
    beside: Vec<Effect>,
    due: Duration,
}

impl Hands<'_> {
    fn take(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Local(LocalEffect::WakeAt(at)) => self.due = *at,
                Effect::Record(_)
                | Effect::Local(LocalEffect::Publish(_))
                | Effect::Channel(ChannelEffect::Close) => {}
                Effect::Channel(ChannelEffect::Open { .. })
                | Effect::Verifier(VerifierEffect::SendAssertion(..) | VerifierEffect::SendEnd(..)) => {
                    self.beside.push(effect.clone());
                }
                _ => {
                    assert!(self.cycle.is_none(), "two at a time: {:?}, {effect:?}", self.cycle);
                    self.cycle = Some(effect.clone());
                    self.due = Duration::MAX;
                }
            }
        }
    }

    /// The answer to something that is under way, well or badly.
    fn answer(&mut self, well: bool, random: &mut Random) -> Option<Event> {
        let effect = match self.cycle.take() {
            Some(effect) if self.beside.is_empty() || random.below(2) == 0 => effect,
            waiting => {
                self.cycle = waiting;
                if self.beside.is_empty() {
                    return None;
                }
                self.beside.remove(0)
            }
        };
        let failure = random.failure();
        let lost = || KeyError::Lost("x".into());
        let outcome = |end| StepUpOutcome { end };
        Some(match effect {
            Effect::Device(DeviceEffect::Collect) => Event::Collected(Box::default()),
            Effect::Device(DeviceEffect::IdentifyKey) if well => identified(),
            Effect::Device(DeviceEffect::IdentifyKey) => Event::KeyIdentified(Err(lost())),
            Effect::Verifier(VerifierEffect::FetchNonce(_)) if well => Event::Nonce(Ok(NonceAnswer {
                nonce: vitalsign_protocol::id::Nonce([3; 32]),
                nonce_seconds: 60.into(),
            })),
            Effect::Verifier(VerifierEffect::FetchNonce(_)) => Event::Nonce(Err(failure)),
            Effect::Device(DeviceEffect::Sign(_)) if well => signed(b"evidence"),
            Effect::Device(DeviceEffect::Sign(_)) => Event::Signed(Err(lost())),
            Effect::Verifier(VerifierEffect::SendReport { evidence, .. }) if well => {
                let digest = vitalsign_protocol::id::Digest::of(&evidence);
                let nonce = random
                    .pick(&[vitalsign_protocol::id::Nonce([3; 32]), vitalsign_protocol::id::Nonce([9; 32])]);
                Event::Reported(Ok(Box::new(self.verifier.answer(Some(nonce), Some(digest), |_| {}))))
            }
            Effect::Verifier(VerifierEffect::SendReport { .. }) => Event::Reported(Err(failure)),
            Effect::Device(DeviceEffect::ReadEnrolmentKeys { .. }) if well => keys(),
            Effect::Device(DeviceEffect::ReadEnrolmentKeys { .. }) => Event::EnrolmentKeysRead(Err(failure)),
            Effect::Verifier(VerifierEffect::BeginEnrolment(_)) if well => {
                Event::EnrolmentBegun(Ok(random.pick(&[challenge(), tpm_challenge()])))
            }
            Effect::Verifier(VerifierEffect::BeginEnrolment(_)) => Event::EnrolmentBegun(Err(failure)),
            Effect::Device(DeviceEffect::Activate(_)) if well => Event::Activated(Ok(Secret::new(vec![2]))),
            Effect::Device(DeviceEffect::Activate(_)) => Event::Activated(Err(lost())),
            Effect::Verifier(VerifierEffect::FinishEnrolment { .. }) => {
                Event::EnrolmentFinished(Ok(Box::new(self.verifier.enrolled())))
            }
            Effect::Channel(ChannelEffect::Open { number, .. }) if well => Event::ChannelOpened(number),
            Effect::Channel(ChannelEffect::Open { number, .. }) => Event::ChannelClosed(number, failure),
            Effect::Verifier(VerifierEffect::SendStepUpEvidence(id, evidence)) if well => {
                Event::EvidenceAnswered(
                    id,
                    Ok(Box::new(match random.below(4) {
                        0 => unhealthy(self.verifier, &evidence, &["disk-encryption"]),
                        1 => answer_about(StepUpId([99; 16]), self.verifier, &evidence, |_| {}),
                        _ => answer_about(id, self.verifier, &evidence, |_| {}),
                    })),
                )
            }
            Effect::Verifier(VerifierEffect::SendStepUpEvidence(id, _)) => {
                Event::EvidenceAnswered(id, Err(failure))
            }
            Effect::Verifier(VerifierEffect::SendAssertion(id, ..)) if well => {
                Event::AssertionAnswered(id, Ok(outcome(random.pick(&StepUpResult::ALL))))
            }
            Effect::Verifier(VerifierEffect::SendAssertion(id, ..)) => {
                Event::AssertionAnswered(id, Err(failure))
            }
            Effect::Verifier(VerifierEffect::SendEnd(id, end, _)) if well => {
                Event::EndAnswered(id, Ok(outcome(end)))
            }
            Effect::Verifier(VerifierEffect::SendEnd(id, ..)) => Event::EndAnswered(id, Err(failure)),
            other => panic!("nothing to answer: {other:?}"),
        })
    }
}

#[test]
fn agent_survives_random_events_in_random_order() {
    let verifier = Verifier::with_sessions();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut most, mut taps, mut approved) = (0, 0, 0);
    for _ in 0..250 {
        let mut bench = reporting(&verifier);
        let mut hands = Hands { verifier: &verifier, cycle: None, beside: Vec::new(), due: Duration::MAX };
        hands.take(&bench.out);
        for step in 0..200 {
            let pass = random.pick(&[0, 1, 10, 100, 1_000, 20_000]) * random.pick(&[1, 1, 1, 1, 20]);
            bench.millis += u64::try_from(random.below(pass + 1)).unwrap();
            let well = random.below(30) > 0;
            let answer = if random.below(3) > 0 { hands.answer(well, &mut random) } else { None };
            let event = match answer {
                Some(event) => event,
                None if hands.due <= bench.now().elapsed => {
                    hands.due = Duration::MAX;
                    Event::Due
                }
                None => random.outside(&bench),
            };
            taps += usize::from(
                matches!(&event, Event::AssertionReceived(id, _) if bench.agent.ceremony(*id).is_some()),
            );
            bench.give(event);
            bench.channel = bench.opening().unwrap_or(bench.channel);
            hands.take(&bench.out);
            let something = hands.cycle.is_some() || hands.due != Duration::MAX;
            assert!(something, "it has stopped at step {step}: {:?}", bench.out);
            most = most.max(bench.agent.status(bench.now()).step_ups.len());
            approved += bench.notes.drain(..).filter(|it| format!("{it:?}").contains("Approved")).count();
        }
        // Without further input, every step-up must close and be removed.
        for _ in 0..2_000 {
            if bench.agent.status(bench.now()).step_ups.is_empty() {
                break;
            }
            let event = hands.answer(false, &mut random).unwrap_or_else(|| {
                // Rounds up to the next millisecond; rounding down would set the same timer for ever.
                let due = hands.due.as_nanos().div_ceil(1_000_000);
                bench.millis = bench.millis.max(u64::try_from(due).unwrap());
                hands.due = Duration::MAX;
                Event::Due
            });
            bench.give(event);
            hands.take(&bench.out);
        }
        assert_eq!(bench.agent.status(bench.now()).step_ups, [], "it does not end");
    }
    assert!(
        most >= 8 && taps > 50 && approved > 20,
        "it went far: {most} at once, {taps} taps, {approved} approved"
    );
}
