//! A speaker's turns: however much one neighbour sends, another one's route is not far behind. Counted in routes, not
//! in time.

use bgp::policy::Policy;
use bgp::session::{ConnectMode, SessionConfig};
use bgp::speaker::{
    ConnectionId, Event, LimitAction, NeighborConfig, PrefixLimit, Reconfigured, Speaker, SpeakerConfig, Transmit,
};
use bgp::wire::{
    AsPath, Asn, Community, EncodeContext, Family, Message, NextHop, Nlri, Origin, PathAttributes, RouterId,
    pack_announcements,
};
use bytes::BytesMut;
use net::{Prefix, Time};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// More routes than a turn may handle; what it does handle are some 500.
const TURN_ROUTES: u64 = 4_000;

/// More octets than a turn may send, to all neighbours together; a segment has some 30,000.
const TURN_OCTETS: usize = 512 * 1024;

const LOADER: u8 = 2;
const PROBE: u8 = 3;
const RECEIVER: u8 = 4;

fn address(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, number])
}

fn asn(number: u8) -> Asn {
    Asn(65_000 + u32::from(number))
}

fn speaker(receivers: u8, import: Policy) -> (Speaker, Vec<ConnectionId>) {
    speaker_with(receivers, |loader| loader.import = import.clone())
}

fn config(receivers: u8, loader: impl Fn(&mut NeighborConfig)) -> SpeakerConfig {
    let last = RECEIVER + receivers - 1;
    let neighbors = (LOADER..=last).map(|number| {
        let mut neighbor = NeighborConfig {
            mode: ConnectMode::Passive,
            import: Policy::Accept,
            export: Policy::Accept,
            ..NeighborConfig::new(address(number), asn(number))
        };
        if number == LOADER {
            loader(&mut neighbor);
        }
        neighbor
    });
    SpeakerConfig { neighbors: neighbors.collect(), ..SpeakerConfig::new(Asn(65_000), RouterId::from_u32(1)) }
}

fn speaker_with(receivers: u8, loader: impl Fn(&mut NeighborConfig)) -> (Speaker, Vec<ConnectionId>) {
    let last = RECEIVER + receivers - 1;
    let mut speaker = Speaker::new(config(receivers, loader), Time::ZERO).unwrap();
    let connections = (LOADER..=last).map(|number| {
        let local = SocketAddr::from(([192, 0, 2, 1], 179));
        let id = speaker.handle_accepted(SocketAddr::new(address(number), 40_000), local, Time::ZERO).unwrap();
        let open = SessionConfig::new(asn(number), RouterId::from_u32(number.into()), Asn(65_000)).open();
        let mut greeting = BytesMut::new();
        for message in [Message::Open(open), Message::Keepalive] {
            message.encode(&EncodeContext::default(), &mut greeting).unwrap();
        }
        speaker.handle_octets(id, &greeting, Time::ZERO);
        id
    });
    let connections = connections.collect();
    while speaker.is_busy() {
        speaker.handle_timeout(Time::ZERO);
    }
    sent(&mut speaker, |_, _| ());
    (speaker, connections)
}

/// Reports everything as written.
fn sent(speaker: &mut Speaker, mut each: impl FnMut(ConnectionId, &[u8])) {
    while let Some(transmit) = speaker.poll_transmit() {
        if let Transmit::Send { connection, octets } = transmit {
            each(connection, &octets);
            speaker.handle_sent(connection, octets.len(), Time::ZERO);
        }
    }
}

fn prefix(number: u32) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + (number << 8))), 24).unwrap()
}

/// UPDATEs of a neighbour, five routes each.
fn updates(from: u8, numbers: std::ops::Range<u32>) -> BytesMut {
    let mut octets = BytesMut::new();
    let numbers: Vec<u32> = numbers.collect();
    for numbers in numbers.chunks(5) {
        let path = AsPath::sequence(&[asn(from), Asn(100_000 + numbers[0])]);
        let next_hop = Ipv4Addr::new(192, 0, 2, from);
        let attributes = PathAttributes { next_hop: Some(next_hop), ..PathAttributes::new(Origin::Igp, path) };
        let nlri = numbers.iter().map(|number| Nlri::new(prefix(*number)));
        let context = EncodeContext::default();
        let (family, next_hop) = (Family::IPV4_UNICAST, NextHop::V4(next_hop));
        pack_announcements(family, &attributes, next_hop, nlri, &context, &mut octets).unwrap();
    }
    octets
}

