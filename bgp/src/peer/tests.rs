//! Two peers on one clock, joined by connections that the test opens, delays and cuts.

use super::*;
use crate::session::CloseReason;
use crate::wire::notification::subcode;
use crate::wire::{Asn, DecodeContext, ErrorCode, Message, RouterId, frame_length};

fn peer(asn: u32, id: u32, other: u32, mode: ConnectMode) -> Peer {
    let config = SessionConfig { mode, ..SessionConfig::new(Asn(asn), RouterId::from_u32(id), Asn(other)) };
    Peer::new(Arc::new(config), u64::from(asn))
}

/// A connection between the two: its number at either end, `None` where it is not open yet or closed.
#[derive(Clone, Copy, Debug)]
struct Link {
    ends: [Option<ConnectionId>; 2],
    opener: usize,
}

/// Two peers and what is under way between them.
struct Pair {
    peers: [Peer; 2],
    links: Vec<Link>,
    /// Octets on the way: link, receiver.
    flight: VecDeque<(usize, usize, Bytes)>,
    /// Connections on the way.
    opening: VecDeque<usize>,
    events: [Vec<Event>; 2],
    notifications: Vec<Message>,
}

impl Pair {
    fn new(first: Peer, second: Peer) -> Pair {
        Pair {
            peers: [first, second],
            links: vec![],
            flight: VecDeque::new(),
            opening: VecDeque::new(),
            events: [vec![], vec![]],
            notifications: vec![],
        }
    }

    fn link_of(&self, side: usize, connection: ConnectionId) -> Option<usize> {
        self.links.iter().position(|link| link.ends[side] == Some(connection))
    }

    /// Takes what both want done; octets and connections are then on the way.
    fn collect(&mut self, now: Time) {
        for side in [0, 1] {
            while let Some(transmit) = self.peers[side].poll_transmit() {
                match transmit {
                    PeerTransmit::Connect(connection) => {
                        let mut ends = [None; 2];
                        ends[side] = Some(connection);
                        self.links.push(Link { ends, opener: side });
                        self.opening.push_back(self.links.len() - 1);
                    }
                    PeerTransmit::Send(connection, octets) => {
                        let link = self.link_of(side, connection).expect("sent on a connection that exists");
                        self.note(&octets);
                        self.flight.push_back((link, 1 - side, octets));
                    }
                    PeerTransmit::Close(connection) => {
                        if let Some(link) = self.link_of(side, connection) {
                            self.links[link].ends[side] = None;
                            // What was sent before arrives before the end of the connection does.
                            self.flight.push_back((link, 1 - side, Bytes::new()));
                        }
                    }
                }
            }
            while let Some(event) = self.peers[side].poll_event() {
                self.events[side].push(event);
            }
        }
        let _ = now;
    }

    fn note(&mut self, octets: &[u8]) {
        let length = frame_length(octets, 65535).unwrap().unwrap();
        let message = Message::decode(&octets[..length], &DecodeContext::default()).unwrap().message;
        if matches!(message, Message::Notification(_)) {
            self.notifications.push(message);
        }
    }

    /// Opens the oldest connection under way.
    fn open_one(&mut self, now: Time) {
        let Some(link) = self.opening.pop_front() else { return };
        let opener = self.links[link].opener;
        let Some(theirs) = self.links[link].ends[opener] else { return };
        let accepted = self.peers[1 - opener].handle_accepted(now);
        self.links[link].ends[1 - opener] = accepted;
        match accepted {
            Some(_) => self.peers[opener].handle_connected(theirs, now),
            None => {
                self.links[link].ends[opener] = None;
                self.peers[opener].handle_closed(theirs, now);
            }
        }
        self.collect(now);
    }

    /// Delivers the oldest octets under way.
    fn deliver_one(&mut self, now: Time) {
        let Some((link, receiver, octets)) = self.flight.pop_front() else { return };
        let Some(connection) = self.links[link].ends[receiver] else { return };
        if octets.is_empty() {
            self.links[link].ends[receiver] = None;
            self.peers[receiver].handle_closed(connection, now);
        } else {
            self.peers[receiver].handle_bytes(connection, &octets, now);
        }
        self.collect(now);
    }

