//! The whole core with a fabric of software switches around it, in this process: what changes of the network cost in rules and groups, and how long
//! packet-ins wait beside them.
//!
//! The network has a clock of its own, which goes as fast as this machine can. The core's turns are measured by the real one, and on the network's
//! clock the core is busy for as long: what comes meanwhile waits. So what the emulated switches cost this process is in no figure, and what waits is
//! what would wait for one core's thread. Sockets are not in it (`trunkline bench openflow` has them).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use emulator::{CutKind, Fabric, FabricSpec, HostIndex, LinkIndex};
use net::packet::build;
use net::{DatapathId, Time};
use openflow::{BufferId, Match, Message, PacketIn, PacketInReason, frame_length};
use serde::Serialize;

use super::spread;
use crate::bench::figures::median;
use crate::core::{ConnectionId, Core, CoreConfig, CoreEvent};
use crate::flow::FlowCounters;
use crate::flow::pipeline::CLASSIFY;
use crate::path::Weights;

/// The largest fat-tree whose switches, with a rule for each host on each of them, are emulated here: 327,680 rules of hosts.
pub(super) const PORTS_MAX: u16 = 16;
/// One way between switch and core.
const CONTROL_LATENCY: Duration = Duration::from_micros(50);
/// The network has to be found, learned and programmed within so long of its own time.
const START_LIMIT: Duration = Duration::from_secs(600);
/// After a change everything has to be confirmed within so long of its own time.
const CHANGE_LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked whether something has come about: a look at ten thousand links takes longer than what happens in a millisecond.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Packet-ins that are measured, each so long after the other.
const PACKET_IN_INTERVAL: Duration = Duration::from_millis(1);
/// Random changes, ten a second.
const CHANGE_INTERVAL: Duration = Duration::from_millis(100);
/// Links that are down at the same time at most.
const DOWN_MAX: usize = 8;
/// OFPT_PACKET_OUT (OpenFlow 1.3.5 §7.1.1).
const PACKET_OUT: u8 = 13;

/// One network with a real core.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Live {
    pub(super) hosts: usize,
    pub(super) rules: usize,
    pub(super) groups: usize,
    /// Milliseconds of the core's turns until all of it was found and installed.
    pub(super) start_ms: f64,
    /// Octets by which the process has grown, with what the emulated switches hold.
    pub(super) resident_octets: u64,
    pub(super) changes: Vec<Change>,
    pub(super) packet_ins: Vec<PacketIns>,
}

/// One kind of change, over all that were made of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    pub(super) what: &'static str,
    pub(super) times: usize,
    /// Flow-mods and group-mods, in the middle and at most.
    pub(super) rules: [u64; 2],
    pub(super) groups: [u64; 2],
    /// Milliseconds of all turns until the last switch has confirmed, and of the longest one.
    pub(super) busy_ms: f64,
    pub(super) longest_ms: f64,
    /// Milliseconds from the change to the last confirmation, on the network's clock.
    pub(super) confirmed_ms: f64,
}

/// How long packet-ins waited and were worked on until their answer was ready.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PacketIns {
    pub(super) what: &'static str,
    pub(super) seconds: u64,
    pub(super) changes: u64,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) worst_us: f64,
    /// Part of the network's time in which the core was busy.
    pub(super) busy_share: f64,
    pub(super) rules: u64,
    pub(super) groups: u64,
}

