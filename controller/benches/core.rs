//! What an answer costs the controller core, in process: no sockets, no threads, one [`Core`] and as many emulated switches as asked for.
//!
//! Two workloads: (a) an ARP request of a known host for a known host, one packet-out; (b) the same of a host that was never seen, its
//! rules and one packet-out. A turn is what a driver does with one read: frames in, output and events taken, next deadline asked for.
//! The floor beside it decodes and encodes the same messages with a [`Channel`] and does nothing else. Then: connecting many
//! switches, and the memory that a switch and a host take.
#![allow(clippy::disallowed_methods)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use controller::core::{ConnectionId, Core, CoreConfig};
use controller::flow::pipeline::{CLASSIFY, FORWARD};
use net::packet::build;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::{
    Action, AggregateStats, BufferId, Capabilities, Channel, ChannelConfig, FeaturesReply, FlowMod, FlowModFlags,
    Hello, Instruction, Match, Message, MultipartReply, MultipartReplyBody, MultipartRequestBody, PacketIn,
    PacketInReason, PacketOut, Port, frame_length,
};

/// Counts what is on the heap. One thread allocates: plain loads and stores are enough.
struct Counting;

static HEAP: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.store(HEAP.load(Relaxed) + layout.size(), Relaxed);
        ALLOCATIONS.store(ALLOCATIONS.load(Relaxed) + 1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP.store(HEAP.load(Relaxed).wrapping_sub(layout.size()), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PORTS: u32 = 4;
/// Hosts per switch that ask in workload (a).
const ASKERS: u64 = 64;
/// Packet-ins per measurement.
const ANSWERS: usize = 60_000;
const ROUNDS: usize = 3;

fn main() {
    let only = std::env::args().nth(1).filter(|word| !word.starts_with('-')).unwrap_or_default();
    if ["", "answers", "known", "new"].contains(&only.as_str()) {
        println!(
            "{:<30} {:>8} {:>6} {:>9} {:>9} {:>8}",
            "ns per answer", "switches", "batch", "core", "floor", "allocs"
        );
        for (name, word, new_sources) in [("(a) known source", "known", false), ("(b) new source", "new", true)] {
            if only != word && !["", "answers"].contains(&only.as_str()) {
                continue;
            }
            for switches in [1, 16, 64] {
                for batch in [1, 32, 128] {
                    let mut rounds: Vec<(f64, f64)> =
                        (0..ROUNDS).map(|round| answers(switches, batch, new_sources, round as u64)).collect();
                    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
                    let (core, allocations) = rounds[ROUNDS / 2];
                    let floor = floor(new_sources, batch);
                    println!("{name:<30} {switches:>8} {batch:>6} {core:>9.0} {floor:>9.0} {allocations:>8.2}");
                }
            }
        }
    }
    if only.is_empty() || only == "connect" {
        println!("{:<30} {:>8} {:>9} {:>12} {:>14}", "connect", "switches", "at once", "µs/switch", "octets/switch");
        for (switches, at_once) in [(1_000, 32), (1_000, 1_000), (4_096, 32), (4_096, 4_096)] {
            connect(switches, at_once);
        }
    }
    if only.is_empty() || only == "hosts" {
        let mut lab = Lab::new(16);
        let before = HEAP.load(Relaxed);
        lab.run(128, ANSWERS, true, 0);
        println!("octets per learned host, its two rules included: {}", (HEAP.load(Relaxed) - before) / ANSWERS);
    }
}

/// A switch of the lab: what it answers to the controller's questions.
struct Switch {
    datapath_id: DatapathId,
    /// Answers that the controller has not read yet.
    replies: Vec<Bytes>,
    packet_outs: usize,
    flow_mods: usize,
}

impl Switch {
    fn new(number: u64) -> Switch {
        Switch { datapath_id: DatapathId(number), replies: Vec::new(), packet_outs: 0, flow_mods: 0 }
    }

    fn hear(&mut self, mut octets: Bytes) {
        while let Some(length) = frame_length(&octets).expect("whole messages") {
            let frame = octets.split_to(length);
            match frame[1] {
                13 => self.packet_outs += 1,
                14 => self.flow_mods += 1,
                _ => self.answer(&frame),
            }
        }
    }

    fn answer(&mut self, frame: &Bytes) {
        let (xid, message) = Message::decode(frame).expect("a message of the controller");
        let reply = match message {
            Message::Hello(_) => Message::Hello(Hello::new()),
            Message::FeaturesRequest => Message::FeaturesReply(FeaturesReply {
                datapath_id: self.datapath_id,
                n_buffers: 0,
                n_tables: 254,
                auxiliary_id: 0,
                capabilities: Capabilities(0x4f),
                reserved: 0,
            }),
            Message::EchoRequest(data) => Message::EchoReply(data),
            Message::BarrierRequest => Message::BarrierReply,
            Message::MultipartRequest(request) => {
                let body = match request.body {
                    MultipartRequestBody::PortDesc => MultipartReplyBody::PortDesc((1..=PORTS).map(port).collect()),
                    MultipartRequestBody::Aggregate(_) => {
                        MultipartReplyBody::Aggregate(AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 })
                    }
                    MultipartRequestBody::GroupDesc => MultipartReplyBody::GroupDesc(Vec::new()),
                    MultipartRequestBody::Flow(_) => MultipartReplyBody::Flow(Vec::new()),
                    _ => return,
                };
                Message::MultipartReply(MultipartReply { more: false, body })
            }
            _ => return,
        };
        self.replies.push(encoded(xid, &reply));
    }
}

fn port(number: u32) -> Port {
    Port::new(PortNo(number), MacAddr([2, 0, 0, 0, 0xff, number as u8]), &format!("eth{number}"))
}

fn encoded(xid: u32, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).expect("a short message");
    out.freeze()
}

