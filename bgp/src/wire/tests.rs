//! Properties of the codec: what is encoded decodes to the same; no octets make it panic; packers keep to the limit.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use net::{Ipv4Prefix, Ipv6Prefix, Prefix};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;

fn octets(limit: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..limit).prop_map(Bytes::from)
}

fn family() -> impl Strategy<Value = Family> {
    (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Family { afi: Afi(afi), safi: Safi(safi) })
}

fn router_id() -> impl Strategy<Value = RouterId> {
    any::<u32>().prop_map(RouterId::from_u32)
}

fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1..70_000_u32, 1..=u32::MAX].prop_map(Asn)
}

fn capability() -> impl Strategy<Value = Capability> {
    let flags = any::<u8>;
    prop_oneof![
        family().prop_map(|family| Capability::Multiprotocol { family }),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedMessage),
        Just(Capability::EnhancedRouteRefresh),
        any::<u8>().prop_map(|role| Capability::Role { role: Role(role) }),
        any::<u32>().prop_map(|asn| Capability::FourOctetAs { asn: Asn(asn) }),
        vec((any::<u16>(), any::<u16>(), any::<u16>()), 0..4).prop_map(|rows| {
            let row = |(afi, safi, next_hop_afi)| ExtendedNextHopFamily {
                afi: Afi(afi),
                safi,
                next_hop_afi: Afi(next_hop_afi),
            };
            Capability::ExtendedNextHop { families: rows.into_iter().map(row).collect() }
        }),
        vec((family(), flags()), 1..4).prop_map(|rows| {
            let row = |(family, mode)| AddPathFamily { family, send_receive: AddPathMode(mode) };
            Capability::AddPath { families: rows.into_iter().map(row).collect() }
        }),
        (any::<bool>(), any::<bool>(), 0..4_u8, 0..4096_u16, vec((family(), flags()), 0..4)).prop_map(
            |(restarting, notification, reserved, restart_time, rows)| {
                let row = |(family, flags)| GracefulRestartFamily { family, flags };
                let families = rows.into_iter().map(row).collect();
                let restart = GracefulRestart { restarting, notification, reserved, restart_time, families };
                Capability::GracefulRestart(restart)
            }
        ),
        vec((family(), flags(), 0..0x0100_0000_u32), 0..4).prop_map(|rows| {
            let row = |(family, flags, stale_time)| LongLivedFamily { family, flags, stale_time };
            Capability::LongLivedGracefulRestart { families: rows.into_iter().map(row).collect() }
        }),
        (octets(20), octets(20)).prop_map(|(hostname, domain)| Capability::Fqdn { hostname, domain }),
        (any::<u8>(), octets(30))
            .prop_filter("a code of its own", |(code, _)| CapabilityCode(*code).name().is_none())
            .prop_map(|(code, value)| Capability::Unknown { code: CapabilityCode(code), value }),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let parameter = prop_oneof![
        vec(capability(), 0..6).prop_map(OptionalParameter::Capabilities),
        (any::<u8>(), octets(20))
            .prop_filter("a type of its own", |(kind, _)| !matches!(kind, 2 | 255))
            .prop_map(|(kind, value)| OptionalParameter::Unknown { kind, value }),
    ];
    (any::<u16>(), any::<u16>(), router_id(), vec(parameter, 0..4), any::<bool>()).prop_map(
        |(my_autonomous_system, hold_time, bgp_identifier, optional_parameters, extended_parameters)| Open {
            version: VERSION,
            my_autonomous_system,
            hold_time,
            bgp_identifier,
            optional_parameters,
            extended_parameters,
        },
    )
}

fn as_path(confederation: bool) -> impl Strategy<Value = AsPath> {
    let kinds = if confederation { 1..5_u8 } else { 1..3_u8 };
    vec((kinds, vec(asn(), 1..6)), 0..4).prop_map(|segments| {
        AsPath::from_segments(
            segments.iter().filter_map(|(kind, asns)| Some((SegmentKind::from_u8(*kind)?, asns.as_slice()))),
        )
    })
}

