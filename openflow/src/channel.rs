//! One OpenFlow connection, without the connection: HELLO and version negotiation, FEATURES, liveness, barriers, questions with a
//! deadline, back-pressure, error replies, a graceful end (OpenFlow 1.3.5 §6.2 to §6.4).
//!
//! Both sides use it. It never reads a clock: every input brings the time. Output is encoded straight into one buffer, so that
//! everything said between two reads goes out in one write.

mod event;
mod frames;
mod packet_in;
mod queues;
mod request;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use net::{DecodeError, DecodeErrorKind, Time};

use crate::error::{ErrorCode, ErrorMessage};
use crate::framing::{FrameError, HEADER_LEN, VERSION};
use crate::hello::Hello;
use crate::message::{Message, MessageType};
use crate::reply::{ERROR_DATA_LEN, error_for};

use queues::{Events, Output};
use request::{Outcome, Requests};

pub use event::{ChannelCounters, ChannelEvent, CloseReason, MessageCounts};
pub use request::{MAX_OWN_REQUESTS, MAX_REPLY_OCTETS, MAX_REPLY_PARTS, MAX_REQUESTS, RequestFailure};

/// Silence after which the other side is asked for a sign of life. The same as Open vSwitch's own default.
pub const ECHO_INTERVAL: Duration = Duration::from_secs(5);
/// How long a sign of life may take. Long enough for a switch that is busy with a large update.
pub const ECHO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long HELLO and FEATURES may take together, so that half-open connections don't pile up.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a barrier may take. A switch that takes longer has lost it.
pub const BARRIER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the round-trip time is measured on a connection that is never silent.
pub const ROUND_TRIP_INTERVAL: Duration = Duration::from_secs(30);
/// Output that may wait for a peer that doesn't read: several dumps of a large table. More closes the channel.
pub const MAX_QUEUED_OUTPUT: usize = 32 << 20;
/// Output that may wait before [`Channel::writable`] says no: what nobody waits for is better not said then.
pub const HIGH_WATERMARK: usize = 1 << 20;
/// ERRORs that are sent within one [`ERROR_WINDOW`]; more are counted only, so that two sides never answer rubbish with rubbish
/// at full speed.
pub const MAX_ERRORS_PER_WINDOW: u32 = 64;
/// See [`MAX_ERRORS_PER_WINDOW`].
pub const ERROR_WINDOW: Duration = Duration::from_secs(1);
/// Barriers whose deadline is watched. The owner keeps far fewer open; one more than this is passed on but not watched.
pub const MAX_WATCHED_BARRIERS: usize = 4_096;

/// How patient a channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelConfig {
    /// See [`ECHO_INTERVAL`].
    pub echo_interval: Duration,
    /// See [`ECHO_TIMEOUT`].
    pub echo_timeout: Duration,
    /// See [`HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
    /// See [`BARRIER_TIMEOUT`].
    pub barrier_timeout: Duration,
    /// See [`MAX_QUEUED_OUTPUT`].
    pub max_queued_output: usize,
    /// See [`HIGH_WATERMARK`].
    pub high_watermark: usize,
}

impl Default for ChannelConfig {
    fn default() -> ChannelConfig {
        ChannelConfig {
            echo_interval: ECHO_INTERVAL,
            echo_timeout: ECHO_TIMEOUT,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            barrier_timeout: BARRIER_TIMEOUT,
            max_queued_output: MAX_QUEUED_OUTPUT,
            high_watermark: HIGH_WATERMARK,
        }
    }
}

/// Which end of the connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Controller,
    Switch,
}

#[derive(Debug)]
enum State {
    AwaitHello { deadline: Time },
    AwaitFeatures { deadline: Time, xid: u32 },
    Up(Up),
    Closed,
}

