//! Whole speakers: what becomes of the session and the routes, and that a second neighbour notices nothing.

use super::rows::incidents;
use super::{MANDATORY, ROUTE, greeting, hex, message, update};
use bgp::policy::rule::{Label, PrependAs};
use bgp::policy::{Action, Change, Link, Note, Policy, PolicyDefinition, Statement};
use bgp::session::{ConnectMode, SessionConfig, SessionState};
use bgp::speaker::{
    ConnectionId, Event, NeighborConfig, NeighborStatus, RestartHelp, Speaker, SpeakerConfig, Transmit,
};
use bgp::wire::{
    AsPath, Asn, EncodeContext, Family, GracefulRestart, GracefulRestartFamily, Message, Nlri, Origin, PathAttributes,
    RouterId, Update,
};
use bytes::BytesMut;
use net::{Prefix, Time};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What the honest neighbour announces.
const HONEST: &str = "198.51.100.0/24";

/// A speaker in AS 65001 with a neighbour in AS 65002 that says what it likes, and an honest one in AS 65003.
pub struct Pair {
    speaker: Speaker,
    hostile: ConnectionId,
    honest: ConnectionId,
    sent: Vec<(ConnectionId, Vec<u8>)>,
}

impl Pair {
    /// Connected; the honest one has said what it has to say.
    pub fn new(adjust: impl Fn(&mut NeighborConfig)) -> Pair {
        let neighbor = |number: u8, asn| NeighborConfig {
            mode: ConnectMode::Passive,
            import: Policy::Accept,
            export: Policy::Accept,
            enforce_first_as: false,
            ..NeighborConfig::new(IpAddr::from([192, 0, 2, number]), Asn(asn))
        };
        let mut neighbors = vec![neighbor(2, 65002), neighbor(3, 65003)];
        adjust(&mut neighbors[0]);
        let config = SpeakerConfig { neighbors, ..SpeakerConfig::new(Asn(65001), RouterId::from_u32(1)) };
        let mut speaker = Speaker::new(config, Time::ZERO).unwrap();
        let mut connect = |number: u8| {
            let remote = SocketAddr::from(([192, 0, 2, number], 40000));
            speaker.handle_accepted(remote, SocketAddr::from(([192, 0, 2, 1], 179)), Time::ZERO).unwrap()
        };
        let (hostile, honest) = (connect(2), connect(3));
        let mut pair = Pair { speaker, hostile, honest, sent: Vec::new() };
        pair.turn(honest, &greeting(65003));
        pair.honest_path(&[65003]);
        pair
    }

    /// With a session that the hostile one has agreed to.
    fn greeted(adjust: impl Fn(&mut NeighborConfig)) -> Pair {
        let mut pair = Pair::new(adjust);
        pair.say(&greeting(65002));
        pair
    }

    fn turn(&mut self, connection: ConnectionId, octets: &[u8]) {
        self.speaker.handle_octets(connection, octets, Time::ZERO);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            while let Some(transmit) = self.speaker.poll_transmit() {
                if let Transmit::Send { connection, octets } = transmit {
                    self.speaker.handle_sent(connection, octets.len(), Time::ZERO);
                    self.sent.push((connection, octets.to_vec()));
                }
            }
            if !self.speaker.is_busy() {
                return;
            }
            self.speaker.handle_timeout(Time::ZERO);
        }
    }

    /// The hostile one says this.
    pub fn say(&mut self, octets: &[u8]) {
        self.turn(self.hostile, octets);
    }

    /// And goes.
    pub fn hang_up(&mut self) {
        self.speaker.handle_closed(self.hostile, Time::ZERO);
        self.settle();
    }

    /// The honest one announces its route with this path.
    fn honest_path(&mut self, path: &[u32]) {
        let path: Vec<Asn> = path.iter().copied().map(Asn).collect();
        let attributes = PathAttributes {
            next_hop: Some([192, 0, 2, 3].into()),
            ..PathAttributes::new(Origin::Igp, AsPath::sequence(&path))
        };
        let nlri = vec![Nlri::new(HONEST.parse().unwrap())];
        let route = Update { attributes: Some(Arc::new(attributes)), nlri, ..Update::default() };
        let mut octets = BytesMut::new();
        Message::Update(route).encode(&EncodeContext::default(), &mut octets).unwrap();
        self.turn(self.honest, &octets);
    }

    /// Codes and subcodes of the NOTIFICATIONs that the hostile one was sent.
    pub fn notifications(&self) -> Vec<[u8; 2]> {
        let told = self.sent.iter().filter(|(to, octets)| *to == self.hostile && octets.get(18) == Some(&3));
        told.map(|(_, octets)| [octets[19], octets[20]]).collect()
    }

    /// The route of [`ROUTE`] takes part in the decision.
    pub fn route_is_taken(&self) -> bool {
        self.path().is_some()
    }

    fn path(&self) -> Option<AsPath> {
        let prefix: Prefix = "203.0.113.0/24".parse().unwrap();
        Some(self.speaker.rib().best(prefix)?.attributes.attributes.as_path.clone())
    }

    fn status(&self, asn: u32) -> NeighborStatus {
        let status = self.speaker.status(Time::ZERO);
        let address = IpAddr::from([192, 0, 2, (asn % 10) as u8]);
        status.neighbors.into_iter().find(|neighbor| neighbor.address == address).unwrap()
    }

    /// The honest one has its session, its route and no word of complaint. The hostile one's status.
    pub fn others_are_well(&self, name: &str) -> NeighborStatus {
        let honest = self.status(65003);
        assert_eq!((honest.state, honest.established_count), (SessionState::Established, 1), "{name}");
        assert!(honest.attribute_errors.is_empty(), "{name}");
        let notified = self.sent.iter().any(|(to, octets)| *to == self.honest && octets.get(18) == Some(&3));
        assert!(!notified, "{name}");
        assert!(self.speaker.rib().best(HONEST.parse().unwrap()).is_some(), "{name}");
        self.status(65002)
    }
}