    fn settle(&mut self, now: Time) {
        self.collect(now);
        while !self.opening.is_empty() || !self.flight.is_empty() {
            self.open_one(now);
            self.deliver_one(now);
        }
    }

    fn states(&self) -> [SessionState; 2] {
        [self.peers[0].state(), self.peers[1].state()]
    }

    fn live_links(&self) -> Vec<usize> {
        self.links.iter().filter(|link| link.ends.iter().all(Option::is_some)).map(|link| link.opener).collect()
    }
}

const UP: [SessionState; 2] = [SessionState::Established; 2];

#[test]
fn an_active_and_a_passive_peer_come_up_over_one_connection() {
    let mut pair = Pair::new(peer(1, 1, 2, ConnectMode::Active), peer(2, 2, 1, ConnectMode::Passive));
    pair.peers[1].handle_start(Time::ZERO);
    pair.peers[0].handle_start(Time::ZERO);
    pair.settle(Time::ZERO);
    assert_eq!(pair.states(), UP);
    assert_eq!(pair.live_links(), [0]);
}

#[test]
fn a_connection_is_refused_when_stopped_when_only_we_connect_and_when_a_session_stands() {
    let mut stopped = peer(1, 1, 2, ConnectMode::Both);
    assert_eq!(stopped.handle_accepted(Time::ZERO), None);
    let mut active = peer(1, 1, 2, ConnectMode::Active);
    active.handle_start(Time::ZERO);
    assert_eq!(active.handle_accepted(Time::ZERO), None);
    let mut pair = Pair::new(peer(1, 1, 2, ConnectMode::Both), peer(2, 2, 1, ConnectMode::Passive));
    pair.peers[1].handle_start(Time::ZERO);
    pair.peers[0].handle_start(Time::ZERO);
    pair.settle(Time::ZERO);
    assert_eq!(pair.peers[0].handle_accepted(Time::ZERO), None);
    assert_eq!(pair.states(), UP);
}

#[test]
fn of_two_connections_that_collide_the_one_of_the_higher_identifier_stays() {
    for (first, second, winner) in [(1, 2, 1), (9, 2, 0)] {
        let mut pair = Pair::new(peer(1, first, 2, ConnectMode::Both), peer(2, second, 1, ConnectMode::Both));
        pair.peers[0].handle_start(Time::ZERO);
        pair.peers[1].handle_start(Time::ZERO);
        pair.collect(Time::ZERO);
        assert_eq!(pair.opening.len(), 2);
        pair.open_one(Time::ZERO);
        pair.open_one(Time::ZERO);
        pair.settle(Time::ZERO);
        assert_eq!(pair.states(), UP);
        assert_eq!(pair.live_links(), [winner]);
        let cease = |message: &Message| match message {
            Message::Notification(notification) => {
                (notification.error_code, notification.error_subcode)
                    == (ErrorCode::CEASE, subcode::cease::CONNECTION_COLLISION)
            }
            _ => false,
        };
        assert!(!pair.notifications.is_empty() && pair.notifications.iter().all(cease));
        for events in &pair.events {
            assert!(matches!(events.as_slice(), [Event::Established(_)]), "{events:?}");
        }
        let collisions: u64 = pair.peers.iter().map(|peer| peer.counters().collisions).sum();
        assert!(collisions >= 1);
    }
}

#[test]
fn equal_identifiers_are_told_apart_by_as_number() {
    let mut pair = Pair::new(peer(1, 7, 2, ConnectMode::Both), peer(2, 7, 1, ConnectMode::Both));
    pair.peers[0].handle_start(Time::ZERO);
    pair.peers[1].handle_start(Time::ZERO);
    pair.collect(Time::ZERO);
    pair.open_one(Time::ZERO);
    pair.open_one(Time::ZERO);
    pair.settle(Time::ZERO);
    assert_eq!((pair.states(), pair.live_links()), (UP, vec![1]));
}

