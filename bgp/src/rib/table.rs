//! One family's routes: prefixes, paths, best paths and the export log. The unit of sharding: it shares nothing with
//! the other families.

use super::Rib;
use super::attribute_table::{AttributeId, AttributeTable, RouteAttributes};
use super::decision::{self, Candidate, DecisionOptions, SourceKind};
use super::export_log::{Cursor, ExportLog};
use super::family_index;
use super::holding::{Fate, Holding};
use super::import::{Ineligible, Source};
use super::next_hops::{NextHops, Reach};
use super::paths::{Path, Paths};
use super::prefix_table::{BATCH, PrefixId, PrefixTable};
use super::several::FurtherLog;
use crate::wire::{Family, NextHop, Nlri};
use net::Prefix;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A session that routes come from. Numbers are used again once the session and all its routes are gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct SourceId(pub(crate) u16);

impl SourceId {
    /// Nobody.
    pub(crate) const NONE: SourceId = SourceId(u16::MAX);
}

/// The route that was chosen for a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Best {
    pub(crate) source: SourceId,
    pub(crate) kind: SourceKind,
    pub(crate) path_id: u32,
    pub(crate) attributes: AttributeId,
}

/// What the decision and the export rules need to know of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceRank {
    pub(crate) kind: SourceKind,
    pub(crate) confederation: bool,
    pub(crate) client: bool,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) address: Option<IpAddr>,
}

impl SourceRank {
    pub(super) fn of(source: &Source) -> SourceRank {
        SourceRank {
            kind: source.kind,
            confederation: source.confederation,
            client: source.client,
            router_id: source.router_id.0,
            address: source.address,
        }
    }
}

/// What paths are compared by: what is known of their sources, by number, and the knobs.
#[derive(Clone, Copy)]
pub(crate) struct Ranks<'a> {
    pub(crate) by_source: &'a [Option<SourceRank>],
    pub(crate) options: &'a DecisionOptions,
}

impl Ranks<'_> {
    fn of(&self, source: SourceId) -> Option<&SourceRank> {
        self.by_source.get(source.0 as usize)?.as_ref()
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(super) family: Family,
    pub(super) prefixes: PrefixTable,
    pub(super) paths: Paths,
    pub(super) attributes: AttributeTable,
    pub(super) log: ExportLog,
    pub(super) further: FurtherLog,
    pub(super) next_hops: NextHops,
    pub(super) path_count: usize,
    pub(super) best_count: usize,
    /// What is inside these goes to nobody: an aggregate stands for it.
    suppressed: Vec<Prefix>,
}

impl Table {
    pub(super) fn new(family: Family, prefixes: PrefixTable, attributes: AttributeTable) -> Table {
        Table {
            family,
            prefixes,
            paths: Paths::new(),
            attributes,
            log: ExportLog::default(),
            further: FurtherLog::default(),
            next_hops: NextHops::default(),
            path_count: 0,
            best_count: 0,
            suppressed: Vec::new(),
        }
    }

    /// Its place among the families.
    pub(super) fn index(&self) -> usize {
        family_index(self.family).unwrap_or_default()
    }

    /// Readers of the log look at `prefix` from here on, whether there is a route or not.
    pub(super) fn keep(&mut self, prefix: Prefix) {
        let Some(id) = self.prefixes.intern(prefix) else { return };
        self.paths.make_room(id);
        self.paths.pin(id);
        self.log.touch(id);
    }

    /// Routes inside these prefixes are left out by update groups. Those for which that changes are put into the log
    /// again.
    pub(super) fn set_suppressed(&mut self, suppressed: &[Prefix]) {
        let before = std::mem::replace(&mut self.suppressed, suppressed.to_vec());
        let changed: Vec<Prefix> = before
            .iter()
            .filter(|prefix| !suppressed.contains(prefix))
            .chain(suppressed.iter().filter(|prefix| !before.contains(prefix)))
            .copied()
            .collect();
        if changed.is_empty() {
            return;
        }
        for index in 0..self.paths.len() {
            let id = PrefixId(index as u32);
            let inside = |prefix: Prefix| changed.iter().any(|aggregate| aggregate.covers(prefix));
            if self.paths.best(id).is_some() && self.prefixes.prefix(id).is_some_and(inside) {
                self.log.touch(id);
            }
        }
    }

    /// An aggregate stands for this prefix.
    pub(crate) fn is_suppressed(&self, prefix: Prefix) -> bool {
        self.suppressed.iter().any(|aggregate| aggregate.len() < prefix.len() && aggregate.covers(prefix))
    }

