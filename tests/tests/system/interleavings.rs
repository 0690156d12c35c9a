//! Every state that a change passes through: what is sent at one moment arrives at each switch in its order, and across switches in any. After each
//! message the packets of all pairs of hosts are followed through the tables as they are then: none goes round, none is lost between two that are
//! connected before and after, and nobody who is kept apart before and after is reached.
//!
//! Where few messages are under way at once every mix is looked at, else some at random. What the next barrier lets go comes only after all of it has
//! been answered: the simulator's control network is as fast to all switches.
//!
//! In the states, or in some of many, further links are dead that the controller knows nothing of yet: packets are lost then, or take detours, and still none goes round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use controller::config::Config;
use controller::core::FabricSettings;
use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex};
use net::packet::build::{self, Endpoints};
use net::{DatapathId, PortId, Time};
use openflow::switch::Switch;
use openflow::{FrameCodec, Message};
use tests::{Simulator, SimulatorOptions};
use tokio_util::codec::Decoder;

use crate::chaos::Random;

/// As many states of one batch are all looked at; of more so many at random.
const ALL_STATES: usize = 256;
const RANDOM_STATES: usize = 48;

/// Kinds of changes, and those of which nothing is silent, away or at one moment with another.
const KINDS: usize = 8;
const QUIET_KINDS: usize = 6;

type Tables = BTreeMap<DatapathId, Switch>;

/// Where packets go in a fabric of tables.
struct Walker {
    links: BTreeMap<PortId, PortId>,
    /// Where they are.
    hosts: Vec<PortId>,
    /// One that is nowhere at the moment: it sends nothing, and nobody has to reach it. What is sent to it must not go round.
    away: Option<usize>,
    now: Time,
}

/// What becomes of a frame.
#[derive(Default)]
struct Fate {
    /// How often each port where hosts are was reached.
    reached: BTreeMap<PortId, usize>,
    looped: bool,
}

impl Walker {
    fn new(simulator: &Simulator, places: &[PortId]) -> Walker {
        let spec = simulator.fabric.spec();
        let alive = spec.links.iter().enumerate().filter(|(n, _)| simulator.fabric.link_cut(LinkIndex(*n)).is_none());
        let links = alive.flat_map(|(_, link)| [(link.a, link.b), (link.b, link.a)]).collect();
        Walker { links, hosts: places.to_vec(), away: None, now: simulator.now() }
    }

    /// With more links dead. The switches at their ends see that.
    fn without(&self, dead: &[usize], spec: &FabricSpec, tables: &mut Tables) -> Walker {
        let mut links = self.links.clone();
        for port in dead.iter().flat_map(|link| [spec.links[*link].a, spec.links[*link].b]) {
            links.remove(&port);
            let switch = tables.get_mut(&port.datapath_id).expect("a switch of the fabric");
            switch.set_port_up(port.port_no, false, self.now);
        }
        Walker { links, hosts: self.hosts.clone(), away: self.away, now: self.now }
    }

    fn go(&self, tables: &Tables, from: PortId, frame: &Bytes, way: &mut Vec<(PortId, Bytes)>, fate: &mut Fate) {
        // Whoever comes by with a label, and later without, has not gone round.
        if way.iter().any(|(port, there)| *port == from && there == frame) {
            fate.looped = true;
            return;
        }
        way.push((from, frame.clone()));
        let switch = tables.get(&from.datapath_id).expect("a switch of the fabric");
        for output in switch.trace(from.port_no, frame.clone(), self.now).outputs {
            let out = PortId::new(from.datapath_id, output.port_no);
            match self.links.get(&out) {
                Some(&next) => self.go(tables, next, &output.frame, way, fate),
                None => *fate.reached.entry(out).or_insert(0) += 1,
            }
        }
        way.pop();
    }

    fn frame(&self, spec: &FabricSpec, source: usize, target: usize) -> Bytes {
        let (from, to) = (&spec.hosts[source], &spec.hosts[target]);
        let ends = Endpoints { source_mac: from.mac, destination_mac: to.mac, source: from.ipv4, destination: to.ipv4 };
        build::udp_ipv4(&ends, 1_000, 2_000, b"x").expect("a short datagram")
    }

