//! The funnel against model switches that hold exactly what their messages say.

mod audited;
mod bundled;
mod failing;
mod fitting;
mod foreign;
mod haste;
mod numbered;
mod picture;
mod read_back;
mod refused;
mod reported;

use std::collections::{BTreeMap, VecDeque};

use net::{DatapathId, PortNo, Time};
use openflow::{
    Action, AggregateStats, Bucket, BundleControl, BundleControlType, BundleFlags, ErrorCode, ErrorMessage,
    FlowModCommand, FlowStats, FlowStatsRequest, GroupDesc, GroupId, GroupMod, GroupModCommand, GroupType, Instruction,
    Match, Message, MeterBand, MeterConfig, MeterFlags, MeterId, MeterMod, MeterModCommand, MultipartReply,
    MultipartReplyBody, MultipartRequestBody, TableFeatures, TableId, TableStats,
};
use proptest::prelude::*;

use super::pipeline::{FORWARD, forward};
use super::*;

/// A switch that does what it is told, in order, when it is asked to.
#[derive(Default)]
struct Model {
    rules: BTreeMap<RuleId, (u64, Vec<Instruction>)>,
    groups: BTreeMap<GroupId, GroupMod>,
    meters: BTreeMap<MeterId, MeterMod>,
    /// What it says of its tables; it refuses to say anything if that is nothing.
    tables: Vec<TableFeatures>,
    /// Rules that its tables hold.
    room: BTreeMap<TableId, usize>,
    inbox: VecDeque<(u32, Message)>,
    /// Rules in one answer.
    most_told: usize,
    log: Vec<String>,
    takes_bundles: bool,
    /// Open ones, with what is in them.
    bundles: BTreeMap<u32, Vec<(u32, Message)>>,
    /// What it refuses, and what it does wrong: each message that changes something is shown to it. Then nothing is asserted.
    faults: Option<Faults>,
}

/// What a switch does with a message that changes something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Refuse(ErrorCode),
    /// It says nothing and does nothing.
    Lose,
}

type Faults = Box<dyn FnMut(&Message) -> Option<Fault>>;

impl Model {
    /// Handle one message; the replies.
    fn step(&mut self) -> Vec<(u32, Message)> {
        let Some((xid, message)) = self.inbox.pop_front() else { return Vec::new() };
        let error = |xid, code| (xid, Message::Error(ErrorMessage::new(code, bytes::Bytes::new())));
        match message {
            Message::FlowMod(_) | Message::GroupMod(_) | Message::MeterMod(_) => match self.change(&message) {
                Ok(()) => Vec::new(),
                Err(code) => vec![error(xid, code)],
            },
            Message::BarrierRequest => vec![(xid, Message::BarrierReply)],
            Message::BundleControl(_) | Message::BundleAdd(_) if !self.takes_bundles => {
                vec![error(xid, ErrorCode::REQUEST_BAD_EXPERIMENTER)]
            }
            Message::BundleAdd(add) => {
                // What makes no sense is found when it is added, what there is no room for when it is done.
                if let Some(Some(Fault::Refuse(code))) = self.faults.as_mut().map(|faults| faults(&add.message)) {
                    return vec![error(xid, code)];
                }
                self.bundles.get_mut(&add.bundle_id).expect("an open bundle").push((xid, *add.message));
                Vec::new()
            }
            Message::BundleControl(control) => {
                let id = control.bundle_id;
                let reply = match control.control_type {
                    BundleControlType::OPEN_REQUEST => {
                        assert!(self.bundles.insert(id, Vec::new()).is_none(), "opened twice");
                        BundleControlType::OPEN_REPLY
                    }
                    BundleControlType::DISCARD_REQUEST => {
                        self.bundles.remove(&id).expect("an open bundle");
                        BundleControlType::DISCARD_REPLY
                    }
                    _ => {
                        let before = (self.rules.clone(), self.groups.clone());
                        for (inner, message) in self.bundles.remove(&id).expect("an open bundle") {
                            if let Err(code) = self.change(&message) {
                                (self.rules, self.groups) = before;
                                return vec![error(inner, code), error(xid, ErrorCode::BUNDLE_MSG_FAILED)];
                            }
                        }
                        BundleControlType::COMMIT_REPLY
                    }
                };
                vec![(xid, Message::BundleControl(BundleControl::new(id, reply, BundleFlags::NONE)))]
            }
            Message::MultipartRequest(request) => {
                let body = match request.body {
                    MultipartRequestBody::Aggregate(request) => MultipartReplyBody::Aggregate(AggregateStats {
                        packet_count: 0,
                        byte_count: 0,
                        flow_count: self.asked_for(&request).count() as u32,
                    }),
                    MultipartRequestBody::Table => MultipartReplyBody::Table(self.table_stats()),
                    MultipartRequestBody::GroupDesc => {
                        MultipartReplyBody::GroupDesc(self.groups.values().map(group_desc).collect())
                    }
                    MultipartRequestBody::Flow(request) => {
                        let told: Vec<FlowStats> = self.asked_for(&request).map(flow_stats).collect();
                        self.most_told = self.most_told.max(told.len());
                        MultipartReplyBody::Flow(told)
                    }
                    MultipartRequestBody::MeterConfig(_) => {
                        MultipartReplyBody::MeterConfig(self.meters.values().map(meter_config).collect())
                    }
                    MultipartRequestBody::TableFeatures(_) if !self.tables.is_empty() => {
                        MultipartReplyBody::TableFeatures(self.tables.clone())
                    }
                    MultipartRequestBody::TableFeatures(_)
                    | MultipartRequestBody::GroupFeatures
                    | MultipartRequestBody::MeterFeatures => {
                        return vec![error(xid, ErrorCode::REQUEST_BAD_MULTIPART)];
                    }
                    other => panic!("not asked for: {other:?}"),
                };
                vec![(xid, Message::MultipartReply(MultipartReply { more: false, body }))]
            }
            other => panic!("not a message of the funnel: {other:?}"),
        }
    }

