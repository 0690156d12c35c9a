//! OXM match fields: the one table of OpenFlow 1.3's fields, and a field as it stands in a TLV (OpenFlow 1.3.5 §7.2.3).
//!
//! A field of another class (Nicira's, an experimenter's) is data: its octets are kept.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use net::{DecodeError, DecodeErrorKind, MacAddr};
use nom::number::complete::be_u32;
use smallvec::SmallVec;

/// `OFPXMC_OPENFLOW_BASIC`: the class of the fields in the table below (OpenFlow 1.3.5 §7.2.3.3).
pub const CLASS_OPENFLOW_BASIC: u16 = 0x8000;
/// `OFPXMC_EXPERIMENTER`: the value starts with an experimenter id (OpenFlow 1.3.5 §7.2.3.9).
pub const CLASS_EXPERIMENTER: u16 = 0xffff;
/// `OFPVID_PRESENT`: set in `vlan_vid` if the packet has a VLAN tag (OpenFlow 1.3.5 §7.2.3.7).
pub const VID_PRESENT: u16 = 0x1000;
/// `OFPVID_NONE`: a `vlan_vid` for packets without a VLAN tag (OpenFlow 1.3.5 §7.2.3.7).
pub const VID_NONE: u16 = 0;

/// Which field: class and number, and the experimenter's id in class 0xffff (otherwise 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OxmKind {
    /// `oxm_class`.
    pub class: u16,
    /// `oxm_field`, 7 bits.
    pub field: u8,
    /// The experimenter id; 0 unless the class is [`CLASS_EXPERIMENTER`].
    pub experimenter: u32,
}

/// What has to be matched before a field has a meaning (OpenFlow 1.3.5 §7.2.3.8, table 12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prerequisite {
    /// Nothing.
    None,
    /// `in_port` is present.
    InPort,
    /// `vlan_vid` is present and is not [`VID_NONE`].
    VlanTag,
    /// `eth_type` is one of these.
    EthType(&'static [u16]),
    /// `ip_proto` is this.
    IpProto(u8),
    /// `icmpv6_type` is one of these.
    Icmpv6Type(&'static [u8]),
}

/// How a field's value is written as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notation {
    Decimal,
    Hex,
    Mac,
    Ipv4,
    Ipv6,
}

/// What the table says about one field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub name: &'static str,
    pub value_len: u8,
    pub bits: u16,
    pub maskable: bool,
    pub notation: Notation,
    pub prerequisite: Prerequisite,
}

const IPV4: &[u16] = &[0x0800];
const IPV6: &[u16] = &[0x86dd];
const IP: &[u16] = &[0x0800, 0x86dd];
const ARP: &[u16] = &[0x0806];
const MPLS: &[u16] = &[0x8847, 0x8848];
const PBB: &[u16] = &[0x88e7];

macro_rules! oxm_fields {
    ($($number:literal $constant:ident $name:literal $len:literal $bits:literal $maskable:literal $notation:ident
       $prerequisite:expr;)*) => {
        impl OxmKind {
            $(
                #[doc = concat!("`OFPXMT_OFB_", stringify!($constant), "`, ", stringify!($bits), " bits.")]
                pub const $constant: OxmKind = OxmKind::basic($number);
            )*

            /// All fields of OpenFlow 1.3, in the order of their numbers.
            pub const ALL: &[OxmKind] = &[$(OxmKind::$constant),*];
        }

        const ROWS: &[Row] = &[$(
            Row { name: $name, value_len: $len, bits: $bits, maskable: $maskable,
                  notation: Notation::$notation, prerequisite: $prerequisite },
        )*];
    };
}

