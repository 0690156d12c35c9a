//! What a speaker announces of its own making, what it takes from nobody, and how often it speaks.

use super::world::{World, address, open_neighbor};
use super::{SOON, V4, best, v4, with_routes};
use bgp::policy::rule::{Adjust, Label};
use bgp::policy::{Action, Change, Link, Note, Policy, PolicyDefinition, PrefixSet, Statement};
use bgp::rib::{Ineligible, Verdict};
use bgp::speaker::{Aggregate, NeighborConfig, Reconfigured, SpeakerConfig};
use bgp::wire::{Aggregator, Asn, RouterId};
use net::{Ipv4Prefix, Ipv6Prefix, Prefix};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn default_route() -> Prefix {
    Prefix::V4(Ipv4Prefix::DEFAULT)
}

#[test]
fn martians_are_left_out_counted_and_let_in_where_the_configuration_says_so() {
    let mut giver = with_routes(2, 65002, 1, vec![open_neighbor(1, 65001)]);
    giver.originate.extend(["127.1.0.0/16", "240.0.0.0/8", "fe80::/64"].map(prefix));
    giver.originate.extend([default_route(), Prefix::V6(Ipv6Prefix::DEFAULT)]);
    let taker = || with_routes(1, 65001, 0, vec![open_neighbor(2, 65002)]);
    let mut world = World::new(vec![taker(), giver]);
    world.run(SOON);
    // One route, and the default route: that is nobody's in particular.
    assert_eq!(best(&world, 1, V4), 2);
    let why = world.speaker(1).rib().why(prefix("127.1.0.0/16"));
    let verdicts: Vec<Verdict> = why.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts, [Verdict::Ineligible(Ineligible::Martian)]);
    let counts: Vec<(Ineligible, u64)> =
        world.neighbor(1, 2).left_out.iter().map(|row| (row.reason, row.count)).collect();
    assert_eq!(counts, [(Ineligible::Martian, 3)]);

    let open = SpeakerConfig { martians: PrefixSet::new([]), ..taker() };
    let now = world.now;
    let done = world.speaker(1).reconfigure(open, now).unwrap();
    assert_eq!(done, [Reconfigured::Taken("martians")]);
    assert_eq!((best(&world, 1, V4), world.neighbor(1, 2).established_count), (4, 1));
}

/// Everything passes with this MED.
fn with_med(med: u32) -> Policy {
    let statement = Statement {
        label: Note(Label { policy: "med".to_owned(), statement: 1, name: None, line: 0 }),
        matches: Vec::new(),
        unless: Vec::new(),
        changes: vec![Change::Med(Some(Adjust::Set(med)))],
        action: Action::Accept,
    };
    Policy::chain(&[Link::Policy(Arc::new(PolicyDefinition { name: "med".into(), statements: vec![statement] }))])
}

#[test]
fn a_default_route_goes_to_who_is_to_have_one_whatever_the_tables_have() {
    let customer =
        |default_originate| NeighborConfig { default_originate, export: Policy::Reject, ..open_neighbor(2, 65002) };
    let middle =
        |default_originate| with_routes(1, 65001, 1, vec![customer(default_originate), open_neighbor(3, 65003)]);
    let mut upstream = with_routes(3, 65003, 1, vec![open_neighbor(1, 65001)]);
    upstream.originate.push(default_route());
    let mut world =
        World::new(vec![middle(Some(with_med(7))), with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]), upstream]);
    world.run(SOON);
    assert_eq!((best(&world, 2, V4), best(&world, 3, V4)), (1, 3), "3 has its own and ours");
    let route = world.speaker(2).rib().best(default_route()).unwrap();
    assert_eq!(route.attributes.attributes.as_path.to_string(), "65001", "not the one that 3 has sent");
    assert_eq!(route.attributes.attributes.med, Some(7));
    assert!(world.speaker(2).rib().best(Prefix::V6(Ipv6Prefix::DEFAULT)).is_some());
    let page = world.speaker(1).adj_rib_out(address(2), V4, None, 10);
    assert_eq!(page.routes.iter().map(|route| route.prefix).collect::<Vec<_>>(), [default_route()]);

    // Other words for it, then none.
    for (policy, expected) in [(Some(with_med(9)), Some(9)), (None, None)] {
        let now = world.now;
        world.speaker(1).reconfigure(middle(policy), now).unwrap();
        world.run(Duration::from_secs(1));
        let route = world.speaker(2).rib().best(default_route());
        assert_eq!(route.and_then(|route| route.attributes.attributes.med), expected);
    }
    assert_eq!((best(&world, 2, V4), world.neighbor(2, 1).established_count), (0, 1));
}

