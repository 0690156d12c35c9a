//! Questions, answers and errors.

use super::frames::*;
use super::*;
use crate::configuration::{ConfigFlags, SwitchConfig as ConfigMessage};
use crate::flow::{FlowModCommand, FlowModFlags};
use crate::identifier::{BufferId, GroupId, MeterId};
use crate::multipart::{
    FlowStatsRequest, MultipartReplyBody, MultipartRequest, MultipartRequestBody, MultipartRequestFlags,
};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::packet::PacketOut;
use crate::port::{PortConfig, PortMod};
use crate::role::{ControllerRole, RoleMessage};

fn question(body: MultipartRequestBody) -> Message {
    Message::MultipartRequest(MultipartRequest::new(body))
}

fn answer(switch: &mut Switch, body: MultipartRequestBody, now: Time) -> Vec<(bool, MultipartReplyBody)> {
    let answers = ask(switch, question(body), now).into_iter().map(|message| match message {
        Message::MultipartReply(reply) => (reply.more, reply.body),
        other => panic!("{other:?}"),
    });
    answers.collect()
}

#[test]
fn the_switch_says_who_it_is() {
    let mut switch = switch();
    let Message::FeaturesReply(features) = only(ask(&mut switch, Message::FeaturesRequest, Time::ZERO)) else {
        panic!("features")
    };
    assert_eq!((features.datapath_id, features.n_tables, features.n_buffers), (DatapathId(1), 254, 0));
    let (false, MultipartReplyBody::PortDesc(ports)) =
        only(answer(&mut switch, MultipartRequestBody::PortDesc, Time::ZERO))
    else {
        panic!("port desc")
    };
    let up: Vec<(PortNo, bool)> = ports.iter().map(|port| (port.port_no, port.is_up())).collect();
    assert_eq!(
        up,
        [(PortNo(1), true), (PortNo(2), true), (PortNo(3), true), (PortNo(4), true), (PortNo::LOCAL, false)]
    );
    assert_eq!(ask(&mut switch, Message::BarrierRequest, Time::ZERO), [Message::BarrierReply]);
    assert_eq!(
        ask(&mut switch, Message::EchoRequest(Bytes::from_static(b"x")), Time::ZERO),
        [Message::EchoReply(Bytes::from_static(b"x"))]
    );
}

#[test]
fn counters_of_flows_tables_and_ports_agree_with_the_packets() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new().with_in_port(PortNo(1)), apply(vec![output(2)])));
    let frame = udp(1, 2);
    for _ in 0..3 {
        send(&mut switch, 1, &frame, Time::ZERO);
    }
    send(&mut switch, 3, &frame, Time::ZERO);
    let now = Time::from_millis(1500);
    let (false, MultipartReplyBody::Flow(flows)) =
        only(answer(&mut switch, MultipartRequestBody::Flow(FlowStatsRequest::default()), now))
    else {
        panic!("flows")
    };
    assert_eq!((flows[0].packet_count, flows[0].byte_count), (3, 3 * frame.len() as u64));
    assert_eq!((flows[0].duration_sec, flows[0].duration_nsec), (1, 500_000_000));
    let (false, MultipartReplyBody::Aggregate(sums)) =
        only(answer(&mut switch, MultipartRequestBody::Aggregate(FlowStatsRequest::default()), now))
    else {
        panic!("aggregate")
    };
    assert_eq!((sums.flow_count, sums.packet_count), (1, 3));
    let (false, MultipartReplyBody::Table(tables)) = only(answer(&mut switch, MultipartRequestBody::Table, now)) else {
        panic!("tables")
    };
    assert_eq!((tables[0].active_count, tables[0].lookup_count, tables[0].matched_count), (1, 4, 3));
    let (false, MultipartReplyBody::PortStats(ports)) =
        only(answer(&mut switch, MultipartRequestBody::PortStats(PortNo(2)), now))
    else {
        panic!("ports")
    };
    assert_eq!((ports.len(), ports[0].tx_packets, ports[0].tx_bytes), (1, 3, 3 * frame.len() as u64));
}

