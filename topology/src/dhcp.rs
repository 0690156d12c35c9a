//! What DHCP servers and clients say of addresses: DHCPv4 (RFC 2131) and DHCPv6 (RFC 8415), as much of them as tells who has which.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use net::MacAddr;
use net::packet::{NetworkLayer, Packet, TransportLayer};
use smallvec::SmallVec;

use crate::MAX_ADDRESSES_PER_HOST;

/// A message of a DHCP server to a client, whatever it says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DhcpAnswer {
    /// Who has which address from now on; at most [`MAX_ADDRESSES_PER_HOST`], further ones are passed over.
    pub leases: SmallVec<[(MacAddr, IpAddr); 1]>,
}

/// Reads a packet that goes to a client's port: 68 (RFC 2131 §4.1) or, for IPv6, 546 (RFC 8415 §7.2). An acknowledgement (RFC 2131 §4.3.1) gives an
/// address to the client that it names. A Reply (RFC 8415 §16.10) gives those that are still valid to the station that the frame is for. Whether its
/// sender may give addresses is for the caller to know.
pub fn dhcp_answer(packet: &Packet<'_>) -> Option<DhcpAnswer> {
    let TransportLayer::Udp(udp) = &packet.transport else { return None };
    match (&packet.network, udp.destination_port) {
        (NetworkLayer::Ipv4(_), CLIENT_PORT) => {
            let dhcp = Bootp::parse(packet.payload, BOOT_REPLY)?;
            let address = dhcp.your_address;
            let given = dhcp.message_type == Some(ACK) && !address.is_unspecified() && !address.is_multicast();
            let leases = given.then_some((dhcp.client, IpAddr::V4(address))).into_iter().collect();
            Some(DhcpAnswer { leases })
        }
        (NetworkLayer::Ipv6(_), CLIENT_PORT_V6) => {
            let (&[message_type, _, _, _], options) = packet.payload.split_first_chunk::<4>()?;
            let mut answer = DhcpAnswer::default();
            let client = packet.ethernet.destination;
            match message_type {
                REPLY if client.is_unicast() => {
                    let addresses =
                        leased(options).filter(|address| !address.is_unspecified() && !address.is_multicast());
                    let leases = addresses.map(|address| (client, IpAddr::V6(address)));
                    answer.leases.extend(leases.take(MAX_ADDRESSES_PER_HOST));
                }
                ADVERTISE | REPLY | RECONFIGURE => {}
                _ => return None,
            }
            Some(answer)
        }
        _ => None,
    }
}

/// The address that a client says it has, when it renews (RFC 2131 §4.3.2). None for what is no message of this frame's sender as a client.
pub(crate) fn renewed_address(packet: &Packet<'_>) -> Option<Ipv4Addr> {
    let TransportLayer::Udp(udp) = &packet.transport else { return None };
    if (udp.source_port, udp.destination_port) != (CLIENT_PORT, SERVER_PORT) {
        return None;
    }
    let dhcp = Bootp::parse(packet.payload, BOOT_REQUEST)?;
    (dhcp.client == packet.ethernet.source).then_some(dhcp.client_address)
}

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const CLIENT_PORT_V6: u16 = 546;
/// RFC 2131 §2, `op`.
const BOOT_REQUEST: u8 = 1;
const BOOT_REPLY: u8 = 2;
/// RFC 2132 §9.6.
const ACK: u8 = 5;
/// RFC 2131 §3: what stands before the options.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const OPTION_PAD: u8 = 0;
const OPTION_MESSAGE_TYPE: u8 = 53;
const OPTION_END: u8 = 255;
/// RFC 8415 §7.3: what servers send to clients.
const ADVERTISE: u8 = 2;
const REPLY: u8 = 7;
const RECONFIGURE: u8 = 10;
/// RFC 8415 §21.4 to §21.6.
const OPTION_IA_NA: u16 = 3;
const OPTION_IA_TA: u16 = 4;
const OPTION_IAADDR: u16 = 5;

