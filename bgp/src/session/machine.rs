//! The states, the inputs, and the one `match` over both. Numbers beside inputs are the event numbers of RFC 4271 §8.1
//! and RFC 9687.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use net::Time;

use super::routes::{parts, routes};
use super::{
    CloseReason, Event, Negotiated, OPEN_HOLD_TIME, STABLE_TIME, Session, SessionConfig, SessionState, Transmit,
    count_messages,
};
use crate::wire::notification::subcode;
use crate::wire::{
    AttributeError, DecodeContext, Decoded, EncodeContext, ErrorCode, Fault, HEADER_LENGTH, MESSAGE_LIMIT, Message,
    MessageError, MessageType, MpNlri, Nlri, Notification, Open, Outcome, RefreshSubtype, RouteRefresh, Update,
};

#[derive(Debug)]
pub(super) enum State {
    Idle {
        restart: Restart,
    },
    Connect {
        wait: Wait,
    },
    Active {
        wait: Wait,
    },
    OpenSent {
        hold: Time,
    },
    OpenConfirm {
        hold: Option<Time>,
        keepalive: Option<Time>,
        negotiated: Arc<Negotiated>,
    },
    Established {
        since: Time,
        hold: Option<Time>,
        keepalive: Option<Time>,
        send_hold: Option<Time>,
        negotiated: Arc<Negotiated>,
    },
}

/// When an idle session starts again.
#[derive(Debug)]
pub(super) enum Restart {
    /// When the operator says so.
    Never,
    /// IdleHoldTimer.
    At { time: Time, damped: bool },
}

/// What a session without an OPEN on the way waits for.
#[derive(Debug)]
pub(super) enum Wait {
    /// A connection. ConnectRetryTimer; a passive session has none.
    Connection { retry: Option<Time> },
    /// The peer's OPEN: the connection is there. DelayOpenTimer.
    Open { delay_open: Time },
}

#[derive(Debug)]
pub(super) enum Input {
    /// 1, 3, 6; passive: 4, 5, 7.
    Start { passive: bool },
    /// 2, 8.
    Stop(Notification),
    /// 9.
    ConnectRetryExpires,
    /// 10.
    HoldExpires,
    /// 11.
    KeepaliveExpires,
    /// 12.
    DelayOpenExpires,
    /// 13.
    IdleHoldExpires,
    /// 16: ours is open.
    Connected,
    /// 17: the peer's is open.
    Accepted,
    /// 18.
    ConnectionFails,
    /// 19, or 20 while the DelayOpenTimer runs.
    Open(Box<Open>),
    /// 21.
    HeaderError(MessageError),
    /// 22.
    OpenError(MessageError),
    /// 23.
    CollisionDump,
    /// 24.
    NotificationVersionError(Notification),
    /// 25.
    Notification(Notification),
    /// 26.
    Keepalive,
    /// 27.
    Update(Box<Update>, Vec<AttributeError>),
    /// 28.
    UpdateError(MessageError),
    /// RFC 2918 gives it no number; it only means something in Established.
    RouteRefresh(RouteRefresh),
    /// RFC 7313 §5.
    RefreshError(MessageError),
    /// 29 (RFC 9687).
    SendHoldExpires,
    /// Starts and stops the SendHoldTimer.
    Blocked(bool),
    /// The owner's messages.
    SendMessages(Bytes),
    /// The owner's request for a refresh.
    SendRefresh(RouteRefresh),
}

