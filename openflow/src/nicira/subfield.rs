//! A run of bits of a field: what the register actions read and write.

use crate::oxm::OxmKind;

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
    /// All bits of a field; no bits of a field that has no row in the table of fields.
    pub fn whole(kind: OxmKind) -> Subfield {
        Subfield { kind, offset: 0, bits: kind.bits().unwrap_or(0) }
    }

    /// Some bits of a field.
    pub const fn new(kind: OxmKind, offset: u16, bits: u16) -> Subfield {
        Subfield { kind, offset, bits }
    }
}
