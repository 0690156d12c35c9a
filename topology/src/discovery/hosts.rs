//! Hosts: where they are and which addresses they use.

use std::net::IpAddr;
use std::time::Duration;

use net::{MacAddr, PortId, Time};

use super::timers::Timer;
use super::{Discovery, HostSighting};
use crate::{
    Change, HOST_SILENCE_FACTOR, Host, HostForgottenReason, MAX_ADDRESSES_PER_HOST, Port, PortState, SeededMap,
};

impl Discovery {
    /// Whether hosts are learned on this port.
    pub(super) fn takes_hosts(&self, port: PortId) -> bool {
        let Some(switch) = self.network.switches.get(&port.datapath_id) else { return false };
        let is_edge = |port: &Port| port.info.up && port.state == PortState::Edge;
        switch.connected && switch.ports.get(&port.port_no).is_some_and(is_edge)
    }

    /// A unicast address on a port that takes hosts.
    pub(super) fn learn(&mut self, sighting: HostSighting, now: Time) {
        let HostSighting { port, mac, address } = sighting;
        match self.network.hosts.get_mut(&mac) {
            Some(host) if host.port == port => {
                host.last_seen = now;
                if address.is_none_or(|address| host.addresses.contains(address)) {
                    return;
                }
            }
            Some(_) => self.move_host(mac, port, now),
            None => return self.add_host(sighting, now),
        }
        if let Some(address) = address
            && self.network.hosts.get(&mac).is_some_and(|host| host.port == port)
            && self.record_address(mac, address)
        {
            self.emit(Change::HostAddressed(mac));
        }
    }

    fn add_host(&mut self, sighting: HostSighting, now: Time) {
        let HostSighting { port, mac, address } = sighting;
        if self.network.hosts.len() >= self.config.max_hosts || !self.enter(port, mac) {
            self.counters.hosts_refused += 1;
            return;
        }
        let host = Host { mac, port, addresses: Default::default(), since: now, last_seen: now };
        self.network.hosts.insert(mac, host);
        self.timers.set_first_silence(mac, now + self.silence_limit());
        if let Some(address) = address {
            self.record_address(mac, address);
        }
        self.counters.hosts_learned += 1;
        self.emit(Change::HostLearned(mac));
    }

    fn move_host(&mut self, mac: MacAddr, port: PortId, now: Time) {
        if !self.enter(port, mac) {
            self.counters.hosts_refused += 1;
            return;
        }
        let Some(host) = self.network.hosts.get_mut(&mac) else { return };
        let from = std::mem::replace(&mut host.port, port);
        host.since = now;
        host.last_seen = now;
        self.leave(from, mac);
        self.counters.hosts_moved += 1;
        self.emit(Change::HostMoved { mac, from });
    }

    /// Takes a host down as one on this port; false if the port has too many.
    fn enter(&mut self, port: PortId, mac: MacAddr) -> bool {
        if let Some(hosts) = self.hosts_on.get_mut(&port) {
            let room = hosts.len() < self.config.max_hosts_per_port;
            if room {
                hosts.insert(mac, ());
            }
            return room;
        }
        if self.config.max_hosts_per_port == 0 {
            return false;
        }
        let mut hosts = SeededMap::with_seed(self.seed);
        hosts.insert(mac, ());
        self.hosts_on.insert(port, hosts);
        true
    }

    /// Whether the host's addresses changed. An address that another host used is taken over: the newest sighting wins, as in an ARP cache.
    fn record_address(&mut self, mac: MacAddr, address: IpAddr) -> bool {
        if !is_hosts_own(address) {
            return false;
        }
        let Some(host) = self.network.hosts.get_mut(&mac) else { return false };
        if host.addresses.contains(address) {
            return false;
        }
        if host.addresses.len() >= MAX_ADDRESSES_PER_HOST {
            self.counters.addresses_refused += 1;
            return false;
        }
        host.addresses.insert(address);
        let earlier = self.network.host_by_address.insert(address, mac);
        if let Some(earlier) = earlier
            && let Some(host) = self.network.hosts.get_mut(&earlier)
        {
            host.addresses.remove(address);
            self.counters.addresses_moved += 1;
            self.emit(Change::HostAddressed(earlier));
        }
        true
    }

    pub(super) fn forget(&mut self, mac: MacAddr, reason: HostForgottenReason) {
        let Some(host) = self.network.hosts.remove(&mac) else { return };
        for address in host.addresses.iter() {
            self.network.host_by_address.remove(&address);
        }
        self.leave(host.port, mac);
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
        let hosts = self.hosts_on.remove(&port).unwrap_or_default();
        for &mac in hosts.keys() {
            self.forget(mac, reason);
        }
    }

    fn leave(&mut self, port: PortId, mac: MacAddr) {
        if let Some(hosts) = self.hosts_on.get_mut(&port) {
            hosts.remove(&mac);
            if hosts.is_empty() {
                self.hosts_on.remove(&port);
            }
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
        let frozen = !self.is_connected(host.port.datapath_id);
        let seen = if frozen { now } else { host.last_seen };
        let until = seen + self.silence_limit();
        if until > now {
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