fn unknown() -> impl Strategy<Value = Vec<RawAttribute>> {
    let value = prop_oneof![octets(40), octets(600)];
    btree_map(any::<u8>(), (any::<u8>(), value), 0..4).prop_map(|attributes| {
        let attribute = |(kind, (flags, value)): (u8, (u8, Bytes))| {
            let extended = if value.len() > 255 { 0x10 } else { 0 };
            RawAttribute { flags: AttributeFlags(flags | 0x80 | extended), kind: AttributeType(kind), value }
        };
        attributes.into_iter().map(attribute).filter(|attribute| attribute.kind.name().is_none()).collect()
    })
}

pub(crate) fn attributes(confederation: bool) -> impl Strategy<Value = PathAttributes> {
    let path = (
        prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)],
        as_path(confederation),
        (0x0100_0000..0xdfff_ffff_u32).prop_map(Ipv4Addr::from_bits),
        of(any::<u32>()),
        of(any::<u32>()),
        any::<bool>(),
        of((asn(), router_id()).prop_map(|(asn, router_id)| Aggregator { asn, router_id })),
    );
    let lists = (
        vec(any::<u32>().prop_map(Community), 0..80),
        of(router_id()),
        vec(router_id(), 0..4),
        vec(any::<[u8; 8]>().prop_map(ExtendedCommunity), 0..4),
        vec(any::<[u32; 3]>(), 0..4),
        of(asn()),
        unknown(),
        any::<bool>(),
    );
    (path, lists).prop_map(|(path, lists)| {
        let (origin, as_path, next_hop, med, local_pref, atomic_aggregate, aggregator) = path;
        let (communities, originator_id, cluster_list, extended_communities, large, otc, unknown, partial) = lists;
        let large_communities =
            large.into_iter().map(|[global, local1, local2]| LargeCommunity { global, local1, local2 }).collect();
        let mut bits = PartialBits::default();
        if partial && !communities.is_empty() {
            bits.insert(AttributeType::COMMUNITIES);
        }
        PathAttributes {
            origin,
            as_path,
            next_hop: Some(next_hop),
            med,
            local_pref,
            atomic_aggregate,
            aggregator,
            communities,
            originator_id,
            cluster_list,
            extended_communities,
            large_communities,
            only_to_customer: otc,
            unknown,
            partial: bits,
        }
    })
}

fn ipv4(add_path: bool, limit: usize) -> impl Strategy<Value = Vec<Nlri>> {
    let nlri = (any::<u32>(), any::<u32>(), 0..=32_u8).prop_map(move |(id, bits, length)| Nlri {
        path_id: if add_path { id } else { 0 },
        prefix: Ipv4Prefix::new(Ipv4Addr::from_bits(bits), length).map(Prefix::V4).unwrap(),
    });
    vec(nlri, 0..limit)
}

fn ipv6(add_path: bool, limit: usize) -> impl Strategy<Value = Vec<Nlri>> {
    let nlri = (any::<u32>(), any::<u128>(), 0..=128_u8).prop_map(move |(id, bits, length)| Nlri {
        path_id: if add_path { id } else { 0 },
        prefix: Ipv6Prefix::new(Ipv6Addr::from_bits(bits), length).map(Prefix::V6).unwrap(),
    });
    vec(nlri, 0..limit)
}

fn mp_nlri(add_path: bool) -> impl Strategy<Value = (Family, MpNlri)> {
    prop_oneof![
        ipv6(add_path, 9).prop_map(|nlri| (Family::IPV6_UNICAST, MpNlri::Unicast(nlri))),
        ipv4(add_path, 9).prop_map(|nlri| (Family::IPV4_UNICAST, MpNlri::Unicast(nlri))),
        (family().prop_filter("not decoded", |family| !family.is_typed()), octets(40))
            .prop_map(|(family, octets)| (family, MpNlri::Raw(octets))),
    ]
}