/// A DHCPv4 message for an Ethernet client.
///
/// ```text
/// | op 8 | htype 8 = 1 | hlen 8 = 6 | hops 8 | xid 32 | secs 16 | flags 16 | ciaddr 32 | yiaddr 32 | siaddr 32 | giaddr 32 |
/// | chaddr, 16 octets | sname, 64 octets | file, 128 octets | cookie 32 | options |
/// ```
struct Bootp {
    client: MacAddr,
    client_address: Ipv4Addr,
    your_address: Ipv4Addr,
    message_type: Option<u8>,
}

impl Bootp {
    fn parse(message: &[u8], wanted: u8) -> Option<Bootp> {
        let (fixed, options) = message.split_first_chunk::<236>()?;
        let [op, 1, 6, ..] = *fixed else { return None };
        if op != wanted {
            return None;
        }
        let address = |at: usize| fixed.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
        Some(Bootp {
            client: MacAddr(*fixed.get(28..)?.first_chunk()?),
            client_address: address(12)?,
            your_address: address(16)?,
            message_type: message_type(options.strip_prefix(&COOKIE)?),
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

/// DHCPv6's options, each with its code, until one is cut off.
///
/// ```text
/// | code 16 | length 16 | data |
/// ```
fn options(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[a, b, c, d], rest) = octets.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        octets = rest;
        Some((u16::from_be_bytes([a, b]), data))
    })
}

/// The addresses of all identity associations whose valid lifetime is not over.
///
/// ```text
/// IA_NA  | IAID 32 | T1 32 | T2 32 | options |        IA_TA  | IAID 32 | options |
/// IAADDR | address 128 | preferred lifetime 32 | valid lifetime 32 | options |
/// ```
fn leased(message: &[u8]) -> impl Iterator<Item = Ipv6Addr> {
    let associations = options(message).filter_map(|(code, data)| match code {
        OPTION_IA_NA => data.get(12..),
        OPTION_IA_TA => data.get(4..),
        _ => None,
    });
    associations.flat_map(options).filter(|(code, _)| *code == OPTION_IAADDR).filter_map(|(_, data)| {
        let (address, rest) = data.split_first_chunk::<16>()?;
        let [_, _, _, _, a, b, c, d, ..] = *rest else { return None };
        (u32::from_be_bytes([a, b, c, d]) > 0).then_some(Ipv6Addr::from(*address))
    })
}

#[cfg(test)]
mod tests {
    use net::packet::{Endpoints, build};
    use proptest::prelude::*;

    use super::*;
    use crate::sender_address;