fn received(speaker: &Speaker, from: u8) -> u64 {
    let status = speaker.status(Time::ZERO);
    let neighbor = status.neighbors.iter().find(|neighbor| neighbor.address == address(from)).unwrap();
    neighbor.families.iter().map(|family| family.received).sum()
}

#[test]
fn one_route_goes_out_at_once_while_another_neighbour_loads_a_table() {
    let (mut speaker, connections) = speaker(1, Policy::Reject);
    let (loader, probe, receiver) = (connections[0], connections[1], connections[2]);
    speaker.handle_octets(loader, &updates(LOADER, 0..100_000), Time::ZERO);
    assert!(speaker.has_input(loader) && speaker.is_busy());
    for round in 0..20 {
        let before = received(&speaker, LOADER);
        let route = updates(PROBE, 200_000 + round..200_001 + round);
        speaker.handle_octets(probe, &route, Time::ZERO);
        assert!(!speaker.has_input(probe));
        let mut arrived = false;
        sent(&mut speaker, |connection, octets| arrived |= connection == receiver && octets.get(18) == Some(&2));
        assert!(arrived, "the route is sent before anything else is done");
        assert_eq!(received(&speaker, LOADER), before);
        speaker.handle_timeout(Time::ZERO);
        let after = received(&speaker, LOADER);
        assert!(after > before && after - before < TURN_ROUTES, "{} routes in one turn", after - before);
    }
}

#[test]
fn neighbours_that_all_send_much_take_turns_and_everything_is_handled_in_the_end() {
    let (mut speaker, connections) = speaker(1, Policy::Accept);
    speaker.handle_octets(connections[0], &updates(LOADER, 0..30_000), Time::ZERO);
    speaker.handle_octets(connections[1], &updates(PROBE, 30_000..60_000), Time::ZERO);
    while speaker.is_busy() {
        let (first, second) = (received(&speaker, LOADER), received(&speaker, PROBE));
        assert!(first.abs_diff(second) < TURN_ROUTES || first.min(second) == 30_000, "{first} and {second}");
        speaker.handle_timeout(Time::ZERO);
        sent(&mut speaker, |_, _| ());
    }
    assert_eq!((received(&speaker, LOADER), received(&speaker, PROBE)), (30_000, 30_000));
    let receiver = address(RECEIVER);
    assert!((0..60_000).all(|number| speaker.is_advertised(receiver, prefix(number))));
}

#[test]
fn a_turn_sends_a_bounded_number_of_routes_to_however_many_receivers() {
    let receivers = 30;
    let (mut speaker, connections) = speaker(receivers, Policy::Accept);
    speaker.handle_octets(connections[0], &updates(LOADER, 0..20_000), Time::ZERO);
    let mut unwritten = VecDeque::new();
    loop {
        match unwritten.pop_front() {
            Some((connection, octets)) => speaker.handle_sent(connection, octets, Time::ZERO),
            None if speaker.is_busy() => speaker.handle_timeout(Time::ZERO),
            None => break,
        }
        let before = unwritten.len();
        while let Some(transmit) = speaker.poll_transmit() {
            if let Transmit::Send { connection, octets } = transmit {
                unwritten.push_back((connection, octets.len()));
            }
        }
        let sent: usize = unwritten.range(before..).map(|(_, octets)| octets).sum();
        assert!(sent < TURN_OCTETS, "{sent} octets in one turn");
    }
    assert!((RECEIVER..RECEIVER + receivers).all(|number| speaker.is_advertised(address(number), prefix(19_999))));
}

#[test]
fn what_has_come_before_the_connection_ends_is_handled_before_it_ends() {
    let (mut speaker, connections) = speaker(1, Policy::Accept);
    let mut octets = updates(LOADER, 0..10_000);
    let notification = bgp::wire::Notification::new(bgp::wire::ErrorCode::CEASE, 4);
    Message::Notification(notification).encode(&EncodeContext::default(), &mut octets).unwrap();
    speaker.handle_octets(connections[0], &octets, Time::ZERO);
    speaker.handle_closed(connections[0], Time::ZERO);
    let status = speaker.status(Time::ZERO);
    let loader = status.neighbors.iter().find(|neighbor| neighbor.address == address(LOADER)).unwrap();
    assert!(loader.last_reset.as_ref().is_some_and(|reason| reason.contains("Cease")), "{:?}", loader.last_reset);
    assert_eq!(loader.messages_received.update, 2_000);
}

#[test]
fn a_message_that_comes_octet_by_octet_is_one_message() {
    let (mut speaker, connections) = speaker(1, Policy::Accept);
    let route = updates(LOADER, 0..5);
    for octet in &route {
        speaker.handle_octets(connections[0], &[*octet], Time::ZERO);
    }
    assert_eq!(received(&speaker, LOADER), 5);
}

