//! `encap`: putting a header in front of a packet (`NXAST_ENCAP`).

use bytes::Bytes;

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
