//! A map from prefixes to values with longest-prefix match: one path-compressed binary trie per family.
//!
//! Every operation takes at most as many steps as the prefix is long, and iteration is in the order of [`Prefix`]. Nodes lie in one
//! vector and point to each other by index; a freed node is used again. A node without a value always has two children.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Ipv4Prefix, Ipv6Prefix, Prefix};

/// A map from [`Prefix`] to `V` with longest-prefix match.
#[derive(Clone)]
pub struct PrefixMap<V> {
    v4: Trie<V>,
    v6: Trie<V>,
}

impl<V> PrefixMap<V> {
    /// An empty map.
    pub const fn new() -> PrefixMap<V> {
        PrefixMap { v4: Trie::new(), v6: Trie::new() }
    }

    /// How many prefixes have a value.
    pub const fn len(&self) -> usize {
        self.v4.len + self.v6.len
    }

    /// Whether no prefix has a value.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets the value of exactly `prefix`; gives the one that was there.
    pub fn insert(&mut self, prefix: Prefix, value: V) -> Option<V> {
        let (trie, key) = self.trie_mut(prefix);
        let slot = trie.slot(key);
        let old = trie.nodes[slot as usize].value.replace(value);
        if old.is_none() {
            trie.len += 1;
        }
        old
    }

    /// The value of exactly `prefix`, made by `value` if there is none.
    pub fn get_or_insert_with(&mut self, prefix: Prefix, value: impl FnOnce() -> V) -> &mut V {
        let (trie, key) = self.trie_mut(prefix);
        let slot = trie.slot(key);
        let node = &mut trie.nodes[slot as usize];
        if node.value.is_none() {
            trie.len += 1;
        }
        node.value.get_or_insert_with(value)
    }

    /// The value of exactly `prefix`.
    pub fn get(&self, prefix: Prefix) -> Option<&V> {
        let (trie, key) = self.trie(prefix);
        trie.nodes[trie.find(key)? as usize].value.as_ref()
    }

    /// The value of exactly `prefix`, to change.
    pub fn get_mut(&mut self, prefix: Prefix) -> Option<&mut V> {
        let (trie, key) = self.trie_mut(prefix);
        let index = trie.find(key)?;
        trie.nodes[index as usize].value.as_mut()
    }

    /// Takes the value of exactly `prefix` out.
    pub fn remove(&mut self, prefix: Prefix) -> Option<V> {
        let (trie, key) = self.trie_mut(prefix);
        trie.remove(key)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = PrefixMap::new();
    }

    /// The longest prefix with a value that contains `addr`.
    pub fn lookup(&self, addr: IpAddr) -> Option<(Prefix, &V)> {
        let len = if addr.is_ipv4() { 32 } else { 128 };
        self.longest_match(Prefix::new(addr, len)?)
    }

    /// The longest prefix with a value that is `prefix` or covers it.
    pub fn longest_match(&self, prefix: Prefix) -> Option<(Prefix, &V)> {
        let (trie, key) = self.trie(prefix);
        let mut best = None;
        let mut next = trie.root;
        while let Some(node) = trie.node(next) {
            if !node.key.covers(key) {
                break;
            }
            if let Some(value) = &node.value {
                best = Some((node.key, value));
            }
            if node.key.len == key.len {
                break;
            }
            next = node.children[key.bit(node.key.len)];
        }
        best.map(|(key, value)| (key.prefix(prefix), value))
    }

