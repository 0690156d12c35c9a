//! What can be wrong with a message, and what is done about it: RFC 4271 §6 as revised by RFC 7606.

use std::fmt;

use bytes::Bytes;
use net::DecodeError;

use super::notification::subcode;
use super::{AttributeType, ErrorCode, Family, Notification};

/// What happens to an UPDATE with an error (RFC 7606 §2), from the weakest to the strongest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// The attribute is dropped, the rest stands.
    AttributeDiscard,
    /// All routes of the message are withdrawn.
    TreatAsWithdraw,
    /// The family is ignored for the rest of the session.
    DisableFamily(Family),
    /// NOTIFICATION, and the connection is closed.
    SessionReset,
}

/// What is wrong, in the words of RFC 4271 §6: decides the NOTIFICATION.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Fault {
    /// The marker is not all ones.
    ConnectionNotSynchronized,
    /// The header's length is out of bounds for the message's type.
    BadMessageLength,
    /// A message type that does not exist.
    BadMessageType,
    /// An OPEN of another version.
    UnsupportedVersion,
    /// An OPEN from AS 0 or from an AS that is not expected.
    BadPeerAs,
    /// An OPEN with identifier 0, or with ours from an internal peer.
    BadBgpIdentifier,
    /// An OPEN with a parameter that is not known.
    UnsupportedOptionalParameter,
    /// An OPEN with a hold time of one or two seconds.
    UnacceptableHoldTime,
    /// An OPEN without a capability that is needed.
    UnsupportedCapability,
    /// An OPEN with a role that does not go with ours (RFC 9234).
    RoleMismatch,
    /// An OPEN whose lengths contradict each other.
    MalformedOpen,
    /// An UPDATE whose lengths contradict each other, or with a multiprotocol attribute twice.
    MalformedAttributeList,
    /// An attribute that claims to be well-known and is not.
    UnrecognizedWellKnown,
    /// A well-known attribute that has to be present is not.
    MissingWellKnown,
    /// Optional or Transitive is not as the attribute's specification has it.
    AttributeFlags,
    /// The attribute's length is impossible.
    AttributeLength,
    /// ORIGIN is not 0, 1 or 2.
    InvalidOrigin,
    /// NEXT_HOP is not a unicast address.
    InvalidNextHop,
    /// The value of an optional attribute is malformed.
    OptionalAttribute,
    /// A prefix that cannot be.
    InvalidNetworkField,
    /// AS_PATH does not parse, or holds what it must not.
    MalformedAsPath,
    /// AS 0 in AS_PATH or AGGREGATOR (RFC 7607).
    AsZero,
    /// AS_PATH holds more AS numbers than [`super::DecodeContext::as_path_limit`].
    AsPathTooLong,
    /// An attribute that this kind of peer must not send, or that is configured to be discarded.
    UnwantedAttribute,
    /// A duplicate of an attribute: all but the first are discarded (RFC 7606 §3 g).
    DuplicateAttribute,
    /// A NOTIFICATION that is too short: logged only, there is no answer to a NOTIFICATION (RFC 4271 §6.4).
    MalformedNotification,
    /// A ROUTE-REFRESH of a wrong length.
    RefreshLength,
}

/// A message that ends the session, or cannot be read at all.
///
/// Displays as `offset 16: header.length: bad length 18`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageError {
    /// Where, which field, and what is wrong with it.
    pub at: DecodeError,
    /// In the words of RFC 4271 §6.
    pub fault: Fault,
    /// The octets that the NOTIFICATION quotes.
    pub data: Bytes,
    /// Of an UPDATE: all that was wrong with its attributes, this error included if it was one of them.
    pub attribute_errors: Vec<AttributeError>,
}

/// One thing wrong with one attribute of an UPDATE.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AttributeError {
    /// Where (from the start of the message), which field, and what is wrong with it.
    pub at: DecodeError,
    /// The attribute.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: AttributeType,
    /// What RFC 7606 does about it.
    pub outcome: Outcome,
    /// In the words of RFC 4271 §6.
    pub fault: Fault,
    /// The attribute as received, flags and length included.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))]
    pub octets: Bytes,
}

impl MessageError {
    pub(crate) fn new(at: DecodeError, fault: Fault, data: Bytes) -> MessageError {
        MessageError { at, fault, data, attribute_errors: Vec::new() }
    }

