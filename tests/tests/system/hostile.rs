//! Bad input on one connection: it gets the specified answer, and a healthy switch on the same controller notices nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use controller::core::{CloseCause, ConnectionId, CoreEvent};
use emulator::{FabricSpec, HostIndex};
use net::packet::build;
use net::{DatapathId, MacAddr, PortNo};
use openflow::{
    AggregateStats, BufferId, ErrorMessage, ErrorType, FeaturesReply, Match, Message, MultipartReply,
    MultipartReplyBody, MultipartRequestBody, PacketIn, PacketInReason, Port, TableId,
};
use proptest::prelude::*;
use tests::{Simulator, SimulatorOptions};

/// A connection that the test itself plays.
const ROGUE: ConnectionId = ConnectionId(1_000_000);

fn frame(xid: u32, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).expect("a short message");
    out.freeze()
}

fn hello() -> Bytes {
    Bytes::from_static(&[4, 0, 0, 8, 0, 0, 0, 1])
}

/// The octets that the controller has sent to the rogue since the last look.
fn octets(simulator: &mut Simulator) -> Bytes {
    simulator.run_for(Duration::ZERO);
    simulator.to_strangers.remove(&ROGUE).unwrap_or_default().freeze()
}

/// The messages in them.
fn answers(simulator: &mut Simulator) -> Vec<Message> {
    let mut octets = octets(simulator);
    let mut messages = Vec::new();
    while let Some(length) = openflow::frame_length(&octets).expect("the controller keeps its framing") {
        let (_, message) = Message::decode(&octets.split_to(length)).expect("the controller sends what can be read");
        messages.push(message);
    }
    messages
}

fn errors(messages: &[Message]) -> Vec<&ErrorMessage> {
    messages
        .iter()
        .filter_map(|message| match message {
            Message::Error(error) => Some(error),
            _ => None,
        })
        .collect()
}

fn healthy() -> Simulator {
    let mut simulator = Simulator::new(&FabricSpec::ring_with_chord(4, 6), SimulatorOptions::default());
    simulator.converge();
    simulator.probe_all_pairs(Duration::from_micros(200));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(simulator.fabric.stats().probes_lost, 0);
    simulator
}

fn connect_rogue(simulator: &mut Simulator, frames: Vec<Bytes>) {
    let now = simulator.now();
    let core = simulator.core.as_mut().expect("alive");
    core.handle_connect(ROGUE, now);
    core.handle_frames(ROGUE, frames, now);
}

/// The healthy ones: all pairs reach each other, nobody was disconnected.
fn assert_undisturbed(simulator: &mut Simulator) {
    let lost = simulator.fabric.stats().probes_lost;
    simulator.probe_all_pairs(Duration::from_micros(500));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(simulator.fabric.stats().probes_lost, lost);
    assert_eq!(simulator.core().switches_connected(), 4);
    let gone = |(_, event): &(_, CoreEvent)| matches!(event, CoreEvent::SwitchDisconnected { .. });
    assert!(!simulator.core_events.iter().any(gone));
    simulator.assert_installed_is_desired();
}

fn closed(simulator: &Simulator) -> Option<&CloseCause> {
    simulator.core_events.iter().find_map(|(_, event)| match event {
        CoreEvent::Close { connection: ROGUE, cause } => Some(cause),
        _ => None,
    })
}

#[test]
fn a_second_switch_with_a_live_datapath_id_is_refused_and_the_live_one_stays() {
    let mut simulator = healthy();
    let features = FeaturesReply { datapath_id: DatapathId(1), ..FeaturesReply::default() };
    connect_rogue(&mut simulator, vec![hello()]);
    let asked = answers(&mut simulator);
    assert!(asked.iter().any(|message| matches!(message, Message::FeaturesRequest)), "{asked:?}");
    // The features reply repeats the number of the request: it is looked for among the answers' numbers by the channel.
    let xid = features_xid(&mut simulator);
    let now = simulator.now();
    let core = simulator.core.as_mut().expect("alive");
    core.handle_frames(ROGUE, [frame(xid, &Message::FeaturesReply(features))], now);
    simulator.run_for(Duration::from_millis(50));
    assert_eq!(closed(&simulator), Some(&CloseCause::DuplicateDatapathId(DatapathId(1))));
    let answers = answers(&mut simulator);
    assert_eq!(errors(&answers).len(), 1, "told why: {answers:?}");
    assert_undisturbed(&mut simulator);
}

/// The channel numbers its own messages from the connection's start: HELLO first, then FEATURES_REQUEST.
fn features_xid(simulator: &mut Simulator) -> u32 {
    let mut probe = openflow::Channel::controller(openflow::ChannelConfig::default(), simulator.now());
    probe.handle_frame(hello(), simulator.now());
    let mut octets = probe.poll_transmit().expect("HELLO and FEATURES_REQUEST");
    let mut last = 0;
    while let Ok(Some(length)) = openflow::frame_length(&octets) {
        let (xid, message) = Message::decode(&octets.split_to(length)).expect("our own");
        if matches!(message, Message::FeaturesRequest) {
            last = xid;
        }
    }
    last
}

