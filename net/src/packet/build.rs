//! Whole frames: what a controller, an emulated host or a test sends. None is padded to Ethernet's 60 octets: ports do that.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};

use super::{
    Arp, ArpOperation, EtherType, EthernetHeader, IcmpHeader, IcmpType, Icmpv6Header, Icmpv6Type, IpProtocol,
    Ipv4Header, Ipv6Header, NdOptions, NeighborAdvertisement, NeighborDiscovery, NeighborSolicitation, TcpHeader,
    UdpHeader, ipv6_multicast_mac, solicited_node,
};
use crate::MacAddr;

/// What cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildError {
    /// A part is longer than its length field can say.
    TooLong {
        /// The part.
        field: &'static str,
        /// Octets that it has.
        length: usize,
        /// Octets that it may have.
        limit: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::TooLong { field, length, limit } => write!(f, "{field}: {length} octets, at most {limit} fit"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Who sends to whom: `A` is `Ipv4Addr` or `Ipv6Addr`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoints<A> {
    /// The sender's MAC address.
    pub source_mac: MacAddr,
    /// The next station's MAC address.
    pub destination_mac: MacAddr,
    /// The sender's IP address.
    pub source: A,
    /// The receiver's IP address.
    pub destination: A,
}

impl<A: Copy> Endpoints<A> {
    /// The way back.
    #[must_use]
    pub const fn reversed(self) -> Endpoints<A> {
        Endpoints {
            source_mac: self.destination_mac,
            destination_mac: self.source_mac,
            source: self.destination,
            destination: self.source,
        }
    }
}

/// Who has `target_ip`? To everybody (RFC 826).
pub fn arp_request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Bytes {
    let operation = ArpOperation::REQUEST;
    arp(MacAddr::BROADCAST, Arp { operation, sender_mac, sender_ip, target_mac: MacAddr::ZERO, target_ip })
}

/// `sender_ip` is at `sender_mac`, said to the station that asked (RFC 826).
pub fn arp_reply(sender_mac: MacAddr, sender_ip: Ipv4Addr, target_mac: MacAddr, target_ip: Ipv4Addr) -> Bytes {
    arp(target_mac, Arp { operation: ArpOperation::REPLY, sender_mac, sender_ip, target_mac, target_ip })
}

/// Octets of an ARP frame without padding: 14 of Ethernet, 28 of ARP.
pub const ARP_FRAME_LEN: usize = 42;

/// The same as [`arp_reply`], in place: for who answers many.
pub fn arp_reply_octets(
    sender_mac: MacAddr,
    sender_ip: Ipv4Addr,
    target_mac: MacAddr,
    target_ip: Ipv4Addr,
) -> [u8; ARP_FRAME_LEN] {
    let mut out = [0; ARP_FRAME_LEN];
    out[0..6].copy_from_slice(&target_mac.0);
    out[6..12].copy_from_slice(&sender_mac.0);
    // Ethertype ARP; hardware type Ethernet, protocol type IPv4, lengths 6 and 4, operation reply.
    out[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 2]);
    out[22..28].copy_from_slice(&sender_mac.0);
    out[28..32].copy_from_slice(&sender_ip.octets());
    out[32..38].copy_from_slice(&target_mac.0);
    out[38..42].copy_from_slice(&target_ip.octets());
    out
}

fn arp(destination: MacAddr, arp: Arp) -> Bytes {
    let mut out = BytesMut::with_capacity(42);
    EthernetHeader::new(arp.sender_mac, destination, EtherType::ARP).encode(&mut out);
    arp.encode(&mut out);
    out.freeze()
}

/// Who has `target`? To its solicited-node group, with the sender's link-layer address (RFC 4861 §4.3). A sender `::` does duplicate
/// address detection and leaves the option out (RFC 4862 §5.4.2).
pub fn neighbor_solicitation(source_mac: MacAddr, source: Ipv6Addr, target: Ipv6Addr) -> Bytes {
    let destination = solicited_node(target);
    let ends = Endpoints { source_mac, destination_mac: ipv6_multicast_mac(destination), source, destination };
    let option = link_layer_option(NdOptions::SOURCE_LINK_LAYER, source_mac);
    let octets: &[u8] = if source.is_unspecified() { &[] } else { &option };
    let options = NdOptions::new(octets).unwrap_or_default();
    let message = NeighborDiscovery::NeighborSolicitation(NeighborSolicitation { target, options });
    neighbor_discovery(&ends, Icmpv6Type::NEIGHBOR_SOLICITATION, &message)
}

/// `target` is at `ends.source_mac`; with the override flag (RFC 4861 §4.4). `solicited` says that this answers a solicitation; an
/// answer to duplicate address detection goes to all nodes unsolicited (RFC 4861 §7.2.4).
pub fn neighbor_advertisement(ends: &Endpoints<Ipv6Addr>, target: Ipv6Addr, solicited: bool) -> Bytes {
    let option = link_layer_option(NdOptions::TARGET_LINK_LAYER, ends.source_mac);
    let options = NdOptions::new(&option).unwrap_or_default();
    let message = NeighborDiscovery::NeighborAdvertisement(NeighborAdvertisement {
        router: false,
        solicited,
        override_: true,
        target,
        options,
    });
    neighbor_discovery(ends, Icmpv6Type::NEIGHBOR_ADVERTISEMENT, &message)
}

fn link_layer_option(option_type: u8, mac: MacAddr) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac.0;
    [option_type, 1, a, b, c, d, e, f]
}

