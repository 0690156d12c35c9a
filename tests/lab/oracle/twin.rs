//! Open vSwitch and the software switch side by side: both are told the same, and what they answer is compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::switch::{Switch, SwitchConfig, SwitchTransmit, View, pipeline};
use openflow::{
    Action, BufferId, ErrorCode, FlowStats, FlowStatsRequest, GroupType, Message, MeterId, MultipartReplyBody,
    MultipartRequest, MultipartRequestBody, PacketIn, PacketInReason, PacketOut, Port,
};

use super::capture::Capture;
use super::client::{self, Client};
use super::generate::World;
use super::packet::{PORTS, Packet};
use super::stored;
use super::unixctl::Unixctl;
use crate::ovs::{self, Ovs};
use crate::report::Fail;

/// The bridge under test.
pub const BRIDGE: &str = "br0";

/// How long a packet-in may take that was asked for.
const PACKET_IN_LIMIT: Duration = Duration::from_secs(10);

/// A frame for the controller alone, of an ethertype for experiments, which no random packet has.
const LAST_FRAME: &[u8] = &[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 9, 0x88, 0xb5, 0, 0, 0, 0];

/// Choices of buckets that are tried before an answer that a select group could give counts as wrong.
const SELECT_TRIES: u64 = 512;

/// Kinds of differences: a case is made smaller only while the kind stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// One refuses a message that the other accepts, or with another code.
    Error,
    /// The flows, groups or meters that are there afterwards.
    Dump,
    /// The frames that leave.
    Frames,
    /// The packets for the controller.
    PacketIns,
    /// The counters of flows.
    Counters,
}

/// Where the two differ.
#[derive(Clone, Debug)]
pub struct Difference {
    pub kind: Kind,
    /// The packet that shows it, if it takes one.
    pub packet: Option<usize>,
    /// The message that shows it, if it is one.
    pub message: Option<usize>,
    pub ovs: String,
    pub ours: String,
}

/// What left for one packet: frames by port, in their order; and what the controller gets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Sent {
    frames: BTreeMap<u32, Vec<Bytes>>,
    packet_ins: Vec<PacketIn>,
}

/// Both switches.
pub struct Twin {
    ovs: Ovs,
    directory: PathBuf,
    client: Client,
    unixctl: Unixctl,
    captures: Vec<(u32, Capture)>,
    ours: Switch,
    /// Messages that both were told.
    pub messages: usize,
    /// Packets that went through both.
    pub packets: usize,
}

