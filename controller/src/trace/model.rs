//! One switch as a packet sees it: the rules that it should have and those that it has, ready to look a packet up in.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::switch::pipeline::{Output, Overrun, Step, ToController, View};
use openflow::switch::{FlowEntry, FlowId, FlowMatch, Groups, Packet, Switch, SwitchConfig, Tables, pipeline};
use openflow::{
    Action, Bucket, FlowModFlags, FlowStats, GroupDesc, GroupId, GroupMod, GroupModCommand, GroupType, Instruction,
    Match, TableId,
};
use topology::Network;

use crate::flow::{EntryState, FlowBody, Group, Key, Picture, Refusal, Rule};

/// Choices of buckets that are tried for one packet at one switch: each bucket of each select group once. Beyond, the rest is left out and said so.
const CHOICES_MAX: usize = 256;

/// What is known of a rule besides what it matches and does.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it stands for, if that is known.
    pub key: Option<Key>,
    /// Its cookie.
    pub cookie: u64,
    /// How far it has come.
    pub state: EntryState,
    /// The switch's word against it.
    pub refusal: Option<Refusal>,
}

/// Tables and groups, and which entry each rule belongs to.
#[derive(Debug, Default)]
pub struct World {
    tables: Tables,
    groups: Groups,
    entries: HashMap<FlowId, usize>,
}

impl World {
    fn add(&mut self, entry: usize, table_id: TableId, priority: u16, cookie: u64, idle_timeout: u16, body: &FlowBody) {
        let match_ = body.match_();
        // No switch has a rule that can't be looked up.
        let Ok(flow_match) = FlowMatch::compile(&match_) else { return };
        let (id, _) = self.tables.insert(FlowEntry {
            table_id,
            priority,
            match_,
            flow_match,
            instructions: body.instructions(),
            cookie,
            idle_timeout,
            hard_timeout: 0,
            flags: FlowModFlags::NONE,
            created: Time::ZERO,
            modified: Time::ZERO,
            used: Time::ZERO,
            packet_count: 0,
            byte_count: 0,
        });
        self.entries.insert(id, entry);
    }

    fn add_group(&mut self, group_id: GroupId, group_type: GroupType, buckets: &[Bucket]) {
        let buckets = buckets.to_vec();
        // One that is refused here would be refused by the switch.
        let _ = self.groups.add(&GroupMod { command: GroupModCommand::ADD, group_type, group_id, buckets }, Time::ZERO);
    }

    /// A rule.
    pub fn rule(&self, id: FlowId) -> Option<&FlowEntry> {
        self.tables.get(id)
    }

    /// Where its [`Entry`] is.
    pub fn entry(&self, id: FlowId) -> Option<usize> {
        self.entries.get(&id).copied()
    }

    /// Rules in all tables.
    pub fn len(&self) -> usize {
        self.tables.total()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

/// Which tables: those that a switch should have, or those that it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// What it should have.
    Desired,
    /// What it has, as far as is known.
    Installed,
}

/// A switch with its ports and both worlds.
#[derive(Debug)]
pub struct SwitchModel {
    /// For its ports alone.
    shell: Switch,
    entries: Vec<Entry>,
    desired: Arc<World>,
    /// `None` if nothing is known to be installed.
    installed: Option<Arc<World>>,
}

impl SwitchModel {
    /// Out of a picture. Where everything is as it should be, both worlds are one.
    pub fn of_picture(network: &Network, picture: &Picture) -> SwitchModel {
        let in_place = |state: EntryState| state == EntryState::Installed;
        let same = picture.rules.iter().all(|rule| in_place(rule.state))
            && picture.groups.iter().all(|group| in_place(group.state));
        let entries = picture
            .rules
            .iter()
            .map(|rule| Entry { key: rule.key, cookie: rule.cookie, state: rule.state, refusal: rule.refusal })
            .collect();
        let world = |side: Side| {
            let mut world = World::default();
            for (entry, rule) in picture.rules.iter().enumerate() {
                let body = match (side, rule.state) {
                    (Side::Desired, EntryState::Leaving | EntryState::Found) => None,
                    (Side::Desired, _)
                    | (Side::Installed, EntryState::Installed | EntryState::Leaving | EntryState::Found) => {
                        Some(&rule.body)
                    }
                    (Side::Installed, EntryState::Pending | EntryState::Refused) => rule.other.as_deref(),
                };
                if let Some(body) = body {
                    world.add(entry, rule.table, rule.priority, rule.cookie, rule.idle_timeout, body);
                }
            }
            for group in &picture.groups {
                let is_there = match side {
                    Side::Desired => !matches!(group.state, EntryState::Leaving | EntryState::Found),
                    Side::Installed => {
                        matches!(group.state, EntryState::Installed | EntryState::Leaving | EntryState::Found)
                    }
                };
                if is_there {
                    world.add_group(group.id, group.group_type, &group.buckets);
                }
            }
            Arc::new(world)
        };
        let desired = world(Side::Desired);
        let installed = match (picture.live, same) {
            (false, _) => None,
            (true, true) => Some(desired.clone()),
            (true, false) => Some(world(Side::Installed)),
        };
        SwitchModel { shell: shell(network, picture.datapath_id), entries, desired, installed }
    }