#[test]
fn an_open_and_its_keepalive_in_one_read_do_not_escape_the_collision() {
    // Ours is in OpenConfirm; OPEN and KEEPALIVE of theirs come together. Identifier 9 is ours: theirs has to go.
    let mut peer = peer(1, 9, 2, ConnectMode::Both);
    peer.handle_start(Time::ZERO);
    let Some(PeerTransmit::Connect(ours)) = peer.poll_transmit() else { panic!() };
    let theirs = peer.handle_accepted(Time::ZERO).unwrap();
    peer.handle_connected(ours, Time::ZERO);
    let open = SessionConfig::new(Asn(2), RouterId::from_u32(2), Asn(1)).open();
    let mut octets = bytes::BytesMut::new();
    Message::Open(open).encode(&Default::default(), &mut octets).unwrap();
    peer.handle_bytes(ours, &octets, Time::ZERO);
    Message::Keepalive.encode(&Default::default(), &mut octets).unwrap();
    peer.handle_bytes(theirs, &octets, Time::ZERO);
    let closed: Vec<_> = std::iter::from_fn(|| peer.poll_transmit())
        .filter_map(|transmit| match transmit {
            PeerTransmit::Close(connection) => Some(connection),
            _ => None,
        })
        .collect();
    assert_eq!(closed, [theirs]);
    assert_eq!(peer.state(), SessionState::OpenConfirm);
}

#[test]
fn the_second_connection_goes_on_when_the_first_fails() {
    let mut peer = peer(1, 1, 2, ConnectMode::Both);
    peer.handle_start(Time::ZERO);
    let Some(PeerTransmit::Connect(ours)) = peer.poll_transmit() else { panic!() };
    let theirs = peer.handle_accepted(Time::ZERO).unwrap();
    peer.handle_closed(ours, Time::ZERO);
    assert_eq!(peer.state(), SessionState::OpenSent);
    assert!(peer.poll_event().is_none(), "the neighbour is not lost");
    peer.handle_closed(theirs, Time::ZERO);
    assert_eq!(peer.state(), SessionState::Active);
}

/// Two peers that restart gracefully, with a session that stands.
fn graceful() -> Pair {
    let peer = |id, mode| {
        let mut config = SessionConfig { mode, ..SessionConfig::new(Asn(id), RouterId::from_u32(id), Asn(3 - id)) };
        config.graceful_restart = Some(crate::wire::GracefulRestart::default());
        Peer::new(Arc::new(config), u64::from(id))
    };
    let mut pair = Pair::new(peer(1, ConnectMode::Passive), peer(2, ConnectMode::Both));
    pair.peers[0].handle_start(Time::ZERO);
    pair.peers[1].handle_start(Time::ZERO);
    pair.settle(Time::ZERO);
    assert_eq!(pair.states(), UP);
    pair.events = [vec![], vec![]];
    pair
}

#[test]
fn a_neighbour_that_lost_its_session_without_a_word_takes_it_up_on_a_new_connection() {
    // RFC 4724 §4.2.
    let mut pair = graceful();
    let early = Time::from_secs(5);
    assert_eq!(pair.peers[0].handle_accepted(early), None, "late in a collision, perhaps");
    let later = Time::from_secs(60);
    // Power fails: no word reaches the first peer.
    pair.links.clear();
    let config = SessionConfig {
        graceful_restart: Some(crate::wire::GracefulRestart::default()),
        ..SessionConfig::new(Asn(2), RouterId::from_u32(2), Asn(1))
    };
    pair.peers[1] = Peer::new(Arc::new(config), 9);
    pair.peers[1].handle_start(later);
    pair.settle(later);
    assert_eq!(pair.states(), UP);
    let closed = Event::Closed(CloseReason::ConnectionLost);
    assert_eq!(pair.events[0].first(), Some(&closed), "the old one is over without a NOTIFICATION");
    assert!(matches!(pair.events[0].get(1), Some(Event::Established(_))));
    assert!(pair.notifications.is_empty());
}

