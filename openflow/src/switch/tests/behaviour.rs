//! What flows, groups, meters and timeouts do to packets.

use super::frames::*;
use super::*;
use crate::flow::{FlowModCommand, FlowModFlags, FlowRemovedReason};
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{BufferId, GroupId, MeterId};
use crate::meter::{MeterBand, MeterFlags, MeterMod, MeterModCommand};
use crate::oxm::OxmFieldOwned;
use crate::packet::{PacketIn, PacketInReason, PacketOut};
use crate::port::{PortConfig, PortMod, PortReason};

fn packet_ins(switch: &mut Switch, in_port: u32, frame: &Bytes) -> Vec<PacketIn> {
    switch.handle_packet(PortNo(in_port), frame.clone(), Time::ZERO);
    let messages = drain(switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToController { message: Message::PacketIn(packet_in), .. } => Some(packet_in),
        _ => None,
    });
    messages.collect()
}

fn group(switch: &mut Switch, command: GroupModCommand, group_type: GroupType, id: u32, buckets: Vec<Bucket>) {
    let group_mod = GroupMod { command, group_type, group_id: GroupId(id), buckets };
    assert_eq!(error_of(switch, Message::GroupMod(group_mod)), None);
}

fn watching(port: u32) -> Bucket {
    Bucket { watch_port: PortNo(port), ..Bucket::new(vec![output(port)]) }
}

fn set_eth_dst(address: [u8; 6]) -> Action {
    Action::SetField(OxmFieldOwned::eth_dst(MacAddr(address)))
}

#[test]
fn an_empty_switch_drops_everything_and_says_nothing() {
    let mut switch = switch();
    switch.handle_packet(PortNo(1), udp(1, 2), Time::ZERO);
    assert_eq!(drain(&mut switch), []);
    assert_eq!(switch.tables().lookups(TableId(0)), (1, 0));
}

#[test]
fn the_flow_with_the_highest_priority_wins() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(2)])));
    add(&mut switch, flow(0, 9, Match::new().with_in_port(PortNo(1)), apply(vec![output(3)])));
    add(&mut switch, flow(0, 5, Match::new().with_eth_dst(MacAddr(B)), apply(vec![output(4)])));
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [3]);
    assert_eq!(ports_of(&send(&mut switch, 2, &udp(1, 2), Time::ZERO)), [4]);
}

#[test]
fn a_packet_never_leaves_by_its_ingress_port_but_by_in_port() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(1), Action::output(PortNo::FLOOD)])));
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [2, 3, 4]);
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::output(PortNo::IN_PORT)])));
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [1]);
}

#[test]
fn a_flood_leaves_out_ports_that_are_down_or_may_not_forward() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::output(PortNo::ALL), output(2)])));
    switch.set_port_up(PortNo(2), false, Time::ZERO);
    let hw_addr = switch.ports().get(PortNo(3)).unwrap().port.hw_addr;
    let port_mod = PortMod {
        port_no: PortNo(3),
        hw_addr,
        config: PortConfig::NO_FWD,
        mask: PortConfig::NO_FWD,
        advertise: Default::default(),
    };
    switch.handle_message(1, &Message::PortMod(port_mod), Time::ZERO);
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [4]);
    assert_eq!(switch.ports().get(PortNo(2)).unwrap().tx_dropped, 1);
}

#[test]
fn rewrites_in_an_action_list_hold_for_later_outputs_only() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(2), set_eth_dst(A), output(3)])));
    let outputs = send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!(outputs[0], (2, udp(1, 2)));
    assert_eq!(outputs[1].0, 3);
    assert_eq!(outputs[1].1[..6], A);
}

