//! What happens to a switch beside messages that set it up: packets, ports that come and go, time; and the flows, actions and meters that are about
//! these.

use std::collections::BTreeMap;

use bytes::Bytes;
use net::PortNo;
use openflow::nicira::{
    BundleAlgorithm, BundlePorts, HashFields, Learn, LearnDestination, LearnFlags, LearnLimit, LearnSource, LearnSpec,
    Multipath, MultipathAlgorithm, NiciraAction, Subfield,
};
use openflow::{
    Action, FlowMod, FlowModFlags, Instruction, Match, Message, MeterBand, MeterFlags, MeterId, MeterMod,
    MeterModCommand, OxmFieldOwned, OxmKind, PortConfig, TableId,
};

use super::generate::{Care, GROUPS, Generator, METERS};
use super::packet::{self, PORTS, Packet};
use super::random::Random;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// The controller sends a packet through the tables.
    Out(Packet),
    /// A frame comes in by a port.
    Receive(Packet),
    /// The controller says something.
    Message(Message),
    /// The controller changes what a port may do.
    Port { port: u32, config: PortConfig },
    /// So many seconds pass, always an even number: with odd timeouts no flow's time comes just now.
    Wait(u64),
}

/// Conjunctive matches in a world, at most.
const CONJUNCTIONS: usize = 3;

/// Makes events of the packets, and puts others between them.
pub fn between(generator: &mut Generator<'_>, packets: &[Packet]) -> Vec<Event> {
    if generator.care != Care::Alive {
        return packets.iter().cloned().map(Event::Out).collect();
    }
    let mut events = Vec::new();
    let mut down = [false; PORTS as usize + 1];
    for packet in packets {
        let model = packet;
        match generator.random.below(8) {
            0 | 1 => {
                let port = generator.random.between(1, PORTS as usize);
                let choices = [0, 1, 1, 1, 4, 32, 64, 0x24];
                let config = PortConfig(generator.random.pick(&choices));
                down[port] = config.contains(PortConfig::PORT_DOWN);
                events.push(Event::Port { port: port as u32, config });
            }
            2 | 3 => events.push(Event::Wait(generator.random.pick(&[2, 2, 4, 10, 30]))),
            4 if generator.random.one_in(2) => {
                let group_id = generator.random.between(1, GROUPS) as u32;
                let mut message = generator.group_mod(group_id);
                if let Message::GroupMod(group_mod) = &mut message {
                    group_mod.command = openflow::GroupModCommand(generator.random.pick(&[1, 1, 2]));
                }
                events.push(Event::Message(message));
            }
            4 => {
                let meter_id = generator.random.between(1, METERS) as u32;
                let mut message = tight_meter(generator.random, meter_id);
                if let Message::MeterMod(meter_mod) = &mut message {
                    meter_mod.command = MeterModCommand::MODIFY;
                }
                events.push(Event::Message(message));
            }
            5 => {
                let mut message = generator.flow_mod(model);
                if let Message::FlowMod(flow_mod) = &mut message {
                    flow_mod.command = openflow::FlowModCommand(generator.random.pick(&[1, 3]));
                    // Not those of conjunctions: of two with one priority a packet takes any, once they are no conjunctions any more.
                    (flow_mod.cookie, flow_mod.cookie_mask) = (1, 1);
                }
                events.push(Event::Message(message));
            }
            _ => {}
        }
        // A frame of a port that is down never gets as far as the switch.
        let wired = !down[packet.in_port as usize] && generator.random.one_in(2);
        events.push(if wired { Event::Receive(packet.clone()) } else { Event::Out(packet.clone()) });
    }
    events.push(Event::Wait(60));
    events
}

/// A meter that drops some of the packets of a world.
pub fn tight_meter(random: &mut Random, meter_id: u32) -> Message {
    let mut bands = Vec::new();
    for _ in 0..random.pick(&[1, 1, 2, 3]) {
        let burst_size = random.pick(&[0, 1, 2, 3]);
        bands.push(MeterBand::Drop { rate: random.between(1, 3) as u32, burst_size });
    }
    let flags = [MeterFlags::PKTPS.0, MeterFlags::KBPS.0, MeterFlags::PKTPS.0 | 4, MeterFlags::KBPS.0 | 12];
    let flags = MeterFlags(random.pick(&flags));
    Message::MeterMod(MeterMod { command: MeterModCommand::ADD, flags, meter_id: MeterId(meter_id), bands })
}