impl Twin {
    /// Starts Open vSwitch with [`PORTS`] ports.
    pub fn start(directory: &Path) -> Result<Twin, Fail> {
        let ovs = Ovs::start_dummy(directory)?;
        let mut arguments: Vec<String> =
            ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=dummy", "protocols=OpenFlow13"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(["fail_mode=secure", "other-config:datapath-id=0000000000000001"].map(str::to_owned));
        for port in 1..=PORTS {
            let capture = capture_path(directory, port);
            let words = format!(
                "-- add-port {BRIDGE} p{port} -- set interface p{port} type=dummy ofport_request={port} options:tx_pcap={capture}"
            );
            arguments.extend(words.split(' ').map(str::to_owned));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        ovs::vsctl(&arguments)?;
        let mut client = Client::connect(BRIDGE)?;
        let captures = captures(directory)?;
        let ports = ports(&mut client)?;
        let ours = new_switch(&ports);
        let unixctl = Unixctl::connect()?;
        Ok(Twin { ovs, directory: directory.to_owned(), client, unixctl, captures, ours, messages: 0, packets: 0 })
    }

    /// Starts Open vSwitch again after it has ended, or has not come to an end.
    pub fn restart(&mut self) -> Result<(), Fail> {
        self.ovs.restart()?;
        self.client = Client::connect(BRIDGE)?;
        self.captures = captures(&self.directory)?;
        self.unixctl = Unixctl::connect()?;
        Ok(())
    }

    /// Runs one world through both and gives the first difference.
    pub fn run(&mut self, world: &World) -> Result<Option<Difference>, Fail> {
        self.reset()?;
        let (ovs_errors, _) = self.client.apply(&world.setup)?;
        self.messages += world.setup.len();
        for (index, (message, theirs)) in world.setup.iter().zip(&ovs_errors).enumerate() {
            let (ours, _) = self.tell(index as u32 + 1, message);
            if ours != *theirs {
                let said = |code: &Option<ErrorCode>| code.map_or("accepted".to_owned(), |code| code.to_string());
                return Ok(Some(Difference {
                    kind: Kind::Error,
                    packet: None,
                    message: Some(index),
                    ovs: said(theirs),
                    ours: said(&ours),
                }));
            }
        }
        let difference = self.dumps(false)?;
        if difference.is_some() {
            return Ok(difference);
        }
        let mut certain = true;
        for (index, packet) in world.packets.iter().enumerate() {
            self.packets += 1;
            let message = packet_out(packet);
            let packet_ins = self.send_packet(&message)?;
            let (_, mut ours) = self.tell(1, &message);
            let mut theirs = Sent { frames: self.frames()?, packet_ins };
            sort(&mut theirs.packet_ins);
            sort(&mut ours.packet_ins);
            if ours == theirs {
                continue;
            }
            if self.has_select() && self.select_gives(packet, &theirs) {
                certain = false;
                continue;
            }
            let kind = if ours.frames == theirs.frames { Kind::PacketIns } else { Kind::Frames };
            let (ovs, ours) = (describe(&theirs), describe(&ours));
            return Ok(Some(Difference { kind, packet: Some(index), message: None, ovs, ours }));
        }
        if certain && !world.packets.is_empty() {
            return self.dumps(true);
        }
        Ok(None)
    }

    /// What Open vSwitch itself says about a case, for a reader: its flows, groups, and the trace of a packet.
    pub fn explain(&mut self, world: &World) -> Result<String, Fail> {
        self.reset()?;
        self.client.apply(&world.setup)?;
        let mut text = String::new();
        for what in ["dump-flows", "dump-groups", "dump-meters"] {
            let said = crate::process::run("ovs-ofctl", &["-O", "OpenFlow13", "--no-names", what, BRIDGE])?;
            said.lines().skip(1).for_each(|line| {
                let _ = writeln!(text, "{line}");
            });
        }
        for packet in &world.packets {
            let port = format!("in_port={}", packet.in_port);
            let frame: String = packet.frame.iter().map(|octet| format!("{octet:02x}")).collect();
            let _ = writeln!(text, "ovs-appctl ofproto/trace {BRIDGE} {port} {frame}");
            let said = self.unixctl.run("ofproto/trace", &[BRIDGE, &port, &frame]).unwrap_or_else(|error| error);
            text.push_str(&said);
        }
        Ok(text)
    }

    fn reset(&mut self) -> Result<(), Fail> {
        self.client.clear()?;
        self.client.packet_ins(usize::MAX, Duration::ZERO)?;
        self.frames()?;
        let ports = ports(&mut self.client)?;
        self.ours = new_switch(&ports);
        Ok(())
    }

    /// Tells our switch; the error it answered, and what left it.
    fn tell(&mut self, xid: u32, message: &Message) -> (Option<ErrorCode>, Sent) {
        self.ours.handle_message(xid, message, Time::ZERO);
        let mut sent = Sent::default();
        let mut code = None;
        while let Some(transmit) = self.ours.poll_transmit() {
            match transmit {
                SwitchTransmit::ToController { message: Message::Error(error), .. } => code = Some(error.code()),
                SwitchTransmit::ToController { message: Message::PacketIn(packet_in), .. } => {
                    sent.packet_ins.push(packet_in);
                }
                SwitchTransmit::ToController { .. } => {}
                SwitchTransmit::ToPort { port_no, frame } => sent.frames.entry(port_no.0).or_default().push(frame),
            }
        }
        // Nobody listens at the local port of the oracle.
        sent.frames.remove(&PortNo::LOCAL.0);
        (code, sent)
    }

    /// Frames that Open vSwitch has sent since the last call.
    fn frames(&mut self) -> Result<BTreeMap<u32, Vec<Bytes>>, Fail> {
        let mut frames = BTreeMap::new();
        for (port, capture) in &mut self.captures {
            let new = capture.new_frames()?;
            if !new.is_empty() {
                frames.insert(*port, new);
            }
        }
        Ok(frames)
    }

    /// A packet-out, and all packet-ins that come of it. They come by another way than answers; a packet-in that is asked for afterwards
    /// comes by the same, and so after them.
    fn send_packet(&mut self, message: &Message) -> Result<Vec<PacketIn>, Fail> {
        let action = Action::output(PortNo::CONTROLLER);
        let last = Message::PacketOut(PacketOut {
            buffer_id: BufferId::NO_BUFFER,
            in_port: PortNo::CONTROLLER,
            actions: vec![action],
            data: Bytes::from_static(LAST_FRAME),
        });
        let (_, mut packet_ins) = self.client.apply(&[message.clone(), last])?;
        let start = std::time::Instant::now();
        while packet_ins.last().is_none_or(|packet_in| packet_in.data != LAST_FRAME) {
            if start.elapsed() > PACKET_IN_LIMIT {
                return Err("a packet-in that was asked for did not come".into());
            }
            packet_ins.extend(self.client.packet_ins(1, PACKET_IN_LIMIT)?);
        }
        packet_ins.pop();
        Ok(packet_ins)
    }

    fn has_select(&self) -> bool {
        self.ours.groups().iter().any(|(_, group)| group.group_type == GroupType::SELECT)
    }

    /// Whether some choice of buckets gives what Open vSwitch sent.
    fn select_gives(&self, packet: &Packet, theirs: &Sent) -> bool {
        (0..SELECT_TRIES).any(|seed| {
            let view = View { seed, ..self.ours.view(Time::ZERO) };
            let trace =
                pipeline::run(view, openflow::switch::Packet::new(PortNo(packet.in_port), packet.frame.clone()));
            let mut frames: BTreeMap<u32, Vec<Bytes>> = BTreeMap::new();
            for output in trace.outputs.iter().filter(|output| output.port_no != PortNo::LOCAL) {
                frames.entry(output.port_no.0).or_default().push(output.frame.clone());
            }
            // Nobody has asked for packets whose TTL is over.
            let wanted =
                trace.to_controller.iter().filter(|packet| packet.reason != PacketInReason::INVALID_TTL).count();
            frames == theirs.frames && wanted == theirs.packet_ins.len()
        })
    }

    /// Compares all flows, groups and meters; with the packets that flows have counted, or without.
    fn dumps(&mut self, counters: bool) -> Result<Option<Difference>, Fail> {
        let bodies = [
            MultipartRequestBody::Flow(FlowStatsRequest::default()),
            MultipartRequestBody::GroupDesc,
            MultipartRequestBody::MeterConfig(MeterId::ALL),
        ];
        for body in bodies {
            let theirs = lines(&self.client.request(body.clone())?, counters);
            let ours = lines(&self.ask(body), counters);
            if ours != theirs {
                let only = |one: &[String], other: &[String]| {
                    one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>().join("\n")
                };
                let kind = if counters { Kind::Counters } else { Kind::Dump };
                let (ovs, ours) = (only(&theirs, &ours), only(&ours, &theirs));
                return Ok(Some(Difference { kind, packet: None, message: None, ovs, ours }));
            }
        }
        Ok(None)
    }

    /// Asks our switch.
    fn ask(&mut self, body: MultipartRequestBody) -> Vec<MultipartReplyBody> {
        let request = Message::MultipartRequest(MultipartRequest::new(body));
        self.ours.handle_message(1, &request, Time::ZERO);
        let mut parts = Vec::new();
        while let Some(transmit) = self.ours.poll_transmit() {
            if let SwitchTransmit::ToController { message: Message::MultipartReply(reply), .. } = transmit {
                parts.push(reply.body);
            }
        }
        parts
    }
}

/// The captures of all ports, from their beginning.
fn captures(directory: &Path) -> Result<Vec<(u32, Capture)>, Fail> {
    (1..=PORTS).map(|port| Ok((port, Capture::open(Path::new(&capture_path(directory, port)))?))).collect()
}

fn capture_path(directory: &Path, port: u32) -> String {
    directory.join(format!("p{port}.pcap")).display().to_string()
}

/// The ports as Open vSwitch describes them, so that both switches have the same.
fn ports(client: &mut Client) -> Result<Vec<Port>, Fail> {
    let mut ports = Vec::new();
    for part in client.request(MultipartRequestBody::PortDesc)? {
        if let MultipartReplyBody::PortDesc(some) = part {
            ports.extend(some);
        }
    }
    Ok(ports)
}

fn new_switch(ports: &[Port]) -> Switch {
    let mut switch = Switch::new(SwitchConfig::new(DatapathId(1)), Time::ZERO);
    for port in ports {
        let mut copy = Port::new(port.port_no, MacAddr(port.hw_addr.0), "");
        copy.config = port.config;
        switch.add_port(copy, Time::ZERO);
        switch.set_port_up(port.port_no, port.is_up(), Time::ZERO);
    }
    switch.handle_connected(Time::ZERO);
    switch.handle_message(0, &Message::SetConfig(client::whole_packets()), Time::ZERO);
    while switch.poll_transmit().is_some() {}
    switch
}

/// The packet goes through the tables as if it had come in by its port.
pub fn packet_out(packet: &Packet) -> Message {
    Message::PacketOut(PacketOut {
        buffer_id: BufferId::NO_BUFFER,
        in_port: PortNo(packet.in_port),
        actions: vec![Action::Output { port: PortNo::TABLE, max_len: 0 }],
        data: packet.frame.clone(),
    })
}

/// Orders packet-ins, and drops what can't be compared.
fn sort(packet_ins: &mut [PacketIn]) {
    for packet_in in packet_ins.iter_mut() {
        packet_in.match_ = packet_in.match_.canonical();
    }
    packet_ins.sort_by_cached_key(|packet_in| format!("{packet_in:?}"));
}

fn describe(sent: &Sent) -> String {
    let mut text = String::new();
    for (port, frames) in &sent.frames {
        for frame in frames {
            let _ = writeln!(text, "port {port}: {frame:x}");
        }
    }
    for packet_in in &sent.packet_ins {
        let _ = writeln!(text, "controller: cookie={:#x} {packet_in} {:x}", packet_in.cookie, packet_in.data);
    }
    if text.is_empty() { "nothing".into() } else { text }
}

/// One line per flow, group or meter, sorted, without what time changes.
fn lines(parts: &[MultipartReplyBody], counters: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for part in parts {
        match part {
            MultipartReplyBody::Flow(flows) => lines.extend(flows.iter().map(|flow| flow_line(flow, counters))),
            MultipartReplyBody::GroupDesc(groups) => lines.extend(groups.iter().map(ToString::to_string)),
            MultipartReplyBody::MeterConfig(meters) => lines.extend(meters.iter().map(ToString::to_string)),
            _ => {}
        }
    }
    lines.sort();
    lines
}

fn flow_line(flow: &FlowStats, counters: bool) -> String {
    let mut flow = flow.clone();
    (flow.duration_sec, flow.duration_nsec) = (0, 0);
    if !counters {
        (flow.packet_count, flow.byte_count) = (0, 0);
    }
    flow.match_ = stored::match_(&flow.match_);
    // As text: which of its numbers a field has in an action is left open.
    flow.to_string()
}
