//! The state machine under virtual time.

use super::*;
use crate::wire::notification::subcode;
use crate::wire::{Afi, AttributeType, MalformedFamily, OptionalParameter, Safi};
use crate::wire::{
    AsPath, Asn, Capability, EncodeContext, ErrorCode, Message, NextHop, Nlri, Open, Origin, PathAttributes, Role,
    RouterId, Update, pack_announcements, pack_end_of_rib,
};
use std::net::Ipv4Addr;

const LOCAL: Asn = Asn(65001);
const PEER: Asn = Asn(65002);

fn config() -> SessionConfig {
    SessionConfig::new(LOCAL, RouterId::from_u32(0x0a00_0001), PEER)
}

fn secs(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn octets(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&EncodeContext::default(), &mut out).unwrap();
    out.freeze()
}

fn peer_open() -> Open {
    SessionConfig::new(PEER, RouterId::from_u32(0x0a00_0002), LOCAL).open()
}

fn notification(code: ErrorCode, subcode: u8) -> Notification {
    Notification::new(code, subcode)
}

/// A session at work, and what it has said so far.
struct Rig {
    session: Session,
    sent: Vec<Message>,
    actions: Vec<&'static str>,
    events: Vec<Event>,
}

impl Rig {
    fn new(config: SessionConfig) -> Rig {
        Rig { session: Session::new(Arc::new(config), 1), sent: vec![], actions: vec![], events: vec![] }
    }

    fn drain(&mut self) -> &mut Rig {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Connect => self.actions.push("connect"),
                Transmit::Close => self.actions.push("close"),
                Transmit::Send(octets) => {
                    let mut rest = octets.as_ref();
                    while let Some(length) = frame_length(rest, 65535).unwrap() {
                        let (frame, tail) = rest.split_at(length);
                        self.sent.push(Message::decode(frame, &DecodeContext::default()).unwrap().message);
                        rest = tail;
                    }
                    assert!(rest.is_empty(), "only whole messages are sent");
                }
            }
        }
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
        self
    }

    fn receive(&mut self, message: &Message, now: Time) -> &mut Rig {
        self.session.handle_bytes(&octets(message), now);
        self.drain()
    }

    fn forget(&mut self) -> &mut Rig {
        self.sent.clear();
        self.actions.clear();
        self.events.clear();
        self
    }

    /// Up to `state` at time 0, everything before forgotten.
    fn at(config: SessionConfig, state: SessionState) -> Rig {
        let mut rig = Rig::new(config);
        let steps: [&dyn Fn(&mut Rig); 4] = [
            &|rig| rig.session.handle_start(Time::ZERO),
            &|rig| rig.session.handle_connected(Time::ZERO),
            &|rig| {
                rig.receive(&Message::Open(peer_open()), Time::ZERO);
            },
            &|rig| {
                rig.receive(&Message::Keepalive, Time::ZERO);
            },
        ];
        for step in steps {
            if rig.session.state() == state {
                break;
            }
            step(&mut rig);
        }
        assert_eq!(rig.session.state(), state);
        rig.drain().forget();
        rig
    }

    fn closed(&self) -> Option<&CloseReason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) => Some(reason),
            _ => None,
        })
    }

    /// It sent this, closed, and is idle.
    fn refused_with(&mut self, expected: Notification) {
        self.drain();
        assert_eq!(self.sent.last(), Some(&Message::Notification(expected.clone())));
        assert_eq!(self.closed(), Some(&CloseReason::Sent(expected)));
        assert_eq!(self.actions.last(), Some(&"close"));
        assert_eq!(self.session.state(), SessionState::Idle);
    }
}

