//! Prefixes of one address family, each under a small dense id, listed in address order.

use super::address_order::{AddressOrder, RANGES};
use super::id_index::{IdIndex, SeededHash};
use crate::wire::Nlri;
use net::{Ipv4Prefix, Ipv6Prefix, Prefix};

/// A prefix of one family's table. Ids are handed out densely and used again after release, so that they index arrays
/// and bit sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PrefixId(pub(crate) u32);

impl PrefixId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Prefix to id and back.
///
/// Found by a seeded hash, listed by address: a page is in order and may begin at any prefix.
#[derive(Debug)]
pub(crate) enum PrefixTable {
    V4(Keys<Ipv4Prefix>),
    V6(Keys<Ipv6Prefix>),
}

/// What both families' prefixes can do.
pub(crate) trait Key: Copy + Ord {
    /// As it is kept.
    type Packed: Copy + Eq + std::fmt::Debug;

    fn pack(self) -> Self::Packed;

    fn unpack(packed: Self::Packed) -> Self;

    fn hash(self, hash: SeededHash) -> u32;

    /// Which of [`RANGES`] it is in; a prefix that is not less is in one that is not less.
    fn range(self) -> usize;

    /// The first octet of the address that can tell prefixes of this range apart.
    fn depth(range: usize) -> usize;

    /// An octet of the address; of prefixes with the same octets before it, one that is not less has one that is not less.
    fn octet(self, depth: usize) -> usize;

    /// Octets of an address.
    const OCTETS: usize;
}

impl Key for Ipv4Prefix {
    type Packed = Ipv4Prefix;

    fn pack(self) -> Ipv4Prefix {
        self
    }

    fn unpack(packed: Ipv4Prefix) -> Ipv4Prefix {
        packed
    }

    fn hash(self, hash: SeededHash) -> u32 {
        hash.words([u64::from(self.bits()) << 8 | u64::from(self.len()), 0])
    }

    fn range(self) -> usize {
        (self.bits() >> 16) as usize
    }

    fn depth(_: usize) -> usize {
        2
    }

    fn octet(self, depth: usize) -> usize {
        self.bits().to_be_bytes().get(depth).copied().unwrap_or(0).into()
    }

    const OCTETS: usize = 4;
}

impl Key for Ipv6Prefix {
    /// Length, then address: half of what a number of 128 bits and its length take beside each other.
    type Packed = [u8; 17];

    fn pack(self) -> [u8; 17] {
        let mut packed = [self.len(); 17];
        if let Some(address) = packed.last_chunk_mut::<16>() {
            *address = self.bits().to_be_bytes();
        }
        packed
    }

    fn unpack([length, address @ ..]: [u8; 17]) -> Ipv6Prefix {
        // Never the default route in place of another one: the length was a prefix's.
        Ipv6Prefix::new(address.into(), length).unwrap_or(Ipv6Prefix::DEFAULT)
    }

    fn hash(self, hash: SeededHash) -> u32 {
        let bits = self.bits();
        hash.three_words([(bits >> 64) as u64, bits as u64, self.len().into()])
    }

    /// All that is routed is in 2000::/3 (RFC 4291 §2.4): the next 16 bits tell most.
    fn range(self) -> usize {
        match self.bits() >> 125 {
            0 => 0,
            1 => 1 + (self.bits() >> 109 & 0xffff) as usize,
            _ => RANGES - 1,
        }
    }

    /// All within 2000::/3 say their first 19 bits.
    fn depth(range: usize) -> usize {
        if range == 0 || range == RANGES - 1 { 0 } else { 2 }
    }

    fn octet(self, depth: usize) -> usize {
        self.bits().to_be_bytes().get(depth).copied().unwrap_or(0).into()
    }

    const OCTETS: usize = 16;
}

/// Prefixes that are looked up together: enough to keep memory busy, few enough to be still at hand afterwards.
pub(super) const BATCH: usize = 16;

#[derive(Debug)]
pub(crate) struct Keys<K: Key> {
    keys: Vec<K::Packed>,
    index: IdIndex,
    hash: SeededHash,
    free: Vec<PrefixId>,
    order: AddressOrder,
}

