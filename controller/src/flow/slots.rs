//! Where the rules of one switch are kept: one slot per flow entry, found by its identity and, unless that is said by its key, by its key.
//!
//! A rule that is installed as it is desired is held once. A slot that is used again has another generation, so that an old reference
//! finds nothing.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};

use openflow::{FlowModFlags, Match, TableId};
use topology::{Index, SeededState, Slab};

use super::body::{FlowBody, FlowKey};
use super::rule::{Key, RULE_FLAGS, Rule, RuleId};

/// A slot, as long as it holds the same flow entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SlotRef {
    slot: u32,
    generation: u32,
}

/// What the switch has under an identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held<'s> {
    Nothing,
    /// Exactly what is desired.
    AsDesired,
    Other(&'s Other),
}

/// A flow entry of ours that is not what is desired.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Other {
    pub(super) cookie: u64,
    pub(super) idle_timeout: u16,
    pub(super) flags: FlowModFlags,
    pub(super) instructions: Vec<u8>,
}

/// 64 octets, one line of the cache: a switch may have a hundred thousand.
#[derive(Debug)]
pub(super) struct Slot {
    /// Of the rule that is desired, or was last.
    pub(super) key: Key,
    /// The match, and the instructions that are desired.
    pub(super) body: FlowBody,
    /// What the switch has, if it is something else than what is desired.
    other: Option<Box<Other>>,
    generation: u32,
    pub(super) priority: u16,
    pub(super) idle_timeout: u16,
    pub(super) stage: u16,
    pub(super) table: TableId,
    pub(super) desired: bool,
    /// In a list of what has to be compared.
    pub(super) dirty: bool,
    /// The switch has exactly what is desired.
    as_desired: bool,
    /// The audit that has seen it, or in which it was changed.
    seen: u8,
}

impl Slot {
    pub(super) fn cookie(&self) -> u64 {
        self.key.cookie()
    }

    /// Whether the rule has this slot's identity.
    pub(super) fn is_at(&self, rule: &Rule) -> bool {
        self.table == rule.table && self.priority == rule.priority && self.body.key() == rule.body.key()
    }

    pub(super) fn id(&self) -> RuleId {
        RuleId { table: self.table, priority: self.priority, match_: self.body.match_() }
    }

    /// The rule that is desired.
    pub(super) fn rule(&self) -> Rule {
        let rule = Rule::with_body(self.key, self.table, self.priority, self.body.clone());
        Rule { idle_timeout: self.idle_timeout, stage: self.stage, ..rule }
    }

    pub(super) fn held(&self) -> Held<'_> {
        match &self.other {
            None if self.as_desired => Held::AsDesired,
            None => Held::Nothing,
            Some(other) => Held::Other(other),
        }
    }

    /// The cookie of what the switch has.
    pub(super) fn held_cookie(&self) -> u64 {
        self.other.as_ref().map_or(self.cookie(), |other| other.cookie)
    }

    /// There is something, and what it is nobody knows: a refused step has left it.
    pub(super) fn is_unknown(&self) -> bool {
        self.other.as_ref().is_some_and(|other| other.cookie == !self.cookie())
    }

    /// The match, and what the switch does with it.
    pub(super) fn held_body(&self) -> FlowBody {
        match &self.other {
            Some(other) => self.body.with_instruction_octets(&other.instructions),
            None => self.body.clone(),
        }
    }

    fn is_held(&self) -> bool {
        self.as_desired || self.other.is_some()
    }

    fn is_used(&self) -> bool {
        self.desired || self.is_held()
    }

    /// What is desired becomes one of two: it stands beside what the switch has from now on.
    fn part(&mut self) {
        if self.as_desired {
            self.other = Some(Box::new(self.as_other()));
            self.as_desired = false;
        }
    }

    /// What is desired is compared with what the switch has.
    fn join(&mut self) {
        if self.desired && self.other.as_deref().is_some_and(|other| self.is_same(other)) {
            (self.other, self.as_desired) = (None, true);
        }
    }

    pub(super) fn as_other(&self) -> Other {
        Other {
            cookie: self.cookie(),
            idle_timeout: self.idle_timeout,
            flags: RULE_FLAGS,
            instructions: self.body.octets().of_instructions().to_vec(),
        }
    }

    fn is_same(&self, other: &Other) -> bool {
        self.cookie() == other.cookie
            && self.idle_timeout == other.idle_timeout
            && RULE_FLAGS == other.flags
            && self.body.octets().of_instructions() == other.instructions
    }
}

