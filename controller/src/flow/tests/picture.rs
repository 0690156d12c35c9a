//! Pictures of a switch's tables.

use super::*;
use crate::flow::picture::PICTURE_PIECE;

pub(super) fn picture(reconciler: &Reconciler, id: DatapathId) -> (Picture, usize) {
    let mut copying = Copying::new(id);
    let mut pieces = 1;
    let mut before = 0;
    while !reconciler.copy_picture(&mut copying) {
        let now = copying.picture.rules.len() + copying.picture.groups.len();
        assert!(now - before <= PICTURE_PIECE, "a piece is small");
        before = now;
        pieces += 1;
    }
    (copying.finish(), pieces)
}

/// The states of the rules of these keys.
fn states(lab: &Lab) -> Vec<(u64, EntryState)> {
    let (picture, _) = picture(&lab.reconciler, S1);
    let mut states: Vec<_> = picture.rules.iter().map(|rule| (rule.key.map_or(0, |key| key.a), rule.state)).collect();
    states.sort();
    states
}

#[test]
fn a_rule_is_pending_until_a_barrier_confirms_it_and_leaving_until_it_is_gone() {
    let mut lab = Lab::default();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.reconciler.set_group(S1, key(9), Some(group(9, GroupType::SELECT, &[1, 2])));
    assert_eq!(states(&lab), [(1, EntryState::Pending)]);
    assert!(!picture(&lab.reconciler, S1).0.live);
    lab.connect(S1);
    while !lab.reconciler.is_live(S1) {
        lab.step(S1);
    }
    lab.reconciler.advance(lab.now());
    lab.collect();
    let (sent, _) = picture(&lab.reconciler, S1);
    assert!(sent.live && !sent.held);
    assert_eq!(sent.groups[0].state, EntryState::Pending, "sent, and not confirmed");
    lab.pump();
    let (there, _) = picture(&lab.reconciler, S1);
    assert_eq!((there.rules[0].state, there.groups[0].state), (EntryState::Installed, EntryState::Installed));
    assert_eq!(there.groups[0].buckets.len(), 2);
    // Another rule is held back after a restart, and what was there is still there.
    lab.reconciler = Reconciler::new();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 7, 0)));
    lab.connect(S1);
    lab.pump();
    let (held, _) = picture(&lab.reconciler, S1);
    assert!(held.held);
    assert_eq!(held.rules[0].state, EntryState::Pending);
    let there = host_rule(1, 1, 0).body;
    assert_eq!(held.rules[0].other.as_deref(), Some(&there), "what the switch has in its place");
    assert_eq!(held.groups[0].state, EntryState::Leaving);
    lab.reconciler.set_rule(S1, key(1), None);
    let (leaving, _) = picture(&lab.reconciler, S1);
    assert_eq!((leaving.rules[0].state, &leaving.rules[0].body), (EntryState::Leaving, &there));
    lab.release_all();
    lab.pump();
    let (gone, _) = picture(&lab.reconciler, S1);
    assert!(gone.rules.is_empty() && gone.groups.is_empty());
}

#[test]
fn a_refused_rule_says_the_error_and_when_it_is_sent_again() {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    lab.reconciler.set_rule(S1, key(1), Some(&host_rule(1, 1, 0)));
    lab.reconciler.set_rule(S1, key(2), Some(&host_rule(2, 1, 0)));
    lab.reconciler.advance(lab.now());
    let sent = sent(&mut lab.reconciler);
    let [(_, first, _), _, (_, barrier, _)] = sent[..] else { panic!("two flow-mods and a barrier: {sent:?}") };
    let error = ErrorMessage::new(ErrorCode::FLOW_MOD_TABLE_FULL, bytes::Bytes::new());
    assert!(lab.reconciler.handle_error(S1, first, &error, lab.now()));
    lab.reconciler.handle_barrier_reply(S1, barrier, lab.now());
    assert_eq!(states(&lab), [(1, EntryState::Refused), (2, EntryState::Installed)]);
    let (picture, _) = picture(&lab.reconciler, S1);
    let refusal = picture.rules.iter().find_map(|rule| rule.refusal).expect("one is refused");
    let again = Again::At(Time::from_millis(1_000));
    assert_eq!(refusal, Refusal { cause: Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), count: 1, again });
    lab.now += 1_000;
    lab.reconciler.handle_timeout(lab.now());
    lab.collect();
    assert_eq!(states(&lab), [(1, EntryState::Pending), (2, EntryState::Installed)], "it is on its way again");
    lab.pump();
    assert_eq!(states(&lab), [(1, EntryState::Installed), (2, EntryState::Installed)]);
}

#[test]
fn many_rules_are_copied_in_pieces_and_each_once() {
    let mut lab = Lab::default();
    let count = 10 * PICTURE_PIECE as u64 + 7;
    for a in 0..count {
        lab.reconciler.set_rule(S1, key(a), Some(&host_rule(a, 1, 0)));
        lab.reconciler.set_group(S1, key(a), Some(group(a, GroupType::SELECT, &[1])));
    }
    let (picture, pieces) = picture(&lab.reconciler, S1);
    let keys: std::collections::BTreeSet<_> = picture.rules.iter().filter_map(|rule| rule.key).collect();
    assert_eq!((keys.len(), picture.rules.len()), (count as usize, count as usize));
    assert_eq!(picture.groups.len(), count as usize);
    assert!(pieces >= 22, "{pieces}");
}