/// Odd seconds, or never.
pub fn timeout(random: &mut Random) -> u16 {
    random.pick(&[0, 0, 0, 1, 3, 5, 11, 31])
}

/// The flows of some conjunctive matches: their dimensions, and what they lead to.
pub fn conjunctions(generator: &mut Generator<'_>, packets: &[Packet], first_priority: u16) -> Vec<Message> {
    let mut messages = Vec::new();
    for number in 0..generator.random.between(1, CONJUNCTIONS) {
        let (id, priority) = (number as u32 + 1, first_priority + 7 * number as u16);
        let table_id = TableId(generator.random.pick(&[0, 0, 1]));
        let clauses = generator.random.between(2, 3) as u8;
        for clause in 0..clauses {
            for _ in 0..generator.random.between(1, 3) {
                let model = generator.random.pick(packets);
                let kind = match clause {
                    0 => OxmKind::IN_PORT,
                    1 => generator.random.pick(&[OxmKind::ETH_SRC, OxmKind::ETH_TYPE]),
                    _ => OxmKind::ETH_DST,
                };
                let Some(octets) = model.fields.get(&kind) else { continue };
                let Some(field) = OxmFieldOwned::new(kind, octets, None) else { continue };
                let mut actions = vec![Action::Nicira(NiciraAction::Conjunction { clause, clauses, id })];
                if generator.random.one_in(4) {
                    actions.push(Action::Nicira(NiciraAction::Note(Bytes::from_static(&[1, 2, 3, 4, 5, 6]))));
                }
                let mut flow_mod = FlowMod::add(table_id, priority, Match::new().with(&field));
                flow_mod.instructions = vec![Instruction::ApplyActions(actions)];
                messages.push(Message::FlowMod(flow_mod));
            }
        }
        if generator.random.one_in(5) {
            continue;
        }
        let named = OxmFieldOwned::number(OxmKind::CONJ_ID, u64::from(id));
        let match_ = named.map_or(Match::new(), |field| Match::new().with(&field));
        let mut flow_mod = FlowMod::add(table_id, generator.random.pick(&[1, priority, priority + 1]), match_);
        flow_mod.instructions = generator.instructions(table_id, &BTreeMap::new());
        messages.push(Message::FlowMod(flow_mod));
    }
    messages
}

/// A learn action for a later table.
pub fn learn(random: &mut Random, table_id: TableId) -> NiciraAction {
    let whole = Subfield::whole;
    let field = |source, destination| LearnSpec { source: LearnSource::Field(source), destination };
    let immediate = |bits, octets: Vec<u8>, destination| {
        let value = Bytes::from(octets);
        LearnSpec { source: LearnSource::Immediate { bits, value }, destination }
    };
    let (eth_src, eth_dst) = (whole(OxmKind::NXM_OF_ETH_SRC), whole(OxmKind::NXM_OF_ETH_DST));
    let register = Subfield::new(OxmKind::NXM_REG0, 0, 16);
    let in_port = whole(OxmKind::NXM_OF_IN_PORT);
    let mut specs = Vec::new();
    let form = random.below(16);
    specs.push(match form % 4 {
        0 => field(eth_src, LearnDestination::Match(eth_dst)),
        1 => field(eth_dst, LearnDestination::Match(eth_dst)),
        2 => field(in_port, LearnDestination::Match(in_port)),
        _ => field(Subfield::new(OxmKind::NXM_OF_ETH_SRC, 0, 16), LearnDestination::Match(register)),
    });
    if form & 4 != 0 {
        specs.push(immediate(16, vec![8, 0], LearnDestination::Match(whole(OxmKind::NXM_OF_ETH_TYPE))));
    }
    if form & 8 != 0 {
        let part = Subfield::new(OxmKind::NXM_OF_ETH_SRC, 32, 16);
        specs.push(field(part, LearnDestination::Match(Subfield::new(OxmKind::NXM_OF_ETH_SRC, 32, 16))));
    }
    if random.one_in(3) {
        specs.push(field(in_port, LearnDestination::Load(Subfield::new(OxmKind::NXM_REG1, 16, 16))));
    }
    if random.one_in(3) {
        specs.push(field(eth_src, LearnDestination::Load(eth_dst)));
    }
    if random.one_in(4) {
        let octets = vec![0, random.below(8) as u8];
        specs.push(immediate(16, octets, LearnDestination::Load(register)));
    }
    specs.push(match random.below(3) {
        0 => field(in_port, LearnDestination::Output),
        1 => field(register, LearnDestination::Output),
        _ => field(Subfield::new(OxmKind::NXM_REG1, 16, 16), LearnDestination::Output),
    });
    let result = random.one_in(2).then(|| Subfield::new(OxmKind::NXM_REG7, 3, 1));
    let limit = random.one_in(3).then(|| LearnLimit { limit: random.between(0, 2) as u32, result });
    NiciraAction::Learn(Box::new(Learn {
        idle_timeout: timeout(random),
        hard_timeout: timeout(random),
        // Flows with one priority have one mask, so that no packet has a choice.
        priority: 60_000 + form as u16,
        cookie: random.pick(&[0, 0x77, 0x77, 0x88]),
        flags: LearnFlags(random.pick(&[0, 0, 1, 2, 3])),
        table_id,
        fin_idle_timeout: random.pick(&[0, 0, 3]),
        fin_hard_timeout: random.pick(&[0, 0, 5]),
        limit,
        specs,
    }))
}