#[test]
fn a_session_comes_up_in_the_order_of_the_rfc() {
    let mut rig = Rig::new(config());
    assert_eq!((rig.session.state(), rig.session.poll_timeout()), (SessionState::Idle, None));
    rig.session.handle_start(secs(1));
    assert_eq!(rig.drain().actions, ["connect"]);
    assert_eq!(rig.session.poll_timeout().map(|(_, why)| why), Some("ConnectRetryTimer"));
    rig.session.handle_connected(secs(2));
    assert_eq!(rig.session.state(), SessionState::OpenSent);
    assert_eq!(rig.session.poll_timeout(), Some((secs(242), "HoldTimer")));
    rig.receive(&Message::Open(peer_open()), secs(3));
    assert_eq!(rig.session.state(), SessionState::OpenConfirm);
    assert!(matches!(rig.sent.as_slice(), [Message::Open(open), Message::Keepalive] if open.asn() == LOCAL));
    rig.receive(&Message::Keepalive, secs(4));
    assert_eq!(rig.session.state(), SessionState::Established);
    assert_eq!(rig.session.established_since(), Some(secs(4)));
    let [Event::Established(negotiated)] = rig.events.as_slice() else { panic!("{:?}", rig.events) };
    assert_eq!(negotiated.peer_asn, PEER);
    assert_eq!(negotiated.families.len(), 2);
    assert_eq!(negotiated.encode.message_limit, 65535);
    assert!(negotiated.encode.four_octet_as && negotiated.route_refresh);
}

/// IPv4 prefixes of 24 bits, and before them as many withdrawals as there are announcements.
fn long_update(count: u32) -> Update {
    let nlri = |first: u32| {
        let prefixes = (first..first + count).map(|number| Ipv4Addr::from_bits(0x0b00_0000 + (number << 8)));
        prefixes.map(|address| Nlri::new(net::Prefix::new(address.into(), 24).unwrap())).collect::<Vec<Nlri>>()
    };
    let attributes = PathAttributes {
        next_hop: Some(Ipv4Addr::new(192, 0, 2, 9)),
        ..PathAttributes::new(Origin::Igp, AsPath::sequence(&[PEER]))
    };
    Update { withdrawn: nlri(0), nlri: nlri(count), attributes: Some(Arc::new(attributes)), ..Update::default() }
}

#[test]
fn what_was_handled_of_a_message_in_place_does_not_come_again() {
    let update = long_update(2_000);
    let mut out = BytesMut::new();
    let context = EncodeContext { message_limit: 65_535, ..EncodeContext::default() };
    Message::Update(update.clone()).encode(&context, &mut out).unwrap();
    for parts in 0..3 {
        let mut rig = Rig::at(config(), SessionState::Established);
        rig.session.receive(&out);
        let (mut withdrawn, mut announced) = (Vec::new(), Vec::new());
        for _ in 0..parts {
            rig.session.step_in_place(secs(1), 1_500, |view| {
                withdrawn.extend(view.withdrawn);
                announced.extend(view.nlri);
            });
        }
        rig.session.step(secs(1));
        for event in rig.drain().events.drain(..) {
            let Event::Route(update) = event else { panic!("{event:?}") };
            withdrawn.extend(update.withdrawn);
            announced.extend(update.announced.into_iter().flat_map(|announced| announced.nlri));
        }
        assert_eq!((withdrawn, announced), (update.withdrawn.clone(), update.nlri.clone()), "{parts}");
    }
}

#[test]
fn a_passive_session_waits_without_a_timer_and_takes_the_peers_connection() {
    let mut rig = Rig::new(SessionConfig { mode: ConnectMode::Passive, ..config() });
    rig.session.handle_start(Time::ZERO);
    assert_eq!((rig.session.state(), rig.session.poll_timeout()), (SessionState::Active, None));
    rig.session.handle_accepted(secs(1));
    assert_eq!(rig.session.state(), SessionState::OpenSent);
    assert!(rig.drain().actions.is_empty());
}

#[test]
fn delay_open_lets_the_peer_speak_first() {
    let delayed = SessionConfig { delay_open_time: Some(Duration::from_secs(5)), ..config() };
    let mut rig = Rig::at(delayed.clone(), SessionState::Connect);
    rig.session.handle_connected(secs(0));
    assert_eq!(rig.session.poll_timeout(), Some((secs(5), "DelayOpenTimer")));
    rig.receive(&Message::Open(peer_open()), secs(1));
    assert_eq!(rig.session.state(), SessionState::OpenConfirm);
    assert!(matches!(rig.sent.as_slice(), [Message::Open(_), Message::Keepalive]));

    let mut rig = Rig::at(delayed, SessionState::Connect);
    rig.session.handle_connected(secs(0));
    rig.session.handle_timeout(secs(5));
    assert!(matches!(rig.drain().sent.as_slice(), [Message::Open(_)]));
    assert_eq!(rig.session.state(), SessionState::OpenSent);
}

