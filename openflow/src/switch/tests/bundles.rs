//! Bundles: all or nothing, in order, and the errors of Open vSwitch.

use super::frames::*;
use super::*;
use crate::bundle::{BundleAdd, BundleControl, BundleControlType as Type, BundleFlags};
use crate::error::ErrorCode;
use crate::flow::FlowModCommand;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{BufferId, GroupId};
use crate::nicira::NiciraAction;
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::packet::PacketOut;
use crate::switch::{BUNDLE_LIFETIME, MAX_BUNDLE_OCTETS};

const BOTH: BundleFlags = BundleFlags(3);

fn control(control_type: Type, flags: BundleFlags) -> Message {
    Message::BundleControl(BundleControl::new(1, control_type, flags))
}

fn put(message: Message) -> Message {
    Message::BundleAdd(BundleAdd::new(1, BOTH, message))
}

fn reply(control_type: Type) -> Vec<Message> {
    vec![control(control_type, BundleFlags::NONE)]
}

fn flow_with_group(priority: u16) -> Message {
    Message::FlowMod(flow(0, priority, Match::new(), apply(vec![Action::Group(GroupId(1))])))
}

fn group_mod(command: GroupModCommand) -> Message {
    let buckets = if command == GroupModCommand::DELETE { vec![] } else { vec![Bucket::new(vec![output(2)])] };
    Message::GroupMod(GroupMod { command, group_type: GroupType::ALL, group_id: GroupId(1), buckets })
}

#[test]
fn a_bundle_is_done_at_its_commit_and_in_order() {
    let mut switch = switch();
    assert_eq!(ask(&mut switch, control(Type::OPEN_REQUEST, BOTH), Time::ZERO), reply(Type::OPEN_REPLY));
    let packet_out = PacketOut {
        buffer_id: BufferId::NO_BUFFER,
        in_port: PortNo(1),
        actions: vec![Action::output(PortNo::TABLE)],
        data: udp(1, 2),
    };
    for message in [group_mod(GroupModCommand::ADD), flow_with_group(1), Message::PacketOut(packet_out)] {
        assert_eq!(error_of(&mut switch, put(message)), None);
    }
    assert_eq!((switch.flow_count(), switch.groups().len()), (0, 0));
    assert_eq!(ask(&mut switch, control(Type::CLOSE_REQUEST, BOTH), Time::ZERO), reply(Type::CLOSE_REPLY));
    switch.handle_message(7, &control(Type::COMMIT_REQUEST, BOTH), Time::ZERO);
    let transmits = drain(&mut switch);
    assert!(matches!(transmits[0], SwitchTransmit::ToPort { port_no: PortNo(2), .. }), "{transmits:?}");
    assert!(matches!(transmits[1], SwitchTransmit::ToController { message: Message::BundleControl(_), .. }));
    assert_eq!((switch.flow_count(), switch.groups().len()), (1, 1));
}

#[test]
fn a_bundle_that_fails_changes_nothing_and_says_which_message_it_was() {
    let mut switch = switch();
    add(&mut switch, flow(0, 9, Match::new(), apply(vec![output(3)])));
    let messages = [
        Message::FlowMod(FlowMod::delete(TableId::ALL, Match::new())),
        Message::FlowMod(flow(0, 1, Match::new(), apply(vec![output(4)]))),
        flow_with_group(2),
        Message::FlowMod(flow(0, 3, Match::new(), vec![])),
    ];
    for message in messages {
        assert_eq!(error_of(&mut switch, put(message)), None, "a bundle opens with its first message");
    }
    let answers = ask(&mut switch, control(Type::COMMIT_REQUEST, BOTH), Time::ZERO);
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Message::Error(error) => error.code(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [ErrorCode::ACTION_BAD_OUT_GROUP, ErrorCode::BUNDLE_MSG_FAILED]);
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [3]);
    assert_eq!(error_of(&mut switch, control(Type::COMMIT_REQUEST, BOTH)), Some(ErrorCode::BUNDLE_BAD_ID));
}

