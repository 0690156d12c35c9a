//! All paths of one family, by prefix id: the best of each prefix in its entry, the others three to a chunk.
//!
//! A table is a million prefixes with one path, or a few hundred thousand with ten: the first path costs no allocation
//! and no pointer, the others one line of the cache for three.

use super::attribute_table::AttributeId;
use super::decision::SourceKind;
use super::holding::Stamp;
use super::import::Ineligible;
use super::prefix_table::{BATCH, PrefixId};
use super::table::SourceId;
use net::Time;
use smallvec::SmallVec;
use std::time::Duration;

/// When a path was learned, in sixteenths of a second since the speaker's start: that tells older from newer routes for
/// more than eight years in a third of the octets. After that all new ones are equally old.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Learned(u32);

impl From<Time> for Learned {
    fn from(time: Time) -> Learned {
        let sixteenths = time.since(Time::ZERO).as_nanos() * 16 / 1_000_000_000;
        Learned(u32::try_from(sixteenths).unwrap_or(u32::MAX))
    }
}

impl From<Learned> for Time {
    fn from(Learned(sixteenths): Learned) -> Time {
        Time::ZERO + Duration::from_nanos(u64::from(sixteenths) * 62_500_000)
    }
}

/// A route as it is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// As received: what the Adj-RIB-In is made of.
    pub(super) received: AttributeId,
    /// After import policy.
    pub(super) effective: AttributeId,
    pub(super) path_id: u32,
    pub(super) learned: Learned,
    pub(super) source: SourceId,
    pub(super) state: Result<(), Ineligible>,
    /// What else is true of it: see [`super::holding::Holding`].
    pub(super) stamp: Stamp,
}

impl Path {
    /// In a place that is free.
    const NONE: Path = Path {
        received: AttributeId::NONE,
        effective: AttributeId::NONE,
        path_id: 0,
        learned: Learned(0),
        source: SourceId::NONE,
        state: Ok(()),
        stamp: Stamp::FIRST,
    };

    const fn is_some(&self) -> bool {
        self.source.0 != SourceId::NONE.0
    }

    /// Of a path that comes in the place of `old`, when it was learned: the same route again is no newer than it was.
    pub(super) fn learned_after(&self, old: &Path, is_gone: bool) -> Learned {
        if self.received == old.received && !is_gone { old.learned } else { self.learned }
    }

    fn replace(&mut self, path: Path, is_gone: impl Fn(&Path) -> bool) -> Path {
        let learned = path.learned_after(self, is_gone(self));
        std::mem::replace(self, Path { learned, ..path })
    }

    pub(super) fn is(&self, source: SourceId, path_id: u32) -> bool {
        self.source == source && self.path_id == path_id
    }
}

/// No chunk: the end of a chain.
const NO_CHUNK: u32 = u32::MAX;

/// Paths of one prefix that one neighbour may have here (RFC 7911). Each one is compared with all others, and who sends many has more than a
/// choice in mind; further ones are not taken.
pub const MAX_PATHS_OF_SOURCE: usize = 64;

/// Paths of one prefix that cost about as much to look at as the way to the prefix: work that is counted in prefixes, so
/// that a turn stays short, counts a prefix once more for each of so many.
const PATHS_PER_VISIT: usize = 4;

/// Paths per chunk: with the link 64 octets.
const CHUNK: usize = 3;

#[derive(Clone, Copy, Debug)]
struct Chunk {
    paths: [Path; CHUNK],
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The best path, if there is a best; any, or none, if not.
    first: Path,
    more: u32,
    marks: Marks,
}

/// How many readers hold the prefix, and four bits about its paths.
#[derive(Clone, Copy, Debug)]
struct Marks(u32);

impl Marks {
    const HAS_BEST: u32 = 1 << 31;
    const MAY_HAVE_MED: u32 = 1 << 30;
    const KIND_SHIFT: u32 = 28;
    /// 2^28 readers of one prefix are more than there can be sessions.
    const PINS: u32 = (1 << 28) - 1;
}

impl Entry {
    const EMPTY: Entry = Entry { first: Path::NONE, more: NO_CHUNK, marks: Marks(0) };
}

/// The paths of all prefixes of a family.
#[derive(Debug)]
pub(super) struct Paths {
    entries: Vec<Entry>,
    chunks: Vec<Chunk>,
    free: u32,
}

impl Paths {
    pub(super) const fn new() -> Paths {
        Paths { entries: Vec::new(), chunks: Vec::new(), free: NO_CHUNK }
    }

