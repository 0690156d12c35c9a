//! Where each match field stands in a [`FlowKey`], what may be done with it, and when a packet has it.
//!
//! Names, widths, masks and prerequisites are those of the table of fields ([`OxmKind`]); here stands only what a switch adds.

use super::check::MAX_PORTS;
use super::flow_key::{ACTSET_OUTPUT_UNSET, FRAGMENT_LATER, FlowKey, Slot};
use crate::nicira::Subfield;
use crate::oxm::{OxmKind, Prerequisite};

/// Where a field stands and how its number there differs from that on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) slot: Slot,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Plain,
    /// 16 bits of a port number.
    Port16,
    /// DSCP in the upper six of eight bits.
    Tos,
    /// So that "unset" is zero.
    ActionSetOutput,
}

/// What a port number of 16 bits from 0xff00 on lacks to 32.
const RESERVED_PORTS: u32 = 0xffff_0000;

impl Place {
    /// The number that stands in the slot for a value of the field.
    pub(crate) fn stored(self, value: u128) -> u128 {
        match self.form {
            Form::Plain => value,
            Form::Port16 if value >= u128::from(MAX_PORTS) => value | u128::from(RESERVED_PORTS),
            Form::Port16 => value,
            Form::Tos => value >> 2,
            Form::ActionSetOutput => value ^ u128::from(ACTSET_OUTPUT_UNSET),
        }
    }

    /// The value of the field for a number in the slot.
    fn shown(self, stored: u128) -> u128 {
        match self.form {
            Form::Plain => stored,
            Form::Port16 => stored & 0xffff,
            Form::Tos => stored << 2,
            Form::ActionSetOutput => stored ^ u128::from(ACTSET_OUTPUT_UNSET),
        }
    }

    /// The mask in the slot for a mask of the field. Only fields in their plain form can be masked in part.
    pub(crate) fn stored_mask(self, mask: u128) -> u128 {
        match self.form {
            Form::Plain => mask & self.slot.full(),
            _ if mask == 0 => 0,
            _ => self.slot.full(),
        }
    }
}