#[test]
fn a_second_neighbour_notices_nothing_of_any_incident_and_errors_are_counted_by_attribute() {
    for (name, octets, ..) in incidents() {
        let mut pair = Pair::greeted(|_| ());
        pair.say(&octets);
        let hostile = pair.others_are_well(name);
        let mut malformed = Vec::new();
        while let Some(event) = pair.speaker.poll_event() {
            if let Event::Malformed { neighbor, errors } = event {
                assert_eq!(neighbor, IpAddr::from([192, 0, 2, 2]), "{name}");
                malformed.extend(errors);
            }
        }
        // Every error is counted by its attribute, and its octets are there to be shown.
        let counted: u64 = hostile.attribute_errors.iter().map(|row| row.count).sum();
        assert_eq!(counted, malformed.len() as u64, "{name}");
        assert_eq!(hostile.last_malformed.is_empty(), malformed.is_empty(), "{name}");
        assert!(malformed.iter().all(|error| !error.octets.is_empty()), "{name}");
    }
}

#[test]
fn attributes_of_every_length_that_nobody_knows_leave_the_session_and_the_route_alone() {
    let unknown = [21, 22, 24, 27, 28, 29, 30, 34, 36, 99, 128, 255];
    let checked = [23, 25, 26, 40];
    for kind in unknown.into_iter().chain(checked) {
        for length in [0_u16, 1, 255, 256, 60_000] {
            let mut attributes = hex(MANDATORY);
            attributes.extend_from_slice(&[0xd0, kind]);
            attributes.extend_from_slice(&length.to_be_bytes());
            attributes.extend((0..length).map(|index| (index % 251) as u8));
            let mut pair = Pair::greeted(|_| ());
            pair.say(&update(&attributes, &hex(ROUTE)));
            let name = format!("attribute {kind} of {length} octets");
            assert_eq!(pair.others_are_well(&name).state, SessionState::Established, "{name}");
            assert!(pair.route_is_taken() || checked.contains(&kind), "{name}");
        }
    }
}

/// Takes everything, with this AS put in front so many times.
fn prepend(asn: PrependAs, times: u8) -> Policy {
    let statement = Statement {
        label: Note(Label { policy: "prepend".to_owned(), statement: 1, name: None, line: 0 }),
        matches: Vec::new(),
        unless: Vec::new(),
        changes: vec![Change::Prepend { asn, times }],
        action: Action::Accept,
    };
    let definition = PolicyDefinition { name: Arc::from("prepend"), statements: vec![statement] };
    Policy::chain(&[Link::Policy(Arc::new(definition))])
}

/// CVE-2023-46752, and 2009 SuproNet.
#[test]
fn a_policy_that_prepends_meets_no_path_and_full_segments() {
    let own = |neighbor: &mut NeighborConfig| neighbor.import = prepend(PrependAs::Own, 2);
    // No AS_PATH: the route does not come as far as the policy.
    let mut pair = Pair::greeted(own);
    pair.say(&update(&hex("40010100 400304 c0000202"), &hex(ROUTE)));
    assert_eq!(pair.others_are_well("no AS_PATH").state, SessionState::Established);
    assert!(!pair.route_is_taken());
    // Nor does one whose MP_REACH_NLRI is cut off, and that ends the session.
    pair.say(&update(&hex("40010100 800e 0d 0002 01 10 0000000000000000 00"), &[]));
    assert_eq!(pair.others_are_well("MP_REACH_NLRI").state, SessionState::Idle);
    assert_eq!(pair.notifications(), [[3, 9]]);

    let mut pair = Pair::greeted(own);
    let mut attributes = hex("40010100 400304 c0000202 5002 03fe 02ff");
    (0..255).for_each(|_| attributes.extend_from_slice(&65002_u32.to_be_bytes()));
    pair.say(&update(&attributes, &hex(ROUTE)));
    let path = pair.path().unwrap();
    let lengths: Vec<usize> = path.segments().map(|segment| segment.asns().count()).collect();
    assert_eq!((lengths, path.first()), (vec![2, 255], Some(Asn(65001))));
    assert_eq!(pair.others_are_well("full segment").state, SessionState::Established);

    // An internal neighbour's path may be empty: there is no first AS to put in front.
    for (asn, expected) in [(PrependAs::First, ""), (PrependAs::Own, "65001 65001 65001")] {
        let mut pair = Pair::new(|neighbor| {
            neighbor.asn = Asn(65001);
            neighbor.allow_own_as = 9;
            neighbor.import = prepend(asn, 3);
        });
        pair.say(&greeting(65001));
        pair.say(&update(&hex("40010100 400200 400304 c0000202 400504 00000064"), &hex(ROUTE)));
        assert_eq!(pair.path().map(|path| path.to_string()).as_deref(), Some(expected));
        pair.others_are_well("internal");
    }
}

