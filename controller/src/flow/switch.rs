//! Desired against installed, for one switch: what the difference is, and nothing about when to send it.

mod audited;
mod buckets;
mod fitting;
mod foreign;
mod meters;
mod permit;
mod pictured;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::BytesMut;
use net::{DatapathId, Time};
use openflow::{
    FlowModCommand, FlowModFlags, FlowModHead, FlowRemoved, FlowStats, GroupDesc, GroupId, GroupMod, GroupModCommand,
    GroupType, Instruction, Match, Message, MeterId, TableId,
};
use topology::SeededState;

use super::audit::{FlowSettings, TakenOver, is_excepted};
use super::body::FlowBody;
use super::features::SwitchFeatures;
use super::ids::GroupIds;
use super::installed_group::InstalledGroup;
use super::pipeline::{self, Lane};
use super::reconciler::FlowCounters;
use super::refusal::{Item, Place, Refusals};
use super::rule::{self, Group, Key, OUR_COOKIES, Owner, RULE_FLAGS, Rule, RuleId};
use super::slots::{Held, Other, Slot, SlotRef, Slots};

use buckets::{has_bucket, has_detour, same_buckets, without_detour};
pub use meters::InstalledMeter;
use meters::Meters;
pub(super) use permit::Permit;
use permit::permitted;
pub(super) use words::flow_words;

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
    /// Without the detour, if it has one.
    PutGroup(GroupId),
    /// With it: when every switch has the rest.
    PutDetour(GroupId),
    /// Only those buckets of the installed group that the desired one keeps.
    ShrinkGroup(GroupId),
    DeleteGroup(GroupId),
    PutMeter(MeterId),
    DeleteMeter(MeterId),
    /// A step that was taken back.
    Nothing,
}

impl Op {
    /// Flooding by this switch becomes less.
    fn takes_away(&self) -> bool {
        match self {
            Op::DeleteRule(_) | Op::ShrinkGroup(_) | Op::DeleteGroup(_) | Op::DeleteMeter(_) => true,
            Op::PutRule(_) | Op::PutGroup(_) | Op::PutDetour(_) | Op::PutMeter(_) | Op::Nothing => false,
        }
    }

    /// Bundles have no meters in them: Open vSwitch takes none, and no rule would come before its meter or stay after it.
    pub(super) fn is_of_meter(&self) -> bool {
        matches!(self, Op::PutMeter(_) | Op::DeleteMeter(_))
    }
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
    pub(super) op: Op,
    /// What it puts was there before.
    existed: bool,
    /// What it deletes: its slot is used again.
    deleted: Option<Box<Deleted>>,
    /// It is in a bundle, and done when that is committed.
    pub(super) bundled: bool,
}

impl Sent {
    /// Whether it deletes this rule.
    pub(super) fn deletes(&self, table: TableId, priority: u16, match_: &Match) -> bool {
        let is_it = |deleted: &Deleted| {
            deleted.id.table == table && deleted.id.priority == priority && deleted.id.match_ == *match_
        };
        self.deleted.as_deref().is_some_and(is_it)
    }
}

/// A rule that a step deletes.
#[derive(Debug)]
struct Deleted {
    id: RuleId,
    cookie: u64,
}

/// Rules and groups of one switch.
#[derive(Debug, Default)]
pub(super) struct SwitchFlows {
    slots: Slots,
    desired_groups: BTreeMap<GroupId, Group>,
    ids: GroupIds,
    installed_groups: BTreeMap<GroupId, InstalledGroup>,
    /// Numbers that have been stated since the start: whatever has them is ours.
    stated_groups: BTreeSet<GroupId>,
    /// Groups of others, that are let be.
    foreign_groups: BTreeMap<GroupId, InstalledGroup>,
    meters: Meters,
    /// Rules to compare, by lane, in the order in which they came up. A slot that does not say so itself has been dealt with.
    dirty: [Vec<SlotRef>; 2],
    dirty_groups: BTreeSet<GroupId>,
    /// Those of them of which a part is planned: what the permit did not cover keeps them dirty.
    partly: BTreeSet<GroupId>,
    refusals: Refusals,
    taken_over: TakenOver,
    /// While an audit looks at groups: those that it has seen, and those that were sent meanwhile.
    seen_groups: Option<audited::SeenGroups>,
    /// What the switch says it can hold, on this connection.
    features: Option<Arc<SwitchFeatures>>,
    /// What goes out although the switch says it cannot hold it.
    foreseen: fitting::Foreseen,
}

