//! Whole speakers under virtual time: sessions, tables and export together.

mod chaos;
mod features;
mod operator;
mod origination;
mod paths;
mod world;

use bgp::policy::rule::{Label, Test};
use bgp::policy::{
    Action, Change, CommunitySet, Condition, Link, Note, Policy, PolicyDefinition, PrefixSet, Shared, Statement,
};
use bgp::rib::{FamilyCounts, Ineligible, Rib, Verdict};
use bgp::session::{ConnectMode, SessionState};
use bgp::speaker::{DynamicNeighbors, Event, NeighborConfig, NeighborError, SpeakerConfig};
use bgp::wire::{
    AsPath, Asn, Capability, Community, EncodeContext, Family, Message, Nlri, Open, Origin, PathAttributes, RouterId,
    Update,
};
use bytes::BytesMut;
use net::{Ipv4Prefix, Ipv6Prefix, Prefix};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use world::{World, address, config, open_neighbor};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;
const SOON: Duration = Duration::from_secs(30);

fn v4(speaker: u8, number: u16) -> Prefix {
    let [high, low] = number.to_be_bytes();
    Prefix::V4(Ipv4Prefix::new(Ipv4Addr::new(10 + speaker, high, low, 0), 24).unwrap())
}

fn v6(speaker: u8, number: u16) -> Prefix {
    Prefix::V6(Ipv6Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, speaker.into(), number, 0, 0, 0, 0), 64).unwrap())
}

fn with_routes(speaker: u8, asn: u32, routes: u16, neighbors: Vec<NeighborConfig>) -> SpeakerConfig {
    let originate = (0..routes).flat_map(|number| [v4(speaker, number), v6(speaker, number)]).collect();
    SpeakerConfig { originate, neighbors, ..config(speaker, asn) }
}

fn pair(routes: u16) -> World {
    World::new(vec![
        with_routes(1, 65001, routes, vec![open_neighbor(2, 65002)]),
        with_routes(2, 65002, routes, vec![open_neighbor(1, 65001)]),
    ])
}

fn best(world: &World, number: u8, family: Family) -> usize {
    world.nodes[usize::from(number) - 1].speaker.rib().counts(family).best
}

fn converged(world: &World, counts: &[usize]) -> bool {
    let quiet = world.nodes.iter().all(|node| node.speaker.status(world.now).neighbors.iter().all(|n| !n.behind));
    quiet
        && (1..)
            .zip(counts)
            .all(|(number, count)| Rib::FAMILIES.iter().all(|family| best(world, number, *family) == *count))
}

#[test]
fn two_speakers_exchange_a_thousand_routes_of_both_families_both_ways() {
    let mut world = pair(1000);
    world.run_until(SOON, "convergence", |world| converged(world, &[2000, 2000]));
    let route = world.speaker(2).rib().best(v4(1, 7)).unwrap();
    assert_eq!(route.attributes.attributes.as_path.to_string(), "65001");
    assert_eq!(route.attributes.next_hop.address(), address(1));
    let route = world.speaker(1).rib().best(v6(2, 7)).unwrap();
    assert_eq!(route.attributes.next_hop.address().to_string(), "2001:db8::99");
    world.run(Duration::from_millis(50));
    for (number, other) in [(1, 2), (2, 1)] {
        let status = world.neighbor(number, other);
        assert_eq!(status.state, SessionState::Established);
        assert_eq!(status.established_count, 1);
        for family in &status.families {
            assert_eq!((family.received, family.accepted, family.advertised), (1000, 1000, 1000));
            assert!(family.negotiated && family.end_of_rib);
        }
        assert_eq!(status.unsent_octets, 0);
        assert_eq!(status.hold_time, Some(90));
        assert_eq!(status.router_id, Some(RouterId(Ipv4Addr::new(10, 0, 0, other))));
        assert!(status.messages_sent.update < 40, "packed: {:?}", status.messages_sent);
    }
    // A change later on, and nothing but that change.
    let before = world.neighbor(2, 1).messages_received.update;
    let now = world.now;
    world.speaker(1).withdraw(v4(1, 7), now);
    world.run(Duration::from_millis(50));
    assert_eq!(world.speaker(2).rib().best(v4(1, 7)), None);
    assert_eq!(world.neighbor(2, 1).messages_received.update, before + 1);
}