/// Fewer slots are not worth giving back.
const COMPACTED_MIN: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Slab<Slot>,
    free: Vec<u32>,
    by_id: Index,
    /// Desired rules only, and of these only those whose key does not say their identity.
    by_key: Index,
    state: SeededState,
    desired: usize,
    /// Of these, by table.
    desired_in: BTreeMap<TableId, usize>,
    held: usize,
    /// The number of the last audit; never 0 while there is one.
    epoch: u8,
}

impl Slots {
    pub(super) fn new(state: SeededState) -> Slots {
        Slots { state, ..Slots::default() }
    }

    /// Desired rules.
    pub(super) fn desired_count(&self) -> usize {
        self.desired
    }

    /// Desired rules of a table.
    pub(super) fn desired_in(&self, table: TableId) -> usize {
        self.desired_in.get(&table).copied().unwrap_or(0)
    }

    /// Tables with desired rules.
    pub(super) fn desired_tables(&self) -> impl Iterator<Item = TableId> {
        self.desired_in.iter().filter(|(_, rules)| **rules > 0).map(|(table, _)| *table)
    }

    /// Flow entries of ours that the switch has.
    pub(super) fn held_count(&self) -> usize {
        self.held
    }

    pub(super) fn get(&self, at: SlotRef) -> Option<&Slot> {
        self.slots.get(at.slot as usize).filter(|slot| slot.generation == at.generation)
    }

