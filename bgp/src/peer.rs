//! One neighbour: up to two sessions while both sides connect at once, and the rule that leaves one (RFC 4271 §6.8).
//!
//! A [`Session`] owns one connection; whether a connection may come in, and which of two stays, is decided here.
//! Connections have numbers, so that a driver can have both in hand. At most one session is ever Established.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::Time;

use crate::session::{
    ConnectMode, Event, InPlace, Negotiated, Session, SessionConfig, SessionCounters, SessionState, Transmit,
};
use crate::wire::{Family, Notification, UpdateView};

/// A connection's number: unique within its peer, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// What a peer wants done on its connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerTransmit {
    /// Open a connection to the neighbour under this number; answered with [`Peer::handle_connected`] or
    /// [`Peer::handle_closed`].
    Connect(ConnectionId),
    /// Write these octets: one or more whole messages.
    Send(ConnectionId, Bytes),
    /// Close the connection, or give up opening it, after what was sent before is written or a bounded time has passed.
    /// No more is heard of its number.
    Close(ConnectionId),
}

/// One neighbour.
#[derive(Debug)]
pub struct Peer {
    config: Arc<SessionConfig>,
    primary: Slot,
    /// Only while two connections exist or are being made.
    secondary: Option<Slot>,
    /// Of sessions that are no more.
    counters: SessionCounters,
    transmits: VecDeque<PeerTransmit>,
    events: VecDeque<Event>,
    next_connection: u64,
    seed: u64,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    connection: Option<ConnectionId>,
    /// We opened the connection, or are opening it.
    ours: bool,
    /// It takes the place of a session that stands if the neighbour means it.
    resumes: bool,
    /// [`Event::Established`] went out and its [`Event::Closed`] did not.
    up: bool,
}

/// A session younger than this may still see the neighbour's own connection come in, late in a collision; an older one
/// that sees a new connection of a neighbour that restarts gracefully (RFC 4724 §4.2) has been lost at the other end.
pub const SETTLED_TIME: Duration = Duration::from_secs(10);

/// Which of the two sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Primary,
    Secondary,
}

impl Peer {
    /// A neighbour that is stopped. `seed` is for the timers' jitter.
    pub fn new(config: Arc<SessionConfig>, seed: u64) -> Peer {
        Peer {
            primary: Slot::new(Session::new(config.clone(), seed), None),
            config,
            secondary: None,
            counters: SessionCounters::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            next_connection: 0,
            seed,
        }
    }

    /// The operator, or the configuration, wants the session up.
    pub fn handle_start(&mut self, now: Time) {
        self.primary.session.handle_start(now);
        self.settle(now);
    }

    /// The operator wants it down: Administrative Shutdown with a text for the other side's operator (RFC 9003).
    pub fn handle_stop(&mut self, text: &str, now: Time) {
        self.handle_stop_with(&Notification::shutdown(text), now);
    }

    /// Stops with another NOTIFICATION: deconfigured, maximum prefixes, reset.
    pub fn handle_stop_with(&mut self, notification: &Notification, now: Time) {
        if let Some(slot) = &mut self.secondary {
            slot.session.handle_stop(notification.clone(), now);
        }
        self.primary.session.handle_stop(notification.clone(), now);
        self.settle(now);
    }

    /// Another configuration: what sessions from here on go by. A session that stands keeps to the terms of its OPENs; if
    /// these are to change, stop it before.
    pub fn handle_config(&mut self, config: Arc<SessionConfig>) {
        self.primary.session.set_config(Arc::clone(&config));
        if let Some(slot) = &mut self.secondary {
            slot.session.set_config(Arc::clone(&config));
        }
        self.config = config;
    }

