//! A hash map whose order nobody sees: lookups cost the same however many entries there are, and iteration sorts.
//!
//! Keys come from the network: the hash is keyed by the run's seed, so that nobody outside can pick addresses that collide.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Index;

/// Builds hashers that are keyed by a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeededState {
    seed: u64,
}

impl SeededState {
    /// The same seed gives the same hashes.
    pub const fn new(seed: u64) -> SeededState {
        // A run's seed may be a small number: every bit of the key should depend on it.
        SeededState { seed: fold(seed ^ 0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93) }
    }
}

impl BuildHasher for SeededState {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { state: self.seed, key: self.seed | 1 }
    }
}

/// Multiplies and folds word by word.
#[derive(Clone, Copy, Debug)]
pub struct SeededHasher {
    state: u64,
    key: u64,
}

/// Both halves of the 128-bit product: each bit of the result depends on all bits of both factors.
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

impl Hasher for SeededHasher {
    fn write(&mut self, octets: &[u8]) {
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            self.write_u64(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(rest.len() as u64, |word, &octet| word << 8 | u64::from(octet)));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.state = fold(self.state ^ word, 0xa076_1d64_78bd_642f ^ self.key);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.state ^ self.key, 0xe703_7ed1_a0b4_28db)
    }
}

/// A map from keys of the network to what is known of them.
#[derive(Clone, Debug)]
pub struct SeededMap<K, V> {
    entries: HashMap<K, V, SeededState>,
}

impl<K, V> Default for SeededMap<K, V> {
    fn default() -> Self {
        SeededMap { entries: HashMap::default() }
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for SeededMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Eq + Hash, V: Eq> Eq for SeededMap<K, V> {}

impl<K: Ord + Hash, V> SeededMap<K, V> {
    /// An empty map under a seed.
    pub fn with_seed(seed: u64) -> SeededMap<K, V> {
        SeededMap { entries: HashMap::with_hasher(SeededState::new(seed)) }
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A key's value.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// A key's value, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// Whether the key has a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Give a key a value; the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.entries.insert(key, value)
    }

    /// A key's value, made first if it has none.
    pub fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.entries.entry(key).or_insert_with(value)
    }

    /// Take a key and its value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let removed = self.entries.remove(key);
        // What a flood has made grow is given back.
        if self.entries.capacity() > 1_024 && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        removed
    }

    /// All entries, ascending. Sorts: not for each packet.
    #[allow(clippy::disallowed_methods, reason = "sorted before anybody sees it")]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        let mut entries: Vec<(&K, &V)> = self.entries.iter().collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
        entries.into_iter()
    }

    /// All keys, ascending. Sorts: not for each packet.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys. Sorts: not for each packet.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Hash, V, Q: Borrow<K>> Index<Q> for SeededMap<K, V> {
    type Output = V;

    /// # Panics
    /// If the key has no value: for tests.
    fn index(&self, key: Q) -> &V {
        &self.entries[key.borrow()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iteration_is_ascending_whatever_the_seed() {
        for seed in 0..50 {
            let mut map = SeededMap::with_seed(seed);
            for key in [5u64, 3, 9, 1, 7] {
                map.insert(key, key * 10);
            }
            assert_eq!(map.keys().copied().collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
            assert_eq!(map.values().copied().collect::<Vec<_>>(), [10, 30, 50, 70, 90]);
            assert_eq!((map.remove(&5), map.get(&5), map[&9]), (Some(50), None, 90));
        }
    }

    #[test]
    fn equal_contents_are_equal_under_different_seeds() {
        let (mut a, mut b) = (SeededMap::with_seed(1), SeededMap::with_seed(2));
        for key in 0..100u32 {
            a.insert(key, ());
            b.insert(99 - key, ());
        }
        assert_eq!(a, b);
    }

    #[test]
    fn the_low_bits_of_near_keys_are_spread() {
        let state = SeededState::new(7);
        let mut buckets = [0; 256];
        for key in 0..25_600u64 {
            buckets[(state.hash_one(key << 20) & 0xff) as usize] += 1;
        }
        assert!(buckets.iter().all(|&count| (50..160).contains(&count)), "{buckets:?}");
        assert_ne!(SeededState::new(1).hash_one(5u64), SeededState::new(2).hash_one(5u64));
    }
}
