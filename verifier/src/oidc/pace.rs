//! How often an application may ask for a token (CIBA section 7.3, `interval`). In memory: after a restart everybody
//! may ask once more, which harms nobody.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use vitalsign_protocol::id::Digest;

/// What is added when somebody asks too soon (CIBA section 11, `slow_down`).
const SLOWER: Duration = Duration::from_secs(5);
/// Longer than any request lives.
const MAX_TRACKED_CLIENTS: Duration = Duration::from_secs(600);
/// The forgotten ones are looked for when there are twice as many as after the last look, and at least so many.
const LOOK_FROM: usize = 1024;

struct LastPoll {
    last: Instant,
    interval: Duration,
}

pub(crate) struct PollRateLimiter {
    interval: Duration,
    asked: Mutex<(HashMap<Digest, LastPoll>, usize)>,
}

impl PollRateLimiter {
    /// So many seconds are to lie between one poll and the next; with 0 nobody is slowed down.
    pub(crate) fn new(interval_seconds: u64) -> Self {
        Self {
            interval: Duration::from_secs(interval_seconds),
            asked: Mutex::new((HashMap::new(), LOOK_FROM)),
        }
    }

    /// Whether this application may ask for this request now. When it may not, it is to wait longer from now on.
    ///
    /// Counted is from one asking to the next, and not from the answer, which may be held back (section 10.1.1). Only
    /// what may exist is remembered: call it once the application is known.
    pub(crate) fn allow(&self, client: &str, auth_req_id: &str, at: Instant) -> bool {
        if self.interval.is_zero() {
            return true;
        }
        let mut guard = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, look_from) = &mut *guard;
        if asked.len() >= *look_from {
            asked.retain(|_, it| at.saturating_duration_since(it.last) < MAX_TRACKED_CLIENTS);
            *look_from = LOOK_FROM.max(asked.len() * 2);
        }
        // Of this application's: another one's asking, which gets it nothing, slows nobody down.
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
    fn who_asks_too_soon_waits_five_seconds_longer_from_then_on() {
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
    fn what_is_over_is_forgotten() {
        let pace = PollRateLimiter::new(2);
        let start = Instant::now();
        for n in 0..LOOK_FROM {
            assert!(pace.allow("ehr", &n.to_string(), start));
        }
        assert!(pace.allow("ehr", "later", start + MAX_TRACKED_CLIENTS));
        assert_eq!(pace.asked.lock().unwrap().0.len(), 1);
    }
}
