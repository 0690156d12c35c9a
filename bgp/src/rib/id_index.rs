//! From a hash to a dense id in four octets: for what there are millions of and what has its key elsewhere, by its id.
//!
//! A place holds an id and nothing else. Whoever asks compares keys, which it has to do anyway; where places are at most
//! three quarters full that is hardly more often than once.

/// Places of the smallest index.
const FIRST: usize = 16;

/// Ids by hash, one place each: at the place that the hash says or, if that is taken, at the next free one, with no free
/// place in between.
#[derive(Debug)]
pub(super) struct IdIndex {
    /// A power of two of places, or none; id plus one, 0 for a free place.
    places: Vec<u32>,
    len: usize,
}

impl IdIndex {
    pub(super) const fn new() -> IdIndex {
        IdIndex { places: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The id that has this hash and is the right one.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_right: impl FnMut(u32) -> bool) -> Option<u32> {
        self.place_of(hash, is_right).map(|(_, id)| id)
    }

    /// The id that [`IdIndex::find`] would look at first, for who looks many up at one time and does not want to wait
    /// for the memory of each in turn.
    #[inline]
    pub(super) fn first(&self, hash: u32) -> Option<u32> {
        let mask = self.places.len().wrapping_sub(1);
        self.places.get(hash as usize & mask).and_then(|taken| taken.checked_sub(1))
    }

    /// One more, which the caller knows not to be there. `hash_of` is asked about ids that are.
    pub(super) fn insert(&mut self, hash: u32, id: u32, hash_of: impl Fn(u32) -> u32) {
        // Three quarters: beyond, the way to a free place becomes long.
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.resize((self.places.len() * 2).max(FIRST), &hash_of);
        }
        self.put(hash, id);
        self.len += 1;
    }

    /// Takes `id` out, if it is there.
    pub(super) fn remove(&mut self, hash: u32, id: u32, hash_of: impl Fn(u32) -> u32) -> bool {
        let Some((mut free, _)) = self.place_of(hash, |other| other == id) else { return false };
        // Those behind it close the gap, as far as each may: not before the place that its hash says.
        let mask = self.places.len() - 1;
        let mut next = free;
        loop {
            next = (next + 1) & mask;
            let taken = self.places.get(next).copied().unwrap_or(0);
            if taken == 0 {
                break;
            }
            let home = hash_of(taken - 1) as usize & mask;
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(free) & mask) {
                self.set(free, taken);
                free = next;
            }
        }
        self.set(free, 0);
        self.len -= 1;
        // What a flood has made grow is given back.
        if self.places.len() > 1024 && self.len < self.places.len() / 16 {
            self.resize(self.places.len() / 4, &hash_of);
        }
        true
    }

    #[inline]
    fn place_of(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        // Ends at a free place; without any places at once.
        while let Some(&taken) = self.places.get(at).filter(|&&taken| taken != 0) {
            if is_it(taken - 1) {
                return Some((at, taken - 1));
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn put(&mut self, hash: u32, id: u32) {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        while self.places.get(at).is_some_and(|&taken| taken != 0) {
            at = (at + 1) & mask;
        }
        self.set(at, id + 1);
    }

    fn set(&mut self, at: usize, taken: u32) {
        if let Some(place) = self.places.get_mut(at) {
            *place = taken;
        }
    }

    fn resize(&mut self, places: usize, hash_of: impl Fn(u32) -> u32) {
        let old = std::mem::replace(&mut self.places, vec![0; places]);
        for taken in old.into_iter().filter(|taken| *taken != 0) {
            self.put(hash_of(taken - 1), taken - 1);
        }
    }
}

/// A hash under a key from the speaker's seed: repeatable runs, and no neighbour can choose prefixes or attributes that
/// collide. Multiplies and folds word by word.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeededHash {
    key: u64,
}

/// Both halves of the 128-bit product: each bit of the result depends on all bits of both factors.
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

impl SeededHash {
    pub(super) const fn new(seed: u64) -> SeededHash {
        // A seed may be a small number: every bit of the key should depend on it.
        SeededHash { key: fold(seed ^ 0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93) }
    }

    pub(super) const fn words(self, words: [u64; 2]) -> u32 {
        let [first, second] = words;
        let state = fold(self.key ^ first, 0xa076_1d64_78bd_642f ^ self.key.rotate_left(32));
        (fold(state ^ second, 0xe703_7ed1_a0b4_28db ^ self.key) >> 16) as u32
    }

    /// Each word in a step of its own: what is put into one word with another can be made to meet without the key.
    pub(super) const fn three_words(self, words: [u64; 3]) -> u32 {
        let [first, second, third] = words;
        let multiplier = 0xa076_1d64_78bd_642f ^ self.key.rotate_left(32);
        let state = fold(fold(self.key ^ first, multiplier) ^ second, multiplier);
        (fold(state ^ third, 0xe703_7ed1_a0b4_28db ^ self.key) >> 16) as u32
    }

    pub(super) fn octets(self, octets: &[u8]) -> u32 {
        let multiplier = 0xa076_1d64_78bd_642f ^ self.key.rotate_left(32);
        let (words, rest) = octets.as_chunks::<8>();
        let mut state = self.key;
        for word in words {
            state = fold(state ^ u64::from_le_bytes(*word), multiplier);
        }
        let rest = rest.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
        state = fold(state ^ rest, multiplier);
        (fold(state ^ octets.len() as u64, 0xe703_7ed1_a0b4_28db ^ self.key) >> 16) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn an_index_finds_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0u32..3000), 0..5000),
        ) {
            // Few hashes: many ids share one.
            let hash = |id: u32| id % 400 * 0x0101;
            let (mut index, mut plain) = (IdIndex::new(), BTreeSet::new());
            for (put, id) in steps {
                if put && plain.insert(id) {
                    index.insert(hash(id), id, hash);
                } else if !put {
                    prop_assert_eq!(index.remove(hash(id), id, hash), plain.remove(&id));
                }
            }
            prop_assert_eq!(index.len(), plain.len());
            for id in 0..3000 {
                prop_assert_eq!(index.find(hash(id), |other| other == id), plain.contains(&id).then_some(id));
            }
        }
    }

    #[test]
    fn the_low_bits_of_near_keys_are_spread_and_depend_on_the_seed() {
        let hash = SeededHash::new(7);
        let mut buckets = [0; 256];
        for key in 0..25_600u64 {
            buckets[(hash.words([key << 16 | 24, 0]) & 0xff) as usize] += 1;
        }
        assert!(buckets.iter().all(|&count| (50..160).contains(&count)), "{buckets:?}");
        assert_ne!(SeededHash::new(1).octets(&[1, 2, 3]), SeededHash::new(2).octets(&[1, 2, 3]));
        assert_ne!(hash.octets(&[0]), hash.octets(&[0, 0]));
    }
}
