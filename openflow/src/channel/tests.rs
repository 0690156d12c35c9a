use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::bundle::{BundleControl, BundleControlType, BundleFlags};
use crate::configuration::FeaturesReply;
use crate::error::ErrorType;
use crate::framing::frame_length;
use crate::hello::HelloElement;
use crate::multipart::{MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody};
use crate::role::{ControllerRole, RoleMessage};

const T0: Time = Time::from_secs(100);

fn after(seconds: u64) -> Time {
    T0 + Duration::from_secs(seconds)
}

fn frame(xid: u32, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out.freeze()
}

/// The messages of one piece of output.
fn messages(channel: &mut Channel) -> Vec<(u32, Message)> {
    let Some(mut output) = channel.poll_transmit() else { return Vec::new() };
    let mut messages = Vec::new();
    while !output.is_empty() {
        let length = frame_length(&output).unwrap().unwrap();
        messages.push(Message::decode(&output.split_to(length)).unwrap());
    }
    messages
}

fn events(channel: &mut Channel) -> Vec<ChannelEvent> {
    std::iter::from_fn(|| channel.poll_event()).collect()
}

fn say(channel: &mut Channel, xid: u32, message: &Message, now: Time) {
    channel.handle_frame(frame(xid, message), now);
}

fn closed(channel: &mut Channel) -> CloseReason {
    assert_eq!(channel.poll_timeout(), None, "a closed channel waits for nothing");
    match events(channel).pop() {
        Some(ChannelEvent::Closed { reason }) => reason,
        other => panic!("the last event is {other:?}"),
    }
}

/// The error that a channel said last.
fn said_error(channel: &mut Channel) -> ErrorMessage {
    match messages(channel).pop() {
        Some((_, Message::Error(error))) => error,
        other => panic!("the last message is {other:?}"),
    }
}

fn features() -> FeaturesReply {
    FeaturesReply { datapath_id: net::DatapathId(7), n_tables: 3, ..FeaturesReply::default() }
}

/// A controller's channel that is up, with everything said and told so far taken away.
fn up_controller() -> Channel {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    say(&mut channel, 1, &Message::Hello(Hello::new()), T0);
    let (xid, request) = messages(&mut channel).pop().unwrap();
    assert_eq!(request, Message::FeaturesRequest);
    say(&mut channel, xid, &Message::FeaturesReply(features()), T0);
    assert_eq!(events(&mut channel), [ChannelEvent::Up { features: features() }]);
    channel
}

fn up_switch() -> Channel {
    let mut channel = Channel::switch(ChannelConfig::default(), T0);
    say(&mut channel, 1, &Message::Hello(Hello::new()), T0);
    assert_eq!(events(&mut channel), [ChannelEvent::Negotiated]);
    messages(&mut channel);
    channel
}

fn old_hello(version: u8) -> Message {
    Message::Hello(Hello { version, elements: Vec::new(), trailing: Bytes::new() })
}

#[test]
fn both_sides_come_up_with_each_other() {
    let mut controller = Channel::controller(ChannelConfig::default(), T0);
    let mut switch = Channel::switch(ChannelConfig::default(), T0);
    for _ in 0..3 {
        for (xid, message) in messages(&mut controller) {
            say(&mut switch, xid, &message, T0);
        }
        while let Some(event) = switch.poll_event() {
            if let ChannelEvent::Message { xid, message: Message::FeaturesRequest } = event {
                switch.send_with_xid(xid, &Message::FeaturesReply(features()));
            }
        }
        for (xid, message) in messages(&mut switch) {
            say(&mut controller, xid, &message, T0);
        }
    }
    assert!(controller.is_up() && switch.is_up());
    assert_eq!(events(&mut controller), [ChannelEvent::Up { features: features() }]);
}

#[test]
fn hello_says_version_4_and_a_bitmap_with_1_3_alone() {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    let hello = channel.poll_transmit().unwrap();
    assert_eq!(&hello[..], [4, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x10]);
}

#[test]
fn a_newer_peer_with_1_3_in_its_bitmap_is_taken() {
    let mut channel = Channel::switch(ChannelConfig::default(), T0);
    let hello =
        Hello { version: 6, elements: vec![HelloElement::VersionBitmap(vec![0b111_0010])], trailing: Bytes::new() };
    say(&mut channel, 1, &Message::Hello(hello), T0);
    assert!(channel.is_up());
}

