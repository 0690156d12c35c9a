//! What operators configure on a neighbour, between whole speakers.

use super::world::{World, address, config, open_neighbor};
use super::{SOON, V4, best, v4, with_routes};
use bgp::rib::{Ineligible, SourceKind, Verdict};
use bgp::session::{ConnectMode, SessionConfig};
use bgp::speaker::{
    Confederation, Event, LimitAction, LocalAs, NeighborConfig, PrefixLimit, RestartHelp, RestartOffer, SpeakerConfig,
};
use bgp::wire::{Asn, Community, GracefulRestart, GracefulRestartFamily, LongLivedFamily, Role, RouterId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The AS path of a speaker's best route.
fn path(world: &mut World, at: u8, prefix: net::Prefix) -> Option<String> {
    let route = world.speaker(at).rib().best(prefix)?;
    Some(route.attributes.attributes.as_path.to_string())
}

/// A speaker that says its routes survive it, for two minutes and then an hour.
fn restarter(routes: u16) -> SpeakerConfig {
    let session = SessionConfig {
        graceful_restart: Some(GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 120,
            families: vec![GracefulRestartFamily { family: V4, flags: 0x80 }],
            ..GracefulRestart::default()
        }),
        long_lived: Some(vec![LongLivedFamily { family: V4, flags: 0x80, stale_time: 3600 }]),
        ..SessionConfig::new(Asn(65002), RouterId(Ipv4Addr::new(10, 0, 0, 2)), Asn(65001))
    };
    let neighbor = NeighborConfig { session: Some(session), ..open_neighbor(1, 65001) };
    let mut config = with_routes(2, 65002, routes, vec![neighbor]);
    config.originate.retain(|prefix| matches!(prefix, net::Prefix::V4(_)));
    config
}

/// Speaker 1 helps speaker 2 and has an ordinary neighbour 3.
fn helped(help: RestartHelp) -> World {
    let helping = NeighborConfig { graceful_restart: Some(help), ..open_neighbor(2, 65002) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 0, vec![helping, open_neighbor(3, 65003)]),
        restarter(10),
        with_routes(3, 65003, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "convergence", |world| best(world, 3, V4) == 10);
    world.run(Duration::from_secs(1));
    world
}

#[test]
fn routes_of_a_neighbour_that_restarts_stay_until_it_has_sent_them_again() {
    let mut world = helped(RestartHelp::default());
    let updates = world.neighbor(3, 1).messages_received.update;
    world.replace(2, config(2, 65002));
    world.run(Duration::from_secs(60));
    assert!(!world.is_up(1, 2) && world.neighbor(1, 2).retained);
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (10, 10));
    assert_eq!(world.neighbor(3, 1).messages_received.update, updates, "nobody else noticed");

    // Back with half of them.
    world.replace(2, restarter(5));
    world.run_until(Duration::from_secs(60), "the session", |world| world.is_up(1, 2));
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (5, 5));
    assert!(!world.neighbor(1, 2).retained);
    assert_eq!(world.neighbor(1, 2).families[0].received, 5);
}

#[test]
fn a_neighbour_that_does_not_come_back_in_its_restart_time_loses_its_routes() {
    let mut world = helped(RestartHelp::default());
    world.replace(2, config(2, 65002));
    world.run(Duration::from_secs(119));
    assert_eq!(best(&world, 3, V4), 10);
    world.run(Duration::from_secs(2));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (0, 0));
    assert!(!world.neighbor(1, 2).retained);
}

#[test]
fn without_a_restart_time_kept_here_or_after_a_hard_reset_the_routes_go_at_once() {
    let mut world = helped(RestartHelp { restart_limit: Duration::ZERO, ..RestartHelp::default() });
    world.replace(2, config(2, 65002));
    world.run(Duration::from_secs(1));
    assert_eq!(best(&world, 3, V4), 0);

    let mut world = helped(RestartHelp::default());
    let now = world.now;
    world.speaker(2).stop(now);
    world.run(Duration::from_secs(1));
    assert_eq!(best(&world, 3, V4), 0);
    assert!(world.neighbor(1, 2).last_reset.is_some_and(|reason| reason.contains("Hard Reset")));
}

