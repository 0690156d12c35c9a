//! What leaves the fabric thread: the samples of one tick for telemetry, one snapshot for everybody who only looks, and log lines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, PortId, PortNo, Time};
use openflow::{CloseReason, MessageType, PortStats};
use telemetry::{Histogram, Metric, Sample};
use topology::{Change, Condition, DiscoveryCounters, Network, PortState, ProbePace};

use super::Directory;
use super::alarms::{Alarms, Looked};
use super::happened::{About, HappeningKind, Happenings};
use super::told::{self, Told, Topic};
use crate::core::{CloseCause, ConnectionId, Core, CoreCounters, CoreEvent, Loads, SwitchDescription, SwitchNames};
use crate::flow::{Again, Drift, DriftKind, FlowCounters, Owner, RefusalReason, RefusedStep, SwitchFeatures};
use crate::io::clock::{self, Clock};
use crate::path::Weights;
use crate::path::route::NamedRequest;

/// Copying the network takes at most one part in so many of the thread's time: some milliseconds for 65,536 hosts, so every second or two.
const COPY_SHARE: u32 = 200;
/// Malformed messages of one connection that are warnings; further ones are told at DEBUG and counted: no peer fills the disk.
const MALFORMED_LOGGED: u32 = 10;

/// A picture of the network for API, CLI and demo.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken, on the fabric's own clock.
    pub at: Time,
    /// Connected switches.
    pub switches_connected: usize,
    /// Switches whose rules of an earlier run are still held.
    pub settling: usize,
    /// Switches, ports, links, hosts: the same one until a change of its generation, which a host that is seen once more is not. Of a large
    /// network it may be some seconds old while hosts keep coming.
    pub network: Arc<Network>,
    /// What the configuration calls switches.
    pub names: Arc<SwitchNames>,
    /// What links cost.
    pub weights: Arc<Weights>,
    /// Bandwidth to be set aside.
    pub reservations: Arc<[NamedRequest]>,
    /// How much their ports send.
    pub loads: Loads,
    /// Ordered pairs of switches with a path.
    pub paths: usize,
    /// Per switch: rules installed, rules desired, groups installed, rules refused.
    pub flows: Arc<BTreeMap<DatapathId, [usize; 4]>>,
    /// What switches have told that they can hold.
    pub features: Arc<BTreeMap<DatapathId, Arc<SwitchFeatures>>>,
    /// Counters of the core.
    pub counters: CoreCounters,
    /// Counters of the reconciler.
    pub flow_counters: FlowCounters,
    /// Counters of discovery.
    pub discovery: DiscoveryCounters,
    /// What is odd about the network, and how long its links take.
    pub looked: Arc<Looked>,
    /// How often ports are probed; nothing before the first look.
    pub pace: Option<ProbePace>,
    /// Control round-trip time per switch.
    pub round_trip_times: BTreeMap<DatapathId, Duration>,
    /// Reroutes so far.
    pub reroutes: u64,
    /// How long the last reroute took.
    pub last_reroute: Option<Duration>,
    /// The time of day when it was taken, since 1970.
    pub wall: Duration,
    /// What is known of connected switches beside their ports.
    pub switches: Arc<BTreeMap<DatapathId, SwitchFacts>>,
    /// The newest counters of the switches' ports.
    pub port_counts: Arc<BTreeMap<DatapathId, PortCounts>>,
}

/// What is known of a connected switch beside its ports.
#[derive(Clone, Debug)]
pub struct SwitchFacts {
    /// Where its connection comes from.
    pub peer: String,
    /// Since when it is connected and read back.
    pub since: Time,
    /// What it says about itself, once it has.
    pub description: Option<Arc<SwitchDescription>>,
}

/// Counters of one switch's ports, in the order of [`PORT_COUNTERS`].
pub type PortCounts = Arc<BTreeMap<PortNo, [u64; PORT_COUNTERS.len()]>>;

/// What is counted of a port.
pub const PORT_COUNTERS: [&str; 8] =
    ["rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_dropped", "tx_dropped", "rx_errors", "tx_errors"];

/// What leaves the fabric thread at a tick. Making samples of it is left to who gets it.
#[derive(Debug)]
pub struct Tick {
    observed: Vec<Sample>,
    ports: Vec<PortCounters>,
    snapshot: Arc<Snapshot>,
}

/// The counters of a port, as long as they are not samples: those take ten times the room.
#[derive(Clone, Copy, Debug)]
struct PortCounters {
    port: PortId,
    /// In the order of [`PORT_METRICS`].
    counts: [u64; PORT_METRICS.len()],
}

const PORT_METRICS: [Metric; 8] = [
    Metric::PortReceivedPackets,
    Metric::PortSentPackets,
    Metric::PortReceivedBytes,
    Metric::PortSentBytes,
    Metric::PortReceiveDropped,
    Metric::PortSendDropped,
    Metric::PortReceiveErrors,
    Metric::PortSendErrors,
];

