//! How a speaker and its neighbours are set up.

use super::sessions::source_kind;
use super::{Aggregate, DynamicNeighbors, Password, PrefixLimit, RestartHelp, RestartOffer, SELECTION_DEFERRAL_TIME};
use crate::export::{AddPathSend, ExportRules, ExportTerms, NextHopRule, PrivateAsRule};
use crate::policy::{Policy, PolicySession, PrefixSet};
use crate::rib::{DEFAULT_LOCAL_PREF, DecisionOptions, ImportOptions, ImportRules, Reach, Rib, martians};
use crate::session::{ConnectMode, FamilyConfig, HOLD_TIME, Negotiated, SessionConfig};
use crate::wire::{AddPathMode, Asn, Family, Role, RouterId};
use net::Prefix;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// The port that BGP is assigned (RFC 4271 §8.2.1).
pub const BGP_PORT: u16 = 179;

/// A speaker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpeakerConfig {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Prefixes that we originate.
    pub originate: Vec<Prefix>,
    /// Prefixes that we originate as long as there are routes inside them.
    pub aggregates: Vec<Aggregate>,
    /// Prefixes that are taken from nobody; [`crate::rib::martians`] without a word.
    pub martians: PrefixSet,
    /// Whom we talk to.
    pub neighbors: Vec<NeighborConfig>,
    /// Ranges that neighbours may come from without being named.
    pub dynamic: Vec<DynamicNeighbors>,
    /// Our cluster id as a route reflector (RFC 4456 §7); the identifier without it.
    pub cluster_id: Option<RouterId>,
    /// The confederation that our AS is a member of (RFC 5065).
    pub confederation: Option<Confederation>,
    /// The decision's knobs.
    pub decision: DecisionOptions,
    /// How next hops are reached ([`Rib::set_next_hop`]).
    pub next_hops: BTreeMap<Prefix, Reach>,
    /// LOCAL_PREF of routes that come without one.
    pub default_local_pref: u32,
    /// How long it waits at the start, before it tells anybody anything, for the routes of neighbours with
    /// [`NeighborConfig::restart`] (RFC 4724 §4.1).
    pub selection_deferral: Duration,
    /// Source of timer jitter and hash keys.
    pub seed: u64,
}