    fn asked_for(&self, request: &FlowStatsRequest) -> impl Iterator<Item = (&RuleId, &(u64, Vec<Instruction>))> {
        let (table, wanted, mask) = (request.table_id, request.cookie, request.cookie_mask);
        let is_asked = move |(id, (cookie, _)): &(&RuleId, &(u64, Vec<Instruction>))| {
            (table == TableId::ALL || table == id.table) && cookie & mask == wanted & mask
        };
        self.rules.iter().filter(is_asked)
    }

    fn table_stats(&self) -> Vec<TableStats> {
        let mut tables: BTreeMap<TableId, u32> = BTreeMap::new();
        self.rules.keys().for_each(|id| *tables.entry(id.table).or_default() += 1);
        let stats = |(table_id, active_count)| TableStats { table_id, active_count, lookup_count: 0, matched_count: 0 };
        tables.into_iter().map(stats).collect()
    }

    /// Do what a message says.
    fn change(&mut self, message: &Message) -> Result<(), ErrorCode> {
        match self.faults.as_mut().and_then(|faults| faults(message)) {
            Some(Fault::Refuse(code)) => return Err(code),
            Some(Fault::Lose) => return Ok(()),
            None => {}
        }
        let is_right = self.faults.is_none();
        match message.clone() {
            Message::FlowMod(flow_mod) => {
                let id = RuleId { table: flow_mod.table_id, priority: flow_mod.priority, match_: flow_mod.match_ };
                if flow_mod.command == FlowModCommand::ADD {
                    for group in pointed_to(&flow_mod.instructions) {
                        if !self.groups.contains_key(&group) {
                            assert!(!is_right, "a rule points to a group that is not there");
                            return Err(ErrorCode::ACTION_BAD_OUT_GROUP);
                        }
                    }
                    for meter in metered_by(&flow_mod.instructions) {
                        if !self.meters.contains_key(&meter) {
                            assert!(!is_right, "a rule names a meter that is not there");
                            return Err(ErrorCode::METER_MOD_INVALID_METER);
                        }
                    }
                    let held = self.rules.keys().filter(|other| other.table == id.table && **other != id).count();
                    if self.room.get(&id.table).is_some_and(|room| held >= *room) {
                        assert!(!is_right || !self.tables.is_empty(), "more than it holds");
                        return Err(ErrorCode::FLOW_MOD_TABLE_FULL);
                    }
                    self.log.push(format!("add {} {:?}", id.priority, id.match_));
                    self.rules.insert(id, (flow_mod.cookie, flow_mod.instructions));
                } else {
                    self.log.push(format!("delete {} {:?}", id.priority, id.match_));
                    let (wanted, mask) = (flow_mod.cookie, flow_mod.cookie_mask);
                    if self.rules.get(&id).is_some_and(|(cookie, _)| cookie & mask == wanted & mask) {
                        self.rules.remove(&id);
                    }
                }
            }
            Message::GroupMod(group_mod) => {
                let there = self.groups.contains_key(&group_mod.group_id);
                self.log.push(format!("group {:?} {} buckets", group_mod.command, group_mod.buckets.len()));
                match group_mod.command {
                    GroupModCommand::ADD if there => {
                        assert!(!is_right, "a group is added twice");
                        return Err(ErrorCode::GROUP_MOD_GROUP_EXISTS);
                    }
                    GroupModCommand::MODIFY if !there => {
                        assert!(!is_right, "a group is changed that is not there");
                        return Err(ErrorCode::GROUP_MOD_UNKNOWN_GROUP);
                    }
                    GroupModCommand::DELETE => {
                        assert!(there || !is_right, "a group is deleted that is not there");
                        let points = |does: &[Instruction]| pointed_to(does).contains(&group_mod.group_id);
                        let used = self.rules.values().any(|(_, does)| points(does));
                        assert!(!used || !is_right, "a group is deleted under a rule");
                        // OpenFlow 1.3.5 §6.5: the rules go with it.
                        self.rules.retain(|_, (_, does)| !points(does));
                        self.groups.remove(&group_mod.group_id);
                    }
                    _ => drop(self.groups.insert(group_mod.group_id, group_mod)),
                }
            }
            Message::MeterMod(meter_mod) => {
                let there = self.meters.contains_key(&meter_mod.meter_id);
                self.log.push(format!("meter {:?}", meter_mod.command));
                match meter_mod.command {
                    MeterModCommand::ADD if there => {
                        assert!(!is_right, "a meter is added twice");
                        return Err(ErrorCode::METER_MOD_METER_EXISTS);
                    }
                    MeterModCommand::MODIFY if !there => {
                        assert!(!is_right, "a meter is changed that is not there");
                        return Err(ErrorCode::METER_MOD_UNKNOWN_METER);
                    }
                    MeterModCommand::DELETE => {
                        let names = |does: &[Instruction]| metered_by(does).contains(&meter_mod.meter_id);
                        let used = self.rules.values().any(|(_, does)| names(does));
                        assert!(!used || !is_right, "a meter is deleted under a rule");
                        // OpenFlow 1.3.5 §6.4: the rules go with it.
                        self.rules.retain(|_, (_, does)| !names(does));
                        self.meters.remove(&meter_mod.meter_id);
                    }
                    _ => drop(self.meters.insert(meter_mod.meter_id, meter_mod)),
                }
            }
            other => panic!("no change: {other:?}"),
        }
        Ok(())
    }
}

