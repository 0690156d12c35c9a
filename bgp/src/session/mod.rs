//! One BGP session: the state machine of RFC 4271 §8 without sockets or clock.
//!
//! The machine owns one connection at a time, which its driver opens, writes and closes on demand ([`Transmit`]).
//! Deadlines live in the state that needs them. Octets come in as they are read; framing and decode errors are the
//! machine's business. Who may connect (RFC 4271 events 14 and 15) and which of two connections stays is
//! [`crate::peer::Peer`]'s.
//!
//! ```text
//!           start            connected           OPEN              KEEPALIVE
//!   Idle ----------> Connect ---------> OpenSent ----> OpenConfirm ----------> Established
//!    ^  \             |   ^                |                |                       |
//!    |   \ passive    v   | retry          v lost           v                       v
//!    |    `--------> Active <--------------'         any error: NOTIFICATION, close |
//!    `------------------------------------------------------------------------------'
//! ```

mod config;
mod counters;
mod event;
mod machine;
mod negotiated;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use net::Time;

pub use config::{
    CONNECT_RETRY_TIME, ConnectMode, FamilyConfig, HOLD_TIME, IDLE_HOLD_TIME, SEND_HOLD_TIME, SessionConfig,
};
pub use counters::{MessageCounts, OutcomeKind, SessionCounters};
pub use event::{Announcement, CloseReason, Event, RouteUpdate, Transmit};
pub use negotiated::Negotiated;

use crate::wire::{
    DecodeContext, Family, HEADER_LENGTH, MESSAGE_LIMIT, MessageType, Notification, RefreshSubtype, RouteRefresh,
    UpdateView, frame_length,
};
use machine::{Input, Restart, State, Wait};

/// One session with one peer.
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    state: State,
    /// Octets that have come in and are not a whole message yet, or wait for their turn.
    input: BytesMut,
    /// The path attributes of the message in hand.
    block: Vec<u8>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    counters: SessionCounters,
    /// So many routes of the first message that waits have been handled in place.
    done: usize,
    /// ConnectRetryCounter: failures since the session was last stable.
    failures: u32,
    /// Families that were disabled in this session (RFC 7606 §2).
    disabled: BTreeSet<Family>,
    random: Random,
}

/// What became of a message in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InPlace {
    /// Nothing: it is not one that can be.
    Left,
    /// Some of its routes were handled, it is still the first one.
    Part,
    /// All of it was handled.
    Whole,
}

/// The six states of RFC 4271 §8.2.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SessionState {
    /// Nothing happens, or not yet again.
    Idle,
    /// A connection is being opened.
    Connect,
    /// Waiting for the peer to connect.
    Active,
    /// Our OPEN is sent.
    OpenSent,
    /// Both OPENs were fine, the peer's KEEPALIVE is missing.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

/// Longest time to wait for an OPEN (RFC 4271 §8.2.2 suggests a hold timer of four minutes in OpenSent).
pub const OPEN_HOLD_TIME: Duration = Duration::from_secs(240);
/// A session that stood for this long wipes out the failures before it: the next failure's pause is short again.
pub const STABLE_TIME: Duration = Duration::from_secs(120);

impl Session {
    /// A session that is stopped. `seed` is for the timers' jitter (RFC 4271 §10).
    pub fn new(config: Arc<SessionConfig>, seed: u64) -> Session {
        Session {
            config,
            state: State::Idle { restart: Restart::Never },
            input: BytesMut::new(),
            block: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            done: 0,
            counters: SessionCounters::default(),
            failures: 0,
            disabled: BTreeSet::new(),
            random: Random(seed),
        }
    }

    /// The operator, or the configuration, wants the session up. Event 1 or 3, or with [`ConnectMode::Passive`] 4 or 5.
    pub fn handle_start(&mut self, now: Time) {
        self.handle(Input::Start { passive: self.config.mode == ConnectMode::Passive }, now);
    }

    /// A connection is about to be handed in: starts the session without opening one of its own. Event 5.
    pub fn handle_start_passive(&mut self, now: Time) {
        self.handle(Input::Start { passive: true }, now);
    }