impl SwitchFlows {
    pub(super) fn new(state: SeededState) -> SwitchFlows {
        SwitchFlows { slots: Slots::new(state), ..SwitchFlows::default() }
    }

    pub(super) fn group_id(&mut self, key: Key) -> GroupId {
        self.ids.id(key)
    }

    /// The same for a rule that is to point to the group: where it is installed, it tells which number the group has.
    pub(super) fn group_id_at(&mut self, key: Key, rule: &Rule) -> GroupId {
        let (slots, installed) = (&self.slots, &self.installed_groups);
        let found = || {
            let slot = slots.get(slots.find(rule.table, rule.priority, rule.body.key())?)?;
            (slot.held() != Held::Nothing).then(|| foreign::group_of(&slot.held_body())).flatten()
        };
        self.ids.seeded(key, found, |id| installed.contains_key(&id))
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
                    self.mark_other(old, &mut changed);
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
        self.mark_other(at, &mut changed);
        changed
    }

    /// State that `key` has no rule. The lane where there is something to compare now.
    pub(super) fn clear_rule(&mut self, key: &Key) -> [bool; 2] {
        let mut changed = [false; 2];
        if let Some(at) = self.slots.find_key(key) {
            self.slots.undesire(at);
            self.mark_other(at, &mut changed);
        }
        changed
    }

    /// The same where the identity is known. What another key has under it stays.
    pub(super) fn remove_rule(&mut self, rule: &Rule) -> [bool; 2] {
        let mut changed = [false; 2];
        let found = self.slots.find(rule.table, rule.priority, rule.body.key());
        if let Some(at) = found.filter(|&at| self.slots.get(at).is_some_and(|slot| slot.key == rule.key)) {
            self.slots.undesire(at);
            self.mark_other(at, &mut changed);
        }
        changed
    }

    /// What is desired there is something else now: whatever was refused was another rule.
    fn mark_other(&mut self, at: SlotRef, changed: &mut [bool; 2]) {
        self.refusals.forget(&Item::Rule(at));
        self.mark(at, changed);
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
                // Whoever has made it, it is ours from now on.
                if !rule::is_our_group(id) {
                    self.stated_groups.insert(id);
                }
                if let Some(found) = self.foreign_groups.remove(&id) {
                    self.installed_groups.insert(id, found);
                }
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
        self.refusals.forget(&Item::Group(id));
        self.dirty_groups.insert(id);
        self.partly.remove(&id);
        true
    }

    /// Nothing is wanted any more. Group numbers stay: the switch may still have the groups.
    pub(super) fn clear_desired(&mut self) {
        let all: Vec<SlotRef> = self.slots.all().map(|(at, _)| at).collect();
        for at in all {
            self.slots.undesire(at);
        }
        self.desired_groups.clear();
        self.clear_desired_meters();
        self.refusals.clear();
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
        self.clear_features();
        self.clear_installed_meters();
        self.installed_groups.clear();
        self.foreign_groups.clear();
        self.dirty = Default::default();
        self.dirty_groups.clear();
        self.partly.clear();
        self.refusals.clear();
        self.seen_groups = None;
        self.taken_over = TakenOver::default();
    }

    /// A flow entry found on the switch: how many octets are kept of it. Foreign ones are not ours to know, unless they are to be removed.
    pub(super) fn read_rule(&mut self, stats: &FlowStats, settings: &FlowSettings) -> Option<usize> {
        let (table, priority, cookie) = (stats.table_id, stats.priority, stats.cookie);
        if !rule::is_our_cookie(cookie) {
            let excepted = || is_excepted(&settings.exceptions, table, priority, cookie, || stats.match_.canonical());
            let is_stated = self.is_stated(stats);
            if is_stated {
                self.takes_over(stats);
            }
            if !is_stated && (!settings.remove_foreign || excepted()) {
                return None;
            }
        }
        // A match that is too long in its canonical form is none of ours: no FLOW_MOD has brought it there.
        let body = FlowBody::new(&stats.match_.canonical(), &stats.instructions).ok()?;
        let octets = body.octets();
        let (kept, instructions) = (octets.all().len(), octets.of_instructions().to_vec());
        let at = self.slots.place(table, priority, &body.into_match());
        let other = Other { cookie, idle_timeout: stats.idle_timeout, flags: stats.flags, instructions };
        self.slots.hold(at, other);
        Some(kept)
    }

