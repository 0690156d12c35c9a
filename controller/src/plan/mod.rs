//! What another configuration would do, before it does: the difference of every switch's rules, rule by rule, and what that means for hosts. Pure: it
//! works on a snapshot of the network, with the same recompute by which the applications' incremental work is checked, and touches nothing.

mod reach;
mod unfit;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use net::DatapathId;
use openflow::{GroupDesc, GroupId, MeterConfig, MeterId, TableId};
use serde::Serialize;
use topology::Network;

use crate::app::{App, Effects, PacketOuts, Stated, View, apps};
use crate::core::FabricSettings;
use crate::flow::{Group, Key, Meter, Owner, Reconciler, Rule, SwitchFeatures};
use crate::path::Paths;
use crate::trace::flow_text;

pub use reach::{PAIRS_MAX, Pair, Reachability, TOLD_MAX};

/// Lines of all switches. What is beyond is counted; a hundred thousand rules that are new are told in full.
pub const LINES_MAX: usize = 200_000;

/// What becomes of a rule or a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Sign {
    /// It is new.
    #[serde(rename = "+")]
    Added,
    /// It goes.
    #[serde(rename = "-")]
    Removed,
    /// It does something else.
    #[serde(rename = "~")]
    Changed,
}

impl Sign {
    /// As a line begins with it.
    pub const fn letter(self) -> char {
        match self {
            Sign::Added => '+',
            Sign::Removed => '-',
            Sign::Changed => '~',
        }
    }
}

/// One rule, group or meter that is different.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Line {
    /// What becomes of it.
    pub sign: Sign,
    /// The rule as `ovs-ofctl add-flow` takes it, the group as `add-group` or the meter as `add-meter` does: as it will be, or as it was if it goes.
    pub text: String,
    /// As it was, if it does something else.
    pub was: Option<String>,
    /// The application that wants it.
    pub owner: &'static str,
    /// The line of the new configuration that states it; of a rule that goes, that of the configuration that counts now.
    pub line: Option<u32>,
    /// Why, if no line states it: a key of the configuration.
    pub key: Option<&'static str>,
    /// Why the switch will not have it, as it has told what it can hold.
    pub unfit: Option<String>,
}

/// How full a table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Occupancy {
    /// Its number.
    pub table: u8,
    /// Rules in it now.
    pub before: usize,
    /// Rules that would be in it.
    pub after: usize,
}

/// What would change on one switch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SwitchPlan {
    /// Its name, or its datapath id.
    pub switch: String,
    /// Its datapath id.
    pub datapath_id: DatapathId,
    /// By table, the most important first; groups before rules that are new, after those that go.
    pub lines: Vec<Line>,
    /// Tables of which the number of rules changes.
    pub tables: Vec<Occupancy>,
    /// Rules now, and then.
    pub rules: [usize; 2],
    /// Groups now, and then.
    pub groups: [usize; 2],
    /// Meters now, and then.
    pub meters: [usize; 2],
    /// Rules, groups and meters that are wanted then and that the switch says it cannot hold, those that are wanted now among them.
    pub unfit: usize,
}

/// What another configuration would do to the fabric.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct FabricPlan {
    /// Switches on which something changes, by datapath id.
    pub switches: Vec<SwitchPlan>,
    /// Switches of the network.
    pub switches_known: usize,
    /// Lines beyond [`LINES_MAX`].
    pub left_out: usize,
    /// What it means for hosts.
    pub reachability: Reachability,
}

/// What one switch should have: rules by what identifies them there, groups by number.
struct Desired {
    rules: BTreeMap<Identity, Rule>,
    groups: BTreeMap<GroupId, Group>,
    meters: BTreeMap<Key, Meter>,
}

/// Table, priority, and match: two rules of one identity can't be on a switch.
type Identity = (u8, Reverse<u16>, Vec<u8>);

