//! The routing information bases (RFC 4271 §3.2): Adj-RIB-In, Loc-RIB and the export log.
//!
//! There is one structure: per family a table of prefixes, each with all its paths as received, what import made of
//! them, and which one is best. A neighbour's Adj-RIB-In and the Loc-RIB are ways of looking at it. Every change of a
//! best path puts the prefix at the end of the family's export log, which update groups and other readers follow at
//! their own pace.

mod attribute_table;
pub mod decision;
mod export_log;
mod follower;
mod id_index;
mod import;
mod options;
mod paths;
mod prefix_table;
mod read;
mod table;

#[cfg(test)]
mod tests;

pub use attribute_table::RouteAttributes;
pub use decision::{AttributeRank, Candidate, DecisionOptions, SourceKind, Step};
pub use export_log::Cursor;
pub use follower::{Change, Follower};
pub use import::{ImportOptions, ImportRules, Ineligible, MARTIANS, Source, martians};
pub use read::{Explanation, FamilyCounts, Page, Route, Verdict};
pub use table::SourceId;

pub(crate) use attribute_table::AttributeId;
pub(crate) use prefix_table::{PrefixId, PrefixSet};
pub(crate) use table::{Best, SourceRank, Table};

use crate::policy::{Modified, Policy};
use crate::session::{Announcement, RouteUpdate};
use crate::wire::{AsPath, Community, Family, NextHop, Nlri, NlriView, Origin, PathAttributes, PathView, UpdateView};
use attribute_table::AttributeTable;
use import::Import;
use net::{Prefix, Time};
use paths::Path;
use prefix_table::PrefixTable;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use table::{Delta, Ranks};

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

impl SourceCounts {
    fn apply(&mut self, delta: Delta) {
        self.received = self.received.saturating_add_signed(delta.received);
        self.accepted = self.accepted.saturating_add_signed(delta.accepted);
    }
}

#[derive(Debug)]
struct SourceSlot {
    source: Source,
    counts: [SourceCounts; 2],
    /// How often a route was left out, in the order of [`Ineligible::ALL`].
    left_out: [u64; Ineligible::ALL.len()],
}

impl SourceSlot {
    fn count(&mut self, state: Result<(), Ineligible>) {
        if let Err(reason) = state
            && let Some(count) = self.left_out.get_mut(reason as usize)
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
            review: None,
        };
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
        let rank = SourceRank::of(&source);
        let slot = SourceSlot { source, counts: Default::default(), left_out: Default::default() };
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

    /// A session is over: its routes go, and its id with them.
    pub fn remove_source(&mut self, id: SourceId) {
        if id == Rib::LOCAL {
            return;
        }
        for family in Rib::FAMILIES {
            self.handle_family_down(id, family);
        }
        if let (Some(source), Some(rank)) = (self.sources.get_mut(id.index()), self.ranks.get_mut(id.index())) {
            (*source, *rank) = (None, None);
        }
    }

    /// The session of a source whose routes were kept is back (RFC 4724 §4.2). `false`: it is not the same neighbour
    /// any more, its routes are gone.
    pub fn resume_source(&mut self, id: SourceId, source: Source) -> bool {
        let (Some(Some(slot)), Some(rank)) = (self.sources.get_mut(id.index()), self.ranks.get_mut(id.index())) else {
            return false;
        };
        let same = slot.source.router_id == source.router_id
            && slot.source.asn == source.asn
            && slot.source.kind == source.kind;
        *rank = Some(SourceRank::of(&source));
        slot.source = source;
        if !same {
            for family in Rib::FAMILIES {
                self.handle_family_down(id, family);
            }
        }
        same
    }

    /// The session of a source is gone and its routes of `family` are kept for it (RFC 4724 §4.2). Those that were
    /// kept before and have not come again since go.
    pub fn handle_stale_begin(&mut self, id: SourceId, family: Family) {
        self.remove_paths_where(id, family, |path| path.stale);
        self.handle_refresh_begin(id, family);
    }

