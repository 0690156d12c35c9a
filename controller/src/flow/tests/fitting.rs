//! What a switch says it cannot hold is not sent, and is shown as refused.

use openflow::{GroupFeatures, MeterFeatures, OxmId, OxmKind, TableFeatureProperty};

use super::*;

/// Tables that match a destination's address, and hold so many rules.
fn tables(max_entries: u32) -> Vec<TableFeatures> {
    let field = |kind, has_mask| OxmId { kind, has_mask, length: 6 };
    let properties = vec![
        TableFeatureProperty::Match(vec![field(OxmKind::ETH_DST, false), field(OxmKind::ETH_TYPE, false)]),
        TableFeatureProperty::Wildcards(vec![field(OxmKind::ETH_DST, false), field(OxmKind::ETH_TYPE, false)]),
    ];
    let table = |number| TableFeatures {
        table_id: TableId(number),
        name: openflow::FixedText::from("a"),
        metadata_match: 0,
        metadata_write: 0,
        config: 0,
        max_entries,
        properties: properties.clone(),
    };
    (0..10).map(table).collect()
}

fn lab(tables: Vec<TableFeatures>) -> Lab {
    let mut lab = Lab::default();
    let room = tables.iter().map(|table| (table.table_id, table.max_entries as usize)).collect();
    lab.switches.insert(S1, Model { tables, room, ..Model::default() });
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab
}

/// Rules of hosts that are on the switch, by the number of the host.
fn on_switch(lab: &Lab) -> Vec<u64> {
    let of = |id: &RuleId| id.match_.eth_dst().map_or(0, |mac| mac.to_u64());
    lab.switches[&S1].rules.keys().map(of).collect()
}

fn refused(lab: &mut Lab) -> Vec<String> {
    let events = std::iter::from_fn(|| lab.reconciler.poll_event());
    let refused = |event| match event {
        FlowEvent::Refused { cause, again, .. } => Some(format!("{cause}; {again:?}")),
        _ => None,
    };
    events.filter_map(refused).collect()
}

fn host_rule_at(a: u64, priority: u16) -> Rule {
    Rule { priority, ..host_rule(a, 1, 0) }
}

#[test]
fn what_a_table_cannot_match_is_not_sent_and_shown() {
    let mut lab = lab(tables(1_000));
    let masked = Match::new().with_eth_dst_masked(net::MacAddr::from_u64(1), net::MacAddr::from_u64(0xff));
    let does = || vec![Instruction::ApplyActions(vec![Action::output(PortNo(1))])];
    for rule in [
        host_rule(1, 1, 0),
        Rule::new(key(2), FORWARD, 7, Match::new().with_in_port(PortNo(3)), does()).unwrap(),
        Rule::new(key(3), FORWARD, 7, masked, does()).unwrap(),
        Rule::new(key(4), TableId(77), 7, Match::new(), does()).unwrap(),
    ] {
        lab.reconciler.set_rule(S1, rule.key, Some(&rule));
    }
    lab.pump();
    assert_eq!(on_switch(&lab), [1]);
    let mut told = refused(&mut lab);
    told.sort();
    let table = FORWARD.0;
    assert_eq!(
        told,
        [
            format!("not sent, for the switch says: table {table} does not match dl_dst with a mask; WhenDifferent"),
            format!("not sent, for the switch says: table {table} does not match in_port; WhenDifferent"),
            "not sent, for the switch says: there is no table 77; WhenDifferent".to_owned(),
        ]
    );
    let counters = lab.reconciler.counters();
    assert_eq!((counters.flow_mods, counters.refused[RefusalReason::Match as usize]), ([1, 0], 2));
    let mut copying = Copying::new(S1);
    while !lab.reconciler.copy_picture(&mut copying) {}
    let states: BTreeMap<Option<Key>, EntryState> =
        copying.finish().rules.iter().map(|rule| (rule.key, rule.state)).collect();
    assert_eq!(states[&Some(key(1))], EntryState::Installed);
    assert!((2..=4).all(|a| states[&Some(key(a))] == EntryState::Refused), "{states:?}");
    // The switch is another one when it comes back.
    lab.switches.get_mut(&S1).unwrap().tables.clear();
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    lab.assert_equal();
}

#[test]
fn of_more_rules_than_a_table_holds_the_most_important_ones_are_there_whatever_came_first() {
    let mut lab = lab(tables(10));
    for a in 1..=14 {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule_at(a, 100 + a as u16)));
        lab.pump();
    }
    let mut there = on_switch(&lab);
    there.sort_unstable();
    assert_eq!(there, (5..=14).collect::<Vec<u64>>());
    assert_eq!(lab.reconciler.counters().refused[RefusalReason::Full as usize], 4);
    let told = refused(&mut lab);
    let last = format!(
        "not sent, for the switch says: table {} holds at most 10 rules, 14 are wanted; WhenDifferent",
        FORWARD.0
    );
    assert_eq!(told.last(), Some(&last));
    // The other order of things comes to the same.
    let mut other = super::fitting::lab(tables(10));
    for a in (1..=14).rev() {
        other.reconciler.set_rule(S1, key(a), Some(&host_rule_at(a, 100 + a as u16)));
    }
    other.pump();
    assert_eq!(other.switches[&S1].rules, lab.switches[&S1].rules);
    // Room comes when an important one goes.
    lab.reconciler.set_rule(S1, key(14), None);
    lab.reconciler.set_rule(S1, key(2), None);
    lab.pump();
    let mut there = on_switch(&lab);
    there.sort_unstable();
    assert_eq!(there, (4..=13).collect::<Vec<u64>>());
    assert_eq!(lab.reconciler.sizes().map(|(_, sizes)| sizes[3]).sum::<usize>(), 2);
}