impl Tick {
    /// As samples for the pipeline, each made when it is asked for.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        let mut own = self.observed.clone();
        sample_topology(&self.snapshot, &mut own);
        sample_counters(&self.snapshot, &mut own);
        own.into_iter().chain(switch_samples(&self.snapshot)).chain(self.ports.iter().flat_map(port_samples))
    }
}

/// Collects what happens between two ticks.
pub(super) struct Collector {
    packet_in: Histogram,
    turn: Histogram,
    reroute: Histogram,
    reroutes: u64,
    last_reroute: Option<Duration>,
    samples: Vec<Sample>,
    ports: Vec<PortCounters>,
    network: Arc<Network>,
    /// Not before this is the network copied again.
    next_copy: Time,
    flows: Arc<BTreeMap<DatapathId, [usize; 4]>>,
    /// Generation and counters with which `flows` was counted.
    flows_at: Option<(u64, FlowCounters)>,
    features: Arc<BTreeMap<DatapathId, Arc<SwitchFeatures>>>,
    features_at: (u64, usize),
    peers: BTreeMap<ConnectionId, String>,
    /// Connections that have been in the network.
    live: BTreeSet<ConnectionId>,
    malformed: BTreeMap<ConnectionId, u32>,
    told: Told,
    /// Connections since the last tick that never became one of the core's, and those of the core's that never became a switch's: ten
    /// thousand a second may come.
    refused: u64,
    failed: u64,
    directory: Directory,
    happenings: Arc<Happenings>,
    alarms: Alarms,
    switches: Arc<BTreeMap<DatapathId, SwitchFacts>>,
    port_counts: Arc<BTreeMap<DatapathId, PortCounts>>,
}

/// Of links that were refused.
const USED_AGAIN: &str =
    "the link is used although packets go wrong by it: another one is lost, or `verify` is not `refuse` any more";

impl Collector {
    pub(super) fn new(directory: Directory, happenings: Arc<Happenings>) -> Collector {
        Collector {
            packet_in: Histogram::new(Metric::PacketInDuration),
            turn: Histogram::new(Metric::CoreTurnDuration),
            reroute: Histogram::new(Metric::RerouteDuration),
            reroutes: 0,
            last_reroute: None,
            samples: Vec::new(),
            ports: Vec::new(),
            network: Arc::default(),
            next_copy: Time::ZERO,
            flows: Arc::default(),
            flows_at: None,
            features: Arc::default(),
            features_at: (0, 0),
            peers: BTreeMap::new(),
            live: BTreeSet::new(),
            malformed: BTreeMap::new(),
            told: Told::default(),
            refused: 0,
            failed: 0,
            directory,
            happenings,
            alarms: Alarms::default(),
            switches: Arc::default(),
            port_counts: Arc::default(),
        }
    }

    pub(super) fn opened(&mut self, id: ConnectionId, peer: String) {
        self.peers.insert(id, peer);
    }

    pub(super) fn closed(&mut self, id: ConnectionId) {
        self.peers.remove(&id);
        self.live.remove(&id);
        self.malformed.remove(&id);
    }

    /// One core turn has handled some frames, so many of them packet-ins.
    pub(super) fn turn(&mut self, packet_ins: u64, took: Duration) {
        self.turn.observe(took);
        // The answers of a batch leave together: each packet-in waited for the whole turn.
        if packet_ins > 0 {
            self.packet_in.observe_many(took, packet_ins);
        }
    }

    /// A connection that never became one of the core's. Whether the log should say so now: see [`Told::tell`].
    pub(super) fn refused(&mut self, ip: IpAddr, topic: Topic, now: Time) -> Option<u64> {
        self.refused += 1;
        self.told.tell(told::source(ip).to_string(), topic, now)
    }

    /// The picture of this tick. What has not changed is not counted or copied again: the switches wait meanwhile.
    pub(super) fn snapshot(&mut self, core: &Core, clock: &Clock) -> Snapshot {
        let now = clock.now();
        let generation = core.network().generation;
        if self.network.generation != generation && now >= self.next_copy {
            self.network = Arc::new(core.network().clone());
            let copied = clock.now();
            self.next_copy = copied + copied.since(now) * COPY_SHARE;
        }
        let (reconciler, flow_counters) = (core.reconciler(), core.reconciler().counters());
        if !reconciler.is_idle() || self.flows_at != Some((generation, flow_counters)) {
            self.flows = Arc::new(reconciler.sizes().collect());
            self.flows_at = reconciler.is_idle().then_some((generation, flow_counters));
        }
        let features_at = (reconciler.features_told(), core.switches_connected());
        if self.features_at != features_at {
            self.features = Arc::new(reconciler.all_features().map(|(id, features)| (id, features.clone())).collect());
            self.features_at = features_at;
        }
        Snapshot {
            at: now,
            switches_connected: core.switches_connected(),
            settling: core.switches_settling(),
            network: self.network.clone(),
            names: core.names().clone(),
            weights: core.paths().weights().clone(),
            reservations: core.reservations().clone(),
            loads: core.loads().clone(),
            paths: core.paths().pair_count(),
            flows: self.flows.clone(),
            features: self.features.clone(),
            counters: core.counters(),
            flow_counters,
            discovery: *core.discovery_counters(),
            looked: self.alarms.look(core, clock, &self.happenings),
            pace: Some(core.probe_pace()),
            round_trip_times: core.round_trip_times().collect(),
            reroutes: self.reroutes,
            last_reroute: self.last_reroute,
            wall: clock::wall(),
            switches: self.switches.clone(),
            port_counts: self.port_counts.clone(),
        }
    }

