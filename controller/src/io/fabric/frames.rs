//! Cutting what was read into frames. A frame is lent from the shared read buffer, unless it began in an earlier read.

use bytes::BytesMut;
use net::Time;
use openflow::{FrameError, HEADER_LEN, MessageType, frame_length};

use crate::core::Frame;
use crate::io::record::Tap;

/// The beginning of a frame whose end has not been read: at most the longest message of OpenFlow. Empty, it holds no memory.
#[derive(Default, Debug)]
pub(super) struct Unfinished(BytesMut);

/// The frames of one read.
pub(super) struct Frames<'f> {
    unfinished: &'f mut Unfinished,
    octets: &'f [u8],
    tap: Option<(&'f Tap, Time)>,
    packet_ins: u64,
    error: Option<FrameError>,
}

impl<'f> Frames<'f> {
    pub(super) fn new(unfinished: &'f mut Unfinished, octets: &'f [u8], tap: Option<(&'f Tap, Time)>) -> Frames<'f> {
        Frames { unfinished, octets, tap, packet_ins: 0, error: None }
    }

    /// Packet-ins so far.
    pub(super) fn packet_ins(&self) -> u64 {
        self.packet_ins
    }

    /// Keeps the beginning of a frame for the next read; or says that the stream is out of step.
    pub(super) fn finish(self) -> Option<FrameError> {
        if self.error.is_none() && !self.octets.is_empty() {
            let begun = &mut self.unfinished.0;
            if begun.is_empty() {
                // All the room that it takes at once, if a good part of it is there: to grow from read to read would copy it each time, and
                // who dribbles gets no memory for what it only promises.
                let length = frame_length(self.octets).ok().flatten().unwrap_or(HEADER_LEN);
                begun.reserve(if self.octets.len() >= length / 8 { length } else { self.octets.len() });
            }
            begun.extend_from_slice(self.octets);
        }
        self.error
    }

    /// The next whole frame.
    fn cut(&mut self) -> Result<Option<Frame<'f>>, FrameError> {
        let begun = &mut self.unfinished.0;
        if begun.is_empty() {
            let Some((frame, rest)) =
                frame_length(self.octets)?.and_then(|length| self.octets.split_at_checked(length))
            else {
                return Ok(None);
            };
            self.octets = rest;
            return Ok(Some(Frame::Lent(frame)));
        }
        let mut take = |begun: &mut BytesMut, length: usize| {
            let missing = length.saturating_sub(begun.len()).min(self.octets.len());
            let (taken, rest) = self.octets.split_at(missing);
            begun.extend_from_slice(taken);
            self.octets = rest;
        };
        take(begun, HEADER_LEN);
        let Some(length) = frame_length(begun)? else { return Ok(None) };
        take(begun, length);
        Ok((begun.len() == length).then(|| Frame::Own(std::mem::take(begun).freeze())))
    }
}

impl<'f> Iterator for Frames<'f> {
    type Item = Frame<'f>;

    fn next(&mut self) -> Option<Frame<'f>> {
        if self.error.is_some() {
            return None;
        }
        let frame = match self.cut() {
            Ok(frame) => frame?,
            Err(error) => {
                if let Some((tap, now)) = self.tap {
                    tap.received(now, &error.header);
                }
                self.error = Some(error);
                return None;
            }
        };
        if let Some((tap, now)) = self.tap {
            tap.received(now, frame.as_octets());
        }
        self.packet_ins += u64::from(message_type(frame.as_octets()) == MessageType::PACKET_IN);
        Some(frame)
    }
}

/// OpenFlow 1.3.5 §7.1: the second octet.
fn message_type(frame: &[u8]) -> MessageType {
    MessageType(frame.get(1).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// An echo request, a packet-in, and a BARRIER_REPLY, not well-formed inside: nobody looks here.
    const STREAM: [u8; 30] =
        [4, 2, 0, 10, 0, 0, 0, 1, 0xab, 0xcd, 4, 10, 0, 12, 0, 0, 0, 2, 1, 2, 3, 4, 4, 21, 0, 8, 0, 0, 0, 3];

    fn cut(unfinished: &mut Unfinished, octets: &[u8]) -> (Vec<Bytes>, u64, Option<FrameError>) {
        let mut frames = Frames::new(unfinished, octets, None);
        let cut = frames.by_ref().map(Frame::into_bytes).collect();
        (cut, frames.packet_ins(), frames.finish())
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_arrives() {
        for size in 1..=STREAM.len() {
            let mut unfinished = Unfinished::default();
            let (mut frames, mut packet_ins) = (Vec::new(), 0);
            for octets in STREAM.chunks(size) {
                let (more, count, error) = cut(&mut unfinished, octets);
                frames.extend(more);
                packet_ins += count;
                assert_eq!(error, None);
            }
            assert_eq!(frames, [&STREAM[..10], &STREAM[10..22], &STREAM[22..]], "in pieces of {size}");
            assert_eq!((packet_ins, unfinished.0.capacity()), (1, 0));
        }
    }

    #[test]
    fn a_length_below_the_header_ends_the_stream_after_the_frames_before_it() {
        for size in 1..=20 {
            let mut stream = STREAM[..10].to_vec();
            stream.extend([4, 10, 0, 7, 0, 0, 0, 9, 4, 2, 0, 8]);
            let mut unfinished = Unfinished::default();
            let (mut frames, mut lost) = (Vec::new(), None);
            for octets in stream.chunks(size) {
                if lost.is_none() {
                    let (more, _, error) = cut(&mut unfinished, octets);
                    frames.extend(more);
                    lost = error;
                }
            }
            assert_eq!(frames, [&STREAM[..10]], "in pieces of {size}");
            assert_eq!(lost.map(|error| error.header), Some([4, 10, 0, 7, 0, 0, 0, 9]));
        }
    }
}
