//! What was found by comparing with Open vSwitch (`tests/lab`, scenario `trace`), a test each.

use super::frames::*;
use super::*;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{BufferId, GroupId, MeterId};
use crate::meter::{MeterBand, MeterFlags, MeterMod, MeterModCommand};
use crate::nicira::{Learn, LearnDestination, LearnFlags, LearnLimit, LearnSource, LearnSpec, NiciraAction, Subfield};
use crate::oxm::OxmKind;
use crate::packet::PacketOut;
use crate::port::{PortConfig, PortLinkState, PortMod};
use std::time::Duration;

fn port_mod(switch: &mut Switch, port: u32, config: PortConfig) -> Vec<Message> {
    let hw_addr = switch.ports().get(PortNo(port)).unwrap().port.hw_addr;
    let mask = PortConfig::KNOWN;
    let message = PortMod { port_no: PortNo(port), hw_addr, config, mask, advertise: Default::default() };
    ask(switch, Message::PortMod(message), Time::ZERO)
}

fn packet_out(switch: &mut Switch, in_port: u32, actions: Vec<Action>) -> Vec<u32> {
    let (buffer_id, data) = (BufferId::NO_BUFFER, udp(1, 2));
    let message = Message::PacketOut(PacketOut { buffer_id, in_port: PortNo(in_port), actions, data });
    switch.handle_message(1, &message, Time::ZERO);
    let ports = drain(switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToPort { port_no, .. } => Some(port_no.0),
        SwitchTransmit::ToController { .. } => None,
    });
    ports.collect()
}

fn group(switch: &mut Switch, command: GroupModCommand, group_type: GroupType, id: u32, buckets: Vec<Bucket>) {
    let group_mod = GroupMod { command, group_type, group_id: GroupId(id), buckets };
    assert_eq!(error_of(switch, Message::GroupMod(group_mod)), None);
}

#[test]
fn who_changes_a_port_hears_of_what_comes_of_it_alone() {
    let mut switch = switch();
    assert_eq!(port_mod(&mut switch, 2, PortConfig::NO_FWD), []);
    let [Message::PortStatus(down)] = &port_mod(&mut switch, 2, PortConfig::PORT_DOWN)[..] else { panic!("one") };
    assert_eq!((down.port.config, down.port.state), (PortConfig::PORT_DOWN, PortLinkState::LINK_DOWN));
    let [Message::PortStatus(up)] = &port_mod(&mut switch, 2, PortConfig::NONE)[..] else { panic!("one") };
    assert_eq!((up.port.config, up.port.state), (PortConfig::NONE, PortLinkState::LIVE));
    // Without a link, what the administrator says changes nothing but the configuration.
    switch.set_port_up(PortNo(2), false, Time::ZERO);
    drain(&mut switch);
    assert_eq!(port_mod(&mut switch, 2, PortConfig::PORT_DOWN), []);
}

#[test]
fn a_port_that_may_not_receive_drops_after_the_lookup_and_packet_outs_too() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![output(2)])));
    port_mod(&mut switch, 1, PortConfig::NO_RECV);
    assert_eq!(send(&mut switch, 1, &udp(1, 2), Time::ZERO), []);
    assert_eq!(switch.tables().lookups(TableId(0)), (1, 1));
    assert_eq!(packet_out(&mut switch, 1, vec![output(3)]), [0; 0]);
    assert_eq!(packet_out(&mut switch, 3, vec![output(4)]), [4]);
}

#[test]
fn what_a_flow_sends_to_the_controller_comes_from_a_port_without_packet_ins_too() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::output(PortNo::CONTROLLER)])));
    port_mod(&mut switch, 1, PortConfig::NO_PACKET_IN);
    switch.handle_packet(PortNo(1), udp(1, 2), Time::ZERO);
    assert_eq!(drain(&mut switch).len(), 1);
}

#[test]
fn a_group_that_finds_no_bucket_counts_nothing_and_one_that_is_modified_starts_again() {
    let mut switch = switch();
    let watching = Bucket { watch_port: PortNo(2), ..Bucket::new(vec![output(2)]) };
    group(&mut switch, GroupModCommand::ADD, GroupType::FF, 1, vec![watching.clone()]);
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::Group(GroupId(1))])));
    send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    switch.set_port_up(PortNo(2), false, Time::ZERO);
    send(&mut switch, 1, &udp(1, 2), Time::ZERO);
    assert_eq!(switch.groups().get(GroupId(1)).unwrap().packet_count, 1);
    group(&mut switch, GroupModCommand::MODIFY, GroupType::FF, 1, vec![watching]);
    assert_eq!(switch.groups().get(GroupId(1)).unwrap().packet_count, 0);
}

