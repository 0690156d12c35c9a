//! Packet headers: Ethernet, 802.1Q, ARP, IPv4, IPv6, ICMP, ICMPv6 with Neighbour Discovery, TCP and UDP.
//!
//! [`Packet::parse`] peels the layers of a frame without allocating. A layer that cannot be read ends the peeling but hides
//! nothing: the layers below it stay, the rest is [`Packet::payload`], and [`Packet::error`] says where it stopped. Each header
//! also has `parse` and `encode` of its own; whole frames are built by the functions of [`build`].

mod arp;
pub mod build;
mod checksum;
mod ethernet;
mod icmp;
mod icmpv6;
mod ipv4;
mod ipv6;
mod reader;
mod tcp;
mod udp;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{DecodeError, VlanId};

pub use arp::{Arp, ArpOperation};
pub use build::{BuildError, Endpoints};
pub use checksum::{Checksum, internet_checksum};
pub use ethernet::{EtherType, EthernetHeader, MAX_VLAN_TAGS, VlanTag, VlanTags};
pub use icmp::{IcmpHeader, IcmpType};
pub use icmpv6::{
    Icmpv6Header, Icmpv6Type, NdOption, NdOptions, NeighborAdvertisement, NeighborDiscovery, NeighborSolicitation,
};
pub use ipv4::Ipv4Header;
pub use ipv6::{Fragment, Ipv6Header, MAX_EXTENSION_HEADERS};
pub use tcp::{TcpFlags, TcpHeader};
pub use udp::UdpHeader;

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers"), which is also IPv6's next header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// IPv6 hop-by-hop options (RFC 8200 §4.3).
    pub const HOP_BY_HOP: IpProtocol = IpProtocol(0);
    /// ICMP for IPv4.
    pub const ICMP: IpProtocol = IpProtocol(1);
    /// TCP.
    pub const TCP: IpProtocol = IpProtocol(6);
    /// UDP.
    pub const UDP: IpProtocol = IpProtocol(17);
    /// IPv6 routing header (RFC 8200 §4.4).
    pub const ROUTING: IpProtocol = IpProtocol(43);
    /// IPv6 fragment header (RFC 8200 §4.5).
    pub const FRAGMENT: IpProtocol = IpProtocol(44);
    /// IPsec authentication header (RFC 4302).
    pub const AUTHENTICATION: IpProtocol = IpProtocol(51);
    /// ICMP for IPv6.
    pub const ICMPV6: IpProtocol = IpProtocol(58);
    /// Nothing follows (RFC 8200 §4.7).
    pub const NO_NEXT_HEADER: IpProtocol = IpProtocol(59);
    /// IPv6 destination options (RFC 8200 §4.6).
    pub const DESTINATION_OPTIONS: IpProtocol = IpProtocol(60);
    /// IPv6 mobility header (RFC 6275 §6.1).
    pub const MOBILITY: IpProtocol = IpProtocol(135);
}

