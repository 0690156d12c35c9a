//! Large phases in bundles, and what becomes of one that fails.

use super::*;

fn lab(rules: std::ops::Range<u64>, used_for: BundleUse) -> Lab {
    let mut lab = Lab::default();
    lab.switches.insert(S1, Model { takes_bundles: true, ..Model::default() });
    lab.reconciler.set_bundles(used_for);
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    for a in rules {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
    }
    lab
}

/// Pumps; the requests to commit bundles that went out, and the rules that went out by themselves.
fn pump(lab: &mut Lab) -> (usize, usize) {
    let (mut commits, mut plain) = (0, 0);
    lab.reconciler.advance(lab.now());
    lab.collect();
    while lab.switches.values().any(|model| !model.inbox.is_empty()) {
        for id in lab.switches.keys().copied().collect::<Vec<_>>() {
            match lab.switches[&id].inbox.front() {
                Some((_, Message::BundleControl(control))) => {
                    commits += usize::from(control.control_type == BundleControlType::COMMIT_REQUEST);
                }
                Some((_, Message::FlowMod(_))) => plain += 1,
                _ => {}
            }
            lab.step(id);
        }
        lab.reconciler.advance(lab.now());
        lab.collect();
    }
    (commits, plain)
}

fn full_at(limit: usize) -> Option<Faults> {
    let mut there = 0;
    Some(Box::new(move |message| match message {
        Message::FlowMod(flow_mod) if flow_mod.command == FlowModCommand::ADD => {
            there += 1;
            (there > limit).then_some(Fault::Refuse(ErrorCode::FLOW_MOD_TABLE_FULL))
        }
        _ => None,
    }))
}

/// The switch doesn't take the rules of these keys.
fn refuses(keys: Vec<u64>, code: ErrorCode) -> Option<Faults> {
    Some(Box::new(move |message| match message {
        Message::FlowMod(flow_mod) => {
            let a = flow_mod.match_.eth_dst().map(|address| address.to_u64());
            a.is_some_and(|a| keys.contains(&a)).then_some(Fault::Refuse(code))
        }
        _ => None,
    }))
}

fn refused(lab: &mut Lab) -> Vec<Key> {
    let events = std::iter::from_fn(|| lab.reconciler.poll_event());
    let key = |event| match event {
        FlowEvent::Refused { step, .. } => step.key,
        _ => None,
    };
    events.filter_map(key).collect()
}

#[test]
fn many_rules_go_out_in_bundles_of_two_thousand_and_few_by_themselves() {
    let mut lab = lab(0..10_000, BundleUse::Auto);
    let (commits, plain) = pump(&mut lab);
    assert_eq!((commits, plain), (5, 512), "the first window goes while the switch is asked");
    lab.assert_equal();
    assert_eq!(lab.reconciler.counters().bundles, [5, 0]);
    for a in 0..10 {
        lab.reconciler.set_rule(S1, key(a), None);
    }
    assert_eq!(pump(&mut lab), (0, 10));
    for a in 10..5_000 {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 2, 0)));
    }
    assert_eq!(pump(&mut lab), (3, 0));
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn a_switch_that_takes_none_is_asked_once_and_gets_everything_by_barriers() {
    let mut lab = lab(0..2_000, BundleUse::Auto);
    lab.switches.get_mut(&S1).unwrap().takes_bundles = false;
    assert_eq!(pump(&mut lab), (0, 2_000));
    lab.assert_equal();
    for a in 0..2_000 {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 2, 0)));
    }
    lab.reconciler.advance(lab.now());
    let again = sent(&mut lab.reconciler);
    assert!(again.iter().all(|(_, _, message)| !matches!(message, Message::BundleControl(_))), "asked twice");
}

#[test]
fn a_rule_that_is_refused_when_it_is_added_is_told_and_the_others_are_there() {
    let mut lab = lab(0..2_000, BundleUse::Auto);
    lab.switches.get_mut(&S1).unwrap().faults = refuses(vec![1_500], ErrorCode::MATCH_BAD_FIELD);
    pump(&mut lab);
    assert_eq!(refused(&mut lab), [key(1_500)]);
    assert_eq!(lab.switches[&S1].rules.len(), 1_999);
    lab.switches.get_mut(&S1).unwrap().faults = None;
    lab.reconciler.set_rule(S1, key(1_500), Some(&host_rule(1_500, 7, 0)));
    pump(&mut lab);
    lab.assert_equal();
}