#[test]
fn a_bucket_without_weight_keeps_nobody_alive_who_watches_its_group() {
    let mut switch = switch();
    let bucket = |weight| Bucket { weight, ..Bucket::new(vec![output(2)]) };
    group(&mut switch, GroupModCommand::ADD, GroupType::SELECT, 2, vec![bucket(0)]);
    let watching = Bucket { watch_group: GroupId(2), ..Bucket::new(Vec::new()) };
    assert!(!switch.groups().is_live(&watching, switch.ports()));
    group(&mut switch, GroupModCommand::MODIFY, GroupType::SELECT, 2, vec![bucket(0), bucket(1)]);
    assert!(switch.groups().is_live(&watching, switch.ports()));
}

#[test]
fn select_groups_count_the_packet_as_the_datapath_has_it_when_it_comes_around() {
    let mut switch = switch();
    let bucket = Bucket { weight: 1, ..Bucket::new(vec![output(2)]) };
    group(&mut switch, GroupModCommand::ADD, GroupType::SELECT, 1, vec![bucket]);
    let actions = vec![Action::PushVlan(0x8100), Action::Group(GroupId(1))];
    add(&mut switch, flow(0, 1, Match::new(), apply(actions)));
    let frame = udp(1, 2);
    send(&mut switch, 1, &frame, Time::ZERO);
    assert_eq!(switch.groups().get(GroupId(1)).unwrap().byte_count, frame.len() as u64 + 4);
}

#[test]
fn labels_that_nobody_sees_leave_no_trace() {
    let mut switch = switch();
    let actions = vec![Action::PushMpls(0x8848), Action::PopMpls(0x0806), output(2)];
    add(&mut switch, flow(0, 1, Match::new(), apply(actions)));
    assert_eq!(send(&mut switch, 1, &udp(1, 2), Time::ZERO), [(2, udp(1, 2))]);
}

#[test]
fn meters_see_the_packet_as_it_last_left_and_each_time_anew() {
    let mut switch = switch();
    let bands = vec![MeterBand::Drop { rate: 1, burst_size: 3 }, MeterBand::Drop { rate: 2, burst_size: 2 }];
    let (command, flags, meter_id) = (MeterModCommand::ADD, MeterFlags::PKTPS, MeterId(1));
    assert_eq!(error_of(&mut switch, Message::MeterMod(MeterMod { command, flags, meter_id, bands })), None);
    let meter = || Instruction::Meter(meter_id);
    let push = Instruction::ApplyActions(vec![Action::PushVlan(0x8100)]);
    add(&mut switch, flow(0, 1, Match::new(), vec![meter(), push, Instruction::GotoTable(TableId(1))]));
    add(&mut switch, flow(1, 1, Match::new(), [vec![meter()], apply(vec![output(2)])].concat()));
    let len = udp(1, 2).len() as u64;
    let sent = |switch: &mut Switch, now| send(switch, 1, &udp(1, 2), Time::ZERO + Duration::from_millis(now)).len();
    assert_eq!(sent(&mut switch, 0), 1);
    assert_eq!(switch.meters().get(meter_id).unwrap().byte_in_count, 2 * len, "the tag is not there yet");
    // One packet is left in the first bucket, none in the second: the second band drops, and takes from the first all the same.
    assert_eq!(sent(&mut switch, 0), 0);
    let dropped = |switch: &Switch| -> Vec<u64> {
        switch.meters().get(meter_id).unwrap().bands.iter().map(|band| band.packet_count).collect()
    };
    assert_eq!(dropped(&switch), [0, 1]);
    // After a second there are one packet and two: the second time around the first band is short.
    assert_eq!(sent(&mut switch, 1000), 0);
    assert_eq!(dropped(&switch), [1, 1]);
}

#[test]
fn a_packet_out_learns_beyond_the_limit_and_a_frame_does_not() {
    let mut switch = switch();
    let in_port = Subfield::whole(OxmKind::NXM_OF_IN_PORT);
    let spec = LearnSpec { source: LearnSource::Field(in_port), destination: LearnDestination::Match(in_port) };
    let learn = NiciraAction::Learn(Box::new(Learn {
        idle_timeout: 0,
        hard_timeout: 0,
        priority: 1,
        cookie: 7,
        flags: LearnFlags(0),
        table_id: TableId(1),
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        limit: Some(LearnLimit { limit: 1, result: None }),
        specs: vec![spec],
    }));
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::Nicira(learn)])));
    for (in_port, flows) in [(1, 1), (2, 1)] {
        send(&mut switch, in_port, &udp(1, 2), Time::ZERO);
        assert_eq!(switch.tables().len(TableId(1)), flows);
    }
    packet_out(&mut switch, 3, vec![Action::output(PortNo::TABLE)]);
    assert_eq!(switch.tables().len(TableId(1)), 2);
}
