//! The export log: which prefixes changed, in which order, each standing at its latest position only.
//!
//! Readers hold a [`Cursor`]. A reader that is far behind finds a prefix that changed a thousand times once, and a new
//! reader that starts at the beginning finds the whole table: the log is never longer than the table it describes (a
//! small constant factor until the next compaction).

use super::prefix_table::PrefixId;
use std::collections::VecDeque;

/// A place in an export log: everything up to here has been read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Cursor(pub(crate) u64);

impl Cursor {
    /// Before the first record: a reader here reads the whole table.
    pub const START: Cursor = Cursor(0);
}

/// Eight octets: of the position the lower half, which is enough as long as no record is older than [`OLDEST`].
#[derive(Clone, Copy, Debug)]
struct Record {
    position: u32,
    prefix: PrefixId,
}

/// Positions after which a record that still stands is put at the end again: readers then find a prefix once more that
/// has not changed, once in two thousand million changes.
const OLDEST: u32 = 1 << 31;

#[derive(Debug)]
pub(crate) struct ExportLog {
    records: VecDeque<Record>,
    /// By prefix id: the lower half of the position of its one valid record, 0 without one.
    positions: Vec<u32>,
    live: usize,
    last: u64,
    /// [`OLDEST`], less in tests; more than there are prefixes.
    oldest: u32,
}

impl Default for ExportLog {
    fn default() -> ExportLog {
        ExportLog { records: VecDeque::new(), positions: Vec::new(), live: 0, last: 0, oldest: OLDEST }
    }
}

impl ExportLog {
    /// Puts `prefix` at the end.
    pub(crate) fn touch(&mut self, prefix: PrefixId) {
        self.append(prefix);
        self.compact();
        while let Some(oldest) = self.records.front().copied().filter(|oldest| self.age(oldest) >= self.oldest) {
            self.records.pop_front();
            if self.is_live(&oldest) {
                self.append(oldest.prefix);
            }
        }
    }

    fn append(&mut self, prefix: PrefixId) {
        if prefix.index() >= self.positions.len() {
            self.positions.resize(prefix.index() + 1, 0);
        }
        let Some(position) = self.positions.get_mut(prefix.index()) else { return };
        self.live += usize::from(*position == 0);
        self.last += 1;
        // 0 means that there is none.
        self.last += u64::from(self.last as u32 == 0);
        *position = self.last as u32;
        self.records.push_back(Record { position: self.last as u32, prefix });
    }

    fn age(&self, record: &Record) -> u32 {
        (self.last as u32).wrapping_sub(record.position)
    }

    /// The whole of a record's position.
    fn position(&self, record: &Record) -> u64 {
        self.last - u64::from(self.age(record))
    }

    /// Takes `prefix` out: no reader needs to hear of it.
    pub(crate) fn forget(&mut self, prefix: PrefixId) {
        let Some(position) = self.positions.get_mut(prefix.index()) else { return };
        self.live -= usize::from(*position != 0);
        *position = 0;
        self.compact();
    }

    /// Takes all out. Positions go on from where they are: cursors stay good.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.positions.clear();
        self.live = 0;
    }

    /// At most `limit` prefixes after `from`, oldest change first, and the cursor behind them.
    pub(crate) fn read(&self, from: Cursor, limit: usize, out: &mut Vec<PrefixId>) -> Cursor {
        out.clear();
        // There is at most one record for each position behind `from`: who is near the end searches there alone.
        let behind = usize::try_from(self.last - from.0.min(self.last)).unwrap_or(usize::MAX);
        let (mut start, mut end) = (self.records.len().saturating_sub(behind), self.records.len());
        while start < end {
            let middle = start.midpoint(end);
            match self.records.get(middle) {
                Some(record) if self.position(record) <= from.0 => start = middle + 1,
                _ => end = middle,
            }
        }
        let mut cursor = from;
        for record in self.records.range(start..) {
            if self.is_live(record) {
                if out.len() == limit {
                    return cursor;
                }
                out.push(record.prefix);
                cursor = Cursor(self.position(record));
            }
        }
        self.end()
    }

    /// Behind the last record.
    pub(crate) const fn end(&self) -> Cursor {
        Cursor(self.last)
    }

    /// Number of prefixes in the log.
    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    fn is_live(&self, record: &Record) -> bool {
        self.positions.get(record.prefix.index()) == Some(&record.position)
    }

    /// Drops dead records once they outnumber the live ones: constant time per change on average.
    fn compact(&mut self) {
        if self.records.len() < 2 * self.live + COMPACTION_SLACK {
            return;
        }
        let positions = &self.positions;
        self.records.retain(|record| positions.get(record.prefix.index()) == Some(&record.position));
        if self.live == 0 {
            self.positions.clear();
        }
    }
}

/// Dead records that are not worth a pass over the log.
const COMPACTION_SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(values: &[u32]) -> Vec<PrefixId> {
        values.iter().copied().map(PrefixId).collect()
    }

    #[test]
    fn a_prefix_stands_at_its_latest_position_only() {
        let mut log = ExportLog::default();
        let mut out = Vec::new();
        for id in [1, 2, 3, 1] {
            log.touch(PrefixId(id));
        }
        let cursor = log.read(Cursor::START, 2, &mut out);
        assert_eq!(out, ids(&[2, 3]));
        log.touch(PrefixId(2));
        log.forget(PrefixId(1));
        let cursor = log.read(cursor, 9, &mut out);
        assert_eq!(out, ids(&[2]));
        assert_eq!(cursor, log.end());
        log.read(cursor, 9, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn many_prefixes_that_grow_old_together_are_put_at_the_end_one_after_the_other() {
        const PREFIXES: u32 = 100_000;
        let mut log = ExportLog { oldest: PREFIXES + 10, ..ExportLog::default() };
        (0..PREFIXES).for_each(|id| log.touch(PrefixId(id)));
        (0..20).for_each(|_| log.touch(PrefixId(PREFIXES)));
        let mut out = Vec::new();
        log.read(Cursor::START, usize::MAX, &mut out);
        assert_eq!((out.len(), log.len()), (PREFIXES as usize + 1, PREFIXES as usize + 1));
        assert!(log.records.iter().all(|record| log.age(record) < log.oldest));
    }

    proptest! {
        #[test]
        fn readers_at_any_pace_see_the_last_state_of_every_prefix(
            operations in prop::collection::vec((0u32..40, any::<bool>()), 1..600), limit in 1usize..7,
            start in prop::sample::select(vec![0, u64::from(u32::MAX) - 90]),
        ) {
            let mut log = ExportLog { last: start, oldest: 64, ..ExportLog::default() };
            let (mut slow, mut out) = (Cursor::START, Vec::new());
            let mut seen = std::collections::BTreeSet::new();
            for (step, (id, touch)) in operations.iter().enumerate() {
                if *touch { log.touch(PrefixId(*id)) } else { log.forget(PrefixId(*id)) }
                seen.remove(id);
                prop_assert!(log.records.len() <= 2 * log.len() + COMPACTION_SLACK);
                if step % 5 == 0 {
                    slow = log.read(slow, limit, &mut out);
                    seen.extend(out.iter().map(|id| id.0));
                }
            }
            while slow != log.end() {
                let before = slow;
                slow = log.read(slow, limit, &mut out);
                prop_assert!(slow > before && out.len() <= limit);
                seen.extend(out.iter().map(|id| id.0));
            }
            log.read(Cursor::START, usize::MAX, &mut out);
            prop_assert_eq!(out.len(), log.len());
            for id in out.clone() {
                prop_assert!(seen.contains(&id.0));
            }
        }
    }
}
