//! Rules of a table for which there is not room enough: the most important ones are in it, the others wait outside.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::rule::Key;
use super::slots::SlotRef;

/// A rule's place in the order: by priority, the highest first, and among equals by key, so that the same rules are in whatever came when.
type Rank = (Reverse<u16>, Key, SlotRef);

/// The rules that are wanted in one table, in order, divided at what the table holds.
#[derive(Debug)]
pub(super) struct Crowd {
    max: usize,
    inside: BTreeSet<Rank>,
    outside: BTreeSet<Rank>,
    ranks: BTreeMap<SlotRef, Rank>,
}

impl Crowd {
    /// Nobody, in a table with room for so many.
    pub(super) fn new(max: usize) -> Crowd {
        Crowd { max, inside: BTreeSet::new(), outside: BTreeSet::new(), ranks: BTreeMap::new() }
    }

    /// Whether the rule is known here.
    pub(super) fn has(&self, at: SlotRef) -> bool {
        self.ranks.contains_key(&at)
    }

    /// Whether there is no room for the rule.
    pub(super) fn is_outside(&self, at: SlotRef) -> bool {
        self.ranks.get(&at).is_some_and(|rank| self.outside.contains(rank))
    }

    /// What is wanted at a place is this now, or nothing. Others that are in or out because of that are told.
    pub(super) fn update(&mut self, at: SlotRef, wanted: Option<(u16, Key)>, mut moved: impl FnMut(SlotRef)) {
        let rank = wanted.map(|(priority, key)| (Reverse(priority), key, at));
        let old = self.ranks.get(&at).copied();
        if old == rank {
            return;
        }
        if let Some(old) = old {
            self.ranks.remove(&at);
            if !self.outside.remove(&old) {
                self.inside.remove(&old);
            }
        }
        if let Some(rank) = rank {
            self.ranks.insert(at, rank);
            self.inside.insert(rank);
        }
        while self.inside.len() > self.max
            && let Some(last) = self.inside.pop_last()
        {
            self.outside.insert(last);
            if last.2 != at {
                moved(last.2);
            }
        }
        while self.inside.len() < self.max
            && let Some(first) = self.outside.pop_first()
        {
            self.inside.insert(first);
            if first.2 != at {
                moved(first.2);
            }
        }
        // One that comes is not in before all that are more important.
        while let (Some(last), Some(first)) = (self.inside.last().copied(), self.outside.first().copied())
            && first < last
        {
            self.inside.remove(&last);
            self.outside.remove(&first);
            self.inside.insert(first);
            self.outside.insert(last);
            [first.2, last.2].into_iter().filter(|other| *other != at).for_each(&mut moved);
        }
    }
}
