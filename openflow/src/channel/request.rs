//! Questions and their answers: matched by number and type, with a deadline, streamed part by part and never collected.

use std::collections::VecDeque;
use std::time::Duration;

use net::Time;

use crate::bundle::BundleControlType;
use crate::error::ErrorMessage;
use crate::message::{Message, MessageType};
use crate::multipart::MultipartType;

/// Questions that may be open at once on a channel. One more fails at once.
pub const MAX_REQUESTS: usize = 64;
/// Parts of an answer that are taken. Open vSwitch puts about 64 KiB into a part.
pub const MAX_REPLY_PARTS: u32 = 65_536;
/// Octets of an answer that are taken: several million flows. A peer that never ends must not keep the owner busy for ever.
pub const MAX_REPLY_OCTETS: usize = 512 << 20;

/// Questions of the owner's own numbering whose answers are looked at. One more takes the place of the oldest.
pub const MAX_OWN_REQUESTS: usize = 256;

/// Octets of an answer that are taken, by what was asked: lists of ports and of tables have an end in sight.
const fn max_reply_octets(answer: Answer) -> usize {
    match answer {
        // 65,536 ports of 112 octets, headers included.
        Answer::Multipart(MultipartType::PORT_DESC | MultipartType::PORT_STATS) => 8 << 20,
        // 2,048 octets of text.
        Answer::Multipart(MultipartType::DESC) => 64 << 10,
        _ => MAX_REPLY_OCTETS,
    }
}

/// Why a question has no answer, or no whole one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestFailure {
    /// The other side answered with an ERROR.
    Refused(ErrorMessage),
    /// More than [`MAX_REPLY_PARTS`] parts or [`MAX_REPLY_OCTETS`] octets came; of a list of ports more than 8 MiB, of a description more
    /// than 64 KiB. What comes after is dropped.
    TooLong,
    /// It was not sent: the handshake is not done, [`MAX_REQUESTS`] are open, or the message is too long or none that is answered.
    NotSent,
}

/// What the answer to a question is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Type(MessageType),
    Multipart(MultipartType),
    Bundle(BundleControlType),
    TlvTable,
}

impl Answer {
    fn to(request: &Message) -> Option<Answer> {
        Some(match request {
            Message::FeaturesRequest => Answer::Type(MessageType::FEATURES_REPLY),
            Message::GetConfigRequest => Answer::Type(MessageType::GET_CONFIG_REPLY),
            Message::BarrierRequest => Answer::Type(MessageType::BARRIER_REPLY),
            Message::QueueGetConfigRequest(_) => Answer::Type(MessageType::QUEUE_GET_CONFIG_REPLY),
            Message::RoleRequest(_) => Answer::Type(MessageType::ROLE_REPLY),
            Message::GetAsyncRequest => Answer::Type(MessageType::GET_ASYNC_REPLY),
            Message::MultipartRequest(request) => Answer::Multipart(request.body.multipart_type()),
            Message::BundleControl(control) if !control.control_type.is_reply() => {
                Answer::Bundle(BundleControlType(control.control_type.0 + 1))
            }
            Message::TlvTableRequest => Answer::TlvTable,
            _ => return None,
        })
    }

    fn is(self, message: &Message) -> bool {
        match (self, message) {
            (Answer::Type(message_type), message) => message.message_type() == message_type,
            (Answer::Multipart(wanted), Message::MultipartReply(reply)) => reply.body.multipart_type() == wanted,
            (Answer::Bundle(wanted), Message::BundleControl(control)) => control.control_type == wanted,
            (Answer::TlvTable, Message::TlvTableReply(_)) => true,
            _ => false,
        }
    }
}

/// A question that waits.
#[derive(Clone, Copy, Debug)]
struct Request {
    xid: u32,
    answer: Answer,
    within: Duration,
    /// Set by the first input after the question that brings the time, so that it is never too early.
    deadline: Option<Time>,
    parts: u32,
    octets: usize,
}

/// What a message is to the questions.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It answers none of them.
    Other(Message),
    /// An answer, or a part of one.
    Reply { message: Message, last: bool },
    /// The end of one without an answer.
    Failed(RequestFailure),
    /// The number of a question, and not what was asked for.
    Wrong,
}

/// The questions that wait. A handful, so a list.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: Vec<Request>,
    /// Numbers under which the owner has asked for something long by itself.
    own: VecDeque<u32>,
}

impl Requests {
    /// Notes a question that is about to be sent. `false` if it has no answer or there are too many.
    pub fn add(&mut self, xid: u32, request: &Message, within: Duration) -> bool {
        let Some(answer) = Answer::to(request).filter(|_| self.open.len() < MAX_REQUESTS) else { return false };
        self.open.push(Request { xid, answer, within, deadline: None, parts: 0, octets: 0 });
        true
    }

    pub fn remove(&mut self, xid: u32) {
        self.open.retain(|request| request.xid != xid);
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Notes that the owner asks for something long under a number of its own.
    pub fn add_own(&mut self, xid: u32) {
        if self.own.len() >= MAX_OWN_REQUESTS {
            self.own.pop_front();
        }
        self.own.push_back(xid);
    }

    /// The owner's own question has its whole answer, or none.
    pub fn remove_own(&mut self, xid: u32) {
        self.own.retain(|own| *own != xid);
    }

    /// Whether somebody waits for an answer of this number.
    pub fn expects(&self, xid: u32) -> bool {
        self.own.contains(&xid) || self.open.iter().any(|request| request.xid == xid)
    }

    /// Sorts a message of `octets` octets.
    pub fn handle(&mut self, xid: u32, message: Message, octets: usize) -> Outcome {
        let Some(request) = self.open.iter_mut().find(|request| request.xid == xid) else {
            return Outcome::Other(message);
        };
        if let Message::Error(error) = message {
            self.remove(xid);
            return Outcome::Failed(RequestFailure::Refused(error));
        }
        if !request.answer.is(&message) {
            return Outcome::Wrong;
        }
        request.parts = request.parts.saturating_add(1);
        request.octets = request.octets.saturating_add(octets);
        if request.parts > MAX_REPLY_PARTS || request.octets > max_reply_octets(request.answer) {
            self.remove(xid);
            return Outcome::Failed(RequestFailure::TooLong);
        }
        let last = !matches!(&message, Message::MultipartReply(reply) if reply.more);
        if last {
            self.remove(xid);
        }
        Outcome::Reply { message, last }
    }

    /// Sets the deadlines of the questions that were asked since the last input.
    pub fn stamp(&mut self, now: Time) {
        for request in self.open.iter_mut().rev().take_while(|request| request.deadline.is_none()) {
            request.deadline = Some(now + request.within);
        }
    }

    /// Takes a question whose time is over.
    pub fn take_overdue(&mut self, now: Time) -> Option<u32> {
        let overdue = |request: &Request| request.deadline.is_some_and(|deadline| now >= deadline);
        let at = self.open.iter().position(overdue)?;
        Some(self.open.remove(at).xid)
    }

    /// The first deadline; `now` is the time of the last input.
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        self.open.iter().map(|request| request.deadline.unwrap_or(now + request.within)).min()
    }
}
