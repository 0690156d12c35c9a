//! Whatever comes in, in whatever order: no panic, and only the timers of the state it is in.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Start,
    StartPassive,
    Stop,
    Connected,
    Accepted,
    Closed,
    CollisionLost,
    Blocked(bool),
    Refresh,
    Open(u16, u32),
    Keepalive,
    Notification(u8, u8),
    EndOfRib,
    Octets(Vec<u8>),
    Timeout,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Start),
        1 => Just(Step::StartPassive),
        1 => Just(Step::Stop),
        4 => Just(Step::Connected),
        1 => Just(Step::Accepted),
        1 => Just(Step::Closed),
        1 => Just(Step::CollisionLost),
        1 => any::<bool>().prop_map(Step::Blocked),
        1 => Just(Step::Refresh),
        4 => (prop_oneof![Just(90), Just(0), 0..10_u16], prop_oneof![Just(0x0a00_0002), any::<u32>()])
            .prop_map(|(hold_time, id)| Step::Open(hold_time, id)),
        4 => Just(Step::Keepalive),
        1 => (1..9_u8, 0..9_u8).prop_map(|(code, subcode)| Step::Notification(code, subcode)),
        1 => Just(Step::EndOfRib),
        1 => vec(any::<u8>(), 0..40).prop_map(Step::Octets),
        3 => Just(Step::Timeout),
        3 => (0..300_u64).prop_map(Step::Wait),
    ]
}

fn apply(rig: &mut Rig, step: &Step, now: &mut Time) {
    let session = &mut rig.session;
    match step {
        Step::Start => session.handle_start(*now),
        Step::StartPassive => session.handle_start_passive(*now),
        Step::Stop => session.handle_stop(Notification::shutdown("x"), *now),
        Step::Connected => session.handle_connected(*now),
        Step::Accepted => session.handle_accepted(*now),
        Step::Closed => session.handle_closed(*now),
        Step::CollisionLost => session.handle_collision_lost(*now),
        Step::Blocked(blocked) => session.handle_blocked(*blocked, *now),
        Step::Refresh => session.handle_refresh_request(crate::wire::Family::IPV4_UNICAST, *now),
        Step::Open(hold_time, id) => {
            let open = Open { hold_time: *hold_time, bgp_identifier: RouterId::from_u32(*id), ..peer_open() };
            session.handle_bytes(&octets(&Message::Open(open)), *now);
        }
        Step::Keepalive => session.handle_bytes(&octets(&Message::Keepalive), *now),
        Step::Notification(code, subcode) => {
            let message = Message::Notification(notification(ErrorCode(*code), *subcode));
            session.handle_bytes(&octets(&message), *now);
        }
        Step::EndOfRib => session.handle_bytes(&octets(&Message::Update(Update::default())), *now),
        Step::Octets(octets) => session.handle_bytes(octets, *now),
        Step::Timeout => {
            if let Some((at, _)) = session.poll_timeout() {
                *now = at.max(*now);
                session.handle_timeout(*now);
            }
        }
        Step::Wait(seconds) => {
            *now = *now + Duration::from_secs(*seconds);
            session.handle_timeout(*now);
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_of_inputs_leaves_only_the_states_own_timers(
        steps in vec(step(), 0..60),
        passive in any::<bool>(),
        delay_open in any::<bool>(),
    ) {
        let mode = if passive { ConnectMode::Passive } else { ConnectMode::Both };
        let delay_open_time = delay_open.then_some(Duration::from_secs(3));
        let mut rig = Rig::new(SessionConfig { mode, delay_open_time, ..config() });
        let mut now = Time::ZERO;
        let mut up = false;
        for step in &steps {
            apply(&mut rig, step, &mut now);
            rig.drain();
            let allowed: &[&str] = match rig.session.state() {
                SessionState::Idle => &["IdleHoldTimer"],
                SessionState::Connect | SessionState::Active => &["ConnectRetryTimer", "DelayOpenTimer"],
                SessionState::OpenSent => &["HoldTimer"],
                SessionState::OpenConfirm => &["HoldTimer", "KeepaliveTimer"],
                SessionState::Established => &["HoldTimer", "KeepaliveTimer", "SendHoldTimer"],
            };
            for (_, name) in rig.session.state.deadlines().into_iter().flatten() {
                prop_assert!(allowed.contains(&name), "{name} in {:?} after {step:?}", rig.session.state());
            }
            // A machine that is neither stopped, waiting passively, nor without a hold time always has a way on.
            let waits = rig.session.poll_timeout().is_some();
            let may_rest = rig.session.is_stopped()
                || passive && rig.session.state() == SessionState::Active
                || rig.session.negotiated().is_some_and(|negotiated| negotiated.hold_time == 0);
            prop_assert!(waits || may_rest, "stuck in {:?} after {step:?}", rig.session.state());
            for event in rig.events.drain(..) {
                match event {
                    Event::Established(_) => {
                        prop_assert!(!up, "established twice");
                        up = true;
                    }
                    Event::Closed(_) => up = false,
                    _ => prop_assert!(up, "{event:?} outside of a session"),
                }
            }
            prop_assert_eq!(up, rig.session.state() == SessionState::Established);
        }
    }
}
