//! Turns: how much is done at a time, and whose work it is.
//!
//! An input does at most a slice of its neighbour's work. What is left waits in a ring of connections and is taken up
//! slice by slice in [`Speaker::handle_timeout`], which is due at once as long as anything waits. A neighbour that has
//! nothing waiting is served when its octets come, so that its one route is not behind another's million.

use super::{Connection, ConnectionId, LimitAction, Speaker, address_bits};
use crate::peer;
use crate::rib::Rib;
use crate::session::{Event as SessionEvent, InPlace};
use crate::wire::{Family, UpdateView};
use net::Time;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Octets of messages that one neighbour is served before another has its turn: some 500 routes, a fraction of a
/// millisecond. A message that was begun is finished.
pub(super) const SLICE_OCTETS: usize = 8 * 1024;

/// Routes of one message that are handled in one turn: one of 65,535 octets has thousands, and they are no more of a
/// slice than those of many messages.
const PART_ROUTES: usize = 2048;

/// Slices in a row, while more waits, until what they have changed is sent: many routes are packed at one time, and
/// receivers need not wait for a whole table.
const SLICES_PER_EXPORT: u32 = 8;

/// Prefixes that are visited in one turn, fewer where there are many paths, where something has happened to all routes of a neighbour: its session is over, its
/// import policy is another one, a refresh or a restart has ended. About a millisecond, and more than the routes that come
/// with a slice of messages: what goes is never behind what comes.
const WORK_PREFIXES: usize = 4096;

/// Log records looked at in one turn, for all neighbours together; about a millisecond. And as many again for those who have
/// taken what they were sent.
pub(super) const EXPORT_ROUTES: u64 = 4096;

/// Prefixes of each family that are looked at in one turn, fewer where there are many paths, where the way to some next
/// hop has changed.
const RESOLVED_PREFIXES: usize = 8192;

/// Routes sent in messages that were encoded for another neighbour cost so much less.
const SHARED_DISCOUNT: u64 = 8;

impl Speaker {
    /// Octets have come in. They may have to wait for their turn ([`Speaker::has_input`]); who hands in no more of a
    /// connection meanwhile keeps what waits small.
    pub fn handle_octets(&mut self, id: ConnectionId, octets: &[u8], now: Time) {
        let Some(Connection { neighbor: address, inner, waiting, .. }) = self.connections.get(&id) else { return };
        let (address, inner, waiting) = (*address, *inner, *waiting);
        if let Some(neighbor) = self.neighbors.get_mut(&address) {
            neighbor.peer.receive(inner, octets, now);
        }
        // Who has something waiting has it handled in its turn.
        if !waiting {
            self.serve(id, now);
        }
    }

