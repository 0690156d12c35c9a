//! The discovery machine: switches and ports here, links in `links.rs`, hosts in `hosts.rs`.
//!
//! Invariants, whatever the input: a host is on an Edge port that is up; both ends of a link exist, are up and in state Link; a port in
//! state Link is an end of a link; the generation grows by one with each change; a deadline that was handled is not due again.

mod conditions;
mod dhcp_servers;
mod flapping;
mod hosts;
mod links;
mod moves;
mod neighbors;
mod port;
mod schedule;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortId, PortNo, Time};

use crate::probe::{Probe, ProbeKey, ProbeWay};
use crate::{
    Change, DiscoveryConfig, EXPECTED_LINK_LIMIT, ExpectedLink, HostForgottenReason, LinkDownReason,
    MAX_PORTS_PER_SWITCH, MAX_QUEUED_PROBES, MIN_DWELL_PROBES, Network, Port, PortInfo, PortState,
    RECONNECTED_LINK_LIMIT, SWITCH_GRACE,
};
pub use dhcp_servers::DhcpServer;
use dhcp_servers::DhcpServers;
use flapping::Flap;
use links::{OddProbe, OddProbes, RefusedLink, RoundTrip};
use moves::Moves;
use port::PortControl;
pub use schedule::ProbePace;
use schedule::{ProbeClass, Schedule};
use timers::{Timer, Timers};

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

/// A question to the place where a host was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostInquiry {
    /// Where it was.
    pub port: PortId,
    /// Whose place.
    pub mac: MacAddr,
    /// What to ask for: one of its addresses.
    pub address: IpAddr,
}

/// A host of which the operator says where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticHost {
    /// Where it is.
    pub port: PortId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
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
    /// Probes made and queued to be sent.
    pub probes_sent: u64,
    /// Probes not made because too many were waiting to be sent.
    pub probes_dropped: u64,
    /// Probes of ours that came in and were good.
    pub probes_received: u64,
    /// Probes of another controller or of an earlier run.
    pub probes_foreign: u64,
    /// Frames that say they are a probe of this run and whose authentication code is wrong.
    pub probes_forged: u64,
    /// Probes of ours that took longer than a link may.
    pub probes_late: u64,
    /// Probes of ours that would have made a link of a port with hosts.
    pub probes_at_host_ports: u64,
    /// Probes of ours that came in a second time by the same port.
    pub probes_replayed: u64,
    /// Probes of ours that came in by a second port too: a hub, or someone relays them. The first port counts.
    pub probes_duplicated: u64,
    /// Probes of ours that came in too late, or whose port went down since.
    pub probes_stale: u64,
    /// Probes of ours that would have brought a link up which goes down too often.
    pub probes_damped: u64,
    /// LLDP frames of others.
    pub lldp_foreign: u64,
    /// LLDP neighbours not shown because there are too many, or too many new ones.
    pub neighbors_refused: u64,
    /// LLDP frames that can't be read.
    pub lldp_malformed: u64,
    /// LLDP frames from ports that are not there, are down, or whose switch is not connected.
    pub lldp_ignored: u64,
    /// Directions of links found.
    pub links_up: u64,
    /// Directions of links lost.
    pub links_down: u64,
    /// Directions of links whose far end changed without the link going down: a hub, or cables moved behind one.
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
    /// Addresses not recorded because they are a static host's.
    pub addresses_refused: u64,
    /// Addresses that gave way to newer ones because the host has too many.
    pub addresses_replaced: u64,
    /// Hosts that seemed to move and answered at their old place, or are said to be there, and addresses whose owners answered.
    pub moves_refused: u64,
    /// Hosts that seemed to move while too many did.
    pub moves_dropped: u64,
    /// Addresses that another host took over.
    pub addresses_moved: u64,
    /// Addresses that DHCP servers gave to hosts that are known.
    pub leases_learned: u64,
    /// Messages of DHCP servers that may not be such.
    pub dhcp_answers_refused: u64,
    /// Ports left out because their switch has too many.
    pub ports_refused: u64,
}