impl Input {
    /// A whole message, or what is wrong with it.
    pub(super) fn from_wire(kind: MessageType, frame: &[u8], context: &DecodeContext) -> Input {
        match Message::decode(frame, context) {
            Ok(Decoded { message, errors }) => match message {
                Message::Open(open) => Input::Open(Box::new(open)),
                Message::Update(update) => Input::Update(Box::new(update), errors),
                Message::Notification(notification) => {
                    let version = notification.error_code == ErrorCode::OPEN_MESSAGE
                        && notification.error_subcode == subcode::open::UNSUPPORTED_VERSION;
                    if version {
                        Input::NotificationVersionError(notification)
                    } else {
                        Input::Notification(notification)
                    }
                }
                Message::Keepalive => Input::Keepalive,
                Message::RouteRefresh(refresh) => Input::RouteRefresh(refresh),
            },
            Err(error) => match (kind, error.fault) {
                (MessageType::OPEN, _) => Input::OpenError(error),
                (MessageType::UPDATE, _) => Input::UpdateError(error),
                (MessageType::ROUTE_REFRESH, Fault::RefreshLength) => Input::RefreshError(error),
                _ => Input::HeaderError(error),
            },
        }
    }

    /// Leaves out the first so many routes of an UPDATE, in the order in which
    /// [`UpdateView::part`](crate::wire::UpdateView) hands them out.
    pub(super) fn leave_out(&mut self, mut routes: usize) {
        let Input::Update(update, _) = self else { return };
        let mut cut = |nlri: &mut Vec<Nlri>| {
            let count = routes.min(nlri.len());
            nlri.drain(..count);
            routes -= count;
        };
        cut(&mut update.withdrawn);
        cut(&mut update.nlri);
        let unreach = update.mp_unreach.as_mut().map(|unreach| &mut unreach.nlri);
        let reach = update.mp_reach.as_mut().map(|reach| &mut reach.nlri);
        for field in unreach.into_iter().chain(reach) {
            if let MpNlri::Unicast(nlri) = field {
                cut(nlri);
            }
        }
    }
}

impl State {
    pub(super) const fn name(&self) -> SessionState {
        match self {
            State::Idle { .. } => SessionState::Idle,
            State::Connect { .. } => SessionState::Connect,
            State::Active { .. } => SessionState::Active,
            State::OpenSent { .. } => SessionState::OpenSent,
            State::OpenConfirm { .. } => SessionState::OpenConfirm,
            State::Established { .. } => SessionState::Established,
        }
    }

    /// All running timers, with the names that RFC 4271 gives them.
    pub(super) fn deadlines(&self) -> [Option<(Time, &'static str)>; 3] {
        let one = |at, name| [Some((at, name)), None, None];
        match self {
            State::Idle { restart: Restart::Never } => [None; 3],
            State::Idle { restart: Restart::At { time, .. } } => one(*time, "IdleHoldTimer"),
            State::Connect { wait } | State::Active { wait } => match wait {
                Wait::Connection { retry } => [retry.map(|at| (at, "ConnectRetryTimer")), None, None],
                Wait::Open { delay_open } => one(*delay_open, "DelayOpenTimer"),
            },
            State::OpenSent { hold } => one(*hold, "HoldTimer"),
            State::OpenConfirm { hold, keepalive, .. } => {
                [hold.map(|at| (at, "HoldTimer")), keepalive.map(|at| (at, "KeepaliveTimer")), None]
            }
            State::Established { hold, keepalive, send_hold, .. } => [
                hold.map(|at| (at, "HoldTimer")),
                keepalive.map(|at| (at, "KeepaliveTimer")),
                send_hold.map(|at| (at, "SendHoldTimer")),
            ],
        }
    }

    /// The input of the earliest timer that has expired.
    pub(super) fn due(&self, now: Time) -> Option<Input> {
        let expired = self.deadlines().into_iter().flatten().filter(|(at, _)| *at <= now);
        let (_, name) = expired.min_by_key(|(at, _)| *at)?;
        Some(match name {
            "IdleHoldTimer" => Input::IdleHoldExpires,
            "ConnectRetryTimer" => Input::ConnectRetryExpires,
            "DelayOpenTimer" => Input::DelayOpenExpires,
            "HoldTimer" => Input::HoldExpires,
            "KeepaliveTimer" => Input::KeepaliveExpires,
            _ => Input::SendHoldExpires,
        })
    }

    pub(super) const fn has_connection(&self) -> bool {
        match self {
            State::Idle { .. } => false,
            State::Connect { wait } | State::Active { wait } => matches!(wait, Wait::Open { .. }),
            State::OpenSent { .. } | State::OpenConfirm { .. } | State::Established { .. } => true,
        }
    }
}

impl Session {
    pub(super) fn handle(&mut self, input: Input, now: Time) {
        let state = std::mem::replace(&mut self.state, State::Idle { restart: Restart::Never });
        self.state = self.transition(state, input, now);
    }

