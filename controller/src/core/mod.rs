//! The controller core: frames from switches in, frames to switches out, and everything between, without a socket, a lock or a clock.
//!
//! One turn: a channel decodes, discovery and host table learn, paths follow, applications state rules, the reconciler emits
//! the difference. The driver reads frames, calls [`Core::handle_frames`], writes what [`Core::take_output`] gives, and wakes the core
//! at [`Core::poll_timeout`]. The simulator does the same under virtual time.

mod admission;
mod auxiliary;
mod bypasses;
mod candidates;
mod configure;
mod connection;
mod counters;
mod counting;
mod malformed;
mod measured;
mod names;
mod packet_in;
mod port_mtu;
mod role;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::{DatapathId, PortId, PortNo, Time};
use openflow::{Action, ChannelConfig, ControllerRole, FrameError, Message, TableId, frame_length};
use topology::{Change, Conditions, Discovery, DiscoveryConfig, Network, ProbePace};

use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::app::{App, Effects, Event, PacketOuts, View, apps};
use crate::flow::{Again, AuditReport, Drift, FlowEvent, FlowSettings, Key, Owner, Reconciler, RefusedStep, TakenOver};
use crate::path::route::NamedRequest;
use crate::path::{Paths, Weights};

pub use admission::{Admission, AllowedDatapathIds};
use bypasses::Looking;
use candidates::Candidates;
pub use candidates::LinkQuestion;
pub use configure::{FabricSettings, Wiring};
use connection::{Claim, Connection, Stage};
pub use connection::{CloseCause, ConnectionId, FINISH_LIMIT, SwitchDescription};
pub use counters::CoreCounters;
pub use counting::{COUNT_LIMIT, CountingFailure, CountingNumber};
pub use malformed::Malformed;
pub use measured::Loads;
use measured::Measured;
pub use names::{NamedPort, NamedSwitch, SwitchNames};
use settle::Settling;

/// Output that may wait for a switch before packet-outs to it are dropped, and counted: nobody waits for them, and rules must still get through.
const PACKET_OUT_BACKLOG: usize = 1 << 20;

/// What the core needs to know beforehand.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Probes, dwell, ageing.
    pub discovery: DiscoveryConfig,
    /// Links and hosts that the operator says are there.
    pub wiring: Arc<Wiring>,
    /// What the configuration calls switches.
    pub names: Arc<SwitchNames>,
    /// Bandwidth to be set aside, for those who ask: [`crate::reservations`] follows it.
    pub reservations: Arc<[NamedRequest]>,
    /// Handshake and liveness of the switch connections.
    pub channel: ChannelConfig,
    /// How often port statistics are asked for.
    pub port_stats_interval: Duration,
    /// What links cost.
    pub weights: Arc<Weights>,
    /// A link that comes back is used when somebody has said that nothing goes wrong by it: see [`CoreEvent::LinksWait`].
    pub verifies_links: bool,
    /// The operator's rules.
    pub rules: Arc<OperatorRules>,
    /// Audits, bundles, and what becomes of rules of others.
    pub flows: FlowSettings,
    /// Who must not reach whom.
    pub isolation: Arc<Isolation>,
    /// What this controller wants to be to its switches. EQUAL is what every controller is to begin with: nothing is asked for.
    pub role: ControllerRole,
    /// The number of the election that gave the role; switches refuse an older one than they have seen (OpenFlow 1.3.5 §6.3.6).
    pub generation_id: u64,
    /// Key of the probes' authentication: random, one per run.
    pub probe_key: [u8; 32],
    /// Seed of everything that looks random.
    pub seed: u64,
}