fn packet_out(actions: Vec<Action>) -> Message {
    let buffer_id = BufferId::NO_BUFFER;
    Message::PacketOut(PacketOut { buffer_id, in_port: PortNo(1), actions, data: udp(1, 2) })
}

fn to_table() -> Message {
    packet_out(vec![Action::output(PortNo::TABLE)])
}

#[test]
fn a_packet_out_of_a_bundle_goes_through_the_tables_in_its_place() {
    let mut switch = switch();
    let messages = [
        Message::FlowMod(flow(0, 1, Match::new(), apply(vec![output(2)]))),
        to_table(),
        Message::FlowMod(flow(0, 2, Match::new(), apply(vec![output(3)]))),
        to_table(),
        Message::FlowMod(flow(0, 3, Match::new(), vec![])),
    ];
    for message in messages {
        assert_eq!(error_of(&mut switch, put(message)), None);
    }
    switch.handle_message(7, &control(Type::COMMIT_REQUEST, BOTH), Time::ZERO);
    let outputs = drain(&mut switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToPort { port_no, .. } => Some(port_no.0),
        SwitchTransmit::ToController { .. } => None,
    });
    assert_eq!(outputs.collect::<Vec<_>>(), [2, 3]);
    assert_eq!(switch.flow_count(), 3);
    let counts: Vec<u64> = switch.tables().iter().map(|(_, flow)| flow.packet_count).collect();
    assert_eq!(counts, [1, 1, 0]);
}

