//! Flows, groups and meters that together say everything that can be said: made from the code's own table of fields, so that a new row
//! is covered by itself.

use net::PortNo;
use openflow::nicira::{NiciraAction, Subfield};
use openflow::oxm::Prerequisite;
use openflow::{
    Action, Bucket, FlowMod, FlowModFlags, GroupId, GroupMod, GroupModCommand, GroupType, Instruction, Match,
    MeterBand, MeterFlags, MeterId, MeterMod, MeterModCommand, OxmFieldOwned, OxmKind, TableId,
};

use super::nicira;
use super::packet;
use super::random::Random;

/// A flow under test, and what it is an example of.
pub struct Sample {
    pub about: String,
    pub flow_mod: FlowMod,
}

impl Sample {
    fn new(about: impl Into<String>, match_: Match, instructions: Vec<Instruction>) -> Sample {
        let mut flow_mod = FlowMod::add(TableId(0), 0, match_);
        flow_mod.instructions = instructions;
        Sample { about: about.into(), flow_mod }
    }

    /// The actions that it applies.
    pub fn actions(&self) -> Vec<Action> {
        let lists = self.flow_mod.instructions.iter().map(|instruction| match instruction {
            Instruction::ApplyActions(actions) => actions.clone(),
            _ => Vec::new(),
        });
        lists.flatten().collect()
    }

    fn apply(about: impl Into<String>, match_: Match, actions: Vec<Action>) -> Sample {
        Sample::new(about, match_, vec![Instruction::ApplyActions(actions)])
    }
}

/// A value that this field can have.
pub fn value(random: &mut Random, kind: OxmKind) -> Vec<u8> {
    let length = kind.value_len().unwrap_or(8);
    let mut octets = random.octets(length);
    match kind {
        OxmKind::NSH_MDTYPE => octets = vec![random.pick(&[1, 2])],
        OxmKind::NSH_TTL => octets = vec![octets[0] & 63],
        OxmKind::PACKET_TYPE => octets = vec![0, 1, 8, 0],
        OxmKind::NXM_OF_IP_TOS => octets[0] &= 0xfc,
        OxmKind::VLAN_VID | OxmKind::VLAN_TCI => octets[0] |= 0x10,
        OxmKind::IN_PORT | OxmKind::NXM_OF_IN_PORT | OxmKind::OXM_OF_ACTSET_OUTPUT => {
            octets.fill(0);
            octets[length - 1] = random.between(1, 9) as u8;
        }
        _ => {}
    }
    if !kind.is_variable() {
        packet::clip(&mut octets, usize::from(kind.bits().unwrap_or(length as u16 * 8)));
    }
    octets
}

/// What has to be matched before this field, and nothing else.
pub fn prerequisites(random: &mut Random, kind: OxmKind) -> Match {
    let exact = |match_: Match, kind, value: &[u8]| match OxmFieldOwned::new(kind, value, None) {
        Some(field) => match_.with(&field),
        None => match_,
    };
    let match_ = Match::new();
    match kind.prerequisite() {
        None | Some(Prerequisite::None) => match_,
        Some(Prerequisite::InPort) => match_.with_in_port(PortNo(1)),
        Some(Prerequisite::VlanTag) => match_.with_vlan_vid(0x1003),
        Some(Prerequisite::EthType(types)) => match_.with_eth_type(random.pick(types)),
        Some(Prerequisite::IpProto(protocol)) => {
            let eth_type = match protocol {
                1 => 0x0800,
                58 => 0x86dd,
                _ => random.pick(&[0x0800, 0x86dd]),
            };
            match_.with_eth_type(eth_type).with_ip_proto(protocol)
        }
        Some(Prerequisite::Icmpv6Type(types)) => {
            let match_ = match_.with_eth_type(0x86dd).with_ip_proto(58);
            exact(match_, OxmKind::ICMPV6_TYPE, &[random.pick(types)])
        }
        Some(Prerequisite::Tracked) => {
            let tracked = OxmFieldOwned::new(OxmKind::CT_STATE, &[0, 0, 0, 0x22], Some(&[0, 0, 0, 0x22]));
            tracked.map_or(match_.clone(), |field| match_.with(&field))
        }
    }
}