fn neighbor_discovery(ends: &Endpoints<Ipv6Addr>, icmp_type: Icmpv6Type, message: &NeighborDiscovery<'_>) -> Bytes {
    let mut body = BytesMut::with_capacity(32);
    message.encode(&mut body);
    // RFC 4861 §7.1: a receiver takes only hop limit 255. The body is 20 or 28 octets, so no length can be too long.
    icmpv6(ends, Icmpv6Header { icmp_type, code: 0 }, 255, &body).unwrap_or_default()
}

/// ICMP echo over IPv4: `icmp_type` is [`IcmpType::ECHO_REQUEST`] or [`IcmpType::ECHO_REPLY`].
pub fn icmp_echo(
    ends: &Endpoints<Ipv4Addr>,
    icmp_type: IcmpType,
    identifier: u16,
    sequence: u16,
    data: &[u8],
) -> Result<Bytes, BuildError> {
    ipv4_frame(ends, IpProtocol::ICMP, 8 + data.len(), |out| {
        IcmpHeader::echo(icmp_type, identifier, sequence).encode(data, out);
        Ok(())
    })
}

/// ICMPv6 echo: `icmp_type` is [`Icmpv6Type::ECHO_REQUEST`] or [`Icmpv6Type::ECHO_REPLY`].
pub fn icmpv6_echo(
    ends: &Endpoints<Ipv6Addr>,
    icmp_type: Icmpv6Type,
    identifier: u16,
    sequence: u16,
    data: &[u8],
) -> Result<Bytes, BuildError> {
    let mut body = BytesMut::with_capacity(4 + data.len());
    body.extend_from_slice(&identifier.to_be_bytes());
    body.extend_from_slice(&sequence.to_be_bytes());
    body.extend_from_slice(data);
    icmpv6(ends, Icmpv6Header { icmp_type, code: 0 }, 64, &body)
}

fn icmpv6(ends: &Endpoints<Ipv6Addr>, header: Icmpv6Header, hop_limit: u8, body: &[u8]) -> Result<Bytes, BuildError> {
    ipv6_frame(ends, IpProtocol::ICMPV6, hop_limit, 4 + body.len(), |out| {
        header.encode(ends.source, ends.destination, body, out);
        Ok(())
    })
}

/// A UDP datagram over IPv4.
pub fn udp_ipv4(
    ends: &Endpoints<Ipv4Addr>,
    source_port: u16,
    destination_port: u16,
    data: &[u8],
) -> Result<Bytes, BuildError> {
    let header = UdpHeader::new(source_port, destination_port, data.len())?;
    ipv4_frame(ends, IpProtocol::UDP, usize::from(header.length), |out| {
        header.encode_ipv4(ends.source, ends.destination, data, out);
        Ok(())
    })
}

/// A UDP datagram over IPv6.
pub fn udp_ipv6(
    ends: &Endpoints<Ipv6Addr>,
    source_port: u16,
    destination_port: u16,
    data: &[u8],
) -> Result<Bytes, BuildError> {
    let header = UdpHeader::new(source_port, destination_port, data.len())?;
    ipv6_frame(ends, IpProtocol::UDP, 64, usize::from(header.length), |out| {
        header.encode_ipv6(ends.source, ends.destination, data, out);
        Ok(())
    })
}

/// A TCP segment over IPv4.
pub fn tcp_ipv4(ends: &Endpoints<Ipv4Addr>, header: &TcpHeader<'_>, data: &[u8]) -> Result<Bytes, BuildError> {
    ipv4_frame(ends, IpProtocol::TCP, header.header_len() + data.len(), |out| {
        header.encode_ipv4(ends.source, ends.destination, data, out)
    })
}

/// A TCP segment over IPv6.
pub fn tcp_ipv6(ends: &Endpoints<Ipv6Addr>, header: &TcpHeader<'_>, data: &[u8]) -> Result<Bytes, BuildError> {
    ipv6_frame(ends, IpProtocol::TCP, 64, header.header_len() + data.len(), |out| {
        header.encode_ipv6(ends.source, ends.destination, data, out)
    })
}

fn ipv4_frame(
    ends: &Endpoints<Ipv4Addr>,
    protocol: IpProtocol,
    length: usize,
    payload: impl FnOnce(&mut BytesMut) -> Result<(), BuildError>,
) -> Result<Bytes, BuildError> {
    let payload_length = fitting("ipv4.total_length", length, usize::from(u16::MAX) - 20)?;
    let mut out = BytesMut::with_capacity(34 + length);
    EthernetHeader::new(ends.source_mac, ends.destination_mac, EtherType::IPV4).encode(&mut out);
    Ipv4Header::new(ends.source, ends.destination, protocol, payload_length).encode(&mut out)?;
    payload(&mut out)?;
    Ok(out.freeze())
}

fn ipv6_frame(
    ends: &Endpoints<Ipv6Addr>,
    protocol: IpProtocol,
    hop_limit: u8,
    length: usize,
    payload: impl FnOnce(&mut BytesMut) -> Result<(), BuildError>,
) -> Result<Bytes, BuildError> {
    let payload_length = fitting("ipv6.payload_length", length, usize::from(u16::MAX))?;
    let mut out = BytesMut::with_capacity(54 + length);
    EthernetHeader::new(ends.source_mac, ends.destination_mac, EtherType::IPV6).encode(&mut out);
    let header = Ipv6Header::new(ends.source, ends.destination, protocol, payload_length);
    Ipv6Header { hop_limit, ..header }.encode(&mut out)?;
    payload(&mut out)?;
    Ok(out.freeze())
}

fn fitting(field: &'static str, length: usize, limit: usize) -> Result<u16, BuildError> {
    let too_long = BuildError::TooLong { field, length, limit };
    if length > limit { Err(too_long) } else { u16::try_from(length).map_err(|_| too_long) }
}
