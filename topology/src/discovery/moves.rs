//! Hosts that seem to have moved, and hosts that may not: a frame with somebody else's source address is soon made. Before a move is believed the
//! old place is asked; if it answers, or the operator has said where the host is, nothing moves and a condition tells of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use net::{MacAddr, PortId, Time};

use super::timers::Timer;
use super::{Discovery, HostInquiry, HostSighting, StaticHost};
use crate::hosts::HostAt;
use crate::{CONTESTED_HOST_PAUSE, Condition, Conditions, MAX_PENDING_MOVES, PortState};

/// How many pauses a condition tells of a contested host.
const TOLD_PAUSES: u32 = 10;

#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Where hosts seem to be, and the address that they said there.
    pub(super) pending: BTreeMap<MacAddr, (PortId, Option<IpAddr>)>,
    inquiries: VecDeque<HostInquiry>,
    /// Where somebody else used a host's address last, and when.
    pub(super) contested: BTreeMap<MacAddr, (PortId, Time)>,
    /// Where the operator says that hosts are.
    statics: BTreeMap<PortId, Vec<StaticHost>>,
    static_addresses: BTreeMap<IpAddr, MacAddr>,
}

impl Moves {
    /// The operator says that this address is another host's.
    pub(super) fn is_anothers(&self, address: IpAddr, mac: MacAddr) -> bool {
        self.static_addresses.get(&address).is_some_and(|owner| *owner != mac)
    }
}

impl Discovery {
    /// Hosts that are always there, whatever is seen: they do not age, do not move, and nobody takes their addresses. They are in the network while
    /// their port is an edge. Replaces those of before, which are ordinary hosts from now on. Of two for one MAC address the last counts.
    pub fn set_static_hosts(&mut self, hosts: Vec<StaticHost>, now: Time) {
        self.moves.statics.clear();
        self.moves.static_addresses.clear();
        let mut static_ports = BTreeMap::new();
        let by_mac: BTreeMap<MacAddr, StaticHost> = hosts.into_iter().map(|host| (host.mac, host)).collect();
        for host in by_mac.into_values().filter(|host| host.mac.is_unicast()) {
            static_ports.insert(host.mac, host.port);
            self.moves.static_addresses.extend(host.addresses.iter().map(|address| (*address, host.mac)));
            self.moves.statics.entry(host.port).or_default().push(host);
        }
        let before = std::mem::replace(&mut self.network.static_ports, Arc::new(static_ports));
        let ports: Vec<PortId> = self.moves.statics.keys().copied().collect();
        for port in ports {
            self.adopt_static_hosts(port, now);
        }
        // Those that are there as they were, and age no more, or again.
        let after = self.network.static_ports.clone();
        let either: BTreeSet<MacAddr> = before.keys().chain(after.keys()).copied().collect();
        for mac in either {
            let port = self.network.hosts.get(&mac).map(|host| host.port);
            if port.is_some() && (before.get(&mac) == port.as_ref()) != (after.get(&mac) == port.as_ref()) {
                self.emit(crate::Change::HostFixed(mac));
            }
        }
    }

    /// The next question to the place where a host was: an ARP request or a neighbour solicitation for the address, out of the port. Whatever
    /// of the host is seen there then is an answer.
    pub fn poll_host_inquiry(&mut self) -> Option<HostInquiry> {
        loop {
            let inquiry = self.moves.inquiries.pop_front()?;
            if self.moves.pending.contains_key(&inquiry.mac) {
                return Some(inquiry);
            }
        }
    }

    pub(super) fn adopt_static_hosts(&mut self, port: PortId, now: Time) {
        if self.up_port(port).is_none_or(|port| port.state != PortState::Edge) {
            return;
        }
        for host in self.moves.statics.get(&port).cloned().unwrap_or_default() {
            self.end_move(host.mac);
            let at = match self.network.hosts.find(host.mac) {
                Some(at) => {
                    let elsewhere = self.network.hosts.host(at).is_some_and(|known| known.port != port);
                    if elsewhere && !self.move_host(at, host.mac, port, now) {
                        continue;
                    }
                    at
                }
                None => {
                    self.add_host(HostSighting { port, mac: host.mac, address: None }, now);
                    let Some(at) = self.network.hosts.find(host.mac) else { continue };
                    at
                }
            };
            let recorded = host.addresses.iter().filter(|address| self.record_address(at, **address)).count();
            if recorded > 0 {
                self.emit(crate::Change::HostAddressed(host.mac));
            }
        }
    }

