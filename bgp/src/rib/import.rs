//! What is checked before a route may take part in the decision (RFC 4271 §9.1.2, RFC 4456 §8). Routes that fail stay
//! in the Adj-RIB-In with the reason: `why` shows them, and a change of policy brings them back without a word to the
//! neighbour.

use super::{RouteAttributes, SourceKind};
use crate::policy::rule::NextHopChange;
use crate::policy::{Evaluation, Modified, Policy, PolicyRoute, PolicyVerdict, PrefixSet};
use crate::wire::{AsPathView, Asn, Community, Family, NextHop, PathAttributes, PathView, Role, RouterId, SegmentKind};
use net::Prefix;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Why a route is kept out of the decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Ineligible {
    /// AS_PATH has our AS: the route went round in a circle (RFC 4271 §9.1.2).
    OwnAsInPath,
    /// ORIGINATOR_ID is ours (RFC 4456 §8).
    OwnOriginatorId,
    /// CLUSTER_LIST has our cluster id (RFC 4456 §8).
    OwnClusterId,
    /// AS_PATH of an eBGP route does not start with the neighbour's AS (RFC 4271 §6.3).
    FirstAsMismatch,
    /// The next hop is no host's address, or a loopback address that came over a real network.
    BadNextHop,
    /// The next hop is our own address (RFC 4271 §6.3).
    NextHopIsOurs,
    /// ONLY_TO_CUSTOMER says that it must not have come this way (RFC 9234 §5).
    RouteLeak,
    /// AS_PATH holds an AS_SET, which RFC 9774 has done away with.
    AsSetInPath,
    /// The prefix is one that nobody can announce: a martian.
    Martian,
    /// No import policy on an eBGP session (RFC 8212).
    NoPolicy,
    /// The import policy rejects it.
    RejectedByPolicy,
    /// There is no way to the next hop (RFC 4271 §9.1.2.1).
    NextHopUnreachable,
}

impl Ineligible {
    /// The reason in a few words.
    pub const fn reason(self) -> &'static str {
        match self {
            Ineligible::OwnAsInPath => "our AS is in AS_PATH",
            Ineligible::OwnOriginatorId => "ORIGINATOR_ID is ours",
            Ineligible::OwnClusterId => "our cluster id is in CLUSTER_LIST",
            Ineligible::FirstAsMismatch => "AS_PATH does not start with the neighbour's AS",
            Ineligible::BadNextHop => "the next hop is not a usable address",
            Ineligible::NextHopIsOurs => "the next hop is our own address",
            Ineligible::RouteLeak => "a route leak by ONLY_TO_CUSTOMER",
            Ineligible::AsSetInPath => "AS_PATH holds an AS_SET",
            Ineligible::Martian => "a prefix that nobody can announce (martian)",
            Ineligible::NoPolicy => "no import policy on an eBGP session",
            Ineligible::RejectedByPolicy => "rejected by import policy",
            Ineligible::NextHopUnreachable => "the next hop cannot be reached",
        }
    }
}

impl Ineligible {
    /// All of them.
    pub const ALL: [Ineligible; 12] = [
        Ineligible::OwnAsInPath,
        Ineligible::OwnOriginatorId,
        Ineligible::OwnClusterId,
        Ineligible::FirstAsMismatch,
        Ineligible::BadNextHop,
        Ineligible::NextHopIsOurs,
        Ineligible::RouteLeak,
        Ineligible::AsSetInPath,
        Ineligible::Martian,
        Ineligible::NoPolicy,
        Ineligible::RejectedByPolicy,
        Ineligible::NextHopUnreachable,
    ];
}

