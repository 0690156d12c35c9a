//! A BGP speaker without sockets or clock: neighbours, tables and update groups put together.
//!
//! ```text
//!  octets ──► Peer ──► Rib (Adj-RIB-In ► import ► decision ► export log)
//!                       │
//!  octets ◄── Peer ◄── UpdateGroup (a cursor per neighbour)
//! ```
//!
//! Routes leave only while a connection has room: what is handed out by [`Speaker::poll_transmit`] and not yet reported
//! by [`Speaker::handle_sent`] stays below a window. A neighbour that doesn't read is a cursor that doesn't move.

mod config;
mod status;

pub use config::{BGP_PORT, NeighborConfig, NeighborError, SpeakerConfig};
pub use status::{NeighborFamilyStatus, NeighborStatus, SpeakerStatus, TableStatus};

use crate::export::{AdvertisedPage, ExportTerms, UpdateGroup};
use crate::peer::{self, Peer, PeerTransmit};
use crate::policy::{Policy, PolicySession};
use crate::rib::{ImportOptions, Page, Rib, RibConfig, Source, SourceId, SourceKind};
use crate::session::{CloseReason, Event as SessionEvent, Negotiated, OutcomeKind};
use crate::wire::notification::subcode::cease;
use crate::wire::{AttributeError, ErrorCode, Family, Notification, PeerKind};
use bytes::Bytes;
use net::{Prefix, Time};
use status::Reason;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A connection's number: unique within the speaker, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the speaker wants done on its connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transmit {
    /// Open a connection; answered with [`Speaker::handle_connected`] or [`Speaker::handle_connect_failed`].
    Connect {
        /// Its number.
        connection: ConnectionId,
        /// The address to open it from, if it matters.
        local: Option<IpAddr>,
        /// Where to.
        remote: SocketAddr,
    },
    /// Write these octets, and report it with [`Speaker::handle_sent`].
    Send {
        /// Where.
        connection: ConnectionId,
        /// Whole messages.
        octets: Bytes,
    },
    /// Close the connection, or give up opening it, after what was sent before is written or a bounded time has passed.
    /// No more is heard of its number.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// What the speaker tells its owner. Routes are not events: they are read from [`Speaker::rib`], by page or by
/// follower.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A session is Established.
    Up {
        /// The neighbour.
        neighbor: IpAddr,
        /// eBGP or iBGP.
        kind: SourceKind,
    },
    /// A session, or an attempt, is over.
    Down {
        /// The neighbour.
        neighbor: IpAddr,
        /// In words.
        reason: String,
        /// It was Established.
        was_up: bool,
    },
    /// A neighbour sent an UPDATE with errors that did not end the session (RFC 7606).
    Malformed {
        /// The neighbour.
        neighbor: IpAddr,
        /// Which, with their outcomes and octets.
        errors: Vec<AttributeError>,
    },
}

/// Octets that a connection may be handed before it reports any as written. Covers a round trip of 20 ms at 100 Mbit/s;
/// past it the neighbour's cursor waits.
const SEND_WINDOW: usize = 256 * 1024;

/// The same in pieces: a stream of single changes makes many small ones, and each costs a driver more than its octets.
const SEND_PIECES: usize = 512;

/// Events that wait for the owner; the oldest are dropped past this. Nothing depends on them.
const EVENT_LIMIT: usize = 1024;

/// A BGP speaker.
#[derive(Debug)]
pub struct Speaker {
    config: SpeakerConfig,
    rib: Rib,
    neighbors: BTreeMap<IpAddr, Neighbor>,
    groups: BTreeMap<ExportTerms, UpdateGroup>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    refused: u64,
    /// Somebody with room has not been sent everything: the next turn is due at once.
    pending: Option<Time>,
    /// Totals of groups that are no more.
    segments: (u64, u64),
}

