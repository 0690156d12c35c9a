//! Groups and meters whose numbers are stated: their order, those of others, and what audits find of them.

use std::time::Duration;

use super::*;

fn lab() -> Lab {
    let mut lab = Lab::default();
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab
}

fn state(lab: &mut Lab) {
    for meter in [stated_meter(1, 100), stated_meter(2, 200)] {
        lab.reconciler.set_meter(S1, meter.key, Some(meter));
    }
    for group in [stated_group(7, GroupType::ALL, &[1, 2]), stated_group(8, GroupType::SELECT, &[1])] {
        lab.reconciler.set_group(S1, group.key, Some(group));
    }
    for rule in [pointing(1, Some(1), Some(7)), pointing(2, None, Some(8)), pointing(3, Some(2), None)] {
        lab.reconciler.set_rule(S1, rule.key, Some(&rule));
    }
}

fn model(lab: &mut Lab) -> &mut Model {
    lab.switches.get_mut(&S1).unwrap()
}

fn audit(lab: &mut Lab) -> AuditReport {
    while lab.reconciler.poll_event().is_some() {}
    assert!(lab.reconciler.request_audit(S1, lab.now()));
    for _ in 0..1_000 {
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
fn meters_come_first_then_groups_then_rules_and_they_go_in_the_opposite_order() {
    for bundles in [BundleUse::Never, BundleUse::Auto, BundleUse::Atomic] {
        let mut lab = lab();
        lab.reconciler.set_bundles(bundles);
        model(&mut lab).takes_bundles = true;
        // The model asserts that no rule points to what is not there.
        state(&mut lab);
        lab.pump();
        lab.assert_equal();
        let firsts: Vec<String> = model(&mut lab).log.iter().map(|line| line[..5].to_owned()).collect();
        assert_eq!(firsts[..4], ["meter", "meter", "group", "group"], "{firsts:?}");
        for a in 1..=3 {
            lab.reconciler.set_rule(S1, key(a), None);
        }
        for id in [7, 8] {
            lab.reconciler.set_group(S1, Key::of_group(Owner::StaticRules, GroupId(id)), None);
        }
        for id in [1, 2] {
            lab.reconciler.set_meter(S1, Key::of_meter(Owner::StaticRules, MeterId(id)), None);
        }
        lab.pump();
        lab.assert_equal();
        assert!(model(&mut lab).meters.is_empty() && model(&mut lab).groups.is_empty());
    }
}

#[test]
fn what_is_there_after_a_restart_is_let_be_and_what_differs_is_changed() {
    let mut lab = lab();
    state(&mut lab);
    lab.pump();
    let mut held = std::mem::take(&mut lab.switches);
    let changed = &mut held.get_mut(&S1).unwrap().meters.get_mut(&MeterId(2)).unwrap();
    changed.bands = vec![MeterBand::Drop { rate: 9, burst_size: 0 }];
    let mut lab = Lab { switches: held, ..Lab::default() };
    lab.connect(S1);
    lab.pump();
    // Stated after it has been read back.
    state(&mut lab);
    lab.pump();
    assert_eq!(lab.reconciler.counters().mods(), 0, "held");
    lab.release_all();
    lab.pump();
    lab.assert_equal();
    let counters = lab.reconciler.counters();
    assert_eq!((counters.flow_mods, counters.group_mods, counters.meter_mods), ([0; 2], [0; 3], [0, 1, 0]));
}

#[test]
fn groups_and_meters_of_others_are_let_be_or_removed_as_is_said() {
    let put = |lab: &mut Lab| {
        let group = GroupMod {
            command: GroupModCommand::ADD,
            group_type: GroupType::ALL,
            group_id: GroupId(99),
            buckets: Vec::new(),
        };
        model(lab).groups.insert(group.group_id, group);
        let Meter { flags, bands, .. } = stated_meter(99, 5);
        let meter = MeterMod { command: MeterModCommand::ADD, flags, meter_id: MeterId(99), bands };
        model(lab).meters.insert(meter.meter_id, meter);
    };
    let mut lab = lab();
    state(&mut lab);
    lab.pump();
    put(&mut lab);
    let report = audit(&mut lab);
    assert_eq!((report.groups, report.meters, report.foreign_groups, report.foreign_meters), (2, 2, 1, 1));
    assert_eq!((report.counts, model(&mut lab).groups.len(), model(&mut lab).meters.len()), ([0; 3], 3, 3));
    // Who states the number takes it over.
    let group = stated_group(99, GroupType::SELECT, &[4]);
    lab.reconciler.set_group(S1, group.key, Some(group));
    let meter = stated_meter(99, 6);
    lab.reconciler.set_meter(S1, meter.key, Some(meter));
    lab.pump();
    lab.assert_equal();
    lab.reconciler.set_group(S1, Key::of_group(Owner::StaticRules, GroupId(99)), None);
    lab.reconciler.set_meter(S1, Key::of_meter(Owner::StaticRules, MeterId(99)), None);
    lab.pump();
    lab.assert_equal();
    let settings = FlowSettings { remove_foreign: true, ..FlowSettings::default() };
    lab.reconciler.handle_settings(settings, lab.now());
    put(&mut lab);
    assert_eq!(audit(&mut lab).counts, [2, 0, 0]);
    lab.pump();
    lab.assert_equal();
    put(&mut lab);
    lab.connect(S1);
    lab.pump();
    lab.release_all();
    lab.pump();
    lab.assert_equal();
}

#[test]
fn meters_and_groups_that_somebody_has_changed_or_removed_come_back() {
    let mut lab = lab();
    state(&mut lab);
    lab.pump();
    model(&mut lab).meters.get_mut(&MeterId(1)).unwrap().bands = vec![MeterBand::Drop { rate: 1, burst_size: 0 }];
    model(&mut lab).groups.remove(&GroupId(8));
    model(&mut lab).rules.remove(&pointing(2, None, Some(8)).id());
    let report = audit(&mut lab);
    assert_eq!(report.counts, [0, 1, 2]);
    let mut told: Vec<String> =
        report.drift.iter().map(|drift| format!("{} {}", drift.kind.name(), drift.words())).collect();
    told.sort();
    assert!(told[0] == "changed meter 1" && told.contains(&"removed group 8".to_owned()), "{told:?}");
    assert!(report.drift.iter().all(|drift| drift.key.is_some()));
    lab.pump();
    lab.assert_equal();
    model(&mut lab).meters.clear();
    model(&mut lab).rules.retain(|_, (_, does)| metered_by(does).is_empty());
    audit(&mut lab);
    lab.pump();
    lab.assert_equal();
}

#[test]
fn a_rule_whose_meter_was_refused_comes_when_the_meter_does() {
    let mut lab = lab();
    model(&mut lab).faults = Some(Box::new(|message| {
        matches!(message, Message::MeterMod(_)).then_some(Fault::Refuse(ErrorCode::METER_MOD_OUT_OF_METERS))
    }));
    state(&mut lab);
    lab.pump();
    assert_eq!(lab.reconciler.counters().refused[RefusalReason::Meter as usize], 2);
    model(&mut lab).faults = Some(Box::new(|_| None));
    for _ in 0..30 {
        lab.now += 2_000;
        lab.reconciler.handle_timeout(lab.now());
        lab.pump();
    }
    lab.assert_equal();
    assert_eq!(lab.reconciler.poll_timeout().map(|(at, _)| at.since(lab.now()) > Duration::ZERO), None);
}

#[test]
fn a_group_that_somebody_deletes_is_back_at_once_with_what_pointed_to_it() {
    let mut lab = lab();
    state(&mut lab);
    let others = [pointing(4, None, Some(7)), pointing(5, None, Some(7))];
    for rule in &others {
        lab.reconciler.set_rule(S1, rule.key, Some(rule));
    }
    lab.pump();
    lab.assert_equal();
    let pointed = [pointing(1, Some(1), Some(7)), others[0].clone(), others[1].clone()];
    let model = model(&mut lab);
    model.groups.remove(&GroupId(7));
    let keys: Vec<u64> = pointed.iter().map(|rule| rule.key.cookie()).collect();
    model.rules.retain(|_, (cookie, _)| !keys.contains(cookie));
    let before = lab.reconciler.counters();
    // The last of them tells after the first have been put back.
    for rule in &pointed[..2] {
        assert!(lab.reconciler.handle_flow_removed(S1, &removed(rule, openflow::FlowRemovedReason::GROUP_DELETE)));
    }
    lab.reconciler.advance(lab.now());
    lab.collect();
    assert!(lab.reconciler.handle_flow_removed(S1, &removed(&pointed[2], openflow::FlowRemovedReason::GROUP_DELETE)));
    lab.pump();
    lab.assert_equal();
    let after = lab.reconciler.counters();
    assert_eq!(after.group_mods[0] - before.group_mods[0], 1, "added once");
    assert_eq!(after.refused, before.refused, "nothing pointed nowhere");
    assert_eq!(after.audits, before.audits);
}

#[test]
fn a_group_that_was_refused_is_nobodys_change() {
    let mut lab = lab();
    state(&mut lab);
    lab.pump();
    model(&mut lab).faults = Some(Box::new(|message| match message {
        Message::GroupMod(_) => Some(Fault::Refuse(ErrorCode::GROUP_MOD_BAD_TYPE)),
        _ => None,
    }));
    let other = stated_group(8, GroupType::FF, &[2]);
    lab.reconciler.set_group(S1, other.key, Some(other));
    lab.pump();
    let report = audit(&mut lab);
    assert_eq!(report.drift, [], "the switch has what it had before it refused");
}

#[test]
fn long_messages_are_sent_as_far_as_a_connection_takes_them() {
    for bundles in [BundleUse::Never, BundleUse::Auto, BundleUse::Atomic] {
        let mut lab = lab();
        lab.reconciler.set_bundles(bundles);
        model(&mut lab).takes_bundles = true;
        for a in 1..600 {
            let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(a));
            let outputs = (1..1_000).map(|port| Action::output(PortNo(port))).collect();
            let does = vec![Instruction::ApplyActions(outputs)];
            lab.reconciler.set_rule(
                S1,
                key(a),
                Some(&Rule::new(key(a), FORWARD, forward::HOST, match_, does).unwrap()),
            );
        }
        lab.reconciler.advance(lab.now());
        let mut longest = 0;
        loop {
            let mut turn = 0;
            while let Some(Transmit { mut frames, .. }) = lab.reconciler.poll_transmit() {
                turn += frames.len();
                while let Some(length) = openflow::frame_length(&frames).unwrap() {
                    let message = Message::decode(&frames.split_to(length)).unwrap();
                    model(&mut lab).inbox.push_back(message);
                }
            }
            longest = longest.max(turn);
            if turn == 0 && model(&mut lab).inbox.is_empty() {
                break;
            }
            let replies: Vec<_> = std::iter::from_fn(|| {
                let model = model(&mut lab);
                (!model.inbox.is_empty()).then(|| model.step())
            })
            .flatten()
            .collect();
            for (xid, reply) in replies {
                let now = lab.now();
                match reply {
                    Message::BarrierReply => drop(lab.reconciler.handle_barrier_reply(S1, xid, now)),
                    Message::BundleControl(control) => drop(lab.reconciler.handle_bundle_reply(S1, xid, &control)),
                    other => panic!("not expected: {other:?}"),
                }
            }
            lab.reconciler.advance(lab.now());
        }
        lab.assert_equal();
        assert!(longest < 1024 * 1024, "{longest} octets at once");
    }
}

/// Keys of groups of which each two have one hash.
fn keys_that_meet(pairs: usize) -> Vec<Key> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for a in 0.. {
        let to = Key { owner: Owner::Forwarding, kind: 2, a, b: 0 };
        if let Some(other) = seen.insert(to.hash() as u32 & 0x00ff_ffff, to) {
            found.extend([other, to]);
        }
        if found.len() >= 2 * pairs {
            break;
        }
    }
    found
}

