//! Speakers joined by simulated connections on one virtual clock.

use bgp::speaker::{ConnectionId, Event, NeighborConfig, NeighborStatus, Speaker, SpeakerConfig, Transmit};
use bgp::wire::{Asn, RouterId};
use bytes::Bytes;
use net::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub const LATENCY: Duration = Duration::from_millis(1);

pub struct World {
    pub now: Time,
    pub nodes: Vec<Node>,
    queue: BTreeMap<(Time, u64), Delivery>,
    sequence: u64,
    /// Pairs of nodes between which nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    /// What waits for a cut to be mended: TCP loses nothing as long as the connection lives.
    parked: Vec<Delivery>,
}

pub struct Node {
    pub speaker: Speaker,
    pub address: IpAddr,
    pub events: Vec<Event>,
    /// Where each connection leads.
    ends: BTreeMap<ConnectionId, End>,
    /// Reads nothing: what is sent to it stays with the sender.
    pub stalled: bool,
    held: VecDeque<(usize, ConnectionId, Bytes)>,
}

#[derive(Clone, Copy)]
struct End {
    node: usize,
    connection: ConnectionId,
}

enum Delivery {
    Open { from: usize, connection: ConnectionId, local: IpAddr, remote: SocketAddr },
    Connected { node: usize, connection: ConnectionId },
    Failed { node: usize, connection: ConnectionId },
    Octets { from: usize, sender: ConnectionId, octets: Bytes },
    Closed { from: usize, node: usize, connection: ConnectionId },
}

pub fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
}

pub fn config(number: u8, asn: u32) -> SpeakerConfig {
    SpeakerConfig { seed: u64::from(number), ..SpeakerConfig::new(Asn(asn), RouterId(Ipv4Addr::new(10, 0, 0, number))) }
}

impl World {
    /// Speaker `n` has address 192.0.2.n, counted from 1.
    pub fn new(configs: Vec<SpeakerConfig>) -> World {
        let nodes = (1..).zip(configs).map(|(number, config)| Node {
            speaker: Speaker::new(config, Time::ZERO).unwrap(),
            address: address(number),
            events: Vec::new(),
            ends: BTreeMap::new(),
            stalled: false,
            held: VecDeque::new(),
        });
        World {
            now: Time::ZERO,
            nodes: nodes.collect(),
            queue: BTreeMap::new(),
            sequence: 0,
            cut: BTreeSet::new(),
            parked: Vec::new(),
        }
    }