/// Turns until nothing is left to do, and how many best routes the longest of them took away.
fn longest(speaker: &mut Speaker) -> (usize, usize) {
    let best =
        |speaker: &Speaker| speaker.status(Time::ZERO).tables.iter().map(|table| table.counts.best).sum::<usize>();
    let (mut turns, mut most) = (0, 0);
    while speaker.is_busy() {
        let before = best(speaker);
        speaker.handle_timeout(Time::ZERO);
        most = most.max(before.abs_diff(best(speaker)));
        sent(speaker, |_, _| ());
        turns += 1;
    }
    (turns, most)
}

/// More best routes than a turn may take away or bring back.
const TURN_VISITS: usize = 12_000;

#[test]
fn the_routes_of_a_session_that_ends_go_turn_by_turn_while_others_are_served() {
    let (mut speaker, connections) = speaker(1, Policy::Accept);
    let (loader, probe, receiver) = (connections[0], connections[1], connections[2]);
    speaker.handle_octets(loader, &updates(LOADER, 0..60_000), Time::ZERO);
    longest(&mut speaker);
    speaker.handle_closed(loader, Time::ZERO);
    assert_eq!(received(&speaker, LOADER), 0, "none of them is the neighbour's any more");
    assert!(speaker.is_busy());
    for round in 0..3 {
        sent(&mut speaker, |_, _| ());
        speaker.handle_octets(probe, &updates(PROBE, 200_000 + round..200_001 + round), Time::ZERO);
        let mut arrived = false;
        sent(&mut speaker, |connection, octets| arrived |= connection == receiver && octets.get(18) == Some(&2));
        assert!(arrived && speaker.is_busy());
    }
    let (turns, most) = longest(&mut speaker);
    assert!(turns > 3 && most < TURN_VISITS, "{turns} turns, {most} routes in one");
    assert_eq!(speaker.status(Time::ZERO).tables[0].counts.paths, 3);
    assert!(!speaker.is_advertised(address(RECEIVER), prefix(59_999)));
}

#[test]
fn another_import_policy_is_asked_about_all_routes_turn_by_turn() {
    let (mut speaker, connections) = speaker(1, Policy::Accept);
    speaker.handle_octets(connections[0], &updates(LOADER, 0..60_000), Time::ZERO);
    longest(&mut speaker);
    for (policy, best) in [(Policy::Reject, 0), (Policy::Accept, 60_000)] {
        speaker.set_import_policy(address(LOADER), policy, Time::ZERO);
        let (turns, most) = longest(&mut speaker);
        assert!(turns > 3 && most < TURN_VISITS, "{turns} turns, {most} routes in one");
        assert_eq!(speaker.status(Time::ZERO).tables[0].counts.best, best);
    }
}

/// An UPDATE with one route and an attribute set of some 3,500 octets that no other one has.
fn heavy(from: u8, number: u32) -> BytesMut {
    let mut octets = BytesMut::new();
    let next_hop = Ipv4Addr::new(192, 0, 2, from);
    let mut attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&[asn(from)]));
    attributes.next_hop = Some(next_hop);
    attributes.med = Some(number);
    attributes.communities = vec![Community::new(1, 2); 870];
    let (nlri, context) = ([Nlri::new(prefix(number))], EncodeContext::default());
    pack_announcements(Family::IPV4_UNICAST, &attributes, NextHop::V4(next_hop), nlri, &context, &mut octets).unwrap();
    octets
}

#[test]
fn a_neighbour_whose_attributes_weigh_too_much_loses_its_session_and_everybody_else_nothing() {
    let heavies = || (0..1_000).flat_map(|number| heavy(LOADER, number)).collect::<BytesMut>();
    let limit = 1_000_000;
    let (mut speaker, connections) = speaker_with(1, |loader| loader.attribute_octets = limit);
    speaker.handle_octets(connections[1], &updates(PROBE, 200_000..200_010), Time::ZERO);
    speaker.handle_octets(connections[0], &heavies(), Time::ZERO);
    let mut most = 0;
    while speaker.is_busy() {
        speaker.handle_timeout(Time::ZERO);
        most = most.max(speaker.status(Time::ZERO).tables[0].counts.attribute_sets);
        sent(&mut speaker, |_, _| ());
    }
    assert!(most < 350, "{most} sets of some 3,000 octets too many each");
    let status = speaker.status(Time::ZERO);
    let held = status.neighbors.iter().find(|neighbor| neighbor.address == address(LOADER)).unwrap().held.clone();
    assert!(held.is_some_and(|held| held.contains("octets of attributes")));
    assert_eq!((received(&speaker, LOADER), received(&speaker, PROBE)), (0, 10));
    assert_eq!(status.tables[0].counts.paths, 10);
    let mut events = std::iter::from_fn(|| speaker.poll_event());
    assert!(events.any(|event| matches!(event, Event::AttributeLimit { octets, .. } if octets > limit)));

    // What is usual costs nothing, however many there are.
    let (mut speaker, connections) = speaker_with(1, |loader| loader.attribute_octets = 0);
    speaker.handle_octets(connections[0], &updates(LOADER, 0..10_000), Time::ZERO);
    longest(&mut speaker);
    assert_eq!(received(&speaker, LOADER), 10_000);
}

