//! A switch's rules and groups, copied in pieces.

use std::collections::BTreeSet;
use std::ops::Bound;

use openflow::GroupId;

use super::{SwitchFlows, same_buckets};
use crate::flow::picture::{EntryState, PICTURE_PIECE, PicturedGroup, PicturedRule};
use crate::flow::refusal::{Item, Refusal};
use crate::flow::slots::{Held, SlotRef};

impl SwitchFlows {
    /// One piece of the rules, from a place on: what has been sent and not confirmed is in `unconfirmed`. Where the next piece begins.
    pub(in crate::flow) fn picture_rules(
        &self,
        from: usize,
        unconfirmed: &BTreeSet<SlotRef>,
        rules: &mut Vec<PicturedRule>,
    ) -> Option<usize> {
        let to = from.saturating_add(PICTURE_PIECE);
        for (at, slot) in self.slots.between(from, to) {
            let refusal = self.refusals.get(&Item::Rule(at));
            let of = |refusal: Option<Refusal>, rest| if refusal.is_some() { EntryState::Refused } else { rest };
            let (state, cookie, other) = match (slot.desired, slot.held()) {
                (true, Held::AsDesired) if unconfirmed.contains(&at) => (EntryState::Pending, slot.cookie(), None),
                (true, Held::AsDesired) => (EntryState::Installed, slot.cookie(), None),
                (true, Held::Nothing) => (of(refusal, EntryState::Pending), slot.cookie(), None),
                (true, Held::Other(other)) => {
                    // After a refusal what is there is not known.
                    let known = other.cookie != !slot.cookie();
                    let body = known.then(|| slot.body.with_instruction_octets(&other.instructions));
                    (of(refusal, EntryState::Pending), slot.cookie(), body)
                }
                (false, Held::Other(other)) => {
                    let body = slot.body.with_instruction_octets(&other.instructions);
                    (EntryState::Leaving, other.cookie, Some(body))
                }
                (false, Held::AsDesired) => (EntryState::Leaving, slot.cookie(), None),
                (false, Held::Nothing) => continue,
            };
            let leaves = state == EntryState::Leaving;
            let (body, other) = match other {
                Some(body) if leaves => (body, None),
                other => (slot.body.clone(), other),
            };
            rules.push(PicturedRule {
                key: slot.desired.then_some(slot.key),
                cookie,
                table: slot.table,
                priority: slot.priority,
                idle_timeout: match slot.held() {
                    Held::Other(other) if leaves => other.idle_timeout,
                    _ => slot.idle_timeout,
                },
                body,
                state,
                refusal: if state == EntryState::Installed { None } else { refusal },
                other: other.map(Box::new),
            });
        }
        (to < self.slots.places()).then_some(to)
    }

    /// One piece of the groups, after a number: where the next piece begins.
    pub(in crate::flow) fn picture_groups(
        &self,
        after: Option<GroupId>,
        unconfirmed: &BTreeSet<GroupId>,
        groups: &mut Vec<PicturedGroup>,
    ) -> Option<GroupId> {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let desired = self.desired_groups.range(range).map(|(id, _)| *id).take(PICTURE_PIECE);
        let installed = self.installed_groups.range(range).map(|(id, _)| *id).take(PICTURE_PIECE);
        let ids: BTreeSet<GroupId> = desired.chain(installed).collect();
        let more = ids.len() >= PICTURE_PIECE;
        let mut last = None;
        for id in ids.into_iter().take(PICTURE_PIECE) {
            last = Some(id);
            let refusal = self.refusals.get(&Item::Group(id));
            let installed = self.installed_groups.get(&id);
            let (key, group_type, buckets, state) = match (self.desired_groups.get(&id), installed) {
                (Some(group), installed) => {
                    let (group_type, buckets) = self.as_it_can_be(id, group);
                    let same = installed.is_some_and(|held| {
                        held.group_type == group_type && same_buckets(group_type, &buckets, &held.buckets())
                    });
                    let state = match (same, refusal) {
                        (true, _) if unconfirmed.contains(&id) => EntryState::Pending,
                        (true, _) => EntryState::Installed,
                        (false, Some(_)) => EntryState::Refused,
                        (false, None) => EntryState::Pending,
                    };
                    (Some(group.key), group_type, buckets, state)
                }
                (None, Some(held)) => (self.ids.key(id), held.group_type, held.buckets(), EntryState::Leaving),
                (None, None) => continue,
            };
            let refusal = if state == EntryState::Installed { None } else { refusal };
            groups.push(PicturedGroup { id, key, group_type, buckets, state, refusal });
        }
        if more { last } else { None }
    }
}