#[test]
fn a_packet_out_that_fails_takes_the_whole_bundle_back() {
    let mut switch = switch();
    let again = Action::Nicira(NiciraAction::Resubmit { in_port: PortNo::IN_PORT });
    let messages = [
        Message::FlowMod(flow(0, 1, Match::new(), apply(vec![output(2)]))),
        to_table(),
        Message::FlowMod(flow(0, 2, Match::new(), apply(vec![again]))),
        to_table(),
    ];
    for message in messages {
        assert_eq!(error_of(&mut switch, put(message)), None);
    }
    switch.handle_message(7, &control(Type::COMMIT_REQUEST, BOTH), Time::ZERO);
    let codes: Vec<_> = drain(&mut switch)
        .into_iter()
        .map(|transmit| match transmit {
            SwitchTransmit::ToController { message: Message::Error(error), .. } => error.code(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [ErrorCode::FLOW_MOD_UNKNOWN, ErrorCode::BUNDLE_MSG_FAILED]);
    assert_eq!(switch.flow_count(), 0);
}

/// As the same messages without a bundle. Open vSwitch's modify does not see flows of the same bundle whose mask is new in the table.
#[test]
fn a_modify_in_a_bundle_is_of_the_flows_before_it_in_the_bundle_too() {
    let mut switch = switch();
    let mut modify = flow(0, 0, Match::new(), apply(vec![output(3)]));
    modify.command = FlowModCommand::MODIFY;
    let matched = Match::new().with(&OxmFieldOwned::new(OxmKind::IN_PORT, &6u32.to_be_bytes(), None).unwrap());
    let messages = [flow(0, 1, matched, apply(vec![output(2)])), modify];
    for message in messages {
        assert_eq!(error_of(&mut switch, put(Message::FlowMod(message))), None);
    }
    switch.handle_message(7, &control(Type::COMMIT_REQUEST, BOTH), Time::ZERO);
    drain(&mut switch);
    let instructions: Vec<_> = switch.tables().iter().map(|(_, flow)| flow.instructions.to_vec()).collect();
    assert_eq!(instructions, [apply(vec![output(3)])]);
}

#[test]
fn the_bundles_of_a_connection_hold_so_many_octets_and_no_more() {
    let mut switch = switch();
    let notes = Bytes::from(vec![0; 16_374]);
    let long = || {
        let note = Action::Nicira(NiciraAction::Note(notes.clone()));
        Message::FlowMod(flow(0, 1, Match::new(), apply(vec![note])))
    };
    let add_to = |bundle_id| Message::BundleAdd(BundleAdd::new(bundle_id, BOTH, long()));
    let fit = (0..).take_while(|number| error_of(&mut switch, add_to(number % 2)).is_none()).count();
    let mut octets = bytes::BytesMut::new();
    add_to(0).encode(1, &mut octets).unwrap();
    assert_eq!(fit, MAX_BUNDLE_OCTETS / octets.len());
    assert_eq!(error_of(&mut switch, add_to(3)), Some(ErrorCode::BUNDLE_MSG_TOO_MANY));
    assert_eq!(error_of(&mut switch, put(to_table())), None, "a short one fits in");
}

#[test]
fn what_is_wrong_with_a_message_is_said_when_it_is_added() {
    let mut switch = switch();
    assert_eq!(ask(&mut switch, control(Type::OPEN_REQUEST, BOTH), Time::ZERO), reply(Type::OPEN_REPLY));
    let bad = put(Message::FlowMod(flow(0xff, 1, Match::new(), vec![])));
    assert_eq!(error_of(&mut switch, bad), Some(ErrorCode::FLOW_MOD_BAD_TABLE_ID));
    assert_eq!(error_of(&mut switch, put(Message::BarrierRequest)), Some(ErrorCode::BUNDLE_MSG_UNSUP));
    assert_eq!(error_of(&mut switch, put(Message::FlowMod(flow(0, 1, Match::new(), vec![])))), None);
    assert_eq!(ask(&mut switch, control(Type::COMMIT_REQUEST, BOTH), Time::ZERO), reply(Type::COMMIT_REPLY));
    assert_eq!(switch.flow_count(), 1);
}

#[test]
fn bundles_that_are_not_as_they_should_be_are_refused_and_discarded() {
    let mut switch = switch();
    let other = BundleFlags::ATOMIC;
    let add_one = || put(Message::FlowMod(flow(0, 1, Match::new(), vec![])));
    let error = |switch: &mut Switch, message| error_of(switch, message);
    let open = |switch: &mut Switch| {
        assert_eq!(ask(switch, control(Type::OPEN_REQUEST, BOTH), Time::ZERO), reply(Type::OPEN_REPLY));
    };
    for (request, code) in [
        (control(Type::CLOSE_REQUEST, other), ErrorCode::BUNDLE_BAD_FLAGS),
        (control(Type::COMMIT_REQUEST, other), ErrorCode::BUNDLE_BAD_FLAGS),
        (control(Type::OPEN_REQUEST, BOTH), ErrorCode::BUNDLE_BAD_ID),
    ] {
        open(&mut switch);
        assert_eq!(error(&mut switch, request), Some(code));
        assert_eq!(
            error(&mut switch, control(Type::DISCARD_REQUEST, BOTH)),
            Some(ErrorCode::BUNDLE_BAD_ID),
            "it is gone"
        );
    }
    open(&mut switch);
    ask(&mut switch, control(Type::CLOSE_REQUEST, BOTH), Time::ZERO);
    assert_eq!(error(&mut switch, add_one()), Some(ErrorCode::BUNDLE_BUNDLE_CLOSED));
    assert_eq!(error(&mut switch, control(Type::OPEN_REPLY, BOTH)), Some(ErrorCode::BUNDLE_BAD_TYPE));
    open(&mut switch);
    switch.handle_timeout(Time::ZERO + BUNDLE_LIFETIME);
    let SwitchTransmit::ToController { message: Message::Error(expired), .. } = only(drain(&mut switch)) else {
        panic!("an error")
    };
    assert_eq!(expired.code(), ErrorCode::BUNDLE_TIMEOUT);
    assert_eq!(&expired.data[..4], [0x4f, 0x4e, 0x46, 0]);
}
