//! A packet on its way through the pipeline: the frame, its match fields, and the rewrites that OpenFlow's actions ask for, with
//! checksums kept right. A frame that nobody rewrites is never copied.

use super::checksum;
use super::extract::{
    ETH_ARP, ETH_IPV4, ETH_IPV6, IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP, Layout, ND_ADVERT, ND_SOLICIT, WIRE_TAGS,
    extract,
};
use super::flow_key::{FlowKey, Slot};
use crate::oxm::OxmKind;
use bytes::{Bytes, BytesMut};
use net::PortNo;

/// A frame and what it looks like to the flow tables.
#[derive(Clone, Debug)]
pub struct Packet {
    frame: Frame,
    /// Tags to look through: those that were pushed here hide nothing from the tables, as with Open vSwitch.
    max_tags: u8,
    key: FlowKey,
    layout: Layout,
}

/// The octets as they came or were last handed out, and a copy once something is rewritten.
#[derive(Clone, Debug)]
struct Frame {
    shared: Bytes,
    edited: Option<BytesMut>,
}

impl Frame {
    const fn new(shared: Bytes) -> Frame {
        Frame { shared, edited: None }
    }
}

/// A TTL that can't be decremented any more (OpenFlow 1.3.5 §5.12: checked and reported as OFPR_INVALID_TTL).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidTtl;

/// Largest frame that a push may make: a packet-in's `total_len` has 16 bits.
pub const FRAME_LEN_MAX: usize = 65_535;

impl Packet {
    /// A frame that came in by `in_port`. Any octets are a packet: fields that can't be read are zero.
    pub fn new(in_port: PortNo, frame: Bytes) -> Packet {
        let (key, layout) = extract(&frame, in_port, WIRE_TAGS);
        Packet { frame: Frame::new(frame), max_tags: WIRE_TAGS, key, layout }
    }

    /// The match fields.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Whether it is a fragment of an IP packet.
    pub fn is_fragment(&self) -> bool {
        self.layout.fragment
    }

    /// The frame as it is now.
    pub fn octets(&self) -> &[u8] {
        self.frame.edited.as_deref().unwrap_or(&self.frame.shared)
    }

    /// The frame as it is now, shared: further rewrites copy first.
    pub fn share(&mut self) -> Bytes {
        if let Some(edited) = self.frame.edited.take() {
            self.frame.shared = edited.freeze();
        }
        self.frame.shared.clone()
    }

    /// The `masked` bits of the metadata register become those of `metadata` (OpenFlow 1.3.5 §5.9, Write-Metadata).
    pub(crate) fn write_metadata(&mut self, metadata: u64, mask: u64) {
        let value = (self.key.metadata() & !mask) | (metadata & mask);
        self.key.set(Slot::METADATA, u128::from(value));
    }

    fn octets_mut(&mut self) -> &mut BytesMut {
        let Frame { shared, edited } = &mut self.frame;
        edited.get_or_insert_with(|| BytesMut::from(&shared[..]))
    }

    /// Reads the frame again after a rewrite; what isn't in the frame is kept.
    fn reread(&mut self) {
        let (mut key, layout) = extract(self.octets(), self.key.in_port(), self.max_tags);
        for slot in [Slot::METADATA, Slot::TUNNEL_ID] {
            key.set(slot, self.key.get(slot));
        }
        (self.key, self.layout) = (key, layout);
    }

    /// Writes octets and keeps the checksums right that cover them.
    fn write(&mut self, at: usize, new: &[u8], sums: Sums) {
        let Some(old) = self.octets().get(at..at + new.len()) else { return };
        if old == new {
            return;
        }
        let old: smallvec::SmallVec<[u8; 16]> = old.into();
        let layout = self.layout;
        let pseudo = matches!(layout.l4_proto, IP_TCP | IP_UDP) || (layout.l4_proto == IP_ICMPV6 && sums != Sums::Ipv4);
        let frame = self.octets_mut();
        if let Some(place) = frame.get_mut(at..at + new.len()) {
            place.copy_from_slice(new);
        }
        if let (Sums::Ipv4 | Sums::Ipv4Address, Some(l3)) = (sums, layout.l3) {
            update(frame, l3 + 10, at - l3, &old, new, false);
        }
        if sums == Sums::Ipv4 || sums == Sums::None {
            return;
        }
        let Some(l4) = layout.l4 else { return };
        let (position, start, is_udp) = match (layout.l4_proto, sums) {
            (IP_TCP, _) => (16, l4, false),
            (IP_UDP, _) => (6, l4, true),
            (IP_ICMPV6, _) => (2, l4, false),
            (IP_ICMP, Sums::L4) => (2, l4, false),
            _ => return,
        };
        // Address octets enter the sum by the pseudo-header, where they stand at even offsets, as they do in the IP header.
        let offset = match sums {
            Sums::L4 => at - start,
            _ if pseudo => at - layout.l3.unwrap_or(at),
            _ => return,
        };
        update(frame, l4 + position, offset, &old, new, is_udp);
    }