    #[expect(clippy::too_many_lines, reason = "one match over state and input is the point")]
    fn transition(&mut self, state: State, input: Input, now: Time) -> State {
        use CloseReason::{AdminStop, Collision, ConnectFailed, ConnectionLost, SendHoldTimerExpired, Sent};
        match (state, input) {
            // Whatever the state: nothing to send to, nothing to measure. Established has its own arms.
            (
                state @ (State::Idle { .. }
                | State::Connect { .. }
                | State::Active { .. }
                | State::OpenSent { .. }
                | State::OpenConfirm { .. }),
                Input::Blocked(_) | Input::SendMessages(_) | Input::SendRefresh(_),
            ) => state,

            // --- Idle
            (State::Idle { .. }, Input::Start { passive }) => self.start(passive, now),
            (State::Idle { restart: Restart::At { .. } }, Input::IdleHoldExpires) => {
                self.start(self.config.mode == super::ConnectMode::Passive, now)
            }
            (State::Idle { .. }, Input::Stop(_)) => {
                self.failures = 0;
                State::Idle { restart: Restart::Never }
            }
            (state @ State::Idle { .. }, _) => state,

            // --- Start in every other state: ignored (events 1, 3 to 7)
            (state, Input::Start { .. }) => state,

            // --- Stop (events 2, 8)
            (State::Connect { .. } | State::Active { .. }, Input::Stop(_)) => self.stop(AdminStop),
            (state, Input::Stop(notification)) => {
                match state {
                    // RFC 8538 §4: or the peer would keep our routes.
                    State::Established { negotiated, .. } if negotiated.hard_reset => {
                        self.send_notification(&notification.hard_reset());
                    }
                    _ => self.send_notification(&notification),
                }
                self.stop(AdminStop)
            }

            // --- Connect
            (State::Connect { wait: Wait::Connection { .. } }, Input::ConnectRetryExpires) => {
                self.transmits.extend([Transmit::Close, Transmit::Connect]);
                State::Connect { wait: self.wait_for_connection(now) }
            }
            // 18 without the DelayOpenTimer
            (State::Connect { wait: Wait::Connection { .. } }, Input::ConnectionFails) => {
                self.fail(ConnectFailed, Damp::No, now)
            }
            // 18 with it
            (State::Connect { wait: Wait::Open { .. } }, Input::ConnectionFails) => self.lose_connection(now),

            // --- Active
            (State::Active { wait: Wait::Connection { .. } }, Input::ConnectRetryExpires) => {
                self.transmits.push_back(Transmit::Connect);
                State::Connect { wait: self.wait_for_connection(now) }
            }
            // 18 is about a connection; without one it is old news
            (state @ State::Active { wait: Wait::Connection { .. } }, Input::ConnectionFails) => state,
            (State::Active { wait: Wait::Open { .. } }, Input::ConnectionFails) => {
                self.fail(ConnectionLost, Damp::No, now)
            }

            // --- Connect and Active alike
            // 16, 17
            (
                state @ (State::Connect { wait: Wait::Connection { .. } }
                | State::Active { wait: Wait::Connection { .. } }),
                Input::Connected | Input::Accepted,
            ) => match self.config.delay_open_time {
                None => self.open_sent(now),
                Some(delay) => {
                    let wait = Wait::Open { delay_open: now + delay };
                    if matches!(state, State::Connect { .. }) {
                        State::Connect { wait }
                    } else {
                        State::Active { wait }
                    }
                }
            },
            // 12
            (
                State::Connect { wait: Wait::Open { .. } } | State::Active { wait: Wait::Open { .. } },
                Input::DelayOpenExpires,
            ) => self.open_sent(now),
            // 20
            (
                State::Connect { wait: Wait::Open { .. } } | State::Active { wait: Wait::Open { .. } },
                Input::Open(open),
            ) => {
                let _sent = self.open_sent(now);
                self.open_received(*open, now)
            }
            // 24 with the DelayOpenTimer: not a failure, the peer will try another version
            (
                State::Connect { wait: Wait::Open { .. } } | State::Active { wait: Wait::Open { .. } },
                Input::NotificationVersionError(notification),
            ) => self.close(CloseReason::Received(notification), self.config.idle_hold_time, Damp::No, now),
            (State::Connect { .. } | State::Active { .. }, Input::Notification(notification)) => {
                self.fail(CloseReason::Received(notification), Damp::Yes, now)
            }
            (State::Connect { .. } | State::Active { .. }, Input::CollisionDump) => {
                self.counters.collisions += 1;
                self.fail(Collision, Damp::No, now)
            }
            // 8, 10, 11, 13, 19, 21, 22, 25 to 28: nothing was sent yet that a NOTIFICATION could follow
            // (SendNOTIFICATIONwithoutOPEN is off)
            (State::Connect { .. } | State::Active { .. }, _) => self.fail(ConnectionLost, Damp::Yes, now),

            // --- OpenSent
            // 18
            (State::OpenSent { .. }, Input::ConnectionFails) => self.lose_connection(now),
            // 19
            (State::OpenSent { .. }, Input::Open(open)) => self.open_received(*open, now),
            // 16, 17: a second connection is the peer's affair, in both senses
            (
                state @ (State::OpenSent { .. } | State::OpenConfirm { .. } | State::Established { .. }),
                Input::Connected | Input::Accepted,
            ) => state,

            // --- OpenConfirm
            // 26
            (State::OpenConfirm { keepalive, negotiated, .. }, Input::Keepalive) => {
                self.counters.established += 1;
                self.disabled.clear();
                self.events.push_back(Event::Established(negotiated.clone()));
                let hold = hold_deadline(&negotiated, now);
                State::Established { since: now, hold, keepalive, send_hold: None, negotiated }
            }
            // 11
            (State::OpenConfirm { hold, negotiated, .. }, Input::KeepaliveExpires) => {
                let keepalive = self.send_keepalive(&negotiated, now);
                State::OpenConfirm { hold, keepalive, negotiated }
            }
            // RFC 2918 does not say when it may come; before the last KEEPALIVE is too early
            (State::OpenConfirm { .. }, Input::ConnectionFails) => self.fail(ConnectionLost, Damp::No, now),

            // --- Established
            // 26
            (State::Established { since, keepalive, send_hold, negotiated, .. }, Input::Keepalive) => {
                let hold = hold_deadline(&negotiated, now);
                State::Established { since, hold, keepalive, send_hold, negotiated }
            }
            // 27
            (State::Established { since, keepalive, send_hold, negotiated, .. }, Input::Update(update, errors)) => {
                self.update(*update, errors, &negotiated);
                let hold = hold_deadline(&negotiated, now);
                State::Established { since, hold, keepalive, send_hold, negotiated }
            }
            // 11
            (State::Established { since, hold, send_hold, negotiated, .. }, Input::KeepaliveExpires) => {
                let keepalive = self.send_keepalive(&negotiated, now);
                State::Established { since, hold, keepalive, send_hold, negotiated }
            }
            (state @ State::Established { .. }, Input::RouteRefresh(refresh)) => {
                if let State::Established { negotiated, .. } = &state {
                    self.refresh(&refresh, negotiated);
                }
                state
            }
            (State::Established { since, hold, send_hold, negotiated, .. }, Input::SendMessages(messages)) => {
                count_messages(&mut self.counters.sent, &messages);
                self.transmits.push_back(Transmit::Send(messages));
                let keepalive = self.keepalive_deadline(&negotiated, now);
                State::Established { since, hold, keepalive, send_hold, negotiated }
            }
            (State::Established { since, hold, keepalive, send_hold, negotiated }, Input::SendRefresh(refresh)) => {
                if negotiated.route_refresh && negotiated.families.contains(&refresh.family) {
                    self.send(&Message::RouteRefresh(refresh), &negotiated.encode);
                }
                State::Established { since, hold, keepalive, send_hold, negotiated }
            }
            (State::Established { since, hold, keepalive, send_hold, negotiated }, Input::Blocked(blocked)) => {
                let deadline = send_hold_time(&self.config, &negotiated).map(|time| now + time);
                let send_hold = if blocked { send_hold.or(deadline) } else { None };
                State::Established { since, hold, keepalive, send_hold, negotiated }
            }
            (State::Established { since, .. }, Input::SendHoldExpires) => {
                // RFC 9687 §3.1: the peer would not read a NOTIFICATION either.
                self.transmits.clear();
                self.forget_failures(since, now);
                self.fail(SendHoldTimerExpired, Damp::Yes, now)
            }
            (State::Established { since, .. }, Input::ConnectionFails) => {
                self.forget_failures(since, now);
                self.fail(ConnectionLost, Damp::No, now)
            }
            (
                State::Established { since, .. },
                Input::Notification(notification) | Input::NotificationVersionError(notification),
            ) => {
                self.forget_failures(since, now);
                self.fail(CloseReason::Received(notification), Damp::Yes, now)
            }

            // --- OpenSent, OpenConfirm and Established alike
            // 10
            (state, Input::HoldExpires) => {
                self.forget_failures_of(&state, now);
                self.refuse(Notification::new(ErrorCode::HOLD_TIMER_EXPIRED, 0), now)
            }
            // 24, 25. RFC 4271 §8.2.2 has OpenSent answer 25 with an FSM error, but who sends a NOTIFICATION has
            // closed.
            (_, Input::Notification(notification) | Input::NotificationVersionError(notification)) => {
                self.fail(CloseReason::Received(notification), Damp::Yes, now)
            }
            // 21, and 22 before the session stands. RFC 4271 §8.2.2 has Established answer 21 with an FSM error; §6.1
            // has the codes that say what is wrong, and they are what peers send.
            (state, Input::HeaderError(error)) => {
                self.forget_failures_of(&state, now);
                if error.fault == Fault::MalformedNotification {
                    // RFC 4271 §6.4: there is no answer to a NOTIFICATION.
                    return self.fail(ConnectionLost, Damp::Yes, now);
                }
                self.refuse(error.notification(), now)
            }
            (State::OpenSent { .. } | State::OpenConfirm { .. }, Input::OpenError(error)) => {
                self.refuse(error.notification(), now)
            }
            // 28
            (State::Established { since, .. }, Input::UpdateError(error) | Input::RefreshError(error)) => {
                self.forget_failures(since, now);
                self.counters.count_errors(&error.attribute_errors);
                let notification = error.notification();
                if !error.attribute_errors.is_empty() {
                    self.events.push_back(Event::Malformed(error.attribute_errors));
                }
                self.refuse(notification, now)
            }
            // 23
            (_, Input::CollisionDump) => {
                self.counters.collisions += 1;
                self.send_notification(&Notification::new(ErrorCode::CEASE, subcode::cease::CONNECTION_COLLISION));
                self.fail(Collision, Damp::No, now)
            }
            // Everything else is a message that has no business in this state (RFC 6608), or a timer that cannot run in
            // it.
            (state, _) => {
                let subcode = match state {
                    State::OpenSent { .. } => subcode::fsm::IN_OPEN_SENT,
                    State::OpenConfirm { .. } => subcode::fsm::IN_OPEN_CONFIRM,
                    _ => subcode::fsm::IN_ESTABLISHED,
                };
                self.forget_failures_of(&state, now);
                let notification = Notification::new(ErrorCode::FINITE_STATE_MACHINE, subcode);
                self.send_notification(&notification);
                self.fail(Sent(notification), Damp::Yes, now)
            }
        }
    }

