//! What operators do to a running speaker: another configuration, sessions ended and started.

use super::world::{World, address, config, open_neighbor};
use super::{SOON, V4, best, v4, v6, with_routes};
use bgp::policy::rule::{Adjust, Label, Test};
use bgp::policy::{Action, Change, Condition, Link, Note, Policy, PolicyDefinition, Statement};
use bgp::rib::DecisionOptions;
use bgp::session::{ConnectMode, SessionConfig};
use bgp::speaker::{
    DynamicNeighbors, LimitAction, LocalAs, NeighborConfig, NeighborError, PrefixLimit, Reconfigured, SpeakerConfig,
};
use bgp::wire::{Asn, RouterId};
use net::{Ipv4Prefix, Prefix};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// LOCAL_PREF for routes of neighbours in this group, and everybody is accepted.
fn prefer(group: &str, local_pref: u32) -> Policy {
    let condition = Condition::Group(vec![Arc::from(group)]);
    let statement = |matches, changes, action| Statement {
        label: Note(Label { policy: "prefer".to_owned(), statement: 1, name: None, line: 0 }),
        matches,
        unless: Vec::new(),
        changes,
        action,
    };
    let test = Test { condition, text: Note(Arc::from("group")) };
    let statements = vec![
        statement(vec![test], vec![Change::LocalPref(Adjust::Set(local_pref))], Action::Accept),
        statement(Vec::new(), Vec::new(), Action::Accept),
    ];
    Policy::chain(&[Link::Policy(Arc::new(PolicyDefinition { name: Arc::from("prefer"), statements }))])
}

fn local_pref(world: &mut World, at: u8, prefix: Prefix) -> Option<u32> {
    world.speaker(at).rib().best(prefix)?.attributes.attributes.local_pref
}

/// Speaker 1 between 2 and 3.
fn middle(neighbors: Vec<NeighborConfig>) -> SpeakerConfig {
    with_routes(1, 65001, 1, neighbors)
}

fn three() -> World {
    let mut world = World::new(vec![
        middle(vec![open_neighbor(2, 65002), open_neighbor(3, 65003)]),
        with_routes(2, 65002, 10, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 1, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "convergence", |world| best(world, 3, V4) == 12 && best(world, 2, V4) == 12);
    world.run(Duration::from_secs(1));
    world
}

#[track_caller]
fn reconfigure(world: &mut World, config: SpeakerConfig) -> Vec<Reconfigured> {
    let now = world.now;
    let done = world.speaker(1).reconfigure(config, now).unwrap();
    world.run(Duration::from_secs(1));
    done
}

#[test]
fn a_changed_policy_is_asked_again_from_the_adj_rib_in_and_no_session_is_reset() {
    let mut world = three();
    let refreshes = world.neighbor(2, 1).messages_received.route_refresh;
    let grouped = NeighborConfig { groups: vec![Arc::from("upstream")], ..open_neighbor(2, 65002) };
    let preferring = NeighborConfig { import: prefer("upstream", 250), ..grouped };
    let done = reconfigure(&mut world, middle(vec![preferring.clone(), open_neighbor(3, 65003)]));
    let settings = vec!["group", "import"];
    assert_eq!(done, [Reconfigured::Changed { neighbor: address(2), settings }]);
    assert_eq!(local_pref(&mut world, 1, v4(2, 0)), Some(250));

    // Turned away, they are still there.
    let rejecting = NeighborConfig { import: Policy::Reject, ..preferring.clone() };
    reconfigure(&mut world, middle(vec![rejecting, open_neighbor(3, 65003)]));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (2, 2), "3 has its own and ours");
    assert_eq!(world.neighbor(1, 2).families[0].received, 10);
    reconfigure(&mut world, middle(vec![preferring, open_neighbor(3, 65003)]));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (12, 12));

    for (at, of) in [(1, 2), (1, 3), (2, 1), (3, 1)] {
        assert_eq!(world.neighbor(at, of).established_count, 1, "{at} and {of}");
    }
    assert_eq!(world.neighbor(2, 1).messages_received.route_refresh, refreshes, "nobody was asked again");
}

