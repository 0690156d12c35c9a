//! What a packet says of the host that sent it.

use std::net::IpAddr;

use net::Prefix;
use net::packet::{NeighborDiscovery, NetworkLayer, Packet};

use crate::dhcp::renewed_address;

/// The IP address that the sender says is its own: in ARP, Neighbour Discovery and DHCP, where it is said about the next hop and not about
/// somebody behind a router; and as a packet's source address, if that is on link (RFC 4861 §2.1): inside one of `on_link`, or link-local.
pub fn sender_address(packet: &Packet<'_>, on_link: &[Prefix]) -> Option<IpAddr> {
    let is_on_link =
        |address: &IpAddr| is_link_local(*address) || on_link.iter().any(|prefix| prefix.contains(*address));
    let address = match (&packet.network, &packet.neighbor_discovery) {
        (NetworkLayer::Arp(arp), _) if arp.sender_mac == packet.ethernet.source => IpAddr::V4(arp.sender_ip),
        (NetworkLayer::Ipv6(_), Some(NeighborDiscovery::NeighborAdvertisement(advertisement))) => {
            IpAddr::V6(advertisement.target)
        }
        (NetworkLayer::Ipv6(ipv6), Some(NeighborDiscovery::NeighborSolicitation(_))) => IpAddr::V6(ipv6.source),
        (NetworkLayer::Ipv4(ipv4), _) => match renewed_address(packet) {
            Some(address) => IpAddr::V4(address),
            None => Some(IpAddr::V4(ipv4.source)).filter(is_on_link)?,
        },
        (NetworkLayer::Ipv6(ipv6), None) => Some(IpAddr::V6(ipv6.source)).filter(is_on_link)?,
        _ => return None,
    };
    // RFC 5227 §1.1, RFC 4862 §5.4: who has no address yet asks from the unspecified one.
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

/// RFC 3927 §2.7, RFC 4291 §2.5.6: no router forwards packets with such a source.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use net::MacAddr;
    use net::packet::{Endpoints, build};

    use super::*;

    const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    fn ends(source: MacAddr, source_ip: &str) -> Endpoints<Ipv4Addr> {
        Endpoints {
            source_mac: source,
            destination_mac: MacAddr::BROADCAST,
            source: ip(source_ip),
            destination: Ipv4Addr::BROADCAST,
        }
    }

    fn udp(source: MacAddr, source_ip: &str, ports: (u16, u16), data: &[u8]) -> bytes::Bytes {
        build::udp_ipv4(&ends(source, source_ip), ports.0, ports.1, data).unwrap()
    }

    #[test]
    fn arp_says_whose_address_it_is_unless_it_speaks_for_another_station() {
        let frame = build::arp_request(CLIENT, ip("10.0.0.1"), ip("10.0.0.2"));
        let packet = Packet::parse(&frame).unwrap();
        assert_eq!(sender_address(&packet, &[]), Some("10.0.0.1".parse().unwrap()));
        let mut other = frame.to_vec();
        other[11] ^= 1;
        assert_eq!(sender_address(&Packet::parse(&other).unwrap(), &[]), None);
        let probing = build::arp_request(CLIENT, ip("0.0.0.0"), ip("10.0.0.2"));
        assert_eq!(sender_address(&Packet::parse(&probing).unwrap(), &[]), None);
    }

    #[test]
    fn a_source_address_counts_where_it_is_on_link_only() {
        let frame = udp(CLIENT, "10.0.0.1", (1_000, 2_000), b"x");
        let packet = Packet::parse(&frame).unwrap();
        assert_eq!(sender_address(&packet, &[]), None);
        assert_eq!(sender_address(&packet, &["10.0.1.0/24".parse().unwrap()]), None);
        let on_link = ["2001:db8::/32".parse().unwrap(), "10.0.0.0/24".parse().unwrap()];
        assert_eq!(sender_address(&packet, &on_link), Some("10.0.0.1".parse().unwrap()));
        let frame = udp(CLIENT, "169.254.0.1", (1_000, 2_000), b"x");
        let address = sender_address(&Packet::parse(&frame).unwrap(), &[]);
        assert_eq!(address, Some("169.254.0.1".parse().unwrap()), "link-local is on link everywhere");
    }
}
