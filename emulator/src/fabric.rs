//! Switches, links and hosts as one machine.

mod bridges;
mod control;
mod frames;
mod probing;
mod stats;
mod wiring;

use bridges::Bridge;
pub use stats::{FabricStats, HostStats, LinkStats};

use crate::host::Host;
use crate::probe::{ProbeBook, ProbeId, ProbeLoss};
use crate::queue::Queue;
use crate::random::Random;
use crate::spec::{FabricSpec, HostIndex, LinkIndex};
use bytes::{Bytes, BytesMut};
use net::{DatapathId, MacAddr, PortId, Time};
use openflow::switch::{Switch, SwitchConfig};
use openflow::{Channel, Port, PortFeatures};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Hosts that announce themselves do so within this time of the start, each at a moment of its own.
pub const ANNOUNCE_SPREAD: Duration = Duration::from_millis(200);

/// Frames on all links together; one more is dropped and counted as [`FabricStats::frames_overflowed`]. A flood in a network with loops
/// doubles with every hop: this, with the hop limit, is what bounds a storm.
pub const MAX_FRAMES_IN_FLIGHT: usize = 16_384;

/// How a link is cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CutKind {
    /// Both ends see their port go down.
    PortDown,
    /// Frames vanish and nobody is told.
    Silent,
}

/// What the fabric tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FabricEvent {
    /// A probe reached its end for the first time.
    ProbeDelivered {
        /// Which.
        id: ProbeId,
        /// Who sent it.
        source: HostIndex,
        /// Whom to.
        target: HostIndex,
        /// From the call of `send_probe` to the delivery, with address resolution.
        latency: Duration,
    },
    /// A probe was given up.
    ProbeLost {
        /// Which.
        id: ProbeId,
        /// Who sent it.
        source: HostIndex,
        /// Whom to.
        target: HostIndex,
        /// Why.
        reason: ProbeLoss,
    },
    /// A probe reached its end once more.
    ProbeDuplicated {
        /// Which.
        id: ProbeId,
    },
    /// A switch has ended its connection to the controller. Octets of it that are still to be sent come first.
    Closed {
        /// Which switch.
        datapath_id: DatapathId,
        /// Why, in words.
        reason: String,
    },
}

/// Switches, links and hosts on one clock and one seed; see the crate's description.
///
/// Inputs may come late: before each one, everything that was due until then happens at its own time, in order.
pub struct Fabric {
    spec: FabricSpec,
    hop_limit: u32,
    nodes: Vec<Node>,
    index: BTreeMap<DatapathId, usize>,
    bridges: BTreeMap<DatapathId, Bridge>,
    hosts: Vec<HostSlot>,
    links: Vec<Link>,
    /// What is plugged into each switch port.
    plugs: BTreeMap<PortId, Plug>,
    queue: Queue<Event>,
    in_flight: usize,
    probes: ProbeBook,
    /// Connections that may have octets to send.
    talking: BTreeSet<usize>,
    /// The last words of connections that are closed.
    outbox: VecDeque<(DatapathId, Bytes)>,
    events: VecDeque<FabricEvent>,
    stats: FabricStats,
}

struct Node {
    switch: Switch,
    channel: Option<Channel>,
    received: BytesMut,
    /// When the timer of the switch, and that of its channel, stand in the queue.
    armed: [Option<Time>; 2],
}

struct HostSlot {
    host: Host,
    port: PortId,
    latency: Duration,
    plugged: bool,
    /// Changes whenever frames under way are lost.
    epoch: u32,
    armed: Option<Time>,
}

