//! Pace: how often each key may do something, with a burst (GCRA: one time per key is all that is kept).

use crate::generations::Generations;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// A burst, and the time after which each further use is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) seconds_each: u64,
}

impl Rate {
    /// Time in which the whole burst comes back.
    fn seconds(self) -> u64 {
        self.seconds_each.saturating_mul(self.burst.into())
    }
}

/// Paces of a bounded number of keys; those that were not used for long begin with a new burst.
pub(crate) struct Paces<K> {
    rate: Rate,
    /// Time at which the whole burst is back, in seconds since 1970.
    full_at: Mutex<Generations<K, u64>>,
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
        let full_at = all.get(&key).copied().unwrap_or(now);
        // A clock that was ahead must not keep a device out.
        let full_at = if full_at > now.saturating_add(self.rate.seconds()) { now } else { full_at.max(now) };
        let used = full_at.saturating_add(self.rate.seconds_each);
        match used.saturating_sub(now).checked_sub(self.rate.seconds()) {
            Some(wait) if wait > 0 => Err(wait),
            _ => {
                all.insert(key, used);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn burst_comes_back_at_its_rate_and_for_each_key() {
        let paces = Paces::new(Rate { burst: 3, seconds_each: 10 }, 64);
        let uses = |key, now| std::iter::from_fn(|| paces.take(key, now).ok()).count();
        assert_eq!(uses(1, NOW), 3);
        assert_eq!(paces.take(1, NOW), Err(10));
        assert_eq!(paces.take(1, NOW + 4), Err(6));
        assert_eq!(uses(2, NOW), 3);
        assert_eq!(uses(1, NOW + 10), 1);
        assert_eq!(uses(1, NOW + 1000), 3);
    }

    #[test]
    fn clock_that_was_ahead_delays_no_device() {
        let paces = Paces::new(Rate { burst: 2, seconds_each: 10 }, 64);
        assert_eq!(paces.take(1, NOW + 1_000_000), Ok(()));
        assert_eq!(paces.take(1, NOW), Ok(()));
        assert_eq!(paces.take(1, NOW), Ok(()));
        assert_eq!(paces.take(1, NOW), Err(10));
    }
}