    const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const SERVER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn dhcp(op: u8, ciaddr: &str, yiaddr: &str, options: &[u8]) -> Vec<u8> {
        let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap().octets();
        let mut message = vec![op, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
        message.extend([ip(ciaddr), ip(yiaddr)].concat());
        message.extend([0; 8]);
        message.extend(CLIENT.0);
        message.extend([0; 10 + 192]);
        message.extend(COOKIE);
        message.extend(options);
        message
    }

    fn udp(source: MacAddr, source_ip: &str, ports: (u16, u16), data: &[u8]) -> bytes::Bytes {
        let ends = Endpoints {
            source_mac: source,
            destination_mac: MacAddr::BROADCAST,
            source: source_ip.parse().unwrap(),
            destination: Ipv4Addr::BROADCAST,
        };
        build::udp_ipv4(&ends, ports.0, ports.1, data).unwrap()
    }

    fn udp_v6(message: &[u8]) -> bytes::Bytes {
        let ends = Endpoints {
            source_mac: SERVER,
            destination_mac: CLIENT,
            source: "fe80::2".parse().unwrap(),
            destination: "fe80::1".parse().unwrap(),
        };
        build::udp_ipv6(&ends, 547, 546, message).unwrap()
    }

    fn option(code: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&code.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
    }

    fn address_option(address: &str, valid: u32) -> Vec<u8> {
        let address = address.parse::<Ipv6Addr>().unwrap().octets();
        option(OPTION_IAADDR, &[&address[..], &[0; 4], &valid.to_be_bytes()].concat())
    }

    fn leases(frame: &[u8]) -> Option<Vec<(MacAddr, IpAddr)>> {
        dhcp_answer(&Packet::parse(frame).unwrap()).map(|answer| answer.leases.to_vec())
    }

    #[test]
    fn who_renews_says_its_address_and_an_acknowledgement_gives_one() {
        let renewing = udp(CLIENT, "10.0.0.7", (68, 67), &dhcp(1, "10.0.0.7", "0.0.0.0", &[53, 1, 3, 255]));
        let packet = Packet::parse(&renewing).unwrap();
        assert_eq!((sender_address(&packet, &[]), dhcp_answer(&packet)), (Some("10.0.0.7".parse().unwrap()), None));
        let relayed = udp(SERVER, "10.0.0.7", (68, 67), &dhcp(1, "10.0.0.7", "0.0.0.0", &[53, 1, 3, 255]));
        assert_eq!(sender_address(&Packet::parse(&relayed).unwrap(), &[]), None);
        let options = [0, 54, 4, 10, 0, 0, 1, 53, 1, 5, 255];
        let given = udp(SERVER, "10.0.0.1", (67, 68), &dhcp(2, "0.0.0.0", "10.0.0.7", &options));
        assert_eq!(leases(&given), Some(vec![(CLIENT, "10.0.0.7".parse().unwrap())]));
        let offered = udp(SERVER, "10.0.0.1", (67, 68), &dhcp(2, "0.0.0.0", "10.0.0.7", &[53, 1, 2, 255]));
        assert_eq!(leases(&offered), Some(vec![]), "an answer, but no lease yet");
    }

    #[test]
    fn a_reply_gives_all_addresses_that_are_still_valid_to_whom_the_frame_is_for() {
        let (kept, gone) = (address_option("2001:db8::7", 3_600), address_option("2001:db8::8", 0));
        let association = option(OPTION_IA_NA, &[&[0; 12][..], &kept, &gone].concat());
        let temporary = option(OPTION_IA_TA, &[&[0; 4][..], &address_option("2001:db8::9", 60)].concat());
        let message = |kind| [&[kind, 1, 2, 3][..], &option(1, &[0; 10]), &association, &temporary].concat();
        let given = ["2001:db8::7", "2001:db8::9"].map(|address| (CLIENT, address.parse().unwrap()));
        assert_eq!(leases(&udp_v6(&message(REPLY))), Some(given.to_vec()));
        assert_eq!(leases(&udp_v6(&message(ADVERTISE))), Some(vec![]));
        assert_eq!(leases(&udp_v6(&message(1))), None, "a client's message");
        let cut = message(REPLY);
        assert_eq!(leases(&udp_v6(&cut[..cut.len() - 1])), Some(given[..1].to_vec()));
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
            sender_address(&Packet::parse(&frame).unwrap(), &[]);
            prop_assert!(leases(&frame).is_none_or(|leases| leases.iter().all(|(mac, _)| *mac == CLIENT)));
        }

        #[test]
        fn no_dhcpv6_message_makes_the_reader_panic(
            data in proptest::collection::vec(any::<u8>(), 0..80), addresses in 0..40usize
        ) {
            let many = address_option("2001:db8::7", 9).repeat(addresses);
            let message = [&[REPLY, 1, 2, 3][..], &option(OPTION_IA_NA, &[&[0; 12][..], &many].concat()), &data].concat();
            prop_assert!(leases(&udp_v6(&message)).is_some_and(|leases| leases.len() <= MAX_ADDRESSES_PER_HOST));
            leases(&udp_v6(&[&[REPLY][..], &data].concat()));
        }
    }
}
