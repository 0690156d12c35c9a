//! Group numbers: each key's own hash, so that a restart finds the groups that it left.

use std::collections::BTreeMap;

use openflow::GroupId;

use super::rule::{GROUP_MARK, Key};

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
        if let Some(&id) = self.by_key.get(&key) {
            return id;
        }
        let mut number = key.hash() as u32 & 0x00ff_ffff;
        let mut id = GroupId(GROUP_MARK | number);
        // Ends: a switch holds far fewer than 2^24 groups.
        while self.by_id.contains_key(&id) {
            number = (number + 1) & 0x00ff_ffff;
            id = GroupId(GROUP_MARK | number);
        }
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