    /// What this tick hands over.
    pub(super) fn take(&mut self, snapshot: &Arc<Snapshot>) -> Tick {
        let mut observed = std::mem::take(&mut self.samples);
        for (count, label) in [(&mut self.refused, "refused"), (&mut self.failed, "failed")] {
            match std::mem::take(count) {
                0 => {}
                count => observed.push(Sample::add(Metric::Connections, count).label(label)),
            }
        }
        observed
            .extend([&mut self.packet_in, &mut self.turn, &mut self.reroute].into_iter().filter_map(Histogram::take));
        Tick { observed, ports: std::mem::take(&mut self.ports), snapshot: snapshot.clone() }
    }

    /// A connection that never became a switch's is closed.
    fn tell_refusal(&mut self, connection: ConnectionId, cause: &CloseCause, now: Time) {
        let peer = self.peers.get(&connection).map_or("?", String::as_str);
        match self.told.tell(told::source_of(peer), topic(cause), now) {
            Some(0) => tracing::warn!(connection = connection.0, peer, %cause, "closing the connection"),
            Some(others) => {
                tracing::warn!(connection = connection.0, peer, %cause, others_before = others, "closing the connection");
            }
            None => tracing::debug!(connection = connection.0, peer, %cause, "closing the connection"),
        }
    }

    /// A connection brings so much for nothing that it is read less often.
    pub(super) fn slowed(&mut self, connection: ConnectionId, now: Time) {
        let peer = self.peers.get(&connection).map_or("?", String::as_str);
        if self.told.tell(told::source_of(peer), Topic::Useless, now).is_some() {
            tracing::warn!(
                connection = connection.0,
                peer,
                "sends what nobody asked for, or malformed messages, in bulk: it is read slowly"
            );
        }
    }

