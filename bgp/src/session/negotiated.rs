//! What the two OPENs of a session come to (RFC 4271 §6.2 and the capabilities' RFCs).

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::SessionConfig;
use crate::wire::{
    AddPathMode, Afi, Asn, Capability, DecodeContext, EXTENDED_MESSAGE_LIMIT, EncodeContext, Family, Fault,
    GracefulRestart, LongLivedFamily, MESSAGE_LIMIT, MessageError, Open, OptionalParameter, PeerKind, Role, RouterId,
};

/// The agreed terms of one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Our AS, as the peer knows it.
    pub local_asn: Asn,
    /// Our identifier.
    pub local_router_id: RouterId,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// The peer's identifier.
    pub peer_router_id: RouterId,
    /// How the peer is related to us.
    pub peer_kind: PeerKind,
    /// Families that both sides have.
    pub families: BTreeSet<Family>,
    /// Seconds; 0 means that neither keepalives nor silence matter.
    pub hold_time: u16,
    /// The peer can be asked for its routes again (RFC 2918).
    pub route_refresh: bool,
    /// Refreshes have a beginning and an end (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// What the peer said about graceful restart (RFC 4724).
    pub graceful_restart: Option<GracefulRestart>,
    /// What the peer said about long-lived graceful restart (RFC 9494).
    pub long_lived: Option<Vec<LongLivedFamily>>,
    /// Sessions that end with a NOTIFICATION are taken up again too, except after a Hard Reset (RFC 8538).
    pub hard_reset: bool,
    /// Our role (RFC 9234).
    pub local_role: Option<Role>,
    /// The peer's role (RFC 9234).
    pub peer_role: Option<Role>,
    /// How to read what the peer sends.
    pub decode: DecodeContext,
    /// How to write what the peer gets.
    pub encode: EncodeContext,
    /// The peer's OPEN.
    pub peer_open: Open,
}

impl Negotiated {
    /// Routes of this family may have IPv6 next hops although they are IPv4 (RFC 8950).
    pub fn extended_next_hop(&self, family: Family) -> bool {
        self.decode.extended_next_hop.contains(&family)
    }

    /// Checks the peer's OPEN against our configuration and works out what both sides have in common.
    ///
    /// # Errors
    /// What RFC 4271 §6.2, RFC 5492 §5, RFC 6286, RFC 7607 and RFC 9234 refuse; the error knows its NOTIFICATION.
    pub fn new(config: &SessionConfig, open: Open) -> Result<Negotiated, MessageError> {
        check(config, &open)?;
        let peer_asn = open.asn();
        let mut peer = PeerCapabilities::default();
        open.capabilities().for_each(|capability| peer.add(capability));
        // RFC 4760 §8: without the capability there is IPv4 unicast only.
        if peer.families.is_empty() {
            peer.families.insert(Family::IPV4_UNICAST);
        }
        let families: BTreeSet<Family> =
            config.families.keys().copied().filter(|family| peer.families.contains(family)).collect();
        if families.is_empty() {
            return Err(no_common_family(config));
        }
        let peer_role = check_role(config, &peer)?;
        let local = |family: &Family| config.families.get(family).copied().unwrap_or_default();
        let local_add_path = |family: &Family| local(family).add_path.unwrap_or(AddPathMode(0));
        let receive_add_path = families.iter().filter(|family| {
            local_add_path(family).receives() && peer.add_path.iter().any(|(of, mode)| of == *family && mode.sends())
        });
        let send_add_path = families.iter().filter(|family| {
            local_add_path(family).sends() && peer.add_path.iter().any(|(of, mode)| of == *family && mode.receives())
        });
        let extended_next_hop =
            families.iter().filter(|family| local(family).extended_next_hop && peer.extended_next_hop.contains(family));
        let decode = DecodeContext {
            peer_kind: config.peer_kind(peer_asn),
            confederation: config.confederation,
            four_octet_as: peer.four_octet_as,
            add_path: receive_add_path.copied().collect(),
            extended_next_hop: extended_next_hop.copied().collect(),
            // RFC 8654 §3: who offers it must be able to receive; both must offer before either sends.
            message_limit: if config.extended_message { EXTENDED_MESSAGE_LIMIT } else { MESSAGE_LIMIT },
            as_path_limit: config.as_path_limit,
            discard: config.discard.clone(),
            malformed_family: config.malformed_family,
        };
        let extended_message = config.extended_message && peer.extended_message;
        let encode = EncodeContext {
            four_octet_as: peer.four_octet_as,
            add_path: send_add_path.copied().collect(),
            message_limit: if extended_message { EXTENDED_MESSAGE_LIMIT } else { MESSAGE_LIMIT },
        };
        Ok(Negotiated {
            local_asn: config.local_asn,
            local_router_id: config.router_id,
            peer_asn,
            peer_router_id: open.bgp_identifier,
            peer_kind: config.peer_kind(peer_asn),
            families,
            hold_time: config.hold_time.min(open.hold_time),
            route_refresh: peer.route_refresh,
            enhanced_route_refresh: peer.enhanced_route_refresh,
            hard_reset: config.graceful_restart.as_ref().is_some_and(|ours| ours.notification)
                && peer.graceful_restart.as_ref().is_some_and(|theirs| theirs.notification),
            // RFC 9494 §3.1: nothing without graceful restart itself.
            long_lived: peer.long_lived.filter(|_| peer.graceful_restart.is_some()),
            graceful_restart: peer.graceful_restart,
            local_role: config.role,
            peer_role,
            decode,
            encode,
            peer_open: open,
        })
    }
}

