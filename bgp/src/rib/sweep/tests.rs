use super::*;
use crate::rib::tests::{NEXT_HOP, V4, announce, config, source, withdraw};
use crate::rib::{MAX_PATHS_OF_SOURCE, Rib, Source, SourceCounts};
use crate::session::{Announcement, RouteUpdate};
use crate::wire::{AsPath, Nlri, Origin};
use net::{Prefix, Time};
use std::net::{IpAddr, Ipv4Addr};

/// As many as take several slices.
const MANY: u32 = 10_000;

fn numbered(number: u32) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + (number << 8))), 24).unwrap()
}

fn prefixes(numbers: std::ops::Range<u32>) -> Vec<Prefix> {
    numbers.map(numbered).collect()
}

fn from(peer: u32, numbers: std::ops::Range<u32>) -> RouteUpdate {
    announce(V4, &prefixes(numbers), &[65000 + peer, 7], None, NEXT_HOP)
}

fn marked(numbers: std::ops::Range<u32>, communities: &[Community]) -> RouteUpdate {
    let attributes = PathAttributes {
        communities: communities.into(),
        ..PathAttributes::new(Origin::Igp, AsPath::sequence(&[crate::wire::Asn(65001), crate::wire::Asn(7)]))
    };
    let nlri = prefixes(numbers).into_iter().map(Nlri::new).collect();
    let announced = Announcement { nlri, attributes: Arc::new(attributes), next_hop: NEXT_HOP.into() };
    RouteUpdate { family: V4, withdrawn: Vec::new(), announced: Some(announced) }
}

/// A Rib in which nothing is visited but by [`Rib::work`], and its first neighbour with so many routes.
fn slow(routes: u32) -> (Rib, SourceId) {
    let mut rib = Rib::new(config());
    rib.set_at_once(0);
    let peer = rib.add_source(source(1));
    rib.handle_routes(peer, &from(1, 0..routes), Time::ZERO);
    (rib, peer)
}

fn received(rib: &Rib, peer: SourceId) -> u64 {
    rib.source_counts(peer, V4).received
}

/// Slices until nothing is left to do.
fn work_off(rib: &mut Rib) -> usize {
    let mut slices = 0;
    while rib.work(100) {
        slices += 1;
    }
    slices
}

fn communities(rib: &Rib, number: u32) -> Vec<Community> {
    rib.best(numbered(number)).map(|route| route.attributes.attributes.communities.to_vec()).unwrap_or_default()
}

#[test]
fn the_beginning_of_a_refresh_looks_at_no_route() {
    let (mut rib, peer) = slow(MANY);
    for _ in 0..3_000 {
        rib.handle_refresh_begin(peer, V4);
        assert!(!rib.has_work());
    }
    assert_eq!(received(&rib, peer), u64::from(MANY));
}

#[test]
fn the_end_of_a_refresh_is_worked_off_in_slices_and_counts_at_once() {
    let (mut rib, peer) = slow(MANY);
    rib.handle_refresh_begin(peer, V4);
    rib.handle_routes(peer, &from(1, 0..2), Time::ZERO);
    rib.handle_refresh_end(peer, V4);
    assert_eq!((received(&rib, peer), rib.counts(V4).paths), (2, MANY as usize), "what is to go is no longer shown");
    assert_eq!(rib.adj_rib_in(peer, V4, None, 2 * MANY as usize).routes.len(), 2);
    let before = rib.counts(V4).paths;
    assert!(rib.work(100));
    assert!((1..=100).contains(&(before - rib.counts(V4).paths)), "a slice does what it may");
    assert!(work_off(&mut rib) > MANY as usize / 100 - 3);
    assert_eq!((received(&rib, peer), rib.counts(V4).prefixes), (2, 2));
}

#[test]
fn refreshes_that_end_at_once_cost_what_their_routes_cost_and_no_more() {
    let (mut rib, peer) = slow(MANY);
    for _ in 0..100 {
        rib.handle_refresh_begin(peer, V4);
        rib.handle_refresh_end(peer, V4);
    }
    assert!(work_off(&mut rib) <= MANY as usize / 100 + 1);
    assert_eq!(rib.counts(V4).paths, 0);
    rib.handle_refresh_end(peer, V4);
    assert!(!rib.has_work());
}

#[test]
fn a_neighbour_with_one_route_costs_one_visit_when_it_goes_whatever_others_have() {
    let (mut rib, _) = slow(MANY);
    for _ in 0..3 {
        let small = rib.add_source(source(2));
        rib.handle_routes(small, &from(2, MANY..MANY + 1), Time::ZERO);
        rib.remove_source(small);
        assert!(rib.work(2));
        assert!(!rib.has_work(), "it had no more");
        assert!(rib.source(small).is_none());
        assert_eq!(rib.counts(V4).paths, MANY as usize);
    }
}