impl Default for CoreConfig {
    fn default() -> CoreConfig {
        CoreConfig {
            discovery: DiscoveryConfig::default(),
            wiring: Arc::default(),
            weights: Arc::default(),
            verifies_links: false,
            names: Arc::default(),
            reservations: Arc::from([]),
            channel: ChannelConfig::default(),
            port_stats_interval: Duration::from_secs(5),
            rules: Arc::default(),
            flows: FlowSettings::default(),
            isolation: Arc::default(),
            role: ControllerRole::EQUAL,
            generation_id: 0,
            probe_key: [0; 32],
            seed: 0,
        }
    }
}

/// One message of a connection. Packet-ins are done with when their turn is over and can be lent; of anything else parts may be kept.
#[derive(Clone, Debug)]
pub enum Frame<'f> {
    /// Octets of its own.
    Own(Bytes),
    /// A part of what was read. Copied if it is not a packet-in.
    Lent(&'f [u8]),
}

impl Frame<'_> {
    /// The whole message, header first.
    pub fn as_octets(&self) -> &[u8] {
        match self {
            Frame::Own(octets) => octets,
            Frame::Lent(octets) => octets,
        }
    }

    /// The same with octets of its own.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Frame::Own(octets) => octets,
            Frame::Lent(octets) => Bytes::copy_from_slice(octets),
        }
    }
}

impl From<Bytes> for Frame<'_> {
    fn from(octets: Bytes) -> Self {
        Frame::Own(octets)
    }
}

/// What the core tells its driver.
#[derive(Clone, Debug)]
pub enum CoreEvent {
    /// A switch has finished its handshake and is not another one's double.
    SwitchConnected {
        /// The switch.
        datapath_id: DatapathId,
        /// Its connection.
        connection: ConnectionId,
        /// Rules of ours that were found on it.
        rules: usize,
        /// Since its connection was taken: handshake, questions and reading back.
        took: Duration,
    },
    /// A switch has lost its connection.
    SwitchDisconnected {
        /// The switch.
        datapath_id: DatapathId,
        /// Why.
        cause: CloseCause,
    },
    /// An auxiliary connection of a switch has finished its handshake.
    AuxiliaryConnected {
        /// The switch.
        datapath_id: DatapathId,
        /// The number of the connection at the switch.
        auxiliary_id: u8,
        /// The connection.
        connection: ConnectionId,
    },
    /// A switch has said what it is.
    SwitchDescribed {
        /// The switch.
        datapath_id: DatapathId,
        /// What it said.
        description: Box<SwitchDescription>,
    },
    /// A switch has answered a role request, or not.
    RoleGiven {
        /// The switch.
        datapath_id: DatapathId,
        /// Its connection. As slave it stands by: it is not followed by [`CoreEvent::SwitchConnected`].
        connection: ConnectionId,
        /// What this controller is to it now.
        role: ControllerRole,
        /// Why that is not what was asked for.
        why: Option<String>,
    },
    /// Flush the connection's output, then close it.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        cause: CloseCause,
    },
    /// The network has changed.
    Change(Change),
    /// Paths around a broken link stand everywhere.
    Rerouted {
        /// From the loss being known to the last switch's barrier.
        took: Duration,
    },
    /// Links have come, and nothing leads over them before [`Core::handle_links_verified`] answers this, or a second is over.
    LinksWait(Box<LinkQuestion>),
    /// Links that the verifier has refused are used: another one is lost, or the configuration says so.
    LinksUsed(Vec<PortId>),
    /// A link counts more or less by its load: ways may lead elsewhere.
    Weighed {
        /// In the direction out of this port.
        port: PortId,
        /// Of its bit rate, in parts of a thousand.
        permille: u16,
        /// What it costs from now on.
        cost: u32,
    },
    /// Something goes to a switch that has told that it cannot hold it. The first few of a connection.
    Foreseen {
        /// The switch.
        datapath_id: DatapathId,
        /// What goes out.
        what: String,
        /// What it has told, in words.
        why: String,
        /// The application that wants it, if one does.
        owner: Option<Owner>,
        /// The line of the configuration that states it, if one does.
        line: Option<u32>,
    },
    /// A switch that has been read back has rules of others where rules are stated, or more of others than can be looked at.
    TakenOver {
        /// The switch.
        datapath_id: DatapathId,
        /// Those that will be written over.
        taken: TakenOver,
        /// Of the first of these, the line of the configuration that states the rule, if one does.
        lines: Vec<Option<u32>>,
        /// How many of others were counted and not looked at.
        unread: u64,
    },
    /// A switch refused a rule, a group or a meter.
    Refused {
        /// The switch.
        datapath_id: DatapathId,
        /// What was refused.
        what: String,
        /// The switch's error, and what it has told before, in words.
        error: String,
        /// The application that wants it, if one still does.
        owner: Option<Owner>,
        /// The line of the configuration that states it, if one does.
        line: Option<u32>,
        /// When it is sent again.
        again: Again,
    },
    /// A switch has been audited; what was found is put right from here on.
    Audited {
        /// What was found.
        report: Box<AuditReport>,
        /// Of each difference, the line of the configuration that states the rule, if one does.
        lines: Vec<Option<u32>>,
    },
    /// A message that cannot be decoded; the channel has answered it.
    Malformed {
        /// The connection.
        connection: ConnectionId,
        /// Which message, and what is wrong with it.
        what: Malformed,
    },
    /// Port counters of a switch.
    PortStats {
        /// The switch.
        datapath_id: DatapathId,
        /// Some of its ports.
        stats: Vec<openflow::PortStats>,
    },
    /// A member of an isolated group sends so much to all that it is not sent on; told once a minute of a port.
    FloodDropped {
        /// Where it enters.
        from: PortId,
        /// Frames that were dropped since this was last told.
        before: u64,
    },
    /// A part of what a switch counts ([`Core::handle_counting`]).
    Counted {
        /// Which question it answers.
        number: CountingNumber,
        /// The part, or why there is none.
        part: Result<openflow::MultipartReplyBody, CountingFailure>,
        /// Nothing follows.
        last: bool,
    },
}