/// The discovery machine: see the crate's page.
#[derive(Debug)]
pub struct Discovery {
    config: DiscoveryConfig,
    key: ProbeKey,
    network: Network,
    counters: DiscoveryCounters,
    controls: BTreeMap<PortId, PortControl>,
    /// Sources of the links into a port.
    links_into: BTreeMap<PortId, BTreeSet<PortId>>,
    /// Switches that have not answered since links at them began to miss probes, with the sources of those links.
    silent: BTreeMap<DatapathId, BTreeSet<PortId>>,
    /// Those of them that nobody has asked yet.
    inquiries: BTreeSet<DatapathId>,
    /// When each switch connected, for the last time.
    connected_at: BTreeMap<DatapathId, Time>,
    /// How long a message to a switch and its answer take.
    round_trips: BTreeMap<DatapathId, RoundTrip>,
    /// Links that are not believed, by source. At most one for each port.
    refused: BTreeMap<PortId, RefusedLink>,
    /// Probes that nobody should send, by port. At most one entry for each port.
    odd_probes: BTreeMap<PortId, [OddProbes; OddProbe::ALL.len()]>,
    flaps: BTreeMap<PortId, Flap>,
    expected_links: BTreeSet<ExpectedLink>,
    only_expected: bool,
    stated_links: BTreeSet<ExpectedLink>,
    mtus: BTreeMap<PortId, u32>,
    moves: Moves,
    dhcp_servers: DhcpServers,
    timers: Timers,
    /// Foreign LLDP neighbours at all ports.
    lldp_neighbors: usize,
    /// Ports in the order in which their probes are due: links, which come first, and others.
    probe_queues: [BTreeSet<(Time, PortId)>; 2],
    schedule: Schedule,
    transmits: VecDeque<ProbeTransmit>,
    events: VecDeque<Change>,
}

impl Discovery {
    /// Other settings from here on: each port's next probe is still due when it was, and what follows has the new times.
    pub fn handle_config(&mut self, config: DiscoveryConfig) {
        self.schedule.set(&config);
        self.config = config;
    }

