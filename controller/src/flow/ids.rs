//! Group numbers: each key's own hash, so that a restart finds the groups that it left. Where two hashes meet, the rules that point to these groups
//! tell which is whose.

use std::collections::BTreeMap;

use openflow::GroupId;

use super::rule::{GROUP_MARK, Key};

/// Numbers behind a key's hash that may be its own: of a thousand keys two meet, not nine.
const MEETING: u32 = 8;

/// Key ↔ group number, for one switch.
#[derive(Clone, Debug, Default)]
pub struct GroupIds {
    by_key: BTreeMap<Key, GroupId>,
    by_id: BTreeMap<GroupId, Key>,
}

impl GroupIds {
    /// The number of `key`'s group: its hash, or the next free number after it where two hashes meet.
    /// The one that is stated, if the key states one.
    pub fn id(&mut self, key: Key) -> GroupId {
        if let Some(id) = key.stated_group() {
            return id;
        }
        self.seeded(key, || None, |_| false)
    }

    /// The same on a switch where a rule that should lead to the group leads to `found` now, and where groups are `installed` of which nobody knows
    /// yet whose they are: no key is given the number of another one's group while rules lead there.
    pub fn seeded(
        &mut self,
        key: Key,
        found: impl FnOnce() -> Option<GroupId>,
        installed: impl Fn(GroupId) -> bool,
    ) -> GroupId {
        if let Some(id) = key.stated_group() {
            return id;
        }
        if let Some(&id) = self.by_key.get(&key) {
            return id;
        }
        let first = key.hash() as u32;
        let place = |number: u32| GroupId(GROUP_MARK | first.wrapping_add(number) & 0x00ff_ffff);
        let is_open = |id: &GroupId| !self.by_id.contains_key(id);
        let found = found().filter(|found| (0..MEETING).any(|number| place(number) == *found)).filter(is_open);
        // Two beside each other: hashes have met here, and which is whose cannot be told.
        let is_doubtful = |number: u32| {
            installed(place(number)) && (installed(place(number + 1)) || number > 0 && installed(place(number - 1)))
        };
        // Ends: a switch holds far fewer than 2^24 groups.
        let free = || (0..).find(|number| is_open(&place(*number)) && !is_doubtful(*number)).map(place);
        let id = found.or_else(free).unwrap_or_else(|| place(0));
        self.by_key.insert(key, id);
        self.by_id.insert(id, key);
        id
    }

    /// The key of a group number in use.
    pub fn key(&self, id: GroupId) -> Option<Key> {
        self.by_id.get(&id).copied()
    }

    /// Give a number back: the group is gone.
    pub fn release(&mut self, key: Key) {
        if let Some(id) = self.by_key.remove(&key) {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::rule::Owner;

    #[test]
    fn a_key_has_one_number_and_a_number_one_key() {
        let mut ids = GroupIds::default();
        let keys: Vec<Key> = (0..5_000).map(|a| Key { owner: Owner::Forwarding, kind: 1, a, b: 0 }).collect();
        let numbers: Vec<GroupId> = keys.iter().map(|&key| ids.id(key)).collect();
        for (key, id) in keys.iter().zip(&numbers) {
            assert_eq!(ids.id(*key), *id);
            assert_eq!(ids.key(*id), Some(*key));
        }
        ids.release(keys[0]);
        assert_eq!(ids.key(numbers[0]), None);
    }
}