    /// Stale routes are kept for longer (RFC 9494 §4.3): those with NO_LLGR go, the others get LLGR_STALE and are the
    /// last resort from here on.
    pub fn handle_long_lived(&mut self, id: SourceId, family: Family) {
        let marked = |attributes: &AttributeTable, route: AttributeId, community| {
            attributes.get(route).is_some_and(|route| route.attributes.communities.contains(&community))
        };
        if let Some(table) = table_of(&mut self.tables, family) {
            let unwanted: Vec<(PrefixId, u32)> = table
                .paths_of(id)
                .filter(|(_, path)| path.stale && marked(&table.attributes, path.received, Community::NO_LLGR))
                .map(|(prefix, path)| (prefix, path.path_id))
                .collect();
            let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
            for (prefix, path_id) in unwanted {
                let delta = table.remove_where(prefix, |path| path.source == id && path.path_id == path_id, &ranks);
                if let Some(Some(slot)) = self.sources.get_mut(id.index()) {
                    apply(slot, family, delta);
                }
            }
            for index in 0..table.paths.len() {
                table.mark_long_lived(PrefixId(index as u32), id, &ranks);
            }
        }
    }

    /// What the update groups need: a family's table, and by number what is known of the sources.
    pub(crate) fn table_and_sources(&mut self, family: Family) -> Option<(&mut Table, &[Option<SourceRank>])> {
        Some((table_of(&mut self.tables, family)?, &self.ranks))
    }

    /// By number, what is known of the sources.
    pub(crate) fn source_ranks(&self) -> &[Option<SourceRank>] {
        &self.ranks
    }