    /// A machine that knows nothing yet. `key` authenticates probes: it has to be secret and new in each run. `seed` decides everything
    /// random, so that a run can be repeated.
    pub fn new(config: DiscoveryConfig, key: [u8; 32], seed: u64, _now: Time) -> Discovery {
        let schedule = Schedule::new(&config, seed);
        Discovery {
            config,
            key: ProbeKey::new(key, seed),
            network: Network::new(seed),
            counters: DiscoveryCounters::default(),
            controls: BTreeMap::new(),
            links_into: BTreeMap::new(),
            silent: BTreeMap::new(),
            inquiries: BTreeSet::new(),
            connected_at: BTreeMap::new(),
            round_trips: BTreeMap::new(),
            refused: BTreeMap::new(),
            odd_probes: BTreeMap::new(),
            flaps: BTreeMap::new(),
            expected_links: BTreeSet::new(),
            only_expected: false,
            stated_links: BTreeSet::new(),
            mtus: BTreeMap::new(),
            moves: Moves::default(),
            dhcp_servers: DhcpServers::default(),
            timers: Timers::default(),
            lldp_neighbors: 0,
            probe_queues: Default::default(),
            schedule,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A switch connected, for the first time or again, and has exactly these ports.
    ///
    /// After a re-connection what was frozen counts again: links have [`RECONNECTED_LINK_LIMIT`] to be confirmed, ports that are missing
    /// or down take their links and hosts with them.
    pub fn handle_switch_up(&mut self, datapath_id: DatapathId, ports: Vec<PortInfo>, now: Time) {
        self.timers.clear(Timer::SwitchGrace(datapath_id));
        let switch = self.network.switches.entry(datapath_id).or_default();
        let was_connected = std::mem::replace(&mut switch.connected, true);
        if !was_connected {
            self.connected_at.insert(datapath_id, now);
        }
        let old: Vec<PortNo> = switch.ports.keys().copied().collect();
        self.emit(Change::SwitchUp(datapath_id));
        let listed: BTreeSet<PortNo> = ports.iter().map(|info| info.port_no).collect();
        for port_no in old {
            let port = PortId::new(datapath_id, port_no);
            if listed.contains(&port_no) {
                self.resume_port(port, now);
            } else {
                self.remove_port(port, now);
            }
        }
        for info in ports {
            self.update_port(datapath_id, info, now);
        }
        self.send_due_probes(now);
    }

    /// What a switch says that it is, after [`Discovery::handle_switch_up`] and before its changes are taken: see [`Switch::plain_openflow`](crate::Switch).
    pub fn set_plain_openflow(&mut self, datapath_id: DatapathId, plain: bool) {
        if let Some(switch) = self.network.switches.get_mut(&datapath_id) {
            switch.plain_openflow = plain;
        }
    }

    /// A switch's control connection was lost. Its data plane goes on, so its links and hosts stay, frozen, for [`SWITCH_GRACE`]; a
    /// link ends earlier only if a port at its other, connected end goes down.
    pub fn handle_switch_down(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(switch) = self.network.switches.get_mut(&datapath_id).filter(|switch| switch.connected) else {
            return;
        };
        switch.connected = false;
        self.round_trips.remove(&datapath_id);
        self.inquiries.remove(&datapath_id);
        let ports: Vec<PortNo> = switch.ports.keys().copied().collect();
        for port_no in ports {
            let port = PortId::new(datapath_id, port_no);
            let into: Vec<PortId> = self.links_into.get(&port).into_iter().flatten().copied().collect();
            into.into_iter().chain([port]).for_each(|source| self.end_doubt(source));
            self.timers.clear(Timer::Dwell(port));
            self.refresh_probing(port, None);
        }
        self.timers.set(Timer::SwitchGrace(datapath_id), now + SWITCH_GRACE);
        self.emit(Change::SwitchDown(datapath_id));
    }

    /// A port appeared or changed: OpenFlow's PORT_STATUS with reason ADD or MODIFY.
    pub fn handle_port(&mut self, datapath_id: DatapathId, info: PortInfo, now: Time) {
        self.update_port(datapath_id, info, now);
        self.send_due_probes(now);
    }

    /// A port is no more: OpenFlow's PORT_STATUS with reason DELETE.
    pub fn handle_port_removed(&mut self, port: PortId, now: Time) {
        self.remove_port(port, now);
        self.send_due_probes(now);
    }

    /// The rules that a switch holds say that this port leads to another switch: the port stays Unknown until the link is seen or
    /// [`EXPECTED_LINK_LIMIT`] is over. For a controller that started anew, after [`Discovery::handle_switch_up`]. A port that
    /// had become an edge meanwhile turns back.
    pub fn handle_expected_link(&mut self, port: PortId, now: Time) {
        match self.up_port(port).map(|port| port.state) {
            Some(PortState::Unknown) => {}
            Some(PortState::Edge) => self.set_state(port, PortState::Unknown, now),
            Some(PortState::Link) | None => return,
        }
        if let Some(control) = self.controls.get_mut(&port) {
            control.was_link = true;
        }
        self.hold_unknown(port, now + EXPECTED_LINK_LIMIT);
        self.send_due_probes(now);
    }

    /// How long the switch took to answer a message on its control connection, such as an echo request. Link latencies are measured with
    /// it.
    pub fn handle_round_trip(&mut self, datapath_id: DatapathId, round_trip: Duration, now: Time) {
        if self.is_connected(datapath_id) {
            let known = self.round_trips.entry(datapath_id);
            known.and_modify(|known| known.add(round_trip, now)).or_insert(RoundTrip::first(round_trip, now));
        }
    }

    /// An LLDP frame (ethertype 0x88cc) came in by this port: one of our probes, or a foreign neighbour's. Or a broadcast
    /// probe ([`probe::BDDP`](crate::probe::BDDP)).
    pub fn handle_frame(&mut self, port: PortId, frame: &[u8], now: Time) {
        self.receive(port, frame, now);
        self.send_due_probes(now);
    }

    /// A host's packet was seen. Counts only on Edge ports of connected switches, and only for a unicast MAC address.
    pub fn handle_host(&mut self, sighting: HostSighting, now: Time) {
        if sighting.mac.is_unicast() && self.network.takes_hosts(sighting.port) {
            self.learn(sighting, now);
        }
    }

    /// The rules that a switch holds say that this host is behind this port: it is learned as soon as the port is an edge, unless it
    /// was seen elsewhere by then. For a controller that started anew, after [`Discovery::handle_switch_up`].
    pub fn handle_expected_host(&mut self, sighting: HostSighting, now: Time) {
        self.expect_host(sighting, now);
    }

    /// The switch said that this host is silent (the rule for its packets idled out): it is forgotten if it is still there.
    pub fn handle_host_idle(&mut self, port: PortId, mac: MacAddr, _now: Time) {
        if self.network.hosts.get(&mac).is_some_and(|host| host.port == port) {
            self.forget(mac, HostForgottenReason::Idle);
        }
    }

    /// A switch that has to be asked for an answer, such as to an echo request, behind all probes that [`Discovery::poll_transmit`] has given. The answer goes
    /// to [`Discovery::handle_answered`].
    pub fn poll_inquiry(&mut self) -> Option<DatapathId> {
        self.inquiries.pop_first()
    }

    /// A switch has answered the last inquiry. A link whose probes are missing is down once both of its ends have: a control connection that is
    /// dead without a word is no reason.
    pub fn handle_answered(&mut self, datapath_id: DatapathId, now: Time) {
        self.settle_doubts(datapath_id, now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Dwell(port) => self.dwell_over(port, now),
                Timer::Neighbor(port) => self.neighbors_expired(port, now),
                Timer::Verdict(source) => self.verdict(source, now),
                Timer::Move(mac) => self.move_unanswered(mac, now),
                Timer::Claim(address) => self.claim_unanswered(address, now),
                Timer::SwitchGrace(datapath_id) => self.switch_gone(datapath_id, now),
                Timer::HostSilence(mac) => self.check_silence(mac, now),
            }
        }
        self.send_due_probes(now);
    }

    /// The next probe to send, as a packet-out.
    pub fn poll_transmit(&mut self) -> Option<ProbeTransmit> {
        loop {
            let transmit = self.transmits.pop_front()?;
            // The port may have gone down or the switch away since the probe was made.
            if self.controls.get(&transmit.port).is_some_and(|control| control.class.is_some()) {
                return Some(transmit);
            }
        }
    }

    /// The next change, already visible in [`Discovery::network`].
    pub fn poll_event(&mut self) -> Option<Change> {
        self.events.pop_front()
    }

    /// Whether the network has changed since events were last taken.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// All changes that [`Discovery::poll_event`] would give, without moving each: they are exchanged for an empty queue.
    pub fn swap_events(&mut self, empty: &mut VecDeque<Change>) {
        empty.clear();
        std::mem::swap(&mut self.events, empty);
    }

    /// When [`Discovery::handle_timeout`] is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let due = self.probe_queues.iter().filter_map(|queue| queue.first()).map(|(at, _)| *at).min();
        let probe = due.map(|at| (at.max(self.schedule.ready_at()), "probe"));
        match (self.timers.next(), probe) {
            (Some(timer), Some(probe)) => Some(if probe.0 < timer.0 { probe } else { timer }),
            (timer, probe) => timer.or(probe),
        }
    }

