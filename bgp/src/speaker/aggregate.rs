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
    active: Vec<Active>,
    followers: Vec<Follower>,
}

impl Aggregates {
    pub(super) fn new(aggregates: &[Aggregate], rib: &Rib) -> Aggregates {
        let active: Vec<Active> = aggregates
            .iter()
            .map(|aggregate| Active { aggregate: *aggregate, contributing: BTreeMap::new(), told: None })
            .collect();
        let wanted = |family: &Family| {
            aggregates.iter().any(|aggregate| aggregate.prefix.addr().is_ipv4() == (*family == Family::IPV4_UNICAST))
        };
        let followers = Rib::FAMILIES.iter().filter(|family| wanted(family)).map(|family| rib.follow(*family));
        Aggregates { followers: followers.collect(), active }
    }

    fn take(active: &mut [Active], change: &Change) {
        for active in active {
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
    /// Takes on another list of aggregates.
    pub(super) fn set_aggregates(&mut self, aggregates: &[Aggregate]) {
        let old = std::mem::replace(&mut self.aggregates, Aggregates::new(aggregates, &self.rib));
        old.followers.into_iter().for_each(|follower| self.rib.unfollow(follower));
        for active in old.active.iter().filter(|active| active.told.is_some()) {
            self.rib.withdraw_aggregate(active.aggregate.prefix);
        }
        self.rib.set_suppressed(&[]);
    }

    /// Looks at what has changed in the tables. `true`: there is more to look at.
    pub(super) fn aggregate(&mut self, now: Time) -> bool {
        let mut looked_at = 0;
        for follower in &mut self.aggregates.followers {
            let changes = self.rib.changes(follower, CHANGES_PER_TURN);
            looked_at = looked_at.max(changes.len());
            changes.iter().for_each(|change| Aggregates::take(&mut self.aggregates.active, change));
        }
        if looked_at == 0 {
            return false;
        }
        let mut turned = false;
        for active in &mut self.aggregates.active {
            let wanted = active.wanted();
            if wanted == active.told {
                continue;
            }
            turned |= wanted.is_some() != active.told.is_some();
            active.told = wanted;
            let prefix = active.aggregate.prefix;
            match wanted {
                Some((origin, passed)) => {
                    let identifier = self.config.confederation.as_ref().map(|confederation| confederation.identifier);
                    let asn = identifier.unwrap_or(self.config.asn);
                    let attributes = PathAttributes {
                        atomic_aggregate: passed,
                        aggregator: Some(Aggregator { asn, router_id: self.config.router_id }),
                        ..PathAttributes::new(origin, AsPath::empty())
                    };
                    self.rib.originate_aggregate(prefix, attributes, now);
                }
                None => self.rib.withdraw_aggregate(prefix),
            }
        }
        if turned {
            let active = self.aggregates.active.iter();
            let suppressed = active.filter(|active| active.told.is_some() && active.aggregate.suppress);
            let suppressed: Vec<Prefix> = suppressed.map(|active| active.aggregate.prefix).collect();
            self.rib.set_suppressed(&suppressed);
        }
        true
    }
}
