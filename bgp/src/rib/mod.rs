//! The routing information bases (RFC 4271 §3.2): Adj-RIB-In, Loc-RIB and the export log.
//!
//! There is one structure: per family a table of prefixes, each with all its paths as received, what import made of
//! them, and which one is best. A neighbour's Adj-RIB-In and the Loc-RIB are ways of looking at it. Every change of a
//! best path puts the prefix at the end of the family's export log, which update groups and other readers follow at
//! their own pace.

mod address_order;
mod attribute_table;
pub mod decision;
mod export_log;
mod follower;
mod holding;
mod id_index;
mod id_set;
mod import;
mod next_hops;
mod options;
mod paths;
mod prefix_table;
mod read;
mod several;
mod sweep;
mod table;

#[cfg(test)]
mod tests;

pub use attribute_table::RouteAttributes;
pub use decision::{AttributeRank, Candidate, DecisionOptions, Multipath, SourceKind, Step};
pub use export_log::Cursor;
pub use follower::{Change, Follower};
pub use holding::FREE_OCTETS;
pub use import::{ImportOptions, ImportRules, Ineligible, MARTIANS, Source, martians};
pub use next_hops::Reach;
pub use paths::MAX_PATHS_OF_SOURCE;
pub use read::{Explanation, FamilyCounts, Page, Route, Verdict};
pub use table::SourceId;

pub(crate) use attribute_table::AttributeId;
pub(crate) use prefix_table::{PrefixId, PrefixSet};
pub(crate) use table::{Best, Ranks, SourceRank, Table};

use crate::policy::{Modified, Policy};
use crate::session::{Announcement, RouteUpdate};
use crate::wire::{
    AsPath, DecodeContext, Family, NextHop, Nlri, NlriView, Origin, PathAttributes, PathView, UpdateView,
};
use attribute_table::AttributeTable;
use holding::Holding;
use import::Import;
use net::{Prefix, Time};
use paths::Path;
use prefix_table::PrefixTable;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// What a [`Rib`] is made with.
#[derive(Clone, Copy, Debug)]
pub struct RibConfig {
    /// Who we are, for the loop checks.
    pub import: ImportOptions,
    /// The decision's knobs.
    pub decision: DecisionOptions,
    /// LOCAL_PREF of routes that come without one.
    pub default_local_pref: u32,
    /// Key of the hash maps.
    pub seed: u64,
}

/// What RFC 4271 leaves open and everybody uses.
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// Most sources at one time: each route says in two octets where it came from, and no machine holds as many sessions.
pub const SOURCE_LIMIT: usize = u16::MAX as usize;

/// How many routes a source has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SourceCounts {
    /// In its Adj-RIB-In.
    pub received: u64,
    /// Of these, in the decision.
    pub accepted: u64,
}

#[derive(Debug)]
struct SourceSlot {
    source: Source,
    /// By family.
    holdings: [Holding; 2],
    left_out: LeftOut,
    /// Its session is over; the slot is free once all its routes are gone.
    leaving: bool,
}

/// How often a route was left out, in the order of [`Ineligible::ALL`].
#[derive(Default, Debug)]
struct LeftOut([u64; Ineligible::ALL.len()]);

impl LeftOut {
    fn count(&mut self, state: Result<(), Ineligible>) {
        if let Err(reason) = state
            && let Some(count) = self.0.get_mut(reason as usize)
        {
            *count += 1;
        }
    }
}

/// All routes of one speaker. Nothing in here reads a clock or waits: inputs come in by `handle_*`, answers are read by
/// cursor or by page.
#[derive(Debug)]
pub struct Rib {
    config: RibConfig,
    sources: Vec<Option<SourceSlot>>,
    ranks: Vec<Option<SourceRank>>,
    tables: [Table; 2],
    policy_evaluations: u64,
    /// Followers are not told anything yet.
    deferred: bool,
    martians: crate::policy::PrefixSet,
    /// Whose routes are to be looked at, and of which family, in the order of their turns.
    sweeps: VecDeque<(SourceId, usize)>,
    /// How much of that is done at once.
    at_once: usize,
    /// All paths are read for followers.
    watches_multipath: bool,
    /// Other options are on their way through the tables.
    review: Option<options::Review>,
}