    /// All prefixes with their values, in the order of [`Prefix`].
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        let v4 = self.v4.preorder(vec![self.v4.root]).map(|(key, value)| (key.v4(), value));
        v4.chain(self.v6.preorder(vec![self.v6.root]).map(|(key, value)| (key.v6(), value)))
    }

    /// The prefixes that stand after `prefix` in the order of [`Prefix`], which need not be in the map: the next page of a listing.
    pub fn iter_after(&self, prefix: Prefix) -> impl Iterator<Item = (Prefix, &V)> {
        let (v4, v6) = match prefix {
            Prefix::V4(_) => (self.v4.roots_after(Key::new(prefix)), vec![self.v6.root]),
            Prefix::V6(_) => (Vec::new(), self.v6.roots_after(Key::new(prefix))),
        };
        let v4 = self.v4.preorder(v4).map(|(key, value)| (key.v4(), value));
        v4.chain(self.v6.preorder(v6).map(|(key, value)| (key.v6(), value)))
    }

    /// `prefix` and the more specific prefixes inside it, as far as they have values, in order.
    pub fn covered_by(&self, prefix: Prefix) -> impl Iterator<Item = (Prefix, &V)> {
        let (trie, key) = self.trie(prefix);
        let mut next = trie.root;
        while let Some(node) = trie.node(next) {
            if key.covers(node.key) {
                break;
            }
            next = if node.key.covers(key) { node.children[key.bit(node.key.len)] } else { NONE };
        }
        trie.preorder(vec![next]).map(move |(key, value)| (key.prefix(prefix), value))
    }

    fn trie(&self, prefix: Prefix) -> (&Trie<V>, Key) {
        let trie = match prefix {
            Prefix::V4(_) => &self.v4,
            Prefix::V6(_) => &self.v6,
        };
        (trie, Key::new(prefix))
    }

    fn trie_mut(&mut self, prefix: Prefix) -> (&mut Trie<V>, Key) {
        let trie = match prefix {
            Prefix::V4(_) => &mut self.v4,
            Prefix::V6(_) => &mut self.v6,
        };
        (trie, Key::new(prefix))
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> PrefixMap<V> {
        PrefixMap::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for PrefixMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V: PartialEq> PartialEq for PrefixMap<V> {
    fn eq(&self, other: &PrefixMap<V>) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for PrefixMap<V> {}

impl<V> FromIterator<(Prefix, V)> for PrefixMap<V> {
    fn from_iter<I: IntoIterator<Item = (Prefix, V)>>(entries: I) -> PrefixMap<V> {
        let mut map = PrefixMap::new();
        for (prefix, value) in entries {
            map.insert(prefix, value);
        }
        map
    }
}

/// A prefix of either family, its bits at the high end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    bits: u128,
    len: u8,
}

impl Key {
    fn new(prefix: Prefix) -> Key {
        match prefix {
            Prefix::V4(prefix) => Key { bits: u128::from(prefix.bits()) << 96, len: prefix.len() },
            Prefix::V6(prefix) => Key { bits: prefix.bits(), len: prefix.len() },
        }
    }

    /// Back into the family of `like`.
    fn prefix(self, like: Prefix) -> Prefix {
        match like {
            Prefix::V4(_) => self.v4(),
            Prefix::V6(_) => self.v6(),
        }
    }

    fn v4(self) -> Prefix {
        // Keys of the IPv4 trie are never longer than 32, so the fallback is never taken.
        let addr = Ipv4Addr::from_bits((self.bits >> 96) as u32);
        Prefix::V4(Ipv4Prefix::new(addr, self.len).unwrap_or(Ipv4Prefix::DEFAULT))
    }

    fn v6(self) -> Prefix {
        let addr = Ipv6Addr::from_bits(self.bits);
        Prefix::V6(Ipv6Prefix::new(addr, self.len).unwrap_or(Ipv6Prefix::DEFAULT))
    }

    /// The bit behind the first `len` ones. Asked only where `len` is below this key's length, hence below 128.
    fn bit(self, len: u8) -> usize {
        usize::from((self.bits << len) >> 127 != 0)
    }

    /// How long the part is that both start with.
    fn common(self, other: Key) -> u8 {
        ((self.bits ^ other.bits).leading_zeros() as u8).min(self.len).min(other.len)
    }

    fn covers(self, other: Key) -> bool {
        self.common(other) == self.len
    }

    fn shortened(self, len: u8) -> Key {
        let mask = if len == 0 { 0 } else { u128::MAX << (128 - u32::from(len)) };
        Key { bits: self.bits & mask, len }
    }
}

/// No node.
const NONE: u32 = u32::MAX;

#[derive(Clone)]
struct Node<V> {
    key: Key,
    value: Option<V>,
    children: [u32; 2],
}

#[derive(Clone)]
struct Trie<V> {
    root: u32,
    nodes: Vec<Node<V>>,
    free: Vec<u32>,
    /// Nodes with a value.
    len: usize,
}

impl<V> Trie<V> {
    const fn new() -> Trie<V> {
        Trie { root: NONE, nodes: Vec::new(), free: Vec::new(), len: 0 }
    }

    fn node(&self, index: u32) -> Option<&Node<V>> {
        self.nodes.get(index as usize)
    }

    fn add(&mut self, key: Key, children: [u32; 2]) -> u32 {
        let node = Node { key, value: None, children };
        if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            return index;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    /// Makes `parent` (or the root) point to `child` where it pointed to something else.
    fn link(&mut self, parent: Option<(u32, usize)>, child: u32) {
        match parent {
            Some((index, side)) => self.nodes[index as usize].children[side] = child,
            None => self.root = child,
        }
    }

    fn find(&self, key: Key) -> Option<u32> {
        let mut next = self.root;
        loop {
            let node = self.node(next)?;
            if node.key == key {
                return Some(next);
            }
            if node.key.len >= key.len || !node.key.covers(key) {
                return None;
            }
            next = node.children[key.bit(node.key.len)];
        }
    }

    /// The node of `key`, which is made if there is none. The caller gives it a value.
    fn slot(&mut self, key: Key) -> u32 {
        let mut parent = None;
        let mut next = self.root;
        loop {
            let Some(node) = self.node(next) else {
                let leaf = self.add(key, [NONE, NONE]);
                self.link(parent, leaf);
                return leaf;
            };
            let other = node.key;
            if other == key {
                return next;
            }
            let common = other.common(key);
            if common == other.len {
                let side = key.bit(other.len);
                parent = Some((next, side));
                next = node.children[side];
                continue;
            }
            let mut children = [NONE, NONE];
            children[other.bit(common)] = next;
            if common == key.len {
                let above = self.add(key, children);
                self.link(parent, above);
                return above;
            }
            let leaf = self.add(key, [NONE, NONE]);
            children[key.bit(common)] = leaf;
            let fork = self.add(key.shortened(common), children);
            self.link(parent, fork);
            return leaf;
        }
    }

    fn remove(&mut self, key: Key) -> Option<V> {
        let (mut grandparent, mut parent) = (None, None);
        let mut next = self.root;
        loop {
            let node = self.node(next)?;
            if node.key == key {
                break;
            }
            if node.key.len >= key.len || !node.key.covers(key) {
                return None;
            }
            let side = key.bit(node.key.len);
            grandparent = parent;
            parent = Some((next, side));
            next = node.children[side];
        }
        let value = self.nodes[next as usize].value.take()?;
        self.len -= 1;
        match self.nodes[next as usize].children {
            [NONE, NONE] => {
                self.link(parent, NONE);
                self.free.push(next);
                if let Some((above, side)) = parent {
                    self.splice_fork(grandparent, above, 1 - side);
                }
            }
            [child, NONE] | [NONE, child] => {
                self.link(parent, child);
                self.free.push(next);
            }
            // A fork without a value stays.
            [_, _] => {}
        }
        Some(value)
    }

    /// A node that lost a child and has no value gives its place to its other child.
    fn splice_fork(&mut self, parent: Option<(u32, usize)>, index: u32, side: usize) {
        let node = &self.nodes[index as usize];
        if node.value.is_none() {
            let child = node.children[side];
            self.link(parent, child);
            self.free.push(index);
        }
    }

    /// The subtrees, last one first, that hold exactly what stands after `key`.
    fn roots_after(&self, key: Key) -> Vec<u32> {
        let mut roots = Vec::new();
        let mut next = self.root;
        while let Some(node) = self.node(next) {
            let [left, right] = node.children;
            if node.key == key {
                roots.extend([right, left]);
                break;
            }
            if node.key.len >= key.len || !node.key.covers(key) {
                if node.key > key {
                    roots.push(next);
                }
                break;
            }
            if key.bit(node.key.len) == 0 {
                roots.push(right);
                next = left;
            } else {
                next = right;
            }
        }
        roots
    }

    /// Parents first, then left before right: the order of [`Prefix`].
    fn preorder(&self, mut stack: Vec<u32>) -> impl Iterator<Item = (Key, &V)> {
        std::iter::from_fn(move || {
            loop {
                let Some(node) = self.node(stack.pop()?) else { continue };
                let [left, right] = node.children;
                stack.extend([right, left]);
                if let Some(value) = &node.value {
                    return Some((node.key, value));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_that_contains_the_address_wins() {
        let texts = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32", "2001:db8::1/128"];
        let map: PrefixMap<&str> = texts.iter().map(|text| (prefix(text), *text)).collect();
        for (addr, expected) in [
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("10.1.2.4", Some("10.1.0.0/16")),
            ("10.2.0.1", Some("10.0.0.0/8")),
            ("192.0.2.1", Some("0.0.0.0/0")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("2001:db8::2", Some("2001:db8::/32")),
            ("2001:db9::1", None),
        ] {
            let found = map.lookup(addr.parse().unwrap()).map(|(prefix, value)| (prefix.to_string(), *value));
            assert_eq!(found, expected.map(|text| (text.to_owned(), text)), "{addr}");
        }
    }

    #[test]
    fn the_default_routes_of_the_two_families_are_two_entries() {
        let mut map = PrefixMap::new();
        map.insert(prefix("0.0.0.0/0"), 4);
        map.insert(prefix("::/0"), 6);
        assert_eq!(map.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4, 6]);
        assert_eq!(map.remove(prefix("0.0.0.0/0")), Some(4));
        assert_eq!(map.lookup("192.0.2.1".parse().unwrap()), None);
        assert_eq!(map.lookup("::1".parse().unwrap()).map(|(_, value)| *value), Some(6));
    }

    /// Few bits in use, so that prefixes often nest, fork and meet.
    fn any_prefix() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (0u32..16, 0u8..=5, any::<bool>()).prop_map(|(bits, len, low)| {
                let (addr, len) = if low { (bits, 27 + len) } else { (bits << 28, len) };
                Prefix::new(Ipv4Addr::from_bits(addr).into(), len).unwrap()
            }),
            (0u128..16, 0u8..=5, any::<bool>()).prop_map(|(bits, len, low)| {
                let (addr, len) = if low { (bits, 123 + len) } else { (bits << 124, len) };
                Prefix::new(Ipv6Addr::from_bits(addr).into(), len).unwrap()
            }),
        ]
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(Prefix, u32),
        Remove(Prefix),
        GetOrInsert(Prefix, u32),
    }

    fn any_op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (any_prefix(), any::<u32>()).prop_map(|(prefix, value)| Op::Insert(prefix, value)),
            any_prefix().prop_map(Op::Remove),
            (any_prefix(), any::<u32>()).prop_map(|(prefix, value)| Op::GetOrInsert(prefix, value)),
        ]
    }

    fn trie_is_sound<V>(trie: &Trie<V>) -> bool {
        let used = trie.nodes.len() - trie.free.len();
        let mut seen = 0;
        let mut stack = vec![trie.root];
        while let Some(node) = stack.pop().map(|index| trie.node(index)) {
            let Some(node) = node else { continue };
            seen += 1;
            stack.extend(node.children);
            if node.value.is_none() && node.children.contains(&NONE) {
                return false;
            }
        }
        seen == used
    }

    proptest! {
        #[test]
        fn a_prefix_map_does_what_a_plain_map_with_a_scan_does(ops in prop::collection::vec(any_op(), 0..120), probes in prop::collection::vec(any_prefix(), 8)) {
            let mut map = PrefixMap::new();
            let mut model: BTreeMap<Prefix, u32> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Insert(prefix, value) => prop_assert_eq!(map.insert(prefix, value), model.insert(prefix, value)),
                    Op::Remove(prefix) => prop_assert_eq!(map.remove(prefix), model.remove(&prefix)),
                    Op::GetOrInsert(prefix, value) => {
                        prop_assert_eq!(*map.get_or_insert_with(prefix, || value), *model.entry(prefix).or_insert(value));
                    }
                }
                prop_assert!(trie_is_sound(&map.v4) && trie_is_sound(&map.v6));
            }
            prop_assert_eq!(map.len(), model.len());
            prop_assert!(map.iter().eq(model.iter().map(|(prefix, value)| (*prefix, value))));
            for probe in probes {
                prop_assert_eq!(map.get(probe), model.get(&probe));
                let longest = model.iter().filter(|(prefix, _)| prefix.covers(probe)).max_by_key(|(prefix, _)| prefix.len());
                prop_assert_eq!(map.longest_match(probe), longest.map(|(prefix, value)| (*prefix, value)));
                let containing = model.iter().filter(|(prefix, _)| prefix.contains(probe.addr())).max_by_key(|(prefix, _)| prefix.len());
                prop_assert_eq!(map.lookup(probe.addr()), containing.map(|(prefix, value)| (*prefix, value)));
                let covered = model.iter().filter(|(prefix, _)| probe.covers(**prefix)).map(|(prefix, value)| (*prefix, value));
                prop_assert!(map.covered_by(probe).eq(covered));
                let after = model.range((std::ops::Bound::Excluded(probe), std::ops::Bound::Unbounded));
                prop_assert!(map.iter_after(probe).eq(after.map(|(prefix, value)| (*prefix, value))));
            }
        }
    }
}