/// Where a field stands; `None` for one that this switch doesn't have, as Open vSwitch doesn't (`in_phy_port`, `pbb_isid`,
/// `ipv6_exthdr`), and for tunnel options, which stand where they are mapped ([`super::TunnelOptions`]).
pub(crate) fn place(kind: OxmKind) -> Option<Place> {
    let plain = |slot: Slot| Some(Place { slot, form: Form::Plain });
    let formed = |slot: Slot, form: Form| Some(Place { slot, form });
    match kind.canonical() {
        OxmKind::IN_PORT => plain(Slot::IN_PORT),
        OxmKind::NXM_OF_IN_PORT => formed(Slot::IN_PORT, Form::Port16),
        OxmKind::METADATA => plain(Slot::METADATA),
        OxmKind::TUNNEL_ID => plain(Slot::TUNNEL_ID),
        OxmKind::ETH_DST => plain(Slot::ETH_DST),
        OxmKind::ETH_SRC => plain(Slot::ETH_SRC),
        OxmKind::ETH_TYPE => plain(Slot::ETH_TYPE),
        OxmKind::VLAN_TCI => plain(Slot::VLAN_TCI),
        OxmKind::VLAN_VID => plain(Slot::VLAN_VID),
        OxmKind::VLAN_PCP => plain(Slot::VLAN_PCP),
        OxmKind::IP_DSCP => plain(Slot::IP_DSCP),
        OxmKind::NXM_OF_IP_TOS => formed(Slot::IP_DSCP, Form::Tos),
        OxmKind::IP_ECN => plain(Slot::IP_ECN),
        OxmKind::IP_PROTO | OxmKind::ARP_OP => plain(Slot::IP_PROTO),
        OxmKind::NW_TTL => plain(Slot::IP_TTL),
        OxmKind::NW_FRAG => plain(Slot::IP_FRAGMENT),
        OxmKind::IPV4_SRC | OxmKind::ARP_SPA => plain(Slot::IPV4_SRC),
        OxmKind::IPV4_DST | OxmKind::ARP_TPA => plain(Slot::IPV4_DST),
        OxmKind::TCP_SRC | OxmKind::UDP_SRC | OxmKind::SCTP_SRC => plain(Slot::L4_SRC),
        OxmKind::TCP_DST | OxmKind::UDP_DST | OxmKind::SCTP_DST => plain(Slot::L4_DST),
        OxmKind::TCP_FLAGS => plain(Slot::TCP_FLAGS),
        OxmKind::ICMPV4_TYPE | OxmKind::ICMPV6_TYPE => plain(Slot::ICMP_TYPE),
        OxmKind::ICMPV4_CODE | OxmKind::ICMPV6_CODE => plain(Slot::ICMP_CODE),
        OxmKind::ARP_SHA | OxmKind::IPV6_ND_SLL => plain(Slot::LINK_SRC),
        OxmKind::ARP_THA | OxmKind::IPV6_ND_TLL => plain(Slot::LINK_DST),
        OxmKind::IPV6_SRC => plain(Slot::IPV6_SRC),
        OxmKind::IPV6_DST => plain(Slot::IPV6_DST),
        OxmKind::IPV6_FLABEL => plain(Slot::IPV6_FLABEL),
        OxmKind::IPV6_ND_TARGET => plain(Slot::ND_TARGET),
        OxmKind::PACKET_TYPE => plain(Slot::PACKET_TYPE),
        OxmKind::ND_RESERVED => plain(Slot::ND_RESERVED),
        OxmKind::ND_OPTIONS_TYPE => plain(Slot::ND_OPTIONS_TYPE),
        OxmKind::MPLS_LABEL => plain(Slot::MPLS_LABEL),
        OxmKind::MPLS_TC => plain(Slot::MPLS_TC),
        OxmKind::MPLS_BOS => plain(Slot::MPLS_BOS),
        OxmKind::MPLS_TTL => plain(Slot::MPLS_TTL),
        OxmKind::PKT_MARK => plain(Slot::PKT_MARK),
        OxmKind::CONJ_ID => plain(Slot::CONJ_ID),
        OxmKind::DP_HASH => plain(Slot::DP_HASH),
        OxmKind::RECIRC_ID => plain(Slot::RECIRC_ID),
        OxmKind::ACTSET_OUTPUT => formed(Slot::ACTSET_OUTPUT, Form::ActionSetOutput),
        OxmKind::CT_STATE => plain(Slot::CT_STATE),
        OxmKind::CT_ZONE => plain(Slot::CT_ZONE),
        OxmKind::CT_MARK => plain(Slot::CT_MARK),
        OxmKind::CT_LABEL => plain(Slot::CT_LABEL),
        OxmKind::CT_NW_PROTO => plain(Slot::CT_NW_PROTO),
        OxmKind::CT_NW_SRC => plain(Slot::CT_NW_SRC),
        OxmKind::CT_NW_DST => plain(Slot::CT_NW_DST),
        OxmKind::CT_IPV6_SRC => plain(Slot::CT_IPV6_SRC),
        OxmKind::CT_IPV6_DST => plain(Slot::CT_IPV6_DST),
        OxmKind::CT_TP_SRC => plain(Slot::CT_TP_SRC),
        OxmKind::CT_TP_DST => plain(Slot::CT_TP_DST),
        OxmKind::TUN_SRC => plain(Slot::TUN_SRC),
        OxmKind::TUN_DST => plain(Slot::TUN_DST),
        OxmKind::TUN_IPV6_SRC => plain(Slot::TUN_IPV6_SRC),
        OxmKind::TUN_IPV6_DST => plain(Slot::TUN_IPV6_DST),
        OxmKind::TUN_FLAGS => plain(Slot::TUN_FLAGS),
        OxmKind::TUN_GBP_ID => plain(Slot::TUN_GBP_ID),
        OxmKind::TUN_GBP_FLAGS => plain(Slot::TUN_GBP_FLAGS),
        OxmKind::TUN_ERSPAN_IDX => plain(Slot::TUN_ERSPAN_IDX),
        OxmKind::TUN_ERSPAN_VER => plain(Slot::TUN_ERSPAN_VER),
        OxmKind::TUN_ERSPAN_DIR => plain(Slot::TUN_ERSPAN_DIR),
        OxmKind::TUN_ERSPAN_HWID => plain(Slot::TUN_ERSPAN_HWID),
        OxmKind::TUN_GTPU_FLAGS => plain(Slot::TUN_GTPU_FLAGS),
        OxmKind::TUN_GTPU_MSGTYPE => plain(Slot::TUN_GTPU_MSGTYPE),
        OxmKind::NSH_FLAGS => plain(Slot::NSH_FLAGS),
        OxmKind::NSH_TTL => plain(Slot::NSH_TTL),
        OxmKind::NSH_MDTYPE => plain(Slot::NSH_MDTYPE),
        OxmKind::NSH_NP => plain(Slot::NSH_NP),
        OxmKind::NSH_SPI => plain(Slot::NSH_SPI),
        OxmKind::NSH_SI => plain(Slot::NSH_SI),
        OxmKind::NSH_C1 => plain(Slot::NSH_C1),
        OxmKind::NSH_C2 => plain(Slot::NSH_C2),
        OxmKind::NSH_C3 => plain(Slot::NSH_C3),
        OxmKind::NSH_C4 => plain(Slot::NSH_C4),
        other => register(other).and_then(plain),
    }
}

fn register(kind: OxmKind) -> Option<Slot> {
    let number = usize::from(kind.field);
    match kind {
        OxmKind::XXREG0 | OxmKind::XXREG1 | OxmKind::XXREG2 | OxmKind::XXREG3 => {
            Some(Slot::widest_register(number - usize::from(OxmKind::XXREG0.field)))
        }
        _ if kind.class == OxmKind::XREG0.class && number < 8 => Some(Slot::wide_register(number)),
        _ if kind.class == OxmKind::NXM_REG0.class && number < 16 => Some(Slot::register(number)),
        _ => None,
    }
}