#[test]
fn the_action_set_goes_through_the_tables_and_is_done_in_the_end() {
    let mut switch = switch();
    let first = vec![
        Instruction::WriteActions(vec![output(2)]),
        Instruction::WriteMetadata { metadata: 0xff, mask: 0x0f },
        Instruction::GotoTable(TableId(3)),
    ];
    add(&mut switch, flow(0, 1, Match::new(), first));
    let second = vec![Instruction::WriteActions(vec![output(4), set_eth_dst(A)])];
    add(&mut switch, flow(3, 1, Match::new().with_metadata(0x0f).with_in_port(PortNo(1)), second));
    add(&mut switch, flow(3, 1, Match::new().with_in_port(PortNo(3)), vec![Instruction::ClearActions]));
    let outputs = send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!((ports_of(&outputs), &outputs[0].1[..6]), (vec![4], &A[..]));
    assert_eq!(ports_of(&send(&mut switch, 4, &udp(1, 2), Time::ZERO)), [2], "a miss in table 3 keeps the set");
    assert_eq!(ports_of(&send(&mut switch, 3, &udp(1, 2), Time::ZERO)), [0; 0], "clear-actions");
}

#[test]
fn packet_ins_are_whole_and_say_why_and_by_which_flow() {
    let mut switch = switch();
    let to_controller = |max_len| apply(vec![Action::Output { port: PortNo::CONTROLLER, max_len }]);
    add(&mut switch, FlowMod { cookie: 5, ..flow(0, 0, Match::new(), to_controller(0xffff)) });
    let with_port = Match::new().with_in_port(PortNo(2));
    add(&mut switch, FlowMod { cookie: 6, ..flow(0, 1, with_port, to_controller(20)) });
    let miss = only(packet_ins(&mut switch, 1, &udp(1, 2)));
    assert_eq!((miss.reason, miss.cookie, miss.match_.in_port()), (PacketInReason::NO_MATCH, 5, Some(PortNo(1))));
    assert_eq!(
        (miss.buffer_id, miss.data.clone(), usize::from(miss.total_len)),
        (BufferId::NO_BUFFER, udp(1, 2), miss.data.len())
    );
    let asked = only(packet_ins(&mut switch, 2, &udp(1, 2)));
    assert_eq!((asked.reason, asked.cookie, asked.data), (PacketInReason::ACTION, 6, udp(1, 2)));
    switch.handle_disconnected(Time::ZERO);
    assert_eq!(packet_ins(&mut switch, 2, &udp(1, 2)), []);
}

#[test]
fn a_ttl_that_runs_out_stops_the_packet_and_its_goto() {
    let mut switch = switch();
    let ip = Match::new().with_eth_type(0x0800);
    let instructions =
        vec![Instruction::ApplyActions(vec![Action::DecNwTtl, output(2)]), Instruction::GotoTable(TableId(1))];
    add(&mut switch, flow(0, 1, ip, instructions));
    add(&mut switch, flow(1, 1, Match::new(), apply(vec![output(3)])));
    let last = ethernet(B, A, None, 0x0800, &transport4(17, 1, 1, 2));
    assert_eq!(send(&mut switch, 1, &last, Time::ZERO), []);
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [2, 3]);
}

#[test]
fn groups_do_what_their_types_say() {
    let mut switch = switch();
    let bucket = |port, address| Bucket::new(vec![output(port), set_eth_dst(address)]);
    group(
        &mut switch,
        GroupModCommand::ADD,
        GroupType::ALL,
        1,
        vec![bucket(2, A), Bucket::new(vec![output(3)]), bucket(1, B)],
    );
    group(&mut switch, GroupModCommand::ADD, GroupType::FF, 2, vec![watching(2), watching(3)]);
    group(
        &mut switch,
        GroupModCommand::ADD,
        GroupType::INDIRECT,
        3,
        vec![Bucket::new(vec![Action::Group(GroupId(2))])],
    );
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::Group(GroupId(1)), output(4)])));
    let outputs = send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!(ports_of(&outputs), [2, 3, 4], "a bucket's rewrites stay in the bucket, the ingress port is left out");
    assert_eq!((&outputs[0].1[..6], &outputs[1].1[..6], &outputs[2].1[..6]), (&A[..], &B[..], &B[..]));

    add(
        &mut switch,
        flow(0, 1, Match::new(), vec![Instruction::WriteActions(vec![output(4), Action::Group(GroupId(3))])]),
    );
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [2], "a group silences the set's output");
    switch.set_port_up(PortNo(2), false, Time::ZERO);
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [3]);
    switch.set_port_up(PortNo(3), false, Time::ZERO);
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [0; 0]);
    switch.set_port_up(PortNo(2), true, Time::ZERO);
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [2]);
}