    /// Set-field (OpenFlow 1.3.5 §7.2.5.7). A field that this packet doesn't have is left alone: the flow's match proves the
    /// prerequisites where it matters.
    pub(crate) fn set_field(&mut self, kind: OxmKind, value: u128) {
        let Layout { l3, l4, l4_proto, fragment, .. } = self.layout;
        let eth_type = self.key.eth_type();
        let bytes16 = value.to_be_bytes();
        let low = |len: usize| bytes16.get(16 - len..).unwrap_or_default();
        let ip = l3.filter(|_| eth_type == ETH_IPV4 || eth_type == ETH_IPV6);
        let ipv4 = l3.filter(|_| eth_type == ETH_IPV4);
        let ipv6 = l3.filter(|_| eth_type == ETH_IPV6);
        let arp = l3.filter(|_| eth_type == ETH_ARP);
        let l4_of = |proto: u8| l4.filter(|_| l4_proto == proto && !fragment);
        let icmp_type = self.key.get(Slot::ICMP_TYPE) as u8;
        let nd = l4_of(IP_ICMPV6).filter(|_| matches!(icmp_type, ND_SOLICIT | ND_ADVERT));
        // SCTP's checksum is a CRC over everything: it can't be updated from the change alone.
        let (at, len, sums) = match kind {
            OxmKind::METADATA => return self.key.set(Slot::METADATA, value),
            OxmKind::TUNNEL_ID => return self.key.set(Slot::TUNNEL_ID, value),
            OxmKind::ETH_DST => (Some(0), 6, Sums::None),
            OxmKind::ETH_SRC => (Some(6), 6, Sums::None),
            OxmKind::VLAN_VID | OxmKind::VLAN_PCP => return self.set_vlan(kind, value as u16),
            OxmKind::IP_DSCP => return self.set_tos(ip, 0x03, (value as u8) << 2),
            OxmKind::IP_ECN => return self.set_tos(ip, 0xfc, value as u8 & 3),
            OxmKind::IPV4_SRC => (ipv4.map(|at| at + 12), 4, Sums::Ipv4Address),
            OxmKind::IPV4_DST => (ipv4.map(|at| at + 16), 4, Sums::Ipv4Address),
            OxmKind::IPV6_SRC => (ipv6.map(|at| at + 8), 16, Sums::Ipv6Address),
            OxmKind::IPV6_DST => (ipv6.map(|at| at + 24), 16, Sums::Ipv6Address),
            OxmKind::IPV6_FLABEL => return self.set_flow_label(ipv6, value as u32),
            OxmKind::TCP_SRC => (l4_of(IP_TCP), 2, Sums::L4),
            OxmKind::TCP_DST => (l4_of(IP_TCP).map(|at| at + 2), 2, Sums::L4),
            OxmKind::UDP_SRC => (l4_of(IP_UDP), 2, Sums::L4),
            OxmKind::UDP_DST => (l4_of(IP_UDP).map(|at| at + 2), 2, Sums::L4),
            OxmKind::SCTP_SRC => (l4_of(IP_SCTP), 2, Sums::None),
            OxmKind::SCTP_DST => (l4_of(IP_SCTP).map(|at| at + 2), 2, Sums::None),
            OxmKind::ICMPV4_TYPE => (l4_of(IP_ICMP), 1, Sums::L4),
            OxmKind::ICMPV4_CODE => (l4_of(IP_ICMP).map(|at| at + 1), 1, Sums::L4),
            OxmKind::ICMPV6_TYPE => (l4_of(IP_ICMPV6), 1, Sums::L4),
            OxmKind::ICMPV6_CODE => (l4_of(IP_ICMPV6).map(|at| at + 1), 1, Sums::L4),
            OxmKind::IPV6_ND_TARGET => (nd.map(|at| at + 8), 16, Sums::L4),
            OxmKind::IPV6_ND_SLL => (self.layout.nd_sll, 6, Sums::L4),
            OxmKind::IPV6_ND_TLL => (self.layout.nd_tll, 6, Sums::L4),
            OxmKind::ARP_OP => (arp.map(|at| at + 6), 2, Sums::None),
            OxmKind::ARP_SHA => (arp.map(|at| at + 8), 6, Sums::None),
            OxmKind::ARP_SPA => (arp.map(|at| at + 14), 4, Sums::None),
            OxmKind::ARP_THA => (arp.map(|at| at + 18), 6, Sums::None),
            OxmKind::ARP_TPA => (arp.map(|at| at + 24), 4, Sums::None),
            _ => return,
        };
        let Some(at) = at else { return };
        self.write(at, low(len), sums);
        self.reread();
    }

