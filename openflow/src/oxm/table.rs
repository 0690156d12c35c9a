//! THE table of match fields: OpenFlow 1.3's (OpenFlow 1.3.5 §7.2.3.8, table 12) and those that Open vSwitch 3.1 adds (ovs-fields(7)).
//!
//! Everything that depends on a field follows from its row: decoding, checks, text, JSON, what a match can be built of. A field that
//! is no row is data.

use super::{
    CLASS_ERICSSON, CLASS_EXPERIMENTER, CLASS_NXM_0, CLASS_NXM_1, CLASS_OPENFLOW_BASIC, CLASS_PACKET_REGISTERS,
    EXPERIMENTER_NICIRA, EXPERIMENTER_NSH, EXPERIMENTER_ONF, OxmKind, Prerequisite, text::Notation,
};

/// What the table says about one field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub kind: OxmKind,
    /// `OXM_OF_ETH_DST`, `NXM_NX_REG0`.
    pub header: &'static str,
    /// The one name that no other row has: the specification's in lower case, Open vSwitch's for a field that it alone has.
    pub name: &'static str,
    /// ovs-ofctl's name of the field in actions.
    pub ovs: &'static str,
    /// ovs-ofctl's name of the field in matches.
    pub flow: &'static str,
    /// Octets of the value; the most there may be where the length is variable.
    pub value_len: u8,
    pub bits: u16,
    pub maskable: bool,
    pub writable: bool,
    pub notation: Notation,
    pub prerequisite: Prerequisite,
    /// The row that is the same field with the same octets under another number; itself where there is none.
    pub canonical: OxmKind,
}

const MASK: bool = true;
const FULL: bool = false;
const RW: bool = true;
const RO: bool = false;

const NONE: Prerequisite = Prerequisite::None;
const IN_PORT: Prerequisite = Prerequisite::InPort;
const TAG: Prerequisite = Prerequisite::VlanTag;
const IPV4: Prerequisite = Prerequisite::EthType(&[0x0800]);
const IPV6: Prerequisite = Prerequisite::EthType(&[0x86dd]);
const IP: Prerequisite = Prerequisite::EthType(&[0x0800, 0x86dd]);
/// Open vSwitch takes the fields of ARP for RARP, too.
const ARP: Prerequisite = Prerequisite::EthType(&[0x0806, 0x8035]);
const MPLS: Prerequisite = Prerequisite::EthType(&[0x8847, 0x8848]);
const PBB: Prerequisite = Prerequisite::EthType(&[0x88e7]);
const NSH: Prerequisite = Prerequisite::EthType(&[0x894f]);
const ICMP: Prerequisite = Prerequisite::IpProto(1);
const TCP: Prerequisite = Prerequisite::IpProto(6);
const UDP: Prerequisite = Prerequisite::IpProto(17);
const ICMPV6: Prerequisite = Prerequisite::IpProto(58);
const SCTP: Prerequisite = Prerequisite::IpProto(132);
const ND: Prerequisite = Prerequisite::Icmpv6Type(&[135, 136]);
const ND_NS: Prerequisite = Prerequisite::Icmpv6Type(&[135]);
const ND_NA: Prerequisite = Prerequisite::Icmpv6Type(&[136]);
const TRACKED: Prerequisite = Prerequisite::Tracked;

macro_rules! oxm_fields {
    ($($class:ident $number:literal $constant:ident $header:literal $name:literal $ovs:literal $flow:literal
       $len:literal $bits:literal $maskable:ident $writable:ident $notation:ident $prerequisite:ident $canonical:ident;)*) => {
        impl OxmKind {
            $(
                #[doc = concat!("`", $header, "`, ", stringify!($bits), " bits.")]
                pub const $constant: OxmKind = OxmKind::$class($number);
            )*

            /// Every field that has a row in the table: OpenFlow 1.3's first, then those of Open vSwitch by class and number.
            pub const KNOWN: &[OxmKind] = &[$(OxmKind::$constant),*];
        }

        pub(super) const ROWS: &[Row] = &[$(
            Row { kind: OxmKind::$constant, header: $header, name: $name, ovs: $ovs, flow: $flow, value_len: $len, bits: $bits,
                  maskable: $maskable, writable: $writable, notation: Notation::$notation, prerequisite: $prerequisite,
                  canonical: OxmKind::$canonical },
        )*];
    };
}