#[test]
fn a_changed_export_policy_sends_what_is_different_to_that_neighbour_only() {
    let mut world = three();
    let before = world.neighbor(2, 1).messages_received.update;
    let silent = NeighborConfig { export: Policy::Reject, ..open_neighbor(3, 65003) };
    let done = reconfigure(&mut world, middle(vec![open_neighbor(2, 65002), silent]));
    assert_eq!(done, [Reconfigured::Changed { neighbor: address(3), settings: vec!["export"] }]);
    assert_eq!((best(&world, 3, V4), best(&world, 2, V4)), (1, 12));
    assert_eq!(world.neighbor(2, 1).messages_received.update, before);
    assert_eq!(world.neighbor(3, 1).established_count, 1);
}

#[test]
fn a_group_of_a_group_counts_as_the_neighbours_group_too() {
    let mut world = three();
    let groups = vec![Arc::from("secured"), Arc::from("upstream")];
    let neighbor = NeighborConfig { groups, import: prefer("upstream", 250), ..open_neighbor(2, 65002) };
    reconfigure(&mut world, middle(vec![neighbor, open_neighbor(3, 65003)]));
    assert_eq!(local_pref(&mut world, 1, v4(2, 0)), Some(250));
    assert_eq!(local_pref(&mut world, 1, v4(3, 0)), None);
}

#[test]
fn neighbours_come_and_go_and_the_others_do_not_notice() {
    let mut world = three();
    let done = reconfigure(&mut world, middle(vec![open_neighbor(2, 65002)]));
    assert_eq!(done, [Reconfigured::Removed(address(3))]);
    assert_eq!(best(&world, 2, V4), 11);
    assert!(world.neighbor(3, 1).last_reset.is_some_and(|reason| reason.contains("Peer De-configured")));
    let done = reconfigure(&mut world, middle(vec![open_neighbor(2, 65002), open_neighbor(3, 65003)]));
    assert_eq!(done, [Reconfigured::Added(address(3))]);
    world.run_until(Duration::from_secs(200), "the session", |world| best(world, 2, V4) == 12);
    assert_eq!(world.neighbor(2, 1).established_count, 1);
    assert_eq!(reconfigure(&mut world, middle(vec![open_neighbor(2, 65002), open_neighbor(3, 65003)])), []);
}

#[test]
fn what_the_opens_agreed_on_costs_that_neighbour_its_session_and_no_other() {
    let mut world = three();
    let slower = NeighborConfig { hold_time: 30, ..open_neighbor(3, 65003) };
    let done = reconfigure(&mut world, middle(vec![open_neighbor(2, 65002), slower]));
    assert_eq!(done, [Reconfigured::Reset { neighbor: address(3), settings: vec!["hold_time"] }]);
    assert!(world.neighbor(3, 1).last_reset.is_some_and(|reason| reason.contains("Other Configuration Change")));
    world.run_until(Duration::from_secs(200), "a new session", |world| world.is_up(1, 3));
    let status = world.neighbor(1, 3);
    assert_eq!((status.hold_time, status.established_count), (Some(30), 2));
    assert_eq!(world.neighbor(1, 2).established_count, 1);
}

#[test]
fn a_neighbour_that_the_new_configuration_shuts_down_hears_why_and_comes_back_when_it_is_gone() {
    let mut world = three();
    let shutdown = Some("new optics, back at 4".to_owned());
    let down = NeighborConfig { shutdown, ..open_neighbor(3, 65003) };
    let done = reconfigure(&mut world, middle(vec![open_neighbor(2, 65002), down]));
    assert_eq!(done, [Reconfigured::ShutDown(address(3))]);
    assert!(world.neighbor(3, 1).last_reset.is_some_and(|reason| reason.contains("new optics, back at 4")));
    assert_eq!(world.neighbor(1, 3).held.as_deref(), Some("shut down here: new optics, back at 4"));
    world.run(Duration::from_secs(600));
    assert!(!world.is_up(1, 3) && world.is_up(1, 2));
    // A reset is no start.
    let now = world.now;
    assert!(world.speaker(1).reset_neighbor(address(3), "", now));
    world.run(Duration::from_secs(300));
    assert!(!world.is_up(1, 3));
    let done = reconfigure(&mut world, middle(vec![open_neighbor(2, 65002), open_neighbor(3, 65003)]));
    assert_eq!(done, [Reconfigured::Started(address(3))]);
    world.run_until(Duration::from_secs(200), "the session", |world| world.is_up(1, 3));
}