fn aggregating(suppress: bool) -> World {
    let aggregate = Aggregate { prefix: prefix("12.0.0.0/8"), suppress };
    let middle = SpeakerConfig {
        aggregates: vec![aggregate],
        ..with_routes(1, 65001, 1, vec![open_neighbor(2, 65002), open_neighbor(3, 65003)])
    };
    let mut world = World::new(vec![
        middle,
        with_routes(2, 65002, 3, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run(SOON);
    world
}

#[test]
fn an_aggregate_stands_for_what_is_inside_it_without_as_sets() {
    let mut world = aggregating(true);
    assert_eq!(best(&world, 1, V4), 5);
    assert_eq!(best(&world, 3, V4), 2, "the aggregate, and what is not inside it");
    let route = world.speaker(3).rib().best(prefix("12.0.0.0/8")).unwrap();
    let attributes = &route.attributes.attributes;
    assert_eq!(attributes.as_path.to_string(), "65001");
    assert!(attributes.atomic_aggregate, "65002 is left out");
    let router_id = RouterId(Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(attributes.aggregator, Some(Aggregator { asn: Asn(65001), router_id }));

    // As long as one of them is there, nobody hears of the others.
    let (now, updates) = (world.now, world.neighbor(3, 1).messages_received.update);
    world.speaker(2).withdraw(v4(2, 0), now);
    world.speaker(2).withdraw(v4(2, 1), now);
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 3, V4), world.neighbor(3, 1).messages_received.update), (2, updates));
    let now = world.now;
    world.speaker(2).withdraw(v4(2, 2), now);
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (1, 1), "it goes with the last");
    let now = world.now;
    world.speaker(2).originate(v4(2, 9), now);
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (3, 2));
}

#[test]
fn an_aggregate_may_stand_beside_what_is_inside_it_and_comes_and_goes_with_the_configuration() {
    let mut world = aggregating(false);
    assert_eq!(best(&world, 3, V4), 5);
    let neighbors = || vec![open_neighbor(2, 65002), open_neighbor(3, 65003)];
    let aggregate = Aggregate { prefix: prefix("12.0.0.0/8"), suppress: true };
    for (aggregates, expected) in [(Vec::new(), 4), (vec![aggregate], 2), (Vec::new(), 4)] {
        let now = world.now;
        let config = SpeakerConfig { aggregates, ..with_routes(1, 65001, 1, neighbors()) };
        assert_eq!(world.speaker(1).reconfigure(config, now).unwrap(), [Reconfigured::Taken("aggregates")]);
        world.run(Duration::from_secs(1));
        assert_eq!(best(&world, 3, V4), expected);
    }
}

