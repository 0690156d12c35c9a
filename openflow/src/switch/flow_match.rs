//! A [`Match`] made ready for lookup: one value and one mask over the words of a [`FlowKey`], and the set algebra on them.

use super::check::MAX_PORTS;
use super::flow_key::{FlowKey, Slot};
use crate::error::ErrorCode;
use crate::flow_match::Match;
use crate::oxm::{CLASS_OPENFLOW_BASIC, OxmField, OxmKind};
use net::PortNo;

/// Which packets a flow matches: those whose key, masked by `mask`, is `value`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct FlowMatch {
    pub(crate) value: FlowKey,
    pub(crate) mask: FlowKey,
}

impl FlowMatch {
    /// Matches every packet.
    pub const ANY: FlowMatch = FlowMatch { value: FlowKey::ZERO, mask: FlowKey::ZERO };

    /// Checks and translates an OXM match, field by field in the order in which they stand, as Open vSwitch does.
    ///
    /// # Errors
    /// The OFPBMC code of the first field at fault: a field that this switch doesn't know (also `in_phy_port`, `pbb_isid` and
    /// `ipv6_exthdr`), a mask that isn't allowed or doesn't cover the value, a value out of range, a prerequisite that doesn't stand before
    /// its field, a field that stands twice.
    pub fn compile(match_: &Match) -> Result<FlowMatch, ErrorCode> {
        let mut compiled = FlowMatch::ANY;
        for field in match_.fields() {
            compiled.add(field)?;
        }
        Ok(compiled)
    }

    fn add(&mut self, field: OxmField<'_>) -> Result<(), ErrorCode> {
        let slot = slot(field.kind).ok_or(ErrorCode::MATCH_BAD_FIELD)?;
        let value = number(field.value);
        let bits = field.kind.bits().unwrap_or(slot.bits as u16);
        let full = if bits >= 128 { u128::MAX } else { (1u128 << bits) - 1 };
        let mask = field.mask.map_or(full, number);
        if field.mask.is_some() && value & !mask != 0 {
            return Err(ErrorCode::MATCH_BAD_WILDCARDS);
        }
        if mask & full != full && mask != 0 && !maskable(field.kind) {
            return Err(ErrorCode::MATCH_BAD_MASK);
        }
        // The operation of ARP and RARP has 16 bits on the wire; no operation above 255 exists, and Open vSwitch matches 8.
        let impossible = match field.kind {
            OxmKind::ARP_OP => value > 0xff,
            OxmKind::IN_PORT => value >= u128::from(MAX_PORTS) && value < u128::from(PortNo::IN_PORT.0),
            _ => false,
        };
        if value & !full != 0 || impossible {
            return Err(ErrorCode::MATCH_BAD_VALUE);
        }
        if !self.prerequisites_hold(field.kind) {
            return Err(ErrorCode::MATCH_BAD_PREREQ);
        }
        if self.mask.get(slot) != 0 {
            return Err(ErrorCode::MATCH_DUP_FIELD);
        }
        self.mask.set(slot, mask & full);
        self.value.set(slot, value);
        Ok(())
    }

    /// Whether every packet of this match has the headers that `kind` is a field of (OpenFlow 1.3.5 §7.2.3.8).
    pub(crate) fn prerequisites_hold(&self, kind: OxmKind) -> bool {
        let eth_type = self.exact(Slot::ETH_TYPE);
        let ip_proto = self.exact(Slot::IP_PROTO);
        let is_ip = |proto: u128| matches!(eth_type, Some(0x0800 | 0x86dd)) && ip_proto == Some(proto);
        let nd = |types: &[u128]| {
            is_ip(58)
                && eth_type == Some(0x86dd)
                && self.exact(Slot::ICMP_TYPE).is_some_and(|icmp_type| types.contains(&icmp_type))
        };
        match kind {
            OxmKind::VLAN_PCP => self.value.get(Slot::VLAN_VID) & 0x1000 != 0,
            OxmKind::IP_DSCP | OxmKind::IP_ECN | OxmKind::IP_PROTO => matches!(eth_type, Some(0x0800 | 0x86dd)),
            OxmKind::IPV4_SRC | OxmKind::IPV4_DST => eth_type == Some(0x0800),
            OxmKind::IPV6_SRC | OxmKind::IPV6_DST | OxmKind::IPV6_FLABEL => eth_type == Some(0x86dd),
            OxmKind::TCP_SRC | OxmKind::TCP_DST => is_ip(6),
            OxmKind::UDP_SRC | OxmKind::UDP_DST => is_ip(17),
            OxmKind::SCTP_SRC | OxmKind::SCTP_DST => is_ip(132),
            OxmKind::ICMPV4_TYPE | OxmKind::ICMPV4_CODE => eth_type == Some(0x0800) && ip_proto == Some(1),
            OxmKind::ICMPV6_TYPE | OxmKind::ICMPV6_CODE => eth_type == Some(0x86dd) && ip_proto == Some(58),
            OxmKind::ARP_OP | OxmKind::ARP_SPA | OxmKind::ARP_TPA | OxmKind::ARP_SHA | OxmKind::ARP_THA => {
                eth_type == Some(0x0806)
            }
            OxmKind::IPV6_ND_TARGET => nd(&[135, 136]),
            OxmKind::IPV6_ND_SLL => nd(&[135]),
            OxmKind::IPV6_ND_TLL => nd(&[136]),
            OxmKind::MPLS_LABEL | OxmKind::MPLS_TC | OxmKind::MPLS_BOS => matches!(eth_type, Some(0x8847 | 0x8848)),
            _ => true,
        }
    }

