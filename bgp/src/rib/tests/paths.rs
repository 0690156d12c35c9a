//! What holds where a prefix has many paths, or one that is there already comes again.

use super::*;

fn hop(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
}

/// The same route under many identifiers.
fn several(prefixes: &[Prefix], path_ids: std::ops::RangeInclusive<u32>, path: &[u32]) -> RouteUpdate {
    let mut update = announce(V4, prefixes, path, None, NEXT_HOP);
    if let Some(announced) = &mut update.announced {
        let nlri = |path_id| prefixes.iter().map(move |prefix| Nlri { path_id, prefix: *prefix });
        announced.nlri = path_ids.flat_map(nlri).collect();
    }
    update
}

fn numbered(number: u32) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + (number << 8))), 24).unwrap()
}

#[test]
fn who_reads_all_paths_hears_that_one_has_become_younger_where_age_counts() {
    let multipath = Multipath { ebgp: 2, ibgp: 1, relaxed: true };
    let decision = DecisionOptions { multipath, prefer_oldest: true, ..DecisionOptions::default() };
    let mut rib = Rib::new(RibConfig { decision, ..config() });
    let p = prefix("198.51.100.0/24");
    let sources: Vec<SourceId> = (1..=3).map(|number| rib.add_source(source(number))).collect();
    let route = |number: u8| announce(V4, &[p], &[65000 + u32::from(number), 7], None, hop(number));
    for number in 1..=3 {
        rib.handle_routes(sources[usize::from(number) - 1], &route(number), Time::from_secs(number.into()));
    }
    let mut follower = rib.follow(V4);
    let mut further = |rib: &mut Rib| {
        let last = rib.changes(&mut follower, 10).pop();
        last.and_then(|change| change.best).map(|route| route.further_next_hops)
    };
    assert_eq!(further(&mut rib), Some(vec![hop(2).into()]));
    // The second one's session ends, and is back before its route was taken away.
    rib.set_at_once(0);
    rib.remove_source(sources[1]);
    assert_eq!(rib.add_source(source(2)), sources[1]);
    rib.handle_routes(sources[1], &route(2), Time::from_secs(9));
    assert_eq!(further(&mut rib), Some(vec![hop(3).into()]), "now the third one is the older one");
}

#[test]
fn a_path_that_comes_again_is_as_old_as_it_was_also_when_it_is_let_in_only_now() {
    let decision = DecisionOptions { prefer_oldest: true, ..DecisionOptions::default() };
    let mut rib = Rib::new(RibConfig { decision, ..config() });
    let p = prefix("198.51.100.0/24");
    let sources: Vec<SourceId> = (1..=2).map(|number| rib.add_source(source(number))).collect();
    rib.set_martians(crate::policy::PrefixSet::new(["198.51.100.0/24".parse().unwrap()]));
    rib.handle_routes(sources[1], &announce(V4, &[p], &[65002, 7], None, hop(2)), Time::from_secs(1));
    assert_eq!(rib.best(p), None);
    rib.set_martians(martians());
    rib.handle_routes(sources[0], &announce(V4, &[p], &[65001, 7], None, hop(1)), Time::from_secs(5));
    rib.handle_routes(sources[1], &announce(V4, &[p], &[65002, 7], None, hop(2)), Time::from_secs(9));
    assert_eq!(rib.best(p).map(|route| (route.source, route.learned)), Some((sources[1], Time::from_secs(1))));
}

#[test]
fn a_path_without_an_identifier_is_one_of_the_many_that_a_source_may_have() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let p = prefix("198.51.100.0/24");
    let most = MAX_PATHS_OF_SOURCE as u32;
    rib.handle_routes(peer, &several(&[p], 1..=most, &[65001]), Time::ZERO);
    assert_eq!((rib.counts(V4).paths, rib.paths_refused(peer, V4)), (MAX_PATHS_OF_SOURCE, 0));
    rib.handle_routes(peer, &several(&[p], 0..=0, &[65001]), Time::ZERO);
    assert_eq!((rib.counts(V4).paths, rib.paths_refused(peer, V4)), (MAX_PATHS_OF_SOURCE, 1));
    // One that is there can change.
    rib.handle_routes(peer, &several(&[p], 7..=7, &[65001, 9]), Time::ZERO);
    assert_eq!((rib.counts(V4).paths, rib.paths_refused(peer, V4)), (MAX_PATHS_OF_SOURCE, 1));
}