/// Everything that waits to be sent, message by message.
fn sent(reconciler: &mut Reconciler) -> Vec<(DatapathId, u32, Message)> {
    let mut messages = Vec::new();
    while let Some(Transmit { datapath_id, mut frames }) = reconciler.poll_transmit() {
        while let Some(length) = openflow::frame_length(&frames).expect("whole messages") {
            let (xid, message) = Message::decode(&frames.split_to(length)).expect("well-formed messages");
            messages.push((datapath_id, xid, message));
        }
    }
    messages
}

fn pointed_to(instructions: &[Instruction]) -> Vec<GroupId> {
    let mut groups = Vec::new();
    for instruction in instructions {
        if let Instruction::ApplyActions(actions) = instruction {
            groups.extend(actions.iter().filter_map(|action| match action {
                Action::Group(id) => Some(*id),
                _ => None,
            }));
        }
    }
    groups
}

fn metered_by(instructions: &[Instruction]) -> Vec<MeterId> {
    let meter = |does: &Instruction| if let Instruction::Meter(id) = does { Some(*id) } else { None };
    instructions.iter().filter_map(meter).collect()
}

fn meter_config(meter: &MeterMod) -> MeterConfig {
    MeterConfig { flags: meter.flags, meter_id: meter.meter_id, bands: meter.bands.clone() }
}

fn group_desc(group: &GroupMod) -> GroupDesc {
    GroupDesc { group_type: group.group_type, group_id: group.group_id, buckets: group.buckets.clone() }
}