// OpenFlow 1.3.5 §7.2.3.8, table 12. Columns: number, name, octets, bits, maskable, text form, prerequisite.
#[rustfmt::skip]
oxm_fields! {
     0 IN_PORT        "in_port"         4  32 false Decimal Prerequisite::None;
     1 IN_PHY_PORT    "in_phy_port"     4  32 false Decimal Prerequisite::InPort;
     2 METADATA       "metadata"        8  64 true  Hex     Prerequisite::None;
     3 ETH_DST        "eth_dst"         6  48 true  Mac     Prerequisite::None;
     4 ETH_SRC        "eth_src"         6  48 true  Mac     Prerequisite::None;
     5 ETH_TYPE       "eth_type"        2  16 false Hex     Prerequisite::None;
     6 VLAN_VID       "vlan_vid"        2  13 true  Hex     Prerequisite::None;
     7 VLAN_PCP       "vlan_pcp"        1   3 false Decimal Prerequisite::VlanTag;
     8 IP_DSCP        "ip_dscp"         1   6 false Decimal Prerequisite::EthType(IP);
     9 IP_ECN         "ip_ecn"          1   2 false Decimal Prerequisite::EthType(IP);
    10 IP_PROTO       "ip_proto"        1   8 false Decimal Prerequisite::EthType(IP);
    11 IPV4_SRC       "ipv4_src"        4  32 true  Ipv4    Prerequisite::EthType(IPV4);
    12 IPV4_DST       "ipv4_dst"        4  32 true  Ipv4    Prerequisite::EthType(IPV4);
    13 TCP_SRC        "tcp_src"         2  16 false Decimal Prerequisite::IpProto(6);
    14 TCP_DST        "tcp_dst"         2  16 false Decimal Prerequisite::IpProto(6);
    15 UDP_SRC        "udp_src"         2  16 false Decimal Prerequisite::IpProto(17);
    16 UDP_DST        "udp_dst"         2  16 false Decimal Prerequisite::IpProto(17);
    17 SCTP_SRC       "sctp_src"        2  16 false Decimal Prerequisite::IpProto(132);
    18 SCTP_DST       "sctp_dst"        2  16 false Decimal Prerequisite::IpProto(132);
    19 ICMPV4_TYPE    "icmpv4_type"     1   8 false Decimal Prerequisite::IpProto(1);
    20 ICMPV4_CODE    "icmpv4_code"     1   8 false Decimal Prerequisite::IpProto(1);
    21 ARP_OP         "arp_op"          2  16 false Decimal Prerequisite::EthType(ARP);
    22 ARP_SPA        "arp_spa"         4  32 true  Ipv4    Prerequisite::EthType(ARP);
    23 ARP_TPA        "arp_tpa"         4  32 true  Ipv4    Prerequisite::EthType(ARP);
    24 ARP_SHA        "arp_sha"         6  48 true  Mac     Prerequisite::EthType(ARP);
    25 ARP_THA        "arp_tha"         6  48 true  Mac     Prerequisite::EthType(ARP);
    26 IPV6_SRC       "ipv6_src"       16 128 true  Ipv6    Prerequisite::EthType(IPV6);
    27 IPV6_DST       "ipv6_dst"       16 128 true  Ipv6    Prerequisite::EthType(IPV6);
    28 IPV6_FLABEL    "ipv6_flabel"     4  20 true  Hex     Prerequisite::EthType(IPV6);
    29 ICMPV6_TYPE    "icmpv6_type"     1   8 false Decimal Prerequisite::IpProto(58);
    30 ICMPV6_CODE    "icmpv6_code"     1   8 false Decimal Prerequisite::IpProto(58);
    31 IPV6_ND_TARGET "ipv6_nd_target" 16 128 false Ipv6    Prerequisite::Icmpv6Type(&[135, 136]);
    32 IPV6_ND_SLL    "ipv6_nd_sll"     6  48 false Mac     Prerequisite::Icmpv6Type(&[135]);
    33 IPV6_ND_TLL    "ipv6_nd_tll"     6  48 false Mac     Prerequisite::Icmpv6Type(&[136]);
    34 MPLS_LABEL     "mpls_label"      4  20 false Decimal Prerequisite::EthType(MPLS);
    35 MPLS_TC        "mpls_tc"         1   3 false Decimal Prerequisite::EthType(MPLS);
    36 MPLS_BOS       "mpls_bos"        1   1 false Decimal Prerequisite::EthType(MPLS);
    37 PBB_ISID       "pbb_isid"        3  24 true  Hex     Prerequisite::EthType(PBB);
    38 TUNNEL_ID      "tunnel_id"       8  64 true  Hex     Prerequisite::None;
    39 IPV6_EXTHDR    "ipv6_exthdr"     2   9 true  Hex     Prerequisite::EthType(IPV6);
}