#[test]
fn connect_retry_expiry_gives_the_attempt_up_and_makes_another() {
    let mut rig = Rig::at(config(), SessionState::Connect);
    rig.session.handle_timeout(secs(120));
    assert_eq!(rig.drain().actions, ["close", "connect"]);
    assert_eq!(rig.session.state(), SessionState::Connect);
}

#[test]
fn pauses_between_failed_attempts_double_up_to_the_connect_retry_time() {
    let mut rig = Rig::at(config(), SessionState::Connect);
    let mut now = Time::ZERO;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        rig.session.handle_closed(now);
        assert!(!rig.session.is_damped() && rig.session.state() == SessionState::Idle);
        let (at, why) = rig.session.poll_timeout().unwrap();
        assert_eq!(why, "IdleHoldTimer");
        pauses.push(at.since(now));
        now = at;
        rig.session.handle_timeout(now);
        assert_eq!(rig.session.state(), SessionState::Connect);
    }
    for (index, pause) in pauses.iter().enumerate() {
        let full = Duration::from_secs(1 << index).min(CONNECT_RETRY_TIME);
        assert!(*pause >= full * 3 / 4 && *pause <= full, "pause {index}: {pause:?}");
    }
}

#[test]
fn a_connection_lost_in_open_sent_leads_to_active_and_another_attempt() {
    let mut rig = Rig::at(config(), SessionState::OpenSent);
    rig.session.handle_closed(secs(1));
    assert_eq!(rig.session.state(), SessionState::Active);
    let (at, why) = rig.session.poll_timeout().unwrap();
    assert_eq!(why, "ConnectRetryTimer");
    rig.forget().session.handle_timeout(at);
    assert_eq!(rig.session.state(), SessionState::Connect);
    assert_eq!(rig.drain().actions.last(), Some(&"connect"));
}

#[test]
fn hold_timer_expiry_sends_notification_4() {
    for state in [SessionState::OpenSent, SessionState::OpenConfirm, SessionState::Established] {
        let mut rig = Rig::at(config(), state);
        rig.session.handle_timeout(secs(241));
        rig.refused_with(notification(ErrorCode::HOLD_TIMER_EXPIRED, 0));
    }
}

#[test]
fn keepalives_go_out_three_times_per_hold_time_and_restart_the_peers_timer() {
    let mut rig = Rig::at(config(), SessionState::Established);
    let mut now = Time::ZERO;
    while now < secs(900) {
        let (at, why) = rig.session.poll_timeout().unwrap();
        assert_eq!(why, "KeepaliveTimer");
        assert!(at.since(now) <= Duration::from_secs(30));
        now = at;
        rig.session.handle_timeout(now);
        rig.receive(&Message::Keepalive, now);
    }
    assert!(rig.sent.len() >= 30 && rig.sent.len() <= 40, "{}", rig.sent.len());
    assert_eq!(rig.session.state(), SessionState::Established);
}

#[test]
fn hold_time_zero_means_no_timers() {
    let mut rig = Rig::at(SessionConfig { hold_time: 0, ..config() }, SessionState::Established);
    assert_eq!(rig.session.poll_timeout(), None);
    rig.session.handle_blocked(true, Time::ZERO);
    assert_eq!(rig.session.poll_timeout(), None);
}

#[test]
fn the_smaller_hold_time_counts() {
    let mut rig = Rig::at(config(), SessionState::OpenSent);
    rig.receive(&Message::Open(Open { hold_time: 9, ..peer_open() }), Time::ZERO);
    assert_eq!(rig.session.negotiated().unwrap().hold_time, 9);
    rig.session.handle_timeout(secs(9));
    rig.refused_with(notification(ErrorCode::HOLD_TIMER_EXPIRED, 0));
}