    /// What those who ask later are told of it.
    fn remember(&mut self, event: &CoreEvent, now: Time) {
        let push = |told, what: &dyn Fn() -> String| self.happenings.push(told, what);
        match event {
            CoreEvent::SwitchConnected { datapath_id, connection, rules, took: _ } => {
                let peer = self.peers.get(connection).cloned().unwrap_or_default();
                push(About::new(HappeningKind::SwitchUp).at(*datapath_id), &|| {
                    format!("connected from {peer}; {rules} rules of ours were found on it")
                });
                let description = self.switches.get(datapath_id).and_then(|facts| facts.description.clone());
                let facts = SwitchFacts { peer, since: now, description };
                Arc::make_mut(&mut self.switches).insert(*datapath_id, facts);
            }
            CoreEvent::SwitchDisconnected { datapath_id, cause } => {
                push(About::new(HappeningKind::SwitchDown).at(*datapath_id), &|| cause.to_string());
                Arc::make_mut(&mut self.switches).remove(datapath_id);
                Arc::make_mut(&mut self.port_counts).remove(datapath_id);
            }
            CoreEvent::SwitchDescribed { datapath_id, description } => {
                let description = Some(Arc::new((**description).clone()));
                match Arc::make_mut(&mut self.switches).get_mut(datapath_id) {
                    Some(facts) => facts.description = description,
                    None => {
                        let facts = SwitchFacts { peer: String::new(), since: now, description };
                        Arc::make_mut(&mut self.switches).insert(*datapath_id, facts);
                    }
                }
            }
            CoreEvent::RoleGiven { datapath_id, role, why, .. } => {
                push(About::new(HappeningKind::Role).at(*datapath_id), &|| match why {
                    Some(why) => format!("{role}: {why}"),
                    None => role.to_string(),
                });
            }
            CoreEvent::Rerouted { took } => {
                push(About::new(HappeningKind::Rerouted), &|| {
                    format!("paths around a lost link stand after {} us", took.as_micros())
                });
            }
            CoreEvent::Weighed { port, permille, cost } => {
                push(About::new(HappeningKind::Weighed).at_port(*port), &|| {
                    format!("{} % of the link are used: it costs {cost} in this direction", permille / 10)
                });
            }
            CoreEvent::LinksUsed(ends) => {
                for end in ends {
                    push(About::new(HappeningKind::Verify).at_port(*end), &|| USED_AGAIN.to_owned());
                }
            }
            CoreEvent::Foreseen { datapath_id, what, why, owner, line } => {
                push(About::new(HappeningKind::Refused).at(*datapath_id), &|| {
                    format!("{what}: sent, but the switch says: {why}{}", of_whom(*owner, *line))
                });
            }
            CoreEvent::TakenOver { datapath_id, taken, lines, .. } => {
                for (RefusedStep { what, key, .. }, line) in taken.first.iter().zip(lines) {
                    push(About::new(HappeningKind::Drift).at(*datapath_id), &|| {
                        let whose = of_whom(key.map(|key| key.owner), *line);
                        format!("{what}: put there by somebody else, written over by a rule with the same match{whose}")
                    });
                }
            }
            CoreEvent::Refused { datapath_id, what, error, owner, line, again } => {
                push(About::new(HappeningKind::Refused).at(*datapath_id), &|| {
                    format!("{what}: {error}{}; {}", of_whom(*owner, *line), again_words(*again, now))
                });
            }
            CoreEvent::Audited { report, lines } => {
                for (drift, line) in report.drift.iter().zip(lines) {
                    push(About::new(HappeningKind::Drift).at(report.datapath_id), &|| drift_words(drift, *line));
                }
            }
            CoreEvent::PortStats { datapath_id, stats } => {
                let counts = Arc::make_mut(&mut self.port_counts).entry(*datapath_id).or_default();
                let counts = Arc::make_mut(counts);
                for stats in stats {
                    if let Some(counted) = port_counters(*datapath_id, stats) {
                        counts.insert(stats.port_no, counted.counts);
                    }
                }
            }
            CoreEvent::Change(change) => match change {
                Change::LinkUp(link) => {
                    push(About::new(HappeningKind::LinkUp).at_port(link.source), &|| format!("to {}", link.target));
                }
                Change::LinkDown { link, reason } => {
                    let reason = words(&format!("{reason:?}"));
                    push(About::new(HappeningKind::LinkDown).at_port(link.source), &|| {
                        format!("to {}: {reason}", link.target)
                    });
                }
                Change::HostMoved { mac, from } => {
                    push(About::new(HappeningKind::HostMoved).of(*mac).at(from.datapath_id), &|| {
                        format!("away from {from}")
                    });
                }
                Change::SwitchGone(datapath_id) => {
                    push(About::new(HappeningKind::SwitchGone).at(*datapath_id), &|| {
                        "away for too long: paths go around it".to_owned()
                    });
                    Arc::make_mut(&mut self.switches).remove(datapath_id);
                }
                Change::SwitchUp(_)
                | Change::SwitchDown(_)
                | Change::PortChanged(_)
                | Change::HostLearned(_)
                | Change::HostAddressed(_)
                | Change::HostFixed(_)
                | Change::HostForgotten { .. } => {}
            },
            CoreEvent::AuxiliaryConnected { .. }
            | CoreEvent::Close { .. }
            | CoreEvent::Malformed { .. }
            | CoreEvent::FloodDropped { .. }
            | CoreEvent::LinksWait(_)
            | CoreEvent::Counted { .. } => {}
        }
    }

