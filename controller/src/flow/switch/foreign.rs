//! What rules on a switch say besides what is stated: of somebody else, and of the groups to which they lead.

use std::collections::BTreeSet;

use openflow::{Action, FlowStats, GroupId, Instruction, TableId};

use super::{SwitchFlows, flow_words};
use crate::flow::audit::{TAKEN_OVER_TOLD, TakenOver};
use crate::flow::body::FlowBody;
use crate::flow::reconciler::RefusedStep;

impl SwitchFlows {
    pub(super) fn is_stated(&self, stats: &FlowStats) -> bool {
        let found = self.slots.find_match(stats.table_id, stats.priority, &stats.match_.canonical());
        found.and_then(|at| self.slots.get(at)).is_some_and(|slot| slot.desired)
    }

    /// A switch has room for one of two rules with one identity: it is the one that is stated.
    pub(super) fn takes_over(&mut self, stats: &FlowStats) {
        let (table, priority) = (stats.table_id, stats.priority);
        self.taken_over.count += 1;
        if self.taken_over.first.len() < TAKEN_OVER_TOLD
            && let Ok(found) = FlowBody::new(&stats.match_.canonical(), &stats.instructions)
        {
            let at = self.slots.find(table, priority, found.key()).and_then(|at| self.slots.get(at));
            let (what, key) = (flow_words(table, priority, &found), at.map(|slot| slot.key));
            self.taken_over.first.push(RefusedStep { what, key, table: Some(table) });
        }
    }

    /// Rules of others that were found since the last time where rules are stated.
    pub(in crate::flow) fn taken_over(&mut self) -> TakenOver {
        std::mem::take(&mut self.taken_over)
    }

    /// Tables that are to have rules.
    pub(in crate::flow) fn desired_tables(&self) -> BTreeSet<TableId> {
        self.slots.desired_tables().collect()
    }
}

/// The groups to which a rule leads.
pub(super) fn groups_of(body: &FlowBody) -> Vec<GroupId> {
    let instructions = body.instructions();
    let actions = instructions.iter().flat_map(|instruction| match instruction {
        Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => actions.as_slice(),
        _ => &[],
    });
    actions.filter_map(|action| if let Action::Group(id) = action { Some(*id) } else { None }).collect()
}

/// The only one.
pub(super) fn group_of(body: &FlowBody) -> Option<GroupId> {
    match groups_of(body)[..] {
        [id] => Some(id),
        _ => None,
    }
}