#[test]
fn a_select_group_keeps_a_flow_on_one_bucket_and_uses_all_of_them() {
    let mut switch = switch();
    let weighted = |port| Bucket { weight: 1, ..watching(port) };
    group(&mut switch, GroupModCommand::ADD, GroupType::SELECT, 1, vec![weighted(2), weighted(3), weighted(4)]);
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::Group(GroupId(1))])));
    let mut used = std::collections::BTreeSet::new();
    for source in 0..50 {
        let one = ports_of(&send(&mut switch, 1, &udp(source, 2), Time::ZERO));
        assert_eq!(one.len(), 1);
        assert_eq!(one, ports_of(&send(&mut switch, 1, &udp(source, 2), Time::ZERO)));
        used.extend(one);
    }
    assert_eq!(used.len(), 3);
}

#[test]
fn groups_that_name_themselves_drop_the_packet_and_end() {
    let mut switch = switch();
    let itself = Bucket::new(vec![Action::Group(GroupId(1))]);
    group(
        &mut switch,
        GroupModCommand::ADD,
        GroupType::ALL,
        1,
        vec![itself.clone(), itself, Bucket::new(vec![output(2)])],
    );
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(3), Action::Group(GroupId(1))])));
    assert_eq!(send(&mut switch, 1, &udp(1, 2), Time::ZERO), []);
    assert_eq!(switch.counters().overruns, 1);
}