#[test]
fn a_newer_peer_without_a_bitmap_is_taken_because_the_smaller_version_counts() {
    let mut channel = Channel::switch(ChannelConfig::default(), T0);
    say(&mut channel, 1, &old_hello(5), T0);
    assert!(channel.is_up());
}

#[test]
fn a_peer_without_1_3_is_told_why_in_its_own_version() {
    let bitmap =
        Hello { version: 5, elements: vec![HelloElement::VersionBitmap(vec![1 << 5])], trailing: Bytes::new() };
    for (hello, version) in [(old_hello(1), 1), (old_hello(3), 3), (Message::Hello(bitmap), 5)] {
        let mut channel = Channel::controller(ChannelConfig::default(), T0);
        channel.poll_transmit();
        say(&mut channel, 9, &hello, T0);
        let output = channel.poll_transmit().unwrap();
        assert_eq!(output[0], version);
        let (xid, message) = Message::decode(&output).unwrap();
        let Message::Error(error) = message else { panic!("{message:?}") };
        assert_eq!((xid, error.code()), (9, ErrorCode::HELLO_INCOMPATIBLE));
        assert!(error.data.is_ascii() && error.data.len() > 10);
        assert_eq!(closed(&mut channel), CloseReason::Incompatible { version });
    }
}

#[test]
fn anything_before_hello_is_refused() {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    say(&mut channel, 3, &Message::BarrierReply, T0);
    assert_eq!(said_error(&mut channel).code(), ErrorCode::HELLO_INCOMPATIBLE);
    assert_eq!(closed(&mut channel), CloseReason::HelloExpected { message_type: MessageType::BARRIER_REPLY });
}

#[test]
fn a_malformed_hello_is_refused() {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    channel.handle_frame(Bytes::from_static(&[4, 0, 0, 12, 0, 0, 0, 1, 0, 1, 0, 0]), T0);
    assert_eq!(said_error(&mut channel).code(), ErrorCode::HELLO_INCOMPATIBLE);
    assert!(matches!(closed(&mut channel), CloseReason::BadHello(_)));
}

#[test]
fn hello_failed_from_the_peer_closes_with_its_text() {
    let error = ErrorMessage::new(ErrorCode::HELLO_INCOMPATIBLE, Bytes::from_static(b"no"));
    for hello_first in [false, true] {
        let mut channel = Channel::controller(ChannelConfig::default(), T0);
        if hello_first {
            say(&mut channel, 1, &Message::Hello(Hello::new()), T0);
        }
        say(&mut channel, 1, &Message::Error(error.clone()), T0);
        assert_eq!(closed(&mut channel), CloseReason::PeerRefused(error.clone()));
    }
}

#[test]
fn the_handshake_has_one_deadline_for_hello_and_features() {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    assert_eq!(channel.poll_timeout(), Some((after(5), "hello")));
    say(&mut channel, 1, &Message::Hello(Hello::new()), after(4));
    assert_eq!(channel.poll_timeout(), Some((after(5), "features")));
    channel.handle_timeout(after(4));
    assert!(events(&mut channel).is_empty());
    channel.handle_timeout(after(5));
    assert_eq!(closed(&mut channel), CloseReason::HandshakeTimeout);
}

#[test]
fn messages_before_the_features_are_dropped_and_counted_but_echoes_answered() {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    say(&mut channel, 1, &Message::Hello(Hello::new()), T0);
    messages(&mut channel);
    say(&mut channel, 2, &Message::BarrierReply, T0);
    say(&mut channel, 3, &Message::EchoRequest(Bytes::from_static(b"?")), T0);
    assert_eq!(messages(&mut channel), [(3, Message::EchoReply(Bytes::from_static(b"?")))]);
    assert_eq!((channel.counters().early, events(&mut channel).len()), (1, 0));
}