/// The controller core.
pub struct Core {
    config: CoreConfig,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Truth about who is who: a switch has one main connection, and one of each auxiliary number.
    claims: BTreeMap<Claim, ConnectionId>,
    /// Main connections of the switches that are ours to change.
    by_datapath: BTreeMap<DatapathId, ConnectionId>,
    /// Connections that wait for the probe of another one with their datapath id.
    waiting: BTreeSet<ConnectionId>,
    discovery: Discovery,
    paths: Paths,
    reconciler: Reconciler,
    apps: Vec<Box<dyn App>>,
    settling: Settling,
    measured: Measured,
    candidates: Candidates,
    looking: Looking,
    reroute_since: Option<Time>,
    /// Questions for counters so far.
    last_counting: u64,
    next_port_stats: Time,
    /// No slice of long work before.
    next_slice: Time,
    /// [`Reconciler::plans`] when the last one was stated.
    slice_plans: u64,
    packet_outs: PacketOuts,
    /// Changes that are being dealt with: empty between turns, kept for its place.
    changes: VecDeque<Change>,
    /// Each connection with a deadline, at its deadline or before: activity puts deadlines off, and this follows when the time comes.
    deadlines: BTreeSet<(Time, ConnectionId)>,
    ready: BTreeSet<ConnectionId>,
    /// Connections whose channel has ended because something was sent on it.
    overflowed: BTreeSet<ConnectionId>,
    events: VecDeque<CoreEvent>,
    counters: CoreCounters,
}

