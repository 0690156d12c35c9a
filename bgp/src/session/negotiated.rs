//! What the two OPENs of a session come to.

use std::collections::BTreeSet;

use crate::wire::{Asn, DecodeContext, EncodeContext, Family, GracefulRestart, Open, PeerKind, Role, RouterId};

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
    /// IPv4 routes of this session may have IPv6 next hops (RFC 8950).
    pub fn extended_next_hop(&self, family: Family) -> bool {
        self.decode.extended_next_hop.contains(&family)
    }
}
