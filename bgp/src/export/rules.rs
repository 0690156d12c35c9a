//! Which best routes go to a group of peers, and with which attributes.

use super::{AddPathSend, ExportTerms};
use crate::policy::rule::NextHopChange;
use crate::policy::{Evaluation, Policy, PolicyRoute, PolicyVerdict};
use crate::rib::{RouteAttributes, SourceId, SourceKind, SourceRank};
use crate::wire::{
    AsPath, Asn, Community, Family, NextHop, Origin, PathAttributes, RawAttribute, Role, RouterId, SegmentKind,
};
use net::Prefix;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Where a route came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct From {
    pub(super) kind: SourceKind,
    pub(super) confederation: bool,
    pub(super) client: bool,
    pub(super) router_id: RouterId,
}

impl From {
    pub(super) fn of(source: SourceId, sources: &[Option<SourceRank>]) -> Option<From> {
        let SourceRank { kind, confederation, client, router_id, .. } = (*sources.get(source.index())?)?;
        Some(From { kind, confederation, client, router_id: RouterId(router_id) })
    }
}

/// What an operator may want of the routes that a neighbour is sent. The default is plain RFC 4271.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ExportRules {
    /// Whose address the next hop is.
    pub next_hop: NextHopRule,
    /// What becomes of private AS numbers, toward external neighbours.
    pub private_as: PrivateAsRule,
    /// The neighbour's own AS in AS_PATH is replaced by ours, so that the neighbour's loop check passes: for sites of
    /// one customer with one AS number. External neighbours only.
    pub as_override: bool,
    /// The neighbour is a client of this route server: AS_PATH without our AS, next hop and MED as they came
    /// (RFC 7947 §2.2).
    pub route_server_client: bool,
    /// A route server client that must not have the best route gets none in its place (RFC 7947 §2.3.1).
    pub hide_paths: bool,
    /// How many paths of a prefix are sent where the neighbour takes several (RFC 7911).
    pub add_path_send: Option<AddPathSend>,
    /// The neighbour is our route reflection client (RFC 4456).
    pub reflector_client: bool,
    /// The neighbour is in another member AS of our confederation (RFC 5065).
    pub confederation: bool,
    /// The speaker's own AS behind the one that it poses as toward this neighbour: stands in AS_PATH after it.
    pub behind: Option<Asn>,
    /// Every route says that this session is about to go down (RFC 8326 §4.2).
    pub graceful_shutdown: bool,
    /// Our role on the session (RFC 9234).
    pub role: Option<Role>,
    /// The neighbour takes IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// The neighbour knows what LLGR_STALE means; others don't get such routes (RFC 9494 §4.3).
    pub long_lived_stale: bool,
}

/// Whose address the next hop is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum NextHopRule {
    /// RFC 4271 §5.1.3: ours toward external neighbours, as it came toward internal ones.
    #[default]
    Standard,
    /// Always ours.
    Ours,
    /// As it came, also toward external neighbours.
    Unchanged,
}

/// What becomes of private AS numbers (RFC 6996) in AS_PATH.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum PrivateAsRule {
    /// They stay.
    #[default]
    Keep,
    /// They go, wherever in the path; the path gets shorter.
    Remove,
    /// Ours stands in their places; the path keeps its length.
    Replace,
}

/// What the group's policy says about routes with these attributes, once per attribute set; `None` if they don't go to
/// the group whatever it says.
pub(super) fn judge(terms: &ExportTerms, family: Family, from: From, route: &RouteAttributes) -> Option<Evaluation> {
    if !may_go(terms, from, &route.attributes) {
        return None;
    }
    let attributes = Arc::clone(&route.attributes);
    let seen = PolicyRoute { family, source: from.kind, attributes, next_hop: route.next_hop };
    Some(terms.policy.evaluate(terms.kind, seen))
}

