//! From an Ethernet frame to a [`FlowKey`], as Open vSwitch reads it: one 802.1Q tag at most (and those that were pushed on the way), ports and ICMP types zero in every
//! fragment, headers that contradict the frame's length left out. Never fails: what can't be read stays zero.

use super::flow_key::{FlowKey, Slot};
use net::PortNo;

/// Where the headers of a frame begin, so that a field can be rewritten in place.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Layout {
    /// The 802.1Q tag control information.
    pub(crate) vlan_tci: Option<usize>,
    /// The IPv4, IPv6 or ARP header.
    pub(crate) l3: Option<usize>,
    /// The TCP, UDP, SCTP, ICMP or ICMPv6 header; also of a first fragment.
    pub(crate) l4: Option<usize>,
    /// What stands at `l4`; meaningful only beside it.
    pub(crate) l4_proto: u8,
    /// One past the last octet that belongs to the IP packet (the rest is Ethernet padding).
    pub(crate) l4_end: usize,
    /// The address inside an ND source link-layer option.
    pub(crate) nd_sll: Option<usize>,
    /// The address inside an ND target link-layer option.
    pub(crate) nd_tll: Option<usize>,
    /// A fragment: its ports are not matched.
    pub(crate) fragment: bool,
}

pub(crate) const ETH_IPV4: u16 = 0x0800;
pub(crate) const ETH_ARP: u16 = 0x0806;
pub(crate) const ETH_VLAN: u16 = 0x8100;
pub(crate) const ETH_QINQ: u16 = 0x88a8;
pub(crate) const ETH_IPV6: u16 = 0x86dd;
const ETH_MPLS: u16 = 0x8847;
const ETH_MPLS_MULTICAST: u16 = 0x8848;
/// What `eth_type` matches on for IEEE 802.3 frames without SNAP (OpenFlow 1.0 §3.4 calls it OFP_DL_TYPE_NOT_ETH_TYPE).
const ETH_LLC: u16 = 0x05ff;
/// Smallest EtherType; below it, the field is a length.
const ETH_TYPE_MIN: u16 = 0x0600;

pub(crate) const IP_ICMP: u8 = 1;
pub(crate) const IP_TCP: u8 = 6;
pub(crate) const IP_UDP: u8 = 17;
pub(crate) const IP_ICMPV6: u8 = 58;
pub(crate) const IP_SCTP: u8 = 132;

/// The OFPVID_PRESENT bit, in the place of the wire's DEI.
pub(crate) const VLAN_PRESENT: u16 = 0x1000;

pub(crate) const ND_SOLICIT: u8 = 135;
pub(crate) const ND_ADVERT: u8 = 136;

/// An IP packet may end at most this far before its frame does; a larger gap is no Ethernet padding but a length that lies.
const MAX_PADDING: usize = 255;
/// IPv6 extension headers looked through; a packet with more is matched by its IPv6 header alone.
const MAX_EXTENSION_HEADERS: usize = 8;

/// Tags that are looked through in a frame from the wire, as with Open vSwitch's default `vlan-limit`.
pub(crate) const WIRE_TAGS: u8 = 1;

