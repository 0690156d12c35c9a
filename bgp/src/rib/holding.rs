//! What is known of one source's routes of one family beside the routes themselves: at which prefixes they are, how many
//! they are, and what is to become of them.
//!
//! A path carries the stamp that was the current one when it came. What is true of all paths with a stamp stands here
//! once: a refresh begins, and a session ends, without a look at any path. The paths are looked at later, slice by slice
//! (`super::sweep`), if there is anything to be done about them at all.

use super::SourceCounts;
use super::id_set::IdSet;
use super::paths::Path;
use super::prefix_table::PrefixId;
use smallvec::SmallVec;

/// Which of its [`Holding`]'s rows a path belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Stamp(u8);

impl Stamp {
    /// Of a source's first paths.
    pub(super) const FIRST: Stamp = Stamp(0);
}

/// What is true of paths with the same stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Sent in this session, and since the refresh that is under way has begun, if there is one.
    Current,
    /// Not yet sent again in the refresh that is under way (RFC 7313 §4).
    Refreshing,
    /// Of a session that is over, and not yet sent again (RFC 4724 §4.2).
    Stale,
    /// The same for longer: with LLGR_STALE, as the last resort (RFC 9494 §4.3).
    LongLived,
    /// To be taken away. Not in the Adj-RIB-In any more, but still in the decision until its turn comes.
    Gone,
}

/// Most stamps at one time. Refreshes that begin again and again, with routes in between, use some up that come back only
/// when the routes are next looked at; the last ones are for sessions that end.
const STAMPS: usize = 256;
const STAMPS_OF_REFRESHES: usize = 192;

/// Stamps after which those that mean the same are made one.
const MANY_STAMPS: usize = 64;

/// Octets of a route's attributes that do not count toward a limit: what nearly all routes have. Beyond, a route costs
/// memory by its attributes and not by its number.
pub const FREE_OCTETS: usize = 512;

#[derive(Clone, Copy, Debug)]
struct Row {
    fate: Fate,
    counts: SourceCounts,
    /// Beyond [`FREE_OCTETS`] of each route.
    octets: u64,
}

impl Row {
    const FREE: Row = Row { fate: Fate::Current, counts: SourceCounts { received: 0, accepted: 0 }, octets: 0 };
}

/// What is left to do about the paths, and where it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    /// The prefixes before this one are done.
    at: u32,
    /// Import is asked anew about each.
    rework: bool,
    /// All over again afterwards, and whether with `rework`.
    again: Option<bool>,
}

/// A set of stamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps([u64; STAMPS / 64]);