/// CVE-2023-46753.
#[test]
fn with_graceful_restart_routes_of_a_malformed_update_go_all_the_same() {
    let mut pair = Pair::new(|neighbor| neighbor.graceful_restart = Some(RestartHelp::default()));
    let families = [Family::IPV4_UNICAST].map(|family| GracefulRestartFamily { family, flags: 0x80 });
    let restart = GracefulRestart { restart_time: 120, families: families.to_vec(), ..GracefulRestart::default() };
    let config = SessionConfig::new(Asn(65002), RouterId::from_u32(2), Asn(65001));
    let open = SessionConfig { graceful_restart: Some(restart), ..config }.open();
    let mut octets = BytesMut::new();
    for message in [Message::Open(open), Message::Keepalive] {
        message.encode(&EncodeContext::default(), &mut octets).unwrap();
    }
    pair.say(&octets);
    pair.say(&update(&hex(MANDATORY), &hex(ROUTE)));
    assert!(pair.route_is_taken());
    pair.say(&update(&hex("ff1f 0004 00010203"), &hex(ROUTE)));
    let hostile = pair.others_are_well("graceful restart");
    assert_eq!((hostile.state, pair.route_is_taken()), (SessionState::Established, false));
    // What is kept when the session is lost is what was there.
    pair.say(&update(&hex(MANDATORY), &hex(ROUTE)));
    pair.hang_up();
    assert!(pair.route_is_taken() && pair.others_are_well("lost").retained);
}

/// Junos CVE-2023-44186: what fits from one neighbour may not fit to another, which must not keep what it had before.
#[test]
fn a_path_that_grows_too_long_for_an_old_neighbour_is_withdrawn_from_it() {
    let mut pair = Pair::new(|_| ());
    let mut open = SessionConfig::new(Asn(65002), RouterId::from_u32(2), Asn(65001)).open();
    open.optional_parameters.clear();
    let mut octets = BytesMut::new();
    for message in [Message::Open(open), Message::Keepalive] {
        message.encode(&EncodeContext::default(), &mut octets).unwrap();
    }
    pair.say(&octets);
    let long: Vec<u32> = std::iter::once(65003).chain(70_000..70_700).collect();
    let route = hex("18 c63364");
    for (path, is_there) in [(&[65003][..], true), (&long, false), (&[65003, 70_000], true)] {
        pair.sent.clear();
        if path.len() > 1 {
            pair.honest_path(path);
        } else {
            // It has that one already, from before the session.
            pair.speaker.soft_reset_out(IpAddr::from([192, 0, 2, 2]), Time::ZERO);
            pair.settle();
        }
        let updates = pair.sent.iter().filter(|(to, octets)| *to == pair.hostile && octets.get(18) == Some(&2));
        let said: Vec<&[u8]> = updates.map(|(_, octets)| octets.as_slice()).collect();
        let withdrawn = said.iter().any(|octets| octets[19..].starts_with(&[&[0, 4], route.as_slice()].concat()));
        let announced = said.iter().any(|octets| octets.ends_with(&route) && octets[19..21] == [0, 0]);
        assert_eq!((announced, withdrawn), (is_there, !is_there), "a path of {}", path.len());
        assert_eq!(pair.others_are_well("old").state, SessionState::Established);
    }
}

#[test]
fn a_hard_reset_that_wraps_hard_resets_ends_the_session_and_nothing_else() {
    let neighbor =
        NeighborConfig { mode: ConnectMode::Passive, ..NeighborConfig::new(IpAddr::from([192, 0, 2, 2]), Asn(65002)) };
    let config = SpeakerConfig { neighbors: vec![neighbor], ..SpeakerConfig::new(Asn(65001), RouterId::from_u32(1)) };
    let mut speaker = Speaker::new(config, Time::ZERO).unwrap();
    let (remote, local) = ("192.0.2.2:40000".parse().unwrap(), "192.0.2.1:179".parse().unwrap());
    let connection = speaker.handle_accepted(remote, local, Time::ZERO).unwrap();
    speaker.handle_octets(connection, &greeting(65002), Time::ZERO);
    assert_eq!(speaker.status(Time::ZERO).neighbors[0].state, SessionState::Established);
    // 65,535 octets: as deep as one message can be.
    speaker.handle_octets(connection, &message(3, &[6, 9].repeat(32_758)), Time::ZERO);
    let status = speaker.status(Time::ZERO);
    let reset = status.neighbors[0].last_reset.as_deref();
    assert_eq!(reset, Some("received: Cease: Hard Reset: Cease: Hard Reset"));
}
