//! Schedules the next cycle: at the heartbeat, after a back-off, for a change, for a check that a user asks for, or at
//! once. Uses the clock that includes sleep.

use crate::backoff::{Backoff, Spread, jitter};
use crate::event::Now;
use crate::pacing::{ChangePacing, CheckPacing};
use std::time::Duration;
use vitalsign_platform_api::Change;

/// The least time between the beginnings of two cycles: a device that flaps does not flood its verifier, and a change
/// right after a report is still reported within a second.
const MIN_REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Back-off after a report that failed.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300), Spread::TENTH);

#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Time of the next cycle that sends a report in any case.
    due: Duration,
    /// Time of the next cycle for a change, which sends a report only if a fact is another.
    change_due: Option<Duration>,
    changes: ChangePacing,
    /// Time of the next cycle that a user asked for.
    check_due: Option<Duration>,
    checks: CheckPacing,
    /// The current cycle began for a change alone.
    only_changes: bool,
    cycle_started: Option<Duration>,
    backoff: Backoff,
    /// Something happened while a cycle was under way: its facts may be old, so another follows.
    rerun: bool,
    in_cycle: bool,
    /// A cycle was interrupted by a more urgent one and must restart.
    interrupted: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            due: Duration::ZERO,
            change_due: None,
            changes: ChangePacing::default(),
            check_due: None,
            checks: CheckPacing::default(),
            only_changes: false,
            cycle_started: None,
            backoff: BACKOFF,
            rerun: false,
            in_cycle: false,
            interrupted: false,
        }
    }
}

impl Schedule {
    /// Start of the next cycle.
    pub(crate) fn due(&self) -> Duration {
        let asked = [self.change_due, self.check_due].into_iter().flatten().min();
        asked.map_or(self.due, |asked| self.due.min(self.after_last_cycle(asked)))
    }

    pub(crate) fn is_due(&self, now: Now) -> bool {
        now.elapsed >= self.due()
    }

    /// Schedules a cycle for a change.
    pub(crate) fn record_change(&mut self, change: Change, now: Now) {
        let at = self.changes.record(change, now.elapsed);
        self.change_due = Some(self.change_due.map_or(at, |due| due.min(at)));
    }

    /// Returns the time until the check that a user without administration rights would get now.
    pub(crate) fn check_delay(&self, now: Now) -> Duration {
        if self.check_is_due(now) {
            return Duration::ZERO;
        }
        self.checks.next(now.elapsed).saturating_sub(now.elapsed)
    }

    /// Schedules a cycle for a user without administration rights, see [`Self::check_delay`].
    pub(crate) fn request_paced_check(&mut self, now: Now) {
        if !self.check_is_due(now) {
            let at = self.checks.grant(now.elapsed);
            self.request_check(at);
        }
    }

    fn check_is_due(&self, now: Now) -> bool {
        self.check_due.is_some_and(|due| due <= now.elapsed)
    }

    /// Schedules a cycle for an administrator.
    pub(crate) fn request_check(&mut self, at: Duration) {
        self.check_due = Some(self.check_due.map_or(at, |due| due.min(at)));
    }

    /// As soon as may be: after the cycle that is under way, and not sooner than the gap.
    pub(crate) fn bring_forward(&mut self, now: Now) {
        if self.in_cycle {
            self.rerun = true;
        } else {
            self.due = self.soonest(now);
        }
    }

    pub(crate) fn begin_cycle(&mut self, now: Now) {
        // A cycle for whatever reason reads all facts, so it serves every request before it.
        self.only_changes = self.check_due.take().is_none() && now.elapsed < self.due;
        self.change_due = None;
        self.changes.begin_cycle(now.elapsed);
        self.cycle_started = Some(now.elapsed);
        self.in_cycle = true;
        self.rerun = false;
        self.interrupted = false;
    }

    /// Interrupts the current cycle for a more urgent one; it restarts afterwards.
    pub(crate) fn interrupt_cycle(&mut self, now: Now) {
        self.end_cycle_after(Duration::ZERO, now);
        self.interrupted = true;
    }

    /// Returns whether a cycle is in progress or waits to restart, or a user waits for one.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_cycle || self.interrupted || self.check_due.is_some()
    }

    /// Returns whether the current cycle began for a change alone.
    pub(crate) fn is_for_changes_only(&self) -> bool {
        self.only_changes
    }

    /// Ends a cycle that sent no report: the heartbeat stays due when it was.
    pub(crate) fn end_cycle_without_report(&mut self, now: Now) {
        self.in_cycle = false;
        if std::mem::take(&mut self.rerun) {
            self.due = self.soonest(now);
        }
    }

    /// A cycle has ended well: the next one after `interval`, give or take a tenth.
    pub(crate) fn end_cycle(&mut self, interval: Duration, now: Now) {
        self.backoff.reset();
        self.end_cycle_after(jitter(interval, Spread::TENTH, now.random), now);
    }

    /// A cycle has failed: how long to wait before the next.
    pub(crate) fn next_backoff(&mut self, now: Now) -> Duration {
        self.backoff.next(now.random)
    }

    /// A cycle has ended, and the next one comes after `delay`, or at once where something changed meanwhile.
    pub(crate) fn end_cycle_after(&mut self, delay: Duration, now: Now) {
        self.in_cycle = false;
        self.due = if std::mem::take(&mut self.rerun) { self.soonest(now) } else { now.elapsed + delay };
    }

    fn soonest(&self, now: Now) -> Duration {
        self.after_last_cycle(now.elapsed)
    }

    fn after_last_cycle(&self, at: Duration) -> Duration {
        self.cycle_started.map_or(at, |started| at.max(started + MIN_REPORT_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now { elapsed: Duration::from_millis(millis), wall: 0, random: 100 }
    }

    #[test]
    fn change_after_report_waits_minimum_interval() {
        let mut schedule = Schedule::default();
        schedule.begin_cycle(at(1000));
        schedule.end_cycle(Duration::from_secs(300), at(1100));
        assert!(schedule.due() > Duration::from_secs(200));
        schedule.bring_forward(at(1200));
        assert_eq!(schedule.due(), Duration::from_millis(1500));
    }

    #[test]
    fn a_change_during_a_cycle_brings_another() {
        let mut schedule = Schedule::default();
        schedule.begin_cycle(at(0));
        schedule.bring_forward(at(100));
        schedule.end_cycle(Duration::from_secs(300), at(2000));
        assert_eq!(schedule.due(), Duration::from_millis(2000));
    }
}