#[test]
fn another_limit_on_what_attributes_weigh_counts_at_once_and_is_spoken_of_again() {
    let warned = |octets| {
        config(1, |loader| {
            let limit = PrefixLimit { count: 1_000_000, warn_percent: 80, action: LimitAction::Warn };
            (loader.attribute_octets, loader.receive_limits) = (octets, [(Family::IPV4_UNICAST, limit)].into());
        })
    };
    let loader = warned(100_000).neighbors.remove(0);
    let (mut speaker, connections) = speaker_with(1, |neighbor| *neighbor = loader.clone());
    let heavies = (0..400).flat_map(|number| heavy(LOADER, number)).collect::<BytesMut>();
    speaker.handle_octets(connections[0], &heavies, Time::ZERO);
    longest(&mut speaker);
    let told = |speaker: &mut Speaker| -> Vec<u64> {
        let events = std::iter::from_fn(|| speaker.poll_event());
        events
            .filter_map(|event| if let Event::AttributeLimit { limit, .. } = event { Some(limit) } else { None })
            .collect()
    };
    assert_eq!(told(&mut speaker), [100_000], "once a session");
    for (octets, expected) in
        [(200_000, vec![200_000]), (200_000, vec![]), (9_000_000, vec![]), (300_000, vec![300_000])]
    {
        let done = speaker.reconfigure(warned(octets), Time::ZERO).unwrap();
        assert!(
            done.iter().all(
                |done| matches!(done, Reconfigured::Changed { settings, .. } if *settings == ["attribute_octets"])
            )
        );
        assert_eq!(told(&mut speaker), expected);
    }
    assert_eq!(received(&speaker, LOADER), 400, "the session stands");
    // Without a limit of prefixes it ends.
    let dropping = config(1, |loader| loader.attribute_octets = 1_000);
    speaker.reconfigure(dropping, Time::ZERO).unwrap();
    longest(&mut speaker);
    assert_eq!((told(&mut speaker), received(&speaker, LOADER)), (vec![1_000], 0));
}

/// One message as long as there can be. With its attributes in another order than the usual one it is read as a whole
/// instead of in place.
fn longest_message(usual_order: bool) -> (Vec<u8>, u64) {
    longest_with(usual_order, &[])
}

/// The same with another attribute.
fn longest_with(usual_order: bool, last: &[u8]) -> (Vec<u8>, u64) {
    let mut attributes =
        [vec![0x40, 1, 1, 0], vec![0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea], vec![0x40, 3, 4, 192, 0, 2, 2], last.to_vec()];
    if !usual_order {
        attributes.reverse();
    }
    let attributes = attributes.concat();
    let routes = (65_535 - 23 - attributes.len()) / 4;
    let mut octets = vec![0xff; 16];
    octets.extend_from_slice(&u16::try_from(23 + attributes.len() + 4 * routes).unwrap().to_be_bytes());
    octets.extend_from_slice(&[2, 0, 0]);
    octets.extend_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
    octets.extend_from_slice(&attributes);
    for number in 0..routes as u32 {
        let [a, b, c, _] = (0x0b00_0000 + (number << 8)).to_be_bytes();
        octets.extend_from_slice(&[24, a, b, c]);
    }
    (octets, routes as u64)
}

