//! Examples of all of Nicira's actions.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use net::{MacAddr, PortNo};
use openflow::nicira::{
    BundleAlgorithm, BundlePorts, ConnectionTracking, ControllerProperty, CtFlags, CtZone, HashFields, Learn,
    LearnDestination, LearnFlags, LearnLimit, LearnSource, LearnSpec, Multipath, MultipathAlgorithm, Nat, NatFlags,
    NatPorts, NatRange, NiciraAction, Sample, SampleDirection, SamplingPort, Subfield,
};
use openflow::{Action, OxmFieldOwned, OxmKind, PacketInReason, TableId};

use super::random::Random;

/// Each action at least once, and where it has shapes, each shape.
pub fn all(random: &mut Random) -> Vec<NiciraAction> {
    let register = Subfield::new(OxmKind::NXM_REG2, 4, 16);
    let whole = Subfield::whole(OxmKind::NXM_REG3);
    let mut all = vec![
        NiciraAction::Resubmit { in_port: PortNo(3) },
        NiciraAction::Resubmit { in_port: PortNo::IN_PORT },
        NiciraAction::ResubmitTable { in_port: PortNo::IN_PORT, table_id: TableId(9), with_ct: false },
        NiciraAction::ResubmitTable { in_port: PortNo(4), table_id: TableId::ALL, with_ct: false },
        NiciraAction::ResubmitTable { in_port: PortNo(4), table_id: TableId(9), with_ct: true },
        NiciraAction::ResubmitTable { in_port: PortNo::IN_PORT, table_id: TableId(9), with_ct: true },
        NiciraAction::SetTunnel(7),
        NiciraAction::SetTunnel64(0x1_0000_0001),
        NiciraAction::SetQueue(5),
        NiciraAction::PopQueue,
        NiciraAction::Note(Bytes::from_static(&[1, 2, 3, 0, 0, 0])),
        NiciraAction::Note(Bytes::from_static(&[0; 6])),
        NiciraAction::Note(Bytes::from_static(&[9; 14])),
        NiciraAction::OutputReg { source: register, max_len: 100 },
        NiciraAction::OutputReg2 { source: Subfield::new(OxmKind::NXM_REG2, 0, 16), max_len: 65535 },
        NiciraAction::OutputTrunc { port: PortNo(2), max_len: 100 },
        NiciraAction::OutputTrunc { port: PortNo(2), max_len: 13 },
        NiciraAction::OutputTrunc { port: PortNo::FLOOD, max_len: 100 },
        NiciraAction::Exit,
        NiciraAction::DecTtl,
        NiciraAction::DecTtlCntIds(vec![]),
        NiciraAction::DecTtlCntIds(vec![0]),
        NiciraAction::DecTtlCntIds(vec![1, 2, 3]),
        NiciraAction::FinTimeout { idle_timeout: 10, hard_timeout: 0 },
        NiciraAction::FinTimeout { idle_timeout: 10, hard_timeout: 20 },
        NiciraAction::FinTimeout { idle_timeout: 0, hard_timeout: 20 },
        NiciraAction::WriteMetadata { metadata: 5, mask: u64::MAX },
        NiciraAction::WriteMetadata { metadata: 5, mask: 7 },
        NiciraAction::PushMpls(0x8847),
        NiciraAction::PopMpls(0x0800),
        NiciraAction::SetMplsTtl(3),
        NiciraAction::DecMplsTtl,
        NiciraAction::SetMplsLabel(33),
        NiciraAction::SetMplsTc(3),
        NiciraAction::Conjunction { clause: 0, clauses: 2, id: 7 },
        NiciraAction::Conjunction { clause: 63, clauses: 64, id: u32::MAX },
        NiciraAction::Conjunction { clause: 2, clauses: 2, id: 7 },
        NiciraAction::Conjunction { clause: 0, clauses: 1, id: 7 },
        NiciraAction::Clone(vec![Action::output(PortNo(2))]),
        NiciraAction::Clone(vec![]),
        NiciraAction::Clone(vec![Action::PushVlan(0x8100), Action::Nicira(NiciraAction::Clone(vec![Action::PopVlan]))]),
        NiciraAction::CtClear,
        NiciraAction::Group(openflow::GroupId(1)),
        NiciraAction::DecNshTtl,
        NiciraAction::CheckPktLarger { length: 1500, destination: Subfield::new(OxmKind::NXM_REG0, 3, 1) },
        NiciraAction::Decap { packet_type: 0 },
        NiciraAction::Decap { packet_type: 0xfffe },
        NiciraAction::DeleteField(OxmKind::TUN_METADATA0),
    ];
    all.extend(controllers());
    all.extend(hashes());
    all.extend(samples());
    all.extend(learns(register, whole));
    all.extend(connection_tracking(random));
    all
}