#[test]
fn an_aggregate_that_stays_is_not_taken_back_while_another_comes_or_goes() {
    const MANY: u16 = 3_000;
    let aggregate = |text, suppress| Aggregate { prefix: prefix(text), suppress };
    let (stays, other) = (aggregate("12.0.0.0/8", true), aggregate("99.0.0.0/8", true));
    let config = |aggregates| SpeakerConfig {
        aggregates,
        ..with_routes(1, 65001, 1, vec![open_neighbor(2, 65002), open_neighbor(3, 65003)])
    };
    let mut world = World::new(vec![
        config(vec![stays]),
        with_routes(2, 65002, MANY, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "the table", |world| best(world, 1, V4) == usize::from(MANY) + 2);
    world.run(Duration::from_secs(1));
    assert_eq!(best(&world, 3, V4), 2);
    let before = world.neighbor(3, 1).messages_received.update;
    let change = |world: &mut World, aggregates| {
        let now = world.now;
        let done = world.speaker(1).reconfigure(config(aggregates), now).unwrap();
        assert_eq!(done, [Reconfigured::Taken("aggregates")]);
        world.run(Duration::from_secs(1));
        (best(world, 3, V4), world.neighbor(3, 1).messages_received.update - before)
    };
    assert_eq!(change(&mut world, vec![stays, other]), (2, 0));
    assert_eq!(change(&mut world, vec![other, stays]), (2, 0));
    // A new one inside it counts what was there before, and one that goes takes nothing else with it.
    let inner = aggregate("12.1.0.0/16", false);
    assert_eq!(change(&mut world, vec![stays, inner]), (2, 0), "suppressed itself");
    assert!(world.speaker(1).rib().best(inner.prefix).is_some());
    assert_eq!(change(&mut world, vec![stays]), (2, 0));
    assert!(world.speaker(1).rib().best(inner.prefix).is_none());
    let now = world.now;
    for number in 0..MANY {
        world.speaker(2).withdraw(v4(2, number), now);
    }
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 1, V4), best(&world, 3, V4)), (1, 1), "it hears of the last one that goes");
}

#[test]
fn aggregates_say_who_we_are_also_after_that_has_changed() {
    let mut world = aggregating(true);
    let router_id = RouterId(Ipv4Addr::new(10, 9, 9, 9));
    let aggregates = vec![Aggregate { prefix: prefix("12.0.0.0/8"), suppress: true }];
    let neighbors = vec![open_neighbor(2, 65002), open_neighbor(3, 65003)];
    let config = SpeakerConfig { router_id, aggregates, ..with_routes(1, 65001, 1, neighbors) };
    let now = world.now;
    world.speaker(1).reconfigure(config, now).unwrap();
    world.run_until(Duration::from_secs(200), "the sessions", |world| {
        best(world, 1, V4) == 5 && best(world, 3, V4) == 2
    });
    let route = world.speaker(3).rib().best(prefix("12.0.0.0/8")).unwrap();
    assert_eq!(route.attributes.attributes.aggregator, Some(Aggregator { asn: Asn(65001), router_id }));
}

#[test]
fn between_advertisements_there_is_a_pause_and_what_changed_meanwhile_goes_at_once() {
    let slow = NeighborConfig { advertisement_interval: Duration::from_secs(30), ..open_neighbor(2, 65002) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 500, vec![slow, open_neighbor(3, 65003)]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(Duration::from_secs(10), "the table", |world| {
        best(world, 2, V4) == 500 && best(world, 3, V4) == 500
    });
    world.run(Duration::from_secs(31));
    let (paused, usual) =
        (world.neighbor(2, 1).messages_received.update, world.neighbor(3, 1).messages_received.update);
    // A prefix that flaps every second for a minute.
    for second in 0..60 {
        let now = world.now;
        if second % 2 == 0 {
            world.speaker(1).originate(prefix("198.51.100.0/24"), now);
        } else {
            world.speaker(1).withdraw(prefix("198.51.100.0/24"), now);
        }
        world.run(Duration::from_secs(1));
    }
    world.run(Duration::from_secs(31));
    let received = |of: u8, before| world.neighbor(of, 1).messages_received.update - before;
    assert_eq!(received(3, usual), 60);
    // 91 seconds, and pauses of 22.5 to 30.
    assert!((3..=5).contains(&received(2, paused)), "{}", received(2, paused));
    assert_eq!(best(&world, 2, V4), 500);
    world.run(Duration::from_secs(31));
    let now = world.now;
    world.speaker(1).originate(prefix("198.51.100.0/24"), now);
    world.run(Duration::from_secs(1));
    assert_eq!(best(&world, 2, V4), 501, "after a quiet time a change goes at once");
}
