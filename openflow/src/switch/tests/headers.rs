//! `encap` and `decap`, as Open vSwitch 3.1 does them on OpenFlow 1.3 (`tests/lab`, scenario `trace`).

use super::frames::*;
use super::*;
use crate::packet::PacketIn;
use crate::switch::pipeline::Overrun;
use crate::syntax::{parse_flow, parse_group};

fn add_flow(switch: &mut Switch, text: &str) {
    add(switch, parse_flow(text).unwrap());
}

/// An Ethernet header, a network service header with path 0x1234 and the next protocol, and what is behind it.
fn nsh(next: u8, inner: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0, 0, 0, 0, 0, 0, 0x89, 0x4f, 0x0f, 0xc6, 1, next];
    frame.extend([0, 0x12, 0x34, 255]);
    frame.extend([0; 16]);
    frame.extend(inner);
    frame
}

#[test]
fn a_frame_goes_into_a_service_header_and_out_again() {
    let mut switch = switch();
    add_flow(
        &mut switch,
        "in_port=1,actions=encap(nsh),set_field:0x1234->nsh_spi,encap(ethernet),set_field:11:22:33:44:55:66->eth_dst,output:2",
    );
    add_flow(&mut switch, "in_port=2,dl_type=0x894f,actions=decap(),decap(),output:3");
    let inside = send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!(inside, [(2, Bytes::from(nsh(3, &udp(1, 2))))]);
    assert_eq!(send(&mut switch, 2, &inside[0].1, Time::ZERO), [(3, udp(1, 2))]);
}

#[test]
fn what_has_no_ethernet_header_leaves_by_no_port_and_the_controller_hears_its_type() {
    let mut switch = switch();
    add_flow(&mut switch, "udp,actions=decap(),output:2,controller(max_len=65535)");
    switch.handle_packet(PortNo(1), udp(1, 2), Time::ZERO);
    let transmits = drain(&mut switch);
    let [SwitchTransmit::ToController { message: Message::PacketIn(PacketIn { match_, data, .. }), .. }] =
        &transmits[..]
    else {
        panic!("{transmits:?}")
    };
    assert_eq!(data[..], udp(1, 2)[14..]);
    assert_eq!(match_.get(crate::oxm::OxmKind::PACKET_TYPE).and_then(|field| field.to_u64()), Some(0x1_0800));
}

#[test]
fn flows_of_a_packets_fields_mean_ethernet_frames_and_flows_without_mean_all() {
    let out = |flow: &str| {
        let mut switch = switch();
        add_flow(&mut switch, "actions=decap(),goto_table:1");
        add_flow(&mut switch, flow);
        add_flow(&mut switch, "table=2,priority=1,packet_type=(0,0),actions=output:2");
        ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO))
    };
    assert_eq!(out("table=1,priority=1,actions=encap(ethernet),goto_table:2"), [2]);
    assert_eq!(out("table=1,priority=1,packet_type=(1,0x800),actions=encap(ethernet),goto_table:2"), [2]);
    assert_eq!(out("table=1,priority=1,packet_type=(1,0x86dd),actions=encap(ethernet),goto_table:2"), [0; 0]);
    assert_eq!(out("table=1,priority=1,ip,actions=encap(ethernet),goto_table:2"), [0; 0]);
}

#[test]
fn a_header_that_does_not_fit_drops_the_packet() {
    for actions in ["encap(ethernet),output:2", "decap(),decap(),output:2"] {
        let mut switch = switch();
        add_flow(&mut switch, &format!("actions={actions}"));
        let trace = switch.trace(PortNo(1), udp(1, 2), Time::ZERO);
        assert_eq!((trace.overrun, trace.outputs.len()), (Some(Overrun::PacketType), 0), "{actions}");
    }
    let mut switch = switch();
    add_flow(&mut switch, "actions=decap(),output:2");
    let tagged = ethernet(B, A, Some(7), 0x0800, &transport4(17, 33, 1, 2));
    assert_eq!(switch.trace(PortNo(1), tagged, Time::ZERO).overrun, Some(Overrun::PacketType));
}

