//! The way to next hops inside this AS (RFC 4271 §5.1.3 and §9.1.2.1): which can be reached, and at what cost. An IGP, static
//! routes or a configuration say so; without a word every next hop is reachable at no cost.

use super::attribute_table::{AttributeId, AttributeTable};
use net::{Prefix, PrefixMap};
use rustc_hash::FxHashMap;
use std::net::IpAddr;

/// How next hops inside a prefix are reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Reach {
    /// At this cost, which the decision compares (RFC 4271 §9.1.2.2 e).
    Cost(u32),
    /// Not at all: paths with such a next hop take no part in the decision.
    Unreachable,
}

/// What is known, and how far paths have been judged by it.
#[derive(Debug, Default)]
pub(super) struct NextHops {
    routes: PrefixMap<Reach>,
    /// What is known of these has changed, and some paths may not have been judged again.
    changed: PrefixMap<()>,
    /// The same since the pass that is under way began: for the next one. Never back to the start before the end was
    /// reached, or who changes something often keeps the last prefixes from being judged at all.
    changed_since: PrefixMap<()>,
    /// The next prefix id to look at.
    next: Option<usize>,
}

impl NextHops {
    /// Nothing is known: all next hops are alike.
    pub(super) const fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// `None`: it cannot be reached.
    pub(super) fn cost(&self, next_hop: IpAddr) -> Option<u32> {
        match self.routes.lookup(next_hop.to_canonical()) {
            Some((_, Reach::Unreachable)) => None,
            Some((_, Reach::Cost(cost))) => Some(*cost),
            None => Some(0),
        }
    }

    /// The same of the next hop of routes with these attributes.
    pub(super) fn cost_of(&self, route: AttributeId, attributes: &AttributeTable) -> Option<u32> {
        if self.is_empty() {
            return Some(0);
        }
        attributes.next_hop(route).map_or(Some(0), |next_hop| self.cost(next_hop))
    }

    /// Sets or takes back what is known of a prefix; `false`: that was known.
    pub(super) fn set(&mut self, prefix: Prefix, reach: Option<Reach>) -> bool {
        let before = match reach {
            Some(reach) => self.routes.insert(prefix, reach),
            None => self.routes.remove(prefix),
        };
        if before == reach {
            return false;
        }
        if self.next.is_some_and(|next| next > 0) {
            self.changed_since.insert(prefix, ());
        } else {
            self.changed.insert(prefix, ());
            self.next = Some(0);
        }
        true
    }

    /// The prefixes that something is known of.
    pub(super) fn prefixes(&self) -> Vec<Prefix> {
        self.routes.iter().map(|(prefix, _)| prefix).collect()
    }

    /// The next prefix id to look at; `None`: all paths have been judged.
    pub(super) const fn position(&self) -> Option<usize> {
        self.next
    }

    /// The prefix ids before `next` have been looked at, of so many that there are.
    pub(super) fn advance(&mut self, next: usize, count: usize) {
        if next < count {
            self.next = Some(next);
            return;
        }
        self.changed = std::mem::take(&mut self.changed_since);
        self.next = (!self.changed.is_empty()).then_some(0);
    }

    /// Whether some paths may not have been judged again.
    pub(super) fn is_behind(&self) -> bool {
        self.next.is_some()
    }

    /// Whether what has changed is about the next hop of routes with these attributes. `known`: answers to keep.
    pub(super) fn is_affected(
        &self,
        route: AttributeId,
        attributes: &AttributeTable,
        known: &mut FxHashMap<AttributeId, bool>,
    ) -> bool {
        *known.entry(route).or_insert_with(|| {
            let next_hop = attributes.next_hop(route).map(|next_hop| next_hop.to_canonical());
            let among = |changed: &PrefixMap<()>, next_hop| changed.lookup(next_hop).is_some();
            next_hop.is_some_and(|next_hop| among(&self.changed, next_hop) || among(&self.changed_since, next_hop))
        })
    }
}