// Columns: class, number, constant, header's name, name, ovs-ofctl's name in actions, the same in matches, octets, bits with a meaning,
// may be masked, may be set (by Open vSwitch), text form, prerequisite, the same field in its usual class. Where OpenFlow 1.3 and Open
// vSwitch differ in masks, the more tolerant has it: ports of TCP, UDP and SCTP and the fields of Neighbour Discovery can be masked there.
#[rustfmt::skip]
oxm_fields! {
    // OpenFlow 1.3.5 §7.2.3.8, table 12. 42 to 44 are OpenFlow 1.5's; Open vSwitch takes them on 1.3, too.
    basic  0 IN_PORT               "OXM_OF_IN_PORT"        "in_port"         "in_port_oxm"    "in_port"         4  32 FULL RW Decimal     NONE    IN_PORT;
    basic  1 IN_PHY_PORT           "OXM_OF_IN_PHY_PORT"    "in_phy_port"     "in_phy_port"    "in_phy_port"     4  32 FULL RO Decimal     IN_PORT IN_PHY_PORT;
    basic  2 METADATA              "OXM_OF_METADATA"       "metadata"        "metadata"       "metadata"        8  64 MASK RW Hex         NONE    METADATA;
    basic  3 ETH_DST               "OXM_OF_ETH_DST"        "eth_dst"         "eth_dst"        "dl_dst"          6  48 MASK RW Mac         NONE    ETH_DST;
    basic  4 ETH_SRC               "OXM_OF_ETH_SRC"        "eth_src"         "eth_src"        "dl_src"          6  48 MASK RW Mac         NONE    ETH_SRC;
    basic  5 ETH_TYPE              "OXM_OF_ETH_TYPE"       "eth_type"        "eth_type"       "dl_type"         2  16 FULL RO Hex         NONE    ETH_TYPE;
    basic  6 VLAN_VID              "OXM_OF_VLAN_VID"       "vlan_vid"        "vlan_vid"       "dl_vlan"         2  13 MASK RW Hex         NONE    VLAN_VID;
    basic  7 VLAN_PCP              "OXM_OF_VLAN_PCP"       "vlan_pcp"        "vlan_pcp"       "dl_vlan_pcp"     1   3 FULL RW Decimal     TAG     VLAN_PCP;
    basic  8 IP_DSCP               "OXM_OF_IP_DSCP"        "ip_dscp"         "ip_dscp"        "nw_tos"          1   6 FULL RW Decimal     IP      IP_DSCP;
    basic  9 IP_ECN                "OXM_OF_IP_ECN"         "ip_ecn"          "nw_ecn"         "nw_ecn"          1   2 FULL RW Decimal     IP      IP_ECN;
    basic 10 IP_PROTO              "OXM_OF_IP_PROTO"       "ip_proto"        "nw_proto"       "nw_proto"        1   8 FULL RO Decimal     IP      IP_PROTO;
    basic 11 IPV4_SRC              "OXM_OF_IPV4_SRC"       "ipv4_src"        "ip_src"         "nw_src"          4  32 MASK RW Ipv4        IPV4    IPV4_SRC;
    basic 12 IPV4_DST              "OXM_OF_IPV4_DST"       "ipv4_dst"        "ip_dst"         "nw_dst"          4  32 MASK RW Ipv4        IPV4    IPV4_DST;
    basic 13 TCP_SRC               "OXM_OF_TCP_SRC"        "tcp_src"         "tcp_src"        "tp_src"          2  16 MASK RW Decimal     TCP     TCP_SRC;
    basic 14 TCP_DST               "OXM_OF_TCP_DST"        "tcp_dst"         "tcp_dst"        "tp_dst"          2  16 MASK RW Decimal     TCP     TCP_DST;
    basic 15 UDP_SRC               "OXM_OF_UDP_SRC"        "udp_src"         "udp_src"        "tp_src"          2  16 MASK RW Decimal     UDP     UDP_SRC;
    basic 16 UDP_DST               "OXM_OF_UDP_DST"        "udp_dst"         "udp_dst"        "tp_dst"          2  16 MASK RW Decimal     UDP     UDP_DST;
    basic 17 SCTP_SRC              "OXM_OF_SCTP_SRC"       "sctp_src"        "sctp_src"       "tp_src"          2  16 MASK RW Decimal     SCTP    SCTP_SRC;
    basic 18 SCTP_DST              "OXM_OF_SCTP_DST"       "sctp_dst"        "sctp_dst"       "tp_dst"          2  16 MASK RW Decimal     SCTP    SCTP_DST;
    basic 19 ICMPV4_TYPE           "OXM_OF_ICMPV4_TYPE"    "icmpv4_type"     "icmp_type"      "icmp_type"       1   8 FULL RW Decimal     ICMP    ICMPV4_TYPE;
    basic 20 ICMPV4_CODE           "OXM_OF_ICMPV4_CODE"    "icmpv4_code"     "icmp_code"      "icmp_code"       1   8 FULL RW Decimal     ICMP    ICMPV4_CODE;
    basic 21 ARP_OP                "OXM_OF_ARP_OP"         "arp_op"          "arp_op"         "arp_op"          2  16 FULL RW Decimal     ARP     ARP_OP;
    basic 22 ARP_SPA               "OXM_OF_ARP_SPA"        "arp_spa"         "arp_spa"        "arp_spa"         4  32 MASK RW Ipv4        ARP     ARP_SPA;
    basic 23 ARP_TPA               "OXM_OF_ARP_TPA"        "arp_tpa"         "arp_tpa"        "arp_tpa"         4  32 MASK RW Ipv4        ARP     ARP_TPA;
    basic 24 ARP_SHA               "OXM_OF_ARP_SHA"        "arp_sha"         "arp_sha"        "arp_sha"         6  48 MASK RW Mac         ARP     ARP_SHA;
    basic 25 ARP_THA               "OXM_OF_ARP_THA"        "arp_tha"         "arp_tha"        "arp_tha"         6  48 MASK RW Mac         ARP     ARP_THA;
    basic 26 IPV6_SRC              "OXM_OF_IPV6_SRC"       "ipv6_src"        "ipv6_src"       "ipv6_src"       16 128 MASK RW Ipv6        IPV6    IPV6_SRC;
    basic 27 IPV6_DST              "OXM_OF_IPV6_DST"       "ipv6_dst"        "ipv6_dst"       "ipv6_dst"       16 128 MASK RW Ipv6        IPV6    IPV6_DST;
    basic 28 IPV6_FLABEL           "OXM_OF_IPV6_FLABEL"    "ipv6_flabel"     "ipv6_label"     "ipv6_label"      4  20 MASK RW Hex         IPV6    IPV6_FLABEL;
    basic 29 ICMPV6_TYPE           "OXM_OF_ICMPV6_TYPE"    "icmpv6_type"     "icmpv6_type"    "icmp_type"       1   8 FULL RW Decimal     ICMPV6  ICMPV6_TYPE;
    basic 30 ICMPV6_CODE           "OXM_OF_ICMPV6_CODE"    "icmpv6_code"     "icmpv6_code"    "icmp_code"       1   8 FULL RW Decimal     ICMPV6  ICMPV6_CODE;
    basic 31 IPV6_ND_TARGET        "OXM_OF_IPV6_ND_TARGET" "ipv6_nd_target"  "nd_target"      "nd_target"      16 128 MASK RW Ipv6        ND      IPV6_ND_TARGET;
    basic 32 IPV6_ND_SLL           "OXM_OF_IPV6_ND_SLL"    "ipv6_nd_sll"     "nd_sll"         "nd_sll"          6  48 MASK RW Mac         ND_NS   IPV6_ND_SLL;
    basic 33 IPV6_ND_TLL           "OXM_OF_IPV6_ND_TLL"    "ipv6_nd_tll"     "nd_tll"         "nd_tll"          6  48 MASK RW Mac         ND_NA   IPV6_ND_TLL;
    basic 34 MPLS_LABEL            "OXM_OF_MPLS_LABEL"     "mpls_label"      "mpls_label"     "mpls_label"      4  20 FULL RW Decimal     MPLS    MPLS_LABEL;
    basic 35 MPLS_TC               "OXM_OF_MPLS_TC"        "mpls_tc"         "mpls_tc"        "mpls_tc"         1   3 FULL RW Decimal     MPLS    MPLS_TC;
    basic 36 MPLS_BOS              "OXM_OF_MPLS_BOS"       "mpls_bos"        "mpls_bos"       "mpls_bos"        1   1 FULL RO Decimal     MPLS    MPLS_BOS;
    basic 37 PBB_ISID              "OXM_OF_PBB_ISID"       "pbb_isid"        "pbb_isid"       "pbb_isid"        3  24 MASK RO Hex         PBB     PBB_ISID;
    basic 38 TUNNEL_ID             "OXM_OF_TUNNEL_ID"      "tunnel_id"       "tun_id"         "tun_id"          8  64 MASK RW Hex         NONE    TUNNEL_ID;
    basic 39 IPV6_EXTHDR           "OXM_OF_IPV6_EXTHDR"    "ipv6_exthdr"     "ipv6_exthdr"    "ipv6_exthdr"     2   9 MASK RO Hex         IPV6    IPV6_EXTHDR;
    basic 42 OXM_OF_TCP_FLAGS      "OXM_OF_TCP_FLAGS"      "oxm_of_tcp_flags" "tcp_flags"      "tcp_flags"       2  12 MASK RO TcpFlags    TCP     TCP_FLAGS;
    basic 43 OXM_OF_ACTSET_OUTPUT  "OXM_OF_ACTSET_OUTPUT"  "oxm_of_actset_output" "actset_output"  "actset_output"   4  32 FULL RO Decimal     NONE    ACTSET_OUTPUT;
    basic 44 PACKET_TYPE           "OXM_OF_PACKET_TYPE"    "packet_type"     "packet_type"    "packet_type"     4  32 FULL RO PacketType  NONE    PACKET_TYPE;
    // OXM_OF_PKT_REG*: OpenFlow 1.5.1 §7.2.3.10, packet registers.
    packet_register  0 XREG0 "OXM_OF_PKT_REG0" "pkt_reg0" "xreg0" "xreg0"   8  64 MASK RW Hex         NONE    XREG0;
    packet_register  1 XREG1 "OXM_OF_PKT_REG1" "pkt_reg1" "xreg1" "xreg1"   8  64 MASK RW Hex         NONE    XREG1;
    packet_register  2 XREG2 "OXM_OF_PKT_REG2" "pkt_reg2" "xreg2" "xreg2"   8  64 MASK RW Hex         NONE    XREG2;
    packet_register  3 XREG3 "OXM_OF_PKT_REG3" "pkt_reg3" "xreg3" "xreg3"   8  64 MASK RW Hex         NONE    XREG3;
    packet_register  4 XREG4 "OXM_OF_PKT_REG4" "pkt_reg4" "xreg4" "xreg4"   8  64 MASK RW Hex         NONE    XREG4;
    packet_register  5 XREG5 "OXM_OF_PKT_REG5" "pkt_reg5" "xreg5" "xreg5"   8  64 MASK RW Hex         NONE    XREG5;
    packet_register  6 XREG6 "OXM_OF_PKT_REG6" "pkt_reg6" "xreg6" "xreg6"   8  64 MASK RW Hex         NONE    XREG6;
    packet_register  7 XREG7 "OXM_OF_PKT_REG7" "pkt_reg7" "xreg7" "xreg7"   8  64 MASK RW Hex         NONE    XREG7;
    // NXM_OF_*: the fields of OpenFlow 1.0 as Nicira numbered them.
    nxm_0  0 NXM_OF_IN_PORT   "NXM_OF_IN_PORT"   "nxm_of_in_port"   "in_port"   "in_port"    2  16 FULL RW Decimal     NONE    NXM_OF_IN_PORT;
    nxm_0  1 NXM_OF_ETH_DST   "NXM_OF_ETH_DST"   "nxm_of_eth_dst"   "eth_dst"   "dl_dst"     6  48 MASK RW Mac         NONE    ETH_DST;
    nxm_0  2 NXM_OF_ETH_SRC   "NXM_OF_ETH_SRC"   "nxm_of_eth_src"   "eth_src"   "dl_src"     6  48 MASK RW Mac         NONE    ETH_SRC;
    nxm_0  3 NXM_OF_ETH_TYPE  "NXM_OF_ETH_TYPE"  "nxm_of_eth_type"  "eth_type"  "dl_type"    2  16 FULL RO Hex         NONE    ETH_TYPE;
    nxm_0  4 VLAN_TCI         "NXM_OF_VLAN_TCI"  "vlan_tci"         "vlan_tci"  "vlan_tci"   2  16 MASK RW Hex         NONE    VLAN_TCI;
    nxm_0  5 NXM_OF_IP_TOS    "NXM_OF_IP_TOS"    "nxm_of_ip_tos"    "nw_tos"    "nw_tos"     1   8 FULL RW Decimal     IP      NXM_OF_IP_TOS;
    nxm_0  6 NXM_OF_IP_PROTO  "NXM_OF_IP_PROTO"  "nxm_of_ip_proto"  "nw_proto"  "nw_proto"   1   8 FULL RO Decimal     IP      IP_PROTO;
    nxm_0  7 NXM_OF_IP_SRC    "NXM_OF_IP_SRC"    "nxm_of_ip_src"    "ip_src"    "nw_src"     4  32 MASK RW Ipv4        IPV4    IPV4_SRC;
    nxm_0  8 NXM_OF_IP_DST    "NXM_OF_IP_DST"    "nxm_of_ip_dst"    "ip_dst"    "nw_dst"     4  32 MASK RW Ipv4        IPV4    IPV4_DST;
    nxm_0  9 NXM_OF_TCP_SRC   "NXM_OF_TCP_SRC"   "nxm_of_tcp_src"   "tcp_src"   "tp_src"     2  16 MASK RW Decimal     TCP     TCP_SRC;
    nxm_0 10 NXM_OF_TCP_DST   "NXM_OF_TCP_DST"   "nxm_of_tcp_dst"   "tcp_dst"   "tp_dst"     2  16 MASK RW Decimal     TCP     TCP_DST;
    nxm_0 11 NXM_OF_UDP_SRC   "NXM_OF_UDP_SRC"   "nxm_of_udp_src"   "udp_src"   "tp_src"     2  16 MASK RW Decimal     UDP     UDP_SRC;
    nxm_0 12 NXM_OF_UDP_DST   "NXM_OF_UDP_DST"   "nxm_of_udp_dst"   "udp_dst"   "tp_dst"     2  16 MASK RW Decimal     UDP     UDP_DST;
    nxm_0 13 NXM_OF_ICMP_TYPE "NXM_OF_ICMP_TYPE" "nxm_of_icmp_type" "icmp_type" "icmp_type"   1   8 FULL RW Decimal     ICMP    ICMPV4_TYPE;
    nxm_0 14 NXM_OF_ICMP_CODE "NXM_OF_ICMP_CODE" "nxm_of_icmp_code" "icmp_code" "icmp_code"   1   8 FULL RW Decimal     ICMP    ICMPV4_CODE;
    nxm_0 15 NXM_OF_ARP_OP    "NXM_OF_ARP_OP"    "nxm_of_arp_op"    "arp_op"    "arp_op"     2  16 FULL RW Decimal     ARP     ARP_OP;
    nxm_0 16 NXM_OF_ARP_SPA   "NXM_OF_ARP_SPA"   "nxm_of_arp_spa"   "arp_spa"   "arp_spa"    4  32 MASK RW Ipv4        ARP     ARP_SPA;
    nxm_0 17 NXM_OF_ARP_TPA   "NXM_OF_ARP_TPA"   "nxm_of_arp_tpa"   "arp_tpa"   "arp_tpa"    4  32 MASK RW Ipv4        ARP     ARP_TPA;
    // NXM_NX_*: Nicira's own fields.
    nxm_1  0 NXM_REG0           "NXM_NX_REG0"           "reg0"               "reg0"           "reg0"            4  32 MASK RW Hex         NONE    NXM_REG0;
    nxm_1  1 NXM_REG1           "NXM_NX_REG1"           "reg1"               "reg1"           "reg1"            4  32 MASK RW Hex         NONE    NXM_REG1;
    nxm_1  2 NXM_REG2           "NXM_NX_REG2"           "reg2"               "reg2"           "reg2"            4  32 MASK RW Hex         NONE    NXM_REG2;
    nxm_1  3 NXM_REG3           "NXM_NX_REG3"           "reg3"               "reg3"           "reg3"            4  32 MASK RW Hex         NONE    NXM_REG3;
    nxm_1  4 NXM_REG4           "NXM_NX_REG4"           "reg4"               "reg4"           "reg4"            4  32 MASK RW Hex         NONE    NXM_REG4;
    nxm_1  5 NXM_REG5           "NXM_NX_REG5"           "reg5"               "reg5"           "reg5"            4  32 MASK RW Hex         NONE    NXM_REG5;
    nxm_1  6 NXM_REG6           "NXM_NX_REG6"           "reg6"               "reg6"           "reg6"            4  32 MASK RW Hex         NONE    NXM_REG6;
    nxm_1  7 NXM_REG7           "NXM_NX_REG7"           "reg7"               "reg7"           "reg7"            4  32 MASK RW Hex         NONE    NXM_REG7;
    nxm_1  8 NXM_REG8           "NXM_NX_REG8"           "reg8"               "reg8"           "reg8"            4  32 MASK RW Hex         NONE    NXM_REG8;
    nxm_1  9 NXM_REG9           "NXM_NX_REG9"           "reg9"               "reg9"           "reg9"            4  32 MASK RW Hex         NONE    NXM_REG9;
    nxm_1 10 NXM_REG10          "NXM_NX_REG10"          "reg10"              "reg10"          "reg10"           4  32 MASK RW Hex         NONE    NXM_REG10;
    nxm_1 11 NXM_REG11          "NXM_NX_REG11"          "reg11"              "reg11"          "reg11"           4  32 MASK RW Hex         NONE    NXM_REG11;
    nxm_1 12 NXM_REG12          "NXM_NX_REG12"          "reg12"              "reg12"          "reg12"           4  32 MASK RW Hex         NONE    NXM_REG12;
    nxm_1 13 NXM_REG13          "NXM_NX_REG13"          "reg13"              "reg13"          "reg13"           4  32 MASK RW Hex         NONE    NXM_REG13;
    nxm_1 14 NXM_REG14          "NXM_NX_REG14"          "reg14"              "reg14"          "reg14"           4  32 MASK RW Hex         NONE    NXM_REG14;
    nxm_1 15 NXM_REG15          "NXM_NX_REG15"          "reg15"              "reg15"          "reg15"           4  32 MASK RW Hex         NONE    NXM_REG15;
    nxm_1 16 NXM_NX_TUN_ID      "NXM_NX_TUN_ID"         "nxm_nx_tun_id"      "tun_id"         "tun_id"          8  64 MASK RW Hex         NONE    TUNNEL_ID;
    nxm_1 17 NXM_NX_ARP_SHA     "NXM_NX_ARP_SHA"        "nxm_nx_arp_sha"     "arp_sha"        "arp_sha"         6  48 MASK RW Mac         ARP     ARP_SHA;
    nxm_1 18 NXM_NX_ARP_THA     "NXM_NX_ARP_THA"        "nxm_nx_arp_tha"     "arp_tha"        "arp_tha"         6  48 MASK RW Mac         ARP     ARP_THA;
    nxm_1 19 NXM_NX_IPV6_SRC    "NXM_NX_IPV6_SRC"       "nxm_nx_ipv6_src"    "ipv6_src"       "ipv6_src"       16 128 MASK RW Ipv6        IPV6    IPV6_SRC;
    nxm_1 20 NXM_NX_IPV6_DST    "NXM_NX_IPV6_DST"       "nxm_nx_ipv6_dst"    "ipv6_dst"       "ipv6_dst"       16 128 MASK RW Ipv6        IPV6    IPV6_DST;
    nxm_1 21 NXM_NX_ICMPV6_TYPE "NXM_NX_ICMPV6_TYPE"    "nxm_nx_icmpv6_type" "icmpv6_type"    "icmp_type"       1   8 FULL RW Decimal     ICMPV6  ICMPV6_TYPE;
    nxm_1 22 NXM_NX_ICMPV6_CODE "NXM_NX_ICMPV6_CODE"    "nxm_nx_icmpv6_code" "icmpv6_code"    "icmp_code"       1   8 FULL RW Decimal     ICMPV6  ICMPV6_CODE;
    nxm_1 23 NXM_NX_ND_TARGET   "NXM_NX_ND_TARGET"      "nxm_nx_nd_target"   "nd_target"      "nd_target"      16 128 MASK RW Ipv6        ND      IPV6_ND_TARGET;
    nxm_1 24 NXM_NX_ND_SLL      "NXM_NX_ND_SLL"         "nxm_nx_nd_sll"      "nd_sll"         "nd_sll"          6  48 MASK RW Mac         ND_NS   IPV6_ND_SLL;
    nxm_1 25 NXM_NX_ND_TLL      "NXM_NX_ND_TLL"         "nxm_nx_nd_tll"      "nd_tll"         "nd_tll"          6  48 MASK RW Mac         ND_NA   IPV6_ND_TLL;
    nxm_1 26 NW_FRAG            "NXM_NX_IP_FRAG"        "nw_frag"            "ip_frag"        "nw_frag"         1   2 MASK RO Fragment    IP      NW_FRAG;
    nxm_1 27 NXM_NX_IPV6_LABEL  "NXM_NX_IPV6_LABEL"     "nxm_nx_ipv6_label"  "ipv6_label"     "ipv6_label"      4  20 MASK RW Hex         IPV6    IPV6_FLABEL;
    nxm_1 28 NXM_NX_IP_ECN      "NXM_NX_IP_ECN"         "nxm_nx_ip_ecn"      "nw_ecn"         "nw_ecn"          1   2 FULL RW Decimal     IP      IP_ECN;
    nxm_1 29 NW_TTL             "NXM_NX_IP_TTL"         "nw_ttl"             "nw_ttl"         "nw_ttl"          1   8 FULL RW Decimal     IP      NW_TTL;
    nxm_1 30 MPLS_TTL           "NXM_NX_MPLS_TTL"       "mpls_ttl"           "mpls_ttl"       "mpls_ttl"        1   8 FULL RW Decimal     MPLS    MPLS_TTL;
    nxm_1 31 TUN_SRC            "NXM_NX_TUN_IPV4_SRC"   "tun_src"            "tun_src"        "tun_src"         4  32 MASK RW Ipv4        NONE    TUN_SRC;
    nxm_1 32 TUN_DST            "NXM_NX_TUN_IPV4_DST"   "tun_dst"            "tun_dst"        "tun_dst"         4  32 MASK RW Ipv4        NONE    TUN_DST;
    nxm_1 33 PKT_MARK           "NXM_NX_PKT_MARK"       "pkt_mark"           "pkt_mark"       "pkt_mark"        4  32 MASK RW Hex         NONE    PKT_MARK;
    nxm_1 34 NXM_NX_TCP_FLAGS   "NXM_NX_TCP_FLAGS"      "nxm_nx_tcp_flags"   "tcp_flags"      "tcp_flags"       2  12 MASK RO TcpFlags    TCP     TCP_FLAGS;
    nxm_1 35 DP_HASH            "NXM_NX_DP_HASH"        "dp_hash"            "dp_hash"        "dp_hash"         4  32 MASK RO Hex         NONE    DP_HASH;
    nxm_1 36 RECIRC_ID          "NXM_NX_RECIRC_ID"      "recirc_id"          "recirc_id"      "recirc_id"       4  32 FULL RO Decimal     NONE    RECIRC_ID;
    nxm_1 37 CONJ_ID            "NXM_NX_CONJ_ID"        "conj_id"            "conj_id"        "conj_id"         4  32 FULL RO Decimal     NONE    CONJ_ID;
    nxm_1 38 TUN_GBP_ID         "NXM_NX_TUN_GBP_ID"     "tun_gbp_id"         "tun_gbp_id"     "tun_gbp_id"      2  16 MASK RW Decimal     NONE    TUN_GBP_ID;
    nxm_1 39 TUN_GBP_FLAGS      "NXM_NX_TUN_GBP_FLAGS"  "tun_gbp_flags"      "tun_gbp_flags"  "tun_gbp_flags"   1   8 MASK RW Hex         NONE    TUN_GBP_FLAGS;
    nxm_1 40 TUN_METADATA0      "NXM_NX_TUN_METADATA0"  "tun_metadata0"      "tun_metadata0"  "tun_metadata0" 124 992 MASK RW Hex         NONE    TUN_METADATA0;
    nxm_1 41 TUN_METADATA1      "NXM_NX_TUN_METADATA1"  "tun_metadata1"      "tun_metadata1"  "tun_metadata1" 124 992 MASK RW Hex         NONE    TUN_METADATA1;
    nxm_1 42 TUN_METADATA2      "NXM_NX_TUN_METADATA2"  "tun_metadata2"      "tun_metadata2"  "tun_metadata2" 124 992 MASK RW Hex         NONE    TUN_METADATA2;
    nxm_1 43 TUN_METADATA3      "NXM_NX_TUN_METADATA3"  "tun_metadata3"      "tun_metadata3"  "tun_metadata3" 124 992 MASK RW Hex         NONE    TUN_METADATA3;
    nxm_1 44 TUN_METADATA4      "NXM_NX_TUN_METADATA4"  "tun_metadata4"      "tun_metadata4"  "tun_metadata4" 124 992 MASK RW Hex         NONE    TUN_METADATA4;
    nxm_1 45 TUN_METADATA5      "NXM_NX_TUN_METADATA5"  "tun_metadata5"      "tun_metadata5"  "tun_metadata5" 124 992 MASK RW Hex         NONE    TUN_METADATA5;
    nxm_1 46 TUN_METADATA6      "NXM_NX_TUN_METADATA6"  "tun_metadata6"      "tun_metadata6"  "tun_metadata6" 124 992 MASK RW Hex         NONE    TUN_METADATA6;
    nxm_1 47 TUN_METADATA7      "NXM_NX_TUN_METADATA7"  "tun_metadata7"      "tun_metadata7"  "tun_metadata7" 124 992 MASK RW Hex         NONE    TUN_METADATA7;
    nxm_1 48 TUN_METADATA8      "NXM_NX_TUN_METADATA8"  "tun_metadata8"      "tun_metadata8"  "tun_metadata8" 124 992 MASK RW Hex         NONE    TUN_METADATA8;
    nxm_1 49 TUN_METADATA9      "NXM_NX_TUN_METADATA9"  "tun_metadata9"      "tun_metadata9"  "tun_metadata9" 124 992 MASK RW Hex         NONE    TUN_METADATA9;
    nxm_1 50 TUN_METADATA10     "NXM_NX_TUN_METADATA10" "tun_metadata10"     "tun_metadata10" "tun_metadata10" 124 992 MASK RW Hex         NONE    TUN_METADATA10;
    nxm_1 51 TUN_METADATA11     "NXM_NX_TUN_METADATA11" "tun_metadata11"     "tun_metadata11" "tun_metadata11" 124 992 MASK RW Hex         NONE    TUN_METADATA11;
    nxm_1 52 TUN_METADATA12     "NXM_NX_TUN_METADATA12" "tun_metadata12"     "tun_metadata12" "tun_metadata12" 124 992 MASK RW Hex         NONE    TUN_METADATA12;
    nxm_1 53 TUN_METADATA13     "NXM_NX_TUN_METADATA13" "tun_metadata13"     "tun_metadata13" "tun_metadata13" 124 992 MASK RW Hex         NONE    TUN_METADATA13;
    nxm_1 54 TUN_METADATA14     "NXM_NX_TUN_METADATA14" "tun_metadata14"     "tun_metadata14" "tun_metadata14" 124 992 MASK RW Hex         NONE    TUN_METADATA14;
    nxm_1 55 TUN_METADATA15     "NXM_NX_TUN_METADATA15" "tun_metadata15"     "tun_metadata15" "tun_metadata15" 124 992 MASK RW Hex         NONE    TUN_METADATA15;
    nxm_1 56 TUN_METADATA16     "NXM_NX_TUN_METADATA16" "tun_metadata16"     "tun_metadata16" "tun_metadata16" 124 992 MASK RW Hex         NONE    TUN_METADATA16;
    nxm_1 57 TUN_METADATA17     "NXM_NX_TUN_METADATA17" "tun_metadata17"     "tun_metadata17" "tun_metadata17" 124 992 MASK RW Hex         NONE    TUN_METADATA17;
    nxm_1 58 TUN_METADATA18     "NXM_NX_TUN_METADATA18" "tun_metadata18"     "tun_metadata18" "tun_metadata18" 124 992 MASK RW Hex         NONE    TUN_METADATA18;
    nxm_1 59 TUN_METADATA19     "NXM_NX_TUN_METADATA19" "tun_metadata19"     "tun_metadata19" "tun_metadata19" 124 992 MASK RW Hex         NONE    TUN_METADATA19;
    nxm_1 60 TUN_METADATA20     "NXM_NX_TUN_METADATA20" "tun_metadata20"     "tun_metadata20" "tun_metadata20" 124 992 MASK RW Hex         NONE    TUN_METADATA20;
    nxm_1 61 TUN_METADATA21     "NXM_NX_TUN_METADATA21" "tun_metadata21"     "tun_metadata21" "tun_metadata21" 124 992 MASK RW Hex         NONE    TUN_METADATA21;
    nxm_1 62 TUN_METADATA22     "NXM_NX_TUN_METADATA22" "tun_metadata22"     "tun_metadata22" "tun_metadata22" 124 992 MASK RW Hex         NONE    TUN_METADATA22;
    nxm_1 63 TUN_METADATA23     "NXM_NX_TUN_METADATA23" "tun_metadata23"     "tun_metadata23" "tun_metadata23" 124 992 MASK RW Hex         NONE    TUN_METADATA23;
    nxm_1 64 TUN_METADATA24     "NXM_NX_TUN_METADATA24" "tun_metadata24"     "tun_metadata24" "tun_metadata24" 124 992 MASK RW Hex         NONE    TUN_METADATA24;
    nxm_1 65 TUN_METADATA25     "NXM_NX_TUN_METADATA25" "tun_metadata25"     "tun_metadata25" "tun_metadata25" 124 992 MASK RW Hex         NONE    TUN_METADATA25;
    nxm_1 66 TUN_METADATA26     "NXM_NX_TUN_METADATA26" "tun_metadata26"     "tun_metadata26" "tun_metadata26" 124 992 MASK RW Hex         NONE    TUN_METADATA26;
    nxm_1 67 TUN_METADATA27     "NXM_NX_TUN_METADATA27" "tun_metadata27"     "tun_metadata27" "tun_metadata27" 124 992 MASK RW Hex         NONE    TUN_METADATA27;
    nxm_1 68 TUN_METADATA28     "NXM_NX_TUN_METADATA28" "tun_metadata28"     "tun_metadata28" "tun_metadata28" 124 992 MASK RW Hex         NONE    TUN_METADATA28;
    nxm_1 69 TUN_METADATA29     "NXM_NX_TUN_METADATA29" "tun_metadata29"     "tun_metadata29" "tun_metadata29" 124 992 MASK RW Hex         NONE    TUN_METADATA29;
    nxm_1 70 TUN_METADATA30     "NXM_NX_TUN_METADATA30" "tun_metadata30"     "tun_metadata30" "tun_metadata30" 124 992 MASK RW Hex         NONE    TUN_METADATA30;
    nxm_1 71 TUN_METADATA31     "NXM_NX_TUN_METADATA31" "tun_metadata31"     "tun_metadata31" "tun_metadata31" 124 992 MASK RW Hex         NONE    TUN_METADATA31;
    nxm_1 72 TUN_METADATA32     "NXM_NX_TUN_METADATA32" "tun_metadata32"     "tun_metadata32" "tun_metadata32" 124 992 MASK RW Hex         NONE    TUN_METADATA32;
    nxm_1 73 TUN_METADATA33     "NXM_NX_TUN_METADATA33" "tun_metadata33"     "tun_metadata33" "tun_metadata33" 124 992 MASK RW Hex         NONE    TUN_METADATA33;
    nxm_1 74 TUN_METADATA34     "NXM_NX_TUN_METADATA34" "tun_metadata34"     "tun_metadata34" "tun_metadata34" 124 992 MASK RW Hex         NONE    TUN_METADATA34;
    nxm_1 75 TUN_METADATA35     "NXM_NX_TUN_METADATA35" "tun_metadata35"     "tun_metadata35" "tun_metadata35" 124 992 MASK RW Hex         NONE    TUN_METADATA35;
    nxm_1 76 TUN_METADATA36     "NXM_NX_TUN_METADATA36" "tun_metadata36"     "tun_metadata36" "tun_metadata36" 124 992 MASK RW Hex         NONE    TUN_METADATA36;
    nxm_1 77 TUN_METADATA37     "NXM_NX_TUN_METADATA37" "tun_metadata37"     "tun_metadata37" "tun_metadata37" 124 992 MASK RW Hex         NONE    TUN_METADATA37;
    nxm_1 78 TUN_METADATA38     "NXM_NX_TUN_METADATA38" "tun_metadata38"     "tun_metadata38" "tun_metadata38" 124 992 MASK RW Hex         NONE    TUN_METADATA38;
    nxm_1 79 TUN_METADATA39     "NXM_NX_TUN_METADATA39" "tun_metadata39"     "tun_metadata39" "tun_metadata39" 124 992 MASK RW Hex         NONE    TUN_METADATA39;
    nxm_1 80 TUN_METADATA40     "NXM_NX_TUN_METADATA40" "tun_metadata40"     "tun_metadata40" "tun_metadata40" 124 992 MASK RW Hex         NONE    TUN_METADATA40;
    nxm_1 81 TUN_METADATA41     "NXM_NX_TUN_METADATA41" "tun_metadata41"     "tun_metadata41" "tun_metadata41" 124 992 MASK RW Hex         NONE    TUN_METADATA41;
    nxm_1 82 TUN_METADATA42     "NXM_NX_TUN_METADATA42" "tun_metadata42"     "tun_metadata42" "tun_metadata42" 124 992 MASK RW Hex         NONE    TUN_METADATA42;
    nxm_1 83 TUN_METADATA43     "NXM_NX_TUN_METADATA43" "tun_metadata43"     "tun_metadata43" "tun_metadata43" 124 992 MASK RW Hex         NONE    TUN_METADATA43;
    nxm_1 84 TUN_METADATA44     "NXM_NX_TUN_METADATA44" "tun_metadata44"     "tun_metadata44" "tun_metadata44" 124 992 MASK RW Hex         NONE    TUN_METADATA44;
    nxm_1 85 TUN_METADATA45     "NXM_NX_TUN_METADATA45" "tun_metadata45"     "tun_metadata45" "tun_metadata45" 124 992 MASK RW Hex         NONE    TUN_METADATA45;
    nxm_1 86 TUN_METADATA46     "NXM_NX_TUN_METADATA46" "tun_metadata46"     "tun_metadata46" "tun_metadata46" 124 992 MASK RW Hex         NONE    TUN_METADATA46;
    nxm_1 87 TUN_METADATA47     "NXM_NX_TUN_METADATA47" "tun_metadata47"     "tun_metadata47" "tun_metadata47" 124 992 MASK RW Hex         NONE    TUN_METADATA47;
    nxm_1 88 TUN_METADATA48     "NXM_NX_TUN_METADATA48" "tun_metadata48"     "tun_metadata48" "tun_metadata48" 124 992 MASK RW Hex         NONE    TUN_METADATA48;
    nxm_1 89 TUN_METADATA49     "NXM_NX_TUN_METADATA49" "tun_metadata49"     "tun_metadata49" "tun_metadata49" 124 992 MASK RW Hex         NONE    TUN_METADATA49;
    nxm_1 90 TUN_METADATA50     "NXM_NX_TUN_METADATA50" "tun_metadata50"     "tun_metadata50" "tun_metadata50" 124 992 MASK RW Hex         NONE    TUN_METADATA50;
    nxm_1 91 TUN_METADATA51     "NXM_NX_TUN_METADATA51" "tun_metadata51"     "tun_metadata51" "tun_metadata51" 124 992 MASK RW Hex         NONE    TUN_METADATA51;
    nxm_1 92 TUN_METADATA52     "NXM_NX_TUN_METADATA52" "tun_metadata52"     "tun_metadata52" "tun_metadata52" 124 992 MASK RW Hex         NONE    TUN_METADATA52;
    nxm_1 93 TUN_METADATA53     "NXM_NX_TUN_METADATA53" "tun_metadata53"     "tun_metadata53" "tun_metadata53" 124 992 MASK RW Hex         NONE    TUN_METADATA53;
    nxm_1 94 TUN_METADATA54     "NXM_NX_TUN_METADATA54" "tun_metadata54"     "tun_metadata54" "tun_metadata54" 124 992 MASK RW Hex         NONE    TUN_METADATA54;
    nxm_1 95 TUN_METADATA55     "NXM_NX_TUN_METADATA55" "tun_metadata55"     "tun_metadata55" "tun_metadata55" 124 992 MASK RW Hex         NONE    TUN_METADATA55;
    nxm_1 96 TUN_METADATA56     "NXM_NX_TUN_METADATA56" "tun_metadata56"     "tun_metadata56" "tun_metadata56" 124 992 MASK RW Hex         NONE    TUN_METADATA56;
    nxm_1 97 TUN_METADATA57     "NXM_NX_TUN_METADATA57" "tun_metadata57"     "tun_metadata57" "tun_metadata57" 124 992 MASK RW Hex         NONE    TUN_METADATA57;
    nxm_1 98 TUN_METADATA58     "NXM_NX_TUN_METADATA58" "tun_metadata58"     "tun_metadata58" "tun_metadata58" 124 992 MASK RW Hex         NONE    TUN_METADATA58;
    nxm_1 99 TUN_METADATA59     "NXM_NX_TUN_METADATA59" "tun_metadata59"     "tun_metadata59" "tun_metadata59" 124 992 MASK RW Hex         NONE    TUN_METADATA59;
    nxm_1 100 TUN_METADATA60     "NXM_NX_TUN_METADATA60" "tun_metadata60"     "tun_metadata60" "tun_metadata60" 124 992 MASK RW Hex         NONE    TUN_METADATA60;
    nxm_1 101 TUN_METADATA61     "NXM_NX_TUN_METADATA61" "tun_metadata61"     "tun_metadata61" "tun_metadata61" 124 992 MASK RW Hex         NONE    TUN_METADATA61;
    nxm_1 102 TUN_METADATA62     "NXM_NX_TUN_METADATA62" "tun_metadata62"     "tun_metadata62" "tun_metadata62" 124 992 MASK RW Hex         NONE    TUN_METADATA62;
    nxm_1 103 TUN_METADATA63     "NXM_NX_TUN_METADATA63" "tun_metadata63"     "tun_metadata63" "tun_metadata63" 124 992 MASK RW Hex         NONE    TUN_METADATA63;
    nxm_1 104 TUN_FLAGS          "NXM_NX_TUN_FLAGS"      "tun_flags"          "tun_flags"      "tun_flags"       2   1 MASK RW TunnelFlags NONE    TUN_FLAGS;
    nxm_1 105 CT_STATE           "NXM_NX_CT_STATE"       "ct_state"           "ct_state"       "ct_state"        4   8 MASK RO CtState     NONE    CT_STATE;
    nxm_1 106 CT_ZONE            "NXM_NX_CT_ZONE"        "ct_zone"            "ct_zone"        "ct_zone"         2  16 FULL RO Hex         NONE    CT_ZONE;
    nxm_1 107 CT_MARK            "NXM_NX_CT_MARK"        "ct_mark"            "ct_mark"        "ct_mark"         4  32 MASK RW Hex         NONE    CT_MARK;
    nxm_1 108 CT_LABEL           "NXM_NX_CT_LABEL"       "ct_label"           "ct_label"       "ct_label"       16 128 MASK RW Hex         NONE    CT_LABEL;
    nxm_1 109 TUN_IPV6_SRC       "NXM_NX_TUN_IPV6_SRC"   "tun_ipv6_src"       "tun_ipv6_src"   "tun_ipv6_src"   16 128 MASK RW Ipv6        NONE    TUN_IPV6_SRC;
    nxm_1 110 TUN_IPV6_DST       "NXM_NX_TUN_IPV6_DST"   "tun_ipv6_dst"       "tun_ipv6_dst"   "tun_ipv6_dst"   16 128 MASK RW Ipv6        NONE    TUN_IPV6_DST;
    nxm_1 111 XXREG0             "NXM_NX_XXREG0"         "xxreg0"             "xxreg0"         "xxreg0"         16 128 MASK RW Hex         NONE    XXREG0;
    nxm_1 112 XXREG1             "NXM_NX_XXREG1"         "xxreg1"             "xxreg1"         "xxreg1"         16 128 MASK RW Hex         NONE    XXREG1;
    nxm_1 113 XXREG2             "NXM_NX_XXREG2"         "xxreg2"             "xxreg2"         "xxreg2"         16 128 MASK RW Hex         NONE    XXREG2;
    nxm_1 114 XXREG3             "NXM_NX_XXREG3"         "xxreg3"             "xxreg3"         "xxreg3"         16 128 MASK RW Hex         NONE    XXREG3;
    nxm_1 119 CT_NW_PROTO        "NXM_NX_CT_NW_PROTO"    "ct_nw_proto"        "ct_nw_proto"    "ct_nw_proto"     1   8 FULL RO Decimal     TRACKED CT_NW_PROTO;
    nxm_1 120 CT_NW_SRC          "NXM_NX_CT_NW_SRC"      "ct_nw_src"          "ct_nw_src"      "ct_nw_src"       4  32 MASK RO Ipv4        TRACKED CT_NW_SRC;
    nxm_1 121 CT_NW_DST          "NXM_NX_CT_NW_DST"      "ct_nw_dst"          "ct_nw_dst"      "ct_nw_dst"       4  32 MASK RO Ipv4        TRACKED CT_NW_DST;
    nxm_1 122 CT_IPV6_SRC        "NXM_NX_CT_IPV6_SRC"    "ct_ipv6_src"        "ct_ipv6_src"    "ct_ipv6_src"    16 128 MASK RO Ipv6        TRACKED CT_IPV6_SRC;
    nxm_1 123 CT_IPV6_DST        "NXM_NX_CT_IPV6_DST"    "ct_ipv6_dst"        "ct_ipv6_dst"    "ct_ipv6_dst"    16 128 MASK RO Ipv6        TRACKED CT_IPV6_DST;
    nxm_1 124 CT_TP_SRC          "NXM_NX_CT_TP_SRC"      "ct_tp_src"          "ct_tp_src"      "ct_tp_src"       2  16 MASK RO Decimal     TRACKED CT_TP_SRC;
    nxm_1 125 CT_TP_DST          "NXM_NX_CT_TP_DST"      "ct_tp_dst"          "ct_tp_dst"      "ct_tp_dst"       2  16 MASK RO Decimal     TRACKED CT_TP_DST;
    // ONFOXM_ET_*: the ONF's extensions for 1.3.
    onf 42 TCP_FLAGS            "ONFOXM_ET_TCP_FLAGS"               "tcp_flags"          "tcp_flags"         "tcp_flags"           2  12 MASK RO TcpFlags    TCP     TCP_FLAGS;
    onf 43 ACTSET_OUTPUT        "ONFOXM_ET_ACTSET_OUTPUT"           "actset_output"      "actset_output"     "actset_output"       4  32 FULL RO Decimal     NONE    ACTSET_OUTPUT;
    // NXOXM_ET_*: Nicira as an experimenter.
    nicira  0 NXOXM_ET_DP_HASH     "NXOXM_ET_DP_HASH"                  "nxoxm_et_dp_hash"   "dp_hash"           "dp_hash"             4  32 MASK RO Hex         NONE    DP_HASH;
    nicira 11 TUN_ERSPAN_IDX       "NXOXM_ET_ERSPAN_IDX"               "tun_erspan_idx"     "tun_erspan_idx"    "tun_erspan_idx"      4  20 MASK RW Hex         NONE    TUN_ERSPAN_IDX;
    nicira 12 TUN_ERSPAN_VER       "NXOXM_ET_ERSPAN_VER"               "tun_erspan_ver"     "tun_erspan_ver"    "tun_erspan_ver"      1   4 MASK RW Decimal     NONE    TUN_ERSPAN_VER;
    nicira 13 TUN_ERSPAN_DIR       "NXOXM_ET_ERSPAN_DIR"               "tun_erspan_dir"     "tun_erspan_dir"    "tun_erspan_dir"      1   1 MASK RW Decimal     NONE    TUN_ERSPAN_DIR;
    nicira 14 TUN_ERSPAN_HWID      "NXOXM_ET_ERSPAN_HWID"              "tun_erspan_hwid"    "tun_erspan_hwid"   "tun_erspan_hwid"     1   6 MASK RW Hex         NONE    TUN_ERSPAN_HWID;
    nicira 15 TUN_GTPU_FLAGS       "NXOXM_ET_GTPU_FLAGS"               "tun_gtpu_flags"     "tun_gtpu_flags"    "tun_gtpu_flags"      1   8 MASK RO Hex         NONE    TUN_GTPU_FLAGS;
    nicira 16 TUN_GTPU_MSGTYPE     "NXOXM_ET_GTPU_MSGTYPE"             "tun_gtpu_msgtype"   "tun_gtpu_msgtype"  "tun_gtpu_msgtype"    1   8 MASK RO Decimal     NONE    TUN_GTPU_MSGTYPE;
    // NXOXM_NSH_*: network service header (RFC 8300).
    nsh  1 NSH_FLAGS            "NXOXM_NSH_FLAGS"                   "nsh_flags"          "nsh_flags"         "nsh_flags"           1   8 MASK RW Decimal     NSH     NSH_FLAGS;
    nsh  2 NSH_MDTYPE           "NXOXM_NSH_MDTYPE"                  "nsh_mdtype"         "nsh_mdtype"        "nsh_mdtype"          1   8 FULL RO Decimal     NSH     NSH_MDTYPE;
    nsh  3 NSH_NP               "NXOXM_NSH_NP"                      "nsh_np"             "nsh_np"            "nsh_np"              1   8 FULL RO Decimal     NSH     NSH_NP;
    nsh  4 NSH_SPI              "NXOXM_NSH_SPI"                     "nsh_spi"            "nsh_spi"           "nsh_spi"             4  24 FULL RW Hex         NSH     NSH_SPI;
    nsh  5 NSH_SI               "NXOXM_NSH_SI"                      "nsh_si"             "nsh_si"            "nsh_si"              1   8 FULL RW Decimal     NSH     NSH_SI;
    nsh  6 NSH_C1               "NXOXM_NSH_C1"                      "nsh_c1"             "nsh_c1"            "nsh_c1"              4  32 MASK RW Hex         NSH     NSH_C1;
    nsh  7 NSH_C2               "NXOXM_NSH_C2"                      "nsh_c2"             "nsh_c2"            "nsh_c2"              4  32 MASK RW Hex         NSH     NSH_C2;
    nsh  8 NSH_C3               "NXOXM_NSH_C3"                      "nsh_c3"             "nsh_c3"            "nsh_c3"              4  32 MASK RW Hex         NSH     NSH_C3;
    nsh  9 NSH_C4               "NXOXM_NSH_C4"                      "nsh_c4"             "nsh_c4"            "nsh_c4"              4  32 MASK RW Hex         NSH     NSH_C4;
    nsh 10 NSH_TTL              "NXOXM_NSH_TTL"                     "nsh_ttl"            "nsh_ttl"           "nsh_ttl"             1   8 FULL RW Decimal     NSH     NSH_TTL;
    // ERICOXM_OF_*: Ericsson's class.
    ericsson  1 ND_RESERVED          "ERICOXM_OF_ICMPV6_ND_RESERVED"     "nd_reserved"        "nd_reserved"       "nd_reserved"         4  32 FULL RW Decimal     ND      ND_RESERVED;
    ericsson  2 ND_OPTIONS_TYPE      "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE" "nd_options_type"    "nd_options_type"   "nd_options_type"     1   8 FULL RW Decimal     ND      ND_OPTIONS_TYPE;
}

