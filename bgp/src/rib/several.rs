//! All paths of a prefix, for readers who look at more than the best one: in the order of the decision, each with the
//! identifier under which it is sent on (RFC 7911), and a second log for changes that leave the best path alone.

use super::Rib;
use super::decision::{self, Candidate, Step};
use super::export_log::{Cursor, ExportLog};
use super::paths::Path;
use super::prefix_table::PrefixId;
use super::table::{Best, Ranks, SourceId, Table, chosen};
use crate::wire::NextHop;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// Prefixes of which a path has changed although the best is the same. Nobody writes here while nobody reads: a table
/// whose readers want the best paths only does not pay for it. A new reader need not know what is in it: each prefix
/// with a path is in the export log, and who finds it there looks at all of its paths.
#[derive(Debug, Default)]
pub(super) struct FurtherLog {
    log: ExportLog,
    readers: usize,
}

impl FurtherLog {
    pub(super) const fn is_read(&self) -> bool {
        self.readers > 0
    }

    pub(super) fn touch(&mut self, id: PrefixId) {
        self.log.touch(id);
    }

    pub(super) fn forget(&mut self, id: PrefixId) {
        if self.is_read() {
            self.log.forget(id);
        }
    }
}

/// From here on identifiers are no longer made of a source's number and an identifier of 16 bits.
const LONG: u32 = 1 << 31;

/// The identifier that says where a path came from, if both fit: sources' numbers begin at 0, and 0 is nobody's
/// identifier.
fn short_id(source: SourceId, path_id: u32) -> Option<u32> {
    let source = u32::from(source.0) + 1;
    (source < LONG >> 16 && path_id <= u32::from(u16::MAX)).then_some(source << 16 | path_id)
}

/// Where the search for another one begins.
fn long_id(source: SourceId, path_id: u32) -> u32 {
    let mixed = (u64::from(source.0) << 32 | u64::from(path_id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    LONG | (mixed >> 33) as u32
}

/// The identifiers under which the paths of one prefix are sent on. They are the same to everybody, and no two paths
/// have the same. One that says source and received identifier stays as long as the path is there. Those that do not
/// fit into 32 bits have others; where two of these meet, which is rare, the later one in order of source and identifier
/// takes the next free one, and its own again should the earlier one go.
pub(crate) struct SentPathIds<'a> {
    table: &'a Table,
    id: PrefixId,
    /// Of the paths whose identifiers do not fit, all at one time when the first one is asked for. Looked up, never
    /// iterated over.
    long: Option<FxHashMap<(SourceId, u32), u32>>,
}

impl SentPathIds<'_> {
    pub(crate) fn of(&mut self, source: SourceId, path_id: u32) -> u32 {
        if let Some(short) = short_id(source, path_id) {
            return short;
        }
        let SentPathIds { table, id, long } = self;
        let long = long.get_or_insert_with(|| table.long_path_ids(*id));
        long.get(&(source, path_id)).copied().unwrap_or_else(|| long_id(source, path_id))
    }
}

/// Gives each path an identifier of its own, the first one in order first.
fn give_long_ids(mut paths: Vec<(SourceId, u32)>) -> FxHashMap<(SourceId, u32), u32> {
    paths.sort_unstable();
    let mut taken: FxHashSet<u32> = FxHashSet::default();
    let given = paths.into_iter().map(|(source, path_id)| {
        let mut wanted = long_id(source, path_id);
        while !taken.insert(wanted) {
            wanted = LONG | wanted.wrapping_add(1);
        }
        ((source, path_id), wanted)
    });
    given.collect()
}