#[test]
fn a_collision_while_we_restart_costs_us_no_routes_at_the_other_end() {
    for restarting in [true, false] {
        let config = SessionConfig {
            graceful_restart: Some(crate::wire::GracefulRestart { restarting, ..Default::default() }),
            ..SessionConfig::new(Asn(1), RouterId::from_u32(9), Asn(2))
        };
        let mut peer = Peer::new(Arc::new(config), 1);
        peer.handle_start(Time::ZERO);
        let Some(PeerTransmit::Connect(ours)) = peer.poll_transmit() else { panic!() };
        let theirs = peer.handle_accepted(Time::ZERO).unwrap();
        peer.handle_connected(ours, Time::ZERO);
        let open = SessionConfig::new(Asn(2), RouterId::from_u32(2), Asn(1)).open();
        let mut octets = bytes::BytesMut::new();
        Message::Open(open).encode(&crate::wire::EncodeContext::default(), &mut octets).unwrap();
        peer.handle_bytes(ours, &octets, Time::ZERO);
        peer.handle_bytes(theirs, &octets, Time::ZERO);
        let transmits: Vec<_> = std::iter::from_fn(|| peer.poll_transmit()).collect();
        assert!(transmits.contains(&PeerTransmit::Close(theirs)), "ours is of the higher identifier");
        let is_notification =
            |transmit: &PeerTransmit| matches!(transmit, PeerTransmit::Send(_, octets) if octets.get(18) == Some(&3));
        assert_eq!(transmits.iter().any(is_notification), !restarting);
        assert_eq!(peer.state(), SessionState::OpenConfirm);
    }
}

#[test]
fn a_stranger_that_sends_no_open_does_not_end_a_session_that_stands() {
    let mut pair = graceful();
    let later = Time::from_secs(60);
    let connection = pair.peers[0].handle_accepted(later).unwrap();
    pair.peers[0].handle_bytes(connection, &[0xff; 19], later);
    assert_eq!(pair.peers[0].state(), SessionState::Established);
    assert!(pair.events[0].is_empty());
    assert_eq!(std::iter::from_fn(|| pair.peers[0].poll_event()).count(), 0);
}

#[test]
fn stopping_closes_both_connections_and_reports_once() {
    let mut peer = peer(1, 1, 2, ConnectMode::Both);
    peer.handle_start(Time::ZERO);
    let Some(PeerTransmit::Connect(ours)) = peer.poll_transmit() else { panic!() };
    let theirs = peer.handle_accepted(Time::ZERO).unwrap();
    peer.handle_stop("maintenance", Time::ZERO);
    let transmits: Vec<_> = std::iter::from_fn(|| peer.poll_transmit()).collect();
    for connection in [ours, theirs] {
        assert!(transmits.contains(&PeerTransmit::Close(connection)));
    }
    assert_eq!(peer.poll_event(), Some(Event::Closed(CloseReason::AdminStop)));
    assert_eq!(peer.poll_event(), None);
    assert_eq!((peer.poll_timeout(), peer.state()), (None, SessionState::Idle));
}