pub(crate) fn update(add_path: bool, confederation: bool) -> impl Strategy<Value = Update> {
    let ipv6 = any::<u128>().prop_map(Ipv6Addr::from_bits);
    let next_hop = (ipv6.clone(), of(ipv6)).prop_map(|(address, link_local)| NextHop::V6 { address, link_local });
    let reach = (mp_nlri(add_path), next_hop, octets(30)).prop_map(|((family, nlri), next_hop, raw)| {
        let next_hop = if family.is_typed() { MpNextHop::Address(next_hop) } else { MpNextHop::Raw(raw) };
        MpReach { family, next_hop, nlri }
    });
    let unreach = mp_nlri(add_path).prop_map(|(family, nlri)| MpUnreach { family, nlri }).boxed();
    let attributes = attributes(confederation).prop_map(|attributes| Some(Arc::new(attributes)));
    let announcing = (ipv4(add_path, 20), of(unreach.clone()), attributes, of(reach), ipv4(add_path, 20)).prop_map(
        |(withdrawn, mp_unreach, attributes, mp_reach, nlri)| Update {
            withdrawn,
            mp_unreach,
            attributes,
            mp_reach,
            nlri,
            stray_attributes: Vec::new(),
        },
    );
    let withdrawing =
        (ipv4(add_path, 20), of(unreach), unknown()).prop_map(|(withdrawn, mp_unreach, stray_attributes)| Update {
            withdrawn,
            mp_unreach,
            stray_attributes,
            ..Update::default()
        });
    prop_oneof![announcing, withdrawing]
}

fn message(add_path: bool, confederation: bool) -> impl Strategy<Value = Message> {
    let refresh = prop_oneof![
        (family(), any::<u8>().prop_filter("filters follow requests", |kind| !matches!(kind, 1 | 2)), octets(20))
            .prop_map(|(family, subtype, trailing)| RouteRefresh {
                family,
                subtype: RefreshSubtype(subtype),
                trailing
            }),
        (family(), 1..3_u8).prop_map(|(family, subtype)| RouteRefresh::new(family, RefreshSubtype(subtype))),
    ];
    let notification = (any::<u8>(), any::<u8>(), octets(60)).prop_map(|(code, error_subcode, data)| Notification {
        error_code: ErrorCode(code),
        error_subcode,
        data,
    });
    prop_oneof![
        1 => open().prop_map(Message::Open),
        4 => update(add_path, confederation).prop_map(Message::Update),
        1 => notification.prop_map(Message::Notification),
        1 => Just(Message::Keepalive),
        1 => refresh.prop_map(Message::RouteRefresh),
    ]
}

pub(crate) fn contexts(add_path: bool, four_octet_as: bool) -> (EncodeContext, DecodeContext) {
    let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let add_path: BTreeSet<Family> = families.into_iter().filter(|_| add_path).collect();
    (
        EncodeContext { four_octet_as, add_path: add_path.clone(), message_limit: EXTENDED_MESSAGE_LIMIT },
        DecodeContext { four_octet_as, add_path, ..DecodeContext::default() },
    )
}

