//! Input that broke real BGP daemons, and what has to come of it: octets in, outcome out. Each row names its incident.

use bgp::policy::Policy;
use bgp::session::{ConnectMode, Event, Session, SessionConfig, SessionState};
use bgp::speaker::{Event as SpeakerEvent, NeighborConfig, Speaker, SpeakerConfig, Transmit};
use bgp::wire::{
    AsPath, Asn, AttributeType, DecodeContext, EncodeContext, EncodeError, Family, Fault, Message, MessageError, Nlri,
    Origin, Outcome, PathAttributes, PeerKind, RouterId, Update, pack_announcements, pack_withdrawals,
};
use bytes::BytesMut;
use net::Time;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// ORIGIN IGP, AS_PATH 65002, NEXT_HOP 192.0.2.1.
const MANDATORY: &str = "40010100 400206 0201 0000fdea 400304 c0000201";
/// 203.0.113.0/24.
const ROUTE: &str = "18 cb0071";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    octets.push(kind);
    octets.extend_from_slice(body);
    octets
}

fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend_from_slice(attributes);
    body.extend_from_slice(nlri);
    message(2, &body)
}

/// `extra` behind the mandatory attributes, announcing one route.
fn with(extra: &str) -> Vec<u8> {
    update(&hex(&format!("{MANDATORY} {extra}")), &hex(ROUTE))
}

fn external() -> DecodeContext {
    DecodeContext {
        peer_kind: PeerKind::External,
        discard: [AttributeType::PREFIX_SID].into(),
        ..DecodeContext::default()
    }
}

fn two_octet() -> DecodeContext {
    DecodeContext { four_octet_as: false, ..external() }
}

/// The outcome, or the fault that resets the session.
type Expected = Result<Option<Outcome>, Fault>;

fn outcome(octets: &[u8], context: &DecodeContext) -> Expected {
    match Message::decode(octets, context) {
        Ok(decoded) => Ok(decoded.outcome()),
        Err(MessageError { fault, .. }) => Err(fault),
    }
}

const WITHDRAW: Expected = Ok(Some(Outcome::TreatAsWithdraw));
const DISCARD: Expected = Ok(Some(Outcome::AttributeDiscard));
const FINE: Expected = Ok(None);

