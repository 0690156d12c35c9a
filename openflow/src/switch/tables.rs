//! Flow tables: entries, lookup by tuple-space search, the filters of modify and delete, and deadlines. Pure: nothing here looks at a
//! packet's octets or runs an action.

use super::conjunctions::{self, Conjunctions};
use super::flow_key::{self, FlowKey};
use super::flow_match::{FlowMatch, Mask, means_ethernet};
use crate::action::Action;
use crate::flow::{FlowMod, FlowModFlags};
use crate::flow_match::Match;
use crate::identifier::{GroupId, TableId};
use crate::instruction::Instruction;
use crate::multipart::FlowStatsRequest;
use crate::nicira::{LearnFlags, NiciraAction};
use net::{PortNo, Time};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

/// A flow entry (OpenFlow 1.3.5 §5.2).
#[derive(Clone, Debug)]
pub struct FlowEntry {
    /// The table it is in.
    pub table_id: TableId,
    /// Higher goes first.
    pub priority: u16,
    /// Its match in canonical form.
    pub match_: Match,
    /// Its match, ready for lookup.
    pub flow_match: FlowMatch,
    /// Its instructions in the order in which they are executed.
    pub instructions: Vec<Instruction>,
    /// The controller's number.
    pub cookie: u64,
    /// Seconds without a packet until it goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds until it goes; 0 for never.
    pub hard_timeout: u16,
    /// Its flags.
    pub flags: FlowModFlags,
    /// When it was added.
    pub created: Time,
    /// When it was added or modified: what the hard timeout counts from.
    pub modified: Time,
    /// When it last matched a packet, or was added: what the idle timeout counts from.
    pub used: Time,
    /// Packets that it matched.
    pub packet_count: u64,
    /// Octets in them.
    pub byte_count: u64,
}

impl FlowEntry {
    /// When it goes if no packet comes: the earlier of its two timeouts.
    pub fn deadline(&self) -> Option<Time> {
        let after = |base: Time, seconds: u16| (seconds > 0).then(|| base + Duration::from_secs(u64::from(seconds)));
        [after(self.used, self.idle_timeout), after(self.modified, self.hard_timeout)].into_iter().flatten().min()
    }

    /// The table-miss flow entry (OpenFlow 1.3.5 §5.4).
    pub fn is_table_miss(&self) -> bool {
        self.priority == 0 && self.flow_match.is_any()
    }

    /// Looks at its actions, those inside of others included, until one is what is sought.
    fn any_action(&self, sought: &mut dyn FnMut(&Action) -> bool) -> bool {
        any_instruction(&self.instructions, sought)
    }

    /// Whether an action of it names this port.
    pub fn outputs_to(&self, port_no: PortNo) -> bool {
        self.any_action(&mut |action| match action {
            Action::Output { port, .. } => *port == port_no,
            Action::Nicira(NiciraAction::Controller { .. } | NiciraAction::Controller2(_)) => {
                port_no == PortNo::CONTROLLER
            }
            _ => false,
        })
    }

    /// Whether an action of it names this group.
    pub fn uses_group(&self, group_id: GroupId) -> bool {
        self.any_action(&mut |action| matches!(action, Action::Group(group) if *group == group_id))
    }

    /// The groups that its actions name.
    pub fn groups(&self) -> Vec<GroupId> {
        let mut groups = Vec::new();
        self.any_action(&mut |action| {
            if let Action::Group(group_id) = action {
                groups.push(*group_id);
            }
            false
        });
        groups
    }

    /// Cookies and tables of flows that go when the last flow that learns them goes (`delete_learned`).
    pub(crate) fn owned_learning(&self) -> Vec<(u64, TableId)> {
        let mut owned = Vec::new();
        self.any_action(&mut |action| {
            if let Action::Nicira(NiciraAction::Learn(learn)) = action
                && learn.flags.contains(LearnFlags::DELETE_LEARNED)
            {
                owned.push((learn.cookie, learn.table_id));
            }
            false
        });
        owned
    }
}

/// Looks at all actions of instructions until one is what is sought.
pub(crate) fn any_instruction(instructions: &[Instruction], sought: &mut dyn FnMut(&Action) -> bool) -> bool {
    instructions.iter().any(|instruction| match instruction {
        Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => any_action(actions, sought),
        _ => false,
    })
}

