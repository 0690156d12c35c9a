//! Open vSwitch and the software switch side by side: both are told the same, and what they answer is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::nicira::{BundleAlgorithm, NiciraAction};
use openflow::switch::{Switch, SwitchConfig, SwitchTransmit, View, pipeline};
use openflow::{
    Action, BufferId, ErrorCode, FlowMod, FlowModCommand, FlowModFlags, FlowStats, FlowStatsRequest, GroupId,
    GroupType, Instruction, Match, Message, MeterId, MultipartReplyBody, MultipartRequest, MultipartRequestBody, OxmId,
    PacketIn, PacketInReason, PacketOut, Port, PortConfig, PortMod, TableFeatureProperty, TableId,
};

use super::bundled;
use super::capture::Capture;
use super::client::{self, Client};
use super::events::Event;
use super::generate::World;
use super::options;
use super::packet::{PORTS, Packet};
use super::stored;
use super::unixctl::Unixctl;
use crate::ovs::{self, Ovs};
use crate::report::Fail;

/// The bridge under test.
pub const BRIDGE: &str = "br0";

/// How long a packet-in may take that was asked for.
const PACKET_IN_LIMIT: Duration = Duration::from_secs(10);

/// How long news may take that ours has told already.
const NEWS_LIMIT: Duration = Duration::from_secs(2);

/// A frame for the controller alone, of an ethertype for experiments, which no random packet has.
const LAST_FRAME: &[u8] = &[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 9, 0x88, 0xb5, 0, 0, 0, 0];

/// Choices of buckets that are tried before an answer that a select group could give counts as wrong.
const SELECT_TRIES: u64 = 512;

/// Milliseconds of the last part of a wait: less than the second that a flow's time is over before, more than the datapath's flows are left
/// alone at least.
const LAST_STEP: u64 = 10;

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
    /// What is said of ports, and of flows that are gone.
    News,
    /// The counters of flows, groups, meters, ports and tables.
    Counters,
}

/// Where the two differ.
#[derive(Clone, Debug)]
pub struct Difference {
    pub kind: Kind,
    /// The event that shows it, if it takes one.
    pub event: Option<usize>,
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
    /// Of ports and of flows that are gone, without what time changes.
    news: Vec<String>,
    /// What the message got that was said.
    error: Option<ErrorCode>,
}

