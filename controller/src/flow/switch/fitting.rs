//! What of the desired rules, groups and meters a switch says it cannot hold, before it is sent.
//!
//! The switch's word is a hint: everything is sent, and its error is what counts. What is foreseen is told for the first few of a connection, and
//! beside the error of what is refused then.

use std::collections::BTreeSet;
use std::sync::Arc;

use net::Time;
use openflow::{Bucket, ErrorCode, GroupId, GroupType, MeterId, TableId};

use super::buckets::{has_detour, without_detour};
use super::{Op, Sent, SwitchFlows};
use crate::flow::body::FlowBody;
use crate::flow::features::SwitchFeatures;
use crate::flow::reconciler::RefusedStep;
use crate::flow::refusal::{Again, Cause, Item, Place};
use crate::flow::rule::{Group, RuleId};
use crate::flow::slots::{Held, SlotRef};
use crate::flow::unfit::Unfit;

/// What is told of one connection; all of it is in a plan, and in what is refused.
const FORESEEN_TOLD: usize = 16;

/// What goes out although the switch says it cannot hold it.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    /// Not told yet.
    waiting: Vec<(Item, Unfit)>,
    /// On this connection.
    so_far: usize,
    /// Tables that hold fewer rules than are wanted: told once.
    full: BTreeSet<TableId>,
}

impl Op {
    /// What it is about.
    pub(super) fn object(self) -> Option<Item> {
        match self {
            Op::PutRule(at) | Op::DeleteRule(at) => Some(Item::Rule(at)),
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) | Op::DeleteGroup(id) => Some(Item::Group(id)),
            Op::PutMeter(id) | Op::DeleteMeter(id) => Some(Item::Meter(id)),
            Op::Nothing => None,
        }
    }

    /// Whether both are about the same rule, group or meter.
    pub(in crate::flow) fn is_about_the_same(self, other: Op) -> bool {
        self.object().is_some_and(|object| Some(object) == other.object())
    }
}

impl SwitchFlows {
    /// What the switch says it can hold.
    pub(in crate::flow) fn features(&self) -> Option<&Arc<SwitchFeatures>> {
        self.features.as_ref()
    }

    /// The switch has told what it can hold.
    pub(in crate::flow) fn set_features(&mut self, features: Arc<SwitchFeatures>) {
        self.features = Some(features);
    }

    /// Nothing is known of what the switch can hold.
    pub(super) fn clear_features(&mut self) {
        (self.features, self.foreseen) = (None, Foreseen::default());
    }

    fn table_full(&self, table: TableId) -> Option<Unfit> {
        let (max, wanted) = (self.features.as_ref()?.max_entries(table)?, self.slots.desired_in(table));
        (wanted > max as usize).then_some(Unfit::TableFull { table, max, wanted })
    }

    fn unfit_rule(&self, at: SlotRef) -> Option<Unfit> {
        let features = self.features.as_ref()?;
        let slot = self.slots.get(at).filter(|slot| slot.desired && slot.held() != Held::AsDesired)?;
        features.unfit_rule(slot.table, slot.priority, &slot.body).or_else(|| self.table_full(slot.table))
    }

    fn unfit_group(&self, id: GroupId) -> Option<Unfit> {
        let (features, group) = (self.features.as_ref()?, self.desired_groups.get(&id)?);
        if self.installed_groups.get(&id).is_some_and(|held| held.group_type == group.group_type) {
            return None;
        }
        // It is sent without its detour.
        if has_detour(id, group) && self.knows_no(GroupType::FF) {
            return None;
        }
        // All are at least as many as those of its type, which are counted where it matters.
        match features.unfit_group(group.group_type, &group.buckets, self.installed_groups.len()) {
            Some(Unfit::GroupsFull { .. }) => {
                let is_alike = |held: &&super::InstalledGroup| held.group_type == group.group_type;
                let others = self.installed_groups.values().filter(is_alike).count();
                features.unfit_group(group.group_type, &group.buckets, others)
            }
            unfit => unfit,
        }
    }

    /// The switch says that it has no groups of this type.
    pub(super) fn knows_no(&self, group_type: GroupType) -> bool {
        let told = self.features.as_ref().and_then(|features| features.unfit_group(group_type, &[], 0));
        matches!(told, Some(Unfit::GroupType(_)))
    }

    /// A group as it is on this switch when all of it is done.
    pub(super) fn as_it_can_be(&self, id: GroupId, group: &Group) -> (GroupType, Vec<Bucket>) {
        match has_detour(id, group) && self.knows_no(GroupType::FF) {
            true => without_detour(group),
            false => (group.group_type, group.buckets.clone()),
        }
    }

    fn unfit_meter(&self, id: MeterId) -> Option<Unfit> {
        let (features, meter) = (self.features.as_ref()?, self.meters.desired.get(&id)?);
        let others = self.meters.installed.len() - usize::from(self.meters.installed.contains_key(&id));
        features.unfit_meter(meter.flags, &meter.bands, others)
    }

    /// Why the switch cannot hold what is desired and not there, as it says.
    fn unfit(&self, item: &Item) -> Option<Unfit> {
        match *item {
            Item::Rule(at) => self.unfit_rule(at),
            Item::Group(id) => self.unfit_group(id),
            Item::Meter(id) => self.unfit_meter(id),
        }
    }

