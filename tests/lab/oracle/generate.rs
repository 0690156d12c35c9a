//! Random flow tables, groups and meters for the packets of one small world, and a few mistakes in them.

use std::collections::BTreeMap;

use net::PortNo;
use openflow::nicira::{ControllerProperty, NiciraAction, Sample, Subfield};
use openflow::oxm::Prerequisite;
use openflow::{
    Action, Bucket, FlowMod, FlowModCommand, FlowModFlags, GroupId, GroupMod, GroupModCommand, GroupType, Instruction,
    Match, Message, MeterBand, MeterFlags, MeterId, MeterMod, MeterModCommand, OxmFieldOwned, OxmKind, PacketInReason,
    TableId,
};

use super::bundled;
use super::events::{self, Event};
use super::headers;
use super::options::{self, Options};
use super::packet::{self, PORTS, Packet, Shape};
use super::random::Random;

/// Flow tables in use.
pub const TABLES: usize = 4;
/// Groups and meters have the numbers from 1.
pub const GROUPS: usize = 6;
pub const METERS: usize = 2;

/// A setup and what is sent through it.
#[derive(Clone, Debug)]
pub struct World {
    pub setup: Vec<Message>,
    pub events: Vec<Event>,
}

/// What a generator may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Care {
    /// Only what a switch accepts, as far as one can know without being one.
    Right,
    /// The same, and then much happens: ports come and go, time passes, meters drop, frames come in by the wire.
    Alive,
    /// Mistakes, too: missing prerequisites, wrong masks and numbers, unknown groups, commands of all kinds.
    Wrong,
}

/// Makes one world.
pub fn world(random: &mut Random, packets: usize, care: Care) -> World {
    let selects = random.one_in(2);
    let pushes = random.one_in(2);
    let fragments = random.one_in(4);
    let labels = random.one_in(4);
    let tags = match (pushes, labels) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    let shape = Shape { tags, fragments };
    let headers = !pushes && !labels && random.one_in(2);
    // Labels outside of the Ethernet header our switch does not follow.
    let fits = |packet: &Packet| !headers || !packet.fields.contains_key(&OxmKind::MPLS_LABEL);
    let any = std::iter::from_fn(|| Some(packet::random(random, shape)));
    let packets: Vec<Packet> = any.filter(fits).take(packets).collect();
    let learns = !selects && care != Care::Wrong && random.one_in(3);
    let meters = random.one_in(2);
    let certain = learns || random.one_in(2);
    let (options, mut setup) = options::random(random, care);
    let mappings = setup.len();
    let mut generator =
        Generator { random, care, selects, pushes, fragments, labels, learns, meters, certain, headers, options };
    for meter_id in 1..=METERS {
        let tight = care == Care::Alive && generator.random.one_in(2);
        let meter_id = meter_id as u32;
        setup.push(if tight { events::tight_meter(generator.random, meter_id) } else { generator.meter_mod(meter_id) });
    }
    // From the last to the first: a bucket may lead to a group that is there already.
    for group_id in (1..=GROUPS).rev() {
        setup.push(generator.group_mod(group_id as u32));
    }
    for _ in 0..generator.random.between(4, 30) {
        let model = generator.random.pick(&packets);
        let mut message = generator.flow_mod(&model);
        if care == Care::Alive {
            events::mortal(generator.random, &mut message);
        }
        setup.push(message);
    }
    if care != Care::Wrong {
        order(generator.random, &mut setup);
        if generator.random.one_in(3) {
            // Between the priorities of the others, which are multiples of 7.
            let first_priority = 7 * generator.random.below(setup.len()) as u16 + 3;
            setup.extend(events::conjunctions(&mut generator, &packets, first_priority));
        }
    }
    if care == Care::Wrong {
        for _ in 0..10 {
            let model = generator.random.pick(&packets);
            let message = match generator.random.below(4) {
                0 => {
                    let id = generator.random.between(1, METERS + 1);
                    generator.meter_mod(id as u32)
                }
                1 => {
                    let id = generator.random.between(1, GROUPS + 1);
                    generator.group_mod(id as u32)
                }
                _ => generator.flow_mod(&model),
            };
            // Even a flow-mod that changes nothing holds on to its options for a moment.
            let at = generator.random.between(mappings, setup.len());
            setup.insert(at, message);
        }
    }
    bundled::some(generator.random, &mut setup, mappings, care);
    // Which of two flows with one priority a packet takes is nobody's business.
    let events = if care == Care::Wrong { Vec::new() } else { events::between(&mut generator, &packets) };
    World { setup, events }
}