#[test]
fn nothing_is_sent_before_the_handshake_or_after_the_end() {
    let mut channel = Channel::switch(ChannelConfig::default(), T0);
    channel.poll_transmit();
    channel.send(&Message::BarrierReply);
    channel.close(CloseReason::Shutdown);
    channel.send(&Message::BarrierReply);
    assert_eq!((channel.poll_transmit(), channel.counters().unsent), (None, 2));
}

#[test]
fn an_echo_goes_out_after_silence_and_measures_the_round_trip() {
    let mut channel = up_controller();
    assert_eq!(channel.poll_timeout(), Some((after(5), "echo request")));
    channel.handle_timeout(after(4));
    assert_eq!(channel.poll_transmit(), None);
    channel.handle_timeout(after(5));
    let (xid, request) = messages(&mut channel).pop().unwrap();
    assert_eq!(request, Message::EchoRequest(Bytes::new()));
    assert_eq!(channel.poll_timeout(), Some((after(15), "echo reply")));
    say(&mut channel, xid, &Message::EchoReply(Bytes::new()), after(5) + Duration::from_millis(3));
    assert_eq!(channel.rtt(), Some(Duration::from_millis(3)));
    assert!(events(&mut channel).is_empty(), "echoes are no business of the owner");
}

#[test]
fn silence_after_an_echo_closes() {
    let mut channel = up_controller();
    channel.handle_timeout(after(5));
    channel.handle_timeout(after(14));
    assert!(channel.is_up());
    channel.handle_timeout(after(15));
    assert_eq!(closed(&mut channel), CloseReason::EchoTimeout);
}

#[test]
fn any_message_is_a_sign_of_life() {
    let mut channel = up_controller();
    channel.handle_timeout(after(5));
    say(&mut channel, 0, &Message::EchoRequest(Bytes::new()), after(14));
    channel.handle_timeout(after(20));
    assert!(channel.is_up(), "10 s count from the last message");
    channel.handle_timeout(after(24));
    assert_eq!(closed(&mut channel), CloseReason::EchoTimeout);
}

#[test]
fn a_busy_connection_measures_its_round_trip_every_half_minute() {
    let mut channel = up_controller();
    for second in 1..=29 {
        say(&mut channel, 0, &Message::EchoRequest(Bytes::new()), after(second));
        channel.handle_timeout(after(second));
    }
    assert!(messages(&mut channel).iter().all(|(_, message)| matches!(message, Message::EchoReply(_))));
    channel.handle_timeout(after(30));
    assert!(matches!(messages(&mut channel)[..], [(_, Message::EchoRequest(_))]));
}

#[test]
fn a_barrier_reply_is_told_and_an_overdue_barrier_closes() {
    let mut channel = up_controller();
    let first = channel.send(&Message::BarrierRequest);
    let second = channel.send(&Message::BarrierRequest);
    channel.handle_timeout(after(1));
    say(&mut channel, first, &Message::BarrierReply, after(2));
    assert_eq!(events(&mut channel), [ChannelEvent::Message { xid: first, message: Message::BarrierReply }]);
    for second in [8, 16, 24, 30] {
        say(&mut channel, 0, &Message::EchoRequest(Bytes::new()), after(second));
        channel.handle_timeout(after(second));
    }
    assert!(channel.is_up());
    assert_eq!(channel.poll_timeout(), Some((after(31), "barrier")));
    channel.handle_timeout(after(31));
    assert_eq!(closed(&mut channel), CloseReason::BarrierTimeout { xid: second });
}

#[test]
fn a_probe_is_answered_or_times_out_by_itself() {
    let mut channel = up_controller();
    channel.probe(after(1), Duration::from_secs(1));
    let (xid, _) = messages(&mut channel).pop().unwrap();
    assert_eq!(channel.poll_timeout(), Some((after(2), "probe")));
    say(&mut channel, 0, &Message::BarrierReply, after(1));
    events(&mut channel);
    say(&mut channel, xid, &Message::EchoReply(Bytes::new()), after(1) + Duration::from_millis(9));
    assert_eq!(events(&mut channel), [ChannelEvent::ProbeAnswered]);
    channel.probe(after(3), Duration::from_secs(1));
    channel.handle_timeout(after(4));
    assert_eq!(events(&mut channel), [ChannelEvent::ProbeTimedOut]);
    assert!(channel.is_up());
    assert_eq!(channel.rtt(), Some(Duration::from_millis(9)));
}