#[test]
fn a_peer_of_openflow_1_0_alone_is_told_hello_failed() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, vec![Bytes::from_static(&[1, 0, 0, 8, 0, 0, 0, 1])]);
    simulator.run_for(Duration::from_millis(10));
    let octets = octets(&mut simulator);
    // The error stands in a header that the peer can read.
    let position = octets.windows(2).position(|pair| pair == [1, 1]);
    assert!(position.is_some(), "no error in version 1: {octets:?}");
    assert!(matches!(
        closed(&simulator),
        Some(CloseCause::Channel(openflow::CloseReason::Incompatible { version: 1 }))
    ));
    assert_undisturbed(&mut simulator);
}

#[test]
fn a_message_whose_inner_length_lies_is_answered_and_the_connection_stays() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, vec![hello()]);
    answers(&mut simulator);
    // A packet-in cut short: the header says 12 octets, a packet-in needs 26 and more.
    let now = simulator.now();
    let core = simulator.core.as_mut().expect("alive");
    core.handle_frames(ROGUE, [Bytes::from_static(&[4, 10, 0, 12, 0, 0, 0, 9, 0, 0, 0, 0])], now);
    let answers = answers(&mut simulator);
    let errors = errors(&answers);
    assert_eq!(errors.len(), 1, "{answers:?}");
    assert_eq!(errors[0].error_type, ErrorType::BAD_REQUEST);
    assert_eq!(closed(&simulator), None);
    assert_undisturbed(&mut simulator);
}

#[test]
fn a_peer_that_never_finishes_its_handshake_is_dropped_by_a_deadline() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, Vec::new());
    simulator.run_for(Duration::from_secs(10));
    assert_eq!(closed(&simulator), Some(&CloseCause::Channel(openflow::CloseReason::HandshakeTimeout)));
    assert_undisturbed(&mut simulator);
}

/// What the switch that the test plays answers.
#[derive(Clone, Copy, PartialEq)]
enum Plays {
    Everything,
    /// HELLO, FEATURES and echoes, and nothing that comes later.
    EchoesOnly,
}

const ROGUE_ID: DatapathId = DatapathId(99);
const ROGUE_PORT: PortNo = PortNo(1);

/// Play a switch on `id` for that long.
fn play(simulator: &mut Simulator, id: ConnectionId, plays: Plays, duration: Duration) {
    let step = Duration::from_millis(20);
    for _ in 0..duration.as_millis() / step.as_millis() {
        simulator.run_for(step);
        let mut octets = simulator.to_strangers.remove(&id).unwrap_or_default().freeze();
        let mut frames = Vec::new();
        while let Ok(Some(length)) = openflow::frame_length(&octets) {
            let (xid, message) = Message::decode(&octets.split_to(length)).expect("what the controller sends");
            if let Some(answer) = answer(message, plays) {
                frames.push(frame(xid, &answer));
            }
        }
        let now = simulator.now();
        simulator.core.as_mut().expect("alive").handle_frames(id, frames, now);
    }
}

fn answer(message: Message, plays: Plays) -> Option<Message> {
    match message {
        Message::FeaturesRequest => {
            Some(Message::FeaturesReply(FeaturesReply { datapath_id: ROGUE_ID, ..FeaturesReply::default() }))
        }
        Message::EchoRequest(data) => Some(Message::EchoReply(data)),
        _ if plays == Plays::EchoesOnly => None,
        Message::BarrierRequest => Some(Message::BarrierReply),
        Message::MultipartRequest(request) => {
            let body = match request.body {
                MultipartRequestBody::PortDesc => {
                    MultipartReplyBody::PortDesc(vec![Port::new(ROGUE_PORT, MacAddr([2, 0, 0, 0, 9, 9]), "p1")])
                }
                MultipartRequestBody::Aggregate(_) => {
                    MultipartReplyBody::Aggregate(AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 })
                }
                MultipartRequestBody::GroupDesc => MultipartReplyBody::GroupDesc(Vec::new()),
                MultipartRequestBody::Flow(_) => MultipartReplyBody::Flow(Vec::new()),
                _ => return None,
            };
            Some(Message::MultipartReply(MultipartReply { more: false, body }))
        }
        _ => None,
    }
}

/// Ask for a known host from the rogue's port, as often as that, and read nothing of the answers.
fn ask_without_reading(simulator: &mut Simulator, times: usize) {
    let target = simulator.fabric.spec().hosts[0].ipv4;
    let question = build::arp_request(MacAddr([2, 0, 0, 0, 9, 1]), Ipv4Addr::new(10, 99, 0, 1), target);
    let packet_in = Message::PacketIn(PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: question.len() as u16,
        reason: PacketInReason::ACTION,
        table_id: TableId(0),
        cookie: 0,
        match_: Match::new().with_in_port(ROGUE_PORT),
        data: question,
    });
    let now = simulator.now();
    let core = simulator.core.as_mut().expect("alive");
    core.handle_frames(ROGUE, std::iter::repeat_n(frame(0, &packet_in), times), now);
}