    pub(super) fn get_mut(&mut self, at: SlotRef) -> Option<&mut Slot> {
        self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation)
    }

    /// All slots in use, in the order of their places: the same in every run.
    pub(super) fn all(&self) -> impl Iterator<Item = (SlotRef, &Slot)> {
        let slots = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_used());
        slots.map(|(at, slot)| (SlotRef { slot: at as u32, generation: slot.generation }, slot))
    }

    /// The slots in use at these places.
    pub(super) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = (SlotRef, &Slot)> {
        let places = from..to.min(self.slots.len());
        let slots = places.filter_map(|at| Some((at, self.slots.get(at).filter(|slot| slot.is_used())?)));
        slots.map(|(at, slot)| (SlotRef { slot: at as u32, generation: slot.generation }, slot))
    }

    /// The slot of the rule that is desired under a key.
    pub(super) fn find_key(&self, key: &Key) -> Option<SlotRef> {
        if key.names_identity() {
            // Whoever states such a rule knows its identity: nobody asks for many in this way.
            return self.all().find(|(_, slot)| slot.desired && slot.key == *key).map(|(at, _)| at);
        }
        let slots = &self.slots;
        let is_right = |at| slots.get(at as usize).is_some_and(|slot| slot.key == *key);
        let found = self.by_key.find(self.key_hash(key), is_right)?;
        Some(self.reference(found))
    }

    pub(super) fn find(&self, table: TableId, priority: u16, match_: FlowKey<'_>) -> Option<SlotRef> {
        self.find_hashed(self.id_hash(table, priority, match_), table, priority, match_)
    }

    pub(super) fn find_match(&self, table: TableId, priority: u16, match_: &Match) -> Option<SlotRef> {
        self.find(table, priority, FlowBody::of_match(match_).ok()?.key())
    }

    /// The slot of an identity, a new one if it has none.
    pub(super) fn place(&mut self, table: TableId, priority: u16, body: &FlowBody) -> SlotRef {
        let hash = self.id_hash(table, priority, body.key());
        if let Some(found) = self.find_hashed(hash, table, priority, body.key()) {
            return found;
        }
        let new = Slot {
            key: Key::NONE,
            body: body.clone(),
            other: None,
            generation: 0,
            priority,
            idle_timeout: 0,
            stage: 0,
            table,
            desired: false,
            dirty: false,
            as_desired: false,
            seen: 0,
        };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(slot) = self.slots.get_mut(at as usize) {
                    *slot = Slot { generation: slot.generation, ..new };
                }
                at
            }
            None => self.slots.push(new) as u32,
        };
        self.by_id.insert(hash, at);
        self.reference(at)
    }

    /// The rule that is desired in this slot.
    pub(super) fn desire(&mut self, at: SlotRef, rule: &Rule) {
        let Some(slot) = self.slots.get_mut(at.slot as usize) else { return };
        let was_desired = slot.desired;
        let other_key = (was_desired && slot.key != rule.key).then_some(slot.key);
        slot.part();
        slot.key = rule.key;
        if slot.body != rule.body {
            slot.body = rule.body.clone();
        }
        (slot.idle_timeout, slot.stage, slot.desired) = (rule.idle_timeout, rule.stage, true);
        slot.join();
        if let Some(other_key) = other_key {
            self.unindex_key(at.slot, &other_key);
        }
        if (!was_desired || other_key.is_some()) && !rule.key.names_identity() {
            self.by_key.insert(self.key_hash(&rule.key), at.slot);
        }
        if !was_desired {
            self.desired += 1;
            *self.desired_in.entry(rule.table).or_default() += 1;
        }
    }

    /// No rule is desired in this slot any more.
    pub(super) fn undesire(&mut self, at: SlotRef) {
        let Some(slot) = self.slots.get_mut(at.slot as usize).filter(|slot| slot.desired) else { return };
        slot.part();
        slot.desired = false;
        let (key, table) = (slot.key, slot.table);
        self.desired -= 1;
        if let Some(count) = self.desired_in.get_mut(&table) {
            *count = count.saturating_sub(1);
        }
        self.unindex_key(at.slot, &key);
        self.tidy(at);
    }

    /// The switch has what is desired in this slot.
    pub(super) fn hold_desired(&mut self, at: SlotRef) {
        let Some(slot) = self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation) else {
            return;
        };
        self.held += usize::from(!slot.is_held());
        (slot.other, slot.as_desired, slot.seen) = (None, true, self.epoch);
    }

    /// The switch has this in the slot, which may be what is desired.
    pub(super) fn hold(&mut self, at: SlotRef, other: Other) {
        let Some(slot) = self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation) else {
            return;
        };
        self.held += usize::from(!slot.is_held());
        (slot.other, slot.as_desired, slot.seen) = (Some(Box::new(other)), false, self.epoch);
        slot.join();
    }

    /// An audit begins: nothing has been seen.
    pub(super) fn next_epoch(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
    }

    /// Seen, or changed, by or since the last audit. False if it was before.
    pub(super) fn see(&mut self, at: SlotRef) -> bool {
        let epoch = self.epoch;
        self.get_mut(at).is_some_and(|slot| std::mem::replace(&mut slot.seen, epoch) != epoch)
    }

    /// Whether [`Slots::see`] has seen it in the last audit.
    pub(super) fn is_seen(&self, slot: &Slot) -> bool {
        slot.seen == self.epoch
    }

    /// The switch has nothing in this slot. Free if nothing is desired either.
    pub(super) fn hold_nothing(&mut self, at: SlotRef) {
        let Some(slot) = self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation) else {
            return;
        };
        self.held -= usize::from(slot.is_held());
        (slot.other, slot.as_desired, slot.seen) = (None, false, self.epoch);
        self.tidy(at);
    }

    /// A slot that holds nothing is free.
    fn tidy(&mut self, at: SlotRef) {
        let Some(slot) = self.slots.get_mut(at.slot as usize) else { return };
        if slot.generation != at.generation || slot.is_used() {
            return;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let (table, priority) = (slot.table, slot.priority);
        let body = std::mem::replace(&mut slot.body, FlowBody::VOID);
        self.by_id.remove(self.id_hash(table, priority, body.key()), at.slot);
        self.free.push(at.slot);
    }

    /// Slots, free ones too.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Gives memory back after a switch has told of far more than is desired. For when nothing is held and no reference is kept: all
    /// of them are void.
    pub(super) fn compact(&mut self) {
        if self.slots.len() < COMPACTED_MIN || self.held > 0 || self.desired > self.slots.len() / 8 {
            return;
        }
        let rules: Vec<Rule> = self.all().map(|(_, slot)| slot.rule()).collect();
        *self = Slots { epoch: self.epoch, ..Slots::new(self.state) };
        for rule in rules {
            let at = self.place(rule.table, rule.priority, &rule.body);
            self.desire(at, &rule);
        }
    }

    fn unindex_key(&mut self, slot: u32, key: &Key) {
        if !key.names_identity() {
            self.by_key.remove(self.key_hash(key), slot);
        }
    }

    fn find_hashed(&self, hash: u32, table: TableId, priority: u16, match_: FlowKey<'_>) -> Option<SlotRef> {
        let slots = &self.slots;
        let is_right = |at| {
            slots.get(at as usize).is_some_and(|slot: &Slot| {
                slot.table == table && slot.priority == priority && slot.body.key() == match_
            })
        };
        let found = self.by_id.find(hash, is_right)?;
        Some(self.reference(found))
    }

    fn reference(&self, slot: u32) -> SlotRef {
        SlotRef { slot, generation: self.slots.get(slot as usize).map_or(0, |slot| slot.generation) }
    }

    fn key_hash(&self, key: &Key) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(u64::from(key.owner as u8) << 8 | u64::from(key.kind));
        hasher.write_u64(key.a);
        hasher.write_u64(key.b);
        (hasher.finish() >> 32) as u32
    }

    fn id_hash(&self, table: TableId, priority: u16, match_: FlowKey<'_>) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(u64::from(table.0) << 16 | u64::from(priority));
        match match_ {
            FlowKey::Source(in_port, eth_src) => {
                hasher.write_u64(eth_src.to_u64());
                hasher.write_u64(u64::from(in_port.0));
            }
            FlowKey::Destination(eth_dst) => hasher.write_u64(eth_dst.to_u64()),
            FlowKey::Octets(octets) => octets.hash(&mut hasher),
        }
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
        Rule::new(key, TableId(0), 5, Match::new().with_in_port(PortNo(port)), does).unwrap()
    }

    fn desire(slots: &mut Slots, rule: Rule) -> SlotRef {
        let at = slots.place(rule.table, rule.priority, &rule.body);
        slots.desire(at, &rule);
        at
    }

    fn find(slots: &Slots, a: u64) -> Option<SlotRef> {
        slots.find_key(&rule(a, 0).key)
    }

    #[test]
    fn a_slot_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Slot>(), 64);
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
        slots.hold_desired(at);
        desire(&mut slots, Rule { idle_timeout: 9, ..rule(1, 7) });
        let Held::Other(other) = slots.get(at).unwrap().held() else { panic!("not parted") };
        assert_eq!(other.idle_timeout, 0);
        desire(&mut slots, rule(1, 7));
        assert_eq!(slots.get(at).unwrap().held(), Held::AsDesired, "the old wish again");
        slots.undesire(at);
        assert!(matches!(slots.get(at).unwrap().held(), Held::Other(_)), "still on the switch");
    }
}