impl Rib {
    /// An empty Rib. [`Rib::LOCAL`] exists from the start.
    pub fn new(config: RibConfig) -> Rib {
        let attributes = || AttributeTable::new(config.seed, config.default_local_pref);
        let mut rib = Rib {
            config,
            sources: Vec::new(),
            ranks: Vec::new(),
            tables: [
                Table::new(Family::IPV4_UNICAST, PrefixTable::ipv4(config.seed), attributes()),
                Table::new(Family::IPV6_UNICAST, PrefixTable::ipv6(config.seed), attributes()),
            ],
            policy_evaluations: 0,
            deferred: false,
            martians: martians(),
            sweeps: VecDeque::new(),
            at_once: sweep::AT_ONCE,
            watches_multipath: false,
            review: None,
        };
        rib.watch_multipath();
        rib.add_source(Source {
            kind: SourceKind::Local,
            confederation: false,
            client: false,
            rules: ImportRules::default(),
            asn: config.import.asn,
            router_id: config.import.router_id,
            address: None,
            local_address: None,
            import: Policy::Accept,
            enforce_first_as: false,
        });
        rib
    }

    /// Followers are told nothing while this is set: the routes of a speaker that has just started are not complete
    /// (RFC 4724 §4.1).
    pub const fn set_deferred(&mut self, deferred: bool) {
        self.deferred = deferred;
    }

    /// The source of the routes that this speaker originates.
    pub const LOCAL: SourceId = SourceId(0);

    /// The families that a Rib has.
    pub const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

    /// A session came up. Past [`SOURCE_LIMIT`] it gets a number that is nobody's: its routes are not taken.
    pub fn add_source(&mut self, source: Source) -> SourceId {
        // Where the former session's routes have not all gone yet, those that come again take their places.
        let former = self.sources.iter().position(|slot| {
            slot.as_ref().is_some_and(|slot| slot.leaving && slot.source.address.is_some() && slot.is_same(&source))
        });
        if let Some(index) = former {
            let rank = SourceRank::of(&source);
            if let (Some(Some(slot)), Some(old)) = (self.sources.get_mut(index), self.ranks.get_mut(index)) {
                (slot.source, slot.left_out, slot.leaving) = (source, LeftOut::default(), false);
                slot.holdings.iter_mut().for_each(|holding| holding.refused = 0);
                *old = Some(rank);
            }
            return SourceId(index as u16);
        }
        let rank = SourceRank::of(&source);
        let slot = SourceSlot { source, holdings: Default::default(), left_out: LeftOut::default(), leaving: false };
        match self.sources.iter().position(Option::is_none) {
            Some(index) => {
                if let (Some(place), Some(old)) = (self.sources.get_mut(index), self.ranks.get_mut(index)) {
                    (*place, *old) = (Some(slot), Some(rank));
                }
                SourceId(index as u16)
            }
            None if self.sources.len() < SOURCE_LIMIT => {
                self.sources.push(Some(slot));
                self.ranks.push(Some(rank));
                SourceId(self.sources.len() as u16 - 1)
            }
            None => SourceId::NONE,
        }
    }

    /// A session is over: its routes go, slice by slice where they are many, and its id with the last one.
    pub fn remove_source(&mut self, id: SourceId) {
        if id == Rib::LOCAL {
            return;
        }
        if let Some(Some(slot)) = self.sources.get_mut(id.index()) {
            slot.leaving = true;
        }
        for family in Rib::FAMILIES {
            self.handle_family_down(id, family);
        }
        self.drop_if_empty(id);
    }