/// Looks at actions, those inside of others included, until one is what is sought. How deep they stand is checked when a flow is added.
pub(crate) fn any_action(actions: &[Action], sought: &mut dyn FnMut(&Action) -> bool) -> bool {
    actions.iter().any(|action| {
        sought(action)
            || match action {
                Action::Nicira(NiciraAction::Clone(actions)) => any_action(actions, sought),
                Action::Nicira(NiciraAction::Ct(ct)) => any_action(&ct.actions, sought),
                _ => false,
            }
    })
}

/// One flow entry, for as long as it lives: never the name of another one later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowId {
    table: u8,
    serial: u64,
    index: u32,
}

impl FlowId {
    /// The table it is in.
    pub const fn table_id(self) -> TableId {
        TableId(self.table)
    }

    /// Less than that of every flow that was added later.
    pub(crate) const fn age(self) -> u64 {
        self.serial
    }
}

/// Which flows a modify, a delete or a question means (OpenFlow 1.3.5 §6.4).
#[derive(Clone, Debug)]
pub struct FlowFilter {
    /// One table, or ALL.
    pub table_id: TableId,
    /// Strict: the same match. Non-strict: this match covers the flow's.
    pub flow_match: FlowMatch,
    /// Strict, and with this priority; `None` for non-strict.
    pub strict: Option<u16>,
    /// What the bits of `cookie_mask` have to be.
    pub cookie: u64,
    /// 0 for any cookie.
    pub cookie_mask: u64,
    /// With an output to this port; ANY for all.
    pub out_port: PortNo,
    /// With this group; ANY for all.
    pub out_group: GroupId,
}

impl FlowFilter {
    /// Those with an action that names this group.
    pub fn using_group(group_id: GroupId) -> FlowFilter {
        FlowFilter {
            table_id: TableId::ALL,
            flow_match: FlowMatch::any(),
            strict: None,
            cookie: 0,
            cookie_mask: 0,
            out_port: PortNo::ANY,
            out_group: group_id,
        }
    }

    /// What a modify or delete means. `out_port` and `out_group` count for deletes only.
    pub fn of_flow_mod(flow_mod: &FlowMod, flow_match: FlowMatch, strict: bool, delete: bool) -> FlowFilter {
        FlowFilter {
            table_id: flow_mod.table_id,
            flow_match,
            strict: strict.then_some(flow_mod.priority),
            cookie: flow_mod.cookie,
            cookie_mask: flow_mod.cookie_mask,
            out_port: if delete { flow_mod.out_port } else { PortNo::ANY },
            out_group: if delete { flow_mod.out_group } else { GroupId::ANY },
        }
    }

    /// What a question for flow or aggregate statistics means.
    pub fn of_request(request: &FlowStatsRequest, flow_match: FlowMatch) -> FlowFilter {
        FlowFilter {
            table_id: request.table_id,
            flow_match,
            strict: None,
            cookie: request.cookie,
            cookie_mask: request.cookie_mask,
            out_port: request.out_port,
            out_group: request.out_group,
        }
    }

    /// Whether it means this flow.
    pub fn selects(&self, flow: &FlowEntry) -> bool {
        let same = match self.strict {
            Some(priority) => flow.priority == priority && flow.flow_match == self.flow_match,
            None => self.flow_match.covers(&flow.flow_match),
        };
        same && (self.table_id == TableId::ALL || self.table_id == flow.table_id)
            && (flow.cookie ^ self.cookie) & self.cookie_mask == 0
            && (self.out_port == PortNo::ANY || flow.outputs_to(self.out_port))
            && (self.out_group == GroupId::ANY || flow.uses_group(self.out_group))
    }
}

/// All flow tables of a switch. A table costs nothing until it holds a flow.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: Vec<Table>,
    deadlines: BTreeSet<(Time, FlowId)>,
    next_serial: u64,
}

impl Tables {
    /// Tables without flows.
    pub fn new() -> Tables {
        Tables::default()
    }

    /// The flow with the highest priority that matches the packet; of several the oldest (the specification leaves it open).
    pub fn lookup(&self, table_id: TableId, key: &FlowKey) -> Option<FlowId> {
        self.tables.get(usize::from(table_id.0))?.lookup(key).map(|place| place.id(table_id))
    }

    /// The flow with exactly this match and priority.
    pub fn find(&self, table_id: TableId, flow_match: &FlowMatch, priority: u16) -> Option<FlowId> {
        self.tables.get(usize::from(table_id.0))?.find(flow_match, priority).map(|place| place.id(table_id))
    }