    /// The operator wants the session down; `notification` says so to the peer. Event 2 or 8.
    pub fn handle_stop(&mut self, notification: Notification, now: Time) {
        self.handle(Input::Stop(notification), now);
    }

    /// The connection asked for by [`Transmit::Connect`] is open. Event 16.
    pub fn handle_connected(&mut self, now: Time) {
        self.handle(Input::Connected, now);
    }

    /// The peer has opened a connection. Event 17.
    pub fn handle_accepted(&mut self, now: Time) {
        self.handle(Input::Accepted, now);
    }

    /// The connection could not be opened, or is gone. Event 18.
    pub fn handle_closed(&mut self, now: Time) {
        self.handle(Input::ConnectionFails, now);
    }

    /// This connection is the one to give up of two with the same peer (RFC 4271 §6.8). Event 23.
    pub fn handle_collision_lost(&mut self, now: Time) {
        self.handle(Input::CollisionDump, now);
    }

    /// Octets have come in. Events 19 to 22 and 24 to 28, as many as there are whole messages.
    pub fn handle_bytes(&mut self, octets: &[u8], now: Time) {
        self.receive(octets);
        while self.step(now) {}
    }

    /// Whether the peer has stopped taking what is written (`true`), or takes it again (RFC 9687).
    pub fn handle_blocked(&mut self, blocked: bool, now: Time) {
        self.handle(Input::Blocked(blocked), now);
    }

    /// Sends whole messages that the owner has encoded (UPDATE, ROUTE-REFRESH). Nothing happens unless Established.
    pub fn handle_send(&mut self, messages: Bytes, now: Time) {
        self.handle(Input::SendMessages(messages), now);
    }

    /// Asks the peer for `family` again (RFC 2918). Nothing happens unless it was negotiated.
    pub fn handle_refresh_request(&mut self, family: Family, now: Time) {
        self.handle(Input::SendRefresh(RouteRefresh::new(family, RefreshSubtype::REQUEST)), now);
    }

    /// Acts on every deadline up to `now`. Events 9 to 13 and 29.
    pub fn handle_timeout(&mut self, now: Time) {
        // Each expiry moves its deadline past `now` or leaves the state; the bound is for the reader.
        for _ in 0..8 {
            let Some(input) = self.state.due(now) else { return };
            self.handle(input, now);
        }
    }

    /// What is to be done on the connection.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What the owner is to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.state.deadlines().into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Which of the six states it is in.
    pub fn state(&self) -> SessionState {
        self.state.name()
    }

    /// The agreed terms, from the peer's OPEN on.
    pub fn negotiated(&self) -> Option<&Arc<Negotiated>> {
        match &self.state {
            State::OpenConfirm { negotiated, .. } | State::Established { negotiated, .. } => Some(negotiated),
            _ => None,
        }
    }

    /// When the session became Established, if it is.
    pub fn established_since(&self) -> Option<Time> {
        match &self.state {
            State::Established { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// What was counted since the session was made.
    pub fn counters(&self) -> &SessionCounters {
        &self.counters
    }

    /// Idle for good: stopped, or never started.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, State::Idle { restart: Restart::Never })
    }

    /// Idle for a while because of a protocol error, and not to be started earlier (DampPeerOscillations).
    pub fn is_damped(&self) -> bool {
        matches!(self.state, State::Idle { restart: Restart::At { damped: true, .. } })
    }

    /// Waits for a connection and is not opening one.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Active { wait: Wait::Connection { .. } })
    }

    /// What the next OPEN and the next pause go by; a session that stands keeps to what it has negotiated.
    pub(crate) fn set_config(&mut self, config: Arc<SessionConfig>) {
        self.config = config;
    }

    pub(crate) fn take_counters(&mut self) -> SessionCounters {
        std::mem::take(&mut self.counters)
    }

    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) const fn set_failures(&mut self, failures: u32) {
        self.failures = failures;
    }

