//! Decides what the agent does and when, without doing any of it.
//!
//! [`Agent::handle`] takes an [`Event`] and the time, and returns [`Effect`]s; `agent/service` executes them and feeds
//! their results back as events. Every behaviour (offline, retry, sleep, clock jump, revocation, lost key) can therefore
//! be tested with a fake clock.
//!
//! Invariants: no I/O, no clock, no randomness, no async. One cycle at a time, with one effect in progress:
//!
//! ```text
//! collect -> (nonce) -> sign -> send -> verdict
//! keys -> begin -> collect -> (activate) -> sign -> finish -> verdict   (enrolment)
//! collect -> sign -> send -> tap                                        (step-up: takes precedence over a report)
//! ```
//!
//! The event channel (`channel.rs`) and step-ups that wait for a person (`step_up.rs`) run beside the cycles; reports
//! continue meanwhile.

mod backoff;
mod channel;
mod effect;
mod enrolment;
mod event;
mod names;
mod organisation;
mod pacing;
mod report;
mod saved;
mod schedule;
mod signing;
mod step_up;
mod verdict;

pub use effect::{
    ChannelEffect, DeviceEffect, Effect, LocalEffect, RecordEffect, Signing, Transition, VerifierEffect,
};
pub use event::{Event, Now, RequestError, SignedEvidence};
pub use organisation::ManagedOrganisation;
pub use saved::Saved;

use std::sync::Arc;
use std::time::Duration;
use vitalsign_ipc::{AgentState, Cost, SettingsState, Status};
use vitalsign_protocol::ear::Ear;
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::message::{DeviceSession, EnrolmentChallenge};
use vitalsign_protocol::organisation::OrganisationDocument;
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::seconds::ReportSeconds;

#[derive(Clone, Debug)]
pub struct Agent {
    saved: Saved,
    step: Step,
    standing: AgentState,
    /// The newest facts. Older ones have no value.
    posture: Option<Posture>,
    /// The facts of the last report that the verifier accepted.
    reported: Option<Posture>,
    /// Reason for enrolling again while the enrolment is kept.
    renewal: Option<enrolment::Renewal>,
    /// The next cycle is an enrolment, which was requested during another cycle.
    enrol_next: bool,
    /// The key was lost during an enrolment: the next one needs another.
    renew_key: bool,
    ear: Option<Ear>,
    nonce: Option<report::HeldNonce>,
    /// This cycle has asked for a fresh nonce already.
    nonce_retried: bool,
    quote_wanted: bool,
    schedule: schedule::Schedule,
    /// Seconds between reports, instead of the verifier's.
    report_seconds: Option<ReportSeconds>,
    channel: channel::Channel,
    organisation: organisation::Sources,
    names: names::SharedNames,
    settings: SettingsState,
    step_ups: step_up::StepUps,
    /// Wall clock minus elapsed time when last seen. It changes only when the clock is set.
    clock_offset: Option<i128>,
    asleep: bool,
    /// Cost of the last report that was sent.
    cost: Option<Cost>,
    /// Cost of the current report so far.
    current_cost: Cost,
}

/// Current step of the cycle. Every step except `Idle` waits for the answer to one effect.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Idle,
    Collecting,
    Identifying,
    AwaitingNonce,
    Signing(signing::Purpose),
    Sending { nonce: Nonce, evidence: Digest },
    ReadingKeys,
    Beginning,
    CollectingToEnrol { challenge: EnrolmentChallenge },
    Activating { challenge: EnrolmentChallenge },
    Finishing { enrolment: EnrolmentId },
    CollectingFor { step_up: StepUpId },
    SendingFor { step_up: StepUpId, evidence: Vec<u8> },
}

impl Agent {
    /// An agent with what an earlier one saved, or with nothing.
    #[must_use]
    pub fn new(saved: Saved) -> Self {
        let standing = if saved.enrolled.is_some() { AgentState::Starting } else { AgentState::NotEnrolled };
        let ear = saved.last_ear();
        Self {
            saved,
            step: Step::Idle,
            standing,
            posture: None,
            reported: None,
            renewal: None,
            enrol_next: false,
            renew_key: false,
            ear,
            nonce: None,
            nonce_retried: false,
            quote_wanted: true,
            schedule: schedule::Schedule::default(),
            report_seconds: None,
            organisation: organisation::Sources::default(),
            names: names::SharedNames::default(),
            settings: SettingsState::default(),
            channel: channel::Channel::default(),
            step_ups: step_up::StepUps::default(),
            clock_offset: None,
            asleep: false,
            cost: None,
            current_cost: Cost::default(),
        }
    }

