//! NOTIFICATION (RFC 4271 §4.5 and §6): the last words of a session.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::numbers::registry;
use super::reader::Reader;
use super::{Fault, MessageError};

/// A NOTIFICATION message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Notification {
    /// What went wrong.
    pub error_code: ErrorCode,
    /// In detail; its meaning depends on the code.
    pub error_subcode: u8,
    /// Its meaning depends on both.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))]
    pub data: Bytes,
}

registry! {
    /// A NOTIFICATION error code.
    ErrorCode(u8) {
        /// RFC 4271 §6.1.
        MESSAGE_HEADER = 1, "Message Header Error";
        /// RFC 4271 §6.2.
        OPEN_MESSAGE = 2, "OPEN Message Error";
        /// RFC 4271 §6.3.
        UPDATE_MESSAGE = 3, "UPDATE Message Error";
        /// RFC 4271 §6.5.
        HOLD_TIMER_EXPIRED = 4, "Hold Timer Expired";
        /// RFC 4271 §6.6.
        FINITE_STATE_MACHINE = 5, "Finite State Machine Error";
        /// RFC 4271 §6.7.
        CEASE = 6, "Cease";
        /// RFC 7313 §5.
        ROUTE_REFRESH_MESSAGE = 7, "ROUTE-REFRESH Message Error";
        /// RFC 9687 §3.
        SEND_HOLD_TIMER_EXPIRED = 8, "Send Hold Timer Expired";
    }
}

/// Subcodes by the code they belong to.
pub mod subcode {
    /// Code 1 (RFC 4271 §6.1).
    pub mod header {
        /// The marker is not all ones.
        pub const CONNECTION_NOT_SYNCHRONIZED: u8 = 1;
        /// Data: the length field.
        pub const BAD_MESSAGE_LENGTH: u8 = 2;
        /// Data: the type field.
        pub const BAD_MESSAGE_TYPE: u8 = 3;
    }
    /// Code 2 (RFC 4271 §6.2).
    pub mod open {
        /// For malformed parameters (RFC 5492 §3 and RFC 4271 §6.2 leave it at that).
        pub const UNSPECIFIC: u8 = 0;
        /// Data: the largest version that is spoken here, two octets.
        pub const UNSUPPORTED_VERSION: u8 = 1;
        /// Not the AS that is expected, or AS 0.
        pub const BAD_PEER_AS: u8 = 2;
        /// Zero, or our own from an internal peer.
        pub const BAD_BGP_IDENTIFIER: u8 = 3;
        /// An optional parameter that is not recognised.
        pub const UNSUPPORTED_OPTIONAL_PARAMETER: u8 = 4;
        /// One or two seconds, or below what is configured.
        pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
        /// RFC 5492 §5; data: the capabilities that are missed.
        pub const UNSUPPORTED_CAPABILITY: u8 = 7;
        /// RFC 9234 §4.2.
        pub const ROLE_MISMATCH: u8 = 11;
    }
    /// Code 3 (RFC 4271 §6.3).
    pub mod update {
        /// Lengths that contradict each other, or a multiprotocol attribute twice.
        pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
        /// Data: the attribute.
        pub const UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE: u8 = 2;
        /// Data: the attribute's type.
        pub const MISSING_WELL_KNOWN_ATTRIBUTE: u8 = 3;
        /// Data: the attribute.
        pub const ATTRIBUTE_FLAGS_ERROR: u8 = 4;
        /// Data: the attribute.
        pub const ATTRIBUTE_LENGTH_ERROR: u8 = 5;
        /// Data: the attribute.
        pub const INVALID_ORIGIN: u8 = 6;
        /// Data: the attribute.
        pub const INVALID_NEXT_HOP: u8 = 8;
        /// Data: the attribute.
        pub const OPTIONAL_ATTRIBUTE_ERROR: u8 = 9;
        /// A prefix that cannot be.
        pub const INVALID_NETWORK_FIELD: u8 = 10;
        /// AS_PATH does not parse.
        pub const MALFORMED_AS_PATH: u8 = 11;
    }
    /// Code 5 (RFC 6608).
    pub mod fsm {
        /// Unexpected message in OpenSent.
        pub const IN_OPEN_SENT: u8 = 1;
        /// Unexpected message in OpenConfirm.
        pub const IN_OPEN_CONFIRM: u8 = 2;
        /// Unexpected message in Established.
        pub const IN_ESTABLISHED: u8 = 3;
    }
    /// Code 6 (RFC 4486, RFC 8538, RFC 9384).
    pub mod cease {
        /// Max-prefix limit; data: family and limit.
        pub const MAXIMUM_PREFIXES: u8 = 1;
        /// RFC 9003: data may hold a text.
        pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
        /// The neighbour was taken out of the configuration.
        pub const PEER_DECONFIGURED: u8 = 3;
        /// RFC 9003: data may hold a text.
        pub const ADMINISTRATIVE_RESET: u8 = 4;
        /// Not now.
        pub const CONNECTION_REJECTED: u8 = 5;
        /// A change that needs a new session.
        pub const OTHER_CONFIGURATION_CHANGE: u8 = 6;
        /// RFC 4271 §6.8.
        pub const CONNECTION_COLLISION: u8 = 7;
        /// No memory or the like.
        pub const OUT_OF_RESOURCES: u8 = 8;
        /// RFC 8538 §3: data holds the NOTIFICATION proper.
        pub const HARD_RESET: u8 = 9;
        /// RFC 9384.
        pub const BFD_DOWN: u8 = 10;
    }
    /// Code 7 (RFC 7313 §5).
    pub mod refresh {
        /// Data: the message.
        pub const INVALID_MESSAGE_LENGTH: u8 = 1;
    }
}

