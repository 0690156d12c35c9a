//! Hosts: where they are and which addresses they use.

use std::net::IpAddr;
use std::time::Duration;

use net::{MacAddr, PortId, Time};

use super::timers::Timer;
use super::{Discovery, HostSighting};
use crate::hosts::HostAt;
use crate::{Change, HOST_SILENCE_FACTOR, HostForgottenReason, MAX_ADDRESSES_PER_HOST, PortState};

impl Discovery {
    /// A unicast address on a port that takes hosts.
    pub(super) fn learn(&mut self, sighting: HostSighting, now: Time) {
        let HostSighting { port, mac, address } = sighting;
        let Some(at) = self.network.hosts.find(mac) else {
            if self.network.static_port(mac).is_some_and(|place| place != port) {
                return self.contest(mac, port, now);
            }
            return self.add_host(sighting, now);
        };
        let Some(host) = self.network.hosts.host(at) else { return };
        if host.port == port {
            let is_known = address.is_none_or(|address| host.addresses.contains(address));
            self.network.hosts.seen(at, address, now);
            self.seen_in_place(mac, now);
            if is_known {
                if let Some(address) = address {
                    self.owner_answered(address, mac, now);
                }
                return;
            }
        } else if !self.believes_move(at, sighting, now) || !self.move_host(at, mac, port, now) {
            return;
        }
        if let Some(address) = address
            && self.record_address(at, address, now)
        {
            self.emit(Change::HostAddressed(mac));
        }
    }

    pub(super) fn add_host(&mut self, sighting: HostSighting, now: Time) {
        let HostSighting { port, mac, address } = sighting;
        if self.network.hosts.len() >= self.config.max_hosts || !self.has_room(port) {
            self.counters.hosts_refused += 1;
            return;
        }
        let at = self.network.hosts.insert(mac, port, now);
        self.timers.set_first_silence(mac, now + self.silence_limit());
        if let Some(address) = address {
            self.record_address(at, address, now);
        }
        self.counters.hosts_learned += 1;
        self.emit(Change::HostLearned(mac));
    }

    /// Whether it is there now.
    pub(super) fn move_host(&mut self, at: HostAt, mac: MacAddr, port: PortId, now: Time) -> bool {
        if !self.has_room(port) {
            self.counters.hosts_refused += 1;
            return false;
        }
        let Some(from) = self.network.hosts.relocate(at, port, now) else { return false };
        self.counters.hosts_moved += 1;
        self.emit(Change::HostMoved { mac, from });
        true
    }

    fn has_room(&self, port: PortId) -> bool {
        self.network.hosts.count_on_port(port) < self.config.max_hosts_per_port
    }

    /// Whether the host's addresses changed. One that another host has is its own only when that host does not answer for it any more.
    pub(super) fn record_address(&mut self, at: HostAt, address: IpAddr, now: Time) -> bool {
        let Some(host) = self.network.hosts.host(at) else { return false };
        if !is_hosts_own(address) || host.addresses.contains(address) {
            return false;
        }
        let (mac, port) = (host.mac, host.port);
        if let Some(owner) = self.moves.static_owner(address).filter(|owner| *owner != mac) {
            self.counters.addresses_refused += 1;
            self.contest_address(address, owner, (mac, port), now);
            return false;
        }
        !self.owner_is_asked(address, mac, port, now) && self.take_address(at, address, now)
    }

    /// The address is this host's from now on, whoever had it. Of too many, the one that was not seen for longest goes.
    pub(super) fn take_address(&mut self, at: HostAt, address: IpAddr, now: Time) -> bool {
        let Some(host) = self.network.hosts.host(at) else { return false };
        if !is_hosts_own(address) || host.addresses.contains(address) {
            return false;
        }
        if host.addresses.len() >= MAX_ADDRESSES_PER_HOST {
            let mut oldest_first = host.addresses.newest_first().rev();
            let Some(oldest) = oldest_first.find(|address| self.moves.static_owner(*address) != Some(host.mac)) else {
                self.counters.addresses_refused += 1;
                return false;
            };
            self.counters.addresses_replaced += 1;
            self.network.hosts.remove_address(at, oldest);
        }
        let earlier = self.network.hosts.add_address(at, address, now);
        if let Some(earlier) = earlier.and_then(|earlier| self.network.hosts.host(earlier)) {
            let mac = earlier.mac;
            self.counters.addresses_moved += 1;
            self.emit(Change::HostAddressed(mac));
        }
        true
    }

