//! Cache of appraisals. The key is the digest of everything that an appraisal depends on; each entry is valid for the
//! time range in which it cannot change.

use crate::generations::Generations;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitalsign_protocol::id::Digest;

const SHARDS: usize = 16;
/// Bytes of an entry besides its value: key, time range and map.
const ENTRY_BYTES: usize = 128;

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
    /// Creates a cache of at most `bytes`, as [`Memo::put`] counts them.
    pub(super) fn new(bytes: usize) -> Self {
        let shard = || Mutex::new(Shard::new(bytes / SHARDS));
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    /// Returns the cached value for `key`, if it is valid at `now`.
    pub(super) fn get(&self, key: &Digest, now: u64) -> Option<Arc<V>> {
        let mut shard = self.shard(key)?;
        let entry = shard.get(key)?;
        entry.span.contains(&now).then(|| Arc::clone(&entry.value))
    }

    /// Caches `value`, which takes `bytes`, for the time range `span`.
    pub(super) fn put(&self, key: Digest, span: Range<u64>, value: Arc<V>, bytes: usize) {
        if let Some(mut shard) = self.shard(&key) {
            shard.insert_weighed(key, CacheEntry { span, value }, bytes + ENTRY_BYTES);
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
        let memo = Memo::new(64 * 1024);
        memo.put(key(1), 10..20, Arc::new("a"), 1);
        for (now, expected) in [(9, None), (10, Some("a")), (19, Some("a")), (20, None)] {
            assert_eq!(memo.get(&key(1), now).map(|value| *value), expected, "{now}");
        }
        memo.put(key(1), 20..30, Arc::new("b"), 1);
        assert_eq!(memo.get(&key(1), 20).map(|value| *value), Some("b"));
    }

    #[test]
    fn cache_keeps_used_entries_within_its_bound() {
        let memo = Memo::new(1024 * (ENTRY_BYTES + 100));
        for n in 0..20_000 {
            memo.put(key(n), 0..1, Arc::new(n), 100);
            assert_eq!(memo.get(&key(0), 0).map(|value| *value), Some(0), "after {n}");
        }
        let kept = (0..20_000).filter(|n| memo.get(&key(*n), 0).is_some()).count();
        assert!((256..=1024).contains(&kept), "{kept}");
    }
}