fn flow_stats((id, (cookie, instructions)): (&RuleId, &(u64, Vec<Instruction>))) -> FlowStats {
    FlowStats {
        table_id: id.table,
        duration_sec: 0,
        duration_nsec: 0,
        priority: id.priority,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: openflow::FlowModFlags::SEND_FLOW_REM,
        cookie: *cookie,
        packet_count: 0,
        byte_count: 0,
        match_: id.match_.clone(),
        instructions: instructions.clone(),
    }
}

/// A reconciler and its switches; messages are delivered when `pump` or `step` says so.
#[derive(Default)]
struct Lab {
    reconciler: Reconciler,
    switches: BTreeMap<DatapathId, Model>,
    now: u64,
}

impl Lab {
    fn connect(&mut self, id: DatapathId) {
        let model = self.switches.entry(id).or_default();
        model.inbox.clear();
        model.bundles.clear();
        let now = self.now();
        self.reconciler.handle_connected(id, now);
        self.reconciler.ask_tables(id);
        self.collect();
    }

    fn now(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn collect(&mut self) {
        for (id, xid, message) in sent(&mut self.reconciler) {
            if let Some(model) = self.switches.get_mut(&id) {
                model.inbox.push_back((xid, message));
            }
        }
    }

    fn step(&mut self, id: DatapathId) {
        let Some(model) = self.switches.get_mut(&id) else { return };
        // An audit of a switch that fails may be over before it answers.
        let is_right = model.faults.is_none();
        for (xid, reply) in model.step() {
            let now = Time::from_millis(self.now);
            match reply {
                Message::BarrierReply => assert!(self.reconciler.handle_barrier_reply(id, xid, now)),
                Message::MultipartReply(reply) => {
                    assert!(self.reconciler.handle_multipart(id, xid, &reply, now) || !is_right);
                }
                Message::BundleControl(control) => drop(self.reconciler.handle_bundle_reply(id, xid, &control)),
                Message::Error(error) => drop(self.reconciler.handle_error(id, xid, &error, now)),
                _ => unreachable!("the model answers nothing else"),
            }
        }
        self.collect();
    }

    /// Until everything is answered and no phase waits for what forwards.
    fn pump(&mut self) {
        loop {
            self.deliver();
            let Some((follows, "next phase")) = self.reconciler.poll_timeout() else { return };
            self.reconciler.handle_timeout(follows);
        }
    }

    /// Until everything is answered.
    fn deliver(&mut self) {
        self.reconciler.advance(self.now());
        self.collect();
        while self.switches.values().any(|model| !model.inbox.is_empty()) {
            for id in self.switches.keys().copied().collect::<Vec<_>>() {
                self.step(id);
            }
            self.reconciler.advance(self.now());
            self.collect();
        }
    }

    fn release_all(&mut self) {
        for &id in self.switches.keys() {
            self.reconciler.release(id);
        }
        self.reconciler.hold_flood(false);
    }

    fn assert_equal(&self) {
        for (&id, model) in &self.switches {
            let desired: BTreeMap<_, _> = self
                .reconciler
                .desired(id)
                .map(|(rule_id, rule)| (rule_id, (rule.key.cookie(), rule.body.instructions())))
                .collect();
            assert_eq!(model.rules, desired, "rules of {id}");
            let groups: BTreeMap<_, _> =
                self.reconciler.desired_groups(id).map(|(group_id, group)| (group_id, group.buckets.clone())).collect();
            let held: BTreeMap<_, _> = model.groups.iter().map(|(&id, group)| (id, group.buckets.clone())).collect();
            assert_eq!(held, groups, "groups of {id}");
            let meters: BTreeMap<_, _> =
                self.reconciler.desired_meters(id).map(|(meter_id, meter)| (meter_id, meter.bands.clone())).collect();
            let held: BTreeMap<_, _> = model.meters.iter().map(|(&id, meter)| (id, meter.bands.clone())).collect();
            assert_eq!(held, meters, "meters of {id}");
        }
    }
}

const S1: DatapathId = DatapathId(1);
const S2: DatapathId = DatapathId(2);

fn key(a: u64) -> Key {
    Key { owner: Owner::Forwarding, kind: 9, a, b: 0 }
}

fn host_rule(a: u64, port: u32, stage: u16) -> Rule {
    let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(a));
    let does = vec![Instruction::ApplyActions(vec![Action::output(PortNo(port))])];
    Rule { stage, ..Rule::new(key(a), FORWARD, forward::HOST, match_, does).unwrap() }
}