#[test]
fn a_session_that_a_notification_ended_is_resumed_too() {
    let mut world = helped(RestartHelp::default());
    world.cut(1, 2);
    world.run_until(Duration::from_secs(200), "hold timer", |world| !world.is_up(1, 2));
    assert!(world.neighbor(1, 2).retained);
    assert_eq!(best(&world, 3, V4), 10);
    world.mend();
    world.run_until(Duration::from_secs(100), "the session", |world| world.is_up(1, 2));
    world.run(Duration::from_secs(1));
    assert_eq!(best(&world, 3, V4), 10);
    assert!(!world.neighbor(1, 2).retained);
}

#[test]
fn long_lived_routes_are_marked_kept_from_who_does_not_know_and_go_in_the_end() {
    let mut world = helped(RestartHelp { long_lived: true, ..RestartHelp::default() });
    world.replace(2, config(2, 65002));
    world.run(Duration::from_secs(125));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (10, 0), "3 has not said that it knows LLGR_STALE");
    let route = world.speaker(1).rib().best(v4(2, 0)).unwrap();
    assert_eq!(route.attributes.attributes.communities, [Community::LLGR_STALE]);
    world.run(Duration::from_secs(3600));
    assert_eq!(best(&world, 1, V4), 0);
}

fn limited(action: LimitAction) -> World {
    let limit = PrefixLimit { count: 5, warn_percent: 80, action };
    let limited = NeighborConfig { receive_limits: BTreeMap::from([(V4, limit)]), ..open_neighbor(2, 65002) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 0, vec![limited, open_neighbor(3, 65003)]),
        with_routes(2, 65002, 10, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 1, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    assert_eq!(world.neighbor(1, 3).established_count, 1);
    let told = |over| {
        let events = world.nodes[0].events.iter();
        let is = |event: &&Event| matches!(event, Event::PrefixLimit { count, limit: 5, .. } if (*count > 5) == over);
        events.filter(is).count()
    };
    assert!(told(true) >= 1);
    world
}

#[test]
fn over_its_prefix_limit_a_session_goes_on_ends_or_starts_again_as_configured() {
    let world = limited(LimitAction::Warn);
    assert!(world.is_up(1, 2));
    assert_eq!(best(&world, 1, V4), 11);

    let mut world = limited(LimitAction::Drop);
    assert!(!world.is_up(1, 2));
    assert_eq!(best(&world, 1, V4), 1);
    assert!(world.neighbor(2, 1).last_reset.is_some_and(|reason| reason.contains("Maximum Number of Prefixes")));
    world.run(Duration::from_secs(3600));
    assert_eq!(world.neighbor(1, 2).established_count, 1);
    let now = world.now;
    world.speaker(2).stop(now);
    for number in 5..10 {
        world.speaker(2).withdraw(v4(2, number), now);
    }
    world.speaker(2).start_neighbor(address(1), now);
    world.speaker(1).start_neighbor(address(2), now);
    world.run_until(Duration::from_secs(200), "the session", |world| best(world, 1, V4) == 6);

    let mut world = limited(LimitAction::Restart(Duration::from_secs(600)));
    world.run(Duration::from_secs(500));
    assert_eq!(world.neighbor(1, 2).established_count, 1);
    world.run(Duration::from_secs(400));
    assert_eq!(world.neighbor(1, 2).established_count, 2);
}

#[test]
fn a_limit_on_what_is_sent_ends_the_session_too() {
    let limit = PrefixLimit { count: 5, warn_percent: 100, action: LimitAction::Drop };
    let limited = NeighborConfig { send_limits: BTreeMap::from([(V4, limit)]), ..open_neighbor(2, 65002) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 10, vec![limited]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    assert!(!world.is_up(1, 2));
    assert!(world.neighbor(1, 2).held.is_some_and(|reason| reason.contains("sent")));
}

#[test]
fn who_goes_over_the_limit_of_what_it_is_sent_takes_its_routes_along_at_once() {
    let limit = PrefixLimit { count: 5, warn_percent: 100, action: LimitAction::Drop };
    let limited = NeighborConfig { send_limits: BTreeMap::from([(V4, limit)]), ..open_neighbor(3, 65003) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 5, vec![open_neighbor(2, 65002), limited]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 3, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    assert_eq!((best(&world, 2, V4), best(&world, 3, V4)), (8, 8));
    let now = world.now;
    world.speaker(1).originate("203.0.113.0/24".parse().unwrap(), now);
    // Far less than to anybody's next timer.
    world.run(Duration::from_millis(100));
    assert!(world.neighbor(1, 3).held.is_some_and(|reason| reason.contains("sent")));
    assert_eq!(best(&world, 2, V4), 6, "our own six, none of those of the one that is gone");
}

#[test]
fn the_operators_words_reach_the_other_operator_and_the_session_stays_down_until_it_is_started() {
    let mut world = World::new(vec![
        with_routes(1, 65001, 1, vec![open_neighbor(2, 65002)]),
        with_routes(2, 65002, 1, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "the session", |world| world.is_up(1, 2) && world.is_up(2, 1));
    let now = world.now;
    assert!(world.speaker(1).shutdown_neighbor(address(2), "new optics, back at 4", now));
    assert!(!world.speaker(1).shutdown_neighbor(address(9), "", now));
    world.run(Duration::from_secs(3600));
    assert!(world.neighbor(2, 1).last_reset.is_some_and(|reason| reason.contains("new optics, back at 4")));
    assert!(!world.is_up(1, 2));
    let now = world.now;
    world.speaker(1).start_neighbor(address(2), now);
    world.run_until(Duration::from_secs(300), "the session", |world| world.is_up(1, 2));
    let now = world.now;
    world.speaker(1).reset_neighbor(address(2), "again", now);
    world.run_until(Duration::from_secs(300), "a new session", |world| world.neighbor(1, 2).established_count == 3);
    assert!(world.neighbor(2, 1).last_reset.is_some_and(|reason| reason.contains("Administrative Reset")));
}

#[test]
fn a_reflector_connects_its_clients_and_the_rest_of_the_as() {
    let client = |number| NeighborConfig { reflector_client: true, ..open_neighbor(number, 65001) };
    let reflector = SpeakerConfig {
        cluster_id: Some(RouterId(Ipv4Addr::new(1, 1, 1, 1))),
        ..with_routes(1, 65001, 0, vec![client(2), client(3), open_neighbor(4, 65001), open_neighbor(5, 65001)])
    };
    let other = |number| with_routes(number, 65001, 1, vec![open_neighbor(1, 65001)]);
    let mut world = World::new(vec![reflector, other(2), other(3), other(4), other(5)]);
    world.run(SOON);
    // Clients have everything, the others not each other's.
    let counts: Vec<usize> = (2..=5).map(|number| best(&world, number, V4)).collect();
    assert_eq!(counts, [4, 4, 3, 3]);
    let route = world.speaker(3).rib().best(v4(2, 0)).unwrap();
    assert_eq!(route.attributes.attributes.originator_id, Some(RouterId(Ipv4Addr::new(10, 0, 0, 2))));
    assert_eq!(route.attributes.attributes.cluster_list, [RouterId(Ipv4Addr::new(1, 1, 1, 1))]);
    assert_eq!(route.attributes.next_hop.address(), address(2));
}

#[test]
fn a_confederation_is_several_ases_inside_and_one_outside() {
    let confederation = |other| Some(Confederation { identifier: Asn(65000), members: BTreeSet::from([Asn(other)]) });
    let mut world = World::new(vec![
        SpeakerConfig {
            confederation: confederation(64513),
            ..with_routes(1, 64512, 1, vec![open_neighbor(2, 64513)])
        },
        SpeakerConfig {
            confederation: confederation(64512),
            ..with_routes(2, 64513, 1, vec![open_neighbor(1, 64512), open_neighbor(3, 65003)])
        },
        with_routes(3, 65003, 1, vec![open_neighbor(2, 65000)]),
    ]);
    world.run(SOON);
    assert_eq!(path(&mut world, 2, v4(1, 0)).as_deref(), Some("(64512)"));
    assert_eq!(path(&mut world, 3, v4(1, 0)).as_deref(), Some("65000"));
    assert_eq!(path(&mut world, 3, v4(2, 0)).as_deref(), Some("65000"));
    assert_eq!(path(&mut world, 1, v4(3, 0)).as_deref(), Some("(64513) 65003"));
    let route = world.speaker(1).rib().best(v4(3, 0)).unwrap();
    assert_eq!(route.attributes.next_hop.address(), address(3), "the next hop stays inside the confederation");
    assert_eq!((world.neighbor(1, 2).kind, world.neighbor(2, 3).kind), (SourceKind::Internal, SourceKind::External));
}

#[test]
fn roles_keep_a_customer_from_leaking_and_a_leak_is_refused() {
    let role = |role, neighbor| NeighborConfig { role: Some(role), ..neighbor };
    let customer = |leaky| {
        let second = open_neighbor(3, 65003);
        let second = if leaky { second } else { role(Role::CUSTOMER, second) };
        with_routes(2, 65002, 1, vec![role(Role::CUSTOMER, open_neighbor(1, 65001)), second])
    };
    for leaky in [false, true] {
        let mut world = World::new(vec![
            with_routes(1, 65001, 1, vec![role(Role::PROVIDER, open_neighbor(2, 65002))]),
            customer(leaky),
            with_routes(3, 65003, 1, vec![role(Role::PROVIDER, open_neighbor(2, 65002))]),
        ]);
        world.run(SOON);
        assert_eq!(path(&mut world, 3, v4(2, 0)).as_deref(), Some("65002"));
        assert_eq!(path(&mut world, 3, v4(1, 0)), None);
        let why = world.speaker(3).rib().why(v4(1, 0));
        let verdicts: Vec<Verdict> = why.iter().map(|row| row.verdict).collect();
        let expected = [Verdict::Ineligible(Ineligible::RouteLeak)];
        assert_eq!(verdicts, if leaky { &expected[..] } else { &[] });
    }
}

#[test]
fn a_route_server_is_in_nobodys_path() {
    let client = |number: u8| NeighborConfig {
        route_server_client: true,
        mode: ConnectMode::Passive,
        ..open_neighbor(number, 65000 + u32::from(number))
    };
    let member = |number: u8| {
        let server = NeighborConfig { enforce_first_as: false, ..open_neighbor(1, 65001) };
        with_routes(number, 65000 + u32::from(number), 1, vec![server])
    };
    let mut world = World::new(vec![with_routes(1, 65001, 0, vec![client(2), client(3)]), member(2), member(3)]);
    world.run(SOON);
    assert_eq!(path(&mut world, 3, v4(2, 0)).as_deref(), Some("65002"));
    let route = world.speaker(3).rib().best(v4(2, 0)).unwrap();
    assert_eq!(route.attributes.next_hop.address(), address(2));
}

#[test]
fn toward_one_neighbour_we_may_pose_as_another_as() {
    for (replace, prepend, seen, ours) in [(false, true, "65100 65001", "65100 65002"), (true, false, "65100", "65002")]
    {
        let local_as = Some(LocalAs { asn: Asn(65100), prepend, replace });
        let mut world = World::new(vec![
            with_routes(1, 65001, 1, vec![NeighborConfig { local_as, ..open_neighbor(2, 65002) }]),
            with_routes(2, 65002, 1, vec![open_neighbor(1, 65100)]),
        ]);
        world.run(SOON);
        assert_eq!(path(&mut world, 2, v4(1, 0)).as_deref(), Some(seen));
        assert_eq!(path(&mut world, 1, v4(2, 0)).as_deref(), Some(ours));
    }
}

#[test]
fn a_session_about_to_go_down_is_the_last_resort_at_the_other_end() {
    let leaving = NeighborConfig { graceful_shutdown: true, ..open_neighbor(2, 65002) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 1, vec![leaving]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    let route = world.speaker(2).rib().best(v4(1, 0)).unwrap();
    assert_eq!(route.attributes.attributes.local_pref, Some(0));
    assert_eq!(route.attributes.attributes.communities, [Community::GRACEFUL_SHUTDOWN]);
}

#[test]
fn two_sites_with_one_as_number_see_each_other_by_override_or_by_allowing_their_own() {
    let both = |over, allow_own_as| {
        let site = |number| NeighborConfig { as_override: over, ..open_neighbor(number, 65002) };
        let provider = NeighborConfig { allow_own_as, ..open_neighbor(1, 65001) };
        let mut world = World::new(vec![
            with_routes(1, 65001, 0, vec![site(2), site(3)]),
            with_routes(2, 65002, 1, vec![provider.clone()]),
            with_routes(3, 65002, 1, vec![provider]),
        ]);
        world.run(SOON);
        path(&mut world, 3, v4(2, 0))
    };
    assert_eq!(both(false, 0), None);
    assert_eq!(both(true, 0).as_deref(), Some("65001 65001"));
    assert_eq!(both(false, 1).as_deref(), Some("65001 65002"));
}

#[test]
fn a_soft_reset_out_sends_everything_again_and_changes_nothing() {
    let mut world = World::new(vec![
        with_routes(1, 65001, 5, vec![open_neighbor(2, 65002)]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    let before = world.neighbor(2, 1).messages_received.update;
    let now = world.now;
    world.speaker(1).resend(address(2), V4, now);
    world.run(Duration::from_secs(1));
    assert!(world.neighbor(2, 1).messages_received.update > before);
    assert_eq!(best(&world, 2, V4), 5);
    assert_eq!(world.neighbor(2, 1).established_count, 1);
}

#[test]
fn ipv4_routes_cross_with_an_ipv6_next_hop_where_both_sides_take_them() {
    for both in [true, false] {
        let neighbor = |number, extended_next_hop| NeighborConfig {
            extended_next_hop,
            ..open_neighbor(number, 65000 + u32::from(number))
        };
        // As over an IPv6 session: there is no IPv4 address to name.
        let mut world = World::new(vec![
            with_routes(1, 65001, 1, vec![neighbor(2, true)]),
            with_routes(2, 65002, 1, vec![neighbor(1, both)]),
        ]);
        world.nodes[0].address = "2001:db8::1".parse().unwrap();
        world.nodes[1].address = "2001:db8::2".parse().unwrap();
        let renamed = |number: u8, other: u8, extended_next_hop| {
            let address = format!("2001:db8::{other}").parse().unwrap();
            let neighbor = NeighborConfig { address, ..neighbor(other, extended_next_hop) };
            with_routes(number, 65000 + u32::from(number), 1, vec![neighbor])
        };
        world.replace(1, renamed(1, 2, true));
        world.replace(2, renamed(2, 1, both));
        world.run(SOON);
        let route = world.speaker(2).rib().best(v4(1, 0));
        assert_eq!(route.is_some(), both);
        assert!(route.is_none_or(
            |route| route.attributes.next_hop.address() == "2001:db8::99".parse::<std::net::IpAddr>().unwrap()
        ));
    }
}

/// Speaker 2 restarts between 1 and 3, which help it.
fn between(restart: Option<RestartOffer>) -> SpeakerConfig {
    let neighbor = |number, asn| NeighborConfig {
        restart,
        graceful_restart: Some(RestartHelp::default()),
        ..open_neighbor(number, asn)
    };
    with_routes(2, 65002, 5, vec![neighbor(1, 65001), neighbor(3, 65003)])
}

fn restarting(offer: Option<RestartOffer>, long_lived: bool) -> World {
    let help = Some(RestartHelp { long_lived, ..RestartHelp::default() });
    let helper = |number| {
        let neighbor = NeighborConfig { graceful_restart: help, ..open_neighbor(2, 65002) };
        with_routes(number, 65000 + u32::from(number), 100, vec![neighbor])
    };
    let mut world = World::new(vec![helper(1), between(offer), helper(3)]);
    world.run_until(Duration::from_secs(150), "convergence", |world| {
        best(world, 1, V4) == 205 && best(world, 3, V4) == 205
    });
    world.run(Duration::from_secs(20));
    world
}

#[test]
fn when_this_speaker_restarts_its_neighbours_lose_no_route() {
    let mut world = restarting(Some(RestartOffer::default()), false);
    for how in ["crash", "stop"] {
        if how == "stop" {
            let now = world.now;
            world.speaker(2).stop(now);
            world.run(Duration::from_secs(1));
        }
        world.replace(2, config(2, 65002));
        world.run(Duration::from_secs(30));
        let (first, third) = (world.neighbor(1, 2), world.neighbor(3, 2));
        assert!(first.retained && third.retained, "{how}: {:?} {:?}", first.last_reset, third.last_reset);
        world.replace(2, between(Some(RestartOffer::default())));
        let deferring = |world: &World| world.nodes[1].speaker.status(world.now).deferring;
        assert!(deferring(&world), "{how}");
        let deadline = world.now + Duration::from_secs(100);
        while deferring(&world) || world.neighbor(1, 2).retained || world.neighbor(3, 2).retained {
            assert!(world.now < deadline, "{how}: not within the time");
            world.run(Duration::from_millis(1));
            assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (205, 205), "{how}");
            if deferring(&world) {
                assert_eq!(world.neighbor(2, 1).messages_sent.update, 0, "{how}: too early, End-of-RIB among them");
            }
        }
        world.run(Duration::from_secs(20));
        assert_eq!((best(&world, 1, V4), best(&world, 2, V4), best(&world, 3, V4)), (205, 205, 205), "{how}");
        // The next OPENs say nothing of a restart any more.
        let (now, sessions) = (world.now, world.neighbor(1, 2).established_count);
        world.speaker(2).reset_neighbor(address(1), "", now);
        let again = |world: &World| world.neighbor(1, 2).established_count > sessions && best(world, 1, V4) == 205;
        world.run_until(Duration::from_secs(300), "a new session", again);
        world.run_until(SOON, "convergence", |world| best(world, 3, V4) == 205);
        world.run(Duration::from_secs(20));
    }
}

#[test]
fn a_speaker_that_starts_waits_no_longer_than_configured_for_who_stays_away() {
    let mut world = World::new(vec![
        SpeakerConfig { selection_deferral: Duration::from_secs(50), ..between(Some(RestartOffer::default())) },
        with_routes(2, 65002, 0, Vec::new()),
        with_routes(3, 65003, 1, vec![open_neighbor(1, 65002)]),
    ]);
    world.run(Duration::from_secs(49));
    assert_eq!(best(&world, 3, V4), 1);
    world.run(Duration::from_secs(2));
    assert_eq!(best(&world, 3, V4), 6);
    assert!(!world.nodes[0].speaker.status(world.now).deferring);
}

#[test]
fn a_speaker_that_stays_away_for_long_is_kept_as_the_last_resort() {
    let offer = RestartOffer { long_lived_time: Duration::from_secs(3600), ..RestartOffer::default() };
    let mut world = restarting(Some(offer), true);
    world.replace(2, config(2, 65002));
    world.run(Duration::from_secs(600));
    let route = world.speaker(1).rib().best(v4(2, 0)).unwrap();
    assert_eq!(route.attributes.attributes.communities, [Community::LLGR_STALE]);
    assert_eq!(best(&world, 1, V4), 205);
    world.replace(2, between(Some(offer)));
    world.run(Duration::from_secs(200));
    let route = world.speaker(1).rib().best(v4(2, 0)).unwrap();
    assert_eq!(route.attributes.attributes.communities, []);
    world.replace(2, config(2, 65002));
    world.run(Duration::from_secs(120 + 3600 + 10));
    assert_eq!(best(&world, 1, V4), 100);
}
