//! Limits how often changes and requests of users cause a report, so that a loop of mounts or a program in a user's
//! session cannot flood the verifier.

use std::time::Duration;
use vitalsign_platform_api::Change;

/// Minimum interval between two cycles for changes of one kind; it doubles while the changes go on.
pub(crate) const MIN_CHANGE_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum interval between two cycles for changes of one kind, so also the longest time that a change can wait.
const MAX_CHANGE_INTERVAL: Duration = Duration::from_secs(30);
/// Time without a change of its kind after which the next one is reported at once.
const QUIET_TIME: Duration = Duration::from_secs(10);
/// Minimum interval between two reports that users without administration rights ask for, all users together.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Pace of changes. Each kind has its own, so that a storm of one kind does not delay a report of another.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangePacing(Vec<KindPace>);

#[derive(Clone, Debug)]
struct KindPace {
    kind: Change,
    /// Cycles that changes of this kind caused since it was last quiet.
    cycles: u32,
    /// Start of the last of them.
    cycle_started: Duration,
    /// Time of the last change.
    changed: Duration,
    /// A change waits for a cycle.
    waiting: bool,
}

impl ChangePacing {
    /// Records a change and returns the earliest time at which a cycle may begin for it.
    pub(crate) fn record(&mut self, kind: Change, now: Duration) -> Duration {
        let known = self.0.iter().position(|pace| pace.kind == kind);
        let Some(pace) = known.and_then(|known| self.0.get_mut(known)) else {
            self.0.push(KindPace { kind, cycles: 0, cycle_started: now, changed: now, waiting: true });
            return now;
        };
        if now.saturating_sub(pace.changed) >= QUIET_TIME {
            pace.cycles = 0;
        }
        (pace.changed, pace.waiting) = (now, true);
        now.max(pace.cycle_started + pace.interval())
    }

    /// Records that a cycle begins, which reads all facts.
    pub(crate) fn begin_cycle(&mut self, now: Duration) {
        for pace in self.0.iter_mut().filter(|pace| pace.waiting) {
            pace.cycles = pace.cycles.saturating_add(1);
            (pace.cycle_started, pace.waiting) = (now, false);
        }
    }
}

impl KindPace {
    fn interval(&self) -> Duration {
        match self.cycles.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                MIN_CHANGE_INTERVAL.saturating_mul(1 << doublings.min(16)).min(MAX_CHANGE_INTERVAL)
            }
        }
    }
}

/// Pace of the checks that users without administration rights ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckPacing {
    /// Time of the last check that was granted; it may lie ahead.
    granted: Option<Duration>,
}

impl CheckPacing {
    /// Returns the time for which a check is granted that is asked for now. Requests before that time share it.
    pub(crate) fn next(&self, now: Duration) -> Duration {
        match self.granted {
            Some(ahead) if ahead > now => ahead,
            Some(past) => now.max(past + CHECK_INTERVAL),
            None => now,
        }
    }

    /// Grants a check and returns its time.
    pub(crate) fn grant(&mut self, now: Duration) -> Duration {
        let at = self.next(now);
        self.granted = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles that changes of one kind cause, in milliseconds: one change each `every`, until `end`.
    fn cycles(pacing: &mut ChangePacing, every: usize, end: u64) -> Vec<u64> {
        let (mut cycles, mut due) = (Vec::new(), None);
        for millis in 0..end {
            let now = Duration::from_millis(millis);
            if usize::try_from(millis).unwrap().is_multiple_of(every) {
                let at = pacing.record(Change::Disk, now);
                due = Some(due.map_or(at, |due: Duration| due.min(at)));
            }
            if due.is_some_and(|due| due <= now) {
                pacing.begin_cycle(now);
                cycles.push(millis);
                due = None;
            }
        }
        cycles
    }

    #[test]
    fn interval_doubles_during_a_storm_up_to_a_bound() {
        let cycles = cycles(&mut ChangePacing::default(), 100, 200_000);
        let waits: Vec<u64> = cycles.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn changes_far_apart_are_reported_at_once() {
        assert_eq!(cycles(&mut ChangePacing::default(), 10_000, 35_000), [0, 10_000, 20_000, 30_000]);
    }

    #[test]
    fn a_storm_does_not_delay_other_changes() {
        let mut pacing = ChangePacing::default();
        let stormy = cycles(&mut pacing, 100, 60_000);
        let now = Duration::from_secs(60);
        assert!(pacing.record(Change::Disk, now) > now, "{stormy:?}");
        assert_eq!(pacing.record(Change::Firewall, now), now);
    }

    #[test]
    fn checks_are_joined_until_the_interval_has_passed() {
        let mut pacing = CheckPacing::default();
        let seconds = Duration::from_secs;
        assert_eq!(pacing.grant(seconds(100)), seconds(100));
        for now in [101, 102, 109] {
            assert_eq!(pacing.grant(seconds(now)), seconds(110));
        }
        assert_eq!(pacing.grant(seconds(111)), seconds(120));
        assert_eq!(pacing.grant(seconds(500)), seconds(500));
    }
}