/// Every field in every way in which a match can have it, right and wrong.
pub fn matches(random: &mut Random) -> Vec<Sample> {
    let mut samples = Vec::new();
    for &kind in OxmKind::KNOWN {
        let name = kind.to_string();
        let octets = value(random, kind);
        let bits = usize::from(kind.bits().unwrap_or(0));
        let full = {
            let mut full = vec![0xff; octets.len()];
            if !kind.is_variable() {
                packet::clip(&mut full, bits);
            }
            full
        };
        let mut put = |about: &str, random: &mut Random, before: bool, value: &[u8], mask: Option<&[u8]>| {
            let Some(field) = OxmFieldOwned::new(kind, value, mask) else { return };
            let match_ = if before { prerequisites(random, kind) } else { Match::new() };
            samples.push(Sample::new(format!("{name} {about}"), match_.with(&field), Vec::new()));
        };
        put("exact", random, true, &octets, None);
        put("zero", random, true, &vec![0; octets.len()], None);
        put("all ones", random, true, &full, None);
        put("without what it needs", random, false, &octets, None);
        put("under a full mask", random, true, &octets, Some(&full));
        put("under an empty mask", random, true, &vec![0; octets.len()], Some(&vec![0; octets.len()]));
        put("with bits beyond its own", random, true, &vec![0xff; octets.len()], None);
        for _ in 0..2 {
            let mut mask = random.octets(octets.len());
            mask.iter_mut().zip(&full).for_each(|(mask, full)| *mask &= full);
            let under: Vec<u8> = octets.iter().zip(&mask).map(|(octet, mask)| octet & mask).collect();
            put("under a mask", random, true, &under, Some(&mask));
            put("with bits outside of its mask", random, true, &full, Some(&mask));
        }
        let prefix = random.between(1, bits.max(2) - 1);
        let mut mask = full.clone();
        let above = octets.len() * 8 - bits.min(octets.len() * 8);
        (above + prefix..octets.len() * 8).for_each(|bit| mask[bit / 8] &= !(0x80 >> (bit % 8)));
        let under: Vec<u8> = octets.iter().zip(&mask).map(|(octet, mask)| octet & mask).collect();
        put("under a prefix", random, true, &under, Some(&mask));
    }
    samples
}

/// Every field in every action that writes or reads one.
pub fn field_actions(random: &mut Random) -> Vec<Sample> {
    let mut samples = Vec::new();
    for &kind in OxmKind::KNOWN {
        let before = prerequisites(random, kind);
        let octets = value(random, kind);
        let mut put = |about: &str, match_: &Match, action: Action| {
            samples.push(Sample::apply(format!("{about} {kind}"), match_.clone(), vec![action]));
        };
        if let Some(field) = OxmFieldOwned::new(kind, &octets, None) {
            put("set_field of", &before, Action::SetField(field.clone()));
            put("set_field without what it needs of", &Match::new(), Action::SetField(field.clone()));
            put("Nicira's set_field of", &before, Action::Nicira(NiciraAction::RegLoad2(field)));
        }
        let mut mask = random.octets(octets.len());
        if !kind.is_variable() {
            packet::clip(&mut mask, usize::from(kind.bits().unwrap_or(0)));
        }
        let under: Vec<u8> = octets.iter().zip(&mask).map(|(octet, mask)| octet & mask).collect();
        if let Some(field) = OxmFieldOwned::new(kind, &under, Some(&mask)) {
            put("set_field under a mask of", &before, Action::SetField(field.clone()));
            put("Nicira's set_field under a mask of", &before, Action::Nicira(NiciraAction::RegLoad2(field)));
        }
        let bits = kind.subfield_bits().unwrap_or(1);
        let whole = Subfield::new(kind, 0, bits.min(64));
        let width = random.between(1, usize::from(bits.min(32))) as u16;
        let part = Subfield::new(kind, random.below(usize::from(bits - width) + 1) as u16, width);
        let number = |width: u16, random: &mut Random| random.next() & (u64::MAX >> (64 - width.clamp(1, 64)));
        for (about, field) in [("load of all of", whole), ("load of a part of", part)] {
            let value = number(field.bits, random);
            put(about, &before, Action::Nicira(NiciraAction::RegLoad { destination: field, value }));
        }
        let register = Subfield::new(OxmKind::XXREG1, 3, part.bits);
        put("move from", &before, Action::Nicira(NiciraAction::RegMove { source: part, destination: register }));
        put("move to", &before, Action::Nicira(NiciraAction::RegMove { source: register, destination: part }));
        put("push of", &before, Action::Nicira(NiciraAction::StackPush(part)));
        put("pop of", &before, Action::Nicira(NiciraAction::StackPop(part)));
        let output = Subfield::new(kind, 0, bits.min(16));
        let max_len = 0xffff;
        put("output to what is in", &before, Action::Nicira(NiciraAction::OutputReg { source: output, max_len }));
        put("deletion of", &before, Action::Nicira(NiciraAction::DeleteField(kind)));
    }
    samples
}

