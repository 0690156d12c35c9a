//! What becomes of a path on its way out, from octets to octets, where nothing but the usual happens to it: no policy
//! statements, no rules of the operator's that look at the path.
//!
//! Invariant: where [`export_in_place`] answers, [`super::rules::judge`] and [`super::rules::finish`] come to the same.

use super::ExportTerms;
use super::rules::{self, From, PrivateAsRule};
use crate::policy::Policy;
use crate::policy::rule::NextHopChange;
use crate::rib::SourceKind;
use crate::wire::{
    AttributeFlags, AttributeType, AttributeView, Community, ExtendedCommunity, Family, NextHop, SEGMENT_LIMIT,
    SegmentKind, attributes_of,
};
use bytes::{BufMut, BytesMut};

/// A path as the group's peers get it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InPlace {
    /// They don't.
    Refused,
    /// With this next hop; the other attributes were written.
    Sent(NextHop),
}

/// Puts the path `block`, as [`crate::wire::PathAttributes::encode_block`] wrote it, through the terms and appends what
/// comes of it to `out`. `None`: it has to be looked at as a whole; nothing that was appended counts.
pub(super) fn export_in_place(
    terms: &ExportTerms,
    family: Family,
    from: From,
    next_hop: NextHop,
    block: &[u8],
    out: &mut BytesMut,
) -> Option<InPlace> {
    let external = terms.kind == SourceKind::External;
    match (&terms.policy, terms.kind) {
        (Policy::Accept, _) | (Policy::Unset, SourceKind::Internal | SourceKind::Local) => {}
        (Policy::Reject, _) | (Policy::Unset, SourceKind::External) => return Some(InPlace::Refused),
        (Policy::Rules(_), _) => return None,
    }
    let rules = &terms.rules;
    let reflected = !external && from.kind == SourceKind::Internal;
    let rewritten = rules.private_as != PrivateAsRule::Keep || rules.as_override || rules.behind.is_some();
    if !terms.encode.four_octet_as
        || rules.graceful_shutdown
        || rules.confederation
        || rules.role.is_some()
        || reflected
        || (external && rewritten)
    {
        return None;
    }
    let next_hop = rules::next_hop(terms, family, from, next_hop, NextHopChange::Usual);
    let mut writer = Writer { terms, from, external, next_hop, out, next_hop_due: true, local_pref_due: !external };
    for attribute in attributes_of(block) {
        if !writer.put(attribute)? {
            return Some(InPlace::Refused);
        }
    }
    writer.put_due(AttributeType(u8::MAX));
    Some(next_hop.map_or(InPlace::Refused, InPlace::Sent))
}

struct Writer<'a> {
    terms: &'a ExportTerms,
    from: From,
    external: bool,
    next_hop: Option<NextHop>,
    out: &'a mut BytesMut,
    /// NEXT_HOP was not written yet, and LOCAL_PREF has to be.
    next_hop_due: bool,
    local_pref_due: bool,
}

