//! Which best routes go to a group of peers, and with which attributes.

use super::ExportTerms;
use crate::policy::rule::NextHopChange;
use crate::policy::{Evaluation, PolicyRoute, PolicyVerdict};
use crate::rib::{RouteAttributes, SourceKind};
use crate::wire::{Community, Family, NextHop, PathAttributes, RawAttribute};
use net::Prefix;
use std::sync::Arc;

/// What the group's policy says about routes with these attributes, once per attribute set; `None` if they don't go to
/// the group whatever it says.
pub(super) fn judge(
    terms: &ExportTerms,
    family: Family,
    from: SourceKind,
    route: &RouteAttributes,
) -> Option<Evaluation> {
    if !may_go(terms, from, &route.attributes) {
        return None;
    }
    let attributes = Arc::clone(&route.attributes);
    let seen = PolicyRoute { family, source: from, attributes, next_hop: route.next_hop };
    Some(terms.policy.evaluate(terms.kind, seen))
}

/// A route as the group's peers get it after this verdict; `None` if they don't.
pub(super) fn finish(
    terms: &ExportTerms,
    family: Family,
    from: SourceKind,
    route: &RouteAttributes,
    verdict: &PolicyVerdict,
) -> Option<(PathAttributes, NextHop)> {
    let (mut attributes, change, sets_med) = match verdict {
        PolicyVerdict::Accept => (PathAttributes::clone(&route.attributes), NextHopChange::Usual, false),
        PolicyVerdict::Modify(modified) => {
            (PathAttributes::clone(&modified.attributes), modified.next_hop, modified.sets_med)
        }
        PolicyVerdict::Reject | PolicyVerdict::NoPolicy => return None,
    };
    let next_hop = next_hop(terms, family, from, route, change)?;
    attributes.next_hop = match next_hop {
        NextHop::V4(address) => Some(address),
        NextHop::V6 { .. } => None,
    };
    // RFC 4271 §5: what we don't know goes on with the Partial bit if it is transitive, and stays here if not.
    attributes.unknown = attributes.unknown.iter().filter_map(RawAttribute::forwarded).collect();
    if terms.kind == SourceKind::External {
        let med = attributes.med.filter(|_| sets_med);
        leave_as(&mut attributes, terms, from);
        attributes.med = med.or(attributes.med);
    } else {
        // RFC 4271 §5.1.5: in all UPDATEs to internal peers.
        attributes.local_pref.get_or_insert(terms.default_local_pref);
    }
    Some((attributes, next_hop))
}

/// [`judge`] and [`finish`] for one prefix.
pub(super) fn export(
    terms: &ExportTerms,
    family: Family,
    from: SourceKind,
    route: &RouteAttributes,
    prefix: Prefix,
) -> Option<(PathAttributes, NextHop)> {
    let evaluation = judge(terms, family, from, route)?;
    finish(terms, family, from, route, evaluation.verdict(prefix))
}

fn may_go(terms: &ExportTerms, from: SourceKind, attributes: &PathAttributes) -> bool {
    // RFC 4271 §9.2: no route of an internal peer to another; only a route reflector may.
    if from == SourceKind::Internal && terms.kind == SourceKind::Internal {
        return false;
    }
    // RFC 1997. There is no confederation: NO_EXPORT and NO_EXPORT_SUBCONFED come to the same.
    !attributes.communities.iter().any(|community| match *community {
        Community::NO_ADVERTISE => true,
        Community::NO_EXPORT | Community::NO_EXPORT_SUBCONFED => terms.kind == SourceKind::External,
        _ => false,
    })
}

fn leave_as(attributes: &mut PathAttributes, terms: &ExportTerms, from: SourceKind) {
    attributes.as_path = attributes.as_path.without_confederation().prepend(terms.local_asn, 1);
    attributes.local_pref = None;
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    attributes.extended_communities.retain(|community| community.is_transitive());
    // RFC 4271 §5.1.4: a MED that came from a neighbouring AS must not go to other ones.
    if from != SourceKind::Local {
        attributes.med = None;
    }
}