fn lead(reconciler: &mut Reconciler, at: usize, to: Key) -> GroupId {
    let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(at as u64));
    let rule = |id| {
        let body = FlowBody::apply(&match_, &Action::Group(id)).unwrap();
        Rule { body, ..host_rule(at as u64, 1, 0) }
    };
    let id = reconciler.group_id_at(S1, to, &rule(GroupId::ANY));
    let ports = [1 + at as u32 % 7, 8];
    reconciler.set_group(S1, to, Some(Group { key: to, ..group(0, GroupType::SELECT, &ports) }));
    reconciler.set_rule(S1, key(at as u64), Some(&rule(id)));
    id
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn keys_whose_hashes_meet_have_the_same_numbers_after_a_restart_in_whatever_order_they_are_stated(
        first in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        then in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        gone in 0..8_usize,
    ) {
        let keys = keys_that_meet(4);
        let mut lab = Lab::default();
        lab.connect(S1);
        lab.pump();
        lab.release_all();
        let mut before = BTreeMap::new();
        for at in first {
            before.insert(at, lead(&mut lab.reconciler, at, keys[at]));
        }
        lab.pump();
        // One of them goes before the restart.
        lab.reconciler.set_rule(S1, key(gone as u64), None);
        lab.reconciler.set_group(S1, keys[gone], None);
        lab.pump();
        lab.reconciler = Reconciler::with_seed(7);
        lab.connect(S1);
        lab.pump();
        for at in then.into_iter().filter(|at| *at != gone) {
            prop_assert_eq!(lead(&mut lab.reconciler, at, keys[at]), before[&at]);
        }
        lab.release_all();
        lab.pump();
        lab.assert_equal();
        prop_assert_eq!(lab.reconciler.counters().mods(), 0);
    }
}
