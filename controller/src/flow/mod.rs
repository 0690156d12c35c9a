//! The funnel: desired state, one reconciler, ordered differences.

mod audit;
mod body;
mod features;
mod ids;
mod installed_group;
mod picture;
pub mod pipeline;
mod reconciler;
mod refusal;
mod rollout;
mod rule;
mod slots;
mod switch;
#[cfg(test)]
mod tests;
mod unfit;

pub use audit::{
    AUDIT_INTERVAL, AuditReport, DRIFT_KEPT, Drift, DriftKind, DriftedEntry, FlowException, FlowSettings,
    TAKEN_OVER_TOLD, TakenOver,
};
pub use body::{BodyOctets, FlowBody, FlowKey};
pub use features::SwitchFeatures;
pub use installed_group::InstalledGroup;
pub use picture::{Copying, EntryState, Picture, PicturedGroup, PicturedMeter, PicturedRule};
pub use reconciler::{BundleUse, FlowCounters, FlowEvent, Reconciler, RefusedStep, Transmit};
pub(crate) use reconciler::{
    KEPT_BESIDES, Others, READ_BACK_MAX, READ_BACK_OCTETS, STATED_OCTETS_MAX, flows_of_ours, flows_with, slices_for,
};
pub use refusal::{Again, Cause, Refusal, RefusalReason};
pub(crate) use rule::is_for_operator;
pub use rule::{Group, Key, Meter, Owner, Rule, RuleId, is_our_cookie, owner_of_cookie};
pub use switch::{InstalledMeter, InstalledRule};
pub use unfit::Unfit;

use std::collections::{BTreeMap, BTreeSet};

use net::DatapathId;
use openflow::switch::Switch;
use openflow::{Action, Bucket, GroupId, GroupType, Instruction, MeterBand, MeterFlags, MeterId};

/// A switch's rules and groups with every group number replaced by what the group does: two tables are the same network behaviour exactly if
/// these are equal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Normalized {
    /// Identity → cookie, instructions in words.
    pub rules: BTreeMap<RuleId, (u64, String)>,
    /// What the groups do, in words.
    pub groups: BTreeSet<String>,
    /// What the meters do, in words, by their numbers.
    pub meters: BTreeMap<MeterId, String>,
}

/// What should be on a switch.
pub fn normalized_desired(reconciler: &Reconciler, datapath_id: DatapathId) -> Normalized {
    let groups: BTreeMap<GroupId, String> = reconciler
        .desired_groups(datapath_id)
        .map(|(id, group)| (id, group_words(group.group_type, &group.buckets)))
        .collect();
    let rules = reconciler
        .desired(datapath_id)
        .map(|(id, rule)| (id, (rule.key.cookie(), words(&rule.body.instructions(), &groups))))
        .collect();
    let meters = reconciler
        .desired_meters(datapath_id)
        .map(|(id, meter)| (id, meter_words(meter.flags, Some(&meter.bands))))
        .collect();
    Normalized { rules, groups: groups.into_values().collect(), meters }
}

/// What is on a switch, as far as the reconciler knows.
pub fn normalized_installed(reconciler: &Reconciler, datapath_id: DatapathId) -> Normalized {
    let groups: BTreeMap<GroupId, String> = reconciler
        .installed_groups(datapath_id)
        .map(|(id, group)| (id, group_words(group.group_type, &group.buckets())))
        .collect();
    let rules = reconciler
        .installed(datapath_id)
        .map(|(id, rule)| (id, (rule.cookie, words(&rule.instructions, &groups))))
        .collect();
    let meters = reconciler
        .installed_meters(datapath_id)
        .map(|(id, meter)| (id, meter_words(meter.flags, meter.bands.as_deref())))
        .collect();
    Normalized { rules, groups: groups.into_values().collect(), meters }
}

/// What a software switch holds.
pub fn normalized_held(switch: &Switch) -> Normalized {
    let groups: BTreeMap<GroupId, String> = switch
        .groups()
        .iter()
        .map(|(id, group)| {
            let buckets: Vec<Bucket> = group.buckets.iter().map(|state| state.bucket.clone()).collect();
            (id, group_words(group.group_type, &buckets))
        })
        .collect();
    let rules = switch
        .tables()
        .iter()
        .map(|(_, flow)| {
            let id = RuleId { table: flow.table_id, priority: flow.priority, match_: flow.match_.canonical() };
            (id, (flow.cookie, words(&flow.instructions, &groups)))
        })
        .collect();
    let meters = switch
        .meters()
        .iter()
        .map(|(id, meter)| {
            let bands: Vec<MeterBand> = meter.bands.iter().map(|state| state.band.clone()).collect();
            (id, meter_words(meter.flags, Some(&bands)))
        })
        .collect();
    Normalized { rules, groups: groups.into_values().collect(), meters }
}

fn group_words(group_type: GroupType, buckets: &[Bucket]) -> String {
    let mut buckets: Vec<String> = buckets.iter().map(|bucket| format!("{bucket:?}")).collect();
    if group_type != GroupType::FF {
        buckets.sort();
    }
    format!("{group_type} {}", buckets.join(" "))
}

fn meter_words(flags: MeterFlags, bands: Option<&[MeterBand]>) -> String {
    format!("{flags:?} {bands:?}")
}

fn words(instructions: &[Instruction], groups: &BTreeMap<GroupId, String>) -> String {
    let action = |action: &Action| match action {
        Action::Group(id) => groups.get(id).cloned().unwrap_or_else(|| format!("no such group: {id:?}")),
        other => format!("{other:?}"),
    };
    let instruction = |instruction: &Instruction| match instruction {
        Instruction::ApplyActions(actions) => actions.iter().map(action).collect::<Vec<_>>().join(", "),
        other => format!("{other:?}"),
    };
    instructions.iter().map(instruction).collect::<Vec<_>>().join("; ")
}
