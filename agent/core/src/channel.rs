//! The event channel, by which the verifier reaches this device at once: open whenever there is a session, and opened
//! again, later and later, when it breaks.
//!
//! A report's answer brings the session, which is held in memory only.

use crate::Agent;
use crate::backoff::{Backoff, Spread};
use crate::effect::{ChannelEffect, Effect};
use crate::event::{Now, RequestError};
use std::time::Duration;
use vitalsign_ipc::AgentState;
use vitalsign_protocol::message::DeviceSession;
use vitalsign_protocol::problem::{Action, Problem, ProblemType};
use vitalsign_protocol::seconds::NonceSeconds;
use vitalsign_protocol::sse::Message;
use vitalsign_protocol::step_up::event;

/// Back-off before the agent reconnects a channel that broke.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), Spread::HALF);
/// Delay before retrying a verifier that does not offer an event channel.
const REFUSED_INTERVAL: Duration = Duration::from_secs(900);
/// A channel that was open for so long was a good one: the next waits are short again.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// Minimum remaining lifetime of a session for which a channel is opened. A channel ends with its session.
const MIN_SESSION_LEFT: Duration = Duration::from_secs(60);
/// Minimum interval between two openings caused by network changes, so that a flapping network does not flood
/// the verifier.
const MIN_RECONNECT_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    session: Option<(DeviceSession, Duration)>,
    state: ChannelState,
    /// The number of the newest channel: what comes from an older one is not heard.
    number: u64,
    /// The last event that was taken.
    after: Option<u64>,
    /// An event was left at the verifier: none after it counts as taken.
    event_deferred: bool,
    /// Time of the next attempt to open the channel.
    next_attempt: Option<Duration>,
    /// Time of the last attempt to open the channel.
    last_attempt: Option<Duration>,
    backoff: Backoff,
    /// The connection may be dead: the network changed or the device slept.
    suspect: bool,
    /// The session was refused: only a report brings another.
    wants_report: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ChannelState {
    Closed,
    /// A channel is being opened, possibly to replace one that still works (`good`).
    Opening {
        good: bool,
    },
    Open {
        since: Duration,
    },
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            session: None,
            state: ChannelState::Closed,
            number: 0,
            after: None,
            event_deferred: false,
            next_attempt: None,
            last_attempt: None,
            backoff: BACKOFF,
            suspect: false,
            wants_report: false,
        }
    }
}

impl Channel {
    /// Returns whether the verifier can push events to this device.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, ChannelState::Open { .. } | ChannelState::Opening { good: true })
    }

    /// Returns the device session, unless it has expired.
    pub(crate) fn session(&self, now: Now) -> Option<&DeviceSession> {
        self.session.as_ref().filter(|(_, until)| *until > now.elapsed).map(|(session, _)| session)
    }

    /// Stores the session that a report returned.
    pub(crate) fn renew(&mut self, session: Option<&DeviceSession>, lifetime: NonceSeconds, now: Now) {
        let Some(session) = session else { return };
        self.session = Some((session.clone(), now.elapsed + lifetime.duration()));
        self.wants_report = false;
        if self.state == ChannelState::Closed && self.next_attempt.is_none() {
            self.next_attempt = Some(now.elapsed);
        }
    }

    /// This is another device now, or none: nothing of the old one's remains.
    pub(crate) fn forget(&mut self, effects: &mut Vec<Effect>) {
        self.close(effects);
        *self = Self { number: self.number, ..Self::default() };
    }

    /// Marks the open channel as doubtful after a network change or sleep, and schedules a new one.
    pub(crate) fn refresh(&mut self, gap: Duration, now: Now) {
        self.backoff.reset();
        self.suspect = true;
        if self.session.is_some() {
            let soonest =
                self.last_attempt.map_or(now.elapsed, |last_attempt| now.elapsed.max(last_attempt + gap));
            self.next_attempt = Some(self.next_attempt.map_or(soonest, |at| at.min(soonest)));
        }
    }

    /// Records that an event could not be accepted, so that the verifier sends it again when there is room.
    pub(crate) fn defer_event(&mut self) {
        self.event_deferred = true;
    }

    /// There is room again for the event that was left.
    pub(crate) fn fetch_deferred(&mut self, now: Now) {
        if std::mem::take(&mut self.event_deferred) {
            self.next_attempt = Some(now.elapsed);
        }
    }

    /// Returns the time of the next action of this module.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.next_attempt
    }

    fn close(&mut self, effects: &mut Vec<Effect>) {
        if self.state != ChannelState::Closed {
            self.state = ChannelState::Closed;
            self.next_attempt = None;
            effects.push(ChannelEffect::Close.into());
        }
    }
}

