//! Desired against installed, for one switch: what the difference is, and nothing about when to send it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use net::{DatapathId, Time};
use openflow::{
    Bucket, FlowModCommand, FlowModFlags, FlowModHead, FlowRemoved, FlowStats, GroupDesc, GroupId, GroupMod,
    GroupModCommand, GroupType, Instruction, Message,
};
use topology::SeededState;

use super::body::FlowBody;
use super::ids::GroupIds;
use super::installed_group::InstalledGroup;
use super::pipeline::{self, Lane};
use super::reconciler::FlowCounters;
use super::rule::{self, Group, Key, RULE_FLAGS, Rule, RuleId};
use super::slots::{Held, Other, SlotRef, Slots};

/// A flow entry of ours as the switch has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstalledRule {
    /// Mark, owner and key hash.
    pub cookie: u64,
    /// What it does.
    pub instructions: Vec<Instruction>,
    /// Seconds without a packet until it goes; 0 for never.
    pub idle_timeout: u16,
    /// Flags it was added with.
    pub flags: FlowModFlags,
}

/// One step of a rollout on one switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    PutRule(SlotRef),
    DeleteRule(SlotRef),
    PutGroup(GroupId),
    /// Only those buckets of the installed group that the desired one keeps.
    ShrinkGroup(GroupId),
    DeleteGroup(GroupId),
    /// A step that was taken back.
    Nothing,
}

impl Op {
    /// Flooding by this switch becomes less.
    fn takes_away(&self) -> bool {
        match self {
            Op::DeleteRule(_) | Op::ShrinkGroup(_) | Op::DeleteGroup(_) => true,
            Op::PutRule(_) | Op::PutGroup(_) | Op::Nothing => false,
        }
    }
}

/// What may be sent to a switch now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Permit {
    /// Everything.
    All,
    /// Only what adds: what is there may be right, and we can't know yet.
    Additions,
    /// Only what takes away: it can break a loop and never makes one.
    Removals,
}

/// A step's place in the order of its lane: first the number, then the stage.
pub(super) type Step = (u8, u16);

/// A step of a rollout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) step: Step,
    pub(super) datapath_id: DatapathId,
    pub(super) op: Op,
}

/// A step that was sent, until a barrier confirms it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) xid: u32,
    op: Op,
    /// What it puts was there before.
    existed: bool,
    /// What it deletes: its slot is used again.
    deleted: Option<Box<RuleId>>,
}

/// First wait before a refused rule is sent again; it doubles each time.
const RETRY_FIRST_MS: u64 = 1_000;
/// Longest wait before a refused rule is sent again: a full table may have room by then, and a broken rule costs one message a minute.
const RETRY_LAST_MS: u64 = 60_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Item {
    Rule(SlotRef),
    Group(GroupId),
}

/// Rules and groups of one switch.
#[derive(Debug, Default)]
pub(super) struct SwitchFlows {
    slots: Slots,
    desired_groups: BTreeMap<GroupId, Group>,
    ids: GroupIds,
    installed_groups: BTreeMap<GroupId, InstalledGroup>,
    /// Rules to compare, by lane, in the order in which they came up. A slot that does not say so itself has been dealt with.
    dirty: [Vec<SlotRef>; 2],
    dirty_groups: BTreeSet<GroupId>,
    /// Refused, and asleep until then.
    retries: BTreeMap<Item, Time>,
    /// How often it was refused since it was last right.
    attempts: BTreeMap<Item, u32>,
}

impl SwitchFlows {
    pub(super) fn new(state: SeededState) -> SwitchFlows {
        SwitchFlows { slots: Slots::new(state), ..SwitchFlows::default() }
    }

    pub(super) fn group_id(&mut self, key: Key) -> GroupId {
        self.ids.id(key)
    }

