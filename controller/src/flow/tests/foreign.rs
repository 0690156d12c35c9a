//! Rules that somebody else has put on a switch: what is asked about them, and what becomes of them.

use super::super::audit::FlowSettings;
use super::*;

/// More than one question may be about.
const MANY: u64 = 10_000;
/// `SLICE_FLOWS`, and some more: slices are by bits of hashes.
const SLICE_MOST: usize = 2_200;

fn foreign(table: u8, number: u64) -> Rule {
    let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(number));
    Rule::new(key(number), TableId(table), 77, match_, vec![]).unwrap()
}

fn connected(settings: &FlowSettings, rules: impl Iterator<Item = (Rule, u64)>, ours: u64) -> Lab {
    let mut lab = Lab::default();
    lab.reconciler.handle_settings(settings.clone(), lab.now());
    let mut model = Model::default();
    for (rule, cookie) in rules {
        model.rules.insert(rule.id(), (cookie, rule.body.instructions()));
    }
    lab.switches.insert(S1, model);
    for a in 0..ours {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
    }
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    lab
}

fn audit(lab: &mut Lab) -> AuditReport {
    assert!(lab.reconciler.request_audit(S1, lab.now()));
    for _ in 0..10_000 {
        lab.reconciler.handle_timeout(lab.now());
        lab.pump();
        while let Some(event) = lab.reconciler.poll_event() {
            if let FlowEvent::Audited { report } = event {
                lab.pump();
                return *report;
            }
        }
        lab.now += 1;
    }
    panic!("no end")
}

#[test]
fn no_question_is_about_more_rules_of_others_than_a_slice_while_they_are_let_be() {
    for table in [FORWARD.0, 9] {
        let rules = (0..MANY).map(|number| (foreign(table, number), 0));
        let mut lab = connected(&FlowSettings::default(), rules, 30);
        let report = audit(&mut lab);
        assert_eq!((report.rules, report.foreign, report.foreign_unread), (30, MANY as usize, MANY as usize));
        let model = &lab.switches[&S1];
        assert_eq!(model.rules.len(), MANY as usize + 30);
        assert!(model.most_told <= SLICE_MOST, "{} rules in one answer", model.most_told);
    }
}

#[test]
fn rules_of_others_are_told_by_table_where_these_are_small_enough() {
    let rules = (0..MANY).map(|number| (foreign((number % 10) as u8, number), 0));
    let settings = FlowSettings { remove_foreign: true, ..FlowSettings::default() };
    let lab = connected(&settings, rules, 30);
    let model = &lab.switches[&S1];
    assert_eq!(model.rules.len(), 30, "they are removed");
    assert!(model.most_told <= SLICE_MOST, "{} rules in one answer", model.most_told);
}

#[test]
fn what_no_question_parts_is_told_all_at_once_where_it_is_to_be_removed() {
    let alike = (0..MANY).map(|number| (foreign(0, number), 0));
    let settings = FlowSettings { remove_foreign: true, ..FlowSettings::default() };
    let lab = connected(&settings, alike, 30);
    assert_eq!(lab.switches[&S1].rules.len(), 30);
    assert_eq!(lab.switches[&S1].most_told, MANY as usize);
    let apart = (0..MANY).map(|number| (foreign(0, number), number));
    let lab = connected(&settings, apart, 30);
    assert_eq!(lab.switches[&S1].rules.len(), 30);
    assert!(lab.switches[&S1].most_told <= SLICE_MOST);
}

#[test]
fn a_rule_of_others_in_the_place_of_a_stated_one_is_told_and_written_over() {
    let theirs = Rule { body: host_rule(3, 9, 0).body, ..host_rule(3, 1, 0) };
    let besides = foreign(FORWARD.0, 900);
    let rules = [(theirs.clone(), 0x77), (besides.clone(), 0)];
    let mut lab = connected(&FlowSettings::default(), rules.into_iter(), 10);
    let mut told = Vec::new();
    while let Some(event) = lab.reconciler.poll_event() {
        if let FlowEvent::TakenOver { taken, unread, .. } = event {
            told.push((taken.count, taken.first[0].what.clone(), taken.first[0].key, unread));
        }
    }
    let [(count, what, owner, unread)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*count, *owner, *unread), (1, Some(key(3)), 0));
    assert!(what.ends_with("actions=output:9"), "{what}");
    assert_eq!(lab.reconciler.counters().taken_over, 1);
    let model = &lab.switches[&S1];
    assert_eq!(model.rules[&theirs.id()].0, key(3).cookie());
    assert!(model.rules.contains_key(&besides.id()), "it is in nobody's way");
}

#[test]
fn what_somebody_has_put_in_the_place_of_a_rule_of_ours_is_not_deleted_with_it() {
    let mut lab = connected(&FlowSettings::default(), std::iter::empty(), 10);
    let id = host_rule(3, 1, 0).id();
    lab.switches.get_mut(&S1).unwrap().rules.get_mut(&id).unwrap().0 = 0x77;
    for a in [3, 4] {
        lab.reconciler.set_rule(S1, key(a), None);
    }
    lab.pump();
    let model = &lab.switches[&S1];
    assert_eq!(model.rules[&id].0, 0x77);
    assert_eq!(model.rules.len(), 9, "the other one is gone");
}