#[test]
fn a_session_stays_up_for_hours_on_keepalives_alone() {
    let mut world = pair(1);
    world.run_until(SOON, "convergence", |world| converged(world, &[2, 2]));
    world.run(Duration::from_secs(4 * 3600));
    assert_eq!(world.neighbor(1, 2).established_count, 1);
    assert!(world.is_up(1, 2) && world.is_up(2, 1));
}

#[test]
fn whoever_connects_one_session_stands() {
    let mode = |passive| if passive { ConnectMode::Passive } else { ConnectMode::Both };
    for (first_passive, second_passive) in [(false, false), (true, false), (false, true)] {
        let mut world = World::new(vec![
            with_routes(1, 65001, 1, vec![NeighborConfig { mode: mode(first_passive), ..open_neighbor(2, 65002) }]),
            with_routes(2, 65002, 1, vec![NeighborConfig { mode: mode(second_passive), ..open_neighbor(1, 65001) }]),
        ]);
        world.run_until(SOON, "convergence", |world| converged(world, &[2, 2]));
        world.run(SOON);
        for (number, other) in [(1, 2), (2, 1)] {
            let status = world.neighbor(number, other);
            assert_eq!((status.state, status.established_count), (SessionState::Established, 1));
            let collisions = u64::from(!first_passive && !second_passive);
            assert_eq!(status.collisions, collisions, "both opened at the same moment");
        }
    }
}

#[test]
fn silence_for_the_hold_time_withdraws_everything_and_the_session_comes_back() {
    let mut world = World::new(vec![
        with_routes(1, 65001, 10, vec![open_neighbor(2, 65002)]),
        with_routes(2, 65002, 10, vec![open_neighbor(1, 65001), open_neighbor(3, 65003)]),
        with_routes(3, 65003, 10, vec![open_neighbor(2, 65002)]),
    ]);
    world.run_until(SOON, "convergence", |world| converged(world, &[30, 30, 30]));
    world.cut(1, 2);
    let gone = world.run_until(Duration::from_secs(200), "hold timer", |world| !world.is_up(2, 1));
    assert!((60..=90).contains(&gone.as_secs()), "{gone:?}");
    world.run(Duration::from_secs(1));
    assert!(world.is_up(2, 3), "the other session never noticed");
    assert_eq!(best(&world, 2, V4), 20);
    assert_eq!(best(&world, 3, V4), 20);
    assert!(world.neighbor(2, 1).last_reset.is_some_and(|error| error.contains("Hold Timer Expired")));
    world.mend();
    world.run_until(Duration::from_secs(300), "recovery", |world| converged(world, &[30, 30, 30]));
    assert_eq!(world.neighbor(2, 3).established_count, 1);
}

#[test]
fn a_removed_neighbour_leaves_nothing_behind_on_either_side() {
    let mut world = pair(100);
    world.run_until(SOON, "convergence", |world| converged(world, &[200, 200]));
    let now = world.now;
    assert!(world.speaker(1).remove_neighbor(address(2), now));
    assert!(!world.speaker(1).remove_neighbor(address(2), now));
    world.run(Duration::from_millis(100));
    assert!(!world.is_up(2, 1));
    assert!(world.neighbor(2, 1).last_reset.is_some_and(|error| error.contains("received: Cease")));
    for number in [1, 2] {
        assert_eq!(best(&world, number, V4), 100);
        for index in 0..100 {
            world.speaker(number).withdraw(v4(number, index), now);
        }
        assert_eq!(world.speaker(number).rib().counts(V4), FamilyCounts::default());
    }
    let now = world.now;
    world.speaker(1).add_neighbor(open_neighbor(2, 65002), now).unwrap();
    assert_eq!(world.speaker(1).add_neighbor(open_neighbor(2, 65002), now), Err(NeighborError::Duplicate(address(2))));
    world.run_until(Duration::from_secs(300), "it comes back", |world| best(world, 1, V6) == 200);
}