    /// The network now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// How often ports are probed now, and how soon a silent failure is seen.
    pub fn probe_pace(&self) -> ProbePace {
        let question = self.round_trips.values().map(RoundTrip::last).max().unwrap_or_default();
        self.schedule.pace(self.config.probe_misses.max(1), question)
    }

    /// What happened so far.
    pub fn counters(&self) -> &DiscoveryCounters {
        &self.counters
    }

    fn emit(&mut self, change: Change) {
        self.network.generation += 1;
        self.events.push_back(change);
    }

    fn is_connected(&self, datapath_id: DatapathId) -> bool {
        self.network.switches.get(&datapath_id).is_some_and(|switch| switch.connected)
    }

    fn up_port(&self, port: PortId) -> Option<&Port> {
        self.network.port(port).filter(|port| port.info.up)
    }

    fn update_port(&mut self, datapath_id: DatapathId, mut info: PortInfo, now: Time) {
        let port = PortId::new(datapath_id, info.port_no);
        let was_live = self.controls.get_mut(&port).is_some_and(|control| {
            control.was_live |= info.live;
            control.was_live
        });
        info.up &= info.live || !was_live;
        let (up, live) = (info.up, info.live);
        let Some(switch) = self.network.switches.get_mut(&datapath_id) else { return };
        let full = switch.ports.len() >= MAX_PORTS_PER_SWITCH;
        let (was_up, changed) = match switch.ports.get_mut(&info.port_no) {
            Some(known) => {
                let changed = known.info != info;
                (std::mem::replace(&mut known.info, info).up, changed)
            }
            None if !can_be_probed(info.port_no) => return,
            None if full => {
                self.counters.ports_refused += 1;
                return;
            }
            None => {
                let new = Port { info, state: PortState::Unknown, lldp_neighbor: None };
                switch.ports.insert(port.port_no, new);
                let mut control = PortControl::new();
                control.was_live = live;
                self.controls.insert(port, control);
                (false, true)
            }
        };
        if was_up && !up {
            self.count_port_down(port, LinkDownReason::PortDown, now);
            self.port_down(port, LinkDownReason::PortDown, HostForgottenReason::PortDown, now);
        }
        if changed {
            self.emit(Change::PortChanged(port));
        }
        if !was_up && up {
            self.begin_unknown(port, now);
        }
    }

