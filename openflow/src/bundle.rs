//! Bundles on OpenFlow 1.3: modifications that a switch applies together or not at all (ONF extension 230, which OpenFlow 1.4 §6.8 has
//! built in).
//!
//! A bundle is opened, filled with messages and committed; each control request has a reply. Open vSwitch checks a message when it is added:
//! one that it refuses is not in the bundle, and a commit applies the others. So who wants all or nothing discards the bundle after an
//! error. What fails at the commit undoes all. Messages of an experimenter inside a
//! bundle stay data, so that bundles can't be nested without end.

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::configuration::ExperimenterMessage;
use crate::framing::{HEADER_LEN, VERSION};
use crate::message::{Message, MessageType};
use crate::number::numbers;
use crate::wire::{self, Reader};

/// `ONF_ET_BUNDLE_CONTROL`: the experimenter type of [`BundleControl`].
pub const EXP_TYPE_BUNDLE_CONTROL: u32 = 2300;
/// `ONF_ET_BUNDLE_ADD_MESSAGE`: the experimenter type of [`BundleAdd`].
pub const EXP_TYPE_BUNDLE_ADD_MESSAGE: u32 = 2301;

numbers! {
    /// What is to happen to a bundle, or has happened (ONF extension 230, `onf_bundle_ctrl_type`).
    values BundleControlType(u16) {
        OPEN_REQUEST = 0, "OFPBCT_OPEN_REQUEST";
        OPEN_REPLY = 1, "OFPBCT_OPEN_REPLY";
        CLOSE_REQUEST = 2, "OFPBCT_CLOSE_REQUEST";
        CLOSE_REPLY = 3, "OFPBCT_CLOSE_REPLY";
        COMMIT_REQUEST = 4, "OFPBCT_COMMIT_REQUEST";
        COMMIT_REPLY = 5, "OFPBCT_COMMIT_REPLY";
        DISCARD_REQUEST = 6, "OFPBCT_DISCARD_REQUEST";
        DISCARD_REPLY = 7, "OFPBCT_DISCARD_REPLY";
    }
}

impl BundleControlType {
    /// Whether a switch sends it.
    pub const fn is_reply(self) -> bool {
        self.0 % 2 == 1
    }
}

numbers! {
    /// How a bundle is applied; the same in all its messages (ONF extension 230, `onf_bundle_flags`).
    bits BundleFlags(u16) {
        ATOMIC = 1, "OFPBF_ATOMIC";
        ORDERED = 1 << 1, "OFPBF_ORDERED";
    }
}

numbers! {
    /// The type of a bundle's property (ONF extension 230, `onf_bundle_prop_type`).
    values BundlePropertyType(u16) {
        EXPERIMENTER = 0xffff, "OFPBPT_EXPERIMENTER";
    }
}

/// Open, close, commit or discard a bundle, or the answer to one of these (ONF extension 230, `onf_bundle_ctrl_msg`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BundleControl {
    /// Which bundle; the controller chooses the number, per connection.
    pub bundle_id: u32,
    /// What is to happen to it.
    pub control_type: BundleControlType,
    /// How it is applied.
    pub flags: BundleFlags,
    /// Properties.
    pub properties: Vec<BundleProperty>,
}

/// A message for a bundle (ONF extension 230, `onf_bundle_add_msg`). The message inside has the same number (`xid`) as the one around it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BundleAdd {
    /// Which bundle.
    pub bundle_id: u32,
    /// How it is applied.
    pub flags: BundleFlags,
    /// The message; one of an experimenter is read as [`Message::Experimenter`].
    pub message: Box<Message>,
    /// Properties.
    pub properties: Vec<BundleProperty>,
}