#[test]
fn stop_tells_every_neighbour_and_stays_down() {
    let mut world = pair(1);
    world.run_until(SOON, "convergence", |world| converged(world, &[2, 2]));
    let now = world.now;
    world.speaker(1).stop(now);
    world.run(Duration::from_secs(600));
    assert!(!world.is_up(1, 2));
    assert_eq!(world.neighbor(1, 2).state, SessionState::Idle);
    let reason = world.nodes[1].events.iter().find_map(|event| match event {
        Event::Down { reason, was_up: true, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.is_some_and(|reason| reason.contains("Administrative Shutdown")));
}

#[test]
fn connections_from_strangers_are_refused() {
    let mut world = pair(1);
    let local = SocketAddr::new(address(1), 179);
    let now = world.now;
    let stranger = SocketAddr::new(address(77), 5000);
    assert_eq!(world.speaker(1).handle_accepted(stranger, local, now), None);
    // A neighbour's host that reaches an address of ours that the session is not configured for.
    let third =
        NeighborConfig { local_address: Some(address(1)), mode: ConnectMode::Passive, ..open_neighbor(3, 65003) };
    world.speaker(1).add_neighbor(third, now).unwrap();
    let other = SocketAddr::new(address(9), 179);
    assert_eq!(world.speaker(1).handle_accepted(SocketAddr::new(address(3), 5000), other, now), None);
    assert!(world.speaker(1).handle_accepted(SocketAddr::new(address(3), 5000), local, now).is_some());
    assert_eq!(world.speaker(1).status(now).connections_refused, 2);
}

#[test]
fn whoever_connects_from_a_range_is_a_neighbour_while_the_session_lasts_and_the_limit_allows() {
    let range = DynamicNeighbors {
        prefix: "192.0.2.0/24".parse().unwrap(),
        limit: 2,
        template: NeighborConfig { next_hop_v6: "2001:db8::1".parse().ok(), ..open_neighbor(0, 0) },
    };
    let server = SpeakerConfig { dynamic: vec![range], ..with_routes(1, 65001, 1, Vec::new()) };
    let client = |number: u8| with_routes(number, 65000 + u32::from(number), 1, vec![open_neighbor(1, 65001)]);
    let mut world = World::new(vec![server, client(2), client(3), client(4)]);
    let up = |world: &World| {
        let status = world.nodes[0].speaker.status(world.now);
        status.neighbors.iter().filter(|neighbor| neighbor.uptime_seconds.is_some()).count()
    };
    world.run_until(SOON, "two sessions", |world| up(world) == 2);
    world.run(SOON);
    let status = world.nodes[0].speaker.status(world.now);
    assert_eq!(status.neighbors.len(), 2, "the third is refused");
    assert!(status.neighbors.iter().all(|neighbor| neighbor.dynamic && neighbor.asn != Asn(0)));
    assert!(status.connections_refused > 0);
    assert_eq!(best(&world, 1, V4), 3);

    // One says goodbye: its place is free for the third.
    let leaver = status.neighbors[0].address;
    let number = (2..5).find(|number| address(*number) == leaver).unwrap();
    let now = world.now;
    world.speaker(number).stop(now);
    world.run_until(Duration::from_secs(600), "the third takes its place", |world| {
        let status = world.nodes[0].speaker.status(world.now);
        up(world) == 2 && status.neighbors.iter().all(|neighbor| neighbor.address != leaver)
    });
    assert_eq!(best(&world, 1, V4), 3);
}

#[test]
fn without_policies_external_neighbours_exchange_nothing_and_internal_ones_everything() {
    let bare =
        |number, asn| NeighborConfig { import: Policy::Unset, export: Policy::Unset, ..open_neighbor(number, asn) };
    let mut world = World::new(vec![
        with_routes(1, 65001, 3, vec![bare(2, 65002)]),
        with_routes(2, 65002, 3, vec![bare(1, 65001), bare(3, 65002)]),
        with_routes(3, 65002, 3, vec![bare(2, 65002)]),
    ]);
    world.run_until(SOON, "sessions", |world| world.is_up(1, 2) && world.is_up(2, 3));
    world.run(Duration::from_secs(5));
    assert_eq!([1, 2, 3].map(|number| best(&world, number, V4)), [3, 6, 6]);
    assert_eq!(world.neighbor(1, 2).families[0].received, 0);
}

#[test]
fn a_changed_import_policy_needs_no_session_reset() {
    let mut world = pair(5);
    world.run_until(SOON, "convergence", |world| converged(world, &[10, 10]));
    let now = world.now;
    world.speaker(1).set_import_policy(address(2), Policy::Reject, now);
    assert_eq!(best(&world, 1, V4), 5);
    assert_eq!(world.neighbor(1, 2).families[0].received, 5);
    world.speaker(1).set_import_policy(address(2), Policy::Accept, now);
    assert_eq!(best(&world, 1, V4), 10);
    assert_eq!(world.neighbor(1, 2).established_count, 1);
}

/// Refuses the prefixes that `patterns` mean; the others pass, with a community.
fn all_but(patterns: &[&str]) -> Policy {
    let label = |statement| Label { policy: "all-but".to_owned(), statement, name: None, line: 0 };
    let set = PrefixSet::new(patterns.iter().map(|text| text.parse().unwrap()));
    let inside = Test { condition: Condition::Prefix(Shared::new(set)), text: Note("".into()) };
    let mark = Change::Communities {
        clear: false,
        remove: Shared::new(CommunitySet::default()),
        remove_text: Note("".into()),
        add: vec!["65000:1".parse().unwrap()],
    };
    let statement = |number, matches, changes, action| Statement {
        label: Note(label(number)),
        matches,
        unless: Vec::new(),
        changes,
        action,
    };
    let statements = vec![
        statement(1, vec![inside], Vec::new(), Action::Reject),
        statement(2, Vec::new(), vec![mark], Action::Accept),
    ];
    Policy::chain(&[Link::Policy(Arc::new(PolicyDefinition { name: "all-but".into(), statements }))])
}

#[test]
fn rules_are_judged_again_from_what_was_received_when_they_change() {
    let mut world = pair(5);
    world.run_until(SOON, "convergence", |world| converged(world, &[10, 10]));
    let now = world.now;
    // Two of the five IPv4 routes, and none of the IPv6 ones.
    world.speaker(1).set_import_policy(address(2), all_but(&["12.0.0.0/23 le 24"]), now);
    assert_eq!((best(&world, 1, V4), best(&world, 1, V6)), (8, 10));
    let why = world.speaker(1).rib().why(v4(2, 1));
    assert_eq!(why.first().map(|it| it.verdict), Some(Verdict::Ineligible(Ineligible::RejectedByPolicy)));
    let marked = world.speaker(1).rib().best(v4(2, 4)).unwrap();
    assert_eq!(marked.attributes.attributes.communities, [Community::new(65000, 1)]);
    world.speaker(1).set_import_policy(address(2), all_but(&["12.0.4.0/24"]), now);
    assert_eq!((best(&world, 1, V4), best(&world, 1, V6)), (9, 10));
    assert_eq!(world.neighbor(1, 2).families[0].received, 5);
    assert_eq!(world.neighbor(1, 2).established_count, 1);
}

#[test]
fn a_changed_export_policy_is_told_to_the_neighbour_without_a_reset() {
    let mut world = pair(5);
    world.run_until(SOON, "convergence", |world| converged(world, &[10, 10]));
    let now = world.now;
    world.speaker(1).set_export_policy(address(2), all_but(&["11.0.0.0/23 le 24"]), now);
    world.run_until(SOON, "withdrawals", |world| converged(world, &[10, 8]) || best(world, 2, V4) == 8);
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 2, V4), best(&world, 2, V6)), (8, 10));
    let marked = world.speaker(2).rib().best(v4(1, 4)).unwrap();
    assert_eq!(marked.attributes.attributes.communities, [Community::new(65000, 1)]);
    assert_eq!(world.neighbor(1, 2).families[0].advertised, 3);
    let now = world.now;
    world.speaker(1).set_export_policy(address(2), Policy::Reject, now);
    world.run(Duration::from_secs(1));
    assert_eq!((best(&world, 2, V4), best(&world, 2, V6)), (5, 5));
    let now = world.now;
    world.speaker(1).set_export_policy(address(2), Policy::Accept, now);
    world.run_until(SOON, "convergence", |world| converged(world, &[10, 10]));
    assert_eq!(world.neighbor(1, 2).established_count, 1);
    let status = world.nodes[0].speaker.status(world.now);
    assert_eq!(status.update_groups, 1, "groups without members go");
}

