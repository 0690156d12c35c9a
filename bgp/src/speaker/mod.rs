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

mod aggregate;
mod config;
mod dynamic;
mod ends;
mod groups;
mod limit;
mod reconfigure;
mod restart;
mod restarting;
mod sessions;
mod status;
mod transport;
mod turn;

pub use aggregate::Aggregate;
pub use config::{BGP_PORT, Confederation, LocalAs, NeighborConfig, NeighborError, SpeakerConfig};
pub use dynamic::{DYNAMIC_LIMIT, DynamicNeighbors};
pub use limit::{ATTRIBUTE_OCTETS, LimitAction, PrefixLimit};
pub use reconfigure::Reconfigured;
pub use restart::RestartHelp;
pub use restarting::{RestartOffer, SELECTION_DEFERRAL_TIME};
pub use status::{AttributeErrorCount, LeftOutCount, NeighborFamilyStatus, NeighborStatus, SpeakerStatus, TableStatus};
pub use transport::{PASSWORD_LIMIT, Password, TransportOptions};

use crate::export::AdvertisedPage;
use crate::peer::{self, Peer, PeerTransmit};
use crate::policy::{Policy, PolicySession};
use crate::rib::{Page, Reach, Rib, RibConfig, SourceId, SourceKind};
use crate::session::Negotiated;
use crate::wire::notification::subcode::cease;
use crate::wire::{AttributeError, ErrorCode, Family, Notification};
use aggregate::Aggregates;
use bytes::Bytes;
use groups::{GroupId, Groups};
use limit::Held;
use net::{Ipv4Prefix, Ipv6Prefix, Prefix, Time};
use restart::Retained;
use restarting::Deferral;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A connection's number: unique within the speaker, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub(crate) u64);

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
        /// What its socket needs.
        options: TransportOptions,
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
    /// A session is over, and the neighbour's routes are kept until it is back (RFC 4724).
    Retained {
        /// The neighbour.
        neighbor: IpAddr,
    },
    /// A neighbour's routes are close to a limit, or over it. What follows is up to the limit's action.
    PrefixLimit {
        /// The neighbour.
        neighbor: IpAddr,
        /// Of this family.
        family: Family,
        /// So many there are.
        count: u64,
        /// So many are fine.
        limit: u64,
        /// Those that are sent to it, not those that it sent.
        sent: bool,
    },
    /// A neighbour's routes have more octets of attributes than they may. What follows is up to the limit's action.
    AttributeLimit {
        /// The neighbour.
        neighbor: IpAddr,
        /// So many there are, beyond what is free.
        octets: u64,
        /// So many are fine.
        limit: u64,
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
    groups: Groups,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    refused: u64,
    /// Somebody with room has not been sent everything, or input waits: the next turn is due at once.
    pending: Option<Time>,
    aggregates: Aggregates,
    default_kept: bool,
    /// It has started, and waits before it tells anybody anything.
    deferral: Option<Deferral>,
    /// All sessions are about to end.
    stopping: bool,
    /// Connections whose input waits, in the order of their turns. One that is gone may still be in it.
    waiting: VecDeque<ConnectionId>,
    /// Slices since the last export.
    slices: u32,
    /// What those who have taken what they were sent have cost since then, as a number of routes.
    sent_cost: u64,
    /// Where the export goes on.
    export_next: Option<IpAddr>,
    /// Totals of groups that are no more.
    segments: (u64, u64),
}

#[derive(Debug)]
struct Neighbor {
    config: NeighborConfig,
    /// The range of dynamic neighbours that it came from; it goes with its session.
    range: Option<Prefix>,
    peer: Peer,
    connections: BTreeMap<peer::ConnectionId, ConnectionId>,
    session: Option<Established>,
    /// What policies are bound to, from the first session on.
    policy_session: Option<PolicySession>,
    /// Routes of a session that is over, or of its successor that is not complete yet.
    retained: Option<Retained>,
    /// It is to stay down.
    held: Option<Held>,
    /// Of its last malformed UPDATE. A message holds some 64 errors at most, of its own octets.
    last_malformed: Vec<AttributeError>,
    /// In words.
    last_reset: Option<String>,
    last_error: Option<String>,
}

#[derive(Debug)]
struct Established {
    source: SourceId,
    connection: ConnectionId,
    negotiated: Arc<Negotiated>,
    local_address: Option<IpAddr>,
    group: GroupId,
    ends_of_rib: BTreeSet<Family>,
    /// Changes have gone out, and the next ones wait until then.
    next_advertisement: Option<Time>,
    /// There are some that wait for it.
    held_back: bool,
    /// Which limits the owner has heard of: family, sent, over.
    told: BTreeSet<(Family, bool, bool)>,
    /// That its routes' attributes are too many octets has been said.
    told_octets: bool,
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
    /// Its input waits for its turn.
    waiting: bool,
}