#[test]
fn an_open_that_cannot_be_is_refused_with_its_own_subcode() {
    use subcode::open::*;
    let unknown = OptionalParameter::Unknown { kind: 1, value: Bytes::new() };
    let without_as4 = |my_autonomous_system| Open { my_autonomous_system, optional_parameters: vec![], ..peer_open() };
    let only_vpn = Capability::Multiprotocol { family: Family { afi: Afi::IPV4, safi: Safi::MPLS_VPN } };
    let cases = [
        (without_as4(65003), BAD_PEER_AS),
        (without_as4(0), BAD_PEER_AS),
        (Open { bgp_identifier: RouterId::from_u32(0), ..peer_open() }, BAD_BGP_IDENTIFIER),
        (Open { hold_time: 1, ..peer_open() }, UNACCEPTABLE_HOLD_TIME),
        (Open { hold_time: 2, ..peer_open() }, UNACCEPTABLE_HOLD_TIME),
        (Open { optional_parameters: vec![unknown], ..peer_open() }, UNSUPPORTED_OPTIONAL_PARAMETER),
        (
            Open::new(PEER, 90, RouterId::from_u32(2), vec![only_vpn, Capability::FourOctetAs { asn: PEER }]),
            UNSUPPORTED_CAPABILITY,
        ),
    ];
    for (open, expected) in cases {
        let mut rig = Rig::at(config(), SessionState::OpenSent);
        rig.receive(&Message::Open(open.clone()), secs(1));
        let Some(Message::Notification(sent)) = rig.sent.last() else { panic!("{open:?} was accepted") };
        assert_eq!((sent.error_code, sent.error_subcode), (ErrorCode::OPEN_MESSAGE, expected), "{open:?}");
        assert!(rig.session.is_damped());
    }
}

#[test]
fn our_own_identifier_is_refused_from_an_internal_peer_only() {
    let internal = SessionConfig::new(LOCAL, RouterId::from_u32(7), LOCAL);
    let mut rig = Rig::at(internal.clone(), SessionState::OpenSent);
    rig.receive(&Message::Open(internal.open()), Time::ZERO);
    rig.refused_with(notification(ErrorCode::OPEN_MESSAGE, subcode::open::BAD_BGP_IDENTIFIER));
    let mut rig =
        Rig::at(SessionConfig { router_id: RouterId::from_u32(0x0a00_0002), ..config() }, SessionState::OpenSent);
    rig.receive(&Message::Open(peer_open()), Time::ZERO);
    assert_eq!(rig.session.state(), SessionState::OpenConfirm);
}

#[test]
fn another_version_is_answered_with_ours() {
    let mut rig = Rig::at(config(), SessionState::OpenSent);
    let mut open = octets(&Message::Open(peer_open())).to_vec();
    open[19] = 3;
    rig.session.handle_bytes(&open, Time::ZERO);
    let data = Bytes::from_static(&[0, 4]);
    rig.refused_with(Notification::with_data(ErrorCode::OPEN_MESSAGE, subcode::open::UNSUPPORTED_VERSION, data));
}

#[test]
fn roles_that_do_not_go_together_are_refused() {
    let provider = SessionConfig { role: Some(Role::PROVIDER), ..config() };
    let with_role = |role| {
        let mut open = peer_open();
        open.optional_parameters.push(OptionalParameter::Capabilities(vec![Capability::Role { role }]));
        open
    };
    let mut rig = Rig::at(provider.clone(), SessionState::OpenSent);
    rig.receive(&Message::Open(with_role(Role::PEER)), Time::ZERO);
    rig.refused_with(notification(ErrorCode::OPEN_MESSAGE, subcode::open::ROLE_MISMATCH));
    let mut rig = Rig::at(provider.clone(), SessionState::OpenSent);
    rig.receive(&Message::Open(with_role(Role::CUSTOMER)), Time::ZERO);
    assert_eq!(rig.session.negotiated().unwrap().peer_role, Some(Role::CUSTOMER));
    let mut rig = Rig::at(SessionConfig { strict_role: true, ..provider }, SessionState::OpenSent);
    rig.receive(&Message::Open(peer_open()), Time::ZERO);
    rig.refused_with(notification(ErrorCode::OPEN_MESSAGE, subcode::open::ROLE_MISMATCH));
}

#[test]
fn messages_that_have_no_business_in_a_state_are_fsm_errors() {
    let update = Message::Update(Update::default());
    let refresh = Message::RouteRefresh(RouteRefresh::new(Family::IPV4_UNICAST, RefreshSubtype::REQUEST));
    let cases = [
        (SessionState::OpenSent, Message::Keepalive, subcode::fsm::IN_OPEN_SENT),
        (SessionState::OpenSent, update.clone(), subcode::fsm::IN_OPEN_SENT),
        (SessionState::OpenConfirm, update, subcode::fsm::IN_OPEN_CONFIRM),
        (SessionState::OpenConfirm, Message::Open(peer_open()), subcode::fsm::IN_OPEN_CONFIRM),
        (SessionState::Established, Message::Open(peer_open()), subcode::fsm::IN_ESTABLISHED),
        (SessionState::OpenSent, refresh.clone(), subcode::fsm::IN_OPEN_SENT),
        (SessionState::OpenConfirm, refresh, subcode::fsm::IN_OPEN_CONFIRM),
    ];
    for (state, message, subcode) in cases {
        let mut rig = Rig::at(config(), state);
        rig.receive(&message, secs(1));
        rig.refused_with(notification(ErrorCode::FINITE_STATE_MACHINE, subcode));
    }
}