    /// The neighbour has opened a connection. `None`: it is not wanted, the driver closes it.
    ///
    /// Refused when stopped, when only we connect, in the pause after a protocol error (DampPeerOscillations), when there
    /// are two already, and when a session stands; but a neighbour that restarts gracefully may have lost that.
    pub fn handle_accepted(&mut self, now: Time) -> Option<ConnectionId> {
        let session = &mut self.primary.session;
        if self.config.mode == ConnectMode::Active || session.is_stopped() || session.is_damped() {
            return None;
        }
        if session.state() == SessionState::Idle {
            session.handle_start_passive(now);
        }
        let connection = self.new_connection();
        if self.primary.session.is_waiting() {
            self.primary.connection = Some(connection);
            self.primary.ours = false;
            self.primary.session.handle_accepted(now);
        } else if self.secondary.is_none() && (!self.primary.up || self.may_be_resumed(now)) {
            let seed = self.seed ^ connection.0;
            let mut slot = Slot::new(Session::new(self.config.clone(), seed), Some(connection));
            slot.resumes = self.primary.up;
            slot.session.set_failures(self.primary.session.failures());
            slot.session.handle_start_passive(now);
            slot.session.handle_accepted(now);
            self.secondary = Some(slot);
        } else {
            return None;
        }
        self.settle(now);
        Some(connection)
    }

    /// The connection asked for by [`PeerTransmit::Connect`] is open.
    pub fn handle_connected(&mut self, connection: ConnectionId, now: Time) {
        self.with(connection, now, |session| session.handle_connected(now));
    }