impl Core {
    /// A core that knows nothing of the network yet.
    pub fn new(config: CoreConfig, now: Time) -> Core {
        let mut reconciler = Reconciler::with_seed(config.seed);
        reconciler.handle_settings(config.flows.clone(), now);
        let mut discovery = Discovery::new(config.discovery.clone(), config.probe_key, config.seed, now);
        let Wiring { expected_links, expected_links_only, static_hosts, subnets: _, dhcp_servers } = &*config.wiring;
        discovery.set_expected_links(expected_links.iter().copied(), *expected_links_only);
        discovery.set_static_hosts(static_hosts.clone(), now);
        discovery.set_dhcp_servers(dhcp_servers.iter().copied());
        discovery.set_stated_links(config.weights.stated_links());
        Core {
            discovery,
            connections: BTreeMap::new(),
            claims: BTreeMap::new(),
            by_datapath: BTreeMap::new(),
            waiting: BTreeSet::new(),
            paths: Paths::with_weights(config.weights.clone()).putting_off(),
            reconciler,
            apps: apps(config.seed, &config.rules, &config.isolation),
            settling: Settling::new(),
            measured: Measured::default(),
            candidates: Candidates::default(),
            looking: Looking::default(),
            reroute_since: None,
            last_counting: 0,
            next_port_stats: now + config.port_stats_interval,
            next_slice: now,
            slice_plans: 0,
            packet_outs: PacketOuts::default(),
            changes: VecDeque::new(),
            deadlines: BTreeSet::new(),
            ready: BTreeSet::new(),
            overflowed: BTreeSet::new(),
            events: VecDeque::new(),
            counters: CoreCounters::default(),
            config,
        }
    }

    /// A transport connection stands, to or from a switch that may be any.
    pub fn handle_connect(&mut self, id: ConnectionId, now: Time) {
        self.handle_admitted(id, Admission::default(), now);
    }

    /// A transport connection stands, to or from a peer of whom something is known.
    pub fn handle_admitted(&mut self, id: ConnectionId, admission: Admission, now: Time) {
        let mut channel = self.config.channel;
        if let Some(by) = admission.handshake_by {
            channel.handshake_timeout = channel.handshake_timeout.min(by.since(now));
        }
        self.connections.insert(id, Connection::new(channel, admission.datapath_ids, now));
        self.counters.connections_accepted += 1;
        self.watch(id);
        self.turn(now);
    }

    /// Whole frames from a connection, in order. One turn for all of them.
    pub fn handle_frames<'f, F>(&mut self, id: ConnectionId, frames: impl IntoIterator<Item = F>, now: Time)
    where
        F: Into<Frame<'f>>,
    {
        for frame in frames {
            let frame = frame.into();
            let Some(connection) = self.connections.get_mut(&id) else { break };
            // Nearly every frame is one packet-in of a switch in the network.
            if let Stage::Live { datapath_id } = connection.stage
                && let Some(packet_in) = connection.channel.take_packet_in(frame.as_octets(), now)
            {
                self.packet_in(datapath_id, packet_in, now);
                continue;
            }
            connection.channel.handle_frame(frame.into_bytes(), now);
            self.drain_channel(id, now);
        }
        self.drain_channel(id, now);
        self.watch(id);
        self.turn(now);
    }

