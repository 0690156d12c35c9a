//! Random frames from a small world of addresses, with the fields that a match would see in them. Written by hand, on purpose without
//! the project's own packet code.

use std::collections::BTreeMap;

use bytes::Bytes;
use openflow::{OxmKind, oxm};

use super::random::Random;

/// Ports of the switch under test, numbered from 1.
pub const PORTS: u32 = 6;

/// The world is small so that matches and packets meet.
const MACS: [[u8; 6]; 5] = [
    [2, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 2],
    [0x52, 0x54, 0, 0x10, 0x20, 0x30],
    [1, 0, 0x5e, 0, 0, 5],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];
const IPV4: [[u8; 4]; 5] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 1, 2, 3], [192, 168, 7, 9], [224, 0, 0, 5]];
const IPV6: [[u8; 16]; 4] = [
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1],
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 1],
];
const L4_PORTS: [u16; 5] = [80, 443, 53, 1024, 40000];
const VIDS: [u16; 4] = [0, 1, 7, 4094];
const LABELS: [u32; 3] = [16, 17, 0xf_ffff];
const METADATA: [u64; 4] = [0, 1, 0x10, 0xffff_0000_0000_0001];

/// A frame and where it comes in.
#[derive(Clone, Debug)]
pub struct Packet {
    pub in_port: u32,
    pub frame: Bytes,
    /// What a match in table 0 sees, in network order.
    pub fields: BTreeMap<OxmKind, Vec<u8>>,
}

/// A value that `kind` has in this world, for matches that do not look at a packet and for set-field.
pub fn value(random: &mut Random, kind: OxmKind) -> Option<Vec<u8>> {
    let length = kind.value_len()?;
    Some(match kind {
        OxmKind::ETH_SRC
        | OxmKind::ETH_DST
        | OxmKind::ARP_SHA
        | OxmKind::ARP_THA
        | OxmKind::IPV6_ND_SLL
        | OxmKind::IPV6_ND_TLL => random.pick(&MACS).to_vec(),
        OxmKind::IPV4_SRC | OxmKind::IPV4_DST | OxmKind::ARP_SPA | OxmKind::ARP_TPA => random.pick(&IPV4).to_vec(),
        OxmKind::IPV6_SRC | OxmKind::IPV6_DST | OxmKind::IPV6_ND_TARGET => random.pick(&IPV6).to_vec(),
        OxmKind::VLAN_VID => (random.pick(&VIDS) | oxm::VID_PRESENT).to_be_bytes().to_vec(),
        OxmKind::MPLS_LABEL => random.pick(&LABELS).to_be_bytes().to_vec(),
        OxmKind::NSH_MDTYPE => vec![random.between(1, 2) as u8],
        OxmKind::NSH_TTL => vec![random.pick(&[63, 2, 1, 0])],
        OxmKind::METADATA => random.pick(&METADATA).to_be_bytes().to_vec(),
        OxmKind::IN_PORT => (random.between(1, PORTS as usize) as u32).to_be_bytes().to_vec(),
        OxmKind::TCP_SRC
        | OxmKind::TCP_DST
        | OxmKind::UDP_SRC
        | OxmKind::UDP_DST
        | OxmKind::SCTP_SRC
        | OxmKind::SCTP_DST => random.pick(&L4_PORTS).to_be_bytes().to_vec(),
        _ => {
            let bits = usize::from(kind.bits()?);
            let mut octets = random.octets(length);
            // Small numbers meet more often.
            if length > 1 && random.one_in(2) {
                octets[..length - 1].fill(0);
            }
            clip(&mut octets, bits);
            octets
        }
    })
}

/// Clears the bits that a field does not have.
pub fn clip(octets: &mut [u8], bits: usize) {
    let length = octets.len();
    for (index, octet) in octets.iter_mut().enumerate() {
        let above = bits.saturating_sub(8 * (length - 1 - index));
        if above < 8 {
            *octet &= (1u16 << above).wrapping_sub(1) as u8;
        }
    }
}

/// Frames under construction: octets and fields together.
struct Builder<'a> {
    random: &'a mut Random,
    shape: Shape,
    fields: BTreeMap<OxmKind, Vec<u8>>,
}