fn next_hop(
    terms: &ExportTerms,
    family: Family,
    from: SourceKind,
    route: &RouteAttributes,
    change: NextHopChange,
) -> Option<NextHop> {
    let ours = || {
        if family == Family::IPV4_UNICAST {
            terms.next_hop_v4.map(NextHop::V4)
        } else {
            terms.next_hop_v6.map(|address| NextHop::V6 { address, link_local: None })
        }
    };
    match change {
        NextHopChange::Own => return ours(),
        // An address of the other family is nobody's for these routes.
        NextHopChange::Address(address) if address.is_ipv4() == (family == Family::IPV4_UNICAST) => {
            return Some(NextHop::from(address));
        }
        // Our own routes have none that could stay.
        NextHopChange::Unchanged if from != SourceKind::Local => {}
        _ if terms.kind == SourceKind::External || from == SourceKind::Local || terms.next_hop_self => return ours(),
        _ => {}
    }
    // RFC 4271 §5.1.3: unchanged inside the AS. A link-local address means nothing on another link.
    match route.next_hop {
        NextHop::V4(address) if family == Family::IPV4_UNICAST => Some(NextHop::V4(address)),
        NextHop::V6 { address, .. } if family != Family::IPV4_UNICAST => {
            if address.is_unicast_link_local() {
                return ours();
            }
            Some(NextHop::V6 { address, link_local: None })
        }
        _ => ours(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::terms;
    use super::*;
    use crate::policy::rule::{Adjust, Label, PrependAs};
    use crate::policy::{Action, Change, Link, Note, Policy, PolicyDefinition, Statement};
    use crate::wire::{AsPath, Asn, AttributeFlags, AttributeType, ExtendedCommunity, Origin, RouterId};
    use bytes::Bytes;
    use std::net::Ipv4Addr;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;

    /// [`super::export`] to a prefix that makes no difference.
    fn export(
        terms: &ExportTerms,
        family: Family,
        from: SourceKind,
        route: &RouteAttributes,
    ) -> Option<(PathAttributes, NextHop)> {
        super::export(terms, family, from, route, "198.51.100.0/24".parse().unwrap())
    }

    fn route(change: impl FnOnce(&mut PathAttributes)) -> RouteAttributes {
        let mut attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65009)]));
        change(&mut attributes);
        RouteAttributes { attributes: Arc::new(attributes), next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 9)) }
    }

    #[test]
    fn a_route_that_leaves_the_as_gets_our_as_and_next_hop_and_loses_what_is_internal() {
        let route = route(|attributes| {
            attributes.local_pref = Some(200);
            attributes.med = Some(5);
            attributes.originator_id = Some(RouterId::from_u32(9));
            attributes.cluster_list = vec![RouterId::from_u32(8)];
            attributes.extended_communities =
                vec![ExtendedCommunity([0x40, 4, 0, 0, 0, 0, 0, 1]), ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 1])];
        });
        let terms = terms(SourceKind::External);
        let (out, next_hop) = export(&terms, V4, SourceKind::Internal, &route).unwrap();
        assert_eq!(out.as_path.to_string(), "65000 65009");
        assert_eq!((out.local_pref, out.med, out.originator_id), (None, None, None));
        assert!(out.cluster_list.is_empty());
        assert_eq!(out.extended_communities, [ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 1])]);
        assert_eq!((out.next_hop, next_hop.address()), (terms.next_hop_v4, "192.0.2.1".parse().unwrap()));
        let (_, next_hop) = export(&terms, V6, SourceKind::Internal, &route).unwrap();
        assert_eq!(next_hop.address(), "2001:db8::1".parse::<std::net::IpAddr>().unwrap());
    }

    #[test]
    fn inside_the_as_next_hop_and_med_stay_and_local_pref_is_there() {
        let route = route(|attributes| attributes.med = Some(5));
        let terms = terms(SourceKind::Internal);
        let (out, next_hop) = export(&terms, V4, SourceKind::External, &route).unwrap();
        assert_eq!((out.as_path.to_string(), out.local_pref, out.med), ("65009".into(), Some(100), Some(5)));
        assert_eq!(next_hop, route.next_hop);
        let myself = ExportTerms { next_hop_self: true, ..terms.clone() };
        assert_eq!(
            export(&myself, V4, SourceKind::External, &route).map(|(_, hop)| hop),
            terms.next_hop_v4.map(NextHop::V4)
        );
        assert_eq!(export(&terms, V4, SourceKind::Internal, &route), None);
    }

    #[test]
    fn well_known_communities_keep_routes_in() {
        let (external, internal) = (terms(SourceKind::External), terms(SourceKind::Internal));
        for (community, leaves, stays) in [
            (Community::NO_EXPORT, false, true),
            (Community::NO_EXPORT_SUBCONFED, false, true),
            (Community::NO_ADVERTISE, false, false),
            (Community::new(65000, 1), true, true),
        ] {
            let route = route(|attributes| attributes.communities = vec![community]);
            assert_eq!(export(&external, V4, SourceKind::External, &route).is_some(), leaves, "{community}");
            assert_eq!(export(&internal, V4, SourceKind::External, &route).is_some(), stays, "{community}");
        }
    }

    fn changing(changes: Vec<Change>) -> Policy {
        let label = Label { policy: "change".to_owned(), statement: 1, name: None, line: 0 };
        let statement =
            Statement { label: Note(label), matches: Vec::new(), unless: Vec::new(), changes, action: Action::Accept };
        let definition = PolicyDefinition { name: "change".into(), statements: vec![statement] };
        Policy::chain(&[Link::Policy(Arc::new(definition))])
    }

    #[test]
    fn policy_says_where_the_next_hop_is() {
        let route = route(|_| ());
        let third = "192.0.2.77".parse().unwrap();
        for (change, external, internal) in [
            (NextHopChange::Own, "192.0.2.1", "192.0.2.1"),
            (NextHopChange::Unchanged, "192.0.2.9", "192.0.2.9"),
            (NextHopChange::Address(third), "192.0.2.77", "192.0.2.77"),
            (NextHopChange::Address("2001:db8::7".parse().unwrap()), "192.0.2.1", "192.0.2.9"),
        ] {
            for (kind, expected) in [(SourceKind::External, external), (SourceKind::Internal, internal)] {
                let terms = ExportTerms { policy: changing(vec![Change::NextHop(change)]), ..terms(kind) };
                let (out, next_hop) = export(&terms, V4, SourceKind::External, &route).unwrap();
                assert_eq!(next_hop.address().to_string(), expected, "{change} {kind:?}");
                assert_eq!(out.next_hop.map(|address| address.to_string()).as_deref(), Some(expected));
            }
        }
    }

    #[test]
    fn a_med_of_our_policy_goes_to_other_ases_and_a_prepended_path_has_our_as_once_more() {
        let change =
            vec![Change::Med(Some(Adjust::Set(30))), Change::Prepend { asn: PrependAs::Number(Asn(65000)), times: 2 }];
        let terms = ExportTerms { policy: changing(change), ..terms(SourceKind::External) };
        let (out, _) = export(&terms, V4, SourceKind::External, &route(|it| it.med = Some(5))).unwrap();
        assert_eq!((out.med, out.as_path.to_string().as_str()), (Some(30), "65000 65000 65000 65009"));
    }

    #[test]
    fn without_a_policy_nothing_leaves_the_as() {
        let unset = ExportTerms { policy: Policy::Unset, ..terms(SourceKind::External) };
        assert_eq!(export(&unset, V4, SourceKind::Local, &route(|_| ())), None);
        let unset = ExportTerms { policy: Policy::Unset, ..terms(SourceKind::Internal) };
        assert!(export(&unset, V4, SourceKind::Local, &route(|_| ())).is_some());
    }

    #[test]
    fn unknown_transitive_attributes_go_on_with_the_partial_bit_and_others_stay() {
        let raw = |flags, kind| RawAttribute {
            flags: AttributeFlags(flags),
            kind: AttributeType(kind),
            value: Bytes::from_static(&[1, 2, 3]),
        };
        let route = route(|attributes| attributes.unknown = vec![raw(0xc0, 99), raw(0x80, 100)]);
        let (out, _) = export(&terms(SourceKind::External), V4, SourceKind::External, &route).unwrap();
        assert_eq!(out.unknown, [raw(0xe0, 99)]);
    }
}
