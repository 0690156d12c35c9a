//! What Open vSwitch has beside OpenFlow 1.3: registers, resubmits, conjunctive matches, and the rest of its actions but `learn`.

use super::frames::*;
use super::*;
use crate::identifier::MeterId;
use crate::meter::{MeterBand, MeterFlags, MeterMod, MeterModCommand};
use crate::nicira::{
    BundleAlgorithm, BundlePorts, ConnectionTracking, CtFlags, CtZone, HashFields, Multipath, MultipathAlgorithm, Nat,
    NatFlags, NatRange, NiciraAction, Subfield,
};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::packet::{PacketIn, PacketInReason};
use crate::switch::pipeline::MAX_NESTING;

fn nicira(action: NiciraAction) -> Action {
    Action::Nicira(action)
}

fn load(kind: OxmKind, value: u64) -> Action {
    nicira(NiciraAction::RegLoad { destination: Subfield::whole(kind), value })
}

fn resubmit(table: u8) -> Action {
    nicira(NiciraAction::ResubmitTable { in_port: PortNo::IN_PORT, table_id: TableId(table), with_ct: false })
}

fn with(match_: Match, kind: OxmKind, value: u64) -> Match {
    match_.with(&OxmFieldOwned::number(kind, value).unwrap())
}

fn outputs(switch: &mut Switch, in_port: u32, frame: &Bytes) -> Vec<u32> {
    ports_of(&send(switch, in_port, frame, Time::ZERO))
}

#[test]
fn a_resubmit_comes_back_and_what_it_changed_stays() {
    let mut switch = switch();
    let first = vec![load(OxmKind::NXM_REG0, 7), resubmit(3), output(2)];
    add(&mut switch, flow(0, 1, Match::new(), apply(first)));
    let second = vec![Action::SetField(OxmFieldOwned::eth_dst(MacAddr(A))), output(3)];
    add(&mut switch, flow(3, 1, with(Match::new(), OxmKind::NXM_REG0, 7), apply(second)));
    let outputs = send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!(ports_of(&outputs), [3, 2]);
    assert_eq!((&outputs[0].1[..6], &outputs[1].1[..6]), (&A[..], &A[..]));
}

#[test]
fn a_resubmit_looks_up_as_from_another_port_and_forgets_it() {
    let mut switch = switch();
    let from_4 = nicira(NiciraAction::Resubmit { in_port: PortNo(4) });
    add(
        &mut switch,
        flow(0, 1, Match::new().with_in_port(PortNo(1)), apply(vec![from_4, Action::output(PortNo::FLOOD)])),
    );
    add(&mut switch, flow(0, 1, Match::new().with_in_port(PortNo(4)), apply(vec![output(4)])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [4, 2, 3, 4]);
}

#[test]
fn resubmits_end_at_the_limits_of_open_vswitch_and_drop_everything() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(2), resubmit(0)])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [0; 0]);
    assert_eq!(switch.counters().overruns, 1);
    // 65 tables one after the other are no depth, and neither are they when the last goes back once.
    for table in 0..65 {
        add(
            &mut switch,
            flow(table, 2, Match::new(), vec![crate::instruction::Instruction::GotoTable(TableId(table + 1))]),
        );
    }
    add(&mut switch, flow(65, 1, Match::new(), apply(vec![resubmit(70), output(3)])));
    add(&mut switch, flow(70, 1, Match::new(), apply(vec![output(2)])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [2, 3]);
}

#[test]
fn a_chain_that_nests_without_end_is_cut_off_before_the_stack_is() {
    let mut switch = switch();
    for table in 0..253 {
        // Each resubmit has something behind it, so that it can't be forgotten.
        add(&mut switch, flow(table, 1, Match::new(), apply(vec![resubmit(table + 1), output(2)])));
    }
    add(&mut switch, flow(253, 1, Match::new(), apply(vec![resubmit(0), output(2)])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [0; 0]);
    assert_eq!(switch.counters().overruns, 1);
    add(&mut switch, flow(MAX_NESTING as u8 - 1, 1, Match::new(), apply(vec![output(3)])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)).len(), MAX_NESTING as usize);
}