    /// Out of what applications want.
    pub fn of_rules<'r>(
        network: &Network,
        datapath_id: DatapathId,
        rules: impl Iterator<Item = &'r Rule>,
        groups: impl Iterator<Item = (GroupId, &'r Group)>,
    ) -> SwitchModel {
        let (mut world, mut entries) = (World::default(), Vec::new());
        for rule in rules {
            let (key, cookie) = (rule.key, rule.key.cookie());
            world.add(entries.len(), rule.table, rule.priority, cookie, rule.idle_timeout, &rule.body);
            entries.push(Entry { key: Some(key), cookie, state: EntryState::Pending, refusal: None });
        }
        groups.for_each(|(id, group)| world.add_group(id, group.group_type, &group.buckets));
        SwitchModel { shell: shell(network, datapath_id), entries, desired: Arc::new(world), installed: None }
    }

    /// The tables of one side, if they are known.
    pub fn world(&self, side: Side) -> Option<&World> {
        match side {
            Side::Desired => Some(&self.desired),
            Side::Installed => self.installed.as_deref(),
        }
    }

    /// Whether both sides are known and nothing is different.
    pub fn is_in_place(&self) -> bool {
        self.installed.as_ref().is_some_and(|installed| Arc::ptr_eq(installed, &self.desired))
    }

    /// How many rules are kept for it.
    pub fn rules(&self) -> usize {
        let installed = self.installed.as_ref().filter(|_| !self.is_in_place());
        self.entries.len().max(self.desired.len()) + installed.map_or(0, |world| world.len())
    }

