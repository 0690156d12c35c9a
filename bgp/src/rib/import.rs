//! What is checked before a route may take part in the decision (RFC 4271 §9.1.2, RFC 4456 §8). Routes that fail stay in the
//! Adj-RIB-In with the reason: `why` shows them, and a change of policy brings them back without a word to the neighbour.

use super::SourceKind;
use crate::policy::{Policy, PolicyVerdict};
use crate::wire::{Asn, NextHop, PathAttributes, RouterId};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

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
    /// What its routes are put through.
    pub import: Policy,
    /// Whether an eBGP route's AS_PATH has to start with the neighbour's AS. Off for neighbours that are route servers.
    pub enforce_first_as: bool,
}

/// The outcome of the checks: whether the route may take part, and its attributes if policy changed them.
pub(super) struct Import {
    pub(super) state: Result<(), Ineligible>,
    pub(super) modified: Option<Box<PathAttributes>>,
}

pub(super) fn import(
    attributes: &PathAttributes,
    next_hop: NextHop,
    source: &Source,
    options: &ImportOptions,
) -> Import {
    let refuse = |reason| Import { state: Err(reason), modified: None };
    if source.kind == SourceKind::Local {
        return Import { state: Ok(()), modified: None };
    }
    if let Err(reason) = check(attributes, next_hop, source, options) {
        return refuse(reason);
    }
    match source.import.evaluate(source.kind, attributes) {
        PolicyVerdict::Accept => Import { state: Ok(()), modified: None },
        PolicyVerdict::Modify(modified) => Import { state: Ok(()), modified: Some(modified) },
        PolicyVerdict::Reject => refuse(Ineligible::RejectedByPolicy),
        PolicyVerdict::NoPolicy => refuse(Ineligible::NoPolicy),
    }
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
    if Some(next_hop.to_canonical()) == source.local_address.map(|address| address.to_canonical()) {
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
        import(&attributes, NextHop::from(next_hop.parse::<IpAddr>().unwrap()), source, &options()).state
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
    fn reflected_routes_of_our_own_are_refused() {
        let internal = source(SourceKind::Internal);
        let next_hop = NextHop::V4(Ipv4Addr::new(198, 51, 100, 1));
        let ours = options().router_id;
        let originated = PathAttributes { originator_id: Some(ours), ..PathAttributes::default() };
        assert_eq!(import(&originated, next_hop, &internal, &options()).state, Err(Ineligible::OwnOriginatorId));
        let clustered = PathAttributes { cluster_list: vec![ours], ..PathAttributes::default() };
        assert_eq!(import(&clustered, next_hop, &internal, &options()).state, Err(Ineligible::OwnClusterId));
        assert_eq!(import(&PathAttributes::default(), next_hop, &internal, &options()).state, Ok(()));
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
