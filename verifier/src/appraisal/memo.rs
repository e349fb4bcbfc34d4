//! Cache of appraisals. The key is the digest of everything that an appraisal depends on; each entry is valid for the
//! time range in which it cannot change.

use crate::generations::Generations;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitalsign_protocol::id::Digest;

const SHARDS: usize = 16;

/// A bounded map in shards, so that appraisals in parallel seldom wait for each other.
pub(super) struct Memo<V> {
    shards: Vec<Mutex<Shard<V>>>,
}

type Shard<V> = Generations<Digest, CacheEntry<V>>;

struct CacheEntry<V> {
    span: Range<u64>,
    value: Arc<V>,
}

impl<V> Memo<V> {
    pub(super) fn new(most: usize) -> Self {
        let shard = || Mutex::new(Shard::new(most / SHARDS));
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    /// Returns the cached value for `key`, if it is valid at `now`.
    pub(super) fn get(&self, key: &Digest, now: u64) -> Option<Arc<V>> {
        let mut shard = self.shard(key)?;
        let entry = shard.get(key)?;
        entry.span.contains(&now).then(|| Arc::clone(&entry.value))
    }

    /// Caches `value` for the time range `span`.
    pub(super) fn put(&self, key: Digest, span: Range<u64>, value: Arc<V>) {
        if let Some(mut shard) = self.shard(&key) {
            shard.insert(key, CacheEntry { span, value });
        }
    }

    fn shard(&self, key: &Digest) -> Option<MutexGuard<'_, Shard<V>>> {
        let [first, ..] = key.0;
        let shard = self.shards.get(usize::from(first) % SHARDS)?;
        // A panic cannot leave the map half-updated, so the poison is ignored.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn cache_answers_only_within_the_time_range() {
        let memo = Memo::new(64);
        memo.put(key(1), 10..20, Arc::new("a"));
        for (now, expected) in [(9, None), (10, Some("a")), (19, Some("a")), (20, None)] {
            assert_eq!(memo.get(&key(1), now).map(|value| *value), expected, "{now}");
        }
        memo.put(key(1), 20..30, Arc::new("b"));
        assert_eq!(memo.get(&key(1), 20).map(|value| *value), Some("b"));
    }

    #[test]
    fn cache_keeps_used_entries_within_its_bound() {
        let memo = Memo::new(1024);
        for n in 0..20_000 {
            memo.put(key(n), 0..1, Arc::new(n));
            assert_eq!(memo.get(&key(0), 0).map(|value| *value), Some(0), "after {n}");
        }
        let kept = (0..20_000).filter(|n| memo.get(&key(*n), 0).is_some()).count();
        assert!((256..=1024).contains(&kept), "{kept}");
    }
}