    /// A flow, if it still lives.
    pub fn get(&self, id: FlowId) -> Option<&FlowEntry> {
        self.tables.get(usize::from(id.table))?.get(id)
    }

    /// Flows in a table.
    pub fn len(&self, table_id: TableId) -> usize {
        self.tables.get(usize::from(table_id.0)).map_or(0, |table| table.len)
    }

    /// Flows in all tables.
    pub fn total(&self) -> usize {
        self.tables.iter().map(|table| table.len).sum()
    }

    /// Whether no table holds a flow.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Every flow: by table, then in the order of an internal arrangement that is the same in every run.
    pub fn iter(&self) -> impl Iterator<Item = (FlowId, &FlowEntry)> {
        self.tables.iter().enumerate().flat_map(|(table, content)| {
            content.slots.iter().enumerate().filter_map(move |(index, slot)| {
                let slot = slot.as_ref()?;
                Some((FlowId { table: table as u8, serial: slot.serial, index: index as u32 }, &slot.flow))
            })
        })
    }

    /// The flows of one table.
    pub(crate) fn iter_table(&self, table_id: TableId) -> impl Iterator<Item = &FlowEntry> {
        let table = self.tables.get(usize::from(table_id.0));
        table.into_iter().flat_map(|table| table.slots.iter().flatten()).map(|slot| &slot.flow)
    }

    /// The flows that a filter means.
    pub fn select(&self, filter: &FlowFilter) -> Vec<FlowId> {
        if let (Some(priority), true) = (filter.strict, filter.table_id != TableId::ALL) {
            let found = self.find(filter.table_id, &filter.flow_match, priority);
            return found.filter(|id| self.get(*id).is_some_and(|flow| filter.selects(flow))).into_iter().collect();
        }
        self.iter().filter(|(_, flow)| filter.selects(flow)).map(|(id, _)| id).collect()
    }

    /// Whether the table has a flow of this priority that a packet of `flow_match` can match too.
    pub fn has_overlap(&self, table_id: TableId, flow_match: &FlowMatch, priority: u16) -> bool {
        let Some(table) = self.tables.get(usize::from(table_id.0)) else { return false };
        let mut flows = table.slots.iter().flatten();
        flows.any(|slot| slot.flow.priority == priority && slot.flow.flow_match.overlaps(flow_match))
    }

    /// Adds a flow. One with the same match and priority is taken out and given back.
    pub fn insert(&mut self, flow: FlowEntry) -> (FlowId, Option<FlowEntry>) {
        let old = self.find(flow.table_id, &flow.flow_match, flow.priority).and_then(|id| self.remove(id));
        let place = usize::from(flow.table_id.0);
        if self.tables.len() <= place {
            self.tables.resize_with(place + 1, Table::default);
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let mut id = FlowId { table: flow.table_id.0, serial, index: 0 };
        let deadline = flow.deadline();
        if let Some(table) = self.tables.get_mut(place) {
            id.index = table.insert(serial, flow);
        }
        self.arm(id, deadline);
        (id, old)
    }

    /// Takes a flow out.
    pub fn remove(&mut self, id: FlowId) -> Option<FlowEntry> {
        let slot = self.tables.get_mut(usize::from(id.table))?.remove(id)?;
        if let Some(armed) = slot.armed {
            self.deadlines.remove(&(armed, id));
        }
        Some(slot.flow)
    }

    fn arm(&mut self, id: FlowId, deadline: Option<Time>) {
        let table = self.tables.get_mut(usize::from(id.table));
        if let Some(slot) = table.and_then(|table| table.slot_mut(id)) {
            slot.armed = deadline;
            self.deadlines.extend(deadline.map(|deadline| (deadline, id)));
        }
    }

    /// Changes what does not decide lookup: instructions, cookie, counters. Table, match, priority and timeouts must stay.
    pub fn change(&mut self, id: FlowId, change: impl FnOnce(&mut FlowEntry)) {
        if let Some(table) = self.tables.get_mut(usize::from(id.table)) {
            table.change(id, change);
        }
    }

    /// Changes timeouts too.
    pub(crate) fn change_timeouts(&mut self, id: FlowId, change: impl FnOnce(&mut FlowEntry)) {
        self.change(id, change);
        let armed = self.tables.get(usize::from(id.table)).and_then(|table| table.slot(id)).and_then(|slot| slot.armed);
        if let Some(armed) = armed {
            self.deadlines.remove(&(armed, id));
        }
        self.arm(id, self.get(id).and_then(FlowEntry::deadline));
    }

    /// When the next flow may time out. It may turn out to have been used since.
    pub fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The next flow whose time has come by `now`; its deadline is taken out of the queue. Flows that packets have kept alive since are
    /// put back and passed over.
    pub fn pop_expired(&mut self, now: Time) -> Option<FlowId> {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_first();
            let due = self.get(id).and_then(FlowEntry::deadline);
            self.arm(id, due.filter(|due| *due > now));
            if due.is_some_and(|due| due <= now) {
                return Some(id);
            }
        }
        None
    }