#[derive(Debug)]
struct Up {
    last_received: Time,
    last_echo: Time,
    echo: Option<Echo>,
    probe: Option<Probe>,
    /// The last echo of [`Channel::inquire`], until it is answered.
    inquiry: Option<u32>,
    barriers: VecDeque<Barrier>,
    requests: Requests,
    /// The last barrier before a graceful end; nothing is said after it.
    farewell: Option<Farewell>,
}

#[derive(Clone, Copy, Debug)]
struct Farewell {
    xid: u32,
    deadline: Time,
}

/// An echo request on its way.
#[derive(Clone, Copy, Debug)]
struct Echo {
    xid: u32,
    sent: Time,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    xid: u32,
    sent: Time,
    deadline: Time,
}

/// A barrier on its way. `send` isn't told the time: the deadline is set by the next input that brings one, so that it is never
/// too early.
#[derive(Clone, Copy, Debug)]
struct Barrier {
    xid: u32,
    deadline: Option<Time>,
}

/// One OpenFlow connection.
#[derive(Debug)]
pub struct Channel {
    config: ChannelConfig,
    side: Side,
    state: State,
    now: Time,
    next_xid: u32,
    output: Output,
    events: Events,
    error_window: Time,
    errors_in_window: u32,
    round_trip: Option<Duration>,
    counters: ChannelCounters,
}

impl Channel {
    /// The controller's end of a new connection. Says HELLO.
    pub fn controller(config: ChannelConfig, now: Time) -> Channel {
        Channel::new(Side::Controller, config, now)
    }

    /// The switch's end of a new connection. Says HELLO.
    pub fn switch(config: ChannelConfig, now: Time) -> Channel {
        Channel::new(Side::Switch, config, now)
    }

    fn new(side: Side, config: ChannelConfig, now: Time) -> Channel {
        let mut channel = Channel {
            config,
            side,
            state: State::AwaitHello { deadline: now + config.handshake_timeout },
            now,
            next_xid: 1,
            output: Output::default(),
            events: Events::default(),
            error_window: now,
            errors_in_window: 0,
            round_trip: None,
            counters: ChannelCounters::default(),
        };
        let xid = channel.take_xid();
        channel.put(xid, &Message::Hello(Hello::new()));
        channel
    }

    /// One whole frame from the other side.
    pub fn handle_frame(&mut self, frame: Bytes, now: Time) {
        self.now = now;
        if matches!(self.state, State::Closed) {
            return;
        }
        let dropped = self.counters.dropped();
        self.sort_frame(&frame);
        if self.counters.dropped() > dropped {
            self.counters.bytes_dropped += frame.len() as u64;
        }
    }

    fn sort_frame(&mut self, frame: &Bytes) {
        self.counters.bytes_received += frame.len() as u64;
        // A frame is at least a header; anything less is no frame, and says nothing.
        let Some((header, _)) = frame.split_first_chunk::<HEADER_LEN>() else { return };
        let [version, message_type, _, _, xid @ ..] = *header;
        let (message_type, xid) = (MessageType(message_type), u32::from_be_bytes(xid));
        self.counters.received.add(message_type);
        if let State::Up(up) = &mut self.state {
            up.last_received = self.now;
        }
        self.stamp();
        if version == VERSION && self.is_unasked(message_type, xid) {
            self.counters.unexpected += 1;
            return;
        }
        match Message::decode(frame) {
            Ok((xid, message)) => self.handle_message(version, xid, message, frame),
            Err(error) => self.handle_malformed(version, message_type, xid, error, frame),
        }
    }

    /// The byte stream is out of step: the peer is told, and it is over.
    pub fn handle_frame_error(&mut self, error: FrameError, now: Time) {
        self.now = now;
        let [_, _, _, _, xid @ ..] = error.header;
        let data = Bytes::copy_from_slice(&error.header);
        self.put_error(u32::from_be_bytes(xid), ErrorMessage::new(ErrorCode::REQUEST_BAD_LEN, data));
        self.close(CloseReason::FrameLost(error));
    }

