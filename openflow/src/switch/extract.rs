//! From an Ethernet frame to a [`FlowKey`], as Open vSwitch reads it: one 802.1Q tag, three labels of MPLS, headers that contradict the
//! frame's length left out. Never fails: what can't be read stays zero.

use super::flow_key::{FRAGMENT_ANY, FRAGMENT_LATER, FlowKey, Slot};
use super::label_stack;
use net::PortNo;

/// Where the headers of a frame begin, so that a field can be rewritten in place.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Layout {
    /// 802.1Q tags that are known of, from octet 12 on; others may follow.
    pub(crate) tags: usize,
    /// What follows the EtherType.
    pub(crate) payload: usize,
    /// Entries of an MPLS label stack that are known of, from `payload` on.
    pub(crate) labels: usize,
    /// The IPv4, IPv6, ARP or network service header.
    pub(crate) l3: Option<usize>,
    /// The TCP, UDP, SCTP, ICMP or ICMPv6 header; also of a first fragment.
    pub(crate) l4: Option<usize>,
    /// What stands at `l4`; meaningful only beside it.
    pub(crate) l4_proto: u8,
    /// One past the last octet that belongs to the IP packet (the rest is Ethernet padding).
    pub(crate) l4_end: usize,
    /// Whether it is a neighbour solicitation or advertisement.
    pub(crate) is_nd: bool,
    /// The type of the first option there with a link-layer address; 0 without one.
    pub(crate) nd_option: u8,
    /// The address inside an ND source link-layer option.
    pub(crate) nd_sll: Option<usize>,
    /// The address inside an ND target link-layer option.
    pub(crate) nd_tll: Option<usize>,
}

impl Layout {
    /// As it is when `by` octets are put in (or, if negative, taken out) before the payload.
    pub(crate) fn shift(&mut self, by: isize) {
        let moved = |at: usize| at.saturating_add_signed(by);
        self.payload = moved(self.payload);
        self.l4_end = moved(self.l4_end);
        for place in [&mut self.l3, &mut self.l4, &mut self.nd_sll, &mut self.nd_tll] {
            *place = place.map(moved);
        }
    }
}

pub(crate) const ETH_IPV4: u16 = 0x0800;
pub(crate) const ETH_ARP: u16 = 0x0806;
const ETH_RARP: u16 = 0x8035;
pub(crate) const ETH_VLAN: u16 = 0x8100;
pub(crate) const ETH_QINQ: u16 = 0x88a8;
pub(crate) const ETH_IPV6: u16 = 0x86dd;
/// The network service header (RFC 8300).
pub(crate) const ETH_NSH: u16 = 0x894f;
pub(crate) const ETH_MPLS: u16 = 0x8847;
const ETH_MPLS_MULTICAST: u16 = 0x8848;
/// What `eth_type` matches on for IEEE 802.3 frames without SNAP (OpenFlow 1.0 §3.4 calls it OFP_DL_TYPE_NOT_ETH_TYPE).
pub(crate) const ETH_LLC: u16 = 0x05ff;
/// Smallest EtherType; below it, the field is a length.
const ETH_TYPE_MIN: u16 = 0x0600;
/// Octets of two addresses and an EtherType: nothing is read from a shorter frame.
pub(crate) const ETH_HEADER_LEN: usize = 14;

pub(crate) const IP_ICMP: u8 = 1;
pub(crate) const IP_TCP: u8 = 6;
pub(crate) const IP_UDP: u8 = 17;
pub(crate) const IP_FRAGMENT: u8 = 44;
pub(crate) const IP_ICMPV6: u8 = 58;
pub(crate) const IP_SCTP: u8 = 132;

/// The OFPVID_PRESENT bit, in the place of the wire's DEI.
pub(crate) const VLAN_PRESENT: u16 = 0x1000;

pub(crate) const ND_SOLICIT: u8 = 135;
pub(crate) const ND_ADVERT: u8 = 136;

/// Labels that Open vSwitch knows of in a stack.
pub(crate) const MAX_LABELS: usize = 3;
/// Octets of an entry of a label stack, and of an 802.1Q tag.
pub(crate) const ENTRY_LEN: usize = 4;
/// The bottom-of-stack bit.
pub(crate) const BOTTOM: u32 = 0x100;

