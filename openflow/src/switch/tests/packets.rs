//! What the switch reads from frames and how it rewrites them.

use super::frames::*;
use crate::oxm::OxmKind;
use crate::switch::Packet;
use crate::switch::flow_key::{FRAGMENT_ANY, FRAGMENT_LATER, Slot};
use bytes::Bytes;
use net::PortNo;

fn packet(frame: Bytes) -> Packet {
    Packet::new(PortNo(1), frame)
}

fn get(frame: Bytes, slot: Slot) -> u128 {
    packet(frame).key().get(slot)
}

#[test]
fn the_fields_of_a_tagged_udp_packet_are_found() {
    let frame = ethernet(B, A, Some(0xa064), 0x0800, &transport4(17, 64, 1000, 2000));
    let packet = packet(frame);
    let key = packet.key();
    assert_eq!(key.get(Slot::ETH_DST), 0x0200_0000_000b);
    assert_eq!((key.get(Slot::VLAN_VID), key.get(Slot::VLAN_PCP)), (0x1064, 5));
    assert_eq!((key.eth_type(), key.get(Slot::IP_PROTO)), (0x0800, 17));
    assert_eq!((key.get(Slot::IPV4_SRC), key.get(Slot::IPV4_DST)), (0x0a00_0001, 0x0a00_0002));
    assert_eq!((key.get(Slot::L4_SRC), key.get(Slot::L4_DST)), (1000, 2000));
}

#[test]
fn neighbour_discovery_is_read_to_its_option() {
    let frame = ethernet(B, A, None, 0x86dd, &solicitation());
    let packet = packet(frame);
    let key = packet.key();
    assert_eq!((key.get(Slot::ICMP_TYPE), key.get(Slot::IP_PROTO)), (135, 58));
    assert_eq!(key.get(Slot::ND_TARGET) & 0xff, 9);
    assert_eq!(key.get(Slot::LINK_SRC), 0x0200_0000_000a);
}

#[test]
fn a_first_fragment_has_its_ports_and_a_later_one_has_none() {
    let first = ethernet(B, A, None, 0x0800, &ipv4(17, 64, 0x2000, &segment(17, 5, 6)));
    let later = ethernet(B, A, None, 0x0800, &ipv4(17, 64, 0x0010, &segment(17, 5, 6)));
    for (frame, source, kind) in [(first, 5, FRAGMENT_ANY), (later, 0, FRAGMENT_ANY | FRAGMENT_LATER)] {
        assert!(packet(frame.clone()).is_fragment());
        assert_eq!((get(frame.clone(), Slot::L4_SRC), get(frame.clone(), Slot::IP_PROTO)), (source, 17));
        assert_eq!(get(frame, Slot::IP_FRAGMENT), kind);
    }
}

#[test]
fn lengths_that_lie_leave_the_fields_out() {
    let mut ip = transport4(17, 64, 5, 6);
    ip[2..4].copy_from_slice(&2000u16.to_be_bytes());
    let frame = ethernet(B, A, None, 0x0800, &ip);
    assert_eq!(
        (get(frame.clone(), Slot::ETH_TYPE), get(frame.clone(), Slot::IP_PROTO), get(frame, Slot::IPV4_SRC)),
        (0x0800, 0, 0)
    );
    assert_eq!(get(ethernet(B, A, None, 60, &[0; 60]), Slot::ETH_TYPE), 0x05ff);
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0xcc, 0, 0];
    assert_eq!(get(ethernet(B, A, None, 10, &snap), Slot::ETH_TYPE), 0x88cc);
}

