//! A run of bits of a field, and how actions name fields: by the header of a TLV without its value.

use bytes::{BufMut, BytesMut};
use net::DecodeError;

use crate::oxm::{CLASS_EXPERIMENTER, OxmKind, TUNNEL_METADATA_MAX};
use crate::wire::Reader;

/// Bits `offset` to `offset + bits - 1` of a field, counted from the least significant (`NXM_NX_REG0[4..7]`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subfield {
    /// Which field.
    pub kind: OxmKind,
    /// The lowest bit.
    pub offset: u16,
    /// How many bits.
    pub bits: u16,
}

impl Subfield {
    /// All bits of a field as Open vSwitch counts them; no bits of a field that has no row in the table of fields.
    pub fn whole(kind: OxmKind) -> Subfield {
        Subfield { kind, offset: 0, bits: kind.subfield_bits().unwrap_or(0) }
    }

    /// Some bits of a field.
    pub const fn new(kind: OxmKind, offset: u16, bits: u16) -> Subfield {
        Subfield { kind, offset, bits }
    }
}

/// What a 16-bit `ofs_nbits` can say: 10 bits of offset, and the number of bits minus 1 in 6 bits.
const OFFSET_BITS_SHIFT: u16 = 6;
/// The most bits that an `ofs_nbits` can say.
const OFFSET_BITS_MAX_BITS: u16 = 1 << OFFSET_BITS_SHIFT;
/// The highest offset that an `ofs_nbits` can say.
const OFFSET_BITS_MAX_OFFSET: u16 = u16::MAX >> OFFSET_BITS_SHIFT;

/// The highest offset and the most bits that an `ofs_nbits` can say.
pub(crate) const fn offset_bits_limits() -> (u16, u16) {
    (OFFSET_BITS_MAX_OFFSET, OFFSET_BITS_MAX_BITS)
}

/// Offset and number of bits from an `ofs_nbits`.
pub(super) const fn split_offset_bits(offset_bits: u16) -> (u16, u16) {
    (offset_bits >> OFFSET_BITS_SHIFT, (offset_bits & (OFFSET_BITS_MAX_BITS - 1)) + 1)
}

impl Subfield {
    /// `ofs_nbits`. What doesn't fit is cut off: it is a problem, and no field is as wide.
    pub(super) const fn offset_bits(self) -> u16 {
        self.offset << OFFSET_BITS_SHIFT | (self.bits.wrapping_sub(1) & (OFFSET_BITS_MAX_BITS - 1))
    }

    /// From an `ofs_nbits` that has been read and the 4-octet header of a field that follows.
    pub(super) fn parse(offset_bits: u16, reader: &mut Reader<'_>) -> Result<Option<Subfield>, DecodeError> {
        let (offset, bits) = split_offset_bits(offset_bits);
        Ok(parse_short_kind(reader)?.map(|kind| Subfield { kind, offset, bits }))
    }
}

/// A field by its header, of 4 octets or (class 0xffff) 8. `None` for a header that the table of fields has not: another number,
/// another length (but of a field of variable length), a mask.
pub(crate) fn parse_kind(reader: &mut Reader<'_>) -> Result<Option<OxmKind>, DecodeError> {
    let header = reader.u32("action.field")?;
    let experimenter =
        if header >> 16 == u32::from(CLASS_EXPERIMENTER) { reader.u32("action.field.experimenter")? } else { 0 };
    Ok(known_kind(header, experimenter))
}

/// The same where there is room for 4 octets only.
pub(super) fn parse_short_kind(reader: &mut Reader<'_>) -> Result<Option<OxmKind>, DecodeError> {
    Ok(known_kind(reader.u32("action.field")?, 0))
}

fn known_kind(header: u32, experimenter: u32) -> Option<OxmKind> {
    let kind = OxmKind { class: (header >> 16) as u16, field: (header >> 9 & 0x7f) as u8, experimenter };
    // Of a field of variable length Open vSwitch writes the length that is mapped, and reads any.
    let variable = kind.is_variable() && header >> 8 & 1 == 0 && (header & 0xff) as usize <= TUNNEL_METADATA_MAX;
    (variable || (has_header(kind) && header == short_header(kind))).then_some(kind)
}

/// Whether the table of fields says what the header of a field is.
fn has_header(kind: OxmKind) -> bool {
    kind.value_len().is_some() || kind.is_variable()
}

/// The first 4 octets of a field's header. A field of variable length has the greatest there; one without a row has none.
fn short_header(kind: OxmKind) -> u32 {
    let length = if kind.is_variable() { Some(TUNNEL_METADATA_MAX) } else { kind.value_len() };
    let payload = length.map_or(0, |length| length + kind.experimenter_len());
    kind.header(false, payload as u8)
}

/// The header of a field: 4 octets, or 8 of class 0xffff.
pub(crate) fn put_kind(out: &mut BytesMut, kind: OxmKind) {
    put_short_kind(out, kind);
    if kind.class == CLASS_EXPERIMENTER {
        out.put_u32(kind.experimenter);
    }
}

/// The same where there is room for 4 octets only.
pub(super) fn put_short_kind(out: &mut BytesMut, kind: OxmKind) {
    out.put_u32(short_header(kind));
}