impl Writer<'_> {
    /// `false`: the route does not go out.
    fn put(&mut self, attribute: AttributeView<'_>) -> Option<bool> {
        let AttributeView { flags, kind, value, octets } = attribute;
        self.put_due(kind);
        match kind {
            AttributeType::AS_PATH => self.put_as_path(value, octets)?,
            // Ours or the same: written already.
            AttributeType::NEXT_HOP => {}
            // RFC 4271 §5.1.4.
            AttributeType::MULTI_EXIT_DISC if self.external && !self.med_stays() => {}
            AttributeType::LOCAL_PREF | AttributeType::ORIGINATOR_ID | AttributeType::CLUSTER_LIST if self.external => {
            }
            AttributeType::LOCAL_PREF => {
                self.local_pref_due = false;
                self.out.put_slice(octets);
            }
            AttributeType::COMMUNITIES => {
                let (chunks, _) = value.as_chunks::<4>();
                let mut communities = chunks.iter().map(|octets| Community(u32::from_be_bytes(*octets)));
                if communities.any(|community| rules::keeps_in(self.terms, community)) {
                    return Some(false);
                }
                self.out.put_slice(octets);
            }
            AttributeType::EXTENDED_COMMUNITIES if self.external => {
                let (chunks, _) = value.as_chunks::<8>();
                if !chunks.iter().all(|octets| ExtendedCommunity(*octets).is_transitive()) {
                    return None;
                }
                self.out.put_slice(octets);
            }
            AttributeType::AS4_PATH | AttributeType::AS4_AGGREGATOR => return None,
            _ if kind.has_field() => self.out.put_slice(octets),
            // RFC 4271 §5: what we don't know goes on with the Partial bit if it is transitive, and stays here if not.
            _ if flags.is_transitive() => {
                self.out.put_u8(flags.0 | AttributeFlags::PARTIAL);
                self.out.put_slice(octets.get(1..).unwrap_or_default());
            }
            _ => {}
        }
        Some(true)
    }

    fn med_stays(&self) -> bool {
        self.from.kind == SourceKind::Local || self.terms.rules.route_server_client
    }

    /// What comes before an attribute of this type and was not in the path.
    fn put_due(&mut self, kind: AttributeType) {
        if self.next_hop_due && kind >= AttributeType::NEXT_HOP {
            self.next_hop_due = false;
            if let Some(NextHop::V4(address)) = self.next_hop {
                self.out.put_slice(&[AttributeFlags::WELL_KNOWN.0, AttributeType::NEXT_HOP.0, 4]);
                self.out.put_slice(&address.octets());
            }
        }
        if self.local_pref_due && kind > AttributeType::LOCAL_PREF {
            self.local_pref_due = false;
            self.out.put_slice(&[AttributeFlags::WELL_KNOWN.0, AttributeType::LOCAL_PREF.0, 4]);
            self.out.put_u32(self.terms.default_local_pref);
        }
    }

    /// With our AS in front where it leaves ours.
    fn put_as_path(&mut self, path: &[u8], octets: &[u8]) -> Option<()> {
        if !self.external {
            self.out.put_slice(octets);
            return Some(());
        }
        let (mut rest, mut first) = (path, None);
        while let Some((&[kind, count], numbers)) = rest.split_first_chunk::<2>() {
            let kind = SegmentKind::from_u8(kind).filter(|kind| !kind.is_confederation())?;
            first.get_or_insert((kind, count));
            rest = numbers.get(usize::from(count) * 4..)?;
        }
        if self.terms.rules.route_server_client {
            self.out.put_slice(octets);
            return Some(());
        }
        let (count, rest) = match first {
            Some((SegmentKind::AsSequence, count)) if usize::from(count) < SEGMENT_LIMIT => (count + 1, path.get(2..)?),
            _ => (1, path),
        };
        let length = 2 + 4 + rest.len();
        match u8::try_from(length) {
            Ok(length) => self.out.put_slice(&[AttributeFlags::WELL_KNOWN.0, AttributeType::AS_PATH.0, length]),
            Err(_) => {
                let flags = AttributeFlags::WELL_KNOWN.0 | AttributeFlags::EXTENDED_LENGTH;
                self.out.put_slice(&[flags, AttributeType::AS_PATH.0]);
                self.out.put_u16(u16::try_from(length).ok()?);
            }
        }
        self.out.put_slice(&[SegmentKind::AsSequence as u8, count]);
        self.out.put_u32(self.terms.local_asn.0);
        self.out.put_slice(rest);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::terms;
    use super::*;
    use crate::rib::RouteAttributes;
    use crate::wire::tests::attributes;
    use crate::wire::{Asn, PathAttributes, RouterId, encode_for};
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    fn well_known() -> impl Strategy<Value = Vec<Community>> {
        let known = vec![Community::NO_EXPORT, Community::NO_ADVERTISE, Community::LLGR_STALE, Community::BLACKHOLE];
        proptest::collection::vec(select(known), 0..2)
    }

    proptest! {
        #[test]
        fn what_goes_out_is_what_the_rules_say(
            path in attributes(true), communities in well_known(), few in any::<bool>(),
            kind in select(vec![SourceKind::External, SourceKind::Internal]),
            from_kind in select(vec![SourceKind::External, SourceKind::Internal, SourceKind::Local]),
            policy in select(vec![Policy::Accept, Policy::Unset, Policy::Reject]),
            (v6, own, server, client, extended) in any::<(bool, bool, bool, bool, bool)>(),
            (graceful_shutdown, remove, two_octet) in
                (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1)),
            link_local in any::<bool>(),
        ) {
            let mut path: PathAttributes = path;
            if few {
                path.communities.clear();
                path.extended_communities.clear();
            }
            path.communities.extend(communities);
            let mut terms = ExportTerms { policy, ..terms(kind) };
            terms.rules.route_server_client = server;
            terms.rules.reflector_client = client;
            terms.rules.extended_next_hop = extended;
            terms.rules.graceful_shutdown = graceful_shutdown;
            terms.encode.four_octet_as = !two_octet;
            if remove {
                terms.rules.private_as = PrivateAsRule::Remove;
            }
            if !own {
                path.next_hop = None;
            }
            let link_local = link_local.then_some("fe80::1".parse().unwrap());
            let (family, next_hop) = match (v6, path.next_hop) {
                (true, _) => (Family::IPV6_UNICAST, NextHop::V6 { address: "2001:db8::9".parse().unwrap(), link_local }),
                (false, Some(own)) => (Family::IPV4_UNICAST, NextHop::V4(own)),
                (false, None) => (Family::IPV4_UNICAST, NextHop::V4(Ipv4Addr::new(192, 0, 2, 9))),
            };
            let from = From { kind: from_kind, confederation: false, client: false, router_id: RouterId::from_u32(9) };
            let (mut block, mut out) = (BytesMut::new(), BytesMut::new());
            path.encode_block(&mut block);
            let in_place = export_in_place(&terms, family, from, next_hop, &block, &mut out);
            let route = RouteAttributes { attributes: Arc::new(path), next_hop };
            let prefix = if v6 { "2001:db8::/32" } else { "198.51.100.0/24" }.parse().unwrap();
            let whole = rules::export(&terms, family, from, &route, prefix);
            let usual = !graceful_shutdown && !two_octet && (kind == SourceKind::External || from_kind != SourceKind::Internal);
            match (in_place, whole) {
                (Some(InPlace::Sent(next_hop)), Some((attributes, expected))) => {
                    let mut wanted = BytesMut::new();
                    encode_for(family, &attributes, expected, &terms.encode, &mut wanted);
                    prop_assert_eq!(next_hop, expected);
                    prop_assert_eq!(out, wanted);
                }
                (Some(answer), None) => prop_assert_eq!(answer, InPlace::Refused),
                (None, _) => {
                    let confederation = route.attributes.as_path.segments().any(|segment| segment.kind.is_confederation());
                    let intransitive = !route.attributes.extended_communities.iter().all(|it| it.is_transitive());
                    prop_assert!(!usual || remove || confederation || intransitive);
                }
                (answer, whole) => prop_assert!(false, "{answer:?} {whole:?}"),
            }
        }
    }

    #[test]
    fn a_full_first_segment_gets_another_one_in_front() {
        let terms = terms(SourceKind::External);
        let from =
            From { kind: SourceKind::External, confederation: false, client: false, router_id: RouterId::from_u32(9) };
        for count in [0, 1, 62, 63, 254, 255, 256, 600] {
            let asns: Vec<Asn> = (1..=count).map(Asn).collect();
            let next_hop = Ipv4Addr::new(192, 0, 2, 9);
            let path = PathAttributes {
                next_hop: Some(next_hop),
                ..PathAttributes::new(crate::wire::Origin::Igp, crate::wire::AsPath::sequence(&asns))
            };
            let (mut block, mut out) = (BytesMut::new(), BytesMut::new());
            path.encode_block(&mut block);
            let sent =
                export_in_place(&terms, Family::IPV4_UNICAST, from, NextHop::V4(next_hop), &block, &mut out).unwrap();
            assert!(matches!(sent, InPlace::Sent(_)));
            let sent = PathAttributes::decode_block(&out);
            assert_eq!(sent.as_path, path.as_path.prepend(terms.local_asn, 1), "{count}");
        }
    }
}
