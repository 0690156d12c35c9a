//! What a channel tells its owner: events, reasons for closing, counters.

use std::fmt;

use net::DecodeError;

use super::request::RequestFailure;
use crate::configuration::FeaturesReply;
use crate::error::ErrorMessage;
use crate::framing::FrameError;
use crate::message::{Message, MessageType};

/// Something that the owner of a channel has to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChannelEvent {
    /// Controller side: HELLO and FEATURES are done. Before any [`ChannelEvent::Message`].
    Up {
        /// Who the switch is.
        features: FeaturesReply,
    },
    /// Switch side: HELLO is done. Before any [`ChannelEvent::Message`].
    Negotiated,
    /// A message that is the owner's business. HELLO and echoes are not; barrier replies are.
    Message {
        /// The number in its header.
        xid: u32,
        /// What it says.
        message: Message,
    },
    /// An answer to [`super::Channel::request`], or a part of it.
    Reply {
        /// The number of the question.
        xid: u32,
        /// The answer, or this part of it.
        message: Message,
        /// Whether no more parts follow.
        last: bool,
    },
    /// The answer to [`super::Channel::request`] was not there, or not whole, in time. What still comes of it is
    /// [`ChannelEvent::Message`] where it is short; a long answer (multipart, queues) is dropped.
    RequestTimedOut {
        /// The number of the question.
        xid: u32,
    },
    /// There is no answer to [`super::Channel::request`], or no whole one.
    RequestFailed {
        /// The number of the question.
        xid: u32,
        /// Why.
        failure: RequestFailure,
    },
    /// A message that couldn't be decoded. It has been answered with an ERROR unless too many were; the connection stays.
    Malformed {
        /// The number in its header.
        xid: u32,
        /// Its type.
        message_type: MessageType,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The other side answered the last echo of [`super::Channel::inquire`].
    InquiryAnswered,
    /// The other side answered the echo of [`super::Channel::probe`].
    ProbeAnswered,
    /// It did not, within the time given.
    ProbeTimedOut,
    /// It is over. The last event: send what [`super::Channel::poll_transmit`] still has, then close the connection.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a channel is closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// HELLO and FEATURES were not done in time.
    HandshakeTimeout,
    /// Nothing came back, not even an answer to an echo.
    EchoTimeout,
    /// A barrier was not answered in time.
    BarrierTimeout {
        /// The barrier's number.
        xid: u32,
    },
    /// The other side doesn't speak OpenFlow 1.3.
    Incompatible {
        /// The version in its HELLO's header.
        version: u8,
    },
    /// The other side's first message was not a HELLO.
    HelloExpected {
        /// What it was.
        message_type: MessageType,
    },
    /// The other side's HELLO couldn't be decoded.
    BadHello(DecodeError),
    /// The other side refused the handshake by an ERROR.
    PeerRefused(ErrorMessage),
    /// A message of another version after the HELLOs.
    BadVersion {
        /// The version.
        version: u8,
    },
    /// The byte stream is out of step.
    FrameLost(FrameError),
    /// The other side doesn't read: more than [`super::ChannelConfig::max_queued_output`] octets wait for it.
    OutputOverflow,
    /// The other side closed the connection, or it broke. Said by the driver.
    PeerClosed,
    /// This side refuses the other, for example because its datapath id is connected already. Said by the owner.
    Refused,
    /// This side ends. Said by the owner.
    Shutdown,
}

impl CloseReason {
    /// One word with underscores, for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            CloseReason::HandshakeTimeout => "handshake_timeout",
            CloseReason::EchoTimeout => "echo_timeout",
            CloseReason::BarrierTimeout { .. } => "barrier_timeout",
            CloseReason::Incompatible { .. } => "incompatible",
            CloseReason::HelloExpected { .. } => "hello_expected",
            CloseReason::BadHello(_) => "bad_hello",
            CloseReason::PeerRefused(_) => "peer_refused",
            CloseReason::BadVersion { .. } => "bad_version",
            CloseReason::FrameLost(_) => "frame_lost",
            CloseReason::OutputOverflow => "output_overflow",
            CloseReason::PeerClosed => "peer_closed",
            CloseReason::Refused => "refused",
            CloseReason::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::HandshakeTimeout => f.write_str("HELLO and FEATURES were not done in time"),
            CloseReason::EchoTimeout => f.write_str("no answer to an echo request"),
            CloseReason::BarrierTimeout { xid } => write!(f, "barrier {xid:#x} was not answered in time"),
            CloseReason::Incompatible { version } => {
                write!(f, "the peer doesn't speak OpenFlow 1.3 (its HELLO has version {version:#04x})")
            }
            CloseReason::HelloExpected { message_type } => write!(f, "{message_type} came before HELLO"),
            CloseReason::BadHello(error) => write!(f, "HELLO: {error}"),
            CloseReason::PeerRefused(error) => {
                write!(f, "the peer refused: {}: {}", error.code(), String::from_utf8_lossy(&error.data).escape_debug())
            }
            CloseReason::BadVersion { version } => write!(f, "a message of version {version:#04x} after HELLO"),
            CloseReason::FrameLost(error) => error.fmt(f),
            CloseReason::OutputOverflow => f.write_str("the peer doesn't read"),
            CloseReason::PeerClosed => f.write_str("the peer closed the connection"),
            CloseReason::Refused => f.write_str("refused"),
            CloseReason::Shutdown => f.write_str("shutdown"),
        }
    }
}

/// Messages counted by type. Types that OpenFlow 1.3 doesn't have are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageCounts {
    counts: [u64; TYPES + 1],
}

/// Message types of OpenFlow 1.3, which are numbered without a gap.
const TYPES: usize = MessageType::METER_MOD.0 as usize + 1;

impl MessageCounts {
    pub(super) fn add(&mut self, message_type: MessageType) {
        if let Some(count) = self.counts.get_mut(usize::from(message_type.0).min(TYPES)) {
            *count += 1;
        }
    }

    /// How many of this type.
    pub fn get(&self, message_type: MessageType) -> u64 {
        self.counts.get(usize::from(message_type.0).min(TYPES)).copied().unwrap_or(0)
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Type and count, for each type that was seen; unknown types together as number 30, last.
    pub fn iter(&self) -> impl Iterator<Item = (MessageType, u64)> {
        (0u8..).map(MessageType).zip(self.counts).filter(|(_, count)| *count != 0)
    }
}

/// What a channel has counted since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChannelCounters {
    /// Messages received.
    pub received: MessageCounts,
    /// Messages sent.
    pub sent: MessageCounts,
    /// Octets received in whole messages.
    pub bytes_received: u64,
    /// Octets sent.
    pub bytes_sent: u64,
    /// Messages that couldn't be decoded.
    pub malformed: u64,
    /// ERRORs that were not sent because there were too many.
    pub errors_suppressed: u64,
    /// Messages received before the handshake was done, and dropped.
    pub early: u64,
    /// Messages received that this side has no use for (a second HELLO, an answer to nothing, the other side's part), and dropped.
    pub unexpected: u64,
    /// Octets of the messages that are counted in `malformed`, `early` and `unexpected`.
    pub bytes_dropped: u64,
    /// Messages of the owner that were not sent: the handshake wasn't done or the channel closed.
    pub unsent: u64,
    /// Messages of the owner that were not sent: longer than 65,535 octets.
    pub too_long: u64,
}

impl ChannelCounters {
    /// Messages received and dropped.
    pub fn dropped(&self) -> u64 {
        self.malformed + self.early + self.unexpected
    }
}