#[test]
fn registers_are_moved_stacked_and_told_to_the_controller() {
    let mut switch = switch();
    let low = Subfield::new(OxmKind::NXM_REG1, 0, 16);
    let actions = vec![
        nicira(NiciraAction::RegMove { source: Subfield::whole(OxmKind::UDP_DST), destination: low }),
        nicira(NiciraAction::StackPush(low)),
        load(OxmKind::NXM_REG1, 0),
        nicira(NiciraAction::StackPop(Subfield::new(OxmKind::NXM_REG2, 16, 16))),
        nicira(NiciraAction::StackPop(Subfield::whole(OxmKind::NXM_REG3))),
        Action::output(PortNo::CONTROLLER),
    ];
    let match_ = Match::new().with_eth_type(0x0800).with_ip_proto(17);
    add(&mut switch, flow(0, 1, match_, apply(actions)));
    let packet_in = only(packet_ins(&mut switch, 1, &udp(1, 0x1234)));
    let register = |kind| packet_in.match_.get(kind).and_then(|field| field.to_u64());
    assert_eq!((register(OxmKind::NXM_REG1), register(OxmKind::NXM_REG2)), (None, Some(0x1234_0000)));
}

fn packet_ins(switch: &mut Switch, in_port: u32, frame: &Bytes) -> Vec<PacketIn> {
    switch.handle_packet(PortNo(in_port), frame.clone(), Time::ZERO);
    let messages = drain(switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToController { message: Message::PacketIn(packet_in), .. } => Some(packet_in),
        _ => None,
    });
    messages.collect()
}

#[test]
fn a_conjunction_needs_all_its_dimensions() {
    let mut switch = switch();
    let conjunction = |clause, clauses| apply(vec![nicira(NiciraAction::Conjunction { clause, clauses, id: 5 })]);
    let udp_match = || Match::new().with_eth_type(0x0800).with_ip_proto(17);
    add(&mut switch, flow(0, 10, Match::new().with_in_port(PortNo(1)), conjunction(0, 2)));
    add(&mut switch, flow(0, 10, Match::new().with_in_port(PortNo(2)), conjunction(0, 2)));
    add(&mut switch, flow(0, 10, udp_match().with_udp_dst(53), conjunction(1, 2)));
    add(&mut switch, flow(0, 10, udp_match().with_udp_dst(80), conjunction(1, 2)));
    add(&mut switch, flow(0, 10, with(Match::new(), OxmKind::CONJ_ID, 5), apply(vec![output(3)])));
    add(&mut switch, flow(0, 5, Match::new(), apply(vec![output(4)])));
    // The same match as a dimension, and less: what is left if the conjunction isn't complete.
    add(&mut switch, flow(0, 7, Match::new().with_in_port(PortNo(2)), apply(vec![Action::output(PortNo::IN_PORT)])));
    assert_eq!(outputs(&mut switch, 1, &udp(9, 53)), [3]);
    assert_eq!(outputs(&mut switch, 2, &udp(9, 80)), [3]);
    assert_eq!(outputs(&mut switch, 1, &udp(9, 81)), [4]);
    assert_eq!(outputs(&mut switch, 2, &udp(9, 81)), [2]);
    assert_eq!(outputs(&mut switch, 4, &udp(9, 53)), [0; 0], "port 4 is the ingress port, and no dimension");
    add(&mut switch, FlowMod::delete(TableId(0), udp_match().with_udp_dst(53)));
    assert_eq!(outputs(&mut switch, 1, &udp(9, 53)), [4]);
}

#[test]
fn a_clone_keeps_its_changes_to_itself_and_exit_ends_everything() {
    let mut switch = switch();
    let rewrite = Action::SetField(OxmFieldOwned::eth_dst(MacAddr(A)));
    let cloned = nicira(NiciraAction::Clone(vec![rewrite, output(2)]));
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![cloned, output(3), resubmit(1), output(4)])));
    add(&mut switch, flow(1, 1, Match::new(), apply(vec![nicira(NiciraAction::Exit), output(2)])));
    let outputs = send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!(ports_of(&outputs), [2, 3]);
    assert_eq!((&outputs[0].1[..6], &outputs[1].1[..6]), (&A[..], &B[..]));
}