impl Stamps {
    pub(super) fn contains(&self, stamp: Stamp) -> bool {
        self.0.get(usize::from(stamp.0) / 64).is_some_and(|word| word >> (stamp.0 % 64) & 1 != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn insert(&mut self, stamp: usize) {
        if let Some(word) = self.0.get_mut(stamp / 64) {
            *word |= 1 << (stamp % 64);
        }
    }
}

/// One source's routes of one family.
#[derive(Debug)]
pub(super) struct Holding {
    /// Where there is at least one.
    pub(super) prefixes: IdSet,
    rows: SmallVec<[Row; 2]>,
    current: Stamp,
    /// A refresh has begun (RFC 7313 §4).
    refreshing: bool,
    pub(super) sweep: Option<Sweep>,
    /// Paths that were not taken because there were too many of their prefix.
    pub(super) refused: u64,
    /// Some path has come with an identifier: there may be several of a prefix (RFC 7911), and one without an identifier
    /// is one of them.
    pub(super) has_path_ids: bool,
}

impl Default for Holding {
    fn default() -> Holding {
        Holding {
            prefixes: IdSet::default(),
            rows: SmallVec::from_iter([Row::FREE]),
            current: Stamp::FIRST,
            refreshing: false,
            sweep: None,
            refused: 0,
            has_path_ids: false,
        }
    }
}

impl Holding {
    /// For paths that come now.
    pub(super) const fn stamp(&self) -> Stamp {
        self.current
    }

    fn row(&self, stamp: Stamp) -> Option<&Row> {
        self.rows.get(usize::from(stamp.0))
    }

    pub(super) fn fate(&self, path: &Path) -> Fate {
        self.row(path.stamp).map_or(Fate::Current, |row| row.fate)
    }

    pub(super) fn is_gone(&self, path: &Path) -> bool {
        self.fate(path) == Fate::Gone
    }

    /// The stamps of paths that are to be taken away.
    pub(super) fn gone(&self) -> Stamps {
        let mut stamps = Stamps([0; STAMPS / 64]);
        let gone = |row: &Row| row.fate == Fate::Gone && row.counts.received > 0;
        for (index, _) in self.rows.iter().enumerate().filter(|(_, row)| gone(row)) {
            stamps.insert(index);
        }
        stamps
    }

    /// In the Adj-RIB-In: without what is to be taken away.
    pub(super) fn counts(&self) -> SourceCounts {
        let rows = self.rows.iter().filter(|row| row.fate != Fate::Gone);
        rows.fold(SourceCounts::default(), |sum, row| SourceCounts {
            received: sum.received + row.counts.received,
            accepted: sum.accepted + row.counts.accepted,
        })
    }

    /// Paths that were kept from a session that is over.
    pub(super) fn stale(&self) -> u64 {
        let rows = self.rows.iter().filter(|row| matches!(row.fate, Fate::Stale | Fate::LongLived));
        rows.map(|row| row.counts.received).sum()
    }

    /// Paths that are still to be taken away.
    pub(super) fn leaving(&self) -> u64 {
        self.rows.iter().filter(|row| row.fate == Fate::Gone).map(|row| row.counts.received).sum()
    }

    /// Octets of attributes in the Adj-RIB-In, beyond [`FREE_OCTETS`] of each route.
    pub(super) fn octets(&self) -> u64 {
        self.rows.iter().filter(|row| row.fate != Fate::Gone).map(|row| row.octets).sum()
    }

    /// No path at all, and nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        self.sweep.is_none() && self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.counts.received == 0)
    }

    /// One more path.
    pub(super) fn add(&mut self, path: &Path, octets: u64) {
        if let Some(row) = self.rows.get_mut(usize::from(path.stamp.0)) {
            row.counts.received += 1;
            row.counts.accepted += u64::from(path.state.is_ok());
            row.octets += octets;
        }
    }

    /// One less.
    pub(super) fn take(&mut self, path: &Path, octets: u64) {
        if let Some(row) = self.rows.get_mut(usize::from(path.stamp.0)) {
            row.counts.received = row.counts.received.saturating_sub(1);
            row.counts.accepted = row.counts.accepted.saturating_sub(u64::from(path.state.is_ok()));
            row.octets = row.octets.saturating_sub(octets);
        }
    }

    /// The stamp that stands for all with the fate of this one.
    pub(super) fn plain(&self, stamp: Stamp) -> Stamp {
        let fate = self.row(stamp).map(|row| row.fate);
        let first = self.rows.iter().position(|row| row.counts.received > 0 && Some(row.fate) == fate);
        first.and_then(|index| u8::try_from(index).ok()).map_or(stamp, Stamp)
    }

    /// There may be stamps that mean the same.
    pub(super) fn has_many_stamps(&self) -> bool {
        self.rows.len() > 2
    }

    /// Something is to be done about paths even if import has nothing new to say about them.
    fn is_sweep_due(&self) -> bool {
        let (mut leaving, mut used) = (0, 0);
        for row in &self.rows {
            leaving += if row.fate == Fate::Gone { row.counts.received } else { 0 };
            used += usize::from(row.counts.received > 0);
        }
        leaving > 0 || used > MANY_STAMPS
    }

    /// Another stamp for what comes from here on, out of the first `limit`; what paths have been so far changes.
    fn turn(&mut self, limit: usize, change: impl Fn(Fate) -> Fate) -> bool {
        let free = match self.rows.iter().position(|row| row.counts.received == 0) {
            Some(free) if free < limit => free,
            None if self.rows.len() < limit => {
                self.rows.push(Row::FREE);
                self.rows.len() - 1
            }
            _ => return false,
        };
        self.rows.iter_mut().for_each(|row| row.fate = change(row.fate));
        if let (Some(row), Ok(stamp)) = (self.rows.get_mut(free), u8::try_from(free)) {
            (*row, self.current) = (Row::FREE, Stamp(stamp));
        }
        true
    }

    fn change(&mut self, change: impl Fn(Fate) -> Fate) {
        self.rows.iter_mut().for_each(|row| row.fate = change(row.fate));
    }

    /// The source sends everything again (RFC 7313 §4). Where stamps have run out, that is taken for a part of the refresh
    /// that is under way: nothing is lost, and something may stay that the source did not mean to send.
    pub(super) fn refresh_begins(&mut self) {
        self.refreshing = true;
        self.turn(STAMPS_OF_REFRESHES, |fate| if fate == Fate::Current { Fate::Refreshing } else { fate });
    }

    /// It has sent everything: the rest goes. An end without a beginning says nothing.
    pub(super) fn refresh_ends(&mut self) {
        if std::mem::take(&mut self.refreshing) {
            self.change(|fate| if fate == Fate::Current { fate } else { Fate::Gone });
        }
    }

    /// The session is over, and what it has brought is kept. What had been kept before goes (RFC 4724 §4.2). `false`: there
    /// is no stamp left, and a sweep has to end first.
    pub(super) fn session_ends(&mut self) -> bool {
        self.refreshing = false;
        self.turn(STAMPS, |fate| match fate {
            Fate::Current | Fate::Refreshing => Fate::Stale,
            Fate::Stale | Fate::LongLived | Fate::Gone => Fate::Gone,
        })
    }

    /// What was kept from an earlier session goes.
    pub(super) fn stale_ends(&mut self) {
        self.change(|fate| if matches!(fate, Fate::Stale | Fate::LongLived) { Fate::Gone } else { fate });
    }

    /// What was kept is kept for longer.
    pub(super) fn long_lived_begins(&mut self) {
        self.change(|fate| if fate == Fate::Stale { Fate::LongLived } else { fate });
    }

    /// Everything goes. `false` as in [`Holding::session_ends`].
    pub(super) fn everything_ends(&mut self) -> bool {
        self.refreshing = false;
        self.turn(STAMPS, |_| Fate::Gone)
    }

    /// The paths are to be looked at, all of them from here on; `rework`: import is to be asked about each. `false`: there
    /// is nothing to be done, or it is being done.
    pub(super) fn ask_for_sweep(&mut self, rework: bool) -> bool {
        let due = if rework { !self.is_empty() } else { self.is_sweep_due() };
        match &mut self.sweep {
            _ if !due => false,
            None => {
                self.sweep = Some(Sweep { at: 0, rework, again: None });
                true
            }
            // Never back to the start before the end was reached: who asks often must not keep it from getting there.
            Some(sweep) => {
                sweep.again = Some(sweep.again.unwrap_or(false) | rework);
                false
            }
        }
    }

    /// A sweep of all there is, whatever is left of the one that is under way.
    pub(super) fn begin_again(&mut self) {
        let rework = self.sweep.is_some_and(|sweep| sweep.rework || sweep.again == Some(true));
        self.sweep = Some(Sweep { at: 0, rework, again: None });
    }

    /// The next prefix to be looked at, if any is left, and whether import is to be asked.
    pub(super) fn next(&mut self) -> Option<(PrefixId, bool)> {
        loop {
            let due = self.is_sweep_due();
            let sweep = self.sweep.as_mut()?;
            if (due || sweep.rework)
                && let Some(id) = self.prefixes.next(sweep.at)
            {
                sweep.at = id.0 + 1;
                return Some((id, sweep.rework));
            }
            match sweep.again.take() {
                Some(rework) if due || rework => (sweep.at, sweep.rework) = (0, rework),
                _ => {
                    self.sweep = None;
                    self.drop_free_rows();
                }
            }
        }
    }

    fn drop_free_rows(&mut self) {
        while self.rows.len() > usize::from(self.current.0) + 1
            && self.rows.last().is_some_and(|row| row.counts.received == 0)
        {
            self.rows.pop();
        }
    }
}
