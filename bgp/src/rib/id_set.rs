//! Sets of prefix ids that are kept by the thousand, one for each source: as large as what is in them, whatever the ids.

use super::prefix_table::PrefixId;

/// Words of a leaf: with 2,048 ids a neighbour that has few routes has few leaves, and one that has all of them a bit for each.
const WORDS: usize = 32;

/// Ids of a leaf.
const IDS: usize = WORDS * u64::BITS as usize;

#[derive(Debug)]
struct Leaf {
    words: [u64; WORDS],
    len: u32,
}

/// A set of prefix ids, walked in order of id from anywhere.
#[derive(Default, Debug)]
pub(super) struct IdSet {
    leaves: Vec<Option<Box<Leaf>>>,
}

impl IdSet {
    /// Puts `id` in, if it is not there.
    pub(super) fn insert(&mut self, id: PrefixId) {
        let (leaf, word, bit) = place(id);
        if leaf >= self.leaves.len() {
            self.leaves.resize_with(leaf + 1, || None);
        }
        let Some(leaf) = self.leaves.get_mut(leaf) else { return };
        let leaf = leaf.get_or_insert_with(|| Box::new(Leaf { words: [0; WORDS], len: 0 }));
        let Some(word) = leaf.words.get_mut(word) else { return };
        leaf.len += u32::from(*word & bit == 0);
        *word |= bit;
    }

    /// Takes `id` out, if it is there.
    pub(super) fn remove(&mut self, id: PrefixId) {
        let (at, word, bit) = place(id);
        let Some(place) = self.leaves.get_mut(at) else { return };
        let Some(leaf) = place else { return };
        let Some(word) = leaf.words.get_mut(word) else { return };
        leaf.len -= u32::from(*word & bit != 0);
        *word &= !bit;
        if leaf.len == 0 {
            *place = None;
        }
    }

    /// The first one that is not less than `from`.
    pub(super) fn next(&self, from: u32) -> Option<PrefixId> {
        let (first, word, bit) = place(PrefixId(from));
        // Of the first word only what is not before `from`.
        let (mut word, mut mask) = (word, !(bit - 1));
        for (at, leaf) in self.leaves.iter().enumerate().skip(first) {
            if let Some(leaf) = leaf {
                for (index, bits) in leaf.words.iter().enumerate().skip(word) {
                    let rest = bits & mask;
                    mask = u64::MAX;
                    if rest != 0 {
                        let id = at * IDS + index * u64::BITS as usize + rest.trailing_zeros() as usize;
                        return u32::try_from(id).ok().map(PrefixId);
                    }
                }
            }
            (word, mask) = (0, u64::MAX);
        }
        None
    }
}

/// Leaf, word and bit.
const fn place(id: PrefixId) -> (usize, usize, u64) {
    let id = id.index();
    (id / IDS, id % IDS / u64::BITS as usize, 1 << (id % u64::BITS as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_walked_as_a_tree_would_be_from_anywhere(
            steps in prop::collection::vec((any::<bool>(), prop_oneof![0u32..200, 2_000u32..2_100, 9_000u32..9_003]), 0..200),
            from in 0u32..10_000,
        ) {
            let (mut set, mut tree) = (IdSet::default(), BTreeSet::new());
            for (put, id) in steps {
                if put {
                    tree.insert(id);
                    set.insert(PrefixId(id));
                } else {
                    tree.remove(&id);
                    set.remove(PrefixId(id));
                }
            }
            let walk = |from: u32| {
                std::iter::successors(set.next(from), |last| set.next(last.0 + 1)).map(|id| id.0).collect::<Vec<_>>()
            };
            prop_assert_eq!(walk(0), tree.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(walk(from), tree.range(from..).copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_taken_out_gives_its_memory_back() {
        let mut set = IdSet::default();
        (0..100_000).for_each(|id| set.insert(PrefixId(id)));
        (0..99_999).for_each(|id| set.remove(PrefixId(id)));
        assert_eq!(set.leaves.iter().flatten().count(), 1);
        assert_eq!(set.next(0), Some(PrefixId(99_999)));
    }
}