/// What a switch says of a rule that went (OpenFlow 1.3.5 §7.4.2).
fn removed(rule: &Rule, reason: openflow::FlowRemovedReason) -> openflow::FlowRemoved {
    openflow::FlowRemoved {
        cookie: rule.key.cookie(),
        priority: rule.priority,
        reason,
        table_id: rule.table,
        duration_sec: 1,
        duration_nsec: 0,
        idle_timeout: 0,
        hard_timeout: 0,
        packet_count: 0,
        byte_count: 0,
        match_: rule.body.match_(),
    }
}

fn group(a: u64, group_type: GroupType, ports: &[u32]) -> Group {
    let buckets = ports.iter().map(|&port| Bucket::new(vec![Action::output(PortNo(port))])).collect();
    Group { key: key(a), group_type, buckets, stage: 0 }
}

/// A group of the operator's.
fn stated_group(number: u32, group_type: GroupType, ports: &[u32]) -> Group {
    Group { key: Key::of_group(Owner::StaticRules, GroupId(number)), ..group(0, group_type, ports) }
}

/// A meter of the operator's.
fn stated_meter(number: u32, rate: u32) -> Meter {
    let key = Key::of_meter(Owner::StaticRules, MeterId(number));
    Meter { key, flags: MeterFlags::PKTPS, bands: vec![MeterBand::Drop { rate, burst_size: 0 }] }
}

/// A rule of the operator's that goes through a meter, and to a group.
fn pointing(a: u64, meter: Option<u32>, group: Option<u32>) -> Rule {
    let match_ = Match::new().with_eth_src(net::MacAddr::from_u64(a));
    let group = group.map(|group| Instruction::ApplyActions(vec![Action::Group(GroupId(group))]));
    let does = meter.map(|meter| Instruction::Meter(MeterId(meter))).into_iter().chain(group).collect();
    Rule::new(key(a), TableId(0), 7, match_, does).unwrap()
}

#[test]
fn an_empty_switch_gets_what_is_desired() {
    let mut lab = Lab::default();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.connect(S1);
    lab.pump();
    lab.assert_equal();
    assert_eq!(lab.reconciler.counters().flow_mods, [1, 0]);
}

#[test]
fn a_restart_with_the_same_wishes_sends_no_flow_mod() {
    let mut lab = Lab::default();
    let wish = |lab: &mut Lab| {
        for a in 1..50 {
            lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
        }
        lab.reconciler.set_group(S1, key(100), Some(group(100, GroupType::SELECT, &[1, 2])));
    };
    wish(&mut lab);
    lab.connect(S1);
    lab.pump();
    // The controller is another process now; the switch is the same.
    lab.reconciler = Reconciler::new();
    wish(&mut lab);
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    lab.assert_equal();
    assert_eq!(lab.reconciler.counters().mods(), 0);
}

#[test]
fn while_a_switch_is_held_only_additions_go_out() {
    let mut lab = Lab::default();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.reconciler.set_rule(S1, key(2), Some(&host_rule(2, 2, 0)));
    lab.connect(S1);
    lab.pump();
    lab.reconciler = Reconciler::new();
    lab.reconciler.set_rule(S1, key(2), Some(&host_rule(2, 7, 0)));
    lab.reconciler.set_rule(S1, key(3), Some(&host_rule(3, 3, 0)));
    lab.connect(S1);
    lab.pump();
    assert!(lab.reconciler.is_held(S1));
    let model = &lab.switches[&S1];
    assert_eq!(model.rules.len(), 3, "1 is kept, 2 is unchanged, 3 is new");
    let old = host_rule(2, 2, 0);
    assert_eq!(model.rules[&old.id()].1, old.body.instructions());
    lab.release_all();
    lab.pump();
    lab.assert_equal();
}

#[test]
fn rules_go_out_nearest_to_the_destination_first() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.connect(S2);
    lab.pump();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 1)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 5, 0)));
    lab.reconciler.advance(lab.now());
    lab.collect();
    assert!(lab.switches[&S1].inbox.is_empty(), "the far switch waits for the near one's barrier");
    lab.step(S2);
    assert!(lab.switches[&S1].inbox.is_empty());
    lab.step(S2);
    assert!(!lab.switches[&S1].inbox.is_empty());
    lab.pump();
    lab.assert_equal();
}