/// Each rewrite of each field leaves all checksums right and puts the value where it is read again.
#[test]
fn set_field_keeps_the_checksums_right() {
    let new6 = 0x2001_0db8_0000_0000_0000_0000_00ab_cdefu128;
    let cases = [
        (0x0800, 6, transport4(6, 9, 1, 2), OxmKind::IPV4_SRC, Slot::IPV4_SRC, 0xc000_0201),
        (0x0800, 17, transport4(17, 9, 1, 2), OxmKind::IPV4_DST, Slot::IPV4_DST, 0xc000_0201),
        (0x0800, 6, transport4(6, 9, 1, 2), OxmKind::TCP_SRC, Slot::L4_SRC, 4321),
        (0x0800, 17, transport4(17, 9, 1, 2), OxmKind::UDP_DST, Slot::L4_DST, 4321),
        (0x0800, 17, transport4(17, 9, 1, 2), OxmKind::IP_DSCP, Slot::IP_DSCP, 46),
        (0x0800, 1, echo4(), OxmKind::IPV4_SRC, Slot::IPV4_SRC, 0xc000_0201),
        (0x0800, 1, echo4(), OxmKind::ICMPV4_TYPE, Slot::ICMP_TYPE, 0),
        (0x0800, 1, echo4(), OxmKind::ICMPV4_CODE, Slot::ICMP_CODE, 7),
        (0x86dd, 6, transport6(6, 1, 2), OxmKind::IPV6_SRC, Slot::IPV6_SRC, new6),
        (0x86dd, 17, transport6(17, 1, 2), OxmKind::IPV6_DST, Slot::IPV6_DST, new6),
        (0x86dd, 17, transport6(17, 1, 2), OxmKind::UDP_SRC, Slot::L4_SRC, 9),
        (0x86dd, 17, transport6(17, 1, 2), OxmKind::IPV6_FLABEL, Slot::IPV6_FLABEL, 0xabcde),
        (0x86dd, 17, transport6(17, 1, 2), OxmKind::IP_ECN, Slot::IP_ECN, 1),
        (0x86dd, 17, transport6(17, 1, 2), OxmKind::IP_DSCP, Slot::IP_DSCP, 46),
        (0x86dd, 58, solicitation(), OxmKind::IPV6_SRC, Slot::IPV6_SRC, new6),
        (0x86dd, 58, solicitation(), OxmKind::IPV6_ND_TARGET, Slot::ND_TARGET, new6),
        (0x86dd, 58, solicitation(), OxmKind::IPV6_ND_SLL, Slot::LINK_SRC, 0x0a0b_0c0d_0e0f),
        (0x86dd, 58, solicitation(), OxmKind::ICMPV6_CODE, Slot::ICMP_CODE, 3),
    ];
    for (eth_type, proto, ip, kind, slot, value) in cases {
        for tag in [None, Some(100)] {
            let mut packet = packet(ethernet(B, A, tag, eth_type, &ip));
            packet.set_field(kind, value, u128::MAX);
            packet.commit();
            assert_eq!(packet.key().get(slot), value, "{kind} over {proto}");
            let ip = &packet.octets()[if tag.is_some() { 18 } else { 14 }..];
            assert_eq!(transport_checksum(ip), 0, "transport checksum after {kind} over {proto}");
            if eth_type == 0x0800 {
                assert_eq!(header_checksum(ip), 0, "header checksum after {kind} over {proto}");
            }
        }
    }
}

#[test]
fn a_udp_packet_without_a_checksum_stays_without() {
    let mut ip = transport4(17, 64, 1, 2);
    ip[26..28].copy_from_slice(&[0, 0]);
    let mut packet = packet(ethernet(B, A, None, 0x0800, &ip));
    packet.set_field(OxmKind::IPV4_SRC, 0x0102_0304, u128::MAX);
    packet.commit();
    assert_eq!(packet.octets()[14 + 26..14 + 28], [0, 0]);
}

#[test]
fn ttl_goes_down_to_one_and_no_further() {
    let mut packet = packet(ethernet(B, A, None, 0x0800, &transport4(17, 2, 1, 2)));
    assert!(packet.dec_nw_ttl().is_ok());
    packet.commit();
    assert_eq!((packet.octets()[14 + 8], header_checksum(&packet.octets()[14..])), (1, 0));
    assert!(packet.dec_nw_ttl().is_err());
    packet.set_nw_ttl(77);
    packet.commit();
    assert_eq!((packet.octets()[14 + 8], header_checksum(&packet.octets()[14..])), (77, 0));
}

#[test]
fn push_set_and_pop_vlan_give_the_frame_back() {
    let frame = udp(1, 2);
    let mut packet = packet(frame.clone());
    packet.push_vlan(0x8100);
    assert_eq!(packet.key().get(Slot::VLAN_TCI), 0x1000);
    packet.set_field(OxmKind::VLAN_VID, 0x1005, u128::MAX);
    packet.set_field(OxmKind::VLAN_PCP, 3, u128::MAX);
    packet.commit();
    assert_eq!(packet.octets()[12..18], [0x81, 0, 0x60, 5, 8, 0]);
    assert_eq!(packet.key().get(Slot::L4_DST), 2);
    packet.pop_vlan();
    assert_eq!(packet.share(), frame);
}

#[test]
fn a_frame_that_nobody_rewrites_is_not_copied() {
    let frame = udp(1, 2);
    let mut packet = packet(frame.clone());
    packet.set_field(OxmKind::UDP_DST, 2, u128::MAX);
    assert_eq!(packet.share().as_ptr(), frame.as_ptr());
}

fn label(packet: &Packet) -> (u128, u128, u128, u128) {
    let get = |slot| packet.key().get(slot);
    (get(Slot::MPLS_LABEL), get(Slot::MPLS_TC), get(Slot::MPLS_BOS), get(Slot::MPLS_TTL))
}