#[test]
fn a_bundle_that_fails_at_its_commit_is_undone_traced_and_its_rules_go_out_one_by_one() {
    let mut lab = lab(0..2_000, BundleUse::Auto);
    // Those of the first window, and of the bundle those that are added, are seen first.
    lab.switches.get_mut(&S1).unwrap().faults = full_at(512 + 1_488 + 300);
    pump(&mut lab);
    let refused = refused(&mut lab);
    assert!(refused.len() > 100, "each has its own error: {}", refused.len());
    assert_eq!(lab.reconciler.counters().bundles[1], 1);
    let installed = lab.reconciler.installed(S1).count();
    assert_eq!(installed, lab.switches[&S1].rules.len(), "what is believed is what is there");
    lab.switches.get_mut(&S1).unwrap().faults = None;
    for _ in 0..40 {
        let Some((at, _)) = lab.reconciler.poll_timeout() else { break };
        lab.now = at.as_nanos() / 1_000_000;
        lab.reconciler.handle_timeout(at);
        pump(&mut lab);
    }
    lab.assert_equal();
}

#[test]
fn deletions_of_a_failed_bundle_are_not_forgotten() {
    let mut lab = lab(0..1_000, BundleUse::Atomic);
    pump(&mut lab);
    lab.assert_equal();
    for a in 0..1_000 {
        lab.reconciler.set_rule(S1, key(a), if a < 500 { None } else { Some(host_rule(a, 3, 0)) }.as_ref());
    }
    let mut commits = 0;
    lab.switches.get_mut(&S1).unwrap().faults = Some(Box::new(move |message| {
        let is_first = matches!(message, Message::FlowMod(flow_mod)
            if flow_mod.match_.eth_dst().is_some_and(|address| address.to_u64() == 999));
        commits += usize::from(is_first);
        // Shown when it is added, and again when it is done.
        (is_first && commits == 2).then_some(Fault::Refuse(ErrorCode::FLOW_MOD_UNKNOWN))
    }));
    pump(&mut lab);
    assert_eq!(refused(&mut lab), [key(999)]);
    assert_eq!(lab.reconciler.counters().bundles[1], 1);
    lab.now = 5_000;
    lab.reconciler.handle_timeout(lab.now());
    pump(&mut lab);
    lab.assert_equal();
}

#[test]
fn a_whole_difference_is_one_bundle_and_nothing_of_it_is_done_without_the_rest() {
    let mut lab = lab(0..1_500, BundleUse::Atomic);
    lab.reconciler.set_group(S1, key(9_999), Some(group(9_999, GroupType::SELECT, &[1])));
    assert_eq!(pump(&mut lab), (1, 0));
    lab.assert_equal();
    for a in 0..1_500 {
        lab.reconciler.set_rule(S1, key(a), if a < 100 { None } else { Some(host_rule(a, 2, 0)) }.as_ref());
    }
    lab.switches.get_mut(&S1).unwrap().faults = refuses(vec![1_400], ErrorCode::ACTION_BAD_TYPE);
    lab.reconciler.advance(lab.now());
    lab.collect();
    let new = host_rule(1, 2, 0).body.instructions();
    let mut seen = std::collections::BTreeSet::new();
    while !lab.switches[&S1].inbox.is_empty() {
        lab.step(S1);
        let model = &lab.switches[&S1];
        let changed = model.rules.values().filter(|(_, does)| *does == new).count();
        seen.insert((model.rules.len(), changed));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(1_400, 1_399), (1_500, 0)]);
    assert_eq!(refused(&mut lab), [key(1_400)]);
    assert_eq!(lab.reconciler.counters().bundles, [2, 1]);
}

#[test]
fn a_bundle_outlives_the_phase_that_it_was_a_part_of() {
    let mut lab = lab(0..3_000, BundleUse::Atomic);
    lab.connect(S2);
    lab.pump();
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 1, 1)));
    for a in 0..3_000 {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 2, 0)));
    }
    lab.reconciler.advance(lab.now());
    lab.collect();
    lab.step(S1);
    let (deadline, _) = lab.reconciler.poll_timeout().unwrap();
    lab.reconciler.handle_timeout(deadline);
    lab.collect();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 9, 0)));
    assert!(!lab.reconciler.is_idle());
    lab.pump();
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn a_switch_that_answers_the_question_with_nothing_takes_none() {
    let mut lab = Lab::default();
    lab.reconciler.set_bundles(BundleUse::Atomic);
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.connect(S1);
    while !lab.reconciler.is_live(S1) {
        lab.step(S1);
    }
    lab.reconciler.advance(lab.now());
    let question = sent(&mut lab.reconciler);
    assert!(!question.iter().any(|(_, _, message)| matches!(message, Message::FlowMod(_))), "it waits for the answer");
    assert!(!lab.reconciler.is_idle());
    let (_, barrier, _) = question.last().unwrap();
    lab.reconciler.handle_barrier_reply(S1, *barrier, lab.now());
    lab.collect();
    pump(&mut lab);
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}