    /// Time has passed. A driver that was held up hands in what it has read first, so that its own delay isn't taken for the
    /// other side's silence.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        self.stamp();
        match &mut self.state {
            State::Closed => {}
            State::AwaitHello { deadline } | State::AwaitFeatures { deadline, .. } => {
                if now >= *deadline {
                    self.close(CloseReason::HandshakeTimeout);
                }
            }
            State::Up(up) => {
                if up.probe.is_some_and(|probe| now >= probe.deadline) {
                    up.probe = None;
                    self.events.push_back(ChannelEvent::ProbeTimedOut);
                }
                if up.farewell.is_some_and(|farewell| now >= farewell.deadline) {
                    return self.close(CloseReason::Shutdown);
                }
                if let Some(barrier) = up.overdue_barrier(now) {
                    return self.close(CloseReason::BarrierTimeout { xid: barrier });
                }
                while let Some(xid) = up.requests.take_overdue(now) {
                    self.events.push_back(ChannelEvent::RequestTimedOut { xid });
                }
                if now < up.echo_deadline(&self.config) {
                    return;
                }
                if up.echo.is_some() {
                    return self.close(CloseReason::EchoTimeout);
                }
                self.send_echo(now);
            }
        }
    }

    /// All output that waits, as one piece of whole messages.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.output.take()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// The next time at which [`Channel::handle_timeout`] has something to do, and what.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let up = match &self.state {
            State::Closed => return None,
            State::AwaitHello { deadline } => return Some((*deadline, "hello")),
            State::AwaitFeatures { deadline, .. } => return Some((*deadline, "features")),
            State::Up(up) => up,
        };
        let echo = (up.echo_deadline(&self.config), if up.echo.is_some() { "echo reply" } else { "echo request" });
        let probe = up.probe.map(|probe| (probe.deadline, "probe"));
        let unstamped = self.now + self.config.barrier_timeout;
        let barrier = up.barriers.front().map(|barrier| (barrier.deadline.unwrap_or(unstamped), "barrier"));
        let request = up.requests.poll_timeout(self.now).map(|at| (at, "request"));
        let farewell = up.farewell.map(|farewell| (farewell.deadline, "shutdown"));
        [Some(echo), probe, barrier, request, farewell].into_iter().flatten().min()
    }

    /// Says something under a new number, which is returned. Nothing is said before the handshake is done or after the end; that
    /// and messages that are too long for OpenFlow are counted.
    pub fn send(&mut self, message: &Message) -> u32 {
        let xid = self.take_xid();
        self.send_with_xid(xid, message);
        xid
    }

    /// Asks, and watches for the answer: [`ChannelEvent::Reply`] for each part, or one of [`ChannelEvent::RequestTimedOut`] after
    /// `within` and [`ChannelEvent::RequestFailed`]. After the end of the channel none of them comes.
    ///
    /// `within` is the time for the whole answer, counted from the first input that follows. The answer is matched by its number and by
    /// its type; it is at most [`MAX_REPLY_PARTS`] parts and [`MAX_REPLY_OCTETS`] octets. Parts are handed on as they come and never
    /// collected.
    pub fn request(&mut self, message: &Message, within: Duration) -> u32 {
        let xid = self.take_xid();
        let sent = match &mut self.state {
            State::Closed => {
                self.counters.unsent += 1;
                return xid;
            }
            State::Up(up) if up.farewell.is_none() => up.requests.add(xid, message, within),
            _ => false,
        };
        if sent && self.put(xid, message) {
            return xid;
        }
        if let State::Up(up) = &mut self.state {
            up.requests.remove(xid);
            self.counters.unsent += u64::from(!sent);
        }
        if !matches!(self.state, State::Closed) {
            self.events.push_back(ChannelEvent::RequestFailed { xid, failure: RequestFailure::NotSent });
        }
        xid
    }

    /// The same as [`Channel::send`] under a given number: for answers, and for an owner that matches answers by itself.
    pub fn send_with_xid(&mut self, xid: u32, message: &Message) {
        let State::Up(up) = &mut self.state else {
            self.counters.unsent += 1;
            return;
        };
        if up.farewell.is_some() {
            self.counters.unsent += 1;
            return;
        }
        match message.message_type() {
            MessageType::BARRIER_REQUEST if up.barriers.len() < MAX_WATCHED_BARRIERS => {
                up.barriers.push_back(Barrier { xid, deadline: None });
            }
            message_type if asks_at_length(message_type) => up.requests.add_own(xid),
            _ => {}
        }
        self.put(xid, message);
    }

    /// Asks for a sign of life at once: for when a second switch claims this one's datapath id. Answered by
    /// [`ChannelEvent::ProbeAnswered`] or, after `within`, by [`ChannelEvent::ProbeTimedOut`], unless the channel closes before.
    pub fn probe(&mut self, now: Time, within: Duration) {
        self.now = now;
        let xid = self.take_xid();
        match &mut self.state {
            State::Up(up) => up.probe = Some(Probe { xid, sent: now, deadline: now + within }),
            // The owner hears of the end instead.
            State::Closed => return,
            State::AwaitHello { .. } | State::AwaitFeatures { .. } => {
                self.events.push_back(ChannelEvent::ProbeTimedOut);
                return;
            }
        }
        self.put(xid, &Message::EchoRequest(Bytes::new()));
    }

    /// Asks for an answer, told as [`ChannelEvent::InquiryAnswered`]: all that was said before has been dealt with by then, and all that the other
    /// side has said before has come in. Of several that are open only the last one is told.
    pub fn inquire(&mut self, now: Time) {
        self.now = now;
        let xid = self.take_xid();
        if let State::Up(up) = &mut self.state {
            up.inquiry = Some(xid);
            self.put(xid, &Message::EchoRequest(Bytes::new()));
        }
    }

    /// Ends it when the other side has done all that was said: by a last barrier, whose answer (or `within` without one) closes the
    /// channel with [`CloseReason::Shutdown`]. What is said meanwhile is not sent. A switch, or a channel that is not up, closes at once.
    pub fn finish(&mut self, now: Time, within: Duration) {
        self.now = now;
        let xid = self.take_xid();
        match &mut self.state {
            State::Up(up) if self.side == Side::Controller => {
                if up.farewell.is_some() {
                    return;
                }
                up.farewell = Some(Farewell { xid, deadline: now + within });
            }
            _ => return self.close(CloseReason::Shutdown),
        }
        self.put(xid, &Message::BarrierRequest);
    }

    /// Ends it. Only the first reason counts.
    pub fn close(&mut self, reason: CloseReason) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.state = State::Closed;
        self.events.push_back(ChannelEvent::Closed { reason });
    }

    /// Octets that wait for [`Channel::poll_transmit`]: for back-pressure.
    pub fn queued_len(&self) -> usize {
        self.output.len()
    }

    /// Whether more may be said without harm: no longer, once more than [`ChannelConfig::high_watermark`] octets wait, until
    /// [`Channel::poll_transmit`] takes them, which a driver does when the peer has read what went before. What has to get through may be
    /// said all the same, up to [`ChannelConfig::max_queued_output`].
    pub fn writable(&self) -> bool {
        self.output.len() <= self.config.high_watermark
    }

    /// Whether the handshake is done and the channel isn't closed.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// What has been counted.
    pub fn counters(&self) -> &ChannelCounters {
        &self.counters
    }

    /// The last round-trip time that an echo has measured.
    pub fn rtt(&self) -> Option<Duration> {
        self.round_trip
    }
}