#[test]
fn own_prefixes_follow_the_configuration() {
    let mut world = three();
    let mut other = middle(vec![open_neighbor(2, 65002), open_neighbor(3, 65003)]);
    other.originate = vec![v4(1, 7)];
    let done = reconfigure(&mut world, other);
    let gone = [v4(1, 0), v6(1, 0)].map(Reconfigured::Withdrawn);
    assert_eq!(done, [gone.as_slice(), &[Reconfigured::Originated(v4(1, 7))]].concat());
    assert!(world.speaker(2).rib().best(v4(1, 0)).is_none());
    assert!(world.speaker(2).rib().best(v4(1, 7)).is_some());
    assert_eq!(world.neighbor(2, 1).established_count, 1);
}

#[test]
fn another_identifier_of_ours_asks_for_new_sessions_and_gets_them() {
    let mut world = three();
    let router_id = RouterId(Ipv4Addr::new(10, 9, 9, 9));
    let other = SpeakerConfig { router_id, ..middle(vec![open_neighbor(2, 65002), open_neighbor(3, 65003)]) };
    let done = reconfigure(&mut world, other);
    let reset = |number| Reconfigured::Reset { neighbor: address(number), settings: vec!["bgp.router_id"] };
    assert_eq!(done, [Reconfigured::Taken("router_id"), reset(2), reset(3)]);
    world.run_until(Duration::from_secs(200), "the sessions", |world| {
        best(world, 2, V4) == 12 && best(world, 3, V4) == 12
    });
    assert_eq!((world.neighbor(2, 1).router_id, world.neighbor(2, 1).established_count), (Some(router_id), 2));
}

#[test]
fn another_as_of_ours_resets_the_sessions_that_say_it_and_no_other() {
    let posing = LocalAs { asn: Asn(65010), prepend: false, replace: false };
    let mut world = World::new(vec![
        middle(vec![open_neighbor(2, 65002), NeighborConfig { local_as: Some(posing), ..open_neighbor(3, 65003) }]),
        with_routes(2, 65002, 2, vec![open_neighbor(1, 65011)]),
        with_routes(3, 65003, 1, vec![open_neighbor(1, 65010)]),
    ]);
    // 2 knows us by the AS that we are to have later.
    world.run_until(SOON, "the session", |world| world.is_up(1, 3));
    world.run(Duration::from_secs(1));
    let before = world.speaker(3).rib().best(v4(1, 0)).unwrap().attributes.attributes.as_path.to_string();
    assert_eq!(before, "65010 65001");
    let other = SpeakerConfig {
        asn: Asn(65011),
        ..middle(vec![open_neighbor(2, 65002), NeighborConfig { local_as: Some(posing), ..open_neighbor(3, 65003) }])
    };
    let done = reconfigure(&mut world, other);
    let settings = vec!["bgp.asn or bgp.confederation"];
    assert_eq!(done, [Reconfigured::Taken("asn"), Reconfigured::Reset { neighbor: address(2), settings }]);
    world.run_until(Duration::from_secs(200), "the routes", |world| best(world, 3, V4) == 4);
    assert_eq!(world.neighbor(1, 3).established_count, 1, "it was told another AS all the time");
    let path = |world: &mut World, prefix| {
        world.speaker(3).rib().best(prefix).unwrap().attributes.attributes.as_path.to_string()
    };
    assert_eq!(path(&mut world, v4(1, 0)), "65010 65011");
    assert_eq!(path(&mut world, v4(2, 0)), "65010 65011 65002");
}