fn controllers() -> Vec<NiciraAction> {
    let simple = |max_len, controller_id, reason| NiciraAction::Controller { max_len, controller_id, reason };
    let mut all = vec![
        simple(128, 0, PacketInReason::ACTION),
        simple(0xffff, 0, PacketInReason::ACTION),
        simple(0xffff, 7, PacketInReason::NO_MATCH),
        simple(100, 7, PacketInReason::INVALID_TTL),
        simple(100, 7, PacketInReason(9)),
    ];
    let userdata = ControllerProperty::Userdata(Bytes::from_static(&[1, 2, 3, 4, 5]));
    for properties in [
        vec![],
        vec![ControllerProperty::MaxLen(100)],
        vec![ControllerProperty::ControllerId(3)],
        vec![ControllerProperty::Reason(PacketInReason::NO_MATCH)],
        vec![userdata.clone()],
        vec![ControllerProperty::Pause],
        vec![ControllerProperty::MeterId(1)],
        vec![ControllerProperty::MaxLen(100), ControllerProperty::ControllerId(3), userdata, ControllerProperty::Pause],
    ] {
        all.push(NiciraAction::Controller2(properties));
    }
    all
}

fn hashes() -> Vec<NiciraAction> {
    let mut all = Vec::new();
    let algorithms = [
        MultipathAlgorithm::MODULO_N,
        MultipathAlgorithm::HASH_THRESHOLD,
        MultipathAlgorithm::HRW,
        MultipathAlgorithm::ITER_HASH,
    ];
    for fields in 0..=7 {
        let (fields, algorithm) = (HashFields(fields), algorithms[usize::from(fields) % 4]);
        let destination = Subfield::new(OxmKind::NXM_REG0, 0, 4);
        all.push(NiciraAction::Multipath(Box::new(Multipath {
            fields,
            basis: 50,
            algorithm,
            max_link: 15,
            argument: 0,
            destination,
        })));
        for destination in [None, Some(Subfield::new(OxmKind::NXM_REG1, 0, 16))] {
            all.push(NiciraAction::Bundle(Box::new(BundlePorts {
                algorithm: if fields.0 % 2 == 0 { BundleAlgorithm::HRW } else { BundleAlgorithm::ACTIVE_BACKUP },
                fields,
                basis: 0,
                destination,
                members: vec![PortNo(4), PortNo(8)],
            })));
        }
    }
    let wide = Subfield::new(OxmKind::NXM_REG0, 0, 2);
    all.push(NiciraAction::Multipath(Box::new(Multipath {
        fields: HashFields::ETH_SRC,
        basis: 1,
        algorithm: MultipathAlgorithm::ITER_HASH,
        max_link: 15,
        argument: 5,
        destination: wide,
    })));
    all
}

fn samples() -> Vec<NiciraAction> {
    let port = |direction| Some(SamplingPort { port: PortNo(5), direction });
    let forms = [None, port(None), port(Some(SampleDirection::DEFAULT)), port(Some(SampleDirection::INGRESS))];
    let mut all: Vec<NiciraAction> = Vec::new();
    for sampling in forms.into_iter().chain([port(Some(SampleDirection::EGRESS))]) {
        for probability in [1000, 65535, 0] {
            all.push(NiciraAction::Sample(Box::new(Sample {
                probability,
                collector_set_id: 1,
                obs_domain_id: 2,
                obs_point_id: 3,
                sampling,
            })));
        }
    }
    all
}

fn learns(register: Subfield, whole: Subfield) -> Vec<NiciraAction> {
    let eth_src = Subfield::whole(OxmKind::NXM_OF_ETH_SRC);
    let eth_dst = Subfield::whole(OxmKind::NXM_OF_ETH_DST);
    let field = |source, destination| LearnSpec { source: LearnSource::Field(source), destination };
    let immediate = |bits, value: &'static [u8], destination| LearnSpec {
        source: LearnSource::Immediate { bits, value: Bytes::from_static(value) },
        destination,
    };
    let in_port = Subfield::whole(OxmKind::NXM_OF_IN_PORT);
    let specs = vec![
        field(eth_src, LearnDestination::Match(eth_dst)),
        immediate(16, &[8, 0], LearnDestination::Match(Subfield::whole(OxmKind::NXM_OF_ETH_TYPE))),
        field(in_port, LearnDestination::Load(Subfield::new(OxmKind::NXM_REG0, 0, 16))),
        immediate(16, &[0, 5], LearnDestination::Load(register)),
        field(in_port, LearnDestination::Output),
    ];
    let learn = |specs, limit, flags| {
        NiciraAction::Learn(Box::new(Learn {
            idle_timeout: 60,
            hard_timeout: 0,
            priority: 100,
            cookie: 0x1234,
            flags,
            table_id: TableId(12),
            fin_idle_timeout: 3,
            fin_hard_timeout: 0,
            limit,
            specs,
        }))
    };
    let none = LearnFlags(0);
    let both = LearnFlags(LearnFlags::SEND_FLOW_REM.0 | LearnFlags::DELETE_LEARNED.0);
    vec![
        learn(vec![], None, none),
        learn(specs.clone(), None, none),
        learn(specs.clone(), None, both),
        learn(specs.clone(), Some(LearnLimit { limit: 5, result: None }), none),
        learn(specs, Some(LearnLimit { limit: 5, result: Some(Subfield::new(OxmKind::NXM_REG1, 2, 1)) }), both),
        learn(vec![field(whole, LearnDestination::Load(whole))], Some(LearnLimit { limit: 0, result: None }), none),
    ]
}