/// Reads a frame that came in by `in_port`. The outermost tag is matched; up to `max_tags` are looked through to what is behind them.
pub(crate) fn extract(frame: &[u8], in_port: PortNo, max_tags: u8) -> (FlowKey, Layout) {
    let mut reader = Extractor { frame, key: FlowKey::ZERO, layout: Layout::default() };
    reader.key.set(Slot::IN_PORT, u128::from(in_port.0));
    let _ = reader.ethernet(max_tags);
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
    fn ethernet(&mut self, max_tags: u8) -> Option<()> {
        self.key.set(Slot::ETH_DST, number(self.frame, 0, 6)?);
        self.key.set(Slot::ETH_SRC, number(self.frame, 6, 6)?);
        let mut at = 12;
        let mut eth_type = be16(self.frame, at)?;
        for _ in 0..max_tags {
            if eth_type != ETH_VLAN && eth_type != ETH_QINQ {
                break;
            }
            let tci = be16(self.frame, at + 2)?;
            let inner = be16(self.frame, at + 4)?;
            if self.layout.vlan_tci.is_none() {
                self.layout.vlan_tci = Some(at + 2);
                self.key.set(Slot::VLAN_TCI, u128::from(tci | VLAN_PRESENT));
            }
            at += 4;
            eth_type = inner;
        }
        at += 2;
        if eth_type < ETH_TYPE_MIN {
            let snap = self.frame.get(at..at + 6) == Some(&[0xaa, 0xaa, 3, 0, 0, 0]);
            let inner = if snap { be16(self.frame, at + 6).filter(|inner| *inner >= ETH_TYPE_MIN) } else { None };
            eth_type = inner.unwrap_or(ETH_LLC);
            at += if inner.is_some() { 8 } else { 0 };
        }
        self.key.set(Slot::ETH_TYPE, u128::from(eth_type));
        match eth_type {
            ETH_IPV4 => self.ipv4(at),
            ETH_IPV6 => self.ipv6(at),
            ETH_ARP => self.arp(at),
            ETH_MPLS | ETH_MPLS_MULTICAST => self.mpls(at),
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
        self.key.set(Slot::ARP_OP, number(header, 6, 2)?);
        self.key.set(Slot::LINK_SRC, number(header, 8, 6)?);
        self.key.set(Slot::IPV4_SRC, number(header, 14, 4)?);
        self.key.set(Slot::LINK_DST, number(header, 18, 6)?);
        self.key.set(Slot::IPV4_DST, number(header, 24, 4)?);
        Some(())
    }

    fn mpls(&mut self, at: usize) -> Option<()> {
        let entry = number(self.frame, at, 4)?;
        self.key.set(Slot::MPLS_LABEL, entry >> 12);
        self.key.set(Slot::MPLS_TC, entry >> 9);
        self.key.set(Slot::MPLS_BOS, entry >> 8);
        Some(())
    }

    fn ipv4(&mut self, at: usize) -> Option<()> {
        let left = self.frame.len().checked_sub(at)?;
        let first = *self.frame.get(at)?;
        let header_len = usize::from(first & 0x0f) * 4;
        let total_len = usize::from(be16(self.frame, at + 2)?);
        if header_len < 20 || total_len < header_len || total_len > left || left - total_len > MAX_PADDING {
            return None;
        }
        let fragment = be16(self.frame, at + 6)?;
        let proto = *self.frame.get(at + 9)?;
        self.layout.l3 = Some(at);
        self.layout.l4_end = at + total_len;
        self.tos(*self.frame.get(at + 1)?);
        self.key.set(Slot::IP_PROTO, u128::from(proto));
        self.key.set(Slot::IPV4_SRC, number(self.frame, at + 12, 4)?);
        self.key.set(Slot::IPV4_DST, number(self.frame, at + 16, 4)?);
        self.layout.fragment = fragment & 0x3fff != 0;
        if fragment & 0x1fff == 0 { self.l4(at + header_len, proto) } else { None }
    }

    fn ipv6(&mut self, at: usize) -> Option<()> {
        let left = self.frame.len().checked_sub(at + 40)?;
        let payload_len = usize::from(be16(self.frame, at + 4)?);
        if payload_len > left || left - payload_len > MAX_PADDING {
            return None;
        }
        let first = number(self.frame, at, 4)?;
        self.layout.l3 = Some(at);
        self.layout.l4_end = at + 40 + payload_len;
        self.tos((first >> 20) as u8);
        self.key.set(Slot::IPV6_FLABEL, first);
        self.key.set(Slot::IPV6_SRC, number(self.frame, at + 8, 16)?);
        self.key.set(Slot::IPV6_DST, number(self.frame, at + 24, 16)?);
        let mut proto = *self.frame.get(at + 6)?;
        let mut next = at + 40;
        let mut later_fragment = false;
        for _ in 0..MAX_EXTENSION_HEADERS {
            let header = self.frame.get(next..self.layout.l4_end)?;
            let len = match proto {
                0 | 43 | 60 => usize::from(*header.get(1)?) * 8 + 8,
                51 => usize::from(*header.get(1)?) * 4 + 8,
                44 => {
                    // Offset or "more fragments": a whole packet in one fragment (RFC 6946) is no fragment.
                    let offset = be16(header, 2)?;
                    self.layout.fragment |= offset & 0xfff9 != 0;
                    later_fragment = offset & 0xfff8 != 0;
                    8
                }
                _ => break,
            };
            proto = *header.first()?;
            next = next.checked_add(len).filter(|next| *next <= self.layout.l4_end)?;
            if later_fragment {
                break;
            }
        }
        self.key.set(Slot::IP_PROTO, u128::from(proto));
        if later_fragment { None } else { self.l4(next, proto) }
    }

    fn tos(&mut self, tos: u8) {
        self.key.set(Slot::IP_DSCP, u128::from(tos >> 2));
        self.key.set(Slot::IP_ECN, u128::from(tos & 3));
    }

    fn l4(&mut self, at: usize, proto: u8) -> Option<()> {
        let header = self.frame.get(at..self.layout.l4_end)?;
        let least = match proto {
            IP_TCP => 20,
            IP_UDP | IP_ICMP | IP_ICMPV6 => 8,
            IP_SCTP => 12,
            _ => return None,
        };
        header.get(..least)?;
        self.layout.l4 = Some(at);
        self.layout.l4_proto = proto;
        if self.layout.fragment {
            return None;
        }
        match proto {
            IP_ICMP | IP_ICMPV6 => {
                self.key.set(Slot::ICMP_TYPE, number(header, 0, 1)?);
                self.key.set(Slot::ICMP_CODE, number(header, 1, 1)?);
            }
            _ => {
                self.key.set(Slot::L4_SRC, number(header, 0, 2)?);
                self.key.set(Slot::L4_DST, number(header, 2, 2)?);
            }
        }
        match header {
            [ND_SOLICIT, 0, ..] if proto == IP_ICMPV6 => self.nd(at, 1),
            [ND_ADVERT, 0, ..] if proto == IP_ICMPV6 => self.nd(at, 2),
            _ => None,
        }
    }

    /// RFC 4861 §4.3, §4.4: the target, and the link-layer address option that belongs to the message (1: source, 2: target).
    fn nd(&mut self, at: usize, wanted: u8) -> Option<()> {
        let end = self.layout.l4_end;
        self.key.set(Slot::ND_TARGET, number(self.frame, at + 8, 16).filter(|_| at + 24 <= end)?);
        let mut next = at + 24;
        while next < end {
            let option = self.frame.get(next..end)?;
            let len = usize::from(*option.get(1)?) * 8;
            if len == 0 || len > option.len() {
                return None;
            }
            if *option.first()? == wanted && len == 8 {
                let address = number(option, 2, 6)?;
                let (slot, place) = match wanted {
                    1 => (Slot::LINK_SRC, &mut self.layout.nd_sll),
                    _ => (Slot::LINK_DST, &mut self.layout.nd_tll),
                };
                *place = Some(next + 2);
                self.key.set(slot, address);
            }
            next += len;
        }
        Some(())
    }
}