#[test]
fn bundle_takes_the_first_port_that_lives_and_multipath_spreads() {
    let mut switch = switch();
    let bundle = BundlePorts {
        algorithm: BundleAlgorithm::ACTIVE_BACKUP,
        fields: HashFields::ETH_SRC,
        basis: 0,
        destination: None,
        members: vec![PortNo(2), PortNo(3)],
    };
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![nicira(NiciraAction::Bundle(Box::new(bundle)))])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [2]);
    switch.set_port_up(PortNo(2), false, Time::ZERO);
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [3]);
    switch.set_port_up(PortNo(2), true, Time::ZERO);
    drain(&mut switch);

    for algorithm in [
        MultipathAlgorithm::MODULO_N,
        MultipathAlgorithm::HASH_THRESHOLD,
        MultipathAlgorithm::HRW,
        MultipathAlgorithm::ITER_HASH,
    ] {
        let destination = Subfield::new(OxmKind::NXM_REG0, 0, 8);
        let fields = HashFields::SYMMETRIC_L3L4_UDP;
        let multipath = Multipath { fields, basis: 3, algorithm, max_link: 2, argument: 0, destination };
        let to_register = nicira(NiciraAction::OutputReg { source: Subfield::whole(OxmKind::NXM_REG1), max_len: 0 });
        add(
            &mut switch,
            flow(0, 1, Match::new(), apply(vec![nicira(NiciraAction::Multipath(Box::new(multipath))), resubmit(1)])),
        );
        for link in 0..3 {
            let actions = apply(vec![load(OxmKind::NXM_REG1, link + 2), to_register.clone()]);
            add(&mut switch, flow(1, 1, with(Match::new(), OxmKind::NXM_REG0, link), actions));
        }
        let mut used = std::collections::BTreeSet::new();
        for source in 0..50 {
            let there = outputs(&mut switch, 1, &udp(source, 2));
            assert_eq!(there, outputs(&mut switch, 1, &udp(source, 2)));
            used.extend(there);
        }
        assert_eq!(used, [2, 3, 4].into(), "{algorithm:?}");
    }
}

#[test]
fn long_packets_and_short_ones_go_their_ways() {
    let mut switch = switch();
    let bit = Subfield::new(OxmKind::NXM_REG0, 0, 1);
    let check = nicira(NiciraAction::CheckPktLarger { length: 60, destination: bit });
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![check, resubmit(1)])));
    add(&mut switch, flow(1, 1, with(Match::new(), OxmKind::NXM_REG0, 1), apply(vec![output(2)])));
    let short = nicira(NiciraAction::OutputTrunc { port: PortNo(3), max_len: 20 });
    add(&mut switch, flow(1, 1, with(Match::new(), OxmKind::NXM_REG0, 0), apply(vec![short])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [2]);
    let sent = send(&mut switch, 1, &ethernet(B, A, None, 0x9999, &[1; 40]), Time::ZERO);
    assert_eq!((sent[0].0, sent[0].1.len()), (3, 20));
}

#[test]
fn both_ways_of_check_pkt_larger_are_looked_up_and_that_of_larger_packets_says_whether_more_is_done() {
    let mut switch = switch();
    let bit = Subfield::new(OxmKind::NXM_REG0, 0, 1);
    let check = nicira(NiciraAction::CheckPktLarger { length: 60, destination: bit });
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![resubmit(1), output(4)])));
    add(&mut switch, flow(1, 1, Match::new(), apply(vec![check, resubmit(2)])));
    add(&mut switch, flow(2, 2, with(Match::new(), OxmKind::NXM_REG0, 1), apply(vec![output(2)])));
    add(&mut switch, flow(2, 1, Match::new(), apply(vec![output(3)])));
    let short = ethernet(B, A, None, 0x9999, &[1; 40]);
    assert_eq!(outputs(&mut switch, 1, &short), [3, 4]);
    let counts = |switch: &Switch| -> Vec<u64> {
        let flows = switch.tables().iter().filter(|(id, _)| id.table_id() == TableId(2));
        flows.map(|(_, flow)| flow.packet_count).collect()
    };
    assert_eq!(counts(&switch), [1, 1], "translation goes both ways");
    let exit = vec![output(2), nicira(NiciraAction::Exit)];
    add(&mut switch, flow(2, 2, with(Match::new(), OxmKind::NXM_REG0, 1), apply(exit)));
    assert_eq!(outputs(&mut switch, 1, &short), [3], "a larger packet would have ended there");
}