    /// What is known of a rule.
    pub fn entry(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    /// Why a packet that was sent nowhere was not, in words.
    pub fn why_dropped(&self, side: Side, in_port: PortNo, way: &Way) -> String {
        let Some(world) = self.world(side) else { return "nothing is known of its tables".to_owned() };
        if let Some(overrun) = way.overrun {
            return format!("it needs more than a switch does for one packet ({overrun:?})");
        }
        if let Some(port) = way.blocked.first() {
            let known = self.shell.ports().get(*port).is_some();
            return if known { format!("port {port} is down") } else { format!("there is no port {port}") };
        }
        let tables = way.steps.iter().rev().find_map(|step| match step {
            Step::Table { table_id, flow, .. } => Some((*table_id, *flow)),
            _ => None,
        });
        if way.steps.iter().any(|step| matches!(step, Step::Meter { passed: false, .. })) {
            return "a meter drops it".to_owned();
        }
        match tables {
            None => "no table was asked".to_owned(),
            Some((table, None)) => format!("no rule of table {} matches", table.0),
            Some((_, Some(flow))) => {
                let instructions = world.rule(flow).map_or(&[][..], |rule| &rule.instructions);
                self.why_nowhere(world, in_port, instructions)
            }
        }
    }

    fn why_nowhere(&self, world: &World, in_port: PortNo, instructions: &[Instruction]) -> String {
        let actions = instructions.iter().flat_map(|instruction| match instruction {
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => actions.as_slice(),
            _ => &[],
        });
        for action in actions {
            match action {
                Action::Output { port, .. } if *port == in_port => {
                    return format!("output:{port} is the port that it came in by: only IN_PORT sends it back");
                }
                Action::Group(group) if world.groups.get(*group).is_none() => {
                    return format!("there is no group {}", group.0);
                }
                Action::Group(group) => {
                    return format!(
                        "group {} has no bucket that leads anywhere: ports down, or back where it came from",
                        group.0
                    );
                }
                _ => {}
            }
        }
        "the rule drops it".to_owned()
    }

    /// A packet through the tables of one side. Of a select group every bucket that may be chosen is followed.
    pub fn evaluate(&self, side: Side, in_port: PortNo, frame: &Bytes) -> Way {
        let Some(world) = self.world(side) else { return Way::default() };
        let view = View { tables: &world.tables, groups: &world.groups, ..self.shell.view(Time::ZERO) };
        let mut way = Way::default();
        // Which bucket of which group, and whose turn it is.
        let mut tried: BTreeSet<(GroupId, usize)> = BTreeSet::new();
        let mut turns: VecDeque<BTreeMap<GroupId, usize>> = VecDeque::from([BTreeMap::new()]);
        while let Some(chosen) = turns.pop_front() {
            let altered = (!chosen.is_empty()).then(|| with_choices(&world.groups, &chosen));
            let view = View { groups: altered.as_ref().unwrap_or(&world.groups), ..view };
            let trace = pipeline::run(view, Packet::new(in_port, frame.clone()));
            let steps: Vec<Step> = trace.steps.iter().map(|step| as_chosen(step, &chosen)).collect();
            for step in &steps {
                let Step::Bucket { group_id, bucket, .. } = *step else { continue };
                let Some(group) = world.groups.get(group_id).filter(|group| group.group_type == GroupType::SELECT)
                else {
                    continue;
                };
                tried.insert((group_id, bucket));
                if chosen.contains_key(&group_id) {
                    continue;
                }
                for (other, state) in group.buckets.iter().enumerate() {
                    let may_be = state.bucket.weight > 0 && world.groups.is_live(&state.bucket, self.shell.ports());
                    if !may_be || !tried.insert((group_id, other)) {
                        continue;
                    }
                    if tried.len() > CHOICES_MAX {
                        way.is_cut = true;
                        break;
                    }
                    let mut next = chosen.clone();
                    next.insert(group_id, other);
                    turns.push_back(next);
                }
            }
            way.add(&steps, trace.outputs, trace.to_controller, &trace.blocked, trace.overrun);
        }
        way
    }

    /// A group in ovs-ofctl's words.
    pub fn group_text(&self, side: Side, group_id: GroupId) -> String {
        let group = self.world(side).and_then(|world| world.groups.get(group_id));
        let buckets = group.map(|group| group.buckets.iter().map(|state| state.bucket.clone()).collect());
        let group_type = group.map_or(GroupType::ALL, |group| group.group_type);
        GroupDesc { group_type, group_id, buckets: buckets.unwrap_or_default() }.to_string()
    }

    /// A bucket of a group in ovs-ofctl's words.
    pub fn bucket_text(&self, side: Side, group_id: GroupId, bucket: usize) -> String {
        let group = self.world(side).and_then(|world| world.groups.get(group_id));
        let Some(state) = group.and_then(|group| group.buckets.get(bucket)) else { return String::new() };
        let group_type = group.map_or(GroupType::ALL, |group| group.group_type);
        let alone = GroupDesc { group_type, group_id, buckets: vec![state.bucket.clone()] }.to_string();
        alone.split_once(",bucket=").map_or(String::new(), |(_, text)| text.to_owned())
    }
}

/// The groups with one bucket of some of them alone.
fn with_choices(groups: &Groups, chosen: &BTreeMap<GroupId, usize>) -> Groups {
    let mut altered = groups.clone();
    for (&group_id, &bucket) in chosen {
        let bucket = groups.get(group_id).and_then(|group| group.buckets.get(bucket));
        let buckets = bucket.map(|state| state.bucket.clone()).into_iter().collect();
        let group_mod = GroupMod { command: GroupModCommand::MODIFY, group_type: GroupType::SELECT, group_id, buckets };
        // It is there, and what it had before was good.
        let _ = altered.modify(&group_mod);
    }
    altered
}

/// A step with the number that its bucket has in its group.
fn as_chosen(step: &Step, chosen: &BTreeMap<GroupId, usize>) -> Step {
    match *step {
        Step::Bucket { group_id, bucket, len } => {
            Step::Bucket { group_id, bucket: chosen.get(&group_id).copied().unwrap_or(bucket), len }
        }
        other => other,
    }
}

/// What a packet does at a switch.
#[derive(Clone, Default, Debug)]
pub struct Way {
    /// Tables, meters, groups and buckets, each choice behind the others.
    pub steps: Vec<Step>,
    /// Frames that leave, each once.
    pub outputs: Vec<Output>,
    /// What the controller gets, each once.
    pub to_controller: Vec<ToController>,
    /// Ports that it should have left by but that are down.
    pub blocked: Vec<PortNo>,
    /// Why it was dropped as a whole.
    pub overrun: Option<Overrun>,
    /// Some buckets of select groups were not tried.
    pub is_cut: bool,
}

impl Way {
    fn add(
        &mut self,
        steps: &[Step],
        outputs: impl IntoIterator<Item = Output>,
        to_controller: impl IntoIterator<Item = ToController>,
        blocked: &[PortNo],
        overrun: Option<Overrun>,
    ) {
        // What one choice has in common with those before is told once.
        let before = self.steps.clone();
        self.steps.extend(steps.iter().filter(|step| !before.contains(step)));
        for output in outputs {
            if !self.outputs.contains(&output) {
                self.outputs.push(output);
            }
        }
        for packet in to_controller {
            if !self.to_controller.contains(&packet) {
                self.to_controller.push(packet);
            }
        }
        for port in blocked {
            if !self.blocked.contains(port) {
                self.blocked.push(*port);
            }
        }
        self.overrun = self.overrun.or(overrun);
    }