/// A route as the group's peers get it after this verdict; `None` if they don't.
pub(super) fn finish(
    terms: &ExportTerms,
    family: Family,
    from: From,
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
    let next_hop = next_hop(terms, family, from, route.next_hop, change)?;
    attributes.next_hop = match next_hop {
        NextHop::V4(address) => Some(address),
        NextHop::V6 { .. } => None,
    };
    // RFC 4271 §5: what we don't know goes on with the Partial bit if it is transitive, and stays here if not.
    attributes.unknown = attributes.unknown.iter().filter_map(RawAttribute::forwarded).collect();
    if terms.rules.graceful_shutdown && !attributes.communities.contains(&Community::GRACEFUL_SHUTDOWN) {
        attributes.communities.push(Community::GRACEFUL_SHUTDOWN);
    }
    if terms.kind == SourceKind::External {
        let med = attributes.med.filter(|_| sets_med);
        leave_as(&mut attributes, terms, from);
        attributes.med = med.or(attributes.med);
    } else {
        // RFC 4271 §5.1.5: in all UPDATEs to internal peers.
        attributes.local_pref.get_or_insert(terms.default_local_pref);
        if terms.rules.confederation {
            attributes.as_path = attributes.as_path.prepend_confederation(terms.local_asn, 1);
            // RFC 4456 §8: both belong to the member AS.
            attributes.originator_id = None;
            attributes.cluster_list.clear();
        } else if from.kind == SourceKind::Internal && !from.confederation {
            // RFC 4456 §8: who brought it into the AS, and through which clusters it went.
            attributes.originator_id.get_or_insert(from.router_id);
            attributes.cluster_list.insert(0, terms.cluster_id);
        }
    }
    Some((attributes, next_hop))
}

/// A default route of ours, before policy.
pub(super) fn default_route(family: Family) -> RouteAttributes {
    let unspecified = match family {
        Family::IPV4_UNICAST => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let attributes = PathAttributes::new(Origin::Igp, AsPath::empty());
    RouteAttributes { attributes: Arc::new(attributes), next_hop: NextHop::from(unspecified) }
}

/// What the policy of default routes says about it.
pub(super) fn default_verdict(
    terms: &ExportTerms,
    policy: &Policy,
    family: Family,
    route: &RouteAttributes,
    prefix: Prefix,
) -> PolicyVerdict {
    let attributes = Arc::clone(&route.attributes);
    let seen = PolicyRoute { family, source: SourceKind::Local, attributes, next_hop: route.next_hop };
    policy.evaluate(terms.kind, seen).verdict(prefix).clone()
}

/// [`judge`] and [`finish`] for one prefix.
pub(super) fn export(
    terms: &ExportTerms,
    family: Family,
    from: From,
    route: &RouteAttributes,
    prefix: Prefix,
) -> Option<(PathAttributes, NextHop)> {
    let evaluation = judge(terms, family, from, route)?;
    finish(terms, family, from, route, evaluation.verdict(prefix))
}

fn may_go(terms: &ExportTerms, from: From, attributes: &PathAttributes) -> bool {
    let rules = &terms.rules;
    // RFC 4271 §9.2: no route of an internal peer to another; a route reflector passes them from and to its clients.
    // Another member AS of a confederation is neither here nor there: to it and from it everything goes.
    let inside = from.kind == SourceKind::Internal && terms.kind == SourceKind::Internal;
    if inside && !(from.confederation || rules.confederation || from.client || rules.reflector_client) {
        return false;
    }
    // RFC 9234 §5, egress 2: not to providers, peers and route servers.
    let upward = matches!(rules.role, Some(Role::CUSTOMER | Role::PEER | Role::ROUTE_SERVER_CLIENT));
    if upward && terms.kind == SourceKind::External && attributes.only_to_customer.is_some() {
        return false;
    }
    !attributes.communities.iter().any(|community| keeps_in(terms, *community))
}

/// A community that keeps a route from this group's peers.
pub(super) fn keeps_in(terms: &ExportTerms, community: Community) -> bool {
    match community {
        Community::NO_ADVERTISE => true,
        Community::NO_EXPORT => terms.kind == SourceKind::External,
        // RFC 1997: not even to the next member AS.
        Community::NO_EXPORT_SUBCONFED => terms.kind == SourceKind::External || terms.rules.confederation,
        Community::LLGR_STALE => !terms.rules.long_lived_stale,
        _ => false,
    }
}

fn leave_as(attributes: &mut PathAttributes, terms: &ExportTerms, from: From) {
    let rules = &terms.rules;
    let mut path = attributes.as_path.without_confederation();
    path = match rules.private_as {
        PrivateAsRule::Keep => path,
        PrivateAsRule::Remove => replace(&path, |asn| if asn.is_private() { None } else { Some(asn) }),
        PrivateAsRule::Replace => replace(&path, |asn| Some(if asn.is_private() { terms.local_asn } else { asn })),
    };
    if let (true, Some(peer)) = (rules.as_override, terms.peer_asn) {
        path = replace(&path, |asn| Some(if asn == peer { terms.local_asn } else { asn }));
    }
    if !rules.route_server_client {
        if let Some(behind) = rules.behind {
            path = path.prepend(behind, 1);
        }
        path = path.prepend(terms.local_asn, 1);
    }
    attributes.as_path = path;
    attributes.local_pref = None;
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    attributes.extended_communities.retain(|community| community.is_transitive());
    // RFC 4271 §5.1.4: a MED that came from a neighbouring AS must not go to other ones. A route server is not there
    // (RFC 7947 §2.2.3).
    if from.kind != SourceKind::Local && !rules.route_server_client {
        attributes.med = None;
    }
    // RFC 9234 §5, egress 1.
    let downward = matches!(rules.role, Some(Role::PROVIDER | Role::PEER | Role::ROUTE_SERVER));
    if downward {
        attributes.only_to_customer.get_or_insert(terms.local_asn);
    }
}

/// The path with each AS number replaced, or left out.
fn replace(path: &AsPath, change: impl Fn(Asn) -> Option<Asn>) -> AsPath {
    let segments: Vec<(SegmentKind, Vec<Asn>)> =
        path.segments().map(|segment| (segment.kind, segment.asns().filter_map(&change).collect())).collect();
    AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, asns.as_slice())))
}