#[test]
fn a_packet_that_comes_out_with_nothing_left_to_do_starts_from_the_first_table() {
    let mut switch = switch();
    add_flow(&mut switch, "priority=1,actions=output:4,encap(nsh),decap()");
    assert_eq!(ports_of(&send(&mut switch, 1, &udp(1, 2), Time::ZERO)), [4; 7]);
    assert_eq!(switch.tables().lookups(TableId(0)), (7, 7));
}

#[test]
fn actions_are_followed_through_headers() {
    let mut switch = switch();
    let mut code = |text: &str| error_of(&mut switch, Message::FlowMod(parse_flow(text).unwrap()));
    let bad = Some(ErrorCode::ACTION_MATCH_INCONSISTENT);
    for (text, expected) in [
        ("actions=encap(nsh),dec_nsh_ttl,encap(ethernet),output:1", None),
        ("actions=encap(nsh),set_field:02:00:00:00:00:01->eth_dst", bad),
        ("ip,actions=decap(),dec_ttl,encap(ethernet),output:1", None),
        ("ip,actions=encap(nsh),dec_ttl", bad),
        ("dl_type=0x894f,actions=decap(),dec_nsh_ttl,decap(),output:1", None),
        ("dl_type=0x894f,actions=decap(),decap(),dec_nsh_ttl", bad),
        ("packet_type=(1,0x894f),actions=set_field:1->nsh_si", None),
        ("packet_type=(1,0x894f),actions=set_field:02:00:00:00:00:01->eth_dst", bad),
        ("actions=write_actions(encap(nsh),output:1)", None),
        ("actions=encap(nsh(md_type=2,tlv(0x1000,3,0x01020304))),encap(ethernet),output:1", None),
        ("packet_type=(1,0x894f),actions=push_vlan:0x8100,set_field:6->vlan_pcp", bad),
        ("packet_type=(1,0x86dd),actions=dec_ttl,encap(nsh),output:1", None),
        ("packet_type=(1,0x86dd),actions=encap(ethernet),dec_ttl", bad),
        ("actions=encap(mpls),output:1", Some(ErrorCode::ACTION_BAD_EXP_TYPE)),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn a_select_group_has_no_hash_of_a_packet_without_an_ethernet_header() {
    for (before, sent) in [("", 1), ("encap(nsh),", 0), ("encap(nsh),encap(ethernet),", 1), ("decap(),", 1)] {
        let mut switch = switch();
        let group = parse_group("group_id=1,type=select,bucket=actions=drop").unwrap();
        assert_eq!(error_of(&mut switch, Message::GroupMod(group)), None);
        add_flow(&mut switch, &format!("actions={before}goto_table:1"));
        add_flow(&mut switch, "table=1,actions=group:1,controller");
        let trace = switch.trace(PortNo(1), udp(1, 2), Time::ZERO);
        assert_eq!(trace.to_controller.len(), sent, "{before}");
    }
}

#[test]
fn flows_of_other_packet_types_do_not_overlap() {
    let mut switch = switch();
    let mut code = |text: &str| error_of(&mut switch, Message::FlowMod(parse_flow(text).unwrap()));
    assert_eq!(code("table=1,priority=7,ip,actions=1"), None);
    assert_eq!(code("table=1,priority=7,packet_type=(1,0x800),check_overlap,actions=1"), None);
    assert_eq!(code("table=1,priority=7,packet_type=(1,0x894f),check_overlap,actions=1"), None);
    assert_eq!(code("table=1,priority=7,check_overlap,actions=1"), Some(ErrorCode::FLOW_MOD_OVERLAP));
}

#[test]
fn a_delete_of_ethernet_frames_takes_flows_that_mean_them() {
    let mut switch = switch();
    for (priority, text) in [(1, "ip"), (2, "packet_type=(0,0)"), (3, "packet_type=(1,0x800)"), (4, "metadata=1")] {
        add_flow(&mut switch, &format!("priority={priority},{text},actions=1"));
    }
    let mut delete = parse_flow("packet_type=(0,0),actions=").unwrap();
    delete.command = crate::flow::FlowModCommand::DELETE;
    assert_eq!(error_of(&mut switch, Message::FlowMod(delete)), None);
    let mut left: Vec<u16> = switch.tables().iter().map(|(_, flow)| flow.priority).collect();
    left.sort_unstable();
    assert_eq!(left, [3, 4]);
}