    /// It is about to be sent.
    pub(super) fn foresee(&mut self, item: Item) {
        let is_told = self.foreseen.so_far >= FORESEEN_TOLD || self.features.is_none();
        if is_told || self.refusals.get(&item).is_some() {
            return;
        }
        let Some(unfit) = self.unfit(&item) else { return };
        if let Unfit::TableFull { table, .. } = unfit
            && !self.foreseen.full.insert(table)
        {
            return;
        }
        self.foreseen.so_far += 1;
        self.foreseen.waiting.push((item, unfit));
    }

    /// What has been foreseen since the last time.
    pub(in crate::flow) fn foreseen(&mut self) -> Vec<(RefusedStep, Unfit)> {
        let waiting = std::mem::take(&mut self.foreseen.waiting);
        waiting.into_iter().map(|(item, unfit)| (self.describe_item(item), unfit)).collect()
    }

    /// An error, and what the switch has told before that explains it.
    pub(super) fn cause(&self, item: &Item, error: ErrorCode) -> Cause {
        self.unfit(item).map_or(Cause::Error(error), |unfit| Cause::Foreseen(error, unfit))
    }

    /// The same of a step that was refused.
    pub(in crate::flow) fn cause_of(&self, sent: &Sent, error: ErrorCode) -> Cause {
        match sent.op {
            Op::PutRule(at) => self.cause(&Item::Rule(at), error),
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) => self.cause(&Item::Group(id), error),
            Op::PutMeter(id) => self.cause(&Item::Meter(id), error),
            Op::DeleteRule(_) | Op::DeleteGroup(_) | Op::DeleteMeter(_) | Op::Nothing => Cause::Error(error),
        }
    }

    /// Whether a step that was refused puts what nobody wants any more: there is nothing to try again.
    pub(super) fn is_moot(&self, op: Op) -> bool {
        match op {
            Op::PutRule(at) => self.slots.get(at).is_none_or(|slot| !slot.desired),
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) => !self.desired_groups.contains_key(&id),
            Op::PutMeter(id) => !self.meters.desired.contains_key(&id),
            Op::DeleteRule(_) | Op::DeleteGroup(_) | Op::DeleteMeter(_) | Op::Nothing => false,
        }
    }

    /// The switch refused a step: what it holds there is not what we believed. `there`: the object exists on the switch, with whatever contents;
    /// `None`: as before the step. When it is sent again; `None` if there is nothing to send again.
    pub(in crate::flow) fn refused(
        &mut self,
        sent: &Sent,
        error: ErrorCode,
        there: Option<bool>,
        now: Time,
    ) -> Option<Again> {
        // What it does not delete is still there.
        let item = match sent.op {
            Op::DeleteRule(_) => self.undone(sent).map(Item::Rule),
            Op::DeleteGroup(id) if error != ErrorCode::GROUP_MOD_UNKNOWN_GROUP => {
                self.undone(sent);
                Some(Item::Group(id))
            }
            Op::DeleteGroup(_) => None,
            Op::DeleteMeter(_) if error == ErrorCode::METER_MOD_UNKNOWN_METER => None,
            _ => self.not_done(sent, there),
        }?;
        if self.is_moot(sent.op) {
            self.compare_again(sent.op, None);
            return None;
        }
        match item {
            Item::Rule(at) => self.slots.get_mut(at)?.dirty = false,
            Item::Group(id) => drop(self.dirty_groups.remove(&id)),
            Item::Meter(id) => drop(self.meters.dirty.remove(&id)),
        }
        Some(self.refusals.add(item, self.place_of(&item), self.cause(&item, error), now))
    }

    /// What was refused, and was to be tried again, is as it should be by now if there is nothing left to do for it.
    pub(super) fn forget_needless(&mut self, item: Item, needless: bool) {
        if needless {
            self.refusals.forget(&item);
        }
    }

    /// A rule that was deleted may be wanted again since, in a slot of its own: the step that puts it there.
    pub(in crate::flow) fn again_there(&self, sent: &Sent) -> Option<Op> {
        let RuleId { table, priority, match_ } = &sent.deleted.as_deref()?.id;
        let body = FlowBody::of_match(match_).ok()?;
        self.slots.find(*table, *priority, body.key()).map(Op::PutRule)
    }

    /// What a planned step is about is to be something else by now.
    pub(in crate::flow) fn is_overtaken(&self, op: Op) -> bool {
        match op {
            Op::PutRule(at) | Op::DeleteRule(at) => self.slots.get(at).is_some_and(|slot| slot.dirty),
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) | Op::DeleteGroup(id) => {
                self.dirty_groups.contains(&id) && !self.partly.contains(&id)
            }
            Op::PutMeter(id) | Op::DeleteMeter(id) => self.meters.dirty.contains(&id),
            Op::Nothing => false,
        }
    }

    /// A step was planned and not done: what it is about is compared again. `at` is where it is now, if it was deleted.
    pub(in crate::flow) fn compare_again(&mut self, op: Op, at: Option<SlotRef>) {
        match op {
            Op::PutRule(old) | Op::DeleteRule(old) => self.mark(at.unwrap_or(old), &mut [false; 2]),
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) | Op::DeleteGroup(id) => {
                self.dirty_groups.insert(id);
            }
            Op::PutMeter(id) | Op::DeleteMeter(id) => drop(self.meters.dirty.insert(id)),
            Op::Nothing => {}
        }
    }

    /// What may be full where this is to be.
    pub(super) fn place_of(&self, item: &Item) -> Place {
        match item {
            Item::Rule(at) => Place::Table(self.slots.get(*at).map_or(TableId::ALL, |slot| slot.table)),
            Item::Group(_) => Place::Groups,
            Item::Meter(_) => Place::Meters,
        }
    }
}