impl Neighbor {
    /// Its routes' source: the session's, or that of the session whose routes are kept.
    fn source(&self) -> Option<SourceId> {
        let kept = || Some(self.retained.as_ref()?.source);
        self.session.as_ref().map(|session| session.source).or_else(kept)
    }

    fn deadline(&self) -> Option<(Time, &'static str)> {
        let retained = self.retained.as_ref().and_then(Retained::deadline).map(|at| (at, "kept routes"));
        let held = self.held.as_ref().and_then(|held| held.until).map(|at| (at, "restart after a limit"));
        let held_back = self.session.as_ref().filter(|session| session.held_back);
        let next = held_back.and_then(|session| session.next_advertisement);
        let next = next.map(|at| (at, "MinRouteAdvertisementIntervalTimer"));
        self.peer.poll_timeout().into_iter().chain(retained).chain(held).chain(next).min_by_key(|(at, _)| *at)
    }
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
            import: config.import_options(),
            decision: config.decision,
            default_local_pref: config.default_local_pref,
            seed: config.seed,
        });
        let mut speaker = Speaker {
            rib,
            neighbors: BTreeMap::new(),
            groups: Groups::default(),
            connections: BTreeMap::new(),
            next_connection: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            refused: 0,
            pending: None,
            aggregates: Aggregates::default(),
            default_kept: false,
            deferral: None,
            stopping: false,
            waiting: VecDeque::new(),
            slices: 0,
            sent_cost: 0,
            export_next: None,
            segments: (0, 0),
            config,
        };
        for prefix in speaker.config.originate.clone() {
            speaker.rib.originate(prefix, now);
        }
        speaker.rib.set_next_hops(&speaker.config.next_hops);
        speaker.rib.set_martians(speaker.config.martians.clone());
        speaker.set_aggregates(&speaker.config.aggregates.clone());
        for range in &speaker.config.dynamic {
            range.check()?;
        }
        speaker.keep_default_routes();
        for neighbor in std::mem::take(&mut speaker.config.neighbors) {
            speaker.add_neighbor(neighbor, now)?;
        }
        speaker.defer_selection(now);
        Ok(speaker)
    }

    /// Adds a neighbour and starts its session.
    ///
    /// # Errors
    /// The neighbour is there already, or cannot be.
    pub fn add_neighbor(&mut self, config: NeighborConfig, now: Time) -> Result<(), NeighborError> {
        self.add(config, None, now)
    }

    fn add(&mut self, config: NeighborConfig, range: Option<Prefix>, now: Time) -> Result<(), NeighborError> {
        config.check(range.is_some())?;
        let address = config.address.to_canonical();
        if self.neighbors.contains_key(&address) {
            return Err(NeighborError::Duplicate(address));
        }
        let session = config.session_config(&self.config);
        // Different neighbours' timers must not beat together.
        let seed = self.config.seed ^ u64::from(config.asn.0).rotate_left(32) ^ address_bits(address);
        let mut peer = Peer::new(Arc::new(session), seed);
        let held = config.shutdown.as_deref().map(Held::shut_down);
        if held.is_none() {
            peer.handle_start(now);
        }
        let neighbor = Neighbor {
            config,
            range,
            peer,
            connections: BTreeMap::new(),
            session: None,
            policy_session: None,
            retained: None,
            held,
            last_malformed: Vec::new(),
            last_reset: None,
            last_error: None,
        };
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
        self.drop_retained(address);
        self.neighbors.remove(&address);
        self.connections.retain(|_, connection| connection.neighbor != address);
        self.pump(now);
        true
    }

    /// Ends all sessions with a Cease (administrative shutdown), and those with neighbours that are to keep our routes
    /// until we are back ([`NeighborConfig::restart`]) without a word. They stay down.
    pub fn stop(&mut self, now: Time) {
        let addresses: Vec<(IpAddr, bool)> =
            self.neighbors.iter().map(|(address, neighbor)| (*address, neighbor.config.restart.is_some())).collect();
        // What goes with one session must not be told on the next one, which ends too.
        self.stopping = true;
        for (address, restarts) in addresses {
            if restarts {
                self.leave_for_restart(address, now);
                continue;
            }
            if let Some(neighbor) = self.neighbors.get_mut(&address) {
                neighbor.peer.handle_stop("", now);
            }
            self.settle(address, now);
        }
        self.stopping = false;
    }

    /// Where a neighbour is sent a default route whatever the tables have, its place in them has to be known.
    fn keep_default_routes(&mut self) {
        let templates = self.config.dynamic.iter().map(|range| &range.template);
        let mut configs = self.config.neighbors.iter().chain(templates);
        if !self.default_kept && configs.any(|config| config.default_originate.is_some()) {
            self.default_kept = true;
            self.rib.keep(Prefix::V4(Ipv4Prefix::DEFAULT));
            self.rib.keep(Prefix::V6(Ipv6Prefix::DEFAULT));
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

    /// The way to next hops inside `prefix` has changed ([`Rib::set_next_hop`]): the best paths follow, in slices.
    pub fn set_next_hop(&mut self, prefix: Prefix, reach: Option<Reach>, now: Time) {
        self.rib.set_next_hop(prefix, reach);
        match reach {
            Some(reach) => self.config.next_hops.insert(prefix, reach),
            None => self.config.next_hops.remove(&prefix),
        };
        self.pump(now);
    }

    /// A neighbour's import policy changed: its routes are judged again, no session is reset.
    pub fn set_import_policy(&mut self, address: IpAddr, policy: Policy, now: Time) {
        self.take_import_policy(address.to_canonical(), policy);
        self.pump(now);
    }

    fn take_import_policy(&mut self, address: IpAddr, policy: Policy) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        neighbor.config.import = policy;
        let session = neighbor.policy_session.as_ref();
        if let Some((source, session)) = neighbor.source().zip(session) {
            let bound = neighbor.config.import.bind(session);
            self.rib.handle_import_policy(source, bound);
        }
    }

    /// A neighbour's export policy changed: it is sent what is different, no session is reset.
    pub fn set_export_policy(&mut self, address: IpAddr, policy: Policy, now: Time) {
        self.take_export_policy(address.to_canonical(), policy);
        self.pump(now);
    }

    fn take_export_policy(&mut self, address: IpAddr, policy: Policy) {
        if let Some(neighbor) = self.neighbors.get_mut(&address) {
            neighbor.config.export = policy;
            self.refresh_terms(address);
        }
    }

    /// Puts a neighbour into the update group that its configuration asks for now. It is sent what is different.
    fn refresh_terms(&mut self, address: IpAddr) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let (Some(session), Some(policy_session)) = (&mut neighbor.session, &neighbor.policy_session) else { return };
        let negotiated = &session.negotiated;
        let terms = neighbor.config.export_terms(&self.config, policy_session, negotiated, session.local_address);
        let (source, before) = (session.source, session.group);
        if let Some(group) = self.groups.get_mut(before).filter(|group| *group.terms() != terms)
            && let Some(moving) = group.hand_over(source, &mut self.rib)
        {
            let (id, group) = self.groups.with_terms(&terms);
            group.take_over(source, moving, &mut self.rib);
            session.group = id;
            self.drop_group_if_empty(before);
        }
    }

    fn drop_group_if_empty(&mut self, id: GroupId) {
        if let Some(group) = self.groups.take_if_empty(id) {
            let counters = group.counters();
            self.segments.0 += counters.segments_encoded;
            self.segments.1 += counters.segments_shared;
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
        self.add_dynamic(address, now);
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

    /// What the socket of an accepted connection needs.
    pub fn transport_options(&self, id: ConnectionId) -> TransportOptions {
        let neighbor = self.connections.get(&id).and_then(|connection| self.neighbors.get(&connection.neighbor));
        neighbor.map(|neighbor| neighbor.config.transport_options(self.config.asn)).unwrap_or_default()
    }

    /// The TCP MD5 passwords (RFC 2385) that listening sockets need to know before anybody connects.
    pub fn passwords(&self) -> BTreeMap<Prefix, Password> {
        let fixed = self.neighbors.values().filter(|neighbor| neighbor.range.is_none()).filter_map(|neighbor| {
            let host = if neighbor.config.address.is_ipv4() { 32 } else { 128 };
            Some((Prefix::new(neighbor.config.address, host)?, neighbor.config.password.clone()?))
        });
        let ranges =
            self.config.dynamic.iter().filter_map(|range| Some((range.prefix, range.template.password.clone()?)));
        ranges.chain(fixed).collect()
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
        self.handle_all_messages(id, now);
        self.with(id, now, |peer, inner| peer.handle_closed(inner, now));
        self.forget(id);
        self.drop_idle_dynamic(now);
    }

    /// So many octets of those handed out have been written.
    pub fn handle_sent(&mut self, id: ConnectionId, octets: usize, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.take(octets);
        let left = connection.unsent > 0;
        let (address, inner) = (connection.neighbor, connection.inner);
        // RFC 9687: the timer measures time without progress. This was progress.
        if let Some(Neighbor { peer, .. }) = self.neighbors.get_mut(&address) {
            peer.handle_blocked(inner, false, now);
            if left {
                peer.handle_blocked(inner, true, now);
            }
        }
        self.hand_out_all(address, now);
        // Its room is nobody else's. Many that have some at one time wait for the next turn.
        if self.sent_cost >= turn::EXPORT_ROUTES {
            self.pending = Some(now);
        } else if self.deferral.is_none() && !self.stopping {
            self.sent_cost += self.pump_neighbor(address, now);
        }
    }

    /// Acts on every deadline up to `now`, and does a turn of what waits.
    pub fn handle_timeout(&mut self, now: Time) {
        let served = self.serve_next(now) || self.work_on(now);
        self.end_deferral(now);
        let due: Vec<IpAddr> = self
            .neighbors
            .iter()
            .filter(|(_, neighbor)| neighbor.deadline().is_some_and(|(at, _)| at <= now))
            .map(|(address, _)| *address)
            .collect();
        if served && due.is_empty() {
            return;
        }
        for address in due {
            // A hold timer must not run out for what has come in time.
            let connections = self.neighbors.get(&address).map(|neighbor| neighbor.connections.clone());
            for id in connections.into_iter().flat_map(BTreeMap::into_values) {
                self.handle_all_messages(id, now);
            }
            if let Some(neighbor) = self.neighbors.get_mut(&address) {
                neighbor.peer.handle_timeout(now);
            }
            self.release_held(address, now);
            self.expire_retained(address, now);
            self.collect(address, now);
        }
        self.drop_idle_dynamic(now);
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
        let deferral = self.deferral.as_ref().map(|deferral| (deferral.until, "Selection_Deferral_Timer"));
        let peers = self.neighbors.values().filter_map(Neighbor::deadline);
        pending.into_iter().chain(deferral).chain(peers).min_by_key(|(at, _)| *at)
    }

    /// The tables.
    pub const fn rib(&self) -> &Rib {
        &self.rib
    }

    /// The tables, for followers.
    pub const fn rib_mut(&mut self) -> &mut Rib {
        &mut self.rib
    }

    /// A page of what a neighbour has sent, as received; see [`Rib::adj_rib_in`]. Empty while its session is down, unless
    /// its routes are kept for it.
    pub fn adj_rib_in(&self, address: IpAddr, family: Family, after: Option<Prefix>, limit: usize) -> Page {
        match self.neighbors.get(&address.to_canonical()).and_then(Neighbor::source) {
            Some(source) => self.rib.adj_rib_in(source, family, after, limit),
            None => Page { routes: Vec::new(), next: None },
        }
    }

    /// A page of what a neighbour has been sent; see [`UpdateGroup::adj_rib_out`](crate::export::UpdateGroup::adj_rib_out). Empty while its session is down.
    pub fn adj_rib_out(&self, address: IpAddr, family: Family, after: Option<Prefix>, limit: usize) -> AdvertisedPage {
        let session = self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref());
        let group = session.and_then(|session| Some((session.source, self.groups.get(session.group)?)));
        match group {
            Some((source, group)) => group.adj_rib_out(source, family, after, limit, &self.rib),
            None => AdvertisedPage { routes: Vec::new(), next: None },
        }
    }

    /// A neighbour has been sent `prefix` and no withdrawal since.
    pub fn is_advertised(&self, address: IpAddr, prefix: Prefix) -> bool {
        let session = self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref());
        session.is_some_and(|session| {
            self.groups.get(session.group).is_some_and(|group| group.holds(session.source, prefix, &self.rib))
        })
    }

    fn new_connection(&mut self, neighbor: IpAddr, inner: peer::ConnectionId, local: Option<IpAddr>) -> ConnectionId {
        self.next_connection += 1;
        let id = ConnectionId(self.next_connection);
        self.connections
            .insert(id, Connection { neighbor, inner, local, unsent: 0, pieces: VecDeque::new(), waiting: false });
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
        self.hand_out_all(address, now);
    }

    /// What the sessions of a neighbour send, if nothing that they said before is still to be heard.
    fn hand_out_all(&mut self, address: IpAddr, now: Time) {
        if self.neighbors.get(&address).is_some_and(|neighbor| neighbor.peer.has_event()) {
            return;
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
                let options = neighbor.config.transport_options(self.config.asn);
                let connection = self.new_connection(address, inner, local);
                self.transmits.push_back(Transmit::Connect { connection, local, remote, options });
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

    fn tell(&mut self, event: Event) {
        if self.events.len() == EVENT_LIMIT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

fn address_bits(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64 ^ address.to_bits() as u64,
    }
}