#[test]
fn a_route_server_and_the_check_of_the_first_as_come_and_go_without_a_reset() {
    let server = |transparent| {
        let client = |number, asn| NeighborConfig { route_server_client: transparent, ..open_neighbor(number, asn) };
        with_routes(1, 65001, 0, vec![client(2, 65002), client(3, 65003)])
    };
    let member = |enforce_first_as| {
        with_routes(2, 65002, 1, vec![NeighborConfig { enforce_first_as, ..open_neighbor(1, 65001) }])
    };
    let mut world =
        World::new(vec![server(false), member(true), with_routes(3, 65003, 1, vec![open_neighbor(1, 65001)])]);
    world.run_until(SOON, "convergence", |world| best(world, 2, V4) == 2 && best(world, 3, V4) == 2);
    let path =
        |world: &mut World| Some(world.speaker(2).rib().best(v4(3, 0))?.attributes.attributes.as_path.to_string());
    assert_eq!(path(&mut world).as_deref(), Some("65001 65003"));
    let changed = |number, setting| Reconfigured::Changed { neighbor: address(number), settings: vec![setting] };
    let done = reconfigure(&mut world, server(true));
    assert_eq!(done, [changed(2, "route_server_client"), changed(3, "route_server_client")]);
    assert_eq!(path(&mut world), None, "it does not begin with the server's AS");
    for (enforce_first_as, expected) in [(false, Some("65003")), (true, None), (false, Some("65003"))] {
        let now = world.now;
        let done = world.speaker(2).reconfigure(member(enforce_first_as), now).unwrap();
        assert_eq!(done, [changed(1, "enforce_first_as")]);
        world.run(Duration::from_secs(1));
        assert_eq!(path(&mut world).as_deref(), expected);
    }
    for (at, of) in [(1, 2), (1, 3), (2, 1), (3, 1)] {
        assert_eq!(world.neighbor(at, of).established_count, 1, "{at} and {of}");
        assert_eq!(world.neighbor(at, of).messages_received.route_refresh, 0, "{at} and {of}");
    }
}

#[test]
fn own_as_in_a_path_is_taken_or_left_out_without_another_word_from_the_neighbour() {
    // Two sites of AS 65001, and 2 between them. 3 takes its own AS once, and no more.
    let site = |number: u8, allow_own_as| {
        with_routes(number, 65001, 2, vec![NeighborConfig { allow_own_as, ..open_neighbor(2, 65002) }])
    };
    let between = with_routes(2, 65002, 0, vec![open_neighbor(1, 65001), open_neighbor(3, 65001)]);
    let mut world = World::new(vec![site(1, 0), between, site(3, 0)]);
    world.run_until(SOON, "the sessions", |world| world.is_up(1, 2) && world.is_up(3, 2));
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 1, V4), world.neighbor(1, 2).families[0].received), (2, 2));
    let asked = world.neighbor(2, 1).messages_received.route_refresh;
    for (allow_own_as, routes) in [(1, 4), (0, 2), (2, 4)] {
        let done = reconfigure(&mut world, site(1, allow_own_as));
        assert_eq!(done, [Reconfigured::Changed { neighbor: address(2), settings: vec!["allow_own_as"] }]);
        assert_eq!(best(&world, 1, V4), routes, "{allow_own_as}");
    }
    assert_eq!(world.neighbor(1, 2).established_count, 1);
    assert_eq!(world.neighbor(2, 1).messages_received.route_refresh, asked);
}

#[test]
fn the_decision_is_made_again_by_other_options_and_nobody_loses_a_session() {
    // 4 hears of 1's routes from 5, which is next to it, and from 3 by a longer path. 3 has the lower identifier.
    let mut world = World::new(vec![
        with_routes(1, 65001, 3, vec![open_neighbor(2, 65002), open_neighbor(5, 65005)]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001), open_neighbor(3, 65003)]),
        with_routes(3, 65003, 0, vec![open_neighbor(2, 65002), open_neighbor(4, 65004)]),
        with_routes(4, 65004, 0, vec![open_neighbor(3, 65003), open_neighbor(5, 65005)]),
        with_routes(5, 65005, 0, vec![open_neighbor(1, 65001), open_neighbor(4, 65004)]),
    ]);
    let has = |world: &World, number| best(world, number, V4) == 3;
    world.run_until(SOON, "convergence", |world| (1..=5).all(|number| has(world, number)));
    world.run(Duration::from_secs(1));
    let from = |world: &mut World| world.speaker(4).rib().best(v4(1, 2)).and_then(|route| route.peer_address);
    assert_eq!(from(&mut world), Some(address(5)));
    let five =
        NeighborConfig { groups: vec![Arc::from("five")], import: prefer("five", 90), ..open_neighbor(5, 65005) };
    let config = |five: NeighborConfig, ignore_as_path_length, default_local_pref| SpeakerConfig {
        decision: DecisionOptions { ignore_as_path_length, ..DecisionOptions::default() },
        default_local_pref,
        ..with_routes(4, 65004, 0, vec![open_neighbor(3, 65003), five])
    };
    let plain = || open_neighbor(5, 65005);
    for (wanted, expected, setting) in [
        (config(plain(), true, 100), 3, "decision"),
        (config(plain(), false, 100), 5, "decision"),
        (config(five.clone(), false, 100), 3, ""),
        (config(five.clone(), false, 80), 5, "default_local_pref"),
        (config(five, false, 100), 3, "default_local_pref"),
    ] {
        let now = world.now;
        let done = world.speaker(4).reconfigure(wanted, now).unwrap();
        assert!(setting.is_empty() || done == [Reconfigured::Taken(setting)], "{done:?}");
        world.run(Duration::from_secs(1));
        assert_eq!(from(&mut world), Some(address(expected)), "{setting}");
    }
    for (at, of) in [(4, 3), (4, 5), (3, 4), (5, 4)] {
        assert_eq!(world.neighbor(at, of).established_count, 1, "{at} and {of}");
    }
}