impl OxmKind {
    /// Field `field` of the class [`CLASS_OPENFLOW_BASIC`].
    pub const fn basic(field: u8) -> OxmKind {
        OxmKind { class: CLASS_OPENFLOW_BASIC, field, experimenter: 0 }
    }

    pub(crate) fn row(self) -> Option<&'static Row> {
        if self.class != CLASS_OPENFLOW_BASIC {
            return None;
        }
        ROWS.get(usize::from(self.field))
    }

    /// The specification's name in lower case (`eth_dst`), if OpenFlow 1.3 has this field.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// Octets of the value, without the mask, if OpenFlow 1.3 has this field.
    pub fn value_len(self) -> Option<usize> {
        self.row().map(|row| usize::from(row.value_len))
    }

    /// Bits of the value that have a meaning, if OpenFlow 1.3 has this field.
    pub fn bits(self) -> Option<u16> {
        self.row().map(|row| row.bits)
    }

    /// Whether a mask may follow the value, if OpenFlow 1.3 has this field.
    pub fn maskable(self) -> Option<bool> {
        self.row().map(|row| row.maskable)
    }

    /// What has to be matched before this field, if OpenFlow 1.3 has this field.
    pub fn prerequisite(self) -> Option<Prerequisite> {
        self.row().map(|row| row.prerequisite)
    }
}

impl fmt::Display for OxmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None if self.class == CLASS_EXPERIMENTER => {
                write!(f, "experimenter_{:#x}_{}", self.experimenter, self.field)
            }
            None => write!(f, "class_{:#x}_{}", self.class, self.field),
        }
    }
}

impl fmt::Debug for OxmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One field of a match, borrowed from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OxmField<'a> {
    /// Which field.
    pub kind: OxmKind,
    /// The value in network order.
    pub value: &'a [u8],
    /// The mask, as long as the value; 1 bits have to match. `None`: all bits.
    pub mask: Option<&'a [u8]>,
}

impl OxmField<'_> {
    /// The value as a number, if it has at most 8 octets.
    pub fn to_u64(self) -> Option<u64> {
        to_u64(self.value)
    }

    /// The field as a value of its own.
    pub fn to_owned(self) -> OxmFieldOwned {
        let mut tlv = SmallVec::new();
        put_tlv(&mut tlv, self.kind, self.value, self.mask);
        OxmFieldOwned { tlv }
    }

    /// Whether the mask, if there is one, covers every bit that has a meaning.
    pub fn is_exact(self) -> bool {
        let Some(mask) = self.mask else { return true };
        let Some(bits) = self.kind.bits() else { return mask.iter().all(|octet| *octet == 0xff) };
        let octets = mask.len();
        (0..octets).all(|index| {
            let needed = meaningful_bits(usize::from(bits), octets, index);
            mask.get(index).is_some_and(|octet| octet & needed == needed)
        })
    }
}

/// Which bits of octet `index` have a meaning in a value of `octets` octets with `bits` bits.
fn meaningful_bits(bits: usize, octets: usize, index: usize) -> u8 {
    let above = bits.saturating_sub(8 * (octets - 1 - index));
    if above >= 8 { 0xff } else { (1u16 << above).wrapping_sub(1) as u8 }
}

pub(crate) fn to_u64(octets: &[u8]) -> Option<u64> {
    if octets.len() > 8 {
        return None;
    }
    Some(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}

/// One field as a value of its own: the argument of a set-field action, or something to build a match from.
///
/// Holds the TLV as it stands on the wire, which is whole and of a length that fits its field by construction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OxmFieldOwned {
    tlv: SmallVec<[u8; INLINE_FIELD_LEN]>,
}

/// Octets of a TLV that an [`OxmFieldOwned`] holds without an allocation: an IPv6 address with its header.
const INLINE_FIELD_LEN: usize = 20;

