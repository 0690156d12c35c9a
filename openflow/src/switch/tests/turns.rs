//! Packets that come around: behind their last label, or for a hash. Frames and counters are those of Open vSwitch 3.1 (`tests/lab`, scenario
//! `trace`).

use super::*;
use crate::group::GroupModCommand;
use crate::identifier::{BufferId, GroupId, MeterId};
use crate::meter::MeterModCommand;
use crate::packet::PacketOut;
use crate::switch::pipeline::{MAX_BRANCHES, Overrun};
use crate::syntax::{parse_flow, parse_group_as, parse_meter_as};

fn add_flow(switch: &mut Switch, text: &str) {
    add(switch, parse_flow(text).unwrap());
}

fn add_group(switch: &mut Switch, text: &str) {
    let group_mod = parse_group_as(GroupModCommand::ADD, text).unwrap();
    assert_eq!(error_of(switch, Message::GroupMod(group_mod)), None);
}

fn add_meter(switch: &mut Switch, text: &str) {
    let meter_mod = parse_meter_as(MeterModCommand::ADD, text).unwrap();
    assert_eq!(error_of(switch, Message::MeterMod(meter_mod)), None);
}

fn octets(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn out(switch: &mut Switch, in_port: u32, frame: &Bytes) -> (Option<ErrorCode>, Vec<(u32, Bytes)>) {
    let (buffer_id, actions) = (BufferId::NO_BUFFER, vec![Action::output(PortNo::TABLE)]);
    let message = PacketOut { buffer_id, in_port: PortNo(in_port), actions, data: frame.clone() };
    switch.handle_message(1, &Message::PacketOut(message), Time::ZERO);
    let (mut error, mut frames) = (None, Vec::new());
    for transmit in drain(switch) {
        match transmit {
            SwitchTransmit::ToPort { port_no, frame } => frames.push((port_no.0, frame)),
            SwitchTransmit::ToController { message: Message::Error(told), .. } => error = Some(told.code()),
            SwitchTransmit::ToController { .. } => {}
        }
    }
    (error, frames)
}

/// Two labels before an IPv4 packet, 55 octets.
const LABELLED: &str =
    "020000000002ffffffffffff8847fffff0400001154045b80021a58b4000ff114625c0a80709c0a80709005001bb000db02802bad582e6";
/// An IPv4 packet.
const PLAIN: &str = "525400102030020000000001080045b80029e6364000401182230a000001c0a8070900500050001598a1ae7b3449a0cf8a6686538081800000000000";

#[test]
fn a_group_counts_a_packet_behind_its_last_label_as_it_came() {
    let mut switch = switch();
    add_group(&mut switch, "group_id=3,type=indirect,bucket=actions=drop");
    add_flow(&mut switch, "actions=push_mpls:0x8848,pop_mpls:0x0806,group:3");
    out(&mut switch, 3, &octets(LABELLED));
    let group = switch.groups().get(GroupId(3)).unwrap();
    assert_eq!((group.packet_count, group.byte_count), (1, 55));
}

#[test]
fn an_action_that_looks_behind_the_labels_makes_the_packet_come_around_and_an_output_does_not() {
    for (actions, counted) in [("output:2,output:4", 55), ("dec_ttl,output:2,output:4", 47)] {
        let mut switch = switch();
        add_group(&mut switch, "group_id=3,type=indirect,bucket=actions=drop");
        add_flow(&mut switch, &format!("mpls,actions=pop_mpls:0x8847,pop_mpls:0x0800,{actions},group:3"));
        out(&mut switch, 3, &octets(LABELLED));
        assert_eq!(switch.groups().get(GroupId(3)).unwrap().byte_count, counted, "{actions}");
    }
    let mut switch = switch();
    add_flow(&mut switch, "mpls,actions=pop_mpls:0x8847,pop_mpls:0x0800,output:2,goto_table:1");
    add_flow(&mut switch, "table=1,ip,actions=drop");
    out(&mut switch, 3, &octets(LABELLED));
    let counts: Vec<u64> = switch.tables().iter().map(|(_, flow)| flow.byte_count).collect();
    assert_eq!(counts, [55, 47], "the next table looks behind the labels");
}

#[test]
fn a_fault_after_coming_around_undoes_nothing_before_and_nobody_hears_of_it() {
    let mut switch = switch();
    add_group(&mut switch, "group_id=2,type=select,bucket=weight=1,watch_port=77,actions=drop");
    add_flow(&mut switch, "table=3,actions=push_mpls:0x8848");
    add_flow(&mut switch, "actions=push_mpls:0x8847,output:4,group:2,goto_table:3");
    let (error, frames) = out(&mut switch, 3, &octets(LABELLED));
    assert_eq!((error, ports_of(&frames)), (None, vec![4]));
    // In one turn the fault is that of the whole packet.
    add_flow(&mut switch, "priority=40000,actions=push_mpls:0x8847,output:4,goto_table:3");
    assert_eq!(out(&mut switch, 3, &octets(LABELLED)), (Some(ErrorCode::FLOW_MOD_UNKNOWN), vec![]));
}

#[test]
fn what_a_meter_drops_does_not_come_around() {
    let mut switch = switch();
    add_meter(&mut switch, "meter=2 kbps burst band=type=drop rate=1 burst_size=1");
    add_flow(&mut switch, "actions=meter:2,push_mpls:0x8847,pop_mpls:0x0800,goto_table:2");
    for _ in 0..3 {
        switch.handle_packet(PortNo(1), octets(PLAIN), Time::ZERO);
    }
    // 1,000 bits are two packets of 60 octets.
    assert_eq!(switch.tables().lookups(TableId(0)).0, 3);
    assert_eq!(switch.tables().lookups(TableId(2)).0, 2);
}

#[test]
fn a_packet_that_is_dropped_for_a_fault_costs_no_meter_anything() {
    let mut switch = switch();
    add_meter(&mut switch, "meter=2 pktps burst band=type=drop rate=1000 burst_size=1000");
    add_flow(&mut switch, "actions=push_mpls:0x8847,goto_table:1");
    add_flow(&mut switch, "table=1,actions=meter:2,push_mpls:0x8847");
    switch.handle_packet(PortNo(1), octets(LABELLED), Time::ZERO);
    assert_eq!(switch.meters().get(MeterId(2)).unwrap().packet_in_count, 0);
}

#[test]
fn what_a_bucket_has_sent_is_the_datapaths_packet_for_who_comes_after() {
    let mut switch = switch();
    add_group(&mut switch, "group_id=5,type=all,bucket=actions=output:4");
    add_flow(&mut switch, "actions=push_mpls:0x8847,goto_table:1");
    add_flow(&mut switch, "table=1,actions=group:5,push_mpls:0x8847,pop_mpls:0x0806,write_actions(in_port)");
    let (_, frames) = out(&mut switch, 2, &octets(PLAIN));
    let behind = octets(&PLAIN.replacen("0800", "0806", 1));
    assert_eq!(frames, [(4, octets(&PLAIN.replacen("080045", "884700000d4045", 1))), (2, behind)]);
}

#[test]
fn a_meter_behind_a_bucket_counts_the_tag_that_the_bucket_has_sent() {
    let counted = |actions: &str| {
        let mut switch = switch();
        add_meter(&mut switch, "meter=1 kbps burst band=type=drop rate=1000 burst_size=1000");
        add_group(&mut switch, "group_id=5,type=indirect,bucket=actions=output:4");
        add_flow(&mut switch, &format!("actions={actions},goto_table:1"));
        add_flow(&mut switch, "table=1,actions=meter:1,output:3");
        assert_eq!(out(&mut switch, 2, &octets(PLAIN)).0, None);
        switch.meters().get(MeterId(1)).unwrap().byte_in_count
    };
    assert_eq!((counted("push_vlan:0x8100"), counted("push_vlan:0x8100,group:5")), (60, 64));
}

#[test]
fn a_bucket_leaves_the_match_fields_and_later_rewrites_reach_the_frame() {
    let mut switch = switch();
    add_group(
        &mut switch,
        "group_id=5,type=all,bucket=actions=push_mpls:0x8847,output:4,bucket=actions=set_field:80->udp_src,output:4",
    );
    add_flow(&mut switch, "udp,actions=group:5,set_field:53->udp_dst,output:3");
    let (_, frames) = out(&mut switch, 2, &octets(PLAIN));
    assert_eq!(ports_of(&frames), [4, 4, 3]);
    assert_eq!((frames[2].1[12], frames[2].1[13], frames[2].1[37]), (8, 0, 53));
    assert_eq!(frames[1].1, octets(PLAIN));
}

#[test]
fn a_truncation_is_that_of_the_next_frame_that_leaves() {
    let mut switch = switch();
    let port = switch.ports().get(PortNo(3)).unwrap().port.clone();
    let config = crate::port::PortConfig::NO_FWD;
    let advertise = Default::default();
    let mask = crate::port::PortConfig::KNOWN;
    let port_mod = crate::port::PortMod { port_no: PortNo(3), hw_addr: port.hw_addr, config, mask, advertise };
    ask(&mut switch, Message::PortMod(port_mod), Time::ZERO);
    add_flow(&mut switch, "actions=output(port=3,max_len=40),output:4,output:4");
    let (_, frames) = out(&mut switch, 2, &octets(PLAIN));
    assert_eq!(frames.iter().map(|(port, frame)| (*port, frame.len())).collect::<Vec<_>>(), [(4, 40), (4, 60)]);
}

#[test]
fn a_packet_for_a_port_that_is_down_has_left_as_it_was() {
    let mut switch = switch();
    switch.set_port_up(PortNo(3), false, Time::ZERO);
    drain(&mut switch);
    add_flow(&mut switch, "actions=push_mpls:0x8847,output:3,pop_mpls:0x86dd,output:4");
    let (_, frames) = out(&mut switch, 2, &octets(PLAIN));
    assert_eq!(frames, [(4, octets(&PLAIN.replacen("0800", "86dd", 1)))]);
}

#[test]
fn less_than_an_ethernet_header_is_not_sent() {
    let mut switch = switch();
    add_flow(&mut switch, "vlan_tci=0x1000/0x1000,actions=pop_vlan,output(port=3,max_len=14)");
    let frame = "ffffffffffffffffffffffff810060010800".to_owned() + &PLAIN[28..];
    assert_eq!(out(&mut switch, 2, &octets(&frame)), (None, vec![]));
}

#[test]
fn flows_whose_time_has_come_go_in_the_order_in_which_they_were_added() {
    let mut switch = switch();
    add_flow(
        &mut switch,
        "idle_timeout=11,send_flow_rem,actions=learn(table=4,idle_timeout=3,hard_timeout=11,send_flow_rem,delete_learned,eth_type=0x800)",
    );
    switch.handle_packet(PortNo(1), octets(PLAIN), Time::ZERO);
    drain(&mut switch);
    switch.handle_timeout(Time::from_millis(60_000));
    let reasons: Vec<(u8, u8)> = drain(&mut switch)
        .into_iter()
        .filter_map(|transmit| match transmit {
            SwitchTransmit::ToController { message: Message::FlowRemoved(removed), .. } => {
                Some((removed.table_id.0, removed.reason.0))
            }
            _ => None,
        })
        .collect();
    // The learner was idle; what it had learned is deleted with it.
    assert_eq!(reasons, [(0, 0), (4, 2)]);
}

#[test]
fn each_check_of_a_packets_length_doubles_what_is_behind_it_up_to_a_limit() {
    let run = |checks: usize| {
        let mut switch = switch();
        let actions = vec!["check_pkt_larger(100)->reg0[0]"; checks].join(",");
        add_flow(&mut switch, &format!("actions={actions},output:2"));
        switch.trace(PortNo(1), octets(PLAIN), Time::ZERO)
    };
    let ten = run(10);
    assert_eq!((ten.overrun, ten.outputs.len()), (None, 1));
    assert!(2_u32.pow(10) - 1 <= MAX_BRANCHES);
    for (checks, overrun) in [(11, Overrun::Actions), (60, Overrun::Actions), (500, Overrun::Depth)] {
        let many = run(checks);
        assert_eq!((many.overrun, many.outputs.len()), (Some(overrun), 0));
    }
}

#[test]
fn a_meter_is_asked_as_often_as_a_packet_likes() {
    let mut switch = switch();
    add_meter(&mut switch, "meter=1 pktps burst band=type=drop rate=1 burst_size=100000");
    add_flow(&mut switch, &format!("actions={}", vec!["resubmit(,1)"; 1_000].join(",")));
    add_flow(&mut switch, &format!("table=1,actions={}", ["resubmit(,2)"; 3].join(",")));
    add_flow(&mut switch, "table=2,actions=meter:1");
    switch.handle_packet(PortNo(1), octets(PLAIN), Time::ZERO);
    assert_eq!(switch.meters().get(MeterId(1)).unwrap().packet_in_count, 3_000);
}

#[test]
fn a_packet_comes_around_no_more_than_six_times() {
    let mut switch = switch();
    let once = "push_mpls:0x8847,pop_mpls:0x0800,output:2,dec_ttl";
    add_flow(&mut switch, &format!("ip,actions={}", [once; 8].join(",")));
    let (error, frames) = out(&mut switch, 1, &octets(PLAIN));
    assert_eq!((error, frames.len()), (None, 7));
}

#[test]
fn a_delete_from_all_tables_may_go_to_any() {
    let mut switch = switch();
    let mut delete = parse_flow("actions=goto_table:0").unwrap();
    (delete.command, delete.table_id) = (crate::flow::FlowModCommand::DELETE_STRICT, TableId::ALL);
    assert_eq!(error_of(&mut switch, Message::FlowMod(delete)), None);
}

#[test]
fn addresses_of_a_connection_are_of_the_packets_version_of_ip() {
    let mut switch = switch();
    let mut code = |text: &str| error_of(&mut switch, Message::FlowMod(parse_flow(text).unwrap()));
    let bad = Some(ErrorCode::ACTION_MATCH_INCONSISTENT);
    for (text, expected) in [
        ("ip,ct_state=+trk+est,ct_nw_src=10.0.0.1,actions=1", None),
        ("ipv6,ct_state=+trk+est,ct_nw_src=10.0.0.1,actions=1", bad),
        ("ipv6,ct_state=+trk+est,ct_nw_dst=10.0.0.1,actions=1", bad),
        ("ip,ct_state=+trk+est,ct_ipv6_src=fe80::1,actions=1", bad),
        ("ipv6,ct_state=+trk+est,ct_ipv6_dst=fe80::1,actions=1", None),
        ("ipv6,ct_state=+trk+est,ct_ipv6_src=fe80::1,ct_nw_dst=10.0.0.1,actions=1", bad),
        ("arp,ct_state=+trk+est,ct_nw_src=10.0.0.1,actions=1", bad),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn write_metadata_is_an_instruction_wherever_it_stands() {
    let mut switch = switch();
    let metadata = crate::nicira::NiciraAction::WriteMetadata { metadata: 1, mask: 1 };
    let write = Action::Nicira(metadata);
    let in_clone = vec![Action::Nicira(crate::nicira::NiciraAction::Clone(vec![write.clone()]))];
    let unsupported = Some(ErrorCode::INSTRUCTION_UNSUP_INST);
    let flows = [
        (Instruction::ApplyActions(vec![write.clone()]), None),
        (Instruction::ApplyActions(in_clone.clone()), unsupported),
        (Instruction::WriteActions(vec![write.clone()]), Some(ErrorCode::ACTION_BAD_TYPE)),
    ];
    for (instruction, expected) in flows {
        let flow_mod = flow(0, 1, Match::new(), vec![instruction.clone()]);
        assert_eq!(error_of(&mut switch, Message::FlowMod(flow_mod)), expected, "{instruction:?}");
    }
    for actions in [vec![write.clone()], in_clone, vec![write, output(1)]] {
        let bucket = crate::group::Bucket::new(actions.clone());
        let group_mod = parse_group_as(GroupModCommand::ADD, "group_id=1,type=all").unwrap();
        let group_mod = crate::group::GroupMod { buckets: vec![bucket], ..group_mod };
        assert_eq!(error_of(&mut switch, Message::GroupMod(group_mod)), unsupported, "{actions:?}");
        let (buffer_id, data) = (BufferId::NO_BUFFER, octets(PLAIN));
        let packet_out = PacketOut { buffer_id, in_port: PortNo(1), actions, data };
        assert_eq!(error_of(&mut switch, Message::PacketOut(packet_out)), unsupported);
    }
}