    /// The value at `slot`, if all its bits are matched.
    pub(crate) fn exact(&self, slot: Slot) -> Option<u128> {
        (self.mask.get(slot) == slot.full()).then(|| self.value.get(slot))
    }

    /// The match of exactly one packet.
    pub(crate) fn of_packet(key: &FlowKey) -> FlowMatch {
        FlowMatch { value: *key, mask: FlowKey { words: [u64::MAX; super::flow_key::WORDS] } }
    }

    /// Whether a packet is matched.
    pub fn matches(&self, key: &FlowKey) -> bool {
        key.and(&self.mask) == self.value
    }

    /// Whether every packet that `other` matches is matched by this one too (what non-strict modify and delete go by,
    /// OpenFlow 1.3.5 §6.4).
    pub fn covers(&self, other: &FlowMatch) -> bool {
        self.mask.and(&other.mask) == self.mask && other.value.and(&self.mask) == self.value
    }

    /// Whether a packet can exist that both match (what CHECK_OVERLAP goes by, OpenFlow 1.3.5 §6.4).
    pub fn overlaps(&self, other: &FlowMatch) -> bool {
        let common = self.mask.and(&other.mask);
        self.value.and(&common) == other.value.and(&common)
    }

    /// The packets that both match; `None` if there are none.
    pub fn intersection(&self, other: &FlowMatch) -> Option<FlowMatch> {
        if !self.overlaps(other) {
            return None;
        }
        let mut both = *self;
        for (word, other) in both.value.words.iter_mut().zip(other.value.words) {
            *word |= other;
        }
        for (word, other) in both.mask.words.iter_mut().zip(other.mask.words) {
            *word |= other;
        }
        Some(both)
    }

    /// Matches every packet: with priority 0, the table-miss flow entry (OpenFlow 1.3.5 §5.4).
    pub fn is_any(&self) -> bool {
        self.mask == FlowKey::ZERO
    }
}

/// Where a field stands in the key; `None` for fields that this switch doesn't know.
pub(crate) fn slot(kind: OxmKind) -> Option<Slot> {
    if kind.class != CLASS_OPENFLOW_BASIC {
        return None;
    }
    Some(match kind {
        OxmKind::IN_PORT => Slot::IN_PORT,
        OxmKind::METADATA => Slot::METADATA,
        OxmKind::ETH_DST => Slot::ETH_DST,
        OxmKind::ETH_SRC => Slot::ETH_SRC,
        OxmKind::ETH_TYPE => Slot::ETH_TYPE,
        OxmKind::VLAN_VID => Slot::VLAN_VID,
        OxmKind::VLAN_PCP => Slot::VLAN_PCP,
        OxmKind::IP_DSCP => Slot::IP_DSCP,
        OxmKind::IP_ECN => Slot::IP_ECN,
        OxmKind::IP_PROTO => Slot::IP_PROTO,
        OxmKind::IPV4_SRC | OxmKind::ARP_SPA => Slot::IPV4_SRC,
        OxmKind::IPV4_DST | OxmKind::ARP_TPA => Slot::IPV4_DST,
        OxmKind::TCP_SRC | OxmKind::UDP_SRC | OxmKind::SCTP_SRC => Slot::L4_SRC,
        OxmKind::TCP_DST | OxmKind::UDP_DST | OxmKind::SCTP_DST => Slot::L4_DST,
        OxmKind::ICMPV4_TYPE | OxmKind::ICMPV6_TYPE => Slot::ICMP_TYPE,
        OxmKind::ICMPV4_CODE | OxmKind::ICMPV6_CODE => Slot::ICMP_CODE,
        OxmKind::ARP_OP => Slot::ARP_OP,
        OxmKind::ARP_SHA | OxmKind::IPV6_ND_SLL => Slot::LINK_SRC,
        OxmKind::ARP_THA | OxmKind::IPV6_ND_TLL => Slot::LINK_DST,
        OxmKind::IPV6_SRC => Slot::IPV6_SRC,
        OxmKind::IPV6_DST => Slot::IPV6_DST,
        OxmKind::IPV6_FLABEL => Slot::IPV6_FLABEL,
        OxmKind::IPV6_ND_TARGET => Slot::ND_TARGET,
        OxmKind::MPLS_LABEL => Slot::MPLS_LABEL,
        OxmKind::MPLS_TC => Slot::MPLS_TC,
        OxmKind::MPLS_BOS => Slot::MPLS_BOS,
        OxmKind::TUNNEL_ID => Slot::TUNNEL_ID,
        _ => return None,
    })
}

/// Beyond the specification's table, Open vSwitch takes masks on transport ports and on the fields of ND.
pub(crate) fn maskable(kind: OxmKind) -> bool {
    kind.maskable().unwrap_or(false)
        || matches!(
            kind,
            OxmKind::TCP_SRC
                | OxmKind::TCP_DST
                | OxmKind::UDP_SRC
                | OxmKind::UDP_DST
                | OxmKind::SCTP_SRC
                | OxmKind::SCTP_DST
                | OxmKind::IPV6_ND_TARGET
                | OxmKind::IPV6_ND_SLL
                | OxmKind::IPV6_ND_TLL
        )
}

/// Octets in network order as a number; only the last 16 count.
pub(crate) fn number(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |value, octet| (value << 8) | u128::from(*octet))
}