/// Tags that are looked through in a frame, as with Open vSwitch's default `vlan-limit`.
const WIRE_TAGS: usize = 1;

/// Octets of a network service header without its context.
const NSH_BASE_LEN: usize = 8;
/// MD type 1: a context of four words.
pub(crate) const NSH_MD1: u8 = 1;
const NSH_MD1_LEN: usize = 24;
/// MD type 2: a context of any length.
pub(crate) const NSH_MD2: u8 = 2;

pub(crate) fn is_mpls(eth_type: u16) -> bool {
    matches!(eth_type, ETH_MPLS | ETH_MPLS_MULTICAST)
}

/// Reads a frame that came in by `in_port`. The outermost tag is matched and looked through to what is behind it.
pub(crate) fn extract(frame: &[u8], in_port: PortNo) -> (FlowKey, Layout) {
    let mut reader = Extractor { frame, key: FlowKey::ZERO, layout: Layout::default() };
    reader.key.set(Slot::IN_PORT, u128::from(in_port.0));
    let _ = reader.ethernet();
    (reader.key, reader.layout)
}

struct Extractor<'a> {
    frame: &'a [u8],
    key: FlowKey,
    layout: Layout,
}

fn be16(octets: &[u8], at: usize) -> Option<u16> {
    let array = octets.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(u16::from_be_bytes(array))
}

/// Up to 16 octets as a number.
fn number(octets: &[u8], at: usize, len: usize) -> Option<u128> {
    let part = octets.get(at..at.checked_add(len)?)?;
    Some(part.iter().fold(0, |value, octet| (value << 8) | u128::from(*octet)))
}