    fn start(&mut self, passive: bool, now: Time) -> State {
        if self.config.mode == super::ConnectMode::Passive {
            return State::Active { wait: Wait::Connection { retry: None } };
        }
        let wait = self.wait_for_connection(now);
        if passive {
            return State::Active { wait };
        }
        self.transmits.push_back(Transmit::Connect);
        State::Connect { wait }
    }

    /// ConnectRetryTimer with its full time.
    fn wait_for_connection(&mut self, now: Time) -> Wait {
        Wait::Connection { retry: Some(now + self.random.jittered(self.config.connect_retry_time)) }
    }

    /// The connection went away before the peer's OPEN came: waits for the next in Active. The pause is that of a
    /// failure, so that a peer that was not ready is met again soon.
    fn lose_connection(&mut self, now: Time) -> State {
        self.close_connection();
        if self.config.mode == super::ConnectMode::Passive {
            return State::Active { wait: Wait::Connection { retry: None } };
        }
        let pause = self.pause();
        self.failures = self.failures.saturating_add(1);
        State::Active { wait: Wait::Connection { retry: Some(now + pause) } }
    }

    fn open_sent(&mut self, now: Time) -> State {
        let open = Message::Open(self.config.open());
        self.send(&open, &EncodeContext::default());
        State::OpenSent { hold: now + OPEN_HOLD_TIME }
    }