    /// Log it and keep what telemetry wants.
    pub(super) fn event(&mut self, event: CoreEvent, now: Time) {
        self.remember(&event, now);
        let peer = |id: ConnectionId| self.peers.get(&id).map_or("?", String::as_str);
        match event {
            CoreEvent::SwitchConnected { datapath_id, connection, rules, took } => {
                self.live.insert(connection);
                self.directory.insert(datapath_id, peer(connection).to_owned());
                let took_ms = took.as_millis() as u64;
                tracing::info!(dpid = %datapath_id, peer = peer(connection), rules_found = rules, took_ms, "switch connected");
                self.samples.push(Sample::add(Metric::Connections, 1).label("connected"));
            }
            CoreEvent::SwitchDisconnected { datapath_id, cause } => {
                self.directory.remove(&datapath_id);
                match cause {
                    // The controller's own end is one line, whoever says it.
                    CloseCause::Channel(CloseReason::Shutdown) => {
                        tracing::debug!(dpid = %datapath_id, "switch let go");
                    }
                    _ => tracing::info!(dpid = %datapath_id, %cause, "switch disconnected"),
                }
                self.samples.push(Sample::add(Metric::Disconnections, 1).label(reason(&cause)));
            }
            CoreEvent::AuxiliaryConnected { datapath_id, auxiliary_id, connection } => {
                self.live.insert(connection);
                tracing::info!(dpid = %datapath_id, peer = peer(connection), auxiliary_id, "auxiliary connection");
            }
            CoreEvent::SwitchDescribed { datapath_id, description } => {
                tracing::info!(
                    dpid = %datapath_id,
                    manufacturer = description.manufacturer,
                    hardware = description.hardware,
                    software = description.software,
                    serial = description.serial_number,
                    datapath = description.datapath,
                    "switch described"
                );
            }
            CoreEvent::RoleGiven { datapath_id, connection, role, why } => match why {
                Some(why) => tracing::warn!(dpid = %datapath_id, peer = peer(connection), %role, why, "role not given"),
                None => tracing::info!(dpid = %datapath_id, peer = peer(connection), %role, "role"),
            },
            CoreEvent::Close { connection, cause } => {
                let was_live = self.live.contains(&connection);
                if cause == CloseCause::Channel(CloseReason::Shutdown) {
                    return tracing::debug!(
                        connection = connection.0,
                        peer = peer(connection),
                        "closing the connection"
                    );
                }
                if was_live {
                    tracing::warn!(connection = connection.0, peer = peer(connection), %cause, "closing the connection");
                } else {
                    self.tell_refusal(connection, &cause, now);
                }
                let counted = matches!(cause, CloseCause::DuplicateDatapathId(_) | CloseCause::NotItsCertificate(_));
                if !was_live && !counted {
                    self.failed += 1;
                }
            }
            CoreEvent::Rerouted { took } => {
                tracing::info!(took_us = took.as_micros() as u64, "rerouted around a lost link");
                self.reroute.observe(took);
                self.reroutes += 1;
                self.last_reroute = Some(took);
            }
            CoreEvent::Weighed { port, permille, cost } => {
                tracing::info!(%port, percent = permille / 10, cost, "a link costs something else by its load");
            }
            CoreEvent::LinksUsed(ends) => {
                let ends: Vec<String> = ends.iter().map(ToString::to_string).collect();
                tracing::warn!(ends = ends.join(" "), "{USED_AGAIN}");
            }
            CoreEvent::Foreseen { datapath_id, what, why, owner, line } => {
                let owner = owner.map(|owner| owner.name());
                tracing::warn!(dpid = %datapath_id, what, why, owner, line, "the switch says that it cannot hold this; it is sent all the same");
            }
            CoreEvent::TakenOver { datapath_id, taken, lines, unread } => {
                let first = taken.first.first().map(|step| step.what.as_str());
                let line = lines.first().copied().flatten();
                if taken.count > 0 {
                    tracing::warn!(
                        dpid = %datapath_id, rules = taken.count, first, line,
                        "somebody else's rules have the table, priority and match of rules that are stated: they are written over"
                    );
                }
                if unread > 0 {
                    tracing::info!(dpid = %datapath_id, rules = unread, "rules of others were counted and not looked at: too many with one cookie");
                }
            }
            CoreEvent::Refused { datapath_id, what, error, owner, line, again } => {
                let owner = owner.map(|owner| owner.name());
                let again = again_words(again, now);
                // A full table refuses a hundred thousand rules: all are in the events' count, in the metrics and in `show flows`.
                match self.told.tell(datapath_id.to_string(), Topic::Refused, now) {
                    Some(others) => tracing::warn!(
                        dpid = %datapath_id, what, error, owner, line, again, others_before = others, "the switch refused"
                    ),
                    None => tracing::debug!(dpid = %datapath_id, what, error, owner, line, again, "the switch refused"),
                }
            }
            CoreEvent::Audited { report, lines } => {
                let dpid = report.datapath_id;
                let [added, changed, removed] = report.counts;
                if added + changed + removed > 0 {
                    let first = report.drift.first().zip(lines.first()).map(|(drift, line)| drift_words(drift, *line));
                    tracing::warn!(%dpid, added, changed, removed, first, "an audit has found what was changed by hand; it is put right");
                } else {
                    tracing::debug!(%dpid, rules = report.rules, groups = report.groups, foreign = report.foreign, "audited");
                }
                if let Some(why) = report.cut_short {
                    tracing::info!(%dpid, why, "an audit was not done to its end");
                }
            }
            CoreEvent::Malformed { connection, what } => {
                let told = self.malformed.entry(connection).or_default();
                *told += 1;
                if *told <= MALFORMED_LOGGED {
                    tracing::warn!(connection = connection.0, peer = peer(connection), %what, "malformed message");
                } else {
                    tracing::debug!(connection = connection.0, peer = peer(connection), %what, "malformed message");
                }
            }
            CoreEvent::PortStats { datapath_id, stats } => {
                self.ports.extend(stats.iter().filter_map(|stats| port_counters(datapath_id, stats)));
            }
            CoreEvent::Change(change) => log_change(&change),
            CoreEvent::FloodDropped { from, before } => tracing::warn!(
                dpid = %from.datapath_id,
                port = %from.port_no,
                dropped_before = before,
                "an isolated sender sends more to all than is sent on: the rest is dropped"
            ),
            // Only who has asked wants to know.
            CoreEvent::LinksWait(_) | CoreEvent::Counted { .. } => {}
        }
    }
}