#[test]
fn rules_are_deleted_farthest_from_the_destination_first() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.connect(S2);
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 1)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 5, 0)));
    lab.pump();
    lab.reconciler.set_rule(S1, key(1), None);
    lab.reconciler.set_rule(S2, key(1), None);
    lab.reconciler.advance(lab.now());
    lab.collect();
    assert!(lab.switches[&S2].inbox.is_empty(), "whoever still sends towards the host sends to one that does so too");
    lab.step(S1);
    assert!(lab.switches[&S2].inbox.is_empty());
    lab.step(S1);
    assert!(!lab.switches[&S2].inbox.is_empty());
    lab.pump();
    lab.assert_equal();
}

#[test]
fn a_refused_rule_is_told_and_tried_again_after_a_longer_wait_each_time() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    for wait in [1_000, 2_000, 4_000] {
        lab.reconciler.advance(lab.now());
        let sent = sent(&mut lab.reconciler);
        let [(_, flow_mod, _), (_, barrier, _)] = sent[..] else { panic!("a flow-mod and a barrier: {sent:?}") };
        let error = ErrorMessage::new(ErrorCode::FLOW_MOD_TABLE_FULL, bytes::Bytes::new());
        assert!(lab.reconciler.handle_error(S1, flow_mod, &error, lab.now()));
        lab.reconciler.handle_barrier_reply(S1, barrier, lab.now());
        assert!(matches!(
            std::iter::from_fn(|| lab.reconciler.poll_event()).find(|event| matches!(event, FlowEvent::Refused { .. })),
            Some(FlowEvent::Refused { .. })
        ));
        assert_eq!(lab.reconciler.poll_timeout().map(|(at, _)| at), Some(Time::from_millis(lab.now + wait)));
        lab.now += wait;
        lab.reconciler.handle_timeout(lab.now());
    }
    lab.pump();
    lab.assert_equal();
    assert_eq!(lab.reconciler.poll_timeout(), None);
}

#[test]
fn a_silent_switch_holds_the_others_up_for_one_phase_limit_only() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.connect(S2);
    lab.pump();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 1, 1)));
    lab.reconciler.advance(lab.now());
    lab.collect();
    let (deadline, _) = lab.reconciler.poll_timeout().unwrap();
    assert!(lab.switches[&S2].inbox.is_empty());
    lab.reconciler.handle_timeout(deadline);
    lab.collect();
    assert!(!lab.switches[&S2].inbox.is_empty());
    lab.pump();
    lab.assert_equal();
}

#[test]
fn what_a_silent_switch_was_not_sent_is_not_overtaken_by_a_later_phase() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    let group_id = lab.reconciler.group_id(S1, key(7));
    let through_group = |a: u64| {
        let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(a));
        Rule { body: FlowBody::apply(&match_, &Action::Group(group_id)).unwrap(), ..host_rule(a, 1, 0) }
    };
    // More rules than fit in one window without a barrier.
    lab.reconciler.set_group(S1, key(7), Some(group(7, GroupType::SELECT, &[1])));
    for a in 1_000..3_000 {
        lab.reconciler.set_rule(S1, key(a), Some(&through_group(a)));
    }
    lab.pump();
    lab.assert_equal();
    for a in 1_000..3_000 {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 2, 0)));
    }
    lab.reconciler.set_group(S1, key(7), None);
    lab.reconciler.advance(lab.now());
    lab.collect();
    // The switch answers nothing for a whole phase; the model refuses to delete a group under a rule.
    let (deadline, _) = lab.reconciler.poll_timeout().unwrap();
    lab.reconciler.handle_timeout(deadline);
    lab.collect();
    lab.pump();
    lab.assert_equal();
}

#[test]
fn a_switch_that_is_given_up_while_it_connects_again_is_still_read_back() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.pump();
    while lab.reconciler.poll_event().is_some() {}
    lab.reconciler.handle_disconnected(S1, lab.now());
    lab.connect(S1);
    lab.reconciler.forget_switch(S1);
    lab.pump();
    assert!(lab.reconciler.is_live(S1));
    assert!(matches!(lab.reconciler.poll_event(), Some(FlowEvent::ReadBack { datapath_id: S1, rules: 1, .. })));
    lab.release_all();
    lab.pump();
    lab.assert_equal();
    assert_eq!(lab.reconciler.desired(S1).count(), 0);
}

