//! Where the rules of one switch are kept: one slot per flow entry, found by its identity and by its key.
//!
//! A rule that is installed as it is desired is held once. A slot that is used again has another generation, so that an old reference
//! finds nothing.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use openflow::{FlowBody, FlowModFlags, Match, TableId};
use topology::SeededState;

use super::rule::{Key, RULE_FLAGS, Rule, RuleId, cookie_of_hash};

/// A slot, as long as it holds the same flow entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SlotRef {
    slot: u32,
    generation: u32,
}

/// What the switch has under an identity.
#[derive(Debug)]
pub(super) enum Held {
    Nothing,
    /// Exactly what is desired.
    AsDesired,
    Other(Box<Other>),
}

/// A flow entry of ours that is not what is desired.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Other {
    pub(super) cookie: u64,
    pub(super) idle_timeout: u16,
    pub(super) flags: FlowModFlags,
    pub(super) instructions: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Slot {
    generation: u32,
    pub(super) table: TableId,
    pub(super) priority: u16,
    pub(super) idle_timeout: u16,
    pub(super) stage: u16,
    pub(super) desired: bool,
    /// In a list of what has to be compared.
    pub(super) dirty: bool,
    /// Of the rule that is desired, or was last.
    pub(super) key: Key,
    key_hash: u64,
    /// The match, and the instructions that are desired.
    pub(super) body: FlowBody,
    pub(super) held: Held,
}

impl Slot {
    pub(super) fn cookie(&self) -> u64 {
        cookie_of_hash(self.key.owner, self.key_hash)
    }

    pub(super) fn id(&self) -> RuleId {
        RuleId { table: self.table, priority: self.priority, match_: self.body.match_() }
    }

    /// What is desired becomes one of two: it stands beside what the switch has from now on.
    pub(super) fn part(&mut self) {
        if matches!(self.held, Held::AsDesired) {
            self.held = Held::Other(Box::new(self.as_other()));
        }
    }

    /// What is desired is compared with what the switch has.
    pub(super) fn join(&mut self) {
        if let Held::Other(other) = &self.held
            && self.desired
            && self.is_same(other)
        {
            self.held = Held::AsDesired;
        }
    }

    pub(super) fn as_other(&self) -> Other {
        Other {
            cookie: self.cookie(),
            idle_timeout: self.idle_timeout,
            flags: RULE_FLAGS,
            instructions: self.body.instruction_octets().to_vec(),
        }
    }

    fn is_same(&self, other: &Other) -> bool {
        self.cookie() == other.cookie
            && self.idle_timeout == other.idle_timeout
            && RULE_FLAGS == other.flags
            && self.body.instruction_octets() == other.instructions
    }
}

/// Half of a hash and the slot that it leads to.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    slot: u32,
}

impl Entry {
    /// A table wants 64 bits.
    fn spread(&self) -> u64 {
        spread(self.hash)
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: HashTable<Entry>,
    /// Desired rules only.
    by_key: HashTable<Entry>,
    state: SeededState,
    desired: usize,
}

impl Slots {
    pub(super) fn new(state: SeededState) -> Slots {
        Slots { state, ..Slots::default() }
    }

    /// Desired rules.
    pub(super) fn desired_count(&self) -> usize {
        self.desired
    }

    pub(super) fn get(&self, at: SlotRef) -> Option<&Slot> {
        self.slots.get(at.slot as usize).filter(|slot| slot.generation == at.generation)
    }

    pub(super) fn get_mut(&mut self, at: SlotRef) -> Option<&mut Slot> {
        self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation)
    }