/// Whose rule it is, after what it is.
fn of_whom(owner: Option<Owner>, line: Option<u32>) -> String {
    match (owner, line) {
        (Some(owner), Some(line)) => format!(" ({}, line {line} of the configuration)", owner.name()),
        (Some(owner), None) => format!(" ({})", owner.name()),
        (None, _) => String::new(),
    }
}

/// What an audit has found, in words.
fn drift_words(drift: &Drift, line: Option<u32>) -> String {
    let owner = drift.key.map(|key| key.owner);
    let done = if drift.repaired { "put right" } else { "let be" };
    format!("{} by hand: {}{}; {done}", drift.kind.name(), drift.words(), of_whom(owner, line))
}

/// When something refused is sent again.
fn again_words(again: Again, now: Time) -> String {
    match again {
        Again::Now => "sent again".to_owned(),
        Again::At(at) => format!("sent again in {} s", at.since(now).as_millis().div_ceil(1_000)),
        Again::WhenDifferent => "not sent again until the rule changes or the switch reconnects".to_owned(),
    }
}

/// `ProbesMissed` is `probes missed`.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn topic(cause: &CloseCause) -> Topic {
    match cause {
        CloseCause::Channel(CloseReason::Incompatible { .. }) => Topic::Version,
        CloseCause::Channel(CloseReason::HandshakeTimeout) => Topic::Silent,
        CloseCause::DuplicateDatapathId(_) | CloseCause::DuplicateAuxiliary { .. } => Topic::Duplicate,
        CloseCause::NotItsCertificate(_) => Topic::Certificate,
        _ => Topic::Handshake,
    }
}

fn reason(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::Transport => "closed",
        CloseCause::Channel(CloseReason::Shutdown) => "shutdown",
        CloseCause::Channel(
            CloseReason::EchoTimeout | CloseReason::BarrierTimeout { .. } | CloseReason::HandshakeTimeout,
        )
        | CloseCause::DescriptionTimeout => "timeout",
        CloseCause::Channel(_)
        | CloseCause::DuplicateDatapathId(_)
        | CloseCause::AuxiliaryConnection
        | CloseCause::NotItsCertificate(_)
        | CloseCause::DuplicateAuxiliary { .. }
        | CloseCause::DescriptionRefused
        | CloseCause::ReadBack => "error",
        CloseCause::Replaced | CloseCause::Demoted => "replaced",
        CloseCause::MainConnectionEnded => "closed",
    }
}

/// What there is of each switch.
fn switch_samples(snapshot: &Snapshot) -> impl Iterator<Item = Sample> {
    let of_switch = |metric, id: &DatapathId, value: f64| Sample::gauge(metric, value).label(id);
    let flag = |is: bool| f64::from(u8::from(is));
    let switches = &snapshot.network.switches;
    let connected =
        switches.iter().map(move |(id, switch)| of_switch(Metric::SwitchConnected, id, flag(switch.connected)));
    let ports = snapshot.network.ports().map(move |(id, port)| {
        let sample = of_switch(Metric::PortUp, &id.datapath_id, flag(port.info.up));
        sample.label(id.port_no).label(&port.info.name)
    });
    let round_trips = snapshot
        .round_trip_times
        .iter()
        .map(move |(id, time)| of_switch(Metric::SwitchRoundTrip, id, time.as_secs_f64()));
    let flows = snapshot.flows.iter().flat_map(move |(id, [installed, desired, groups, refused])| {
        let rows = [
            (Metric::RulesInstalled, *installed),
            (Metric::RulesDesired, *desired),
            (Metric::GroupsInstalled, *groups),
            (Metric::Refused, *refused),
        ];
        rows.map(|(metric, count)| of_switch(metric, id, count as f64))
    });
    let latencies = snapshot.looked.latencies.iter().map(move |(source, latency)| {
        let sample = of_switch(Metric::LinkLatency, &source.datapath_id, latency.smoothed.as_secs_f64());
        sample.label(source.port_no)
    });
    connected.chain(ports).chain(round_trips).chain(flows).chain(latencies)
}

fn sample_topology(snapshot: &Snapshot, samples: &mut Vec<Sample>) {
    samples.push(Sample::gauge(Metric::SwitchesConnected, snapshot.switches_connected as f64));
    samples.push(Sample::gauge(Metric::SwitchesSettling, snapshot.settling as f64));
    let network = &snapshot.network;
    samples.push(Sample::gauge(Metric::Links, network.bidirectional_links().count() as f64));
    samples.push(Sample::gauge(Metric::Hosts, network.hosts.len() as f64));
    samples.push(Sample::gauge(Metric::Neighbors, network.lldp_neighbors().count() as f64));
    for kind in Condition::KINDS {
        let count = snapshot.looked.counts.get(kind).copied().unwrap_or(0);
        samples.push(Sample::gauge(Metric::Conditions, count as f64).label(kind));
    }
    if let Some(pace) = snapshot.pace {
        samples.push(Sample::gauge(Metric::ProbeInterval, pace.link_interval.as_secs_f64()));
        samples.push(Sample::gauge(Metric::DetectionTime, pace.detection.as_secs_f64()));
    }
    samples.push(Sample::gauge(Metric::Paths, snapshot.paths as f64));
    let switches = network.switches.len();
    let missing = (switches * switches.saturating_sub(1)).saturating_sub(snapshot.paths);
    samples.push(Sample::gauge(Metric::PathsMissing, missing as f64));
    for (state, name) in [(PortState::Unknown, "unknown"), (PortState::Edge, "edge"), (PortState::Link, "link")] {
        let count = network.ports().filter(|(_, port)| port.state == state).count();
        samples.push(Sample::gauge(Metric::Ports, count as f64).label(name));
    }
}

