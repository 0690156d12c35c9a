mod paths;

use super::*;
use crate::wire::{Asn, RouterId};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(super) fn config() -> RibConfig {
    RibConfig {
        import: ImportOptions::new(Asn(65000), RouterId::from_u32(0x0a00_0001)),
        decision: DecisionOptions::default(),
        default_local_pref: DEFAULT_LOCAL_PREF,
        seed: 1,
    }
}

pub(super) fn source(number: u8) -> Source {
    Source {
        kind: SourceKind::External,
        asn: Asn(65000 + u32::from(number)),
        router_id: RouterId::from_u32(u32::from(number)),
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))),
        local_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254))),
        import: Policy::Accept,
        enforce_first_as: true,
        confederation: false,
        client: false,
        rules: ImportRules::default(),
    }
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn announce(
    family: Family,
    prefixes: &[Prefix],
    path: &[u32],
    med: Option<u32>,
    next_hop: IpAddr,
) -> RouteUpdate {
    let path: Vec<Asn> = path.iter().copied().map(Asn).collect();
    RouteUpdate {
        family,
        withdrawn: Vec::new(),
        announced: Some(Announcement {
            nlri: prefixes.iter().copied().map(Nlri::new).collect(),
            attributes: Arc::new(PathAttributes { med, ..PathAttributes::new(Origin::Igp, AsPath::sequence(&path)) }),
            next_hop: next_hop.into(),
        }),
    }
}

pub(super) fn withdraw(family: Family, prefixes: &[Prefix]) -> RouteUpdate {
    RouteUpdate { family, withdrawn: prefixes.iter().copied().map(Nlri::new).collect(), announced: None }
}

pub(super) const V4: Family = Family::IPV4_UNICAST;
pub(super) const NEXT_HOP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));

#[test]
fn the_shorter_path_wins_and_why_says_at_which_step_the_other_lost() {
    let mut rib = Rib::new(config());
    let (first, second) = (rib.add_source(source(1)), rib.add_source(source(2)));
    let p = prefix("198.51.100.0/24");
    rib.handle_routes(first, &announce(V4, &[p], &[65001, 7], None, NEXT_HOP), Time::ZERO);
    rib.handle_routes(second, &announce(V4, &[p], &[65002], None, NEXT_HOP), Time::ZERO);
    let looped = rib.add_source(source(3));
    rib.handle_routes(looped, &announce(V4, &[p], &[65003, 65000], None, NEXT_HOP), Time::ZERO);
    let why = rib.why(p);
    assert_eq!(
        why.iter().map(|e| (e.route.source, e.verdict)).collect::<Vec<_>>(),
        [
            (second, Verdict::Best),
            (first, Verdict::Lost(Step::AsPathLength)),
            (looped, Verdict::Ineligible(Ineligible::OwnAsInPath)),
        ]
    );
    assert_eq!(rib.source_counts(looped, V4), SourceCounts { received: 1, accepted: 0 });
    rib.remove_source(second);
    assert_eq!(rib.best(p).map(|route| route.source), Some(first));
}

#[test]
fn a_change_of_import_policy_is_judged_from_what_was_received() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(Source { import: Policy::Unset, ..source(1) });
    let p = prefix("198.51.100.0/24");
    rib.handle_routes(peer, &announce(V4, &[p], &[65001], None, NEXT_HOP), Time::ZERO);
    assert_eq!(rib.best(p), None);
    assert_eq!(rib.why(p).first().map(|e| e.verdict), Some(Verdict::Ineligible(Ineligible::NoPolicy)));
    rib.handle_import_policy(peer, Policy::Accept);
    assert!(rib.best(p).is_some());
    assert_eq!(rib.source_counts(peer, V4), SourceCounts { received: 1, accepted: 1 });
    rib.handle_import_policy(peer, Policy::Reject);
    assert_eq!(rib.best(p), None);
    assert_eq!(rib.counts(V4), FamilyCounts { prefixes: 1, best: 0, paths: 1, attribute_sets: 1, logged: 0 });
}