#[derive(Default)]
struct PeerCapabilities {
    families: BTreeSet<Family>,
    add_path: Vec<(Family, AddPathMode)>,
    extended_next_hop: BTreeSet<Family>,
    roles: BTreeSet<Role>,
    four_octet_as: bool,
    route_refresh: bool,
    enhanced_route_refresh: bool,
    extended_message: bool,
    graceful_restart: Option<GracefulRestart>,
    long_lived: Option<Vec<LongLivedFamily>>,
}

impl PeerCapabilities {
    fn add(&mut self, capability: &Capability) {
        match capability {
            Capability::Multiprotocol { family } => {
                self.families.insert(*family);
            }
            Capability::RouteRefresh => self.route_refresh = true,
            Capability::ExtendedNextHop { families } => {
                let ipv6 = families.iter().filter(|row| row.next_hop_afi == Afi::IPV6);
                self.extended_next_hop.extend(ipv6.filter_map(|row| row.family()));
            }
            Capability::ExtendedMessage => self.extended_message = true,
            Capability::Role { role } => {
                self.roles.insert(*role);
            }
            // RFC 4724 §3: of several the last counts.
            Capability::GracefulRestart(restart) => self.graceful_restart = Some(restart.clone()),
            Capability::FourOctetAs { .. } => self.four_octet_as = true,
            Capability::AddPath { families } => {
                self.add_path.extend(families.iter().map(|row| (row.family, row.send_receive)));
            }
            Capability::EnhancedRouteRefresh => self.enhanced_route_refresh = true,
            Capability::LongLivedGracefulRestart { families } => self.long_lived = Some(families.clone()),
            Capability::Fqdn { .. } | Capability::Unknown { .. } => {}
        }
    }
}

/// An error in the OPEN's field at `offset`.
fn refuse(offset: usize, field: &'static str, value: u32, fault: Fault) -> MessageError {
    let at = DecodeError::new(offset, field, DecodeErrorKind::BadValue { value: value.into() });
    MessageError::new(at, fault, Bytes::new())
}

fn check(config: &SessionConfig, open: &Open) -> Result<(), MessageError> {
    let peer_asn = open.asn();
    let expected = config.peer_asn.map_or(!config.own_asns.contains(&peer_asn), |expected| expected == peer_asn);
    // RFC 7607 §2: AS 0 in either place.
    if open.my_autonomous_system == 0 || peer_asn == Asn::ZERO || !expected {
        return Err(refuse(20, "open.my_autonomous_system", peer_asn.0, Fault::BadPeerAs));
    }
    if matches!(open.hold_time, 1 | 2) {
        return Err(refuse(22, "open.hold_time", open.hold_time.into(), Fault::UnacceptableHoldTime));
    }
    // RFC 6286 §2.2: not zero, and between internal peers not ours.
    let identifier = open.bgp_identifier;
    let ours = identifier == config.router_id && peer_asn == config.local_asn;
    if identifier.to_u32() == 0 || ours {
        return Err(refuse(24, "open.bgp_identifier", identifier.to_u32(), Fault::BadBgpIdentifier));
    }
    for parameter in &open.optional_parameters {
        if let OptionalParameter::Unknown { kind, .. } = parameter {
            let fault = Fault::UnsupportedOptionalParameter;
            return Err(refuse(29, "open.optional_parameter.type", u32::from(*kind), fault));
        }
    }
    Ok(())
}

/// RFC 5492 §5: the NOTIFICATION lists the capabilities that are missed.
fn no_common_family(config: &SessionConfig) -> MessageError {
    let mut data = BytesMut::new();
    for family in config.families.keys() {
        data.put_slice(&[1, 4]);
        data.put_u16(family.afi.0);
        data.put_u8(0);
        data.put_u8(family.safi.0);
    }
    let at = DecodeError::new(29, "open.capability", DecodeErrorKind::Missing);
    MessageError::new(at, Fault::UnsupportedCapability, data.freeze())
}

/// RFC 9234 §4.2.
fn check_role(config: &SessionConfig, peer: &PeerCapabilities) -> Result<Option<Role>, MessageError> {
    let peer_role = peer.roles.first().copied();
    let mismatch = match (config.role, peer_role) {
        (Some(_), Some(_)) if peer.roles.len() > 1 => true,
        (Some(ours), Some(theirs)) => !ours.matches(theirs),
        (Some(_), None) => config.strict_role,
        (None, _) => false,
    };
    if mismatch {
        let at = DecodeError::new(29, "open.capability.role", DecodeErrorKind::BadPattern);
        return Err(MessageError::new(at, Fault::RoleMismatch, Bytes::new()));
    }
    Ok(peer_role)
}
