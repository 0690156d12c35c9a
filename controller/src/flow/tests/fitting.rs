//! What a switch says it cannot hold is told, and sent all the same.

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

/// What was foreseen, and what was refused.
fn told(lab: &mut Lab) -> [Vec<String>; 2] {
    let (mut foreseen, mut refused) = (Vec::new(), Vec::new());
    for event in std::iter::from_fn(|| lab.reconciler.poll_event()) {
        match event {
            FlowEvent::Foreseen { unfit, .. } => foreseen.push(unfit.to_string()),
            FlowEvent::Refused { cause, again, .. } => refused.push(format!("{cause}; {again:?}")),
            _ => {}
        }
    }
    foreseen.sort();
    refused.sort();
    [foreseen, refused]
}

#[test]
fn what_a_switch_says_it_cannot_hold_is_told_and_sent_and_its_error_decides() {
    let mut lab = lab(tables(1_000));
    // What it says of masks is so; what it says of ports and tables is not.
    let refuse = |message: &Message| match message {
        Message::FlowMod(flow_mod) if flow_mod.match_.fields().any(|field| field.mask.is_some()) => {
            Some(Fault::Refuse(ErrorCode::MATCH_BAD_MASK))
        }
        _ => None,
    };
    lab.switches.get_mut(&S1).unwrap().faults = Some(Box::new(refuse));
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
    assert_eq!(lab.switches[&S1].rules.len(), 3);
    let [foreseen, refused] = told(&mut lab);
    let table = FORWARD.0;
    let no_mask = format!("table {table} does not match dl_dst with a mask");
    assert_eq!(
        foreseen,
        [no_mask.clone(), format!("table {table} does not match in_port"), "there is no table 77".to_owned()]
    );
    let error = ErrorCode::MATCH_BAD_MASK;
    assert_eq!(refused, [format!("{error}; the switch says: {no_mask}; WhenDifferent")]);
    assert_eq!(lab.reconciler.counters().refused[RefusalReason::Match as usize], 1);
}

#[test]
fn a_table_that_is_too_small_is_told_once_and_the_switch_decides_what_is_in_it() {
    let mut lab = lab(tables(10));
    for a in 1..=14 {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
        lab.pump();
    }
    assert_eq!(on_switch(&lab).len(), 10);
    let [foreseen, refused] = told(&mut lab);
    assert_eq!(foreseen, [format!("table {} holds at most 10 rules, 11 are wanted", FORWARD.0)]);
    let error = ErrorCode::FLOW_MOD_TABLE_FULL;
    let wanted =
        |count| format!("{error}; the switch says: table {} holds at most 10 rules, {count} are wanted", FORWARD.0);
    assert!(refused.iter().any(|text| text.starts_with(&wanted(14))), "{refused:?}");
    assert_eq!(lab.reconciler.sizes().map(|(_, sizes)| sizes[3]).sum::<usize>(), 4);
    // One that has more room than it says has all.
    lab.switches.get_mut(&S1).unwrap().room.clear();
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    lab.assert_equal();
}

#[test]
fn no_more_is_told_of_a_connection_than_a_reader_can_bear() {
    let mut lab = lab(tables(1_000));
    for a in 1..=200 {
        let rule = Rule::new(key(a), TableId(77), a as u16, Match::new(), Vec::new()).unwrap();
        lab.reconciler.set_rule(S1, rule.key, Some(&rule));
    }
    lab.pump();
    assert_eq!((told(&mut lab)[0].len(), lab.switches[&S1].rules.len()), (16, 200));
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
        assert_eq!(told(&mut lab), [Vec::<String>::new(), Vec::new()]);
    }
}

#[test]
fn groups_and_meters_that_a_switch_says_it_does_not_have_are_told() {
    let mut lab = Lab::default();
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::SELECT, &[1])));
    let other = stated_group(2, GroupType::FF, &[1]);
    lab.reconciler.set_group(S1, other.key, Some(other));
    let meter = stated_meter(5, 100);
    lab.reconciler.set_meter(S1, meter.key, Some(meter));
    connect_without_fast_failover(&mut lab);
    lab.pump();
    let model = &lab.switches[&S1];
    assert_eq!((model.groups.len(), model.meters.len()), (2, 1));
    let [foreseen, refused] = told(&mut lab);
    assert_eq!(foreseen, ["there are no groups of type ff", "there are no meters"]);
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_detour_is_left_out_where_the_switch_says_that_it_has_no_fast_failover() {
    let mut lab = Lab::default();
    lab.reconciler.set_group(S1, key(2), Some(group(2, GroupType::FF, &[1, 2])));
    connect_without_fast_failover(&mut lab);
    lab.switches.get_mut(&S1).unwrap().faults = Some(Box::new(|message| match message {
        Message::GroupMod(group) if group.group_type == GroupType::FF => {
            Some(Fault::Refuse(ErrorCode::GROUP_MOD_BAD_TYPE))
        }
        _ => None,
    }));
    for ports in [[1, 2], [3, 2]] {
        lab.reconciler.set_group(S1, key(2), Some(group(2, GroupType::FF, &ports)));
        lab.pump();
        let held: Vec<_> = lab.switches[&S1].groups.values().collect();
        let [held] = held[..] else { panic!("{held:?}") };
        assert_eq!((held.group_type, held.buckets.len()), (GroupType::SELECT, 1));
        assert_eq!(held.buckets[0].actions, [Action::output(PortNo(ports[0]))]);
        let (picture, _) = super::picture::picture(&lab.reconciler, S1);
        assert_eq!((picture.groups[0].state, picture.groups[0].group_type), (EntryState::Installed, GroupType::SELECT));
    }
    assert!(lab.reconciler.is_idle());
    assert_eq!(told(&mut lab), [Vec::<String>::new(), Vec::new()]);
    assert_eq!(lab.reconciler.counters().group_mods, [1, 1, 0]);
}

/// The features come first here; the rest is answered by a model.
fn connect_without_fast_failover(lab: &mut Lab) {
    lab.reconciler.handle_connected(S1, Time::ZERO);
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
}

#[test]
fn an_answer_without_end_ends_the_connection() {
    let mut lab = Lab::default();
    lab.reconciler.handle_connected(S1, Time::ZERO);
    lab.reconciler.ask_tables(S1);
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