#[test]
fn routes_with_one_attribute_set_cost_one_evaluation_of_policy() {
    let mut rib = Rib::new(config());
    let policy = crate::policy::tests::reject_below_and_mark("10.0.0.0/8 ge 25");
    let peer = rib.add_source(Source { import: policy.clone(), ..source(1) });
    let prefixes: Vec<Prefix> = (0..100)
        .map(|number| Prefix::new(IpAddr::V4(Ipv4Addr::new(10, 0, number, 0)), 24 + u8::from(number % 4 == 0)).unwrap())
        .collect();
    rib.handle_routes(peer, &announce(V4, &prefixes, &[65001], None, NEXT_HOP), Time::ZERO);
    assert_eq!(rib.policy_evaluations(), 1);
    assert_eq!(rib.source_counts(peer, V4), SourceCounts { received: 100, accepted: 75 });
    // As received, and as marked.
    assert_eq!(rib.counts(V4).attribute_sets, 2);
    rib.handle_import_policy(peer, policy);
    assert_eq!(rib.policy_evaluations(), 2, "all of them again, and one set still");
    assert_eq!(rib.counts(V4).attribute_sets, 2);
    rib.handle_import_policy(peer, Policy::Accept);
    assert_eq!(rib.source_counts(peer, V4), SourceCounts { received: 100, accepted: 100 });
    assert_eq!(rib.counts(V4).attribute_sets, 1);
    rib.remove_source(peer);
    assert_eq!(rib.counts(V4), FamilyCounts::default());
}

#[test]
fn originated_routes_win_and_leave() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let p = prefix("2001:db8::/32");
    let v6 = Family::IPV6_UNICAST;
    rib.handle_routes(peer, &announce(v6, &[p], &[65001], None, "2001:db8::1".parse().unwrap()), Time::ZERO);
    rib.originate(p, Time::ZERO);
    assert_eq!(rib.best(p).map(|route| route.kind), Some(SourceKind::Local));
    rib.withdraw_originated(p);
    assert_eq!(rib.best(p).map(|route| route.source), Some(peer));
    rib.handle_routes(peer, &withdraw(v6, &[p]), Time::ZERO);
    assert_eq!(rib.counts(v6), FamilyCounts::default());
}

#[test]
fn a_refresh_drops_what_was_not_sent_again() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let (kept, gone) = (prefix("198.51.100.0/24"), prefix("203.0.113.0/24"));
    rib.handle_routes(peer, &announce(V4, &[kept, gone], &[65001], None, NEXT_HOP), Time::ZERO);
    rib.handle_refresh_begin(peer, V4);
    rib.handle_routes(peer, &announce(V4, &[kept], &[65001], None, NEXT_HOP), Time::from_secs(9));
    rib.handle_refresh_end(peer, V4);
    assert_eq!(rib.best(gone), None);
    // The same route again keeps its age.
    assert_eq!(rib.best(kept).map(|route| route.learned), Some(Time::ZERO));
}

#[test]
fn the_same_route_again_is_no_change_to_a_follower() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let p = prefix("198.51.100.0/24");
    let update = announce(V4, &[p], &[65001], None, NEXT_HOP);
    let mut follower = rib.follow(V4);
    rib.handle_routes(peer, &update, Time::ZERO);
    assert_eq!(rib.changes(&mut follower, 10).len(), 1);
    rib.handle_routes(peer, &update, Time::from_secs(1));
    assert!(rib.changes(&mut follower, 10).is_empty());
    rib.handle_routes(peer, &withdraw(V4, &[p]), Time::from_secs(2));
    assert_eq!(rib.counts(V4).prefixes, 1, "the id stays until the follower knows");
    assert_eq!(rib.changes(&mut follower, 10), [Change { prefix: p, best: None }]);
    assert_eq!(rib.counts(V4), FamilyCounts::default());
}

#[test]
fn a_route_that_came_and_went_between_two_reads_is_not_mentioned() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let p = prefix("198.51.100.0/24");
    let mut follower = rib.follow(V4);
    rib.handle_routes(peer, &announce(V4, &[p], &[65001], None, NEXT_HOP), Time::ZERO);
    rib.handle_routes(peer, &withdraw(V4, &[p]), Time::ZERO);
    assert!(rib.changes(&mut follower, 10).is_empty());
    assert_eq!(rib.counts(V4), FamilyCounts::default());
}

