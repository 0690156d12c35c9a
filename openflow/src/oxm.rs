//! OXM match fields: the one table of OpenFlow 1.3's fields, and a field as it stands in a TLV (OpenFlow 1.3.5 §7.2.3).
//!
//! A field of another class (Nicira's, an experimenter's) is data: its octets are kept.

use std::fmt;

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
    pub constant: &'static str,
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
            Row { name: $name, constant: stringify!($constant), value_len: $len, bits: $bits, maskable: $maskable,
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

/// One field as a value of its own: the argument of a set-field action, or something to build a match from.
///
/// Holds the TLV as it stands on the wire, which is valid by construction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OxmFieldOwned {
    pub(crate) tlv: SmallVec<[u8; INLINE_FIELD_LEN]>,
}

/// Octets of a TLV that an [`OxmFieldOwned`] holds without an allocation: an IPv6 address with its header.
const INLINE_FIELD_LEN: usize = 20;
