//! What of the desired rules and groups a switch says it cannot hold, before anything is sent.

use std::sync::Arc;

use net::Time;
use openflow::{GroupId, TableId};

use super::{Op, SwitchFlows};
use crate::flow::crowd::Crowd;
use crate::flow::features::SwitchFeatures;
use crate::flow::reconciler::RefusedStep;
use crate::flow::refusal::{Again, Cause, Item, Place, Refusal};
use crate::flow::slots::{Held, SlotRef};
use crate::flow::unfit::Unfit;

impl SwitchFlows {
    /// What the switch says it can hold.
    pub(in crate::flow) fn features(&self) -> Option<&Arc<SwitchFeatures>> {
        self.features.as_ref()
    }

    /// The switch has told what it can hold. What is there already is let be, whatever it says.
    pub(in crate::flow) fn set_features(&mut self, features: Arc<SwitchFeatures>) {
        self.features = Some(features);
        self.put_in_order();
    }

    /// All that is on the switch has been read back.
    pub(in crate::flow) fn read_back_done(&mut self) {
        self.is_known = true;
        self.put_in_order();
    }

    fn put_in_order(&mut self) {
        self.crowds.clear();
        for number in 0..=u8::MAX {
            self.crowd(TableId(number), &mut [false; 2]);
        }
    }

    /// Nothing is known of what the switch can hold.
    pub(super) fn clear_features(&mut self) {
        (self.features, self.crowds, self.is_known) = (None, Default::default(), false);
        self.unfit.clear();
    }

    /// Put the rules of a table in order if there is not room for all of them.
    fn crowd(&mut self, table: TableId, changed: &mut [bool; 2]) {
        let Some(max) = self.features.as_ref().and_then(|features| features.max_entries(table)) else { return };
        if !self.is_known || self.slots.desired_in(table) <= max as usize {
            return;
        }
        // Who has more than he says he holds does not know what he holds.
        let in_table = || self.slots.all().filter(|(_, slot)| slot.table == table);
        if in_table().filter(|(_, slot)| slot.held() != Held::Nothing).count() > max as usize {
            return;
        }
        let mut crowd = Crowd::new(max as usize);
        for (at, slot) in in_table().filter(|(_, slot)| slot.desired) {
            crowd.update(at, Some((slot.priority, slot.key)), |_| {});
        }
        let outside: Vec<SlotRef> = in_table().map(|(at, _)| at).filter(|at| crowd.is_outside(*at)).collect();
        self.crowds.insert(table, crowd);
        outside.into_iter().for_each(|at| self.mark(at, changed));
    }

    /// What is desired at a place is something else now: others of its table may be in or out because of that.
    pub(super) fn wish_changed(&mut self, at: SlotRef, changed: &mut [bool; 2]) {
        if self.features.is_none() {
            return;
        }
        let slot = self.slots.get(at).map(|slot| (slot.table, slot.desired.then_some((slot.priority, slot.key))));
        let mut moved = Vec::new();
        match slot {
            Some((table, wanted)) => match self.crowds.get_mut(&table) {
                Some(crowd) => crowd.update(at, wanted, |other| moved.push(other)),
                None => self.crowd(table, changed),
            },
            None => {
                if let Some(crowd) = self.crowds.values_mut().find(|crowd| crowd.has(at)) {
                    crowd.update(at, None, |other| moved.push(other));
                }
            }
        }
        for other in moved {
            self.refusals.forget(&Item::Rule(other));
            self.mark(other, changed);
        }
    }

    /// Whether there is no room for a rule that is desired.
    pub(super) fn is_outside(&self, at: SlotRef) -> bool {
        !self.crowds.is_empty() && self.crowds.values().any(|crowd| crowd.is_outside(at))
    }

    fn table_full(&self, table: TableId) -> Unfit {
        let max = self.features.as_ref().and_then(|features| features.max_entries(table)).unwrap_or(0);
        Unfit::TableFull { table, max, wanted: self.slots.desired_in(table) }
    }

    /// Why the switch cannot hold a rule that is desired and not there.
    pub(super) fn unfit_rule(&self, at: SlotRef) -> Option<Unfit> {
        let features = self.features.as_ref()?;
        let slot = self.slots.get(at).filter(|slot| slot.desired)?;
        if self.is_outside(at) {
            return Some(self.table_full(slot.table));
        }
        if slot.held() == Held::AsDesired {
            return None;
        }
        features.unfit_rule(slot.table, slot.priority, &slot.body)
    }

    /// Why the switch cannot hold a group that is desired. One that is there may be changed as the switch sees fit.
    pub(super) fn unfit_group(&self, id: GroupId) -> Option<Unfit> {
        let features = self.features.as_ref()?;
        let group = self.desired_groups.get(&id)?;
        let held = self.installed_groups.get(&id);
        if held.is_some_and(|held| held.group_type == group.group_type) {
            return None;
        }
        let of_type = |group_type| self.installed_groups.values().filter(|held| held.group_type == group_type).count();
        features.unfit_group(group.group_type, &group.buckets, of_type(group.group_type))
    }

    /// What has been found not to fit since the last time is refused in the switch's name. What is told of it: each thing once.
    pub(in crate::flow) fn refuse_unfit(&mut self, now: Time) -> Vec<(RefusedStep, Unfit, Again)> {
        let mut told = Vec::new();
        for (item, why) in std::mem::take(&mut self.unfit) {
            let before = self.refusals.get(&item);
            let place = self.place_of(&item);
            let again = self.refusals.add(item, place, Cause::Unfit(why), now);
            if before.is_none_or(|before| {
                std::mem::discriminant(&before.cause) != std::mem::discriminant(&Cause::Unfit(why))
            }) {
                told.push((self.describe_item(item), why, again));
            }
        }
        told
    }

    /// A step was planned and not done: what it is about is compared again. `at` is where it is now, if it was deleted.
    pub(in crate::flow) fn compare_again(&mut self, op: Op, at: Option<SlotRef>) {
        match op {
            Op::PutRule(old) | Op::DeleteRule(old) => self.mark(at.unwrap_or(old), &mut [false; 2]),
            Op::PutGroup(id) | Op::ShrinkGroup(id) | Op::DeleteGroup(id) => drop(self.dirty_groups.insert(id)),
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

    /// What is known of a refusal, with the numbers of this moment.
    pub(super) fn refusal_now(&self, item: &Item) -> Option<Refusal> {
        let refusal = self.refusals.get(item)?;
        let cause = match refusal.cause {
            Cause::Unfit(Unfit::TableFull { table, .. }) => Cause::Unfit(self.table_full(table)),
            cause => cause,
        };
        Some(Refusal { cause, ..refusal })
    }
}