    /// Counts lookups in a table.
    pub(crate) fn count_lookup(&mut self, table_id: TableId, hit: bool) {
        let place = usize::from(table_id.0);
        if self.tables.len() <= place {
            self.tables.resize_with(place + 1, Table::default);
        }
        if let Some(table) = self.tables.get_mut(place) {
            table.lookup_count += 1;
            table.matched_count += u64::from(hit);
        }
    }

    /// Packets looked up in a table, and those that hit a flow.
    pub fn lookups(&self, table_id: TableId) -> (u64, u64) {
        let table = self.tables.get(usize::from(table_id.0));
        table.map_or((0, 0), |table| (table.lookup_count, table.matched_count))
    }
}

/// Tuple-space search (Srinivasan, Suri, Varghese, SIGCOMM 1999): one hash table per distinct mask.
#[derive(Clone, Debug, Default)]
struct Table {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    tuples: Vec<Tuple>,
    by_mask: FxHashMap<Mask, usize>,
    /// Indexes of `tuples`, that with the highest priority first: a hit ends the search as soon as no later tuple can beat it.
    order: Vec<usize>,
    len: usize,
    /// Flows that are dimensions of conjunctive matches. Without them a lookup is simpler.
    conjunctive: usize,
    lookup_count: u64,
    matched_count: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    serial: u64,
    /// Under which deadline the flow stands in the queue. Packets move the true one on; that is seen when this one comes.
    armed: Option<Time>,
    conjunctions: Conjunctions,
    flow: FlowEntry,
}

/// The flows with one mask.
#[derive(Clone, Debug)]
struct Tuple {
    /// The words where the mask isn't zero, and what it is there.
    mask: Mask,
    /// By a hash of the masked words: most lookups are of words that no flow has, and end without a look at the words.
    flows: HashMap<u64, SmallVec<[Bucket; 1]>, BuildHasherDefault<Hashed>>,
    max_priority: u16,
    len: usize,
}

/// The flows with the same match, that with the highest priority first.
#[derive(Clone, Debug)]
struct Bucket {
    /// The masked words of a key, without those that the mask leaves out.
    words: Box<[u64]>,
    places: SmallVec<[Place; 1]>,
}

/// A hasher for what is a hash already.
#[derive(Clone, Copy, Default, Debug)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, octets: &[u8]) {
        self.0 = octets.iter().fold(self.0, |hash, octet| hash.rotate_left(8) ^ u64::from(*octet));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn hash(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0, |hash: u64, word| {
        let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ (hash >> 32)
    })
}

/// Where a flow is, with what decides between several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    priority: u16,
    serial: u64,
    index: u32,
}

impl Place {
    fn id(self, table_id: TableId) -> FlowId {
        FlowId { table: table_id.0, serial: self.serial, index: self.index }
    }

    /// Higher priority first, then older.
    fn beats(self, other: Place) -> bool {
        (self.priority, std::cmp::Reverse(self.serial)) > (other.priority, std::cmp::Reverse(other.serial))
    }
}

impl Tuple {
    fn new(mask: Mask) -> Tuple {
        Tuple { mask, flows: HashMap::default(), max_priority: 0, len: 0 }
    }

    fn bucket(&self, key: &FlowKey) -> Option<&SmallVec<[Place; 1]>> {
        if key.get(flow_key::Slot::PACKET_TYPE) != 0 && means_ethernet(self.mask.iter().copied()) {
            return None;
        }
        let masked =
            || self.mask.iter().map(|(index, mask)| key.words.get(usize::from(*index)).copied().unwrap_or(0) & mask);
        let same = |bucket: &&Bucket| bucket.words.iter().copied().eq(masked());
        self.flows.get(&hash(masked()))?.iter().find(same).map(|bucket| &bucket.places)
    }