    /// Adds `path` to `prefix`, in place of the one with the same source and path id. The caller's references to both
    /// attribute sets stay the caller's.
    pub(super) fn insert(&mut self, prefix: Prefix, path: Path, holding: &mut Holding, ranks: &Ranks<'_>) {
        if let Some(id) = self.prefixes.intern(prefix) {
            self.insert_at(id, path, holding, ranks);
        }
    }

    /// [`Table::insert`] of the same path, but for its id, to many prefixes; `judge` says of each whether it may take
    /// part.
    pub(super) fn insert_all(
        &mut self,
        mut nlri: impl Iterator<Item = Nlri>,
        path: &Path,
        holding: &mut Holding,
        ranks: &Ranks<'_>,
        mut judge: impl FnMut(Prefix) -> Result<(), Ineligible>,
    ) {
        loop {
            let batch: SmallVec<[Nlri; BATCH]> = nlri.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let found = self.prefixes.find_first(&batch);
            self.touch(&found);
            for (Nlri { prefix, path_id }, id) in batch.into_iter().zip(found) {
                let path = Path { path_id, state: judge(prefix), ..*path };
                // What is in the table stays there while routes only come.
                match id {
                    Some(id) => self.insert_at(id, path, holding, ranks),
                    None => self.insert(prefix, path, holding, ranks),
                }
            }
        }
    }

    /// Reads what an insertion of each of these will read, so that memory is asked for all of it at one time.
    fn touch(&self, ids: &[Option<PrefixId>; BATCH]) {
        let bests = self.paths.touch(ids);
        let lengths = bests.map(|best| self.attributes.rank(best).map_or(0, |rank| rank.as_path_length));
        std::hint::black_box(lengths);
    }

    fn insert_at(&mut self, id: PrefixId, path: Path, holding: &mut Holding, ranks: &Ranks<'_>) {
        // Without add-path a neighbour has one path of a prefix, with the id 0.
        holding.has_path_ids |= path.path_id != 0;
        // Those of a session that is over are as many again: what comes in their place must not be refused for them.
        let counts = |path: &Path| !matches!(holding.fate(path), Fate::Stale | Fate::LongLived);
        if holding.has_path_ids && self.paths.has_all_of(id, path.source, path.path_id, counts) {
            // Those that are to go anyway are nobody's choice.
            let (gone, before) = (holding.gone(), holding.leaving());
            if before > 0 {
                // The prefix has to keep its id, should they have been its only ones.
                self.paths.pin(id);
                self.remove_where(id, path.source, |path| gone.contains(path.stamp), holding, ranks);
                self.paths.unpin(id);
            }
            if before == holding.leaving() {
                holding.refused += 1;
                return;
            }
        }
        let state = resolved(path.state, path.source, path.effective, &self.next_hops, &self.attributes);
        let path = Path { state, ..path };
        let champion = self.paths.best(id).map(|(best, _)| *best);
        self.attributes.retain(path.received);
        self.attributes.retain(path.effective);
        holding.add(&path, self.attributes.octets_beyond_free(path.received));
        let old = self.paths.put(id, path, |old| holding.is_gone(old));
        // As it is in its place now.
        let path = match &old {
            Some(old) => {
                holding.take(old, self.attributes.octets_beyond_free(old.received));
                Path { learned: path.learned_after(old, holding.is_gone(old)), ..path }
            }
            None => {
                self.path_count += 1;
                holding.prefixes.insert(id);
                path
            }
        };
        self.challenge(id, champion, &path, old.as_ref(), ranks);
        if self.further.is_read() {
            let learned = |path: &Path| ranks.options.prefer_oldest.then_some(path.learned);
            let as_seen = |path: &Path| path.state.is_ok().then_some((path.effective, learned(path)));
            if old.as_ref().and_then(as_seen) != as_seen(&path) {
                self.tell_further(id, champion.and_then(|champion| chosen(&champion, ranks)));
            }
        }
        // Only now: while the decision compares, the old best's attributes must still be what they were.
        if let Some(old) = old {
            self.attributes.release(old.received);
            self.attributes.release(old.effective);
        }
    }

