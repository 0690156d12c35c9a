//! Bad input on one connection: it gets the specified answer, and a healthy switch on the same controller notices nothing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use controller::core::{CloseCause, ConnectionId, CoreEvent};
use emulator::{FabricSpec, HostIndex};
use net::DatapathId;
use openflow::{ErrorMessage, ErrorType, FeaturesReply, Message};
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

#[test]
fn a_switch_that_never_describes_itself_does_not_keep_its_datapath_id() {
    let mut simulator = healthy();
    connect_rogue(&mut simulator, vec![hello()]);
    let xid = features_xid(&mut simulator);
    let features = FeaturesReply { datapath_id: DatapathId(99), ..FeaturesReply::default() };
    let now = simulator.now();
    simulator.core.as_mut().expect("alive").handle_frames(ROGUE, [frame(xid, &Message::FeaturesReply(features))], now);
    // It answers echoes, so only the description's own deadline can end it.
    for _ in 0..40 {
        let echoes: Vec<Bytes> = echo_replies(&octets(&mut simulator));
        let now = simulator.now();
        simulator.core.as_mut().expect("alive").handle_frames(ROGUE, echoes, now);
        simulator.run_for(Duration::from_secs(1));
    }
    assert_eq!(closed(&simulator), Some(&CloseCause::Description));
    assert_undisturbed(&mut simulator);
}

fn echo_replies(octets: &Bytes) -> Vec<Bytes> {
    let mut octets = octets.clone();
    let mut replies = Vec::new();
    while let Ok(Some(length)) = openflow::frame_length(&octets) {
        let (xid, message) = Message::decode(&octets.split_to(length)).expect("the controller sends what can be read");
        if let Message::EchoRequest(data) = message {
            replies.push(frame(xid, &Message::EchoReply(data)));
        }
    }
    replies
}