/// Prefixes that are never somebody's to announce, as a policy writes them: this network, loopback, link-local and
/// multicast addresses, the reserved rest of IPv4, and IPv6 addresses that stand for IPv4 ones (RFC 6890, RFC 4291).
/// Private and documentation prefixes are not among them: there are networks whose own they are. The default routes are
/// none of them.
pub const MARTIANS: [&str; 9] = [
    "0.0.0.0/8 le 32",
    "127.0.0.0/8 le 32",
    "169.254.0.0/16 le 32",
    "224.0.0.0/4 le 32",
    "240.0.0.0/4 le 32",
    "::/96 le 128",
    "::ffff:0:0/96 le 128",
    "fe80::/10 le 128",
    "ff00::/8 le 128",
];

/// [`MARTIANS`] as a set.
pub fn martians() -> PrefixSet {
    // A test reads each of them.
    PrefixSet::new(MARTIANS.iter().filter_map(|pattern| pattern.parse().ok()))
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// What the checks know about this speaker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportOptions {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Our cluster id (RFC 4456 §7); usually the identifier.
    pub cluster_id: RouterId,
    /// The AS number of our confederation as a whole (RFC 5065), if `asn` is a member's.
    pub confederation: Option<Asn>,
}

impl ImportOptions {
    /// A speaker whose cluster id is its identifier, in no confederation.
    pub const fn new(asn: Asn, router_id: RouterId) -> ImportOptions {
        ImportOptions { asn, router_id, cluster_id: router_id, confederation: None }
    }
}

/// What a neighbour's routes are checked for, and what is done to them before policy sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportRules {
    /// How often our own AS may be in AS_PATH.
    pub allow_own_as: u8,
    /// Put in front of AS_PATH: the AS that we pose as toward this neighbour, so that ours does not look like the next
    /// after the neighbour's.
    pub prepend: Option<Asn>,
    /// Our role on the session (RFC 9234).
    pub role: Option<Role>,
    /// Routes with an AS_SET are left out (RFC 9774).
    pub reject_as_sets: bool,
    /// The neighbour is a client of this route server: its communities stay as they are (RFC 7947 §2.2.4), and a BLACKHOLE
    /// is for the other clients.
    pub route_server_client: bool,
}

/// A session as a source of routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// eBGP or iBGP. A neighbour in another member AS of our confederation counts as internal (RFC 5065 §5.3).
    pub kind: SourceKind,
    /// It is in another member AS of our confederation.
    pub confederation: bool,
    /// Our route reflection client (RFC 4456).
    pub client: bool,
    /// The neighbour's AS.
    pub asn: Asn,
    /// The neighbour's BGP identifier.
    pub router_id: RouterId,
    /// The neighbour's address; `None` for the speaker itself.
    pub address: Option<IpAddr>,
    /// Our address on the session.
    pub local_address: Option<IpAddr>,
    /// What its routes are put through, bound to the session ([`Policy::bind`]).
    pub import: Policy,
    /// Whether an eBGP route's AS_PATH has to start with the neighbour's AS. Off for neighbours that are route servers.
    pub enforce_first_as: bool,
    /// Further checks and changes.
    pub rules: ImportRules,
}

/// What import makes of routes with one attribute set.
pub(super) enum Import {
    /// The checks refuse them, policy has not been asked.
    Refused(Ineligible),
    /// They may take part if policy lets them.
    Judged {
        /// What policy says, for each prefix.
        evaluation: Evaluation,
        /// What was changed before policy saw them.
        changed: Option<Arc<Modified>>,
    },
}

impl Import {
    /// Whether the route to `prefix` may take part, and what policy changed.
    pub(super) fn outcome(&self, prefix: Prefix) -> (Result<(), Ineligible>, Option<&Arc<Modified>>) {
        let (evaluation, changed) = match self {
            Import::Refused(reason) => return (Err(*reason), None),
            Import::Judged { evaluation, changed } => (evaluation, changed),
        };
        match evaluation.verdict(prefix) {
            PolicyVerdict::Accept => (Ok(()), changed.as_ref()),
            PolicyVerdict::Modify(modified) => (Ok(()), Some(modified)),
            PolicyVerdict::Reject => (Err(Ineligible::RejectedByPolicy), None),
            PolicyVerdict::NoPolicy => (Err(Ineligible::NoPolicy), None),
        }
    }
}