#[test]
fn pages_walk_the_whole_table_in_order() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let prefixes: Vec<Prefix> = (0..25).map(|n| prefix(&format!("10.{n}.0.0/16"))).collect();
    rib.handle_routes(peer, &announce(V4, &prefixes, &[65001], None, NEXT_HOP), Time::ZERO);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = rib.loc_rib(V4, after, 10);
        assert!(page.routes.len() <= 10);
        seen.extend(page.routes.iter().map(|route| route.prefix));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, prefixes);
    assert_eq!(rib.adj_rib_in(peer, V4, None, 100).routes.len(), 25);
    assert_eq!(rib.paths(V4, None, 100).routes.len(), 25);
}

#[test]
fn paths_that_stand_level_are_used_side_by_side_and_followers_hear_of_each() {
    let multipath = |ebgp, relaxed| Multipath { ebgp, ibgp: 1, relaxed };
    let hop = |number: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, number));
    let rib_with = |multipath| {
        Rib::new(RibConfig { decision: DecisionOptions { multipath, ..DecisionOptions::default() }, ..config() })
    };
    let p = prefix("198.51.100.0/24");
    for (multipath, expected) in [
        (Multipath::default(), &[][..]),
        (multipath(2, true), &[2][..]),
        (multipath(8, true), &[2, 3][..]),
        // The AS_PATHs of different neighbouring ASes are not the same.
        (multipath(8, false), &[][..]),
    ] {
        let mut rib = rib_with(multipath);
        let sources: Vec<SourceId> = (1..=5).map(|number| rib.add_source(source(number))).collect();
        for (number, path) in [(1, &[65001, 7][..]), (2, &[65002, 7]), (3, &[65003, 7]), (4, &[65004, 6, 7])] {
            let update = announce(V4, &[p], path, None, hop(number));
            rib.handle_routes(sources[usize::from(number) - 1], &update, Time::ZERO);
        }
        // The same next hop again is no further one.
        rib.handle_routes(sources[4], &announce(V4, &[p], &[65005, 7], None, hop(1)), Time::ZERO);
        let best = rib.best(p).unwrap();
        let wanted: Vec<crate::wire::NextHop> = expected.iter().map(|number| hop(*number).into()).collect();
        assert_eq!((best.source, &best.further_next_hops), (sources[0], &wanted), "{multipath:?}");
        let used: Vec<SourceId> =
            rib.why(p).into_iter().filter(|path| path.multipath).map(|path| path.route.source).collect();
        assert_eq!(used, expected.iter().map(|number| sources[usize::from(*number) - 1]).collect::<Vec<_>>());
    }
    let mut rib = rib_with(multipath(8, true));
    let (first, second) = (rib.add_source(source(1)), rib.add_source(source(2)));
    let mut follower = rib.follow(V4);
    rib.handle_routes(first, &announce(V4, &[p], &[65001], None, hop(1)), Time::ZERO);
    assert_eq!(rib.changes(&mut follower, 10).len(), 1);
    rib.handle_routes(second, &announce(V4, &[p], &[65002], None, hop(2)), Time::ZERO);
    let changes = rib.changes(&mut follower, 10);
    let told = changes.first().and_then(|change| change.best.as_ref()).unwrap();
    assert_eq!((told.source, told.further_next_hops.len()), (first, 1));
    rib.handle_routes(second, &withdraw(V4, &[p]), Time::ZERO);
    let changes = rib.changes(&mut follower, 10);
    assert!(changes.first().and_then(|change| change.best.as_ref()).unwrap().further_next_hops.is_empty());
    assert!(rib.changes(&mut follower, 10).is_empty());
    // Among routes of one neighbouring AS the paths are the same, and MED has its say first.
    let mut rib = rib_with(multipath(8, false));
    let twins: Vec<SourceId> =
        (1..=3).map(|number| rib.add_source(Source { asn: Asn(65001), ..source(number) })).collect();
    for (number, med) in [(1, None), (2, None), (3, Some(9))] {
        let update = announce(V4, &[p], &[65001], med, hop(number));
        rib.handle_routes(twins[usize::from(number) - 1], &update, Time::ZERO);
    }
    assert_eq!(rib.best(p).unwrap().further_next_hops, [hop(2).into()]);
}