#[test]
fn the_last_inquiry_is_told_when_it_is_answered_and_no_earlier_one() {
    let mut channel = up_controller();
    let mut ask = |second| {
        channel.inquire(after(second));
        messages(&mut channel).pop().unwrap().0
    };
    let (first, last) = (ask(1), ask(2));
    say(&mut channel, first, &Message::EchoReply(Bytes::new()), after(3));
    assert_eq!(events(&mut channel), []);
    say(&mut channel, last, &Message::EchoReply(Bytes::new()), after(3));
    assert_eq!(events(&mut channel), [ChannelEvent::InquiryAnswered]);
    say(&mut channel, last, &Message::EchoReply(Bytes::new()), after(3));
    assert_eq!(events(&mut channel), []);
}

#[test]
fn an_undecodable_message_is_answered_and_the_connection_stays() {
    let mut channel = up_switch();
    // A flow-mod that ends in its cookie.
    let bad = Bytes::from_static(&[4, 14, 0, 12, 0, 0, 0, 5, 0, 0, 0, 0]);
    channel.handle_frame(bad.clone(), T0);
    let (xid, answer) = messages(&mut channel).pop().unwrap();
    assert_eq!((xid, answer), (5, Message::Error(ErrorMessage::new(ErrorCode::REQUEST_BAD_LEN, bad))));
    let told = events(&mut channel);
    assert!(matches!(told[..], [ChannelEvent::Malformed { xid: 5, message_type: MessageType::FLOW_MOD, .. }]));
    assert!(channel.is_up());
}

#[test]
fn an_undecodable_error_is_never_answered() {
    let mut channel = up_switch();
    channel.handle_frame(Bytes::from_static(&[4, 1, 0, 10, 0, 0, 0, 5, 0, 0]), T0);
    assert_eq!((channel.poll_transmit(), channel.counters().malformed), (None, 1));
}

#[test]
fn answers_to_rubbish_are_limited_within_a_second() {
    let mut channel = up_switch();
    let bad = Bytes::from_static(&[4, 14, 0, 8, 0, 0, 0, 5]);
    let count = 1000;
    for _ in 0..count {
        channel.handle_frame(bad.clone(), T0);
    }
    let limit = u64::from(MAX_ERRORS_PER_WINDOW);
    assert_eq!(messages(&mut channel).len() as u64, limit);
    assert_eq!(channel.counters().errors_suppressed, count - limit);
    channel.handle_frame(bad, after(1));
    assert_eq!(messages(&mut channel).len(), 1);
}

#[test]
fn a_message_of_another_version_after_hello_closes() {
    let mut channel = up_controller();
    channel.handle_frame(Bytes::from_static(&[1, 10, 0, 8, 0, 0, 0, 5]), T0);
    assert_eq!(said_error(&mut channel).code(), ErrorCode::REQUEST_BAD_VERSION);
    assert_eq!(closed(&mut channel), CloseReason::BadVersion { version: 1 });
}

#[test]
fn a_stream_out_of_step_closes_with_an_error() {
    let mut channel = up_controller();
    let error = frame_length(&[4, 10, 0, 7, 0, 0, 0, 5, 1, 2]).unwrap_err();
    channel.handle_frame_error(error, T0);
    assert_eq!(said_error(&mut channel).code(), ErrorCode::REQUEST_BAD_LEN);
    assert_eq!(closed(&mut channel), CloseReason::FrameLost(error));
}

#[test]
fn a_switch_refuses_unknown_types_and_its_own_and_a_controller_passes_unknown_ones_on() {
    let unknown = Message::Unknown { message_type: MessageType(77), body: Bytes::new() };
    for message in [unknown.clone(), Message::BarrierReply] {
        let mut switch = up_switch();
        say(&mut switch, 4, &message, T0);
        assert_eq!(said_error(&mut switch).code(), ErrorCode::REQUEST_BAD_TYPE);
        assert!(events(&mut switch).is_empty());
    }
    let mut controller = up_controller();
    say(&mut controller, 4, &unknown, T0);
    assert_eq!(events(&mut controller), [ChannelEvent::Message { xid: 4, message: unknown }]);
    say(&mut controller, 4, &Message::FeaturesRequest, T0);
    assert_eq!((events(&mut controller).len(), controller.counters().unexpected), (0, 1));
}

