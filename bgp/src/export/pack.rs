//! Packing: as many prefixes with the same attributes into one UPDATE as the peer's message size allows.

use crate::wire::{
    EncodeContext, EncodeError, Family, Message, MpNextHop, MpNlri, MpReach, MpUnreach, NextHop, Nlri, PathAttributes,
    RefreshSubtype, RouteRefresh, Update,
};
use bytes::{Bytes, BytesMut};
use net::Prefix;
use std::ops::Range;
use std::sync::Arc;

/// Appends UPDATEs that announce all of `prefixes`, and calls `message` with each one's octets and part of `prefixes`.
/// On error the attributes alone are too long for any message; nothing is appended.
pub(super) fn announce(
    context: &EncodeContext,
    family: Family,
    attributes: &Arc<PathAttributes>,
    next_hop: NextHop,
    prefixes: &[Prefix],
    out: &mut BytesMut,
    mut message: impl FnMut(Range<usize>, Range<usize>),
) -> Result<(), EncodeError> {
    let update = |prefixes: &[Prefix]| {
        let nlri = prefixes.iter().copied().map(Nlri::new).collect();
        let attributes = Some(Arc::clone(attributes));
        // RFC 8950 §3: IPv4 routes with an IPv6 next hop go where the next hop can be any.
        if family == Family::IPV4_UNICAST && matches!(next_hop, NextHop::V4(_)) {
            return Message::Update(Update { attributes, nlri, ..Update::default() });
        }
        let mp_reach = Some(MpReach { family, next_hop: MpNextHop::Address(next_hop), nlri: MpNlri::Unicast(nlri) });
        Message::Update(Update { attributes, mp_reach, ..Update::default() })
    };
    split(context, family, prefixes, out, &mut message, update)
}

/// Appends UPDATEs that withdraw all of `prefixes`; returns how many.
pub(super) fn withdraw(context: &EncodeContext, family: Family, prefixes: &[Prefix], out: &mut BytesMut) -> usize {
    let update = |prefixes: &[Prefix]| {
        let nlri: Vec<Nlri> = prefixes.iter().copied().map(Nlri::new).collect();
        if family == Family::IPV4_UNICAST {
            return Message::Update(Update { withdrawn: nlri, ..Update::default() });
        }
        let mp_unreach = Some(MpUnreach { family, nlri: MpNlri::Unicast(nlri) });
        Message::Update(Update { mp_unreach, ..Update::default() })
    };
    let mut messages = 0;
    // One prefix and no attributes fit in any message: no error.
    let _ = split(context, family, prefixes, out, &mut |_, _| messages += 1, update);
    messages
}

/// The End-of-RIB marker of `family`.
pub(super) fn end_of_rib(family: Family) -> Bytes {
    short(Message::Update(Update::new_end_of_rib(family)))
}

/// A ROUTE-REFRESH of `family`.
pub(super) fn refresh(family: Family, subtype: RefreshSubtype) -> Bytes {
    short(Message::RouteRefresh(RouteRefresh::new(family, subtype)))
}

/// A message of some 30 octets, the same in every context: encoding has no error.
fn short(message: Message) -> Bytes {
    let mut out = BytesMut::new();
    let _ = message.encode(&EncodeContext::default(), &mut out);
    out.freeze()
}

