//! One family's routes: prefixes, paths, best paths and the export log. The unit of sharding: it shares nothing with
//! the other families.

use super::attribute_table::{AttributeId, AttributeTable, RouteAttributes};
use super::decision::{self, Candidate, DecisionOptions, SourceKind};
use super::export_log::{Cursor, ExportLog};
use super::import::Ineligible;
use super::prefix_table::{PrefixId, PrefixTable};
use crate::wire::Family;
use net::{Prefix, Time};
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A session that routes come from. Numbers are used again once the session and all its routes are gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct SourceId(pub(crate) u32);

/// A route as it is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) source: SourceId,
    pub(super) path_id: u32,
    /// As received: what the Adj-RIB-In is made of.
    pub(super) received: AttributeId,
    /// After import policy.
    pub(super) effective: AttributeId,
    pub(super) learned: Time,
    pub(super) state: Result<(), Ineligible>,
    /// Not yet sent again in the refresh that is under way (RFC 7313 §4).
    pub(super) stale: bool,
}

/// The route that was chosen for a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Best {
    pub(crate) source: SourceId,
    pub(crate) kind: SourceKind,
    pub(crate) path_id: u32,
    pub(crate) attributes: AttributeId,
}

#[derive(Default, Debug)]
pub(super) struct Entry {
    pub(super) paths: SmallVec<[Path; 1]>,
    pub(super) best: Option<Best>,
    /// How many readers hold this prefix: it cannot go before each has been told.
    pins: u32,
}

/// What the decision needs to know of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceRank {
    pub(super) kind: SourceKind,
    pub(super) router_id: Ipv4Addr,
    pub(super) address: Option<IpAddr>,
}

/// By source id.
pub(super) struct Ranks<'a> {
    pub(super) by_source: &'a [Option<SourceRank>],
    pub(super) options: &'a DecisionOptions,
}

/// What an insertion or removal did to the source's counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Delta {
    pub(super) received: i64,
    pub(super) accepted: i64,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(super) family: Family,
    pub(super) prefixes: PrefixTable,
    pub(super) entries: Vec<Entry>,
    pub(super) attributes: AttributeTable,
    pub(super) log: ExportLog,
    pub(super) path_count: usize,
    pub(super) best_count: usize,
}

impl Table {
    pub(super) fn new(family: Family, prefixes: PrefixTable, attributes: AttributeTable) -> Table {
        Table {
            family,
            prefixes,
            entries: Vec::new(),
            attributes,
            log: ExportLog::default(),
            path_count: 0,
            best_count: 0,
        }
    }

    /// Adds `path` to `prefix`, in place of the one with the same source and path id. The caller's references to both
    /// attribute sets stay the caller's.
    pub(super) fn insert(&mut self, prefix: Prefix, path: Path, ranks: &Ranks<'_>) -> Delta {
        let Some(id) = self.prefixes.intern(prefix) else { return Delta::default() };
        if id.index() >= self.entries.len() {
            self.entries.resize_with(id.index() + 1, Entry::default);
        }
        let Some(entry) = self.entries.get_mut(id.index()) else { return Delta::default() };
        self.attributes.retain(path.received);
        self.attributes.retain(path.effective);
        let mut delta = Delta { received: 1, accepted: i64::from(path.state.is_ok()) };
        match entry.paths.iter_mut().find(|old| old.source == path.source && old.path_id == path.path_id) {
            Some(old) => {
                delta.received = 0;
                delta.accepted -= i64::from(old.state.is_ok());
                // The same route again is no newer than it was.
                let learned = if old.received == path.received { old.learned } else { path.learned };
                let old = std::mem::replace(old, Path { learned, ..path });
                self.attributes.release(old.received);
                self.attributes.release(old.effective);
            }
            None => {
                entry.paths.push(path);
                self.path_count += 1;
            }
        }
        self.select(id, ranks);
        delta
    }

    /// Takes the path away, if it is there.
    pub(super) fn remove(&mut self, prefix: Prefix, source: SourceId, path_id: u32, ranks: &Ranks<'_>) -> Delta {
        let Some(id) = self.prefixes.get(prefix) else { return Delta::default() };
        self.remove_where(id, |path| path.source == source && path.path_id == path_id, ranks)
    }

    /// Takes the paths for which `gone` is true away from the prefix with this id.
    pub(super) fn remove_where(&mut self, id: PrefixId, gone: impl Fn(&Path) -> bool, ranks: &Ranks<'_>) -> Delta {
        let mut delta = Delta::default();
        let Some(entry) = self.entries.get_mut(id.index()) else { return delta };
        let attributes = &mut self.attributes;
        entry.paths.retain(|path| {
            if !gone(path) {
                return true;
            }
            attributes.release(path.received);
            attributes.release(path.effective);
            delta.received -= 1;
            delta.accepted -= i64::from(path.state.is_ok());
            false
        });
        if delta.received != 0 {
            self.path_count -= usize::try_from(-delta.received).unwrap_or(0);
            self.select(id, ranks);
        }
        delta
    }

