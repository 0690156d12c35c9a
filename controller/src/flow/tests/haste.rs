//! Phases of changes that have time, of those that have not, and of those that others overtake.

use super::*;

const S3: DatapathId = DatapathId(3);

/// Two switches that know the way to a host, and are told another one: the phase of the nearer one is confirmed.
fn changed(unhurried: bool) -> Lab {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.connect(S2);
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 1)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 5, 0)));
    lab.pump();
    lab.assert_equal();
    if unhurried {
        lab.reconciler.take_time();
    }
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 2, 1)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 6, 0)));
    lab.deliver();
    lab
}

#[test]
fn a_change_that_mends_nothing_gives_switches_time_to_follow_between_two_phases() {
    let mut lab = changed(true);
    assert!(lab.switches[&S1].inbox.is_empty());
    assert!(!lab.reconciler.is_idle(), "it is not done");
    let (follows, why) = lab.reconciler.poll_timeout().unwrap();
    assert_eq!(why, "next phase");
    lab.reconciler.handle_timeout(Time::from_nanos(follows.as_nanos() - 1));
    lab.collect();
    assert!(lab.switches[&S1].inbox.is_empty(), "not a moment earlier");
    lab.reconciler.handle_timeout(follows);
    lab.collect();
    assert!(!lab.switches[&S1].inbox.is_empty());
    lab.pump();
    lab.assert_equal();
    assert_eq!(lab.reconciler.poll_timeout(), None, "nothing comes behind the last phase");
}

#[test]
fn a_change_that_mends_something_does_not_wait() {
    let lab = changed(false);
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn whoever_waits_goes_on_at_once_when_something_breaks() {
    let mut lab = changed(true);
    assert!(!lab.reconciler.is_idle());
    lab.reconciler.hurry();
    lab.deliver();
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn the_next_change_does_not_wait_because_the_last_one_had_time() {
    let mut lab = changed(true);
    let (follows, _) = lab.reconciler.poll_timeout().unwrap();
    lab.reconciler.handle_timeout(follows);
    lab.pump();
    lab.assert_equal();
    lab.reconciler.hurry();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 3, 1)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 7, 0)));
    lab.reconciler.advance(lab.now());
    lab.deliver();
    lab.assert_equal();
}

#[test]
fn a_link_that_is_back_does_not_slow_down_what_mends_another_one() {
    let mut lab = changed(true);
    lab.reconciler.hurry();
    lab.reconciler.take_time();
    lab.deliver();
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn a_flood_port_is_gone_everywhere_in_what_forwards_too_before_one_is_added_anywhere() {
    let mut lab = Lab::default();
    for id in [S1, S2] {
        lab.reconciler.set_group(id, key(1), Some(group(1, GroupType::ALL, &[1, 2])));
        lab.connect(id);
    }
    lab.pump();
    lab.assert_equal();
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::ALL, &[1])));
    lab.reconciler.set_group(S2, key(1), Some(group(1, GroupType::ALL, &[1, 2, 3])));
    lab.reconciler.advance(lab.now());
    lab.collect();
    assert!(lab.switches[&S2].inbox.is_empty(), "the addition waits for the removal's barrier");
    lab.deliver();
    assert!(lab.switches[&S2].inbox.is_empty() && !lab.reconciler.is_idle(), "and for what forwards");
    let (follows, _) = lab.reconciler.poll_timeout().unwrap();
    lab.reconciler.handle_timeout(follows);
    lab.collect();
    assert!(!lab.switches[&S2].inbox.is_empty());
    lab.pump();
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

/// S1 leads to the host by port 1, S2 by S1. Then S2 is to lead to it by S3; when S3 knows, S2 is to lead there by S1 again, by which way S1
/// has another port.
fn overtaken(lab: &mut Lab) {
    for id in [S1, S2, S3] {
        lab.connect(id);
    }
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 2, 2)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 9, 0)));
    lab.pump();
    lab.assert_equal();
    lab.reconciler.set_rule(S3, key(1), Some(&host_rule(1, 9, 0)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 3, 1)));
    lab.reconciler.advance(lab.now());
    lab.collect();
    assert!(!lab.switches[&S3].inbox.is_empty() && lab.switches[&S2].inbox.is_empty());
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 9, 0)));
    lab.reconciler.set_rule(S2, key(1), Some(&host_rule(1, 1, 1)));
}

#[test]
fn what_is_overtaken_comes_in_the_order_of_the_change_that_overtakes_it() {
    let mut lab = Lab::default();
    overtaken(&mut lab);
    lab.reconciler.advance(lab.now());
    lab.collect();
    while !lab.switches[&S3].inbox.is_empty() {
        assert!(lab.switches[&S1].inbox.is_empty() && lab.switches[&S2].inbox.is_empty(), "what is out is waited for");
        lab.step(S3);
    }
    assert!(lab.switches[&S2].inbox.is_empty(), "S1 still leads to S2");
    assert!(!lab.switches[&S1].inbox.is_empty());
    assert_eq!(lab.reconciler.counters().rollouts_overtaken, 1);
    while !lab.switches[&S1].inbox.is_empty() {
        assert!(lab.switches[&S2].inbox.is_empty());
        lab.step(S1);
    }
    assert!(!lab.switches[&S2].inbox.is_empty());
    lab.pump();
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn a_port_of_a_flood_tree_that_is_planned_waits_for_what_goes_since() {
    let mut lab = Lab::default();
    for id in [S1, S2, S3] {
        lab.connect(id);
        lab.reconciler.set_group(id, key(1), Some(group(1, GroupType::ALL, &[1, 2])));
    }
    lab.pump();
    lab.assert_equal();
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::ALL, &[1])));
    lab.reconciler.set_group(S2, key(1), Some(group(1, GroupType::ALL, &[1, 2, 3])));
    lab.reconciler.advance(lab.now());
    lab.collect();
    assert!(!lab.switches[&S1].inbox.is_empty() && lab.switches[&S2].inbox.is_empty());
    // S3 is to lose one, and S2 to get yet another, which closes a circle as long as S3 has not.
    lab.reconciler.set_group(S3, key(1), Some(group(1, GroupType::ALL, &[1])));
    lab.reconciler.set_group(S2, key(1), Some(group(1, GroupType::ALL, &[1, 2, 4])));
    lab.deliver();
    let (follows, _) = lab.reconciler.poll_timeout().unwrap();
    lab.reconciler.handle_timeout(follows);
    lab.collect();
    assert!(!lab.switches[&S3].inbox.is_empty(), "what goes");
    assert!(lab.switches[&S2].inbox.is_empty(), "and then what comes");
    lab.pump();
    lab.assert_equal();
    assert!(lab.reconciler.is_idle());
}

#[test]
fn a_part_of_a_flood_group_goes_out_while_the_rest_is_held_back() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::ALL, &[1, 2])));
    lab.pump();
    lab.release_all();
    lab.pump();
    lab.assert_equal();
    lab.reconciler.hold_flood(true);
    lab.reconciler.set_group(S1, key(1), Some(group(1, GroupType::ALL, &[1, 3])));
    lab.pump();
    let held: Vec<usize> = lab.switches[&S1].groups.values().map(|group| group.buckets.len()).collect();
    assert_eq!((held, lab.reconciler.counters().rollouts_overtaken), (vec![1], 0), "what goes, and no more");
    lab.reconciler.hold_flood(false);
    lab.pump();
    lab.assert_equal();
}