/// Gives every flow a priority of its own.
fn order(random: &mut Random, setup: &mut [Message]) {
    let mut priorities: Vec<u16> = (0..setup.len() as u16).map(|number| number * 7).collect();
    for message in setup {
        if let Message::FlowMod(flow_mod) = message {
            flow_mod.priority = priorities.swap_remove(random.below(priorities.len()));
        }
    }
}

pub struct Generator<'a> {
    pub random: &'a mut Random,
    pub care: Care,
    /// Select groups, or action sets: Open vSwitch 3.1 ends with a failed assertion (`recirc_alloc_id__`) when a select group is applied
    /// while the action set holds something.
    selects: bool,
    /// Tags are pushed, in table 0 and once; or packets have tags. Open vSwitch as it comes looks through one tag only: with more of them its
    /// datapath drops the innermost, and sets fields of what is inside in the wrong place.
    pushes: bool,
    /// Packets may be later fragments; then no address and nothing of ICMP is set: Open vSwitch takes their payload for a transport header,
    /// writes into it and corrects a checksum in it that is none.
    fragments: bool,
    /// Labels are pushed and popped.
    labels: bool,
    /// Flows learn. Not with select groups: what is learned behind them is another's choice.
    learns: bool,
    /// Flows have meters; then nothing is set of ARP, ICMP and neighbour discovery: what Open vSwitch's datapath can't set is set outside of it,
    /// and there meters are done too late or not at all (`dpif_execute_helper_cb`, by its own word an approximation).
    meters: bool,
    /// Nothing is chosen by a hash but buckets.
    certain: bool,
    /// Headers are put in front of packets and taken off.
    headers: bool,
    options: Options,
}