#[test]
fn a_neighbour_in_the_pause_after_a_network_failure_may_connect_one_after_a_protocol_error_not_yet() {
    let mut peer = peer(1, 1, 2, ConnectMode::Both);
    peer.handle_start(Time::ZERO);
    let Some(PeerTransmit::Connect(ours)) = peer.poll_transmit() else { panic!() };
    peer.handle_closed(ours, Time::ZERO);
    assert_eq!(peer.state(), SessionState::Idle);
    let theirs = peer.handle_accepted(Time::ZERO).unwrap();
    assert_eq!(peer.state(), SessionState::OpenSent);
    peer.handle_bytes(theirs, &[0; 19], Time::ZERO);
    assert_eq!(peer.handle_accepted(Time::ZERO), None);
    let (at, why) = peer.poll_timeout().unwrap();
    assert_eq!(why, "IdleHoldTimer");
    peer.handle_timeout(at);
    assert!(peer.handle_accepted(at).is_some());
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Both sides start, connections and octets arrive in any interleaving that keeps each connection's own order:
        /// in the end, given time, both are up over exactly one connection.
        #[test]
        fn colliding_peers_always_end_up_with_one_session(
            choices in proptest::collection::vec(0..4_u8, 0..40),
            ids in (1..5_u32, 1..5_u32),
        ) {
            let mut pair = Pair::new(peer(1, ids.0, 2, ConnectMode::Both), peer(2, ids.1, 1, ConnectMode::Both));
            let mut now = Time::ZERO;
            for choice in choices {
                match choice {
                    0 => pair.peers[0].handle_start(now),
                    1 => pair.peers[1].handle_start(now),
                    2 => pair.open_one(now),
                    _ => pair.deliver_one(now),
                }
                pair.collect(now);
            }
            pair.peers[0].handle_start(now);
            pair.peers[1].handle_start(now);
            pair.settle(now);
            for _ in 0..200 {
                if pair.states() == UP {
                    break;
                }
                let next = pair.peers.iter().filter_map(|peer| peer.poll_timeout()).map(|(at, _)| at).min();
                now = next.unwrap_or(now).max(now);
                pair.peers.iter_mut().for_each(|peer| peer.handle_timeout(now));
                pair.settle(now);
            }
            prop_assert_eq!(pair.states(), UP);
            prop_assert_eq!(pair.live_links().len(), 1);
            prop_assert!(pair.peers.iter().all(|peer| peer.secondary.is_none()));
        }

        /// Whatever a driver and a neighbour do: Established and Closed alternate, and nothing is asked of a connection
        /// after its Close.
        #[test]
        fn any_sequence_of_inputs_keeps_events_paired_and_closed_connections_closed(
            steps in proptest::collection::vec((0..10_u8, 0..4_u64, 0..3_u32), 0..80),
        ) {
            let mut peer = peer(1, 5, 2, ConnectMode::Both);
            let (mut now, mut up) = (Time::ZERO, false);
            let (mut known, mut closed) = (Vec::new(), Vec::new());
            let encode = |message: Message| {
                let mut octets = bytes::BytesMut::new();
                message.encode(&Default::default(), &mut octets).unwrap();
                octets
            };
            for (step, back, id) in steps {
                // One of the latest connections, so that most inputs hit something alive.
                let last = u64::try_from(known.len()).unwrap();
                let connection = ConnectionId(last.saturating_sub(back));
                match step {
                    0 | 1 => peer.handle_start(now),
                    2 => peer.handle_connected(connection, now),
                    3 => known.extend(peer.handle_accepted(now)),
                    4 => {
                        peer.handle_closed(connection, now);
                        closed.push(connection);
                    }
                    5 => {
                        let open = SessionConfig::new(Asn(2), RouterId::from_u32(4 + id), Asn(1)).open();
                        peer.handle_bytes(connection, &encode(Message::Open(open)), now);
                    }
                    6 => peer.handle_bytes(connection, &encode(Message::Keepalive), now),
                    7 => peer.handle_bytes(connection, &[0; 19], now),
                    8 if back == 0 => peer.handle_stop("", now),
                    _ => {
                        now = peer.poll_timeout().map_or(now, |(at, _)| at.max(now));
                        peer.handle_timeout(now);
                    }
                }
                while let Some(transmit) = peer.poll_transmit() {
                    match transmit {
                        PeerTransmit::Connect(connection) => {
                            prop_assert!(!known.contains(&connection));
                            known.push(connection);
                        }
                        PeerTransmit::Send(connection, _) => prop_assert!(!closed.contains(&connection)),
                        PeerTransmit::Close(connection) => {
                            prop_assert!(!closed.contains(&connection));
                            closed.push(connection);
                        }
                    }
                }
                while let Some(event) = peer.poll_event() {
                    match event {
                        Event::Established(_) => prop_assert!(!std::mem::replace(&mut up, true)),
                        Event::Closed(_) => up = false,
                        _ => prop_assert!(up),
                    }
                }
                prop_assert_eq!(up, peer.state() == SessionState::Established);
                prop_assert_eq!(up, peer.negotiated().is_some());
            }
        }
    }
}
