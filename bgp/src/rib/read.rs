//! Reading the tables: in pages that resume after a prefix, so that a reader of a big table holds nobody up.

use super::decision::{self, Candidate, SourceKind, Step};
use super::import::Ineligible;
use super::paths::Path;
use super::prefix_table::PrefixId;
use super::table::{Ranks, SourceId, Table};
use super::{Rib, RouteAttributes};
use crate::wire::{Asn, Family, NextHop, RouterId};
use net::{Prefix, Time};
use std::net::IpAddr;
use std::sync::Arc;

/// One route.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Route {
    /// Where it goes.
    pub prefix: Prefix,
    /// Path identifier, 0 without one.
    pub path_id: u32,
    /// The session it came from.
    pub source: SourceId,
    /// How it was learned.
    pub kind: SourceKind,
    /// The neighbour's address; `None` if originated here.
    pub peer_address: Option<IpAddr>,
    /// The neighbour's AS.
    pub peer_asn: Asn,
    /// The neighbour's BGP identifier.
    pub peer_router_id: RouterId,
    /// Attributes and next hop, shared with all routes that have the same. In an Adj-RIB-In as received, else after
    /// import policy.
    #[cfg_attr(feature = "serde", serde(flatten, serialize_with = "shared"))]
    pub attributes: Arc<RouteAttributes>,
    /// When it was learned first.
    pub learned: Time,
    /// Chosen by the decision process.
    pub best: bool,
    /// Of a best route the next hops of the paths that are used beside it, in the order of the decision
    /// ([`super::Multipath`]).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub further_next_hops: Vec<NextHop>,
    /// Why it takes no part in the decision, if it doesn't.
    pub ineligible: Option<Ineligible>,
}

#[cfg(feature = "serde")]
fn shared<S: serde::Serializer>(attributes: &Arc<RouteAttributes>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&**attributes, serializer)
}

/// Part of a table, in prefix order.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Page {
    /// Possibly none, although more follow.
    pub routes: Vec<Route>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Prefix>,
}

/// A route to a prefix and what the decision made of it.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Explanation {
    /// The route, after import policy.
    pub route: Route,
    /// Its fate.
    pub verdict: Verdict,
    /// It is used beside the best one, although it was not chosen ([`super::Multipath`]).
    pub multipath: bool,
}

/// A candidate's fate in the decision process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// Chosen.
    Best,
    /// Dropped at this step.
    Lost(Step),
    /// Took no part.
    Ineligible(Ineligible),
}

/// Sizes of one family's tables.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FamilyCounts {
    /// Prefixes with at least one path, or of which a reader has still to be told that they are gone.
    pub prefixes: usize,
    /// Prefixes with a best path: the Loc-RIB.
    pub best: usize,
    /// Paths: all Adj-RIBs-In together, and what is still to be taken away of sessions that are over.
    pub paths: usize,
    /// Different attribute sets.
    pub attribute_sets: usize,
    /// Prefixes in the export log.
    pub logged: usize,
}

impl Rib {
    /// The Loc-RIB of `family` after the prefix `after` (from the start without one). A page visits at most `limit`
    /// prefixes.
    pub fn loc_rib(&self, family: Family, after: Option<Prefix>, limit: usize) -> Page {
        self.page(family, after, limit, |table, id, out| {
            out.extend(table.paths.best(id).and_then(|(path, _)| self.route(table, id, path, false)));
        })
    }

    /// What `source` has sent of `family`, as received. Pages as in [`Rib::loc_rib`].
    pub fn adj_rib_in(&self, source: SourceId, family: Family, after: Option<Prefix>, limit: usize) -> Page {
        let Some(holding) = self.holding(source, family) else { return Page { routes: Vec::new(), next: None } };
        self.page(family, after, limit, |table, id, out| {
            let of_source = |path: &&Path| path.source == source && !holding.is_gone(path);
            let mut paths: Vec<&Path> = table.paths.iter(id).filter(of_source).collect();
            paths.sort_by_key(|path| path.path_id);
            out.extend(paths.into_iter().filter_map(|path| self.route(table, id, path, true)));
        })
    }

    /// All paths of `family`, after import policy, the neighbours' in order of source. Pages as in [`Rib::loc_rib`].
    pub fn paths(&self, family: Family, after: Option<Prefix>, limit: usize) -> Page {
        self.page(family, after, limit, |table, id, out| {
            let mut routes: Vec<Route> =
                table.paths.iter(id).filter_map(|path| self.route(table, id, path, false)).collect();
            routes.sort_by_key(|route| (route.source, route.path_id));
            out.extend(routes);
        })
    }

    /// All paths of `family` as they were received, our own among them, without those that are still to be taken away.
    /// Pages as in [`Rib::loc_rib`].
    pub fn received_paths(&self, family: Family, after: Option<Prefix>, limit: usize) -> Page {
        let is_there = |path: &&Path| !self.holding(path.source, family).is_some_and(|holding| holding.is_gone(path));
        self.page(family, after, limit, |table, id, out| {
            let mut routes: Vec<Route> =
                table.paths.iter(id).filter(is_there).filter_map(|path| self.route(table, id, path, true)).collect();
            routes.sort_by_key(|route| (route.source, route.path_id));
            out.extend(routes);
        })
    }