    /// State that the rule of `rule`'s key is this one. The lane where there is something to compare now.
    pub(super) fn set_rule(&mut self, rule: &Rule) -> [bool; 2] {
        let mut changed = [false; 2];
        let old = if rule.key.names_identity() { None } else { self.slots.find_key(&rule.key) };
        let at = match old.and_then(|at| Some((at, self.slots.get(at)?))) {
            Some((at, slot)) if slot.is_at(rule) => at,
            other => {
                if let Some((old, _)) = other {
                    self.slots.undesire(old);
                    self.mark(old, &mut changed);
                }
                // Another key may have this identity: it is this one's from now on.
                self.slots.place(rule.table, rule.priority, &rule.body)
            }
        };
        if let Some(slot) = self.slots.get_mut(at)
            && slot.desired
            && slot.key == rule.key
            && slot.body == rule.body
            && slot.idle_timeout == rule.idle_timeout
        {
            slot.stage = rule.stage;
            return changed;
        }
        self.slots.desire(at, rule);
        self.mark(at, &mut changed);
        changed
    }

    /// State that `key` has no rule. The lane where there is something to compare now.
    pub(super) fn clear_rule(&mut self, key: &Key) -> [bool; 2] {
        let mut changed = [false; 2];
        if let Some(at) = self.slots.find_key(key) {
            self.slots.undesire(at);
            self.mark(at, &mut changed);
        }
        changed
    }

    /// The same where the identity is known. What another key has under it stays.
    pub(super) fn remove_rule(&mut self, rule: &Rule) -> [bool; 2] {
        let mut changed = [false; 2];
        let found = self.slots.find(rule.table, rule.priority, rule.body.key());
        if let Some(at) = found.filter(|&at| self.slots.get(at).is_some_and(|slot| slot.key == rule.key)) {
            self.slots.undesire(at);
            self.mark(at, &mut changed);
        }
        changed
    }