/// Both switches.
pub struct Twin {
    ovs: Ovs,
    directory: PathBuf,
    client: Client,
    unixctl: Unixctl,
    captures: Vec<(u32, Capture)>,
    ours: Switch,
    /// How long Open vSwitch's clock has gone on for this world: it stands still but for [`Event::Wait`].
    now: Time,
    /// Ports that were down in this world.
    ports_down: BTreeSet<PortNo>,
    /// The counters of Open vSwitch's ports and tables when the world began.
    before: BTreeMap<String, Vec<u64>>,
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
        let mut unixctl = Unixctl::connect()?;
        unixctl.run("time/stop", &[])?;
        Ok(Twin {
            ovs,
            directory: directory.to_owned(),
            client,
            unixctl,
            captures,
            ours,
            now: Time::ZERO,
            ports_down: BTreeSet::new(),
            before: BTreeMap::new(),
            messages: 0,
            packets: 0,
        })
    }

    /// Starts Open vSwitch again after it has ended, or has not come to an end.
    pub fn restart(&mut self) -> Result<(), Fail> {
        self.ovs.restart()?;
        self.client = Client::connect(BRIDGE)?;
        self.captures = captures(&self.directory)?;
        self.unixctl = Unixctl::connect()?;
        self.unixctl.run("time/stop", &[]).map(drop)
    }

    /// Runs one world through both and gives the first difference.
    pub fn run(&mut self, world: &World) -> Result<Option<Difference>, Fail> {
        self.reset()?;
        let (ovs_errors, _) = self.client.apply(&world.setup)?;
        self.messages += world.setup.len();
        let our_errors = self.errors(&world.setup);
        for (index, (ours, theirs)) in our_errors.iter().zip(&ovs_errors).enumerate() {
            if ours != theirs {
                return Ok(Some(Difference {
                    kind: Kind::Error,
                    event: None,
                    message: Some(index),
                    ovs: verdict(theirs),
                    ours: verdict(ours),
                }));
            }
        }
        let difference = self.dumps(false)?;
        if difference.is_some() {
            return Ok(difference);
        }
        let learns = world.setup.iter().any(|message| format!("{message}").contains("learn("));
        // What has been counted where a choice leads to the same frames is as open as the choice.
        let mut certain = true;
        for (index, event) in world.events.iter().enumerate() {
            let before = self.has_choice().then(|| self.ours.clone());
            certain &= before.is_none();
            let mut theirs = self.happens_there(event)?;
            let ours = self.happens_here(event);
            self.catch_up(&mut theirs, &ours)?;
            if ours != theirs {
                if let Event::Out(packet) | Event::Receive(packet) = event
                    && let Some(before) = before
                    && self.choice_gives(&before, packet, &theirs)
                {
                    if learns {
                        // What one has learned of it and the other has not is no difference.
                        return Ok(None);
                    }
                    continue;
                }
                let kind = match () {
                    () if ours.error != theirs.error => Kind::Error,
                    () if ours.frames != theirs.frames => Kind::Frames,
                    () if ours.news != theirs.news => Kind::News,
                    () => Kind::PacketIns,
                };
                let (ovs, ours) = (describe(&theirs), describe(&ours));
                return Ok(Some(Difference { kind, event: Some(index), message: None, ovs, ours }));
            }
            if learns && let Some(difference) = self.dumps(false)? {
                return Ok(Some(Difference { event: Some(index), ..difference }));
            }
        }
        if certain && !world.events.is_empty() {
            return self.dumps(true);
        }
        Ok(None)
    }

    /// Lets something happen to Open vSwitch.
    fn happens_there(&mut self, event: &Event) -> Result<Sent, Fail> {
        let mut error = None;
        let packet_ins = match event {
            Event::Out(packet) => {
                self.packets += 1;
                let (code, packet_ins) = self.send_message(Some(packet_out(packet)))?;
                error = code;
                packet_ins
            }
            Event::Receive(packet) => {
                self.packets += 1;
                // Flows of the datapath are for all packets that are like one: this one is to be looked at for itself.
                self.unixctl.run("revalidator/purge", &[])?;
                let frame: String = packet.frame.iter().map(|octet| format!("{octet:02x}")).collect();
                self.unixctl.run("netdev-dummy/receive", &[&format!("p{}", packet.in_port), &frame])?;
                self.send_message(None)?.1
            }
            Event::Message(message) => {
                self.messages += 1;
                let (code, packet_ins) = self.send_message(Some(message.clone()))?;
                error = code;
                packet_ins
            }
            Event::Port { port, config } => {
                let message = self.port_mod(*port, *config);
                let (code, packet_ins) = self.send_message(Some(message))?;
                error = code;
                packet_ins
            }
            Event::Wait(seconds) => {
                self.unixctl.run("revalidator/purge", &[])?;
                self.wait_there(*seconds)?;
                self.send_message(None)?.1
            }
        };
        let news = news(std::mem::take(&mut self.client.news));
        let mut frames = self.frames()?;
        // A dummy device sends even when it is down.
        frames.retain(|port, _| self.ours.ports().get(PortNo(*port)).is_some_and(|record| record.port.is_up()));
        let mut sent = Sent { frames, packet_ins, news, error };
        sort(&mut sent.packet_ins);
        Ok(sent)
    }

    /// What Open vSwitch says of flows that somebody has deleted comes when it has a moment, after the answer.
    fn catch_up(&mut self, theirs: &mut Sent, ours: &Sent) -> Result<(), Fail> {
        let start = std::time::Instant::now();
        while theirs.news.len() < ours.news.len() && start.elapsed() < NEWS_LIMIT {
            self.client.apply(&[])?;
            theirs.news.extend(news(std::mem::take(&mut self.client.news)));
        }
        theirs.news.sort();
        Ok(())
    }

    /// Time passes for Open vSwitch, in two steps, each until the datapath's flows have been looked through: flows whose time has come are taken
    /// out after that. Only of the second time is it sure that the looking began after the time had passed. A flow that comes and goes makes it
    /// look at once.
    fn wait_there(&mut self, seconds: u64) -> Result<(), Fail> {
        let mut other = Unixctl::connect()?;
        for millis in [seconds * 1000 - LAST_STEP, LAST_STEP] {
            other.start("revalidator/wait", &[])?;
            self.unixctl.run("time/warp", &[&millis.to_string()])?;
            self.client.apply(&[touch(FlowModCommand::ADD), touch(FlowModCommand::DELETE_STRICT)])?;
            other.finish("revalidator/wait")?;
        }
        Ok(())
    }

    /// Lets the same happen to our switch.
    fn happens_here(&mut self, event: &Event) -> Sent {
        let mut sent = match event {
            Event::Out(packet) => self.tell(1, &packet_out(packet)),
            Event::Receive(packet) => {
                self.ours.handle_packet(PortNo(packet.in_port), packet.frame.clone(), self.now);
                self.drain()
            }
            Event::Message(message) => self.tell(1, message),
            Event::Port { port, config } => {
                let message = self.port_mod(*port, *config);
                if config.contains(PortConfig::PORT_DOWN) {
                    self.ports_down.insert(PortNo(*port));
                }
                self.tell(1, &message)
            }
            Event::Wait(seconds) => {
                self.now = self.now + Duration::from_secs(*seconds);
                self.ours.handle_timeout(self.now);
                self.drain()
            }
        };
        sort(&mut sent.packet_ins);
        sent
    }

    fn port_mod(&self, port: u32, config: PortConfig) -> Message {
        let port_no = PortNo(port);
        let hw_addr = self.ours.ports().get(port_no).map_or(MacAddr::ZERO, |record| record.port.hw_addr);
        Message::PortMod(PortMod { port_no, hw_addr, config, mask: PortConfig::KNOWN, advertise: Default::default() })
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
        if let Some(Event::Out(packet) | Event::Receive(packet)) = world.events.last() {
            let port = format!("in_port={}", packet.in_port);
            let frame: String = packet.frame.iter().map(|octet| format!("{octet:02x}")).collect();
            let _ = writeln!(text, "ovs-appctl ofproto/trace {BRIDGE} {port} {frame}");
            let said = self.unixctl.run("ofproto/trace", &[BRIDGE, &port, &frame]).unwrap_or_else(|error| error);
            text.push_str(&said);
        }
        Ok(text)
    }

    fn reset(&mut self) -> Result<(), Fail> {
        for record in self.ours.ports().iter().filter(|record| record.port.port_no != PortNo::LOCAL) {
            if record.port.config != PortConfig::NONE {
                let message = self.port_mod(record.port.port_no.0, PortConfig::NONE);
                self.client.send(&message);
            }
        }
        let asks = |flow: &FlowStats| flow.flags.contains(FlowModFlags::SEND_FLOW_REM);
        let mut mourned = 0;
        for part in self.client.request(MultipartRequestBody::Flow(FlowStatsRequest::default()))? {
            if let MultipartReplyBody::Flow(flows) = part {
                mourned += flows.iter().filter(|flow| asks(flow)).count();
            }
        }
        self.client.news.clear();
        self.client.apply(&[bundled::discard()])?;
        self.client.clear()?;
        let start = std::time::Instant::now();
        let dead = |client: &Client| client.news.iter().filter(|news| matches!(news, Message::FlowRemoved(_))).count();
        while dead(&self.client) < mourned && start.elapsed() < NEWS_LIMIT {
            self.client.apply(&[])?;
        }
        // A flow that is gone lets go of its tunnel options a little later.
        while self.client.apply(&[options::clearing()])?.0 != [None] {
            if start.elapsed() > NEWS_LIMIT {
                return Err("Open vSwitch keeps tunnel options that no flow has".into());
            }
        }
        self.unixctl.run("revalidator/purge", &[])?;
        self.frames()?;
        let ports = ports(&mut self.client)?;
        self.ours = new_switch(&ports);
        self.now = Time::ZERO;
        self.ports_down.clear();
        self.before = counted(&self.counters_there()?);
        self.client.apply(&[])?;
        self.client.packet_ins(0, Duration::ZERO)?;
        self.client.news.clear();
        Ok(())
    }

    /// Tells our switch something; the error it answered, and what left it.
    fn tell(&mut self, xid: u32, message: &Message) -> Sent {
        self.ours.handle_message(xid, message, self.now);
        self.drain()
    }

    /// Tells our switch these, and gives the error that each got: of what is in a bundle it may come at the end.
    fn errors(&mut self, messages: &[Message]) -> Vec<Option<ErrorCode>> {
        let mut errors = vec![None; messages.len()];
        for (index, message) in messages.iter().enumerate() {
            self.ours.handle_message(index as u32, message, self.now);
            while let Some(transmit) = self.ours.poll_transmit() {
                if let SwitchTransmit::ToController { xid, message: Message::Error(error) } = transmit
                    && let Some(place) = errors.get_mut(xid as usize)
                {
                    *place = Some(error.code());
                }
            }
        }
        errors
    }

    /// What our switch has to say and to send.
    fn drain(&mut self) -> Sent {
        let mut sent = Sent::default();
        let mut said = Vec::new();
        while let Some(transmit) = self.ours.poll_transmit() {
            match transmit {
                SwitchTransmit::ToController { message: Message::Error(error), .. } => sent.error = Some(error.code()),
                SwitchTransmit::ToController { message: Message::PacketIn(packet_in), .. } => {
                    sent.packet_ins.push(packet_in);
                }
                SwitchTransmit::ToController { message, .. } => said.push(message),
                SwitchTransmit::ToPort { port_no, frame } => sent.frames.entry(port_no.0).or_default().push(frame),
            }
        }
        sent.news = news(said);
        // Nobody listens at the local port of the oracle.
        sent.frames.remove(&PortNo::LOCAL.0);
        sent
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

    /// Says something, and waits for its error and for all packet-ins that come of it or of what was before. They come by another way than
    /// answers; a packet-in that is asked for afterwards comes by the same, and so after them.
    fn send_message(&mut self, message: Option<Message>) -> Result<(Option<ErrorCode>, Vec<PacketIn>), Fail> {
        let action = Action::output(PortNo::CONTROLLER);
        let last = Message::PacketOut(PacketOut {
            buffer_id: BufferId::NO_BUFFER,
            in_port: PortNo::CONTROLLER,
            actions: vec![action],
            data: Bytes::from_static(LAST_FRAME),
        });
        let has_message = message.is_some();
        let messages: Vec<Message> = message.into_iter().chain([last]).collect();
        let (errors, mut packet_ins) = self.client.apply(&messages)?;
        let start = std::time::Instant::now();
        while packet_ins.last().is_none_or(|packet_in| packet_in.data != LAST_FRAME) {
            if start.elapsed() > PACKET_IN_LIMIT {
                return Err("a packet-in that was asked for did not come".into());
            }
            packet_ins.extend(self.client.packet_ins(1, PACKET_IN_LIMIT)?);
        }
        packet_ins.pop();
        // What the main thread does between its turns of listening, it has done when it answers once more.
        packet_ins.extend(self.client.apply(&[])?.1);
        Ok((errors.into_iter().next().flatten().filter(|_| has_message), packet_ins))
    }

    /// Whether something in our switch chooses by a hash, which is not Open vSwitch's.
    fn has_choice(&self) -> bool {
        let selects = self.ours.groups().iter().any(|(_, group)| group.group_type == GroupType::SELECT);
        let hashes = |action: &Action| match action {
            Action::Nicira(NiciraAction::Multipath(_)) => true,
            Action::Nicira(NiciraAction::Bundle(bundle)) => bundle.algorithm == BundleAlgorithm::HRW,
            _ => false,
        };
        let chooses = |instruction: &Instruction| match instruction {
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => actions.iter().any(hashes),
            _ => false,
        };
        selects || self.ours.tables().iter().any(|(_, flow)| flow.instructions.iter().any(chooses))
    }

    /// Whether some choice of buckets, links and members gives what Open vSwitch sent, of our switch as it was before the packet.
    fn choice_gives(&self, before: &Switch, packet: &Packet, theirs: &Sent) -> bool {
        (0..SELECT_TRIES).any(|seed| {
            let view = View { seed, ..before.view(self.now) };
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

    /// What the tables can do, in the words of both: which properties there are and which fields, without their order.
    pub fn table_features(&mut self) -> Result<Vec<(String, String)>, Fail> {
        self.reset()?;
        let body = || MultipartRequestBody::TableFeatures(Vec::new());
        let theirs = features(&self.client.request(body())?);
        let ours = features(&self.ask(body()));
        let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        let said = |said: &BTreeMap<String, String>, name: &str| said.get(name).cloned().unwrap_or_default();
        let pairs = names.into_iter().map(|name| (said(&theirs, name), said(&ours, name)));
        Ok(pairs.filter(|(theirs, ours)| theirs != ours).collect())
    }

    /// Compares all flows, groups and meters; with what has been counted, or without.
    fn dumps(&mut self, counters: bool) -> Result<Option<Difference>, Fail> {
        let bodies = [
            MultipartRequestBody::Flow(FlowStatsRequest::default()),
            MultipartRequestBody::GroupDesc,
            MultipartRequestBody::MeterConfig(MeterId::ALL),
        ];
        let kind = if counters { Kind::Counters } else { Kind::Dump };
        if counters {
            self.unixctl.run("revalidator/purge", &[])?;
        }
        for body in bodies {
            let theirs = lines(&self.client.request(body.clone())?, counters);
            let ours = lines(&self.ask(body), counters);
            if ours != theirs {
                return Ok(Some(difference(kind, &theirs, &ours)));
            }
        }
        if counters {
            let lines = |counters: BTreeMap<String, Vec<u64>>| -> Vec<String> {
                let line = |(what, counts)| format!("{what}: {counts:?}");
                counters.into_iter().map(line).collect()
            };
            let mut theirs = counted(&self.counters_there()?);
            for (what, counts) in &mut theirs {
                let before = self.before.get(what).into_iter().flatten();
                counts.iter_mut().zip(before).for_each(|(count, before)| *count = count.wrapping_sub(*before));
            }
            let mut all = Vec::new();
            for body in counter_requests() {
                all.extend(self.ask(body));
            }
            let mut ours = counted(&all);
            for record in self.ours.ports().iter().filter(|record| self.ports_down.contains(&record.port.port_no)) {
                // What a dummy device has sent while it was down counts, too.
                let what = port_line(record.port.port_no);
                theirs.remove(&what);
                ours.remove(&what);
            }
            let (theirs, ours) = (lines(theirs), lines(ours));
            if ours != theirs {
                return Ok(Some(difference(kind, &theirs, &ours)));
            }
        }
        Ok(None)
    }

    fn counters_there(&mut self) -> Result<Vec<MultipartReplyBody>, Fail> {
        let mut all = Vec::new();
        for body in counter_requests() {
            all.extend(self.client.request(body)?);
        }
        Ok(all)
    }

    /// Asks our switch.
    fn ask(&mut self, body: MultipartRequestBody) -> Vec<MultipartReplyBody> {
        let request = Message::MultipartRequest(MultipartRequest::new(body));
        self.ours.handle_message(1, &request, self.now);
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
    if let Some(code) = &sent.error {
        let _ = writeln!(text, "error: {code}");
    }
    for line in &sent.news {
        let _ = writeln!(text, "{line}");
    }
    for packet_in in &sent.packet_ins {
        let _ = writeln!(text, "controller: cookie={:#x} {packet_in} {:x}", packet_in.cookie, packet_in.data);
    }
    if text.is_empty() { "nothing".into() } else { text }
}

/// A flow where no packet comes.
fn touch(command: FlowModCommand) -> Message {
    Message::FlowMod(FlowMod { command, ..FlowMod::add(TableId(253), 1, Match::new()) })
}

fn verdict(code: &Option<ErrorCode>) -> String {
    code.map_or("accepted".to_owned(), |code| code.to_string())
}

fn difference(kind: Kind, theirs: &[String], ours: &[String]) -> Difference {
    let only = |one: &[String], other: &[String]| {
        one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>().join("\n")
    };
    Difference { kind, event: None, message: None, ovs: only(theirs, ours), ours: only(ours, theirs) }
}

/// What a switch says of ports and of flows that are gone, one line each, without what time changes.
fn news(said: Vec<Message>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for message in said {
        match message {
            Message::FlowRemoved(mut removed) => {
                (removed.duration_sec, removed.duration_nsec) = (0, 0);
                removed.match_ = stored::match_(&removed.match_);
                lines.push(removed.to_string());
            }
            Message::PortStatus(status) => {
                let Port { port_no, config, state, .. } = status.port;
                lines.push(format!("{:?} of port {port_no:?}: {config:?} {state:?}", status.reason));
            }
            _ => {}
        }
    }
    lines.sort();
    lines
}

/// Questions for what is counted besides flows.
fn counter_requests() -> [MultipartRequestBody; 4] {
    [
        MultipartRequestBody::Group(GroupId::ALL),
        MultipartRequestBody::Meter(MeterId::ALL),
        MultipartRequestBody::PortStats(PortNo::ANY),
        MultipartRequestBody::Table,
    ]
}

/// Each property of each table by its name.
fn features(parts: &[MultipartReplyBody]) -> BTreeMap<String, String> {
    let mut features = BTreeMap::new();
    let sorted = |ids: &[OxmId]| {
        let ids: BTreeSet<String> =
            ids.iter().map(|id| format!("{:?}/{}/{}", id.kind, id.has_mask, id.length)).collect();
        ids.into_iter().collect::<Vec<_>>().join(" ")
    };
    for part in parts {
        let MultipartReplyBody::TableFeatures(tables) = part else { continue };
        for table in tables {
            let id = table.table_id.0;
            let numbers = (table.metadata_match, table.metadata_write, table.config, table.max_entries);
            features.insert(format!("{id}"), format!("table {id}: {numbers:?}"));
            for property in &table.properties {
                let text = match property {
                    TableFeatureProperty::Match(ids) | TableFeatureProperty::Wildcards(ids) => sorted(ids),
                    TableFeatureProperty::WriteSetField { ids, .. }
                    | TableFeatureProperty::ApplySetField { ids, .. } => sorted(ids),
                    other => format!("{other:?}"),
                };
                let text = text.replace("miss: true", "miss: false");
                let name = format!("{id} {:?}", property.property_type());
                // Without a word of a table miss, it has what the others have (OpenFlow 1.3.5 §7.3.5.5.2).
                let of_hits = name.trim_end_matches("_MISS").to_owned();
                if of_hits == name || features.get(&of_hits) != Some(&format!("table {of_hits}: {text}")) {
                    features.insert(name.clone(), format!("table {name}: {text}"));
                }
            }
        }
    }
    features
}

fn port_line(port_no: PortNo) -> String {
    format!("port {} (rx, octets, tx, octets)", port_no.0)
}

/// What a switch has counted of each group, meter, port and table.
fn counted(parts: &[MultipartReplyBody]) -> BTreeMap<String, Vec<u64>> {
    let mut counted = BTreeMap::new();
    for part in parts {
        match part {
            MultipartReplyBody::Group(groups) => counted.extend(groups.iter().map(|group| {
                let buckets = group.bucket_stats.iter().flat_map(|bucket| [bucket.packet_count, bucket.byte_count]);
                let own = [u64::from(group.ref_count), group.packet_count, group.byte_count];
                (format!("group {}", group.group_id.0), own.into_iter().chain(buckets).collect())
            })),
            MultipartReplyBody::Meter(meters) => counted.extend(meters.iter().map(|meter| {
                let bands = meter.band_stats.iter().flat_map(|band| [band.packet_band_count, band.byte_band_count]);
                let own = [u64::from(meter.flow_count), meter.packet_in_count, meter.byte_in_count];
                (format!("meter {}", meter.meter_id.0), own.into_iter().chain(bands).collect())
            })),
            // Nobody listens at the local port of the oracle, and nobody takes away what waits there.
            MultipartReplyBody::PortStats(ports) => {
                counted.extend(ports.iter().filter(|port| port.port_no != PortNo::LOCAL).map(|port| {
                    let counts = vec![port.rx_packets, port.rx_bytes, port.tx_packets, port.tx_bytes];
                    (port_line(port.port_no), counts)
                }))
            }
            MultipartReplyBody::Table(tables) => {
                counted.extend(tables.iter().filter(|table| table.table_id < TableId(8)).map(|table| {
                    let counts = vec![u64::from(table.active_count), table.lookup_count, table.matched_count];
                    (format!("table {} (active, looked up, matched)", table.table_id.0), counts)
                }))
            }
            _ => {}
        }
    }
    counted
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