    /// 19, 20: into OpenConfirm, or refused (22).
    fn open_received(&mut self, open: Open, now: Time) -> State {
        match Negotiated::new(&self.config, open) {
            Ok(negotiated) => {
                let negotiated = Arc::new(negotiated);
                let hold = hold_deadline(&negotiated, now);
                // RFC 4271 §4.4: none at all with a hold time of zero; but this one is what confirms the OPEN.
                self.send(&Message::Keepalive, &negotiated.encode);
                let keepalive = self.keepalive_deadline(&negotiated, now);
                State::OpenConfirm { hold, keepalive, negotiated }
            }
            Err(error) => self.refuse(error.notification(), now),
        }
    }

    fn update(&mut self, update: Update, errors: Vec<AttributeError>, negotiated: &Negotiated) {
        self.counters.count_errors(&errors);
        if errors.is_empty()
            && let Some(family) = update.end_of_rib()
        {
            if negotiated.families.contains(&family) && !self.disabled.contains(&family) {
                self.events.push_back(Event::EndOfRib(family));
            }
            return;
        }
        for error in &errors {
            if let Outcome::DisableFamily(family) = error.outcome
                && negotiated.families.contains(&family)
                && self.disabled.insert(family)
            {
                self.events.push_back(Event::FamilyDisabled(family));
            }
        }
        let wanted = |family| negotiated.families.contains(&family) && !self.disabled.contains(&family);
        let (routes, ignored) = routes(update, &errors, wanted);
        self.counters.ignored_families += ignored;
        if !errors.is_empty() {
            self.events.push_back(Event::Malformed(errors));
        }
        self.events.extend(routes.into_iter().flat_map(parts).map(Event::Route));
    }