#[test]
fn a_neighbour_that_is_back_before_its_former_routes_have_gone_takes_their_places() {
    let (mut rib, peer) = slow(MANY);
    rib.remove_source(peer);
    rib.work(100);
    assert_eq!(received(&rib, peer), 0);
    let back = rib.add_source(source(1));
    assert_eq!(back, peer, "one number, so that it is not sent what was its own");
    rib.handle_routes(back, &from(1, 0..5), Time::from_secs(9));
    rib.handle_routes(back, &from(1, MANY - 5..MANY), Time::from_secs(9));
    rib.handle_routes(back, &withdraw(V4, &[numbered(5_000)]), Time::from_secs(9));
    assert_eq!((received(&rib, back), rib.best(numbered(5_000))), (10, None));
    work_off(&mut rib);
    assert_eq!((received(&rib, back), rib.counts(V4).paths), (10, 10));
    // Nothing of the old session is left in the new route, its age included.
    assert_eq!(rib.best(numbered(MANY - 1)).map(|route| route.learned), Some(Time::from_secs(9)));
    // And down again while nothing is left to do, and before.
    rib.remove_source(back);
    work_off(&mut rib);
    assert_eq!((rib.source(back), rib.counts(V4)), (None, Default::default()));
}

#[test]
fn another_neighbour_at_the_address_is_another_source() {
    let (mut rib, peer) = slow(MANY);
    rib.remove_source(peer);
    let other = rib.add_source(Source { router_id: crate::wire::RouterId::from_u32(77), ..source(1) });
    assert_ne!(other, peer);
    rib.handle_routes(other, &from(1, 0..3), Time::ZERO);
    work_off(&mut rib);
    assert_eq!((rib.counts(V4).paths, rib.source(peer)), (3, None));
}

#[test]
fn a_neighbour_that_is_back_as_a_client_is_another_source_since_its_routes_go_to_others_too() {
    for (client, confederation) in [(true, false), (false, true)] {
        let (mut rib, peer) = slow(MANY);
        rib.remove_source(peer);
        let back = rib.add_source(Source { client, confederation, ..source(1) });
        assert_ne!(back, peer);
    }
}

#[test]
fn a_source_that_flaps_faster_than_its_routes_go_leaves_nothing_behind() {
    let (mut rib, mut peer) = slow(MANY);
    // More often than there are stamps.
    for round in 0..600 {
        rib.remove_source(peer);
        rib.work(1);
        peer = rib.add_source(source(1));
        rib.handle_routes(peer, &from(1, round..round + 1), Time::ZERO);
        assert_eq!(received(&rib, peer), 1);
    }
    work_off(&mut rib);
    assert_eq!((received(&rib, peer), rib.counts(V4).paths), (1, 1));
}

#[test]
fn refreshes_that_never_end_do_not_use_up_what_sessions_need() {
    let (mut rib, peer) = slow(MANY);
    for round in 0..1_000 {
        rib.handle_refresh_begin(peer, V4);
        rib.handle_routes(peer, &from(1, round..round + 1), Time::ZERO);
    }
    assert_eq!(received(&rib, peer), u64::from(MANY));
    rib.handle_stale_begin(peer, V4);
    assert_eq!(rib.stale_count(peer, V4), u64::from(MANY));
    rib.handle_stale_end(peer, V4);
    assert_eq!(received(&rib, peer), 0);
    work_off(&mut rib);
    assert_eq!(rib.counts(V4).paths, 0);
}

#[test]
fn a_session_lost_in_the_middle_of_a_refresh_keeps_its_routes() {
    let (mut rib, peer) = slow(10);
    rib.handle_refresh_begin(peer, V4);
    rib.handle_routes(peer, &from(1, 0..3), Time::ZERO);
    rib.handle_stale_begin(peer, V4);
    work_off(&mut rib);
    assert_eq!((received(&rib, peer), rib.stale_count(peer, V4)), (10, 10));
    // The new session's refresh has nothing to do with it either.
    rib.handle_refresh_end(peer, V4);
    assert_eq!(received(&rib, peer), 10);
    rib.handle_routes(peer, &from(1, 0..4), Time::ZERO);
    rib.handle_stale_end(peer, V4);
    work_off(&mut rib);
    assert_eq!((received(&rib, peer), rib.counts(V4).paths), (4, 4));
}