/// `received`: as the route came.
pub(super) fn next_hop(
    terms: &ExportTerms,
    family: Family,
    from: From,
    received: NextHop,
    change: NextHopChange,
) -> Option<NextHop> {
    let extended = terms.rules.extended_next_hop;
    let ours = || {
        let v6 = || terms.next_hop_v6.map(|address| NextHop::V6 { address, link_local: None });
        if family == Family::IPV4_UNICAST {
            // RFC 8950 §3: where the session offers no IPv4 address.
            terms.next_hop_v4.map(NextHop::V4).or_else(|| v6().filter(|_| extended))
        } else {
            v6()
        }
    };
    let keep = match (change, terms.rules.next_hop) {
        // An address of the other family is nobody's for these routes.
        (NextHopChange::Address(address), _) if address.is_ipv4() == (family == Family::IPV4_UNICAST) => {
            return Some(NextHop::from(address));
        }
        // Our own routes have none that could stay.
        _ if from.kind == SourceKind::Local => false,
        (NextHopChange::Own, _) => false,
        (NextHopChange::Unchanged, _) => true,
        (_, NextHopRule::Ours) => false,
        (_, NextHopRule::Unchanged) => true,
        (_, NextHopRule::Standard) => terms.kind != SourceKind::External || terms.rules.route_server_client,
    };
    if !keep {
        return ours();
    }
    // RFC 4271 §5.1.3: unchanged inside the AS. A link-local address means nothing on another link.
    match received {
        NextHop::V4(address) if family == Family::IPV4_UNICAST => Some(NextHop::V4(address)),
        NextHop::V6 { address, .. } if family != Family::IPV4_UNICAST || extended => {
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
    use crate::wire::{AttributeFlags, AttributeType, ExtendedCommunity};
    use bytes::Bytes;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;

    const fn from(kind: SourceKind) -> From {
        From { kind, confederation: false, client: false, router_id: RouterId::from_u32(0x0a00_0009) }
    }

    /// [`super::export`] to a prefix that makes no difference.
    fn export_from(
        terms: &ExportTerms,
        family: Family,
        from: From,
        route: &RouteAttributes,
    ) -> Option<(PathAttributes, NextHop)> {
        super::export(terms, family, from, route, "198.51.100.0/24".parse().unwrap())
    }

    fn export(
        terms: &ExportTerms,
        family: Family,
        kind: SourceKind,
        route: &RouteAttributes,
    ) -> Option<(PathAttributes, NextHop)> {
        export_from(terms, family, from(kind), route)
    }

    fn with_rules(kind: SourceKind, change: impl FnOnce(&mut ExportRules)) -> ExportTerms {
        let mut terms = terms(kind);
        change(&mut terms.rules);
        terms
    }

    fn path(terms: &ExportTerms, asns: &[u32]) -> String {
        let asns: Vec<Asn> = asns.iter().copied().map(Asn).collect();
        let route = route(|attributes| attributes.as_path = AsPath::sequence(&asns));
        export(terms, V4, SourceKind::External, &route).unwrap().0.as_path.to_string()
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
        let myself = with_rules(SourceKind::Internal, |rules| rules.next_hop = NextHopRule::Ours);
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
            (Community::LLGR_STALE, false, false),
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

    #[test]
    fn a_route_server_is_not_in_the_path_and_leaves_next_hop_and_med_alone() {
        let terms = with_rules(SourceKind::External, |rules| rules.route_server_client = true);
        let route = route(|attributes| attributes.med = Some(5));
        let (out, next_hop) = export(&terms, V4, SourceKind::External, &route).unwrap();
        assert_eq!((out.as_path.to_string().as_str(), out.med, next_hop), ("65009", Some(5), route.next_hop));
    }

    #[test]
    fn private_numbers_go_or_are_replaced_and_the_peers_own_is_overridden() {
        let rule = |private_as| with_rules(SourceKind::External, |rules| rules.private_as = private_as);
        assert_eq!(path(&rule(PrivateAsRule::Keep), &[64512, 7, 4_200_000_001]), "65000 64512 7 4200000001");
        assert_eq!(path(&rule(PrivateAsRule::Remove), &[64512, 7, 4_200_000_001]), "65000 7");
        assert_eq!(path(&rule(PrivateAsRule::Replace), &[64512, 7, 4_200_000_001]), "65000 65000 7 65000");
        let mut over = with_rules(SourceKind::External, |rules| rules.as_override = true);
        over.peer_asn = Some(Asn(7));
        assert_eq!(path(&over, &[8, 7, 7]), "65000 8 65000 65000");
    }

    #[test]
    fn the_real_as_stands_behind_the_one_we_pose_as_unless_it_is_to_be_replaced() {
        let posing = with_rules(SourceKind::External, |rules| rules.behind = Some(Asn(65100)));
        assert_eq!(path(&posing, &[7]), "65000 65100 7");
        assert_eq!(path(&terms(SourceKind::External), &[7]), "65000 7");
    }

    #[test]
    fn the_next_hop_may_stay_toward_external_peers_too() {
        let terms = with_rules(SourceKind::External, |rules| rules.next_hop = NextHopRule::Unchanged);
        let route = route(|_| ());
        assert_eq!(export(&terms, V4, SourceKind::External, &route).unwrap().1, route.next_hop);
        assert_eq!(export(&terms, V4, SourceKind::Local, &route).unwrap().1.address(), terms.next_hop_v4.unwrap());
    }

    /// RFC 4456 §6: clients' routes to everybody, others' to clients only.
    #[test]
    fn a_reflector_passes_from_and_to_clients_and_leaves_its_marks() {
        let to_client = with_rules(SourceKind::Internal, |rules| rules.reflector_client = true);
        let to_other = terms(SourceKind::Internal);
        let client = From { client: true, ..from(SourceKind::Internal) };
        let other = from(SourceKind::Internal);
        for (terms, from, goes) in [
            (&to_client, client, true),
            (&to_client, other, true),
            (&to_other, client, true),
            (&to_other, other, false),
        ] {
            assert_eq!(export_from(terms, V4, from, &route(|_| ())).is_some(), goes, "{from:?}");
        }
        let (out, _) = export_from(&to_client, V4, client, &route(|_| ())).unwrap();
        assert_eq!(
            (out.originator_id, out.cluster_list.as_slice()),
            (Some(client.router_id), [to_client.cluster_id].as_slice())
        );
        let seen = route(|attributes| {
            attributes.originator_id = Some(RouterId::from_u32(1));
            attributes.cluster_list = vec![RouterId::from_u32(2)];
        });
        let (out, _) = export_from(&to_client, V4, client, &seen).unwrap();
        assert_eq!(out.originator_id, Some(RouterId::from_u32(1)));
        assert_eq!(out.cluster_list, [to_client.cluster_id, RouterId::from_u32(2)]);
        let (out, _) = export_from(&to_client, V4, from(SourceKind::External), &route(|_| ())).unwrap();
        assert_eq!((out.originator_id, out.cluster_list.len()), (None, 0), "not a reflected route");
    }

    #[test]
    fn between_member_ases_the_path_grows_by_a_confederation_segment_and_outside_it_is_gone() {
        let member = with_rules(SourceKind::Internal, |rules| rules.confederation = true);
        let route = route(|attributes| {
            attributes.local_pref = Some(7);
            attributes.med = Some(5);
        });
        let (out, next_hop) = export(&member, V4, SourceKind::Internal, &route).unwrap();
        assert_eq!(out.as_path.to_string(), "(65000) 65009");
        assert_eq!((out.local_pref, out.med, next_hop), (Some(7), Some(5), route.next_hop));
        let inner = RouteAttributes { attributes: Arc::new(out), next_hop };
        let outside = ExportTerms { local_asn: Asn(64999), ..terms(SourceKind::External) };
        let (out, _) = export(&outside, V4, SourceKind::Internal, &inner).unwrap();
        assert_eq!(out.as_path.to_string(), "64999 65009");
        let from_member = From { confederation: true, ..from(SourceKind::Internal) };
        let (out, _) = export_from(&terms(SourceKind::Internal), V4, from_member, &inner).unwrap();
        assert_eq!((out.as_path.to_string().as_str(), out.cluster_list.len()), ("(65000) 65009", 0));
        let kept_in = self::route(|attributes| attributes.communities = vec![Community::NO_EXPORT_SUBCONFED]);
        assert_eq!(export(&member, V4, SourceKind::External, &kept_in), None);
    }

    /// RFC 9234 §5, the egress procedure for each role of ours.
    #[test]
    fn only_to_customer_goes_down_only() {
        let marked = |asn| route(|attributes| attributes.only_to_customer = asn);
        for (role, absent, present) in [
            (Role::PROVIDER, Some(Some(Asn(65000))), Some(Some(Asn(9)))),
            (Role::ROUTE_SERVER, Some(Some(Asn(65000))), Some(Some(Asn(9)))),
            (Role::PEER, Some(Some(Asn(65000))), None),
            (Role::CUSTOMER, Some(None), None),
            (Role::ROUTE_SERVER_CLIENT, Some(None), None),
        ] {
            let terms = with_rules(SourceKind::External, |rules| rules.role = Some(role));
            let out = |asn| export(&terms, V4, SourceKind::External, &marked(asn)).map(|(out, _)| out.only_to_customer);
            assert_eq!((out(None), out(Some(Asn(9)))), (absent, present), "{role}");
        }
    }

    #[test]
    fn a_session_about_to_go_down_says_so_with_every_route_and_stale_routes_go_only_where_they_are_understood() {
        let terms = with_rules(SourceKind::External, |rules| {
            rules.graceful_shutdown = true;
            rules.long_lived_stale = true;
        });
        let stale = route(|attributes| attributes.communities = vec![Community::LLGR_STALE]);
        let (out, _) = export(&terms, V4, SourceKind::External, &stale).unwrap();
        assert_eq!(out.communities, [Community::LLGR_STALE, Community::GRACEFUL_SHUTDOWN]);
    }

    #[test]
    fn ipv4_routes_go_with_ipv6_next_hops_to_who_takes_them() {
        let mut terms = with_rules(SourceKind::External, |rules| rules.extended_next_hop = true);
        terms.next_hop_v4 = None;
        let (out, next_hop) = export(&terms, V4, SourceKind::Local, &route(|_| ())).unwrap();
        assert_eq!((out.next_hop, next_hop.address()), (None, terms.next_hop_v6.unwrap().into()));
        terms.rules.extended_next_hop = false;
        assert_eq!(export(&terms, V4, SourceKind::Local, &route(|_| ())), None);
        let learned = RouteAttributes { next_hop, ..route(|_| ()) };
        let inside = with_rules(SourceKind::Internal, |rules| rules.extended_next_hop = true);
        assert_eq!(export(&inside, V4, SourceKind::External, &learned).unwrap().1, next_hop);
    }
}