/// A core and its switches.
struct Lab {
    core: Core,
    now: Time,
    switches: Vec<Switch>,
    /// Output of the turns, kept until the clock is stopped.
    outputs: Vec<(usize, Bytes)>,
    /// How long each turn took.
    turns: Vec<Duration>,
    allocations: usize,
}

impl Lab {
    /// All switches connected, all ports at their edge, the askers known.
    fn new(switches: usize) -> Lab {
        let mut lab = Lab::empty();
        lab.connect(switches, switches);
        lab.settle();
        let askers: Vec<u64> = (0..ASKERS).collect();
        for switch in 0..switches {
            let batch =
                askers.iter().map(|&n| packet_in(1 + n as u32 % PORTS, &arp(known(switch, n), known(switch, n))));
            lab.turn(switch, batch.collect());
            lab.hear();
        }
        for _ in 0..8 {
            lab.idle(Duration::from_millis(1));
        }
        assert_eq!(lab.core.network().hosts.len(), switches * ASKERS as usize, "known hosts");
        lab
    }

    fn empty() -> Lab {
        let mut config = CoreConfig { seed: 1, ..CoreConfig::default() };
        config.discovery.max_hosts = 1 << 22;
        config.discovery.max_hosts_per_port = 1 << 22;
        let now = Time::from_secs(1);
        Lab {
            core: Core::new(config, now),
            now,
            switches: Vec::new(),
            outputs: Vec::new(),
            turns: Vec::new(),
            allocations: 0,
        }
    }

    /// New switches through the handshake, `at_once` of them at a time.
    fn connect(&mut self, count: usize, at_once: usize) {
        let numbers: Vec<u64> = (0..count as u64).collect();
        for some in numbers.chunks(at_once) {
            let first = self.switches.len();
            for &number in some {
                self.switches.push(Switch::new(number + 1));
                self.clocked(|core, now| core.handle_connect(ConnectionId(number), now));
                // HELLO is said at once.
                let hello = self.core.take_output(ConnectionId(number));
                self.outputs.extend(hello.map(|octets| (number as usize, octets)));
            }
            self.hear();
            while self.switches[first..].iter().any(|switch| !switch.replies.is_empty()) {
                for index in first..self.switches.len() {
                    self.turn(index, Vec::new());
                }
                self.hear();
            }
        }
        assert!(self.switches.iter().all(|switch| self.core.is_live(switch.datapath_id)), "a switch is not live");
    }

