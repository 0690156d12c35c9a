//! Switches, links and hosts as one machine.

use crate::host::{Host, HostEvent};
use crate::probe::{Arrival, ProbeBook, ProbeId, ProbeKind, ProbeLoss};
use crate::queue::Queue;
use crate::random::Random;
use crate::spec::{FabricSpec, HostIndex, LinkIndex};
use bytes::{Bytes, BytesMut};
use net::{DatapathId, MacAddr, PortId, Time};
use openflow::switch::{Switch, SwitchConfig, SwitchTransmit};
use openflow::{Channel, ChannelConfig, ChannelEvent, CloseReason, Port, PortFeatures, frame_length};
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

/// Totals over the whole fabric. Every counter only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FabricStats {
    /// Probes handed in.
    pub probes_sent: u64,
    /// Probes that arrived.
    pub probes_delivered: u64,
    /// Probes given up.
    pub probes_lost: u64,
    /// Arrivals of probes that had arrived before.
    pub probes_duplicated: u64,
    /// Arrivals of probes that had been given up.
    pub probes_late: u64,
    /// Frames that reached the other end of a link.
    pub frames_delivered: u64,
    /// Frames that were lost on a link that was cut.
    pub frames_cut: u64,
    /// Frames dropped because they had made more hops than a loop-free path has.
    pub looped_frames: u64,
    /// Frames dropped because too many were in flight.
    pub frames_overflowed: u64,
    /// Frames that a switch sent to a port with nothing plugged in.
    pub frames_unplugged: u64,
}

/// Counters of a link, per direction: `[a to b, b to a]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkStats {
    /// Frames that reached the other end.
    pub frames: [u64; 2],
    /// Octets in them.
    pub octets: [u64; 2],
    /// Frames lost because the link was cut.
    pub cut: [u64; 2],
}

/// Counters of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostStats {
    /// Frames that reached it, also those for others.
    pub received: u64,
    /// Frames for its own MAC address or a group address that it listens to.
    pub accepted: u64,
    /// Frames that it sent.
    pub sent: u64,
    /// Frames of its own that came back to it.
    pub echoed: u64,
}

/// Switches, links and hosts on one clock and one seed; see the crate's description.
///
/// Inputs may come late: before each one, everything that was due until then happens at its own time, in order.
pub struct Fabric {
    spec: FabricSpec,
    hop_limit: u32,
    nodes: Vec<Node>,
    index: BTreeMap<DatapathId, usize>,
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
            hop_limit: spec.hop_limit.unwrap_or(spec.switches.len() as u32 + 1),
            spec: spec.clone(),
            nodes: Vec::new(),
            index: BTreeMap::new(),
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

