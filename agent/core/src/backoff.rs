//! Exponential back-off with jitter: waits between attempts to reach the verifier, spread by a random number so that
//! devices do not act in step.

use std::time::Duration;

/// Share of a delay, in thousandths, by which jitter may shorten or lengthen it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread(u64);

impl Spread {
    /// Keeps a ward full of devices from reporting in step.
    pub(crate) const TENTH: Self = Self(100);
    /// Keeps all devices from coming back in the same second to a verifier that restarted.
    pub(crate) const HALF: Self = Self(500);
}

/// Waits after failures in a row: each twice as long as the one before, up to a limit.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    spread: Spread,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration, spread: Spread) -> Self {
        Self { first, longest, spread, failures: 0 }
    }

    /// Counts a failure and returns the wait until the next attempt.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        jitter(doubled.min(self.longest), self.spread, random)
    }

    /// Forgets the failures: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns whether no failure has been counted since the last reset.
    pub(crate) fn is_reset(&self) -> bool {
        self.failures == 0
    }
}

/// Returns the delay, shortened or lengthened by up to its spread.
pub(crate) fn jitter(delay: Duration, Spread(spread): Spread, random: u64) -> Duration {
    let thousandths = 1000 - spread + random % (2 * spread + 1);
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX / 2000);
    Duration::from_millis(millis.saturating_mul(thousandths) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_spread() {
        for random in 0..2000 {
            let delay = jitter(Duration::from_secs(300), Spread::TENTH, random);
            assert!((270..=330).contains(&delay.as_secs()), "{delay:?}");
            let delay = jitter(Duration::from_secs(300), Spread::HALF, random);
            assert!((150..=450).contains(&delay.as_secs()), "{delay:?}");
        }
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300), Spread::TENTH);
        let mut wait = || backoff.next(100).as_secs();
        assert_eq!(std::array::from_fn(|_| wait()), [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.next(100).as_secs(), 5);
    }
}
