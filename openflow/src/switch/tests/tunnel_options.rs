//! The table of tunnel options and the fields that it maps (Open vSwitch 3.1).

use super::frames::*;
use super::*;
use crate::nicira::{NiciraAction, Subfield};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::tlv_table::{TlvMap, TlvTableMod, TlvTableModCommand, TlvTableReply};

const FIRST: OxmKind = OxmKind::TUN_METADATA0;
const SECOND: OxmKind = OxmKind::TUN_METADATA1;

fn map(index: u16, option_type: u8, option_len: u8) -> TlvMap {
    TlvMap { option_class: 0xffff, option_type, option_len, index }
}

fn change(switch: &mut Switch, command: TlvTableModCommand, mappings: Vec<TlvMap>) -> Option<ErrorCode> {
    error_of(switch, Message::TlvTableMod(TlvTableMod { command, mappings }))
}

fn mapped(mappings: Vec<TlvMap>) -> Switch {
    let mut switch = switch();
    assert_eq!(change(&mut switch, TlvTableModCommand::ADD, mappings), None);
    switch
}

fn field(kind: OxmKind, octets: &[u8]) -> OxmFieldOwned {
    OxmFieldOwned::new(kind, octets, None).unwrap()
}

fn nicira(action: NiciraAction) -> Action {
    Action::Nicira(action)
}

#[test]
fn the_table_is_read_back_by_index() {
    let mut switch = mapped(vec![map(5, 1, 8), map(0, 2, 124)]);
    let reply = only(ask(&mut switch, Message::TlvTableRequest, Time::ZERO));
    let mappings = vec![map(0, 2, 124), map(5, 1, 8)];
    assert_eq!(reply, Message::TlvTableReply(TlvTableReply { max_option_space: 256, max_fields: 64, mappings }));
}

#[test]
fn each_mistake_has_the_code_of_open_vswitch_and_changes_nothing() {
    let mut switch = mapped(vec![map(0, 0, 124)]);
    let add = TlvTableModCommand::ADD;
    for (command, mappings, code) in [
        (TlvTableModCommand(3), vec![], ErrorCode::NX_TLV_TABLE_BAD_COMMAND),
        (add, vec![map(1, 1, 6)], ErrorCode::NX_TLV_TABLE_BAD_OPT_LEN),
        (add, vec![map(1, 1, 128)], ErrorCode::NX_TLV_TABLE_BAD_OPT_LEN),
        (add, vec![map(64, 1, 4)], ErrorCode::NX_TLV_TABLE_BAD_FIELD_IDX),
        (TlvTableModCommand::DELETE, vec![map(64, 1, 4)], ErrorCode::NX_TLV_TABLE_BAD_FIELD_IDX),
        (add, vec![map(1, 1, 4), map(0, 2, 4)], ErrorCode::NX_TLV_TABLE_ALREADY_MAPPED),
        (add, vec![map(1, 1, 4), map(2, 0, 4)], ErrorCode::NX_TLV_TABLE_DUP_ENTRY),
        (add, vec![map(1, 1, 124), map(2, 2, 12)], ErrorCode::NX_TLV_TABLE_FULL),
    ] {
        assert_eq!(change(&mut switch, command, mappings), Some(code));
    }
    assert_eq!(change(&mut switch, add, vec![map(1, 1, 124), map(2, 2, 8)]), None);
}

#[test]
fn an_option_that_is_not_mapped_can_not_be_matched_or_set() {
    let mut switch = switch();
    let match_ = Match::new().with(&field(FIRST, &[1]));
    let matched = flow(0, 1, match_, vec![]);
    assert_eq!(error_of(&mut switch, Message::FlowMod(matched)), Some(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD));
    for action in [
        Action::SetField(field(FIRST, &[1])),
        nicira(NiciraAction::RegMove {
            source: Subfield::new(FIRST, 0, 8),
            destination: Subfield::new(OxmKind::NXM_REG0, 0, 8),
        }),
        nicira(NiciraAction::DeleteField(FIRST)),
    ] {
        let set = flow(0, 1, Match::new(), apply(vec![action]));
        assert_eq!(error_of(&mut switch, Message::FlowMod(set)), Some(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD));
    }
}

#[test]
fn bits_beyond_the_mapped_length_can_not_be_set() {
    let mut switch = mapped(vec![map(0, 0, 4)]);
    let load = |offset| nicira(NiciraAction::RegLoad { destination: Subfield::new(FIRST, offset, 8), value: 1 });
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![load(24)])));
    let beyond = flow(0, 1, Match::new(), apply(vec![load(25)]));
    assert_eq!(error_of(&mut switch, Message::FlowMod(beyond)), Some(ErrorCode::ACTION_BAD_SET_LEN));
}

