//! Work of which only one at a time is done for a key.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Keys for which work is under way.
pub(crate) struct AllInWork<K>(Arc<Mutex<HashSet<K>>>);

/// Work under way; its drop ends it.
pub(crate) struct InWork<K: Copy + Eq + Hash> {
    all: AllInWork<K>,
    key: K,
}

impl<K: Copy + Eq + Hash> AllInWork<K> {
    /// Begins work for this key, unless some is under way.
    pub(crate) fn begin(&self, key: K) -> Option<InWork<K>> {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        begun.then(|| InWork { all: Self(self.0.clone()), key })
    }
}

impl<K> Default for AllInWork<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Copy + Eq + Hash> Drop for InWork<K> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