    /// The session of a source whose routes were kept is back (RFC 4724 §4.2). `false`: it is not the same neighbour
    /// any more, and nothing has changed.
    pub fn resume_source(&mut self, id: SourceId, source: Source) -> bool {
        let (Some(Some(slot)), Some(rank)) = (self.sources.get_mut(id.index()), self.ranks.get_mut(id.index())) else {
            return false;
        };
        let same = slot.is_same(&source);
        if same {
            *rank = Some(SourceRank::of(&source));
            (slot.source, slot.left_out) = (source, LeftOut::default());
            slot.holdings.iter_mut().for_each(|holding| holding.refused = 0);
        }
        same
    }

    /// What the update groups need: a family's table, and what its paths are compared by.
    pub(crate) fn table_and_ranks(&mut self, family: Family) -> Option<(&mut Table, Ranks<'_>)> {
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        Some((table_of(&mut self.tables, family)?, ranks))
    }

    /// What paths are compared by.
    pub(crate) fn ranks(&self) -> Ranks<'_> {
        Ranks { by_source: &self.ranks, options: &self.config.decision }
    }

    /// A source as it was given.
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.index())?.as_ref().map(|slot| &slot.source)
    }

    /// How many routes of `family` a source has.
    pub fn source_counts(&self, id: SourceId, family: Family) -> SourceCounts {
        self.holding(id, family).map(Holding::counts).unwrap_or_default()
    }

    /// Of these, how many were kept from a session that is over and have not come again.
    pub fn stale_count(&self, id: SourceId, family: Family) -> u64 {
        self.holding(id, family).map_or(0, Holding::stale)
    }

    /// Paths of a source that were not taken, since its session came up: it had [`MAX_PATHS_OF_SOURCE`] of the prefix.
    pub fn paths_refused(&self, id: SourceId, family: Family) -> u64 {
        self.holding(id, family).map_or(0, |holding| holding.refused)
    }

    /// Octets of attributes that a source's routes have, as received, beyond the first [`FREE_OCTETS`] of each route.
    pub fn attribute_octets(&self, id: SourceId) -> u64 {
        Rib::FAMILIES.into_iter().filter_map(|family| self.holding(id, family)).map(Holding::octets).sum()
    }

    fn holding(&self, id: SourceId, family: Family) -> Option<&Holding> {
        self.sources.get(id.index())?.as_ref()?.holdings.get(family_index(family)?)
    }

    /// How often a route of this source was left out, by reason, since its session came up. What a change of policy
    /// left out counts again.
    pub fn left_out(&self, id: SourceId) -> Vec<(Ineligible, u64)> {
        let Some(Some(slot)) = self.sources.get(id.index()) else { return Vec::new() };
        Ineligible::ALL.into_iter().zip(slot.left_out.0).filter(|(_, count)| *count > 0).collect()
    }

    /// Prefixes that no neighbour can announce; [`martians`] without this. Counts for routes that come from here on.
    pub fn set_martians(&mut self, martians: crate::policy::PrefixSet) {
        self.martians = martians;
    }

    /// Routes came or went. Withdrawals are applied first (RFC 4271 §4.3).
    pub fn handle_routes(&mut self, id: SourceId, update: &RouteUpdate, now: Time) {
        for nlri in &update.withdrawn {
            self.remove_path(id, update.family, *nlri);
        }
        if let Some(announcement) = &update.announced {
            self.announce(id, update.family, announcement, now);
        }
    }

    /// The routes of an UPDATE as it came in, header and all, if they can be read where they stand: nothing is wrong with
    /// it. `false`, and nothing is done: see [`Message::decode`](crate::wire::Message::decode)
    /// and [`Rib::handle_routes`], which come to the same routes.
    pub fn handle_update(&mut self, id: SourceId, frame: &[u8], context: &DecodeContext, now: Time) -> bool {
        let mut block = Vec::new();
        let Some(update) = UpdateView::parse(frame, context, &mut block) else { return false };
        self.handle_in_place(id, &update, now);
        true
    }

    /// The same of an UPDATE in place.
    pub(crate) fn handle_in_place(&mut self, id: SourceId, update: &UpdateView<'_>, now: Time) {
        let v4 = Family::IPV4_UNICAST;
        update.withdrawn.for_each(|nlri| self.remove_path(id, v4, nlri));
        if let (Some(path), false) = (&update.path, update.nlri.is_empty())
            && let Some(next_hop) = path.next_hop
        {
            self.announce_in_place(id, path, NextHop::V4(next_hop), update.nlri, now);
        }
        if let Some(unreach) = update.unreach {
            unreach.for_each(|nlri| self.remove_path(id, unreach.family, nlri));
        }
        if let (Some(path), Some((next_hop, nlri))) = (&update.path, update.reach) {
            self.announce_in_place(id, path, next_hop, nlri, now);
        }
    }

    fn announce_in_place(
        &mut self,
        id: SourceId,
        path: &PathView<'_>,
        next_hop: NextHop,
        nlri: NlriView<'_>,
        now: Time,
    ) {
        let family = nlri.family;
        let (Some(table), Some(Some(slot))) = (table_of(&mut self.tables, family), self.sources.get_mut(id.index()))
        else {
            return;
        };
        let Some(holding) = slot.holdings.get_mut(table.index()) else { return };
        self.policy_evaluations += 1;
        let received = table.attributes.intern_in_place(path, next_hop);
        let options = &self.config.import;
        match import::import_in_place(path, next_hop, &slot.source, options) {
            Some(state) => {
                let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
                let learned = now.into();
                let stamp = holding.stamp();
                let path = Path { source: id, path_id: 0, received, effective: received, learned, state, stamp };
                let (martians, left_out) = (&self.martians, &mut slot.left_out);
                table.insert_all(nlri, &path, holding, &ranks, |prefix| {
                    let state = terrestrial(state, prefix, martians);
                    left_out.count(state);
                    state
                });
                table.attributes.release(received);
            }
            None => {
                let attributes = Arc::new(PathAttributes::decode_block(path.block));
                let import = import::import(family, &attributes, next_hop, &slot.source, options);
                self.add_routes(id, family, received, &import, nlri, now);
            }
        }
    }

    fn announce(&mut self, id: SourceId, family: Family, announcement: &Announcement, now: Time) {
        let Announcement { nlri, attributes, next_hop } = announcement;
        let (Some(table), Some(Some(slot))) = (table_of(&mut self.tables, family), self.sources.get_mut(id.index()))
        else {
            return;
        };
        let import = import::import(family, attributes, *next_hop, &slot.source, &self.config.import);
        self.policy_evaluations += 1;
        let received =
            table.attributes.intern(RouteAttributes { attributes: Arc::clone(attributes), next_hop: *next_hop });
        self.add_routes(id, family, received, &import, nlri.iter().copied(), now);
    }

    /// Routes with one attribute set; the caller's reference to it goes.
    fn add_routes(
        &mut self,
        id: SourceId,
        family: Family,
        received: AttributeId,
        import: &Import,
        nlri: impl Iterator<Item = Nlri>,
        now: Time,
    ) {
        let (Some(table), Some(Some(slot))) = (table_of(&mut self.tables, family), self.sources.get_mut(id.index()))
        else {
            return;
        };
        let Some(holding) = slot.holdings.get_mut(table.index()) else { return };
        let mut effective = Effective::default();
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        for nlri in nlri {
            let (mut state, modified) = import.outcome(nlri.prefix);
            if slot.source.kind != SourceKind::Local {
                state = terrestrial(state, nlri.prefix, &self.martians);
            }
            slot.left_out.count(state);
            let path = Path {
                source: id,
                path_id: nlri.path_id,
                received,
                effective: effective.id(&mut table.attributes, received, modified, &slot.source),
                learned: now.into(),
                state,
                stamp: holding.stamp(),
            };
            table.insert(nlri.prefix, path, holding, &ranks);
        }
        table.attributes.release(received);
        effective.release(&mut table.attributes);
    }

    fn remove_path(&mut self, id: SourceId, family: Family, nlri: Nlri) {
        let (Some(table), Some(Some(slot))) = (table_of(&mut self.tables, family), self.sources.get_mut(id.index()))
        else {
            return;
        };
        let Some(holding) = slot.holdings.get_mut(table.index()) else { return };
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        table.remove(nlri.prefix, id, nlri.path_id, holding, &ranks);
    }

    /// How often import policy was asked about an attribute set, those of our own routes included.
    pub const fn policy_evaluations(&self) -> u64 {
        self.policy_evaluations
    }

    /// How next hops inside `prefix` are reached, the longest prefix counting; `None` takes it back. Without a word every
    /// next hop is reachable at no cost. Paths that come are judged by it at once, those that are there by
    /// [`Rib::resolve_next_hops`].
    pub fn set_next_hop(&mut self, prefix: Prefix, reach: Option<Reach>) {
        for table in &mut self.tables {
            table.set_reach(prefix, reach);
        }
    }

    /// The same for all of them: what is not among these is taken back.
    pub fn set_next_hops(&mut self, all: &BTreeMap<Prefix, Reach>) {
        for table in &mut self.tables {
            for prefix in table.next_hops.prefixes().into_iter().filter(|prefix| !all.contains_key(prefix)) {
                table.set_reach(prefix, None);
            }
            for (prefix, reach) in all {
                table.set_reach(*prefix, Some(*reach));
            }
        }
    }

    /// Brings the paths of up to `limit` prefixes of each family, fewer where there are many paths, up to date with how
    /// their next hops are reached; those without such a next hop are passed over. `true`: there are more to look at.
    pub fn resolve_next_hops(&mut self, limit: usize) -> bool {
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        let mut changed = Vec::new();
        for (index, table) in self.tables.iter_mut().enumerate() {
            table.resolve(limit, &ranks, &mut changed);
            for (before, after) in changed.drain(..) {
                let Some(Some(slot)) = self.sources.get_mut(after.source.index()) else { continue };
                slot.left_out.count(after.state);
                if let Some(holding) = slot.holdings.get_mut(index) {
                    // The attributes are the same: so are their octets.
                    holding.take(&before, 0);
                    holding.add(&after, 0);
                }
            }
        }
        self.tables.iter().any(|table| table.next_hops.is_behind())
    }

    /// Originates `prefix` here: ORIGIN IGP, empty AS_PATH, our own address as next hop wherever it goes.
    pub fn originate(&mut self, prefix: Prefix, now: Time) {
        let (family, unspecified) = unspecified(prefix);
        let announcement = Announcement {
            nlri: vec![Nlri::new(prefix)],
            attributes: Arc::new(PathAttributes::new(Origin::Igp, AsPath::empty())),
            next_hop: NextHop::from(unspecified),
        };
        self.announce(Rib::LOCAL, family, &announcement, now);
    }

    /// Update groups are to look at `prefix` although there may be no route to it: some of them make one.
    pub(crate) fn keep(&mut self, prefix: Prefix) {
        let family = match prefix {
            Prefix::V4(_) => Family::IPV4_UNICAST,
            Prefix::V6(_) => Family::IPV6_UNICAST,
        };
        if let Some(table) = table_of(&mut self.tables, family) {
            table.keep(prefix);
        }
    }

    /// Update groups leave out what is inside these, or tell it again.
    pub(crate) fn set_suppressed(&mut self, suppressed: &[Prefix]) {
        for table in &mut self.tables {
            table.set_suppressed(suppressed);
        }
    }

    /// Originates `prefix` as the aggregate of more specific routes, beside what [`Rib::originate`] may have done.
    pub(crate) fn originate_aggregate(&mut self, prefix: Prefix, attributes: PathAttributes, now: Time) {
        let (family, unspecified) = unspecified(prefix);
        let announcement = Announcement {
            nlri: vec![Nlri { prefix, path_id: AGGREGATE }],
            attributes: Arc::new(attributes),
            next_hop: NextHop::from(unspecified),
        };
        self.announce(Rib::LOCAL, family, &announcement, now);
    }

    /// Takes back what [`Rib::originate_aggregate`] did.
    pub(crate) fn withdraw_aggregate(&mut self, prefix: Prefix) {
        let (family, _) = unspecified(prefix);
        self.remove_path(Rib::LOCAL, family, Nlri { prefix, path_id: AGGREGATE });
    }

    /// Takes back what [`Rib::originate`] did.
    pub fn withdraw_originated(&mut self, prefix: Prefix) {
        let family = match prefix {
            Prefix::V4(_) => Family::IPV4_UNICAST,
            Prefix::V6(_) => Family::IPV6_UNICAST,
        };
        self.remove_path(Rib::LOCAL, family, Nlri::new(prefix));
    }

    pub(crate) fn table(&self, family: Family) -> Option<&Table> {
        self.tables.get(family_index(family)?)
    }

    pub(crate) fn table_mut(&mut self, family: Family) -> Option<&mut Table> {
        table_of(&mut self.tables, family)
    }
}

