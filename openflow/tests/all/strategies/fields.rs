//! Arbitrary fields of the whole table, and the messages that carry them or are extensions: bundles and Nicira's packet-ins.

use openflow::oxm::TUNNEL_METADATA_MAX;

use super::*;

/// A field of the whole table, Open vSwitch's included, with or without a mask. Values may have bits without a meaning.
pub fn known_field() -> impl Strategy<Value = OxmFieldOwned> {
    let octets = vec(any::<(u8, u8)>(), TUNNEL_METADATA_MAX);
    (0..OxmKind::KNOWN.len(), octets, 0..=TUNNEL_METADATA_MAX, any::<bool>()).prop_map(
        |(row, octets, length, masked)| {
            let kind = OxmKind::KNOWN[row];
            let (value, mask): (Vec<u8>, Vec<u8>) = octets.into_iter().unzip();
            // With a mask, value and mask share the 255 octets of a TLV: 124 twice fit.
            let length = kind.value_len().unwrap_or(length);
            OxmFieldOwned::new(kind, &value[..length], masked.then_some(&mask[..length])).unwrap()
        },
    )
}

pub fn known_match() -> impl Strategy<Value = Match> {
    vec(known_field(), 0..8).prop_map(|fields| fields.into_iter().collect())
}

fn property() -> impl Strategy<Value = BundleProperty> {
    prop_oneof![
        (any::<[u32; 2]>(), octets(20)).prop_map(|([experimenter, exp_type], body)| BundleProperty::Experimenter {
            experimenter,
            exp_type,
            body
        }),
        (0u16..0xffff, octets(20))
            .prop_map(|(number, body)| BundleProperty::Unknown { property_type: BundlePropertyType(number), body }),
    ]
}

pub fn bundle_control() -> impl Strategy<Value = BundleControl> {
    (any::<(u32, u16, u16)>(), vec(property(), 0..3)).prop_map(|((bundle_id, control_type, flags), properties)| {
        BundleControl {
            bundle_id,
            control_type: BundleControlType(control_type),
            flags: BundleFlags(flags),
            properties,
        }
    })
}

/// With a message inside that decodes to itself there: one of version 4 that is not an experimenter's.
pub fn bundle_add() -> impl Strategy<Value = BundleAdd> {
    let inside = message().prop_filter("what is inside a bundle has its version and is no bundle", |message| {
        let typed = message.message_type() == MessageType::EXPERIMENTER && !matches!(message, Message::Experimenter(_));
        !typed && !matches!(message, Message::Hello(hello) if hello.version != VERSION)
    });
    (any::<(u32, u16)>(), inside, vec(property(), 0..3)).prop_map(|((bundle_id, flags), message, properties)| {
        BundleAdd { bundle_id, flags: BundleFlags(flags), message: Box::new(message), properties }
    })
}

pub fn packet_in2() -> impl Strategy<Value = PacketIn2> {
    let property = prop_oneof![
        octets(200).prop_map(PacketIn2Property::Packet),
        any::<u32>().prop_map(PacketIn2Property::FullLen),
        any::<u32>().prop_map(|id| PacketIn2Property::BufferId(BufferId(id))),
        any::<u8>().prop_map(|id| PacketIn2Property::TableId(TableId(id))),
        any::<u64>().prop_map(PacketIn2Property::Cookie),
        any::<u8>().prop_map(|reason| PacketIn2Property::Reason(PacketInReason(reason))),
        known_match().prop_map(PacketIn2Property::Metadata),
        octets(20).prop_map(PacketIn2Property::Userdata),
        octets(40).prop_map(PacketIn2Property::Continuation),
        (9u16.., octets(20)).prop_map(|(number, body)| PacketIn2Property::Unknown {
            property_type: PacketIn2PropertyType(number),
            body
        }),
    ];
    vec(property, 0..6).prop_map(|properties| PacketIn2 { properties })
}

fn tlv_map() -> impl Strategy<Value = TlvMap> {
    any::<(u16, u8, u8, u16)>().prop_map(|(option_class, option_type, option_len, index)| TlvMap {
        option_class,
        option_type,
        option_len,
        index,
    })
}

/// A message that is an extension, or a flow with fields of extensions.
pub fn extension() -> impl Strategy<Value = Message> {
    let flow = (flow_mod(), known_match()).prop_map(|(flow_mod, match_)| FlowMod { match_, ..flow_mod });
    prop_oneof![
        bundle_control().prop_map(Message::BundleControl),
        bundle_add().prop_map(Message::BundleAdd),
        any::<u32>().prop_map(|format| Message::SetPacketInFormat(PacketInFormat(format))),
        any::<u16>().prop_map(Message::SetControllerId),
        packet_in2().prop_map(Message::PacketIn2),
        packet_in2().prop_map(Message::Resume),
        Just(Message::TlvTableRequest),
        (any::<u16>(), vec(tlv_map(), 0..4)).prop_map(|(command, mappings)| {
            Message::TlvTableMod(TlvTableMod { command: TlvTableModCommand(command), mappings })
        }),
        (any::<(u32, u16)>(), vec(tlv_map(), 0..4)).prop_map(|((max_option_space, max_fields), mappings)| {
            Message::TlvTableReply(TlvTableReply { max_option_space, max_fields, mappings })
        }),
        flow.prop_map(Message::FlowMod),
    ]
}