impl OxmFieldOwned {
    /// A field of any kind. `None` if the value or the mask has not the length that the field has, or if both with the
    /// experimenter id don't fit in the 255 octets that a TLV can hold.
    pub fn new(kind: OxmKind, value: &[u8], mask: Option<&[u8]>) -> Option<OxmFieldOwned> {
        let payload = value.len() + mask.map_or(0, <[u8]>::len) + kind.experimenter_len();
        let fits = payload <= 255
            && mask.is_none_or(|mask| mask.len() == value.len())
            && kind.field < 0x80
            && (kind.class == CLASS_EXPERIMENTER || kind.experimenter == 0)
            && kind.value_len().is_none_or(|length| length == value.len());
        fits.then(|| OxmField { kind, value, mask }.to_owned())
    }

    /// A field that is a number, without a mask. `None` if the field is no number of at most 8 octets or the value is too big for it.
    pub fn number(kind: OxmKind, value: u64) -> Option<OxmFieldOwned> {
        let length = kind.value_len().filter(|length| *length <= 8)?;
        let octets = value.to_be_bytes();
        let (above, octets) = octets.split_at_checked(8 - length)?;
        if above.iter().any(|octet| *octet != 0) {
            return None;
        }
        OxmFieldOwned::new(kind, octets, None)
    }

    /// `eth_dst`.
    pub fn eth_dst(address: MacAddr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::ETH_DST, value: &address.0, mask: None }.to_owned()
    }

    /// `eth_src`.
    pub fn eth_src(address: MacAddr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::ETH_SRC, value: &address.0, mask: None }.to_owned()
    }

    /// `vlan_vid`, with [`VID_PRESENT`] already in it.
    pub fn vlan_vid(vid: u16) -> OxmFieldOwned {
        OxmField { kind: OxmKind::VLAN_VID, value: &vid.to_be_bytes(), mask: None }.to_owned()
    }

    /// `ipv4_src`.
    pub fn ipv4_src(address: Ipv4Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV4_SRC, value: &address.octets(), mask: None }.to_owned()
    }

    /// `ipv4_dst`.
    pub fn ipv4_dst(address: Ipv4Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV4_DST, value: &address.octets(), mask: None }.to_owned()
    }

    /// `ipv6_src`.
    pub fn ipv6_src(address: Ipv6Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV6_SRC, value: &address.octets(), mask: None }.to_owned()
    }

    /// `ipv6_dst`.
    pub fn ipv6_dst(address: Ipv6Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV6_DST, value: &address.octets(), mask: None }.to_owned()
    }

    /// From a TLV that [`first_tlv`] has accepted.
    pub(crate) fn from_valid_tlv(tlv: &[u8]) -> OxmFieldOwned {
        OxmFieldOwned { tlv: SmallVec::from_slice(tlv) }
    }

    /// The octets of the TLV, header first.
    pub fn as_tlv(&self) -> &[u8] {
        &self.tlv
    }

    /// Borrowed.
    pub fn as_field(&self) -> OxmField<'_> {
        split_tlv(&self.tlv).map_or(OxmField { kind: OxmKind::basic(0), value: &[], mask: None }, |(_, field, _)| field)
    }

    /// Which field.
    pub fn kind(&self) -> OxmKind {
        self.as_field().kind
    }
}

impl fmt::Debug for OxmFieldOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_field(), f)
    }
}

impl fmt::Display for OxmField<'_> {
    /// `eth_dst=02:00:00:00:00:01`, with `/mask` where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.value_text())
    }
}

/// Octets of a TLV's header (OpenFlow 1.3.5 §7.2.3.2).
pub(crate) const HEADER_LEN: usize = 4;

impl OxmKind {
    /// Octets of the experimenter id that stands before the value.
    pub(crate) const fn experimenter_len(self) -> usize {
        if self.class == CLASS_EXPERIMENTER { 4 } else { 0 }
    }

    pub(crate) fn header(self, has_mask: bool, payload: u8) -> u32 {
        u32::from(self.class) << 16 | u32::from(self.field) << 9 | u32::from(has_mask) << 8 | u32::from(payload)
    }
}