#[test]
fn errors_of_the_switch_are_told_when_up() {
    let mut channel = up_controller();
    let error = ErrorMessage { error_type: ErrorType::FLOW_MOD_FAILED, code: 1, data: Bytes::new() };
    say(&mut channel, 4, &Message::Error(error.clone()), T0);
    assert_eq!(events(&mut channel), [ChannelEvent::Message { xid: 4, message: Message::Error(error) }]);
}

#[test]
fn output_is_coalesced_and_bounded() {
    let config = ChannelConfig { max_queued_output: 100, ..ChannelConfig::default() };
    let mut channel = Channel::switch(config, T0);
    say(&mut channel, 1, &Message::Hello(Hello::new()), T0);
    channel.poll_transmit();
    for _ in 0..12 {
        channel.send(&Message::BarrierReply);
    }
    assert_eq!(channel.queued_len(), 96);
    assert_eq!(channel.poll_transmit().map(|output| output.len()), Some(96));
    for _ in 0..13 {
        channel.send(&Message::BarrierReply);
    }
    assert_eq!((channel.poll_transmit(), channel.queued_len()), (None, 0));
    events(&mut channel).iter().for_each(drop);
    assert!(!channel.is_up());
}

#[test]
fn a_message_that_is_too_long_is_counted_and_not_sent() {
    let mut channel = up_controller();
    channel.send(&Message::EchoRequest(Bytes::from(vec![0; 65_528])));
    assert_eq!((channel.poll_transmit(), channel.counters().too_long), (None, 1));
}

#[test]
fn numbers_are_never_zero_and_go_around() {
    let mut channel = up_controller();
    channel.next_xid = u32::MAX;
    assert_eq!(channel.send(&Message::BarrierRequest), u32::MAX);
    assert_eq!(channel.send(&Message::BarrierRequest), 1);
}

#[test]
fn counters_go_by_type() {
    let mut channel = up_controller();
    say(&mut channel, 0, &Message::Unknown { message_type: MessageType(99), body: Bytes::new() }, T0);
    let counters = channel.counters();
    assert_eq!(counters.received.get(MessageType::HELLO), 1);
    assert_eq!(counters.received.get(MessageType(200)), 1, "unknown types are counted together");
    assert_eq!(counters.sent.get(MessageType::FEATURES_REQUEST), 1);
    assert_eq!((counters.received.total(), counters.bytes_received), (3, 16 + 32 + 8));
}

#[test]
fn only_the_first_reason_counts_and_nothing_comes_after_closed() {
    let mut channel = up_controller();
    channel.close(CloseReason::Refused);
    channel.close(CloseReason::Shutdown);
    say(&mut channel, 0, &Message::BarrierReply, T0);
    channel.handle_timeout(after(1000));
    assert_eq!(events(&mut channel), [ChannelEvent::Closed { reason: CloseReason::Refused }]);
}

fn ports(more: bool) -> Message {
    Message::MultipartReply(MultipartReply { more, body: MultipartReplyBody::PortDesc(Vec::new()) })
}

fn ask(channel: &mut Channel, within: u64) -> u32 {
    let request = Message::MultipartRequest(MultipartRequest::new(MultipartRequestBody::PortDesc));
    let xid = channel.request(&request, Duration::from_secs(within));
    assert_eq!(messages(channel), [(xid, request)]);
    xid
}

#[test]
fn an_answer_is_matched_by_number_and_type_and_streamed_part_by_part() {
    let mut channel = up_controller();
    let xid = ask(&mut channel, 3);
    let other = Message::MultipartReply(MultipartReply { more: false, body: MultipartReplyBody::Table(Vec::new()) });
    say(&mut channel, xid, &other, T0);
    assert_eq!((events(&mut channel).len(), channel.counters().unexpected), (0, 1), "another type is no answer");
    say(&mut channel, xid + 1, &ports(false), T0);
    assert_eq!((events(&mut channel).len(), channel.counters().unexpected), (0, 2), "another number neither");
    for more in [true, true, false] {
        say(&mut channel, xid, &ports(more), T0);
        assert_eq!(events(&mut channel), [ChannelEvent::Reply { xid, message: ports(more), last: !more }]);
    }
    say(&mut channel, xid, &ports(false), T0);
    assert_eq!((events(&mut channel).len(), channel.counters().unexpected), (0, 3), "the question is closed");
}

