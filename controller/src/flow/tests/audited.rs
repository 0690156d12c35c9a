//! What audits find, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use super::*;

fn lab(rules: u64, settings: FlowSettings) -> Lab {
    let mut lab = Lab::default();
    lab.reconciler.handle_settings(settings, lab.now());
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    for a in 0..rules {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
    }
    lab.reconciler.set_group(S1, key(7), Some(group(7, GroupType::SELECT, &[1, 2])));
    lab.pump();
    lab.assert_equal();
    while lab.reconciler.poll_event().is_some() {}
    lab
}

/// Lets time pass until a switch's audit is over.
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

fn model(lab: &mut Lab) -> &mut Model {
    lab.switches.get_mut(&S1).unwrap()
}

fn foreign(port: u32) -> Rule {
    Rule::new(key(900), FORWARD, 5, Match::new().with_in_port(PortNo(port)), vec![]).unwrap()
}

#[test]
fn an_audit_of_what_is_right_finds_nothing_and_sends_nothing() {
    let mut lab = lab(5_000, FlowSettings::default());
    let before = lab.reconciler.counters();
    let report = audit(&mut lab);
    assert_eq!((report.rules, report.groups, report.counts, report.cut_short), (5_000, 1, [0; 3], None));
    assert_eq!(lab.reconciler.counters().mods(), before.mods());
    assert_eq!(lab.reconciler.counters().audits, 1);
}

#[test]
fn what_somebody_has_added_changed_and_removed_is_told_with_its_key_and_put_right() {
    let mut lab = lab(100, FlowSettings::default());
    let changed = host_rule(3, 1, 0).id();
    model(&mut lab).rules.get_mut(&changed).unwrap().1 = host_rule(3, 9, 0).body.instructions();
    model(&mut lab).rules.remove(&host_rule(4, 1, 0).id()).unwrap();
    let stray = host_rule(777, 1, 0);
    let cookie = stray.key.cookie();
    model(&mut lab).rules.insert(stray.id(), (cookie, stray.body.instructions()));
    let report = audit(&mut lab);
    assert_eq!(report.counts, [1, 1, 1]);
    let mut told: Vec<_> = report.drift.iter().map(|drift| (drift.kind, drift.key, drift.repaired)).collect();
    told.sort();
    let told_expected = [
        (DriftKind::Added, None, true),
        (DriftKind::Changed, Some(key(3)), true),
        (DriftKind::Removed, Some(key(4)), true),
    ];
    assert_eq!(told, told_expected);
    let words: Vec<String> = report.drift.iter().map(Drift::words).collect();
    assert!(words.iter().any(|words| words.ends_with("actions=output:1; found actions=output:9")), "{words:?}");
    lab.pump();
    lab.assert_equal();
    assert_eq!(audit(&mut lab).counts, [0; 3], "once");
}

#[test]
fn a_rule_that_somebody_has_written_over_with_a_cookie_of_his_own_is_ours_all_the_same() {
    let mut lab = lab(10, FlowSettings::default());
    model(&mut lab).rules.get_mut(&host_rule(3, 1, 0).id()).unwrap().0 = 0;
    assert_eq!(audit(&mut lab).counts, [0, 1, 0]);
    lab.pump();
    lab.assert_equal();
}

#[test]
fn groups_are_audited_too() {
    let mut lab = lab(1, FlowSettings::default());
    let id = *model(&mut lab).groups.keys().next().unwrap();
    model(&mut lab).groups.get_mut(&id).unwrap().buckets.truncate(1);
    assert_eq!(audit(&mut lab).counts, [0, 1, 0]);
    lab.pump();
    lab.assert_equal();
    model(&mut lab).groups.clear();
    let report = audit(&mut lab);
    assert_eq!((report.counts, report.drift[0].key), ([0, 0, 1], Some(key(7))));
    lab.pump();
    lab.assert_equal();
    let stray = GroupMod { group_id: GroupId(0x5400_0001), ..model(&mut lab).groups[&id].clone() };
    model(&mut lab).groups.insert(stray.group_id, stray);
    assert_eq!(audit(&mut lab).counts, [1, 0, 0]);
    lab.pump();
    lab.assert_equal();
}