/// Once per attribute set: nothing in here looks at a prefix.
pub(super) fn import(
    family: Family,
    attributes: &Arc<PathAttributes>,
    next_hop: NextHop,
    source: &Source,
    options: &ImportOptions,
) -> Import {
    if source.kind == SourceKind::Local {
        return Import::Judged { evaluation: Evaluation::Decided(PolicyVerdict::Accept), changed: None };
    }
    if let Err(reason) = check(&Checked::of(attributes, options), next_hop, source, options) {
        return Import::Refused(reason);
    }
    let changed = match change(attributes, source) {
        Cow::Borrowed(_) => None,
        Cow::Owned(changed) => Some(Arc::new(changed)),
    };
    let seen = changed.as_ref().unwrap_or(attributes);
    let route = PolicyRoute { family, source: source.kind, attributes: Arc::clone(seen), next_hop };
    let evaluation = source.import.evaluate(source.kind, route);
    let changed =
        changed.map(|attributes| Arc::new(Modified { attributes, next_hop: NextHopChange::Usual, sets_med: false }));
    Import::Judged { evaluation, changed }
}

/// A route as policy wants it. A next hop of the other address family is left as it came.
pub(super) fn modified(modified: &Modified, next_hop: NextHop, source: &Source) -> RouteAttributes {
    let wanted = match modified.next_hop {
        NextHopChange::Usual | NextHopChange::Unchanged => None,
        NextHopChange::Own => source.local_address,
        NextHopChange::Neighbor => source.address,
        NextHopChange::Address(address) => Some(address),
    };
    let wanted = wanted.map(|address| address.to_canonical());
    let Some(wanted) = wanted.filter(|wanted| wanted.is_ipv4() == next_hop.address().is_ipv4()) else {
        return RouteAttributes { attributes: Arc::clone(&modified.attributes), next_hop };
    };
    let mut attributes = Arc::clone(&modified.attributes);
    if let (IpAddr::V4(wanted), true) = (wanted, attributes.next_hop.is_some()) {
        Arc::make_mut(&mut attributes).next_hop = Some(wanted);
    }
    RouteAttributes { attributes, next_hop: NextHop::from(wanted) }
}

/// What the RFCs and the neighbour's rules do to a route before policy sees it.
fn change<'a>(attributes: &'a PathAttributes, source: &Source) -> Cow<'a, PathAttributes> {
    let mut changed = Cow::Borrowed(attributes);
    if source.kind != SourceKind::External {
        return changed;
    }
    let has = |community| attributes.communities.contains(&community);
    if has(Community::GRACEFUL_SHUTDOWN) {
        // RFC 8326 §4.3: the way out through this neighbour is about to go.
        changed.to_mut().local_pref = Some(0);
    }
    let spreads = has(Community::BLACKHOLE) && !has(Community::NO_EXPORT) && !has(Community::NO_ADVERTISE);
    if spreads && !source.rules.route_server_client {
        // RFC 7999 §3.2: it must not get further than meant.
        changed.to_mut().communities.push(Community::NO_EXPORT);
    }
    // RFC 9234 §5, ingress 3.
    if upward(source) && attributes.only_to_customer.is_none() {
        changed.to_mut().only_to_customer = Some(source.asn);
    }
    if let Some(asn) = source.rules.prepend {
        let path = attributes.as_path.prepend(asn, 1);
        changed.to_mut().as_path = path;
    }
    changed
}

/// What the checks ask of a path.
struct Checked<'a> {
    path: AsPathView<'a>,
    originator_id: Option<RouterId>,
    /// Our cluster id is in CLUSTER_LIST.
    own_cluster: bool,
    only_to_customer: Option<Asn>,
}