impl Desired {
    /// What the applications want there, from nothing.
    fn of(apps: &[Box<dyn App>], at: DatapathId, view: &View<'_>) -> Desired {
        let mut reconciler = Reconciler::new();
        reconciler.add_switch(at);
        let mut packet_outs = PacketOuts::default();
        let mut effects = Effects::new(&mut reconciler, &mut packet_outs);
        let mut set = effects.rule_set(at);
        apps.iter().for_each(|app| app.rules(at, view, &mut set));
        let Stated { rules, groups, meters } = set.into_parts();
        let identity = |rule: &Rule| (rule.table.0, Reverse(rule.priority), rule.body.octets().of_match().to_vec());
        Desired {
            rules: rules.into_values().map(|rule| (identity(&rule), rule)).collect(),
            groups: groups.into_iter().map(|(key, group)| (effects.group_id(at, key), group)).collect(),
            meters,
        }
    }
}

/// A configuration's settings, and what the applications make of them.
struct Side<'a> {
    settings: &'a FabricSettings,
    apps: Vec<Box<dyn App>>,
    view: View<'a>,
}

impl<'a> Side<'a> {
    fn new(settings: &'a FabricSettings, network: &'a Network, paths: &'a Paths) -> Side<'a> {
        // Nothing here is in the order of a hash: any seed will do.
        let apps = apps(0, &settings.rules, &settings.isolation);
        Side {
            settings,
            apps,
            view: View {
                network,
                paths,
                host_timeout: settings.discovery.host_timeout,
                isolation: &settings.isolation,
                broadcast_probes: settings.discovery.broadcast_probes,
                watches_dhcp: !settings.wiring.dhcp_servers.is_empty(),
            },
        }
    }

    fn desired(&self, at: DatapathId) -> Desired {
        Desired::of(&self.apps, at, &self.view)
    }

    fn line(&self, at: DatapathId, table: TableId, key: &Key) -> Option<u32> {
        (key.owner == Owner::StaticRules).then(|| self.settings.rules.origin_of_key(at, table, key)).flatten()
    }
}

/// The difference between two configurations on this network. `features` is what switches have told that they can hold; `name` is what people call one.
pub fn compute(
    network: &Network,
    old: &FabricSettings,
    new: &FabricSettings,
    features: &BTreeMap<DatapathId, Arc<SwitchFeatures>>,
    name: &dyn Fn(DatapathId) -> String,
) -> FabricPlan {
    // What is measured is not asked for: it says which of two good ways is taken, not what is stated.
    let [old_paths, new_paths] = [old, new].map(|side| Paths::compute_with(network, side.weights.clone()));
    let (old, new) = (Side::new(old, network, &old_paths), Side::new(new, network, &new_paths));
    let mut plan = FabricPlan { switches_known: network.switches.len(), ..FabricPlan::default() };
    let mut told = 0;
    let mut changed: BTreeSet<DatapathId> = BTreeSet::new();
    let mut kinds = reach::Kinds::default();
    for &at in network.switches.keys() {
        let (before, after) = (old.desired(at), new.desired(at));
        let unfit = features.get(&at).map(|features| unfit::of(&after, features)).unwrap_or_default();
        let mut lines = differences(at, &old, &before, &new, &after, &unfit, &mut kinds);
        if lines.is_empty() {
            continue;
        }
        changed.insert(at);
        let room = LINES_MAX.saturating_sub(told);
        plan.left_out += lines.len().saturating_sub(room);
        lines.truncate(room);
        told += lines.len();
        plan.switches.push(SwitchPlan {
            switch: name(at),
            datapath_id: at,
            lines,
            tables: occupancy(&before, &after),
            rules: [before.rules.len(), after.rules.len()],
            groups: [before.groups.len(), after.groups.len()],
            meters: [before.meters.len(), after.meters.len()],
            unfit: unfit.len(),
        });
    }
    if !changed.is_empty() {
        plan.reachability = reach::reachability(network, &old, &new, &changed, &kinds);
    }
    plan
}

fn rule_text(rule: &Rule) -> String {
    flow_text(rule.table, rule.priority, rule.idle_timeout, &rule.body.match_(), &rule.body.instructions())
}

fn group_text(id: GroupId, group: &Group) -> String {
    GroupDesc { group_type: group.group_type, group_id: id, buckets: group.buckets.clone() }.to_string()
}

fn meter_text(meter: &Meter) -> String {
    let meter_id = meter.key.stated_meter().unwrap_or(MeterId(0));
    MeterConfig { meter_id, flags: meter.flags, bands: meter.bands.clone() }.to_string()
}

/// A group or a meter that is different: what it was and is, in words.
fn numbered(
    at: DatapathId,
    sides: [&Side<'_>; 2],
    key: Key,
    texts: [Option<String>; 2],
    unfit: &unfit::Found,
) -> Option<Line> {
    let [was, is] = texts;
    let sign = match (&was, &is) {
        (Some(was), Some(is)) if was == is => return None,
        (Some(_), Some(_)) => Sign::Changed,
        (None, _) => Sign::Added,
        (_, None) => Sign::Removed,
    };
    let [old, new] = sides;
    let side = if sign == Sign::Removed { old } else { new };
    let was_before = was.clone().filter(|_| sign == Sign::Changed);
    Some(Line {
        sign,
        text: is.or(was)?,
        was: was_before,
        owner: key.owner.name(),
        line: side.line(at, TableId::ALL, &key),
        key: None,
        unfit: unfit.numbered.get(&key).filter(|_| sign != Sign::Removed).map(ToString::to_string),
    })
}

fn differences(
    at: DatapathId,
    old: &Side<'_>,
    before: &Desired,
    new: &Side<'_>,
    after: &Desired,
    unfit: &unfit::Found,
    kinds: &mut reach::Kinds,
) -> Vec<Line> {
    let (mut lines, mut gone) = (Vec::new(), Vec::new());
    let mut tell = |line: Option<Line>| {
        if let Some(line) = line {
            if line.sign == Sign::Removed { &mut gone } else { &mut lines }.push(line);
        }
    };
    let keys: BTreeSet<&Key> = before.meters.keys().chain(after.meters.keys()).collect();
    for key in keys {
        let texts = [before, after].map(|side| side.meters.get(key).map(meter_text));
        tell(numbered(at, [old, new], *key, texts, unfit));
    }
    let ids: BTreeSet<&GroupId> = before.groups.keys().chain(after.groups.keys()).collect();
    for id in ids {
        let [was, is] = [before, after].map(|side| side.groups.get(id));
        let Some(key) = is.or(was).map(|group| group.key) else { continue };
        let texts = [was, is].map(|group| group.map(|group| group_text(*id, group)));
        tell(numbered(at, [old, new], key, texts, unfit));
    }
    let identities: BTreeSet<&Identity> = before.rules.keys().chain(after.rules.keys()).collect();
    for identity in identities {
        let (was, is) = (before.rules.get(identity), after.rules.get(identity));
        let (Some(rule), sign) = (match (was, is) {
            (Some(was), Some(is)) if was.body == is.body && was.idle_timeout == is.idle_timeout => continue,
            (Some(_), Some(is)) => (Some(is), Sign::Changed),
            (None, Some(is)) => (Some(is), Sign::Added),
            (was, None) => (was, Sign::Removed),
        }) else {
            continue;
        };
        kinds.look_at(&rule.body.match_());
        let side = if sign == Sign::Removed { old } else { new };
        let line = side.line(at, rule.table, &rule.key);
        let timeout_alone = was.zip(is).is_some_and(|(was, is)| was.body == is.body);
        lines.push(Line {
            sign,
            text: rule_text(rule),
            was: was.filter(|_| sign == Sign::Changed).map(rule_text),
            owner: rule.key.owner.name(),
            line,
            key: (line.is_none() && timeout_alone).then_some("fabric.host_timeout"),
            unfit: unfit.rules.get(&rule.key).filter(|_| sign != Sign::Removed).map(ToString::to_string),
        });
    }
    lines.append(&mut gone);
    lines
}

/// Tables of which the number of rules changes.
fn occupancy(before: &Desired, after: &Desired) -> Vec<Occupancy> {
    let mut tables: BTreeMap<u8, (usize, usize)> = BTreeMap::new();
    before.rules.keys().for_each(|(table, ..)| tables.entry(*table).or_default().0 += 1);
    after.rules.keys().for_each(|(table, ..)| tables.entry(*table).or_default().1 += 1);
    let other = tables.into_iter().filter(|(_, (before, after))| before != after);
    other.map(|(table, (before, after))| Occupancy { table, before, after }).collect()
}