    /// The decision after one path has come, or has changed from `old`, without looking at all others where that is not
    /// needed: before MED is looked at the order is total, and after it where no MED counts.
    fn challenge(&mut self, id: PrefixId, champion: Option<Path>, path: &Path, old: Option<&Path>, ranks: &Ranks<'_>) {
        let before = champion.and_then(|champion| chosen(&champion, ranks));
        let has_med = self.attributes.rank(path.effective).is_some_and(|rank| rank.med.is_some());
        if has_med {
            self.paths.set_may_have_med(id, true);
        }
        let eligible = path.state.is_ok();
        let best = match champion {
            // There was none: all others are out of it.
            None => eligible.then_some(*path),
            Some(_) if self.paths.is_single(id) => {
                self.paths.set_may_have_med(id, has_med);
                eligible.then_some(*path)
            }
            // The best itself has changed: it stays if it has not become worse.
            Some(champion) if champion.is(path.source, path.path_id) => {
                let stays = match self.compare_leading(path, &champion, ranks) {
                    _ if !eligible => false,
                    Ordering::Less => true,
                    Ordering::Greater => false,
                    Ordering::Equal => self.is_total(id, ranks) && !self.beats(&champion, path, ranks),
                };
                if !stays {
                    return self.select(id, before, ranks);
                }
                Some(*path)
            }
            Some(champion) => {
                // What stood level with the best until MED may have put others out.
                let stood_level = old.is_some_and(|old| {
                    old.state.is_ok() && self.compare_leading(old, &champion, ranks) != Ordering::Greater
                });
                if stood_level && !self.is_total(id, ranks) {
                    return self.select(id, before, ranks);
                }
                match self.compare_leading(path, &champion, ranks) {
                    _ if !eligible => Some(champion),
                    Ordering::Less => Some(*path),
                    Ordering::Greater => Some(champion),
                    Ordering::Equal if !self.is_total(id, ranks) => return self.select(id, before, ranks),
                    Ordering::Equal if self.beats(path, &champion, ranks) => Some(*path),
                    Ordering::Equal => Some(champion),
                }
            }
        };
        self.set_best(id, before, best.and_then(|best| chosen(&best, ranks)));
    }

    /// No MED counts only between some of the routes: better than the best is best.
    fn is_total(&self, id: PrefixId, ranks: &Ranks<'_>) -> bool {
        ranks.options.always_compare_med || !self.paths.may_have_med(id)
    }

    /// By the steps before MED, the better one first.
    fn compare_leading(&self, path: &Path, other: &Path, ranks: &Ranks<'_>) -> Ordering {
        let leading = |path: &Path| {
            let kind = ranks.of(path.source)?.kind;
            Some(decision::leading(self.attributes.rank(path.effective)?, kind, ranks.options))
        };
        leading(path).cmp(&leading(other))
    }

    /// Whether `path` is better than `other` where [`Table::is_total`].
    fn beats(&self, path: &Path, other: &Path, ranks: &Ranks<'_>) -> bool {
        match (self.candidate(path, ranks), self.candidate(other, ranks)) {
            (Some(path), Some(other)) => decision::choose(&[other, path], ranks.options) == Some(1),
            (path, _) => path.is_some(),
        }
    }

    /// Takes the path away, if it is there.
    pub(super) fn remove(
        &mut self,
        prefix: Prefix,
        source: SourceId,
        path_id: u32,
        holding: &mut Holding,
        ranks: &Ranks<'_>,
    ) {
        if let Some(id) = self.prefixes.get(prefix) {
            self.remove_where(id, source, |path| path.path_id == path_id, holding, ranks);
        }
    }

    /// Takes the paths of `source` for which `gone` is true away from the prefix with this id.
    pub(super) fn remove_where(
        &mut self,
        id: PrefixId,
        source: SourceId,
        gone: impl Fn(&Path) -> bool,
        holding: &mut Holding,
        ranks: &Ranks<'_>,
    ) {
        let gone = |path: &Path| path.source == source && gone(path);
        let champion = self.paths.best(id).map(|(best, _)| *best);
        let (mut select, mut any, mut stays, mut accepted) = (false, false, false, false);
        for path in self.paths.iter(id) {
            if !gone(path) {
                stays |= path.source == source;
                continue;
            }
            any = true;
            accepted |= path.state.is_ok();
            // The best itself, or one that stood level with it until MED and may have put others out.
            select |= champion.is_some_and(|champion| {
                champion.is(path.source, path.path_id)
                    || !self.is_total(id, ranks)
                        && path.state.is_ok()
                        && self.compare_leading(path, &champion, ranks) != Ordering::Greater
            });
        }
        if !any {
            return;
        }
        for path in self.paths.iter(id).filter(|path| gone(path)) {
            holding.take(path, self.attributes.octets_beyond_free(path.received));
            self.attributes.release(path.received);
            self.attributes.release(path.effective);
            self.path_count -= 1;
        }
        self.paths.retain(id, |path| !gone(path));
        let before = champion.and_then(|champion| chosen(&champion, ranks));
        if !stays {
            holding.prefixes.remove(id);
        }
        if select {
            self.select(id, before, ranks);
        } else {
            self.settle(id);
        }
        if accepted {
            self.tell_further(id, before);
        }
    }