/// Each step gives `None` where the frame ends; what was read before stays.
impl Extractor<'_> {
    fn ethernet(&mut self) -> Option<()> {
        self.layout.payload = self.frame.len();
        self.frame.get(..ETH_HEADER_LEN)?;
        self.key.set(Slot::ETH_DST, number(self.frame, 0, 6)?);
        self.key.set(Slot::ETH_SRC, number(self.frame, 6, 6)?);
        let mut at = 12;
        let mut eth_type = be16(self.frame, at)?;
        while self.layout.tags < WIRE_TAGS && matches!(eth_type, ETH_VLAN | ETH_QINQ) {
            let (Some(tci), Some(inner)) = (be16(self.frame, at + 2), be16(self.frame, at + 4)) else { break };
            if self.layout.tags == 0 {
                self.key.set(Slot::VLAN_TCI, u128::from(tci | VLAN_PRESENT));
            }
            self.layout.tags += 1;
            at += ENTRY_LEN;
            eth_type = inner;
        }
        at += 2;
        if eth_type < ETH_TYPE_MIN {
            let snap = self.frame.get(at..at + 6) == Some(&[0xaa, 0xaa, 3, 0, 0, 0]);
            let inner = if snap { be16(self.frame, at + 6) } else { None };
            at += if inner.is_some() { 8 } else { 0 };
            eth_type = inner.filter(|inner| *inner >= ETH_TYPE_MIN).unwrap_or(ETH_LLC);
        }
        self.layout.payload = at;
        self.key.set(Slot::ETH_TYPE, u128::from(eth_type));
        match eth_type {
            ETH_IPV4 => self.ipv4(at),
            ETH_IPV6 => self.ipv6(at),
            ETH_ARP | ETH_RARP => self.arp(at),
            ETH_MPLS | ETH_MPLS_MULTICAST => self.mpls(at),
            ETH_NSH => self.nsh(at),
            _ => None,
        }
    }

    /// RFC 826, for Ethernet and IPv4 only.
    fn arp(&mut self, at: usize) -> Option<()> {
        let header = self.frame.get(at..at + 28)?;
        if header.get(..6)? != [0, 1, 8, 0, 6, 4] {
            return None;
        }
        self.layout.l3 = Some(at);
        self.key.set(Slot::IP_PROTO, number(header, 6, 2).filter(|operation| *operation <= 0xff).unwrap_or(0));
        self.key.set(Slot::LINK_SRC, number(header, 8, 6)?);
        self.key.set(Slot::IPV4_SRC, number(header, 14, 4)?);
        self.key.set(Slot::LINK_DST, number(header, 18, 6)?);
        self.key.set(Slot::IPV4_DST, number(header, 24, 4)?);
        Some(())
    }

    fn mpls(&mut self, at: usize) -> Option<()> {
        self.key.set(Slot::MPLS_ENTRY, number(self.frame, at, ENTRY_LEN)?);
        self.layout.labels = label_stack::count(label_stack::entries(self.frame, at));
        Some(())
    }

    /// RFC 8300 §2.2. Of a context only that of MD type 1 has fields.
    fn nsh(&mut self, at: usize) -> Option<()> {
        let header = self.frame.get(at..)?;
        let base = be16(header, 0)?;
        let (mdtype, len) = (*header.get(2)?, usize::from(base & 0x3f) * 4);
        let fits = base >> 14 == 0 && header.len() >= NSH_BASE_LEN.max(len);
        if !fits || (mdtype == NSH_MD1 && len != NSH_MD1_LEN) || (mdtype == NSH_MD2 && len < NSH_BASE_LEN) {
            return None;
        }
        self.layout.l3 = Some(at);
        self.key.set(Slot::NSH_FLAGS, u128::from(base >> 12 & 3));
        self.key.set(Slot::NSH_TTL, u128::from(base >> 6 & 0x3f));
        self.key.set(Slot::NSH_MDTYPE, u128::from(mdtype));
        self.key.set(Slot::NSH_NP, u128::from(*header.get(3)?));
        self.key.set(Slot::NSH_PATH, number(header, 4, 4)?);
        if mdtype == NSH_MD1 {
            self.key.set(Slot::NSH_CONTEXT, number(header, 8, 16)?);
        }
        Some(())
    }

    fn ipv4(&mut self, at: usize) -> Option<()> {
        let left = self.frame.len().checked_sub(at)?;
        let first = *self.frame.get(at)?;
        let header_len = usize::from(first & 0x0f) * 4;
        let total_len = usize::from(be16(self.frame, at + 2)?);
        if left < 20 || header_len < 20 || total_len < header_len || total_len > left {
            return None;
        }
        let fragment = be16(self.frame, at + 6)?;
        let proto = *self.frame.get(at + 9)?;
        self.layout.l3 = Some(at);
        self.layout.l4_end = at + total_len;
        self.key.set(Slot::IP_TOS, u128::from(*self.frame.get(at + 1)?));
        self.key.set(Slot::IP_TTL, u128::from(*self.frame.get(at + 8)?));
        self.key.set(Slot::IP_PROTO, u128::from(proto));
        self.key.set(Slot::IPV4_SRC, number(self.frame, at + 12, 4)?);
        self.key.set(Slot::IPV4_DST, number(self.frame, at + 16, 4)?);
        let later = fragment & 0x1fff != 0;
        self.fragment(fragment & 0x3fff != 0, later);
        if later { None } else { self.l4(at + header_len, proto) }
    }

    fn fragment(&mut self, any: bool, later: bool) {
        let bits = if any { FRAGMENT_ANY } else { 0 } | if later { FRAGMENT_LATER } else { 0 };
        self.key.set(Slot::IP_FRAGMENT, bits);
    }

    fn ipv6(&mut self, at: usize) -> Option<()> {
        let left = self.frame.len().checked_sub(at + 40)?;
        let payload_len = usize::from(be16(self.frame, at + 4)?);
        if payload_len > left {
            return None;
        }
        let first = number(self.frame, at, 4)?;
        self.layout.l4_end = at + 40 + payload_len;
        self.key.set(Slot::IPV6_SRC, number(self.frame, at + 8, 16)?);
        self.key.set(Slot::IPV6_DST, number(self.frame, at + 24, 16)?);
        // Extension headers that can't be read leave the addresses alone of the whole packet.
        let Headers { proto, next, any, later } = self.extension_headers(*self.frame.get(at + 6)?, at + 40)?;
        self.layout.l3 = Some(at);
        self.key.set(Slot::IP_TOS, first >> 20);
        self.key.set(Slot::IPV6_FLABEL, first);
        self.key.set(Slot::IP_TTL, number(self.frame, at + 7, 1)?);
        self.key.set(Slot::IP_PROTO, u128::from(proto));
        self.fragment(any, later);
        if later { None } else { self.l4(next, proto) }
    }

    /// RFC 8200 §4: hop-by-hop, routing, fragment and destination options, and authentication. Each has 8 octets at least.
    fn extension_headers(&self, mut proto: u8, mut next: usize) -> Option<Headers> {
        let mut any = false;
        loop {
            let header = self.frame.get(next..self.layout.l4_end)?;
            let len = match proto {
                0 | 43 | 60 => usize::from(*header.get(..8)?.get(1)?) * 8 + 8,
                51 => usize::from(*header.get(..8)?.get(1)?) * 4 + 8,
                IP_FRAGMENT => 8,
                _ => return Some(Headers { proto, next, any, later: false }),
            };
            header.get(..len)?;
            if proto == IP_FRAGMENT {
                // A whole packet in one fragment (RFC 6946) is no fragment.
                let offset = be16(header, 2)?;
                any |= offset != 0;
                if offset & 0xfff8 != 0 {
                    return Some(Headers { proto: IP_FRAGMENT, next, any, later: true });
                }
            }
            proto = *header.first()?;
            next += len;
        }
    }

    fn l4(&mut self, at: usize, proto: u8) -> Option<()> {
        let header = self.frame.get(at..self.layout.l4_end)?;
        let least = match proto {
            IP_TCP => usize::from(header.get(12)? >> 4) * 4,
            IP_UDP | IP_ICMP | IP_ICMPV6 => 8,
            IP_SCTP => 12,
            _ => return None,
        };
        if proto == IP_TCP && least < 20 {
            return None;
        }
        header.get(..least)?;
        self.layout.l4 = Some(at);
        self.layout.l4_proto = proto;
        match proto {
            IP_ICMP | IP_ICMPV6 => {
                self.key.set(Slot::ICMP_TYPE, number(header, 0, 1)?);
                self.key.set(Slot::ICMP_CODE, number(header, 1, 1)?);
            }
            _ => self.key.set(Slot::L4_PORTS, number(header, 0, 4)?),
        }
        if proto == IP_TCP {
            self.key.set(Slot::TCP_FLAGS, number(header, 12, 2)?);
        }
        match header {
            [ND_SOLICIT | ND_ADVERT, 0, ..] if proto == IP_ICMPV6 => self.nd(at),
            _ => None,
        }
    }

    /// RFC 4861 §4.3, §4.4: the target and the link-layer addresses. One that stands twice leaves all of them out.
    fn nd(&mut self, at: usize) -> Option<()> {
        let end = self.layout.l4_end;
        self.layout.is_nd = true;
        self.key.set(Slot::ND_RESERVED, number(self.frame, at + 4, 4)?);
        let target = number(self.frame, at + 8, 16).filter(|_| at + 24 <= end)?;
        self.key.set(Slot::ND_TARGET, target);
        let mut next = at + 24;
        while next + 8 <= end {
            let option = self.frame.get(next..end)?;
            let len = usize::from(*option.get(1)?) * 8;
            if len == 0 || len > option.len() {
                return None;
            }
            let (slot, place) = match (*option.first()?, len) {
                (1, 8) => (Slot::LINK_SRC, &mut self.layout.nd_sll),
                (2, 8) => (Slot::LINK_DST, &mut self.layout.nd_tll),
                _ => {
                    next += len;
                    continue;
                }
            };
            // An address of zero doesn't count as one: so it is in Open vSwitch.
            if self.key.get(slot) != 0 {
                for slot in [Slot::ND_TARGET, Slot::LINK_SRC, Slot::LINK_DST] {
                    self.key.set(slot, 0);
                }
                (self.layout.nd_sll, self.layout.nd_tll) = (None, None);
                return None;
            }
            *place = Some(next + 2);
            if self.layout.nd_option == 0 {
                self.layout.nd_option = *option.first()?;
                self.key.set(Slot::ND_OPTIONS_TYPE, u128::from(self.layout.nd_option));
            }
            self.key.set(slot, number(option, 2, 6)?);
            next += len;
        }
        Some(())
    }
}

/// What stands behind the extension headers.
struct Headers {
    proto: u8,
    next: usize,
    any: bool,
    later: bool,
}