    fn exact(&self, flow_match: &FlowMatch) -> Option<&SmallVec<[Place; 1]>> {
        let same = |bucket: &&Bucket| bucket.words.iter().copied().eq(flow_match.values());
        self.flows.get(&hash(flow_match.values()))?.iter().find(same).map(|bucket| &bucket.places)
    }

    /// The flows with this match, to add one. What is indexed has just been put there, if it was not there before.
    fn bucket_for(&mut self, flow_match: &FlowMatch) -> &mut SmallVec<[Place; 1]> {
        let same = |bucket: &Bucket| bucket.words.iter().copied().eq(flow_match.values());
        let buckets = self.flows.entry(hash(flow_match.values())).or_default();
        let at = buckets.iter().position(same).unwrap_or(buckets.len());
        if at == buckets.len() {
            buckets.push(Bucket { words: flow_match.values().collect(), places: SmallVec::new() });
        }
        &mut buckets[at].places
    }

    fn remove(&mut self, flow_match: &FlowMatch, serial: u64) {
        let hash = hash(flow_match.values());
        let Some(buckets) = self.flows.get_mut(&hash) else { return };
        for bucket in buckets.iter_mut() {
            bucket.places.retain(|place| place.serial != serial);
        }
        buckets.retain(|bucket| !bucket.places.is_empty());
        if buckets.is_empty() {
            self.flows.remove(&hash);
        }
    }
}

impl Table {
    fn lookup(&self, key: &FlowKey) -> Option<Place> {
        if self.conjunctive > 0 {
            return self.lookup_conjunctive(key);
        }
        let mut best: Option<Place> = None;
        for index in &self.order {
            let Some(tuple) = self.tuples.get(*index) else { continue };
            if best.is_some_and(|best| best.priority > tuple.max_priority) {
                break;
            }
            let Some(place) = tuple.bucket(key).and_then(|bucket| bucket.first().copied()) else { continue };
            if best.is_none_or(|best| place.beats(best)) {
                best = Some(place);
            }
        }
        best
    }

    /// With conjunctive flows about: a flow that is no dimension of one, or that whose `conj_id` a complete one of higher priority sets.
    fn lookup_conjunctive(&self, key: &FlowKey) -> Option<Place> {
        let mut best: Option<Place> = None;
        let mut soft: Vec<&[Place]> = Vec::new();
        for tuple in &self.tuples {
            let Some(bucket) = tuple.bucket(key) else { continue };
            let Some(first) = bucket.first().copied() else { continue };
            if !self.conjunctions(first).is_empty() {
                soft.push(bucket);
            } else if best.is_none_or(|best| first.beats(best)) {
                best = Some(first);
            }
        }
        loop {
            soft.retain(|flows| {
                let first = flows.first();
                first.is_some_and(|place| best.is_none_or(|best| place.priority > best.priority))
            });
            let Some(priority) = soft.iter().filter_map(|flows| flows.first()).map(|place| place.priority).max() else {
                return best;
            };
            let at_priority = |flows: &&[Place]| flows.first().is_some_and(|place| place.priority == priority);
            let dimensions: Vec<&Conjunctions> =
                soft.iter().filter(|flows| at_priority(flows)).map(|flows| self.first_conjunctions(flows)).collect();
            for id in conjunctions::complete(&dimensions) {
                let mut named = *key;
                named.set(flow_key::Slot::CONJ_ID, u128::from(id));
                if let Some(found) = self.lookup_hard(&named) {
                    return Some(found);
                }
            }
            // Nothing is complete here: behind each of these flows stands perhaps one with the same match and a lower priority.
            for flows in &mut soft {
                if flows.first().is_none_or(|place| place.priority != priority) {
                    continue;
                }
                *flows = flows.get(1..).unwrap_or_default();
                if let Some(next) = flows.first().copied()
                    && self.conjunctions(next).is_empty()
                {
                    if best.is_none_or(|best| next.priority > best.priority) {
                        best = Some(next);
                    }
                    *flows = &[];
                }
            }
        }
    }

    /// The best flow that is no dimension of a conjunctive match.
    fn lookup_hard(&self, key: &FlowKey) -> Option<Place> {
        let firsts = self.tuples.iter().filter_map(|tuple| tuple.bucket(key)?.first().copied());
        let hard = firsts.filter(|place| self.conjunctions(*place).is_empty());
        hard.reduce(|best, place| if place.beats(best) { place } else { best })
    }