    /// The connection could not be opened, or is gone.
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Time) {
        if let Some(slot) = self.find(connection).and_then(|which| self.slot(which)) {
            slot.connection = None;
            slot.session.handle_closed(now);
            self.settle(now);
        }
    }

    /// Octets have come in on a connection.
    pub fn handle_bytes(&mut self, connection: ConnectionId, octets: &[u8], now: Time) {
        self.receive(connection, octets, now);
        while self.handle_message(connection, now) {}
    }

    /// Takes octets in; what is in them is handled by [`Peer::handle_message`].
    pub(crate) fn receive(&mut self, connection: ConnectionId, octets: &[u8], now: Time) {
        self.with(connection, now, |session| session.receive(octets));
    }

    /// Handles the first message that has come in whole; `false` if there is none. One at a time: an OPEN may have to be
    /// followed by a collision before the KEEPALIVE behind it counts, and who takes the events between messages finds
    /// their memory still at hand.
    pub(crate) fn handle_message(&mut self, connection: ConnectionId, now: Time) -> bool {
        let Some(which) = self.find(connection) else { return false };
        let more = self.slot(which).is_some_and(|slot| slot.session.step(now));
        self.settle(now);
        more
    }

    /// [`Session::step_in_place`] where a session stands alone: nothing but routes can come of it.
    pub(crate) fn handle_in_place(
        &mut self,
        connection: ConnectionId,
        now: Time,
        limit: usize,
        take: impl FnOnce(&UpdateView<'_>),
    ) -> InPlace {
        let alone = self.secondary.is_none() && self.primary.up && self.primary.connection == Some(connection);
        if alone { self.primary.session.step_in_place(now, limit, take) } else { InPlace::Left }
    }

    /// Whether [`Peer::poll_event`] has something to tell.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Octets that have come in and were not handled yet.
    pub(crate) fn waiting_octets(&self, connection: ConnectionId) -> usize {
        self.slots().find(|slot| slot.connection == Some(connection)).map_or(0, |slot| slot.session.waiting())
    }

    /// Whether there is a message in them.
    pub(crate) fn has_message(&self, connection: ConnectionId) -> bool {
        self.slots().any(|slot| slot.connection == Some(connection) && slot.session.has_message())
    }

    /// Whether the neighbour has stopped taking what is written on a connection, or takes it again (RFC 9687).
    pub fn handle_blocked(&mut self, connection: ConnectionId, blocked: bool, now: Time) {
        self.with(connection, now, |session| session.handle_blocked(blocked, now));
    }

    /// Sends whole messages that the owner has encoded. Nothing happens unless the session is Established.
    pub fn handle_send(&mut self, messages: Bytes, now: Time) {
        if let Some(slot) = self.established_mut() {
            slot.session.handle_send(messages, now);
            self.settle(now);
        }
    }

    /// Asks the neighbour for `family` again (RFC 2918).
    pub fn handle_refresh_request(&mut self, family: Family, now: Time) {
        if let Some(slot) = self.established_mut() {
            slot.session.handle_refresh_request(family, now);
            self.settle(now);
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.primary.session.handle_timeout(now);
        if let Some(slot) = &mut self.secondary {
            slot.session.handle_timeout(now);
        }
        self.settle(now);
    }

    /// What is to be done on the connections.
    pub fn poll_transmit(&mut self) -> Option<PeerTransmit> {
        self.transmits.pop_front()
    }

    /// What the owner is to know. [`Event::Established`] and [`Event::Closed`] are about the neighbour: the connection
    /// that loses a collision is not reported, only counted.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let secondary = self.secondary.as_ref().and_then(|slot| slot.session.poll_timeout());
        [self.primary.session.poll_timeout(), secondary].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The state of the session that is furthest.
    pub fn state(&self) -> SessionState {
        let secondary = self.secondary.as_ref().map(|slot| slot.session.state());
        secondary.into_iter().fold(self.primary.session.state(), SessionState::max)
    }

    /// In the pause after a protocol error: connections are refused until it is over (DampPeerOscillations).
    pub fn is_damped(&self) -> bool {
        self.primary.session.is_damped()
    }

    /// The terms of the established session.
    pub fn negotiated(&self) -> Option<&Arc<Negotiated>> {
        self.slots().find(|slot| slot.up).and_then(|slot| slot.session.negotiated())
    }

    /// The connection of the established session.
    pub fn connection(&self) -> Option<ConnectionId> {
        self.slots().find(|slot| slot.up).and_then(|slot| slot.connection)
    }

    /// When the session became Established, if it is.
    pub fn established_since(&self) -> Option<Time> {
        self.slots().find_map(|slot| slot.session.established_since())
    }

    /// What all its sessions have counted.
    pub fn counters(&self) -> SessionCounters {
        let mut counters = self.counters.clone();
        self.slots().for_each(|slot| counters.add(slot.session.counters().clone()));
        counters
    }

    /// The configuration it goes by.
    pub fn config(&self) -> &Arc<SessionConfig> {
        &self.config
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }

    fn slot(&mut self, which: Which) -> Option<&mut Slot> {
        match which {
            Which::Primary => Some(&mut self.primary),
            Which::Secondary => self.secondary.as_mut(),
        }
    }

    fn established_mut(&mut self) -> Option<&mut Slot> {
        std::iter::once(&mut self.primary).chain(&mut self.secondary).find(|slot| slot.up)
    }

    fn find(&self, connection: ConnectionId) -> Option<Which> {
        if self.primary.connection == Some(connection) {
            Some(Which::Primary)
        } else if self.secondary.as_ref().is_some_and(|slot| slot.connection == Some(connection)) {
            Some(Which::Secondary)
        } else {
            None
        }
    }

    fn new_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    /// Hands an input to a connection's session; connections that were closed have none.
    fn with(&mut self, connection: ConnectionId, now: Time, input: impl FnOnce(&mut Session)) {
        if let Some(slot) = self.find(connection).and_then(|which| self.slot(which)) {
            input(&mut slot.session);
            self.settle(now);
        }
    }

    /// After every input: takes what the sessions said, resolves a collision, and lets go of a session that is over.
    fn settle(&mut self, now: Time) {
        self.drain();
        if let Some(loser) = self.collision() {
            let resumed = self.secondary.as_ref().is_some_and(|slot| slot.resumes);
            let restarting = self.config.graceful_restart.as_ref().is_some_and(|restart| restart.restarting);
            if let Some(slot) = self.slot(loser) {
                // Without a NOTIFICATION: there is nobody at the other end; or there is, and would let go of the routes
                // that it keeps for us (RFC 4724 §4.2).
                if restarting || (resumed && loser == Which::Primary) {
                    slot.session.handle_closed(now);
                } else {
                    slot.session.handle_collision_lost(now);
                }
            }
            self.drain();
        }
        let primary_over = self.primary.is_over();
        if let Some(mut slot) = self.secondary.take_if(|slot| primary_over || slot.is_over()) {
            // The one that goes on is the primary; both over leaves the primary with its own pause.
            if !slot.is_over() {
                std::mem::swap(&mut self.primary, &mut slot);
            }
            self.counters.add(slot.session.take_counters());
        }
    }

    /// The neighbour may have lost this session and not have been able to say so (RFC 4724 §4.2).
    fn may_be_resumed(&self, now: Time) -> bool {
        let session = &self.primary.session;
        let restarts = session.negotiated().is_some_and(|negotiated| negotiated.graceful_restart.is_some());
        restarts && session.established_since().is_some_and(|since| now.since(since) >= SETTLED_TIME)
    }

    /// Which of two sessions has to go, once it can be said.
    fn collision(&self) -> Option<Which> {
        let secondary = self.secondary.as_ref()?;
        let (first, second) = (self.primary.session.state(), secondary.session.state());
        match (first, second) {
            // RFC 4724 §4.2: a good OPEN on a new connection says that the neighbour has restarted.
            (SessionState::Established, SessionState::OpenConfirm) if secondary.resumes => Some(Which::Primary),
            (SessionState::Established, _) if secondary.resumes => None,
            // RFC 4271 §6.8: a session that stands is kept.
            (SessionState::Established, _) => Some(Which::Secondary),
            (_, SessionState::Established) => Some(Which::Primary),
            (SessionState::OpenConfirm, SessionState::OpenConfirm) => {
                let negotiated = self.primary.session.negotiated()?;
                // RFC 4271 §6.8, RFC 6286 §2.3: the connection of the higher identifier stays, of the higher AS if they
                // are equal.
                let ours = (negotiated.local_router_id.to_u32(), negotiated.local_asn);
                let theirs = (negotiated.peer_router_id.to_u32(), negotiated.peer_asn);
                let keep_ours = ours > theirs;
                Some(if self.primary.ours == keep_ours { Which::Secondary } else { Which::Primary })
            }
            _ => None,
        }
    }

    fn drain(&mut self) {
        for which in [Which::Primary, Which::Secondary] {
            while let Some(transmit) = self.slot(which).and_then(|slot| slot.session.poll_transmit()) {
                self.transmit(which, transmit);
            }
            // Of two that end together the primary reports.
            let last = which == Which::Primary && self.secondary.as_ref().is_none_or(Slot::is_over);
            while let Some(event) = self.slot(which).and_then(|slot| slot.session.poll_event()) {
                let Some(slot) = self.slot(which) else { break };
                let report = match &event {
                    Event::Established(_) => {
                        slot.up = true;
                        true
                    }
                    Event::Closed(_) => std::mem::take(&mut slot.up) || last,
                    _ => true,
                };
                if report {
                    self.events.push_back(event);
                }
            }
        }
    }

    fn transmit(&mut self, which: Which, transmit: Transmit) {
        let fresh = (transmit == Transmit::Connect).then(|| self.new_connection());
        let Some(slot) = self.slot(which) else { return };
        let transmit = match transmit {
            Transmit::Connect => {
                slot.connection = fresh;
                slot.ours = true;
                fresh.map(PeerTransmit::Connect)
            }
            Transmit::Send(octets) => slot.connection.map(|connection| PeerTransmit::Send(connection, octets)),
            Transmit::Close => slot.connection.take().map(PeerTransmit::Close),
        };
        self.transmits.extend(transmit);
    }
}

impl Slot {
    const fn new(session: Session, connection: Option<ConnectionId>) -> Slot {
        Slot { session, connection, ours: false, resumes: false, up: false }
    }

    /// It has no connection and is opening none.
    fn is_over(&self) -> bool {
        self.session.state() == SessionState::Idle || self.session.is_waiting()
    }
}

#[cfg(test)]
mod tests;
