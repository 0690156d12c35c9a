//! One message each, and what has to come of it.

use super::{
    DISCARD, Expected, FINE, MANDATORY, ROUTE, WITHDRAW, decoded_update, external, hex, message, outcome, two_octet,
    update, with,
};
use bgp::session::{Event, Session, SessionConfig, SessionState};
use bgp::wire::{Asn, DecodeContext, EncodeContext, Fault, Message, PathAttributes, PeerKind, RouterId, Update};
use bytes::BytesMut;
use net::Time;
use std::sync::Arc;

/// A name, octets, what the session had agreed on, and what has to come of it.
pub type Incident = (&'static str, Vec<u8>, DecodeContext, Expected);

pub fn incidents() -> Vec<Incident> {
    let long_path = |asns: usize, segments: usize| {
        let mut value = Vec::new();
        for _ in 0..segments {
            value.extend_from_slice(&[2, u8::try_from(asns / segments).unwrap()]);
            (0..asns / segments).for_each(|_| value.extend_from_slice(&65002_u32.to_be_bytes()));
        }
        let mut attributes = hex("40010100 400304 c0000201 5002");
        attributes.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        attributes.extend_from_slice(&value);
        update(&attributes, &hex(ROUTE))
    };
    let two = "40010100 400204 0201 fdea 400304 c0000201";
    let with_two = |extra: &str| update(&hex(&format!("{two} {extra}")), &hex(ROUTE));
    let huge = |kind: u8, length: usize| {
        let mut attributes = hex(MANDATORY);
        attributes.extend_from_slice(&[0xd0, kind]);
        attributes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        attributes.extend(std::iter::repeat_n(0, length));
        update(&attributes, &hex(ROUTE))
    };
    let flowspec = |afi: u8, nlri: &[u8]| {
        let mut attributes = hex(MANDATORY);
        attributes.extend_from_slice(&[0x90, 14]);
        attributes.extend_from_slice(&u16::try_from(5 + nlri.len()).unwrap().to_be_bytes());
        attributes.extend_from_slice(&[0, afi, 133, 0, 0]);
        attributes.extend_from_slice(nlri);
        update(&attributes, &hex(ROUTE))
    };
    // Protocol 6, or 6, or 6 …
    let mut chain = vec![0xf3, 0x21, 3];
    (0..400).for_each(|_| chain.extend_from_slice(&[1, 6]));
    // Three AS_SETs of 255 numbers stand for three numbers.
    let mut sets = hex("40010100 40020a 0201 fdea 0202 fdeafdea 400304 c0000201 d011 0bfa");
    for _ in 0..3 {
        sets.extend_from_slice(&[1, 255]);
        (0..255_u32).for_each(|number| sets.extend_from_slice(&(70_000 + number).to_be_bytes()));
    }
    let mut rows = vec![
        ("BIRD 3d96db91a: FlowSpec of length 0, IPv6, twice", flowspec(2, &[0, 0]), external(), FINE),
        ("FlowSpec of length 0, withdrawn", update(&hex("800f 04 0001 85 00"), &[]), external(), FINE),
        ("CVE-2026-37457: FlowSpec with a chain of 400 operators", flowspec(1, &chain), external(), FINE),
        ("FlowSpec longer than its attribute", flowspec(1, &[0xff, 0xff, 3, 1]), external(), FINE),
        ("2023 grave flaws: ENTROPY_LABEL of length 255", huge(28, 255), external(), FINE),
        ("2023 grave flaws: ENTROPY_LABEL of 65,000 octets", huge(28, 65_000), external(), FINE),
        ("FRR 44f3385741: tunnel encapsulation of 10,000 TLVs", huge(23, 40_000), external(), FINE),
        ("tunnel encapsulation twice", with("c017 04 00070000 c017 04 00070000"), external(), DISCARD),
        ("2025-05 Junos/Arista: Prefix-SID of length 0, external", with("c028 00"), external(), DISCARD),
        (
            "2025-05 Junos/Arista: a Prefix-SID TLV of zeros that does not add up",
            with("c028 08 0000000000000000"),
            DecodeContext::default(),
            DISCARD,
        ),
        ("FRR e7bc47b501: link bandwidth of 7 octets", with("c010 07 4004fdea000000"), external(), WITHDRAW),
        (
            "FRR 7a110595c5: a refresh with the beginning of a filter",
            message(5, &hex("0001 00 01 01")),
            external(),
            FINE,
        ),
        ("FRR 7a110595c5: a refresh with an empty filter", message(5, &hex("0001 00 01 01 80 0000")), external(), FINE),
        (
            "CVE-2026-30405: NEXT_HOP of length 1",
            update(&hex("40010100 400206 0201 0000fdea 400301 c0"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2026-30405: NEXT_HOP of length 2",
            update(&hex("40010100 400206 0201 0000fdea 400302 c000"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2026-37461: IPv6 extended communities of 19 octets",
            with(&format!("c019 13 {}", "00".repeat(19))),
            external(),
            WITHDRAW,
        ),
        (
            "GoBGP ca7383f4: IPv6 extended communities of 8 octets",
            with("c019 08 0000000000000000"),
            external(),
            WITHDRAW,
        ),
        (
            "GoBGP 7b3e5553: labels without a bottom of the stack",
            with("800e 0d 0001 04 04 c0000201 00 18 000000"),
            external(),
            FINE,
        ),
        ("large communities of 11 octets", with("c020 0b 0000000000000000000000"), external(), WITHDRAW),
        ("AGGREGATOR of 7 octets", with("c007 07 0000fdea0a0000"), external(), DISCARD),
        ("CVE-2026-49943: AS_PATH of 16,000 numbers", long_path(16_000, 80), external(), WITHDRAW),
        ("AS_SETs in AS4_PATH that take the path over the limit", update(&sets, &hex(ROUTE)), two_octet(), WITHDRAW),
        (
            "a large community that stands twice",
            with("c020 18 0000fde9 00000001 00000002 0000fde9 00000001 00000002"),
            external(),
            FINE,
        ),
    ];
    rows.extend([
        ("2009 SuproNet: AS_PATH over 128, extended length", long_path(200, 1), external(), FINE),
        ("2009 SuproNet: AS_PATH over 255 in two segments", long_path(300, 2), external(), FINE),
        (
            "2009: AS4_PATH of confederation segments only",
            with_two("e011 0a 0302 0000fe00 0000fe01"),
            two_octet(),
            DISCARD,
        ),
        (
            "2009: AS4_PATH with a confederation segment in it",
            with_two("e011 10 0302 0000fe00 0000fe01 0201 00010000"),
            two_octet(),
            FINE,
        ),
        ("2010 RIPE/Duke: unknown optional transitive attribute of 3 KB", huge(99, 3000), external(), FINE),
        (
            "2012: empty AS_PATH segment",
            update(&hex("40010100 400202 0200 400304 c0000201"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "2016: AS 0 in AS_PATH",
            update(&hex("40010100 400206 0201 00000000 400304 c0000201"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        ("2023 grave flaws: ENTROPY_LABEL of length 0", with("c01c 00"), external(), FINE),
        ("2023 grave flaws: ENTROPY_LABEL of length 1", with("c01c 01 ff"), external(), FINE),
        ("2023 grave flaws: ENTROPY_LABEL of length 256", huge(28, 256), external(), FINE),
        ("2023 grave flaws: attribute 21", with("c015 02 0000"), external(), FINE),
        ("2023 grave flaws: attribute 25 of a wrong length", with("c019 03 000700"), external(), WITHDRAW),
        ("CVE-2023-38802: tunnel encapsulation cut short", with("c017 03 000700"), external(), WITHDRAW),
        (
            "CVE-2024-44070: tunnel encapsulation sub-TLV past its TLV",
            with("c017 06 0007000401ff"),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2023-38283: length of an attribute in error is still consumed",
            with("c008 03 000000 c063 01 00"),
            external(),
            WITHDRAW,
        ),
        ("an unknown attribute that ends beyond the field", with("c063 09 00"), external(), WITHDRAW),
        ("an attribute header that ends beyond the field", with("c0"), external(), WITHDRAW),
        (
            "CVE-2023-46752: MP_REACH_NLRI next hop past its end",
            with("800e 0d 0002 01 10 0000000000000000 00"),
            external(),
            Err(Fault::OptionalAttribute),
        ),
        ("CVE-2023-46752: MP_REACH_NLRI of length 0", with("800e 00"), external(), Err(Fault::AttributeLength)),
        (
            "CVE-2023-46752: MP_UNREACH_NLRI of two octets",
            with("800f 02 0002"),
            external(),
            Err(Fault::AttributeLength),
        ),
        (
            // Its NLRI field begins with a prefix of 102 bits: RFC 7606 §3 j and §5.3 leave only the reset.
            "CVE-2023-46753: only an unknown attribute, no mandatory ones",
            hex("ffffffffffffffffffffffffffffffff003c0200000014ff1f00100004014646464646\
                 0004464646464646664646f50d05800100010200ffff000000"),
            external(),
            Err(Fault::InvalidNetworkField),
        ),
        (
            "CVE-2023-46753 with routes that can be read",
            update(&hex("ff1f 0004 00010203"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            // A prefix of 235 bits in it: as above.
            "CVE-2023-47235: like End-of-RIB, with an unknown attribute and routes",
            hex("ffffffffffffffffffffffffffffffff002b0200000003c0ff00010100eb00ac100b0b001ad908ac100b0b"),
            external(),
            Err(Fault::InvalidNetworkField),
        ),
        ("CVE-2023-47235 with routes that can be read", update(&hex("c0ff 00"), &hex(ROUTE)), external(), WITHDRAW),
        (
            "CVE-2023-47234: MP_UNREACH_NLRI and routes without mandatory attributes",
            update(&hex("800f 08 0002 01 20 20010db8"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2023-38406: FlowSpec NLRI of length 0 is data of another family",
            with("800e 06 0001 85 00 00 00"),
            external(),
            FINE,
        ),
        ("2025-05 Junos/Arista: Prefix-SID of zeros, external", with("c028 08 0000000000000000"), external(), DISCARD),
        ("CVE-2024-31948: Prefix-SID TLV past its end", with("c028 03 010007"), DecodeContext::default(), DISCARD),
        ("2025-10 IXPs: OTC declared 1024 octets long", huge(35, 1024), external(), WITHDRAW),
        ("2025-10 IXPs: OTC of length 3", with("c023 03 000000"), external(), WITHDRAW),
        ("AIGP with a TLV shorter than its header", with("801a 03 010002"), external(), DISCARD),
        ("AIGP with a short first TLV", with("801a 04 010004 00"), external(), DISCARD),
        ("extended communities of 9 octets", with("c010 09 000000000000000000"), external(), WITHDRAW),
        (
            "CVE-2026-41643: AS4_PATH before AS_PATH, and invalid",
            update(&hex("c011 02 0200 40010100 400204 0201 fdea 400304 c0000201"), &hex(ROUTE)),
            two_octet(),
            DISCARD,
        ),
        (
            "MP_REACH_NLRI twice",
            with("800e 0d 0001 01 04 c0000201 00 18 c63364 800e 05 0001 01 04 c0"),
            external(),
            Err(Fault::MalformedAttributeList),
        ),
        (
            "MP_UNREACH_NLRI twice",
            with("800f 03 000201 800f 03 000201"),
            external(),
            Err(Fault::MalformedAttributeList),
        ),
        (
            "CVE-2026-30405: NEXT_HOP of length 0",
            update(&hex("40010100 400206 0201 0000fdea 400300"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2026-30405: NEXT_HOP of length 3",
            update(&hex("40010100 400206 0201 0000fdea 400303 c00002"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2026-30405: NEXT_HOP of length 5",
            update(&hex("40010100 400206 0201 0000fdea 400305 c000020100"), &hex(ROUTE)),
            external(),
            WITHDRAW,
        ),
        (
            "CVE-2026-37462: withdrawn routes length of one octet more than there is",
            message(2, &hex("0001 0000")),
            external(),
            Err(Fault::MalformedAttributeList),
        ),
        (
            "CVE-2026-37462: path attribute length past the message",
            message(2, &hex("0000 0001")),
            external(),
            Err(Fault::MalformedAttributeList),
        ),
        (
            "CVE-2026-37462: no room for the path attribute length",
            message(2, &hex("0002 18 00")),
            external(),
            Err(Fault::MalformedAttributeList),
        ),
        (
            "a withdrawn prefix that ends beyond the field",
            message(2, &hex("0002 18 cb 0000")),
            external(),
            Err(Fault::InvalidNetworkField),
        ),
        (
            "an IPv4 prefix of 33 bits",
            update(&hex(MANDATORY), &hex("21 cb00710000")),
            external(),
            Err(Fault::InvalidNetworkField),
        ),
        ("CVE-2026-49943: AS_PATH of 2,100 numbers", long_path(2100, 10), external(), WITHDRAW),
        (
            "CVE-2026-49943: two-octet path that grows fourfold",
            {
                let mut attributes = hex("40010100 400304 c0000201 5002 3fe0");
                for _ in 0..32 {
                    attributes.extend_from_slice(&[2, 254]);
                    (0..254).for_each(|_| attributes.extend_from_slice(&[0xfd, 0xea]));
                }
                attributes[13..15].copy_from_slice(&(32_u16 * 510).to_be_bytes());
                update(&attributes, &hex(ROUTE))
            },
            two_octet(),
            WITHDRAW,
        ),
        ("2010, 2023: unknown transitive attribute of one octet", with("c063 01 00"), external(), FINE),
        ("2010, 2023: unknown transitive attribute of 255 octets", huge(99, 255), external(), FINE),
        ("2010, 2023: unknown transitive attribute of 256 octets", huge(99, 256), external(), FINE),
        (
            "2010, 2023: unknown transitive attribute that says 65,535 octets and has three",
            with("d063 ffff 000000"),
            external(),
            WITHDRAW,
        ),
        (
            "FRR 7a110595c5: filter entries in a ROUTE-REFRESH that end too early are data nobody asked for",
            message(5, &hex("0001 00 01 01 80 ffff 00")),
            external(),
            FINE,
        ),
        (
            "a beginning of a refresh with something behind it",
            message(5, &hex("0001 01 01 00")),
            external(),
            Err(Fault::RefreshLength),
        ),
        ("LOCAL_PREF from an external peer, even of a wrong length", with("400503 000000"), external(), DISCARD),
        (
            "ORIGINATOR_ID and CLUSTER_LIST from an external peer",
            with("800904 01010101 800a04 02020202"),
            external(),
            DISCARD,
        ),
        (
            "an unknown attribute that claims to be well-known",
            with("4063 00"),
            external(),
            Err(Fault::UnrecognizedWellKnown),
        ),
        (
            "an attribute error in a message that announces nothing",
            update(&hex("40010103"), &[]),
            external(),
            Err(Fault::InvalidOrigin),
        ),
    ]);
    rows
}

#[test]
fn every_incident_has_the_outcome_that_the_rfcs_give_it() {
    for (name, octets, context, expected) in incidents() {
        assert_eq!(outcome(&octets, &context), expected, "{name}");
        in_a_session(name, &octets, expected);
    }
}

/// The session stays up unless the outcome is a reset, and never panics.
fn in_a_session(name: &str, octets: &[u8], expected: Expected) {
    let config = SessionConfig::new(Asn(65001), RouterId::from_u32(1), Asn(65002));
    let peer = SessionConfig::new(Asn(65002), RouterId::from_u32(2), Asn(65001));
    let mut session = Session::new(Arc::new(config), 1);
    session.handle_start(Time::ZERO);
    session.handle_connected(Time::ZERO);
    let mut open = peer.open();
    if octets.len() > 40
        && octets.windows(4).any(|window| window == [2, 1, 0xfd, 0xea] || window == [2, 254, 0xfd, 0xea])
    {
        open.optional_parameters.clear();
    }
    let mut greeting = BytesMut::new();
    Message::Open(open).encode(&EncodeContext::default(), &mut greeting).unwrap();
    Message::Keepalive.encode(&EncodeContext::default(), &mut greeting).unwrap();
    session.handle_bytes(&greeting, Time::ZERO);
    assert_eq!(session.state(), SessionState::Established);
    session.handle_bytes(octets, Time::ZERO);
    let stays = session.state() == SessionState::Established;
    assert_eq!(stays, expected.is_ok() || name.contains("Prefix-SID TLV"), "{name}");
    while let Some(event) = session.poll_event() {
        if expected == WITHDRAW
            && let Event::Route(route) = event
        {
            assert!(route.announced.is_none(), "{name}");
        }
    }
}

#[test]
fn of_large_communities_that_are_equal_one_is_kept_and_sent_on() {
    let octets = with("c020 24 0000fde9 00000001 00000002 0000fde9 00000003 00000004 0000fde9 00000001 00000002");
    let update = decoded_update(&octets, &external());
    let communities = &update.attributes.as_ref().unwrap().large_communities;
    assert_eq!(communities.iter().map(ToString::to_string).collect::<Vec<_>>(), ["65001:1:2", "65001:3:4"]);
    let mut attributes = PathAttributes::clone(update.attributes.as_ref().unwrap());
    attributes.large_communities.extend(communities.clone());
    let mut out = BytesMut::new();
    let twice = Update { attributes: Some(Arc::new(attributes)), ..update.clone() };
    Message::Update(twice).encode(&EncodeContext::default(), &mut out).unwrap();
    assert_eq!(decoded_update(&out, &external()), update);
    assert!(out.windows(3).any(|head| head == [0xc0, 32, 24]), "two of them");
}

/// RFC 5065 §5, from each kind of neighbour.
#[test]
fn confederation_segments_come_from_inside_our_confederation_and_from_another_member_they_must() {
    let path = |segments: &str| {
        let value = hex(segments);
        let mut attributes = hex("40010100 400304 c0000201 400504 00000064 4002");
        attributes.push(u8::try_from(value.len()).unwrap());
        attributes.extend_from_slice(&value);
        update(&attributes, &hex(ROUTE))
    };
    let context = |peer_kind, confederation| DecodeContext { peer_kind, confederation, ..DecodeContext::default() };
    let plain = path("0201 0000fdea");
    let (inside, behind) = (path("0301 0000fde9 0201 0000fdea"), path("0201 0000fdea 0301 0000fde9"));
    for (kind, confederation, expected) in [
        (PeerKind::Internal, false, [FINE, WITHDRAW, WITHDRAW, FINE]),
        (PeerKind::Internal, true, [FINE, FINE, FINE, FINE]),
        (PeerKind::Confederation, true, [WITHDRAW, FINE, WITHDRAW, WITHDRAW]),
        (PeerKind::Unknown, false, [FINE, FINE, FINE, FINE]),
    ] {
        let found = [&plain, &inside, &behind, &path("")].map(|octets| outcome(octets, &context(kind, confederation)));
        assert_eq!(found, expected, "{kind:?} {confederation}");
    }
    // LOCAL_PREF from outside is discarded, which is less.
    let found = [&plain, &inside, &behind].map(|octets| outcome(octets, &context(PeerKind::External, true)));
    assert_eq!(found, [DISCARD, WITHDRAW, WITHDRAW]);
}