#[test]
fn a_long_answer_to_no_question_is_not_decoded() {
    let mut channel = up_controller();
    let mut out = BytesMut::new();
    ports(true).encode(7, &mut out).unwrap();
    // A port that is cut short: whoever decodes it answers with an ERROR.
    out.extend_from_slice(&[1, 2, 3]);
    out[3] += 3;
    let rubbish = out.freeze();
    channel.handle_frame(rubbish.clone(), T0);
    assert_eq!((events(&mut channel).len(), messages(&mut channel).len()), (0, 0));
    let counters = channel.counters();
    assert_eq!((counters.unexpected, counters.malformed), (1, 0));
    assert_eq!(counters.bytes_dropped, rubbish.len() as u64);

    let request = Message::MultipartRequest(MultipartRequest::new(MultipartRequestBody::PortDesc));
    channel.send_with_xid(7, &request);
    channel.handle_frame(rubbish, T0);
    assert!(matches!(events(&mut channel)[..], [ChannelEvent::Malformed { xid: 7, .. }]));
    for more in [true, false] {
        say(&mut channel, 7, &ports(more), T0);
        assert_eq!(events(&mut channel), [ChannelEvent::Message { xid: 7, message: ports(more) }]);
    }
    say(&mut channel, 7, &ports(true), T0);
    assert_eq!((events(&mut channel).len(), channel.counters().unexpected), (0, 2), "it has its answer");
}

#[test]
fn of_the_owners_own_questions_the_latest_are_remembered() {
    let mut channel = up_controller();
    let request = Message::MultipartRequest(MultipartRequest::new(MultipartRequestBody::PortDesc));
    for xid in 0..=MAX_OWN_REQUESTS as u32 {
        channel.send_with_xid(0x8000_0000 + xid, &request);
    }
    for xid in [0x8000_0000, 0x8000_0001] {
        say(&mut channel, xid, &ports(false), T0);
    }
    let message = ports(false);
    assert_eq!(events(&mut channel), [ChannelEvent::Message { xid: 0x8000_0001, message }]);
}

#[test]
fn a_question_has_one_deadline_for_the_whole_answer() {
    let mut channel = up_controller();
    let xid = ask(&mut channel, 3);
    assert_eq!(channel.poll_timeout(), Some((after(3), "request")));
    channel.handle_timeout(after(1));
    assert_eq!(
        channel.poll_timeout(),
        Some((after(4), "request")),
        "counted from the first input that brings the time"
    );
    say(&mut channel, xid, &ports(true), after(3));
    events(&mut channel);
    channel.handle_timeout(after(4));
    assert_eq!(events(&mut channel), [ChannelEvent::RequestTimedOut { xid }]);
    assert!(channel.is_up());
    say(&mut channel, xid, &ports(false), after(4));
    assert!(events(&mut channel).is_empty(), "too late");
}

#[test]
fn an_error_ends_the_question_that_it_answers() {
    let mut channel = up_controller();
    let role = RoleMessage { role: ControllerRole::MASTER, generation_id: 1 };
    let xid = channel.request(&Message::RoleRequest(role), Duration::from_secs(1));
    let error = ErrorMessage::new(ErrorCode::ROLE_REQUEST_STALE, Bytes::new());
    say(&mut channel, xid, &Message::Error(error.clone()), T0);
    let failure = RequestFailure::Refused(error);
    assert_eq!(events(&mut channel), [ChannelEvent::RequestFailed { xid, failure }]);
    assert_ne!(channel.poll_timeout().map(|(_, why)| why), Some("request"));
}

#[test]
fn an_answer_that_never_ends_is_cut_off() {
    let mut channel = up_controller();
    let xid = ask(&mut channel, 3600);
    for _ in 0..MAX_REPLY_PARTS {
        say(&mut channel, xid, &ports(true), T0);
        assert_eq!(events(&mut channel).len(), 1);
    }
    say(&mut channel, xid, &ports(true), T0);
    assert_eq!(events(&mut channel), [ChannelEvent::RequestFailed { xid, failure: RequestFailure::TooLong }]);
}

