//! What one packet may cost: each of its ways to more is bounded, and a packet that needs more is dropped as a whole.

use super::frames::*;
use super::*;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::GroupId;
use crate::nicira::{Learn, LearnDestination, LearnFlags, LearnSource, LearnSpec, NiciraAction, Subfield};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::switch::pipeline::{MAX_ACTIONS, Overrun, Trace};
use crate::switch::{MAX_ACTIONS as MAX_FLOW_ACTIONS, MAX_BUCKETS};

fn group(switch: &mut Switch, group_type: GroupType, group_id: u32, buckets: Vec<Bucket>) {
    let group_mod = GroupMod { command: GroupModCommand::ADD, group_type, group_id: GroupId(group_id), buckets };
    assert_eq!(error_of(switch, Message::GroupMod(group_mod)), None);
}

fn resubmit(table: u8) -> Action {
    let table_id = TableId(table);
    Action::Nicira(NiciraAction::ResubmitTable { in_port: PortNo::IN_PORT, table_id, with_ct: false })
}

/// What becomes of a packet of `len` octets of payload in a switch whose table 0 goes to table 1 four times, where these actions are.
fn four_times(switch: &mut Switch, actions: Vec<Action>, len: usize) -> Trace {
    add(switch, flow(0, 1, Match::new(), apply(vec![resubmit(1); 4])));
    add(switch, flow(1, 1, Match::new(), apply(actions)));
    switch.trace(PortNo(1), ethernet(B, A, None, 0x9999, &vec![0; len]), Time::ZERO)
}

fn is_dropped(trace: &Trace, overrun: Overrun) {
    assert_eq!((trace.overrun, trace.outputs.len(), trace.to_controller.len()), (Some(overrun), 0, 0));
    assert!(trace.steps.len() <= 2 * MAX_ACTIONS as usize && trace.learned.len() <= MAX_ACTIONS as usize);
}

#[test]
fn buckets_that_do_nothing_count_as_well() {
    for bucket in [vec![], vec![Action::PopVlan]] {
        let mut switch = switch();
        let count = if bucket.is_empty() { MAX_BUCKETS } else { MAX_FLOW_ACTIONS };
        group(&mut switch, GroupType::ALL, 1, vec![Bucket::new(bucket); count]);
        let trace = four_times(&mut switch, vec![Action::Group(GroupId(1)); MAX_FLOW_ACTIONS], 40);
        is_dropped(&trace, Overrun::Actions);
    }
}

#[test]
fn each_port_of_a_flood_counts() {
    for port in [PortNo::ALL, PortNo::FLOOD, PortNo::NORMAL] {
        let mut switch = switch();
        for number in 5..=300 {
            switch.add_port(Port::new(PortNo(number), MacAddr([2, 0, 0, 0, 2, 0]), "p"), Time::ZERO);
        }
        drain(&mut switch);
        let trace = four_times(&mut switch, vec![Action::output(port); 20], 40);
        assert_eq!((trace.overrun, trace.outputs.len()), (None, 4 * 20 * 299));
        is_dropped(&four_times(&mut switch, vec![Action::output(port); 200], 40), Overrun::Actions);
    }
}

#[test]
fn octets_that_leave_and_octets_that_are_copied_count() {
    let address = |last| Action::SetField(OxmFieldOwned::eth_dst(MacAddr([2, 0, 0, 0, 3, last])));
    let out: Vec<Action> = (0..200).flat_map(|number| [address(number), output(2)]).collect();
    let told: Vec<Action> = (0..250).flat_map(|_| [Action::output(PortNo::CONTROLLER)]).collect();
    let vlans: Vec<Action> = (0..250).flat_map(|_| [Action::PushVlan(0x8100), Action::PopVlan]).collect();
    for actions in [out, [told.clone(), told].concat(), [vlans.clone(), vlans].concat()] {
        let mut switch = switch();
        assert_eq!(four_times(&mut switch, actions.clone(), 1_500).overrun, None);
        is_dropped(&four_times(&mut switch, actions, 60_000), Overrun::Octets);
    }
}

#[test]
fn watched_groups_are_looked_at_once_for_a_packet() {
    let mut switch = switch();
    let dead = Bucket { watch_port: PortNo(77), ..Bucket::new(vec![output(3)]) };
    group(&mut switch, GroupType::FF, 2, vec![dead.clone(); 1_000]);
    let watching = Bucket { watch_group: GroupId(2), ..dead };
    let alive = Bucket { watch_port: PortNo(2), ..Bucket::new(vec![output(2)]) };
    group(&mut switch, GroupType::FF, 1, [vec![watching; 1_000], vec![alive]].concat());
    let trace = four_times(&mut switch, vec![Action::Group(GroupId(1))], 40);
    assert_eq!((trace.overrun, trace.outputs.len()), (None, 4));
    is_dropped(&four_times(&mut switch, vec![Action::Group(GroupId(1)); 100], 40), Overrun::Actions);
}

#[test]
fn each_part_of_what_is_learned_counts() {
    let mut switch = switch();
    let spec = |kind| LearnSpec {
        source: LearnSource::Field(Subfield::whole(OxmKind::ETH_SRC)),
        destination: LearnDestination::Load(Subfield::whole(kind)),
    };
    let learn = Learn {
        idle_timeout: 0,
        hard_timeout: 0,
        priority: 9,
        cookie: 7,
        flags: LearnFlags::NONE,
        table_id: TableId(9),
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        limit: None,
        specs: vec![spec(OxmKind::ETH_DST); 50],
    };
    let learn = Action::Nicira(NiciraAction::Learn(Box::new(learn)));
    assert_eq!(four_times(&mut switch, vec![learn.clone(); 20], 40).learned.len(), 80);
    add(&mut switch, flow(0, 2, Match::new(), apply(vec![resubmit(2); 100])));
    add(&mut switch, flow(2, 1, Match::new(), apply(vec![learn; 20])));
    let trace = switch.trace(PortNo(1), udp(1, 2), Time::ZERO);
    is_dropped(&trace, Overrun::Actions);
    assert!(trace.learned.len() <= MAX_ACTIONS as usize / 50);
}