impl<K: Key> Keys<K> {
    fn new(seed: u64) -> Keys<K> {
        Keys {
            keys: Vec::new(),
            index: IdIndex::new(),
            hash: SeededHash::new(seed),
            free: Vec::new(),
            order: AddressOrder::default(),
        }
    }

    fn find(&self, key: K) -> Option<PrefixId> {
        let (keys, packed) = (&self.keys, key.pack());
        self.index.find(key.hash(self.hash), |id| keys.get(id as usize) == Some(&packed)).map(PrefixId)
    }

    /// The ids of keys that stand at the first place that their hash says, as most do that are there at all. All places
    /// are read before the first key: memory answers many questions in the time of one.
    fn find_first(&self, keys: impl Iterator<Item = Option<K>> + Clone) -> [Option<PrefixId>; BATCH] {
        let (mut firsts, mut ids) = ([None; BATCH], [None; BATCH]);
        for (first, key) in firsts.iter_mut().zip(keys.clone()) {
            *first = key.and_then(|key| self.index.first(key.hash(self.hash)));
        }
        for ((id, first), key) in ids.iter_mut().zip(firsts).zip(keys) {
            let is_right = |first: &u32| self.keys.get(*first as usize).copied() == key.map(K::pack);
            *id = first.filter(is_right).map(PrefixId);
        }
        ids
    }

    fn intern(&mut self, key: K) -> PrefixId {
        if let Some(id) = self.find(key) {
            return id;
        }
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(slot) = self.keys.get_mut(id.index()) {
                    *slot = key.pack();
                }
                id
            }
            None => {
                // A table of 2^32 prefixes does not fit in memory: the number of ids cannot wrap.
                let id = PrefixId(self.keys.len() as u32);
                self.keys.push(key.pack());
                self.order.make_room();
                id
            }
        };
        let (keys, hash) = (&self.keys, self.hash);
        let hash_of = |id: u32| keys.get(id as usize).map_or(0, |key| K::unpack(*key).hash(hash));
        self.index.insert(key.hash(hash), id.0, hash_of);
        let keys = &self.keys;
        self.order.link(key, id.0, |id| keys.get(id as usize).copied().map(K::unpack));
        id
    }

    fn release(&mut self, id: PrefixId) {
        let Some(key) = self.keys.get(id.index()).copied().map(K::unpack) else { return };
        let (keys, hash) = (&self.keys, self.hash);
        let hash_of = |id: u32| keys.get(id as usize).map_or(0, |key| K::unpack(*key).hash(hash));
        if self.index.remove(key.hash(hash), id.0, hash_of) {
            self.order.unlink(key, id.0);
            self.free.push(id);
        }
    }

    /// At most `limit` behind `after`, in order, and how many were looked at.
    fn page(&self, after: Option<K>, limit: usize) -> (Vec<(K, PrefixId)>, usize) {
        self.order.page(after, limit, |id| self.keys.get(id as usize).copied().map(K::unpack))
    }

    #[cfg(test)]
    pub(super) const fn order(&self) -> &AddressOrder {
        &self.order
    }
}

impl PrefixTable {
    pub(crate) fn ipv4(seed: u64) -> PrefixTable {
        PrefixTable::V4(Keys::new(seed))
    }

    pub(crate) fn ipv6(seed: u64) -> PrefixTable {
        PrefixTable::V6(Keys::new(seed))
    }

    #[inline]
    pub(crate) fn get(&self, prefix: Prefix) -> Option<PrefixId> {
        match (self, prefix) {
            (PrefixTable::V4(keys), Prefix::V4(prefix)) => keys.find(prefix),
            (PrefixTable::V6(keys), Prefix::V6(prefix)) => keys.find(prefix),
            _ => None,
        }
    }

    /// The id of `prefix`, a new one if it is not in the table. `None` if it is of the other family.
    #[inline]
    pub(crate) fn intern(&mut self, prefix: Prefix) -> Option<PrefixId> {
        match (self, prefix) {
            (PrefixTable::V4(keys), Prefix::V4(prefix)) => Some(keys.intern(prefix)),
            (PrefixTable::V6(keys), Prefix::V6(prefix)) => Some(keys.intern(prefix)),
            _ => None,
        }
    }