    fn conjunctions(&self, place: Place) -> &Conjunctions {
        let slot = self.slots.get(place.index as usize).and_then(Option::as_ref);
        slot.map_or(conjunctions::NONE, |slot| &slot.conjunctions)
    }

    fn first_conjunctions(&self, flows: &[Place]) -> &Conjunctions {
        flows.first().map_or(conjunctions::NONE, |place| self.conjunctions(*place))
    }

    fn find(&self, flow_match: &FlowMatch, priority: u16) -> Option<Place> {
        let tuple = self.tuples.get(*self.by_mask.get(&flow_match.mask())?)?;
        tuple.exact(flow_match)?.iter().find(|place| place.priority == priority).copied()
    }

    fn get(&self, id: FlowId) -> Option<&FlowEntry> {
        let slot = self.slots.get(id.index as usize)?.as_ref()?;
        (slot.serial == id.serial).then_some(&slot.flow)
    }

    fn slot(&self, id: FlowId) -> Option<&Slot> {
        self.slots.get(id.index as usize)?.as_ref().filter(|slot| slot.serial == id.serial)
    }

    fn slot_mut(&mut self, id: FlowId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?.as_mut()?;
        (slot.serial == id.serial).then_some(slot)
    }

    fn insert(&mut self, serial: u64, flow: FlowEntry) -> u32 {
        let (mask, priority) = (flow.flow_match.mask(), flow.priority);
        let flow_match = flow.flow_match.clone();
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        let conjunctions = conjunctions::of(&flow.instructions);
        self.conjunctive += usize::from(!conjunctions.is_empty());
        if let Some(slot) = self.slots.get_mut(index as usize) {
            *slot = Some(Slot { serial, armed: None, conjunctions, flow });
        }
        self.len += 1;
        let next = self.tuples.len();
        let tuple_index = *self.by_mask.entry(mask.clone()).or_insert(next);
        if tuple_index == next {
            self.tuples.push(Tuple::new(mask));
            self.order.push(next);
        }
        let Some(tuple) = self.tuples.get_mut(tuple_index) else { return index };
        let bucket = tuple.bucket_for(&flow_match);
        let before = bucket.partition_point(|place| place.priority >= priority);
        bucket.insert(before, Place { priority, serial, index });
        tuple.len += 1;
        if tuple.len == 1 || priority > tuple.max_priority {
            tuple.max_priority = priority;
            self.sort();
        }
        index
    }

    fn change(&mut self, id: FlowId, change: impl FnOnce(&mut FlowEntry)) {
        let Some(slot) = self.slot_mut(id) else { return };
        let before = usize::from(!slot.conjunctions.is_empty());
        change(&mut slot.flow);
        if before > 0 || conjunctions::may_have(&slot.flow.instructions) {
            slot.conjunctions = conjunctions::of(&slot.flow.instructions);
            let after = usize::from(!slot.conjunctions.is_empty());
            self.conjunctive = self.conjunctive + after - before;
        }
    }

    fn remove(&mut self, id: FlowId) -> Option<Slot> {
        self.get(id)?;
        let slot = self.slots.get_mut(id.index as usize)?.take()?;
        let flow = &slot.flow;
        self.free.push(id.index);
        self.len -= 1;
        self.conjunctive -= usize::from(!slot.conjunctions.is_empty());
        let mask = flow.flow_match.mask();
        let tuple_index = *self.by_mask.get(&mask)?;
        let tuple = self.tuples.get_mut(tuple_index)?;
        tuple.remove(&flow.flow_match, id.serial);
        tuple.len -= 1;
        if tuple.len == 0 {
            self.drop_tuple(tuple_index, &mask);
        }
        // `max_priority` stays as an upper bound: finding the true one would read the whole tuple.
        Some(slot)
    }

    fn drop_tuple(&mut self, index: usize, mask: &Mask) {
        self.by_mask.remove(mask);
        self.tuples.swap_remove(index);
        let moved = self.tuples.len();
        self.order.retain(|other| *other != index);
        for other in &mut self.order {
            if *other == moved {
                *other = index;
            }
        }
        // The tuple that took the free place is found by its mask.
        if let Some(tuple) = self.tuples.get(index) {
            self.by_mask.insert(tuple.mask.clone(), index);
        }
    }

    fn sort(&mut self) {
        let tuples = &self.tuples;
        self.order.sort_by_key(|index| std::cmp::Reverse(tuples.get(*index).map_or(0, |tuple| tuple.max_priority)));
    }
}