    /// A connection's octets cannot be cut into frames any more.
    pub fn handle_frame_error(&mut self, id: ConnectionId, error: FrameError, now: Time) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.channel.handle_frame_error(error, now);
            self.drain_channel(id, now);
            self.watch(id);
        }
        self.turn(now);
    }

    /// A transport connection has ended, whoever ended it.
    pub fn handle_closed(&mut self, id: ConnectionId, now: Time) {
        self.drop_connection(id, CloseCause::Transport, now);
        self.turn(now);
    }

    /// Deadlines have passed.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(&(at, id)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.deadline = None;
            if connection.poll_timeout().is_some_and(|(at, _)| at <= now) {
                connection.channel.handle_timeout(now);
                self.drain_channel(id, now);
                self.end_overdue_description(id, now);
            }
            self.watch(id);
        }
        if self.discovery.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.discovery.handle_timeout(now);
        }
        if self.reconciler.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.reconciler.handle_timeout(now);
        }
        if self.next_port_stats <= now {
            self.next_port_stats = now + self.config.port_stats_interval;
            self.request_port_stats();
            self.weigh(now);
        }
        self.end_links_wait(now);
        self.turn(now);
    }

    /// The next deadline, and whose it is.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let channels = self.deadlines.first().map(|&(at, _)| (at, "connection"));
        let own = (!self.by_datapath.is_empty()).then_some((self.next_port_stats, "port statistics"));
        let (discovery, reconciler) = (self.discovery.poll_timeout(), self.reconciler.poll_timeout());
        let all = [channels, own, discovery, reconciler, self.settling.poll_timeout(), self.slice_timeout()];
        let all = all.into_iter().chain([self.candidates.poll_timeout(), self.bypasses_timeout()]);
        all.flatten().min()
    }

    /// A connection that has output since it was last named here; get it with [`Core::take_output`].
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        self.ready.pop_first()
    }

    /// All pending output of a connection, in one piece.
    pub fn take_output(&mut self, id: ConnectionId) -> Option<Bytes> {
        self.connections.get_mut(&id)?.channel.poll_transmit()
    }

    /// Messages that a connection has brought and that were dropped, since it began, and their octets: see
    /// [`openflow::ChannelCounters::dropped`].
    pub fn dropped(&self, id: ConnectionId) -> (u64, u64) {
        let counters = self.connections.get(&id).map(|connection| connection.channel.counters());
        counters.map_or((0, 0), |counters| (counters.dropped(), counters.bytes_dropped))
    }

    /// The next thing to know or to do.
    pub fn poll_event(&mut self) -> Option<CoreEvent> {
        self.events.pop_front()
    }

    /// What the configuration calls switches.
    pub fn names(&self) -> &Arc<SwitchNames> {
        &self.config.names
    }

    /// Bandwidth to be set aside.
    pub fn reservations(&self) -> &Arc<[NamedRequest]> {
        &self.config.reservations
    }

    /// Switches, ports, links and hosts.
    pub fn network(&self) -> &Network {
        self.discovery.network()
    }

    /// Next hops and the flood tree.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Desired and installed rules.
    pub fn reconciler(&self) -> &Reconciler {
        &self.reconciler
    }

    /// Probes, links and hosts, counted.
    pub fn discovery_counters(&self) -> &topology::DiscoveryCounters {
        self.discovery.counters()
    }

    /// What is odd about the network now. Looks at all links.
    pub fn conditions(&self, now: Time) -> Conditions {
        self.discovery.conditions(now)
    }

    /// How often ports are probed now.
    pub fn probe_pace(&self) -> ProbePace {
        self.discovery.probe_pace()
    }

    /// Counters since the start, those of ended connections included.
    pub fn counters(&self) -> CoreCounters {
        let mut counters = self.counters.clone();
        for connection in self.connections.values() {
            counters.add_channel(connection.channel.counters());
        }
        counters
    }

    /// Connected switches.
    pub fn switches_connected(&self) -> usize {
        self.by_datapath.len()
    }

    /// Whether a switch is connected and has been read back.
    pub fn is_live(&self, datapath_id: DatapathId) -> bool {
        self.by_datapath.contains_key(&datapath_id) && self.reconciler.is_live(datapath_id)
    }

    /// Switches on which rules of an earlier run are still held.
    pub fn switches_settling(&self) -> usize {
        self.settling.held_count()
    }

    /// A measured round-trip time of the control connection, per switch.
    pub fn round_trip_times(&self) -> impl Iterator<Item = (DatapathId, Duration)> + '_ {
        self.by_datapath
            .iter()
            .filter_map(|(&id, connection)| self.connections.get(connection)?.channel.rtt().map(|rtt| (id, rtt)))
    }

    /// Audit these switches, or all, as soon as there is room for it: each is followed by [`CoreEvent::Audited`]. Those that are connected.
    pub fn handle_audit(&mut self, of: Option<DatapathId>, now: Time) -> BTreeSet<DatapathId> {
        let asked: Vec<DatapathId> = match of {
            Some(id) => vec![id],
            None => self.by_datapath.keys().copied().collect(),
        };
        let begun = asked.into_iter().filter(|id| self.reconciler.request_audit(*id, now)).collect();
        self.reconciler.handle_timeout(now);
        self.turn(now);
        begun
    }

    /// What every switch should hold, recomputed from nothing: the measure for the incremental path, when no ways round links are to be looked for.
    pub fn recompute(&self) -> BTreeMap<DatapathId, Reconciler> {
        let paths = Paths::compute_with(self.network(), self.paths.weights().clone());
        let view = View {
            network: self.network(),
            paths: &paths,
            host_timeout: self.config.discovery.host_timeout,
            isolation: &self.config.isolation,
            broadcast_probes: self.config.discovery.broadcast_probes,
            watches_dhcp: !self.config.wiring.dhcp_servers.is_empty(),
        };
        let mut result = BTreeMap::new();
        for &datapath_id in self.network().switches.keys() {
            let mut reconciler = Reconciler::new();
            reconciler.add_switch(datapath_id);
            let mut packet_outs = PacketOuts::default();
            let mut effects = Effects::new(&mut reconciler, &mut packet_outs);
            for app in &self.apps {
                let mut rules = effects.rule_set(datapath_id);
                app.rules(datapath_id, &view, &mut rules);
                let stated = rules.into_parts();
                effects.apply(datapath_id, stated);
            }
            result.insert(datapath_id, reconciler);
        }
        result
    }

    // ---- one turn -----------------------------------------------------------------------------------------------

    fn turn(&mut self, now: Time) {
        loop {
            self.absorb(now);
            self.state_slice(now);
            self.look_at_bypasses(now);
            self.settle(now);
            self.reconciler.advance(now);
            self.absorb(now);
            self.transmit(now);
            // Nothing more would come of a channel that has ended by what was sent: no frame, no deadline.
            let Some(id) = self.overflowed.pop_first() else { break };
            self.drain_channel(id, now);
        }
        self.put_off_slice(now);
        self.put_off_bypasses(now);
        // What was sent may have a deadline of its own.
        let mut last = None;
        while let Some(id) = self.next_ready(last) {
            self.watch(id);
            last = Some(id);
        }
        if self.reconciler.is_idle() {
            // The lost link changed no rule anywhere: the next change is not its reroute.
            self.reroute_since = None;
        }
    }

    fn next_ready(&self, after: Option<ConnectionId>) -> Option<ConnectionId> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.ready.range((after, Bound::Unbounded)).next().copied()
    }

    /// A connection's deadline may be earlier than it was.
    fn watch(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some((next, _)) = connection.poll_timeout() else { return };
        if connection.deadline.is_some_and(|watched| watched <= next) {
            return;
        }
        if let Some(later) = connection.deadline.replace(next) {
            self.deadlines.remove(&(later, id));
        }
        self.deadlines.insert((next, id));
    }

    /// Let changes run through paths and applications until nothing new comes of them.
    fn absorb(&mut self, now: Time) {
        while self.discovery.has_events() || self.reconciler.has_events() {
            let mut changes = std::mem::take(&mut self.changes);
            self.discovery.swap_events(&mut changes);
            while let Some(event) = self.reconciler.poll_event() {
                self.flow_event(event, now);
            }
            self.apply_changes(changes.make_contiguous(), now);
            self.events.extend(changes.drain(..).map(CoreEvent::Change));
            self.changes = changes;
        }
    }

    fn apply_changes(&mut self, changes: &[Change], now: Time) {
        // Hosts first: what is stated for them follows the paths as they were. Where paths have changed, it is restated for every host
        // that there is, and for none that is gone.
        self.judge_haste(changes);
        for change in changes.iter().filter(|change| is_of_host(change)) {
            self.tell_apps(Event::Change(change));
        }
        if changes.iter().all(is_of_host) {
            return;
        }
        self.withhold(changes, now);
        let path_changes = self.paths.follow(changes, self.discovery.network());
        if !path_changes.is_empty() {
            self.counters.path_updates += 1;
            self.tell_apps(Event::Paths(&path_changes));
        }
        for change in changes.iter().filter(|change| !is_of_host(change)) {
            match change {
                Change::SwitchUp(datapath_id) => self.ports_changed(*datapath_id),
                Change::PortChanged(port) => self.ports_changed(port.datapath_id),
                Change::SwitchGone(datapath_id) => self.reconciler.forget_switch(*datapath_id),
                Change::LinkDown { .. } if !path_changes.is_empty() => {
                    self.reroute_since = self.reroute_since.or(Some(now));
                }
                _ => {}
            }
            self.tell_apps(Event::Change(change));
        }
    }

    /// Whether packets are lost until the new paths are installed, or go by the old ones meanwhile.
    fn judge_haste(&mut self, changes: &[Change]) {
        let loses = |change: &Change| {
            matches!(
                change,
                Change::LinkDown { .. } | Change::SwitchDown(_) | Change::SwitchGone(_) | Change::HostMoved { .. }
            )
        };
        if changes.iter().any(loses) {
            self.reconciler.hurry();
        } else if changes.iter().any(|change| matches!(change, Change::LinkUp(_))) {
            self.reconciler.take_time();
        }
    }

    fn tell_apps(&mut self, event: Event<'_>) {
        let view = View {
            network: self.discovery.network(),
            paths: &self.paths,
            host_timeout: self.config.discovery.host_timeout,
            isolation: &self.config.isolation,
            broadcast_probes: self.config.discovery.broadcast_probes,
            watches_dhcp: !self.config.wiring.dhcp_servers.is_empty(),
        };
        let mut effects = Effects::new(&mut self.reconciler, &mut self.packet_outs);
        for app in &mut self.apps {
            app.handle(event, &view, &mut effects);
        }
    }

    fn flow_event(&mut self, event: FlowEvent, now: Time) {
        match event {
            FlowEvent::ReadBack { datapath_id, rules, groups } => self.read_back(datapath_id, rules, groups, now),
            FlowEvent::TooMuch { datapath_id } => self.close_switch(datapath_id, CloseCause::ReadBack, now),
            FlowEvent::Quiescent { .. } => {
                if let Some(since) = self.reroute_since.take() {
                    self.events.push_back(CoreEvent::Rerouted { took: now.since(since) });
                }
            }
            FlowEvent::Foreseen { datapath_id, unfit, step: RefusedStep { what, key, table } } => {
                let (why, owner) = (unfit.to_string(), key.map(|key| key.owner));
                let line = self.line_of(datapath_id, table, key);
                self.events.push_back(CoreEvent::Foreseen { datapath_id, what, why, owner, line });
            }
            FlowEvent::TakenOver { datapath_id, taken, unread } => {
                let line = |step: &RefusedStep| self.line_of(datapath_id, step.table, step.key);
                let lines = taken.first.iter().map(line).collect();
                self.events.push_back(CoreEvent::TakenOver { datapath_id, taken, lines, unread });
            }
            FlowEvent::Refused { datapath_id, cause, step: RefusedStep { what, key, table }, again } => {
                let (error, owner) = (cause.to_string(), key.map(|key| key.owner));
                let line = self.line_of(datapath_id, table, key);
                self.events.push_back(CoreEvent::Refused { datapath_id, what, error, owner, line, again });
            }
            FlowEvent::Audited { report } => {
                let line = |drift: &Drift| self.line_of(report.datapath_id, drift.table(), drift.key);
                let lines = report.drift.iter().map(line).collect();
                self.events.push_back(CoreEvent::Audited { report, lines });
            }
        }
    }

    /// The line of the configuration that states a rule of the operator.
    fn line_of(&self, datapath_id: DatapathId, table: Option<TableId>, key: Option<Key>) -> Option<u32> {
        self.config.rules.origin_of_key(datapath_id, table.unwrap_or(TableId::ALL), &key?)
    }

    /// Put everything that the turn has decided into the channels.
    fn transmit(&mut self, now: Time) {
        while let Some(probe) = self.discovery.poll_transmit() {
            // A probe leaves by its port, whatever the tables say.
            let action = [Action::output(probe.port.port_no)];
            self.packet_outs.push(probe.port.datapath_id, PortNo::CONTROLLER, &action, &probe.frame);
        }
        while let Some(inquiry) = self.discovery.poll_host_inquiry() {
            if let Some(frame) = self.inquiry_frame(inquiry) {
                let action = [Action::output(inquiry.port.port_no)];
                self.packet_outs.push(inquiry.port.datapath_id, PortNo::CONTROLLER, &action, &frame);
            }
        }
        if !self.packet_outs.is_empty() {
            let mut packet_outs = std::mem::take(&mut self.packet_outs);
            packet_outs.drain(|run, frames| {
                let Some(&id) = self.by_datapath.get(&run.datapath_id) else { return };
                let queued = self.connections.get(&id).map_or(0, |to| to.channel.queued_len());
                if queued + run.octets <= PACKET_OUT_BACKLOG {
                    return self.send_frames(id, frames);
                }
                let (fitting, messages) = whole_messages(frames, PACKET_OUT_BACKLOG.saturating_sub(queued));
                self.counters.packet_outs_dropped += run.messages - messages;
                if messages > 0 {
                    self.send_frames(id, fitting);
                }
            });
            self.packet_outs = packet_outs;
        }
        // Behind the probes: who answers has sent them on.
        while let Some(datapath_id) = self.discovery.poll_inquiry() {
            if let Some(&id) = self.by_datapath.get(&datapath_id)
                && let Some(connection) = self.connections.get_mut(&id)
            {
                connection.channel.inquire(now);
                self.ready.insert(id);
            }
        }
        while let Some(transmit) = self.reconciler.poll_transmit() {
            if let Some(&id) = self.by_datapath.get(&transmit.datapath_id) {
                self.send_frames(id, &transmit.frames);
            }
        }
    }

    /// Append whole messages to a connection's output.
    fn send_frames(&mut self, id: ConnectionId, frames: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Closing) {
            return;
        }
        connection.channel.send_frames(frames);
        if !connection.channel.is_up() {
            self.overflowed.insert(id);
        }
        self.ready.insert(id);
    }

    /// Encode a message into a connection's output.
    fn send(&mut self, id: ConnectionId, xid: Option<u32>, message: &Message) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Closing) {
            return;
        }
        match xid {
            Some(xid) => connection.channel.send_with_xid(xid, message),
            None => {
                connection.channel.send(message);
            }
        }
        if !connection.channel.is_up() {
            self.overflowed.insert(id);
        }
        self.ready.insert(id);
    }
}

fn is_of_host(change: &Change) -> bool {
    match change {
        Change::HostLearned(_)
        | Change::HostMoved { .. }
        | Change::HostAddressed(_)
        | Change::HostFixed(_)
        | Change::HostForgotten { .. } => true,
        Change::SwitchUp(_)
        | Change::SwitchDown(_)
        | Change::SwitchGone(_)
        | Change::PortChanged(_)
        | Change::LinkUp(_)
        | Change::LinkDown { .. } => false,
    }
}

/// The messages at the start of `frames` that begin within `limit` octets, and how many they are.
fn whole_messages(frames: &[u8], limit: usize) -> (&[u8], u64) {
    let (mut end, mut messages) = (0, 0);
    while end < limit
        && let Some(length) = frames.get(end..).and_then(|rest| frame_length(rest).ok().flatten())
    {
        end += length;
        messages += 1;
    }
    (frames.get(..end).unwrap_or(frames), messages)
}