/// Actions of OpenFlow 1.3 and Nicira's, and instructions, each by itself.
pub fn actions(random: &mut Random) -> Vec<Sample> {
    let ip = Match::new().with_eth_type(0x0800);
    let tcp = Match::new().with_eth_type(0x0800).with_ip_proto(6);
    let mpls = Match::new().with_eth_type(0x8847);
    let tagged = Match::new().with_vlan_vid(0x1005);
    let any = Match::new();
    let mut list: Vec<(Match, Action)> = Vec::new();
    let ports = [1, 77, 0xfeff, 0xff00, 0xffff_ff00, 0xffff_ff01, 0];
    let reserved = (0xffff_fff7u32..=0xffff_ffff).chain(ports);
    list.extend(reserved.map(|port| (any.clone(), Action::Output { port: PortNo(port), max_len: 0 })));
    list.extend(
        [0, 64, 0xffe5, 0xffff].map(|max_len| (any.clone(), Action::Output { port: PortNo::CONTROLLER, max_len })),
    );
    for action in [
        Action::CopyTtlOut,
        Action::CopyTtlIn,
        Action::SetMplsTtl(7),
        Action::DecMplsTtl,
        Action::PopVlan,
        Action::SetQueue(3),
        Action::SetQueue(u32::MAX),
        Action::Group(GroupId(1)),
        Action::Group(GroupId(99)),
        Action::Group(GroupId::ALL),
        Action::SetNwTtl(9),
        Action::DecNwTtl,
        Action::PopPbb,
    ] {
        for match_ in [&any, &ip, &mpls, &tagged] {
            list.push((match_.clone(), action.clone()));
        }
    }
    for ethertype in [0x8100, 0x88a8, 0x8847, 0x8848, 0x88e7, 0x0800, 0x86dd, 0] {
        list.push((any.clone(), Action::PushVlan(ethertype)));
        list.push((any.clone(), Action::PushMpls(ethertype)));
        list.push((ip.clone(), Action::PushMpls(ethertype)));
        list.push((mpls.clone(), Action::PopMpls(ethertype)));
        list.push((any.clone(), Action::PopMpls(ethertype)));
        list.push((any.clone(), Action::PushPbb(ethertype)));
    }
    let mut samples: Vec<Sample> = Vec::new();
    for (match_, action) in list {
        samples.push(Sample::apply(format!("{action}"), match_.clone(), vec![action.clone()]));
        samples.push(Sample::new(format!("write {action}"), match_, vec![Instruction::WriteActions(vec![action])]));
    }
    for action in nicira::all(random) {
        for match_ in [&any, &ip, &tcp] {
            let about = format!("{action:?}");
            samples.push(Sample::apply(about, match_.clone(), vec![Action::Nicira(action.clone())]));
        }
        let write = vec![Instruction::WriteActions(vec![Action::Nicira(action.clone())])];
        samples.push(Sample::new(format!("write {action:?}"), tcp.clone(), write));
    }
    samples.extend(instructions());
    samples
}

fn instructions() -> Vec<Sample> {
    let output = || vec![Action::output(PortNo(2))];
    let lists = [
        vec![],
        vec![Instruction::ApplyActions(vec![])],
        vec![Instruction::WriteActions(vec![])],
        vec![Instruction::ClearActions],
        vec![Instruction::GotoTable(TableId(1))],
        vec![Instruction::GotoTable(TableId(253))],
        vec![Instruction::GotoTable(TableId(254))],
        vec![Instruction::GotoTable(TableId(255))],
        vec![Instruction::GotoTable(TableId(0))],
        vec![Instruction::WriteMetadata { metadata: 5, mask: u64::MAX }],
        vec![Instruction::WriteMetadata { metadata: 0x1200, mask: 0xff00 }],
        vec![Instruction::WriteMetadata { metadata: 0x12ff, mask: 0xff00 }],
        vec![Instruction::WriteMetadata { metadata: 0, mask: 0 }],
        vec![Instruction::Meter(MeterId(1))],
        vec![Instruction::Meter(MeterId(99))],
        vec![Instruction::Meter(MeterId(0))],
        vec![Instruction::Meter(MeterId::CONTROLLER)],
        vec![Instruction::ClearActions, Instruction::ClearActions],
        vec![
            Instruction::Meter(MeterId(1)),
            Instruction::ApplyActions(output()),
            Instruction::ClearActions,
            Instruction::WriteActions(output()),
            Instruction::WriteMetadata { metadata: 1, mask: 3 },
            Instruction::GotoTable(TableId(7)),
        ],
        vec![
            Instruction::GotoTable(TableId(7)),
            Instruction::WriteMetadata { metadata: 1, mask: 3 },
            Instruction::WriteActions(output()),
            Instruction::ClearActions,
            Instruction::ApplyActions(output()),
            Instruction::Meter(MeterId(1)),
        ],
    ];
    lists.into_iter().map(|list| Sample::new(format!("{list:?}"), Match::new(), list)).collect()
}