#[test]
fn an_option_that_is_not_there_is_not_zero_and_one_that_is_set_to_zero_is() {
    let mut switch = mapped(vec![map(0, 0, 4)]);
    let zero = Match::new().with(&field(FIRST, &[0; 4]));
    add(&mut switch, flow(0, 1, zero.clone(), apply(vec![output(2)])));
    assert_eq!(send(&mut switch, 1, &udp(1, 2), Time::ZERO), []);
    let set =
        vec![Instruction::ApplyActions(vec![Action::SetField(field(FIRST, &[]))]), Instruction::GotoTable(TableId(1))];
    add(&mut switch, flow(0, 0, Match::new(), set));
    add(&mut switch, flow(1, 1, zero, apply(vec![output(3)])));
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [3]);
}

#[test]
fn bits_go_between_options_and_registers_across_words() {
    // The second option has its octets in what is left around the first.
    let mut switch = mapped(vec![map(2, 2, 4), map(0, 0, 20)]);
    assert_eq!(change(&mut switch, TlvTableModCommand::DELETE, vec![map(2, 0, 0)]), None);
    assert_eq!(change(&mut switch, TlvTableModCommand::ADD, vec![map(1, 1, 124)]), None);
    let long: Vec<u8> = (1..=20).collect();
    let actions = vec![
        Action::SetField(field(FIRST, &long)),
        nicira(NiciraAction::RegMove {
            source: Subfield::new(FIRST, 4, 150),
            destination: Subfield::new(SECOND, 842, 150),
        }),
        nicira(NiciraAction::RegMove {
            source: Subfield::new(SECOND, 842 + 4, 32),
            destination: Subfield::whole(OxmKind::NXM_REG0),
        }),
        nicira(NiciraAction::StackPush(Subfield::new(FIRST, 0, 160))),
        nicira(NiciraAction::StackPop(Subfield::new(SECOND, 0, 160))),
        Action::output(PortNo::CONTROLLER),
    ];
    add(&mut switch, flow(0, 1, Match::new(), apply(actions)));
    switch.handle_packet(PortNo(1), udp(1, 2), Time::ZERO);
    let messages = drain(&mut switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToController { message: Message::PacketIn(packet_in), .. } => Some(packet_in.match_),
        _ => None,
    });
    let match_ = only(messages.collect());
    let value = |kind| match_.fields().find(|field| field.kind == kind).map(|field| field.value.to_vec());
    assert_eq!(value(OxmKind::NXM_REG0), Some(vec![16, 17, 18, 19]));
    assert_eq!(value(FIRST), Some(long.clone()));
    let second = value(SECOND).unwrap();
    assert_eq!((second.len(), &second[104..]), (124, &long[..]));
}

#[test]
fn a_field_of_a_flow_keeps_its_mapping() {
    let mut switch = mapped(vec![map(0, 0, 4), map(1, 1, 4)]);
    let set = vec![nicira(NiciraAction::Clone(vec![Action::SetField(field(SECOND, &[7]))]))];
    add(&mut switch, flow(0, 1, Match::new().with(&field(FIRST, &[1])), apply(set)));
    let used = Some(ErrorCode::NX_TLV_TABLE_INVALID_DEL);
    for index in [0, 1] {
        assert_eq!(change(&mut switch, TlvTableModCommand::DELETE, vec![map(index, 0, 0)]), used);
    }
    assert_eq!(change(&mut switch, TlvTableModCommand::CLEAR, vec![]), used);
    assert_eq!(error_of(&mut switch, Message::FlowMod(FlowMod::delete(TableId::ALL, Match::new()))), None);
    assert_eq!(change(&mut switch, TlvTableModCommand::CLEAR, vec![]), None);
}

#[test]
fn a_match_has_the_length_of_the_option_when_it_is_read_back() {
    let mut switch = mapped(vec![map(0, 0, 4)]);
    // Of a value that is too long Open vSwitch takes the octets that come first.
    let fields = [(vec![5], [0, 0, 0, 5]), (vec![1, 2, 3, 4, 5], [1, 2, 3, 4])];
    for (priority, (given, kept)) in fields.into_iter().enumerate() {
        let priority = priority as u16;
        add(&mut switch, flow(0, priority, Match::new().with(&field(FIRST, &given)), vec![]));
        let there = switch.tables().iter().find(|(_, flow)| flow.priority == priority).map(|(_, flow)| &flow.match_);
        assert_eq!(there, Some(&Match::new().with(&field(FIRST, &kept))));
    }
}

#[test]
fn a_slave_reads_the_table_and_changes_nothing() {
    let mut switch = switch();
    let slave = crate::role::RoleMessage { role: crate::role::ControllerRole::SLAVE, generation_id: 1 };
    ask(&mut switch, Message::RoleRequest(slave), Time::ZERO);
    let refused = change(&mut switch, TlvTableModCommand::ADD, vec![map(0, 0, 4)]);
    assert_eq!(refused, Some(ErrorCode::REQUEST_IS_SLAVE));
    assert_eq!(ask(&mut switch, Message::TlvTableRequest, Time::ZERO).len(), 1);
}