    fn set_vlan(&mut self, kind: OxmKind, value: u16) {
        let Some(at) = self.layout.vlan_tci else { return };
        let Some(&[high, low]) = self.octets().get(at..at + 2).and_then(|tci| tci.first_chunk::<2>()) else { return };
        let old = u16::from_be_bytes([high, low]);
        let new = match kind {
            OxmKind::VLAN_VID => (old & 0xf000) | (value & 0x0fff),
            _ => (old & 0x1fff) | (value << 13),
        };
        self.write(at, &new.to_be_bytes(), Sums::None);
        self.reread();
    }

    /// Keeps the bits of `keep` in the DSCP and ECN octet and sets `value`.
    fn set_tos(&mut self, ip: Option<usize>, keep: u8, value: u8) {
        let Some(at) = ip else { return };
        if self.key.eth_type() == ETH_IPV4 {
            let Some(&old) = self.octets().get(at + 1) else { return };
            self.write(at + 1, &[(old & keep) | value], Sums::Ipv4);
        } else {
            // The traffic class straddles the first two octets; no checksum covers it.
            let Some(&[first, second]) = self.octets().get(at..).and_then(|header| header.first_chunk::<2>()) else {
                return;
            };
            let class = (((first << 4) | (second >> 4)) & keep) | value;
            self.write(at, &[(first & 0xf0) | (class >> 4), (class << 4) | (second & 0x0f)], Sums::None);
        }
        self.reread();
    }

    fn set_flow_label(&mut self, ipv6: Option<usize>, value: u32) {
        let Some(at) = ipv6 else { return };
        let Some(&first) = self.octets().get(at..).and_then(|header| header.first_chunk::<4>()) else { return };
        let word = (u32::from_be_bytes(first) & 0xfff0_0000) | (value & 0x000f_ffff);
        self.write(at, &word.to_be_bytes(), Sums::None);
        self.reread();
    }

    /// Pushes an 802.1Q tag with VLAN id and priority zero, as Open vSwitch does (OpenFlow 1.3.5 §7.2.5.5).
    pub(crate) fn push_vlan(&mut self, ethertype: u16) {
        let octets = self.octets();
        let Some((addresses, rest)) = octets.split_at_checked(12) else { return };
        if octets.len() + 4 > FRAME_LEN_MAX {
            return;
        }
        let mut frame = BytesMut::with_capacity(octets.len() + 4);
        frame.extend_from_slice(addresses);
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(rest);
        self.frame.edited = Some(frame);
        self.max_tags = self.max_tags.saturating_add(1);
        self.reread();
    }

    /// Pops the outer tag; a packet without one is left alone.
    pub(crate) fn pop_vlan(&mut self) {
        if self.layout.vlan_tci.is_none() {
            return;
        }
        let octets = self.octets();
        let (Some(addresses), Some(rest)) = (octets.get(..12), octets.get(16..)) else { return };
        let mut frame = BytesMut::with_capacity(octets.len());
        frame.extend_from_slice(addresses);
        frame.extend_from_slice(rest);
        self.frame.edited = Some(frame);
        self.max_tags = self.max_tags.saturating_sub(1).max(WIRE_TAGS);
        self.reread();
    }

    fn ttl_place(&self) -> Option<(usize, Sums)> {
        match (self.layout.l3, self.key.eth_type()) {
            (Some(at), ETH_IPV4) => Some((at + 8, Sums::Ipv4)),
            (Some(at), ETH_IPV6) => Some((at + 7, Sums::None)),
            _ => None,
        }
    }

    /// Set the IP TTL or hop limit.
    pub(crate) fn set_nw_ttl(&mut self, ttl: u8) {
        if let Some((at, sums)) = self.ttl_place() {
            self.write(at, &[ttl], sums);
        }
    }

    /// Decrement the IP TTL or hop limit; what isn't IP is left alone.
    ///
    /// # Errors
    /// When it is 0 or 1 already; the packet is not changed.
    pub(crate) fn dec_nw_ttl(&mut self) -> Result<(), InvalidTtl> {
        let Some((at, sums)) = self.ttl_place() else { return Ok(()) };
        match self.octets().get(at) {
            Some(&ttl) if ttl > 1 => {
                self.write(at, &[ttl - 1], sums);
                Ok(())
            }
            _ => Err(InvalidTtl),
        }
    }
}

/// Which checksums cover a rewritten field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sums {
    None,
    /// The IPv4 header's.
    Ipv4,
    /// The IPv4 header's, and by the pseudo-header that of TCP and UDP.
    Ipv4Address,
    /// By the pseudo-header that of TCP, UDP and ICMPv6.
    Ipv6Address,
    /// The transport header's.
    L4,
}

fn update(frame: &mut [u8], at: usize, offset: usize, old: &[u8], new: &[u8], is_udp: bool) {
    let Some(place) = frame.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) else { return };
    let before = u16::from_be_bytes(*place);
    // RFC 768: zero is "no checksum", and a computed zero is sent as all ones.
    if is_udp && before == 0 {
        return;
    }
    let after = checksum::updated(before, offset, old, new);
    *place = if is_udp && after == 0 { 0xffff } else { after }.to_be_bytes();
}