/// `multipath`, `bundle` or `bundle_load`; a certain one, or one of those whose choice is open.
pub fn choice(random: &mut Random, destination: Subfield, certain: bool) -> NiciraAction {
    let fields = HashFields(random.below(7) as u16);
    let basis = random.below(50) as u16;
    if !certain && random.one_in(3) {
        let algorithm = MultipathAlgorithm(random.below(4) as u16);
        let max_link = random.below(6) as u16;
        let argument = 3;
        return NiciraAction::Multipath(Box::new(Multipath {
            fields,
            basis,
            algorithm,
            max_link,
            argument,
            destination,
        }));
    }
    let members = (0..random.between(1, 4)).map(|_| PortNo(random.pick(&[1, 2, 3, 4, 5, 6, 77]))).collect();
    let hashes = !certain && random.one_in(3);
    let algorithm = if hashes { BundleAlgorithm::HRW } else { BundleAlgorithm::ACTIVE_BACKUP };
    let destination = random.one_in(2).then_some(destination);
    NiciraAction::Bundle(Box::new(BundlePorts { algorithm, fields, basis, destination, members }))
}

/// Pushes, pops and changes of labels, for a packet that is what `chosen` says; `chosen` is what it is then.
pub fn label(random: &mut Random, chosen: &mut BTreeMap<OxmKind, OxmFieldOwned>) -> Option<Action> {
    let eth_type = chosen.get(&OxmKind::ETH_TYPE).and_then(|field| field.as_field().to_u64());
    let labelled = matches!(eth_type, Some(0x8847 | 0x8848));
    let becomes = |chosen: &mut BTreeMap<OxmKind, OxmFieldOwned>, eth_type: u16| {
        chosen.retain(|kind, _| [OxmKind::IN_PORT, OxmKind::VLAN_VID].contains(kind));
        let field = OxmFieldOwned::number(OxmKind::ETH_TYPE, u64::from(eth_type))?;
        chosen.insert(OxmKind::ETH_TYPE, field);
        Some(())
    };
    let action = match random.below(if labelled { 7 } else { 1 }) {
        0 => {
            let eth_type = random.pick(&[0x8847, 0x8847, 0x8848]);
            becomes(chosen, eth_type)?;
            Action::PushMpls(eth_type)
        }
        1 | 2 => {
            let eth_type = random.pick(&[0x0800, 0x0800, 0x86dd, 0x8847, 0x0806]);
            becomes(chosen, eth_type)?;
            Action::PopMpls(eth_type)
        }
        3 => Action::SetMplsTtl(random.pick(&[1, 2, 64])),
        4 => Action::DecMplsTtl,
        _ => {
            let kind = random.pick(&[OxmKind::MPLS_LABEL, OxmKind::MPLS_TC]);
            let octets = packet::value(random, kind)?;
            Action::SetField(OxmFieldOwned::new(kind, &octets, None)?)
        }
    };
    Some(action)
}

/// A flow that goes by itself, and says so.
pub fn mortal(random: &mut Random, message: &mut Message) {
    if let Message::FlowMod(flow_mod) = message {
        (flow_mod.idle_timeout, flow_mod.hard_timeout) = (timeout(random), timeout(random));
        if random.one_in(2) && !super::options::goes_in_silence(&flow_mod.match_) {
            flow_mod.flags = FlowModFlags::SEND_FLOW_REM;
        }
    }
}