struct Link {
    ends: [PortId; 2],
    latency: Duration,
    cut: Option<CutKind>,
    epoch: u32,
    stats: LinkStats,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plug {
    /// The end `end` (0 or 1) of a link.
    Link {
        link: usize,
        end: usize,
    },
    Host(usize),
}

#[derive(Debug)]
enum Event {
    /// A frame reaches the end of a link away from end `from`.
    OverLink {
        link: usize,
        from: usize,
        epoch: u32,
        frame: Bytes,
        hops: u32,
    },
    /// A frame reaches a host.
    ToHost {
        host: usize,
        epoch: u32,
        frame: Bytes,
    },
    /// A frame of a host reaches its switch.
    FromHost {
        host: usize,
        epoch: u32,
        frame: Bytes,
    },
    SwitchTimer(usize),
    ChannelTimer(usize),
    HostTimer(usize),
    Announce(usize),
    ProbeDeadline(ProbeId),
    ProbeForgotten(ProbeId),
}

impl Fabric {
    /// A fabric with all ports up and no switch connected. Links and hosts of the spec that contradict earlier ones (see
    /// [`FabricSpec::problems`]) keep their index and stay unplugged.
    pub fn new(seed: u64, spec: &FabricSpec, now: Time) -> Fabric {
        let mut random = Random::new(seed);
        let mut fabric = Fabric {
            hop_limit: spec.hop_limit.unwrap_or((spec.switches.len() + spec.bridges.len()) as u32 + 1),
            spec: spec.clone(),
            nodes: Vec::new(),
            index: BTreeMap::new(),
            bridges: BTreeMap::new(),
            hosts: Vec::new(),
            links: Vec::new(),
            plugs: BTreeMap::new(),
            queue: Queue::new(),
            in_flight: 0,
            probes: ProbeBook::default(),
            talking: BTreeSet::new(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            stats: FabricStats::default(),
        };
        for switch in &spec.switches {
            let config = SwitchConfig {
                n_tables: spec.n_tables,
                seed: random.next(),
                name: switch.name.clone(),
                ..SwitchConfig::new(switch.datapath_id)
            };
            if fabric.index.contains_key(&switch.datapath_id) {
                continue;
            }
            fabric.index.insert(switch.datapath_id, fabric.nodes.len());
            let mut switch = Switch::new(config, now);
            switch.handle_disconnected(now);
            fabric.nodes.push(Node { switch, channel: None, received: BytesMut::new(), armed: [None; 2] });
        }
        for bridge in spec.bridges.iter().filter(|bridge| !spec.is_switch(bridge.datapath_id)) {
            fabric.bridges.insert(bridge.datapath_id, Bridge::default());
        }
        for (index, link) in spec.links.iter().enumerate() {
            let ends = [link.a, link.b];
            if link.a != link.b && ends.iter().all(|end| fabric.is_free(*end)) {
                for (end, port) in ends.into_iter().enumerate() {
                    fabric.plugs.insert(port, Plug::Link { link: index, end });
                    fabric.add_port(port, now);
                }
            }
            fabric.links.push(Link { ends, latency: link.latency, cut: None, epoch: 0, stats: LinkStats::default() });
        }
        for (index, host) in spec.hosts.iter().enumerate() {
            let plugged = fabric.is_free(host.port);
            if plugged {
                fabric.plugs.insert(host.port, Plug::Host(index));
                fabric.add_port(host.port, now);
            }
            fabric.hosts.push(HostSlot {
                host: Host::new(host.mac, host.ipv4, host.ipv6),
                port: host.port,
                latency: host.latency,
                plugged,
                epoch: 0,
                armed: None,
            });
            if spec.announce {
                let after = Duration::from_nanos(random.below(ANNOUNCE_SPREAD.as_nanos() as u64));
                fabric.queue.push(now + after, Event::Announce(index));
            }
        }
        fabric
    }

    /// Whether this is a port for a cable, of a switch or bridge that is there, with no cable in it.
    fn is_free(&self, port: PortId) -> bool {
        let id = port.datapath_id;
        let is_there = self.index.contains_key(&id) || self.bridges.contains_key(&id);
        is_there && port.port_no.is_physical() && !self.plugs.contains_key(&port)
    }

    /// Gives the switch this port, unless it has it.
    fn add_port(&mut self, port: PortId, now: Time) {
        let Some(node) = self.node_mut(port.datapath_id) else { return };
        if node.switch.ports().get(port.port_no).is_some() {
            return;
        }
        let [_, _, _, _, _, b, c, d] = port.datapath_id.0.to_be_bytes();
        let hw_addr = MacAddr([0x06, b, c, d, (port.port_no.0 >> 8) as u8, port.port_no.0 as u8]);
        let name = format!("{}-eth{}", node.switch.name(), port.port_no.0);
        let mut description = Port::new(port.port_no, hw_addr, &name);
        description.curr = PortFeatures::RATE_10GB_FD | PortFeatures::COPPER;
        description.curr_speed = 10_000_000;
        description.max_speed = 10_000_000;
        node.switch.add_port(description, now);
    }

    fn node_mut(&mut self, datapath_id: DatapathId) -> Option<&mut Node> {
        self.nodes.get_mut(*self.index.get(&datapath_id)?)
    }

    /// What it was made from.
    pub fn spec(&self) -> &FabricSpec {
        &self.spec
    }

    /// Datapath ids of all switches, in order.
    pub fn datapath_ids(&self) -> impl Iterator<Item = DatapathId> + '_ {
        self.index.keys().copied()
    }
}

/// Time.
impl Fabric {
    /// Everything that is due by `now` happens.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
    }