#[test]
fn rules_of_others_are_let_be_or_removed_as_is_said_and_exceptions_are_let_be_always() {
    let mut lab = lab(10, FlowSettings::default());
    let put = |lab: &mut Lab| {
        for port in [1, 2, 3] {
            model(lab).rules.insert(foreign(port).id(), (u64::from(port), Vec::new()));
        }
    };
    put(&mut lab);
    let report = audit(&mut lab);
    assert_eq!((report.foreign, report.counts), (3, [0; 3]));
    assert_eq!(model(&mut lab).rules.len(), 13);
    let exceptions = [
        FlowException { cookies: Some(1..=1), ..FlowException::default() },
        FlowException { match_: Match::new().with_in_port(PortNo(2)), priority: Some(5), ..FlowException::default() },
    ];
    let settings = FlowSettings { remove_foreign: true, exceptions: Arc::new(exceptions), ..FlowSettings::default() };
    lab.reconciler.handle_settings(settings, lab.now());
    let report = audit(&mut lab);
    assert_eq!((report.foreign, report.excepted, report.counts), (3, 2, [1, 0, 0]));
    lab.pump();
    let left: Vec<u64> = model(&mut lab).rules.values().map(|(cookie, _)| *cookie).filter(|c| *c < 9).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    // The same at a connect.
    put(&mut lab);
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    assert_eq!(model(&mut lab).rules.len(), 12);
}

#[test]
fn an_excepted_rule_is_not_put_back_by_an_audit() {
    let exceptions = Arc::new([FlowException { table: Some(FORWARD), ..FlowException::default() }]);
    let mut lab = lab(10, FlowSettings { exceptions, ..FlowSettings::default() });
    model(&mut lab).rules.remove(&host_rule(3, 1, 0).id());
    let report = audit(&mut lab);
    assert_eq!((report.excepted, report.counts), (1, [0; 3]));
}

#[test]
fn what_changes_while_an_audit_is_under_way_is_no_drift() {
    let mut lab = lab(4_000, FlowSettings::default());
    assert!(lab.reconciler.request_audit(S1, lab.now()));
    lab.reconciler.handle_timeout(lab.now());
    lab.collect();
    let mut asked = 0;
    let report = loop {
        // A rule goes, one changes and one comes between any two messages.
        asked += 1;
        let a = asked % 4_000;
        lab.reconciler.set_rule(S1, key(a), None);
        lab.reconciler.set_rule(S1, key(a + 1), Some(&host_rule(a + 1, 5, 0)));
        lab.reconciler.set_rule(S1, key(a + 9_000), Some(&host_rule(a + 9_000, 5, 0)));
        lab.reconciler.set_group(S1, key(7), Some(group(7, GroupType::SELECT, &[1 + (asked % 5) as u32])));
        lab.reconciler.advance(lab.now());
        lab.collect();
        lab.step(S1);
        lab.now += 1;
        lab.reconciler.handle_timeout(lab.now());
        lab.collect();
        let report = std::iter::from_fn(|| lab.reconciler.poll_event()).find_map(|event| match event {
            FlowEvent::Audited { report } => Some(report),
            _ => None,
        });
        if let Some(report) = report {
            break report;
        }
        assert!(asked < 10_000);
    };
    assert_eq!((report.counts, report.cut_short), ([0; 3], None), "{:?}", report.drift);
    lab.pump();
    lab.assert_equal();
}

#[test]
fn audits_come_by_themselves_and_not_all_at_once() {
    let interval = Duration::from_secs(300);
    let mut lab = Lab::default();
    lab.reconciler.handle_settings(FlowSettings { audit_interval: interval, ..FlowSettings::default() }, lab.now());
    for id in 1..=20 {
        lab.connect(DatapathId(id));
    }
    lab.pump();
    let mut ended = BTreeMap::new();
    while lab.now < 900_000 {
        let Some((at, _)) = lab.reconciler.poll_timeout() else { panic!("nothing is planned") };
        lab.now = at.as_nanos().div_ceil(1_000_000);
        lab.reconciler.handle_timeout(lab.now());
        lab.pump();
        while let Some(event) = lab.reconciler.poll_event() {
            if let FlowEvent::Audited { report } = event {
                ended.entry(report.datapath_id).or_insert_with(Vec::new).push(report.ended);
            }
        }
    }
    assert_eq!(ended.len(), 20);
    assert!(ended.values().all(|times| times.len() >= 2 && times.len() <= 4), "{ended:?}");
    let first: std::collections::BTreeSet<Time> = ended.values().map(|times| times[0]).collect();
    assert!(first.len() > 10, "{first:?}");
}