/// What comes in.
impl Channel {
    /// A long answer to no question: it is not even decoded, so that 64 KiB of it cost no more than reading them. What a switch has asked
    /// for is none of these.
    fn is_unasked(&self, message_type: MessageType, xid: u32) -> bool {
        let State::Up(up) = &self.state else { return false };
        self.side == Side::Controller && answers_at_length(message_type) && !up.requests.expects(xid)
    }

    fn handle_message(&mut self, version: u8, xid: u32, message: Message, frame: &Bytes) {
        match (&mut self.state, message) {
            (State::Closed, _) => {}

            (State::AwaitHello { .. }, Message::Hello(hello)) => self.handle_hello(xid, &hello),
            (State::AwaitHello { .. }, Message::Error(error)) => self.close(CloseReason::PeerRefused(error)),
            (State::AwaitHello { .. }, message) => {
                let message_type = message.message_type();
                self.refuse_handshake(version, xid, "HELLO has to come first");
                self.close(CloseReason::HelloExpected { message_type });
            }

            (_, Message::Hello(_)) => self.counters.unexpected += 1,
            (_, Message::EchoRequest(data)) => {
                self.put(xid, &Message::EchoReply(data));
            }
            (_, Message::EchoReply(_)) => self.handle_echo_reply(xid),

            (State::AwaitFeatures { .. }, Message::FeaturesReply(features)) => {
                self.come_up();
                self.events.push_back(ChannelEvent::Up { features });
            }
            (State::AwaitFeatures { xid: asked, .. }, Message::Error(error)) => {
                // HELLO_FAILED may come late, because both sides say HELLO at once.
                let hello_failed = error.error_type == crate::error::ErrorType::HELLO_FAILED;
                if hello_failed || xid == *asked {
                    self.close(CloseReason::PeerRefused(error));
                } else {
                    self.counters.early += 1;
                }
            }
            (State::AwaitFeatures { .. }, _) => self.counters.early += 1,

            (State::Up(up), message) => {
                if matches!(message, Message::BarrierReply) {
                    up.barriers.retain(|barrier| barrier.xid != xid);
                    if up.farewell.is_some_and(|farewell| farewell.xid == xid) {
                        return self.close(CloseReason::Shutdown);
                    }
                }
                let ends = match &message {
                    Message::MultipartReply(reply) => !reply.more,
                    Message::QueueGetConfigReply(_) | Message::Error(_) => true,
                    _ => false,
                };
                if ends {
                    up.requests.remove_own(xid);
                }
                let mut message = message;
                if !up.requests.is_empty() {
                    match up.requests.handle(xid, message, frame.len()) {
                        Outcome::Other(other) => message = other,
                        Outcome::Reply { message, last } => {
                            return self.events.push_back(ChannelEvent::Reply { xid, message, last });
                        }
                        Outcome::Failed(failure) => {
                            return self.events.push_back(ChannelEvent::RequestFailed { xid, failure });
                        }
                        Outcome::Wrong => return self.counters.unexpected += 1,
                    }
                }
                match (self.side, Sender::of(&message)) {
                    (Side::Controller, Sender::Controller) => self.counters.unexpected += 1,
                    (Side::Switch, Sender::Switch | Sender::Unknown) => {
                        self.counters.unexpected += 1;
                        let data = frame.slice(..frame.len().min(ERROR_DATA_LEN));
                        self.put_error(xid, ErrorMessage::new(ErrorCode::REQUEST_BAD_TYPE, data));
                    }
                    _ => self.events.push_back(ChannelEvent::Message { xid, message }),
                }
            }
        }
    }

