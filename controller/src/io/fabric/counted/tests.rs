//! What a switch says, put beside a picture of it.

use std::sync::Arc;

use net::Time;
use openflow::syntax;

use super::*;
use crate::flow::{Key, Owner};

fn pictured(text: &str, state: EntryState) -> PicturedRule {
    let flow = syntax::parse_flow(text).unwrap();
    PicturedRule {
        key: Some(Key { owner: Owner::StaticRules, kind: 1, a: 1, b: 0 }),
        cookie: 0x5402_0000_0000_0001,
        table: flow.table_id,
        priority: flow.priority,
        idle_timeout: 0,
        body: FlowBody::new(&flow.match_.canonical(), &flow.instructions).unwrap(),
        state,
        refusal: None,
        other: None,
    }
}

/// In order, as pictures are kept.
fn ordered(mut rules: Vec<PicturedRule>) -> Ordered {
    rules.sort_by_cached_key(RuleOrder::of);
    Ordered {
        picture: Picture {
            datapath_id: DatapathId(1),
            live: true,
            held: false,
            rules,
            groups: Vec::new(),
            meters: Vec::new(),
            features: None,
        },
        at: Time::ZERO,
        operator_rules: Arc::default(),
        isolation: Arc::default(),
        counted: None,
    }
}

fn stats(text: &str, cookie: u64, packets: u64) -> FlowStats {
    let flow = syntax::parse_flow(text).unwrap();
    FlowStats {
        table_id: flow.table_id,
        duration_sec: 7,
        duration_nsec: 900_000_000,
        priority: flow.priority,
        idle_timeout: 0,
        hard_timeout: 60,
        flags: FlowModFlags::NONE,
        cookie,
        packet_count: packets,
        byte_count: u64::MAX,
        match_: flow.match_,
        instructions: flow.instructions,
    }
}

fn beside(table: Option<TableId>, told: &[FlowStats], failure: Option<&str>) -> Beside {
    let failure = failure.map(|why| NoCounters(why.to_owned()));
    Beside { table, told: told.iter().filter_map(Told::new).collect(), unread: 0, failure }
}

/// Table and priority of each rule, its state, its packets, and whether the switch has something else.
fn shown(ordered: &Ordered) -> Vec<(u8, u16, EntryState, Option<u64>, bool)> {
    let counted = ordered.counted.as_ref().unwrap();
    assert_eq!(counted.rules.len(), ordered.picture.rules.len());
    let rules = ordered.picture.rules.iter().zip(&counted.rules);
    rules
        .map(|(rule, seen)| {
            let packets = seen.and_then(|seen| seen.packets);
            (rule.table.0, rule.priority, rule.state, packets, rule.other.is_some())
        })
        .collect()
}

#[test]
fn counters_stand_beside_their_rules_and_what_else_is_there_between_them() {
    let ours = ordered(vec![
        pictured("table=0,priority=9,tcp,tp_dst=22,actions=drop", EntryState::Installed),
        pictured("table=0,priority=7,tcp,tp_dst=23,actions=output:1", EntryState::Installed),
        pictured("table=1,priority=5,ip,actions=output:2", EntryState::Leaving),
    ]);
    let told = [
        stats("table=0,priority=8,ip,actions=output:5", 0xbeef, 40),
        stats("table=0,priority=7,tcp,tp_dst=23,actions=output:3", 0x5402_0000_0000_0001, 30),
        stats("table=0,priority=9,tcp,tp_dst=22,actions=drop", 0x5402_0000_0000_0001, 10),
        stats("table=1,priority=5,ip,actions=output:4", 0x5402_0000_0000_0001, u64::MAX),
    ];
    let put = beside(None, &told, None).put(&ours);
    let expected = [
        (0, 9, EntryState::Installed, Some(10), false),
        (0, 8, EntryState::Found, Some(40), false),
        (0, 7, EntryState::Installed, Some(30), true),
        (1, 5, EntryState::Leaving, None, false),
    ];
    assert_eq!(shown(&put), expected);
    let counted = put.counted.as_ref().unwrap();
    assert_eq!(counted.note, None);
    let found = counted.rules[1].unwrap();
    assert_eq!((found.octets, found.age, found.hard_timeout), (None, Duration::from_millis(7_900), 60));
    assert_eq!(put.picture.rules[1].cookie, 0xbeef);
    assert!(put.picture.rules.is_sorted_by_key(RuleOrder::of), "pages go on in this order");
}

#[test]
fn what_is_missing_is_said_and_why() {
    let ours = ordered(vec![
        pictured("table=0,priority=9,ip,actions=drop", EntryState::Installed),
        pictured("table=0,priority=8,ip,actions=drop", EntryState::Pending),
        pictured("table=1,priority=7,ip,actions=drop", EntryState::Installed),
    ]);
    let note = |beside: Beside| beside.put(&ours).counted.unwrap().note.unwrap_or_default();
    let of_table_0 = note(beside(Some(TableId(0)), &[], None));
    assert!(of_table_0.starts_with("the switch does not have a rule that is believed to be there"), "{of_table_0}");
    let of_all = note(beside(None, &[], None));
    assert!(of_all.starts_with("the switch does not have 2 rules that are believed"), "{of_all}");
    let silent = NoCounters::of(&CountingFailure::NoAnswer).0;
    let told = [stats("table=0,priority=9,ip,actions=drop", 1, 3)];
    let part = beside(None, &told, Some(&silent)).put(&ours);
    assert_eq!(shown(&part)[0].3, Some(3), "what was told before counts");
    let note = part.counted.unwrap().note.unwrap();
    assert_eq!(note, "the switch did not answer within 2 s: counters are missing");
}