#[test]
fn another_cluster_id_is_told_to_clients_and_checked_in_what_they_sent() {
    let client = |number| NeighborConfig { reflector_client: true, ..open_neighbor(number, 65001) };
    let reflector = |cluster_id| SpeakerConfig {
        cluster_id: Some(RouterId::from_u32(cluster_id)),
        ..with_routes(1, 65001, 0, vec![client(2), client(3)])
    };
    let mut world = World::new(vec![
        reflector(77),
        with_routes(2, 65001, 1, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65001, 1, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "convergence", |world| best(world, 2, V4) == 2 && best(world, 3, V4) == 2);
    let clusters =
        |world: &mut World| world.speaker(2).rib().best(v4(3, 0)).unwrap().attributes.attributes.cluster_list.clone();
    assert_eq!(clusters(&mut world), [RouterId::from_u32(77)]);
    assert_eq!(reconfigure(&mut world, reflector(78)), [Reconfigured::Taken("cluster_id")]);
    assert_eq!(clusters(&mut world), [RouterId::from_u32(78)]);
    assert_eq!(world.neighbor(2, 1).established_count, 1);
}

#[test]
fn a_configuration_that_cannot_be_changes_nothing() {
    let mut world = three();
    let bad = NeighborConfig { hold_time: 2, ..open_neighbor(3, 65003) };
    let silent = NeighborConfig { export: Policy::Reject, ..open_neighbor(2, 65002) };
    let now = world.now;
    let twice = middle(vec![silent.clone(), silent.clone()]);
    assert_eq!(world.speaker(1).reconfigure(twice, now), Err(NeighborError::Duplicate(address(2))));
    assert_eq!(world.speaker(1).reconfigure(middle(vec![silent, bad]), now), Err(NeighborError::HoldTime(2)));
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 2, V4), best(&world, 3, V4)), (12, 12));
}

#[test]
fn a_limit_that_comes_later_counts_for_what_is_there() {
    let mut world = three();
    let limit = PrefixLimit { count: 5, warn_percent: 80, action: LimitAction::Drop };
    let limited = NeighborConfig { receive_limits: BTreeMap::from([(V4, limit)]), ..open_neighbor(2, 65002) };
    let done = reconfigure(&mut world, middle(vec![limited, open_neighbor(3, 65003)]));
    assert_eq!(done, [Reconfigured::Changed { neighbor: address(2), settings: vec!["max_prefixes"] }]);
    assert!(!world.is_up(1, 2));
    assert_eq!(best(&world, 3, V4), 2);
}