/// A neighbour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighborConfig {
    /// Its address: by this it is known, and connections from other addresses are refused.
    pub address: IpAddr,
    /// Its port, for connections that we open.
    pub port: u16,
    /// Its AS; ours makes it an internal peer.
    pub asn: Asn,
    /// Our address on the session; without one the system picks it for each connection.
    pub local_address: Option<IpAddr>,
    /// What to exchange.
    pub families: BTreeSet<Family>,
    /// Who connects.
    pub mode: ConnectMode,
    /// Routers up to the neighbour, itself included: the TTL of what we send. Without it 1 toward external neighbours
    /// (they are on the same link) and the system's toward internal ones.
    pub multihop: Option<u8>,
    /// Take only packets whose TTL shows that they come from no further than [`NeighborConfig::multihop`] (1 without
    /// it), and send with 255 (RFC 5082).
    pub ttl_security: bool,
    /// TCP MD5 signatures (RFC 2385).
    pub password: Option<Password>,
    /// The interface that connections must use.
    pub interface: Option<String>,
    /// Offered hold time in seconds: 0, or 3 and more (RFC 4271 §4.2).
    pub hold_time: u16,
    /// The groups it is in, for policies that ask.
    pub groups: Vec<Arc<str>>,
    /// What its routes are put through.
    pub import: Policy,
    /// What our routes to it are put through.
    pub export: Policy,
    /// It is sent a default route of ours, put through this, whatever the tables have.
    pub default_originate: Option<Policy>,
    /// MinRouteAdvertisementIntervalTimer (RFC 4271 §9.2.1.1): pause between what it is sent; zero: none.
    pub advertisement_interval: Duration,
    /// Our next hop for IPv4 routes. By default our address on the session if that is IPv4.
    pub next_hop_v4: Option<Ipv4Addr>,
    /// Our next hop for IPv6 routes. By default our address on the session if that is IPv6; on an IPv4 session `::1`
    /// between processes of one machine (127.0.0.0/8), else the IPv4-mapped address (`::ffff:192.0.2.1`), which FRR and
    /// GoBGP take and BIRD refuses.
    pub next_hop_v6: Option<Ipv6Addr>,
    /// Whose address the next hop of routes to it is.
    pub next_hop: NextHopRule,
    /// What becomes of private AS numbers on the way to it.
    pub private_as: PrivateAsRule,
    /// Its own AS in the paths of routes to it is replaced by ours.
    pub as_override: bool,
    /// How often our own AS may be in the paths of its routes.
    pub allow_own_as: u8,
    /// Another AS that we pose as toward it.
    pub local_as: Option<LocalAs>,
    /// It is a client of this route server (RFC 7947).
    pub route_server_client: bool,
    /// It is our route reflection client (RFC 4456).
    pub reflector_client: bool,
    /// Our role toward it (RFC 9234).
    pub role: Option<Role>,
    /// It must state its role too.
    pub strict_role: bool,
    /// Its routes with an AS_SET are left out (RFC 9774).
    pub reject_as_sets: bool,
    /// Tell it with every route that the session is about to go down (RFC 8326).
    pub graceful_shutdown: bool,
    /// Keep the session down, and tell the neighbour this if it was up (RFC 9003).
    pub shutdown: Option<String>,
    /// Take several paths of a prefix from it (RFC 7911).
    pub add_path_receive: bool,
    /// Send it several paths of a prefix, if it takes them (RFC 7911).
    pub add_path_send: Option<AddPathSend>,
    /// As a route server's client that must not have the best route it gets none, not the best of those that it may have
    /// (RFC 7947 §2.3.1).
    pub hide_paths: bool,
    /// IPv4 routes may have IPv6 next hops, in both directions (RFC 8950).
    pub extended_next_hop: bool,
    /// Keep its routes while it restarts (RFC 4724).
    pub graceful_restart: Option<RestartHelp>,
    /// It is asked to keep our routes while we restart (RFC 4724).
    pub restart: Option<RestartOffer>,
    /// Most routes from it, by family.
    pub receive_limits: BTreeMap<Family, PrefixLimit>,
    /// Most routes to it, by family.
    pub send_limits: BTreeMap<Family, PrefixLimit>,
    /// Most octets of attributes from it, beyond the first [`FREE_OCTETS`](crate::rib::FREE_OCTETS) of each route;
    /// [`ATTRIBUTE_OCTETS`](super::ATTRIBUTE_OCTETS) unless set. The action is that of `receive_limits`, and
    /// [`LimitAction::Drop`](super::LimitAction) without one.
    pub attribute_octets: u64,
    /// Refuse routes of an external neighbour that do not start with its AS. Off toward route servers.
    pub enforce_first_as: bool,
    /// Everything else about the session; the fields above win over what is in here.
    pub session: Option<SessionConfig>,
}

/// A confederation (RFC 5065), of which [`SpeakerConfig::asn`] is a member AS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Confederation {
    /// The AS that the world outside sees.
    pub identifier: Asn,
    /// The other member ASes.
    pub members: BTreeSet<Asn>,
}

/// Another AS that we pose as toward one external neighbour, as after the merger of two networks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalAs {
    /// Its number: what our OPEN says.
    pub asn: Asn,
    /// It is put in front of the paths that come in, so that it does not vanish from them.
    pub prepend: bool,
    /// It stands in the place of our real AS in the paths that go out, not in front of it.
    pub replace: bool,
}

/// Why a neighbour cannot be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighborError {
    /// There is one with this address.
    Duplicate(IpAddr),
    /// Our address on the session is of the other address family.
    LocalAddressFamily {
        /// The neighbour's.
        address: IpAddr,
        /// Ours.
        local_address: IpAddr,
    },
    /// RFC 4271 §4.2: 0, or at least 3 seconds.
    HoldTime(u16),
    /// No family, or one that the Rib does not have.
    Families,
    /// AS 0 (RFC 7607).
    ZeroAsn,
    /// Empty, or over [`super::PASSWORD_LIMIT`] octets.
    Password(IpAddr),
    /// A range of dynamic neighbours that may hold none, or too many.
    DynamicLimit(Prefix),
}