impl<'a> Checked<'a> {
    fn of(attributes: &'a PathAttributes, options: &ImportOptions) -> Checked<'a> {
        Checked {
            path: attributes.as_path.view(),
            originator_id: attributes.originator_id,
            own_cluster: attributes.cluster_list.contains(&options.cluster_id),
            only_to_customer: attributes.only_to_customer,
        }
    }

    fn of_view(path: &PathView<'a>, options: &ImportOptions) -> Checked<'a> {
        Checked {
            path: path.as_path,
            originator_id: path.originator_id.map(RouterId::from_u32),
            own_cluster: path.has_cluster(options.cluster_id.to_u32()),
            only_to_customer: path.only_to_customer.map(Asn),
        }
    }
}

/// What [`import`] makes of a path in place, where that is the same for all prefixes and changes nothing; `None` where
/// it may not be.
pub(super) fn import_in_place(
    path: &PathView<'_>,
    next_hop: NextHop,
    source: &Source,
    options: &ImportOptions,
) -> Option<Result<(), Ineligible>> {
    let verdict = match (&source.import, source.kind) {
        (Policy::Accept, _) | (Policy::Unset, SourceKind::Internal) => Ok(()),
        (Policy::Unset, SourceKind::External) => Err(Ineligible::NoPolicy),
        (Policy::Reject, _) => Err(Ineligible::RejectedByPolicy),
        (Policy::Unset, SourceKind::Local) | (Policy::Rules(_), _) => return None,
    };
    if source.kind == SourceKind::External {
        // As in `change`.
        let changes = |community| matches!(community, Community::GRACEFUL_SHUTDOWN | Community::BLACKHOLE);
        let upward = upward(source) && path.only_to_customer.is_none();
        if upward || source.rules.prepend.is_some() || path.communities().any(changes) {
            return None;
        }
    }
    Some(check(&Checked::of_view(path, options), next_hop, source, options).and(verdict))
}

fn check(route: &Checked<'_>, next_hop: NextHop, source: &Source, options: &ImportOptions) -> Result<(), Ineligible> {
    let path = route.path;
    if source.kind == SourceKind::External && source.enforce_first_as && path.first() != Some(source.asn) {
        return Err(Ineligible::FirstAsMismatch);
    }
    let loops = path.count(options.asn) + options.confederation.map_or(0, |asn| path.count(asn));
    if loops > usize::from(source.rules.allow_own_as) {
        return Err(Ineligible::OwnAsInPath);
    }
    if route.originator_id == Some(options.router_id) {
        return Err(Ineligible::OwnOriginatorId);
    }
    if route.own_cluster {
        return Err(Ineligible::OwnClusterId);
    }
    let is_set = |kind| matches!(kind, SegmentKind::AsSet | SegmentKind::AsConfedSet);
    if source.rules.reject_as_sets && path.segments().any(|segment| is_set(segment.kind)) {
        return Err(Ineligible::AsSetInPath);
    }
    if source.kind == SourceKind::External && is_leak(route.only_to_customer, source) {
        return Err(Ineligible::RouteLeak);
    }
    check_next_hop(next_hop.address(), source)
}

/// The neighbour is above us or beside us (RFC 9234 §5, ingress 3).
const fn upward(source: &Source) -> bool {
    matches!(source.rules.role, Some(Role::CUSTOMER | Role::PEER | Role::ROUTE_SERVER_CLIENT))
}

/// RFC 9234 §5, ingress 1 and 2.
fn is_leak(only_to_customer: Option<Asn>, source: &Source) -> bool {
    match (source.rules.role, only_to_customer) {
        (Some(Role::PROVIDER | Role::ROUTE_SERVER), Some(_)) => true,
        (Some(Role::PEER), Some(asn)) => asn != source.asn,
        _ => false,
    }
}

fn check_next_hop(next_hop: IpAddr, source: &Source) -> Result<(), Ineligible> {
    let canonical = |address: Option<IpAddr>| address.map(|address| address.to_canonical());
    let (ours, theirs) = (canonical(source.local_address), canonical(source.address));
    // Two speakers may share one address under different ports; then it is theirs as well.
    if ours == Some(next_hop.to_canonical()) && ours != theirs {
        return Err(Ineligible::NextHopIsOurs);
    }
    // An IPv4-mapped next hop is what it maps.
    let (unusable, loopback) = match next_hop.to_canonical() {
        IpAddr::V4(address) => {
            // 0.0.0.0/8 is "this network", 240.0.0.0/4 reserved (RFC 6890).
            let reserved = matches!(address.octets(), [0 | 240..=255, ..]);
            (reserved || address.is_multicast() || address == Ipv4Addr::BROADCAST, address.is_loopback())
        }
        IpAddr::V6(address) => (address.is_unspecified() || address.is_multicast(), address.is_loopback()),
    };
    // Between processes of one machine loopback addresses are the usual ones.
    let session_on_loopback = source.address.is_some_and(|address| address.to_canonical().is_loopback());
    if unusable || (loopback && !session_on_loopback) { Err(Ineligible::BadNextHop) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AsPath, Origin};

    fn options() -> ImportOptions {
        ImportOptions::new(Asn(65001), RouterId(Ipv4Addr::new(10, 0, 0, 1)))
    }

    fn source(kind: SourceKind) -> Source {
        Source {
            kind,
            confederation: false,
            client: false,
            rules: ImportRules::default(),
            asn: if kind == SourceKind::External { Asn(65002) } else { Asn(65001) },
            router_id: RouterId(Ipv4Addr::new(10, 0, 0, 2)),
            address: Some("192.0.2.2".parse().unwrap()),
            local_address: Some("192.0.2.1".parse().unwrap()),
            import: Policy::Accept,
            enforce_first_as: true,
        }
    }

    fn state(path: &[u32], next_hop: &str, source: &Source) -> Result<(), Ineligible> {
        let path: Vec<Asn> = path.iter().copied().map(Asn).collect();
        let attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&path));
        outcome(attributes, NextHop::from(next_hop.parse::<IpAddr>().unwrap()), source)
    }