#[test]
fn a_list_of_ports_ends_after_eight_mebibytes() {
    let mut channel = up_controller();
    let xid = ask(&mut channel, 3600);
    let port = crate::Port::new(net::PortNo(1), net::MacAddr([2, 0, 0, 0, 0, 1]), "eth1");
    let part = MultipartReply { more: true, body: MultipartReplyBody::PortDesc(vec![port; 1_000]) };
    let mut taken = 0;
    loop {
        say(&mut channel, xid, &Message::MultipartReply(part.clone()), T0);
        match &events(&mut channel)[..] {
            [ChannelEvent::Reply { .. }] => taken += 1,
            [ChannelEvent::RequestFailed { failure: RequestFailure::TooLong, .. }] => break,
            other => panic!("{other:?}"),
        }
    }
    // 1,000 ports of 64 octets and the header.
    assert_eq!(taken, (8 << 20) / 64_016);
}

#[test]
fn questions_that_cannot_be_sent_fail_at_once() {
    let mut channel = Channel::controller(ChannelConfig::default(), T0);
    let not_sent = |xid| [ChannelEvent::RequestFailed { xid, failure: RequestFailure::NotSent }];
    let xid = channel.request(&Message::GetAsyncRequest, Duration::from_secs(1));
    assert_eq!(events(&mut channel), not_sent(xid), "before the handshake");
    let mut channel = up_controller();
    let xid = channel.request(&Message::EchoReply(Bytes::new()), Duration::from_secs(1));
    assert_eq!(events(&mut channel), not_sent(xid), "nothing answers that");
    for _ in 0..MAX_REQUESTS {
        channel.request(&Message::GetAsyncRequest, Duration::from_secs(1));
    }
    let xid = channel.request(&Message::GetAsyncRequest, Duration::from_secs(1));
    assert_eq!(events(&mut channel), not_sent(xid), "too many");
    assert_eq!(messages(&mut channel).len(), MAX_REQUESTS);
    channel.close(CloseReason::Refused);
    events(&mut channel);
    channel.request(&Message::GetAsyncRequest, Duration::from_secs(1));
    assert!(events(&mut channel).is_empty(), "nothing comes after Closed");
}

#[test]
fn a_bundle_is_asked_for_and_its_steps_are_answered() {
    let mut channel = up_controller();
    let open = BundleControl::new(1, BundleControlType::OPEN_REQUEST, BundleFlags::ATOMIC);
    let xid = channel.request(&Message::BundleControl(open.clone()), Duration::from_secs(1));
    let reply = Message::BundleControl(BundleControl { control_type: BundleControlType::OPEN_REPLY, ..open.clone() });
    say(&mut channel, xid, &reply, T0);
    assert_eq!(events(&mut channel), [ChannelEvent::Reply { xid, message: reply, last: true }]);
    say(&mut channel, 9, &Message::BundleControl(open), T0);
    assert_eq!((events(&mut channel).len(), channel.counters().unexpected), (0, 1), "a switch opens no bundles");
}

#[test]
fn a_channel_is_writable_until_the_high_watermark_waits() {
    let mut channel = up_controller();
    let packet = Message::EchoReply(Bytes::from(vec![0; 60_000]));
    while channel.queued_len() <= HIGH_WATERMARK {
        assert!(channel.writable());
        channel.send(&packet);
    }
    assert!(!channel.writable());
    channel.send(&Message::BarrierRequest);
    assert!(channel.is_up(), "what has to get through still does");
    channel.poll_transmit();
    assert!(channel.writable());
}