    /// A group found on the switch: whether it is ours, and how many octets are kept of it. One of others may be wanted later.
    pub(super) fn read_group(&mut self, desc: &GroupDesc, settings: &FlowSettings) -> (bool, usize) {
        let id = desc.group_id;
        let ours = self.is_ours(id);
        let installed = InstalledGroup::new(desc.group_type, &desc.buckets);
        let kept = installed.octets();
        let is_removed = settings.removes_foreign_numbers();
        let groups = if ours || is_removed { &mut self.installed_groups } else { &mut self.foreign_groups };
        groups.insert(id, installed);
        (ours, kept)
    }

    /// Whether a group on the switch is ours, wanted or not.
    fn is_ours(&self, id: GroupId) -> bool {
        rule::is_our_group(id) || self.stated_groups.contains(&id) || self.installed_groups.contains_key(&id)
    }

    /// Compare everything again, after a read-back.
    pub(super) fn mark_all(&mut self) {
        let all: Vec<SlotRef> = self.slots.all().map(|(at, _)| at).collect();
        for at in all {
            self.mark(at, &mut [false; 2]);
        }
        self.dirty_groups.extend(self.desired_groups.keys().chain(self.installed_groups.keys()));
        self.mark_meters();
    }

    /// The groups to which a rule leads that the switch says is gone, if we believed it to be there.
    pub(super) fn groups_of(&self, removed: &FlowRemoved) -> Vec<GroupId> {
        let at = self.slots.find_match(removed.table_id, removed.priority, &removed.match_.canonical());
        let slot = at.and_then(|at| self.slots.get(at)).filter(|slot| slot.held() != Held::Nothing);
        slot.map_or(Vec::new(), |slot| foreign::groups_of(&slot.held_body()))
    }

    /// Somebody has deleted these groups.
    pub(super) fn groups_removed(&mut self, gone: &[GroupId]) {
        for id in gone {
            if self.installed_groups.remove(id).is_some() {
                self.dirty_groups.insert(*id);
            }
        }
    }

    /// The switch says that a flow entry is gone. Whether we believed it to be there.
    pub(super) fn rule_removed(&mut self, removed: &FlowRemoved) -> bool {
        let match_ = removed.match_.canonical();
        let Some(at) = self.slots.find_match(removed.table_id, removed.priority, &match_) else { return false };
        if self.slots.get(at).is_none_or(|slot| slot.held() == Held::Nothing) {
            return false;
        }
        if !self.slots.get(at).is_some_and(|slot| slot.desired) {
            self.refusals.forget(&Item::Rule(at));
        }
        self.slots.hold_nothing(at);
        // Only what is desired is still there.
        self.mark(at, &mut [false; 2]);
        true
    }

