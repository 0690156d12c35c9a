//! What we encode, Wireshark decodes: every type of message, from both sides of a session, without a malformed one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::switch::{Switch, SwitchConfig, SwitchTransmit};
use openflow::{
    Action, AsyncConfig, ControllerRole, FlowMod, FlowStatsRequest, GroupId, Hello, Instruction, Match, Message,
    MessageType, MeterId, MultipartRequest, MultipartRequestBody, MultipartType, Port, PortConfig, PortFeatures,
    PortMod, QueueGetConfigRequest, QueueId, QueueStatsRequest, RoleMessage, TableId, TableMod,
};

use super::Lab;
use crate::oracle::client::whole_packets;
use crate::oracle::dissect::Session;
use crate::oracle::events::Event;
use crate::oracle::generate::{self, Care};
use crate::oracle::packet::PORTS;
use crate::oracle::random::Random;
use crate::oracle::samples;
use crate::oracle::twin::packet_out;
use crate::process;
use crate::report::{Fail, Report};

/// The decoder. Not needed for anything else, so that a lab without it goes on.
const DECODER: &str = "tshark";

/// Lines that are shown of what it finds wrong.
const SHOWN: usize = 30;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    if !process::exists(DECODER) {
        report.skip("what we encode, Wireshark decodes", &format!("{DECODER} is not installed"));
        return Ok(());
    }
    let path = lab.directory.join("session.pcap");
    let mut session = Session::create(&path)?;
    let mut random = Random::new(lab.seed);
    for _ in 0..lab.mode.pick(20, 200) {
        converse(&mut session, &mut random)?;
    }
    for sample in samples::actions(&mut random).into_iter().chain(samples::matches(&mut random)) {
        session.add(&Message::FlowMod(sample.flow_mod))?;
    }
    let broken = broken_flow_mod()?;
    session.add_octets(&Message::FlowMod(FlowMod::add(TableId(0), 0, Match::new())), &broken)?;
    let messages = session.finish()?;

    let types: BTreeSet<MessageType> = messages.iter().map(Message::message_type).collect();
    let missing: Vec<MessageType> =
        (0..=MessageType::METER_MOD.0).map(MessageType).filter(|of| !types.contains(of)).collect();
    report.check("the session has every type of message", none(&missing, format!("{} messages", messages.len())));
    let parts: BTreeSet<MultipartType> = messages
        .iter()
        .filter_map(|message| match message {
            Message::MultipartReply(reply) => Some(reply.body.multipart_type()),
            _ => None,
        })
        .collect();
    let missing: Vec<MultipartType> =
        (0..=MultipartType::PORT_DESC.0).map(MultipartType).filter(|of| !parts.contains(of)).collect();
    report.check("the session has every type of multipart reply", none(&missing, String::new()));

    let file = path.display().to_string();
    let arguments = ["-r", &file, "-d", "tcp.port==6653,openflow", "-T", "fields"];
    let fields =
        ["-e", "frame.number", "-e", "openflow_v4.version", "-e", "_ws.malformed", "-e", "_ws.expert.severity"];
    let more = ["-e", "_ws.expert.message", "-E", "separator=\t"];
    let output = process::run_within(300, DECODER, &[&arguments[..], &fields, &more].concat())?;
    let mut wrong: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut decoded = 0;
    let mut found_broken = false;
    for line in output.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [frame, version, malformed, severity, said] = columns[..] else { continue };
        let Some(message) = frame.parse().ok().and_then(|frame: usize| messages.get(frame - 1)) else { continue };
        decoded += usize::from(version.starts_with("0x04"));
        // What is carried inside is looked at, too, and some of it is made up.
        let carries = matches!(message, Message::PacketIn(_) | Message::PacketOut(_) | Message::Error(_));
        // An error holds the start of a message, which looks cut off.
        let is_error_message = matches!(message, Message::Error(_));
        let in_openflow = malformed.to_lowercase().contains("openflow") && !is_error_message;
        let malformed = in_openflow || (!carries && !malformed.is_empty());
        let is_error = !carries && severity.split(',').filter_map(number).any(|one| one >= ERROR);
        if frame.parse() == Ok(messages.len()) {
            found_broken = malformed || is_error;
        } else if malformed || is_error || version.is_empty() {
            let sort = format!("{} {said}", message.message_type());
            wrong.entry(sort).or_insert_with(|| (0, message.to_string())).0 += 1;
        }
    }
    let lines: Vec<String> = wrong
        .iter()
        .take(SHOWN)
        .map(|(sort, (times, first))| {
            format!("\n    {times} × {sort}: {}", first.chars().take(200).collect::<String>())
        })
        .collect();
    let missed = || Err("it takes a broken message for a good one".to_owned());
    report.check("Wireshark finds the one broken message", if found_broken { Ok(String::new()) } else { missed() });
    report.check("Wireshark decodes all of it", none(&lines, format!("{decoded} messages")));
    Ok(())
}

