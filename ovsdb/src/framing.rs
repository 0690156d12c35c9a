//! A stream cut into JSON texts (RFC 7047 §4): the messages of JSON-RPC 1.0 follow each other with nothing between them, so where one
//! ends is known by its braces alone. Each octet is looked at once, whatever pieces the stream comes in.

use std::fmt;

use serde_json::Value;

/// The longest message: the first answer brings all rows, about 500 octets for an interface, so this is some 60,000 of them. A longer one
/// ends the connection.
pub const MAX_MESSAGE_OCTETS: usize = 32 << 20;
/// How deep a message may nest. OVSDB's own do not pass ten. A deeper one ends the connection.
pub const MAX_DEPTH: usize = 64;
/// Memory that is kept when nothing waits to be read.
const KEPT_OCTETS: usize = 64 << 10;

/// Why a stream cannot be read any further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// Longer than [`MAX_MESSAGE_OCTETS`].
    TooLong,
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A message begins with something else than a brace.
    NoObject(u8),
    /// Not JSON: what the parser says.
    NotJson(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong => write!(f, "a message of more than {MAX_MESSAGE_OCTETS} octets"),
            FrameError::TooDeep => write!(f, "a message deeper than {MAX_DEPTH}"),
            FrameError::NoObject(octet) => write!(f, "a message begins with octet {octet:#04x}, not with a brace"),
            FrameError::NotJson(error) => write!(f, "not JSON: {error}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts a stream. After an error it gives nothing more.
#[derive(Debug, Default)]
pub struct Framer {
    octets: Vec<u8>,
    /// Where the message begins that is being read.
    start: usize,
    /// Up to where it has been looked at.
    seen: usize,
    depth: usize,
    quoted: bool,
    escaped: bool,
    failed: bool,
}

impl Framer {
    /// Octets from the stream.
    pub fn push(&mut self, octets: &[u8]) {
        if self.failed {
            return;
        }
        if self.start > 0 {
            self.octets.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// The stream is no JSON-RPC, or past a limit.
    pub fn next_message(&mut self) -> Result<Option<Value>, FrameError> {
        if self.failed {
            return Ok(None);
        }
        let message = self.cut();
        if message.is_err() {
            self.failed = true;
            self.octets = Vec::new();
        }
        message
    }

    fn cut(&mut self) -> Result<Option<Value>, FrameError> {
        while let Some(&octet) = self.octets.get(self.seen) {
            self.seen += 1;
            if self.seen - self.start > MAX_MESSAGE_OCTETS {
                return Err(FrameError::TooLong);
            }
            if self.quoted {
                match octet {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.quoted = false,
                    _ => {}
                }
                continue;
            }
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => self.start = self.seen,
                b'{' | b'[' if self.depth > 0 || octet == b'{' => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(FrameError::TooDeep);
                    }
                }
                _ if self.depth == 0 => return Err(FrameError::NoObject(octet)),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return self.parse().map(Some);
                    }
                }
                b'"' => self.quoted = true,
                _ => {}
            }
        }
        if self.start == self.octets.len() {
            self.octets.clear();
            self.octets.shrink_to(KEPT_OCTETS);
            (self.start, self.seen) = (0, 0);
        }
        Ok(None)
    }

    fn parse(&mut self) -> Result<Value, FrameError> {
        let text = self.octets.get(self.start..self.seen).unwrap_or_default();
        let value = serde_json::from_slice(text).map_err(|error| FrameError::NotJson(error.to_string()))?;
        self.start = self.seen;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn all(framer: &mut Framer) -> Result<Vec<Value>, FrameError> {
        std::iter::from_fn(|| framer.next_message().transpose()).collect()
    }

    fn read(pieces: &[&[u8]]) -> Result<Vec<Value>, FrameError> {
        let mut framer = Framer::default();
        let mut messages = Vec::new();
        for piece in pieces {
            framer.push(piece);
            messages.extend(all(&mut framer)?);
        }
        Ok(messages)
    }

    #[test]
    fn several_messages_in_one_piece_and_braces_in_strings() {
        let text = br#" {"a":"}{\"]\\"}{"b":[{}]}
{}"#;
        assert_eq!(read(&[text]).unwrap(), [json!({"a": "}{\"]\\"}), json!({"b": [{}]}), json!({})]);
    }

    #[test]
    fn what_is_no_message_says_why_and_is_the_end() {
        assert_eq!(read(&[b"[1]"]), Err(FrameError::NoObject(b'[')));
        assert_eq!(read(&[b"{}\x16\x03\x01"]), Err(FrameError::NoObject(0x16)));
        assert!(matches!(read(&[b"{]"]), Err(FrameError::NotJson(_))));
        assert_eq!(read(&["{\"a\":".repeat(MAX_DEPTH + 1).as_bytes()]), Err(FrameError::TooDeep));
        let mut framer = Framer::default();
        framer.push(b"]{}");
        assert!(framer.next_message().is_err());
        framer.push(b"{}");
        assert_eq!(framer.next_message(), Ok(None));
    }

    #[test]
    fn a_message_without_an_end_is_ended_at_the_limit() {
        let mut framer = Framer::default();
        framer.push(b"{\"");
        let piece = vec![b'a'; 1 << 20];
        let mut pushed = 0;
        let error = loop {
            framer.push(&piece);
            pushed += piece.len();
            assert!(pushed <= MAX_MESSAGE_OCTETS + piece.len(), "no limit");
            match framer.next_message() {
                Ok(None) => {}
                other => break other,
            }
        };
        assert_eq!(error, Err(FrameError::TooLong));
    }

    #[test]
    fn nothing_large_is_kept_when_all_is_read() {
        let mut framer = Framer::default();
        framer.push(format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20)).as_bytes());
        assert!(framer.next_message().unwrap().is_some());
        assert_eq!(framer.next_message(), Ok(None));
        assert!(framer.octets.capacity() <= 2 * KEPT_OCTETS);
    }

    proptest! {
        #[test]
        fn where_the_stream_is_split_makes_no_difference(
            texts in prop::collection::vec("[ -~]{0,12}", 1..6),
            cuts in prop::collection::vec(1usize..7, 1..200),
        ) {
            let messages: Vec<Value> = texts.iter().map(|text| json!({"params": [text, {"x": [text]}]})).collect();
            let stream: Vec<u8> = messages.iter().flat_map(|message| message.to_string().into_bytes()).collect();
            let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            prop_assert_eq!(read(&pieces).unwrap(), messages);
        }

        #[test]
        fn any_octets_are_read_alike_in_one_piece_and_octet_by_octet(octets in prop::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b'['), Just(b']'), any::<u8>()], 0..200)
        ) {
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            prop_assert_eq!(read(&single), read(&[&octets]));
        }
    }
}
