//! Nicira's packet-in with properties, and what asks for it: NXT_PACKET_IN2, NXT_RESUME, NXT_SET_PACKET_IN_FORMAT and
//! NXT_SET_CONTROLLER_ID (Open vSwitch, `nicira-ext.h`). `controller2` actions lead to them.

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::flow_match::Match;
use crate::identifier::{BufferId, TableId};
use crate::number::numbers;
use crate::packet::PacketInReason;
use crate::wire::{self, Reader};

/// `NXT_SET_PACKET_IN_FORMAT`: the experimenter type of [`crate::Message::SetPacketInFormat`].
pub const EXP_TYPE_SET_PACKET_IN_FORMAT: u32 = 16;
/// `NXT_SET_CONTROLLER_ID`: the experimenter type of [`crate::Message::SetControllerId`].
pub const EXP_TYPE_SET_CONTROLLER_ID: u32 = 20;
/// `NXT_RESUME`: the experimenter type of [`crate::Message::Resume`].
pub const EXP_TYPE_RESUME: u32 = 28;
/// `NXT_PACKET_IN2`: the experimenter type of [`crate::Message::PacketIn2`].
pub const EXP_TYPE_PACKET_IN2: u32 = 30;

numbers! {
    /// Which packet-ins a controller wants (Open vSwitch, `nx_packet_in_format`).
    values PacketInFormat(u32) {
        STANDARD = 0, "NXPIF_STANDARD";
        NXT_PACKET_IN = 1, "NXPIF_NXT_PACKET_IN";
        NXT_PACKET_IN2 = 2, "NXPIF_NXT_PACKET_IN2";
    }
}

numbers! {
    /// The type of a property (Open vSwitch, `nx_packet_in2_prop_type`).
    values PacketIn2PropertyType(u16) {
        PACKET = 0, "NXPINT_PACKET";
        FULL_LEN = 1, "NXPINT_FULL_LEN";
        BUFFER_ID = 2, "NXPINT_BUFFER_ID";
        TABLE_ID = 3, "NXPINT_TABLE_ID";
        COOKIE = 4, "NXPINT_COOKIE";
        REASON = 5, "NXPINT_REASON";
        METADATA = 6, "NXPINT_METADATA";
        USERDATA = 7, "NXPINT_USERDATA";
        CONTINUATION = 8, "NXPINT_CONTINUATION";
    }
}

/// A packet for the controller, or one that it gives back for its way through the tables to go on (Open vSwitch, `NXT_PACKET_IN2`,
/// `NXT_RESUME`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PacketIn2 {
    /// The properties in their order.
    pub properties: Vec<PacketIn2Property>,
}

/// A property of a [`PacketIn2`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PacketIn2Property {
    /// The packet, or its start.
    Packet(Bytes),
    /// Octets of the whole packet, if only its start is there.
    FullLen(u32),
    /// Where the switch keeps the packet.
    BufferId(BufferId),
    /// The table whose flow sent it.
    TableId(TableId),
    /// The cookie of that flow.
    Cookie(u64),
    /// Why it came.
    Reason(PacketInReason),
    /// The packet's pipeline fields. Prerequisites may be missing.
    Metadata(Match),
    /// What the `controller2` action carried.
    Userdata(Bytes),
    /// What the switch needs to go on; goes back as it is, once.
    Continuation(Bytes),
    /// A property of another type, as data.
    Unknown {
        /// The type.
        property_type: PacketIn2PropertyType,
        /// What follows the header, without padding.
        body: Bytes,
    },
}

impl PacketIn2 {
    fn find<'a, T>(&'a self, pick: impl Fn(&'a PacketIn2Property) -> Option<T>) -> Option<T> {
        self.properties.iter().find_map(pick)
    }

    /// The packet, or its start.
    pub fn packet(&self) -> Option<&Bytes> {
        self.find(|property| if let PacketIn2Property::Packet(packet) = property { Some(packet) } else { None })
    }

    /// The cookie of the flow that sent it.
    pub fn cookie(&self) -> Option<u64> {
        self.find(|property| if let PacketIn2Property::Cookie(cookie) = property { Some(*cookie) } else { None })
    }

