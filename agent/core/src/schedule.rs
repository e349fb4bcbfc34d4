//! Schedules the next cycle: at the heartbeat, after a back-off, or at once. Uses the clock that includes sleep.

use crate::backoff::{Backoff, Spread, jitter};
use crate::event::Now;
use std::time::Duration;

/// The least time between the beginnings of two cycles: a device that flaps does not flood its verifier, and a change
/// right after a report is still reported within a second.
const MIN_REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Back-off after a report that failed.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300), Spread::TENTH);

#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    due: Duration,
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
        self.due
    }

    pub(crate) fn is_due(&self, now: Now) -> bool {
        now.elapsed >= self.due
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

    /// Returns whether a cycle is in progress or waits to restart.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_cycle || self.interrupted
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
        self.cycle_started.map_or(now.elapsed, |started| now.elapsed.max(started + MIN_REPORT_INTERVAL))
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