    /// Reports at this interval, in seconds, whatever the verifier asks.
    #[must_use]
    pub fn with_report_seconds(self, report_seconds: Option<u64>) -> Self {
        Self { report_seconds: report_seconds.map(ReportSeconds::from), ..self }
    }

    /// Begins with the organisation's words in this device's configuration, and those that the verifier served last.
    #[must_use]
    pub fn with_organisation(
        mut self,
        managed: ManagedOrganisation,
        served: Option<Arc<OrganisationDocument>>,
    ) -> Self {
        self.organisation = organisation::Sources::new(managed, served);
        self
    }

    /// Replaces what people are told about the managed settings.
    pub fn set_settings(&mut self, settings: SettingsState) {
        self.settings = settings;
    }

    /// Handles an event and returns the effects to execute, in order.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vitalsign_agent_core::{Agent, DeviceEffect, Effect, Event, Now, Saved};
    ///
    /// let mut agent = Agent::new(Saved::default());
    /// let now = Now { elapsed: Duration::from_secs(60), wall: 1_700_000_000, random: 0 };
    /// let effects = agent.handle(Event::Started, now);
    /// // A device without an enrolment begins to enrol.
    /// let begins =
    ///     |it: &Effect| matches!(it, Effect::Device(DeviceEffect::ReadEnrolmentKeys { renew_key: false }));
    /// assert!(effects.iter().any(begins));
    /// ```
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let before = self.standing.clone();
        let was_idle = self.step == Step::Idle;
        self.detect_clock_jump(now, &mut effects);
        match event {
            Event::Started => self.on_started(now, &mut effects),
            Event::Due => {
                // The timer counts sleep: when it fires the machine is awake, whatever we were told.
                if std::mem::take(&mut self.asleep) {
                    self.refresh_channel_after_sleep(now);
                }
                self.begin_if_due(now, &mut effects);
            }
            Event::Changed(change) => self.on_change(change, now, &mut effects),
            Event::CheckNow => {
                self.schedule.request_check(now.elapsed);
                self.begin_if_due(now, &mut effects);
            }
            Event::PacedCheck => {
                self.schedule.request_paced_check(now);
                self.begin_if_due(now, &mut effects);
            }
            Event::EnrolNow => self.on_enrol_now(now, &mut effects),
            Event::Collected(posture) => self.on_collected(*posture, now, &mut effects),
            Event::KeyIdentified(answer) => self.on_key_identified(answer, now, &mut effects),
            Event::Nonce(answer) => self.on_nonce(answer, now, &mut effects),
            Event::Signed(answer) => self.on_signed(answer, now, &mut effects),
            Event::Reported(answer) => self.on_report_answer(answer, now, &mut effects),
            Event::EnrolmentKeysRead(answer) => self.on_enrolment_keys(answer, now, &mut effects),
            Event::EnrolmentBegun(answer) => self.on_enrolment_challenge(answer, now, &mut effects),
            Event::Activated(answer) => self.on_activated(answer, now, &mut effects),
            Event::EnrolmentFinished(answer) => self.on_enrolment_answer(answer, now, &mut effects),
            Event::ChannelOpened(number) => self.on_channel_opened(number, now),
            Event::ChannelClosed(number, why) => self.on_channel_closed(number, &why, now, &mut effects),
            Event::ChannelMessage(number, message) => {
                self.on_channel_message(number, &message, now, &mut effects)
            }
            Event::SessionRefused => self.on_session_refused(now, &mut effects),
            Event::OrganisationFetched(answer) => self.on_organisation(answer, &mut effects),
            Event::EvidenceAnswered(step_up, answer) => {
                self.on_evidence_answer(step_up, answer, now, &mut effects);
            }
            Event::AssertionReceived(step_up, assertion) => self.on_assertion(step_up, assertion, now),
            Event::AssertionAnswered(step_up, answer) => {
                self.on_assertion_answer(step_up, answer, now, &mut effects);
            }
            Event::StepUpDeclined(step_up, end) => self.on_declined(step_up, end, now, &mut effects),
            Event::PinPeriodEnded => self.step_ups.on_pin_period_ended(now),
            Event::EndAnswered(step_up, answer) => self.on_end_answer(step_up, &answer, now, &mut effects),
        }
        self.update_step_ups(now, &mut effects);
        self.update_channel(now, &mut effects);
        if before != self.standing {
            effects.push(Transition::Standing(self.standing.clone()).into());
        }
        // Asleep, the time that was set before holds; a cycle that ends then has none to fall back on.
        let look_for_report = self.step == Step::Idle && (!self.asleep || !was_idle);
        if let Some(at) = self.wake_at(look_for_report, now) {
            effects.push(LocalEffect::WakeAt(at).into());
        }
        effects.push(LocalEffect::Publish(Box::new(self.status(now))).into());
        effects
    }

    /// Returns the next time at which the agent must act without an event, if any.
    fn wake_at(&self, look_for_report: bool, now: Now) -> Option<Duration> {
        let report = look_for_report.then(|| self.schedule.due());
        let channel = self.channel.due().filter(|_| !self.asleep);
        [report, channel, self.step_ups.due(now)].into_iter().flatten().min()
    }

    /// Returns the time until the report of an [`Event::PacedCheck`] begins, if it came now.
    #[must_use]
    pub fn check_delay(&self, now: Now) -> Duration {
        self.schedule.check_delay(now)
    }

    /// Returns the session for requests to the verifier, while it is valid.
    #[must_use]
    pub fn session(&self, now: Now) -> Option<DeviceSession> {
        self.channel.session(now).cloned()
    }

    /// The relying-party id and the origin that were pinned.
    #[must_use]
    pub fn relying_party(&self) -> Option<(&str, &str)> {
        self.saved.enrolled.as_ref().map(|enrolled| (enrolled.rp_id.as_str(), enrolled.origin.as_str()))
    }

    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        Status {
            standing: self.standing.clone(),
            enrolment: self.saved.enrolled.as_ref().map(|enrolled| enrolled.enrolment),
            ear: self.ear.clone(),
            reported_at: self.saved.reported_at,
            posture: self.posture.clone(),
            busy: self.schedule.is_busy() || self.enrol_next,
            next_report_seconds: self.schedule.due().saturating_sub(now.elapsed).as_secs(),
            cost: self.cost,
            listening: self.channel.is_open(),
            step_ups: self.step_ups.shown(),
            guidance: self.organisation.guidance.clone(),
            settings: self.settings.clone(),
        }
    }

    fn on_started(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.schedule.bring_forward(now);
        self.begin_if_due(now, effects);
    }

    fn on_change(&mut self, change: vitalsign_platform_api::Change, now: Now, effects: &mut Vec<Effect>) {
        use vitalsign_platform_api::Change;
        match change {
            // The socket server decides who may see a step-up; the seat is not a fact.
            Change::Seat => return,
            Change::Sleep => self.asleep = true,
            Change::Wake => {
                self.asleep = false;
                self.refresh_channel_after_sleep(now);
                self.schedule.bring_forward(now);
            }
            Change::Network => {
                self.refresh_channel_after_change(now);
                // A report has news of it only for an agent that waits for it.
                if !waits_for_network(&self.standing) {
                    return;
                }
                self.schedule.bring_forward(now);
            }
            // The fact may have changed as well.
            Change::Locked => self.schedule.record_change(Change::Lock, now),
            Change::Os | Change::Disk | Change::Edr | Change::Firewall | Change::Lock => {
                self.schedule.record_change(change, now);
            }
        }
        self.begin_if_due(now, effects);
    }

    fn begin_if_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.asleep || self.step != Step::Idle || self.begin_step_up(now, effects) {
            return;
        }
        if !self.schedule.is_due(now) {
            return;
        }
        self.schedule.begin_cycle(now);
        let enrol = std::mem::take(&mut self.enrol_next) || self.saved.enrolled.is_none();
        if enrol {
            let renew_key = std::mem::take(&mut self.renew_key);
            self.begin_enrolment(renew_key, effects);
        } else {
            self.step = Step::Collecting;
            effects.push(DeviceEffect::Collect.into());
        }
    }

    /// Detects that the wall clock was set. Ages of facts may be wrong then, so the agent reports again.
    fn detect_clock_jump(&mut self, now: Now, effects: &mut Vec<Effect>) {
        const JUMP_SECONDS: u128 = 60;
        let offset = i128::from(now.wall) - i128::from(now.elapsed.as_secs());
        if let Some(before) = self.clock_offset
            && before.abs_diff(offset) > JUMP_SECONDS
        {
            let seconds = i64::try_from(offset - before).unwrap_or(i64::MAX);
            effects.push(Transition::ClockJumped { seconds }.into());
            self.step_ups.clock_jumped(seconds);
            self.schedule.bring_forward(now);
        }
        self.clock_offset = Some(offset);
    }

    fn idle_for(&mut self, delay: Duration, now: Now) {
        self.step = Step::Idle;
        self.schedule.end_cycle_after(delay, now);
    }
}

/// Returns whether the agent should retry at once when the network returns.
fn waits_for_network(state: &AgentState) -> bool {
    matches!(
        state,
        AgentState::Offline { .. } | AgentState::Starting | AgentState::Enrolling | AgentState::NotEnrolled
    )
}