    /// All slots in use, in the order of their places: the same in every run.
    pub(super) fn all(&self) -> impl Iterator<Item = (SlotRef, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.desired || !matches!(slot.held, Held::Nothing))
            .map(|(at, slot)| (SlotRef { slot: at as u32, generation: slot.generation }, slot))
    }

    pub(super) fn find_key(&self, key: &Key, key_hash: u64) -> Option<SlotRef> {
        let hash = self.key_hash(key_hash);
        let slots = &self.slots;
        let found = self.by_key.find(spread(hash), |entry| {
            entry.hash == hash && slots.get(entry.slot as usize).is_some_and(|slot| slot.key == *key)
        })?;
        Some(self.reference(found.slot))
    }

    pub(super) fn find(&self, table: TableId, priority: u16, match_octets: &[u8]) -> Option<SlotRef> {
        self.find_hashed(self.id_hash(table, priority, match_octets), table, priority, match_octets)
    }

    pub(super) fn find_match(&self, table: TableId, priority: u16, match_: &Match) -> Option<SlotRef> {
        self.find(table, priority, FlowBody::of_match(match_).match_octets())
    }

    /// The slot of an identity, a new one if it has none.
    pub(super) fn place(&mut self, table: TableId, priority: u16, body: &FlowBody) -> SlotRef {
        let hash = self.id_hash(table, priority, body.match_octets());
        if let Some(found) = self.find_hashed(hash, table, priority, body.match_octets()) {
            return found;
        }
        let new = Slot {
            generation: 0,
            table,
            priority,
            idle_timeout: 0,
            stage: 0,
            desired: false,
            dirty: false,
            key: Key::NONE,
            key_hash: 0,
            body: body.clone(),
            held: Held::Nothing,
        };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(slot) = self.slots.get_mut(at as usize) {
                    *slot = Slot { generation: slot.generation, ..new };
                }
                at
            }
            None => {
                self.slots.push(new);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_id.insert_unique(spread(hash), Entry { hash, slot: at }, Entry::spread);
        self.reference(at)
    }

    /// The rule that is desired in this slot.
    pub(super) fn desire(&mut self, at: SlotRef, rule: Rule, key_hash: u64) {
        let hash = self.key_hash(key_hash);
        let Some(slot) = self.slots.get_mut(at.slot as usize) else { return };
        let was_desired = slot.desired;
        let other_key = (was_desired && slot.key != rule.key).then_some(slot.key_hash);
        slot.part();
        (slot.key, slot.key_hash) = (rule.key, key_hash);
        (slot.idle_timeout, slot.stage, slot.body, slot.desired) = (rule.idle_timeout, rule.stage, rule.body, true);
        slot.join();
        if let Some(other_key) = other_key {
            self.unindex_key(at.slot, other_key);
        }
        if !was_desired || other_key.is_some() {
            self.by_key.insert_unique(spread(hash), Entry { hash, slot: at.slot }, Entry::spread);
        }
        self.desired += usize::from(!was_desired);
    }

    /// No rule is desired in this slot any more.
    pub(super) fn undesire(&mut self, at: SlotRef) {
        let Some(slot) = self.slots.get_mut(at.slot as usize).filter(|slot| slot.desired) else { return };
        slot.part();
        slot.desired = false;
        let key_hash = slot.key_hash;
        self.desired -= 1;
        self.unindex_key(at.slot, key_hash);
        self.tidy(at);
    }

    /// A slot that holds nothing is free.
    pub(super) fn tidy(&mut self, at: SlotRef) {
        let Some(slot) = self.slots.get_mut(at.slot as usize) else { return };
        if slot.generation != at.generation || slot.desired || !matches!(slot.held, Held::Nothing) {
            return;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let body = std::mem::replace(&mut slot.body, FlowBody::of_match(&Match::new()));
        let hash = self.id_hash_of(at.slot, &body);
        if let Ok(entry) = self.by_id.find_entry(spread(hash), |entry| entry.slot == at.slot) {
            entry.remove();
        }
        self.free.push(at.slot);
    }

    fn id_hash_of(&self, slot: u32, body: &FlowBody) -> u32 {
        let slot = self.slots.get(slot as usize);
        slot.map_or(0, |slot| self.id_hash(slot.table, slot.priority, body.match_octets()))
    }

    fn unindex_key(&mut self, slot: u32, key_hash: u64) {
        let hash = self.key_hash(key_hash);
        if let Ok(entry) = self.by_key.find_entry(spread(hash), |entry| entry.slot == slot) {
            entry.remove();
        }
    }

    fn find_hashed(&self, hash: u32, table: TableId, priority: u16, match_octets: &[u8]) -> Option<SlotRef> {
        let slots = &self.slots;
        let found = self.by_id.find(spread(hash), |entry| {
            entry.hash == hash
                && slots.get(entry.slot as usize).is_some_and(|slot| {
                    slot.table == table && slot.priority == priority && slot.body.match_octets() == match_octets
                })
        })?;
        Some(self.reference(found.slot))
    }

    fn reference(&self, slot: u32) -> SlotRef {
        SlotRef { slot, generation: self.slots.get(slot as usize).map_or(0, |slot| slot.generation) }
    }

    fn key_hash(&self, key_hash: u64) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(key_hash);
        (hasher.finish() >> 32) as u32
    }

    fn id_hash(&self, table: TableId, priority: u16, match_octets: &[u8]) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(u64::from(table.0) << 16 | u64::from(priority));
        hasher.write(match_octets);
        (hasher.finish() >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use net::PortNo;
    use openflow::Instruction;

    use super::*;
    use crate::flow::Owner;

    fn rule(a: u64, port: u32) -> Rule {
        let key = Key { owner: Owner::Forwarding, kind: 9, a, b: 0 };
        let does = vec![Instruction::GotoTable(TableId(1))];
        Rule::new(key, TableId(0), 5, Match::new().with_in_port(PortNo(port)), does)
    }

    fn desire(slots: &mut Slots, rule: Rule) -> SlotRef {
        let at = slots.place(rule.table, rule.priority, &rule.body);
        let hash = rule.key.hash();
        slots.desire(at, rule, hash);
        at
    }

    fn find(slots: &Slots, a: u64) -> Option<SlotRef> {
        let key = rule(a, 0).key;
        slots.find_key(&key, key.hash())
    }

    #[test]
    fn a_key_that_takes_an_identity_over_is_the_only_one_that_leads_there() {
        let mut slots = Slots::new(SeededState::new(1));
        let at = desire(&mut slots, rule(1, 7));
        assert_eq!(desire(&mut slots, rule(2, 7)), at);
        assert_eq!((find(&slots, 1), find(&slots, 2), slots.desired_count()), (None, Some(at), 1));
    }

    #[test]
    fn a_reference_to_a_slot_that_is_used_again_finds_nothing() {
        let mut slots = Slots::new(SeededState::new(1));
        let old = desire(&mut slots, rule(1, 7));
        slots.undesire(old);
        let new = desire(&mut slots, rule(2, 8));
        assert_eq!((old.slot, new.slot), (0, 0), "the place is used again");
        assert!(slots.get(old).is_none() && slots.get(new).is_some());
        assert_eq!((slots.all().count(), slots.by_id.len(), slots.by_key.len()), (1, 1, 1));
    }

    #[test]
    fn what_is_installed_as_desired_is_kept_beside_a_new_wish() {
        let mut slots = Slots::new(SeededState::new(1));
        let at = desire(&mut slots, rule(1, 7));
        slots.get_mut(at).unwrap().held = Held::AsDesired;
        desire(&mut slots, Rule { idle_timeout: 9, ..rule(1, 7) });
        let Held::Other(other) = &slots.get(at).unwrap().held else { panic!("not parted") };
        assert_eq!(other.idle_timeout, 0);
        desire(&mut slots, rule(1, 7));
        assert!(matches!(slots.get(at).unwrap().held, Held::AsDesired), "the old wish again");
        slots.undesire(at);
        assert!(matches!(slots.get(at).unwrap().held, Held::Other(_)), "still on the switch");
    }
}