    /// Replaces the import outcome of each path of `source` at this prefix; one without an outcome goes.
    pub(super) fn reimport(
        &mut self,
        id: PrefixId,
        source: SourceId,
        holding: &mut Holding,
        ranks: &Ranks<'_>,
        mut outcome: impl FnMut(&mut AttributeTable, AttributeId, Fate) -> Option<(AttributeId, Result<(), Ineligible>)>,
    ) {
        let before = self.best(id);
        let (attributes, next_hops) = (&mut self.attributes, &self.next_hops);
        let mut replaced: SmallVec<[AttributeId; 1]> = SmallVec::new();
        let mut gone: SmallVec<[u32; 1]> = SmallVec::new();
        self.paths.for_each_mut(id, |path| {
            if path.source != source {
                return;
            }
            let Some((effective, state)) = outcome(attributes, path.received, holding.fate(path)) else {
                gone.push(path.path_id);
                return;
            };
            let state = resolved(state, source, effective, next_hops, attributes);
            holding.take(path, 0);
            replaced.push(path.effective);
            (path.effective, path.state) = (effective, state);
            holding.add(path, 0);
        });
        if !replaced.is_empty() {
            self.select(id, before, ranks);
            self.tell_further(id, before);
        }
        replaced.into_iter().for_each(|old| self.attributes.release(old));
        if !gone.is_empty() {
            self.remove_where(id, source, |path| gone.contains(&path.path_id), holding, ranks);
        }
    }

    /// Gives the paths of `source` at this prefix one stamp for all that mean the same.
    pub(super) fn restamp(&mut self, id: PrefixId, source: SourceId, holding: &mut Holding) {
        let attributes = &self.attributes;
        self.paths.for_each_mut(id, |path| {
            // Stamps of another source mean nothing here.
            if path.source != source {
                return;
            }
            let plain = holding.plain(path.stamp);
            if path.stamp != plain {
                let octets = attributes.octets_beyond_free(path.received);
                holding.take(path, octets);
                path.stamp = plain;
                holding.add(path, octets);
            }
        });
    }

    /// The decision over all paths of one prefix that has some, by other options than before.
    pub(super) fn select_again(&mut self, id: PrefixId, alone: bool, ranks: &Ranks<'_>) {
        if !self.paths.is_empty(id) {
            let before = self.best(id);
            self.select(id, before, ranks);
            // The others may stand in another order.
            self.tell_further(id, before);
            if alone && before.is_some() && !self.paths.is_single(id) {
                self.log.touch(id);
            }
        }
    }

    /// The decision over all paths of one prefix.
    fn select(&mut self, id: PrefixId, before: Option<Best>, ranks: &Ranks<'_>) {
        let (mut candidates, mut owners): (SmallVec<[Candidate; 8]>, SmallVec<[Best; 8]>) = Default::default();
        for path in self.paths.iter(id).filter(|path| path.state.is_ok()) {
            if let (Some(candidate), Some(best)) = (self.candidate(path, ranks), chosen(path, ranks)) {
                candidates.push(candidate);
                owners.push(best);
            }
        }
        let has_med = candidates.iter().any(|candidate| candidate.rank.med.is_some());
        self.paths.set_may_have_med(id, has_med);
        let best = decision::choose(&candidates, ranks.options).and_then(|index| owners.get(index)).copied();
        self.set_best(id, before, best);
    }

    /// Puts down the answer, and the log record if it is new.
    fn set_best(&mut self, id: PrefixId, before: Option<Best>, best: Option<Best>) {
        self.paths.set_best(id, best.map(|best| (best.source, best.path_id, best.kind)));
        // Attribute ids may be used again after a release; then an equal id with a different meaning would go unnoticed.
        // Whoever changes paths takes references to the new sets before letting go of the old ones, which rules that
        // out.
        if before != best {
            self.best_count += usize::from(best.is_some());
            self.best_count -= usize::from(before.is_some());
            if best.is_some() || self.paths.is_pinned(id) {
                self.log.touch(id);
            }
        }
        self.settle(id);
    }