#[test]
fn an_answer_of_another_kind_is_none() {
    let mut reconciler = Reconciler::default();
    reconciler.handle_connected(S1, Time::ZERO);
    let [(S1, xid, _), ..] = sent(&mut reconciler)[..] else { panic!("one question") };
    let reply = |body| MultipartReply { more: false, body };
    for body in [MultipartReplyBody::Flow(Vec::new()), MultipartReplyBody::GroupDesc(Vec::new())] {
        assert!(reconciler.handle_multipart(S1, xid, &reply(body), Time::ZERO));
        assert!(sent(&mut reconciler).is_empty() && reconciler.poll_event().is_none());
    }
    let count = AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
    assert!(reconciler.handle_multipart(S1, xid, &reply(MultipartReplyBody::Aggregate(count)), Time::ZERO));
    let [(S1, xid, Message::MultipartRequest(_))] = sent(&mut reconciler)[..] else { panic!("the next question") };
    // The count again does not begin it all again.
    let count = AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
    assert!(reconciler.handle_multipart(S1, xid, &reply(MultipartReplyBody::Aggregate(count)), Time::ZERO));
    assert!(sent(&mut reconciler).is_empty());
}

#[test]
fn a_switch_that_reports_without_an_end_is_not_believed_even_if_nothing_is_in_it() {
    let mut reconciler = Reconciler::default();
    reconciler.handle_connected(S1, Time::ZERO);
    let [(S1, xid, _), ..] = sent(&mut reconciler)[..] else { panic!("one question") };
    let count = AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
    let part = MultipartReply { more: true, body: MultipartReplyBody::Aggregate(count) };
    assert!((0..=1_000_000).all(|_| reconciler.handle_multipart(S1, xid, &part, Time::ZERO)));
    assert!(matches!(reconciler.poll_event(), Some(FlowEvent::TooMuch { datapath_id: S1 })));
}

#[test]
fn a_rule_whose_change_was_refused_is_still_there_and_goes_when_nobody_wants_it() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.pump();
    lab.assert_equal();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 2, 0)));
    lab.reconciler.advance(lab.now());
    let refused = sent(&mut lab.reconciler);
    let Some((_, xid, _)) = refused.iter().find(|(_, _, message)| matches!(message, Message::FlowMod(_))) else {
        panic!("no change: {refused:?}")
    };
    let error = ErrorMessage::new(ErrorCode::FLOW_MOD_BAD_TIMEOUT, bytes::Bytes::new());
    assert!(lab.reconciler.handle_error(S1, *xid, &error, lab.now()));
    for (id, xid, message) in &refused {
        if matches!(message, Message::BarrierRequest) {
            lab.reconciler.handle_barrier_reply(*id, *xid, lab.now());
        }
    }
    lab.reconciler.set_rule(S1, key(1), None);
    lab.now += 120_000;
    lab.reconciler.handle_timeout(lab.now());
    lab.collect();
    lab.pump();
    lab.assert_equal();
    assert!(lab.switches[&S1].rules.is_empty());
}

#[test]
fn a_switch_that_told_of_very_many_rules_gives_their_memory_back() {
    let mut slots = super::slots::Slots::new(topology::SeededState::new(1));
    let mut all = Vec::new();
    for a in 0..10_000 {
        let rule = host_rule(a, 1, 0);
        let at = slots.place(rule.table, rule.priority, &rule.body);
        slots.desire(at, &rule);
        all.push(at);
    }
    all.remove(5_000);
    all.into_iter().for_each(|at| slots.undesire(at));
    assert_eq!(slots.places(), 10_000);
    slots.compact();
    let keep = host_rule(5_000, 1, 0);
    let at = slots.find_key(&keep.key).unwrap();
    assert_eq!((slots.all().count(), slots.get(at).map(|slot| slot.rule())), (1, Some(keep)));
    assert_eq!(slots.places(), 1);
}