impl fmt::Display for NeighborError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NeighborError::Duplicate(address) => write!(f, "neighbour {address} exists already"),
            NeighborError::LocalAddressFamily { address, local_address } => {
                write!(f, "neighbour {address}: {local_address} is of the other address family")
            }
            NeighborError::HoldTime(seconds) => write!(f, "hold time {seconds} is below 3 (RFC 4271 §4.2)"),
            NeighborError::Families => f.write_str("the families must be ipv4-unicast, ipv6-unicast or both"),
            NeighborError::ZeroAsn => f.write_str("AS 0 is reserved (RFC 7607)"),
            NeighborError::Password(address) => {
                write!(f, "neighbour {address}: a password has 1 to {} octets", super::PASSWORD_LIMIT)
            }
            NeighborError::DynamicLimit(prefix) => {
                write!(f, "range {prefix}: the limit is 1 to {} neighbours", super::DYNAMIC_LIMIT)
            }
        }
    }
}

impl std::error::Error for NeighborError {}

impl SpeakerConfig {
    /// A speaker without neighbours or routes.
    pub fn new(asn: Asn, router_id: RouterId) -> SpeakerConfig {
        SpeakerConfig {
            asn,
            router_id,
            originate: Vec::new(),
            aggregates: Vec::new(),
            martians: martians(),
            neighbors: Vec::new(),
            dynamic: Vec::new(),
            cluster_id: None,
            confederation: None,
            decision: DecisionOptions::default(),
            next_hops: BTreeMap::new(),
            default_local_pref: DEFAULT_LOCAL_PREF,
            selection_deferral: SELECTION_DEFERRAL_TIME,
            seed: 0,
        }
    }
}

impl SpeakerConfig {
    /// Who we are, for the checks of what comes in.
    pub(super) fn import_options(&self) -> ImportOptions {
        ImportOptions {
            cluster_id: self.cluster_id.unwrap_or(self.router_id),
            confederation: self.confederation.as_ref().map(|confederation| confederation.identifier),
            ..ImportOptions::new(self.asn, self.router_id)
        }
    }
}

impl NeighborConfig {
    /// A neighbour with both families, on the standard port and without policies.
    pub fn new(address: IpAddr, asn: Asn) -> NeighborConfig {
        NeighborConfig {
            address,
            port: BGP_PORT,
            asn,
            local_address: None,
            families: Rib::FAMILIES.into_iter().collect(),
            mode: ConnectMode::Both,
            multihop: None,
            ttl_security: false,
            password: None,
            interface: None,
            hold_time: HOLD_TIME,
            groups: Vec::new(),
            import: Policy::Unset,
            export: Policy::Unset,
            default_originate: None,
            advertisement_interval: Duration::ZERO,
            next_hop_v4: None,
            next_hop_v6: None,
            next_hop: NextHopRule::Standard,
            private_as: PrivateAsRule::Keep,
            as_override: false,
            allow_own_as: 0,
            local_as: None,
            route_server_client: false,
            reflector_client: false,
            role: None,
            strict_role: false,
            reject_as_sets: false,
            graceful_shutdown: false,
            shutdown: None,
            add_path_receive: false,
            add_path_send: None,
            hide_paths: false,
            extended_next_hop: false,
            graceful_restart: None,
            restart: None,
            receive_limits: BTreeMap::new(),
            send_limits: BTreeMap::new(),
            attribute_octets: super::ATTRIBUTE_OCTETS,
            enforce_first_as: true,
            session: None,
        }
    }

    /// `dynamic`: AS 0 stands for any.
    pub(super) fn check(&self, dynamic: bool) -> Result<(), NeighborError> {
        if self.asn == Asn::ZERO && !dynamic {
            return Err(NeighborError::ZeroAsn);
        }
        if self.password.as_ref().is_some_and(|password| !password.is_good()) {
            return Err(NeighborError::Password(self.address));
        }
        if matches!(self.hold_time, 1 | 2) {
            return Err(NeighborError::HoldTime(self.hold_time));
        }
        if self.families.is_empty() || self.families.iter().any(|family| !Rib::FAMILIES.contains(family)) {
            return Err(NeighborError::Families);
        }
        match self.local_address {
            Some(local_address) if local_address.is_ipv4() != self.address.is_ipv4() => {
                Err(NeighborError::LocalAddressFamily { address: self.address, local_address })
            }
            _ => Ok(()),
        }
    }