/// A fat-tree with its hosts.
pub(super) fn live(k: u16, times: usize, seconds: u64) -> Result<Live, String> {
    let before = crate::bench::process::own_resident();
    let spec = FabricSpec::fat_tree(usize::from(k));
    let mut bench = Bench::new(&spec, None);
    bench.start(&spec)?;
    let start_ms = milliseconds(bench.busy);
    let counted = |count: fn(&openflow::switch::Switch) -> usize| {
        spec.switches.iter().filter_map(|it| bench.fabric.switch(it.datapath_id)).map(count).sum::<usize>()
    };
    let (rules, groups) = (counted(|switch| switch.flow_count()), counted(|switch| switch.groups().len()));
    let resident_octets = crate::bench::process::own_resident().saturating_sub(before);
    let links: Vec<LinkIndex> = (0..spec.links.len()).map(LinkIndex).collect();
    let (mut lost, mut back) = (Vec::new(), Vec::new());
    for &link in spread(&links, times) {
        lost.push(bench.change(|fabric, now| fabric.cut_link(link, CutKind::PortDown, now), None)?);
        back.push(bench.change(|fabric, now| fabric.mend_link(link, now), Some(spec.links.len()))?);
    }
    let (mut gone, mut again) = (Vec::new(), Vec::new());
    for switch in spread(&spec.switches, times.div_ceil(5)) {
        let id = switch.datapath_id;
        let of_it = |(at, link): (usize, &emulator::LinkSpec)| {
            (link.a.datapath_id == id || link.b.datapath_id == id).then_some(LinkIndex(at))
        };
        let of_it: Vec<LinkIndex> = spec.links.iter().enumerate().filter_map(of_it).collect();
        gone.push(bench.change(
            |fabric, now| of_it.iter().for_each(|&link| fabric.cut_link(link, CutKind::PortDown, now)),
            None,
        )?);
        again.push(bench.change(
            |fabric, now| of_it.iter().for_each(|&link| fabric.mend_link(link, now)),
            Some(spec.links.len()),
        )?);
    }
    let changes = vec![
        summed("a link is lost", &lost),
        summed("it is back", &back),
        summed("all links of a switch are lost", &gone),
        summed("they are back", &again),
    ];
    let mut packet_ins = Vec::new();
    if seconds > 0 {
        packet_ins.push(bench.packet_ins("nothing else happens", seconds.div_ceil(6), false)?);
        packet_ins.push(bench.packet_ins("10 random changes a second", seconds, true)?);
    }
    Ok(Live { hosts: spec.hosts.len(), rules, groups, start_ms, resident_octets, changes, packet_ins })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What one change has cost.
struct Cost {
    counted: FlowCounters,
    busy: Duration,
    longest: Duration,
    confirmed: Duration,
}

fn summed(what: &'static str, costs: &[Cost]) -> Change {
    let middle = |of: &dyn Fn(&Cost) -> f64| median(costs.iter().map(of));
    let both =
        |of: &dyn Fn(&Cost) -> u64| [middle(&|cost| of(cost) as f64) as u64, costs.iter().map(of).max().unwrap_or(0)];
    Change {
        what,
        times: costs.len(),
        rules: both(&|cost| cost.counted.flow_mods.iter().sum()),
        groups: both(&|cost| cost.counted.group_mods.iter().sum()),
        busy_ms: middle(&|cost| milliseconds(cost.busy)),
        longest_ms: middle(&|cost| milliseconds(cost.longest)),
        confirmed_ms: middle(&|cost| milliseconds(cost.confirmed)),
    }
}

fn difference(after: &FlowCounters, before: &FlowCounters) -> FlowCounters {
    let mut result = FlowCounters::default();
    for (at, sum) in result.flow_mods.iter_mut().enumerate() {
        *sum = after.flow_mods[at] - before.flow_mods[at];
    }
    for (at, sum) in result.group_mods.iter_mut().enumerate() {
        *sum = after.group_mods[at] - before.group_mods[at];
    }
    result
}

/// Octets from a switch, and whether they are a packet-in whose answer is waited for.
struct Arrival {
    connection: ConnectionId,
    octets: Bytes,
    measured: bool,
}

/// Core and fabric on one clock, on which the core's turns take what they take.
pub(super) struct Bench {
    core: Core,
    fabric: Fabric,
    now: Time,
    /// The core does something until then.
    free_at: Time,
    busy: Duration,
    longest: Duration,
    connections: BTreeMap<DatapathId, ConnectionId>,
    switches: BTreeMap<ConnectionId, (DatapathId, BytesMut)>,
    to_core: BTreeMap<Time, VecDeque<Arrival>>,
    to_switches: BTreeMap<Time, VecDeque<(DatapathId, Bytes)>>,
    latencies: Vec<Duration>,
    answered: u64,
    /// When the last switch has confirmed, with what all turns had taken by then and the longest one; `None` while something is still to be confirmed.
    confirmed: Option<(Time, Duration, Duration)>,
    random: u64,
    failed: Option<String>,
}

impl Bench {
    /// Nothing is connected yet. With a budget of probes per second other than the usual one, perhaps.
    pub(super) fn new(spec: &FabricSpec, probe_budget: Option<u32>) -> Bench {
        let now = Time::ZERO;
        // As a file that says nothing has it.
        let weights = Arc::new(Weights::with_bypasses());
        let mut config = CoreConfig { seed: 1, probe_key: [1; 32], weights, ..CoreConfig::default() };
        if let Some(budget) = probe_budget {
            config.discovery.probe_budget_per_second = budget;
        }
        let core = Core::new(config, now);
        Bench {
            core,
            fabric: Fabric::new(1, spec, now),
            now,
            free_at: now,
            busy: Duration::ZERO,
            longest: Duration::ZERO,
            connections: BTreeMap::new(),
            switches: BTreeMap::new(),
            to_core: BTreeMap::new(),
            to_switches: BTreeMap::new(),
            latencies: Vec::new(),
            answered: 0,
            confirmed: None,
            random: 1,
            failed: None,
        }
    }

    /// Until every link is found, every host learned, and all is installed.
    pub(super) fn start(&mut self, spec: &FabricSpec) -> Result<(), String> {
        for (number, switch) in (1..).zip(&spec.switches) {
            let (connection, id) = (ConnectionId(number), switch.datapath_id);
            self.connections.insert(id, connection);
            self.switches.insert(connection, (id, BytesMut::new()));
            self.fabric.connect(id, self.now);
            self.core.handle_connect(connection, self.now);
        }
        let links = spec.links.len();
        self.run_until_true("links", START_LIMIT, |bench| bench.core.network().bidirectional_links().count() >= links)?;
        let settled = |bench: &Bench| bench.core.network().switches.values().all(topology::Switch::is_settled);
        self.run_until_true("settled ports", START_LIMIT, settled)?;
        for host in 0..spec.hosts.len() {
            self.fabric.announce(HostIndex(host), self.now);
            self.run_for(Duration::from_millis(1))?;
        }
        let hosts = spec.hosts.len();
        self.run_until_true("hosts", START_LIMIT, |bench| bench.core.network().hosts.len() >= hosts)?;
        self.run_until_true("installed rules", START_LIMIT, |bench| bench.core.is_at_rest())
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Nothing happens for so long: what all turns take, and the longest one.
    pub(super) fn rest(&mut self, duration: Duration) -> Result<(Duration, Duration), String> {
        (self.busy, self.longest) = (Duration::ZERO, Duration::ZERO);
        self.run_for(duration)?;
        Ok((self.busy, self.longest))
    }

    /// Something happens to the network; until there are so many links again, and all switches have confirmed.
    fn change(&mut self, happens: impl FnOnce(&mut Fabric, Time), links: Option<usize>) -> Result<Cost, String> {
        // What came before is over, and the core rests.
        self.run_until_true("rest", CHANGE_LIMIT, |bench| bench.core.is_at_rest())?;
        let before = self.core.reconciler().counters();
        let begun = self.now;
        (self.busy, self.longest) = (Duration::ZERO, Duration::ZERO);
        self.confirmed = Some((begun, Duration::ZERO, Duration::ZERO));
        happens(&mut self.fabric, begun);
        // The news take their time to the core, which may be busy.
        self.run_for(4 * CONTROL_LATENCY)?;
        let told = |bench: &Bench| bench.to_core.keys().next().is_none_or(|at| *at > begun + CONTROL_LATENCY);
        self.run_until_true("turn", CHANGE_LIMIT, told)?;
        if let Some(links) = links {
            self.run_until_true("links", CHANGE_LIMIT, |bench| {
                bench.core.network().bidirectional_links().count() >= links
            })?;
        }
        self.run_until_true("confirmations", CHANGE_LIMIT, |bench| bench.core.is_at_rest())?;
        let counted = difference(&self.core.reconciler().counters(), &before);
        let (at, busy, longest) = self.confirmed.unwrap_or((self.now, self.busy, self.longest));
        Ok(Cost { counted, busy, longest, confirmed: at.since(begun) })
    }

    /// Packet-ins from all over for so many seconds of the network's time, with or without changes beside them.
    fn packet_ins(&mut self, what: &'static str, seconds: u64, changing: bool) -> Result<PacketIns, String> {
        let before = self.core.reconciler().counters();
        let (begun, end) = (self.now, self.now + Duration::from_secs(seconds));
        (self.busy, self.longest, self.answered) = (Duration::ZERO, Duration::ZERO, 0);
        self.latencies.clear();
        let (mut next_change, mut sent, mut changes) = (begun + CHANGE_INTERVAL, 0, 0);
        let mut down: Vec<LinkIndex> = Vec::new();
        while self.now < end {
            if changing && self.now >= next_change {
                next_change = next_change + CHANGE_INTERVAL;
                self.random_change(&mut down);
                changes += 1;
            }
            self.ask();
            sent += 1;
            self.run_for(PACKET_IN_INTERVAL)?;
        }
        let busy_share = self.busy.as_secs_f64() / self.now.since(begun).as_secs_f64();
        down.into_iter().for_each(|link| self.fabric.mend_link(link, self.now));
        self.run_for(Duration::from_secs(2))?;
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).map_or(0.0, |it| milliseconds(*it) * 1e3);
        let counted = difference(&self.core.reconciler().counters(), &before);
        Ok(PacketIns {
            what,
            seconds,
            changes,
            sent,
            answered: self.answered,
            p50_us: at(50),
            p99_us: at(99),
            worst_us: latencies.last().map_or(0.0, |it| milliseconds(*it) * 1e3),
            busy_share,
            rules: counted.flow_mods.iter().sum(),
            groups: counted.group_mods.iter().sum(),
        })
    }

    /// A link goes down, or one of those that are comes back.
    fn random_change(&mut self, down: &mut Vec<LinkIndex>) {
        let links = self.fabric.spec().links.len();
        let mends = down.len() >= DOWN_MAX || (!down.is_empty() && self.below(2) == 0);
        if mends {
            let link = down.swap_remove(self.below(down.len()));
            self.fabric.mend_link(link, self.now);
        } else {
            let link = LinkIndex(self.below(links));
            if !down.contains(&link) {
                down.push(link);
                self.fabric.cut_link(link, CutKind::PortDown, self.now);
            }
        }
    }

    /// Some host asks to all for the address of another one, and the switch sends that up: the core answers by itself.
    fn ask(&mut self) {
        let hosts = self.fabric.spec().hosts.len();
        let (asker, owner) = (self.below(hosts), self.below(hosts));
        let spec = self.fabric.spec();
        let (Some(asker), Some(owner)) = (spec.hosts.get(asker), spec.hosts.get(owner)) else { return };
        let frame = build::arp_request(asker.mac, asker.ipv4, owner.ipv4);
        let Some(&connection) = self.connections.get(&asker.port.datapath_id) else { return };
        let message = Message::PacketIn(PacketIn {
            buffer_id: BufferId::NO_BUFFER,
            total_len: frame.len() as u16,
            reason: PacketInReason::ACTION,
            table_id: CLASSIFY,
            cookie: 0,
            match_: Match::new().with_in_port(asker.port.port_no),
            data: frame,
        });
        let mut octets = BytesMut::new();
        if message.encode(0, &mut octets).is_ok() {
            let arrival = Arrival { connection, octets: octets.freeze(), measured: true };
            self.to_core.entry(self.now).or_default().push_back(arrival);
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX generator: the same course of events in each run.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % limit.max(1)
    }

    fn run_until_true(&mut self, what: &str, limit: Duration, done: impl Fn(&Bench) -> bool) -> Result<(), String> {
        let end = self.now + limit;
        while !done(self) {
            if self.now >= end {
                return Err(format!("no {what} after {limit:?} of the network's time"));
            }
            self.run_for(LOOK_INTERVAL)?;
        }
        Ok(())
    }

    fn run_for(&mut self, duration: Duration) -> Result<(), String> {
        let end = self.now + duration;
        loop {
            self.collect();
            let timer = self.core.poll_timeout().map(|(at, _)| at.max(self.free_at));
            let arrival = self.to_core.keys().next().map(|at| (*at).max(self.free_at));
            let delivery = self.to_switches.keys().next().copied();
            let network = self.fabric.poll_timeout().map(|(at, _)| at);
            let next = [network, delivery, arrival, timer].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return self.failed.take().map_or(Ok(()), Err);
            };
            self.now = self.now.max(next);
            if network.is_some_and(|at| at <= self.now) {
                self.fabric.handle_timeout(self.now);
            } else if delivery.is_some_and(|at| at <= self.now) {
                let due = self.to_switches.pop_first().map(|(_, due)| due).unwrap_or_default();
                for (id, octets) in due {
                    self.fabric.handle_bytes(id, &octets, self.now);
                }
            } else if arrival.is_some_and(|at| at <= self.now) {
                self.arrive();
            } else {
                self.turn(|core, now| core.handle_timeout(now));
            }
        }
    }

    /// What came first is handled.
    fn arrive(&mut self) {
        let Some(mut first) = self.to_core.first_entry() else { return };
        let came = *first.key();
        let Some(Arrival { connection, octets, measured }) = first.get_mut().pop_front() else { return };
        if first.get().is_empty() {
            first.remove();
        }
        let Some((_, buffer)) = self.switches.get_mut(&connection) else { return };
        buffer.extend_from_slice(&octets);
        let mut frames = Vec::new();
        while let Ok(Some(length)) = frame_length(buffer) {
            if buffer.len() < length {
                break;
            }
            frames.push(buffer.split_to(length).freeze());
        }
        let answers = self.turn(|core, now| core.handle_frames(connection, frames, now));
        if measured {
            self.latencies.push(self.free_at.since(came));
            self.answered += u64::from(answers > 0);
        }
    }

    /// One turn of the core; how many of the messages that came of it begin with a PACKET_OUT.
    fn turn(&mut self, turn: impl FnOnce(&mut Core, Time)) -> usize {
        let start = Instant::now();
        turn(&mut self.core, self.now);
        let mut sent = Vec::new();
        while let Some(connection) = self.core.poll_ready() {
            while let Some(octets) = self.core.take_output(connection) {
                sent.push((connection, octets));
            }
        }
        let took = start.elapsed();
        self.busy += took;
        self.longest = self.longest.max(took);
        self.free_at = self.now + took;
        while let Some(event) = self.core.poll_event() {
            if let CoreEvent::Close { connection, cause } = event {
                self.failed = Some(format!("the core has closed connection {}: {cause:?}", connection.0));
            }
        }
        if !self.core.is_at_rest() {
            self.confirmed = None;
        } else if self.confirmed.is_none() {
            self.confirmed = Some((self.free_at, self.busy, self.longest));
        }
        let answers = sent.iter().filter(|(_, octets)| octets.get(1) == Some(&PACKET_OUT)).count();
        let due = self.to_switches.entry(self.free_at + CONTROL_LATENCY).or_default();
        due.extend(
            sent.into_iter()
                .filter_map(|(connection, octets)| self.switches.get(&connection).map(|(id, _)| (*id, octets))),
        );
        answers
    }

    /// What switches have to say sets out.
    fn collect(&mut self) {
        while let Some((id, octets)) = self.fabric.poll_transmit() {
            if let Some(&connection) = self.connections.get(&id) {
                let arrival = Arrival { connection, octets, measured: false };
                self.to_core.entry(self.now + CONTROL_LATENCY).or_default().push_back(arrival);
            }
        }
        // Of probes between hosts there are none; what else is told is not looked at.
        while self.fabric.poll_event().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lost_link_changes_is_counted_and_every_packet_in_is_answered() {
        let live = live(4, 5, 1).unwrap();
        assert_eq!(live.hosts, 16);
        // A group of each switch for each other one with hosts, and one to flood: 20 switches, 8 of which have hosts.
        assert_eq!(live.groups, 8 * 7 + 12 * 8 + 20);
        let [lost, back, gone, again] = &live.changes[..] else { panic!("{live:?}") };
        assert!(lost.groups[0] > 0 && lost.groups[1] >= lost.groups[0], "{lost:?}");
        assert!(back.groups[0] > 0 && gone.groups[0] > lost.groups[0] && again.groups[0] > back.groups[0], "{live:?}");
        assert!(lost.confirmed_ms > 0.0 && lost.busy_ms >= lost.longest_ms, "{lost:?}");
        let [rest, changing] = &live.packet_ins[..] else { panic!("{live:?}") };
        assert_eq!((rest.changes, changing.changes, changing.sent), (0, 9, 1_000));
        assert_eq!((rest.answered, changing.answered), (rest.sent, changing.sent));
        assert!(changing.groups > 0 && rest.groups == 0, "{live:?}");
    }
}