#[test]
fn a_long_answer_comes_in_parts_that_fit_into_messages() {
    let mut switch = switch();
    for number in 0..3000u32 {
        let match_ = Match::new().with_eth_dst(MacAddr::from_u64(u64::from(number)));
        add(&mut switch, flow(0, 1, match_, apply(vec![output(2), output(3)])));
    }
    let parts = answer(&mut switch, MultipartRequestBody::Flow(FlowStatsRequest::default()), Time::ZERO);
    assert!(parts.len() > 3);
    let mut total = 0;
    for (index, (more, body)) in parts.iter().enumerate() {
        assert_eq!(*more, index + 1 < parts.len());
        let MultipartReplyBody::Flow(flows) = body else { panic!("{body:?}") };
        total += flows.len();
        let mut out = bytes::BytesMut::new();
        let reply = crate::multipart::MultipartReply { more: *more, body: body.clone() };
        Message::MultipartReply(reply).encode(1, &mut out).unwrap();
    }
    assert_eq!(total, 3000);
}

#[test]
fn each_bad_flow_mod_gets_the_code_of_open_vswitch() {
    let mut switch = switch();
    let ip = || Match::new().with_eth_type(0x0800);
    let any = Match::new;
    let one = |action| apply(vec![action]);
    let number = |kind, value| OxmFieldOwned::number(kind, value).unwrap();
    let bare_port = any().with(&number(OxmKind::TCP_DST, 80));
    let in_phy = any().with_in_port(PortNo(1)).with(&number(OxmKind::IN_PHY_PORT, 1));
    let goto = |table| vec![Instruction::GotoTable(TableId(table))];
    let masked = OxmFieldOwned::new(OxmKind::ETH_DST, &[0; 6], Some(&[0; 6])).unwrap();
    add(&mut switch, flow(0, 7, ip(), vec![]));
    let overlap = FlowMod { flags: FlowModFlags::CHECK_OVERLAP, ..flow(0, 7, any().with_in_port(PortNo(1)), vec![]) };
    let cases = [
        (flow(0, 1, bare_port, vec![]), ErrorCode::MATCH_BAD_PREREQ),
        (flow(0, 1, in_phy, vec![]), ErrorCode::MATCH_BAD_FIELD),
        (flow(0xff, 1, any(), vec![]), ErrorCode::FLOW_MOD_BAD_TABLE_ID),
        (flow(254, 1, any(), vec![]), ErrorCode::REQUEST_EPERM),
        (FlowMod { flags: FlowModFlags(0x8000), ..flow(0, 1, any(), vec![]) }, ErrorCode::FLOW_MOD_BAD_FLAGS),
        (FlowMod { command: FlowModCommand(9), ..flow(0, 1, any(), vec![]) }, ErrorCode::FLOW_MOD_BAD_COMMAND),
        (FlowMod { buffer_id: BufferId(4), ..flow(0, 1, any(), vec![]) }, ErrorCode::REQUEST_BUFFER_UNKNOWN),
        (flow(0, 1, any(), one(Action::output(PortNo::ANY))), ErrorCode::ACTION_BAD_OUT_PORT),
        (flow(0, 1, any(), one(output(0xff00))), ErrorCode::ACTION_BAD_OUT_PORT),
        (flow(0, 1, any(), one(Action::Group(GroupId(1)))), ErrorCode::ACTION_BAD_OUT_GROUP),
        (flow(0, 1, any(), one(Action::PushPbb(0x88e7))), ErrorCode::ACTION_BAD_TYPE),
        (flow(0, 1, any(), one(Action::PushVlan(0x0800))), ErrorCode::ACTION_BAD_ARGUMENT),
        (flow(0, 1, any(), one(Action::PopVlan)), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (flow(0, 1, any(), one(Action::DecNwTtl)), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (flow(0, 1, ip(), one(Action::SetField(number(OxmKind::IP_PROTO, 6)))), ErrorCode::ACTION_BAD_SET_ARGUMENT),
        (flow(0, 1, ip(), one(Action::SetField(number(OxmKind::TCP_SRC, 6)))), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (flow(1, 1, any(), goto(1)), ErrorCode::INSTRUCTION_BAD_TABLE_ID),
        (flow(9, 1, any(), goto(8)), ErrorCode::INSTRUCTION_BAD_TABLE_ID),
        (flow(0, 1, any(), vec![Instruction::Meter(MeterId(1))]), ErrorCode::METER_MOD_INVALID_METER),
        (flow(0, 1, any(), [goto(1), goto(2)].concat()), ErrorCode::INSTRUCTION_DUP_INST),
        (flow(0, 1, any(), one(Action::CopyTtlOut)), ErrorCode::ACTION_BAD_TYPE),
        (flow(0, 1, any(), one(Action::PushMpls(0x0800))), ErrorCode::ACTION_BAD_ARGUMENT),
        (flow(0, 1, any(), one(Action::PopMpls(0x0800))), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (flow(0, 1, any(), one(Action::SetMplsTtl(1))), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (flow(0, 1, any(), one(Action::SetField(number(OxmKind::IN_PORT, 1)))), ErrorCode::ACTION_BAD_SET_ARGUMENT),
        (flow(0, 1, any(), one(Action::SetField(number(OxmKind::IN_PHY_PORT, 1)))), ErrorCode::ACTION_BAD_SET_LEN),
        (flow(0, 1, any(), one(Action::SetField(masked))), ErrorCode::ACTION_BAD_SET_MASK),
        (overlap, ErrorCode::FLOW_MOD_OVERLAP),
    ];
    for (flow_mod, code) in cases {
        assert_eq!(error_of(&mut switch, Message::FlowMod(flow_mod.clone())), Some(code), "{flow_mod:?}");
    }
    assert_eq!(switch.flow_count(), 1);
    let again = FlowMod { flags: FlowModFlags::CHECK_OVERLAP, ..flow(0, 7, ip(), vec![]) };
    assert_eq!(
        error_of(&mut switch, Message::FlowMod(again)),
        None,
        "a flow does not overlap with the one it replaces"
    );
}

#[test]
fn a_full_table_takes_replacements_and_nothing_else() {
    let config = SwitchConfig { max_flows: 2, ..SwitchConfig::new(DatapathId(1)) };
    let mut switch = Switch::new(config, Time::ZERO);
    add(&mut switch, flow(0, 1, Match::new(), vec![]));
    add(&mut switch, flow(0, 2, Match::new(), vec![]));
    let third = flow(0, 3, Match::new(), vec![]);
    assert_eq!(error_of(&mut switch, Message::FlowMod(third)), Some(ErrorCode::FLOW_MOD_TABLE_FULL));
    add(&mut switch, flow(0, 2, Match::new(), apply(vec![output(1)])));
    add(&mut switch, flow(1, 3, Match::new(), vec![]));
}

#[test]
fn an_error_brings_back_the_start_of_the_message_and_its_xid() {
    let mut switch = switch();
    let message = Message::FlowMod(flow(0xff, 1, Match::new(), vec![]));
    switch.handle_message(0x1234, &message, Time::ZERO);
    let SwitchTransmit::ToController { xid: 0x1234, message: Message::Error(error) } = only(drain(&mut switch)) else {
        panic!("an error")
    };
    assert_eq!(error.data[..8], [4, 14, 0, 56, 0, 0, 0x12, 0x34]);
}

#[test]
fn packet_outs_that_make_no_sense_are_refused() {
    let mut switch = switch();
    let packet_out = |in_port, actions| PacketOut { buffer_id: BufferId::NO_BUFFER, in_port, actions, data: udp(1, 2) };
    let cases = [
        (PacketOut { buffer_id: BufferId(1), ..packet_out(PortNo(1), vec![]) }, ErrorCode::REQUEST_BUFFER_UNKNOWN),
        (packet_out(PortNo::FLOOD, vec![]), ErrorCode::REQUEST_BAD_PORT),
        (packet_out(PortNo::CONTROLLER, vec![Action::Group(GroupId(9))]), ErrorCode::ACTION_BAD_OUT_GROUP),
        (packet_out(PortNo::CONTROLLER, vec![Action::PopVlan]), ErrorCode::ACTION_MATCH_INCONSISTENT),
    ];
    for (packet_out, code) in cases {
        assert_eq!(error_of(&mut switch, Message::PacketOut(packet_out)), Some(code));
    }
}

#[test]
fn roles_follow_the_generation_and_a_slave_changes_nothing() {
    let mut switch = switch();
    let ask_role = |switch: &mut Switch, role, generation_id| {
        ask(switch, Message::RoleRequest(RoleMessage { role, generation_id }), Time::ZERO).remove(0)
    };
    let now = |role, generation_id| Message::RoleReply(RoleMessage { role, generation_id });
    assert_eq!(ask_role(&mut switch, ControllerRole::NOCHANGE, 0), now(ControllerRole::EQUAL, u64::MAX));
    assert_eq!(ask_role(&mut switch, ControllerRole::SLAVE, 5), now(ControllerRole::SLAVE, 5));
    let refused = Some(ErrorCode::REQUEST_IS_SLAVE);
    assert_eq!(error_of(&mut switch, Message::FlowMod(flow(0, 1, Match::new(), vec![]))), refused);
    assert_eq!(ask(&mut switch, Message::BarrierRequest, Time::ZERO), [Message::BarrierReply]);
    let Message::Error(stale) = ask_role(&mut switch, ControllerRole::MASTER, 4) else { panic!("stale") };
    assert_eq!(stale.code(), ErrorCode::ROLE_REQUEST_STALE);
    assert_eq!(ask_role(&mut switch, ControllerRole::MASTER, 6), now(ControllerRole::MASTER, 6));
    switch.handle_disconnected(Time::ZERO);
    switch.handle_connected(Time::ZERO);
    assert_eq!(ask_role(&mut switch, ControllerRole::NOCHANGE, 0), now(ControllerRole::EQUAL, 6));
}

#[test]
fn questions_about_what_is_not_there_get_an_error() {
    let mut switch = Switch::new(SwitchConfig { n_tables: 9, ..SwitchConfig::new(DatapathId(1)) }, Time::ZERO);
    let cases = [
        (question(MultipartRequestBody::Meter(MeterId(1))), ErrorCode::METER_MOD_UNKNOWN_METER),
        (
            question(MultipartRequestBody::Flow(FlowStatsRequest {
                table_id: TableId(9),
                ..FlowStatsRequest::default()
            })),
            ErrorCode::REQUEST_BAD_TABLE_ID,
        ),
        (
            Message::MultipartRequest(MultipartRequest {
                flags: MultipartRequestFlags::MORE,
                body: MultipartRequestBody::Desc,
            }),
            ErrorCode::REQUEST_MULTIPART_BUFFER_OVERFLOW,
        ),
        (
            Message::PacketIn(crate::packet::PacketIn {
                buffer_id: BufferId::NO_BUFFER,
                total_len: 0,
                reason: crate::packet::PacketInReason::ACTION,
                table_id: TableId(0),
                cookie: 0,
                match_: Match::new(),
                data: Bytes::new(),
            }),
            ErrorCode::REQUEST_BAD_TYPE,
        ),
    ];
    for (message, code) in cases {
        assert_eq!(error_of(&mut switch, message), Some(code));
    }
}

#[test]
fn port_mod_wants_the_right_address_and_takes_the_port_down() {
    let mut switch = switch();
    let port_mod = |hw_addr| PortMod {
        port_no: PortNo(2),
        hw_addr,
        config: PortConfig::PORT_DOWN,
        mask: PortConfig::PORT_DOWN,
        advertise: Default::default(),
    };
    assert_eq!(error_of(&mut switch, Message::PortMod(port_mod(MacAddr::ZERO))), Some(ErrorCode::PORT_MOD_BAD_HW_ADDR));
    let hw_addr = switch.ports().get(PortNo(2)).unwrap().port.hw_addr;
    let answers = ask(&mut switch, Message::PortMod(port_mod(hw_addr)), Time::ZERO);
    let [Message::PortStatus(status)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(!status.port.is_up());
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(3)])));
    assert_eq!(send(&mut switch, 2, &udp(1, 2), Time::ZERO), []);
}

#[test]
fn fragments_are_dropped_where_the_configuration_says_so() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(2)])));
    let fragment = ethernet(B, A, None, 0x0800, &ipv4(17, 64, 0x2000, &segment(17, 5, 6)));
    assert_eq!(send(&mut switch, 1, &fragment, Time::ZERO).len(), 1);
    let settings = ConfigMessage { flags: ConfigFlags::FRAG_DROP, miss_send_len: 0xffff };
    assert_eq!(error_of(&mut switch, Message::SetConfig(settings)), None);
    assert_eq!(send(&mut switch, 1, &fragment, Time::ZERO), []);
    assert_eq!(ask(&mut switch, Message::GetConfigRequest, Time::ZERO), [Message::GetConfigReply(settings)]);
}