#[test]
fn an_audit_ends_with_the_connection_and_when_the_switch_does_not_answer() {
    let mut lab = lab(10, FlowSettings::default());
    lab.reconciler.request_audit(S1, lab.now());
    lab.reconciler.handle_timeout(lab.now());
    lab.now += 30_000;
    lab.reconciler.handle_timeout(lab.now());
    let report = |lab: &mut Lab| {
        std::iter::from_fn(|| lab.reconciler.poll_event()).find_map(|event| match event {
            FlowEvent::Audited { report } => report.cut_short,
            _ => None,
        })
    };
    assert_eq!(report(&mut lab), Some("the switch did not answer in time"));
    lab.reconciler.request_audit(S1, lab.now());
    lab.reconciler.handle_timeout(lab.now());
    lab.reconciler.handle_disconnected(S1, lab.now());
    assert_eq!(report(&mut lab), Some("the switch's connection has ended"));
    assert!(!lab.reconciler.request_audit(S1, lab.now()));
    assert_eq!(lab.reconciler.poll_timeout(), None);
}

#[test]
fn a_change_that_a_switch_has_refused_is_nobodys_drift() {
    let mut lab = lab(10, FlowSettings::default());
    model(&mut lab).faults = Some(Box::new(|message| {
        matches!(message, Message::FlowMod(_)).then_some(Fault::Refuse(ErrorCode::ACTION_BAD_TYPE))
    }));
    lab.reconciler.set_rule(S1, key(3), Some(&host_rule(3, 9, 0)));
    lab.pump();
    assert_eq!(audit(&mut lab).counts, [0; 3]);
    model(&mut lab).faults = None;
    lab.reconciler.set_rule(S1, key(3), Some(&host_rule(3, 8, 0)));
    lab.pump();
    lab.assert_equal();
}

#[test]
fn a_deletion_that_a_switch_has_refused_is_tried_again() {
    let mut lab = lab(10, FlowSettings::default());
    model(&mut lab).faults = Some(Box::new(|_| Some(Fault::Refuse(ErrorCode::FLOW_MOD_EPERM))));
    lab.reconciler.set_rule(S1, key(3), None);
    lab.reconciler.set_group(S1, key(7), None);
    lab.pump();
    let refused = |lab: &Lab| lab.reconciler.sizes().map(|(_, sizes)| sizes[3]).sum::<usize>();
    assert_eq!((refused(&lab), model(&mut lab).rules.len()), (2, 10));
    model(&mut lab).faults = None;
    lab.now += 1_000;
    lab.reconciler.handle_timeout(lab.now());
    lab.pump();
    lab.assert_equal();
    assert_eq!((refused(&lab), lab.reconciler.poll_timeout()), (0, None));
}

#[test]
fn who_waits_for_its_turn_and_goes_is_told_of_and_the_others_have_theirs() {
    let mut lab = Lab::default();
    for id in 1..=10 {
        lab.connect(DatapathId(id));
    }
    lab.pump();
    (1..=10).for_each(|id| assert!(lab.reconciler.request_audit(DatapathId(id), Time::ZERO)));
    lab.reconciler.handle_timeout(lab.now());
    lab.collect();
    let other = FlowSettings { audit_interval: Duration::from_secs(60), ..FlowSettings::default() };
    lab.reconciler.handle_settings(other, lab.now());
    lab.reconciler.handle_disconnected(DatapathId(9), lab.now());
    lab.switches.remove(&DatapathId(9));
    let mut ended = BTreeMap::new();
    for _ in 0..1_000 {
        lab.pump();
        while let Some(event) = lab.reconciler.poll_event() {
            if let FlowEvent::Audited { report } = event {
                ended.insert(report.datapath_id.0, report.cut_short.is_some());
            }
        }
        lab.now += 1;
        lab.reconciler.handle_timeout(lab.now());
    }
    assert_eq!(ended.len(), 10, "{ended:?}");
    assert!(ended.iter().all(|(id, cut)| *cut == (*id == 9)), "{ended:?}");
}

#[test]
fn groups_in_an_open_bundle_are_not_judged() {
    let settings = FlowSettings { bundles: BundleUse::Atomic, ..FlowSettings::default() };
    let mut lab = lab(10, settings);
    model(&mut lab).takes_bundles = true;
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    for a in 100..110 {
        lab.reconciler.set_group(S1, key(a), Some(group(a, GroupType::SELECT, &[1])));
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
    }
    lab.reconciler.advance(lab.now());
    lab.collect();
    // The bundle is open when the audit begins.
    assert!(lab.reconciler.request_audit(S1, lab.now()));
    lab.reconciler.handle_timeout(lab.now());
    lab.collect();
    let report = audit(&mut lab);
    assert_eq!(report.counts, [0; 3], "{:?}", report.drift);
    lab.pump();
    lab.assert_equal();
}