#[test]
fn the_way_to_the_next_hop_decides_and_a_next_hop_without_one_leaves_a_path_out() {
    let mut rib = Rib::new(config());
    let hop = |number: u8| IpAddr::V4(Ipv4Addr::new(10, 0, number, 1));
    let sources: Vec<SourceId> = (1..=2)
        .map(|number| rib.add_source(Source { kind: SourceKind::Internal, asn: Asn(65000), ..source(number) }))
        .collect();
    let p = prefix("198.51.100.0/24");
    let all: Vec<Prefix> = (0..100).map(numbered).chain([p]).collect();
    for (source, number) in sources.iter().zip(1..) {
        rib.handle_routes(*source, &announce(V4, &all, &[7], None, hop(number)), Time::ZERO);
    }
    let mut follower = rib.follow(V4);
    while !rib.changes(&mut follower, 1000).is_empty() {}
    let settle = |rib: &mut Rib| {
        let mut slices = 1;
        while rib.resolve_next_hops(40) {
            slices += 1;
        }
        slices
    };
    assert_eq!(rib.best(p).map(|route| route.source), Some(sources[0]), "the lower router id");
    rib.set_next_hop(prefix("10.0.0.0/16"), Some(Reach::Cost(20)));
    rib.set_next_hop(prefix("10.0.2.0/24"), Some(Reach::Cost(10)));
    assert_eq!(settle(&mut rib), 3, "101 prefixes, 40 at a time");
    assert_eq!(rib.best(p).map(|route| route.source), Some(sources[1]));
    assert_eq!(rib.why(p)[1].verdict, Verdict::Lost(Step::IgpMetric));
    assert_eq!(rib.changes(&mut follower, 1000).len(), 101);

    rib.set_next_hop(prefix("10.0.2.0/24"), Some(Reach::Unreachable));
    settle(&mut rib);
    assert_eq!(rib.best(p).map(|route| route.source), Some(sources[0]));
    assert_eq!(rib.why(p)[1].verdict, Verdict::Ineligible(Ineligible::NextHopUnreachable));
    assert_eq!(rib.source_counts(sources[1], V4), SourceCounts { received: 101, accepted: 0 });
    // One that comes is judged at once, also after a change of policy; our own routes have no next hop.
    let late = prefix("203.0.113.0/24");
    rib.handle_routes(sources[1], &announce(V4, &[late], &[7], None, hop(2)), Time::ZERO);
    assert_eq!(rib.best(late), None);
    rib.handle_import_policy(sources[1], Policy::Accept);
    assert_eq!(rib.best(late), None);
    rib.set_next_hop(prefix("0.0.0.0/0"), Some(Reach::Unreachable));
    settle(&mut rib);
    rib.originate(prefix("192.0.2.0/24"), Time::ZERO);
    assert!(rib.best(prefix("192.0.2.0/24")).is_some());

    rib.set_next_hops(&BTreeMap::new());
    settle(&mut rib);
    assert_eq!(rib.best(p).map(|route| route.source), Some(sources[0]));
    assert_eq!(rib.best(late).map(|route| route.source), Some(sources[1]));
    assert_eq!(rib.source_counts(sources[1], V4), SourceCounts { received: 102, accepted: 102 });
    while !rib.changes(&mut follower, 1000).is_empty() {}
    // What is about no next hop here moves nothing.
    rib.set_next_hop(prefix("172.16.0.0/12"), Some(Reach::Cost(5)));
    settle(&mut rib);
    assert!(rib.changes(&mut follower, 1000).is_empty());
}

