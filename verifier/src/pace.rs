//! Pace: how often each key may do something, with a burst (GCRA: one time per key is all that is kept).

use crate::generations::Generations;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A burst, and the time after which each further use is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) each: Duration,
}

impl Rate {
    /// A number of uses in a minute, of which all can be at once.
    pub(crate) fn per_minute(uses: u32) -> Self {
        Self { burst: uses, each: Duration::from_secs(60) / uses.max(1) }
    }
}

/// Paces of a bounded number of keys; those that were not used for long begin with a new burst.
pub(crate) struct Paces<K> {
    rate: Rate,
    /// Time since 1970 at which the whole burst is back.
    full_at: Mutex<Generations<K, Duration>>,
}

impl<K: Eq + Hash> Paces<K> {
    /// Keeps the pace of at most `capacity` keys.
    pub(crate) fn new(rate: Rate, capacity: usize) -> Self {
        Self { rate, full_at: Mutex::new(Generations::new(capacity)) }
    }

    /// Uses one of the burst.
    ///
    /// # Errors
    /// The burst is used up; returns the seconds until the next use is allowed.
    pub(crate) fn take(&self, key: K, now: u64) -> Result<(), u64> {
        // A panic cannot leave the map half-updated, so the poison is ignored.
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Duration::from_secs(now);
        let burst = self.rate.each.saturating_mul(self.rate.burst);
        let full_at = all.get(&key).copied().unwrap_or(now);
        // A clock that was ahead must not keep a device out.
        let full_at = if full_at > now.saturating_add(burst) { now } else { full_at.max(now) };
        let used = full_at.saturating_add(self.rate.each);
        let wait = used.saturating_sub(now).saturating_sub(burst);
        if wait.is_zero() {
            all.insert(key, used);
            return Ok(());
        }
        Err(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn burst_comes_back_at_its_rate_and_for_each_key() {
        let paces = Paces::new(Rate { burst: 3, each: Duration::from_secs(10) }, 64);
        let uses = |key, now| std::iter::from_fn(|| paces.take(key, now).ok()).count();
        assert_eq!(uses(1, NOW), 3);
        assert_eq!(paces.take(1, NOW), Err(10));
        assert_eq!(paces.take(1, NOW + 4), Err(6));
        assert_eq!(uses(2, NOW), 3);
        assert_eq!(uses(1, NOW + 10), 1);
        assert_eq!(uses(1, NOW + 1000), 3);
    }

    #[test]
    fn rate_per_minute_comes_back_evenly() {
        let paces = Paces::new(Rate::per_minute(240), 64);
        let uses = |now| std::iter::from_fn(|| paces.take(1, now).ok()).count();
        assert_eq!(uses(NOW), 240);
        assert_eq!(paces.take(1, NOW), Err(1));
        assert_eq!(uses(NOW + 1), 4);
        assert_eq!(uses(NOW + 61), 240);
    }

    #[test]
    fn clock_that_was_ahead_delays_no_device() {
        let paces = Paces::new(Rate { burst: 2, each: Duration::from_secs(10) }, 64);
        assert_eq!(paces.take(1, NOW + 1_000_000), Ok(()));
        assert_eq!(paces.take(1, NOW), Ok(()));
        assert_eq!(paces.take(1, NOW), Ok(()));
        assert_eq!(paces.take(1, NOW), Err(10));
    }
}