impl OxmKind {
    /// The fields of OpenFlow 1.3, in the order of their numbers.
    pub const ALL: &[OxmKind] = OxmKind::KNOWN.split_at(40).0;
}

/// No row has this field number.
const ABSENT: u8 = u8::MAX;

/// By field number, where the row of a class stands in [`ROWS`].
type Index = [u8; 128];

const fn index_of(class: u16, experimenter: u32) -> Index {
    assert!(ROWS.len() < ABSENT as usize);
    let mut index = [ABSENT; 128];
    let mut at = 0;
    while at < ROWS.len() {
        let kind = ROWS[at].kind;
        if kind.class == class && kind.experimenter == experimenter {
            index[kind.field as usize] = at as u8;
        }
        at += 1;
    }
    index
}

static BASIC: Index = index_of(CLASS_OPENFLOW_BASIC, 0);
static PACKET_REGISTERS: Index = index_of(CLASS_PACKET_REGISTERS, 0);
static NXM_0: Index = index_of(CLASS_NXM_0, 0);
static NXM_1: Index = index_of(CLASS_NXM_1, 0);
static ERICSSON: Index = index_of(CLASS_ERICSSON, 0);
static ONF: Index = index_of(CLASS_EXPERIMENTER, EXPERIMENTER_ONF);
static NICIRA: Index = index_of(CLASS_EXPERIMENTER, EXPERIMENTER_NICIRA);
static NETWORK_SERVICE_HEADER: Index = index_of(CLASS_EXPERIMENTER, EXPERIMENTER_NSH);