/// Each pair of faults in one message, with the one that Open vSwitch 3.1 names.
#[test]
fn of_several_faults_the_one_that_open_vswitch_sees_first_is_named() {
    let mut switch = switch();
    let any = Match::new;
    let arp = || Match::new().with_eth_type(0x0806);
    let port = |number| OxmFieldOwned::number(OxmKind::TCP_SRC, number).unwrap();
    let write = |action| vec![Instruction::WriteActions(vec![action])];
    let goto = vec![Instruction::GotoTable(TableId(0))];
    let cases = [
        // An action that only might not fit is a fault after all others, and none in an action set.
        (
            flow(1, 1, any(), [apply(vec![Action::DecNwTtl]), goto.clone()].concat()),
            Some(ErrorCode::INSTRUCTION_BAD_TABLE_ID),
        ),
        (flow(1, 1, arp(), write(Action::DecNwTtl)), None),
        // A set-field without its prerequisite can't be done at all.
        (
            flow(1, 1, arp(), [write(Action::SetField(port(1))), goto].concat()),
            Some(ErrorCode::ACTION_MATCH_INCONSISTENT),
        ),
        (
            flow(
                0,
                1,
                any(),
                apply(vec![Action::PushVlan(0x8100), Action::PushVlan(0x8100), Action::PushVlan(0x8100)]),
            ),
            Some(ErrorCode::ACTION_BAD_TAG),
        ),
        (
            FlowMod { buffer_id: BufferId(3), ..flow(0, 1, any(), apply(vec![Action::Group(GroupId(1))])) },
            Some(ErrorCode::REQUEST_BUFFER_UNKNOWN),
        ),
        (
            FlowMod { flags: FlowModFlags(0x20), ..flow(0, 1, any(), apply(vec![output(0xff05)])) },
            Some(ErrorCode::ACTION_BAD_OUT_PORT),
        ),
        // What modifies nothing names no group either.
        (
            FlowMod { command: FlowModCommand::MODIFY, ..flow(3, 1, any(), apply(vec![Action::Group(GroupId(1))])) },
            None,
        ),
    ];
    for (flow_mod, code) in cases {
        assert_eq!(error_of(&mut switch, Message::FlowMod(flow_mod.clone())), code, "{flow_mod:?}");
    }
}