    /// Whether a host that was seen at another port is there. If not, the old port may be asked.
    pub(super) fn believes_move(&mut self, at: HostAt, sighting: HostSighting, now: Time) -> bool {
        let HostSighting { port, mac, address } = sighting;
        let Some(host) = self.network.hosts.host(at) else { return false };
        let (from, asked) = (host.port, host.addresses.iter().next());
        if self.network.static_port(mac) == Some(from) {
            self.contest(mac, port, now);
            return false;
        }
        let can_answer = !self.config.move_confirmation.is_zero() && self.network.takes_hosts(from);
        let (true, Some(asked)) = (can_answer, asked) else {
            self.end_move(mac);
            return true;
        };
        let pause = |&(other, since): &(PortId, Time)| other == port && now.since(since) < CONTESTED_HOST_PAUSE;
        if self.moves.pending.contains_key(&mac) || self.moves.contested.get(&mac).is_some_and(pause) {
            return false;
        }
        if self.moves.pending.len() >= MAX_PENDING_MOVES {
            self.counters.moves_dropped += 1;
            return false;
        }
        self.moves.pending.insert(mac, (port, address));
        self.moves.inquiries.retain(|inquiry| inquiry.mac != mac);
        self.moves.inquiries.push_back(HostInquiry { port: from, mac, address: asked });
        self.timers.set(Timer::Move(mac), now + self.config.move_confirmation);
        false
    }

    /// The host was seen where it is: it has not moved.
    pub(super) fn seen_in_place(&mut self, mac: MacAddr, now: Time) {
        if let Some((elsewhere, _)) = self.end_move(mac) {
            self.contest(mac, elsewhere, now);
        }
    }

    /// The old place of a host did not answer.
    pub(super) fn move_unanswered(&mut self, mac: MacAddr, now: Time) {
        let Some((port, address)) = self.end_move(mac) else { return };
        let Some(at) = self.network.hosts.find(mac).filter(|_| self.network.takes_hosts(port)) else { return };
        self.moves.contested.remove(&mac);
        if self.move_host(at, mac, port, now)
            && let Some(address) = address
            && self.record_address(at, address)
        {
            self.emit(crate::Change::HostAddressed(mac));
        }
    }

    /// What is asked about the host is asked no more.
    pub(super) fn end_move(&mut self, mac: MacAddr) -> Option<(PortId, Option<IpAddr>)> {
        if self.moves.pending.is_empty() {
            return None;
        }
        let pending = self.moves.pending.remove(&mac)?;
        self.timers.clear(Timer::Move(mac));
        Some(pending)
    }

    pub(super) fn contest(&mut self, mac: MacAddr, elsewhere: PortId, now: Time) {
        self.counters.moves_refused += 1;
        let contested = &mut self.moves.contested;
        if contested.len() >= MAX_PENDING_MOVES && !contested.contains_key(&mac) {
            contested.retain(|_, (_, at)| now.since(*at) <= CONTESTED_HOST_PAUSE * TOLD_PAUSES);
        }
        if contested.len() < MAX_PENDING_MOVES || contested.contains_key(&mac) {
            contested.insert(mac, (elsewhere, now));
        }
    }

    pub(super) fn contested_hosts(&self, now: Time, found: &mut Conditions) {
        for (&mac, &(at, since)) in &self.moves.contested {
            let known = self.network.hosts.get(&mac).map(|host| host.port);
            if let Some(port) = known.or(self.network.static_port(mac))
                && now.since(since) <= CONTESTED_HOST_PAUSE * TOLD_PAUSES
                && port != at
            {
                found.add(Condition::HostContested { mac, port, at });
            }
        }
    }
}