    fn page(
        &self,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
        mut visit: impl FnMut(&Table, PrefixId, &mut Vec<Route>),
    ) -> Page {
        let mut page = Page { routes: Vec::new(), next: None };
        let Some(table) = self.table(family) else { return page };
        let (prefixes, next) = table.page(after, limit);
        for (_, id) in prefixes {
            visit(table, id, &mut page.routes);
        }
        page.next = next;
        page
    }

    fn route(&self, table: &Table, id: PrefixId, path: &Path, as_received: bool) -> Option<Route> {
        let source = self.source(path.source)?;
        let attributes = if as_received { path.received } else { path.effective };
        Some(Route {
            prefix: table.prefix(id)?,
            path_id: path.path_id,
            source: path.source,
            kind: source.kind,
            peer_address: source.address,
            peer_asn: source.asn,
            peer_router_id: source.router_id,
            attributes: table.route_attributes(attributes)?,
            learned: path.learned.into(),
            further_next_hops: self.further_next_hops(table, id, path),
            best: table.paths.best(id).is_some_and(|(best, _)| best.is(path.source, path.path_id)),
            ineligible: path.state.err(),
        })
    }

    fn further_next_hops(&self, table: &Table, id: PrefixId, path: &Path) -> Vec<NextHop> {
        let ranks = self.ranks();
        let is_best = table.paths.best(id).is_some_and(|(best, _)| best.is(path.source, path.path_id));
        if !is_best || !ranks.options.multipath.is_on() {
            return Vec::new();
        }
        let used = table.multipath(id, &ranks);
        used.iter().skip(1).filter_map(|path| Some(table.route_attributes(path.attributes)?.next_hop)).collect()
    }

    pub(super) fn best_route(&self, family: Family, id: PrefixId) -> Option<Route> {
        let table = self.table(family)?;
        let (path, _) = table.paths.best(id)?;
        self.route(table, id, path, false)
    }

    /// The best route to exactly `prefix`.
    pub fn best(&self, prefix: Prefix) -> Option<Route> {
        let family = family_of(prefix);
        self.best_route(family, self.table(family)?.prefixes.get(prefix)?)
    }

    /// Every route to `prefix` with its fate: the best first, then by how far each came.
    pub fn why(&self, prefix: Prefix) -> Vec<Explanation> {
        let entry = || {
            let table = self.table(family_of(prefix))?;
            let id = table.prefixes.get(prefix)?;
            Some((table, id))
        };
        let Some((table, id)) = entry() else { return Vec::new() };
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        let (mut candidates, mut owners): (Vec<Candidate>, Vec<usize>) = Default::default();
        let mut verdicts: Vec<Option<Verdict>> =
            table.paths.iter(id).map(|path| path.state.err().map(Verdict::Ineligible)).collect();
        for (index, path) in table.paths.iter(id).enumerate().filter(|(_, path)| path.state.is_ok()) {
            if let Some(candidate) = table.candidate(path, &ranks) {
                candidates.push(candidate);
                owners.push(index);
            }
        }
        for (step, owner) in decision::explain(&candidates, ranks.options).into_iter().zip(owners) {
            if let Some(verdict) = verdicts.get_mut(owner) {
                *verdict = Some(step.map_or(Verdict::Best, Verdict::Lost));
            }
        }
        let used = table.multipath(id, &ranks);
        let is_used = |path: &Path| used.iter().skip(1).any(|other| path.is(other.source, other.path_id));
        let mut explanations: Vec<Explanation> = table
            .paths
            .iter(id)
            .zip(verdicts)
            .filter_map(|(path, verdict)| {
                let multipath = is_used(path);
                Some(Explanation { route: self.route(table, id, path, false)?, verdict: verdict?, multipath })
            })
            .collect();
        explanations.sort_by_key(|explanation| {
            let order = match explanation.verdict {
                Verdict::Best => (0, None),
                Verdict::Lost(step) => (1, Some(std::cmp::Reverse(step))),
                Verdict::Ineligible(_) => (2, None),
            };
            (order, explanation.route.peer_address, explanation.route.path_id)
        });
        explanations
    }

    /// Sizes.
    pub fn counts(&self, family: Family) -> FamilyCounts {
        self.table(family).map_or_else(FamilyCounts::default, |table| FamilyCounts {
            prefixes: table.prefixes.len(),
            best: table.best_count,
            paths: table.path_count,
            attribute_sets: table.attributes.len(),
            logged: table.log.len(),
        })
    }
}

const fn family_of(prefix: Prefix) -> Family {
    match prefix {
        Prefix::V4(_) => Family::IPV4_UNICAST,
        Prefix::V6(_) => Family::IPV6_UNICAST,
    }
}
