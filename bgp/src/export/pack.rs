//! What goes to peers beside announcements.

use crate::wire::{EncodeContext, Family, Message, Nlri, RefreshSubtype, RouteRefresh, Update, pack_withdrawals};
use bytes::{Bytes, BytesMut};

/// Appends UPDATEs that withdraw all of `nlri`; returns how many.
pub(super) fn withdraw(context: &EncodeContext, family: Family, nlri: &[Nlri], out: &mut BytesMut) -> usize {
    pack_withdrawals(family, nlri.iter().copied(), context, out)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        AsPath, Asn, Community, DecodeContext, EncodeError, MpNlri, NextHop, Origin, PathAttributes, encode_for,
        frame_length, pack_block,
    };
    use net::{Ipv4Prefix, Prefix};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::ops::Range;

    fn announce(
        attributes: &PathAttributes,
        (family, next_hop): (Family, NextHop),
        prefixes: &[Prefix],
        out: &mut BytesMut,
        message: impl FnMut(Range<usize>, Range<usize>),
    ) -> Result<(), EncodeError> {
        let (context, mut block) = (EncodeContext::default(), BytesMut::new());
        encode_for(family, attributes, next_hop, &context, &mut block);
        let nlri: Vec<Nlri> = prefixes.iter().copied().map(Nlri::new).collect();
        pack_block(family, &block, next_hop, &nlri, &context, out, message)
    }

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
            let attributes = PathAttributes {
                communities: vec![Community::new(1, 2); communities],
                next_hop: (!v6).then_some(Ipv4Addr::LOCALHOST),
                ..PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65001)]))
            };
            let mut out = BytesMut::new();
            if withdrawal {
                let gone: Vec<Nlri> = prefixes.iter().copied().map(Nlri::new).collect();
                let messages = withdraw(&context, family, &gone, &mut out);
                let updates = decode_all(&out, context.message_limit);
                prop_assert_eq!(messages, updates.len());
                let got: Vec<Prefix> = updates.iter().flat_map(|update| match &update.mp_unreach {
                    Some(unreach) => nlri(&unreach.nlri),
                    None => update.withdrawn.iter().map(|nlri| nlri.prefix).collect(),
                }).collect();
                prop_assert_eq!(got, prefixes);
            } else {
                let mut ranges = Vec::new();
                announce(&attributes, (family, next_hop), &prefixes, &mut out, |octets, part| {
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
        let attributes = PathAttributes {
            communities: vec![Community::new(1, 2); 1100],
            ..PathAttributes::new(Origin::Igp, AsPath::empty())
        };
        let mut out = BytesMut::new();
        let prefix = Prefix::V4(Ipv4Prefix::DEFAULT);
        let next_hop = NextHop::V4(Ipv4Addr::LOCALHOST);
        let family = Family::IPV4_UNICAST;
        let packed = announce(&attributes, (family, next_hop), &[prefix, prefix], &mut out, |_, _| ());
        assert!(packed.is_err());
        assert!(out.is_empty());
    }
}
