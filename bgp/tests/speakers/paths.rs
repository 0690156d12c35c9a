//! Which paths a neighbour gets: several of a prefix, or the best one that it may have.

use super::world::{World, address, open_neighbor};
use super::{SOON, V4, all_but, v4, with_routes};
use bgp::export::AddPathSend;
use bgp::rib::Route;
use bgp::session::ConnectMode;
use bgp::speaker::{LimitAction, NeighborConfig, PrefixLimit, SpeakerConfig};
use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Duration;

/// Speakers 1, 2 and 3 announce one prefix to speaker 4, which passes them on to 5 with these settings.
fn configs(send: Option<AddPathSend>) -> Vec<SpeakerConfig> {
    let origin = |number: u8| {
        let config = with_routes(number, 65000 + u32::from(number), 0, vec![open_neighbor(4, 65004)]);
        SpeakerConfig { originate: vec![v4(9, 0)], ..config }
    };
    let receiver = NeighborConfig { add_path_receive: true, ..open_neighbor(4, 65004) };
    vec![origin(1), origin(2), origin(3), middle(send), with_routes(5, 65005, 0, vec![receiver])]
}

fn middle(send: Option<AddPathSend>) -> SpeakerConfig {
    let mut neighbors: Vec<NeighborConfig> =
        (1..=3).map(|number| open_neighbor(number, 65000 + u32::from(number))).collect();
    neighbors.push(NeighborConfig { add_path_send: send, ..open_neighbor(5, 65005) });
    with_routes(4, 65004, 0, neighbors)
}

fn received(world: &mut World) -> Vec<Route> {
    world.speaker(5).adj_rib_in(address(4), V4, None, 100).routes
}

fn paths(world: &mut World) -> Vec<String> {
    let mut paths: Vec<String> =
        received(world).iter().map(|route| route.attributes.attributes.as_path.to_string()).collect();
    paths.sort();
    paths
}

#[test]
fn several_paths_go_to_who_takes_them_and_one_that_goes_takes_no_other_with_it() {
    let mut world = World::new(configs(Some(AddPathSend::All)));
    world.run(SOON);
    assert_eq!(paths(&mut world), ["65004 65001", "65004 65002", "65004 65003"]);
    let before = received(&mut world);
    assert_eq!(world.neighbor(4, 5).families[0].advertised, 3);
    let now = world.now;
    world.speaker(2).withdraw(v4(9, 0), now);
    world.run(Duration::from_secs(1));
    assert_eq!(paths(&mut world), ["65004 65001", "65004 65003"]);
    for route in received(&mut world) {
        assert!(before.iter().any(|old| old.path_id == route.path_id && old.attributes == route.attributes));
    }
    // All again, between a beginning and an end.
    world.speaker(5).request_refresh(address(4), V4, now);
    world.run(Duration::from_secs(1));
    assert_eq!(paths(&mut world), ["65004 65001", "65004 65003"]);
    world.replace(1, super::config(1, 65001));
    world.run(SOON);
    assert_eq!(paths(&mut world), ["65004 65003"]);
}

#[test]
fn the_number_of_paths_changes_under_the_session() {
    let best = |count| NonZeroU8::new(count).map(AddPathSend::Best);
    let mut world = World::new(configs(best(2)));
    world.run(SOON);
    assert_eq!(paths(&mut world), ["65004 65001", "65004 65002"]);
    for (send, count) in [(Some(AddPathSend::All), 3), (best(1), 1), (best(3), 3)] {
        let now = world.now;
        world.speaker(4).reconfigure(middle(send), now).unwrap();
        world.run(Duration::from_secs(1));
        assert_eq!(received(&mut world).len(), count);
    }
    assert_eq!(world.neighbor(4, 5).established_count, 1);
    // That there are any is agreed on when the session starts.
    let now = world.now;
    world.speaker(4).reconfigure(middle(None), now).unwrap();
    world.run(SOON);
    assert_eq!(world.neighbor(4, 5).established_count, 2);
    assert_eq!(received(&mut world).iter().map(|route| route.path_id).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_client_of_a_route_server_that_must_not_have_the_best_route_gets_the_next_one() {
    let client = |number: u8, hide_paths: bool| NeighborConfig {
        route_server_client: true,
        hide_paths,
        mode: ConnectMode::Passive,
        ..open_neighbor(number, 65000 + u32::from(number))
    };
    let member = |number: u8, originate| {
        let server = NeighborConfig { enforce_first_as: false, ..open_neighbor(1, 65001) };
        SpeakerConfig { originate, ..with_routes(number, 65000 + u32::from(number), 0, vec![server]) }
    };
    for hide_paths in [false, true] {
        let neighbors = (2..=4).map(|number| client(number, hide_paths)).collect();
        let shared = vec![v4(9, 0)];
        let mut world = World::new(vec![
            with_routes(1, 65001, 0, neighbors),
            member(2, shared.clone()),
            member(3, shared),
            member(4, Vec::new()),
        ]);
        world.run(SOON);
        let mut seen = |number: u8| {
            let routes = world.speaker(number).adj_rib_in(address(1), V4, None, 10).routes;
            routes.iter().map(|route| route.attributes.attributes.as_path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(seen(4), ["65002"]);
        assert_eq!(seen(3), ["65002"]);
        let others: &[&str] = if hide_paths { &[] } else { &["65003"] };
        assert_eq!(seen(2), others, "the best one is its own");
        assert_eq!(world.neighbor(1, 2).families[0].advertised, others.len() as u64);
    }
}

#[test]
fn a_neighbour_over_its_limit_of_sent_routes_never_had_more() {
    let limit = PrefixLimit { count: 5, warn_percent: 100, action: LimitAction::Drop };
    let limited = NeighborConfig { send_limits: BTreeMap::from([(V4, limit)]), ..open_neighbor(2, 65002) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 4, vec![limited]),
        with_routes(2, 65002, 0, vec![NeighborConfig { import: all_but(&[]), ..open_neighbor(1, 65001) }]),
    ]);
    world.run(SOON);
    assert!(world.is_up(1, 2));
    let now = world.now;
    world.speaker(1).originate(v4(1, 100), now);
    world.run(Duration::from_secs(1));
    assert!(world.is_up(1, 2), "as many as are fine");
    let updates = world.neighbor(2, 1).messages_received.update;
    let now = world.now;
    world.speaker(1).originate(v4(1, 101), now);
    world.run(Duration::from_secs(1));
    assert!(!world.is_up(1, 2));
    assert!(world.neighbor(1, 2).held.is_some_and(|reason| reason.contains("more than 5")));
    assert_eq!(world.neighbor(2, 1).messages_received.update, updates, "the sixth did not leave");
}
