//! What is checked before a route may take part in the decision (RFC 4271 §9.1.2, RFC 4456 §8). Routes that fail stay
//! in the Adj-RIB-In with the reason: `why` shows them, and a change of policy brings them back without a word to the
//! neighbour.

use super::{RouteAttributes, SourceKind};
use crate::policy::rule::NextHopChange;
use crate::policy::{Evaluation, Modified, Policy, PolicyRoute, PolicyVerdict};
use crate::wire::{Asn, Family, NextHop, PathAttributes, RouterId};
use net::Prefix;
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
    /// No import policy on an eBGP session (RFC 8212).
    NoPolicy,
    /// The import policy rejects it.
    RejectedByPolicy,
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
            Ineligible::NoPolicy => "no import policy on an eBGP session",
            Ineligible::RejectedByPolicy => "rejected by import policy",
        }
    }
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
    /// Our BGP identifier, also our cluster id.
    pub router_id: RouterId,
}

/// A session as a source of routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// eBGP or iBGP.
    pub kind: SourceKind,
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
}

/// What import makes of routes with one attribute set.
pub(super) enum Import {
    /// The checks refuse them, policy has not been asked.
    Refused(Ineligible),
    /// What policy says, for each prefix.
    Judged(Evaluation),
}

impl Import {
    /// Whether the route to `prefix` may take part, and what policy changed.
    pub(super) fn outcome(&self, prefix: Prefix) -> (Result<(), Ineligible>, Option<&Arc<Modified>>) {
        let evaluation = match self {
            Import::Refused(reason) => return (Err(*reason), None),
            Import::Judged(evaluation) => evaluation,
        };
        match evaluation.verdict(prefix) {
            PolicyVerdict::Accept => (Ok(()), None),
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
        return Import::Judged(Evaluation::Decided(PolicyVerdict::Accept));
    }
    if let Err(reason) = check(attributes, next_hop, source, options) {
        return Import::Refused(reason);
    }
    let route = PolicyRoute { family, source: source.kind, attributes: Arc::clone(attributes), next_hop };
    Import::Judged(source.import.evaluate(source.kind, route))
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

fn check(
    attributes: &PathAttributes,
    next_hop: NextHop,
    source: &Source,
    options: &ImportOptions,
) -> Result<(), Ineligible> {
    if source.kind == SourceKind::External && source.enforce_first_as && attributes.as_path.first() != Some(source.asn)
    {
        return Err(Ineligible::FirstAsMismatch);
    }
    if attributes.as_path.contains(options.asn) {
        return Err(Ineligible::OwnAsInPath);
    }
    if attributes.originator_id == Some(options.router_id) {
        return Err(Ineligible::OwnOriginatorId);
    }
    if attributes.cluster_list.contains(&options.router_id) {
        return Err(Ineligible::OwnClusterId);
    }
    check_next_hop(next_hop.address(), source)
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
        ImportOptions { asn: Asn(65001), router_id: RouterId(Ipv4Addr::new(10, 0, 0, 1)) }
    }

    fn source(kind: SourceKind) -> Source {
        Source {
            kind,
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
}