/// By field number, octets of the value of OpenFlow's own fields, or [`ABSENT`]: all that decoding asks of a row, in two cache lines.
static BASIC_LEN: [u8; 128] = basic_lens();

const fn basic_lens() -> [u8; 128] {
    let index = index_of(CLASS_OPENFLOW_BASIC, 0);
    let (mut lens, mut field) = ([ABSENT; 128], 0);
    while field < lens.len() {
        if index[field] != ABSENT {
            lens[field] = ROWS[index[field] as usize].value_len;
        }
        field += 1;
    }
    lens
}

/// Octets of the value of the field with this number in OpenFlow's own class, if there is one.
#[inline]
pub(super) fn basic_len(field: u8) -> Option<u8> {
    BASIC_LEN.get(usize::from(field)).copied().filter(|octets| *octets != ABSENT)
}

impl OxmKind {
    /// The row of this field, in constant time.
    pub(crate) fn row(self) -> Option<&'static Row> {
        let index = match (self.class, self.experimenter) {
            (CLASS_OPENFLOW_BASIC, _) => &BASIC,
            (CLASS_PACKET_REGISTERS, _) => &PACKET_REGISTERS,
            (CLASS_NXM_1, _) => &NXM_1,
            (CLASS_NXM_0, _) => &NXM_0,
            (CLASS_ERICSSON, _) => &ERICSSON,
            (CLASS_EXPERIMENTER, EXPERIMENTER_ONF) => &ONF,
            (CLASS_EXPERIMENTER, EXPERIMENTER_NICIRA) => &NICIRA,
            (CLASS_EXPERIMENTER, EXPERIMENTER_NSH) => &NETWORK_SERVICE_HEADER,
            _ => return None,
        };
        // A number that is absent is beyond the rows.
        ROWS.get(usize::from(*index.get(usize::from(self.field))?))
    }

    /// The field with this name: the unique one ([`OxmKind::name`]), that of its header ([`OxmKind::header_name`]), or ovs-ofctl's in
    /// actions ([`OxmKind::ovs_name`]) or matches ([`OxmKind::flow_name`]; `tp_src` is TCP's). Where several rows have the name, the
    /// first is taken.
    pub fn from_name(name: &str) -> Option<OxmKind> {
        let exact = ROWS.iter().find(|row| row.name == name || row.header.eq_ignore_ascii_case(name));
        let in_actions = || ROWS.iter().find(|row| row.ovs == name);
        let in_matches = || ROWS.iter().find(|row| row.flow == name);
        exact.or_else(in_actions).or_else(in_matches).map(|row| row.kind)
    }

    /// The name that ovs-ofctl gives the field in `move:`, `load:` and `learn()`: Nicira's where there is one.
    pub fn nxm_name(self) -> Option<&'static str> {
        let row = self.row()?;
        let nicira = |other: &&Row| other.ovs == row.ovs && matches!(other.kind.class, CLASS_NXM_0 | CLASS_NXM_1);
        Some(ROWS.iter().find(nicira).map_or(row.header, |nicira| nicira.header))
    }
}