fn connection_tracking(random: &mut Random) -> Vec<NiciraAction> {
    let ct = |flags, zone, table_id, alg, actions| {
        NiciraAction::Ct(Box::new(ConnectionTracking { flags, zone, table_id, alg, actions }))
    };
    let none = CtFlags(0);
    let plain = CtZone::Immediate(0);
    let mark = |octets: &[u8], mask: Option<&[u8]>| {
        OxmFieldOwned::new(OxmKind::CT_MARK, octets, mask).unwrap_or_else(|| OxmFieldOwned::eth_dst(MacAddr([0; 6])))
    };
    let mut all = vec![
        ct(none, plain, None, 0, vec![]),
        ct(none, plain, Some(TableId(5)), 0, vec![]),
        ct(CtFlags::COMMIT, plain, None, 0, vec![]),
        ct(CtFlags::COMMIT, CtZone::Immediate(65535), Some(TableId(5)), 0, vec![]),
        ct(CtFlags::COMMIT, CtZone::Field(Subfield::new(OxmKind::NXM_REG0, 0, 16)), None, 0, vec![]),
        ct(CtFlags::COMMIT, CtZone::Field(Subfield::new(OxmKind::NXM_REG0, 0, 8)), None, 0, vec![]),
        ct(CtFlags(CtFlags::COMMIT.0 | CtFlags::FORCE.0), plain, None, 0, vec![]),
        ct(CtFlags::FORCE, plain, None, 0, vec![]),
        ct(CtFlags::COMMIT, plain, None, 21, vec![]),
        ct(CtFlags::COMMIT, plain, None, 69, vec![]),
        ct(CtFlags::COMMIT, plain, None, 22, vec![]),
        ct(none, plain, None, 21, vec![]),
        ct(CtFlags::COMMIT, plain, None, 0, vec![Action::SetField(mark(&[0, 0, 0, 1], None))]),
        ct(none, plain, None, 0, vec![Action::SetField(mark(&[0, 0, 0, 1], None))]),
        ct(
            CtFlags::COMMIT,
            plain,
            None,
            0,
            vec![Action::Nicira(NiciraAction::RegLoad2(mark(&[0, 0, 0, 1], Some(&[0, 0, 0, 3]))))],
        ),
        ct(CtFlags::COMMIT, plain, None, 0, vec![Action::output(PortNo(1))]),
    ];
    let ports = |min, max| Some(NatPorts { min, max });
    let (v4, v4_last) = (Ipv4Addr::new(10, 0, 0, 1), Some(Ipv4Addr::new(10, 0, 0, 9)));
    let (v6, v6_last) = (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9)));
    let ranges = [
        NatRange::None,
        NatRange::Ipv4 { min: v4, max: None, ports: None },
        NatRange::Ipv4 { min: v4, max: v4_last, ports: None },
        NatRange::Ipv4 { min: v4, max: v4_last, ports: ports(1000, Some(2000)) },
        NatRange::Ipv4 { min: v4, max: None, ports: ports(1000, None) },
        NatRange::Ipv4 { min: v4, max: v4_last, ports: ports(2000, Some(1000)) },
        NatRange::Ipv6 { min: v6, max: None, ports: None },
        NatRange::Ipv6 { min: v6, max: v6_last, ports: ports(1, Some(2)) },
    ];
    for range in ranges {
        for flags in [0u16, 1, 2, 3, 5, 9, 17, 13, 25] {
            let nat = Action::Nicira(NiciraAction::Nat(Box::new(Nat { flags: NatFlags(flags), range })));
            let commit = if random.one_in(5) { none } else { CtFlags::COMMIT };
            all.push(ct(commit, plain, Some(TableId(3)), 0, vec![nat]));
        }
    }
    all.push(NiciraAction::Nat(Box::new(Nat { flags: NatFlags(1), range: NatRange::None })));
    all
}