    /// The packet's pipeline fields.
    pub fn metadata(&self) -> Option<&Match> {
        self.find(|property| if let PacketIn2Property::Metadata(match_) = property { Some(match_) } else { None })
    }

    /// What the `controller2` action carried.
    pub fn userdata(&self) -> Option<&Bytes> {
        self.find(|property| if let PacketIn2Property::Userdata(data) = property { Some(data) } else { None })
    }

    /// What the switch needs to go on.
    pub fn continuation(&self) -> Option<&Bytes> {
        self.find(|property| if let PacketIn2Property::Continuation(data) = property { Some(data) } else { None })
    }

    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<PacketIn2, DecodeError> {
        let mut properties = Vec::new();
        while !reader.is_empty() {
            properties.push(PacketIn2Property::parse(&mut reader)?);
        }
        Ok(PacketIn2 { properties })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        self.properties.iter().for_each(|property| property.encode(out));
    }
}

impl PacketIn2Property {
    /// The type number that stands on the wire.
    pub const fn property_type(&self) -> PacketIn2PropertyType {
        match self {
            PacketIn2Property::Packet(_) => PacketIn2PropertyType::PACKET,
            PacketIn2Property::FullLen(_) => PacketIn2PropertyType::FULL_LEN,
            PacketIn2Property::BufferId(_) => PacketIn2PropertyType::BUFFER_ID,
            PacketIn2Property::TableId(_) => PacketIn2PropertyType::TABLE_ID,
            PacketIn2Property::Cookie(_) => PacketIn2PropertyType::COOKIE,
            PacketIn2Property::Reason(_) => PacketIn2PropertyType::REASON,
            PacketIn2Property::Metadata(_) => PacketIn2PropertyType::METADATA,
            PacketIn2Property::Userdata(_) => PacketIn2PropertyType::USERDATA,
            PacketIn2Property::Continuation(_) => PacketIn2PropertyType::CONTINUATION,
            PacketIn2Property::Unknown { property_type, .. } => *property_type,
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<PacketIn2Property, DecodeError> {
        let property_type = PacketIn2PropertyType(reader.u16("packet_in2_property.type")?);
        let at = reader.offset();
        let length = reader.u16("packet_in2_property.length")?;
        let mut body = reader.body(length, 4, "packet_in2_property.length")?;
        reader.skip(wire::padding(usize::from(length)), "packet_in2_property.pad")?;
        let octets = match property_type {
            PacketIn2PropertyType::TABLE_ID | PacketIn2PropertyType::REASON => Some(1),
            PacketIn2PropertyType::FULL_LEN | PacketIn2PropertyType::BUFFER_ID => Some(4),
            PacketIn2PropertyType::COOKIE => Some(12),
            _ => None,
        };
        if octets.is_some_and(|octets| body.remaining() != octets) {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "packet_in2_property.length", kind));
        }
        Ok(match property_type {
            PacketIn2PropertyType::PACKET => PacketIn2Property::Packet(body.into_bytes()),
            PacketIn2PropertyType::FULL_LEN => PacketIn2Property::FullLen(body.u32("packet_in2_property.full_len")?),
            PacketIn2PropertyType::BUFFER_ID => {
                PacketIn2Property::BufferId(BufferId(body.u32("packet_in2_property.buffer_id")?))
            }
            PacketIn2PropertyType::TABLE_ID => {
                PacketIn2Property::TableId(TableId(body.u8("packet_in2_property.table_id")?))
            }
            PacketIn2PropertyType::COOKIE => {
                body.skip(4, "packet_in2_property.pad")?;
                PacketIn2Property::Cookie(body.u64("packet_in2_property.cookie")?)
            }
            PacketIn2PropertyType::REASON => {
                PacketIn2Property::Reason(PacketInReason(body.u8("packet_in2_property.reason")?))
            }
            PacketIn2PropertyType::METADATA => PacketIn2Property::Metadata(Match::parse_tlvs(&body)?),
            PacketIn2PropertyType::USERDATA => PacketIn2Property::Userdata(body.into_bytes()),
            PacketIn2PropertyType::CONTINUATION => {
                // What is inside are properties, which start at a multiple of 8.
                body.skip(4, "packet_in2_property.pad")?;
                PacketIn2Property::Continuation(body.into_bytes())
            }
            property_type => PacketIn2Property::Unknown { property_type, body: body.into_bytes() },
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.property_type().0);
        out.put_u16(0);
        match self {
            PacketIn2Property::Packet(data) | PacketIn2Property::Userdata(data) => out.put_slice(data),
            PacketIn2Property::Unknown { body, .. } => out.put_slice(body),
            PacketIn2Property::FullLen(length) => out.put_u32(*length),
            PacketIn2Property::BufferId(buffer_id) => out.put_u32(buffer_id.0),
            PacketIn2Property::TableId(table_id) => out.put_u8(table_id.0),
            PacketIn2Property::Cookie(cookie) => {
                wire::put_zeros(out, 4);
                out.put_u64(*cookie);
            }
            PacketIn2Property::Reason(reason) => out.put_u8(reason.0),
            PacketIn2Property::Metadata(match_) => out.put_slice(match_.as_tlvs()),
            PacketIn2Property::Continuation(data) => {
                wire::put_zeros(out, 4);
                out.put_slice(data);
            }
        }
        wire::patch_length(out, start, 2);
        wire::pad_from(out, start);
    }
}

/// The six octets before the number have to be zero, which is what padding is written as (`nx_controller_id`).
pub(crate) fn parse_controller_id(mut reader: Reader<'_>) -> Result<u16, DecodeError> {
    reader.skip(6, "set_controller_id.zero")?;
    let controller_id = reader.u16("set_controller_id.controller_id")?;
    reader.finish("set_controller_id")?;
    Ok(controller_id)
}

pub(crate) fn encode_controller_id(controller_id: u16, out: &mut BytesMut) {
    wire::put_zeros(out, 6);
    out.put_u16(controller_id);
}

pub(crate) fn parse_format(mut reader: Reader<'_>) -> Result<PacketInFormat, DecodeError> {
    let format = PacketInFormat(reader.u32("set_packet_in_format.format")?);
    reader.finish("set_packet_in_format")?;
    Ok(format)
}

#[cfg(feature = "serde")]
mod json {
    use serde::ser::{Serialize, SerializeMap, Serializer};