/// Flows with several fields and several of these actions at random, most of them right.
pub fn combinations(random: &mut Random, count: usize, actions: &[Action]) -> Vec<Sample> {
    // A conjunction stands alone.
    let alone = |action: &Action| matches!(action, Action::Nicira(NiciraAction::Conjunction { .. }));
    let singles: Vec<Action> = actions.iter().filter(|action| !alone(action)).cloned().collect();
    let kinds: Vec<OxmKind> = OxmKind::KNOWN.iter().copied().filter(|kind| !kind.is_variable()).collect();
    let mut samples = Vec::new();
    for _ in 0..count {
        let mut match_ = Match::new();
        for _ in 0..random.between(0, 4) {
            let kind = random.pick(&kinds);
            let octets = value(random, kind);
            for field in prerequisites(random, kind).fields() {
                if match_.get(field.kind).is_none() {
                    match_ = match_.with(&field.to_owned());
                }
            }
            if match_.get(kind).is_none()
                && let Some(field) = OxmFieldOwned::new(kind, &octets, None)
            {
                match_ = match_.with(&field);
            }
        }
        let list = (0..random.between(0, 5)).map(|_| random.pick(&singles)).collect();
        let mut sample = Sample::apply("a combination", match_, list);
        let flow_mod = &mut sample.flow_mod;
        flow_mod.table_id = TableId(random.below(250) as u8);
        flow_mod.idle_timeout = random.pick(&[0, 0, 1000, 65535]);
        flow_mod.hard_timeout = random.pick(&[0, 0, 2000, 65535]);
        flow_mod.flags = FlowModFlags(random.pick(&[0, 0, 1, 2, 4, 8, 16, 29]));
        samples.push(sample);
    }
    samples
}

/// Groups of every type, and with every kind of bucket.
pub fn groups(random: &mut Random, count: usize) -> Vec<GroupMod> {
    let mut groups = Vec::new();
    let singles: Vec<Action> = actions(random).into_iter().flat_map(|sample| sample.actions()).collect();
    let types = [GroupType::ALL, GroupType::SELECT, GroupType::INDIRECT, GroupType::FF, GroupType(4)];
    for number in 0..count {
        let group_type = types[if number % 23 == 22 { 4 } else { number % 4 }];
        let buckets = match group_type {
            GroupType::INDIRECT if !random.one_in(8) => 1,
            _ => random.below(4),
        };
        let bucket = |random: &mut Random| {
            let mut bucket = Bucket::new((0..random.below(3)).map(|_| random.pick(&singles)).collect());
            if group_type == GroupType::SELECT || random.one_in(12) {
                bucket.weight = random.pick(&[0, 1, 1, 7, 65535]);
            }
            if group_type == GroupType::FF && !random.one_in(12) || random.one_in(12) {
                bucket.watch_port = PortNo(random.pick(&[1, 2, 77, PortNo::LOCAL.0, PortNo::CONTROLLER.0, 0]));
            }
            if random.one_in(8) {
                bucket.watch_group = GroupId(random.pick(&[1, 2, 99, 0xffff_ff01]));
            }
            bucket
        };
        groups.push(GroupMod {
            command: GroupModCommand::ADD,
            group_type,
            group_id: GroupId(1000 + number as u32),
            buckets: (0..buckets).map(|_| bucket(random)).collect(),
        });
    }
    groups
}

/// Meters with every flag and band.
pub fn meters(random: &mut Random, count: usize) -> Vec<MeterMod> {
    let mut meters = Vec::new();
    for number in 0..count {
        let mut bands = Vec::new();
        for _ in 0..random.between(0, 3) {
            let (rate, burst_size) = (random.pick(&[0, 1, 1000, u32::MAX]), random.pick(&[0, 1, 500, u32::MAX]));
            bands.push(match random.below(8) {
                0 => MeterBand::DscpRemark { rate, burst_size, prec_level: 1 },
                1 => MeterBand::Experimenter { rate, burst_size, experimenter: 0x2320, body: Default::default() },
                _ => MeterBand::Drop { rate, burst_size },
            });
        }
        let flags = [1, 2, 1, 2, 5, 6, 9, 10, 13, 14, 0, 3, 16];
        meters.push(MeterMod {
            command: MeterModCommand::ADD,
            flags: MeterFlags(random.pick(&flags)),
            meter_id: MeterId(1000 + number as u32),
            bands,
        });
    }
    meters
}
