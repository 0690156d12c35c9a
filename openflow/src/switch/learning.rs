//! Which flows keep learned flows alive (`delete_learned`, ovs-actions(7)).

use crate::identifier::TableId;
use std::collections::BTreeMap;

/// Counts, by cookie and table, the learn actions whose flows go with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Learning {
    owners: BTreeMap<(u64, u8), usize>,
    orphans: Vec<(u64, u8)>,
}

impl Learning {
    /// A learn action is there.
    pub(super) fn own(&mut self, (cookie, table_id): (u64, TableId)) {
        *self.owners.entry((cookie, table_id.0)).or_default() += 1;
    }

    /// A learn action is gone.
    pub(super) fn disown(&mut self, (cookie, table_id): (u64, TableId)) {
        let key = (cookie, table_id.0);
        let Some(count) = self.owners.get_mut(&key) else { return };
        *count -= 1;
        if *count == 0 {
            self.owners.remove(&key);
            self.orphans.push(key);
        }
    }

    /// A cookie and a table whose learned flows nobody keeps alive any more.
    pub(super) fn next_orphan(&mut self) -> Option<(u64, TableId)> {
        while let Some((cookie, table)) = self.orphans.pop() {
            if !self.owners.contains_key(&(cookie, table)) {
                return Some((cookie, TableId(table)));
            }
        }
        None
    }
}