#[test]
fn stop_says_why_and_stays_idle_whatever_comes() {
    for state in [SessionState::OpenSent, SessionState::OpenConfirm, SessionState::Established] {
        let mut rig = Rig::at(config(), state);
        rig.session.handle_stop(Notification::shutdown("back at noon"), secs(1));
        let Some(Message::Notification(sent)) = rig.drain().sent.last() else { panic!("nothing sent") };
        assert_eq!(sent.shutdown_text(), Some("back at noon"));
        assert_eq!(rig.closed(), Some(&CloseReason::AdminStop));
        assert!(rig.session.is_stopped());
        assert_eq!(rig.session.poll_timeout(), None);
        rig.session.handle_connected(secs(2));
        rig.session.handle_accepted(secs(2));
        rig.receive(&Message::Keepalive, secs(2));
        assert!(rig.session.is_stopped());
    }
    for state in [SessionState::Connect, SessionState::Idle] {
        let mut rig = Rig::at(config(), state);
        rig.session.handle_stop(Notification::shutdown(""), secs(1));
        assert!(rig.drain().sent.is_empty() && rig.session.is_stopped());
    }
}

#[test]
fn a_notification_ends_the_session_without_an_answer() {
    for state in [SessionState::OpenSent, SessionState::OpenConfirm, SessionState::Established] {
        let mut rig = Rig::at(config(), state);
        let cease = Notification::shutdown("");
        rig.receive(&Message::Notification(cease.clone()), secs(1));
        assert_eq!(rig.closed(), Some(&CloseReason::Received(cease)));
        assert!(rig.sent.is_empty(), "{:?}", rig.sent);
        assert!(rig.session.is_damped());
    }
}

#[test]
fn a_lost_connection_is_not_held_against_the_peer() {
    for state in [SessionState::OpenConfirm, SessionState::Established] {
        let mut rig = Rig::at(config(), state);
        rig.session.handle_closed(secs(1));
        assert_eq!(rig.drain().closed(), Some(&CloseReason::ConnectionLost));
        assert!(!rig.session.is_damped() && rig.session.state() == SessionState::Idle);
    }
}

#[test]
fn a_collision_loser_says_cease_7() {
    for state in [SessionState::OpenSent, SessionState::OpenConfirm, SessionState::Established] {
        let mut rig = Rig::at(config(), state);
        rig.session.handle_collision_lost(secs(1));
        let cease = notification(ErrorCode::CEASE, subcode::cease::CONNECTION_COLLISION);
        assert_eq!(rig.drain().sent, [Message::Notification(cease)]);
        assert_eq!(rig.closed(), Some(&CloseReason::Collision));
    }
}

#[test]
fn a_peer_that_takes_nothing_is_dropped_without_a_word() {
    let mut rig = Rig::at(config(), SessionState::Established);
    rig.session.handle_blocked(true, Time::ZERO);
    rig.session.handle_blocked(true, secs(100));
    for now in (0..480).step_by(10).map(secs) {
        rig.session.handle_timeout(now);
        rig.receive(&Message::Keepalive, now);
    }
    rig.forget().session.handle_timeout(secs(480));
    assert_eq!(rig.drain().closed(), Some(&CloseReason::SendHoldTimerExpired));
    assert_eq!((rig.actions.as_slice(), rig.sent.len()), (["close"].as_slice(), 0));

    let mut rig = Rig::at(config(), SessionState::Established);
    rig.session.handle_blocked(true, Time::ZERO);
    rig.session.handle_blocked(false, secs(1));
    assert!(rig.session.poll_timeout().is_some_and(|(_, why)| why == "KeepaliveTimer"));
}

#[test]
fn octets_may_come_in_any_pieces() {
    let mut rig = Rig::at(config(), SessionState::OpenSent);
    let mut stream = octets(&Message::Open(peer_open())).to_vec();
    stream.extend_from_slice(&octets(&Message::Keepalive));
    for octet in &stream {
        rig.session.handle_bytes(&[*octet], secs(1));
    }
    assert_eq!(rig.session.state(), SessionState::Established);
    assert_eq!(rig.session.counters().received.total(), 2);
}