#[test]
fn a_switch_that_says_nothing_or_nonsense_is_taken_to_hold_everything() {
    let mut none = tables(0);
    let mut empty = tables(1_000);
    empty.iter_mut().for_each(|table| table.properties.clear());
    let both_protocols =
        |kinds: &[OxmKind]| kinds.iter().map(|&kind| OxmId { kind, has_mask: true, length: 0 }).collect();
    let mut needs_all = tables(1_000);
    for table in &mut needs_all {
        let all = [OxmKind::ETH_DST, OxmKind::IPV4_SRC, OxmKind::IPV6_SRC];
        table.properties = vec![
            TableFeatureProperty::Match(both_protocols(&all)),
            TableFeatureProperty::Wildcards(both_protocols(&[OxmKind::ETH_DST])),
        ];
    }
    none.truncate(3);
    for tables in [Vec::new(), none, empty, needs_all] {
        let mut lab = lab(tables);
        lab.switches.get_mut(&S1).unwrap().room.clear();
        (1..=50).for_each(|a| lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0))));
        lab.pump();
        lab.assert_equal();
        assert_eq!(refused(&mut lab), Vec::<String>::new());
    }
}

#[test]
fn a_switch_that_has_more_rules_than_it_says_it_holds_is_not_believed() {
    let mut lab = lab(Vec::new());
    (1..=50).for_each(|a| lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0))));
    lab.pump();
    lab.switches.get_mut(&S1).unwrap().tables = tables(20);
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    lab.assert_equal();
}

#[test]
fn groups_and_meters_that_a_switch_does_not_have_are_not_sent() {
    let mut lab = Lab::default();
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::SELECT, &[1])));
    lab.reconciler.set_group(S1, key(2), Some(group(2, GroupType::FF, &[1])));
    let meter = stated_meter(5, 100);
    lab.reconciler.set_meter(S1, meter.key, Some(meter));
    lab.reconciler.handle_connected(S1, Time::ZERO);
    // The features come first here; the rest is answered by a model.
    let mut model = Model::default();
    for (id, xid, message) in sent(&mut lab.reconciler) {
        let Message::MultipartRequest(request) = &message else { panic!("{message:?}") };
        let body = match request.body {
            MultipartRequestBody::GroupFeatures => MultipartReplyBody::GroupFeatures(GroupFeatures {
                types: 0b11,
                max_groups: [9; 4],
                ..GroupFeatures::default()
            }),
            MultipartRequestBody::MeterFeatures => MultipartReplyBody::MeterFeatures(MeterFeatures::default()),
            _ => {
                model.inbox.push_back((xid, message));
                continue;
            }
        };
        assert!(lab.reconciler.handle_multipart(id, xid, &MultipartReply { more: false, body }, Time::ZERO));
    }
    lab.switches.insert(S1, model);
    lab.pump();
    let model = &lab.switches[&S1];
    assert_eq!((model.groups.len(), model.meters.len()), (1, 0));
    let mut told = refused(&mut lab);
    told.sort();
    assert_eq!(
        told,
        [
            "not sent, for the switch says: there are no groups of type ff; WhenDifferent",
            "not sent, for the switch says: there are no meters; WhenDifferent"
        ]
    );
}

#[test]
fn an_answer_without_end_ends_the_connection() {
    let mut lab = Lab::default();
    lab.reconciler.handle_connected(S1, Time::ZERO);
    let asked = sent(&mut lab.reconciler).into_iter().find_map(|(_, xid, message)| match message {
        Message::MultipartRequest(request) if matches!(request.body, MultipartRequestBody::TableFeatures(_)) => {
            Some(xid)
        }
        _ => None,
    });
    let xid = asked.expect("a question for the tables");
    let ids = vec![OxmId { kind: OxmKind::ETH_DST, has_mask: true, length: 12 }; 10_000];
    let mut table = tables(5).remove(0);
    table.properties = vec![TableFeatureProperty::Match(ids)];
    let part = MultipartReply { more: true, body: MultipartReplyBody::TableFeatures(vec![table]) };
    let parts = (0..1_000).take_while(|_| lab.reconciler.handle_multipart(S1, xid, &part, Time::ZERO)).count();
    assert!(parts < 300, "{parts}");
    assert!(std::iter::from_fn(|| lab.reconciler.poll_event()).any(|event| matches!(event, FlowEvent::TooMuch { .. })));
}