    /// When `handle_timeout` has something to do next. It may turn out to be nothing.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.queue.next_at().map(|at| (at, "fabric event"))
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<FabricEvent> {
        self.events.pop_front()
    }

    fn advance(&mut self, now: Time) {
        while let Some((at, event)) = self.queue.pop_due(now) {
            self.happen(event, at);
        }
    }

    fn happen(&mut self, event: Event, now: Time) {
        match event {
            Event::OverLink { link, from, epoch, frame, hops } => self.over_link(link, from, epoch, frame, hops, now),
            Event::ToHost { host, epoch, frame } => {
                self.in_flight -= 1;
                let Some(slot) = self.hosts.get_mut(host) else { return };
                if slot.epoch != epoch {
                    self.stats.frames_cut += 1;
                    return;
                }
                self.stats.frames_delivered += 1;
                slot.host.handle_frame(&frame, now);
                self.after_host(host, now);
            }
            Event::FromHost { host, epoch, frame } => {
                self.in_flight -= 1;
                let Some(slot) = self.hosts.get(host) else { return };
                if slot.epoch != epoch {
                    self.stats.frames_cut += 1;
                    return;
                }
                self.stats.frames_delivered += 1;
                let port = slot.port;
                self.deliver(port, frame, 0, now);
            }
            Event::SwitchTimer(index) => {
                let Some(node) = self.nodes.get_mut(index) else { return };
                if node.armed[0].take_if(|armed| *armed == now).is_some() {
                    node.switch.handle_timeout(now);
                    self.after_switch(index, now, 0);
                }
            }
            Event::ChannelTimer(index) => {
                let Some(node) = self.nodes.get_mut(index) else { return };
                if node.armed[1].take_if(|armed| *armed == now).is_some() {
                    if let Some(channel) = &mut node.channel {
                        channel.handle_timeout(now);
                    }
                    self.channel_events(index, now);
                    self.after_channel(index);
                }
            }
            Event::HostTimer(host) => {
                let Some(slot) = self.hosts.get_mut(host) else { return };
                if slot.armed.take_if(|armed| *armed == now).is_some() {
                    slot.host.handle_timeout(now);
                    self.after_host(host, now);
                }
            }
            Event::Announce(host) => self.announce_now(host, now),
            Event::ProbeDeadline(id) => self.lose(id, ProbeLoss::Deadline),
            Event::ProbeForgotten(id) => self.probes.forget(id),
        }
    }
}

/// What can be seen.
impl Fabric {
    /// A switch, to look at its tables, groups and ports.
    pub fn switch(&self, datapath_id: DatapathId) -> Option<&Switch> {
        self.node(datapath_id).map(|node| &node.switch)
    }

    /// Totals.
    pub fn stats(&self) -> FabricStats {
        self.stats
    }

    /// Counters of a link.
    pub fn link_stats(&self, link: LinkIndex) -> LinkStats {
        self.links.get(link.0).map(|link| link.stats).unwrap_or_default()
    }

    /// Counters of a host.
    pub fn host_stats(&self, host: HostIndex) -> HostStats {
        self.hosts.get(host.0).map(|slot| slot.host.stats).unwrap_or_default()
    }

    /// Frames on links now.
    pub fn frames_in_flight(&self) -> usize {
        self.in_flight
    }

    /// Probes whose fate is not known yet.
    pub fn probes_under_way(&self) -> usize {
        self.probes.under_way()
    }

    /// Flow entries in all switches now.
    pub fn flow_count(&self) -> usize {
        self.nodes.iter().map(|node| node.switch.flow_count()).sum()
    }
}

/// Puts a timer into the queue if it has to ring earlier than the one that is there. A timer that rings too early finds nothing to do.
fn arm(queue: &mut Queue<Event>, armed: &mut Option<Time>, deadline: Option<Time>, event: Event) {
    let Some(deadline) = deadline else { return };
    if armed.is_none_or(|armed| deadline < armed) {
        *armed = Some(deadline);
        queue.push(deadline, event);
    }
}