#[test]
fn labels_are_pushed_behind_the_tag_and_popped_to_the_same_frame() {
    let frame = ethernet(B, A, Some(7), 0x0800, &transport4(17, 33, 1, 2));
    let mut packet = packet(frame.clone());
    packet.push_mpls(0x8847).unwrap();
    assert_eq!(label(&packet), (0, 0, 1, 33), "explicit null with the TTL of the IP header");
    assert_eq!(
        (packet.key().eth_type(), packet.key().get(Slot::IP_PROTO)),
        (0x8847, 0),
        "what is behind a label isn't seen"
    );
    packet.set_field(OxmKind::MPLS_LABEL, 99, u128::MAX);
    packet.push_mpls(0x8848).unwrap();
    assert_eq!(label(&packet), (99, 0, 0, 33), "a copy, but not the bottom");
    packet.set_mpls_ttl(9);
    packet.dec_mpls_ttl().unwrap();
    assert_eq!(packet.share()[12..26], [0x81, 0, 0, 7, 0x88, 0x48, 0, 6, 0x30, 8, 0, 6, 0x31, 33]);
    assert_eq!(packet.pop_mpls(0x8847), Ok(false));
    assert_eq!(label(&packet), (99, 0, 1, 33));
    assert_eq!(packet.pop_mpls(0x0800), Ok(true));
    assert_eq!((packet.key().get(Slot::L4_DST), packet.share()), (0, frame.clone()), "nobody has looked behind it");
    packet.recirculate();
    assert_eq!((packet.key().get(Slot::L4_DST), packet.share()), (2, frame));
}

#[test]
fn a_fourth_label_is_one_too_many() {
    let mut packet = packet(udp(1, 2));
    for _ in 0..3 {
        packet.push_mpls(0x8847).unwrap();
    }
    assert!(packet.push_mpls(0x8847).is_err());
    assert_eq!(packet.pop_mpls(0x8847), Ok(false));
}

#[test]
fn no_label_stays_behind_another_ethertype() {
    let mut packet = packet(udp(1, 2));
    packet.push_mpls(0x8847).unwrap();
    packet.push_mpls(0x8847).unwrap();
    assert_eq!((packet.pop_mpls(0x0800), packet.share()), (Ok(true), udp(1, 2)));
}

#[test]
fn a_tag_behind_a_popped_one_stays_unseen() {
    let inner = [&[0x00, 0x05][..], &0x0800u16.to_be_bytes(), &transport4(17, 9, 1, 2)].concat();
    let mut packet = packet(ethernet(B, A, Some(0x2003), 0x8100, &inner));
    assert_eq!((packet.key().get(Slot::VLAN_TCI), packet.key().eth_type()), (0x3003, 0x8100));
    packet.pop_vlan();
    assert_eq!((packet.key().get(Slot::VLAN_TCI), packet.key().eth_type()), (0, 0x8100));
    packet.pop_vlan();
    assert_eq!(packet.share()[12..18], [0x81, 0, 0, 5, 8, 0]);
}

#[test]
fn sctp_keeps_a_right_checksum_right() {
    let mut sctp = [&[0, 1, 0, 2, 9, 9, 9, 9, 0, 0, 0, 0][..], b"chunk of data"].concat();
    let sum = crate::switch::checksum::crc32c(&[&sctp]);
    sctp[8..12].copy_from_slice(&sum.to_le_bytes());
    let mut packet = packet(ethernet(B, A, None, 0x0800, &ipv4(132, 9, 0, &sctp)));
    packet.set_field(OxmKind::SCTP_DST, 4321, u128::MAX);
    let mut after = packet.share()[34..].to_vec();
    let sum = u32::from_le_bytes(after[8..12].try_into().unwrap());
    after[8..12].copy_from_slice(&[0; 4]);
    assert_eq!((u16::from_be_bytes([after[2], after[3]]), sum), (4321, crate::switch::checksum::crc32c(&[&after])));
}

#[test]
fn arp_is_rewritten_where_it_has_an_operation() {
    let arp = |operation: u8| {
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, operation];
        arp.extend([A.as_slice(), &[10, 0, 0, 1], &[0; 6], &[10, 0, 0, 2]].concat());
        ethernet(B, A, None, 0x0806, &arp)
    };
    for (operation, written) in [(1, 9), (0, 2)] {
        let mut packet = packet(arp(operation));
        packet.set_field(OxmKind::ARP_TPA, 0x0a00_0009, u128::MAX);
        assert_eq!(packet.key().get(Slot::IPV4_DST), 0x0a00_0009);
        assert_eq!(packet.share()[14 + 27], written);
    }
}

#[test]
fn reserved_bits_and_options_of_neighbour_discovery_are_read_and_set() {
    let mut body = vec![135, 0, 0, 0, 0x60, 0, 0, 7];
    body.extend([0xfd; 16]);
    body.extend([1, 1, 2, 0, 0, 0, 0, 9]);
    let mut header = vec![0x60, 0, 0, 0, 0, body.len() as u8, 58, 255];
    header.extend([0xfe; 32]);
    let mut packet = packet(ethernet(B, A, None, 0x86dd, &[header, body].concat()));
    assert_eq!((packet.key().get(Slot::ND_RESERVED), packet.key().get(Slot::ND_OPTIONS_TYPE)), (0x6000_0007, 1));
    packet.set_field(OxmKind::ND_RESERVED, 5, u128::MAX);
    packet.set_field(OxmKind::ND_OPTIONS_TYPE, 2, u128::MAX);
    let frame = packet.share();
    assert_eq!((&frame[58..62], frame[78]), (&[0, 0, 0, 5][..], 2));
    // 0x6000 + 7 became 5, 0x0101 became 0x0201: the sum is less by 0x5f02, the checksum more.
    assert_eq!(u16::from_be_bytes([frame[56], frame[57]]), 0x5f02);
}