/// A property of a bundle's message (ONF extension 230, `onf_bundle_prop_header`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum BundleProperty {
    /// `OFPBPT_EXPERIMENTER`.
    Experimenter {
        /// The experimenter id.
        experimenter: u32,
        /// The experimenter's own type number.
        exp_type: u32,
        /// What follows, without padding.
        body: Bytes,
    },
    /// A property of another type, as data.
    Unknown {
        /// The type.
        property_type: BundlePropertyType,
        /// What follows the header, without padding.
        body: Bytes,
    },
}

impl BundleControl {
    /// A request without properties.
    pub const fn new(bundle_id: u32, control_type: BundleControlType, flags: BundleFlags) -> BundleControl {
        BundleControl { bundle_id, control_type, flags, properties: Vec::new() }
    }

    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<BundleControl, DecodeError> {
        let bundle_id = reader.u32("bundle_control.bundle_id")?;
        let control_type = BundleControlType(reader.u16("bundle_control.type")?);
        let flags = BundleFlags(reader.u16("bundle_control.flags")?);
        Ok(BundleControl { bundle_id, control_type, flags, properties: BundleProperty::parse_list(reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.bundle_id);
        out.put_u16(self.control_type.0);
        out.put_u16(self.flags.0);
        self.properties.iter().for_each(|property| property.encode(out));
    }
}

impl BundleAdd {
    /// This message for this bundle.
    pub fn new(bundle_id: u32, flags: BundleFlags, message: Message) -> BundleAdd {
        BundleAdd { bundle_id, flags, message: Box::new(message), properties: Vec::new() }
    }

    /// `xid` is the number of the message around it.
    pub(crate) fn parse(xid: u32, mut reader: Reader<'_>) -> Result<BundleAdd, DecodeError> {
        let bundle_id = reader.u32("bundle_add.bundle_id")?;
        reader.skip(2, "bundle_add.pad")?;
        let flags = BundleFlags(reader.u16("bundle_add.flags")?);
        let at = reader.offset();
        let version = reader.u8("bundle_add.message.version")?;
        let message_type = MessageType(reader.u8("bundle_add.message.type")?);
        let length = reader.u16("bundle_add.message.length")?;
        let inner_xid = reader.u32("bundle_add.message.xid")?;
        let wrong = |offset, field, value| Err(DecodeError::new(offset, field, DecodeErrorKind::BadValue { value }));
        if version != VERSION {
            return wrong(at, "bundle_add.message.version", u64::from(version));
        }
        if inner_xid != xid {
            return wrong(at + 4, "bundle_add.message.xid", u64::from(inner_xid));
        }
        let body = reader.body(length, HEADER_LEN, "bundle_add.message.length")?;
        let message = match message_type {
            MessageType::EXPERIMENTER => Message::Experimenter(ExperimenterMessage::parse(body)?),
            message_type => Message::parse(message_type, xid, body)?,
        };
        // Without properties there is no padding before them.
        let padding = wire::padding(usize::from(length)).min(reader.remaining());
        reader.skip(padding, "bundle_add.pad")?;
        Ok(BundleAdd { bundle_id, flags, message: Box::new(message), properties: BundleProperty::parse_list(reader)? })
    }

    pub(crate) fn encode(&self, xid: u32, out: &mut BytesMut) {
        out.put_u32(self.bundle_id);
        wire::put_zeros(out, 2);
        out.put_u16(self.flags.0);
        let start = out.len();
        self.message.put(VERSION, xid, out);
        if !self.properties.is_empty() {
            wire::pad_from(out, start);
        }
        self.properties.iter().for_each(|property| property.encode(out));
    }
}

impl BundleProperty {
    /// The type number that stands on the wire.
    pub const fn property_type(&self) -> BundlePropertyType {
        match self {
            BundleProperty::Experimenter { .. } => BundlePropertyType::EXPERIMENTER,
            BundleProperty::Unknown { property_type, .. } => *property_type,
        }
    }

    fn parse_list(mut reader: Reader<'_>) -> Result<Vec<BundleProperty>, DecodeError> {
        let mut properties = Vec::new();
        while !reader.is_empty() {
            let property_type = BundlePropertyType(reader.u16("bundle_property.type")?);
            let length = reader.u16("bundle_property.length")?;
            let mut body = reader.body(length, 4, "bundle_property.length")?;
            reader.skip(wire::padding(usize::from(length)), "bundle_property.pad")?;
            properties.push(if property_type == BundlePropertyType::EXPERIMENTER {
                BundleProperty::Experimenter {
                    experimenter: body.u32("bundle_property.experimenter")?,
                    exp_type: body.u32("bundle_property.exp_type")?,
                    body: body.into_bytes(),
                }
            } else {
                BundleProperty::Unknown { property_type, body: body.into_bytes() }
            });
        }
        Ok(properties)
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.property_type().0);
        out.put_u16(0);
        match self {
            BundleProperty::Experimenter { experimenter, exp_type, body } => {
                out.put_u32(*experimenter);
                out.put_u32(*exp_type);
                out.put_slice(body);
            }
            BundleProperty::Unknown { body, .. } => out.put_slice(body),
        }
        wire::patch_length(out, start, 2);
        wire::pad_from(out, start);
    }
}

#[cfg(feature = "serde")]
mod json {
    use serde::ser::{Serialize, SerializeMap, Serializer};

