//! From an UPDATE to route events: the outcome of RFC 7606 applied, families that were not negotiated left out.

use super::{Announcement, RouteUpdate};
use crate::wire::{AttributeError, Family, MpNextHop, MpNlri, NextHop, Nlri, Outcome, Update};

/// The routes of `update`, at most one [`RouteUpdate`] per family and place in the message; and how many NLRI fields
/// were ignored because their family is not `wanted`.
pub(super) fn routes(
    update: Update,
    errors: &[AttributeError],
    wanted: impl Fn(Family) -> bool,
) -> (Vec<RouteUpdate>, u64) {
    let withdraw = errors.iter().any(|error| error.outcome == Outcome::TreatAsWithdraw);
    let attributes = update.attributes.filter(|_| !withdraw);
    let mut collector = Collector { wanted, routes: Vec::new(), ignored: 0 };
    let announcement = |nlri: Vec<Nlri>, next_hop: Option<NextHop>| match (&attributes, next_hop) {
        (Some(attributes), Some(next_hop)) => Ok(Announcement { nlri, attributes: attributes.clone(), next_hop }),
        // RFC 7606 §2 treat-as-withdraw; routes without a path or a next hop cannot stand either.
        _ => Err(nlri),
    };

    let next_hop = attributes.as_ref().and_then(|attributes| attributes.next_hop).map(NextHop::V4);
    collector.add(Family::IPV4_UNICAST, update.withdrawn, announcement(update.nlri, next_hop));

    let unreach = update.mp_unreach.map(|unreach| (unreach.family, unicast(unreach.nlri)));
    let reach = update.mp_reach.map(|reach| {
        let next_hop = match reach.next_hop {
            MpNextHop::Address(next_hop) => Some(next_hop),
            MpNextHop::Raw(_) => None,
        };
        (reach.family, announcement(unicast(reach.nlri), next_hop))
    });
    match (unreach, reach) {
        (Some((family, withdrawn)), Some((other, reach))) if family == other => collector.add(family, withdrawn, reach),
        (unreach, reach) => {
            if let Some((family, withdrawn)) = unreach {
                collector.add(family, withdrawn, Err(Vec::new()));
            }
            if let Some((family, reach)) = reach {
                collector.add(family, Vec::new(), reach);
            }
        }
    }
    (collector.routes, collector.ignored)
}

/// Routes of one event. Those of a longer message come as several, so that their owner can do something else in between.
const EVENT_ROUTES: usize = 1024;

/// The same routes in events that are not too long: first what goes, then what comes.
pub(super) fn parts(update: RouteUpdate) -> Vec<RouteUpdate> {
    let RouteUpdate { family, withdrawn, announced } = update;
    let count = announced.as_ref().map_or(0, |announcement| announcement.nlri.len());
    if withdrawn.len() + count <= EVENT_ROUTES {
        return vec![RouteUpdate { family, withdrawn, announced }];
    }
    let gone = withdrawn.chunks(EVENT_ROUTES);
    let gone = gone.map(|nlri| RouteUpdate { family, withdrawn: nlri.to_vec(), announced: None });
    let come = announced.iter().flat_map(|Announcement { nlri, attributes, next_hop }| {
        nlri.chunks(EVENT_ROUTES).map(move |nlri| RouteUpdate {
            family,
            withdrawn: Vec::new(),
            announced: Some(Announcement { nlri: nlri.to_vec(), attributes: attributes.clone(), next_hop: *next_hop }),
        })
    });
    gone.chain(come).collect()
}

/// Families that are not decoded are not negotiated either, and left out by their family.
fn unicast(nlri: MpNlri) -> Vec<Nlri> {
    match nlri {
        MpNlri::Unicast(nlri) => nlri,
        MpNlri::Raw(_) => Vec::new(),
    }
}

struct Collector<F> {
    wanted: F,
    routes: Vec<RouteUpdate>,
    ignored: u64,
}

impl<F: Fn(Family) -> bool> Collector<F> {
    /// `announced` is `Err` with the routes that are announced in vain.
    fn add(&mut self, family: Family, mut withdrawn: Vec<Nlri>, announced: Result<Announcement, Vec<Nlri>>) {
        let announced = match announced {
            Ok(announcement) => Some(announcement).filter(|announcement| !announcement.nlri.is_empty()),
            Err(nlri) => {
                withdrawn.extend(nlri);
                None
            }
        };
        if withdrawn.is_empty() && announced.is_none() && family == Family::IPV4_UNICAST {
            return;
        }
        if !(self.wanted)(family) {
            self.ignored += 1;
        } else if !withdrawn.is_empty() || announced.is_some() {
            self.routes.push(RouteUpdate { family, withdrawn, announced });
        }
    }
}