fn sample_counters(snapshot: &Snapshot, samples: &mut Vec<Sample>) {
    let discovery = &snapshot.discovery;
    for (change, count) in [("up", discovery.links_up), ("down", discovery.links_down)] {
        samples.push(Sample::total(Metric::LinkChanges, count).label(change));
    }
    let hosts = [
        ("learned", discovery.hosts_learned),
        ("moved", discovery.hosts_moved),
        ("forgotten", discovery.hosts_forgotten + discovery.hosts_expired),
        ("move_refused", discovery.moves_refused),
    ];
    for (change, count) in hosts {
        samples.push(Sample::total(Metric::HostChanges, count).label(change));
    }
    samples.push(Sample::total(Metric::ProbesSent, discovery.probes_sent));
    let probes = [
        ("valid", discovery.probes_received),
        ("foreign", discovery.probes_foreign),
        ("forged", discovery.probes_forged),
        ("late", discovery.probes_late),
        ("host_port", discovery.probes_at_host_ports),
        ("damped", discovery.probes_damped),
        ("replayed", discovery.probes_replayed),
        ("duplicated", discovery.probes_duplicated),
        ("stale", discovery.probes_stale),
    ];
    for (result, count) in probes {
        samples.push(Sample::total(Metric::ProbesReceived, count).label(result));
    }
    samples.push(Sample::total(Metric::ForeignLldp, discovery.lldp_foreign));
    samples.push(Sample::total(Metric::NeighborsRefused, discovery.neighbors_refused));

    let flows = &snapshot.flow_counters;
    for (command, count) in ["add", "delete"].iter().zip(flows.flow_mods) {
        samples.push(Sample::total(Metric::FlowModsSent, count).label(command));
    }
    for (command, count) in ["add", "modify", "delete"].iter().zip(flows.group_mods) {
        samples.push(Sample::total(Metric::GroupModsSent, count).label(command));
    }
    for (command, count) in ["add", "modify", "delete"].iter().zip(flows.meter_mods) {
        samples.push(Sample::total(Metric::MeterModsSent, count).label(command));
    }
    for ((_, reason), count) in RefusalReason::NAMES.iter().zip(flows.refused) {
        samples.push(Sample::total(Metric::ModsRefused, count).label(reason));
    }
    samples.push(Sample::total(Metric::Repairs, flows.drifted));
    for ((_, kind), count) in DriftKind::NAMES.iter().zip(flows.drift) {
        samples.push(Sample::total(Metric::Drift, count).label(kind));
    }
    samples.push(Sample::total(Metric::TakenOver, flows.taken_over));
    samples.push(Sample::total(Metric::Audits, flows.audits));
    for (result, count) in ["committed", "failed"].iter().zip(flows.bundles) {
        samples.push(Sample::total(Metric::Bundles, count).label(result));
    }

    let counters = &snapshot.counters;
    samples.push(Sample::total(Metric::Connections, counters.duplicates_refused).label("duplicate"));
    samples.push(Sample::total(Metric::Connections, counters.certificates_refused).label("certificate"));
    for (version, &count) in &counters.versions_refused {
        samples.push(Sample::total(Metric::VersionsRefused, count).label(version));
    }
    samples.push(Sample::total(Metric::PacketOutsDropped, counters.packet_outs_dropped));
    samples.push(Sample::total(Metric::FloodsDropped, counters.floods_dropped));
    samples.push(Sample::total(Metric::PathComputations, counters.path_updates));
    for (error_type, &count) in &counters.errors_received {
        let name = error_type.and_then(|error_type| error_type.name()?.strip_prefix("OFPET_"));
        let label = name.map_or_else(|| "unknown".to_owned(), str::to_ascii_lowercase);
        samples.push(Sample::total(Metric::ErrorsReceived, count).label(label));
    }
    for (kind, &count) in &counters.malformed {
        samples.push(Sample::total(Metric::DecodeErrors, count).label(kind));
    }
    for (message_type, &count) in &counters.received {
        samples.push(Sample::total(Metric::MessagesReceived, count).label(type_label(*message_type)));
    }
    for (message_type, &count) in &counters.sent {
        samples.push(Sample::total(Metric::MessagesSent, count).label(type_label(*message_type)));
    }
}