/// Appends a TLV whose lengths are known to fit.
pub(crate) fn put_tlv<A: smallvec::Array<Item = u8>>(
    out: &mut SmallVec<A>,
    kind: OxmKind,
    value: &[u8],
    mask: Option<&[u8]>,
) {
    let payload = value.len() + mask.map_or(0, <[u8]>::len) + kind.experimenter_len();
    out.extend_from_slice(&kind.header(mask.is_some(), payload as u8).to_be_bytes());
    if kind.class == CLASS_EXPERIMENTER {
        out.extend_from_slice(&kind.experimenter.to_be_bytes());
    }
    out.extend_from_slice(value);
    out.extend_from_slice(mask.unwrap_or_default());
}

/// Checks the first TLV in `octets` and returns its length with the header. Field names and offsets are those of the error.
pub(crate) fn first_tlv(octets: &[u8], offset: usize) -> Result<usize, DecodeError> {
    let Ok((rest, header)) = be_u32::<_, ()>(octets) else {
        return Err(DecodeError::truncated(offset, "oxm.header", HEADER_LEN, octets.len()));
    };
    let has_mask = header >> 8 & 1 != 0;
    let length = (header & 0xff) as usize;
    let class = (header >> 16) as u16;
    let kind = OxmKind { class, field: (header >> 9 & 0x7f) as u8, experimenter: 0 };
    let wrong = match kind.value_len() {
        Some(value_len) => length != value_len * (1 + usize::from(has_mask)),
        None => length < kind.experimenter_len(),
    };
    if wrong {
        return Err(DecodeError::new(offset + 3, "oxm.length", DecodeErrorKind::BadLength { length }));
    }
    if rest.len() < length {
        return Err(DecodeError::truncated(offset + HEADER_LEN, "oxm.value", length, rest.len()));
    }
    Ok(HEADER_LEN + length)
}

/// The first TLV in octets that have been checked: itself, its meaning, and what follows it.
pub(crate) fn split_tlv(octets: &[u8]) -> Option<(&[u8], OxmField<'_>, &[u8])> {
    let (header, _) = octets.split_first_chunk::<HEADER_LEN>()?;
    let header = u32::from_be_bytes(*header);
    let (tlv, rest) = octets.split_at_checked(HEADER_LEN + (header & 0xff) as usize)?;
    let mut payload = tlv.get(HEADER_LEN..)?;
    let mut kind = OxmKind { class: (header >> 16) as u16, field: (header >> 9 & 0x7f) as u8, experimenter: 0 };
    if kind.class == CLASS_EXPERIMENTER {
        let (experimenter, after) = payload.split_first_chunk::<4>()?;
        kind.experimenter = u32::from_be_bytes(*experimenter);
        payload = after;
    }
    let has_mask = header >> 8 & 1 != 0;
    // A field that we don't know may have a mask and an odd length: then it is all value.
    if has_mask && payload.len() % 2 == 0 {
        let (value, mask) = payload.split_at_checked(payload.len() / 2)?;
        return Some((tlv, OxmField { kind, value, mask: Some(mask) }, rest));
    }
    Some((tlv, OxmField { kind, value: payload, mask: None }, rest))
}

impl OxmField<'_> {
    /// `value` or `value/mask` in the field's usual form.
    pub fn value_text(&self) -> String {
        let notation = self.kind.row().map(|row| row.notation);
        let value = octets_text(self.value, notation);
        match self.mask {
            Some(mask) => {
                // A decimal mask can't be read.
                let notation =
                    notation.map(|notation| if notation == Notation::Decimal { Notation::Hex } else { notation });
                format!("{value}/{}", octets_text(mask, notation))
            }
            None => value,
        }
    }

    /// Whether the text form is a plain decimal number.
    #[cfg(feature = "serde")]
    pub(crate) fn as_decimal(&self) -> Option<u64> {
        match self.kind.row() {
            Some(row) if row.notation == Notation::Decimal && self.mask.is_none() => self.to_u64(),
            _ => None,
        }
    }
}

