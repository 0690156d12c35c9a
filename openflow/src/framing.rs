//! The message header, and cutting a byte stream into messages (OpenFlow 1.3.5 §7.1.1).

use std::fmt;

use bytes::Bytes;
use net::{DecodeError, DecodeErrorKind};

use crate::message::MessageType;
use crate::wire::Reader;

/// The wire version of OpenFlow 1.3.
pub const VERSION: u8 = 4;
/// Octets of the header that every message starts with, in every version.
pub const HEADER_LEN: usize = 8;
/// Octets of the longest message: what the 16-bit length of the header can say. This bounds what a peer can make us hold
/// before a message is whole.
pub const MAX_FRAME_LEN: usize = 65_535;

/// `ofp_header` (OpenFlow 1.3.5 §7.1.1):
///
/// ```text
///  0       1       2       3       4       5       6       7
/// +-------+-------+-------+-------+-------+-------+-------+-------+
/// |version| type  |    length     |              xid              |
/// +-------+-------+-------+-------+-------+-------+-------+-------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The version of the protocol.
    pub version: u8,
    /// The type of the message.
    pub message_type: MessageType,
    /// Octets of the message, this header included.
    pub length: u16,
    /// The number that an answer repeats.
    pub xid: u32,
}

impl Header {
    /// Reads the header of one whole frame and checks its length against the frame's.
    #[inline]
    pub fn parse(frame: &Bytes) -> Result<Header, DecodeError> {
        let mut reader = Reader::new(frame);
        let version = reader.u8("header.version")?;
        let message_type = MessageType(reader.u8("header.type")?);
        let length = reader.u16("header.length")?;
        let xid = reader.u32("header.xid")?;
        let counted = usize::from(length);
        if counted < HEADER_LEN {
            return Err(DecodeError::new(2, "header.length", DecodeErrorKind::BadLength { length: counted }));
        }
        if counted > frame.len() {
            return Err(DecodeError::truncated(HEADER_LEN, "body", counted - HEADER_LEN, frame.len() - HEADER_LEN));
        }
        if counted < frame.len() {
            let kind = DecodeErrorKind::TrailingOctets { count: frame.len() - counted };
            return Err(DecodeError::new(counted, "header.length", kind));
        }
        Ok(Header { version, message_type, length, xid })
    }
}

/// A header whose length is less than the header itself: where the next message starts can't be known any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameError {
    /// The eight octets of the header at fault.
    pub header: [u8; HEADER_LEN],
}

impl FrameError {
    /// The same as a decode error.
    pub const fn decode_error(&self) -> DecodeError {
        let [_, _, high, low, ..] = self.header;
        let length = u16::from_be_bytes([high, low]) as usize;
        DecodeError::new(2, "header.length", DecodeErrorKind::BadLength { length })
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decode_error().fmt(f)
    }
}

impl std::error::Error for FrameError {}

/// How many octets the message at the start of `stream` has. `None`: not enough octets to know yet.
///
/// The answer is at least [`HEADER_LEN`] and at most [`MAX_FRAME_LEN`], whatever the version is.
pub fn frame_length(stream: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some((header, _)) = stream.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let [_, _, high, low, ..] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < HEADER_LEN {
        return Err(FrameError { header: *header });
    }
    Ok(Some(length))
}

/// Cuts a byte stream into frames. Each is a slice of the read buffer, and slicing it further allocates nothing.
#[cfg(feature = "codec")]
#[derive(Clone, Copy, Default, Debug)]
pub struct FrameCodec;

/// What ends a framed connection.
#[cfg(feature = "codec")]
#[derive(Debug)]
pub enum StreamError {
    /// The stream is out of step.
    Frame(FrameError),
    /// Reading or writing failed.
    Io(std::io::Error),
}

#[cfg(feature = "codec")]
mod codec {
    use std::fmt;
    use std::io;

    use bytes::{Bytes, BytesMut};
    use tokio_util::codec::{Decoder, Encoder};

    use super::{FrameCodec, StreamError, frame_length};

    impl From<io::Error> for StreamError {
        fn from(error: io::Error) -> StreamError {
            StreamError::Io(error)
        }
    }

    impl fmt::Display for StreamError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                StreamError::Frame(error) => error.fmt(f),
                StreamError::Io(error) => error.fmt(f),
            }
        }
    }

    impl std::error::Error for StreamError {}

    impl Decoder for FrameCodec {
        type Item = Bytes;
        type Error = StreamError;

        fn decode(&mut self, stream: &mut BytesMut) -> Result<Option<Bytes>, StreamError> {
            let Some(length) = frame_length(stream).map_err(StreamError::Frame)? else { return Ok(None) };
            if stream.len() < length {
                stream.reserve(length - stream.len());
                return Ok(None);
            }
            Ok(Some(stream.split_to(length).freeze()))
        }
    }

    impl Encoder<Bytes> for FrameCodec {
        type Error = io::Error;

        /// The channel's output is whole messages already.
        fn encode(&mut self, messages: Bytes, out: &mut BytesMut) -> Result<(), io::Error> {
            out.extend_from_slice(&messages);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_once_its_header_is_there() {
        assert_eq!(frame_length(&[4, 0, 0, 16, 0, 0, 0]), Ok(None));
        assert_eq!(frame_length(&[4, 0, 0, 16, 0, 0, 0, 1]), Ok(Some(16)));
        assert_eq!(frame_length(&[9, 9, 0xff, 0xff, 0, 0, 0, 1]), Ok(Some(MAX_FRAME_LEN)), "whatever the version is");
    }

    #[test]
    fn a_length_below_the_header_loses_the_stream() {
        let error = frame_length(&[4, 0, 0, 7, 0, 0, 0, 1, 4]).unwrap_err();
        assert_eq!(error.to_string(), "offset 2: header.length: bad length 7");
        assert_eq!(error.header, [4, 0, 0, 7, 0, 0, 0, 1]);
    }

    #[cfg(feature = "codec")]
    #[test]
    fn the_codec_cuts_a_stream_however_it_arrives() {
        use tokio_util::codec::Decoder;
        let stream = [4, 20, 0, 8, 0, 0, 0, 1, 4, 2, 0, 10, 0, 0, 0, 2, 0xab, 0xcd, 4, 20, 0, 3, 0, 0, 0, 3];
        let mut buffer = bytes::BytesMut::new();
        let mut frames = Vec::new();
        let mut lost = false;
        for octet in stream {
            buffer.extend_from_slice(&[octet]);
            match FrameCodec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => {}
                Err(error) => lost = matches!(error, StreamError::Frame(_)),
            }
        }
        assert_eq!(frames, [&stream[..8], &stream[8..18]]);
        assert!(lost);
    }
}
