//! What goes on to others.

use super::{DISCARD, MANDATORY, ROUTE, decoded_update, external, hex, outcome, two_octet, update};
use bgp::wire::{
    AsPath, Asn, EncodeContext, EncodeError, Family, Nlri, Origin, PathAttributes, pack_announcements, pack_withdrawals,
};
use bytes::BytesMut;

#[test]
fn an_unknown_transitive_attribute_is_forwarded_octet_for_octet_with_the_partial_bit() {
    for length in [0_u16, 1, 255, 256, 3000] {
        let mut attribute = vec![0xd0, 99];
        attribute.extend_from_slice(&length.to_be_bytes());
        attribute.extend((0..length).map(|index| (index % 251) as u8));
        let mut attributes = hex(MANDATORY);
        attributes.extend_from_slice(&attribute);
        let update = decoded_update(&update(&attributes, &hex(ROUTE)), &external());
        let mut path = update.attributes.as_deref().unwrap().clone();
        path.unknown = path.unknown.iter().filter_map(|raw| raw.forwarded()).collect();
        let mut out = BytesMut::new();
        let next_hop = bgp::wire::NextHop::V4(path.next_hop.unwrap());
        pack_announcements(Family::IPV4_UNICAST, &path, next_hop, update.nlri, &EncodeContext::default(), &mut out)
            .unwrap();
        attribute[0] |= 0x20;
        assert!(out.windows(attribute.len()).any(|window| window == attribute), "length {length}");
    }
}

#[test]
fn attributes_may_stand_in_any_order_and_only_the_first_of_a_type_counts() {
    let attributes = ["40010100", "400204 0201 5ba0", "400304 c0000201", "c011 06 0201 00010000", "800404 00000007"];
    let expected = decoded_update(&update(&hex(&attributes.concat()), &hex(ROUTE)), &two_octet());
    assert_eq!(expected.attributes.as_ref().unwrap().as_path.to_string(), "65536");
    for rotation in 0..attributes.len() {
        let mut order = attributes;
        order.rotate_left(rotation);
        let octets = update(&hex(&order.concat()), &hex(ROUTE));
        assert_eq!(decoded_update(&octets, &two_octet()), expected, "{order:?}");
    }
    for attribute in attributes {
        let twice = update(&hex(&format!("{} {attribute}", attributes.concat())), &hex(ROUTE));
        assert_eq!(outcome(&twice, &two_octet()), DISCARD, "{attribute}");
        assert_eq!(decoded_update(&twice, &two_octet()), expected, "{attribute}");
    }
}

#[test]
fn a_path_that_does_not_fit_the_peers_limit_is_an_error_and_nothing_is_written() {
    // CVE-2023-44186: 600 four-octet numbers are 2,400 octets, and both AS_PATH and AS4_PATH toward a two-octet peer.
    let long: Vec<Asn> = (0..900).map(|index| Asn(70000 + index)).collect();
    let attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&long));
    let route = Nlri::new("203.0.113.0/24".parse().unwrap());
    let next_hop = bgp::wire::NextHop::V4([192, 0, 2, 1].into());
    let mut out = BytesMut::from(&b"before"[..]);
    let two_octet = EncodeContext { four_octet_as: false, ..EncodeContext::default() };
    let result = pack_announcements(Family::IPV4_UNICAST, &attributes, next_hop, [route], &two_octet, &mut out);
    assert!(matches!(result, Err(EncodeError::TooLong { limit: 4096, .. })), "{result:?}");
    assert_eq!(out.as_ref(), b"before");
    let four_octet = EncodeContext::default();
    assert_eq!(pack_announcements(Family::IPV4_UNICAST, &attributes, next_hop, [route], &four_octet, &mut out), Ok(1));
}

#[test]
fn withdrawals_of_every_number_stay_within_the_limit_and_lose_no_route() {
    for count in (1..=1100).chain([5000]) {
        let routes: Vec<Nlri> = (0..count)
            .map(|index: u32| Nlri::new(net::Ipv4Prefix::new((index << 8).into(), 24).unwrap().into()))
            .collect();
        let mut out = BytesMut::new();
        let messages =
            pack_withdrawals(Family::IPV4_UNICAST, routes.iter().copied(), &EncodeContext::default(), &mut out);
        let mut rest = out.as_ref();
        let mut seen = Vec::new();
        let mut counted = 0;
        while let Some(length) = bgp::wire::frame_length(rest, 4096).unwrap() {
            seen.extend(decoded_update(&rest[..length], &external()).withdrawn);
            rest = &rest[length..];
            counted += 1;
        }
        assert_eq!((seen, counted, rest.len()), (routes, messages, 0));
    }
}

#[test]
fn an_as_in_front_of_a_full_segment_opens_a_new_one() {
    // OpenBGPD 999438e95.
    let full = AsPath::sequence(&[Asn(65002); 255]);
    let longer = full.prepend(Asn(65001), 1);
    let lengths: Vec<usize> = longer.segments().map(|segment| segment.asns().count()).collect();
    assert_eq!((lengths, longer.first()), (vec![1, 255], Some(Asn(65001))));
}
