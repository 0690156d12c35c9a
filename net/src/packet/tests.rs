//! Whole packets: what is built parses back, and no octets make a parser panic or lie about lengths.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::build::*;
use super::*;
use crate::{DecodeErrorKind, MacAddr};

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

fn v4() -> Endpoints<Ipv4Addr> {
    Endpoints {
        source_mac: A,
        destination_mac: B,
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
    }
}

fn v6() -> Endpoints<Ipv6Addr> {
    Endpoints {
        source_mac: A,
        destination_mac: B,
        source: "2001:db8::1".parse().unwrap(),
        destination: "2001:db8::2".parse().unwrap(),
    }
}

#[test]
fn the_checksum_of_the_example_in_rfc_1071_is_right() {
    // RFC 1071 §3: the sum of these octets is 0xddf2.
    assert_eq!(internet_checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    assert_eq!(internet_checksum(&[0xff]), !0xff00);
}

#[test]
fn an_arp_request_asks_everybody_and_the_reply_goes_to_who_asked() {
    let frame = arp_request(A, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!(packet.ethernet.destination, MacAddr::BROADCAST);
    let arp = packet.arp().unwrap();
    assert_eq!((arp.operation, arp.sender_mac, arp.target_mac), (ArpOperation::REQUEST, A, MacAddr::ZERO));
    let frame = arp_reply(B, arp.target_ip, arp.sender_mac, arp.sender_ip);
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!((packet.ethernet.source, packet.ethernet.destination), (B, A));
    assert_eq!(packet.arp().unwrap().operation, ArpOperation::REPLY);
    assert_eq!((packet.payload, packet.error), (&[][..], None));
}

#[test]
fn a_neighbor_solicitation_goes_to_the_solicited_node_group_with_hop_limit_255() {
    let target = "fe80::1234:5678".parse().unwrap();
    let frame = neighbor_solicitation(A, "fe80::1".parse().unwrap(), target);
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!(packet.ethernet.destination.to_string(), "33:33:ff:34:56:78");
    let ip = packet.ipv6().unwrap();
    assert_eq!((ip.hop_limit, ip.destination.to_string().as_str()), (255, "ff02::1:ff34:5678"));
    let Some(NeighborDiscovery::NeighborSolicitation(message)) = packet.neighbor_discovery else {
        panic!("{packet:?}")
    };
    assert_eq!((message.target, message.options.source_link_layer()), (target, Some(A)));
    assert!(packet.transport_checksum_is_valid());
}

#[test]
fn duplicate_address_detection_carries_no_link_layer_address() {
    let frame = neighbor_solicitation(A, Ipv6Addr::UNSPECIFIED, "fe80::1".parse().unwrap());
    let packet = Packet::parse(&frame).unwrap();
    let Some(NeighborDiscovery::NeighborSolicitation(message)) = packet.neighbor_discovery else {
        panic!("{packet:?}")
    };
    assert_eq!(message.options.iter().count(), 0);
}

#[test]
fn a_neighbor_advertisement_carries_its_flags_and_the_target_link_layer_address() {
    let target = "2001:db8::1".parse().unwrap();
    let frame = neighbor_advertisement(&v6(), target, true);
    let packet = Packet::parse(&frame).unwrap();
    let Some(NeighborDiscovery::NeighborAdvertisement(message)) = packet.neighbor_discovery else {
        panic!("{packet:?}")
    };
    assert_eq!((message.router, message.solicited, message.override_), (false, true, true));
    assert_eq!((message.target, message.options.target_link_layer()), (target, Some(A)));
    assert!(packet.transport_checksum_is_valid());
}

#[test]
fn a_multicast_target_or_an_option_of_length_zero_is_an_error_that_keeps_the_lower_layers() {
    let frame = neighbor_solicitation(A, "fe80::1".parse().unwrap(), "fe80::2".parse().unwrap());
    let mut multicast = frame.to_vec();
    multicast[14 + 40 + 8] = 0xff;
    let mut zero = frame.to_vec();
    zero[14 + 40 + 24 + 1] = 0;
    for (bad, offset, field) in [(multicast, 62, "neighbor_solicitation.target"), (zero, 79, "nd_option.length")] {
        let packet = Packet::parse(&bad).unwrap();
        let error = packet.error.unwrap();
        assert_eq!((error.offset, error.field), (offset, field));
        assert!(packet.ipv6().is_some() && matches!(packet.transport, TransportLayer::Icmpv6(_)));
        assert_eq!(packet.neighbor_discovery, None);
    }
}

#[test]
fn tags_are_peeled_and_the_outermost_vlan_id_is_the_frames() {
    let tags = [
        VlanTag { tpid: EtherType::PROVIDER_VLAN, priority: 5, drop_eligible: true, vlan_id: 100 },
        VlanTag { tpid: EtherType::VLAN, priority: 0, drop_eligible: false, vlan_id: 7 },
    ];
    let mut frame = BytesMut::new();
    EthernetHeader { tags: VlanTags::new(&tags), ..EthernetHeader::new(A, B, EtherType(0x88b5)) }.encode(&mut frame);
    frame.put_slice(b"rest");
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!((packet.ethernet.tags.as_slice(), packet.ethernet.ethertype), (&tags[..], EtherType(0x88b5)));
    assert_eq!((packet.vlan_id(), packet.payload), (VlanId::new(100), &b"rest"[..]));
}

#[test]
fn a_fifth_tag_is_an_error_and_not_a_longer_walk() {
    let mut frame = BytesMut::new();
    frame.put_slice(&[0; 12]);
    for _ in 0..6 {
        frame.put_u32(0x8100_0001);
    }
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!(packet.ethernet.tags.as_slice().len(), MAX_VLAN_TAGS);
    assert_eq!(packet.error.unwrap().to_string(), "offset 30: ethernet.vlan_tag: bad type 33024");
}

#[test]
fn ethernet_padding_is_not_payload() {
    let mut frame = icmp_echo(&v4(), IcmpType::ECHO_REQUEST, 1, 2, b"hi").unwrap().to_vec();
    frame.resize(60, 0);
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!((packet.payload, packet.error), (&b"hi"[..], None));
    assert!(packet.transport_checksum_is_valid());
}

#[test]
fn a_frame_cut_short_by_the_switch_still_shows_its_headers() {
    let frame = udp_ipv4(&v4(), 1000, 2000, &[7; 400]).unwrap();
    let packet = Packet::parse(&frame[..128]).unwrap();
    assert_eq!((packet.ports(), packet.payload.len()), (Some((1000, 2000)), 128 - 42));
    let error = packet.error.unwrap();
    assert_eq!(
        (error.field, error.kind),
        ("ipv4.total_length", DecodeErrorKind::Truncated { needed: 408, available: 94 })
    );
}

#[test]
fn a_malformed_upper_layer_does_not_hide_the_addresses() {
    let mut frame = tcp_ipv4(&v4(), &tcp_header(&[]), b"").unwrap().to_vec();
    frame[14 + 20 + 12] = 0x10;
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!(packet.ip_addresses(), Some((v4().source.into(), v4().destination.into())));
    assert_eq!((packet.transport, packet.payload.len()), (TransportLayer::None, 20));
    assert_eq!(packet.error.unwrap().to_string(), "offset 46: tcp.data_offset: bad length 4");
}

#[test]
fn a_later_fragment_has_no_ports() {
    let mut out = BytesMut::new();
    EthernetHeader::new(A, B, EtherType::IPV4).encode(&mut out);
    let header = Ipv4Header::new(v4().source, v4().destination, IpProtocol::UDP, 8);
    Ipv4Header { fragment_offset: 1, dont_fragment: false, ..header }.encode(&mut out).unwrap();
    out.put_slice(&[0; 8]);
    let packet = Packet::parse(&out).unwrap();
    assert_eq!((packet.ports(), packet.error, packet.payload), (None, None, &[0; 8][..]));
}

#[test]
fn extension_headers_are_walked_to_the_upper_layer() {
    let mut out = BytesMut::new();
    EthernetHeader::new(A, B, EtherType::IPV6).encode(&mut out);
    let mut extensions = vec![IpProtocol::FRAGMENT.0, 1];
    extensions.extend([0; 14]);
    extensions.extend([IpProtocol::AUTHENTICATION.0, 0, 0, 1, 0, 0, 0, 9]);
    extensions.extend([IpProtocol::UDP.0, 1]);
    extensions.extend([0; 10]);
    let header = Ipv6Header {
        next_header: IpProtocol::HOP_BY_HOP,
        extensions: &extensions,
        ..Ipv6Header::new(v6().source, v6().destination, IpProtocol::UDP, extensions.len() as u16 + 10)
    };
    header.encode(&mut out).unwrap();
    UdpHeader::new(53, 5353, 2).unwrap().encode_ipv6(v6().source, v6().destination, b"ok", &mut out);
    let packet = Packet::parse(&out).unwrap();
    assert_eq!((packet.error, packet.ports(), packet.payload), (None, Some((53, 5353)), &b"ok"[..]));
    let parsed = packet.ipv6().unwrap();
    assert_eq!(parsed.fragment, Some(Fragment { offset: 0, more: true }));
    assert_eq!(parsed.extensions, extensions);
}

#[test]
fn a_chain_of_extension_headers_without_end_is_given_up() {
    let mut out = BytesMut::new();
    EthernetHeader::new(A, B, EtherType::IPV6).encode(&mut out);
    let chain = [IpProtocol::DESTINATION_OPTIONS.0, 0, 0, 0, 0, 0, 0, 0].repeat(2_000);
    Ipv6Header::new(v6().source, v6().destination, IpProtocol::DESTINATION_OPTIONS, chain.len() as u16)
        .encode(&mut out)
        .unwrap();
    out.put_slice(&chain);
    let packet = Packet::parse(&out).unwrap();
    assert_eq!(packet.ipv6().unwrap().extensions.len(), 8 * MAX_EXTENSION_HEADERS);
    assert_eq!(packet.error.unwrap().to_string(), "offset 118: ipv6.extension: bad type 60");
}

#[test]
fn a_flipped_bit_is_found_by_the_checksums() {
    for frame in [
        icmp_echo(&v4(), IcmpType::ECHO_REQUEST, 1, 2, b"odd").unwrap(),
        icmpv6_echo(&v6(), Icmpv6Type::ECHO_REQUEST, 1, 2, b"odd").unwrap(),
        udp_ipv4(&v4(), 1, 2, b"odd").unwrap(),
        udp_ipv6(&v6(), 1, 2, b"odd").unwrap(),
        tcp_ipv4(&v4(), &tcp_header(&[1, 1, 1, 0]), b"odd").unwrap(),
        tcp_ipv6(&v6(), &tcp_header(&[1, 1, 1, 0]), b"odd").unwrap(),
    ] {
        assert!(Packet::parse(&frame).unwrap().transport_checksum_is_valid());
        let mut bad = frame.to_vec();
        *bad.last_mut().unwrap() ^= 0x10;
        assert!(!Packet::parse(&bad).unwrap().transport_checksum_is_valid());
        if frame[12..14] == [8, 0] {
            assert!(Ipv4Header::checksum_is_valid(&frame[14..]));
            bad[22] ^= 1;
            assert!(!Ipv4Header::checksum_is_valid(&bad[14..]));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_not_cut() {
    let big = vec![0; 65_536];
    for error in [
        udp_ipv4(&v4(), 1, 2, &big[..65_508]).unwrap_err(),
        udp_ipv6(&v6(), 1, 2, &big).unwrap_err(),
        icmp_echo(&v4(), IcmpType::ECHO_REPLY, 1, 2, &big[..65_508]).unwrap_err(),
        icmpv6_echo(&v6(), Icmpv6Type::ECHO_REPLY, 1, 2, &big).unwrap_err(),
        tcp_ipv4(&v4(), &tcp_header(&[0; 44]), b"").unwrap_err(),
    ] {
        let BuildError::TooLong { length, limit, .. } = error;
        assert!(length > limit, "{error}");
    }
    assert!(udp_ipv4(&v4(), 1, 2, &big[..65_507]).is_ok());
}

fn tcp_header(options: &[u8]) -> TcpHeader<'_> {
    TcpHeader {
        source_port: 40_000,
        destination_port: 80,
        sequence_number: 1,
        acknowledgment_number: 0,
        flags: TcpFlags::SYN,
        window: 65_535,
        urgent_pointer: 0,
        options,
    }
}

fn words(max: usize) -> impl Strategy<Value = Vec<u8>> {
    (0..=max).prop_flat_map(|words| prop::collection::vec(any::<u8>(), words * 4))
}

proptest! {
    #[test]
    fn no_octets_make_the_parser_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Packet::parse(&octets).map(|packet| packet.transport_checksum_is_valid());
    }

    #[test]
    fn broken_frames_of_each_kind_never_panic_and_errors_lie_inside(kind in 0usize..6, at in 0usize..120, value in any::<u8>(), cut in 0usize..140) {
        let frame = match kind {
            0 => arp_request(A, v4().source, v4().destination),
            1 => neighbor_solicitation(A, v6().source, v6().destination),
            2 => neighbor_advertisement(&v6(), v6().source, true),
            3 => icmp_echo(&v4(), IcmpType::ECHO_REQUEST, 1, 2, b"data").unwrap(),
            4 => udp_ipv6(&v6(), 1, 2, b"data").unwrap(),
            _ => tcp_ipv4(&v4(), &tcp_header(&[2, 4, 5, 0xb4]), b"data").unwrap(),
        };
        let mut octets = frame.to_vec();
        if let Some(octet) = octets.get_mut(at) {
            *octet = value;
        }
        octets.truncate(cut);
        if let Ok(packet) = Packet::parse(&octets) {
            packet.transport_checksum_is_valid();
            if let Some(error) = packet.error {
                prop_assert!(error.offset <= octets.len(), "{error}");
            }
        }
    }

    #[test]
    fn an_ethernet_header_parses_as_it_was_built(addresses in any::<[[u8; 6]; 2]>(), ids in prop::collection::vec((any::<bool>(), 0u8..8, any::<bool>(), 0u16..4096), 0..=MAX_VLAN_TAGS), ethertype in 0x0600u16..) {
        prop_assume!(!EtherType(ethertype).eq(&EtherType::VLAN) && !EtherType(ethertype).eq(&EtherType::PROVIDER_VLAN));
        let tags: Vec<VlanTag> = ids.into_iter().map(|(service, priority, drop_eligible, vlan_id)| {
            let tpid = if service { EtherType::PROVIDER_VLAN } else { EtherType::VLAN };
            VlanTag { tpid, priority, drop_eligible, vlan_id }
        }).collect();
        let header = EthernetHeader {
            destination: MacAddr(addresses[0]),
            source: MacAddr(addresses[1]),
            tags: VlanTags::new(&tags),
            ethertype: EtherType(ethertype),
        };
        let mut out = BytesMut::new();
        header.encode(&mut out);
        prop_assert_eq!(EthernetHeader::parse(&out).unwrap(), (header, &[][..]));
    }

    #[test]
    fn an_ipv4_header_parses_as_it_was_built(dscp in 0u8..64, ecn in 0u8..4, payload_length in 0u16..65_000, identification: u16, dont_fragment: bool, more_fragments: bool, fragment_offset in 0u16..0x2000, ttl: u8, protocol: u8, addresses: [[u8; 4]; 2], options in words(10)) {
        let header = Ipv4Header {
            dscp, ecn, payload_length, identification, dont_fragment, more_fragments, fragment_offset, ttl,
            protocol: IpProtocol(protocol),
            source: addresses[0].into(),
            destination: addresses[1].into(),
            options: &options,
        };
        let mut out = BytesMut::new();
        header.encode(&mut out).unwrap();
        prop_assert!(Ipv4Header::checksum_is_valid(&out));
        prop_assert_eq!(Ipv4Header::parse(&out).unwrap(), (header, &[][..]));
    }

    #[test]
    fn an_ipv6_header_parses_as_it_was_built(traffic_class: u8, flow_label in 0u32..0x10_0000, payload_length: u16, hop_limit: u8, addresses: [[u8; 16]; 2]) {
        let base = Ipv6Header::new(addresses[0].into(), addresses[1].into(), IpProtocol::TCP, payload_length);
        let header = Ipv6Header { traffic_class, flow_label, hop_limit, ..base };
        let mut out = BytesMut::new();
        header.encode(&mut out).unwrap();
        prop_assert_eq!(Ipv6Header::parse(&out).unwrap(), (header, &[][..], None));
    }

    #[test]
    fn arp_and_transport_headers_parse_as_they_were_built(operation: u16, macs: [[u8; 6]; 2], ips: [[u8; 4]; 2], ports: [u16; 2], numbers: [u32; 2], flags in 0u16..0x1000, rest: [u16; 2], options in words(10), data in prop::collection::vec(any::<u8>(), 0..64)) {
        let arp = Arp {
            operation: ArpOperation(operation),
            sender_mac: MacAddr(macs[0]), sender_ip: ips[0].into(),
            target_mac: MacAddr(macs[1]), target_ip: ips[1].into(),
        };
        let mut out = BytesMut::new();
        arp.encode(&mut out);
        prop_assert_eq!(Arp::parse(&out).unwrap(), (arp, &[][..]));

        let tcp = TcpHeader {
            source_port: ports[0], destination_port: ports[1],
            sequence_number: numbers[0], acknowledgment_number: numbers[1],
            flags: TcpFlags(flags), window: rest[0], urgent_pointer: rest[1], options: &options,
        };
        let frame = tcp_ipv4(&v4(), &tcp, &data).unwrap();
        let packet = Packet::parse(&frame).unwrap();
        prop_assert_eq!((packet.transport, packet.payload, packet.error), (TransportLayer::Tcp(tcp), &data[..], None));
        prop_assert!(packet.transport_checksum_is_valid());

        let frame = udp_ipv6(&v6(), ports[0], ports[1], &data).unwrap();
        let packet = Packet::parse(&frame).unwrap();
        prop_assert_eq!((packet.ports(), packet.payload, packet.error), (Some((ports[0], ports[1])), &data[..], None));
        prop_assert!(packet.transport_checksum_is_valid());
    }

    #[test]
    fn a_neighbor_message_parses_as_it_was_built(target: [u8; 16], flags: [bool; 3], options in prop::collection::vec((any::<u8>(), any::<[u8; 6]>()), 0..4), solicitation: bool) {
        let target = Ipv6Addr::from(target);
        prop_assume!(!target.is_multicast());
        let mut octets = Vec::new();
        for (option_type, value) in &options {
            octets.extend([*option_type, 1]);
            octets.extend(value);
        }
        let options = NdOptions::new(&octets).unwrap();
        let (icmp_type, message) = if solicitation {
            (Icmpv6Type::NEIGHBOR_SOLICITATION, NeighborDiscovery::NeighborSolicitation(NeighborSolicitation { target, options }))
        } else {
            let [router, solicited, override_] = flags;
            (Icmpv6Type::NEIGHBOR_ADVERTISEMENT, NeighborDiscovery::NeighborAdvertisement(NeighborAdvertisement { router, solicited, override_, target, options }))
        };
        let mut out = BytesMut::new();
        message.encode(&mut out);
        prop_assert_eq!(NeighborDiscovery::parse(&Icmpv6Header { icmp_type, code: 0 }, &out).unwrap(), Some(message));
    }
}

#[test]
fn an_arp_reply_in_place_is_the_built_one() {
    let (sender, target) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
    let (sender_ip, target_ip) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let built = build::arp_reply(sender, sender_ip, target, target_ip);
    assert_eq!(built, build::arp_reply_octets(sender, sender_ip, target, target_ip)[..]);
}