#[test]
fn a_switch_that_never_tells_its_ports_is_dropped_by_a_deadline() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, vec![hello()]);
    play(&mut simulator, ROGUE, Plays::EchoesOnly, Duration::from_secs(55));
    assert_eq!(closed(&simulator), None);
    assert_eq!(simulator.core().switches_connected(), 5);
    play(&mut simulator, ROGUE, Plays::EchoesOnly, Duration::from_secs(10));
    assert_eq!(closed(&simulator), Some(&CloseCause::DescriptionTimeout));
    assert_undisturbed(&mut simulator);
}

#[test]
fn packet_outs_to_a_switch_that_does_not_read_are_dropped_and_counted() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, vec![hello()]);
    play(&mut simulator, ROGUE, Plays::Everything, Duration::from_secs(3));
    assert!(simulator.core().is_live(ROGUE_ID));
    ask_without_reading(&mut simulator, 20_000);
    let counters = simulator.core().counters();
    assert!(counters.packet_outs_dropped > 1_000, "{}", counters.packet_outs_dropped);
    assert!(answers(&mut simulator).len() > 1_000);
    assert!(simulator.core().is_live(ROGUE_ID), "it is slow, not dead");
}

#[test]
fn a_switch_that_does_not_read_at_all_is_given_up_at_once() {
    let mut options = SimulatorOptions::default();
    options.core.channel.max_queued_output = 512 << 10;
    let mut simulator = Simulator::new(&FabricSpec::ring_with_chord(4, 6), options);
    simulator.converge();
    connect_rogue(&mut simulator, vec![hello()]);
    play(&mut simulator, ROGUE, Plays::Everything, Duration::from_secs(3));
    assert!(simulator.core().is_live(ROGUE_ID));
    ask_without_reading(&mut simulator, 20_000);
    assert_eq!(simulator.core().switches_connected(), 4, "its datapath id is free again");
    simulator.run_for(Duration::ZERO);
    assert_eq!(closed(&simulator), Some(&CloseCause::Channel(openflow::CloseReason::OutputOverflow)));
}

#[test]
fn newcomers_that_keep_coming_do_not_keep_a_dead_switch_in_its_place() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, vec![hello()]);
    play(&mut simulator, ROGUE, Plays::Everything, Duration::from_secs(3));
    assert!(simulator.core().is_live(ROGUE_ID));
    // The switch falls silent; its successors come every 700 ms and do not give up.
    for n in 1..=3 {
        let id = ConnectionId(ROGUE.0 + n);
        let now = simulator.now();
        let core = simulator.core.as_mut().expect("alive");
        core.handle_connect(id, now);
        core.handle_frames(id, [hello()], now);
        play(&mut simulator, id, Plays::EchoesOnly, Duration::from_millis(700));
    }
    assert_eq!(closed(&simulator), Some(&CloseCause::Replaced));
}

#[test]
fn a_host_that_forges_probes_makes_no_link() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = healthy();
    let links = simulator.core().network().links.clone();
    // Whatever a host saw of a real probe: the same bytes from its own port, and with one octet changed.
    let lldp = |octet: u8| {
        let mut frame = vec![0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc];
        frame.extend_from_slice(&[2, 7, 4, 2, 0, 0, 0, 0, octet, 4, 5, 7, 0, 0, 0, 1, 6, 2, 0, 120, 0, 0]);
        Bytes::from(frame)
    };
    for octet in 0..50 {
        let now = simulator.now();
        simulator.fabric.send_frame(HostIndex(usize::from(octet) % spec.hosts.len()), lldp(octet), now);
        simulator.run_for(Duration::from_millis(5));
    }
    let now_links = simulator.core().network().links.clone();
    assert_eq!(links.keys().collect::<Vec<_>>(), now_links.keys().collect::<Vec<_>>());
    assert_undisturbed(&mut simulator);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any octets in any frames: no panic, an orderly answer, and the switches stay.
    #[test]
    fn arbitrary_frames_disturb_nobody(
        frames in proptest::collection::vec((0u8..6, 0u8..32, proptest::collection::vec(any::<u8>(), 0..200)), 0..20)
    ) {
        let mut simulator = Simulator::new(&FabricSpec::linear(2), SimulatorOptions::default());
        simulator.run_for(Duration::from_secs(2));
        let switches = simulator.core().switches_connected();
        let mut octets = vec![hello()];
        for (version, message_type, body) in frames {
            let mut frame = BytesMut::new();
            let length = (8 + body.len()) as u16;
            frame.extend_from_slice(&[version, message_type]);
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&[0, 0, 0, 7]);
            frame.extend_from_slice(&body);
            octets.push(frame.freeze());
        }
        connect_rogue(&mut simulator, octets);
        simulator.run_for(Duration::from_secs(8));
        prop_assert_eq!(simulator.core().switches_connected(), switches);
        answers(&mut simulator);
    }
}