/// A meter that lets hardly anybody pass.
fn tight_meter(switch: &mut Switch) -> Instruction {
    let bands = vec![MeterBand::Drop { rate: 1, burst_size: 0 }];
    let meter_mod = MeterMod { command: MeterModCommand::ADD, flags: MeterFlags::PKTPS, meter_id: MeterId(1), bands };
    assert_eq!(error_of(switch, Message::MeterMod(meter_mod)), None);
    Instruction::Meter(MeterId(1))
}

#[test]
fn a_meter_inside_of_a_clone_drops_what_follows_unless_the_clone_is_one_of_the_datapath() {
    let check = |bit| nicira(NiciraAction::CheckPktLarger { length: 10, destination: bit });
    let truncated = nicira(NiciraAction::OutputTrunc { port: PortNo(3), max_len: 20 });
    let clone = |actions| nicira(NiciraAction::Clone(actions));
    let bit = Subfield::new(OxmKind::NXM_REG0, 0, 1);
    for (first, sent) in [
        (vec![clone(vec![resubmit(2)])], vec![]),
        (vec![clone(vec![resubmit(2), truncated])], vec![4]),
        (vec![check(bit), resubmit(2)], vec![4]),
    ] {
        let mut switch = switch();
        let meter = tight_meter(&mut switch);
        add(&mut switch, flow(0, 1, Match::new(), apply(vec![resubmit(1), output(4)])));
        add(&mut switch, flow(1, 1, Match::new(), apply(first)));
        add(&mut switch, flow(2, 1, Match::new(), [vec![meter], apply(vec![output(2)])].concat()));
        while outputs(&mut switch, 1, &udp(1, 2)).contains(&2) {}
        assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), sent);
    }
}

#[test]
fn a_ttl_that_runs_out_goes_to_the_controllers_that_are_named() {
    let mut switch = switch();
    let last = ethernet(B, A, None, 0x0800, &transport4(17, 1, 1, 2));
    let everything =
        crate::role::AsyncConfig { packet_in_mask: [7, 0], port_status_mask: [7, 7], flow_removed_mask: [15, 0] };
    switch.handle_message(1, &Message::SetAsync(everything), Time::ZERO);
    for (ids, count) in [(vec![5], 0), (vec![5, 0], 1)] {
        let actions = apply(vec![nicira(NiciraAction::DecTtlCntIds(ids)), output(2)]);
        add(&mut switch, flow(0, 1, Match::new().with_eth_type(0x0800), actions));
        let sent = packet_ins(&mut switch, 1, &last);
        assert_eq!(sent.len(), count);
        assert!(sent.iter().all(|packet_in| packet_in.reason == PacketInReason::INVALID_TTL));
    }
}

#[test]
fn tcp_flags_fragments_and_ttl_are_matched_as_they_are() {
    let mut switch = switch();
    let tcp = || Match::new().with_eth_type(0x0800).with_ip_proto(6);
    let syn = OxmFieldOwned::new(OxmKind::TCP_FLAGS, &[0, 0x10], Some(&[0, 0x12])).unwrap();
    add(&mut switch, flow(0, 3, tcp().with(&syn), apply(vec![output(2)])));
    add(&mut switch, flow(0, 2, with(Match::new().with_eth_type(0x0800), OxmKind::NW_TTL, 9), apply(vec![output(3)])));
    let later = OxmFieldOwned::new(OxmKind::NW_FRAG, &[3], Some(&[3])).unwrap();
    add(&mut switch, flow(0, 4, Match::new().with_eth_type(0x0800).with(&later), apply(vec![output(4)])));
    assert_eq!(outputs(&mut switch, 1, &ethernet(B, A, None, 0x0800, &transport4(6, 5, 1, 2))), [2]);
    assert_eq!(outputs(&mut switch, 1, &ethernet(B, A, None, 0x0800, &transport4(17, 9, 1, 2))), [3]);
    let fragment = ethernet(B, A, None, 0x0800, &ipv4(6, 9, 0x0010, &segment(6, 5, 6)));
    assert_eq!(outputs(&mut switch, 1, &fragment), [4]);
}