#[test]
fn the_longest_message_takes_several_turns_and_a_route_of_another_neighbour_comes_in_between() {
    for usual_order in [true, false] {
        let (octets, routes) = longest_message(usual_order);
        assert!(routes > 4 * 2048);
        let (mut speaker, connections) = speaker(1, Policy::Accept);
        let (loader, probe, receiver) = (connections[0], connections[1], connections[2]);
        // Another message is behind it.
        speaker.handle_octets(loader, &[octets, updates(LOADER, 300_000..300_005).to_vec()].concat(), Time::ZERO);
        assert!(speaker.has_input(loader), "{usual_order}");
        let mut turns = 0;
        let mut before = received(&speaker, LOADER);
        assert!(before > 0 && before < TURN_ROUTES, "{usual_order}: {before}");
        let route = updates(PROBE, 200_000..200_001);
        speaker.handle_octets(probe, &route, Time::ZERO);
        let mut arrived = false;
        sent(&mut speaker, |connection, octets| arrived |= connection == receiver && octets.get(18) == Some(&2));
        assert!(arrived, "{usual_order}");
        while speaker.is_busy() {
            speaker.handle_timeout(Time::ZERO);
            sent(&mut speaker, |_, _| ());
            let now = received(&speaker, LOADER);
            assert!(now - before < TURN_ROUTES, "{usual_order}: {} routes in one turn", now - before);
            (turns, before) = (turns + 1, now);
        }
        assert!(turns > 3, "{turns}");
        assert_eq!(before, routes + 5, "{usual_order}");
        let status = speaker.status(Time::ZERO);
        let neighbor = status.neighbors.iter().find(|neighbor| neighbor.address == address(LOADER)).unwrap();
        assert_eq!(neighbor.messages_received.update, 2, "{usual_order}");
    }
}

#[test]
fn a_connection_that_ends_in_the_middle_of_the_longest_message_leaves_nothing_behind() {
    for usual_order in [true, false] {
        let (octets, _) = longest_message(usual_order);
        let (mut speaker, connections) = speaker(1, Policy::Accept);
        speaker.handle_octets(connections[0], &octets, Time::ZERO);
        speaker.handle_closed(connections[0], Time::ZERO);
        while speaker.is_busy() {
            speaker.handle_timeout(Time::ZERO);
            sent(&mut speaker, |_, _| ());
        }
        assert_eq!(received(&speaker, LOADER), 0);
        assert_eq!(speaker.rib().counts(Family::IPV4_UNICAST).paths, 0, "{usual_order}");
    }
}

fn is_held(speaker: &Speaker) -> bool {
    let status = speaker.status(Time::ZERO);
    status.neighbors.iter().any(|neighbor| neighbor.address == address(LOADER) && neighbor.held.is_some())
}

#[test]
fn a_part_of_a_message_is_weighed_before_the_next_one() {
    for usual_order in [true, false] {
        // COMMUNITIES, 3,480 octets.
        let heavy = [&[0xd0, 8, 0x0d, 0x98][..], &[0, 1, 0, 2].repeat(870)].concat();
        let (octets, routes) = longest_with(usual_order, &heavy);
        assert!(routes > 4 * 2048);
        let (mut speaker, connections) = speaker_with(1, |loader| loader.attribute_octets = 1_000_000);
        speaker.handle_octets(connections[0], &octets, Time::ZERO);
        assert!(is_held(&speaker), "{usual_order}");
    }
}

#[test]
fn what_a_neighbour_over_its_limit_has_said_besides_is_not_looked_at() {
    let (octets, _) = longest_message(false);
    let limit = PrefixLimit { count: 10, warn_percent: 80, action: LimitAction::Drop };
    let (mut speaker, connections) =
        speaker_with(1, |loader| loader.receive_limits = [(Family::IPV4_UNICAST, limit)].into());
    let before = speaker.rib().policy_evaluations();
    speaker.handle_octets(connections[0], &octets, Time::ZERO);
    assert!(is_held(&speaker));
    assert_eq!(speaker.rib().policy_evaluations() - before, 1, "the first part of the message");
}

#[test]
fn a_withdrawal_behind_the_longest_message_counts_also_when_a_timer_is_due_in_between() {
    let (octets, routes) = longest_message(false);
    let (mut speaker, connections) = speaker(1, Policy::Accept);
    let last = routes as u32 - 1;
    let [a, b, c, _] = (0x0b00_0000 + (last << 8)).to_be_bytes();
    let withdrawal = [[0xff; 16].as_slice(), &[0, 27, 2, 0, 4, 24, a, b, c, 0, 0]].concat();
    speaker.handle_octets(connections[0], &[octets, withdrawal].concat(), Time::ZERO);
    assert!(speaker.has_input(connections[0]) && received(&speaker, LOADER) < routes);
    // A KEEPALIVE of ours is due, and nobody's hold timer is at its end.
    let later = Time::from_secs(31);
    speaker.handle_timeout(later);
    while speaker.is_busy() {
        speaker.handle_timeout(later);
        sent(&mut speaker, |_, _| ());
    }
    assert_eq!(received(&speaker, LOADER), routes - 1);
}