    use super::PacketIn2Property;
    use crate::json::Hex;

    impl Serialize for PacketIn2Property {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("type", &self.property_type())?;
            match self {
                PacketIn2Property::Packet(data) => map.serialize_entry("packet", &Hex(data))?,
                PacketIn2Property::FullLen(length) => map.serialize_entry("full_len", length)?,
                PacketIn2Property::BufferId(buffer_id) => map.serialize_entry("buffer_id", buffer_id)?,
                PacketIn2Property::TableId(table_id) => map.serialize_entry("table_id", table_id)?,
                PacketIn2Property::Cookie(cookie) => map.serialize_entry("cookie", cookie)?,
                PacketIn2Property::Reason(reason) => map.serialize_entry("reason", reason)?,
                PacketIn2Property::Metadata(match_) => map.serialize_entry("metadata", match_)?,
                PacketIn2Property::Userdata(data) => map.serialize_entry("userdata", &Hex(data))?,
                PacketIn2Property::Continuation(data) => map.serialize_entry("continuation", &Hex(data))?,
                PacketIn2Property::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
            }
            map.end()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn properties_keep_their_order_and_octets() {
        let message = Message::PacketIn2(PacketIn2 {
            properties: vec![
                PacketIn2Property::Packet(Bytes::from_static(b"packet")),
                PacketIn2Property::FullLen(64),
                PacketIn2Property::BufferId(BufferId(276)),
                PacketIn2Property::TableId(TableId(7)),
                PacketIn2Property::Cookie(0xfedc_ba98_7654_3210),
                PacketIn2Property::Reason(PacketInReason::ACTION),
                PacketIn2Property::Metadata(Match::new().with_metadata(3)),
                PacketIn2Property::Userdata(Bytes::from_static(&[1, 2, 3, 4, 5])),
                PacketIn2Property::Continuation(Bytes::from_static(&[9; 8])),
                PacketIn2Property::Unknown { property_type: PacketIn2PropertyType(99), body: Bytes::from_static(b"x") },
            ],
        });
        let mut out = BytesMut::new();
        message.encode(1, &mut out).unwrap();
        let frame = out.freeze();
        let expected_cookie = [0, 4, 0, 16, 0, 0, 0, 0, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];
        assert!(frame.windows(16).any(|octets| octets == expected_cookie));
        assert!(frame.windows(8).any(|octets| octets == [0, 3, 0, 5, 7, 0, 0, 0]));
        assert_eq!(Message::decode(&frame), Ok((1, message)));
    }