/// The two variants of the ADD-PATH strategy in one: the flag and a message that fits it.
fn message_and_add_path(confederation: bool) -> impl Strategy<Value = (bool, Message)> {
    prop_oneof![
        message(false, confederation).prop_map(|message| (false, message)),
        message(true, confederation).prop_map(|message| (true, message)),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same((add_path, message) in message_and_add_path(true)) {
        let (encode, decode) = contexts(add_path, true);
        let mut out = BytesMut::new();
        message.encode(&encode, &mut out).unwrap();
        let decoded = Message::decode(&out, &decode).unwrap();
        prop_assert_eq!(&decoded.errors, &[]);
        prop_assert_eq!(decoded.message, message);
    }

    /// RFC 6793: AS_TRANS on the way, the same numbers in the end. Confederation segments do not go into AS4_PATH.
    #[test]
    fn two_octet_peers_get_the_same_message_by_way_of_as4_path((add_path, message) in message_and_add_path(false)) {
        let (encode, decode) = contexts(add_path, false);
        let mut out = BytesMut::new();
        message.encode(&encode, &mut out).unwrap();
        let decoded = Message::decode(&out, &decode).unwrap();
        prop_assert_eq!(&decoded.errors, &[]);
        prop_assert_eq!(decoded.message, message);
    }

    #[test]
    fn no_octets_make_the_decoder_panic_and_errors_point_into_the_message(
        (add_path, message) in message_and_add_path(true),
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        truncate in of(any::<prop::sample::Index>()),
        four_octet_as in any::<bool>(),
        external in any::<bool>(),
        disable in any::<bool>(),
    ) {
        let (encode, decode) = contexts(add_path, true);
        let mut out = BytesMut::new();
        message.encode(&encode, &mut out).unwrap();
        for (index, value) in mutations {
            let at = index.index(out.len());
            out[at] = value;
        }
        if let Some(index) = truncate {
            out.truncate(index.index(out.len()));
        }
        let peer_kind = if external { PeerKind::External } else { PeerKind::Internal };
        let malformed_family = if disable { MalformedFamily::Disable } else { MalformedFamily::SessionReset };
        let decode = DecodeContext { four_octet_as, peer_kind, malformed_family, ..decode };
        // As sent, and with a header that fits, so that the body is reached.
        let mut framed = vec![0xff; 16];
        framed.extend_from_slice(&u16::try_from(out.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(out.get(18..).unwrap_or_default());
        for octets in [out.as_ref(), framed.as_slice()] {
            match Message::decode(octets, &decode) {
                Ok(decoded) => {
                    prop_assert_ne!(decoded.outcome(), Some(Outcome::SessionReset));
                    for error in &decoded.errors {
                        prop_assert!(error.at.offset <= octets.len(), "{:?}", error);
                    }
                }
                Err(error) => {
                    prop_assert!(error.at.offset <= octets.len(), "{}", error);
                    prop_assert!(error.notification().error_code.name().is_some());
                }
            }
            let _report = decode_for_display(octets, DisplayOptions::default());
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in vec(any::<u8>(), 0..200), kind in 0..7_u8) {
        let _whole = Message::decode(&octets, &DecodeContext::default());
        let mut framed = vec![0xff; 16];
        framed.extend_from_slice(&u16::try_from(19 + octets.len()).unwrap().to_be_bytes());
        framed.push(kind);
        framed.extend_from_slice(&octets);
        if let Ok(decoded) = Message::decode(&framed, &DecodeContext::default()) {
            // Whatever was read can be written, and reads as the same again.
            let (encode, decode) = contexts(false, true);
            let mut out = BytesMut::new();
            decoded.message.encode(&encode, &mut out).unwrap();
            if decoded.errors.is_empty() {
                prop_assert_eq!(Message::decode(&out, &decode).unwrap().message, decoded.message);
            }
        }
    }

    #[test]
    fn packers_keep_to_every_limit_and_lose_no_route(
        attributes in attributes(true),
        v4 in ipv4(true, 400),
        v6 in ipv6(true, 400),
        add_path in any::<bool>(),
        limit in 700..5000_usize,
    ) {
        let plain = |nlri: Vec<Nlri>| -> Vec<Nlri> {
            nlri.into_iter().map(|nlri| if add_path { nlri } else { Nlri { path_id: 0, ..nlri } }).collect()
        };
        let (v4, v6) = (plain(v4), plain(v6));
        let (encode, decode) = contexts(add_path, true);
        let encode = EncodeContext { message_limit: limit, ..encode };
        let link_local = Some("fe80::1".parse().unwrap());
        let next_hops = [
            (Family::IPV4_UNICAST, NextHop::V4([192, 0, 2, 1].into()), &v4),
            (Family::IPV4_UNICAST, NextHop::V6 { address: "2001:db8::1".parse().unwrap(), link_local }, &v4),
            (Family::IPV6_UNICAST, NextHop::V6 { address: "2001:db8::1".parse().unwrap(), link_local: None }, &v6),
        ];
        for (family, next_hop, routes) in next_hops {
            let mut octets = BytesMut::new();
            let packed = pack_announcements(family, &attributes, next_hop, routes.iter().copied(), &encode, &mut octets);
            if packed.is_err() {
                prop_assert!(octets.is_empty());
                continue;
            }
            let mut withdrawn = BytesMut::new();
            let withdrawals = pack_withdrawals(family, routes.iter().copied(), &encode, &mut withdrawn);
            for (octets, count, announces) in [(octets, packed.unwrap(), true), (withdrawn, withdrawals, false)] {
                let mut rest = octets.as_ref();
                let (mut seen, mut messages, mut lengths) = (Vec::new(), 0, Vec::new());
                while let Some(length) = frame_length(rest, limit).unwrap() {
                    let decoded = Message::decode(&rest[..length], &decode).unwrap();
                    prop_assert!(decoded.errors.is_empty());
                    let Message::Update(update) = decoded.message else { panic!("not an UPDATE") };
                    if announces {
                        let path = PathAttributes { next_hop: None, ..update.attributes.unwrap().as_ref().clone() };
                        prop_assert_eq!(path, PathAttributes { next_hop: None, ..attributes.clone() });
                    }
                    let unicast = |nlri| match nlri {
                        MpNlri::Unicast(nlri) => nlri,
                        MpNlri::Raw(_) => panic!("not decoded"),
                    };
                    seen.extend(update.nlri);
                    seen.extend(update.withdrawn);
                    seen.extend(update.mp_reach.map(|reach| unicast(reach.nlri)).unwrap_or_default());
                    seen.extend(update.mp_unreach.map(|unreach| unicast(unreach.nlri)).unwrap_or_default());
                    rest = &rest[length..];
                    messages += 1;
                    lengths.push(length);
                }
                prop_assert_eq!((&seen, messages, rest.len()), (routes, count, 0));
                // Full: no message but the last has room for the longest NLRI.
                lengths.pop();
                prop_assert!(lengths.iter().all(|length| length + 21 >= limit), "{:?} of {}", lengths, limit);
            }
        }
    }

    #[test]
    fn numbers_of_a_path_survive_prepending(path in as_path(true), asn in asn(), times in 0..300_usize) {
        let longer = path.prepend(asn, times);
        prop_assert_eq!(longer.length(), path.length() + times);
        let expected: Vec<Asn> = std::iter::repeat_n(asn, times).chain(path.asns()).collect();
        prop_assert_eq!(longer.asns().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn types_seen_are_exactly_those_in_the_message(kinds in btree_set(any::<u8>(), 0..20)) {
        let attributes: Vec<u8> = kinds.iter().flat_map(|kind| [0xc0, *kind, 0]).collect();
        let mut body = vec![0, 0];
        body.extend_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&attributes);
        body.extend_from_slice(&attributes);
        let (once, twice) = (body.len() - attributes.len(), body.len());
        body[2..4].copy_from_slice(&u16::try_from(2 * attributes.len()).unwrap().to_be_bytes());
        prop_assert!(once <= twice);
        let mut frame = vec![0xff; 16];
        frame.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
        frame.push(2);
        frame.extend_from_slice(&body);
        let errors = match Message::decode(&frame, &DecodeContext::default()) {
            Ok(decoded) => decoded.errors,
            Err(error) => error.attribute_errors,
        };
        let duplicates = errors.iter().filter(|error| matches!(error.at.kind, net::DecodeErrorKind::Duplicate));
        prop_assert_eq!(duplicates.map(|error| error.kind.0).collect::<BTreeSet<_>>(), kinds);
    }
}