    use super::{BundleAdd, BundleControl, BundleProperty};
    use crate::json::Hex;
    use crate::message::Message;
    use crate::oxm::EXPERIMENTER_ONF;

    impl Serialize for BundleControl {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("experimenter", &EXPERIMENTER_ONF)?;
            map.serialize_entry("exp_type", "ONF_ET_BUNDLE_CONTROL")?;
            map.serialize_entry("bundle_id", &self.bundle_id)?;
            map.serialize_entry("type", &self.control_type)?;
            map.serialize_entry("flags", &self.flags)?;
            map.serialize_entry("properties", &self.properties)?;
            map.end()
        }
    }

    /// The message inside with its type.
    struct Inner<'a>(&'a Message);

    impl Serialize for Inner<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("type", &self.0.message_type())?;
            map.serialize_entry("message", self.0)?;
            map.end()
        }
    }

    impl Serialize for BundleAdd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("experimenter", &EXPERIMENTER_ONF)?;
            map.serialize_entry("exp_type", "ONF_ET_BUNDLE_ADD_MESSAGE")?;
            map.serialize_entry("bundle_id", &self.bundle_id)?;
            map.serialize_entry("flags", &self.flags)?;
            map.serialize_entry("message", &Inner(&self.message))?;
            map.serialize_entry("properties", &self.properties)?;
            map.end()
        }
    }

    impl Serialize for BundleProperty {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("type", &self.property_type())?;
            match self {
                BundleProperty::Experimenter { experimenter, exp_type, body } => {
                    map.serialize_entry("experimenter", experimenter)?;
                    map.serialize_entry("exp_type", exp_type)?;
                    map.serialize_entry("body", &Hex(body))?;
                }
                BundleProperty::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
            }
            map.end()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::flow::FlowMod;
    use crate::flow_match::Match;
    use crate::identifier::TableId;
    use crate::reply::error_for;

    fn encoded(message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        message.encode(9, &mut out).unwrap();
        out.freeze()
    }

    fn add() -> BundleAdd {
        let flow_mod = Message::FlowMod(FlowMod::add(TableId(0), 1, Match::new()));
        BundleAdd::new(5, BundleFlags::ATOMIC | BundleFlags::ORDERED, flow_mod)
    }

    #[test]
    fn an_open_request_has_the_octets_of_extension_230() {
        let open = BundleControl::new(5, BundleControlType::OPEN_REQUEST, BundleFlags::ATOMIC);
        let frame = encoded(&Message::BundleControl(open.clone()));
        let expected = [4, 4, 0, 24, 0, 0, 0, 9, 0x4f, 0x4e, 0x46, 0, 0, 0, 8, 0xfc, 0, 0, 0, 5, 0, 0, 0, 1];
        assert_eq!(frame, expected[..]);
        assert_eq!(Message::decode(&frame), Ok((9, Message::BundleControl(open))));
    }

    #[test]
    fn the_message_inside_has_the_number_of_the_one_around_it() {
        let message = Message::BundleAdd(add());
        let frame = encoded(&message);
        assert_eq!(
            (&frame[16..24], &frame[24..26], &frame[28..32]),
            (&[0, 0, 0, 5, 0, 0, 0, 3][..], &[4, 14][..], &[0, 0, 0, 9][..])
        );
        assert_eq!(Message::decode(&frame), Ok((9, message)));
        let mut other = frame.to_vec();
        other[31] = 8;
        let other = Bytes::from(other);
        let error = Message::decode(&other).unwrap_err();
        assert_eq!(error.to_string(), "offset 28: bundle_add.message.xid: bad value 8");
        let answer = error_for(&error, &other);
        assert_eq!(
            (answer.code(), &answer.data[..8]),
            (ErrorCode::BUNDLE_MSG_BAD_XID, &[0x4f, 0x4e, 0x46, 0, 4, 4, 0, 80][..])
        );
    }

    #[test]
    fn lengths_inside_are_held_against_what_is_around_them() {
        let frame = encoded(&Message::BundleAdd(add()));
        for length in [0u16, 7, 57, 0xffff] {
            let mut wrong = frame.to_vec();
            wrong[26..28].copy_from_slice(&length.to_be_bytes());
            let error = Message::decode(&Bytes::from(wrong)).unwrap_err();
            assert_eq!(crate::reply::error_code(&error), ErrorCode::BUNDLE_MSG_BAD_LEN, "{length}: {error}");
        }
        let mut version = frame.to_vec();
        version[24] = 5;
        let error = Message::decode(&Bytes::from(version)).unwrap_err();
        assert_eq!(
            crate::reply::error_code(&error),
            ErrorCode::BUNDLE_MSG_UNSUP,
            "the connection's own version is fine"
        );
    }

    #[test]
    fn a_property_without_progress_is_refused() {
        let mut control = BundleControl::new(5, BundleControlType::OPEN_REQUEST, BundleFlags::NONE);
        control
            .properties
            .push(BundleProperty::Unknown { property_type: BundlePropertyType(7), body: Bytes::from_static(b"abc") });
        let frame = encoded(&Message::BundleControl(control));
        for length in [0u16, 3] {
            let mut wrong = frame.to_vec();
            wrong[26..28].copy_from_slice(&length.to_be_bytes());
            let error = Message::decode(&Bytes::from(wrong)).unwrap_err();
            assert_eq!(error.field, "bundle_property.length");
        }
    }

    #[test]
    fn bundles_in_bundles_are_data() {
        let control = Message::BundleControl(BundleControl::new(1, BundleControlType::OPEN_REQUEST, BundleFlags::NONE));
        let frame = encoded(&Message::BundleAdd(BundleAdd::new(5, BundleFlags::NONE, control)));
        let Ok((9, Message::BundleAdd(add))) = Message::decode(&frame) else { panic!() };
        assert!(matches!(&*add.message, Message::Experimenter(_)), "{add:?}");
        assert_eq!(encoded(&Message::BundleAdd(add)), frame);
    }

    #[test]
    fn a_message_that_is_too_long_with_its_bundle_is_not_encoded() {
        let inner = Message::EchoRequest(Bytes::from(vec![0; crate::framing::MAX_FRAME_LEN - HEADER_LEN]));
        let mut out = BytesMut::from(&b"before"[..]);
        let too_long = Message::BundleAdd(BundleAdd::new(5, BundleFlags::NONE, inner)).encode(9, &mut out);
        assert_eq!((too_long.unwrap_err().length, &out[..]), (crate::framing::MAX_FRAME_LEN + 24, &b"before"[..]));
    }
}