    /// A source as it was given.
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.index())?.as_ref().map(|slot| &slot.source)
    }

    /// How many routes of `family` a source has.
    pub fn source_counts(&self, id: SourceId, family: Family) -> SourceCounts {
        let counts = || self.sources.get(id.index())?.as_ref()?.counts.get(family_index(family)?).copied();
        counts().unwrap_or_default()
    }

    /// How often a route of this source was left out, by reason, since its session came up. What a change of policy
    /// left out counts again.
    pub fn left_out(&self, id: SourceId) -> Vec<(Ineligible, u64)> {
        let Some(Some(slot)) = self.sources.get(id.index()) else { return Vec::new() };
        Ineligible::ALL.into_iter().zip(slot.left_out).filter(|(_, count)| *count > 0).collect()
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
        self.policy_evaluations += 1;
        let received = table.attributes.intern_in_place(path, next_hop);
        let options = &self.config.import;
        match import::import_in_place(path, next_hop, &slot.source, options) {
            Some(state) => {
                let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
                let learned = now.into();
                let path = Path { source: id, path_id: 0, received, effective: received, learned, state, stale: false };
                let martians = &self.martians;
                let delta = table.insert_all(nlri, &path, &ranks, |prefix| {
                    let state = terrestrial(state, prefix, martians);
                    slot.count(state);
                    state
                });
                apply(slot, family, delta);
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
        let mut effective = Effective::default();
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        for nlri in nlri {
            let (mut state, modified) = import.outcome(nlri.prefix);
            if slot.source.kind != SourceKind::Local {
                state = terrestrial(state, nlri.prefix, &self.martians);
            }
            slot.count(state);
            let path = Path {
                source: id,
                path_id: nlri.path_id,
                received,
                effective: effective.id(&mut table.attributes, received, modified, &slot.source),
                learned: now.into(),
                state,
                stale: false,
            };
            let delta = table.insert(nlri.prefix, path, &ranks);
            apply(slot, family, delta);
        }
        table.attributes.release(received);
        effective.release(&mut table.attributes);
    }

    fn remove_path(&mut self, id: SourceId, family: Family, nlri: Nlri) {
        let Some(table) = table_of(&mut self.tables, family) else { return };
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        let delta = table.remove(nlri.prefix, id, nlri.path_id, &ranks);
        if let Some(Some(slot)) = self.sources.get_mut(id.index()) {
            apply(slot, family, delta);
        }
    }

    /// All routes of one family from one source are gone.
    pub fn handle_family_down(&mut self, id: SourceId, family: Family) {
        self.remove_paths_where(id, family, |_| true);
    }

    /// The source starts to send a family again (RFC 7313 §4).
    pub fn handle_refresh_begin(&mut self, id: SourceId, family: Family) {
        if let Some(table) = table_of(&mut self.tables, family) {
            table.mark_source(id, |path| path.stale = true);
        }
    }

    /// The source has sent a family again: what it did not send is gone (RFC 7313 §4).
    pub fn handle_refresh_end(&mut self, id: SourceId, family: Family) {
        self.remove_paths_where(id, family, |path| path.stale);
    }

    fn remove_paths_where(&mut self, id: SourceId, family: Family, gone: impl Fn(&Path) -> bool) {
        let Some(table) = table_of(&mut self.tables, family) else { return };
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        let Some(Some(slot)) = self.sources.get_mut(id.index()) else { return };
        let mut left = self_counts(slot, family).received;
        let mut index = 0;
        // A source that has nothing costs nothing: a flapping neighbour must not make us walk the table.
        while left > 0 && index < table.paths.len() {
            let delta = table.remove_where(PrefixId(index as u32), |path| path.source == id && gone(path), &ranks);
            left = left.saturating_add_signed(delta.received);
            apply(slot, family, delta);
            index += 1;
        }
    }

    /// A source's import policy changed: its routes are judged again from the Adj-RIB-In.
    pub fn handle_import_policy(&mut self, id: SourceId, policy: Policy) {
        let Some(Some(slot)) = self.sources.get_mut(id.index()) else { return };
        slot.source.import = policy;
        let source = slot.source.clone();
        let options = &self.config.import;
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        for table in &mut self.tables {
            let family = table.family;
            // By attribute set, which no two of these routes have freed meanwhile: their paths hold them. Looked up,
            // never iterated over but to let go.
            let mut known: BTreeMap<AttributeId, (Import, Effective)> = BTreeMap::new();
            for index in 0..table.paths.len() {
                let prefix = PrefixId(index as u32);
                let Some(network) = table.prefix(prefix) else { continue };
                let martians = &self.martians;
                let left_out = &mut slot.left_out;
                let delta = table.reimport(prefix, id, &ranks, |attributes, received| {
                    let (import, effective) = known.entry(received).or_insert_with(|| {
                        self.policy_evaluations += 1;
                        let import = match attributes.get(received) {
                            Some(route) => import::import(family, &route.attributes, route.next_hop, &source, options),
                            None => Import::Refused(Ineligible::RejectedByPolicy),
                        };
                        (import, Effective::default())
                    });
                    let (state, modified) = import.outcome(network);
                    let state = terrestrial(state, network, martians);
                    if let Err(reason) = state
                        && let Some(count) = left_out.get_mut(reason as usize)
                    {
                        *count += 1;
                    }
                    let effective = effective.id(attributes, received, modified, &source);
                    attributes.retain(effective);
                    (effective, state)
                });
                apply(slot, family, delta);
            }
            known.into_values().for_each(|(_, effective)| effective.release(&mut table.attributes));
        }
    }

    /// How often import policy was asked about an attribute set, those of our own routes included.
    pub const fn policy_evaluations(&self) -> u64 {
        self.policy_evaluations
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

fn self_counts(slot: &SourceSlot, family: Family) -> SourceCounts {
    family_index(family).and_then(|index| slot.counts.get(index)).copied().unwrap_or_default()
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

fn apply(slot: &mut SourceSlot, family: Family, delta: Delta) {
    if let Some(counts) = family_index(family).and_then(|index| slot.counts.get_mut(index)) {
        counts.apply(delta);
    }
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