    /// Which host reaches which. Panics if something goes round.
    fn pairs(&self, spec: &FabricSpec, tables: &Tables, what: &dyn Fn() -> String) -> BTreeSet<(usize, usize)> {
        let mut pairs = BTreeSet::new();
        for source in (0..self.hosts.len()).filter(|source| Some(*source) != self.away) {
            for target in (0..self.hosts.len()).filter(|target| *target != source) {
                let mut fate = Fate::default();
                self.go(tables, self.hosts[source], &self.frame(spec, source, target), &mut Vec::new(), &mut fate);
                assert!(!fate.looped, "{source} to {target} goes round: {}", what());
                if Some(target) != self.away && fate.reached.contains_key(&self.hosts[target]) {
                    pairs.insert((source, target));
                }
            }
            // To somebody whom nobody knows.
            let mut frame = self.frame(spec, source, source).to_vec();
            frame[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
            let mut fate = Fate::default();
            self.go(tables, self.hosts[source], &frame.into(), &mut Vec::new(), &mut fate);
            assert!(!fate.looped, "a flood of {source} goes round: {}", what());
            assert!(fate.reached.values().all(|times| *times == 1), "a flood of {source} comes twice: {}", what());
        }
        pairs
    }
}

fn tables(simulator: &Simulator) -> Tables {
    let ids: Vec<DatapathId> = simulator.fabric.datapath_ids().collect();
    ids.into_iter().filter_map(|id| Some((id, simulator.fabric.switch(id)?.clone()))).collect()
}

/// The changes of tables among messages that came at one moment, by switch.
type Batch = BTreeMap<DatapathId, Vec<Message>>;

fn batches(delivered: Vec<(Time, DatapathId, Bytes)>) -> Vec<Batch> {
    let mut by_time: BTreeMap<Time, Batch> = BTreeMap::new();
    for (at, id, octets) in delivered {
        let mut buffer = BytesMut::from(&octets[..]);
        while let Some(frame) = FrameCodec.decode(&mut buffer).expect("whole frames") {
            let message = Message::decode(&frame).expect("a message of the controller").1;
            if matches!(message, Message::FlowMod(_) | Message::GroupMod(_)) {
                by_time.entry(at).or_default().entry(id).or_default().push(message);
            }
        }
    }
    by_time.into_values().collect()
}

/// How many states were looked at.
#[derive(Default)]
struct Looked {
    states: usize,
    batches: usize,
}

/// What happens before the change is over, so long after it.
type Second = (Duration, Box<dyn FnOnce(&mut Simulator)>);

/// Lets a change happen and looks at every state on the way.
fn look(
    simulator: &mut Simulator,
    places: &[PortId],
    away: Option<usize>,
    random: &mut Random,
    story: &str,
    looked: &mut Looked,
    change: impl FnOnce(&mut Simulator),
) {
    look_at_both(simulator, (places, away), random, story, looked, change, None);
}

/// The same, with a second one before the first is over: what the second one breaks is lost before the controller knows, and nothing goes
/// round for it.
fn look_at_both(
    simulator: &mut Simulator,
    (places, away): (&[PortId], Option<usize>),
    random: &mut Random,
    story: &str,
    looked: &mut Looked,
    change: impl FnOnce(&mut Simulator),
    second: Option<Second>,
) {
    // Marks of the old groups meet drops of the new ones (decision 0013): nobody is reached who must not be, and some may be lost for that moment.
    let before_it = simulator.core().isolation().clone();
    simulator.delivered = Some(Vec::new());
    change(simulator);
    let mut now = tables(simulator);
    let overlap = second.is_some();
    if let Some((later, change)) = second {
        simulator.run_for(later);
        change(simulator);
    }
    let spec = simulator.fabric.spec().clone();
    let after_it = simulator.core().isolation();
    let regrouped = !before_it.is_empty() && !after_it.is_empty() && before_it.groups() != after_it.groups();
    simulator.run_for(Duration::from_secs(4));
    let walker = Walker { away, ..Walker::new(simulator, places) };
    let all = batches(simulator.delivered.take().unwrap_or_default());
    let end = tables(simulator);
    // Ports are as they are in the end: what the change itself breaks is not the update's.
    for (id, switch) in &mut now {
        for record in end[id].ports().iter() {
            switch.set_port_up(record.port.port_no, record.port.is_up(), simulator.now());
        }
    }
    let in_the_end = walker.pairs(&spec, &end, &|| format!("{story}: in the end"));
    let mut before = walker.pairs(&spec, &now, &|| format!("{story}: before it"));
    for (n, batch) in all.iter().enumerate() {
        looked.batches += 1;
        // What a switch holds after so many of its messages.
        let mut prefixes: Vec<(DatapathId, Vec<Switch>)> = Vec::new();
        for (id, messages) in batch {
            let mut states = vec![now[id].clone()];
            for message in messages {
                let mut next = states[states.len() - 1].clone();
                next.handle_message(1, message, simulator.now());
                states.push(next);
            }
            prefixes.push((*id, states));
        }
        let count = prefixes.iter().fold(1_usize, |count, (_, states)| count.saturating_mul(states.len()));
        for state in 0..count.min(if count <= ALL_STATES { count } else { RANDOM_STATES }) {
            looked.states += 1;
            let mut mix = now.clone();
            let mut rest = state;
            let mut chosen = Vec::new();
            for (id, states) in &prefixes {
                let at = if count <= ALL_STATES { rest % states.len() } else { random.below(states.len()) };
                rest /= states.len();
                chosen.push((*id, at));
                mix.insert(*id, states[at].clone());
            }
            let what = || {
                let done = chosen.iter().map(|(id, at)| format!("  {id}: {at} of {:#?}", batch[id]));
                format!("{story}: batch {n} of {}\n{}", all.len(), done.collect::<Vec<_>>().join("\n"))
            };
            let pairs = walker.pairs(&spec, &mix, &what);
            let lost: Vec<_> = before.intersection(&in_the_end).filter(|pair| !pairs.contains(pair)).collect();
            assert!(
                lost.is_empty() || regrouped || overlap,
                "{lost:?} are connected before and after and not in between: {}",
                what()
            );
            let leaks: Vec<_> =
                pairs.iter().filter(|pair| !before.contains(pair) && !in_the_end.contains(pair)).collect();
            assert!(leaks.is_empty(), "{leaks:?} are apart before and after and not in between: {}", what());
            // Each look at many hosts takes long.
            if state % places.len().div_ceil(6) > 0 {
                continue;
            }
            let dead: Vec<usize> = (0..=random.below(3)).map(|_| random.below(spec.links.len())).collect();
            let walker = walker.without(&dead, &spec, &mut mix);
            walker.pairs(&spec, &mix, &|| format!("links {dead:?} dead besides: {}", what()));
        }
        for (id, mut states) in prefixes {
            now.insert(id, states.pop().expect("the last one"));
        }
        before = walker.pairs(&spec, &now, &|| format!("{story}: after batch {n}"));
    }
}

/// Two hosts apart, by their ports or by their addresses, or nobody; and links and switches of other costs, or under maintenance.
fn settings(spec: &FabricSpec, random: &mut Random) -> FabricSettings {
    let mut text = "switches:\n".to_owned();
    for (n, switch) in spec.switches.iter().enumerate() {
        let drain = random.below(6) == 0;
        text.push_str(&format!("  s{n}: {{ datapath_id: \"{}\", drain: {drain} }}\n", switch.datapath_id));
    }
    if random.below(3) > 0 {
        let member = |host: usize, first: bool, by_port: bool| {
            let host = &spec.hosts[host];
            let switch = spec.switches.iter().position(|switch| switch.datapath_id == host.port.datapath_id).unwrap();
            match by_port {
                // A port that is free yet is the first group's: hosts move onto it.
                true if first => {
                    let free = spec.next_port(host.port.datapath_id).port_no;
                    format!("ports: [s{switch}/{}, s{switch}/{free}]", host.port.port_no)
                }
                true => format!("ports: [s{switch}/{}]", host.port.port_no),
                false => format!("hosts: [\"{}\"]", host.mac),
            }
        };
        let (one, other) =
            (member(0, true, random.below(2) == 0), member(1 + random.below(2), false, random.below(2) == 0));
        text.push_str(&format!("isolate: {{ set: {{ groups: {{ one: {{ {one} }}, other: {{ {other} }} }} }} }}\n"));
    }
    if random.below(2) == 0 {
        text.push_str(&format!(
            "flows: {{ all: [\"priority=5,udp,tp_dst={},actions=drop\"] }}\n",
            5_000 + random.below(9)
        ));
    }
    if random.below(3) > 0 {
        let metric = ["cost", "latency", "cost", "bandwidth"][random.below(4)];
        // Ways round links, or none.
        let bypasses = metric != "cost";
        text.push_str(&format!("paths: {{ metric: {metric}, bypasses: {bypasses} }}\nlinks:\n"));
        for link in &spec.links {
            let end = |port: PortId| {
                let switch = spec.switches.iter().position(|switch| switch.datapath_id == port.datapath_id).unwrap();
                format!("s{switch}/{}", port.port_no)
            };
            let (cost, latency, gigabits) = (1 + random.below(4), 1 + random.below(4), [1, 10, 40][random.below(3)]);
            let drain = random.below(5) == 0;
            text.push_str(&format!(
                "- {{ between: {} - {}, cost: {cost}, latency: {latency}us, bandwidth: {gigabits}G, drain: {drain} }}\n",
                end(link.a),
                end(link.b)
            ));
        }
    }
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

/// A link is cut, or mended.
fn toggle(simulator: &mut Simulator, link: LinkIndex, kind: CutKind) {
    let now = simulator.now();
    match simulator.fabric.link_cut(link) {
        None => simulator.fabric.cut_link(link, kind, now),
        Some(_) => simulator.fabric.mend_link(link, now),
    };
}

/// Random changes of one fabric, out of the first so many kinds; how many states that were.
fn changes(spec: &FabricSpec, seed: u64, count: usize, kinds: usize) -> Looked {
    let mut random = Random(seed);
    let mut simulator = Simulator::new(spec, SimulatorOptions { seed, ..SimulatorOptions::default() });
    simulator.converge();
    let mut places: Vec<PortId> = spec.hosts.iter().map(|host| host.port).collect();
    let mut looked = Looked::default();
    let mut story = format!("seed {seed}");
    for _ in 0..count {
        let link = LinkIndex(random.below(spec.links.len()));
        match random.below(kinds) {
            4 | 5 => {
                let second = LinkIndex(random.below(spec.links.len()));
                let at_once = kinds > QUIET_KINDS && random.below(4) == 0;
                let later = if at_once { Duration::ZERO } else { Duration::from_micros(random.below(60_000) as u64) };
                story.push_str(&format!(", link {} other, and link {} {later:?} later", link.0, second.0));
                let first = |simulator: &mut Simulator| toggle(simulator, link, CutKind::PortDown);
                let second: Second = (later, Box::new(move |simulator| toggle(simulator, second, CutKind::PortDown)));
                look_at_both(&mut simulator, (&places, None), &mut random, &story, &mut looked, first, Some(second));
            }
            // Nobody is told: probes find it, and no detour is taken meanwhile. It is mended while its ports are kept from being edges (decision 0006): one that
            // comes to life behind the back of two edges is a loop until the next probe.
            6 if simulator.fabric.link_cut(link).is_none() => {
                for what in ["down", "up"] {
                    story.push_str(&format!(", link {} {what} silently", link.0));
                    look(&mut simulator, &places, None, &mut random, &story, &mut looked, |simulator| {
                        toggle(simulator, link, CutKind::Silent);
                    });
                }
            }
            // A switch is away for a while, and a link changes before it has come back or soon after.
            6 | 7 => {
                let away = spec.switches[random.below(spec.switches.len())].datapath_id;
                let [pause, later] = [1_500, 2_500].map(|most| Duration::from_millis(1 + random.below(most) as u64));
                story.push_str(&format!(", {away} away for {pause:?}, link {} other {later:?} later", link.0));
                let first = |simulator: &mut Simulator| simulator.break_connection(away, pause);
                let second: Second = (later, Box::new(move |simulator| toggle(simulator, link, CutKind::PortDown)));
                look_at_both(&mut simulator, (&places, None), &mut random, &story, &mut looked, first, Some(second));
            }
            0 | 1 if simulator.fabric.link_cut(link).is_none() => {
                story.push_str(&format!(", link {} down", link.0));
                look(&mut simulator, &places, None, &mut random, &story, &mut looked, |simulator| {
                    let now = simulator.now();
                    simulator.fabric.cut_link(link, CutKind::PortDown, now);
                });
            }
            0 | 1 => {
                story.push_str(&format!(", link {} up", link.0));
                look(&mut simulator, &places, None, &mut random, &story, &mut looked, |simulator| {
                    let now = simulator.now();
                    simulator.fabric.mend_link(link, now);
                });
            }
            2 => {
                let host = random.below(spec.hosts.len());
                let switch = spec.switches[random.below(spec.switches.len())].datapath_id;
                let target = spec.next_port(switch);
                if places.contains(&target) {
                    continue;
                }
                // It is forgotten where it was: its rules go, one switch after the other.
                story.push_str(&format!(", host {host} unplugged"));
                look(&mut simulator, &places, Some(host), &mut random, &story, &mut looked, |simulator| {
                    let now = simulator.now();
                    simulator.fabric.set_host_up(HostIndex(host), false, now);
                });
                let now = simulator.now();
                if !simulator.fabric.move_host(HostIndex(host), target, now) {
                    continue;
                }
                // The old port is gone, the new one becomes an edge: then the host speaks.
                simulator.run_for(Duration::from_secs(3));
                places[host] = target;
                story.push_str(&format!(", host {host} to {target}"));
                look(&mut simulator, &places, None, &mut random, &story, &mut looked, |simulator| {
                    let now = simulator.now();
                    simulator.fabric.announce(HostIndex(host), now);
                });
            }
            _ => {
                let settings = settings(spec, &mut random);
                story.push_str(&format!(
                    ", {} groups, {} rules, links by {:?}, {} and {} drained",
                    settings.isolation.groups().len(),
                    settings.rules.len(),
                    settings.weights.metric,
                    settings.weights.links.values().filter(|link| link.drained).count(),
                    settings.weights.drained.len(),
                ));
                look(&mut simulator, &places, None, &mut random, &story, &mut looked, |simulator| {
                    simulator.configure(settings);
                });
            }
        }
    }
    looked
}

fn many(spec: &FabricSpec, seeds: std::ops::Range<u64>, count: usize, kinds: usize) {
    let mut all = Looked::default();
    for seed in seeds {
        let looked = changes(spec, seed, count, kinds);
        all = Looked { states: all.states + looked.states, batches: all.batches + looked.batches };
    }
    assert!(all.batches > 0 && all.states > all.batches, "{} states of {} batches", all.states, all.batches);
    println!("{} states of {} batches", all.states, all.batches);
}

#[test]
fn no_state_between_two_of_a_line_loops_loses_or_leaks() {
    many(&FabricSpec::linear(3), 1..13, 12, QUIET_KINDS);
}

#[test]
fn no_state_between_two_of_a_ring_with_a_chord_loops_loses_or_leaks() {
    many(&FabricSpec::ring_with_chord(4, 6), 100..112, 14, QUIET_KINDS);
}

#[test]
fn no_state_between_two_of_a_fat_tree_loops_loses_or_leaks() {
    many(&FabricSpec::fat_tree(4), 200..202, 7, QUIET_KINDS);
}

#[test]
fn no_state_loops_or_leaks_while_links_die_silently_switches_are_away_and_two_links_change_at_once() {
    many(&FabricSpec::linear(3), 20..24, 8, KINDS);
    many(&FabricSpec::ring_with_chord(4, 6), 120..122, 8, KINDS);
}