impl Table {
    pub(crate) const fn sent_path_ids(&self, id: PrefixId) -> SentPathIds<'_> {
        SentPathIds { table: self, id, long: None }
    }

    fn long_path_ids(&self, id: PrefixId) -> FxHashMap<(SourceId, u32), u32> {
        let paths = self.paths.iter(id).map(|path| (path.source, path.path_id));
        give_long_ids(paths.filter(|path| short_id(path.0, path.1).is_none()).collect())
    }

    /// What it costs to look at all paths of a prefix, in prefixes that have few.
    pub(crate) fn cost(&self, id: PrefixId) -> usize {
        self.paths.cost(id)
    }

    /// The paths of a prefix that take part in the decision, the best first, each the best of what is left after those
    /// before it.
    pub(crate) fn ranking<'a>(&'a self, id: PrefixId, ranks: &'a Ranks<'a>) -> Ranking<'a> {
        Ranking { table: self, id, ranks, best: self.best(id), begun: false, others: None }
    }

    /// The same in any order but the best first: it costs no comparison.
    pub(crate) fn eligible<'a>(&'a self, id: PrefixId, ranks: &'a Ranks<'a>) -> impl Iterator<Item = Best> + 'a {
        self.paths.iter(id).filter(|path| path.state.is_ok()).filter_map(|path| chosen(path, ranks))
    }

    /// The paths that are used side by side ([`decision::Multipath`]), the best first, each with another next hop.
    pub(crate) fn multipath(&self, id: PrefixId, ranks: &Ranks<'_>) -> SmallVec<[Best; 4]> {
        let mut used: SmallVec<[Best; 4]> = self.best(id).into_iter().collect();
        let Some(best) = used.first().copied() else { return used };
        let multipath = ranks.options.multipath;
        let limit = multipath.limit(best.kind);
        if limit < 2 || self.paths.is_single(id) {
            return used;
        }
        let paths = self.paths.iter(id).filter(|path| path.state.is_ok());
        let paths = paths.filter_map(|path| Some((self.candidate(path, ranks)?, chosen(path, ranks)?)));
        let (candidates, owners): Candidates = paths.unzip();
        let steps = decision::explain(&candidates, ranks.options);
        let level = candidates.into_iter().zip(owners).zip(steps);
        let level = level.filter(|((_, owner), step)| *owner != best && step.is_some_and(Step::breaks_a_tie));
        let (candidates, owners): Candidates = level.map(|(path, _)| path).unzip();
        let attributes = |path: &Best| self.route_attributes(path.attributes);
        let Some(first) = attributes(&best) else { return used };
        let mut next_hops: SmallVec<[NextHop; 4]> = SmallVec::from_iter([first.next_hop]);
        for next in decision::order(&candidates, ranks.options) {
            if used.len() == limit {
                break;
            }
            let Some(path) = owners.get(next).copied() else { continue };
            let Some(route) = attributes(&path) else { continue };
            let alike = multipath.relaxed || route.attributes.as_path == first.attributes.as_path;
            if alike && !next_hops.contains(&route.next_hop) {
                next_hops.push(route.next_hop);
                used.push(path);
            }
        }
        used
    }

    /// Somebody reads all paths from here on: [`Table::further_end`] is where it starts.
    pub(crate) fn add_further_reader(&mut self) {
        self.further.readers += 1;
    }

    /// Somebody does so no longer.
    pub(crate) fn remove_further_reader(&mut self) {
        self.further.readers = self.further.readers.saturating_sub(1);
        if !self.further.is_read() {
            self.further.log.clear();
        }
    }

    pub(crate) fn read_further(&self, from: Cursor, limit: usize, out: &mut Vec<PrefixId>) -> Cursor {
        self.further.log.read(from, limit, out)
    }

    pub(crate) const fn further_end(&self) -> Cursor {
        self.further.log.end()
    }

    /// A path of the prefix has changed; `before` was the best one. Who reads all paths hears of it, unless the export
    /// log says so already.
    pub(super) fn tell_further(&mut self, id: PrefixId, before: Option<Best>) {
        if self.further.is_read() && before.is_some() && self.best(id) == before {
            self.further.touch(id);
        }
    }
}

impl Rib {
    /// Followers hear of all paths while several may be used side by side: to be called when that has changed.
    pub(super) fn watch_multipath(&mut self) {
        let wanted = self.config.decision.multipath.is_on();
        if wanted != self.watches_multipath {
            self.watches_multipath = wanted;
            for table in &mut self.tables {
                if wanted { table.add_further_reader() } else { table.remove_further_reader() }
            }
        }
    }
}

/// Paths as the decision sees them, and beside each which one it is.
type Candidates = (SmallVec<[Candidate; 8]>, SmallVec<[Best; 8]>);

/// See [`Table::ranking`]. The best path is known; the others are compared only for who asks on.
pub(crate) struct Ranking<'a> {
    table: &'a Table,
    id: PrefixId,
    ranks: &'a Ranks<'a>,
    best: Option<Best>,
    /// The best one has been told.
    begun: bool,
    others: Option<std::vec::IntoIter<Best>>,
}

impl Iterator for Ranking<'_> {
    type Item = Best;

    fn next(&mut self) -> Option<Best> {
        // Without a best path there is none at all.
        let first = self.best?;
        if !std::mem::replace(&mut self.begun, true) {
            return Some(first);
        }
        let Ranking { table, id, ranks, .. } = *self;
        let others = self.others.get_or_insert_with(|| {
            let paths = table.paths.iter(id).filter(|path| path.state.is_ok() && !is(path, &first));
            let paths = paths.filter_map(|path| Some((table.candidate(path, ranks)?, chosen(path, ranks)?)));
            let (candidates, owners): Candidates = paths.unzip();
            let order = decision::order(&candidates, ranks.options).into_iter();
            order.filter_map(|index| owners.get(index).copied()).collect::<Vec<Best>>().into_iter()
        });
        others.next()
    }
}

fn is(path: &Path, best: &Best) -> bool {
    path.is(best.source, best.path_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn identifiers_that_fit_say_source_and_identifier_and_are_never_those_of_others() {
        let ids: BTreeSet<u32> = [(0, 0), (0, 1), (1, 0), (1, u32::from(u16::MAX)), (2, 0), (0x7ffd, 7)]
            .into_iter()
            .map(|(source, path_id)| short_id(SourceId(source), path_id).unwrap())
            .collect();
        assert_eq!(ids.len(), 6);
        assert!(!ids.contains(&0) && ids.iter().all(|id| *id < LONG));
        assert_eq!(short_id(SourceId(1), 0x1_0000), None);
        assert_eq!(short_id(SourceId(0x7fff), 0), None);
        assert!(long_id(SourceId(1), u32::MAX) >= LONG);
    }

    #[test]
    fn identifiers_that_meet_are_told_apart_and_the_first_one_in_order_keeps_its_own() {
        // As far apart as a multiplication by the golden ratio brings together again.
        let [first, second] = [0x1_0000, 0x1_0000 + 2_971_215_073].map(|path_id| (SourceId(1), path_id));
        assert_eq!(long_id(first.0, first.1), long_id(second.0, second.1));
        let given = give_long_ids(vec![second, first]);
        assert_eq!(given[&first], long_id(first.0, first.1));
        assert_eq!(given[&second], LONG | long_id(first.0, first.1).wrapping_add(1));
        assert_eq!(give_long_ids(vec![second])[&second], long_id(second.0, second.1));
    }
}