#[derive(Clone, Debug)]
enum Operation {
    Announce { peer: u8, prefixes: Vec<u8>, length: u8, med: Option<u8> },
    Withdraw { peer: u8, prefixes: Vec<u8> },
    Flap { peer: u8 },
    Policy { peer: u8, policy: Policy },
    Originate { prefix: u8 },
    WithdrawOriginated { prefix: u8 },
    Read { limit: u8 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let prefixes = || prop::collection::vec(0u8..12, 1..6);
    prop_oneof![
        6 => (0u8..4, prefixes(), 0u8..3, prop::option::of(0u8..3))
            .prop_map(|(peer, prefixes, length, med)| Operation::Announce { peer, prefixes, length, med }),
        4 => (0u8..4, prefixes()).prop_map(|(peer, prefixes)| Operation::Withdraw { peer, prefixes }),
        1 => (0u8..4).prop_map(|peer| Operation::Flap { peer }),
        1 => (0u8..4, prop_oneof![Just(Policy::Accept), Just(Policy::Reject), Just(Policy::Unset)])
            .prop_map(|(peer, policy)| Operation::Policy { peer, policy }),
        1 => (0u8..12).prop_map(|prefix| Operation::Originate { prefix }),
        1 => (0u8..12).prop_map(|prefix| Operation::WithdrawOriginated { prefix }),
        2 => (1u8..6).prop_map(|limit| Operation::Read { limit }),
    ]
}

/// What a Rib should say, computed from scratch each time.
#[derive(Default)]
struct Model {
    routes: BTreeMap<(Prefix, u8), (RouteUpdate, Time)>,
    originated: BTreeMap<Prefix, Time>,
    policies: BTreeMap<u8, Policy>,
}

impl Model {
    fn best(&self, p: Prefix) -> Option<(SourceKind, u8)> {
        let mut candidates = Vec::new();
        for ((prefix, peer), (update, learned)) in &self.routes {
            let accepted = self.policies.get(peer).cloned().unwrap_or(Policy::Accept) == Policy::Accept;
            let announced = update.announced.as_ref().unwrap();
            if *prefix != p || !accepted {
                continue;
            }
            candidates.push((
                *peer,
                Candidate {
                    rank: AttributeRank {
                        long_lived_stale: false,
                        local_pref: 100,
                        as_path_length: announced.attributes.as_path.length() as u32,
                        origin: 0,
                        neighbor_as: Some(65000 + u32::from(*peer)),
                        med: announced.attributes.med,
                        originator_id: None,
                        cluster_list_length: 0,
                    },
                    kind: SourceKind::External,
                    igp_metric: 0,
                    learned: *learned,
                    router_id: Ipv4Addr::from_bits(u32::from(*peer)),
                    peer_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, *peer))),
                    path_id: 0,
                    peer_index: 0,
                },
            ));
        }
        if self.originated.contains_key(&p) {
            return Some((SourceKind::Local, 0));
        }
        let list: Vec<Candidate> = candidates.iter().map(|(_, candidate)| *candidate).collect();
        decision::choose(&list, &DecisionOptions::default()).map(|index| (SourceKind::External, candidates[index].0))
    }
}