    /// From Open vSwitch 3.1.0: `load:0x1234->NXM_NX_REG3[],controller(userdata=01.02.03)`, cookie 0x77.
    const CAPTURED: &str = "
        0404009000000000000023200000001e0000004002020202020202020202020208060000000000000000000000000000
        000000000000000000000000000000000000000000000000000000000000000000030005000000000004001000000000
        000000000000007700050005010000000006001480000004fffffffe0001060400001234000000000007000701020300";

    #[test]
    fn a_packet_in_of_open_vswitch_is_read_and_written() {
        let digits: Vec<char> = CAPTURED.chars().filter(|digit| !digit.is_whitespace()).collect();
        let octets = digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap());
        let frame = Bytes::from_iter(octets);
        let (xid, message) = Message::decode(&frame).unwrap();
        let Message::PacketIn2(packet_in) = &message else { panic!("{message:?}") };
        let metadata = packet_in.metadata().unwrap();
        assert_eq!(metadata.in_port(), Some(net::PortNo::LOCAL));
        assert_eq!(metadata.get(crate::OxmKind::NXM_REG3).and_then(|field| field.to_u64()), Some(0x1234));
        assert_eq!(
            (packet_in.cookie(), packet_in.userdata().map(|data| &data[..])),
            (Some(0x77), Some(&[1, 2, 3][..]))
        );
        assert_eq!((packet_in.packet().map(Bytes::len), packet_in.continuation()), (Some(60), None));
        let mut out = BytesMut::new();
        message.encode(xid, &mut out).unwrap();
        assert_eq!(out.freeze(), frame);
    }

    #[test]
    fn a_property_of_a_wrong_length_is_refused() {
        for (property, offset) in [
            ([0, 1, 0, 5, 0, 0, 0, 0], 18),
            ([0, 3, 0, 6, 0, 0, 0, 0], 18),
            ([0, 4, 0, 8, 0, 0, 0, 0], 18),
            ([0, 9, 0, 0, 0, 0, 0, 0], 20),
            ([0, 9, 0, 3, 0, 0, 0, 0], 20),
        ] {
            let mut frame = vec![4, 4, 0, 24, 0, 0, 0, 1, 0, 0, 0x23, 0x20, 0, 0, 0, 30];
            frame.extend_from_slice(&property);
            let error = Message::decode(&Bytes::from(frame)).unwrap_err();
            assert_eq!((error.field, error.offset), ("packet_in2_property.length", offset), "{property:?}");
        }
    }

    #[test]
    fn formats_and_controller_ids_have_their_octets() {
        for (message, octets) in [
            (Message::SetPacketInFormat(PacketInFormat::NXT_PACKET_IN2), &[0, 0, 0, 16, 0, 0, 0, 2][..]),
            (Message::SetControllerId(258), &[0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 1, 2][..]),
        ] {
            let mut out = BytesMut::new();
            message.encode(1, &mut out).unwrap();
            let frame = out.freeze();
            assert_eq!((&frame[8..12], &frame[12..]), (&[0, 0, 0x23, 0x20][..], octets));
            assert_eq!(Message::decode(&frame), Ok((1, message)));
        }
    }
}