/// A name, octets, what the session had agreed on, and what has to come of it.
type Incident = (&'static str, Vec<u8>, DecodeContext, Expected);

fn incidents() -> Vec<Incident> {
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
    vec![
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
            hex("ffffffffffffffffffffffffffffffff 003c 02 0000 0014 ff1f0010 00040146464646460004464646464646 66 \
                 4646f50d05800100010200ffff000000"),
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
    ]
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
fn opens_that_end_too_early_are_malformed_and_nothing_is_read_past_the_end() {
    let head = "04 fdea 005a 0a000002";
    for tail in [
        "01",               // CVE-2022-43681: ends right after the parameters' length
        "02 ff",            // CVE-2022-40302: type 255 and nothing else
        "02 ffff",          // CVE-2022-40318: ends before the extended length
        "ff ff 00",         // half of it
        "ff ff 0004 02",    // parameters past the end
        "ff ff 0003 02 00", // a parameter's header past the end
        "02 02 06",         // a parameter past the end
        "04 02 02 41 04",   // a capability past its parameter
        "03 02 01 41",      // a capability without a length
        "00 00",            // octets after the parameters
    ] {
        let octets = message(1, &hex(&format!("{head} {tail}")));
        let error = Message::decode(&octets, &DecodeContext::default()).unwrap_err();
        let notification = error.notification();
        assert_eq!(
            (error.fault, notification.error_code.0, notification.error_subcode),
            (Fault::MalformedOpen, 2, 0),
            "{tail}"
        );
        assert!(error.at.offset <= octets.len(), "{tail}: {error}");
    }
    let short = message(1, &hex("04 fdea 005a 0a0000"));
    assert_eq!(outcome(&short, &DecodeContext::default()), Err(Fault::BadMessageLength));
}

#[test]
fn malformed_capabilities_are_ignored_and_kept() {
    // FQDN whose domain is cut off, role of two octets, ADD-PATH of three, four-octet AS of two, graceful restart of
    // one.
    for capability in ["49 02 0161", "09 02 0000", "45 03 000101", "41 02 0001", "40 01 00", "01 03 000100"] {
        let value = hex(capability);
        let mut body = hex("04 fdea 005a 0a000002");
        body.extend_from_slice(&[2 + u8::try_from(value.len()).unwrap(), 2, u8::try_from(value.len()).unwrap()]);
        body.extend_from_slice(&value);
        let octets = message(1, &body);
        let decoded = Message::decode(&octets, &DecodeContext::default()).unwrap();
        let mut again = BytesMut::new();
        decoded.message.encode(&EncodeContext::default(), &mut again).unwrap();
        assert_eq!(again, octets, "{capability}");
    }
}

fn decoded_update(octets: &[u8], context: &DecodeContext) -> Update {
    match Message::decode(octets, context).unwrap().message {
        Message::Update(update) => update,
        other => panic!("{other:?}"),
    }
}

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

/// The OPEN and KEEPALIVE of a neighbour in AS `asn`.
fn greeting(asn: u32) -> BytesMut {
    let config = SessionConfig::new(Asn(asn), RouterId::from_u32(asn), Asn(65001));
    let mut octets = BytesMut::new();
    for message in [Message::Open(config.open()), Message::Keepalive] {
        message.encode(&EncodeContext::default(), &mut octets).unwrap();
    }
    octets
}

#[test]
fn a_second_neighbour_notices_nothing_of_any_incident_and_errors_are_counted_by_attribute() {
    for (name, octets, ..) in incidents() {
        let neighbor = |number: u8, asn| NeighborConfig {
            mode: ConnectMode::Passive,
            import: Policy::Accept,
            export: Policy::Accept,
            enforce_first_as: false,
            ..NeighborConfig::new(IpAddr::from([192, 0, 2, number]), Asn(asn))
        };
        let config = SpeakerConfig {
            neighbors: vec![neighbor(2, 65002), neighbor(3, 65003)],
            ..SpeakerConfig::new(Asn(65001), RouterId::from_u32(1))
        };
        let mut speaker = Speaker::new(config, Time::ZERO).unwrap();
        let mut connect = |number: u8, asn: u32| {
            let remote = SocketAddr::from(([192, 0, 2, number], 40000));
            let local = SocketAddr::from(([192, 0, 2, 1], 179));
            let id = speaker.handle_accepted(remote, local, Time::ZERO).unwrap();
            speaker.handle_octets(id, &greeting(asn), Time::ZERO);
            id
        };
        let (hostile, honest) = (connect(2, 65002), connect(3, 65003));
        let path = AsPath::sequence(&[Asn(65003)]);
        let attributes =
            PathAttributes { next_hop: Some([192, 0, 2, 3].into()), ..PathAttributes::new(Origin::Igp, path) };
        let prefix = "198.51.100.0/24".parse().unwrap();
        let route =
            Update { attributes: Some(Arc::new(attributes)), nlri: vec![Nlri::new(prefix)], ..Update::default() };
        let mut good = BytesMut::new();
        Message::Update(route).encode(&EncodeContext::default(), &mut good).unwrap();
        speaker.handle_octets(honest, &good, Time::ZERO);
        speaker.handle_octets(hostile, &octets, Time::ZERO);
        while let Some(transmit) = speaker.poll_transmit() {
            if let Transmit::Send { connection, octets } = transmit
                && connection == honest
            {
                assert_ne!(octets.get(18), Some(&3), "{name}: no NOTIFICATION to the honest one");
            }
        }
        let status = speaker.status(Time::ZERO);
        let honest = status.neighbors.iter().find(|neighbor| neighbor.asn == Asn(65003)).unwrap();
        assert_eq!(honest.state, SessionState::Established, "{name}");
        assert!(honest.attribute_errors.is_empty(), "{name}");
        assert!(speaker.rib().best(prefix).is_some(), "{name}");
        let mut malformed = Vec::new();
        while let Some(event) = speaker.poll_event() {
            if let SpeakerEvent::Malformed { neighbor, errors } = event {
                assert_eq!(neighbor, IpAddr::from([192, 0, 2, 2]), "{name}");
                malformed.extend(errors);
            }
        }
        // Every error is counted by its attribute, and its octets are there to be shown.
        let hostile = status.neighbors.iter().find(|neighbor| neighbor.asn == Asn(65002)).unwrap();
        let counted: u64 = hostile.attribute_errors.iter().map(|row| row.count).sum();
        assert_eq!(counted, malformed.len() as u64, "{name}");
        assert_eq!(hostile.last_malformed.is_empty(), malformed.is_empty(), "{name}");
        assert!(malformed.iter().all(|error| !error.octets.is_empty()), "{name}");
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

#[test]
fn a_hard_reset_that_wraps_hard_resets_ends_the_session_and_nothing_else() {
    let neighbor =
        NeighborConfig { mode: ConnectMode::Passive, ..NeighborConfig::new(IpAddr::from([192, 0, 2, 2]), Asn(65002)) };
    let config = SpeakerConfig { neighbors: vec![neighbor], ..SpeakerConfig::new(Asn(65001), RouterId::from_u32(1)) };
    let mut speaker = Speaker::new(config, Time::ZERO).unwrap();
    let (remote, local) = ("192.0.2.2:40000".parse().unwrap(), "192.0.2.1:179".parse().unwrap());
    let connection = speaker.handle_accepted(remote, local, Time::ZERO).unwrap();
    speaker.handle_octets(connection, &greeting(65002), Time::ZERO);
    assert_eq!(speaker.status(Time::ZERO).neighbors[0].state, SessionState::Established);
    // 65,535 octets: as deep as one message can be.
    speaker.handle_octets(connection, &message(3, &[6, 9].repeat(32_758)), Time::ZERO);
    let status = speaker.status(Time::ZERO);
    let reset = status.neighbors[0].last_reset.as_deref();
    assert_eq!(reset, Some("received: Cease: Hard Reset: Cease: Hard Reset"));
}