    /// The AS that we are toward this neighbour, and whether it is in another member AS of our confederation.
    pub(super) fn local_asn(&self, speaker: &SpeakerConfig, peer: Asn) -> (Asn, bool) {
        let Some(confederation) = &speaker.confederation else {
            let posing = self.local_as.filter(|_| peer != speaker.asn);
            return (posing.map_or(speaker.asn, |local_as| local_as.asn), false);
        };
        if peer == speaker.asn || confederation.members.contains(&peer) {
            return (speaker.asn, peer != speaker.asn);
        }
        (self.local_as.map_or(confederation.identifier, |local_as| local_as.asn), false)
    }

    pub(super) fn session_config(&self, speaker: &SpeakerConfig) -> SessionConfig {
        let (asn, _) = self.local_asn(speaker, self.asn);
        let router_id = speaker.router_id;
        let base = self.session.clone().unwrap_or_else(|| SessionConfig::new(asn, router_id, self.asn));
        let families = self.families.iter().map(|family| {
            let mut config: FamilyConfig = base.families.get(family).copied().unwrap_or_default();
            config.extended_next_hop |= self.extended_next_hop && *family == Family::IPV4_UNICAST;
            let had = config.add_path.unwrap_or(AddPathMode(0));
            let wanted = (had.receives() || self.add_path_receive, had.sends() || self.add_path_send.is_some());
            config.add_path = match wanted {
                (true, true) => Some(AddPathMode::BOTH),
                (true, false) => Some(AddPathMode::RECEIVE),
                (false, true) => Some(AddPathMode::SEND),
                (false, false) => None,
            };
            (*family, config)
        });
        SessionConfig {
            local_asn: asn,
            router_id,
            peer_asn: Some(self.asn).filter(|asn| *asn != Asn::ZERO),
            own_asns: self.own_asns(speaker),
            confederation: speaker.confederation.is_some(),
            confederation_members: speaker.confederation.as_ref().map(|it| it.members.clone()).unwrap_or_default(),
            mode: self.mode,
            families: families.collect(),
            hold_time: self.hold_time,
            role: self.role.or(base.role),
            strict_role: self.strict_role || base.strict_role,
            graceful_restart: self.graceful_restart(false).or(base.graceful_restart),
            long_lived: self.long_lived().or(base.long_lived),
            ..base
        }
    }

    /// Where any AS is taken, these are not: who says one of them would be inside our network, which has to be written
    /// down.
    fn own_asns(&self, speaker: &SpeakerConfig) -> BTreeSet<Asn> {
        if self.asn != Asn::ZERO {
            return BTreeSet::new();
        }
        let confederation = speaker.confederation.iter();
        let inside = confederation.flat_map(|it| std::iter::once(&it.identifier).chain(&it.members)).copied();
        inside.chain([speaker.asn]).chain(self.local_as.map(|local_as| local_as.asn)).collect()
    }

    pub(super) fn import_rules(&self) -> ImportRules {
        ImportRules {
            allow_own_as: self.allow_own_as,
            prepend: self.local_as.filter(|local_as| local_as.prepend).map(|local_as| local_as.asn),
            role: self.role,
            reject_as_sets: self.reject_as_sets,
            route_server_client: self.route_server_client,
        }
    }

    /// What policies ask about a session with this neighbour, once its AS is known.
    pub fn policy_session(&self, speaker: &SpeakerConfig, address: IpAddr, peer: Asn) -> PolicySession {
        let (local_asn, _) = self.local_asn(speaker, peer);
        PolicySession {
            neighbor: Some(address),
            groups: self.groups.clone(),
            role: PolicySession::neighbor_role(self.role.or(self.session.as_ref().and_then(|session| session.role))),
            default_local_pref: speaker.default_local_pref,
            ..PolicySession::new(local_asn, peer)
        }
    }

    /// What it is sent depends on this, on a session on which `local` is our address.
    pub(super) fn export_terms(
        &self,
        speaker: &SpeakerConfig,
        policy_session: &PolicySession,
        negotiated: &Negotiated,
        local: Option<IpAddr>,
    ) -> ExportTerms {
        let (_, confederation) = self.local_asn(speaker, negotiated.peer_asn);
        let real_asn = speaker.confederation.as_ref().map_or(speaker.asn, |confederation| confederation.identifier);
        ExportTerms {
            kind: source_kind(negotiated.peer_kind),
            policy: self.export.bind(policy_session),
            default_originate: self.default_originate.as_ref().map(|policy| policy.bind(policy_session)),
            local_asn: negotiated.local_asn,
            peer_asn: Some(negotiated.peer_asn).filter(|_| self.as_override),
            cluster_id: speaker.cluster_id.unwrap_or(speaker.router_id),
            next_hop_v4: self.ipv4_next_hop(local),
            next_hop_v6: self.ipv6_next_hop(local),
            rules: self.export_rules(real_asn, confederation, negotiated),
            default_local_pref: speaker.default_local_pref,
            encode: negotiated.encode.clone(),
        }
    }