    /// Runs for `duration`.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        // A world that never comes to rest is a bug: far above what any test needs.
        for _ in 0..2_000_000 {
            self.drain();
            let timeouts = self.nodes.iter().filter_map(|node| node.speaker.poll_timeout()).map(|(at, _)| at).min();
            let next = self.queue.keys().next().map(|(at, _)| *at).into_iter().chain(timeouts).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let delivery = entry.remove();
                self.deliver(delivery);
            } else {
                let now = self.now;
                for node in &mut self.nodes {
                    if node.speaker.poll_timeout().is_some_and(|(at, _)| at <= now) {
                        node.speaker.handle_timeout(now);
                    }
                }
            }
        }
        panic!("the world does not come to rest");
    }

    /// Runs until `done`, and says how long it took. Panics after `limit`.
    #[track_caller]
    pub fn run_until(&mut self, limit: Duration, what: &str, done: impl Fn(&World) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(self.now.since(start) < limit, "{what}: not within {limit:?}");
            self.run(Duration::from_millis(10));
        }
        self.now.since(start)
    }

    pub fn speaker(&mut self, number: u8) -> &mut Speaker {
        &mut self.nodes[usize::from(number) - 1].speaker
    }

    pub fn neighbor(&self, number: u8, of: u8) -> NeighborStatus {
        let status = self.nodes[usize::from(number) - 1].speaker.status(self.now);
        status.neighbors.into_iter().find(|neighbor| neighbor.address == address(of)).unwrap()
    }

    pub fn is_up(&self, number: u8, of: u8) -> bool {
        self.neighbor(number, of).uptime_seconds.is_some()
    }

    /// The process ends without a word, and one with `config` takes its place: its connections break, its routes are
    /// its own again.
    pub fn replace(&mut self, number: u8, config: SpeakerConfig) {
        let index = usize::from(number) - 1;
        self.drain();
        self.nodes[index].speaker = Speaker::new(config, self.now).unwrap();
        self.nodes[index].ends.clear();
        self.queue.retain(|_, delivery| match delivery {
            Delivery::Open { from, .. } | Delivery::Octets { from, .. } => *from != index,
            Delivery::Connected { node, .. } | Delivery::Failed { node, .. } => *node != index,
            Delivery::Closed { from, node, .. } => *from != index && *node != index,
        });
        for other in (0..self.nodes.len()).filter(|other| *other != index) {
            let ends = &self.nodes[other].ends;
            let broken: Vec<ConnectionId> =
                ends.iter().filter(|(_, end)| end.node == index).map(|(connection, _)| *connection).collect();
            for connection in broken {
                self.nodes[other].ends.remove(&connection);
                let now = self.now;
                self.nodes[other].speaker.handle_closed(connection, now);
            }
        }
    }

    /// Nothing arrives between two speakers any more, in either direction; nobody is told.
    pub fn cut(&mut self, a: u8, b: u8) {
        self.cut.insert((usize::from(a) - 1, usize::from(b) - 1));
        self.cut.insert((usize::from(b) - 1, usize::from(a) - 1));
    }

    pub fn mend(&mut self) {
        self.cut.clear();
        for delivery in std::mem::take(&mut self.parked) {
            self.schedule(Duration::ZERO, delivery);
        }
    }

    pub fn stall(&mut self, number: u8, stalled: bool) {
        let node = usize::from(number) - 1;
        self.nodes[node].stalled = stalled;
        if !stalled {
            for (from, sender, octets) in std::mem::take(&mut self.nodes[node].held) {
                self.schedule(Duration::ZERO, Delivery::Octets { from, sender, octets });
            }
        }
    }

    fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), delivery);
    }

    fn drain(&mut self) {
        for from in 0..self.nodes.len() {
            while let Some(event) = self.nodes[from].speaker.poll_event() {
                self.nodes[from].events.push(event);
            }
            while let Some(transmit) = self.nodes[from].speaker.poll_transmit() {
                match transmit {
                    Transmit::Connect { connection, local, remote, .. } => {
                        let local = local.unwrap_or(self.nodes[from].address);
                        self.schedule(LATENCY, Delivery::Open { from, connection, local, remote });
                    }
                    Transmit::Send { connection, octets } => {
                        self.schedule(LATENCY, Delivery::Octets { from, sender: connection, octets });
                    }
                    Transmit::Close { connection } => {
                        if let Some(end) = self.nodes[from].ends.remove(&connection) {
                            let closed = Delivery::Closed { from, node: end.node, connection: end.connection };
                            self.schedule(LATENCY, closed);
                        }
                    }
                }
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Open { from, connection, local, remote } => {
                let to = self.nodes.iter().position(|node| node.address == remote.ip());
                let Some(to) = to.filter(|to| !self.cut.contains(&(from, *to))) else {
                    self.schedule(LATENCY, Delivery::Failed { node: from, connection });
                    return;
                };
                self.schedule(LATENCY, Delivery::Connected { node: from, connection });
                let client = SocketAddr::new(local, 40000);
                match self.nodes[to].speaker.handle_accepted(client, remote, now) {
                    Some(accepted) => {
                        self.nodes[to].ends.insert(accepted, End { node: from, connection });
                        self.nodes[from].ends.insert(connection, End { node: to, connection: accepted });
                    }
                    // TCP tells the client of the refusal only after it was connected.
                    None => self.schedule(LATENCY, Delivery::Closed { from: to, node: from, connection }),
                }
            }
            Delivery::Connected { node, connection } => {
                let local = SocketAddr::new(self.nodes[node].address, 40000);
                self.nodes[node].speaker.handle_connected(connection, local, now);
            }
            Delivery::Failed { node, connection } => self.nodes[node].speaker.handle_connect_failed(connection, now),
            Delivery::Closed { from, node, connection } if self.cut.contains(&(from, node)) => {
                self.parked.push(Delivery::Closed { from, node, connection });
            }
            Delivery::Closed { node, connection, .. } => {
                self.nodes[node].ends.remove(&connection);
                self.nodes[node].speaker.handle_closed(connection, now);
            }
            Delivery::Octets { from, sender, octets } => {
                // What was sent before a close still arrives; where the other end is gone it goes nowhere.
                let to = self.nodes.iter().enumerate().find_map(|(index, node)| {
                    let found = node.ends.iter().find(|(_, end)| end.node == from && end.connection == sender);
                    found.map(|(connection, _)| (index, *connection))
                });
                let Some((to, connection)) = to else { return };
                if self.cut.contains(&(from, to)) {
                    self.parked.push(Delivery::Octets { from, sender, octets });
                    return;
                }
                if self.nodes[to].stalled {
                    self.nodes[to].held.push_back((from, sender, octets));
                    return;
                }
                self.nodes[from].speaker.handle_sent(sender, octets.len(), now);
                self.nodes[to].speaker.handle_octets(connection, &octets, now);
            }
        }
    }
}

/// `neighbor` of everybody accepts everything.
pub fn open_neighbor(number: u8, asn: u32) -> NeighborConfig {
    NeighborConfig {
        import: bgp::policy::Policy::Accept,
        export: bgp::policy::Policy::Accept,
        next_hop_v6: "2001:db8::99".parse().ok(),
        ..NeighborConfig::new(address(number), Asn(asn))
    }
}
