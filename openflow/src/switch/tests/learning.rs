//! Flows that packets make (`learn`), and addresses that NORMAL learns.

use super::frames::*;
use super::*;
use crate::flow::{FlowModFlags, FlowRemovedReason};
use crate::nicira::{Learn, LearnDestination, LearnFlags, LearnLimit, LearnSource, LearnSpec, NiciraAction, Subfield};
use crate::oxm::OxmKind;
use crate::switch::ADDRESS_LIFETIME;

/// The learning switch of ovs-actions(7): table 1 gets a flow back to each source.
fn learn() -> Learn {
    let field = |source, destination| LearnSpec { source: LearnSource::Field(Subfield::whole(source)), destination };
    let to_match = LearnDestination::Match(Subfield::whole(OxmKind::ETH_DST));
    Learn {
        idle_timeout: 0,
        hard_timeout: 60,
        priority: 9,
        cookie: 7,
        flags: LearnFlags::NONE,
        table_id: TableId(1),
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        limit: None,
        specs: vec![field(OxmKind::ETH_SRC, to_match), field(OxmKind::NXM_OF_IN_PORT, LearnDestination::Output)],
    }
}

fn learning(learn: Learn) -> Action {
    Action::Nicira(NiciraAction::Learn(Box::new(learn)))
}

fn goto(table: u8) -> Instruction {
    Instruction::GotoTable(TableId(table))
}

fn from(source: [u8; 6], target: [u8; 6]) -> Bytes {
    ethernet(target, source, None, 0x0800, &transport4(17, 9, 1, 2))
}

fn switch_that_learns(learn: Learn) -> Switch {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), [apply(vec![learning(learn)]), vec![goto(1)]].concat()));
    add(&mut switch, flow(1, 1, Match::new(), apply(vec![Action::output(PortNo::FLOOD)])));
    switch
}

#[test]
fn a_learned_flow_stands_in_the_table_and_forwards() {
    let mut switch = switch_that_learns(learn());
    assert_eq!(ports_of(&send(&mut switch, 1, &from(A, B), Time::ZERO)), [2, 3, 4]);
    assert_eq!(ports_of(&send(&mut switch, 2, &from(B, A), Time::ZERO)), [1]);
    assert_eq!(ports_of(&send(&mut switch, 1, &from(A, B), Time::ZERO)), [2]);
    let learned: Vec<_> = switch.tables().iter().filter(|(_, flow)| flow.cookie == 7).map(|(_, flow)| flow).collect();
    assert_eq!((learned.len(), learned[0].priority, learned[0].hard_timeout), (2, 9, 60));
    assert_eq!(learned[0].match_, Match::new().with_eth_dst(MacAddr(A)));
    // What is learned again counts from anew.
    send(&mut switch, 1, &from(A, B), Time::from_secs(50));
    switch.handle_timeout(Time::from_secs(70));
    assert_eq!(switch.flow_count(), 3);
}

#[test]
fn a_trace_learns_nothing_and_tells_what_would_be_learned() {
    let switch = switch_that_learns(learn());
    let trace = switch.trace(PortNo(1), from(A, B), Time::ZERO);
    assert_eq!(trace.learned[0].actions, [Action::output(PortNo(1))]);
    assert_eq!((trace.learned.len(), switch.flow_count()), (1, 2));
}

#[test]
fn a_limit_ends_learning_and_says_so_in_a_bit() {
    let result = Some(Subfield::new(OxmKind::NXM_REG0, 0, 1));
    let mut switch = switch_that_learns(Learn { limit: Some(LearnLimit { limit: 1, result }), ..learn() });
    let register = crate::oxm::OxmFieldOwned::number(OxmKind::NXM_REG0, 0).unwrap();
    add(&mut switch, flow(1, 20, Match::new().with(&register), apply(vec![output(4)])));
    assert_eq!(ports_of(&send(&mut switch, 1, &from(A, B), Time::ZERO)), [2, 3, 4]);
    assert_eq!(ports_of(&send(&mut switch, 2, &from(B, A), Time::ZERO)), [4], "the second source is one too many");
    assert_eq!(ports_of(&send(&mut switch, 1, &from(A, B), Time::ZERO)), [2, 3, 4], "the first is there");
}