    /// Nothing becomes of it.
    pub fn is_drop(&self) -> bool {
        self.outputs.is_empty() && self.to_controller.is_empty()
    }
}

/// A switch with ports and nothing else.
fn shell(network: &Network, datapath_id: DatapathId) -> Switch {
    let mut switch = Switch::new(SwitchConfig { n_tables: 1, ..SwitchConfig::new(datapath_id) }, Time::ZERO);
    switch.handle_disconnected(Time::ZERO);
    let known = network.switches.get(&datapath_id).map(|switch| &switch.ports);
    for (&port_no, port) in known.into_iter().flatten() {
        let hw_addr: MacAddr = port.info.hw_addr;
        switch.add_port(openflow::Port::new(port_no, hw_addr, &port.info.name), Time::ZERO);
        if !port.info.up {
            switch.set_port_up(port_no, false, Time::ZERO);
        }
    }
    switch
}

/// A rule as `ovs-ofctl add-flow` takes it.
pub fn flow_text(
    table: TableId,
    priority: u16,
    idle_timeout: u16,
    match_: &Match,
    instructions: &[Instruction],
) -> String {
    let stats = FlowStats {
        table_id: table,
        duration_sec: 0,
        duration_nsec: 0,
        priority,
        idle_timeout,
        hard_timeout: 0,
        flags: FlowModFlags::NONE,
        cookie: 0,
        packet_count: 0,
        byte_count: 0,
        match_: match_.clone(),
        instructions: instructions.to_vec(),
    };
    let whole = stats.entry().to_string();
    let actions = whole.split_once("actions=").map_or("", |(_, actions)| actions);
    let timeout = if idle_timeout > 0 { format!("idle_timeout={idle_timeout},") } else { String::new() };
    let fields = if match_.is_empty() { String::new() } else { format!(",{match_}") };
    format!("table={},{timeout}priority={priority}{fields},actions={actions}", table.0)
}
