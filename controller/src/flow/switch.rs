//! Desired against installed, for one switch: what the difference is, and nothing about when to send it.

use std::collections::{BTreeMap, BTreeSet};

use net::Time;
use openflow::{
    Bucket, FlowMod, FlowModFlags, FlowStats, GroupDesc, GroupId, GroupMod, GroupModCommand, GroupType, Instruction,
    Message,
};

use super::ids::GroupIds;
use super::pipeline::{self, Lane};
use super::rule::{self, Group, Key, Rule, RuleId};

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

/// A group of ours as the switch has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstalledGroup {
    /// All, select, indirect or fast failover.
    pub group_type: GroupType,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

/// One step of a rollout on one switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Op {
    PutRule(RuleId),
    DeleteRule(RuleId),
    PutGroup(GroupId),
    /// Only those buckets of the installed group that the desired one keeps.
    ShrinkGroup(GroupId),
    DeleteGroup(GroupId),
}

impl Op {
    /// Flooding by this switch becomes less.
    fn takes_away(&self) -> bool {
        match self {
            Op::DeleteRule(_) | Op::ShrinkGroup(_) | Op::DeleteGroup(_) => true,
            Op::PutRule(_) | Op::PutGroup(_) => false,
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

/// First wait before a refused rule is sent again; it doubles each time.
const RETRY_FIRST_MS: u64 = 1_000;
/// Longest wait before a refused rule is sent again: a full table may have room by then, and a broken rule costs one message a minute.
const RETRY_LAST_MS: u64 = 60_000;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Item {
    Rule(RuleId),
    Group(GroupId),
}

/// Rules and groups of one switch.
#[derive(Debug, Default)]
pub(super) struct SwitchFlows {
    desired: BTreeMap<RuleId, Rule>,
    rule_keys: BTreeMap<Key, RuleId>,
    desired_groups: BTreeMap<GroupId, Group>,
    ids: GroupIds,
    installed: BTreeMap<RuleId, InstalledRule>,
    installed_groups: BTreeMap<GroupId, InstalledGroup>,
    dirty: BTreeSet<Item>,
    /// Refused, and asleep until then.
    retries: BTreeMap<Item, Time>,
    /// How often it was refused since it was last right.
    attempts: BTreeMap<Item, u32>,
}

impl SwitchFlows {
    pub(super) fn group_id(&mut self, key: Key) -> GroupId {
        self.ids.id(key)
    }

    /// State that `key`'s rule is `rule`, or that there is none.
    pub(super) fn set_rule(&mut self, key: Key, rule: Option<Rule>) {
        let old_id = self.rule_keys.get(&key).cloned();
        if let Some(old_id) = &old_id {
            match &rule {
                Some(rule) if rule.id() == *old_id => {}
                _ => {
                    self.rule_keys.remove(&key);
                    // Another key may have taken over this identity since.
                    if self.desired.get(old_id).is_some_and(|old| old.key == key) {
                        self.desired.remove(old_id);
                        self.dirty.insert(Item::Rule(old_id.clone()));
                    }
                }
            }
        }
        if let Some(rule) = rule {
            let id = rule.id();
            self.rule_keys.insert(key, id.clone());
            let same = self.desired.get(&id).is_some_and(|old| *old == rule);
            if !same {
                self.desired.insert(id.clone(), rule);
                self.dirty.insert(Item::Rule(id));
            }
        }
    }

    /// State that `key`'s group is `group`, or that there is none.
    pub(super) fn set_group(&mut self, key: Key, group: Option<Group>) {
        let id = self.ids.id(key);
        match group {
            Some(group) => {
                if self.desired_groups.get(&id) != Some(&group) {
                    self.desired_groups.insert(id, group);
                    self.dirty.insert(Item::Group(id));
                }
            }
            None => {
                if self.desired_groups.remove(&id).is_some() {
                    self.dirty.insert(Item::Group(id));
                } else if !self.installed_groups.contains_key(&id) {
                    self.ids.release(key);
                }
            }
        }
    }

    /// Nothing is wanted any more. Group numbers stay: the switch may still have the groups.
    pub(super) fn clear_desired(&mut self) {
        self.desired.clear();
        self.rule_keys.clear();
        self.desired_groups.clear();
        self.mark_all();
    }

    /// Forget what the switch holds: it is about to be read again.
    pub(super) fn clear_installed(&mut self) {
        self.installed.clear();
        self.installed_groups.clear();
        self.dirty.clear();
        self.retries.clear();
        self.attempts.clear();
    }

    /// A flow entry found on the switch. Foreign ones are not ours to know.
    pub(super) fn read_rule(&mut self, stats: &FlowStats) -> bool {
        if !rule::is_our_cookie(stats.cookie) {
            return false;
        }
        let id = RuleId { table: stats.table_id, priority: stats.priority, match_: stats.match_.canonical() };
        let installed = InstalledRule {
            cookie: stats.cookie,
            instructions: stats.instructions.clone(),
            idle_timeout: stats.idle_timeout,
            flags: stats.flags,
        };
        self.installed.insert(id, installed);
        true
    }

    /// A group found on the switch.
    pub(super) fn read_group(&mut self, desc: &GroupDesc) -> bool {
        if !rule::is_our_group(desc.group_id) {
            return false;
        }
        let installed = InstalledGroup { group_type: desc.group_type, buckets: desc.buckets.clone() };
        self.installed_groups.insert(desc.group_id, installed);
        true
    }

    /// Compare everything again, after a read-back.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.desired.keys().chain(self.installed.keys()).cloned().map(Item::Rule));
        self.dirty.extend(self.desired_groups.keys().chain(self.installed_groups.keys()).copied().map(Item::Group));
    }

    /// The switch says that a flow entry is gone. Whether we believed it to be there.
    pub(super) fn rule_removed(&mut self, id: &RuleId) -> bool {
        let known = self.installed.remove(id).is_some();
        if known && self.desired.contains_key(id) {
            self.dirty.insert(Item::Rule(id.clone()));
        }
        known
    }

    /// The switch refused a step: what it holds there is not what we believed. Tried again later, each time after a longer wait.
    /// `there`: the object exists on the switch, with whatever contents.
    pub(super) fn refused(&mut self, op: &Op, there: bool, now: Time) {
        let item = match op {
            Op::PutRule(id) => {
                self.installed.remove(id);
                Item::Rule(id.clone())
            }
            Op::DeleteRule(id) => Item::Rule(id.clone()),
            Op::PutGroup(id) | Op::ShrinkGroup(id) => {
                if there && let Some(desired) = self.desired_groups.get(id) {
                    // No buckets: unlike anything that is desired, so it is changed and not added at the next try.
                    let unknown = InstalledGroup { group_type: desired.group_type, buckets: Vec::new() };
                    self.installed_groups.insert(*id, unknown);
                } else {
                    self.installed_groups.remove(id);
                }
                Item::Group(*id)
            }
            Op::DeleteGroup(id) => Item::Group(*id),
        };
        self.dirty.remove(&item);
        let attempts = self.attempts.entry(item.clone()).or_insert(0);
        let wait = (RETRY_FIRST_MS << (*attempts).min(10)).min(RETRY_LAST_MS);
        *attempts += 1;
        self.retries.insert(item, now + std::time::Duration::from_millis(wait));
    }

    /// Put what is due for another try back to the dirty ones.
    pub(super) fn wake_retries(&mut self, now: Time) {
        let due: Vec<Item> = self.retries.iter().filter(|(_, at)| **at <= now).map(|(item, _)| item.clone()).collect();
        for item in due {
            self.retries.remove(&item);
            self.dirty.insert(item);
        }
    }

    pub(super) fn next_retry(&self) -> Option<Time> {
        self.retries.values().min().copied()
    }

    /// Refused rules and groups that wait for another try.
    pub(super) fn refused_count(&self) -> usize {
        self.retries.len()
    }

    /// Take the difference of one lane out of the dirty set, as steps. What the permit does not cover stays dirty.
    pub(super) fn take_steps(&mut self, lane: Lane, permit: Permit) -> Vec<(Step, Op)> {
        let mut steps = Vec::new();
        let mut keep = BTreeSet::new();
        for item in std::mem::take(&mut self.dirty) {
            if self.item_lane(&item) != lane {
                keep.insert(item);
                continue;
            }
            let before = steps.len();
            let changes = match &item {
                Item::Rule(id) => self.rule_steps(id, lane, &mut steps),
                Item::Group(id) => self.group_steps(*id, lane, &mut steps),
            };
            match permit {
                Permit::All => {}
                Permit::Additions if !changes => {}
                Permit::Additions => {
                    steps.truncate(before);
                    keep.insert(item);
                    continue;
                }
                Permit::Removals => {
                    let found = steps.split_off(before);
                    let all = found.len();
                    steps.extend(found.into_iter().filter(|(_, op)| op.takes_away()));
                    if steps.len() - before < all {
                        keep.insert(item);
                    }
                    continue;
                }
            }
            if steps.len() == before {
                self.attempts.remove(&item);
            }
        }
        self.dirty = keep;
        steps
    }

    /// Whether something of `lane` would be sent now.
    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn item_lane(&self, item: &Item) -> Lane {
        match item {
            Item::Rule(id) => pipeline::rule_lane(id.table, id.priority),
            Item::Group(id) => {
                let desired = self.desired_groups.get(id).map(|group| group.group_type);
                let installed = self.installed_groups.get(id).map(|group| group.group_type);
                pipeline::group_lane(desired.or(installed).unwrap_or(GroupType::SELECT))
            }
        }
    }

    /// Push the steps for one rule; true if they change or delete something that is installed.
    fn rule_steps(&self, id: &RuleId, lane: Lane, steps: &mut Vec<(Step, Op)>) -> bool {
        let put = |stage| match lane {
            Lane::Unicast => (1, stage),
            Lane::Flood => (2, 0),
        };
        match (self.desired.get(id), self.installed.get(id)) {
            (Some(desired), None) => {
                steps.push((put(desired.stage), Op::PutRule(id.clone())));
                false
            }
            (Some(desired), Some(installed)) => {
                if same_rule(desired, installed) {
                    return false;
                }
                steps.push((put(desired.stage), Op::PutRule(id.clone())));
                true
            }
            (None, Some(_)) => {
                let step = if lane == Lane::Unicast { (2, 0) } else { (0, 0) };
                steps.push((step, Op::DeleteRule(id.clone())));
                true
            }
            (None, None) => false,
        }
    }

    fn group_steps(&self, id: GroupId, lane: Lane, steps: &mut Vec<(Step, Op)>) -> bool {
        match (self.desired_groups.get(&id), self.installed_groups.get(&id)) {
            (Some(_), None) => {
                let step = if lane == Lane::Unicast { (0, 0) } else { (1, 0) };
                steps.push((step, Op::PutGroup(id)));
                false
            }
            (Some(desired), Some(installed)) => {
                let group_type = desired.group_type;
                if group_type == installed.group_type && same_buckets(group_type, &desired.buckets, &installed.buckets)
                {
                    return false;
                }
                if lane == Lane::Flood {
                    let loses = installed.buckets.iter().any(|bucket| !has_bucket(&desired.buckets, bucket));
                    let gains = desired.buckets.iter().any(|bucket| !has_bucket(&installed.buckets, bucket));
                    if loses {
                        steps.push(((0, 0), Op::ShrinkGroup(id)));
                    }
                    if gains || desired.group_type != installed.group_type {
                        steps.push(((1, 0), Op::PutGroup(id)));
                    }
                } else {
                    steps.push(((1, desired.stage), Op::PutGroup(id)));
                }
                true
            }
            (None, Some(_)) => {
                steps.push(((3, 0), Op::DeleteGroup(id)));
                true
            }
            (None, None) => false,
        }
    }

    /// The message for a step, as things stand now; `None` where the wish has changed since and the step has no object any more.
    /// What the switch will hold is noted as installed: the barrier confirms, an error corrects.
    pub(super) fn perform(&mut self, op: &Op) -> Option<Message> {
        match op {
            Op::PutRule(id) => {
                let rule = self.desired.get(id)?;
                let flow_mod = FlowMod {
                    cookie: rule.key.cookie(),
                    idle_timeout: rule.idle_timeout,
                    flags: rule.flags(),
                    instructions: rule.instructions.clone(),
                    ..FlowMod::add(rule.table, rule.priority, rule.match_.clone())
                };
                let installed = InstalledRule {
                    cookie: flow_mod.cookie,
                    instructions: flow_mod.instructions.clone(),
                    idle_timeout: flow_mod.idle_timeout,
                    flags: flow_mod.flags,
                };
                self.installed.insert(id.clone(), installed);
                Some(Message::FlowMod(flow_mod))
            }
            Op::DeleteRule(id) => {
                if self.desired.contains_key(id) {
                    return None;
                }
                self.installed.remove(id)?;
                Some(Message::FlowMod(FlowMod::delete_strict(id.table, id.priority, id.match_.clone())))
            }
            Op::PutGroup(id) | Op::ShrinkGroup(id) => {
                let desired = self.desired_groups.get(id)?;
                let installed = self.installed_groups.get(id);
                let command = if installed.is_some() { GroupModCommand::MODIFY } else { GroupModCommand::ADD };
                let mut buckets = desired.buckets.clone();
                if matches!(op, Op::ShrinkGroup(_)) {
                    let installed = installed?;
                    buckets.retain(|bucket| has_bucket(&installed.buckets, bucket));
                }
                let group = InstalledGroup { group_type: desired.group_type, buckets: buckets.clone() };
                let group_mod = GroupMod { command, group_type: desired.group_type, group_id: *id, buckets };
                self.installed_groups.insert(*id, group);
                Some(Message::GroupMod(group_mod))
            }
            Op::DeleteGroup(id) => {
                if self.desired_groups.contains_key(id) {
                    return None;
                }
                let group = self.installed_groups.remove(id)?;
                if let Some(key) = self.ids.key(*id) {
                    self.ids.release(key);
                }
                let group_mod = GroupMod {
                    command: GroupModCommand::DELETE,
                    group_type: group.group_type,
                    group_id: *id,
                    buckets: Vec::new(),
                };
                Some(Message::GroupMod(group_mod))
            }
        }
    }

    /// Whether what a step puts is on the switch already.
    pub(super) fn exists(&self, op: &Op) -> bool {
        match op {
            Op::PutRule(id) | Op::DeleteRule(id) => self.installed.contains_key(id),
            Op::PutGroup(id) | Op::ShrinkGroup(id) | Op::DeleteGroup(id) => self.installed_groups.contains_key(id),
        }
    }

    pub(super) fn installed(&self) -> impl Iterator<Item = (&RuleId, &InstalledRule)> {
        self.installed.iter()
    }

    pub(super) fn installed_groups(&self) -> impl Iterator<Item = (GroupId, &InstalledGroup)> {
        self.installed_groups.iter().map(|(&id, group)| (id, group))
    }

    pub(super) fn desired(&self) -> impl Iterator<Item = (&RuleId, &Rule)> {
        self.desired.iter()
    }

    pub(super) fn desired_groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.desired_groups.iter().map(|(&id, group)| (id, group))
    }

    pub(super) fn installed_count(&self) -> usize {
        self.installed.len()
    }

    pub(super) fn desired_count(&self) -> usize {
        self.desired.len()
    }

    pub(super) fn group_count(&self) -> usize {
        self.installed_groups.len()
    }

    pub(super) fn is_installed(&self, id: &RuleId) -> bool {
        self.installed.contains_key(id)
    }
}

fn same_rule(desired: &Rule, installed: &InstalledRule) -> bool {
    desired.key.cookie() == installed.cookie
        && desired.idle_timeout == installed.idle_timeout
        && desired.flags() == installed.flags
        && desired.instructions == installed.instructions
}

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