impl Generator<'_> {
    fn mistake(&mut self, one_in: usize) -> bool {
        self.care == Care::Wrong && self.random.one_in(one_in)
    }

    pub fn flow_mod(&mut self, model: &Packet) -> Message {
        let table_id = TableId(self.random.pick(&[0, 0, 0, 1, 1, 2, 3]));
        let mut chosen = self.fields(model, table_id);
        if self.headers && table_id.0 > 0 && self.random.one_in(3) {
            chosen = headers::field(self.random);
        }
        let priority = self.random.pick(&[0u16, 1, 10, 10, 100, 0x8000]);
        let match_: Match = if self.mistake(20) {
            chosen.values().chain(chosen.values()).cloned().collect()
        } else {
            chosen.values().fold(Match::new(), |match_, field| match_.with(field))
        };
        let mut flow_mod = FlowMod::add(table_id, priority, match_);
        flow_mod.cookie = self.random.below(1000) as u64;
        let flags =
            [0, 0, 0, FlowModFlags::SEND_FLOW_REM.0, FlowModFlags::RESET_COUNTS.0, FlowModFlags::NO_PKT_COUNTS.0];
        flow_mod.flags = FlowModFlags(self.random.pick(&flags));
        if self.mistake(4) {
            flow_mod.flags = FlowModFlags(self.random.pick(&[FlowModFlags::CHECK_OVERLAP.0, 0x20, 0x8000, 0x1f]));
        }
        if self.mistake(4) {
            flow_mod.command = FlowModCommand(self.random.below(6) as u8);
            flow_mod.cookie_mask = self.random.pick(&[0, 0, 1, u64::MAX]);
            if self.random.one_in(3) {
                flow_mod.out_port = PortNo(self.random.between(1, 3) as u32);
            }
            if self.random.one_in(6) {
                flow_mod.out_group = GroupId(self.random.between(1, 3) as u32);
            }
        }
        if self.mistake(12) {
            flow_mod.table_id = TableId(self.random.pick(&[253, 254, 255]));
        }
        if self.mistake(12) {
            flow_mod.buffer_id = openflow::BufferId(7);
        }
        if options::goes_in_silence(&flow_mod.match_) {
            flow_mod.flags = FlowModFlags(flow_mod.flags.0 & !FlowModFlags::SEND_FLOW_REM.0);
        }
        flow_mod.idle_timeout = self.random.pick(&[0, 0, 0, 600]);
        flow_mod.hard_timeout = self.random.pick(&[0, 0, 0, 900]);
        flow_mod.instructions = self.instructions(table_id, &chosen);
        Message::FlowMod(flow_mod)
    }

    /// Some of the packet's fields, in the order in which a match needs them.
    fn fields(&mut self, model: &Packet, table_id: TableId) -> BTreeMap<OxmKind, OxmFieldOwned> {
        let mut wanted: Vec<OxmKind> = Vec::new();
        let kinds: Vec<OxmKind> = model.fields.keys().copied().collect();
        for _ in 0..self.random.pick(&[0, 1, 1, 2, 2, 3, 4]) {
            wanted.push(self.random.pick(&kinds));
        }
        let mut chosen = BTreeMap::new();
        for kind in wanted {
            if !self.mistake(12) {
                self.need(kind, model, &mut chosen);
            }
            let field = self.one_field(kind, &model.fields[&kind]);
            chosen.entry(kind).or_insert(field);
        }
        if table_id.0 > 0 && self.random.one_in(3) {
            let octets = packet::value(self.random, OxmKind::METADATA).unwrap_or_default();
            let field = self.one_field(OxmKind::METADATA, &octets);
            chosen.insert(OxmKind::METADATA, field);
        }
        if table_id.0 > 0 && self.random.one_in(4) {
            let kind = self.random.pick(&[OxmKind::NXM_REG0, OxmKind::NXM_REG1, OxmKind::NXM_REG7]);
            let octets = [0, 0, 0, self.random.below(8) as u8];
            let field = self.one_field(kind, &octets);
            chosen.insert(kind, field);
        }
        if !self.options.is_empty() && self.random.one_in(if table_id.0 > 0 { 2 } else { 8 }) {
            let masked = self.random.one_in(3);
            let field = self.options.field(self.random, masked);
            chosen.insert(field.kind(), field);
        }
        if self.mistake(15) {
            let kind = self.random.pick(OxmKind::ALL);
            if let Some(octets) = packet::value(self.random, kind) {
                let field = self.one_field(kind, &octets);
                chosen.insert(kind, field);
            }
        }
        chosen
    }

    /// Adds what has to be matched before `kind`, exactly and with the packet's own values.
    fn need(&mut self, kind: OxmKind, model: &Packet, chosen: &mut BTreeMap<OxmKind, OxmFieldOwned>) {
        let before = match kind.prerequisite() {
            Some(Prerequisite::EthType(_)) => OxmKind::ETH_TYPE,
            Some(Prerequisite::IpProto(_)) => OxmKind::IP_PROTO,
            Some(Prerequisite::Icmpv6Type(_)) => OxmKind::ICMPV6_TYPE,
            Some(Prerequisite::VlanTag) => OxmKind::VLAN_VID,
            Some(Prerequisite::InPort) => OxmKind::IN_PORT,
            _ => return,
        };
        self.need(before, model, chosen);
        let exact = model.fields.get(&before).and_then(|octets| OxmFieldOwned::new(before, octets, None));
        if let Some(field) = exact {
            chosen.insert(before, field);
        }
    }

    /// The field with the packet's value, or another, under a mask sometimes.
    fn one_field(&mut self, kind: OxmKind, octets: &[u8]) -> OxmFieldOwned {
        let mut octets = octets.to_vec();
        let structural = [OxmKind::ETH_TYPE, OxmKind::IP_PROTO, OxmKind::ICMPV6_TYPE, OxmKind::VLAN_VID];
        if self.random.one_in(5)
            && !structural.contains(&kind)
            && let Some(other) = packet::value(self.random, kind)
        {
            octets = other;
        }
        let maskable = kind.maskable().unwrap_or(false);
        let mut mask = None;
        if (maskable && self.random.one_in(3)) || self.mistake(20) {
            let mut bits = self.mask(kind, octets.len());
            packet::clip(&mut bits, kind.bits().map_or(octets.len() * 8, usize::from));
            if !self.mistake(6) {
                octets.iter_mut().zip(&bits).for_each(|(octet, bits)| *octet &= bits);
            }
            mask = Some(bits);
        }
        if self.mistake(25)
            && let Some(first) = octets.first_mut()
        {
            *first |= 0xc0;
        }
        OxmFieldOwned::new(kind, &octets, mask.as_deref())
            .unwrap_or_else(|| OxmFieldOwned::eth_dst(net::MacAddr([2, 0, 0, 0, 0, 1])))
    }

    fn mask(&mut self, kind: OxmKind, length: usize) -> Vec<u8> {
        if kind == OxmKind::VLAN_VID {
            return self.random.pick(&[0x1000u16, 0x1fff, 0x1001, 0x0fff]).to_be_bytes().to_vec();
        }
        match self.random.below(4) {
            0 => self.random.octets(length),
            1 => vec![0xff; length],
            _ => {
                let bits = self.random.below(length * 8 + 1);
                let mut mask = vec![0; length];
                (0..bits).for_each(|bit| mask[bit / 8] |= 0x80 >> (bit % 8));
                mask
            }
        }
    }

    pub fn instructions(&mut self, table_id: TableId, chosen: &BTreeMap<OxmKind, OxmFieldOwned>) -> Vec<Instruction> {
        let mut instructions = Vec::new();
        if (self.meters && self.random.one_in(6)) || self.mistake(12) {
            instructions.push(Instruction::Meter(MeterId(self.random.between(1, METERS) as u32)));
        }
        if self.random.one_in(2) || self.care != Care::Wrong && self.random.one_in(2) {
            let actions = self.actions(table_id, chosen, table_id.0 == 0);
            if !actions.is_empty() {
                instructions.push(Instruction::ApplyActions(actions));
            }
        }
        if self.random.one_in(12) {
            instructions.push(Instruction::ClearActions);
        }
        if self.random.one_in(3) && (!self.selects || self.care == Care::Wrong) {
            let actions = self.action_set(table_id, chosen);
            instructions.push(Instruction::WriteActions(actions));
        }
        if self.random.one_in(4) {
            let metadata = packet::value(self.random, OxmKind::METADATA).unwrap_or_default();
            let metadata = metadata.iter().fold(0, |number, octet| number << 8 | u64::from(*octet));
            let mask = self.random.pick(&[u64::MAX, 0xff, 0xffff_0000_0000_0000]);
            instructions.push(Instruction::WriteMetadata { metadata: metadata & mask, mask });
        }
        if (usize::from(table_id.0) + 1 < TABLES && self.random.one_in(2)) || self.mistake(20) {
            let next = self.random.between(usize::from(table_id.0) + 1, TABLES - 1) as u8;
            let next = if self.mistake(10) { self.random.pick(&[0, 253, 254, 255]) } else { next };
            instructions.push(Instruction::GotoTable(TableId(next)));
        }
        if self.mistake(15)
            && let Some(first) = instructions.first().cloned()
        {
            instructions.push(first);
        }
        instructions
    }

    /// A list of actions; what is set is mostly what the match allows to be set.
    fn actions(&mut self, table_id: TableId, chosen: &BTreeMap<OxmKind, OxmFieldOwned>, may_push: bool) -> Vec<Action> {
        let mut tagged =
            chosen.get(&OxmKind::VLAN_VID).and_then(|field| field.as_field().to_u64()).unwrap_or(0) >= 0x1000;
        let mut may_push = (may_push && self.pushes) || self.care == Care::Wrong;
        let mut now = chosen.clone();
        let chosen = &mut now;
        let mut actions = Vec::new();
        for _ in 0..self.random.between(1, 5) {
            if self.labels
                && self.random.one_in(3)
                && let Some(action) = events::label(self.random, chosen)
            {
                actions.push(action);
                continue;
            }
            if self.headers && self.random.one_in(5) {
                actions.extend(headers::actions(self.random));
                chosen.clear();
                tagged = false;
                continue;
            }
            if !self.options.is_empty() && self.random.one_in(3) {
                let register = self.register();
                actions.push(self.options.action(self.random, register));
                continue;
            }
            let action = match self.random.below(17) {
                0..=3 => self.output(),
                4 => self.group(),
                5 if may_push => {
                    tagged = true;
                    may_push = self.care == Care::Wrong;
                    Action::PushVlan(self.random.pick(&[0x8100, 0x8100, 0x88a8]))
                }
                6 if tagged => {
                    tagged = false;
                    Action::PopVlan
                }
                7 | 8 if is_nsh(chosen) => Action::Nicira(NiciraAction::DecNshTtl),
                7 if is_ip(chosen) => match self.random.below(3) {
                    0 => Action::Nicira(NiciraAction::DecTtlCntIds(vec![self.random.below(2) as u16, 3])),
                    _ => Action::DecNwTtl,
                },
                8 if is_ip(chosen) => Action::SetNwTtl(self.random.pick(&[1, 64, 255])),
                9 if tagged => self.set_number(OxmKind::VLAN_VID),
                10 if tagged => self.set_number(OxmKind::VLAN_PCP),
                11 if self.care == Care::Wrong => self.any_action(),
                12 | 13 => self.nicira(table_id),
                _ => self.set_something(chosen),
            };
            actions.push(action);
        }
        if self.random.one_in(3) {
            actions.push(self.output());
        }
        actions
    }

    /// An action set: at most one of each kind.
    fn action_set(&mut self, table_id: TableId, chosen: &BTreeMap<OxmKind, OxmFieldOwned>) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::new();
        for action in self.actions(table_id, chosen, false) {
            let same = |other: &Action| match (other, &action) {
                (Action::SetField(one), Action::SetField(two)) => one.kind() == two.kind(),
                (one, two) => one.action_type() == two.action_type(),
            };
            // A tag that is pushed or popped changes what may be set after it, and the set is done in an order of its own.
            let tags = matches!(action, Action::PushVlan(_) | Action::PopVlan)
                || matches!(&action, Action::SetField(field) if [OxmKind::VLAN_VID, OxmKind::VLAN_PCP].contains(&field.kind()));
            let nicira = matches!(action, Action::Nicira(_));
            // Whose cookie a packet-in from the set has when the packet has come around again, is not worth the following.
            let punts = self.labels && matches!(action, Action::Output { port: PortNo::CONTROLLER, .. });
            if self.care == Care::Wrong || (!tags && !nicira && !punts && !actions.iter().any(same)) {
                actions.push(action);
            }
        }
        actions
    }

    /// Registers, metadata of the pipeline: 16 bits of one, whose numbers are small.
    fn register(&mut self) -> Subfield {
        let kind = self.random.pick(&[OxmKind::NXM_REG0, OxmKind::NXM_REG1, OxmKind::NXM_REG7]);
        Subfield::new(kind, self.random.pick(&[0, 0, 16]), 16)
    }

    /// What Open vSwitch does besides OpenFlow, but for connection tracking.
    fn nicira(&mut self, table_id: TableId) -> Action {
        let later = TableId(self.random.between(usize::from(table_id.0) + 1, TABLES) as u8);
        let register = self.register();
        let value = self.random.below(8) as u64;
        // Select groups split a packet's way, and together with resubmits the ways are too many for Open vSwitch to end.
        let first = if self.selects { 4 } else { 0 };
        let last = if self.learns { 20 } else { 17 };
        if self.random.one_in(3)
            && let Some(action) = self.rarer()
        {
            return Action::Nicira(action);
        }
        let action = match self.random.between(first, last) {
            0..=2 => NiciraAction::ResubmitTable { in_port: PortNo::IN_PORT, table_id: later, with_ct: false },
            3 => {
                let in_port = PortNo(self.random.between(1, PORTS as usize) as u32);
                NiciraAction::ResubmitTable { in_port, table_id: later, with_ct: false }
            }
            4..=6 => NiciraAction::RegLoad { destination: register, value },
            7 => NiciraAction::RegMove { source: register, destination: self.register() },
            8 => {
                let source = Subfield::new(OxmKind::ETH_SRC, self.random.below(32) as u16, 16);
                NiciraAction::RegMove { source, destination: register }
            }
            9 => {
                let destination = Subfield::new(OxmKind::ETH_DST, self.random.below(32) as u16, 16);
                NiciraAction::RegMove { source: register, destination }
            }
            10 => NiciraAction::OutputReg { source: register, max_len: 0xffff },
            11 => NiciraAction::StackPush(register),
            12 => NiciraAction::StackPop(register),
            13 => NiciraAction::Note(bytes::Bytes::from_static(&[1, 2, 3, 4, 5, 6])),
            14 => self.clone_of(later),
            15 | 16 => events::choice(self.random, register, self.certain),
            18.. => events::learn(self.random, later),
            _ => NiciraAction::OutputTrunc {
                port: PortNo(self.random.between(1, PORTS as usize) as u32),
                // Behind a tag and three labels there is still an Ethernet header: a dummy device that is given less sends nothing
                // of what it gets together with it.
                max_len: self.random.pick(&[30, 40, 100]),
            },
        };
        Action::Nicira(action)
    }

    /// Actions that few flows have.
    fn rarer(&mut self) -> Option<NiciraAction> {
        let register = self.register();
        Some(match self.random.below(9) {
            0 => NiciraAction::CheckPktLarger {
                length: self.random.pick(&[14, 60, 61, 64, 80, 100]),
                destination: Subfield::new(OxmKind::NXM_REG0, self.random.pick(&[0, 1, 15]), 1),
            },
            1 => NiciraAction::Exit,
            2 => {
                let mut properties = vec![ControllerProperty::MaxLen(0xffff)];
                if self.random.one_in(3) {
                    properties.push(ControllerProperty::ControllerId(self.random.below(2) as u16));
                }
                if self.random.one_in(3) {
                    properties.push(ControllerProperty::Reason(PacketInReason(self.random.below(2) as u8)));
                }
                NiciraAction::Controller2(properties)
            }
            3 => NiciraAction::WriteMetadata { metadata: self.random.below(8) as u64, mask: 0xff },
            4 => NiciraAction::SetTunnel(self.random.below(8) as u32),
            5 => NiciraAction::OutputReg2 { source: register, max_len: 0xffff },
            // Without a collector it does nothing.
            6 => NiciraAction::Sample(Box::new(Sample {
                probability: 0xffff,
                collector_set_id: 1,
                obs_domain_id: 0,
                obs_point_id: 0,
                sampling: None,
            })),
            7 if !self.selects && self.random.one_in(3) => {
                let in_port = PortNo(self.random.between(1, PORTS as usize) as u32);
                NiciraAction::Resubmit { in_port }
            }
            _ => return None,
        })
    }

    /// A clone of what can be done in line, or of what takes a copy of the datapath's.
    fn clone_of(&mut self, later: TableId) -> NiciraAction {
        let mut actions = vec![self.set_number(OxmKind::ETH_SRC)];
        if !self.selects && self.random.one_in(2) {
            let in_port = PortNo::IN_PORT;
            let resubmit = NiciraAction::ResubmitTable { in_port, table_id: later, with_ct: false };
            actions.push(Action::Nicira(resubmit));
        }
        if self.random.one_in(4) {
            let port = PortNo(self.random.between(1, PORTS as usize) as u32);
            actions.push(Action::Nicira(NiciraAction::OutputTrunc { port, max_len: 40 }));
        }
        // Whose cookie a packet-in from a clone has when the packet has come around again, is not worth the following.
        let output = self.output();
        if !self.labels || !matches!(output, Action::Output { port: PortNo::CONTROLLER, .. }) {
            actions.push(output);
        }
        NiciraAction::Clone(actions)
    }

    fn output(&mut self) -> Action {
        let port = match self.random.below(16) {
            0 => PortNo::IN_PORT,
            1 => PortNo::FLOOD,
            2 => PortNo::ALL,
            3 => PortNo::LOCAL,
            4 | 5 => PortNo::CONTROLLER,
            6 => PortNo(77),
            _ => PortNo(self.random.between(1, PORTS as usize) as u32),
        };
        let port = if self.mistake(15) {
            self.random.pick(&[PortNo(0), PortNo::ANY, PortNo::TABLE, PortNo(0xffff_ff00), PortNo(0xffff_ff01)])
        } else {
            port
        };
        let max_len = if port == PortNo::CONTROLLER { self.random.pick(&[0xffff, 0xffff, 64, 0]) } else { 0 };
        Action::Output { port, max_len }
    }

    fn group(&mut self) -> Action {
        let last = if self.care == Care::Wrong { GROUPS + 2 } else { GROUPS };
        Action::Group(GroupId(self.random.between(1, last) as u32))
    }

    fn set_number(&mut self, kind: OxmKind) -> Action {
        let octets = packet::value(self.random, kind).unwrap_or_default();
        let field = OxmFieldOwned::new(kind, &octets, None);
        field.map_or_else(|| self.output(), Action::SetField)
    }

    fn set_something(&mut self, chosen: &BTreeMap<OxmKind, OxmFieldOwned>) -> Action {
        const ALWAYS: [OxmKind; 3] = [OxmKind::ETH_DST, OxmKind::ETH_SRC, OxmKind::TUNNEL_ID];
        const ND: [OxmKind; 2] = [OxmKind::ND_RESERVED, OxmKind::ND_OPTIONS_TYPE];
        const NSH: [OxmKind; 6] =
            [OxmKind::NSH_FLAGS, OxmKind::NSH_TTL, OxmKind::NSH_SPI, OxmKind::NSH_SI, OxmKind::NSH_C1, OxmKind::NSH_C4];
        const NOT_OF_FRAGMENTS: [OxmKind; 6] = [
            OxmKind::IPV4_SRC,
            OxmKind::IPV4_DST,
            OxmKind::ICMPV4_TYPE,
            OxmKind::ICMPV4_CODE,
            OxmKind::ICMPV6_TYPE,
            OxmKind::ICMPV6_CODE,
        ];
        const SLOW: [OxmKind; 14] = [
            OxmKind::ND_RESERVED,
            OxmKind::ND_OPTIONS_TYPE,
            OxmKind::ARP_OP,
            OxmKind::ARP_SPA,
            OxmKind::ARP_TPA,
            OxmKind::ARP_SHA,
            OxmKind::ARP_THA,
            OxmKind::ICMPV4_TYPE,
            OxmKind::ICMPV4_CODE,
            OxmKind::ICMPV6_TYPE,
            OxmKind::ICMPV6_CODE,
            OxmKind::IPV6_ND_TARGET,
            OxmKind::IPV6_ND_SLL,
            OxmKind::IPV6_ND_TLL,
        ];
        const NOT: [OxmKind; 9] = [
            OxmKind::IN_PORT,
            OxmKind::IN_PHY_PORT,
            OxmKind::ETH_TYPE,
            OxmKind::VLAN_VID,
            OxmKind::VLAN_PCP,
            OxmKind::IP_PROTO,
            OxmKind::MPLS_BOS,
            OxmKind::METADATA,
            OxmKind::IPV6_EXTHDR,
        ];
        let number = |kind| chosen.get(&kind).and_then(|field| field.as_field().to_u64());
        let (eth_type, protocol) = (number(OxmKind::ETH_TYPE), number(OxmKind::IP_PROTO));
        let icmpv6_type = number(OxmKind::ICMPV6_TYPE);
        let allowed: Vec<OxmKind> = OxmKind::ALL
            .iter()
            .chain(&ND)
            .chain(&NSH)
            .copied()
            .filter(|kind| !self.fragments || !NOT_OF_FRAGMENTS.contains(kind))
            .filter(|kind| !self.meters || !SLOW.contains(kind))
            .filter(|kind| !NOT.contains(kind) && (1..=16).contains(&kind.value_len().unwrap_or(0)))
            .filter(|kind| match kind.prerequisite() {
                Some(Prerequisite::EthType(types)) => {
                    eth_type.is_some_and(|is| types.iter().any(|one| u64::from(*one) == is))
                }
                Some(Prerequisite::IpProto(needed)) => {
                    eth_type.is_some_and(|is| is == 0x0800 || is == 0x86dd) && protocol == Some(u64::from(needed))
                }
                Some(Prerequisite::Icmpv6Type(types)) => {
                    protocol == Some(58) && icmpv6_type.is_some_and(|is| types.iter().any(|one| u64::from(*one) == is))
                }
                _ => ALWAYS.contains(kind),
            })
            .collect();
        let kind = self.random.pick(&allowed);
        self.set_number(kind)
    }

    /// Whatever there is.
    fn any_action(&mut self) -> Action {
        match self.random.below(9) {
            0 => Action::CopyTtlOut,
            1 => Action::PushVlan(self.random.pick(&[0x8100, 0x0800])),
            2 => Action::PopVlan,
            3 => Action::SetQueue(self.random.below(3) as u32),
            4 => Action::DecNwTtl,
            5 => Action::SetNwTtl(3),
            6 => self.group(),
            7 => Action::PushMpls(self.random.pick(&[0x8847, 0x8848, 0x0800])),
            _ => {
                let kind = self.random.pick(OxmKind::ALL);
                let octets = packet::value(self.random, kind).unwrap_or_default();
                let field = self.one_field(kind, &octets);
                Action::SetField(field)
            }
        }
    }

    pub fn group_mod(&mut self, group_id: u32) -> Message {
        let mut group_type = self.random.pick(&[GroupType::ALL, GroupType::SELECT, GroupType::INDIRECT, GroupType::FF]);
        if group_type == GroupType::SELECT && !self.selects && self.care != Care::Wrong {
            group_type = GroupType::ALL;
        }
        let count = match group_type {
            GroupType::INDIRECT if !self.mistake(8) => 1,
            _ if self.random.one_in(6) => 0,
            _ => self.random.between(1, 4),
        };
        let buckets = (0..count).map(|_| self.bucket(group_type, group_id)).collect();
        // 3 and 5 are OpenFlow 1.5's, which Open vSwitch takes on 1.3, too.
        let command = if self.mistake(4) { self.random.pick(&[0, 1, 1, 2, 2, 4, 6]) } else { 0 };
        let command = GroupModCommand(command);
        let group_type = if self.mistake(20) { GroupType(self.random.pick(&[4, 200])) } else { group_type };
        let special = [GroupId::ALL, GroupId::ANY, GroupId(0xffff_ff01), GroupId(0)];
        let group_id = if self.mistake(15) { self.random.pick(&special) } else { GroupId(group_id) };
        Message::GroupMod(GroupMod { command, group_type, group_id, buckets })
    }

    fn bucket(&mut self, group_type: GroupType, group_id: u32) -> Bucket {
        let nothing = BTreeMap::new();
        let mut actions: Vec<Action> = Vec::new();
        for _ in 0..self.random.between(0, 2) {
            let action = match self.random.below(4) {
                0 => self.set_number(OxmKind::ETH_DST),
                1 => self.set_number(OxmKind::ETH_SRC),
                2 if self.care == Care::Wrong => Action::PushVlan(0x8100),
                2 if !self.options.is_empty() => Action::SetField(self.options.field(self.random, false)),
                _ => self.set_something(&nothing),
            };
            if !actions.iter().any(|other| std::mem::discriminant(other) == std::mem::discriminant(&action)) {
                actions.push(action);
            }
        }
        let chained = (group_id as usize) < GROUPS && self.random.one_in(6);
        actions.push(if chained {
            Action::Group(GroupId(self.random.between(group_id as usize + 1, GROUPS) as u32))
        } else {
            self.output()
        });
        if self.mistake(15) {
            actions.push(self.any_action());
        }
        let mut bucket = Bucket::new(actions);
        if group_type == GroupType::SELECT || self.mistake(12) {
            bucket.weight = self.random.pick(&[1, 1, 1, 5, 0]);
        }
        if group_type == GroupType::FF || (group_type == GroupType::SELECT && self.random.one_in(4)) || self.mistake(12)
        {
            if self.random.one_in(4) {
                let lowest = (group_id as usize + 1).min(GROUPS);
                bucket.watch_group = GroupId(self.random.between(lowest, GROUPS) as u32);
            } else {
                bucket.watch_port = PortNo(self.random.pick(&[1, 2, 3, 4, 5, 6, 77]));
            }
        }
        if self.mistake(12) {
            bucket.watch_port = self.random.pick(&[PortNo::ANY, PortNo(0), PortNo::CONTROLLER, PortNo::LOCAL]);
        }
        bucket
    }

    /// Meters so generous that no packet of this lab is one too many.
    fn meter_mod(&mut self, meter_id: u32) -> Message {
        let mut flags = self.random.pick(&[MeterFlags::PKTPS, MeterFlags::KBPS]);
        if self.random.one_in(2) {
            flags = MeterFlags(flags.0 | MeterFlags::BURST.0);
        }
        if self.random.one_in(3) {
            flags = MeterFlags(flags.0 | MeterFlags::STATS.0);
        }
        let rate = 1_000_000;
        let mut bands = vec![MeterBand::Drop { rate, burst_size: 1_000_000 }];
        if self.random.one_in(4) {
            bands.push(MeterBand::Drop { rate: rate * 2, burst_size: 1_000_000 });
        }
        let mut command = MeterModCommand::ADD;
        let mut id = MeterId(meter_id);
        if self.care == Care::Wrong {
            command = MeterModCommand(self.random.pick(&[0, 0, 0, 1, 2, 3]));
            if self.random.one_in(8) {
                flags = MeterFlags(self.random.pick(&[0, 3, 0x10, 0xffff]));
            }
            if self.random.one_in(8) {
                bands.push(MeterBand::DscpRemark { rate, burst_size: 0, prec_level: 1 });
            }
            if self.random.one_in(8) {
                bands.insert(0, MeterBand::Drop { rate: 0, burst_size: 0 });
            }
            if self.random.one_in(10) {
                bands.clear();
            }
            if self.random.one_in(10) {
                let special = [MeterId(0), MeterId::ALL, MeterId::SLOWPATH, MeterId(0xffff_0001), MeterId(300_000)];
                id = self.random.pick(&special);
            }
        }
        Message::MeterMod(MeterMod { command, flags, meter_id: id, bands })
    }
}

fn is_nsh(chosen: &BTreeMap<OxmKind, OxmFieldOwned>) -> bool {
    chosen.get(&OxmKind::ETH_TYPE).and_then(|field| field.as_field().to_u64()) == Some(0x894f)
}

fn is_ip(chosen: &BTreeMap<OxmKind, OxmFieldOwned>) -> bool {
    let eth_type = chosen.get(&OxmKind::ETH_TYPE).and_then(|field| field.as_field().to_u64());
    matches!(eth_type, Some(0x0800 | 0x86dd))
}