#[test]
fn instructions_that_do_nothing_are_not_read_back() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), [apply(vec![]), vec![Instruction::GotoTable(TableId(1))]].concat()));
    let (_, flow) = switch.tables().iter().next().unwrap();
    assert_eq!(flow.instructions, [Instruction::GotoTable(TableId(1))]);
}

#[test]
fn table_features_come_in_parts_and_can_not_be_changed() {
    let mut switch = switch();
    let parts = answer(&mut switch, MultipartRequestBody::TableFeatures(vec![]), Time::ZERO);
    let mut tables = Vec::new();
    for (index, (more, body)) in parts.iter().enumerate() {
        assert_eq!(*more, index + 1 < parts.len());
        let MultipartReplyBody::TableFeatures(part) = body else { panic!("{body:?}") };
        tables.extend(part.iter().map(|table| table.table_id.0));
        let reply = crate::multipart::MultipartReply { more: *more, body: body.clone() };
        let mut out = bytes::BytesMut::new();
        Message::MultipartReply(reply).encode(1, &mut out).unwrap();
        assert_eq!(Message::decode(&out.freeze()).unwrap().0, 1);
    }
    assert_eq!(tables, (0..254).collect::<Vec<u8>>());
    let Some((_, MultipartReplyBody::TableFeatures(first))) = parts.into_iter().next() else { panic!("a part") };
    let change = question(MultipartRequestBody::TableFeatures(first));
    assert_eq!(error_of(&mut switch, change), Some(ErrorCode::TABLE_FEATURES_EPERM));
}