    /// Whether octets of this connection wait for their turn.
    pub fn has_input(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.waiting)
    }

    /// Whether [`Speaker::handle_timeout`] has work to do at once, whatever the time.
    pub const fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// The next slice of what waits; `false` if nothing does.
    pub(super) fn serve_next(&mut self, now: Time) -> bool {
        while let Some(id) = self.waiting.pop_front() {
            if let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.waiting) {
                connection.waiting = false;
                self.serve(id, now);
                return true;
            }
        }
        false
    }

    /// One slice of a connection's messages.
    fn serve(&mut self, id: ConnectionId, now: Time) {
        let more = self.handle_messages(id, SLICE_OCTETS, now);
        if let Some(connection) = self.connections.get_mut(&id).filter(|_| more) {
            connection.waiting = true;
            self.waiting.push_back(id);
        }
        self.slices += 1;
        if more && self.slices < SLICES_PER_EXPORT {
            self.pending = Some(now);
        } else {
            self.pump(now);
        }
        // Whoever sends pays for what is left to do: nobody adds to it faster than it is done.
        if self.rib.work(WORK_PREFIXES) {
            self.pending = Some(now);
        }
    }

    /// A slice of what is left to do in the tables; `false`: there was nothing, or it is time to send what has changed.
    pub(super) fn work_on(&mut self, now: Time) -> bool {
        if !self.rib.work(WORK_PREFIXES) {
            return false;
        }
        self.slices += 1;
        self.pending = Some(now);
        self.rib.has_work() && self.slices < SLICES_PER_EXPORT
    }

    /// All that waits of a connection, before it is too late: it is at an end, or a timer that its messages would have
    /// stopped has run out. Who hands in octets as [`Speaker::handle_octets`] says has bounded that.
    pub(super) fn handle_all_messages(&mut self, id: ConnectionId, now: Time) {
        if let Some(connection) = self.connections.get_mut(&id)
            && std::mem::take(&mut connection.waiting)
        {
            self.handle_messages(id, usize::MAX, now);
        }
    }

    /// Handles messages of about so many octets; `true` if there are more.
    fn handle_messages(&mut self, id: ConnectionId, octets: usize, now: Time) -> bool {
        let Some(Connection { neighbor: address, inner, .. }) = self.connections.get(&id) else { return false };
        let (address, inner) = (*address, *inner);
        let more = self.handle_some(id, (address, inner), octets, now);
        self.check_attribute_octets(address, now);
        more
    }

    fn handle_some(
        &mut self,
        id: ConnectionId,
        (address, inner): (IpAddr, peer::ConnectionId),
        octets: usize,
        now: Time,
    ) -> bool {
        let Some(neighbor) = self.neighbors.get(&address) else { return false };
        let end = neighbor.peer.waiting_octets(inner).saturating_sub(octets);
        let in_turns = octets != usize::MAX;
        // Of a message in the turn before.
        if neighbor.peer.has_event() {
            if !in_turns {
                // All of it before the messages behind it: they may take back what it says.
                self.collect(address, now);
            } else if self.collect_some(address, now) {
                return true;
            }
        }
        loop {
            let Some(neighbor) = self.neighbors.get_mut(&address) else { return false };
            let limited = !neighbor.config.receive_limits.is_empty();
            let source = neighbor.session.as_ref().map(|session| session.source);
            let (peer, rib) = (&mut neighbor.peer, &mut self.rib);
            let mut handled = InPlace::Left;
            if let Some(source) = source {
                while peer.waiting_octets(inner) > end {
                    let take = |update: &UpdateView<'_>| rib.handle_in_place(source, update, now);
                    let became = peer.handle_in_place(inner, now, PART_ROUTES, take);
                    if became == InPlace::Left {
                        break;
                    }
                    handled = became;
                    if limited || became == InPlace::Part {
                        break;
                    }
                }
            }
            if handled != InPlace::Left && limited {
                // Limits are looked at after each message.
                Rib::FAMILIES.into_iter().for_each(|family| self.check_receive_limit(address, family, now));
            }
            if handled == InPlace::Part && in_turns {
                return self.connections.contains_key(&id);
            }
            if handled == InPlace::Part || (handled == InPlace::Whole && limited) {
                continue;
            }
            let Some(neighbor) = self.neighbors.get_mut(&address) else { return false };
            if neighbor.peer.waiting_octets(inner) <= end {
                break;
            }
            // Message by message: hundreds of them as routes at one time would be that many allocations to come by.
            if !neighbor.peer.handle_message(inner, now) {
                self.collect(address, now);
                break;
            }
            if in_turns {
                if self.collect_some(address, now) {
                    return true;
                }
            } else {
                self.collect(address, now);
            }
        }
        self.neighbors.get(&address).is_some_and(|neighbor| neighbor.peer.has_message(inner))
    }

    /// What the sessions of a neighbour say, up to about so many routes as one turn has; `true`: there is more. What they
    /// send, a last word above all, goes out when all of it has been heard.
    fn collect_some(&mut self, address: IpAddr, now: Time) -> bool {
        let mut left = PART_ROUTES;
        while left > 0
            && let Some(event) = self.neighbors.get_mut(&address).and_then(|neighbor| neighbor.peer.poll_event())
        {
            let routes = match &event {
                SessionEvent::Route(update) => {
                    update.withdrawn.len() + update.announced.as_ref().map_or(0, |announced| announced.nlri.len())
                }
                _ => 0,
            };
            self.handle_session_event(address, event, now);
            left = left.saturating_sub(routes);
        }
        if self.neighbors.get(&address).is_some_and(|neighbor| neighbor.peer.has_event()) {
            return true;
        }
        self.collect(address, now);
        false
    }

    /// Gives neighbours with room about one segment each of what they have not been sent. If that was not all, or too
    /// much for one turn, the next turn is due at once and goes on where this one stopped: a turn stays short however
    /// much there is to send, and to however many.
    pub(super) fn pump(&mut self, now: Time) {
        (self.slices, self.sent_cost) = (0, 0);
        // Other options on their way through the tables: the next slice.
        let reviewing = self.rib.review();
        let resolving = self.rib.resolve_next_hops(RESOLVED_PREFIXES);
        let busy = reviewing || resolving || !self.waiting.is_empty() || self.rib.has_work();
        self.pending = busy.then_some(now);
        if self.deferral.is_some() || self.stopping {
            return;
        }
        if self.aggregate(now) {
            self.pending = Some(now);
        }
        let mut up: Vec<IpAddr> = self
            .neighbors
            .iter()
            .filter(|(_, neighbor)| neighbor.session.is_some())
            .map(|(address, _)| *address)
            .collect();
        let first = self.export_next.take().map_or(0, |next| up.partition_point(|address| *address < next));
        up.rotate_left(first);
        let mut left = EXPORT_ROUTES;
        for address in up {
            if left == 0 {
                self.export_next = Some(address);
                self.pending = Some(now);
                break;
            }
            left = left.saturating_sub(self.pump_neighbor(address, now));
        }
    }

    /// What it has cost, as a number of routes.
    pub(super) fn pump_neighbor(&mut self, address: IpAddr, now: Time) -> u64 {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return 0 };
        // What it is sent goes out once the session has been heard, and only then counts toward its window.
        if neighbor.peer.has_event() {
            return 0;
        }
        let interval = neighbor.config.advertisement_interval;
        let Some(session) = &mut neighbor.session else { return 0 };
        let has_room = |connections: &BTreeMap<ConnectionId, Connection>, id: &ConnectionId| {
            connections.get(id).is_some_and(Connection::has_room)
        };
        let (source, id) = (session.source, session.connection);
        // Who only wants a word about its limits is told after the fact.
        let limits = &neighbor.config.send_limits;
        let limit = |family: Family| {
            let limit = limits.get(&family).filter(|limit| limit.action != LimitAction::Warn)?;
            Some(usize::try_from(limit.count).unwrap_or(usize::MAX))
        };
        let Some(group) = self.groups.get_mut(session.group) else { return 0 };
        if !group.is_behind(source, &self.rib) || !has_room(&self.connections, &id) {
            return 0;
        }
        // RFC 4271 §9.2.1.1. What was begun is finished first: a whole table is one advertisement.
        session.held_back = session.next_advertisement.is_some_and(|at| now < at);
        if session.held_back {
            return 0;
        }
        let outgoing = group.poll_transmit_within(source, limit, &mut self.rib);
        let behind = group.is_behind(source, &self.rib);
        if !behind && !interval.is_zero() {
            session.next_advertisement = Some(now + jittered(interval, address, now));
        }
        let outgoing = outgoing.unwrap_or_default();
        let cost = outgoing.looked_at + (outgoing.announced + outgoing.withdrawn) / SHARED_DISCOUNT;
        for octets in outgoing.octets {
            neighbor.peer.handle_send(octets, now);
        }
        self.hand_out_all(address, now);
        self.check_send_limits(address, outgoing.over, now);
        if behind && has_room(&self.connections, &id) {
            self.pending = Some(now);
        }
        cost
    }
}

/// Three quarters of `interval` up to all of it (RFC 4271 §10), so that neighbours' timers do not beat together.
fn jittered(interval: Duration, address: IpAddr, now: Time) -> Duration {
    let mixed = (address_bits(address) ^ now.since(Time::ZERO).as_nanos() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    interval / 1000 * (750 + (mixed >> 32) as u32 % 251)
}