    /// How many ids have an entry.
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// All paths of a prefix, the best first.
    pub(super) fn iter(&self, id: PrefixId) -> impl Iterator<Item = &Path> {
        let entry = self.entries.get(id.index());
        let first = entry.map(|entry| &entry.first);
        let mut more = entry.map_or(NO_CHUNK, |entry| entry.more);
        let chunks = std::iter::from_fn(move || {
            let chunk = self.chunks.get(more as usize)?;
            more = chunk.next;
            Some(&chunk.paths)
        });
        first.into_iter().chain(chunks.flatten()).filter(|path| path.is_some())
    }

    /// Reads the paths of many prefixes, level by level, and returns the attributes of each one's first path.
    pub(super) fn touch(&self, ids: &[Option<PrefixId>; BATCH]) -> [AttributeId; BATCH] {
        let entries = ids.map(|id| self.entries.get(id?.index()));
        let mut more = entries.map(|entry| entry.map_or(NO_CHUNK, |entry| entry.more));
        while more.iter().any(|more| *more != NO_CHUNK) {
            more = more.map(|more| self.chunks.get(more as usize).map_or(NO_CHUNK, |chunk| chunk.next));
        }
        entries.map(|entry| entry.map_or(AttributeId::NONE, |entry| entry.first.effective))
    }

    /// Calls `change` on each path of a prefix. Source and path id have to stay.
    pub(super) fn for_each_mut(&mut self, id: PrefixId, mut change: impl FnMut(&mut Path)) {
        let Some(entry) = self.entries.get_mut(id.index()) else { return };
        if entry.first.is_some() {
            change(&mut entry.first);
        }
        let mut more = entry.more;
        while let Some(chunk) = self.chunks.get_mut(more as usize) {
            chunk.paths.iter_mut().filter(|path| path.is_some()).for_each(&mut change);
            more = chunk.next;
        }
    }

    /// A prefix without paths, if there was none yet.
    pub(super) fn make_room(&mut self, id: PrefixId) {
        if id.index() >= self.entries.len() {
            self.entries.resize(id.index() + 1, Entry::EMPTY);
        }
    }

    /// Puts `path` in the place of the one with the same source and path id, which is returned, or adds it. It is as old as
    /// that one if it has the same attributes, unless that one `is_gone` already.
    pub(super) fn put(&mut self, id: PrefixId, path: Path, is_gone: impl Fn(&Path) -> bool) -> Option<Path> {
        self.make_room(id);
        let entry = self.entries.get_mut(id.index())?;
        if entry.first.is(path.source, path.path_id) {
            return Some(entry.first.replace(path, is_gone));
        }
        let mut room = None;
        let mut more = entry.more;
        while let Some(chunk) = self.chunks.get_mut(more as usize) {
            for (place, old) in chunk.paths.iter_mut().enumerate() {
                if old.is(path.source, path.path_id) {
                    return Some(old.replace(path, is_gone));
                }
                if !old.is_some() {
                    room.get_or_insert((more, place));
                }
            }
            more = chunk.next;
        }
        if !entry.first.is_some() {
            entry.first = path;
        } else if let Some((chunk, place)) = room {
            if let Some(free) = self.chunks.get_mut(chunk as usize).and_then(|chunk| chunk.paths.get_mut(place)) {
                *free = path;
            }
        } else {
            let mut chunk = Chunk { paths: [Path::NONE; CHUNK], next: entry.more };
            let [first, ..] = &mut chunk.paths;
            *first = path;
            let more = self.add_chunk(chunk);
            self.entries.get_mut(id.index())?.more = more;
        }
        None
    }