#[test]
fn garbage_is_answered_by_the_header_error_it_is() {
    let mut rig = Rig::at(config(), SessionState::Established);
    rig.session.handle_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", secs(1));
    rig.refused_with(notification(ErrorCode::MESSAGE_HEADER, subcode::header::CONNECTION_NOT_SYNCHRONIZED));
    // The OPEN and the KEEPALIVE before it; garbage is no message.
    assert_eq!(rig.session.counters().received.total(), 2);
}

fn announcement(prefix: &str, as_path: &AsPath) -> Bytes {
    let mut out = BytesMut::new();
    pack_announcements(
        Family::IPV4_UNICAST,
        &PathAttributes::new(Origin::Igp, as_path.clone()),
        NextHop::V4("192.0.2.1".parse().unwrap()),
        [Nlri::new(prefix.parse().unwrap())],
        &EncodeContext::default(),
        &mut out,
    )
    .unwrap();
    out.freeze()
}

#[test]
fn updates_become_route_events_and_restart_the_hold_timer() {
    let mut rig = Rig::at(config(), SessionState::Established);
    rig.session.handle_bytes(&announcement("203.0.113.0/24", &AsPath::sequence(&[PEER])), secs(60));
    let [Event::Route(route)] = rig.drain().events.as_slice() else { panic!("{:?}", rig.events) };
    let announced = route.announced.as_ref().unwrap();
    assert_eq!(announced.nlri, [Nlri::new("203.0.113.0/24".parse().unwrap())]);
    assert_eq!(announced.next_hop.address(), "192.0.2.1".parse::<std::net::IpAddr>().unwrap());
    rig.session.handle_timeout(secs(149));
    assert_eq!(rig.session.state(), SessionState::Established);
    rig.session.handle_timeout(secs(150));
    assert_eq!(rig.session.state(), SessionState::Idle);
}

#[test]
fn a_path_over_the_limit_is_withdrawn_counted_and_the_session_stays_up() {
    let mut rig = Rig::at(config(), SessionState::Established);
    rig.session.handle_bytes(&announcement("203.0.113.0/24", &AsPath::sequence(&[PEER; 751])), secs(1));
    let [Event::Malformed(errors), Event::Route(route)] = rig.drain().events.as_slice() else {
        panic!("{:?}", rig.events)
    };
    assert_eq!(errors.len(), 1);
    assert_eq!(route.withdrawn, [Nlri::new("203.0.113.0/24".parse().unwrap())]);
    assert_eq!(route.announced, None);
    let key = (AttributeType::AS_PATH, OutcomeKind::TreatAsWithdraw);
    assert_eq!(rig.session.counters().attribute_errors.get(&key), Some(&1));
    assert_eq!(rig.session.state(), SessionState::Established);
}

#[test]
fn an_update_that_cannot_be_read_resets_the_session() {
    let mut rig = Rig::at(config(), SessionState::Established);
    // Withdrawn Routes Length runs past the message.
    let mut update = octets(&Message::Update(Update::default())).to_vec();
    update[20] = 9;
    rig.session.handle_bytes(&update, secs(1));
    rig.refused_with(notification(ErrorCode::UPDATE_MESSAGE, subcode::update::MALFORMED_ATTRIBUTE_LIST));
}

#[test]
fn a_family_that_cannot_be_read_is_disabled_where_that_is_configured() {
    // MP_UNREACH_NLRI of IPv6 with a prefix of 129 bits.
    let body = [0, 0, 0, 7, 0x80, 15, 4, 0, 2, 1, 129];
    let mut update = vec![0xff; 16];
    update.extend_from_slice(&[0, 19 + body.len() as u8, 2]);
    update.extend_from_slice(&body);
    let mut rig =
        Rig::at(SessionConfig { malformed_family: MalformedFamily::Disable, ..config() }, SessionState::Established);
    let ipv6 = Family::IPV6_UNICAST;
    rig.session.handle_bytes(&update, secs(1));
    assert!(
        matches!(rig.drain().events.as_slice(), [Event::FamilyDisabled(family), Event::Malformed(_)] if *family == ipv6)
    );
    let mut end = BytesMut::new();
    pack_end_of_rib(ipv6, &mut end);
    rig.forget().session.handle_bytes(&end, secs(2));
    assert!(rig.drain().events.is_empty(), "{:?}", rig.events);
    let mut rig = Rig::at(config(), SessionState::Established);
    rig.session.handle_bytes(&update, secs(1));
    let attribute = Bytes::copy_from_slice(&update[23..]);
    let subcode = subcode::update::INVALID_NETWORK_FIELD;
    rig.refused_with(Notification::with_data(ErrorCode::UPDATE_MESSAGE, subcode, attribute));
}