impl Agent {
    /// Returns whether the device is enrolled and may receive events.
    pub(crate) fn may_listen(&self) -> bool {
        self.saved.enrolled.is_some() && self.standing != AgentState::Revoked
    }

    /// Opens, replaces or closes the channel as the state requires.
    pub(crate) fn update_channel(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.may_listen() {
            return self.channel.forget(effects);
        }
        if self.channel.session(now).is_none() {
            self.channel.session = None;
            self.channel.close(effects);
        }
        if self.asleep || self.channel.next_attempt.is_none_or(|at| at > now.elapsed) {
            return;
        }
        self.channel.next_attempt = None;
        if let Some((session, until)) = self.channel.session.clone() {
            self.channel.number += 1;
            let good = !std::mem::take(&mut self.channel.suspect) && self.channel.is_open();
            self.channel.state = ChannelState::Opening { good };
            self.channel.last_attempt = Some(now.elapsed);
            self.channel.event_deferred = false;
            let (number, after) = (self.channel.number, self.channel.after);
            effects.push(ChannelEffect::Open { number, session, after }.into());
            // The next one is there before this one's session is over.
            let left = until.saturating_sub(now.elapsed);
            self.channel.next_attempt = (left > MIN_SESSION_LEFT).then_some(now.elapsed + left * 9 / 10);
        } else if std::mem::take(&mut self.channel.wants_report) {
            self.schedule.bring_forward(now);
            self.begin_if_due(now, effects);
        }
    }

    pub(crate) fn on_channel_opened(&mut self, number: u64, now: Now) {
        if number == self.channel.number && matches!(self.channel.state, ChannelState::Opening { .. }) {
            self.channel.state = ChannelState::Open { since: now.elapsed };
        }
    }

    pub(crate) fn on_channel_closed(
        &mut self,
        number: u64,
        why: &RequestError,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if number != self.channel.number || self.channel.state == ChannelState::Closed {
            return;
        }
        if let ChannelState::Open { since } = self.channel.state
            && now.elapsed.saturating_sub(since) >= STABLE_AFTER
        {
            self.channel.backoff.reset();
        }
        self.channel.state = ChannelState::Closed;
        let first = self.channel.backoff.is_reset();
        let mut wait = self.channel.backoff.next(now.random);
        if let RequestError::Problem(problem) = why {
            match problem.action() {
                Action::Report => {
                    self.channel.session = None;
                    self.channel.wants_report = true;
                    // At once, and then rarely: a verifier that refuses the session it just gave is not asked in a loop.
                    wait = if first { Duration::ZERO } else { wait };
                }
                // The next report finds the cause and the remedy.
                Action::ReEnrol => self.report_now(now, effects),
                Action::Tell if is_revoked(problem) => self.report_now(now, effects),
                Action::Tell => wait = REFUSED_INTERVAL,
                Action::Retry | Action::FreshNonce => {}
            }
        }
        self.channel.next_attempt = Some(now.elapsed + wait);
    }

    pub(crate) fn on_channel_message(
        &mut self,
        number: u64,
        message: &Message,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if number != self.channel.number || !matches!(self.channel.state, ChannelState::Open { .. }) {
            return;
        }
        // A message proves that the device is awake, whatever the system reported.
        self.asleep = false;
        match message.name.as_str() {
            event::STEP_UP => self.on_step_up_requested(&message.data, now, effects),
            event::STEP_UP_ENDED => self.on_step_up_closed(&message.data, now, effects),
            event::CHECK => self.report_now(now, effects),
            // A newer verifier says more.
            _ => {}
        }
        if message.id.is_some() && !self.channel.event_deferred {
            self.channel.after = message.id;
        }
    }

    /// Discards the session after the verifier refused it; the next report opens another.
    pub(crate) fn on_session_refused(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.channel.session = None;
        self.report_now(now, effects);
    }

    pub(crate) fn refresh_channel_after_change(&mut self, now: Now) {
        self.channel.refresh(MIN_RECONNECT_INTERVAL, now);
    }

    pub(crate) fn refresh_channel_after_sleep(&mut self, now: Now) {
        self.channel.refresh(Duration::ZERO, now);
    }

    fn report_now(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.schedule.bring_forward(now);
        self.begin_if_due(now, effects);
    }
}

pub(crate) fn is_revoked(problem: &Problem) -> bool {
    ProblemType::from_urn(&problem.problem_type) == Some(ProblemType::DeviceRevoked)
}