    fn remove_port(&mut self, port: PortId, now: Time) {
        if self.network.port(port).is_none() {
            return;
        }
        if self.up_port(port).is_some() {
            self.count_port_down(port, LinkDownReason::PortRemoved, now);
        }
        self.port_down(port, LinkDownReason::PortRemoved, HostForgottenReason::PortRemoved, now);
        self.drop_port(port);
    }

    /// Takes a port that has no links and hosts any more out of the network.
    fn drop_port(&mut self, port: PortId) {
        if let Some(switch) = self.network.switches.get_mut(&port.datapath_id) {
            switch.ports.remove(&port.port_no);
        }
        self.controls.remove(&port);
        self.refused.remove(&port);
        self.odd_probes.remove(&port);
        self.dhcp_servers.forget(port);
        self.emit(Change::PortChanged(port));
    }

    /// Everything that hangs on the port being up ends: its links in both directions, its hosts, its state. The caller tells the
    /// change of the port itself.
    fn port_down(&mut self, port: PortId, link: LinkDownReason, host: HostForgottenReason, now: Time) {
        if let Some(shown) = self.network.port_mut(port) {
            shown.state = PortState::Unknown;
            shown.info.up = false;
        }
        self.timers.clear(Timer::Dwell(port));
        self.forget_neighbors(port);
        self.refresh_probing(port, None);
        if let Some(control) = self.controls.get_mut(&port) {
            control.reset();
        }
        self.refused.remove(&port);
        self.remove_links_at(port, link, now);
        self.forget_hosts_on(port, host);
    }

