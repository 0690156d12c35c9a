//! Arbitrary actions of Nicira's. Numbers of bits and offsets are those that the wire has room for; whether a field has as many is no
//! matter of the codec.

use bytes::Bytes;
use openflow::nicira::*;
use openflow::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{field, octets};

/// A field of the table.
fn kind() -> impl Strategy<Value = OxmKind> {
    (0..OxmKind::KNOWN.len()).prop_map(|row| OxmKind::KNOWN[row])
}

/// A field of the table whose header has 32 bits.
fn short_kind() -> impl Strategy<Value = OxmKind> {
    kind().prop_filter("has a header of 32 bits", |kind| kind.class != oxm::CLASS_EXPERIMENTER)
}

/// Bits as an `ofs_nbits` can say them, of a field by this strategy.
fn packed(kind: impl Strategy<Value = OxmKind>) -> impl Strategy<Value = Subfield> {
    (kind, 0u16..1024, 1u16..=64).prop_map(|(kind, offset, bits)| Subfield { kind, offset, bits })
}

/// Bits as two numbers of 16 bits can say them.
fn subfield() -> impl Strategy<Value = Subfield> {
    (kind(), any::<u16>(), any::<u16>()).prop_map(|(kind, offset, bits)| Subfield { kind, offset, bits })
}

/// A port that has a form of 16 bits.
fn port() -> impl Strategy<Value = net::PortNo> {
    prop_oneof![0u32..0xff00, 0xffff_ff00u32..=u32::MAX].prop_map(net::PortNo)
}

pub fn two_subfields() -> impl Strategy<Value = (Subfield, Subfield)> {
    (subfield(), subfield()).prop_map(|(source, to)| (source, Subfield { bits: source.bits, ..to }))
}

fn registers() -> impl Strategy<Value = NiciraAction> {
    prop_oneof![
        two_subfields().prop_map(|(source, destination)| NiciraAction::RegMove { source, destination }),
        (packed(short_kind()), any::<u64>())
            .prop_map(|(destination, value)| NiciraAction::RegLoad { destination, value }),
        field().prop_map(NiciraAction::RegLoad2),
        (packed(short_kind()), any::<u16>()).prop_map(|(source, max_len)| NiciraAction::OutputReg { source, max_len }),
        (packed(kind()), any::<u16>()).prop_map(|(source, max_len)| NiciraAction::OutputReg2 { source, max_len }),
        subfield().prop_map(NiciraAction::StackPush),
        subfield().prop_map(NiciraAction::StackPop),
        (any::<u16>(), subfield())
            .prop_map(|(length, to)| NiciraAction::CheckPktLarger { length, destination: Subfield { bits: 1, ..to } }),
        kind().prop_map(NiciraAction::DeleteField),
    ]
}

fn learn_spec() -> impl Strategy<Value = LearnSpec> {
    let part = || (short_kind(), any::<u16>());
    (1u16..1024, part(), part(), vec(any::<u8>(), 128), 0u8..5).prop_map(|(bits, source, to, octets, which)| {
        let field = |(kind, offset)| Subfield { kind, offset, bits };
        let length = usize::from(bits.div_ceil(16)) * 2;
        let immediate = LearnSource::Immediate { bits, value: Bytes::copy_from_slice(&octets[..length]) };
        let (source, destination) = match which {
            0 => (LearnSource::Field(field(source)), LearnDestination::Match(field(to))),
            1 => (LearnSource::Field(field(source)), LearnDestination::Load(field(to))),
            2 => (LearnSource::Field(field(source)), LearnDestination::Output),
            3 => (immediate, LearnDestination::Match(field(to))),
            _ => (immediate, LearnDestination::Load(field(to))),
        };
        LearnSpec { source, destination }
    })
}

