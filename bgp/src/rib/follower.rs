//! Following the best routes of a family: what a routing application, a kernel table or a collector reads.

use super::export_log::Cursor;
use super::prefix_table::{PrefixId, PrefixSet};
use super::read::Route;
use super::{Rib, Table};
use crate::wire::Family;
use net::Prefix;

/// A reader of one family's best routes. It first gets the whole table, then every change; a prefix that changed often
/// since the last read is reported once. Where several paths may be used side by side ([`super::Multipath`]) it hears of
/// changes of the others too, and then and when of a prefix for which nothing that it is told is different. Hand it back with [`Rib::unfollow`], or the Rib remembers for ever what it
/// still has to be told.
#[derive(Debug)]
pub struct Follower {
    family: Family,
    cursor: Cursor,
    /// In the log of changes beside the best paths, which is read where several are used.
    further: Cursor,
    held: PrefixSet,
}

impl Follower {
    /// Number of prefixes the reader has been told of and that it has not been told are gone.
    pub const fn len(&self) -> usize {
        self.held.len()
    }

    /// Holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.held.len() == 0
    }
}

/// A best route as it is now; `None` when there is none any more.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Change {
    /// The prefix.
    pub prefix: Prefix,
    /// Its best route.
    pub best: Option<Route>,
}

impl Rib {
    /// A reader at the start of `family`. Its [`Rib::changes`] stay empty if the Rib has no such family.
    pub fn follow(&self, family: Family) -> Follower {
        // Of each prefix in the export log it gets what is then.
        let further = self.table(family).map_or(Cursor::START, Table::further_end);
        Follower { family, cursor: Cursor::START, further, held: PrefixSet::default() }
    }

    /// What changed since the last call: at most `limit` log records are looked at. Empty when the reader is up to
    /// date.
    pub fn changes(&mut self, follower: &mut Follower, limit: usize) -> Vec<Change> {
        let mut records = Vec::new();
        let mut changes = Vec::new();
        if self.deferred {
            return changes;
        }
        loop {
            let multipath = self.config.decision.multipath.is_on();
            let Some(table) = self.table_mut(follower.family) else { return changes };
            let next = table.read_log(follower.cursor, limit.max(1), &mut records);
            if next != follower.cursor {
                follower.cursor = next;
            } else if multipath && follower.further != table.further_end() {
                follower.further = table.read_further(follower.further, limit.max(1), &mut records);
            } else {
                return changes;
            }
            let told: Vec<(PrefixId, bool)> =
                records.iter().filter_map(|id| tell(table, &mut follower.held, *id).map(|best| (*id, best))).collect();
            let family = follower.family;
            for (id, has_best) in told {
                let Some(prefix) = self.table(family).and_then(|table| table.prefix(id)) else { continue };
                let best = if has_best { self.best_route(family, id) } else { None };
                changes.push(Change { prefix, best });
                if !has_best && let Some(table) = self.table_mut(family) {
                    // Only now may the id be used again.
                    table.unpin(id);
                }
            }
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    /// Ends a reader.
    pub fn unfollow(&mut self, follower: Follower) {
        if let Some(table) = self.table_mut(follower.family) {
            for id in follower.held.iter() {
                table.unpin(id);
            }
        }
    }
}

/// Whether there is something to tell of `id`: `Some(true)` a best route, `Some(false)` that there is none any more.
fn tell(table: &mut Table, held: &mut PrefixSet, id: PrefixId) -> Option<bool> {
    if table.best(id).is_some() {
        if held.insert(id) {
            table.pin(id);
        }
        Some(true)
    } else {
        held.remove(id).then_some(false)
    }
}