    /// A port of a switch that connected again and still has it; whether it is up comes next.
    fn resume_port(&mut self, port: PortId, now: Time) {
        let Some(state) = self.up_port(port).map(|port| port.state) else { return };
        if state == PortState::Unknown {
            let hold = self.controls.get(&port).map_or(Time::ZERO, |control| control.unknown_until);
            self.begin_unknown(port, now);
            self.hold_unknown(port, hold);
            return;
        }
        self.refresh_probing(port, Some(now));
        let into: Vec<PortId> = self.links_into.get(&port).into_iter().flatten().copied().collect();
        for source in into.into_iter().chain([port]) {
            self.end_doubt(source);
            if let Some(control) = self.controls.get_mut(&source) {
                control.unanswered = 0;
                control.confirm_until = now + RECONNECTED_LINK_LIMIT;
            }
        }
    }

    /// The port is Unknown from now on, for the dwell at least.
    fn begin_unknown(&mut self, port: PortId, now: Time) {
        let dwell = self.config.dwell;
        if let Some(control) = self.controls.get_mut(&port) {
            control.probes_since_unknown = 0;
            control.unknown_until = now + dwell;
        }
        self.timers.clear(Timer::Dwell(port));
        self.refresh_probing(port, Some(now));
    }

    /// The port stays Unknown until `until` at least.
    fn hold_unknown(&mut self, port: PortId, until: Time) {
        let Some(control) = self.controls.get_mut(&port) else { return };
        control.unknown_until = control.unknown_until.max(until);
        if self.timers.is_set(Timer::Dwell(port)) {
            self.timers.set(Timer::Dwell(port), control.unknown_until);
        }
    }

    fn dwell_over(&mut self, port: PortId, now: Time) {
        if self.up_port(port).is_some_and(|port| port.state == PortState::Unknown) {
            self.set_state(port, PortState::Edge, now);
        }
    }

    /// Changes the state of a port that is up, with all that follows.
    fn set_state(&mut self, port: PortId, state: PortState, now: Time) {
        let Some(shown) = self.network.port_mut(port).filter(|port| port.info.up && port.state != state) else {
            return;
        };
        let old = std::mem::replace(&mut shown.state, state);
        self.emit(Change::PortChanged(port));
        if old == PortState::Edge {
            self.forget_hosts_on(port, HostForgottenReason::PortBecameLink);
        }
        match state {
            PortState::Unknown => self.begin_unknown(port, now),
            PortState::Edge => {
                self.refresh_probing(port, None);
                self.adopt_static_hosts(port, now);
                self.adopt_expected_hosts(port, now);
            }
            PortState::Link => {
                self.timers.clear(Timer::Dwell(port));
                if let Some(control) = self.controls.get_mut(&port) {
                    control.expected_hosts.clear();
                    control.was_link = true;
                }
                // An edge is probed seldom: its own direction of the link should not wait for that.
                self.refresh_probing(port, if old == PortState::Edge { Some(now) } else { None });
            }
        }
    }

    /// Brings how the port is probed, and whether it takes hosts, in line with what it is. `at` asks for a probe at that time, if it is probed at all.
    fn refresh_probing(&mut self, port: PortId, at: Option<Time>) {
        let probed = self.is_connected(port.datapath_id);
        let state = self.up_port(port).filter(|_| probed).map(|port| port.state);
        if state == Some(PortState::Edge) {
            self.network.edges.insert(port, ());
        } else {
            self.network.edges.remove(&port);
        }
        let Some(control) = self.controls.get_mut(&port) else { return };
        let class = match state {
            Some(PortState::Edge) if control.was_link => Some(ProbeClass::Link),
            state => state.map(ProbeClass::from),
        };
        self.schedule.count(port.datapath_id, control.class, class);
        let (was_in, is_in) = (queue_of(control.class), queue_of(class));
        control.class = class;
        let next = match class {
            Some(_) => at.or(control.next_probe),
            None => None,
        };
        if control.next_probe != next || was_in != is_in {
            if let Some(old) = std::mem::replace(&mut control.next_probe, next) {
                self.probe_queues[was_in].remove(&(old, port));
            }
            if let Some(next) = next {
                self.probe_queues[is_in].insert((next, port));
            }
        }
    }