/// A flow-mod whose instruction is longer than the message.
fn broken_flow_mod() -> Result<Bytes, Fail> {
    let mut flow_mod = FlowMod::add(TableId(0), 0, Match::new());
    flow_mod.instructions = vec![Instruction::ApplyActions(vec![Action::output(PortNo(1))])];
    let mut out = BytesMut::new();
    Message::FlowMod(flow_mod).encode(7, &mut out).map_err(|error| format!("{error:?}"))?;
    // Header, fixed part and an empty match; then the instruction's type and length.
    out[8 + 40 + 8 + 2] = 0x7f;
    Ok(out.freeze())
}

/// A number as Wireshark writes it.
fn number(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}

/// Wireshark's severity “error”.
const ERROR: u64 = 0x0080_0000;

fn none<T: std::fmt::Debug + std::fmt::Display>(found: &[T], fine: String) -> Result<String, Fail> {
    let list: Vec<String> = found.iter().map(T::to_string).collect();
    if found.is_empty() { Ok(fine) } else { Err(list.join(" ")) }
}

/// A controller's session with the switch: one random world, every question, every answer.
fn converse(session: &mut Session, random: &mut Random) -> Result<(), Fail> {
    let mut switch = Switch::new(SwitchConfig::new(DatapathId(1)), Time::ZERO);
    let care = if random.one_in(2) { Care::Right } else { Care::Wrong };
    let world = generate::world(random, 6, care);
    let mut said: Vec<Message> = vec![
        Message::Hello(Hello::new()),
        Message::EchoRequest(Bytes::from_static(b"sign of life")),
        Message::FeaturesRequest,
        Message::SetConfig(whole_packets()),
        Message::GetConfigRequest,
    ];
    said.extend(world.setup);
    said.extend(world.events.iter().filter_map(|event| match event {
        Event::Out(packet) => Some(packet_out(packet)),
        _ => None,
    }));
    let bodies = [
        MultipartRequestBody::Desc,
        MultipartRequestBody::Flow(FlowStatsRequest::default()),
        MultipartRequestBody::Aggregate(FlowStatsRequest::default()),
        MultipartRequestBody::Table,
        MultipartRequestBody::PortStats(PortNo::ANY),
        MultipartRequestBody::Queue(QueueStatsRequest { port_no: PortNo::ANY, queue_id: QueueId::ALL }),
        MultipartRequestBody::Group(GroupId::ALL),
        MultipartRequestBody::GroupDesc,
        MultipartRequestBody::GroupFeatures,
        MultipartRequestBody::Meter(MeterId::ALL),
        MultipartRequestBody::MeterConfig(MeterId::ALL),
        MultipartRequestBody::MeterFeatures,
        MultipartRequestBody::PortDesc,
    ];
    said.extend(bodies.map(|body| Message::MultipartRequest(MultipartRequest::new(body))));
    // A megabyte, once.
    if session.messages.is_empty() {
        let body = MultipartRequestBody::TableFeatures(Vec::new());
        said.push(Message::MultipartRequest(MultipartRequest::new(body)));
    }
    said.extend([
        Message::PortMod(PortMod {
            port_no: PortNo(1),
            hw_addr: MacAddr([2, 0, 0, 0, 1, 1]),
            config: PortConfig::PORT_DOWN,
            mask: PortConfig::PORT_DOWN,
            advertise: PortFeatures(0),
        }),
        Message::TableMod(TableMod { table_id: TableId(1), config: 0 }),
        Message::QueueGetConfigRequest(QueueGetConfigRequest { port: PortNo::ANY }),
        Message::RoleRequest(RoleMessage { role: ControllerRole::MASTER, generation_id: 1 }),
        Message::GetAsyncRequest,
        Message::Experimenter(openflow::ExperimenterMessage { experimenter: 0xdead, exp_type: 1, body: Bytes::new() }),
        Message::EchoReply(Bytes::new()),
        Message::FlowMod(FlowMod::delete(TableId::ALL, Match::new())),
        Message::SetAsync(AsyncConfig::default()),
        Message::BarrierRequest,
    ]);
    for number in 1..=PORTS {
        let name = format!("p{number}");
        switch.add_port(Port::new(PortNo(number), MacAddr([2, 0, 0, 0, 1, number as u8]), &name), Time::ZERO);
    }
    answers(&mut switch, session)?;
    for message in said {
        session.add(&message)?;
        switch.handle_message(7, &message, Time::ZERO);
        answers(&mut switch, session)?;
    }
    Ok(())
}

fn answers(switch: &mut Switch, session: &mut Session) -> Result<(), Fail> {
    while let Some(transmit) = switch.poll_transmit() {
        if let SwitchTransmit::ToController { message, .. } = transmit {
            session.add(&message)?;
        }
    }
    Ok(())
}