fn learn() -> impl Strategy<Value = NiciraAction> {
    let result = (kind(), any::<u16>()).prop_map(|(kind, offset)| Subfield { kind, offset, bits: 1 });
    let limit = option::of((any::<u32>(), option::of(result)).prop_map(|(limit, result)| LearnLimit { limit, result }));
    (any::<[u16; 5]>(), any::<u64>(), any::<u16>(), any::<u8>(), limit, vec(learn_spec(), 0..4)).prop_map(
        |(numbers, cookie, flags, table_id, limit, specs)| {
            NiciraAction::Learn(Box::new(Learn {
                idle_timeout: numbers[0],
                hard_timeout: numbers[1],
                priority: numbers[2],
                cookie,
                // Of learn2 one flag says whether there is a result.
                flags: LearnFlags(if limit.is_some() { flags & !4 } else { flags }),
                table_id: TableId(table_id),
                fin_idle_timeout: numbers[3],
                fin_hard_timeout: numbers[4],
                limit,
                specs,
            }))
        },
    )
}

fn nat() -> impl Strategy<Value = NiciraAction> {
    let ports = || option::of(any::<(u16, Option<u16>)>().prop_map(|(min, max)| NatPorts { min, max }));
    let range = prop_oneof![
        Just(NatRange::None),
        (any::<(u32, Option<u32>)>(), ports()).prop_map(|((min, max), ports)| NatRange::Ipv4 {
            min: min.into(),
            max: max.map(Into::into),
            ports
        }),
        (any::<(u128, Option<u128>)>(), ports()).prop_map(|((min, max), ports)| NatRange::Ipv6 {
            min: min.into(),
            max: max.map(Into::into),
            ports
        }),
    ];
    (any::<u16>(), range).prop_map(|(flags, range)| NiciraAction::Nat(Box::new(Nat { flags: NatFlags(flags), range })))
}

fn choices() -> impl Strategy<Value = NiciraAction> {
    let multipath = (any::<[u16; 4]>(), any::<u32>(), packed(short_kind()));
    let bundle = (any::<[u16; 3]>(), option::of(packed(short_kind())), vec(port(), 0..9));
    prop_oneof![
        multipath.prop_map(|(numbers, argument, destination)| {
            NiciraAction::Multipath(Box::new(Multipath {
                fields: HashFields(numbers[0]),
                basis: numbers[1],
                algorithm: MultipathAlgorithm(numbers[2]),
                max_link: numbers[3],
                argument,
                destination,
            }))
        }),
        bundle.prop_map(|(numbers, destination, members)| {
            NiciraAction::Bundle(Box::new(BundlePorts {
                algorithm: BundleAlgorithm(numbers[0]),
                fields: HashFields(numbers[1]),
                basis: numbers[2],
                destination,
                members,
            }))
        }),
    ]
}

fn controller_property() -> impl Strategy<Value = ControllerProperty> {
    prop_oneof![
        any::<u16>().prop_map(ControllerProperty::MaxLen),
        any::<u16>().prop_map(ControllerProperty::ControllerId),
        any::<u8>().prop_map(|reason| ControllerProperty::Reason(PacketInReason(reason))),
        octets(20).prop_map(ControllerProperty::Userdata),
        Just(ControllerProperty::Pause),
        any::<u32>().prop_map(ControllerProperty::MeterId),
        (6u16..=u16::MAX, octets(20)).prop_map(|(number, body)| ControllerProperty::Unknown {
            property_type: ControllerPropertyType(number),
            body
        }),
    ]
}

fn sample() -> impl Strategy<Value = NiciraAction> {
    let sampling = (port(), option::of(any::<u8>().prop_map(SampleDirection)))
        .prop_map(|(port, direction)| SamplingPort { port, direction });
    (any::<u16>(), any::<[u32; 3]>(), option::of(sampling)).prop_map(|(probability, numbers, sampling)| {
        NiciraAction::Sample(Box::new(Sample {
            probability,
            collector_set_id: numbers[0],
            obs_domain_id: numbers[1],
            obs_point_id: numbers[2],
            sampling,
        }))
    })
}

fn encap() -> impl Strategy<Value = NiciraAction> {
    let property = (any::<u16>(), any::<u8>(), octets(30)).prop_map(|(class, property_type, body)| EncapProperty {
        class,
        property_type,
        body,
    });
    (any::<u16>(), any::<u32>(), vec(property, 0..4)).prop_map(|(header_size, packet_type, properties)| {
        NiciraAction::Encap(Box::new(Encap { header_size, packet_type, properties }))
    })
}

