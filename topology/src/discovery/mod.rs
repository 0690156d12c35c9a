//! The discovery machine.

use std::net::IpAddr;

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortId, Time};

use crate::{Change, DiscoveryConfig, Network, PortInfo};

/// A packet of a host was seen at a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostSighting {
    /// Where it came in.
    pub port: PortId,
    /// Its source MAC address.
    pub mac: MacAddr,
    /// The sender's IP address, if the packet says one (ARP, Neighbour Discovery, IP).
    pub address: Option<IpAddr>,
}

/// A frame to be sent out of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeTransmit {
    /// The port.
    pub port: PortId,
    /// The whole Ethernet frame.
    pub frame: Bytes,
}

/// What happened, in numbers that only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DiscoveryCounters {
    /// Probes handed out to be sent.
    pub probes_sent: u64,
    /// Probes not sent because too many were waiting to be.
    pub probes_dropped: u64,
    /// Probes of ours that came in and were good.
    pub probes_received: u64,
    /// Frames that say they are a probe and whose authentication code is wrong.
    pub probes_forged: u64,
    /// Probes of ours that came in a second time by the same port.
    pub probes_replayed: u64,
    /// Probes of ours that came in by a second port: a hub, or someone relays them.
    pub probes_duplicated: u64,
    /// Probes of ours that came in too late, or whose port is no more what it was.
    pub probes_stale: u64,
    /// LLDP frames of others.
    pub lldp_foreign: u64,
    /// LLDP frames that cannot be read.
    pub lldp_malformed: u64,
    /// Directions of links found.
    pub links_up: u64,
    /// Directions of links lost.
    pub links_down: u64,
    /// Directions of links whose far end changed without the link going down.
    pub link_far_ends_changed: u64,
    /// Hosts learned.
    pub hosts_learned: u64,
    /// Hosts moved.
    pub hosts_moved: u64,
    /// Hosts forgotten because they were silent.
    pub hosts_expired: u64,
    /// Hosts forgotten for another reason.
    pub hosts_forgotten: u64,
    /// Hosts not learned because a limit was reached.
    pub hosts_refused: u64,
    /// Addresses not recorded because the host has too many.
    pub addresses_refused: u64,
    /// Addresses that another host took over.
    pub addresses_moved: u64,
}

/// The discovery machine: see the crate's page.
#[derive(Debug)]
pub struct Discovery {
    network: Network,
    counters: DiscoveryCounters,
}

impl Discovery {
    /// A machine that knows nothing yet. `key` authenticates probes and must be new in each run; `seed` decides everything random.
    pub fn new(_config: DiscoveryConfig, _key: [u8; 32], _seed: u64, _now: Time) -> Discovery {
        Discovery { network: Network::default(), counters: DiscoveryCounters::default() }
    }

    /// A switch connected, for the first time or again, and has these ports.
    pub fn handle_switch_up(&mut self, _datapath_id: DatapathId, _ports: Vec<PortInfo>, _now: Time) {}

    /// A switch's control connection was lost.
    pub fn handle_switch_down(&mut self, _datapath_id: DatapathId, _now: Time) {}

    /// A port appeared or changed.
    pub fn handle_port(&mut self, _datapath_id: DatapathId, _info: PortInfo, _now: Time) {}

    /// A port is no more.
    pub fn handle_port_removed(&mut self, _port: PortId, _now: Time) {}

    /// The rules that a switch holds say that this port leads to another switch.
    pub fn handle_expected_link(&mut self, _port: PortId, _now: Time) {}

    /// An LLDP frame came in by this port.
    pub fn handle_frame(&mut self, _port: PortId, _frame: &[u8], _now: Time) {}

    /// A host's packet was seen.
    pub fn handle_host(&mut self, _sighting: HostSighting, _now: Time) {}

    /// The rules that a switch holds say that this host is behind this port.
    pub fn handle_expected_host(&mut self, _sighting: HostSighting, _now: Time) {}

    /// The switch said that this host is silent.
    pub fn handle_host_idle(&mut self, _port: PortId, _mac: MacAddr, _now: Time) {}

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Time) {}

    /// The next probe to send.
    pub fn poll_transmit(&mut self) -> Option<ProbeTransmit> {
        None
    }

    /// The next change, already visible in [`Discovery::network`].
    pub fn poll_event(&mut self) -> Option<Change> {
        None
    }

    /// When [`Discovery::handle_timeout`] is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// The network now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What happened so far.
    pub fn counters(&self) -> &DiscoveryCounters {
        &self.counters
    }
}