#[test]
fn internal_routes_go_out_of_the_as_but_not_to_internal_neighbours() {
    // 1 and 2 and 3 in AS 65001, a chain; 4 outside, behind 2.
    let mut world = World::new(vec![
        with_routes(1, 65001, 1, vec![open_neighbor(2, 65001)]),
        with_routes(2, 65001, 1, vec![open_neighbor(1, 65001), open_neighbor(3, 65001), open_neighbor(4, 65004)]),
        with_routes(3, 65001, 1, vec![open_neighbor(2, 65001)]),
        with_routes(4, 65004, 1, vec![open_neighbor(2, 65001)]),
    ]);
    world.run_until(SOON, "sessions", |world| world.is_up(2, 1) && world.is_up(2, 3) && world.is_up(2, 4));
    world.run(Duration::from_secs(5));
    assert_eq!(world.speaker(3).rib().best(v4(1, 0)), None);
    let outside = world.speaker(4).rib().best(v4(1, 0)).unwrap();
    assert_eq!(outside.attributes.attributes.as_path.to_string(), "65001");
    assert_eq!(outside.attributes.next_hop.address(), address(2));
    let inside = world.speaker(3).rib().best(v4(4, 0)).unwrap();
    assert_eq!(inside.attributes.next_hop.address(), address(4), "the next hop stays inside the AS");
    assert_eq!(inside.attributes.attributes.local_pref, Some(100));
}

