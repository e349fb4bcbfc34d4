//! Rate limit for token requests (CIBA section 7.3, `interval`). In memory: after a restart every client may
//! poll once more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use vitalsign_protocol::id::Digest;

/// Added to the interval after an early poll (CIBA section 11, `slow_down`).
const SLOWER: Duration = Duration::from_secs(5);
/// Longer than any request lives.
const MAX_TRACKED_CLIENTS: Duration = Duration::from_secs(600);
/// Expired entries are removed when their number has doubled since the last removal, but not below this many.
const LOOK_FROM: usize = 1024;

struct LastPoll {
    last: Instant,
    interval: Duration,
}

pub(super) struct PollRateLimiter {
    interval: Duration,
    asked: Mutex<(HashMap<Digest, LastPoll>, usize)>,
}

impl PollRateLimiter {
    /// Creates a limiter with this minimum interval in seconds; 0 disables it.
    pub(super) fn new(interval_seconds: u64) -> Self {
        Self {
            interval: Duration::from_secs(interval_seconds),
            asked: Mutex::new((HashMap::new(), LOOK_FROM)),
        }
    }

    /// Returns whether this client may poll this request now. If not, its interval grows.
    ///
    /// The interval counts from poll to poll, not from the answer, which may be held back (section 10.1.1).
    /// Call it only after client authentication, so that only existing requests are tracked.
    pub(super) fn allow(&self, client: &str, auth_req_id: &str, at: Instant) -> bool {
        if self.interval.is_zero() {
            return true;
        }
        let mut guard = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, look_from) = &mut *guard;
        if asked.len() >= *look_from {
            asked.retain(|_, it| at.saturating_duration_since(it.last) < MAX_TRACKED_CLIENTS);
            *look_from = LOOK_FROM.max(asked.len() * 2);
        }
        // The key includes the client, so that another client's polls do not slow this one.
        let name = Digest::labelled("vitalsign-poll", &[client.as_bytes(), &[0], auth_req_id.as_bytes()]);
        let Some(before) = asked.get_mut(&name) else {
            asked.insert(name, LastPoll { last: at, interval: self.interval });
            return true;
        };
        let early = at.saturating_duration_since(before.last) < before.interval;
        before.last = at;
        if early {
            before.interval = before.interval.saturating_add(SLOWER);
        }
        !early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_poll_adds_five_seconds_to_the_interval() {
        let pace = PollRateLimiter::new(2);
        let start = Instant::now();
        let ask = |id: &str, millis| pace.allow("ehr", id, start + Duration::from_millis(millis));
        assert!(ask("a", 0));
        assert!(ask("a", 2000));
        assert!(!ask("a", 3999));
        assert!(!ask("a", 10_998), "7 seconds from then");
        assert!(!ask("a", 22_997), "12 seconds from then");
        assert!(ask("a", 39_997), "17 seconds");
        assert!(ask("b", 39_998), "another request");
        assert!(pace.allow("pacs", "a", start + Duration::from_millis(39_998)), "another application");
        let free = PollRateLimiter::new(0);
        assert!((0..100).all(|_| free.allow("ehr", "a", start)));
    }

    #[test]
    fn expired_polls_are_forgotten() {
        let pace = PollRateLimiter::new(2);
        let start = Instant::now();
        for n in 0..LOOK_FROM {
            assert!(pace.allow("ehr", &n.to_string(), start));
        }
        assert!(pace.allow("ehr", "later", start + MAX_TRACKED_CLIENTS));
        assert_eq!(pace.asked.lock().unwrap().0.len(), 1);
    }
}
