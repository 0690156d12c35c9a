//! What a member holds of ours: its Adj-RIB-Out, as far as we have to remember it.

use crate::rib::{PrefixId, PrefixSet, Table};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// A bit per prefix where a prefix has one path at most, a list of identifiers where it may have several (RFC 7911).
/// Each prefix in it is pinned in its table.
#[derive(Debug)]
pub(super) enum Held {
    Prefixes(PrefixSet),
    Paths(HeldPaths),
}

/// By prefix the identifiers of its paths.
#[derive(Debug, Default)]
pub(super) struct HeldPaths {
    prefixes: PrefixSet,
    /// Looked up, never iterated over.
    by_prefix: FxHashMap<PrefixId, SmallVec<[u32; 4]>>,
    len: usize,
}

impl Held {
    pub(super) fn new(add_path: bool) -> Held {
        if add_path { Held::Paths(HeldPaths::default()) } else { Held::Prefixes(PrefixSet::default()) }
    }

    /// Number of routes.
    pub(super) const fn len(&self) -> usize {
        match self {
            Held::Prefixes(held) => held.len(),
            Held::Paths(held) => held.len,
        }
    }

    /// Any route to the prefix.
    pub(super) fn contains(&self, id: PrefixId) -> bool {
        match self {
            Held::Prefixes(held) => held.contains(id),
            Held::Paths(held) => held.prefixes.contains(id),
        }
    }

    /// It holds nothing any more.
    pub(super) fn release(self, table: &mut Table) {
        match self {
            Held::Prefixes(held) => held.iter().for_each(|id| table.unpin(id)),
            Held::Paths(held) => held.prefixes.iter().for_each(|id| table.unpin(id)),
        }
    }
}

impl HeldPaths {
    /// Number of routes.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn of(&self, id: PrefixId) -> &[u32] {
        self.by_prefix.get(&id).map(|paths| paths.as_slice()).unwrap_or_default()
    }

    pub(super) fn contains(&self, id: PrefixId, path_id: u32) -> bool {
        self.of(id).contains(&path_id)
    }

    pub(super) fn insert(&mut self, id: PrefixId, path_id: u32, table: &mut Table) {
        let paths = self.by_prefix.entry(id).or_default();
        if self.prefixes.insert(id) {
            table.pin(id);
        }
        if !paths.contains(&path_id) {
            paths.push(path_id);
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, id: PrefixId, path_id: u32, table: &mut Table) {
        let Some(paths) = self.by_prefix.get_mut(&id) else { return };
        let before = paths.len();
        paths.retain(|other| *other != path_id);
        self.len -= before - paths.len();
        if paths.is_empty() {
            self.by_prefix.remove(&id);
            self.prefixes.remove(id);
            table.unpin(id);
        }
    }
}