fn numbered(number: u8) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::new(10, number, 0, 0)), 16).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn under_any_operations_the_rib_says_what_a_naive_model_says_and_leaves_nothing_behind(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let mut rib = Rib::new(config());
        let mut model = Model::default();
        let mut ids: BTreeMap<u8, SourceId> = (1..=4).map(|n| (n, rib.add_source(source(n)))).collect();
        let mut follower = rib.follow(V4);
        let mut followed: BTreeMap<Prefix, Route> = BTreeMap::new();
        let mut follow = |rib: &mut Rib, followed: &mut BTreeMap<Prefix, Route>, limit: usize| {
            let changes = rib.changes(&mut follower, limit);
            let any = !changes.is_empty();
            for change in changes {
                match change.best {
                    Some(route) => { followed.insert(change.prefix, route); }
                    None => assert!(followed.remove(&change.prefix).is_some(), "a withdrawal of what was never told"),
                }
            }
            any
        };
        for (step, operation) in operations.iter().enumerate() {
            let now = Time::from_secs(step as u64);
            match operation {
                Operation::Announce { peer, prefixes, length, med } => {
                    let peer = peer + 1;
                    let mut path = vec![65000 + u32::from(peer)];
                    path.extend((0..*length).map(|n| 100 + u32::from(n)));
                    for number in prefixes {
                        let update = announce(V4, &[numbered(*number)], &path, med.map(u32::from), NEXT_HOP);
                        model.routes.insert((numbered(*number), peer), (update, now));
                    }
                    let prefixes: Vec<Prefix> = prefixes.iter().copied().map(numbered).collect();
                    rib.handle_routes(ids[&peer], &announce(V4, &prefixes, &path, med.map(u32::from), NEXT_HOP), now);
                }
                Operation::Withdraw { peer, prefixes } => {
                    let peer = peer + 1;
                    let prefixes: Vec<Prefix> = prefixes.iter().copied().map(numbered).collect();
                    prefixes.iter().for_each(|p| { model.routes.remove(&(*p, peer)); });
                    rib.handle_routes(ids[&peer], &withdraw(V4, &prefixes), now);
                }
                Operation::Flap { peer } => {
                    let peer = peer + 1;
                    model.routes.retain(|(_, other), _| *other != peer);
                    rib.remove_source(ids[&peer]);
                    let import = model.policies.get(&peer).cloned().unwrap_or(Policy::Accept);
                    ids.insert(peer, rib.add_source(Source { import, ..source(peer) }));
                }
                Operation::Policy { peer, policy } => {
                    let peer = peer + 1;
                    model.policies.insert(peer, policy.clone());
                    rib.handle_import_policy(ids[&peer], policy.clone());
                }
                Operation::Originate { prefix } => {
                    model.originated.insert(numbered(*prefix), now);
                    rib.originate(numbered(*prefix), now);
                }
                Operation::WithdrawOriginated { prefix } => {
                    model.originated.remove(&numbered(*prefix));
                    rib.withdraw_originated(numbered(*prefix));
                }
                Operation::Read { limit } => { follow(&mut rib, &mut followed, usize::from(*limit)); }
            }
            for number in 0..12 {
                let best = rib.best(numbered(number)).map(|route| {
                    let peer = route.peer_address.map_or(0, |address| match address {
                        IpAddr::V4(address) => address.octets()[3],
                        IpAddr::V6(_) => unreachable!(),
                    });
                    (route.kind, peer)
                });
                prop_assert_eq!(best, model.best(numbered(number)), "prefix {} after step {}", number, step);
            }
            for (peer, id) in &ids {
                let held = model.routes.keys().filter(|(_, other)| other == peer).count() as u64;
                prop_assert_eq!(rib.source_counts(*id, V4).received, held);
            }
        }
        while follow(&mut rib, &mut followed, 5) {}
        let table: BTreeMap<Prefix, Route> =
            rib.loc_rib(V4, None, 100).routes.into_iter().map(|route| (route.prefix, route)).collect();
        prop_assert_eq!(&followed.keys().collect::<Vec<_>>(), &table.keys().collect::<Vec<_>>());
        for (prefix, route) in &table {
            prop_assert_eq!(&followed[prefix].attributes, &route.attributes);
        }

        for id in ids.values() {
            rib.remove_source(*id);
        }
        (0..12).for_each(|number| rib.withdraw_originated(numbered(number)));
        while follow(&mut rib, &mut followed, 5) {}
        prop_assert!(followed.is_empty());
        prop_assert_eq!(rib.counts(V4), FamilyCounts::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    /// Where MED counts between some of the routes only, the new one cannot just be compared with the best.
    #[test]
    fn the_best_after_each_change_is_the_best_of_all(
        steps in prop::collection::vec((0usize..6, 0u8..3, 0u8..5, 0u8..2, prop::option::of(0u32..3)), 1..120),
        always_compare_med in any::<bool>(), missing_med_worst in any::<bool>(), prefer_oldest in any::<bool>(),
    ) {
        let options = DecisionOptions { always_compare_med, missing_med_worst, prefer_oldest, ..DecisionOptions::default() };
        let mut rib = Rib::new(RibConfig { decision: options, ..config() });
        // Three neighbours in each of two ASes.
        let asn = |peer: usize| 65001 + peer as u32 % 2;
        let ids: Vec<SourceId> =
            (0..6).map(|peer| rib.add_source(Source { asn: Asn(asn(peer)), ..source(peer as u8 + 1) })).collect();
        for (step, (peer, number, operation, length, med)) in steps.into_iter().enumerate() {
            let (prefix, now) = (numbered(number), Time::from_secs(step as u64));
            match operation {
                0 => rib.handle_routes(ids[peer], &withdraw(V4, &[prefix]), now),
                1 if med.is_none() => {
                    rib.handle_import_policy(ids[peer], if length == 0 { Policy::Reject } else { Policy::Accept });
                }
                _ => {
                    let path = if length == 0 { vec![asn(peer)] } else { vec![asn(peer), 7] };
                    rib.handle_routes(ids[peer], &announce(V4, &[prefix], &path, med, NEXT_HOP), now);
                }
            }
            for number in 0..3 {
                let of_all = rib.why(numbered(number)).into_iter().find(|candidate| candidate.verdict == Verdict::Best);
                prop_assert_eq!(
                    rib.best(numbered(number)).map(|route| route.source),
                    of_all.map(|candidate| candidate.route.source)
                );
            }
        }
    }
}
