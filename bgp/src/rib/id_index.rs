//! From a hash to a dense id in four octets: for what there are millions of and what has its key elsewhere, by its id.
//!
//! A place holds an id and, in the bits that ids do not need, those of the hash: keys are compared where they are most likely
//! the same, and who asks for what is not there asks memory for one place and for no key.

/// Places of the smallest index.
const FIRST: usize = 16;

/// Ids by hash, one place each: at the place that the hash says or, if that is taken, at the next free one, with no free
/// place in between.
#[derive(Debug)]
pub(super) struct IdIndex {
    /// A power of two of places, or none; id plus one with the upper bits of the hash before it, 0 for a free place.
    places: Vec<u32>,
    /// What of a place is id plus one.
    ids: u32,
    len: usize,
}

impl IdIndex {
    pub(super) const fn new() -> IdIndex {
        IdIndex { places: Vec::new(), ids: 0, len: 0 }
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
        self.places
            .get(hash as usize & mask)
            .filter(|place| self.may_be(**place, hash))
            .and_then(|place| self.id(*place))
    }

    /// One more, which the caller knows not to be there. `hash_of` is asked about ids that are.
    pub(super) fn insert(&mut self, hash: u32, id: u32, hash_of: impl Fn(u32) -> u32) {
        // Three quarters: beyond, the way to a free place becomes long.
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.resize((self.places.len() * 2).max(FIRST), &hash_of);
        }
        let wide = u32::MAX >> (id + 1).leading_zeros();
        if wide > self.ids {
            // Ids that have grown leave less room for the hash.
            let ids = std::mem::replace(&mut self.ids, wide);
            self.places.iter_mut().for_each(|place| *place &= ids | !wide);
        }
        self.put(hash, id);
        self.len += 1;
    }

    /// Whether what is at a place may have this hash.
    const fn may_be(&self, place: u32, hash: u32) -> bool {
        (place ^ hash) & !self.ids == 0
    }

    const fn id(&self, place: u32) -> Option<u32> {
        (place & self.ids).checked_sub(1)
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
            let home = self.id(taken).map_or(0, &hash_of) as usize & mask;
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
            if self.may_be(taken, hash)
                && let Some(id) = self.id(taken).filter(|id| is_it(*id))
            {
                return Some((at, id));
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
        self.set(at, (hash & !self.ids) | (id + 1));
    }

    fn set(&mut self, at: usize, taken: u32) {
        if let Some(place) = self.places.get_mut(at) {
            *place = taken;
        }
    }

    fn resize(&mut self, places: usize, hash_of: impl Fn(u32) -> u32) {
        let (old, ids) = (std::mem::replace(&mut self.places, vec![0; places]), self.ids);
        let old_ids = || old.iter().filter_map(|place| (place & ids).checked_sub(1));
        // As narrow as ids are now, and as they become while these places fill: three quarters of them have one.
        let last = old_ids().max().map_or(0, |id| id + 1);
        self.ids = u32::MAX >> last.max(places as u32 - 1).leading_zeros();
        for id in old_ids() {
            self.put(hash_of(id), id);
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
            // Few hashes: many ids share one, or its lower or upper bits.
            let hash = |id: u32| id % 400 * 0x0001_0101 + ((id % 3) << 30);
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
                let first = index.first(hash(id));
                prop_assert!(first.is_none() || first == index.find(hash(id), |_| true));
            }
        }
    }

    #[test]
    fn an_index_that_was_large_finds_the_few_that_stay_whatever_their_ids() {
        let seeded = SeededHash::new(7);
        let hash = |id: u32| seeded.words([id.into(), 0]);
        let mut index = IdIndex::new();
        (0..100_000).for_each(|id| index.insert(hash(id), id, hash));
        // The last ids stay, then the first ones do.
        for stay in [99_990..100_000, 0..10] {
            (0..100_000).filter(|id| !stay.contains(id)).for_each(|id| {
                index.remove(hash(id), id, hash);
            });
            assert_eq!(index.len(), stay.len());
            stay.clone().for_each(|id| assert_eq!(index.find(hash(id), |other| other == id), Some(id)));
            (0..100_000).filter(|id| !stay.contains(id)).for_each(|id| index.insert(hash(id), id, hash));
            (0..100_000).for_each(|id| assert_eq!(index.find(hash(id), |other| other == id), Some(id)));
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