    pub(super) fn candidate(&self, path: &Path, ranks: &Ranks<'_>) -> Option<Candidate> {
        let source = ranks.of(path.source)?;
        Some(Candidate {
            rank: *self.attributes.rank(path.effective)?,
            kind: source.kind,
            igp_metric: self.next_hops.cost_of(path.effective, &self.attributes).unwrap_or(u32::MAX),
            learned: path.learned.into(),
            router_id: source.router_id,
            peer_address: source.address,
            path_id: path.path_id,
            peer_index: path.source.0.into(),
        })
    }

    /// Sets or takes back how next hops are reached. [`Table::resolve`] brings the paths up to date.
    pub(super) fn set_reach(&mut self, prefix: Prefix, reach: Option<Reach>) -> bool {
        self.next_hops.set(prefix, reach)
    }

    /// Judges the paths of the next prefixes again, about as many as `limit` if they have few paths, by how their next
    /// hops are reached; each that takes part now, or does no longer, goes to `changed` as it was and as it is.
    pub(super) fn resolve(&mut self, limit: usize, ranks: &Ranks<'_>, changed: &mut Vec<(Path, Path)>) {
        let Some(from) = self.next_hops.position() else { return };
        let mut known = FxHashMap::default();
        let (mut at, mut cost) = (from, 0);
        while cost < limit && at < self.paths.len() {
            let id = PrefixId(at as u32);
            at += 1;
            cost += self.paths.cost(id);
            let (attributes, next_hops) = (&self.attributes, &self.next_hops);
            let judged = |path: &Path| matches!(path.state, Ok(()) | Err(Ineligible::NextHopUnreachable));
            let affected = |path: &Path| judged(path) && next_hops.is_affected(path.effective, attributes, &mut known);
            if !self.paths.iter(id).any(affected) {
                continue;
            }
            let before = self.best(id);
            let (attributes, next_hops) = (&self.attributes, &self.next_hops);
            self.paths.for_each_mut(id, |path| {
                if judged(path) {
                    let state = resolved(Ok(()), path.source, path.effective, next_hops, attributes);
                    if state != path.state {
                        let before = std::mem::replace(path, Path { state, ..*path });
                        changed.push((before, *path));
                    }
                }
            });
            self.select(id, before, ranks);
            self.tell_further(id, before);
        }
        self.next_hops.advance(at, self.paths.len());
    }

    /// Lets go of what nobody needs any more.
    fn settle(&mut self, id: PrefixId) {
        if self.paths.best(id).is_some() || self.paths.is_pinned(id) {
            return;
        }
        self.log.forget(id);
        self.further.forget(id);
        if self.paths.is_empty(id) {
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
        let (best, kind) = self.paths.best(id)?;
        Some(Best { source: best.source, kind, path_id: best.path_id, attributes: best.effective })
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

    /// See [`AttributeTable::octets`].
    pub(crate) fn route_octets(&self, id: AttributeId) -> Option<(NextHop, &[u8])> {
        self.attributes.octets(id)
    }

    pub(crate) fn is_pinned(&self, id: PrefixId) -> bool {
        self.paths.is_pinned(id)
    }

    /// A reader now holds this prefix: it will read the log again when the prefix goes.
    pub(crate) fn pin(&mut self, id: PrefixId) {
        self.paths.pin(id);
    }

    pub(crate) fn unpin(&mut self, id: PrefixId) {
        self.paths.unpin(id);
        self.settle(id);
    }
}

/// `state`, unless there is no way to the next hop. Our own routes have none.
fn resolved(
    state: Result<(), Ineligible>,
    source: SourceId,
    route: AttributeId,
    next_hops: &NextHops,
    attributes: &AttributeTable,
) -> Result<(), Ineligible> {
    if state.is_ok() && source != Rib::LOCAL && next_hops.cost_of(route, attributes).is_none() {
        return Err(Ineligible::NextHopUnreachable);
    }
    state
}

/// `path` as the one that was chosen.
pub(super) fn chosen(path: &Path, ranks: &Ranks<'_>) -> Option<Best> {
    let kind = ranks.of(path.source)?.kind;
    Some(Best { source: path.source, kind, path_id: path.path_id, attributes: path.effective })
}