    /// §6.3.1: with bitmaps from both, the highest version in both; else the smaller of the two header versions. We have one.
    fn handle_hello(&mut self, xid: u32, hello: &Hello) {
        let compatible = hello.bitmap_allows(VERSION).unwrap_or(hello.version >= VERSION);
        if !compatible {
            self.refuse_handshake(hello.version, xid, "this side speaks OpenFlow 1.3 (wire version 4) only");
            return self.close(CloseReason::Incompatible { version: hello.version });
        }
        match self.side {
            Side::Switch => {
                self.come_up();
                self.events.push_back(ChannelEvent::Negotiated);
            }
            Side::Controller => {
                let State::AwaitHello { deadline } = self.state else { return };
                let xid = self.take_xid();
                self.state = State::AwaitFeatures { deadline, xid };
                self.put(xid, &Message::FeaturesRequest);
            }
        }
    }

    fn come_up(&mut self) {
        self.state = State::Up(Up {
            last_received: self.now,
            last_echo: self.now,
            echo: None,
            probe: None,
            inquiry: None,
            barriers: VecDeque::new(),
            requests: Requests::default(),
            farewell: None,
        });
    }

    fn handle_echo_reply(&mut self, xid: u32) {
        let State::Up(up) = &mut self.state else {
            self.counters.early += 1;
            return;
        };
        if let Some(echo) = up.echo.take_if(|echo| echo.xid == xid) {
            self.round_trip = Some(self.now.since(echo.sent));
        } else if let Some(probe) = up.probe.take_if(|probe| probe.xid == xid) {
            self.round_trip = Some(self.now.since(probe.sent));
            self.events.push_back(ChannelEvent::ProbeAnswered);
        } else if up.inquiry.take_if(|inquiry| *inquiry == xid).is_some() {
            self.events.push_back(ChannelEvent::InquiryAnswered);
        } else {
            self.counters.unexpected += 1;
        }
    }

