//! Ethernet II (IEEE 802.3 §3.1.1) with 802.1Q and 802.1ad tags (IEEE 802.1Q §9.6).

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use crate::{DecodeError, DecodeErrorKind, MacAddr};

/// Tags that one header holds. Networks stack two (802.1ad); what comes after the fourth stays payload and is an error of the packet.
pub const MAX_VLAN_TAGS: usize = 4;

/// An ethertype (IEEE 802 §9.2). Below 0x0600 it is the length of an 802.3 LLC frame instead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP.
    pub const ARP: EtherType = EtherType(0x0806);
    /// 802.1Q customer tag.
    pub const VLAN: EtherType = EtherType(0x8100);
    /// IPv6.
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// MPLS unicast.
    pub const MPLS: EtherType = EtherType(0x8847);
    /// 802.1ad service tag.
    pub const PROVIDER_VLAN: EtherType = EtherType(0x88a8);
    /// LLDP (IEEE 802.1AB).
    pub const LLDP: EtherType = EtherType(0x88cc);

    /// Whether the number is the length of an 802.3 frame and not a type.
    pub const fn is_length(self) -> bool {
        self.0 < 0x0600
    }

    const fn is_tag(self) -> bool {
        matches!(self, EtherType::VLAN | EtherType::PROVIDER_VLAN)
    }
}

impl std::fmt::Debug for EtherType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// One VLAN tag.
///
/// ```text
/// | TPID 16 | PCP 3 | DEI 1 | VID 12 |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VlanTag {
    /// [`EtherType::VLAN`] or [`EtherType::PROVIDER_VLAN`].
    pub tpid: EtherType,
    /// Priority code point, 0 to 7.
    pub priority: u8,
    /// Drop eligible.
    pub drop_eligible: bool,
    /// The VLAN id as it stands in the tag: 0 is a priority tag, 4095 is reserved.
    pub vlan_id: u16,
}

/// At most [`MAX_VLAN_TAGS`] tags, outermost first, inline.
#[derive(Clone, Copy)]
pub struct VlanTags {
    tags: [VlanTag; MAX_VLAN_TAGS],
    len: usize,
}

impl VlanTags {
    /// No tags.
    pub const NONE: VlanTags = VlanTags {
        tags: [VlanTag { tpid: EtherType::VLAN, priority: 0, drop_eligible: false, vlan_id: 0 }; MAX_VLAN_TAGS],
        len: 0,
    };

    /// The first [`MAX_VLAN_TAGS`] of `tags`.
    pub fn new(tags: &[VlanTag]) -> VlanTags {
        let mut list = VlanTags::NONE;
        for tag in tags {
            list.push(*tag);
        }
        list
    }

    /// The tags, outermost first.
    pub fn as_slice(&self) -> &[VlanTag] {
        self.tags.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, tag: VlanTag) {
        if let Some(slot) = self.tags.get_mut(self.len) {
            *slot = tag;
            self.len += 1;
        }
    }
}

impl PartialEq for VlanTags {
    fn eq(&self, other: &VlanTags) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for VlanTags {}

impl std::fmt::Debug for VlanTags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// Addresses, tags, ethertype: 14 octets and four for each tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EthernetHeader {
    /// To whom.
    pub destination: MacAddr,
    /// From whom.
    pub source: MacAddr,
    /// VLAN tags, outermost first.
    pub tags: VlanTags,
    /// What the payload is.
    pub ethertype: EtherType,
}

impl EthernetHeader {
    /// An untagged header.
    pub const fn new(source: MacAddr, destination: MacAddr, ethertype: EtherType) -> EthernetHeader {
        EthernetHeader { destination, source, tags: VlanTags::NONE, ethertype }
    }

    /// The header and the payload behind it.
    pub fn parse(frame: &[u8]) -> Result<(EthernetHeader, &[u8]), DecodeError> {
        let mut reader = Reader::new(frame);
        let destination = reader.mac("ethernet.destination")?;
        let source = reader.mac("ethernet.source")?;
        let mut ethertype = EtherType(reader.u16("ethernet.ethertype")?);
        let mut tags = VlanTags::NONE;
        while ethertype.is_tag() && tags.len < MAX_VLAN_TAGS {
            let tci = reader.u16("ethernet.vlan_tag")?;
            tags.push(VlanTag {
                tpid: ethertype,
                priority: (tci >> 13) as u8,
                drop_eligible: tci & 0x1000 != 0,
                vlan_id: tci & 0x0fff,
            });
            ethertype = EtherType(reader.u16("ethernet.ethertype")?);
        }
        Ok((EthernetHeader { destination, source, tags, ethertype }, reader.rest()))
    }

    /// Appends the header. Bits of a tag's fields beyond their width are cut off.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.destination.0);
        out.put_slice(&self.source.0);
        for tag in self.tags.as_slice() {
            out.put_u16(tag.tpid.0);
            let dei = if tag.drop_eligible { 0x1000 } else { 0 };
            out.put_u16((u16::from(tag.priority & 7) << 13) | dei | (tag.vlan_id & 0x0fff));
        }
        out.put_u16(self.ethertype.0);
    }
}

/// A tag too many: said of the payload behind the last tag that was read, two octets after that tag's ethertype.
pub(super) const fn too_many_tags(ethertype: EtherType) -> DecodeError {
    DecodeError::new(0, "ethernet.vlan_tag", DecodeErrorKind::BadType { value: ethertype.0 as u32 })
}
