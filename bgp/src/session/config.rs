//! How a session is set up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::wire::{
    AS_PATH_LIMIT, AddPathFamily, AddPathMode, Afi, Asn, AttributeType, Capability, ExtendedNextHopFamily, Family,
    GracefulRestart, LongLivedFamily, MalformedFamily, Open, PeerKind, Role, RouterId,
};

/// Which side opens the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum ConnectMode {
    /// We open it and accept none.
    Active,
    /// We accept it and open none (RFC 4271 §8.1.1 PassiveTcpEstablishment).
    Passive,
    /// Whoever is first.
    #[default]
    Both,
}

/// What is offered for one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FamilyConfig {
    /// Several paths per prefix (RFC 7911), if any.
    pub add_path: Option<AddPathMode>,
    /// Next hops of the other address family are understood (RFC 8950); for IPv4 unicast.
    pub extended_next_hop: bool,
}

/// The session attributes of RFC 4271 §8 and the capabilities that are offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionConfig {
    /// Our AS, as this peer is to know it.
    pub local_asn: Asn,
    /// Our identifier.
    pub router_id: RouterId,
    /// The AS the peer must have; `None` accepts any (a neighbour known by its address range only).
    pub peer_asn: Option<Asn>,
    /// ASes that the peer must not have, where it may have any: those of our own network.
    pub own_asns: BTreeSet<Asn>,
    /// Our AS is a member of a confederation (RFC 5065).
    pub confederation: bool,
    /// Member ASes of our confederation other than ours (RFC 5065).
    pub confederation_members: BTreeSet<Asn>,
    /// Which side opens the connection.
    pub mode: ConnectMode,
    /// Families and what is offered for each.
    pub families: BTreeMap<Family, FamilyConfig>,
    /// Offered hold time in seconds: 0, or 3 and more.
    pub hold_time: u16,
    /// ConnectRetryTime: how long an attempt may take, and the longest pause between attempts.
    pub connect_retry_time: Duration,
    /// DelayOpenTime: waits this long for the peer's OPEN before sending ours, if set.
    pub delay_open_time: Option<Duration>,
    /// Pause after a failure (IdleHoldTime); with [`SessionConfig::damp_peer_oscillations`] after the first.
    pub idle_hold_time: Duration,
    /// DampPeerOscillations: the pause doubles with each further failure up to [`SessionConfig::connect_retry_time`], and
    /// after a protocol error the peer's connections are refused until it is over.
    pub damp_peer_oscillations: bool,
    /// How long the peer may take nothing of what we send (RFC 9687); `None` switches the timer off.
    pub send_hold_time: Option<Duration>,
    /// Messages over 4,096 octets are offered (RFC 8654).
    pub extended_message: bool,
    /// Our role (RFC 9234).
    pub role: Option<Role>,
    /// The peer must state its role.
    pub strict_role: bool,
    /// What to say about graceful restart (RFC 4724).
    pub graceful_restart: Option<GracefulRestart>,
    /// What to say about long-lived graceful restart (RFC 9494): each row a family whose routes survive us; an empty
    /// list says that we keep the peer's.
    pub long_lived: Option<Vec<LongLivedFamily>>,
    /// Longest AS_PATH to accept.
    pub as_path_limit: usize,
    /// Attributes to discard on sight.
    pub discard: BTreeSet<AttributeType>,
    /// What a multiprotocol attribute that does not parse does.
    pub malformed_family: MalformedFamily,
}

/// RFC 4271 §10 suggests 90 seconds.
pub const HOLD_TIME: u16 = 90;
/// RFC 4271 §10 suggests 120 seconds.
pub const CONNECT_RETRY_TIME: Duration = Duration::from_secs(120);
/// One second: a neighbour that is just starting is met soon, one that is away is tried twice as seldom each time.
pub const IDLE_HOLD_TIME: Duration = Duration::from_secs(1);
/// RFC 9687 §3.2 suggests eight minutes, or twice the hold time if that is longer.
pub const SEND_HOLD_TIME: Duration = Duration::from_secs(8 * 60);

impl SessionConfig {
    /// IPv4 and IPv6 unicast, the RFC's timers, nothing optional offered but extended messages.
    pub fn new(local_asn: Asn, router_id: RouterId, peer_asn: Asn) -> SessionConfig {
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        // RFC 8669 §5: not taken from other autonomous systems unless configured.
        let discard = if peer_asn == local_asn { BTreeSet::new() } else { BTreeSet::from([AttributeType::PREFIX_SID]) };
        SessionConfig {
            local_asn,
            router_id,
            peer_asn: Some(peer_asn),
            own_asns: BTreeSet::new(),
            confederation: false,
            confederation_members: BTreeSet::new(),
            mode: ConnectMode::Both,
            families: families.into_iter().map(|family| (family, FamilyConfig::default())).collect(),
            hold_time: HOLD_TIME,
            connect_retry_time: CONNECT_RETRY_TIME,
            delay_open_time: None,
            idle_hold_time: IDLE_HOLD_TIME,
            damp_peer_oscillations: true,
            send_hold_time: Some(SEND_HOLD_TIME),
            extended_message: true,
            role: None,
            strict_role: false,
            graceful_restart: None,
            long_lived: None,
            as_path_limit: AS_PATH_LIMIT,
            discard,
            malformed_family: MalformedFamily::SessionReset,
        }
    }

    /// How a peer of AS `peer_asn` is related to us.
    pub fn peer_kind(&self, peer_asn: Asn) -> PeerKind {
        if peer_asn == self.local_asn {
            PeerKind::Internal
        } else if self.confederation_members.contains(&peer_asn) {
            PeerKind::Confederation
        } else {
            PeerKind::External
        }
    }

    /// Our OPEN.
    pub fn open(&self) -> Open {
        let mut capabilities: Vec<Capability> =
            self.families.keys().map(|family| Capability::Multiprotocol { family: *family }).collect();
        capabilities.push(Capability::RouteRefresh);
        let extended: Vec<ExtendedNextHopFamily> = self
            .families
            .iter()
            .filter(|(_, config)| config.extended_next_hop)
            .map(|(family, _)| ExtendedNextHopFamily {
                afi: family.afi,
                safi: family.safi.0.into(),
                next_hop_afi: Afi::IPV6,
            })
            .collect();
        if !extended.is_empty() {
            capabilities.push(Capability::ExtendedNextHop { families: extended });
        }
        if self.extended_message {
            capabilities.push(Capability::ExtendedMessage);
        }
        capabilities.extend(self.role.map(|role| Capability::Role { role }));
        capabilities.extend(self.graceful_restart.clone().map(Capability::GracefulRestart));
        capabilities.push(Capability::FourOctetAs { asn: self.local_asn });
        let add_path: Vec<AddPathFamily> = self
            .families
            .iter()
            .filter_map(|(family, config)| Some(AddPathFamily { family: *family, send_receive: config.add_path? }))
            .collect();
        if !add_path.is_empty() {
            capabilities.push(Capability::AddPath { families: add_path });
        }
        capabilities.push(Capability::EnhancedRouteRefresh);
        let long_lived = self.long_lived.clone().filter(|_| self.graceful_restart.is_some());
        capabilities.extend(long_lived.map(|families| Capability::LongLivedGracefulRestart { families }));
        Open::new(self.local_asn, self.hold_time, self.router_id, capabilities)
    }
}