    /// The ids of up to [`BATCH`] prefixes; `None` for one that is not there or takes longer to find.
    pub(crate) fn find_first(&self, nlri: &[Nlri]) -> [Option<PrefixId>; BATCH] {
        match self {
            PrefixTable::V4(keys) => keys.find_first(nlri.iter().map(|nlri| match nlri.prefix {
                Prefix::V4(prefix) => Some(prefix),
                Prefix::V6(_) => None,
            })),
            PrefixTable::V6(keys) => keys.find_first(nlri.iter().map(|nlri| match nlri.prefix {
                Prefix::V6(prefix) => Some(prefix),
                Prefix::V4(_) => None,
            })),
        }
    }

    /// The prefix that has (or had last) this id.
    pub(crate) fn prefix(&self, id: PrefixId) -> Option<Prefix> {
        match self {
            PrefixTable::V4(keys) => keys.keys.get(id.index()).copied().map(Prefix::V4),
            PrefixTable::V6(keys) => keys.keys.get(id.index()).copied().map(Ipv6Prefix::unpack).map(Prefix::V6),
        }
    }

    pub(crate) fn release(&mut self, id: PrefixId) {
        match self {
            PrefixTable::V4(keys) => keys.release(id),
            PrefixTable::V6(keys) => keys.release(id),
        }
    }

    /// At most `limit` prefixes that stand after `after` in address order. A prefix of the other family is before
    /// everything (IPv4 in an IPv6 table) or after everything.
    pub(crate) fn page(&self, after: Option<Prefix>, limit: usize) -> Vec<(Prefix, PrefixId)> {
        self.page_and_cost(after, limit).0
    }

    /// The same, and how many prefixes were looked at.
    pub(super) fn page_and_cost(&self, after: Option<Prefix>, limit: usize) -> (Vec<(Prefix, PrefixId)>, usize) {
        fn named<K>(
            (page, visited): (Vec<(K, PrefixId)>, usize),
            name: fn(K) -> Prefix,
        ) -> (Vec<(Prefix, PrefixId)>, usize) {
            (page.into_iter().map(|(key, id)| (name(key), id)).collect(), visited)
        }
        match (self, after) {
            (PrefixTable::V4(keys), None) => named(keys.page(None, limit), Prefix::V4),
            (PrefixTable::V4(keys), Some(Prefix::V4(after))) => named(keys.page(Some(after), limit), Prefix::V4),
            (PrefixTable::V4(_), Some(Prefix::V6(_))) => (Vec::new(), 0),
            (PrefixTable::V6(keys), Some(Prefix::V6(after))) => named(keys.page(Some(after), limit), Prefix::V6),
            (PrefixTable::V6(keys), _) => named(keys.page(None, limit), Prefix::V6),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            PrefixTable::V4(keys) => keys.index.len(),
            PrefixTable::V6(keys) => keys.index.len(),
        }
    }
}

/// A set of prefixes, one bit each.
#[derive(Clone, Default, Debug)]
pub(crate) struct PrefixSet {
    words: Vec<u64>,
    len: usize,
}