#[test]
fn what_was_kept_before_and_has_not_come_again_goes_with_the_next_session() {
    let (mut rib, peer) = slow(10);
    rib.handle_stale_begin(peer, V4);
    rib.handle_routes(peer, &from(1, 0..4), Time::ZERO);
    rib.handle_stale_begin(peer, V4);
    assert_eq!((received(&rib, peer), rib.stale_count(peer, V4)), (4, 4));
    work_off(&mut rib);
    assert_eq!(rib.counts(V4).paths, 4);
}

#[test]
fn a_long_lived_route_stays_one_when_the_import_policy_changes() {
    let (mut rib, peer) = slow(0);
    rib.handle_routes(peer, &marked(0..2, &[]), Time::ZERO);
    rib.handle_routes(peer, &marked(2..4, &[Community::NO_LLGR]), Time::ZERO);
    rib.handle_stale_begin(peer, V4);
    rib.handle_long_lived(peer, V4);
    work_off(&mut rib);
    assert_eq!((communities(&rib, 0), rib.best(numbered(2))), (vec![Community::LLGR_STALE], None));
    for policy in [Policy::Accept, Policy::Reject, Policy::Accept] {
        rib.handle_import_policy(peer, policy);
        work_off(&mut rib);
    }
    assert_eq!(communities(&rib, 0), [Community::LLGR_STALE]);
    // Once it has come again it is a route as any other.
    rib.handle_routes(peer, &marked(0..1, &[]), Time::ZERO);
    rib.handle_import_policy(peer, Policy::Accept);
    work_off(&mut rib);
    assert_eq!((communities(&rib, 0), communities(&rib, 1)), (vec![], vec![Community::LLGR_STALE]));
    assert_eq!(rib.stale_count(peer, V4), 1);
}

#[test]
fn a_policy_that_changes_again_before_all_routes_were_judged_is_asked_about_all_of_them() {
    let (mut rib, peer) = slow(MANY);
    rib.handle_import_policy(peer, Policy::Reject);
    rib.work(5_000);
    let accepted = |rib: &Rib| rib.source_counts(peer, V4).accepted;
    assert!((1..u64::from(MANY)).contains(&accepted(&rib)));
    rib.handle_import_policy(peer, Policy::Accept);
    rib.handle_import_policy(peer, Policy::Reject);
    // What comes is judged by the policy of the day.
    rib.handle_routes(peer, &from(1, MANY..MANY + 10), Time::ZERO);
    work_off(&mut rib);
    assert_eq!(rib.source_counts(peer, V4), SourceCounts { received: u64::from(MANY) + 10, accepted: 0 });
    rib.handle_import_policy(peer, Policy::Accept);
    rib.work(100);
    rib.handle_import_policy(peer, Policy::Accept);
    work_off(&mut rib);
    assert_eq!((accepted(&rib), rib.counts(V4).best), (u64::from(MANY) + 10, MANY as usize + 10));
}

#[test]
fn several_neighbours_routes_go_together_slice_by_slice() {
    let (mut rib, first) = slow(1_000);
    let second = rib.add_source(source(2));
    rib.handle_routes(second, &from(2, 0..1_000), Time::ZERO);
    rib.remove_source(first);
    rib.remove_source(second);
    (0..4).for_each(|_| assert!(rib.work(100)));
    assert_eq!(rib.counts(V4).paths, 1_600);
    assert!(rib.best(numbered(150)).is_none() && rib.best(numbered(250)).is_some());
    work_off(&mut rib);
    assert_eq!(rib.counts(V4), Default::default());
}

#[test]
fn paths_that_are_to_go_leave_room_for_those_that_come() {
    let (mut rib, peer) = slow(0);
    let all = |first: u32| {
        let mut update = from(1, 0..1);
        let announced = update.announced.as_mut().unwrap();
        let path_ids = first..first + MAX_PATHS_OF_SOURCE as u32;
        announced.nlri = path_ids.map(|path_id| Nlri { prefix: numbered(0), path_id }).collect();
        update
    };
    rib.handle_routes(peer, &all(1), Time::ZERO);
    rib.handle_routes(peer, &all(1_000), Time::ZERO);
    assert_eq!((received(&rib, peer), rib.paths_refused(peer, V4)), (64, 64));
    rib.remove_source(peer);
    let peer = rib.add_source(source(1));
    rib.handle_routes(peer, &all(1_000), Time::ZERO);
    assert_eq!((received(&rib, peer), rib.paths_refused(peer, V4), rib.counts(V4).paths), (64, 0, 64));
    assert_eq!(rib.best(numbered(0)).map(|route| route.path_id), Some(1_000));
    work_off(&mut rib);
    assert_eq!((received(&rib, peer), rib.counts(V4).prefixes), (64, 1));
}