#[test]
fn neighbours_of_a_range_follow_its_template_and_go_with_it() {
    let range = |template: NeighborConfig| DynamicNeighbors {
        prefix: Prefix::V4(Ipv4Prefix::new(Ipv4Addr::new(192, 0, 2, 0), 24).unwrap()),
        limit: 10,
        template,
    };
    let template = NeighborConfig {
        import: Policy::Accept,
        export: Policy::Accept,
        ..NeighborConfig::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Asn::ZERO)
    };
    let with = |template: Option<&NeighborConfig>| SpeakerConfig {
        dynamic: template.into_iter().cloned().map(range).collect(),
        ..config(1, 65001)
    };
    let mut world = World::new(vec![with(Some(&template)), with_routes(2, 65002, 3, vec![open_neighbor(1, 65001)])]);
    world.run_until(SOON, "convergence", |world| best(world, 1, V4) == 3);
    let rejecting = NeighborConfig { import: Policy::Reject, ..template };
    let done = reconfigure(&mut world, with(Some(&rejecting)));
    assert_eq!(done, [Reconfigured::Changed { neighbor: address(2), settings: vec!["import"] }]);
    assert_eq!((best(&world, 1, V4), world.neighbor(1, 2).established_count), (0, 1));
    assert_eq!(reconfigure(&mut world, with(None)), [Reconfigured::Removed(address(2))]);
    assert!(!world.is_up(2, 1));
}

#[test]
fn soft_resets_ask_and_send_again() {
    let mut world = three();
    let (asked, sent) =
        (world.neighbor(2, 1).messages_received.route_refresh, world.neighbor(2, 1).messages_received.update);
    let now = world.now;
    assert!(world.speaker(1).soft_reset_in(address(2), now));
    assert!(world.speaker(1).soft_reset_out(address(2), now));
    assert!(!world.speaker(1).soft_reset_in(address(9), now) && !world.speaker(1).soft_reset_out(address(9), now));
    world.run(Duration::from_secs(1));
    let status = world.neighbor(2, 1);
    assert!(status.messages_received.update > sent);
    // Two families were asked for; and each that was sent again had a beginning and an end.
    assert_eq!(status.messages_received.route_refresh, asked + 2 + 4);
    assert_eq!((best(&world, 1, V4), best(&world, 2, V4)), (12, 12));
}

/// How often the first speaker tries, in ten minutes, a neighbour that refuses its AS number each time.
fn attempts(damp_peer_oscillations: bool) -> usize {
    let session = SessionConfig {
        damp_peer_oscillations,
        ..SessionConfig::new(Asn(65001), RouterId(Ipv4Addr::new(10, 0, 0, 1)), Asn(65002))
    };
    let neighbor = NeighborConfig { session: Some(session), ..open_neighbor(2, 65002) };
    let wrong = NeighborConfig { mode: ConnectMode::Passive, ..open_neighbor(1, 65009) };
    let undamped = SessionConfig {
        damp_peer_oscillations: false,
        ..SessionConfig::new(Asn(65002), RouterId(Ipv4Addr::new(10, 0, 0, 2)), Asn(65009))
    };
    let wrong = NeighborConfig { session: Some(undamped), ..wrong };
    let mut world = World::new(vec![with_routes(1, 65001, 0, vec![neighbor]), with_routes(2, 65002, 0, vec![wrong])]);
    world.run(Duration::from_secs(600));
    usize::try_from(world.neighbor(2, 1).messages_received.open).unwrap()
}

#[test]
fn a_session_that_oscillates_is_damped_unless_that_is_switched_off() {
    let (damped, not) = (attempts(true), attempts(false));
    assert!(damped < 20, "{damped} attempts: each pause is twice the one before, up to two minutes");
    assert!(not > 200, "{not} attempts: a second each");
}

/// Whoever connects from the range, with any AS: what they come to see, and whether the session stands.
fn stranger(asn: u32) -> World {
    let template = NeighborConfig {
        import: Policy::Accept,
        export: Policy::Accept,
        ..NeighborConfig::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Asn::ZERO)
    };
    let prefix = Prefix::V4(Ipv4Prefix::new(Ipv4Addr::new(192, 0, 2, 0), 24).unwrap());
    let dynamic = vec![DynamicNeighbors { prefix, limit: 10, template }];
    let mut world = World::new(vec![
        SpeakerConfig { dynamic, ..with_routes(1, 65001, 1, Vec::new()) },
        with_routes(2, asn, 1, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    world
}

#[test]
fn nobody_becomes_an_internal_neighbour_by_saying_so() {
    assert_eq!(best(&stranger(65002), 2, V4), 2);
    let world = stranger(65001);
    assert_eq!(best(&world, 2, V4), 1);
    assert!(world.neighbor(2, 1).last_error.is_some_and(|error| error.contains("Bad Peer AS")));
}