/// What frames may be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// With so many VLAN tags at most.
    pub tags: usize,
    /// A fragment that is not the first.
    pub fragments: bool,
}

/// A random frame.
pub fn random(random: &mut Random, shape: Shape) -> Packet {
    let in_port = random.between(1, PORTS as usize) as u32;
    let mut builder = Builder { random, shape, fields: BTreeMap::new() };
    builder.put(OxmKind::IN_PORT, &in_port.to_be_bytes());
    let frame = builder.ethernet();
    Packet { in_port, frame: Bytes::from(frame), fields: builder.fields }
}

impl Builder<'_> {
    fn put(&mut self, kind: OxmKind, value: &[u8]) {
        self.fields.insert(kind, value.to_vec());
    }

    /// A value for this field, and the same value as a field.
    fn field(&mut self, kind: OxmKind) -> Vec<u8> {
        let octets = value(self.random, kind).unwrap_or_default();
        self.put(kind, &octets);
        octets
    }

    fn ethernet(&mut self) -> Vec<u8> {
        let mut frame = self.field(OxmKind::ETH_DST);
        frame.extend(self.field(OxmKind::ETH_SRC));
        self.put(OxmKind::VLAN_VID, &oxm::VID_NONE.to_be_bytes());
        let tags = [0, 0, 0, 1, 1, 2][self.random.below(6)].min(self.shape.tags);
        for tag in 0..tags {
            let outer = tags == 2 && tag == 0;
            let vid = self.random.pick(&VIDS);
            let pcp = self.random.below(8) as u16;
            frame.extend(if outer && self.random.one_in(2) { 0x88a8u16 } else { 0x8100 }.to_be_bytes());
            frame.extend((pcp << 13 | vid).to_be_bytes());
            if tag == 0 {
                self.put(OxmKind::VLAN_VID, &(vid | oxm::VID_PRESENT).to_be_bytes());
                self.put(OxmKind::VLAN_PCP, &[pcp as u8]);
            }
        }
        // The switch looks through one tag only: what is inside a second one is no field.
        let hidden = tags == 2;
        let seen = self.fields.clone();
        let (eth_type, payload) = match self.random.below(13) {
            12 => (0x894f, self.nsh()),
            0..=4 => (0x0800u16, self.ipv4()),
            5..=7 => (0x86dd, self.ipv6()),
            8 | 9 => (0x0806, self.arp()),
            10 => (self.random.pick(&[0x8847, 0x8848]), self.mpls()),
            _ => (self.random.pick(&[0x88cc, 0x1234, 0x8035]), self.random.octets(46)),
        };
        if hidden {
            self.fields = seen;
            self.put(OxmKind::ETH_TYPE, &0x8100u16.to_be_bytes());
        } else {
            self.put(OxmKind::ETH_TYPE, &eth_type.to_be_bytes());
        }
        frame.extend(eth_type.to_be_bytes());
        frame.extend(payload);
        if self.random.one_in(4) && frame.len() < 60 {
            frame.resize(60, 0);
        }
        frame
    }

    /// (protocol, segment); the checksum is over the given pseudo-header.
    fn transport(&mut self, version: u8, pseudo: &[u8]) -> (u8, Vec<u8>) {
        let (protocol, mut segment, checksum_at) = match self.random.below(6) {
            0 | 1 => (6, self.tcp(), Some(16)),
            2 | 3 => (17, self.udp(), Some(6)),
            4 if version == 4 => (1, self.icmp(), Some(2)),
            4 => (58, self.icmpv6(), Some(2)),
            5 if self.random.one_in(2) => (132, self.sctp(), None),
            _ => (89, self.random.octets(20), None),
        };
        self.put(OxmKind::IP_PROTO, &[protocol]);
        if let Some(at) = checksum_at {
            let mut summed = if protocol == 1 { Vec::new() } else { pseudo.to_vec() };
            if !summed.is_empty() {
                summed.extend((segment.len() as u32).to_be_bytes());
                summed.extend([0, 0, 0, protocol]);
            }
            summed.extend(&segment);
            let sum = match checksum(&summed) {
                0 if protocol == 17 => 0xffff,
                sum => sum,
            };
            segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        (protocol, segment)
    }

    fn tcp(&mut self) -> Vec<u8> {
        let mut segment = self.field(OxmKind::TCP_SRC);
        segment.extend(self.field(OxmKind::TCP_DST));
        segment.extend(self.random.octets(8));
        let flags = self.random.pick(&[0x02u8, 0x12, 0x10, 0x11, 0x04]);
        segment.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        let payload = self.random.below(20);
        segment.extend(self.random.octets(payload));
        segment
    }

    fn udp(&mut self) -> Vec<u8> {
        let mut segment = self.field(OxmKind::UDP_SRC);
        segment.extend(self.field(OxmKind::UDP_DST));
        let payload = self.random.below(20);
        segment.extend((payload as u16 + 8).to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(self.random.octets(payload));
        segment
    }

    fn sctp(&mut self) -> Vec<u8> {
        let mut segment = self.field(OxmKind::SCTP_SRC);
        segment.extend(self.field(OxmKind::SCTP_DST));
        segment.extend(self.random.octets(12));
        segment
    }

    fn icmp(&mut self) -> Vec<u8> {
        let (icmp_type, code) = self.random.pick(&[(8u8, 0u8), (0, 0), (3, 1)]);
        self.put(OxmKind::ICMPV4_TYPE, &[icmp_type]);
        self.put(OxmKind::ICMPV4_CODE, &[code]);
        let mut segment = vec![icmp_type, code, 0, 0];
        segment.extend(self.random.octets(12));
        segment
    }

    fn icmpv6(&mut self) -> Vec<u8> {
        let icmp_type = self.random.pick(&[128u8, 129, 135, 136]);
        self.put(OxmKind::ICMPV6_TYPE, &[icmp_type]);
        self.put(OxmKind::ICMPV6_CODE, &[0]);
        let mut segment = vec![icmp_type, 0, 0, 0, 0, 0, 0, 0];
        if icmp_type >= 135 {
            let reserved = self.random.pick(&[[0u8, 0, 0, 0], [0x60, 0, 0, 0], [0, 0, 0, 7]]);
            segment[4..8].copy_from_slice(&reserved);
            self.put(OxmKind::ND_RESERVED, &reserved);
            segment.extend(self.field(OxmKind::IPV6_ND_TARGET));
            let (option, kind) = if icmp_type == 135 { (1, OxmKind::IPV6_ND_SLL) } else { (2, OxmKind::IPV6_ND_TLL) };
            segment.extend([option, 1]);
            self.put(OxmKind::ND_OPTIONS_TYPE, &[option]);
            segment.extend(self.field(kind));
        } else {
            segment.extend(self.random.octets(8));
        }
        segment
    }

    fn ipv4(&mut self) -> Vec<u8> {
        let source = self.field(OxmKind::IPV4_SRC);
        let destination = self.field(OxmKind::IPV4_DST);
        let before = self.fields.clone();
        let (protocol, segment) = self.transport(4, &[source.as_slice(), &destination].concat());
        // (flags and offset); a later fragment has no transport header to look at.
        let later: &[u16] = if self.shape.fragments { &[0x2000, 0x00b9, 0x20b9] } else { &[0x2000] };
        let fragment = if self.random.one_in(8) { self.random.pick(later) } else { 0x4000 };
        if fragment & 0x1fff != 0 {
            self.fields = before;
            self.put(OxmKind::IP_PROTO, &[protocol]);
        }
        let tos = self.random.pick(&[0u8, 0, 0x28, 0xb8, 0x03]);
        self.put(OxmKind::IP_DSCP, &[tos >> 2]);
        self.put(OxmKind::IP_ECN, &[tos & 3]);
        let ttl = self.random.pick(&[64u8, 64, 2, 1, 255]);
        let mut header = vec![0x45, tos];
        header.extend((20 + segment.len() as u16).to_be_bytes());
        header.extend(self.random.octets(2));
        header.extend(fragment.to_be_bytes());
        header.extend([ttl, protocol, 0, 0]);
        header.extend(&source);
        header.extend(&destination);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header.extend(segment);
        header
    }

    fn ipv6(&mut self) -> Vec<u8> {
        let source = self.field(OxmKind::IPV6_SRC);
        let destination = self.field(OxmKind::IPV6_DST);
        let (protocol, segment) = self.transport(6, &[source.as_slice(), &destination].concat());
        let class = self.random.pick(&[0u32, 0, 0x28, 0xb8]);
        let label = self.random.pick(&[0u32, 0, 0x12345]);
        self.put(OxmKind::IP_DSCP, &[(class >> 2) as u8]);
        self.put(OxmKind::IP_ECN, &[(class & 3) as u8]);
        self.put(OxmKind::IPV6_FLABEL, &label.to_be_bytes());
        let hop_limit = if protocol == 58 { 255 } else { self.random.pick(&[64u8, 64, 2, 1]) };
        let mut header = (6 << 28 | class << 20 | label).to_be_bytes().to_vec();
        header.extend((segment.len() as u16).to_be_bytes());
        header.extend([protocol, hop_limit]);
        header.extend(&source);
        header.extend(&destination);
        header.extend(segment);
        header
    }

    fn arp(&mut self) -> Vec<u8> {
        let operation = self.random.pick(&[1u16, 2]);
        self.put(OxmKind::ARP_OP, &operation.to_be_bytes());
        let mut body = vec![0, 1, 8, 0, 6, 4];
        body.extend(operation.to_be_bytes());
        body.extend(self.field(OxmKind::ARP_SHA));
        body.extend(self.field(OxmKind::ARP_SPA));
        body.extend(self.field(OxmKind::ARP_THA));
        body.extend(self.field(OxmKind::ARP_TPA));
        body
    }

    /// A network service header, of MD type 1 or 2, and something in it.
    fn nsh(&mut self) -> Vec<u8> {
        let (flags, ttl) = (self.random.below(4) as u16, self.random.pick(&[63u16, 2, 1, 0]));
        let (mdtype, words) = self.random.pick(&[(1u8, 6u16), (1, 6), (2, 2), (2, 4)]);
        let np = self.random.pick(&[1u8, 3]);
        self.put(OxmKind::NSH_FLAGS, &[flags as u8]);
        self.put(OxmKind::NSH_TTL, &[ttl as u8]);
        self.put(OxmKind::NSH_MDTYPE, &[mdtype]);
        self.put(OxmKind::NSH_NP, &[np]);
        let mut header = (flags << 12 | ttl << 6 | words).to_be_bytes().to_vec();
        header.extend([mdtype, np]);
        let path = self.field(OxmKind::NSH_SPI);
        header.extend(&path[1..]);
        header.extend(self.field(OxmKind::NSH_SI));
        let context = self.random.octets(4 * usize::from(words) - 8);
        if mdtype == 1 {
            let kinds = [OxmKind::NSH_C1, OxmKind::NSH_C2, OxmKind::NSH_C3, OxmKind::NSH_C4];
            kinds.into_iter().zip(context.chunks(4)).for_each(|(kind, word)| self.put(kind, word));
        }
        header.extend(context);
        header.extend(self.random.octets(30));
        header
    }

    fn mpls(&mut self) -> Vec<u8> {
        let depth = self.random.between(1, 2);
        let mut stack = Vec::new();
        for level in 0..depth {
            let (label, class) = (self.random.pick(&LABELS), self.random.below(8) as u32);
            let bottom = u32::from(level + 1 == depth);
            stack.extend((label << 12 | class << 9 | bottom << 8 | 64).to_be_bytes());
            if level == 0 {
                self.put(OxmKind::MPLS_LABEL, &label.to_be_bytes());
                self.put(OxmKind::MPLS_TC, &[class as u8]);
                self.put(OxmKind::MPLS_BOS, &[bottom as u8]);
            }
        }
        // What is inside is not looked at.
        let seen = self.fields.clone();
        stack.extend(self.ipv4());
        self.fields = seen;
        stack
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