    /// Whether this is a port for a cable, of a switch that is there, with no cable in it.
    fn is_free(&self, port: PortId) -> bool {
        self.index.contains_key(&port.datapath_id) && port.port_no.is_physical() && !self.plugs.contains_key(&port)
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

/// The controller's side.
impl Fabric {
    /// A new connection of a switch to its controller: a fresh channel, which at once has a HELLO to send. An older connection is dropped.
    /// The switch's tables are kept.
    pub fn connect(&mut self, datapath_id: DatapathId, now: Time) {
        self.disconnect(datapath_id, now);
        let Some(&index) = self.index.get(&datapath_id) else { return };
        if let Some(node) = self.nodes.get_mut(index) {
            node.channel = Some(Channel::switch(ChannelConfig::default(), now));
        }
        self.after_channel(index, now);
    }

    /// Every switch connects.
    pub fn connect_all(&mut self, now: Time) {
        let all: Vec<DatapathId> = self.datapath_ids().collect();
        all.into_iter().for_each(|datapath_id| self.connect(datapath_id, now));
    }

    /// The connection of a switch is gone, as when the controller dies: what was still to be sent is lost. The switch goes on forwarding
    /// by its tables.
    pub fn disconnect(&mut self, datapath_id: DatapathId, now: Time) {
        self.advance(now);
        let Some(&index) = self.index.get(&datapath_id) else { return };
        self.talking.remove(&index);
        self.outbox.retain(|(other, _)| *other != datapath_id);
        if let Some(node) = self.nodes.get_mut(index) {
            node.channel = None;
            node.received.clear();
            node.switch.handle_disconnected(now);
        }
    }

    /// Every connection is gone.
    pub fn disconnect_all(&mut self, now: Time) {
        let all: Vec<DatapathId> = self.datapath_ids().collect();
        all.into_iter().for_each(|datapath_id| self.disconnect(datapath_id, now));
    }

    /// Whether a switch has a connection, with or without a finished handshake.
    pub fn is_connected(&self, datapath_id: DatapathId) -> bool {
        self.node(datapath_id).is_some_and(|node| node.channel.is_some())
    }

    fn node(&self, datapath_id: DatapathId) -> Option<&Node> {
        self.nodes.get(*self.index.get(&datapath_id)?)
    }

    /// Octets from the controller, cut anywhere. Without a connection they mean nothing.
    pub fn handle_bytes(&mut self, datapath_id: DatapathId, octets: &[u8], now: Time) {
        self.advance(now);
        let Some(&index) = self.index.get(&datapath_id) else { return };
        let Some(node) = self.nodes.get_mut(index) else { return };
        if node.channel.is_none() {
            return;
        }
        node.received.extend_from_slice(octets);
        while let Some(node) = self.nodes.get_mut(index) {
            let Some(channel) = &mut node.channel else { break };
            match frame_length(&node.received) {
                Ok(Some(length)) if node.received.len() >= length => {
                    channel.handle_frame(node.received.split_to(length).freeze(), now);
                }
                Ok(_) => break,
                Err(error) => {
                    node.received.clear();
                    channel.handle_frame_error(error, now);
                }
            }
            self.channel_events(index, now);
        }
        self.after_channel(index, now);
        self.after_switch(index, now, 0);
    }

    /// Octets for the controller of one switch: the lowest datapath id that has some.
    pub fn poll_transmit(&mut self) -> Option<(DatapathId, Bytes)> {
        if let Some(last_words) = self.outbox.pop_front() {
            return Some(last_words);
        }
        while let Some(index) = self.talking.pop_first() {
            let Some(node) = self.nodes.get_mut(index) else { continue };
            if let Some(octets) = node.channel.as_mut().and_then(Channel::poll_transmit) {
                return Some((node.switch.datapath_id(), octets));
            }
        }
        None
    }

    fn channel_events(&mut self, index: usize, now: Time) {
        while let Some(node) = self.nodes.get_mut(index) {
            let Some(event) = node.channel.as_mut().and_then(Channel::poll_event) else { break };
            match event {
                ChannelEvent::Negotiated => node.switch.handle_connected(now),
                ChannelEvent::Message { xid, message } => {
                    node.switch.handle_message(xid, &message, now);
                    self.switch_transmits(index, now, 0);
                }
                ChannelEvent::Closed { reason } => self.closed(index, &reason, now),
                // What is malformed the channel has answered; the others belong to a controller's side.
                _ => {}
            }
        }
    }

    fn closed(&mut self, index: usize, reason: &CloseReason, now: Time) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let datapath_id = node.switch.datapath_id();
        let last_words = node.channel.take().and_then(|mut channel| channel.poll_transmit());
        node.received.clear();
        node.switch.handle_disconnected(now);
        self.outbox.extend(last_words.map(|octets| (datapath_id, octets)));
        self.talking.remove(&index);
        self.events.push_back(FabricEvent::Closed { datapath_id, reason: reason.to_string() });
    }

    /// A channel was touched: it may have octets to send and a new deadline.
    fn after_channel(&mut self, index: usize, _now: Time) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let Some(channel) = &node.channel else { return };
        if channel.queued_len() > 0 {
            self.talking.insert(index);
        }
        let deadline = channel.poll_timeout().map(|(at, _)| at);
        arm(&mut self.queue, &mut node.armed[1], deadline, Event::ChannelTimer(index));
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
                    self.after_channel(index, now);
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

/// Frames.
impl Fabric {
    fn over_link(&mut self, index: usize, from: usize, epoch: u32, frame: Bytes, hops: u32, now: Time) {
        self.in_flight -= 1;
        let Some(link) = self.links.get_mut(index) else { return };
        if link.epoch != epoch {
            count(&mut link.stats.cut, from, 1);
            self.stats.frames_cut += 1;
            return;
        }
        count(&mut link.stats.frames, from, 1);
        count(&mut link.stats.octets, from, frame.len() as u64);
        self.stats.frames_delivered += 1;
        let [a, b] = link.ends;
        self.deliver(if from == 0 { b } else { a }, frame, hops, now);
    }

    fn deliver(&mut self, port: PortId, frame: Bytes, hops: u32, now: Time) {
        let Some(&index) = self.index.get(&port.datapath_id) else { return };
        if let Some(node) = self.nodes.get_mut(index) {
            node.switch.handle_packet(port.port_no, frame, now);
        }
        self.after_switch(index, now, hops);
    }

    /// A switch was touched: frames and messages leave it, and it may have a new deadline. What leaves it now has made `hops` hops before.
    fn after_switch(&mut self, index: usize, now: Time, hops: u32) {
        self.switch_transmits(index, now, hops);
        let Some(node) = self.nodes.get_mut(index) else { return };
        let deadline = node.switch.poll_timeout().map(|(at, _)| at);
        arm(&mut self.queue, &mut node.armed[0], deadline, Event::SwitchTimer(index));
        self.after_channel(index, now);
    }

    fn switch_transmits(&mut self, index: usize, now: Time, hops: u32) {
        while let Some(node) = self.nodes.get_mut(index) {
            let Some(transmit) = node.switch.poll_transmit() else { break };
            match transmit {
                SwitchTransmit::ToController { xid, message } => {
                    if let Some(channel) = &mut node.channel {
                        channel.send_with_xid(xid, &message);
                        self.talking.insert(index);
                    }
                }
                SwitchTransmit::ToPort { port_no, frame } => {
                    let port = PortId::new(node.switch.datapath_id(), port_no);
                    self.out_of_port(port, frame, hops + 1, now);
                }
            }
        }
    }

    fn out_of_port(&mut self, port: PortId, frame: Bytes, hops: u32, now: Time) {
        if hops > self.hop_limit {
            self.stats.looped_frames += 1;
            return;
        }
        match self.plugs.get(&port) {
            Some(&Plug::Link { link: index, end }) => {
                let Some(link) = self.links.get_mut(index) else { return };
                if link.cut.is_some() {
                    count(&mut link.stats.cut, end, 1);
                    self.stats.frames_cut += 1;
                    return;
                }
                let (at, epoch) = (now + link.latency, link.epoch);
                self.launch(at, Event::OverLink { link: index, from: end, epoch, frame, hops });
            }
            Some(&Plug::Host(host)) => {
                let Some(slot) = self.hosts.get(host) else { return };
                let (at, epoch) = (now + slot.latency, slot.epoch);
                self.launch(at, Event::ToHost { host, epoch, frame });
            }
            None => self.stats.frames_unplugged += 1,
        }
    }

    /// A frame goes on its way, unless too many are.
    fn launch(&mut self, at: Time, event: Event) {
        if self.in_flight >= MAX_FRAMES_IN_FLIGHT {
            self.stats.frames_overflowed += 1;
            return;
        }
        self.in_flight += 1;
        self.queue.push(at, event);
    }

    /// A host was touched: frames leave it, probes may have arrived, and it may have a new deadline.
    fn after_host(&mut self, host: usize, now: Time) {
        while let Some(slot) = self.hosts.get_mut(host) {
            let Some(frame) = slot.host.poll_transmit() else { break };
            if !slot.plugged {
                self.stats.frames_unplugged += 1;
                continue;
            }
            let (at, epoch) = (now + slot.latency, slot.epoch);
            self.launch(at, Event::FromHost { host, epoch, frame });
        }
        while let Some(event) = self.hosts.get_mut(host).and_then(|slot| slot.host.poll_event()) {
            match event {
                HostEvent::Arrived(id) => self.arrived(id, HostIndex(host), now),
                HostEvent::Unresolved(id) => self.lose(id, ProbeLoss::Unresolved),
            }
        }
        let Some(slot) = self.hosts.get_mut(host) else { return };
        let deadline = slot.host.poll_timeout();
        arm(&mut self.queue, &mut slot.armed, deadline, Event::HostTimer(host));
    }
}

/// Links, cables and hosts.
impl Fabric {
    /// Cuts a link. Frames under way on it are lost. A link that is cut already changes to this kind of cut.
    pub fn cut_link(&mut self, link: LinkIndex, kind: CutKind, now: Time) {
        self.set_cut(link, Some(kind), now);
    }

    /// Mends a link.
    pub fn mend_link(&mut self, link: LinkIndex, now: Time) {
        self.set_cut(link, None, now);
    }

    fn set_cut(&mut self, index: LinkIndex, cut: Option<CutKind>, now: Time) {
        self.advance(now);
        let Some(link) = self.links.get_mut(index.0) else { return };
        link.epoch += u32::from(cut.is_some());
        link.cut = cut;
        let ends = link.ends;
        for (end, port) in ends.into_iter().enumerate() {
            if self.plugs.get(&port) == Some(&(Plug::Link { link: index.0, end })) {
                self.set_port_up(port, cut != Some(CutKind::PortDown), now);
            }
        }
    }

    fn set_port_up(&mut self, port: PortId, up: bool, now: Time) {
        let Some(&index) = self.index.get(&port.datapath_id) else { return };
        if let Some(node) = self.nodes.get_mut(index) {
            node.switch.set_port_up(port.port_no, up, now);
        }
        self.after_switch(index, now, 0);
    }

    /// How a link is cut now, if it is.
    pub fn link_cut(&self, link: LinkIndex) -> Option<CutKind> {
        self.links.get(link.0)?.cut
    }

    /// The link between two switches, in either direction; of several that with the lowest index.
    pub fn find_link(&self, a: DatapathId, b: DatapathId) -> Option<LinkIndex> {
        let joins = |link: &Link| {
            let [one, two] = link.ends.map(|end| end.datapath_id);
            (one, two) == (a, b) || (one, two) == (b, a)
        };
        self.links.iter().position(joins).map(LinkIndex)
    }

    /// Pulls or plugs the cable of a host; its switch port goes down or up. Frames under way on it are lost. A host that is plugged in again
    /// does not announce itself: see [`Fabric::announce`].
    pub fn set_host_up(&mut self, host: HostIndex, up: bool, now: Time) {
        self.advance(now);
        let Some(slot) = self.hosts.get_mut(host.0) else { return };
        let port = slot.port;
        if slot.plugged == up || self.plugs.get(&port) != Some(&Plug::Host(host.0)) {
            return;
        }
        slot.plugged = up;
        slot.epoch += 1;
        self.set_port_up(port, up, now);
    }

    /// Unplugs a host and plugs it into another port, where it announces itself. A port that its switch doesn't have yet appears. The
    /// port must be free or the host stays where it is: then the answer is false.
    pub fn move_host(&mut self, host: HostIndex, port: PortId, now: Time) -> bool {
        self.advance(now);
        let old = match self.hosts.get(host.0) {
            Some(slot) if self.is_free(port) => slot.port,
            _ => return false,
        };
        self.set_host_up(host, false, now);
        if self.plugs.get(&old) == Some(&Plug::Host(host.0)) {
            self.plugs.remove(&old);
        }
        self.plugs.insert(port, Plug::Host(host.0));
        self.add_port(port, now);
        if let Some(slot) = self.hosts.get_mut(host.0) {
            slot.port = port;
        }
        self.set_host_up(host, true, now);
        self.set_port_up(port, true, now);
        self.announce_now(host.0, now);
        true
    }

    /// Where a host is plugged in, or was last.
    pub fn host_port(&self, host: HostIndex) -> Option<PortId> {
        self.hosts.get(host.0).map(|slot| slot.port)
    }

    /// A host tells everybody its addresses: gratuitous ARP and unsolicited neighbour advertisement.
    pub fn announce(&mut self, host: HostIndex, now: Time) {
        self.advance(now);
        self.announce_now(host.0, now);
    }

    fn announce_now(&mut self, host: usize, now: Time) {
        if let Some(slot) = self.hosts.get_mut(host) {
            slot.host.announce();
        }
        self.after_host(host, now);
    }

    /// A frame of any kind leaves a host.
    pub fn send_frame(&mut self, host: HostIndex, frame: Bytes, now: Time) {
        self.advance(now);
        if let Some(slot) = self.hosts.get_mut(host.0) {
            slot.host.send_frame(frame);
        }
        self.after_host(host.0, now);
    }
}

/// Probes.
impl Fabric {
    /// An ICMP echo from one host to another; [`Fabric::send_probe_of`] with [`ProbeKind::Echo`].
    pub fn send_probe(&mut self, source: HostIndex, target: HostIndex, now: Time) -> ProbeId {
        self.send_probe_of(ProbeKind::Echo, source, target, now)
    }

    /// A probe from one host to another. Its fate is an event: delivered, or lost at the deadline of the spec at the latest.
    pub fn send_probe_of(&mut self, kind: ProbeKind, source: HostIndex, target: HostIndex, now: Time) -> ProbeId {
        self.advance(now);
        let id = self.probes.open(kind, source, target, now);
        self.stats.probes_sent += 1;
        self.queue.push(now + self.spec.probe_deadline, Event::ProbeDeadline(id));
        let addresses = self.spec.hosts.get(target.0).map(|host| (host.ipv4, host.ipv6));
        match (self.hosts.get_mut(source.0), addresses) {
            (Some(slot), Some(addresses)) => slot.host.send_probe(id, kind, addresses, now),
            _ => self.lose(id, ProbeLoss::Unresolved),
        }
        self.after_host(source.0, now);
        id
    }

    fn arrived(&mut self, id: ProbeId, at: HostIndex, now: Time) {
        match self.probes.arrive(id, at) {
            Arrival::First(probe) => {
                self.stats.probes_delivered += 1;
                self.remember_for_a_while(id, now);
                self.events.push_back(FabricEvent::ProbeDelivered {
                    id,
                    source: probe.source,
                    target: probe.target,
                    latency: now.since(probe.sent),
                });
            }
            Arrival::Again => {
                self.stats.probes_duplicated += 1;
                self.events.push_back(FabricEvent::ProbeDuplicated { id });
            }
            Arrival::Late => self.stats.probes_late += 1,
            Arrival::Unknown => {}
        }
    }

    fn lose(&mut self, id: ProbeId, reason: ProbeLoss) {
        if let Some(probe) = self.probes.lose(id) {
            self.stats.probes_lost += 1;
            self.remember_for_a_while(id, probe.sent + self.spec.probe_deadline);
            let (source, target) = (probe.source, probe.target);
            self.events.push_back(FabricEvent::ProbeLost { id, source, target, reason });
        }
    }

    fn remember_for_a_while(&mut self, id: ProbeId, now: Time) {
        self.queue.push(now + PROBE_MEMORY, Event::ProbeForgotten(id));
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

/// How long a probe that has arrived or been given up is remembered, to tell duplicates and latecomers.
const PROBE_MEMORY: Duration = Duration::from_secs(10);

/// Puts a timer into the queue if it has to ring earlier than the one that is there. A timer that rings too early finds nothing to do.
fn arm(queue: &mut Queue<Event>, armed: &mut Option<Time>, deadline: Option<Time>, event: Event) {
    let Some(deadline) = deadline else { return };
    if armed.is_none_or(|armed| deadline < armed) {
        *armed = Some(deadline);
        queue.push(deadline, event);
    }
}

fn count(counters: &mut [u64; 2], direction: usize, by: u64) {
    if let Some(counter) = counters.get_mut(direction) {
        *counter += by;
    }
}