    /// Time passes until all ports are edges.
    fn settle(&mut self) {
        let edge = |core: &Core| core.network().ports().all(|(_, port)| port.state == topology::PortState::Edge);
        while !edge(&self.core) {
            self.idle(Duration::from_millis(50));
        }
    }

    /// Nothing comes in but what the switches have to say.
    fn idle(&mut self, time: Duration) {
        self.now = self.now + time;
        while self.core.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
            self.clocked(|core, now| core.handle_timeout(now));
        }
        self.hear();
        for index in 0..self.switches.len() {
            if !self.switches[index].replies.is_empty() {
                self.turn(index, Vec::new());
            }
        }
        self.hear();
    }

    /// What a driver does, on the clock.
    fn clocked(&mut self, input: impl FnOnce(&mut Core, Time)) {
        let allocations = ALLOCATIONS.load(Relaxed);
        let start = Instant::now();
        input(&mut self.core, self.now);
        while let Some(id) = self.core.poll_ready() {
            while let Some(octets) = self.core.take_output(id) {
                self.outputs.push((id.0 as usize, octets));
            }
        }
        while let Some(event) = self.core.poll_event() {
            black_box(&event);
        }
        black_box(self.core.poll_timeout());
        let took = start.elapsed();
        self.allocations += ALLOCATIONS.load(Relaxed) - allocations;
        self.turns.push(took);
    }

    fn turn(&mut self, index: usize, packet_ins: Vec<Bytes>) {
        let mut frames = std::mem::take(&mut self.switches[index].replies);
        frames.extend(packet_ins);
        if !frames.is_empty() {
            self.clocked(|core, now| core.handle_frames(ConnectionId(index as u64), frames, now));
        }
        if self.core.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
            self.clocked(|core, now| core.handle_timeout(now));
        }
    }

    fn hear(&mut self) {
        for (index, octets) in self.outputs.drain(..) {
            self.switches[index].hear(octets);
        }
    }

    /// `answers` packet-ins, `batch` per turn, the switches one after the other.
    fn run(&mut self, batch: usize, answers: usize, new_sources: bool, salt: u64) {
        (self.turns, self.allocations) = (Vec::with_capacity(2 * answers), 0);
        let packet_outs = |lab: &Lab| lab.switches.iter().map(|switch| switch.packet_outs).sum::<usize>();
        let before = packet_outs(self);
        let probes = self.core.discovery_counters().probes_sent;
        let count = self.switches.len();
        let mut sent = 0;
        let mut index = 0;
        while sent < answers {
            let frames = (sent..sent + batch).map(|n| {
                let n = n as u64;
                let port_no = 1 + n as u32 % PORTS;
                let target = known(index, (n + 1) % ASKERS);
                let asker = if new_sources { unknown(n, salt) } else { known(index, n % ASKERS) };
                packet_in(port_no, &arp(asker, target))
            });
            let frames: Vec<Bytes> = frames.collect();
            self.turn(index, frames);
            self.hear();
            self.now = self.now + Duration::from_nanos(1_000 * batch as u64);
            sent += batch;
            index = (index + 1) % count;
        }
        for _ in 0..4 {
            self.idle(Duration::from_micros(10));
        }
        let probes = self.core.discovery_counters().probes_sent - probes;
        assert_eq!(packet_outs(self) - before, sent + probes as usize, "each packet-in has one answer");
        if new_sources {
            let flow_mods: usize = self.switches.iter().map(|switch| switch.flow_mods).sum();
            assert!(flow_mods >= 2 * sent, "two rules for each new host");
        }
    }
}

/// MAC and IP address of a host that has been seen.
fn known(switch: usize, number: u64) -> (MacAddr, Ipv4Addr) {
    let [.., a, b] = (switch as u16).to_be_bytes();
    (MacAddr([2, 0, a, b, 0, number as u8]), Ipv4Addr::new(10, a, b, number as u8 + 1))
}

