//! What a switch refuses: traced to its rule, shown, and tried again where that makes sense.

use super::*;

/// Sends what is due, has the switch answer the flow-mods of these keys with an error and everything else with success; what was sent.
fn answer(lab: &mut Lab, refuse: &[u64], error: ErrorCode) -> Vec<u64> {
    let now = lab.now();
    lab.reconciler.advance(now);
    let mut keys = Vec::new();
    for (id, xid, message) in sent(&mut lab.reconciler) {
        match message {
            Message::FlowMod(flow_mod) => {
                let a = flow_mod.match_.eth_dst().expect("a host's rule").to_u64();
                keys.push(a);
                if refuse.contains(&a) {
                    let error = ErrorMessage::new(error, bytes::Bytes::new());
                    assert!(lab.reconciler.handle_error(id, xid, &error, now));
                }
            }
            Message::BarrierRequest => assert!(lab.reconciler.handle_barrier_reply(id, xid, now)),
            // Whether it takes bundles: it does not say.
            Message::BundleControl(_) => {}
            other => panic!("not expected: {other:?}"),
        }
    }
    keys
}

fn refusals(lab: &mut Lab) -> Vec<(String, Option<Key>, Again)> {
    let events = std::iter::from_fn(|| lab.reconciler.poll_event());
    let refused = |event| match event {
        FlowEvent::Refused { step, again, .. } => Some((step.what, step.key, again)),
        _ => None,
    };
    events.filter_map(refused).collect()
}

fn count_refused(lab: &Lab) -> usize {
    lab.reconciler.sizes().map(|(_, [_, _, _, refused])| refused).sum()
}

fn lab_with(keys: std::ops::Range<u64>) -> Lab {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    for a in keys {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
    }
    lab
}

#[test]
fn a_refused_rule_is_told_in_words_with_its_key() {
    let mut lab = lab_with(1..3);
    answer(&mut lab, &[2], ErrorCode::ACTION_BAD_OUT_PORT);
    let what = format!("flow table={}, priority=1000,dl_dst=00:00:00:00:00:02 actions=output:1", FORWARD.0);
    assert_eq!(refusals(&mut lab), [(what, Some(key(2)), Again::At(Time::from_millis(1_000)))]);
    assert_eq!(lab.reconciler.counters().refused.iter().sum::<u64>(), 1);
    assert_eq!(lab.reconciler.counters().refused[RefusalReason::Action as usize], 1);
    assert_eq!(count_refused(&lab), 1);
    lab.now = 1_000;
    lab.reconciler.handle_timeout(lab.now());
    answer(&mut lab, &[], ErrorCode::ACTION_BAD_OUT_PORT);
    assert_eq!(count_refused(&lab), 0, "taken at last");
}

#[test]
fn a_match_that_a_switch_cannot_is_sent_again_when_the_rule_changes_or_the_switch_connects_and_else_never() {
    let mut lab = lab_with(1..2);
    let bad = ErrorCode::MATCH_BAD_FIELD;
    assert_eq!(answer(&mut lab, &[1], bad), [1]);
    assert!(matches!(refusals(&mut lab)[..], [(_, _, Again::WhenDifferent)]));
    assert_eq!(lab.reconciler.poll_timeout(), None);
    // The same wish, stated again.
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    assert!(answer(&mut lab, &[1], bad).is_empty());
    assert_eq!(count_refused(&lab), 1);
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 2, 0)));
    assert_eq!(answer(&mut lab, &[1], bad), [1], "another rule");
    lab.connect(S1);
    assert_eq!(count_refused(&lab), 0);
    lab.pump();
    lab.assert_equal();
}

#[test]
fn a_refused_rule_that_nobody_wants_any_more_is_forgotten() {
    let mut lab = lab_with(1..2);
    answer(&mut lab, &[1], ErrorCode::MATCH_BAD_FIELD);
    lab.reconciler.set_rule(S1, key(1), None);
    assert_eq!((answer(&mut lab, &[], ErrorCode::MATCH_BAD_FIELD), count_refused(&lab)), (vec![], 0));
}

#[test]
fn a_full_table_is_tried_with_few_rules_and_again_when_one_is_removed() {
    let mut lab = lab_with(0..100);
    let all: Vec<u64> = (0..100).collect();
    assert_eq!(answer(&mut lab, &all[50..], ErrorCode::FLOW_MOD_TABLE_FULL).len(), 100);
    assert_eq!(count_refused(&lab), 50);
    lab.now = 1_000;
    lab.reconciler.handle_timeout(lab.now());
    let tried = answer(&mut lab, &all, ErrorCode::FLOW_MOD_TABLE_FULL);
    assert_eq!(tried.len(), 8, "not all fifty");
    let (next, _) = lab.reconciler.poll_timeout().unwrap();
    assert_eq!(next, Time::from_millis(3_000), "after a longer wait");
    lab.reconciler.release(S1);
    lab.reconciler.set_rule(S1, key(0), None);
    assert_eq!(answer(&mut lab, &[], ErrorCode::FLOW_MOD_TABLE_FULL), [0]);
    let next = answer(&mut lab, &[], ErrorCode::FLOW_MOD_TABLE_FULL);
    assert_eq!(next.len(), 1, "one has gone, one is tried");
    assert_eq!(count_refused(&lab), 49);
    // There is room now.
    for _ in 0..20 {
        let Some((at, _)) = lab.reconciler.poll_timeout() else { break };
        lab.now = at.as_nanos() / 1_000_000;
        lab.reconciler.handle_timeout(at);
        answer(&mut lab, &[], ErrorCode::FLOW_MOD_TABLE_FULL);
    }
    assert_eq!((count_refused(&lab), lab.reconciler.poll_timeout()), (0, None));
}

#[test]
fn rules_that_wait_for_a_refused_group_go_out_when_it_is_there() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    let to = lab.reconciler.group_id(S1, key(7));
    lab.reconciler.set_group(S1, key(7), Some(group(7, GroupType::SELECT, &[1])));
    let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(1));
    let rule = Rule { body: FlowBody::apply(&match_, &Action::Group(to)).unwrap(), ..host_rule(1, 1, 0) };
    lab.reconciler.set_rule(S1, key(1), Some(&rule));
    let now = lab.now();
    lab.reconciler.advance(now);
    let mut asked = 0;
    while asked < 10 && count_refused(&lab) < 2 {
        asked += 1;
        for (id, xid, message) in sent(&mut lab.reconciler) {
            let error = match message {
                Message::GroupMod(_) => ErrorCode::GROUP_MOD_OUT_OF_GROUPS,
                Message::FlowMod(_) => ErrorCode::ACTION_BAD_OUT_GROUP,
                _ => {
                    lab.reconciler.handle_barrier_reply(id, xid, now);
                    continue;
                }
            };
            lab.reconciler.handle_error(id, xid, &ErrorMessage::new(error, bytes::Bytes::new()), now);
        }
    }
    assert_eq!(count_refused(&lab), 2);
    let group = refusals(&mut lab);
    assert_eq!((group[0].1, group[1].1), (Some(key(7)), Some(key(1))));
    lab.now = 1_000;
    lab.reconciler.handle_timeout(lab.now());
    lab.pump();
    lab.assert_equal();
    assert_eq!(count_refused(&lab), 0);
}