#[test]
fn a_graceful_end_waits_for_what_was_said_and_says_nothing_more() {
    for answered in [true, false] {
        let mut channel = up_controller();
        channel.finish(T0, Duration::from_secs(2));
        let [(xid, Message::BarrierRequest)] = messages(&mut channel)[..] else { panic!() };
        channel.send(&Message::BarrierRequest);
        channel.finish(T0, Duration::from_secs(9));
        assert_eq!((channel.poll_transmit(), channel.counters().unsent), (None, 1));
        assert_eq!(channel.poll_timeout(), Some((after(2), "shutdown")));
        if answered {
            say(&mut channel, xid, &Message::BarrierReply, after(1));
        } else {
            channel.handle_timeout(after(2));
        }
        assert_eq!(closed(&mut channel), CloseReason::Shutdown);
    }
    let mut young = Channel::controller(ChannelConfig::default(), T0);
    young.finish(T0, Duration::from_secs(2));
    assert_eq!(closed(&mut young), CloseReason::Shutdown);
}

/// A step of a peer that does anything.
#[derive(Clone, Debug)]
enum Step {
    Octets(Vec<u8>),
    Wait(u16),
    Hello,
    Features,
    Send,
    Ask,
    Probe,
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    let octets = proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        4 => (0u8..36, octets.clone(), prop_oneof![9 => Just(4u8), 1 => any::<u8>()]).prop_map(|(message_type, body, version)| {
            let mut octets = vec![version, message_type];
            octets.extend_from_slice(&(body.len() as u16 + 8).to_be_bytes());
            octets.extend_from_slice(&[0, 0, 0, 2]);
            octets.extend_from_slice(&body);
            Step::Octets(octets)
        }),
        1 => octets.prop_map(Step::Octets),
        1 => any::<u16>().prop_map(Step::Wait),
        1 => Just(Step::Hello),
        1 => Just(Step::Features),
        1 => Just(Step::Send),
        1 => Just(Step::Probe),
        1 => Just(Step::Ask),
        1 => Just(Step::Finish),
    ]
}

proptest! {
    #[test]
    fn no_peer_makes_a_channel_panic_or_answer_without_bound(
        controller: bool,
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut channel = match controller {
            true => Channel::controller(ChannelConfig::default(), T0),
            false => Channel::switch(ChannelConfig::default(), T0),
        };
        channel.poll_transmit();
        let mut now = T0;
        let mut closed = 0;
        for step in steps {
            let limit = match step {
                // At most one answer to a frame, and none is longer than the frame by more than a HELLO_FAILED with its text.
                Step::Octets(octets) => {
                    let limit = octets.len() + 100;
                    channel.handle_frame(Bytes::from(octets), now);
                    limit
                }
                Step::Wait(millis) => {
                    now = now + Duration::from_millis(u64::from(millis));
                    channel.handle_timeout(now);
                    8
                }
                Step::Hello => {
                    say(&mut channel, 1, &Message::Hello(Hello::new()), now);
                    100
                }
                Step::Features => {
                    say(&mut channel, 2, &Message::FeaturesReply(features()), now);
                    100
                }
                Step::Send => {
                    channel.send(&Message::BarrierRequest);
                    8
                }
                Step::Ask => {
                    channel.request(&Message::GetAsyncRequest, Duration::from_secs(1));
                    8
                }
                Step::Finish => {
                    channel.finish(now, Duration::from_secs(1));
                    8
                }
                Step::Probe => {
                    channel.probe(now, Duration::from_secs(1));
                    8
                }
            };
            let output = channel.poll_transmit().map_or(0, |output| output.len());
            prop_assert!(output <= limit, "{} octets", output);
            prop_assert!(channel.poll_timeout().is_none_or(|(at, _)| at >= T0));
            for event in events(&mut channel) {
                prop_assert_eq!(closed, 0, "nothing comes after Closed: {:?}", event);
                closed += usize::from(matches!(event, ChannelEvent::Closed { .. }));
            }
        }
    }

    #[test]
    fn a_timeout_that_is_due_is_handled_and_moves_on(waits in proptest::collection::vec(1u64..40_000, 1..20)) {
        let mut channel = up_controller();
        channel.send(&Message::BarrierRequest);
        channel.request(&Message::GetAsyncRequest, Duration::from_secs(9));
        let mut now = T0;
        for wait in waits {
            now = now + Duration::from_millis(wait);
            channel.handle_timeout(now);
            if let Some((at, why)) = channel.poll_timeout() {
                prop_assert!(at > now, "{} is still due at {}", why, at);
            }
        }
    }
}