#[test]
fn a_refresh_brings_everything_again_and_changes_nothing() {
    let mut world = pair(10);
    world.run_until(SOON, "convergence", |world| converged(world, &[20, 20]));
    let before = world.neighbor(1, 2).messages_received;
    let now = world.now;
    world.speaker(1).request_refresh(address(2), V4, now);
    world.run(Duration::from_secs(1));
    let after = world.neighbor(1, 2).messages_received;
    assert_eq!(after.update, before.update + 1);
    assert_eq!(world.neighbor(2, 1).messages_received.route_refresh, 1);
    assert!(converged(&world, &[20, 20]));
}

#[test]
fn a_neighbour_that_does_not_read_holds_up_nobody_and_catches_up_later() {
    let mut world = World::new(vec![
        with_routes(1, 65001, 0, vec![open_neighbor(2, 65002), open_neighbor(3, 65003), open_neighbor(4, 65004)]),
        with_routes(2, 65002, 0, vec![open_neighbor(1, 65001)]),
        with_routes(3, 65003, 0, vec![open_neighbor(1, 65001)]),
        with_routes(4, 65004, 0, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "sessions", |world| [2, 3, 4].iter().all(|number| world.is_up(1, *number)));
    world.run(Duration::from_secs(1));
    world.stall(2, true);
    for round in 0..20 {
        let now = world.now;
        for number in 0..500 {
            if round % 2 == 0 {
                world.speaker(4).originate(v4(4, number), now)
            } else {
                world.speaker(4).withdraw(v4(4, number), now)
            }
        }
        world.run(Duration::from_millis(200));
        let expected = if round % 2 == 0 { 500 } else { 0 };
        assert_eq!(best(&world, 3, V4), expected, "round {round}");
        let status = world.neighbor(1, 2);
        assert!(status.unsent_octets < 300_000, "{} octets wait", status.unsent_octets);
    }
    let now = world.now;
    world.speaker(4).originate(v4(4, 5), now);
    world.run(Duration::from_millis(200));
    world.stall(2, false);
    world.run(Duration::from_secs(1));
    assert!(world.is_up(1, 2));
    assert_eq!((best(&world, 2, V4), best(&world, 3, V4)), (1, 1));
    assert!(world.speaker(1).is_advertised(address(2), v4(4, 5)));
}

#[test]
fn a_neighbour_that_talks_but_never_reads_is_let_go_by_the_send_hold_timer() {
    let passive = NeighborConfig { mode: ConnectMode::Passive, ..open_neighbor(9, 65009) };
    let mut world = World::new(vec![with_routes(1, 65001, 10, vec![passive])]);
    let raw = Raw::connect(&mut world);
    for _ in 0..15 {
        world.run(Duration::from_secs(30));
        assert!(world.is_up(1, 9));
        raw.send(&mut world, &[Message::Keepalive]);
    }
    world.run(Duration::from_secs(60));
    assert!(world.neighbor(1, 9).last_reset.is_some_and(|error| error.contains("took nothing")));
}

#[cfg(feature = "serde")]
#[test]
fn status_routes_and_reasons_are_json() {
    let mut world = pair(2);
    world.run_until(SOON, "convergence", |world| converged(world, &[4, 4]));
    world.run(Duration::from_secs(2));
    let now = world.now;
    let status = serde_json::to_value(world.speaker(1).status(now)).unwrap();
    let neighbor = &status["neighbors"][0];
    assert_eq!(neighbor["address"], "192.0.2.2");
    assert_eq!(neighbor["state"], "Established");
    assert_eq!(neighbor["families"][1]["family"], "ipv6-unicast");
    assert_eq!(neighbor["families"][1]["received"], 2);
    assert_eq!(status["tables"][0]["best"], 4);
    let page = serde_json::to_value(world.speaker(1).rib().loc_rib(V4, None, 10)).unwrap();
    let route = &page["routes"][2];
    assert_eq!(route["prefix"], "12.0.0.0/24");
    assert_eq!(route["next_hop"]["ipv4"], "192.0.2.2");
    assert_eq!(route["attributes"]["origin"], "IGP");
    let why = serde_json::to_value(world.speaker(1).rib().why(v4(2, 0))).unwrap();
    assert_eq!(why[0]["verdict"], "best");
}

/// A neighbour made of octets: address 192.0.2.9, AS 65009, passive on our side.
struct Raw {
    connection: bgp::speaker::ConnectionId,
}

impl Raw {
    fn connect(world: &mut World) -> Raw {
        let now = world.now;
        let (remote, local) = (SocketAddr::new(address(9), 40000), SocketAddr::new(address(1), 179));
        let connection = world.speaker(1).handle_accepted(remote, local, now).unwrap();
        let raw = Raw { connection };
        let capabilities = vec![Capability::Multiprotocol { family: V4 }, Capability::FourOctetAs { asn: Asn(65009) }];
        let open = Open::new(Asn(65009), 90, RouterId(Ipv4Addr::new(10, 0, 0, 9)), capabilities);
        raw.send(world, &[Message::Open(open), Message::Keepalive]);
        assert!(world.is_up(1, 9));
        raw
    }

    fn send(&self, world: &mut World, messages: &[Message]) {
        let mut octets = BytesMut::new();
        messages.iter().for_each(|message| message.encode(&EncodeContext::default(), &mut octets).unwrap());
        self.send_octets(world, &octets);
    }

    fn send_octets(&self, world: &mut World, octets: &[u8]) {
        let now = world.now;
        world.speaker(1).handle_octets(self.connection, octets, now);
        world.run(Duration::from_millis(100));
    }

    fn announce(&self, world: &mut World, prefix: Prefix, change: impl FnOnce(&mut Vec<u8>)) {
        let attributes = PathAttributes {
            next_hop: Some(Ipv4Addr::new(192, 0, 2, 9)),
            ..PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65009), Asn(65010)]))
        };
        let update =
            Update { attributes: Some(Arc::new(attributes)), nlri: vec![Nlri::new(prefix)], ..Update::default() };
        let mut octets = BytesMut::new();
        Message::Update(update).encode(&EncodeContext::default(), &mut octets).unwrap();
        let mut octets = octets.to_vec();
        change(&mut octets);
        self.send_octets(world, &octets);
    }
}

