//! Hosts that seem to have moved, and hosts that may not: a frame with somebody else's source address is soon made. Before a move is believed the
//! old place is asked; if it answers, or the operator has said where the host is, nothing moves and a condition tells of it. The same with an IP
//! address that somebody else says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use net::{MacAddr, PortId, Time};

use super::timers::Timer;
use super::{Discovery, HostInquiry, HostSighting, StaticHost};
use crate::hosts::HostAt;
use crate::{
    CONTESTED_HOST_PAUSE, Condition, Conditions, MAX_INQUIRIES_PER_HOST, MAX_PENDING_MOVES, MAX_PENDING_MOVES_PER_PORT,
    PortState,
};

/// How many pauses a condition tells of a contested host.
const TOLD_PAUSES: u32 = 10;

#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Where hosts seem to be, and the address that they said there.
    pub(super) pending: BTreeMap<MacAddr, (PortId, Option<IpAddr>)>,
    /// Addresses that somebody else said, while their owners are asked.
    pub(super) claims: BTreeMap<IpAddr, Claim>,
    /// At most [`MAX_INQUIRIES_PER_HOST`] for each of `pending` and one for each of `claims`.
    inquiries: VecDeque<HostInquiry>,
    /// Where somebody else used a host's address last, and when.
    pub(super) contested: BTreeMap<MacAddr, (PortId, Time)>,
    /// Who said an address last that its owner still has, and when.
    contested_addresses: BTreeMap<IpAddr, (Claim, Time)>,
    /// Where the operator says that hosts are.
    statics: BTreeMap<PortId, Vec<StaticHost>>,
    static_addresses: BTreeMap<IpAddr, MacAddr>,
}

/// Somebody says an address that is another host's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    owner: MacAddr,
    by: MacAddr,
    /// Where.
    at: PortId,
}

impl Moves {
    /// Whether no more is asked for what is seen at this port.
    fn is_full(&self, port: PortId) -> bool {
        let moves = self.pending.values().filter(|(at, _)| *at == port).count();
        let claims = self.claims.values().filter(|claim| claim.at == port).count();
        self.pending.len() + self.claims.len() >= MAX_PENDING_MOVES || moves + claims >= MAX_PENDING_MOVES_PER_PORT
    }