    fn outcome(attributes: PathAttributes, next_hop: NextHop, source: &Source) -> Result<(), Ineligible> {
        let import = import(Family::IPV4_UNICAST, &Arc::new(attributes), next_hop, source, &options());
        import.outcome("198.51.100.0/24".parse().unwrap()).0
    }

    #[test]
    fn external_routes_are_checked_for_loops_first_as_and_next_hop() {
        let external = source(SourceKind::External);
        assert_eq!(state(&[65002, 65003], "192.0.2.2", &external), Ok(()));
        assert_eq!(state(&[65003], "192.0.2.2", &external), Err(Ineligible::FirstAsMismatch));
        assert_eq!(state(&[], "192.0.2.2", &external), Err(Ineligible::FirstAsMismatch));
        assert_eq!(state(&[65002, 65001], "192.0.2.2", &external), Err(Ineligible::OwnAsInPath));
        assert_eq!(state(&[65002], "192.0.2.1", &external), Err(Ineligible::NextHopIsOurs));
        for bad in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "ff02::1"] {
            assert_eq!(state(&[65002], bad, &external), Err(Ineligible::BadNextHop), "{bad}");
        }
        let server = Source { enforce_first_as: false, ..external };
        assert_eq!(state(&[65003], "192.0.2.9", &server), Ok(()));
    }

    #[test]
    fn loopback_next_hops_are_fine_between_processes_of_one_machine() {
        let local = Source {
            address: Some("127.0.0.2".parse().unwrap()),
            local_address: Some("127.0.0.1".parse().unwrap()),
            ..source(SourceKind::External)
        };
        assert_eq!(state(&[65002], "127.0.0.2", &local), Ok(()));
        assert_eq!(state(&[65002], "::ffff:127.0.0.2", &local), Ok(()));
        assert_eq!(state(&[65002], "::ffff:127.0.0.1", &local), Err(Ineligible::NextHopIsOurs));
    }

    #[test]
    fn a_neighbour_with_the_same_address_and_another_port_may_be_its_own_next_hop() {
        let address = Some("::1".parse().unwrap());
        let shared = Source { address, local_address: address, ..source(SourceKind::External) };
        assert_eq!(state(&[65002], "::1", &shared), Ok(()));
    }

    #[test]
    fn reflected_routes_of_our_own_are_refused() {
        let internal = source(SourceKind::Internal);
        let next_hop = NextHop::V4(Ipv4Addr::new(198, 51, 100, 1));
        let ours = options().router_id;
        let originated = PathAttributes { originator_id: Some(ours), ..PathAttributes::default() };
        assert_eq!(outcome(originated, next_hop, &internal), Err(Ineligible::OwnOriginatorId));
        let clustered = PathAttributes { cluster_list: vec![ours], ..PathAttributes::default() };
        assert_eq!(outcome(clustered, next_hop, &internal), Err(Ineligible::OwnClusterId));
        assert_eq!(outcome(PathAttributes::default(), next_hop, &internal), Ok(()));
    }

    #[test]
    fn policy_comes_after_the_checks() {
        let unset = Source { import: Policy::Unset, ..source(SourceKind::External) };
        assert_eq!(state(&[65002], "192.0.2.2", &unset), Err(Ineligible::NoPolicy));
        let reject = Source { import: Policy::Reject, ..source(SourceKind::External) };
        assert_eq!(state(&[65002], "192.0.2.2", &reject), Err(Ineligible::RejectedByPolicy));
        assert_eq!(state(&[65002, 65001], "192.0.2.2", &reject), Err(Ineligible::OwnAsInPath));
    }

    fn imported(attributes: &PathAttributes, source: &Source) -> Result<PathAttributes, Ineligible> {
        let attributes = PathAttributes { as_path: AsPath::sequence(&[Asn(65002)]), ..attributes.clone() };
        let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 2));
        let attributes = Arc::new(attributes);
        let import = import(Family::IPV4_UNICAST, &attributes, next_hop, source, &options());
        let (state, modified) = import.outcome("198.51.100.0/24".parse().unwrap());
        state.map(|()| PathAttributes::clone(modified.map_or(&attributes, |modified| &modified.attributes)))
    }

    #[test]
    fn nobody_announces_what_cannot_be_announced() {
        let set = martians();
        for pattern in MARTIANS {
            assert!(pattern.parse::<crate::policy::PrefixPattern>().is_ok(), "{pattern}");
        }
        let is = |prefix: &str| set.contains(prefix.parse().unwrap());
        let martian = ["0.0.0.0/8", "0.1.0.0/16", "127.0.0.1/32", "169.254.1.0/24", "224.0.0.0/4", "239.1.0.0/16"];
        for prefix in martian.into_iter().chain(["255.255.255.255/32", "::1/128", "::ffff:10.0.0.0/104", "fe80::/64"]) {
            assert!(is(prefix), "{prefix}");
        }
        for prefix in ["0.0.0.0/0", "::/0", "10.0.0.0/8", "192.0.2.0/24", "1.0.0.0/8", "2001:db8::/32", "64:ff9b::/96"]
        {
            assert!(!is(prefix), "{prefix}");
        }
    }

    #[test]
    fn our_own_as_is_allowed_as_often_as_configured() {
        let rules = ImportRules { allow_own_as: 1, ..ImportRules::default() };
        let source = Source { rules, ..source(SourceKind::External) };
        assert_eq!(state(&[65002, 65001], "192.0.2.2", &source), Ok(()));
        assert_eq!(state(&[65002, 65001, 65001], "192.0.2.2", &source), Err(Ineligible::OwnAsInPath));
    }

    #[test]
    fn a_session_about_to_go_down_is_the_last_resort_and_a_blackhole_does_not_spread() {
        let with = |communities| PathAttributes { communities, ..PathAttributes::default() };
        let external = source(SourceKind::External);
        let route = imported(&with(vec![Community::GRACEFUL_SHUTDOWN]), &external).unwrap();
        assert_eq!(route.local_pref, Some(0));
        let route = imported(&with(vec![Community::BLACKHOLE]), &external).unwrap();
        assert_eq!(route.communities, [Community::BLACKHOLE, Community::NO_EXPORT]);
        let kept = with(vec![Community::BLACKHOLE, Community::NO_ADVERTISE]);
        assert_eq!(imported(&kept, &external).unwrap().communities, kept.communities);
        let rules = ImportRules { route_server_client: true, ..ImportRules::default() };
        let client = Source { rules, ..source(SourceKind::External) };
        assert_eq!(imported(&with(vec![Community::BLACKHOLE]), &client).unwrap().communities, [Community::BLACKHOLE]);
        let internal = source(SourceKind::Internal);
        assert_eq!(imported(&with(vec![Community::GRACEFUL_SHUTDOWN]), &internal).unwrap().local_pref, None);
    }

    /// RFC 9234 §5, the ingress procedure for each role of ours.
    #[test]
    fn only_to_customer_is_set_from_above_and_is_a_leak_from_below() {
        let marked = |asn| PathAttributes { only_to_customer: asn, ..PathAttributes::default() };
        for (role, absent, theirs, other) in [
            (Role::CUSTOMER, Ok(Some(Asn(65002))), Ok(Some(Asn(65002))), Ok(Some(Asn(9)))),
            (Role::ROUTE_SERVER_CLIENT, Ok(Some(Asn(65002))), Ok(Some(Asn(65002))), Ok(Some(Asn(9)))),
            (Role::PEER, Ok(Some(Asn(65002))), Ok(Some(Asn(65002))), Err(Ineligible::RouteLeak)),
            (Role::PROVIDER, Ok(None), Err(Ineligible::RouteLeak), Err(Ineligible::RouteLeak)),
            (Role::ROUTE_SERVER, Ok(None), Err(Ineligible::RouteLeak), Err(Ineligible::RouteLeak)),
        ] {
            let rules = ImportRules { role: Some(role), ..ImportRules::default() };
            let source = Source { rules, ..source(SourceKind::External) };
            for (asn, expected) in [(None, absent), (Some(Asn(65002)), theirs), (Some(Asn(9)), other)] {
                let outcome = imported(&marked(asn), &source).map(|route| route.only_to_customer);
                assert_eq!(outcome, expected, "{role} with {asn:?}");
            }
        }
    }

    #[test]
    fn as_sets_are_left_out_where_configured_and_the_local_as_is_put_in_front() {
        let rules = ImportRules { reject_as_sets: true, prepend: Some(Asn(65010)), ..ImportRules::default() };
        let source = Source { rules, enforce_first_as: false, ..source(SourceKind::External) };
        let route = imported(&PathAttributes::default(), &source).unwrap();
        assert_eq!(route.as_path.to_string(), "65010 65002");
        let path = AsPath::from_segments([(SegmentKind::AsSet, [Asn(7)].as_slice())]);
        let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 2));
        let set = PathAttributes::new(Origin::Igp, path);
        assert_eq!(outcome(set, next_hop, &source), Err(Ineligible::AsSetInPath));
    }

    #[test]
    fn in_a_confederation_both_our_numbers_are_loops_and_our_cluster_id_is_its_own() {
        let cluster_id = RouterId::from_u32(77);
        let options = ImportOptions { cluster_id, confederation: Some(Asn(64500)), ..options() };
        let check = |attributes: &PathAttributes| {
            let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 2));
            let attributes = Arc::new(attributes.clone());
            import(Family::IPV4_UNICAST, &attributes, next_hop, &source(SourceKind::Internal), &options)
                .outcome("198.51.100.0/24".parse().unwrap())
                .0
        };
        let path = AsPath::sequence(&[Asn(64500)]);
        assert_eq!(check(&PathAttributes::new(Origin::Igp, path)), Err(Ineligible::OwnAsInPath));
        let clustered = PathAttributes { cluster_list: vec![cluster_id], ..PathAttributes::default() };
        assert_eq!(check(&clustered), Err(Ineligible::OwnClusterId));
    }
}