    fn handle_malformed(
        &mut self,
        version: u8,
        message_type: MessageType,
        xid: u32,
        error: DecodeError,
        frame: &Bytes,
    ) {
        self.counters.malformed += 1;
        if matches!(self.state, State::AwaitHello { .. }) {
            self.refuse_handshake(version, xid, "HELLO has to come first, and well-formed");
            return self.close(match message_type {
                MessageType::HELLO => CloseReason::BadHello(error),
                _ => CloseReason::HelloExpected { message_type },
            });
        }
        // An ERROR is never answered by an ERROR, or two sides could go on for ever.
        if message_type != MessageType::ERROR {
            self.put_error(xid, error_for(&error, frame));
        }
        if let DecodeErrorKind::BadVersion { version } = error.kind {
            return self.close(CloseReason::BadVersion { version });
        }
        self.events.push_back(ChannelEvent::Malformed { xid, message_type, error });
    }
}

/// What goes out.
impl Channel {
    fn take_xid(&mut self) -> u32 {
        let xid = self.next_xid;
        // 0 is what switches use for messages that nobody asked for.
        self.next_xid = xid.checked_add(1).unwrap_or(1);
        xid
    }

    fn put(&mut self, xid: u32, message: &Message) -> bool {
        self.put_as(VERSION, xid, message)
    }

    /// Whether it stands in the output now.
    fn put_as(&mut self, version: u8, xid: u32, message: &Message) -> bool {
        if matches!(self.state, State::Closed) {
            return false;
        }
        let before = self.output.len();
        if message.encode_as(version, xid, self.output.buffer()).is_err() {
            self.counters.too_long += 1;
            return false;
        }
        self.counters.bytes_sent += (self.output.len() - before) as u64;
        self.counters.sent.add(message.message_type());
        if self.output.len() > self.config.max_queued_output {
            // Whoever doesn't read wouldn't read the rest either.
            self.output.clear();
            self.close(CloseReason::OutputOverflow);
            return false;
        }
        true
    }

    /// An ERROR, unless there were too many of them within the window.
    fn put_error(&mut self, xid: u32, error: ErrorMessage) {
        if self.now.since(self.error_window) >= ERROR_WINDOW {
            self.error_window = self.now;
            self.errors_in_window = 0;
        }
        if self.errors_in_window >= MAX_ERRORS_PER_WINDOW {
            self.counters.errors_suppressed += 1;
            return;
        }
        self.errors_in_window += 1;
        self.put(xid, &Message::Error(error));
    }

    /// HELLO_FAILED with a text (§7.5.4.1), in the peer's own version, so that it can read it.
    fn refuse_handshake(&mut self, version: u8, xid: u32, text: &'static str) {
        let error = ErrorMessage::new(ErrorCode::HELLO_INCOMPATIBLE, Bytes::from_static(text.as_bytes()));
        self.put_as(version.max(1), xid, &Message::Error(error));
    }