#[test]
fn malformed_updates_of_one_neighbour_never_disturb_another() {
    let mut world = World::new(vec![
        with_routes(
            1,
            65001,
            10,
            vec![open_neighbor(2, 65002), NeighborConfig { mode: ConnectMode::Passive, ..open_neighbor(9, 65009) }],
        ),
        with_routes(2, 65002, 10, vec![open_neighbor(1, 65001)]),
    ]);
    world.run_until(SOON, "convergence", |world| converged(world, &[20, 20]));
    let raw = Raw::connect(&mut world);
    let bad = v4(99, 1);
    raw.announce(&mut world, bad, |_| ());
    assert!(world.speaker(2).rib().best(bad).is_some());

    // ORIGIN 9: RFC 7606 §7.1, treat as withdraw. The route goes, the session stays.
    raw.announce(&mut world, bad, |octets| {
        let at = octets.windows(3).position(|window| window == [0x40, 1, 1]).unwrap();
        octets[at + 3] = 9;
    });
    assert!(world.is_up(1, 9));
    assert_eq!(world.speaker(1).rib().best(bad), None);
    assert_eq!(world.speaker(2).rib().best(bad), None);
    assert_eq!(world.neighbor(1, 9).errors_treated_as_withdraw, 1);
    assert!(world.nodes[0].events.iter().any(|event| matches!(event, Event::Malformed { .. })));

    // Attributes that overrun the message: session reset, for this one only.
    raw.announce(&mut world, bad, |_| ());
    assert!(world.speaker(2).rib().best(bad).is_some());
    raw.announce(&mut world, bad, |octets| octets[22] = 0xff);
    assert!(!world.is_up(1, 9));
    assert_eq!(world.speaker(2).rib().best(bad), None);
    assert!(world.neighbor(1, 9).last_reset.is_some_and(|error| error.contains("UPDATE Message Error")));

    world.run(Duration::from_secs(300));
    assert!(converged(&world, &[20, 20]));
    assert_eq!(world.neighbor(1, 2).established_count, 1);
    assert_eq!(world.neighbor(2, 1).established_count, 1);
}

#[test]
fn a_looped_route_is_kept_aside_and_why_says_so() {
    let mut world = World::new(vec![with_routes(
        1,
        65001,
        0,
        vec![NeighborConfig { mode: ConnectMode::Passive, ..open_neighbor(9, 65009) }],
    )]);
    let raw = Raw::connect(&mut world);
    let prefix = v4(99, 1);
    raw.announce(&mut world, prefix, |octets| {
        // 65010 becomes 65001, ours.
        let at = octets.windows(4).position(|window| window == 65010u32.to_be_bytes()).unwrap();
        octets[at..at + 4].copy_from_slice(&65001u32.to_be_bytes());
    });
    let why = world.speaker(1).rib().why(prefix);
    let verdicts: Vec<Verdict> = why.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts, [Verdict::Ineligible(Ineligible::OwnAsInPath)]);
    assert_eq!(world.neighbor(1, 9).families[0].received, 1);
    assert_eq!(world.neighbor(1, 9).families[0].accepted, 0);
    assert_eq!(world.speaker(1).adj_rib_in(address(9), V4, None, 10).routes.len(), 1);
}