    /// Takes away the paths for which `keep` is false.
    pub(super) fn retain(&mut self, id: PrefixId, keep: impl Fn(&Path) -> bool) {
        let kept: SmallVec<[Path; 12]> = self.iter(id).filter(|path| keep(path)).copied().collect();
        let Some(entry) = self.entries.get_mut(id.index()) else { return };
        entry.first = Path::NONE;
        let mut more = std::mem::replace(&mut entry.more, NO_CHUNK);
        while let Some(chunk) = self.chunks.get_mut(more as usize) {
            let next = std::mem::replace(&mut chunk.next, self.free);
            self.free = more;
            more = next;
        }
        let mut kept = kept.into_iter();
        let Some(first) = kept.next() else { return };
        entry.first = first;
        let rest: SmallVec<[Path; 12]> = kept.collect();
        let mut more = NO_CHUNK;
        for few in rest.chunks(CHUNK) {
            let mut chunk = Chunk { paths: [Path::NONE; CHUNK], next: more };
            chunk.paths.iter_mut().zip(few).for_each(|(place, path)| *place = *path);
            more = self.add_chunk(chunk);
        }
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.more = more;
        }
    }

    fn add_chunk(&mut self, chunk: Chunk) -> u32 {
        match self.chunks.get_mut(self.free as usize) {
            Some(place) => {
                let at = self.free;
                self.free = place.next;
                *place = chunk;
                at
            }
            None => {
                self.chunks.push(chunk);
                self.chunks.len() as u32 - 1
            }
        }
    }

    /// Whether a source has as many paths of a prefix as it may, and this is none of them.
    pub(super) fn has_all_of(
        &self,
        id: PrefixId,
        source: SourceId,
        path_id: u32,
        counts: impl Fn(&Path) -> bool,
    ) -> bool {
        let (mut count, mut known) = (0, false);
        for path in self.iter(id).filter(|path| path.source == source) {
            count += usize::from(counts(path));
            known |= path.path_id == path_id;
        }
        count >= MAX_PATHS_OF_SOURCE && !known
    }

    /// Puts the path with this source and path id first and calls it the best; `None`: there is no best.
    pub(super) fn set_best(&mut self, id: PrefixId, best: Option<(SourceId, u32, SourceKind)>) {
        let Some(entry) = self.entries.get_mut(id.index()) else { return };
        let Some((source, path_id, kind)) = best else {
            entry.marks.0 &= !Marks::HAS_BEST;
            return;
        };
        entry.marks.0 &= !(0b11 << Marks::KIND_SHIFT);
        entry.marks.0 |= Marks::HAS_BEST | (kind as u32) << Marks::KIND_SHIFT;
        if entry.first.is(source, path_id) {
            return;
        }
        let mut more = entry.more;
        while let Some(chunk) = self.chunks.get_mut(more as usize) {
            if let Some(path) = chunk.paths.iter_mut().find(|path| path.is(source, path_id)) {
                std::mem::swap(path, &mut entry.first);
                return;
            }
            more = chunk.next;
        }
    }

    /// The best path and how it was learned.
    pub(super) fn best(&self, id: PrefixId) -> Option<(&Path, SourceKind)> {
        let entry = self.entries.get(id.index()).filter(|entry| entry.marks.0 & Marks::HAS_BEST != 0)?;
        let kind = match entry.marks.0 >> Marks::KIND_SHIFT & 0b11 {
            0 => SourceKind::Local,
            1 => SourceKind::External,
            _ => SourceKind::Internal,
        };
        Some((&entry.first, kind))
    }

    /// What it costs to look at all paths of a prefix, in prefixes that have few.
    pub(super) fn cost(&self, id: PrefixId) -> usize {
        1 + self.iter(id).count() / PATHS_PER_VISIT
    }

    /// No path at all.
    pub(super) fn is_empty(&self, id: PrefixId) -> bool {
        self.iter(id).next().is_none()
    }

    /// One path that stands alone.
    pub(super) fn is_single(&self, id: PrefixId) -> bool {
        self.entries.get(id.index()).is_some_and(|entry| entry.more == NO_CHUNK && entry.first.is_some())
    }

    /// Some path that took part in a decision since the last one over all paths has a MED.
    pub(super) fn may_have_med(&self, id: PrefixId) -> bool {
        self.entries.get(id.index()).is_some_and(|entry| entry.marks.0 & Marks::MAY_HAVE_MED != 0)
    }

    pub(super) fn set_may_have_med(&mut self, id: PrefixId, may: bool) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.marks.0 = entry.marks.0 & !Marks::MAY_HAVE_MED | if may { Marks::MAY_HAVE_MED } else { 0 };
        }
    }

    /// Some reader holds the prefix: it cannot go before each has been told.
    pub(super) fn is_pinned(&self, id: PrefixId) -> bool {
        self.entries.get(id.index()).is_some_and(|entry| entry.marks.0 & Marks::PINS != 0)
    }

    pub(super) fn pin(&mut self, id: PrefixId) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.marks.0 += 1;
        }
    }

    pub(super) fn unpin(&mut self, id: PrefixId) {
        if let Some(entry) = self.entries.get_mut(id.index()).filter(|entry| entry.marks.0 & Marks::PINS != 0) {
            entry.marks.0 -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_path_has_twenty_octets_and_what_stands_for_a_prefix_and_for_three_paths_is_small() {
        assert_eq!((size_of::<Path>(), size_of::<Entry>(), size_of::<Chunk>()), (20, 28, 64));
    }

    #[test]
    fn whole_seconds_of_age_come_back() {
        for seconds in [0, 1, 9, 86_400, 200_000_000] {
            assert_eq!(Time::from(Learned::from(Time::from_secs(seconds))), Time::from_secs(seconds));
        }
        assert!(Learned::from(Time::MAX) >= Learned::from(Time::from_secs(1)));
    }

    #[test]
    fn a_source_has_so_many_paths_of_a_prefix_and_no_more() {
        let (prefix, source) = (PrefixId(0), SourceId(1));
        let mut paths = Paths::new();
        for path_id in 1..=MAX_PATHS_OF_SOURCE as u32 {
            assert!(!paths.has_all_of(prefix, source, path_id, |_| true));
            paths.put(prefix, Path { source, path_id, ..Path::NONE }, |_| false);
            paths.put(prefix, Path { source: SourceId(2), path_id, ..Path::NONE }, |_| false);
        }
        assert!(paths.has_all_of(prefix, source, 1_000, |_| true), "a new one");
        assert!(!paths.has_all_of(prefix, source, 7, |_| true), "one that is there");
        assert!(!paths.has_all_of(prefix, SourceId(3), 1, |_| true), "another source");
        paths.retain(prefix, |path| path.path_id != 7 || path.source != source);
        assert!(!paths.has_all_of(prefix, source, 1_000, |_| true));
        assert_eq!(paths.iter(prefix).count(), 2 * MAX_PATHS_OF_SOURCE - 1);
        // More than there may be, however they have come.
        paths.put(prefix, Path { source, path_id: 1_000, ..Path::NONE }, |_| false);
        paths.put(prefix, Path { source, ..Path::NONE }, |_| false);
        let known: Vec<u32> =
            paths.iter(prefix).filter(|path| path.source == source).map(|path| path.path_id).collect();
        assert_eq!(known.len(), MAX_PATHS_OF_SOURCE + 1);
        assert!(
            known.iter().all(|path_id| !paths.has_all_of(prefix, source, *path_id, |_| true)),
            "each can be replaced"
        );
    }

    proptest! {
        #[test]
        fn paths_are_those_of_a_plain_map_under_any_operations(
            steps in prop::collection::vec((0u8..4, 0u32..3, 0u16..9, 0u32..2, 0u32..100), 1..200),
        ) {
            let mut paths = Paths::new();
            let mut plain: BTreeMap<(u32, u16, u32), u32> = BTreeMap::new();
            let mut best: BTreeMap<u32, (u16, u32)> = BTreeMap::new();
            for (operation, id, source, path_id, value) in steps {
                let prefix = PrefixId(id);
                match operation {
                    0 | 1 => {
                        let path = Path { source: SourceId(source), path_id, received: AttributeId(value), ..Path::NONE };
                        let old = paths.put(prefix, path, |_| false).map(|path| path.received.0);
                        prop_assert_eq!(old, plain.insert((id, source, path_id), value));
                    }
                    2 if plain.contains_key(&(id, source, path_id)) => {
                        paths.set_best(prefix, Some((SourceId(source), path_id, SourceKind::Internal)));
                        best.insert(id, (source, path_id));
                    }
                    3 => {
                        paths.retain(prefix, |path| path.source.0 != source);
                        plain.retain(|(other, from, _), _| *other != id || *from != source);
                        paths.set_best(prefix, None);
                        best.remove(&id);
                    }
                    _ => {}
                }
                for id in 0..3 {
                    let mut got: Vec<(u16, u32, u32)> =
                        paths.iter(PrefixId(id)).map(|path| (path.source.0, path.path_id, path.received.0)).collect();
                    if let Some((source, path_id)) = best.get(&id) {
                        let best = paths.best(PrefixId(id)).map(|(path, kind)| (path.source.0, path.path_id, kind));
                        prop_assert_eq!(best, Some((*source, *path_id, SourceKind::Internal)));
                    } else {
                        prop_assert!(paths.best(PrefixId(id)).is_none());
                    }
                    got.sort_unstable();
                    let wanted: Vec<(u16, u32, u32)> = plain.iter().filter(|((other, ..), _)| *other == id)
                        .map(|((_, source, path_id), value)| (*source, *path_id, *value)).collect();
                    prop_assert_eq!(paths.is_empty(PrefixId(id)), wanted.is_empty());
                    prop_assert_eq!(got, wanted);
                }
            }
            // What is free is used again.
            prop_assert!(paths.chunks.len() <= plain.len().max(3 * 18));
        }
    }
}