    /// Whose the operator says that this address is.
    pub(super) fn static_owner(&self, address: IpAddr) -> Option<MacAddr> {
        self.static_addresses.get(&address).copied()
    }

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
            let claim = self.moves.claims.get(&inquiry.address);
            if self.moves.pending.contains_key(&inquiry.mac) || claim.is_some_and(|it| it.owner == inquiry.mac) {
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
            let recorded = host.addresses.iter().filter(|address| self.take_address(at, **address, now)).count();
            if recorded > 0 {
                self.emit(crate::Change::HostAddressed(host.mac));
            }
        }
    }

    /// Whether a host that was seen at another port is there. If not, the old port may be asked.
    pub(super) fn believes_move(&mut self, at: HostAt, sighting: HostSighting, now: Time) -> bool {
        let HostSighting { port, mac, address } = sighting;
        let Some(host) = self.network.hosts.host(at) else { return false };
        let from = host.port;
        let asked: Vec<IpAddr> = host.addresses.newest_first().take(MAX_INQUIRIES_PER_HOST).collect();
        if self.network.static_port(mac) == Some(from) {
            self.contest(mac, port, now);
            return false;
        }
        let can_answer = !self.config.move_confirmation.is_zero() && self.network.takes_hosts(from);
        if !can_answer || asked.is_empty() {
            self.end_move(mac);
            return true;
        }
        let pause = |&(other, since): &(PortId, Time)| other == port && now.since(since) < CONTESTED_HOST_PAUSE;
        if self.moves.pending.contains_key(&mac) || self.moves.contested.get(&mac).is_some_and(pause) {
            return false;
        }
        if self.moves.is_full(port) {
            self.counters.moves_dropped += 1;
            return false;
        }
        self.moves.pending.insert(mac, (port, address));
        let claims = &self.moves.claims;
        self.moves.inquiries.retain(|inquiry| inquiry.mac != mac || claims.contains_key(&inquiry.address));
        self.moves.inquiries.extend(asked.into_iter().map(|address| HostInquiry { port: from, mac, address }));
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
            && self.record_address(at, address, now)
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

    /// Whether an address is another host's who is asked for it, or who has answered just now.
    pub(super) fn owner_is_asked(&mut self, address: IpAddr, by: MacAddr, at: PortId, now: Time) -> bool {
        let hosts = &self.network.hosts;
        let Some(owner) = hosts.find_owner(address).and_then(|owner| hosts.host(owner)) else { return false };
        let (owner, port) = (owner.mac, owner.port);
        if self.config.move_confirmation.is_zero() || !self.network.takes_hosts(port) {
            return false;
        }
        let pause = |(claim, since): &(Claim, Time)| claim.by == by && now.since(*since) < CONTESTED_HOST_PAUSE;
        if self.moves.claims.contains_key(&address) || self.moves.contested_addresses.get(&address).is_some_and(pause) {
            return true;
        }
        if self.moves.is_full(at) {
            self.counters.moves_dropped += 1;
            return true;
        }
        self.moves.claims.insert(address, Claim { owner, by, at });
        self.moves.inquiries.push_back(HostInquiry { port, mac: owner, address });
        self.timers.set(Timer::Claim(address), now + self.config.move_confirmation);
        true
    }

    /// A host was seen where it is, with an address that it has.
    pub(super) fn owner_answered(&mut self, address: IpAddr, mac: MacAddr, now: Time) {
        if self.moves.claims.get(&address).is_some_and(|claim| claim.owner == mac)
            && let Some(claim) = self.moves.claims.remove(&address)
        {
            self.timers.clear(Timer::Claim(address));
            self.counters.moves_refused += 1;
            self.contest_address(address, mac, (claim.by, claim.at), now);
        }
    }

    /// The owner of an address did not answer: it is whose who said it last.
    pub(super) fn claim_unanswered(&mut self, address: IpAddr, now: Time) {
        let Some(claim) = self.moves.claims.remove(&address) else { return };
        self.moves.contested_addresses.remove(&address);
        // A DHCP server may have given it to a third.
        let owner = self.network.hosts.at(address).map(|host| host.mac);
        if owner.is_none_or(|owner| owner == claim.owner)
            && let Some(at) = self.network.hosts.find(claim.by)
            && !self.moves.is_anothers(address, claim.by)
            && self.take_address(at, address, now)
        {
            self.emit(crate::Change::HostAddressed(claim.by));
        }
    }

    pub(super) fn contest_address(&mut self, address: IpAddr, owner: MacAddr, by: (MacAddr, PortId), now: Time) {
        let contested = &mut self.moves.contested_addresses;
        if contested.len() >= MAX_PENDING_MOVES {
            contested.retain(|_, (_, at)| now.since(*at) <= CONTESTED_HOST_PAUSE * TOLD_PAUSES);
        }
        if contested.len() < MAX_PENDING_MOVES || contested.contains_key(&address) {
            contested.insert(address, (Claim { owner, by: by.0, at: by.1 }, now));
        }
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
        let is_told = |since: Time| now.since(since) <= CONTESTED_HOST_PAUSE * TOLD_PAUSES;
        for (&mac, &(at, since)) in &self.moves.contested {
            let known = self.network.hosts.get(&mac).map(|host| host.port);
            if let Some(port) = known.or(self.network.static_port(mac))
                && is_told(since)
                && port != at
            {
                found.add(Condition::HostContested { mac, port, at });
            }
        }
        for (&address, &(Claim { owner, by, at }, since)) in &self.moves.contested_addresses {
            let known = self.network.hosts.at(address).filter(|host| host.mac == owner).map(|host| host.port);
            // Whoever takes the host's place takes its addresses too: that is told.
            let place_is_contested =
                self.moves.contested.get(&owner).is_some_and(|(elsewhere, since)| *elsewhere == at && is_told(*since));
            if let Some(port) = known.or(self.network.static_port(owner))
                && is_told(since)
                && !place_is_contested
            {
                found.add(Condition::AddressContested { address, mac: owner, port, by, at });
            }
        }
    }
}