#[test]
fn learned_flows_go_with_the_last_flow_that_learns_them() {
    let mut switch = switch_that_learns(Learn { flags: LearnFlags::DELETE_LEARNED, ..learn() });
    let second = learning(Learn { flags: LearnFlags::DELETE_LEARNED | LearnFlags::SEND_FLOW_REM, ..learn() });
    add(&mut switch, flow(0, 2, Match::new().with_in_port(PortNo(2)), [apply(vec![second]), vec![goto(1)]].concat()));
    send(&mut switch, 2, &from(B, A), Time::ZERO);
    add(&mut switch, FlowMod::delete(TableId(0), Match::new().with_in_port(PortNo(2))));
    assert_eq!(switch.flow_count(), 3, "another flow learns with the same cookie");
    let answers = ask(&mut switch, Message::FlowMod(FlowMod::delete(TableId(0), Match::new())), Time::ZERO);
    let [Message::FlowRemoved(removed)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((removed.cookie, removed.reason, switch.flow_count()), (7, FlowRemovedReason::DELETE, 1));
}

#[test]
fn a_tcp_fin_shortens_the_timeouts_of_a_learned_flow() {
    let tcp = |flags| {
        let mut ip = transport4(6, 9, 1, 2);
        ip[20 + 13] = flags;
        ethernet(A, B, None, 0x0800, &ip)
    };
    let mut switch = switch_that_learns(Learn { fin_idle_timeout: 2, idle_timeout: 30, ..learn() });
    send(&mut switch, 1, &from(A, B), Time::ZERO);
    send(&mut switch, 2, &tcp(0x10), Time::ZERO);
    let idle = |switch: &Switch| {
        let mut flows = switch.tables().iter().filter(|(_, flow)| flow.match_.eth_dst() == Some(MacAddr(A)));
        flows.next().map(|(_, flow)| flow.idle_timeout)
    };
    assert_eq!(idle(&switch), Some(30));
    send(&mut switch, 2, &tcp(0x11), Time::from_secs(1));
    assert_eq!(idle(&switch), Some(2));
    assert_eq!(switch.poll_timeout().map(|(at, _)| at), Some(Time::from_secs(3)));
    switch.handle_timeout(Time::from_secs(3));
    assert_eq!(idle(&switch), None);
}

#[test]
fn learned_bits_and_constants_become_loads() {
    let bits = Subfield::new(OxmKind::NXM_REG3, 4, 8);
    let specs = vec![
        LearnSpec {
            source: LearnSource::Immediate { bits: 16, value: Bytes::from_static(&[0x08, 0x00]) },
            destination: LearnDestination::Match(Subfield::whole(OxmKind::ETH_TYPE)),
        },
        LearnSpec {
            source: LearnSource::Field(Subfield::new(OxmKind::ETH_SRC, 0, 8)),
            destination: LearnDestination::Load(bits),
        },
    ];
    let flags = LearnFlags::SEND_FLOW_REM;
    let switch = switch_that_learns(Learn { specs, flags, ..learn() });
    let trace = switch.trace(PortNo(1), from(A, B), Time::ZERO);
    let learned = &trace.learned[0];
    assert_eq!(learned.match_, Match::new().with_eth_type(0x0800));
    assert_eq!(learned.actions, [Action::Nicira(NiciraAction::RegLoad { destination: bits, value: 0x0a })]);
    assert_eq!(learned.flags, FlowModFlags::SEND_FLOW_REM);
}

#[test]
fn normal_floods_learns_moves_and_forgets() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::output(PortNo::NORMAL)])));
    assert_eq!(ports_of(&send(&mut switch, 1, &from(A, B), Time::ZERO)), [2, 3, 4]);
    assert_eq!(ports_of(&send(&mut switch, 2, &from(B, A), Time::ZERO)), [1]);
    assert_eq!(ports_of(&send(&mut switch, 3, &from(A, B), Time::ZERO)), [2], "A has moved to port 3");
    assert_eq!(ports_of(&send(&mut switch, 2, &from(B, A), Time::ZERO)), [3]);
    assert_eq!(ports_of(&send(&mut switch, 3, &from(B, A), Time::ZERO)), [0; 0], "never back where it came from");
    let tagged = ethernet(A, B, Some(5), 0x0800, &transport4(17, 9, 1, 2));
    assert_eq!(ports_of(&send(&mut switch, 2, &tagged, Time::ZERO)), [1, 3, 4], "another VLAN knows nothing of it");
    let bridge_protocol = ethernet([1, 0x80, 0xc2, 0, 0, 0], B, None, 0x0026, &[0x42, 0x42, 3]);
    assert_eq!(ports_of(&send(&mut switch, 2, &bridge_protocol, Time::ZERO)), [0; 0]);
    let later = Time::ZERO + ADDRESS_LIFETIME;
    assert_eq!(ports_of(&send(&mut switch, 2, &from(B, A), later)), [1, 3, 4]);
    assert!(switch.trace(PortNo(4), from(A, B), later).addresses.len() == 1 && switch.addresses().len() == 3);
}

#[test]
fn normal_takes_a_tag_off_that_says_nothing() {
    let mut switch = switch();
    add(&mut switch, flow(0, 1, Match::new(), apply(vec![Action::output(PortNo::NORMAL)])));
    let frame = ethernet(B, A, Some(0), 0x0800, &transport4(17, 9, 1, 2));
    assert_eq!(send(&mut switch, 1, &frame, Time::ZERO)[0].1, from(A, B));
    let frame = ethernet(B, A, Some(0x2000), 0x0800, &transport4(17, 9, 1, 2));
    assert_eq!(send(&mut switch, 1, &frame, Time::ZERO)[0].1, frame);
}