#[test]
fn deleting_a_group_takes_its_flows_along() {
    let mut switch = switch();
    group(&mut switch, GroupModCommand::ADD, GroupType::ALL, 1, vec![Bucket::new(vec![output(2)])]);
    let flags = FlowModFlags::SEND_FLOW_REM;
    add(&mut switch, FlowMod { flags, cookie: 8, ..flow(0, 1, Match::new(), apply(vec![Action::Group(GroupId(1))])) });
    add(&mut switch, flow(0, 2, Match::new().with_in_port(PortNo(1)), apply(vec![output(3)])));
    let delete = GroupMod {
        command: GroupModCommand::DELETE,
        group_type: GroupType::ALL,
        group_id: GroupId::ALL,
        buckets: vec![],
    };
    let answers = ask(&mut switch, Message::GroupMod(delete), Time::ZERO);
    let [Message::FlowRemoved(removed)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((removed.cookie, removed.reason), (8, FlowRemovedReason::GROUP_DELETE));
    assert_eq!(switch.flow_count(), 1);
}

#[test]
fn a_meter_drops_what_is_above_its_rate() {
    let mut switch = switch();
    let meter_mod = MeterMod {
        command: MeterModCommand::ADD,
        flags: MeterFlags::PKTPS | MeterFlags::BURST,
        meter_id: MeterId(1),
        bands: vec![MeterBand::Drop { rate: 1, burst_size: 2 }],
    };
    assert_eq!(error_of(&mut switch, Message::MeterMod(meter_mod)), None);
    let instructions = vec![Instruction::ApplyActions(vec![output(2)]), Instruction::Meter(MeterId(1))];
    add(&mut switch, flow(0, 1, Match::new(), instructions));
    let passed: usize = (0..5).map(|_| send(&mut switch, 1, &udp(1, 2), Time::ZERO).len()).sum();
    assert_eq!(passed, 2);
    assert_eq!(send(&mut switch, 1, &udp(1, 2), Time::from_secs(1)).len(), 1);
}

#[test]
fn an_idle_flow_goes_and_a_used_one_stays() {
    let mut switch = switch();
    let flags = FlowModFlags::SEND_FLOW_REM;
    let idle = FlowMod { idle_timeout: 10, flags, cookie: 1, ..flow(0, 1, Match::new(), apply(vec![output(2)])) };
    add(&mut switch, idle);
    assert_eq!(switch.poll_timeout().map(|(at, _)| at), Some(Time::from_secs(10)));
    send(&mut switch, 1, &udp(1, 2), Time::from_secs(7));
    switch.handle_timeout(Time::from_secs(10));
    assert_eq!((switch.flow_count(), switch.poll_timeout().map(|(at, _)| at)), (1, Some(Time::from_secs(17))));
    switch.handle_timeout(Time::from_secs(17));
    let SwitchTransmit::ToController { xid: 0, message: Message::FlowRemoved(removed) } = only(drain(&mut switch))
    else {
        panic!("a FLOW_REMOVED")
    };
    assert_eq!((removed.reason, removed.packet_count, removed.duration_sec), (FlowRemovedReason::IDLE_TIMEOUT, 1, 17));
    assert_eq!((switch.flow_count(), switch.poll_timeout()), (0, None));
}

#[test]
fn a_hard_timeout_ends_a_flow_that_is_in_use() {
    let mut switch = switch();
    let flags = FlowModFlags::SEND_FLOW_REM;
    let hard = FlowMod { idle_timeout: 9, hard_timeout: 10, flags, ..flow(0, 1, Match::new(), vec![]) };
    add(&mut switch, hard);
    send(&mut switch, 1, &udp(1, 2), Time::from_secs(5));
    switch.handle_timeout(Time::from_millis(9_999));
    assert_eq!(switch.flow_count(), 1);
    switch.handle_timeout(Time::from_secs(10));
    let transmits = drain(&mut switch);
    let [SwitchTransmit::ToController { message: Message::FlowRemoved(removed), .. }] = transmits.as_slice() else {
        panic!("{transmits:?}")
    };
    assert_eq!(removed.reason, FlowRemovedReason::HARD_TIMEOUT);
}

#[test]
fn adding_the_same_flow_again_replaces_it_and_keeps_the_counters() {
    let mut switch = switch();
    let flags = FlowModFlags::SEND_FLOW_REM;
    add(&mut switch, FlowMod { flags, cookie: 1, ..flow(0, 1, Match::new(), apply(vec![output(2)])) });
    send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    add(&mut switch, FlowMod { cookie: 2, ..flow(0, 1, Match::new(), apply(vec![output(3)])) });
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [3]);
    let (_, kept) = switch.tables().iter().next().unwrap();
    assert_eq!((kept.cookie, kept.packet_count, switch.flow_count()), (2, 2, 1));
    let flags = FlowModFlags::RESET_COUNTS;
    add(&mut switch, FlowMod { flags, ..flow(0, 1, Match::new(), vec![]) });
    assert_eq!(switch.tables().iter().next().unwrap().1.packet_count, 0);
}

#[test]
fn modify_changes_instructions_alone_and_deletes_go_by_port_group_and_cookie() {
    let mut switch = switch();
    for number in 1..=4u16 {
        let match_ = Match::new().with_in_port(PortNo(u32::from(number)));
        let instructions = apply(vec![output(u32::from(number % 2) + 1)]);
        add(
            &mut switch,
            FlowMod { cookie: u64::from(number), idle_timeout: 3, ..flow(0, number, match_, instructions) },
        );
    }
    let modify = FlowMod {
        command: FlowModCommand::MODIFY,
        cookie: 1,
        cookie_mask: 1,
        ..flow(0, 0, Match::new(), apply(vec![output(4)]))
    };
    add(&mut switch, modify);
    let outputs_to_4 = |switch: &Switch| switch.tables().iter().filter(|(_, flow)| flow.outputs_to(PortNo(4))).count();
    assert_eq!((outputs_to_4(&switch), switch.flow_count()), (2, 4));
    assert!(switch.tables().iter().all(|(_, flow)| flow.idle_timeout == 3));

    add(&mut switch, FlowMod::delete_strict(TableId(0), 9, Match::new().with_in_port(PortNo(1))));
    assert_eq!(switch.flow_count(), 4, "strict wants the same priority");
    add(&mut switch, FlowMod { out_port: PortNo(4), ..FlowMod::delete(TableId::ALL, Match::new()) });
    assert_eq!(switch.flow_count(), 2);
    let cookie = FlowMod { cookie: 2, cookie_mask: u64::MAX, ..FlowMod::delete(TableId(0), Match::new()) };
    add(&mut switch, cookie);
    assert_eq!(switch.flow_count(), 1);
}