    fn export_rules(&self, asn: Asn, confederation: bool, negotiated: &Negotiated) -> ExportRules {
        ExportRules {
            next_hop: self.next_hop,
            private_as: self.private_as,
            as_override: self.as_override,
            route_server_client: self.route_server_client,
            // Where they make no difference they keep nobody apart.
            hide_paths: self.hide_paths && self.route_server_client,
            add_path_send: self.add_path_send.filter(|_| !negotiated.encode.add_path.is_empty()),
            reflector_client: self.reflector_client,
            confederation,
            behind: self.local_as.filter(|local_as| !local_as.replace).map(|_| asn),
            graceful_shutdown: self.graceful_shutdown,
            role: self.role,
            extended_next_hop: negotiated.extended_next_hop(Family::IPV4_UNICAST),
            long_lived_stale: negotiated.long_lived.is_some(),
        }
    }

    /// Our next hop for IPv4 routes on a session on which `local` is our address.
    pub(super) fn ipv4_next_hop(&self, local: Option<IpAddr>) -> Option<Ipv4Addr> {
        let own = || match local?.to_canonical() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        self.next_hop_v4.or_else(own)
    }

    /// Our next hop for IPv6 routes on a session on which `local` is our address.
    pub(super) fn ipv6_next_hop(&self, local: Option<IpAddr>) -> Option<Ipv6Addr> {
        let own = || match local?.to_canonical() {
            IpAddr::V4(address) if address.is_loopback() => Some(Ipv6Addr::LOCALHOST),
            IpAddr::V4(address) => Some(address.to_ipv6_mapped()),
            IpAddr::V6(address) => Some(address),
        };
        self.next_hop_v6.or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ipv6_next_hop_of_an_ipv4_session_is_the_configured_one_or_made_of_our_address() {
        let mut neighbor = NeighborConfig::new("192.0.2.2".parse().unwrap(), Asn(65002));
        let next_hop = |neighbor: &NeighborConfig, local: &str| {
            neighbor.ipv6_next_hop(local.parse().ok()).map(|address| address.to_string())
        };
        assert_eq!(next_hop(&neighbor, "127.0.0.1").as_deref(), Some("::1"));
        assert_eq!(next_hop(&neighbor, "192.0.2.1").as_deref(), Some("::ffff:192.0.2.1"));
        assert_eq!(next_hop(&neighbor, "2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(neighbor.ipv4_next_hop("2001:db8::1".parse().ok()), None);
        assert_eq!(neighbor.ipv4_next_hop("::ffff:192.0.2.1".parse().ok()), Some(Ipv4Addr::new(192, 0, 2, 1)));
        neighbor.next_hop_v6 = "2001:db8::9".parse().ok();
        assert_eq!(next_hop(&neighbor, "192.0.2.1").as_deref(), Some("2001:db8::9"));
    }

    #[test]
    fn impossible_neighbours_are_refused_with_the_reason() {
        let good = NeighborConfig::new("192.0.2.2".parse().unwrap(), Asn(65002));
        assert_eq!(good.check(false), Ok(()));
        assert_eq!(NeighborConfig { hold_time: 2, ..good.clone() }.check(false), Err(NeighborError::HoldTime(2)));
        assert_eq!(NeighborConfig { asn: Asn(0), ..good.clone() }.check(false), Err(NeighborError::ZeroAsn));
        assert_eq!(
            NeighborConfig { families: BTreeSet::new(), ..good.clone() }.check(false),
            Err(NeighborError::Families)
        );
        let local_address = "::1".parse().unwrap();
        let error = NeighborConfig { local_address: Some(local_address), ..good.clone() }.check(false).unwrap_err();
        assert_eq!(error.to_string(), "neighbour 192.0.2.2: ::1 is of the other address family");
    }
}