fn numbers() -> impl Strategy<Value = NiciraAction> {
    prop_oneof![
        port().prop_map(|in_port| NiciraAction::Resubmit { in_port }),
        (port(), any::<u8>(), any::<bool>()).prop_map(|(in_port, table, with_ct)| NiciraAction::ResubmitTable {
            in_port,
            table_id: TableId(table),
            with_ct
        }),
        any::<u32>().prop_map(NiciraAction::SetTunnel),
        any::<u64>().prop_map(NiciraAction::SetTunnel64),
        any::<u32>().prop_map(NiciraAction::SetQueue),
        (0usize..4, vec(any::<u8>(), 30))
            .prop_map(|(words, octets)| NiciraAction::Note(Bytes::copy_from_slice(&octets[..6 + 8 * words]))),
        (port(), any::<u32>()).prop_map(|(port, max_len)| NiciraAction::OutputTrunc { port, max_len }),
        vec(any::<u16>(), 0..9).prop_map(NiciraAction::DecTtlCntIds),
        any::<(u16, u16)>()
            .prop_map(|(idle_timeout, hard_timeout)| NiciraAction::FinTimeout { idle_timeout, hard_timeout }),
        any::<(u16, u16, u8)>().prop_map(|(max_len, controller_id, reason)| NiciraAction::Controller {
            max_len,
            controller_id,
            reason: PacketInReason(reason)
        }),
        any::<(u64, u64)>().prop_map(|(metadata, mask)| NiciraAction::WriteMetadata { metadata, mask }),
        any::<u16>().prop_map(NiciraAction::PushMpls),
        any::<u16>().prop_map(NiciraAction::PopMpls),
        any::<u8>().prop_map(NiciraAction::SetMplsTtl),
        any::<u32>().prop_map(NiciraAction::SetMplsLabel),
        any::<u8>().prop_map(NiciraAction::SetMplsTc),
        any::<(u8, u8, u32)>().prop_map(|(clause, clauses, id)| NiciraAction::Conjunction { clause, clauses, id }),
        any::<u32>().prop_map(|id| NiciraAction::Group(GroupId(id))),
        any::<u32>().prop_map(|packet_type| NiciraAction::Decap { packet_type }),
        prop_oneof![
            Just(NiciraAction::PopQueue),
            Just(NiciraAction::Exit),
            Just(NiciraAction::DecTtl),
            Just(NiciraAction::DecMplsTtl),
            Just(NiciraAction::CtClear),
            Just(NiciraAction::DecNshTtl),
        ],
    ]
}

/// An action that holds no other.
fn flat() -> impl Strategy<Value = NiciraAction> {
    prop_oneof![
        4 => numbers(),
        3 => registers(),
        2 => choices(),
        2 => learn(),
        1 => nat(),
        1 => vec(controller_property(), 0..5).prop_map(NiciraAction::Controller2),
        1 => sample(),
        1 => encap(),
    ]
}

fn ct(actions: Vec<Action>) -> impl Strategy<Value = NiciraAction> {
    let zone = prop_oneof![any::<u16>().prop_map(CtZone::Immediate), packed(zone_kind()).prop_map(CtZone::Field)];
    (any::<u16>(), zone, option::of(0u8..0xff), any::<u16>()).prop_map(move |(flags, zone, table, alg)| {
        NiciraAction::Ct(Box::new(ConnectionTracking {
            flags: CtFlags(flags),
            zone,
            table_id: table.map(TableId),
            alg,
            actions: actions.clone(),
        }))
    })
}

/// `NXM_OF_IN_PORT` is fine too: its header is not zero.
fn zone_kind() -> impl Strategy<Value = OxmKind> {
    short_kind()
}

/// Any action of Nicira's, up to four deep.
pub fn nicira_action() -> impl Strategy<Value = NiciraAction> {
    flat().prop_recursive(4, 12, 3, |inner| {
        let actions = vec(inner.prop_map(Action::Nicira), 0..3);
        prop_oneof![actions.clone().prop_map(NiciraAction::Clone), actions.prop_flat_map(ct),]
    })
}