#[test]
fn a_first_fragment_is_looked_up_without_ports_unless_the_switch_is_told_otherwise() {
    let mut switch = switch();
    let fragment = ethernet(B, A, None, 0x0800, &ipv4(17, 64, 0x2000, &segment(17, 5, 6)));
    let match_ = Match::new().with_eth_type(0x0800).with_ip_proto(17).with_udp_dst(6);
    add(&mut switch, flow(0, 2, match_, apply(vec![output(2)])));
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(3)])));
    assert_eq!(outputs(&mut switch, 1, &fragment), [3]);
    let settings = crate::configuration::SwitchConfig { flags: crate::configuration::ConfigFlags(3), miss_send_len: 0 };
    assert_eq!(error_of(&mut switch, Message::SetConfig(settings)), None);
    assert_eq!(outputs(&mut switch, 1, &fragment), [2]);
}

#[test]
fn connection_tracking_is_refused_and_its_fields_are_those_of_no_connection() {
    let mut switch = switch();
    let ip = || Match::new().with_eth_type(0x0800);
    let ct = ConnectionTracking {
        flags: CtFlags::NONE,
        zone: CtZone::Immediate(0),
        table_id: Some(TableId(1)),
        alg: 0,
        actions: vec![],
    };
    let track = |actions| ConnectionTracking { actions, ..ct.clone() };
    let nat = || nicira(NiciraAction::Nat(Box::new(Nat { flags: NatFlags::NONE, range: NatRange::None })));
    let mark = Action::SetField(OxmFieldOwned::number(OxmKind::CT_MARK, 1).unwrap());
    let of = |ct| apply(vec![nicira(NiciraAction::Ct(Box::new(ct)))]);
    let cases = [
        (flow(0, 1, ip(), of(ct.clone())), ErrorCode::NX_ACTION_CT_DATAPATH_SUPPORT),
        (flow(0, 1, Match::new(), of(ct.clone())), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (flow(0, 1, ip(), of(track(vec![nat()]))), ErrorCode::NX_ACTION_CT_DATAPATH_SUPPORT),
        (flow(0, 1, ip(), of(track(vec![mark.clone()]))), ErrorCode::ACTION_BAD_ARGUMENT),
        (flow(0, 1, ip(), apply(vec![nat()])), ErrorCode::ACTION_BAD_SET_ARGUMENT),
        (flow(0, 1, ip(), apply(vec![mark])), ErrorCode::ACTION_BAD_SET_ARGUMENT),
    ];
    for (flow_mod, code) in cases {
        assert_eq!(error_of(&mut switch, Message::FlowMod(flow_mod.clone())), Some(code), "{flow_mod:?}");
    }
    let untracked = OxmFieldOwned::new(OxmKind::CT_STATE, &[0; 4], Some(&[0, 0, 0, 0x20])).unwrap();
    let clear = nicira(NiciraAction::CtClear);
    add(&mut switch, flow(0, 1, Match::new().with(&untracked), apply(vec![clear, output(2)])));
    assert_eq!(outputs(&mut switch, 1, &udp(1, 2)), [2]);
}

#[test]
fn bad_extensions_get_the_codes_of_open_vswitch() {
    let mut switch = switch();
    let any = Match::new;
    let one = |action| flow(0, 1, any(), apply(vec![nicira(action)]));
    let whole = Subfield::whole;
    let conjunction = || nicira(NiciraAction::Conjunction { clause: 0, clauses: 2, id: 1 });
    let cases = [
        (
            one(NiciraAction::RegLoad { destination: whole(OxmKind::ETH_TYPE), value: 1 }),
            ErrorCode::ACTION_BAD_SET_ARGUMENT,
        ),
        (
            one(NiciraAction::RegLoad { destination: Subfield::new(OxmKind::NXM_REG0, 31, 2), value: 1 }),
            ErrorCode::ACTION_BAD_SET_LEN,
        ),
        (
            one(NiciraAction::RegLoad { destination: Subfield::new(OxmKind::NXM_REG0, 0, 2), value: 4 }),
            ErrorCode::ACTION_BAD_ARGUMENT,
        ),
        (
            one(NiciraAction::RegLoad { destination: whole(OxmKind::PBB_ISID), value: 1 }),
            ErrorCode::ACTION_BAD_SET_TYPE,
        ),
        (
            one(NiciraAction::RegLoad { destination: whole(OxmKind::TCP_DST), value: 1 }),
            ErrorCode::ACTION_MATCH_INCONSISTENT,
        ),
        (one(NiciraAction::StackPush(whole(OxmKind::PBB_ISID))), ErrorCode::MATCH_BAD_FIELD),
        (one(NiciraAction::OutputTrunc { port: PortNo(1), max_len: 13 }), ErrorCode::ACTION_BAD_ARGUMENT),
        (one(NiciraAction::DecTtl), ErrorCode::ACTION_BAD_EXP_TYPE),
        (one(NiciraAction::DecTtlCntIds(vec![0])), ErrorCode::ACTION_MATCH_INCONSISTENT),
        (one(NiciraAction::Conjunction { clause: 2, clauses: 2, id: 1 }), ErrorCode::NX_BAD_CONJUNCTION),
        (flow(0, 1, any(), apply(vec![conjunction(), output(1)])), ErrorCode::NX_BAD_CONJUNCTION),
        (
            flow(0, 1, any(), vec![Instruction::WriteActions(vec![nicira(NiciraAction::Exit)])]),
            ErrorCode::ACTION_BAD_TYPE,
        ),
    ];
    for (flow_mod, code) in cases {
        assert_eq!(error_of(&mut switch, Message::FlowMod(flow_mod.clone())), Some(code), "{flow_mod:?}");
    }
    assert_eq!(switch.flow_count(), 0);
}

/// A frame with a network service header of MD type 1, whose TTL is this.
fn nsh(ttl: u16) -> Bytes {
    let mut frame = [&B[..], &A, &[0x89, 0x4f]].concat();
    frame.extend((0x1000 | ttl << 6 | 6).to_be_bytes());
    frame.extend([1, 3, 0, 0, 7, 255]);
    frame.extend(1..=16);
    frame.extend([0xee; 20]);
    Bytes::from(frame)
}

#[test]
fn a_network_service_header_is_matched_and_set_and_loses_a_hop() {
    let mut switch = switch();
    let number = |kind, value| OxmFieldOwned::number(kind, value).unwrap();
    let match_ = [
        OxmFieldOwned::number(OxmKind::ETH_TYPE, 0x894f).unwrap(),
        number(OxmKind::NSH_SPI, 7),
        number(OxmKind::NSH_SI, 255),
        number(OxmKind::NSH_C2, 0x0506_0708),
        number(OxmKind::NSH_FLAGS, 1),
    ];
    let actions = vec![
        nicira(NiciraAction::DecNshTtl),
        Action::SetField(number(OxmKind::NSH_SI, 254)),
        Action::SetField(number(OxmKind::NSH_C4, 0xffff_fffe)),
        output(2),
    ];
    add(&mut switch, flow(0, 1, match_.into_iter().collect(), apply(actions)));
    let sent = only(send(&mut switch, 1, &nsh(63), Time::ZERO)).1;
    let mut expected = nsh(62).to_vec();
    expected[21] = 254;
    expected[34..38].copy_from_slice(&[0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(sent, expected);
    // The last hop is told to the controller where it wants to know, and the packet goes nowhere.
    assert_eq!(outputs(&mut switch, 1, &nsh(1)), [0; 0]);
}

#[test]
fn a_network_service_header_that_does_not_fit_has_no_fields() {
    let spi =
        |frame: &[u8]| crate::switch::pipeline::fields(PortNo(1), frame).get(crate::switch::flow_key::Slot::NSH_SPI);
    let whole = nsh(63);
    assert_eq!(spi(&whole), 7);
    assert_eq!(spi(&whole[..37]), 0, "it ends within its context");
    let mut other = whole.to_vec();
    other[14] |= 0x40;
    assert_eq!(spi(&other), 0, "it is of another version");
    other[14] &= !0x40;
    other[15] = other[15] & !0x3f | 5;
    assert_eq!(spi(&other), 0, "a context of type 1 has four words");
}