/// `OFPT_PACKET_IN` is `packet_in`; types that OpenFlow 1.3 doesn't have are one.
fn type_label(message_type: MessageType) -> String {
    let name = message_type.name().and_then(|name| name.strip_prefix("OFPT_"));
    name.map_or_else(|| "unknown".to_owned(), str::to_ascii_lowercase)
}

fn port_counters(datapath_id: DatapathId, stats: &PortStats) -> Option<PortCounters> {
    if !stats.port_no.is_physical() && stats.port_no != net::PortNo::LOCAL {
        return None;
    }
    let counts = [
        stats.rx_packets,
        stats.tx_packets,
        stats.rx_bytes,
        stats.tx_bytes,
        stats.rx_dropped,
        stats.tx_dropped,
        stats.rx_errors,
        stats.tx_errors,
    ];
    Some(PortCounters { port: PortId::new(datapath_id, stats.port_no), counts })
}

fn port_samples(counters: &PortCounters) -> impl Iterator<Item = Sample> {
    let PortCounters { port, counts } = *counters;
    let sample = move |(metric, count)| Sample::total(metric, count).label(port.datapath_id).label(port.port_no);
    PORT_METRICS.into_iter().zip(counts).map(sample)
}

fn log_change(change: &Change) {
    match change {
        Change::LinkUp(link) => tracing::info!(from = %link.source, to = %link.target, "link up"),
        Change::LinkDown { link, reason } => {
            tracing::info!(from = %link.source, to = %link.target, ?reason, "link down");
        }
        Change::HostLearned(mac) => tracing::debug!(%mac, "host learned"),
        Change::HostMoved { mac, from } => tracing::info!(%mac, %from, "host moved"),
        Change::HostAddressed(mac) => tracing::debug!(%mac, "host has a new address"),
        Change::HostFixed(mac) => tracing::debug!(%mac, "host is in fabric.static_hosts, or no more"),
        Change::HostForgotten { host, reason } => tracing::debug!(mac = %host.mac, ?reason, "host forgotten"),
        Change::PortChanged(port) => tracing::debug!(%port, "port changed"),
        Change::SwitchUp(id) => tracing::debug!(dpid = %id, "switch is in the network"),
        Change::SwitchDown(id) => {
            tracing::debug!(dpid = %id, "switch without controller: its links and hosts are kept for a while");
        }
        Change::SwitchGone(id) => tracing::info!(dpid = %id, "switch is gone from the network"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::CoreConfig;

    /// One connection a second, from so many addresses in turn, each refused for its version.
    fn refused_versions(connections: u64, addresses: u64) -> Collector {
        let mut collector = Collector::new(Directory::default(), Arc::default());
        for second in 0..connections {
            let id = ConnectionId(second);
            collector.opened(id, format!("192.0.2.{}:{}", second % addresses, 40_000 + second));
            let cause = CloseCause::Channel(CloseReason::Incompatible { version: 1 });
            collector.event(CoreEvent::Close { connection: id, cause }, Time::from_secs(second));
            collector.closed(id);
        }
        collector
    }

    #[test]
    fn refused_versions_are_counted_and_no_failure_is_forgotten() {
        let collector = refused_versions(130, 2);
        assert_eq!(collector.failed, 130);
        let mut snapshot = Snapshot::default();
        snapshot.counters.versions_refused.insert(1, 130);
        let tick = Tick { observed: Vec::new(), ports: Vec::new(), snapshot: Arc::new(snapshot) };
        let samples = tick.samples().collect::<Vec<_>>();
        assert!(samples.contains(&Sample::total(Metric::VersionsRefused, 130).label(1)));
    }

    /// What is logged at WARN while `run` runs.
    pub(in crate::io::fabric) fn warnings(run: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Lines {
            fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(octets);
                Ok(octets.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, run);
        let octets = lines.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_version_that_is_refused_is_logged_once_for_each_source() {
        let text = warnings(|| {
            let collector = refused_versions(30, 3);
            assert_eq!(collector.failed, 30, "each is counted");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, source) in lines.iter().zip(["192.0.2.0:", "192.0.2.1:", "192.0.2.2:"]) {
            assert!(line.contains(source) && line.contains("version"), "{line}");
        }
    }

    #[test]
    fn a_network_that_has_not_changed_is_not_copied_again() {
        let mut core = Core::new(CoreConfig::default(), Time::ZERO);
        let mut collector = Collector::new(Directory::default(), Arc::default());
        let clock = Clock::start();
        let first = collector.snapshot(&core, &clock);
        let second = collector.snapshot(&core, &clock);
        assert!(Arc::ptr_eq(&first.network, &second.network));
        core.handle_connect(ConnectionId(1), Time::from_secs(1));
        collector.next_copy = Time::ZERO;
        assert_eq!(collector.snapshot(&core, &clock).network.generation, core.network().generation);
    }
}