fn split(
    context: &EncodeContext,
    family: Family,
    prefixes: &[Prefix],
    out: &mut BytesMut,
    message: &mut impl FnMut(Range<usize>, Range<usize>),
    update: impl Fn(&[Prefix]) -> Message,
) -> Result<(), EncodeError> {
    let Some(first) = prefixes.first() else { return Ok(()) };
    let add_path = context.add_path.contains(&family);
    let size = |prefix: &Prefix| if add_path { 5 } else { 1 } + usize::from(prefix.len().div_ceil(8));
    let start = out.len();
    update(std::slice::from_ref(first)).encode(context, out)?;
    if prefixes.len() == 1 {
        message(start..out.len(), 0..1);
        return Ok(());
    }
    // A multiprotocol attribute past 255 octets has one octet more of length.
    let room = context.message_limit.saturating_sub(out.len() - start - size(first) + 1);
    out.truncate(start);
    let mut from = 0;
    while from < prefixes.len() {
        let (mut to, mut left) = (from, room);
        while let Some(rest) = prefixes.get(to).and_then(|prefix| left.checked_sub(size(prefix))) {
            (to, left) = (to + 1, rest);
        }
        // The estimate may be one octet short of what fits; a single prefix is always tried.
        to = to.max(from + 1);
        let at = out.len();
        if let Err(error) = update(prefixes.get(from..to).unwrap_or_default()).encode(context, out) {
            out.truncate(start);
            return Err(error);
        }
        message(at..out.len(), from..to);
        from = to;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AsPath, Asn, Community, DecodeContext, Origin, frame_length};
    use net::Ipv4Prefix;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn decode_all(mut octets: &[u8], limit: usize) -> Vec<Update> {
        let mut updates = Vec::new();
        while let Ok(Some(length)) = frame_length(octets, limit) {
            let (frame, rest) = octets.split_at(length);
            let decoded = Message::decode(frame, &DecodeContext::default()).unwrap();
            assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
            match decoded.message {
                Message::Update(update) => updates.push(update),
                other => panic!("{other:?}"),
            }
            octets = rest;
        }
        assert!(octets.is_empty());
        updates
    }

    fn nlri(list: &MpNlri) -> Vec<Prefix> {
        match list {
            MpNlri::Unicast(list) => list.iter().map(|nlri| nlri.prefix).collect(),
            MpNlri::Raw(_) => panic!(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn every_prefix_arrives_once_and_no_message_is_too_long(
            count in 1usize..2500, lengths in prop::collection::vec(0u8..=32, 1..9), v6 in any::<bool>(), communities in 0usize..300,
            withdrawal in any::<bool>(),
        ) {
            let prefixes: Vec<Prefix> = (0..count).map(|n| {
                let length = lengths[n % lengths.len()];
                if v6 {
                    Prefix::new(IpAddr::V6(Ipv6Addr::from_bits((n as u128) << 64)), 64 + length).unwrap()
                } else {
                    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(n as u32)), length).unwrap()
                }
            }).collect();
            let (family, next_hop) = if v6 {
                (Family::IPV6_UNICAST, NextHop::V6 { address: Ipv6Addr::LOCALHOST, link_local: None })
            } else {
                (Family::IPV4_UNICAST, NextHop::V4(Ipv4Addr::LOCALHOST))
            };
            let context = EncodeContext::default();
            let attributes = Arc::new(PathAttributes {
                communities: vec![Community::new(1, 2); communities],
                next_hop: (!v6).then_some(Ipv4Addr::LOCALHOST),
                ..PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65001)]))
            });
            let mut out = BytesMut::new();
            if withdrawal {
                let messages = withdraw(&context, family, &prefixes, &mut out);
                let updates = decode_all(&out, context.message_limit);
                prop_assert_eq!(messages, updates.len());
                let got: Vec<Prefix> = updates.iter().flat_map(|update| match &update.mp_unreach {
                    Some(unreach) => nlri(&unreach.nlri),
                    None => update.withdrawn.iter().map(|nlri| nlri.prefix).collect(),
                }).collect();
                prop_assert_eq!(got, prefixes);
            } else {
                let mut ranges = Vec::new();
                announce(&context, family, &attributes, next_hop, &prefixes, &mut out, |octets, part| {
                    ranges.push((octets, part));
                }).unwrap();
                let updates = decode_all(&out, context.message_limit);
                prop_assert_eq!(ranges.len(), updates.len());
                let got: Vec<Prefix> = updates.iter().flat_map(|update| match &update.mp_reach {
                    Some(reach) => nlri(&reach.nlri),
                    None => update.nlri.iter().map(|nlri| nlri.prefix).collect(),
                }).collect();
                prop_assert_eq!(got, prefixes.clone());
                prop_assert_eq!(ranges.last().map(|(octets, part)| (octets.end, part.end)), Some((out.len(), prefixes.len())));
                // Full: all but the last have no room for one prefix of the longest kind.
                for (octets, _) in ranges.iter().rev().skip(1) {
                    prop_assert!(octets.len() + 17 + 1 >= context.message_limit);
                }
            }
        }
    }

    #[test]
    fn attributes_that_fill_a_message_alone_are_an_error_and_write_nothing() {
        let context = EncodeContext::default();
        let attributes = Arc::new(PathAttributes {
            communities: vec![Community::new(1, 2); 1100],
            ..PathAttributes::new(Origin::Igp, AsPath::empty())
        });
        let mut out = BytesMut::new();
        let prefix = Prefix::V4(Ipv4Prefix::DEFAULT);
        let next_hop = NextHop::V4(Ipv4Addr::LOCALHOST);
        let family = Family::IPV4_UNICAST;
        assert!(announce(&context, family, &attributes, next_hop, &[prefix, prefix], &mut out, |_, _| ()).is_err());
        assert!(out.is_empty());
    }
}
