//! The message header (RFC 4271 §4.1): how long a message is, and which one.
//!
//! ```text
//! 0                16       18     19
//! +----------------+--------+------+---------
//! | marker: ones   | length | type | body ...
//! +----------------+--------+------+---------
//! ```

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::numbers::registry;
use super::reader::Reader;
use super::{EncodeError, Fault, MESSAGE_LIMIT, MessageError};

registry! {
    /// A message type (RFC 4271 §4.1, RFC 2918 §3).
    MessageType(u8) {
        /// RFC 4271 §4.2.
        OPEN = 1, "OPEN";
        /// RFC 4271 §4.3.
        UPDATE = 2, "UPDATE";
        /// RFC 4271 §4.5.
        NOTIFICATION = 3, "NOTIFICATION";
        /// RFC 4271 §4.4.
        KEEPALIVE = 4, "KEEPALIVE";
        /// RFC 2918 §3.
        ROUTE_REFRESH = 5, "ROUTE-REFRESH";
    }
}

/// Octets in the header, and thereby the shortest message.
pub const HEADER_LENGTH: usize = 19;

const MARKER: [u8; 16] = [0xff; 16];

/// Finds the end of the first message in a stream of octets.
///
/// `Ok(None)` if more octets are needed. The length is checked against `limit` as soon as the header is there, so that
/// a receiver never waits for more than `limit` octets (RFC 4271 §6.1).
pub fn frame_length(octets: &[u8], limit: usize) -> Result<Option<usize>, MessageError> {
    if octets.len() < HEADER_LENGTH {
        return Ok(None);
    }
    let (_, length) = parse_header(octets, limit)?;
    Ok((octets.len() >= length).then_some(length))
}

/// Type and length of the message that `octets` begin with.
fn parse_header(octets: &[u8], limit: usize) -> Result<(MessageType, usize), MessageError> {
    let short = |at| MessageError::new(at, Fault::BadMessageLength, Bytes::new());
    let mut reader = Reader::new(octets, 0);
    let marker = reader.take(MARKER.len(), "header.marker").map_err(short)?;
    if marker != MARKER {
        let at = DecodeError::new(0, "header.marker", DecodeErrorKind::BadPattern);
        return Err(MessageError::new(at, Fault::ConnectionNotSynchronized, Bytes::new()));
    }
    let length = usize::from(reader.u16("header.length").map_err(short)?);
    let kind = MessageType(reader.u8("header.type").map_err(short)?);
    let allowed = match kind {
        MessageType::OPEN => 29..=MESSAGE_LIMIT, // RFC 8654 §4: OPEN and KEEPALIVE stay short
        MessageType::UPDATE => 23..=limit,
        MessageType::NOTIFICATION => 21..=limit,
        MessageType::KEEPALIVE => HEADER_LENGTH..=HEADER_LENGTH,
        _ => HEADER_LENGTH..=limit,
    };
    if !allowed.contains(&length) {
        let at = DecodeError::new(16, "header.length", DecodeErrorKind::BadLength { length });
        return Err(MessageError::new(at, Fault::BadMessageLength, length_field(length)));
    }
    if kind.name().is_none() {
        let at = DecodeError::new(18, "header.type", DecodeErrorKind::BadType { value: kind.0.into() });
        return Err(MessageError::new(at, Fault::BadMessageType, Bytes::copy_from_slice(&[kind.0])));
    }
    Ok((kind, length))
}

fn length_field(length: usize) -> Bytes {
    Bytes::copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes())
}

/// Splits a whole message into its type and its body.
pub(super) fn split(frame: &[u8], limit: usize) -> Result<(MessageType, Reader<'_>), MessageError> {
    let (kind, length) = parse_header(frame, limit)?;
    if length != frame.len() {
        let kind = match frame.len().checked_sub(length) {
            Some(count) => DecodeErrorKind::TrailingOctets { count },
            None => DecodeErrorKind::Truncated { needed: length, available: frame.len() },
        };
        let at = DecodeError::new(16, "header.length", kind);
        return Err(MessageError::new(at, Fault::BadMessageLength, length_field(length)));
    }
    Ok((kind, Reader::new(frame.get(HEADER_LENGTH..).unwrap_or_default(), HEADER_LENGTH)))
}

/// Writes a message: the header, then what `body` writes, then the length into the header. Nothing is written if the
/// message comes out longer than `limit`.
pub(super) fn encode_framed(
    kind: MessageType,
    limit: usize,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_slice(&MARKER);
    out.put_u16(0);
    out.put_u8(kind.0);
    let written = body(out).and_then(|()| {
        let length = out.len() - start;
        if length > limit { Err(EncodeError::TooLong { length, limit }) } else { Ok(length) }
    });
    match written {
        Ok(length) => {
            put_u16_at(out, start + 16, length);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Overwrites two octets that were left blank for a length.
pub(super) fn put_u16_at(out: &mut BytesMut, at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u16, kind: u8) -> Vec<u8> {
        let mut octets = vec![0xff; 16];
        octets.extend_from_slice(&length.to_be_bytes());
        octets.push(kind);
        octets
    }

    #[test]
    fn a_frame_ends_where_its_length_says() {
        let mut stream = header(19, 4);
        assert_eq!(frame_length(&stream[..18], 4096), Ok(None));
        assert_eq!(frame_length(&stream, 4096), Ok(Some(19)));
        stream.extend(header(23, 2));
        assert_eq!(frame_length(&stream, 4096), Ok(Some(19)));
        assert_eq!(frame_length(&stream[19..], 4096), Ok(None));
    }

    #[test]
    fn lengths_out_of_bounds_are_refused_before_the_body_has_come() {
        for (length, kind, limit, fine) in [
            (18, 2, 4096, false),
            (22, 2, 4096, false),
            (4097, 2, 4096, false),
            (4097, 2, 65535, true),
            (28, 1, 4096, false),
            (4097, 1, 65535, false),
            (20, 4, 4096, false),
            (20, 3, 4096, false),
            (0, 2, 4096, false),
        ] {
            let result = frame_length(&header(length, kind), limit);
            assert_eq!(result.is_ok(), fine, "length {length} type {kind} limit {limit}");
            if let Err(error) = result {
                assert_eq!(error.fault, Fault::BadMessageLength);
                assert_eq!(error.notification().data, length.to_be_bytes().as_slice());
            }
        }
    }

    #[test]
    fn a_bad_marker_and_a_bad_type_are_told_apart() {
        let mut bad_marker = header(19, 4);
        bad_marker[3] = 0;
        assert_eq!(frame_length(&bad_marker, 4096).unwrap_err().fault, Fault::ConnectionNotSynchronized);
        let error = frame_length(&header(19, 9), 4096).unwrap_err();
        assert_eq!((error.fault, error.data.as_ref()), (Fault::BadMessageType, [9].as_slice()));
    }
}