/// What follows the Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkLayer<'a> {
    /// Nothing this module reads; it is in [`Packet::payload`].
    None,
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// IPv4.
    Ipv4(Ipv4Header<'a>),
    /// IPv6 with its extension headers.
    Ipv6(Ipv6Header<'a>),
}

/// What follows the IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportLayer<'a> {
    /// Nothing this module reads, or a fragment that isn't the first; it is in [`Packet::payload`].
    None,
    /// ICMP for IPv4.
    Icmp(IcmpHeader),
    /// ICMP for IPv6; Neighbour Discovery is read further into [`Packet::neighbor_discovery`].
    Icmpv6(Icmpv6Header),
    /// TCP.
    Tcp(TcpHeader<'a>),
    /// UDP.
    Udp(UdpHeader),
}

/// The layers of one Ethernet frame (without FCS), as far as they can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Addresses, tags and ethertype.
    pub ethernet: EthernetHeader,
    /// ARP or IP.
    pub network: NetworkLayer<'a>,
    /// ICMP, TCP or UDP.
    pub transport: TransportLayer<'a>,
    /// The Neighbour Discovery message, if the packet is a well-formed one.
    pub neighbor_discovery: Option<NeighborDiscovery<'a>>,
    /// Everything after the last header that was read, cut to what the IP header says (so without Ethernet padding). A Neighbour
    /// Discovery message is its own payload.
    pub payload: &'a [u8],
    /// The first thing that is wrong, with its offset from the start of the frame. What lies below it is good; a frame
    /// that is only cut short (as packet-ins may be) still shows every header that is whole.
    pub error: Option<DecodeError>,
    /// The IP payload as far as it is there: what the transport checksum is computed over.
    ip_payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads what can be read. Fails only when there is no whole Ethernet header.
    pub fn parse(frame: &'a [u8]) -> Result<Packet<'a>, DecodeError> {
        let (ethernet, rest) = EthernetHeader::parse(frame)?;
        let mut packet = Packet {
            ethernet,
            network: NetworkLayer::None,
            transport: TransportLayer::None,
            neighbor_discovery: None,
            payload: rest,
            error: None,
            ip_payload: &[],
        };
        match ethernet.ethertype {
            EtherType::ARP => match Arp::parse(rest) {
                Ok((arp, rest)) => {
                    packet.network = NetworkLayer::Arp(arp);
                    packet.payload = rest;
                }
                Err(error) => packet.fail(frame, rest, error),
            },
            EtherType::IPV4 => packet.parse_ipv4(frame),
            EtherType::IPV6 => packet.parse_ipv6(frame),
            EtherType::VLAN | EtherType::PROVIDER_VLAN => {
                // The header took as many tags as it holds and there is one more.
                packet.fail(frame, rest, ethernet::too_many_tags(ethernet.ethertype));
            }
            _ => {}
        }
        Ok(packet)
    }

    /// The outermost VLAN, if the frame carries a tag with a VLAN id (a priority tag carries none).
    pub fn vlan_id(&self) -> Option<VlanId> {
        VlanId::new(self.ethernet.tags.as_slice().first()?.vlan_id)
    }

    /// The ARP body.
    pub fn arp(&self) -> Option<&Arp> {
        match &self.network {
            NetworkLayer::Arp(arp) => Some(arp),
            _ => None,
        }
    }

    /// The IPv4 header.
    pub fn ipv4(&self) -> Option<&Ipv4Header<'a>> {
        match &self.network {
            NetworkLayer::Ipv4(header) => Some(header),
            _ => None,
        }
    }

    /// The IPv6 header.
    pub fn ipv6(&self) -> Option<&Ipv6Header<'a>> {
        match &self.network {
            NetworkLayer::Ipv6(header) => Some(header),
            _ => None,
        }
    }

    /// Source and destination of the IP header.
    pub fn ip_addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match &self.network {
            NetworkLayer::Ipv4(header) => Some((header.source.into(), header.destination.into())),
            NetworkLayer::Ipv6(header) => Some((header.source.into(), header.destination.into())),
            NetworkLayer::None | NetworkLayer::Arp(_) => None,
        }
    }

    /// The upper-layer protocol of the IP header (for IPv6 after its extension headers).
    pub fn ip_protocol(&self) -> Option<IpProtocol> {
        match &self.network {
            NetworkLayer::Ipv4(header) => Some(header.protocol),
            NetworkLayer::Ipv6(header) => Some(header.protocol),
            NetworkLayer::None | NetworkLayer::Arp(_) => None,
        }
    }

    /// TCP or UDP ports.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match &self.transport {
            TransportLayer::Tcp(header) => Some((header.source_port, header.destination_port)),
            TransportLayer::Udp(header) => Some((header.source_port, header.destination_port)),
            TransportLayer::None | TransportLayer::Icmp(_) | TransportLayer::Icmpv6(_) => None,
        }
    }

    /// Whether the checksum of the transport layer is right: RFC 1071 over ICMP, with the pseudo-header over ICMPv6, TCP and UDP.
    ///
    /// True where there is none to check: no transport layer, UDP over IPv4 with checksum 0, a fragment or a frame cut short.
    pub fn transport_checksum_is_valid(&self) -> bool {
        if self.error.is_some() || self.is_fragment() {
            return true;
        }
        let mut sum = Checksum::new();
        match (&self.network, &self.transport) {
            (_, TransportLayer::None) => return true,
            (NetworkLayer::Ipv4(_), TransportLayer::Udp(_)) if self.ip_payload.get(6..8) == Some(&[0, 0]) => {
                return true;
            }
            (NetworkLayer::Ipv4(_), TransportLayer::Icmp(_)) => {}
            (NetworkLayer::Ipv4(ip), _) => {
                sum.add_ipv4_pseudo_header(ip.source, ip.destination, ip.protocol, self.ip_payload.len());
            }
            (NetworkLayer::Ipv6(ip), _) => {
                sum.add_ipv6_pseudo_header(ip.source, ip.destination, ip.protocol, self.ip_payload.len());
            }
            (NetworkLayer::None | NetworkLayer::Arp(_), _) => return true,
        }
        sum.add(self.ip_payload);
        sum.finish() == 0
    }

    fn is_fragment(&self) -> bool {
        match &self.network {
            NetworkLayer::Ipv4(header) => header.is_fragment(),
            NetworkLayer::Ipv6(header) => header.fragment.is_some_and(|fragment| fragment.offset != 0 || fragment.more),
            NetworkLayer::None | NetworkLayer::Arp(_) => false,
        }
    }

    fn parse_ipv4(&mut self, frame: &'a [u8]) {
        let octets = self.payload;
        match Ipv4Header::parse(octets) {
            Ok((header, rest)) => {
                self.network = NetworkLayer::Ipv4(header);
                self.enter_ip_payload(frame, rest, usize::from(header.payload_length), "ipv4.total_length");
                if header.fragment_offset == 0 {
                    self.parse_transport(frame, header.protocol);
                }
            }
            Err(error) => self.fail(frame, octets, error),
        }
    }

    fn parse_ipv6(&mut self, frame: &'a [u8]) {
        let octets = self.payload;
        match Ipv6Header::parse(octets) {
            Ok((header, rest, error)) => {
                self.network = NetworkLayer::Ipv6(header);
                let after_extensions = usize::from(header.payload_length).saturating_sub(header.extensions.len());
                if let Some(error) = error {
                    self.fail(frame, octets, error);
                    self.payload = rest;
                    return;
                }
                self.enter_ip_payload(frame, rest, after_extensions, "ipv6.payload_length");
                if header.fragment.is_none_or(|fragment| fragment.offset == 0) {
                    self.parse_transport(frame, header.protocol);
                }
            }
            Err(error) => self.fail(frame, octets, error),
        }
    }

    /// Cuts Ethernet padding off, or notes that the frame was cut short.
    fn enter_ip_payload(&mut self, frame: &'a [u8], rest: &'a [u8], length: usize, field: &'static str) {
        match rest.get(..length) {
            Some(payload) => self.payload = payload,
            None => {
                self.fail(frame, rest, DecodeError::truncated(0, field, length, rest.len()));
                self.payload = rest;
            }
        }
        self.ip_payload = self.payload;
    }

    fn parse_transport(&mut self, frame: &'a [u8], protocol: IpProtocol) {
        let octets = self.payload;
        let parsed = match (protocol, &self.network) {
            (IpProtocol::ICMP, NetworkLayer::Ipv4(_)) => {
                IcmpHeader::parse(octets).map(|(header, rest)| (TransportLayer::Icmp(header), rest))
            }
            (IpProtocol::ICMPV6, NetworkLayer::Ipv6(_)) => {
                Icmpv6Header::parse(octets).map(|(header, rest)| (TransportLayer::Icmpv6(header), rest))
            }
            (IpProtocol::TCP, _) => TcpHeader::parse(octets).map(|(header, rest)| (TransportLayer::Tcp(header), rest)),
            (IpProtocol::UDP, _) => UdpHeader::parse(octets).map(|(header, rest)| (TransportLayer::Udp(header), rest)),
            _ => return,
        };
        match parsed {
            Ok((transport, rest)) => {
                self.transport = transport;
                self.payload = rest;
            }
            Err(error) => return self.fail(frame, octets, error),
        }
        match transport_length_error(&self.transport, octets.len()) {
            Some(error) => self.fail(frame, octets, error),
            None => self.parse_neighbor_discovery(frame),
        }
    }

    fn parse_neighbor_discovery(&mut self, frame: &'a [u8]) {
        let TransportLayer::Icmpv6(header) = self.transport else { return };
        let body = self.payload;
        match NeighborDiscovery::parse(&header, body) {
            Ok(message) => self.neighbor_discovery = message,
            Err(error) => self.fail(frame, body, error),
        }
    }

    /// Keeps the first error, with its offset counted from the start of the frame. `part` is a tail end or a middle of `frame`.
    fn fail(&mut self, frame: &[u8], part: &[u8], error: DecodeError) {
        let base = (part.as_ptr() as usize).saturating_sub(frame.as_ptr() as usize).min(frame.len());
        self.error.get_or_insert(error.shifted(base));
    }
}

/// A UDP length beyond the IP payload (RFC 768). Said only of whole packets: what was cut short has its error already.
fn transport_length_error(transport: &TransportLayer<'_>, available: usize) -> Option<DecodeError> {
    match transport {
        TransportLayer::Udp(header) if usize::from(header.length) > available => {
            Some(DecodeError::truncated(4, "udp.length", usize::from(header.length), available))
        }
        _ => None,
    }
}

/// The multicast MAC address of an IPv4 group (RFC 1112 §6.4).
pub const fn ipv4_multicast_mac(group: Ipv4Addr) -> crate::MacAddr {
    let [_, b, c, d] = group.octets();
    crate::MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// The multicast MAC address of an IPv6 group (RFC 2464 §7).
pub const fn ipv6_multicast_mac(group: Ipv6Addr) -> crate::MacAddr {
    let [.., a, b, c, d] = group.octets();
    crate::MacAddr([0x33, 0x33, a, b, c, d])
}

/// The solicited-node multicast address of `address` (RFC 4291 §2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., b, c, d] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | b as u16, u16::from_be_bytes([c, d]))
}