    /// What the host used long ago is not its own any more.
    fn forget_old_addresses(&mut self, mac: MacAddr, now: Time) {
        let Some(at) = self.network.hosts.find(mac) else { return };
        let Some(host) = self.network.hosts.host(at) else { return };
        let mut given_up: Vec<IpAddr> = host.addresses.given_up(now - self.silence_limit()).collect();
        given_up.retain(|address| self.moves.static_owner(*address) != Some(mac));
        for address in &given_up {
            self.network.hosts.remove_address(at, *address);
        }
        if !given_up.is_empty() {
            self.emit(Change::HostAddressed(mac));
        }
    }

    pub(super) fn forget(&mut self, mac: MacAddr, reason: HostForgottenReason) {
        let is_quiet = matches!(reason, HostForgottenReason::Idle | HostForgottenReason::Silent);
        if is_quiet && self.network.static_port(mac).is_some() {
            return;
        }
        let Some(host) = self.network.hosts.remove(mac) else { return };
        self.end_move(mac);
        self.moves.contested.remove(&mac);
        self.timers.clear(Timer::HostSilence(mac));
        let hosts = &self.network.hosts;
        self.timers.tidy_first_silences(hosts.len(), |mac| hosts.contains_key(mac));
        match reason {
            HostForgottenReason::Idle | HostForgottenReason::Silent => self.counters.hosts_expired += 1,
            _ => self.counters.hosts_forgotten += 1,
        }
        self.emit(Change::HostForgotten { host: Box::new(host), reason });
    }

    pub(super) fn forget_hosts_on(&mut self, port: PortId, reason: HostForgottenReason) {
        let mut macs: Vec<MacAddr> = self.network.hosts.on_port(port).map(|host| host.mac).collect();
        macs.sort_unstable();
        for mac in macs {
            self.forget(mac, reason);
        }
    }

    pub(super) fn expect_host(&mut self, sighting: HostSighting, now: Time) {
        let HostSighting { port, mac, address } = sighting;
        match self.up_port(port).map(|port| port.state) {
            Some(PortState::Edge) => self.learn_expected(sighting, now),
            Some(PortState::Unknown) if mac.is_unicast() => {
                let limit = self.config.max_hosts_per_port;
                let Some(control) = self.controls.get_mut(&port) else { return };
                if control.expected_hosts.len() >= limit && !control.expected_hosts.contains_key(&mac) {
                    self.counters.hosts_refused += 1;
                    return;
                }
                let addresses = control.expected_hosts.entry(mac).or_default();
                if let Some(address) = address.filter(|_| addresses.len() < MAX_ADDRESSES_PER_HOST) {
                    addresses.insert(address);
                }
            }
            Some(PortState::Unknown | PortState::Link) | None => {}
        }
    }

    pub(super) fn adopt_expected_hosts(&mut self, port: PortId, now: Time) {
        let Some(control) = self.controls.get_mut(&port) else { return };
        for (mac, addresses) in std::mem::take(&mut control.expected_hosts) {
            self.learn_expected(HostSighting { port, mac, address: None }, now);
            for address in addresses {
                self.learn_expected(HostSighting { port, mac, address: Some(address) }, now);
            }
        }
    }

    /// A rule on a switch is older than any packet seen since: it does not move a host.
    fn learn_expected(&mut self, sighting: HostSighting, now: Time) {
        let elsewhere = self.network.hosts.get(&sighting.mac).is_some_and(|host| host.port != sighting.port);
        if !elsewhere
            && sighting.mac.is_unicast()
            && self.up_port(sighting.port).is_some_and(|port| port.state == PortState::Edge)
        {
            self.learn(sighting, now);
        }
    }

    fn silence_limit(&self) -> Duration {
        self.config.host_timeout.saturating_mul(HOST_SILENCE_FACTOR)
    }

    /// Sightings don't move the timer, they are too many: when it fires it is seen whether there was one.
    pub(super) fn check_silence(&mut self, mac: MacAddr, now: Time) {
        let Some(host) = self.network.hosts.get(&mac) else { return };
        let frozen = !self.is_connected(host.port.datapath_id) || self.network.static_port(mac).is_some();
        let seen = if frozen { now } else { host.last_seen };
        let until = seen + self.silence_limit();
        if until > now {
            if self.is_connected(host.port.datapath_id) {
                self.forget_old_addresses(mac, now);
            }
            self.timers.set(Timer::HostSilence(mac), until);
        } else {
            self.forget(mac, HostForgottenReason::Silent);
        }
    }
}

/// An address that a station has for itself.
fn is_hosts_own(address: IpAddr) -> bool {
    let limited_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback() && !limited_broadcast
}