#[test]
fn a_session_that_is_resumed_counts_what_is_left_out_from_zero() {
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let p = prefix("198.51.100.0/24");
    rib.handle_routes(peer, &several(&[p], 1..=MAX_PATHS_OF_SOURCE as u32 + 3, &[65001, 65000]), Time::ZERO);
    assert_eq!(rib.paths_refused(peer, V4), 3);
    assert_eq!(rib.left_out(peer).len(), 1);
    rib.handle_stale_begin(peer, V4);
    assert!(rib.resume_source(peer, source(1)));
    assert_eq!((rib.paths_refused(peer, V4), rib.left_out(peer)), (0, Vec::new()));
}

#[test]
fn what_was_received_is_without_the_routes_of_a_session_that_is_over() {
    let mut rib = Rib::new(config());
    let peers = [1, 2].map(|number| rib.add_source(source(number)));
    let p = prefix("198.51.100.0/24");
    rib.handle_routes(peers[0], &announce(V4, &[p], &[65001], None, NEXT_HOP), Time::ZERO);
    rib.handle_routes(peers[1], &announce(V4, &[p], &[65002], None, NEXT_HOP), Time::ZERO);
    let from = |rib: &Rib| {
        rib.received_paths(V4, None, 10).routes.into_iter().map(|route| route.source).collect::<Vec<SourceId>>()
    };
    assert_eq!(from(&rib), peers);
    rib.set_at_once(0);
    rib.remove_source(peers[0]);
    assert_eq!((from(&rib), rib.counts(V4).paths), (vec![peers[1]], 2), "it still counts in the decision");
}

#[test]
fn a_turn_visits_fewer_prefixes_where_each_has_many_paths() {
    const PREFIXES: u32 = 100;
    const PATHS: u32 = 40;
    // Ten of these prefixes.
    const WORK: usize = 10 * (1 + PATHS as usize / 4);
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let prefixes: Vec<Prefix> = (0..PREFIXES).map(numbered).collect();
    rib.handle_routes(peer, &several(&prefixes, 1..=PATHS, &[65001]), Time::ZERO);
    let all = u64::from(PREFIXES * PATHS);
    rib.set_next_hop(Prefix::new(NEXT_HOP, 32).unwrap(), Some(Reach::Unreachable));
    assert!(rib.resolve_next_hops(WORK));
    assert_eq!(rib.source_counts(peer, V4).accepted, all - 10 * u64::from(PATHS));
    while rib.resolve_next_hops(WORK) {}
    assert_eq!(rib.source_counts(peer, V4).accepted, 0);
    rib.set_at_once(0);
    rib.remove_source(peer);
    assert!(rib.work(WORK));
    assert_eq!(rib.counts(V4).paths as u64, all - 10 * u64::from(PATHS));
    while rib.work(WORK) {}
    assert_eq!(rib.counts(V4), FamilyCounts::default());
}

#[test]
fn next_hops_that_change_all_the_time_keep_no_path_from_being_judged() {
    const PREFIXES: u32 = 5_000;
    const SLICE: usize = 1_000;
    let mut rib = Rib::new(config());
    let peer = rib.add_source(source(1));
    let prefixes: Vec<Prefix> = (0..PREFIXES).map(numbered).collect();
    rib.handle_routes(peer, &announce(V4, &prefixes, &[65001], None, NEXT_HOP), Time::ZERO);
    let host = Prefix::new(NEXT_HOP, 32).unwrap();
    rib.set_next_hop(host, Some(Reach::Unreachable));
    for turn in 0..20 {
        rib.resolve_next_hops(SLICE);
        // Nobody's next hop, but something to look for.
        rib.set_next_hop(prefix("203.0.113.0/24"), Some(Reach::Cost(turn)));
    }
    assert_eq!(rib.source_counts(peer, V4).accepted, 0, "each has had its turn");
    // A change in the middle of a pass counts for those before it too.
    rib.resolve_next_hops(SLICE);
    rib.set_next_hop(host, None);
    while rib.resolve_next_hops(SLICE) {}
    assert_eq!(rib.source_counts(peer, V4).accepted, u64::from(PREFIXES));
}