/// The field that stands for all fields with the same meaning, those with other octets included.
pub(crate) fn meaning(kind: OxmKind) -> OxmKind {
    match kind.canonical() {
        OxmKind::NXM_OF_IN_PORT => OxmKind::IN_PORT,
        OxmKind::NXM_OF_IP_TOS => OxmKind::IP_DSCP,
        other => other,
    }
}

/// Whether Open vSwitch can hold a value in a field (`mf_is_value_valid`).
pub(crate) fn is_valid(kind: OxmKind, value: u128) -> bool {
    match kind.canonical() {
        OxmKind::IN_PORT | OxmKind::ACTSET_OUTPUT => {
            value < u128::from(MAX_PORTS) || value >= u128::from(RESERVED_PORTS | MAX_PORTS)
        }
        // The operation of ARP and RARP has 16 bits on the wire; no operation above 255 exists, and Open vSwitch matches 8.
        OxmKind::ARP_OP => value <= 0xff,
        OxmKind::NXM_OF_IP_TOS => value & 3 == 0,
        OxmKind::NSH_TTL => value <= 63,
        OxmKind::NSH_MDTYPE => matches!(value, 1 | 2),
        other => {
            let bits = u32::from(other.bits().unwrap_or(0));
            bits >= 128 || value >> bits == 0
        }
    }
}

/// Whether what has `key`'s values has the headers that `kind` is a field of (OpenFlow 1.3.5 §7.2.3.8, and as Open vSwitch extends it).
/// `mask` is given for a match, and tells a value from a field that isn't matched.
pub(crate) fn prerequisites_hold(kind: OxmKind, key: &FlowKey, mask: Option<&FlowKey>) -> bool {
    let eth_type = key.eth_type();
    let is_ip = matches!(eth_type, 0x0800 | 0x86dd);
    let ip_proto = key.get(Slot::IP_PROTO) as u8;
    let is_link = super::headers::is_ethernets(kind) || kind == OxmKind::VLAN_PCP;
    if is_link && key.get(Slot::PACKET_TYPE) != 0 {
        return false;
    }
    match kind.prerequisite() {
        None | Some(Prerequisite::None | Prerequisite::InPort) => true,
        Some(Prerequisite::VlanTag) => key.get(Slot::VLAN_VID) & 0x1000 != 0,
        Some(Prerequisite::EthType(types)) => types.contains(&eth_type),
        Some(Prerequisite::IpProto(protocol @ (6 | 17 | 132))) => {
            is_ip && ip_proto == protocol && key.get(Slot::IP_FRAGMENT) & FRAGMENT_LATER == 0
        }
        Some(Prerequisite::IpProto(1)) => eth_type == 0x0800 && ip_proto == 1,
        Some(Prerequisite::IpProto(58)) => eth_type == 0x86dd && ip_proto == 58,
        Some(Prerequisite::IpProto(_)) => false,
        Some(Prerequisite::Icmpv6Type(types)) => {
            let icmp_type = key.get(Slot::ICMP_TYPE) as u8;
            eth_type == 0x86dd && ip_proto == 58 && key.get(Slot::ICMP_CODE) == 0 && types.contains(&icmp_type)
        }
        Some(Prerequisite::Tracked) => is_tracked(key, mask),
    }
}

/// A connection state that only a tracked and valid packet has.
fn is_tracked(key: &FlowKey, mask: Option<&FlowKey>) -> bool {
    const NEW_EST_REL_RPL: u128 = 0x01 | 0x02 | 0x04 | 0x08;
    const INVALID: u128 = 0x10;
    const TRACKED: u128 = 0x20;
    const NAT: u128 = 0x40 | 0x80;
    let state = key.get(Slot::CT_STATE);
    let not_invalid = state & INVALID == 0 && mask.is_some_and(|mask| mask.get(Slot::CT_STATE) & INVALID != 0);
    state & (NEW_EST_REL_RPL | NAT) != 0 || (state & TRACKED != 0 && not_invalid)
}

/// Some bits of a field of a packet.
pub(crate) fn read(key: &FlowKey, subfield: Subfield) -> u128 {
    let value = value(key, subfield.kind);
    (value >> u32::from(subfield.offset).min(127)) & ones(subfield.bits)
}

/// The whole value of a field of a packet, as it would stand on the wire.
pub(crate) fn value(key: &FlowKey, kind: OxmKind) -> u128 {
    place(kind).map_or(0, |place| place.shown(key.get(place.slot)))
}

/// The lowest `bits` bits.
pub(crate) fn ones(bits: u16) -> u128 {
    if bits >= 128 { u128::MAX } else { (1u128 << bits) - 1 }
}

/// Octets in network order as a number; only the last 16 count.
pub(crate) fn number(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |value, octet| (value << 8) | u128::from(*octet))
}