#[test]
fn packet_out_goes_to_ports_groups_and_the_tables() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new().with_in_port(PortNo(3)), apply(vec![output(4), output(3)])));
    let actions = vec![output(1), Action::output(PortNo::TABLE), Action::output(PortNo::CONTROLLER)];
    let packet_out = PacketOut { buffer_id: BufferId::NO_BUFFER, in_port: PortNo(3), actions, data: udp(1, 2) };
    switch.handle_message(1, &Message::PacketOut(packet_out), Time::ZERO);
    let transmits = drain(&mut switch);
    let ports: Vec<PortNo> = transmits
        .iter()
        .filter_map(|transmit| match transmit {
            SwitchTransmit::ToPort { port_no, .. } => Some(*port_no),
            SwitchTransmit::ToController { .. } => None,
        })
        .collect();
    assert_eq!(ports, [PortNo(1), PortNo(4)]);
    assert!(transmits.iter().any(|transmit| matches!(transmit, SwitchTransmit::ToController { message: Message::PacketIn(packet_in), .. } if packet_in.cookie == u64::MAX)));
}

#[test]
fn ports_that_come_change_and_go_are_reported() {
    let mut switch = switch();
    switch.set_port_up(PortNo(1), false, Time::ZERO);
    switch.set_port_up(PortNo(1), false, Time::ZERO);
    switch.remove_port(PortNo(2), Time::ZERO);
    switch.add_port(Port::new(PortNo(9), MacAddr(A), "p9"), Time::ZERO);
    let reasons: Vec<(PortReason, u32, bool)> = drain(&mut switch)
        .into_iter()
        .filter_map(|transmit| match transmit {
            SwitchTransmit::ToController { message: Message::PortStatus(status), .. } => {
                Some((status.reason, status.port.port_no.0, status.port.is_up()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [(PortReason::MODIFY, 1, false), (PortReason::DELETE, 2, true), (PortReason::ADD, 9, true)]);
}

#[test]
fn a_vlan_match_tells_untagged_tagged_and_one_vlan_apart() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new().with_vlan_vid(0), apply(vec![output(2)])));
    add(&mut switch, flow(0, 2, Match::new().with_vlan_vid_masked(0x1000, 0x1000), apply(vec![output(3)])));
    add(&mut switch, flow(0, 3, Match::new().with_vlan_vid(0x1064), apply(vec![Action::PopVlan, output(4)])));
    let tagged = |vid| ethernet(B, A, Some(vid), 0x0800, &transport4(17, 64, 1, 2));
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [2]);
    assert_eq!(ports_of(&send(&mut switch, 1, &tagged(5), Time::ZERO)), [3]);
    assert_eq!(send(&mut switch, 1, &tagged(100), Time::ZERO), [(4, udp(1, 2))]);
}

#[test]
fn a_pushed_tag_hides_nothing_from_later_tables() {
    let mut switch = switch();
    let push = vec![Instruction::ApplyActions(vec![Action::PushVlan(0x8100)]), Instruction::GotoTable(TableId(1))];
    add(&mut switch, flow(0, 1, Match::new(), push));
    let udp_port = Match::new().with_eth_type(0x0800).with_ip_proto(17).with_udp_dst(2);
    add(&mut switch, flow(1, 1, udp_port, apply(vec![output(2)])));
    let tagged = ethernet(B, A, Some(100), 0x0800, &transport4(17, 64, 1, 2));
    let outputs = send(&mut switch, 1, &tagged, Time::ZERO);
    assert_eq!((ports_of(&outputs), outputs[0].1.len()), (vec![2], tagged.len() + 4));
}