#[test]
fn end_of_rib_and_refreshes_are_events_of_their_own() {
    let mut rig = Rig::at(config(), SessionState::Established);
    let mut stream = BytesMut::new();
    pack_end_of_rib(Family::IPV4_UNICAST, &mut stream);
    pack_end_of_rib(Family::IPV6_UNICAST, &mut stream);
    rig.session.handle_bytes(&stream, secs(1));
    for subtype in [RefreshSubtype::REQUEST, RefreshSubtype::BEGIN, RefreshSubtype::END, RefreshSubtype(9)] {
        rig.receive(&Message::RouteRefresh(RouteRefresh::new(Family::IPV4_UNICAST, subtype)), secs(1));
    }
    let vpn = Family { afi: Afi::IPV4, safi: Safi::MPLS_VPN };
    rig.receive(&Message::RouteRefresh(RouteRefresh::new(vpn, RefreshSubtype::REQUEST)), secs(1));
    let expected = [
        Event::EndOfRib(Family::IPV4_UNICAST),
        Event::EndOfRib(Family::IPV6_UNICAST),
        Event::RefreshRequested(Family::IPV4_UNICAST),
        Event::RefreshBegin(Family::IPV4_UNICAST),
        Event::RefreshEnd(Family::IPV4_UNICAST),
    ];
    assert_eq!(rig.events, expected);
    rig.session.handle_refresh_request(Family::IPV6_UNICAST, secs(2));
    rig.session.handle_refresh_request(vpn, secs(2));
    assert_eq!(rig.drain().sent.len(), 1);
}

#[test]
fn a_beginning_of_refresh_that_is_too_long_is_answered_with_7_1() {
    let mut rig = Rig::at(config(), SessionState::Established);
    let mut refresh = RouteRefresh::new(Family::IPV4_UNICAST, RefreshSubtype::BEGIN);
    refresh.trailing = Bytes::from_static(&[1]);
    let message = Message::RouteRefresh(refresh);
    rig.receive(&message, secs(1));
    let code = ErrorCode::ROUTE_REFRESH_MESSAGE;
    rig.refused_with(Notification::with_data(code, subcode::refresh::INVALID_MESSAGE_LENGTH, octets(&message)));
}

#[test]
fn what_the_owner_sends_is_counted_and_takes_the_keepalives_place() {
    let mut rig = Rig::at(config(), SessionState::Established);
    let mut segment = BytesMut::from(announcement("203.0.113.0/24", &AsPath::sequence(&[LOCAL])).as_ref());
    segment.extend_from_slice(&announcement("198.51.100.0/24", &AsPath::sequence(&[LOCAL])));
    rig.session.handle_send(segment.freeze(), secs(20));
    assert_eq!((rig.drain().sent.len(), rig.session.counters().sent.update), (2, 2));
    assert!(rig.session.poll_timeout().is_some_and(|(at, _)| at > secs(30)));
    let mut idle = Rig::at(config(), SessionState::OpenConfirm);
    idle.session.handle_send(announcement("203.0.113.0/24", &AsPath::empty()), secs(1));
    assert!(idle.drain().sent.is_empty());
}

#[test]
fn failures_are_forgotten_after_a_session_that_stood() {
    let mut rig = Rig::at(config(), SessionState::Connect);
    rig.session.set_failures(5);
    rig.session.handle_connected(secs(0));
    rig.receive(&Message::Open(peer_open()), secs(0)).receive(&Message::Keepalive, secs(0));
    for now in [60, 119].map(secs) {
        rig.receive(&Message::Keepalive, now);
    }
    rig.session.handle_closed(secs(120));
    assert!(rig.session.poll_timeout().is_some_and(|(at, _)| at <= secs(121)));
}

mod in_place;
mod properties;