/// Of one that has not: addresses in no order.
fn unknown(number: u64, salt: u64) -> (MacAddr, Ipv4Addr) {
    let mixed = (number + (salt << 32) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [a, b, c, d, ..] = mixed.to_be_bytes();
    let [.., e, f, g] = (number as u32).to_be_bytes();
    (MacAddr([6, a, b, c, d, g]), Ipv4Addr::new(20 + salt as u8, e, f, g))
}

fn arp((mac, ip): (MacAddr, Ipv4Addr), (_, target): (MacAddr, Ipv4Addr)) -> Bytes {
    build::arp_request(mac, ip, target)
}

fn packet_in(port: u32, frame: &Bytes) -> Bytes {
    let message = Message::PacketIn(PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: frame.len() as u16,
        reason: PacketInReason::ACTION,
        table_id: CLASSIFY,
        cookie: 0x5401_0000_0000_0001,
        match_: Match::new().with_in_port(PortNo(port)),
        data: frame.clone(),
    });
    encoded(0, &message)
}

/// Nanoseconds and allocations per answer.
fn answers(switches: usize, batch: usize, new_sources: bool, salt: u64) -> (f64, f64) {
    let mut lab = Lab::new(switches);
    lab.run(batch, ANSWERS, new_sources, salt);
    lab.turns.truncate(ANSWERS / batch);
    (median(&mut lab.turns) / batch as f64, lab.allocations as f64 / ANSWERS as f64)
}

/// The same messages through a channel, without anything between.
fn floor(new_sources: bool, batch: usize) -> f64 {
    let now = Time::from_secs(1);
    let mut channel = Channel::controller(ChannelConfig::default(), now);
    let mut switch = Switch::new(1);
    while !channel.is_up() {
        switch.hear(channel.poll_transmit().expect("the handshake"));
        for frame in switch.replies.drain(..) {
            channel.handle_frame(frame, now);
        }
    }
    let frame = arp(unknown(1, 0), known(0, 1));
    let message = packet_in(1, &frame);
    let reply = build::arp_reply(known(0, 1).0, known(0, 1).1, unknown(1, 0).0, unknown(1, 0).1);
    let packet_out = Message::PacketOut(PacketOut {
        buffer_id: BufferId::NO_BUFFER,
        in_port: PortNo::CONTROLLER,
        actions: vec![Action::output(PortNo(1))],
        data: reply,
    });
    let rule = |match_, does| {
        let flow_mod = FlowMod::add(CLASSIFY, 100, match_);
        Message::FlowMod(FlowMod { instructions: vec![does], flags: FlowModFlags::SEND_FLOW_REM, ..flow_mod })
    };
    let mac = unknown(1, 0).0;
    let rules = [
        rule(Match::new().with_in_port(PortNo(1)).with_eth_src(mac), Instruction::GotoTable(FORWARD)),
        rule(Match::new().with_eth_dst(mac), Instruction::ApplyActions(vec![Action::output(PortNo(1))])),
    ];
    let mut turns = Vec::with_capacity(ANSWERS / batch);
    for _ in 0..ANSWERS / batch {
        let start = Instant::now();
        for _ in 0..batch {
            channel.handle_frame(message.clone(), now);
            while let Some(event) = channel.poll_event() {
                black_box(&event);
            }
            if new_sources {
                channel.send(&rules[0]);
                channel.send(&rules[1]);
            }
            channel.send(&packet_out);
        }
        black_box(channel.poll_transmit());
        turns.push(start.elapsed());
    }
    median(&mut turns) / batch as f64
}

/// Nanoseconds of the median turn.
fn median(turns: &mut [Duration]) -> f64 {
    turns.sort_unstable();
    turns.get(turns.len() / 2).map_or(0.0, |turn| turn.as_nanos() as f64)
}

fn connect(switches: usize, at_once: usize) {
    let mut lab = Lab::empty();
    let before = HEAP.load(Relaxed);
    lab.connect(switches, at_once);
    let took = median(&mut lab.turns) * lab.turns.len() as f64 / 1_000.0 / switches as f64;
    lab.turns = Vec::new();
    lab.settle();
    lab.idle(Duration::from_millis(1));
    lab.outputs.shrink_to_fit();
    let own = switches * size_of::<Switch>();
    let octets = HEAP.load(Relaxed).saturating_sub(before + own) / switches;
    println!("{:<30} {switches:>8} {at_once:>9} {took:>12.1} {octets:>14}", "");
}
