//! A bounded map that forgets entries that were not used for long.

use std::collections::HashMap;
use std::hash::Hash;

/// A map in two generations. When the young one is full it becomes the old one, and the old one is dropped; reading an
/// old entry makes it young.
pub(crate) struct Generations<K, V> {
    young: HashMap<K, Weighed<V>>,
    young_weight: usize,
    old: HashMap<K, Weighed<V>>,
    per_generation: usize,
}

struct Weighed<V> {
    value: V,
    weight: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Creates a map whose entries weigh at most `capacity` together.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), young_weight: 0, old: HashMap::new(), per_generation: capacity / 2 }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        if let Some((key, Weighed { value, weight })) = self.old.remove_entry(key) {
            self.insert_weighed(key, value, weight);
        }
        self.young.get(key).map(|entry| &entry.value)
    }

    /// Inserts an entry that weighs 1.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.insert_weighed(key, value, 1);
    }

    pub(crate) fn insert_weighed(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if self.young_weight.saturating_add(weight) > self.per_generation {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        self.young_weight = self.young_weight.saturating_add(weight);
        self.young.insert(key, Weighed { value, weight });
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(removed) = self.young.remove(key) {
            self.young_weight = self.young_weight.saturating_sub(removed.weight);
        }
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
    fn weight_counts_and_not_the_number() {
        let mut map = Generations::new(100);
        for n in 0..1000 {
            map.insert_weighed(n, n, 20);
            let all = map.young.values().chain(map.old.values());
            assert!(all.map(|entry| entry.weight).sum::<usize>() <= 100);
        }
        assert_eq!(map.get(&999), Some(&999));
        map.insert_weighed(999, 0, 30);
        assert_eq!(map.get(&999), Some(&0));
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
