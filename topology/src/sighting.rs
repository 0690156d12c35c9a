//! What a packet says of the host that sent it.

use std::net::{IpAddr, Ipv4Addr};

use net::packet::{NeighborDiscovery, NetworkLayer, Packet, TransportLayer};
use net::{MacAddr, Prefix};

/// The IP address that the sender says is its own: in ARP, Neighbour Discovery and DHCP, where it is said about the next hop and not about
/// somebody behind a router; and as a packet's source address, if that is on link (RFC 4861 §2.1): inside one of `on_link`.
pub fn sender_address(packet: &Packet<'_>, on_link: &[Prefix]) -> Option<IpAddr> {
    let is_on_link = |address: &IpAddr| on_link.iter().any(|prefix| prefix.contains(*address));
    let address = match (&packet.network, &packet.neighbor_discovery) {
        (NetworkLayer::Arp(arp), _) if arp.sender_mac == packet.ethernet.source => IpAddr::V4(arp.sender_ip),
        (NetworkLayer::Ipv6(_), Some(NeighborDiscovery::NeighborAdvertisement(advertisement))) => {
            IpAddr::V6(advertisement.target)
        }
        (NetworkLayer::Ipv6(ipv6), Some(NeighborDiscovery::NeighborSolicitation(_))) => IpAddr::V6(ipv6.source),
        (NetworkLayer::Ipv4(ipv4), _) => match Dhcp::of(packet) {
            // RFC 2131 §4.3.2: who renews says which address it has.
            Some(dhcp) if dhcp.is_request && dhcp.client == packet.ethernet.source => IpAddr::V4(dhcp.client_address),
            _ => Some(IpAddr::V4(ipv4.source)).filter(is_on_link)?,
        },
        (NetworkLayer::Ipv6(ipv6), None) => Some(IpAddr::V6(ipv6.source)).filter(is_on_link)?,
        _ => return None,
    };
    // RFC 5227 §1.1, RFC 4862 §5.4: who has no address yet asks from the unspecified one.
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

/// The client and the address that a DHCP server gives it, if the packet is such an acknowledgement (RFC 2131 §4.3.1). Whether its
/// sender may give addresses is for the caller to know.
pub fn dhcp_lease(packet: &Packet<'_>) -> Option<(MacAddr, IpAddr)> {
    let dhcp = Dhcp::of(packet).filter(|dhcp| !dhcp.is_request && dhcp.message_type == Some(DHCP_ACK))?;
    let address = dhcp.your_address;
    (!address.is_unspecified() && !address.is_multicast()).then_some((dhcp.client, IpAddr::V4(address)))
}

const DHCP_SERVER_PORT: u16 = 67;
const DHCP_CLIENT_PORT: u16 = 68;
/// RFC 2132 §9.6.
const DHCP_ACK: u8 = 5;
/// RFC 2131 §3: what stands before the options.
const DHCP_COOKIE: [u8; 4] = [99, 130, 83, 99];
const OPTION_PAD: u8 = 0;
const OPTION_MESSAGE_TYPE: u8 = 53;
const OPTION_END: u8 = 255;

/// A DHCP message for an Ethernet client.
///
/// ```text
/// | op 8 | htype 8 = 1 | hlen 8 = 6 | hops 8 | xid 32 | secs 16 | flags 16 | ciaddr 32 | yiaddr 32 | siaddr 32 | giaddr 32 |
/// | chaddr, 16 octets | sname, 64 octets | file, 128 octets | cookie 32 | options |
/// ```
struct Dhcp {
    is_request: bool,
    client: MacAddr,
    client_address: Ipv4Addr,
    your_address: Ipv4Addr,
    message_type: Option<u8>,
}

impl Dhcp {
    fn of(packet: &Packet<'_>) -> Option<Dhcp> {
        let TransportLayer::Udp(udp) = &packet.transport else { return None };
        let is_request = match (udp.source_port, udp.destination_port) {
            (DHCP_CLIENT_PORT, DHCP_SERVER_PORT) => true,
            (DHCP_SERVER_PORT, DHCP_CLIENT_PORT) => false,
            _ => return None,
        };
        let (fixed, options) = packet.payload.split_first_chunk::<236>()?;
        let [op, 1, 6, ..] = *fixed else { return None };
        if op != if is_request { 1 } else { 2 } {
            return None;
        }
        let address = |at: usize| fixed.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
        Some(Dhcp {
            is_request,
            client: MacAddr(*fixed.get(28..)?.first_chunk()?),
            client_address: address(12)?,
            your_address: address(16)?,
            message_type: message_type(options.strip_prefix(&DHCP_COOKIE)?),
        })
    }
}

fn message_type(mut options: &[u8]) -> Option<u8> {
    loop {
        match options {
            [OPTION_PAD, rest @ ..] => options = rest,
            [] | [OPTION_END, ..] => return None,
            [OPTION_MESSAGE_TYPE, 1, message_type, ..] => return Some(*message_type),
            [_, length, rest @ ..] => options = rest.get(usize::from(*length)..)?,
            [_] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use net::packet::{Endpoints, build};
    use proptest::prelude::*;

    use super::*;

    const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const SERVER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

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

    fn dhcp(op: u8, ciaddr: &str, yiaddr: &str, options: &[u8]) -> Vec<u8> {
        let mut message = vec![op, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
        message.extend(ip(ciaddr).octets());
        message.extend(ip(yiaddr).octets());
        message.extend([0; 8]);
        message.extend(CLIENT.0);
        message.extend([0; 10 + 192]);
        message.extend(DHCP_COOKIE);
        message.extend(options);
        message
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
    }

    #[test]
    fn dhcp_tells_who_has_an_address_and_who_gets_one() {
        let renewing = udp(CLIENT, "10.0.0.7", (68, 67), &dhcp(1, "10.0.0.7", "0.0.0.0", &[53, 1, 3, 255]));
        let packet = Packet::parse(&renewing).unwrap();
        assert_eq!((sender_address(&packet, &[]), dhcp_lease(&packet)), (Some("10.0.0.7".parse().unwrap()), None));
        let relayed = udp(SERVER, "10.0.0.7", (68, 67), &dhcp(1, "10.0.0.7", "0.0.0.0", &[53, 1, 3, 255]));
        assert_eq!(sender_address(&Packet::parse(&relayed).unwrap(), &[]), None);
        let options = [0, 54, 4, 10, 0, 0, 1, 53, 1, 5, 255];
        let given = udp(SERVER, "10.0.0.1", (67, 68), &dhcp(2, "0.0.0.0", "10.0.0.7", &options));
        let lease = dhcp_lease(&Packet::parse(&given).unwrap());
        assert_eq!(lease, Some((CLIENT, "10.0.0.7".parse().unwrap())));
        let offered = udp(SERVER, "10.0.0.1", (67, 68), &dhcp(2, "0.0.0.0", "10.0.0.7", &[53, 1, 2, 255]));
        assert_eq!(dhcp_lease(&Packet::parse(&offered).unwrap()), None);
    }

    proptest! {
        #[test]
        fn no_dhcp_message_makes_the_reader_panic(
            op in 1..3u8, options in proptest::collection::vec(any::<u8>(), 0..40), cut in 0..300usize
        ) {
            let mut message = dhcp(op, "10.0.0.7", "10.0.0.8", &options);
            message.truncate(cut.max(1));
            let ports = if op == 1 { (68, 67) } else { (67, 68) };
            let frame = udp(CLIENT, "10.0.0.7", ports, &message);
            let packet = Packet::parse(&frame).unwrap();
            sender_address(&packet, &[]);
            let lease = dhcp_lease(&packet);
            prop_assert!(lease.is_none_or(|(mac, _)| mac == CLIENT));
        }
    }
}
