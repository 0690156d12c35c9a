//! The BGP session, fed with octets, connection events, operator's wishes and time: it never panics, its deadlines move on, what it sends is BGP,
//! and routes come only between Established and Closed.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use bgp::session::{Event, Session, SessionConfig, SessionState, Transmit};
use bgp::wire::{Asn, DecodeContext, EXTENDED_MESSAGE_LIMIT, Family, Message, Notification, RouterId, frame_length};
use libfuzzer_sys::fuzz_target;
use net::Time;
use trunkline_fuzz::steps;

fuzz_target!(|octets: &[u8]| {
    let router_id = RouterId(std::net::Ipv4Addr::new(10, 0, 0, 9));
    let config = SessionConfig::new(Asn(65009), router_id, Asn(65001));
    let mut session = Session::new(Arc::new(config), 1);
    let mut now = Time::ZERO;
    let mut established = false;
    for step in steps(octets) {
        match step.kind % 10 {
            0 => session.handle_start(now),
            1 => session.handle_bytes(step.octets, now),
            2 => {
                now = session.poll_timeout().map_or(now, |(deadline, _)| now.max(deadline));
                session.handle_timeout(now);
            }
            3 => session.handle_connected(now),
            4 => session.handle_accepted(now),
            5 => session.handle_closed(now),
            6 => session.handle_stop(Notification::shutdown("over"), now),
            7 => session.handle_blocked(step.octets.is_empty(), now),
            8 => session.handle_collision_lost(now),
            _ => session.handle_refresh_request(Family::IPV4_UNICAST, now),
        }
        now = now + Duration::from_millis(u64::from(step.kind / 10) * 500);
        while let Some(transmit) = session.poll_transmit() {
            let Transmit::Send(sent) = transmit else { continue };
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let length = frame_length(rest, EXTENDED_MESSAGE_LIMIT).expect("a message").expect("a whole message");
                let (message, tail) = rest.split_at(length);
                Message::decode(message, &DecodeContext::default()).expect("what is sent can be read");
                rest = tail;
            }
        }
        while let Some(event) = session.poll_event() {
            match event {
                Event::Established(_) => {
                    assert!(!established, "established twice");
                    established = true;
                }
                Event::Closed(_) => established = false,
                Event::Route(update) => {
                    assert!(established, "routes without a session");
                    assert!(
                        update.announced.is_none_or(|announced| !announced.nlri.is_empty()),
                        "an empty announcement"
                    );
                }
                _ => assert!(established, "{event:?} without a session"),
            }
        }
        assert_eq!(established, session.state() == SessionState::Established, "state and events differ");
        session.handle_timeout(now);
        assert!(session.poll_timeout().is_none_or(|(deadline, _)| deadline > now), "a deadline stays due");
    }
});