    /// RFC 2918 §4: a family that was not negotiated is ignored. RFC 7313 §4: so are subtypes without the capability.
    fn refresh(&mut self, refresh: &RouteRefresh, negotiated: &Negotiated) {
        let family = refresh.family;
        if !negotiated.families.contains(&family) || self.disabled.contains(&family) {
            return;
        }
        match refresh.subtype {
            RefreshSubtype::REQUEST => self.events.push_back(Event::RefreshRequested(family)),
            RefreshSubtype::BEGIN if negotiated.enhanced_route_refresh => {
                self.events.push_back(Event::RefreshBegin(family));
            }
            RefreshSubtype::END if negotiated.enhanced_route_refresh => {
                self.events.push_back(Event::RefreshEnd(family));
            }
            _ => {}
        }
    }

    fn send(&mut self, message: &Message, context: &EncodeContext) {
        let mut octets = BytesMut::new();
        // Session messages are far below every limit; an OPEN that is not says so by not being sent, and the hold timer
        // ends it.
        if message.encode(context, &mut octets).is_ok() {
            self.counters.sent.count(message.kind());
            self.transmits.push_back(Transmit::Send(octets.freeze()));
        }
    }

    fn send_notification(&mut self, notification: &Notification) {
        // Its data may be what came in a longer message than we may send: the beginning says enough.
        let mut notification = notification.clone();
        notification.data.truncate(MESSAGE_LIMIT - HEADER_LENGTH - 2);
        self.send(&Message::Notification(notification), &EncodeContext::default());
    }