/// Longest shutdown communication in octets (RFC 9003 §2: its length is one octet). Longer texts are cut at a
/// character.
pub const SHUTDOWN_TEXT_LIMIT: usize = 255;

impl Notification {
    /// A NOTIFICATION without data.
    pub const fn new(error_code: ErrorCode, error_subcode: u8) -> Notification {
        Notification { error_code, error_subcode, data: Bytes::new() }
    }

    /// A NOTIFICATION with data.
    pub const fn with_data(error_code: ErrorCode, error_subcode: u8, data: Bytes) -> Notification {
        Notification { error_code, error_subcode, data }
    }

    /// Cease with Administrative Shutdown and, unless it is empty, a text for the operator on the other side (RFC 9003
    /// §2).
    pub fn shutdown(text: &str) -> Notification {
        Notification::cease_with_text(subcode::cease::ADMINISTRATIVE_SHUTDOWN, text)
    }

    /// Cease with Administrative Reset and, unless it is empty, a text (RFC 9003 §2).
    pub fn reset(text: &str) -> Notification {
        Notification::cease_with_text(subcode::cease::ADMINISTRATIVE_RESET, text)
    }

    /// The same wrapped in a Hard Reset (RFC 8538 §3).
    pub fn hard_reset(&self) -> Notification {
        let mut data = Vec::with_capacity(2 + self.data.len());
        data.extend_from_slice(&[self.error_code.0, self.error_subcode]);
        data.extend_from_slice(&self.data);
        Notification::with_data(ErrorCode::CEASE, subcode::cease::HARD_RESET, data.into())
    }

    /// What a Hard Reset wraps; `None` if it is none (RFC 8538 §3).
    pub fn wrapped(&self) -> Option<Notification> {
        if self.error_code != ErrorCode::CEASE || self.error_subcode != subcode::cease::HARD_RESET {
            return None;
        }
        match self.data.first_chunk::<2>() {
            Some([code, subcode]) => Some(Notification::with_data(ErrorCode(*code), *subcode, self.data.slice(2..))),
            // Without one it stands for itself.
            None => Some(Notification::new(ErrorCode::CEASE, subcode::cease::ADMINISTRATIVE_RESET)),
        }
    }

    fn cease_with_text(error_subcode: u8, text: &str) -> Notification {
        let mut end = text.len().min(SHUTDOWN_TEXT_LIMIT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        if text.is_empty() {
            return Notification::new(ErrorCode::CEASE, error_subcode);
        }
        let mut data = Vec::with_capacity(1 + text.len());
        data.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        data.extend_from_slice(text.as_bytes());
        Notification::with_data(ErrorCode::CEASE, error_subcode, data.into())
    }

    /// The shutdown communication of an Administrative Shutdown or Reset (RFC 9003 §2), if it has one and it is UTF-8.
    pub fn shutdown_text(&self) -> Option<&str> {
        use subcode::cease::{ADMINISTRATIVE_RESET, ADMINISTRATIVE_SHUTDOWN};
        if self.error_code != ErrorCode::CEASE
            || !matches!(self.error_subcode, ADMINISTRATIVE_SHUTDOWN | ADMINISTRATIVE_RESET)
        {
            return None;
        }
        let (length, rest) = self.data.split_first()?;
        let text = rest.get(..usize::from(*length))?;
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }

    pub(super) fn parse(mut reader: Reader<'_>) -> Result<Notification, MessageError> {
        let malformed = |at| MessageError::new(at, Fault::MalformedNotification, Bytes::new());
        let error_code = ErrorCode(reader.u8("notification.error_code").map_err(malformed)?);
        let error_subcode = reader.u8("notification.error_subcode").map_err(malformed)?;
        Ok(Notification { error_code, error_subcode, data: Bytes::copy_from_slice(reader.rest()) })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.error_code.0);
        out.put_u8(self.error_subcode);
        out.put_slice(&self.data);
    }

