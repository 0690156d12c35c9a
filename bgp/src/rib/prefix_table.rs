//! Prefixes of one address family, each under a small dense id, listed in address order.

use net::{Ipv4Prefix, Ipv6Prefix, Prefix};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A prefix of one family's table. Ids are handed out densely and used again after release, so that they index arrays and bit sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PrefixId(pub(crate) u32);

impl PrefixId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Prefix to id and back.
///
/// A tree, not a hash map: reads are in order and resumable at any prefix, and no choice of prefixes makes it slow.
#[derive(Debug)]
pub(crate) enum PrefixTable {
    V4(Keys<Ipv4Prefix>),
    V6(Keys<Ipv6Prefix>),
}

#[derive(Debug)]
pub(crate) struct Keys<K> {
    ids: BTreeMap<K, PrefixId>,
    keys: Vec<K>,
    free: Vec<PrefixId>,
}

impl<K: Ord + Copy> Keys<K> {
    const fn new() -> Keys<K> {
        Keys { ids: BTreeMap::new(), keys: Vec::new(), free: Vec::new() }
    }

    fn intern(&mut self, key: K) -> PrefixId {
        *self.ids.entry(key).or_insert_with(|| match self.free.pop() {
            Some(id) => {
                if let Some(slot) = self.keys.get_mut(id.index()) {
                    *slot = key;
                }
                id
            }
            None => {
                // A table of 2^32 prefixes does not fit in memory: the number of ids cannot wrap.
                let id = PrefixId(self.keys.len() as u32);
                self.keys.push(key);
                id
            }
        })
    }

    fn release(&mut self, id: PrefixId) {
        let Some(key) = self.keys.get(id.index()) else { return };
        if self.ids.get(key) == Some(&id) {
            self.ids.remove(key);
            self.free.push(id);
        }
    }

    fn after(&self, key: Option<K>) -> impl Iterator<Item = (K, PrefixId)> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.ids.range((from, Bound::Unbounded)).map(|(key, id)| (*key, *id))
    }
}

impl PrefixTable {
    pub(crate) const fn ipv4() -> PrefixTable {
        PrefixTable::V4(Keys::new())
    }

    pub(crate) const fn ipv6() -> PrefixTable {
        PrefixTable::V6(Keys::new())
    }

    pub(crate) fn get(&self, prefix: Prefix) -> Option<PrefixId> {
        match (self, prefix) {
            (PrefixTable::V4(keys), Prefix::V4(prefix)) => keys.ids.get(&prefix).copied(),
            (PrefixTable::V6(keys), Prefix::V6(prefix)) => keys.ids.get(&prefix).copied(),
            _ => None,
        }
    }

    /// The id of `prefix`, a new one if it is not in the table. `None` if it is of the other family.
    pub(crate) fn intern(&mut self, prefix: Prefix) -> Option<PrefixId> {
        match (self, prefix) {
            (PrefixTable::V4(keys), Prefix::V4(prefix)) => Some(keys.intern(prefix)),
            (PrefixTable::V6(keys), Prefix::V6(prefix)) => Some(keys.intern(prefix)),
            _ => None,
        }
    }

    /// The prefix that has (or had last) this id.
    pub(crate) fn prefix(&self, id: PrefixId) -> Option<Prefix> {
        match self {
            PrefixTable::V4(keys) => keys.keys.get(id.index()).copied().map(Prefix::V4),
            PrefixTable::V6(keys) => keys.keys.get(id.index()).copied().map(Prefix::V6),
        }
    }

    pub(crate) fn release(&mut self, id: PrefixId) {
        match self {
            PrefixTable::V4(keys) => keys.release(id),
            PrefixTable::V6(keys) => keys.release(id),
        }
    }

    /// At most `limit` prefixes that stand after `after` in address order. A prefix of the other family is before everything
    /// (IPv4 in an IPv6 table) or after everything.
    pub(crate) fn page(&self, after: Option<Prefix>, limit: usize) -> Vec<(Prefix, PrefixId)> {
        match (self, after) {
            (PrefixTable::V4(keys), None) => {
                keys.after(None).take(limit).map(|(key, id)| (Prefix::V4(key), id)).collect()
            }
            (PrefixTable::V4(keys), Some(Prefix::V4(after))) => {
                keys.after(Some(after)).take(limit).map(|(key, id)| (Prefix::V4(key), id)).collect()
            }
            (PrefixTable::V4(_), Some(Prefix::V6(_))) => Vec::new(),
            (PrefixTable::V6(keys), Some(Prefix::V6(after))) => {
                keys.after(Some(after)).take(limit).map(|(key, id)| (Prefix::V6(key), id)).collect()
            }
            (PrefixTable::V6(keys), _) => keys.after(None).take(limit).map(|(key, id)| (Prefix::V6(key), id)).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            PrefixTable::V4(keys) => keys.ids.len(),
            PrefixTable::V6(keys) => keys.ids.len(),
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

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_dense_and_used_again() {
        let mut table = PrefixTable::ipv4();
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
        let mut table = PrefixTable::ipv6();
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