    /// A step was not done: what the switch holds there is what it held before.
    fn not_done(&mut self, sent: &Sent, there: Option<bool>) -> Option<Item> {
        match sent.op {
            Op::PutRule(at) => {
                let slot = self.slots.get(at)?;
                if sent.existed {
                    // An error leaves standing what was to be overwritten: it is there, and equals nothing that is desired.
                    let unknown = Other { cookie: !slot.cookie(), ..slot.as_other() };
                    self.slots.hold(at, unknown);
                } else {
                    self.slots.hold_nothing(at);
                }
                self.slots.get(at).map(|_| Item::Rule(at))
            }
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) => {
                if there.unwrap_or(sent.existed) {
                    let group_type = self.desired_groups.get(&id).map_or(GroupType::SELECT, |group| group.group_type);
                    self.installed_groups.insert(id, InstalledGroup::unknown(group_type));
                } else {
                    self.installed_groups.remove(&id);
                }
                Some(Item::Group(id))
            }
            Op::DeleteGroup(id) => Some(Item::Group(id)),
            Op::PutMeter(id) => {
                self.meter_not_done(id, there.unwrap_or(sent.existed));
                Some(Item::Meter(id))
            }
            Op::DeleteMeter(id) => {
                self.meter_not_done(id, true);
                Some(Item::Meter(id))
            }
            // What could not be deleted was not there, as far as anybody can tell.
            Op::DeleteRule(_) | Op::Nothing => None,
        }
    }

    /// A step in a bundle was not done, because of another one in it.
    pub(super) fn undone(&mut self, sent: &Sent) -> Option<SlotRef> {
        match (sent.op, &sent.deleted) {
            (Op::DeleteRule(_), Some(deleted)) => {
                let RuleId { table, priority, match_ } = &deleted.id;
                let body = FlowBody::of_match(match_).ok()?;
                let at = self.slots.place(*table, *priority, &body);
                // What it does is not known any more: unlike anything that is desired.
                let cookie = self.slots.get(at).map_or(deleted.cookie, |slot| !slot.cookie());
                let (idle_timeout, flags, instructions) = (0, RULE_FLAGS, Vec::new());
                self.slots.hold(at, Other { cookie, idle_timeout, flags, instructions });
                return Some(at);
            }
            (Op::DeleteGroup(id), _) => {
                self.installed_groups.entry(id).or_insert_with(|| InstalledGroup::unknown(GroupType::SELECT));
            }
            _ => drop(self.not_done(sent, None)),
        }
        None
    }

    /// A barrier has confirmed a step. Whether it is one that had been refused, or makes room for such: others may be worth a try for that.
    pub(super) fn confirmed(&mut self, sent: &Sent, now: Time) -> bool {
        if self.refusals.is_empty() {
            return false;
        }
        let outdated = self.is_outdated(sent.op);
        let item = match sent.op {
            Op::PutRule(_) | Op::PutGroup(_) | Op::PutDetour(_) | Op::PutMeter(_) if outdated => return false,
            Op::PutRule(at) => Item::Rule(at),
            Op::PutGroup(id) | Op::PutDetour(id) => Item::Group(id),
            Op::PutMeter(id) => Item::Meter(id),
            Op::DeleteRule(at) => {
                if !outdated {
                    self.refusals.forget(&Item::Rule(at));
                }
                let table = sent.deleted.as_deref().map(|deleted| deleted.id.table);
                let woken = table.and_then(|table| self.refusals.freed(Place::Table(table)));
                return self.wake(woken.as_slice());
            }
            Op::DeleteGroup(id) => {
                if !outdated {
                    self.refusals.forget(&Item::Group(id));
                }
                let woken = self.refusals.freed(Place::Groups);
                return self.wake(woken.as_slice());
            }
            Op::DeleteMeter(id) => {
                if !outdated {
                    self.refusals.forget(&Item::Meter(id));
                }
                let woken = self.refusals.freed(Place::Meters);
                return self.wake(woken.as_slice());
            }
            Op::ShrinkGroup(_) | Op::Nothing => return false,
        };
        let place = self.place_of(&item);
        let Some(woken) = self.refusals.taken(&item, place, now) else { return false };
        self.wake(&woken);
        true
    }

    /// A later step of the same rule, group or meter has been refused before this one was confirmed: that refusal stands.
    fn is_outdated(&self, op: Op) -> bool {
        match op {
            Op::PutRule(at) => self.slots.get(at).is_some_and(|slot| slot.held() == Held::Nothing || slot.is_unknown()),
            Op::DeleteRule(at) => self.slots.get(at).is_some_and(|slot| slot.desired),
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) => {
                self.installed_groups.get(&id).is_none_or(InstalledGroup::is_unknown)
            }
            Op::DeleteGroup(id) => self.desired_groups.contains_key(&id),
            Op::DeleteMeter(id) => self.meters.desired.contains_key(&id),
            Op::PutMeter(id) => self.meters.installed.get(&id).is_none_or(|meter| meter.bands.is_none()),
            Op::Nothing => false,
        }
    }

    fn wake(&mut self, items: &[Item]) -> bool {
        for item in items {
            match *item {
                Item::Rule(at) => self.mark(at, &mut [false; 2]),
                Item::Group(id) => drop(self.dirty_groups.insert(id)),
                Item::Meter(id) => drop(self.meters.dirty.insert(id)),
            }
        }
        !items.is_empty()
    }

    /// Put what is due for another try back to the dirty ones.
    pub(super) fn wake_refused(&mut self, now: Time) {
        let due = self.refusals.due(now);
        self.wake(&due);
    }

    /// The next time that something refused is due.
    pub(super) fn next_retry(&self) -> Option<Time> {
        self.refusals.next_due()
    }

    /// Refused rules and groups that are not right yet.
    pub(super) fn refused_count(&self) -> usize {
        self.refusals.len()
    }

    /// Take the difference of one lane out of the dirty lists, as steps: groups before the rules that point to them. What the permit does
    /// not cover stays dirty.
    pub(super) fn take_steps(&mut self, lane: Lane, permit: Permit, id: DatapathId, steps: &mut Vec<Planned>) {
        if lane == Lane::Unicast && !self.meters.dirty.is_empty() {
            self.meter_steps(permit == Permit::Additions, id, steps);
        }
        if !self.dirty_groups.is_empty() {
            for group in std::mem::take(&mut self.dirty_groups) {
                if self.refusals.sleeps(&Item::Group(group)) {
                    // An audit may have found that it is as it should be all the same.
                    let before = steps.len();
                    self.group_steps(group, lane, id, steps);
                    self.forget_needless(Item::Group(group), before == steps.len());
                    steps.truncate(before);
                    continue;
                }
                let keep = self.lane_of_group(group) != lane || {
                    self.foresee(Item::Group(group));
                    let before = steps.len();
                    let changes = self.group_steps(group, lane, id, steps);
                    self.forget_needless(Item::Group(group), before == steps.len());
                    let keep = permitted(permit, changes, before, steps);
                    if keep && steps.len() > before {
                        self.partly.insert(group);
                    } else {
                        self.partly.remove(&group);
                    }
                    keep
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
            if self.refusals.sleeps(&Item::Rule(at)) {
                self.rule_steps(at, lane, id, steps);
                self.forget_needless(Item::Rule(at), before == steps.len());
                steps.truncate(before);
                return false;
            }
            self.foresee(Item::Rule(at));
            let changes = self.rule_steps(at, lane, id, steps);
            self.forget_needless(Item::Rule(at), before == steps.len());
            let keep = permitted(permit, changes, before, steps);
            if keep && let Some(slot) = self.slots.get_mut(at) {
                slot.dirty = true;
            }
            keep
        });
        if list.capacity() > DIRTY_KEPT {
            list.shrink_to(DIRTY_KEPT.max(list.len()));
        }
        self.dirty[lane as usize] = list;
    }

    /// Whether there is something to compare.
    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty_groups.is_empty() || !self.meters.dirty.is_empty() || self.dirty.iter().any(|list| !list.is_empty())
    }

    fn lane_of_group(&self, id: GroupId) -> Lane {
        // The operator's rules point to them, whatever their type is.
        if !rule::is_our_group(id) {
            return Lane::Unicast;
        }
        let desired = self.desired_groups.get(&id).map(|group| group.group_type);
        let installed = self.installed_groups.get(&id).map(|group| group.group_type);
        pipeline::group_lane(desired.or(installed).unwrap_or(GroupType::SELECT))
    }

    /// Push the steps for one rule; true if they change or delete something that is installed, or are to wait like such.
    fn rule_steps(&self, at: SlotRef, lane: Lane, datapath_id: DatapathId, steps: &mut Vec<Planned>) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        // What keeps hosts apart comes before what leads to them, and goes after it.
        let put = match lane {
            Lane::Unicast if pipeline::is_guard(slot.table) => (0, 0),
            Lane::Unicast => (1, slot.stage),
            Lane::Flood => (2, 0),
        };
        // The farthest first: whoever still sends a packet towards the destination sends it to one that does so too.
        let delete = match lane {
            Lane::Unicast if pipeline::is_guard(slot.table) => (3, 0),
            Lane::Unicast => (2, u16::MAX - slot.stage),
            Lane::Flood => (0, 0),
        };
        let (step, op, changes) = match (slot.desired, slot.held()) {
            // While links are not all found again, ways round them are others than those that are there.
            (true, Held::Nothing) => (put, Op::PutRule(at), slot.stage == pipeline::LABEL_STAGE),
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
            (Some(desired), installed) if has_detour(id, desired) => {
                let held = installed.map(|installed| (installed.group_type, installed.buckets()));
                if self.knows_no(GroupType::FF) {
                    if held.as_ref() == Some(&without_detour(desired)) {
                        return false;
                    }
                    push(if installed.is_none() { (0, 0) } else { (1, desired.stage) }, Op::PutGroup(id));
                    return installed.is_some();
                }
                if held.as_ref().is_some_and(|held| (held.0, &held.1) == (desired.group_type, &desired.buckets)) {
                    return false;
                }
                if held != Some(without_detour(desired)) {
                    push(if installed.is_none() { (0, 0) } else { (1, desired.stage) }, Op::PutGroup(id));
                }
                push((1, u16::MAX), Op::PutDetour(id));
                installed.is_some()
            }
            (Some(desired), None) => {
                // Groups of the operator may point to each other: those that others point to come first.
                let first = if rule::is_our_group(id) { 0 } else { desired.stage };
                push(if lane == Lane::Unicast { (0, first) } else { (1, 0) }, Op::PutGroup(id));
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
                push((4, 0), Op::DeleteGroup(id));
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
                    cookie_mask: 0,
                    idle_timeout: slot.idle_timeout,
                    flags: RULE_FLAGS,
                };
                head.write(xid, slot.body.octets().all(), out).ok()?;
                let existed = slot.held() != Held::Nothing;
                self.slots.hold_desired(at);
                counters.flow_mods[0] += 1;
                Some(Sent { xid, op, existed, deleted: None, bundled: false })
            }
            Op::DeleteRule(at) => {
                let may = |slot: &&Slot| !slot.desired && slot.held() != Held::Nothing;
                let slot = self.slots.get(at).filter(may)?;
                // Somebody may have put one of his own in its place since (OpenFlow 1.3.5 §6.4): that one stays.
                let (cookie, cookie_mask) = match slot.held_cookie() {
                    cookie if slot.is_unknown() || rule::is_our_cookie(cookie) => OUR_COOKIES,
                    cookie => (cookie, u64::MAX),
                };
                let head = FlowModHead {
                    command: FlowModCommand::DELETE_STRICT,
                    table_id: slot.table,
                    priority: slot.priority,
                    cookie,
                    cookie_mask,
                    idle_timeout: 0,
                    flags: FlowModFlags::NONE,
                };
                head.write(xid, slot.body.octets().of_match(), out).ok()?;
                let cookie = match slot.held() {
                    Held::Other(other) => other.cookie,
                    Held::AsDesired | Held::Nothing => slot.cookie(),
                };
                let deleted = Some(Box::new(Deleted { id: slot.id(), cookie }));
                self.slots.hold_nothing(at);
                counters.flow_mods[1] += 1;
                Some(Sent { xid, op, existed: true, deleted, bundled: false })
            }
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) => {
                let desired = self.desired_groups.get(&id)?;
                // It is to be something else by now: the next rollout brings both parts of that in their order.
                if matches!(op, Op::PutDetour(_)) && (self.dirty_groups.contains(&id) || !has_detour(id, desired)) {
                    return None;
                }
                let installed = self.installed_groups.get(&id);
                let existed = installed.is_some();
                let command = if existed { GroupModCommand::MODIFY } else { GroupModCommand::ADD };
                let (group_type, mut buckets) = match op {
                    Op::PutGroup(_) if has_detour(id, desired) => without_detour(desired),
                    _ => (desired.group_type, desired.buckets.clone()),
                };
                if matches!(op, Op::ShrinkGroup(_)) {
                    let held = installed?.buckets();
                    buckets.retain(|bucket| has_bucket(&held, bucket));
                }
                let start = out.len();
                Message::GroupMod(GroupMod { command, group_type, group_id: id, buckets }).encode(xid, out).ok()?;
                let installed = InstalledGroup::of_message(group_type, out.get(start..).unwrap_or_default());
                self.installed_groups.insert(id, installed);
                self.group_sent(id);
                counters.group_mods[usize::from(existed)] += 1;
                Some(Sent { xid, op, existed, deleted: None, bundled: false })
            }
            Op::DeleteGroup(id) => {
                if self.desired_groups.contains_key(&id) {
                    return None;
                }
                let group = self.installed_groups.remove(&id)?;
                self.group_sent(id);
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
                Some(Sent { xid, op, existed: true, deleted: None, bundled: false })
            }
            Op::PutMeter(_) | Op::DeleteMeter(_) => self.perform_meter(op, xid, counters, out),
            Op::Nothing => None,
        }
    }

    /// An audit that is under way does not judge it.
    fn group_sent(&mut self, id: GroupId) {
        if let Some(seen) = &mut self.seen_groups {
            seen.insert(id);
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

    /// Which rules of one owner are on the switch.
    pub(super) fn installed_of(&self, owner: Owner) -> impl Iterator<Item = RuleId> {
        let of_owner = move |slot: &&Slot| {
            let cookie = match slot.held() {
                Held::Nothing => return false,
                Held::AsDesired => slot.cookie(),
                Held::Other(other) => other.cookie,
            };
            rule::owner_of_cookie(cookie) == Some(owner)
        };
        self.slots.all().map(|(_, slot)| slot).filter(of_owner).map(Slot::id)
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