    /// The subcode's name in its code's registry.
    pub fn subcode_name(&self) -> Option<&'static str> {
        Some(match (self.error_code.0, self.error_subcode) {
            (1, 1) => "Connection Not Synchronized",
            (1, 2) => "Bad Message Length",
            (1, 3) => "Bad Message Type",
            (2, 1) => "Unsupported Version Number",
            (2, 2) => "Bad Peer AS",
            (2, 3) => "Bad BGP Identifier",
            (2, 4) => "Unsupported Optional Parameter",
            (2, 6) => "Unacceptable Hold Time",
            (2, 7) => "Unsupported Capability",
            (2, 11) => "Role Mismatch",
            (3, 1) => "Malformed Attribute List",
            (3, 2) => "Unrecognized Well-known Attribute",
            (3, 3) => "Missing Well-known Attribute",
            (3, 4) => "Attribute Flags Error",
            (3, 5) => "Attribute Length Error",
            (3, 6) => "Invalid ORIGIN Attribute",
            (3, 8) => "Invalid NEXT_HOP Attribute",
            (3, 9) => "Optional Attribute Error",
            (3, 10) => "Invalid Network Field",
            (3, 11) => "Malformed AS_PATH",
            (5, 1) => "Receive Unexpected Message in OpenSent State",
            (5, 2) => "Receive Unexpected Message in OpenConfirm State",
            (5, 3) => "Receive Unexpected Message in Established State",
            (6, 1) => "Maximum Number of Prefixes Reached",
            (6, 2) => "Administrative Shutdown",
            (6, 3) => "Peer De-configured",
            (6, 4) => "Administrative Reset",
            (6, 5) => "Connection Rejected",
            (6, 6) => "Other Configuration Change",
            (6, 7) => "Connection Collision Resolution",
            (6, 8) => "Out of Resources",
            (6, 9) => "Hard Reset",
            (6, 10) => "BFD Down",
            (7, 1) => "Invalid Message Length",
            _ => return None,
        })
    }
}

impl fmt::Display for Notification {
    /// A Hard Reset with what it wraps. What that might wrap again is data: the peer decides how deep it goes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_plain(f)?;
        match self.wrapped() {
            Some(wrapped) => {
                f.write_str(": ")?;
                wrapped.fmt_plain(f)
            }
            None => Ok(()),
        }
    }
}

impl Notification {
    /// Code, subcode and text.
    fn fmt_plain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error_code)?;
        match self.subcode_name() {
            Some(name) => write!(f, ": {name}")?,
            None if self.error_subcode == 0 => {}
            None => write!(f, ": subcode {}", self.error_subcode)?,
        }
        match self.shutdown_text() {
            Some(text) => write!(f, " ({text:?})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_text_survives_and_is_cut_between_characters() {
        assert_eq!(Notification::shutdown("bye").shutdown_text(), Some("bye"));
        assert_eq!(Notification::shutdown("").data, Bytes::new());
        let long = Notification::reset(&"ß".repeat(200));
        assert_eq!(long.shutdown_text().map(str::len), Some(254));
        assert_eq!(long.to_string().split(" (").next(), Some("Cease: Administrative Reset"));
    }

    #[test]
    fn hard_resets_inside_each_other_are_shown_to_the_second_and_no_deeper() {
        let data = Bytes::from([ErrorCode::CEASE.0, subcode::cease::HARD_RESET].repeat(32_757));
        let deep = Notification::with_data(ErrorCode::CEASE, subcode::cease::HARD_RESET, data);
        assert_eq!(deep.to_string(), "Cease: Hard Reset: Cease: Hard Reset");
    }

    #[test]
    fn a_hard_reset_wraps_the_notification_proper() {
        let wrapped = Notification::shutdown("bye").hard_reset();
        assert_eq!(wrapped.wrapped(), Some(Notification::shutdown("bye")));
        assert_eq!(wrapped.to_string(), "Cease: Hard Reset: Cease: Administrative Shutdown (\"bye\")");
        assert_eq!(Notification::shutdown("bye").wrapped(), None);
        let bare = Notification::new(ErrorCode::CEASE, subcode::cease::HARD_RESET);
        assert!(bare.wrapped().is_some());
    }

    #[test]
    fn a_shutdown_text_that_lies_about_its_length_or_is_not_utf8_is_no_text() {
        for data in [&[5, b'x'][..], &[1, 0xff], &[0], &[]] {
            let data = Bytes::copy_from_slice(data);
            let cease = Notification::with_data(ErrorCode::CEASE, subcode::cease::ADMINISTRATIVE_SHUTDOWN, data);
            assert_eq!(cease.shutdown_text(), None);
        }
        let other = Notification { error_subcode: subcode::cease::PEER_DECONFIGURED, ..Notification::shutdown("x") };
        assert_eq!(other.shutdown_text(), None);
    }
}