    /// The NOTIFICATION that answers the error: the one place where errors become codes. A malformed NOTIFICATION has
    /// no answer on the wire; the one given here is for the log.
    pub fn notification(&self) -> Notification {
        use subcode::{header, open, refresh, update};
        let (code, subcode) = match self.fault {
            Fault::ConnectionNotSynchronized => (ErrorCode::MESSAGE_HEADER, header::CONNECTION_NOT_SYNCHRONIZED),
            Fault::BadMessageLength => (ErrorCode::MESSAGE_HEADER, header::BAD_MESSAGE_LENGTH),
            Fault::BadMessageType => (ErrorCode::MESSAGE_HEADER, header::BAD_MESSAGE_TYPE),
            Fault::UnsupportedVersion => (ErrorCode::OPEN_MESSAGE, open::UNSUPPORTED_VERSION),
            Fault::BadPeerAs => (ErrorCode::OPEN_MESSAGE, open::BAD_PEER_AS),
            Fault::BadBgpIdentifier => (ErrorCode::OPEN_MESSAGE, open::BAD_BGP_IDENTIFIER),
            Fault::UnsupportedOptionalParameter => (ErrorCode::OPEN_MESSAGE, open::UNSUPPORTED_OPTIONAL_PARAMETER),
            Fault::UnacceptableHoldTime => (ErrorCode::OPEN_MESSAGE, open::UNACCEPTABLE_HOLD_TIME),
            Fault::UnsupportedCapability => (ErrorCode::OPEN_MESSAGE, open::UNSUPPORTED_CAPABILITY),
            Fault::RoleMismatch => (ErrorCode::OPEN_MESSAGE, open::ROLE_MISMATCH),
            Fault::MalformedOpen => (ErrorCode::OPEN_MESSAGE, open::UNSPECIFIC),
            Fault::MalformedAttributeList | Fault::DuplicateAttribute => {
                (ErrorCode::UPDATE_MESSAGE, update::MALFORMED_ATTRIBUTE_LIST)
            }
            Fault::UnrecognizedWellKnown => (ErrorCode::UPDATE_MESSAGE, update::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE),
            Fault::MissingWellKnown => (ErrorCode::UPDATE_MESSAGE, update::MISSING_WELL_KNOWN_ATTRIBUTE),
            Fault::AttributeFlags => (ErrorCode::UPDATE_MESSAGE, update::ATTRIBUTE_FLAGS_ERROR),
            Fault::AttributeLength => (ErrorCode::UPDATE_MESSAGE, update::ATTRIBUTE_LENGTH_ERROR),
            Fault::InvalidOrigin => (ErrorCode::UPDATE_MESSAGE, update::INVALID_ORIGIN),
            Fault::InvalidNextHop => (ErrorCode::UPDATE_MESSAGE, update::INVALID_NEXT_HOP),
            Fault::OptionalAttribute | Fault::UnwantedAttribute => {
                (ErrorCode::UPDATE_MESSAGE, update::OPTIONAL_ATTRIBUTE_ERROR)
            }
            Fault::InvalidNetworkField => (ErrorCode::UPDATE_MESSAGE, update::INVALID_NETWORK_FIELD),
            Fault::MalformedAsPath | Fault::AsZero | Fault::AsPathTooLong => {
                (ErrorCode::UPDATE_MESSAGE, update::MALFORMED_AS_PATH)
            }
            Fault::MalformedNotification => (ErrorCode::MESSAGE_HEADER, header::BAD_MESSAGE_LENGTH),
            Fault::RefreshLength => (ErrorCode::ROUTE_REFRESH_MESSAGE, refresh::INVALID_MESSAGE_LENGTH),
        };
        Notification::with_data(code, subcode, self.data.clone())
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at.fmt(f)
    }
}

impl std::error::Error for MessageError {}

/// A message that cannot be sent to this peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncodeError {
    /// The message would be `length` octets long. Where it is one route's attributes that don't fit, the route has to
    /// be withdrawn from this peer.
    TooLong {
        /// Octets needed.
        length: usize,
        /// Octets that the peer accepts.
        limit: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EncodeError::TooLong { length, limit } = self;
        write!(f, "the message needs {length} octets, the peer accepts {limit}")
    }
}

impl std::error::Error for EncodeError {}