#[derive(Clone, Debug)]
enum Deed {
    Set { switch: u64, a: u64, port: u32, stage: u16 },
    Remove { switch: u64, a: u64 },
    Group { switch: u64, a: u64, flood: bool, ports: Vec<u32> },
    RemoveGroup { switch: u64, a: u64 },
    Step { switch: u64 },
    Reconnect { switch: u64 },
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let switch = 1..4u64;
    let deed = prop_oneof![
        4 => (switch.clone(), 0..12u64, 1..5u32, 0..3u16)
            .prop_map(|(switch, a, port, stage)| Deed::Set { switch, a, port, stage }),
        2 => (switch.clone(), 0..12u64).prop_map(|(switch, a)| Deed::Remove { switch, a }),
        2 => (switch.clone(), 20..24u64, any::<bool>(), proptest::collection::btree_set(1..6u32, 1..4))
            .prop_map(|(switch, a, flood, ports)| Deed::Group { switch, a, flood, ports: ports.into_iter().collect() }),
        1 => (switch.clone(), 20..24u64).prop_map(|(switch, a)| Deed::RemoveGroup { switch, a }),
        6 => switch.clone().prop_map(|switch| Deed::Step { switch }),
        1 => switch.prop_map(|switch| Deed::Reconnect { switch }),
        1 => Just(Deed::Restart),
    ];
    proptest::collection::vec(deed, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever was stated, whenever switches answered, came back or the controller restarted: in the end they hold what is desired.
    #[test]
    fn installed_equals_desired_after_quiescence(deeds in deeds()) {
        let mut lab = Lab::default();
        for id in 1..4 {
            lab.connect(DatapathId(id));
        }
        for deed in deeds {
            match deed {
                Deed::Set { switch, a, port, stage } => {
                    lab.reconciler.set_rule(DatapathId(switch), key(a), Some(&host_rule(a, port, stage)));
                }
                Deed::Remove { switch, a } => lab.reconciler.set_rule(DatapathId(switch), key(a), None),
                Deed::Group { switch, a, flood, ports } => {
                    // A key's group never changes its lane.
                    let a = if flood { a + 10 } else { a };
                    let group_type = if flood { GroupType::ALL } else { GroupType::SELECT };
                    lab.reconciler.set_group(DatapathId(switch), key(a), Some(group(a, group_type, &ports)));
                }
                Deed::RemoveGroup { switch, a } => lab.reconciler.set_group(DatapathId(switch), key(a), None),
                Deed::Step { switch } => lab.step(DatapathId(switch)),
                Deed::Reconnect { switch } => {
                    let id = DatapathId(switch);
                    lab.reconciler.handle_disconnected(id, lab.now());
                    lab.collect();
                    lab.connect(id);
                }
                Deed::Restart => {
                    lab.reconciler = Reconciler::new();
                    for id in 1..4 {
                        lab.connect(DatapathId(id));
                    }
                }
            }
            lab.reconciler.advance(lab.now());
            lab.collect();
        }
        lab.pump();
        lab.release_all();
        lab.pump();
        lab.assert_equal();
    }
}

#[test]
fn a_group_that_exists_is_changed_at_the_next_try_and_not_added_again() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::SELECT, &[1])));
    lab.reconciler.advance(lab.now());
    let first = sent(&mut lab.reconciler);
    let error = ErrorMessage::new(ErrorCode::GROUP_MOD_GROUP_EXISTS, bytes::Bytes::new());
    assert!(lab.reconciler.handle_error(S1, first[0].1, &error, lab.now()));
    lab.reconciler.handle_barrier_reply(S1, first[1].1, lab.now());
    lab.now += 1_000;
    lab.reconciler.handle_timeout(lab.now());
    let again = sent(&mut lab.reconciler);
    assert!(matches!(&again[0].2, Message::GroupMod(group_mod) if group_mod.command == GroupModCommand::MODIFY));
}

#[test]
fn a_rule_that_somebody_deletes_is_put_back() {
    let mut lab = Lab::default();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.connect(S1);
    lab.pump();
    let rule = host_rule(1, 1, 0);
    lab.switches.get_mut(&S1).expect("connected").rules.clear();
    assert!(lab.reconciler.handle_flow_removed(S1, &removed(&rule, openflow::FlowRemovedReason::DELETE)));
    lab.pump();
    lab.assert_equal();
    assert_eq!(lab.reconciler.counters().drifted, 1);
}

#[test]
fn a_switch_that_is_gone_leaves_nothing_behind() {
    let mut reconciler = Reconciler::new();
    reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    reconciler.forget_switch(S1);
    reconciler.group_id(S1, key(2));
    reconciler.set_rule(S1, key(1), None);
    reconciler.set_group(S1, key(2), None);
    assert_eq!(reconciler.sizes().count(), 0);
}