    fn send_keepalive(&mut self, negotiated: &Negotiated, now: Time) -> Option<Time> {
        self.send(&Message::Keepalive, &negotiated.encode);
        self.keepalive_deadline(negotiated, now)
    }

    /// A third of the hold time, jittered (RFC 4271 §10).
    fn keepalive_deadline(&mut self, negotiated: &Negotiated, now: Time) -> Option<Time> {
        let hold_time = Duration::from_secs(negotiated.hold_time.into());
        (negotiated.hold_time != 0).then(|| now + self.random.jittered(hold_time / 3))
    }

    /// NOTIFICATION, close, and a pause.
    fn refuse(&mut self, notification: Notification, now: Time) -> State {
        self.send_notification(&notification);
        self.fail(CloseReason::Sent(notification), Damp::Yes, now)
    }

    /// ConnectRetryCounter goes up, and with it the pause.
    fn fail(&mut self, reason: CloseReason, damp: Damp, now: Time) -> State {
        let pause = self.pause();
        self.failures = self.failures.saturating_add(1);
        self.close(reason, pause, damp, now)
    }

    fn close(&mut self, reason: CloseReason, pause: Duration, damp: Damp, now: Time) -> State {
        self.close_connection();
        self.counters.last_close = Some(reason.clone());
        self.events.push_back(Event::Closed(reason));
        let damped = damp == Damp::Yes && self.config.damp_peer_oscillations;
        State::Idle { restart: Restart::At { time: now + pause, damped } }
    }

    fn stop(&mut self, reason: CloseReason) -> State {
        self.failures = 0;
        self.close_connection();
        self.counters.last_close = Some(reason.clone());
        self.events.push_back(Event::Closed(reason));
        State::Idle { restart: Restart::Never }
    }

    fn close_connection(&mut self) {
        self.input.clear();
        self.done = 0;
        self.transmits.push_back(Transmit::Close);
    }

    /// IdleHoldTime, jittered: damped, it doubles with each failure up to ConnectRetryTime.
    fn pause(&mut self) -> Duration {
        let doublings = if self.config.damp_peer_oscillations { self.failures.min(16) } else { 0 };
        let doubled = self.config.idle_hold_time.saturating_mul(1 << doublings);
        self.random.jittered(doubled.min(self.config.connect_retry_time))
    }

    fn forget_failures(&mut self, since: Time, now: Time) {
        if now.since(since) >= STABLE_TIME {
            self.failures = 0;
        }
    }

    fn forget_failures_of(&mut self, state: &State, now: Time) {
        if let State::Established { since, .. } = state {
            self.forget_failures(*since, now);
        }
    }
}

/// Whether an idle session may be woken by a connection from the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damp {
    /// The network failed, not the protocol: it may.
    No,
    /// DampPeerOscillations.
    Yes,
}

pub(super) fn hold_deadline(negotiated: &Negotiated, now: Time) -> Option<Time> {
    (negotiated.hold_time != 0).then(|| now + Duration::from_secs(negotiated.hold_time.into()))
}

/// RFC 9687 §3.2: never shorter than twice the hold time... of which zero has none.
fn send_hold_time(config: &SessionConfig, negotiated: &Negotiated) -> Option<Duration> {
    let hold_time = Duration::from_secs(negotiated.hold_time.into());
    config.send_hold_time.filter(|_| negotiated.hold_time != 0).map(|time| time.max(hold_time * 2))
}
