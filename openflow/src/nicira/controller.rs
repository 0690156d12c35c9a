//! `controller(…)` with properties (`NXAST_CONTROLLER2`).

use bytes::{BufMut, Bytes, BytesMut};
use net::DecodeError;

use crate::number::numbers;
use crate::packet::PacketInReason;
use crate::wire::{self, Reader};

numbers! {
    /// The type of a property of `NXAST_CONTROLLER2` (`enum nx_action_controller2_prop_type`).
    values ControllerPropertyType(u16) {
        MAX_LEN = 0, "NXAC2PT_MAX_LEN";
        CONTROLLER_ID = 1, "NXAC2PT_CONTROLLER_ID";
        REASON = 2, "NXAC2PT_REASON";
        USERDATA = 3, "NXAC2PT_USERDATA";
        PAUSE = 4, "NXAC2PT_PAUSE";
        METER_ID = 5, "NXAC2PT_METER_ID";
    }
}

/// One property of a [`NiciraAction::Controller2`](crate::nicira::NiciraAction::Controller2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ControllerProperty {
    /// Octets of the packet to send; all of them where this is missing.
    MaxLen(u16),
    /// To which controller; 0 where this is missing.
    ControllerId(u16),
    /// The reason that the packet-in has; [`PacketInReason::ACTION`] where this is missing.
    Reason(PacketInReason),
    /// Octets that the packet-in repeats.
    Userdata(Bytes),
    /// The pipeline stops, and the controller resumes it.
    Pause,
    /// The meter that the packet-in goes through; the controller's own where this is missing.
    MeterId(u32),
    /// A property of another type, as data.
    Unknown {
        /// The type.
        property_type: ControllerPropertyType,
        /// What follows the 4-octet header, without the padding.
        body: Bytes,
    },
}

/// Octets of the type and the length that every property starts with.
const HEADER_LEN: usize = 4;
/// Octets of a property that is a number, as Open vSwitch writes it.
const NUMBER_LEN: u16 = 8;

impl ControllerProperty {
    /// The type number that stands on the wire.
    pub const fn property_type(&self) -> ControllerPropertyType {
        match self {
            ControllerProperty::MaxLen(_) => ControllerPropertyType::MAX_LEN,
            ControllerProperty::ControllerId(_) => ControllerPropertyType::CONTROLLER_ID,
            ControllerProperty::Reason(_) => ControllerPropertyType::REASON,
            ControllerProperty::Userdata(_) => ControllerPropertyType::USERDATA,
            ControllerProperty::Pause => ControllerPropertyType::PAUSE,
            ControllerProperty::MeterId(_) => ControllerPropertyType::METER_ID,
            ControllerProperty::Unknown { property_type, .. } => *property_type,
        }
    }

    /// Six octets that have to be zero, then properties to the end.
    pub(super) fn parse_list(mut body: Reader<'_>) -> Result<Vec<ControllerProperty>, DecodeError> {
        body.take(6, "action.controller2.pad")?.zeros("action.controller2.must_be_zero")?;
        let mut properties = Vec::new();
        while !body.is_empty() {
            properties.push(ControllerProperty::parse(&mut body)?);
        }
        Ok(properties)
    }

    /// ```text
    /// type:16 len:16 value, padded to a multiple of 8; len counts no padding
    /// ```
    fn parse(reader: &mut Reader<'_>) -> Result<ControllerProperty, DecodeError> {
        let property_type = ControllerPropertyType(reader.u16("action_property.type")?);
        let length = reader.u16("action_property.len")?;
        // A length of at least the header is what makes progress certain.
        let mut body = reader.body(length, HEADER_LEN, "action_property.len")?;
        reader.skip(wire::padding(usize::from(length)), "action_property.pad")?;
        let whole = body.clone();
        let property = match property_type {
            ControllerPropertyType::MAX_LEN => ControllerProperty::MaxLen(body.u16("action_property.max_len")?),
            ControllerPropertyType::CONTROLLER_ID => {
                ControllerProperty::ControllerId(body.u16("action_property.controller_id")?)
            }
            ControllerPropertyType::REASON => {
                ControllerProperty::Reason(PacketInReason(body.u8("action_property.reason")?))
            }
            ControllerPropertyType::USERDATA => return Ok(ControllerProperty::Userdata(body.into_bytes())),
            ControllerPropertyType::PAUSE => ControllerProperty::Pause,
            ControllerPropertyType::METER_ID => ControllerProperty::MeterId(body.u32("action_property.meter_id")?),
            _ => return Ok(ControllerProperty::Unknown { property_type, body: body.into_bytes() }),
        };
        // Open vSwitch counts the padding of a number into its length; a value that is longer than that stays as it is.
        if body.is_empty() || (length == NUMBER_LEN && body.as_slice().iter().all(|octet| *octet == 0)) {
            Ok(property)
        } else {
            Ok(ControllerProperty::Unknown { property_type, body: whole.into_bytes() })
        }
    }

    pub(super) fn encode_list(properties: &[ControllerProperty], out: &mut BytesMut) {
        wire::put_zeros(out, 6);
        for property in properties {
            property.encode(out);
        }
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.property_type().0);
        out.put_u16(0);
        match self {
            // The padding of numbers counts: so does Open vSwitch.
            ControllerProperty::MaxLen(number) | ControllerProperty::ControllerId(number) => {
                out.put_u16(*number);
                wire::put_zeros(out, 2);
            }
            ControllerProperty::Reason(reason) => {
                out.put_u8(reason.0);
                wire::put_zeros(out, 3);
            }
            ControllerProperty::Userdata(octets) | ControllerProperty::Unknown { body: octets, .. } => {
                out.put_slice(octets);
            }
            ControllerProperty::Pause => {}
            ControllerProperty::MeterId(meter_id) => out.put_u32(*meter_id),
        }
        wire::patch_length(out, start, 2);
        wire::pad_from(out, start);
    }
}