    /// Replaces the import outcome of each path of `source` at this prefix.
    pub(super) fn reimport(
        &mut self,
        id: PrefixId,
        source: SourceId,
        ranks: &Ranks<'_>,
        mut outcome: impl FnMut(&mut AttributeTable, AttributeId) -> (AttributeId, Result<(), Ineligible>),
    ) -> Delta {
        let mut delta = Delta::default();
        let Some(entry) = self.entries.get_mut(id.index()) else { return delta };
        let mut touched = false;
        for path in entry.paths.iter_mut().filter(|path| path.source == source) {
            let (effective, state) = outcome(&mut self.attributes, path.received);
            delta.accepted += i64::from(state.is_ok()) - i64::from(path.state.is_ok());
            self.attributes.release(path.effective);
            (path.effective, path.state) = (effective, state);
            touched = true;
        }
        if touched {
            self.select(id, ranks);
        }
        delta
    }

    /// The decision for one prefix, and the log record if the answer is new.
    fn select(&mut self, id: PrefixId, ranks: &Ranks<'_>) {
        let Some(entry) = self.entries.get(id.index()) else { return };
        let best = self.best_of(entry, ranks);
        let Some(entry) = self.entries.get_mut(id.index()) else { return };
        // Attribute ids may have been used again between the old best's release and the new one's interning; then an
        // equal id with a different meaning would go unnoticed. `insert` retains the new before it releases the old,
        // which rules that out.
        if entry.best != best {
            self.best_count += usize::from(best.is_some());
            self.best_count -= usize::from(entry.best.is_some());
            entry.best = best;
            if best.is_some() || entry.pins > 0 {
                self.log.touch(id);
            }
        }
        self.settle(id);
    }

    /// Calls `change` on each path of `source`; what it changes must not matter to the decision.
    pub(super) fn mark_source(&mut self, source: SourceId, change: impl Fn(&mut Path)) {
        self.entries
            .iter_mut()
            .flat_map(|entry| &mut entry.paths)
            .filter(|path| path.source == source)
            .for_each(change);
    }

    fn best_of(&self, entry: &Entry, ranks: &Ranks<'_>) -> Option<Best> {
        let chosen = match entry.paths.as_slice() {
            [] => return None,
            [path] => path.state.is_ok().then_some(path),
            paths => {
                let eligible: SmallVec<[(usize, Candidate); 8]> = paths
                    .iter()
                    .enumerate()
                    .filter(|(_, path)| path.state.is_ok())
                    .filter_map(|(index, path)| Some((index, self.candidate(path, ranks)?)))
                    .collect();
                let candidates: SmallVec<[Candidate; 8]> = eligible.iter().map(|(_, candidate)| *candidate).collect();
                decision::choose(&candidates, ranks.options)
                    .and_then(|index| eligible.get(index))
                    .and_then(|(index, _)| paths.get(*index))
            }
        }?;
        let kind = ranks.by_source.get(chosen.source.0 as usize)?.as_ref()?.kind;
        Some(Best { source: chosen.source, kind, path_id: chosen.path_id, attributes: chosen.effective })
    }

    pub(super) fn candidate(&self, path: &Path, ranks: &Ranks<'_>) -> Option<Candidate> {
        let source = ranks.by_source.get(path.source.0 as usize)?.as_ref()?;
        Some(Candidate {
            rank: *self.attributes.rank(path.effective)?,
            kind: source.kind,
            igp_metric: 0,
            learned: path.learned,
            router_id: source.router_id,
            peer_address: source.address,
            path_id: path.path_id,
            peer_index: path.source.0,
        })
    }

    /// Lets go of what nobody needs any more.
    fn settle(&mut self, id: PrefixId) {
        let Some(entry) = self.entries.get(id.index()) else { return };
        if entry.best.is_some() || entry.pins > 0 {
            return;
        }
        self.log.forget(id);
        if entry.paths.is_empty() {
            self.prefixes.release(id);
        }
    }

    // For readers of the export log.

    pub(crate) fn read_log(&self, from: Cursor, limit: usize, out: &mut Vec<PrefixId>) -> Cursor {
        self.log.read(from, limit, out)
    }

    pub(crate) const fn log_end(&self) -> Cursor {
        self.log.end()
    }

    pub(crate) fn best(&self, id: PrefixId) -> Option<Best> {
        self.entries.get(id.index())?.best
    }

    pub(crate) fn prefix(&self, id: PrefixId) -> Option<Prefix> {
        self.prefixes.prefix(id)
    }

    /// At most `limit` prefixes after `after`, and where the next page begins.
    pub(crate) fn page(&self, after: Option<Prefix>, limit: usize) -> (Vec<(Prefix, PrefixId)>, Option<Prefix>) {
        let limit = limit.max(1);
        let page = self.prefixes.page(after, limit);
        let next = page.last().filter(|_| page.len() == limit).map(|(prefix, _)| *prefix);
        (page, next)
    }

    pub(crate) fn find(&self, prefix: Prefix) -> Option<PrefixId> {
        self.prefixes.get(prefix)
    }

    pub(crate) fn route_attributes(&self, id: AttributeId) -> Option<Arc<RouteAttributes>> {
        self.attributes.get(id)
    }

    pub(crate) fn is_pinned(&self, id: PrefixId) -> bool {
        self.entries.get(id.index()).is_some_and(|entry| entry.pins > 0)
    }

    /// A reader now holds this prefix: it will read the log again when the prefix goes.
    pub(crate) fn pin(&mut self, id: PrefixId) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.pins += 1;
        }
    }

    pub(crate) fn unpin(&mut self, id: PrefixId) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.pins = entry.pins.saturating_sub(1);
            self.settle(id);
        }
    }
}