    fn send_echo(&mut self, now: Time) {
        let xid = self.take_xid();
        if let State::Up(up) = &mut self.state {
            up.echo = Some(Echo { xid, sent: now });
            up.last_echo = now;
        }
        self.put(xid, &Message::EchoRequest(Bytes::new()));
    }

    /// Sets the deadlines of what was said since the last input.
    fn stamp(&mut self) {
        let deadline = self.now + self.config.barrier_timeout;
        if let State::Up(up) = &mut self.state {
            up.requests.stamp(self.now);
            for barrier in up.barriers.iter_mut().rev().take_while(|barrier| barrier.deadline.is_none()) {
                barrier.deadline = Some(deadline);
            }
        }
    }
}

impl Up {
    /// When an echo goes out, or when the one that went out is overdue. Anything that comes in is a sign of life.
    fn echo_deadline(&self, config: &ChannelConfig) -> Time {
        match self.echo {
            Some(echo) => echo.sent.max(self.last_received) + config.echo_timeout,
            None => {
                let measure = ROUND_TRIP_INTERVAL.max(config.echo_interval);
                (self.last_received.max(self.last_echo) + config.echo_interval).min(self.last_echo + measure)
            }
        }
    }

    fn overdue_barrier(&self, now: Time) -> Option<u32> {
        let overdue = |barrier: &&Barrier| barrier.deadline.is_some_and(|deadline| now >= deadline);
        self.barriers.iter().find(overdue).map(|barrier| barrier.xid)
    }
}

/// Questions whose answers may be long (OpenFlow 1.3.5 §7.3.5, §7.3.6).
fn asks_at_length(message_type: MessageType) -> bool {
    matches!(message_type, MessageType::MULTIPART_REQUEST | MessageType::QUEUE_GET_CONFIG_REQUEST)
}

fn answers_at_length(message_type: MessageType) -> bool {
    matches!(message_type, MessageType::MULTIPART_REPLY | MessageType::QUEUE_GET_CONFIG_REPLY)
}

/// Whose part in the protocol a message is (OpenFlow 1.3.5 §6.1).
enum Sender {
    Controller,
    Switch,
    Both,
    Unknown,
}

impl Sender {
    fn of(message: &Message) -> Sender {
        match message {
            Message::Hello(_)
            | Message::Error(_)
            | Message::EchoRequest(_)
            | Message::EchoReply(_)
            | Message::Experimenter(_) => Sender::Both,
            Message::BundleControl(control) if control.control_type.is_reply() => Sender::Switch,
            Message::FeaturesRequest
            | Message::GetConfigRequest
            | Message::SetConfig(_)
            | Message::PacketOut(_)
            | Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::MultipartRequest(_)
            | Message::BarrierRequest
            | Message::QueueGetConfigRequest(_)
            | Message::RoleRequest(_)
            | Message::GetAsyncRequest
            | Message::SetAsync(_)
            | Message::MeterMod(_)
            | Message::BundleControl(_)
            | Message::BundleAdd(_)
            | Message::SetPacketInFormat(_)
            | Message::SetControllerId(_)
            | Message::Resume(_)
            | Message::TlvTableMod(_)
            | Message::TlvTableRequest => Sender::Controller,
            Message::FeaturesReply(_)
            | Message::GetConfigReply(_)
            | Message::PacketIn(_)
            | Message::FlowRemoved(_)
            | Message::PortStatus(_)
            | Message::MultipartReply(_)
            | Message::BarrierReply
            | Message::QueueGetConfigReply(_)
            | Message::RoleReply(_)
            | Message::GetAsyncReply(_)
            | Message::PacketIn2(_)
            | Message::TlvTableReply(_) => Sender::Switch,
            Message::Unknown { .. } => Sender::Unknown,
        }
    }
}