impl PrefixSet {
    /// Whether `id` was new.
    pub(crate) fn insert(&mut self, id: PrefixId) -> bool {
        let (word, bit) = (id.index() / 64, 1u64 << (id.index() % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let Some(word) = self.words.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.len += usize::from(new);
        new
    }

    /// Whether `id` was there.
    pub(crate) fn remove(&mut self, id: PrefixId) -> bool {
        let (word, bit) = (id.index() / 64, 1u64 << (id.index() % 64));
        let Some(word) = self.words.get_mut(word) else { return false };
        let there = *word & bit != 0;
        *word &= !bit;
        self.len -= usize::from(there);
        there
    }

    pub(crate) fn contains(&self, id: PrefixId) -> bool {
        self.words.get(id.index() / 64).is_some_and(|word| word & (1 << (id.index() % 64)) != 0)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// In order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = PrefixId> {
        (0u32..).zip(&self.words).flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(PrefixId(index * 64 + bit))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_dense_and_used_again() {
        let mut table = PrefixTable::ipv4(7);
        let first = table.intern(prefix("10.0.0.0/8")).unwrap();
        let second = table.intern(prefix("10.0.0.0/16")).unwrap();
        assert_eq!((first, second), (PrefixId(0), PrefixId(1)));
        assert_eq!(table.intern(prefix("10.0.0.0/8")), Some(first));
        assert_eq!(table.intern(prefix("::/0")), None);
        table.release(first);
        table.release(first);
        assert_eq!(table.get(prefix("10.0.0.0/8")), None);
        assert_eq!(table.intern(prefix("192.0.2.0/24")), Some(first));
        assert_eq!(table.intern(prefix("192.0.3.0/24")), Some(PrefixId(2)));
        assert_eq!(table.prefix(first), Some(prefix("192.0.2.0/24")));
    }

    #[test]
    fn pages_are_in_address_order_and_resume_at_any_prefix() {
        let mut table = PrefixTable::ipv6(7);
        for text in ["2001:db8:1::/48", "2001:db8::/32", "2001:db8::/48"] {
            table.intern(prefix(text));
        }
        let page = table.page(None, 2);
        assert_eq!(
            page.iter().map(|(prefix, _)| prefix.to_string()).collect::<Vec<_>>(),
            ["2001:db8::/32", "2001:db8::/48"]
        );
        let rest = table.page(Some(prefix("2001:db8::/40")), 9);
        assert_eq!(rest.len(), 2);
        assert!(table.page(Some(prefix("ffff::/16")), 9).is_empty());
    }

    #[test]
    fn no_prefix_can_be_made_to_have_the_hash_of_another_without_the_key() {
        // What the length does to a word must not be undone by the address.
        let x = 0x2001_0db8_u128 << 96;
        for seed in [1, 7, 0xdead_beef] {
            let hash = SeededHash::new(seed);
            let hashes: std::collections::BTreeSet<u32> = (64..=128u8)
                .filter_map(|length| {
                    let octet = u128::from(length ^ 64) << 56;
                    Ipv6Prefix::new((x | octet).into(), length).map(|prefix| prefix.hash(hash))
                })
                .collect();
            assert!(hashes.len() > 50, "{} different hashes", hashes.len());
        }
    }

    proptest! {
        #[test]
        fn it_lists_what_a_tree_would_list_page_by_page(
            steps in prop::collection::vec((any::<bool>(), 0u32..6, 0u32..6, 8u8..34, 0u32..30), 1..300),
            limit in 1usize..9, v6 in any::<bool>(),
        ) {
            let mut table = if v6 { PrefixTable::ipv6(7) } else { PrefixTable::ipv4(7) };
            let mut tree = std::collections::BTreeMap::new();
            for (put, high, low, length, host) in steps {
                let bits = high << 29 | low << 15 | host;
                let prefix = if v6 {
                    Prefix::new(std::net::Ipv6Addr::from_bits(u128::from(bits) << 96).into(), length)
                } else {
                    Prefix::new(std::net::Ipv4Addr::from_bits(bits).into(), length.min(32))
                }.unwrap();
                if put {
                    let id = table.intern(prefix).unwrap();
                    prop_assert_eq!(tree.insert(prefix, id).unwrap_or(id), id);
                } else if let Some(id) = tree.remove(&prefix) {
                    table.release(id);
                }
            }
            prop_assert_eq!(table.len(), tree.len());
            let (mut listed, mut after) = (Vec::<(Prefix, PrefixId)>::new(), None);
            loop {
                let page = table.page(after, limit);
                prop_assert!(page.len() <= limit);
                listed.extend(&page);
                match page.last() {
                    Some((prefix, _)) => after = Some(*prefix),
                    None => break,
                }
            }
            prop_assert_eq!(listed, tree.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_set_iterates_in_order_and_counts() {
        let mut set = PrefixSet::default();
        for id in [130, 3, 64, 3] {
            set.insert(PrefixId(id));
        }
        assert!(set.remove(PrefixId(64)) && !set.remove(PrefixId(64)) && !set.remove(PrefixId(9999)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [PrefixId(3), PrefixId(130)]);
        assert!(set.len() == 2 && set.contains(PrefixId(130)) && !set.contains(PrefixId(131)));
    }
}
