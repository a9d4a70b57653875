//! A map that cannot grow without bound and needs no clock: two halves; when the younger is full, the older is
//! forgotten. What is used moves to the younger half, so what is in use stays.

use std::{collections::HashMap, hash::Hash, mem};

/// At most `2 × half` entries.
pub struct Bounded<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V: Clone> Bounded<K, V> {
    /// An empty map whose halves hold `half` entries each.
    pub fn new(half: usize) -> Self {
        Self { half, young: HashMap::new(), old: HashMap::new() }
    }

    /// The value of `key`.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Forgets `key`.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Never more than both halves, the last written value or none, and the newest is always there.
        #[test]
        fn bounded_and_true(keys in prop::collection::vec(0_u8..40, 0..400)) {
            let mut map = Bounded::new(8);
            let mut truth = HashMap::new();
            for (value, key) in keys.into_iter().enumerate() {
                map.insert(key, value);
                truth.insert(key, value);
                prop_assert!(map.len() <= 16);
                prop_assert_eq!(map.get(&key), Some(value));
                let other = key / 2;
                if let Some(found) = map.get(&other) {
                    prop_assert_eq!(Some(&found), truth.get(&other));
                }
            }
        }
    }

    #[test]
    fn what_is_used_stays() {
        let mut map = Bounded::new(4);
        map.insert("used", 0);
        for i in 0..100 {
            map.insert(Box::leak(format!("{i}").into_boxed_str()), i);
            assert_eq!(map.get(&"used"), Some(0), "after {i}");
        }
        map.remove(&"used");
        assert_eq!(map.get(&"used"), None);
    }
}