#[derive(Debug)]
struct Neighbor {
    config: NeighborConfig,
    peer: Peer,
    connections: BTreeMap<peer::ConnectionId, ConnectionId>,
    session: Option<Established>,
    last_reset: Option<CloseReason>,
    last_error: Option<CloseReason>,
}

#[derive(Debug)]
struct Established {
    source: SourceId,
    connection: ConnectionId,
    negotiated: Arc<Negotiated>,
    local_address: Option<IpAddr>,
    terms: ExportTerms,
    /// What policies are bound to.
    policy_session: PolicySession,
    ends_of_rib: BTreeSet<Family>,
}

#[derive(Debug)]
struct Connection {
    neighbor: IpAddr,
    inner: peer::ConnectionId,
    local: Option<IpAddr>,
    /// Octets handed out and not reported as written.
    unsent: usize,
    /// The pieces they were handed out in.
    pieces: VecDeque<usize>,
}

impl Connection {
    fn has_room(&self) -> bool {
        self.unsent < SEND_WINDOW && self.pieces.len() < SEND_PIECES
    }

    fn add(&mut self, octets: usize) {
        self.unsent += octets;
        self.pieces.push_back(octets);
    }

    fn take(&mut self, mut octets: usize) {
        self.unsent = self.unsent.saturating_sub(octets);
        while let Some(piece) = self.pieces.front_mut() {
            if *piece > octets {
                *piece -= octets;
                return;
            }
            octets -= *piece;
            self.pieces.pop_front();
        }
    }
}

impl Speaker {
    /// A speaker with its routes and neighbours; the sessions start at once.
    ///
    /// # Errors
    /// The first neighbour that cannot be.
    pub fn new(config: SpeakerConfig, now: Time) -> Result<Speaker, NeighborError> {
        let rib = Rib::new(RibConfig {
            import: ImportOptions { asn: config.asn, router_id: config.router_id },
            decision: config.decision,
            default_local_pref: config.default_local_pref,
            seed: config.seed,
        });
        let mut speaker = Speaker {
            rib,
            neighbors: BTreeMap::new(),
            groups: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            refused: 0,
            pending: None,
            segments: (0, 0),
            config,
        };
        for prefix in std::mem::take(&mut speaker.config.originate) {
            speaker.rib.originate(prefix, now);
        }
        for neighbor in std::mem::take(&mut speaker.config.neighbors) {
            speaker.add_neighbor(neighbor, now)?;
        }
        Ok(speaker)
    }

    /// Adds a neighbour and starts its session.
    ///
    /// # Errors
    /// The neighbour is there already, or cannot be.
    pub fn add_neighbor(&mut self, config: NeighborConfig, now: Time) -> Result<(), NeighborError> {
        config.check()?;
        let address = config.address.to_canonical();
        if self.neighbors.contains_key(&address) {
            return Err(NeighborError::Duplicate(address));
        }
        let session = config.session_config(self.config.asn, self.config.router_id);
        // Different neighbours' timers must not beat together.
        let seed = self.config.seed ^ u64::from(config.asn.0).rotate_left(32) ^ address_bits(address);
        let mut peer = Peer::new(Arc::new(session), seed);
        peer.handle_start(now);
        let neighbor =
            Neighbor { config, peer, connections: BTreeMap::new(), session: None, last_reset: None, last_error: None };
        self.neighbors.insert(address, neighbor);
        self.settle(address, now);
        Ok(())
    }