fn octets_text(octets: &[u8], notation: Option<Notation>) -> String {
    match (notation, octets.len()) {
        (Some(Notation::Decimal), _) => to_u64(octets).map(|number| number.to_string()),
        (Some(Notation::Hex), length) => {
            to_u64(octets).map(|number| format!("{number:#0width$x}", width = 2 + 2 * length))
        }
        (Some(Notation::Mac), _) => <[u8; 6]>::try_from(octets).ok().map(|octets| MacAddr(octets).to_string()),
        (Some(Notation::Ipv4), _) => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
        (Some(Notation::Ipv6), _) => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        (None, _) => None,
    }
    .unwrap_or_else(|| octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_40_fields_of_openflow_1_3() {
        assert_eq!(OxmKind::ALL.len(), 40);
        for (number, kind) in OxmKind::ALL.iter().enumerate() {
            assert_eq!(usize::from(kind.field), number);
            let (octets, bits) = (kind.value_len().unwrap(), usize::from(kind.bits().unwrap()));
            assert!(bits <= octets * 8, "{kind}");
        }
        assert_eq!(OxmKind::basic(40).name(), None);
    }

    #[test]
    fn a_field_has_the_length_of_the_table() {
        assert!(OxmFieldOwned::new(OxmKind::IN_PORT, &[0, 0, 1], None).is_none());
        assert!(OxmFieldOwned::new(OxmKind::ETH_DST, &[0; 6], Some(&[0; 5])).is_none());
        assert!(OxmFieldOwned::new(OxmKind { class: 1, field: 3, experimenter: 0 }, &[0; 256], None).is_none());
        assert!(OxmFieldOwned::new(OxmKind { class: 1, field: 0x80, experimenter: 0 }, &[], None).is_none());
        assert!(OxmFieldOwned::number(OxmKind::TCP_DST, 65_536).is_none());
        assert!(OxmFieldOwned::number(OxmKind::IPV6_DST, 1).is_none());
        assert_eq!(OxmFieldOwned::number(OxmKind::PBB_ISID, 7).unwrap().as_tlv(), [0x80, 0, 0x4a, 3, 0, 0, 7]);
    }

    #[test]
    fn an_experimenter_field_keeps_its_id_before_value_and_mask() {
        let kind = OxmKind { class: CLASS_EXPERIMENTER, field: 42, experimenter: 0x4f4e_4600 };
        let field = OxmFieldOwned::new(kind, &[0, 2], Some(&[0, 3])).unwrap();
        assert_eq!(field.as_tlv(), [0xff, 0xff, 0x55, 8, 0x4f, 0x4e, 0x46, 0, 0, 2, 0, 3]);
        assert_eq!(first_tlv(field.as_tlv(), 0), Ok(12));
        assert_eq!(field.as_field(), OxmField { kind, value: &[0, 2], mask: Some(&[0, 3]) });
    }

    #[test]
    fn a_mask_is_exact_when_it_covers_the_bits_that_mean_something() {
        let exact = |kind: OxmKind, value: &[u8], mask: &[u8]| {
            OxmFieldOwned::new(kind, value, Some(mask)).unwrap().as_field().is_exact()
        };
        assert!(exact(OxmKind::VLAN_VID, &[0, 5], &[0x1f, 0xff]));
        assert!(!exact(OxmKind::VLAN_VID, &[0, 5], &[0x0f, 0xff]));
        assert!(exact(OxmKind::IPV6_FLABEL, &[0; 4], &[0, 0x0f, 0xff, 0xff]));
        assert!(!exact(OxmKind::ETH_DST, &[0; 6], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]));
    }

    #[test]
    fn values_are_written_in_their_usual_form() {
        let text = |kind, value: &[u8], mask: Option<&[u8]>| {
            OxmFieldOwned::new(kind, value, mask).unwrap().as_field().to_string()
        };
        assert_eq!(text(OxmKind::IN_PORT, &[0, 0, 0, 9], None), "in_port=9");
        assert_eq!(text(OxmKind::ETH_TYPE, &[8, 0], None), "eth_type=0x0800");
        assert_eq!(text(OxmKind::ETH_SRC, &[2, 0, 0, 0, 0, 1], None), "eth_src=02:00:00:00:00:01");
        assert_eq!(text(OxmKind::IPV4_DST, &[10, 0, 0, 0], Some(&[255, 0, 0, 0])), "ipv4_dst=10.0.0.0/255.0.0.0");
        let kind = OxmKind { class: 1, field: 3, experimenter: 0 };
        assert_eq!(text(kind, &[0xab, 1], None), "class_0x1_3=ab01");
    }
}
