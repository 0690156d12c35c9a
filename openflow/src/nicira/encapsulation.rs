//! `encap`: putting a header in front of a packet (`NXAST_ENCAP`).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::wire::{self, Reader};

/// `encap(…)`: puts a header in front of the packet (`NXAST_ENCAP`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Encap {
    /// Octets of the header; 0 for not said.
    pub header_size: u16,
    /// The header and what the packet becomes: a name space in the upper 16 bits, a type in the lower.
    pub packet_type: u32,
    /// What goes into the header.
    pub properties: Vec<EncapProperty>,
}

/// One property of an [`Encap`] (`struct ofp_ed_prop_header`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EncapProperty {
    /// Whose property it is (`prop_class`).
    pub class: u16,
    /// Which (`type`).
    pub property_type: u8,
    /// What follows the 4-octet header, without the padding.
    pub body: Bytes,
}

/// Octets of the class, the type and the length that every property starts with.
const HEADER_LEN: usize = 4;

impl Encap {
    /// ```text
    /// hdr_size:16 new_pkt_type:32 properties
    /// ```
    pub(super) fn parse(mut body: Reader<'_>) -> Result<Encap, DecodeError> {
        let header_size = body.u16("action.encap.hdr_size")?;
        let packet_type = body.u32("action.encap.new_pkt_type")?;
        let mut properties = Vec::new();
        while !body.is_empty() {
            properties.push(EncapProperty::parse(&mut body)?);
        }
        Ok(Encap { header_size, packet_type, properties })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.header_size);
        out.put_u32(self.packet_type);
        for property in &self.properties {
            property.encode(out);
        }
    }
}

impl EncapProperty {
    /// ```text
    /// class:16 type:8 len:8 value, padded to a multiple of 8; len counts no padding
    /// ```
    fn parse(reader: &mut Reader<'_>) -> Result<EncapProperty, DecodeError> {
        let class = reader.u16("action.encap.property.class")?;
        let property_type = reader.u8("action.encap.property.type")?;
        let length = usize::from(reader.u8("action.encap.property.len")?);
        // A length of at least the header is what makes progress certain.
        let Some(value) = length.checked_sub(HEADER_LEN) else {
            return Err(reader.error("action.encap.property.len", DecodeErrorKind::BadLength { length }));
        };
        let body = reader.bytes(value, "action.encap.property.len")?;
        reader.skip(wire::padding(length), "action.encap.property.pad")?;
        Ok(EncapProperty { class, property_type, body })
    }

    /// A value that is too long for the 8-bit length is cut off.
    fn encode(&self, out: &mut BytesMut) {
        let value = self.body.get(..usize::from(u8::MAX) - HEADER_LEN).unwrap_or(&self.body);
        out.put_u16(self.class);
        out.put_u8(self.property_type);
        out.put_u8((HEADER_LEN + value.len()) as u8);
        out.put_slice(value);
        wire::put_zeros(out, wire::padding(HEADER_LEN + value.len()));
    }
}
