//! A bounded map that forgets entries that were not used for long.

use std::collections::HashMap;
use std::hash::Hash;

/// A map in two generations. When the young one is full it becomes the old one, and the old one is dropped; reading an
/// old entry makes it young.
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    per_generation: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Creates a map of at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), per_generation: capacity / 2 }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.insert(key, value);
        }
        self.young.get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.per_generation && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_entries_survive_and_the_size_is_bounded() {
        let mut map = Generations::new(64);
        for n in 0..1000 {
            map.insert(n, n);
            assert_eq!(map.get(&0), Some(&0), "after {n}");
            assert!(map.young.len() + map.old.len() <= 64);
        }
        map.remove(&0);
        assert_eq!(map.get(&0), None);
    }

    #[test]
    fn an_inserted_value_replaces_the_old_one() {
        let mut map = Generations::new(4);
        map.insert(1, "a");
        map.insert(2, "b");
        map.insert(3, "c");
        map.insert(1, "d");
        assert_eq!(map.get(&1), Some(&"d"));
        map.remove(&1);
        assert_eq!(map.get(&1), None);
    }
}