    /// Sends the probes that are due, as far as the budget goes.
    fn send_due_probes(&mut self, now: Time) {
        let is_due = |queue: &BTreeSet<(Time, PortId)>| queue.first().is_some_and(|(at, _)| *at <= now);
        while let Some(due) = self.probe_queues.iter().position(is_due) {
            if !self.schedule.take(now) {
                return;
            }
            let Some((_, port)) = self.probe_queues[due].pop_first() else { return };
            self.probe(port, now);
        }
    }

    /// The port's probe is due and out of the queue: settles what its earlier ones say, sends it, and queues the next.
    fn probe(&mut self, port: PortId, now: Time) {
        if let Some(control) = self.controls.get_mut(&port) {
            control.next_probe = None;
        }
        self.count_miss(port, now);
        let Some(class) = self.controls.get(&port).and_then(|control| control.class) else { return };
        let missing = self.controls.get(&port).map_or(0, |control| control.unanswered);
        self.send_probe(port, now);
        let interval = self.schedule.interval(port.datapath_id, class);
        // One is missing, and this is the last but one that may be: whether the link is dead should not wait for long.
        let misses = self.config.probe_misses;
        let hurries = schedule::hurries(misses) && missing + 2 == misses && self.network.links.contains_key(&port);
        let at = now + if hurries { schedule::hurried(interval) } else { interval };
        self.refresh_probing(port, Some(at));
    }

    fn send_probe(&mut self, port: PortId, now: Time) {
        if self.transmits.len() >= MAX_QUEUED_PROBES {
            self.counters.probes_dropped += 1;
            return;
        }
        let Some(shown) = self.network.port(port) else { return };
        let Some(control) = self.controls.get_mut(&port) else { return };
        // A link that LLDP comes through needs no other probe. One that only broadcasts come through may become such a link.
        let direct = self.network.links.contains_key(&port) && !self.network.crossing.contains(&port);
        let broadcast = self.config.broadcast_probes && !direct;
        for way in [ProbeWay::NearestBridge, ProbeWay::Broadcast].into_iter().take(1 + usize::from(broadcast)) {
            let probe = Probe { port, nonce: self.key.next_nonce(), sent_at: now, way };
            control.sent(probe.nonce, now);
            self.counters.probes_sent += 1;
            let frame = probe.encode(shown.info.hw_addr, &self.key);
            self.transmits.push_back(ProbeTransmit { port, frame });
        }
        control.unanswered = control.unanswered.saturating_add(1);
        if shown.state == PortState::Unknown {
            control.probes_since_unknown = control.probes_since_unknown.saturating_add(1);
            if control.probes_since_unknown == MIN_DWELL_PROBES {
                // The last of them has to have the time to come back, too.
                let at = control.unknown_until.max(now + self.config.dwell / 4);
                self.timers.set(Timer::Dwell(port), at);
            }
        }
    }

    fn switch_gone(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(switch) = self.network.switches.get(&datapath_id).filter(|switch| !switch.connected) else { return };
        let ports: Vec<PortNo> = switch.ports.keys().copied().collect();
        for port_no in ports {
            let port = PortId::new(datapath_id, port_no);
            self.port_down(port, LinkDownReason::SwitchGone, HostForgottenReason::SwitchGone, now);
            self.drop_port(port);
        }
        self.network.switches.remove(&datapath_id);
        self.connected_at.remove(&datapath_id);
        self.emit(Change::SwitchGone(datapath_id));
    }
}

/// Which queue a port waits in for its next probe.
const fn queue_of(class: Option<ProbeClass>) -> usize {
    match class {
        Some(ProbeClass::Link) => 0,
        Some(ProbeClass::Unknown | ProbeClass::Edge) | None => 1,
    }
}

/// Ports that a cable or the switch's own system can be behind. The other reserved numbers are no places in the network.
fn can_be_probed(port_no: PortNo) -> bool {
    port_no.is_physical() || port_no == PortNo::LOCAL
}