    /// Ends a neighbour's session with a Cease (peer de-configured) and forgets it; `false` if there is none.
    pub fn remove_neighbor(&mut self, address: IpAddr, now: Time) -> bool {
        let address = address.to_canonical();
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return false };
        let notification = Notification::new(ErrorCode::CEASE, cease::PEER_DECONFIGURED);
        neighbor.peer.handle_stop_with(&notification, now);
        self.settle(address, now);
        self.neighbors.remove(&address);
        self.connections.retain(|_, connection| connection.neighbor != address);
        self.pump(now);
        true
    }

    /// Ends all sessions with a Cease (administrative shutdown). They stay down.
    pub fn stop(&mut self, now: Time) {
        let addresses: Vec<IpAddr> = self.neighbors.keys().copied().collect();
        for address in addresses {
            if let Some(neighbor) = self.neighbors.get_mut(&address) {
                neighbor.peer.handle_stop("", now);
            }
            self.settle(address, now);
        }
    }

    /// Originates `prefix`.
    pub fn originate(&mut self, prefix: Prefix, now: Time) {
        self.rib.originate(prefix, now);
        self.pump(now);
    }

    /// Takes back an originated prefix.
    pub fn withdraw(&mut self, prefix: Prefix, now: Time) {
        self.rib.withdraw_originated(prefix);
        self.pump(now);
    }

    /// A neighbour's import policy changed: its routes are judged again, no session is reset.
    pub fn set_import_policy(&mut self, address: IpAddr, policy: Policy, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address.to_canonical()) else { return };
        neighbor.config.import = policy;
        if let Some(session) = &neighbor.session {
            let bound = neighbor.config.import.bind(&session.policy_session);
            self.rib.handle_import_policy(session.source, bound);
        }
        self.pump(now);
    }

    /// A neighbour's export policy changed: it is sent what is different, no session is reset.
    pub fn set_export_policy(&mut self, address: IpAddr, policy: Policy, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address.to_canonical()) else { return };
        neighbor.config.export = policy;
        if let Some(session) = &mut neighbor.session {
            let bound = neighbor.config.export.bind(&session.policy_session);
            let terms = ExportTerms { policy: bound, ..session.terms.clone() };
            let before = std::mem::replace(&mut session.terms, terms);
            let source = session.source;
            if before != session.terms
                && let Some(moving) =
                    self.groups.get_mut(&before).and_then(|group| group.hand_over(source, &mut self.rib))
            {
                let terms = session.terms.clone();
                self.groups
                    .entry(terms)
                    .or_insert_with_key(|terms| UpdateGroup::new(terms.clone()))
                    .take_over(source, moving);
                self.drop_group_if_empty(&before);
            }
        }
        self.pump(now);
    }

    fn drop_group_if_empty(&mut self, terms: &ExportTerms) {
        if let Some(group) = self.groups.get(terms).filter(|group| group.is_empty()) {
            let counters = group.counters();
            self.segments.0 += counters.segments_encoded;
            self.segments.1 += counters.segments_shared;
            self.groups.remove(terms);
        }
    }

    /// Asks a neighbour for a family again (RFC 2918), if it can be asked.
    pub fn request_refresh(&mut self, address: IpAddr, family: Family, now: Time) {
        let address = address.to_canonical();
        if let Some(neighbor) = self.neighbors.get_mut(&address) {
            neighbor.peer.handle_refresh_request(family, now);
            self.settle(address, now);
        }
    }

    /// Somebody has connected from `remote` to our address `local`. `None`: no neighbour of ours, or not wanted now;
    /// close it.
    pub fn handle_accepted(&mut self, remote: SocketAddr, local: SocketAddr, now: Time) -> Option<ConnectionId> {
        let address = remote.ip().to_canonical();
        let local = local.ip().to_canonical();
        let inner = self.neighbors.get_mut(&address).and_then(|neighbor| {
            // A neighbour is a pair of addresses: the same host reaching another of ours is somebody else.
            let ours = neighbor.config.local_address.is_none_or(|ours| ours.to_canonical() == local);
            if ours { neighbor.peer.handle_accepted(now) } else { None }
        });
        let Some(inner) = inner else {
            self.refused += 1;
            return None;
        };
        let id = self.new_connection(address, inner, Some(local));
        self.settle(address, now);
        Some(id)
    }

    /// A connection asked for is open; `local` is its address at our end.
    pub fn handle_connected(&mut self, id: ConnectionId, local: SocketAddr, now: Time) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.local = Some(local.ip().to_canonical());
        }
        self.with(id, now, |peer, inner| peer.handle_connected(inner, now));
    }

    /// A connection asked for could not be opened.
    pub fn handle_connect_failed(&mut self, id: ConnectionId, now: Time) {
        self.handle_closed(id, now);
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, id: ConnectionId, now: Time) {
        self.with(id, now, |peer, inner| peer.handle_closed(inner, now));
        self.forget(id);
    }

    /// Octets have come in.
    pub fn handle_octets(&mut self, id: ConnectionId, octets: &[u8], now: Time) {
        self.with(id, now, |peer, inner| peer.handle_bytes(inner, octets, now));
    }

    /// So many octets of those handed out have been written.
    pub fn handle_sent(&mut self, id: ConnectionId, octets: usize, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.take(octets);
        let left = connection.unsent > 0;
        // RFC 9687: the timer measures time without progress. This was progress.
        self.with(id, now, |peer, inner| {
            peer.handle_blocked(inner, false, now);
            if left {
                peer.handle_blocked(inner, true, now);
            }
        });
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let due: Vec<IpAddr> = self
            .neighbors
            .iter()
            .filter(|(_, neighbor)| neighbor.peer.poll_timeout().is_some_and(|(at, _)| at <= now))
            .map(|(address, _)| *address)
            .collect();
        for address in due {
            if let Some(neighbor) = self.neighbors.get_mut(&address) {
                neighbor.peer.handle_timeout(now);
            }
            self.collect(address, now);
        }
        self.pump(now);
    }

    /// What is to be done on the connections.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What the owner may want to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let pending = self.pending.map(|at| (at, "export"));
        let peers = self.neighbors.values().filter_map(|neighbor| neighbor.peer.poll_timeout());
        pending.into_iter().chain(peers).min_by_key(|(at, _)| *at)
    }

    /// The tables.
    pub const fn rib(&self) -> &Rib {
        &self.rib
    }

    /// The tables, for followers.
    pub const fn rib_mut(&mut self) -> &mut Rib {
        &mut self.rib
    }

    /// A page of what a neighbour has sent, as received; see [`Rib::adj_rib_in`]. Empty while its session is down.
    pub fn adj_rib_in(&self, address: IpAddr, family: Family, after: Option<Prefix>, limit: usize) -> Page {
        match self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref()) {
            Some(session) => self.rib.adj_rib_in(session.source, family, after, limit),
            None => Page { routes: Vec::new(), next: None },
        }
    }

    /// A page of what a neighbour has been sent; see [`UpdateGroup::adj_rib_out`]. Empty while its session is down.
    pub fn adj_rib_out(&self, address: IpAddr, family: Family, after: Option<Prefix>, limit: usize) -> AdvertisedPage {
        let session = self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref());
        let group = session.and_then(|session| Some((session.source, self.groups.get(&session.terms)?)));
        match group {
            Some((source, group)) => group.adj_rib_out(source, family, after, limit, &self.rib),
            None => AdvertisedPage { routes: Vec::new(), next: None },
        }
    }

    /// A neighbour has been sent `prefix` and no withdrawal since.
    pub fn is_advertised(&self, address: IpAddr, prefix: Prefix) -> bool {
        let session = self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref());
        session.is_some_and(|session| {
            self.groups.get(&session.terms).is_some_and(|group| group.holds(session.source, prefix, &self.rib))
        })
    }

    /// Everything to show, as it is now.
    pub fn status(&self, now: Time) -> SpeakerStatus {
        let tables = Rib::FAMILIES.map(|family| TableStatus { family, counts: self.rib.counts(family) });
        let live = self.groups.values().map(UpdateGroup::counters);
        let (encoded, shared) = live.fold(self.segments, |(encoded, shared), counters| {
            (encoded + counters.segments_encoded, shared + counters.segments_shared)
        });
        SpeakerStatus {
            asn: self.config.asn,
            router_id: self.config.router_id,
            tables: tables.into(),
            neighbors: self
                .neighbors
                .iter()
                .map(|(address, neighbor)| self.neighbor(*address, neighbor, now))
                .collect(),
            update_groups: self.groups.len(),
            segments_encoded: encoded,
            segments_shared: shared,
            connections_refused: self.refused,
        }
    }

    fn neighbor(&self, address: IpAddr, neighbor: &Neighbor, now: Time) -> NeighborStatus {
        let Neighbor { config, peer, session, .. } = neighbor;
        let counters = peer.counters();
        let errors = |kind| {
            counters.attribute_errors.iter().filter(|((_, outcome), _)| *outcome == kind).map(|(_, count)| count).sum()
        };
        let up = session.as_ref();
        let group = up.and_then(|session| self.groups.get(&session.terms));
        let families = config.families.iter().map(|family| {
            let counts = up.map(|session| self.rib.source_counts(session.source, *family)).unwrap_or_default();
            let advertised = up.zip(group).map_or(0, |(session, group)| group.advertised(session.source, *family));
            NeighborFamilyStatus {
                family: *family,
                negotiated: up.is_some_and(|session| session.negotiated.families.contains(family)),
                end_of_rib: up.is_some_and(|session| session.ends_of_rib.contains(family)),
                received: counts.received,
                accepted: counts.accepted,
                advertised: advertised as u64,
            }
        });
        let connections = neighbor.connections.values().filter_map(|id| self.connections.get(id));
        NeighborStatus {
            address,
            port: config.port,
            asn: config.asn,
            kind: if config.asn == self.config.asn { SourceKind::Internal } else { SourceKind::External },
            passive: config.passive,
            import: config.import.clone(),
            export: config.export.clone(),
            state: peer.state(),
            uptime_seconds: peer.established_since().map(|since| now.since(since).as_secs()),
            router_id: up.map(|session| session.negotiated.peer_router_id),
            local_address: up.and_then(|session| session.local_address),
            hold_time: up.map(|session| session.negotiated.hold_time),
            families: families.collect(),
            messages_received: counters.received,
            messages_sent: counters.sent,
            errors_treated_as_withdraw: errors(OutcomeKind::TreatAsWithdraw),
            errors_attribute_discarded: errors(OutcomeKind::AttributeDiscard),
            established_count: counters.established,
            collisions: counters.collisions,
            unsent_octets: connections.map(|connection| connection.unsent).sum(),
            behind: up.zip(group).is_some_and(|(session, group)| group.is_behind(session.source, &self.rib)),
            last_reset: neighbor.last_reset.as_ref().map(|reason| Reason(reason).to_string()),
            last_error: neighbor.last_error.as_ref().map(|reason| Reason(reason).to_string()),
        }
    }

    fn new_connection(&mut self, neighbor: IpAddr, inner: peer::ConnectionId, local: Option<IpAddr>) -> ConnectionId {
        self.next_connection += 1;
        let id = ConnectionId(self.next_connection);
        self.connections.insert(id, Connection { neighbor, inner, local, unsent: 0, pieces: VecDeque::new() });
        if let Some(neighbor) = self.neighbors.get_mut(&neighbor) {
            neighbor.connections.insert(inner, id);
        }
        id
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id)
            && let Some(neighbor) = self.neighbors.get_mut(&connection.neighbor)
        {
            neighbor.connections.remove(&connection.inner);
        }
    }

    fn with(&mut self, id: ConnectionId, now: Time, input: impl FnOnce(&mut Peer, peer::ConnectionId)) {
        let Some(Connection { neighbor: address, inner, .. }) = self.connections.get(&id) else { return };
        let (address, inner) = (*address, *inner);
        if let Some(neighbor) = self.neighbors.get_mut(&address) {
            input(&mut neighbor.peer, inner);
        }
        self.settle(address, now);
    }

    /// After every input to a neighbour: what it said is acted on, and what that changed goes out.
    fn settle(&mut self, address: IpAddr, now: Time) {
        self.collect(address, now);
        self.pump(now);
    }

    fn collect(&mut self, address: IpAddr, now: Time) {
        while let Some(event) = self.neighbors.get_mut(&address).and_then(|neighbor| neighbor.peer.poll_event()) {
            self.handle_session_event(address, event, now);
        }
        while let Some(transmit) = self.neighbors.get_mut(&address).and_then(|neighbor| neighbor.peer.poll_transmit()) {
            self.hand_out(address, transmit, now);
        }
    }

    fn hand_out(&mut self, address: IpAddr, transmit: PeerTransmit, now: Time) {
        match transmit {
            PeerTransmit::Connect(inner) => {
                let Some(neighbor) = self.neighbors.get(&address) else { return };
                let remote = SocketAddr::new(address, neighbor.config.port);
                let local = neighbor.config.local_address;
                let connection = self.new_connection(address, inner, local);
                self.transmits.push_back(Transmit::Connect { connection, local, remote });
            }
            PeerTransmit::Send(inner, octets) => {
                let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
                let Some(id) = neighbor.connections.get(&inner).copied() else { return };
                let Some(connection) = self.connections.get_mut(&id) else { return };
                // Something waits from here on; a timer that runs already goes on. Not only on the first octets: the
                // session does not measure before it is Established.
                neighbor.peer.handle_blocked(inner, true, now);
                connection.add(octets.len());
                self.transmits.push_back(Transmit::Send { connection: id, octets });
            }
            PeerTransmit::Close(inner) => {
                let id = self.neighbors.get(&address).and_then(|neighbor| neighbor.connections.get(&inner).copied());
                if let Some(id) = id {
                    self.forget(id);
                    self.transmits.push_back(Transmit::Close { connection: id });
                }
            }
        }
    }

    fn handle_session_event(&mut self, address: IpAddr, event: SessionEvent, now: Time) {
        let source = self.neighbors.get(&address).and_then(|neighbor| Some(neighbor.session.as_ref()?.source));
        match (event, source) {
            (SessionEvent::Established(negotiated), _) => self.session_up(address, negotiated),
            (SessionEvent::Closed(reason), _) => self.session_down(address, reason),
            (SessionEvent::Route(update), Some(source)) => self.rib.handle_routes(source, &update, now),
            (SessionEvent::EndOfRib(family), Some(_)) => {
                let session = self.neighbors.get_mut(&address).and_then(|neighbor| neighbor.session.as_mut());
                if let Some(session) = session {
                    session.ends_of_rib.insert(family);
                }
            }
            (SessionEvent::RefreshRequested(family), Some(source)) => {
                let session = self.neighbors.get(&address).and_then(|neighbor| neighbor.session.as_ref());
                if let Some(group) = session.and_then(|session| self.groups.get_mut(&session.terms)) {
                    group.handle_refresh(source, family);
                }
            }
            (SessionEvent::RefreshBegin(family), Some(source)) => self.rib.handle_refresh_begin(source, family),
            (SessionEvent::RefreshEnd(family), Some(source)) => self.rib.handle_refresh_end(source, family),
            (SessionEvent::FamilyDisabled(family), Some(source)) => self.rib.handle_family_down(source, family),
            (SessionEvent::Malformed(errors), _) => self.tell(Event::Malformed { neighbor: address, errors }),
            // Nothing of a session that is not up.
            (
                SessionEvent::Route(_)
                | SessionEvent::EndOfRib(_)
                | SessionEvent::RefreshRequested(_)
                | SessionEvent::RefreshBegin(_)
                | SessionEvent::RefreshEnd(_)
                | SessionEvent::FamilyDisabled(_),
                None,
            ) => {}
        }
    }

    fn session_up(&mut self, address: IpAddr, negotiated: Arc<Negotiated>) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let inner = neighbor.peer.connection();
        let Some(id) = inner.and_then(|inner| neighbor.connections.get(&inner).copied()) else { return };
        let local_address = self.connections.get(&id).and_then(|connection| connection.local);
        let config = &neighbor.config;
        let kind = match negotiated.peer_kind {
            PeerKind::Internal => SourceKind::Internal,
            PeerKind::External | PeerKind::Confederation | PeerKind::Unknown => SourceKind::External,
        };
        let policy_session = PolicySession {
            neighbor: Some(address),
            role: PolicySession::neighbor_role(negotiated.peer_role, negotiated.local_role),
            default_local_pref: self.config.default_local_pref,
            ..PolicySession::new(negotiated.local_asn, negotiated.peer_asn)
        };
        let source = self.rib.add_source(Source {
            kind,
            asn: negotiated.peer_asn,
            router_id: negotiated.peer_router_id,
            address: Some(address),
            local_address,
            import: config.import.bind(&policy_session),
            enforce_first_as: config.enforce_first_as,
        });
        let terms = ExportTerms {
            kind,
            policy: config.export.bind(&policy_session),
            local_asn: negotiated.local_asn,
            next_hop_v4: config.ipv4_next_hop(local_address),
            next_hop_v6: config.ipv6_next_hop(local_address),
            next_hop_self: config.next_hop_self,
            default_local_pref: self.config.default_local_pref,
            encode: negotiated.encode.clone(),
        };
        let group = self.groups.entry(terms.clone()).or_insert_with(|| UpdateGroup::new(terms.clone()));
        group.join(source, negotiated.families.iter().copied(), negotiated.enhanced_route_refresh, &self.rib);
        let ends_of_rib = BTreeSet::new();
        // The group's own: equal terms that are also the same ones are found without a look into the policy.
        let terms = group.terms().clone();
        neighbor.session =
            Some(Established { source, connection: id, negotiated, local_address, terms, policy_session, ends_of_rib });
        self.tell(Event::Up { neighbor: address, kind });
    }

    fn session_down(&mut self, address: IpAddr, reason: CloseReason) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let session = neighbor.session.take();
        let was_up = session.is_some();
        let text = Reason(&reason).to_string();
        if was_up {
            neighbor.last_reset = Some(reason.clone());
        }
        neighbor.last_error = Some(reason);
        if let Some(Established { source, terms, .. }) = session {
            if let Some(group) = self.groups.get_mut(&terms) {
                group.leave(source, &mut self.rib);
            }
            self.drop_group_if_empty(&terms);
            self.rib.remove_source(source);
        }
        self.tell(Event::Down { neighbor: address, reason: text, was_up });
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() == EVENT_LIMIT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Gives each neighbour with room about one segment of what it has not been sent. If that was not all, the next
    /// turn is due at once: a turn stays short however much there is to send.
    fn pump(&mut self, now: Time) {
        self.pending = None;
        let up: Vec<IpAddr> = self
            .neighbors
            .iter()
            .filter(|(_, neighbor)| neighbor.session.is_some())
            .map(|(address, _)| *address)
            .collect();
        for address in up {
            self.pump_neighbor(address, now);
        }
    }

    fn pump_neighbor(&mut self, address: IpAddr, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let Some(session) = &neighbor.session else { return };
        let has_room = |connections: &BTreeMap<ConnectionId, Connection>, id: &ConnectionId| {
            connections.get(id).is_some_and(Connection::has_room)
        };
        let (source, id) = (session.source, session.connection);
        let Some(group) = self.groups.get_mut(&session.terms) else { return };
        if !group.is_behind(source, &self.rib) || !has_room(&self.connections, &id) {
            return;
        }
        let outgoing = group.poll_transmit(source, &mut self.rib);
        let behind = group.is_behind(source, &self.rib);
        for octets in outgoing.into_iter().flat_map(|outgoing| outgoing.octets) {
            neighbor.peer.handle_send(octets, now);
        }
        self.collect(address, now);
        if behind && has_room(&self.connections, &id) {
            self.pending = Some(now);
        }
    }
}

fn address_bits(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64 ^ address.to_bits() as u64,
    }
}