impl SourceSlot {
    /// Whether `source` is the same neighbour, and its routes go to whom they went before.
    fn is_same(&self, source: &Source) -> bool {
        let ours = &self.source;
        ours.router_id == source.router_id
            && ours.asn == source.asn
            && ours.kind == source.kind
            && ours.address == source.address
            && ours.client == source.client
            && ours.confederation == source.confederation
    }
}

impl SourceId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

pub(crate) const fn family_index(family: Family) -> Option<usize> {
    match family {
        Family::IPV4_UNICAST => Some(0),
        Family::IPV6_UNICAST => Some(1),
        _ => None,
    }
}

fn table_of(tables: &mut [Table; 2], family: Family) -> Option<&mut Table> {
    tables.get_mut(family_index(family)?)
}

/// The path identifier of an aggregate among our own routes.
const AGGREGATE: u32 = 1;

/// A prefix's family, and its address that stands for none.
const fn unspecified(prefix: Prefix) -> (Family, IpAddr) {
    match prefix {
        Prefix::V4(_) => (Family::IPV4_UNICAST, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Prefix::V6(_) => (Family::IPV6_UNICAST, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    }
}

/// What import says, unless nobody can announce the prefix.
fn terrestrial(
    state: Result<(), Ineligible>,
    prefix: Prefix,
    martians: &crate::policy::PrefixSet,
) -> Result<(), Ineligible> {
    if state.is_ok() && martians.contains(prefix) { Err(Ineligible::Martian) } else { state }
}

/// The attribute sets after policy of routes that came with one set: one reference each, until released.
#[derive(Default)]
struct Effective {
    /// Few: as many as the policy has ways to change one set.
    modified: Vec<(Arc<Modified>, AttributeId)>,
}

impl Effective {
    fn id(
        &mut self,
        attributes: &mut AttributeTable,
        received: AttributeId,
        modified: Option<&Arc<Modified>>,
        source: &Source,
    ) -> AttributeId {
        let Some(modified) = modified else { return received };
        if let Some((_, id)) = self.modified.iter().find(|(known, _)| Arc::ptr_eq(known, modified)) {
            return *id;
        }
        let Some(route) = attributes.get(received) else { return received };
        let route = import::modified(modified, route.next_hop, source);
        let id = attributes.intern(route);
        self.modified.push((Arc::clone(modified), id));
        id
    }

    fn release(self, attributes: &mut AttributeTable) {
        self.modified.iter().for_each(|(_, id)| attributes.release(*id));
    }
}