    /// Takes octets in without looking at them.
    pub(crate) fn receive(&mut self, octets: &[u8]) {
        // Without a connection there is nobody they could be from.
        if self.state.has_connection() {
            self.input.extend_from_slice(octets);
        }
    }

    /// Octets that have come in and were not handled yet.
    pub(crate) fn waiting(&self) -> usize {
        self.input.len()
    }

    /// Whether [`Session::step`] has something to do.
    pub(crate) fn has_message(&self) -> bool {
        let limit = self.negotiated().map_or(MESSAGE_LIMIT, |negotiated| negotiated.decode.message_limit);
        !matches!(frame_length(&self.input, limit), Ok(None))
    }

    /// Handles the first whole message where it stands, if that is possible: an UPDATE with nothing wrong in it and only
    /// routes of negotiated families, of which `take` gets at most `limit` at one time. Left, it is [`Session::step`]'s,
    /// which would have come to the same routes.
    pub(crate) fn step_in_place(&mut self, now: Time, limit: usize, take: impl FnOnce(&UpdateView<'_>)) -> InPlace {
        let State::Established { hold, negotiated, .. } = &mut self.state else { return InPlace::Left };
        let Ok(Some(length)) = frame_length(&self.input, negotiated.decode.message_limit) else { return InPlace::Left };
        let Some(frame) = self.input.get(..length) else { return InPlace::Left };
        if frame.get(HEADER_LENGTH - 1) != Some(&MessageType::UPDATE.0) {
            return InPlace::Left;
        }
        let Some(view) = UpdateView::parse(frame, &negotiated.decode, &mut self.block) else { return InPlace::Left };
        if !view.families().all(|family| negotiated.families.contains(&family) && !self.disabled.contains(&family)) {
            return InPlace::Left;
        }
        *hold = machine::hold_deadline(negotiated, now);
        // In a message of the usual length there are not that many.
        let next = if length > MESSAGE_LIMIT {
            let (part, next) = view.part(self.done, limit);
            take(&part);
            next
        } else {
            take(&view);
            None
        };
        if let Some(next) = next {
            self.done = next;
            return InPlace::Part;
        }
        self.done = 0;
        self.counters.received.count(MessageType::UPDATE);
        self.input.advance(length);
        InPlace::Whole
    }

    /// Handles the first whole message that has come in; `false` if there is none.
    pub(crate) fn step(&mut self, now: Time) -> bool {
        let negotiated = self.negotiated().cloned();
        let limit = negotiated.as_ref().map_or(MESSAGE_LIMIT, |negotiated| negotiated.decode.message_limit);
        let length = match frame_length(&self.input, limit) {
            Ok(None) => return false,
            Ok(Some(length)) => length,
            Err(error) => {
                self.handle(Input::HeaderError(error), now);
                return false;
            }
        };
        // What was handled in place does not come again: it would be counted twice, and what is both withdrawn and
        // announced would go and come again.
        let done = std::mem::take(&mut self.done);
        let frame = self.input.split_to(length);
        let kind = MessageType(frame.get(HEADER_LENGTH - 1).copied().unwrap_or_default());
        self.counters.received.count(kind);
        let mut input = match &negotiated {
            Some(negotiated) => Input::from_wire(kind, &frame, &negotiated.decode),
            None => Input::from_wire(kind, &frame, &DecodeContext::default()),
        };
        input.leave_out(done);
        self.handle(input, now);
        true
    }
}

/// The timers' jitter: SplitMix64, which is small and good enough for spreading timers.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Three quarters of `duration` up to all of it (RFC 4271 §10).
    fn jittered(&mut self, duration: Duration) -> Duration {
        let thousandths = 750 + (self.next() % 251) as u32;
        duration / 1000 * thousandths
    }
}

/// Counts the messages in a run of whole ones.
fn count_messages(counts: &mut MessageCounts, mut messages: &[u8]) {
    while let Some([high, low, kind]) = messages.get(16..HEADER_LENGTH) {
        let length = usize::from(u16::from_be_bytes([*high, *low])).max(HEADER_LENGTH);
        counts.count(MessageType(*kind));
        messages.advance(length.min(messages.len()));
    }
}