    fn mark(&mut self, at: SlotRef, changed: &mut [bool; 2]) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let lane = pipeline::rule_lane(slot.table, slot.priority) as usize;
        changed[lane] = true;
        if !std::mem::replace(&mut slot.dirty, true) {
            self.dirty[lane].push(at);
        }
    }

    /// State that `key`'s group is `group`, or that there is none. Whether there is something to compare now.
    pub(super) fn set_group(&mut self, key: Key, group: Option<Group>) -> bool {
        let id = self.ids.id(key);
        match group {
            Some(group) => {
                if self.desired_groups.get(&id) == Some(&group) {
                    return false;
                }
                self.desired_groups.insert(id, group);
            }
            None => {
                if self.desired_groups.remove(&id).is_none() {
                    if !self.installed_groups.contains_key(&id) {
                        self.ids.release(key);
                    }
                    return false;
                }
            }
        }
        self.dirty_groups.insert(id);
        true
    }

    /// Nothing is wanted any more. Group numbers stay: the switch may still have the groups.
    pub(super) fn clear_desired(&mut self) {
        let all: Vec<SlotRef> = self.slots.all().map(|(at, _)| at).collect();
        for at in all {
            self.slots.undesire(at);
        }
        self.desired_groups.clear();
        self.mark_all();
    }

    /// Forget what the switch holds: it is about to be read again.
    pub(super) fn clear_installed(&mut self) {
        let all: Vec<SlotRef> = self.slots.all().map(|(at, _)| at).collect();
        for at in all {
            if let Some(slot) = self.slots.get_mut(at) {
                slot.dirty = false;
            }
            self.slots.hold_nothing(at);
        }
        self.slots.compact();
        self.installed_groups.clear();
        self.dirty = Default::default();
        self.dirty_groups.clear();
        self.retries.clear();
        self.attempts.clear();
    }

    /// A flow entry found on the switch: how many octets are kept of it. Foreign ones are not ours to know.
    pub(super) fn read_rule(&mut self, stats: &FlowStats) -> Option<usize> {
        if !rule::is_our_cookie(stats.cookie) {
            return None;
        }
        // A match that is too long in its canonical form is none of ours: no FLOW_MOD has brought it there.
        let body = FlowBody::new(&stats.match_.canonical(), &stats.instructions).ok()?;
        let octets = body.octets();
        let (kept, instructions) = (octets.all().len(), octets.of_instructions().to_vec());
        let at = self.slots.place(stats.table_id, stats.priority, &body.into_match());
        let other = Other { cookie: stats.cookie, idle_timeout: stats.idle_timeout, flags: stats.flags, instructions };
        self.slots.hold(at, other);
        Some(kept)
    }

    /// A group found on the switch: how many octets are kept of it. Foreign ones are not ours to know.
    pub(super) fn read_group(&mut self, desc: &GroupDesc) -> Option<usize> {
        if !rule::is_our_group(desc.group_id) {
            return None;
        }
        let installed = InstalledGroup::new(desc.group_type, &desc.buckets);
        let kept = installed.octets();
        self.installed_groups.insert(desc.group_id, installed);
        Some(kept)
    }

    /// Compare everything again, after a read-back.
    pub(super) fn mark_all(&mut self) {
        let all: Vec<SlotRef> = self.slots.all().map(|(at, _)| at).collect();
        for at in all {
            self.mark(at, &mut [false; 2]);
        }
        self.dirty_groups.extend(self.desired_groups.keys().chain(self.installed_groups.keys()));
    }

    /// The switch says that a flow entry is gone. Whether we believed it to be there.
    pub(super) fn rule_removed(&mut self, removed: &FlowRemoved) -> bool {
        let match_ = removed.match_.canonical();
        let Some(at) = self.slots.find_match(removed.table_id, removed.priority, &match_) else { return false };
        if self.slots.get(at).is_none_or(|slot| slot.held() == Held::Nothing) {
            return false;
        }
        self.slots.hold_nothing(at);
        // Only what is desired is still there.
        self.mark(at, &mut [false; 2]);
        true
    }

    /// The switch refused a step: what it holds there is not what we believed. Tried again later, each time after a longer wait.
    /// `there`: the object exists on the switch, with whatever contents; `None`: as before the step. When it is tried again.
    pub(super) fn refused(&mut self, sent: &Sent, there: Option<bool>, now: Time) -> Option<Time> {
        let item = match sent.op {
            Op::PutRule(at) => {
                let slot = self.slots.get_mut(at)?;
                slot.dirty = false;
                if sent.existed {
                    // An error leaves standing what was to be overwritten: it is there, and equals nothing that is desired.
                    let unknown = Other { cookie: !slot.cookie(), ..slot.as_other() };
                    self.slots.hold(at, unknown);
                } else {
                    self.slots.hold_nothing(at);
                }
                self.slots.get(at)?;
                Item::Rule(at)
            }
            Op::PutGroup(id) | Op::ShrinkGroup(id) => {
                if there.unwrap_or(sent.existed)
                    && let Some(desired) = self.desired_groups.get(&id)
                {
                    self.installed_groups.insert(id, InstalledGroup::unknown(desired.group_type));
                } else {
                    self.installed_groups.remove(&id);
                }
                Item::Group(id)
            }
            Op::DeleteGroup(id) => Item::Group(id),
            // What could not be deleted was not there, as far as anybody can tell.
            Op::DeleteRule(_) | Op::Nothing => return None,
        };
        if let Item::Group(id) = item {
            self.dirty_groups.remove(&id);
        }
        let attempts = self.attempts.entry(item).or_insert(0);
        let wait = (RETRY_FIRST_MS << (*attempts).min(10)).min(RETRY_LAST_MS);
        *attempts += 1;
        let at = now + std::time::Duration::from_millis(wait);
        self.retries.insert(item, at);
        Some(at)
    }

    /// Put what is due for another try back to the dirty ones.
    pub(super) fn wake_retries(&mut self, now: Time) {
        let due: Vec<Item> = self.retries.iter().filter(|(_, at)| **at <= now).map(|(item, _)| *item).collect();
        for item in due {
            self.retries.remove(&item);
            match item {
                Item::Rule(at) => {
                    if self.slots.get(at).is_none() {
                        self.attempts.remove(&item);
                    }
                    self.mark(at, &mut [false; 2]);
                }
                Item::Group(id) => drop(self.dirty_groups.insert(id)),
            }
        }
    }

    pub(super) fn next_retry(&self) -> Option<Time> {
        self.retries.values().min().copied()
    }

    /// Refused rules and groups that wait for another try.
    pub(super) fn refused_count(&self) -> usize {
        self.retries.len()
    }

    /// Take the difference of one lane out of the dirty lists, as steps: groups before the rules that point to them. What the permit does
    /// not cover stays dirty.
    pub(super) fn take_steps(&mut self, lane: Lane, permit: Permit, id: DatapathId, steps: &mut Vec<Planned>) {
        if !self.dirty_groups.is_empty() {
            for group in std::mem::take(&mut self.dirty_groups) {
                let keep = self.lane_of_group(group) != lane || {
                    let before = steps.len();
                    let changes = self.group_steps(group, lane, id, steps);
                    self.permitted(permit, changes, before, Item::Group(group), steps)
                };
                if keep {
                    self.dirty_groups.insert(group);
                }
            }
        }
        let mut list = std::mem::take(&mut self.dirty[lane as usize]);
        list.retain(|&at| {
            let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.dirty) else { return false };
            slot.dirty = false;
            let before = steps.len();
            let changes = self.rule_steps(at, lane, id, steps);
            let keep = self.permitted(permit, changes, before, Item::Rule(at), steps);
            if keep && let Some(slot) = self.slots.get_mut(at) {
                slot.dirty = true;
            }
            keep
        });
        // The list is as long again when the next flood of hosts comes; a switch at rest gives it back.
        if list.capacity() > DIRTY_KEPT {
            list.shrink_to(DIRTY_KEPT.max(list.len()));
        }
        self.dirty[lane as usize] = list;
    }

    /// Leaves of the steps since `before` what the permit covers; true if the item stays dirty.
    fn permitted(
        &mut self,
        permit: Permit,
        changes: bool,
        before: usize,
        item: Item,
        steps: &mut Vec<Planned>,
    ) -> bool {
        match permit {
            Permit::Additions if changes => {
                steps.truncate(before);
                return true;
            }
            Permit::All | Permit::Additions => {}
            Permit::Removals => {
                let all = steps.len();
                let mut kept = before;
                for at in before..all {
                    if steps[at].op.takes_away() {
                        steps.swap(kept, at);
                        kept += 1;
                    }
                }
                steps.truncate(kept);
                return kept < all;
            }
        }
        if steps.len() == before && !self.attempts.is_empty() {
            self.attempts.remove(&item);
        }
        false
    }

    /// Whether there is something to compare.
    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty_groups.is_empty() || self.dirty.iter().any(|list| !list.is_empty())
    }

    fn lane_of_group(&self, id: GroupId) -> Lane {
        let desired = self.desired_groups.get(&id).map(|group| group.group_type);
        let installed = self.installed_groups.get(&id).map(|group| group.group_type);
        pipeline::group_lane(desired.or(installed).unwrap_or(GroupType::SELECT))
    }

    /// Push the steps for one rule; true if they change or delete something that is installed.
    fn rule_steps(&self, at: SlotRef, lane: Lane, datapath_id: DatapathId, steps: &mut Vec<Planned>) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let put = match lane {
            Lane::Unicast => (1, slot.stage),
            Lane::Flood => (2, 0),
        };
        let delete = if lane == Lane::Unicast { (2, 0) } else { (0, 0) };
        let (step, op, changes) = match (slot.desired, slot.held()) {
            (true, Held::Nothing) => (put, Op::PutRule(at), false),
            (true, Held::Other(_)) => (put, Op::PutRule(at), true),
            (false, Held::Other(_) | Held::AsDesired) => (delete, Op::DeleteRule(at), true),
            (true, Held::AsDesired) | (false, Held::Nothing) => return false,
        };
        steps.push(Planned { step, datapath_id, op });
        changes
    }

    fn group_steps(&self, id: GroupId, lane: Lane, datapath_id: DatapathId, steps: &mut Vec<Planned>) -> bool {
        let mut push = |step, op| steps.push(Planned { step, datapath_id, op });
        match (self.desired_groups.get(&id), self.installed_groups.get(&id)) {
            (Some(_), None) => {
                push(if lane == Lane::Unicast { (0, 0) } else { (1, 0) }, Op::PutGroup(id));
                false
            }
            (Some(desired), Some(installed)) => {
                let (group_type, held) = (desired.group_type, installed.buckets());
                if group_type == installed.group_type && same_buckets(group_type, &desired.buckets, &held) {
                    return false;
                }
                if lane == Lane::Flood {
                    let loses = held.iter().any(|bucket| !has_bucket(&desired.buckets, bucket));
                    let gains = desired.buckets.iter().any(|bucket| !has_bucket(&held, bucket));
                    if loses {
                        push((0, 0), Op::ShrinkGroup(id));
                    }
                    if gains || desired.group_type != installed.group_type {
                        push((1, 0), Op::PutGroup(id));
                    }
                } else {
                    push((1, desired.stage), Op::PutGroup(id));
                }
                true
            }
            (None, Some(_)) => {
                push((3, 0), Op::DeleteGroup(id));
                true
            }
            (None, None) => false,
        }
    }

    /// Write the message for a step, as things stand now; nothing where the wish has changed since and the step has no object any more.
    /// What the switch will hold is noted as installed: the barrier confirms, an error corrects.
    pub(super) fn perform(
        &mut self,
        op: Op,
        xid: u32,
        counters: &mut FlowCounters,
        out: &mut BytesMut,
    ) -> Option<Sent> {
        match op {
            Op::PutRule(at) => {
                let slot = self.slots.get(at).filter(|slot| slot.desired)?;
                let head = FlowModHead {
                    command: FlowModCommand::ADD,
                    table_id: slot.table,
                    priority: slot.priority,
                    cookie: slot.cookie(),
                    idle_timeout: slot.idle_timeout,
                    flags: RULE_FLAGS,
                };
                head.write(xid, slot.body.octets().all(), out).ok()?;
                let existed = slot.held() != Held::Nothing;
                self.slots.hold_desired(at);
                counters.flow_mods[0] += 1;
                Some(Sent { xid, op, existed, deleted: None })
            }
            Op::DeleteRule(at) => {
                let slot = self.slots.get(at).filter(|slot| !slot.desired && slot.held() != Held::Nothing)?;
                let head = FlowModHead {
                    command: FlowModCommand::DELETE_STRICT,
                    table_id: slot.table,
                    priority: slot.priority,
                    cookie: 0,
                    idle_timeout: 0,
                    flags: FlowModFlags::NONE,
                };
                head.write(xid, slot.body.octets().of_match(), out).ok()?;
                let deleted = Some(Box::new(slot.id()));
                self.slots.hold_nothing(at);
                counters.flow_mods[1] += 1;
                Some(Sent { xid, op, existed: true, deleted })
            }
            Op::PutGroup(id) | Op::ShrinkGroup(id) => {
                let desired = self.desired_groups.get(&id)?;
                let installed = self.installed_groups.get(&id);
                let existed = installed.is_some();
                let command = if existed { GroupModCommand::MODIFY } else { GroupModCommand::ADD };
                let mut buckets = desired.buckets.clone();
                if matches!(op, Op::ShrinkGroup(_)) {
                    let held = installed?.buckets();
                    buckets.retain(|bucket| has_bucket(&held, bucket));
                }
                let (group_type, start) = (desired.group_type, out.len());
                Message::GroupMod(GroupMod { command, group_type, group_id: id, buckets }).encode(xid, out).ok()?;
                let installed = InstalledGroup::of_message(group_type, out.get(start..).unwrap_or_default());
                self.installed_groups.insert(id, installed);
                counters.group_mods[usize::from(existed)] += 1;
                Some(Sent { xid, op, existed, deleted: None })
            }
            Op::DeleteGroup(id) => {
                if self.desired_groups.contains_key(&id) {
                    return None;
                }
                let group = self.installed_groups.remove(&id)?;
                if let Some(key) = self.ids.key(id) {
                    self.ids.release(key);
                }
                let group_mod = GroupMod {
                    command: GroupModCommand::DELETE,
                    group_type: group.group_type,
                    group_id: id,
                    buckets: Vec::new(),
                };
                Message::GroupMod(group_mod).encode(xid, out).ok()?;
                counters.group_mods[2] += 1;
                Some(Sent { xid, op, existed: true, deleted: None })
            }
            Op::Nothing => None,
        }
    }

    /// A step in words.
    pub(super) fn describe(&self, sent: &Sent) -> String {
        let flow = |verb: &str, id: &RuleId| {
            format!("{verb} flow table={} priority={} {:?}", id.table, id.priority, id.match_)
        };
        match (sent.op, &sent.deleted) {
            (_, Some(id)) => flow("delete", id),
            (Op::PutRule(at), None) => match self.slots.get(at) {
                Some(slot) => flow("add", &slot.id()),
                None => "add a flow that nobody wants any more".to_owned(),
            },
            (Op::PutGroup(id) | Op::ShrinkGroup(id), None) => format!("set group {:#x}", id.0),
            (Op::DeleteGroup(id), None) => format!("delete group {:#x}", id.0),
            (Op::DeleteRule(_) | Op::Nothing, None) => "nothing".to_owned(),
        }
    }

    /// Rules of ours on the switch, ascending.
    pub(super) fn installed(&self) -> impl Iterator<Item = (RuleId, InstalledRule)> {
        let mut installed: Vec<(RuleId, InstalledRule)> = Vec::new();
        for (_, slot) in self.slots.all() {
            let (other, instructions) = match slot.held() {
                Held::Nothing => continue,
                Held::AsDesired => (&slot.as_other(), slot.body.instructions()),
                Held::Other(other) => (other, slot.body.with_instruction_octets(&other.instructions).instructions()),
            };
            let Other { cookie, idle_timeout, flags, .. } = *other;
            installed.push((slot.id(), InstalledRule { cookie, instructions, idle_timeout, flags }));
        }
        installed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        installed.into_iter()
    }

    /// Octets of matches and instructions of all rules, wanted or installed.
    #[cfg(test)]
    pub(super) fn octets_kept(&self) -> usize {
        let other = |held| if let Held::Other(other) = held { other.instructions.len() } else { 0 };
        self.slots.all().map(|(_, slot)| slot.body.octets().all().len() + other(slot.held())).sum()
    }

    pub(super) fn installed_groups(&self) -> impl Iterator<Item = (GroupId, &InstalledGroup)> {
        self.installed_groups.iter().map(|(&id, group)| (id, group))
    }

    /// Rules that should be on the switch, ascending.
    pub(super) fn desired(&self) -> impl Iterator<Item = (RuleId, Rule)> {
        let mut desired: Vec<(RuleId, Rule)> = Vec::new();
        for (_, slot) in self.slots.all().filter(|(_, slot)| slot.desired) {
            desired.push((slot.id(), slot.rule()));
        }
        desired.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        desired.into_iter()
    }

    pub(super) fn desired_groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.desired_groups.iter().map(|(&id, group)| (id, group))
    }

    pub(super) fn installed_count(&self) -> usize {
        self.slots.held_count()
    }

    pub(super) fn desired_count(&self) -> usize {
        self.slots.desired_count()
    }

    pub(super) fn group_count(&self) -> usize {
        self.installed_groups.len()
    }

    pub(super) fn is_installed(&self, id: &RuleId) -> bool {
        let found = self.slots.find_match(id.table, id.priority, &id.match_);
        found.and_then(|at| self.slots.get(at)).is_some_and(|slot| slot.held() != Held::Nothing)
    }
}

/// Places that a list of dirty rules keeps for the next ones.
const DIRTY_KEPT: usize = 64;

/// In a fast-failover group the order of the buckets is their ranking (OpenFlow 1.3.5 §5.6.1); elsewhere it means nothing.
fn same_buckets(group_type: GroupType, a: &[Bucket], b: &[Bucket]) -> bool {
    if group_type == GroupType::FF {
        return a == b;
    }
    a.len() == b.len() && a.iter().all(|bucket| has_bucket(b, bucket))
}

fn has_bucket(buckets: &[Bucket], bucket: &Bucket) -> bool {
    buckets.contains(bucket)
}
