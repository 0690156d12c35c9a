//! Aggregates: prefixes that we originate as long as there is a route to something inside them (RFC 4271 §9.2.2.2),
//! without AS_SETs (RFC 9774).
//!
//! The path of an aggregate is ours alone: AGGREGATOR says who made it, and ATOMIC_AGGREGATE that the paths of the
//! routes inside are not in it. Contributing routes are followed through the tables' change log, as any other reader does.

use super::Speaker;
use crate::rib::{Change, Follower, Rib};
use crate::wire::{Aggregator, AsPath, Family, Origin, PathAttributes};
use net::{Prefix, Time};
use std::collections::BTreeMap;

/// A prefix to originate for what is inside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Aggregate {
    /// The prefix.
    pub prefix: Prefix,
    /// The routes inside it are told to nobody.
    pub suppress: bool,
}

/// Changes of contributing routes that are looked at in one turn.
const CHANGES_PER_TURN: usize = 1024;

/// An aggregate at work.
#[derive(Debug)]
struct Active {
    aggregate: Aggregate,
    /// The best routes inside it, except the aggregate itself: ORIGIN, and whether another AS was on the path.
    contributing: BTreeMap<Prefix, (Origin, bool)>,
    /// What it is originated with.
    told: Option<(Origin, bool)>,
}

/// All aggregates of a speaker.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    /// Few: those that came with one configuration, until they have read as far as the others.
    readers: Vec<Reader>,
}

/// Aggregates of one family that have read the change log up to the same place.
#[derive(Debug)]
struct Reader {
    family: Family,
    follower: Follower,
    active: Vec<Active>,
}

impl Reader {
    fn take(&mut self, change: &Change) {
        for active in &mut self.active {
            let aggregate = active.aggregate.prefix;
            if aggregate.len() >= change.prefix.len() || !aggregate.covers(change.prefix) {
                continue;
            }
            match &change.best {
                Some(route) => {
                    let attributes = &route.attributes.attributes;
                    let passed = attributes.atomic_aggregate || attributes.as_path.length() > 0;
                    active.contributing.insert(change.prefix, (attributes.origin, passed));
                }
                None => {
                    active.contributing.remove(&change.prefix);
                }
            }
        }
    }
}

const fn family_of(prefix: Prefix) -> Family {
    match prefix {
        Prefix::V4(_) => Family::IPV4_UNICAST,
        Prefix::V6(_) => Family::IPV6_UNICAST,
    }
}

impl Active {
    /// RFC 4271 §9.2.2.2: the ORIGIN that says least, and whether AS numbers are left out.
    fn wanted(&self) -> Option<(Origin, bool)> {
        let rows = self.contributing.values().copied();
        rows.reduce(|(origin, passed), (other, also)| {
            let rank = |origin: Origin| match origin {
                Origin::Igp => 0,
                Origin::Egp => 1,
                Origin::Incomplete => 2,
            };
            (if rank(other) > rank(origin) { other } else { origin }, passed | also)
        })
    }
}

impl Speaker {
    /// Takes on another list of aggregates. Those that stay go on as they are: nobody is told that they go and come again,
    /// nor, meanwhile, what they stand for.
    pub(super) fn set_aggregates(&mut self, aggregates: &[Aggregate]) {
        let mut new: BTreeMap<Prefix, Aggregate> =
            aggregates.iter().map(|aggregate| (aggregate.prefix, *aggregate)).collect();
        let mut readers = std::mem::take(&mut self.aggregates.readers);
        for reader in &mut readers {
            reader.active.retain_mut(|active| match new.remove(&active.aggregate.prefix) {
                Some(aggregate) => {
                    active.aggregate = aggregate;
                    true
                }
                None => {
                    if active.told.is_some() {
                        self.rib.withdraw_aggregate(active.aggregate.prefix);
                    }
                    false
                }
            });
        }
        for family in Rib::FAMILIES {
            let active = new.values().filter(|aggregate| family_of(aggregate.prefix) == family);
            let active =
                active.map(|aggregate| Active { aggregate: *aggregate, contributing: BTreeMap::new(), told: None });
            let active: Vec<Active> = active.collect();
            if !active.is_empty() {
                readers.push(Reader { family, follower: self.rib.follow(family), active });
            }
        }
        for reader in readers {
            if reader.active.is_empty() {
                self.rib.unfollow(reader.follower);
            } else {
                self.aggregates.readers.push(reader);
            }
        }
        self.suppress();
    }

    /// AGGREGATOR says who we are: aggregates that are originated are so again, in place.
    pub(super) fn originate_aggregates_again(&mut self, now: Time) {
        let active = self.aggregates.readers.iter().flat_map(|reader| &reader.active);
        let told: Vec<_> = active.filter_map(|active| Some((active.aggregate.prefix, active.told?))).collect();
        for (prefix, with) in told {
            self.originate_aggregate(prefix, with, now);
        }
    }

    fn originate_aggregate(&mut self, prefix: Prefix, (origin, passed): (Origin, bool), now: Time) {
        let identifier = self.config.confederation.as_ref().map(|confederation| confederation.identifier);
        let asn = identifier.unwrap_or(self.config.asn);
        let attributes = PathAttributes {
            atomic_aggregate: passed,
            aggregator: Some(Aggregator { asn, router_id: self.config.router_id }),
            ..PathAttributes::new(origin, AsPath::empty())
        };
        self.rib.originate_aggregate(prefix, attributes, now);
    }

    /// What is inside the aggregates that stand for it is told to nobody.
    fn suppress(&mut self) {
        let active = self.aggregates.readers.iter().flat_map(|reader| &reader.active);
        let suppressed = active.filter(|active| active.told.is_some() && active.aggregate.suppress);
        let suppressed: Vec<Prefix> = suppressed.map(|active| active.aggregate.prefix).collect();
        self.rib.set_suppressed(&suppressed);
    }

    /// Looks at what has changed in the tables. `true`: there is more to look at.
    pub(super) fn aggregate(&mut self, now: Time) -> bool {
        let mut up_to_date: Vec<bool> = Vec::new();
        for reader in &mut self.aggregates.readers {
            let changes = self.rib.changes(&mut reader.follower, CHANGES_PER_TURN);
            up_to_date.push(changes.is_empty());
            changes.iter().for_each(|change| reader.take(change));
        }
        if up_to_date.iter().all(|up_to_date| *up_to_date) {
            self.join_readers();
            return false;
        }
        let mut turned = false;
        let mut changed: Vec<(Prefix, Option<(Origin, bool)>)> = Vec::new();
        for active in self.aggregates.readers.iter_mut().flat_map(|reader| &mut reader.active) {
            let wanted = active.wanted();
            if wanted == active.told {
                continue;
            }
            turned |= wanted.is_some() != active.told.is_some();
            active.told = wanted;
            changed.push((active.aggregate.prefix, wanted));
        }
        for (prefix, wanted) in changed {
            match wanted {
                Some(with) => self.originate_aggregate(prefix, with, now),
                None => self.rib.withdraw_aggregate(prefix),
            }
        }
        if turned {
            self.suppress();
        }
        true
    }

    /// All have read everything: one reader of each family is enough.
    fn join_readers(&mut self) {
        if self.aggregates.readers.len() < 2 {
            return;
        }
        let mut joined: Vec<Reader> = Vec::new();
        for reader in std::mem::take(&mut self.aggregates.readers) {
            match joined.iter_mut().find(|other| other.family == reader.family) {
                Some(other) => {
                    other.active.extend(reader.active);
                    self.rib.unfollow(reader.follower);
                }
                None => joined.push(reader),
            }
        }
        self.aggregates.readers = joined;
    }
}
