//! A controller by hand: one channel per switch, rules computed once from the spec, and a clock that jumps from event to event.

use emulator::{Fabric, FabricEvent, FabricSpec, HostIndex};
use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use openflow::{
    Action, Channel, ChannelConfig, ChannelEvent, FlowMod, GroupId, Instruction, Match, Message, TableId, frame_length,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The fabric, its controller's ends and the time.
pub struct World {
    pub fabric: Fabric,
    pub now: Time,
    pub channels: BTreeMap<DatapathId, Channel>,
    /// Messages from the switches.
    pub messages: Vec<(DatapathId, Message)>,
    pub events: Vec<FabricEvent>,
    received: BTreeMap<DatapathId, Vec<u8>>,
}

impl World {
    pub fn new(seed: u64, spec: &FabricSpec) -> World {
        World {
            fabric: Fabric::new(seed, spec, Time::ZERO),
            now: Time::ZERO,
            channels: BTreeMap::new(),
            messages: Vec::new(),
            events: Vec::new(),
            received: BTreeMap::new(),
        }
    }

    /// A world whose switches are all connected.
    pub fn connected(seed: u64, spec: &FabricSpec) -> World {
        let mut world = World::new(seed, spec);
        world.connect_all();
        world
    }

    pub fn connect_all(&mut self) {
        let all: Vec<DatapathId> = self.fabric.datapath_ids().collect();
        self.received.clear();
        for datapath_id in all {
            self.channels.insert(datapath_id, Channel::controller(ChannelConfig::default(), self.now));
            self.fabric.connect(datapath_id, self.now);
        }
        self.exchange();
        assert!(self.channels.values().all(Channel::is_up), "every switch finishes its handshake at once");
    }

    pub fn send(&mut self, datapath_id: DatapathId, message: &Message) {
        self.channels.get_mut(&datapath_id).expect("a channel").send(message);
    }

    pub fn send_all(&mut self, messages: Vec<(DatapathId, Message)>) {
        for (datapath_id, message) in messages {
            self.send(datapath_id, &message);
        }
        self.exchange();
    }

    /// Moves octets to and fro until nobody has any.
    pub fn exchange(&mut self) {
        loop {
            let mut idle = true;
            for (datapath_id, channel) in &mut self.channels {
                if let Some(octets) = channel.poll_transmit() {
                    self.fabric.handle_bytes(*datapath_id, &octets, self.now);
                    idle = false;
                }
            }
            while let Some((datapath_id, octets)) = self.fabric.poll_transmit() {
                idle = false;
                let received = self.received.entry(datapath_id).or_default();
                received.extend_from_slice(&octets);
                let Some(channel) = self.channels.get_mut(&datapath_id) else { continue };
                while let Ok(Some(length)) = frame_length(received) {
                    if received.len() < length {
                        break;
                    }
                    let frame: Vec<u8> = received.drain(..length).collect();
                    channel.handle_frame(frame.into(), self.now);
                }
                while let Some(event) = channel.poll_event() {
                    if let ChannelEvent::Message { message, .. } = event {
                        self.messages.push((datapath_id, message));
                    }
                }
            }
            if idle {
                break;
            }
        }
        self.events.extend(std::iter::from_fn(|| self.fabric.poll_event()));
    }

    /// Lets time pass, from event to event.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let deadlines = self.channels.values().filter_map(Channel::poll_timeout).map(|(at, _)| at);
            let next = deadlines.chain(self.fabric.poll_timeout().map(|(at, _)| at)).min();
            self.now = match next {
                Some(at) if at <= end => at.max(self.now),
                _ => end,
            };
            self.fabric.handle_timeout(self.now);
            for channel in self.channels.values_mut() {
                channel.handle_timeout(self.now);
            }
            self.exchange();
            if next.is_none_or(|at| at > end) {
                break;
            }
        }
    }

    /// Pings between all pairs of hosts; those that got no answer.
    pub fn ping_all(&mut self) -> Vec<(usize, usize)> {
        let hosts = self.fabric.spec().hosts.len();
        let pairs: Vec<(usize, usize)> =
            (0..hosts).flat_map(|a| (0..hosts).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
        self.events.clear();
        for (a, b) in &pairs {
            self.fabric.send_probe(HostIndex(*a), HostIndex(*b), self.now);
        }
        self.run(Duration::from_secs(4));
        let lost = self.events.iter().filter_map(|event| match event {
            FabricEvent::ProbeLost { source, target, .. } => Some((source.0, target.0)),
            _ => None,
        });
        let lost: Vec<(usize, usize)> = lost.collect();
        assert_eq!(self.fabric.probes_under_way(), 0);
        lost
    }
}

/// Where each switch reaches the next hop to `target`: by breadth-first search, lowest port first.
pub fn next_ports(spec: &FabricSpec, target: DatapathId, avoid: Option<usize>) -> BTreeMap<DatapathId, PortNo> {
    let mut ends: Vec<(PortId, PortId)> = Vec::new();
    for (index, link) in spec.links.iter().enumerate() {
        if avoid != Some(index) {
            ends.extend([(link.a, link.b), (link.b, link.a)]);
        }
    }
    ends.sort();
    let mut next = BTreeMap::new();
    let mut seen = BTreeSet::from([target]);
    let mut queue = VecDeque::from([target]);
    while let Some(here) = queue.pop_front() {
        for (near, far) in &ends {
            if near.datapath_id == here && seen.insert(far.datapath_id) {
                next.insert(far.datapath_id, far.port_no);
                queue.push_back(far.datapath_id);
            }
        }
    }
    next
}

pub fn outputs(ports: impl IntoIterator<Item = PortNo>) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(ports.into_iter().map(Action::output).collect())]
}

pub fn to_group(group_id: u32) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(vec![Action::Group(GroupId(group_id))])]
}

pub fn flow(priority: u16, match_: Match, instructions: Vec<Instruction>) -> Message {
    Message::FlowMod(FlowMod { instructions, ..FlowMod::add(TableId(0), priority, match_) })
}

/// Group addresses along a tree from the first switch, and each host's address along shortest paths.
pub fn static_rules(spec: &FabricSpec) -> Vec<(DatapathId, Message)> {
    let mut messages = flood_rules(spec);
    for host in &spec.hosts {
        let mut ports = next_ports(spec, host.port.datapath_id, None);
        ports.insert(host.port.datapath_id, host.port.port_no);
        for (datapath_id, port_no) in ports {
            messages.push((datapath_id, flow(10, Match::new().with_eth_dst(host.mac), outputs([port_no]))));
        }
    }
    messages
}

pub fn flood_rules(spec: &FabricSpec) -> Vec<(DatapathId, Message)> {
    let root = spec.switches[0].datapath_id;
    let mut ports: BTreeMap<DatapathId, BTreeSet<PortNo>> = BTreeMap::new();
    for (datapath_id, up) in next_ports(spec, root, None) {
        ports.entry(datapath_id).or_default().insert(up);
        let here = PortId::new(datapath_id, up);
        for link in &spec.links {
            for (near, far) in [(link.a, link.b), (link.b, link.a)] {
                if near == here {
                    ports.entry(far.datapath_id).or_default().insert(far.port_no);
                }
            }
        }
    }
    for host in &spec.hosts {
        ports.entry(host.port.datapath_id).or_default().insert(host.port.port_no);
    }
    let group = MacAddr([1, 0, 0, 0, 0, 0]);
    let to_all =
        |(datapath_id, ports)| (datapath_id, flow(5, Match::new().with_eth_dst_masked(group, group), outputs(ports)));
    ports.into_iter().map(to_all).collect()
}
