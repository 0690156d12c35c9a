//! Where in a list something is: hash to number in eight octets, for who keeps many things once and finds them in several ways.

use hashbrown::HashTable;

/// Half of a hash and the number that it leads to.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    at: u32,
}

impl Entry {
    fn spread(&self) -> u64 {
        spread(self.hash)
    }
}

/// A table wants 64 bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Numbers by hash. What has the number is looked at by whoever asks: two things may have one hash.
#[derive(Clone, Debug, Default)]
pub struct Index {
    entries: HashTable<Entry>,
}

impl Index {
    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number that has this hash and is the right one.
    pub fn find(&self, hash: u32, mut is_right: impl FnMut(u32) -> bool) -> Option<u32> {
        self.entries.find(spread(hash), |entry| entry.hash == hash && is_right(entry.at)).map(|entry| entry.at)
    }

    /// One more. The caller knows that it is not there.
    pub fn insert(&mut self, hash: u32, at: u32) {
        self.entries.insert_unique(spread(hash), Entry { hash, at }, Entry::spread);
    }

    /// Take an entry out; whether it was there.
    pub fn remove(&mut self, hash: u32, at: u32) -> bool {
        let Ok(entry) = self.entries.find_entry(spread(hash), |entry| entry.at == at) else { return false };
        entry.remove();
        // What a flood has made grow is given back.
        if self.entries.capacity() > 1_024 && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2, Entry::spread);
        }
        true
    }

    /// Nothing is left, and no memory is held.
    pub fn clear(&mut self) {
        *self = Index::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_finds_what_was_put_in_and_not_taken_out(
            steps in proptest::collection::vec((any::<bool>(), 0..4_000u32), 0..6_000),
        ) {
            // Few hashes: many numbers share one.
            let hash = |at: u32| at % 500;
            let (mut index, mut plain) = (Index::default(), BTreeMap::new());
            for (put, at) in steps {
                if put && plain.insert(at, ()).is_none() {
                    index.insert(hash(at), at);
                } else if !put {
                    prop_assert_eq!(index.remove(hash(at), at), plain.remove(&at).is_some());
                }
            }
            prop_assert_eq!((index.len(), index.is_empty()), (plain.len(), plain.is_empty()));
            for at in 0..4_000 {
                let found = index.find(hash(at), |found| found == at);
                prop_assert_eq!(found, plain.contains_key(&at).then_some(at));
            }
        }
    }
}
